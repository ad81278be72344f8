"""Units, layers and networks: the post's names, labels, initialisation, copies, refusals."""

import copy
import math
import pickle
import statistics

import numpy as np
import pytest

from microbp import MLP, Layer, Unit, Value, squared_error, sum


def numpy_pass(network, x, target):
    """U1 = Z0 @ W1 + b1, ... and D1 = (D2 @ W2.T) * Z1 * (1 - Z1), dW1 = Z0.T @ D1: by hand, as matrices."""
    Z = [np.array([x])]
    weights = []
    for layer in network:
        W = np.array([[w.data for w in unit.weights] for unit in layer]).T
        b = np.array([unit.bias.data for unit in layer])
        weights.append(W)
        Z.append(1 / (1 + np.exp(-(Z[-1] @ W + b))))
    D = [2 * (Z[-1] - np.array([target])) * Z[-1] * (1 - Z[-1])]
    for W, z in zip(weights[:0:-1], Z[-2:0:-1]):
        D.insert(0, (D[0] @ W.T) * z * (1 - z))
    return Z[1:], D, [z.T @ d for z, d in zip(Z, D)]


@pytest.mark.parametrize("expanded", [False, True])
def test_deltas_and_weight_gradients_are_those_of_the_matrix_form(expanded):
    network = MLP(3, [4, 4, 2], seed=5, expanded=expanded)
    x, target = [0.3, -1.2, 0.8], [0.0, 1.0]
    squared_error(network(x), target).backward()
    Z, D, dW = numpy_pass(network, x, target)
    for layer, z, d, dw in zip(network, Z, D, dW):
        for k, unit in enumerate(layer):
            assert unit.z.data == pytest.approx(z[0, k], rel=1e-14)
            assert unit.delta == pytest.approx(d[0, k], rel=1e-12)
            assert unit.bias.grad == pytest.approx(d[0, k], rel=1e-12)
            for j, w in enumerate(unit.weights):
                assert w.grad == pytest.approx(dw[j, k], rel=1e-12)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "linear"])
@pytest.mark.parametrize("bias", [True, False])
def test_expanded_units_give_the_same_deltas_as_fused_ones(activation, bias):
    networks = [
        MLP(5, [6, 3, 2], activation, bias=bias, expanded=expanded, seed=7) for expanded in (False, True)
    ]
    for network in networks:
        squared_error(network([0.5, -1.0, 2.0, 0.1, -0.3]), [1.0, -1.0]).backward()
    for layers in zip(*networks):
        for fused, expanded in zip(*layers):
            assert fused.u.data == pytest.approx(expanded.u.data, rel=1e-13)
            assert fused.delta == pytest.approx(expanded.delta, rel=1e-12)
    for fused, expanded in zip(*(network.parameters() for network in networks)):
        assert fused.grad == pytest.approx(expanded.grad, rel=1e-12, abs=1e-300)


def test_the_equations_of_the_post_hold_with_its_names():
    network = MLP(2, [3, 2], seed=2)
    E = squared_error(network([0.4, 0.9]), [1.0, 0.0])
    E.backward()
    hidden, outputs = network
    for k in outputs:
        assert k.delta == k.u.grad  # (2)
        for j, w_jk in zip(hidden, k.weights):
            assert w_jk.grad == pytest.approx(k.delta * j.z.data, rel=1e-14)  # (3)
    for number, j in enumerate(hidden):
        passed_back = math.fsum(k.delta * k.weights[number].data for k in outputs)  # (4.9)
        assert j.delta == pytest.approx(j.z.data * (1 - j.z.data) * passed_back, rel=1e-13)  # (4.3), (4.4)


def test_labels_count_from_one_and_indices_run_from_to():
    network = MLP(3, [2, 4])
    assert [p.label for p in network[0].parameters()] == [
        "w1[1,1]", "w1[2,1]", "w1[3,1]", "b1[1]", "w1[1,2]", "w1[2,2]", "w1[3,2]", "b1[2]",
    ]  # fmt: skip
    assert network[0][1].weights[2].label == "w1[3,2]"
    assert network[1][3].weights[1].label == "w2[2,4]"
    network([1.0, 2.0, 3.0])
    unit = network[1][3]
    assert (unit.u.label, unit.z.label) == ("u2[4]", "z2[4]")
    assert [x.label for x in network[0][0].u.inputs if x.label.startswith("x")] == ["x[1]", "x[2]", "x[3]"]


def test_a_network_is_iterated_and_indexed_by_layer_and_unit():
    network = MLP(2, [3, 1])
    assert [len(layer) for layer in network] == [3, 1] and len(network) == 2
    assert network[0].units[2] is network[0][2] is list(network[0])[2]
    assert len(network.parameters()) == 2 * 3 + 3 + 3 + 1
    assert len(MLP(2, [3, 1], bias=False).parameters()) == 9


def test_one_output_comes_alone_and_several_as_a_list():
    assert isinstance(MLP(2, [1])([0, 0]), Value)
    assert [type(z) for z in MLP(2, [2])([0, 0])] == [Value, Value]
    assert isinstance(Unit(2)([0, 0]), Value)


@pytest.mark.parametrize("x", [[1, 2], (1.0, 2.0), np.array([1.0, 2.0]), np.array([1, 2], dtype=np.int32)])
def test_lists_tuples_and_arrays_are_samples(x):
    network = MLP(2, [1], seed=0)
    assert network(x).data == network([Value(1.0), Value(2.0)]).data


def test_one_input_may_come_as_a_number():
    network = MLP(1, [1], seed=0)
    assert network(2).data == network([2.0]).data == network(Value(2.0)).data


def test_inputs_that_are_values_get_gradients():
    x = [Value(1.0), Value(2.0)]
    unit = Unit(2, seed=0)
    unit(x).backward()
    assert [v.grad for v in x] == [unit.delta * w.data for w in unit.weights]


def test_a_unit_used_twice_adds_up_its_gradients():
    unit = Unit(1, seed=0)
    first, second = unit([1.0]), unit([2.0])
    (first + second).backward()
    together = unit.weights[0].grad
    alone = []
    for x in (1.0, 2.0):
        unit.zero_grad()
        unit([x]).backward()
        alone.append(unit.weights[0].grad)
    assert together == pytest.approx(math.fsum(alone), rel=1e-15)


def test_any_function_of_a_value_is_an_activation():
    def swish(u):
        return u * u.sigmoid()

    unit = Unit(1, activation=swish, seed=1)
    z = unit([2.0])
    assert z.data == unit.u.data * (1 / (1 + math.exp(-unit.u.data)))
    assert "swish" in repr(unit)


def test_the_output_layer_may_have_its_own_activation():
    network = MLP(2, [3, 1], activation="tanh", output_activation="linear", seed=1)
    network([1.0, 1.0])
    assert network[0][0].z.rule.name == "tanh"
    assert network[1][0].z is network[1][0].u


def test_the_repr_shows_the_architecture():
    assert repr(MLP(3, [4, 4, 2], "relu", output_activation="linear")) == (
        "MLP(3 -> 4 relu -> 4 relu -> 2 linear; 46 parameters)"
    )
    assert repr(Layer(3, 2)) == "Layer(3 -> 2 sigmoid; 8 parameters)"
    assert repr(Unit(1, bias=False)) == "Unit(1 -> 1 sigmoid; 1 parameter)"


def test_first_weights_are_reproducible_by_seed():
    def weights(seed):
        return [p.data for p in MLP(3, [4, 2], seed=seed).parameters()]

    assert weights(3) == weights(3) != weights(4)
    assert weights(None) != weights(None)


@pytest.mark.parametrize(
    ("activation", "deviation"),
    [
        ("tanh", math.sqrt(6 / (100 + 50)) / math.sqrt(3)),
        ("sigmoid", 4 * math.sqrt(6 / (100 + 50)) / math.sqrt(3)),
        ("relu", math.sqrt(2 / 100)),
    ],
)
def test_first_weights_spread_as_glorot_and_he_say(activation, deviation):
    weights = [w.data for unit in Layer(100, 50, activation, seed=0) for w in unit.weights]
    assert statistics.pstdev(weights) == pytest.approx(deviation, rel=0.05)
    assert statistics.fmean(weights) == pytest.approx(0.0, abs=deviation / 20)
    if activation != "relu":
        assert max(map(abs, weights)) <= deviation * math.sqrt(3)


def test_a_network_copies_and_pickles_its_parameters_but_not_its_last_pass():
    network = MLP(2, [3, 1], seed=1)
    E = squared_error(network([0.0, 1.0]), 1.0)
    E.backward()
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert [p.data for p in twin.parameters()] == [p.data for p in network.parameters()]
        assert [p.label for p in twin.parameters()] == [p.label for p in network.parameters()]
        with pytest.raises(RuntimeError, match="before its first pass"):
            twin[0][0].u  # noqa: B018
        assert twin([0.0, 1.0]).data == network([0.0, 1.0]).data
        twin[0][0].weights[0].data += 1.0
        assert twin[0][0].weights[0].data != network[0][0].weights[0].data


def test_zero_grad_clears_every_parameter():
    network = MLP(2, [2, 1], seed=0)
    network([1.0, 1.0]).backward()
    assert any(p.grad for p in network.parameters())
    network.zero_grad()
    assert not any(p.grad for p in network.parameters())


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: MLP(2, [1])([1.0]), ValueError, r"takes 2 inputs, and 1 came: \[1.0\]"),
        (lambda: MLP(2, [1])([1, 2, 3, 4, 5, 6]), ValueError, r"6 came: \[1, 2, 3, 4, ...\]"),
        (lambda: MLP(1, [1])([1, 2]), ValueError, "takes 1 input, and 2 came"),
        (lambda: MLP(2, [1])("ab"), TypeError, r"not 'ab' \(str\)"),
        (lambda: MLP(2, [1])({1.0, 2.0}), TypeError, r"not {1.0, 2.0} \(set\)"),
        (lambda: MLP(2, [1])(None), TypeError, "not None"),
        (lambda: MLP(2, [1])([1.0, "2"]), TypeError, r"input x\[2\].*'2' \(str\)"),
        (lambda: MLP(2, [1])(np.zeros((4, 2))), TypeError, r"shape \(4, 2\); for many samples use predict"),
        (lambda: MLP(2, 3), TypeError, r"a list such as \[4, 1\], not 3"),
        (lambda: MLP(2, []), TypeError, "sizes of the layers"),
        (lambda: MLP(0, [1]), ValueError, "number of inputs is a whole number, at least 1, not 0"),
        (lambda: MLP(2, [2.5]), ValueError, "number of units is a whole number"),
        (lambda: MLP(2, [1], "sigmod"), ValueError, "Did you mean 'sigmoid'"),
        (lambda: Unit(2, 3), ValueError, "there is no activation 3"),
        (lambda: Unit(1, activation=lambda u: 1.0)([1.0]), TypeError, r"returned 1.0 \(float\)"),
        (lambda: Unit(2).delta, RuntimeError, "give the network an input first"),
    ],
)
def test_misuse_is_refused_saying_what_was_expected_and_what_came(use, error, message):
    with pytest.raises(error, match=message):
        use()


def test_units_wired_by_hand_learn_their_gradients_too():
    hidden, output = Unit(2, seed=1), Unit(3, seed=2, layer=2)
    x = [Value(0.5), Value(-1.0)]
    y = output([*x, hidden(x)])
    y.backward()
    slope = y.data * (1 - y.data)
    w = [p.data for p in output.weights]
    assert hidden.delta == pytest.approx(slope * w[2] * hidden.z.data * (1 - hidden.z.data), rel=1e-13)
    direct, through = w[0], w[2] * hidden.z.data * (1 - hidden.z.data) * hidden.weights[0].data
    assert x[0].grad == pytest.approx(slope * (direct + through), rel=1e-13)


def test_several_outputs_can_be_summed_into_one_loss():
    network = MLP(2, [3], seed=0)
    total = sum(network([1.0, 2.0]))
    assert total.data == pytest.approx(math.fsum(unit.z.data for unit in network[0]))
