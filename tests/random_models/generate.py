"""A spec from a seed: statements drawn one by one over a pool of typed values. Runs nothing.

Every statement is a line, every output and loss a line of its own, so that a failing spec is shrunk
by leaving lines out. Values are kept near 1, so that what differs is a fault and not its growth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.random_models.forms import ALONG, BINARY, CELLS, FUNCTIONS, LAYERS, REDUCE, UNARY

Extent = int | str  # a size, or a dynamic axis by its name
Shape = tuple[Extent, ...]
BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Value:
    name: str
    dtype: str
    shape: Shape

    @property
    def rank(self) -> int:
        return len(self.shape)


@dataclass(slots=True)
class Maker:
    random: Random
    pool: list[Value] = field(default_factory=list)
    head: list[str] = field(default_factory=list)  # items before the model
    lines: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    cells: dict[str, int] = field(default_factory=dict)  # name → how many states it has
    shared: dict[str, tuple[Extent, int]] = field(default_factory=dict)  # name → in, out
    count: int = 0

    # ── the parts ────────────────────────────────────────────────────────────────────────────────
    def spec(self) -> str:
        random = self.random
        for number in range(random.randint(0, 2)):
            self.functions.append(f"own{number}")
            self.head.append(random.choice(FUNCTIONS).format(f=f"own{number}"))
        for number in range(random.randint(0, 2)):
            self.layers.append(f"Own{number}")
            self.head.append(random.choice(LAYERS).format(f=f"Own{number}"))
        for number in range(random.randint(0, 2)):
            text = random.choice(CELLS).format(f=f"OwnCell{number}")
            self.cells[f"OwnCell{number}"] = text.count("state ")
            self.head.append(text)
        self.inputs()
        for _ in range(random.randint(3, 12)):
            self.statement()
        self.ends()
        model = ["model Random {", *(f"    {line}" for line in self.lines), "}"]
        return "\n\n".join([*self.head, "\n".join(model)]) + "\n"

    def inputs(self) -> None:
        random = self.random
        wide = random.randint(2, 6)
        self.declare("a", "float", (BATCH, wide))
        if random.random() < 0.5:
            self.declare("b", "float", (BATCH, random.choice((wide, random.randint(2, 5)))))
        if random.random() < 0.6:
            self.declare("s", "float", (BATCH, "time", random.choice((2, 4, 6))))
            if random.random() < 0.5:
                self.declare("n", "int", (BATCH,))
        if random.random() < 0.3:
            self.declare("m", "float", (BATCH, random.randint(1, 4), 6, random.choice((5, 6))))
        if random.random() < 0.3:
            self.declare("i", "int", (BATCH,))
        if random.random() < 0.2:
            self.declare("p", "bool", (BATCH, wide))
        if random.random() < 0.4:
            shape = random.choice(((wide,), (wide, random.randint(2, 5)), ()))
            text = ", ".join(map(str, shape))
            self.lines.append(f"param w: float[{text}] = normal(0, 0.5)")
            self.pool.append(Value("w", "float", shape))

    def declare(self, name: str, dtype: str, shape: Shape) -> None:
        self.lines.append(f"input {name}: {dtype}[{', '.join(map(str, shape))}]")
        self.pool.append(Value(name, dtype, shape))

    def ends(self) -> None:
        """Outputs, and a loss that reaches most of what was computed."""
        random = self.random
        floats = [value for value in self.pool if value.dtype == "float" and value.name[0] == "v"]
        last = floats[-4:] or [self.pool[0]]
        for value in last:
            if value is last[-1] or random.random() < 0.5:
                self.lines.append(f"output out_{value.name} = {value.name}")
            self.lines.append(f"loss loss_{value.name} = {self.loss(value)}")
        if random.random() < 0.3:
            self.lines.append(f"metric size = mean(abs({last[-1].name}))")

    def loss(self, value: Value) -> str:
        name, random = value.name, self.random
        if value.rank == 2 and isinstance(value.shape[1], int) and random.random() < 0.4:
            given = [each for each in self.pool if each.name == "i"]
            if given and value.shape[0] == BATCH:
                return random.choice(("cross_entropy", "hinge")) + f"({name}, i)"
        kinds = (
            "mean({x}^2)", "mean(tanh({x} + 1))", "mse({x}, 0.3 * {x} + 1)", "huber({x}, {x} * 0)",
            "mean(log1p({x}^2))", "mae({x}, detach(cos({x})))", "sum(sin({x} + 1)) / 7",
            "binary_cross_entropy_with_logits({x}, detach(sigmoid(2 * {x})))",
        )  # fmt: skip
        return random.choice(kinds).format(x=name)

    # ── statements ───────────────────────────────────────────────────────────────────────────────
    def statement(self) -> None:
        kinds: Sequence[Callable[[], bool]] = (
            self.unary, self.unary, self.binary, self.binary, self.reduce, self.along, self.layer,
            self.layer, self.shared_layer, self.own, self.movement, self.movement, self.index,
            self.image, self.repeated, self.product, self.branch, self.cell, self.joined,
            self.scan, self.scan, self.recurrent, self.attended,
        )  # fmt: skip
        for _ in range(12):
            if self.random.choice(kinds)():
                return

    def bind(self, text: str, shape: Shape, dtype: str = "float") -> bool:
        self.count += 1
        name = f"v{self.count}"
        self.lines.append(f"{name} = {text}")
        self.pool.append(Value(name, dtype, shape))
        return True

    def pick(
        self, fits: Callable[[Value], bool] = lambda _: True, dtype: str = "float"
    ) -> Value | None:
        """Late values more often than early ones, so that models are deep."""
        found = [value for value in self.pool if value.dtype == dtype and fits(value)]
        if not found:
            return None
        return found[-1] if self.random.random() < 0.5 else self.random.choice(found)

    def unary(self) -> bool:
        x = self.pick()
        if x is None:
            return False
        return self.bind(self.random.choice(UNARY).format(x=x.name), x.shape)

    def binary(self) -> bool:
        x = self.pick()
        if x is None:
            return False
        whole = x.shape
        y = self.pick(lambda y: spreads_to(y.shape, whole))
        assert y is not None
        texts = self.random.choice(BINARY)
        if x.shape == y.shape and self.random.random() < 0.3:
            x, y = y, x
        mask = self.pick(lambda m: m.shape == x.shape, "bool")
        if mask is not None and self.random.random() < 0.5:
            return self.bind(f"where({mask.name}, {x.name}, {y.name})", x.shape)
        return self.bind(texts.format(x=x.name, y=y.name), x.shape)

    def reduce(self) -> bool:
        x = self.pick(lambda x: x.rank >= 2)
        if x is None:
            return False
        axis = self.random.randrange(1 if x.rank > 2 else 0, x.rank)
        extent = x.shape[axis]
        if axis == 0 and self.random.random() < 0.7:
            return False
        text = self.random.choice(REDUCE)
        named = str(axis if self.random.random() < 0.5 else axis - x.rank)
        keep = self.random.random() < 0.3 and "{n}" not in text and "sqrt" not in text
        rest = x.shape[:axis] + ((1,) if keep else ()) + x.shape[axis + 1 :]
        filled = text.format(x=x.name, a=named, n=extent if isinstance(extent, int) else 5)
        if keep:
            filled = f"{filled[:-1]}, keepdims = true)"
        return self.bind(filled, rest)

    def along(self) -> bool:
        x = self.pick(lambda x: x.rank >= 1)
        if x is None:
            return False
        axis = self.random.randrange(x.rank)
        return self.bind(self.random.choice(ALONG).format(x=x.name, a=axis), x.shape)

    def layer(self) -> bool:
        x = self.pick(lambda x: x.rank >= 2 and isinstance(x.shape[-1], int))
        if x is None:
            return False
        out = self.random.randint(1, 6)
        self.count += 1
        scope = f"at{self.count}"
        bias = "" if self.random.random() < 0.7 else ", bias = false"
        kinds: list[tuple[str, Shape]] = [
            (f"{x.name} -> Linear({out}{bias}) as {scope}", (*x.shape[:-1], out)),
            (f"{x.name} -> Linear({out}) as {scope} -> tanh", (*x.shape[:-1], out)),
        ]
        if isinstance(x.shape[-1], int) and x.shape[-1] > 1:
            kinds.append((f"{x.name} -> LayerNorm() as {scope}", x.shape))
        if x.rank in (2, 4) and x.shape[0] == BATCH and isinstance(x.shape[1], int):
            kinds.append((f"{x.name} -> BatchNorm() as {scope}", x.shape))
        text, shape = self.random.choice(kinds)
        return self.bind(text, shape)

    def shared_layer(self) -> bool:
        """One layer on several values: its weights get gradients from each."""
        if self.shared and self.random.random() < 0.7:
            name, (features, out) = self.random.choice(list(self.shared.items()))
            x = self.pick(lambda x: x.rank >= 2 and x.shape[-1] == features)
            return x is not None and self.bind(f"{name}({x.name})", (*x.shape[:-1], out))
        x = self.pick(lambda x: x.rank >= 2 and isinstance(x.shape[-1], int))
        if x is None:
            return False
        name = f"shared{len(self.shared)}"
        out = self.random.choice((x.shape[-1], self.random.randint(1, 5)))
        assert isinstance(out, int)
        self.lines.append(f"{name} = Linear({out})")
        self.shared[name] = x.shape[-1], out
        return self.bind(f"{name}({x.name})", (*x.shape[:-1], out))

    def own(self) -> bool:
        x = self.pick(lambda x: x.rank >= 2 and isinstance(x.shape[-1], int))
        if x is None:
            return False
        if self.layers and self.random.random() < 0.5 and x.shape[0] == BATCH:
            kind = self.random.choice(self.layers)
            self.count += 1
            return self.bind(f"{x.name} -> {kind}() as own{self.count}", x.shape)
        if self.functions:
            given = self.random.choice(("", ", 0.9", ", k = 0.4"))
            return self.bind(f"{self.random.choice(self.functions)}({x.name}{given})", x.shape)
        return False

    def repeated(self) -> bool:
        x = self.pick(
            lambda x: x.rank >= 2 and isinstance(x.shape[-1], int) and x.shape[0] == BATCH
        )
        if x is None:
            return False
        self.count += 1
        name = f"v{self.count}"
        kind = self.random.choice([*self.layers, f"Linear({x.shape[-1]})"])
        step = f"{name} -> {kind}() as inner" if "(" not in kind else f"{name} -> {kind} as inner"
        self.lines.append(f"{name} = {x.name}")
        text = f"{name} = {step} -> tanh"
        self.lines.append(f"repeat {self.random.randint(2, 4)} as r{self.count} {{ {text} }}")
        self.pool.append(Value(name, "float", x.shape))
        return True

    def movement(self) -> bool:
        x = self.pick(lambda x: x.rank >= 2)
        if x is None:
            return False
        last, random, name = x.shape[-1], self.random, x.name
        kinds: list[tuple[str, Shape]] = [(f"{name}[..., none]", (*x.shape, 1))]
        if x.rank < 4:
            kinds.append((f"{name}[:, none]", (x.shape[0], 1, *x.shape[1:])))
        if isinstance(last, int) and last >= 2:
            start = random.randint(0, last - 1)
            kinds += [
                (f"{name}[..., {start}:]", (*x.shape[:-1], last - start)),
                (f"{name}[..., ::2]", (*x.shape[:-1], (last + 1) // 2)),
                (f"{name}[..., {start}]", x.shape[:-1]),
                (f"{name}[..., -1]", x.shape[:-1]),
                (f"{name}[..., :-1]", (*x.shape[:-1], last - 1)),
            ]
        if isinstance(last, int):
            low, high = random.randint(0, 2), random.randint(0, 2)
            zeros = ", ".join(["0"] * (x.rank - 1))
            text = f"pad({name}, [{zeros}, {low}], [{zeros}, {high}])"
            kinds.append((text, (*x.shape[:-1], last + low + high)))
            size, stride = random.randint(1, last), random.randint(1, 2)
            seen = (last - size) // stride + 1
            text = f"windows({name}, [-1], [{size}], [{stride}])"
            kinds.append((text, (*x.shape[:-1], seen, size)))
        if x.rank == 3:
            kinds.append((f'rearrange({name}, "b t e -> b e t")', (x.shape[0], last, x.shape[1])))
            if isinstance(last, int) and last % 2 == 0:
                kinds.append(
                    (
                        f'rearrange({name}, "b t (h e) -> b h t e", h = 2)',
                        (x.shape[0], 2, x.shape[1], last // 2),
                    )
                )
        if x.rank >= 3 and all(isinstance(extent, int) for extent in x.shape[1:]):
            whole = 1
            for extent in x.shape[1:]:
                assert isinstance(extent, int)
                whole *= extent
            kinds.append((f"flatten({name})", (x.shape[0], whole)))
            kinds.append((f"reshape({name}, [size({name}, axis = 0), -1])", (x.shape[0], whole)))
        if isinstance(last, int) and last % 2 == 0:
            self.count += 2
            first, second = f"v{self.count - 1}", f"v{self.count}"
            if random.random() < 0.2:
                self.lines.append(f"{first}, {second} = split({name}, 2)")
                half = (*x.shape[:-1], last // 2)
                self.pool += [Value(first, "float", half), Value(second, "float", half)]
                return True
        return self.bind(*random.choice(kinds))

    def joined(self) -> bool:
        x = self.pick(lambda x: x.rank >= 2 and isinstance(x.shape[-1], int))
        if x is None:
            return False
        y = self.pick(lambda y: y.shape[:-1] == x.shape[:-1] and isinstance(y.shape[-1], int))
        if y is None or y.rank != x.rank:
            return False
        out = x.shape[-1] + y.shape[-1]  # type: ignore[operator]
        return self.bind(f"concat([{x.name}, {y.name}], axis = -1)", (*x.shape[:-1], out))

    def index(self) -> bool:
        random = self.random
        given = self.pick(lambda i: i.rank == 1, "int")
        if given is not None and random.random() < 0.5:
            rows, dim = random.randint(2, 5), random.randint(2, 5)
            self.count += 1
            text = f"{given.name} -> Embedding({rows}, {dim}) as at{self.count}"
            return self.bind(text, (*given.shape, dim))
        x = self.pick(lambda x: x.rank >= 2 and isinstance(x.shape[-1], int))
        if x is None:
            return False
        kind = random.randrange(3)
        if kind == 0:
            text = f"float(one_hot(argmax({x.name}, axis = -1), {x.shape[-1]})) * {x.name}"
            return self.bind(text, x.shape)
        if kind == 1:
            text = f"take_along_axis({x.name}, argmax({x.name}, axis = -1)[..., none])[..., 0]"
            return self.bind(text, x.shape[:-1])
        if given is not None and x.shape[0] == BATCH and x.rank == 2:
            text = f"take(tanh({x.name}), {given.name} * 0)"
            return self.bind(text, (BATCH, x.shape[-1]))
        return False

    def product(self) -> bool:
        random = self.random
        x = self.pick(lambda x: x.rank == 3 and isinstance(x.shape[-1], int))
        if x is not None and random.random() < 0.6:
            y = self.pick(
                lambda y: y.rank == 3 and y.shape[0] == x.shape[0] and y.shape[-1] == x.shape[-1]
            )
            assert y is not None
            if random.random() < 0.5:
                text = f"attention(tanh({x.name}), tanh({y.name}), {y.name})"
                return self.bind(text, (x.shape[0], x.shape[1], y.shape[2]))
            text = f'einsum("b i d, b j d -> b i j", {x.name}, {y.name}) / {x.shape[-1]}'
            return self.bind(text, (x.shape[0], x.shape[1], y.shape[1]))
        x = self.pick(lambda x: x.rank == 2 and isinstance(x.shape[-1], int))
        if x is None:
            return False
        out = random.randint(1, 5)
        self.count += 1
        self.lines.append(f"param w{self.count}: float[{x.shape[-1]}, {out}] = normal(0, 0.4)")
        return self.bind(f"{x.name} @ w{self.count}", (x.shape[0], out))

    def image(self) -> bool:
        x = self.pick(
            lambda x: x.rank == 4 and x.shape[0] == BATCH
            and all(isinstance(e, int) and e >= 3 for e in x.shape[2:])
            and isinstance(x.shape[1], int)
        )  # fmt: skip
        if x is None:
            return False
        random = self.random
        height, width = x.shape[2], x.shape[3]
        channels = x.shape[1]
        assert isinstance(height, int)
        assert isinstance(width, int)
        assert isinstance(channels, int)
        self.count += 1
        if random.random() < 0.6:
            kernel, stride, padding = (
                random.randint(1, 3),
                random.randint(1, 2),
                random.randint(0, 1),
            )
            groups = channels if random.random() < 0.2 else 1
            out = groups * random.randint(1, 3)
            options = f"stride = {stride}, padding = {padding}, groups = {groups}"
            high, wide = ((n + 2 * padding - kernel) // stride + 1 for n in (height, width))
            text = f"{x.name} -> Conv2d({out}, {kernel}, {options}) as at{self.count} -> tanh"
            return self.bind(text, (BATCH, out, high, wide))
        kernel = random.randint(2, 3)
        stride = random.choice((kernel, 1, 2))
        high, wide = ((n - kernel) // stride + 1 for n in (height, width))
        kind = random.choice(("max_pool2d", "avg_pool2d"))
        text = f"{kind}({x.name}, {kernel}, stride = {stride})"
        return self.bind(text, (BATCH, channels, high, wide))

    def branch(self) -> bool:
        x = self.pick()
        if x is None:
            return False
        self.count += 1
        name = f"v{self.count}"
        first, second = self.random.sample(UNARY[:20], 2)
        self.lines += [
            f"{name} = {first.format(x=x.name)} if training else {second.format(x=x.name)}"
        ]
        self.pool.append(Value(name, "float", x.shape))
        return True

    def cell(self) -> bool:
        x = self.pick(lambda x: x.rank == 2 and x.shape[0] == BATCH and isinstance(x.shape[1], int))
        if x is None:
            return False
        h = self.pick(lambda h: h.rank == 2 and h.shape[0] == BATCH and isinstance(h.shape[1], int))
        assert h is not None
        self.count += 1
        y, state, kind = f"v{self.count}", f"u{self.count}", self.random.choice(("GRU", "RNN"))
        text = f"{y}, {state} = {kind}Cell({h.shape[1]})({x.name}, h = tanh({h.name}))"
        self.lines.append(text)
        self.pool.append(Value(y, "float", h.shape))
        return True

    def sequence(self) -> Value | None:
        """Steps along axis 1: of a dynamic time, or of a known one."""
        return self.pick(
            lambda x: x.rank == 3 and x.shape[0] == BATCH and isinstance(x.shape[2], int)
        )

    def length(self, x: Value) -> str:
        """A row's number of steps, where there is an input for it."""
        named = any(each.name == "n" for each in self.pool)
        if not named or self.random.random() < 0.4:
            return ""
        return f", length = minimum(1 + n, size({x.name}, axis = 1))"

    def scan(self) -> bool:
        x = self.sequence()
        if x is None:
            return False
        self.count += 1
        y, last, random = f"v{self.count}", f"u{self.count}", self.random
        n, features = random.randint(1, 5), x.shape[1]
        kinds = {**self.cells, "GRUCell": 1, "RNNCell": 1, "LSTMCell": 2}
        kind = random.choice(list(kinds))
        h = self.pick(lambda h: h.shape == (BATCH, n))
        options = f", h = tanh({h.name})" if h is not None and random.random() < 0.5 else ""
        options += ", reverse = true" if random.random() < 0.4 else ""
        shape: Shape = (BATCH, x.shape[1], n)
        if isinstance(features, int) and random.random() < 0.3:
            options, shape = f"{options}, axis = 2", (BATCH, n, x.shape[2])
        else:
            options += self.length(x)
        self.lines.append(f"{y}, {last} = scan({kind}({n}), {x.name}{options})")
        state = f"{last}.h" if kinds[kind] > 1 else last
        self.pool.append(Value(y, "float", shape))
        return random.random() < 0.5 or self.bind(f"{state} + 0.1", (BATCH, n))

    def recurrent(self) -> bool:
        """The library's own: deep, in both directions, with a length a row."""
        x = self.sequence()
        if x is None:
            return False
        self.count += 1
        y, random = f"v{self.count}", self.random
        kind, n = random.choice(("LSTM", "GRU", "RNN", "TextbookGRU")), random.randint(1, 4)
        both = random.random() < 0.4
        states = ", _" if kind == "LSTM" else ""
        options = f"layers = {random.randint(1, 2)}, bidirectional = {str(both).lower()}"
        built = f"{kind}({n}, {options})"
        self.lines.append(f"{y}, _{states} = {built}({x.name}{self.length(x)})")
        self.pool.append(Value(y, "float", (BATCH, x.shape[1], n * (2 if both else 1))))
        return True

    def attended(self) -> bool:
        x = self.sequence()
        if x is None:
            return False
        random, d, name = self.random, x.shape[2], x.name
        assert isinstance(d, int)
        steps = f"size({name}, axis = 1)"
        named = any(each.name == "n" for each in self.pool)
        masks = ["", f", mask = causal_mask({steps})"]
        if named:
            lengths = f"minimum(1 + n, {steps})"
            masks += [
                f", mask = padding_mask({lengths}, {steps})[:, none]",
                f", mask = causal_padding_mask({lengths}, {steps})",
            ]
        mask = random.choice(masks)
        heads = random.choice([each for each in (1, 2, 3) if d % each == 0])
        self.count += 1
        kinds = [
            f"attention(tanh({name}), {name}, sin({name}){mask})",
            f"MultiheadAttention({d}, {heads})({name}{mask})",
            f"{name} + sinusoidal_positions({steps}, {d})",
        ]
        if "padding" not in mask and d > 1:
            kinds.append(
                f"TransformerEncoderLayer({d}, {heads}, 5, p = {random.choice(('0', '0.2'))}, "
                f"pre = {random.choice(('true', 'false'))})({name}{mask})"
            )
        if random.random() < 0.2:
            text = f"AdditiveAttention(3)({name}, {name}, {name}{mask})"
            self.lines.append(f"v{self.count}, _ = {text}")
            self.pool.append(Value(f"v{self.count}", "float", x.shape))
            return True
        return self.bind(random.choice(kinds), x.shape)


def spreads_to(shape: Shape, whole: Shape) -> bool:
    """Whether an operation of the two has the second's shape."""
    if len(shape) > len(whole):
        return False
    pairs = zip(reversed(shape), reversed(whole), strict=False)
    return all(extent in (1, other) for extent, other in pairs)


def spec_of(seed: int) -> str:
    """The text that belongs to a seed."""
    return Maker(Random(seed)).spec()
