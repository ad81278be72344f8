"""A recorded graph computed with other numbers: exact fractions, decimals, or SymPy's formulas."""

from __future__ import annotations

import numbers as abstract
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, Overflow
from functools import cache
from typing import Any

from microbp.arguments import described
from microbp.exact.numbers import NoNumber, Numbers, decimals, fractions, plain_floats
from microbp.exact.symbols import symbols
from microbp.traversal import leaves, topological, unique_names
from microbp.value import MOST_INTRODUCED, Value, as_float, check_value, computed, name_of

ROW_LIMIT = 40  # nodes that are printed; all are there to be read
_WIDEST = 40  # characters of a name or formula in the table


@dataclass(frozen=True, repr=False, eq=False)
class Evaluation:
    """The numbers of a graph's nodes, and the derivatives of its output by them, of one kind of number.

    `evaluation[node]` is the number of a node, `value` that of the output; `gradients[node]` is
    d output / d node.  Nothing of it is a part of the graph, whose floats stay what they are.
    """

    output: Value
    numbers: Mapping[Value, Any]
    gradients: Mapping[Value, Any]
    kind: Numbers

    @property
    def value(self) -> Any:
        """The number of the output."""
        return self.numbers[self.output]

    def __getitem__(self, node: Value) -> Any:
        if node not in self.numbers:
            raise KeyError(f"{node!r} is not in the graph that was evaluated")
        return self.numbers[node]

    def __str__(self) -> str:
        names = unique_names(self.output)
        nodes = [*self.numbers]
        shown = nodes if len(nodes) <= ROW_LIMIT else [*nodes[: ROW_LIMIT - 1], self.output]
        rows = [("node", "computed as", "number", "gradient"), *(self._row(node, names) for node in shown)]
        lines = list(_aligned(rows, self.kind.side))
        if len(nodes) > len(shown):
            lines.insert(-1, f"... {len(nodes) - len(shown):,} more nodes ...")
        return "\n".join(lines)

    __repr__ = __str__

    def _row(self, node: Value, names: Mapping[Value, str]) -> tuple[str, ...]:
        numbers = map(self.kind.text, (self.numbers[node], self.gradients[node]))
        return (_cut(names[node]), _cut(_made(node, names.__getitem__)), *numbers)


def evaluate(output: Value, numbers: Mapping[Value, Any]) -> Evaluation:
    """The graph of `output` computed with other numbers, and the derivative by each of its nodes.

    `numbers` gives leaves of the graph their numbers.  Fractions make everything a Fraction,
    Decimals a Decimal, SymPy's symbols and numbers an expression, floats a float; ints go with
    all of them, and with none but ints, or without any, everything is a Fraction.

    >>> from fractions import Fraction
    >>> w, x, t = Value(0.5, "w"), Value(0.3, "x"), Value(1.0, "t")
    >>> E = (w * x - t) ** 2
    >>> E.label = "E"
    >>> exact = evaluate(E, {w: Fraction(1, 2), x: Fraction(1, 3)})
    >>> exact
    node  computed as  number  gradient
    w                     1/2      -5/9
    x                     1/3      -5/6
    t                       1       5/3
    v1    w * x           1/6      -5/3
    v2    v1 - t         -5/6      -5/3
    E     v2 ** 2       25/36         1
    >>> exact.gradients[w] == -2 * (1 - exact[w] * exact[x]) * exact[x]
    True
    >>> from sympy import Symbol
    >>> evaluate(E, {w: Symbol("w"), x: Symbol("x")}).gradients[w]
    x*(2*w*x - 2)

    The graph is run again from its leaves, so that it does not matter whether it is stale, and
    nothing of it is touched.  The leaves that are not given, and the numbers held by operations as
    the 3 of `x * 3`, are the floats they are: 0.1 is 3602879701896397/36028797018963968, so write
    Fraction(1, 10) where a tenth is meant.  Roots and powers of fractions are exact where they are
    fractions.  Decimals are computed with at least 40 digits more than the current decimal context
    has, and rounded to it at the end.  Symbols stand for real numbers, and are best declared so,
    as in `Symbol("x", real=True)`.  The conventions at kinks are those of the table, for symbols
    too once numbers are put in.

    Raises TypeError for numbers of kinds that do not mix, and for an operation whose result is no
    number of the kind, as exp(1/3) is no fraction; ValueError for a number that belongs to no leaf
    of the graph or is not finite; and what the arithmetic raises outside an operation's domain, or
    ZeroDivisionError where a slope is infinite, naming the node.
    """
    check_value(output, "evaluate")
    if output.traced:
        raise TypeError(
            f"evaluate: {output!r} depends on numbers that are not known while a program is compiled; "
            "evaluate a graph that was computed eagerly"
        )
    _check_leaves(output, numbers)
    kind = _kind(numbers)
    with kind.working():
        found = _forward(output, numbers, kind)
        gradients = _backward(output, found, kind)
    results = kind.finished({node: number for node, number in found.items() if node.inputs})
    return Evaluation(output, {**found, **results}, kind.finished(gradients), kind)


# What was given.


def _check_leaves(output: Value, numbers: Mapping[Value, Any]) -> None:
    if not isinstance(numbers, Mapping):
        raise TypeError(
            f"evaluate: a dict that gives leaves their numbers is needed, as in {{x: Fraction(1, 3)}}, "
            f"not {described(numbers)}"
        )
    graph = set(topological(output))
    for node in numbers:
        if not isinstance(node, Value):
            raise TypeError(
                f"evaluate: it is leaves that are given numbers, as in {{x: 2}}, not {described(node)}"
            )
        if node not in graph:
            raise ValueError(
                f"evaluate: {node!r} is not in the graph of {name_of(output)!r}, whose leaves are "
                f"{_some_leaves(output)}"
            )
        if node.inputs:
            raise ValueError(
                f"evaluate: the number of {name_of(node)!r} follows from others, as it is computed; "
                f"give numbers to leaves, which are {_some_leaves(output)}"
            )


def _some_leaves(output: Value) -> str:
    names = [repr(name_of(leaf)) for leaf in leaves(output)]
    return ", ".join(names if len(names) <= 6 else [*names[:6], f"and {len(names) - 6:,} more"])


_KINDS = {"Fraction": fractions, "Decimal": decimals, "SymPy": symbols, "float": plain_floats}


def _kind(numbers: Mapping[Value, Any]) -> Numbers:
    """The kind that the given numbers have in common."""
    examples: dict[str, Value] = {}
    for node, number in numbers.items():
        examples.setdefault(_kind_of(number, f"evaluate, {name_of(node)!r}"), node)
    examples.pop("int", None)
    if "SymPy" in examples:
        examples.pop("Fraction", None)  # of which SymPy makes its own
    if len(examples) > 1:
        came = [f"{described(numbers[node])} for {name_of(node)!r}" for node in examples.values()]
        raise TypeError(
            f"evaluate: numbers of one kind are needed, and there came {' and '.join(came)}; "
            "make them all Fractions, such as Fraction('0.1'), Decimals, SymPy's, or floats"
        )
    return _KINDS[next(iter(examples), "Fraction")]()


def _kind_of(number: Any, where: str) -> str:
    if isinstance(number, Decimal):
        return "Decimal"
    if _is_of_sympy(number):
        return "SymPy"
    if isinstance(number, abstract.Integral):
        return "int"
    if isinstance(number, abstract.Rational):
        return "Fraction"
    as_float(number, where)
    return "float"


def _is_of_sympy(number: object) -> bool:
    """Whether it is an expression of SymPy's, which is not imported to find out."""
    sympy = sys.modules.get("sympy")
    return sympy is not None and isinstance(number, sympy.Expr)


# The two passes.


def _forward(output: Value, numbers: Mapping[Value, Any], kind: Numbers) -> dict[Value, Any]:
    """The number of every node, each after its inputs."""
    read = cache(kind.rows)
    found = {leaf: _number(numbers.get(leaf, leaf.data), kind, leaf) for leaf in leaves(output)}
    for node in computed(output):
        assert node.rule is not None
        forward, _ = read(node.rule)
        operands = _operands(node, found, kind)
        try:
            found[node] = forward(*node.rule.group(operands))
        except (ArithmeticError, ValueError, NoNumber, RecursionError) as error:
            raise _outside(error, _told(node, found, kind), kind, node.rule.domain) from None
    return found


def _backward(output: Value, found: dict[Value, Any], kind: Numbers) -> dict[Value, Any]:
    """d output / d node for every node: the sum of what its consumers send."""
    read = cache(kind.rows)
    sent: dict[Value, list[Any]] = {node: [] for node in found}
    sent[output].append(kind.number(1))
    gradients = dict.fromkeys(found)
    for node in reversed(found):
        try:
            gradients[node] = gradient = kind.total(sent.pop(node))
            if node.rule is not None:
                _, slopes = read(node.rule)
                partials = slopes(found[node], *node.rule.group(_operands(node, found, kind)))
                first = 1 if node.rule.place == 0 else 0  # a slope along a plain number is not sent
                for input, partial in zip(node.inputs, partials[first:]):
                    sent[input].append(partial * gradient)
        except (ArithmeticError, ValueError, NoNumber, RecursionError) as error:
            raise _outside(error, f"a slope of {_told(node, found, kind)}", kind) from None
    return gradients


def _operands(node: Value, found: Mapping[Value, Any], kind: Numbers) -> list[Any]:
    return [found[o] if isinstance(o, Value) else _number(o, kind, node) for o in node.operands]


def _number(number: Any, kind: Numbers, node: Value) -> Any:
    """A number given to a leaf, or held by an operation, as one of the kind."""
    try:
        return kind.number(number)
    except (ArithmeticError, ValueError, TypeError) as error:
        raise type(error)(f"evaluate, {name_of(node)!r}: {error}") from None


def _outside(error: Exception, told: str, kind: Numbers, domain: str = "") -> Exception:
    """The kind of error that the eager engine raises there, with the exact numbers."""
    if isinstance(error, NoNumber):
        return TypeError(f"{told} {kind.lacks}")
    if isinstance(error, RecursionError):
        return RecursionError(f"{told}: the expression is nested too deeply for SymPy")
    if isinstance(error, (OverflowError, Overflow)):
        return OverflowError(f"{told}: the result is too large")
    if not domain:
        return ZeroDivisionError(f"{told} is infinite, and {kind.called} are not")
    return (ZeroDivisionError if isinstance(error, ArithmeticError) else ValueError)(
        f"{told}: it needs {domain}"
    )


# As text.


def _told(node: Value, found: Mapping[Value, Any], kind: Numbers) -> str:
    """An operation, and the numbers and nodes that it was applied to."""
    rule, operands = node.rule, node.operands
    assert rule is not None
    came = [
        f"{kind.text(found[o])} ({_name(o, found, kind)})" if isinstance(o, Value) else str(o)
        for o in operands[:MOST_INTRODUCED]
    ]
    if len(operands) > MOST_INTRODUCED:
        came.append(f"{len(operands) - MOST_INTRODUCED:,} more")
    if len(operands) == len(rule.parameters) > 1:  # the domain speaks of them by these names
        came = [f"{name} = {each}" for name, each in zip(rule.parameters, came)]
    return f"{rule.name} of {' and '.join(came)}"


def _name(node: Value, found: Mapping[Value, Any], kind: Numbers) -> str:
    made = _made(node, lambda input: input.label or kind.text(found[input]))
    if not (node.label or made):
        return "an unnamed leaf"
    return " ".join(filter(None, ["node", node.label and repr(node.label), made and f"= {made}"]))


def _made(node: Value, names: Callable[[Value], str]) -> str:
    """How a node is computed, its operands called by `names`; nothing for a leaf."""
    if node.rule is None:
        return ""
    if len(node.inputs) > 4:
        return f"{node.rule.name} of {len(node.inputs):,} inputs"
    return node.rule.formula([names(o) if isinstance(o, Value) else _factor(str(o)) for o in node.operands])


def _factor(number: str) -> str:
    """A number as it stands within a formula."""
    return f"({number})" if "-" in number or "/" in number else number


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."


def _aligned(rows: Sequence[Sequence[str]], side: str) -> Iterator[str]:
    """The columns of a table: names and formulas at the left, numbers at their own side."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        cells = zip(row, widths, ("<", "<", side, side))
        yield "  ".join(f"{cell:{at}{width}}" for cell, width, at in cells).rstrip()
