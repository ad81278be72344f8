"""The data sets: points where the formulas of the curves say, Fisher's table, and the same for a seed."""

import math
import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from random import Random
from statistics import fmean, pstdev

import pytest

from microbp import datasets

PLANAR = [datasets.moons, datasets.circles, datasets.spirals]
SEEDED = [*PLANAR, datasets.sine]


def test_xor_is_one_or_the_other_but_not_both():
    X, Y = datasets.xor()
    assert X == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert [int(bool(a) != bool(b)) for a, b in X] == Y


@pytest.mark.parametrize("n", [1, 4, 7])
def test_parity_has_every_pattern_once_in_order(n):
    X, Y = datasets.parity(n)
    assert ["".join(str(int(bit)) for bit in x) for x in X] == [f"{i:0{n}b}" for i in range(2**n)]
    assert [i.bit_count() % 2 for i in range(2**n)] == Y
    assert all(type(bit) is float for x in X for bit in x) and all(type(y) is int for y in Y)


@pytest.mark.parametrize("make", PLANAR)
@pytest.mark.parametrize("samples", [2, 3, 10, 101])
def test_classes_are_balanced_and_the_first_has_one_more(make, samples):
    X, Y = make(samples, seed=1)
    assert len(X) == len(Y) == samples
    assert all(len(x) == 2 and all(type(number) is float for number in x) for x in X)
    assert Counter(Y) == {0: (samples + 1) // 2, 1: samples // 2}


def test_moons_are_on_their_half_circles():
    X, Y = datasets.moons(200, noise=0, seed=1)
    for (x1, x2), y in zip(X, Y):
        if y == 0:
            assert math.hypot(x1, x2) == pytest.approx(1) and x2 >= 0
        else:
            assert math.hypot(x1 - 1, x2 - 0.5) == pytest.approx(1) and x2 <= 0.5


def test_circles_are_circles_evenly_filled():
    X, Y = datasets.circles(16, noise=0, factor=0.3, seed=1)
    for k, radius in enumerate([1, 0.3]):
        points = [x for x, y in zip(X, Y) if y == k]
        assert [math.hypot(*x) for x in points] == pytest.approx([radius] * 8)
        angles = sorted(round(math.atan2(x2, x1) % math.tau / math.tau * 8, 9) % 8 for x1, x2 in points)
        assert angles == pytest.approx(range(8))


@pytest.mark.parametrize("classes, turns", [(1, 1), (2, 0.75), (3, 1.5), (5, 3)])
def test_spirals_are_archimedes_rotated_by_class(classes, turns):
    X, Y = datasets.spirals(20 * classes, noise=0, turns=turns, classes=classes, seed=1)
    assert Counter(Y) == dict.fromkeys(range(classes), 20)
    for (x1, x2), k in zip(X, Y):
        radius = math.hypot(x1, x2)
        assert 0 < radius < 1 + 1e-12
        angle = 2 * math.pi * (turns * radius + k / classes)
        assert [x1, x2] == pytest.approx([radius * math.cos(angle), radius * math.sin(angle)], abs=1e-12)


def test_sine_is_the_sine():
    X, Y = datasets.sine(101, noise=0, seed=1)
    assert [math.sin(x) for [x] in X] == Y
    assert min(X) == [-math.pi] and max(X) == [math.pi]
    steps = [b - a for [a], [b] in pairwise(sorted(X))]
    assert steps == pytest.approx([math.tau / 100] * 100)


def test_noise_is_normal_with_its_standard_deviation():
    """Bounds of 4 standard errors; 68.27 percent of normal numbers are within one deviation."""
    X, Y = datasets.sine(8000, noise=0.25, seed=3)
    errors = [y - math.sin(x) for [x], y in zip(X, Y)]
    assert abs(fmean(errors)) < 4 * 0.25 / math.sqrt(8000)
    assert abs(pstdev(errors) - 0.25) < 4 * 0.25 / math.sqrt(2 * 8000)
    within = sum(abs(error) < 0.25 for error in errors) / 8000
    assert abs(within - 0.6827) < 4 * math.sqrt(0.6827 * 0.3173 / 8000)


@pytest.mark.parametrize("make", PLANAR)
def test_noise_moves_both_coordinates_of_every_class(make):
    def centres(noise):
        X, Y = make(8000, noise=noise, seed=3)
        classes = [[x for x, y in zip(X, Y) if y == k] for k in (0, 1)]
        return [(fmean(axis), pstdev(axis) ** 2) for points in classes for axis in zip(*points)]

    for (mean, variance), (blurred_mean, blurred_variance) in zip(centres(0), centres(0.5)):
        assert blurred_mean == pytest.approx(mean, abs=4 * 0.5 / math.sqrt(4000))
        assert blurred_variance == pytest.approx(variance + 0.5**2, abs=0.06)


@pytest.mark.parametrize("make", SEEDED)
def test_a_seed_decides_everything(make):
    assert make(30, seed=5) == make(30, seed=5) == make(30, seed=Random(5))
    assert make(30, seed=5) != make(30, seed=6)
    assert make(30) != make(30)


def test_a_seed_means_the_same_in_every_process():
    code = "from microbp.datasets import *; print(moons(9, seed=1), spirals(9, seed=1), sine(9, seed=1))"
    printed = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert printed[0] == printed[1] != b""


@pytest.mark.parametrize("make", PLANAR)
def test_the_order_is_random(make):
    _, Y = make(200, seed=1)
    changes = sum(a != b for a, b in pairwise(Y))
    assert 70 < changes < 130  # of 199; 99.5 are expected, with a standard deviation of 7


def test_the_generator_of_the_program_is_left_alone():
    import random

    random.seed(1)
    expected = random.random()
    random.seed(1)
    datasets.moons(10, seed=2)
    datasets.split([1, 2], [1, 2], seed=2)
    assert random.random() == expected


def test_the_iris_table_has_the_published_means():
    """Fisher 1936, table II gives the means of the species."""
    X, Y = datasets.iris()
    assert len(X) == 150 and Y == [0] * 50 + [1] * 50 + [2] * 50
    published = {
        "setosa": [5.006, 3.428, 1.462, 0.246],
        "versicolor": [5.936, 2.770, 4.260, 1.326],
        "virginica": [6.588, 2.974, 5.552, 2.026],
    }
    assert list(published) == list(datasets.IRIS_SPECIES)
    for k, means in enumerate(published.values()):
        flowers = [x for x, y in zip(X, Y) if y == k]
        assert [fmean(column) for column in zip(*flowers)] == pytest.approx(means, abs=1e-9)


def test_the_two_flowers_in_which_the_repository_differs_are_fishers():
    X, _ = datasets.iris()
    assert X[34] == [4.9, 3.1, 1.5, 0.2]
    assert X[37] == [4.9, 3.6, 1.4, 0.1]


def test_the_iris_table_is_the_one_of_scikit_learn():
    published = pytest.importorskip("sklearn.datasets").load_iris()
    X, Y = datasets.iris()
    assert published.data.tolist() == X and published.target.tolist() == Y
    assert list(datasets.IRIS_SPECIES) == published.target_names.tolist()
    assert [f"{feature} (cm)" for feature in datasets.IRIS_FEATURES] == published.feature_names


def test_moons_and_circles_are_those_of_scikit_learn():
    published = pytest.importorskip("sklearn.datasets")
    for ours, (X, Y) in [
        (datasets.moons(40, noise=0, seed=1), published.make_moons(40)),
        (datasets.circles(40, noise=0, factor=0.3, seed=1), published.make_circles(40, factor=0.3)),
    ]:
        expected = sorted(zip(Y.tolist(), map(rounded, X.tolist())))
        assert sorted((y, rounded(x)) for x, y in zip(*ours)) == expected


def rounded(x):
    return [round(number, 9) + 0.0 for number in x]


def test_each_call_gives_lists_of_its_own():
    datasets.iris()[0][0][0] = 99.0
    datasets.xor()[1][0] = 99
    assert datasets.iris()[0][0][0] == 5.1 and datasets.xor()[1][0] == 0


@pytest.mark.parametrize(
    "n, share, held_out",
    [(8, 0.25, 2), (10, 0.25, 2), (150, 1 / 3, 50), (2, 0.01, 1), (2, 0.99, 1), (3, 0.9, 2)],
)
def test_split_parts_the_pairs(n, share, held_out):
    X, Y = [[float(i)] for i in range(n)], list(range(n))
    train_X, train_Y, test_X, test_Y = datasets.split(X, Y, share, seed=1)
    assert len(test_X) == len(test_Y) == held_out
    assert sorted(train_Y + test_Y) == Y
    assert all(x == [y] for x, y in zip(train_X + test_X, train_Y + test_Y))
    assert datasets.split(X, Y, share, seed=1) == (train_X, train_Y, test_X, test_Y)
    assert [[float(i)] for i in range(n)] == X, "what was given stays in order"


def test_split_takes_arrays():
    np = pytest.importorskip("numpy")
    parts = datasets.split(np.arange(8.0).reshape(4, 2), np.arange(4), seed=1)
    assert all((x == [2 * y, 2 * y + 1]).all() for x, y in zip(parts[0] + parts[2], parts[1] + parts[3]))


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: datasets.parity(0), ValueError, "the number of bits is a whole number, at least 1, not 0"),
        (lambda: datasets.parity(21), ValueError, r"at most 20, as there are 2\*\*n patterns, not 21"),
        (lambda: datasets.moons(1), ValueError, "samples is at least 2, one for each class, not 1"),
        (lambda: datasets.moons(2.5), ValueError, "samples is a whole number, at least 1, not 2.5"),
        (
            lambda: datasets.moons(noise=-1),
            ValueError,
            "moons: noise, .*, is finite and at least 0, not -1.0",
        ),
        (
            lambda: datasets.sine(noise=math.nan),
            ValueError,
            "a standard deviation, is finite and at least 0, not nan",
        ),
        (lambda: datasets.sine(noise="1"), TypeError, "noise: a real number is needed, not '1'"),
        (lambda: datasets.sine(0), ValueError, "samples is a whole number, at least 1, not 0"),
        (lambda: datasets.circles(factor=1), ValueError, "the inner radius, is between 0 and 1, not 1.0"),
        (lambda: datasets.spirals(4, classes=5), ValueError, "at least 5, one for each class, not 4"),
        (lambda: datasets.spirals(classes=0), ValueError, "spirals: the number of classes is a whole number"),
        (lambda: datasets.spirals(turns=0), ValueError, "spirals: turns is a finite number above 0, not 0.0"),
        (lambda: datasets.split([1, 2], [1]), ValueError, "split: X has 2 samples and Y 1 target;"),
        (
            lambda: datasets.split([1], [1]),
            ValueError,
            "at least 2 samples are needed to part them, and 1 came",
        ),
        (
            lambda: datasets.split([1, 2], [1, 2], 1),
            ValueError,
            "the part to hold out, is between 0 and 1, not 1.0",
        ),
    ],
)
def test_misuse_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
