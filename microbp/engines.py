"""The two ways in which `fit` computes a step: node by node, or compiled for whole batches."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from microbp.finite import check_gradients, computed_outputs
from microbp.history import Loss
from microbp.optim import Optimizer
from microbp.value import Value

if TYPE_CHECKING:
    from microbp.compiler.compiled import Compiled
    from microbp.compiler.plan import Array
    from microbp.compiler.recording import Recording


class Pair(NamedTuple):
    """A sample and its target."""

    number: int  # counted from 1, as people count
    x: Any
    y: Any


class Engine(Protocol):
    """What `fit` asks for."""

    def step(self, batch: Sequence[Pair], epoch: int) -> list[float]:
        """The losses of a batch before a step, and the step: the parameters change by its gradients."""

    def losses(self, pairs: Sequence[Pair], epoch: int) -> list[float]:
        """The losses of the samples that are held out, from which nothing is learned."""


class Eager:
    """Computes sample by sample, each a graph of Values that stays to be looked at until the next.

    `reason` says why the batches are not compiled, if they were to be; it is told once, after
    the first step, as long as that step does not fail for a reason of its own.
    """

    def __init__(
        self,
        network: Callable[[Any], Any],
        loss: Loss,
        trained: Sequence[Value],
        optimizer: Optimizer,
        reduction: str,
    ) -> None:
        self.network, self.loss, self.trained = network, loss, trained
        self.optimizer, self.reduction = optimizer, reduction
        self.reason = ""

    def step(self, batch: Sequence[Pair], epoch: int) -> list[float]:
        before = [parameter.data for parameter in self.trained]
        for parameter in self.trained:
            parameter.grad = 0.0
        weight = 1.0 / len(batch) if self.reduction == "mean" else 1.0
        losses = [self._backward(pair, weight, epoch) for pair in batch]
        self._check_gradients(batch, epoch)
        try:
            self.optimizer.step(self.trained)
        except KeyboardInterrupt:  # perhaps in the middle of it
            for parameter, number in zip(self.trained, before):
                parameter.data = number
            raise
        self._tell_reason()
        return losses

    def losses(self, pairs: Sequence[Pair], epoch: int) -> list[float]:
        return [self._forward(pair, epoch).data for pair in pairs]

    def _backward(self, pair: Pair, weight: float, epoch: int) -> float:
        """One sample forward and backward; its gradients add up in the parameters."""
        E = self._forward(pair, epoch)
        E.backward(weight)
        return E.data

    def _forward(self, pair: Pair, epoch: int) -> Value:
        [E] = computed_outputs(
            lambda: [self.loss(self.network(pair.x), pair.y)], f"epoch {epoch}, sample {pair.number}"
        )
        return E

    def _check_gradients(self, batch: Sequence[Pair], epoch: int) -> None:
        """Refuse gradients that are not finite, naming the sample and the node they come from."""
        bad = next((parameter for parameter in self.trained if not math.isfinite(parameter.grad)), None)
        if bad is None:
            return
        for pair in batch:
            check_gradients(self._forward(pair, epoch), self.trained, f"epoch {epoch}, sample {pair.number}")
        raise FloatingPointError(
            f"epoch {epoch}: the gradients of {len(batch)} samples add up to {bad.grad} at "
            f"{bad.label or 'a parameter'}; the parameters are as they were before this step"
        )

    def _tell_reason(self) -> None:
        if self.reason:
            warnings.warn(
                f"fit goes on with the eager engine, node by node, as this cannot be compiled: {self.reason}",
                stacklevel=4,
            )
            self.reason = ""


class Batches:
    """Computes a batch at once by a compiled program; what it cannot do, or explain, is left to `eager`.

    `columns` are the samples to learn from, and `held_out` those to be measured only.
    """

    def __init__(self, compiled: Compiled, columns: Array, held_out: Array | None, eager: Eager) -> None:
        self.compiled, self.columns, self.held_out, self.eager = compiled, columns, held_out, eager
        self._all = list(range(columns.shape[1]))

    def step(self, batch: Sequence[Pair], epoch: int) -> list[float]:
        columns = self._columns_of(batch)
        with self.compiled.running():
            executor = self.compiled.evaluate(columns, self.eager.reduction)
            if executor is not None:
                self.compiled.step(self.eager.optimizer, executor)
                return executor.losses()
        return self.eager.step(batch, epoch)

    def losses(self, pairs: Sequence[Pair], epoch: int) -> list[float]:
        assert self.held_out is not None
        with self.compiled.running():
            executor = self.compiled.evaluate(self.held_out, "sum", backward=False)
            if executor is not None:
                return executor.losses()
        return self.eager.losses(pairs, epoch)

    def _columns_of(self, batch: Sequence[Pair]) -> Array:
        places = [pair.number - 1 for pair in batch]
        return self.columns if places == self._all else self.columns[:, places]


def compiled_or(eager: Eager, pairs: Sequence[Pair], held_out: Sequence[Pair] | None) -> Engine:
    """An engine for batches, or `eager` where the network, the loss or the samples cannot be compiled.

    Raises what the loss asks of its targets and is not so.
    """
    try:
        from microbp.compiler.compiled import Compiled
        from microbp.compiler.recording import record

        rows = _rows_of(pairs)
        recording = record(_loss_of_sample(eager), [each.shape[1:] for each in rows], eager.trained)
        if not isinstance(recording.outputs, Value):
            return eager  # which refuses what is no loss
        compiled = Compiled(recording)
        columns = _columns_of(rows, recording)
        measured = None if held_out is None else _columns_of(_rows_of(held_out), recording)
    except Exception as error:
        eager.reason = str(error)
        return eager
    try:
        compiled.check_demands(columns)
    except Exception:
        eager.losses(pairs, 1)  # raises the same, of the same sample
        raise
    return Batches(compiled, columns, measured, eager)


def _loss_of_sample(eager: Eager) -> Callable[[Any, Any], Any]:
    return lambda x, t: eager.loss(eager.network(x), t)


def _rows_of(pairs: Sequence[Pair]) -> list[Array]:
    from microbp.compiler.batches import as_rows

    return [as_rows([pair.x for pair in pairs], "X"), as_rows([pair.y for pair in pairs], "Y")]


def _columns_of(rows: Sequence[Array], recording: Recording) -> Array:
    from microbp.compiler.batches import as_columns

    return as_columns(rows, ["X", "Y"], recording.shapes)
