"""What `Program` and `fit` have in common: a recording with its plan, and the arrays to run it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from microbp.compiler.executor import Executor
from microbp.compiler.layout import Layout
from microbp.compiler.memory import Memory
from microbp.compiler.plan import Array, plan
from microbp.compiler.recording import Recording
from microbp.optim import Optimizer
from microbp.rules import arrays
from microbp.structures import flat
from microbp.traversal import topological
from microbp.value import Value

KEPT_EXECUTORS = 4  # sizes of batches whose arrays are kept


class Compiled:
    """A recording, its plan, and the arrays for the last sizes of batches that it was run with.

    Batches are arrays with a row for each input and a column for each sample.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.plan = plan(recording)
        self.layout = Layout(self.plan)
        shared = np.zeros(self.layout.n_shared)
        shared[self.layout.row[list(self.plan.constants)]] = list(self.plan.constants.values())
        trained = [recording.parameters[k] for k in self.layout.parameters]
        self.data = shared[: len(trained)]
        self.memory = Memory(trained, recording.fixed, shared[: len(trained) + len(recording.fixed)])
        self._shared = shared
        self._executors: dict[tuple[int, str, bool], Executor] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """For the time of a run: the parameters are held, and what is not finite is a FloatingPointError."""
        with self.memory.use(), np.errstate(over="raise", divide="raise", invalid="raise", under="ignore"):
            yield

    def evaluate(self, columns: Array, reduction: str, backward: bool = True) -> Executor | None:
        """Run a batch; None if some number is not finite, which the eager engine can explain.

        A flag that NumPy raises may be false alarm: then the batch is run by careful kernels, and
        every node looked at.
        """
        executor = self._executor(columns.shape[1], reduction, careful=False)
        if executor.batch is not columns:
            executor.load(columns)
        try:
            executor.run(backward)
            return executor if _finite(executor, backward) else None
        except FloatingPointError:
            return self._evaluate_carefully(columns, reduction, backward)

    def _evaluate_carefully(self, columns: Array, reduction: str, backward: bool) -> Executor | None:
        executor = self._executor(columns.shape[1], reduction, careful=True)
        with np.errstate(all="ignore"):
            executor.load(columns)
            executor.run(backward)
            return executor if _finite(executor, backward) and executor.all_finite() else None

    def step(self, optimizer: Optimizer, executor: Executor) -> None:
        """Change the parameters by the gradient of the batch that was run; or, with an error, nothing."""
        memory = self.memory
        own = type(optimizer).step is not Optimizer.step
        with np.errstate(all="ignore"):  # step_arrays refuses what is not finite, with a message
            done = not own and optimizer.step_arrays(memory.trained, self.data, executor.gradient)
        if not done:
            self._step_values(optimizer, executor.gradient.tolist())
            memory.hold()
        self.keep_gradient(executor)

    def keep_gradient(self, executor: Executor) -> None:
        """The gradient of the batch that was run becomes the parameters' `.grad`."""
        if self.memory.gradient is None:
            self.memory.gradient = np.empty_like(executor.gradient)
        np.copyto(self.memory.gradient, executor.gradient)

    def _step_values(self, optimizer: Optimizer, gradient: list[float]) -> None:
        """A step by a rule that is not for arrays."""
        trained = self.memory.trained
        before = [(parameter, parameter.data, parameter.grad) for parameter in trained]
        try:
            for parameter, slope in zip(trained, gradient):
                parameter.grad = slope
            optimizer.step(trained)
        except BaseException:
            for parameter, number, slope in before:
                parameter.data, parameter.grad = number, slope
            raise

    def check_demands(self, columns: Array) -> None:
        """Raise what the function asks of its samples and one of them does not hold."""
        if not self.recording.demands:
            return
        inputs = dict(zip(flat(self.recording.inputs), columns))
        known: dict[Value, Any] = {}
        for demand in self.recording.demands:
            if demand.node not in known:
                with np.errstate(all="ignore"):  # what is not finite is found when the batch is run
                    known[demand.node] = self._numbers(demand.node, inputs)
            numbers = known[demand.node]
            if numbers is None:
                continue
            wrong = np.flatnonzero(
                np.broadcast_to(np.isfinite(numbers) & ~demand.holds(numbers), columns.shape[1:])
            )
            if len(wrong):
                number = float(np.broadcast_to(numbers, columns.shape[1:])[wrong[0]])
                raise demand.error(f"sample {wrong[0] + 1}: {demand.message(number)}")

    def _numbers(self, node: Value, inputs: Mapping[Value, Any]) -> Any:
        """What a node is for every sample, where it depends on the samples alone."""
        found: dict[Value, Any] = {}
        for each in topological(node):
            if each.rule is None:
                if each.traced:
                    found[each] = inputs[each]
                elif each in self.recording.parameters:
                    return None
                else:
                    found[each] = each.data
                continue
            operands = [found[o] if isinstance(o, Value) else float(o) for o in each.operands]
            found[each] = each.rule.read(arrays())[0](*each.rule.group(operands))
        return found[node]

    def bytes_per_sample(self, backward: bool) -> int:
        sizes = []
        for size in (1, 2):
            executor = Executor(self.plan, self.layout, self._shared, size, 1.0)
            if backward:
                executor.prepare_backward()
            sizes.append(executor.nbytes)
        return sizes[1] - sizes[0]

    def _executor(self, size: int, reduction: str, careful: bool) -> Executor:
        key = (size, reduction, careful)
        found = self._executors.pop(key, None)
        if found is None:
            seed = 1.0 / size if reduction == "mean" else 1.0
            found = Executor(self.plan, self.layout, self._shared, size, seed, careful)
            while len(self._executors) >= KEPT_EXECUTORS:
                del self._executors[next(iter(self._executors))]
        self._executors[key] = found
        return found


def _finite(executor: Executor, backward: bool) -> bool:
    if not backward:
        return bool(np.isfinite(executor.outputs).all())
    if not math.isfinite(executor.loss):
        return False
    gradient = executor.gradient  # quick; what is too large to be squared is looked at again
    return math.isfinite(gradient.dot(gradient)) or bool(np.isfinite(gradient).all())
