"""Both passes over a recorded graph as data: a record for each node forward, for each edge backward."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from microbp.traversal import topological, unique_names
from microbp.value import Value, check_value, computed

ROW_LIMIT = 200  # records that are printed; all are there to be read


class Forward(NamedTuple):
    """A node of the forward pass: its value, and how it is computed, in names and in numbers.

    `formula` and `numbers` are empty for a leaf, whose value was given.
    """

    node: Value
    name: str
    formula: str
    numbers: str
    value: float

    def __str__(self) -> str:
        return " = ".join(filter(None, [self.name, self.formula, self.numbers, brief(self.value)]))


class Backward(NamedTuple):
    """An edge of the backward pass: what `node`, input number `place` of `consumer`, is sent.

    `contribution` is the local derivative `partial` times the gradient `arriving` at the
    consumer; `total` is what the node's gradient has come to with it.
    """

    node: Value
    consumer: Value
    place: int
    partial: float
    arriving: float
    contribution: float
    total: float


@dataclass(frozen=True, repr=False)
class Steps:
    """Both passes; iterates over the records of the forward pass, then over those of the backward pass."""

    output: Value
    forward: list[Forward]
    backward: list[Backward]

    def __iter__(self) -> Iterator[Forward | Backward]:
        yield from self.forward
        yield from self.backward

    def __len__(self) -> int:
        return len(self.forward) + len(self.backward)

    def __str__(self) -> str:
        names = {record.node: record.name for record in self.forward}
        E = names[self.output]
        return "\n".join(
            [
                "Forward",
                *(f"  {record}" for record in islice(self.forward, ROW_LIMIT)),
                *_more(self.forward),
                f"Backward, from d{E}/d{E} = 1",
                *(f"  {_line(record, names, E)}" for record in islice(self.backward, ROW_LIMIT)),
                *_more(self.backward),
            ]
        )

    __repr__ = __str__


def steps(output: Value) -> Steps:
    """Both passes over the graph of `output`, step by step.

    Forward a record for each node, inputs before what is computed from them; backward one for
    each edge, in the order in which `backward` goes.  The derivatives are those of one pass
    from `output`, whatever any `.grad` holds, and no `.grad` is touched.

    >>> a = Value(3.0, "a")
    >>> b = a * a; b.label = "b"
    >>> steps(b)
    Forward
      a = 3
      b = a * a = 3 * 3 = 9
    Backward, from db/db = 1
      db/da += 3 * db/db = 3 * 1 = 3, now 3
      db/da += 3 * db/db = 3 * 1 = 3, now 6

    Raises TypeError for what is not a Value.
    """
    check_value(output, "steps")
    names = unique_names(output)
    gradients = dict.fromkeys(names, 0.0)
    gradients[output] = 1.0
    backward = []
    for consumer in reversed(computed(output)):
        arriving = gradients[consumer]
        for place, (node, partial) in enumerate(zip(consumer.inputs, consumer.partials)):
            contribution = partial * arriving
            gradients[node] += contribution
            backward.append(Backward(node, consumer, place, partial, arriving, contribution, gradients[node]))
    return Steps(output, [_forward(node, names) for node in topological(output)], backward)


def brief(number: float) -> str:
    """A number as one writes it beside a formula: four significant digits, whole numbers whole.

    >>> brief(0.5), brief(-1 / 3), brief(12345.0)
    ('0.5', '-0.3333', '12345')
    """
    number += 0.0  # without the sign of a negative zero
    return f"{number:.0f}" if number.is_integer() and abs(number) < 1e6 else f"{number:.4g}"


def factor(number: float) -> str:
    """A number as it stands within a formula: in parentheses if it has a sign."""
    text = brief(number)
    return f"({text})" if text.startswith("-") else text


def formula(node: Value, names: Callable[[Value], str]) -> str:
    """How a computed node is computed, its operands called by `names`.

    >>> a = Value(-2.0, "a")
    >>> b = a.tanh() * 3
    >>> formula(b.inputs[0], lambda node: node.label), formula(b.inputs[0], in_number)
    ('tanh(a)', 'tanh(-2)')
    """
    assert node.rule is not None
    text = node.rule.formula([names(o) if isinstance(o, Value) else factor(float(o)) for o in node.operands])
    return bare(text)


def in_number(node: Value) -> str:
    """A node by its value, as it stands within a formula."""
    return factor(node.data)


def bare(formula: str) -> str:
    """A formula without a number's parentheses where a function's stand already: tanh(-2) for tanh((-2))."""
    return re.sub(r"\((\(-[^()]*\))\)", r"\1", formula)


def as_factor(formula: str) -> str:
    """A formula as it stands in a product: in parentheses if it is a sum, a quotient or has a sign.

    >>> as_factor("z * (1 - z)"), as_factor("1 - z * z"), as_factor("-1")
    ('z * (1 - z)', '(1 - z * z)', '(-1)')
    """
    tree = ast.parse(formula, mode="eval").body
    alone = isinstance(tree, (ast.Name, ast.Call, ast.Constant))
    product = isinstance(tree, ast.BinOp) and isinstance(tree.op, (ast.Mult, ast.Pow))
    return formula if alone or product else f"({formula})"


def _forward(node: Value, names: dict[Value, str]) -> Forward:
    if node.rule is None:
        return Forward(node, names[node], "", "", node.data)
    return Forward(node, names[node], formula(node, names.__getitem__), formula(node, in_number), node.data)


def _line(record: Backward, names: dict[Value, str], E: str) -> str:
    node, consumer = names[record.node], names[record.consumer]
    partial = brief(record.partial)
    return (
        f"d{E}/d{node} += {partial} * d{E}/d{consumer} = {partial} * {factor(record.arriving)}"
        f" = {brief(record.contribution)}, now {brief(record.total)}"
    )


def _more(records: Sequence[object]) -> list[str]:
    more = len(records) - ROW_LIMIT
    return [f"  ... and {more:,} more"] if more > 0 else []
