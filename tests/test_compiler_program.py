"""Programs keep their word: clear errors, nothing lost, parameters right whenever they are looked at."""

import copy
import gc
import math
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
from compiling import assert_agrees, executor, matrix, oracle, times

import microbp
from microbp import (
    MLP,
    SGD,
    Adam,
    Value,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    compile,
    cross_entropy,
    pick,
    squared_error,
    weighted_sum,
)
from microbp.optim import Optimizer

rng = np.random.default_rng(0)
X = rng.uniform(-1.5, 1.5, size=(6, 2))
Y = rng.uniform(0.1, 0.9, size=6)


def network_and_program(*sizes: int, **options: Any):
    network = MLP(2, list(sizes) or [3, 1], **{"seed": 1, **options})
    return network, compile(lambda x, t: squared_error(network(x), t))


def numbers(network) -> list[float]:
    return [p.data for p in network.parameters()]


def slopes(network) -> list[float]:
    return [p.grad for p in network.parameters()]


# Errors: what is refused, and what the message says.

w = Value(0.5, "w")


def branches(x):
    return w * x if x > 0 else -w * x


def asks_for_data(x):
    return w * x.data


def asks_for_truth(x):
    return w * x if x * w else w


def asks_for_a_float(x):
    return w * math.exp(x)


def asks_for_an_inner_number(x):
    z = w * x
    z.label = "z"
    return z * z.data


def random_graph(x):
    return w * x * random.random()


def random_wiring(x):
    return w * x if random.getrandbits(64) % 2**63 < next(ALTERNATING) else w + x


ALTERNATING = iter([2**63, -1] * 50)


def returns_a_number(x):
    return 3.0


def returns_nothing(x):
    w * x


def returns_an_empty_list(x):
    return []


def of_two(x, t):
    return (w * x - t) ** 2


def picks_by_a_parameter(x):
    return pick([w, x], x * 0 + w)


REFUSED_FUNCTIONS = [
    (branches, TypeError, "'x' has no number while a program is compiled.*no order.*relu, abs.*eager engine"),
    (asks_for_data, TypeError, r"'x' has no number.*depend on its \.data.*relu, abs.*pick.*eager engine"),
    (asks_for_truth, TypeError, r"'x \* 0.5' has no number.*no truth"),
    (asks_for_a_float, TypeError, "'x' has no number.*no plain float"),
    (asks_for_an_inner_number, TypeError, "'z' has no number"),
    (random_graph, ValueError, "random_graph did not compute the same graph.*random.*argument.*eager engine"),
    (random_wiring, ValueError, "random_wiring did not compute the same graph"),
    (returns_a_number, TypeError, r"returns_a_number returned 3.0 \(float\).*lost the graph"),
    (returns_nothing, TypeError, "returns_nothing returned None"),
    (returns_an_empty_list, TypeError, "returned no Values"),
    (of_two, TypeError, r"of_two takes 2 arguments \(x, t\), and data for 1 came"),
    (picks_by_a_parameter, TypeError, "picks by an index that is computed from 'w'.*no derivative"),
]


@pytest.mark.parametrize(
    ("function", "error", "message"), REFUSED_FUNCTIONS, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_function_that_cannot_be_compiled_is_refused(function, error, message: str) -> None:
    for compiled in (lambda: compile(function)([1.0, 2.0]), lambda: compile(function, example=(1.0,))):
        with pytest.raises(error, match=message):
            compiled()
    assert type(w) is Value and w.grad == 0.0


def linear(x, t):
    return (weighted_sum([w, 2.0], x) - t) ** 2


NAN = float("nan")

REFUSED_SAMPLES = [
    (([[1, 2, 3]], [1]), ValueError, "x: the program was made for samples of 2 numbers, and these are of 3"),
    (
        ([1, 2], [1, 2]),
        ValueError,
        "x: the program was made for samples of 2 numbers, and these are of one number",
    ),
    (
        ([[1, 2]], [[1]]),
        ValueError,
        "t: the program was made for samples of one number, and these are of 1 number",
    ),
    (([[[1], [2]]], [1]), ValueError, "x: .*2 numbers, and these are of 2 by 1 numbers"),
    (([[1, 2], [3]], [1, 2]), ValueError, "x: sample 1 is of 2 numbers and sample 2 of 1 number"),
    (([[1, 2], [3, 4]], [1]), ValueError, "x has 2 samples and t 1"),
    (([[1, 2], [3, NAN]], [1, 2]), ValueError, "x: sample 2 contains nan; every number must be finite"),
    (([[1, 2], [3, 4]], [1, -math.inf]), ValueError, "t: sample 2 contains -inf"),
    (([[1, 2], [3, w]], [1, 2]), TypeError, "x: sample 2 contains a Value; samples are plain numbers"),
    (([[1, 2]], [w]), TypeError, "t: sample 1 contains a Value"),
    (
        (np.array([[1, 2], [3, w]], dtype=object), [1, 2]),
        TypeError,
        "x: sample 2.*only real numbers|contains a Value",
    ),
    (([["a", "b"]], [1]), TypeError, "x: sample 1 is .*'a'.*only real numbers"),
    (([[1, 2]], ["1"]), TypeError, "t: sample 1 is '1'; only real numbers"),
    (([[1, 2], [3, None]], [1, 2]), TypeError, "x: sample 2 is .*None"),
    (([[1, 2], [3j, 2]], [1, 2]), TypeError, "x: sample 2 is .*3j.*only real numbers"),
    ((np.array([[1j, 2]]), [1]), TypeError, "x: sample 1 is .*j.*only real numbers"),
    (
        ([[1, 2]], np.array(["2026-01-01"], dtype="datetime64[D]")),
        TypeError,
        "t: sample 1 is .*only real numbers",
    ),
    (([], []), ValueError, "x is empty; at least one sample"),
    ((np.zeros((0, 2)), np.zeros(0)), ValueError, "x is empty"),
    ((5.0, [1]), TypeError, "x is a list or array of samples, not 5.0"),
    (("text", [1]), TypeError, "x is a list or array of samples, not 'text'"),
    (([[1, 2]],), TypeError, r"takes 2 arrays of samples \(x, t\), and 1 came"),
    (([[1, 2]], [1], [1]), TypeError, r"takes 2 arrays of samples \(x, t\), and 3 came"),
    ((), TypeError, "takes 2 arrays of samples"),
]


@contextmanager
def nothing_is_lost(*parameters: Value):
    """Whatever goes wrong inside, `.data` and `.grad` are as before to the last bit, in plain Values."""
    before = [(p.data, p.grad) for p in parameters]
    yield
    assert [(p.data, p.grad) for p in parameters] == before
    assert {type(p) for p in parameters} <= {Value}


@pytest.mark.parametrize(
    ("samples", "error", "message"), REFUSED_SAMPLES, ids=[m for *_, m in REFUSED_SAMPLES]
)
def test_samples_that_do_not_fit_are_refused(samples, error, message: str) -> None:
    program = compile(linear, example=([0.0, 0.0], 0.0))
    program.value_and_grad([[1, 2]], [1])
    for method in (program, program.value_and_grad, program.train, program.check):
        with nothing_is_lost(w), pytest.raises(error, match=message):
            method(*samples)


def test_the_first_samples_of_a_program_are_checked_as_well() -> None:
    with pytest.raises(ValueError, match="argument 1: sample 1 contains nan"):
        compile(linear)([[NAN, 1.0]], [1.0])
    with pytest.raises(TypeError, match="at least one array"):
        compile(linear)()


def test_samples_may_be_whatever_holds_real_numbers() -> None:
    program = compile(linear)
    expected = program([[1.0, 0.0], [0.5, 1.0]], [1.0, 0.0]).tolist()
    for samples in (
        ([[1, 0], [0.5, 1]], [1, 0]),
        (((1, False), (Fraction(1, 2), True)), (True, False)),
        (np.array([[1, 0], [0.5, 1]], dtype=np.float32), np.array([1, 0], dtype=np.int8)),
        (np.array([[1, 0], [Fraction(1, 2), 1]], dtype=object), np.array([True, False])),
        ([np.array([1.0, 0.0]), [np.float64(0.5), np.int64(1)]], iter([1, 0])),
        (np.asfortranarray([[1, 0], [0.5, 1]]), np.array([1, 9, 0])[::2]),
    ):
        assert program(*samples).tolist() == expected


def test_a_loss_has_one_value_and_a_reduction_one_of_two_names() -> None:
    two = compile(lambda x: [w * x, w + x])
    two([1.0])
    for method in (two.value_and_grad, two.train):
        with (
            nothing_is_lost(w),
            pytest.raises(TypeError, match=r"one Value, .*; this one returns a structure of 2 Values"),
        ):
            method([1.0])
    program = compile(lambda x: w * x)
    for method in (program.value_and_grad, program.train):
        with (
            nothing_is_lost(w),
            pytest.raises(ValueError, match="reduction is 'mean' or 'sum', not 'average'"),
        ):
            method([1.0], reduction="average")
    with pytest.raises(ValueError, match="steps is a whole number"):
        program.train([1.0], steps=0)


def test_what_is_no_parameter_is_refused_as_one() -> None:
    for wrong in (3.0, w * 2, "w"):
        with pytest.raises(TypeError, match=r"parameters(: a list of Values is needed| are leaf Values)"):
            compile(lambda x: w * x, parameters=[wrong])([1.0])

    class Own(Value):
        pass

    own = Own(1.0)
    with pytest.raises(TypeError, match="of class Own; parameters are plain Values"):
        compile(lambda x: own * x)([1.0])


def test_before_it_is_traced_a_program_says_so() -> None:
    program = compile(linear)
    for look in (lambda: program.parameters, lambda: program.bytes_per_sample, lambda: program.source):
        with pytest.raises(RuntimeError, match=r"made when it is first called.*example="):
            look()
    assert "when it is first called" in repr(program)


# Recorded graphs.


def test_a_graph_that_is_there_already_is_compiled() -> None:
    a, x, t = Value(0.3, "a"), Value(2.0, "x"), Value(1.0, "t")
    E = ((a * x).tanh() - t) ** 2
    program = compile(E, inputs=[x, t])
    loss, gradient = program.value_and_grad([2.0, -1.0], [1.0, 0.5])
    expected = oracle(lambda x, t: ((a * x).tanh() - t) ** 2, [[2.0, -1.0], [1.0, 0.5]], [a])
    assert loss == pytest.approx(expected.outputs.mean(), rel=1e-12)
    np.testing.assert_allclose(gradient, expected.gradient / 2, rtol=1e-12)
    assert program.parameters == [a] and program.check([2.0], [1.0]).startswith("1 sample agrees")
    assert (x.data, t.data, E.data) == (2.0, 1.0, ((a * x).tanh() - t).data ** 2)
    xs = [Value(0.1), Value(0.2)]
    both = compile([xs[0] * a, xs[1] + a], inputs=[xs])([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(both, [[a.data, 2 + a.data], [3 * a.data, 4 + a.data]])


def test_a_graph_that_is_stale_or_has_wrong_inputs_is_refused() -> None:
    a, x = Value(0.3, "a"), Value(2.0, "x")
    E = (a * x).tanh()
    with pytest.raises(TypeError, match="needs its inputs named"):
        compile(E)
    with pytest.raises(TypeError, match="inputs are named for a graph"):
        compile(lambda x: a * x, inputs=[x])
    with pytest.raises(TypeError, match=r"an input is a leaf.*was computed"):
        compile(E, inputs=[a * x])
    with pytest.raises(TypeError, match="given twice"):
        compile(E, inputs=[x, [x]])
    with pytest.raises(TypeError, match=r"inputs are Values of the graph, not 2\.0"):
        compile(E, inputs=[2.0])
    with pytest.raises(ValueError, match="'a' is both an input and a parameter"):
        compile(E, inputs=[x, a], parameters=[a])
    a.data = 1.0
    with pytest.raises(ValueError, match=r"no longer follows.*recompute"):
        compile(E, inputs=[x])
    E.recompute()
    assert compile(E, inputs=[x])([3.0]) == pytest.approx(math.tanh(3.0), rel=1e-15)
    reused = (a * 2).exp()
    a.data = 2.0
    with pytest.raises(ValueError, match=r"no longer follows.*recompute"):
        compile(lambda x: reused * x)([1.0])


# Numbers outside the domain: the eager engine's own errors, with the sample.


class Trouble(NamedTuple):
    function: Callable[..., Value]
    batch: list[Any]
    error: type[Exception]
    message: str


p = Value(0.5, "p")
EYE = np.eye(3).tolist()

TROUBLES = {
    "log": Trouble(
        lambda x: (p * x).log(), [1.0, 2.0, -3.0], ValueError, "sample 3: log of -1.5 .*it needs x > 0"
    ),
    "log of 0": Trouble(lambda x: (p * x).log() * p, [1.0, 0.0], ValueError, "sample 2: log of 0.0"),
    "exp": Trouble(
        lambda x: (p * x).exp(), [1.0, 2000.0], OverflowError, "sample 2: exp of 1000.0.*too large"
    ),
    "quotient": Trouble(
        lambda x: p / x, [1.0, 0.0], ZeroDivisionError, r"sample 2: .*quotient of x = 0.5 .*it needs y != 0"
    ),
    "sqrt": Trouble(lambda x: (p * x).sqrt(), [1.0, -1.0], ValueError, "sample 2: sqrt of -0.5"),
    "root": Trouble(lambda x: (p * x) ** 0.5, [1.0, -1.0], ValueError, "sample 2: power of x = -0.5"),
    "inverse": Trouble(
        lambda x: (p * x) ** -1, [1.0, 0.0], (ValueError, ZeroDivisionError), "sample 2: power of x = 0.0"
    ),
    "power": Trouble(lambda x: (p * x) ** p, [1.0, -1.0], ValueError, "sample 2: exponentiation of x = -0.5"),
    "whole power": Trouble(
        lambda x: (p * x) ** (2 + 0 * p), [-1.0], ValueError, "sample 1: exponentiation of x = -0.5"
    ),
    "power overflows": Trouble(lambda x: (p * x) ** 200, [1.0, 1e9], OverflowError, "sample 2: power of"),
    "not chosen": Trouble(
        lambda x: pick([p * x, (p * x) ** p], 0 * x),
        [1.0, -1.0],
        ValueError,
        "sample 2: exponentiation of x = -0.5",
    ),
    "slope": Trouble(
        lambda x: (p * x).sqrt(),
        [1.0, 0.0],
        FloatingPointError,
        "sample 2: the gradient of p is nan.*p \\* x|sqrt|0",
    ),
    "infinite": Trouble(
        lambda x: weighted_sum([p, p], [x, x]) * 1e300,
        [1.0, 1e200],
        FloatingPointError,
        "sample 2: the loss is inf",
    ),
    "infinite product": Trouble(
        lambda x: weighted_sum([p * 1e200, p], [x, x]),
        [1.0, 1e200],
        FloatingPointError,
        "sample 2: the loss is inf",
    ),
    "class": Trouble(
        lambda x: cross_entropy([p * x, p, 2.0], x),
        [0, 3],
        IndexError,
        "sample 2: cross_entropy: there is no class 3",
    ),
    "negative class": Trouble(
        lambda x: cross_entropy([p * x, p], x),
        [0, -1],
        IndexError,
        "sample 2: cross_entropy: there is no class -1",
    ),
    "half a class": Trouble(
        lambda x: cross_entropy([p * x, p], x),
        [0, 0.5],
        IndexError,
        "sample 2: cross_entropy: there is no class 0.5",
    ),
    "sum of probabilities": Trouble(
        lambda x: cross_entropy([p, p * 2], x),
        [[1, 0], [0.5, 0.6]],
        ValueError,
        "sample 2: .*add up to 1.1, not to 1",
    ),
    "negative probability": Trouble(
        lambda x: cross_entropy([p, p * 2], x),
        [[1, 0], [-1, 2]],
        ValueError,
        "sample 2: .*from 0 to 1, not -1",
    ),
    "probability": Trouble(
        lambda x: binary_cross_entropy_with_logits(p * x, x),
        [1, 2],
        ValueError,
        "sample 2: .*from 0 to 1, not 2",
    ),
    "probability of a quotient": Trouble(
        lambda x: binary_cross_entropy_with_logits(p, x / x), [1, 0], ZeroDivisionError, "sample 2: "
    ),
    "certain and wrong": Trouble(
        lambda x: binary_cross_entropy(p * x, 1.0), [1.0, 0.0], ValueError, "sample 2: log of 0.0"
    ),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_outside_the_domain_the_error_is_the_eager_engines_own(name: str) -> None:
    function, batch, error, message = TROUBLES[name]
    program = compile(function, parameters=[p])
    good = batch[:1] if len(batch) > 1 else None
    if good:
        program.value_and_grad(good)
    for method in (program.value_and_grad, lambda batch: program.train(batch, SGD(0.1), 2), program):
        if method is program and name == "slope":
            continue
        with nothing_is_lost(p), pytest.raises(error, match=message) as caught:
            method(batch)
        assert caught.type in (error if isinstance(error, tuple) else (error,))
    if good:
        assert np.isfinite(program.value_and_grad(good)[1]).all()  # and goes on as if nothing had been


def test_the_last_good_gradient_outlives_a_bad_batch_though_nobody_looked_at_it() -> None:
    a, b = Value(0.5, "a"), Value(1.0, "b")
    program = compile(lambda x: (a * x).sqrt() * b)
    _, gradient = program.value_and_grad([1.0, 4.0])
    with pytest.raises(FloatingPointError, match="sample 2: the gradient of a"):
        program.value_and_grad([9.0, 0.0])
    assert [a.grad, b.grad] == gradient.tolist()


def test_a_parameter_outside_the_domain_is_named_too() -> None:
    a = Value(2.0, "a")
    program = compile(lambda x: a.log() * x, example=(1.0,))
    a.data = -0.5
    for method in (program, program.value_and_grad, program.train):
        with nothing_is_lost(a), pytest.raises(ValueError, match=r"sample 1: log of -0.5 .*'a'.*needs x > 0"):
            method([1.0, 2.0])


def test_an_error_in_a_later_step_says_which_and_keeps_the_steps_before() -> None:
    a = Value(3.0, "a")
    program = compile(lambda x: (a * x).log())
    with pytest.raises(ValueError, match=r"^step 4, sample 1: log of -5.5"):
        program.train([1.0, 2.0], SGD(3.0), 9)
    assert a.data == 3 - 3 / 3 - 3 / 2 - 3 / 0.5 and a.grad == 1 / 0.5


def test_a_step_too_far_changes_nothing() -> None:
    a, b = Value(1e200, "a"), Value(1.0, "b")
    program = compile(lambda x: a * x * 1e5 + b * b)
    program.value_and_grad([1.0])
    for optimizer in (SGD(1e305), SGD(1e305, momentum=0.5)):
        with (
            nothing_is_lost(a, b),
            pytest.raises(FloatingPointError, match=r"the step would make a = -inf.*smaller lr"),
        ):
            program.train([3.0], optimizer, 1)
    momentum = SGD(1e-3, momentum=0.5)
    program.train([1.0], momentum, 1)
    remembered = dict(zip("ab", _remembered(momentum, [a, b])))
    momentum.lr = 1e305
    with nothing_is_lost(a, b), pytest.raises(FloatingPointError):
        program.train([1.0], momentum, 1)
    assert dict(zip("ab", _remembered(momentum, [a, b]))) == remembered


def _remembered(optimizer: Optimizer, parameters: list[Value]) -> list[Any]:
    optimizer._memory_by_parameter()
    return [optimizer._memory.get(parameter) for parameter in parameters]


@pytest.mark.parametrize("u", [1000.0, 745.5, 745.0, 710.0, 709.0, 37.0, 0.0])
@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softplus", "cross-entropy", "logits"])
def test_extreme_inputs_of_units_are_right_and_give_no_warning(name: str, u: float) -> None:
    a, b = Value(1.0), Value(0.0)
    functions = {
        "sigmoid": lambda x: (a * x + b).sigmoid() * a,
        "tanh": lambda x: (a * x + b).tanh() * a,
        "softplus": lambda x: (a * x + b).softplus(),
        "cross-entropy": lambda x: cross_entropy([a * x, b, b - 1], 0),
        "logits": lambda x: binary_cross_entropy_with_logits(a * x + b, 1.0),
    }
    for batch in ([u, -u], [-u], [u], [0.5, -u, u, -0.25]):
        program = assert_agrees(functions[name], batch)
        expected = oracle(functions[name], [batch], [a, b]).outputs[0]
        np.testing.assert_allclose(program(batch), expected, rtol=1e-13, atol=0)


def test_a_confident_loss_keeps_its_small_digits() -> None:
    us = [Value(90.0), Value(0.0), Value(0.0)]
    program = compile(lambda x: cross_entropy([u * x for u in us], 0))
    loss, gradient = program.value_and_grad([1.0])
    assert loss == pytest.approx(2 * math.exp(-90), rel=1e-14, abs=0.0)
    np.testing.assert_allclose(gradient[1:], math.exp(-90), rtol=1e-13)


# The parameters are right whenever they are looked at.

LOOKS = {
    "data": lambda p: p.data,
    "arithmetic": lambda p: (p * 1.0).data,
    "reflected": lambda p: (0.0 + p).data,
    "negation": lambda p: -(-p).data,
    "weighted_sum": lambda p: weighted_sum([p], [1.0]).data,
    "sum": lambda p: microbp.sum([p, 0.0]).data,
    "inputs": lambda p: (p * p).inputs[0].data,
    "repr": lambda p: float(repr(p).split("(")[1].split(",")[0]),
    "format": lambda p: float(f"{p:.17g}"),
    "copy": lambda p: copy.copy(p).data,
    "deepcopy": lambda p: copy.deepcopy([p])[0].data,
    "pickle": lambda p: pickle.loads(pickle.dumps(p)).data,
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("how", ["train", "value_and_grad", "call"])
def test_a_parameter_is_right_however_it_is_looked_at(look: str, how: str) -> None:
    network, program = network_and_program()
    twin, by_hand = network_and_program()
    for _ in range(2):
        if how == "train":
            program.train(X, Y, SGD(0.5), 3)
            by_hand.train(X, Y, SGD(0.5), 3)
        else:
            (program if how == "call" else program.value_and_grad)(X, Y)
        expected = numbers(twin)  # in the same order of steps, all looked at
        assert type(network.parameters()[0]) is not Value, "the program has let go of them: nothing is tested"
        for p, number in zip(network.parameters(), expected):
            assert LOOKS[look](p) == pytest.approx(number, rel=1e-3 if look == "repr" else 0, abs=1e-15)
        assert {type(p) for p in network.parameters()} == {Value}


def test_the_gradient_is_right_when_it_is_looked_at_and_replaces_what_was_there() -> None:
    network, program = network_and_program()
    network.parameters()[0].grad = 100.0
    _, gradient = program.value_and_grad(X, Y)
    assert slopes(network) == gradient.tolist()
    network.parameters()[0].grad = 100.0
    assert slopes(network) == [100.0, *gradient.tolist()[1:]]
    program(X, Y)  # outputs alone change no gradient
    assert slopes(network) == [100.0, *gradient.tolist()[1:]]
    network.zero_grad()
    assert slopes(network) == [0.0] * len(gradient)
    program.value_and_grad(X, Y)
    squared_error(network(X[0]), Y[0]).backward()  # adds to it, as it always does
    alone = oracle(lambda x, t: squared_error(network(x), t), [X[:1], Y[:1]], network.parameters()).gradient
    np.testing.assert_allclose(slopes(network), gradient + alone, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("number", [0.25, 3, Fraction(1, 4), np.float64(0.75)])
def test_a_number_assigned_between_steps_counts(number) -> None:
    network, program = network_and_program()
    for k in range(3):
        program.train(X, Y, SGD(0.5), 2)
        parameter = network.parameters()[k]
        parameter.data = number
        assert parameter.data == number
        expected = oracle(lambda x, t: squared_error(network(x), t), [X, Y], network.parameters())
        loss, gradient = program.value_and_grad(X, Y)
        assert loss == pytest.approx(expected.outputs.mean(), rel=1e-12)
        np.testing.assert_allclose(gradient, expected.gradient / 6, rtol=1e-9, atol=1e-15)
        assert parameter.data == number


def test_a_value_that_is_read_and_not_trained_is_read_anew() -> None:
    a, scale = Value(2.0), Value(3.0)
    program = compile(lambda x: a * scale * x, parameters=[a])
    assert program.value_and_grad([1.0])[0] == 6.0
    scale.data = 5.0
    assert program.value_and_grad([1.0])[0] == 10.0 and a.grad == 5.0 and scale.grad == 0.0
    program.train([1.0], SGD(0.1), 3)
    assert scale.data == 5.0


def test_two_programs_with_the_same_parameters_take_turns() -> None:
    network, first = network_and_program()
    twin = copy.deepcopy(network)
    second = compile(lambda x: microbp.sum([p * p for p in network.parameters()]) * x)
    optimizer, by_hand = SGD(0.1, momentum=0.9), SGD(0.1, momentum=0.9)
    for _ in range(4):
        first.train(X, Y, optimizer, 2)
        second.train([0.01, 0.02], optimizer, 1)
        eager_steps(twin, by_hand, 2)
        penalty = microbp.sum([p * p for p in twin.parameters()]) * 0.015
        twin.zero_grad()
        penalty.backward()
        by_hand.step(twin.parameters())
    np.testing.assert_allclose(numbers(network), numbers(twin), rtol=1e-10)
    assert slopes(network) == pytest.approx(slopes(twin), rel=1e-9)


def eager_steps(network, optimizer, steps: int, reduction: str = "mean") -> list[float]:
    losses = []
    for _ in range(steps):
        network.zero_grad()
        total = [squared_error(network(x), t) for x, t in zip(X, Y)]
        weight = 1 / len(X) if reduction == "mean" else 1.0
        for E in total:
            E.backward(weight)
        optimizer.step(network.parameters())
        losses.append(weight * math.fsum(E.data for E in total))
    return losses


def test_copies_of_a_network_made_while_a_program_holds_its_numbers() -> None:
    network, program = network_and_program()
    for duplicate in (copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))):
        program.train(X, Y, SGD(0.5), 3)
        twin = duplicate(network)
        assert numbers(twin) == numbers(network) and slopes(twin) == slopes(network)
        kept = numbers(twin)
        program.train(X, Y, SGD(0.5), 3)
        assert numbers(twin) == kept != numbers(network)
        assert {type(p) for p in twin.parameters()} == {Value}


def test_the_last_eager_pass_stays_what_it_was() -> None:
    network, program = network_and_program()
    E = squared_error(network(X[0]), Y[0])
    E.backward()
    unit = network[0][1]
    before = unit.u, unit.z, unit.u.data, unit.z.data, unit.delta
    program.train(X, Y, SGD(0.5), 3)
    program.value_and_grad(X, Y)
    assert (unit.u, unit.z, unit.u.data, unit.z.data, unit.delta) == before


# What is left behind.

FUNCTIONS = {
    "network": lambda network: lambda x, t: squared_error(network(x), t),
    "classifier": lambda network: lambda x, t: cross_entropy([*listed(network(x)), 0.5], t * 0),
    "probabilities": lambda network: lambda x, t: binary_cross_entropy(network(x), t),
    "powers": lambda network: lambda x, t: (network(x) + 2) ** t + logsumexp_of(network, x),
}


def listed(y):
    return y if isinstance(y, list) else [y]


def logsumexp_of(network, x):
    return microbp.logsumexp([x[0], network(x), 1.0])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_program_that_goes_leaves_the_numbers_in_the_values_and_nothing_else(name: str) -> None:
    network = MLP(2, [3, 1], seed=1)
    twin = copy.deepcopy(network)
    gc.collect()
    gc.disable()
    try:
        program = compile(FUNCTIONS[name](network))
        program.train(X, Y, SGD(0.5), 3)
        program(X, Y)
        program.value_and_grad(X[:2] * 1000, Y[:2])  # large enough for the careful kernels
        last = program.value_and_grad(X, Y)
        gone = [weakref.ref(program), weakref.ref(program._made), weakref.ref(program._made.memory)]
        gone += [weakref.ref(each) for each in program._made._executors.values()]
        del program
        assert [each() for each in gone] == [None] * len(gone)
        assert {type(p) for p in network.parameters()} == {Value}
        assert slopes(network) == last[1].tolist()
        assert gc.collect() == 0
    finally:
        gc.enable()
    compile(FUNCTIONS[name](twin)).train(X, Y, SGD(0.5), 3)
    assert numbers(network) == numbers(twin)


def test_a_function_that_is_refused_leaves_nothing_behind() -> None:
    def refused(x, t):
        return cross_entropy([w * x, w], t) if x > 0 else w

    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            with suppress(TypeError):
                compile(refused)([1.0], [1])
            with suppress(IndexError):
                compile(lambda x, t: cross_entropy([w * x, w], t))([1.0], [7])
        assert gc.collect() == 0
    finally:
        gc.enable()


# Threads.


@contextmanager
def hasty_threads():
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def together(*jobs: Callable[[], Any]) -> list[Any]:
    """What the jobs return, run in a thread each, all starting at once."""
    start = threading.Barrier(len(jobs))

    def run(job):
        start.wait()
        return job()

    with hasty_threads(), ThreadPoolExecutor(len(jobs)) as pool:
        return [each.result() for each in [pool.submit(run, job) for job in jobs]]


def test_threads_that_call_one_program_get_right_results_or_an_error() -> None:
    _, program = network_and_program(8, 1)
    batches = [(X[:k], Y[:k]) for k in (2, 6, 6, 3)]
    expected = [program.value_and_grad(*batch) for batch in batches]
    refused = []

    def job(batch, right):
        for _ in range(100):
            try:
                loss, gradient = program.value_and_grad(*batch)
            except RuntimeError as error:
                refused.append(str(error))
                continue
            assert loss == right[0] and gradient.tolist() == right[1].tolist()

    together(*(lambda b=batch, r=right: job(b, r) for batch, right in zip(batches, expected)))
    assert all(
        "another thread" in message and "a network and a program of its own" in message for message in refused
    )


def test_threads_that_train_the_same_parameters_lose_no_step() -> None:
    """With lr = 1 and a slope of 1 every step takes exactly 1 away; so many were taken, so much is gone."""
    values = [Value(0.0) for _ in range(300)]
    programs = [compile(lambda x: microbp.sum(values) * x, example=(1.0,)) for _ in range(3)]

    def job(program):
        taken = 0
        for _ in range(300):
            try:
                taken += len(program.train([1.0], SGD(1.0), 2))
            except RuntimeError:
                continue
        return taken

    taken = together(*(lambda p=program: job(p) for program in [*programs, programs[0]]))
    assert sum(taken) > 0
    assert {v.data for v in values} == {-float(sum(taken))}


@contextmanager
def in_the_middle_of_taking_numbers(program, argument: float):
    """Another thread trains one step, and is about to write the numbers of its Values into its array."""
    there, go_on = threading.Event(), threading.Event()

    class Slow(np.ndarray):
        def __setitem__(self, *arguments):
            there.set()
            go_on.wait(0.1)
            super().__setitem__(*arguments)

    memory = program._made.memory
    memory.data = memory.data.view(Slow)
    thread = threading.Thread(target=lambda: program.train([argument], SGD(1.0), 1))
    thread.start()
    assert there.wait(10)
    yield
    go_on.set()
    thread.join()


def test_no_step_is_lost_where_two_programs_take_the_same_parameters_at_the_same_time() -> None:
    v, taken = Value(0.0), 1
    first, second = (compile(lambda x: v * x, example=(1.0,)) for _ in range(2))
    with in_the_middle_of_taking_numbers(first, 1.0), suppress(RuntimeError):
        taken += len(second.train([1.0], SGD(1.0), 1))
    assert v.data == -taken


def test_a_number_assigned_by_another_thread_is_not_lost() -> None:
    v = Value(0.0)
    with in_the_middle_of_taking_numbers(compile(lambda x: v * x, example=(1.0,)), 1.0):
        v.data = 5.0
    assert v.data == 4.0
    program = compile(lambda x: v * x, example=(1.0,))

    def assign():
        for k in range(300):
            v.data = float(k)
            assert v.data == k

    together(assign, lambda: [program([1.0]) for _ in range(300)])
    assert v.data == 299.0


def test_who_looks_at_a_parameter_during_a_run_waits_for_its_end() -> None:
    network, program = network_and_program()
    twin = copy.deepcopy(network)
    inside, go_on, seen = threading.Event(), threading.Event(), []

    class Slow(SGD):
        def step_arrays(self, *arguments):
            done = super().step_arrays(*arguments)
            inside.set()
            go_on.wait(0.05)
            return done

    thread = threading.Thread(target=lambda: program.train(X, Y, Slow(0.5), 5))
    thread.start()
    assert inside.wait(10)
    reader = threading.Thread(target=lambda: seen.extend(numbers(network)))
    reader.start()
    with pytest.raises(RuntimeError, match="another thread"):
        program(X, Y)
    thread.join()
    reader.join()
    eager_steps(twin, SGD(0.5), 5)
    assert seen == pytest.approx(numbers(twin), rel=1e-10)


def test_programs_of_their_own_in_eight_threads_are_right() -> None:
    def job(seed):
        network, program = network_and_program(5, 1, seed=seed)
        losses = program.train(X, Y, SGD(0.5, momentum=0.5), 30)
        return losses, numbers(network)

    alone = [job(seed) for seed in range(8)]
    assert together(*(lambda s=seed: job(s) for seed in range(8))) == alone


# Optimisers.


class Rooted(Optimizer):
    """A rule that serves numbers only, as it takes math.sqrt and a branch."""

    def change(self, data, grad, memory):
        size = math.sqrt(abs(grad))
        return (-0.1 * size if grad > 0 else 0.1 * size), (memory or 0) + 1


class Remembering(Optimizer):
    """A rule that writes into what it is given and remembers it, as is harmless with numbers."""

    def change(self, data, grad, memory):
        before = grad if memory is None else memory
        slope = grad
        slope += 0.5 * before
        data -= 0.1 * slope
        return -0.1 * slope, grad


class Secant(Optimizer):
    """A rule that remembers the gradient and the number themselves."""

    def change(self, data, grad, memory):
        last_grad, last_data = memory if memory is not None else (grad, data)
        return -0.1 * grad - 0.05 * last_grad + 0.01 * (data - last_data), (grad, data)


class OwnStep(SGD):
    """A step of one's own."""

    def step(self, parameters):
        for parameter in parameters:
            parameter.data -= 0.1 * math.copysign(1.0, parameter.grad)


OPTIMIZERS = {
    "SGD": lambda: SGD(0.5),
    "momentum": lambda: SGD(0.5, momentum=0.9),
    "weight decay": lambda: SGD(0.5, weight_decay=0.1),
    "both": lambda: SGD(0.5, momentum=0.9, weight_decay=0.1),
    "Adam": lambda: Adam(0.05),
    "a rule for numbers only": Rooted,
    "a rule that writes": Remembering,
    "a rule that remembers": Secant,
    "a step of one's own": lambda: OwnStep(0.1),
}


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_is_as_many_steps_of_the_optimizer_on_values(name: str, reduction: str) -> None:
    network, program = network_and_program()
    twin = copy.deepcopy(network)
    losses = program.train(X, Y, OPTIMIZERS[name](), 7, reduction=reduction)
    assert losses == pytest.approx(eager_steps(twin, OPTIMIZERS[name](), 7, reduction), rel=1e-9)
    np.testing.assert_allclose(numbers(network), numbers(twin), rtol=1e-8)
    np.testing.assert_allclose(slopes(network), slopes(twin), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("first", ["compiled", "eager"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_an_optimizer_remembers_is_carried_over(name: str, first: str) -> None:
    network, program = network_and_program()
    twin = copy.deepcopy(network)
    optimizer, by_hand = OPTIMIZERS[name](), OPTIMIZERS[name]()
    for k in range(6):
        if (k % 2 == 0) is (first == "compiled"):
            program.train(X, Y, optimizer, 2)
        else:
            eager_steps(network, optimizer, 2)
        eager_steps(twin, by_hand, 2)
    np.testing.assert_allclose(numbers(network), numbers(twin), rtol=1e-8)


@pytest.mark.parametrize(
    "make", [lambda: SGD(0.1, momentum=0.9), lambda: Adam(0.1)], ids=["momentum", "Adam"]
)
def test_an_optimizer_that_knows_some_of_the_parameters_only(make) -> None:
    network, program = network_and_program()
    twin = copy.deepcopy(network)
    optimizer, by_hand = make(), make()
    for each, own in ((network, optimizer), (twin, by_hand)):
        for parameter in each[0].parameters():
            parameter.grad = 0.1
        own.step(each[0].parameters())
    program.train(X, Y, optimizer, 3)
    eager_steps(twin, by_hand, 3)
    np.testing.assert_allclose(numbers(network), numbers(twin), rtol=1e-9)


def test_one_parameter_is_trained_by_every_rule() -> None:
    for make in OPTIMIZERS.values():
        a, b = Value(2.0), Value(2.0)
        compile(lambda x: (a * x - 1) ** 2).train([1.0], make(), 5)  # noqa: B023
        own = make()
        for _ in range(5):
            b.grad = 0.0
            ((b * 1.0 - 1) ** 2).backward()
            own.step([b])
        assert a.data == pytest.approx(b.data, rel=1e-12)


def test_the_losses_of_a_training_are_those_before_each_step() -> None:
    _, program = network_and_program()
    before = program.value_and_grad(X, Y)[0]
    losses = program.train(X, Y, SGD(0.5), 3)
    assert losses[0] == before and len(losses) == 3 and losses[2] < losses[0]
    now = program(X, Y).mean()
    assert program.train(X, Y, steps=1)[0] == pytest.approx(now, rel=1e-14)


def test_options_of_training_may_come_by_name_or_in_order() -> None:
    runs = []
    for train in (
        lambda p: p.train(X, Y, SGD(0.5), 4),
        lambda p: p.train(X, Y, SGD(0.5), steps=4),
        lambda p: p.train(X, Y, optimizer=SGD(0.5), steps=4),
        lambda p: p.train(X, Y, steps=4),
    ):
        runs.append(train(network_and_program()[1]))
    assert runs[0] == runs[1] == runs[2] == runs[3] and len(runs[0]) == 4


@pytest.mark.parametrize("kind", [Optimizer, SGD])
def test_ctrl_c_in_the_middle_of_a_step_leaves_whole_parameters(kind) -> None:
    class Interrupted(kind):
        count = 0

        def __init__(self):
            super().__init__(0.5) if kind is SGD else super().__init__()

        def change(self, data, grad, memory):
            if kind is Optimizer and not isinstance(grad, float):
                raise TypeError("a rule for numbers only")
            self.count += 1
            if self.count == (3 if kind is SGD else 20):
                raise KeyboardInterrupt
            return super().change(data, grad, memory) if kind is SGD else (-0.5 * grad, None)

    network, program = network_and_program(2, 1)  # 9 parameters: two whole steps and two numbers
    twin = copy.deepcopy(network)
    with pytest.raises(KeyboardInterrupt):
        program.train(X, Y, Interrupted(), 5)
    eager_steps(twin, SGD(0.5), 2)
    np.testing.assert_allclose(numbers(network), numbers(twin), rtol=1e-10)
    np.testing.assert_allclose(slopes(network), slopes(twin), rtol=1e-9)
    program.train(X, Y, SGD(0.5), 1)
    eager_steps(twin, SGD(0.5), 1)
    np.testing.assert_allclose(numbers(network), numbers(twin), rtol=1e-10)


@pytest.mark.parametrize(
    "moment", ["before they are taken", "after they are taken", "when they are given back"]
)
def test_ctrl_c_while_numbers_are_exchanged_loses_none(moment: str) -> None:
    a, b = Value(2.0), Value(3.0)
    program = compile(lambda x: a * x + b, example=(1.0,))
    memory, assigned = program._made.memory, []

    class Interrupted(np.ndarray):
        def __setitem__(self, *arguments):
            assigned.append(arguments)
            if len(assigned) == {"before they are taken": 1, "after they are taken": 2}.get(moment):
                raise KeyboardInterrupt
            super().__setitem__(*arguments)

        def tolist(self):
            if moment == "when they are given back":
                raise KeyboardInterrupt
            return super().tolist()

    plain, memory.data = memory.data, memory.data.view(Interrupted)
    with pytest.raises(KeyboardInterrupt):
        program.train([10.0], SGD(1.0), 1)
        a.data  # noqa: B018
    memory.data = plain
    steps = int(moment == "when they are given back")
    assert (a.data, b.data) == (2.0 - 10 * steps, 3.0 - steps) and {type(a), type(b)} == {Value}
    a.data = 1.0
    assert program([1.0]) == 1.0 + b.data


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that interrupts")
def test_ctrl_c_at_any_moment_leaves_whole_parameters() -> None:
    """With lr = 1 and slopes of 1 the numbers are whole, and all equal, after any number of whole steps."""
    values = [Value(0.0) for _ in range(200)]
    program = compile(lambda x: microbp.sum(values) * x, example=(1.0,))

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    interrupted = 0
    try:
        for k in range(60):
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-4 + 2e-5 * k)
                for _ in range(20_000):
                    program.train([1.0], SGD(1.0), 3)
                    assert values[k].data < 0
            except KeyboardInterrupt:
                interrupted += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert len({v.data for v in values}) == 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 50


# check, and the same numbers every time.


def test_check_tells_how_far_the_engines_are_apart() -> None:
    _, program = network_and_program()
    program(X, Y)
    found = program.check(X, Y)
    assert found.startswith("6 samples agree with the eager engine: outputs to ") and "gradients to" in found
    outputs = compile(lambda x: [w * x, (w * x).exp()])
    outputs([1.0])
    assert outputs.check([1.0]).startswith("1 sample agrees") and "gradients" not in outputs.check([1.0])


def test_check_finds_a_function_that_does_something_else_now() -> None:
    network = MLP(2, [3, 1], seed=1)
    flag = {"penalty": False}

    def loss(x, t):
        E = squared_error(network(x), t)
        return E + 0.1 * w * w if flag["penalty"] else E

    program = compile(loss, example=([0.0, 0.0], 0.0))
    program.check(X, Y)
    flag["penalty"] = True
    with (
        nothing_is_lost(*network.parameters()),
        pytest.raises(ValueError, match=r"sample 1: the outputs differ.*since it was traced"),
    ):
        program.check(X, Y)

    scale = [1.0]
    program = compile(lambda x: (w * x - w.data * x) * scale[0], example=(0.0,))
    assert program.check([1.0])
    scale[0] = 2.0  # the outputs are 0 still
    with pytest.raises(ValueError, match="sample 1: the gradients differ"):
        program.check([1.0])


def test_what_a_sample_alone_decides_may_not_be_frozen() -> None:
    """A branch that hides from the trace, by a number taken out of a parameter, is found by `check`."""
    a = Value(1.0)
    program = compile(lambda x: a * x if a.data > 0 else a * a * x, example=(1.0,))
    assert program.check([2.0])
    a.data = -1.0
    with pytest.raises(ValueError, match="differ"):
        program.check([2.0])


SCRIPT = """
import random
from microbp import MLP, SGD, Value, compile, cross_entropy
network = MLP(3, [7, 5, 3], "tanh", "linear", seed=1)
tied = [Value(0.1 * k) for k in range(6)]
program = compile(lambda x, k: cross_entropy([y * w + w for y, w in zip(network(x), set_of(tied))], k))
def set_of(values):
    return values[::2]
random.seed(0)
X = [[random.uniform(-1, 1) for _ in range(3)] for _ in range(20)]
K = [random.randrange(3) for _ in range(20)]
loss, gradient = program.value_and_grad(X, K)
print(loss.hex(), gradient.tobytes().hex())
print([loss.hex() for loss in program.train(X, K, SGD(0.1, momentum=0.5), 5)], gradient.tobytes().hex())
print([step.nodes.tolist() for step in program._made.plan.steps])
"""


def test_two_processes_get_the_same_bits() -> None:
    found = set()
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
        )
        found.add(run.stdout)
    assert len(found) == 1 and len(found.pop().splitlines()) == 3


def test_a_call_gives_arrays_that_later_calls_leave_alone() -> None:
    _, program = network_and_program()
    outputs, (_, gradient) = program(X, Y), program.value_and_grad(X, Y)
    kept = outputs.tolist(), gradient.tolist()
    program(X * 2, Y)
    program.value_and_grad(X * 2, Y)
    assert (outputs.tolist(), gradient.tolist()) == kept
    outputs[:], gradient[:] = 7.0, 7.0
    assert (program(X, Y).tolist(), program.value_and_grad(X, Y)[1].tolist()) == kept


def test_samples_that_change_in_place_are_read_anew_and_never_changed() -> None:
    _, program = network_and_program()
    xs, ts = X.copy(), Y.copy()
    first = program.value_and_grad(xs, ts)
    xs *= 2
    second = program.value_and_grad(xs, ts)
    assert first[0] != second[0] and np.array_equal(xs, 2 * X) and np.array_equal(ts, Y)


def test_a_network_is_compiled_as_it_is() -> None:
    network = MLP(2, [4, 3], "tanh", seed=1)
    program = compile(network)
    np.testing.assert_allclose(program(X), [[y.data for y in network(x)] for x in X], rtol=1e-13)
    assert program.parameters == network.parameters()
    W = matrix(2, 2, 1)
    assert compile(lambda x: tuple(times(W, x)))(X)[1].shape == (6,)
    assert executor(program, 6).nbytes > 0


# Values that the function makes of its inputs, as in programs for other scalar engines.


def test_a_function_may_make_values_of_its_inputs():
    network = MLP(2, [3, 1], seed=1)

    def loss(x, t):
        inputs = [Value(x1, f"x[{k}]") for k, x1 in enumerate(x, start=1)]
        return squared_error(network(inputs), Value(t, "t")) + (inputs[0] + 1.0) * 0.0

    program = compile(loss)
    X, T = [[0.5, -1.0], [2.0, 0.25]], [1.0, 0.0]
    mean, gradient = program.value_and_grad(X, T)
    for parameter in network.parameters():
        parameter.grad = 0.0
    losses = [loss(x, t) for x, t in zip(X, T)]
    for E in losses:
        E.backward(0.5)
    assert mean == pytest.approx(sum(E.data for E in losses) / 2, rel=1e-12)
    assert gradient == pytest.approx([p.grad for p in network.parameters()], rel=1e-9)
    assert program.check(X, T).startswith("2 samples agree")
    with pytest.raises(ValueError, match=r"sample 2: log of -2\.0 \(node 'a'\)"):
        compile(lambda x: Value(x, "a").log())([1.0, -2.0])


def test_what_is_collected_together_with_a_program_can_still_look_at_its_parameters():
    network, program = network_and_program()
    twin = network_and_program()
    twin[1].train(X, Y, SGD(0.5), 3)
    expected = (twin[0][0][0].bias.data, twin[0][0][0].bias.grad)
    seen = []

    class Witness:
        def __del__(self):
            bias = self.network[0][0].bias
            seen.append((bias.data, bias.grad))

    witness = Witness()
    witness.network, witness.program, witness.myself = network, program, witness
    program.train(X, Y, SGD(0.5), 3)
    del witness, network, program
    gc.collect()
    assert seen == [expected]


def test_what_is_asked_several_times_of_a_sample_is_checked_once():
    """As where one token picks from sixteen columns of a table."""
    asked = []

    def holds(numbers):
        asked.append([*numbers])
        return numbers >= 0

    def double(x):
        for _ in range(3):
            x.demand(holds, ValueError, "{} is negative".format)
        return p * x

    p = Value(2.0)
    program = compile(double)
    assert [*program([1.0, 3.0])] == [2.0, 6.0]
    assert asked == [[1.0, 3.0]]
    with pytest.raises(ValueError, match=r"sample 2: -1\.0 is negative"):
        program([1.0, -1.0])

    table = [[Value(float(10 * i + j)) for j in range(3)] for i in range(4)]
    program = compile(lambda k: microbp.sum([pick(row, k) for row in table]))
    assert [*program([0, 2])] == [60.0, 68.0]
    with pytest.raises(IndexError, match="sample 3: pick: there is no value 3"):
        program([0, 2, 3])
