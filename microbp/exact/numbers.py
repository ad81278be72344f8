"""Kinds of number that are exact: Fractions, and Decimals of as many digits as are asked for.

A kind names the elementary functions that rows are read with, and says how any plain number
becomes one of its own.  SymPy's expressions, the third of these kinds, are in symbols.py.
"""

from __future__ import annotations

import ast
import decimal
import math
import numbers
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, getcontext, localcontext
from fractions import Fraction
from functools import cache, reduce
from typing import Any, ClassVar, NoReturn

from microbp.kinds import Kind
from microbp.rules import CONSTANTS, Rule

Reading = tuple[Callable[..., Any], Callable[..., Any]]

_LARGEST = 10_000_000  # bits of a power
_LONGEST = 40  # characters of a number that is shown in full
_MORE_DIGITS = 40  # that Decimals are computed with: differences of nearly equal numbers use them up


class NoNumber(TypeError):
    """Raised by an elementary function whose result is no number of the kind, as exp(1/3) is no Fraction."""


class Numbers(Kind):
    """The elementary functions for one kind of number, and what else it takes to compute with it."""

    called: ClassVar[str]  # what the numbers are called
    lacks: ClassVar[str]  # what is said of a result that is none of them
    side: ClassVar[str] = ">"  # of a column, at which they stand

    def number(self, number: Any) -> Any:
        """A real number, or one of the kind, as one of the kind; what is not finite raises ValueError."""
        raise NotImplementedError

    def text(self, number: Any) -> str:
        """A number as it is printed, in full where it is short."""
        raise NotImplementedError

    def rows(self, rule: Rule) -> Reading:
        """A row's two functions for this kind, as `Rule.read` gives them, its text taken exactly."""
        return with_exact_literals(rule).read(self)

    def total(self, numbers: Sequence[Any]) -> Any:
        """The sum of several numbers."""
        return self["sum"](numbers)

    def working(self) -> AbstractContextManager[Any]:
        """What surrounds a computation."""
        return nullcontext()

    def finished(self, numbers: Mapping[Any, Any]) -> dict[Any, Any]:
        """Computed numbers as they are handed out."""
        return dict(numbers)

    def own(self, rule: Rule) -> Callable[..., Any]:
        raise TypeError(f"{rule.name} has no form for {self.called}; use SymPy's numbers, or floats")


def with_exact_literals(rule: Rule) -> Rule:
    """The same row for exact numbers: its literals are meant as they are written, 0.1 as a tenth.

    What they are is left to the kind's `_number`, and what is divided by to its `_quotient`.

    >>> half = Rule("half", "half", "x", "1 / 2 * x", ("0.5",))
    >>> with_exact_literals(half).forward
    "_quotient(_number('1'), _number('2')) * x"
    """
    partials = tuple(partial and _with_exact_literals(partial) for partial in rule.partials)
    return replace(rule, forward=_with_exact_literals(rule.forward), partials=partials)


@cache
def _with_exact_literals(row: str) -> str:
    return ast.unparse(_ExactLiterals().visit(ast.parse(row, mode="eval").body))


class _ExactLiterals(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return _call("_number", ast.Constant(str(node.value)))

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in CONSTANTS:
            return _call("_number", ast.Constant(node.id))
        return _call("_number", node) if node.id == "i" else node  # the place in a sequence, an int

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        return ast.Subscript(self.visit(node.value), node.slice)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, ast.Div):
            return _call("_quotient", left, right)
        return ast.BinOp(left, node.op, right)


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name), list(arguments), [])


def as_fraction(number: Any) -> Fraction:
    """A real number as the fraction it is; ValueError for one that is not finite.

    >>> as_fraction(0.5), as_fraction(3)
    (Fraction(1, 2), Fraction(3, 1))
    """
    if isinstance(number, numbers.Rational):
        return Fraction(int(number.numerator), int(number.denominator))
    number = float(number)
    if not math.isfinite(number):
        raise ValueError(f"{number} is not finite, as an exact number is")
    return Fraction(number)


def check_size(base: Fraction, exponent: int) -> None:
    """Raise OverflowError for a power that would fill the memory with its digits."""
    bits = max(base.numerator.bit_length(), base.denominator.bit_length()) - 1
    if bits * abs(exponent) > _LARGEST:
        raise OverflowError


# What numbers that have an order have in common.


def _refuse(x: Any) -> NoReturn:
    raise NoNumber


def _check(inside: bool) -> None:
    """Raise ValueError outside a domain, whose name the row knows."""
    if not inside:
        raise ValueError


def _check_power(x: Any, n: Any, whole: bool) -> None:
    _check((x != 0 or n >= 0) and (x >= 0 or whole))


def _ordered(zero: Any, one: Any) -> dict[str, Any]:
    def equal(x: Any, y: Any) -> Any:
        return one if x == y else zero

    return {
        "relu": lambda x: x if x > 0 else zero,
        "step": lambda x: one if x > 0 else zero,
        "sign": lambda x: one if x > 0 else -one if x < 0 else zero,
        "abs": abs,
        "sum": sum,
        "max": max,
        "min": min,
        "pick": lambda xs, n: xs[int(n)],
        "equal": equal,
        "ties": lambda xs, z: sum(equal(x, z) for x in xs),
        "dot": lambda ws, xs: sum(map(operator.mul, ws, xs)),
        "_quotient": operator.truediv,
    }


# Fractions.


class Fractions(Numbers):
    called = "Fractions"
    lacks = "is no fraction; use Decimals, SymPy's numbers, or floats"

    def number(self, number: Any) -> Fraction:
        return as_fraction(number)

    def text(self, number: Fraction) -> str:
        top, bottom = number.numerator, number.denominator
        if max(top.bit_length(), bottom.bit_length()) < 3 * _LONGEST and len(str(number)) <= _LONGEST:
            return str(number)
        magnitude = math.log10(abs(top)) - math.log10(bottom)
        if abs(magnitude) < 300:
            return f"≈ {float(number):.6g}"
        return f"≈ {'-' if number < 0 else ''}10^{magnitude:.0f}"


@cache
def fractions() -> Fractions:
    """The elementary functions for Fractions, which raise NoNumber where the result is no fraction.

    >>> fractions()["sqrt"](Fraction(9, 4)), fractions()["sigmoid"](Fraction(0))
    (Fraction(3, 2), Fraction(1, 2))
    """
    return Fractions(
        "fractions",
        {
            **_ordered(Fraction(0), Fraction(1)),
            # By Lindemann's theorem these have a rational value at one rational number, and softplus at none.
            "exp": _known_at(0, Fraction(1)),
            "sin": _known_at(0, Fraction(0)),
            "cos": _known_at(0, Fraction(1)),
            "tanh": _known_at(0, Fraction(0)),
            "sigmoid": _known_at(0, Fraction(1, 2)),
            "softplus": _refuse,
            "log": _log,
            "sqrt": lambda x: _power(x, Fraction(1, 2)),
            "power": _power,
            "exponentiate": _exponentiate,
            "logsumexp": _logsumexp,
            "softmax": _of_one([Fraction(1)]),
            "log_softmax": _of_one([Fraction(0)]),
            "cross_entropy": _of_one(Fraction(0)),
            "_number": _literal,
        },
    )


def _known_at(place: int, value: Fraction) -> Callable[[Fraction], Fraction]:
    def function(x: Fraction) -> Fraction:
        if x != place:
            raise NoNumber
        return value

    return function


def _log(x: Fraction) -> Fraction:
    _check(x > 0)
    return _known_at(1, Fraction(0))(x)


def _power(x: Fraction, n: Fraction) -> Fraction:
    _check_power(x, n, n.denominator == 1)
    if n.denominator > 1:
        x = Fraction(_root(x.numerator, n.denominator), _root(x.denominator, n.denominator))
    check_size(x, n.numerator)
    return x**n.numerator


def _exponentiate(x: Fraction, y: Fraction) -> Fraction:
    _check(x > 0)
    return _power(x, y)


def _root(number: int, n: int) -> int:
    """The whole number whose n-th power is `number`, by Newton's method from above."""
    if number < 2:
        return number
    if n >= number.bit_length():  # the root lies between 1 and 2
        raise NoNumber
    root, better = 0, 1 << -(-number.bit_length() // n)
    while better != root:
        root = better
        better = min(root, ((n - 1) * root + number // root ** (n - 1)) // n)
    if root**n != number:
        raise NoNumber
    return root


def _logsumexp(xs: Sequence[Fraction]) -> Fraction:
    if len(xs) > 1:
        raise NoNumber
    return xs[0]


def _of_one(value: Any) -> Callable[..., Any]:
    """The function of sequences that has a value which is rational where they have but one member."""

    def function(*sequences: Sequence[Fraction]) -> Any:
        if len(sequences[0]) > 1:
            raise NoNumber
        return value

    return function


@cache
def _literal(written: str | int) -> Fraction:
    if written in CONSTANTS:
        raise NoNumber
    return Fraction(written)


# Decimals.


class Decimals(Numbers):
    """Decimals are computed with more digits than the current context has, and rounded to it at the end."""

    called = "Decimals"
    lacks = "cannot be computed with Decimals; use SymPy's numbers, or floats"

    def number(self, number: Any) -> Decimal:
        if isinstance(number, Decimal):
            if not number.is_finite():
                raise ValueError(f"{number} is not finite, as an exact number is")
            return number
        exact = as_fraction(number)
        if isinstance(number, float) or exact.denominator == 1:
            return Decimal(number if isinstance(number, float) else exact.numerator)
        return Decimal(exact.numerator) / Decimal(exact.denominator)

    def text(self, number: Decimal) -> str:
        return str(number) if len(str(number)) <= _LONGEST else f"≈ {number:.28g}"

    def working(self) -> AbstractContextManager[Context]:
        digits = getcontext().prec
        return localcontext(
            Context(
                prec=digits + max(digits, _MORE_DIGITS),
                Emin=MIN_EMIN,
                Emax=MAX_EMAX,
                traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
            )
        )

    def finished(self, numbers: Mapping[Any, Decimal]) -> dict[Any, Decimal]:
        wanted = getcontext()
        rounding = Context(prec=wanted.prec, rounding=wanted.rounding, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
        return {node: rounding.plus(number) for node, number in numbers.items()}


@cache
def decimals() -> Decimals:
    """The elementary functions for Decimals, accurate to the current context for arguments of any size.

    >>> decimals()["tanh"](Decimal("1e-30"))
    Decimal('1E-30')
    """
    return Decimals(
        "decimals",
        {
            **_ordered(Decimal(0), Decimal(1)),
            "exp": Decimal.exp,
            "log": _log_of_decimal,
            "sqrt": _sqrt_of_decimal,
            "sin": _refuse,
            "cos": _refuse,
            "tanh": _tanh_of_decimal,
            "sigmoid": _sigmoid_of_decimal,
            "softplus": lambda x: max(x, Decimal(0)) + _log_of_1_plus((-abs(x)).exp()),
            "power": _power_of_decimal,
            "exponentiate": _exponentiate_decimals,
            "logsumexp": _logsumexp_of_decimals,
            "softmax": _softmax_of_decimals,
            "log_softmax": _log_softmax_of_decimals,
            "cross_entropy": _cross_entropy_of_decimals,
            "_number": _decimal_literal,
        },
    )


def _log_of_decimal(x: Decimal) -> Decimal:
    _check(x > 0)
    return x.ln()


def _sqrt_of_decimal(x: Decimal) -> Decimal:
    _check(x >= 0)
    return x.sqrt()


def _power_of_decimal(x: Decimal, n: Decimal) -> Decimal:
    _check_power(x, n, n == n.to_integral_value())
    if x == 0 or n == 0:
        return Decimal(int(n == 0))
    return x**n


def _exponentiate_decimals(x: Decimal, y: Decimal) -> Decimal:
    _check(x > 0)
    return x**y


def _sigmoid_of_decimal(x: Decimal) -> Decimal:
    e = (-abs(x)).exp()
    return (1 if x >= 0 else e) / (1 + e)


def _tanh_of_decimal(x: Decimal) -> Decimal:
    lost = max(0, -x.adjusted())  # leading digits that 1 - e drops
    if 2 * lost > getcontext().prec + 2:
        return x  # all but a relative x**2 / 3
    with localcontext() as wider:
        wider.prec += lost
        e = (-2 * abs(x)).exp()
        result = (1 - e) / (1 + e)
    return +result.copy_sign(x)


def _log_of_1_plus(t: Decimal) -> Decimal:
    """log(1 + t) for t >= 0, accurate where t is small."""
    lost = max(0, -t.adjusted())
    if lost > getcontext().prec + 1:
        return t  # all but a relative t / 2
    with localcontext() as wider:
        wider.prec += lost
        result = (1 + t).ln()
    return +result


def _excess_of_decimals(xs: Iterable[Decimal]) -> tuple[Decimal, Decimal]:
    """The greatest number, and by how much the log-sum-exp of all exceeds it."""
    *rest, largest = sorted(xs)
    return largest, _log_of_1_plus(sum(((x - largest).exp() for x in rest), Decimal(0)))


def _logsumexp_of_decimals(xs: Iterable[Decimal]) -> Decimal:
    return sum(_excess_of_decimals(xs), Decimal(0))


def _softmax_of_decimals(xs: Sequence[Decimal]) -> list[Decimal]:
    largest = max(xs)
    powers = [(x - largest).exp() for x in xs]
    total = sum(powers)
    return [power / total for power in powers]


def _log_softmax_of_decimals(xs: Sequence[Decimal]) -> list[Decimal]:
    largest, excess = _excess_of_decimals(xs)
    return [x - largest - excess for x in xs]


def _cross_entropy_of_decimals(ts: Sequence[Decimal], xs: Sequence[Decimal]) -> Decimal:
    return -sum(map(operator.mul, ts, _log_softmax_of_decimals(xs)), Decimal(0))


def _decimal_literal(written: str | int) -> Decimal:
    if written == "e":
        return Decimal(1).exp()
    if written in CONSTANTS:
        raise NoNumber
    return Decimal(written)


# Floats, which are not exact, by the same door.


class PlainFloats(Numbers):
    """Floats as the eager engine computes with them."""

    called = "floats"
    lacks = "is no float"

    def number(self, number: Any) -> float:
        return float(number)

    def text(self, number: float) -> str:
        return repr(number)

    def rows(self, rule: Rule) -> Reading:
        every = replace(rule, place=None)

        def forward(*groups: Any) -> float:
            return every.evaluate(rule.ungroup(groups))[0]

        def slopes(z: float, *groups: Any) -> tuple[float, ...]:
            return every.evaluate(rule.ungroup(groups))[1]

        return forward, slopes

    def total(self, numbers: Sequence[float]) -> float:
        return reduce(operator.add, numbers, 0.0)


@cache
def plain_floats() -> PlainFloats:
    return PlainFloats("floats", {})
