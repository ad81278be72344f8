"""The table: what every operation computes, and its local derivatives.

A row is written once, as plain mathematics.  It names its operands, says what it computes
from them (`forward`, whose result is called z), and gives one partial derivative for each
operand.  The text does not know what kind of number it is about: read with floats it runs
the eager engine, with Values it gives graphs that can be differentiated again, with arrays
a whole batch at once, and as text the formula a person writes.

How to read a row: an operand whose name ends in s is a sequence; its partial speaks of one
member by the singular (x for a member of xs, w for its partner in ws, i for its position).
None marks an operand that is always a plain number: no derivative along it exists.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, reduce
from operator import mul
from typing import Any

from microbp.kinds import Arrays, Floats, Kind


@dataclass(frozen=True, eq=False)
class Rule:
    """One row of the table.

    `place` is set on a row that holds one plain number among its operands, as `x * 3` does:
    0 where the number comes first, -1 where it comes last.  A row of your own may bring an
    elementary function of its own name: `functions` has it for each kind of number.  `calls` are
    the rows of such functions that its text calls.

    >>> RULES["tanh"].forward, RULES["tanh"].partials
    ('tanh(x)', ('1 - z * z',))
    >>> RULES["product"].evaluate((3.0, 4.0))
    (12.0, (4.0, 3.0))
    >>> RULES["product"].formula(["w", "x"])
    'w * x'
    """

    name: str
    symbol: str
    operands: str
    forward: str
    partials: tuple[str | None, ...]
    domain: str = ""
    place: int | None = None
    functions: Mapping[str, Any] = field(default_factory=dict)
    calls: tuple[Rule, ...] = ()

    @cached_property
    def parameters(self) -> list[str]:
        """The operands' names in the row: ['x'], ['x', 'y'], ['ws', 'xs', 'b'], ..."""
        return self.operands.split()

    @cached_property
    def sequences(self) -> list[str]:
        """Those of its parameters that are sequences."""
        return [name for name in self.parameters if many(name)]

    def holding(self, place: int) -> Rule:
        """The same row with a plain number as its first (0) or last (-1) operand."""
        return _holding(self, place)

    def group(self, operands: Sequence[Any]) -> list[Any]:
        """The operands dealt out to the row's parameters, a list to each sequence.

        >>> RULES["weighted_sum"].group([1, 2, 3, 4, 5])
        [[1, 2], [3, 4], 5]
        """
        sequences = len(self.sequences)
        if not sequences:
            return list(operands)
        length = (len(operands) - len(self.parameters) + sequences) // sequences
        groups: list[Any] = []
        start = 0
        for name in self.parameters:
            size = length if many(name) else 1
            groups.append(list(operands[start : start + size]) if many(name) else operands[start])
            start += size
        return groups

    def ungroup(self, groups: Sequence[Any]) -> list[Any]:
        """The operands one after another: what `group` takes apart."""
        return [x for name, g in zip(self.parameters, groups) for x in (g if many(name) else [g])]

    def read(self, kind: Mapping[str, Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """The row for one kind of number, `kind` naming its elementary functions.

        Two functions of the grouped operands: forward(x, ...) -> z, and
        slopes(z, x, ...) -> one local derivative for each operand that has one.
        """
        names = ", ".join(self.parameters)
        slopes = ", ".join(self.slopes_source())
        scope = self._scope(kind)
        forward = eval(f"lambda {names}: {self.forward}", scope)
        partials = eval(f"lambda z, {names}: ({slopes},)", scope)
        return forward, partials

    def read_slopes(self, name: str, kind: Mapping[str, Any]) -> Callable[..., list[Any]] | None:
        """The local derivatives along one parameter for one kind of number; None where there is none.

        A function of the grouped operands: slopes(z, places, x, ...), where `places` says which
        members of a sequence they are along.  Other than the slopes of `read` they cost nothing for
        the other operands.
        """
        partial = self.partials[self.parameters.index(name)]
        if partial is None:
            return None
        member = {each[:-1]: f"{each}[i]" for each in self.parameters if many(each) and many(name)}
        own, common = self.apart(partial)
        text = f"[{_write_names(own, member)} {_given(common)} for i in places]"
        return eval(  # type: ignore[no-any-return]
            f"lambda z, places, {', '.join(self.parameters)}: {text}", self._scope(kind)
        )

    def apart(self, partial: str) -> tuple[str, dict[str, str]]:
        """A member's partial with names for what it says of whole sequences, and what they stand for.

        What is common to the members is to be computed once, not once for each.

        >>> RULES["max"].apart("equal(x, z) / ties(xs, z)")
        ('equal(x, z) / common1', {'common1': 'ties(xs, z)'})
        """
        return _apart(partial, tuple(self.sequences))

    @property
    def own_functions(self) -> dict[str, Rule]:
        """The elementary functions of your own that the row's text calls: their rows by name."""
        return {rule.name: rule for rule in (*self.calls, *([self] if self.functions else []))}

    def _scope(self, kind: Mapping[str, Any]) -> dict[str, Any]:
        """What the names in the row's text mean for one kind of number."""
        own: dict[str, Any] = {}
        for name, rule in self.own_functions.items():
            assert isinstance(kind, Kind)
            own[name] = kind.own(rule)
        return {**_PLAIN, **kind, **own, "__builtins__": {}}

    @cached_property
    def on_floats(self) -> tuple[Callable[..., float], Callable[..., tuple[float, ...]]]:
        return self.with_float_literals.read(FLOATS)

    @cached_property
    def with_float_literals(self) -> Rule:
        """The same row with float literals, for which Python's arithmetic is fastest."""
        partials = tuple(partial and _with_float_literals(partial) for partial in self.partials)
        return replace(self, forward=_with_float_literals(self.forward), partials=partials)

    def evaluate(self, numbers: Sequence[float]) -> tuple[float, tuple[float, ...]]:
        """The result and the local derivatives for floats, one for each operand not held.

        Raises what Python's arithmetic raises outside the domain.  A slope may be infinite
        where the value is not: sqrt'(0) is inf.
        """
        forward, slopes = self.on_floats
        groups = self.group(numbers)
        z = forward(*groups)
        try:
            partials = slopes(z, *groups)
        except (ArithmeticError, ValueError):
            partials = self._limits(z, groups)
        if self.place == 0:
            partials = partials[1:]
        elif self.place == -1 and self.partials[-1] is not None:
            partials = partials[:-1]
        return z, partials

    def formula(self, names: Sequence[str]) -> str:
        """What the row computes, written with the operands' names.

        >>> RULES["weighted_sum"].formula(["w1", "w2", "x1", "x2", "b"])
        'w1 * x1 + w2 * x2 + b'
        """
        bound = dict(zip(self.parameters, self.group(names)))
        return _write(self.forward, bound)

    def slope_formulas(self, names: Sequence[str], z: str = "z") -> list[str]:
        """The local derivatives as text, one for each operand that has one.

        >>> RULES["quotient"].slope_formulas(["a", "b"], z="c")
        ['1 / b', '-c / b']
        """
        bound = {"z": z, **dict(zip(self.parameters, self.group(names)))}
        formulas = []
        for name, partial in zip(self.parameters, self.partials):
            if partial is None:
                continue
            if not many(name):
                formulas.append(_write(partial, bound))
                continue
            for i in range(len(bound[name])):
                member = {each[:-1]: bound[each][i] for each in self.parameters if many(each)}
                formulas.append(_write(partial, {**bound, **member, "i": str(i)}))
        return formulas

    def slopes_source(self) -> Iterator[str]:
        """The slopes as Python source, members of a tuple display, in the names of the row's operands."""
        sequences = self.sequences
        for name, partial in zip(self.parameters, self.partials):
            if partial is None:
                continue
            if not many(name):
                yield partial
            elif f"{partial}s" in sequences:
                yield f"*{partial}s"
            elif _constant(partial):
                yield f"*({partial},) * len({name})"
            else:
                members = ", ".join(each[:-1] for each in sequences)
                own, common = self.apart(partial)
                walk = f"for i, ({members},) in enumerate(zip({', '.join(sequences)}))"
                yield f"*[{own} {_given(common)} {walk}]"

    def _limits(self, z: float, groups: list[Any]) -> tuple[float, ...]:
        """The slopes where Python's arithmetic raises and IEEE 754's gives the limit."""
        import numpy as np

        _, slopes = self.read(arrays())
        with np.errstate(all="ignore"):
            found = tuple(
                float(slope)
                for slope in slopes(
                    np.float64(z + 0.0),  # a zero's sign is not a side to come from: sqrt'(-0.0) is inf too
                    *(list(map(np.float64, g)) if isinstance(g, list) else np.float64(g) for g in groups),
                )
            )
        if any(map(math.isnan, found)) and not math.isnan(z):
            raise ValueError("a local derivative has no limit")
        return found


def many(name: str) -> bool:
    """Whether a row's operand of this name is a sequence."""
    return name.endswith("s")


@cache
def _holding(rule: Rule, place: int) -> Rule:
    return replace(rule, place=place)


# fmt: off
RULES = {rule.name: rule for rule in [
    #    name              symbol      operands   forward               partials, one for each operand
    Rule("sum",            "Σ",        "xs",      "sum(xs)",            ("1",)),
    Rule("difference",     "−",        "x y",     "x - y",              ("1", "-1")),
    Rule("product",        "×",        "x y",     "x * y",              ("y", "x")),
    Rule("quotient",       "÷",        "x y",     "x / y",              ("1 / y", "-z / y"), "y != 0"),
    Rule("negation",       "−",        "x",       "-x",                 ("-1",)),
    Rule("power",          "^",        "x n",     "power(x, n)",        ("n * power(x, n - 1) if n else 0", None),
         "x > 0, or x = 0 with n >= 0, or x < 0 with a whole n"),
    Rule("exponentiation", "^",        "x y",     "exponentiate(x, y)", ("y * z / x", "z * log(x)"), "x > 0"),
    Rule("exp",            "exp",      "x",       "exp(x)",             ("z",)),
    Rule("log",            "log",      "x",       "log(x)",             ("1 / x",), "x > 0"),
    Rule("sqrt",           "√",        "x",       "sqrt(x)",            ("1 / (2 * z)",), "x >= 0"),
    Rule("sigmoid",        "σ",        "x",       "sigmoid(x)",         ("z * (1 - z)",)),
    Rule("tanh",           "tanh",     "x",       "tanh(x)",            ("1 - z * z",)),
    Rule("relu",           "relu",     "x",       "relu(x)",            ("step(x)",)),
    Rule("softplus",       "softplus", "x",       "softplus(x)",        ("sigmoid(x)",)),
    Rule("abs",            "abs",      "x",       "abs(x)",             ("sign(x)",)),
    Rule("sin",            "sin",      "x",       "sin(x)",             ("cos(x)",), "a finite x"),
    Rule("cos",            "cos",      "x",       "cos(x)",             ("-sin(x)",), "a finite x"),
    Rule("max",            "max",      "xs",      "max(xs)",            ("equal(x, z) / ties(xs, z)",)),
    Rule("min",            "min",      "xs",      "min(xs)",            ("equal(x, z) / ties(xs, z)",)),
    Rule("logsumexp",      "log Σ exp", "xs",     "logsumexp(xs)",      ("softmax(xs)[i]",)),
    Rule("cross_entropy",  "cross-entropy", "ts xs", "cross_entropy(ts, xs)",
         ("-log_softmax(xs)[i]", "softmax(xs)[i] * sum(ts) - t")),
    Rule("pick",           "pick",     "xs n",    "pick(xs, n)",        ("equal(i, n)", None)),
    Rule("weighted_sum",   "Σ",        "ws xs b", "dot(ws, xs) + b",    ("x", "w", "1")),
    # locally constant: what the slopes of relu, abs and max are made of, so that these differentiate again
    Rule("step",           "step",     "x",       "step(x)",            ("0",)),
    Rule("sign",           "sign",     "x",       "sign(x)",            ("0",)),
    Rule("equal",          "=",        "x y",     "equal(x, y)",        ("0", "0")),
]}
# fmt: on


BUILT_IN = frozenset(RULES)  # their names; rows of your own are added by operations.py


# The elementary functions, for floats and for arrays; Values have theirs in functions.py.


def _sum(xs: Sequence[float]) -> float:
    return sum(xs, -0.0)  # which, unlike 0, leaves every number as it is: -0.0 too


def _exponentiate(x: float, y: float) -> float:
    if x <= 0.0:
        raise ValueError("math domain error")
    return math.pow(x, y)


def _sigmoid(x: float) -> float:
    e = math.exp(-abs(x))  # at most 1: it cannot overflow
    return 1.0 / (1.0 + e) if x >= 0.0 else e / (1.0 + e)


def _softplus(x: float) -> float:
    return _relu(x) + math.log1p(math.exp(-abs(x)))


def _relu(x: float) -> float:
    return 0.0 if x <= 0.0 else x


def _step(x: float) -> float:
    return x if x != x else float(x > 0.0)


def _sign(x: float) -> float:
    return x if x != x else float((x > 0.0) - (x < 0.0))


def _max(xs: Sequence[float]) -> float:
    return math.nan if any(map(math.isnan, xs)) else max(xs)


def _min(xs: Sequence[float]) -> float:
    return math.nan if any(map(math.isnan, xs)) else min(xs)


def _powers(xs: Sequence[float], m: float) -> list[float]:
    """exp(x - m) for each x, m the greatest of them, with what rounding takes from x - m."""
    found: list[float] = []
    for x in xs:
        d = x - m
        power, m_again = math.exp(d), x - d
        lost = (x - (d + m_again)) - (m - m_again)
        found.append(power + power * lost if power else 0.0)
    return found


def _excess(xs: Sequence[float]) -> tuple[float, float]:
    """The greatest x, and by how much log-sum-exp exceeds it: 0 where it is not finite."""
    m = _max(xs)
    if not math.isfinite(m):
        return m, 0.0
    others = _powers(xs, m)
    others.remove(1.0)  # the greatest's own, which log1p adds without rounding
    return m, math.log1p(math.fsum(others))


def _logsumexp(xs: Sequence[float]) -> float:
    m, rest = _excess(xs)
    return m + rest


def _softmax(xs: Sequence[float]) -> list[float]:
    terms = _powers(xs, _max(xs))
    total = math.fsum(terms)
    return [term / total for term in terms]


def _log_softmax(xs: Sequence[float]) -> list[float]:
    m, rest = _excess(xs)
    return [x - m - rest for x in xs]


def _cross_entropy(ts: Sequence[float], xs: Sequence[float]) -> float:
    m, rest = _excess(xs)
    # halves, since a difference of finite numbers need not be finite
    return sum((2.0 * (t * (m / 2.0 - x / 2.0)) + t * rest for t, x in zip(ts, xs) if t), 0.0)


def _pick(xs: Sequence[float], n: float) -> float:
    return xs[int(n)]


def _equal(x: float, y: float) -> float:
    return float(x == y)


def _ties(xs: Sequence[float], z: float) -> float:
    return float(sum(x == z for x in xs))


def _dot(ws: Sequence[float], xs: Sequence[float]) -> float:
    products: Iterator[float] = map(mul, ws, xs)
    return sum(products)


FLOATS = Floats(
    "floats",
    {
        "exp": math.exp,
        "log": math.log,
        "sqrt": math.sqrt,
        "sin": math.sin,
        "cos": math.cos,
        "tanh": math.tanh,
        "power": math.pow,
        "exponentiate": _exponentiate,
        "sigmoid": _sigmoid,
        "softplus": _softplus,
        "relu": _relu,
        "step": _step,
        "sign": _sign,
        "abs": abs,
        "sum": _sum,
        "max": _max,
        "min": _min,
        "logsumexp": _logsumexp,
        "softmax": _softmax,
        "log_softmax": _log_softmax,
        "cross_entropy": _cross_entropy,
        "pick": _pick,
        "equal": _equal,
        "ties": _ties,
        "dot": _dot,
    },
)

# What elementary functions are made of.
PARTS = {"powers": _powers, "excess": _excess}


@cache
def arrays() -> Arrays:
    """NumPy's elementary functions, for arrays that broadcast; NumPy is imported when first asked for."""
    import numpy as np

    def exponentiate(x: Any, y: Any) -> Any:
        refused = np.less_equal(x, 0)
        return np.where(refused, np.nan, np.power(np.where(refused, np.nan, x), y))  # as nan ** 0 is 1

    def sigmoid(x: Any) -> Any:
        e = np.exp(-np.abs(x))
        return np.where(x >= 0, 1.0, e) / (1.0 + e)

    def softplus(x: Any) -> Any:
        return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))

    def total(xs: Sequence[Any]) -> Any:
        return reduce(np.add, xs)

    def largest(xs: Sequence[Any]) -> Any:
        return reduce(np.maximum, xs)

    def powers(xs: Sequence[Any]) -> tuple[Any, Any, Any]:
        """The greatest m, exp(x - m) for each x, and which of them is m's own."""
        stack = np.stack(np.broadcast_arrays(*xs)).astype(float)
        top = np.argmax(stack, axis=0)[None]
        m = np.take_along_axis(stack, top, axis=0)
        with np.errstate(invalid="ignore", over="ignore"):
            d = stack - m
            power, m_again = np.exp(d), stack - d
            lost = (stack - (d + m_again)) - (m - m_again)
            return m[0], np.where(power > 0.0, power + power * lost, power), top

    def excess(xs: Sequence[Any]) -> tuple[Any, Any]:
        """The greatest x, and by how much log-sum-exp exceeds it: 0 where it is not finite."""
        m, terms, top = powers(xs)
        np.put_along_axis(terms, top, 0.0, axis=0)
        return m, np.where(np.isfinite(m), np.log1p(terms.sum(axis=0)), 0.0)

    def logsumexp(xs: Sequence[Any]) -> Any:
        return total(excess(xs))

    def softmax(xs: Sequence[Any]) -> Any:
        _, terms, _ = powers(xs)
        return terms / terms.sum(axis=0)

    def log_softmax(xs: Sequence[Any]) -> Any:
        m, rest = excess(xs)
        with np.errstate(invalid="ignore"):
            return np.stack([x - m - rest for x in xs])

    def cross_entropy(ts: Sequence[Any], xs: Sequence[Any]) -> Any:
        m, rest = excess(xs)
        with np.errstate(invalid="ignore"):
            terms = [2.0 * (t * (m / 2.0 - x / 2.0)) + t * rest for t, x in zip(ts, xs)]
        return total([np.where(np.equal(t, 0.0), 0.0, term) for t, term in zip(ts, terms)])

    def pick(xs: Sequence[Any], n: Any) -> Any:
        stack = np.stack(np.broadcast_arrays(*xs))
        index = np.broadcast_to(np.asarray(n, dtype=int), stack.shape[1:])
        return np.take_along_axis(stack, index[None], axis=0)[0]

    def equal(x: Any, y: Any) -> Any:
        return np.equal(x, y) * 1.0

    return Arrays(
        "arrays",
        {
            "exp": np.exp,
            "log": np.log,
            "sqrt": lambda x: np.sqrt(x) + 0.0,  # 0 for -0.0, so that the slope there is inf
            "sin": np.sin,
            "cos": np.cos,
            "tanh": np.tanh,
            "power": np.power,
            "exponentiate": exponentiate,
            "sigmoid": sigmoid,
            "softplus": softplus,
            "relu": lambda x: np.maximum(x, 0.0),
            "step": lambda x: np.heaviside(x, 0.0),
            "sign": np.sign,
            "abs": np.abs,
            "sum": total,
            "max": largest,
            "min": lambda xs: reduce(np.minimum, xs),
            "logsumexp": logsumexp,
            "softmax": softmax,
            "log_softmax": log_softmax,
            "cross_entropy": cross_entropy,
            "pick": pick,
            "equal": equal,
            "ties": lambda xs, z: total([equal(x, z) for x in xs]),
            "dot": lambda ws, xs: total([w * x for w, x in zip(ws, xs)]),
        },
    )


CONSTANTS = {"pi": math.pi, "e": math.e}
_PLAIN = {"len": len, "zip": zip, "enumerate": enumerate, **CONSTANTS}


# Rows as text.


@cache
def _apart(partial: str, sequences: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    reader = _Common(sequences)
    own = reader.visit(deepcopy(_parse(partial)))
    return ast.unparse(own), {name: text for text, name in reader.found.items()}


class _Common(ast.NodeTransformer):
    """Puts names for the calls that speak of whole sequences, and of no member."""

    def __init__(self, sequences: tuple[str, ...]) -> None:
        self.sequences = {*sequences}
        self.of_a_member = {"i", *(name[:-1] for name in sequences)}
        self.found: dict[str, str] = {}

    def visit_Call(self, node: ast.Call) -> ast.expr:
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        if not names & self.sequences or names & self.of_a_member:
            return ast.Call(node.func, [self.visit(argument) for argument in node.args], [])
        return _name(self.found.setdefault(ast.unparse(node), f"common{len(self.found) + 1}"))


def _given(common: Mapping[str, str]) -> str:
    return " ".join(f"for {name} in [{text}]" for name, text in common.items())


def _write(row: str, bound: Mapping[str, Any]) -> str:
    """A row's text with each operand replaced by its name, or its sequence of names."""
    tree = _Writer(bound).visit(deepcopy(_parse(row)))
    return ast.unparse(tree)


@cache
def _parse(row: str) -> ast.expr:
    return ast.parse(row, mode="eval").body


def _write_names(row: str, names: Mapping[str, str]) -> str:
    """A row's text with some names replaced by others, or by what Python reads them from."""
    tree = deepcopy(_parse(row))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
    return ast.unparse(tree)


def _name(text: str) -> ast.expr:
    return ast.Name(id=text, ctx=ast.Load())


def _constant(row: str) -> bool:
    return not any(isinstance(node, ast.Name) for node in ast.walk(_parse(row)))


class _FloatLiterals(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        assert isinstance(node.value, (int, float))
        return ast.Constant(float(node.value))


def _with_float_literals(row: str) -> str:
    return ast.unparse(_FloatLiterals().visit(deepcopy(_parse(row))))


def _number(node: ast.expr) -> float | None:
    try:
        return float(ast.unparse(node))
    except ValueError:
        return None


class _Writer(ast.NodeTransformer):
    """Binds names, and writes sums, weighted sums and powers with their signs."""

    def __init__(self, bound: Mapping[str, Any]) -> None:
        self.bound = bound

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return _name(str(self.bound.get(node.id, node.id)))

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left: ast.expr = self.visit(node.left)
        right: ast.expr = self.visit(node.right)
        if isinstance(node.op, ast.Add) and _number(right) == 0.0:
            return left  # a weighted sum without a bias
        return ast.BinOp(left, node.op, right)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        assert isinstance(node.func, ast.Name)
        sequences = [self.bound.get(a.id) if isinstance(a, ast.Name) else None for a in node.args]
        several = [isinstance(members, list) for members in sequences]
        arguments = [
            [_name(name) for name in members] if isinstance(members, list) else [self.visit(argument)]
            for argument, members in zip(node.args, sequences)
        ]
        match node.func.id:
            case "sum":
                return _chain(arguments[0])
            case "dot":
                return _chain([ast.BinOp(w, ast.Mult(), x) for w, x in zip(*arguments)])
            case "power" | "exponentiate":
                base, exponent = _base(arguments[0][0]), _exponent(arguments[1][0])
                return base if _number(exponent) == 1.0 else ast.BinOp(base, ast.Pow(), exponent)
        if sum(several) > 1:  # which would else run into one another
            return ast.Call(node.func, [ast.List(each, ast.Load()) for each in arguments], [])
        return ast.Call(node.func, [part for each in arguments for part in each], [])

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        chosen: ast.expr = self.visit(node.body if _number(self.visit(node.test)) != 0 else node.orelse)
        return chosen


def _base(node: ast.expr) -> ast.expr:
    """The base of a power, which needs parentheses if it is a negative number."""
    return _name(f"({ast.unparse(node)})") if (_number(node) or 0) < 0 else node


def _exponent(node: ast.expr) -> ast.expr:
    """The exponent of a power's slope, n - 1, as the number it is where n is one."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        n, one = _number(node.left), _number(node.right)
        if n is not None and one is not None:
            return _name(f"{n - one:.15g}")
    return node


def _chain(terms: list[ast.expr]) -> ast.expr:
    return reduce(lambda left, right: ast.BinOp(left, ast.Add(), right), terms)
