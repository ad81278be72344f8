"""The forward pass of a plan as calls on arrays that are there already."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microbp.compiler.kernels import Call, Calls, Term, cross_entropy, logsumexp, sum_of
from microbp.compiler.layout import Layout, view
from microbp.compiler.plan import Array, Grid, Plan, Step
from microbp.rules import arrays


class Product(NamedTuple):
    """The matrices of a "matrix" step, W (G, n) or (T, G, n) and X (n, B) or (T, n, B).

    `grid` are the nodes of W.  Where a bias and a row of ones could be taken in, they are the
    last column of W and the last row of X; otherwise `bias` is to be added.
    """

    W: Array
    X: Array
    grid: Grid
    bias: Term | None


class Forward:
    """The calls of the forward pass.

    `of_inputs` are to be made after new inputs have come, `of_shared` compute what depends on
    parameters alone, and `of_sample` the rest.
    """

    def __init__(self, plan: Plan, layout: Layout, shared: Array, size: int, careful: bool) -> None:
        self.plan, self.layout, self.flat = plan, layout, shared
        self.own = np.empty((layout.n_own, size))
        self.own[list(layout.ones)] = 1.0
        self.memory = {True: self.own, False: shared[:, None]}
        self.calls = Calls(careful)
        self.of_inputs: list[Call] = []
        self.of_shared: list[Call] = []
        self.of_sample: list[Call] = []
        self.products: dict[int, Product] = {}
        self.masks: dict[int, Array] = {}
        self.known: dict[int, dict[str, Array]] = {}  # what the way back need not compute again, by its text
        self._places: list[NDArray[np.intp]] = []
        self._terms: dict[int, dict[str, Term]] = {}
        self._gathered: dict[tuple[bytes, tuple[int, ...], bool], Array] = {}
        for step in plan.steps:
            self.calls.list = self.of_sample if step.of_sample else self.of_shared
            _STEPS[step.kind](self, step, self.result(step))
            self.calls.end_statement()
        self.calls.list = self.of_sample

    @property
    def nbytes(self) -> int:
        gathered = [array for (_, _, of_sample), array in self._gathered.items() if of_sample]
        known = [array for each in self.known.values() for array in each.values()]
        arrays = [self.own, *gathered, *known, *self.masks.values(), *self._places]
        return sum(array.nbytes for array in arrays) + self.calls.nbytes

    def result(self, step: Step) -> Array:
        """The rows of a step's nodes, which are neighbours."""
        first = int(self.layout.row[step.nodes[0]])
        return self.memory[step.of_sample][first : first + len(step.nodes)]

    def read(self, nodes: Grid) -> Term:
        """The numbers of nodes on a grid: (..., B), or (..., 1) of the parameters alone, or one constant."""
        first = int(nodes.flat[0])
        if first in self.plan.constants and (nodes == first).all():
            return self.plan.constants[first]
        return self.rows(self.layout.row[nodes], bool(self.plan.of_sample[first]))

    def rows(self, rows: Grid, of_sample: bool) -> Array:
        """Rows on a grid, as a view where they are regular, else gathered."""
        return self._view_or_copy(self.memory[of_sample], rows, of_sample)

    def _view_or_copy(self, memory: Array, rows: Grid, of_sample: bool) -> Array:
        seen = view(memory, rows)
        if seen is not None:
            return seen
        key = (rows.tobytes(), (*rows.shape, memory.ndim), of_sample)
        found = self._gathered.get(key)
        if found is None:
            found = self._gathered[key] = np.empty(rows.shape + memory.shape[1:])
            self.calls.call(memory.take, rows, 0, found, "clip")
        return found

    # Steps.

    def map(self, step: Step, out: Array) -> None:
        terms = self.terms(step)
        if step.of_table.own_functions:  # for which there are no kernels
            operands = [terms[name] for name in step.names]
            self.calls.copied(step.of_table.read(arrays())[0], operands, out)
        else:
            self.calls.formula(step.forward, terms, out)

    def terms(self, step: Step) -> dict[str, Term]:
        """The operands of a "map" step by their names in the row."""
        terms = self._terms.get(id(step))
        if terms is None:
            terms = self._terms[id(step)] = dict(zip(step.names, map(self.read, step.operands)))
            if step.holds_number:
                terms[step.names[-1]] = step.number
        return terms

    def lift(self, step: Step, out: Array) -> None:
        self.calls.call(np.copyto, out, self.calls.number(self.read(step.operands[0])))

    def reduce(self, step: Step, out: Array) -> None:
        terms, kernel = self.sequences(step), _WITH_SHARES.get(step.rule)
        if kernel is None or self.calls.careful:
            self.calls.formula(step.forward, terms, out)
            return
        [*_, xs] = terms.values()
        shares = np.empty(xs.shape)
        self.known[id(step)] = {"softmax(xs)": shares}
        kernel(self.calls, *terms.values(), shares, out)

    def sequences(self, step: Step) -> dict[str, Array]:
        """The operands of a "reduce" step by their names in the row."""
        rows = [self.rows(self.layout.row[grid], step.of_sample) for grid in step.operands]
        return dict(zip(step.names, rows))

    def own_row(self, step: Step, out: Array) -> None:
        """A row of one's own over several operands: as the table has it for arrays."""
        self.calls.copied(step.of_table.read(arrays())[0], self.groups(step), out)

    def groups(self, step: Step) -> list[Any]:
        """The operands of a "row" step, a list of arrays for each sequence."""
        groups: list[Any] = []
        for grid in step.operands:
            found = self.rows(self.layout.row[grid], step.of_sample)
            groups.append(list(found) if grid.ndim > 1 else found)
        return [*groups, step.number] if step.holds_number else groups

    def dot(self, step: Step, out: Array) -> None:
        a, b = (self.calls.number(self.read(grid)) for grid in step.operands)
        sum_of(self.calls, self.calls.apply(np.multiply, [a, b]), out)

    def pick(self, step: Step, out: Array) -> None:
        """One number of each column, taken from flat memory; where it is follows from the index."""
        xs, chosen = self.read(step.operands[0]), self.calls.number(self.read(step.operands[1]))
        assert not isinstance(xs, float)
        n, size = xs.shape[0], self.own.shape[1]
        xs = self._in_order(xs)
        place = np.empty(out.shape, dtype=np.intp)
        mask = self.masks[id(step)] = np.empty((n, *out.shape))
        columns = np.arange(out.size).reshape(out.shape)
        self._places += place, columns
        calls = self.calls.list
        given = self._are_inputs(step.operands[1]) and chosen.base is not None  # seen, not gathered
        self.calls.list = self.of_inputs if given else calls
        self.calls.call(partial(np.copyto, place, chosen, casting="unsafe"))
        self.calls.call(partial(np.equal, np.arange(n)[:, None, None], place, out=mask, casting="unsafe"))
        self.calls.call(np.multiply, place, np.array(len(step.nodes) * size), place)
        self.calls.call(np.add, place, columns, place)
        self.calls.list = calls
        self.calls.call(xs.reshape(-1).take, place, 0, out, "clip")

    def _are_inputs(self, nodes: Grid) -> bool:
        return bool(np.isin(nodes, self.plan.leaves["input"]).all())

    def _in_order(self, xs: Array) -> Array:
        """An array of contiguous memory: itself, or a copy made at each pass."""
        if xs.flags.c_contiguous:
            return xs
        copy = np.empty(xs.shape)
        self.calls.call(np.copyto, copy, xs)
        return copy

    def matrix(self, step: Step, out: Array) -> None:
        product = self.products[id(step)] = self._product(step)
        if product.X.ndim == 2:
            self.calls.call(np.dot, product.W, product.X, out)
        else:
            shape = (product.X.shape[0], -1, product.X.shape[2])
            self.calls.call(np.matmul, product.W, product.X, out.reshape(shape))
        if product.bias is not None:
            self.calls.apply(np.add, [out, product.bias], out)

    def _product(self, step: Step) -> Product:
        x, w, *rest = step.operands
        if len(x) > 1:
            W = w[0] if (w == w[0]).all() else w
            X, bias = self.rows(self.layout.row[x], True), self.read(rest[0].ravel()) if rest else None
            return Product(self._view_or_copy(self.flat, self.layout.row[W], False), X, W, bias)
        x, w = x[0], w[0]
        if rest:
            with_ones = self._with_ones(self.layout.row[x])
            with_bias = np.concatenate([w, rest[0].T], axis=1)
            W = view(self.flat, self.layout.row[with_bias])
            regular = view(self.own, with_ones) is not None or view(self.own, self.layout.row[x]) is None
            if W is not None and regular:
                return Product(W, self.rows(with_ones, True), with_bias, None)
        bias = self.read(rest[0][0]) if rest else None
        W = self._view_or_copy(self.flat, self.layout.row[w], False)
        return Product(W, self.rows(self.layout.row[x], True), w, bias)

    def _with_ones(self, rows: Grid) -> Grid:
        """The rows, and one that holds ones: the one behind them, if there is one."""
        behind = int(rows[-1]) + 1
        return np.append(rows, behind if behind in self.layout.ones else 0)


_WITH_SHARES: dict[str, Callable[..., None]] = {"logsumexp": logsumexp, "cross_entropy": cross_entropy}

_STEPS: dict[str, Callable[[Forward, Step, Array], Any]] = {
    "map": Forward.map,
    "lift": Forward.lift,
    "reduce": Forward.reduce,
    "dot": Forward.dot,
    "pick": Forward.pick,
    "row": Forward.own_row,
    "matrix": Forward.matrix,
}
