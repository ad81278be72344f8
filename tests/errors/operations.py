"""Operations of your own."""

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from unittest.mock import patch

import sympy

from microbp import Value, compile, explore
from microbp.checking.checks import gradcheck
from microbp.exact.evaluation import evaluate
from microbp.expressions import parse
from microbp.operations import OWN, operation
from microbp.rules import RULES
from microbp.show.javascript import as_javascript

TITLE = "Operations of your own"

X = Value(0.5, "x")
erf_slope = "2 / sqrt(pi) * exp(-x * x)"


def passing(wrong: Callable[[], object]) -> Callable[[], object]:
    """The same; what it has defined goes again."""

    def alone() -> object:
        before = set(OWN)
        try:
            return wrong()
        finally:
            for name in set(OWN) - before:
                OWN[name].remove()

    return alone


def norm() -> Callable[..., Value]:
    return operation("norm", "sqrt(dot(xs, xs))", "x / z", operands="xs")


def both() -> Callable[..., Value]:
    return operation("both", "dot(ws, xs)", "x", "w", operands="ws xs")


def scale() -> Callable[..., Value]:
    return operation("scale", "n * x", "n", None, operands="x n")


def swish() -> Callable[..., Value]:
    return operation("swish", "x * sigmoid(x)", "z + sigmoid(x) * (1 - z)")


def erf(**functions: object) -> Callable[..., Value]:
    return operation("erf", "erf(x)", erf_slope, **{"floats": math.erf, **functions})


def a_page_of_it() -> None:
    explore(erf()(Value(0.5, "x")))


def too_deep_for_the_parser() -> None:
    with patch("microbp.grammar.ast.parse", side_effect=MemoryError):
        swish()


def of_a_circle() -> Value:
    return operation("circle", "2 * pi * x", "2 * pi")(X)


def undefined_as_an_expression() -> None:
    evaluate(erf(symbols=lambda x: sympy.nan)(X), {X: sympy.Symbol("x", real=True)})


def a_row_made_by_hand_as_javascript() -> None:
    row = replace(RULES["exp"], name="gamma", forward="gamma(x)", partials=("1",))
    as_javascript(row)


def a_function_that_returns_a_text() -> None:
    erf(floats=lambda x: "much", check=False)(Value(0.5))


def an_exact_number_of_it() -> None:
    evaluate(erf()(X), {X: Fraction(1, 2)})


def two_of_one_name() -> None:
    x = Value(0.5, "x")
    first = erf()(x)
    second = erf(floats=lambda y: math.erf(y))(first)
    _ = compile(second, inputs=[x]).source


def an_earlier_one_called() -> None:
    erf()
    operation("twice", "2 * erf(x)", f"2 * {erf_slope}")
    erf(floats=lambda y: math.erf(y))
    operation("thrice", "twice(x) + erf(x)", f"3 * {erf_slope}")


def chosen_by_an_operand() -> None:
    operation("choose", "x if n else 2 * x", "1 if n else 2", None, operands="x n")
    operation("again", "choose(x, n + 1)", "1 if n else 2", None, operands="x n")


def a_wrong_slope_unchecked() -> None:
    gradcheck(operation("double", "2 * x", "3", check=False), 1.0)


def in_an_expression() -> None:
    scale()
    parse("scale(x, y)", {"x": 1, "y": 2})


def becomes_too_long() -> None:
    four = "({0} + {0} + ({0} + {0}))".format
    operation("many", four(four(four("x"))), "64")
    operation("more", four(four("many(x)")), "1024")


DEEP = "(" * 80 + "x" + " + 1)" * 80

ENTRIES = {
    done: passing(wrong)
    for done, wrong in {
        "a number for a name": lambda: operation(3, "x", "1"),
        "a name with a space": lambda: operation("my own", "x", "1"),
        "the name of a built-in operation": lambda: operation("tanh", "x", "1"),
        "a name of Python's": lambda: operation("print", "x", "1"),
        "a number for a row": lambda: operation("own", 3, "1"),
        "a row that is too long": lambda: operation("own", "x + " * 2000 + "x", "1"),
        "a row that cannot be read": lambda: operation("own", "x +", "1"),
        "a row that is nested too deeply": lambda: operation("own", DEEP, "1"),
        "a row that is too deep for Python": too_deep_for_the_parser,
        "a row of signs alone": lambda: operation("own", "-" * 1900 + "x", "1"),
        "a row that becomes too long": becomes_too_long,
        "a number too large for a float": lambda: operation("own", "1e999 * x", "1"),
        "a text in a row": lambda: operation("own", "'x'", "1"),
        "an attribute in a row": lambda: operation("own", "x.real", "1"),
        "a comparison in a row": lambda: operation("own", "x if x > 0 else 0", "1"),
        "a call with a name": lambda: operation("own", "exp(x=x)", "1"),
        "a call of what is no name": lambda: operation("own", "(x + 1)(x)", "1"),
        "a name that there is not": lambda: operation("own", "x * y", "y"),
        "a function without its parentheses": lambda: operation("own", "sin * x", "1"),
        "a function that there is not": lambda: operation("own", "sigmid(x)", "1"),
        "a function of too many": lambda: operation("own", "exp(x, x)", "1"),
        "a sequence by itself": lambda: operation("own", "2 * xs", "2", operands="xs"),
        "a function of a sequence with none": lambda: operation("own", "sum(x)", "1"),
        "an index that is an operand": lambda: operation("own", "pick(xs, y)", "1", "0", operands="xs y"),
        "a choice by what is computed": chosen_by_an_operand,
        "a row that calls itself": lambda: operation("own", "own(x) + 1", "1"),
        "a function told for a row that is none": lambda: operation(
            "own", "x * 2", "2", floats=lambda x: 2 * x
        ),
        "a call of an earlier one": an_earlier_one_called,
        "a number for the operands": lambda: operation("own", "x", "1", operands=1),
        "no operands": lambda: operation("own", "1", operands=""),
        "an operand twice": lambda: operation("own", "x", "1", "1", operands="x x"),
        "an operand that means something else": lambda: operation("own", "z", "1", operands="z"),
        "a partial too few": lambda: operation("own", "x * y", "y", operands="x y"),
        "None for the first operand": lambda: operation("own", "x * y", None, "x", operands="x y"),
        "a number for the symbol": lambda: operation("own", "x * 2", "2", symbol=3),
        "a number for the function": lambda: operation("own", "own(x)", "1", floats=3),
        "a function for arrays alone": lambda: operation("own", "own(x)", "1", arrays=abs),
        "a function as JavaScript": lambda: operation(
            "own", "own(x)", "1", floats=float, javascript=lambda x: x
        ),
        "a text for check": lambda: operation("own", "x * 2", "2", check="no"),
        "a partial that is not the slope": lambda: operation("own", "x * x", "x"),
        "a partial that is not checked, and is found later": a_wrong_slope_unchecked,
        "two arguments for one operand": lambda: swish()(1.0, 2.0),
        "a text for an operand": lambda: swish()("2"),
        "a number for a sequence": lambda: norm()(2.0),
        "an empty sequence": lambda: norm()([]),
        "sequences of different lengths": lambda: both()([1.0], [1.0, 2.0]),
        "a Value for a plain number": lambda: scale()(2.0, Value(3.0)),
        "a Value for a plain number in an expression": in_an_expression,
        "a function that returns a text": a_function_that_returns_a_text,
        "a function that has no form for fractions": an_exact_number_of_it,
        "a function that has no form for SymPy": lambda: evaluate(
            erf()(X), {X: sympy.Symbol("x", real=True)}
        ),
        "a function that is undefined for SymPy": undefined_as_an_expression,
        "pi as a fraction": lambda: evaluate(of_a_circle(), {X: Fraction(1, 2)}),
        "pi as a Decimal": lambda: evaluate(of_a_circle(), {X: Decimal("0.5")}),
        "a slope that has no limit": lambda: operation("own", "x * x", "2 * x * (x / x)")(0.0),
        "a row made by hand in a page": a_row_made_by_hand_as_javascript,
        "a page of a function that JavaScript does not know": a_page_of_it,
        "two functions of one name in a program": two_of_one_name,
    }.items()
}
