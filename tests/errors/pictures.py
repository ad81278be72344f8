"""Pictures, pages and plots."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from matplotlib.figure import Figure

from microbp import MLP, History, Value, explore, graph, plot_decision
from microbp.show import picture
from microbp.show.layout import Block, Link, lay_out
from microbp.show.watch import watch

TITLE = "Pictures, pages and plots"

X = [[0, 0], [0, 1], [1, 0], [1, 1]]
Y = [0, 1, 1, 0]


def network() -> MLP:
    return MLP(2, [2, 1], seed=1)


def E() -> Value:
    return (network()([0.0, 1.0]) - 1.0) ** 2


def a_sum_of(n: int) -> Value:
    x = Value(1.0, "x")
    for _ in range(n):
        x = x * 0.5
    return x


def drawn(**options: object) -> None:
    plot_decision(
        **{"network": network(), "X": X, "Y": Y, "ax": Figure().subplots(), "resolution": 3, **options}
    )


@contextmanager
def dot(failing: Exception) -> Iterator[None]:
    """A machine on which the program dot fails so."""
    with patch.object(subprocess, "run", side_effect=failing):
        yield


def with_dot(failing: Exception, draw: Callable[[], object]) -> None:
    with dot(failing):
        draw()


def blocks_in_a_circle() -> None:
    a, b = Block(1.0, 1.0), Block(1.0, 1.0)
    lay_out([a, b], [Link(a, b, 0.5, 0.5), Link(b, a, 0.5, 0.5)], [], 1.0, 1.0)


def without_matplotlib() -> None:
    with patch.dict(sys.modules, {"matplotlib": None, "matplotlib.pyplot": None}):
        History([0.5]).plot()


MISSING = FileNotFoundError("dot")
REFUSED = subprocess.CalledProcessError(1, ["dot"], stderr=b"Error: <stdin>: syntax error in line 1")
SLOW = subprocess.TimeoutExpired(["dot"], picture.MOST_SECONDS)

ENTRIES = {
    "a picture of a number": lambda: graph(0.25),
    "a picture of a network": lambda: graph(network()),
    "a picture of nothing": lambda: graph([]),
    "a picture in an unknown view": lambda: graph(E(), "layers"),
    "a picture by an unknown engine": lambda: graph(E(), engine="neato"),
    "a picture of units where there are none": lambda: graph(Value(1.0, "x") * 2, "units"),
    "a picture of units around a node": lambda: graph(E(), "units", depth=1),
    "a picture of half a step": lambda: graph(E(), depth=0.5),
    "a picture around a name": lambda: graph(E(), around="w1[1,1]"),
    "a picture around a node that is not there": lambda: graph(E(), around=Value(1.0, "other")),
    "a picture of a large graph": lambda: graph(a_sum_of(1000)),
    "a picture of a very large graph": lambda: graph(a_sum_of(20_000)),
    "a picture of a large neighbourhood": lambda: graph(a_sum_of(1500), depth=1200),
    "a picture of too many units": lambda: graph(MLP(1, [1001, 1], seed=1)([0.5]), "units"),
    "a picture of too many weights": lambda: graph(MLP(63, [63, 1], seed=1)([0.5] * 63), "units"),
    "a picture saved as another kind": lambda: graph(E()).save("picture.gif"),
    "a picture saved without a name": lambda: graph(E()).save(None),
    "a picture saved in a folder that there is not": lambda: graph(E()).save("nowhere/picture.svg"),
    "a picture saved as PNG by the built-in engine": lambda: graph(E(), engine="builtin").save("p.png"),
    "a picture saved as PNG without Graphviz": lambda: with_dot(MISSING, lambda: graph(E()).save("p.png")),
    "a picture by dot without Graphviz": lambda: with_dot(
        MISSING, lambda: graph(E(), engine="dot").save("p.svg")
    ),
    "a picture that dot refuses": lambda: with_dot(REFUSED, lambda: graph(E(), engine="dot").save("p.svg")),
    "a picture that dot does not finish": lambda: with_dot(
        SLOW, lambda: graph(E(), engine="dot").save("p.svg")
    ),
    "blocks that lead to one another": blocks_in_a_circle,
    "a page of a number": lambda: explore(0.25),
    "a page of a large graph": lambda: explore(a_sum_of(2000)),
    "a page of a training that was not recorded": lambda: explore(History([0.5, 0.25])),
    "a page to watch of a list of losses": lambda: watch([0.5, 0.25]),
    "a page saved as another kind": lambda: explore(E()).save("page.pdf"),
    "a plot of no epochs": lambda: History().plot(),
    "a logarithmic plot of a loss of 0": lambda: History([0.5, 0.0]).plot(Figure().subplots(), log=True),
    "a plot on a figure": lambda: History([0.5]).plot(Figure()),
    "a plot without matplotlib": without_matplotlib,
    "a decision of nothing": lambda: drawn(network=None),
    "a decision for three inputs": lambda: drawn(X=[[0, 0, 0]] * 4),
    "a decision for a text": lambda: drawn(X=[["a", "b"]] * 4),
    "a decision for fewer targets than samples": lambda: drawn(Y=[0]),
    "a decision for no samples": lambda: drawn(X=[], Y=[]),
    "a decision for two numbers and one output": lambda: drawn(Y=[[0, 1]] * 4),
    "a decision for a class that there is not": lambda: drawn(network=MLP(2, [3], seed=1), Y=[0, 1, 2, 3]),
    "a decision of a network that returns a text": lambda: drawn(network=lambda x: "yes"),
    "a decision at a single point": lambda: drawn(resolution=1),
    "a decision with negative padding": lambda: drawn(padding=-0.1),
    "a decision with a threshold that is no number": lambda: drawn(threshold=float("nan")),
    "a decision with a text for a threshold": lambda: drawn(threshold="0.5"),
    "a decision with a number for the names": lambda: drawn(names=2),
    "a decision drawn on a text": lambda: drawn(ax="axes"),
}
