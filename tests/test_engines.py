"""fit compiled and fit node by node: the same numbers, the same errors, and who takes over when."""

import copy
import math
import pickle
import subprocess
import sys
import warnings
from random import Random

import pytest

from microbp import (
    MLP,
    SGD,
    Adam,
    Unit,
    Value,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    fit,
    mean_absolute_error,
    mean_squared_error,
    relu,
    squared_error,
)
from microbp.datasets import moons
from microbp.optim import Optimizer

X, Y = moons(30, seed=3)
CLASSES = [[1.0, 0.0, 0.0] if x1 < 0.0 else [0.0, 1.0, 0.0] if x1 < 1.0 else [0.0, 0.0, 1.0] for x1, _ in X]


def trained(engine, network, *data, epochs=100, **options):
    """A training of a copy of the network: its losses, and the parameters after it."""
    twin = copy.deepcopy(network)
    history = fit(twin, *data, epochs=epochs, progress=False, engine=engine, **options)
    return history, [p.data for p in twin.parameters()], [p.grad for p in twin.parameters()]


def assert_equal_trainings(network, *data, **options):
    compiled = trained("compiled", network, *data, **copy.deepcopy(options))
    eager = trained("eager", network, *data, **copy.deepcopy(options))
    assert compiled[0].loss == pytest.approx(eager[0].loss, rel=1e-9)
    assert compiled[0].validation_loss == pytest.approx(eager[0].validation_loss, rel=1e-9)
    assert compiled[1] == pytest.approx(eager[1], rel=1e-7, abs=1e-9)
    assert compiled[2] == pytest.approx(eager[2], rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("optimizer", [SGD(0.3), SGD(0.1, 0.9), SGD(0.2, 0.5, 0.01), Adam(0.02)], ids=repr)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_losses_are_the_same_for_a_hundred_epochs(optimizer, reduction):
    if reduction == "sum":
        optimizer = copy.deepcopy(optimizer)
        optimizer.lr /= len(X)
    assert_equal_trainings(MLP(2, [4, 3, 1], seed=1), X, Y, optimizer=optimizer, reduction=reduction)


@pytest.mark.parametrize(
    ("network", "loss", "targets"),
    [
        (MLP(2, [4, 1], "tanh", seed=1), squared_error, Y),
        (MLP(2, [4, 1], "relu", output_activation="linear", seed=1), mean_absolute_error, Y),
        (MLP(2, [4, 3], "tanh", seed=1, expanded=True), mean_squared_error, CLASSES),
        (MLP(2, [4, 1], seed=1), binary_cross_entropy, Y),
        (MLP(2, [4, 1], output_activation="linear", seed=1), binary_cross_entropy_with_logits, Y),
        (MLP(2, [4, 3], output_activation="linear", seed=1), cross_entropy, [t.index(1.0) for t in CLASSES]),
        (MLP(2, [4, 3], output_activation="linear", bias=False, seed=1), cross_entropy, CLASSES),
        (Unit(2, lambda u: u.softplus().sin(), seed=1), squared_error, Y),
    ],
)
def test_whatever_the_loss_and_the_activation(network, loss, targets):
    assert_equal_trainings(network, X, targets, loss, optimizer=SGD(0.1))


def test_batches_are_drawn_alike_and_held_out_samples_are_measured_alike():
    options = {"batch_size": 7, "seed": 5, "validation": (X[:9], Y[:9]), "epochs": 20}
    assert_equal_trainings(MLP(2, [3, 1], seed=2), X[9:], Y[9:], optimizer=Adam(0.05), **options)


def test_some_parameters_only():
    def first_layer_only(engine):
        network = MLP(2, [3, 1], seed=2)
        fit(network, X, Y, parameters=network[0].parameters(), epochs=9, progress=False, engine=engine)
        return [p.data for p in network.parameters()]

    fresh = [p.data for p in MLP(2, [3, 1], seed=2).parameters()]
    assert first_layer_only("compiled") == pytest.approx(first_layer_only("eager"), rel=1e-12)
    assert first_layer_only("compiled")[9:] == fresh[9:]


def test_recording_stopping_and_looking_on_are_not_in_the_way():
    seen = {"compiled": [], "eager": []}

    def stop(network, engine):
        def look(history):
            seen[engine].append(network[0][0].weights[0].data)
            return history.epochs == 6

        return look

    for engine in seen:
        network = MLP(2, [2, 1], seed=0)
        history = fit(network, X, Y, stop_when=stop(network, engine), record=2, progress=False, engine=engine)
        assert [epoch for epoch, _ in history.record.snapshots] == [0, 2, 4, 6]
        assert list(history.record.snapshots[-1].numbers) == [p.data for p in network.parameters()]
    assert seen["compiled"] == pytest.approx(seen["eager"], rel=1e-12)
    assert len(set(seen["compiled"])) == 6


def test_an_optimizer_goes_on_from_one_engine_to_the_other():
    def twice(engines):
        network, optimizer = MLP(2, [3, 1], seed=0), Adam(0.05)
        for engine in engines:
            fit(network, X, Y, optimizer=optimizer, epochs=5, progress=False, engine=engine)
        return [p.data for p in network.parameters()]

    expected = twice(["eager", "eager"])
    for engines in (["compiled", "compiled"], ["compiled", "eager"], ["eager", "compiled"]):
        assert twice(engines) == pytest.approx(expected, rel=1e-9)


def test_an_optimizer_of_ones_own_needs_to_know_nothing_of_arrays():
    class Signs(Optimizer):
        def change(self, data, grad, memory):
            return (-0.01 if grad > 0.0 else 0.01), None

    class Halves:
        def step(self, parameters):
            for parameter in parameters:
                parameter.data *= 0.5

    for optimizer in (Signs(), Halves()):
        assert_equal_trainings(MLP(2, [3, 1], seed=0), X, Y, optimizer=optimizer, epochs=10)


def test_units_keep_what_they_were_in_the_last_eager_pass():
    network = MLP(2, [3, 1], seed=0)
    E = squared_error(network(X[0]), Y[0])
    E.backward()
    u, delta = network[0][0].u, network[0][0].delta
    fit(network, X, Y, epochs=3, progress=False)
    assert network[0][0].u is u and network[0][0].delta == delta
    fit(network, X, Y, epochs=1, progress=False, engine="eager")
    assert network[0][0].u is not u


def branching(x):
    w = WEIGHT
    return w * x if x.data > 0.0 else -w * x


WEIGHT = Value(0.5, "w")


class Dropout:
    """A network that leaves out an input by chance."""

    def __init__(self):
        self.inner, self.random = MLP(3, [1], seed=0), Random(1)

    def parameters(self):
        return self.inner.parameters()

    def __call__(self, x):
        return self.inner([x1 if self.random.random() < 0.5 else 0.0 for x1 in x])


def ragged(x):
    return WEIGHT * sum(x)


@pytest.mark.parametrize(
    ("network", "samples", "reason"),
    [
        (lambda x: relu(WEIGHT * x) if x > 0.5 else WEIGHT * x, [1.0, -1.0], "'x' has no number while"),
        (
            lambda x: branching(x if isinstance(x, Value) else Value(x)),
            [1.0, -1.0],
            "'x' has no number while",
        ),
        (lambda x: WEIGHT * math.tanh(x), [1.0, -1.0], "'x' has no number while"),
        (Dropout(), [[1.0, 2.0, 3.0], [0.5, 0.0, 1.0]], "did not compute the same graph"),
        (ragged, [[1.0, 2.0], [3.0]], "sample 1 is of 2 numbers and sample 2 of 1 number"),
    ],
    ids=["branch", "branch on .data", "math", "random", "ragged"],
)
def test_what_cannot_be_compiled_is_trained_node_by_node_and_said_once(network, samples, reason):
    options = {"parameters": [WEIGHT]} if not isinstance(network, Dropout) else {}
    with pytest.warns(UserWarning, match=f"fit goes on with the eager engine.*{reason}") as told:
        history = fit(network, samples, [1.0, 0.0], epochs=5, progress=False, **options)
    assert len(told) == 1 and told[0].filename == __file__
    assert history.epochs == 5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(network, samples, [1.0, 0.0], epochs=2, progress=False, engine="eager", **options)


def test_without_numpy_it_is_trained_node_by_node():
    program = (
        "import sys, warnings; sys.modules['numpy'] = None\n"
        "from microbp import MLP, fit\n"
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        "    print(fit(MLP(2, [1], seed=0), [[0, 1], [1, 0]], [0, 1], epochs=3, progress=False).epochs)\n"
        "print(len(told), 'numpy' in str(told[0].message))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["3", "1", "True"]


def test_what_is_wrong_in_both_engines_is_told_without_a_warning():
    with pytest.raises(ValueError, match=r"epoch 1, sample 1: MLP\(3.*takes 3 inputs, and 2 came"):
        fit(MLP(3, [1], seed=0), X, Y, progress=False)
    with pytest.raises(
        ValueError, match=r"epoch 1, sample 2: a target of cross-entropy is a probability .*not 2"
    ):
        fit(MLP(2, [1], seed=0), X[:3], [1.0, 2.0, 0.0], binary_cross_entropy, progress=False)
    with pytest.raises(IndexError, match="epoch 1, sample 3: cross_entropy: there is no class 5"):
        fit(MLP(2, [3], seed=0), X[:3], [0, 1, 5], cross_entropy, progress=False)


def test_the_engine_is_one_of_two():
    with pytest.raises(ValueError, match="engine is 'compiled' or 'eager', not 'fast'"):
        fit(MLP(2, [1], seed=0), X, Y, engine="fast")


def test_targets_that_are_reached_exactly_are_left_out_as_the_eager_engine_leaves_them_out():
    def saturated(engine):
        unit = Unit(1, seed=0)
        unit.weights[0].data, unit.bias.data = 60.0, 0.1
        history = fit(
            unit, [1.0, -1.0], [1.0, 0.0], binary_cross_entropy, epochs=3, progress=False, engine=engine
        )
        return history.loss, [p.data for p in unit.parameters()]

    assert saturated("compiled") == saturated("eager")


@pytest.mark.parametrize("engine", ["compiled", "eager"])
def test_errors_on_the_way_name_epoch_sample_and_node_and_change_nothing(engine):
    w = Value(1.0, "w")
    options = {"parameters": [w], "progress": False, "engine": engine}
    with pytest.raises(ValueError, match=r"epoch 1, sample 2: log of -2.0 .*: it needs x > 0"):
        fit(lambda x: (w * x).log(), [1.0, -2.0], [0.0, 0.0], **options)
    with pytest.raises(OverflowError, match=r"epoch 1, sample 1: exp of 1000\.0"):
        fit(lambda x: (w * x).exp(), [1000.0], [0.0], **options)
    with pytest.raises(FloatingPointError, match="epoch 1, sample 2: the gradient of w is"):
        fit(lambda x: (w * x).sqrt(), [1.0, 0.0], [2.0, 2.0], **options)
    assert w.data == 1.0
    with pytest.raises(FloatingPointError, match=r"the step would make w = .*no parameter was changed"):
        fit(
            lambda x: w * x,
            [1e200],
            [1e-200],
            loss=lambda y, t: y * t * 1e300,
            optimizer=SGD(1e10),
            **options,
        )
    assert w.data == 1.0


def test_ctrl_c_between_the_steps_keeps_what_was_learned():
    network, twin = MLP(2, [2, 1], seed=0), MLP(2, [2, 1], seed=0)

    def interrupt(history):
        if history.epochs == 3:
            raise KeyboardInterrupt
        return False

    history = fit(network, X, Y, epochs=50, stop_when=interrupt, progress=False)
    assert history.ended == "interrupted" and history.epochs == 3
    fit(twin, X, Y, epochs=3, progress=False)
    assert [p.data for p in network.parameters()] == [p.data for p in twin.parameters()]


def test_ctrl_c_while_the_network_is_traced_ends_in_peace():
    def interrupted(y, t):
        raise KeyboardInterrupt

    network = MLP(2, [2, 1], seed=0)
    before = [p.data for p in network.parameters()]
    assert fit(network, X, Y, interrupted, progress=False).ended == "interrupted"
    assert [p.data for p in network.parameters()] == before


def test_a_network_can_be_copied_pickled_and_used_right_after():
    network = MLP(2, [2, 1], seed=0)
    fit(network, X, Y, epochs=3, progress=False)
    for same in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert [p.data for p in same.parameters()] == [p.data for p in network.parameters()]
        assert all(type(p) is Value for p in same.parameters())
    fit(network, X, Y, epochs=3, progress=False)
    text = repr(network[0][0].weights[0])
    assert text.startswith("Value(") and f"{network[0][0].weights[0]:.2f}" in text
