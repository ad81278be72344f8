"""Mirror symmetry, Fig. 1 of Rumelhart, Hinton and Williams (Nature 323, 533-536, 1986).

Published: 1,425 sweeps; in each hidden unit mirrored weights equal and opposite, in the ratio 1:2:4; the
two units with opposite signs; hidden biases negative, output bias positive.
"""

import re
from itertools import product

import numpy as np
from example_runs import SHORTENED, run

STARTS = SHORTENED["08"]["STARTS"]
X = np.array(list(product([0, 1], repeat=6)))
SYMMETRIC = (X[:, ::-1] == X).all(axis=1)


def sigmoid(u):
    return 1 / (1 + np.exp(-u))


def printed_network(printed):
    """The first network that is shown: hidden weights, hidden biases, output weights, output bias."""
    rows = re.findall(r"^(?:hidden|output) unit.*?: +(.*?) +bias (\S+)$", printed, re.M)
    weights = [np.array(row.split(), dtype=float) for row, _ in rows]
    biases = [float(bias) for _, bias in rows]
    return np.array(weights[:2]), np.array(biases[:2]), weights[2], biases[2]


def test_the_printed_weights_tell_symmetric_patterns_from_the_others():
    printed, *_ = run("08")
    W, b, v, c = printed_network(printed)
    y = sigmoid(sigmoid(X @ W.T + b) @ v + c)
    assert ((y > 0.5) == SYMMETRIC).all() and np.abs(y - SYMMETRIC).max() < 0.2


def test_the_printed_weights_are_those_of_the_paper_in_kind():
    printed, *_ = run("08")
    W, b, v, c = printed_network(printed)
    assert np.abs(W + W[:, ::-1]).max() <= 0.11, "equal and opposite, but for rounding"
    assert np.abs(W[0] + W[1]).max() < 0.3
    for magnitudes in np.sort(np.abs(W[:, :3])):
        assert np.allclose(magnitudes / magnitudes[2], [1 / 4, 2 / 4, 1], atol=0.02)
    assert (b < 0).all() and c > 0 and (v < 0).all()


def test_many_starts_find_one_of_two_ratios_or_stay_on_the_plateau():
    printed, *_ = run("08")
    kinds = dict(re.findall(r"^(\S.*?) +(\d+) starts", printed, re.M))
    counts = {
        kind: int(kinds[kind]) for kind in ("1:2:4", "2:3:4", "another ratio", "stuck at E = 4", "elsewhere")
    }
    assert sum(counts.values()) == STARTS
    assert counts["1:2:4"] and counts["stuck at E = 4"] and not counts["another ratio"]
    [(fewest, most)] = re.findall(r"^sweeps: (\d+) to (\d+), .*published, one start: 1,425", printed, re.M)
    assert int(fewest) < 1425 < int(most)
    solved = counts["1:2:4"] + counts["2:3:4"]
    assert f"hidden biases negative, output bias positive: {solved} of {solved}" in printed
    [apart] = re.findall(r"mirrored weights differ by at most (\S+)%", printed)
    assert float(apart) < 1


def test_two_ratios_keep_every_other_sum_furthest_from_zero():
    """The proof in the text, against all ratios on a grid of hundredths."""
    printed, *_ = run("08")
    assert re.findall(r"all sums different: (\S+)", printed) == ["1:2:4", "2:3:4"]
    a, b = np.meshgrid(np.arange(1, 401), np.arange(1, 401))
    combinations = [s for s in product([-1, 0, 1], repeat=3) if any(s)]
    distance = np.min([np.abs(i * a + j * b + k * 400) for i, j, k in combinations], axis=0)
    best = {tuple(sorted(pair)) for pair in zip(a[distance == distance.max()], b[distance == distance.max()])}
    assert distance.max() == 100 and best == {(100, 200), (200, 300)}


def test_the_plateau_is_a_saturated_output_and_smaller_steps_avoid_it():
    printed, *_ = run("08")
    assert "The only unit of layer 2 is saturated" in printed
    [largest] = re.findall(r"largest output for any pattern: (\S+)", printed)
    assert float(largest) < 1e-3
    assert re.search(r"^stuck at E = 4 .*E 4\.00 to 4\.00$", printed, re.M)
    [(rescued, stuck)] = re.findall(r"solved with 0\.03: (\d+) of (\d+)", printed)
    assert rescued == stuck
    [(loss, least, most)] = re.findall(r"at E = (\S+): outputs from (\S+) to (\S+)", printed)
    assert float(loss) < 3.52 and 1 / 8 - 0.05 < float(least) < 1 / 8 < float(most) < 1 / 8 + 0.05
    assert 8 * 56 / 2 / 64 == (8 * (7 / 8) ** 2 + 56 * (1 / 8) ** 2) / 2 == 3.5


def test_the_pictures_are_drawn():
    _, pictures, _ = run("08")
    assert [picture.name for picture in pictures] == ["08-network.svg", "08-losses.svg"]
