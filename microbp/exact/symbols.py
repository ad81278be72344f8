"""SymPy's expressions as a kind of number: rows read with them give formulas, and exact numbers.

SymPy is imported when this kind is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from importlib import import_module
from typing import Any

from microbp.exact.numbers import Numbers, as_fraction, check_size
from microbp.kinds import Kind
from microbp.rules import Rule

_PARTS = 50  # of an expression that is printed


class Symbols(Numbers):
    """Symbols stand for real numbers; no expression is infinite, undefined or complex unnoticed."""

    called = "SymPy's expressions"
    lacks = "is no SymPy expression"
    side = "<"

    def number(self, number: Any) -> Any:
        sympy = import_sympy()
        if not isinstance(number, sympy.Expr):
            exact = as_fraction(number)
            return sympy.Rational(exact.numerator, exact.denominator)
        if number.has(sympy.oo, -sympy.oo, sympy.zoo, sympy.nan):
            raise ValueError(f"{self.text(number)} is not finite, as an exact number is")
        if number.is_extended_real is False:
            raise TypeError(
                f"{self.text(number)} is not real, and only real numbers can be differentiated here"
            )
        return number

    def text(self, number: Any) -> str:
        parts = [number]
        for part in parts:  # which grows while it is walked
            if len(parts) > _PARTS:
                return f"an expression of more than {_PARTS} parts"
            parts.extend(part.args)
        return str(number)

    def own(self, rule: Rule) -> Callable[..., Any]:
        function, sympy = Kind.own(self, rule), import_sympy()

        def checked(*groups: Any) -> Any:
            result = function(*groups)
            if not isinstance(result, sympy.Expr):
                return self.number(result)
            if result is sympy.nan or result.is_finite is False or result.is_extended_real is False:
                raise ValueError
            return result

        return checked


def import_sympy() -> Any:
    """SymPy; ImportError, saying what to do, where it is not installed."""
    try:
        return import_module("sympy")
    except ImportError:
        raise ImportError("SymPy is needed here and is not installed; pip install sympy") from None


@cache
def symbols() -> Symbols:
    """The elementary functions for SymPy's expressions.

    At kinks they follow the table's conventions once numbers are put in for the symbols.  Numbers,
    and symbols of a known sign, that are outside a domain raise ValueError.

    >>> from sympy import Symbol
    >>> x = Symbol("x", real=True)
    >>> symbols()["relu"](x), symbols()["step"](x).subs(x, 0)
    (Max(0, x), 0)
    """
    sympy = import_sympy()

    def check(inside: bool) -> None:
        if not inside:
            raise ValueError

    constants = {"pi": sympy.pi, "e": sympy.E}

    def number(written: str | int) -> Any:
        return constants[written] if written in constants else sympy.Rational(written)

    def quotient(x: Any, y: Any) -> Any:
        if y.is_zero:
            raise ZeroDivisionError
        return x / y

    def log(x: Any) -> Any:
        check(x.is_positive is not False)
        return sympy.log(x)

    def sqrt(x: Any) -> Any:
        check(not x.is_negative)
        return sympy.sqrt(x)

    def power(x: Any, n: Any) -> Any:
        check(not (x.is_zero and n.is_negative) and not (x.is_negative and n.is_integer is False))
        if isinstance(x, sympy.Rational) and isinstance(n, sympy.Rational):
            check_size(Fraction(int(x.p), int(x.q)), int(n))
        return sympy.Pow(x, n)

    def exponentiate(x: Any, y: Any) -> Any:
        check(x.is_positive is not False)
        return power(x, y)

    def logsumexp(xs: Sequence[Any]) -> Any:
        return sympy.log(sympy.Add(*map(sympy.exp, xs))) if len(xs) > 1 else xs[0]

    def softmax(xs: Sequence[Any]) -> list[Any]:
        return [sympy.exp(x) / sympy.Add(*map(sympy.exp, xs)) for x in xs]

    def log_softmax(xs: Sequence[Any]) -> list[Any]:
        return [x - logsumexp(xs) for x in xs]

    def cross_entropy(ts: Sequence[Any], xs: Sequence[Any]) -> Any:
        return -sympy.Add(*map(sympy.Mul, ts, log_softmax(xs)))

    def equal(x: Any, y: Any) -> Any:
        return sympy.Piecewise((1, sympy.Eq(x, y)), (0, True))

    return Symbols(
        "symbols",
        {
            "exp": sympy.exp,
            "log": log,
            "sqrt": sqrt,
            "sin": sympy.sin,
            "cos": sympy.cos,
            "tanh": sympy.tanh,
            "power": power,
            "exponentiate": exponentiate,
            "sigmoid": lambda x: 1 / (1 + sympy.exp(-x)),
            "softplus": lambda x: sympy.log(1 + sympy.exp(x)),
            "relu": lambda x: sympy.Max(x, 0),
            "step": lambda x: sympy.Heaviside(x, 0),
            "sign": sympy.sign,
            "abs": sympy.Abs,
            "sum": lambda xs: sympy.Add(*xs),
            "max": lambda xs: sympy.Max(*xs),
            "min": lambda xs: sympy.Min(*xs),
            "logsumexp": logsumexp,
            "softmax": softmax,
            "log_softmax": log_softmax,
            "cross_entropy": cross_entropy,
            "pick": lambda xs, n: xs[int(n)],
            "equal": equal,
            "ties": lambda xs, z: sympy.Add(*(equal(x, z) for x in xs)),
            "dot": lambda ws, xs: sympy.Add(*map(sympy.Mul, ws, xs)),
            **constants,
            "_number": cache(number),
            "_quotient": quotient,
        },
    )
