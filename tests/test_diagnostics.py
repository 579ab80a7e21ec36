"""How a fault is shown: carets stand under what they mean, whatever the line holds."""

from __future__ import annotations

from specc.diagnostics import (
    WIDTH,
    Diagnostic,
    Label,
    Report,
    Source,
    Span,
    did_you_mean,
    labels,
    render,
)


def span(source: Source, word: str) -> Span:
    start = source.text.index(word)
    return Span(source, start, start + len(word))


def shown(text: str, *words: str, **advice: str) -> list[str]:
    source = Source("spec.nn", text)
    places = labels(*(span(source, word) for word in words))
    return render(Diagnostic("N001", "no such name", places, **advice)).splitlines()


def test_a_fault_with_advice() -> None:
    assert shown("a = b + c\n", "c", expected="a name", found="c", help="one\ntwo") == [
        "spec.nn:1:9: error[N001]: no such name",
        "  |",
        "1 | a = b + c",
        "  |         ^",
        "  = expected: a name",
        "  = found: c",
        "  = help: one",
        "          two",
    ]


def test_labels_of_one_line_share_it_and_other_lines_follow() -> None:
    assert shown("f(x)\n\ny = z\n", "f", "x", "z")[1:] == [
        "  |",
        "1 | f(x)",
        "  | ^",
        "  |   -",
        "3 | y = z",
        "  |     -",
    ]


def test_another_file_is_named() -> None:
    first, second = Source("a.nn", "a = b\n"), Source("b.nn", "# c\nc = d\n")
    places = labels((span(first, "b"), "here"), (span(second, "d"), "there"))
    assert render(Diagnostic("T001", "odd", places)).splitlines()[3:] == [
        "  |     ^ here",
        "  --> b.nn:2:5",
        "  |",
        "2 | c = d",
        "  |     - there",
    ]


def test_a_tab_is_one_column() -> None:
    assert shown("\ta\t= b\n", "b")[2:] == ["1 |  a = b", "  |      ^"]


def test_wide_letters_take_two_columns_and_accents_none() -> None:
    assert shown('"日本" + b\n', "b")[2:] == ['1 | "日本" + b', "  |          ^"]
    assert shown("e\u0301 + b\n", "b")[3] == "  |     ^"
    assert shown("層 + b\n", "層")[3] == "  | ^^"


def test_control_characters_are_shown() -> None:
    assert shown("a\x07 = b\n", "b")[2:] == ["1 | a� = b", "  |      ^"]


def test_a_long_line_is_cut_around_its_carets() -> None:
    text = " + ".join(f"term{each}" for each in range(100))
    *_, line, near, far = shown(text, "term50", "term52")
    assert len(line) <= len("1 | ") + WIDTH + len("……")
    for row, word in ((near, "term50"), (far, "term52")):
        at = len(row) - len(word)
        assert line[at:].startswith(word)


def test_labels_far_apart_on_a_long_line_get_a_cut_each() -> None:
    text = " + ".join(f"term{each}" for each in range(100))
    rows = shown(text, "term98", "term3 ")[2:]
    assert len(rows) == 4
    assert "term98" in rows[0]
    assert "term3 " in rows[2]


def test_a_place_that_ends_on_a_later_line_is_marked_on_its_first() -> None:
    assert shown("a = [\n    b\n]\n", "[\n    b\n]")[2:] == ["1 | a = [", "  |     ^"]


def test_the_end_of_a_file_can_be_marked() -> None:
    source = Source("spec.nn", "a = 1\n")
    told = render(Diagnostic("S001", "more", labels(Span(source, 6, 6))))
    assert told.splitlines()[2:] == ["2 |", "  | ^"]


def test_long_messages_are_cut() -> None:
    assert len(render(Diagnostic("N001", "x" * 5000))) < 500


def test_one_place_and_code_is_said_once_and_can_be_taken_back() -> None:
    source = Source("spec.nn", "a\n")
    fault = Diagnostic("N001", "no such name", (Label(span(source, "a")),))
    report = Report()
    report.extend([fault, fault])
    assert report.errors == [fault]
    report.take_back([fault])
    report.add(fault)
    assert report.errors == [fault]


def test_near_names() -> None:
    known = ["relu", "Linear", "sin", "batch_norm"]
    assert did_you_mean("reul", known) == "did you mean `relu`?"
    assert did_you_mean("ReLU", known) == "did you mean `relu`?"
    assert did_you_mean("batchnorm", known) == "did you mean `batch_norm`?"
    assert did_you_mean("missing", known) == ""
    assert did_you_mean("relu", ["relu"]) == "", "the name itself is no advice"
