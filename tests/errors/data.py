"""Data sets."""

import math

from microbp import datasets

TITLE = "Data sets"

ENTRIES = {
    "patterns of no bits": lambda: datasets.parity(0),
    "patterns of too many bits": lambda: datasets.parity(21),
    "one sample for two moons": lambda: datasets.moons(1),
    "half a sample": lambda: datasets.moons(2.5),
    "more samples than there is room for": lambda: datasets.moons(10**12),
    "negative noise": lambda: datasets.moons(noise=-1),
    "noise that is no number": lambda: datasets.sine(noise=math.nan),
    "noise as a text": lambda: datasets.sine(noise="some"),
    "a curve without samples": lambda: datasets.sine(0),
    "a text for a seed": lambda: datasets.circles(seed="one"),
    "an inner circle as large as the outer": lambda: datasets.circles(factor=1),
    "fewer samples than classes": lambda: datasets.spirals(4, classes=5),
    "spirals of no class": lambda: datasets.spirals(classes=0),
    "spirals without a turn": lambda: datasets.spirals(turns=0),
    "different lengths to split": lambda: datasets.split([1, 2], [1]),
    "one sample to split": lambda: datasets.split([1], [1]),
    "nothing to split": lambda: datasets.split(None, [1, 2]),
    "a set to split": lambda: datasets.split({1, 2}, [1, 2]),
    "a split that leaves nothing": lambda: datasets.split([1, 2], [1, 2], 1),
}
