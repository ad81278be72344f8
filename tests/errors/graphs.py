"""Looking at a graph: its leaves and units, its steps and paths, explanations, a diagnosis."""

import numpy as np

from microbp import (
    MLP,
    Value,
    consumers,
    deltas,
    diagnose,
    explain,
    leaves,
    paths,
    steps,
    tree,
    units,
)

TITLE = "Looking at a graph"


def w() -> Value:
    return Value(0.5, "w")


def E() -> Value:
    return (w() * 2 - 1) ** 2


def a_chain(length: int) -> Value:
    x = w()
    for _ in range(length):
        x = x + 1
    return x


ENTRIES = {
    "the leaves of a number": lambda: leaves(0.25),
    "the leaves of a list": lambda: leaves([E(), E()]),
    "the consumers in nothing": lambda: consumers(None),
    "the units of a network": lambda: units(MLP(2, [1], seed=1)),
    "the tree of a number": lambda: tree(0.25),
    "the tree of a list": lambda: tree([E()]),
    "the tree of a large graph": lambda: tree(a_chain(1000)),
    "the steps of an array": lambda: steps(np.ones(2)),
    "the paths from a number": lambda: paths(0.25, w()),
    "the paths to a name": lambda: paths(E(), "w"),
    "a negative number of paths": lambda: paths(E(), w(), -1),
    "half a path": lambda: paths(E(), w(), 0.5),
    "an explanation of a name": lambda: explain("w", of=E()),
    "an explanation of a number's derivative": lambda: explain(w(), of=0.25),
    "the deltas of a number": lambda: deltas(0.25),
    "the deltas of a graph without units": lambda: deltas(E()),
    "the deltas of a network that had no pass": lambda: deltas(MLP(2, [1], seed=1)),
    "a diagnosis of a number": lambda: diagnose(0.25),
    "a diagnosis of a network": lambda: diagnose(MLP(2, [1], seed=1)),
    "a diagnosis of no losses": lambda: diagnose([]),
    "a diagnosis of numbers": lambda: diagnose([0.25, 0.5]),
    "a diagnosis with a number for parameters": lambda: diagnose(E(), 0.5),
    "a diagnosis with names for parameters": lambda: diagnose(E(), ["w"]),
}
