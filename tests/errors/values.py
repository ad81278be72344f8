"""Values: making them, computing with them, going backward."""

import copy
import math
import pickle
from decimal import Decimal

import numpy as np

import microbp
from microbp import MLP, Value, pick, weighted_sum, zero_grad

TITLE = "Values and their operations"


class Thing:
    """Something of one's own."""


def a() -> Value:
    return Value(-0.3, "a")


def b() -> Value:
    return Value(0.0, "b")


def a_graph_in_which_a_leaf_became_zero() -> None:
    x = Value(2.0, "x")
    y = (1 / x).log()
    x.data = 0.0
    y.recompute()


ENTRIES = {
    "a Value of a text": lambda: Value("3"),
    "a Value of nothing": lambda: Value(None),
    "a Value of a list": lambda: Value([1.0, 2.0]),
    "a Value of a dict": lambda: Value({"x": 1.0}),
    "a Value of an array": lambda: Value(np.ones((2, 3))),
    "a Value of a Value": lambda: Value(Value(2.0, "x")),
    "a Value of a complex number": lambda: Value(1 + 2j),
    "a Value of a Decimal": lambda: Value(Decimal("1.5")),
    "a Value of a function": lambda: Value(math.exp),
    "a Value of an unnamed function": lambda: Value(lambda: 1.0),
    "a Value of a class": lambda: Value(float),
    "a Value of an object of one's own": lambda: Value(Thing()),
    "a Value of a module": lambda: Value(math),
    "a Value of a generator": lambda: Value(x for x in [1.0]),
    "a Value of an int that no float can hold": lambda: Value(10**400),
    "a number as a label": lambda: Value(1.0, 2.0),
    "a Value and a text": lambda: a() + "3",
    "a text and a Value": lambda: "3" * a(),
    "a Value and nothing": lambda: a() - None,
    "a Value and an array": lambda: a() * np.ones(3),
    "an array and a Value": lambda: np.ones(3) / a(),
    "a Value and an int that no float can hold": lambda: a() + 10**400,
    "a Value to the power of a list": lambda: a() ** [2],
    "a division by a Value that is 0": lambda: a() / b(),
    "a division by plain 0": lambda: a() / 0,
    "a plain number by a Value that is 0": lambda: 1 / b(),
    "the root of a negative number as a power": lambda: a() ** 0.5,
    "0 to a negative power": lambda: b() ** -1,
    "a negative number to the power of a Value": lambda: a() ** b(),
    "a negative plain number to the power of a Value": lambda: (-8) ** a(),
    "a power too large for a float": lambda: Value(1e200, "u") ** 2,
    "a power of Values too large for a float": lambda: Value(1e200, "u") ** Value(2.0, "v"),
    "the logarithm of a negative number": lambda: a().log(),
    "the logarithm of 0, without a label": lambda: microbp.log(0),
    "the logarithm of something computed": lambda: (a() * 2).log(),
    "the logarithm of a long sum": lambda: microbp.sum([a(), a(), a(), a(), a()]).log(),
    "the square root of a negative number": lambda: a().sqrt(),
    "the exponential of a large number": lambda: Value(1000.0, "u").exp(),
    "the sine of infinity": lambda: Value(math.inf, "u").sin(),
    "the cosine of infinity": lambda: Value(math.inf, "u").cos(),
    "the truth of a Value": lambda: 1.0 if a() else 0.0,
    "a comparison of Values": lambda: a() < b(),
    "Python's own max of Values": lambda: max(a(), b()),
    "a function of math": lambda: math.exp(a()),
    "float() of a Value": lambda: float(a() * 2),
    "a copy of a computed Value": lambda: copy.copy(a() * b()),
    "a pickle of a computed Value": lambda: pickle.dumps(a() * b()),
    "backward from a text": lambda: a().backward("1"),
    "a leaf that recompute cannot take": a_graph_in_which_a_leaf_became_zero,
    "zero_grad of a number": lambda: zero_grad(3),
    "zero_grad of one Value": lambda: zero_grad(a()),
    "zero_grad of a network": lambda: zero_grad(MLP(2, [1], seed=1)),
    "zero_grad of numbers": lambda: zero_grad([1.0, 2.0]),
    "zero_grad of layers": lambda: zero_grad(MLP(2, [1], seed=1).layers),
    "a function of a text": lambda: microbp.tanh("0.5"),
    "the sum of nothing": lambda: microbp.sum([]),
    "the greatest of nothing": lambda: microbp.max([]),
    "the softmax of nothing": lambda: microbp.softmax([]),
    "the softmax of a number": lambda: microbp.softmax(3.0),
    "the sum of nothing at all": lambda: microbp.sum(None),
    "the greatest of texts": lambda: microbp.max("a", "b"),
    "a place behind the last": lambda: pick([a(), b()], 2),
    "a place between two": lambda: pick([a(), b()], 0.5),
    "a place that is a Value": lambda: pick([a(), b()], Value(1.0, "i")),
    "a weighted sum of more inputs than weights": lambda: weighted_sum([a(), b()], [1.0, 2.0, 3.0]),
    "a weighted sum of nothing": lambda: weighted_sum([], []),
    "a weighted sum of a number": lambda: weighted_sum(a(), [1.0]),
    "a weighted sum with a text for a bias": lambda: weighted_sum([a()], [1.0], "b"),
    "a name that microbp does not have": lambda: microbp.Tensor,
}
