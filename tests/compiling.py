"""What the tests of the compiler share: the eager engine as an oracle, looks into programs, random graphs."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import microbp
from microbp import Value, compile
from microbp.compiler.executor import Executor
from microbp.compiler.program import Program
from microbp.traversal import topological
from microbp.value import computed

# The eager engine as the oracle.


class Oracle(NamedTuple):
    """Outputs of each sample, the first one's gradient over all of them, and what rounding depends on."""

    outputs: np.ndarray
    gradient: np.ndarray
    bounds: np.ndarray


def flat(structure: Any) -> list[Any]:
    if isinstance(structure, (list, tuple)):
        return [entry for part in structure for entry in flat(part)]
    return [structure]


def as_given(sample: Any) -> Any:
    """A sample as an eager function takes it: Values, and where a number is whole, as a class is, that."""
    if isinstance(sample, np.ndarray):
        return as_given(sample.tolist())
    if isinstance(sample, (list, tuple)):
        return [as_given(entry) for entry in sample]
    return sample if isinstance(sample, (int, np.integer)) else Value(float(sample))


def oracle(function: Callable[..., Any], samples: Sequence[Any], parameters: Sequence[Value]) -> Oracle:
    """What the eager engine says, sample by sample; gradients add up over the samples."""
    outputs, gradient, bounds = [], np.zeros(len(parameters)), np.zeros(len(parameters))
    for sample in zip(*samples):
        values = flat(function(*map(as_given, sample)))
        outputs.append([value.data for value in values])
        slopes, gross = _derivatives(values[0])
        gradient += [slopes.get(parameter, 0.0) for parameter in parameters]
        bounds += [gross.get(parameter, 0.0) for parameter in parameters]
    return Oracle(np.array(outputs).T, gradient, bounds)


def _derivatives(output: Value) -> tuple[dict[Value, float], dict[Value, float]]:
    """The derivatives by each node, and how large what is rounded on the way to each may be."""
    slopes = dict.fromkeys(topological(output), 0.0)
    gross = dict(slopes)
    slopes[output] = gross[output] = 1.0
    for node in reversed(computed(output)):
        for input, slope in zip(node.inputs, node.partials):
            slopes[input] += slope * slopes[node]
            gross[input] += (abs(slope) + 0.01) * gross[node]  # a small slope is a difference of larger ones
    return slopes, gross


def assert_agrees(
    function: Callable[..., Any], *samples: Any, parameters: Sequence[Value] | None = None
) -> Program:
    """Compile `function` and compare all it computes with the eager engine: values, loss and gradient.

    The program is run on the batch, on other batches, and on the batch again, which has to give the
    same to the last bit: nothing may be left from one run to the next.
    """
    program = compile(function, parameters=parameters)
    outputs = program(*samples)
    expected = oracle(function, samples, program.parameters)
    rows = np.array(_rows(outputs))
    np.testing.assert_allclose(rows, expected.outputs, rtol=1e-12, atol=1e-12)
    if isinstance(outputs, np.ndarray) and outputs.ndim == 1:
        n = len(outputs)
        loss, gradient = program.value_and_grad(*samples, reduction="sum")
        assert math.isclose(loss, math.fsum(expected.outputs[0]), rel_tol=1e-12, abs_tol=1e-12 * n)
        assert_close(gradient, expected.gradient, expected.bounds)
        turned = [list(reversed(list(each))) for each in samples]
        assert_close(program.value_and_grad(*turned, reduction="sum")[1], expected.gradient, expected.bounds)
        first = [list(each)[:1] for each in samples]
        alone = oracle(function, first, program.parameters)
        assert_close(program.value_and_grad(*first)[1], alone.gradient, alone.bounds)
        again = program.value_and_grad(*samples, reduction="sum")
        assert again[0] == loss and again[1].tobytes() == gradient.tobytes()
        mean, slopes = program.value_and_grad(*samples)
        assert math.isclose(mean, loss / n, rel_tol=1e-12, abs_tol=1e-12)
        assert_close(slopes, expected.gradient / n, expected.bounds / n)
        assert [p.grad for p in program.parameters] == slopes.tolist()
    return program


def assert_close(gradient: np.ndarray, expected: np.ndarray, bounds: np.ndarray) -> None:
    """Equal but for rounding: 1e-9, or where large numbers cancel, 1e-13 of them."""
    assert gradient.shape == expected.shape
    wrong = ~(np.abs(gradient - expected) <= 1e-9 * np.abs(expected) + 1e-13 * bounds + 1e-300)
    assert not wrong.any(), f"at {np.flatnonzero(wrong)}: {gradient[wrong]} instead of {expected[wrong]}"


def _rows(outputs: Any) -> list[np.ndarray]:
    """The outputs of a program, one after another, each for every sample."""
    if isinstance(outputs, np.ndarray):
        return list(outputs.reshape(len(outputs), -1).T)
    return [row for part in outputs for row in _rows(part)]


# Matrices of scalars.


def matrix(rows: int, columns: int, seed: int, label: str = "w") -> list[list[Value]]:
    """Parameters, a list for each row."""
    numbers = np.random.default_rng(seed).normal(size=(rows, columns))
    return [[Value(n, f"{label}[{i},{j}]") for j, n in enumerate(row, 1)] for i, row in enumerate(numbers, 1)]


def times(matrix: Sequence[Sequence[Value]], vector: Sequence[Any]) -> list[Value]:
    """A matrix times a vector, a weighted sum for each row."""
    return [microbp.weighted_sum(row, vector) for row in matrix]


# Looking into a program.


def shapes(program: Program) -> list[tuple[Any, ...]]:
    """The plan's steps on samples: kind and rule, then the grid of each operand."""
    return [
        (step.rule or step.kind, *(grid.shape for grid in step.operands))
        for step in program._made.plan.steps
        if step.of_sample
    ]


def kinds(program: Program) -> list[str]:
    """The plan's steps on samples: "matrix", "dot", or the rule they apply."""
    return [step.rule or step.kind for step in program._made.plan.steps if step.of_sample]


def executor(program: Program, samples: int = 5, reduction: str = "mean") -> Executor:
    """The arrays and calls for batches of so many samples, of both passes."""
    found = program._made._executor(samples, reduction, careful=False)
    found.prepare_backward()
    return found


def calls(program: Program, samples: int = 5) -> list[str]:
    """What is called in one step, forward and backward, by name: "dot", "tanh", "take", ..."""
    made = executor(program, samples)
    forward = made._forward
    lists = forward.of_inputs, forward.of_shared, forward.of_sample, made.prepare_backward().calls.list
    return [name_of_call(function) for each in lists for function, _ in each]


def name_of_call(function: Any) -> str:
    return name_of_call(function.func) if isinstance(function, partial) else function.__name__


def weights(program: Program) -> list[np.ndarray]:
    """The matrices W of the program's products, a bias being the last column."""
    return [product.W for product in executor(program)._forward.products.values()]


def is_view(array: np.ndarray, program: Program) -> bool:
    """Whether an array shows the memory of the program's parameters, and is no copy of it."""
    return np.shares_memory(array, program._made.data)


# Random graphs: layers that select from all that was computed before, as irregularly as can be.


class Recipe(NamedTuple):
    """Plain data from which `Recipe.build` makes the same graph again and again."""

    numbers: list[float]
    n_inputs: int
    layers: list[tuple[Any, ...]]
    ending: tuple[Any, ...]

    def function(self, parameters: Sequence[Value]) -> Callable[..., Value]:
        def graph(x: Any, k: Any) -> Value:
            pool = list(x)
            weights = list(parameters)
            for kind, *details in self.layers:
                pool += LAYERS[kind](pool, weights, k, *details)
            kind, *details = self.ending
            return ENDINGS[kind]([pool[i % len(pool)] for i in details[0]], weights)

        return graph


def chosen(values: Sequence[Any], places: Sequence[int]) -> list[Any]:
    """Some of `values`, counted from the end, so that places stay near what was computed last."""
    return [values[-1 - place % len(values)] for place in places]


def _dense(pool, weights, k, xs, rows, biases, activation):
    inputs = chosen(pool, xs)
    units = []
    for row, bias in zip(rows, biases):
        bias = row[-1] + 1 if bias == "behind" else bias
        b = weights[bias % len(weights)] if isinstance(bias, int) else {"none": None, "number": 0.5}[bias]
        units.append(microbp.weighted_sum([weights[w % len(weights)] for w in row], inputs, b))
    return [ACTIVATIONS[activation](u) for u in units]


def _conv(pool, weights, k, start, width, windows, ws, activation):
    """The same weights over several windows."""
    found = []
    for window in range(windows):
        inputs = [pool[(start + window + i) % len(pool)] for i in range(width)]
        found.append(microbp.weighted_sum([weights[(ws + i) % len(weights)] for i in range(width)], inputs))
    return [ACTIVATIONS[activation](u) for u in found]


def _each(pool, weights, k, xs, name):
    return [ACTIVATIONS[name](x) for x in chosen(pool, xs)]


def _pairs(pool, weights, k, xs, ys, name):
    return [PAIRS[name](x, y) for x, y in zip(chosen(pool, xs), chosen(pool, ys))]


def _scaled(pool, weights, k, xs, ws, name):
    return [PAIRS[name](weights[w % len(weights)], x) for w, x in zip(ws, chosen(pool, xs))]


def _several(pool, weights, k, groups, name):
    return [SEVERAL[name](chosen(pool, group)) for group in groups]


def _several_mixed(pool, weights, k, groups, ws, name):
    return [
        SEVERAL[name]([*chosen(pool, group), weights[w % len(weights)]]).tanh()
        for group, w in zip(groups, ws)
    ]


def _dots(pool, weights, k, groups, others):
    return [
        microbp.sum([x * y for x, y in zip(chosen(pool, a), chosen(pool, b))]).tanh()
        for a, b in zip(groups, others)
    ]


def _picks(pool, weights, k, groups, places):
    return [
        microbp.pick([*chosen(pool, g), pool[0], pool[-1]][:3], k[p % len(k)]) for g, p in zip(groups, places)
    ]


def _signed(pool, weights, k, xs, ws, signs):
    """A sum of products and of single terms with signs, written as a loop."""
    total = 0.25
    for x, w, sign in zip(chosen(pool, xs), ws, signs):
        term = weights[w % len(weights)] * x if w % 4 else x if w % 3 else weights[w % len(weights)]
        total = total + term if sign else total - term
    return [total.tanh()] if isinstance(total, Value) else [pool[0]]


def _of_parameters(pool, weights, k, ws, name):
    """New weights made of weights."""
    made = {
        "squares": lambda vs: [v * v for v in vs],
        "softmax": lambda vs: microbp.softmax(vs),
        "tanh": lambda vs: [v.tanh() for v in vs],
        "negative": lambda vs: [-v for v in vs],
        "sum": lambda vs: [microbp.sum(vs).tanh()],
        "dot": lambda vs: [microbp.sum([a * b for a, b in pairwise(vs)]).tanh()] if len(vs) > 1 else [],
        "max": lambda vs: [microbp.max(vs)],
        "times": lambda vs: [v * 0.5 for v in vs],
    }[name]([weights[w % len(weights)] for w in ws])
    weights += made
    return []


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "tanh": Value.tanh,
    "sigmoid": Value.sigmoid,
    "sin": Value.sin,
    "cos": lambda u: u.cos(),
    "same": lambda u: u.sin() * 0.5 + 0.1,
    "square": lambda u: u.tanh() ** 2,
    "cube": lambda u: u.tanh() ** 3,
    "root": lambda u: (u.tanh() + 1.5).sqrt(),
    "log": lambda u: (u.sigmoid() + 0.5).log(),
    "exp": lambda u: u.tanh().exp(),
    "softplus": lambda u: u.sin().softplus(),
    "abs": lambda u: abs(u.sin()),
    "relu": lambda u: u.sin().relu(),
    "negative": lambda u: -(u.tanh()),
    "inverse": lambda u: 1 / (u.tanh() + 2),
    "from three": lambda u: 3 - u.tanh(),
    "power": lambda u: (u.sin() + 2) ** u.cos(),
}

PAIRS: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda x, y: (x + y).sin(),
    "difference": lambda x, y: (x - y).tanh(),
    "product": lambda x, y: (x * y).sin(),
    "quotient": lambda x, y: (x / (y.tanh() + 2)).tanh(),
    "reversed": lambda x, y: y.tanh() / (x.tanh() - 2),
    "power": lambda x, y: (x.tanh() + 2) ** y.tanh(),
    "max": lambda x, y: microbp.max(x, y).tanh(),
}

SEVERAL: dict[str, Callable[[Any], Any]] = {
    "sum": lambda xs: microbp.sum(xs).tanh(),
    "bare sum": lambda xs: microbp.sum(xs) / len(xs),
    "max": lambda xs: microbp.max(xs),
    "min": lambda xs: microbp.min(xs),
    "logsumexp": lambda xs: microbp.logsumexp(xs).tanh(),
    "softmax": lambda xs: microbp.softmax(xs)[-1],
    "same": lambda xs: microbp.sum([xs[0]] * 3).sin(),
    "same max": lambda xs: microbp.max([xs[0]] * 2),
}

LAYERS: dict[str, Callable[..., list[Any]]] = {
    "dense": _dense,
    "conv": _conv,
    "each": _each,
    "pairs": _pairs,
    "scaled": _scaled,
    "several": _several,
    "mixed": _several_mixed,
    "dots": _dots,
    "picks": _picks,
    "signed": _signed,
    "parameters": _of_parameters,
}

ENDINGS: dict[str, Callable[..., Value]] = {
    "sum": lambda xs, ws: microbp.sum(xs),
    "mean": lambda xs, ws: microbp.sum(xs) / len(xs),
    "squares": lambda xs, ws: microbp.sum([x * x for x in xs]),
    "penalty": lambda xs, ws: microbp.sum(xs) + microbp.sum([w * w for w in ws]) * 0.1,
    "last": lambda xs, ws: xs[-1],
    "with a weight": lambda xs, ws: xs[-1] + ws[0],
    "minus": lambda xs, ws: xs[0] - xs[-1] * 2,
}


@st.composite
def recipes(draw: Any, longest: int = 6) -> Recipe:
    place = st.integers(0, 11)
    places = st.lists(place, min_size=1, max_size=5) | st.builds(
        lambda start, step, n: [start + step * i for i in range(n)],
        place,
        st.integers(-2, 3),
        st.integers(1, 5),
    )
    n = st.integers(1, 4)

    def matrix(rows, columns):
        irregular = st.lists(
            st.lists(st.integers(0, 30), min_size=columns, max_size=columns), min_size=rows, max_size=rows
        )
        regular = st.builds(
            lambda first, down, right: [
                [first + down * i + right * j for j in range(columns)] for i in range(rows)
            ],
            st.integers(0, 30),
            st.sampled_from([columns, columns + 1, 1, 0, 2 * columns, rows]),
            st.sampled_from([1, rows, 2, 0]),
        )
        return draw(regular | irregular)

    def layer():
        kind = draw(st.sampled_from(sorted(LAYERS)))
        if kind == "dense":
            xs, rows = draw(places), draw(n)
            bias = st.sampled_from(["none", "number"]) | st.integers(0, 30)
            first = draw(st.integers(0, 30))
            biases = draw(
                st.sampled_from(
                    [[each] * rows for each in ("none", "number", "behind", first)]
                    + [[first + step * i for i in range(rows)] for step in (1, len(xs) + 1)]
                )
                | st.lists(bias, min_size=rows, max_size=rows)
            )
            return kind, xs, matrix(rows, len(xs)), biases, draw(st.sampled_from(sorted(ACTIVATIONS)))
        if kind == "conv":
            activation = draw(st.sampled_from(sorted(ACTIVATIONS)))
            return kind, draw(place), draw(n), draw(n), draw(st.integers(0, 30)), activation
        if kind == "each":
            return kind, draw(places), draw(st.sampled_from(sorted(ACTIVATIONS)))
        if kind in ("pairs", "scaled"):
            return kind, draw(places), draw(places), draw(st.sampled_from(sorted(PAIRS)))
        rows = draw(n)
        size = draw(n)
        groups = [[i % 12 for i in row] for row in matrix(rows, size)]
        if kind == "several":
            return kind, groups, draw(st.sampled_from(sorted(SEVERAL)))
        if kind == "mixed":
            return kind, groups, draw(places), draw(st.sampled_from(sorted(SEVERAL)))
        if kind == "dots":
            return kind, groups, [[i % 12 for i in row] for row in matrix(rows, size)]
        if kind == "picks":
            return kind, groups, draw(places)
        if kind == "signed":
            return kind, draw(places), draw(places), draw(st.lists(st.booleans(), min_size=1, max_size=5))
        names = ["squares", "softmax", "tanh", "negative", "sum", "dot", "max", "times"]
        return kind, draw(places), draw(st.sampled_from(names))

    layers = [layer() for _ in range(draw(st.integers(1, longest)))]
    numbers = draw(st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=12))
    ending = draw(st.sampled_from(sorted(ENDINGS))), draw(places)
    return Recipe(numbers, draw(st.integers(1, 4)), layers, ending)
