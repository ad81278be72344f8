"""The competitors: each builds a step (a function that returns the loss) and a look at its gradients.

Gradients come layer by layer and unit by unit, the weights, then the bias.  One that keeps the
loop over the steps to itself also has `steps`, which takes many and returns the loss of each.
A competitor imports its library when it is asked to build, and returns None for a workload it
does not take part in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import getitem
from typing import TYPE_CHECKING, Any, NamedTuple

from .workloads import Problem

if TYPE_CHECKING:
    from microbp import MLP, Value


class Contender(NamedTuple):
    """What a competitor has built for a problem."""

    step: Callable[[], float]
    gradients: Callable[[], list[float]]
    steps: Callable[[int], list[float]] | None = None


def microbp_text(problem: Problem | None) -> Contender | None:
    """The very text that micrograd runs."""
    from microbp import Value

    if problem is None or problem.only_for_arrays:
        return None  # W1 is the same text for all
    return scalar_training(problem, Value, Value.sigmoid, Value.exp, Value.log)


def microbp_plain(problem: Problem | None) -> Contender | None:
    """Single products and microbp's own sum, and as `fit` trains: a graph for each sample."""
    from microbp import Value

    if problem is None:
        return scalar_expression(Value)
    if problem.only_for_arrays:
        return None
    loss, parameters = plain_loss(problem)
    share = 1.0 / len(problem.inputs)

    def step() -> float:
        for parameter in parameters:
            parameter.grad = 0.0
        total = 0.0
        for x, t in zip(problem.inputs, problem.targets):
            E = loss(x, t)
            E.backward(share)
            total += E.data
        if problem.lr:
            for parameter in parameters:
                parameter.data -= problem.lr * parameter.grad
        return total * share

    return Contender(step, lambda: [parameter.grad for parameter in parameters])


def microbp_units(problem: Problem | None) -> Contender | None:
    """microbp's own units, trained as `fit` does it: a graph for each sample, gradients adding up."""
    import microbp

    if problem is None or problem.only_for_arrays:
        return None
    network = units_network(problem)
    parameters = network.parameters()
    loss = microbp.cross_entropy if problem.classifies else microbp.squared_error
    optimizer = microbp.SGD(problem.lr) if problem.lr else None
    share = 1.0 / len(problem.inputs)

    def step() -> float:
        network.zero_grad()
        total = 0.0
        for x, t in zip(problem.inputs, problem.targets):
            E = loss(network(x), t)
            E.backward(share)
            total += E.data
        if optimizer:
            optimizer.step(parameters)
        return total * share

    return Contender(step, lambda: [parameter.grad for parameter in parameters])


def compiled(problem: Problem | None) -> Contender | None:
    """microbp.compile of the loss that "plain" computes, as NumPy arrays come; a training keeps the loop."""
    import numpy as np

    import microbp

    if problem is None:
        return None
    loss, parameters = plain_loss(problem, microbp.pick)
    program = microbp.compile(loss)
    X, T = np.array(problem.inputs), np.array(problem.targets)

    def gradients() -> list[float]:
        return [parameter.grad for parameter in parameters]

    if not problem.lr:
        return Contender(lambda: program.value_and_grad(X, T)[0], gradients)
    optimizer = microbp.SGD(problem.lr)

    def steps(times: int) -> list[float]:
        return program.train(X, T, optimizer, times)

    return Contender(lambda: steps(1)[0], gradients, steps)


def plain_loss(
    problem: Problem, pick: Callable[[list[Value], Any], Value] = getitem
) -> tuple[Callable[[Any, Any], Value], list[Value]]:
    """The loss of one sample, written out in single products and sums, and its parameters.

    `pick` chooses the output of a class: Python's [] where the class is known, and microbp.pick
    where it comes with each sample.
    """
    import microbp
    from microbp import Value

    layers = [[([Value(w) for w in ws], Value(b)) for ws, b in units] for units in problem.layers]
    parameters = [parameter for units in layers for ws, b in units for parameter in [*ws, b]]

    def net_inputs(units: list[Any], z: list[Any]) -> list[Any]:
        return [microbp.sum([*[w * x for w, x in zip(ws, z)], b]) for ws, b in units]

    def loss(x: Any, t: Any) -> Any:
        z = x
        for units in layers[:-1]:
            z = [u.sigmoid() for u in net_inputs(units, z)]
        us = net_inputs(layers[-1], z)
        if problem.classifies:
            return microbp.sum([u.exp() for u in us]).log() - pick(us, t)
        return (us[0].sigmoid() - t) ** 2

    return loss, parameters


def units_network(problem: Problem) -> MLP:
    """microbp's own units with the problem's first weights."""
    import microbp

    n_inputs, *sizes = problem.sizes
    network = microbp.MLP(n_inputs, sizes, output_activation="linear" if problem.classifies else None)
    for layer, units in zip(network, problem.layers):
        for unit, (weights, bias) in zip(layer, units):
            for weight, number in zip(unit.weights, weights):
                weight.data = number
            unit.bias.data = bias
    return network


def micrograd(problem: Problem | None, by_sample: bool = False) -> Contender | None:
    """One graph for the whole batch, as in micrograd's demo, or one for each sample."""
    from micrograd.engine import Value

    # What micrograd 0.1.0 lacks, written the way its own operations are.

    def sigmoid(x: Value) -> Value:
        e = math.exp(-abs(x.data))
        out = Value(1.0 / (1.0 + e) if x.data >= 0.0 else e / (1.0 + e), (x,), "sigmoid")

        def _backward() -> None:
            x.grad += out.data * (1.0 - out.data) * out.grad

        out._backward = _backward
        return out

    def exp(x: Value) -> Value:
        out = Value(math.exp(x.data), (x,), "exp")

        def _backward() -> None:
            x.grad += out.data * out.grad

        out._backward = _backward
        return out

    def log(x: Value) -> Value:
        out = Value(math.log(x.data), (x,), "log")

        def _backward() -> None:
            x.grad += out.grad / x.data

        out._backward = _backward
        return out

    if problem is None:
        return None if by_sample else scalar_expression(Value)
    if problem.only_for_arrays:
        return None
    return scalar_training(problem, Value, sigmoid, exp, log, by_sample)


def micrograd_by_sample(problem: Problem | None) -> Contender | None:
    if problem is not None and len(problem.inputs) == 1:
        return None  # there is but one sample
    return micrograd(problem, by_sample=True)


def torch(problem: Problem | None) -> Contender | None:
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    if problem is None:
        return scalar_expression(lambda number: torch.tensor(number, requires_grad=True))
    layers = []
    for units in problem.layers:
        weights, biases = zip(*units)
        layers.append(
            (torch.tensor(weights, requires_grad=True), torch.tensor(biases, requires_grad=True)),
        )
    X, T = torch.tensor(problem.inputs), torch.tensor(problem.targets)
    parameters = [parameter for layer in layers for parameter in layer]
    optimizer = torch.optim.SGD(parameters, lr=problem.lr) if problem.lr else None

    def step() -> float:
        for parameter in parameters:
            parameter.grad = None
        z = X
        for weights, biases in layers[:-1]:
            z = torch.sigmoid(functional.linear(z, weights, biases))
        u = functional.linear(z, *layers[-1])
        if problem.classifies:
            E = functional.cross_entropy(u, T)
        else:
            E = functional.mse_loss(torch.sigmoid(u)[:, 0], T)
        E.backward()
        if optimizer:
            optimizer.step()
        return E.item()

    def gradients() -> list[float]:
        return [
            number
            for weights, biases in layers
            for row, bias in zip(weights.grad.tolist(), biases.grad.tolist())
            for number in [*row, bias]
        ]

    return Contender(step, gradients)


def numpy(problem: Problem | None) -> Contender | None:
    import numpy as np

    if problem is None:
        return None
    weights = [np.array([ws for ws, _ in units]).T.copy() for units in problem.layers]
    biases = [np.array([b for _, b in units]) for units in problem.layers]
    X, T = np.array(problem.inputs), np.array(problem.targets)
    samples = np.arange(len(X))
    found: list[Any] = [None] * len(weights)

    def step() -> float:
        z = [X]
        for W, b in zip(weights[:-1], biases[:-1]):
            z.append(1.0 / (1.0 + np.exp(-(z[-1] @ W + b))))
        u = z[-1] @ weights[-1] + biases[-1]
        if problem.classifies:
            u = u - u.max(axis=1, keepdims=True)
            e = np.exp(u)
            total = e.sum(axis=1, keepdims=True)
            E = np.mean(np.log(total[:, 0]) - u[samples, T])
            delta = e / total
            delta[samples, T] -= 1.0
            delta /= len(X)
        else:
            y = 1.0 / (1.0 + np.exp(-u))
            error = y - T[:, None]
            E = np.mean(error * error)
            delta = 2.0 / len(X) * error * y * (1.0 - y)
        for l in reversed(range(len(weights))):
            found[l] = z[l].T @ delta, delta.sum(axis=0)
            if l:
                delta = (delta @ weights[l].T) * z[l] * (1.0 - z[l])
        if problem.lr:
            for W, b, (dW, db) in zip(weights, biases, found):
                W -= problem.lr * dW
                b -= problem.lr * db
        return float(E)

    def gradients() -> list[float]:
        return [
            number
            for dW, db in found
            for row, bias in zip(dW.T.tolist(), db.tolist())
            for number in [*row, bias]
        ]

    return Contender(step, gradients)


def scalar_expression(Value: Callable[[float], Any]) -> Contender:
    """The expression of micrograd's README."""
    leaves: list[Any] = []

    def step() -> float:
        a = Value(-4.0)
        b = Value(2.0)
        c = a + b
        d = a * b + b**3
        c += c + 1
        c += 1 + c + (-a)
        d += d * 2 + (b + a).relu()
        d += 3 * d + (b - a).relu()
        e = c - d
        f = e**2
        g = f / 2.0
        g += 10.0 / f
        g.backward()
        leaves[:] = a, b
        return float(g.data)

    return Contender(step, lambda: [float(leaf.grad) for leaf in leaves])


def scalar_training(
    problem: Problem,
    Value: Callable[[float], Any],
    sigmoid: Callable[[Any], Any],
    exp: Callable[[Any], Any],
    log: Callable[[Any], Any],
    by_sample: bool = False,
) -> Contender:
    """Training as one writes it by hand for scalars: single products, and their sum."""
    layers = [[([Value(w) for w in ws], Value(b)) for ws, b in units] for units in problem.layers]
    parameters = [parameter for units in layers for ws, b in units for parameter in [*ws, b]]

    def net_inputs(units: list[Any], z: list[Any]) -> list[Any]:
        return [sum((w * x for w, x in zip(ws, z)), b) for ws, b in units]

    def outputs(x: list[float]) -> list[Any]:
        z: list[Any] = x
        for units in layers[:-1]:
            z = [sigmoid(u) for u in net_inputs(units, z)]
        return net_inputs(layers[-1], z)

    def squared_error(us: list[Any], t: float) -> Any:
        return (sigmoid(us[0]) - t) ** 2

    def cross_entropy(us: list[Any], t: Any) -> Any:
        return log(sum(exp(u) for u in us)) - us[t]

    loss = cross_entropy if problem.classifies else squared_error

    def step() -> float:
        for parameter in parameters:
            parameter.grad = 0.0
        share = 1.0 / len(problem.inputs)
        samples = list(zip(problem.inputs, problem.targets))
        total = 0.0
        for batch in [[sample] for sample in samples] if by_sample else [samples]:
            losses = [loss(outputs(x), t) for x, t in batch]
            E = losses[0] * share if by_sample else sum(losses) * share
            E.backward()
            total += E.data
        if problem.lr:
            for parameter in parameters:
                parameter.data -= problem.lr * parameter.grad
        return total

    return Contender(step, lambda: [parameter.grad for parameter in parameters])


PEERS: dict[str, Callable[[Problem | None], Contender | None]] = {
    "text": microbp_text,
    "plain": microbp_plain,
    "units": microbp_units,
    "micrograd": micrograd,
    "by sample": micrograd_by_sample,
    "compiled": compiled,
    "torch": torch,
    "numpy": numpy,
}
