"""Small data sets to learn from: patterns, curves in the plane, and Fisher's iris.

Each comes as (X, Y): the samples, lists of floats, and their targets, the numbers of their classes
counted from 0 (or floats, for `sine`).  The same seed gives the same data.

    >>> from microbp import datasets
    >>> X, Y = datasets.moons(100, seed=1)
    >>> len(X), len(X[0]), Y.count(0), Y.count(1)
    (100, 2, 50, 50)
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from itertools import product
from random import Random
from typing import TypeVar

from microbp.arguments import check_count, counted, shown
from microbp.nn import as_random, as_samples
from microbp.value import Number, as_float

Classified = tuple[list[list[float]], list[int]]
Seed = int | Random | None
Sample = TypeVar("Sample")
Target = TypeVar("Target")

IRIS_FEATURES = ("sepal length", "sepal width", "petal length", "petal width")
IRIS_SPECIES = ("setosa", "versicolor", "virginica")

_LONGEST_PATTERN = 20  # a million patterns
_MOST_SAMPLES = 10_000_000


def xor() -> Classified:
    """The four patterns of two bits and whether one or the other, but not both, is 1.

    >>> xor()
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    return parity(2)


def parity(n: int) -> Classified:
    """All 2**n patterns of n bits, counting up, and whether the number of ones is odd.

    >>> X, Y = parity(3)
    >>> X[5], X[7], Y
    ([1.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0, 1, 1, 0, 1, 0, 0, 1])

    Raises ValueError unless n is a whole number from 1 to 20.
    """
    check_count(n, "parity: the number of bits")
    if n > _LONGEST_PATTERN:
        raise ValueError(
            f"parity: the number of bits is at most {_LONGEST_PATTERN}, as there are 2**n patterns, "
            f"not {shown(n)}"
        )
    X = [list(bits) for bits in product((0.0, 1.0), repeat=n)]
    return X, [int(math.fsum(bits)) % 2 for bits in X]


def moons(samples: int = 100, noise: Number = 0.1, seed: Seed = None) -> Classified:
    """Two half circles of radius 1 that reach into one another.

    Class 0 is the upper half of the circle around (0, 0), class 1 the lower half of the circle
    around (1, 0.5).  In this and the other planar sets the samples stand evenly along the curves, as
    many on each (the first classes have one more if it does not come out even), both coordinates
    are moved by normal noise of standard deviation `noise`, and the order is random.

    >>> X, Y = moons(3, noise=0, seed=1)
    >>> sorted(zip(Y, X))
    [(0, [-1.0, ...]), (0, [1.0, 0.0]), (1, [0.0, 0.5])]

    Raises ValueError unless there is a sample for each class and noise >= 0.
    """
    return _along(
        [
            lambda t: (math.cos(math.pi * t), math.sin(math.pi * t)),
            lambda t: (1.0 - math.cos(math.pi * t), 0.5 - math.sin(math.pi * t)),
        ],
        _ends_included,
        samples,
        noise,
        seed,
        "moons",
    )


def circles(samples: int = 100, noise: Number = 0.1, factor: Number = 0.5, seed: Seed = None) -> Classified:
    """Class 0 on the circle of radius 1 around (0, 0), class 1 on the circle of radius `factor`.

    `samples`, `noise` and the order are as in `moons`.

    >>> X, Y = circles(8, noise=0, factor=0.25, seed=1)
    >>> sorted({(y, round(math.hypot(*x), 9)) for x, y in zip(X, Y)})
    [(0, 1.0), (1, 0.25)]

    Raises ValueError unless there is a sample for each class, noise >= 0 and 0 < factor < 1.
    """
    inner = as_float(factor, "circles: factor")
    if not 0.0 < inner < 1.0:
        raise ValueError(f"circles: factor, the inner radius, is between 0 and 1, not {inner}")
    return _along([_arm(1.0, 1.0), _arm(inner, inner)], _end_left_out, samples, noise, seed, "circles")


def spirals(
    samples: int = 100, noise: Number = 0.02, turns: Number = 1.0, classes: int = 2, seed: Seed = None
) -> Classified:
    """One arm for each class, winding out from near (0, 0) to radius 1 in `turns` full turns.

    The arms are one another, rotated; neighbours are 1 / (turns * classes) apart.  `samples`,
    `noise` and the order are as in `moons`.

    >>> X, Y = spirals(4, noise=0, turns=2, seed=1)
    >>> sorted((y, [round(c, 9) + 0.0 for c in x]) for x, y in zip(X, Y))
    [(0, [0.5, 0.0]), (0, [1.0, 0.0]), (1, [-1.0, 0.0]), (1, [-0.5, 0.0])]

    Raises ValueError unless there is a sample for each class, noise >= 0 and turns > 0.
    """
    check_count(classes, "spirals: the number of classes", most=_MOST_SAMPLES)
    turns = as_float(turns, "spirals: turns")
    if not 0.0 < turns < math.inf:
        raise ValueError(f"spirals: turns is a finite number above 0, not {turns}")
    arms = [_arm(0.0, 1.0, turns, k / classes) for k in range(classes)]
    return _along(arms, _start_left_out, samples, noise, seed, "spirals")


def sine(samples: int = 100, noise: Number = 0.1, seed: Seed = None) -> tuple[list[list[float]], list[float]]:
    """A curve to fit: the targets are sin(x) plus normal noise of standard deviation `noise`.

    The x, in radians, stand evenly from -pi to pi, in random order.

    >>> X, Y = sine(5, noise=0, seed=1)
    >>> sorted((round(x, 4), round(y, 4) + 0.0) for [x], y in zip(X, Y))
    [(-3.1416, 0.0), (-1.5708, -1.0), (0.0, 0.0), (1.5708, 1.0), (3.1416, 0.0)]

    Raises ValueError unless samples is a whole number, at least 1, and noise >= 0.
    """
    check_count(samples, "sine: the number of samples", most=_MOST_SAMPLES)
    deviation = _deviation(noise, "sine")
    random = as_random(seed)
    xs = [math.pi * (2.0 * t - 1.0) for t in _ends_included(samples)]
    random.shuffle(xs)
    return [[x] for x in xs], [math.sin(x) + random.gauss(0.0, deviation) for x in xs]


def iris() -> Classified:
    """Fisher's irises: 150 flowers, 50 of each of three species, in his order.

    A sample is what `IRIS_FEATURES` names, in centimetres; a target the place of the species in
    `IRIS_SPECIES`.

    Source: R. A. Fisher, "The use of multiple measurements in taxonomic problems", Annals of
    Eugenics 7 (1936), 179-188; UCI Machine Learning Repository, doi 10.24432/C56C76, licence
    CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/).  Changed: flowers 35 and 38, which
    differ from Fisher's table there, are as in the table, 4.9, 3.1, 1.5, 0.2 and 4.9, 3.6, 1.4, 0.1.

    >>> X, Y = iris()
    >>> X[0], IRIS_SPECIES[Y[0]]
    ([5.1, 3.5, 1.4, 0.2], 'setosa')
    """
    text = (resources.files("microbp") / "data" / "iris.csv").read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines()))[1:]
    return [[float(number) for number in row[:4]] for row in rows], [
        IRIS_SPECIES.index(row[4]) for row in rows
    ]


def split(
    X: Iterable[Sample], Y: Iterable[Target], share: Number = 0.25, seed: Seed = None
) -> tuple[list[Sample], list[Target], list[Sample], list[Target]]:
    """The pairs of X and Y in random order, parted: (train_X, train_Y, test_X, test_Y).

    `share` is the part that is held out, rounded to whole samples; each side has at least one.

    >>> train_X, train_Y, test_X, test_Y = split(range(8), "abcdefgh", seed=1)
    >>> len(train_X), len(test_X), sorted(zip(train_X + test_X, train_Y + test_Y))[:2]
    (6, 2, [(0, 'a'), (1, 'b')])

    Raises ValueError for lengths that differ, fewer than two samples, or unless 0 < share < 1.
    """
    xs, ys = (
        list(each) if isinstance(each, str) else as_samples(each, f"split: {name}")
        for each, name in ((X, "X"), (Y, "Y"))
    )
    if len(xs) != len(ys):
        raise ValueError(
            f"split: X has {counted(len(xs), 'sample')} and Y {counted(len(ys), 'target')}; "
            "each sample needs one target"
        )
    if len(xs) < 2:
        raise ValueError(f"split: at least 2 samples are needed to part them, and {len(xs)} came")
    part = as_float(share, "split: share")
    if not 0.0 < part < 1.0:
        raise ValueError(f"split: share, the part to hold out, is between 0 and 1, not {part}")
    pairs = list(zip(xs, ys))
    as_random(seed).shuffle(pairs)
    held_out = min(max(round(part * len(pairs)), 1), len(pairs) - 1)
    train, test = pairs[held_out:], pairs[:held_out]
    return [x for x, _ in train], [y for _, y in train], [x for x, _ in test], [y for _, y in test]


Curve = Callable[[float], tuple[float, float]]


def _along(
    curves: Sequence[Curve],
    places: Callable[[int], list[float]],
    samples: int,
    noise: Number,
    seed: Seed,
    where: str,
) -> Classified:
    """Samples at `places` (from 0 to 1) along one curve for each class, moved by noise, in random order."""
    check_count(samples, f"{where}: the number of samples", most=_MOST_SAMPLES)
    if samples < len(curves):
        raise ValueError(
            f"{where}: the number of samples is at least {len(curves)}, one for each class, not {samples}"
        )
    deviation = _deviation(noise, where)
    random = as_random(seed)
    points = [
        ([coordinate + random.gauss(0.0, deviation) for coordinate in curve(t)], k)
        for k, curve in enumerate(curves)
        for t in places(len(range(k, samples, len(curves))))
    ]
    random.shuffle(points)
    return [x for x, _ in points], [k for _, k in points]


def _arm(first: float, last: float, turns: float = 1.0, start: float = 0.0) -> Curve:
    """Around (0, 0) in `turns` turns from the turn `start` on, the radius going from `first` to `last`."""

    def point(t: float) -> tuple[float, float]:
        radius, angle = first + (last - first) * t, math.tau * (start + turns * t)
        return radius * math.cos(angle), radius * math.sin(angle)

    return point


def _ends_included(n: int) -> list[float]:
    return [i / (n - 1) for i in range(n)] if n > 1 else [0.0]


def _end_left_out(n: int) -> list[float]:
    return [i / n for i in range(n)]


def _start_left_out(n: int) -> list[float]:
    return [(i + 1) / n for i in range(n)]


def _deviation(noise: Number, where: str) -> float:
    deviation = as_float(noise, f"{where}: noise")
    if not 0.0 <= deviation < math.inf:
        raise ValueError(f"{where}: noise, a standard deviation, is finite and at least 0, not {deviation}")
    return deviation
