"""Text as numbers, against Python's, scikit-learn's and torch's own ways; and whole runs of it."""

from __future__ import annotations

import json
import keyword
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import specc
from specc import pipeline
from specc.compare.subject import subject_of
from specc.diagnostics import Source, Span, SpecError
from specc.ir.recipe import Column, Cut, Lengths, Lookup, Segments, Vocabulary
from specc.training.columns import Dataset, load
from specc.training.order import epoch_of, streams_of
from specc.training.ragged import Ragged
from specc.training.texts import Texts, characters, cut

HERE = Span(Source("t.nn", ""), 0, 0)
TEXTS = [
    "The cat sat on the mat, twice.\n",
    "",
    "Ünïcode — and 東京; 3.14 isn't\ttwo tokens 🙂",
    "the the the cat <unk> <pad>",
]


def rows_of(tokens) -> list[list[str]]:
    return [
        [tokens.entries[place] for place in tokens.flat[start:stop]]
        for start, stop in zip(tokens.starts[:-1], tokens.starts[1:], strict=True)
    ]


def vocabulary(how: str = "words", **changes) -> Vocabulary:
    given = {"size": None, "unknown": True, "padding": True, "start": False, "end": False}
    of = Cut(Column("text", train=True), how)
    return Vocabulary(of, **{**given, **changes}, span=HERE)


def texts(train: list[int] | None = None) -> Texts:
    rows = np.arange(len(TEXTS)) if train is None else np.array(train, dtype=np.int64)
    return Texts({"text": lambda: TEXTS}, rows)


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────
def test_characters_are_code_points() -> None:
    assert rows_of(characters(TEXTS)) == [list(text) for text in TEXTS]
    assert rows_of(characters(["", ""])) == [[], []]


def test_words_are_scikit_learns_with_every_mark() -> None:
    from sklearn.feature_extraction.text import CountVectorizer

    split = CountVectorizer(lowercase=False, token_pattern=r"\w+|[^\w\s]").build_tokenizer()
    assert rows_of(cut(TEXTS, "words", None)) == [split(text) for text in TEXTS]


def test_fields_are_what_split_gives() -> None:
    assert rows_of(cut(TEXTS, "fields", None)) == [text.split() for text in TEXTS]
    lines = ["a;b;;c", ";", ""]
    assert rows_of(cut(lines, "fields", ";")) == [["a", "b", "", "c"], ["", ""], []]


# ── vocabularies ─────────────────────────────────────────────────────────────────────────────────
def test_a_vocabulary_is_counted_over_training_rows_alone() -> None:
    found = texts([0, 3]).vocabulary(vocabulary())
    words = re.findall(r"\w+|[^\w\s]", TEXTS[0]) + re.findall(r"\w+|[^\w\s]", TEXTS[3])
    counts = Counter(words)
    assert found[:2] == ("<pad>", "<unk>")
    assert set(found[2:]) == set(counts)
    ranks = [(-counts[word], word) for word in found[2:]]
    assert ranks == sorted(ranks)
    assert "東京" not in found


def test_a_size_counts_the_special_tokens_too() -> None:
    found = texts().vocabulary(vocabulary("fields", size=5, end=True))
    assert found == ("<pad>", "<unk>", "<end>", "the", "cat")


def test_numbers_lead_back_to_the_tokens() -> None:
    made = texts([0, 3])
    recipe = vocabulary(start=True, end=True)
    words = made.vocabulary(recipe)
    numbers = made.numbers(Lookup(recipe, Cut(Column("text"), "words")))
    for row, text in enumerate(TEXTS):
        found = [words[n] for n in numbers.flat[numbers.starts[row] : numbers.starts[row + 1]]]
        wanted = [w if w in words else "<unk>" for w in re.findall(r"\w+|[^\w\s]", text)]
        assert found == ["<start>", *wanted, "<end>"]


def test_a_token_that_is_written_like_a_special_one_is_unknown() -> None:
    recipe = vocabulary("fields")
    made = texts()
    assert made.vocabulary(recipe).count("<pad>") == 1
    numbers = made.numbers(Lookup(recipe, Cut(Column("text"), "fields")))
    assert numbers.flat[-2:].tolist() == [1, 1]  # `<unk> <pad>`, the last row's last two


def test_an_unseen_token_needs_an_unknown() -> None:
    recipe = vocabulary("characters", unknown=False)
    with pytest.raises(SpecError) as error:
        texts([0]).numbers(Lookup(recipe, Cut(Column("text"), "characters")))
    (told,) = error.value.diagnostics
    assert told.code == "D015"
    assert told.found == '"Ü" in row 2'


def test_segments_cut_a_split_s_rows_one_after_another() -> None:
    made = texts()
    lookup = Lookup(vocabulary("characters"), Cut(Column("text"), "characters"))
    all_of_it = [n for row in (0, 2) for n in made.numbers(lookup)[np.array([row])][0]]
    for length, stride in ((5, 5), (5, 4), (3, 7)):
        found = made.segments(Segments(lookup, length, stride, HERE), np.array([0, 2]))
        wanted = [
            all_of_it[start : start + length]
            for start in range(0, len(all_of_it) - length + 1, stride)
        ]
        assert found.tolist() == wanted
    assert made.segments(Segments(lookup, 5, 5, HERE), np.array([1])).shape == (0, 5)


def test_lengths_count_what_a_row_feeds() -> None:
    made = texts()
    plain = Cut(Column("text"), "words")
    framed = Lookup(vocabulary(end=True), plain)
    counts = [len(re.findall(r"\w+|[^\w\s]", text)) for text in TEXTS]
    assert made.lengths(Lengths(plain)).tolist() == counts
    assert made.lengths(Lengths(framed)).tolist() == [count + 1 for count in counts]


# ── batches ──────────────────────────────────────────────────────────────────────────────────────
def ragged(lengths: list[int], padding: int = 9) -> Ragged:
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return Ragged(np.arange(starts[-1]), starts, padding)


def test_a_batch_is_padded_as_torch_pads() -> None:
    import torch
    from torch.nn.utils.rnn import pad_sequence

    column = ragged([3, 0, 5, 1])
    for rows in ([0, 1], [3], [2, 3, 0], [1]):
        parts = [torch.tensor(column.flat[column.starts[r] : column.starts[r + 1]]) for r in rows]
        wanted = pad_sequence(parts, batch_first=True, padding_value=9).numpy()
        if not wanted.shape[1]:
            wanted = np.full((len(rows), 1), 9)  # no batch is empty
        np.testing.assert_array_equal(column[np.array(rows)], wanted)


def test_batches_hold_rows_of_nearly_one_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 1000)
    order = epoch_of(1000, 8, 3, 0, lengths)
    assert sorted(order) == list(range(1000))

    def padding(rows: np.ndarray) -> float:
        return sum(8 * batch.max() - batch.sum() for batch in lengths[rows].reshape(-1, 8))

    assert padding(order) < 0.1 * padding(epoch_of(1000, 8, 3, 0, None))
    longest = lengths[order].reshape(-1, 8).max(axis=1)
    assert not (np.diff(longest) >= 0).all(), "batches come in an order of their own"
    assert not np.array_equal(order, epoch_of(1000, 8, 3, 1, lengths))


@pytest.mark.parametrize(("count", "size"), [(12, 4), (11, 4), (13, 4), (4, 4), (5, 1), (7, 6)])
def test_streams_go_on_where_they_were(count: int, size: int) -> None:
    order = streams_of(count, size)
    assert sorted(order) == list(range(count))
    batches = [order[start : start + size] for start in range(0, count, size)]
    for before, after in pairwise(batches):
        np.testing.assert_array_equal(after, before[: len(after)] + 1)


# ── what Python brings ───────────────────────────────────────────────────────────────────────────
def source_block(text: str) -> Dataset:
    spec = specc.loads(f"data D {{\n    {text}\n}}\n")
    return load(spec.built.datas["D"], 0, set())


def test_the_documentation_is_all_there() -> None:
    from pydoc_data.topics import topics

    made = source_block(
        'source python("documentation")\n    v = vocabulary(characters(train.text))\n'
        "    text = v(characters(text))\n    topic = vocabulary(train.topic)(topic)"
    )
    entries = made.vocabularies["v"]
    rows = made.columns["text"]
    assert isinstance(rows, Ragged)
    assert len(rows) == len(topics)
    for row, name in enumerate(sorted(topics)):
        spelt = "".join(entries[n] for n in rows.flat[rows.starts[row] : rows.starts[row + 1]])
        assert spelt == topics[name]


def test_the_source_s_kinds_are_what_ast_says() -> None:
    import ast

    from specc.training.python_texts import MODULES, _file_of, source_lines

    lines = list(source_lines())
    assert len(lines) > 5000
    pairs = Counter(pair for line in lines for pair in line)
    assert all((kind == "keyword") == keyword.iskeyword(token) for token, kind in pairs)
    defined = Counter()
    for name in MODULES:
        file = _file_of(name)
        assert file is not None
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                defined[node.name] += 1
    assert defined == Counter(t for line in lines for t, kind in line if kind == "definition")


# ── whole runs ───────────────────────────────────────────────────────────────────────────────────
TAGGER = """
model Tagger(vocab: int, kinds: int) {
    input  word: int[batch, time]
    input  length: int[batch]
    target kind: int[batch, time]
    ys, _, _ = LSTM(8)(word -> Embedding(vocab, 8), length = length)
    logits = ys -> Linear(kinds)
    keep   = float(kind != 0)
    output logits
    loss   sum(cross_entropy(logits, kind, reduction = "none") * keep) / sum(keep)
}
data Notes {
    source csv("notes.csv")
    words  = vocabulary(fields(train.sentence))
    kinds  = vocabulary(fields(train.tags), unknown = false)
    word   = words(fields(sentence))
    kind   = kinds(fields(tags))
    length = lengths(fields(sentence))
    split  test = part == "test"
}
train {
    model     Tagger(vocab = Notes.words.size, kinds = Notes.kinds.size)
    data      Notes
    optimizer adam(lr = 1e-2)
    batch     4
    epochs    3
}
"""


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    rows = ["sentence,tags,part"]
    for row in range(30):
        words = rng.choice(["cat", "dog", "runs", "sleeps", "now"], size=rng.integers(1, 9))
        tags = ["noun" if word in ("cat", "dog") else "other" for word in words]
        rows.append(f"{' '.join(words)},{' '.join(tags)},{'test' if row % 5 == 4 else 'train'}")
    (tmp_path / "notes.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "tagger.nn").write_text(TAGGER)
    return tmp_path / "tagger.nn"


def test_a_tagger_trains_alike_on_all_backends(notes: Path, tmp_path: Path) -> None:
    losses: dict[str, list[float]] = {}
    for backend in ("numpy", "torch", "onnx"):
        result = pipeline.run(
            notes, backend=backend, dtype="float64", out=tmp_path / backend, quiet=True
        )
        losses[backend] = [record["train.loss"] for record in result.history]
    np.testing.assert_allclose(losses["torch"], losses["numpy"], rtol=1e-9)
    np.testing.assert_allclose(losses["onnx"], losses["numpy"], rtol=1e-9)
    assert losses["numpy"][-1] < losses["numpy"][0]
    written = json.loads((tmp_path / "numpy" / "vocabulary.json").read_text(encoding="utf-8"))
    assert written["Notes.kinds"] == ["<pad>", "other", "noun"]
    assert written["Notes.words"][:2] == ["<pad>", "<unk>"]


def test_sizes_come_with_the_weights_where_the_data_is_gone(notes: Path, tmp_path: Path) -> None:
    pipeline.run(notes, out=tmp_path / "run", quiet=True)
    weights = tmp_path / "run" / "last.safetensors"
    (tmp_path / "notes.csv").unlink()
    np.savez(tmp_path / "x.npz", word=np.array([[2, 3]]), length=np.array([2]))
    made = pipeline.predict(notes, weights=weights, inputs=tmp_path / "x.npz")
    assert made["logits"].shape == (1, 2, 3)
    for to in ("numpy", "torch", "onnx"):
        pipeline.export(notes, to=to, output=tmp_path / f"model_{to}", weights=weights)
    with pytest.raises(SpecError) as error:
        pipeline.export(notes, to="numpy", output=tmp_path / "model.py")
    assert error.value.diagnostics[0].code == "D001"


def test_the_python_interface_reads_the_sizes_too(notes: Path) -> None:
    spec = specc.load(notes)
    assert set(spec.built.open) == {"Notes.words.size", "Notes.kinds.size"}
    trainer = spec.trainer(seed=1)
    assert trainer.parameters["embedding.weight"].shape == (7, 8)
    assert spec.model(vocab=3, kinds=2).compile().weights["embedding.weight"].shape == (3, 8)


def test_blocks_of_other_seeds_are_compared_on_the_split_that_they_are_run_on(notes: Path) -> None:
    """A vocabulary is of the first block's training rows, whichever block is compared."""
    shared = "    split  train = 0.5, test = 0.5\n"
    text = TAGGER.replace('    split  test = part == "test"\n', shared)
    assert text != TAGGER
    model, block = text.split("train {")
    blocks = [f"train t{seed} {{\n    seed      {seed}{block}" for seed in (1, 2)]
    notes.write_text(model + "\n".join(blocks))
    table = notes.parent / "notes.csv"
    head, *lines = table.read_text().splitlines()  # now a word of its own in each row
    rows = [f"own{at} {line}".replace(",", ",other ", 1) for at, line in enumerate(lines)]
    table.write_text("\n".join([head, *rows]) + "\n")
    subject = subject_of(notes)
    dataset = load(subject.spec.datas["Notes"], 1, set())
    own = dataset.columns["word"]
    assert isinstance(own, Ragged)
    trained = {tuple(own[np.array([row])][0]) for row in dataset.splits["train"]}
    seen = {tuple(row[row > 0]) for batch in subject.batches for row in batch["word"]}
    assert len(seen) > 10
    assert seen <= trained
    assert subject.model.hypers["vocab"] == len(dataset.vocabularies["words"])


def test_sizes_are_of_data_in_the_same_file(notes: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.nn"
    block = TAGGER[TAGGER.index("train {") :].replace("data      Notes", "data      Own")
    block = block.replace("Tagger(", "tagger.Tagger(").replace("= Notes.", "= tagger.Notes.")
    other.write_text(f'import "tagger.nn"\ndata Own {{\n    source csv("notes.csv")\n}}\n{block}')
    with pytest.raises(SpecError) as error:
        specc.load(other)
    assert {each.code for each in error.value.diagnostics} == {"N004"}


def refused(notes: Path, old: str, new: str) -> set[str]:
    text = TAGGER.replace(old, new)
    assert text != TAGGER
    notes.write_text(text)
    with pytest.raises(SpecError) as error:
        pipeline.run(notes, out=notes.parent / "out", quiet=True)
    return {each.code for each in error.value.diagnostics}


def test_rows_that_would_not_be_padded_alike_are_refused(notes: Path) -> None:
    assert refused(notes, "words(fields(sentence))", "words(fields(part))") == {"D012"}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("time]", "4]", "D007"),
        ("unknown = false)", "unknown = false, padding = false)", "D015"),
        ("words(fields(sentence))", "words(fields(tags))", ""),
        ("length = lengths(fields(sentence))", "length = part", "D005"),
        ("Notes.words.size", "Notes.word.size", "N004"),
        ('part == "test"', 'part == "tset"', "D011"),
        ("csv(", "text(", "N001 N004"),
        ("kinds(fields(tags))", 'kinds(fields(tags, separator = "o"))', "D015"),
    ],
)
def test_what_doesn_t_fit_is_told(notes: Path, old: str, new: str, code: str) -> None:
    if code:
        assert refused(notes, old, new) == set(code.split())
    else:
        notes.write_text(TAGGER.replace(old, new))
        pipeline.run(notes, out=notes.parent / "out", quiet=True)


def test_text_is_told_from_numbers(notes: Path) -> None:
    """An input fed text, and a file of which nothing tells what is text."""
    text = TAGGER.replace("    length = lengths(fields(sentence))", "    length = part")
    assert text != TAGGER
    notes.write_text(text)
    with pytest.raises(SpecError) as error:
        pipeline.run(notes, out=notes.parent / "out", quiet=True)
    (found,) = error.value.diagnostics
    assert "only a vocabulary" in found.found
    assert "vocab(" in found.help
    table = notes.parent / "notes.csv"
    table.write_text(table.read_text().partition("\n")[0] + "\n")
    with pytest.raises(SpecError) as error:
        pipeline.run(notes, out=notes.parent / "out", quiet=True)
    assert [each.code for each in error.value.diagnostics] == ["D011"]


def test_segments_of_two_strides_are_of_no_one_table(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("abcdefghijklmnop\n")
    spec = tmp_path / "t.nn"
    cut = "segments(v(characters(text)), length = 5, stride = "
    spec.write_text(
        'data D {\n    source text("t.txt")\n    v = vocabulary(characters(train.text))\n'
        f"    x = {cut}5)\n    y = {cut}2)\n}}\n"
    )
    with pytest.raises(SpecError) as error:
        load(specc.load(spec).built.datas["D"], 0, {"x", "y"})
    (found,) = error.value.diagnostics
    assert found.code == "D012"
    assert [each.span.text[-2:] for each in found.labels] == ["5)", "2)"]


def test_segments_need_tokens_enough(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("abcdefghijklmnop\nxyz\n")
    spec = tmp_path / "t.nn"
    spec.write_text(
        'data D {\n    source text("t.txt")\n    v = vocabulary(characters(train.text))\n'
        "    x = segments(v(characters(text)), length = 5)\n    split test = row == 1\n}\n"
    )
    block = specc.load(spec).built.datas["D"]
    with pytest.raises(SpecError) as error:
        load(block, 0, {"x"})
    assert error.value.diagnostics[0].code == "D011"
    assert "`test`" in error.value.diagnostics[0].message


@pytest.mark.parametrize(
    ("content", "unit", "rows"),
    [
        ("a\nb\n", "line", ["a", "b"]),
        ("a\r\n\r\nb", "line", ["a", "", "b"]),
        ("a\nb\n\n \nc\n", "paragraph", ["a\nb", "c"]),
        ("\n\na\n\n\n", "paragraph", ["a"]),
        ("\ufeffa", "line", ["a"]),
    ],
)
def test_rows_of_a_text_file(tmp_path: Path, content: str, unit: str, rows: list[str]) -> None:
    from specc.training.text_files import read_text

    (tmp_path / "t.txt").write_bytes(content.encode())
    assert read_text(tmp_path / "t.txt", unit, None).texts["text"]() == rows


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    from specc.training.text_files import read_text

    (tmp_path / "t.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError) as error:
        read_text(tmp_path / "t.txt", "line", None)
    assert error.value.diagnostics[0].code == "D004"
