"""What to tell who wrote a name that means nothing here, or a body that ends in nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from specc.diagnostics import Span, SpecError, did_you_mean, fault
from specc.language import syntax
from specc.language.build.values import article

# What users of other libraries write, and what it is here.
_FOREIGN = {
    "True": "`true`",
    "False": "`false`",
    "None": "`none`",
    "len": "`size(x, axis = 0)`",
    "print": "nothing: `output` gives a value to who runs the model",
    "self": "nothing: a layer's own names are written bare",
    "super": "nothing: a layer has no other to begin from",
    "Sequential": "a pipeline: `x -> Linear(64) -> relu -> Linear(10)`",
    "ModuleList": "a list: `[Linear(w) for w in widths]`, or a `repeat`",
    "Dense": "`Linear`",
    "FullyConnected": "`Linear`",
    "Dropout": "the function `dropout`",
    "Dropout2d": "the function `dropout`",
    "Flatten": "the function `flatten`",
    "Identity": "the value itself",
    "Softmax": "the function `softmax`",
    "MaxPool2d": "the function `max_pool2d`",
    "AvgPool2d": "the function `avg_pool2d`",
    "BatchNorm1d": "`BatchNorm`, for any number of axes",
    "BatchNorm2d": "`BatchNorm`, for any number of axes",
    "CrossEntropyLoss": "`cross_entropy(logits, label)`",
    "NLLLoss": "`nll(log_probability, label)`",
    "nll_loss": "`nll(log_probability, label)`",
    "MSELoss": "`mse(prediction, target)`",
    "mse_loss": "`mse(prediction, target)`",
    "SGD": "`sgd`",
    "AdamW": "`adamw`",
    "transpose": '`rearrange(x, "a b -> b a")`',
    "permute": '`rearrange(x, "a b c -> c a b")`',
    "view": "`reshape(x, [...])`",
    "squeeze": "`x[:, 0]`",
    "unsqueeze": "`x[:, none]`",
    "cat": "`concat([a, b], axis = -1)`",
    "stack": "`concat([a[none], b[none]])`",
    "matmul": "`a @ b`",
    "dot": "`a @ b`",
    "bmm": "`a @ b`",
    "pow": "`x ^ 2`",
    "clamp": "`minimum(maximum(x, low), high)`",
    "clip": "`minimum(maximum(x, low), high)`",
    "masked_fill": "`where(mask, value, x)`",
    "gather": "`take_along_axis(x, index, axis = -1)`",
    "cumsum": "`cumulative_sum`",
    "reduce_mean": "`mean(x, axis = ...)`",
    "reduce_sum": "`sum(x, axis = ...)`",
    "batch_size": "`size(x, axis = 0)`, or the axis's own name",
}
_MODULES = ("torch", "nn", "F", "np", "numpy", "jnp", "jax", "tf", "keras", "math", "optim")

CLAUSES = (
    "model",
    "data",
    "from",
    "optimizer",
    "schedule",
    "clip",
    "penalty",
    "freeze",
    "batch",
    "epochs",
    "steps",
    "seed",
    "stop",
    "keep",
)


def undefined(name: str, span: Span, candidates: Iterable[str], home: Any) -> SpecError:
    """N001: what the name is here, else the nearest of the names in sight."""
    file = home.holder(name)
    if file:
        help = f'`from "{file}" import {name}` brings it'
    elif name in _MODULES:
        help = "names stand bare here: `exp(x)`, `Linear(64)`"
    elif name in _FOREIGN:
        help = f"here it is {_FOREIGN[name]}"
    else:
        help = did_you_mean(name, candidates)
    return fault("N001", f"`{name}` is not defined", span, help=help)


def no_result(item: syntax.Definition) -> SpecError:
    message = f"`{item.name}` gives no result"
    return fault("M002", message, item.at, help="end it with `return ...`")


def no_theta(item: syntax.Definition) -> SpecError:
    message = f"`{item.name}` doesn't say what `theta'` is"
    return fault("M002", message, item.at, help="`theta' = theta - lr * grad`")


def first_word(statement: Any) -> str:
    """The word that a statement begins with."""
    found = re.match(r"\w+", statement.span.text)
    return found.group() if found else statement.span.text[:1]


def keyword_at(span: Span, keyword: str) -> Span:
    """Where the word stands that a clause or statement begins with."""
    return Span(span.source, span.start, span.start + len(keyword))


def no_place(keyword: str, body: str, span: Span) -> SpecError:
    """M008 for a clause that stands in a body of another kind than it belongs to."""
    if keyword == "output" and body not in ("model", "optimizer"):
        help = "its result is said by `return ...`"
    elif keyword == "gradient":
        help = "a function may state its derivative"
    elif keyword in CLAUSES:
        help = f"`{keyword}` belongs to a `train` block"
    elif keyword in ("source", "split"):
        help = f"`{keyword}` belongs to a `data` block"
    else:
        help = f"`{keyword}` belongs to a model"
    message = f"`{keyword}` has no meaning in {article(body)}"
    return fault("M008", message, keyword_at(span, keyword), help=help)
