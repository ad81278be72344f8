"""The value view: a box per Value, its local derivatives at the ports where its inputs arrive."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from microbp.show import style
from microbp.show.sketch import Box, Edge, Sketch
from microbp.show.style import cell, font, name, number, superscript, table
from microbp.traversal import ACTIVATIONS, FoundUnit, consumers, is_target, topological
from microbp.value import Value, name_of


def draw(
    outputs: Sequence[Value], units: Sequence[FoundUnit], only: Collection[Value] | None = None
) -> Sketch:
    """A sketch of the graph of `outputs`, a frame around each of its `units`.

    With `only` some of its nodes are drawn, and where others are joined to them, dots.
    """
    return _ValuesView(outputs, units, only).draw()


class _ValuesView:
    def __init__(
        self, outputs: Sequence[Value], units: Sequence[FoundUnit], only: Collection[Value] | None
    ) -> None:
        everything = topological(*outputs)
        self.outputs = outputs
        self.nodes = everything if only is None else [node for node in everything if node in only]
        self.left_out = len(everything) - len(self.nodes)
        drawn = set(self.nodes)
        self.units = [unit for unit in units if drawn.issuperset(unit.inner)] if self.left_out else units
        self.ids = {node: f"n{k}" for k, node in enumerate(self.nodes)}
        self.parameters = {parameter for unit in units for parameter in _parameters(unit)}
        self.of_units = self.parameters.union(*(unit.inputs for unit in units))
        self.frame_of = self._frames()
        self.gates = self._gates()
        self.heat = style.Scale(node.grad for node in self.nodes)
        self.flow = style.Scale(partial * node.grad for node in self.nodes for partial in node.partials)

    def draw(self) -> Sketch:
        sketch = Sketch(self._legend())
        sketch.frames += [f"<B>{title}</B>" for title in style.unit_titles(self.units)]
        for node in self.nodes:
            sketch.box(self._box(node))
        for (node, _), gate in self.gates.items():
            sketch.box(Box(gate, shape="point", frame=self.frame_of[node]))
        for k in range(len(self.units)):
            for column in self._columns(k):
                sketch.column(column)
        for column in self._leaf_columns():
            sketch.column(column)
        for node in self.nodes:
            for place in _order(node):
                if node.inputs[place] in self.ids:
                    sketch.edges += self._edges(node, place)
                else:
                    self._stub(sketch, node, place)
        return sketch

    def _stub(self, sketch: Sketch, node: Value, place: int) -> None:
        """Dots where an input that is not drawn would be."""
        dots, input = f"{self.ids[node]}_more{place}", node.inputs[place]
        what = f"{style.plain(name_of(input))} = {input.data!r} is not drawn"
        sketch.box(Box(dots, table([cell(font("<B>…</B>", style.GREY))]), role="more", tooltip=what))
        sketch.edges.append(Edge(dots, self.ids[node], f"i{place}", dashed=True, tooltip=what))

    def _frames(self) -> dict[Value, int]:
        """The unit each node is framed with: its own nodes, and the parameters that belong to it alone."""
        sharers = Counter(parameter for unit in self.units for parameter in _parameters(unit))
        users = consumers(*self.outputs)

        def belongs(parameter: Value, unit: FoundUnit) -> bool:
            """Not to another unit, nor to anything that this unit may be computed from."""
            others = set(users[parameter]).difference(unit.inner)
            return sharers[parameter] == 1 and all(user.birth > unit.u.birth for user in others)

        frame_of: dict[Value, int] = {}
        for k, unit in enumerate(self.units):
            for node in (*(p for p in _parameters(unit) if belongs(p, unit)), *unit.inner):
                if node in self.ids:
                    frame_of.setdefault(node, k)
        return frame_of

    def _gates(self) -> dict[tuple[Value, int], str]:
        """Where the edges from a unit's inputs pass between the boxes of its weights.

        Graphviz would lead these edges around the whole frame, since it lets no edge pass
        through a frame's column.  A point inside the frame, part of two edges, is let through.
        """
        return {
            (node, place): f"{self.ids[node]}_{place}"
            for node in self.nodes
            if any(self._framed_with(node, input) and input in self.parameters for input in node.inputs)
            for place, input in enumerate(node.inputs)
            if input in self.ids and not self._framed_with(node, input)
        }

    def _framed_with(self, node: Value, input: Value) -> bool:
        return node in self.frame_of and self.frame_of[node] == self.frame_of.get(input)

    def _box(self, node: Value) -> Box:
        heading = " &nbsp;".join(filter(None, [_operation(node), name(node.label)]))
        lines = [
            cell(font(number(node.data), style.VALUE), "" if heading else self._fill(node)),
            cell(font(number(node.grad), style.GRADIENT), self.heat.colour(node.grad)),
        ]
        if heading:
            lines.insert(0, cell(font(heading, size=14), self._fill(node)))
        if node.inputs:
            lines[0] = _strip(node, len(lines)) + lines[0]
        frame = {"border": "3" if node in self.outputs else "1", "cellpadding": "3"}
        if is_target(node) and node not in self.of_units:
            frame["style"] = "dashed"
        label = style.plain(node.label) + ": " if node.label else ""
        return Box(
            self.ids[node],
            table(lines, color=style.BORDER, bgcolor="#FFFFFF", **frame),
            tooltip=f"{label}value {node.data!r}, gradient {node.grad!r}",
            frame=self.frame_of.get(node),
        )

    def _fill(self, node: Value) -> str:
        if node in self.parameters:
            return style.PARAMETER_FILL
        if (node.rule and node.rule.name in ACTIVATIONS) or any(node is u.z is not u.u for u in self.units):
            return style.ACTIVATION_FILL
        return "#FFFFFF" if node.inputs else style.INPUT_FILL

    def _edges(self, node: Value, place: int) -> list[Edge]:
        """The line from an input to its port: one edge, or two where it passes a gate."""
        input, partial = node.inputs[place], node.partials[place]
        sent = partial * node.grad
        last = Edge(
            self.ids[input],
            self.ids[node],
            f"i{place}",
            width=1 + 2 * math.sqrt(self.flow.share(sent)),
            tooltip=f"sends back {number(partial)} × {number(node.grad)} = {number(sent)}",
            tight=self._framed_with(node, input),
        )
        gate = self.gates.get((node, place))
        if gate is None:
            return [last]
        return [replace(last, head=gate, port="", arrow=False), replace(last, tail=gate)]

    def _columns(self, k: int) -> Iterable[list[str]]:
        """The columns of a frame from top to bottom: what feeds its nodes, in the order of their ports."""
        rank: dict[Value, int] = {}
        column_of: dict[str, int] = {}
        for node in (node for node in self.units[k].inner if self.frame_of[node] == k):
            rank[node] = 1 + max((rank.get(input, 0) for input in node.inputs), default=0)
            column_of[self.ids[node]] = rank[node]
            for place in _order(node):
                input = node.inputs[place]
                if (node, place) in self.gates:
                    column_of[self.gates[node, place]] = rank[node] - 1
                elif self._framed_with(node, input) and not input.inputs:
                    column_of.setdefault(self.ids[input], rank[node] - 1)
        columns: defaultdict[int, list[str]] = defaultdict(list)
        for member, column in column_of.items():
            columns[column].append(member)
        return columns.values()

    def _leaf_columns(self) -> Iterable[list[str]]:
        """The leaves among the inputs of each unit."""
        for inputs in dict.fromkeys(unit.inputs for unit in self.units):
            leaves = (input for input in dict.fromkeys(inputs) if not input.inputs and input in self.ids)
            yield [self.ids[leaf] for leaf in leaves if leaf not in self.frame_of]

    def _legend(self) -> list[str]:
        E = style.wanted(self.outputs)
        return [
            f"In a box: &nbsp;{font('<B>×local derivative</B> by input', style.LOCAL)} &nbsp;|&nbsp; "
            f"operation and name, &nbsp;{font('<B>value</B> (forward)', style.VALUE)}, "
            f"&nbsp;{font(f'<B>∂{E}/∂node</B> (backward)', style.GRADIENT)}",
            f"Chain rule: &nbsp;a box sends {font('local derivative', style.LOCAL)} × its own "
            f"{font('gradient', style.GRADIENT)} back along each incoming edge; "
            "&nbsp;what arrives at a box adds up",
            "Gradients: &nbsp;orange is positive, violet is negative, deeper is larger.  "
            "The more an edge sends back, the wider it is.",
            *style.no_backward(node.grad for node in self.nodes),
            *self._what_is_left_out(),
        ]

    def _what_is_left_out(self) -> Iterator[str]:
        if self.left_out:
            nodes = "node is" if self.left_out == 1 else "nodes are"
            yield f"<B>A part of the graph:</B> {self.left_out:,} more {nodes} not drawn."


def _parameters(unit: FoundUnit) -> Iterator[Value]:
    """The leaves among a unit's weights and bias, each once."""
    parameters = unit.weights if unit.bias is None else (*unit.weights, unit.bias)
    return (parameter for parameter in dict.fromkeys(parameters) if not parameter.inputs)


def _operation(node: Value) -> str:
    """The symbol of a node's operation, with the plain number it may hold."""
    rule = node.rule
    if rule is None:
        return ""
    held = "" if node.constant is None else f"{float(node.constant):.3g}".replace("-", "−")
    match rule.name:
        case "weighted_sum":
            return "<B>Σ</B> <I>w</I>·<I>z</I>"
        case "power":
            return f"<B>( )</B>{superscript(held)}"
        case "exponentiation" if rule.place == 0:
            return f"<B>{held}</B>{superscript('( )')}"
        case "negation":
            symbol = "−( )"
        case "sum" if len(node.operands) == 2:
            symbol = "+"
        case _:
            symbol = style.escaped(rule.symbol)
    parts = [held, symbol] if rule.place == 0 else [symbol, held]
    return f"<B>{' '.join(filter(None, parts))}</B>"


def _order(node: Value) -> list[int]:
    """The inputs' places from top to bottom: in a weighted sum each weight next to its input."""
    places = list(range(len(node.inputs)))
    pairs = _pairs(node)
    paired = [place for k in range(pairs) for place in (k, pairs + k)]
    return paired + places[2 * pairs :]


def _pairs(node: Value) -> int:
    return len(node.inputs) // 2 if node.rule and node.rule.name == "weighted_sum" else 0


def _strip(node: Value, height: int) -> str:
    """The local derivatives, a row for each input, to the left of `height` lines."""
    rows: list[str] = []
    for row, place in enumerate(_order(node)):
        if row and row % 2 == 0 and _pairs(node):
            rows.append(style.HR)
        text = font(f"×{number(node.partials[place])}", style.LOCAL, 10)
        rows.append(cell(text, port=f"i{place}", height="18"))
    strip = table(rows, cellpadding="2", color=style.LOCAL_LINE)
    edge = {"cellpadding": "0", "sides": "R", "border": "1", "color": style.LOCAL_LINE}
    return cell(strip, style.LOCAL_FILL, rowspan=str(height), **edge)
