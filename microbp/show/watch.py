"""`watch`: one page that shows a training: the loss, the network's numbers epoch by epoch, its surface.

Everything is computed here, from the parameters that were recorded; the page only shows it.
"""

from __future__ import annotations

import math
import numbers
import reprlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from typing import Any, TypeVar

from microbp.arguments import described
from microbp.history import History, Record, Snapshot
from microbp.show import builtin, style, units_view
from microbp.show.page import Page, asset, page
from microbp.show.plots import CLASS_COLOURS
from microbp.show.sketch import Box
from microbp.show.style import cell, font, table
from microbp.traversal import FoundUnit, consumers, derivatives, topological, units
from microbp.value import Value

MOST_FRAMES, MOST_SAMPLES, MOST_DOTS, MOST_LOSSES = 60, 40, 400, 1000
MOST_NUMBERS = 200_000  # of the samples' passes in one page
MOST_WEIGHTS = 1000  # more are not drawn
MOST_STEPS = 12_000_000  # products of weights to compute the surfaces, some two seconds
RESOLUTIONS = 20, 40

LEVELS = 10  # shades of each class in a surface
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"  # one for each shade
_WIDEST = -1.23456e-10  # a number that takes as much room as any

T = TypeVar("T")
Reference = tuple[str, Any]  # where the page finds a number: what kind of list, and the place in it
Slot = tuple[Reference, str]  # a number in the picture, and by which scale its ground is coloured


def watch(history: History) -> Page:
    """A page that shows the training that `history` tells of, epoch by epoch.

    It has the curve of the loss and a slider over the recorded epochs; for a chosen sample the
    unit view with the weights, outputs and deltas of that epoch; and for networks of two inputs
    the outputs over the plane.  At most 60 epochs and 40 samples are taken, evenly.

    The samples run through the network anew, so the units' last pass is another one afterwards;
    the numbers and gradients of the parameters stay as they are.

    >>> from microbp import MLP, datasets, fit
    >>> history = fit(MLP(2, [2, 1], seed=1), *datasets.xor(), epochs=20, record=5, progress=False)
    >>> watch(history)
    <Page 'Training, epoch by epoch'; see it in a notebook, with .show(), or with .save('page.html')>

    Raises TypeError for what is not a History, and ValueError for one that recorded nothing.
    """
    if not isinstance(history, History):
        raise TypeError(f"watch: a History is needed, as fit(...) returns it, not {described(history)}")
    if history.record is None:
        raise ValueError(
            "explore: this history has no parameters to show, only losses; "
            "train with fit(..., record=1) to keep those of every epoch, or record=10 of every 10th"
        )
    record = history.record
    with _put_back(record.parameters):
        replay = _Replay(record)
        data, drawn = replay.data(), replay.svg
    curves = [("training", history.loss), ("validation", history.validation_loss)]
    data["curves"] = [_curve(name, losses, data["epochs"]) for name, losses in curves if losses]
    body = asset("watch.html").replace("<!-- picture -->", drawn)
    return page("Training, epoch by epoch", body, asset("watch.js"), asset("watch.css"), data, height=900)


def _curve(name: str, losses: Sequence[float], epochs: Sequence[int]) -> dict[str, Any]:
    """Points of a curve, and the losses of the recorded epochs: 0 is before training and has none."""
    points = [[epoch, _short(loss)] for epoch, loss in enumerate(losses, 1)]
    at = [_short(losses[epoch - 1]) if 0 < epoch <= len(losses) else None for epoch in epochs]
    return {"name": name, "points": evenly(points, MOST_LOSSES), "at": at}


def evenly(things: Sequence[T], most: int) -> list[T]:
    """At most `most` of the things, evenly, the first and the last among them.

    >>> evenly("abcdefg", 3), evenly("abc", 3), evenly("abc", 1)
    (['a', 'd', 'g'], ['a', 'b', 'c'], ['a'])
    """
    if len(things) <= most:
        return list(things)
    return [things[k * (len(things) - 1) // max(most - 1, 1)] for k in range(most)]


@contextmanager
def _put_back(nodes: Iterable[Value]) -> Iterator[None]:
    """Afterwards the nodes have the numbers and gradients that they have now."""
    before = [(node, node.data, node.grad) for node in nodes]
    try:
        yield
    finally:
        for node, data, gradient in before:
            node.data, node.grad = data, gradient


@dataclass(frozen=True)
class _Sample:
    number: int  # counted from 1
    x: Any
    t: Any


class _Pass:
    """One sample through the network and the loss, and its derivatives."""

    def __init__(self, record: Record, sample: _Sample) -> None:
        predicted = record.network(sample.x)
        self.outputs = _values(predicted)
        self.E = record.loss(predicted, sample.t)

    @cached_property
    def units(self) -> list[FoundUnit]:
        return units(self.E)

    @cached_property
    def gradients(self) -> dict[Value, float]:
        return derivatives(self.E)

    @cached_property
    def outside(self) -> list[Value]:
        """What the unit view shows beside the units, as its boxes are numbered."""
        inside = {node for unit in self.units for node in (unit.u, *unit.inner)}
        given = [input for unit in self.units for input in unit.inputs]
        return [node for node in dict.fromkeys([*given, self.E]) if node not in inside]

    @property
    def shown(self) -> list[Value]:
        """The nodes that the unit view shows, in an order that is the same in every pass."""
        return [*(node for unit in self.units for node in (unit.u, unit.z)), *self.outside]

    def same_units(self, other: _Pass) -> bool:
        """Whether both passes went through the same units, so that one picture serves for both."""
        mine, others = ([(u.weights, u.bias) for u in of.units] for of in (self, other))
        kinds = [[bool(node.inputs) for node in of.outside] for of in (self, other)]
        return mine == others and kinds[0] == kinds[1]


class _Replay:
    """The recorded training run again: in some epochs, some samples.

    A pass is a list of numbers: E, the outputs, then u, z and delta of each unit, then what else
    the picture shows.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.frames = evenly(record.snapshots, MOST_FRAMES)
        self.all = [_Sample(k, x, t) for k, (x, t) in enumerate(zip(record.X, record.Y), 1)]
        self._set(self.frames[0])
        passes = [_Pass(record, sample) for sample in evenly(self.all, MOST_SAMPLES)]
        self.first = passes[0]
        self.n_outputs = len(self.first.outputs)
        self.picture, self.svg, self.note = None, "", _no_picture(passes)
        if not self.note:
            self.picture = _Picture(self.first, self.n_outputs, set(record.parameters))
            self.svg = self.picture.svg()
        length = len(self._numbers(self.first))
        most = max(1, MOST_NUMBERS // (len(self.frames) * length))
        self.samples = evenly(self.all, min(MOST_SAMPLES, most))
        self.surface = _Surface.of(record, self.n_outputs, len(self.frames))

    def data(self) -> dict[str, Any]:
        """What the page's script is given."""
        picture = self.picture
        classes = [_class_of(sample.t, self.n_outputs, self.threshold) for sample in self.samples]
        samples = [_described(sample, k) for sample, k in zip(self.samples, classes)]
        frames = [self._frame(snapshot) for snapshot in self.frames]
        given = [_Pass(self.record, sample) for sample in self.samples] if picture else []
        for sample, run in zip(samples, given):
            sample["given"] = [_short(node.data) for node in run.outside]
        return {
            "error": style.plain(self.first.E.label) or "E",
            "epochs": [snapshot.epoch for snapshot in self.frames],
            "frames": frames,
            "samples": samples,
            "outputs": self.n_outputs,
            "colours": CLASS_COLOURS,
            "picture": picture.data if picture else None,
            "note": self.note,
            "surface": self.surface.data(self._dots()) if self.surface else None,
        }

    @cached_property
    def threshold(self) -> float:
        return _threshold(self.record.Y)

    def _set(self, snapshot: Snapshot) -> None:
        for parameter, number in zip(self.record.parameters, snapshot.numbers):
            parameter.data = number

    def _frame(self, snapshot: Snapshot) -> dict[str, Any]:
        self._set(snapshot)
        passes = [self._numbers(_Pass(self.record, sample)) for sample in self.samples]
        self._take_surface()
        weights = [_short(weight.data) for weight in self.picture.parameters] if self.picture else []
        return {"parameters": weights, "passes": passes}

    def _take_surface(self) -> None:
        """The surface of this frame; none at all if the network cannot be asked at every point."""
        try:
            if self.surface:
                self.surface.take()
        except (ArithmeticError, ValueError):
            self.surface = None

    def _numbers(self, run: _Pass) -> list[float]:
        found = [run.E.data, *(y.data for y in run.outputs)]
        if self.picture and run.same_units(self.first):
            found += self.picture.numbers(run)
        return [_short(x) for x in found]

    def _dots(self) -> list[tuple[float, float, int, int]]:
        """Samples in the plane: where, of which class, and which of the chosen ones (or -1)."""
        chosen = {sample.number: k for k, sample in enumerate(self.samples)}
        others = [sample for sample in evenly(self.all, MOST_DOTS) if sample.number not in chosen]
        return [
            (
                *_point(sample.x),
                _class_of(sample.t, self.n_outputs, self.threshold),
                chosen.get(sample.number, -1),
            )
            for sample in (*others, *self.samples)
        ]


def _no_picture(passes: Sequence[_Pass]) -> str:
    """Why the units cannot be drawn; empty if they can."""
    first = passes[0]
    weights = sum(len(unit.weights) for unit in first.units)
    if not first.units:
        return "No units were found in the network, so there is no picture of them."
    if weights > MOST_WEIGHTS or len(first.units) + len(first.outside) > style.MOST_BOXES:
        return f"The network has {weights:,} weights, more than the {MOST_WEIGHTS:,} that can be drawn here."
    if not all(run.same_units(first) for run in passes[1:]):
        return "Not all samples take the same way through the network, so there is no one picture of it."
    return ""


# The picture of the units.


class _Picture:
    """The unit view with room for any numbers, and where each of its numbers is found."""

    def __init__(self, run: _Pass, n_outputs: int, trained: set[Value]) -> None:
        self.run = run
        found = run.units
        leaves = [leaf for unit in found for leaf in (*unit.weights, unit.bias) if leaf is not None]
        self.parameters = list(dict.fromkeys([*leaves, *(node for node in run.outside if node in trained)]))
        self.start = 1 + n_outputs  # of the units' numbers in a pass
        with _put_back(topological(run.E)):
            for node in topological(run.E):
                node.data = node.grad = _WIDEST
            self.sketch = units_view.draw([run.E], found)
        self.sketch.legend = []
        self._leave_formulas_out()
        boxes = self.sketch.boxes.values()
        self.passed_on = [run.shown.index(node) for box in boxes if _is_link(box) for _, node in box.rows]
        users = consumers(run.E)
        inner = {node for unit in found for node in (unit.u, *unit.inner)}
        weights = dict.fromkeys(weight for unit in found for weight in unit.weights)
        self.loose = [weight for weight in weights if not inner.issuperset(users[weight])]
        self.values, self.gradients = self._references()

    def svg(self) -> str:
        return builtin.svg(self.sketch, "The units of the network")

    def numbers(self, run: _Pass) -> list[float]:
        """What the picture shows of a pass, beside E and the outputs; `_references` keeps its order."""
        gradient = run.gradients
        numbers = [x for unit in run.units for x in (unit.u.data, unit.z.data, gradient[unit.u])]
        numbers += [node.data for node in run.outside if node.inputs]
        numbers += [gradient[run.shown[k]] for k in self.passed_on]
        return numbers + [gradient[weight] for weight in self.loose]

    def _references(self) -> tuple[dict[Value, Reference], dict[Value, Reference]]:
        """Where the page finds the number of each node shown, and its gradient."""
        next_in_pass = (("pass", place) for place in count(self.start))
        values: dict[Value, Reference] = {}
        gradients: dict[Value, Reference] = {}
        products: defaultdict[Value, list[tuple[Reference, Reference]]] = defaultdict(list)
        for unit in self.run.units:
            values[unit.u], values[unit.z], gradients[unit.u] = islice(next_in_pass, 3)
        for k, node in enumerate(self.run.outside):
            values[node] = next(next_in_pass) if node.inputs else ("given", k)
        values |= {leaf: ("parameter", k) for k, leaf in enumerate(self.parameters)}
        for unit in self.run.units:
            for weight, source in zip(unit.weights, unit.inputs):
                products[weight].append((gradients[unit.u], values[source]))
        gradients |= {weight: ("sum", terms) for weight, terms in products.items()}
        gradients |= zip((self.run.shown[k] for k in self.passed_on), next_in_pass)
        gradients |= zip(self.loose, next_in_pass)
        return values, gradients

    @cached_property
    def data(self) -> dict[str, Any]:
        """Boxes and their numbers, lines and their weights."""
        numbered = len(self.run.units) <= units_view.MOST_NUMBERED
        deltas = {f"unit-u{k}": self.gradients[unit.u] for k, unit in enumerate(self.run.units)}
        boxes = self.sketch.boxes.values()
        return {
            "boxes": {f"{box.role}-{box.id}": self._slots(box) for box in boxes if box.rows},
            "discs": {} if numbered else deltas,  # without numbers its delta colours each unit
            "lines": self._lines(),
            "thinnest": 1.0 if numbered else 0.2,
            "coloured": "w0" not in self.sketch.boxes,
        }

    def _leave_formulas_out(self) -> None:
        """What is computed outside the units by its name only: the formula's numbers are one sample's."""
        box_of = {box.node: box for box in self.sketch.boxes.values() if box.role == "unit"}
        for node in self.run.outside:
            if node.inputs:
                called = style.name(node.label) or ("<I>E</I>" if node is self.run.E else "<I>y</I>")
                shown = font(f"{called} = {style.number(_WIDEST)}", style.VALUE)
                box = box_of[node]
                box.label = table([cell(font(f"<B>{called}</B>", size=13)), cell(shown)], cellpadding="3")
                box.rows = [("value", node)]

    def _slots(self, box: Box) -> list[Slot]:
        """What the last rows of a box show, from top to bottom."""
        scale = "gradient" if _is_link(box) else "slope" if box.role == "pill" else "delta"
        slots: list[Slot] = []
        for what, *shown in box.rows:
            if what == "value":
                slots.append((self.values[shown[0]], ""))
            elif what == "gradient":
                slots.append((self.gradients[shown[0]], scale))
            else:
                u, z = shown
                slots.append((("sum", [(self.gradients[u], self.values[z])]), scale))
        return slots

    def _lines(self) -> list[dict[str, Any]]:
        """Each weight's line in the picture, which may be in two parts."""
        place = {leaf: k for k, leaf in enumerate(self.parameters)}
        box_of = {box.node: box.id for box in self.sketch.boxes.values() if box.role == "unit"}
        lines = []
        uses = [(unit, w, z) for unit in self.run.units for w, z in zip(unit.weights, unit.inputs)]
        for k, (unit, weight, source) in enumerate(uses):
            tail, head, pill = box_of[source], box_of[unit.z], f"w{k}"
            parts = [(tail, pill), (pill, head)] if pill in self.sketch.boxes else [(tail, head)]
            lines.append(
                {
                    "ids": [f"edge-{a}-{b}" for a, b in parts],
                    "weight": place[weight],
                    "gradient": self.gradients[weight],
                    "name": style.plain(weight.label) or "w",
                }
            )
        return lines


def _is_link(box: Box) -> bool:
    """Whether it stands on a line to what is computed outside the units: it bears a gradient passed on."""
    return [what for what, *_ in box.rows] == ["gradient"]


# The surface over the plane of two inputs.


class _Surface:
    """The outputs at the points of a grid, in each epoch taken."""

    def __init__(self, record: Record, n_outputs: int, resolution: int) -> None:
        self.record, self.n_outputs = record, n_outputs
        self.threshold = _threshold(record.Y)
        points = [_point(x) for x in record.X]
        self.x1s, self.x2s = (_spread(axis, resolution) for axis in zip(*points))
        self.taken: list[list[tuple[int, float]]] = []

    @classmethod
    def of(cls, record: Record, n_outputs: int, n_frames: int) -> _Surface | None:
        """The surface to compute, or None where the samples do not lie in a plane."""
        if not n_outputs or not all(_is_point(x) for x in record.X):
            return None
        fewest, most = RESOLUTIONS
        affordable = math.isqrt(MOST_STEPS // (n_frames * max(1, len(record.parameters))))
        return cls(record, n_outputs, min(max(affordable, fewest), most))

    def take(self) -> None:
        """Ask the network, as it is now, at every point, from the left lower corner on."""
        outputs = (self.record.network([x1, x2]) for x2 in self.x2s for x1 in self.x1s)
        self.taken.append([self._leader([y.data for y in _values(output)]) for output in outputs])

    def data(self, dots: Sequence[tuple[float, float, int, int]]) -> dict[str, Any]:
        leads = [lead for cells in self.taken for _, lead in cells if math.isfinite(lead)]
        widest = max(leads, default=0.0) or 1.0

        def letter(k: int, lead: float) -> str:
            level = min(int(LEVELS * lead / widest), LEVELS - 1) if math.isfinite(lead) else LEVELS - 1
            return LETTERS[LEVELS * (k % len(CLASS_COLOURS)) + level]

        return {
            "resolution": len(self.x1s),
            "x1": [_short(self.x1s[0]), _short(self.x1s[-1])],
            "x2": [_short(self.x2s[0]), _short(self.x2s[-1])],
            "cells": ["".join(letter(k, lead) for k, lead in cells) for cells in self.taken],
            "letters": LETTERS,
            "levels": LEVELS,
            "threshold": self.threshold,
            "dots": [(_short(x1), _short(x2), k, chosen) for x1, x2, k, chosen in dots],
        }

    def _leader(self, outputs: list[float]) -> tuple[int, float]:
        """The class that the outputs tell, and by how much it leads."""
        if len(outputs) == 1:
            return int(outputs[0] > self.threshold), abs(outputs[0] - self.threshold)
        greatest, second = sorted(outputs, reverse=True)[:2]
        return outputs.index(greatest), greatest - second


def _values(predicted: Any) -> list[Value]:
    """What a network answered, as a list."""
    several = predicted if isinstance(predicted, Iterable) else [predicted]
    return [y for y in several if isinstance(y, Value)]


def _is_point(x: Any) -> bool:
    entries = list(x) if hasattr(x, "__len__") and not isinstance(x, (str, bytes, dict)) else []
    return len(entries) == 2 and all(isinstance(entry, (Value, numbers.Real)) for entry in entries)


def _point(x: Any) -> tuple[float, float]:
    x1, x2 = (entry.data if isinstance(entry, Value) else float(entry) for entry in x)
    return x1, x2


def _spread(coordinates: Sequence[float], resolution: int) -> list[float]:
    """Numbers from a little below the coordinates to a little above."""
    low, high = min(coordinates), max(coordinates)
    margin = 0.1 * (high - low) or 0.5
    return [low - margin + (high - low + 2 * margin) * k / (resolution - 1) for k in range(resolution)]


# What is said of samples and numbers.


def _threshold(Y: Iterable[Any]) -> float:
    """What one output must exceed for class 1, as `accuracy` has it."""
    return 0.0 if any(t < 0.0 for y in Y for t in _floats(y)) else 0.5


def _class_of(target: Any, n_outputs: int, threshold: float) -> int:
    wanted = _floats(target)
    if n_outputs == 1:
        return int(wanted[0] > threshold) if wanted else 0
    if len(wanted) > 1:
        return wanted.index(max(wanted))
    return max(int(wanted[0]), 0) if wanted else 0


def _floats(given: Any) -> list[float]:
    """One number or several as floats; none where they are something else."""
    several = given if hasattr(given, "__len__") and not isinstance(given, (str, bytes, dict)) else [given]
    numbers = [entry.data if isinstance(entry, Value) else entry for entry in several]
    try:
        return [float(number) for number in numbers]
    except (TypeError, ValueError):
        return []


def _described(sample: _Sample, k: int) -> dict[str, Any]:
    return {"number": sample.number, "x": _shown(sample.x), "t": _shown(sample.t), "class": k}


def _shown(given: Any) -> str:
    numbers = [style.number(x) for x in _floats(given)] or [style.plain(reprlib.repr(given))]
    return ", ".join(numbers[:8]) + (", …" if len(numbers) > 8 else "")


def _short(x: float) -> float:
    """Six significant digits.

    >>> _short(0.12345678), _short(-1e-30)
    (0.123457, -1e-30)
    """
    return float(f"{x:.6g}")
