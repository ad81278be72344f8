"""The built-in engine: its SVG read back, and compared with the graph and with Graphviz's layout."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings, strategies as st
from test_picture import (
    GRAPHS,
    HOSTILE,
    SVG,
    WITH_UNITS,
    Layout,
    by_hand,
    check_arrivals,
    check_boxes,
    differentiated,
    labelled,
    needs_dot,
    network,
    relabelled,
    same_to_3_digits,
    unindexed,
)

import microbp
from microbp import MLP, Value, graph, squared_error, units, weighted_sum
from microbp.show import builtin, style
from microbp.show.labels import Font
from microbp.show.layout import Block, Link, lay_out
from microbp.show.sketch import Box, Edge, Sketch
from microbp.traversal import topological

# What is drawn, read from the SVG alone.


class Area(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Area, slack: float = 0.01) -> bool:
        return (
            self.left < other.right - slack
            and other.left < self.right - slack
            and self.top < other.bottom - slack
            and other.top < self.bottom - slack
        )

    def contains(self, other: Area, slack: float = 0.5) -> bool:
        return (
            self.left - slack <= other.left
            and other.right <= self.right + slack
            and self.top - slack <= other.top
            and other.bottom <= self.bottom + slack
        )

    def corners(self) -> list[tuple[float, float]]:
        return [(x, y) for x in (self.left, self.right) for y in (self.top, self.bottom)]


def from_centre(ellipse: Area, x: float, y: float) -> float:
    """How far a point is from the centre of an ellipse: 1 on its outline."""
    left, top, right, bottom = ellipse
    return math.hypot((2 * x - left - right) / (right - left), (2 * y - top - bottom) / (bottom - top))


class Word(NamedTuple):
    text: str
    area: Area


class Line(NamedTuple):
    tail: str
    head: str
    port: str
    points: list[tuple[float, float]]
    tip: tuple[float, float] | None


class Drawing:
    def __init__(self, svg: str) -> None:
        root = ElementTree.fromstring(svg)
        self.width, self.height = map(float, root.attrib["viewBox"].split()[2:])
        groups = list(root.iter(f"{SVG}g"))
        self.boxes = {
            g.attrib["id"].partition("-")[2]: g for g in groups if "box" in g.get("class", "").split()
        }
        self.frames = {g.attrib["id"]: area_of(g) for g in groups if g.get("class") == "frame"}
        self.areas = {id: area_of(box) for id, box in self.boxes.items()}
        self.words = {
            id: [word_of(text) for text in box.iter(f"{SVG}text")] for id, box in self.boxes.items()
        }
        self.lines = [line_of(g) for g in groups if g.get("class") == "edge"]

    def texts(self, id: str) -> list[str]:
        return [word.text for word in self.words[id]]

    def is_drawn(self, id: str) -> bool:
        """Whether a box has an outline, and is not its text alone."""
        return any(self.boxes[id].find(f"{SVG}{shape}") is not None for shape in ("rect", "ellipse"))


def area_of(group: ElementTree.Element) -> Area:
    ellipse = group.find(f"{SVG}ellipse")
    if ellipse is not None:
        x, y, rx, ry = (float(ellipse.attrib[key]) for key in ("cx", "cy", "rx", "ry"))
        return Area(x - rx, y - ry, x + rx, y + ry)
    areas = []
    for rect in group.iter(f"{SVG}rect"):
        x, y, w, h = (float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
        areas.append(Area(x, y, x + w, y + h))
    words = [word_of(text).area for text in group.iter(f"{SVG}text")]
    every = areas or words
    return Area(
        min(a.left for a in every),
        min(a.top for a in every),
        max(a.right for a in every),
        max(a.bottom for a in every),
    )


def word_of(text: ElementTree.Element) -> Word:
    words, size = "".join(text.itertext()), float(text.attrib["font-size"])
    x, y = float(text.attrib["x"]), float(text.attrib["y"])
    width = Font(size, bold=text.get("font-weight") == "bold").width(words)
    return Word(words.strip(), Area(x, y - 0.72 * size, x + width, y + 0.22 * size))


def line_of(group: ElementTree.Element) -> Line:
    tail, head, *port = group.attrib["id"].removeprefix("edge-").split("-")
    path = group.find(f"{SVG}path")
    assert path is not None
    points: list[tuple[float, float]] = []
    for letter, numbers in re.findall(r"([MHC])([^MHC]*)", path.attrib["d"]):
        values = [float(x) for x in re.split(r"[ ,]+", numbers.strip())]
        if letter == "M":
            points.append((values[0], values[1]))
        elif letter == "H":
            points.append((values[0], points[-1][1]))
        else:
            points += bezier(points[-1], values)
    polygon = group.find(f"{SVG}polygon")
    tip = None
    if polygon is not None:
        x, y = polygon.attrib["points"].split()[0].split(",")
        tip = float(x), float(y)
    return Line(tail, head, "".join(port), points, tip)


def bezier(start: tuple[float, float], values: list[float]) -> list[tuple[float, float]]:
    (x0, y0), (x1, y1, x2, y2, x3, y3) = start, values
    return [
        (
            (1 - t) ** 3 * x0 + 3 * (1 - t) ** 2 * t * x1 + 3 * (1 - t) * t * t * x2 + t**3 * x3,
            (1 - t) ** 3 * y0 + 3 * (1 - t) ** 2 * t * y1 + 3 * (1 - t) * t * t * y2 + t**3 * y3,
        )
        for t in (k / 12 for k in range(1, 13))
    ]


def drawn(output: Value, view: str = "values", **options: Any) -> Drawing:
    return Drawing(graph(output, view, engine="builtin", **options).svg)


# Random graphs.


STEPS: list[Callable[[Value, Value, Value, Value], Value]] = [
    lambda a, b, c, d: a + b,
    lambda a, b, c, d: a * b,
    lambda a, b, c, d: a.tanh(),
    lambda a, b, c, d: 0.5 * a - 2,
    lambda a, b, c, d: microbp.sum([a, b, c, d]),
    lambda a, b, c, d: weighted_sum([a, c], [b, d]).tanh(),
    lambda a, b, c, d: (Value(0.5, "w") * a + Value(1.0)).relu(),
    lambda a, b, c, d: weighted_sum([Value(0.5), Value(0.2)], [a, b], Value(0.1, "b")).sigmoid(),
]


@st.composite
def graphs(draw: Any) -> Value:
    """A graph of sums, products, units and shared nodes, with labels of any length."""
    label = st.sampled_from(["", "", "w", "x[1]", "a label of many words", "W" * 40, "漢字", "b1[2,3]"])
    nodes = [Value(draw(st.floats(-2, 2)), draw(label)) for _ in range(draw(st.integers(1, 5)))]
    for _ in range(draw(st.integers(1, 18))):
        picked = [nodes[draw(st.integers(max(0, len(nodes) - 6), len(nodes) - 1))] for _ in range(4)]
        node = draw(st.sampled_from(STEPS))(*picked)
        if not node.label:
            node.label = draw(label)
        nodes.append(node)
    output = nodes[-1]
    output.backward()
    return output


# The structure.


def check_values(output: Value, drawing: Drawing) -> None:
    """Every node, port and edge is there, and every edge ends at its port."""
    nodes = topological(output)
    ids = {node: f"n{k}" for k, node in enumerate(nodes)}
    assert set(drawing.boxes) == set(ids.values())
    lines = {(line.head, line.port): line for line in drawing.lines}
    gates = {line.head: line for line in drawing.lines if line.head not in drawing.boxes}
    assert len(lines) == len(drawing.lines)
    for node, id in ids.items():
        assert same_to_3_digits(drawing.texts(id)[-2], node.data)
        assert same_to_3_digits(drawing.texts(id)[-1], node.grad)
        rows = [word for word in drawing.words[id] if re.match("×[−0-9]", word.text)]
        assert len(rows) == len(node.inputs)
        for place, (input, partial) in enumerate(zip(node.inputs, node.partials)):
            line = lines.pop((id, f"i{place}"))
            assert line.tip is not None
            x, y = line.tip
            assert x == pytest.approx(drawing.areas[id].left, abs=0.6)
            [row] = [row for row in rows if row.area.top <= y <= row.area.bottom]
            assert same_to_3_digits(row.text, partial)
            first = gates.get(line.tail, line)
            if first is not line:
                lines.pop((first.head, ""))
                assert first.points[-1] == pytest.approx(line.points[0], abs=0.02)
            assert first.tail == ids[input]
            start, source = first.points[0], drawing.areas[ids[input]]
            assert start == pytest.approx((source.right, (source.top + source.bottom) / 2), abs=0.6)
    assert not lines


def check_layout(drawing: Drawing) -> None:
    """No two boxes overlap, text stays in its box, no line crosses a box, and all is on the paper."""
    paper = Area(-11.0, -11.0, drawing.width, drawing.height)
    for id, area in drawing.areas.items():
        assert paper.contains(area)
        for word in drawing.words[id]:
            assert area.contains(word.area)
            if drawing.is_drawn(id):
                assert area.left + 1 < word.area.left and word.area.right < area.right - 1
            if drawing.boxes[id].find(f"{SVG}ellipse") is not None:
                assert all(from_centre(area, x, y) < 1.0 for x, y in word.area.corners())
    for a, b in combinations(drawing.areas.values(), 2):
        assert not a.overlaps(b)
    for (name_a, frame_a), (name_b, frame_b) in combinations(drawing.frames.items(), 2):
        assert not frame_a.overlaps(frame_b), (name_a, name_b)
    for frame in drawing.frames.values():
        assert all(frame.contains(area) or not frame.overlaps(area) for area in drawing.areas.values())
    for line in drawing.lines:
        for (x, y), (x2, y2) in pairwise(line.points):
            part = Area(min(x, x2), min(y, y2), max(x, x2), max(y, y2))
            if abs(y - y2) > 0.02:  # a frame is entered and left by level lines
                for frame in drawing.frames.values():
                    for border in (frame.left, frame.right):
                        assert not part.overlaps(frame._replace(left=border - 2, right=border + 2))
            for id, area in drawing.areas.items():
                if id not in (line.tail, line.head):
                    assert not part.overlaps(area)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_graphs_of_graphviz_are_drawn_by_the_builtin_engine_too(name: str) -> None:
    output = differentiated(name)
    drawing = drawn(output)
    check_values(output, drawing)
    check_layout(drawing)
    assert len(drawing.frames) == len(units(output))


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_any_graph_is_drawn_whole_and_tidy(output: Value) -> None:
    drawing = drawn(output)
    check_values(output, drawing)
    check_layout(drawing)


def squeezed(texts: list[str]) -> str:
    return "".join("".join(texts).split())


@needs_dot
@settings(max_examples=40, deadline=None)
@given(graphs())
def test_graphviz_draws_the_same_structure(output: Value) -> None:
    """The boxes and, edge by edge, the ports are the same in both engines' pictures."""
    nodes = relabelled(output)
    source = graph(output, "values").source
    ours, theirs = drawn(output), Layout(source)
    box = {label: theirs.box_of(label) for label in nodes}
    id = {label: f"n{k}" for k, label in enumerate(nodes)}
    label_of = {box[label]: label for label in nodes}
    drawn_by_dot = {
        (label_of[tail], label_of[head], port.removesuffix(":w")) for tail, head, port, _ in theirs.arrivals()
    }
    into = {line.head: line.tail for line in ours.lines if line.head not in ours.boxes}
    label_of_id = {id[label]: label for label in nodes}
    drawn_here = {
        (label_of_id[into.get(line.tail, line.tail)], label_of_id[line.head], line.port)
        for line in ours.lines
        if line.head in ours.boxes
    }
    assert drawn_here == drawn_by_dot
    for label in nodes:
        assert squeezed(ours.texts(id[label])) == squeezed(theirs.texts(box[label]))
    check_arrivals(nodes, theirs)
    check_boxes(theirs)


@pytest.mark.parametrize("name", WITH_UNITS)
def test_the_unit_view_is_whole_and_tidy(name: str) -> None:
    output = differentiated(name)
    found = units(output)
    drawing = drawn(output, "units")
    check_layout(drawing)
    for k, unit in enumerate(found):
        texts = drawing.texts(f"u{k}")
        assert same_to_3_digits(texts[texts.index("u") + 1], unit.u.data)
        assert same_to_3_digits(texts[texts.index("δ") + 1], unit.u.grad)
    for line in drawing.lines:
        if line.tip and drawing.boxes[line.head].find(f"{SVG}ellipse") is not None:
            assert from_centre(drawing.areas[line.head], *line.tip) == pytest.approx(1.0, abs=0.01)


def test_every_weight_leads_from_its_source_to_its_unit() -> None:
    output = differentiated("3-4-2")
    found = units(output)
    drawing = drawn(output, "units")
    into = {line.head: line.tail for line in drawing.lines if line.head.startswith("w")}
    out = {line.tail: line.head for line in drawing.lines if line.tail.startswith("w")}
    for k, unit in enumerate(found):
        for weight, input in zip(unit.weights, unit.inputs):
            called = unindexed(weight.label)
            [pill] = [id for id in drawing.boxes if squeezed(drawing.texts(id)).startswith(called + "=")]
            assert out[pill] == f"u{k}"
            source = next((f"u{j}" for j, other in enumerate(found) if other.z is input), None)
            if source:
                assert into[pill] == source
            else:
                assert "".join(drawing.texts(into[pill])).startswith(unindexed(input.label))


def test_lines_arrive_at_a_unit_in_the_order_they_come_from() -> None:
    drawing = drawn(network(3, 4, 2), "units")
    arrivals: dict[str, list[tuple[float, float]]] = {}
    for line in drawing.lines:
        if line.tip and line.head.startswith("u"):
            arrivals.setdefault(line.head, []).append((line.points[0][1], line.tip[1]))
    for each in arrivals.values():
        assert sorted(each) == sorted(each, key=lambda pair: pair[1])
        assert len({tip for _, tip in each}) == len(each)


# The parts.


def test_text_is_measured_as_adobe_did() -> None:
    """Helvetica's published metrics, as Matplotlib carries them."""
    matplotlib = pytest.importorskip("matplotlib")
    folder = Path(matplotlib.get_data_path()) / "fonts" / "pdfcorefonts"
    for file, bold in [("Helvetica.afm", False), ("Helvetica-Bold.afm", True)]:
        lines = (folder / file).read_text(encoding="latin-1").splitlines()
        metrics = [re.match(r"C (-?\d+) ; WX (\d+) ; N (\w+) ;", line) for line in lines]
        ascii = {int(m[1]): int(m[2]) for m in metrics if m and 32 <= int(m[1]) < 127}
        ascii |= {ord(c): next(int(m[2]) for m in metrics if m and m[3] == n) for c, n in APART.items()}
        assert len(ascii) == 97
        for code, width in ascii.items():
            if code not in (ord("'"), ord("`")):  # which these fonts draw as typographic quotes
                assert Font(1000.0, bold=bold).width(chr(code)) == pytest.approx(width)


APART = {"−": "minus", "×": "multiply"}


def test_a_table_shares_its_room_among_its_cells() -> None:
    sketch = Sketch([])
    long = style.cell("i" * 40, colspan="2")
    sketch.box(Box("n0", style.table([long, style.cell("a") + style.cell("b")], border="1", color="#000000")))
    drawing = Drawing(builtin.svg(sketch, "a table"))
    check_layout(drawing)
    above, a, b = drawing.words["n0"]
    assert above.area.bottom < a.area.top
    middle = (drawing.areas["n0"].left + drawing.areas["n0"].right) / 2
    assert a.area.right < middle < b.area.left


def test_blocks_in_a_circle_are_refused_and_drawn_without_frames() -> None:
    a, b = Block(1.0, 1.0), Block(1.0, 1.0)
    with pytest.raises(ValueError, match="in a circle"):
        lay_out([a, b], [Link(a, b, 0.5, 0.5), Link(b, a, 0.5, 0.5)], [], 1.0, 1.0)
    sketch = Sketch([], frames=["one"])
    for id, frame in [("n0", 0), ("n1", None), ("n2", 0)]:
        sketch.box(Box(id, style.table([style.cell(id)]), frame=frame))
    sketch.edges += [Edge("n0", "n1"), Edge("n1", "n2")]
    drawing = Drawing(builtin.svg(sketch, "through another"))
    assert len(drawing.lines) == 2 and not drawing.frames
    check_layout(drawing)


def test_lines_that_need_not_cross_do_not() -> None:
    a, b, c, d = (Block(10.0, 10.0) for _ in range(4))
    crossed = [Link(a, d, 5.0, 5.0), Link(b, c, 5.0, 5.0)]
    lay_out([a, b, c, d], crossed, [], 5.0, 30.0)
    assert (a.y < b.y) == (d.y < c.y)
    assert a.y == pytest.approx(d.y) and b.y == pytest.approx(c.y)


def test_lines_that_may_arrive_anywhere_do_not_cross_there() -> None:
    a, b, c, head = Block(10.0, 10.0), Block(10.0, 10.0), Block(10.0, 10.0), Block(10.0, 60.0)
    links = [Link(tail, head, 5.0, None) for tail in (c, a, b)]
    layout = lay_out([a, b, c, head], links, [[a, b, c]], 5.0, 30.0)
    ends = {link.tail: layout.route(link)[-1][1] for link in links}
    assert a.y < b.y < c.y
    assert head.y < ends[a] < ends[b] < ends[c] < head.y + 60.0


def test_a_column_keeps_its_order() -> None:
    a, b, c, d = (Block(10.0, 10.0) for _ in range(4))
    lay_out([a, b, c, d], [Link(a, d, 5.0, 5.0), Link(b, c, 5.0, 5.0)], [[a, b], [c, d]], 5.0, 30.0)
    assert a.y < b.y and c.y < d.y


def test_what_only_feeds_others_stands_next_to_them() -> None:
    chain = [Block(10.0, 10.0) for _ in range(5)]
    leaf, doubled = Block(10.0, 10.0), Block(10.0, 10.0)
    links = [Link(a, b, 5.0, 5.0) for a, b in pairwise(chain)]
    links += [Link(leaf, doubled, 5.0, 5.0), Link(doubled, chain[-1], 5.0, 5.0)]
    lay_out([leaf, doubled, *chain], links, [], 5.0, 30.0)
    assert [leaf.layer, doubled.layer, chain[-1].layer] == [2, 3, 4]


# Labels, readers, files.


@pytest.mark.parametrize("label", HOSTILE)
@pytest.mark.parametrize("view", ["values", "units"])
def test_a_hostile_label_is_shown_as_it_is(label: str, view: str) -> None:
    drawing = drawn(labelled(label), view)
    texts = [text for id in drawing.boxes for text in drawing.texts(id)]
    assert (label if len(label) <= 24 else label[:23] + "…") in texts


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40) | st.text("\\NGETHL<>&;\"'{}[]|\x00\n\u202e", max_size=12))
def test_a_label_changes_nothing_but_text(label: str) -> None:
    for view in ("values", "units"):
        mine, other = (graph(labelled(each), view, engine="builtin").svg for each in (label, "q"))
        mine.encode()
        here, there = ElementTree.fromstring(mine), ElementTree.fromstring(other)
        for tag in ("g", "path", "rect", "polygon", "ellipse", "title"):
            assert len([*here.iter(SVG + tag)]) == len([*there.iter(SVG + tag)])
        assert {each.tag for each in here.iter()} <= {each.tag for each in there.iter()}
        check_layout(Drawing(mine))


def test_a_screen_reader_is_told_what_is_drawn() -> None:
    output = by_hand()
    for label, title in [("", "Computation graph"), ("a<b", "Computation graph of a<b")]:
        output.label = label
        root = ElementTree.fromstring(graph(output, engine="builtin").svg)
        assert root.attrib["role"] == "img"
        assert root[0].tag == f"{SVG}title" and root[0].text == title
    for group in root.iter(f"{SVG}g"):
        if group.get("class", "").startswith(("box", "edge")):
            assert group[0].tag == f"{SVG}title" and group[0].text
    ids = [each.attrib["id"] for each in root.iter() if "id" in each.attrib]
    assert len(set(ids)) == len(ids) > 0


def test_the_ground_is_white_whatever_the_notebook() -> None:
    root = ElementTree.fromstring(graph(by_hand(), engine="builtin").svg)
    ground = root.find(f"{SVG}rect")
    assert ground is not None and ground.attrib["fill"] == "white"
    assert (ground.attrib["width"], ground.attrib["height"]) == ("100%", "100%")


def test_the_same_graph_gives_the_same_bytes_in_every_process() -> None:
    script = (
        "import hashlib, sys; from tests.test_picture import network; from microbp import graph\n"
        "for view in ('values', 'units'):\n"
        "    svg = graph(network(3, 4, 2), view, engine='builtin').svg\n"
        "    print(hashlib.sha256(svg.encode()).hexdigest())"
    )
    outputs = set()
    for seed in ("0", "1", "2", "random"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parent.parent,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1 and len(outputs.pop().split()) == 2


@pytest.mark.parametrize("engine", ["builtin", pytest.param("dot", marks=needs_dot)])
def test_a_page_holds_the_picture(engine: str, tmp_path: Path) -> None:
    picture = graph(labelled("</title><script>"), engine=engine)
    text = picture.save(tmp_path / "a.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert text.count("<svg") == text.count("</svg>") == 1
    assert "<script" not in text and "http://www.w3.org/2000/svg" in text
    assert not re.search(r'(src|href)="', text)


# A part of a graph.


def test_depth_draws_what_is_so_many_steps_back() -> None:
    output = network(6, 12, 4, 1)
    nodes = topological(output)
    near, edge = {output}, {output}
    for depth in range(4):
        drawing = drawn(output, "auto", depth=depth)
        shown = {id for id in drawing.boxes if "more" not in id}
        assert shown == {f"n{k}" for k, node in enumerate(n for n in nodes if n in near)}
        cut = sum(input not in near for node in near for input in node.inputs)
        assert sum("more" in id for id in drawing.boxes) == cut
        check_layout(drawing)
        edge = {input for node in edge for input in node.inputs} - near
        near |= edge


@settings(max_examples=100, deadline=None)
@given(graphs(), st.integers(0, 4), st.randoms(use_true_random=False))
def test_the_neighbourhood_of_any_node_is_drawn(output: Value, depth: int, random: Random) -> None:
    centre = random.choice(topological(output))
    joined: dict[Value, set[Value]] = {node: set(node.inputs) for node in topological(output)}
    for node in topological(output):
        for input in node.inputs:
            joined[input].add(node)
    near = {centre}
    for _ in range(depth):
        near |= {other for node in near for other in joined[node]}
    picture = graph(output, depth=depth, around=centre, engine="builtin")
    drawing = Drawing(picture.svg)
    shown = [id for id in drawing.boxes if "more" not in id]
    for id, node in zip(shown, (node for node in topological(output) if node in near), strict=True):
        assert same_to_3_digits(drawing.texts(id)[-2], node.data)
    cut = sum(input not in near for node in near for input in node.inputs)
    assert len(drawing.boxes) == len(shown) + cut
    left_out = len(topological(output)) - len(near)
    assert (f"{left_out} more node" in picture.svg) == bool(left_out)
    check_layout(drawing)


def test_around_draws_both_directions() -> None:
    a, b = Value(1.0, "a"), Value(2.0, "b")
    middle = a * b
    after = middle.tanh()
    far = (after + 1) * b
    drawing = drawn(far, around=middle)
    values = [drawing.texts(id)[-2] for id in drawing.boxes]
    assert values == ["1", "2", "2", "0.964"]  # a, b, their product, its tanh
    assert "2 more nodes are not drawn" in graph(far, around=middle, engine="builtin").svg


def test_a_neighbourhood_is_refused_where_there_is_none() -> None:
    x = Value(1.0, "x")
    with pytest.raises(ValueError, match="'q', is not part of this graph"):
        graph(x * 2, around=Value(1.0, "q"))
    with pytest.raises(TypeError, match="around is a Value of the graph, not 'x'"):
        graph(x * 2, around="x")  # type: ignore[arg-type]
    for depth in (-1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="depth, a number of steps, is a whole number"):
            graph(x * 2, depth=depth)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="neighbourhood is drawn of values"):
        graph(x * 2, "units", depth=1)


def test_very_many_units_are_drawn_by_colour_and_line_width_alone() -> None:
    n = MLP(4, [62, 1], seed=1)
    E = squared_error(n([0.1, 0.2, 0.3, 0.4]), 1.0)
    E.backward()
    drawing = drawn(E, "auto")
    found = units(E)
    assert len(found) == 63
    largest = max(abs(unit.u.grad) for unit in found)
    for k, unit in enumerate(found):
        box = drawing.boxes[f"u{k}"]
        assert "".join(drawing.texts(f"u{k}")) == ""
        ellipse, title = box.find(f"{SVG}ellipse"), box.find(f"{SVG}title")
        assert ellipse is not None and title is not None and repr(unit.u.grad) in (title.text or "")
        colours = style.ORANGES if unit.u.grad > 0 else style.VIOLETS
        assert ellipse.attrib["fill"] in colours
        if abs(unit.u.grad) == largest:
            assert ellipse.attrib["fill"] == colours[-1]
    check_layout(drawing)
