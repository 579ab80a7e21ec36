"""A comparison as text and as JSON. Computes nothing."""

from __future__ import annotations

import math
from typing import Any

from specc.compare.compare import AGREES, DIFFERS, UNDETERMINED, Comparison, Pair
from specc.compare.numbers import Row

HEAD = ("what", "name", "relative", "absolute", "ulps", "spread", "allowed", "")


def text(comparison: Comparison, whole: bool = False) -> str:
    """The tables, pair by pair; `whole` shows every tensor, else the worst of each kind."""
    lines = [f"{comparison.path}: {comparison.model}, seed {comparison.seed}"]
    for label, dtype, gradient in comparison.parties:
        by = f", gradients by {gradient}" if gradient else ""
        lines.append(f"  {label} in {dtype}{by}")
    lines += [f"  note: {note}" for note in (*comparison.notes, *comparison.missing)]
    for pair in comparison.pairs:
        lines += ["", *_pair(pair, comparison, whole)]
    return "\n".join(lines)


def _pair(pair: Pair, comparison: Comparison, whole: bool) -> list[str]:
    steps = f", {comparison.steps} steps" if comparison.steps else ""
    lines = [f"{pair.first} and {pair.second}, {pair.precision}{steps}", ""]
    shown = pair.rows if whole else chosen(pair.rows)
    lines += _table([HEAD, *map(_cells, shown)])
    if len(shown) < len(pair.rows):
        left = len(pair.rows) - len(shown)
        lines.append(f"  … and {left} more that agree better; --all shows them")
    lines += ["", f"  {_counts(pair)}"]
    if pair.culprit is not None:
        at = pair.culprit
        lines += [
            f"  culprit: `{at}` in {at.stage}, {at.place}",
            f"    {at.line}" if at.line else "",
            f"    fed with what {pair.first} fed it, its error is {number(at.local)};"
            f" {number(max(at.tolerance, 10 * at.spread))} is allowed",
        ]
    elif pair.differs and pair.points:
        lines.append("  no call's own error is over tolerance: rounding is amplified on the way")
    if pair.differs and pair.points:
        lines += ["", "  how the error grows:"]
        growth = pair.growth
        width = max(len(name) for name, _ in growth)
        lines += [f"    {name:{width}}  {number(error)}" for name, error in growth]
    lines.append(f"  shared by both: {'; '.join(pair.shared)}")
    return [line for line in lines if line != "    "]


def _counts(pair: Pair) -> str:
    total = len(pair.rows)
    said = f"{pair.count(AGREES)} of {total} tensors agree"
    if pair.differs:
        said += f", {pair.count(DIFFERS)} differ"
    if pair.count(UNDETERMINED):
        said += (
            f", {pair.count(UNDETERMINED)} undetermined: a change of one unit in the last place"
            " moves them by more than is allowed"
        )
    return said


def chosen(rows: list[Row]) -> list[Row]:
    """All that don't agree, and the worst of each kind that do."""
    best: dict[str, Row] = {}
    for row in rows:
        if row.kind not in best or _share(row) > _share(best[row.kind]):
            best[row.kind] = row
    worst = [row for row in rows if row.verdict != AGREES or best[row.kind] is row]
    return worst


def _share(row: Row) -> float:
    return row.relative / row.tolerance if row.tolerance else row.relative


def _cells(row: Row) -> tuple[str, ...]:
    allowed = (
        max(row.tolerance, 10 * row.spread) if row.kind.startswith("trained") else row.tolerance
    )
    return (
        row.kind, row.name, number(row.relative), number(row.absolute),
        f"{row.ulps:.3g}", number(row.spread), number(allowed),
        "" if row.verdict == AGREES else row.said,
    )  # fmt: skip


def number(value: float) -> str:
    return "0" if value == 0 else f"{value:.1e}"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines: list[str] = []
    for place, row in enumerate(rows):
        cells = [
            cell.rjust(width) if 2 <= at < 7 else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
        if place == 0:
            lines.append("  " + "  ".join("─" * width for width in widths).rstrip())
    return lines


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────
def json(comparison: Comparison) -> dict[str, Any]:
    return {
        "status": comparison.status,
        "file": comparison.path,
        "model": comparison.model,
        "seed": comparison.seed,
        "steps": comparison.steps,
        "parties": [
            {"name": label, "dtype": dtype, "gradients": gradient}
            for label, dtype, gradient in comparison.parties
        ],
        "missing": comparison.missing,
        "notes": comparison.notes,
        "pairs": [
            {
                "first": pair.first,
                "second": pair.second,
                "precision": pair.precision,
                "agrees": pair.count(AGREES),
                "differs": pair.count(DIFFERS),
                "undetermined": pair.count(UNDETERMINED),
                "shared": pair.shared,
                "tensors": [_row(row) for row in pair.rows],
                "culprit": _culprit(pair),
                "growth": [{"layer": name, "error": _finite(e)} for name, e in pair.growth],
            }
            for pair in comparison.pairs
        ],
        "losses": {name: [_finite(v) for v in curve] for name, curve in comparison.curves.items()},
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "kind": row.kind, "name": row.name, "relative": _finite(row.relative),
        "absolute": _finite(row.absolute), "ulps": _finite(row.ulps),
        "spread": _finite(row.spread), "tolerance": row.tolerance, "verdict": row.verdict,
        **({"otherwise": row.otherwise} if row.otherwise else {}),
    }  # fmt: skip


def _culprit(pair: Pair) -> dict[str, Any] | None:
    at = pair.culprit
    if at is None:
        return None
    return {
        "stage": at.stage, "scope": at.scope, "name": at.name, "application": at.application,
        "place": at.place, "line": at.line, "local": _finite(at.local),
        "accumulated": _finite(at.accumulated), "tolerance": at.tolerance,
    }  # fmt: skip


def _finite(value: float) -> float | str:
    """JSON has no infinity."""
    return value if math.isfinite(value) else str(value)
