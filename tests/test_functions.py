"""The operations as functions: of one Value, of several, and weighted sums."""

import math
import operator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import microbp
from microbp import RULES, Value, functions, logsumexp, pick, softmax, weighted_sum
from microbp.value import computed

UNARY = ["exp", "log", "sqrt", "sigmoid", "tanh", "relu", "softplus", "sin", "cos", "abs"]
SEVERAL = ["sum", "max", "min", "logsumexp"]
every_unary = pytest.mark.parametrize("name", UNARY)
every_several = pytest.mark.parametrize("name", SEVERAL)


class Stranger:
    """A scalar of another engine: it has `.data`, and is no Value."""

    def __init__(self, data: Any) -> None:
        self.data = data


NOT_NUMBERS = ["3", None, 1j, Decimal(1), [1.0], np.ones(2), np.array(1.0), Stranger(np.ones(1))]
every_not_number = pytest.mark.parametrize("thing", NOT_NUMBERS, ids=lambda thing: type(thing).__name__)


# Functions of one Value.


@every_unary
@pytest.mark.parametrize("number", [1, True, 0.5, Fraction(1, 2), np.float32(0.5), np.int64(1)])
def test_a_function_of_a_plain_number_makes_it_a_leaf(name: str, number: Any) -> None:
    node = getattr(functions, name)(number)
    [leaf] = node.inputs
    assert (leaf.data, leaf.rule, type(leaf.data)) == (float(number), None, float)
    assert node.rule is RULES[name]


@every_unary
@every_not_number
def test_a_function_refuses_what_is_no_number_and_says_where(name: str, thing: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{name}: a real number is needed, not "):
        getattr(functions, name)(thing)


@pytest.mark.parametrize(
    ("name", "x", "value", "slope"),
    [
        ("exp", 1.0, math.e, math.e),
        ("log", 2.0, 0.6931471805599453, 0.5),
        ("sqrt", 4.0, 2.0, 0.25),
        ("sigmoid", 0.0, 0.5, 0.25),
        ("tanh", 0.5, 0.46211715726000975, 0.7864477329659274),
        ("relu", 3.0, 3.0, 1.0),
        ("relu", -3.0, 0.0, 0.0),
        ("softplus", 0.0, 0.6931471805599453, 0.5),
        ("sin", math.pi / 6, 0.5, math.sqrt(3) / 2),
        ("cos", math.pi / 6, math.sqrt(3) / 2, -0.5),
        ("abs", -2.0, 2.0, -1.0),
    ],
)
def test_a_function_has_the_value_and_the_slope_of_the_textbook(
    name: str, x: float, value: float, slope: float
) -> None:
    node = getattr(microbp, name)(Value(x))
    assert node.data == pytest.approx(value, rel=1e-15)
    assert node.partials[0] == pytest.approx(slope, rel=1e-15)


def test_every_row_of_the_table_has_a_function_or_an_operator_for_users() -> None:
    operators = {"difference", "product", "quotient", "negation", "power", "exponentiation"}
    made_of = {"step", "sign", "equal"}  # what slopes are made of
    for name in RULES.keys() - operators - made_of:
        assert callable(getattr(microbp, name))


def test_the_slopes_that_jump_are_flat_themselves() -> None:
    x, y = Value(2.0), Value(2.0)
    for node, data in [
        (functions.VALUES["step"](x), 1.0),
        (functions.VALUES["sign"](-x), -1.0),
        (functions.VALUES["equal"](x, y), 1.0),
        (functions.VALUES["ties"]([x, y, Value(3.0)], y), 2.0),
    ]:
        node.backward()
        assert (node.data, x.grad, y.grad) == (data, 0.0, 0.0)


# Functions of several.


@every_several
def test_several_values_make_one_node(name: str) -> None:
    values = [Value(x) for x in (0.5, -1.0, 2.0)]
    node = getattr(functions, name)(values)
    assert node.inputs == tuple(values)
    assert node.rule is RULES[name]
    assert node.data == pytest.approx(
        {"sum": 1.5, "max": 2.0, "min": -1.0}.get(name, math.log(sum(map(math.exp, (0.5, -1.0, 2.0))))),
        rel=1e-15,
    )


@every_several
@pytest.mark.parametrize(
    "gather",
    [
        list,
        tuple,
        iter,
        lambda xs: (x for x in xs),
        np.array,
        lambda xs: dict.fromkeys(xs),
        lambda xs: [*xs[:1], Value(xs[1])],
    ],
)
def test_several_numbers_come_in_any_iterable_an_array_too(name: str, gather: Any) -> None:
    node = getattr(functions, name)(gather([0.5, -1.0]))
    assert [v.data for v in node.inputs] == [0.5, -1.0]
    assert all(type(v) is Value and type(v.data) is float for v in node.inputs)


@every_several
def test_one_alone_is_itself_with_slope_one(name: str) -> None:
    a = Value(-1.25)
    node = getattr(functions, name)([a])
    assert (node.data, node.inputs, node.partials) == (-1.25, (a,), (1.0,))


@every_several
@pytest.mark.parametrize("none", [[], (), iter([]), np.array([])], ids=lambda none: type(none).__name__)
def test_none_at_all_is_refused(name: str, none: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name}: at least one value is needed, and none came$"):
        getattr(functions, name)(none)


@every_several
@every_not_number
def test_one_that_is_no_number_among_several_is_refused(name: str, thing: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{name}: a real number is needed, not "):
        getattr(functions, name)([Value(1.0), thing])


@pytest.mark.parametrize("several", [functions.max, functions.min])
def test_max_and_min_take_their_values_one_by_one_as_well(several: Any) -> None:
    a, b = Value(1.0), Value(2.0)
    assert several(a, b).inputs == several([a, b]).inputs == (a, b)
    assert [v.data for v in several(a, 3, np.float64(0.5)).inputs] == [1.0, 3.0, 0.5]
    assert several(a).inputs == (a,)
    assert several(2.5).data == several(np.float64(2.5)).data == 2.5
    with pytest.raises(ValueError, match="at least one value is needed"):
        several()
    with pytest.raises(TypeError, match="a real number is needed, not"):
        several("ab")
    with pytest.raises(TypeError, match=r"a real number is needed, not an array of shape \(2,\)"):
        several(np.ones((2, 2)))


def test_max_and_min_give_the_slope_to_the_one_that_won() -> None:
    a, b, c = Value(1.0), Value(3.0), Value(-2.0)
    assert microbp.max(a, b, c).partials == (0.0, 1.0, 0.0)
    assert microbp.min(a, b, c).partials == (0.0, 0.0, 1.0)


def test_the_slopes_of_logsumexp_are_the_softmax() -> None:
    numbers = [0.5, -1.0, 2.0]
    total = sum(map(math.exp, numbers))
    node = logsumexp([Value(x) for x in numbers])
    assert node.partials == pytest.approx([math.exp(x) / total for x in numbers], rel=1e-14)


def test_softmax_gives_probabilities_with_their_known_jacobian() -> None:
    xs = [Value(x) for x in (0.5, -1.0, 2.0)]
    ps = softmax(xs)
    assert sum(p.data for p in ps) == pytest.approx(1.0, rel=1e-15)
    for i, p in enumerate(ps):
        p.zero_grad()
        p.backward()
        known = [p.data * ((i == j) - q.data) for j, q in enumerate(ps)]
        assert [x.grad for x in xs] == pytest.approx(known, rel=1e-13)


@pytest.mark.parametrize("numbers", [[1000.0, 999.0, -1000.0], [1e308, -1e308], [-1000.0, -1000.0], [5.0]])
def test_softmax_is_finite_and_sums_to_one_for_extreme_numbers(numbers: list[float]) -> None:
    ps = softmax(numbers)
    assert all(0.0 <= p.data <= 1.0 for p in ps)
    assert sum(p.data for p in ps) == pytest.approx(1.0, rel=1e-12)


def test_softmax_of_nothing_and_of_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one value is needed"):
        softmax([])
    with pytest.raises(TypeError, match=r"^softmax: a real number is needed, not 'a'"):
        softmax("ab")  # type: ignore[arg-type]


# pick


@pytest.mark.parametrize("index", [0, 1, 2, 2.0, np.int64(1), True, Fraction(2)])
def test_pick_gives_the_one_at_the_index_and_all_the_slope_to_it(index: Any) -> None:
    values = [Value(x) for x in (5.0, 7.0, 9.0)]
    node = pick(values, index)
    assert node.data == values[int(index)].data
    assert node.partials == tuple(float(i == index) for i in range(3))
    assert node.operands == (*values, int(index))
    assert type(node.operands[-1]) is int


@pytest.mark.parametrize("index", [3, -1, 0.5, math.nan, math.inf, 10**30])
def test_pick_refuses_a_place_that_is_not_there(index: Any) -> None:
    with pytest.raises(IndexError, match=r"^pick: there is no value .* among 3; they count from 0 to 2$"):
        pick([Value(1.0)] * 3, index)


@pytest.mark.parametrize("index", ["1", None, 1j, [0], Value(0.0)])
def test_pick_refuses_an_index_that_is_no_number(index: Any) -> None:
    with pytest.raises(TypeError, match=r"^pick: a real number is needed"):
        pick([Value(1.0)], index)


def test_pick_from_nothing_is_refused() -> None:
    with pytest.raises(IndexError, match=r"^pick: there is no value 0 among 0"):
        pick([], 0)


# weighted_sum: equation 1.1


def test_a_weighted_sum_is_one_node_whose_slopes_are_the_inputs_the_weights_and_one() -> None:
    ws = [Value(w) for w in (0.5, -1.5, 2.0)]
    xs = [Value(x) for x in (3.0, 0.25, -1.0)]
    b = Value(0.125)
    u = weighted_sum(ws, xs, b)
    assert u.data == 0.5 * 3.0 - 1.5 * 0.25 - 2.0 + 0.125
    assert u.inputs == (*ws, *xs, b)
    assert u.partials == (3.0, 0.25, -1.0, 0.5, -1.5, 2.0, 1.0)
    assert computed(u) == [u]


def test_a_weighted_sum_without_a_bias_has_no_input_for_it() -> None:
    w, x = Value(3.0), Value(2.0)
    u = weighted_sum([w], [x])
    assert (u.data, u.inputs, u.partials) == (6.0, (w, x), (2.0, 3.0))
    u.recompute()
    assert (u.data, u.partials) == (6.0, (2.0, 3.0))


@pytest.mark.parametrize(
    "weights", [[2.0, Value(3.0)], (2, 3), np.array([2.0, 3.0]), [Fraction(2), np.float32(3)]]
)
@pytest.mark.parametrize("inputs", [[Value(5.0), 7.0], (5, 7), np.array([5, 7]), [True * 5, Value(7)]])
@pytest.mark.parametrize("bias", [None, 1, 1.0, Value(1.0), np.float64(1.0), np.bool_(True)])
def test_plain_numbers_and_arrays_among_weights_inputs_and_bias_become_leaves(
    weights: Any, inputs: Any, bias: Any
) -> None:
    u = weighted_sum(weights, inputs, bias)
    assert u.data == 31.0 + (bias is not None)
    assert u.partials == (5.0, 7.0, 2.0, 3.0, 1.0)[: 4 + (bias is not None)]
    assert all(type(v) is Value and type(v.data) is float for v in u.inputs)
    assert type(u.data) is float
    given = [*weights, *inputs, bias]
    assert all(v is thing for v, thing in zip(u.inputs, given) if isinstance(thing, Value))


def test_plain_numbers_change_no_bit_of_a_weighted_sum() -> None:
    ws, xs = [0.1, 0.2, 0.3], [0.7, -0.9, 1.1]
    for bias in (None, 0.4):
        of_values = weighted_sum(
            [Value(w) for w in ws], [Value(x) for x in xs], bias if bias is None else Value(bias)
        )
        of_numbers = weighted_sum(ws, xs, bias)
        assert (of_values.data, of_values.partials) == (of_numbers.data, of_numbers.partials)
        assert of_values.rule is of_numbers.rule


@pytest.mark.parametrize(
    ("weights", "inputs"), [(2, 1), (1, 2), (0, 0), (0, 1), (3, 0)], ids=lambda n: str(n)
)
def test_a_weighted_sum_of_mismatched_lengths_or_of_nothing_is_refused(weights: int, inputs: int) -> None:
    came = f"{weights} weight{'s' * (weights != 1)} and {inputs} input{'s' * (inputs != 1)}"
    message = f"and at least one; there are {came}$"
    with pytest.raises(ValueError, match=message):
        weighted_sum([Value(1.0)] * weights, [Value(1.0)] * inputs, Value(1.0))
    with pytest.raises(ValueError, match=message):
        weighted_sum(np.ones(weights), np.ones(inputs))


@every_not_number
@pytest.mark.parametrize("place", ["weight", "input", "bias"])
def test_a_weighted_sum_refuses_what_is_no_number(thing: Any, place: str) -> None:
    if thing is None and place == "bias":
        return  # means: no bias
    operands = {"weight": Value(1.0), "input": Value(1.0), "bias": Value(1.0), place: thing}
    with pytest.raises(TypeError, match=r"^weighted_sum: a real number is needed, not "):
        weighted_sum([operands["weight"]], [operands["input"]], operands["bias"])


def test_a_weighted_sum_refuses_a_tensor_of_another_engine() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"^weighted_sum: a real number is needed, not tensor\(2\.\)"):
        weighted_sum([Value(1.0)], [torch.tensor(2.0)])


def test_a_weighted_sum_of_one_value_by_itself_is_its_square() -> None:
    a = Value(3.0)
    u = weighted_sum([a], [a], a)
    u.backward()
    assert (u.data, a.grad) == (12.0, 7.0)


def test_a_weighted_sum_equals_products_and_sums_to_the_last_bits() -> None:
    ws = [Value(0.1 * k - 0.7) for k in range(20)]
    xs = [Value(math.sin(k)) for k in range(20)]
    b = Value(0.3)
    fused, expanded = weighted_sum(ws, xs, b), sum(map(operator.mul, ws, xs)) + b
    scale = sum(abs(w.data * x.data) for w, x in zip(ws, xs))
    assert abs(fused.data - expanded.data) <= 1e-15 * scale
    grads = []
    for u in fused, expanded:
        u.zero_grad()
        u.backward()
        grads.append([v.grad for v in (*ws, *xs, b)])
    assert grads[0] == grads[1]
