"""The unit view: a node per unit with u, z and delta, and on each edge a weight with dE/dw.

A large network leaves out the numbers of its weights, a very large one those of its units too:
colours, line widths and tooltips remain.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from microbp.rules import BUILT_IN, Rule
from microbp.show import style
from microbp.show.formula import as_html, formula_of
from microbp.show.sketch import Box, Edge, Row, Sketch
from microbp.show.style import cell, font, name, number, table
from microbp.traversal import FoundUnit
from microbp.value import Value

MOST_PILLS = 80  # with more weights than this their numbers are left to the tooltips
MOST_NUMBERED = 60  # and with more units than this, theirs
_MOST_ROWS = 8
_NETWORK_LABEL = re.compile(r"|[uz]\d+\[\d+\]")


def draw(outputs: Sequence[Value], units: Sequence[FoundUnit]) -> Sketch:
    """A sketch of the `units` of the graph of `outputs`.

    What lies outside the units is drawn in few boxes: what the units are given, and what is
    computed from them, such as a loss.  Raises ValueError for more than can be drawn.
    """
    return _UnitsView(outputs, units).draw()


class _UnitsView:
    def __init__(self, outputs: Sequence[Value], units: Sequence[FoundUnit]) -> None:
        self.outputs = outputs
        self.units = units
        self.E = style.wanted(outputs)
        self.ids = {node: f"u{k}" for k, unit in enumerate(units) for node in (unit.u, *unit.inner)}
        given = [input for unit in units for input in unit.inputs]
        outside = [node for node in dict.fromkeys([*given, *outputs]) if node not in self.ids]
        self.inputs = [node for node in outside if not node.inputs]
        self.derived = [node for node in outside if node.inputs]
        self.ids |= {node: f"x{k}" for k, node in enumerate(self.inputs)}
        self.ids |= {node: f"f{k}" for k, node in enumerate(self.derived)}
        self.weights = [(unit, w, z) for unit in units for w, z in zip(unit.weights, unit.inputs)]
        self.uses = Counter(weight for _, weight, _ in self.weights)
        self.parameters = {*self.uses, *(unit.bias for unit in units)}
        self.origins = {node: self._origins(node) for node in self.derived}
        self.with_pills = len(self.weights) <= MOST_PILLS
        self.with_numbers = len(units) <= MOST_NUMBERED
        self._check_size()
        self.deltas = style.Scale(unit.u.grad for unit in units)
        self.gradients = style.Scale(unit.z.grad for unit in units)
        self.slopes = style.Scale(weight.grad for weight in self.uses)
        self.sizes = style.Scale(weight.data for weight in self.uses)

    def draw(self) -> Sketch:
        gap = 0.5 if self.with_pills else 1.5  # where lines fan out, they need the room
        self.sketch = Sketch(self._legend(), rank_gap=gap, box_gap=0.16)
        for node in self.inputs:
            self._input(node)
        for unit, title in zip(self.units, style.unit_titles(self.units)):
            self._unit(unit, title)
        for node in self.derived:
            self._derived(node)
        for k, (unit, weight, source) in enumerate(self.weights):
            self._weight(f"w{k}", unit, weight, source)
        if not self.with_numbers:
            self.sketch.edges.sort(key=lambda edge: edge.width)  # the strongest on top
        self._columns()
        return self.sketch

    def _check_size(self) -> None:
        boxes = len(self.units) + len(self.inputs) + len(self.derived)
        if boxes > style.MOST_BOXES:
            raise style.too_large(f"{style.MOST_BOXES:,} units and inputs")
        edges = len(self.weights) + sum(len(sources) for sources, _ in self.origins.values())
        if edges > style.MOST_BOXES * style.EDGES_PER_BOX:
            raise style.too_large(f"{style.MOST_BOXES * style.EDGES_PER_BOX:,} weights")

    def _input(self, node: Value) -> None:
        rows = [cell(font(number(node.data), style.VALUE))] if self.with_numbers else []
        if called := name(node.label):
            rows.insert(0, cell(font(f"<B>{called}</B>", size=14)))
        rows = rows or [cell("&nbsp;")]
        shown: list[Row] = [("value", node)] if self.with_numbers else []
        self._node(node, table(rows, cellpadding="4"), "box", shown, style.INPUT_FILL)

    def _unit(self, unit: FoundUnit, title: str) -> None:
        if not self.with_numbers:
            disc = table([cell("&nbsp;" * 4)], cellpadding="1")
            self._node(unit.z, disc, "ellipse", [], self.deltas.colour(unit.u.grad), title, unit.u)
            return
        called = title
        if not _NETWORK_LABEL.fullmatch(unit.z.label):
            called = name(unit.z.label) or title
        rows = [cell(font(f"<B>{called}</B>", size=12), colspan="2")]
        shown: list[Row] = [("value", unit.u), ("value", unit.z), ("gradient", unit.u)]
        if unit.bias is not None:
            rows.append(_line("<I>b</I>", unit.bias.data, style.BIAS))
            shown.insert(0, ("value", unit.bias))
        rows.append(_line("<I>u</I>", unit.u.data, style.VALUE))
        rows.append(_line(f"<I>z</I> = {_in_short(*_kind(unit))}", unit.z.data, style.VALUE))
        rows.append(_line("<I>δ</I>", unit.u.grad, style.GRADIENT, self.deltas.colour(unit.u.grad)))
        label = table(rows, cellpadding="2")
        self._node(unit.z, label, "ellipse", shown, "#FFFFFF", title, unit.u)

    def _derived(self, node: Value) -> None:
        """A box for what is computed outside the units, with the formula if it is short."""
        sources, _ = self.origins[node]
        formula = formula_of(node, self.ids.keys())
        called = name(node.label) or "<I>y</I>"
        title = f"{called} = {as_html(formula)}" if formula else called
        rows = [cell(font(f"<B>{title}</B>", size=13))]
        given, more = self._given(node)
        shown: list[Row] = [("value", leaf) for leaf in given]
        for leaf in given:
            rows.append(cell(font(f"{name(leaf.label) or 'given'} = {number(leaf.data)}", style.GREY)))
        if more:
            rows.append(cell(font(f"and {more} more number{'s' if more > 1 else ''}", style.GREY)))
            shown.append(("text",))
        rows.append(cell(font(f"{called} = {number(node.data)}", style.VALUE)))
        self._node(node, table(rows, cellpadding="3"), "box", [*shown, ("value", node)], "#FFFFFF")
        for k, source in enumerate(sources):
            self._link(f"{self.ids[node]}_{k}", source, node)

    def _given(self, node: Value) -> tuple[list[Value], int]:
        """The leaves that a derived box writes out, and how many more it was computed from."""
        _, leaves = self.origins[node]
        written = [leaf for leaf in leaves if leaf not in self.parameters][:_MOST_ROWS]
        return written, len(leaves) - len(written)

    def _link(self, pill: str, source: Value, node: Value) -> None:
        """The edge from a box to a derived one, with the derivative by what it passes on."""
        slope = f"∂{self.E}/∂{name(source.label) or '<I>z</I>'} = {number(source.grad)}"
        label = table(
            [cell(font(slope, style.GRADIENT), self.gradients.colour(source.grad))], cellpadding="3"
        )
        what = f"gradient of {source.label or 'z'} = {source.grad!r}"
        rows: list[Row] = [("gradient", source)]
        self.sketch.box(Box(pill, label, role="pill", tooltip=what, node=source, rows=rows))
        self.sketch.edges.append(Edge(self.ids[source], pill, arrow=False, width=1.4, tooltip=what))
        self.sketch.edges.append(Edge(pill, self.ids[node], width=1.4, tooltip=what))

    def _origins(self, node: Value) -> tuple[list[Value], list[Value]]:
        """The nodes with a box of their own that `node` was computed from, and the leaves without."""
        boxes, leaves, seen = [], [], set()
        waiting = list(reversed(node.inputs))
        while waiting:
            source = waiting.pop()
            if source in seen:
                continue
            seen.add(source)
            if source in self.ids:
                boxes.append(source)
            elif source.inputs:
                waiting.extend(reversed(source.inputs))
            else:
                leaves.append(source)
        return boxes, leaves

    def _weight(self, pill: str, unit: FoundUnit, weight: Value, source: Value) -> None:
        what = f"{weight.label or 'w'} = {weight.data!r}, gradient {weight.grad!r}"
        edge = Edge(
            self.ids[source],
            self.ids[unit.u],
            arrow=self.with_numbers,
            width=(1.0 if self.with_numbers else 0.2) + 2.2 * self.sizes.share(weight.data),
            dashed=weight.data < 0,
            tooltip=what,
        )
        if not self.with_pills:
            self.sketch.edges.append(replace(edge, colour=_sign(weight.grad)))
            return
        called = name(weight.label) or "<I>w</I>"
        rows = [cell(font(f"{called} = {number(weight.data)}"), style.PARAMETER_FILL)]
        shown: list[Row] = [("value", weight), ("gradient", weight)]
        if self.uses[weight] > 1:
            added = unit.u.grad * source.data
            shown.insert(1, ("added", unit.u, source))
            rows.append(self._slope_cell(f"adds <I>δ</I>·<I>z</I> = {number(added)}", added))
        rows.append(self._slope_cell(f"∂{self.E}/∂{called} = {number(weight.grad)}", weight.grad))
        label = table(rows, cellpadding="2")
        self.sketch.box(Box(pill, label, role="pill", tooltip=what, node=weight, rows=shown))
        self.sketch.edges += [replace(edge, head=pill, arrow=False), replace(edge, tail=pill)]

    def _slope_cell(self, text: str, slope: float) -> str:
        return cell(font(text, style.GRADIENT), self.slopes.colour(slope))

    def _node(
        self,
        node: Value,
        label: str,
        shape: str,
        rows: list[Row],
        fill: str,
        title: str = "",
        u: Value | None = None,
    ) -> None:
        if u is None:
            tooltip = f"{node.label or 'value'}: {node.data!r}, gradient {node.grad!r}"
        else:
            tooltip = f"{node.label or title}: u = {u.data!r}, z = {node.data!r}, delta = {u.grad!r}"
        width = 2.6 if node in self.outputs else 1.2
        box = Box(self.ids[node], label, shape, tooltip, "unit", fill, width, node=node, rows=rows)
        self.sketch.box(box)

    def _columns(self) -> None:
        """Keep the units of a layer in one column and in order, and likewise their weights."""
        depth: dict[str, int] = {}
        sources = {unit.z: unit.inputs for unit in self.units}
        sources |= {node: tuple(self.origins[node][0]) for node in self.derived}
        for node in sorted(sources, key=lambda node: node.birth):
            depth[self.ids[node]] = 1 + max((depth.get(self.ids[s], 0) for s in sources[node]), default=0)
        units: defaultdict[int, list[str]] = defaultdict(list)
        for unit in self.units:
            units[depth[self.ids[unit.u]]].append(self.ids[unit.u])
        pills: defaultdict[int, list[str]] = defaultdict(list)
        for k, (unit, _, _) in enumerate(self.weights):
            pills[depth[self.ids[unit.u]]].append(f"w{k}")
        self.sketch.column([self.ids[node] for node in self.inputs if node not in self.outputs])
        for column in units.values():
            self.sketch.column(column)
        if self.with_pills:
            for column in pills.values():
                self.sketch.column(column)

    def _legend(self) -> list[str]:
        kinds = {_kind(unit) for unit in self.units}
        kind = kinds.pop() if len(kinds) == 1 else ("custom", None)
        dE = f"∂{self.E}/∂"
        slopes = f"{dE}<I>w</I> = <I>δ</I>·<I>z</I> of its source, &nbsp;{dE}<I>b</I> = <I>δ</I>"
        if max(self.uses.values()) > 1:
            slopes += ", added up over the units that share them"
        lines = "Line width: |<I>w</I>|, dashed: <I>w</I> negative."
        if not self.with_pills:
            lines += f" Orange: {dE}<I>w</I> positive, violet: negative."
        if not self.with_numbers:
            lines += " Units: <I>δ</I> orange positive, violet negative, deeper is larger."
        return [
            font("<B>forward</B>", style.VALUE)
            + f": &nbsp;<I>u</I> = Σ <I>w</I>·<I>z</I> + <I>b</I>, &nbsp;<I>z</I> = {_activation(*kind)}",
            font("<B>backward</B>", style.GRADIENT)
            + f": &nbsp;<I>δ</I> = {dE}<I>u</I> = {_slope(*kind)}{dE}<I>z</I>, "
            + f"&nbsp;{dE}<I>z</I> = Σ <I>δ</I>·<I>w</I> over the units fed",
            slopes,
            lines,
            *style.no_backward(node.grad for node in (*self.outputs, *self.ids)),
        ]


def _line(what: str, x: float, colour: str, fill: str = "#FFFFFF") -> str:
    return cell(font(what, colour), fill, align="right") + cell(font(number(x), colour), fill, align="right")


def _kind(unit: FoundUnit) -> tuple[str, Rule | None]:
    """A unit's activation by name, and its row if it is a single one."""
    return unit.activation, None if unit.activation in ("linear", "custom") else unit.z.rule


def _activation(kind: str, rule: Rule | None) -> str:
    """What z is, in terms of u."""
    if rule is None:
        return "<I>u</I>" if kind == "linear" else "<I>f</I>(<I>u</I>)"
    return as_html(rule.formula(["u"]))


def _in_short(kind: str, rule: Rule | None) -> str:
    """The same in a unit's circle, where a row of your own goes by its symbol."""
    if rule is None or rule.name in BUILT_IN:
        return _activation(kind, rule)
    return f"{style.escaped(rule.symbol)}(<I>u</I>)"


def _slope(kind: str, rule: Rule | None) -> str:
    """The derivative of z by u as a factor."""
    if rule is None:
        return "" if kind == "linear" else "<I>f</I>′(<I>u</I>)·"
    return as_html(f"({rule.slope_formulas(['u'])[0]}) * E").removesuffix("<I>E</I>")


def _sign(x: float) -> str:
    return style.POSITIVE_LINE if x > 0 else style.NEGATIVE_LINE if x < 0 else style.LINE
