"""What is measured: the problems, with their data and first weights, and the targets."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from random import Random

# One unit: its weights, then its bias.  Weights lead from the layer before to the unit.
Unit = tuple[list[float], float]


@dataclass
class Problem:
    """A network, its samples, and what one step does; the same for every competitor.

    Targets are numbers for a single sigmoid output (squared error) and classes, counted from 0,
    for several linear ones (cross-entropy of their softmax).  The loss is the mean over samples.
    A step clears the gradients, goes forward and backward, and with an `lr` changes the weights.
    """

    name: str
    layers: list[list[Unit]]
    inputs: list[list[float]]
    targets: list[float]
    lr: float | None

    @property
    def sizes(self) -> list[int]:
        return [len(self.inputs[0]), *map(len, self.layers)]

    @property
    def classifies(self) -> bool:
        return self.sizes[-1] > 1

    @property
    def only_for_arrays(self) -> bool:
        """Whether a step would take those that compute number by number several seconds or minutes."""
        products = sum(before * size for before, size in pairwise(self.sizes))
        return len(self.inputs) * products > 1_000_000


WORKLOADS = {
    "W1": "the expression of micrograd's README, build + backward",
    "W2": "MLP(2, [16, 16, 1]) sigmoid, 1 sample, forward + backward",
    "W3": "the same on 100 two-moons samples, one SGD step",
    "W4": "MLP(2, [4, 1]) sigmoid on XOR, one SGD step",
    "W5": "MLP(64, [32, 10]), cross-entropy, 32 samples, one SGD step",
    "W6": "MLP(64, [128, 64, 10]), cross-entropy, 256 samples, one SGD step",
    "W7": "a chain of 1,000,000 operations, per operation",
    "import": "import in a fresh process",
    "pictures": "a graph as SVG, by the built-in engine and by dot",
    "derivatives": "gradients, Hessians and their products with vectors, beside HIPS autograd",
    "compile": "from the call of compile to the end of the first step, and memory for each sample",
    "growth": "the same for functions of more and more operations",
}

# What the first competitor's seconds divided by the second's are to be: at least, or at most.
TARGETS = [
    ("micrograd", "plain", ">=", {"W1": 3.0, "W2": 6.0, "W3": 15.0, "W4": 4.0, "W5": 15.0}),
    ("micrograd", "units", ">=", {"W2": 20.0, "W3": 60.0, "W5": 60.0}),
    ("micrograd", "compiled", ">=", {"W3": 10_000.0}),
    ("torch", "compiled", ">=", {"W3": 3.0, "W4": 3.0, "W5": 3.0}),
    ("compiled", "numpy", "<=", {"W3": 1.2, "W4": 1.0, "W5": 1.2, "W6": 1.1}),
]
FIRST_STEP_SECONDS = {"W3": 0.015, "W5": 0.060}  # from the call of compile to the end of the first step
CHAIN_SECONDS = 3e-6
CHAIN_BYTES = 320
IMPORT_SECONDS = 0.060


def problem(name: str) -> Problem | None:
    """The problem a workload trains on; None for W1, which is an expression."""
    random = Random(name)
    if name == "W1":
        return None
    if name == "W2":
        inputs, targets = two_moons(100)
        return Problem(name, network(random, [2, 16, 16, 1]), inputs[:1], targets[:1], lr=None)
    if name == "W3":
        return Problem(name, network(random, [2, 16, 16, 1]), *two_moons(100), lr=0.5)
    if name == "W4":
        xor = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
        return Problem(name, network(random, [2, 4, 1]), xor, [0.0, 1.0, 1.0, 0.0], lr=0.5)
    sizes, samples = ([64, 128, 64, 10], 256) if name == "W6" else ([64, 32, 10], 32)
    inputs = [[random.gauss(0.0, 1.0) for _ in range(64)] for _ in range(samples)]
    targets = [random.randrange(10) for _ in inputs]
    return Problem(name, network(random, sizes), inputs, targets, lr=0.1)


def network(random: Random, sizes: list[int]) -> list[list[Unit]]:
    return [
        [([random.uniform(-1.0, 1.0) for _ in range(before)], random.uniform(-0.1, 0.1)) for _ in range(size)]
        for before, size in pairwise(sizes)
    ]


def two_moons(samples: int) -> tuple[list[list[float]], list[float]]:
    import numpy as np

    random = np.random.default_rng(0)
    angle = random.uniform(0.0, np.pi, samples)
    moon = np.arange(samples) % 2
    x = np.where(moon, 1.0 - np.cos(angle), np.cos(angle))
    y = np.where(moon, 0.5 - np.sin(angle), np.sin(angle))
    points = np.stack([x, y], axis=1) + random.normal(0.0, 0.1, (samples, 2))
    return points.tolist(), moon.astype(float).tolist()
