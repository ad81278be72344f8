"""Second derivatives: microbp's transforms beside those of HIPS autograd, taken in turns in one process.

Both compute the same function of the same point: microbp on numbers in lists, autograd on NumPy's
arrays, as its users write it; for Rosenbrock's function also the text that microbp is given.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from itertools import pairwise
from random import Random
from time import perf_counter
from typing import Any

import numpy as np

import microbp

COMPETITORS = ["microbp", "autograd, vectorised", "autograd, the same text"]
TURN_SECONDS = 0.1  # how long a competitor runs when it is its turn

Call = Callable[[], Any]


def tasks() -> Iterator[tuple[str, dict[str, Call]]]:
    """By name what is computed, and for each competitor the call that does it."""
    point = [0.1 * k - 0.3 for k in range(10)]
    v = [(-1.0) ** k for k in range(10)]
    weights, direction = _drawn(33), _drawn(33)
    functions = [
        ("Rosenbrock, 10 variables", _rosenbrock, _rosenbrock_of_arrays, _rosenbrock, point, v),
        ("2-8-1 on XOR, 33 parameters", _network, _network_of_arrays, None, weights, direction),
    ]
    for name, ours, theirs, text, x, along in functions:
        for transform in ("gradient", "Hessian", "Hessian times vector"):
            calls = {COMPETITORS[0]: _by_microbp(transform, ours, x, along)}
            if importlib.util.find_spec("autograd"):
                calls[COMPETITORS[1]] = _by_autograd(transform, theirs, x, along)
                if text:
                    calls[COMPETITORS[2]] = _by_autograd(transform, text, x, along)
            yield f"{transform}, {name}", calls


def seconds(calls: dict[str, Call], rounds: int) -> dict[str, list[float]]:
    """The seconds of a call in each round, after all results have been found equal."""
    results = {name: np.asarray(call()) for name, call in calls.items()}
    for result in results.values():
        np.testing.assert_allclose(result, results[COMPETITORS[0]], rtol=1e-9, atol=1e-12)
    times = {name: max(1, round(TURN_SECONDS / _once(call))) for name, call in calls.items()}
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = perf_counter()
            for _ in range(times[name]):
                call()
            taken[name].append((perf_counter() - start) / times[name])
    return taken


def _once(call: Call) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def _drawn(n: int) -> list[float]:
    random = Random(1)
    return [random.gauss(0.0, 1.0) for _ in range(n)]


def _by_microbp(transform: str, f: Callable[..., Any], x: list[float], v: list[float]) -> Call:
    if transform == "Hessian times vector":
        return lambda: microbp.hvp(f, (x,), (v,))
    made = {"gradient": microbp.grad, "Hessian": microbp.hessian}[transform](f)
    return lambda: made(x)


def _by_autograd(transform: str, f: Callable[..., Any], x: list[float], v: list[float]) -> Call:
    import autograd

    point, vector = np.array(x), np.array(v)
    if transform == "Hessian times vector":
        product = autograd.hessian_vector_product(f)
        return lambda: product(point, vector)
    made = {"gradient": autograd.grad, "Hessian": autograd.hessian}[transform](f)
    return lambda: made(point)


# The functions.


def _rosenbrock(x: Any) -> Any:
    return sum(100.0 * (b - a**2) ** 2 + (1.0 - a) ** 2 for a, b in pairwise(x))


def _rosenbrock_of_arrays(x: Any) -> Any:
    import autograd.numpy as anp

    return anp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


_X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
_T = [0.0, 1.0, 1.0, 0.0]


def _network(p: Any) -> Any:
    """The mean squared error of 8 tanh units and a sigmoid unit."""
    losses = []
    for x, t in zip(_X, _T):
        hidden = [microbp.weighted_sum(p[3 * k : 3 * k + 2], x, p[3 * k + 2]).tanh() for k in range(8)]
        y = microbp.weighted_sum(p[24:32], hidden, p[32]).sigmoid()
        losses.append((y - t) ** 2)
    return microbp.sum(losses) / len(losses)


def _network_of_arrays(p: Any) -> Any:
    import autograd.numpy as anp

    X, T = np.array(_X), np.array(_T)
    units = p[:24].reshape(8, 3)
    hidden = anp.tanh(anp.dot(X, units[:, :2].T) + units[:, 2])
    y = 1.0 / (1.0 + anp.exp(-(anp.dot(hidden, p[24:32]) + p[32])))
    return anp.mean((y - T) ** 2)
