"""One process for each competitor, so that none pays for another's garbage or threads.

The processes sleep but for the one that is asked to run; the parent asks them in turn.
"""

from __future__ import annotations

import gc
import multiprocessing
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any

from . import compiling
from .peers import PEERS, Contender
from .workloads import Problem

QUICK_SECONDS = 0.01  # a step that takes no longer is taken
FURTHER_STEPS = 100  # times more before anything is timed, for more losses to compare


class Competitor:
    """The parent's end of a competitor's process."""

    def __init__(self, name: str, bare: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(name, bare, other), daemon=True)
        self.process.start()
        other.close()

    def ask(self, question: str, *arguments: Any) -> Any:
        self.connection.send((question, arguments))
        answer = self.connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.connection.close()
        self.process.join()


class _Desk:
    """What a competitor's process answers; the method's name is the question."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.contender: Contender

    def version(self) -> str | None:
        """The library's version; None if it is not installed."""
        from importlib.metadata import PackageNotFoundError, version

        library = dict.fromkeys(["text", "plain", "units", "compiled"], "microbp")
        library["by sample"] = "micrograd"
        try:
            return version(library.get(self.name, self.name))
        except PackageNotFoundError:
            return "" if library.get(self.name) == "microbp" else None  # a checkout that is not installed

    def prepare(self, problem: Problem | None) -> tuple[list[float], list[float], float] | None:
        """The loss before each of the first steps, the gradients of the first, and the seconds of a step."""
        contender = PEERS[self.name](problem)
        if contender is None:
            return None
        self.contender = contender
        losses = [contender.step()]
        gradients = contender.gradients()
        start = perf_counter()
        losses.append(contender.step())
        seconds = perf_counter() - start
        if seconds < QUICK_SECONDS:
            steps = contender.steps or (lambda times: [contender.step() for _ in range(times)])
            start = perf_counter()
            losses += steps(FURTHER_STEPS)
            seconds = (perf_counter() - start) / FURTHER_STEPS
        return losses, gradients, seconds

    def seconds(self, times: int) -> float:
        """The mean seconds of a step over `times` of them.

        Whatever garbage a step leaves is collected when Python sees fit, on its own account.
        """
        step, _, steps = self.contender
        start = perf_counter()
        if steps:
            steps(times)
        else:
            for _ in range(times):
                step()
        return (perf_counter() - start) / times

    def first_step(self, problem: Problem, text: str) -> float:
        return compiling.first_step(problem, text)

    def memory(self, problem: Problem, samples: int) -> tuple[int, int, int | None]:
        return compiling.memory(problem, samples)

    def growth(self, kind: str, operations: int) -> tuple[int, float]:
        return compiling.growth(kind, operations)

    def chain(self, operations: int) -> tuple[float, float, float, float] | str:
        """Seconds forward and backward, the result and its derivative; or the error's name."""
        Value = _value(self.name)
        gc.collect()
        start = perf_counter()
        x = Value(1.0)
        y = _chain(x, operations)
        middle = perf_counter()
        try:
            y.backward()
        except RecursionError as error:
            return type(error).__name__
        return middle - start, perf_counter() - middle, y.data, x.grad

    def chain_memory(self, operations: int) -> tuple[int, int]:
        """Bytes that memory grows to in a chain's forward and backward pass, and objects left after it."""
        Value = _value(self.name)
        gc.collect()
        gc.disable()
        tracemalloc.start()
        x = Value(1.0)
        before, objects = tracemalloc.get_traced_memory()[0], len(gc.get_objects())
        y = _chain(x, operations)
        y.backward()
        peak = tracemalloc.get_traced_memory()[1] - before
        del y
        left = len(gc.get_objects()) - objects
        tracemalloc.stop()
        gc.enable()
        return peak, left


def _value(name: str) -> Callable[[float], Any]:
    if name == "micrograd":
        from micrograd.engine import Value
    else:
        from microbp import Value
    return Value


def _chain(x: Any, operations: int) -> Any:
    for _ in range(operations // 2):
        x = x * 0.999999
        x = x + 0.000001
    return x


def _serve(name: str, bare: bool, connection: Connection) -> None:
    if not bare:
        for library in ("numpy", "torch"):
            with suppress(ImportError):
                import_module(library)
    assert sys.getrecursionlimit() == 1000, "the chain is to be walked with Python's default recursion limit"
    desk = _Desk(name)
    while True:
        try:
            question, arguments = connection.recv()
        except EOFError:
            return
        try:
            connection.send(getattr(desk, question)(*arguments))
        except Exception as error:
            connection.send(error)
