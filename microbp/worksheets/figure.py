"""The figure of a worksheet: the network with its numbers, with room to write those to be found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from microbp.show import builtin, style
from microbp.show.sketch import Box, Edge, Sketch
from microbp.worksheets.solution import NamedUnit

MOST_PILLS = 12  # with more weights than this their numbers are left to the list of what is given


def figure(
    layers: Sequence[Sequence[NamedUnit]], targets: Sequence[str], shown: Callable[[str], str], title: str
) -> str:
    """The network as SVG, `shown` giving each number by its name, or "" where there is a blank."""
    sketch = Sketch([], rank_gap=0.4, box_gap=0.12)
    with_pills = sum(len(unit.weights) for layer in layers for unit in layer) <= MOST_PILLS
    before = [_given(sketch, f"x{j}", name, shown) for j, name in enumerate(layers[0][0].inputs)]
    sketch.column(before)
    for l, layer in enumerate(layers):
        own, pills = [], []
        for k, unit in enumerate(layer):
            own.append(_unit(sketch, f"u{l}_{k}", unit, shown))
            for j, (weight, source) in enumerate(zip(unit.weights, before)):
                if not with_pills:
                    sketch.edges.append(Edge(source, own[-1]))
                    continue
                pills.append(f"w{l}_{j}_{k}")
                label = style.table([style.cell(_line(weight, shown))], cellpadding="2")
                sketch.box(Box(pills[-1], label, role="pill"))
                sketch.edges += [Edge(source, pills[-1], arrow=False), Edge(pills[-1], own[-1])]
        sketch.column(own)
        sketch.column(pills)
        before = own
    rows = [*(_row(t, shown) for t in targets), _row("E", shown)]
    sketch.box(Box("E", style.table(rows, cellpadding="4"), "box", role="unit", fill="#FFFFFF"))
    sketch.edges += [Edge(source, "E") for source in before]
    drawing = builtin.svg(sketch, title)
    return drawing[drawing.index("<svg") :]


def _given(sketch: Sketch, id: str, name: str, shown: Callable[[str], str]) -> str:
    sketch.box(Box(id, style.table([_row(name, shown)], cellpadding="4"), "box", role="unit", fill="#FFFFFF"))
    return id


def _unit(sketch: Sketch, id: str, unit: NamedUnit, shown: Callable[[str], str]) -> str:
    names = [*([unit.bias] if unit.bias else []), *dict.fromkeys([unit.u, unit.z, unit.delta])]
    label = style.table([_row(name, shown) for name in names], cellpadding="2")
    sketch.box(Box(id, label, "ellipse", role="unit", fill="#FFFFFF"))
    return id


def _row(name: str, shown: Callable[[str], str]) -> str:
    return style.cell(_line(name, shown), align="left")


def _line(name: str, shown: Callable[[str], str]) -> str:
    """A name and its number, or room to write one."""
    written = name.replace("delta", "δ", 1) if name.startswith("delta") else name
    return style.font(f"{style.name(written)} = {shown(name).replace('-', '−') or '_' * 8}")
