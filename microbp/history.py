"""History: what happened in training, and the parameters along the way if they were recorded."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from microbp.value import Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Loss = Callable[[Any, Any], Value]

MOST_SNAPSHOTS = 200


class Snapshot(NamedTuple):
    """The numbers of the trained parameters after an epoch."""

    epoch: int
    numbers: array[float]


@dataclass(eq=False)
class Record:
    """What `fit(..., record=every)` keeps, so that `explore(history)` can show the training.

    `snapshots` hold the numbers of `parameters`: first as they were before training, then after
    every so many epochs, and last as training left them.  When there are MOST_SNAPSHOTS, every
    second one is dropped and `every` doubles.

    >>> from microbp import fit
    >>> w = Value(0.0, "w")
    >>> history = fit(lambda x: w * x, [1], [1], parameters=[w], epochs=5, record=2, progress=False)
    >>> [(epoch, numbers[0]) for epoch, numbers in history.record.snapshots]
    [(0, 0.0), (2, 1.0), (4, 1.0), (5, 1.0)]
    """

    network: Callable[[Any], Any]
    loss: Loss
    X: list[Any]
    Y: list[Any]
    parameters: list[Value]
    every: int
    snapshots: list[Snapshot] = field(default_factory=list)

    def keep(self, epoch: int) -> None:
        """Keep the parameters as they are now, in place of what was kept of the same epoch."""
        if self.snapshots and self.snapshots[-1].epoch == epoch:
            self.snapshots.pop()
        self.snapshots.append(Snapshot(epoch, array("d", [parameter.data for parameter in self.parameters])))

    def keep_if_due(self, epoch: int) -> None:
        """Keep the parameters if it is the turn of this epoch, and make room if there is none left."""
        if epoch % self.every == 0:
            self.keep(epoch)
        if len(self.snapshots) == MOST_SNAPSHOTS:
            self.every *= 2
            self.snapshots = [snapshot for snapshot in self.snapshots if snapshot.epoch % self.every == 0]

    def finish(self, epochs: int) -> None:
        """Keep the parameters as training left them after so many epochs; a first one cut short counts."""
        if epochs or [parameter.data for parameter in self.parameters] != list(self.snapshots[0].numbers):
            self.keep(max(epochs, 1))

    def __deepcopy__(self, memo: object) -> Record:
        return self  # a function that was trained would keep the old parameters

    def __repr__(self) -> str:
        return f"Record({len(self.snapshots)} snapshots of {len(self.parameters)} parameters)"


@dataclass
class History:
    """What happened in training.

    `loss` has one number for each epoch: the loss of its samples as they were met, before the
    steps they led to.  `validation_loss`, if asked for, is taken after each epoch.  `ended`
    says why training ended: "all epochs", "stop_when" or "interrupted".  `record` holds the
    parameters along the way, if `fit` was asked to record them.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    ended: str = "all epochs"
    record: Record | None = field(default=None, repr=False, compare=False)

    @property
    def epochs(self) -> int:
        """How many epochs were completed."""
        return len(self.loss)

    def plot(self, ax: Axes | None = None, log: bool = False) -> Axes:
        """Draw the loss by epoch, and the validation loss where there is one, by matplotlib.

        Draws on `ax` or a new figure, the loss on a logarithmic scale if `log`; returns the axes.

        >>> from matplotlib.figure import Figure
        >>> ax = History([0.5, 0.3, 0.2]).plot(Figure().subplots())
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('epoch', 'loss')

        Raises ValueError before the first epoch, and with `log` for a loss that is not above 0;
        ImportError where matplotlib is missing.
        """
        from microbp.show.plots import plot_losses

        return plot_losses(self.loss, self.validation_loss, ax, log)

    def __repr__(self) -> str:
        parts = [f"{self.epochs} epoch{'s' if self.epochs != 1 else ''}"]
        parts += [_from_to("loss", self.loss)] if self.loss else []
        parts += [_from_to("validation loss", self.validation_loss)] if self.validation_loss else []
        parts += [f"ended: {self.ended}"] if self.ended != "all epochs" else []
        return f"History({', '.join(parts)})"


def _from_to(name: str, losses: list[float]) -> str:
    return f"{name} {losses[0]:.4g} -> {losses[-1]:.4g}"
