"""The backward pass of a plan as calls on arrays that are there already.

From the last step to the first, each hands its gradient times its local derivatives to its
operands.  What comes first to a row is written there, what comes later is added; a gradient
that is one and the same number for all samples, as that of the loss is, stays a number and is
multiplied into the next formula; and where the local derivative is 1 and nobody else
contributes, the operand's gradient is the same memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from microbp.compiler.forward import Forward
from microbp.compiler.kernels import Calls, Term, sum_of
from microbp.compiler.layout import distinct, view
from microbp.compiler.plan import Array, Grid, Step
from microbp.rules import arrays

Make = Callable[["Array | None"], Term]  # the calls for a contribution, into an array if one is given


class Backward:
    """The calls of the backward pass; `of_parameters` are its results, in the order of the parameters' rows.

    The gradient that it starts from is `seed`, for the plan's first output and every sample.
    """

    def __init__(self, forward: Forward, seed: float) -> None:
        self.forward, self.plan = forward, forward.plan
        plan, layout = forward.plan, forward.layout
        size = forward.own.shape[1]
        self.calls = Calls(forward.calls.careful)
        self.own = np.zeros((layout.n_own, size))
        self.flat = np.zeros(layout.n_shared)
        self.memory = {True: self.own, False: self.flat[:, None]}
        self.ones = np.ones(size)
        self.row = np.full(plan.size, -1, dtype=np.int64)
        self.row[plan.leaves["parameter"]] = layout.row[plan.leaves["parameter"]]
        self._is_parameter = self.row >= 0
        self._free = {True: 0, False: len(layout.parameters)}
        self._step_of: dict[int, Step] = {int(k): step for step in plan.steps for k in step.nodes}
        self._pending = self._contributions()
        self._reached = np.zeros(plan.size, dtype=bool)
        self._constant = np.full(plan.size, np.nan)
        self.of_parameters = self.flat[: len(layout.parameters)]
        self._deliver(np.array(plan.outputs[:1]), lambda out: seed, constant=seed)
        for step in reversed(plan.steps):
            if step.trained and self._reached[step.nodes].any():
                _STEPS[step.kind](self, step, self._gradient(step))
                self.calls.end_statement()

    @property
    def nbytes(self) -> int:
        return self._free[True] * self.own.strides[0] + self.ones.nbytes + self.calls.nbytes

    def _contributions(self) -> Any:
        """How many contributions each node's gradient is going to have."""
        to = [np.array(self.plan.outputs[:1])]
        for step in self.plan.steps:
            for grid, partial in zip(step.operands, step.partials):
                if step.trained and partial not in (None, "0"):
                    entries = grid.ravel()
                    to.append(entries[:1] if (entries == entries[0]).all() else entries)
        return np.bincount(np.concatenate(to), minlength=self.plan.size)

    def _gradient(self, step: Step) -> Term:
        """The gradient of a step's nodes, (G, B) or (G, 1); a number where it is the same for all."""
        constants = self._constant[step.nodes]
        known = ~np.isnan(constants)
        if known.all() and (constants == constants[0]).all():
            return float(constants[0])
        rows = self._rows(step.nodes)
        memory = self.memory[step.of_sample]
        memory[rows[known]] = constants[known, None]
        seen = view(memory, rows)
        assert seen is not None  # the rows of a step are given to all its nodes at once
        return seen

    def _rows(self, nodes: Grid) -> Grid:
        """The rows of nodes' gradients; where there are none yet, all of a step's nodes get some."""
        for node in nodes[self.row[nodes] < 0].tolist():
            if self.row[node] >= 0:
                continue
            step = self._step_of.get(node)
            neighbours = step.nodes[self.row[step.nodes] < 0] if step else np.array([node])
            of_sample = bool(self.plan.of_sample[node])
            first = self._free[of_sample]
            self._free[of_sample] += len(neighbours)
            self.row[neighbours] = np.arange(first, first + len(neighbours))
        return self.row[nodes]

    # Delivering.

    def _deliver(
        self,
        nodes: Grid,
        make: Make,
        constant: float | None = None,
        same_as: Grid | None = None,
        flat: bool = False,
    ) -> None:
        """Hand a contribution to the gradients of nodes on a grid.

        `make` makes the calls that compute it; if it is known to be a `constant`, or the gradient of
        the nodes `same_as`, none may be needed.  It has an axis for the samples behind those of the
        grid, unless `flat`.
        """
        only = bool((self._pending[nodes] == 1).all()) and distinct(nodes)
        if only and constant is not None:
            self._constant[nodes] = constant
            self._reached[nodes] = True
            parameters = nodes[self._is_parameter[nodes]]
            self.flat[self.row[parameters]] = constant  # for good: nothing else comes there
            return
        if only and same_as is not None and self._is_a_step(nodes):
            self.row[nodes] = self.row[same_as]
            self._reached[nodes] = True
            return
        memory = self.flat if flat else self.memory[bool(self.plan.of_sample[nodes.flat[0]])]
        rows = self._rows(nodes)
        target = view(memory, rows) if distinct(rows) else None
        if target is None:
            self._scatter(memory, nodes, rows, make)
        elif self._reached[nodes].any():
            self._clear(memory, nodes)
            self.calls.apply(np.add, [target, make(None)], target)
        else:
            term = make(target)
            if term is not target:
                self.calls.call(np.copyto, target, self.calls.number(term))
        self._reached[nodes] = True

    def _deliver_total(self, nodes: Grid, make: Make, constant: float | None = None) -> None:
        """Hand the sum over the samples of a contribution to nodes of the parameters alone."""
        size = self.own.shape[1]
        if constant is not None:
            sum_over_samples = constant * size
            self._deliver(nodes, lambda out: sum_over_samples, sum_over_samples)
            return

        def total(out: Array | None) -> Term:
            each = self._whole(make(None), (*nodes.shape, size)).reshape(-1, size)
            if out is None or not out.flags.c_contiguous:
                out = self.calls.scratch(*nodes.shape, 1)
            self.calls.call(np.dot, each, self.ones, out.reshape(-1))
            return out

        self._deliver(nodes, total)

    def _is_a_step(self, nodes: Grid) -> bool:
        step = self._step_of.get(int(nodes.flat[0]))
        return step is not None and np.array_equal(step.nodes, nodes)

    def _clear(self, memory: Array, nodes: Grid) -> None:
        """Zero the gradients that nothing has reached yet, of nodes to which something will be added."""
        fresh = ~self._reached[nodes]
        if not fresh.any():
            return
        rows = np.unique(self.row[nodes[fresh]])
        runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
        if len(runs) > 8:
            self.calls.call(memory.__setitem__, rows, 0.0)
            return
        for run in runs:
            self.calls.call(memory[int(run[0]) : int(run[-1]) + 1].fill, 0.0)

    def _scatter(self, memory: Array, nodes: Grid, rows: Grid, make: Make) -> None:
        """Add a contribution to rows that are not regular, or of which some come several times."""
        self._clear(memory, nodes)
        whole = self._whole(make(None), rows.shape + memory.shape[1:])
        each = whole.reshape(rows.size, *memory.shape[1:])
        order = np.argsort(rows, axis=None, kind="stable")
        unique, starts = np.unique(rows.ravel()[order], return_index=True)
        ordered = self.calls.scratch(*each.shape)
        self.calls.call(each.take, order, 0, ordered, "clip")
        if len(unique) < rows.size:
            sums = self.calls.scratch(len(unique), *memory.shape[1:])
            self.calls.call(np.add.reduceat, ordered, starts, 0, None, sums)
            ordered = sums
        target = view(memory, unique)
        if target is not None:
            self.calls.apply(np.add, [target, ordered], target)
            return
        before = self.calls.scratch(*ordered.shape)
        self.calls.call(memory.take, unique, 0, before, "clip")
        self.calls.apply(np.add, [before, ordered], before)
        self.calls.call(memory.__setitem__, unique, before)

    def _whole(self, term: Term, shape: tuple[int, ...]) -> Array:
        """A term as an array of this shape, without gaps."""
        if not isinstance(term, float) and term.shape == shape and term.flags.c_contiguous:
            return term
        whole = self.calls.scratch(*shape)
        self.calls.call(np.copyto, whole, self.calls.number(term))
        return whole

    def _array(self, g: Term, step: Step) -> Array:
        return self._whole(g, self.forward.result(step).shape)

    # Steps.

    def map(self, step: Step, g: Term) -> None:
        terms: dict[str, Any] = {**self.forward.terms(step), "z": self.forward.result(step)}
        for grid, name, partial in zip(step.operands, step.names, step.partials):
            if partial in (None, "0") or not self.plan.trained[grid[0]]:
                continue
            constant = {"1": 1.0, "-1": -1.0}.get(partial or "")
            product = constant * g if constant is not None and isinstance(g, float) else None
            make = self._times(step, name, partial or "", terms, g)
            if step.of_sample and not self.plan.of_sample[grid[0]]:
                self._reduce_to_one(grid, make, product, self._deliver_total)
            else:
                same = step.nodes if constant == 1.0 and not isinstance(g, float) else None
                self._reduce_to_one(grid, make, product, self._deliver, same)

    def _times(self, step: Step, name: str, partial: str, terms: dict[str, Any], g: Term) -> Make:
        if step.of_table.own_functions:
            return self._by_rule(step, name, terms, g)
        return self._slope_times(partial, terms, g)

    def _by_rule(self, step: Step, name: str, terms: dict[str, Any], g: Term) -> Make:
        """The contribution where the row's functions have no kernels: as the row itself computes it."""
        slopes = step.of_table.read_slopes(name, arrays())
        assert slopes is not None
        operands = [terms["z"], [0], *(terms[each] for each in step.of_table.parameters)]

        def make(out: Array | None) -> Term:
            result = self.calls.scratch(*self.forward.result(step).shape)
            self.calls.copied(lambda *given: slopes(*given)[0], operands, result)
            return self.calls.apply(np.multiply, [result, g], out)

        return make

    def _reduce_to_one(
        self, grid: Grid, make: Make, constant: float | None, deliver: Callable[..., None], same: Any = None
    ) -> None:
        """Deliver to one node the sum of its contributions where all of the grid is that node."""
        if len(grid) == 1 or not (grid == grid[0]).all():
            deliver(grid, make, constant) if same is None else deliver(grid, make, constant, same)
            return

        def total(out: Array | None) -> Term:
            term = make(None)
            if isinstance(term, float):
                return term * len(grid)
            width = self.own.shape[1] if deliver == self._deliver_total else term.shape[-1]
            result = self.calls.scratch(1, width)
            sum_of(self.calls, self._whole(term, (len(grid), width)), result[0])
            return result

        deliver(grid[:1], total, None if constant is None else constant * len(grid))

    def lift(self, step: Step, g: Term) -> None:
        grid = step.operands[0]
        self._reduce_to_one(grid, lambda out: g, g if isinstance(g, float) else None, self._deliver_total)

    def reduce(self, step: Step, g: Term) -> None:
        sequences = self.forward.sequences(step)
        members = {name[:-1]: xs for name, xs in sequences.items()}
        known = self.forward.known.get(id(step), {})
        terms = {**sequences, **members, **known, "z": self.forward.result(step)[None]}
        each = g if isinstance(g, float) else g[None]
        for grid, partial in zip(step.operands, step.partials):
            if self.plan.trained[grid].any():
                constant = g if partial == "1" and isinstance(g, float) else None
                self._deliver(grid, self._slope_times(partial or "", terms, each), constant)

    def _slope_times(self, partial: str, terms: dict[str, Any], g: Term) -> Make:
        return lambda out: self.calls.product(partial, terms, g, out)

    def own_row(self, step: Step, g: Term) -> None:
        slopes = step.of_table.read(arrays())[1]
        z = self.forward.result(step)
        found = self.calls.scratch(sum(grid.size for grid in step.operands) // len(z), *z.shape)
        self.calls.copied(
            lambda *operands: _stacked(slopes(*operands), z), [z, *self.forward.groups(step)], found
        )
        start = 0
        for grid in step.operands:
            own = found[start : start + len(grid)] if grid.ndim > 1 else found[start]
            start += len(grid) if grid.ndim > 1 else 1
            if self.plan.trained[grid].any():
                each = g if isinstance(g, float) or grid.ndim == 1 else g[None]
                self._deliver(grid, self._product_with(own, each))

    def dot(self, step: Step, g: Term) -> None:
        each = g if isinstance(g, float) else g[None]
        a, b = step.operands
        for grid, other in ((a, b), (b, a)):
            if self.plan.trained[grid].any():
                self._deliver(grid, self._product_with(self.forward.read(other), each))

    def _product_with(self, other: Term, g: Term) -> Make:
        return lambda out: self.calls.product("y", {"y": other}, g, out)

    def pick(self, step: Step, g: Term) -> None:
        each = g if isinstance(g, float) else g[None]
        self._deliver(step.operands[0], self._product_with(self.forward.masks[id(step)], each))

    def matrix(self, step: Step, g: Term) -> None:
        product = self.forward.products[id(step)]
        x, _, *rest = step.operands
        D = self._array(g, step)
        if len(x) > 1:
            D = D.reshape(len(x), -1, D.shape[1])
        if self.plan.trained[x].any():
            W = product.W[..., : x.shape[1]]
            self._deliver(x if len(x) > 1 else x[0], self._into(np.swapaxes(W, -1, -2), D))
        if self.plan.trained[product.grid].any():
            make = self._into(D, np.swapaxes(product.X, -1, -2))
            if D.ndim == 3 and product.grid.ndim == 2:  # the same weights for all
                make = self._summed(make, product.grid.shape)
            self._deliver(product.grid, make, flat=True)
        if product.bias is not None and self.plan.trained[rest[0]].any():
            self._reduce_to_one(rest[0].ravel(), lambda out: self._array(g, step), None, self._deliver_total)

    def _into(self, a: Array, b: Array) -> Make:
        """The matrix product a b."""

        def make(out: Array | None) -> Array:
            if out is None or not out.flags.c_contiguous:
                out = self.calls.scratch(*b.shape[:-2], a.shape[-2], b.shape[-1])
            self.calls.call(np.dot if b.ndim == 2 else np.matmul, a, b, out)
            return out

        return make

    def _summed(self, make: Make, shape: tuple[int, ...]) -> Make:
        def total(out: Array | None) -> Array:
            if out is None or not out.flags.c_contiguous:
                out = self.calls.scratch(*shape)
            each = make(None)
            assert not isinstance(each, float)
            sum_of(self.calls, each, out)
            return out

        return total


def _stacked(slopes: Sequence[Any], z: Array) -> Array:
    return np.stack([np.broadcast_to(slope, z.shape) for slope in slopes])


_STEPS: dict[str, Callable[[Backward, Step, Term], None]] = {
    "map": Backward.map,
    "lift": Backward.lift,
    "reduce": Backward.reduce,
    "dot": Backward.dot,
    "pick": Backward.pick,
    "row": Backward.own_row,
    "matrix": Backward.matrix,
}
