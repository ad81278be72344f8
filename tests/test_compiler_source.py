"""The written program: what it computes, against the eager engine and PyTorch, and how it reads."""

import ast
import functools
import math
import random
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import microbp
from microbp import MLP, RULES, Value, losses
from microbp.compiler.plan import plan
from microbp.compiler.recording import flat, record
from microbp.compiler.sources.matrices import numpy_source
from microbp.value import apply

SAMPLES = 5


def values(*shape, label=None, seed=0):
    """Nested lists of parameters."""
    draw = random.Random(seed)

    def nested(shape, place):
        if not shape:
            name = f"{label}[{','.join(map(str, place))}]" if label and place else label or ""
            return Value(draw.uniform(0.2, 1.5), name)
        return [nested(shape[1:], (*place, k)) for k in range(1, shape[0] + 1)]

    return nested(shape, ())


def data(*shapes, seed=0, low=-1.0, high=1.0):
    """An array of samples for each argument."""
    generator = np.random.default_rng(seed)
    return [generator.uniform(low, high, (SAMPLES, *shape)) for shape in shapes]


def planned(function, arrays, parameters=None):
    return plan(record(function, [array.shape[1:] for array in arrays], parameters))


def run(source, name="value_and_grad"):
    namespace = {}
    exec(compile(source, "<program>", "exec"), namespace)
    return namespace[name]


def numbers(nodes):
    return np.array([node.data for node in nodes])


def eagerly(function, arrays, parameters, reduction):
    """The loss of a batch and its gradient, sample by sample, with the eager engine."""
    microbp.zero_grad(parameters)
    total = 0.0
    for sample in zip(*arrays) if arrays else [()]:
        loss = function(*(row if isinstance(row, np.integer) else lifted(row.tolist()) for row in sample))
        loss.backward()
        total += loss.data
    count = len(arrays[0]) if arrays and reduction == "mean" else 1
    return total / count, np.array([parameter.grad for parameter in parameters]) / count


def check(function, arrays, parameters=None, reduction="mean", rel=1e-9):
    """The program of `function` gives what the eager engine gives; its source is returned."""
    made = planned(function, arrays, parameters)
    recording = made.recording
    source = numpy_source(made, reduction)
    fixed = [numbers(recording.fixed)] if recording.fixed else []
    given = [array.copy() for array in arrays]
    flat_parameters = numbers(recording.parameters)
    loss, gradient = run(source)(flat_parameters, *fixed, *arrays)
    expected, slopes = eagerly(function, arrays, recording.parameters, reduction)
    assert float(loss) == pytest.approx(expected, rel=1e-12, abs=1e-14)
    assert gradient.shape == slopes.shape
    np.testing.assert_allclose(gradient, slopes, rtol=rel, atol=1e-12)
    for before, after in zip([*given, numbers(recording.parameters)], [*arrays, flat_parameters]):
        np.testing.assert_array_equal(before, after)
    return source


def lifted(entry):
    """Values for the numbers of a sample."""
    return [lifted(each) for each in entry] if isinstance(entry, list) else Value(entry)


# Networks and losses.


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "linear", microbp.softplus])
@pytest.mark.parametrize("expanded", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_networks_of_every_activation(activation, expanded, bias):
    net = MLP(3, [4, 2], activation, expanded=expanded, bias=bias, seed=1)
    check(lambda x, t: losses.squared_error(net(x), t), data((3,), (2,)), net.parameters())


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(
    "loss",
    [
        losses.squared_error,
        functools.partial(losses.squared_error, half=True),
        losses.mean_squared_error,
        losses.mean_absolute_error,
        losses.binary_cross_entropy,
        losses.binary_cross_entropy_with_logits,
    ],
)
@pytest.mark.parametrize("outputs", [1, 3])
def test_losses(loss, reduction, outputs):
    net = MLP(2, [3, outputs], seed=2)
    x, t = data((2,), (outputs,) if outputs > 1 else (), low=0.05, high=0.95)
    check(lambda x, t: loss(net(x), t), [x, t], net.parameters(), reduction)


def test_cross_entropy_of_a_class():
    net = MLP(2, [4, 3], output_activation="linear", seed=3)
    (x,) = data((2,))
    source = check(lambda x, t: losses.cross_entropy(net(x), t), [x, np.array([0, 2, 1, 1, 0])])
    assert "V1 = equal(T, np.array([0.0, 1.0, 2.0]))" in source
    assert "E = cross_entropy(V1, U2)" in source


def test_cross_entropy_takes_whole_numbers_as_classes():
    net = MLP(2, [3], output_activation="linear", seed=3)
    (x,) = data((2,))
    made = planned(lambda x, t: losses.cross_entropy(net(x), t), [x, np.zeros(SAMPLES)])
    program = run(numpy_source(made))
    t = np.array([0, 2, 1, 1, 0])
    as_ints, as_floats = (
        program(numbers(made.recording.parameters), x, t.astype(kind)) for kind in (int, float)
    )
    assert as_ints[0] == as_floats[0]
    np.testing.assert_array_equal(as_ints[1], as_floats[1])


def test_cross_entropy_of_a_distribution():
    net = MLP(2, [4, 3], output_activation="linear", seed=3)
    (x,) = data((2,))
    check(lambda x, t: losses.cross_entropy(net(x), t), [x, np.eye(3)[[0, 2, 1, 1, 0]]])


def test_a_tiny_loss_is_accurate():
    w = values(2, label="w")
    source = check(
        lambda x, t: losses.cross_entropy([x[0] * w[0], x[1] * w[1], Value(0.0)], t),
        [np.array([[80.0, 1.0], [60.0, -2.0]]), np.array([0, 0])],
    )
    assert "log1p" in source


@pytest.mark.parametrize(
    "us",
    [[700.3, 0.1, 0.2], [0.1, -739.9], [1e17, 1e17, -3.0], [1e308, -1e308], [1.0, -math.inf], [2.0]],
)
def test_cross_entropy_of_any_logits_is_as_accurate_as_in_the_eager_engine(us):
    n = len(us)
    leaves = [Value(u, f"u[{k}]") for k, u in enumerate(us, start=1)]
    for ts in [1.0] + [0.0] * (n - 1), [1 / n] * n:
        loss, gradient = run(
            numpy_source(planned(lambda t: losses.cross_entropy(leaves, t), [np.array([ts])]))
        )(np.array(us), np.array([ts]))
        E = losses.cross_entropy([Value(u) for u in us], ts)
        E.backward()
        assert loss == pytest.approx(E.data, rel=1e-15, abs=0.0)
        np.testing.assert_allclose(gradient, [u.grad for u in E.inputs[n:]], rtol=1e-15, atol=1e-16)


def test_sigmoid_and_softplus_are_finite_everywhere():
    w = Value(1.0, "w")
    X = np.array([-1e308, -800.0, 0.0, 800.0, 1e308])
    check(lambda x: (w * x).sigmoid() + 0.0 * (w * x).tanh(), [X])
    check(lambda x: microbp.softplus(w * x) / 1e300, [X])
    check(lambda x: microbp.logsumexp([w * x, -x, Value(0.0)]) / 1e300, [0.8 * X])


# What is not a network of layers.


def test_a_loop_of_products():
    w, b = values(4, label="w"), Value(0.3, "b")

    def loss(x, t):
        total = b
        for each, other in zip(w, x):
            total = total + each * other
        return (total - t) ** 2

    source = check(loss, data((4,), ()))
    assert ".T @ " in source


def test_a_recurrent_net():
    w, u, b = values(3, label="w"), values(3, 3, label="v"), values(3, label="b")

    def loss(xs, t):
        h = [Value(0.0)] * 3
        for x in xs:
            h = [(w[k] * x + microbp.sum(a * z for a, z in zip(u[k], h)) + b[k]).tanh() for k in range(3)]
        return losses.squared_error(microbp.sum(h), t)

    source = check(loss, data((6,), ()))
    assert source.count(" += X") == 4  # the weights' gradient adds up over time


@pytest.mark.parametrize("heads", [1, 2])
def test_attention(heads):
    size, length = 4, 3
    own = [[values(2, size, seed=10 * h + k) for k in range(3)] for h in range(heads)]
    last = values(size, 2 * heads, seed=7)

    def times(rows, x):
        return [microbp.weighted_sum(row, x) for row in rows]

    def loss(xs, t):
        results = [[] for _ in xs]
        for wq, wk, wv in own:
            q, k, v = ([times(w, x) for x in xs] for w in (wq, wk, wv))
            for i in range(length):
                scores = [microbp.sum(a * b for a, b in zip(q[i], other)) / math.sqrt(2) for other in k]
                weights = microbp.softmax(scores)
                results[i] += [microbp.sum(p * row[d] for p, row in zip(weights, v)) for d in range(2)]
        return losses.squared_error([y for x, r in zip(xs, results) for y in residual(x, times(last, r))], t)

    def residual(x, y):
        return [a + b for a, b in zip(x, y)]

    check(loss, data((length, size), (length * size,)))


def test_a_skip_connection():
    first, second = (microbp.Layer(3, 3, seed=k, number=k) for k in (1, 2))

    def loss(x, t):
        z = first(x)
        return losses.squared_error([a + b + c for a, b, c in zip(second(z), z, x)], t)

    check(loss, data((3,), (3,)))


def test_a_penalty_on_the_parameters():
    net = MLP(2, [3, 1], seed=1)

    def loss(x, t):
        return losses.squared_error(net(x), t) + 0.1 * microbp.sum(w * w for w in net.parameters())

    assert "gradient += 0.2 * parameters" in check(loss, data((2,), ()))
    check(loss, data((2,), ()), reduction="sum")
    check(loss, data((2,), ()), net[0].parameters())


def test_a_penalty_on_some_parameters():
    net = MLP(2, [3, 1], seed=1)

    def loss(x, t):
        penalty = microbp.sum(w.abs() for unit in net[0] for w in unit.weights)
        return losses.squared_error(net(x), t) + 0.1 * penalty + microbp.max(net[1].parameters())

    check(loss, data((2,), ()))


def test_several_nets_with_weights_of_their_own():
    nets = [MLP(2, [3, 2], seed=k) for k in range(3)]

    def loss(xs, t):
        return losses.squared_error([y for net, x in zip(nets, xs) for y in net(x)], t)

    source = check(loss, data((3, 2), (6,)))
    assert 'np.einsum("btn,tgn->btg"' in source


def test_a_net_at_several_places():
    net = MLP(2, [3, 1], seed=1)
    source = check(lambda xs: microbp.sum(net(x) for x in xs), data((4, 2)))
    assert "XS.reshape(-1, 2)" in source


def test_bilinear_forms():
    a = values(3, 3)

    def loss(x, y):
        return microbp.sum(a[i][j] * x[i] * y[j] for i in range(3) for j in range(3))

    check(loss, data((3,), (3,)))


def test_picks_of_several():
    w = values(4)

    def loss(x, n):
        terms = [a * b for a, b in zip(w, x)]
        return microbp.sum(microbp.pick(terms[k:] + terms[:k], n) for k in range(3)) + microbp.pick(w, n)

    check(loss, [*data((4,)), np.array([0, 3, 1, 2, 1])])


def test_the_greatest_of_several():
    w = values(4)

    def loss(x):
        rows = [[a * b for a, b in zip(w, x)], [a + b for a, b in zip(w, x)], x]
        return microbp.sum(microbp.max(row) * microbp.min(row) for row in rows) + microbp.max(w)

    check(loss, data((4,)))


def test_ties_share_and_kinks_have_slope_zero():
    a, b = Value(1.0), Value(1.0)
    check(lambda x: microbp.max([a * x, b * x, x]) + microbp.min(a, b), [np.array([1.0, -2.0])])
    check(lambda x: (a * x).relu() + (b * x).abs(), [np.array([0.0, -1.0, 2.0])])


def test_the_slope_of_a_root_at_zero_is_infinite():
    w = Value(0.0, "w")
    made = planned(lambda x: microbp.sqrt(w * x), data(()))
    with np.errstate(divide="ignore"):
        _, gradient = run(numpy_source(made))(np.array([0.0]), np.array([1.0]))
        _, negative = run(numpy_source(made))(np.array([-0.0]), np.array([1.0]))
    assert gradient == negative == [math.inf]


def test_a_power_outside_its_domain_is_not_a_number():
    w = Value(0.5)
    made = planned(lambda x: x**w, data(()))
    loss, _ = run(numpy_source(made))(np.array([0.5]), np.array([1.0]))
    assert loss == 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        loss, _ = run(numpy_source(made))(np.array([0.5]), np.array([0.0]))
    assert math.isnan(loss)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, 0.5, -2.5, 1 / 3])
def test_powers(exponent):
    w = Value(1.3, "w")
    check(lambda x: (w * x) ** exponent + w**exponent, data((), low=0.5, high=2.0))


def test_numbers_that_are_used_once_and_many_times():
    a, b = Value(0.7), Value(-0.4)

    def loss(x):
        u = a * x[0] + b
        return u * u + (u + u) * x[1] - 3 * u + 2 / (1 + u.exp()) - (-2.5) * u / (-2.0)

    check(loss, data((2,)))


def test_parameters_without_samples():
    w = values(3, label="w")
    check(lambda: microbp.sum(a * a for a in w) * w[0] + microbp.exp(w[1]), [])
    check(lambda: w[1], [])


def test_a_loss_that_no_parameter_changes():
    w = Value(2.0)
    source = check(lambda x: x * x, data(()), [w])
    assert "gradient = np.zeros_like(parameters)" in source
    check(lambda x: x, data(()), [w])
    check(lambda x: Value(3.0), data(()), [w])
    check(lambda x: microbp.functions._sign(w * x) * x, data(()), [w])


def test_a_loss_that_no_sample_changes():
    v, w = Value(2.0), Value(3.0)
    for reduction in ("mean", "sum"):
        check(lambda x: w * w, data(()), [v, w], reduction)
        check(lambda x: w, data(()), [v, w], reduction)


def test_parameters_that_are_nowhere_have_gradient_zero():
    u, v, w = values(3)
    check(lambda x: v * x, data(()), [u, v, w])
    check(lambda x: v * x + w, data(()), [w, u, v])


def test_fixed_values_come_after_the_parameters():
    net = MLP(2, [3, 1], seed=1)
    for chosen in (net[0], net[1], net[0][1]):
        source = check(lambda x, t: losses.squared_error(net(x), t), data((2,), ()), chosen.parameters())
        assert "def value_and_grad(parameters, fixed, X, T):" in source


def test_no_gradient_is_computed_for_what_is_not_trained():
    net = MLP(2, [3, 1], seed=1)
    source = check(lambda x, t: losses.squared_error(net(x), t), data((2,), ()), net[1].parameters())
    assert "D1" not in source and "dX" not in source


def test_scattered_and_repeated_columns():
    w = values(6)

    def loss(x):
        z = [(a * b).tanh() for a, b in zip(w, x)]
        order = [3, 0, 5, 0, 2, 3, 3]
        picked = [microbp.exp(z[k] * x[j % 6]) for j, k in enumerate(order)]
        return microbp.sum(p * q for p, q in zip(picked, z + z[:1])) + z[4] * z[1]

    source = check(loss, data((6,)))
    assert "np.add.at" in source


def test_columns_from_many_arrays():
    w = values(12)

    def loss(x):
        a = [(u * x[0]).tanh() for u in w]
        b = [(u * x[1]).sigmoid().exp() for u in w]
        mixed = [each for pair in zip(a, b) for each in pair]
        return microbp.logsumexp(mixed) + microbp.max(mixed[::-1])

    check(loss, data((2,)))


def test_strided_tiled_and_repeated_columns():
    w = values(12)

    def loss(x):
        z = [(a * x[k % 2]).tanh() for k, a in enumerate(w)]
        stride = [microbp.exp(a) for a in z[::2]]
        tiled = [a * b for a, b in zip(z, stride * 2)]
        repeated = [a / b for a, b in zip(z, [s for s in stride for _ in range(2)])]
        means = [microbp.logsumexp(tiled[k : k + 4]) for k in (0, 4, 8)]
        across = [microbp.logsumexp(repeated[k::4]) for k in range(4)]
        blocks = [microbp.sin(a) for k in (0, 4, 8) for a in z[k : k + 2]]
        return microbp.sum(means) * microbp.sum(across) + microbp.sum(blocks)

    check(loss, data((2,)))


def test_a_matrix_whose_weights_are_computed():
    v, s = values(3, 2, seed=1), values(3, seed=2)

    def loss(x, t):
        rows = [[a.tanh() * scale - 0.5 for a in row] for row, scale in zip(v, s)]
        u = [microbp.weighted_sum(row, x, -scale) for row, scale in zip(rows, s)]
        return losses.squared_error([each.sigmoid() for each in u], t)

    check(loss, data((2,), (3,)))


def test_a_matrix_that_has_one_weight_twice():
    w, v = values(2)

    def loss(x):
        return (w * x[0] + w * x[1] + v).tanh() * (v * x[0] - w * x[1] + 2).tanh() + (3 * x[0] + 4 * x[1]) * w

    check(loss, data((2,)))


def test_arguments_of_any_shape():
    w = values(12)

    def loss(xs, y, t):
        return (microbp.weighted_sum(w, flat(xs)) - t) * y[0]

    check(loss, data((2, 3, 2), (1,), ()))


# Every row of the table.

DOMAIN = {"log": (0.2, 3.0), "sqrt": (0.2, 3.0), "exponentiation": (0.2, 2.0), "power": (0.2, 2.0)}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("several", [1, 3])
@pytest.mark.parametrize("trained", ["first", "second", "both", "alone"])
def test_every_row(name, several, trained):
    row, w = RULES[name], values(6, seed=5)
    count = sum(3 if parameter.endswith("s") else 1 for parameter in row.parameters)

    def result(x):
        sample = {"first": [0, 2, 4, 6], "second": [1, 3, 5], "both": [], "alone": []}[trained]
        operands = [w[k % 6] if k not in sample else x[k % 3] for k in range(count)]
        if trained == "both":
            operands = [operand * x[k % 3] for k, operand in enumerate(operands)]
        if name == "power":
            return operands[0] ** 2.5
        if name == "pick":
            return microbp.pick(operands[:-1], 1)
        return apply(row, operands)

    def loss(x):
        return microbp.sum([*(result(x[k:] + x[:k]) for k in range(several)), w[0] * x[1]])

    low, high = DOMAIN.get(name, (0.2, 3.0))
    check(loss, data((3,), low=low, high=high), w)


# Graphs at random.


@st.composite
def graphs(draw):
    """Instructions that build a graph: which row, and which of the nodes before, counted back."""
    unary = ["sigmoid", "tanh", "relu", "softplus", "abs", "sin", "cos", "negation"]
    several = ["sum", "max", "min", "logsumexp"]
    lines = []
    for _ in range(draw(st.integers(3, 25))):
        name = draw(
            st.sampled_from([*unary, *several, "sum", "product", "product", "difference", "weighted_sum"])
        )
        many = draw(st.integers(1, 4))
        count = {"product": 2, "difference": 2, "weighted_sum": 2 * many + 1}.get(
            name, 1 if name in unary else many
        )
        copies = draw(st.integers(1, 3))
        lines.append(
            (
                name,
                [draw(st.lists(st.integers(0, 30), min_size=count, max_size=count)) for _ in range(copies)],
            )
        )
    return lines


@given(graphs(), st.integers(0, 3))
@settings(
    deadline=None, max_examples=300, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
def test_graphs_at_random(lines, chosen):
    w = [Value(x) for x in (0.3, -0.8, 1.1, 0.6)]

    def loss(x):
        nodes = [*w, *x, Value(0.5), Value(-1.5)]
        for name, groups in lines:
            nodes += [
                apply(RULES[name], [nodes[-1 - k % len(nodes)] for k in group]).tanh() for group in groups
            ]
        return microbp.sum(nodes[-5:])

    check(loss, data((3,)), w[chosen:])


# Several outputs.


def test_several_outputs():
    net = MLP(2, [4, 3], seed=1)
    (x,) = data((2,))
    made = planned(net, [x])
    program = run(numpy_source(made), "outputs")
    expected = [[z.data for z in net(row.tolist())] for row in x]
    np.testing.assert_allclose(program(numbers(made.recording.parameters), x), expected, rtol=1e-12)


def test_outputs_in_structures():
    a, b = Value(2.0), Value(3.0)
    (x,) = data((2,))
    parameters = np.array([2.0, 3.0])

    def outputs(function):
        return run(numpy_source(planned(function, [x], [a, b])), "outputs")(parameters, x)

    grid = outputs(lambda x: [[a * x[0], x[1]], [b, x[0]], [Value(7.0), b * x[1]]])
    assert grid.shape == (SAMPLES, 3, 2)
    np.testing.assert_allclose(grid[:, 0], np.column_stack([2 * x[:, 0], x[:, 1]]))
    np.testing.assert_allclose(grid[:, 1], np.column_stack([np.full(SAMPLES, 3.0), x[:, 0]]))
    np.testing.assert_allclose(grid[:, 2], np.column_stack([np.full(SAMPLES, 7.0), 3 * x[:, 1]]))
    loss, pair = outputs(lambda x: (a * x[0], [x[1], x[0]]))
    np.testing.assert_allclose(loss, 2 * x[:, 0])
    np.testing.assert_allclose(pair, x[:, ::-1])


# PyTorch.


def test_a_classifier_against_pytorch():
    torch = pytest.importorskip("torch")
    net = MLP(6, [5, 4], "tanh", "linear", seed=4)
    (x,) = data((6,))
    t = np.array([0, 3, 1, 2, 3])
    made = planned(lambda x, t: losses.cross_entropy(net(x), t), [x, t])
    p = torch.tensor(numbers(made.recording.parameters), requires_grad=True)
    first, second = p[:35].reshape(5, 7), p[35:].reshape(4, 6)
    u = torch.tanh(torch.tensor(x) @ first[:, :6].T + first[:, 6]) @ second[:, :5].T + second[:, 5]
    expected = torch.nn.functional.cross_entropy(u, torch.tensor(t))
    expected.backward()
    loss, gradient = run(numpy_source(made))(p.detach().numpy(), x, t)
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(gradient, p.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_attention_against_pytorch():
    torch = pytest.importorskip("torch")
    w = values(6, 4)
    (xs,) = data((3, 4))

    def loss(xs):
        rows = [[microbp.weighted_sum(row, x) for row in w] for x in xs]
        total = []
        for q in rows:
            weights = microbp.softmax([microbp.sum(q[d] * k[2 + d] for d in range(2)) for k in rows])
            total += [microbp.sum(p * v[4 + d] for p, v in zip(weights, rows)) ** 2 for d in range(2)]
        return microbp.sum(total)

    made = planned(loss, [xs])
    p = torch.tensor(numbers(made.recording.parameters), requires_grad=True)
    q, k, v = (torch.tensor(xs) @ p.reshape(6, 4).T).split(2, dim=2)
    expected = ((torch.softmax(q @ k.transpose(1, 2), dim=2) @ v) ** 2).sum() / SAMPLES
    expected.backward()
    value, gradient = run(numpy_source(made))(p.detach().numpy(), xs)
    assert float(value) == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(gradient, p.grad.numpy(), rtol=1e-9, atol=1e-12)


# How it reads.


def lines_of(source):
    return [line.strip() for line in source.splitlines()]


def test_it_reads_like_a_textbook():
    net = MLP(2, [16, 1], seed=1)
    source = check(lambda x, t: losses.squared_error(net(x), t), data((2,), ()))
    assert lines_of(source[source.index("def value_and_grad") :]) == [
        "def value_and_grad(parameters, X, T):",
        '"""The mean loss of a batch, and its gradient in the order of the parameters."""',
        "T = T.reshape(-1, 1)",
        "# the parameters",
        "P1 = parameters[:48].reshape(16, 3)",
        "W1, b1 = P1[:, :2].T, P1[:, 2]",
        "P2 = parameters[48:].reshape(1, 17)",
        "W2, b2 = P2[:, :16].T, P2[:, 16]",
        "# forward",
        "Z0 = X",
        "U1 = Z0 @ W1 + b1",
        "Z1 = sigmoid(U1)",
        "U2 = Z1 @ W2 + b2",
        "Z2 = sigmoid(U2)",
        "E = (Z2 - T) ** 2",
        "# backward",
        "D2 = 2 * (Z2 - T) / len(X) * Z2 * (1 - Z2)",
        "dW2 = Z1.T @ D2",
        "db2 = D2.sum(axis=0)",
        "D1 = (D2 @ W2.T) * Z1 * (1 - Z1)",
        "dW1 = Z0.T @ D1",
        "db1 = D1.sum(axis=0)",
        "dP1 = np.column_stack([dW1.T, db1]).ravel()",
        "dP2 = np.column_stack([dW2.T, db2]).ravel()",
        "gradient = np.concatenate([dP1, dP2])",
        "return E.mean(), gradient",
    ]


def test_the_layers_of_a_deep_network_have_their_names():
    net = MLP(2, [4, 3, 1], seed=1)
    lines = lines_of(check(lambda x, t: losses.squared_error(net(x), t), data((2,), ())))
    for l in (1, 2, 3):
        assert f"U{l} = Z{l - 1} @ W{l} + b{l}" in lines
        assert f"dW{l} = Z{l - 1}.T @ D{l}" in lines
        assert f"db{l} = D{l}.sum(axis=0)" in lines
    for l in (1, 2):
        assert f"D{l} = (D{l + 1} @ W{l + 1}.T) * Z{l} * (1 - Z{l})" in lines


def test_the_sum_over_a_batch():
    net = MLP(2, [1], seed=1)
    source = check(lambda x, t: losses.squared_error(net(x), t), data((2,), ()), reduction="sum")
    assert "return E.sum(), gradient" in source and "len(X)" not in source
    with pytest.raises(ValueError, match="reduction"):
        numpy_source(planned(net, data((2,))), "median")


def networks():
    shallow, deep = MLP(2, [16, 16, 1], seed=1), MLP(3, [4] * 12, seed=1)
    classes = MLP(6, [5, 4], output_activation="linear", seed=1)
    yield lambda x, t: losses.squared_error(shallow(x), t), data((2,), ())
    yield lambda x, t: losses.mean_absolute_error(deep(x), t), data((3,), (4,))
    yield lambda x, t: losses.cross_entropy(classes(x), t), [*data((6,)), np.array([0, 3, 1, 2, 3])]


@pytest.mark.parametrize("function, arrays", list(networks()))
def test_it_is_formatted(function, arrays):
    if not shutil.which("ruff"):
        pytest.skip("there is no ruff")
    source = check(function, arrays)
    command = ["ruff", "format", "--isolated", "--line-length=100", "-"]
    formatted = subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout
    assert source == formatted


def test_long_lines_are_broken():
    w = values(200)
    order = random.Random(1).sample(range(200), 200)

    def loss(x):
        z = [(w[k] * a).tanh() for k, a in zip(order, x)]
        return microbp.max([*z[:3], *[microbp.exp(z[k]) for k in order], *z[100:], *x, *z[3:9]])

    source = check(loss, data((200,)))
    assert max(map(len, source.splitlines())) <= 100


def test_the_gradient_is_an_array_of_its_own():
    w = values(3)
    made = planned(lambda x: microbp.sum(a * a for a in w) / 2, data(()), w)
    parameters = np.array([1.0, 2.0, 3.0])
    _, gradient = run(numpy_source(made))(parameters, np.zeros(2))
    gradient += 1.0
    np.testing.assert_array_equal(parameters, [1.0, 2.0, 3.0])


# Labels are text.

HOSTILE = [
    "'", '"', '"""', "\n", "\\", "a\nimport os", "__import__('os').abort()", "lambda", "None", "np", "len",
    "parameters", "gradient", "sigmoid", "value_and_grad", "E", "D1", "dZ1", "X", "T", "U1", "Z1", "W1", "b1",
    "é", "ℰ", "x y", "#", "{0}", "%s", "class", "match", "e", "_", "__debug__", "V1", "I1", "fixed", "print",
]  # fmt: skip


@pytest.mark.parametrize("label", HOSTILE)
@pytest.mark.parametrize("suffix", ["", "[1]", "[1,2]"])
def test_a_label_changes_nothing(label, suffix):
    net = MLP(2, [3, 2], seed=1)
    spare = Value(0.5, label + suffix)
    for parameter in net.parameters()[::2]:
        parameter.label = label + suffix

    def loss(x, t):
        z = net(x)
        for each in z:
            each.label = label + suffix
        E = losses.squared_error(z, t) + spare * x[0]
        E.label = label + suffix
        return E

    source = check(loss, data((2,), (2,)))
    names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    stores = {
        n.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    assert not stores & {"np", "len", "parameters", "sigmoid", "print"}
    assert "os" not in names and "__import__" not in names


def test_all_labels_at_once():
    w = [Value(0.1 * k, label) for k, label in enumerate(HOSTILE, start=1)]

    def loss(x):
        nodes = []
        for parameter, label in zip(w, HOSTILE):
            node = microbp.tanh(parameter * x)
            node.label = label
            nodes.append(node)
            x = x + node * parameter
        return microbp.sum(nodes)

    check(loss, data(()))


def test_names_of_arguments_are_text_too():
    w = Value(0.5, "w")
    check(lambda np, e: w * np + e, data((), ()))
    check(lambda é, E: losses.squared_error(w * é, E), data((), ()))
    check(lambda x, X: w * x * X, data((), ()))


# Size.


def chain(length):
    w = Value(0.5, "w")

    def loss(x):
        for _ in range(length):
            x = (x * w).tanh()
        return x

    return loss


def calls(made):
    """How many calls it takes to write a program."""
    count = 0

    def counted(frame, event, argument):
        nonlocal count
        count += event == "call"

    sys.setprofile(counted)
    try:
        numpy_source(made)
    finally:
        sys.setprofile(None)
    return count


def wide(size):
    w = values(size)
    order = random.Random(1).sample(range(size), size)

    def loss(x):
        z = [(a * x).tanh() for a in w]
        for k in order:
            z[k] = (z[k] * z[order[k]]).sigmoid() if k % 3 else z[k].exp() - z[order[k]]
        return microbp.sum(z)

    return loss


@pytest.mark.parametrize("function", [chain, wide])
def test_time_and_text_are_linear_in_size(function):
    small, large = (planned(function(size), data(())) for size in (400, 1600))
    assert calls(large) < 5 * calls(small)
    assert len(numpy_source(large)) < 5 * len(numpy_source(small))


def test_a_long_chain_runs():
    check(chain(3000), data(()))


def test_the_source_of_a_wide_network_is_short():
    net = MLP(20, [200, 100, 1], seed=1)
    made = planned(lambda x, t: losses.squared_error(net(x), t), data((20,), ()))
    assert len(numpy_source(made)) < 2500


def test_every_kind_of_step_is_written():
    from microbp.compiler.sources.kinds import KINDS

    w = values(2, label="w")

    def loss(x, n):
        z = [(w[0] * x[0] + w[1] * x[1]).tanh(), x[0] * x[1] + x[1] * x[1], w[0]]
        return microbp.pick(z, n) + microbp.max([*z, x[0]])

    arrays = [*data((2,)), np.array([0, 1, 2, 1, 0])]
    kinds = {step.kind for step in planned(loss, arrays).steps}
    assert {*kinds, "row"} == set(KINDS)  # test_operations.py has "row"
    check(loss, arrays)
