"""A comparison as one page of HTML and SVG that loads nothing. Computes nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from specc.compare.compare import AGREES, Comparison, Pair
from specc.compare.culprit import Point
from specc.compare.report import number

COLOURS = ("#2563a8", "#c2571a", "#3a8a4d", "#8a3a8a", "#666666")  # of parties
BOX, GAP, ROW = (150, 30), 14, 58
WIDTH, HEIGHT, MARGIN = 760, 240, 56
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 64em; padding: 0 1em;
  color: #1c1c1c; background: #fff; }
h1 { font-size: 1.4em; } h2 { font-size: 1.15em; margin-top: 2em; } h3 { font-size: 1em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: 1px 10px; text-align: right; border-bottom: 1px solid #e5e5e5; }
td:first-child, th:first-child, td:nth-child(2), th:nth-child(2) { text-align: left; }
.differs td { background: #fbdcd6; } .undetermined td { background: #fdf1cf; }
.culprit { border-left: 4px solid #c0392b; padding-left: 1em; } code, pre { font-size: 13px; }
svg { max-width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; }
.scroll { overflow-x: auto; }
"""


def html(comparison: Comparison) -> str:
    """The whole page."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f"<title>{escape(comparison.model)} compared</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(comparison.model)}: {_verdict(comparison)}</h1>",
        f"<p><code>{escape(comparison.path)}</code>, seed {comparison.seed},"
        f" {comparison.steps} steps</p><ul>",
        *(f"<li>{escape(_party(each))}</li>" for each in comparison.parties),
        *(f"<li>{escape(note)}</li>" for note in (*comparison.notes, *comparison.missing)),
        "</ul>",
    ]
    if any(comparison.curves.values()):
        parts += ["<h2>Training</h2>", curves(comparison.curves)]
    for pair in comparison.pairs:
        parts += _pair(pair)
    return "\n".join([*parts, "</body></html>\n"])


def _verdict(comparison: Comparison) -> str:
    return "the parties agree" if comparison.status == 0 else "the parties differ"


def _party(party: tuple[str, str, str]) -> str:
    label, dtype, gradient = party
    return f"{label} in {dtype}" + (f", gradients by {gradient}" if gradient else "")


def _pair(pair: Pair) -> list[str]:
    parts = [f"<h2>{escape(pair.first)} and {escape(pair.second)}, {pair.precision}</h2>"]
    if pair.culprit is not None:
        at = pair.culprit
        parts.append(
            f'<div class="culprit"><p>The first call whose own error is over tolerance is'
            f" <b>{escape(str(at))}</b> in {at.stage}, {escape(at.place)}: {number(at.local)}.</p>"
            f"<pre>{escape(at.line)}</pre></div>"
        )
    if pair.points:
        parts += ["<h3>Error by layer</h3>", bars(pair.growth, pair.points[0].tolerance)]
        parts += ["<h3>The graph, coloured by error</h3>", graph(pair.points)]
    parts += [
        "<h3>Tensors</h3>",
        _table(pair),
        f"<p>Shared by both: {escape('; '.join(pair.shared))}.</p>",
    ]
    return parts


def _table(pair: Pair) -> str:
    names = ("what", "name", "relative", "absolute", "ulps", "spread", "tolerance", "verdict")
    rows = [f"<tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>"]
    for row in pair.rows:
        cells = (
            row.kind, row.name, number(row.relative), number(row.absolute), f"{row.ulps:.3g}",
            number(row.spread), number(row.tolerance), row.said,
        )  # fmt: skip
        mark = "" if row.verdict == AGREES else f' class="{row.verdict}"'
        rows.append(f"<tr{mark}>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    return f'<div class="scroll"><table>{"".join(rows)}</table></div>'


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────
def colour(error: float, tolerance: float) -> str:
    """White where nothing differs, through yellow near the tolerance, to red above it."""
    if error == 0:
        return "#ffffff"
    if not math.isfinite(error):
        return "#c0392b"
    decades = math.log10(error / tolerance)
    if decades > 0:
        return "#e06a5a" if decades < 3 else "#c0392b"
    share = max(0.0, 1 + decades / 6)
    return f"#{int(236 + 17 * share):02x}{int(246 - 22 * share):02x}{int(238 - 110 * share):02x}"


def graph(points: Sequence[Point]) -> str:
    """Every site as a box under those that it reads from."""
    depth: list[int] = []
    for point in points:
        depth.append(1 + max((depth[at] for at in point.before), default=-1))
    columns: dict[int, int] = {}
    place: list[tuple[float, float]] = []
    for at in depth:
        column = columns.get(at, 0)
        columns[at] = column + 1
        place.append((column * (BOX[0] + GAP) + 10, at * ROW + 10))
    width = max(columns.values(), default=1) * (BOX[0] + GAP) + 20
    height = (max(depth, default=0) + 1) * ROW + 10
    lines: list[str] = []
    for number_, point in enumerate(points):
        x, y = place[number_]
        for before in point.before:
            x0, y0 = place[before]
            lines.append(
                f'<line x1="{x0 + BOX[0] / 2:.0f}" y1="{y0 + BOX[1]:.0f}" x2="{x + BOX[0] / 2:.0f}"'
                f' y2="{y:.0f}" stroke="#b5b5b5"/>'
            )
    for number_, point in enumerate(points):
        x, y = place[number_]
        told = (
            f"{point}\n{point.place}\n{point.line}\naccumulated {number(point.accumulated)}\n"
            f"local {number(point.local)}, spread {number(point.spread)}"
        )
        edge = "#c0392b" if point.is_wrong else "#777"
        lines.append(
            f"<g><title>{escape(told)}</title>"
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{BOX[0]}" height="{BOX[1]}" rx="4"'
            f' fill="{colour(point.accumulated, point.tolerance)}" stroke="{edge}"/>'
            f'<text x="{x + 6:.0f}" y="{y + 19:.0f}">{escape(_short(str(point)))}</text></g>'
        )
    return (
        f'<div class="scroll"><svg width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" style="max-width: none">{"".join(lines)}</svg></div>'
    )


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"…{name[-23:]}"


def bars(growth: Sequence[tuple[str, float]], tolerance: float) -> str:
    """The error at the end of each layer on a logarithmic scale, with the tolerance as a line."""
    finite = [error for _, error in growth if 0 < error < math.inf]
    low = math.floor(math.log10(min([*finite, tolerance]))) - 1
    high = math.ceil(math.log10(max([*finite, tolerance]))) + 1
    span = WIDTH - 260
    lines: list[str] = []

    def x(error: float) -> float:
        bounded = min(max(math.log10(error), low), high) if 0 < error < math.inf else low
        return 230 + span * ((high if error == math.inf else bounded) - low) / (high - low)

    for at, (name, error) in enumerate(growth):
        y = at * 20 + 8
        lines.append(
            f'<text x="222" y="{y + 12}" text-anchor="end">{escape(_short(name))}</text>'
            f'<rect x="230" y="{y}" width="{x(error) - 230:.1f}" height="15"'
            f' fill="{colour(error, tolerance)}" stroke="#999"/>'
            f'<text x="{x(error) + 5:.1f}" y="{y + 12}">{number(error)}</text>'
        )
    bottom = len(growth) * 20 + 10
    at = x(tolerance)
    lines.append(
        f'<line x1="{at:.1f}" y1="0" x2="{at:.1f}" y2="{bottom}" stroke="#c0392b"'
        f' stroke-dasharray="4 3"/><text x="{at:.1f}" y="{bottom + 12}"'
        f' text-anchor="middle">tolerance {number(tolerance)}</text>'
    )
    return f'<svg width="{WIDTH}" height="{bottom + 20}">{"".join(lines)}</svg>'


def curves(losses: Mapping[str, Sequence[float]]) -> str:
    """The losses of all parties over the steps, laid over one another, each a little thinner."""
    every = [value for curve in losses.values() for value in curve if math.isfinite(value)]
    low, high = min(every, default=0.0), max(every, default=1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    count = max(len(curve) for curve in losses.values())
    lines: list[str] = []
    for at, (label, curve) in enumerate(losses.items()):
        ink = COLOURS[at % len(COLOURS)]
        dots = [
            (
                MARGIN + (WIDTH - 2 * MARGIN) * step / max(count - 1, 1),
                MARGIN / 2 + (HEIGHT - MARGIN) * (high - value) / (high - low),
            )
            for step, value in enumerate(curve)
            if math.isfinite(value)
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
        thick = 2 * (len(losses) - at)
        lines.append(
            f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="{thick}"/>'
            f'<text x="{MARGIN + at * 150}" y="{HEIGHT - 2}" fill="{ink}">■ {escape(label)}</text>'
        )
    lines.append(
        f'<text x="{MARGIN - 6}" y="{MARGIN / 2 + 4}" text-anchor="end">{high:.4g}</text>'
        f'<text x="{MARGIN - 6}" y="{HEIGHT - MARGIN / 2}" text-anchor="end">{low:.4g}</text>'
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 2}" text-anchor="end">step 1 to {count}</text>'
    )
    return f'<svg width="{WIDTH}" height="{HEIGHT}">{"".join(lines)}</svg>'
