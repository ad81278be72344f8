"""Pieces of a row's domain on which it is smooth: which operands they are, and what SymPy reads there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, NamedTuple

from microbp.exact.symbols import Symbols, import_sympy, symbols

Expression = Any  # SymPy's


class Undecided(Exception):
    """Raised where a row must know the sign of an expression, the argument, and does not."""


class Piece(NamedTuple):
    """The operands for which some conditions hold: each as an expression of symbols for real numbers.

    The symbols are all real or positive, and free but for that.
    """

    operands: Mapping[Any, Expression]
    conditions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ", ".join(self.conditions)

    def of(self, expression: Expression) -> Expression:
        """An expression of the operands on this piece."""
        return import_sympy().sympify(expression).subs(self.operands, simultaneous=True)

    def sign(self, expression: Expression) -> int:
        found = import_sympy().expand(self.of(expression))
        signs = {1: found.is_positive, -1: found.is_negative, 0: found.is_zero}
        for sign, holds in signs.items():
            if holds:
                return sign
        raise Undecided(expression)

    def kind(self) -> Symbols:
        """SymPy's functions, and those with kinks or a domain as what they are on this piece."""
        sympy, sign, known = import_sympy(), self.sign, symbols()

        def inside(name: str, holds: bool) -> Callable[..., Expression]:
            if not holds:
                raise ValueError("math domain error")
            return known[name]  # type: ignore[no-any-return]

        def above_0(x: Expression) -> bool:  # x**2 + y**2 is, but for single points
            return bool(self.of(x).is_nonnegative) or sign(x) > 0

        def other_than_0(x: Expression) -> bool:
            return not x.is_Symbol or sign(x) != 0

        def power(x: Expression, n: Expression) -> Expression:
            if n.is_integer:
                return inside("power", not n.is_negative or other_than_0(x))(x, n)
            return inside("power", above_0(x))(x, n)

        def equal(x: Expression, y: Expression) -> Expression:
            return sympy.Integer(sign(x - y) == 0)

        return Symbols(
            known.name,
            {
                **known,
                "relu": lambda x: x if sign(x) > 0 else sympy.Integer(0),
                "step": lambda x: sympy.Integer(sign(x) > 0),
                "sign": lambda x: sympy.Integer(sign(x)),
                "abs": lambda x: sign(x) * x,
                "max": lambda xs: reduce(lambda x, y: x if sign(x - y) > 0 else y, xs),
                "min": lambda xs: reduce(lambda x, y: x if sign(x - y) < 0 else y, xs),
                "equal": equal,
                "ties": lambda xs, z: sympy.Add(*(equal(x, z) for x in xs)),
                "log": lambda x: inside("log", sign(x) > 0)(x),
                "sqrt": lambda x: inside("sqrt", above_0(x))(x),
                "power": power,
                "_quotient": lambda x, y: inside("_quotient", other_than_0(y))(x, y),
                "exponentiate": lambda x, y: inside("exponentiate", sign(x) > 0)(x, y),
            },
        )

    def halves(self, expression: Expression) -> list[Piece]:
        """The pieces where an expression is positive, and negative; none if it is not simple enough."""
        found = import_sympy().expand(self.of(expression))
        return [
            Piece(
                {operand: each.subs(symbol, value) for operand, each in self.operands.items()},
                (*self.conditions, _condition(expression, order)),
            )
            for order, (symbol, value) in zip("><", _solutions(found))
        ]


def _solutions(expression: Expression) -> list[tuple[Any, Expression]]:
    """A symbol, and what to put in its place, to make an expression positive, and to make it negative."""
    sympy = import_sympy()
    amount = sympy.Dummy(positive=True)
    for symbol in sorted(expression.free_symbols, key=lambda each: (bool(each.is_positive), str(each))):
        factor = sympy.diff(expression, symbol)
        rest = sympy.expand(expression - factor * symbol)
        if not factor.is_number or rest.has(symbol):
            continue
        edge = -rest / factor
        above = edge + amount
        if symbol.is_positive and not edge.is_positive:
            continue
        below = edge / (1 + amount) if symbol.is_positive else edge - amount
        return [(symbol, above), (symbol, below)][:: 1 if factor > 0 else -1]
    return []


def _condition(expression: Expression, order: str) -> str:
    """That an expression is > or < 0, as one writes it: x > 0, x1 < x2, x > 1."""
    sympy = import_sympy()
    number, rest = sympy.expand(expression).as_coeff_Add()
    terms = sympy.Add.make_args(rest)
    less = -sympy.Add(*(term for term in terms if term.could_extract_minus_sign()))
    more = rest + less
    if more == 0:
        return f"{less} {'<' if order == '>' else '>'} {number}"
    return f"{more} {order} {less - number}"
