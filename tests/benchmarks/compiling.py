"""What microbp.compile costs: seconds until the first step is done, bytes for each sample, growth.

The numbers are taken in a process that has imported the library; each is of a function and a
program made for this once.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from math import isqrt
from mmap import PAGESIZE
from pathlib import Path
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .peers import plain_loss, units_network
from .workloads import Problem

if TYPE_CHECKING:
    from microbp import Value

SAMPLES = 32  # in a batch, where growth with the operations is measured

Loss = Callable[[Any, Any], "Value"]


def first_step(problem: Problem, text: str) -> float:
    """The seconds from the call of compile to the end of the first step, for "plain" text or for "units"."""
    import numpy as np

    X, T = np.array(problem.inputs), np.array(problem.targets)
    return _first_step(_loss(problem, text), X, T, problem.lr)[1]


def memory(problem: Problem, samples: int) -> tuple[int, int, int | None]:
    """Bytes for each sample as the program says, about so many samples, and the process's growth by a step.

    The growth is None where the system does not tell a process its size as Linux does.
    """
    import numpy as np

    times = samples // len(problem.inputs)
    X, T = (np.concatenate([np.array(rows)] * times) for rows in (problem.inputs, problem.targets))
    _first_step(_loss(problem, "plain"), X[:1], T[:1], problem.lr)
    loss = _loss(problem, "plain")
    gc.collect()
    before = _resident_bytes()
    program, _ = _first_step(loss, X, T, problem.lr)
    after = _resident_bytes()
    return program.bytes_per_sample, len(X), None if before is None or after is None else after - before


def _resident_bytes() -> int | None:
    try:
        _, pages, *_ = Path("/proc/self/statm").read_text().split()
    except OSError:
        return None
    return int(pages) * PAGESIZE


def growth(kind: str, operations: int) -> tuple[int, float]:
    """How many operations the program has recorded of a function of about so many, and the seconds."""
    import numpy as np

    small, inputs = KINDS[kind](100)
    _first_step(small, np.ones((1, inputs)), np.ones(1), 0.01)  # whatever is imported only then
    loss, inputs = KINDS[kind](operations)
    random = np.random.default_rng(0)
    X, T = random.normal(size=(SAMPLES, inputs)), random.uniform(size=SAMPLES)
    program, seconds = _first_step(loss, X, T, 0.01)
    return program._made.plan.recorded_operations, seconds


def _first_step(loss: Loss, X: Any, T: Any, lr: float | None) -> tuple[Any, float]:
    import microbp

    optimizer = microbp.SGD(lr or 0.1)
    start = perf_counter()
    program = microbp.compile(loss)
    program.train(X, T, optimizer, 1)
    return program, perf_counter() - start


def _loss(problem: Problem, text: str) -> Loss:
    import microbp

    if text == "plain":
        return plain_loss(problem, microbp.pick)[0]
    network = units_network(problem)
    error = microbp.cross_entropy if problem.classifies else microbp.squared_error
    return lambda x, t: error(network(x), t)


def _network(operations: int) -> tuple[Loss, int]:
    """n inputs, n hidden units and an output, in single products and sums; n for so many operations."""
    n = isqrt(operations) - 2
    random = Random(1)
    layers = [[([random.gauss(0.0, n**-0.5) for _ in range(n)], 0.1) for _ in range(size)] for size in (n, 1)]
    return plain_loss(Problem("", layers, [[0.0] * n], [0.0], 0.01))[0], n


def _chain(operations: int) -> tuple[Loss, int]:
    """Products, sums and tanh one after another, with two parameters."""
    from microbp import Value

    a, b = Value(0.9, "a"), Value(0.1, "b")

    def loss(x: Any, t: Any) -> Any:
        [z] = x
        for _ in range(operations // 3):
            z = (z * a + b).tanh()
        return (z - t) ** 2

    return loss, 1


KINDS: dict[str, Callable[[int], tuple[Loss, int]]] = {"network": _network, "chain": _chain}
