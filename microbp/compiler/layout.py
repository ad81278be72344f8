"""Where the numbers of a plan are kept, so that matrices are views and not copies.

Every node is a row.  What differs from sample to sample has a row of the batch in one array,
(rows, B); what does not has one number in another, (rows,), the parameters first.  The nodes of
a step are neighbours.  A unit's weights and its bias are neighbours too, and a row of ones
stands behind what weights are multiplied with, so that U = [W b] @ [Z; 1] is one product, and
dE/d[W b] = D @ [Z; 1].T another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from microbp.compiler.plan import Array, Grid, Plan, Step
from microbp.structures import flat


class Layout:
    """A row for each node of a plan.

    `parameters` lists the parameters' places in the recording in the order of their rows,
    `ones` the rows of the sample's array that hold ones; row 0 is one of them.
    """

    def __init__(self, plan: Plan) -> None:
        self.row = np.full(plan.size, -1, dtype=np.int64)
        self.ones = {0}
        self.parameters = _order_of_parameters(plan)
        self.n_shared = self._place_shared(plan)
        self.n_own = self._place_own(plan)

    def _place_shared(self, plan: Plan) -> int:
        steps = [step.nodes for step in plan.steps if not step.of_sample]
        nodes = np.concatenate(
            [
                np.array(plan.leaves["parameter"], dtype=np.int64)[self.parameters],
                np.array([*plan.leaves["fixed"], *plan.constants], dtype=np.int64),
                *steps,
            ]
        )
        self.row[nodes] = np.arange(len(nodes))
        return len(nodes)

    def _place_own(self, plan: Plan) -> int:
        weighted = {int(step.operands[0][0, -1]) for step in plan.steps if _has_bias(step)}
        row = 1
        for nodes in [*_arguments(plan), *(step.nodes for step in plan.steps if step.of_sample)]:
            self.row[nodes] = np.arange(row, row + len(nodes))
            row += len(nodes)
            if len(nodes) and int(nodes[-1]) in weighted:
                self.ones.add(row)
                row += 1
        return row


def view(memory: Array, rows: Grid) -> Array | None:
    """The rows of `memory` on a grid as a view, if they are regularly spaced along each axis; else None.

    Not where they fall: NumPy 1.26 finds no right minimum along such an axis.
    """
    first = int(rows.flat[0])
    if rows.size == 1:
        return memory[first : first + 1].reshape(rows.shape + memory.shape[1:])
    steps = [
        int(rows.take(1, axis).flat[0]) - first if length > 1 else 0 for axis, length in enumerate(rows.shape)
    ]
    if min(steps) < 0:
        return None
    regular = first + sum(np.ix_(*(step * np.arange(length) for step, length in zip(steps, rows.shape))))
    if not np.array_equal(rows, regular):
        return None
    if steps == [1]:
        return memory[first : first + len(rows)]
    strides = [step * memory.strides[0] for step in steps]
    return as_strided(memory[first:], rows.shape + memory.shape[1:], (*strides, *memory.strides[1:]))


def distinct(rows: Grid) -> bool:
    """Whether no row comes twice."""
    return rows.size == 1 or len(np.unique(rows)) == rows.size


def _has_bias(step: Step) -> bool:
    return step.kind == "matrix" and len(step.operands) == 3


def _arguments(plan: Plan) -> list[Grid]:
    """The input nodes, argument by argument."""
    inputs = np.array(plan.leaves["input"], dtype=np.int64)
    ends = np.cumsum([len(flat(structure)) for structure in plan.recording.inputs])
    return np.split(inputs, ends[:-1])


def _order_of_parameters(plan: Plan) -> list[int]:
    """The order of the recording, unless the matrices would not be regular in it: then matrix by matrix."""
    place = np.full(plan.size, -1, dtype=np.int64)
    place[plan.leaves["parameter"]] = np.arange(len(plan.leaves["parameter"]))
    grids = [grid for step in plan.steps if step.kind == "matrix" for grid in _weights(step, place)]
    positions = np.arange(len(plan.leaves["parameter"]))
    if all(view(positions.astype(float), grid) is not None for grid in grids):
        return list(range(len(positions)))
    order: dict[int, None] = {}
    for grid in sorted(grids, key=lambda grid: -grid.size):
        entries = grid.ravel().tolist()
        if not any(entry in order for entry in entries):
            order.update(dict.fromkeys(entries))
    order.update(dict.fromkeys(positions.tolist()))
    return list(order)


def _weights(step: Step, place: NDArray[Any]) -> list[Grid]:
    """The parameters' places in each matrix of a step, a unit's bias behind its weights."""
    weights = place[step.operands[1]]
    if _has_bias(step) and (place[step.operands[2]] >= 0).all():
        weights = np.concatenate([weights, place[step.operands[2]][:, :, None]], axis=2)
    return [grid for grid in weights if (grid >= 0).all()]
