"""Transforms: every derivative of a function, against SymPy, PyTorch, JAX, and against each other."""

import functools
import gc
import inspect
import math
import operator
import os
import subprocess
import sys
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from programs import (
    MPMATH,
    SMOOTH,
    SYMPY,
    VALUES,
    Program,
    checked,
    costly,
    differentiate,
    exact_derivatives,
    gross,
    jax_functions,
    programs,
    repeated_gradients,
    rounding,
    torch_functions,
)

import microbp
from microbp import (
    MLP,
    Adam,
    Value,
    grad,
    gradients,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
    zero_grad,
)
from microbp.value import computed

Structure = Any


def mapped(change: Callable[[Any], Any], structure: Structure) -> Structure:
    """A structure with every entry changed."""
    match structure:
        case dict():
            return {key: mapped(change, part) for key, part in structure.items()}
        case tuple() if hasattr(structure, "_fields"):
            return type(structure)(*(mapped(change, part) for part in structure))
        case list() | tuple():
            return type(structure)(mapped(change, part) for part in structure)
    return change(structure)


def entries(structure: Structure) -> list[Any]:
    found: list[Any] = []
    mapped(found.append, structure)
    return found


def kinds(structure: Structure) -> set[type]:
    return set(map(type, entries(structure)))


def numbers_of(structure: Structure) -> Structure:
    """The numbers of Values."""
    return mapped(lambda value: value.data, structure)


# SymPy.


@settings(costly, max_examples=40)
@given(programs(longest=5, most_leaves=3, operations=SMOOTH))
def test_every_derivative_to_third_order_is_sympy_s(drawn: tuple[Program, list[float]]) -> None:
    program, numbers = drawn
    n = len(numbers)

    def f(xs: list[Value]) -> Value:
        return program.run(VALUES, xs)

    exact = exact_derivatives(lambda xs: program.run(SYMPY, xs), numbers, order=3)
    leaves = [Value(x) for x in numbers]
    bounds = {key: rounding(found) for key, found in repeated_gradients(f(leaves), leaves, order=3).items()}

    def agree(found: float, *indices: int) -> bool:
        key = tuple(sorted(indices))
        return abs(found - exact[key]) <= 2 * bounds[key]

    value, gradient = value_and_grad(f)(numbers)
    second, third = hessian(f)(numbers), jacobian(hessian(f))(numbers)
    assert agree(value)
    assert grad(f)(numbers) == gradient
    for i, j, k in product(range(n), repeat=3):
        assert agree(gradient[i], i)
        assert agree(second[i][j], i, j)
        assert agree(third[i][j][k], i, j, k)
        assert agree(grad(lambda xs: grad(lambda xs: grad(f)(xs)[i])(xs)[j])(numbers)[k], i, j, k)  # noqa: B023


@settings(costly, max_examples=25)
@given(programs(longest=5, most_leaves=3, operations=SMOOTH))
def test_every_row_of_a_jacobian_is_sympy_s(drawn: tuple[Program, list[float]]) -> None:
    program, numbers = drawn
    leaves = [Value(x) for x in numbers]
    outputs = program.numbers(VALUES, leaves)
    found = jacobian(lambda xs: program.numbers(VALUES, xs))(numbers)
    assert len(found) == len(outputs)
    for place, (row, output) in enumerate(zip(found, outputs)):
        exact = exact_derivatives(lambda xs: program.numbers(SYMPY, xs)[place], numbers, order=1)  # noqa: B023
        for i, leaf in enumerate(leaves):
            assert abs(row[i] - exact[(i,)]) <= 2 * rounding(gradients(output, leaf))


# mpmath, along a line through the arguments of longer programs.

directions = st.lists(st.floats(-1, 1), min_size=4, max_size=4)


def along(kind: Any, program: Program, numbers: Sequence[float], direction: Sequence[float]) -> Any:
    """The program as a function of how far its leaves have moved."""
    return lambda h: program.run(kind, [x + h * t for x, t in zip(numbers, direction)])


@settings(costly, max_examples=60)
@given(programs(operations=SMOOTH), directions)
def test_directional_derivatives_to_third_order_are_mpmath_s_differences(
    drawn: tuple[Program, list[float]], direction: list[float]
) -> None:
    line = along(VALUES, *drawn, direction)
    h = Value(0.0)
    graphs = list(repeated_gradients(line(h), [h], order=3).values())
    backwards = [grad(line), grad(grad(line)), grad(grad(grad(line)))]

    def forwards(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda h: jvp(f, (h,), (1.0,))[1]

    with mpmath.workdps(80):
        exact = [
            mpmath.diff(along(MPMATH, drawn[0], [*map(mpmath.mpf, drawn[1])], direction), 0, order)
            for order in (1, 2, 3)
        ]
    f = line
    for before, graph, backward, true in zip(graphs, graphs[1:], backwards, exact):
        f = forwards(f)
        plain = 2.0**-50 * gross(before).get(h, 0.0)  # slopes that are plain numbers add up without nodes
        bound = 2 * rounding(graph) + plain + 1e-50  # what differences of 80 digits leave
        assert abs(graph.data - true) <= bound
        assert abs(backward(0.0) - true) <= bound
        assert abs(f(0.0) - true) <= 2 * bound


@settings(checked, max_examples=60)
@given(programs(operations=SMOOTH), directions)
def test_what_a_parabola_leaves_over_shrinks_with_the_third_power(
    drawn: tuple[Program, list[float]], direction: list[float]
) -> None:
    line = along(VALUES, *drawn, direction)
    value, slope, curve, third = (
        f(0.0) for f in (lambda h: line(Value(h)).data, grad(line), grad(grad(line)), grad(grad(grad(line))))
    )
    with mpmath.workdps(50):
        true = along(MPMATH, drawn[0], [*map(mpmath.mpf, drawn[1])], direction)
        middle = true(mpmath.mpf(0))
        assert abs(value - middle) <= 1e-12 * (1 + abs(middle))
        left_over = [
            float((true(h) - middle - h * slope - h * h * curve / 2) / h**3)
            for h in (mpmath.mpf(2) ** -8, mpmath.mpf(2) ** -12, mpmath.mpf(2) ** -16)
        ]
    assert left_over[2] == pytest.approx(third / 6, rel=1e-3, abs=1e-3)
    for before, after in pairwise(abs(each - third / 6) for each in left_over):
        assert after <= before / 8 + 1e-5 * (1 + abs(third))


# PyTorch and JAX: the same functions, the same structures.


class Layer(NamedTuple):
    weights: Any
    biases: Any


class Polar(NamedTuple):
    radius: Any
    angle: Any


def rosenbrock(f: Any, x: Any) -> Any:
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in pairwise(x))


def network_loss(f: Any, layers: Any, x: Any, target: Any) -> Any:
    z = x
    for layer in layers:
        z = [
            f.tanh(sum(w * each for w, each in zip(weights, z)) + bias)
            for weights, bias in zip(layer.weights, layer.biases)
        ]
    return sum((y - t) ** 2 for y, t in zip(z, target))


def cross_entropy(f: Any, logits: Any) -> Any:
    return f.logsumexp(list(logits)) - f.pick(logits, 2)


def attention(f: Any, query: Any, memory: Any) -> Any:
    shares = f.softmax([query * key for key in memory["keys"]])
    return sum(share * value for share, value in zip(shares, memory["values"]))


def recurrence(f: Any, cell: Any, inputs: Any) -> Any:
    state = cell["start"]
    for x in inputs:
        state = f.tanh(cell["w"] * state + cell["u"] * x + cell["biases"][0])
    return state * state


def smooth_maximum(f: Any, x: Any) -> Any:
    return f.logsumexp([f.softplus(v) - f.sigmoid(v) for v in x])


def kinked(f: Any, x: Any) -> Any:
    return f.max([x[0] * x[1], f.abs(x[0]), x[1] ** 3]) + f.relu(x[0] - x[1]) * f.min([x[0], x[1] * x[1]])


def polar(f: Any, point: Any) -> Any:
    x, y = point
    return Polar(f.sqrt(x * x + y * y), f.sin(x / y))


def spread(f: Any, x: Any, pair: Any) -> Any:
    return {
        "all": [v * x["scale"] for v in x["v"]],
        "one": f.exp(pair[0] * pair[1]),
        "none": (x["scale"] * 0,),
    }


LAYERS = [
    Layer([[0.3, -0.5], [0.8, 0.2]], [0.1, -0.2]),
    Layer([[0.7, -0.6]], [0.05]),
]
CELL = {"w": 0.9, "u": -0.4, "start": 0.25, "biases": [0.1]}
MEMORY = {"keys": [0.3, -0.6, 1.1], "values": (2.0, -1.0, 0.5)}

SCALARS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "rosenbrock": (rosenbrock, ([-1.2, 1.0, 0.5, 0.8],)),
    "network loss": (network_loss, (LAYERS, [0.5, -1.5], [0.25])),
    "cross-entropy": (cross_entropy, ([0.2, -1.3, 0.7, 2.0],)),
    "attention": (attention, (0.8, MEMORY)),
    "recurrence": (recurrence, (CELL, (0.5, -0.3, 0.8))),
    "smooth maximum": (smooth_maximum, ((0.5, -2.0, 3.0),)),
    "kinked": (kinked, ([-0.7, 0.9],)),
}
SEVERAL: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    **SCALARS,
    "polar": (polar, ((0.6, -0.8),)),
    "spread": (spread, ({"scale": 1.5, "v": [0.5, -2.0]}, (0.3, 0.4))),
}
every_scalar = pytest.mark.parametrize("name", SCALARS)
every_function = pytest.mark.parametrize("name", SEVERAL)


def same(found: Structure, expected: Structure) -> bool:
    """Whether two structures are alike, and their numbers to 13 digits; ours are floats."""
    match found:
        case dict():
            return set(found) == set(expected) and all(same(found[key], expected[key]) for key in found)
        case list() | tuple():
            return (
                type(found) is type(expected)
                and len(found) == len(expected)
                and all(map(same, found, expected))
            )
    return type(found) is float and found == pytest.approx(float(expected), rel=1e-13, abs=1e-14)


def tangents_of(structure: Structure) -> Structure:
    """A direction in the structure of something."""
    place = iter(range(1, 1000))
    return mapped(lambda x: math.sin(next(place)), structure)


def questions(name: str) -> list[tuple[str, Any]]:
    """What is asked of us and of another framework: a transform, and by which arguments."""
    last = len(SEVERAL[name][1]) - 1
    everywhere = [0, last, (0,), tuple(range(last + 1)), (last, 0)[: last + 1]]
    asked: list[tuple[str, Any]] = [("jacobian", argnums) for argnums in everywhere[:4]]
    if name in SCALARS:
        asked += [(transform, argnums) for transform in ("grad", "value_and_grad") for argnums in everywhere]
        asked += [("hessian", 0)]
    if name in ("attention", "recurrence"):
        asked += [("hessian", (0, 1))]
    return [*dict.fromkeys(asked)]


@functools.cache
def our_answers(name: str) -> dict[Any, Structure]:
    f, arguments = SEVERAL[name]
    f = functools.partial(f, VALUES)
    transforms = {each.__name__: each for each in (grad, value_and_grad, jacobian, hessian)}
    answers = {
        (transform, argnums): transforms[transform](f, argnums)(*arguments)
        for transform, argnums in questions(name)
    }
    tangents = tangents_of(arguments)
    answers["jvp"] = jvp(f, arguments, tangents)
    value, pull_back = vjp(f, *arguments)
    assert value == answers["jvp"][0]
    answers["vjp"] = pull_back(tangents_of(value))
    if name in SCALARS:
        answers["hvp"] = hvp(f, arguments, tangents)
    return answers


@functools.cache
def their_answers(framework: str, name: str) -> dict[Any, Structure]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if framework == "torch":
            torch = pytest.importorskip("torch")

            def number(x: float) -> Any:
                return torch.tensor(x, dtype=torch.float64)

            return answers_of(torch.func, torch_functions(torch), name, number, lambda f: f)
        jax = pytest.importorskip("jax")
        jax.config.update("jax_enable_x64", True)
        try:  # compiled at once, which is quicker than an operation at a time
            return answers_of(jax, jax_functions(jax), name, float, jax.jit)
        finally:
            jax.config.update("jax_enable_x64", False)


def answers_of(framework: Any, functions: Any, name: str, number: Any, compiled: Any) -> dict[Any, Structure]:
    f, arguments = SEVERAL[name]
    f = functools.partial(f, functions)
    argnums = tuple(range(len(arguments))) if len(arguments) > 1 else 0

    def value_and_gradient(f: Any, argnums: Any) -> Any:
        if hasattr(framework, "value_and_grad"):
            return framework.value_and_grad(f, argnums)
        return lambda *arguments: framework.grad_and_value(f, argnums)(*arguments)[::-1]

    transforms = {
        "grad": framework.grad,
        "value_and_grad": value_and_gradient,
        "jacobian": framework.jacrev,
        "hessian": framework.hessian,
    }

    def answer_all(arguments: Any, tangents: Any, vector: Any) -> list[Any]:
        answers = [transforms[transform](f, by)(*arguments) for transform, by in questions(name)]
        answers.append(tuple(framework.jvp(f, arguments, tangents)))
        answers.append(tuple(framework.vjp(f, *arguments)[1](vector)))
        if name in SCALARS:
            answers.append(framework.jvp(framework.grad(f, argnums), arguments, tangents)[1])
        return answers

    vector = tangents_of(our_answers(name)["jvp"][0])
    given = [mapped(number, each) for each in (arguments, tangents_of(arguments), vector)]
    return dict(zip([*questions(name), "jvp", "vjp", "hvp"], compiled(answer_all)(*given)))


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_every_transform_gives_another_framework_s_answer_in_its_structure(framework: str, name: str) -> None:
    ours, theirs = our_answers(name), their_answers(framework, name)
    assert ours.keys() == theirs.keys()
    for question, answer in ours.items():
        assert same(answer, theirs[question]), question


@pytest.mark.parametrize("name", SEVERAL)
def test_arguments_are_counted_from_the_end_too(name: str) -> None:
    f, arguments = SEVERAL[name]
    f, n = functools.partial(f, VALUES), len(arguments)
    assert jacobian(f, -1)(*arguments) == jacobian(f, n - 1)(*arguments)
    assert jacobian(f, (-1,))(*arguments) == jacobian(f, (n - 1,))(*arguments)


@pytest.mark.parametrize("shape", [(3,), (2, 2)])
def test_arrays_give_the_arrays_that_jax_gives(shape: tuple[int, ...]) -> None:
    jax = pytest.importorskip("jax")
    x = np.linspace(-0.8, 0.9, math.prod(shape)).reshape(shape)
    direction = np.cos(x)

    def total(kind: Any, x: Any) -> Any:
        rows = x if len(shape) == 2 else [x]
        return sum(kind.sin(v) * w * w for row in rows for v, w in zip(row, row[::-1]))

    def answers(grad: Any, hessian: Any, jvp: Any, f: Any) -> Any:
        return lambda x, direction: [grad(f)(x), hessian(f)(x), jvp(grad(f), (x,), (direction,))[1]]

    ours = answers(grad, hessian, jvp, functools.partial(total, VALUES))(x, direction)
    jax.config.update("jax_enable_x64", True)
    try:
        theirs = answers(jax.grad, jax.hessian, jax.jvp, functools.partial(total, jax_functions(jax)))
        expected = jax.jit(theirs)(x, direction)
    finally:
        jax.config.update("jax_enable_x64", False)
    for found, true in zip(ours, expected):
        assert isinstance(found, np.ndarray)
        assert (found.dtype, found.shape) == (np.dtype(float), true.shape)
        np.testing.assert_allclose(found, true, rtol=1e-13, atol=1e-14)


# What holds for every function: identities over random graphs, kinks among them.

vectors = directions


class Recorded(NamedTuple):
    """A random function with several results, and what rounding can do to its derivatives."""

    f: Callable[[Any], list[Any]]
    numbers: list[float]
    bounds: list[list[float]]  # for each result by each number, a few units in the last place of all paths


def recorded(drawn: tuple[Program, list[float]], n_results: int = 3) -> Recorded:
    program, numbers = drawn

    def f(xs: Any) -> list[Any]:
        return program.numbers(VALUES, xs)[-n_results:]

    leaves = [Value(x) for x in numbers]
    reaches = [gross(result) for result in f(leaves)]
    bounds = [[2.0**-50 * reach.get(leaf, 0.0) + 1e-300 for leaf in leaves] for reach in reaches]
    return Recorded(f, numbers, bounds)


def dot(xs: Sequence[float], ys: Sequence[float]) -> float:
    return math.fsum(map(operator.mul, xs, ys))


@checked
@given(programs(), vectors, vectors)
def test_forward_and_reverse_mode_are_transposes_of_each_other(
    drawn: tuple[Program, list[float]], tangents: list[float], cotangents: list[float]
) -> None:
    f, numbers, bounds = recorded(drawn)
    values = [Value(x) for x in numbers]
    t, ct = tangents[: len(numbers)], cotangents[: len(bounds)]
    bound = sum(abs(c) * dot(row, map(abs, t)) for c, row in zip(ct, bounds))
    _, pushed = jvp(f, (numbers,), (t,))
    _, pull_back = vjp(f, numbers)
    (pulled,) = pull_back(ct)
    assert abs(dot(ct, pushed) - dot(pulled, t)) <= bound
    _, pushed_values = jvp(f, (values,), ([Value(x) for x in t],))
    _, pull_back_values = vjp(f, values)
    (pulled_values,) = pull_back_values([Value(x) for x in ct])
    assert kinds([pushed_values, pulled_values]) == {Value}
    assert abs(dot(ct, numbers_of(pushed_values)) - dot(ct, pushed)) <= bound
    assert abs(dot(numbers_of(pulled_values), t) - dot(pulled, t)) <= bound


@checked
@given(programs())
def test_forward_and_reverse_mode_give_the_same_jacobian(drawn: tuple[Program, list[float]]) -> None:
    f, numbers, bounds = recorded(drawn)
    n, m = len(numbers), len(bounds)

    def unit(size: int, place: int) -> list[float]:
        return [float(i == place) for i in range(size)]

    _, pull_back = vjp(f, numbers)
    rows = [pull_back(unit(m, k))[0] for k in range(m)]
    columns = [jvp(f, (numbers,), (unit(n, i),))[1] for i in range(n)]
    whole = jacobian(f)(numbers)
    as_values = jacobian(f)([Value(x) for x in numbers])
    by_grad = [grad(lambda xs: f(xs)[k])(numbers) for k in range(m)]  # noqa: B023
    for k, i in product(range(m), range(n)):
        for other in columns[i][k], whole[k][i], as_values[k][i].data, by_grad[k][i]:
            assert abs(rows[k][i] - other) <= bounds[k][i]


@checked
@given(programs())
def test_grad_is_backward_bit_for_bit(drawn: tuple[Program, list[float]]) -> None:
    program, numbers = drawn
    output, leaves = differentiate(program, numbers)
    value, gradient = value_and_grad(lambda xs: program.run(VALUES, xs))(numbers)
    assert value == output.data
    assert gradient == [leaf.grad for leaf in leaves]


@settings(checked, max_examples=60)
@given(programs(longest=9, most_leaves=3), vectors)
def test_second_derivatives_agree_whichever_way_they_are_taken(
    drawn: tuple[Program, list[float]], direction: list[float]
) -> None:
    program, numbers = drawn
    n = len(numbers)
    v = direction[:n]

    def f(xs: Any) -> Any:
        return program.run(VALUES, xs)

    leaves = [Value(x) for x in numbers]
    first = gradients(f(leaves), leaves)
    bounds = [[4 * rounding(gradients(g, x)) for x in leaves] for g in first]
    for i, j in product(range(n), repeat=2):
        bounds[i][j] = bounds[j][i] = bounds[i][j] + bounds[j][i]
    assume(all(math.isfinite(bound) for row in bounds for bound in row))

    second = hessian(f)(numbers)
    for i, j in product(range(n), repeat=2):
        assert abs(second[i][j] - second[j][i]) <= bounds[i][j], "symmetric"
    assert jacobian(grad(f))(numbers) == second
    for i in range(n):
        unit = [float(i == j) for j in range(n)]
        forward_over_reverse = jvp(grad(f), (numbers,), (unit,))[1]
        reverse_over_forward = grad(lambda xs: jvp(f, (xs,), (unit,))[1])(numbers)  # noqa: B023
        reverse_over_reverse = vjp(grad(f), numbers)[1](unit)[0]
        for found in forward_over_reverse, reverse_over_forward, reverse_over_reverse:
            assert all(abs(a - b) <= bound for a, b, bound in zip(found, second[i], bounds[i]))
    product_with_v = hvp(f, (numbers,), (v,))
    curvature = jvp(lambda xs: jvp(f, (xs,), (v,))[1], (numbers,), (v,))[1]
    for i in range(n):
        assert abs(product_with_v[i] - dot(second[i], v)) <= dot(bounds[i], map(abs, v)) + 1e-300
    both = sum(abs(a * b) * bounds[i][j] for (i, a), (j, b) in product(enumerate(v), repeat=2))
    assert abs(curvature - dot(product_with_v, v)) <= 2 * both + 1e-300


@checked
@given(programs(), vectors, vectors, st.floats(-2, 2), st.floats(-2, 2))
def test_pulling_back_is_linear_in_the_vector(
    drawn: tuple[Program, list[float]], first: list[float], second: list[float], a: float, b: float
) -> None:
    f, numbers, bounds = recorded(drawn)
    m = len(bounds)
    _, pull_back = vjp(f, numbers)
    (of_both,) = pull_back([a * x + b * y for x, y in zip(first, second)][:m])
    (of_first,), (of_second,) = pull_back(first[:m]), pull_back(second[:m])
    for i, found in enumerate(of_both):
        bound = sum((abs(a * x) + abs(b * y)) * row[i] for x, y, row in zip(first, second, bounds))
        assert abs(found - (a * of_first[i] + b * of_second[i])) <= bound + 1e-300


@checked
@given(programs(longest=8), programs(longest=8))
def test_the_jacobian_of_a_composition_is_the_product_of_the_jacobians(
    inner: tuple[Program, list[float]], outer: tuple[Program, list[float]]
) -> None:
    n_between = len(outer[1])
    program, numbers = inner
    assume(len(numbers) + len(program.steps) >= n_between)

    def f(xs: Any) -> list[Any]:
        return [microbp.tanh(v) for v in program.numbers(VALUES, xs)[-n_between:]]

    def g(ys: Any) -> list[Any]:
        return outer[0].numbers(VALUES, ys)[-2:]

    between, pull_back = vjp(f, numbers)
    try:
        whole = jacobian(lambda xs: g(f(xs)))(numbers)
    except OverflowError:
        assume(False)
    parts = jacobian(g)(between)
    bounds = [[gross(z).get(y, 0.0) for y in ys] for ys in [[Value(y) for y in between]] for z in g(ys)]
    leaves = [Value(x) for x in numbers]
    inner_bounds = [gross(y) for y in f(leaves)]
    for k, row in enumerate(parts):
        (chained,) = pull_back(row)
        for i, leaf in enumerate(leaves):
            bound = sum(b * reach.get(leaf, 0.0) for b, reach in zip(bounds[k], inner_bounds))
            assert abs(whole[k][i] - chained[i]) <= 2.0**-49 * bound + 1e-300
            assert (
                abs(whole[k][i] - dot(row, [c[i] for c in jacobian(f)(numbers)])) <= 2.0**-49 * bound + 1e-300
            )


# Derivatives within functions that are differentiated.


def test_the_inner_derivative_does_not_mistake_the_outer_variable_for_its_own() -> None:
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(5.0) == 1.0
    assert grad(lambda x: x * grad(lambda y: x + y)(x))(5.0) == 1.0
    assert grad(lambda x: x * grad(lambda y: x * y)(x))(5.0) == 10.0
    assert grad(lambda x: x * grad(lambda y: y * y)(x))(5.0) == 20.0
    assert grad(lambda x: x * grad(lambda y: y * y)(2.0))(5.0) == 4.0


def test_nor_does_it_forwards() -> None:
    assert jvp(lambda x: x * jvp(lambda y: x + y, (1.0,), (1.0,))[1], (5.0,), (1.0,))[1] == 1.0
    assert jvp(lambda x: x * jvp(lambda y: x * y, (x,), (1.0,))[1], (5.0,), (1.0,))[1] == 10.0
    assert jvp(lambda x: x * jvp(lambda y: x * y, (1.0,), (x,))[1], (5.0,), (1.0,))[1] == 75.0  # x³


def test_three_deep_each_level_keeps_its_own_variable() -> None:
    # d/dz xyz = xy, y xy = xy², d/dy = 2xy, at y = 3: 6x, x 6x = 6x², d/dx = 12x
    assert grad(lambda x: x * grad(lambda y: y * grad(lambda z: x * y * z)(2.0))(3.0))(5.0) == 60.0
    # the same, each level at the variable of the one around it: x 2xx = 2x³
    assert grad(lambda x: x * grad(lambda y: y * grad(lambda z: x * y * z)(y))(x))(5.0) == 150.0


def test_transforms_of_transforms_in_every_order() -> None:
    # f = x³y, its derivatives by x: 3x²y, 6xy, 6y; by y and x: 3x², 6x
    def f(x: Any, y: Any) -> Any:
        return x**3 * y

    x, y = 2.0, 5.0
    along_x, along_y = (1.0, 0.0), (0.0, 1.0)
    assert grad(lambda x, y: jvp(f, (x, y), along_x)[1], (0, 1))(x, y) == (6 * x * y, 3 * x**2)
    assert jvp(grad(f, (0, 1)), (x, y), along_x)[1] == (6 * x * y, 3 * x**2)
    assert jvp(lambda x, y: jvp(f, (x, y), along_x)[1], (x, y), along_y) == (3 * x**2 * y, 3 * x**2)
    assert grad(lambda x: vjp(f, x, y)[1](2.0)[0])(x) == 12 * x * y
    assert vjp(lambda x, y: vjp(f, x, y)[1](1.0), x, y)[1]((1.0, 0.0)) == (6 * x * y, 3 * x**2)
    assert jvp(lambda x, y: vjp(f, x, y)[1](1.0), (x, y), along_x)[1] == (6 * x * y, 3 * x**2)
    assert hessian(lambda x: vjp(f, x, y)[1](1.0)[0])(x) == 6 * y
    assert grad(lambda x: hessian(f)(x, y))(x) == 6 * y
    assert jacobian(lambda y: hessian(f)(x, y))(y) == 6 * x
    assert jacobian(lambda x: hvp(f, (x, y), (1.0, 1.0)))(x) == (6 * y + 6 * x, 6 * x)
    assert hvp(lambda x: hvp(f, (x, y), along_x)[0], (x,), (1.0,)) == 0.0
    assert value_and_grad(lambda x: value_and_grad(f)(x, y)[1])(x) == (3 * x**2 * y, 6 * x * y)


def test_a_pull_back_can_be_differentiated_by_its_vector() -> None:
    _, pull_back = vjp(lambda x: [x * x, x**3], 2.0)
    assert numbers_of(jacobian(pull_back)([1.0, 1.0])) == ([4.0, 12.0],)
    assert grad(lambda c: pull_back([c * c, 0.0])[0])(3.0).data == 6 * 4.0


def test_a_tangent_can_be_differentiated_by_its_direction() -> None:
    assert grad(lambda t: jvp(lambda x: x**3, (2.0,), (t * t,))[1])(3.0) == 12.0 * 6


def test_derivatives_of_a_root_found_by_newton_s_method() -> None:
    def root(a: Any) -> Any:
        x = 1.5
        for _ in range(8):
            x = x - (x * x - a) / grad(lambda x: x * x)(x)
        return x

    assert root(2.0) == math.sqrt(2)
    assert grad(root)(2.0) == pytest.approx(0.5 / math.sqrt(2), rel=1e-15)
    assert grad(grad(root))(2.0) == pytest.approx(-0.25 / 2**1.5, rel=1e-14)


# Functions of every kind.


def test_a_function_that_ignores_its_argument_or_returns_a_constant_has_derivative_zero() -> None:
    for f in (
        lambda x, y: y * 2,
        lambda x, y: 3,
        lambda x, y: 2.5,
        lambda x, y: Fraction(1, 2),
        lambda x, y: np.int8(3),
    ):
        assert grad(f)(5.0, 7.0) == 0.0
        assert grad(f)([5.0, (6.0,)], 7.0) == [0.0, (0.0,)]
        assert hessian(f)([5.0], 7.0) == [[0.0]]
        assert jvp(f, (5.0, 7.0), (1.0, 0.0))[1] == 0.0
        assert vjp(f, 5.0, 7.0)[1](1.0)[0] == 0.0
        assert hvp(f, (5.0, 7.0), (1.0, 1.0)) == (0.0, 0.0)
    assert jacobian(lambda x: [3, x, 2.0])(5.0) == [0.0, 1.0, 0.0]


def test_so_it_is_with_values() -> None:
    w, x = Value(2.0), Value(5.0)
    for constant in w, w * w, 3.0:
        assert numbers_of(grad(lambda x: constant)(x)) == 0.0  # noqa: B023
        assert numbers_of(hessian(lambda x: constant)(x)) == 0.0  # noqa: B023
        assert numbers_of(jvp(lambda x: [constant, x], (x,), (3.0,))[1]) == [0.0, 3.0]  # noqa: B023
        assert numbers_of(vjp(lambda x: [constant, x], x)[1]([3.0, 0.0])) == (0.0,)  # noqa: B023


def test_an_argument_that_is_passed_through_has_derivative_one() -> None:
    assert value_and_grad(lambda x: x)(5) == (5.0, 1.0)
    assert jacobian(lambda x: x)([5.0, 7.0]) == [[1.0, 0.0], [0.0, 1.0]]
    assert jacobian(lambda x: {"x": x})((5.0,)) == {"x": ((1.0,),)}
    assert jacobian(lambda x: [x[0], x[0] * x[1], x[0]])([5.0, 7.0]) == [[1.0, 0.0], [7.0, 5.0], [1.0, 0.0]]
    assert hessian(lambda x: x)(5.0) == 0.0
    assert jvp(lambda x, y: (y, x), (5.0, 7.0), (1.0, 2.0)) == ((7.0, 5.0), (2.0, 1.0))
    assert vjp(lambda x, y: (y, x), 5.0, 7.0)[1]((1.0, 2.0)) == (2.0, 1.0)


def test_one_value_returned_several_times_counts_each_time() -> None:
    def twice(x: Any) -> Any:
        y = x * x
        return [y, y, (y, x)]

    assert jacobian(twice)(3.0) == [6.0, 6.0, (6.0, 1.0)]
    assert jvp(twice, (3.0,), (2.0,)) == ([9.0, 9.0, (9.0, 3.0)], [12.0, 12.0, (12.0, 2.0)])
    assert vjp(twice, 3.0)[1]([1.0, 10.0, (100.0, 1000.0)]) == (666.0 + 1000.0,)
    found = jacobian(twice)(Value(3.0))
    assert numbers_of(found) == [6.0, 6.0, (6.0, 1.0)]
    assert len(set(entries(found))) == 4


def test_a_value_at_two_places_of_an_argument_is_a_variable_at_each() -> None:
    v = Value(3.0)
    assert numbers_of(grad(lambda p: p["a"] * p["b"] ** 2)({"a": v, "b": v})) == {"a": 9.0, "b": 18.0}
    assert numbers_of(grad(lambda x, y: x * y**2, (0, 1))(v, v)) == (9.0, 18.0)
    assert numbers_of(grad(lambda x, y: x * y**2)(v, v)) == 9.0


def test_keyword_arguments_are_passed_on() -> None:
    def scaled(x: Any, scale: Any = 1.0, *, shift: Any = 0.0) -> Any:
        return x * x * scale + shift

    assert grad(scaled)(3.0) == 6.0
    assert grad(scaled)(3.0, scale=2.0, shift=1.0) == 12.0
    assert grad(scaled, (0, 1))(3.0, 2.0, shift=1.0) == (12.0, 9.0)
    assert value_and_grad(scaled, -1)(3.0) == (9.0, 6.0)
    assert hessian(scaled)(3.0, scale=Fraction(1, 2)) == 1.0
    scale = Value(2.0)
    found = grad(scaled)(3.0, scale=scale)
    found.backward()
    assert (found.data, scale.grad) == (12.0, 6.0)


def test_functions_of_any_number_of_arguments() -> None:
    def product_of(*xs: Any) -> Any:
        return functools.reduce(operator.mul, xs)

    assert grad(product_of)(2.0, 3.0, 5.0) == 15.0
    assert grad(product_of, -1)(2.0, 3.0, 5.0) == 6.0
    assert grad(product_of, (0, -1, 1))(2.0, 3.0, 5.0) == (15.0, 6.0, 10.0)
    assert grad(product_of, [1])(2.0, 3.0) == (2.0,)
    assert grad(product_of, range(2))(2.0, 3.0) == (3.0, 2.0)
    assert grad(product_of, ())(2.0, 3.0) == ()
    assert grad(product_of, np.int64(1))(2.0, 3.0) == 2.0
    assert hvp(product_of, (2.0, 3.0), (1.0, 0.0)) == (0.0, 1.0)
    assert vjp(lambda: [1.0])[1]([1.0]) == ()


def test_every_kind_of_callable_can_be_transformed() -> None:
    class Cube:
        def __call__(self, x: Any) -> Any:
            return x**3

        def scaled(self, scale: float, x: Any) -> Any:
            return scale * x**3

    assert grad(Cube())(2.0) == 12.0
    assert grad(Cube().scaled, 1)(5.0, 2.0) == 60.0
    assert grad(functools.partial(Cube().scaled, 5.0))(2.0) == 60.0
    assert grad(abs)(-2.0) == -1.0
    assert grad(microbp.exp)(0.0) == 1.0
    assert grad(microbp.max)([1.0, 3.0, 3.0]) == [0.0, 0.5, 0.5]
    assert jacobian(microbp.softmax)([0.0, 0.0]) == [[0.25, -0.25], [-0.25, 0.25]]
    assert grad(operator.mul, 1)(2.0, 3.0) == 2.0
    assert grad(sum)([2.0, 3.0]) == [1.0, 1.0]


def test_a_function_is_called_once_and_its_arguments_bear_its_names() -> None:
    calls = []

    def f(x: Any, pair: Any, *rest: Any) -> Any:
        labels = [*entries(pair), x, *rest] if isinstance(x, Value) else []
        calls.append([v.label for v in labels])
        return x * pair["w"][0] * pair["w"][1] * rest[0]

    arguments = (2.0, {"w": [3.0, 5.0]}, 7.0)
    everywhere = (0, 1, 2)
    grad(f, everywhere)(*arguments)
    value_and_grad(f, everywhere)(*arguments)
    jacobian(f, everywhere)(*arguments)
    hessian(f, everywhere)(*arguments)
    jvp(f, arguments, arguments)
    vjp(f, *arguments)[1](1.0)
    labels = ["pair[w,1]", "pair[w,2]", "x", "argument 3"]
    assert calls[:3] + calls[4:] == [labels] * 5
    assert len(calls) == 6


def test_a_transformed_function_says_what_it_is() -> None:
    def energy(x: Any, scale: float = 1.0) -> Any:
        """Half the square."""
        return x * x / 2 * scale

    for transform in grad, value_and_grad, jacobian, hessian:
        made = transform(energy)
        assert made.__name__ == f"{transform.__name__}(energy)"
        assert made.__doc__ == f"{transform.__name__} of energy; see microbp.{transform.__name__}."
        assert str(inspect.signature(made)).startswith("(x")
    assert grad(grad(energy)).__name__ == "grad(grad(energy))"
    assert grad(MLP(1, [1])).__name__ == "grad(MLP)"


# Structures of every kind.


class Point(NamedTuple):
    x: Any
    y: Any


def length(point: Any) -> Any:
    return point[0] * point[0] + 3 * point[1]


@pytest.mark.parametrize(
    ("point", "gradient"),
    [
        ([2.0, 5.0], [4.0, 3.0]),
        ((2.0, 5.0), (4.0, 3.0)),
        (Point(2.0, 5.0), Point(4.0, 3.0)),
        ({0: 2.0, 1: 5.0}, {0: 4.0, 1: 3.0}),
        ([2, True], [4.0, 3.0]),
        ([Fraction(1, 2), Fraction(1, 3)], [1.0, 3.0]),
        ([np.float32(0.5), np.int64(2)], [1.0, 3.0]),
        ([np.bool_(True), np.longdouble(2)], [2.0, 3.0]),
        ([2.0, 5.0, [], (), {}, [[]]], [4.0, 3.0, [], (), {}, [[]]]),
        ([2.0, 5.0, {"unused": [1.0]}], [4.0, 3.0, {"unused": [0.0]}]),
    ],
)
def test_the_gradient_has_the_structure_of_the_argument_and_is_plain_floats(
    point: Any, gradient: Any
) -> None:
    found = grad(length)(point)
    assert found == gradient
    assert type(found) is type(gradient)
    assert kinds(found) == {float}
    assert type(value_and_grad(length)(point)[0]) is float


def test_other_dicts_become_dicts() -> None:
    found = grad(lambda p: p["a"] * p["b"])(OrderedDict(b=2.0, a=3.0))
    assert found == {"b": 3.0, "a": 2.0}
    assert list(found) == ["b", "a"]


@pytest.mark.parametrize("kind", [float, np.float32, int])
def test_an_array_gives_an_array_of_its_shape(kind: Any) -> None:
    row = np.array([2, 5], dtype=kind)
    found = grad(length)(row)
    assert isinstance(found, np.ndarray)
    assert found.dtype == float
    assert found.tolist() == [4.0, 3.0]
    matrix = np.array([[2, 5, 1], [3, 4, 1]], dtype=kind)
    found = grad(lambda m: sum(length(row) for row in m))(matrix)
    assert found.tolist() == [[4.0, 3.0, 0.0], [6.0, 3.0, 0.0]]
    curve = hessian(length)(row)
    assert isinstance(curve, np.ndarray)
    assert curve.tolist() == [[2.0, 0.0], [0.0, 0.0]]


def test_functions_may_return_structures_and_arrays() -> None:
    def f(x: Any) -> Any:
        return Point({"s": x[0] * x[1], "t": (x[0],)}, [x[1] * x[1], []])

    x = [2.0, 5.0]
    assert jacobian(f)(x) == Point({"s": [5.0, 2.0], "t": ([1.0, 0.0],)}, [[0.0, 10.0], []])
    value, tangent = jvp(f, (x,), ([1.0, 0.0],))
    assert value == Point({"s": 10.0, "t": (2.0,)}, [25.0, []])
    assert tangent == Point({"s": 5.0, "t": (1.0,)}, [0.0, []])
    assert type(value) is type(tangent) is Point
    assert kinds([value, tangent]) == {float}
    assert vjp(f, x)[1](Point({"s": 1.0, "t": (10.0,)}, [100.0, []])) == ([15.0, 1002.0],)
    found = jacobian(lambda x: np.array([x[0] * x[1], x[1] * x[1]]))(np.array(x))
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [[5.0, 2.0], [0.0, 10.0]]
    value, tangent = jvp(lambda x: np.array([[x * x]]), (3.0,), (1.0,))
    assert isinstance(value, np.ndarray)
    assert (value.tolist(), tangent.tolist()) == ([[9.0]], [[6.0]])


def test_nothing_of_nothing_is_nothing() -> None:
    assert grad(lambda x: 3.0)([]) == []
    assert jacobian(lambda x: [])(2.0) == []
    assert jacobian(lambda x: [1.0])([]) == [[]]
    assert hessian(lambda x: 3.0)({}) == {}
    assert jvp(lambda x: [], ([],), ([],)) == ([], [])
    assert vjp(lambda x: [], [])[1]([]) == ([],)
    assert grad(lambda x: 3.0)(np.zeros(0)).shape == (0,)
    assert jvp(lambda: [1.0], (), ()) == ([1.0], [0.0])


def test_part_of_an_array_is_a_row_too() -> None:
    x = np.array([1.0, 2.0, 4.0])
    assert grad(lambda x: sum(v * v for v in x[1:]))(x).tolist() == [0.0, 4.0, 8.0]
    assert isinstance(jvp(lambda x: x[::-1], (x,), (x,))[1], np.ndarray)
    for act in (
        lambda x: x[1:] + x[:-1],
        lambda x: 2 * x,
        lambda x: -x,
        lambda x: x[1:] - x[:-1],
        lambda x: x @ x,
    ):
        with pytest.raises(TypeError, match="compute with each of them"):
            grad(act)(x)


def test_tangents_may_come_in_the_keys_own_order_and_in_other_containers() -> None:
    def f(p: Any) -> Any:
        return p["a"] * p["b"][0]

    primal = {"a": 2.0, "b": [5.0]}
    assert jvp(f, (primal,), ({"b": (1,), "a": 0},)) == (10.0, 2.0)
    assert jvp(f, [primal], [{"a": 1.0, "b": np.array([0.0])}]) == (10.0, 5.0)
    assert hvp(f, (primal,), ({"b": [1], "a": True},)) == {"a": 1.0, "b": [1.0]}
    assert vjp(lambda x: {"a": x, "b": 2 * x}, 3.0)[1]({"b": 1.0, "a": 10}) == (12.0,)


# Plain numbers where all is plain, Values where a Value went in.


def test_numbers_are_plain_floats_where_nothing_but_plain_numbers_went_in() -> None:
    def f(x: Any) -> Any:
        w = Value(2.0, "born inside")
        return w * x * x + grad(lambda y: y * y)(3.0)

    for found in [
        grad(f)(5),
        value_and_grad(f)(5),
        jacobian(f)(5),
        hessian(f)(5),
        jvp(f, (5,), (1,)),
        vjp(f, 5)[0],
        vjp(f, 5)[1](1),
        hvp(f, (5,), (1,)),
    ]:
        assert kinds(found) == {float}


def test_results_are_values_where_an_argument_a_tangent_or_the_function_brings_one() -> None:
    w = Value(2.0, "w")
    x = Value(5.0, "x")

    def plain(x: Any) -> Any:
        return 2 * x * x

    def weighted(x: Any) -> Any:
        return w * x * x

    for f, argument in (plain, x), (weighted, 5.0), (weighted, x):
        for found, numbers in [
            (grad(f)(argument), 20.0),
            (value_and_grad(f)(argument), (50.0, 20.0)),
            (jacobian(f)(argument), 20.0),
            (hessian(f)(argument), 4.0),
            (jvp(f, (argument,), (3.0,)), (50.0, 60.0)),
            (vjp(f, argument)[0], 50.0),
            (vjp(f, argument)[1](3.0), (60.0,)),
            (hvp(f, (argument,), (3.0,)), 12.0),
        ]:
            assert kinds(found) == {Value}
            assert numbers_of(found) == numbers
    three = Value(3.0)
    assert numbers_of(jvp(plain, (5.0,), (three,))[1]) == 60.0
    assert numbers_of(vjp(plain, 5.0)[1](three)) == (60.0,)
    assert kinds(jvp(plain, (5.0,), (three,))[0]) == {float}
    assert kinds(grad(lambda x, y: x * y)(5.0, w)) == {Value}
    assert kinds(grad(lambda x, y: x * x)(5.0, w)) == {float}  # y changes nothing
    assert kinds(grad(lambda x: w)(5.0)) == {Value}
    assert kinds(jacobian(lambda x: [x, w])(5.0)) == {Value}


def test_nothing_of_the_caller_s_is_touched() -> None:
    w, x = Value(2.0, "w"), Value(5.0, "x")
    (w * x).backward()
    loss = w * x
    for act in [
        lambda: grad(lambda x: w * x * x)(x),
        lambda: hessian(lambda x: w * x * x)(x),
        lambda: jvp(lambda x: loss * x, (x,), (w,)),
        lambda: vjp(lambda x: loss * x, x)[1](w),
        lambda: jacobian(lambda x: [w, x, loss])(x),
    ]:
        for found in entries(act()):
            if found not in (w, loss):
                found.label, found.data, found.grad = "mine", 99.0, 7.0
        assert [(v.data, v.grad, v.label) for v in (w, x, loss)] == [
            (2.0, 5.0, "w"),
            (5.0, 2.0, "x"),
            (10.0, 0.0, ""),
        ]


def test_tangents_of_zero_make_no_nodes() -> None:
    x, y = Value(2.0), Value(3.0)
    _, tangent = jvp(lambda x, y: x * y + y.exp(), (x, y), (1.0, 0.0))
    assert tangent.data == 3.0
    assert [node.rule.name for node in computed(tangent)] == ["sum", "sum"]  # y, passed on twice


def test_a_derivative_as_a_value_goes_on_being_differentiated() -> None:
    w = Value(2.0, "w")
    slope = grad(lambda x: (w * x).sin())(0.5)  # w cos(wx)
    slope.backward()
    assert slope.data == 2 * math.cos(1.0)
    assert w.grad == pytest.approx(math.cos(1.0) - math.sin(1.0), rel=1e-15)
    assert gradients(slope, w).data == w.grad
    w.data = 3.0
    slope.recompute()
    assert slope.data == 3 * math.cos(1.5)


def test_a_vector_is_not_pulled_back_through_a_graph_that_is_stale() -> None:
    w = Value(2.0, "w")
    _, pull_back = vjp(lambda x: w * x * x, 5.0)
    w.data = 3.0
    with pytest.raises(ValueError, match=r"^vjp: 'w \* x' no longer follows"):
        pull_back(1.0)
    w.data = 2.0
    assert numbers_of(pull_back(1.0)) == (20.0,)


# y' = -y, y(0) = 1 on a few points: a loss made of derivatives.

POINTS = [0.0, 0.25, 0.5, 0.75, 1.0]


def equation_loss(network: Any) -> Value:
    slope = grad(network)
    return (network(0.0) - 1) ** 2 + sum((slope(t) + network(t)) ** 2 for t in POINTS)


def test_a_loss_made_of_derivatives_has_the_gradients_of_central_differences() -> None:
    network = MLP(1, [3, 1], activation="tanh", output_activation="linear", seed=1)
    parameters = network.parameters()
    loss = equation_loss(network)
    loss.backward()
    for weight in parameters:
        before, h = weight.data, 1e-5
        weight.data = before + h
        high = equation_loss(network).data
        weight.data = before - h
        low = equation_loss(network).data
        weight.data = before
        assert weight.grad == pytest.approx((high - low) / (2 * h), rel=1e-6, abs=1e-8)


def test_a_network_is_trained_to_solve_a_differential_equation() -> None:
    network = MLP(1, [3, 1], activation="tanh", output_activation="linear", seed=1)
    optimizer, parameters = Adam(0.05), network.parameters()
    before = equation_loss(network).data
    for _ in range(250):
        loss = equation_loss(network)
        zero_grad(parameters)
        loss.backward()
        optimizer.step(parameters)
    assert loss.data < before / 1000
    for t in 0.1, 0.6, 0.9:
        assert network(t).data == pytest.approx(math.exp(-t), abs=0.02)


# Kinks, zeros and edges.


def test_the_slope_at_a_kink_is_the_convention_of_the_table() -> None:
    assert [grad(Value.relu)(x) for x in (-1.0, 0.0, 1.0)] == [0.0, 0.0, 1.0]
    assert [grad(abs)(x) for x in (-1.0, 0.0, 1.0)] == [-1.0, 0.0, 1.0]
    assert [hessian(Value.relu)(x) for x in (-1.0, 0.0, 1.0)] == [0.0] * 3
    assert hessian(lambda x: microbp.max(x) ** 2)([1.0, 1.0]) == [[0.5, 0.5], [0.5, 0.5]]


def test_an_infinite_slope_stays_with_what_it_belongs_to() -> None:
    def f(x: Any) -> Any:
        return [x[0].sqrt(), x[1] * 3]

    assert grad(Value.sqrt)(0.0) == math.inf
    assert jacobian(f)([0.0, 1.0]) == [[math.inf, 0.0], [0.0, 3.0]]
    assert jvp(f, ([0.0, 1.0],), ([0.0, 1.0],))[1] == [0.0, 3.0]
    assert vjp(f, [0.0, 1.0])[1]([0.0, 1.0]) == ([0.0, 3.0],)
    assert jvp(f, ([0.0, 1.0],), ([2.0, 1.0],))[1] == [math.inf, 3.0]
    values = [Value(0.0), Value(1.0)]
    assert numbers_of(vjp(f, values)[1]([0.0, 1.0])) == ([0.0, 3.0],)
    assert numbers_of(vjp(lambda x: [(x * x).sqrt(), x], values[0])[1]([0.0, 1.0])) == (1.0,)
    with pytest.raises(ZeroDivisionError, match=r"^the slope of 'sqrt\(0\)' has no value that could be"):
        hessian(Value.sqrt)(0.0)


def test_an_error_of_the_function_is_passed_on_and_names_the_argument() -> None:
    with pytest.raises(ValueError, match=r"^log of .*-1\.0 \(node 'x\[2\]'\): it needs x > 0$"):
        grad(lambda x: microbp.log(x[1]))([1.0, -1.0])


def test_there_are_no_negative_zeros() -> None:
    def f(x: Any) -> Any:
        return [x * -0.0, -x * 0.0, (x * 1.0).relu() * -1.0]

    for x in 1.0, -1.0, 0.0, -0.0:
        for found in [
            [grad(lambda x: f(x)[k])(x) for k in range(2)],  # noqa: B023
            jacobian(f)(x)[:2],
            jvp(f, (x,), (1.0,))[1][:2],
            vjp(f, x)[1]([1.0, 0.0, 0.0]),
            jacobian(lambda x: [x[0] * -0.0, x[1] * -0.0])([x, x])[1],
        ]:
            assert [math.copysign(1.0, zero) for zero in found] == [1.0] * len(found)


# Size, memory, threads.

DEEP = """
import gc, math, sys
from microbp import Value, grad, hessian, jvp, vjp
gc.disable()
sys.setrecursionlimit(200)

def steps(x, n):
    v = x
    for _ in range(n):
        v = (v * 0.5 + x).sin()
    return v

value, slope, curve = 0.5, 1.0, 0.0
for n in range(1, 20_001):
    u = value * 0.5 + 0.5
    value, outer, inner = math.sin(u), math.cos(u), slope * 0.5 + 1
    slope, curve = outer * inner, outer * curve * 0.5 - value * inner * inner
    if n == 2_000:
        assert math.isclose(hessian(steps)(0.5, n), curve, rel_tol=1e-12)
all_steps = lambda x: steps(x, n)
for found in grad(steps)(0.5, n), jvp(all_steps, (0.5,), (1.0,))[1], vjp(all_steps, 0.5)[1](1.0)[0]:
    assert math.isclose(found, slope, rel_tol=1e-12), (found, slope)
assert sum(type(o) is Value for o in gc.get_objects()) == 0
print("done")
"""


def test_a_function_of_many_steps_is_differentiated_without_recursion_and_freed() -> None:
    home = str(Path(microbp.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", DEEP], env={**os.environ, "PYTHONPATH": home}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_nothing_is_left_behind_with_the_cyclic_collector_off() -> None:
    def values() -> int:
        return sum(issubclass(type(thing), Value) for thing in gc.get_objects())

    network = MLP(1, [2, 1], activation="tanh", seed=1)

    def work() -> None:
        f = functools.partial(recurrence, VALUES)
        grad(f)(CELL, [0.5])
        hessian(f)(CELL, [0.5])
        vjp(f, CELL, [Value(0.5)])[1](1.0)
        jvp(grad(f), (CELL, [0.5]), (CELL, [0.5]))
        equation_loss(network).backward()
        with pytest.raises(TypeError):
            grad(lambda x: [x * x])(2.0)

    network(0.0)
    gc.collect()
    gc.disable()
    try:
        before = values()
        work()
        assert values() == before
    finally:
        gc.enable()


def test_one_transformed_function_serves_many_threads() -> None:
    second = hessian(functools.partial(rosenbrock, VALUES))
    points = [[0.1 * k, -0.5, 0.3 + k] for k in range(8)]
    alone = [second(point) for point in points]
    together: list[Any] = [None] * 8

    def worker(k: int) -> None:
        for _ in range(5):
            together[k] = second(points[k])

    threads = [threading.Thread(target=worker, args=[k]) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


# Errors.


def loss_list(x: Any) -> Any:
    return [x, x * x]


NOTHING = "perhaps a function forgot to return its result"


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (
            lambda: grad(3.0),
            TypeError,
            "grad: a function is needed, not 3.0 (float); for a graph that was recorded there is "
            "gradients(output, inputs)",
        ),
        (
            lambda: jacobian(Value(2.0) * 3),
            TypeError,
            "jacobian: a function is needed, not Value(6.000, grad=0.000); for a graph that was recorded "
            "there is gradients(output, inputs)",
        ),
        (
            lambda: grad(loss_list, "x"),
            TypeError,
            "grad: argnums counts arguments, as 0 or (0, 2), and 'x' came",
        ),
        (
            lambda: value_and_grad(loss_list, 0.5),
            TypeError,
            "value_and_grad: argnums counts arguments, as 0 or (0, 2), and 0.5 came",
        ),
        (
            lambda: jacobian(loss_list, (0, None)),
            TypeError,
            "jacobian: argnums counts arguments, as 0 or (0, 2), and (0, None) came",
        ),
        (
            lambda: grad(operator.mul, (0, -2))(2.0, 3.0),
            ValueError,
            "grad: argnums names an argument twice: [0, -2]",
        ),
        (
            lambda: grad(loss_list, 1)(2.0),
            TypeError,
            "grad: argnums says 1, counted from 0, and 1 argument came by place; "
            "what is differentiated by cannot be given by name",
        ),
        (
            lambda: grad(loss_list)(x=2.0),
            TypeError,
            "grad: argnums says 0, counted from 0, and 0 arguments came by place; "
            "what is differentiated by cannot be given by name",
        ),
        (
            lambda: grad(loss_list)(2.0),
            TypeError,
            "grad: loss_list returned a list of 2, and a gradient is that of one number; "
            "return their sum or another one number, or take the jacobian",
        ),
        (
            lambda: value_and_grad(lambda x: np.array([x]))(2.0),
            TypeError,
            "value_and_grad: <lambda> returned a ndarray of 1, and a gradient is that of one number; "
            "return their sum or another one number, or take the jacobian",
        ),
        (
            lambda: grad(lambda x: None)(2.0),
            TypeError,
            f"grad: the result of <lambda>: a real number is needed, not None; {NOTHING}",
        ),
        (
            lambda: jacobian(lambda x: {"a": [x, "b"]})(2.0),
            TypeError,
            "jacobian: the result of <lambda>['a'][1]: a real number is needed, not 'b' (str); "
            "convert it first, as in float(text)",
        ),
        (
            lambda: grad(loss_list)(None),
            TypeError,
            f"grad: x: a real number is needed, not None; {NOTHING}",
        ),
        (
            lambda: grad(lambda *xs: xs[0], -1)(2.0, ["3"]),
            TypeError,
            "grad: argument 2[0]: a real number is needed, not '3' (str); "
            "convert it first, as in float(text)",
        ),
        (
            lambda: grad(loss_list)([1.0, {"w": 2j}]),
            TypeError,
            "grad: x[1]['w']: a real number is needed, not 2j (complex); only real numbers can be "
            "differentiated here; use its .real and .imag",
        ),
        (
            lambda: grad(loss_list)(10**400),
            OverflowError,
            "grad: x: about 10**400 is too large for a float",
        ),
        (
            lambda: grad(loss_list)(np.array(2.0)),
            TypeError,
            "grad: x: a real number is needed, not an array of shape (); a Value holds one number; "
            "make one of each element, as in [Value(a) for a in array.ravel()]",
        ),
        (
            lambda: jvp(loss_list, 2.0, (1.0,)),
            TypeError,
            "jvp: primals is a tuple with one entry for each argument of the function, as in (x,), "
            "not 2.0 (float)",
        ),
        (
            lambda: hvp(loss_list, (2.0,), 1.0),
            TypeError,
            "hvp: tangents is a tuple with one entry for each argument of the function, "
            "as in (x,), not 1.0 (float)",
        ),
        (
            lambda: jvp(loss_list, (2.0,), (1.0, 2.0)),
            ValueError,
            "jvp: tangents must have the structure of primals; they differ at tangents[1]",
        ),
        (
            lambda: jvp(lambda x: x["a"], ({"a": [1.0, 2.0]},), ({"a": [1.0]},)),
            ValueError,
            "jvp: tangents must have the structure of primals; they differ at tangents[0]['a'][1]",
        ),
        (
            lambda: hvp(lambda x: x[0], ([1.0],), (1.0,)),
            ValueError,
            "hvp: tangents must have the structure of primals; they differ at tangents[0]",
        ),
        (
            lambda: jvp(loss_list, (2.0,), ("1",)),
            TypeError,
            "jvp: tangents[0]: a real number is needed, not '1' (str); convert it first, as in float(text)",
        ),
        (
            lambda: vjp(loss_list, 2.0)[1](1.0),
            ValueError,
            "vjp: the vector must have the structure of f's result; they differ at the vector",
        ),
        (
            lambda: vjp(loss_list, 2.0)[1]([1.0, None]),
            TypeError,
            f"vjp: the vector[1]: a real number is needed, not None; {NOTHING}",
        ),
        (
            lambda: hessian(loss_list)(2.0),
            TypeError,
            "grad: loss_list returned a list of 2, and a gradient is that of one number; "
            "return their sum or another one number, or take the jacobian",
        ),
    ],
)
def test_an_error_says_what_came_where_and_what_to_do(
    act: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        act()
    assert str(caught.value) == message


def test_a_structure_that_contains_itself_is_refused() -> None:
    endless: list[Any] = [1.0]
    endless.append(endless)
    with pytest.raises(ValueError, match="nested more than 50 levels deep; does it contain itself"):
        grad(lambda x: x[0])(endless)
