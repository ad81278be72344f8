"""tree and the worksheet of deltas."""

import re
import sys

import pytest

from microbp import MLP, Layer, Unit, Value, deltas, squared_error, tree


def test_a_tree_shows_every_node_once_with_value_gradient_and_local_derivative():
    a, b = Value(2.0, "a"), Value(-3.0, "b")
    c = a * b
    c.label = "c"
    d = c + a
    d.backward()
    assert str(tree(d)) == (
        "c + a = -4.000, grad 1.000\n"
        "├─ ×1.000  c = a * b = -6.000, grad 1.000\n"
        "│  ├─ ×-3.000  a = 2.000, grad -2.000\n"
        "│  └─ ×2.000  b = -3.000, grad 2.000\n"
        "└─ ×1.000  a (above)"
    )


def test_a_tree_shows_itself_in_a_repl():
    leaf = Value(1.0, "w")
    assert repr(tree(leaf)) == str(tree(leaf)) == "w = 1.000, grad 0.000"


def test_labels_are_text_on_one_line():
    text = tree(Value(1.0, 'a\n"b"\t<script>\x1b[31m') * 2)
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text and "<script>" in text
    twice = Value(1.0, "two\nlines")
    assert len(tree(twice * twice).splitlines()) == 3


def test_a_large_tree_is_refused_with_advice_and_a_deep_one_is_not_recursed_into():
    v = Value(1.0)
    for _ in range(900):
        v = v + 1.0
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        assert len(tree(v).splitlines()) == 901
        with pytest.raises(ValueError, match="more than 1,000 nodes; look at a part of it"):
            tree(sum((v * 1.0 for _ in range(200)), v))
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize("show", [tree, deltas])
def test_what_is_not_a_value_is_refused(show):
    with pytest.raises(TypeError, match=r"a Value is needed, such as a loss, not 1\.0 \(float\)"):
        show(1.0)


def sheet_and_network():
    network = MLP(2, [2, 1], seed=3)
    E = squared_error(network([0.4, -0.7]), 1.0)
    E.backward()
    return deltas(E), network


def test_the_worksheet_has_every_unit_and_every_weight():
    sheet, network = sheet_and_network()
    units = [unit for layer in network for unit in layer]
    assert [(r.layer, r.unit) for r in sheet.units] == [(1, 1), (1, 2), (2, 1)]
    assert [r[2:] for r in sheet.units] == [(unit.u.data, unit.z.data, unit.delta) for unit in units]
    assert [r.weight for r in sheet.weights] == [p.label for p in network.parameters()]
    assert [r.gradient for r in sheet.weights] == [p.grad for p in network.parameters()]
    for row in sheet.weights:
        assert row.product == row.delta * row.z == pytest.approx(row.gradient, rel=1e-15)


def test_the_worksheet_is_the_same_of_loss_network_layer_and_unit():
    sheet, network = sheet_and_network()
    assert deltas(network) == sheet
    assert deltas(network[1]) == sheet
    assert deltas(network[1][0]) == sheet
    assert deltas([network[1][0].z]) == sheet
    assert len(deltas(network[0]).units) == 2


def test_units_built_by_hand_are_on_the_worksheet():
    w, x, b = Value(0.5, "w"), Value(2.0, "x"), Value(0.25, "b")
    z = (w * x + b).tanh()
    z.backward()
    sheet = deltas(z)
    assert sheet.units == [(1, 1, 1.25, z.data, 1 - z.data**2)]
    assert [(r.weight, r.z) for r in sheet.weights] == [("w", 2.0), ("b", 1.0)]


def test_the_printed_worksheet_can_be_read_back():
    sheet, _ = sheet_and_network()
    header, *rows = str(sheet).split("\n\n")[0].splitlines()
    assert header.split() == ["layer", "unit", "u", "z", "delta"]
    for line, row in zip(rows, sheet.units):
        assert [float(cell) for cell in line.split()] == pytest.approx(list(row), rel=1e-3)


def test_gradients_of_several_uses_are_explained():
    unit = Unit(1, seed=0)
    E = unit([1.0]) + unit([2.0])
    E.backward()
    sheet = deltas(E)
    assert len(sheet.units) == 2
    first, second = (row for row in sheet.weights if row.weight == "w1[1,1]")
    assert first.gradient == second.gradient == pytest.approx(first.product + second.product, rel=1e-15)
    assert "hold the sum over several uses of the weight" in str(sheet)


def test_a_worksheet_before_the_backward_pass_says_so():
    assert "Call backward() on the loss first" in str(deltas(Unit(1, seed=0)([1.0])))


def test_long_worksheets_are_cut_for_the_eye_only():
    layer = Layer(20, 5, seed=0)
    layer([0.1] * 20)
    sheet = deltas(layer)
    assert len(sheet.weights) == 105
    assert "... and 45 more rows" in str(sheet)


def test_a_worksheet_is_html_in_a_notebook_and_labels_stay_text():
    w = Value(1.0, "<script>alert(1)</script>")
    z = (w * Value(2.0, "x")).sigmoid()
    z.backward()
    html = deltas(z)._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert len(re.findall("<tr>", html)) == 1 + 1 + 1 + 1
    assert html.count("<table>") == html.count("</table>") == 2


def test_a_graph_without_units_is_refused_with_advice():
    with pytest.raises(ValueError, match=r"no unit in this graph.*tree\(output\)"):
        deltas(Value(1.0) * 2.0)
