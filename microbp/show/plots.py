"""Curves and regions, drawn by matplotlib, which is imported when something is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from microbp.arguments import check_count, counted, described, in_order, shown
from microbp.nn import MLP, Layer, Unit, as_samples, check_network
from microbp.show.style import GREY, INK, NEGATIVE_LINE, POSITIVE_LINE
from microbp.value import Value, as_float

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Violet and orange as in the other pictures; where colours look alike the markers do not.
CLASS_COLOURS = (NEGATIVE_LINE, POSITIVE_LINE, "#00705A", "#2F7FBF", "#7A6A00", "#A3386B")
CLASS_MARKERS = ("o", "^", "s", "D", "v", "P", "X")
_MOST_POINTS = 2000  # along an axis
_WHITE = (0.86, 0.77, 0.68, 0.59)  # in the tints of a region, from its boundary inward

Grid = list[list[float]]  # a number for each point, by x2 and then x1


def plot_losses(
    loss: Sequence[float], validation_loss: Sequence[float] = (), ax: Axes | None = None, log: bool = False
) -> Axes:
    """The loss, and the validation loss where there is one, by epoch, on `ax` or a new figure.

    >>> from matplotlib.figure import Figure
    >>> ax = plot_losses([0.5, 0.3, 0.2], [0.6, 0.4, 0.35], Figure().subplots())
    >>> [line.get_label() for line in ax.lines]
    ['training', 'validation']

    Raises ValueError without a loss, and with `log` for a loss that is not above 0.
    """
    curves = [("training", loss, "-", POSITIVE_LINE), ("validation", validation_loss, "--", NEGATIVE_LINE)]
    if not loss:
        raise ValueError("plot: there is no loss to plot, as no epoch was completed; train first by fit(...)")
    for name, losses, _, _ in curves:
        low = next((epoch for epoch, number in enumerate(losses, 1) if number <= 0.0), None)
        if log and low is not None:
            raise ValueError(
                f"plot: log=True needs losses above 0, and the {name} loss of epoch {low} is "
                f"{losses[low - 1]:g}; plot it with log=False"
            )
    ax = _axes(ax, "plot")
    for name, losses, style, colour in curves:
        if losses:
            marker = "o" if len(losses) == 1 else ""  # one point makes no line
            ax.plot(range(1, len(losses) + 1), losses, style, color=colour, marker=marker, label=name)
    ax.set(xlabel="epoch", ylabel="loss", yscale="log" if log else "linear")
    ax.locator_params(axis="x", integer=True)
    ax.grid(color=GREY, alpha=0.2, linewidth=0.6)
    if validation_loss:
        ax.legend(frameon=False)
    return ax


def plot_decision(
    network: Callable[[Any], Any],
    X: Iterable[Any],
    Y: Iterable[Any],
    ax: Axes | None = None,
    threshold: float | None = None,
    resolution: int = 100,
    padding: float = 0.1,
    names: Sequence[str] = (),
) -> Axes:
    """Which class a network of two inputs gives to each point of the plane, and the samples upon it.

    Classes are told as `accuracy` tells them: with several outputs by the greatest, and a target
    is the number of its class or a list with its greatest entry there; with one output by whether
    it exceeds `threshold`, 0.5 unless given, or 0 where a target is negative.  A region is darker
    the further the output is past the threshold, or past the second greatest output.

    The network is asked at `resolution` points along each axis, in the rectangle around the
    samples widened on each side by `padding` of its width or height.  `names` are those of the
    classes.  Draws on `ax` or a new figure, and returns the axes.  Gradients stay as they are, and
    so does the last pass of a Unit, Layer or MLP; a function of your own is called as it is.

    >>> from matplotlib.figure import Figure
    >>> network = MLP(2, [4, 1], seed=1)
    >>> ax = plot_decision(network, [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], Figure().subplots())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['class 0', 'class 1']

    Raises ValueError for samples that are not two finite numbers, lengths that differ, no samples,
    a class without an output, resolution < 2 or padding < 0; ImportError where matplotlib is missing.
    """
    check_network(network, "plot_decision")
    points, targets = _points(X), _targets(Y)
    if len(points) != len(targets):
        raise ValueError(
            f"plot_decision: X has {counted(len(points), 'sample')} and Y {counted(len(targets), 'target')}; "
            "each sample needs one target"
        )
    if not points:
        raise ValueError("plot_decision: X and Y are empty; the samples say which part of the plane to draw")
    check_count(resolution, "plot_decision: resolution", 2, _MOST_POINTS)
    padding = as_float(padding, "plot_decision: padding")
    if not 0.0 <= padding < math.inf:
        raise ValueError(f"plot_decision: padding is a finite number, at least 0, not {padding}")
    if not in_order(names):
        raise TypeError(f"plot_decision: names, those of the classes, are a list, not {described(names)}")
    names = list(names)
    network = deepcopy(network) if isinstance(network, (Unit, Layer, MLP)) else network
    if threshold is None:
        threshold = 0.0 if any(number < 0.0 for target in targets for number in target) else 0.5
    threshold = as_float(threshold, "plot_decision: threshold")
    if not math.isfinite(threshold):
        raise ValueError(f"plot_decision: threshold is a finite number, not {threshold}")
    n_outputs = len(_outputs(network, points[0]))
    classes = [_class_of(target, number, n_outputs, threshold) for number, target in enumerate(targets, 1)]
    x1s, x2s = (_spread(axis, resolution, padding) for axis in zip(*points))
    outputs = [[_outputs(network, [x1, x2]) for x1 in x1s] for x2 in x2s]
    ax = _axes(ax, "plot_decision")
    _draw_regions(ax, x1s, x2s, _margins(outputs, threshold))
    _draw_samples(ax, points, classes, names)
    ax.locator_params(nbins=7)
    ax.set(xlim=(x1s[0], x1s[-1]), ylim=(x2s[0], x2s[-1]), xlabel="$x_1$", ylabel="$x_2$")
    return ax


def _axes(ax: Axes | None, where: str) -> Axes:
    """`ax`, or the axes of a new figure, which a notebook shows by itself."""
    if ax is not None and not hasattr(ax, "contourf"):
        raise TypeError(f"{where}: ax is an Axes of matplotlib, as plt.subplots()[1] is, not {described(ax)}")
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError:
        raise ImportError(
            'plots are drawn by matplotlib; install it: pip install "microbp[examples]"'
        ) from None
    return pyplot.subplots(figsize=(5.6, 4.0), layout="constrained")[1]


def _draw_regions(ax: Axes, x1s: list[float], x2s: list[float], margins: list[Grid]) -> None:
    widest = max(number for margin in margins for row in margin for number in row) or 1.0
    levels = [widest * step / len(_WHITE) for step in range(len(_WHITE) + 1)]
    for k, margin in enumerate(margins):
        ax.contourf(x1s, x2s, margin, levels, colors=[_tint(_colour(k), white) for white in _WHITE])
        if min(map(min, margin)) < 0.0 < max(map(max, margin)):
            ax.contour(x1s, x2s, margin, [0.0], colors=INK, linewidths=1.0)


def _draw_samples(ax: Axes, points: list[list[float]], classes: list[int], names: Sequence[str]) -> None:
    for k in sorted(set(classes)):
        x1s, x2s = zip(*(point for point, of in zip(points, classes) if of == k))
        ax.scatter(
            x1s,
            x2s,
            s=30,
            color=_colour(k),
            marker=CLASS_MARKERS[k % len(CLASS_MARKERS)],
            edgecolors="white",
            linewidths=0.6,
            label=names[k] if k < len(names) else f"class {k}",
            zorder=3,
        )
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, frameon=False)


def _margins(outputs: list[list[list[float]]], threshold: float) -> list[Grid]:
    """For each class, by how much its output is ahead at each point; a single output counts for class 1."""
    if len(outputs[0][0]) == 1:
        ahead = [[y - threshold for [y] in row] for row in outputs]
        return [[[-y for y in row] for row in ahead], ahead]
    return [
        [[ys[k] - max(ys[:k] + ys[k + 1 :]) for ys in row] for row in outputs]
        for k in range(len(outputs[0][0]))
    ]


def _class_of(target: list[float], number: int, n_outputs: int, threshold: float) -> int:
    if len(target) == n_outputs:
        return int(target[0] > threshold) if n_outputs == 1 else target.index(max(target))
    if len(target) == 1 and target[0] in range(n_outputs):
        return int(target[0])
    came = shown(target[0] if len(target) == 1 else target)
    needed = f"a class from 0 to {n_outputs - 1}, or {n_outputs} numbers" if n_outputs > 1 else "one number"
    raise ValueError(
        f"plot_decision: target {number} is {came}, and a network of {counted(n_outputs, 'output')} "
        f"needs {needed}"
    )


def _points(X: Iterable[Any]) -> list[list[float]]:
    samples = as_samples(X, "plot_decision: X")
    points = [_numbers(x, f"plot_decision: sample {number} of X") for number, x in enumerate(samples, 1)]
    for number, point in enumerate(points, 1):
        if len(point) != 2 or not all(map(math.isfinite, point)):
            raise ValueError(
                f"plot_decision: sample {number} of X is {shown(point)}; "
                "the plane has two axes, so each sample is two finite numbers"
            )
    return points


def _targets(Y: Iterable[Any]) -> list[list[float]]:
    targets = as_samples(Y, "plot_decision: Y")
    return [_numbers(target, f"plot_decision: target {number}") for number, target in enumerate(targets, 1)]


def _outputs(network: Callable[[Any], Any], point: list[float]) -> list[float]:
    return _numbers(network(point), "plot_decision: an output of the network")


def _numbers(given: Any, where: str) -> list[float]:
    """A sample, an output or a target, one or several, as floats."""
    several = given if in_order(given) else [given]
    return [v.data if isinstance(v, Value) else as_float(v, where) for v in several]


def _spread(coordinates: Sequence[float], resolution: int, padding: float) -> list[float]:
    """`resolution` numbers, evenly, a little further than the coordinates reach."""
    low, high = min(coordinates), max(coordinates)
    margin = padding * (high - low) if high > low else 0.5  # all at one place: some room around it
    return [low - margin + (high - low + 2 * margin) * i / (resolution - 1) for i in range(resolution)]


def _colour(k: int) -> str:
    return CLASS_COLOURS[k % len(CLASS_COLOURS)]


def _tint(colour: str, white: float) -> str:
    """
    >>> _tint("#000000", 0.5)
    '#808080'
    """
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(channel + (255 - channel) * white):02X}" for channel in channels)
