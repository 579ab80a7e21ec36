"""From a syntax tree to its one text: what `specc fmt` writes. Parsing it gives the tree back.

Decides blanks, line breaks and parentheses; never what is said.
"""

from __future__ import annotations

from collections.abc import Sequence

from specc.language.pretty import ALWAYS, NOTHING, SPACE, Group, Nest, Text, join, lay_out
from specc.language.syntax import (
    Argument,
    Attribute,
    Binary,
    Binding,
    Call,
    Clause,
    Comprehension,
    Conditional,
    Declaration,
    Definition,
    Ellipsis,
    Entry,
    Expect,
    Expression,
    Gradient,
    If,
    Import,
    Index,
    Item,
    List,
    Literal,
    Module,
    Name,
    Number,
    Parameter,
    Pipe,
    Remark,
    Repeat,
    Return,
    Scope,
    Slice,
    Statement,
    String,
    Target,
    TypeExpression,
    Unary,
    stand_apart,
)

WIDTH = 100
STEP = 4

# How tightly an expression holds together. The grammar's order, loosest first.
(
    CONDITIONAL, PIPE, OR, AND, NOT, COMPARISON, SUM, PRODUCT, NEGATIVE, POWER, APPLIED, ATOM,
) = range(12)  # fmt: skip
TIGHTNESS = {
    "or": OR, "and": AND,
    "==": COMPARISON, "!=": COMPARISON, "<": COMPARISON, "<=": COMPARISON, ">": COMPARISON,
    ">=": COMPARISON,
    "+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "//": PRODUCT, "%": PRODUCT, "@": PRODUCT,
    "^": POWER,
}  # fmt: skip
LITERALS = {True: "true", False: "false", None: "none"}
ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"})


def format(module: Module) -> str:
    """The text of a file, in its one form."""
    page = _Page()
    for each in module.header:
        page.remark(each.text, 0)
    if module.language is not None:
        page.line(f"language {module.language}", 0)
        page.blank()
    if module.doc:
        page.doc(module.doc, 0)
        page.blank()
    previous: Item | None = None
    for item in module.items:
        if previous is not None and stand_apart(previous, item):
            page.blank()
        page.item(item)
        previous = item
    return page.text()


class _Page:
    """The lines so far."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def text(self) -> str:
        text = "\n".join(self._lines).strip("\n")
        return text + "\n" if text else ""

    def body(self, statements: Sequence[Statement], level: int) -> None:
        """A block's statements, the keywords of neighbouring lines in a column of their own."""
        widths = [len(_keyword(each)) for each in statements]
        for index, each in enumerate(statements):
            if widths[index] and (index == 0 or not widths[index - 1]):
                end = next((at for at in range(index, len(widths)) if not widths[at]), len(widths))
                widths[index:end] = [max(widths[index:end])] * (end - index)
            self.statement(each, level, widths[index])

    def line(self, text: Text, level: int, after: str = "", remark: str = "") -> None:
        """A line, or the few that it takes; `after` is what must stand on the last one."""
        indent = " " * (level * STEP)
        laid_out = lay_out([text, after], WIDTH, level * STEP, STEP)
        said = f"  # {remark}" if remark else ""
        self._lines.append(f"{indent}{laid_out}{said}")

    def blank(self) -> None:
        self._lines.append("")

    def remark(self, text: str, level: int) -> None:
        said = f"#{text}" if text.startswith("!") and not self._lines else comment(text)
        self._lines.append(" " * (level * STEP) + said if text else "")

    def doc(self, text: str, level: int) -> None:
        if not text:
            return
        indent = " " * (level * STEP)
        lines = text.split("\n")
        if len(lines) > 1:
            lines = ["", *lines, ""]
        elif text.endswith('"'):
            lines = [text + " "]
        laid_out = "\n".join(
            indent + each if index and each else each for index, each in enumerate(lines)
        )
        closing = indent if len(lines) > 1 else ""
        self._lines.append(f'{indent}"""{laid_out}{closing}"""')

    # ── items and statements ─────────────────────────────────────────────────────────────────────
    def item(self, item: Item) -> None:
        if isinstance(item, Definition):
            self._definition(item)
        elif isinstance(item, Import):
            names: list[Text] = [*item.names]
            head = f"from {quote(item.path)} import " if names else f"import {quote(item.path)}"
            self.line([head, _listed(names)], 0, remark=item.remark)
        elif isinstance(item, Expect):
            self.doc(item.doc, 0)
            self.line(["expect ", _expression(item.condition)], 0, remark=item.remark)
        else:
            self.statement(item, 0)

    def _definition(self, item: Definition) -> None:
        self.doc(item.doc, 0)
        head: list[Text] = [f"{item.kind} {item.name}" if item.name else item.kind]
        if item.parameters is not None:
            # `data(...` would be a call.
            head.append("" if item.name else " ")
            head.append(_bracketed("(", [_parameter(each) for each in item.parameters], ")"))
        if item.expression is not None:
            self.line([*head, " = ", _expression(item.expression)], 0, remark=item.remark)
        else:
            self._block(head, item.body, 0, item.remark)
            self.line("}", 0)

    def _block(
        self, head: Text, body: Sequence[Statement], level: int, remark: str, before: str = ""
    ) -> None:
        self.line([before, head], level, " {", remark)
        self.body(body, level + 1)

    def statement(self, each: Statement, level: int, width: int = 0) -> None:
        if isinstance(each, Remark):
            self.remark(each.text, level)
        elif isinstance(each, Binding):
            self.doc(each.doc, level)
            targets = _listed([_target(target) for target in each.targets])
            self.line([targets, " = ", _expression(each.value)], level, remark=each.remark)
        elif isinstance(each, Declaration):
            self.doc(each.doc, level)
            entries = _listed([_entry(entry) for entry in each.entries])
            self.line([f"{each.kind:{width}} ", entries], level, remark=each.remark)
        elif isinstance(each, Clause):
            self.doc(each.doc, level)
            arguments = _listed([_argument(argument) for argument in each.arguments])
            on: Text = [" on ", _expression(each.on)] if each.on is not None else ""
            self.line([f"{each.keyword:{width}} ", arguments, on], level, remark=each.remark)
        elif isinstance(each, Return):
            values = _listed([_expression(value) for value in each.values])
            self.line(["return ", values], level, remark=each.remark)
        elif isinstance(each, Gradient):
            value = _expression(each.value)
            self.line([f"gradient {each.name} = ", value], level, remark=each.remark)
        elif isinstance(each, Repeat):
            named = f"{each.name} in " if each.name is not None else ""
            head = [f"repeat {named}", _expression(each.iterable, OR), _scope(each.scope)]
            self._block(head, each.body, level, each.remark)
            self.line("}", level)
        elif isinstance(each, If):
            self._if(each, level)
        else:
            self.line(_expression(each.value), level, remark=each.remark)

    def _if(self, each: If, level: int) -> None:
        before = ""
        while True:
            self._block(["if ", _expression(each.test)], each.body, level, each.remark, before)
            if len(each.otherwise) != 1 or not isinstance(each.otherwise[0], If):
                break
            each = each.otherwise[0]
            before = "} else "
        if each.otherwise:
            self._block("} else", each.otherwise, level, "")
        self.line("}", level)


def _keyword(each: Statement) -> str:
    """The keyword that is put in a column with those of the lines around it."""
    if isinstance(each, Declaration | Clause) and not each.doc:
        return each.kind if isinstance(each, Declaration) else each.keyword
    return ""


def _listed(items: Sequence[Text]) -> Text:
    """`a, b, c`; a single one breaks as it would alone."""
    return Group(Nest(join(items))) if len(items) > 1 else items


# ── parts of statements ──────────────────────────────────────────────────────────────────────────
def _parameter(each: Parameter) -> Text:
    return [each.name, _typed(each.type), _given(each.default)]


def _entry(each: Entry) -> Text:
    return [each.name, _scope(each.scope), _typed(each.type), _given(each.default)]


def _target(each: Target) -> Text:
    return [each.name, "'" if each.primed else "", _typed(each.type)]


def _typed(type: TypeExpression | None) -> Text:
    if type is None:
        return ""
    made: list[Text] = [": list " if type.listed else ": ", type.name]
    if type.axes is not None:
        made.append(_bracketed("[", [_element(axis) for axis in type.axes], "]"))
    return [*made, "?" if type.optional else ""]


def _given(default: Expression | None) -> Text:
    return [" = ", _expression(default)] if default is not None else ""


def _scope(scope: Scope | None) -> Text:
    if scope is None:
        return ""
    return f' as "{scope.text}"' if scope.template else f" as {scope.text}"


def _argument(each: Argument) -> Text:
    name = f"{each.name} = " if each.name is not None else ""
    return [name, _expression(each.value)]


def comment(text: str) -> str:
    return f"# {text}".rstrip()


def quote(text: str) -> str:
    """A text in double quotes, as a spec writes it."""
    return f'"{text.translate(ESCAPES)}"'


# ── expressions ──────────────────────────────────────────────────────────────────────────────────
def tightness(expression: Expression) -> int:
    if isinstance(expression, Binary):
        return TIGHTNESS[expression.operator]
    if isinstance(expression, Unary):
        return NOT if expression.operator == "not" else NEGATIVE
    if isinstance(expression, Conditional):
        return CONDITIONAL
    if isinstance(expression, Pipe):
        return PIPE
    return APPLIED if isinstance(expression, Call | Attribute | Index) else ATOM


def _expression(expression: Expression, least: int = CONDITIONAL) -> Text:
    """An expression, in parentheses if it is looser than its place asks for."""
    if tightness(expression) < least:
        return Group("(", Nest(NOTHING, _bare(expression)), NOTHING, ")")
    return _bare(expression)


def _bare(each: Expression) -> Text:
    if isinstance(each, Name):
        return each.id + "'" if each.primed else each.id
    if isinstance(each, Number):
        return each.text
    if isinstance(each, Call):
        arguments = [_argument(argument) for argument in each.arguments]
        return [_expression(each.function, APPLIED), _bracketed("(", arguments, ")")]
    if isinstance(each, Binary):
        return _binary(each)
    if isinstance(each, Attribute):
        # `3.x` and `"a".0` would be read as numbers.
        least = ATOM + 1 if isinstance(each.value, Number | String) else APPLIED
        return [_expression(each.value, least), ".", each.name]
    if isinstance(each, Index):
        return [
            _expression(each.value, APPLIED),
            _bracketed("[", [_element(item) for item in each.items], "]"),
        ]
    if isinstance(each, Pipe):
        return _pipeline(each)
    if isinstance(each, Unary):
        if each.operator == "not":
            return ["not ", _expression(each.operand, NOT)]
        return ["-", _expression(each.operand, NEGATIVE)]
    if isinstance(each, String):
        return quote(each.value)
    if isinstance(each, Literal):
        return LITERALS[each.value]
    if isinstance(each, List):
        return _bracketed("[", [_element(item) for item in each.items], "]")
    if isinstance(each, Conditional):
        then, test = _expression(each.then, PIPE), _expression(each.test, PIPE)
        return [then, " if ", test, " else ", _expression(each.otherwise)]
    assert isinstance(each, Comprehension), f"{each} has no text"
    source: Text = [f" for {', '.join(each.names)} in ", _expression(each.iterable)]
    return Group("[", Nest(NOTHING, _expression(each.element), source), NOTHING, "]")


def _binary(each: Binary) -> Text:
    """A run of operators that hold equally tightly, with breaks after the operators."""
    level = TIGHTNESS[each.operator]
    if level == POWER:
        return [_expression(each.left, APPLIED), "^", _expression(each.right, NEGATIVE)]
    if level == COMPARISON:
        left, right = _expression(each.left, SUM), _expression(each.right, SUM)
        return Group(left, f" {each.operator}", Nest(SPACE, right))
    links: list[tuple[str, Text]] = []
    first: Expression = each
    while isinstance(first, Binary) and TIGHTNESS[first.operator] == level:
        links.append((first.operator, _expression(first.right, level + 1)))
        first = first.left
    rest: list[Text] = []
    for operator, operand in reversed(links):
        rest += [f" {operator}", SPACE, operand]
    return Group(_expression(first, level), Nest(*rest))


def _pipeline(each: Pipe) -> Text:
    """On one line if it fits; where the author broke it, there; else a stage a line."""
    pipes: list[Pipe] = []
    first: Expression = each
    while isinstance(first, Pipe):
        pipes.append(first)
        first = first.value
    kept = any(pipe.broken or pipe.remark or pipe.above for pipe in pipes)
    rest: list[Text] = []
    for pipe in reversed(pipes):
        stage: Text = ["-> ", _expression(pipe.stage, APPLIED), _scope(pipe.scope)]
        if pipe.broken or pipe.remark or pipe.above:
            said = f"  # {pipe.remark}" if pipe.remark else ""
            above = [[comment(text), ALWAYS] for text in pipe.above]
            rest.append([said, ALWAYS, above, stage])
        else:
            rest.append(Group(SPACE, stage) if kept else [SPACE, stage])
    return Group(_expression(first, OR), Nest(*rest))


def _element(each: Expression | Slice | Ellipsis) -> Text:
    if isinstance(each, Ellipsis):
        return "..."
    if isinstance(each, Slice):
        parts = [each.start, each.stop, *([each.step] if each.step is not None else [])]
        made: list[Text] = []
        for index, part in enumerate(parts):
            made += [":" if index else "", _expression(part) if part is not None else ""]
        return made
    return _expression(each)


def _bracketed(opening: str, items: Sequence[Text], closing: str) -> Text:
    if not items:
        return opening + closing
    return Group(opening, Nest(NOTHING, join(items)), NOTHING, closing)
