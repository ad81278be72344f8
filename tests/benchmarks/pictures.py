"""The seconds of a picture as SVG: by the built-in engine, and by Graphviz where it is installed."""

from __future__ import annotations

import shutil
from random import Random
from statistics import median
from time import perf_counter

import microbp
from microbp import MLP, Value, graph, squared_error
from microbp.traversal import topological

PICTURE_SECONDS = 1.5  # at most, by the built-in engine, for any of these
PATIENCE_SECONDS = 5.0  # no further round begins when those that were done took longer


def pictures() -> dict[str, Value]:
    """By name: a small network, and the three shapes that a graph of about 1,000 nodes may have."""
    return {
        "2-2-1": _network(2, 2, 1),
        "8-12-12-12-1": _network(8, 12, 12, 12, 1),
        "tangle": _tangle(1000),
        "chain": _chain(1000),
    }


def seconds(output: Value, engine: str, rounds: int) -> list[float] | str:
    """The seconds from a recorded graph to its SVG, in each round; or why there is none."""
    if engine == "dot" and not shutil.which("dot"):
        return "not installed"
    output.backward()
    taken: list[float] = []
    for _ in range(rounds):
        if sum(taken) > PATIENCE_SECONDS:
            break
        start = perf_counter()
        try:
            drawing = graph(output, "values", engine=engine).svg
        except RuntimeError as error:
            return str(error).partition(";")[0]
        taken.append(perf_counter() - start)
        assert drawing.rstrip().endswith("</svg>")
    return taken


def size(output: Value) -> int:
    return len(topological(output))


def within(timings: dict[str, list[float] | str]) -> bool:
    return all(not isinstance(taken, str) and median(taken) < PICTURE_SECONDS for taken in timings.values())


def _network(*sizes: int) -> Value:
    network = MLP(sizes[0], sizes[1:], seed=1)
    return squared_error(network([0.1] * sizes[0]), 1.0)


def _tangle(nodes: int) -> Value:
    """Operations on any two of the last 60 nodes."""
    random = Random(1)
    values = [Value(random.uniform(-1.0, 1.0), f"v{i}") for i in range(20)]
    while len(values) < nodes - 1:
        a, b = random.choice(values[-60:]), random.choice(values[-60:])
        values.append(random.choice([a + b, a * b, a - b, a.tanh()]))
    used = {input for value in values for input in value.inputs}
    return microbp.sum([value for value in values if value not in used])


def _chain(nodes: int) -> Value:
    """A weight that is used over and over."""
    w, h = Value(0.9, "w"), Value(0.1, "x")
    for _ in range(nodes // 2 - 1):
        h = (w * h).tanh()
    return h
