"""Derivatives as Values, functions of functions, checks of derivatives, and other kinds of numbers."""

import math
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from unittest.mock import patch

import numpy as np
import sympy

from microbp import (
    Value,
    compile,
    cross_entropy,
    grad,
    gradients,
    hvp,
    jacobian,
    jvp,
    logsumexp,
    sqrt,
    value_and_grad,
    vjp,
)
from microbp.checking.checks import gradcheck
from microbp.checking.proofs import check_rule
from microbp.exact.evaluation import evaluate
from microbp.rules import Rule

TITLE = "Derivatives"

W, X = Value(0.5, "w"), Value(2.0, "x")
E = (W * X - 1.0) ** 2
E.label = "E"


def square(x):
    return x * x


def stale() -> Value:
    a = Value(3.0, "a")
    b = a * a
    b.label = "b"
    a.data = 4.0
    return b


def contained() -> list[object]:
    itself: list[object] = [1.0]
    itself.append(itself)
    return itself


def a_slope_without_a_value() -> None:
    a = Value(0.0, "a")
    gradients(gradients(a**0.5, a), a)


def other_each_time() -> Callable[[Value], object]:
    calls = []

    def f(x: Value) -> object:
        calls.append(x)
        return [x] * (1 + len(calls))

    return f


def a_wrong_slope() -> None:
    check_rule(Rule("half", "half", "x", "x / 2", ("2",)))


def without_sympy(use: Callable[[], object]) -> None:
    with patch.dict(sys.modules, {"sympy": None}):
        use()


def exactly(output: Value, number: object) -> None:
    evaluate(output, {X: number})


def a_power_of_many_digits() -> None:
    one = Value(1.0, "x")
    evaluate(one**1_000_000_000, {one: Fraction(3)})


def lost(x: Value) -> Value:
    return Value(x.data) * x


ENTRIES = {
    "the gradients of a number": lambda: gradients(0.25, W),
    "the gradients by a name": lambda: gradients(E, ["w"]),
    "the gradients by a structure of numbers": lambda: gradients(E, {"w": [W, 0.5]}),
    "the gradients of a graph that is stale": lambda: gradients(stale(), W),
    "a second derivative that has no value": a_slope_without_a_value,
    "the grad of a number": lambda: grad(3.0),
    "the grad of a graph": lambda: grad(E),
    "the grad by a name": lambda: grad(square, "x"),
    "the grad by an argument that is not there": lambda: grad(square, 1)(2.0),
    "the grad by an argument twice": lambda: grad(lambda x, y: x * y, (0, -2))(2.0, 3.0),
    "the grad by an argument given by name": lambda: grad(square)(x=2.0),
    "the grad at a text": lambda: grad(square)("2"),
    "the grad at nothing": lambda: grad(lambda p: p["w"] * 2)({"w": None}),
    "the grad of a function that returns nothing": lambda: grad(lambda x: None)(2.0),
    "the grad of a function that returns a text": lambda: grad(lambda x: "x")(2.0),
    "the grad of several numbers": lambda: grad(lambda x: [x, x * x])(2.0),
    "the value_and_grad of several numbers": lambda: value_and_grad(lambda x: (x, x * x))(2.0),
    "the grad at a structure that contains itself": lambda: grad(lambda x: x[0])(contained()),
    "the grad of arithmetic with an array": lambda: grad(lambda x: 2 * x)(np.ones(2)),
    "the jacobian of a text": lambda: jacobian(lambda x: {"a": [x, "b"]})(2.0),
    "a jvp of a number": lambda: jvp(square, 2.0, 1.0),
    "a jvp without a tangent": lambda: jvp(square, (2.0,), ()),
    "a jvp with a tangent of another structure": lambda: jvp(lambda x: x[0], ([2.0, 3.0],), ([1.0],)),
    "a jvp with a text for a tangent": lambda: jvp(square, (2.0,), ("1",)),
    "an hvp with a number for the primals": lambda: hvp(square, 2.0, (1.0,)),
    "a vjp with a cotangent of another structure": lambda: vjp(lambda x: [x, x], 2.0)[1]([1.0]),
    "a check of a number": lambda: gradcheck(0.25),
    "a check of a function at no arguments": lambda: gradcheck(square),
    "a check of a function at a text": lambda: gradcheck(square, "2"),
    "a check of order 0": lambda: gradcheck(square, 2.0, order=0),
    "a check with a negative tolerance": lambda: gradcheck(square, 2.0, rtol=-1.0),
    "a check with a text for raise_error": lambda: gradcheck(square, 2.0, raise_error="no"),
    "a check of a graph by an argument": lambda: gradcheck(E, argnums=0),
    "a check by a name": lambda: gradcheck(square, 2.0, argnums="x"),
    "a check by an argument that is not there": lambda: gradcheck(square, 2.0, argnums=1),
    "a check by an argument twice": lambda: gradcheck(lambda x, y: x * y, 2.0, 3.0, argnums=(0, -2)),
    "a check of a graph by a number": lambda: gradcheck(E, 0.5),
    "a check of no graph": lambda: gradcheck([]),
    "a check of a graph that is stale": lambda: gradcheck(stale()),
    "a check of a function that returns nothing": lambda: gradcheck(lambda x: [], 2.0),
    "a check of a function that returns a text": lambda: gradcheck(lambda x: "x", 2.0),
    "a check of a function that returns more each time": lambda: gradcheck(other_each_time(), 2.0),
    "a check of a function that loses the graph": lambda: gradcheck(lost, 2.0),
    "a proof of a number": lambda: check_rule(3.0),
    "a proof of a row that there is not": lambda: check_rule("swish"),
    "a proof of a wrong slope": a_wrong_slope,
    "a proof without SymPy": lambda: without_sympy(lambda: check_rule("tanh")),
    "an evaluation of a number": lambda: evaluate(0.25, {}),
    "an evaluation without a dict": lambda: evaluate(E, [Fraction(1, 2)]),
    "an evaluation with names": lambda: evaluate(E, {"x": Fraction(1, 2)}),
    "an evaluation with another leaf": lambda: evaluate(E, {Value(1.0, "y"): Fraction(1, 2)}),
    "an evaluation with a computed node": lambda: evaluate(E, {E.inputs[0]: Fraction(1, 2)}),
    "an evaluation with a text": lambda: exactly(E, "1/2"),
    "an evaluation with two kinds of numbers": lambda: evaluate(E, {X: Fraction(1, 3), W: Decimal("0.1")}),
    "an evaluation of a function's Value while it is compiled": lambda: compile(
        lambda x: evaluate(x * 2, {}).value, example=(1.0,)
    ),
    "the number of a node that was not evaluated": lambda: evaluate(E, {X: 1})[Value(1.0, "y")],
    "an infinite leaf, exactly": lambda: evaluate(Value(math.inf, "a") * 2, {}),
    "an infinite Decimal": lambda: exactly(E, Decimal("inf")),
    "an infinite expression": lambda: exactly(E, sympy.oo),
    "a complex expression": lambda: exactly(E, sympy.I),
    "an exponential as a fraction": lambda: exactly(X.exp(), Fraction(1, 3)),
    "a softplus as a fraction": lambda: exactly(X.softplus(), Fraction(1, 3)),
    "a logarithm as a fraction": lambda: exactly(X.log(), Fraction(1, 3)),
    "a log-sum-exp as a fraction": lambda: exactly(logsumexp([X, W]), Fraction(1, 3)),
    "a cross-entropy as a fraction": lambda: exactly(cross_entropy([X, W], 0), Fraction(1, 3)),
    "a root of a larger number that is no fraction": lambda: exactly(sqrt(X), Fraction(5)),
    "a root that is no fraction": lambda: exactly(sqrt(X), Fraction(1, 3)),
    "a high root that is no fraction": lambda: exactly(X ** Fraction(1, 50), Fraction(3)),
    "a root of a negative fraction": lambda: exactly(sqrt(X), Fraction(-1, 3)),
    "a logarithm of a negative fraction": lambda: exactly(X.log(), Fraction(-1, 3)),
    "a division by an exact 0": lambda: exactly(1 / X, 0),
    "an infinite slope": lambda: exactly(sqrt(X), 0),
    "a power with more digits than there is room for": a_power_of_many_digits,
    "a sine as a Decimal": lambda: exactly(X.sin(), Decimal("0.5")),
    "a logarithm of a negative expression": lambda: exactly(X.log(), -sympy.Symbol("x", positive=True)),
    "a division by an expression that is 0": lambda: exactly(1 / X, sympy.Integer(0)),
}
