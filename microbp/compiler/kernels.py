"""Formulas of the table as calls of NumPy that write into arrays which are there already.

`Calls` turns a row's text into a list of calls; running them in order computes the formula and
allocates nothing.  A function of the table without a kernel here is called as `rules.arrays()`
gives it and its result copied.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from microbp.compiler.plan import Array
from microbp.rules import CONSTANTS, arrays

Term = Array | float
Call = tuple[Callable[..., Any], tuple[Any, ...]]


class Calls:
    """Calls to be made one after another, and the scratch arrays they share.

    A formula's terms are arrays, or floats where they are constant; constants are folded.  A call whose
    result is there already is a term by its text.
    With `careful` the kernels that are fast but raise overflow flags for large numbers, though
    the result is finite, are replaced by slower ones that do not.
    """

    def __init__(self, careful: bool = False) -> None:
        self.careful = careful
        self.list: list[Call] = []
        self._scratch: list[Array] = []
        self._used = 0
        self._numbers: dict[float, Array] = {}

    def call(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.list.append((function, arguments))

    def scratch(self, *shape: int) -> Array:
        """An array to be used until the end of the statement."""
        size = math.prod(shape)
        if self._used == len(self._scratch):
            self._scratch.append(np.empty(size))
        elif self._scratch[self._used].size < size:
            self._scratch[self._used] = np.empty(size)
        self._used += 1
        return self._scratch[self._used - 1][:size].reshape(shape)

    def end_statement(self) -> None:
        """Scratch arrays may be used anew."""
        self._used = 0

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self._scratch)

    def number(self, term: Term) -> Array:
        """A term as an array; NumPy is quickest with arrays of no dimension for constants."""
        if not isinstance(term, float):
            return term
        if not term or term != term:  # keys of a dictionary know no -0.0 and no nan
            return np.array(term)
        return self._numbers.setdefault(term, np.array(term))

    def copied(self, function: Callable[..., Any], operands: Sequence[Any], out: Array) -> None:
        """A call of a function that allocates its result, which is copied into `out`."""
        self.call(_copy_result, function, operands, out)

    # Formulas.

    def formula(self, text: str, terms: Mapping[str, Any], out: Array | None = None) -> Term:
        """The calls that compute a formula, into `out` if given; a float where it is constant."""
        return self._into(self._value(_parse(text), terms, out), out)

    def product(self, text: str, terms: Mapping[str, Any], factor: Term, out: Array | None = None) -> Term:
        """The calls that compute a formula times `factor`."""
        chosen = self._chosen(_parse(text), terms)
        factors = [self._value(node, terms, None) for node in _factors(chosen)]
        return self._into(self._product([*factors, factor], out), out)

    def _into(self, term: Term, out: Array | None) -> Term:
        if out is None or term is out:
            return term
        self.call(np.copyto, out, self.number(term))
        return out

    def _product(self, factors: Sequence[Term], out: Array | None) -> Term:
        constant = 1.0
        rest: list[Array] = []
        for factor in factors:
            if isinstance(factor, float):
                constant *= factor
            else:
                rest.append(factor)
        if not rest or constant == 0.0:
            return constant
        if constant == -1.0 and len(rest) == 1:
            return self.apply(np.negative, rest, out)
        if constant != 1.0:
            rest[0] = self.apply(np.multiply, [rest[0], constant], out if len(rest) == 1 else None)
        product = rest[0]
        for k, factor in enumerate(rest[1:], start=2):
            product = self.apply(np.multiply, [product, factor], out if k == len(rest) else None)
        return product

    def apply(self, ufunc: Any, terms: Sequence[Term], out: Array | None = None) -> Array:
        """One call of a ufunc, into `out` or a scratch array."""
        operands = [self.number(term) for term in terms]
        if out is None:
            out = self.scratch(*np.broadcast_shapes(*(operand.shape for operand in operands)))
        if ufunc in (np.maximum, np.minimum):  # whose third argument must be named
            self.call(partial(ufunc, *operands, out=out))
        else:
            self.call(ufunc, *operands, out)
        return out

    def _value(self, node: ast.expr, terms: Mapping[str, Any], out: Array | None) -> Term:
        match node:
            case ast.Constant(value=number):
                return float(number)  # type: ignore[arg-type]
            case ast.Name(id=name):
                found: Term = CONSTANTS[name] if name in CONSTANTS else terms[name]
                return found
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                term = self._value(operand, terms, None)
                return -term if isinstance(term, float) else self.apply(np.negative, [term], out)
            case ast.BinOp(op=ast.Mult()):
                return self._product([self._value(f, terms, None) for f in _factors(node)], out)
            case ast.BinOp(left=left, op=operator, right=right):
                pair = [self._value(left, terms, None), self._value(right, terms, None)]
                ufunc = _UFUNCS[type(operator)]
                if isinstance(pair[0], float) and isinstance(pair[1], float):
                    return float(ufunc(*pair))
                if ufunc is np.divide and isinstance(pair[0], float) and pair[0] == 1.0:
                    return self.apply(np.reciprocal, pair[1:], out)
                return self.apply(ufunc, pair, out)
            case ast.Subscript(value=sequence):  # of all places at once
                return self._value(sequence, terms, out)
            case ast.IfExp():
                return self._value(self._chosen(node, terms), terms, out)
            case ast.Call() if (known := terms.get(ast.unparse(node))) is not None:
                return known  # type: ignore[no-any-return]
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self._function(name, [self._value(a, terms, None) for a in arguments], out)
        raise NotImplementedError(ast.unparse(node))

    def _chosen(self, node: ast.expr, terms: Mapping[str, Any]) -> ast.expr:
        """The side that a condition on constants takes."""
        while isinstance(node, ast.IfExp):
            node = node.body if self._value(node.test, terms, None) else node.orelse
        return node

    def _function(self, name: str, terms: list[Term], out: Array | None) -> Term:
        if all(isinstance(term, float) for term in terms):
            return float(arrays()[name](*terms))
        if name in _KERNELS:
            return _KERNELS[name](self, terms, out)
        return self.by_table(name, terms, out)

    def by_table(self, name: str, terms: Sequence[Term], out: Array | None) -> Array:
        """A function as the table has it for arrays."""
        if out is None:
            out = self.scratch(*np.broadcast_shapes(*(np.shape(term) for term in terms)))
        self.copied(arrays()[name], terms, out)
        return out


def run(calls: Sequence[Call]) -> None:
    """Make the calls."""
    for function, arguments in calls:
        function(*arguments)


def _copy_result(function: Callable[..., Any], operands: Sequence[Any], out: Array) -> None:
    out[...] = function(*operands)


@cache
def _parse(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), *_factors(node.right)]
    return [node]


_UFUNCS: dict[type[ast.operator], Any] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
}

Kernel = Callable[[Calls, list[Any], "Array | None"], Term]


def _ufunc(ufunc: Any) -> Kernel:
    return lambda calls, terms, out: calls.apply(ufunc, terms, out)


def _sqrt(calls: Calls, terms: list[Any], out: Array | None) -> Array:
    root = calls.apply(np.sqrt, terms, out)
    return calls.apply(np.add, [root, 0.0], root)  # 0 for -0.0, so that the slope there is inf


def _relu(calls: Calls, terms: list[Any], out: Array | None) -> Array:
    return calls.apply(np.maximum, [*terms, 0.0], out)


def _step(calls: Calls, terms: list[Any], out: Array | None) -> Array:
    return calls.apply(np.heaviside, [*terms, 0.0], out)


def _softplus(calls: Calls, terms: list[Any], out: Array | None) -> Array:
    return calls.apply(np.logaddexp, [*terms, 0.0], out)


def _sigmoid(calls: Calls, terms: list[Any], out: Array | None) -> Array:
    [x] = terms
    if not calls.careful:
        e = calls.apply(np.exp, [calls.apply(np.negative, [x], out)], out)
        return calls.apply(np.reciprocal, [calls.apply(np.add, [e, 1.0], e)], out)
    e = calls.apply(np.exp, [calls.apply(np.negative, [calls.apply(np.absolute, [x])])])
    below = calls.apply(np.add, [e, 1.0])
    calls.call(_ones_where_positive, x, e)
    return calls.apply(np.divide, [e, below], out)


def _ones_where_positive(x: Array, e: Array) -> None:
    np.copyto(e, 1.0, where=x >= 0.0)


def _power(calls: Calls, terms: list[Any], out: Array | None) -> Term:
    x, n = terms
    if n == 1.0:
        return x  # type: ignore[no-any-return]
    if n == 2.0:
        return calls.apply(np.multiply, [x, x], out)
    if n == -1.0:
        return calls.apply(np.reciprocal, [x], out)
    return calls.apply(np.power, [x, n], out)


def _exponentiate(calls: Calls, terms: list[Any], out: Array | None) -> Array:
    if calls.careful:
        return calls.by_table("exponentiate", terms, out)
    calls.apply(np.log, terms[:1])  # raises the flags of what is no base; np.power knows more of them
    return calls.apply(np.power, terms, out)


def sum_of(calls: Calls, xs: Array, out: Array) -> None:
    """The sum along the first axis, into an array without gaps."""
    if xs.flags.c_contiguous:
        calls.call(np.dot, np.ones(len(xs)), xs.reshape(len(xs), -1), out.reshape(-1))
    else:
        calls.call(np.add.reduce, xs, 0, None, out)


def _sum(calls: Calls, terms: list[Any], out: Array | None) -> Array:
    [xs] = terms
    total = calls.scratch(*xs.shape[1:]) if out is None else out
    sum_of(calls, xs, total)
    return total


def _largest(ufunc: Any) -> Kernel:
    def kernel(calls: Calls, terms: list[Any], out: Array | None) -> Array:
        [xs] = terms
        largest = calls.scratch(*xs.shape[1:]) if out is None else out
        calls.call(ufunc.reduce, xs, 0, None, largest)
        return largest

    return kernel


def logsumexp(calls: Calls, xs: Array, shares: Array, out: Array) -> None:
    """Log-sum-exp as in the table; its slopes, the softmax, into `shares`."""
    m = _greatest(calls, xs)
    d = calls.apply(np.subtract, [xs, m])
    calls.call(np.exp, d, shares)
    rest, total = _others(calls, shares)
    calls.call(np.log1p, rest, rest)
    calls.call(np.add, m, rest, out)
    calls.call(np.divide, shares, total, shares)


def cross_entropy(calls: Calls, ts: Array, xs: Array, shares: Array, out: Array) -> None:
    """Cross-entropy as in the table; the softmax, of which its slopes are made, into `shares`.

    What rounding takes from the differences is put back, so that a small loss is as accurate as a large one.
    """
    m = _greatest(calls, xs)
    d = calls.apply(np.subtract, [xs, m])
    lost = _lost(calls, xs, m, d)
    calls.call(np.exp, d, shares)
    calls.call(np.multiply, lost, shares, lost)
    calls.call(np.add, shares, lost, shares)
    rest, total = _others(calls, shares)
    calls.call(np.log1p, rest, rest)
    calls.call(np.subtract, rest, d, d)
    calls.call(np.multiply, ts, d, d)
    sum_of(calls, d, out)
    calls.call(np.divide, shares, total, shares)


def _greatest(calls: Calls, xs: Array) -> Array:
    m = calls.scratch(*xs.shape[1:])
    calls.call(np.maximum.reduce, xs, 0, None, m)
    return m


def _lost(calls: Calls, xs: Array, m: Array, d: Array) -> Array:
    """What rounding took from d = xs - m, exactly (Knuth's two-sum)."""
    again = calls.apply(np.subtract, [xs, d])
    lost = calls.apply(np.add, [d, again])
    calls.call(np.subtract, xs, lost, lost)
    calls.call(np.subtract, m, again, again)
    calls.call(np.subtract, lost, again, lost)
    return lost


def _others(calls: Calls, powers: Array) -> tuple[Array, Array]:
    """The sum of all powers but the greatest, which is 1, and the sum of all.

    The greatest and its equals are exactly 1: as whole numbers they are added up apart from the
    fractions, so that no small fraction is lost beside the 1 that is left out.
    """
    ones = calls.apply(np.floor, [powers])
    fractions = calls.apply(np.subtract, [powers, ones])
    others, rest = calls.scratch(*powers.shape[1:]), calls.scratch(*powers.shape[1:])
    sum_of(calls, ones, others)
    sum_of(calls, fractions, rest)
    calls.apply(np.subtract, [others, 1.0], others)
    calls.call(np.add, rest, others, rest)
    return rest, calls.apply(np.add, [rest, 1.0], others)


def _ties(calls: Calls, terms: list[Any], out: Array | None) -> Array:
    xs, z = terms
    total = calls.scratch(1, *xs.shape[1:])
    sum_of(calls, _equal(calls, [xs, z], None), total[0])
    return total


def _equal(calls: Calls, terms: list[Any], out: Array | None) -> Array:
    x, y = (calls.number(term) for term in terms)
    if out is None:
        out = calls.scratch(*np.broadcast_shapes(x.shape, y.shape))
    calls.call(partial(np.equal, x, y, out=out, casting="unsafe"))
    return out


_KERNELS: dict[str, Kernel] = {
    **{name: _ufunc(getattr(np, name)) for name in ("exp", "log", "sin", "cos", "tanh", "sign")},
    "abs": _ufunc(np.absolute),
    "sqrt": _sqrt,
    "relu": _relu,
    "step": _step,
    "softplus": _softplus,
    "sigmoid": _sigmoid,
    "power": _power,
    "exponentiate": _exponentiate,
    "equal": _equal,
    "ties": _ties,
    "sum": _sum,
    "max": _largest(np.maximum),
    "min": _largest(np.minimum),
}
