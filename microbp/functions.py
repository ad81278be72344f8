"""The operations of the table as functions, among them those of several Values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from operator import pow
from typing import Any, SupportsFloat

from microbp.arguments import counted, described
from microbp.kinds import Kind
from microbp.operators import apply_to_any, of_several
from microbp.rules import RULES, Rule
from microbp.value import Operand, Value, apply, as_float, as_value

_biased, _unbiased = of_several("weighted_sum"), of_several("weighted_sum", place=-1)
_sum = of_several("sum")
_cross_entropy = of_several("cross_entropy")


def exp(x: Operand) -> Value:
    """e to the power x.

    >>> exp(Value(0.0)).data
    1.0
    """
    return as_value(x, "exp").exp()


def log(x: Operand) -> Value:
    """The natural logarithm.  Raises ValueError unless x > 0.

    >>> log(Value(1.0)).data
    0.0
    """
    return as_value(x, "log").log()


def sqrt(x: Operand) -> Value:
    """The square root; its slope at 0 is inf.  Raises ValueError for x < 0.

    >>> sqrt(Value(9.0)).data
    3.0
    """
    return as_value(x, "sqrt").sqrt()


def sigmoid(x: Operand) -> Value:
    """The logistic sigmoid 1 / (1 + exp(-x)), finite for every finite x.

    Its slope is z (1 - z), equation 4.4 of the post.

    >>> z = sigmoid(Value(0.0))
    >>> z.data, z.partials
    (0.5, (0.25,))
    """
    return as_value(x, "sigmoid").sigmoid()


def tanh(x: Operand) -> Value:
    """The hyperbolic tangent.

    >>> tanh(Value(0.0)).partials
    (1.0,)
    """
    return as_value(x, "tanh").tanh()


def relu(x: Operand) -> Value:
    """The greater of x and 0; its slope at 0 is 0.

    >>> relu(Value(-2.0)).data, relu(Value(3.0)).data
    (0.0, 3.0)
    """
    return as_value(x, "relu").relu()


def softplus(x: Operand) -> Value:
    """log(1 + exp(x)), finite for every finite x.

    >>> softplus(Value(800.0)).data
    800.0
    """
    return as_value(x, "softplus").softplus()


def sin(x: Operand) -> Value:
    """The sine of x radians.

    >>> sin(Value(0.0)).partials
    (1.0,)
    """
    return as_value(x, "sin").sin()


def cos(x: Operand) -> Value:
    """The cosine of x radians.

    >>> cos(Value(0.0)).data
    1.0
    """
    return as_value(x, "cos").cos()


def abs(x: Operand) -> Value:
    """The distance from 0; its slope at 0 is 0.

    >>> abs(Value(-2.0)).data
    2.0
    """
    return as_value(x, "abs").abs()


def sum(values: Iterable[Operand]) -> Value:
    """The sum of several Values as one node.

    >>> a, b, c = Value(1.0), Value(2.0), Value(3.0)
    >>> total = sum([a, b, c])
    >>> total.data, len(total.inputs)
    (6.0, 3)
    """
    operands = values if isinstance(values, list) else _listed("sum", values)
    result: Value = _sum(_at_least_one("sum", operands))
    return result


def max(*values: Operand | Iterable[Operand]) -> Value:
    """The greatest of several Values, given one by one or as a sequence; ties share the slope equally.

    >>> max(Value(1.0), Value(4.0), Value(4.0)).partials
    (0.0, 0.5, 0.5)
    """
    return _of_several("max", _one_or_many(values))


def min(*values: Operand | Iterable[Operand]) -> Value:
    """The least of several Values, given one by one or as a sequence; ties share the slope equally.

    >>> min([Value(1.0), Value(4.0)]).data
    1.0
    """
    return _of_several("min", _one_or_many(values))


def logsumexp(values: Iterable[Operand]) -> Value:
    """log(exp(x1) + exp(x2) + ...), finite for all finite x; its slopes are the softmax of x.

    >>> f"{logsumexp([Value(1000.0), Value(1000.0)]):.6f}"
    '1000.693147'
    """
    return _of_several("logsumexp", _listed("logsumexp", values))


def softmax(values: Iterable[Operand]) -> list[Value]:
    """exp(x) / (exp(x1) + exp(x2) + ...) for each x: positive Values whose sum is 1.

    Computed as exp(x - logsumexp(xs)), so that a unit in the last place of the greatest |x|, about
    |x| / 10^16, is how accurate they are, relative to their size.

    >>> [p.data for p in softmax([Value(0.0), Value(0.0)])]
    [0.5, 0.5]
    """
    xs = [as_value(x, "softmax") for x in _at_least_one("softmax", _listed("softmax", values))]
    z = logsumexp(xs)
    return [(x - z).exp() for x in xs]


def pick(values: Iterable[Operand], index: SupportsFloat) -> Value:
    """One of several Values, by its place; 0 is the first.

    Raises IndexError for a place that is not there.

    >>> pick([Value(5.0), Value(7.0)], 1).data
    7.0
    """
    xs = [as_value(x, "pick") for x in _listed("pick", values)]

    def missing(place: SupportsFloat) -> str:
        return f"pick: there is no value {place!r} among {len(xs)}; they count from 0 to {len(xs) - 1}"

    if isinstance(index, Value) and index.traced:
        index.demand(is_place(len(xs)), IndexError, missing)
        return apply(RULES["pick"], (*xs, index))
    place = as_float(index, "pick")
    if place not in range(len(xs)):
        raise IndexError(missing(index))
    return apply(RULES["pick"].holding(-1), (*xs, int(place)))


@cache
def is_place(count: int) -> Callable[[Any], Any]:
    """Whether a number, or each of an array, is the place of one of so many; one function for each count."""
    return lambda n: (n >= 0) & (n < count) & (n % 1 == 0)


def weighted_sum(weights: Sequence[Operand], inputs: Sequence[Operand], bias: Operand | None = None) -> Value:
    """w1 x1 + w2 x2 + ... + b as one node: the input u of a unit, equation 1.1 of the post.

    Its local derivatives are the inputs along the weights, the weights along the inputs, and
    1 along the bias.  Plain numbers among weights, inputs and bias become leaves.

    Raises ValueError unless there are as many inputs as weights, and at least one.

    >>> w, x, b = Value(3.0), Value(2.0), Value(1.0)
    >>> u = weighted_sum([w], [x], b)
    >>> u.data, u.partials
    (7.0, (2.0, 3.0, 1.0))
    """
    for given, what in ((weights, "weights"), (inputs, "inputs")):
        if not hasattr(given, "__len__"):
            raise TypeError(
                f"weighted_sum: the {what} are a list of Values and numbers, not {described(given)}"
            )
    n = len(weights)
    if n != len(inputs) or n == 0:
        raise ValueError(
            "weighted_sum: one input for each weight is needed, and at least one; "
            f"there are {counted(n, 'weight')} and {counted(len(inputs), 'input')}"
        )
    return net_input(weights, inputs, bias)


def net_input(weights: Sequence[Operand], inputs: Sequence[Operand], bias: Operand | None) -> Value:
    """`weighted_sum` of as many weights as inputs."""
    result: Value = _unbiased(weights, inputs) if bias is None else _biased(weights, inputs, bias)
    return result


def expected_surprise(ts: Sequence[Operand], xs: Sequence[Operand]) -> Value:
    """-(t1 log(y1) + t2 log(y2) + ...) with y the softmax of x, as one node: as many t as x, at least one.

    Its local derivatives are y (t1 + t2 + ...) - t along the x, and -log(y) along the t.

    >>> node = expected_surprise([1.0, 0.0], [Value(3.0), Value(3.0)])
    >>> f"{node:.4f}", [f"{partial:.4f}" for partial in node.partials]
    ('0.6931', ['0.6931', '0.6931', '-0.5000', '0.5000'])
    """
    result: Value = _cross_entropy(ts, xs)
    return result


def _of_several(name: str, operands: Sequence[Operand]) -> Value:
    return apply_to_any(RULES[name], _at_least_one(name, operands))


def _listed(name: str, values: Iterable[Operand]) -> list[Operand]:
    if not isinstance(values, Iterable) or getattr(values, "ndim", None) == 0:
        raise TypeError(f"{name}: a list of Values and numbers is needed, not {described(values)}")
    return list(values)


def _at_least_one(name: str, operands: Sequence[Operand]) -> Sequence[Operand]:
    if not operands:
        raise ValueError(f"{name}: at least one value is needed, and none came")
    return operands


def _one_or_many(values: tuple[Operand | Iterable[Operand], ...]) -> list[Operand]:
    if len(values) == 1 and isinstance(values[0], Iterable):
        return list(values[0])
    return list(values)  # type: ignore[arg-type]


def _step(x: Operand) -> Value:
    return apply(RULES["step"], [as_value(x, "step")])


def _sign(x: Operand) -> Value:
    return apply(RULES["sign"], [as_value(x, "sign")])


def _power(x: Operand, n: Any) -> Operand:
    """x ** n without a node where none is needed, so that the slopes of whole powers end in plain 0."""
    return 1 if n == 0 else x if n == 1 else as_value(x, "power") ** n


def equal(x: Operand, y: Operand) -> Operand:
    """1 where two numbers are equal, else 0: of two numbers a number, of Values a node with slopes of 0.

    >>> equal(2.0, 2.0), equal(Value(2.0), 3.0).data
    (1.0, 0.0)
    """
    if not isinstance(x, Value) and not isinstance(y, Value):
        return float(x == y)
    return apply(RULES["equal"], [as_value(x, "equal"), as_value(y, "equal")])


def _log_softmax(xs: Sequence[Operand]) -> list[Value]:
    z = logsumexp(xs)
    return [x - z for x in xs]


def _ties(xs: Sequence[Operand], z: Operand) -> Value:
    return sum([equal(x, z) for x in xs])


def apply_to_groups(rule: Rule, groups: Sequence[Any]) -> Value:
    """A row applied to one argument for each of its parameters, a list where that is a sequence."""
    holds = rule.partials[-1] is None and rule.place is None
    return apply_to_any(rule.holding(-1) if holds else rule, rule.ungroup(groups))


class _Values(Kind):
    def own(self, rule: Rule) -> Callable[..., Value]:
        return lambda *groups: apply_to_groups(rule, groups)


# The elementary functions for Values, with which `Rule.read` makes graphs that can be differentiated again.
VALUES = _Values(
    "values",
    {
        "exp": exp,
        "log": log,
        "sqrt": sqrt,
        "sin": sin,
        "cos": cos,
        "tanh": tanh,
        "power": _power,
        "exponentiate": pow,
        "sigmoid": sigmoid,
        "softplus": softplus,
        "relu": relu,
        "step": _step,
        "sign": _sign,
        "abs": abs,
        "sum": sum,
        "max": max,
        "min": min,
        "logsumexp": logsumexp,
        "softmax": softmax,
        "log_softmax": _log_softmax,
        "cross_entropy": expected_surprise,
        "pick": pick,
        "equal": equal,
        "ties": _ties,
        "dot": weighted_sum,
    },
)
