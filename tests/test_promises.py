"""The promises of the design's section 4, "Value: what it promises", proved one by one in its order.

Each test is one promise, in the section's words; details of what is promised are in the other
modules.  Where a promise is about every graph, number or process there is, MICROBP_THOROUGH=10
proves it on ten times as many.
"""

import copy
import datetime
import enum
import gc
import hashlib
import itertools
import json
import math
import operator
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import microbp
from microbp import (
    MLP,
    RULES,
    SGD,
    Adam,
    Value,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    explain,
    functions,
    gradients,
    leaves,
    logsumexp,
    softmax,
    squared_error,
    zero_grad,
)
from microbp.compiler.traced import Traced
from microbp.rules import Rule, arrays
from microbp.traversal import derivatives
from microbp.value import apply, computed

THOROUGH = int(os.environ.get("MICROBP_THOROUGH", "1"))
HOME = str(Path(microbp.__file__).parents[1])
OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
every_operator = pytest.mark.parametrize("operate", OPERATORS, ids=lambda operate: operate.__name__)
every_row = pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))


def started(program: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Another Python that runs `program`."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": HOME, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def printed(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return output


def bits(number: float) -> bytes:
    return struct.pack("<d", number) if number == number else b"nan"


def every_row_program(a: Value, b: Value) -> Value:
    """A graph in which every row of the table occurs that a user can write."""
    u = microbp.weighted_sum([a, b, 0.3], [b, 2, a], 1)
    v = (u.tanh() + 2) ** 0.5 / (1.5 + b.sigmoid()) - 3 * a**3 + (a * a + 1) ** b
    w = logsumexp([u, v, a]) + microbp.max(a, b, v) * microbp.min(u, v) + microbp.pick([u, v], 1)
    w += cross_entropy([u, v, a], [0.2, 0.5, 0.3])
    return w.softplus() + u.relu() + abs(v) + (u.sin() + v.cos()).exp() + (1 + b * b).log().sqrt() + 2 ** (-u)


def test_the_program_of_these_tests_uses_every_row_that_a_user_can_write() -> None:
    used = {node.rule.name for node in computed(every_row_program(Value(0.5), Value(0.25)))}
    assert used == RULES.keys() - {"step", "sign", "equal"}


# Value(data, label=""): what a node is and remembers.


def test_a_new_value_is_a_leaf() -> None:
    """`Value(data, label="")`; `.data`, `.grad` (floats), `.label`, `.inputs`, `.partials`, `.rule`."""
    v = Value(2, "v")
    assert (v.data, v.grad, v.label) == (2.0, 0.0, "v")
    assert type(v.data) is type(v.grad) is float
    assert (v.rule, v.inputs, v.partials, v.operands) == (None, (), (), ())
    assert Value(2).label == ""


def test_data_and_grad_are_plain_slots_and_there_are_no_others() -> None:
    """Plain assignable slots, unchecked for speed; `__slots__`."""
    v = Value(1.0)
    v.data, v.grad, v.label = 2.0, 3.0, "v"
    assert (v.data, v.grad, v.label) == (2.0, 3.0, "v")
    with pytest.raises(AttributeError):
        v.name = "v"  # type: ignore[attr-defined]
    assert not hasattr(v, "__dict__")


def test_inputs_and_partials_are_aligned() -> None:
    """`.inputs` (the Values it was computed from), `.partials` (one per input)."""
    a, b, c = Value(3.0), Value(2.0), Value(-1.0)
    assert ((a * b).inputs, (a * b).partials) == ((a, b), (2.0, 3.0))
    net = microbp.weighted_sum([a], [b], c)
    assert (net.inputs, net.partials) == ((a, b, c), (2.0, 3.0, 1.0))
    for node in computed(every_row_program(a, b)):
        assert type(node.inputs) is type(node.partials) is tuple
        assert len(node.inputs) == len(node.partials) > 0
        assert {float} == {type(number) for number in (node.data, node.grad, *node.partials)}


def test_a_node_remembers_its_operands() -> None:
    """A node also remembers its operands in order, constants included (`x * 3` knows the 3)."""
    a, b = Value(3.0), Value(2.0)
    assert (a - b).operands == (a, b)
    assert (1 - a).operands == (1, a)
    assert (a - 1).operands == (a, 1)
    assert (a * Fraction(1, 3)).operands == (a, Fraction(1, 3))
    assert (2**a).operands == (2, a)
    assert (a**2).operands == (a, 2)
    assert (0 + a).operands == (0, a)
    assert a.tanh().operands == (a,)
    assert microbp.pick([a, b], 1).operands == (a, b, 1)
    assert microbp.weighted_sum([a], [b]).operands == (a, b, 0)


def test_a_constant_is_no_value() -> None:
    """Without a Value per constant."""
    a = Value(3.0)
    for node in a * 3, 3 * a, a + 1, a - 1, 1 - a, a / 2, 2 / a, a**2, 2**a:
        assert node.inputs == (a,)
        assert len(node.partials) == 1


def test_a_network_labels_the_numbers_it_is_given() -> None:
    """Numbers passed to a network become labelled leaf Values x[i]."""
    unit = MLP(3, [1], seed=1)[0][0]
    unit([0.1, 2, Fraction(1, 4)])
    xs = [leaf for leaf in unit.u.inputs if leaf.label.startswith("x")]
    assert [(x.label, x.data, x.rule) for x in xs] == [
        ("x[1]", 0.1, None),
        ("x[2]", 2.0, None),
        ("x[3]", 0.25, None),
    ]


def test_graphs_in_threads_of_their_own_do_not_disturb_each_other() -> None:
    """No global state but a birth counter: 8 threads, switched every microsecond, give the bits of one."""

    def work(number: int) -> str:
        a, b = Value(number / 10), Value(0.3)
        found = []
        for _ in range(60 * THOROUGH):
            node = every_row_program(a, b)
            node.backward()
            node.recompute()
            found.append((a.grad, b.grad, *derivatives(node).values()))
            found.append(tuple(slope.data for slope in gradients(node, [a, b])))
        return hashlib.sha256(repr(found).encode()).hexdigest()

    assert at_once([lambda number=number: work(number) for number in range(8)]) == [*map(work, range(8))]


def test_threads_read_gradients_by_parameters_they_share() -> None:
    """(`gradients`) touches no `.grad` and nothing else of the graph: shared leaves can be read at once."""
    network = MLP(2, [3, 1], "tanh", seed=1)
    parameters = network.parameters()

    def work(number: int) -> str:
        x1, x2 = number / 8, 0.5 - number / 8
        found = []
        for _ in range(15 * THOROUGH):
            (w11, w12, b1, w21, w22, b2, w31, w32, b3), (v1, v2, v3, c) = parameters[:9], parameters[9:]
            z = [
                (w1 * x1 + w2 * x2 + b).tanh()
                for w1, w2, b in ((w11, w12, b1), (w21, w22, b2), (w31, w32, b3))
            ]
            E = (microbp.weighted_sum([v1, v2, v3], z, c).tanh() - 0.5) ** 2
            slopes = gradients(E, parameters)
            found.append([slope.data for slope in slopes])
            found.append([each.data for each in gradients(slopes[0], parameters)])
        return hashlib.sha256(repr(found).encode()).hexdigest()

    assert at_once([lambda number=number: work(number) for number in range(8)]) == [*map(work, range(8))]
    assert {parameter.grad for parameter in parameters} == {0.0}


def at_once(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each gives in a thread of its own, all running at once and switched as often as can be."""
    results: list[Any] = [None] * len(works)

    def keep(place: int) -> None:
        results[place] = works[place]()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=keep, args=[place]) for place in range(len(works))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    return results


# Nodes are born after their inputs.


def test_birth_order_is_a_topological_order() -> None:
    """Nodes are born after their inputs, so *birth order is a topological order*."""
    a, b = Value(0.5), Value(0.25)
    node = every_row_program(a, b)
    slope = gradients(gradients(node, a), b)
    for inner in computed(node, slope):
        assert all(v.birth < inner.birth for v in inner.inputs)
    births = [v.birth for v in computed(node, slope)]
    assert births == sorted(births)


BITS = """
import random
import microbp
from microbp import MLP, SGD, Adam, Value, cross_entropy, gradients, hessian, squared_error
from microbp import logsumexp, max, min, pick, weighted_sum
draw = random.Random(1)
nodes = leaves = [Value(draw.uniform(-1, 1), f"v{i}") for i in range(20)]
for _ in range(300):
    a, b, c = draw.choices(nodes, k=3)
    node = [
        lambda: (a * b + c).tanh(), lambda: a.sigmoid() - b * 0.7, lambda: logsumexp([a, b, c]) - 1,
        lambda: weighted_sum([a, b], [c, a]).sin(), lambda: max(a, b, c) * 0.5 + min(a, b).abs(),
        lambda: (a * a + 1).log() / (1.5 + c.cos()), lambda: -pick([a, b, c], 1) + a.relu(),
        lambda: (a * a + 1) ** b.tanh() - (c * c + 0.5).sqrt(), lambda: a.softplus() ** 3 - (b - 2).exp(),
    ][draw.randrange(9)]()
    nodes = nodes + [node * 0.5]
E = sum(nodes[-40:])
E.backward()
slopes = gradients(E, leaves)
seconds = gradients(sum(slopes), leaves)
found = [v.grad for v in leaves] + [s.data for s in slopes] + [s.data for s in seconds]

network = MLP(2, [4, 2], "tanh", "linear", seed=1)
samples = [([0.1, 0.9], 0), ([0.8, -0.3], 1), ([-0.5, 0.2], 0)]
for optimizer in SGD(lr=0.1, momentum=0.9), Adam(lr=0.01):
    for _ in range(10):
        loss = sum(cross_entropy(network(x), t) for x, t in samples)
        for p in network.parameters():
            p.grad = 0.0
        loss.backward()
        optimizer.step(network.parameters())
found += [p.data for p in network.parameters()]
rosenbrock = lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
found += [x for row in hessian(rosenbrock)([0.3, -0.7]) for x in row]

program = microbp.compile(lambda x, t: squared_error(network(x), [t, 1 - t]))
found += program.train([x for x, _ in samples], [t for _, t in samples], SGD(lr=0.1), 20)
found += [p.data for p in network.parameters()]
print(*[x.hex() for x in found], {*nodes} is None)
"""


def test_gradients_are_the_same_in_every_process() -> None:
    """Deterministic to the bit, across processes: 12 of them, each with a hash seed of its own.

    The program uses every row, second derivatives, a network trained by both optimizers, a
    Hessian, and a compiled program.
    """
    processes = [started(BITS, PYTHONHASHSEED=str(seed)) for seed in range(12)]
    answers = {printed(process) for process in processes}
    assert len(answers) == 1
    assert len({*answers.pop().split()}) > 100


# backward.


def test_backward_gives_every_node_the_derivative_by_it() -> None:
    """`backward(seed=1.0)` on a node."""
    a, b = Value(2.0), Value(-3.0)
    c = a * b
    d = c + a
    e = d * c
    e.backward()
    assert [v.grad for v in (e, d, c, b, a)] == [1.0, -6.0, -10.0, -20.0, 24.0]
    e.zero_grad()
    e.backward(0.5)
    assert [v.grad for v in (e, d, c, b, a)] == [0.5, -3.0, -5.0, -10.0, 12.0]


def test_inner_gradients_start_afresh() -> None:
    """Inner nodes' gradients start afresh."""
    a = Value(3.0)
    b = a * a
    c = b * 2
    b.grad = c.grad = 99.0
    c.backward()
    assert (c.grad, b.grad, a.grad) == (1.0, 2.0, 12.0)
    b.backward()
    assert (c.grad, b.grad, a.grad) == (1.0, 1.0, 18.0)


def test_leaves_add_so_that_two_losses_add_up() -> None:
    """Leaves *add* to what they hold (so two losses add up)."""
    draw = random.Random(4)
    for _ in range(100):
        x = Value(draw.uniform(-1, 1))
        losses = [sum(x * draw.random() for _ in range(5)) for _ in range(2)]
        alone = []
        for loss in losses:
            x.grad = 0.0
            loss.backward()
            alone.append(x.grad)
        x.grad = 0.0
        for loss in losses:
            loss.backward()
        assert x.grad == alone[0] + alone[1]


def test_calling_it_twice_gives_exactly_twice() -> None:
    """Calling it twice gives exactly twice."""
    draw = random.Random(3)
    for _ in range(100):
        x, y = Value(draw.uniform(-1, 1)), Value(draw.uniform(-1, 1))
        node = x * y
        for _ in range(8):
            node = node * draw.uniform(-2, 2) + x * draw.uniform(-2, 2) - y / draw.uniform(1, 3)
        node.backward()
        inner = [v.grad for v in computed(node)]
        once = x.grad, y.grad
        node.backward()
        assert (x.grad, y.grad) == (2 * once[0], 2 * once[1])
        assert [v.grad for v in computed(node)] == inner


def test_zero_grad_clears() -> None:
    """`zero_grad()` clears."""
    a, b = Value(3.0), Value(2.0)
    c = a * b
    d = c.tanh() + a
    d.backward()
    elsewhere = Value(1.0)
    elsewhere.grad = 5.0
    d.zero_grad()
    assert [v.grad for v in (a, b, c, d, *d.inputs)] == [0.0] * 6
    assert elsewhere.grad == 5.0
    a.grad = 3.0
    a.zero_grad()
    assert a.grad == 0.0


# The run that happened, and recompute.


def test_edited_data_do_not_corrupt_the_gradient() -> None:
    """`backward()` uses the partials of the run that happened: editing `w.data` does not corrupt it."""
    w = Value(2.0)
    loss = w * w
    w.data = 100.0
    loss.data = -5.0
    loss.backward()
    assert w.grad == derivatives(loss)[w] == 4.0


def test_recompute_runs_the_recorded_graph_again() -> None:
    """`recompute()` re-runs the recorded graph, data and partials, with the leaves as they stand now."""
    draw = random.Random(5)
    a, b = Value(0.5), Value(0.25)
    old = every_row_program(a, b)
    for _ in range(50):
        a.data, b.data = draw.uniform(-2, 2), draw.uniform(-2, 2)
        old.recompute()
        new = every_row_program(Value(a.data), Value(b.data))
        pairs = list(zip(computed(old), computed(new)))
        assert len(pairs) == len(computed(new)) > 20
        for was, anew in pairs:
            assert (was.data, was.partials, was.rule) == (anew.data, anew.partials, anew.rule)


READ_A_RULE_AGAIN: dict[str, Callable[[Value, Value], Any]] = {
    "gradients": gradients,
    "explain": lambda output, leaf: explain(leaf, of=output),
    "compile": lambda output, leaf: microbp.compile(output, inputs=[leaf]),
}


@pytest.mark.parametrize("read", READ_A_RULE_AGAIN)
def test_what_reads_a_rule_again_says_where_the_data_do_not_follow(read: str) -> None:
    """Everything that reads a rule again (`gradients`, `explain`, compiling a recorded graph) first
    checks that the stored data still follow from the operands, and otherwise says so, naming the
    node and `recompute()`."""
    a = Value(3.0, "a")
    inner = a * a
    inner.label = "inner"
    output = inner.tanh()
    READ_A_RULE_AGAIN[read](output, a)
    for edited in a, inner:
        edited.data += 1.0
        try:
            said = str(READ_A_RULE_AGAIN[read](output, a))
        except ValueError as error:
            said = str(error)
        assert "recompute()" in said
        assert "inner" in said
        output.recompute()
        READ_A_RULE_AGAIN[read](output, a)


# Nothing recurses, and nothing is left behind.

MILLION = """
import copy, gc, pickle, sys
import microbp
from microbp import Value, gradients
from microbp.traversal import consumers, derivatives, first_stale, leaves, topological, unique_names, units
gc.disable()
sys.setrecursionlimit(200)
values = lambda: sum(type(o) is Value for o in gc.get_objects())

def refused(error, saying, use, *operands, **named):
    try:
        use(*operands, **named)
    except error as refusal:
        assert saying in str(refusal) and len(str(refusal)) < 400, refusal
    else:
        assert False, f"{use} refuses nothing"

n = int(sys.argv[1])
x = Value(1.0, "x")
"""
CHAIN = """
v = x
for _ in range(n):
    v = v + x
assert v.data == n + 1
"""
WALKED = """
v.backward()
assert x.grad == n + 1, x.grad
x.data = 2.0
v.recompute()
assert v.data == 2 * (n + 1)
assert derivatives(v)[x] == n + 1
assert leaves(v) == [x] and len(topological(v)) == n + 1 and len(consumers(v)[x]) == n
assert repr(v).startswith("Value(2.000e+06") and f"{v:.1f}" == "2000002.0"
refused(ValueError, "node = 2e+06 * 0", lambda: (v * 0).log())
refused(ValueError, "nodes; look at a part of it, as in tree(node)", microbp.tree, v)
for view in "auto", "values", "units":
    refused(ValueError, "draw a smaller network, one sample instead of many", microbp.graph, v, view)
refused(ValueError, "too many to step through; explore a smaller network", microbp.explore, v)
for duplicate in copy.copy, copy.deepcopy, pickle.dumps:
    refused(TypeError, "copy the leaves (the parameters) and compute it again", duplicate, v)
v.zero_grad()
assert x.grad == v.grad == 0.0
assert values() == n + 1
del v
assert values() == 1, values()
print("done")
"""
DIFFERENTIATED_AGAIN = """
slope = gradients(v, x)
assert slope.data == n + 1
del v, slope
assert values() == 1, values()
print("done")
"""
READ = """
assert str(microbp.explain(x, of=v)).startswith(f"dv{n}/dx = ")
found = microbp.paths(v, x)
assert (found.count, found.total, len(found)) == (n + 1, n + 1, 20) and len(str(found)) < 5000
assert units(v) == [] and first_stale(v) is None and len(unique_names(v)) == n + 1
refused(ValueError, "no unit in this graph", microbp.deltas, v)
microbp.diagnose(v)
assert microbp.compile(v, inputs=[x])([1.0, 2.0]).tolist() == [n + 1, 2 * (n + 1)]
y = x
for _ in range(n):
    y = y * x
y.backward()
slope = gradients(y, x)
assert slope.data == x.grad == n + 1
del y, slope
few = v
for _ in range(n - n // 5):
    few = few.inputs[0]
found = microbp.steps(few)
assert len(found) == 1 + 3 * (n // 5) and len(str(found)) < 50_000
product = x * x
for _ in range(n // 5):
    product = product * x
second = gradients(gradients(product, x), x)
assert second.data == (n // 5 + 2) * (n // 5 + 1)
del found, few, product, second, v
assert values() == 1, values()

def power(x):
    y = x
    for _ in range(n // 5):
        y = y * 1.0
    return y * y

assert microbp.grad(power)(3.0) == 6.0 and microbp.hessian(power)(3.0) == 2.0
assert microbp.jvp(power, (3.0,), (1.0,)) == (9.0, 6.0) and microbp.hvp(power, (3.0,), (1.0,)) == 2.0
print("done")
"""


WIDE = """
products = [x * 2 for _ in range(n)]
total = microbp.sum(products)
total.backward()
assert (total.data, x.grad, derivatives(total)[x]) == (2 * n, 2 * n, 2 * n)
x.data = 0.5
total.recompute()
refused(ValueError, "log of -1000000.0 (node = -1e+06)", (-total).log)
half = products[: n // 2]
net = microbp.weighted_sum(half, half)
net.backward()
assert (net.data, x.grad) == (n / 2, 4 * n)
assert abs(microbp.logsumexp(products).data - 14.815510557964274) < 1e-13  # 1 + log(n)
assert microbp.pick(products, n - 1).partials[-1] == 1.0
del products, total, half, net
assert values() == 1, values()
print("done")
"""


def test_a_chain_of_a_million_nodes_needs_no_recursion() -> None:
    """Nothing recurses: a chain of 1,000,000 nodes is built, differentiated, freed, ... or refused.

    At a recursion limit of 200, and with the collector off.
    """
    assert printed(started(MILLION + CHAIN + WALKED, "1_000_000")) == "done\n"


def test_a_chain_of_a_million_nodes_is_differentiated_as_values() -> None:
    """A chain of 1,000,000 nodes is ... differentiated: its gradient is a graph that is freed as well."""
    assert printed(started(MILLION + CHAIN + DIFFERENTIATED_AGAIN, "1_000_000")) == "done\n"


def test_a_long_chain_is_explained_about() -> None:
    """... explained about: by every reader, and differentiated twice; with MICROBP_THOROUGH=20 a million."""
    assert printed(started(MILLION + CHAIN + READ, str(50_000 * THOROUGH))) == "done\n"


def test_a_million_consumers_and_a_million_inputs() -> None:
    """... nor does anything else of a million: consumers of one node, inputs of one node."""
    assert printed(started(MILLION + WIDE, "1_000_000")) == "done\n"


def test_a_graph_with_exponentially_many_paths_is_walked_once() -> None:
    """... nor takes a ladder of 1,000 rungs, with 2^1000 paths, longer than its nodes."""
    x = Value(1.0, "x")
    v = x
    for _ in range(1000):
        v = v + v
    v.backward()
    assert x.grad == derivatives(v)[x] == gradients(v, x).data == 2.0**1000
    v.recompute()
    assert v.data == 2.0**1000
    found = microbp.paths(v, x, limit=3)
    assert (found.count, len(found)) == (2**1000, 3)
    assert explain(x, of=v).value == 2.0**1000
    assert microbp.grad(lambda x: ladder(x, 1000))(1.0) == 2.0**1000


def ladder(x: Value, rungs: int) -> Value:
    for _ in range(rungs):
        x = x + x
    return x


def values_alive() -> int:
    return sum(issubclass(type(thing), Value) for thing in gc.get_objects())


def of_a_domain_error(E: Value) -> None:
    with pytest.raises(ValueError, match="log of") as caught:
        (E * 0).log()
    del caught


def of_a_refused_trace(E: Value) -> None:
    program = microbp.compile(lambda x: x if x.data > 0 else E)
    with pytest.raises(TypeError, match="no number while a program is compiled"):
        program([1.0])


WHAT_LEAVES_NOTHING: dict[str, Callable[[Value], Any]] = {
    "backward": lambda E: (E.backward(), E.zero_grad(), E.recompute()),
    "gradients": lambda E: gradients(gradients(E, leaves(E))[0], leaves(E)),
    "derivatives": derivatives,
    "transforms": lambda E: microbp.hessian(lambda x: every_row_program(x[0], x[1]))([0.5, 0.25]),
    "text": lambda E: (repr(E), f"{E:.2f}", str(microbp.tree(E)), str(microbp.steps(E))),
    "explain": lambda E: explain(leaves(E)[0], of=E)._repr_markdown_(),
    "paths": lambda E: str(microbp.paths(E, leaves(E)[0])),
    "graph": lambda E: microbp.graph(E, engine="builtin").svg,
    "explore": lambda E: microbp.explore(E).html,
    "copies": lambda E: (copy.deepcopy(leaves(E)), pickle.dumps(leaves(E))),
    "a domain error": of_a_domain_error,
    "compile": lambda E: microbp.compile(E, inputs=leaves(E)[:1])([0.5, 0.6]),
    "a refused trace": of_a_refused_trace,
}


@pytest.mark.parametrize("name", WHAT_LEAVES_NOTHING)
def test_nothing_is_left_behind_with_the_collector_off(name: str) -> None:
    """No reference cycles: with the cyclic garbage collector off, nothing is left behind."""

    def use() -> None:
        E = every_row_program(Value(0.5, "a"), Value(0.25, "b"))
        WHAT_LEAVES_NOTHING[name](E)

    use()
    gc.collect()
    gc.disable()
    try:
        before = values_alive()
        use()
        assert values_alive() == before
    finally:
        gc.enable()


def by_hand() -> Callable[[], None]:
    w, b = Value(0.5), Value(0.0)

    def step() -> None:
        loss = ((w * 0.3 + b).tanh() - 0.1) ** 2
        zero_grad([w, b])
        loss.backward()
        w.data -= 0.01 * w.grad
        b.data -= 0.01 * b.grad

    return step


def by_an_optimizer(optimizer: Any) -> Callable[[], None]:
    network = MLP(2, [2, 1], "tanh", seed=1)

    def step() -> None:
        loss = squared_error(network([0.5, -0.25]), 0.75)
        zero_grad(network.parameters())
        loss.backward()
        optimizer.step(network.parameters())

    return step


def by_transforms() -> Callable[[], None]:
    slope, curvature = microbp.grad(lambda x: (x * x).tanh()), microbp.hessian(lambda x: x[0] * x[1])

    def step() -> None:
        slope(0.5)
        curvature([0.5, -0.25])

    return step


def by_gradients_of_gradients() -> Callable[[], None]:
    w = Value(0.5)

    def step() -> None:
        loss = ((w * 0.3).tanh() - 0.1) ** 2
        slope = gradients(loss, w)
        w.data -= 0.01 * slope.data / (abs(gradients(slope, w).data) + 1)

    return step


STEPS = {
    "by hand": by_hand,
    "SGD": lambda: by_an_optimizer(SGD(lr=0.01, momentum=0.9)),
    "Adam": lambda: by_an_optimizer(Adam(lr=0.01)),
    "grad and hessian": by_transforms,
    "gradients of gradients": by_gradients_of_gradients,
}


@pytest.mark.parametrize("kind", STEPS)
def test_ten_thousand_steps_keep_the_memory_flat(kind: str) -> None:
    """With the cyclic garbage collector off, nothing is left behind: less than a byte a step."""
    step = STEPS[kind]()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(1_000):
            step()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10_000):
            step()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert after - before < 10_000


# Identity, truth, order, text.


def test_equality_is_identity() -> None:
    """Identity `==` and hash."""
    a, b = Value(1.0), Value(1.0)
    assert a == a
    assert a != b
    assert a != 1.0
    assert operator.eq(a, 1.0) is False
    assert np.float64(1.0) != a
    assert [a].index(a) == 0
    assert b not in [a]


def test_values_live_in_sets_and_dicts() -> None:
    """(Values live in sets and dicts)."""
    a, b = Value(1.0), Value(1.0)
    found = {a: "a", b: "b"}
    a.data = 5.0
    assert (found[a], found[b], len({a, b, a})) == ("a", "b", 2)


@pytest.mark.parametrize("number", [0.0, 1.0])
def test_the_truth_of_a_value_is_refused(number: float) -> None:
    """`bool` ... raises, naming `.data`."""
    for ask in bool, operator.not_, lambda v: v and 1, lambda v: 1 if v else 2, lambda v: any([v]):
        with pytest.raises(TypeError, match=r"as in `if v\.data:`"):
            ask(Value(number))


@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge])
@pytest.mark.parametrize("other", [1.0, Value(1.0), np.float64(1.0), Fraction(1), np.ones(2), None])
def test_the_order_of_values_is_refused(compare: Any, other: Any) -> None:
    """`<` and its kin ... raise, naming `.data` and the Value methods: on both sides."""
    for pair in (Value(2.0), other), (other, Value(2.0)):
        with pytest.raises(TypeError, match=r"compare numbers, as in `a\.data < b\.data`, or use relu"):
            compare(*pair)
    for function in max, min, sorted:
        with pytest.raises(TypeError, match=r"microbp\.max"):
            function([Value(1.0), Value(2.0)])


MATH = [math.exp, math.log, math.sqrt, math.sin, math.tanh, math.floor, math.ceil, math.fabs, math.isnan]


@pytest.mark.parametrize("function", [float, complex, *MATH], ids=lambda function: function.__name__)
def test_a_value_never_turns_into_a_plain_number(function: Any) -> None:
    """`float(v)` raises ... (so that `math.exp(v)` cannot drop the graph unnoticed)."""
    with pytest.raises(TypeError, match=r"would drop its graph; write v\.data .* v\.exp\(\), v\.log\(\)"):
        function(Value(1.0))
    for use in (
        lambda v: math.pow(2.0, v),
        lambda v: math.hypot(v, 1.0),
        lambda v: operator.mod("%.2f", v),
        lambda v: np.array([v], dtype=float),
        lambda v: np.float64(v),
        lambda v: np.full(3, v, dtype=float),
    ):
        with pytest.raises(TypeError, match="would drop its graph"):
            use(Value(1.0))


def test_a_format_is_that_of_the_number() -> None:
    """`f"{loss:.4f}"` formats the data."""
    v = Value(2.0).log()
    assert f"{v:.4f}|{v:>10.2e}|{v:+g}" == f"{v.data:.4f}|{v.data:>10.2e}|{v.data:+g}"


# Compiling.


def test_while_compiling_data_are_refused() -> None:
    """While compiling, nodes that depend on the inputs refuse `.data` as well (a subclass; operators
    accept it on their slow path), so no branch on data is frozen unnoticed."""
    seen: list[Value] = []

    def function(x: Value) -> Value:
        w = Value(2.0)
        nodes = [x, x * w, w * x, x + 1, 2 - x, x.tanh(), microbp.sum([w, x]), microbp.weighted_sum([w], [x])]
        for node in nodes:
            assert isinstance(node, Value)
            for ask in (
                lambda v: v.data,
                bool,
                float,
                lambda v: v < 1.0,
                lambda v: f"{v:.2f}",
                copy.copy,
                lambda v: v.backward(),
            ):
                with pytest.raises(TypeError, match="no number while a program is compiled"):
                    ask(node)
        assert (w * w).data == 4.0
        seen.extend(nodes)
        return microbp.sum(nodes)

    program = microbp.compile(function)
    x = 0.5
    assert program([x])[0] == pytest.approx(8 * x + 5 + math.tanh(x), rel=1e-15)
    assert {*map(type, seen)} == {Traced}


# Numbers in.


class Whole(enum.IntEnum):
    THREE = 3


class Real(float):
    pass


NUMBERS: dict[str, Any] = {
    "int": 3,
    "bool": True,
    "float": 2.5,
    "Fraction": Fraction(1, 2),
    "an int beyond 2**64": 10**30,
    "IntEnum": Whole.THREE,
    "a subclass of float": Real(2.5),
    **{kind.__name__: kind(2.5) for kind in (np.float64, np.float32, np.float16, np.longdouble)},
    **{kind.__name__: kind(3) for kind in (np.int64, np.int8, np.uint8, np.uint64)},
    "bool_": np.bool_(True),
}
every_number = pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)


@every_number
def test_a_real_number_of_any_kind_is_stored_as_a_float(number: Any) -> None:
    """Real numbers in (int, float, Fraction, NumPy scalars), always stored as `float`."""
    v = Value(number)
    assert type(v.data) is float
    assert v.data == float(number)


class Tagged(Value):
    __slots__ = ()


@every_number
@every_operator
@pytest.mark.parametrize("kind", [Value, Tagged])
def test_an_operator_takes_a_real_number_on_either_side(operate: Any, number: Any, kind: type[Value]) -> None:
    """... by every operator, on either side of a Value or of a subclass of Value."""
    x = float(number)
    for operands, floats in ((kind(1.5), number), (1.5, x)), ((number, kind(1.5)), (x, 1.5)):
        try:
            data = operate(*floats)
        except OverflowError:
            with pytest.raises(OverflowError, match="too large for a float"):
                operate(*operands)
            continue
        node = operate(*operands)
        assert type(node) is Value
        assert type(node.data) is float
        assert node.data == data
        assert [type(partial) for partial in node.partials] == [float]
        assert len(node.inputs) == 1


def test_what_is_too_large_for_a_float_says_so() -> None:
    """... an int or a Fraction that no float can hold, however many digits it has, raises OverflowError."""
    for huge in 10**400, -(10**5000), Fraction(10**5000, 7):
        for use in (
            Value,
            lambda n: Value(1.0) * n,
            lambda n: n - Value(1.0),
            lambda n: (Value(1.0) * 2).backward(n),
            lambda n: microbp.sum([Value(1.0), n]),
        ):
            with pytest.raises(OverflowError, match="too large for a float") as refusal:
                use(huge)
            assert len(str(refusal.value)) < 200


def test_a_fraction_of_very_many_digits_is_a_number_like_any_other() -> None:
    """... and one that a float can hold is held, and shown, whatever Python can write of it."""
    third = Fraction(10**5000, 3 * 10**5000 + 1)
    node = Value(6.0, "x") * third
    assert node.data == 2.0
    assert microbp.value.name_of(node) == "x * (0.333333)"
    assert "x * (0.333333)" in microbp.tree(node)
    with pytest.raises(ValueError, match=r"log of 0\.0 \(node = 2 \* 0\)"):
        (node * 0).log()


class Convertible:
    def __float__(self) -> float:
        return 2.0


class Index:
    def __index__(self) -> int:
        return 2


ONE_OF_EACH = "make one of each element"
REFUSED: list[tuple[Any, str, str]] = [
    ("3", "'3' (str)", "float(text)"),
    (b"3", "b'3' (bytes)", "float(text)"),
    (bytearray(b"3"), "bytearray(b'3')", ""),
    (None, "None", "forgot to return"),
    (1j, "1j (complex)", ".real and .imag"),
    (np.complex128(1j), "1j (complex128)", ""),
    (Decimal("1.5"), "Decimal('1.5')", "convert it with float()"),
    ([1.0], "[1.0] (list)", ONE_OF_EACH),
    ((1.0,), "(1.0,) (tuple)", ONE_OF_EACH),
    ({"a": 1.0}, "{'a': 1.0} (dict)", ONE_OF_EACH),
    ({1.0}, "{1.0} (set)", ONE_OF_EACH),
    (range(3), "range(0, 3)", ""),
    (iter([1.0]), "list_iterator", ""),
    (object(), "an object", "convert it with float()"),
    (int, "the class int", ""),
    (len, "the function len", ""),
    (..., "llipsis", ""),
    (Convertible(), "a Convertible", "convert it with float()"),
    (Index(), "an Index", ""),
    (datetime.timedelta(1), "datetime.timedelta(", ""),
    (datetime.date(2026, 1, 1), "datetime.date(", ""),
    (np.timedelta64(1, "s"), "timedelta64", ""),
    (np.timedelta64(1, "ns"), "timedelta64", ""),
    (np.datetime64("2026-01-01"), "datetime64", ""),
    (np.str_("3"), "'3'", "float(text)"),
    (np.void(b"3"), "void", ""),
    (np.array(1.0), "an array of shape ()", ONE_OF_EACH),
    (np.array([1.0, 2.0]), "an array of shape (2,)", ONE_OF_EACH),
    (np.ones((2, 2)), "an array of shape (2, 2)", ONE_OF_EACH),
    (np.array([]), "an array of shape (0,)", ONE_OF_EACH),
    (np.array([1, 2]), "an array of shape (2,)", ONE_OF_EACH),
    (np.array([Value(1.0), None]), "an array of shape (2,)", ONE_OF_EACH),
    (np.ma.array([1.0, 2.0]), "of shape (2,)", ONE_OF_EACH),
]
every_refused = pytest.mark.parametrize(
    ("thing", "named", "remedy"),
    REFUSED,
    ids=[f"{type(thing).__name__}{k}" for k, (thing, _, _) in enumerate(REFUSED)],
)


@every_refused
def test_what_is_no_real_number_is_refused_by_name(thing: Any, named: str, remedy: str) -> None:
    """Strings, None, complex, arrays: `TypeError` that names what came and what to do."""
    for use, where in (Value, "Value"), ((Value(3.0) * 2).backward, r"backward\(seed\)"):
        said = rf"^{where}: a real number is needed, not .*{re.escape(named)}.*; .*{re.escape(remedy)}"
        with pytest.raises(TypeError, match=said):
            use(thing)


@every_operator
@every_refused
@pytest.mark.parametrize("kind", ["Value", "a subclass", "Traced"])
def test_an_operator_refuses_it_on_both_sides(
    operate: Any, thing: Any, named: str, remedy: str, kind: str
) -> None:
    """NumPy arrays on either side of an operator are refused, never turned into an object array: nor
    is anything else that is no number, whatever kind of Value it meets."""
    v = Traced.input("x", []) if kind == "Traced" else Tagged(2.0) if kind == "a subclass" else Value(2.0)
    said = rf"with a Value: a real number is needed, not .*{re.escape(named)}.*; .*{re.escape(remedy)}"
    for pair in (v, thing), (thing, v):
        with pytest.raises(TypeError, match=said):
            operate(*pair)


@pytest.mark.parametrize(
    "operate", [operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow]
)
def test_an_array_refuses_a_value_in_place(operate: Any) -> None:
    """... nor in place: an array keeps its numbers, and a Value stays what it was."""
    array, v = np.array([1.0, 2.0]), Value(2.0)
    for pair in (array, v), (v, array):
        with pytest.raises(TypeError):
            operate(*pair)
    assert array.tolist() == [1.0, 2.0] and array.dtype == float
    assert (v.data, v.rule) == (2.0, None)


@pytest.mark.parametrize(
    "operate", [operator.floordiv, operator.mod, operator.matmul, operator.and_, operator.lshift, divmod]
)
@pytest.mark.parametrize("other", [2, 2.0, np.float64(2.0), np.ones(2), Value(2.0)])
def test_other_operators_are_refused_by_name(operate: Any, other: Any) -> None:
    """... and what has no row is no operation: Python's own TypeError names the operator and both sides."""
    for pair in (Value(2.0), other), (other, Value(2.0)):
        with pytest.raises(TypeError, match="Value"):
            operate(*pair)


def test_tensors_of_other_frameworks_are_refused() -> None:
    """... tensors are arrays like any other, however many numbers they hold."""
    torch = pytest.importorskip("torch")
    for tensor in torch.tensor(2.0), torch.ones(2), torch.tensor(2.0, requires_grad=True):
        with pytest.raises(TypeError, match=r"a real number is needed, not .*(?i:tensor)"):
            Value(tensor)
        for operate, pair in itertools.product(OPERATORS, [(Value(2.0), tensor), (tensor, Value(2.0))]):
            with pytest.raises(TypeError, match=r"a real number is needed, not .*(?i:tensor)"):
                operate(*pair)


# Domain errors, and numbers of every class.

P, Q = Value(-0.3, "p"), Value(0.0, "q")


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: P.log(), ValueError, r"^log of -0\.3 \(node 'p'\): it needs x > 0$"),
        (lambda: Q.log(), ValueError, r"^log of 0\.0 \(node 'q'\): it needs x > 0$"),
        (lambda: functions.log(-2), ValueError, r"^log of -2\.0 \(an unnamed leaf\): it needs x > 0$"),
        (lambda: P.sqrt(), ValueError, r"^sqrt of -0\.3 \(node 'p'\): it needs x >= 0$"),
        (lambda: (P + Q).sqrt(), ValueError, r"^sqrt of -0\.3 \(node = p \+ q\)"),
        (lambda: (P * 2).log(), ValueError, r"^log of -0\.6 \(node = p \* 2\)"),
        (lambda: P / Q, ZeroDivisionError, r"-0\.3 \(node 'p'\) and y = 0\.0 \(node 'q'\): it needs y != 0$"),
        (lambda: P / 0, ZeroDivisionError, r"-0\.3 \(node 'p'\) and y = 0: it needs y != 0$"),
        (lambda: 1 / Q, ZeroDivisionError, r"1 and y = 0\.0 \(node 'q'\): it needs y != 0$"),
        (lambda: P**0.5, ValueError, r"-0\.3 \(node 'p'\) and n = 0\.5: it needs x > 0, or x = 0"),
        (lambda: Q**-1, ValueError, r"0\.0 \(node 'q'\) and n = -1: it needs"),
        (lambda: P**Q, ValueError, r"-0\.3 \(node 'p'\) and y = 0\.0 .*: it needs x > 0$"),
        (lambda: (-8) ** P, ValueError, r"-8 and y = -0\.3 \(node 'p'\): it needs x > 0$"),
        (lambda: Value(1000, "u").exp(), OverflowError, r"1000\.0 \(node 'u'\): the result is too large"),
        (lambda: Value(1e200, "u") ** 2, OverflowError, r"1e\+200 \(node 'u'\) and 2: the result is too"),
        (lambda: Value(math.inf, "u").sin(), ValueError, r"^sin of inf \(node 'u'\): it needs a finite x$"),
        (lambda: Value(math.inf, "u").cos(), ValueError, r"^cos of inf \(node 'u'\): it needs a finite x$"),
    ],
)
def test_a_domain_error_names_the_node(act: Any, error: type[Exception], message: str) -> None:
    """Domain errors are raised where they happen, naming the node (`log of -0.3 (node 'p')`)."""
    with pytest.raises(error, match=message):
        act()


def test_recompute_restores_everything_when_a_domain_error_happens_midway() -> None:
    """... in `recompute()` too, which then leaves every node as it was."""
    a, b = Value(2.0, "a"), Value(3.0, "b")
    c = a * b
    d = (c - 1).log()
    e = d / (a + 1)
    before = [(v.data, v.partials) for v in computed(e)]
    a.data = -2.0
    with pytest.raises(ValueError, match=r"^log of -7\.0 .*: it needs x > 0"):
        e.recompute()
    assert [(v.data, v.partials) for v in computed(e)] == before
    a.data = 4.0
    e.recompute()
    assert e.data == math.log(11.0) / 5.0
    a.data = -1.0
    b.data = -3.0
    with pytest.raises(ZeroDivisionError, match=r"\(node = a \+ 1\)"):
        e.recompute()
    assert e.data == math.log(11.0) / 5.0


TINY, NORMAL, LARGEST = 5e-324, sys.float_info.min, sys.float_info.max
CLASSES = {
    "zeros": [0.0, -0.0],
    "subnormal": [TINY, -TINY, 2.5e-310, math.nextafter(NORMAL, 0.0)],
    "small": [NORMAL, -NORMAL, 1e-200, -1e-160, 1e-17],
    "beside one": [1.0, -1.0, math.nextafter(1.0, 0.0), math.nextafter(1.0, 2.0)],
    "halves": [0.5, -0.5, 1.5, 2.5, -1.5],
    "whole": [2.0, -2.0, 3.0, -3.0],
    "of no class": [1 / 3, -0.3, 36.9],
    "at the ends of exp": [708.0, 710.0, -708.5, -745.2, -746.0],
    "odd and large": [2.0**53 - 1, -(2.0**53 - 1)],
    "even and large": [2.0**53 + 2, 1e16, 1e100, -1e200],
    "huge": [1.3407807929942596e154, LARGEST / 2, LARGEST, -LARGEST],
    "infinite": [math.inf, -math.inf],
    "nan": [math.nan],
}
NUMBERS_OF_EVERY_CLASS = [x for numbers in CLASSES.values() for x in numbers]
FINITE = [x for x in NUMBERS_OF_EVERY_CLASS if math.isfinite(x)]


def points(rule: Rule, numbers: Sequence[float], several: int = 2) -> Iterator[tuple[float, ...]]:
    """Numbers of every class at every place of a row's operands, an index for what is one."""
    if rule.name == "pick":
        for xs in itertools.product(numbers, repeat=several):
            yield from ((*xs, float(n)) for n in range(several))
    elif rule.name in ("weighted_sum", "cross_entropy"):
        draw = random.Random(6)
        more = len(rule.parameters) - len(rule.sequences)
        for x, y in itertools.product(numbers, repeat=2):
            for one in (x, y), (draw.choice(numbers), x), (y, draw.choice(numbers)):
                yield (*one, *(draw.choice(numbers) for _ in range(more)))
            yield tuple(draw.choice(numbers) for _ in range(4 + more))
    else:
        n = several if rule.operands == "xs" else len(rule.parameters)
        yield from itertools.product(numbers, repeat=n)


def positive_base(x: float, y: float) -> float:
    if x <= 0:
        raise ValueError
    return math.pow(x, y)


# What Python's own floats and `math` do, for the rows that are an operation of theirs.
PYTHON: dict[str, Callable[..., float]] = {
    "sum": operator.add,
    "difference": operator.sub,
    "product": operator.mul,
    "quotient": operator.truediv,
    "negation": operator.neg,
    "power": math.pow,
    "exponentiation": positive_base,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "tanh": math.tanh,
    "abs": abs,
    "sin": math.sin,
    "cos": math.cos,
    "pick": lambda x, y, n: (x, y)[int(n)],
}
SPELLED: dict[str, Callable[..., Value]] = {
    "sum": lambda *xs: functions.sum(xs),
    "difference": operator.sub,
    "product": operator.mul,
    "quotient": operator.truediv,
    "negation": operator.neg,
    "power": lambda x, n: x**n.data,
    "exponentiation": operator.pow,
    "max": functions.max,
    "min": functions.min,
    "logsumexp": lambda *xs: functions.logsumexp(xs),
    "pick": lambda *xs_and_n: functions.pick(xs_and_n[:-1], xs_and_n[-1].data),
    "weighted_sum": lambda *v: functions.weighted_sum(*RULES["weighted_sum"].group(v)),
    "cross_entropy": lambda *v: functions.expected_surprise(*RULES["cross_entropy"].group(v)),
    "equal": functions.VALUES["equal"],
}


def spelled(rule: Rule) -> Callable[..., Value]:
    """The row as a user writes it, of Values."""
    return SPELLED.get(rule.name) or (lambda x: getattr(x, rule.name)())


def outcome(function: Callable[..., Any], *operands: Any) -> bytes | type[Exception]:
    """The result's bits, or the kind of error."""
    try:
        result = function(*operands)
    except (ArithmeticError, ValueError) as error:
        return type(error)
    if isinstance(result, Value):
        assert {float} == {type(number) for number in (result.data, *result.partials)}
        result = result.data
    return bits(result)


@every_row
def test_a_row_raises_where_python_s_arithmetic_raises_and_only_there(rule: Rule) -> None:
    """Domain errors are raised where they happen: for numbers of every class at every place, a row
    raises the error Python's own floats and `math` raise, or gives the same bits; the others never raise."""
    python, raised = PYTHON.get(rule.name), 0
    for operands in points(rule, NUMBERS_OF_EVERY_CLASS):
        found = outcome(spelled(rule), *map(Value, operands))
        assert found == outcome(lambda *xs: rule.evaluate(xs)[0], *operands), operands
        if python is None:
            assert isinstance(found, bytes), operands
        else:
            assert found == outcome(python, *operands), operands
        raised += isinstance(found, type) and found is not OverflowError
    assert bool(raised) == bool(rule.domain), "a row that raises says what it needs"


HELD = [
    ("sum", "sum", operator.add),
    ("difference", "difference", operator.sub),
    ("product", "product", operator.mul),
    ("quotient", "quotient", operator.truediv),
    ("exponentiation", "power", operator.pow),
]


@pytest.mark.parametrize(("free", "held", "operate"), HELD, ids=[free for free, _, _ in HELD])
def test_an_operator_raises_where_python_s_does(free: str, held: str, operate: Any) -> None:
    """... and so does an operator, with a plain number on either side or none."""
    for x, y in itertools.product(NUMBERS_OF_EVERY_CLASS, repeat=2):
        for kind in float, np.float64:
            assert outcome(operate, Value(x), Value(y)) == outcome(PYTHON[free], x, y), (x, y)
            assert outcome(operate, kind(x), Value(y)) == outcome(PYTHON[free], x, y), (x, y)
            assert outcome(operate, Value(x), kind(y)) == outcome(PYTHON[held], x, y), (x, y)


def test_the_operations_that_no_float_has_give_their_limits_at_infinity_and_nan_for_nan() -> None:
    """... the operations that Python's floats do not have give their limits at infinity, and NaN for NaN;
    the slopes of activations are flat there, or 1."""
    inf, nan = math.inf, math.nan
    limits: dict[str, list[tuple[Sequence[float], float]]] = {
        "sigmoid": [([inf], 1.0), ([-inf], 0.0), ([nan], nan)],
        "relu": [([inf], inf), ([-inf], 0.0), ([nan], nan)],
        "softplus": [([inf], inf), ([-inf], 0.0), ([nan], nan)],
        "max": [
            ([1.0, inf], inf),
            ([-inf, 1.0], 1.0),
            ([nan, 1.0], nan),
            ([1.0, nan], nan),
            ([inf, nan], nan),
        ],
        "min": [
            ([1.0, inf], 1.0),
            ([-inf, 1.0], -inf),
            ([nan, 1.0], nan),
            ([1.0, nan], nan),
            ([-inf, nan], nan),
        ],
        "logsumexp": [([1.0, inf], inf), ([-inf, 1.0], 1.0), ([-inf, -inf], -inf), ([nan, 1.0], nan)],
        "cross_entropy": [
            ([1.0, 0.0, inf, 1.0], nan),
            ([0.0, 1.0, inf, 1.0], inf),
            ([1.0, 0.0, 1.0, -inf], 0.0),
            ([0.5, 0.5, 1.0, -inf], inf),
            ([1.0, 0.0, -inf, -inf], nan),
            ([1.0, 0.0, 1.0, nan], nan),
        ],
        "weighted_sum": [([inf, 2.0, 1.0], inf), ([inf, 0.0, 1.0], nan), ([1.0, 1.0, -inf], -inf)],
    }
    for name, expected in limits.items():
        for operands, limit in expected:
            forward, _ = RULES[name].read(arrays())
            groups = RULES[name].group([np.array([x]) for x in operands])
            with np.errstate(invalid="ignore"):
                in_array = float(forward(*groups)[0])
            for number in spelled(RULES[name])(*map(Value, operands)).data, in_array:
                assert bits(number) == bits(limit), (name, operands)

    for name, left, right in [
        ("sigmoid", 0.0, 0.0),
        ("tanh", 0.0, 0.0),
        ("relu", 0.0, 1.0),
        ("softplus", 0.0, 1.0),
    ]:
        activation = spelled(RULES[name])
        assert activation(Value(-inf)).partials == (left,)
        assert activation(Value(inf)).partials == (right,)
        assert math.isnan(activation(Value(nan)).partials[0])


def test_step_sign_and_equal_are_what_their_names_say_for_numbers_of_every_class() -> None:
    """... step, sign and equal, of which slopes are made: 1 and 0, the sign, 0 at both zeros; NaN is
    neither above nor below 0, and equal to nothing; their own slopes are 0 everywhere."""
    step, sign, equal = (spelled(RULES[name]) for name in ("step", "sign", "equal"))
    for x in NUMBERS_OF_EVERY_CLASS:
        if math.isnan(x):
            assert math.isnan(step(Value(x)).data) and math.isnan(sign(Value(x)).data)
        else:
            assert step(Value(x)).data == (x > 0)
            assert sign(Value(x)).data == (0 if x == 0 else math.copysign(1, x))
        assert step(Value(x)).partials == sign(Value(x)).partials == (0.0,)
        for y in NUMBERS_OF_EVERY_CLASS:
            assert equal(Value(x), Value(y)).data == (x == y)
            assert equal(Value(x), Value(y)).partials == (0.0, 0.0)


# The mathematics, with 60 digits and more: each row's value, and its slopes, by their textbook formulas.


def power_of_e(x: Any) -> Any:
    return mpmath.exp(x) if abs(x) < 20_000 else mpmath.mpf(0) if x < 0 else mpmath.mpf(2) ** 20_000


def power_of(x: Any, y: Any) -> Any:
    if not x:
        return mpmath.mpf(not y)
    sign = -1 if x < 0 and int(y) % 2 else 1
    return sign * power_of_e(y * mpmath.log(abs(x)))


def sigmoid(x: Any) -> Any:
    return 1 / (1 + power_of_e(-x))


def softplus(x: Any) -> Any:
    return mpmath.log1p(power_of_e(x)) if x < 20_000 else x


def log_sum_exp(*xs: Any) -> Any:
    top, *rest = sorted(xs, reverse=True)
    return top + mpmath.log1p(mpmath.fsum(power_of_e(x - top) for x in rest))


def surprises(*xs: Any) -> list[Any]:
    """-log(y) for each y of the softmax of x; a true number, however close the y to 1."""
    top = max(xs)
    rest = list(xs)
    rest.remove(top)
    excess = mpmath.log1p(mpmath.fsum(power_of_e(x - top) for x in rest))
    return [top - x + excess for x in xs]


def halves(v: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    return v[: len(v) // 2], v[len(v) // 2 :]


def expected_surprise(*v: Any) -> Any:
    ts, xs = halves(v)
    return mpmath.fsum(t * surprise for t, surprise in zip(ts, surprises(*xs)))


def slopes_of_cross_entropy(*v: Any) -> list[Any]:
    ts, xs = halves(v)
    found = surprises(*xs)
    return [*found, *(power_of_e(-surprise) * mpmath.fsum(ts) - t for t, surprise in zip(ts, found))]


def shared(xs: Sequence[Any], z: Any) -> list[Any]:
    return [mpmath.mpf(x == z) / sum(x == z for x in xs) for x in xs]


def slope_of_power(x: Any, n: Any) -> Any:
    if not n:
        return 0
    return n * power_of(x, n) / x if x else mpmath.inf if n < 1 else int(n == 1)


EXACT: dict[str, tuple[Callable[..., Any], Callable[..., list[Any]]]] = {
    "sum": (lambda *xs: mpmath.fsum(xs), lambda *xs: [1] * len(xs)),
    "difference": (lambda x, y: x - y, lambda x, y: [1, -1]),
    "product": (lambda x, y: x * y, lambda x, y: [y, x]),
    "quotient": (lambda x, y: x / y, lambda x, y: [1 / y, -x / y**2]),
    "negation": (lambda x: -x, lambda x: [-1]),
    "power": (power_of, lambda x, n: [slope_of_power(x, n)]),
    "exponentiation": (power_of, lambda x, y: [y * power_of(x, y) / x, power_of(x, y) * mpmath.log(x)]),
    "exp": (power_of_e, lambda x: [power_of_e(x)]),
    "log": (mpmath.log, lambda x: [1 / x]),
    "sqrt": (mpmath.sqrt, lambda x: [1 / (2 * mpmath.sqrt(x)) if x else mpmath.inf]),
    "sigmoid": (sigmoid, lambda x: [sigmoid(x) * sigmoid(-x)]),
    "tanh": (
        lambda x: mpmath.tanh(x) if abs(x) < 20_000 else mpmath.sign(x),
        lambda x: [mpmath.sech(x) ** 2 if abs(x) < 20_000 else 0],
    ),
    "relu": (lambda x: max(x, 0), lambda x: [int(x > 0)]),
    "softplus": (softplus, lambda x: [sigmoid(x)]),
    "abs": (abs, lambda x: [mpmath.sign(x)]),
    "sin": (mpmath.sin, lambda x: [mpmath.cos(x)]),
    "cos": (mpmath.cos, lambda x: [-mpmath.sin(x)]),
    "max": (max, lambda *xs: shared(xs, max(xs))),
    "min": (min, lambda *xs: shared(xs, min(xs))),
    "logsumexp": (log_sum_exp, lambda *xs: [power_of_e(-surprise) for surprise in surprises(*xs)]),
    "cross_entropy": (expected_surprise, slopes_of_cross_entropy),
    "pick": (lambda *xs_and_n: xs_and_n[int(xs_and_n[-1])], lambda x, y, n: [int(n == 0), int(n == 1)]),
    "weighted_sum": (
        lambda *v: mpmath.fsum(terms(v)),
        lambda *v: [*v[len(v) // 2 : -1], *v[: len(v) // 2], 1],
    ),
    "step": (lambda x: int(x > 0), lambda x: [0]),
    "sign": (mpmath.sign, lambda x: [0]),
    "equal": (lambda x, y: int(x == y), lambda x, y: [0, 0]),
}


def rounded(true: Any) -> float:
    """The float nearest to a true number, infinite beyond the largest."""
    return float(mpmath.mpf(true))


def ulps(number: float, true: Any, scale: Any = None) -> float:
    """The error in units in the last place of the true number, or of `scale`."""
    nearest = rounded(true)
    if math.isinf(nearest) or not math.isfinite(number):
        return 0.0 if number == nearest else math.inf
    size = rounded(abs(true) if scale is None else scale)
    return float(abs(mpmath.mpf(float(number)) - true) / math.ulp(min(size, LARGEST)))


def terms(xs: Sequence[Any]) -> list[Any]:
    """The products and the bias of a weighted sum."""
    n = len(xs) // 2
    return [*(w * x for w, x in zip(xs[:n], xs[n:-1])), xs[-1]]


def parts(rule: Rule, operands: Sequence[Any]) -> list[Any]:
    """What a value and its slopes are sums of, for the rows whose operands may be of any sign and size."""
    if rule.name == "weighted_sum":
        return terms(operands)
    if rule.name == "cross_entropy":
        ts, xs = halves(operands)
        return [*(t * surprise for t, surprise in zip(ts, surprises(*xs))), *ts]
    return []


def moved(*xs: Any) -> Any:
    """What log-sum-exp changes by when its operands change by a unit in theirs: by p_k when x_k does by 1."""
    return mpmath.fsum(power_of_e(-surprise) * abs(x) for surprise, x in zip(surprises(*xs), xs))


def scale_of_value(rule: Rule, xs: Sequence[Any], true: Any) -> Any:
    """What a value is accurate to a few units in the last place of: itself, unless its terms cancel.

    The t of cross-entropy may be of any sign and size here, though it speaks of probabilities: so do its
    terms cancel, and what is below the smallest normal number is multiplied.
    """
    if rule.name == "logsumexp":
        return max(abs(true), moved(*xs))
    if rule.name == "cross_entropy":
        ts, us = halves(xs)
        return mpmath.fsum(abs(t) * max(surprise, NORMAL) for t, surprise in zip(ts, surprises(*us)))
    return mpmath.fsum(map(abs, parts(rule, xs))) if parts(rule, xs) else None


def scales_of_cross_entropy(*v: Any) -> list[Any]:
    ts, xs = halves(v)
    found = surprises(*xs)
    total = mpmath.fsum(map(abs, ts))
    return [
        *(0 for _ in xs),
        *(max(power_of_e(-surprise), NORMAL) * total + abs(t) for t, surprise in zip(ts, found)),
    ]


# A slope is written with the value z, and knows its operands no better than z does: 1 - z and 1 - z * z
# to a unit in the last place of 1.  So is that of a power with n - 1; and cross-entropy's are differences.
SCALES_OF_SLOPES: dict[str, Callable[..., list[Any]]] = {
    "sigmoid": lambda x: [1],
    "tanh": lambda x: [1],
    "power": lambda x, n: [abs(slope_of_power(x, n)) * (1 + abs(mpmath.log(abs(x)))) if x else 0],
    "cross_entropy": scales_of_cross_entropy,
}


def scales_of_slopes(rule: Rule, slopes: Sequence[Any], xs: Sequence[Any]) -> list[Any]:
    """What each slope is accurate to a few units in the last place of."""
    given = SCALES_OF_SLOPES.get(rule.name, lambda *xs: [0] * len(slopes))(*xs)
    return [max(abs(slope), scale) for slope, scale in zip(slopes, given)]


def at_the_edge(rule: Rule, operands: Sequence[float]) -> bool:
    """Where the slope of a power is written with numbers that no float can hold, though it could itself."""
    if rule.name not in ("power", "exponentiation"):
        return False
    x, y = operands
    beyond = abs(y) >= 2.0**53  # where y - 1 is no odd number
    if rule.name == "power":
        return beyond or abs(x) < NORMAL or 0 < abs(y) < 1e-15
    z = math.pow(x, y)
    return beyond or not NORMAL / 1e-16 < z < math.sqrt(LARGEST)


@every_row
def test_values_and_slopes_are_the_mathematics_for_numbers_of_every_class(rule: Rule) -> None:
    """Values are within 2 units in the last place of the true ones, and slopes within 3, infinite where
    they are; `backward`, `recompute` and the reader of arrays agree, and are not finite where a row raises.

    Measured at most 1.3 units for values (sigmoid) and 2.1 for slopes (exponentiation).
    """
    value_of, slopes_of = EXACT[rule.name]
    forward, slopes = rule.read(arrays())
    with mpmath.workprec(250), np.errstate(all="ignore"):
        for operands in points(rule, FINITE):
            xs = [mpmath.mpf(x) for x in operands]
            columns: list[Any] = [np.array([x]) for x in operands]
            if rule.name == "power":
                columns[1] = operands[1]  # a plain number for a whole batch
            z = forward(*rule.group(columns))
            numbers = [np.broadcast_to(x, 1)[0] for x in (z, *slopes(z, *rule.group(columns)))]
            try:
                data, partials = rule.evaluate(operands)
            except (ArithmeticError, ValueError):
                assert not math.isfinite(numbers[0]), operands
                continue
            true = value_of(*xs)
            if mpmath.fsum(map(abs, parts(rule, xs))) > LARGEST:
                continue  # its parts are infinite, as in Python's own arithmetic
            for number in data, numbers[0]:
                assert ulps(number, true, scale_of_value(rule, xs, true)) <= 2, (operands, number, true)
            assert [data, *partials] == backward_and_recompute(rule, operands)
            if at_the_edge(rule, operands):
                continue
            true_slopes = slopes_of(*xs)
            scales = scales_of_slopes(rule, true_slopes, xs)
            for number, in_array, slope, scale in zip(partials, numbers[1:], true_slopes, scales):
                assert ulps(number, slope, scale) <= 3, (operands, number, slope)
                assert ulps(in_array, slope, scale) <= 4, (operands, in_array, slope)


def backward_and_recompute(rule: Rule, operands: Sequence[float]) -> list[float]:
    """The value and the gradients of a node made for other numbers, recomputed for these."""
    given = [Value(1.0) for _ in operands]
    if rule.partials[-1] is None:
        node = apply(rule.holding(-1), [*given[:-1], operands[-1]])
    else:
        node = apply(rule, given)
    for leaf, x in zip(given, operands):
        leaf.data = x
    node.recompute()
    node.backward()
    return [node.data, *(leaf.grad for leaf in node.inputs)]


# Accuracy over the whole range.

RANGE = [
    *(sign * digits * 10.0**e for sign in (1, -1) for digits in (1, 3.7) for e in range(-323, 308)),
    *(sign * k / 16 for sign in (1, -1) for k in range(16 * 50)),
    *(-700.0 - k / 4 for k in range(200)),
    *(700.0 + k / 4 for k in range(50)),
    *(0.0, -0.0, TINY, -TINY, LARGEST, -LARGEST, 1e308, -1e308),
]


def anywhere(draw: random.Random) -> float:
    """A finite number of any size."""
    return draw.choice(
        [
            draw.choice(RANGE),
            draw.uniform(-2, 2),
            draw.uniform(-50, 50),
            draw.uniform(-800, 800),
            draw.choice([-1, 1]) * 10 ** draw.uniform(-320, 308),
        ]
    )


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softplus"])
def test_an_activation_is_finite_and_accurate_over_the_whole_range(name: str) -> None:
    """Sigmoid, tanh, softplus ... are finite for every finite float and accurate to a few units in the
    last place of their value; their slopes to one unit in the last place of 1, those of softplus of
    themselves.

    Of the eager engine, the reader of arrays and compiled programs alike.  Measured at most 1.9 units
    for sigmoid and tanh, 1.4 for softplus, and 0.8, 1.1 and 1.9 for their slopes.
    """
    value_of, slopes_of = EXACT[name]
    draw = random.Random(8)
    xs = RANGE + [anywhere(draw) for _ in range(500 * THOROUGH)]
    by_program = microbp.compile(lambda x: getattr(x, name)())(xs)
    p = Value(0.0, "p")
    slope_of_program = microbp.compile(lambda zero: getattr(p, name)() + 0 * zero)
    in_arrays = arrays()[name](np.array(xs))
    with mpmath.workprec(100):
        for k, x in enumerate(xs):
            node, true = getattr(Value(x), name)(), value_of(mpmath.mpf(x))
            for number in node.data, in_arrays[k], by_program[k]:
                assert ulps(number, true) <= 3, f"{name}({x!r}) = {number!r}, truly {mpmath.nstr(true, 20)}"
            slopes = [node.partials[0]]
            if k % 7 == 0:
                p.data = x
                slope_of_program.value_and_grad([0.0])
                slopes.append(p.grad)
            [slope] = slopes_of(mpmath.mpf(x))
            for number in slopes:
                assert 0.0 <= number <= 1.0
                assert ulps(number, slope, None if name == "softplus" else 1) <= 3, (x, number, slope)


def some_numbers(draw: random.Random) -> list[float]:
    """Up to six, of any size, of one size, or all the same."""
    n = draw.randint(1, 6)
    return draw.choice(
        [
            [anywhere(draw) for _ in range(n)],
            [draw.uniform(-30, 30) for _ in range(n)],
            [anywhere(draw)] * n,
        ]
    )


EDGES_OF_LOGSUMEXP = [
    [1000.0, 1000.0],
    [-1000.0, -1000.0],
    [1.7e308, 1.7e308, -1.7e308],
    [0.0, -745.0],
    [-0.6931471805599453, -0.6931471805599453],
    [TINY, -TINY],
]


def test_logsumexp_is_finite_and_accurate_over_the_whole_range() -> None:
    """... log-sum-exp ... finite for every finite float and accurate to a few units in the last place.

    Of its value, or, where the value cancels near 0, of what it changes by when its operands change by
    a unit in theirs: Σ p_k |x_k|.  Measured at most 1.5 units; its slopes, the softmax, at most 2.3 units
    of theirs, and the Values of `softmax` 0.6 of 1 + |log-sum-exp|, as which they are exp(x - z).
    """
    draw = random.Random(9)
    many = [[draw.uniform(-1, 1) for _ in range(3000)], [0.0] + [-0.1] * 20_000, [0.0] + [-0.7] * 30_000]
    with mpmath.workprec(200):
        for xs in [*EDGES_OF_LOGSUMEXP, *(some_numbers(draw) for _ in range(1000 * THOROUGH)), *many]:
            true = log_sum_exp(*map(mpmath.mpf, xs))
            scale = max(abs(true), moved(*map(mpmath.mpf, xs)))
            node = logsumexp([Value(x) for x in xs])
            for number in node.data, arrays()["logsumexp"]([np.array([x]) for x in xs])[0]:
                assert ulps(float(number), true, scale) <= 3, (xs[:6], number, true)
            if len(xs) <= 6:
                ps = [power_of_e(-surprise) for surprise in surprises(*map(mpmath.mpf, xs))]
                for number, share, p in zip(node.partials, softmax(xs), ps):
                    assert ulps(number, p) <= 3, (xs, number, p)
                    assert ulps(share.data, p, 1 + abs(true)) <= 2, (xs, share, p)


def probabilities(draw: random.Random, n: int) -> list[float]:
    """A probability for each of n classes, which add up to 1 but for rounding."""
    sizes = [draw.choice([0.0, 1.0, draw.random(), 10 ** draw.uniform(-300, 0)]) for _ in range(n)]
    total = math.fsum(sizes)
    return [size / total for size in sizes] if total else [float(k == 0) for k in range(n)]


# A right class far above the others: of the differences' rounding, a unit in their last place would be
# hundreds in that of the loss.
SURE_AND_RIGHT = [
    [700.3, 0.1, 0.2],
    [0.1, -739.9],
    [300.7, -300.6, 12.34],
    [1e17, 1e17 - 640.0, 1e17 - 704.0],
    [123.456, 100.1, 99.9, -500.0],
    [1e308, -1e308],  # whose difference is no float
]


def test_cross_entropy_from_logits_is_finite_and_accurate_over_the_whole_range() -> None:
    """... cross-entropy from logits likewise: of its value, however small.

    Measured at most 1.9 units in the last place for a class, and 2.5 for probabilities, by compiled
    programs too; its derivatives, y times the sum of the t less t, at most 4.0 units in the last place of
    the greater of y and t: the sum of six t, and y, are each accurate to 2.
    """
    draw = random.Random(10)
    programs: dict[tuple[int, bool], tuple[list[Value], Any]] = {}
    for n, by_class in itertools.product(range(1, 7), (True, False)):
        us = [Value(0.0, f"u[{k}]") for k in range(1, n + 1)]
        programs[n, by_class] = us, microbp.compile(lambda t, us=us: cross_entropy(us, t))
    cases = [(us, 0) for us in SURE_AND_RIGHT]
    for _ in range(700 * THOROUGH):
        us = some_numbers(draw)
        cases.append((us, draw.randrange(len(us))))
    with mpmath.workprec(200):
        for numbers, k in cases:
            n = len(numbers)
            exact = [mpmath.mpf(u) for u in numbers]
            soft = probabilities(draw, n)
            for target, ts in [(k, [float(j == k) for j in range(n)]), (soft, soft)]:
                true = expected_surprise(*map(mpmath.mpf, ts), *exact)
                if true > LARGEST * (1 - 1e-15):
                    continue  # two logits farther apart than the largest float
                us = [Value(u) for u in numbers]
                E = cross_entropy(us, target)
                E.backward()
                parameters, program = programs[n, target is k]
                for parameter, u in zip(parameters, numbers):
                    parameter.data = u
                loss, _ = program.value_and_grad([target])
                in_full = cross_entropy([Value(u) for u in numbers], ts)
                for number in E.data, loss, in_full.data:
                    assert ulps(number, true) <= 3, (numbers, ts, number, true)
                slopes = slopes_of_cross_entropy(*map(mpmath.mpf, ts), *exact)[n:]
                for u, parameter, slope, t in zip(us, parameters, slopes, ts):
                    for number in u.grad, parameter.grad:
                        assert ulps(number, slope, max(slope + t, t)) <= 5, (numbers, ts, number, slope)
                        if target is k:
                            assert ulps(number, slope, 1 + true) <= 3, (numbers, k, number, slope)


def probability(draw: random.Random) -> float:
    return draw.choice(
        [0.0, 1.0, 0.5, draw.random(), 10 ** draw.uniform(-300, 0), 1 - 10 ** draw.uniform(-16, 0)]
    )


def test_binary_cross_entropy_from_logits_is_finite_and_accurate_over_the_whole_range() -> None:
    """... (binary) cross-entropy from logits likewise.

    Measured at most 2.1 units in the last place, by compiled programs too; its derivative y - t at
    most 1.0 units in the last place of 1.
    """
    draw = random.Random(11)
    u, parameter = Value(0.0), Value(0.0, "u")
    program = microbp.compile(lambda t: binary_cross_entropy_with_logits(parameter, t))
    with mpmath.workprec(200):
        for x, t in [
            *((x, t) for x in RANGE[::5] for t in (0.0, 1.0)),
            *((anywhere(draw), probability(draw)) for _ in range(500 * THOROUGH)),
        ]:
            parameter.data, u = x, Value(x)
            E = binary_cross_entropy_with_logits(u, t)
            E.backward()
            loss, _ = program.value_and_grad([t])
            exact, share = mpmath.mpf(x), mpmath.mpf(t)
            true = share * softplus(-exact) + (1 - share) * softplus(exact)
            for number in E.data, loss:
                assert ulps(number, true) <= 3, (x, t, number, true)
            for number in u.grad, parameter.grad:
                assert ulps(number, sigmoid(exact) - share, 1) <= 2, (x, t, number)


@pytest.mark.parametrize("where", ["eager", "compiled"])
def test_cross_entropy_from_probabilities_never_gives_nan_silently(where: str) -> None:
    """... from probabilities it never gives NaN silently: the loss, and its slope, are numbers, or an
    error says what the logarithm was taken of.  The loss is within 2 units in the last place of 1 + E."""
    draw = random.Random(12)
    y = Value(0.5, "y")
    program = microbp.compile(lambda t: binary_cross_entropy(y, t))
    given = [0.0, 1.0, TINY, NORMAL, math.nextafter(1.0, 0.0), 0.5]
    cases = [
        *itertools.product(given, repeat=2),
        *((probability(draw), probability(draw)) for _ in range(1000)),
    ]
    for number, t in cases:
        y.data, y.grad = number, 0.0
        certain = (number == 0.0 and t > 0.0) or (number == 1.0 and t < 1.0)
        try:
            if where == "eager":
                E = binary_cross_entropy(y, t)
                E.backward()
                loss = E.data
            else:
                loss, _ = program.value_and_grad([t])
        except (ValueError, FloatingPointError) as error:
            assert isinstance(error, FloatingPointError) or "log of 0.0" in str(error)
            assert certain or (where == "compiled" and not NORMAL <= number < 1.0), (number, t)
            continue
        assert not certain, "the logarithm of 0"
        with mpmath.workprec(1100):
            exact, share = mpmath.mpf(number), mpmath.mpf(t)
            true = mpmath.mpf(0)
            if t:
                true -= share * mpmath.log(exact)
            if t != 1.0:
                true -= (1 - share) * mpmath.log1p(-exact)
            assert ulps(loss, true, 1 + true) <= 2, (number, t, loss, true)
        assert not math.isnan(y.grad)


# Kinks.

KINKS: list[tuple[str, Callable[[Any], Any], float, float | None]] = [
    # what, of x, its slope at x = 0, and the slope of its slope (None: no number)
    ("relu'(0) = 0", lambda x: x.relu(), 0.0, 0.0),
    ("abs'(0) = 0", lambda x: x.abs(), 0.0, 0.0),
    ("Python's abs'(0) = 0", abs, 0.0, 0.0),
    ("two that tie share the slope equally", lambda x: functions.max(x, 2 * x), 1.5, 0.0),
    ("three that tie share the slope equally", lambda x: functions.min([x, 2 * x, 6 * x]), 3.0, 0.0),
    ("a number ties as well", lambda x: functions.max(x, 0.0), 0.5, 0.0),
    ("one given twice gets the whole slope", lambda x: functions.max(x, x), 1.0, 0.0),
    ("only those that tie share", lambda x: functions.max(x, -1.0, 3 * x), 2.0, 0.0),
    ("sqrt'(0) = inf", lambda x: x.sqrt(), math.inf, None),
    ("the slope of x ** 0.5 at 0 is inf", lambda x: x**0.5, math.inf, None),
    ("the slope of x ** (1/2) at 0 is inf", lambda x: x ** Fraction(1, 2), math.inf, None),
    ("x ** 0 has slope 0", lambda x: x**0, 0.0, 0.0),
    ("x ** 1 has slope 1", lambda x: x**1, 1.0, 0.0),
    ("x ** 2 has slope 0", lambda x: x**2, 0.0, 2.0),
]
every_kink = pytest.mark.parametrize(
    ("function", "slope", "second"), [kink[1:] for kink in KINKS], ids=[kink[0] for kink in KINKS]
)


@every_kink
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_there_is_one_convention_at_kinks(
    function: Callable[[Any], Any], slope: float, second: float | None, zero: float
) -> None:
    """One documented convention at kinks: relu'(0)=0, abs'(0)=0, ties of max share equally; sqrt'(0)
    and the slope of x**0.5 at 0 are both inf; x**0 has slope 0.  In every reader, at both zeros."""
    x = Value(zero, "x")
    node = function(x)
    node.backward()
    assert x.grad == derivatives(node)[x] == microbp.grad(function)(zero) == slope
    x.data = 1.0
    node.recompute()
    x.data = zero
    node.recompute()
    assert derivatives(node)[x] == slope

    p = Value(zero, "p")
    program = microbp.compile(lambda nothing: function(p) + 0 * nothing)
    if math.isinf(slope):
        with pytest.raises(FloatingPointError, match=r"gradient of .*p.* is inf"):
            program.value_and_grad([0.0])
    else:
        program.value_and_grad([0.0])
        assert p.grad == slope

    if second is None:
        for differentiate in lambda: gradients(node, x), lambda: microbp.grad(microbp.grad(function))(zero):
            with pytest.raises(
                (ZeroDivisionError, ValueError), match="no value that could be differentiated"
            ):
                differentiate()
    else:
        assert gradients(node, x).data == slope
        assert gradients(gradients(node, x), x).data == microbp.grad(microbp.grad(function))(zero) == second


@pytest.mark.parametrize("x", [0.0, -0.0, 3.0, -3.0, math.inf])
@pytest.mark.parametrize("n", [0, 0.0, -0.0, False])
def test_the_power_zero_has_slope_zero_everywhere(x: float, n: float) -> None:
    """x**0 has slope 0: for every x, and every 0."""
    node = Value(x) ** n
    assert (node.data, node.partials) == (1.0, (0.0,))


# Programs written for other engines.


def test_the_program_of_micrograd_s_readme_gives_its_numbers() -> None:
    """Programs written for other scalar engines with these names run unchanged."""
    a = Value(-4.0)
    b = Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert f"{g.data:.4f}" == f"{g:.4f}" == "24.7041"
    assert g.data == pytest.approx(24.70408163, abs=5e-9)
    assert a.grad == pytest.approx(138.83381924, abs=5e-9)
    assert b.grad == pytest.approx(645.57725948, abs=5e-9)


def test_the_neuron_of_the_micrograd_lecture_gives_its_gradients() -> None:
    """... attributes `data`, `grad`, `backward()`."""
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    n = x1 * w1 + x2 * w2 + Value(6.8813735870195432, label="b")
    e = (2 * n).exp()
    o = (e - 1) / (e + 1)
    o.backward()
    assert o.data == pytest.approx(math.sqrt(0.5), rel=1e-12)
    assert [v.grad for v in (x1, w1, x2, w2)] == pytest.approx([-1.5, 1.0, 0.5, 0.0], rel=1e-12)


def test_a_training_step_in_micrograd_s_style_descends() -> None:
    """... `sum(values)`, and training by hand."""
    w, b = Value(0.0), Value(0.0)
    losses = []
    for _ in range(200):
        loss = sum((w * x + b - (3 * x - 1)) ** 2 for x in (-1.0, 0.0, 2.0))
        for p in (w, b):
            p.grad = 0.0
        loss.backward()
        for p in (w, b):
            p.data += -0.05 * p.grad
        losses.append(loss.data)
    assert losses[-1] < 1e-9 < losses[0]
    assert (w.data, b.data) == (pytest.approx(3, abs=1e-4), pytest.approx(-1, abs=1e-4))


# Copies and files.


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, *(lambda v, p=p: pickle.loads(pickle.dumps(v, p)) for p in range(6))],
)
def test_a_leaf_copies_and_pickles(duplicate: Any) -> None:
    """Leaves copy and pickle: data, label and gradient, by every protocol; born when they are copied."""
    v = Value(0.1, "w1[2,3]")
    v.grad = 1 / 3
    later = v * 2
    w = duplicate(v)
    assert w is not v
    assert (w.data, w.label, w.grad, w.inputs, w.rule) == (0.1, "w1[2,3]", 1 / 3, (), None)
    assert w.birth > later.birth
    (w * w).backward()
    assert v.grad == 1 / 3
    first, second = copy.deepcopy([v, v])
    assert first is second is not v


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_an_inner_node_refuses_to_be_copied(duplicate: Any) -> None:
    """An inner node refuses with the remedy."""
    with pytest.raises(TypeError, match=r"copy the leaves \(the parameters\) .* Value\(v\.data\)"):
        duplicate(Value(1.0) * 2)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))])
def test_a_network_copies_its_parameters_not_its_last_pass(duplicate: Any) -> None:
    """A network copies and pickles its parameters, not its last pass."""
    network = MLP(2, [2, 1], "tanh", seed=1)
    before = network([0.5, -0.25])
    before.backward()
    twin = duplicate(network)
    for one, other in zip(network.parameters(), twin.parameters()):
        assert one is not other
        assert (one.data, one.label, one.grad) == (other.data, other.label, other.grad)
    for unit in [*twin[0], *twin[1]]:
        with pytest.raises(RuntimeError, match="before its first pass"):
            unit.u  # noqa: B018
    assert twin([0.5, -0.25]).data == before.data


def test_weights_are_saved_exactly(tmp_path: Path) -> None:
    """Weights are saved as JSON (exact floats), never pickle."""
    network = MLP(2, [len(FINITE)], "tanh", bias=False)
    numbers = [*FINITE, *reversed(FINITE)]
    for parameter, number in zip(network.parameters(), numbers):
        parameter.data = number
    path = microbp.save(network, tmp_path / "network.json")
    again = microbp.load(path)
    assert [bits(p.data) for p in again.parameters()] == [*map(bits, numbers)]
    [layer] = json.loads(path.read_text(encoding="utf-8"))["layers"]
    saved = [weight for unit in layer["units"] for weight in unit["weights"]]
    assert [*map(bits, saved)] == [*map(bits, numbers)]
