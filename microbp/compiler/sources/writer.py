"""What every step of a written program needs: arrays, lines, names, and gradients on their way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from microbp.compiler.plan import Grid, Plan
from microbp.compiler.sources.arrays import Array, Block, Operand, Part, Run, Share, gathered, joined
from microbp.compiler.sources.own import functions_of
from microbp.compiler.sources.text import (
    WIDTH,
    Names,
    Product,
    added,
    as_array,
    bare,
    called_on,
    factor,
    number,
    stem,
)
from microbp.structures import flat

SHORT = 60  # characters: a longer gradient gets a name


class Writer:
    """The program being written, line by line: `head` names parts of the parameters, `body` does the rest.

    `constants` are names by what they stand for, `own` the new functions that rows of your own call.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.own = functions_of(step.row for step in plan.steps)
        self.names = Names(self.own)
        self.constants: dict[str, str] = {}
        self.head: list[str] = []
        self.body: list[str] = []
        self.arguments: list[Array] = []
        self.blocks: dict[tuple[Any, ...], Block] = {}
        self.pairs: dict[Block, tuple[str, Block]] = {}  # a part of the parameters, and the biases in it
        self.read: dict[str, str] = {}  # names by expression
        self._unnamed = 0
        self._home: list[Array | None] = [None] * plan.size
        self._column = [0] * plan.size
        self._place_leaves()

    def _place_leaves(self) -> None:
        recording, leaves = self.plan.recording, self.plan.leaves
        nodes = iter(leaves["input"])
        for name, structure in zip(recording.argument_names, recording.inputs):
            own = [next(nodes) for _ in flat(structure)]
            plain = name.isidentifier() and name.isascii() and len(name) <= 20
            array = Array(self.names.new(name.upper() if plain else "X"), len(own), True, kind="given")
            self.arguments.append(array)
            self.place(array, own)
        self.parameters = Array("parameters", len(leaves["parameter"]), False, True, kind="given")
        self.place(self.parameters, leaves["parameter"])
        self.place(Array("fixed", len(leaves["fixed"]), False, kind="given"), leaves["fixed"])

    @property
    def samples(self) -> str:
        """How many samples there are."""
        return f"len({self.arguments[0].name})" if self.arguments else "1"

    # Lines and names.

    def line(self, text: str) -> None:
        self.body.append(text)

    def named(self, wanted: str, text: str) -> str:
        """The name of a new variable, for an expression."""
        name = self.names.new(wanted)
        self.line(f"{name} = {bare(text)}")
        return name

    def once(self, wanted: str, text: str) -> str:
        """The name of an expression that several steps may read in the forward pass; its own if it is one."""
        if text.isidentifier():
            return text
        if text not in self.read:
            self.read[text] = self.named(wanted, text)
        return self.read[text]

    def label(self, nodes: Sequence[int]) -> str:
        """What the labels of these nodes have in common."""
        return stem([self.plan.labels[node] for node in nodes])

    def name(self, nodes: Sequence[int]) -> str:
        """The name of the array of these nodes: that of their labels, or V with a number."""
        label = self.label(nodes)
        self._unnamed += not label
        return self.names.new(as_array(label) if label else f"V{self._unnamed}")

    def index(self, places: list[int]) -> str:
        """A list of places, a constant of the program if it is long."""
        text = f"[{', '.join(map(str, places))}]"
        return text if len(text) <= 30 else self._constant(f"np.array({text})", "I")

    def _constant(self, text: str, letter: str) -> str:
        if text not in self.constants:
            self.constants[text] = self.names.new(f"{letter}{len(self.constants) + 1}")
        return self.constants[text]

    # Arrays and operands.

    def place(self, array: Array, nodes: Sequence[int]) -> None:
        """These nodes are the columns of this array."""
        for column, node in enumerate(nodes):
            self._home[node], self._column[node] = array, column

    def operand(self, nodes: list[int], one: str = "") -> Operand:
        """These nodes, in whatever arrays they are; `one` as in `part`."""
        starts = [0]
        for place in range(1, len(nodes)):
            if self._home[nodes[place]] is not self._home[nodes[place - 1]]:
                starts.append(place)
        runs = []
        for start, stop in zip(starts, [*starts[1:], len(nodes)]):
            own, places = nodes[start:stop], list(range(start, stop))
            home = self._home[own[0]]
            if home is None:
                runs.append(self._numbers(own, places, one if len(starts) == 1 else ""))
            else:
                runs.append(Run(home, [self._column[node] for node in own], places))
        return gathered(runs, self.index, one)

    def _numbers(self, nodes: list[int], places: list[int], one: str) -> Run:
        """Constants as an array of their own."""
        values = [self.plan.constants[node] for node in nodes]
        alike = len({repr(value) for value in values}) == 1
        if alike and one:
            array = Array(number(values[0]), 1, False, kind="numbers")
            return Run(array, [0] * len(nodes), places)
        texts = [number(value, whole=False) for value in values]
        text = f"np.full({len(nodes)}, {texts[0]})" if alike else f"np.array([{', '.join(texts)}])"
        text = text if len(text) <= 40 else self._constant(text, "C")
        return Run(Array(text, len(nodes), False, kind="numbers"), list(range(len(nodes))), places)

    def of_parameters(self, nodes: list[int], one: str, wanted: str) -> Operand:
        """These nodes, named in the head if they are part of what was given."""
        operand = self.operand(nodes, one)
        text, array = operand.text, operand.parts[0].array
        if len(operand.parts) > 1 or array.kind != "given" or operand.of_sample or text == array.name:
            return operand
        key = (one, *nodes)
        if key not in self.blocks:
            name = self.names.new(self.label(list(dict.fromkeys(nodes))) or wanted)
            self.head.append(f"{name} = {text}")
            self.blocks[key] = Block(name, self.operand(nodes, one))
        operand.block = self.blocks[key]
        return operand

    def located(self, grid: list[list[int]]) -> tuple[Array, list[list[int]]] | None:
        """The one array that these nodes are in, if it is one, and their columns."""
        array = self._home[grid[0][0]]
        if array is None or any(self._home[node] is not array for row in grid for node in row):
            return None
        return array, [[self._column[node] for node in row] for row in grid]

    def transposed(self, w: Grid) -> Block | None:
        """The weights with a name already whose transpose w[unit, input] is."""
        return self.blocks.get(_key(w.T)) if _key(w) not in self.blocks else None

    def matrix(self, w: Grid, b: Grid | None, layer: str) -> tuple[Block, Operand | None]:
        """Weights w[unit, input], or w[stack, unit, input], and their biases, under names of their own."""
        key = _key(w)
        if b is not None and w.ndim == 2 and key not in self.blocks:
            self._read_pair(key, w, b, layer)
        if key not in self.blocks:
            self.blocks[key] = self._read_weights(w, layer)
        return self.blocks[key], None if b is None else self.biases(b, layer)

    def _read_pair(self, key: tuple[Any, ...], w: Grid, b: Grid, layer: str) -> None:
        """Weights and biases that alternate, unit by unit, as two views of one part of the parameters."""
        both = self.operand(np.column_stack([w, b]).ravel().tolist())
        nodes = b.ravel().tolist()
        if len(both.parts) > 1 or both.parts[0].array.kind != "given" or both.parts[0].form != "columns":
            return
        biases_key = ("", *nodes)
        if biases_key in self.blocks or both.parts[0].array.size == len(nodes):
            return
        units, inputs = w.shape
        layer = layer or str(len(self.pairs) + 1)
        p = self.names.new(f"P{layer}")
        weights = Block(self._weights_name(w, layer), both)
        biases = Block(self.names.new(self.label(nodes) or f"b{layer}"), self.operand(nodes))
        self.head.append(f"{p} = {called_on(both.text, f'.reshape({units}, {inputs + 1})')}")
        self.head.append(f"{weights.name}, {biases.name} = {p}[:, :{inputs}].T, {p}[:, {inputs}]")
        self.blocks[key] = weights
        self.blocks[biases_key] = biases
        self.pairs[weights] = p, biases

    def _weights_name(self, w: Grid, layer: str) -> str:
        return self.names.new(as_array(self.label(w.ravel().tolist())) or f"W{layer or len(self.blocks) + 1}")

    def _read_weights(self, w: Grid, layer: str) -> Block:
        by_unit = self.operand(w.ravel().tolist())
        by_input = self.operand(w.T.ravel().tolist()) if w.ndim == 2 else by_unit
        block = Block(self._weights_name(w, layer), by_unit)
        shape = ", ".join(map(str, w.shape))
        if w.ndim == 3:
            text, block.flat = called_on(by_unit.text, f".reshape({shape})"), ".ravel()"
        elif plain(by_input) and not plain(by_unit):
            block.source = by_input
            units, inputs = w.shape
            text, block.flat = called_on(by_input.text, f".reshape({inputs}, {units})"), ".ravel()"
        else:
            text, block.flat = called_on(by_unit.text, f".reshape({shape}).T"), ".T.ravel()"
        given = all(part.array.kind != "computed" for part in block.source.parts)
        (self.head if given else self.body).append(f"{block.name} = {text}")
        return block

    def biases(self, b: Grid, layer: str) -> Operand:
        nodes = b.ravel().tolist()
        trained = bool(self.plan.trained[nodes].any())
        return self.of_parameters(nodes, "" if trained else "number", f"b{layer or len(self.blocks) + 1}")

    # Gradients on their way back.

    def flush(self) -> None:
        """Send the gradients of blocks to where their parameters are."""
        paired = {biases for _, biases in self.pairs.values()}
        for block in list(self.blocks.values()):
            if block in self.pairs:
                self._flush_pair(block, *self.pairs[block])
            elif block.gradient and block not in paired:
                wide = block.source.parts[0].form != "number"
                self.send(block.source, factor(block.gradient + block.flat, False, wide), "", False)

    def _flush_pair(self, weights: Block, name: str, biases: Block) -> None:
        if weights.gradient or biases.gradient:
            w, b = (each.gradient or f"np.zeros_like({each.name})" for each in (weights, biases))
            gradient = self.named(f"d{name}", f"np.column_stack([{w}.T, {b}]).ravel()")
            self.send(weights.source, factor(gradient, False), "", False)

    def send(self, operand: Operand, gradient: Product, like: str, of_sample: bool) -> None:
        """A gradient to what an operation read, `of_sample` or not; `like` is an array of its shape."""
        if not operand.trained or gradient.number == 0.0:
            return
        count = sum(part.count for part in operand.parts)
        if of_sample and not operand.of_sample:
            gradient, like = self._over_samples(operand, gradient, like, count), ""
        if operand.block:
            number = operand.parts[0].form == "number"
            gradient = gradient if number else complete(gradient, like, operand.of_sample, count)
            self.add_to(operand.block, str(gradient))
        elif len(operand.parts) == 1:
            self._share(operand.parts[0], gradient, like)
        elif not gradient.wide:  # the same for all columns
            gradient = gradient if gradient.scalar else self.kept(gradient, operand.gradient)
            for part in operand.parts:
                self._share(part, gradient, part.text if part.array.of_sample else "")
        else:
            whole = self.kept(complete(gradient, like, operand.of_sample, count), operand.gradient)
            for part, place in zip(operand.parts, operand.places):
                self._share(part, factor(f"{whole}{place}", operand.of_sample), "")

    def _share(self, part: Part, gradient: Product, like: str) -> None:
        """A gradient to one part; where it is only added up, NumPy's broadcasting completes it."""
        if part.array.trained:
            if part.repeats or part.form not in ("columns", "number", "index"):
                gradient = complete(gradient, like, part.array.of_sample, part.count)
            part.array.shares.append(part.share(gradient))

    def _over_samples(self, operand: Operand, gradient: Product, like: str, count: int) -> Product:
        """The gradient of what is the same for all samples."""
        one = operand.parts[0].form == "number" and len(operand.parts) == 1
        if not gradient.of_sample and not (one and count > 1):
            return replace(gradient.over_samples(self.samples), wide=gradient.wide and not one)
        gradient = complete(gradient, like, True, count)
        return gradient.after(".sum()" if one else ".sum(axis=0)", False, not one)

    def add_to(self, block: Block, text: str) -> None:
        """What is added to the gradient of parameters that have a name."""
        if block.gradient:
            self.line(f"{block.gradient} += {text}")
        else:
            block.gradient = self.named(f"d{block.name}", f"{text}.copy()" if text.isidentifier() else text)

    def kept(self, gradient: Product, wanted: str) -> Product:
        """A gradient that is needed more than once, by name."""
        text = str(gradient)
        name = text if text.isidentifier() else self.named(wanted, text)
        return factor(name, gradient.of_sample, gradient.wide)

    def gradient_of(self, array: Array) -> Product | None:
        """All that is added to an array's gradient, as one expression; None if nothing is."""
        shares = array.shares
        if not shares:
            return None
        if all(not share.target for share in shares):
            return self._sum_of(array, [share.product for share in shares])
        if _tile(array, shares):
            shares = sorted(shares, key=lambda share: share.span.start if share.span else 0)
            text = joined([str(share.product) for share in shares], array.of_sample)
            return factor(self._gradient(array, text), array.of_sample)
        name = self._gradient(array, f"np.zeros_like({bare(array.name)})")
        for share in shares:
            if share.repeats:
                self._add_at(name, array, share)
            else:
                self.line(f"{name}{share.target} += {bare(str(share.product))}")
        return factor(name, array.of_sample)

    def _sum_of(self, array: Array, products: list[Product]) -> Product:
        if len(products) == 1 and len(str(products[0])) <= SHORT:
            return products[0]
        of_sample = any(product.of_sample for product in products)
        wide = any(product.wide for product in products)
        text = added(products)
        if len(text) <= WIDTH:
            return factor(self._gradient(array, text), of_sample, wide)
        name = self._gradient(array, str(products[0]))
        for product in products[1:]:
            self.line(f"{name} = {added([factor(name), product])}")
        return factor(name, of_sample, wide)

    def _gradient(self, array: Array, text: str) -> str:
        """The name of an array's gradient."""
        if array is not self.parameters:
            return self.named(gradient_name(array), text)
        self.line(f"gradient = {text}")
        return "gradient"

    def _add_at(self, name: str, array: Array, share: Share) -> None:
        index = share.target[len(array.lead) + 1 : -1]
        text = called_on(str(share.product), ".T") if array.of_sample else str(share.product)
        self.line(f"np.add.at({name}{'.T' if array.of_sample else ''}, {index}, {text})")


def _key(w: Grid) -> tuple[Any, ...]:
    return "w", w.shape, w.tobytes()


def _tile(array: Array, shares: list[Share]) -> bool:
    """Whether all shares are ranges of columns, complete, and follow one another without a gap."""
    spans = [share.span for share in shares if share.span and share.span.step == 1]
    whole = all(share.product.wide and share.product.of_sample == array.of_sample for share in shares)
    ordered = sorted(column for span in spans for column in (span.start, span.stop))
    return (
        whole
        and len(spans) == len(shares)
        and sum(map(len, spans)) == array.size
        and len({span.start for span in spans}) == len(spans)
        and ordered[1:-1:2] == ordered[2::2]
    )


def plain(operand: Operand) -> bool:
    """Whether an operand is read from one array, without a list of places."""
    return len(operand.parts) == 1 and operand.parts[0].form != "index"


def complete(gradient: Product, like: str, of_sample: bool, count: int) -> Product:
    """A gradient that has a number for each sample and node, as `like` has, or without samples, `count`."""
    if gradient.wide and (gradient.of_sample or not of_sample):
        return gradient
    text = f"np.full_like({like}, {gradient})" if like else f"np.full({count}, {gradient})"
    return factor(text, of_sample)


def gradient_name(array: Array) -> str:
    """D1 for U1, the deltas of the textbook; dZ1 for any other."""
    if array.name[:1] == "U" and array.name[1:].isdigit():
        return f"D{array.name[1:]}"
    return f"d{array.name}" if array.name.isidentifier() else "dV"
