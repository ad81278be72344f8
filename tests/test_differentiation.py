"""gradients: derivatives of recorded graphs, as Values that can be differentiated again."""

import gc
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from programs import (
    MPMATH,
    SMOOTH,
    SYMPY,
    VALUES,
    Program,
    checked,
    costly,
    differentiate,
    exact_derivatives,
    gross,
    programs,
    repeated_gradients,
    rounding,
)
from test_rules import samples

import microbp
from microbp import RULES, Rule, Value, gradients
from microbp.traversal import topological
from microbp.value import apply, computed


def run(program: str, **environment: str) -> str:
    """What another Python prints when it runs `program`."""
    home = str(Path(microbp.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": home, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Against derivatives that are known.


@settings(costly, max_examples=40)
@given(programs(longest=6, most_leaves=3, operations=SMOOTH))
def test_gradients_of_gradients_of_gradients_are_sympy_s(drawn: tuple[Program, list[float]]) -> None:
    program, numbers = drawn
    exact = exact_derivatives(lambda xs: program.run(SYMPY, xs), numbers, order=3)
    leaves = [Value(x) for x in numbers]
    for key, found in repeated_gradients(program.run(VALUES, leaves), leaves, order=3).items():
        assert abs(found.data - exact[key]) <= rounding(found), key


ROWS: dict[str, Any] = {
    **vars(MPMATH),
    "power": mpmath.power,
    "exponentiate": mpmath.power,
    "pick": lambda xs, n: xs[int(n)],
    "step": lambda x: mpmath.mpf(x > 0),
    "sign": mpmath.sign,
    "equal": lambda x, y: mpmath.mpf(x == y),
    "dot": mpmath.fdot,
    "cross_entropy": lambda ts, xs: MPMATH.cross_entropy(xs, ts),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_row_of_the_table_has_its_derivatives_to_third_order(rule: Rule) -> None:
    forward, _ = rule.read(ROWS)
    held = rule.partials[-1] is None
    for operands in samples(rule):
        if len(operands) > 5 or (rule.name == "equal" and len(set(operands)) == 1):  # many, or at the jump
            continue
        free, constants = (operands[:-1], operands[-1:]) if held else (operands, ())

        def cube(*xs: Any, constants: tuple[float, ...] = constants) -> Any:
            return forward(*rule.group([*xs, *constants])) ** 3  # so that no derivative ends at once

        leaves = [Value(x) for x in free]
        node = apply(rule.holding(-1) if held else rule, [*leaves, *constants])
        for key, found in repeated_gradients(node**3, leaves, order=3).items():
            with mpmath.workdps(60):
                times = tuple(key.count(i) for i in range(len(leaves)))
                true = mpmath.diff(cube, tuple(map(mpmath.mpf, free)), times)
                assert abs(found.data - true) <= rounding(found) + 1e-50, (operands, key)


def test_the_derivatives_of_x_to_the_fourth() -> None:
    x = Value(3.0)
    expected = [81.0, 108.0, 108.0, 72.0, 24.0, 0.0, 0.0]
    found = [x**4]
    for _ in expected[1:]:
        found.append(gradients(found[-1], x))
    assert [v.data for v in found] == expected


def test_the_derivatives_of_an_exponential_never_end() -> None:
    x = Value(0.7)
    node = x.exp()
    for _ in range(30):
        node = gradients(node, x)
        assert node.data == math.exp(0.7)


def test_the_derivatives_of_the_sine_come_round() -> None:
    x = Value(0.7)
    node = x.sin()
    for expected in [math.cos(0.7), -math.sin(0.7), -math.cos(0.7), math.sin(0.7)] * 5:
        node = gradients(node, x)
        assert node.data == expected


# The Taylor coefficients of two activations at 0, times k!.
SERIES = {
    "tanh": [0, 1, 0, -2, 0, 16, 0, -272, 0, 7936],
    "sigmoid": [Fraction(1, 2), Fraction(1, 4), 0, Fraction(-1, 8), 0, Fraction(1, 4), 0, Fraction(-17, 16)],
}


@pytest.mark.parametrize("name", SERIES)
def test_the_derivatives_of_an_activation_at_zero_are_those_of_the_tables(name: str) -> None:
    x = Value(0.0)
    node = getattr(x, name)()
    for expected in SERIES[name]:
        assert node.data == expected
        node = gradients(node, x)


@settings(checked, max_examples=300)
@given(programs())
def test_gradients_are_what_backward_gives_to_the_last_bits_of_rounding(
    drawn: tuple[Program, list[float]],
) -> None:
    output, leaves = differentiate(*drawn)
    bounds = gross(output)
    nodes = [*leaves, *computed(output)]
    for node, found in zip(nodes, gradients(output, nodes)):
        assert abs(found.data - node.grad) <= 2.0**-50 * bounds.get(node, 0.0)


# What it leaves alone.


def everything(*outputs: Value) -> list[Any]:
    slots = [slot for slot in Value.__slots__ if slot != "reached"]
    return [[getattr(node, slot) for slot in slots] for node in topological(*outputs)]


def test_nothing_of_the_graph_is_touched() -> None:
    a, b = Value(0.5, "a"), Value(-0.3, "b")
    u = a * b + a
    u.label = "u"
    output = (u.tanh() + microbp.max(a, b, u)) ** 2
    output.backward()
    before = everything(output)
    first = gradients(output, [a, b, u])
    second = gradients(first[0], [a, b, u])
    assert everything(output) == before
    before = everything(output, *first, *second)
    gradients(second[1], {"a": a, "u": u})
    assert everything(output, *first, *second) == before


def test_a_backward_pass_is_left_as_it_was_and_can_go_on() -> None:
    x = Value(2.0)
    output = x**3
    output.backward()
    gradients(output, x)
    assert (x.grad, output.grad) == (12.0, 1.0)
    output.backward()
    assert x.grad == 24.0


def test_a_derivative_is_a_node_like_any_other() -> None:
    x = Value(2.0)
    slope = gradients(x**3, x)
    slope.backward()
    assert x.grad == 12.0
    x.data = 5.0
    slope.recompute()
    assert slope.data == 75.0
    assert all(input.birth < node.birth for node in computed(slope) for input in node.inputs)


# By what.


def test_an_inner_node_and_the_leaves_behind_it_are_differentiated_by_together() -> None:
    w, x = Value(3.0), Value(2.0)
    u = w * x
    output = u**2 + x
    du, dw, dx = gradients(output, [u, w, x])
    assert (du.data, dw.data, dx.data) == (12.0, 24.0, 37.0)
    assert [g.data for g in gradients(output, [x, u])] == [37.0, 12.0]
    assert gradients(output, u).data == 12.0


def test_the_second_derivative_by_an_inner_node_is_that_by_a_variable_of_its_own() -> None:
    x = Value(2.0)
    u = x * x
    assert gradients(gradients(u**3, u), u).data == 6 * 4.0
    assert gradients(gradients(u**3, x), x).data == 30 * 2.0**4


def test_the_derivative_of_a_node_by_itself_is_one() -> None:
    x = Value(2.0)
    node = x * x
    assert gradients(node, node).data == 1.0
    assert gradients(x, x).data == 1.0
    assert [g.data for g in gradients(node, [node, x])] == [1.0, 4.0]


def test_the_derivative_by_a_value_that_is_not_in_the_graph_is_zero() -> None:
    x, other = Value(2.0), Value(5.0)
    later = x * x
    for stranger in other, other * 2, later * 3:
        found = gradients(later, stranger)
        assert found.data == 0.0
        assert gradients(found, stranger).data == 0.0
        assert gradients(found, x).data == 0.0


def test_what_reaches_the_output_with_slope_zero_has_derivative_zero() -> None:
    x = Value(2.0)
    assert gradients((x - 5).relu(), x).data == 0.0
    assert gradients(x**0, x).data == 0.0
    assert gradients(x * 0, x).data == 0.0
    assert gradients(microbp.pick([x, Value(1.0)], 1), x).data == 0.0
    assert gradients(x - x, x).data == 0.0


class Point(NamedTuple):
    x: Any
    y: Any


def test_the_result_has_the_structure_of_the_inputs() -> None:
    a, b, c = Value(2.0), Value(3.0), Value(5.0)
    output = a * b * c

    def numbers(found: Any) -> Any:
        match found:
            case Value():
                return found.data
            case Point():
                return Point(*map(numbers, found))
            case list() | tuple():
                return type(found)(map(numbers, found))
            case dict():
                return {key: numbers(part) for key, part in found.items()}

    for inputs, expected in [
        (a, 15.0),
        ([a, b], [15.0, 10.0]),
        ((a,), (15.0,)),
        ({"a": a, 2: [b, (c,)]}, {"a": 15.0, 2: [10.0, (6.0,)]}),
        (Point(a, [b, b]), Point(15.0, [10.0, 10.0])),
        ([], []),
        ({}, {}),
        ([[], [a, ()]], [[], [15.0, ()]]),
    ]:
        found = numbers(gradients(output, inputs))
        assert found == expected
        assert type(found) is type(expected)


def test_inputs_may_come_in_an_array() -> None:
    a, b = Value(2.0), Value(3.0)
    assert [g.data for g in gradients(a * b, np.array([a, b]))] == [3.0, 2.0]
    assert [[g.data for g in row] for row in gradients(a * b, np.array([[a, b], [b, a]]))] == [
        [3.0, 2.0],
        [2.0, 3.0],
    ]


# Whose it is.


def test_the_resulting_nodes_are_nobody_else_s() -> None:
    w, x, b = Value(3.0, "w"), Value(2.0, "x"), Value(1.0, "b")
    output = w * x + b
    for inputs in [w, x, b, output], [w, w, x, x]:
        found = gradients(output, inputs)
        assert len(set(found)) == 4
        assert set(found).isdisjoint(topological(output))
        before = everything(output)
        for node in found:
            node.data, node.label, node.grad = 99.0, "mine", 7.0
        assert everything(output) == before
        assert [g.data for g in gradients(output, [w, x, b])] == [2.0, 3.0, 1.0]


def test_two_derivatives_of_one_formula_are_two_nodes() -> None:
    a, b = Value(2.0), Value(3.0)
    da, db = gradients((a + b) ** 2, [a, b])
    assert da is not db
    assert gradients(da * db, [da, db])[0].data == db.data == 10.0
    da.label = "da"
    assert db.label == ""


def test_a_derivative_is_labelled_where_both_ends_are() -> None:
    x, y = Value(2.0, "x"), Value(3.0)
    output = x * x * y
    assert gradients(output, x).label == ""
    output.label = "E"
    first = gradients(output, [x, x, y])
    assert [g.label for g in first] == ["dE/dx", "dE/dx", ""]
    assert gradients(first[0], x).label == "d(dE/dx)/dx"
    assert gradients(gradients(first[0], x), x).label == "d(d(dE/dx)/dx)/dx"


# Stale graphs.


def test_a_stale_graph_is_refused_and_named() -> None:
    x = Value(2.0, "x")
    u = x * x
    output = u.exp()
    x.data = 3.0
    with pytest.raises(ValueError) as caught:
        gradients(output, x)
    assert str(caught.value) == (
        "gradients: 'x * x' no longer follows from what it was computed from, as some .data "
        "was assigned since; run the graph again with recompute() first"
    )
    u.label = "u"
    with pytest.raises(ValueError, match=r"^gradients: 'u' no longer follows"):
        gradients(output, x)
    output.recompute()
    assert gradients(output, x).data == pytest.approx(6 * math.exp(9), rel=1e-15)


def test_assigning_an_inner_node_makes_a_graph_stale() -> None:
    x = Value(2.0, "x")
    u = x * x
    u.label = "u"
    output = u + 1
    u.data = 5.0
    with pytest.raises(ValueError, match=r"^gradients: 'u' no longer follows"):
        gradients(output, x)


def test_a_stale_first_derivative_is_refused_and_named_too() -> None:
    x = Value(2.0, "x")
    output = x**3
    output.label = "y"
    first = gradients(output, x)
    x.data = 3.0
    with pytest.raises(ValueError, match=r"^gradients: 'x \*\* 2' no longer follows"):
        gradients(first, x)
    first.recompute()
    assert (first.data, gradients(first, x).data) == (27.0, 18.0)
    first.data = 5.0
    with pytest.raises(ValueError, match=r"^gradients: 'dy/dx' no longer follows"):
        gradients(first, x)


def test_a_stale_graph_that_is_not_the_output_s_is_nobody_s_business() -> None:
    x, y = Value(2.0), Value(3.0)
    other, output = y * y, x * x
    y.data = 4.0
    assert gradients(output, [x, y, other])[0].data == 4.0


# Kinks, zeros and edges.


@pytest.mark.parametrize(
    ("act", "x", "first", "second"),
    [
        (Value.relu, 2.0, 1.0, 0.0),
        (Value.relu, -2.0, 0.0, 0.0),
        (Value.relu, 0.0, 0.0, 0.0),
        (Value.abs, 2.0, 1.0, 0.0),
        (Value.abs, -2.0, -1.0, 0.0),
        (Value.abs, 0.0, 0.0, 0.0),
        (lambda x: microbp.max(x, 1.0), 2.0, 1.0, 0.0),
        (lambda x: microbp.max(x, 1.0), 0.5, 0.0, 0.0),
        (lambda x: microbp.max(x, 1.0), 1.0, 0.5, 0.0),
        (lambda x: microbp.min(x, 1.0, 1.0), 1.0, 1 / 3, 0.0),
        (lambda x: microbp.min([x, x, 2.0]), 1.0, 1.0, 0.0),
        # where something is multiplied by them
        (lambda x: x * x.relu(), 2.0, 4.0, 2.0),
        (lambda x: x * x.relu(), -2.0, 0.0, 0.0),
        (lambda x: x * x.relu(), 0.0, 0.0, 0.0),
        (lambda x: x.abs() ** 3, -2.0, -12.0, 12.0),
        (lambda x: x * x.abs(), -2.0, 4.0, -2.0),
        (lambda x: x * x.abs(), 0.0, 0.0, 0.0),
        (lambda x: microbp.max(x, x * x), 3.0, 6.0, 2.0),
        (lambda x: microbp.max(x, x * x), 1.0, 1.5, 1.0),  # half of each
    ],
)
def test_derivatives_at_and_beside_a_kink(
    act: Callable[[Value], Value], x: float, first: float, second: float
) -> None:
    leaf = Value(x)
    slope = gradients(act(leaf), leaf)
    assert slope.data == first
    assert gradients(slope, leaf).data == second


@pytest.mark.parametrize("x", [0.0, -0.0])
@pytest.mark.parametrize("n", range(6))
@pytest.mark.parametrize("kind", [int, float, Fraction])
def test_whole_powers_have_all_derivatives_at_zero(x: float, n: int, kind: Any) -> None:
    leaf = Value(x)
    node = leaf ** kind(n)
    for order in range(n + 2):
        assert node.data == (math.factorial(n) if order == n else 0.0)
        node = gradients(node, leaf)


@pytest.mark.parametrize("x", [-2.0, 3.0])
@pytest.mark.parametrize("n", [-3, -1, 0, 1, 2, 5, Fraction(4), 2.0])
def test_whole_powers_have_the_derivatives_of_the_formula(x: float, n: Any) -> None:
    leaf = Value(x)
    node, factor = leaf**n, Fraction(1)
    for order in range(7):
        expected = factor * Fraction(x) ** int(n - order) if factor else 0
        assert node.data == pytest.approx(float(expected), rel=1e-14)
        factor *= int(n - order)
        node = gradients(node, leaf)


def test_a_slope_that_is_infinite_cannot_be_differentiated_again_and_says_so() -> None:
    x = Value(0.0, "x")
    with pytest.raises(ZeroDivisionError) as caught:
        gradients(x.sqrt(), x)
    assert str(caught.value).startswith(
        "the slope of 'sqrt(x)' has no value that could be differentiated again: quotient of "
    )
    with pytest.raises(ValueError, match=r"^the slope of 'x \*\* 0.5' has no value that could be"):
        gradients(x**0.5, x)
    with pytest.raises(ValueError, match=r"^the slope of '1.5 \* x \*\* 0.5' |^the slope of 'x \*\* 0.5'"):
        gradients(gradients(x**1.5, x), x)
    node = x.sqrt()
    node.backward()
    assert x.grad == math.inf


def test_an_infinite_slope_that_nothing_asks_for_does_not_matter() -> None:
    x, y = Value(0.0), Value(3.0)
    output = x.sqrt() + y * y
    assert gradients(output, y).data == 6.0
    assert gradients(gradients(output, y), y).data == 2.0
    behind = (x * x).sqrt() + y * y
    assert gradients(behind, y).data == 6.0


# Constants.


@pytest.mark.parametrize("constant", [3, 2.5, Fraction(1, 4), -1, 1, True, np.float32(0.5)])
def test_held_constants_of_every_kind(constant: Any) -> None:
    c, x = float(constant), Value(2.0)
    for node, first, second in [
        (x + constant, 1.0, 0.0),
        (constant - x, -1.0, 0.0),
        (x - constant, 1.0, 0.0),
        (constant * x * x, 4 * c, 2 * c),
        (x * x / constant, 4 / c, 2 / c),
        (constant / x, -c / 4, c / 4),
        (x**constant, c * 2 ** (c - 1), c * (c - 1) * 2 ** (c - 2)),
    ]:
        slope = gradients(node, x)
        assert slope.data == pytest.approx(first, rel=1e-15)
        assert gradients(slope, x).data == pytest.approx(second, rel=1e-15)


@pytest.mark.parametrize("base", [2, 2.5, Fraction(7, 2)])
def test_a_plain_base_of_a_power(base: Any) -> None:
    x, logarithm = Value(3.0), math.log(base)
    node = base**x
    for order in range(4):
        assert node.data == pytest.approx(float(base) ** 3 * logarithm**order, rel=1e-14)
        node = gradients(node, x)


def test_constants_make_no_nodes() -> None:
    x, y = Value(2.0), Value(3.0)
    assert not computed(gradients(x + y, x))
    assert not computed(gradients(3 * x - y, x))
    assert [node.rule.name for node in computed(gradients(x * y, x))] == ["sum"]
    assert [node.rule.name for node in computed(gradients(x * x, x))] == ["sum"]
    assert [node.rule.name for node in computed(gradients(x**2, x))] == ["product"]


def test_a_derivative_has_no_more_nodes_than_its_formula() -> None:
    x, y = Value(2.0), Value(3.0)
    for output, rules in [
        (x**1, []),
        (x**2, ["product"]),  # 2x
        (3 - (x**2).exp(), ["product", "negation", "product"]),  # -exp(x²) 2x
        ((x * y).sin(), ["cos", "product"]),  # cos(xy) y
        (x**3 - x * y, ["power", "product", "negation", "sum"]),  # 3x² - y
    ]:
        made = set(computed(gradients(output, x))) - set(computed(output))
        assert sorted(node.rule.name for node in made) == sorted(rules)


def test_what_several_derivatives_have_in_common_is_worked_out_once() -> None:
    w, x = Value(3.0), Value(2.0)
    u = w * x
    du, dw = gradients(u.exp() * u, [u, w])
    assert gradients(dw, du).data == 2.0  # dw is du x
    assert du in computed(dw)


def test_a_picked_value_has_the_whole_slope_to_every_order() -> None:
    x, y = Value(2.0), Value(3.0)
    node = microbp.pick([x**3, y**3, x * y], 1)
    assert [gradients(node, v).data for v in (x, y)] == [0.0, 27.0]
    assert gradients(gradients(node, y), y).data == 18.0


# Size, time, memory.

DEEP = """
import gc, math, sys
from microbp import Value, gradients
gc.disable()
sys.setrecursionlimit(200)
values = lambda: sum(type(o) is Value for o in gc.get_objects())
x = Value(0.5, "x")

v = x
for _ in range(100_000):
    v = v + x
first = gradients(v, x)
assert (first.data, gradients(first, x).data) == (100_001, 0)

for n, twice in (100_000, False), (10_000, True):
    v, value, slope, curve = x, 0.5, 1.0, 0.0
    for _ in range(n):
        v = (v * 0.5 + x).sin()
        u = value * 0.5 + 0.5
        value, outer, inner = math.sin(u), math.cos(u), slope * 0.5 + 1
        slope, curve = outer * inner, outer * curve * 0.5 - value * inner * inner
    first = gradients(v, x)
    assert math.isclose(first.data, slope, rel_tol=1e-12), (first, slope)
    second = gradients(first, x) if twice else None
    assert not twice or math.isclose(second.data, curve, rel_tol=1e-12), (second, curve)

assert values() > 100_000
del v, first, second
assert values() == 1, values()
print("done")
"""


def test_a_long_chain_is_differentiated_without_recursion_and_is_freed() -> None:
    assert run(DEEP) == "done\n"


def test_a_graph_with_exponentially_many_paths_is_walked_once() -> None:
    x = Value(0.5)
    node, value, slope, curve = x, 0.5, 1.0, 0.0
    for _ in range(300):
        node = (node + node).tanh()
        value = math.tanh(2 * value)
        outer = 1 - value * value
        slope, curve = outer * 2 * slope, outer * 2 * curve - 2 * value * outer * (2 * slope) ** 2
    first = gradients(node, x)
    second = gradients(first, x)
    assert len(computed(second)) < 100 * 300
    assert first.data == pytest.approx(slope, rel=1e-9)
    assert second.data == pytest.approx(curve, rel=1e-9)


def test_a_wide_sum_is_differentiated_in_time_linear_in_its_width() -> None:
    xs = [Value(0.001 * k) for k in range(10_000)]
    total = microbp.sum([x * x for x in xs])
    found = gradients(total, xs)
    assert [g.data for g in found] == [2 * x.data for x in xs]


def test_nothing_is_left_behind_with_the_cyclic_collector_off() -> None:
    def values() -> int:
        return sum(issubclass(type(thing), Value) for thing in gc.get_objects())

    def work() -> None:
        a, b = Value(0.5, "a"), Value(0.25, "b")
        output = (a * b + a).tanh() ** 2 + microbp.logsumexp([a, b])
        first = gradients(output, {"a": a, "b": [b]})
        second = gradients(first["a"], [a, b])
        second[1].backward()
        a.data = 3.0
        with pytest.raises(ValueError, match="no longer follows"):
            gradients(second[0], a)

    gc.collect()
    gc.disable()
    try:
        before = values()
        work()
        assert values() == before
    finally:
        gc.enable()


# The same everywhere.

BITS = """
import random
from microbp import Value, gradients, logsumexp, max, weighted_sum
draw = random.Random(1)
nodes = leaves = [Value(draw.uniform(-1, 1), f"v{i}") for i in range(8)]
for _ in range(60):
    a, b, c = draw.choices(nodes, k=3)
    kind = draw.randrange(5)
    nodes = nodes + [
        (a * b + c).tanh() if kind == 0 else a.sigmoid() - b * 0.7 if kind == 1 else logsumexp([a, b, c]) - 1
        if kind == 2 else weighted_sum([a, b], [c, a]).sin() if kind == 3 else max(a, b, c) * 0.5
    ]
first = gradients(sum(nodes[-20:]), leaves)
second = [gradients(each, leaves) for each in first]
print(*[v.data.hex() for v in first], *[v.data.hex() for row in second for v in row], {*nodes} is None)
"""


def test_separate_processes_give_the_same_bits_whatever_the_hash_seed() -> None:
    answers = {run(BITS, PYTHONHASHSEED=str(seed)) for seed in range(4)}
    assert len(answers) == 1
    assert len(set(answers.pop().split())) > 30


def test_threads_with_graphs_of_their_own_do_not_disturb_each_other() -> None:
    def work(number: int) -> list[float]:
        a, b = Value(number / 10), Value(0.3)
        found = []
        for _ in range(20):
            output = (a * b + a).tanh() ** 2 + microbp.logsumexp([a, b])
            first = gradients(output, [a, b])
            found += [g.data for each in first for g in gradients(each, [a, b])]
        return found

    alone = [work(number) for number in range(8)]
    together: list[list[float]] = [[]] * 8

    def worker(number: int) -> None:
        together[number] = work(number)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=worker, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert together == alone


def test_the_graph_of_one_thread_is_differentiated_in_many() -> None:
    a, b = Value(0.5), Value(0.3)
    output = (a * b + a).tanh() ** 2 + microbp.logsumexp([a, b])
    alone = [g.data for g in gradients(output, [a, b])]
    together: list[list[float]] = [[]] * 8

    def worker(number: int) -> None:
        together[number] = [g.data for g in gradients(output, [a, b])]

    threads = [threading.Thread(target=worker, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == [alone] * 8


# Errors.


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda a: gradients(3.0, a), "gradients: the output is a Value, not 3.0 (float)"),
        (
            lambda a: gradients([a], a),
            "gradients: the output is a Value, not [Value(2.000, label='a', grad=0.000)] (list)",
        ),
        (
            lambda a: gradients(a, 3.0),
            "gradients: inputs is 3.0; derivatives are taken by Values of the graph",
        ),
        (
            lambda a: gradients(a, {"w": [a, "b"]}),
            "gradients: inputs['w'][1] is 'b'; derivatives are taken by Values of the graph",
        ),
        (
            lambda a: gradients(a, [a, None]),
            "gradients: inputs[1] is None; derivatives are taken by Values of the graph",
        ),
    ],
)
def test_what_are_no_values_are_refused_by_name(act: Callable[[Value], Any], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        act(Value(2.0, "a"))
    assert str(caught.value) == message
