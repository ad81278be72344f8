"""The plan: which array operations compute a batch, found in the normal form of one sample's graph.

Equal operations at one depth become one operation on arrays.  Weighted sums over the same
operands become a matrix product, and products of the same shape at one depth a stack of them;
softmax, means and the like become reductions along an axis.  What depends on parameters alone
is planned apart, to be done once for each batch.

A plan does not say how its numbers are kept or computed: that is an executor's affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microbp.compiler.normal import LEAVES, Normal, normal_form
from microbp.compiler.recording import Recording
from microbp.rules import RULES, Rule

Array = NDArray[np.float64]
Grid = NDArray[np.int64]  # places in a plan's lists of nodes


_SUM_OF_TWO = ["x", "y"]
_SUM = RULES["sum"].formula(_SUM_OF_TWO)
_SUM_PARTIALS: list[str | None] = [*RULES["sum"].slope_formulas(_SUM_OF_TWO)]


@dataclass(eq=False)
class Step:
    """One operation on arrays: what `kind` and `rule` say, for every node of `nodes`.

    `row` is the rule's row of the table, and `number` the plain number that it holds, as a power's
    exponent.

    The operands are grids of nodes whose last axis runs over `nodes`:

    - "map", "lift": for each operand of the rule a grid of shape (G,);
    - "reduce": a grid (n, G) for each sequence of the rule;
    - "pick": a grid (n, G), then the index, (G,);
    - "row": for each operand of the rule a grid, (n, G) for a sequence and (G,) for a single one;
    - "dot": two grids (n, G), for sum_i a_i b_i;
    - "matrix": T products side by side: x (T, n), w (T, G, n), and b (T, G) if there is one;
      `nodes` is then T rows of G, one after another.

    `of_sample` says whether the nodes differ from sample to sample, `trained` whether gradients
    are to be passed through them.
    """

    kind: str
    rule: str
    row: Rule | None
    number: float
    nodes: Grid
    operands: list[Grid]
    of_sample: bool
    trained: bool
    level: int

    @property
    def names(self) -> list[str]:
        """The names that the operands of a "map" or "reduce" have in `forward` and `partials`."""
        return _SUM_OF_TWO if self._is_sum_of_two else self.of_table.parameters

    @property
    def forward(self) -> str:
        """The row of a "map" or "reduce", as text."""
        return _SUM if self._is_sum_of_two else self.of_table.forward

    @property
    def partials(self) -> list[str | None]:
        """The local derivatives along the operands, as text; w, x and 1 of a "matrix", b and a of a "dot"."""
        if self._is_sum_of_two:
            return _SUM_PARTIALS
        if self.row:
            return list(self.row.partials[: len(self.operands)])
        of_kind: dict[str, list[str | None]] = {"lift": ["1"], "dot": ["b", "a"], "matrix": ["w", "x", "1"]}
        return of_kind[self.kind]

    @property
    def of_table(self) -> Rule:
        """The row, of a step that has one."""
        assert self.row is not None
        return self.row

    @property
    def holds_number(self) -> bool:
        """Whether the row's last operand is `number`, and none of `operands`."""
        return not self._is_sum_of_two and len(self.operands) < len(self.of_table.parameters)

    @property
    def _is_sum_of_two(self) -> bool:
        return self.kind == "map" and self.rule == "sum"


@dataclass(eq=False)
class Plan:
    """Steps in an order in which they can be done, those on parameters alone first.

    Nodes are numbered.  `leaves` gives the nodes of each kind of leaf in the order of the
    recording: a node for each input, parameter and fixed Value; `constants` the number of each
    constant.  `outputs` are nodes of the sample; `labels` are the names that nodes were given.
    """

    recording: Recording
    steps: list[Step]
    leaves: dict[str, list[int]]
    constants: dict[int, float]
    outputs: list[int]
    labels: list[str]
    of_sample: NDArray[np.bool_]
    trained: NDArray[np.bool_]
    recorded_operations: int

    @property
    def size(self) -> int:
        """How many nodes there are, leaves included."""
        return len(self.labels)


def plan(recording: Recording) -> Plan:
    """The plan of a recorded graph; nodes that no output needs have no part in it."""
    normal = normal_form(recording)
    needed = _needed(normal)
    buckets: dict[Any, list[int]] = {}
    leaves: dict[str, list[int]] = {kind: [] for kind in LEAVES}
    for k, op in enumerate(normal.ops):
        if op.kind in LEAVES:
            leaves[op.kind].append(k)
        elif needed[k]:
            buckets.setdefault(_alike(normal, k), []).append(k)
    stacks = _in_order(normal, _stacked(normal, buckets))
    return Plan(
        recording,
        [_step(normal, rows) for rows in stacks],
        leaves,
        {k: normal.ops[k].number for k in leaves["constant"]},
        normal.outputs,
        normal.labels,
        np.array(normal.of_sample, dtype=bool),
        np.array(normal.trained, dtype=bool),
        normal.recorded_operations,
    )


def _needed(normal: Normal) -> list[bool]:
    needed = [False] * len(normal.ops)
    for output in normal.outputs:
        needed[output] = True
    for k in range(len(normal.ops) - 1, -1, -1):
        if needed[k]:
            for o in normal.operands[k]:
                needed[o] = True
    return needed


def _alike(normal: Normal, k: int) -> tuple[Any, ...]:
    """What nodes have in common that one array operation can compute."""
    op, operands = normal.ops[k], normal.operands[k]
    place = (normal.of_sample[k], normal.level[k], op.kind, op.own or op.rule, op.size)
    if op.kind == "matrix":  # those over the same x
        return (*place, op.number, operands[: op.size])
    if op.kind == "map":
        own = tuple((normal.of_sample[o], normal.trained[o]) for o in operands)
        return (*place, op.number, own)
    return (*place, op.number, normal.trained[k])


def _stacked(normal: Normal, buckets: dict[Any, list[int]]) -> list[list[list[int]]]:
    """The buckets as rows of nodes: one row each, but matrix products of equal shapes as one stack."""
    found: list[list[list[int]]] = []
    stacks: dict[Any, list[list[int]]] = {}
    for alike, nodes in buckets.items():
        if normal.ops[nodes[0]].kind == "matrix":
            *place, _ = alike
            stack = stacks.setdefault((*place, len(nodes)), [])
            if not stack:
                found.append(stack)
            stack.append(nodes)
        else:
            found.append([nodes])
    return found


def _in_order(normal: Normal, stacks: list[list[list[int]]]) -> list[list[list[int]]]:
    """The stacks as they can be computed one after another, and all within each by the operands.

    So the units of a layer come alike in all steps, on a way back too, where they were made last to
    first.  Parameters are in the order in which they are first read, which is left as it was written.
    """
    stacks.sort(key=lambda rows: (normal.of_sample[rows[0][0]], normal.level[rows[0][0]], rows[0][0]))
    place: dict[int, int] = {}

    def by_operands(node: int) -> list[int]:
        return [place[operand] for operand in normal.operands[node] if operand in place]

    for rows in stacks:
        first = rows[0][0]
        if not normal.of_sample[first]:
            continue
        if normal.ops[first].kind in ("matrix", "dot"):
            for node in chain.from_iterable(rows):
                _order_products(normal, node, place)
        for row in rows:
            row.sort(key=by_operands)
        rows.sort(key=lambda row: by_operands(row[0]))
        for node in chain.from_iterable(rows):
            for each in (*normal.operands[node], node):
                place.setdefault(each, len(place))
    return stacks


def _order_products(normal: Normal, node: int, place: dict[int, int]) -> None:
    """Bring the products that a node sums up into the order of their first factors."""
    n, operands = normal.ops[node].size, normal.operands[node]
    order = sorted(range(n), key=lambda k: place.get(operands[k], -1))
    if order != list(range(n)):
        factors = [operands[k] for k in order] + [operands[n + k] for k in order]
        normal.operands[node] = (*factors, *operands[2 * n :])


def _step(normal: Normal, rows: list[list[int]]) -> Step:
    nodes = [k for row in rows for k in row]
    op = normal.ops[nodes[0]]
    operands = np.array([normal.operands[k] for k in nodes], dtype=np.int64)
    n = op.size
    if op.kind == "matrix":
        stack = operands.reshape(len(rows), -1, operands.shape[1])
        grids = [stack[:, 0, :n], stack[:, :, n : 2 * n]]
        grids += [stack[:, :, 2 * n]] if op.number else []
    elif op.kind in ("reduce", "pick", "dot"):
        columns = operands.T
        grids = [columns[:n]]
        grids += [columns[n]] if op.kind == "pick" else [columns[n:]] if len(columns) > n else []
    elif op.kind == "row":
        row = op.row
        assert row is not None
        groups = row.group([*operands.T, None] if row.place is not None else list(operands.T))
        grids = [np.array(group) for group in groups if group is not None]
    else:
        grids = list(operands.T)
    return Step(
        op.kind,
        op.rule,
        op.row,
        op.number if op.rule else 0.0,
        np.array(nodes, dtype=np.int64),
        [np.ascontiguousarray(grid) for grid in grids],
        normal.of_sample[nodes[0]],
        any(normal.trained[k] for k in nodes),
        normal.level[nodes[0]],
    )
