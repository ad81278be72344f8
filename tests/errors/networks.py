"""Units, layers and networks; losses; optimizers."""

import math

import numpy as np

from microbp import (
    MLP,
    SGD,
    Adam,
    Layer,
    Unit,
    Value,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    mean_absolute_error,
    mean_squared_error,
    squared_error,
)

TITLE = "Networks, losses and optimizers"


def network() -> MLP:
    return MLP(2, [2, 1], seed=1)


def y() -> Value:
    return Value(0.8, "y")


def a_step_that_goes_too_far() -> None:
    w = Value(1.0, "w")
    w.grad = 1e300
    SGD(lr=1e10).step([w])


def a_step_of_an_unnamed_parameter() -> None:
    w = Value(1.0)
    w.grad = math.nan
    SGD(lr=0.1).step([w])


ENTRIES = {
    "a unit without inputs": lambda: Unit(0),
    "a unit with half an input": lambda: Unit(2.5),
    "a unit with a text for inputs": lambda: Unit("2"),
    "a unit with True for inputs": lambda: Unit(True),
    "a unit with more inputs than there is room for": lambda: Unit(10**12),
    "a unit among no units": lambda: Unit(2, n_units=0),
    "a misspelt activation": lambda: Unit(2, "sigmod"),
    "an activation that there is not": lambda: MLP(2, [1], "swish"),
    "a number for an activation": lambda: Unit(2, 3),
    "a list for an activation": lambda: Unit(2, ["tanh"]),
    "a number for a bias": lambda: Unit(2, "tanh", 0.1),
    "a text for expanded": lambda: Unit(2, expanded="no"),
    "a text for a seed": lambda: MLP(2, [1], seed="one"),
    "a layer without units": lambda: Layer(2, 0),
    "a layer with more weights than there is room for": lambda: Layer(10**6, 10**6),
    "a network with a number for its layers": lambda: MLP(2, 3),
    "a network with an array for its layers": lambda: MLP(2, np.array([2, 1])),
    "a network without layers": lambda: MLP(2, []),
    "a network with a layer of no units": lambda: MLP(2, [3, 0, 1]),
    "a network with more weights than there is room for": lambda: MLP(2, [10**5, 10**5]),
    "too few inputs": lambda: network()([1.0]),
    "too many inputs": lambda: network()([1.0, 2.0, 3.0, 4.0, 5.0]),
    "too many inputs for one": lambda: Unit(1, seed=1)([1.0, 2.0]),
    "one number for two inputs": lambda: network()(0.5),
    "a text for an input": lambda: network()([1.0, "2"]),
    "nothing for an input": lambda: network()([None, 2.0]),
    "a text for a sample": lambda: network()("ab"),
    "a text for the sample of one input": lambda: Unit(1, seed=1)("a"),
    "a set for a sample": lambda: network()({1.0, 2.0}),
    "nothing for a sample": lambda: network()(None),
    "many samples at once": lambda: network()(np.zeros((4, 2))),
    "an array without axes": lambda: network()(np.array(1.0)),
    "too few Values for forward": lambda: network().forward([y()]),
    "too few Values for a layer's forward": lambda: Layer(2, 1, seed=1).forward([y()]),
    "an activation that returns a number": lambda: Unit(1, lambda u: 0.5)([1.0]),
    "the delta of a unit before its first pass": lambda: network()[0][1].delta,
    "a layer behind the last": lambda: network()[2],
    "a unit behind the last": lambda: network()[0][2],
    "a loss of different lengths": lambda: squared_error([y(), y()], [1.0]),
    "a loss of nothing": lambda: mean_squared_error([], []),
    "a loss with a text for a target": lambda: squared_error(y(), "1"),
    "a loss without a prediction": lambda: squared_error(None, 1.0),
    "a loss with a text among the targets": lambda: mean_absolute_error([y(), y()], [1.0, "2"]),
    "a loss with a set of targets": lambda: mean_squared_error([y(), y()], {0.0, 1.0}),
    "a loss with an array without axes": lambda: squared_error(y(), np.array(1.0)),
    "a target that is no probability": lambda: binary_cross_entropy(y(), 2.0),
    "a prediction that is no probability": lambda: binary_cross_entropy(Value(1.5, "y"), 1.0),
    "a prediction that excludes what is true": lambda: binary_cross_entropy(Value(0.0, "y"), 1.0),
    "a logit's target that is no probability": lambda: binary_cross_entropy_with_logits(y(), -1),
    "the cross-entropy of one number": lambda: cross_entropy(y(), 0),
    "the cross-entropy of nothing": lambda: cross_entropy(None, 0),
    "the cross-entropy of no classes": lambda: cross_entropy([], 0),
    "the cross-entropy of texts": lambda: cross_entropy(["a", "b"], 0),
    "a class that there is not": lambda: cross_entropy([y(), y()], 2),
    "half a class": lambda: cross_entropy([y(), y()], 0.5),
    "a class that is a Value": lambda: cross_entropy([y(), y()], Value(1.0, "c")),
    "the name of a class": lambda: cross_entropy([y(), y()], "cat"),
    "too few probabilities": lambda: cross_entropy([y(), y()], [1.0]),
    "probabilities that do not add up": lambda: cross_entropy([y(), y()], [0.5, 0.6]),
    "a negative probability": lambda: cross_entropy([y(), y()], [-0.5, 1.5]),
    "a learning rate of 0": lambda: SGD(0.0),
    "an infinite learning rate": lambda: Adam(math.inf),
    "a text for a learning rate": lambda: SGD("0.1"),
    "a momentum of 1": lambda: SGD(0.1, momentum=1.0),
    "a negative weight decay": lambda: SGD(0.1, weight_decay=-1.0),
    "a beta above 1": lambda: Adam(0.1, beta1=1.5),
    "an epsilon of 0": lambda: Adam(0.1, epsilon=0.0),
    "a step of nothing": lambda: SGD(0.1).step(None),
    "a step of a network": lambda: SGD(0.1).step(network()),
    "a step of numbers": lambda: SGD(0.1).step([1.0]),
    "a step of what was computed": lambda: SGD(0.1).step([y() * 2]),
    "a step that goes too far": a_step_that_goes_too_far,
    "a step with a gradient that is no number": a_step_of_an_unnamed_parameter,
}
