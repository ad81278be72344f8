"""Pictures, read back through Graphviz: as JSON for the layout, as SVG for the drawing."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings, strategies as st

import microbp
from microbp import (
    MLP,
    Layer,
    Unit,
    Value,
    binary_cross_entropy_with_logits,
    cross_entropy,
    graph,
    mean_absolute_error,
    mean_squared_error,
    squared_error,
    units,
    weighted_sum,
)
from microbp.show import picture, style
from microbp.traversal import topological

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz's program dot")
SVG = "{http://www.w3.org/2000/svg}"


# Graphs to draw.


def readme() -> Value:
    a, b = Value(-4.0, "a"), Value(2.0, "b")
    c, d = a + b, a * b + b**3
    c = c + (c + 1)
    c = c + (1 + c + (-a))
    d = d + (d * 2 + (b + a).relu())
    d = d + (3 * d + (b - a).relu())
    e = c - d
    f = e**2
    return f / 2.0 + 10.0 / f


def network(*sizes: int, expanded: bool = False, samples: int = 1) -> Value:
    network = MLP(sizes[0], sizes[1:], expanded=expanded, seed=3)
    for k, bias in enumerate(p for p in network.parameters() if p.label.startswith("b")):
        bias.data = 0.1 * (k + 1)
    errors = []
    for sample in range(samples):
        outputs = network.forward(
            [Value(0.3 * i - 0.2 * sample - 0.4, f"x[{i}]") for i in range(1, sizes[0] + 1)]
        )
        targets = [1.0] * len(outputs) if len(outputs) > 1 else 1.0
        errors.append(squared_error(outputs if len(outputs) > 1 else outputs[0], targets, half=True))
    return microbp.sum(errors) if samples > 1 else errors[0]


def by_hand() -> Value:
    w, x, b = Value(0.5, "w"), Value(2.0, "x"), Value(-1.5, "b")
    return (w * x + b).tanh()


def classes() -> Value:
    return cross_entropy(MLP(2, [3, 3], output_activation="linear", seed=2)([0.3, -0.8]), 1)


def regularised() -> Value:
    network = MLP(2, [2, 1], seed=1)
    penalty = microbp.sum([w * w for w in network.parameters()])
    return squared_error(network([0.5, 1.0]), 1.0) + 0.1 * penalty


def entangled() -> Value:
    """Units whose weight is also their bias, their input, or what their input was computed from."""
    w, x = Value(0.5, "w"), Value(2.0, "x")
    first = (w * x + w).tanh()
    v = Value(0.25, "w")
    second = weighted_sum([v], [v.exp()], v).sigmoid()
    return weighted_sum([Value(0.1, "w")], [first], x) * second


GRAPHS: dict[str, Callable[[], Value]] = {
    "readme": readme,
    "unit": lambda: Unit(2, seed=1)([0.5, -1.0]),
    "2-2-1": lambda: network(2, 2, 1),
    "2-2-1 expanded": lambda: network(2, 2, 1, expanded=True),
    "3-4-2": lambda: network(3, 4, 2),
    "two samples": lambda: network(2, 2, 1, samples=2),
    "by hand": by_hand,
    "classes": classes,
    "regularised": regularised,
    "entangled": entangled,
}
WITH_UNITS = [each for each in GRAPHS if each != "readme"]
TIDY = [each for each in WITH_UNITS if each != "entangled"]


def differentiated(name: str) -> Value:
    output = GRAPHS[name]()
    output.backward()
    return output


def relabelled(output: Value) -> dict[str, Value]:
    """The nodes of a graph by labels that are each their own."""
    nodes = {f"q{k}": node for k, node in enumerate(topological(output))}
    for label, node in nodes.items():
        node.label = label
    return nodes


# Reading pictures.


def run_dot(source: str, kind: str) -> str:
    done = subprocess.run(["dot", f"-T{kind}"], input=source.encode(), capture_output=True, timeout=60)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return done.stdout.decode()


class Layout:
    """A picture as dot lays it out."""

    def __init__(self, source: str) -> None:
        read = json.loads(run_dot(source, "json"))
        self.boxes = {each["_gvid"]: each for each in read["objects"] if "pos" in each}
        frames = [each for each in read["objects"] if each["name"].startswith("cluster")]
        self.frames = {next(t["text"] for t in each["_ldraw_"] if t["op"] == "T"): each for each in frames}
        self.edges = [edge for edge in read.get("edges", []) if edge.get("style") != "invis"]

    def words(self, box: int) -> list[dict[str, Any]]:
        return [each for each in self.boxes[box].get("_ldraw_", []) if each["op"] == "T"]

    def texts(self, box: int) -> list[str]:
        return [each["text"] for each in self.words(box)]

    def is_gate(self, box: int) -> bool:
        return bool(self.boxes[box]["shape"] == "point")

    def box_of(self, label: str) -> int:
        [box] = [i for i in self.boxes if label in self.texts(i)]
        return box

    def arrivals(self) -> Iterator[tuple[int, int, str, tuple[float, float]]]:
        """From which box to which port of which box each arrow leads, and where its tip is."""
        before = {edge["head"]: edge["tail"] for edge in self.edges if self.is_gate(edge["head"])}
        for edge in self.edges:
            if edge["head"] not in before:
                x, y = edge["pos"].split()[0].removeprefix("e,").split(",")
                source = before.get(edge["tail"], edge["tail"])
                yield source, edge["head"], edge["headport"], (float(x), float(y))

    def extent(self, box: int) -> tuple[float, float, float, float]:
        each = self.boxes[box]
        x, y = map(float, each["pos"].split(","))
        w, h = 36 * float(each["width"]), 36 * float(each["height"])
        return x - w, y - h, x + w, y + h


def html_labels(source: str) -> list[ElementTree.Element]:
    """The tables that are the labels of the nodes in DOT text, in its order."""
    labels = re.findall(r"label=<(<TABLE.*</TABLE>)>", source)
    return [ElementTree.fromstring(label.replace("&nbsp;", "\u00a0")) for label in labels]


def words(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def box_with(source: str, text: str) -> ElementTree.Element:
    [box] = [box for box in html_labels(source) if text in words(box)]
    return box


def cells(box: ElementTree.Element) -> list[list[str]]:
    return [[words(cell) for cell in row.findall("TD")] for row in box.findall("TR")]


def unindexed(label: str) -> str:
    return label.replace("[", "").replace("]", "")


def read_number(text: str) -> float:
    return float(text.replace("−", "-").replace("×", ""))


def same_to_3_digits(text: str, number: float) -> bool:
    return read_number(text) == pytest.approx(number, rel=0.0051, abs=1e-300)


# The view of values.


@needs_dot
@pytest.mark.parametrize("name", GRAPHS)
def test_every_value_has_a_box_with_its_numbers(name: str) -> None:
    output = differentiated(name)
    nodes = relabelled(output)
    layout = Layout(graph(output, "values").source)
    for label, node in nodes.items():
        texts = layout.texts(layout.box_of(label))
        assert same_to_3_digits(texts[-2], node.data)
        assert same_to_3_digits(texts[-1], node.grad)
    assert sum(not layout.is_gate(box) for box in layout.boxes) == len(nodes)


@needs_dot
@pytest.mark.parametrize("name", GRAPHS)
def test_every_input_arrives_at_its_own_local_derivative(name: str) -> None:
    output = differentiated(name)
    nodes = relabelled(output)
    check_arrivals(nodes, Layout(graph(output, "values").source))


def check_arrivals(nodes: dict[str, Value], layout: Layout) -> None:
    arrivals = list(layout.arrivals())
    assert len({(head, port) for _, head, port, _ in arrivals}) == len(arrivals)
    box = {node: layout.box_of(label) for label, node in nodes.items()}
    for node in nodes.values():
        came = sorted(
            (int(port.removeprefix("i").removesuffix(":w")), source, tip)
            for source, head, port, tip in arrivals
            if head == box[node]
        )
        assert [source for _, source, _ in came] == [box[input] for input in node.inputs]
        rows = [word for word in layout.words(box[node]) if re.match("×[−0-9]", word["text"])]
        assert len(rows) == len(node.inputs)
        for (_, _, (x, y)), partial in zip(came, node.partials):
            nearest = min(rows, key=lambda row: abs(row["pt"][1] - y))
            assert same_to_3_digits(nearest["text"], partial)
            assert abs(x - layout.extent(box[node])[0]) < 5


@needs_dot
@pytest.mark.parametrize("view", ["values", "units"])
@pytest.mark.parametrize("name", TIDY)
def test_boxes_keep_apart_and_hold_their_text(name: str, view: str) -> None:
    check_boxes(Layout(graph(differentiated(name), view).source))


def check_boxes(layout: Layout) -> None:
    extents = {box: layout.extent(box) for box in layout.boxes}
    for a, (left, low, right, high) in extents.items():
        for word in layout.words(a):
            start = word["pt"][0] - {"l": 0, "c": 0.5, "r": 1}[word["align"]] * word["width"]
            assert left - 1 <= start <= start + word["width"] <= right + 1
            assert low <= word["pt"][1] <= high
        for b, (left_b, low_b, right_b, high_b) in extents.items():
            assert a == b or right <= left_b or right_b <= left or high <= low_b or high_b <= low


@needs_dot
def test_a_node_used_twice_arrives_at_two_ports() -> None:
    a = Value(3.0, "a")
    layout = Layout(graph(a * a).source)
    assert sorted(port for _, _, port, _ in layout.arrivals()) == ["i0:w", "i1:w"]


@pytest.mark.parametrize(
    ("operation", "shown"),
    [
        (lambda x: x + 1, "+ 1"),
        (lambda x: 1 + x, "1 +"),
        (lambda x: x - 1.5, "− 1.5"),
        (lambda x: 1 - x, "1 −"),
        (lambda x: x * 3, "× 3"),
        (lambda x: -3 * x, "−3 ×"),
        (lambda x: x / 2, "÷ 2"),
        (lambda x: 2 / x, "2 ÷"),
        (lambda x: x**2, "( )2"),
        (lambda x: x**-0.5, "( )−0.5"),
        (lambda x: 2**x, "2( )"),
        (lambda x: -x, "−( )"),
        (lambda x: x.sigmoid(), "σ"),
        (lambda x: microbp.pick([x, x], 1), "pick 1"),
    ],
)
def test_a_plain_number_stands_in_the_operation(operation: Callable[[Value], Value], shown: str) -> None:
    boxes = html_labels(graph(operation(Value(2.0, "x")), "values").source)
    assert len(boxes) == 2
    assert cells(boxes[1])[0][1] == shown


def test_roles_are_drawn() -> None:
    source = graph(differentiated("2-2-1"), "values").source

    def look(text: str) -> tuple[str | None, ...]:
        box = box_with(source, text)
        heading = box.findall("TR")[0].findall("TD")[-1]
        return heading.get("BGCOLOR"), box.get("STYLE"), box.get("BORDER")

    assert look("w12,1") == ("#FFF3B8", None, "1")
    assert look("b12") == ("#FFF3B8", None, "1")
    assert look("x2") == ("#E8EBEF", None, "1")
    assert look("z21") == ("#DCEEFA", None, "1")
    assert look("u21") == ("#FFFFFF", None, "1")
    assert look("E") == ("#FFFFFF", None, "3")
    assert look("t") == ("#E8EBEF", "dashed", "1")


def test_only_a_leaf_outside_the_units_is_a_target() -> None:
    weight, input, outside = Value(0.5, "t"), Value(1.0, "t[1]"), Value(3.0, "t[2]")
    source = graph((weight * input + Value(0.1, "b")).tanh() - outside, "values").source
    assert box_with(source, "t0.500").get("STYLE") is None
    assert box_with(source, "t11").get("STYLE") is None
    assert box_with(source, "t23").get("STYLE") == "dashed"


@needs_dot
@pytest.mark.parametrize("name", ["2-2-1", "2-2-1 expanded", "3-4-2"])
def test_units_are_framed_with_their_own_nodes_and_parameters(name: str) -> None:
    output = differentiated(name)
    found = units(output)
    nodes = relabelled(output)
    label = {node: label for label, node in nodes.items()}
    layout = Layout(graph(output, "values").source)
    assert len(layout.frames) == len(found)
    for unit in found:
        frame = layout.frames[f"layer {unit.layer}, unit {unit.number}"]
        inside = {i for i in frame["nodes"] if not layout.is_gate(i)}
        own = {*unit.weights, unit.bias, *unit.inner} - {None}
        assert inside == {layout.box_of(label[node]) for node in own if node is not None}


@needs_dot
def test_parameters_that_samples_share_are_drawn_once_and_outside_the_frames() -> None:
    output = differentiated("two samples")
    shared = next(w for unit in units(output) for w in unit.weights)
    shared.label = "shared"
    layout = Layout(graph(output, "values").source)
    box = layout.box_of("shared")
    assert all(box not in frame["nodes"] for frame in layout.frames.values())
    assert {"layer 1, unit 1", "layer 1, unit 1, pass 2", "layer 2, unit 1, pass 2"} < set(layout.frames)


@needs_dot
def test_units_stand_in_order_from_top_to_bottom() -> None:
    layout = Layout(graph(differentiated("3-4-2"), "values").source)
    for layer, size in (1, 4), (2, 2):
        frames = [layout.frames[f"layer {layer}, unit {k}"] for k in range(1, size + 1)]
        heights = [float(frame["bb"].split(",")[1]) for frame in frames]
        assert heights == sorted(heights, reverse=True)


def test_a_weighted_sum_lists_each_weight_next_to_its_input() -> None:
    w, x = [Value(2.0, "w1"), Value(3.0, "w2")], [Value(5.0, "x1"), Value(7.0, "x2")]
    box = box_with(graph(weighted_sum(w, x, Value(1.0, "b")), "values").source, "Σ")
    rows = [each.text for each in box.iter("FONT") if each.get("COLOR") == style.LOCAL]
    assert rows == ["×5", "×2", "×7", "×3", "×1"]


def test_heat_tells_the_sign_and_the_size_of_gradients() -> None:
    nodes = [Value(1.0, "p"), Value(1.0, "q"), Value(1.0, "r"), Value(1.0, "s")]
    for node, grad in zip(nodes, (100.0, -20.0, -0.001, 0.0)):
        node.grad = grad
    boxes = html_labels(graph(microbp.sum(nodes), "values").source)[:4]
    colours = [box.findall("TR")[-1].findall("TD")[-1].get("BGCOLOR") for box in boxes]
    assert colours == [style.ORANGES[-1], style.VIOLETS[-1], style.VIOLETS[0], "#FFFFFF"]


# The view of units.


@pytest.mark.parametrize("name", TIDY)
def test_the_unit_view_shows_the_numbers_of_every_unit(name: str) -> None:
    output = differentiated(name)
    tables = map(cells, html_labels(graph(output, "units").source))
    shown = [rows for rows in tables if rows[-1][0] == "δ"]
    found = units(output)
    assert len(shown) == len(found)
    for rows, unit in zip(shown, found):
        assert unit.bias is not None
        [[_], [b, bias], [u, net], [_, out], [delta, slope]] = rows
        assert (b, u, delta) == ("b", "u", "δ")
        assert same_to_3_digits(bias, unit.bias.data)
        assert same_to_3_digits(net, unit.u.data)
        assert same_to_3_digits(out, unit.z.data)
        assert same_to_3_digits(slope, unit.u.grad)


@pytest.mark.parametrize("name", [each for each in TIDY if each != "two samples"])
def test_the_unit_view_shows_every_weight_and_its_derivative(name: str) -> None:
    output = differentiated(name)
    tables = list(map(cells, html_labels(graph(output, "units").source)))
    wanted = unindexed(output.label) or "E"
    for weight in (weight for unit in units(output) for weight in unit.weights):
        label = unindexed(weight.label)
        [[[value], [slope]]] = [rows for rows in tables if rows[0][0].startswith(f"{label} = ")]
        assert same_to_3_digits(value.removeprefix(f"{label} = "), weight.data)
        assert same_to_3_digits(slope.removeprefix(f"∂{wanted}/∂{label} = "), weight.grad)


def test_fused_and_expanded_networks_look_alike_in_the_unit_view() -> None:
    fused, expanded = (graph(differentiated(name), "units").source for name in ("2-2-1", "2-2-1 expanded"))
    assert list(map(words, html_labels(fused))) == list(map(words, html_labels(expanded)))


def test_a_shared_weight_shows_what_each_unit_adds_to_its_derivative() -> None:
    output = differentiated("two samples")
    weight = next(w for unit in units(output) for w in unit.weights if w.label == "w1[2,1]")
    tables = map(cells, html_labels(graph(output, "units").source))
    mine = [rows for rows in tables if rows[0][0].startswith("w12,1 = ")]
    added = [read_number(rows[1][0].removeprefix("adds δ·z = ")) for rows in mine]
    assert len(added) == 2
    assert sum(added) == pytest.approx(weight.grad, rel=0.02)
    assert all(same_to_3_digits(rows[2][0].rpartition(" = ")[2], weight.grad) for rows in mine)


@needs_dot
def test_every_weight_leads_from_its_source_to_its_unit() -> None:
    output = differentiated("3-4-2")
    found = units(output)
    for k, unit in enumerate(found):
        unit.z.label = f"unit {k}"
    layout = Layout(graph(output, "units").source)
    text = {box: "".join(layout.texts(box)) for box in layout.boxes}
    into = {edge["head"]: edge["tail"] for edge in layout.edges}
    drawn = {
        (text[into[edge["tail"]]], text[edge["tail"]], text[edge["head"]])
        for edge in layout.edges
        if text[edge["tail"]].startswith("w")
    }
    for unit in found:
        for weight, input in zip(unit.weights, unit.inputs):
            [(source, _, target)] = [d for d in drawn if d[1].startswith(unindexed(weight.label) + " =")]
            assert source.startswith(unindexed(input.label)) and target.startswith(unit.z.label)


@pytest.mark.parametrize(
    ("loss", "shown"),
    [
        (lambda y: squared_error(y[0], 1.0), "E = (y1 − t)2"),
        (lambda y: squared_error(y[0], 1.0, half=True), "E = ½ (y1 − t)2"),
        (lambda y: squared_error(y, [1, 0], half=True), "E = ½ Σk (yk − tk)2"),
        (lambda y: mean_squared_error(y, [1, 0]), "E = ½ Σk (yk − tk)2"),
        (lambda y: mean_absolute_error(y[0], 1.0), "E = |y1 − t|"),
        (lambda y: cross_entropy(y, 1), "E = log(Σk exp(yk)) − Σk tk·yk"),
        (
            lambda y: binary_cross_entropy_with_logits(y[0], 1.0),
            "E = t·softplus(−y1) + (1 − t)·softplus(y1)",
        ),
        (lambda y: 3 * y[0] ** 2 - (y[1] - 0.5) / 2, "y = 3·y12 − ½ (y2 − 0.5)"),
        (lambda y: y[0] - (y[1] - y[0]) - y[1], "y = y1 − (y2 − y1) − y2"),
    ],
)
def test_the_loss_box_shows_the_formula(loss: Callable[[list[Value]], Value], shown: str) -> None:
    y = [(Value(0.5, "w") * Value(k, "x") + Value(0.1, "b")).tanh() for k in (1.0, 2.0)]
    for k, each in enumerate(y, start=1):
        each.label = f"y[{k}]"
    output = loss(y)
    box = cells(box_with(graph(output, "units").source, shown))
    assert box[0][0] == shown
    assert same_to_3_digits(box[-1][0].rpartition(" = ")[2], output.data)


def test_a_formula_too_long_to_read_is_left_out() -> None:
    y = by_hand()
    output = (y.exp() * y.sin() + y.cos() / (1 + y**2)) * (y.softplus() - y.relu().sqrt()) - y.abs()
    output.label = "long"
    assert cells(box_with(graph(output, "units").source, "long ="))[0] == ["long"]


def test_many_weights_are_drawn_without_their_numbers() -> None:
    source = graph(network(9, 9, 1), "units").source
    assert len(html_labels(source)) == 9 + 10 + 2
    assert len(re.findall(r"->(?!.*style=invis)", source)) == 90 + 2


def test_a_network_without_a_loss_ends_in_its_units() -> None:
    outputs = MLP(2, [2, 2], seed=1)([0.5, 1.0])
    source = graph(outputs, "units").source
    assert len(html_labels(source)) == 2 + 4 + 8
    assert source.count("penwidth=2.6") == 2


# Which view, and how large.


def test_auto_draws_the_units_of_what_is_too_large_for_values() -> None:
    small, large = network(2, 2, 1), network(6, 12, 4, 1)
    assert graph(small).source == graph(small, "values").source
    assert len(topological(large)) > picture.READABLE_VALUES
    assert graph(large).source == graph(large, "units").source


def test_a_view_of_units_needs_units() -> None:
    with pytest.raises(ValueError, match=r"no units.*view='values'"):
        graph(readme(), "units")


class Untouchable(tuple):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[Value]:
        raise AssertionError("looked further than the limit")


def test_a_graph_that_is_too_large_is_refused_without_walking_it() -> None:
    x = far = Value(1.0, "x") + 1
    for _ in range(1_000_000):
        x = x * 1.0
    far.inputs = Untouchable(far.inputs)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        for view in ("auto", "values", "units"):
            with pytest.raises(ValueError, match=r"more than [0-9,]+ nodes.*too many.*draw"):
                graph(x, view)
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize("view", ["auto", "values"])
def test_one_node_with_too_many_inputs_is_refused(view: str) -> None:
    with pytest.raises(ValueError, match="edges, too many"):
        graph(microbp.sum([Value(1.0)] * 100_000), view)


def test_a_chain_without_units_is_drawn_up_to_the_limit() -> None:
    x = Value(1.0, "x")
    for _ in range(style.MOST_BOXES - 1):
        x = x * 0.5
    assert len(html_labels(graph(x).source)) == style.MOST_BOXES
    with pytest.raises(ValueError, match="too many"):
        graph(x * 0.5)


def test_too_many_units_or_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 1,000 units and inputs, too many"):
        graph(network(1, 1001, 1), "units")
    with pytest.raises(ValueError, match="more than 4,000 weights, too many"):
        graph(network(63, 63, 1), "units")


@pytest.mark.parametrize("given", [3.0, None, "x", [1.0], [Value(1.0), 2], MLP(2, [1]), {"y": Value(1.0)}])
def test_only_values_can_be_drawn(given: object) -> None:
    kind = "None" if given is None else type(given).__name__
    with pytest.raises(TypeError, match=rf"Value.*{kind}.*graph\(loss\)"):
        graph(given)  # type: ignore[arg-type]


def test_an_empty_list_and_an_unknown_view_are_refused() -> None:
    with pytest.raises(ValueError, match="list is empty"):
        graph([])
    with pytest.raises(ValueError, match="view is 'auto', 'values' or 'units', not 'layers'"):
        graph(Value(1.0), "layers")


# Numbers and labels.


@given(st.floats(-1e308, 1e308))
def test_numbers_keep_three_digits(x: float) -> None:
    text = style.number(x)
    assert re.fullmatch(r"−?[0-9]{1,5}|−?[0-9.]{4,9}(e−?[0-9]+)?", text)
    assert read_number(text) == pytest.approx(x, rel=0.0051, abs=5e-324)


def test_what_is_no_number_is_shown_as_such() -> None:
    assert [style.number(x) for x in (math.nan, math.inf, -math.inf, -0.0)] == ["nan", "inf", "−inf", "0"]


@needs_dot
@pytest.mark.parametrize("view", ["values", "units"])
def test_a_picture_of_nan_can_be_drawn(view: str) -> None:
    w = Value(math.nan, "w")
    output = (w * Value(math.inf, "x") + Value(1.0, "b")).tanh()
    output.backward()
    drawing = run_dot(graph(output, view).source, "svg")
    assert ">nan<" in drawing and "inf<" in drawing


def test_indices_are_set_as_subscripts() -> None:
    [box] = html_labels(graph(Value(1.0, "w1[2,3]")).source)
    assert [each.text for each in box.iter("I")] == ["w1"]
    assert [each[0].text for each in box.iter("SUB")] == ["2,3"]


def labelled(label: str) -> Value:
    """A unit and a loss, everything of that label."""
    z = (Value(0.5, label) * Value(2.0, label) + Value(1.0, label)).tanh()
    z.label = label
    loss = (z - Value(1.0, label)) ** 2
    loss.label = label
    return loss


HOSTILE = [
    "]",
    "<script>alert(1)</script>",
    "</TD></TR></TABLE>>]; evil [label=<x",
    '"]; evil [label="x',
    r"\N \G \E \T \L \n",
    "\\",
    "{a|b}",
    "&lt;&#65;&amp;",
    "--> ]]> <!--",
    "😀 ∂ é 👩\u200d🔬",
    "%s {0} $x",
    "x:e",
    "lambda",
    "http://a.b/c",
]


@needs_dot
@pytest.mark.parametrize("label", HOSTILE)
@pytest.mark.parametrize("view", ["values", "units"])
def test_a_hostile_label_is_shown_as_it_is(label: str, view: str) -> None:
    drawing = ElementTree.fromstring(run_dot(graph(labelled(label), view).source, "svg"))
    texts = ["".join(text.itertext()).strip() for text in drawing.iter(f"{SVG}text")]
    assert (label if len(label) <= 24 else label[:23] + "…") in texts


@needs_dot
@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40) | st.text("\\NGETHL<>&;\"'{}[]|\x00\n\u202e", max_size=12))
def test_a_label_changes_nothing_but_text(label: str) -> None:
    drawing = ElementTree.fromstring(run_dot(graph(labelled(label), "values").source, "svg"))
    expected = ElementTree.fromstring(run_dot(graph(labelled("q"), "values").source, "svg"))
    tags = [each.tag for each in drawing.iter()]
    assert set(tags) <= {each.tag for each in expected.iter()}
    for tag in ("g", "a", "path"):
        assert tags.count(SVG + tag) == len([*expected.iter(SVG + tag)])
    assert not [key for each in drawing.iter() for key in each.attrib if "href" in key]
    assert ElementTree.fromstring(run_dot(graph(labelled(label), "units").source, "svg")).tag == f"{SVG}svg"


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("two\nlines", "two lines"),
        ("  wide \t", "wide"),
        ("bell\x07", "bell\ufffd"),
        ("\ud800", "\ufffd"),
        ("\u202egnol", "\ufffdgnol"),
        ("a" * 1000, "a" * 23 + "…"),
    ],
)
def test_what_cannot_be_shown_is_replaced(label: str, shown: str) -> None:
    source = graph(Value(1.0, label)).source
    assert source.encode().decode() == source
    assert [each.text for each in html_labels(source)[0].iter("I")] == [shown]


def test_a_picture_keeps_the_numbers_it_was_made_of() -> None:
    w = Value(2.0, "w")
    shown = graph(w)
    before = shown.source
    w.data = 3.0
    assert shown.source == before != graph(w).source


@pytest.mark.parametrize("view", ["values", "units"])
def test_the_legend_says_when_there_was_no_backward_pass(view: str) -> None:
    output = network(2, 2, 1)
    assert "No backward pass yet" in graph(output, view).source
    output.backward()
    assert "No backward pass yet" not in graph(output, view).source


def test_a_unit_without_slope_was_differentiated_all_the_same() -> None:
    z = (Value(1.0, "w") * Value(-1.0, "x") + Value(0.0, "b")).relu()
    z.backward()
    assert "No backward pass yet" not in graph(z, "units").source


@needs_dot
@pytest.mark.parametrize("label", ["", " ", "\x85"])
def test_labels_may_be_blank(label: str) -> None:
    for view in ("values", "units"):
        assert "tanh" in run_dot(graph(labelled(label), view).source, "svg")


def test_the_legend_names_what_was_differentiated() -> None:
    g = readme()
    g.label = "g"
    assert "∂<I>g</I>/∂node" in graph(g).source


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrasts(element: ElementTree.Element, ground: str) -> Iterator[float]:
    """The contrast of each piece of text in a label, as WCAG defines it."""
    ground = element.get("BGCOLOR", ground)
    if element.tag == "FONT" and "COLOR" in element.attrib:
        light, dark = sorted((luminance(ground), luminance(element.attrib["COLOR"])), reverse=True)
        yield (light + 0.05) / (dark + 0.05)
    for child in element:
        yield from contrasts(child, ground)


@pytest.mark.parametrize("name", TIDY)
def test_all_text_stands_out_from_its_background(name: str) -> None:
    output = differentiated(name)
    for view, ground in ("values", "#FFFFFF"), ("units", style.INPUT_FILL):
        for box in html_labels(graph(output, view).source):
            assert min(contrasts(box, ground)) >= 4.5


@pytest.mark.parametrize("fill", [*style.ORANGES, *style.VIOLETS])
def test_gradients_stand_out_from_the_heat_scale(fill: str) -> None:
    assert (
        min(contrasts(ElementTree.fromstring(style.cell(style.font("1", style.GRADIENT), fill)), "")) >= 4.5
    )


@needs_dot
def test_the_background_is_white_whatever_the_notebook() -> None:
    drawing = ElementTree.fromstring(run_dot(graph(Value(1.0)).source, "svg"))
    assert next(drawing.iter(f"{SVG}polygon")).get("fill") == "white"


def test_the_same_graph_gives_the_same_bytes_in_every_process() -> None:
    script = """
        import sys
        from microbp import MLP, Value, graph, squared_error
        earlier = [Value(i) for i in range(int(sys.argv[1]))]
        E = squared_error(MLP(2, [3, 1], seed=1)([0.5, 1.0]), 1.0)
        E.backward()
        print(graph(E, "values").source, graph(E, "units").source)
    """
    sources = {
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), seed],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(sources) == 1
    assert sources.pop().count(b"digraph microbp {") == 2


def test_graphviz_is_imported_only_to_draw() -> None:
    script = "import sys, microbp.show.picture; sys.exit('graphviz' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


# Saving and showing.


@needs_dot
@pytest.mark.parametrize(
    ("name", "start"), [("a.svg", b"<?xml"), ("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.SVG", b"<?xml")]
)
def test_save_writes_the_format_its_name_says(name: str, start: bytes, tmp_path: Path) -> None:
    path = graph(by_hand()).save(tmp_path / name)
    assert path == tmp_path / name
    assert path.read_bytes().startswith(start)
    assert os.listdir(tmp_path) == [name]


def test_save_refuses_other_names_and_places(tmp_path: Path) -> None:
    shown = graph(by_hand())
    for name in ("a.gif", "a", "svg"):
        with pytest.raises(ValueError, match=r"\.svg, \.html, \.png, \.pdf or \.dot"):
            shown.save(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"no folder.*absent.*make it"):
        shown.save(str(tmp_path / "absent" / "a.dot"))
    assert os.listdir(tmp_path) == []


def test_save_leaves_no_half_written_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = graph(Value(1.0, "old")).save(tmp_path / "a.dot")
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        graph(Value(1.0, "new")).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.dot"]


@needs_dot
def test_a_notebook_shows_the_svg() -> None:
    shown = graph(by_hand())
    bundle = shown._repr_mimebundle_()
    assert set(bundle) == {"image/svg+xml", "text/plain"}
    assert ElementTree.fromstring(bundle["image/svg+xml"]).tag == f"{SVG}svg"
    assert bundle["text/plain"] == repr(shown)
    assert "\n" not in repr(shown)
    assert set(shown._repr_mimebundle_(include={"text/plain"})) == {"text/plain"}
    assert set(shown._repr_mimebundle_(exclude={"text/plain"})) == {"image/svg+xml"}


def no_dot_on_path(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PATH", str(folder))


def no_processes(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(138, "does not support processes")

    monkeypatch.setattr(subprocess, "run", refuse)


@pytest.mark.parametrize("without", [no_dot_on_path, no_processes])
def test_without_dot_the_builtin_engine_draws(
    without: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, tmp_path)
    shown = graph(by_hand())
    assert shown.save(tmp_path / "a.dot").read_text(encoding="utf-8") == shown.source
    assert (
        shown.save(tmp_path / "a.svg").read_text(encoding="utf-8") == graph(by_hand(), engine="builtin").svg
    )
    assert shown._repr_mimebundle_()["image/svg+xml"] == shown.svg
    for name in ("a.png", "a.pdf"):
        with pytest.raises(
            RuntimeError, match=r"^a \.p.. file needs.*install Graphviz[^\n]*\.svg or \.html[^\n]*$"
        ):
            shown.save(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["a.dot", "a.svg"]


def test_an_engine_that_is_asked_for_and_missing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_dot_on_path(monkeypatch, tmp_path)
    shown = graph(by_hand(), engine="dot")
    with pytest.raises(RuntimeError, match=r"^engine='dot' needs the program `dot`.*install Graphviz"):
        shown.save(tmp_path / "a.svg")
    bundle = shown._repr_mimebundle_()
    assert set(bundle) == {"text/plain"}
    assert bundle["text/plain"].startswith(repr(shown)) and "install Graphviz" in bundle["text/plain"]
    with pytest.raises(RuntimeError, match=r"writes \.svg and \.html; for \.png leave out engine='builtin'"):
        graph(by_hand(), engine="builtin").save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="engine is 'auto', 'dot' or 'builtin', not 'neato'"):
        graph(by_hand(), engine="neato")
    assert os.listdir(tmp_path) == []


def test_an_error_of_dot_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def crash(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(1, "dot", stderr=b"Error: out of ink\nand more")

    monkeypatch.setattr(subprocess, "run", crash)
    shown = graph(by_hand())
    with pytest.raises(
        RuntimeError, match=r"could not draw the picture: Error: out of ink; engine='builtin' draws it"
    ):
        shown.save(tmp_path / "a.svg")
    assert set(shown._repr_mimebundle_()) == {"text/plain"}


def test_dot_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def hang(*_: object, timeout: float, **__: object) -> None:
        raise subprocess.TimeoutExpired("dot", timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(RuntimeError, match=r"not done in 60 seconds.*engine='builtin'"):
        graph(by_hand()).save(tmp_path / "a.pdf")


def test_a_large_picture_of_framed_values_is_not_given_to_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("dot was asked")

    monkeypatch.setattr(subprocess, "run", refuse)
    w, h = Value(0.5, "w"), Value(1.0, "x")
    for _ in range(50):
        h = (w * h).tanh()
    assert graph(h, "values").svg == graph(h, "values", engine="builtin").svg


def test_lines_past_a_frame_are_not_left_to_dot() -> None:
    """A skip connection, from an input or from a unit, and weights shared along a recurrence."""
    x = [Value(0.5, "x[1]"), Value(-0.4, "x[2]")]
    hidden = Layer(2, 2, seed=1).forward(x)
    second = Layer(2, 2, seed=2, number=2).forward(hidden)
    w, h = Value(0.5, "w"), Value(1.0, "h")
    for _ in range(3):
        h = (w * h).tanh()
    from_input = Unit(4, seed=3, layer=2).forward([*x, *hidden])
    from_unit = Unit(4, seed=3, layer=3).forward([*hidden, *second])
    plain = Unit(2, seed=3, layer=3).forward(second)
    for output, passes in [(from_input, True), (from_unit, True), (h, True), (plain, False)]:
        assert graph(output, "values").sketch.leads_past_a_frame() == passes
    for name in GRAPHS:
        if name in ("readme", "unit", "2-2-1", "2-2-1 expanded", "by hand"):
            assert not graph(GRAPHS[name](), "values").sketch.leads_past_a_frame()
