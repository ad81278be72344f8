"""The executor on NumPy: a plan's steps as calls on arrays that are laid out once for a batch size.

Running a batch is making the calls of a list, and then those of another; none of them
allocates an array.
"""

from __future__ import annotations

import numpy as np

from microbp.compiler.backward import Backward
from microbp.compiler.forward import Forward
from microbp.compiler.kernels import run
from microbp.compiler.layout import Layout
from microbp.compiler.plan import Array, Plan


class Executor:
    """The arrays and calls for batches of `size` samples.

    `shared` holds what does not differ from sample to sample, the parameters first, and belongs
    to the program.  After `load` and `run`, `outputs` has a row for each output; `loss` is `seed`
    times the first, summed over the samples, and `gradient` its derivatives in the order of the
    parameters' rows.
    """

    def __init__(
        self, plan: Plan, layout: Layout, shared: Array, size: int, seed: float, careful: bool = False
    ) -> None:
        self.batch: Array | None = None
        self.loss = 0.0
        self._seed = seed
        self._forward = Forward(plan, layout, shared, size, careful)
        self._backward: Backward | None = None
        self._input_rows = layout.row[plan.leaves["input"]]
        self._ones = np.ones(size)
        self.outputs = self._forward.rows(layout.row[plan.outputs], True)

    def load(self, columns: Array) -> None:
        """Take a batch: an array with a row for each input and a column for each sample."""
        self.batch = columns
        self._forward.own[self._input_rows] = columns
        run(self._forward.of_inputs)

    def run(self, backward: bool) -> None:
        """The forward pass over the batch that was loaded, and the backward pass."""
        run(self._forward.of_shared)
        run(self._forward.of_sample)
        self.loss = self._seed * float(np.dot(self.outputs[0], self._ones))
        if backward:
            run(self.prepare_backward().calls.list)

    def prepare_backward(self) -> Backward:
        if self._backward is None:
            self._backward = Backward(self._forward, self._seed)
        return self._backward

    @property
    def gradient(self) -> Array:
        return self.prepare_backward().of_parameters

    def losses(self) -> list[float]:
        """The first output for each sample."""
        losses: list[float] = self.outputs[0].tolist()
        return losses

    def all_finite(self) -> bool:
        """Whether every node is finite, for every sample."""
        return bool(np.isfinite(self._forward.own).all())

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays that grow with the batch, the batch itself among them."""
        batch = len(self._input_rows) * self._ones.nbytes
        passes = self._forward.nbytes + (self._backward.nbytes if self._backward else 0)
        return batch + self._ones.nbytes + passes
