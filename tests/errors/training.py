"""fit, predict and accuracy, in both engines."""

import math

import numpy as np

from microbp import (
    MLP,
    SGD,
    Adam,
    History,
    Unit,
    Value,
    accuracy,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    fit,
    mean_absolute_error,
    predict,
    relu,
)

TITLE = "Training"

X = [[0, 0], [0, 1], [1, 0], [1, 1]]
Y = [0, 1, 1, 0]


def network() -> MLP:
    return MLP(2, [2, 1], seed=1)


def trained(**options: object) -> History:
    return fit(**{"network": network(), "X": X, "Y": Y, "epochs": 3, "progress": False, **options})


def one(function, X, Y, w: float = 1.0, **options: object) -> History:
    """Training of a function of w and the sample x."""
    weight = Value(w, "w")
    return trained(network=lambda x: function(weight, x), X=X, Y=Y, parameters=[weight], **options)


def labelled(w: Value, x: float) -> Value:
    v = w * x
    v.label = "v"
    return v * 1e308


def steep_only_in_sum(w: Value, x: float) -> Value:
    return w * 1e308


class NotMine(ValueError):
    """An error of one's own."""


def fails_in_its_own_way(w: Value, x: object) -> Value:
    raise NotMine("this is no sample of mine")


def asks_more_when_compiled(y: Value, t: object) -> Value:
    """A loss that checks its targets only while it is compiled."""
    if isinstance(t, Value):
        return binary_cross_entropy_with_logits(y, t)
    return (y - t) ** 2


ENTRIES = {
    "a network that is None": lambda: trained(network=None),
    "a loss by its name": lambda: trained(loss="mse"),
    "an optimizer by its name": lambda: trained(optimizer="adam"),
    "an optimizer's class": lambda: trained(optimizer=Adam),
    "no epochs": lambda: trained(epochs=0),
    "half a batch": lambda: trained(batch_size=2.5),
    "an unknown reduction": lambda: trained(reduction="avg"),
    "an unknown engine": lambda: trained(engine="fast"),
    "a text for shuffle": lambda: trained(shuffle="no"),
    "a text for progress": lambda: trained(progress="bar"),
    "a text for a seed": lambda: trained(seed="one"),
    "records of every 0th epoch": lambda: trained(record=0),
    "stop_when as a truth": lambda: trained(stop_when=True),
    "stop_when as a text": lambda: trained(stop_when="0.1"),
    "stop_when as no number": lambda: trained(stop_when=math.nan),
    "samples as a text": lambda: trained(X="abcd"),
    "samples as a set": lambda: trained(X={1.0, 2.0}),
    "targets that are None": lambda: trained(Y=None),
    "fewer targets than samples": lambda: trained(Y=[0]),
    "no samples": lambda: trained(X=[], Y=[]),
    "a sample that is no number": lambda: trained(X=[[0, 0], [0, math.nan], [1, 0], [1, 1]]),
    "an infinite target": lambda: trained(Y=[0, 1, math.inf, 1]),
    "a sample that is too long": lambda: trained(X=[[0, 0], [0, 1, 2], [1, 0], [1, 1]], engine="eager"),
    "samples for another network": lambda: trained(network=MLP(3, [1], seed=1)),
    "validation that is no pair": lambda: trained(validation=X),
    "validation of different lengths": lambda: trained(validation=(X, [0])),
    "a function without its parameters": lambda: trained(network=lambda x: Value(1.0)),
    "no parameters to train": lambda: trained(parameters=[]),
    "numbers for parameters": lambda: trained(parameters=[1.0]),
    "one Value for parameters": lambda: trained(parameters=Value(1.0, "w")),
    "a computed parameter": lambda: trained(parameters=[Value(1.0, "w") * 2]),
    "a loss that is a number": lambda: trained(loss=lambda y, t: 1.0),
    "a loss that is a list": lambda: trained(loss=lambda y, t: [0.0, 0.0]),
    "a target that is no probability": lambda: trained(Y=[0, 2, 1, 0], loss=binary_cross_entropy),
    "a class that there is not": lambda: trained(
        network=MLP(2, [3], seed=1), Y=[0, 1, 5, 0], loss=cross_entropy
    ),
    "a logarithm of something negative": lambda: one(lambda w, x: (w * x).log(), [1, 2, -1], [0, 0, 0]),
    "an exponential that is too large": lambda: one(lambda w, x: (w * x).exp(), [1000.0], [0.0]),
    "a loss that becomes infinite": lambda: one(labelled, [0.5, 2.0], [0.0, 0.0], loss=mean_absolute_error),
    "a gradient that becomes infinite": lambda: one(lambda w, x: (w * x).sqrt(), [1, 2], [1, 1], w=0.0),
    "gradients that are too large together": lambda: one(
        steep_only_in_sum, [1.0, 2.0], [0.0, 0.0], w=0.5, loss=mean_absolute_error, reduction="sum"
    ),
    "a step that goes too far": lambda: one(
        lambda w, x: w * x,
        [1e200],
        [1e-200],
        loss=lambda y, t: y * t * 1e300,
        optimizer=SGD(1e10),
    ),
    "a network that fails in its own way": lambda: one(fails_in_its_own_way, [1.0], [0.0], engine="eager"),
    "a loss that asks more when it is compiled": lambda: one(
        lambda w, x: w * x, [1.0], [2.0], loss=asks_more_when_compiled
    ),
    "what cannot be compiled": lambda: one(
        lambda w, x: relu(w * x) if x > 0.5 else w * x, [1.0, -1.0], [1.0, 0.0]
    ),
    "the predictions of nothing": lambda: predict(None, X),
    "predictions for a text": lambda: predict(network(), "ab"),
    "predictions for one sample": lambda: predict(network(), [0.0, 1.0]),
    "predictions for a number": lambda: predict(network(), 1.0),
    "predictions for an array without axes": lambda: predict(network(), np.array(1.0)),
    "predictions of a network that returns a text": lambda: predict(lambda x: "yes", X),
    "the accuracy of nothing": lambda: accuracy(None, X, Y),
    "accuracy for no samples": lambda: accuracy(network(), [], []),
    "accuracy with names of classes": lambda: accuracy(network(), X, ["a", "b", "b", "a"]),
    "accuracy with a class that there is not": lambda: accuracy(MLP(2, [3], seed=1), X, [1, 2, 3, 1]),
    "accuracy with too few numbers for a target": lambda: accuracy(
        MLP(2, [3], seed=1), X, [[1, 0], [0, 1], [0, 1], [1, 0]]
    ),
    "accuracy with two numbers for one output": lambda: accuracy(
        network(), X, [[1, 0], [0, 1], [0, 1], [1, 0]]
    ),
    "accuracy with classes 1 and 2 for one output": lambda: accuracy(network(), X, [1, 2, 2, 1]),
    "accuracy with a text for the threshold": lambda: accuracy(network(), X, Y, "0.5"),
    "the unit of a network that is trained too far": lambda: trained(
        network=Unit(2, "linear", seed=1), optimizer=SGD(1e6), epochs=1000
    ),
}
