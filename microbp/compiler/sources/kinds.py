"""How a step of the plan is written, forward and backward: a class for each kind of step."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from microbp.compiler.plan import Grid, Step
from microbp.compiler.sources.arrays import Array, Operand, Share, View, loops, view
from microbp.compiler.sources.text import (
    Bound,
    Product,
    bare,
    called_on,
    factor,
    fill,
    filled_product,
    forward,
    grouped,
    mentions,
    row_along_axis,
    slopes,
)
from microbp.compiler.sources.writer import Writer, complete, gradient_name, plain
from microbp.rules import Rule, many

AXIS = "axis=-1"
CHEAP = ("sum", "difference", "negation")  # may be computed again on the way back
INLINE = 50  # characters of a step that is written inside another


class Written:
    """A step on its way into the program; `array` is where its results are."""

    array: Array

    def __init__(self, writer: Writer, step: Step) -> None:
        self.writer, self.step = writer, step
        self.nodes: list[int] = step.nodes.tolist()
        self.size = len(self.nodes)

    def forward(self) -> None:
        """Write the step, and place its array."""
        name = self.writer.name(self.nodes)
        self.place(name)
        self.writer.line(f"{name} = {bare(self.text())}")

    def inline(self, consumer: Step, place: int) -> bool:
        """Leave the step to be written inside the one that reads it, if that is as clear; was it done?"""
        if self.writer.label(self.nodes) or not _inside(self.step, consumer, place):
            return False
        text = self.text()
        if len(text) > INLINE:
            return False
        self.place(grouped(text))
        return True

    def place(self, name: str) -> None:
        self.array = Array(name, self.size, self.step.of_sample, self.step.trained)
        self.writer.place(self.array, self.nodes)

    def text(self) -> str:
        """What the step computes."""
        raise NotImplementedError

    def backward(self, gradient: Product) -> None:
        """Send the gradient on to what the step has read."""
        raise NotImplementedError

    def read(self, nodes: list[int]) -> Operand:
        """An operand that is broadcast where it can be."""
        if self.step.of_sample:
            return self.writer.of_parameters(nodes, "number", f"p{len(self.writer.blocks) + 1}")
        return self.writer.operand(nodes, "column")

    def send(self, operand: Operand, gradient: Product, like: str = "") -> None:
        self.writer.send(operand, gradient, like or bare(self.array.name), self.step.of_sample)

    def kept(self, gradient: Product) -> Product:
        """The gradient by name, if it is not one already."""
        return self.writer.kept(gradient, gradient_name(self.array))

    def shaped(self, gradient: Product, shape: str) -> str:
        """The gradient by name, with its columns in this shape, if one is given."""
        text = str(gradient)
        method = f".reshape({self.rest}{shape})" if shape else ""
        if not text.isidentifier():
            text = called_on(text, method) if shape else text
            return self.writer.named(gradient_name(self.array), text)
        if shape:
            self.writer.line(f"{text} = {text}{method}")
        return text

    @property
    def rest(self) -> str:
        """What stands before the columns in a shape."""
        return "-1, " if self.step.of_sample else ""


class Map(Written):
    """A row of the table, node by node."""

    def text(self) -> str:
        self.operands = [self.read(grid.tolist()) for grid in self.step.operands]
        return fill(forward(*self._row), {f"o{k}": each.text for k, each in enumerate(self.operands)})

    @property
    def _row(self) -> tuple[Rule, float, int]:
        return self.step.of_table, self.step.number, len(self.step.operands)

    def backward(self, gradient: Product) -> None:
        bound = {f"o{k}": Bound(o.text, o.of_sample, o.wide) for k, o in enumerate(self.operands)}
        bound["z"] = Bound(self.array.name, self.step.of_sample, True)
        trained = [k for k, operand in enumerate(self.operands) if operand.trained]
        if len(trained) > 1 and not gradient.scalar:
            gradient = self.kept(gradient)
        for k in trained:
            self.send(self.operands[k], gradient.times(filled_product(slopes(*self._row)[k], bound)))


def _inside(step: Step, consumer: Step, place: int) -> bool:
    """Whether a row may be written inside another: it is cheap, or the way back does not need its result."""
    if consumer.kind == "reduce" and consumer.rule == "sum" and len(consumer.nodes) == 1:
        needed = False
    elif consumer.kind == "map":
        row = consumer.of_table, consumer.number, len(consumer.operands)
        if len(re.findall(rf"\bo{place}\b", forward(*row))) > 1:
            return False
        needed = any(mentions(slope, f"o{place}") for slope in slopes(*row))
    else:
        return False
    if step.kind == "reduce":
        return step.rule == "sum" and len(step.nodes) == 1 and not needed
    if step.kind != "map":
        return False
    own = slopes(step.of_table, step.number, len(step.operands))
    return step.rule in CHEAP or not (needed or any(mentions(slope, "z") for slope in own))


class Lift(Written):
    """A number of the parameters alone, for every sample."""

    def text(self) -> str:
        self.operand = self.writer.operand(self.step.operands[0].tolist())
        return f"np.broadcast_to({bare(self.operand.text)}, ({self.writer.samples}, {self.size}))"

    def backward(self, gradient: Product) -> None:
        self.send(self.operand, gradient)


class Rows:
    """An operand of several nodes for each result: an array whose last axis runs over what one result reads.

    Its shape is (B, n) for one result, and (B, G, n) for G of them.
    """

    def __init__(self, written: Written, nodes: list[list[int]], letter: str) -> None:
        self.written, self.writer = written, written.writer
        self.n, self.results = len(nodes), len(nodes[0])
        self.rest = written.rest
        self.stacked: list[Operand] = []
        self.operand = self.writer.operand([node for column in zip(*nodes) for node in column])
        if self.results > 1 and not plain(self.operand):
            rows = [self.writer.operand(row) for row in nodes] if self.n <= 8 else []
            self.stacked = rows if rows and all(map(plain, rows)) else []
        self.letter = letter

    @property
    def trained(self) -> bool:
        return self.operand.trained

    def read(self) -> str:
        """The array as an expression."""
        if self.stacked:
            return f"np.stack([{', '.join(bare(row.text) for row in self.stacked)}], {AXIS})"
        text = self.operand.text
        return called_on(text, f".reshape({self.rest}{self.results}, {self.n})") if self.results > 1 else text

    def name(self) -> str:
        """The array by a name, for what reads it in both passes."""
        return self.writer.once(beside(self.letter, self.written.array), self.read())

    def each(self, text: str, of_sample: bool) -> Product:
        """One number for each result, which all that it reads share."""
        text = text if self.results == 1 else called_on(text, "[..., None]")
        return factor(text, of_sample, False)

    def send(self, gradient: Product, like: str) -> None:
        """The gradient of the array, to where its numbers are from; `like` is the array."""
        written, count = self.written, self.n * self.results
        if self.results == 1:
            written.send(self.operand, gradient, like)
            return
        of_sample = written.step.of_sample
        text = str(complete(gradient, like, of_sample, count))
        if self.stacked:
            name = text if text.isidentifier() else self.writer.named("dV", text)
            for k, row in enumerate(self.stacked):
                written.send(row, factor(f"{name}[..., {k}]", of_sample))
        else:
            written.send(self.operand, factor(called_on(text, f".reshape({self.rest}{count})"), of_sample))


def beside(letter: str, array: Array) -> str:
    """A name that goes with an array's: A3 for V3."""
    tail = array.name[1:]
    return f"{letter}{tail}" if tail.isdigit() else f"{letter}_{array.name}"


def slope_along(step: Step) -> Product:
    """The local derivative of a row over one sequence, along all of it."""
    _, [slope] = row_along_axis(step.of_table, step.number)
    return slope


class Several(Written):
    """What has several operands for each result, along an axis."""

    def each(self, rows: Rows, gradient: Product) -> Product:
        """The gradient of the results, for all that each has read."""
        if rows.results == 1:
            return Product(gradient.number, gradient.factors, gradient.of_sample, False)
        gradient = complete(gradient, bare(self.array.name), self.step.of_sample, self.size)
        return rows.each(str(self.kept(gradient)), self.step.of_sample)


class Reduce(Several):
    """A row of the table over several operands: sum, max, min, logsumexp."""

    def text(self) -> str:
        self.rows = Rows(self, self.step.operands[0].tolist(), "A")
        many = self.size > 1
        if self.step.rule == "sum":
            if self.rows.stacked:
                return " + ".join(row.text for row in self.rows.stacked)
            self.x = self.rows.read()
        else:
            self.x = self.rows.name()
        if self.step.rule == "logsumexp":
            return f"logsumexp({self.x}){'[..., 0]' if many else ''}"
        return called_on(self.x, f".{self.step.rule}({AXIS}{'' if many else ', keepdims=True'})")

    def backward(self, gradient: Product) -> None:
        if self.step.rule == "sum":
            self._backward_sum(gradient)
            return
        each = self.each(self.rows, gradient)
        z = self.rows.each(self.array.name, self.step.of_sample)
        bound = {
            "o0": Bound(self.x, self.step.of_sample, True),
            "z": Bound(str(z), self.step.of_sample, False),
        }
        self.rows.send(each.times(filled_product(slope_along(self.step), bound)), self.x)

    def _backward_sum(self, gradient: Product) -> None:
        rows = self.rows
        if rows.stacked:
            gradient = gradient if gradient.scalar else self.kept(gradient)
            for row in rows.stacked:
                self.send(row, gradient)
        elif rows.results == 1:
            rows.send(self.each(rows, gradient), self.x)
        else:
            gradient = complete(gradient, bare(self.array.name), self.step.of_sample, self.size)
            text = f"np.repeat({gradient}, {rows.n}, {AXIS})"
            self.send(rows.operand, factor(text, self.step.of_sample))


class Pick(Several):
    """One of several operands, by an index."""

    def text(self) -> str:
        grid, index = self.step.operands
        self.rows = Rows(self, grid.tolist(), "A")
        self.x = self.rows.name()
        self.index = self.rows.each(self.writer.operand(index.tolist()).text, self.step.of_sample)
        places = called_on(str(self.index), ".astype(int)")
        picked = f"np.take_along_axis({self.x}, {places}, {AXIS})"
        return picked if self.size == 1 else f"{picked}[..., 0]"

    def backward(self, gradient: Product) -> None:
        bound = {
            "o0": Bound(self.x, self.step.of_sample, True),
            "o1": Bound(str(self.index), self.step.of_sample, False),
            "o2": Bound(f"np.arange({self.rows.n})", False, True),
        }
        each = self.each(self.rows, gradient)
        self.rows.send(each.times(filled_product(slope_along(self.step), bound)), self.x)


class Row(Several):
    """A row over sequences and single operands: one of your own, or cross-entropy."""

    def text(self) -> str:
        row, step = self.step.of_table, self.step
        self.forward_text, self.slopes = row_along_axis(row, step.number)
        grids = [grid.tolist() for grid in step.operands]
        self.operands = [
            Rows(self, grid, letter) if many(name) else self.writer.operand(grid)
            for name, grid, letter in zip(row.parameters, grids, "ABCDEFGH" * len(grids))
        ]
        [self.rows, *_] = [operand for operand in self.operands if isinstance(operand, Rows)]
        self.bound = {
            f"o{k}": operand.name()
            if isinstance(operand, Rows)
            else str(self.rows.each(operand.text, step.of_sample))
            for k, operand in enumerate(self.operands)
        }
        self.bound[f"o{len(row.parameters)}"] = f"np.arange({self.rows.n})"
        text = grouped(fill(self.forward_text, self.bound))
        return called_on(text, "[..., 0]") if self.size > 1 else text

    def backward(self, gradient: Product) -> None:
        of_sample = self.step.of_sample
        if sum(operand.trained for operand in self.operands) > 1 and not gradient.scalar:
            gradient = self.kept(gradient)
        texts = {**self.bound, "z": str(self.rows.each(self.array.name, of_sample))}
        for k, (operand, template) in enumerate(zip(self.operands, self.slopes)):
            if not operand.trained:
                continue
            varies = any(mentions(template, slot) for slot in texts)
            factors = tuple((sign, fill(text, texts)) for sign, text in template.factors)
            slope = replace(template, factors=factors, of_sample=varies and of_sample)
            if isinstance(operand, Rows):
                operand.send(self.each(operand, gradient).times(slope), texts[f"o{k}"])
            elif varies and self.size > 1:
                self.send(operand, gradient.times(slope.after("[..., 0]", of_sample)))
            else:
                self.send(operand, gradient.times(replace(slope, wide=varies)))


class Dot(Several):
    """Sums of products: along an axis, or, where both sides run through arrays evenly, by einsum."""

    def text(self) -> str:
        a, b = (grid.tolist() for grid in self.step.operands)
        self.square = a == b
        self.sum = Einsum.of(self, a, b) if self.size > 1 else None
        if self.sum:
            return self.sum.text()
        self.sides = [Rows(self, grid, letter) for grid, letter in ((a, "A"), (b, "B"))]
        self.names = [self.sides[0].name()]
        self.names.append(self.names[0] if self.square else self.sides[1].name())
        product = f"{self.names[0]} ** 2" if self.square else " * ".join(self.names)
        total = called_on(product, f".sum({AXIS}")
        return f"{total})" if self.size > 1 else f"{total}, keepdims=True)"

    def backward(self, gradient: Product) -> None:
        if self.sum:
            self.sum.backward(gradient)
            return
        sides = list(zip(self.sides, reversed(self.names)))
        if self.square:
            sides, gradient = sides[:1], Product(2.0).times(gradient)
        elif all(side.trained for side in self.sides) and not gradient.scalar:
            gradient = self.kept(gradient)
        each = self.each(self.sides[0], gradient)
        for side, other in sides:
            if side.trained:
                side.send(each.times(factor(other, self.step.of_sample)), other)


class Side(NamedTuple):
    """One side of an einsum: where it reads, and its axes' letters and lengths."""

    array: Array
    view: View
    letters: str
    counts: tuple[int, ...]


class Einsum:
    """A dot whose sides run evenly through one array each, as sum_n a[i, n] b[j, n] does for all i and j."""

    def __init__(self, dot: Dot, letters: str, counts: tuple[int, ...], sides: list[Side]) -> None:
        self.dot, self.writer, self.letters, self.counts, self.sides = dot, dot.writer, letters, counts, sides

    @classmethod
    def of(cls, dot: Dot, a: list[list[int]], b: list[list[int]]) -> Einsum | None:
        """The einsum that computes sum_n a[n][g] b[n][g] for all g, if there is one."""
        first, second = dot.writer.located(a), dot.writer.located(b)
        if not (first and second and _parallel(first[1]) and _parallel(second[1])):
            return None
        along = loops([row[0] for row in first[1]], [row[0] for row in second[1]])
        over = loops(first[1][0], second[1][0])
        if len(along) != 1 or len(over) > 4 or not all(any(loop[1:]) for loop in [*along, *over]):
            return None
        axes = list(zip("nijkl", [*along, *over]))
        sides = [cls._side(array, rows[0][0], k, axes) for k, (array, rows) in enumerate((first, second), 1)]
        found = [side for side in sides if side]
        counts = tuple(loop[0] for loop in over)
        return cls(dot, "ijkl"[: len(over)], counts, found) if len(found) == 2 and over else None

    @staticmethod
    def _side(array: Array, base: int, k: int, axes: list[tuple[str, tuple[int, ...]]]) -> Side | None:
        own = sorted((axis for axis in axes if axis[1][k]), key=lambda axis: -axis[1][k])
        counts, strides = tuple(loop[0] for _, loop in own), tuple(loop[k] for _, loop in own)
        found = view(array, base, counts, strides) if own else None
        return found and Side(array, found, "".join(letter for letter, _ in own), counts)

    def text(self) -> str:
        self.names = []
        for letter, side in zip("AB", self.sides):
            wanted = beside(letter, self.dot.array)
            self.names.append(self.writer.once(wanted, side.array.name + side.view.read))
        a, b = (side.letters for side in self.sides)
        return self._shaped(self._einsum(a, b, self.letters, *self.names), self.counts, (self.dot.size,))

    def backward(self, gradient: Product) -> None:
        dot = self.dot
        gradient = complete(gradient, dot.array.name, dot.step.of_sample, dot.size)
        name = dot.shaped(
            gradient, "" if self.counts == (dot.size,) else f"{', '.join(map(str, self.counts))}"
        )
        for side, other, read in zip(self.sides, self.sides[::-1], self.names[::-1]):
            if side.array.trained:
                text = self._einsum(self.letters, other.letters, side.letters, name, read)
                text = self._shaped(text, side.counts, side.view.shape)
                share = Share(factor(text, dot.step.of_sample), side.view.target, side.view.span)
                side.array.shares.append(share)

    def _einsum(self, a: str, b: str, result: str, left: str, right: str) -> str:
        lead = "b" if self.dot.step.of_sample else ""
        return f'np.einsum("{lead}{a},{lead}{b}->{lead}{result}", {left}, {right})'

    def _shaped(self, text: str, now: tuple[int, ...], wanted: tuple[int, ...]) -> str:
        shape = ", ".join(map(str, wanted))
        return text if now == wanted else called_on(text, f".reshape({self.dot.rest}{shape})")


def _parallel(rows: list[list[int]]) -> bool:
    """Whether all rows take the same steps."""
    steps = [place - rows[0][0] for place in rows[0]]
    return all([place - row[0] for place in row] == steps for row in rows)


class Matrix(Written):
    """T matrix products side by side; where all have the same weights, they are like more samples of one."""

    def text(self) -> str:
        x, w, *b = self.step.operands
        self.stack, self.units, self.inputs = w.shape
        self.alike = self.stack == 1 or (self._same(w) and all(map(self._same, b)))
        self.operand = self.writer.operand(x.ravel().tolist())
        self.x = self._inputs()
        self.operand.gradient = f"d{self.x}"
        self.bias: Operand | None = None
        if self.alike:
            self._read(w[0], b[0][0] if b else None)
            product = f"{self.x} @ {self.weights}"
        else:
            self._read(w, b[0] if b else None)
            product = f'np.einsum("btn,tgn->btg", {self.x}, {self.w.name})'
        flat = f".reshape(-1, {self.size})"
        if not self.alike:
            product = product + flat
        total = f"{product} + {self.bias.text}" if self.bias else product
        return called_on(total, flat) if self.alike and self.stack > 1 else total

    @staticmethod
    def _same(grid: Grid) -> bool:
        return bool((grid == grid[:1]).all())

    def _inputs(self) -> str:
        """The name of what the weights multiply: Z0 beside U1, as the units of layer 0."""
        text, tail = self.operand.text, self.array.name[1:]
        if self.stack > 1:
            shape = str(self.inputs) if self.alike else f"{self.stack}, {self.inputs}"
            text = called_on(text, f".reshape(-1, {shape})")
        unit = self.array.name[0] == "U" and tail.isdigit() and int(tail) > 0
        before = f"Z{int(tail) - 1}" if unit else ""
        if not before or not self.writer.names.free(before):
            return self.writer.once(beside("X", self.array), text)
        if self.operand.parts[0].array.kind == "given":
            return self.writer.named(before, text)
        return self.writer.once(before, text)

    def _read(self, w: Grid, b: Grid | None) -> None:
        """Find the weights and biases, or give them names."""
        tail = self.array.name[1:] if self.array.name[1:].isdigit() else ""
        self.turned = self.writer.transposed(w)
        if self.turned:
            self.w, self.bias = self.turned, None if b is None else self.writer.biases(b, tail)
        else:
            self.w, self.bias = self.writer.matrix(w, b, tail)
        both = self.w.name, f"{self.w.name}.T"
        self.weights, self.weights_back = both[::-1] if self.turned else both

    def backward(self, gradient: Product) -> None:
        writer = self.writer
        shape = str(self.units) if self.alike else f"{self.stack}, {self.units}"
        d = self.shaped(complete(gradient, self.array.name, True, self.size), shape if self.stack > 1 else "")
        w, x = self.w.name, self.x
        of_weights = f"{d}.T @ {x}" if self.turned else f"{x}.T @ {d}"
        if self.w.source.trained:
            writer.add_to(self.w, of_weights if self.alike else f'np.einsum("btn,btg->tgn", {x}, {d})')
        if self.bias:
            biased = factor(d) if self.alike else factor(f"{d}.reshape(-1, {self.size})")
            writer.send(self.bias, biased, d, True)
        if self.operand.trained:
            back = f"({d} @ {self.weights_back})" if self.alike else f'np.einsum("btg,tgn->btn", {d}, {w})'
            if self.stack > 1:
                back = f"{back}.reshape(-1, {self.stack * self.inputs})"
            self.send(self.operand, factor(back))


def written_of(writer: Writer, step: Step) -> Written:
    """A step on its way into the program."""
    several = step.kind == "reduce" and len(step.operands) > 1
    return (Row if several else KINDS[step.kind])(writer, step)


KINDS: dict[str, type[Written]] = {
    "map": Map,
    "lift": Lift,
    "reduce": Reduce,
    "pick": Pick,
    "row": Row,
    "dot": Dot,
    "matrix": Matrix,
}
