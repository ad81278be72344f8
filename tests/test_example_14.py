"""Vanishing deltas: what example 14 prints, beside the published formula and NumPy's own backward pass."""

import re

import numpy as np
import pytest
from example_runs import run

SLOPES = {
    "sigmoid": lambda z: z * (1 - z),
    "tanh": lambda z: 1 - z * z,
    "relu": lambda z: (z > 0).astype(float),
}
ACTIVATIONS = {
    "sigmoid": lambda u: 1 / (1 + np.exp(-u)),
    "tanh": np.tanh,
    "relu": lambda u: np.maximum(u, 0),
}
# The square root of n Var[w] times the mean square of the slopes.  n Var[w] is 1/3 for plain weights
# (Glorot and Bengio 2010, equation 15), 1 for Glorot's (equation 16), 2 for He's; the slopes are 1/4 for
# sigmoids, 1 for tanh, and 1 for half of the relus.
FORMULA = {
    "sigmoid, plain": 48**-0.5,
    "sigmoid, Glorot": 1 / 4,
    "sigmoid, 4 × Glorot": 1,
    "tanh, plain": 3**-0.5,
    "tanh, Glorot": 1,
    "relu, plain": 6**-0.5,
    "relu, He": 1,
}


def rows():
    """By setting: the formula, the formula with our slopes, the measured factor, and that of all layers."""
    printed, *_ = run("14")
    found = re.findall(r"^(\w+, [\w× ]+?) +(\d\S+) +(\d\S+) +(\d\S+) +(\S+e-\d+)$", printed, re.M)
    return {setting: [float(number) for number in numbers] for setting, *numbers in found}


def deltas_by_numpy(network, activation, x, y):
    """The deltas of each layer, by the matrix form of the backward pass."""
    weights = [np.array([[w.data for w in unit.weights] for unit in layer]) for layer in network]
    z, slopes = np.array(x), []
    for W in weights[:-1]:
        z = ACTIVATIONS[activation](W @ z)
        slopes.append(SLOPES[activation](z))
    delta = 1 / (1 + np.exp(-weights[-1] @ z)) - y
    deltas = [delta]
    for W, slope in zip(weights[:0:-1], slopes[::-1]):
        delta = slope * (W.T @ delta)
        deltas.append(delta)
    return deltas[::-1]


@pytest.mark.parametrize("setting", FORMULA)
def test_the_deltas_are_those_of_a_backward_pass_in_numpy(setting):
    *_, names = run("14")
    squares = np.zeros(11)
    for seed in range(names["STARTS"]):
        network = names["new_network"](setting, seed)
        for x, y in zip(names["X"][:10], names["Y"][:10]):
            deltas = deltas_by_numpy(network, setting.split(",")[0], x, y)
            squares += [np.mean(delta**2) for delta in deltas]
    sizes, _ = names["seen"][setting]
    assert sizes == pytest.approx(np.sqrt(squares / (10 * names["STARTS"])), rel=1e-9)


def test_the_factor_of_a_layer_is_the_published_one():
    found = rows()
    assert found.keys() == FORMULA.keys()
    for setting, (formula, with_our_slopes, measured, whole) in found.items():
        assert formula == pytest.approx(FORMULA[setting], abs=0.0005)
        assert measured == pytest.approx(with_our_slopes, rel=0.15)
        assert whole == pytest.approx(measured**9, rel=0.05)
        if setting != "sigmoid, 4 × Glorot":
            assert measured == pytest.approx(formula, rel=0.15)
    assert found["sigmoid, 4 × Glorot"][2] < 0.8


def test_ten_sigmoids_in_a_row_pass_on_less_than_a_quarter_each():
    printed, *_ = run("14")
    slopes = re.findall(r"^ *(\d+) sigmoids: dz/dx = (\S+)   \(at most 4\^-(\d+) = (\S+)\)$", printed, re.M)
    assert len(slopes) == 10
    z, product = 0.0, 1.0
    for n, (count, slope, power, bound) in enumerate(slopes, start=1):
        z = 1 / (1 + np.exp(-z))
        product *= z * (1 - z)
        assert int(count) == int(power) == n
        assert float(slope) == pytest.approx(product, rel=1e-3)
        assert float(slope) <= float(bound) == pytest.approx(4.0**-n, rel=1e-3)


def test_diagnose_calls_vanishing_what_falls_below_a_thousandth():
    printed, *_ = run("14")
    kinds = dict(re.findall(r"^(\w+, [\w× ]+?)  +([a-z, ]+)$", printed, re.M))
    assert kinds.keys() == FORMULA.keys()
    vanishing = {setting for setting, found in kinds.items() if "vanishing" in found}
    assert vanishing == {"sigmoid, plain", "sigmoid, Glorot", "tanh, plain", "relu, plain"}
    assert "The deltas vanish from layer 11 to layer 1, to " in printed


def test_where_deltas_vanish_nothing_is_learned_and_with_a_better_start_it_is():
    printed, *_ = run("14")
    losses = dict(re.findall(r"^(\w+, [\w× ]+?) +loss at the end: median (\S+) ", printed, re.M))
    losses = {setting: float(loss) for setting, loss in losses.items()}
    for setting in ("sigmoid, plain", "sigmoid, Glorot", "relu, plain"):
        assert losses[setting] == pytest.approx(np.log(2), abs=0.02)
    assert losses["relu, He"] < 0.01
    assert losses["tanh, Glorot"] < losses["tanh, plain"] < 0.3
    assert losses["tanh, plain"] < losses["sigmoid, 4 × Glorot"] < 0.5


def test_the_pictures_are_drawn():
    _, pictures, _ = run("14")
    assert [picture.name for picture in pictures] == ["14-deltas-by-layer.svg", "14-losses.svg"]
