"""diagnose: ailments planted by hand, each found; healthy graphs, in which nothing is."""

import math
import random
import re

import pytest
from hypothesis import given, strategies as st
from test_passes import random_graph

from microbp import (
    MLP,
    SGD,
    Unit,
    Value,
    binary_cross_entropy,
    mean_squared_error,
    squared_error,
    weighted_sum,
)
from microbp.health import MOST_SENTENCES, Diagnosis, Finding, diagnose
from microbp.value import computed


def kinds(diagnosis: Diagnosis) -> list[str]:
    return [finding.kind for finding in diagnosis]


def with_label(node: Value, label: str) -> Value:
    node.label = label
    return node


def losses(network: MLP, samples: int, seed: int = 0) -> list[Value]:
    draw = random.Random(seed)
    n = len(network[0][0].weights)
    return [
        mean_squared_error(network([draw.uniform(-1, 1) for _ in range(n)]), draw.uniform(-0.5, 0.5))
        for _ in range(samples)
    ]


# Where all is well.


@given(st.integers(0, 10**6), st.lists(st.integers(1, 5), max_size=3), st.integers(1, 4), st.booleans())
def test_nothing_is_found_in_a_tanh_network_as_it_is_made(seed, hidden, samples, expanded):
    network = MLP(2, [*hidden, 1], "tanh", expanded=expanded, seed=seed)
    Es = losses(network, samples, seed)
    if any(abs(node.data) > 2.5 for E in Es for node in computed(E) if node.label.startswith("u")):
        return  # drawn large enough to be near saturation
    chance = {"vanishing", "exploding"}  # where a weight was drawn near 0
    assert set(kinds(diagnose(Es, network))) <= chance
    for E in Es:
        E.backward()
    assert set(kinds(diagnose(Es, network))) <= chance


def test_chance_seldom_makes_a_young_network_look_ill():
    ill = 0
    for seed in range(200):
        network = MLP(2, [4, 4, 1], "tanh", seed=seed)
        found = diagnose(losses(network, 1, seed)[0], network)
        ill += bool(found)
        assert bool(found) == (len(found) > 0) and (found or str(found) == repr(found) == "Nothing found.")
    assert ill <= 4


@pytest.mark.parametrize("seed", range(40))
def test_nothing_about_gradients_on_random_graphs(seed):
    _, E = random_graph(seed)
    assert not {"gradients", "stale", "not finite"} & set(kinds(diagnose(E)))
    E.backward()
    assert not {"gradients", "stale", "not finite"} & set(kinds(diagnose(E)))


def test_gradients_of_a_batch_scaled_to_its_mean_are_well():
    network = MLP(2, [3, 1], "tanh", seed=1)
    Es = losses(network, 5)
    for E in Es:
        E.backward(1 / 5)
    assert not diagnose(Es, network)


def test_cleared_gradients_are_well():
    network = MLP(2, [3, 1], "tanh", seed=1)
    [E] = losses(network, 1)
    E.backward()
    network.zero_grad()
    assert not diagnose(E, network)


def test_a_young_relu_network_is_well_though_some_relus_are_off():
    tried = 0
    for seed in range(30):
        network = MLP(2, [8, 8, 1], "relu", "linear", seed=seed)
        [E] = losses(network, 1, seed)
        off = [sum(unit.u.data < 0 for unit in layer) for layer in network[:2]]
        if 8 not in off:  # in which case nothing would be learned
            tried += 1
            assert sum(off) and not diagnose(E, network)
    assert tried > 20


def test_an_output_that_is_flat_because_it_is_right_is_well():
    for loss in (squared_error, binary_cross_entropy):
        for target in (0.0, 1.0):
            unit = Unit(1)
            unit.weights[0].data, unit.bias.data = 10.0, 0.0
            z = unit([1.0 if target else -1.0])
            assert not diagnose(loss(z, target), unit)
            wrong = diagnose(squared_error(unit([-1.0 if target else 1.0]), target))
            assert kinds(wrong) == ["saturated"]


def test_it_changes_nothing_and_says_the_same_twice():
    network = MLP(2, [3, 1], seed=1)
    [E] = losses(network, 1)
    E.backward(3.0)
    before = [(node.data, node.grad, node.label) for node in (*network.parameters(), *computed(E))]
    assert str(diagnose(E, network)) == str(diagnose(E, network))
    assert before == [(node.data, node.grad, node.label) for node in (*network.parameters(), *computed(E))]


# Numbers that are not finite.


def test_a_number_that_grew_is_followed_back_to_its_leaf():
    a, other = Value(1e60, "a"), Value(3.0, "other")
    b = with_label(a * a, "b")
    c = with_label(b * other, "c")
    d = with_label(c * c * c, "d")
    found = diagnose(d)
    finding = found[0]
    assert finding.kind == "not finite"
    assert finding.nodes == (d, d.inputs[0], c, b, a)
    assert "d = v1 * c = 9e+240 * 3e+120 = inf is the first value that is not finite" in finding.sentence
    assert "from b = a * a = 1e+60 * 1e+60 = 1e+120, from a = 1e+60." in finding.sentence


def test_a_small_divisor_is_followed():
    x, tiny = Value(1e20, "x"), Value(1e-200, "tiny")
    z = x / with_label(tiny * 1e-100, "small")
    assert diagnose(z)[0].nodes == (z, z.inputs[1], tiny)


def test_infinity_less_infinity_names_both():
    a = Value(1e200, "a")
    p, q = with_label(a * a, "p"), with_label(a * a * 2, "q")
    E = with_label(p - q, "E")
    first, second = diagnose(E)
    assert first.nodes[0] is p and "and so came E = nan" in first.sentence
    assert second.nodes == (E,) and second.sentence.startswith("E = p - q = inf - inf = nan")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_leaf_that_is_not_finite_is_named(number):
    x, w = Value(number, "x"), Value(2.0, "w")
    E = with_label((x * w).tanh() + x, "E")
    finding = diagnose(E)[0]
    assert finding.nodes == (x,)
    assert finding.sentence == f"A given number is not finite: x = {number}, and so came E = {number}."


def test_a_plain_number_that_is_not_finite_is_told():
    y = Value(1.0, "x") * math.inf
    assert "v1 = x * inf = 1 * inf = inf" in str(diagnose(y)) and "plain number" in str(diagnose(y))


def test_a_value_assigned_by_hand_is_told_once():
    x = Value(2.0, "x")
    y = with_label(x * x, "y")
    z = y + 1
    y.data = math.nan
    [finding] = diagnose(z)
    assert finding.nodes == (y,) and "was assigned" in finding.sentence


def test_an_infinite_slope_is_found_where_values_are_finite():
    x = Value(0.0, "x")
    E = with_label(x.sqrt() * 0, "E")
    [finding] = diagnose(E)
    assert finding.nodes == (E.inputs[0], x)
    assert "sqrt(x) = sqrt(0) = 0 by x: it is inf, and times the gradient 0" in finding.sentence
    assert finding.sentence.endswith("gives nan.")
    E.backward()
    assert math.isnan(x.grad)


def test_the_logarithm_of_a_tiny_number():
    p = Value(5e-324, "p")
    [finding] = diagnose(p.log())
    assert finding.kind == "not finite" and finding.nodes[1] is p


def test_a_gradient_that_overflows_between_finite_slopes():
    p = Value(1e-200, "p")
    log = p.log()
    [finding] = diagnose(log * 1e150)
    assert finding.nodes == (log, p) and "1e+200" in finding.sentence and "1e+150" in finding.sentence


# Gradients and staleness.


@pytest.mark.parametrize("times", [2, 3, 7])
def test_repeated_passes_are_counted(times):
    network = MLP(2, [3, 1], "tanh", seed=2)
    [E] = losses(network, 1)
    for _ in range(times):
        E.backward(0.25)
    [finding] = diagnose(E, network)
    assert finding.kind == "gradients"
    assert f" is {times} times the " in finding.sentence and f"after {times} calls" in finding.sentence
    assert set(network.parameters()) <= set(finding.nodes)


def test_a_forgotten_zero_grad_is_told_with_both_numbers():
    w = Value(2.0, "w")
    first, second = with_label(w * 3.0, "E"), with_label(w * 5.0, "E")
    first.backward()
    assert kinds(diagnose(second)) == ["gradients"]
    assert "before any backward pass" in str(diagnose(second))
    second.backward()
    [finding] = diagnose(second)
    assert finding.nodes == (w,)
    assert finding.sentence.startswith("w.grad = 8 is not the 5 that the pass from E gives")
    assert not diagnose([first, second])


def test_an_older_gradient_after_recompute_is_told():
    w = Value(2.0, "w")
    E = with_label(w * w, "E")
    E.backward()
    w.data = 5.0
    [finding] = diagnose(E)
    assert finding.kind == "stale" and finding.nodes == (E,) and "recompute()" in finding.sentence
    E.recompute()
    [finding] = diagnose(E)
    assert finding.sentence.startswith("w.grad = 4 is not the 10 ")


def test_another_pass_through_a_shared_node_is_told():
    w = Value(2.0, "w")
    shared = with_label(w * 3.0, "shared")
    E, F = with_label(shared * 5.0, "E"), shared * 7.0
    E.backward()
    F.backward()
    w.grad = 0.0
    [finding] = diagnose(E)
    assert finding.sentence.startswith("shared.grad = 7 is not the 5 ")


def test_of_several_such_nodes_the_nearest_to_the_loss_is_named():
    w = Value(2.0, "w")
    far = with_label(w * 3.0, "far")
    near = with_label(far * 2.0, "near")
    E, F = with_label(near * 5.0, "E"), near * 7.0
    E.backward()
    F.backward()
    w.grad = 0.0
    [finding] = diagnose(E)
    assert finding.nodes == (near, far) and finding.sentence.startswith("near.grad = 7 is not the 5 ")


def test_rounding_of_large_terms_that_cancel_is_no_ailment():
    w = Value(1.0, "w")
    Es = [w * 1e15, w * 0.1, w * -1e15]
    for E in (Es[0], Es[2], Es[1]):
        E.backward()
    assert w.grad == 0.1 != (1e15 + 0.1) - 1e15
    assert not diagnose(Es)


def test_of_a_loss_within_another_nothing_is_said_about_gradients():
    w = Value(2.0, "w")
    E = w * w
    F = E * 2.0
    E.backward()
    F.backward()
    assert not diagnose([E, F])


def test_a_step_of_training_makes_the_recorded_run_old():
    network = MLP(2, [3, 1], "tanh", seed=2)
    [E] = losses(network, 1)
    E.backward()
    SGD(lr=0.1).step(network.parameters())
    [finding] = diagnose(E, network)
    assert finding.kind == "stale"


# Parameters and units that learn nothing.


def test_parameters_that_are_not_in_the_graph():
    w, forgotten, b = Value(2.0, "w"), Value(1.0, "forgotten"), Value(1.0, "b")
    E = with_label(w * w + b, "E")
    assert not diagnose(E)
    [finding] = diagnose(E, [w, forgotten, b])
    assert finding.nodes == (forgotten,)
    assert finding.sentence.startswith("1 of 3 parameters has no influence on E")
    assert finding.sentence.endswith(" forgotten.")


def test_a_layer_that_is_forgotten():
    first, second = MLP(2, [3], "tanh", seed=1), MLP(2, [1], "tanh", seed=1)
    [E] = losses(second, 1)
    [finding] = diagnose(E, first.parameters() + second.parameters())
    assert finding.sentence.startswith("9 of 12 parameters have no influence on E")


def test_relus_that_died():
    network = MLP(2, [4, 1], "relu", "linear", seed=1)
    for unit in network[0].units[:3]:
        unit.bias.data = -50.0
    for unit in network[0].units[3:]:
        unit.bias.data = 5.0
    for samples in (1, 3, 10):
        off, cut = diagnose(losses(network, samples), network)
        assert off.kind == "off" and off.sentence.startswith("3 of 4 relus of layer 1 are off")
        assert ("in this one pass" if samples == 1 else f"in all {samples} passes") in off.sentence
        assert len(off.nodes) == 3 and all(node.data < 0 for node in off.nodes)
        assert cut.kind == "no influence" and "by 9 of 17 parameters is exactly 0" in cut.sentence
        assert set(cut.nodes) == {p for unit in network[0].units[:3] for p in unit.parameters()}


def test_a_relu_that_is_on_for_one_sample_is_not_dead():
    network = MLP(1, [2, 1], "relu", "linear", seed=1)
    for unit in network[0]:
        unit.weights[0].data, unit.bias.data = 1.0, -5.0
    Es = [squared_error(network([x]), 3.0) for x in (0.0, 1.0, 2.0)]
    assert "off" in kinds(diagnose(Es, network))
    Es.append(squared_error(network([9.0]), 3.0))
    assert "off" not in kinds(diagnose(Es, network))


def test_a_relu_that_another_sample_may_well_turn_on_is_not_dead():
    network = MLP(1, [2, 1], "relu", "linear", seed=1)
    for unit, weight in zip(network[0], (1.0, -1.0)):
        unit.weights[0].data, unit.bias.data = weight, -0.1
    assert not diagnose(squared_error(network([0.5]), 3.0), network)


def test_a_layer_that_is_off_is_not_told_as_vanishing_too():
    network = MLP(2, [3, 1], "relu", "linear", seed=1)
    for unit in network[0]:
        unit.bias.data = -50.0
    assert kinds(diagnose(losses(network, 2), network)) == ["off", "no influence"]


def test_a_relu_off_in_many_passes_is_dead_though_its_bias_is_small():
    network = MLP(1, [2, 1], "relu", "linear", seed=1)
    network[0][0].weights[0].data, network[0][1].weights[0].data = -1.0, 1.0
    samples = [[0.1 * k] for k in range(1, 9)]
    assert not diagnose([squared_error(network(x), 3.0) for x in samples[:7]], network)
    [off, cut] = diagnose([squared_error(network(x), 3.0) for x in samples], network)
    assert off.sentence.startswith("1 of 2 relus of layer 1 is off in all 8 passes")
    assert set(cut.nodes) == set(network[0][0].parameters())


def test_weights_of_50_saturate():
    network = MLP(2, [4, 1], seed=1)
    for unit in network[0].units[:3]:
        unit.weights[0].data = unit.weights[1].data = 50.0
    for parameter in network[0][3].parameters():
        parameter.data = 0.1
    found = diagnose(squared_error(network([0.1, 0.1]), 0.5), network)
    slope = 1 / (1 + math.exp(-10)) * (1 - 1 / (1 + math.exp(-10)))
    [finding] = [finding for finding in found if finding.kind == "saturated"]
    assert finding.sentence.startswith("3 of 4 units of layer 1 are saturated in this one pass")
    assert "u1[1] = 10, u1[2] = 10, u1[3] = 10;" in finding.sentence
    assert f"the slope of sigmoid is {slope:.4g} there" in finding.sentence
    both = [squared_error(network(x), 0.5) for x in ([0.1, 0.1], [0.0, 0.0])]
    assert "saturated" not in kinds(diagnose(both, network))


def test_ten_sigmoid_layers_let_deltas_vanish():
    network = MLP(2, [3] * 10, seed=1)
    for parameter in network.parameters():
        parameter.data *= 0.2
    E = squared_error(network([0.3, -0.4]), [0.0, 1.0, 0.0])
    [finding] = diagnose(E, network)
    assert finding.kind == "vanishing" and finding.nodes == tuple(unit.u for unit in network[0])
    E.backward()
    for number, layer in enumerate(network, 1):
        size = math.sqrt(sum(unit.delta**2 for unit in layer) / 3)
        listed = re.search(rf"([\d.e-]+) in layer {number}\b", finding.sentence)
        assert listed and float(listed[1]) == pytest.approx(size, rel=1e-3)


def test_large_weights_let_deltas_explode():
    network = MLP(2, [3] * 5 + [1], "linear", seed=1)
    for layer in network:
        for unit in layer:
            for weight in unit.weights:
                weight.data = 10.0
    E = squared_error(network([0.3, 0.4]), 0.0)
    [finding] = diagnose(E, network)
    assert finding.kind == "exploding"  # by 30 for each of 4 layers, and 10 for the last
    assert "to 8.1e+06 times" in finding.sentence


# The words, the sizes, the refusals.


@pytest.mark.parametrize(
    "label", ["<b>&", "two\nlines", "\u202etxt", "</script>", "x" * 5000, "'", "{0}", "%s"]
)
def test_a_label_is_only_a_name(label):
    w = Value(1e200, label)
    E = w * w
    E.backward()
    for found in (diagnose(E), diagnose(E, [Value(1.0, label)]), diagnose(weighted_sum([w], [w]).tanh())):
        assert found and all(len(line) < 800 and line.isprintable() for line in str(found).split("\n"))
        assert len(str(found).split("\n")) == len(found)


def test_a_long_list_is_cut_and_counted():
    network = MLP(2, [2] * 15 + [1], "tanh", seed=1)
    for parameter in network.parameters():
        parameter.data = 20.0
    found = diagnose(squared_error(network([1.0, 1.0]), 0.0), network)
    lines = str(found).split("\n")
    assert len(found) > MOST_SENTENCES and len(lines) == MOST_SENTENCES + 1
    assert lines[-1] == f"... and {len(found) - MOST_SENTENCES} more"
    assert repr(found) == str(found) and all(isinstance(finding, Finding) for finding in found)
    assert str(found[0]) == found[0].sentence


def test_a_long_chain():
    y = Value(1.0, "x")
    for _ in range(200_000):
        y = y * 1.01
    finding = diagnose(y)[0]
    number, steps = 1.0, 0
    while math.isfinite(number):
        number, steps = number * 1.01, steps + 1
    assert len(finding.nodes) == steps + 1
    assert finding.sentence.endswith(f"and {steps - 4:,} steps farther back from x = 1.")


def test_what_is_refused():
    for wrong in (3.0, "E", None, [1.0], {"E": Value(1.0)}, b"E"):
        with pytest.raises(TypeError, match="diagnose"):
            diagnose(wrong)
    with pytest.raises(ValueError, match="empty"):
        diagnose([])
    for wrong in (3, Value(1.0), [1.0], "ww"):
        with pytest.raises(TypeError, match="diagnose"):
            diagnose(Value(1.0), wrong)
    assert not diagnose(Value(1.0)) and not diagnose(iter([Value(1.0) * 2]), [])


def test_parameters_may_serve_two_activations():
    """A net input of the same weights, curved in one place and not in another."""
    w, b, x = Value(2.0, "w"), Value(0.0, "b"), Value(30.0, "x")
    curved, flat = weighted_sum([w], [x], b), weighted_sum([w], [x], b)
    for u in curved, flat:
        u.label = "u"
    for first, second in [(curved.tanh(), flat), (flat, curved.tanh())]:
        E = first * second
        found = diagnose(E)
        assert kinds(found) == ["saturated"]
        assert found[0].nodes == (curved,)
