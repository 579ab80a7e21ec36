"""Layers against torch's: parameters and states have the same names and shapes."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from tests.std.record import Record, one

IMAGES = {"x": "float 2 4 7 6"}


def normed(x, weight, bias, mean, var, momentum=0.1):
    """Training's batch norm, and the running statistics after it."""
    mean, var = mean.detach().clone(), var.detach().clone()
    y = F.batch_norm(x, mean, var, weight, bias, training=True, momentum=momentum)
    return y, {"n.running_mean": mean, "n.running_var": var}


def statistics(x, n_weight, n_bias, n_running_mean, n_running_var):
    return normed(x, n_weight, n_bias, n_running_mean, n_running_var)


def textbook(x, h, **p):
    """Cho et al. 2014, equations 5 to 8, with the update gate the other way round."""
    w, u, b = (each.chunk(3) for each in p.values())
    r = torch.sigmoid(x @ w[0].T + h @ u[0].T + b[0])
    z = torch.sigmoid(x @ w[1].T + h @ u[1].T + b[1])
    c = torch.tanh(x @ w[2].T + (r * h) @ u[2].T + b[2])
    return z * h + (1 - z) * c


RECORDS: tuple[Record, ...] = (
    one("Linear", "x -> Linear(4) as l", {"x": "float 5 3"},
        lambda x, l_weight, l_bias: F.linear(x, l_weight, l_bias)),
    one("Linear", "x -> Linear(4, bias = false) as l", {"x": "float 2 5 3"},
        lambda x, l_weight: F.linear(x, l_weight)),
    one("Embedding", "i -> Embedding(7, 3) as e", {"i": "int 4 2 below 7"},
        lambda i, e_weight: F.embedding(i, e_weight)),
    one("conv2d", "conv2d(x, w, b)",
        {**IMAGES, "w": "float 5 4 3 2", "b": "float 5"}, lambda x, w, b: F.conv2d(x, w, b)),
    one("conv2d", "conv2d(x, w, stride = 2, padding = [1, 0], dilation = [2, 1], groups = 2)",
        {**IMAGES, "w": "float 6 2 3 2"},
        lambda x, w: F.conv2d(x, w, None, 2, (1, 0), (2, 1), 2)),
    # What a stride leaves over at the end is in no window, and has a gradient of 0.
    one("conv2d", "conv2d(x, w, stride = 4, padding = 1)", {**IMAGES, "w": "float 5 4 3 2"},
        lambda x, w: F.conv2d(x, w, None, 4, 1)),
    one("conv2d", "conv2d(x, w, stride = [4, 3], padding = [1, 0], dilation = [2, 1])",
        {**IMAGES, "w": "float 5 4 3 2"},
        lambda x, w: F.conv2d(x, w, None, (4, 3), (1, 0), (2, 1))),
    one("Conv2d", "x -> Conv2d(5, 3, padding = 1) as c", IMAGES,
        lambda x, c_weight, c_bias: F.conv2d(x, c_weight, c_bias, padding=1)),
    one("Conv2d", "x -> Conv2d(8, [3, 2], stride = [2, 1], groups = 4, bias = false) as c", IMAGES,
        lambda x, c_weight: F.conv2d(x, c_weight, None, (2, 1), groups=4)),
    one("Conv2d", "x -> Conv2d(4, 1) as c", IMAGES,
        lambda x, c_weight, c_bias: F.conv2d(x, c_weight, c_bias)),
    one("max_pool2d", "max_pool2d(x, 2)", IMAGES, lambda x: F.max_pool2d(x, 2)),
    one("max_pool2d", "max_pool2d(x, 3, stride = [2, 1], padding = 1)", IMAGES,
        lambda x: F.max_pool2d(x, 3, (2, 1), 1)),
    one("max_pool2d", "max_pool2d(x, 3, padding = 1)", {"x": "float 2 4 7 6 in -3 -1"},
        lambda x: F.max_pool2d(x, 3, padding=1)),
    one("max_pool2d", "max_pool2d(x, [2, 3], stride = 1)", {},
        lambda x: F.max_pool2d(x, (2, 3), 1), twice=False,
        fixed={"x": [[[[0.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 0.0]]]]}),
    one("avg_pool2d", "avg_pool2d(x, 2)", IMAGES, lambda x: F.avg_pool2d(x, 2)),
    one("avg_pool2d", "avg_pool2d(x, [3, 2], stride = 2, padding = 1)", IMAGES,
        lambda x: F.avg_pool2d(x, (3, 2), 2, 1)),
    one("batch_norm", "batch_norm(x, m, v, w, b)",
        {"x": "float 3 4 2", "m": "float 4", "v": "float 4 in 0.5 2", "w": "float 4",
         "b": "float 4"},
        lambda x, m, v, w, b: (x - m[:, None]) / (v[:, None] + 1e-5).sqrt() * w[:, None]
        + b[:, None]),
    one("batch_norm", "batch_norm(x, m, v, eps = 0.1)",
        {"x": "float 3 4", "m": "float 4", "v": "float 4 in 0.5 2"},
        lambda x, m, v: (x - m) / (v + 0.1).sqrt()),
    *(one("BatchNorm", "x -> BatchNorm() as n", {"x": f"float {shape}"}, statistics, training=True)
      for shape in ("6 3", "4 3 5", "2 3 4 5")),
    one("BatchNorm", "x -> BatchNorm(momentum = 0.3, weight = false, bias = false) as n",
        {"x": "float 6 3"}, lambda x, n_running_mean, n_running_var:
        normed(x, None, None, n_running_mean, n_running_var, 0.3), training=True),
    *(one("BatchNorm", "x -> BatchNorm() as n", {"x": f"float {shape}"},
          lambda x, n_weight, n_bias, n_running_mean, n_running_var: F.batch_norm(
              x, n_running_mean.detach(), n_running_var.detach(), n_weight, n_bias))
      for shape in ("6 3", "2 3 4 5")),
    one("centred", "centred(x)", {"x": "float 2 3 5"}, lambda x: x - x.mean(-1, keepdim=True)),
    one("standardized", "standardized(x)", {"x": "float 2 3 5"}, lambda x: F.layer_norm(x, (5,))),
    one("standardized", "standardized(x, 0.1)", {"x": "float 3 5"},
        lambda x: F.layer_norm(x, (5,), eps=0.1)),
    one("layer_norm", "layer_norm(x, w, b)", {"x": "float 2 3 5", "w": "float 5", "b": "float 5"},
        lambda x, w, b: F.layer_norm(x, (5,), w, b)),
    one("layer_norm", "layer_norm(x, eps = 0.1)", {"x": "float 3 5"},
        lambda x: F.layer_norm(x, (5,), eps=0.1)),
    one("LayerNorm", "x -> LayerNorm() as n", {"x": "float 2 3 5"},
        lambda x, n_weight, n_bias: F.layer_norm(x, (5,), n_weight, n_bias)),
    one("LayerNorm", "x -> LayerNorm(5, eps = 0.1) as n", {"x": "float 3 5"},
        lambda x, n_weight, n_bias: F.layer_norm(x, (5,), n_weight, n_bias, 0.1)),
    one("LayerNorm", "x -> LayerNorm(bias = false) as n", {"x": "float 3 5"},
        lambda x, n_weight: F.layer_norm(x, (5,), n_weight)),
)  # fmt: skip


STEP = {"x": "float 3 4", "h": "float 3 2"}

CELLS: tuple[Record, ...] = (
    Record("RNNCell", "y, next_h = RNNCell(2)(x, h = h)", STEP,
           lambda x, h, **p: torch.rnn_tanh_cell(x, h, *p.values())),
    Record("RNNCell", 'y, next_h = RNNCell(2, relu, "_l0", bias_hh = false)(x, h = h)', STEP,
           lambda x, h, **p: F.relu(F.linear(x, p["rnn_cell_weight_ih_l0"],
           p["rnn_cell_bias_ih_l0"]) + h @ p["rnn_cell_weight_hh_l0"].T)),
    Record("TextbookGRUCell", "y, next_h = TextbookGRUCell(2)(x, h = h)", STEP, textbook),
    Record("GRUCell", "y, next_h = GRUCell(2)(x, h = h)", STEP,
           lambda x, h, **p: torch.gru_cell(x, h, *p.values())),
    Record("LSTMCell", "out, next_h, next_c = LSTMCell(2)(x, h = h, c = c)\n"
           "y = concat([out, next_c], axis = 1)", {**STEP, "c": "float 3 2"},
           lambda x, h, c, **p: torch.cat(torch.lstm_cell(x, (h, c), *p.values()), 1)),
)  # fmt: skip
