"""The losses of the post, on Values.

Each takes what the network predicted and what was wanted, both as one Value or number or both
as sequences of equal length, and returns the loss as one Value, labelled E.  Plain numbers
that were wanted become leaves labelled t, or t[1], t[2], ...

All raise ValueError for lengths that differ, and TypeError for what is neither a real number nor a
sequence of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from microbp import functions
from microbp.arguments import counted, described, in_order
from microbp.functions import is_place, softplus, weighted_sum
from microbp.value import Operand, Value, as_float, as_value, is_real

OneOrMany = Operand | Sequence[Operand]


def squared_error(predicted: OneOrMany, target: OneOrMany, half: bool = False) -> Value:
    """The sum of (y - t)^2 over the outputs, equation 3.1 of the post; half of it if `half`.

    >>> y = Value(0.8)
    >>> squared_error(y, 1.0).data, squared_error(y, 1.0, half=True).data
    (0.03999999999999998, 0.01999999999999999)
    """
    ys, ts = _paired("squared_error", predicted, target)
    squares = _total([(y - t) ** 2 for y, t in zip(ys, ts)])
    return _loss(squares / 2 if half else squares)


def mean_squared_error(predicted: OneOrMany, target: OneOrMany) -> Value:
    """The mean of (y - t)^2 over the outputs.

    >>> mean_squared_error([Value(1.0), Value(3.0)], [0.0, 0.0]).data
    5.0
    """
    ys, ts = _paired("mean_squared_error", predicted, target)
    return _loss(_mean([(y - t) ** 2 for y, t in zip(ys, ts)]))


def mean_absolute_error(predicted: OneOrMany, target: OneOrMany) -> Value:
    """The mean of |y - t| over the outputs.

    >>> mean_absolute_error([Value(1.0), Value(-3.0)], [0.0, 0.0]).data
    2.0
    """
    ys, ts = _paired("mean_absolute_error", predicted, target)
    return _loss(_mean([(y - t).abs() for y, t in zip(ys, ts)]))


def binary_cross_entropy(predicted: OneOrMany, target: OneOrMany) -> Value:
    """The sum of -t log(y) - (1 - t) log(1 - y) over outputs y that are probabilities.

    With a sigmoid y its delta is y - t.  A term whose factor is exactly 0 is left out, so y may
    be exactly 0 or 1 where the target says the same; elsewhere the logarithm raises ValueError, as
    does a y that is no probability.  Where y comes from a sigmoid,
    `binary_cross_entropy_with_logits` is accurate for all u.

    >>> binary_cross_entropy(Value(0.5), 1.0).data
    0.6931471805599453
    """
    ys, ts = _paired("binary_cross_entropy", predicted, target)
    terms: list[Value] = []
    for y, t in zip(ys, ts):
        _check_probability(t)
        if not y.traced and (y.data < 0.0 or y.data > 1.0):
            raise ValueError(
                f"binary_cross_entropy: a prediction is a probability from 0 to 1, not {y.data:.6g}; "
                "for outputs that are no probabilities there is binary_cross_entropy_with_logits"
            )
        known = not t.inputs and not t.traced
        if not known or t.data != 0.0:
            terms.append(-(t * y.log()))
        if not known or t.data != 1.0:
            terms.append(-((1 - t) * (1 - y).log()))
    return _loss(_total(terms))


def binary_cross_entropy_with_logits(logits: OneOrMany, target: OneOrMany) -> Value:
    """The binary cross-entropy of y = sigmoid(u) from the inputs u of the output units.

    Computed as t softplus(-u) + (1 - t) softplus(u), which is finite and accurate for all u.
    Its derivative by u is y - t.

    >>> E = binary_cross_entropy_with_logits(Value(-800.0), 1.0)
    >>> E.data
    800.0
    """
    us, ts = _paired("binary_cross_entropy_with_logits", logits, target)
    for t in ts:
        _check_probability(t)
    return _loss(_total([weighted_sum([t, 1 - t], [softplus(-u), softplus(u)]) for u, t in zip(us, ts)]))


def cross_entropy(logits: Sequence[Operand], target: Operand | Sequence[Operand]) -> Value:
    """The cross-entropy -sum_k t_k log(y_k) of y = softmax(u) from the inputs u of the output units.

    `target` is the number of the right class, counted from 0, or a probability for each class.
    One node, finite and accurate to a few units in the last place for all u.  Its derivative by u_k is
    y_k - t_k.

    Raises ValueError for probabilities that are negative or do not add up to 1, IndexError for
    a class that is not there.

    >>> u = [Value(2.0), Value(0.0), Value(0.0)]
    >>> E = cross_entropy(u, 0)
    >>> E.backward()
    >>> f"{E:.4f}", [f"{v.grad:.4f}" for v in u]
    ('0.2395', ['-0.2130', '0.1065', '0.1065'])
    """
    if not in_order(logits):
        raise TypeError(
            f"cross_entropy: a list of inputs u is needed, one for each class, not {described(logits)}; "
            "for a single output there is binary_cross_entropy_with_logits"
        )
    if not in_order(target) and not isinstance(target, Value) and not is_real(target):
        raise TypeError(
            "cross_entropy: the target is the number of a class, or a list of probabilities, "
            f"not {described(target)}"
        )
    us = [as_value(u, f"cross_entropy: input {k}") for k, u in enumerate(logits, start=1)]
    if not us:
        raise ValueError("cross_entropy: the list of inputs u is empty; there is one for each class")
    if isinstance(target, Value) or is_real(target):
        us, ts = _paired("cross_entropy", us, _of_class(target, len(us)))
    else:
        us, ts = _paired("cross_entropy", us, target)
        for t in ts:
            _check_probability(t)
        _check(
            functions.sum(ts),
            lambda total: abs(total - 1.0) <= 1e-9,
            "cross_entropy: the probabilities of the classes add up to {:.6g}, not to 1",
        )
    return _loss(functions.expected_surprise(ts, us))


def _paired(name: str, predicted: OneOrMany, target: OneOrMany) -> tuple[list[Value], list[Value]]:
    if isinstance(predicted, Value) and isinstance(target, float):  # by far the most common
        return [predicted], [Value(target, "t")]
    ys = [as_value(y, where) for y, where, _ in _placed(predicted, name, "prediction")]
    ts = [as_value(t, where, f"t{place}") for t, where, place in _placed(target, name, "target")]
    if len(ys) != len(ts) or not ys:
        raise ValueError(
            f"{name}: one target for each prediction is needed, and at least one; "
            f"{counted(len(ys), 'prediction')} and {counted(len(ts), 'target')} came"
        )
    return ys, ts


def _placed(given: Any, name: str, what: str) -> list[tuple[Any, str, str]]:
    """One or several, each with what it is to be called in an error, and its place in a label."""
    listed = list(given) if in_order(given) and hasattr(given, "__len__") else [given]
    if len(listed) == 1:
        return [(listed[0], f"{name}: the {what}", "")]
    return [(each, f"{name}: {what} {k}", f"[{k}]") for k, each in enumerate(listed, start=1)]


def _total(terms: list[Value]) -> Value:
    return functions.sum(terms) if len(terms) > 1 else terms[0]


def _mean(terms: list[Value]) -> Value:
    return _total(terms) / len(terms) if len(terms) > 1 else terms[0]


def _loss(value: Value) -> Value:
    value.label = "E"
    return value


def _check_probability(t: Value) -> None:
    _check(t, _is_probability, "a target of cross-entropy is a probability from 0 to 1, not {:.6g}")


def _is_probability(number: Any) -> Any:
    return (number >= 0.0) & (number <= 1.0)


def _of_class(target: Any, n_classes: int) -> list[Operand]:
    """The probabilities that say for certain which class it is: 1 for the right one, 0 for all others."""
    message = f"cross_entropy: there is no class {{:g}}; they count from 0 to {n_classes - 1}"
    if isinstance(target, Value) and target.traced:
        target.demand(is_place(n_classes), IndexError, message.format)
        return [functions.equal(target, k) for k in range(n_classes)]
    number = as_float(target, "cross_entropy: the class")
    if number not in range(n_classes):
        raise IndexError(message.format(number))
    return [float(k == number) for k in range(n_classes)]


def _check(value: Value, holds: Callable[[Any], Any], message: str) -> None:
    """Raise ValueError unless `holds` is true of a value's number, as soon as it is known."""
    if value.traced:
        value.demand(holds, ValueError, message.format)
    elif not holds(value.data):
        raise ValueError(message.format(value.data))
