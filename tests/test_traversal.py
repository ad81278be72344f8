"""Walks over a graph: leaves, consumers, order, and the units found in it."""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import microbp
from microbp import MLP, Unit, Value, consumers, leaves, units, weighted_sum
from microbp.traversal import topological
from microbp.value import computed


def labels(values: Any) -> list[str]:
    return [v.label for v in values]


# Order.


def test_the_leaves_come_in_the_order_of_their_birth_each_once() -> None:
    a, b, c = Value(1.0, "a"), Value(2.0, "b"), Value(3.0, "c")
    assert leaves((c * a + a) / b, c * 2) == [a, b, c]
    assert leaves(b) == [b]
    assert leaves() == []


def test_constants_are_no_leaves() -> None:
    a = Value(1.0)
    assert leaves(2 * a + 3) == [a]


def test_computed_nodes_come_after_their_inputs_each_once_and_leaves_are_left_out() -> None:
    a, b = Value(1.0), Value(2.0)
    c = a * b
    d = c + a
    e = d * c
    assert computed(e) == [c, d, e]
    assert computed(d, e, c, d) == [c, d, e]
    assert computed(d) == [c, d]
    assert computed(a) == []


def test_a_topological_order_has_every_node_after_its_inputs() -> None:
    draw = random.Random(2)
    nodes = [Value(draw.random()) for _ in range(10)]
    for _ in range(300):
        a, b = draw.choice(nodes), draw.choice(nodes)
        nodes.append(draw.choice([a * b, a + b, a.tanh(), microbp.sum([a, b, a])]))
    order = topological(*nodes)
    assert sorted(order, key=nodes.index) == nodes
    place = {node: i for i, node in enumerate(order)}
    assert all(place[v] < place[node] for node in order for v in node.inputs)
    assert [v.inputs != () for v in order] == sorted(v.inputs != () for v in order)


def test_the_consumers_of_a_node_are_those_computed_from_it_each_once_in_the_order_of_birth() -> None:
    a, b = Value(1.0), Value(2.0)
    c = a * a
    d = c + b
    e = microbp.sum([d, c, a, c])
    f = d * 2
    found = consumers(e, f)
    assert found == {a: [c, e], b: [d], c: [d, e], d: [e, f], e: [], f: []}
    assert list(found) == topological(e, f)


def test_consumers_outside_the_graph_are_not_seen() -> None:
    a = Value(1.0)
    b = a * 2
    a * 3
    assert consumers(b) == {a: [b], b: []}
    assert consumers(a) == {a: []}


DEEP = """
import sys
from microbp import Value, consumers, leaves, units, weighted_sum
from microbp.traversal import topological
sys.setrecursionlimit(200)
x, w, n = Value(1.0, "x"), Value(0.5, "w"), 100_000
v = x
for _ in range(n):
    v = v + x
assert leaves(v) == [x] and len(topological(v)) == n + 1 and len(consumers(v)[x]) == n and units(v) == []
z = x
for _ in range(n // 10):
    z = weighted_sum([w], [z], w).tanh()
assert [unit.layer for unit in units(z)] == list(range(1, n // 10 + 1))
s = w * x
for _ in range(n // 10):
    s = s + w * x
assert len(units(s.tanh())[0].weights) == n // 10 + 1
print("done")
"""


def test_deep_graphs_are_walked_without_recursion() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DEEP],
        env={**os.environ, "PYTHONPATH": str(Path(microbp.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("done\n", "")


# Units.


def leaf_unit() -> tuple[Value, Value, Value, Value, Value]:
    return Value(0.5, "w1"), Value(-0.25, "w2"), Value(2.0, "x1"), Value(3.0, "x2"), Value(-1.0, "b")


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "softplus"])
def test_a_weighted_sum_and_its_activation_are_a_unit(activation: str) -> None:
    w1, w2, x1, x2, b = leaf_unit()
    u = weighted_sum([w1, w2], [x1, x2], b)
    z = getattr(u, activation)()
    [unit] = units(z * 2)
    assert (unit.u, unit.z, unit.weights, unit.inputs, unit.bias) == (u, z, (w1, w2), (x1, x2), b)
    assert (unit.activation, unit.layer, unit.number, unit.inner) == (activation, 1, 1, (u, z))


def hand_built(kind: str) -> tuple[Value, tuple[Value, ...], Value | None]:
    """The net input, its inner nodes and its bias, in the ways people write it."""
    w1, w2, x1, x2, b = leaf_unit()
    p, q = w1 * x1, w2 * x2
    if kind == "w*x + b":
        s = p + q
        return s + b, (p, q, s), b
    if kind == "b + w*x":
        s = b + p
        return s + q, (p, q, s), b
    if kind == "a balanced tree":
        s = q + b
        return p + s, (p, q, s), b
    if kind == "one sum":
        return microbp.sum([p, q, b]), (p, q), b
    if kind == "without a bias":
        return p + q, (p, q), None
    if kind == "Python's own sum":
        zero = 0 + p
        s = zero + q
        return s + b, (p, q, zero, s), b
    p, q = x1 * w1, x2 * w2
    s = p + q
    return s + b, (p, q, s), b


KINDS = ["w*x + b", "b + w*x", "a balanced tree", "one sum", "without a bias", "Python's own sum", "x*w + b"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_unit_built_by_hand_from_products_and_sums_is_found(kind: str, activation: str) -> None:
    u, inside, bias = hand_built(kind)
    z = getattr(u, activation)()
    [unit] = units(z**2)
    assert (unit.u, unit.z, unit.bias) == (u, z, bias)
    assert labels(unit.weights) == ["w1", "w2"]
    assert labels(unit.inputs) == ["x1", "x2"]
    assert unit.inner == (*inside, u, z)


def test_one_weight_without_a_bias_is_a_unit_too() -> None:
    w, x = Value(0.5, "w"), Value(2.0, "x")
    [unit] = units((w * x).sigmoid())
    assert (unit.weights, unit.inputs, unit.bias) == ((w,), (x,), None)


def test_the_weight_of_a_product_is_the_leaf_or_the_one_labelled_w_or_the_first() -> None:
    w, x = Value(0.5, "w"), Value(2.0, "x")
    hidden = (w * x).tanh()
    v = Value(0.25, "v")
    for product in v * hidden, hidden * v:
        outer = units(product.tanh())[-1]
        assert (outer.weights, outer.inputs) == ((v,), (hidden,))
    for product in w * x, x * w:
        assert units(product.tanh())[0].weights == (w,)
    a, b = Value(1.0), Value(2.0)
    assert units((a * b).tanh())[0].weights == (a,)


@pytest.mark.parametrize("expanded", [False, True], ids=["fused", "expanded"])
@pytest.mark.parametrize("bias", [False, True], ids=["without bias", "with bias"])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "linear"])
def test_the_units_of_a_network_are_found_with_their_layers_and_numbers(
    expanded: bool, bias: bool, activation: str
) -> None:
    network = MLP(3, [4, 2], activation=activation, bias=bias, expanded=expanded, seed=1)
    outputs = network([0.1, -0.2, 0.3])
    found = units(*outputs)
    assert [(unit.layer, unit.number) for unit in found] == [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2)]
    built = [unit for layer in network for unit in layer]
    for unit, origin in zip(found, built):
        assert (unit.u, unit.z) == (origin.u, origin.z)
        assert list(unit.weights) == origin.weights
        assert unit.bias is origin.bias
        assert unit.activation == activation
    assert all(list(unit.inputs) == [other.z for other in network[0]] for unit in found[4:])
    assert labels(found[0].inputs) == ["x[1]", "x[2]", "x[3]"]


def swish(u: Value) -> Value:
    return u * u.sigmoid()


def leaky(u: Value) -> Value:
    return u.relu() - 0.01 * (-u).relu()


@pytest.mark.parametrize("activation", [swish, leaky, Value.sin, lambda u: (1 + (-u).exp()) ** -1])
@pytest.mark.parametrize("expanded", [False, True], ids=["fused", "expanded"])
def test_an_activation_of_one_s_own_is_found_by_the_labels_of_the_unit(
    activation: Any, expanded: bool
) -> None:
    network = MLP(2, [2, 1], activation=activation, expanded=expanded, seed=1)
    loss = (network([0.5, -1.0]) - 1) ** 2
    found = units(loss)
    assert [(unit.layer, unit.number, unit.activation) for unit in found] == [
        (1, 1, "custom"),
        (1, 2, "custom"),
        (2, 1, "custom"),
    ]
    for unit, origin in zip(found, [*network[0], *network[1]]):
        assert (unit.u, unit.z) == (origin.u, origin.z)
        between = set(computed(unit.z)) - set(computed(unit.u))
        assert between <= set(unit.inner)


def test_a_linear_unit_is_its_own_output() -> None:
    w, x, b = Value(0.5, "w"), Value(2.0, "x"), Value(-1.0, "b")
    u = weighted_sum([w], [x], b)
    [unit] = units((u - 1) ** 2)
    assert (unit.u, unit.z, unit.activation, unit.inner) == (u, u, "linear", (u,))


def test_a_sum_of_products_is_a_linear_unit_only_if_it_is_called_u() -> None:
    w, x, b = Value(0.5, "w"), Value(2.0, "x"), Value(-1.0, "b")
    u = w * x + b
    loss = (u - 1) ** 2
    assert units(loss) == []
    u.label = "u"
    [unit] = units(loss)
    assert (unit.u, unit.z, unit.activation) == (u, u, "linear")


def test_layer_and_number_come_from_the_label_where_there_is_one() -> None:
    w, x = Value(0.5, "w"), Value(2.0, "x")
    u = weighted_sum([w], [x])
    u.label = "u7[12]"
    [unit] = units(u.tanh())
    assert (unit.layer, unit.number) == (7, 12)


def test_layer_and_number_come_from_the_depth_and_the_order_of_birth_otherwise() -> None:
    x = Value(2.0, "x")

    def unit(*inputs: Value) -> Value:
        return weighted_sum([Value(0.5) for _ in inputs], inputs, Value(0.1)).tanh()

    first, second = unit(x), unit(x)
    third = unit(first, second)
    skip = unit(third, x, first)
    found = units(skip)
    assert [(unit.layer, unit.number) for unit in found] == [(1, 1), (1, 2), (2, 1), (3, 1)]


def test_the_expression_of_micrograd_s_readme_has_no_units() -> None:
    a = Value(-4.0)
    b = Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    assert units(g) == []


def test_what_is_no_weighted_sum_of_values_is_no_unit() -> None:
    w, v, x, y, b = (Value(k / 3, name) for k, name in enumerate("wvxyb", start=1))
    hidden = (w * x).tanh()
    for net in (
        w + x + b,  # nothing is weighted
        w * x + 1,  # a constant in place of the bias
        3 * x + b,  # constants in place of weights
        w * x - b,
        w * x + v * y + b + y,  # two biases
        w * x / 2,
        hidden * hidden + b,  # no leaf for a weight
        w * x + hidden + b,
        w.exp() * x.exp() + b,
    ):
        assert [unit for unit in units(net.tanh()) if unit.u is net] == []
    assert units(w * x + b) == []
    assert units(w) == []


def test_a_net_input_with_two_consumers_has_no_activation() -> None:
    w, x, b = Value(0.5, "w"), Value(2.0, "x"), Value(-1.0, "b")
    expanded = w * x + b
    assert units(expanded.tanh() + expanded.relu()) == []
    fused = weighted_sum([w], [x], b)
    assert [unit.activation for unit in units(fused.tanh() + fused.relu())] == ["linear"]


def test_a_product_or_partial_sum_used_elsewhere_belongs_to_no_unit() -> None:
    w, x, b = Value(0.5, "w"), Value(2.0, "x"), Value(-1.0, "b")
    product = w * x
    assert units((product + b).tanh() * product) == []


def test_a_sum_of_sums_that_are_used_twice_is_looked_through_once() -> None:
    x = node = Value(1.0, "x")
    for _ in range(100):  # read term by term it would have 2^100 of them
        node = node + node
    assert units((node * x + node).tanh()) == []
    w = Value(2.0, "w")
    product = w * x
    assert units((product + product).tanh()) == []


def test_a_unit_whose_output_goes_to_many_is_one_unit() -> None:
    w, x = Value(0.5, "w"), Value(2.0, "x")
    shared = weighted_sum([w], [x]).tanh()
    outers = [weighted_sum([Value(k)], [shared]).tanh() for k in range(1, 4)]
    found = units(*outers)
    assert [(unit.layer, unit.number) for unit in found] == [(1, 1), (2, 1), (2, 2), (2, 3)]
    assert all(unit.inputs == (shared,) for unit in found[1:])


def test_several_samples_give_each_unit_once_for_each_sample() -> None:
    network = MLP(2, [2, 1], activation="tanh", seed=1)
    loss = sum((network(x) - 1) ** 2 for x in ([0.0, 1.0], [1.0, 0.0], [1.0, 1.0]))
    found = units(loss)
    assert [(unit.layer, unit.number) for unit in found] == [(1, 1), (1, 2), (2, 1)] * 3
    assert len({unit.u for unit in found}) == 9
    for k, origin in enumerate([*network[0], *network[1]]):
        assert all(list(unit.weights) == origin.weights for unit in found[k::3])
    assert found[-1].u is network[1][0].u


def test_a_unit_used_twice_in_one_graph_is_found_twice_with_the_same_weights() -> None:
    unit = Unit(1, activation="tanh", seed=1)
    found = units(unit([0.5]) * unit([-0.5]))
    assert len(found) == 2
    assert found[0].weights == found[1].weights == tuple(unit.weights)


def test_the_units_do_not_depend_on_which_outputs_come_first() -> None:
    network = MLP(2, [3, 2], seed=1)
    first, second = network([0.5, -0.5])
    assert units(first, second) == units(second, first) == units(first + second)


def test_a_net_input_labelled_like_a_unit_s_with_very_many_consumers_is_searched_no_further() -> None:
    w, x = Value(0.5, "w"), Value(2.0, "x")
    u = weighted_sum([w], [x])
    u.label = "u1[1]"
    users = [u * k for k in range(50)]
    users[-1].label = "z1[1]"
    [unit] = units(*users)
    assert (unit.z, unit.inner) == (u, (u,))


@pytest.mark.parametrize(
    "loss",
    [
        lambda us: microbp.cross_entropy(us, [0.25, 0.75]),
        lambda us: microbp.binary_cross_entropy_with_logits(us, [0.0, 1.0]),
    ],
)
def test_the_weighted_sums_of_a_loss_are_not_units(loss):
    layer = microbp.Layer(3, 2, activation="linear", seed=0)
    E = loss(layer([0.1, 0.2, 0.3]))
    assert [(unit.layer, unit.number, unit.activation) for unit in units(E)] == [
        (1, 1, "linear"),
        (1, 2, "linear"),
    ]
