"""Optimisers on one surface: what example 15 prints, beside the published rates and NumPy's own walks."""

import re
from itertools import pairwise

import numpy as np
import pytest
from example_runs import run

from microbp import SGD, Adam


def walk_by_numpy(gradient, start, rule, steps):
    """The points a rule visits; the rule takes the number of the step, the gradient and its own memory."""
    points, memory = [np.array(start)], None
    for t in range(1, steps + 1):
        change, memory = rule(t, gradient(points[-1]), memory)
        points.append(points[-1] + change)
    return np.array(points)


def heavy_ball(rate, momentum):
    def rule(t, g, before):
        change = -rate * g + momentum * (0 if before is None else before)
        return change, change

    return rule


def adam(rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Kingma and Ba 2015, algorithm 1."""

    def rule(t, g, memory):
        m, v = (0, 0) if memory is None else memory
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        return -rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon), (m, v)

    return rule


def rosenbrock_slope(p):
    x, y = p
    return np.array([-400 * x * (y - x**2) - 2 * (1 - x), 200 * (y - x**2)])


@pytest.mark.parametrize(
    ("optimizer", "rule"),
    [
        (SGD(lr=0.002), heavy_ball(0.002, 0)),
        (SGD(lr=0.001, momentum=0.9), heavy_ball(0.001, 0.9)),
        (Adam(lr=0.1), adam(0.1)),
    ],
    ids=["plain", "momentum", "Adam"],
)
def test_the_walks_in_the_valley_are_those_of_the_published_rules(optimizer, rule):
    *_, names = run("15")
    ours = names["walk"](names["valley"], (-1.2, 1.0), optimizer, 400)
    assert ours == pytest.approx(walk_by_numpy(rosenbrock_slope, (-1.2, 1.0), rule, 400), rel=1e-6, abs=1e-9)


def test_a_bowl_is_descended_at_the_published_rates():
    """Polyak 1964: (k - 1) / (k + 1), and with momentum (sqrt(k) - 1) / (sqrt(k) + 1)."""
    printed, *_ = run("15")
    conditions = [float(condition) for condition in re.findall(r"^κ = (\d+)$", printed, re.M)]
    plain = re.findall(r"^  plain +(\S+) a step \(published (\S+)\); .* after (\d+)$", printed, re.M)
    rolling = re.findall(r"^  momentum +(\S+) a step \(published (\S+)\); .* after (\d+)$", printed, re.M)
    assert conditions == [4, 25, 100] and len(plain) == len(rolling) == 3
    for k, (ours, published, left) in zip(conditions, plain):
        factor = (k - 1) / (k + 1)
        assert float(ours) == float(published) == pytest.approx(factor, abs=5e-5)
        assert int(left) == np.ceil(np.log(1e-3) / np.log(factor))
    for k, (ours, published, _) in zip(conditions, rolling):
        factor = (k**0.5 - 1) / (k**0.5 + 1)
        assert float(published) == pytest.approx(factor, abs=5e-5)
        assert float(ours) == pytest.approx(factor * (1 + 1 / 400), abs=2e-4)
    assert int(plain[2][2]) / int(rolling[2][2]) == pytest.approx(6, abs=0.5)


def test_no_other_rate_and_momentum_do_better_in_a_bowl():
    """In the long run the factor is the largest root of s^2 - (1 + m - rate c) s + m, c being a curvature."""
    *_, names = run("15")

    def factor(rate, momentum):
        roots = [np.roots([1, rate * c - 1 - momentum, momentum]) for c in (1, 100)]
        return max(abs(root) for pair in roots for root in pair)

    plain, rolling = names["best_plain"](100), names["best_momentum"](100)
    best_plain, best_rolling = factor(plain.lr, 0), factor(rolling.lr, rolling.momentum)
    assert best_plain == pytest.approx(99 / 101) and best_rolling == pytest.approx(9 / 11, abs=1e-6)
    for scale in (0.8, 0.95, 1.05, 1.2):
        assert factor(scale * plain.lr, 0) > best_plain
        assert factor(scale * rolling.lr, rolling.momentum) > best_rolling
        assert factor(rolling.lr, scale * rolling.momentum) > best_rolling


def test_adams_first_step_is_the_rate_whatever_the_gradient():
    printed, *_ = run("15")
    steps = re.findall(r"^gradient +(\S+): (\S+)   \((\S+)\)$", printed, re.M)
    assert len(steps) == 6
    for gradient, step, published in steps:
        expected = 0.001 * float(gradient) / (float(gradient) + 1e-8)
        assert float(step) == float(published) == pytest.approx(expected, abs=6e-8)


def test_adam_does_not_see_how_long_a_bowl_is():
    printed, *_ = run("15")
    counts = re.findall(r"^κ = .* Adam with rate 0.1 .* after (\S+) steps$", printed, re.M)
    assert len(counts) == 3 and len(set(counts)) == 1


def test_the_valley_is_rosenbrocks_and_momentum_is_its_best_guide():
    printed, *_ = run("15")
    assert "at the start E = 24.2, and the gradient is (-215.6, -88.0)" in printed
    rows = re.findall(r"^(\w+) +rate +(\S+) +(\S+) +(\S+) +(\S+)$", printed, re.M)
    assert len(rows) == 9
    nearer = {(name, rate): count for name, rate, _, count, _ in rows}
    left = {(name, rate): float(distance) for name, rate, *_, distance in rows}
    counts = {setting: int(count.replace(",", "")) for setting, count in nearer.items() if count != "---"}
    assert min(counts, key=counts.get) == ("momentum", "0.003")
    assert counts["plain", "0.002"] > 5 * counts["momentum", "0.001"]
    assert left["plain", "0.003"] > 0.1 and left["momentum", "0.003"] < 1e-12
    assert counts["Adam", "1.0"] < counts["Adam", "0.1"] and left["Adam", "1.0"] > left["Adam", "0.1"]


def test_momentum_overshoots_at_first():
    *_, names = run("15")
    points = names["walk"](names["bowl"](100), (1.0, 1.0), names["best_momentum"](100), 60)
    distances = np.hypot(*points.T)
    assert distances.max() > 2 * distances[0]
    assert all(after < before for before, after in pairwise(distances[20:]))


def test_the_pictures_are_drawn():
    _, pictures, _ = run("15")
    assert [picture.name for picture in pictures] == ["15-bowl.svg", "15-valley.svg"]
