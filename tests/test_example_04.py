"""Losses: their slopes, their deltas, and the published learning of a unit that is sure and wrong."""

import re
from math import exp, log

import pytest
from example_runs import run

Y, T = [0.9, 0.2, 0.4, 0.5], [1.0, 0.0, 1.0, 0.0]
LOSSES = {
    "squared_error": (lambda y, t: (y - t) ** 2, lambda y, t: 2 * (y - t)),
    "half_squared_error": (lambda y, t: (y - t) ** 2 / 2, lambda y, t: y - t),
    "mean_squared_error": (lambda y, t: (y - t) ** 2 / 4, lambda y, t: (y - t) / 2),
    "mean_absolute_error": (lambda y, t: abs(y - t) / 4, lambda y, t: 0.25 if y > t else -0.25),
    "binary_cross_entropy": (lambda y, t: -log(y if t else 1 - y), lambda y, t: (y - t) / (y * (1 - y))),
}


def numbers(text):
    return [float(number) for number in text.split()]


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_and_its_slopes_are_those_of_its_formula(name):
    loss, slope = LOSSES[name]
    [row] = re.findall(rf"^{name} +(\d.*)$", run("04").printed, re.M)
    E, *slopes = numbers(row)
    assert [E, *slopes] == pytest.approx([sum(map(loss, Y, T)), *map(slope, Y, T)], abs=5.1e-5)


def test_squares_find_the_mean_and_absolute_values_the_median():
    found = re.findall(r"ends at b = +(\S+)   \(the (\w+) of the targets: (\S+)\)", run("04").printed)
    assert [(float(b), what, float(expected)) for b, what, expected in found] == [
        (22.0, "mean", 22.0),
        (3.0, "median", 3.0),
    ]


def test_the_deltas_are_those_of_the_chain_rule_and_cross_entropy_leaves_y_minus_t():
    rows = re.findall(r"^ +(-?\d\.0)   (\S+)((?: +[+-]\S+){4})$", run("04").printed, re.M)
    assert [float(u) for u, *_ in rows] == [-8.0, -4.0, -2.0, 0.0, 2.0, 4.0]
    for u, _, rest in rows:
        y = 1 / (1 + exp(-float(u)))
        slope = y * (1 - y)
        assert numbers(rest) == pytest.approx([(y - 1) * slope, -slope, y - 1, y - 1], abs=5.1e-7)
    assert "dE/du = -0.8808" in run("04").printed  # sigmoid(-2) - 1


def test_from_the_logit_the_loss_is_right_where_the_probability_is_rounded_to_0():
    printed = run("04").printed
    assert "u =  -30.0   E = 30.000000   delta = -1.000000" in printed
    assert "u = -800.0   E = 800.000000   delta = -1.000000" in printed
    assert "from y, with u = -800: log of 0.0" in printed


def test_a_unit_that_is_sure_and_wrong_learns_as_published():
    """Nielsen, Neural Networks and Deep Learning, chapter 3: 0.82 to 0.09, and 0.98 to 0.20."""
    printed = run("04").printed
    found = re.findall(r"^from .*: (\S+) to (\S+)   \(published: (\S+) to (\S+)\)$", printed, re.M)
    assert [row[2:] for row in found] == [("0.82", "0.09"), ("0.98", "0.20")]
    assert all(row[:2] == row[2:] for row in found)
    [after] = re.findall(r"(\S+) after 150 steps", printed)
    assert float(after) > 0.9  # "don't change much at all" for "the first 150 or so"
    [early] = re.findall(r"already (\S+) after 50 steps", printed)
    assert float(early) < 0.2


def test_with_softmax_too_delta_is_y_minus_t():
    rows = re.findall(
        r"y = (\S+)   y - t = (\S+)   delta, .* log: (\S+)   .*: (\S+)$", run("04").printed, re.M
    )
    total = sum(map(exp, (2.0, -1.0, 0.5)))
    for (y, *deltas), u, t in zip(rows, (2.0, -1.0, 0.5), (0, 1, 0), strict=True):
        assert float(y) == pytest.approx(exp(u) / total, abs=1e-6)
        assert [*map(float, deltas)] == pytest.approx([exp(u) / total - t] * 3, abs=1e-6)
