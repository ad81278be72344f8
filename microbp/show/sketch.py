"""A picture before it is drawn: boxes, edges, frames, and which boxes stand in one column.

Two engines draw it: Graphviz from the DOT text of `dot_source`, and microbp's own from the
sketch itself (`builtin.py`).  Labels are in Graphviz's HTML-like language, read by both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from microbp.show import style
from microbp.value import Value

Row = tuple[Any, ...]
"""What a row shows: ("value", node), ("gradient", node), ("added", u, z) for what a unit of net input
u and source z adds to the gradient of a weight, or ("text",)."""


@dataclass
class Box:
    """A node of the picture.  `shape` is "plain" (its label's table alone), "box", "ellipse" or "point".

    In the view of units `node` is what the box stands for (on a line: whose number it bears), and
    `rows` is what its last rows show, from top to bottom.
    """

    id: str
    label: str = ""
    shape: str = "plain"
    tooltip: str = ""
    role: str = "value"
    fill: str = ""
    line_width: float = 1.2
    frame: int | None = None
    node: Value | None = None
    rows: list[Row] = field(default_factory=list)


@dataclass
class Edge:
    """A line from the right of one box to a port of another, or to its outline where no port is named."""

    tail: str
    head: str
    port: str = ""
    arrow: bool = True
    width: float = 1.0
    dashed: bool = False
    colour: str = style.LINE
    tooltip: str = ""
    tight: bool = False  # the two ends belong together


@dataclass
class Sketch:
    """`frames` are titles; a `columns` entry lists boxes that stand one above the other, in that order."""

    legend: list[str]
    rank_gap: float = 0.45
    box_gap: float = 0.12
    boxes: dict[str, Box] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)
    columns: list[list[str]] = field(default_factory=list)

    def box(self, box: Box) -> None:
        self.boxes[box.id] = box

    def members(self, frame: int | None) -> list[Box]:
        return [box for box in self.boxes.values() if box.frame == frame]

    def leads_past_a_frame(self) -> bool:
        """Whether a line passes a column of frames on its way to a later one."""
        depth = dict.fromkeys(range(len(self.frames)), 1)
        fed: dict[str, set[int]] = {}
        for edge in self.edges:  # in the order in which the values were computed
            tail, head = self.boxes[edge.tail].frame, self.boxes[edge.head].frame
            if head is not None and head != tail:
                if tail is not None:
                    depth[head] = max(depth[head], depth[tail] + 1)
                fed.setdefault(edge.tail, set()).add(head)
        return any(
            len({depth[k] for k in heads}) > 1
            or (frame is not None and any(depth[k] > depth[frame] + 1 for k in heads))
            for tail, heads in fed.items()
            for frame in [self.boxes[tail].frame]
        )

    def column(self, ids: Sequence[str]) -> None:
        if len(ids) > 1:
            self.columns.append(list(ids))


def dot_source(sketch: Sketch) -> str:
    """The sketch as DOT text, from left to right."""
    import graphviz

    picture = graphviz.Digraph(
        "microbp",
        graph_attr={
            **style.GRAPH,
            "ranksep": str(sketch.rank_gap),
            "nodesep": str(sketch.box_gap),
            "label": _markup(style.legend(sketch.legend)),
        },
        node_attr={"fontname": style.FONT, "shape": "plain"},
        edge_attr={"fontname": style.FONT, "color": style.LINE, "arrowsize": "0.6"},
    )
    for k, title in enumerate(sketch.frames):
        with picture.subgraph(name=f"cluster_{k}") as frame:
            frame.attr(label=_markup(title), **style.FRAME)
            for box in sketch.members(k):
                _box(frame, box)
            for column in sketch.columns:
                if sketch.boxes[column[0]].frame == k:
                    _chain(frame, column)
    for box in sketch.members(None):
        _box(picture, box)
    for column in sketch.columns:
        if sketch.boxes[column[0]].frame is None:
            _chain(picture, column)
    for edge in sketch.edges:
        _edge(picture, edge, sketch.boxes[edge.head])
    text: str = picture.source
    return text


def _box(picture: Any, box: Box) -> None:
    if box.shape == "point":
        picture.node(box.id, shape="point", width="0.05", color=style.LINE)
        return
    attributes = {"tooltip": style.tooltip(box.tooltip)} if box.tooltip else {}
    if box.shape != "plain":
        attributes |= {"shape": box.shape, "style": "filled", "color": style.BORDER, "fillcolor": box.fill}
        attributes |= {"penwidth": f"{box.line_width:g}"}
        attributes |= {"margin": "0.02"} if box.shape == "ellipse" else {}
    if box.role != "pill":
        attributes["id"] = f"{box.role}-{box.id}"
    picture.node(box.id, _markup(box.label), **attributes)


def _edge(picture: Any, edge: Edge, head: Box) -> None:
    port = f":{edge.port}:w" if edge.port else "" if head.role == "unit" else ":w"
    attributes = {"penwidth": f"{edge.width:.2f}", "tooltip": style.tooltip(edge.tooltip)}
    attributes |= {} if edge.arrow else {"arrowhead": "none"}
    attributes |= {"style": "dashed"} if edge.dashed else {}
    attributes |= {"color": edge.colour} if edge.colour != style.LINE else {}
    attributes |= {"weight": "6" if edge.tight else "2"} if edge.port or head.shape == "point" else {}
    picture.edge(f"{edge.tail}:e", edge.head + port, **attributes)


def _chain(picture: Any, ids: Sequence[str]) -> None:
    """A column for dot: a chain of invisible edges keeps it to an order; clusters ignore ordering=in."""
    with picture.subgraph() as column:
        column.attr(rank="same")
        for above, below in pairwise(ids):
            column.edge(above, below, style="invis")


def _markup(text: str) -> str:
    """HTML for an attribute `label`, whose backslashes are Graphviz's escapes unless doubled."""
    return f"<{text}>".replace("\\", "\\\\")
