"""Moons, circles, spirals: what example 11 prints, beside the figures of 1988."""

import math
import re

import numpy as np
import pytest
from example_runs import run

from microbp import accuracy, leaves


def test_a_network_bends_the_line_between_two_moons():
    printed, *_ = run("11")
    held_out = [float(share) for share in re.findall(r"(\S+)% of those held out", printed)]
    assert len(held_out) == 2
    assert held_out[0] < 90 < held_out[1]


def test_all_three_shapes_are_told_apart_and_the_spirals_last():
    printed, *_ = run("11")
    rows = re.findall(r"^(moons|circles|spirals) +(\S+)% +(\S+)% +(\S+)% +(\S+)%$", printed, re.M)
    shares = {shape: [float(share) for share in row] for shape, *row in rows}
    assert shares["circles"][2] > 95 > 70 > shares["spirals"][2], "after a hundred epochs"
    assert min(row[-1] for row in shares.values()) > 90
    assert shares["moons"][3] < shares["moons"][2] + 1.4, "no better on those held out, but for one perhaps"


def test_the_last_shares_are_those_of_the_eager_network():
    printed, _, names = run("11")
    assert names["shape"] == "spirals"
    share = accuracy(names["network"], names["others_X"], names["others_Y"])
    assert f"{share:.1%}\n" in printed[printed.index("\nspirals ") :]
    assert not {tuple(x) for x in names["some_X"]} & {tuple(x) for x in names["others_X"]}


def test_the_two_spirals_are_those_of_1988():
    """The C fragment by A. Wieland: 97 points on each, three turns of 32 points; radius from 6.5 to 0.5."""
    *_, names = run("11")
    X, Y = np.array(names["spiral_X"]), np.array(names["spiral_Y"])
    assert len(X) == 194 and Y.sum() == 97
    assert X[Y == 0] == pytest.approx(-X[Y == 1])
    radius = np.hypot(*X[Y == 1].T)
    assert radius[0] == 6.5 and radius[-1] == pytest.approx(0.5)
    turned = np.unwrap(np.arctan2(*X[Y == 1].T))
    assert turned[-1] - turned[0] == pytest.approx(3 * math.tau)


def test_the_network_with_short_cuts_has_138_weights_and_learns_all_points():
    """138 weights in Lang and Witbrock 1988; there 20,000 epochs, and 10,000 with cross-entropy."""
    printed, _, names = run("11")
    assert "194 points; 2 of 2 starts learned them all" in printed
    needed = names["needed"]
    assert all(epochs < 10_000 for epochs in needed)
    network = names["networks"][0]
    outputs = [network(x) for x in names["spiral_X"]]
    assert len([leaf for leaf in leaves(outputs[0]) if not leaf.label.startswith("x")]) == 138
    z = 1 / (1 + np.exp([-u.data for u in outputs]))
    assert np.abs(z - names["spiral_Y"]).max() < 0.4


def test_tanh_matters_more_for_the_spirals_than_the_optimiser():
    printed, *_ = run("11")
    rows = re.findall(r"^(\w+, \w+) +(\d) of 2 starts within 5,000 epochs: ", printed, re.M)
    learned = {name: int(count) for name, count in rows}
    assert learned.keys() == {"tanh, momentum", "sigmoid, Adam", "sigmoid, momentum"}
    assert learned["tanh, momentum"] > max(learned["sigmoid, Adam"], learned["sigmoid, momentum"])


def test_the_pictures_are_small_and_always_the_same():
    _, pictures, _ = run("11")
    assert [picture.stem for picture in pictures] == [
        "11-moons-one-unit",
        "11-moons-network",
        "11-moons-loss",
        "11-over-training",
        "11-two-spirals",
    ]
