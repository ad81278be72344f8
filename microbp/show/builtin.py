"""The engine that needs no Graphviz: a sketch laid out by `layout.py` and written as SVG."""

from __future__ import annotations

import html
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from microbp.show import style
from microbp.show.labels import FONTS, Table, Text, digits, read
from microbp.show.layout import ARROW, Block, Layout, Link, Point, lay_out
from microbp.show.sketch import Box, Edge, Sketch

_INCH = 72.0
_PADDING, _TITLE, _MARGIN, _ABOVE_LEGEND = 9.0, 22.0, 11.0, 12.0


def svg(sketch: Sketch, title: str) -> str:
    """The sketch as the text of an SVG file; `title` is what a screen reader says of it.

    The same sketch gives the same text.  Every box is a group with its id and a title.
    """
    return _Drawing(sketch).svg(title)


@dataclass
class _Part:
    """A block of the outer layout: one box, or a frame with a layout of its own inside."""

    block: Block
    boxes: list[str]
    inside: Layout | None = None
    entries: dict[int, Link] = field(default_factory=dict)  # by edge
    exits: dict[str, Link] = field(default_factory=dict)  # by box
    within: dict[int, Link] = field(default_factory=dict)  # by edge

    @property
    def origin(self) -> Point:
        """Where the inner layout begins."""
        return self.block.x + _PADDING, self.block.y + _TITLE


class _Drawing:
    def __init__(self, sketch: Sketch) -> None:
        self.sketch = sketch
        self.labels = {box.id: _table(box.label) for box in sketch.boxes.values() if box.label}
        self.sizes = {id: label.size() for id, label in self.labels.items()}
        self.headings = [_text(style.font(title, style.GREY, 12)) for title in sketch.frames]
        self.blocks = {box.id: Block(*self._size(box)) for box in sketch.boxes.values()}
        self.ports = {id: label.ports(*self.sizes[id]) for id, label in self.labels.items()}
        try:
            self._lay_out()
        except ValueError:  # frames that lead to one another in a circle cannot stand side by side
            self.sketch = replace(
                sketch,
                frames=[],
                boxes={id: replace(box, frame=None) for id, box in sketch.boxes.items()},
            )
            self._lay_out()

    def _size(self, box: Box) -> tuple[float, float]:
        if box.shape == "point":
            return 0.0, 0.0
        width, height = self.sizes[box.id]
        return (width * math.sqrt(2), height * math.sqrt(2)) if box.shape == "ellipse" else (width, height)

    # Where everything is.

    def _lay_out(self) -> None:
        sketch = self.sketch
        columns = [[self.blocks[id] for id in column] for column in sketch.columns]
        self.parts = {box.id: _Part(self.blocks[box.id], [box.id]) for box in sketch.members(None)}
        at_frame: defaultdict[int | None, list[int]] = defaultdict(list)
        for number, edge in enumerate(sketch.edges):
            for k in {sketch.boxes[edge.tail].frame, sketch.boxes[edge.head].frame}:
                at_frame[k].append(number)
        self.frames = [self._frame(k, at_frame[k], columns) for k in range(len(sketch.frames))]
        for frame in self.frames:
            self.parts |= dict.fromkeys(frame.boxes, frame)
        blocks = list(dict.fromkeys(part.block for part in self.parts.values()))
        self.between = {
            k: self._outer_link(k, edge)
            for k, edge in enumerate(sketch.edges)
            if self.parts[edge.tail] is not self.parts[edge.head]
        }
        outer = [column for column in columns if column[0] in blocks]
        self.outside = lay_out(
            blocks,
            list(self.between.values()),
            [*outer, [frame.block for frame in self.frames]],
            sketch.box_gap * _INCH,
            sketch.rank_gap * _INCH,
        )

    def _frame(self, k: int, edges: Sequence[int], columns: Sequence[Sequence[Block]]) -> _Part:
        """The frame of a unit: its boxes laid out, and points where lines enter and leave it."""
        sketch, boxes = self.sketch, [box.id for box in self.sketch.members(k)]
        members = [self.blocks[id] for id in boxes]
        part = _Part(Block(0.0, 0.0, stretches=True), boxes)
        for number in edges:
            edge = sketch.edges[number]
            tail, head = self.blocks[edge.tail], self.blocks[edge.head]
            from_here, to_here = (sketch.boxes[id].frame == k for id in (edge.tail, edge.head))
            if from_here and to_here:
                part.within[number] = self._link(edge, tail, head)
            elif to_here:
                part.entries[number] = self._link(edge, Block(0.0, 0.0, side=-1), head)
            elif from_here and edge.tail not in part.exits:
                part.exits[edge.tail] = Link(tail, Block(0.0, 0.0, side=1), tail.height / 2, 0.0)
        entered = [link.tail for link in part.entries.values()]
        left = [link.head for link in part.exits.values()]
        inner = [column for column in columns if column[0] in members]
        links = [*part.within.values(), *part.entries.values(), *part.exits.values()]
        gaps = sketch.box_gap * _INCH, sketch.rank_gap * _INCH
        part.inside = lay_out([*members, *entered, *left], links, inner, *gaps)
        part.block.width = max(part.inside.width, self.headings[k].size()[0]) + 2 * _PADDING
        part.block.height = part.inside.height + _TITLE + _PADDING
        return part

    def _link(self, edge: Edge, tail: Block, head: Block) -> Link:
        return Link(tail, head, tail.height / 2, self._arrival(edge))

    def _arrival(self, edge: Edge) -> float | None:
        """How far below the top of its head an edge arrives; None for anywhere."""
        if edge.port:
            return self.ports[edge.head][edge.port]
        head = self.sketch.boxes[edge.head]
        return None if head.role == "unit" else self.blocks[edge.head].height / 2

    def _outer_link(self, k: int, edge: Edge) -> Link:
        tail, head = self.parts[edge.tail], self.parts[edge.head]
        tail_y = tail.block.height / 2
        if tail.inside:
            tail_y = _TITLE + tail.exits[edge.tail].head.y
        head_y = _TITLE + head.entries[k].tail.y if head.inside else self._arrival(edge)
        return Link(tail.block, head.block, tail_y, head_y)

    def _place(self, box: Box) -> Point:
        """The left upper corner of a box."""
        block, part = self.blocks[box.id], self.parts[box.id]
        if part.inside is None:
            return block.x, block.y
        x, y = part.origin
        return x + block.x, y + block.y

    def _route(self, k: int, edge: Edge) -> list[Point]:
        """The corners of a line: level from the first to the second, bent to the third, and so on."""
        tail, head = self.parts[edge.tail], self.parts[edge.head]
        corners = []
        if tail is head:
            corners += _moved(tail, tail.within[k])
        else:
            if tail.inside:
                corners += _moved(tail, tail.exits[edge.tail])
            corners += self.outside.route(self.between[k])
            if head.inside:
                corners += _moved(head, head.entries[k])
        if self.sketch.boxes[edge.head].shape == "ellipse":
            x, y = corners[-1]
            corners[-1] = (x + _inset(self.parts[edge.head].block, y), y)
        return corners

    # The drawing.

    def svg(self, title: str) -> str:
        legend = _text(style.legend(self.sketch.legend))
        words_width, words_height = legend.size()
        inner = max(self.outside.width, words_width)
        width, height = inner + 2 * _MARGIN, self.outside.height + _ABOVE_LEGEND + words_height + 2 * _MARGIN
        shift = _MARGIN + (inner - self.outside.width) / 2
        size = f"{digits(width)} {digits(height)}"
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{digits(width)}pt" '
                f'height="{digits(height)}pt" viewBox="0 0 {size}" role="img" font-family="{FONTS}">',
                f"<title>{html.escape(title)}</title>",
                '<rect class="ground" width="100%" height="100%" fill="white"/>',
                f'<g class="graph" transform="translate({digits(shift)} {digits(_MARGIN)})">',
                *self._frames(),
                *(self._edge(k, edge) for k, edge in enumerate(self.sketch.edges)),
                *(self._box(box) for box in self.sketch.boxes.values() if box.shape != "point"),
                "</g>",
                '<g class="legend">',
                *legend.draw(_MARGIN, _MARGIN + self.outside.height + _ABOVE_LEGEND, inner, "center"),
                "</g>",
                "</svg>\n",
            ]
        )

    def _frames(self) -> Iterator[str]:
        for k, (frame, heading) in enumerate(zip(self.frames, self.headings)):
            block = frame.block
            yield "\n".join(
                [
                    f'<g id="frame-{k}" class="frame">',
                    _shape("rect", block, style.FRAME["fillcolor"], style.FRAME["color"], 1.0, ' rx="8"'),
                    *heading.draw(block.x + _PADDING, block.y + 3.0, block.width, "left"),
                    "</g>",
                ]
            )

    def _box(self, box: Box) -> str:
        x, y = self._place(box)
        block, label = self.blocks[box.id], self.labels[box.id]
        placed = Block(block.width, block.height, x=x, y=y)
        width, height = self.sizes[box.id]
        lines = [f'<g id="{box.role}-{box.id}" class="box {box.role}">']
        if box.tooltip:
            lines.append(_title(box.tooltip))
        if box.shape != "plain":
            kind = "ellipse" if box.shape == "ellipse" else "rect"
            lines.append(_shape(kind, placed, box.fill, style.BORDER, box.line_width))
        lines += label.draw(x + (block.width - width) / 2, y + (block.height - height) / 2, width, height)
        return "\n".join([*lines, "</g>"])

    def _edge(self, k: int, edge: Edge) -> str:
        corners = self._route(k, edge)
        tip_x, tip_y = corners[-1]
        if edge.arrow:
            corners[-1] = (tip_x - ARROW + 1, tip_y)
        dashes = ' stroke-dasharray="5,2"' if edge.dashed else ""
        lines = [
            f'<g id="edge-{edge.tail}-{edge.head}{edge.port and "-" + edge.port}" class="edge">',
            _title(edge.tooltip),
            f'<path d="{_path(corners)}" fill="none" stroke="{edge.colour}" '
            f'stroke-width="{digits(edge.width)}"{dashes}/>',
        ]
        if edge.arrow:
            back, half = digits(tip_x - ARROW), 2.2 + edge.width / 3
            points = (
                f"{digits(tip_x)},{digits(tip_y)} {back},{digits(tip_y - half)} {back},{digits(tip_y + half)}"
            )
            lines.append(f'<polygon points="{points}" fill="{edge.colour}"/>')
        return "\n".join([*lines, "</g>"])


def _moved(part: _Part, link: Link) -> list[Point]:
    """A line inside a frame, where the frame stands; from its border or to it at the ends outside."""
    assert part.inside is not None
    x, y = part.origin
    return [(x + a, y + b) for a, b in part.inside.route(link)]


def _inset(block: Block, y: float) -> float:
    """How far inside its rectangle the left of an ellipse is at a height."""
    half = block.height / 2
    return block.width / 2 * (1 - math.sqrt(max(0.0, 1 - ((y - block.y - half) / half) ** 2)))


def _path(corners: Sequence[Point]) -> str:
    level_to, y = corners[0]
    path = f"M{digits(level_to)},{digits(y)}"
    for k, (right, height) in enumerate(corners[1:]):
        if k % 2 == 0 or abs(height - y) < 0.01:
            level_to = right  # drawn when the line bends or ends: most of a long line is straight
        else:
            middle = digits((level_to + right) / 2)
            path += f"H{digits(level_to)}C{middle},{digits(y)} {middle},{digits(height)} "
            path += f"{digits(right)},{digits(height)}"
            level_to, y = right, height
    return path + f"H{digits(level_to)}"


def _table(label: str) -> Table:
    table = read(label)
    assert isinstance(table, Table)
    return table


def _text(label: str) -> Text:
    text = read(label)
    assert isinstance(text, Text)
    return text


def _title(text: str) -> str:
    return f"<title>{html.escape(style.plain(text, style.LONGEST_TOOLTIP))}</title>"


def _shape(kind: str, block: Block, fill: str, line: str, width: float, more: str = "") -> str:
    if kind == "ellipse":
        rx, ry = block.width / 2, block.height / 2
        where = f'cx="{digits(block.x + rx)}" cy="{digits(block.y + ry)}" rx="{digits(rx)}" ry="{digits(ry)}"'
    else:
        where = (
            f'x="{digits(block.x)}" y="{digits(block.y)}" '
            f'width="{digits(block.width)}" height="{digits(block.height)}"'
        )
    return f'<{kind} {where} fill="{fill}" stroke="{line}" stroke-width="{width:g}"{more}/>'
