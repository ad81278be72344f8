"""XOR, parity and the encoder of PDP, volume 1, chapter 8 (Rumelhart, Hinton and Williams 1986).

Published: XOR with direct connections after 558 sweeps (page 331), two local minima in hundreds of runs
(page 332), 280 - 33 log2 H presentations with H hidden units (page 333), parity of four after 2,825
presentations (page 335), the 8-3-8 encoder (pages 335 to 337).
"""

import re
from itertools import product

import numpy as np
import pytest
from example_runs import SHORTENED, run

STARTS, PARITY_STARTS = SHORTENED["07"]["STARTS"], SHORTENED["07"]["PARITY_STARTS"]


def sigmoid(u):
    return 1 / (1 + np.exp(-u))


def layers(network):
    """The hidden values and the outputs of a network of two layers, by NumPy alone."""
    weights = [np.array([[w.data for w in unit.weights] for unit in layer]).T for layer in network]
    biases = [np.array([unit.bias.data for unit in layer]) for layer in network]

    def values(X):
        hidden = sigmoid(np.array(X) @ weights[0] + biases[0])
        return hidden, sigmoid(hidden @ weights[1] + biases[1])

    return values


def test_one_hidden_unit_and_direct_connections_always_learn_xor():
    """Sprinkhuizen-Kuyper and Boers (1996): with probability one."""
    printed, pictures, _ = run("07")
    assert f"solved from {STARTS} of {STARTS} starts, sweeps" in printed
    assert "(published, one start: 558)" in printed
    table = re.findall(r"\[(\d), (\d)\]   hidden (\S+)   output (\S+)", printed)
    hidden = {(a, b): float(h) for a, b, h, _ in table}
    assert len(table) == 4 and all(round(float(y)) == (a != b) for a, b, _, y in table)
    assert hidden["0", "0"] > 0.9 and max(hidden["0", "1"], hidden["1", "0"], hidden["1", "1"]) < 0.1
    assert len(pictures) == 3


def test_the_hidden_unit_sets_one_pattern_apart():
    """No line tells two and two of the patterns apart so that a second line could finish the work."""
    printed, *_ = run("07")
    uses = re.findall(r"the hidden unit is on for (.*?)  +(\d+) starts", printed)
    assert sum(int(count) for _, count in uses) == STARTS
    assert all(on.count("(") in (1, 3) for on, _ in uses)


def test_xor_with_two_hidden_units_has_local_minima_where_two_patterns_get_their_mean():
    printed, *_ = run("07")
    stuck = re.findall(rf"within ±\S+: (\d+) of {STARTS} starts are stuck", printed)
    assert len(stuck) == 2 and 0 < int(stuck[-1]) < STARTS / 2
    minima = re.findall(r"E = (0\.\d+), outputs for \(0,0\), \(0,1\), \(1,0\), \(1,1\): (.*)", printed)
    assert minima
    for loss, outputs in minima:
        ys = np.array(outputs.split(), dtype=float)
        assert float(loss) == pytest.approx(((ys - [0, 1, 1, 0]) ** 2).sum() / 2, abs=0.02)
        assert float(loss) == pytest.approx(1 / 4, abs=0.01) or float(loss) == pytest.approx(1 / 3, abs=0.01)


def test_more_hidden_units_need_fewer_sweeps():
    printed, *_ = run("07")
    rows = re.findall(r"^ +(\d+) +(\d+) of \d+ +(\d+) +(\d+)$", printed, re.M)
    assert [int(H) for H, *_ in rows] == [2, 4, 8, 16, 32]
    for H, *_, published in rows:
        assert int(published) == round(280 - 33 * np.log2(int(H)))
    sweeps = [int(median) for *_, median, _ in rows]
    assert sweeps[0] > sweeps[-1] and max(sweeps[1:]) < sweeps[0]
    assert all(int(solved) == PARITY_STARTS for _, solved, *_ in rows[1:])


def test_a_network_that_counts_computes_parity_by_the_distance_from_a_corner():
    printed, _, names = run("07")
    assert "(published, one start: 2,825)" in printed
    assert names["counting"]
    X = np.array(list(product([0, 1], repeat=4)))
    for network, corner in names["counting"]:
        hidden, y = layers(network)(X)
        assert ((y[:, 0] > 0.5) == X.sum(axis=1) % 2).all()
        distance = (corner != X).sum(axis=1)
        steps = []
        for z in hidden.T > 0.5:
            sides = [set(z[distance == k]) for k in range(5)]
            assert all(len(side) == 1 for side in sides)
            steps.append([k for k in range(1, 5) if sides[k] != sides[k - 1]])
        assert sorted(steps) == [[1], [2], [3], [4]]


def test_where_parity_gets_stuck_a_pattern_and_its_neighbours_get_their_mean():
    printed, *_ = run("07")
    rules = re.findall(r"E = (\S+) to (\S+), m = (\d+), j = (\d+): j \(m - j\)", printed)
    assert rules
    for low, high, m, j in rules:
        # The least of (j (1 - y)^2 + (m - j) y^2) / 2, on a grid.
        y = np.linspace(0, 1, 100_001)
        least = ((int(j) * (1 - y) ** 2 + (int(m) - int(j)) * y**2) / 2).min()
        assert least - 1e-4 <= float(low) <= float(high) <= least + 0.01
    [(stars, fives)] = re.findall(r"a pattern and its four neighbours: (\d+) of (\d+)", printed)
    assert int(stars) == int(fives) > 0


def test_the_encoder_finds_a_code_of_three_bits():
    printed, _, names = run("07")
    assert f"rate 0.5: all eight patterns right from 0 of {PARITY_STARTS} starts" in printed
    assert f"rate 0.1: all eight patterns right from {PARITY_STARTS} of {PARITY_STARTS} starts" in printed
    rows = re.findall(r"^([01]{8}) +(\S+) (\S+) (\S+) +([01]{3})$", printed, re.M)
    assert [row[0].index("1") for row in rows] == list(range(8))
    for _, *values, bits in rows:
        assert bits == "".join("1" if float(z) > 0.5 else "0" for z in values)
    assert len({bits for *_, bits in rows}) == names["distinct"][0]
    assert all(7 <= count <= 8 for count in names["distinct"])
    hidden, y = layers(names["encoder"])(np.eye(8))  # of the last start
    assert np.allclose(hidden, names["codes"][-1], atol=1e-12)
    assert ((y > 0.5) == np.eye(8)).all()
