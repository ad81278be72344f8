"""Random graphs, with shared nodes and constants, against oracles that know nothing of the table."""

import cmath
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

import microbp
from microbp import RULES, Value
from microbp.traversal import topological
from microbp.value import computed

checked = settings(
    deadline=None,
    max_examples=150,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


TINY = 1e-300  # below this, floats have fewer digits


# One mathematics in four kinds of number.  Each kind names its elementary functions; the operations
# below are written with these and with the operators, and stay inside every domain.

VALUES = SimpleNamespace(
    exp=microbp.exp,
    log=microbp.log,
    sqrt=microbp.sqrt,
    sin=microbp.sin,
    cos=microbp.cos,
    tanh=microbp.tanh,
    sigmoid=microbp.sigmoid,
    softplus=microbp.softplus,
    relu=microbp.relu,
    abs=microbp.abs,
    max=lambda xs: microbp.max(xs),
    min=lambda xs: microbp.min(xs),
    sum=microbp.sum,
    logsumexp=microbp.logsumexp,
    softmax=microbp.softmax,
    pick=microbp.pick,
    dot=microbp.weighted_sum,
)

FLOATS = SimpleNamespace(
    exp=math.exp,
    log=math.log,
    sqrt=math.sqrt,
    sin=math.sin,
    cos=math.cos,
    tanh=math.tanh,
    sigmoid=lambda x: 0.5 + 0.5 * math.tanh(x / 2),
    softplus=lambda x: math.log1p(math.exp(x)) if x < 30 else x,
    relu=lambda x: max(x, 0.0),
    abs=abs,
    max=max,
    min=min,
    sum=sum,
    logsumexp=lambda xs: math.log(sum(math.exp(x) for x in xs)),
    softmax=lambda xs: [math.exp(x) / sum(math.exp(x) for x in xs) for x in xs],
    pick=lambda xs, n: xs[n],
    dot=lambda ws, xs, b: sum(w * x for w, x in zip(ws, xs)) + b,
)


def real(x: complex) -> float:
    return complex(x).real


COMPLEX = SimpleNamespace(
    exp=cmath.exp,
    log=cmath.log,
    sqrt=cmath.sqrt,
    sin=cmath.sin,
    cos=cmath.cos,
    tanh=cmath.tanh,
    sigmoid=lambda x: 1 / (1 + cmath.exp(-x)),
    softplus=lambda x: cmath.log(1 + cmath.exp(x)),
    relu=lambda x: x if real(x) > 0 else 0 * x,
    abs=lambda x: x if real(x) > 0 else -x,
    max=lambda xs: max(xs, key=real),
    min=lambda xs: min(xs, key=real),
    sum=sum,
    logsumexp=lambda xs: cmath.log(sum(map(cmath.exp, xs))),
    softmax=lambda xs: [cmath.exp(x) / sum(map(cmath.exp, xs)) for x in xs],
    pick=lambda xs, n: xs[n],
    dot=lambda ws, xs, b: sum(w * x for w, x in zip(ws, xs)) + b,
)

Operation = Callable[[Any, Any, Any, Any], Any]

OPERATIONS: dict[str, Operation] = {
    "sum": lambda f, x, y, w: x + y,
    "sum of several": lambda f, x, y, w: f.sum([x, y, w, x]),
    "difference": lambda f, x, y, w: x - y,
    "product": lambda f, x, y, w: x * y,
    "square": lambda f, x, y, w: x * x,
    "quotient": lambda f, x, y, w: x / (y * y + 1),
    "negation": lambda f, x, y, w: -x,
    "power 3": lambda f, x, y, w: x**3,
    "power 1": lambda f, x, y, w: x**1,
    "power 0": lambda f, x, y, w: x**0 + y,
    "power 2.5": lambda f, x, y, w: (x * x + 0.5) ** 2.5,
    "power -1": lambda f, x, y, w: (x * x + 0.5) ** -1,
    "exponentiation": lambda f, x, y, w: (x * x + 0.5) ** f.tanh(y),
    "constant base": lambda f, x, y, w: 2.5 ** f.sin(x),
    "constant first": lambda f, x, y, w: 3 - 2 * x,
    "constant numerator": lambda f, x, y, w: 2 / (x * x + 1),
    "constant last": lambda f, x, y, w: (x - 0.25) / 3,
    "exp": lambda f, x, y, w: f.exp(f.tanh(x)),
    "log": lambda f, x, y, w: f.log(x * x + 0.5),
    "sqrt": lambda f, x, y, w: f.sqrt(x * x + 0.5),
    "sigmoid": lambda f, x, y, w: f.sigmoid(x),
    "tanh": lambda f, x, y, w: f.tanh(x),
    "relu": lambda f, x, y, w: f.relu(x),
    "softplus": lambda f, x, y, w: f.softplus(x),
    "abs": lambda f, x, y, w: f.abs(x),
    "sin": lambda f, x, y, w: f.sin(x),
    "cos": lambda f, x, y, w: f.cos(x),
    "max": lambda f, x, y, w: f.max([x, y, w]),
    "min": lambda f, x, y, w: f.min([x, y]),
    "logsumexp": lambda f, x, y, w: f.logsumexp([x, y, w]),
    "softmax": lambda f, x, y, w: f.softmax([x, y, w])[1] * 2,
    "pick": lambda f, x, y, w: f.pick([x, y, w], 2),
    "weighted_sum": lambda f, x, y, w: f.dot([x, y], [y, w], w),
}


class Step(NamedTuple):
    """One more number computed from three of those before, drawn back by a tanh if it is large."""

    operation: str
    operands: list[int]
    drawn_back: bool = False

    def run(self, kind: Any, numbers: Sequence[Any]) -> Any:
        number = OPERATIONS[self.operation](kind, *(numbers[i] for i in self.operands))
        return kind.tanh(number) if self.drawn_back else number


class Program(NamedTuple):
    steps: list[Step]

    def run(self, kind: Any, leaves: Sequence[Any]) -> Any:
        numbers = list(leaves)
        for step in self.steps:
            numbers.append(step.run(kind, numbers))
        return numbers[-1] + numbers[-2]


@st.composite
def programs(draw: Any, longest: int = 14) -> tuple[Program, list[float]]:
    """A program and numbers to run it on, none of which grows beyond 10."""
    leaves = draw(st.lists(st.floats(-2, 2), min_size=1, max_size=4))
    numbers, steps = list(leaves), []
    for _ in range(draw(st.integers(1, longest))):
        last = len(numbers) - 1
        operands = [last, *(draw(st.integers(0, last)) for _ in range(2))]
        if draw(st.booleans()):
            operands.reverse()
        step = Step(draw(st.sampled_from(sorted(OPERATIONS))), operands)
        if abs(step.run(FLOATS, numbers)) > 10:
            step = step._replace(drawn_back=True)
        steps.append(step)
        numbers.append(step.run(FLOATS, numbers))
    return Program(steps), leaves


def differentiate(program: Program, numbers: Sequence[float]) -> tuple[Value, list[Value]]:
    leaves = [Value(x) for x in numbers]
    output = program.run(VALUES, leaves)
    output.backward()
    return output, leaves


def gross(output: Value) -> dict[Value, float]:
    """The sum of the absolute values of all paths' products: how large an error rounding can make."""
    found = dict.fromkeys(topological(output), 0.0)
    found[output] = 1.0
    for node in reversed(computed(output)):
        for input, partial in zip(node.inputs, node.partials):
            found[input] += abs(partial) * found[node]
    return found


def closest_kink(output: Value) -> float:
    """How near the graph comes to a kink."""
    distance = math.inf
    for node in computed(output):
        if node.rule.name in ("relu", "abs"):
            distance = min(distance, abs(node.inputs[0].data))
        if node.rule.name in ("max", "min"):
            numbers = sorted({v: v.data for v in node.inputs}.values())
            distance = min(distance, *(b - a for a, b in pairwise(numbers)), math.inf)
    return distance


def test_the_random_graphs_use_every_row_of_the_table_that_a_user_can_write() -> None:
    leaves = [Value(0.7), Value(-0.4), Value(1.3)]
    outputs = [operation(VALUES, *leaves) for operation in OPERATIONS.values()]
    used = {node.rule.name for node in computed(*outputs)}
    assert used == RULES.keys() - {"step", "sign", "equal"}


@settings(checked, max_examples=400)
@given(programs())
def test_gradients_agree_with_the_complex_step(drawn: tuple[Program, list[float]]) -> None:
    program, numbers = drawn
    output, leaves = differentiate(program, numbers)
    assume(closest_kink(output) > 1e-9)
    bounds = gross(output)
    for i, leaf in enumerate(leaves):
        moved = [complex(x, 1e-30 * (i == j)) for j, x in enumerate(numbers)]
        result = complex(program.run(COMPLEX, moved))
        bound = bounds.get(leaf, 0.0)
        assert output.data == pytest.approx(result.real, rel=1e-9, abs=1e-9)
        assert abs(leaf.grad - result.imag / 1e-30) <= 1e-8 * bound + 1e-10


@settings(checked, max_examples=400)
@given(programs())
def test_gradients_agree_with_central_differences_away_from_kinks(
    drawn: tuple[Program, list[float]],
) -> None:
    program, numbers = drawn
    _, leaves = differentiate(program, numbers)
    h = 1e-5
    for i, leaf in enumerate(leaves):
        low, middle, high = (
            program.run(FLOATS, [x + step * (i == j) for j, x in enumerate(numbers)]) for step in (-h, 0, h)
        )
        before, after = (middle - low) / h, (high - middle) / h
        if abs(after - before) <= 1e-3 * (1 + abs(leaf.grad)):  # otherwise a kink, or nearly one
            assert abs(leaf.grad - (before + after) / 2) <= abs(after - before) + 1e-5 * (1 + abs(leaf.grad))


@settings(checked, max_examples=300)
@given(programs())
def test_gradients_agree_with_torch(drawn: tuple[Program, list[float]]) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    tensors = SimpleNamespace(
        exp=torch.exp,
        log=torch.log,
        sqrt=torch.sqrt,
        sin=torch.sin,
        cos=torch.cos,
        tanh=torch.tanh,
        sigmoid=torch.sigmoid,
        relu=torch.relu,
        abs=torch.abs,
        softplus=lambda x: functional.softplus(x, threshold=1e9),
        max=lambda xs: torch.stack(xs).amax(),
        min=lambda xs: torch.stack(xs).amin(),
        sum=lambda xs: torch.stack(xs).sum(),
        logsumexp=lambda xs: torch.logsumexp(torch.stack(xs), 0),
        softmax=lambda xs: torch.softmax(torch.stack(xs), 0),
        pick=lambda xs, n: xs[n],
        dot=lambda ws, xs, b: torch.dot(torch.stack(ws), torch.stack(xs)) + b,
    )
    program, numbers = drawn
    output, leaves = differentiate(program, numbers)
    assume(closest_kink(output) > 1e-9)
    bounds = gross(output)
    theirs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in numbers]
    program.run(tensors, theirs).backward()
    for leaf, tensor in zip(leaves, theirs):
        grad = 0.0 if tensor.grad is None else tensor.grad.item()
        assert abs(leaf.grad - grad) <= 1e-8 * bounds.get(leaf, 0.0) + 1e-10


@checked
@given(programs(longest=5))
def test_the_gradient_is_the_sum_over_all_paths_of_the_products_of_their_partials(
    drawn: tuple[Program, list[float]],
) -> None:
    output, leaves = differentiate(*drawn)
    assume(all(math.isfinite(partial) for node in computed(output) for partial in node.partials))
    totals = dict.fromkeys(leaves, Fraction(0))
    paths = [(output, Fraction(1))]
    for count, (node, product) in enumerate(paths):
        assume(count < 5000)
        if node in totals:
            totals[node] += product
        for input, partial in zip(node.inputs, node.partials):
            paths.append((input, product * Fraction(partial)))
    bounds = gross(output)
    for leaf in leaves:
        assert abs(leaf.grad - totals[leaf]) <= 1e-13 * bounds.get(leaf, 0.0) + TINY


@checked
@given(programs())
def test_backward_twice_is_exactly_twice(drawn: tuple[Program, list[float]]) -> None:
    output, leaves = differentiate(*drawn)
    inner = [node.grad for node in computed(output)]
    once = [leaf.grad for leaf in leaves]
    output.backward()
    assert [leaf.grad for leaf in leaves] == [2 * grad for grad in once]
    assert [node.grad for node in computed(output)] == inner


@checked
@given(programs(), st.integers(-20, 20))
def test_backward_is_linear_in_its_seed(drawn: tuple[Program, list[float]], exponent: int) -> None:
    output, leaves = differentiate(*drawn)
    once = [leaf.grad for leaf in leaves]
    output.zero_grad()
    output.backward(2.0**exponent)
    for leaf, grad in zip(leaves, once):
        assert abs(leaf.grad - 2.0**exponent * grad) <= TINY


@checked
@given(programs(), st.lists(st.floats(-2, 2), min_size=4, max_size=4))
def test_recomputing_equals_building_anew_bit_for_bit(
    drawn: tuple[Program, list[float]], others: list[float]
) -> None:
    program, numbers = drawn
    output, leaves = differentiate(program, numbers)
    others = others[: len(leaves)]
    for leaf, x in zip(leaves, others):
        leaf.data = x
    try:
        output.recompute()
    except OverflowError:  # what was small enough for the first numbers need not be for the others
        assume(False)
    anew, _ = differentiate(program, others)
    for old, new in zip(computed(output), computed(anew)):
        assert [x.hex() for x in (old.data, *old.partials)] == [x.hex() for x in (new.data, *new.partials)]


@checked
@given(programs())
def test_a_graph_is_a_record_every_input_older_than_its_node_and_every_number_a_float(
    drawn: tuple[Program, list[float]],
) -> None:
    output, _ = differentiate(*drawn)
    for node in computed(output):
        assert len(node.inputs) == len(node.partials) > 0
        assert all(v.birth < node.birth for v in node.inputs)
        assert {float} == {type(x) for x in (node.data, node.grad, *node.partials)}
