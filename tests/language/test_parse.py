"""From text to tree: what each form of the language parses to, and where it says it stands."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from specc import limits
from specc.diagnostics import Report, Source, SpecError
from specc.language.parse import parse
from specc.language.syntax import (
    Argument,
    Attribute,
    Binary,
    Binding,
    Broken,
    Call,
    Clause,
    Comprehension,
    Conditional,
    Declaration,
    Definition,
    Ellipsis,
    Entry,
    Expect,
    Gradient,
    If,
    Import,
    Index,
    List,
    Literal,
    Name,
    Number,
    Parameter,
    Pipe,
    Remark,
    Repeat,
    Return,
    Scope,
    Slice,
    String,
    Target,
    TypeExpression,
    Unary,
)

x, y, f = Name("x"), Name("y"), Name("f")
one, two, three = Number("1", 1), Number("2", 2), Number("3", 3)


def module(text: str) -> Any:
    return parse(Source("spec.nn", text))


def expression(text: str) -> Any:
    (item,) = module(f"v = {text}\n").items
    assert isinstance(item, Binding)
    return item.value


def body(text: str) -> Any:
    (item,) = module(f"layer L {{\n{text}\n}}\n").items
    assert isinstance(item, Definition)
    return item.body


def codes(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        module(text)
    return [each.code for each in caught.value.diagnostics]


# ── expressions ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("1 + 2 * 3", "1 + (2 * 3)"),
        ("1 - 2 - 3", "(1 - 2) - 3"),
        ("2 ^ 3 ^ 4", "2 ^ (3 ^ 4)"),
        ("-x^2", "-(x^2)"),
        ("2^-1", "2^(-1)"),
        ("2^-x^3", "2^(-(x^3))"),
        ("-x * y", "(-x) * y"),
        ("x * -y", "x * (-y)"),
        ("not x == y", "not (x == y)"),
        ("not x and y or f", "((not x) and y) or f"),
        ("x + 1 -> f", "(x + 1) -> f"),
        ("x or y -> f", "(x or y) -> f"),
        ("x -> f if y else f -> x", "(x -> f) if y else (f -> x)"),
        ("1 if x else 2 if y else 3", "1 if x else (2 if y else 3)"),
        ("f(x)[0].w^2", "((f(x))[0].w)^2"),
        ("x @ y % 2 // 3", "((x @ y) % 2) // 3"),
        ("x < 1 and y >= 2", "(x < 1) and (y >= 2)"),
    ],
)
def test_precedence(text, same):
    assert expression(text) == expression(same)


def test_the_forms_of_expressions():
    assert expression("x -> f(2) -> f") == Pipe(Pipe(x, Call(f, (Argument(None, two),))), f)
    assert expression("x -> f(1)(y = 2)") == Pipe(
        x, Call(Call(f, (Argument(None, one),)), (Argument("y", two),))
    )
    assert expression("x[:, -1, :]") == Index(
        x, (Slice(None, None), Unary("-", one), Slice(None, None))
    )
    assert expression("x[..., :y // 2]") == Index(
        x, (Ellipsis(), Slice(None, Binary("//", y, two)))
    )
    assert expression("x[:, none, 1:2:3, ::2]") == Index(
        x,
        (
            Slice(None, None),
            Literal(None),
            Slice(one, two, three),
            Slice(None, None, two),
        ),
    )
    assert expression("[f(w) for w, h in x]") == Comprehension(
        Call(f, (Argument(None, Name("w")),)), ("w", "h"), x
    )
    assert expression("f(axis = [batch, ...])") == Call(
        f, (Argument("axis", List((Name("batch"), Ellipsis()))),)
    )
    assert expression("x if true else false") == Conditional(x, Literal(True), Literal(False))
    assert expression("h'") == Name("h", primed=True)
    assert expression("[]") == List(())
    assert expression("f(1, 2,)") == expression("f(1, 2)")


def test_digits_after_a_dot_are_a_place_after_a_value_and_a_number_elsewhere():
    assert expression("x.0") == Attribute(x, "0")
    assert expression("x.layer.0.attn.1") == Attribute(
        Attribute(Attribute(Attribute(x, "layer"), "0"), "attn"), "1"
    )
    assert expression("f().0") == Attribute(Call(f, ()), "0")
    assert expression(".5") == Number(".5", 0.5)
    assert expression("x + .5") == Binary("+", x, Number(".5", 0.5))
    assert expression("[.5, 1.]") == List((Number(".5", 0.5), Number("1.", 1.0)))


@pytest.mark.parametrize(
    ("text", "value"),
    [("200", 200), ("10_000", 10_000), ("1e-3", 1e-3), (".5", 0.5), ("1.5E+2", 150.0)],
)
def test_numbers(text, value):
    number = expression(text)
    assert number == Number(text, value)
    assert type(number.value) is type(value)
    assert expression("inf") == Number("inf", float("inf"))


def test_texts_and_their_escapes():
    assert expression(r'"a \"b\" \\ \n\t"') == String('a "b" \\ \n\t')
    assert expression("\"# no comment, 'nor this'\"") == String("# no comment, 'nor this'")


def test_scopes():
    pipe = expression("x -> f as downsample.0")
    assert pipe == Pipe(x, f, Scope("downsample.0", False))
    pipe = expression('x -> f as "layer{s + 1}.{data}"')
    holes = (Binary("+", Name("s"), one), Name("data"))
    assert pipe == Pipe(x, f, Scope("layer{s + 1}.{data}", True, holes=holes))
    assert pipe.scope.holes[0].span.text == "s + 1"
    assert expression('x -> f as ""') == Pipe(x, f, Scope("", True))


# ── statements ───────────────────────────────────────────────────────────────────────────────────
def test_bindings():
    (binding,) = body("y, h', c' = f(x)")
    assert binding.targets == (Target("y"), Target("h", True), Target("c", True))
    (binding,) = body("keep: bool[...] = f()")
    assert binding.targets == (Target("keep", False, TypeExpression("bool", (Ellipsis(),))),)


def test_declarations():
    (given,) = body("given memory: float[batch, 2 * d],\n    keep: bool[batch]?")
    batch, features = Name("batch"), Binary("*", two, Name("d"))
    assert given == Declaration(
        "given",
        (
            Entry("memory", None, TypeExpression("float", (batch, features)), None),
            Entry("keep", None, TypeExpression("bool", (batch,), optional=True), None),
        ),
    )
    (param,) = body('param w as "weight_ih{tag}": float[4] = init')
    scope = Scope("weight_ih{tag}", True, holes=(Name("tag"),))
    floats = TypeExpression("float", (Number("4", 4),))
    assert param.entries == (Entry("w", scope, floats, Name("init")),)
    (state,) = body("state total = 0")
    assert state.entries == (Entry("total", None, None, Number("0", 0)),)


def test_clauses():
    assert body("output x, probs = f(x)") == (
        Clause(
            "output",
            (Argument(None, x), Argument("probs", Call(f, (Argument(None, x),)))),
        ),
    )
    assert body('loss critic = x on "critic.*"') == (
        Clause("loss", (Argument("critic", x),), String("critic.*")),
    )
    assert body('from pretrain, on = "enc.*"') == (
        Clause("from", (Argument(None, Name("pretrain")), Argument("on", String("enc.*")))),
    )
    assert body('optimizer f(1) on ["a.*", "b"]')[0].on == List((String("a.*"), String("b")))
    assert body('freeze "enc.*"') == (Clause("freeze", (Argument(None, String("enc.*")),)),)
    assert body("split train = .8, test = .2")[0].arguments[1].name == "test"
    assert body("seed 7") == (Clause("seed", (Argument(None, Number("7", 7)),)),)
    assert body("gradient x = y") == (Gradient("x", y),)
    assert body("return x, y") == (Return((x, y)),)


def test_a_keyword_is_a_name_wherever_a_statement_does_not_begin_with_it():
    assert body("loss (x - y)^2")[0] == Clause(
        "loss", (Argument(None, Binary("^", Binary("-", x, y), two)),)
    )
    assert codes("layer L {\n    loss(x, y)\n}") == ["S005"]  # a call
    assert body("loss = x") == (Binding((Target("loss"),), x),)
    assert body("data, target = f(x)")[0].targets == (Target("data"), Target("target"))
    assert body("state: float[2] = x")[0].targets[0].type.name == "float"
    assert body("state' = x")[0].targets == (Target("state", True),)
    assert body("input = x\n    -> loss -> output.input(train, on = on)")
    assert codes("layer L {\n    target\n        -> f\n}") == ["S005"]
    assert codes("layer L {\n    data[0]\n}") == ["S005"]
    assert codes("layer L {\n    data.x\n}") == ["S005"]
    assert body("batch .5")[0] == Clause("batch", (Argument(None, Number(".5", 0.5)),))
    assert body("v = import + on -> list")
    assert body("v: list = x")[0].targets[0].type == TypeExpression("list", None)


def test_blocks():
    (condition,) = body("if x {\n    v = 1\n} else if y { v = 2 }\nelse {\n    v = 3\n}")
    bind = [(Binding((Target("v"),), number),) for number in (one, two, three)]
    assert condition == If(x, bind[0], (If(y, bind[1], bind[2]),))
    assert body("repeat 6 as block { }") == (
        Repeat(None, Number("6", 6), Scope("block", False), ()),
    )
    (repeat,) = body('repeat w in widths as "down{w}" {\n    x = f(x)\n}')
    assert repeat.name == "w"
    assert repeat.iterable == Name("widths")
    assert repeat.scope == Scope("down{w}", True, holes=(Name("w"),))


# ── items ────────────────────────────────────────────────────────────────────────────────────────
def test_items():
    text = """
import "blocks.nn"
from "more.nn" import Encoder, Decoder
width = 3
activation leaky(x, alpha: float = 0.01) = x
layer Wide(depths: int[stages] = [3], widths: list int[n], act: activation = gelu) { }
data { }
train finetune { }
expect test.loss < 0.5
"""
    items = [item for item in module(text).items if not isinstance(item, Remark)]
    n = Name("n")
    assert items[:4] == [
        Import("blocks.nn", ()),
        Import("more.nn", ("Encoder", "Decoder")),
        Binding((Target("width"),), three),
        Definition(
            "activation",
            "leaky",
            (
                Parameter("x", None, None),
                Parameter("alpha", TypeExpression("float", None), Number("0.01", 0.01)),
            ),
            (),
            x,
        ),
    ]
    wide = items[4]
    assert isinstance(wide, Definition)
    assert wide.parameters is not None
    assert wide.parameters[1].type == TypeExpression("int", (n,), listed=True)
    assert [(each.kind, each.name, each.parameters) for each in items[5:7]] == [
        ("data", "", None),
        ("train", "finetune", None),
    ]
    loss = Attribute(Name("test"), "loss")
    assert items[7] == Expect(Binary("<", loss, Number("0.5", 0.5)))


def test_docs_belong_to_the_file_or_to_what_follows():
    text = '''# a licence
language 1
"""The file."""

"""
An item
    with more.
"""
layer L {
    """Its input."""
    input x: float[2]
}
'''
    parsed = module(text)
    assert parsed.language == 1
    assert parsed.doc == "The file."
    assert parsed.header == (Remark("a licence"),)
    (layer,) = parsed.items
    assert layer.doc == "An item\n    with more."
    assert layer.body[0].doc == "Its input."
    assert module('"""An item\'s."""\nwidth = 3').items[0].doc == "An item's."


# ── lines and comments ───────────────────────────────────────────────────────────────────────────
def test_where_a_line_goes_on():
    text = "v = f(\n  1,\n  2\n)\nw = v +\n  1\nu =\n  w\n    -> f\n\n    -> f\nif_ = v and\n  w\n"
    flat = "v = f(1, 2)\nw = v + 1\nu = w -> f -> f\nif_ = v and w\n"
    assert module(text) == module(flat)


def test_comments_and_blank_lines_are_kept():
    text = """
# first

a = 1  # one


# second
# third
layer L {  # opens

    # inside
    x = f(  # hoisted
        # too
        1
    )  # last

    #
    y = x  # before the stage
        # above it
        -> f
}  # closes
"""
    items = module(text).items
    assert items[:-2] == (
        Remark("first"),
        Remark(""),
        Binding((Target("a"),), one, "one"),
        Remark(""),
        Remark("second"),
        Remark("third"),
    )
    layer, closes = items[-2:]
    assert closes == Remark("closes")
    assert layer.remark == "opens"
    assert layer.body == (
        Remark("inside"),
        Remark("hoisted"),
        Remark("too"),
        Binding((Target("x"),), Call(f, (Argument(None, one),)), "last"),
        Remark(""),
        Remark(" "),
        Binding((Target("y"),), Pipe(x, f, remark="before the stage", above=("above it",))),
    )


def test_windows_line_ends_tabs_and_a_byte_order_mark():
    text = "\ufefflayer L {\r\n\tx = f(1,\r\n\t\t2)\t# said \r\n\r\n\treturn x\r\n}\r\n"
    assert module(text) == module(text.removeprefix("\ufeff").replace("\r", ""))


def test_names_are_composed_and_spans_refer_to_the_text_as_it_is():
    decomposed = "cafe\u0301"
    parsed = module(f"{decomposed} = 1\nv = {decomposed} + θ\n")
    assert parsed.items[0].targets[0].name == "caf\u00e9"
    value = parsed.items[1].value
    assert codes("x² = 1\n") == ["S013"]
    assert value.left.id == "caf\u00e9"
    assert value.left.span.text == decomposed
    assert value.right.span.text == "θ"


# ── places ───────────────────────────────────────────────────────────────────────────────────────
def test_spans_are_exact():
    line = "y, h' = (x + 1)[0, :2] -> net.f(a = 2) as q.0"
    text = f"layer L(a: int = 3) {{  # c\n    {line}  # d\n}}  # e\n"
    (layer, _) = module(text).items
    assert layer.span.text == text[: text.index("}") + 1]
    assert layer.at.text == "L"
    assert layer.parameters[0].span.text == "a: int = 3"
    assert layer.parameters[0].type.span.text == "int"
    (binding,) = layer.body
    assert binding.span.text == line
    assert [each.span.text for each in binding.targets] == ["y", "h'"]
    pipe = binding.value
    assert pipe.span.text == "(x + 1)[0, :2] -> net.f(a = 2) as q.0"
    assert pipe.stage.span.text == "net.f(a = 2)"
    assert pipe.stage.function.at.text == "f"
    assert pipe.stage.arguments[0].span.text == "a = 2"
    assert pipe.scope.span.text == "q.0"
    assert pipe.value.span.text == "(x + 1)[0, :2]"
    assert pipe.value.items[1].span.text == ":2"
    total = pipe.value.value
    assert (total.span.text, total.at.text) == ("x + 1", "+")


def test_nodes_are_frozen_dataclasses_that_compare_by_what_they_say():
    name = expression("x")
    assert name == x
    assert hash(name) == hash(x)
    assert dataclasses.is_dataclass(Name)
    assert dataclasses.replace(name, id="z") == Name("z")
    assert [field.name for field in dataclasses.fields(name)] == ["id", "primed", "span"]
    assert not hasattr(name, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        name.id = "z"
    assert repr(name) == "Name(id='x', primed=False)"


# ── faults and limits ────────────────────────────────────────────────────────────────────────────
def test_every_fault_of_a_file_is_reported_in_one_run():
    text = "a = 2 ** 3\nlayer L(x {\n    b = (1, 2)\n    otput x\n}\nmodle M {\n    c = d e\n}\n"
    assert codes(text) == ["S010", "S002", "S010", "S014", "S014", "S001"]


def test_habits_at_the_very_beginning_of_a_file():
    assert codes("elif x {\n}\n") == ["S011", "S016"]
    assert codes("; x = 1") == ["S004"]
    assert codes(")") == ["S003"]
    assert codes("}") == ["S003"]


def test_what_can_be_read_of_a_faulty_file_is_read():
    report = Report()
    text = "a = 1\nb = [1 2]\nlayer L {\n    c = 3 4\n    return a\n}\nd = 0xF\n"
    parsed: Any = parse(Source("spec.nn", text), report)
    assert [each.code for each in report.diagnostics] == ["S001", "S001", "S007"]
    kept = [item for item in parsed.items if not isinstance(item, Remark)]
    assert [type(item) for item in kept] == [Binding, Definition, Binding]
    assert Return((Name("a"),)) in kept[1].body


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("v = " + "(" * 65 + "1" + ")" * 65, "L002"),
        ("v = " + "[" * 10_000, "L002"),
        ("v = " + "f(" * 100_000 + ")" * 100_000, "L002"),
        ("layer L {" + "if a {" * 64 + "}" * 65, "L002"),
        ("v = " + "-" * 10_000 + "1", "L013"),
        ("v = " + "not " * 10_000 + "a", "L013"),
        ("v = " + "2^" * 10_000 + "2", "L013"),
        ("v = " + " + ".join(["a"] * 10_000), "L013"),
        ("v = a" + " -> f" * 10_000, "L013"),
        ("v = a" + ".b" * 10_000, "L013"),
        ("v = " + "1 if a else " * 10_000 + "2", "L013"),
        ("v = " + "1" * 401, "L011"),
        ("# " + "é" * (limits.SOURCE_BYTES.value // 2), "L001"),
        ("v = 2 ** 2\n" * 200, "L009"),
    ],
)
def test_limits_end_in_a_diagnostic(text, code):
    assert code in codes(text)


def test_what_is_long_but_not_deep_is_no_fault():
    module("v = [" + ", ".join(["-1"] * 10_000) + "]")
    module("layer L {\n" + "    x = x -> f\n" * 10_000 + "}\n")
    module("v = " + "(" * 64 + "1" + ")" * 64)
    module("v = " + " + ".join(["a"] * limits.EXPRESSION.value))


@pytest.mark.parametrize("text", ["", "\n\n", "# only this", '"""only this"""', "\ufeff"])
def test_files_of_nothing(text):
    assert not [item for item in module(text).items if not isinstance(item, Remark)]


def test_what_could_not_be_read_is_broken_in_the_tree():
    report = Report()
    parsed: Any = parse(Source("spec.nn", "v = 1e999"), report)
    assert isinstance(parsed.items[0].value, Broken)
