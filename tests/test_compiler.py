"""compile: what programs compute is what the eager engine computes, and PyTorch, for graphs of every kind."""

import math
from itertools import product

import numpy as np
import pytest
from compiling import (
    Recipe,
    assert_agrees,
    assert_close,
    kinds,
    matrix,
    oracle,
    recipes,
    shapes,
    times,
)
from hypothesis import assume, given, settings, strategies as st
from programs import OPERATIONS, VALUES, Step, checked, closest_kink, programs
from test_rules import has_sequences, samples

import microbp
from microbp import (
    MLP,
    RULES,
    Rule,
    Value,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    compile,
    cross_entropy,
    logsumexp,
    mean_absolute_error,
    mean_squared_error,
    pick,
    softmax,
    squared_error,
    sum,
    weighted_sum,
)
from microbp.value import apply

rng = np.random.default_rng(0)
X = rng.uniform(-1.5, 1.5, size=(5, 2))
Y = rng.uniform(0.1, 0.9, size=5)


# Every row of the table.

ROWS = [(rule, n) for rule in RULES.values() for n in ((1, 2, 3) if has_sequences(rule) else (1,))]


def points(rule: Rule, length: int) -> np.ndarray:
    """Flat operands in the row's domain, a row each; its sequences have this length."""
    found = [p for p in samples(rule) if not has_sequences(rule) or len(rule.group(p)[0]) == length]
    return np.array(found[:6])


@pytest.mark.parametrize("several", [False, True], ids=["one node", "several nodes"])
@pytest.mark.parametrize("kind", ["inputs", "parameters", "mixed", "mixed the other way"])
@pytest.mark.parametrize(("rule", "length"), ROWS, ids=[f"{rule.name} {n}" for rule, n in ROWS])
def test_every_row_of_the_table_is_computed_and_differentiated(
    rule: Rule, length: int, several: bool, kind: str
) -> None:
    given = points(rule, length)
    n = given.shape[1] - (rule.partials[-1] is None)  # an exponent or an index is a plain number
    whole = given[:, -1:].astype(int).tolist()
    parameters = [[Value(number) for number in row] for row in given[: 3 if several else 1, :n]]
    of_input = [kind == "inputs" or (kind != "parameters" and i % 2 == (kind == "mixed")) for i in range(n)]
    scale = Value(0.7)

    def graph(x, k):
        nodes = []
        for j, row in enumerate(parameters):
            operands = [x[j][i] if of_input[i] else row[i] for i in range(n)]
            if rule.name == "pick":
                nodes.append(pick(operands, k[0]))
            elif rule.name == "power":
                nodes += [operands[0] ** float(exponent) for exponent in given[: 2 + several, 1]]
            else:
                nodes.append(apply(rule, operands))
        return sum([scale * (0.5 + j) * node for j, node in enumerate(nodes)] + [x[0][0]])

    batch = [[given[(k + j) % len(given), :n].tolist() for j in range(3)] for k in range(len(given))]
    assert_agrees(graph, batch, whole)


HELD = [(name, place) for name in ("sum", "difference", "product", "quotient", "equal") for place in (0, -1)]


@pytest.mark.parametrize("several", [1, 3])
@pytest.mark.parametrize("number", [1.0, 2.5, 3, -1.0, 0.5, 0])
@pytest.mark.parametrize(("name", "place"), [*HELD, ("exponentiation", 0), ("power", -1)])
def test_every_row_that_holds_a_number_does_on_either_side(name, place, number, several) -> None:
    rule, w = RULES[name].holding(place), Value(0.8)
    number = number or 0.25 if (name, place) == ("quotient", -1) else number
    number = abs(number) + 0.1 if name == "exponentiation" else number

    def graph(x):
        operands = [o for each in x[:several] for o in (each, w * each, w)]
        nodes = [apply(rule, (number, o) if place == 0 else (o, number)) for o in operands]
        return sum([(0.5 + j) * node for j, node in enumerate(nodes)])

    assert_agrees(graph, [[0.3, 0.6, 1.7], [1.2, 2.0, 0.1]], parameters=[w])


# Kinks.

AT_KINKS = {
    # the slope along w, at x = 0, -0, 1, 2 and -2, where w = v = 1
    "relu": (lambda w, v, x: (w * x).relu(), [0, 0, 1, 2, 0]),
    "abs": (lambda w, v, x: (w * x).abs(), [0, 0, 1, 2, 2]),
    "max of two": (lambda w, v, x: microbp.max(w * x, v * x), [0, 0, 1 / 2, 1, -1]),
    "max of three": (lambda w, v, x: microbp.max(w * x, v * x, w * x), [0, 0, 2 / 3, 4 / 3, -4 / 3]),
    "min of two": (lambda w, v, x: microbp.min(w * x, v * x), [0, 0, 1 / 2, 1, -1]),
    "max with a number": (lambda w, v, x: microbp.max(w * x, x), [0, 0, 1 / 2, 1, -1]),
    "relu of parameters": (lambda w, v, x: (w - v).relu() + x, [0, 0, 0, 0, 0]),
    "abs of parameters": (lambda w, v, x: abs(w - 1) * x, [0, 0, 0, 0, 0]),
    "max of parameters": (lambda w, v, x: microbp.max(w, v) * x, [0, 0, 1 / 2, 1, -1]),
}


@pytest.mark.parametrize("name", AT_KINKS)
def test_at_kinks_the_slopes_are_those_of_the_table(name: str) -> None:
    """relu'(0) = 0, abs'(0) = 0, and ties of max and min share equally; in careful kernels too."""
    function, slopes = AT_KINKS[name]
    w, v = Value(1.0), Value(1.0)
    program = compile(lambda x, y: function(w, v, x) + y.sigmoid(), parameters=[w, v])
    xs = [0.0, -0.0, 1.0, 2.0, -2.0]
    for y in (0.0, -800.0):  # where exp(800) raises a flag, the batch is computed by careful kernels
        for x, slope in zip(xs, slopes):
            assert program.value_and_grad([x], [y])[1][0] == pytest.approx(slope, abs=1e-15)
        gradient = program.value_and_grad(xs, [y] * 5, reduction="sum")[1]
        assert gradient[0] == pytest.approx(math.fsum(slopes), abs=1e-15)


# Networks.

LOSSES = {
    "squared_error": squared_error,
    "half of it": lambda y, t: squared_error(y, t, half=True),
    "mean_squared_error": mean_squared_error,
    "mean_absolute_error": mean_absolute_error,
    "binary_cross_entropy": lambda y, t: binary_cross_entropy([v.sigmoid() for v in listed(y)], listed(t)),
    "binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
    "cross_entropy": cross_entropy,
}
CUSTOM = {"sin": Value.sin, "softplus": Value.softplus, "swish": lambda u: u * u.sigmoid()}


def listed(y):
    return y if isinstance(y, list) else [y]


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "linear", *CUSTOM])
@pytest.mark.parametrize(
    ("loss", "outputs"), [(loss, n) for loss in LOSSES for n in (1, 3) if (loss, n) != ("cross_entropy", 1)]
)
def test_every_activation_with_every_loss(activation: str, loss: str, outputs: int) -> None:
    network = MLP(2, [4, 3, outputs], CUSTOM.get(activation, activation), "linear", seed=3)
    for k, p in enumerate(network.parameters()):
        p.data += 0.01 * k  # biases other than 0
    T = np.stack([Y, 1 - Y, Y / 3], axis=1)
    T = T / T.sum(axis=1, keepdims=True) if loss == "cross_entropy" else T
    program = assert_agrees(lambda x, t: LOSSES[loss](network(x), t), X, Y if outputs == 1 else T)
    assert kinds(program).count("matrix") >= 3
    if loss == "cross_entropy":
        assert_agrees(lambda x, t: cross_entropy(network(x), t), X, [0, 2, 1, 1, 0])


def test_one_hot_targets_and_class_numbers_give_the_same() -> None:
    network = MLP(2, [5, 4], "tanh", "linear", seed=2)
    classes = np.array([0, 3, 1, 1, 2])
    program = assert_agrees(lambda x, t: cross_entropy(network(x), t), X, classes)
    loss, gradient = program.value_and_grad(X, classes)
    one_hot = compile(lambda x, t: cross_entropy(network(x), t)).value_and_grad(X, np.eye(4)[classes])
    assert one_hot[0] == pytest.approx(loss, rel=1e-14)
    np.testing.assert_allclose(one_hot[1], gradient, rtol=1e-12, atol=1e-15)


def tensor(torch, matrix):
    """The numbers of a matrix of Values, or of a list of them, as a tensor of PyTorch to be trained."""
    numbers = [[w.data for w in row] if isinstance(row, list) else row.data for row in matrix]
    return torch.tensor(numbers, dtype=torch.float64, requires_grad=True)


def assert_agrees_with_torch(program, samples, E, tensors, parameters) -> None:
    """The loss and the gradients, those of PyTorch in `tensors`, ours in lists of Values of the same form."""
    loss, gradient = program.value_and_grad(*samples)
    E.backward()
    ours = dict(zip(program.parameters, gradient))
    assert loss == pytest.approx(E.item(), rel=1e-11)
    for theirs, values in zip(tensors, parameters):
        mine = [[ours[w] for w in row] if isinstance(row, list) else ours[row] for row in values]
        np.testing.assert_allclose(mine, theirs.grad.numpy(), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("classifier", [False, True], ids=["regression", "classifier"])
def test_a_network_agrees_with_torch(classifier: bool) -> None:
    torch = pytest.importorskip("torch")
    network = MLP(3, [8, 7, 4], "tanh", "linear" if classifier else "sigmoid", seed=5)
    xs, ts, classes = rng.normal(size=(20, 3)), rng.uniform(size=(20, 4)), rng.integers(0, 4, 20)
    weights = [[unit.weights for unit in layer] for layer in network]
    biases = [[unit.bias for unit in layer] for layer in network]
    for bias in biases[0]:
        bias.data = 0.25
    W, b = [tensor(torch, w) for w in weights], [tensor(torch, each) for each in biases]
    z = torch.tanh(torch.tanh(torch.tensor(xs) @ W[0].T + b[0]) @ W[1].T + b[1]) @ W[2].T + b[2]
    if classifier:
        program = assert_agrees(lambda x, t: cross_entropy(network(x), t), xs, classes)
        E = torch.nn.functional.cross_entropy(z, torch.tensor(classes))
    else:
        program = assert_agrees(lambda x, t: squared_error(network(x), t), xs, ts)
        E = ((torch.sigmoid(z) - torch.tensor(ts)) ** 2).sum(dim=1).mean()
    samples = xs, classes if classifier else ts
    assert_agrees_with_torch(program, samples, E, [*W, *b], [*weights, *biases])


def test_a_recurrent_network_unrolled_agrees_with_torch() -> None:
    torch = pytest.importorskip("torch")
    W, U, V = matrix(4, 2, 1, "W"), matrix(4, 4, 2, "U"), matrix(3, 4, 3, "V")
    b = matrix(1, 4, 4, "b")[0]

    def loss(steps, k):
        h = None
        for x in steps:
            net = [weighted_sum([*w, *u], [*x, *h], c) for w, u, c in zip(W, U, b)] if h else None
            h = [u.tanh() for u in (net or [weighted_sum(w, x, c) for w, c in zip(W, b)])]
        return cross_entropy(times(V, h), k)

    sequences, classes = rng.normal(size=(6, 5, 2)), rng.integers(0, 3, 6)
    program = assert_agrees(loss, sequences, classes)
    Wt, Ut, Vt, bt = (tensor(torch, each) for each in (W, U, V, b))
    h = torch.zeros(6, 4, dtype=torch.float64)
    for t in range(5):
        h = torch.tanh(torch.tensor(sequences[:, t]) @ Wt.T + h @ Ut.T + bt)
    E = torch.nn.functional.cross_entropy(h @ Vt.T, torch.tensor(classes))
    assert_agrees_with_torch(program, (sequences, classes), E, [Wt, Ut, Vt, bt], [W, U, V, b])


def attention(xs, heads, output, causal: bool):
    """Self-attention of a sequence of vectors, in single numbers; each head is (query, key, value)."""
    mixed = [[] for _ in xs]
    for query, key, value in heads:
        qs, ks, vs = ([times(W, x) for x in xs] for W in (query, key, value))
        for t, q in enumerate(qs):
            seen = t + 1 if causal else len(xs)
            scores = [weighted_sum(q, k) / math.sqrt(len(q)) for k in ks[:seen]]
            shares = softmax(scores)
            mixed[t] += [weighted_sum(shares, column) for column in zip(*vs[:seen])]
    return [times(output, each) for each in mixed]


@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("n_heads", [1, 2])
def test_attention_in_single_numbers_agrees_with_torch(causal: bool, n_heads: int) -> None:
    torch = pytest.importorskip("torch")
    T, D, width = 4, 3, 2
    heads = [
        tuple(matrix(width, D, 10 * h + i, f"{n}{h}") for i, n in enumerate("qkv")) for h in range(n_heads)
    ]
    output = matrix(D, width * n_heads, 99, "o")

    def loss(xs):
        return sum([y * y for each in attention(xs, heads, output, causal) for y in each])

    sequences = rng.normal(size=(5, T, D))
    program = assert_agrees(loss, sequences)
    x = torch.tensor(sequences)
    mixed, tensors = [], []
    for head in heads:
        Q, K, V = (tensor(torch, each) for each in head)
        tensors += [Q, K, V]
        scores = (x @ Q.T) @ (x @ K.T).transpose(1, 2) / math.sqrt(width)
        if causal:
            scores = scores.masked_fill(torch.triu(torch.ones(T, T, dtype=bool), 1), -math.inf)
        mixed.append(torch.softmax(scores, dim=-1) @ (x @ V.T))
    O = tensor(torch, output)
    E = ((torch.cat(mixed, dim=-1) @ O.T) ** 2).sum(dim=(1, 2)).mean()
    values = [each for head in heads for each in head]
    assert_agrees_with_torch(program, (sequences,), E, [*tensors, O], [*values, output])


# How it is written makes no difference.


def as_loops(network, x):
    """The network's output, written as a beginner writes it."""
    for layer in network:
        nets = [unit.bias for unit in layer]
        for k, unit in enumerate(layer):
            for w, z in zip(unit.weights, x):
                nets[k] = nets[k] + w * z
        x = [u.tanh() for u in nets]
    return x[0]


def as_sums(network, x):
    """With Python's own sum, and the operands the other way round."""
    for layer in network:
        x = [(unit.bias + sum_of(z * w for w, z in zip(unit.weights, x))).tanh() for unit in layer]
    return x[0]


def sum_of(terms):
    total = 0
    for term in terms:
        total = total + term
    return total


@pytest.mark.parametrize("written", [as_loops, as_sums, lambda network, x: network(x)])
def test_loops_and_sums_give_the_steps_of_units(written) -> None:
    network = MLP(2, [6, 5, 1], "tanh", seed=1)
    units = compile(lambda x, t: squared_error(network(x), t), example=([0.0, 0.0], 0.0))
    program = assert_agrees(lambda x, t: squared_error(written(network, x), t), X, Y)
    assert shapes(program) == shapes(units)
    expanded = MLP(2, [6, 5, 1], "tanh", seed=1, expanded=True)
    program = assert_agrees(lambda x, t: squared_error(written(expanded, x), t), X, Y)
    assert shapes(program) == shapes(units)


def test_a_formula_written_by_hand() -> None:
    a, b, c = Value(0.3), Value(-0.7), Value(1.1)

    def pendulum(x, t):
        swing = a * (b * x[0]).sin() * (-(c**2) * x[1]).exp() + 2 ** (a * x[0])
        return (swing / (1 + x[1] ** 2) - t) ** 2 + 0.01 * (a * a + abs(b) + c.softplus())

    assert_agrees(pendulum, X, Y)


def test_connections_that_skip_layers() -> None:
    first, second = MLP(2, [4, 4], "tanh", seed=1), MLP(4, [4], "tanh", seed=2)
    direct, last = MLP(2, [1], "linear", seed=3), MLP(10, [1], "linear", seed=4)

    def residual(x, t):
        z = first(x)
        z = [a + b for a, b in zip(z, second(z))]
        z = [a + b for a, b in zip(z, second(z))]  # the same layer again
        return squared_error(last([*z, *x, *z]) + direct(x), t)

    assert_agrees(residual, X, Y)


SEEN = [slice(0, 3), slice(1, 4), slice(2, 6), slice(0, 6, 2), slice(1, 6, 2), slice(None, None, -1)]


@pytest.mark.parametrize("part", SEEN, ids=str)
@pytest.mark.parametrize("biased", [False, True], ids=["without biases", "with biases"])
def test_units_that_see_a_part_of_a_layer(part: slice, biased: bool) -> None:
    first = MLP(2, [6], "tanh", bias=biased, seed=1)
    second = MLP(len(range(6)[part]), [4, 1], "tanh", bias=biased, seed=2)
    direct = MLP(2, [2], Value.sin, bias=biased, seed=3)
    for k, parameter in enumerate([*first.parameters(), *second.parameters()]):
        parameter.data += 0.01 * k  # biases other than 0

    def loss(x, t):
        z = first([*x[:1], *x[2:]])
        return squared_error(second(z[part]), t) + sum(direct(x[2:][::-1] + x[1:2])) * z[5]

    assert_agrees(loss, rng.uniform(-1, 1, size=(5, 3)), Y)


def test_parameters_and_numbers_of_the_sample_gathered_from_the_same_places() -> None:
    own = matrix(1, 5, 1)[0]

    def loss(x):
        return sum([x[i - 1].sin() * own[i].sin() for i in (1, 3, 4)]) + sum(
            [each * w for w in own for each in x]
        )

    assert_agrees(loss, rng.uniform(-1, 1, size=(1, 5)), parameters=own)
    assert_agrees(loss, rng.uniform(-1, 1, size=(4, 5)), parameters=own)


def test_the_same_irregular_places_gathered_in_different_shapes() -> None:
    own = matrix(1, 2, 1)[0]

    def loss(x):
        a, b, c, d = (x[i] for i in (0, 2, 3, 6))
        pairs = logsumexp([a, c]) * logsumexp([b, d])
        return own[0] * sum([v.sin() for v in (a, b, c, d)]) + own[1] * pairs

    assert_agrees(loss, rng.uniform(-1, 1, size=(4, 7)))


def test_weights_used_as_a_matrix_and_as_its_transpose() -> None:
    W, b, c = matrix(3, 5, 1), matrix(1, 3, 2)[0], matrix(1, 5, 3)[0]
    transposed = [list(column) for column in zip(*W)]

    def autoencoder(x):
        z = [(u + bias).sigmoid() for u, bias in zip(times(W, x), b)]
        return squared_error([u + bias for u, bias in zip(times(transposed, z), c)], x)

    program = assert_agrees(autoencoder, rng.normal(size=(7, 5)))
    assert [operands for kind, *operands in shapes(program) if kind == "matrix"] == [
        [(1, 5), (1, 3, 5), (1, 3)],
        [(1, 3), (1, 5, 3), (1, 5)],
    ]


def test_the_same_weights_over_several_windows_are_one_stack_of_products() -> None:
    filters, biases = matrix(2, 3, 1), matrix(1, 2, 2)[0]

    def convolution(x, t):
        windows = [x[i : i + 3] for i in range(5)]
        maps = [[weighted_sum(w, window, b).relu() for window in windows] for w, b in zip(filters, biases)]
        return sum([(sum(each) / 5 - t) ** 2 for each in maps] + [microbp.max(each) for each in maps])

    program = assert_agrees(convolution, rng.normal(size=(6, 7)), rng.normal(size=6))
    assert shapes(program)[0] == ("matrix", (5, 3), (5, 2, 3), (5, 2))


def test_two_dimensional_windows_over_a_picture() -> None:
    kernel, bias = matrix(2, 4, 1), matrix(1, 2, 5)[0]

    def convolution(picture):
        patches = [
            [picture[i + di][j + dj] for di in (0, 1) for dj in (0, 1)] for i in range(3) for j in range(2)
        ]
        return sum([weighted_sum(w, patch, b).tanh() for patch in patches for w, b in zip(kernel, bias)])

    program = assert_agrees(convolution, rng.normal(size=(5, 4, 3)))
    assert shapes(program)[0] == ("matrix", (6, 4), (6, 2, 4), (6, 2))


def test_different_weights_of_equal_shapes_at_one_depth_are_a_stack() -> None:
    branches = [MLP(2, [3, 1], "tanh", seed=k) for k in range(4)]
    program = assert_agrees(lambda x, t: sum([(branch(x) - t) ** 2 for branch in branches]), X, Y)
    stacked = [grids for kind, *grids in shapes(program) if kind == "matrix"]
    assert stacked == [[(1, 2), (1, 12, 2), (1, 12)], [(4, 3), (4, 1, 3), (4, 1)]]


def test_softmax_by_hand_and_the_mixture_it_weighs() -> None:
    W, V = matrix(3, 2, 1), matrix(3, 2, 2)

    def mixture(x, t):
        exps = [u.exp() for u in times(W, x)]
        total = sum(exps)
        return squared_error(sum([e / total * v for e, v in zip(exps, times(V, x))]), t)

    assert_agrees(mixture, X, Y)


# Corners.


def test_a_batch_of_one_and_batches_that_change_their_size_back_and_forth() -> None:
    network = MLP(2, [3, 1], seed=1)

    def loss(x, t):
        return squared_error(network(x), t)

    program = compile(loss)
    xs, ts = rng.normal(size=(40, 2)), rng.uniform(size=40)
    for size in (1, 7, 1, 40, 3, 2, 5, 6, 7, 1, 40):
        expected = oracle(loss, (xs[:size], ts[:size]), network.parameters())
        found = program.value_and_grad(xs[:size], ts[:size])
        assert found[0] == pytest.approx(expected.outputs[0].mean(), rel=1e-12)
        assert_close(found[1], expected.gradient / size, expected.bounds / size)
        assert program(xs[:size], ts[:size]).shape == (size,)


def test_a_penalty_on_the_parameters_is_part_of_each_samples_loss() -> None:
    network = MLP(2, [3, 1], seed=1)

    def loss(x, t):
        return squared_error(network(x), t) + 0.01 * sum([w * w for w in network.parameters()])

    program = assert_agrees(loss, X, Y)
    loss_without, _ = compile(lambda x, t: squared_error(network(x), t)).value_and_grad(X, Y)
    penalty = 0.01 * math.fsum(w.data**2 for w in network.parameters())
    assert program.value_and_grad(X, Y)[0] == pytest.approx(loss_without + penalty, rel=1e-14)


def test_expressions_of_parameters_alone_are_computed_once_and_differentiated() -> None:
    W, scale = matrix(3, 2, 1), Value(0.4)

    def normalised(x, t):
        rows = [[w / sum([v * v for v in row]).sqrt() * scale.exp() for w in row] for row in W]
        return squared_error(sum([u.tanh() for u in times(rows, x)]), t) + logsumexp([row[0] for row in W])

    program = assert_agrees(normalised, X, Y)
    assert shapes(program)[0] == ("matrix", (1, 2), (1, 3, 2))
    alone = [step.rule or step.kind for step in program._made.plan.steps if not step.of_sample]
    assert {"dot", "sqrt", "quotient", "exp", "logsumexp"} <= set(alone)


w, v, fixed = Value(0.5, "w"), Value(-1.5, "v"), Value(2.0)

CORNERS = {
    "a constant": lambda x: Value(3.0) + 0 * w,
    "a constant and nothing else": lambda x: Value(3.0),
    "a number of constants": lambda x: Value(3.0).exp() * Value(2.0) + microbp.max(Value(1.0), Value(1.0)),
    "an input": lambda x: x[1],
    "a parameter": lambda x: w,
    "a sum with a parameter": lambda x: x[0] + w,
    "a difference from a parameter": lambda x: x[0] - w,
    "a parameter minus an input": lambda x: w - x[0],
    "two parameters": lambda x: w * v,
    "a sum of parameters": lambda x: w + v + w,
    "x + x": lambda x: (w * x[0]) + (w * x[0]),
    "x - x": lambda x: (w * x[0]) - (w * x[0]),
    "x * x": lambda x: (w * x[0]) * (w * x[0]),
    "x / x": lambda x: (w * x[0] + 9) / (w * x[0] + 9),
    "x ** x": lambda x: (w * x[0] + 9) ** (w * x[0] + 9),
    "w + w": lambda x: w + w + x[0],
    "w * w": lambda x: w * w * x[0],
    "w * w * w": lambda x: w * w * w * x[0] * x[0],
    "a parameter twice in one sum": lambda x: weighted_sum([w, w], x),
    "a parameter as weight and bias": lambda x: weighted_sum([w, w], x, w).tanh(),
    "an input twice in one sum": lambda x: weighted_sum([w, v], [x[0], x[0]]),
    "everything twice": lambda x: weighted_sum([w, w], [x[0], x[0]], w),
    "the same three times": lambda x: sum([w * x[0]] * 3),
    "the same three times, not alone": lambda x: sum([(w * x[0]).tanh()] * 3) * (w * x[0]).tanh(),
    "max of the same": lambda x: microbp.max([w * x[0]] * 3) + microbp.min([w, w]),
    "logsumexp of the same": lambda x: logsumexp([w * x[0]] * 3) + logsumexp([w, w]),
    "inputs, parameters and numbers": lambda x: (
        logsumexp([x[0], w, 1.0, x[1]]) + microbp.max(x[0], v, -5.0) + sum([x[0], w, 2.0, x[0], w])
    ),
    "weights that are numbers": lambda x: weighted_sum([2.0, w, -1.0, 1.0], [x[0], x[1], x[1], x[0]], 0.5),
    "inputs that are numbers": lambda x: weighted_sum([w, v], [2.0, x[0]], w),
    "only numbers": lambda x: weighted_sum([2.0, 2.0], [3.0, 3.0], 0.0) * w * x[0],
    "products of numbers": lambda x: (weighted_sum([2.0, 3.0], [4.0, 5.0]) + w) * x[0],
    "weights that are inputs": lambda x: weighted_sum(x, [w, v]) + weighted_sum(x, x),
    "signs": lambda x: -(-w * x[0] - (v - (x[1] - (2 - w * x[1])))) - 3,
    "inputs of units with signs": lambda x: (
        x[0] - weighted_sum([w, v], x, w) - (2 - weighted_sum([v, w], x, 0.5)) - weighted_sum([w], [v], x[0])
    ),
    "power 0": lambda x: (w * x[0]) ** 0 + w * x[0],
    "power 1": lambda x: (w * x[0]) ** 1,
    "power -1": lambda x: (w * x[0] + 9) ** -1,
    "power of a number": lambda x: Value(2.0) ** 3 * w * x[0],
    "zero times": lambda x: 0 * w * x[0] + x[1],
    "zero as a factor of everything": lambda x: (w * x[0]).tanh() * 0,
    "a slope that is 0": lambda x: ((w * x[0] - 100).relu() * v) + w,
    "one unit": lambda x: (w * x[0]).sigmoid() * v,
    "one input for several units": lambda x: ((w * x[0]).tanh() + (v * x[0]).tanh() + (3 * x[0]).tanh()) * w,
    "fixed inside": lambda x: w * Value(0.25) * x[0],
}


@pytest.mark.parametrize("name", CORNERS)
def test_a_corner_case(name: str) -> None:
    assert_agrees(CORNERS[name], X)
    program = assert_agrees(CORNERS[name], X, parameters=[v, fixed, w])
    assert program.parameters == [v, fixed, w] and program.value_and_grad(X)[1][1] == 0.0


@pytest.mark.parametrize("sign", [1, -1])
def test_what_bears_a_label_stands_for_itself_and_hands_on_its_gradient(sign: int) -> None:
    """A gradient that is one number for all samples, to one node from several, and to several."""

    def labelled(x):
        y = (w * x[0]).tanh()
        parts = [each + other if sign > 0 else each - other for each in (*x, y) for other in (w, y, v)]
        for k, part in enumerate(parts):
            part.label = f"u{k}"
        return sum(parts) / 4 - sum([p * w for p in parts[:2]])

    assert_agrees(labelled, X)
    assert_agrees(lambda x: sum([named(each + w) for each in x]), X)
    assert_agrees(lambda x: sum([named(each + w.exp()) for each in x]), X)
    assert_agrees(lambda x: sum([named(each + w.exp()) for each in x]) + w.exp().sin(), X)
    assert_agrees(lambda x: sum([named(each + (w * x[0]).exp()) for each in x]) + (w * x[0]).exp().sin(), X)
    assert_agrees(lambda x: sum([named(each + (w * x[0]).exp()) for each in (*x, 1.0)]), X)
    assert_agrees(
        lambda x: sum([named(w - each) for each in x]) + sum([named(v - each) for each in (w, v)]), X
    )


def named(node: Value) -> Value:
    node.label = "u"
    return node


def test_what_is_computed_twice_is_computed_once() -> None:
    def twice(x):
        return [(w * x[0] + v).tanh() * (v + x[0] * w).tanh(), (w * x[0] + v).tanh().exp()]

    program = compile(twice)
    np.testing.assert_allclose(program(X), oracle(twice, [X], []).outputs.T, rtol=1e-14)
    assert sorted(kinds(program)) == ["exp", "product", "product", "sum", "tanh"]


def test_a_sum_in_another_order_is_the_same_sum() -> None:
    def twice(x):
        a, b, c = x[0].sin(), x[1].sin(), x[0] * x[1]
        return (
            sum([a, b, c]) * w
            + sum([c, b, a]).exp()
            + weighted_sum([w, v], x) * weighted_sum([v, w], x[::-1])
        )

    program = assert_agrees(twice, X)
    assert [grids for kind, *grids in shapes(program) if kind == "sum"] == [[(3, 1)], [(3, 1)]]


def test_what_no_output_needs_is_not_computed() -> None:
    def with_dead_ends(x):
        (w * x[0]).exp().sin()
        softmax([x[0], x[1], w])
        return pick([(x[0] - w).tanh(), w * x[1], x[0] * x[1]], 1)

    assert kinds(assert_agrees(with_dead_ends, X)) == ["product"]


def test_one_of_several_by_an_index_that_is_a_number_of_the_sample_or_computed_from_it() -> None:
    W = matrix(4, 2, 1)
    classes = np.array([0, 1, 2, 1, 0])
    assert_agrees(lambda x, k: pick(times(W, x), 2) * pick(times(W, x), k).tanh(), X, classes)
    assert_agrees(lambda x, k: pick(times(W, x), k + 1) + pick(times(W, x), 2 - k), X, classes)
    assert_agrees(lambda x, k: pick([row[0] for row in W], k) * x[0], X, classes)  # an embedding
    assert_agrees(lambda x, k: pick([x[0], W[0][0], 1.0], k) + k * W[0][0], X, classes)


@pytest.mark.parametrize("places", [(0, 1, 2), (0, 2, 4), (0, 1, 3), (3, 1, 0), (2, 2, 2), (4, 3, 2)])
def test_several_indices_at_one_depth(places) -> None:
    W = matrix(3, 2, 1)
    classes = rng.integers(0, 3, size=(5, 5))

    def loss(x, k):
        return sum([cross_entropy([u * (2 + j) for u in times(W, x)], k[p]) for j, p in enumerate(places)])

    assert_agrees(loss, X, classes)
    assert_agrees(lambda x, k: loss(x, k) + k[0] * k[3] * W[0][0] + k[1] * W[0][1], X, classes)


def test_inputs_may_be_sequences_of_vectors_and_outputs_may_be_nested() -> None:
    def nested(xs, t):
        return [[x[0] * w + t, x[1] * v] for x in xs], (sum(xs[2]), [xs[0][0] * w, xs[1][1]])

    sequences = rng.normal(size=(5, 3, 2))
    program = assert_agrees(nested, sequences, Y)
    pairs, (total, two) = program(sequences, Y)
    assert pairs.shape == (5, 3, 2) and total.shape == (5,) and two.shape == (5, 2)
    np.testing.assert_allclose(pairs[:, 1, 0], sequences[:, 1, 0] * w.data + Y, rtol=1e-14)
    np.testing.assert_allclose(two[:, 1], sequences[:, 1, 1])


def test_lists_of_different_lengths_come_back_as_lists() -> None:
    ragged = compile(lambda x: [[x[0] * w], [x[0], x[1]], w * v])([[1.0, 2.0], [3.0, 4.0]])
    assert [np.shape(part) for part in ragged] == [(2, 1), (2, 2), (2,)]
    assert ragged[1].tolist() == [[1.0, 2.0], [3.0, 4.0]] and ragged[2].tolist() == [w.data * v.data] * 2


def test_parameters_that_are_not_chosen_are_read_and_not_trained() -> None:
    network = MLP(2, [3, 1], seed=1)
    chosen = [network[1][0].bias, network[0][1].weights[1], Value(7.0)]

    def loss(x, t):
        return squared_error(network(x), t)

    program = assert_agrees(loss, X, Y, parameters=chosen)
    assert program.parameters == chosen and program.value_and_grad(X, Y)[1][2] == 0.0
    network[0][0].weights[0].data += 1.0
    before = [p.grad for p in network.parameters() if p not in chosen]
    expected = oracle(loss, (X, Y), chosen)
    loss_now, gradient = program.value_and_grad(X, Y)
    assert loss_now == pytest.approx(expected.outputs[0].mean(), rel=1e-12)
    assert_close(gradient, expected.gradient / 5, expected.bounds)
    assert [p.grad for p in network.parameters() if p not in chosen] == before


def test_the_gradient_has_the_order_of_the_parameters_however_they_are_laid_out() -> None:
    biases, late, W = matrix(1, 4, 1)[0], Value(0.3), matrix(2, 4, 2)  # W[i][k] leads from i to k
    columns = [list(column) for column in zip(*W)]

    def loss(x):
        return sum([(u * late).tanh() for u in [weighted_sum(c, x, b) for c, b in zip(columns, biases)]])

    program = assert_agrees(loss, X)
    assert program.parameters == [*biases, late, *W[0], *W[1]]  # as they were made
    backwards = list(reversed(program.parameters))
    assert assert_agrees(loss, X, parameters=backwards).parameters == backwards


def test_mean_is_the_default_and_the_sum_is_as_many_times_as_much() -> None:
    program = compile(lambda x, t: (w * x[0] - t) ** 2)
    mean, total = program.value_and_grad(X, Y), program.value_and_grad(X, Y, reduction="sum")
    assert mean == program.value_and_grad(X, Y, reduction="mean")
    assert total[0] == pytest.approx(5 * mean[0], rel=1e-15)
    np.testing.assert_allclose(total[1], 5 * mean[1], rtol=1e-15)


# Random graphs.


def batch_for(recipe: Recipe, seed: int, size: int = 3) -> tuple[list[Value], np.ndarray, np.ndarray]:
    own = np.random.default_rng(seed)
    parameters = [Value(n, f"w{i}") for i, n in enumerate(recipe.numbers)]
    return parameters, own.uniform(-1.5, 1.5, (size, recipe.n_inputs)), own.integers(0, 3, (size, 4))


@settings(checked, max_examples=500)
@given(recipes(), st.integers(0, 2**32 - 1))
def test_random_layers_that_share_what_they_can(recipe: Recipe, seed: int) -> None:
    parameters, xs, places = batch_for(recipe, seed)
    assert_agrees(recipe.function(parameters), xs, places)


@settings(checked, max_examples=150)
@given(recipes(), st.integers(0, 2**32 - 1), st.data())
def test_random_layers_of_which_some_parameters_are_trained(
    recipe: Recipe, seed: int, data: st.DataObject
) -> None:
    parameters, xs, places = batch_for(recipe, seed)
    chosen = data.draw(st.lists(st.sampled_from(parameters), unique=True))
    assert_agrees(recipe.function(parameters), xs, places, parameters=chosen)


@settings(checked, max_examples=250)
@given(programs(), st.lists(st.sampled_from("iip"), min_size=4, max_size=4), st.data())
def test_random_graphs_of_every_operation(drawn, kinds: list[str], data: st.DataObject) -> None:
    """Leaves are inputs or parameters; a constant is among the numbers too."""
    program, numbers = drawn
    kinds = kinds[: len(numbers)]
    parameters = [Value(n) for n, kind in zip(numbers, kinds) if kind == "p"]
    others = st.lists(st.floats(-2, 2), min_size=len(numbers), max_size=len(numbers))
    batch = [numbers, *data.draw(st.lists(others, max_size=3))]

    def graph(x):
        inputs, own = iter(x), iter(parameters)
        leaves = [next(inputs) if kind == "i" else next(own) for kind in kinds]
        return program.run(VALUES, leaves) + 0 * x[-1]

    samples = [[n for n, kind in zip(row, kinds) if kind == "i"] + [0.5] for row in batch]
    for row in samples:
        try:
            output = graph([Value(n) for n in row])
        except OverflowError:  # what was drawn back for the first numbers need not be small for others
            assume(False)
        assume(abs(output.data) < 1e6 and closest_kink(output) > 1e-9)
    assert_agrees(graph, samples)


@pytest.mark.parametrize("name", OPERATIONS)
def test_one_operation_on_every_kind_of_operand(name: str) -> None:
    """Of the sample or not, in all combinations, several at once."""
    xs = rng.uniform(-1.5, 1.5, size=(4, 6))
    for pattern in product([True, False], repeat=3):
        parameters = [Value(n) for n in (0.7, -0.4, 1.3, -1.2, 0.2, 0.9)]

        def graph(x):
            mixed = [
                [x[i + j] if own else parameters[i + j] for i, own in zip((0, 2, 4), pattern)]  # noqa: B023
                for j in (0, 1)
            ]
            first, second = (Step(name, [0, 1, 2]).run(VALUES, leaves) for leaves in mixed)
            return first * 2 + second + 0 * x[0]

        assert_agrees(graph, xs)
