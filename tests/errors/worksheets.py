"""Worksheets, and answers to be marked."""

import math

from microbp import MLP, Unit, cross_entropy, worksheet
from microbp.worksheets.paper import Exercise

TITLE = "Worksheets"


def network() -> MLP:
    return MLP(2, [2, 1], seed=1)


def sheet() -> Exercise:
    return worksheet(network(), [1, 0], 1.0)


def filled_in(answer: str) -> str:
    return sheet().markdown.replace("________", answer, 1)


ENTRIES = {
    "a sheet of a text": lambda: worksheet("network", [1, 0], 1.0),
    "a sheet of a network that is too large": lambda: worksheet(MLP(2, [50, 1], seed=1), [1, 0], 1.0),
    "a sheet for too few inputs": lambda: worksheet(network(), [1], 1.0),
    "a sheet for a text as a target": lambda: worksheet(network(), [1, 0], "one"),
    "a sheet for a text among the targets": lambda: worksheet(MLP(2, [2], seed=1), [1, 0], [1.0, "0"]),
    "a sheet for too many targets": lambda: worksheet(network(), [1, 0], [1.0, 0.0]),
    "a sheet for a class that there is not": lambda: worksheet(
        MLP(2, [2], "linear", seed=1), [1, 0], 2, cross_entropy
    ),
    "a sheet with a loss by its name": lambda: worksheet(network(), [1, 0], 1.0, "mse"),
    "a sheet with a loss that is a number": lambda: worksheet(network(), [1, 0], 1.0, lambda y, t: 1.0),
    "a sheet for an infinite input": lambda: worksheet(Unit(1, "linear", seed=2), [math.inf], 1.0),
    "a sheet with a negative seed": lambda: worksheet(network(), [1, 0], 1.0, seed=-1),
    "a sheet with a text for the learning rate": lambda: worksheet(network(), [1, 0], 1.0, lr="0.5"),
    "a sheet with no digits": lambda: worksheet(network(), [1, 0], 1.0, digits=0),
    "a sheet with more digits than a float has": lambda: worksheet(network(), [1, 0], 1.0, digits=30),
    "a sheet with a text for blanks": lambda: worksheet(network(), [1, 0], 1.0, blanks="no"),
    "a sheet saved as another kind": lambda: sheet().save("sheet.pdf"),
    "a sheet saved without a name": lambda: sheet().save(None),
    "a sheet saved in a folder that there is not": lambda: sheet().save("nowhere/sheet.md"),
    "an answer to a step that there is not": lambda: sheet().check({"u1[3]": 0.5}),
    "an answer to a step of no such name": lambda: sheet().check({"loss": 0.5}),
    "an answer that is a text": lambda: sheet().check({"u1[1]": "half"}),
    "an answer that is infinite": lambda: sheet().check([math.inf]),
    "too many answers": lambda: sheet().check([0.0] * 50),
    "a set of answers": lambda: sheet().check({0.5, 0.25}),
    "a number for the answers": lambda: sheet().check(0.5),
    "another text for the sheet": lambda: sheet().check("I could not do it"),
    "a filled-in answer that is no number": lambda: sheet().check(filled_in("0,5")),
}
