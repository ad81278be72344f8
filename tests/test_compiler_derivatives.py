"""compile of functions that take derivatives: against the eager engine, PyTorch, and formulas by hand."""

import math
import re
import sys
from collections import namedtuple

import numpy as np
import pytest
from compiling import Recipe, assert_agrees, assert_close, calls, flat, kinds, oracle, recipes
from hypothesis import given, settings, strategies as st
from programs import checked
from test_compiler import ROWS, points

import microbp
from microbp import (
    MLP,
    RULES,
    SGD,
    Rule,
    Value,
    compile,
    cross_entropy,
    fit,
    grad,
    gradients,
    hessian,
    hvp,
    jacobian,
    jvp,
    pick,
    squared_error,
    value_and_grad,
    vjp,
    weighted_sum,
)
from microbp.compiler.sources.matrices import numpy_source
from microbp.traversal import derivatives
from microbp.value import apply

rng = np.random.default_rng(6)
X = rng.uniform(-1.5, 1.5, size=(6, 2))
T = rng.uniform(0.1, 0.9, size=6)


def eagerly(function, *samples):
    """What a function gives for each sample, computed by the eager engine, a row each."""
    rows = []
    for sample in zip(*samples):
        rows.append([output.data for output in flat(function(*map(lifted, sample)))])
    return np.array(rows)


def lifted(sample):
    return Value(float(sample)) if np.ndim(sample) == 0 else [lifted(each) for each in sample]


def rows_of(outputs):
    """A program's outputs, a row for each sample."""
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    if isinstance(outputs, np.ndarray):
        return outputs.reshape(len(outputs), -1)
    return np.concatenate([rows_of(part) for part in outputs], axis=1)


def assert_same(function, *samples, rel=1e-11):
    """A compiled function gives what the eager engine gives, and so do both of its printed programs."""
    program = compile(function)
    expected = eagerly(function, *samples)
    near = {"rtol": rel, "atol": rel * (np.abs(expected).max() + 1e-300)}
    np.testing.assert_allclose(rows_of(program(*samples)), expected, **near)
    assert f"{len(expected)} samples agree" in program.check(*samples)
    numbers = [parameter.data for parameter in program.parameters]
    printed, unrolled = {}, {}
    exec(program.source, printed)
    exec(program.scalar_source, unrolled)
    if "outputs" in printed:
        arrays = map(np.asarray, samples)
        np.testing.assert_allclose(rows_of(printed["outputs"](np.array(numbers), *arrays)), expected, **near)
        one = [np.asarray(each)[0].tolist() for each in samples]
        scalars = unrolled["forward"](*one, numbers)
        scalars = list(scalars.values()) if isinstance(scalars, dict) else scalars
        np.testing.assert_allclose(flat(scalars), expected[0], **near)
    return program


# The gradient of every sample.

LOSSES = {
    "squared error": squared_error,
    "cross-entropy": lambda u, t: cross_entropy(u, t),
    "absolute error": microbp.mean_absolute_error,
    "binary cross-entropy": microbp.binary_cross_entropy_with_logits,
}
SIZES = [[1, 1], [2, 1], [2, 3, 1], [1, 4, 1], [3, 4, 2], [2, 5, 4, 3], [4, 1, 2]]


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "softplus", "linear", "sin"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_gradient_of_every_sample_is_the_eager_engines(sizes, activation) -> None:
    network = network_of(sizes, activation)
    parameters = network.parameters()
    inputs, targets = rng.normal(size=(5, sizes[0])), rng.uniform(size=(5, sizes[-1]))
    targets = targets if sizes[-1] > 1 else targets[:, 0]
    loss = lambda x, t: squared_error(network(x), t)  # noqa: E731
    program = assert_same(lambda x, t: gradients(loss(x, t), parameters), inputs, targets)
    for row, x, t in zip(program(inputs, targets), inputs, targets):
        microbp.zero_grad(parameters)
        loss(x.tolist(), t.tolist()).backward()
        np.testing.assert_allclose(row, [p.grad for p in parameters], rtol=1e-11, atol=1e-14)


def network_of(sizes, activation, output_activation=None):
    given_activation = {"sin": Value.sin, "softplus": Value.softplus}.get(activation, activation)
    network = MLP(sizes[0], sizes[1:], given_activation, output_activation, seed=2)
    for k, parameter in enumerate(network.parameters()):
        parameter.data += 0.01 * (k % 7)  # biases other than 0
    return network


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_the_mean_of_the_gradients_is_the_gradient_of_the_mean(name, outputs) -> None:
    if name == "cross-entropy" and outputs == 1:
        return
    network = network_of([2, 4, outputs], "tanh", "linear")
    parameters = network.parameters()
    targets = rng.uniform(size=(6, outputs))
    targets = targets / targets.sum(axis=1, keepdims=True) if outputs > 1 else targets[:, 0]
    loss = lambda x, t: LOSSES[name](network(x), t)  # noqa: E731
    each = assert_same(lambda x, t: gradients(loss(x, t), parameters), X, targets)(X, targets)
    _, mean = compile(loss).value_and_grad(X, targets)
    assert each.shape == (6, len(parameters))
    np.testing.assert_allclose(each.mean(axis=0), mean, rtol=1e-11, atol=1e-15)


def test_of_classes_that_come_as_numbers() -> None:
    network = network_of([2, 4, 3], "tanh", "linear")
    parameters = network.parameters()
    classes = np.array([0, 2, 1, 1, 0, 2])
    loss = lambda x, t: cross_entropy(network(x), t)  # noqa: E731
    program = compile(lambda x, t: gradients(loss(x, t), parameters))
    for row, x, t in zip(program(X, classes), X, classes.tolist()):
        expected = [g.data for g in gradients(loss(x.tolist(), t), parameters)]
        np.testing.assert_allclose(row, expected, rtol=1e-12, atol=1e-15)
    assert program.check(X, classes).startswith("6 samples agree")


def tensors(torch, network):
    return [
        torch.tensor(part, dtype=torch.float64)
        for layer in network
        for part in ([[w.data for w in unit.weights] for unit in layer], [unit.bias.data for unit in layer])
    ]


def torch_network(torch, parameters, x):
    for weights, biases in zip(parameters[::2], parameters[1::2]):
        x = torch.tanh(torch.nn.functional.linear(x, weights, biases))
    return x


def reverse_twice(torch, function):
    """PyTorch's Hessian; its own one warns."""
    return torch.func.jacrev(torch.func.jacrev(function))


def by_unit(parts):
    """PyTorch's arrays (..., units, inputs) and (..., units) in the order of our parameters."""
    blocks = [
        np.concatenate([weights, biases[..., None]], axis=-1)
        for weights, biases in zip(parts[::2], parts[1::2])
    ]
    return np.concatenate([block.reshape(*block.shape[:-2], -1) for block in blocks], axis=-1)


def test_the_gradient_of_every_sample_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    network = network_of([3, 5, 4, 2], "tanh")
    inputs, targets = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    program = compile(lambda x, t: gradients(squared_error(network(x), t), network.parameters()))

    def loss(parameters, x, t):
        return ((torch_network(torch, parameters, x) - t) ** 2).sum()

    theirs = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))(
        tuple(tensors(torch, network)), torch.tensor(inputs), torch.tensor(targets)
    )
    expected = by_unit([part.numpy() for part in theirs])
    np.testing.assert_allclose(program(inputs, targets), expected, rtol=1e-10, atol=1e-14)


def test_the_jacobian_by_parameters_and_the_hessian_by_inputs_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    network = network_of([3, 5, 2], "tanh")
    inputs = rng.normal(size=(4, 3))
    by_parameters = compile(lambda x: [gradients(y, network.parameters()) for y in network(x)])(inputs)
    theirs = torch.func.vmap(torch.func.jacrev(lambda p, x: torch_network(torch, p, x)), (None, 0))(
        tuple(tensors(torch, network)), torch.tensor(inputs)
    )
    np.testing.assert_allclose(
        by_parameters, by_unit([part.numpy() for part in theirs]), rtol=1e-10, atol=1e-14
    )
    by_inputs = compile(hessian(lambda x: microbp.sum(network(x))))(inputs)
    parameters = tensors(torch, network)
    theirs = torch.func.vmap(reverse_twice(torch, lambda x: torch_network(torch, parameters, x).sum()))(
        torch.tensor(inputs)
    )
    np.testing.assert_allclose(by_inputs, theirs.numpy(), rtol=1e-10, atol=1e-14)


# Jacobians for least squares.

CURVES = {
    # a model in parameters a, b, c; its derivatives by them, by hand
    "exponential": (
        lambda x, a, b, c: a * microbp.exp(-b * x) + c,
        lambda x, a, b, c: [np.exp(-b * x), -a * x * np.exp(-b * x), np.ones_like(x)],
    ),
    "saturation": (
        lambda x, a, b, c: a * x**2 / (b + x + c * x * x),
        lambda x, a, b, c: [
            x**2 / (b + x + c * x * x),
            -a * x**2 / (b + x + c * x * x) ** 2,
            -a * x**4 / (b + x + c * x * x) ** 2,
        ],
    ),
    "wave": (
        lambda x, a, b, c: a * microbp.sin(b * x + c),
        lambda x, a, b, c: [np.sin(b * x + c), a * x * np.cos(b * x + c), a * np.cos(b * x + c)],
    ),
}


@pytest.mark.parametrize("name", CURVES)
def test_the_jacobian_of_a_curve_by_its_parameters(name) -> None:
    curve, by_hand = CURVES[name]
    parameters = [Value(number, label) for number, label in [(1.7, "a"), (0.6, "b"), (0.2, "c")]]
    xs = rng.uniform(0.5, 3.0, size=40)
    program = assert_same(lambda x: gradients(curve(x, *parameters), parameters), xs)
    expected = np.stack(by_hand(xs, 1.7, 0.6, 0.2), axis=1)
    np.testing.assert_allclose(program(xs), expected, rtol=1e-12)
    parameters[0].data = -2.0  # the numbers of the parameters are read anew
    expected = np.stack(by_hand(xs, -2.0, 0.6, 0.2), axis=1)
    np.testing.assert_allclose(program(xs), expected, rtol=1e-12)


def test_a_model_and_its_jacobian_in_one_program() -> None:
    curve, by_hand = CURVES["exponential"]
    parameters = [Value(1.7, "a"), Value(0.6, "b"), Value(0.2, "c")]

    def model_and_jacobian(x):
        y = curve(x, *parameters)
        return y, gradients(y, parameters)

    xs = np.linspace(0.0, 2.0, 9)
    values, rows = compile(model_and_jacobian)(xs)
    np.testing.assert_allclose(values, 1.7 * np.exp(-0.6 * xs) + 0.2, rtol=1e-13)
    np.testing.assert_allclose(rows, np.stack(by_hand(xs, 1.7, 0.6, 0.2), axis=1), rtol=1e-12)
    assert [array.flags.c_contiguous for array in (values, rows)] == [True, True]


# Second derivatives.


def second(loss, parameters):
    return lambda *sample: [gradients(g, parameters) for g in gradients(loss(*sample), parameters)]


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "softplus", "sin"])
@pytest.mark.parametrize("sizes", SIZES[:5], ids=str)
def test_the_hessian_of_every_sample_is_the_eager_engines_and_symmetric(sizes, activation) -> None:
    network = network_of(sizes, activation)
    parameters = network.parameters()
    inputs, targets = rng.normal(size=(3, sizes[0])), rng.uniform(size=(3, sizes[-1]))
    targets = targets if sizes[-1] > 1 else targets[:, 0]
    function = second(lambda x, t: squared_error(network(x), t), parameters)
    found = assert_same(function, inputs, targets)(inputs, targets)
    assert found.shape == (3, len(parameters), len(parameters))
    np.testing.assert_allclose(found, found.transpose(0, 2, 1), rtol=1e-9, atol=1e-12)


def test_the_hessian_of_a_loss_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    network = network_of([2, 4, 1], "tanh")
    flat_parameters = np.array([p.data for p in network.parameters()])

    def loss(parameters, x, t):
        hidden, output = parameters[:12].reshape(4, 3), parameters[12:]
        z = torch.tanh(hidden[:, :2] @ x + hidden[:, 2])
        return (torch.tanh(output[:4] @ z + output[4]) - t) ** 2

    found = compile(second(lambda x, t: squared_error(network(x), t), network.parameters()))(X, T)
    theirs = torch.func.vmap(reverse_twice(torch, loss), (None, 0, 0))(
        torch.tensor(flat_parameters), torch.tensor(X), torch.tensor(T)
    )
    np.testing.assert_allclose(found, theirs.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("of", ["inputs", "parameters"])
@pytest.mark.parametrize(("rule", "length"), ROWS, ids=[f"{rule.name} {n}" for rule, n in ROWS])
def test_every_row_of_the_table_in_a_second_derivative(rule: Rule, length: int, of: str) -> None:
    given_points = points(rule, length)
    whole = rule.partials[-1] is None  # an exponent or an index is a plain number
    n = given_points.shape[1] - whole
    weights = [Value(number, f"w{k}") for k, number in enumerate(given_points[0, :n])]
    held = given_points[0, -1] if whole else None
    if rule.name == "pick":
        held = int(held)

    def graph(x):
        operands = x[:n] if of == "inputs" else weights
        if rule.name == "power":
            z = operands[0] ** float(held)
        else:
            z = pick(operands, held) if rule.name == "pick" else apply(rule, operands)
        E = (z * x[n]).sin() + z  # so that what is linear has a second derivative too
        return [gradients(g, operands) for g in gradients(E, operands)]

    samples = [[*row[:n].tolist(), 0.3 + 0.1 * k] for k, row in enumerate(given_points)]
    if rule.name == "exponentiation":
        samples = [row for row in samples if abs(row[1]) < 5]
    assert_same(graph, samples)


def test_third_derivatives() -> None:
    w = Value(0.8, "w")
    third = compile(grad(grad(grad(lambda x: (w * x).sin()))))
    xs = np.linspace(-2, 2, 7)
    np.testing.assert_allclose(third(xs), -(0.8**3) * np.cos(0.8 * xs), rtol=1e-12)


# A loss made of derivatives: y' = -y, the network's derivative by its input.


def equation(network):
    """How far y = network(x) is from obeying y' = -y, and from y(0) = 1."""

    def loss(x):
        y, slope = value_and_grad(lambda x: network([x]))(x)
        return (slope + y) ** 2 + (network([0.0]) - 1.0) ** 2

    return loss


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus", "sin"])
@pytest.mark.parametrize("sizes", [[1, 1], [1, 3, 1], [1, 4, 3, 1]], ids=str)
def test_a_loss_with_a_derivative_in_it_is_differentiated(sizes, activation) -> None:
    network = network_of(sizes, activation, "linear")
    program = assert_agrees(equation(network), [0.0, 0.3, 1.0, 2.5])
    assert program.parameters == network.parameters()


def test_training_such_a_loss_is_training_it_eagerly() -> None:
    xs = np.linspace(0.0, 2.0, 11)
    compiled, eager = (network_of([1, 5, 1], "tanh", "linear") for _ in range(2))
    program = compile(equation(compiled))
    losses = program.train(xs, SGD(0.05, momentum=0.5), 30)
    loss, optimizer, expected = equation(eager), SGD(0.05, momentum=0.5), []
    for _ in range(30):
        microbp.zero_grad(eager.parameters())
        errors = [loss(Value(x)) for x in xs]
        for error in errors:
            error.backward(1 / len(xs))
        expected.append(math.fsum(error.data for error in errors) / len(xs))
        optimizer.step(eager.parameters())
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    np.testing.assert_allclose(
        [p.data for p in compiled.parameters()], [p.data for p in eager.parameters()], rtol=1e-8
    )
    assert losses[-1] < losses[0] / 3


def test_a_network_learns_to_solve_the_equation() -> None:
    """y' = -y with y(0) = 1 is exp(-x)."""
    network = MLP(1, [8, 1], "tanh", "linear", seed=1)
    xs = np.linspace(0.0, 2.0, 21)
    compile(equation(network)).train(xs, microbp.Adam(0.01), 3000)
    found = compile(network)(xs[:, None])
    np.testing.assert_allclose(found, np.exp(-xs), atol=5e-3)


def test_fit_takes_such_a_loss_in_both_engines() -> None:
    histories = []
    for engine in ("eager", "compiled"):
        network = network_of([1, 4, 1], "tanh", "linear")

        def with_slope(x, network=network):
            return [*value_and_grad(lambda x: network([x]))(x)]

        def loss(outputs, t):
            y, slope = outputs
            return (y - t) ** 2 + (slope + t) ** 2

        xs = np.linspace(0, 1, 6).tolist()
        history = fit(
            with_slope,
            xs,
            [math.exp(-x) for x in xs],
            loss,
            SGD(0.1),
            epochs=10,
            parameters=network.parameters(),
            engine=engine,
            progress=False,
        )
        histories.append([*history.loss, *[p.data for p in network.parameters()]])
    np.testing.assert_allclose(*histories, rtol=1e-9)


def test_a_penalty_on_the_gradient_by_the_parameters() -> None:
    network = network_of([2, 3, 1], "tanh")
    parameters = network.parameters()

    def loss(x, t):
        E = squared_error(network(x), t)
        return E + 0.1 * microbp.sum([g * g for g in gradients(E, parameters)])

    assert_agrees(loss, X, T)


def test_a_penalty_on_the_gradient_by_the_input_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    network = network_of([2, 4, 1], "tanh")

    def penalty(x):
        return microbp.sum([g * g for g in gradients(network(x), x)])

    program = assert_agrees(penalty, X)
    parameters = [part.requires_grad_() for part in tensors(torch, network)]
    x = torch.tensor(X, requires_grad=True)
    [slopes] = torch.autograd.grad(torch_network(torch, parameters, x).sum(), x, create_graph=True)
    (slopes**2).sum(dim=1).mean().backward()
    found = program.value_and_grad(X)[1]
    expected = by_unit([part.grad.numpy() for part in parameters])
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)


# Functions of functions, inside.

w = Value(0.7, "w")
NUMBERS = np.array([1.0, 2.0, -3.0])
PAIRS = np.array([[1.0, 2.0], [3.0, -4.0], [0.5, 0.25]])
a, b = PAIRS.T


def cubic(v):
    return w * v**3


def two(v):
    return w * v[0] ** 3 * v[1]


def both(v):
    return [v[0] * v[1], w * v[0]]


def pulled(x):
    _, pull_back = vjp(both, x)
    return pull_back(x)[0]


INSIDE = {
    "grad": (lambda x: grad(cubic)(x), NUMBERS, 2.1 * NUMBERS**2),
    "grad of a sum": (lambda x: grad(lambda v: cubic(v) + 3 * v)(x), NUMBERS, 2.1 * NUMBERS**2 + 3),
    "grad of grad": (lambda x: grad(grad(cubic))(x), NUMBERS, 4.2 * NUMBERS),
    "grad of a list": (lambda x: grad(two)(x), PAIRS, [2.1 * a**2 * b, 0.7 * a**3]),
    "grad of a dict": (
        lambda x: grad(lambda p: p["u"] * p["v"])({"u": x[0], "v": x[1]}),
        PAIRS,
        {"u": b, "v": a},
    ),
    "grad of several": (lambda x: grad(lambda u, v: u * v * w, (0, 1))(*x), PAIRS, (0.7 * b, 0.7 * a)),
    "of what is around it": (lambda x: grad(lambda v: x * v**3)(2.0), NUMBERS, 12 * NUMBERS),
    "of numbers alone": (lambda x: grad(lambda v: v**3)(2.0) * x, NUMBERS, 12 * NUMBERS),
    "grad by a parameter": (lambda x: grad(lambda v: v**2 * x)(w), NUMBERS, 1.4 * NUMBERS),
    "the same input outside": (
        lambda x: grad(cubic)(x) + x.tanh(),
        NUMBERS,
        2.1 * NUMBERS**2 + np.tanh(NUMBERS),
    ),
    "value_and_grad": (lambda x: value_and_grad(cubic)(x), NUMBERS, (0.7 * NUMBERS**3, 2.1 * NUMBERS**2)),
    "jacobian": (lambda x: jacobian(both)(x), PAIRS, [[b, a], [0.7 + 0 * a, 0 * a]]),
    "hessian": (lambda x: hessian(two)(x), PAIRS, [[4.2 * a * b, 2.1 * a**2], [2.1 * a**2, 0 * a]]),
    "jvp": (lambda x: jvp(two, (x,), ([1.0, 0.0],)), PAIRS, (0.7 * a**3 * b, 2.1 * a**2 * b)),
    "jvp along the sample": (lambda x: jvp(two, (x,), (x,))[1], PAIRS, 2.8 * a**3 * b),
    "vjp": (pulled, PAIRS, [a * b + 0.7 * b, a * a]),
    "hvp": (lambda x: hvp(two, (x,), ([1.0, 0.0],)), PAIRS, [4.2 * a * b, 2.1 * a**2]),
    "hvp along the sample": (lambda x: hvp(two, (x,), (x,)), PAIRS, [6.3 * a**2 * b, 2.1 * a**3]),
}


def stacked(expected):
    """A structure of columns as a program returns it."""
    if isinstance(expected, tuple):
        return tuple(map(stacked, expected))
    if isinstance(expected, dict):
        return {key: stacked(part) for key, part in expected.items()}
    return np.stack([stacked(part) for part in expected], axis=1) if isinstance(expected, list) else expected


@pytest.mark.parametrize("name", INSIDE)
def test_functions_of_functions_work_inside(name) -> None:
    function, samples, expected = INSIDE[name]
    found, expected = compile(function)(samples), stacked(expected)
    assert type(found) is type(expected)
    for ours, theirs in zip(parts(found), parts(expected)):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-15)
    assert "3 samples agree" in compile(function, example=[samples[0]]).check(samples)


def parts(outputs):
    if isinstance(outputs, dict):
        return list(outputs.values())
    return outputs if isinstance(outputs, tuple) else [outputs]


def test_a_function_that_is_a_transform_already_is_compiled_as_it_is() -> None:
    program = compile(value_and_grad(two))
    values, rows = program(PAIRS)
    np.testing.assert_allclose(values, 0.7 * a**3 * b)
    np.testing.assert_allclose(rows, np.stack([2.1 * a**2 * b, 0.7 * a**3], axis=1))
    assert repr(program).startswith("Program(value_and_grad(two)(v): 1 parameter")


def test_the_function_may_make_values_of_its_inputs() -> None:
    program = compile(lambda x: gradients(cubic(Value(x, "x")), w), example=(1.0,))
    np.testing.assert_allclose(program(NUMBERS), NUMBERS**3)
    assert program.check(NUMBERS).startswith("3 samples agree")


def test_a_derivative_by_an_index_is_zero() -> None:
    program = compile(lambda x, k: gradients(pick([x[0] * 2, x[1] * w], k), [x[0], w, k]))
    found = program(PAIRS, [0, 1, 1])
    np.testing.assert_allclose(found, [[2, 0, 0], [0, -4.0, 0], [0, 0.25, 0]])


# Graphs that are there already.


def test_the_gradients_of_a_recorded_graph() -> None:
    x, t = Value(0.5, "x"), Value(1.0, "t")
    weight, bias = Value(0.3, "weight"), Value(-0.2, "bias")
    E = ((weight * x + bias).tanh() - t) ** 2
    xs, ts = X.T
    y = np.tanh(0.3 * xs - 0.2)
    delta = 2 * (y - ts) * (1 - y * y)
    program = compile(gradients(E, [weight, bias]), inputs=[x, t])
    np.testing.assert_allclose(program(xs, ts), np.stack([delta * xs, delta], axis=1), rtol=1e-12)
    assert program.check(xs, ts).startswith("6 samples agree")
    by_name = compile(gradients(E, {"weight": weight, "x": x}), inputs=[x, t])(xs, ts)
    np.testing.assert_allclose(by_name["weight"], delta * xs, rtol=1e-12)
    np.testing.assert_allclose(by_name["x"], delta * 0.3, rtol=1e-12)
    one = compile(gradients(E, weight), inputs=[x, t])
    np.testing.assert_allclose(one(xs, ts), delta * xs, rtol=1e-12)
    slope = compile(gradients(E, x), inputs=[x, t]).value_and_grad(xs, ts)
    second_derivative = compile(gradients(gradients(E, weight), weight), inputs=[x, t])
    weight.data = 0.3 + 1e-6
    above = one(xs, ts)
    weight.data = 0.3 - 1e-6
    below = one(xs, ts)
    weight.data = 0.3
    np.testing.assert_allclose(second_derivative(xs, ts), (above - below) / 2e-6, rtol=1e-6, atol=1e-8)
    assert slope[0] == pytest.approx(np.mean(delta * 0.3), rel=1e-12)


# Outputs in structures.

Fitted = namedtuple("Fitted", "value slopes")
STRUCTURES = {
    "dict": lambda x: {"y": two(x), "slopes": gradients(two(x), x)},
    "nested": lambda x: {"y": two(x), "rest": [gradients(two(x), {"w": w}), (x[0], [x[1]])]},
    "named tuple": lambda x: Fitted(two(x), gradients(two(x), x)),
    "array": lambda x: np.array([[two(x), x[0]], [x[1], w * x[0]]]),
    "lists of uneven lengths": lambda x: [[two(x), x[0]], [x[1]]],
    "awkward keys": lambda x: {
        "d(E)/dw": two(x),
        'a", ** "b[{': x[0],
        ("x", 1): x[1],
        3: w * x[0],
        "é": x[1],
    },
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_outputs_come_in_their_structure(name) -> None:
    function = STRUCTURES[name]
    program = compile(function)
    found = program(PAIRS)
    eager = [function(lifted(row)) for row in PAIRS]
    same_form(found, [eager_row(each) for each in eager])
    assert program.check(PAIRS).startswith("3 samples agree")
    scope = {}
    exec(program.source, scope)
    same_form(scope["outputs"](np.array([w.data]), PAIRS), [text_keys(eager_row(each)) for each in eager])
    scope = {}
    exec(program.scalar_source, scope)
    assert list(flat_of(scope["forward"](PAIRS[0].tolist(), [w.data]))) == pytest.approx(
        list(flat_of(eager_row(eager[0]))), rel=1e-14
    )


def eager_row(structure):
    """A structure with numbers in it."""
    if isinstance(structure, dict):
        return {key: eager_row(part) for key, part in structure.items()}
    if isinstance(structure, (list, tuple, np.ndarray)):
        members = [eager_row(part) for part in structure]
        return tuple(members) if isinstance(structure, tuple) else members
    return structure.data if isinstance(structure, Value) else structure


def text_keys(structure):
    """The structure as a printed program gives it, whose keys are texts and whole numbers."""
    if isinstance(structure, dict):
        return {key if isinstance(key, int) else str(key): part for key, part in structure.items()}
    return structure


def flat_of(structure):
    if isinstance(structure, (list, tuple, dict)):
        for part in structure.values() if isinstance(structure, dict) else structure:
            yield from flat_of(part)
    else:
        yield structure


def same_form(found, rows):
    """The arrays of a batch have the structure and the numbers of its samples."""
    if isinstance(found, np.ndarray):
        np.testing.assert_allclose(found, rows, rtol=1e-13)
        assert found.flags.owndata or found.base is not None
        return
    keys = list(found) if isinstance(found, dict) else range(len(found))
    assert all(len(row) == len(keys) for row in rows)
    assert isinstance(found, tuple) == isinstance(rows[0], tuple)
    for key in keys:
        same_form(found[key], [row[key] for row in rows])


def test_a_named_tuple_stays_one() -> None:
    found = compile(STRUCTURES["named tuple"])(PAIRS)
    assert type(found) is Fitted and found.slopes.shape == (3, 2)


def test_outputs_are_arrays_of_their_own() -> None:
    program = compile(lambda x: (two(x), gradients(two(x), x)))
    first = program(PAIRS)
    kept = [array.copy() for array in first]
    program(PAIRS + 1)
    for array, copy in zip(first, kept):
        np.testing.assert_array_equal(array, copy)
        array[...] = 0.0
    for array, copy in zip(program(PAIRS), kept):
        np.testing.assert_array_equal(array, copy)


# Random graphs.


def with_gradients(recipe: Recipe, parameters):
    """The graph of a recipe, and the gradient by its parameters and its sample."""
    graph = recipe.function(parameters)

    def function(x, k):
        return gradients(graph(x, k), [*parameters, *x])

    return function


def samples_of(recipe, draw_numbers):
    n = recipe.n_inputs
    return [draw_numbers[k * n : (k + 1) * n] for k in range(3)], [[0], [1], [2]]


@settings(checked, max_examples=120)
@given(recipe=recipes(longest=4), numbers=st.lists(st.floats(-1.5, 1.5), min_size=12, max_size=12))
def test_gradients_of_random_graphs(recipe: Recipe, numbers) -> None:
    parameters = [Value(number) for number in recipe.numbers]
    xs, ks = samples_of(recipe, numbers)
    function = with_gradients(recipe, parameters)
    program = compile(function, parameters=parameters)
    found = program(xs, ks)
    expected = oracle(function, (xs, ks), parameters).outputs.T
    scale = np.abs(expected).max(axis=1, keepdims=True) + 1.0
    assert (np.abs(found - expected) <= 1e-10 * scale).all()


@settings(checked, max_examples=60)
@given(recipe=recipes(longest=3), numbers=st.lists(st.floats(-1.5, 1.5), min_size=12, max_size=12))
def test_losses_of_the_gradients_of_random_graphs(recipe: Recipe, numbers) -> None:
    """Both engines differentiate what is made of gradients alike."""
    assert_losses_of_gradients_agree(recipe, samples_of(recipe, numbers)[0])


def assert_losses_of_gradients_agree(recipe: Recipe, xs) -> None:
    """The eager engine, the program and its printed text, of a loss that is made of gradients."""
    parameters = [Value(number) for number in recipe.numbers]
    gradients_of = with_gradients(recipe, parameters)

    def loss(x, k):
        return microbp.sum([(g * 0.5).tanh() for g in gradients_of(x, k)])

    ks = [[0], [1], [2]]
    program = compile(loss, parameters=parameters)
    compiled = program.value_and_grad(xs, ks, reduction="sum")
    expected = oracle(loss, (xs, ks), parameters)
    printed = {}
    exec(numpy_source(program._made.plan, "sum"), printed)
    with np.errstate(all="ignore"):
        by_text = printed["value_and_grad"](np.array(recipe.numbers), np.array(xs), np.array(ks))
    for value, gradient in (compiled, by_text):
        assert value == pytest.approx(math.fsum(expected.outputs[0]), rel=1e-9, abs=1e-9)
        assert_close(gradient, expected.gradient, 1e3 * expected.bounds + 1e3)


# What is found in such a program.


def test_a_deeper_network_has_more_steps_and_a_wider_one_has_not() -> None:
    def steps(sizes):
        network = network_of(sizes, "tanh")
        program = compile(
            lambda x, t: gradients(squared_error(network(x), t), network.parameters()),
            example=([0.0] * sizes[0], 0.0),
        )
        return len(program._made.plan.steps)

    assert steps([2, 4, 4, 1]) == steps([5, 40, 30, 1]) == 22
    assert steps([2, 4, 1]) == 15 and steps([2, 4, 4, 4, 1]) == 29


def test_its_text_is_backpropagation_in_matrices() -> None:
    network = MLP(2, [4, 3, 2], "tanh", seed=1)
    program = compile(
        lambda x, t: gradients(squared_error(network(x), t), network.parameters()),
        example=([0.0] * 2, [0.0] * 2),
    )
    forward, back = program.source.partition("V1 =")[::2]
    assert re.findall(r"U\d = .*", forward) == [f"U{l} = Z{l - 1} @ W{l} + b{l}" for l in (1, 2, 3)]
    assert back.splitlines()[:9] == [
        " 2 * (Z3 - T)",
        "    V2 = V1 * (1 - Z3 * Z3)",
        "    V3 = V2 @ W3.T",
        "    V4 = np.repeat(Z2, 2, axis=-1) * np.tile(V2, 3)",
        "    V5 = V3 * (1 - Z2 * Z2)",
        "    V6 = V5 @ W2.T",
        "    V7 = np.repeat(Z1, 3, axis=-1) * np.tile(V5, 4)",
        "    V8 = V6 * (1 - Z1 * Z1)",
        "    V9 = np.repeat(X, 4, axis=-1) * np.tile(V8, 2)",
    ]


def test_the_units_of_a_layer_come_in_one_order_on_the_way_back_too() -> None:
    """Nothing has to be gathered for the gradient by the input; it is all views and matrix products."""
    network = MLP(3, [8, 8, 1], "tanh", seed=1)
    program = compile(
        lambda x: microbp.sum([g * g for g in gradients(network(x), x)]), example=([0.1, 0.2, 0.3],)
    )
    assert "take" not in calls(program) and "__setitem__" not in calls(program)
    assert kinds(program).count("matrix") == 6


def test_one_minus_something_is_one_step() -> None:
    assert kinds(compile(lambda x: 1 - x[0] * x[1] - x[0], example=([0.0, 0.0],))) == [
        "product",
        "sum",
        "difference",
    ]
    assert kinds(compile(lambda x: 1 - x * x, example=(0.0,))) == ["product", "difference"]
    assert kinds(compile(lambda x: w - x.tanh(), example=(0.0,))) == ["tanh", "difference"]
    for function in (
        lambda x: w - x[0] * x[1] - x[0] - 2,
        lambda x: w + x[0] - x[1] * x[1],
        lambda x: w - x[0] + x[1] - 2,
        lambda x: x[0] - x[1] - w,
    ):
        assert_agrees(function, PAIRS)


def test_a_layer_of_what_was_computed_last_to_first() -> None:
    W, V = (
        [[Value(0.3 * i - 0.2 * j + 0.1) for j in range(3)] for i in range(2)],
        [[Value(0.2 * i + 0.5 * j - 0.4) for j in range(3)] for i in range(4)],
    )
    B = [Value(0.1 * k) for k in range(4)]

    def loss(x):
        forward = [weighted_sum(row, x).sin() for row in W]
        back = [v.tanh() for v in reversed(x)]
        return microbp.sum([*forward, *[weighted_sum(row, back, b).tanh() for row, b in zip(V, B)]])

    assert_agrees(loss, rng.normal(size=(4, 3)))


def test_a_transposed_matrix_is_trained_where_it_is() -> None:
    """Weights that are read both ways: U = X W + b, V = U W^T + c."""
    W = [[Value(0.1 * (i + 1) * (j - 1.5), f"w[{j + 1},{i + 1}]") for j in range(3)] for i in range(2)]
    B, C = [Value(0.1), Value(-0.2)], [Value(0.3), Value(0.2), Value(0.1)]

    def tied(x):
        hidden = [weighted_sum(row, x, bias).tanh() for row, bias in zip(W, B)]
        back = [weighted_sum(column, hidden, bias) for column, bias in zip(zip(*W), C)]
        return microbp.sum([(y - t) ** 2 for y, t in zip(back, x)])

    samples = rng.normal(size=(5, 3))
    program = assert_agrees(tied, samples)
    assert "@ W.T" in program.source
    scope = {}
    exec(program.source, scope)
    loss, gradient = scope["value_and_grad"](np.array([p.data for p in program.parameters]), samples)
    expected = program.value_and_grad(samples)
    assert loss == pytest.approx(expected[0], rel=1e-12)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-11, atol=1e-14)


def test_what_is_gathered_from_two_arrays_in_turn_has_a_printed_gradient() -> None:
    """Sums of a from one array and b from another, a b a a b a ..., in lists of uneven order."""
    layers = [("parameters", [3, 11, 0, 2, 6], "squares"), ("conv", 0, 1, 1, 0, "abs")]
    recipe = Recipe([0.1 * k for k in range(1, 11)], 1, layers, ("penalty", [0, 1]))
    assert_losses_of_gradients_agree(recipe, NUMBERS[:, None].tolist())


def test_long_outputs_are_broken_into_lines() -> None:
    network = network_of([2, 4, 1], "tanh")
    function = second(lambda x, t: squared_error(network(x), t), network.parameters())
    for nested in (function, lambda x, t: {"a long name": function(x, t)}, lambda x, t: (function(x, t),)):
        program = compile(nested, example=(X[0], T[0]))
        scope = {}
        exec(program.scalar_source, scope)
        numbers = [p.data for p in network.parameters()]
        found = scope["forward"](X[0].tolist(), T[0], numbers)
        expected = nested(X[0].tolist(), T[0])
        assert list(flat_of(found)) == pytest.approx([v.data for v in flat_of(expected)], rel=1e-10)
        assert max(map(len, (program.scalar_source + program.source).splitlines())) <= 100


def test_a_long_chain_is_differentiated_without_recursion() -> None:
    def chain(x):
        z = x
        for _ in range(3000):
            z = (z * w).sin()
        return gradients(z, [x, w])

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        found = compile(chain)([0.5, 1.0])
    finally:
        sys.setrecursionlimit(limit)
    assert found.shape == (2, 2) and np.isfinite(found).all()


def test_no_grad_is_touched_but_by_value_and_grad() -> None:
    weight = Value(2.0, "weight")
    weight.grad = 5.0
    compile(lambda x: gradients((weight * x) ** 2, [weight]))([1.0, 2.0])
    assert (weight.data, weight.grad) == (2.0, 5.0)


# What is refused.


def asks_for_backward(x):
    E = (w * x) ** 2
    E.backward()
    return w.grad * x


def test_backward_inside_is_refused_and_gradients_named() -> None:
    with pytest.raises(TypeError, match=r"no \.grad to set; take gradients\(output, inputs\)"):
        compile(asks_for_backward)(NUMBERS)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x if gradients(cubic(x), x).data > 0 else -x,
        lambda x: x if gradients(cubic(x), x) > 0 else -x,
        lambda x: x * float(gradients(cubic(x), x)),
        lambda x: x * derivatives(cubic(x))[x],
        lambda x: x * sum(gradients(cubic(x), x).partials),
    ],
    ids=["data", "order", "float", "derivatives", "partials"],
)
def test_nothing_may_depend_on_the_number_of_a_derivative(function) -> None:
    with pytest.raises(TypeError, match="has no number while a program is compiled"):
        compile(function)(NUMBERS)


def test_a_stale_graph_inside_is_refused_and_named() -> None:
    s, v = Value(2.0, "s"), Value(0.5, "v")
    outside = s * v
    outside.label = "outside"
    s.data = 3.0
    with pytest.raises(ValueError, match=r"'outside' no longer follows .* recompute\(\)"):
        compile(lambda x: gradients(outside * x, v))(NUMBERS)
    x = Value(1.0, "x")
    E = (s * x) ** 2
    slope = gradients(E, s)
    s.data = 4.0
    with pytest.raises(ValueError, match=r"no longer follows .* recompute\(\)"):
        compile(slope, inputs=[x])


def test_a_derivative_that_is_not_finite_is_explained_by_the_eager_engine() -> None:
    program = compile(lambda x: gradients(x.sqrt(), x))
    np.testing.assert_allclose(program([4.0, 9.0]), [0.25, 1 / 6])
    with pytest.raises((ValueError, ZeroDivisionError, FloatingPointError), match="sample 2"):
        program([4.0, 0.0])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (Value(1.0), "the inputs come in a list"),
        ([{"a": Value(1.0)}], "as regular as an array; a dict of 1"),
        ([[Value(1.0), [Value(2.0)]]], "as regular as an array; a list of 2"),
        ([[Value(1.0), 2.0]], "the inputs are Values of the graph, not "),
    ],
    ids=["a Value", "a dict", "uneven", "a number"],
)
def test_inputs_are_values_in_regular_lists(inputs, message) -> None:
    with pytest.raises(TypeError, match=message):
        compile(w * w, inputs=inputs)


def test_inputs_may_come_in_tuples_and_arrays() -> None:
    p, q, r, s = (Value(float(k), name) for k, name in enumerate("pqrs"))
    E = p * q + r * s
    assert compile(E, inputs=[((p, q), (r, s))])([[[1, 2], [3, 4]]]).tolist() == [14.0]
    assert compile(E, inputs=[np.array([p, q]), (r, s)])([[1, 2]], [[3, 4]]).tolist() == [14.0]


def test_every_rule_is_tested_here() -> None:
    assert {rule.name for rule, _ in ROWS} == set(RULES)
