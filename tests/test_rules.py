"""The table: every row, every reader, every kind of point.

The tests iterate over `RULES`.  A new row needs one line in DOMAINS, and fails without it.
"""

import cmath
import itertools
import math
import operator
import struct
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
import sympy
from hypothesis import HealthCheck, given, settings, strategies as st

from microbp import RULES, Rule, Value, functions, gradients
from microbp.rules import FLOATS, arrays
from microbp.value import apply, computed, name_of

checked = settings(
    deadline=None,
    max_examples=40,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
every_row = pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))


# Where each row is sampled: away from kinks and from the edges of domains, which have their own tests.


class Domain(NamedTuple):
    samples: list[float]
    strategy: st.SearchStrategy[float]


REAL = Domain(
    [-2.5, 0.75, -0.3, 3.1],
    st.one_of(st.floats(0.01, 10), st.floats(-10, -0.01)),
)
POSITIVE = Domain([0.4, 2.5, 1.7, 6.0], st.floats(0.1, 10))
EXPONENT = Domain(
    [2.0, -1.0, 0.5, 0.0, 1.0, 3.0, -2.5, 1 / 3],
    st.one_of(st.floats(-4, 4), st.sampled_from([-3.0, -1.0, 0.0, 1.0, 2.0, 4.0])),
)
INDEX = Domain([], st.nothing())  # depends on how many there are to pick from

# One domain for each parameter of the row; a sequence's domain is that of its members.
DOMAINS = {
    "sum": [REAL],
    "difference": [REAL, REAL],
    "product": [REAL, REAL],
    "quotient": [REAL, REAL],
    "negation": [REAL],
    "power": [POSITIVE, EXPONENT],
    "exponentiation": [POSITIVE, REAL],
    "exp": [REAL],
    "log": [POSITIVE],
    "sqrt": [POSITIVE],
    "sigmoid": [REAL],
    "tanh": [REAL],
    "relu": [REAL],
    "softplus": [REAL],
    "abs": [REAL],
    "sin": [REAL],
    "cos": [REAL],
    "max": [REAL],
    "min": [REAL],
    "logsumexp": [REAL],
    "cross_entropy": [REAL, REAL],
    "pick": [REAL, INDEX],
    "weighted_sum": [REAL, REAL, REAL],
    "step": [REAL],
    "sign": [REAL],
    "equal": [REAL, REAL],
}

# Rows with kinks, jumps or an index: proved by the complex step, which needs no formula for the whole line.
NOT_SYMBOLIC = {"relu", "abs", "max", "min", "pick", "step", "sign", "equal"}


def domains(rule: Rule) -> list[Domain]:
    if rule.name not in DOMAINS:
        pytest.fail(f"the row {rule.name!r} has no sample inputs: add a line to DOMAINS in {__file__}")
    return DOMAINS[rule.name]


def has_sequences(rule: Rule) -> bool:
    return any(name.endswith("s") for name in rule.parameters)


def samples(rule: Rule) -> list[tuple[float, ...]]:
    """A few fixed points of the row's domain, as flat operands."""
    kinds = domains(rule)
    if not has_sequences(rule):
        points = list(itertools.product(*(kind.samples for kind in kinds)))
        return points + ([(-1.3, 2.0), (-1.3, 3.0), (-2.0, -1.0)] if rule.name == "power" else [])
    points = []
    for length, shift in itertools.product([1, 2, 3, 4], range(3)):
        point: list[float] = []
        for place, (name, kind) in enumerate(zip(rule.parameters, kinds)):
            turned = (
                [kind.samples[(i * (1 + 2 * place) + shift) % 4] for i in range(4)] if kind.samples else []
            )
            point += turned[:length] if name.endswith("s") else turned[:1] or [float(shift % length)]
        points.append(tuple(point))
    return points


def drawn(data: st.DataObject, rule: Rule, length: int) -> tuple[float, ...]:
    """Flat operands drawn from the row's domain, its sequences `length` long."""
    point: list[float] = []
    for name, kind in zip(rule.parameters, domains(rule)):
        if kind is INDEX:
            point.append(float(data.draw(st.integers(0, length - 1))))
        elif name.endswith("s"):
            point += data.draw(st.lists(kind.strategy, min_size=length, max_size=length, unique=True))
        else:
            point.append(data.draw(kind.strategy))
    return tuple(point)


def differentiated(rule: Rule, operands: tuple[float, ...]) -> list[int]:
    """The places of the operands along which the row has a derivative."""
    places, start = [], 0
    for group, partial in zip(rule.group(operands), rule.partials):
        size = len(group) if isinstance(group, list) else 1
        places += range(start, start + size) if partial is not None else []
        start += size
    return places


def bits(number: float) -> bytes:
    return struct.pack("<d", number) if number == number else b"nan"


# Checks of one row, which raise AssertionError; the last part of this file shows that they can.

COMPLEX: dict[str, Any] = {
    "exp": cmath.exp,
    "log": cmath.log,
    "sqrt": cmath.sqrt,
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tanh": cmath.tanh,
    "power": lambda x, n: x ** (int(n) if n == int(n) else n),
    "exponentiate": lambda x, y: cmath.exp(y * cmath.log(x)),
    "sigmoid": lambda x: 1 / (1 + cmath.exp(-x)),
    "softplus": lambda x: cmath.log(1 + cmath.exp(x)),
    "relu": lambda x: x if x.real > 0 else 0 * x,
    "step": lambda x: complex(x.real > 0),
    "sign": lambda x: complex((x.real > 0) - (x.real < 0)),
    "abs": lambda x: x if x.real > 0 else -x,
    "sum": sum,
    "max": lambda xs: max(xs, key=lambda x: x.real),
    "min": lambda xs: min(xs, key=lambda x: x.real),
    "logsumexp": lambda xs: cmath.log(sum(map(cmath.exp, xs))),
    "softmax": lambda xs: [cmath.exp(x) / sum(map(cmath.exp, xs)) for x in xs],
    "log_softmax": lambda xs: [x - cmath.log(sum(map(cmath.exp, xs))) for x in xs],
    "cross_entropy": lambda ts, xs: (
        -sum(t * cmath.log(cmath.exp(x) / sum(map(cmath.exp, xs))) for t, x in zip(ts, xs))
    ),
    "pick": lambda xs, n: xs[int(n.real)],
    "equal": lambda x, y: complex(complex(x).real == complex(y).real),
    "ties": lambda xs, z: sum(x.real == z.real for x in xs),
    "dot": lambda ws, xs: sum(w * x for w, x in zip(ws, xs)),
}

SYMPY: dict[str, Any] = {
    "exp": sympy.exp,
    "log": sympy.log,
    "sqrt": sympy.sqrt,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tanh": sympy.tanh,
    "power": sympy.Pow,
    "exponentiate": sympy.Pow,
    "sigmoid": lambda x: 1 / (1 + sympy.exp(-x)),
    "softplus": lambda x: sympy.log(1 + sympy.exp(x)),
    "sum": lambda xs: sympy.Add(*xs),
    "logsumexp": lambda xs: sympy.log(sympy.Add(*map(sympy.exp, xs))),
    "softmax": lambda xs: [sympy.exp(x) / sympy.Add(*map(sympy.exp, xs)) for x in xs],
    "log_softmax": lambda xs: [x - sympy.log(sympy.Add(*map(sympy.exp, xs))) for x in xs],
    "cross_entropy": lambda ts, xs: (
        -sympy.Add(*(t * sympy.log(sympy.exp(x) / sympy.Add(*map(sympy.exp, xs))) for t, x in zip(ts, xs)))
    ),
    "dot": lambda ws, xs: sympy.Add(*map(sympy.Mul, ws, xs)),
}

STEP = 1e-30


def stepped(rule: Rule, operands: tuple[float, ...], place: int) -> list[Any]:
    """The operands as complex numbers, the one at `place` moved by i STEP; plain numbers stay plain."""
    along = differentiated(rule, operands)
    return [complex(x, STEP * (i == place)) if i in along else x for i, x in enumerate(operands)]


def check_by_complex_step(rule: Rule, operands: tuple[float, ...]) -> None:
    forward, _ = rule.read(COMPLEX)
    _, partials = rule.evaluate(operands)
    places = differentiated(rule, operands)
    assert len(partials) == len(places)
    for place, partial in zip(places, partials):
        slope = forward(*rule.group(stepped(rule, operands, place))).imag / STEP
        assert math.isclose(partial, slope, rel_tol=1e-12, abs_tol=1e-14), (
            f"{rule.name} at {operands}: the row's slope along operand {place} is {partial}, truly {slope}"
        )


def check_symbolically(rule: Rule) -> None:
    forward, slopes = rule.read(SYMPY)
    domains_ = domains(rule)
    groups: list[Any] = []
    for name, kind in zip(rule.parameters, domains_):
        assumption = {"positive": True} if kind is POSITIVE else {"real": True}
        if name.endswith("s"):
            groups.append([sympy.Symbol(f"{name}{i}", **assumption) for i in range(3)])
        else:
            groups.append(sympy.Symbol(name, **assumption))
    z = forward(*groups)
    symbols = [
        symbol
        for group, partial in zip(groups, rule.partials)
        if partial is not None
        for symbol in (group if isinstance(group, list) else [group])
    ]
    found = slopes(z, *groups)
    assert len(found) == len(symbols)
    for symbol, slope in zip(symbols, found):
        difference = sympy.simplify(sympy.diff(z, symbol) - slope)
        assert difference == 0, f"{rule.name}: the slope along {symbol} is off by {difference}"


def check_row(rule: Rule) -> None:
    for operands in samples(rule):
        check_by_complex_step(rule, operands)
    if rule.name not in NOT_SYMBOLIC:
        check_symbolically(rule)


# The partials.


@every_row
def test_every_row_of_the_table_has_sample_inputs(rule: Rule) -> None:
    assert len(samples(rule)) >= 3
    assert len(domains(rule)) == len(rule.parameters)


def test_a_new_row_without_sample_inputs_fails_and_says_what_to_add() -> None:
    cube = Rule("cube", "³", "x", "x * x * x", ("3 * x * x",))
    with pytest.raises(pytest.fail.Exception, match="'cube' has no sample inputs: add a line to DOMAINS"):
        check_row(cube)


@every_row
def test_every_row_has_one_partial_for_each_operand(rule: Rule) -> None:
    assert len(rule.partials) == len(rule.parameters)


@every_row
def test_every_partial_is_the_derivative_by_the_complex_step(rule: Rule) -> None:
    for operands in samples(rule):
        check_by_complex_step(rule, operands)


@every_row
@checked
@given(data=st.data())
def test_every_partial_is_the_derivative_at_drawn_points(rule: Rule, data: st.DataObject) -> None:
    check_by_complex_step(rule, drawn(data, rule, data.draw(st.integers(1, 5))))


@pytest.mark.parametrize("name", [name for name in RULES if name not in NOT_SYMBOLIC])
def test_every_partial_of_a_smooth_row_is_the_derivative_for_sympy(name: str) -> None:
    check_symbolically(RULES[name])


@pytest.mark.parametrize("n", [0, 1, 2, 3, -1, -2, sympy.Rational(1, 2), sympy.Rational(-5, 3)])
def test_the_slope_of_a_power_is_the_derivative_for_every_plain_exponent(n: Any) -> None:
    x = sympy.Symbol("x", positive=True)
    forward, slopes = RULES["power"].read(SYMPY)
    assert sympy.simplify(sympy.diff(forward(x, n), x) - slopes(forward(x, n), x, n)[0]) == 0


@every_row
@pytest.mark.parametrize("text", ["forward", "partials"])
def test_rows_use_integer_literals_so_that_exact_numbers_stay_exact(rule: Rule, text: str) -> None:
    row = rule.forward if text == "forward" else " ".join(filter(None, rule.partials))
    assert "." not in row


@pytest.mark.parametrize("name", ["sum", "difference", "product", "quotient", "negation", "weighted_sum"])
def test_a_rational_row_gives_exact_fractions_for_fractions(name: str) -> None:
    rule = RULES[name]
    operands = [Fraction(2, 3), Fraction(-5, 7), Fraction(11, 13)][: max(2, len(rule.parameters))]
    if name == "negation":
        operands = operands[:1]
    exact = {"sum": sum, "dot": lambda ws, xs: sum(map(operator.mul, ws, xs))}
    forward, slopes = rule.read(exact)
    z = forward(*rule.group(operands))
    numbers = (z, *slopes(z, *rule.group(operands)))
    assert all(isinstance(number, (Fraction, int)) for number in numbers)
    assert float(z) == pytest.approx(rule.evaluate([float(x) for x in operands])[0], rel=1e-15)


# Four readers of one row agree.

TEXT = {
    **FLOATS,
    "sum": lambda *xs: math.fsum(xs),
    "max": lambda *xs: max(xs),
    "min": lambda *xs: min(xs),
    "logsumexp": lambda *xs: FLOATS["logsumexp"](xs),
    "softmax": lambda *xs: FLOATS["softmax"](xs),
    "log_softmax": lambda *xs: FLOATS["log_softmax"](xs),
    "pick": lambda *xs_and_n: xs_and_n[int(xs_and_n[-1])],
    "ties": lambda *xs_and_z: float(xs_and_z[:-1].count(xs_and_z[-1])),
}


def agree(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=1e-12, abs_tol=1e-12)


@every_row
@checked
@given(data=st.data())
def test_arrays_give_what_floats_give_for_a_whole_batch(rule: Rule, data: st.DataObject) -> None:
    length = data.draw(st.integers(1, 4))
    batch = [drawn(data, rule, length) for _ in range(3)]
    columns = [np.array(column) for column in zip(*batch)]
    forward, slopes = rule.read(arrays())
    if rule.name == "power":  # its exponent is one plain number for all
        columns[1] = batch[0][1]
        batch = [(x, batch[0][1]) for x, _ in batch]
    groups = rule.group(columns)
    z = forward(*groups)
    partials = slopes(z, *groups)
    for sample, operands in enumerate(batch):
        value, numbers = rule.evaluate(operands)
        assert agree(np.broadcast_to(z, 3)[sample], value)
        assert len(partials) == len(numbers)
        for array, number in zip(partials, numbers):
            assert agree(np.broadcast_to(array, 3)[sample], number)


@every_row
@checked
@given(data=st.data())
def test_values_give_what_floats_give(rule: Rule, data: st.DataObject) -> None:
    operands = drawn(data, rule, data.draw(st.integers(1, 4)))
    along = differentiated(rule, operands)
    groups = rule.group([Value(x) if i in along else x for i, x in enumerate(operands)])
    forward, slopes = rule.read(functions.VALUES)
    value, numbers = rule.evaluate(operands)
    z = forward(*groups)
    partials = slopes(z, *groups)
    assert len(partials) == len(numbers)
    for found, number in zip((z, *partials), (value, *numbers)):  # what needs no node is a plain number
        assert agree(found.data if isinstance(found, Value) else found, number)


@every_row
@checked
@given(data=st.data())
def test_values_give_slopes_that_can_be_differentiated_again(rule: Rule, data: st.DataObject) -> None:
    operands = drawn(data, rule, data.draw(st.integers(1, 3)))
    along = differentiated(rule, operands)
    leaves = [Value(x) if i in along else x for i, x in enumerate(operands)]
    forward, slopes = rule.read(functions.VALUES)
    partials = slopes(forward(*rule.group(leaves)), *rule.group(leaves))
    complex_forward, complex_slopes = rule.read(COMPLEX)
    for place in along:
        groups = rule.group(stepped(rule, operands, place))
        seconds = complex_slopes(complex_forward(*groups), *groups)
        for partial, second in zip(partials, seconds):
            leaves[place].grad = 0.0
            if isinstance(partial, Value):
                partial.backward()
            true = complex(second).imag / STEP
            assert math.isclose(leaves[place].grad, true, rel_tol=1e-9, abs_tol=1e-10)


@every_row
@checked
@given(data=st.data())
def test_the_text_evaluates_to_what_floats_give(rule: Rule, data: st.DataObject) -> None:
    operands = drawn(data, rule, data.draw(st.integers(1, 4)))
    value, numbers = rule.evaluate(operands)
    names = [f"v{i}" for i in range(len(operands))]
    scope = {**TEXT, **dict(zip(names, operands)), "z": value}
    for words, z in (names, "z"), ([repr(x) for x in operands], repr(value)):
        if words is names and rule.name == "power":
            words = [names[0], repr(operands[1])]  # a plain exponent is written as the number it is
        assert agree(eval(rule.formula(words), scope), value), rule.formula(words)
        slopes = rule.slope_formulas(words, z)
        assert len(slopes) == len(numbers)
        for text, number in zip(slopes, numbers):
            assert agree(eval(text, scope), number), text


@every_row
def test_operators_and_functions_give_the_bits_the_row_gives(rule: Rule) -> None:
    spelled = {
        "sum": lambda *xs: xs[0] + xs[1] if len(xs) == 2 else functions.sum(xs),
        "difference": operator.sub,
        "product": operator.mul,
        "quotient": operator.truediv,
        "negation": operator.neg,
        "power": lambda x, n: x**n.data,
        "exponentiation": operator.pow,
        "max": functions.max,
        "min": functions.min,
        "logsumexp": lambda *xs: functions.logsumexp(xs),
        "pick": lambda *xs_and_n: functions.pick(xs_and_n[:-1], xs_and_n[-1].data),
        "weighted_sum": lambda *v: functions.weighted_sum(*rule.group(v)),
        "cross_entropy": lambda *v: functions.expected_surprise(*rule.group(v)),
        "equal": functions.VALUES["equal"],
        "step": functions.VALUES["step"],
    }
    for operands in samples(rule):
        node = spelled.get(rule.name, getattr(Value, rule.name, None))(*map(Value, operands))
        value, partials = rule.evaluate(operands)
        assert (bits(node.data), *map(bits, node.partials)) == (bits(value), *map(bits, partials))


BINARY = [
    ("sum", "sum", operator.add),
    ("difference", "difference", operator.sub),
    ("product", "product", operator.mul),
    ("quotient", "quotient", operator.truediv),
    ("exponentiation", "power", operator.pow),
]


@every_row
@pytest.mark.parametrize("place", [0, -1])
def test_a_row_that_holds_a_plain_number_keeps_its_value_and_its_other_slopes(rule: Rule, place: int) -> None:
    held = rule.holding(place)
    assert held is rule.holding(place)  # made once
    assert (held.name, held.forward, held.partials) == (rule.name, rule.forward, rule.partials)
    for operands in samples(rule):
        value, slopes = rule.evaluate(operands)
        places = differentiated(rule, operands)
        without = [s for i, s in zip(places, slopes) if i != place % len(operands)]
        assert held.evaluate(operands) == (value, tuple(without))


@pytest.mark.parametrize(("free", "held", "operate"), BINARY, ids=[row[0] for row in BINARY])
def test_an_operator_with_a_plain_number_holds_it_and_gives_the_row_s_bits(
    free: str, held: str, operate: Any
) -> None:
    for x, y in itertools.product(
        REAL.samples if free != "exponentiation" else POSITIVE.samples, REAL.samples
    ):
        for constant in (y, int(y), Fraction(y)):
            if constant == 0:
                continue
            node = operate(Value(x), constant)
            value, slopes = RULES[held].holding(-1).evaluate((x, float(constant)))
            assert (node.data, node.partials) == (value, slopes)
            assert node.operands == (node.inputs[0], constant)
            assert type(node.operands[1]) is type(constant)
        node = operate(x, Value(y))
        value, slopes = RULES[free].holding(0).evaluate((x, y))
        assert (node.data, node.partials) == (value, slopes)
        assert node.operands == (x, node.inputs[0])


@every_row
def test_recomputing_equals_building_anew_bit_for_bit(rule: Rule) -> None:
    for before, after in itertools.product(samples(rule), repeat=2):
        if len(before) != len(after) or (rule.partials[-1] is None and before[-1] != after[-1]):
            continue
        held = rule.partials[-1] is None
        row = rule.holding(-1) if held else rule
        leaves = [Value(x) for x in (before[:-1] if held else before)]
        node = apply(row, [*leaves, before[-1]] if held else leaves)
        for leaf, x in zip(leaves, after):
            leaf.data = x
        node.recompute()
        value, slopes = row.evaluate(after)
        assert (bits(node.data), *map(bits, node.partials)) == (bits(value), *map(bits, slopes))


def test_the_readers_keep_the_sign_of_zero_in_a_sum() -> None:
    a, b = Value(-0.0), Value(-0.0)
    for node in a + b, functions.sum([a, b]), functions.sum([a]):
        assert bits(node.data) == bits(-0.0)
        node.recompute()
        assert bits(node.data) == bits(-0.0)


# Text, as a person writes it.


@pytest.mark.parametrize(
    ("name", "names", "text"),
    [
        ("sum", ["a", "b", "c"], "a + b + c"),
        ("difference", ["a", "b"], "a - b"),
        ("difference", ["5", "3"], "5 - 3"),
        ("difference", ["123456789", "1"], "123456789 - 1"),
        ("quotient", ["a", "b"], "a / b"),
        ("power", ["x", "3"], "x ** 3"),
        ("power", ["-2", "2"], "(-2) ** 2"),
        ("product", ["-2", "-3"], "-2 * -3"),
        ("exponentiation", ["x", "y"], "x ** y"),
        ("negation", ["x"], "-x"),
        ("tanh", ["u"], "tanh(u)"),
        ("max", ["a", "b"], "max(a, b)"),
        ("pick", ["a", "b", "1"], "pick(a, b, 1)"),
        ("logsumexp", ["a", "b"], "logsumexp(a, b)"),
        ("cross_entropy", ["s", "t", "a", "b"], "cross_entropy([s, t], [a, b])"),
        ("weighted_sum", ["w1", "w2", "x1", "x2", "b"], "w1 * x1 + w2 * x2 + b"),
        ("weighted_sum", ["w1", "x1", "0"], "w1 * x1"),
    ],
)
def test_a_formula_is_written_as_a_person_writes_it(name: str, names: list[str], text: str) -> None:
    assert RULES[name].formula(names) == text


@pytest.mark.parametrize(
    ("name", "names", "texts"),
    [
        ("sum", ["a", "b"], ["1", "1"]),
        ("product", ["w", "x"], ["x", "w"]),
        ("power", ["x", "3"], ["3 * x ** 2"]),
        ("power", ["x", "2.123456789"], ["2.123456789 * x ** 1.123456789"]),
        ("power", ["x", "2.3"], ["2.3 * x ** 1.3"]),
        ("power", ["x", "0"], ["0"]),
        ("power", ["x", "-1"], ["-1 * x ** -2"]),
        ("sigmoid", ["u"], ["z * (1 - z)"]),
        ("max", ["a", "b"], ["equal(a, z) / ties(a, b, z)", "equal(b, z) / ties(a, b, z)"]),
        ("weighted_sum", ["w1", "w2", "x1", "x2", "b"], ["x1", "x2", "w1", "w2", "1"]),
    ],
)
def test_a_slope_is_written_as_a_person_writes_it(name: str, names: list[str], texts: list[str]) -> None:
    assert RULES[name].slope_formulas(names) == texts


def test_a_slope_with_numbers_is_written_out_and_not_worked_out() -> None:
    assert RULES["sigmoid"].slope_formulas(["u"], z="0.25") == ["0.25 * (1 - 0.25)"]


def test_a_node_without_a_label_is_named_by_the_operation_that_made_it() -> None:
    v = Value(2.0, "v")
    assert name_of(Value(5.0) - Value(3.0)) == "5 - 3"
    assert name_of(v ** Fraction(1, 3)) == "v ** (1/3)"
    assert name_of(v / Fraction(1, 3)) == "v / (1/3)"
    assert name_of(Value(-2.0) ** 2) == "(-2) ** 2"


# Kinks: one documented convention.


@pytest.mark.parametrize("several", [functions.max, functions.min])
@pytest.mark.parametrize(
    ("numbers", "shares"),
    [
        ([1.0, 1.0], (0.5, 0.5)),
        ([0.0, -0.0], (0.5, 0.5)),
        ([7.0, 7.0, 7.0, 7.0], (0.25,) * 4),
        ([math.inf, math.inf], (0.5, 0.5)),
    ],
)
def test_ties_of_max_and_min_share_the_slope_equally(several: Any, numbers: Any, shares: Any) -> None:
    assert several([Value(x) for x in numbers]).partials == shares


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_arrays_have_the_same_slopes_at_zero(zero: float) -> None:
    x = np.array([zero])
    with np.errstate(divide="ignore"):
        for name, slope in [("sqrt", math.inf), ("relu", 0.0), ("abs", 0.0)]:
            forward, slopes = RULES[name].read(arrays())
            assert slopes(forward(x), x)[0][0] == slope, name
        for n, slope in [(0.5, math.inf), (2.0, 0.0), (1.0, 1.0)]:
            forward, slopes = RULES["power"].read(arrays())
            assert slopes(forward(x, n), x, n)[0][0] == slope
    forward, slopes = RULES["max"].read(arrays())
    assert [float(s[0]) for s in slopes(forward([x, x]), [x, x])] == [0.5, 0.5]


def test_the_slopes_of_whole_powers_at_zero_are_those_of_the_polynomials() -> None:
    assert [(Value(0.0) ** n).partials[0] for n in (0, 1, 2, 3)] == [0.0, 1.0, 0.0, 0.0]
    assert [(Value(-2.0) ** n).partials[0] for n in (0, 1, 2, 3)] == [0.0, 1.0, -4.0, 12.0]


# Edges; where rows raise, and how accurate they are, is in test_promises.py.

# fmt: off
EDGES = [
    0.0, -0.0, 1.0, -1.0, 0.5, -0.3, 2.0, -2.0, 3.0, 1 / 3, 36.9, 710.0, -746.0, 1e16, 1e154, -1e200,
    1e308, -1e308, 1e-300, 5e-324, -5e-324, 2.2250738585072014e-308, math.inf, -math.inf, math.nan,
]
# fmt: on


@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_are_counted_once_for_all_operands(name: str) -> None:
    """What several operands share is not worked out for each: n of them take n steps, not n squared."""
    counted = []

    def ties(xs: list[float], z: float) -> float:
        counted.append(z)
        return FLOATS["ties"](xs, z)

    numbers = [3.0, 1.0, 2.0, 1.0, 3.0]
    forward, slopes = RULES[name].read({**FLOATS, "ties": ties})
    z = forward(numbers)
    assert slopes(z, numbers) == tuple((x == z) / 2 for x in numbers)
    assert counted == [z]

    for n in 10, 100:
        xs = [Value(float(k % 7)) for k in range(n)]
        node = getattr(functions, name)(xs)
        made = computed(*gradients(node, xs))
        assert len(made) <= 3 * n + 2  # for each =, ÷ and the result; one Σ


@pytest.mark.parametrize("several", [functions.max, functions.min])
def test_max_and_min_do_not_hide_a_nan(several: Any) -> None:
    for numbers in itertools.permutations([1.0, math.nan, -2.0]):
        node = several([Value(x) for x in numbers])
        assert math.isnan(node.data)
        assert all(map(math.isnan, node.partials))


def test_the_activations_keep_their_small_values_and_their_limits() -> None:
    assert Value(-40.0).sigmoid().data == pytest.approx(4.248354255291589e-18, rel=1e-15)
    assert Value(-745.0).sigmoid().data == 5e-324
    assert Value(-700.0).softplus().data == pytest.approx(9.859676543759770e-305, rel=1e-15)
    assert [Value(x).sigmoid().data for x in (math.inf, -math.inf)] == [1.0, 0.0]
    assert [Value(x).tanh().data for x in (1000.0, -1000.0)] == [1.0, -1.0]
    assert [Value(x).softplus().data for x in (math.inf, -math.inf)] == [math.inf, 0.0]


def test_what_members_have_in_common_is_computed_once_for_all() -> None:
    asked: list[str] = []

    def counted(name: str) -> Any:
        return lambda *groups: asked.append(name) or FLOATS[name](*groups)

    _, slopes = RULES["cross_entropy"].read({name: counted(name) for name in FLOATS})
    assert len(slopes(0.0, [0.25] * 4, [1.0, 2.0, 3.0, 4.0])) == 8
    assert sorted(asked) == ["log_softmax", "softmax", "sum"]


def test_one_value_is_its_own_logsumexp() -> None:
    for x in EDGES:
        node = functions.logsumexp([Value(x)])
        assert bits(node.data) == bits(x + 0.0) or x == 0


def test_the_array_readers_do_not_warn_over_the_whole_range() -> None:
    xs = np.array([x for x in EDGES if math.isfinite(x)])
    with np.errstate(all="raise", under="ignore"):
        for name in ("sigmoid", "tanh", "softplus", "relu", "abs", "step", "sign"):
            forward, slopes = RULES[name].read(arrays())
            z = forward(xs)
            assert np.isfinite(z).all()
            assert np.isfinite(np.broadcast_to(slopes(z, xs)[0], xs.shape)).all()


# A wrong row is found: every partial altered in every way that alters it.


def altered(rule: Rule) -> list[tuple[str, Rule]]:
    """Copies of the row with one partial wrong: its sign, a factor, an addend, nothing, another operand."""
    found = []
    letters = [name[:-1] if name.endswith("s") else name for name in rule.parameters]
    for place, partial in enumerate(rule.partials):
        if partial is None:
            continue
        wrong = {f"({partial}) + 1"}
        if partial != "0":
            wrong |= {f"-({partial})", f"2 * ({partial})", f"({partial}) * (1 + 1 / 1000)", "0 * len([0])"}
        if partial in letters:
            wrong |= {other for other in letters if other != partial}
        if "z" in partial and rule.name != "exp":
            wrong.add(partial.replace("z", letters[0]))
        for text in sorted(wrong):
            partials = (*rule.partials[:place], text, *rule.partials[place + 1 :])
            found.append((f"{rule.name}: {text} for {partial}", replace(rule, partials=partials)))
    return found


ALTERED = [pair for rule in RULES.values() for pair in altered(rule)]


def test_there_is_an_altered_copy_for_every_partial_of_the_table() -> None:
    partials = [partial for rule in RULES.values() for partial in rule.partials if partial is not None]
    assert len(ALTERED) >= 2 * len(partials)


@pytest.mark.parametrize("wrong", [rule for _, rule in ALTERED], ids=[name for name, _ in ALTERED])
def test_a_row_with_one_wrong_partial_is_rejected(wrong: Rule) -> None:
    with pytest.raises(AssertionError):
        for operands in samples(wrong):
            check_by_complex_step(wrong, operands)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(RULES["sigmoid"], partials=("z * (1 + z)",)),
        replace(RULES["quotient"], partials=("1 / y", "z / y")),
        replace(RULES["weighted_sum"], partials=("w", "x", "1")),
        replace(RULES["softplus"], partials=("z",)),
        replace(RULES["exponentiation"], partials=("y * z / x", "z")),
    ],
    ids=lambda rule: rule.name,
)
def test_sympy_too_rejects_a_wrong_partial(wrong: Rule) -> None:
    with pytest.raises(AssertionError):
        check_symbolically(wrong)
