"""rearrange and einsum: patterns of space-separated names, local to the pattern."""

from __future__ import annotations

import re

from specc.diagnostics import Span, did_you_mean, fault
from specc.ir import Extent, Node, Size
from specc.ir.size import product
from specc.language.build.arguments import Given
from specc.language.build.frame import Frame
from specc.language.build.tensors import cast, lift, merge, op, promote
from specc.language.build.values import Label, Tensor, Value, counted, describe

Group = tuple[str, ...]  # one axis of a pattern: a name, or (h e) merged; "..." stands alone


def _pattern(frame: Frame, argument: Given, what: str) -> tuple[str, Span]:
    value = argument.evaluate(frame)
    if not isinstance(value, str):
        raise fault(
            "H004",
            f"`{what}` needs a pattern in quotes, not {describe(value)}",
            (argument.span, describe(value)),
        )
    if value.count("->") != 1:
        raise fault("T014", "a pattern has one `->`", argument.span, found=value)
    return value, argument.span


def _at(span: Span, word: str, right: bool = False) -> Span:
    """Where a word of a pattern stands; all of the pattern if it isn't written there."""
    start = span.text.find("->") if right else 0
    found = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)").search(span.text, max(start, 0))
    if found is None:
        return span
    return Span(span.source, span.start + found.start(), span.start + found.end())


def _side(text: str, span: Span, groups: bool) -> list[Group]:
    made: list[Group] = []
    inside: list[str] | None = None
    for word in text.replace("(", " ( ").replace(")", " ) ").split():
        if word == "(" and groups and inside is None:
            inside = []
        elif word == ")" and inside is not None:
            made.append(tuple(inside))
            inside = None
        elif (word == "..." and inside is None) or word.isidentifier() or word == "1":
            if inside is not None:
                inside.append(word)
            else:
                made.append((word,))
        else:
            raise fault(
                "T014",
                f"`{word}` can't stand in a pattern",
                _at(span, word),
                expected="names with blanks between" + (", groups in ( )" if groups else ""),
                help="write blanks between the names: `b h t e`" if "," in word else "",
            )
    if inside is not None:
        raise fault("T014", "a group in the pattern is not closed", span)
    flat = [name for group in made for name in group if name != "1"]
    if groups:
        for name in flat:
            if flat.count(name) > 1:
                message = f"`{name}` stands twice on one side of the pattern"
                raise fault("T014", message, _at(span, name))
    return made


def rearrange(frame: Frame, arguments: list[Given], at: Span) -> Value:
    """rearrange(x, "b t (h e) -> b h t e", h = heads): cut, permute and join axes."""
    plain = [each for each in arguments if each.name is None]
    named = {each.name: each for each in arguments if each.name is not None}
    for name, place in (("x", 0), ("pattern", 1)):
        if name in named:
            plain.insert(place, named.pop(name))
    if len(plain) != 2:
        raise fault("H001", "`rearrange` takes a tensor and a pattern, then sizes by name", at)
    x = lift(plain[0].evaluate(frame), plain[0].span)
    text, span = _pattern(frame, plain[1], "rearrange")
    left_text, right_text = text.split("->")
    left, right = _side(left_text, span, groups=True), _side(right_text, span, groups=True)
    known: dict[str, Extent] = {}
    for name, argument in named.items():
        value = argument.evaluate(frame)
        names = [each for group in left for each in group]
        if name not in names:
            raise fault(
                "T014",
                f"`{name}` is not in the pattern",
                argument.name_at,
                help=did_you_mean(str(name), names),
            )
        if isinstance(value, bool) or not isinstance(value, (int, Size)):
            raise fault("T014", f"a size is a whole number, not {describe(value)}", argument.span)
        if isinstance(value, int) and value < 0:
            raise fault("T014", f"a size can't be {value}", argument.span)
        known[str(name)] = value
    left, spread = _open(left, x, span)
    right = [part for group in right for part in (spread if group == ("...",) else [group])]
    atoms: list[str] = []
    shape: list[Extent] = []
    labels: dict[str, Label] = {}
    for group, extent, label in zip(left, x.shape, x.labels, strict=True):
        _group(frame, group, extent, known, span, x)
        if len(group) == 1:
            labels[group[0]] = label
        for name in group:
            atoms.append(name)
            shape.append(1 if name == "1" else known[name])
    wanted = [name for group in right for name in group if name != "1"]
    have = [name for name in atoms if name != "1"]
    if sorted(wanted) != sorted(have):
        lost = [name for name in have if name not in wanted]
        new = [name for name in wanted if name not in have]
        told = f"`{lost[0]}` is lost" if lost else f"`{new[0]}` is new on the right"
        raise fault(
            "T014",
            f"both sides of a rearrangement hold the same names: {told}",
            _at(span, lost[0]) if lost else _at(span, new[0], right=True),
            help="`sum` or `mean` reduces an axis" if lost else "",
        )
    node = _reshaped(at, x.node, tuple(shape))
    order = [atoms.index(name) for name in wanted]
    ones = [place for place, name in enumerate(atoms) if name == "1"]
    if order + ones != list(range(len(atoms))):
        node = op(at, "permute", node, axes=tuple(order + ones))
    final = tuple(product(tuple(known[n] for n in g if n != "1")) for g in right)
    out_labels = tuple(labels.get(group[0]) if len(group) == 1 else None for group in right)
    return Tensor(_reshaped(at, node, final), out_labels)


def _reshaped(at: Span, node: Node, shape: tuple[Extent, ...]) -> Node:
    return node if node.type.shape == shape else op(at, "reshape", node, shape=shape)


def _open(side: list[Group], x: Tensor, span: Span) -> tuple[list[Group], list[Group]]:
    """Gives each axis under `...` a name of its own."""
    fixed = sum(1 for group in side if group != ("...",))
    dots = len(side) - fixed
    if x.rank < fixed or (not dots and x.rank != fixed):
        word = side[0][0] if len(side) == 1 else ""
        raise fault(
            "T002",
            f"the pattern has {counted(fixed, 'axis', 'axes')}, and the tensor has {x.rank}",
            (span, f"for {x}"),
            help=f"write blanks between the names: `{' '.join(word)}`"
            if 1 < len(word) == x.rank
            else "",
        )
    spread: list[Group] = [(f"...{number}",) for number in range(x.rank - fixed)]
    return [part for group in side for part in (spread if group == ("...",) else [group])], spread


def _group(
    frame: Frame, group: Group, extent: Extent, known: dict[str, Extent], span: Span, x: Tensor
) -> None:
    """Binds the names of one axis: one unknown at most, which divides what is left."""
    if group == ("1",):
        if extent != 1:
            raise fault("T001", f"axes do not agree: 1 is not {extent}", (span, f"of {x}"))
        return
    unknown = [name for name in group if name != "1" and name not in known]
    rest = product(tuple(known[name] for name in group if name in known))
    if len(unknown) > 1:
        raise fault(
            "T014",
            f"the sizes of `{unknown[0]}` and `{unknown[1]}` are both unknown",
            _at(span, unknown[0]),
            help=f"give one: `{unknown[0]} = ...`",
        )
    if unknown:
        if rest == 1:
            known[unknown[0]] = extent
            return
        if rest == 0:
            raise fault("T014", f"the size of `{unknown[0]}` is unknown beside a size of 0", span)
        given = " * ".join(f"`{name}`" for name in group if name in known)
        frame.axes.require(
            extent % rest,
            "==",
            f"{extent} is not divisible by {rest}",
            _at(span, unknown[0]),
            help=f"the axis ({' '.join(group)}) is {extent}, and {given} is {rest}",
        )
        known[unknown[0]] = extent // rest
    elif rest != extent:
        raise fault("T001", f"axes do not agree: {rest} is not {extent}", (span, f"of {x}"))


def einsum(frame: Frame, arguments: list[Given], at: Span) -> Value:
    """einsum("b i, i o -> b o", x, w): sums of products over what the right side drops."""
    for each in arguments:
        if each.name is not None:
            raise fault("H002", f"`einsum` has no argument `{each.name}`", each.span)
    if len(arguments) < 2:
        raise fault("H001", "`einsum` takes a pattern, then tensors", at)
    text, span = _pattern(frame, arguments[0], "einsum")
    left_text, right_text = text.split("->")
    sides = [_side(part, span, groups=False) for part in left_text.split(",")]
    out = [group[0] for group in _side(right_text, span, groups=False)]
    if len(sides) != len(arguments) - 1:
        raise fault(
            "T014",
            f"the pattern is for {counted(len(sides), 'tensor')}, not for {len(arguments) - 1}",
            span,
        )
    pairs = [(each.evaluate(frame), each.span) for each in arguments[1:]]
    tensors = promote(frame, pairs, at)
    if tensors[0].dtype == "int":
        tensors = [cast(each, "float", at) for each in tensors]
    extents: dict[str, Extent] = {}
    labels: dict[str, Label] = {}
    terms: list[tuple[Node, list[str]]] = []
    deepest = 0
    for side, tensor in zip(sides, tensors, strict=True):
        opened, spread = _open(side, tensor, span)
        names = [group[0] for group in opened]
        # `...` lines up from the right, as in broadcasting
        shift = {group[0]: f"...-{len(spread) - place}" for place, group in enumerate(spread)}
        names = [shift.get(name, name) for name in names]
        deepest = max(deepest, len(spread))
        if len(set(names)) != len(names):
            raise fault("T014", "a name stands twice in one term: a diagonal isn't taken", span)
        for name, extent, label in zip(names, tensor.shape, tensor.labels, strict=True):
            if name in extents and extents[name] != extent:
                raise fault(
                    "T001",
                    f"axes do not agree: {extents[name]} is not {extent}",
                    (span, f"`{name}` is {extents[name]} and {extent}"),
                    *[(s, str(t)) for (_, s), t in zip(pairs, tensors, strict=True)],
                )
            labels[name] = merge(labels.get(name), label)
            extents[name] = extent
        terms.append((tensor.node, names))
    spread_out = [f"...-{deepest - place}" for place in range(deepest)]
    out = [part for name in out for part in (spread_out if name == "..." else [name])]
    for name in out:
        if name not in extents:
            raise fault(
                "T014",
                f"`{name}` is new on the right of the pattern",
                _at(span, name, right=True),
                help=did_you_mean(name, extents),
            )
    if len(set(out)) != len(out):
        raise fault("T014", "a name stands twice on the right of the pattern", span)
    node, names = terms[0]
    for place, (other, other_names) in enumerate(terms[1:], 2):
        later = {name for _, rest in terms[place:] for name in rest}
        node, names = _contract(at, node, names, other, other_names, {*out, *later}, extents)
    node, names = _summed(at, node, names, set(out))
    if names != out:
        node = op(at, "permute", node, axes=tuple(names.index(name) for name in out))
    return Tensor(node, tuple(labels[name] for name in out))


def _summed(at: Span, node: Node, names: list[str], keep: set[str]) -> tuple[Node, list[str]]:
    axes = tuple(place for place, name in enumerate(names) if name not in keep)
    if not axes:
        return node, names
    return op(at, "sum", node, axes=axes), [name for name in names if name in keep]


def _contract(
    at: Span,
    a: Node,
    a_names: list[str],
    b: Node,
    b_names: list[str],
    keep: set[str],
    extents: dict[str, Extent],
) -> tuple[Node, list[str]]:
    """One matrix product: names of both that are kept lead, those that end are summed."""
    a, a_names = _summed(at, a, a_names, keep | set(b_names))
    b, b_names = _summed(at, b, b_names, keep | set(a_names))
    both = [name for name in a_names if name in b_names]
    batch = [name for name in both if name in keep]
    inner = [name for name in both if name not in keep]
    rows = [name for name in a_names if name not in both]
    columns = [name for name in b_names if name not in both]

    def laid(node: Node, names: list[str], order: list[str], *groups: list[str]) -> Node:
        if names != order:
            node = op(at, "permute", node, axes=tuple(names.index(name) for name in order))
        lead = [extents[name] for name in batch]
        shape = (*lead, *(product(tuple(extents[n] for n in group)) for group in groups))
        return _reshaped(at, node, shape)

    if not inner and not rows and not columns:
        made = op(at, "multiply", laid(a, a_names, batch), laid(b, b_names, batch))
        return made, batch
    left = laid(a, a_names, [*batch, *rows, *inner], rows, inner)
    right = laid(b, b_names, [*batch, *inner, *columns], inner, columns)
    made = op(at, "matmul", left, right)
    names = [*batch, *rows, *columns]
    return _reshaped(at, made, tuple(extents[name] for name in names)), names
