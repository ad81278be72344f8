"""The structure that compile finds: matrices as views, steps done once, no memory taken, no recursion."""

import gc
import sys
import tracemalloc

import numpy as np
import pytest
from compiling import calls, executor, is_view, kinds, matrix, oracle, shapes, times, weights

import microbp
from microbp import (
    MLP,
    SGD,
    Adam,
    Value,
    compile,
    cross_entropy,
    logsumexp,
    mean_squared_error,
    softmax,
    squared_error,
    sum,
    weighted_sum,
)

GATHERS = {"take", "__setitem__", "reduceat", "copyto", "_copy_result"}


def program_of(network, loss=squared_error, example=None):
    n = len(network[-1])
    target = [0.0] * n if n > 1 and loss is not cross_entropy else 0.0
    return compile(lambda x, t: loss(network(x), t), example=([0.1] * network.n_inputs, target))


# Steps.


@pytest.mark.parametrize("expanded", [False, True], ids=["units", "expanded units"])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_a_network_is_a_matrix_and_a_map_for_each_layer(activation: str, expanded: bool) -> None:
    program = program_of(MLP(2, [16, 8, 1], activation, expanded=expanded, seed=1))
    assert shapes(program) == [
        ("matrix", (1, 2), (1, 16, 2), (1, 16)),
        (activation, (16,)),
        ("matrix", (1, 16), (1, 8, 16), (1, 8)),
        (activation, (8,)),
        ("matrix", (1, 8), (1, 1, 8), (1, 1)),
        (activation, (1,)),
        ("difference", (1,), (1,)),
        ("power", (1,)),
    ]


def test_without_biases_there_are_none() -> None:
    assert shapes(program_of(MLP(3, [4, 1], "tanh", bias=False, seed=1)))[:3] == [
        ("matrix", (1, 3), (1, 4, 3)),
        ("tanh", (4,)),
        ("matrix", (1, 4), (1, 1, 4)),
    ]


def test_one_input_and_one_unit_are_still_products() -> None:
    wide = program_of(MLP(1, [4, 1], "tanh", seed=1))
    assert shapes(wide)[0] == ("matrix", (1, 1), (1, 4, 1), (1, 4))
    narrow = program_of(MLP(1, [1, 1], "tanh", bias=False, seed=1))
    assert kinds(narrow)[:2] == ["product", "tanh"]


@pytest.mark.parametrize("unit", [lambda w, x, b: b + total(a * c for a, c in zip(w, x)), weighted_sum])
def test_a_loop_of_products_is_the_same_matrix(unit) -> None:
    W, b = matrix(4, 3, 1), matrix(1, 4, 2)[0]
    program = compile(lambda x: [unit(w, x, c) for w, c in zip(W, b)], example=([0.0] * 3,))
    assert shapes(program) == [("matrix", (1, 3), (1, 4, 3), (1, 4))]


def total(terms):
    found = 0
    for term in terms:
        found = found + term
    return found


def test_losses_of_several_outputs_are_reductions() -> None:
    network = MLP(2, [5], "linear", seed=1)
    assert shapes(program_of(network, mean_squared_error))[1:] == [
        ("difference", (5,), (5,)),
        ("power", (5,)),
        ("sum", (5, 1)),
        ("quotient", (1,), (1,)),
    ]
    assert shapes(program_of(network, cross_entropy))[1:] == [
        ("equal", (5,), (5,)),
        ("cross_entropy", (5, 1), (5, 1)),
    ]


def test_softmax_max_and_means_are_reductions_and_maps() -> None:
    W = matrix(4, 2, 1)
    program = compile(lambda x: [*softmax(times(W, x)), microbp.max(times(W, x)), sum(times(W, x)) / 4])
    program([[0.1, 0.2]])
    assert sorted(shapes(program)) == [
        ("difference", (4,), (4,)),
        ("exp", (4,)),
        ("logsumexp", (4, 1)),
        ("matrix", (1, 2), (1, 4, 2)),
        ("max", (4, 1)),
        ("quotient", (1,), (1,)),
        ("sum", (4, 1)),
    ]


def test_equal_operations_at_one_depth_are_one() -> None:
    w = Value(2.0)
    program = compile(
        lambda x: sum([(each * w).sin() * (each + 3).exp() for each in x]), example=([0.0] * 7,)
    )
    assert sorted(shapes(program)) == [
        ("dot", (7, 1), (7, 1)),
        ("exp", (7,)),
        ("product", (7,), (7,)),
        ("sin", (7,)),
        ("sum", (7,), (7,)),
    ]


def test_attention_is_stacks_of_products_and_no_more_steps_for_a_longer_sequence() -> None:
    query, key, value = matrix(2, 3, 1), matrix(2, 3, 2), matrix(2, 3, 3)

    def attention(xs):
        qs, ks, vs = ([weighted_sum(w, x) for x in xs for w in W] for W in (query, key, value))
        qs, ks, vs = (list(zip(flat[::2], flat[1::2])) for flat in (qs, ks, vs))
        shares = [softmax([q[0] * k[0] + q[1] * k[1] for k in ks]) for q in qs]
        return sum([total(p * v[d] for p, v in zip(row, vs)) ** 2 for row in shares for d in (0, 1)])

    short, long = (compile(attention, example=([[0.1] * 3] * n,)) for n in (3, 9))
    assert kinds(short) == kinds(long)
    assert shapes(long)[0] == ("matrix", (9, 3), (9, 6, 3))
    assert ("dot", (2, 81), (2, 81)) in shapes(long) and ("dot", (9, 18), (9, 18)) in shapes(long)


def test_what_depends_on_parameters_alone_is_a_step_for_the_batch_and_not_for_each_sample() -> None:
    W = matrix(3, 2, 1)
    norms = [sum([w * w for w in row]).sqrt() for row in W]
    program = compile(lambda x: sum([u / n for u, n in zip(times(W, x), norms)]), example=([0.0, 0.0],))
    alone = [step for step in program._made.plan.steps if not step.of_sample]
    assert [step.kind for step in alone] == ["dot", "map"] and alone[0].operands[0].shape == (2, 3)
    assert kinds(program) == ["matrix", "quotient", "sum"]
    for samples in (3, 3000):
        forward = executor(program, samples)._forward
        assert len(forward.of_shared) == 4  # two for the dots, two for the roots
        arguments = [a for _, each in forward.of_shared for a in each if isinstance(a, np.ndarray)]
        assert max(a.size for a in arguments) <= 6


# Views.

NETWORKS = {
    "MLP": lambda: program_of(MLP(2, [16, 16, 1], "tanh", seed=1)),
    "sigmoid": lambda: program_of(MLP(2, [16, 16, 1], "sigmoid", seed=1)),
    "relu": lambda: program_of(MLP(2, [16, 16, 1], "relu", seed=1)),
    "expanded": lambda: program_of(MLP(2, [16, 16, 1], "tanh", expanded=True, seed=1)),
    "without biases": lambda: program_of(MLP(2, [16, 16, 1], "tanh", bias=False, seed=1)),
    "several outputs": lambda: program_of(MLP(3, [8, 4], "sigmoid", seed=1)),
    "classifier": lambda: program_of(MLP(4, [16, 3], "tanh", "linear", seed=1), cross_entropy),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_matrices_of_a_network_are_views_of_its_parameters(name: str) -> None:
    program = NETWORKS[name]()
    found = calls(program)
    assert not set(found) & GATHERS
    assert all(is_view(W, program) for W in weights(program))
    assert program._made.layout.parameters == list(range(len(program.parameters)))  # as they were made


def test_both_passes_of_a_network_are_the_calls_that_one_writes_by_hand() -> None:
    assert calls(NETWORKS["MLP"]()) == [
        *["dot", "tanh", "dot", "tanh", "dot", "tanh", "subtract", "multiply"],  # forward, to (z - t)^2
        *["multiply"],  # 2 (z - t), divided by the number of samples
        *[
            "multiply",
            "subtract",
            "multiply",
            "dot",
            "dot",
        ],  # delta = dE/dz (1 - z^2), dE/dz of the layer, dE/dW
        *["multiply", "subtract", "multiply", "dot", "dot"],
        *["multiply", "subtract", "multiply", "dot"],
    ]


def test_the_gradients_of_a_matrix_and_its_biases_are_written_where_they_belong() -> None:
    program = NETWORKS["MLP"]()
    backward = executor(program).prepare_backward()
    products = [arguments for function, arguments in backward.calls.list if function is np.dot]
    into = [out for _, _, out in products if np.shares_memory(out, backward.of_parameters)]
    assert [out.shape for out in into] == [(1, 17), (16, 17), (16, 3)]


ORDERS = {
    "biases first": lambda: (matrix(1, 4, 1)[0], matrix(4, 3, 2)),
    "weights first": lambda: (lambda W, b: (b, W))(matrix(4, 3, 2), matrix(1, 4, 1)[0]),
    "transposed": lambda: (matrix(1, 4, 1)[0], [list(column) for column in zip(*matrix(3, 4, 2))]),
    "each bias before its weights": lambda: (
        lambda rows: ([row[0] for row in rows], [row[1:] for row in rows])
    )(matrix(4, 4, 1)),
    "units in reverse": lambda: (matrix(1, 4, 1)[0][::-1], matrix(4, 3, 2)[::-1]),
    "weights in reverse": lambda: (matrix(1, 4, 1)[0], [row[::-1] for row in matrix(4, 3, 2)]),
    "shuffled": lambda: shuffled(4, 3),
}


def shuffled(rows: int, columns: int):
    values = matrix(1, rows * (columns + 1), 1)[0]
    order = np.random.default_rng(0).permutation(len(values)).reshape(rows, columns + 1)
    return [values[row[0]] for row in order], [[values[i] for i in row[1:]] for row in order]


@pytest.mark.parametrize("name", ORDERS)
def test_parameters_are_laid_out_regularly_whatever_the_order_they_were_made_in(name: str) -> None:
    biases, W = ORDERS[name]()

    def loss(x):
        return sum([weighted_sum(w, x, b).tanh() for w, b in zip(W, biases)])

    program = compile(loss, example=([0.1] * 3,))
    assert "take" not in calls(program)
    assert all(is_view(W, program) for W in weights(program))
    X = np.random.default_rng(0).normal(size=(5, 3))
    _, gradient = program.value_and_grad(X)
    np.testing.assert_allclose(gradient, oracle(loss, [X], program.parameters).gradient / 5, rtol=1e-12)
    assert program.parameters == sorted(program.parameters, key=lambda p: p.birth)


def test_a_matrix_and_its_transpose_are_two_views_of_the_same_numbers() -> None:
    W = matrix(5, 3, 1)
    program = compile(lambda x: squared_error(times(list(zip(*W)), times(W, x)), x), example=([0.1] * 3,))
    first, second = weights(program)
    assert np.array_equal(first, second.T) and np.shares_memory(first, second)
    assert "take" not in calls(program)


def test_the_same_weights_over_windows_are_one_view() -> None:
    W = matrix(2, 3, 1)

    def convolution(x):
        return sum([weighted_sum(w, x[i : i + 3]).tanh() for i in range(4) for w in W])

    program = compile(convolution, example=([0.1] * 6,))
    assert "take" not in calls(program)
    [product] = executor(program)._forward.products.values()
    assert product.W.shape == (2, 3) and product.X.shape == (4, 3, 5)
    assert np.shares_memory(product.X, executor(program)._forward.own)  # overlapping windows, and no copies


# Memory.


def peak_of(run) -> int:
    """How many bytes `run` takes at most beyond what is there already, NumPy's arrays included."""
    run()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


SAMPLES = 50_000
A_LITTLE = SAMPLES * 8 * 2 / 3  # less than one node has for all samples; NumPy 1.26 has buffers of 64 KB


def busy_loss(x, t, w=matrix(8, 4, 1), v=matrix(3, 8, 2)):  # noqa: B008
    """A loss with every kind of step, and operands that have to be gathered and scattered."""
    z = [u.tanh() for u in times(w, x)]
    mixed = [
        z[0] * z[3],
        z[1] * z[2],
        z[7] ** 3,
        (z[2] + 2) ** z[5],
        z[4] / 3,
        2.5 ** z[6],
        abs(z[1]),
        z[0].softplus(),
    ]
    shares = softmax(times(v, [z[3], z[0], z[1], *mixed[:5]]))
    dots = sum([a * b for a, b in zip(mixed, reversed(z))])
    kinks = microbp.max(mixed[:3]) + microbp.min(z[2:5]) + logsumexp([z[1], mixed[4], z[6]]) + z[3].relu()
    return (sum(shares[:2]) + dots + kinks - t) ** 2 + 0.1 * sum([p * p for row in w for p in row])


def network_loss(activation):
    network = MLP(4, [16, 16, 1], activation, seed=1)
    return lambda x, t: squared_error(network(x), t)


def classifier_loss(x, t, network=MLP(4, [16, 3], "relu", "linear", seed=1)):  # noqa: B008
    return cross_entropy(network(x), t)


def recurrent_loss(x, t, W=matrix(4, 5, 1)):  # noqa: B008
    h = [0.0] * 4
    for each in x:
        h = [weighted_sum(w, [each, *h]).tanh() for w in W]
    return squared_error(sum(h), t)


LOSSES = {
    "sigmoid": network_loss("sigmoid"),
    "tanh": network_loss("tanh"),
    "relu": network_loss("relu"),
    "classifier": classifier_loss,
    "recurrent": recurrent_loss,
    "busy": busy_loss,
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_takes_no_memory_that_grows_with_the_batch(name: str) -> None:
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(SAMPLES, 4)), rng.integers(0, 3, SAMPLES)
    program = compile(LOSSES[name])
    program.value_and_grad(X, T)
    made = executor(program, SAMPLES)
    assert made.batch is not None
    assert peak_of(lambda: made.run(backward=True)) < A_LITTLE
    for optimizer in (SGD(1e-6), SGD(1e-6, momentum=0.9), Adam(1e-6)):
        step = program._made.step
        program._made.memory.hold()
        assert peak_of(lambda: step(optimizer, made)) < A_LITTLE  # noqa: B023
    arguments = X.nbytes + T.astype(float).nbytes
    assert peak_of(lambda: program.train(X, T, SGD(1e-6), 10)) < 3 * arguments + A_LITTLE


def test_the_memory_for_a_sample_is_told_and_is_what_the_nodes_need() -> None:
    program = program_of(MLP(2, [16, 16, 1], "tanh", seed=1))
    told = program.bytes_per_sample
    nodes = 3 + 2 * (16 + 16 + 1) + 2
    assert 8 * nodes <= told <= 4 * 8 * nodes
    made = executor(program, 1000)
    made.load(np.zeros((3, 1000)))
    assert abs(made.nbytes - 1000 * told) < 2000


def test_arrays_are_kept_for_a_few_sizes_of_batches_only() -> None:
    program = program_of(MLP(2, [3, 1], seed=1))
    for size in range(1, 20):
        program.value_and_grad(np.zeros((size, 2)), np.zeros(size))
    assert len(program._made._executors) <= 4
    kept = executor(program, 19)
    program.value_and_grad(np.zeros((19, 2)), np.zeros(19))
    assert executor(program, 19) is kept


# Growth.


def unrolled(n: int):
    w, v = Value(0.9), Value(0.1)

    def recurrence(x):
        for _ in range(n // 4):
            x = (x * w + v).sin() * 0.5
        return x

    return compile(recurrence, example=(0.5,))


def edges(program) -> int:
    return int(np.sum([grid.size for step in program._made.plan.steps for grid in step.operands]))


def test_a_graph_ten_times_as_long_has_ten_times_as_many_steps_and_calls() -> None:
    short, long = unrolled(1000), unrolled(10_000)
    for count in (
        lambda p: len(p._made.plan.steps),
        lambda p: len(calls(p)),
        lambda p: p._made.plan.size,
        edges,
    ):
        assert 9 < count(long) / count(short) < 11
    assert long._made.plan.recorded_operations == 10_000
    assert len(calls(long)) < 5 * 10_000


def test_a_network_ten_times_as_wide_has_the_same_calls() -> None:
    assert calls(program_of(MLP(3, [10, 1], "tanh", seed=1))) == calls(
        program_of(MLP(3, [100, 1], "tanh", seed=1))
    )


def test_ten_times_as_many_branches_have_the_same_number_of_calls() -> None:
    def branches(n):
        return compile(
            lambda x: sum([(w * x).sin() * (x + v).exp() for w, v in zip(*matrix(2, n, 1))]), example=(0.1,)
        )

    assert len(calls(branches(10))) == len(calls(branches(100)))


@pytest.fixture
def shallow_stack():
    """A recursion limit that a recursion over a graph would soon reach."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(400)
    yield
    sys.setrecursionlimit(before)


def test_a_very_long_chain_needs_no_recursion(shallow_stack) -> None:
    a, b = Value(0.999, "a"), Value(0.001, "b")

    def chain(x):
        for k in range(10_000):
            x = (x * a + b) if k % 2 else x.sin() + x
        return x * 1e-3

    program = compile(chain)
    loss, gradient = program.value_and_grad([0.001, 0.002], reduction="sum")
    assert program._made.plan.recorded_operations == 20_001
    expected = oracle(chain, [[0.001, 0.002]], [a, b])
    assert loss == pytest.approx(expected.outputs.sum(), rel=1e-9)
    np.testing.assert_allclose(gradient, expected.gradient, rtol=1e-9)


def test_a_sum_of_very_many_terms_written_as_a_loop_needs_no_recursion(shallow_stack) -> None:
    values = [Value(0.001 * k) for k in range(5_000)]

    def long_sum(x):
        found = x * 0
        for k, w in enumerate(values):
            found = found + w * x if k % 3 else found - w * x
        return found

    program = compile(long_sum, example=(1.0,))
    signs = np.where(np.arange(5_000) % 3, 1.0, -1.0)
    loss, gradient = program.value_and_grad([2.0])
    assert loss == pytest.approx(2 * (signs @ [w.data for w in values]), rel=1e-12)
    np.testing.assert_allclose(gradient, 2 * signs)
    assert len(calls(program)) < 20
