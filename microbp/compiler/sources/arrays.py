"""Where a program's numbers are: arrays, and the columns of them that an operation reads.

An array of the sample is (B, n), a column for each node; one of the parameters alone is (n,).
A part of an array knows how it is written, and where a gradient of it goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from microbp.compiler.sources.text import Product, bare

Index = Callable[[list[int]], str]  # writes a list of places


class Share(NamedTuple):
    """What one use of an array adds to its gradient: to `target`, an index or a view; '' is all of it.

    `span` are the columns of a target that is a plain range; `repeats` says whether its index
    names a column more than once.
    """

    product: Product
    target: str = ""
    span: range | None = None
    repeats: bool = False


@dataclass(eq=False)
class Array:
    """An array: its name or, where it is used but once, the expression that computes it.

    `kind` says where it is from: "computed", "given" as one of the program's arguments, or "numbers".
    """

    name: str
    size: int
    of_sample: bool
    trained: bool = False
    kind: str = "computed"
    shares: list[Share] = field(default_factory=list)

    @property
    def lead(self) -> str:
        """What stands before the columns in an index."""
        return ":, " if self.of_sample else ""

    @property
    def rest(self) -> str:
        """What stands before the columns in a shape."""
        return "-1, " if self.of_sample else ""

    def range(self, columns: range) -> str:
        """The index of evenly spaced columns; '' for all of them."""
        if columns == range(self.size):
            return ""
        step = f":{columns.step}" if columns.step > 1 else ""
        stop = columns[-1] + 1
        return f"[{self.lead}{columns.start or ''}:{stop if stop < self.size else ''}{step}]"


class View(NamedTuple):
    """Columns as an array of several axes: how that is read, and where and as what its gradient is added."""

    read: str
    target: str
    shape: tuple[int, ...]
    span: range | None = None


def view(array: Array, base: int, counts: tuple[int, ...], strides: tuple[int, ...]) -> View | None:
    """The columns base + i stride + j stride' + ..., strides falling to 1, if a reshape finds them."""
    if strides[-1] != 1:
        return None
    total = 1
    for count, stride in zip(reversed(counts), reversed(strides)):
        tight = stride == total
        total *= count
        if not tight:
            break
    else:
        span = range(base, base + total)
        target = array.range(span)
        shape = array.rest + ", ".join(map(str, counts))
        return View(f"{target}.reshape({shape})" if len(counts) > 1 else target, target, (total,), span)
    sizes, starts = [], []
    limit = array.size
    for stride in strides:
        if limit % stride:
            return None
        sizes.append(limit // stride)
        starts.append(base // stride)
        base, limit = base % stride, stride
    if any(start + count > size for start, count, size in zip(starts, counts, sizes)):
        return None
    axes = [
        ":" if count == size else f"{start or ''}:{start + count if start + count < size else ''}"
        for start, count, size in zip(starts, counts, sizes)
    ]
    text = f".reshape({array.rest}{', '.join(map(str, sizes))})[{array.lead}{', '.join(axes)}]"
    return View(text, text, tuple(counts))


@dataclass(eq=False)
class Part:
    """Columns of an array in the order in which an operation reads them, `read` from its name.

    - "columns": evenly spaced ones, each once;
    - "index": any, by their places, perhaps with repeats;
    - "column": one column for all, "number" the same of an array without samples;
    - "repeat", "tile": each column, or all of them in turn, `times` times;
    - "view": columns that a reshape finds.
    """

    array: Array
    form: str
    count: int
    read: str
    target: str
    span: range | None = None
    times: int = 1
    shape: tuple[int, ...] = ()
    repeats: bool = False

    @property
    def wide(self) -> bool:
        return self.count == 1 or self.form not in ("column", "number")

    @property
    def text(self) -> str:
        inner = self.array.name + self.read
        match self.form:
            case "repeat":
                return f"np.repeat({bare(inner)}, {self.times}, axis=-1)"
            case "tile":
                return f"np.tile({bare(inner)}, {self.times})"
            case "view":
                return f"{inner}.reshape({self.array.rest}{self.count})"
        return inner

    def share(self, gradient: Product) -> Share:
        """Where the gradient goes that this part is sent, wide where the part is."""
        rest, each = self.array.rest, self.count // self.times
        method = {
            "column": ".sum(axis=-1, keepdims=True)" if self.count > 1 else "",
            "repeat": f".reshape({rest}{each}, {self.times}).sum(axis=-1)",
            "tile": f".reshape({rest}{self.times}, {each}).sum(axis=-2)",
            "view": f".reshape({rest}{', '.join(map(str, self.shape))})",
        }.get(self.form, "")
        if method:
            gradient = gradient.after(method, gradient.of_sample)
        return Share(gradient, self.target, self.span, self.repeats)


def part(array: Array, columns: list[int], index: Index, one: str) -> Part:
    """These columns of an array.

    `one` says how a single column may stand for all: not at all (""), as a "column", or, where
    it does not differ from sample to sample, as a "number".
    """
    first, count = columns[0], len(columns)
    if count == array.size and columns == list(range(count)):
        return Part(array, "columns", count, "", "", range(count))
    if columns.count(first) == count:
        span = range(first, first + 1)
        target = array.range(span)
        if one == "number" and not array.of_sample:
            return Part(array, "number", count, f"[{first}]" if array.size > 1 else "", target, span)
        form = "column" if one or count == 1 else "repeat"
        return Part(array, form, count, target, target, span, count)
    step = columns[1] - first
    if step > 0 and columns == list(range(first, first + count * step, step)):
        span = range(first, first + (count - 1) * step + 1, step)
        target = array.range(span)
        return Part(array, "columns", count, target, target, span)
    return _repeated(array, columns) or _viewed(array, columns) or _indexed(array, columns, index)


def _repeated(array: Array, columns: list[int]) -> Part | None:
    """A range of columns, each several times, or all of them several times in turn."""
    first, count = columns[0], len(columns)
    times = next(k for k, column in enumerate(columns) if column != first)
    each = columns[::times]
    if times > 1 and each == list(range(first, first + len(each))) and len(each) * times == count:
        if columns == [column for column in each for _ in range(times)]:
            return _ranged(array, "repeat", count, range(first, first + len(each)), times)
        return None
    period = columns.index(first, 1) if first in columns[1:] else count
    if period < count and count % period == 0:
        once = list(range(first, first + period))
        if columns == once * (count // period):
            return _ranged(array, "tile", count, range(first, first + period), count // period)
    return None


def _ranged(array: Array, form: str, count: int, span: range, times: int) -> Part:
    target = array.range(span)
    return Part(array, form, count, target, target, span, times)


def _viewed(array: Array, columns: list[int]) -> Part | None:
    """Equal runs of neighbouring columns, evenly spaced."""
    found = loops(columns)
    if len(found) != 2 or found[0][1] <= found[1][1]:
        return None
    counts, strides = zip(*found)
    seen = view(array, columns[0], counts, strides)
    return seen and Part(array, "view", len(columns), seen.read, seen.target, shape=seen.shape)


def _indexed(array: Array, columns: list[int], index: Index) -> Part:
    target = f"[{array.lead}{index(columns)}]"
    repeats = len(set(columns)) < len(columns)
    return Part(array, "index", len(columns), target, target, repeats=repeats)


def loops(*sequences: list[int]) -> list[tuple[int, ...]]:
    """Sequences of equal length as nested loops, outermost first: a count, and a stride for each sequence.

    >>> loops([0, 1, 2, 10, 11, 12])
    [(2, 10), (3, 1)]
    >>> loops([0, 0, 5, 5], [7, 8, 7, 8])
    [(2, 5, 0), (2, 0, 1)]
    >>> loops([0, 1, 5])
    []
    """
    found: list[tuple[int, ...]] = []
    rows = list(zip(*sequences))
    while len(rows) > 1:
        strides = _step(rows[0], rows[1])
        count = 2
        while count < len(rows) and _step(rows[count - 1], rows[count]) == strides:
            count += 1
        starts = rows[::count]
        if len(starts) * count != len(rows):
            return []
        if any(row != _after(starts[k // count], k % count, strides) for k, row in enumerate(rows)):
            return []
        found.append((count, *strides))
        rows = starts
    return found[::-1]


def _step(row: tuple[int, ...], following: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(b - a for a, b in zip(row, following))


def _after(start: tuple[int, ...], steps: int, strides: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(place + steps * stride for place, stride in zip(start, strides))


@dataclass(eq=False)
class Block:
    """Parameters under a name of their own; `gradient` is that of their gradient, once there is one.

    `source` is where they are, and `flat` the method that brings the gradient into its order.
    """

    name: str
    source: Operand
    flat: str = ""
    gradient: str = ""


@dataclass(eq=False)
class Operand:
    """What an operation reads: parts of arrays side by side, each with its places in the operand.

    `order` is an index that puts them in order, '' if they are; `block` is their name, if they have
    one, and `gradient` a name for their gradient.
    """

    parts: list[Part]
    places: list[str]
    of_sample: bool
    order: str = ""
    block: Block | None = None
    gradient: str = "dV"

    @property
    def wide(self) -> bool:
        return len(self.parts) > 1 or self.parts[0].wide

    @property
    def trained(self) -> bool:
        return any(part.array.trained for part in self.parts)

    @property
    def text(self) -> str:
        if self.block:
            return self.block.name
        if len(self.parts) == 1:
            return self.parts[0].text
        return joined([part.text for part in self.parts], self.of_sample) + self.order


def joined(texts: list[str], of_sample: bool) -> str:
    """Arrays side by side."""
    return f"np.concatenate([{', '.join(map(bare, texts))}]{', axis=1' if of_sample else ''})"


class Run(NamedTuple):
    """Columns of an array, and their places in an operand."""

    array: Array
    columns: list[int]
    places: list[int]


def gathered(runs: list[Run], index: Index, one: str) -> Operand:
    """Runs that fill an operand, side by side; `one` as in `part`."""
    if len(runs) > 8:
        runs = _by_array(runs)
    one = one if len(runs) == 1 else ""
    of_sample = runs[0].array.of_sample
    order = [place for run in runs for place in run.places]
    frame = Array("", len(order), of_sample)
    return Operand(
        [part(run.array, run.columns, index, one) for run in runs],
        [part(frame, run.places, index, "").text for run in runs],
        of_sample,
        "" if order == list(range(len(order))) else _inverse(order, frame, index),
    )


def _inverse(order: list[int], frame: Array, index: Index) -> str:
    inverse = [0] * len(order)
    for k, place in enumerate(order):
        inverse[place] = k
    return f"[{frame.lead}{index(inverse)}]"


def _by_array(runs: list[Run]) -> list[Run]:
    found: dict[Array, Run] = {}
    for run in runs:
        own = found.setdefault(run.array, Run(run.array, [], []))
        own.columns.extend(run.columns)
        own.places.extend(run.places)
    return list(found.values())
