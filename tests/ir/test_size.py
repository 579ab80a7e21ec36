"""Sizes: one canonical form, the ring's laws, floors and mods that mean Python's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from specc.ir.size import (
    Extent,
    Unknown,
    atom,
    axis,
    equal_if_exact,
    evaluate,
    exact_quotient,
    floor_divide,
    lower_bound,
    maximum,
    remainder,
    solve,
    substitute,
)

NAMES = ("batch", "time", "k")
LENGTHS = st.fixed_dictionaries({name: st.integers(1, 9) for name in NAMES})
LEAVES = st.one_of(st.integers(-4, 6), st.sampled_from([axis(name) for name in NAMES]))


def _grown(inner: st.SearchStrategy[Extent]) -> st.SearchStrategy[Extent]:
    pairs = st.tuples(inner, inner)
    return st.one_of(
        pairs.map(lambda p: p[0] + p[1]),
        pairs.map(lambda p: p[0] - p[1]),
        pairs.map(lambda p: p[0] * p[1]),
        pairs.map(lambda p: maximum(*p)),
        st.tuples(inner, st.integers(1, 5)).map(lambda p: floor_divide(*p)),
        st.tuples(inner, st.integers(1, 5)).map(lambda p: remainder(*p)),
    )


EXTENTS = st.recursive(LEAVES, _grown, max_leaves=6)


@given(EXTENTS, EXTENTS, LENGTHS)
def test_arithmetic_means_that_of_the_numbers(a: Extent, b: Extent, lengths: dict[str, int]):
    x, y = evaluate(a, lengths), evaluate(b, lengths)
    assert evaluate(a + b, lengths) == x + y
    assert evaluate(a - b, lengths) == x - y
    assert evaluate(a * b, lengths) == x * y
    assert evaluate(maximum(a, b), lengths) == max(x, y)
    if y > 0 and (isinstance(b, int) or b != 0):
        assert evaluate(floor_divide(a, b), lengths) == x // y
        assert evaluate(remainder(a, b), lengths) == x % y


@given(EXTENTS, EXTENTS, EXTENTS)
def test_one_form(a: Extent, b: Extent, c: Extent):
    assert a + b == b + a
    assert a * b == b * a
    assert (a + b) + c == a + (b + c)
    assert (a * b) * c == a * (b * c)
    assert a * (b + c) == a * b + a * c
    assert a - a == 0
    assert hash(a + b) == hash(b + a)


@given(EXTENTS, EXTENTS)
def test_a_product_divides(a: Extent, b: Extent):
    quotient = exact_quotient(a * b, b) if b != 0 else None
    if quotient is not None:
        assert quotient * b == a * b


@given(EXTENTS)
def test_putting_an_axis_in_its_own_place_changes_nothing(a: Extent):
    assert substitute(a, lambda _: None) == a


@given(EXTENTS, LENGTHS)
def test_no_value_is_below_the_bound(a: Extent, lengths: dict[str, int]):
    assert evaluate(a, lengths) >= lower_bound(a)


def test_an_axis_equals_itself_alone():
    assert axis("batch") != axis("time")
    assert axis("batch") == axis("batch")
    assert axis("batch") - axis("batch") == 0
    assert axis("batch") + 0 != 1


def test_equations_are_solved_where_they_divide():
    e = Unknown("e")
    assert solve(8 * atom(e) - 64, e) == 8
    assert solve(axis("k") * atom(e) - 3 * axis("k") * axis("time"), e) == 3 * axis("time")
    assert solve(8 * atom(e) - 63, e) is None
    assert solve(atom(e) * atom(e) - 4, e) is None
    assert solve(atom(e) // 2 - 4, e) is None


def test_equal_where_divisions_are_exact():
    t, k = axis("time"), axis("k")
    assert equal_if_exact(t // 2 * 2, t)
    assert equal_if_exact(t // k * k * 3, 3 * t)
    assert equal_if_exact((t // 2) * (t // 2) * 4, t * t)
    assert not equal_if_exact(t // 2 * 3, t)
    assert not equal_if_exact(t, k)
    assert equal_if_exact((t // 2) // 3 * 6, t)
