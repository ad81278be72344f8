"""Both passes as data, on graphs made at random."""

import math
import random
import re

import pytest

import microbp
from microbp import MLP, Value, squared_error, steps, weighted_sum
from microbp.passes import brief, factor
from microbp.traversal import derivatives, first_stale, unique_names


def random_graph(seed: int, size: int = 30, leaves: int = 4) -> tuple[list[Value], Value]:
    """Leaves, and an output computed from nodes many of which are used several times."""
    draw = random.Random(seed)
    given = [Value(draw.uniform(-1.5, 1.5), f"x[{k}]") for k in range(1, leaves + 1)]
    nodes = list(given)
    for _ in range(size):
        a, b, c, d = (draw.choice(nodes[-8:]) for _ in range(4))
        made = draw.choice(
            [
                lambda a=a, b=b: a + b,
                lambda a=a, b=b: a * b * 0.5,
                lambda a=a, b=b: (a - b).tanh(),
                lambda a=a: a.sigmoid(),
                lambda a=a: 1.5 - a,
                lambda a=a, b=b: a / (b * b + 1.0),
                lambda a=a: (a * 0.3).exp() * 0.1,
                lambda a=a, b=b, c=c, d=d: weighted_sum([a, b], [c, d], a).tanh(),
                lambda a=a, b=b, c=c: microbp.max([a, b, c]),
                lambda a=a, b=b: microbp.logsumexp([a, b]),
            ]
        )
        nodes.append(made())
    return given, (nodes[-1] + nodes[-2] * given[0]).tanh()


@pytest.mark.parametrize("seed", range(60))
def test_the_last_total_of_each_node_is_its_gradient(seed):
    _, E = random_graph(seed)
    record = steps(E)
    E.backward()
    totals = {step.node: step.total for step in record.backward}
    assert totals and all(node.grad == total for node, total in totals.items())
    assert {node: derivatives(E)[node] for node in totals} == totals


@pytest.mark.parametrize("seed", range(60))
def test_each_step_back_is_a_product_and_the_running_sum_adds_up(seed):
    _, E = random_graph(seed)
    running = {E: 1.0}
    settled = set()
    for step in steps(E).backward:
        assert step.consumer.inputs[step.place] is step.node
        assert step.partial == step.consumer.partials[step.place]
        assert step.node not in settled, "a gradient was passed on before it was complete"
        settled.add(step.consumer)
        assert step.arriving == running[step.consumer]
        assert step.contribution == step.partial * step.arriving
        running[step.node] = running.get(step.node, 0.0) + step.contribution
        assert step.total == running[step.node]


@pytest.mark.parametrize("seed", range(30))
def test_every_formula_read_as_python_gives_the_value(seed):
    _, E = random_graph(seed)
    functions = {
        "tanh": math.tanh,
        "exp": math.exp,
        "sigmoid": lambda u: 1 / (1 + math.exp(-u)),
        "logsumexp": lambda *xs: math.log(sum(map(math.exp, xs))),
    }
    known: dict[str, float] = {}
    for record in steps(E).forward:
        if record.formula:
            written = re.sub(r"x\[(\d)\]", r"x_\1", record.formula)
            assert eval(written, functions | known) == pytest.approx(record.value, rel=1e-12)
            size = sum(abs(input.data) for input in record.node.inputs) + abs(record.value) + 1
            assert eval(record.numbers, functions) == pytest.approx(record.value, abs=2e-3 * size * size)
        known[re.sub(r"x\[(\d)\]", r"x_\1", record.name)] = record.value


def test_a_product_worked_by_hand():
    w, x, b = Value(3.0, "w"), Value(-2.0, "x"), Value(1.0, "b")
    E = (w * x + b) ** 2  # (-6 + 1)^2 = 25; by the sum -10, by w -10 * -2 = 20, by x -30, by b -10
    E.label = "E"
    record = steps(E)
    assert [str(step) for step in record.forward] == [
        "w = 3",
        "x = -2",
        "b = 1",
        "v1 = w * x = 3 * (-2) = -6",
        "v2 = v1 + b = (-6) + 1 = -5",
        "E = v2 ** 2 = (-5) ** 2 = 25",
    ]
    assert [(s.node.label, s.contribution) for s in record.backward if s.node.label] == [
        ("b", -10.0),
        ("w", 20.0),
        ("x", -30.0),
    ]
    assert str(record).splitlines()[-1] == "  dE/dx += 3 * dE/dv1 = 3 * (-10) = -30, now -30"
    assert len(record) == len(list(record)) == 6 + 5
    assert (w.grad, x.grad, b.grad, E.grad) == (0.0, 0.0, 0.0, 0.0)


def test_a_leaf_alone_and_what_is_no_value():
    record = steps(Value(2.0, "a"))
    assert [str(step) for step in record.forward] == ["a = 2"] and record.backward == []
    with pytest.raises(TypeError, match=r"steps: a Value is needed, such as a loss, not \[\] \(list\)"):
        steps([])  # type: ignore[arg-type]


def test_a_long_chain_is_recorded_whole_and_printed_in_part():
    x = a = Value(1.0, "a")
    for _ in range(20_000):
        x = x + 1
    record = steps(x)
    assert (
        len(record) == 20_001 + 20_000 and record.backward[-1].total == 1.0 and record.backward[-1].node is a
    )
    assert "... and 19,801 more" in str(record) and len(str(record).splitlines()) < 410


# What the passes stand on.


def test_names_are_different_and_on_one_line():
    a, again, odd, taken = Value(1.0, "a"), Value(2.0, "a"), Value(3.0, "two\nlines"), Value(4.0, "v1")
    names = unique_names(a * again + odd * taken)
    assert list(names.values()) == ["a", "a (2)", "two\\nlines", "v1", "v2", "v3", "v4"]
    clash = [Value(1.0, label) for label in ("b", "b", "b (2)", "")]
    assert len(set(unique_names(*clash).values())) == 4


@pytest.mark.parametrize("edit", ["leaf", "inner", "none"])
def test_the_first_stale_node_is_the_one_after_the_edit(edit):
    network = MLP(2, [2, 1], seed=1)
    E = squared_error(network([0.3, -0.7]), [1.0])
    if edit == "leaf":
        network[1][0].weights[0].data += 1.0
        assert first_stale(E).label == "u2[1]"
        E.recompute()
    if edit == "inner":
        network[0][1].z.data = 0.25
        assert first_stale(E) is network[0][1].z
        E.recompute()
    assert first_stale(E) is None


def test_a_leaf_edited_out_of_the_domain_is_stale():
    a = Value(2.0, "a")
    b = a.log()
    a.data = -1.0
    assert first_stale(b) is b


def test_numbers_beside_a_formula():
    assert [brief(x) for x in (1.0, -0.0, 1 / 3, 1e-7, 2e6, math.inf, math.nan)] == [
        "1", "0", "0.3333", "1e-07", "2e+06", "inf", "nan",
    ]  # fmt: skip
    assert (factor(-1.5), factor(1.5)) == ("(-1.5)", "1.5")


def test_an_output_keeps_its_label_where_another_node_bears_the_same():
    """As the E of a squared error and of the loss that adds a penalty to it."""
    w = Value(3.0, "w")
    error = w**2
    penalty = w * 0.1
    loss = error + penalty
    error.label = loss.label = "E"
    names = unique_names(loss)
    assert [names[node] for node in (w, error, penalty, loss)] == ["w", "E (2)", "v1", "E"]
    assert len(set(names.values())) == len(names)
