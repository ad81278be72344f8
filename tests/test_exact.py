"""Recorded graphs with other numbers: Fractions, Decimals and SymPy's expressions, against other sources."""

import decimal
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings, strategies as st
from programs import SMOOTH, SYMPY, VALUES, Program, checked, exact_derivatives, programs
from sympy import Rational, Symbol

import microbp
from microbp import MLP, RULES, Rule, Value, functions, squared_error, weighted_sum
from microbp.exact.evaluation import Evaluation, evaluate
from microbp.exact.numbers import NoNumber, decimals, fractions, with_exact_literals
from microbp.exact.symbols import import_sympy, symbols
from microbp.operations import operation
from microbp.traversal import topological, unique_names
from microbp.value import apply

HALF, THIRD, TENTH = Fraction(1, 2), Fraction(1, 3), Fraction(1, 10)
every_row = pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))


def leaves(*numbers: float) -> list[Value]:
    return [Value(number, f"x[{k}]") for k, number in enumerate(numbers, 1)]


def is_exactly(found: Any, expected: Any) -> bool:
    """Whether a number is this one, of this kind."""
    return type(found) is type(expected) and found == expected


# In the classroom.


def test_a_product_and_its_gradients_are_exact() -> None:
    w, x = Value(0.5, "w"), Value(2.0, "x")
    exact = evaluate(w * x, {w: THIRD, x: Fraction(3, 4)})
    assert is_exactly(exact.value, Fraction(1, 4))
    assert is_exactly(exact.gradients[w], Fraction(3, 4))
    assert is_exactly(exact.gradients[x], THIRD)


def test_a_quotient_and_its_gradients_are_exact() -> None:
    x, y = leaves(1.0, 1.0)
    exact = evaluate(x / y, {x: Fraction(2, 3), y: Fraction(5, 7)})
    assert exact.value == Fraction(14, 15)
    assert exact.gradients[x] == Fraction(7, 5)
    assert exact.gradients[y] == -Fraction(2, 3) * Fraction(49, 25)


def test_all_paths_from_a_node_are_summed() -> None:
    x = Value(1.0)
    b = x * x
    c = b * x + b
    exact = evaluate(c, {x: THIRD})
    assert exact.gradients[x] == 3 * THIRD**2 + 2 * THIRD
    assert exact.gradients[b] == THIRD + 1
    assert exact.gradients[c] == 1


def test_a_tenth_is_a_tenth_where_it_is_given_as_one() -> None:
    x, y = leaves(0.1, 0.2)
    assert (x + y).data != 0.3
    assert evaluate(x + y, {x: TENTH, y: Fraction(2, 10)}).value == Fraction(3, 10)
    assert evaluate(x + y, {x: Decimal("0.1"), y: Decimal("0.2")}).value == Decimal("0.3")


def test_the_network_that_solves_xor_does_so_exactly() -> None:
    # Goodfellow, Bengio, Courville: Deep Learning, section 6.1
    network = MLP(2, [2, 1], activation="relu", output_activation="linear")
    for unit, weights, bias in zip(
        [*network[0], *network[1]], [(1.0, 1.0), (1.0, 1.0), (1.0, -2.0)], [0.0, -1.0, 0.0]
    ):
        for weight, number in zip([*unit.weights, unit.bias], [*weights, bias]):
            weight.data = number
    for a, b in (0, 0), (0, 1), (1, 0), (1, 1):
        x = leaves(0.25, 0.5)  # other numbers, which are replaced
        exact = evaluate(network(x), {x[0]: a, x[1]: b})
        assert is_exactly(exact.value, Fraction(a ^ b))


def test_the_gradient_of_every_weight_is_delta_times_z_exactly() -> None:
    network = MLP(3, [4, 3, 1], activation="relu", seed=2)
    x = leaves(0.5, -0.25, 0.75)
    E = squared_error(network(x), 1.0)
    exact = evaluate(E, {x[0]: THIRD, x[1]: Fraction(-2, 7), x[2]: Fraction(5, 11)})
    found = microbp.units(E)
    assert sum(unit.z is not unit.u for unit in found) == 8
    for unit in found:
        delta = exact.gradients[unit.u]
        assert exact[unit.u] == sum(exact[w] * exact[z] for w, z in zip(unit.weights, unit.inputs)) + (
            exact[unit.bias] if unit.bias is not None else 0
        )
        for weight, z in zip(unit.weights, unit.inputs):
            assert exact.gradients[weight] == delta * exact[z]
    assert any(exact.gradients[weight] for unit in found for weight in unit.weights)


def test_a_relu_network_in_fractions_is_the_float_network_without_its_rounding() -> None:
    network = MLP(2, [5, 5, 1], activation="relu", seed=4)
    x = leaves(0.3, -0.7)
    E = squared_error(network(x), 0.25)
    E.backward()
    exact = evaluate(E, {})
    assert all(isinstance(number, Fraction) for number in exact.gradients.values())
    for parameter in network.parameters():
        assert float(exact.gradients[parameter]) == pytest.approx(parameter.grad, rel=1e-12, abs=1e-15)
    assert float(exact.value) == pytest.approx(E.data, rel=1e-13)


def test_a_unit_with_symbols_gives_the_formula_of_the_post() -> None:
    w, x, b = (Value(0.5, name) for name in "wxb")
    z = (w * x + b).sigmoid()
    W, X, B = sympy.symbols("w x b", real=True)
    exact = evaluate(z, {w: W, x: X, b: B})
    Z = 1 / (1 + sympy.exp(-W * X - B))
    assert sympy.simplify(exact.value - Z) == 0
    assert sympy.simplify(exact.gradients[w] - Z * (1 - Z) * X) == 0  # equations 4.4 and 3


def test_a_symbol_for_every_leaf_gives_the_formula_of_a_loss() -> None:
    unit = microbp.Unit(2, seed=1)
    x = leaves(0.5, -1.0)
    E = squared_error(unit(x), 1.0)
    named = {leaf: Symbol(leaf.label, real=True) for leaf in microbp.leaves(E)}
    exact = evaluate(E, named)
    for leaf, symbol in named.items():
        assert sympy.simplify(sympy.diff(exact.value, symbol) - exact.gradients[leaf]) == 0


# Which kind it is.


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (3, Fraction(9)),
        (True, Fraction(3)),
        (np.int64(3), Fraction(9)),
        (THIRD, Fraction(1)),
        (Decimal("0.5"), Decimal("1.5")),
        (Rational(1, 3), sympy.Integer(1)),
        (sympy.pi, 3 * sympy.pi),
        (0.25, 0.75),
        (np.float64(0.25), 0.75),
        (np.float32(0.25), 0.75),
        (np.True_, 3.0),
    ],
)
def test_the_kind_follows_from_the_numbers_given(number: Any, expected: Any) -> None:
    x = Value(0.5)
    assert is_exactly(evaluate(x * 3, {x: number}).value, expected)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(THIRD, Fraction(2, 3)), (Decimal("0.1"), Decimal("0.2")), (sympy.pi, 2 * sympy.pi), (0.1, 0.2)],
)
def test_ints_go_with_every_kind(number: Any, expected: Any) -> None:
    x, y = leaves(0.5, 0.5)
    for two in 2, np.int64(2):
        assert is_exactly(evaluate(x * y, {x: number, y: two}).value, expected)


def test_fractions_go_with_symbols() -> None:
    x, y = leaves(0.5, 0.5)
    s = Symbol("s")
    assert evaluate(x * y, {x: s, y: THIRD}).value == s / 3
    assert evaluate(x * y, {x: THIRD, y: s}).value == s / 3


def test_without_numbers_the_graph_is_what_its_floats_stand_for() -> None:
    x, y = leaves(0.1, 0.5)
    exact = evaluate(x * y, {})
    assert is_exactly(exact.value, Fraction(0.1) / 2)
    assert exact.gradients[y] == Fraction(3602879701896397, 36028797018963968)


def test_a_leaf_that_is_not_given_is_exactly_its_float() -> None:
    x, y = leaves(0.5, 0.1)
    assert evaluate(x + y, {x: THIRD}).value == THIRD + Fraction(0.1)
    assert evaluate(x + y, {x: Decimal(0)})[y] == Decimal.from_float(0.1)
    assert evaluate(x + y, {x: sympy.Integer(0)}).value == Rational(3602879701896397, 36028797018963968)


def test_a_leaf_that_is_not_given_is_the_float_it_holds_now() -> None:
    x, y = leaves(2.0, 3.0)
    z = x * y
    y.data = 4.0
    assert evaluate(z, {x: THIRD}).value == Fraction(4, 3)
    assert z.data == 6.0


def test_numbers_held_by_operations_stay_what_they_are() -> None:
    x = Value(0.5)
    assert evaluate(x * 3, {x: THIRD}).value == 1
    assert evaluate(x * THIRD, {x: 1}).value == THIRD
    assert evaluate(THIRD - x, {x: 0}).value == THIRD
    assert evaluate(x * 0.1, {x: 1}).value == Fraction(0.1)
    assert evaluate(x * THIRD, {x: Symbol("s")}).value == Symbol("s") / 3
    assert evaluate(x * 0.5, {x: Symbol("s")}).value == Symbol("s") / 2
    assert evaluate(x**0.5, {x: Symbol("s")}).value == sympy.sqrt(Symbol("s"))
    assert evaluate(x * THIRD, {x: Decimal(1)}).value == Decimal(1) / 3


def test_a_number_held_first_has_no_slope_sent_along_it() -> None:
    x = Value(0.5)
    assert evaluate(3 - x, {x: THIRD}).gradients[x] == -1
    assert evaluate(3 / x, {x: THIRD}).gradients[x] == -27
    assert evaluate(5 * x, {x: THIRD}).gradients[x] == 5
    assert evaluate(2**x, {x: Decimal(3)}).gradients[x] == 8 * Decimal(2).ln()


def test_a_leaf_alone_can_be_evaluated() -> None:
    x = Value(0.5, "x")
    exact = evaluate(x, {x: THIRD})
    assert exact.value == THIRD and exact.gradients == {x: 1}


def test_the_same_float_kind_as_the_eager_engine() -> None:
    network = MLP(2, [3, 1], activation="tanh", seed=3)
    x = leaves(0.3, -0.7)
    E = squared_error(network(x), 1.0) + x[0].sqrt().sqrt() + 2 ** x[1] + microbp.max(x[0], x[1], x[0])
    E.backward()
    again = evaluate(E, {x[0]: 0.3})
    assert dict(again.numbers) == {n: n.data for n in topological(E)}
    assert dict(again.gradients) == {node: node.grad for node in topological(E)}
    x[0].data, x[1].data = 0.9, 0.2
    E.zero_grad()
    E.recompute()
    E.backward()
    moved = {leaf: leaf.data for leaf in x}
    x[0].data, x[1].data = 0.3, -0.7
    assert dict(evaluate(E, moved).gradients) == {node: node.grad for node in topological(E)}


def test_floats_keep_the_infinite_slopes_of_the_eager_engine() -> None:
    x = Value(4.0)
    assert evaluate(x.sqrt(), {x: 0.0}).gradients[x] == math.inf
    assert evaluate(x * 2, {x: math.inf}).value == math.inf


# Fractions against SymPy.

RATIONAL: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "sum": lambda f, x, y, w: x + y,
    "sum of several": lambda f, x, y, w: f.sum([x, y, w, x]),
    "difference": lambda f, x, y, w: x - y,
    "product": lambda f, x, y, w: x * y,
    "quotient": lambda f, x, y, w: x / (y * y + 1),
    "negation": lambda f, x, y, w: -x,
    "cube": lambda f, x, y, w: x**3,
    "to the 0": lambda f, x, y, w: x**0 + y,
    "to the -2": lambda f, x, y, w: (x * x + 1) ** -2,
    "a number first": lambda f, x, y, w: 3 - 2 * x,
    "a number as numerator": lambda f, x, y, w: 2 / (x * x + 1),
    "a fraction": lambda f, x, y, w: f.third * x - f.third,
    "a float": lambda f, x, y, w: x * f.quarter,
    "weighted_sum": lambda f, x, y, w: f.dot([x, y], [y, w], w),
    "pick": lambda f, x, y, w: f.pick([x, y, w], 1),
}


class Recorded:
    third, quarter = THIRD, 0.25
    sum, dot, pick = VALUES.sum, VALUES.dot, VALUES.pick


class Symbolic:
    third, quarter = Rational(1, 3), Rational(1, 4)
    sum, dot, pick = SYMPY.sum, SYMPY.dot, SYMPY.pick


steps = st.lists(
    st.tuples(st.sampled_from(sorted(RATIONAL)), *(st.integers(0, 30) for _ in range(3))),
    min_size=1,
    max_size=7,
)
given_fractions = st.lists(st.fractions(-3, 3, max_denominator=12), min_size=3, max_size=3)


def run_rational(kind: Any, program: list[Any], numbers: list[Any]) -> Any:
    numbers = list(numbers)
    for name, *places in program:
        numbers.append(RATIONAL[name](kind, *(numbers[-1 - place % len(numbers)] for place in places)))
    return numbers[-1] * numbers[0] + numbers[-2]


def in_graph(E: Value, numbers: Iterable[tuple[Value, Any]]) -> dict[Value, Any]:
    """The numbers of those leaves that E was computed from."""
    graph = set(topological(E))
    return {leaf: number for leaf, number in numbers if leaf in graph}


@settings(checked, max_examples=80)
@given(steps, given_fractions)
def test_random_rational_graphs_are_exactly_sympy_s(program: list[Any], numbers: list[Fraction]) -> None:
    xs = leaves(0.5, 0.25, 1.5)
    E = run_rational(Recorded, program, xs)
    exact = evaluate(E, in_graph(E, zip(xs, numbers)))
    names = sympy.symbols("x:3")
    formula = sympy.sympify(run_rational(Symbolic, program, names), rational=True)
    point = {name: Rational(x.numerator, x.denominator) for name, x in zip(names, numbers)}
    assert is_exactly(exact.value, Fraction(formula.subs(point)))
    for x, name in zip(xs, names):
        if x in exact.gradients:
            assert is_exactly(exact.gradients[x], Fraction(sympy.diff(formula, name).subs(point)))


@settings(checked, max_examples=40)
@given(steps, given_fractions)
def test_a_formula_with_fractions_put_in_is_the_graph_of_fractions(
    program: list[Any], numbers: list[Fraction]
) -> None:
    xs = leaves(0.5, 0.25, 1.5)
    E = run_rational(Recorded, program, xs)
    names = sympy.symbols("x:3", real=True)
    formulas = evaluate(E, in_graph(E, zip(xs, names)))
    exact = evaluate(E, in_graph(E, zip(xs, numbers)))
    point = {name: Rational(x.numerator, x.denominator) for name, x in zip(names, numbers)}
    for node in topological(E):
        assert Fraction(sympy.sympify(formulas[node]).subs(point)) == exact[node]
        assert Fraction(sympy.sympify(formulas.gradients[node]).subs(point)) == exact.gradients[node]


@pytest.mark.parametrize(
    "of",
    [
        lambda f, x, y: x**3 * y**2 / (x + 2),
        lambda f, x, y: f.dot([x, y], [x, x * y], y) ** 3,
        lambda f, x, y: f.sum([x * x * y, x / y, 3 / x]),
    ],
)
def test_derivatives_of_derivatives_are_exact_too(of: Any) -> None:
    x, y = leaves(0.5, 0.75)
    a, b = sympy.symbols("a b")
    E, formula = of(Recorded, x, y), of(Symbolic, a, b)
    second = microbp.gradients(microbp.gradients(E, x), y)
    exact = evaluate(second, {x: THIRD, y: Fraction(-2, 7)})
    at = {a: Rational(1, 3), b: Rational(-2, 7)}
    assert exact.value == Fraction(sympy.diff(formula, a, b).subs(at))
    assert exact.gradients[x] == Fraction(sympy.diff(formula, a, b, a).subs(at))


# Roots and powers of fractions.


@pytest.mark.parametrize(
    ("x", "n", "expected"),
    [
        (Fraction(9, 4), 0.5, Fraction(3, 2)),
        (Fraction(9, 4), -0.5, Fraction(2, 3)),
        (Fraction(9, 4), 1.5, Fraction(27, 8)),
        (Fraction(81, 16), 0.25, Fraction(3, 2)),
        (Fraction(8, 27), THIRD, Fraction(2, 3)),
        (Fraction(8, 27), Fraction(-2, 3), Fraction(9, 4)),
        (Fraction(10**60), 0.5, Fraction(10**30)),
        (Fraction((10**20 + 39) ** 3), THIRD, Fraction(10**20 + 39)),
        (Fraction(1), 0.1, Fraction(1)),
        (Fraction(-2, 3), 3, Fraction(-8, 27)),
        (Fraction(-2, 3), -2.0, Fraction(9, 4)),
        (Fraction(0), 2, Fraction(0)),
        (Fraction(0), 0, Fraction(1)),
        (Fraction(-5), 0, Fraction(1)),
    ],
)
def test_powers_of_fractions_are_exact_where_they_are_fractions(x: Fraction, n: Any, expected: Any) -> None:
    v = Value(1.0)
    exact = evaluate(v**n, {v: x})
    assert is_exactly(exact.value, expected)
    slope = Fraction(n) * expected / x if n and x else 0
    assert exact.gradients[v] == slope


@pytest.mark.parametrize(
    ("x", "n"),
    [
        (Fraction(2), 0.5),
        (Fraction(1, 2), 0.5),
        (Fraction(4), 0.1),
        (Fraction(4), THIRD),
        (Fraction(10**60 + 1), 0.5),
    ],
)
def test_a_power_that_is_no_fraction_is_refused(x: Fraction, n: Any) -> None:
    v = Value(1.0, "v")
    with pytest.raises(TypeError, match=r"^power of x = .* \(node 'v'\) and n = .* is no fraction; use"):
        evaluate(v**n, {v: x})


@pytest.mark.parametrize("number", range(2, 300))
def test_a_root_is_found_if_and_only_if_there_is_one(number: int) -> None:
    for n in range(2, 9):
        whole = [base for base in range(2, 18) if base**n == number]
        try:
            assert fractions()["power"](Fraction(number), Fraction(1, n)) == whole[0]
        except NoNumber:
            assert whole == []


def test_sqrt_is_exact_for_squares() -> None:
    x = Value(2.0)
    exact = evaluate(x.sqrt(), {x: Fraction(49, 36)})
    assert exact.value == Fraction(7, 6) and exact.gradients[x] == Fraction(3, 7)


@pytest.mark.parametrize(
    ("name", "x", "value", "slope"),
    [
        ("exp", 0, 1, 1),
        ("log", 1, 0, 1),
        ("sin", 0, 0, 1),
        ("cos", 0, 1, 0),
        ("tanh", 0, 0, 1),
        ("sigmoid", 0, HALF, Fraction(1, 4)),
    ],
)
def test_at_the_one_rational_point_of_a_function_fractions_have_it(
    name: str, x: int, value: Any, slope: Any
) -> None:
    v = Value(0.5, "v")
    exact = evaluate(getattr(v, name)(), {v: x})
    assert is_exactly(exact.value, Fraction(value))
    assert is_exactly(exact.gradients[v], Fraction(slope))
    with pytest.raises(TypeError, match=rf"^{name} of 1/3 \(node 'v'\) is no fraction; use Decimals"):
        evaluate(getattr(v, name)(), {v: THIRD})


def test_logsumexp_of_one_fraction_is_that_fraction() -> None:
    x = Value(0.5)
    exact = evaluate(microbp.logsumexp([x]), {x: THIRD})
    assert exact.value == THIRD and exact.gradients[x] == 1


def test_a_tiny_cross_entropy_is_right_to_the_last_digit_in_decimals() -> None:
    us = leaves(1.0, 2.0)
    found = evaluate(microbp.cross_entropy(us, 0), dict(zip(us, [Decimal(150), Decimal(-50)])))
    with mpmath.workdps(50):
        assert is_right_to_the_last_digit(found.value, mpmath.log1p(mpmath.exp(-200)), 28)


def test_the_cross_entropy_of_the_only_class_is_0() -> None:
    x = Value(0.5)
    exact = evaluate(microbp.cross_entropy([x], 0), {x: THIRD})
    assert exact.value == 0 and exact.gradients[x] == 0
    assert type(exact.value) is type(exact.gradients[x]) is Fraction


def test_a_value_can_be_a_fraction_where_its_slope_is_none() -> None:
    x, y = leaves(2.0, 2.0)
    message = r"^a slope of exponentiation of x = 9/4 \(node 'x\[1\]'\) and y = 1/2 \(.*\) is no fraction;"
    with pytest.raises(TypeError, match=message):
        evaluate(x**y, {x: Fraction(9, 4), y: HALF})
    assert evaluate(x**y, {x: 1, y: HALF}).value == 1


# Decimals against mpmath.


class Smooth(NamedTuple):
    """An operation on Values, the same for mpmath, and the numbers to try."""

    of_values: Callable[..., Value]
    of_mpmath: Callable[..., Any]
    points: list[tuple[str, ...]]


EVERYWHERE = [
    (x,) for x in ("0.3", "-0.3", "2.5", "-7", "40", "-40", "1e-5", "-1e-5", "0.69314718055994530942")
]
FAR = [("1e-30",), ("-1e-30",), ("1e-80",), ("-900",), ("1e-61",), ("-1e-62",)]
LARGE = [("1e15",), ("-1e15",)]


def expected_surprise(ts: Sequence[Any], xs: Sequence[Any]) -> Any:
    total = mpmath.fsum(map(mpmath.exp, xs))
    return -mpmath.fsum(t * mpmath.log(mpmath.exp(x) / total) for t, x in zip(ts, xs))


SMOOTH_ROWS = {
    "exp": Smooth(lambda x: x.exp(), mpmath.exp, EVERYWHERE + FAR + LARGE),
    "log": Smooth(lambda x: x.log(), mpmath.log, [("0.3",), ("1e-30",), ("12345.6789",), ("1.000001",)]),
    "sqrt": Smooth(lambda x: x.sqrt(), mpmath.sqrt, [("0.3",), ("1e-31",), ("2",), ("1e30",)]),
    "sigmoid": Smooth(lambda x: x.sigmoid(), lambda x: 1 / (1 + mpmath.exp(-x)), EVERYWHERE + FAR),
    "tanh": Smooth(lambda x: x.tanh(), mpmath.tanh, EVERYWHERE[:4] + FAR[:3]),
    "softplus": Smooth(lambda x: x.softplus(), lambda x: mpmath.log1p(mpmath.exp(x)), EVERYWHERE + FAR),
    "power": Smooth(lambda x: x**2.5, lambda x: x ** mpmath.mpf(2.5), [("0.3",), ("7",), ("1e-20",)]),
    "exponentiation": Smooth(lambda x, y: x**y, lambda x, y: x**y, [("0.3", "-1.7"), ("12", "0.1")]),
    "logsumexp": Smooth(
        lambda *xs: microbp.logsumexp(xs),
        lambda *xs: mpmath.log(mpmath.fsum(map(mpmath.exp, xs))),
        [("0.3", "-0.7", "2"), ("1000", "999"), ("-50", "50", "0"), ("3", "3"), ("-900", "-901")],
    ),
    "cross_entropy": Smooth(
        lambda *v: functions.expected_surprise(v[: len(v) // 2], v[len(v) // 2 :]),
        lambda *v: expected_surprise(v[: len(v) // 2], v[len(v) // 2 :]),
        [
            ("0.3", "0.7", "2", "-1"),
            ("1", "0", "40", "-30"),
            ("0.25", "0.25", "0.5", "-900", "-901", "-902"),
            ("0.1", "0.9", "3", "3"),
        ],
    ),
    "quotient": Smooth(lambda x, y: x / y, lambda x, y: x / y, [("1", "3"), ("-2", "0.7")]),
    "product": Smooth(lambda x, y: x * y, lambda x, y: x * y, [("0.1", "0.3")]),
    "sum": Smooth(lambda x, y: x + y, lambda x, y: x + y, [("0.1", "1e20")]),
    "difference": Smooth(lambda x, y: x - y, lambda x, y: x - y, [("0.1", "1e20")]),
    "negation": Smooth(lambda x: -x, lambda x: -x, [("0.1",)]),
    "weighted_sum": Smooth(
        lambda *v: weighted_sum(v[:2], v[2:4], v[4]),
        lambda *v: v[0] * v[2] + v[1] * v[3] + v[4],
        [("0.1", "-3", "0.7", "12", "1e-9")],
    ),
}
NOT_SMOOTH = {"relu", "abs", "max", "min", "pick", "step", "sign", "equal"}
NOT_OF_DECIMALS = {"sin", "cos"}


@every_row
def test_every_smooth_row_is_compared_with_mpmath_or_refused(rule: Rule) -> None:
    places = [rule.name in SMOOTH_ROWS, rule.name in NOT_SMOOTH, rule.name in NOT_OF_DECIMALS]
    assert sum(places) == 1, f"say of the row {rule.name!r} which it is, above"


def is_right_to_the_last_digit(found: Decimal, true: Any, digits: int) -> bool:
    """Within the half unit of the last digit that rounding leaves, and a bit."""
    return bool(abs(mpmath.mpf(str(found)) - true) <= abs(true) * mpmath.mpf(10) ** (1 - digits) * 0.5001)


@pytest.mark.parametrize("digits", [50, 28, 6])
@pytest.mark.parametrize(
    ("name", "point"), [(name, point) for name, each in SMOOTH_ROWS.items() for point in each.points]
)
def test_decimals_are_right_to_the_last_digit(name: str, point: tuple[str, ...], digits: int) -> None:
    row = SMOOTH_ROWS[name]
    xs = leaves(*(abs(float(x)) + 0.5 if name in ("log", "sqrt", "power") else 1.5 for x in point))
    E = row.of_values(*xs)
    with decimal.localcontext() as context:
        context.prec = digits
        numbers = [+Decimal(x) for x in point]
        exact = evaluate(E, dict(zip(xs, numbers)))
    with mpmath.workdps(300):
        at = [mpmath.mpf(str(x)) for x in numbers]
        assert is_right_to_the_last_digit(exact.value, row.of_mpmath(*at), digits)
        for k, x in enumerate(xs):
            if abs(at[k]) < 1e10:
                order = tuple(int(k == i) for i in range(len(at)))
                slope = mpmath.diff(row.of_mpmath, tuple(at), order) if len(at) > 1 else diff(row, at[0])
                assert is_right_to_the_last_digit(exact.gradients[x], slope, digits)


def diff(row: Smooth, at: Any) -> Any:
    """The slope of a function of one number, by a step that is small beside the number."""
    h = abs(at) * mpmath.mpf(10) ** -70
    return (row.of_mpmath(at + h) - row.of_mpmath(at - h)) / (2 * h)


@settings(checked, max_examples=60)
@given(programs(longest=8, most_leaves=3, operations=SMOOTH - {"sin", "cos", "constant base"}))
def test_random_graphs_of_decimals_have_sympy_s_derivatives(drawn: tuple[Program, list[float]]) -> None:
    program, numbers = drawn
    truth = exact_derivatives(lambda xs: program.run(SYMPY, xs), numbers, order=1)
    xs = [Value(x) for x in numbers]
    E = program.run(VALUES, xs)
    exact = evaluate(E, in_graph(E, ((x, Decimal(x.data)) for x in xs)))
    with mpmath.workdps(50):
        size = sum(abs(each) for each in truth.values()) + 1
        assert abs(mpmath.mpf(str(exact.value)) - truth[()]) <= mpmath.mpf(10) ** -26 * size
        for k, x in enumerate(xs):
            if x in exact.gradients:
                error = abs(mpmath.mpf(str(exact.gradients[x])) - truth[k,])
                assert error <= mpmath.mpf(10) ** -26 * size


@pytest.mark.parametrize("x", ["0.3", "-0.3", "7", "-80", "1e-20", "-1e-20", "1e-26", "1e-40", "-130", "300"])
@pytest.mark.parametrize("name", ["exp", "sigmoid", "tanh", "softplus"])
def test_the_functions_of_decimals_are_accurate_by_themselves(name: str, x: str) -> None:
    with decimal.localcontext() as context:
        context.prec = 50
        found = decimals()[name](Decimal(x))
    with mpmath.workdps(300):
        true = SMOOTH_ROWS[name].of_mpmath(mpmath.mpf(x))
        assert abs(mpmath.mpf(str(found)) - true) <= abs(true) * mpmath.mpf(10) ** -49 * 2


def test_decimals_follow_the_context_s_digits_and_rounding() -> None:
    x = Value(3.0)
    with decimal.localcontext() as context:
        context.prec = 5
        assert str(evaluate(2 / x, {x: Decimal(3)}).value) == "0.66667"
        context.rounding = decimal.ROUND_DOWN
        assert str(evaluate(2 / x, {x: Decimal(3)}).value) == "0.66666"
        assert str(evaluate(2 / x, {x: Decimal(3)}).gradients[x]) == "-0.22222"


def test_what_happens_between_is_not_rounded_to_the_context() -> None:
    x, y = leaves(1.0, 1.0)
    with decimal.localcontext() as context:
        context.prec = 5
        exact = evaluate((x + y) - x, {x: Decimal(10**8), y: Decimal("0.12345")})
    assert str(exact.value) == "0.12345"


def test_a_given_decimal_is_not_rounded() -> None:
    x = Value(3.0)
    many = Decimal("0.1234567890123456789012345678901234567890")
    assert evaluate(x * 2, {x: many})[x] is many


def test_the_user_s_decimal_context_is_as_it_was() -> None:
    x = Value(3.0)
    with decimal.localcontext() as context:
        context.prec = 7
        context.clear_flags()
        context.traps[decimal.Inexact] = True
        evaluate(x.exp() / 3, {x: Decimal(1)})
        with pytest.raises(ZeroDivisionError):
            evaluate(1 / x, {x: Decimal(0)})
        assert context.prec == 7 and not any(context.flags.values())
        assert decimal.getcontext() is context


def test_a_context_that_traps_nothing_lets_no_nan_through() -> None:
    x = Value(3.0, "x")
    with decimal.localcontext(decimal.ExtendedContext):
        with pytest.raises(ValueError, match=r"^log of -1 \(node 'x'\): it needs x > 0$"):
            evaluate(x.log(), {x: Decimal(-1)})
        with pytest.raises(ZeroDivisionError, match=r"^quotient of x = 0 .* and y = 0 .*: it needs y != 0$"):
            evaluate((x * 0) / x, {x: Decimal(0)})


# SymPy's expressions against SymPy's derivatives.


@every_row
def test_the_gradients_of_every_smooth_row_are_sympy_s_derivatives(rule: Rule) -> None:
    if rule.name in NOT_SMOOTH:
        return
    xs, E = sample(rule)
    names = sympy.symbols(f"x0:{len(xs)}", positive=True)
    exact = evaluate(E, dict(zip(xs, names)))
    for x, name in zip(xs, names):
        assert sympy.simplify(sympy.diff(exact.value, name) - exact.gradients[x]) == 0


@settings(checked, max_examples=40)
@given(programs(longest=5, most_leaves=3, operations=SMOOTH))
def test_random_graphs_of_symbols_have_sympy_s_derivatives(drawn: tuple[Program, list[float]]) -> None:
    program, numbers = drawn
    truth = exact_derivatives(lambda xs: program.run(SYMPY, xs), numbers, order=1)
    xs = [Value(x) for x in numbers]
    names = sympy.symbols(f"x:{len(xs)}", real=True)
    E = program.run(VALUES, xs)
    exact = evaluate(E, in_graph(E, zip(xs, names)))
    found = [exact.value, *(exact.gradients.get(x, sympy.Integer(0)) for x in xs)]
    with mpmath.workdps(50):
        numeric = sympy.lambdify(names, found, "mpmath", cse=True)(*map(mpmath.mpf, numbers))
        for number, true in zip(numeric, truth.values()):
            assert abs(number - true) <= mpmath.mpf(10) ** -38 * (1 + abs(true))


def test_symbols_need_not_be_declared_real() -> None:
    x, y = leaves(0.5, 0.5)
    a, b = sympy.symbols("a b")
    exact = evaluate((x * y).log() + x**y, {x: a, y: b})
    assert sympy.simplify(exact.gradients[x] - (1 / a + b * a ** (b - 1))) == 0


def test_gradients_of_symbols_have_no_clutter() -> None:
    w, x, b = leaves(0.5, 0.5, 0.5)
    W, X, B = sympy.symbols("w x b")
    exact = evaluate(w * x + b, {w: W, x: X, b: B})
    assert [str(exact.gradients[leaf]) for leaf in (w, x, b)] == ["x", "w", "1"]
    assert str(exact.value) == "b + w*x"


def test_sympy_s_numbers_stay_exact() -> None:
    x = Value(0.5)
    exact = evaluate(x.exp().sin() * x, {x: Rational(1, 3)})
    assert exact.value == sympy.sin(sympy.exp(Rational(1, 3))) / 3
    assert exact.value.has(sympy.Float) is False


# Kinks and jumps, by the table's conventions.


class Kink(NamedTuple):
    of: Callable[..., Value]
    at: list[Fraction]
    value: Fraction
    slopes: list[Fraction]


KINKS = {
    "relu at 0": Kink(lambda x: x.relu(), [Fraction(0)], Fraction(0), [Fraction(0)]),
    "relu above": Kink(lambda x: x.relu(), [THIRD], THIRD, [Fraction(1)]),
    "relu below": Kink(lambda x: x.relu(), [-THIRD], Fraction(0), [Fraction(0)]),
    "abs at 0": Kink(lambda x: x.abs(), [Fraction(0)], Fraction(0), [Fraction(0)]),
    "abs above": Kink(lambda x: x.abs(), [THIRD], THIRD, [Fraction(1)]),
    "abs below": Kink(lambda x: x.abs(), [-THIRD], THIRD, [Fraction(-1)]),
    "max of ties": Kink(lambda *x: microbp.max(x), [HALF, THIRD, HALF], HALF, [HALF, Fraction(0), HALF]),
    "max of one twice": Kink(lambda x, y: microbp.max(x, y, x), [HALF, HALF], HALF, [2 * THIRD, THIRD]),
    "min of ties": Kink(lambda *x: microbp.min(x), [THIRD] * 3, THIRD, [THIRD] * 3),
    "min": Kink(lambda *x: microbp.min(x), [HALF, THIRD], THIRD, [Fraction(0), Fraction(1)]),
    "pick": Kink(lambda *x: microbp.pick(x, 1), [HALF, THIRD], THIRD, [Fraction(0), Fraction(1)]),
    "to the 0": Kink(lambda x: x**0, [Fraction(0)], Fraction(1), [Fraction(0)]),
    "to the 1": Kink(lambda x: x**1, [Fraction(0)], Fraction(0), [Fraction(1)]),
    "step": Kink(lambda x: apply(RULES["step"], [x]), [Fraction(0)], Fraction(0), [Fraction(0)]),
    "step above": Kink(lambda x: apply(RULES["step"], [x]), [THIRD], Fraction(1), [Fraction(0)]),
    "sign": Kink(lambda x: apply(RULES["sign"], [x]), [-THIRD], Fraction(-1), [Fraction(0)]),
    "sign at 0": Kink(lambda x: apply(RULES["sign"], [x]), [Fraction(0)], Fraction(0), [Fraction(0)]),
    "equal": Kink(lambda *x: apply(RULES["equal"], x), [THIRD, THIRD], Fraction(1), [Fraction(0)] * 2),
    "not equal": Kink(lambda *x: apply(RULES["equal"], x), [HALF, THIRD], Fraction(0), [Fraction(0)] * 2),
}
every_kink = pytest.mark.parametrize("name", KINKS)


@every_row
def test_every_row_that_is_not_smooth_has_its_kinks_tried(rule: Rule) -> None:
    if rule.name in NOT_SMOOTH:
        kinks = (kink.of(*(Value(0.5) for _ in kink.at)) for kink in KINKS.values())
        assert rule.name in {node.rule.name for node in kinks if node.rule}


@every_kink
def test_fractions_keep_the_conventions_at_kinks(name: str) -> None:
    kink = KINKS[name]
    xs = leaves(*(1.0 for _ in kink.at))
    exact = evaluate(kink.of(*xs), dict(zip(xs, kink.at)))
    assert is_exactly(exact.value, kink.value)
    assert [exact.gradients[x] for x in xs] == kink.slopes
    assert all(type(number) is Fraction for number in exact.gradients.values())


@every_kink
def test_decimals_keep_the_conventions_at_kinks(name: str) -> None:
    kink = KINKS[name]
    xs = leaves(*(1.0 for _ in kink.at))
    numbers = [Decimal(x.numerator) / x.denominator for x in kink.at]
    exact = evaluate(kink.of(*xs), dict(zip(xs, numbers)))
    assert isinstance(exact.value, Decimal)
    assert float(exact.value) == pytest.approx(float(kink.value), rel=1e-15)
    assert [float(exact.gradients[x]) for x in xs] == pytest.approx([*map(float, kink.slopes)], rel=1e-15)


@every_kink
@pytest.mark.parametrize("real", [True, None])
def test_symbols_keep_the_conventions_at_kinks_when_numbers_are_put_in(name: str, real: bool | None) -> None:
    kink = KINKS[name]
    xs = leaves(*(1.0 for _ in kink.at))
    E = kink.of(*xs)
    names = sympy.symbols(f"x0:{len(xs)}", real=real)
    numbers = [Rational(x.numerator, x.denominator) for x in kink.at]
    formulas, exact = evaluate(E, dict(zip(xs, names))), evaluate(E, dict(zip(xs, numbers)))
    point = dict(zip(names, numbers))
    assert exact.value == formulas.value.subs(point) == kink.value
    for x, slope in zip(xs, kink.slopes):
        assert exact.gradients[x] == sympy.sympify(formulas.gradients[x]).subs(point) == slope


@every_kink
def test_floats_keep_the_conventions_at_kinks(name: str) -> None:
    kink = KINKS[name]
    xs = leaves(*map(float, kink.at))
    E = kink.of(*xs)
    E.backward()
    assert [x.grad for x in xs] == pytest.approx([*map(float, kink.slopes)], rel=1e-15)
    assert E.data == float(kink.value)


# Every row with every kind of number.

SAMPLES: dict[str, list[Any]] = {  # operands; the last is held where a row's last partial is None
    "power": [0.75, 3],
    "pick": [0.75, -0.5, 2.5, 1],
    "weighted_sum": [0.75, -0.5, 2.5, 1.25, -2.0],
    "exponentiation": [0.75, 2.5],
    **{name: [0.75, -0.5, 2.5] for name in ("sum", "max", "min", "logsumexp")},
    "cross_entropy": [0.75, 0.25, 2.5, -0.5],
    **{name: [0.75, -0.5] for name in ("difference", "product", "quotient", "equal")},
    **{name: [0.75] for name in ("negation", "exp", "log", "sqrt", "sigmoid", "tanh", "relu", "softplus")},
    **{name: [0.75] for name in ("abs", "sin", "cos", "step", "sign")},
}
REFUSED = {
    Fraction: {
        *("exponentiation", "exp", "log", "sqrt", "sigmoid", "tanh", "softplus", "sin", "cos", "logsumexp"),
        "cross_entropy",
    },
    Decimal: {"sin", "cos"},
    Rational: set(),
    float: set(),
}


def sample(rule: Rule) -> tuple[list[Value], Value]:
    """Leaves, and the row applied to them."""
    if rule.name not in SAMPLES:
        pytest.fail(f"the row {rule.name!r} has no sample: add a line to SAMPLES and REFUSED in {__file__}")
    operands = SAMPLES[rule.name]
    if rule.partials[-1] is None:
        xs = leaves(*operands[:-1])
        return xs, apply(rule.holding(-1), [*xs, operands[-1]])
    xs = leaves(*operands)
    return xs, apply(rule, xs)


def test_a_new_row_without_a_sample_fails_and_says_what_to_add() -> None:
    with pytest.raises(pytest.fail.Exception, match="'cube' has no sample: add a line to SAMPLES"):
        sample(Rule("cube", "³", "x", "x * x * x", ("3 * x * x",)))


@every_row
@pytest.mark.parametrize("kind", [Fraction, Decimal, Rational, float], ids=lambda kind: kind.__name__)
def test_every_row_gives_what_floats_give_or_is_refused(rule: Rule, kind: Any) -> None:
    xs, E = sample(rule)
    E.backward()
    numbers = {x: kind(x.data) for x in xs}
    if rule.name in REFUSED[kind]:
        with pytest.raises(TypeError, match=rf"{rule.name} of .* (is no fraction|cannot be computed)"):
            evaluate(E, numbers)
        return
    exact = evaluate(E, numbers)
    expected = sympy.Expr if kind is Rational else kind
    assert all(isinstance(each, expected) for each in [*exact.numbers.values(), *exact.gradients.values()])
    assert float(exact.value) == pytest.approx(E.data, rel=1e-15)
    for x in xs:
        assert float(exact.gradients[x]) == pytest.approx(x.grad, rel=1e-14)


# Operations of one's own.


@pytest.fixture
def own() -> Any:
    """A function that makes operations, which are taken out of the table afterwards."""
    made = []

    def make(*arguments: Any, **options: Any) -> Any:
        made.append(operation(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.remove()


def test_literals_of_a_row_are_meant_as_they_are_written(own: Any) -> None:
    half = own("half", "1 / 2 * x + 0.1", "0.5")
    x = Value(1.0)
    for number, value, slope in (
        (THIRD, Fraction(4, 15), HALF),
        (Decimal(1), Decimal("0.6"), Decimal("0.5")),
        (Symbol("s"), Symbol("s") / 2 + Rational(1, 10), Rational(1, 2)),
    ):
        exact = evaluate(half(x), {x: number})
        assert exact.value == value and exact.gradients[x] == slope
    assert "Float" not in sympy.srepr(evaluate(half(x), {x: Symbol("s")}).value)


def test_an_operation_of_one_s_own_is_exact_and_refused_like_the_table_s(own: Any) -> None:
    swish = own("swish", "x * sigmoid(x)", "z + sigmoid(x) * (1 - z)")
    x = Value(1.0, "x")
    assert evaluate(swish(x), {x: 0}).gradients[x] == HALF
    with pytest.raises(TypeError, match=r"^swish of 1/3 \(node 'x'\) is no fraction"):
        evaluate(swish(x), {x: THIRD})
    s = Symbol("s", real=True)
    exact = evaluate(swish(x), {x: s})
    assert sympy.simplify(sympy.diff(s / (1 + sympy.exp(-s)), s) - exact.gradients[x]) == 0


def test_the_constants_of_a_row_are_those_of_mathematics(own: Any) -> None:
    turn, grow = own("turn", "2 * pi * x", "2 * pi"), own("grow", "e * x", "e")
    x = Value(1.0, "x")
    assert evaluate(turn(x), {x: Symbol("s")}).value == 2 * sympy.pi * Symbol("s")
    assert evaluate(grow(x), {x: sympy.Integer(1)}).value == sympy.E
    assert evaluate(grow(x), {x: Decimal(1)}).value == Decimal(1).exp()
    for each, number in (turn, THIRD), (grow, THIRD), (turn, Decimal(1)):
        with pytest.raises(TypeError, match=rf"^{each.rule.name} of .* (is no fraction|cannot be)"):
            evaluate(each(x), {x: number})


def test_a_new_function_has_the_form_it_is_given_for_symbols(own: Any) -> None:
    erf = own("erf", "erf(x)", "2 / sqrt(pi) * exp(-x * x)", floats=math.erf, symbols=sympy.erf)
    x = Value(1.0, "x")
    s = Symbol("s", real=True)
    exact = evaluate(erf(x), {x: s})
    assert exact.value == sympy.erf(s)
    assert sympy.simplify(exact.gradients[x] - sympy.diff(sympy.erf(s), s)) == 0
    assert evaluate(erf(x), {x: 0.25}).value == math.erf(0.25)
    with pytest.raises(TypeError, match=r"^erf has no form for Fractions; use SymPy's numbers, or floats$"):
        evaluate(erf(x), {x: THIRD})
    with pytest.raises(TypeError, match=r"^erf has no form for Decimals; use SymPy's numbers, or floats$"):
        evaluate(erf(x), {x: Decimal(1)})


def test_a_new_function_without_one_says_what_to_add(own: Any) -> None:
    erf = own("erf", "erf(x)", "2 / sqrt(pi) * exp(-x * x)", floats=math.erf)
    x = Value(1.0)
    with pytest.raises(TypeError, match=r"'erf' has no function for symbols; .*operation\('erf', \.\.\., s"):
        evaluate(erf(x), {x: Symbol("s")})


@pytest.mark.parametrize(
    "function", [sympy.asin, lambda x: sympy.log(x - 3), lambda x: sympy.nan, lambda x: math.inf]
)
def test_a_new_function_outside_its_domain_is_refused(own: Any, function: Any) -> None:
    arcsine = own(
        "arcsine", "arcsine(x)", "1 / sqrt(1 - x * x)", floats=math.asin, symbols=function, domain="|x| <= 1"
    )
    x = Value(0.5, "x")
    with pytest.raises(ValueError, match=r"^arcsine of 3 \(node 'x'\): it needs \|x\| <= 1$"):
        evaluate(arcsine(x), {x: sympy.Integer(3)})


def test_a_row_is_written_exactly_once_for_all_kinds() -> None:
    rule = with_exact_literals(RULES["sqrt"])
    assert rule.partials == ("_quotient(_number('1'), _number('2') * z)",)
    assert rule.forward == "sqrt(x)" and rule.operands == "x"


def test_the_kinds_read_every_row_as_sympy_differentiates_it() -> None:
    x, y = sympy.symbols("x y", positive=True)
    forward, slopes = symbols().rows(RULES["quotient"])
    assert (forward(x, y), *slopes(forward(x, y), x, y)) == (x / y, 1 / y, -x / y**2)


# Errors.


def refusal(E: Value, numbers: Any) -> str:
    with pytest.raises((ArithmeticError, TypeError, ValueError, RecursionError)) as error:
        evaluate(E, numbers)
    return f"{type(error.value).__name__}: {error.value}"


OUTSIDE: list[tuple[Callable[[Value], Value], int, str]] = [
    (lambda x: x.log(), -3, "ValueError: log of -3 (node 'x'): it needs x > 0"),
    (lambda x: x.log(), 0, "ValueError: log of 0 (node 'x'): it needs x > 0"),
    (lambda x: x.sqrt(), -4, "ValueError: sqrt of -4 (node 'x'): it needs x >= 0"),
    (lambda x: 1 / x, 0, "ZeroDivisionError: quotient of x = 1 and y = 0 (node 'x'): it needs y != 0"),
    (
        lambda x: x / (x - 1),
        1,
        "ZeroDivisionError: quotient of x = 1 (node 'x') and y = 0 (node = x - 1): it needs y != 0",
    ),
    (
        lambda x: (x * 1) / x,
        0,
        "ZeroDivisionError: quotient of x = 0 (node = x * 1) and y = 0 (node 'x'): it needs y != 0",
    ),
    (
        lambda x: x**x,
        -2,
        "ValueError: exponentiation of x = -2 (node 'x') and y = -2 (node 'x'): it needs x > 0",
    ),
    (
        lambda x: x**x,
        0,
        "ValueError: exponentiation of x = 0 (node 'x') and y = 0 (node 'x'): it needs x > 0",
    ),
    (
        lambda x: x**-1,
        0,
        "ValueError: power of x = 0 (node 'x') and n = -1: "
        "it needs x > 0, or x = 0 with n >= 0, or x < 0 with a whole n",
    ),
    (
        lambda x: x**0.5,
        -4,
        "ValueError: power of x = -4 (node 'x') and n = 0.5: "
        "it needs x > 0, or x = 0 with n >= 0, or x < 0 with a whole n",
    ),
]


@pytest.mark.parametrize("kind", [Fraction, Decimal, sympy.Integer, float], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("of", "number", "message"), OUTSIDE, ids=[message for *_, message in OUTSIDE])
def test_outside_a_domain_the_error_is_the_eager_engine_s_with_the_exact_number(
    of: Callable[[Value], Value], number: int, message: str, kind: Any
) -> None:
    x = Value(2.0, "x")
    told = refusal(of(x), {x: kind(number)})
    assert re.sub(r"\.0\b", "", told) == message if kind is float else told == message
    x.data = float(number)
    with pytest.raises((ArithmeticError, ValueError)) as eager:
        of(x)
    assert type(eager.value).__name__ == message.partition(":")[0]


@pytest.mark.parametrize(
    ("kind", "called"),
    [(Fraction, "Fractions"), (Decimal, "Decimals"), (sympy.Integer, "SymPy's expressions")],
)
def test_an_infinite_slope_is_refused_by_all_but_floats(kind: Any, called: str) -> None:
    x = Value(0.5, "x")
    assert refusal(x.sqrt(), {x: kind(0)}) == (
        f"ZeroDivisionError: a slope of sqrt of 0 (node 'x') is infinite, and {called} are not"
    )
    assert refusal(x**0.5, {x: kind(0)}) == (
        "ZeroDivisionError: a slope of power of x = 0 (node 'x') and n = 0.5 is infinite, "
        f"and {called} are not"
    )


def test_a_root_of_a_power_too_large_is_refused() -> None:
    x = Value(0.5, "x")
    for number in Fraction(9, 4), Rational(9, 4):
        assert refusal(x ** (2.0**51 + 0.5), {x: number}).endswith(": the result is too large")


@pytest.mark.parametrize("number", [Fraction(3, 2), Rational(3, 2), Decimal("1e30"), 1.5], ids=repr)
def test_a_number_too_large_is_refused(number: Any) -> None:
    x = Value(0.5, "x")
    E = x**1e18 * 0
    assert refusal(E, {x: number}).endswith(
        f"of x = {number} (node 'x') and n = 1e+18: the result is too large"
    )


def test_an_exponential_too_large_is_refused() -> None:
    x = Value(0.5, "x")
    assert refusal(x.exp(), {x: Decimal("1e30")}) == (
        "OverflowError: exp of 1E+30 (node 'x'): the result is too large"
    )


@pytest.mark.parametrize(
    ("of", "number", "message"),
    [
        (lambda x: x.exp(), THIRD, "TypeError: exp of 1/3 (node 'x') is no fraction; use Decimals, SymPy's "),
        (lambda x: x.sin(), Decimal(1), "TypeError: sin of 1 (node 'x') cannot be computed with Decimals; "),
        (
            lambda x: microbp.logsumexp([x] * 7),
            THIRD,
            "TypeError: logsumexp of 1/3 (node 'x') and 1/3 (node 'x') and 1/3 (node 'x') and 1/3 (node 'x') "
            "and 3 more is no fraction; use Decimals, SymPy's numbers, or floats",
        ),
    ],
)
def test_a_result_that_is_no_number_of_the_kind_is_refused(of: Any, number: Any, message: str) -> None:
    x = Value(0.5, "x")
    assert refusal(of(x), {x: number}).startswith(message)


def test_a_symbol_known_to_be_outside_a_domain_is_refused() -> None:
    x, y = Value(0.5, "x"), Value(0.25, "y")
    assert refusal(x.log(), {x: Symbol("n", negative=True)}) == (
        "ValueError: log of n (node 'x'): it needs x > 0"
    )
    assert refusal(x.sqrt(), {x: -sympy.pi}) == "ValueError: sqrt of -pi (node 'x'): it needs x >= 0"
    assert refusal(x / (x - y), {x: Symbol("s"), y: Symbol("s")}) == (
        "ZeroDivisionError: quotient of x = s (node 'x') and y = 0 (node = x - y): it needs y != 0"
    )


def test_unnamed_nodes_are_told_by_how_they_are_computed() -> None:
    x = Value(0.5)
    assert refusal(x.exp(), {x: THIRD}).startswith("TypeError: exp of 1/3 (an unnamed leaf) is no fraction")
    assert refusal((x * x).exp(), {x: THIRD}).startswith("TypeError: exp of 1/9 (node = 1/3 * 1/3) is no")
    u = x * x
    u.label = "u"
    assert refusal(u.exp(), {x: THIRD}).startswith("TypeError: exp of 1/9 (node 'u' = 1/3 * 1/3) is no")


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("1/3", "TypeError: evaluate, 'x': a real number is needed, not '1/3' (str); convert it first"),
        (None, "TypeError: evaluate, 'x': a real number is needed, not None; perhaps a function forgot"),
        (1j, "TypeError: evaluate, 'x': a real number is needed, not 1j (complex); only real"),
        (np.ones(2), "TypeError: evaluate, 'x': a real number is needed, not an array of shape (2,)"),
        (Value(1.0), "TypeError: evaluate, 'x': a real number is needed, not Value(1.000, grad=0.000)"),
        (sympy.true, "TypeError: evaluate, 'x': a real number is needed, not True (BooleanTrue)"),
        (sympy.I, "TypeError: evaluate, 'x': I is not real, and only real numbers can be"),
        (Symbol("i", imaginary=True), "TypeError: evaluate, 'x': i is not real"),
        (sympy.oo, "ValueError: evaluate, 'x': oo is not finite, as an exact number is"),
        (sympy.zoo, "ValueError: evaluate, 'x': zoo is not finite, as an exact number is"),
        (sympy.nan, "ValueError: evaluate, 'x': nan is not finite, as an exact number is"),
        (Symbol("s") + sympy.oo, "ValueError: evaluate, 'x': s + oo is not finite, as an exact number is"),
        (Decimal("Infinity"), "ValueError: evaluate, 'x': Infinity is not finite, as an exact number is"),
        (Decimal("NaN"), "ValueError: evaluate, 'x': NaN is not finite, as an exact number is"),
        (Decimal("sNaN"), "ValueError: evaluate, 'x': sNaN is not finite, as an exact number is"),
    ],
    ids=str,
)
def test_what_is_no_finite_real_number_is_refused(number: Any, message: str) -> None:
    x = Value(0.5, "x")
    assert refusal(x * 2, {x: number}).startswith(message)


def test_an_int_too_large_for_a_float_is_refused_beside_floats_alone() -> None:
    x, y = leaves(0.5, 0.5)
    assert evaluate(x * y, {x: 10**400, y: THIRD}).value == Fraction(10**400, 3)
    assert refusal(x * y, {x: 10**400, y: 0.5}).startswith("OverflowError: evaluate, 'x[1]': ")


def test_a_leaf_or_held_number_that_is_not_finite_is_refused() -> None:
    x, y = Value(0.5, "x"), Value(math.inf, "y")
    assert refusal(x + y, {x: THIRD}) == "ValueError: evaluate, 'y': inf is not finite, as an exact number is"
    assert evaluate(x + y, {x: THIRD, y: 1}).value == Fraction(4, 3)
    expected = "ValueError: evaluate, 'x * nan': nan is not finite, as an exact number is"
    for number in THIRD, Decimal(1), Symbol("s"):
        assert refusal(x * math.nan, {x: number}) == expected


@pytest.mark.parametrize(
    ("a", "b", "came"),
    [
        (THIRD, Decimal(1), "Fraction(1, 3) for 'x[1]' and Decimal('1') for 'x[2]'"),
        (Decimal(1), Symbol("s"), "Decimal('1') for 'x[1]' and s (Symbol) for 'x[2]'"),
        (THIRD, 0.1, "Fraction(1, 3) for 'x[1]' and 0.1 (float) for 'x[2]'"),
        (0.1, Symbol("s"), "0.1 (float) for 'x[1]' and s (Symbol) for 'x[2]'"),
        (0.1, Decimal(1), "0.1 (float) for 'x[1]' and Decimal('1') for 'x[2]'"),
    ],
    ids=str,
)
def test_numbers_of_two_kinds_are_refused_and_shown(a: Any, b: Any, came: str) -> None:
    x, y = leaves(0.5, 0.5)
    assert refusal(x * y, {x: a, y: b}) == (
        f"TypeError: evaluate: numbers of one kind are needed, and there came {came}; make them all "
        "Fractions, such as Fraction('0.1'), Decimals, SymPy's, or floats"
    )


def test_numbers_are_given_to_leaves_of_the_graph() -> None:
    x, y, other = Value(0.5, "x"), Value(2.0, "y"), Value(1.0, "other")
    u = x * y
    u.label = "u"
    E = u + 1
    assert refusal(E, {other: 1}) == (
        "ValueError: evaluate: Value(1.000, label='other', grad=0.000) is not in the graph of 'u + 1', "
        "whose leaves are 'x', 'y'"
    )
    assert refusal(E, {u: 1}) == (
        "ValueError: evaluate: the number of 'u' follows from others, as it is computed; give numbers to "
        "leaves, which are 'x', 'y'"
    )
    assert refusal(E, {"x": 1}) == (
        "TypeError: evaluate: it is leaves that are given numbers, as in {x: 2}, not 'x' (str)"
    )
    assert refusal(E, [x, 1]).startswith(
        "TypeError: evaluate: a dict that gives leaves their numbers is needed"
    )
    many = microbp.sum(leaves(*range(30)))
    assert refusal(many, {other: 1}).endswith("'x[1]', 'x[2]', 'x[3]', 'x[4]', 'x[5]', 'x[6]', and 24 more")


def test_what_is_no_value_is_refused() -> None:
    for thing in [Value(1.0)], 1.0, None:
        with pytest.raises(TypeError, match=r"^evaluate: a Value is needed, such as a loss, not "):
            evaluate(thing, {})  # type: ignore[arg-type]


def test_traced_values_are_refused_while_compiling() -> None:
    def f(x: Value) -> Value:
        E = x * x
        evaluate(E, {})
        return E

    with pytest.raises(TypeError, match=r"^evaluate: .* depends on numbers that are not known"):
        microbp.compile(f)([1.0])
    fixed = Value(0.5)

    def g(x: Value) -> Value:
        evaluate(fixed * 2, {x: 1})
        return x * x

    with pytest.raises(ValueError, match=r"^evaluate: .* is not in the graph of '.*', whose"):
        microbp.compile(g)([1.0])


def test_a_graph_without_traced_values_can_be_evaluated_while_compiling() -> None:
    w = Value(0.5)
    seen = []

    def f(x: Value) -> Value:
        seen.append(evaluate(w * 2, {w: THIRD}).value)
        return x * w

    microbp.compile(f)([1.0])
    assert set(seen) == {Fraction(2, 3)}


def test_without_sympy_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(ImportError, match=r"^SymPy is needed here and is not installed; pip install sympy$"):
        import_sympy()


def test_an_expression_nested_too_deeply_for_sympy_is_refused() -> None:
    x = z = Value(0.5, "x")
    for _ in range(400):
        z = z.exp() * 0.25
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(600)
    try:
        with pytest.raises(RecursionError, match=r"of .* the expression is nested too deeply for SymPy$"):
            evaluate(z, {x: Symbol("x", real=True)})
    finally:
        sys.setrecursionlimit(limit)


# Nothing on the graph is touched.


@pytest.mark.parametrize("number", [THIRD, Decimal("0.1"), Rational(1, 3), 0.1], ids=repr)
def test_nothing_on_the_graph_is_touched(number: Any) -> None:
    network = MLP(2, [3, 1], activation="relu", seed=5)
    x = leaves(0.3, -0.7)
    E = squared_error(network(x), 1.0)
    E.backward()
    slots = ("birth", "constant", "data", "grad", "inputs", "label", "partials", "reached", "rule")

    def state() -> list[tuple[Any, ...]]:
        return [tuple(getattr(node, slot) for slot in slots) for node in topological(E)]

    before = state()
    numbers = {x[0]: number}
    repr(evaluate(E, numbers))
    assert state() == before and numbers == {x[0]: number}
    assert all(isinstance(node.data, float) for node in topological(E))
    born = Value(0.0).birth
    evaluate(E, numbers)
    assert Value(0.0).birth == born + 1, "no Values are made"


def test_a_stale_graph_is_run_again_from_its_leaves() -> None:
    x = Value(3.0, "x")
    y = x * x
    y.data = 99.0
    z = y + 1
    assert evaluate(z, {x: THIRD}).value == Fraction(10, 9)


def test_a_refusal_too_leaves_all_as_it_was() -> None:
    x = Value(0.5, "x")
    E = x.exp()
    refusal(E, {x: THIRD})
    assert (x.data, x.grad, E.data, E.partials) == (0.5, 0.0, math.exp(0.5), (math.exp(0.5),))


# An Evaluation, and how it prints.


def test_an_evaluation_prints_as_the_table_a_teacher_shows() -> None:
    w, x, b = Value(0.5, "w"), Value(0.25, "x"), Value(0.0)
    u = w * x + b
    u.label = "u"
    E = (u - THIRD) ** 2 * -2
    E.label = "E"
    assert str(evaluate(E, {w: HALF, x: THIRD, b: Fraction(1, 3)})) == "\n".join(
        [
            "node  computed as  number  gradient",
            "w                     1/2      -2/9",
            "x                     1/3      -1/3",
            "v1                    1/3      -2/3",
            "v2    w * x           1/6      -2/3",
            "u     v2 + v1         1/2      -2/3",
            "v3    u - (1/3)       1/6      -2/3",
            "v4    v3 ** 2        1/36        -2",
            "E     v4 * (-2)     -1/18         1",
        ]
    )


def test_formulas_stand_at_the_left_of_their_columns() -> None:
    x, y = Value(0.5, "x"), Value(0.25, "y")
    z = x * y + x
    z.label = "z"
    assert str(evaluate(z, {x: Symbol("x"), y: Symbol("y")})) == "\n".join(
        [
            "node  computed as  number   gradient",
            "x                  x        y + 1",
            "y                  y        x",
            "v1    x * y        x*y      1",
            "z     v1 + x       x*y + x  1",
        ]
    )


def test_an_evaluation_has_every_node_of_the_graph() -> None:
    x, y = leaves(0.5, 0.25)
    E = (x * y + x).relu()
    exact = evaluate(E, {x: THIRD})
    assert isinstance(exact, Evaluation) and exact.output is E
    assert list(exact.numbers) == list(exact.gradients) == topological(E)
    assert exact.value == exact[E] and exact.gradients[E] == 1
    with pytest.raises(KeyError, match=r"Value\(1\.000, grad=0\.000\) is not in the graph that was"):
        exact[Value(1.0)]


def test_a_long_table_is_cut_and_ends_with_the_output() -> None:
    x = z = Value(0.5, "x")
    for _ in range(1000):
        z = z + 1
    z.label = "z"
    lines = str(evaluate(z, {x: THIRD})).splitlines()
    assert len(lines) == 42
    assert lines[1].split() == ["x", "1/3", "1"]
    assert lines[-2] == "... 961 more nodes ..."
    assert lines[-1].split() == ["z", "v999", "+", "1", "3001/3", "1"]


def test_a_table_of_40_nodes_is_whole() -> None:
    x = z = Value(0.5, "x")
    for _ in range(39):
        z = z + 1
    lines = str(evaluate(z, {x: THIRD})).splitlines()
    assert len(lines) == 41 and not any("more" in line for line in lines)


def test_long_names_and_operations_are_cut() -> None:
    x = Value(0.5, "a" * 300)
    E = microbp.sum([x] * 500) * x
    text = str(evaluate(E, {x: THIRD}))
    assert "sum of 500 inputs" in text
    assert max(map(len, text.splitlines())) < 140


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Fraction(10**50 + 1, 3 * 10**50), "≈ 0.333333"),
        (Fraction(-(10**4000) + 1, 3), "≈ -10^4000"),
        (Fraction(10**4000, 7), "≈ 10^3999"),
        (Fraction(1, 7**5000), "≈ 10^-4225"),
        (Fraction(123456789, 1000), "123456789/1000"),
        (Fraction(10**35), "1" + "0" * 35),
    ],
)
def test_long_fractions_are_printed_in_short(number: Fraction, text: str) -> None:
    assert fractions().text(number) == text


def test_long_decimals_are_printed_in_short_with_their_exponent() -> None:
    assert decimals().text(Decimal.from_float(0.1)) == "≈ 0.1000000000000000055511151231"
    assert decimals().text(Decimal("1." + "3" * 60 + "e500")) == "≈ 1.333333333333333333333333333e+500"
    assert decimals().text(Decimal("0.25")) == "0.25"


def test_a_formula_too_long_to_print_is_told_of() -> None:
    x = z = Value(0.5, "x")
    for _ in range(60):
        z = z * (1 - z)  # whose formula has 2**60 parts
    exact = evaluate(z, {x: Symbol("s", real=True)})
    text = str(exact)
    assert "an expression of more than 50 parts" in text and "s*(1 - s)" in text
    assert len(text) < 20_000


def test_a_graph_without_labels_has_names_as_elsewhere() -> None:
    x = Value(0.5)
    E = x * x
    lines = str(evaluate(E, {x: 2})).splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(unique_names(E).values()) == ["v1", "v2"]


# Large graphs.


def test_a_long_chain_of_fractions_needs_no_recursion_and_no_sympy() -> None:
    program = """
import sys
from fractions import Fraction
from microbp import Value
from microbp.exact.evaluation import evaluate
x = z = Value(0.5, "x")
for _ in range(100_000):
    z = z + 1
sys.setrecursionlimit(200)
exact = evaluate(z, {x: Fraction(1, 3)})
print(exact.value, exact.gradients[x], len(repr(exact)) < 3000, {"sympy", "numpy"} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr == "" and done.stdout == "300001/3 1 True set()\n"


def test_a_leaf_used_very_often_gets_all_its_gradients() -> None:
    x = Value(0.5)
    E = microbp.sum([x * k for k in range(3000)])
    for number in THIRD, Decimal(1), Symbol("s"):
        assert evaluate(E, {x: number}).gradients[x] == 3000 * 2999 // 2


def test_the_same_evaluation_twice_is_the_same() -> None:
    x, y = leaves(0.5, 0.25)
    E = microbp.logsumexp([x, y, x * y]).tanh()
    for number in Decimal("0.1"), Symbol("s", real=True):
        first, second = (evaluate(E, {x: number}) for _ in range(2))
        assert first.numbers == second.numbers and first.gradients == second.gradients
        assert str(first) == str(second)
