"""Random programs of every operation, run on any kind of number: what the tests of random graphs share."""

import cmath
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations_with_replacement, pairwise
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import mpmath
import sympy
from hypothesis import HealthCheck, Phase, settings, strategies as st
from sympy.core.sympify import converter

import microbp
from microbp import Value, gradients
from microbp.traversal import topological
from microbp.value import computed

checked = settings(
    deadline=None,
    max_examples=150,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


costly = settings(checked, phases=[Phase.generate])  # shrinking what SymPy takes long for takes too long

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
    cross_entropy=microbp.cross_entropy,
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
    cross_entropy=lambda xs, ts: -sum(t * math.log(y) for t, y in zip(ts, FLOATS.softmax(xs))),
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
    cross_entropy=lambda xs, ts: -sum(t * cmath.log(y) for t, y in zip(ts, COMPLEX.softmax(xs))),
    pick=lambda xs, n: xs[n],
    dot=lambda ws, xs, b: sum(w * x for w, x in zip(ws, xs)) + b,
)

MPMATH = SimpleNamespace(
    exp=mpmath.exp,
    log=mpmath.log,
    sqrt=mpmath.sqrt,
    sin=mpmath.sin,
    cos=mpmath.cos,
    tanh=mpmath.tanh,
    sigmoid=lambda x: 1 / (1 + mpmath.exp(-x)),
    softplus=lambda x: mpmath.log(1 + mpmath.exp(x)),
    relu=lambda x: max(x, mpmath.mpf(0)),
    abs=abs,
    max=max,
    min=min,
    sum=sum,
    logsumexp=lambda xs: mpmath.log(sum(map(mpmath.exp, xs))),
    softmax=lambda xs: [mpmath.exp(x) / sum(map(mpmath.exp, xs)) for x in xs],
    cross_entropy=lambda xs, ts: -sum(t * mpmath.log(y) for t, y in zip(ts, MPMATH.softmax(xs))),
    pick=lambda xs, n: xs[n],
    dot=lambda ws, xs, b: sum(w * x for w, x in zip(ws, xs)) + b,
)

SYMPY = SimpleNamespace(  # for the operations without kinks
    exp=sympy.exp,
    log=sympy.log,
    sqrt=sympy.sqrt,
    sin=sympy.sin,
    cos=sympy.cos,
    tanh=sympy.tanh,
    sigmoid=lambda x: 1 / (1 + sympy.exp(-x)),
    softplus=lambda x: sympy.log(1 + sympy.exp(x)),
    sum=lambda xs: sympy.Add(*xs),
    logsumexp=lambda xs: sympy.log(sympy.Add(*map(sympy.exp, xs))),
    softmax=lambda xs: [sympy.exp(x) / sympy.Add(*map(sympy.exp, xs)) for x in xs],
    cross_entropy=lambda xs, ts: -sum(t * sympy.log(y) for t, y in zip(ts, SYMPY.softmax(xs))),
    pick=lambda xs, n: xs[n],
    dot=lambda ws, xs, b: sympy.Add(*map(sympy.Mul, ws, xs)) + b,
)


def torch_functions(torch: Any) -> SimpleNamespace:
    return SimpleNamespace(
        exp=torch.exp,
        log=torch.log,
        sqrt=torch.sqrt,
        sin=torch.sin,
        cos=torch.cos,
        tanh=torch.tanh,
        sigmoid=torch.sigmoid,
        relu=torch.relu,
        abs=torch.abs,
        softplus=lambda x: torch.nn.functional.softplus(x, threshold=1e9),
        max=lambda xs: torch.stack(xs).amax(),
        min=lambda xs: torch.stack(xs).amin(),
        sum=lambda xs: torch.stack(xs).sum(),
        logsumexp=lambda xs: torch.logsumexp(torch.stack(xs), 0),
        softmax=lambda xs: torch.softmax(torch.stack(xs), 0),
        cross_entropy=lambda xs, ts: torch.nn.functional.cross_entropy(
            torch.stack(xs)[None], torch.stack(tuple(ts))[None]
        ),
        pick=lambda xs, n: xs[n],
        dot=lambda ws, xs, b: torch.dot(torch.stack(ws), torch.stack(xs)) + b,
    )


def jax_functions(jax: Any) -> SimpleNamespace:
    return SimpleNamespace(
        exp=jax.numpy.exp,
        log=jax.numpy.log,
        sqrt=jax.numpy.sqrt,
        sin=jax.numpy.sin,
        cos=jax.numpy.cos,
        tanh=jax.numpy.tanh,
        sigmoid=jax.nn.sigmoid,
        relu=jax.nn.relu,
        abs=jax.numpy.abs,
        softplus=jax.nn.softplus,
        max=lambda xs: jax.numpy.max(jax.numpy.stack(xs)),
        min=lambda xs: jax.numpy.min(jax.numpy.stack(xs)),
        sum=sum,
        logsumexp=lambda xs: jax.nn.logsumexp(jax.numpy.stack(xs)),
        softmax=lambda xs: jax.nn.softmax(jax.numpy.stack(xs)),
        cross_entropy=lambda xs, ts: -sum(t * y for t, y in zip(ts, jax.nn.log_softmax(jax.numpy.stack(xs)))),
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
    "cross_entropy": lambda f, x, y, w: f.cross_entropy([x, y, w], f.softmax([y, w, x])),
    "pick": lambda f, x, y, w: f.pick([x, y, w], 2),
    "weighted_sum": lambda f, x, y, w: f.dot([x, y], [y, w], w),
}


SMOOTH = OPERATIONS.keys() - {"relu", "abs", "max", "min"}


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
        numbers = self.numbers(kind, leaves)
        return numbers[-1] + numbers[-2]

    def numbers(self, kind: Any, leaves: Sequence[Any]) -> list[Any]:
        """The leaves, and what each step computes."""
        numbers = list(leaves)
        for step in self.steps:
            numbers.append(step.run(kind, numbers))
        return numbers


@st.composite
def programs(
    draw: Any, longest: int = 14, most_leaves: int = 4, operations: Iterable[str] = OPERATIONS
) -> tuple[Program, list[float]]:
    """A program and numbers to run it on, none of which grows beyond 10."""
    leaves = draw(st.lists(st.floats(-2, 2), min_size=1, max_size=most_leaves))
    numbers, steps = list(leaves), []
    for _ in range(draw(st.integers(1, longest))):
        last = len(numbers) - 1
        operands = [last, *(draw(st.integers(0, last)) for _ in range(2))]
        if draw(st.booleans()):
            operands.reverse()
        step = Step(draw(st.sampled_from(sorted(operations))), operands)
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
        for input, partial in zip(node.inputs, sizes_of_slopes(node)):
            found[input] += partial * found[node]
    return found


def sizes_of_slopes(node: Value) -> list[float]:
    """The absolute values of a node's local derivatives, or of the terms they are differences of.

    Those of cross-entropy are y - t, and log-sum-exp less x where Values are read.
    """
    sizes = [abs(partial) for partial in node.partials]
    if node.rule.name == "cross_entropy":
        n = len(sizes) // 2
        partners = [*node.inputs[n:], *node.inputs[:n]]
        sizes = [size + 2 * abs(partner.data) for size, partner in zip(sizes, partners)]
    return sizes


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


# Derivatives of every order, exactly, and as Values with a bound on what rounding can do to them.
# The key (0, 0, 2) stands for the derivative by x[0], x[0] and x[2].

Orders = dict[tuple[int, ...], Any]


def keys(n: int, order: int) -> list[tuple[int, ...]]:
    """The derivatives by n numbers up to an order, each after those it is a derivative of."""
    return [key for k in range(order + 1) for key in combinations_with_replacement(range(n), k)]


def exact_derivatives(f: Callable[[Sequence[Any]], Any], numbers: Sequence[float], order: int) -> Orders:
    """SymPy's derivatives of an expression, evaluated to 50 digits."""
    symbols = sympy.symbols(f"x:{len(numbers)}", real=True)
    found: Orders = {}
    with patch.dict(converter, {float: sympy.Rational}):  # a float is the fraction it stands for
        for key in keys(len(numbers), order):
            found[key] = sympy.diff(found[key[:-1]], symbols[key[-1]]) if key else sympy.sympify(f(symbols))
    with mpmath.workdps(50):
        evaluate = sympy.lambdify(symbols, list(found.values()), "mpmath", cse=True)
        return dict(zip(found, evaluate(*map(mpmath.mpf, numbers))))


def repeated_gradients(output: Value, leaves: Sequence[Value], order: int) -> dict[tuple[int, ...], Value]:
    """The gradients of gradients of gradients."""
    found: dict[tuple[int, ...], Value] = {}
    for key in keys(len(leaves), order):
        found[key] = gradients(found[key[:-1]], leaves[key[-1]]) if key else output
    return found


def rounding(output: Value) -> float:
    """How far the roundings of a whole graph can take its result from the true one.

    Each node rounds by a unit in the last place of itself, or of the terms it adds up, and what it does
    to the result is that times the absolute values of all paths between the two.
    """
    reach = gross(output)
    error = abs(output.data)
    for node in computed(output):
        size = abs(node.data)
        if node.rule.name in ("sum", "logsumexp", "weighted_sum"):
            size += sum(abs(partial * input.data) for partial, input in zip(node.partials, node.inputs))
        error += size * reach[node]
    return 2.0**-52 * error + TINY
