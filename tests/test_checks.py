"""`gradcheck` and `check_rule`: right rules pass, and a wrong one is found and named."""

import gc
import itertools
import math
import pickle
import random
import re
import sys
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest

import microbp
from microbp import MLP, RULES, Rule, Value, squared_error
from microbp.checking.checks import gradcheck
from microbp.checking.proofs import check_rule
from microbp.checking.verdicts import GradientError, GradientReport
from microbp.operations import operation
from microbp.traversal import topological
from microbp.value import apply

every_row = pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))

# Where each row is looked at: points where it is smooth, its operands one after another.
POINTS: dict[str, list[tuple[float, ...]]] = {
    "sum": [(0.7, -1.3, 2.1)],
    "difference": [(0.7, -1.3)],
    "product": [(0.7, -1.3)],
    "quotient": [(0.7, -1.3)],
    "negation": [(0.7,)],
    "power": [(0.7, 3), (1.9, 0.5), (-1.3, 2), (0.4, -1)],
    "exponentiation": [(0.7, 1.3), (2.2, -0.4)],
    "exp": [(0.7,)],
    "log": [(0.7,)],
    "sqrt": [(0.7,)],
    "sigmoid": [(0.7,), (-1.1,)],
    "tanh": [(0.7,), (-1.1,)],
    "relu": [(0.7,), (-0.7,)],
    "softplus": [(0.7,)],
    "abs": [(0.7,), (-0.7,)],
    "sin": [(0.7,)],
    "cos": [(0.7,)],
    "max": [(0.7, 1.9, -1.3)],
    "min": [(0.7, 1.9, -1.3)],
    "logsumexp": [(0.7, 1.9, -1.3)],
    "cross_entropy": [(0.3, 0.7, 1.9, -1.3), (0.7, -1.9, 0.4, 2.5)],
    "pick": [(0.7, 1.9, -1.3, 1)],
    "weighted_sum": [(0.7, -1.3, 1.9, 2.1, 0.4)],
    "step": [(0.7,)],
    "sign": [(0.7,)],
    "equal": [(0.7, -1.3)],
}


def applied(rule: Rule, point: tuple[float, ...], label: str = "") -> Value:
    """A row applied to nodes that were computed, in the middle of a bigger graph."""
    holds = rule.partials[-1] is None
    free, held = (point[:-1], point[-1:]) if holds else (point, ())
    operands = [Value(x - 0.25, f"x{k + 1}") + 0.25 for k, x in enumerate(free)]
    node = apply(rule.holding(-1) if holds else rule, [*operands, *held])
    node.label = label
    return node


def bigger(node: Value) -> Value:
    """A graph in which a node is one of many."""
    other = (Value(0.3, "w") * Value(-0.8, "v")).tanh()
    E = (node * 0.5 + other).sigmoid() + (node * other).sin()
    E.label = "E"
    return E


def normal(text: Any) -> str:
    """A report with its errors and differences, which hang on the last bits, as E, and without columns."""
    plain = re.sub(r"\d(\.\d+)?e-\d+", "E", re.sub(r" +", " ", str(text)))
    return re.sub(r"difference is (0|E)(, \S+ of its estimated error)?", "difference is E", plain)


# Right rules.


@every_row
def test_every_row_of_the_table_passes_in_a_bigger_graph(rule: Rule) -> None:
    for point in POINTS[rule.name]:
        report = gradcheck(bigger(applied(rule, point)))
        assert report and {each.verdict for each in report.operations} == {"agrees"}


def test_right_rules_never_fail_at_random_operands_of_every_size() -> None:
    draw = random.Random(5)
    seen = 0

    def number() -> float:
        kind = draw.random()
        if kind < 0.4:
            return draw.uniform(-3, 3)
        if kind < 0.7:
            return draw.choice((-1, 1)) * 10 ** draw.uniform(-8, 8)
        return draw.choice((0.0, 1.0, -1.0, 2.0, draw.uniform(-800, 800), 10 ** draw.uniform(-300, 300)))

    for _ in range(1500):
        rule = draw.choice(list(RULES.values()))
        length = draw.randint(1, 4)
        point = [number() for name in rule.parameters for _ in range(length if name[-1] == "s" else 1)]
        if rule.name == "power":
            point[-1] = draw.choice((-3, -2, -1, 0, 1, 2, 3, 0.5, 2.5, -0.5))
        if rule.name == "pick":
            point[-1] = draw.randrange(length)
        try:
            node = applied(rule, tuple(point))
        except (ArithmeticError, ValueError):
            continue
        seen += 1
        report = gradcheck(node, *node.inputs, raise_error=False)
        assert all(each.verdict != "wrong" for each in (*report.derivatives, *report.operations))
    assert seen > 1200


OPERATIONS: list[Any] = [
    lambda a, b: a + b,
    lambda a, b: a * b,
    lambda a, b: a - b * 0.5,
    lambda a, b: a / b,
    lambda a, b: a**2,
    lambda a, b: microbp.max(a, b, 0.5),
    lambda a, b: microbp.logsumexp([a, b]),
    lambda a, b: microbp.weighted_sum([a, b], [b, a], 1.0),
    *[
        lambda a, b, name=name: getattr(a, name)()
        for name in ("exp", "log", "sqrt", "sigmoid", "tanh", "relu", "softplus", "abs", "sin", "cos")
    ],
]


def test_right_rules_never_fail_in_random_graphs() -> None:
    draw = random.Random(6)
    checked = 0
    for _ in range(250):
        size = 10 ** draw.uniform(-3, 3) if draw.random() < 0.3 else 1.0
        nodes = [Value(draw.uniform(-3, 3) * size, f"x{k}") for k in range(draw.randint(1, 4))]
        for _ in range(draw.randint(1, 12)):
            a, b = draw.choice(nodes), draw.choice(nodes)
            try:
                node = draw.choice(OPERATIONS)(a, b)
            except (ArithmeticError, ValueError):
                continue
            if math.isfinite(node.data) and 1e-6 < abs(node.data) < 1e6:
                nodes.append(node)
        if nodes[-1].inputs:
            assert gradcheck(nodes[-1])
            checked += 1
    assert checked > 200


# Wrong rules.


class Altered(NamedTuple):
    row: Rule
    along: str
    rule: Rule


def altered() -> list[Altered]:
    """Every partial of the table with its sign turned, a millionth too large, with 1 added, and another's."""
    found = []
    for row in RULES.values():
        letters = [name[:-1] if name[-1] == "s" else name for name in row.parameters]
        for place, partial in enumerate(row.partials):
            if partial is None:
                continue
            wrong = {f"({partial}) + 1"}
            if partial != "0":
                wrong |= {f"-({partial})", f"({partial}) * (1 + 1 / 1000000)"}
            if partial in letters:
                wrong |= set(letters) - {partial}
            for text in sorted(wrong):
                partials = (*row.partials[:place], text, *row.partials[place + 1 :])
                found.append(Altered(row, letters[place], replace(row, partials=partials)))
    return found


ALTERED = altered()
every_altered = pytest.mark.parametrize(
    "wrong", ALTERED, ids=lambda wrong: f"{wrong.row.name}: {', '.join(filter(None, wrong.rule.partials))}"
)


def test_every_partial_is_altered_in_several_ways() -> None:
    assert len(ALTERED) == 100


@every_altered
def test_a_wrong_rule_is_found_and_named_in_a_bigger_graph(wrong: Altered) -> None:
    name = re.escape(wrong.row.name)
    pattern = rf"^the rule of '{name}' is wrong along {wrong.along}(\[\d\])?: .* \(node 'odd'\)"
    for point in POINTS[wrong.row.name]:
        changed = wrong.rule.evaluate(point)[1] != wrong.row.evaluate(point)[1]
        E = bigger(applied(wrong.rule, point, "odd"))
        report = gradcheck(E, raise_error=False)
        assert bool(report) is not changed
        rules = {each.local.operation for each in report.operations if each.verdict == "wrong"}
        assert rules == ({wrong.row.name} if changed else set())
        if changed:
            with pytest.raises(GradientError, match=pattern):
                gradcheck(E)


@every_altered
def test_a_wrong_rule_is_found_by_sympy(wrong: Altered) -> None:
    report = check_rule(wrong.rule, raise_error=False)
    assert not report
    verdicts = {proof.operand.removesuffix("s"): proof.verdict for proof in report.proofs}
    assert verdicts.pop(wrong.along) == "wrong"
    assert set(verdicts.values()) <= {"proved"}
    with pytest.raises(GradientError, match=f"^{wrong.row.name}: dz/d{wrong.along} = .*  is wrong"):
        check_rule(wrong.rule)


def test_the_message_says_which_rule_where_and_by_how_much() -> None:
    swish = Rule("swish", "swish", "x", "x * sigmoid(x)", ("z + sigmoid(x)",))
    x = Value(0.7, "x")
    z = apply(swish, [x])
    z.label = "z1[2]"
    E = z * 2
    E.label = "E"
    # swish'(x) = z + s (1 - z) = 0.82338678347 with s = 1 / (1 + e^-0.7), z = 0.7 s; z + s = 1.13591921269
    with pytest.raises(GradientError) as caught:
        gradcheck(E)
    assert normal(caught.value) == (
        "the rule of 'swish' is wrong along x: at x = 0.7 it says 1.135919213, measured 0.8233867835 ± E "
        "(node 'z1[2]')\n"
        "derivative computed measured estimated error verdict\n"
        "dE/dx 2.271838425 1.646773567 E wrong\n"
        "1 of 1 derivative by 1 input and 1 of 2 local derivatives of 2 operations are wrong."
    )
    assert isinstance(caught.value, AssertionError) and not caught.value.report
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_rule_that_is_wrong_in_many_places_is_told_of_once() -> None:
    double = Rule("double", "double", "x", "2 * x", ("3",))
    E = microbp.sum([apply(double, [Value(float(k))]) for k in range(1, 6)])
    text = str(gradcheck(E, raise_error=False))
    assert text.count("the rule of 'double'") == 1
    assert text.startswith("the rule of 'double' is wrong along x: at x = 1 it says 3, measured 2 ± ")
    assert "(node '2 * 1'), and at 4 other places\n" in text
    assert text.endswith(
        "5 of 5 derivatives by 5 inputs and 5 of 10 local derivatives of 6 operations are wrong."
    )


# Reports.


def test_a_report_is_a_table_with_a_sentence_below() -> None:
    def f(x: Value, y: Value) -> Value:
        return x * y + y

    report = gradcheck(f, 2.0, 3)
    assert isinstance(report, GradientReport) and report
    assert normal(report) == (
        "derivative computed measured estimated error verdict\n"
        "df/dx 3 3 E agrees\n"
        "df/dy 3 3 E agrees\n"
        "2 derivatives by 2 inputs and 4 local derivatives of 2 operations agree; "
        "the largest difference is E."
    )
    assert repr(report) == str(report)
    lines = str(report).splitlines()
    assert lines[0].index("computed") + len("compute") == lines[1].index("3")


def test_the_wrong_ones_stand_first_and_a_long_table_is_cut() -> None:
    def f(xs: list[Value]) -> Value:
        return microbp.sum([x * x for x in xs[:-1]]) + xs[-1] * xs[-1].data

    report = gradcheck(f, [float(k) for k in range(1, 61)], raise_error=False)
    lines = str(report).splitlines()
    assert lines[0].startswith("All operations are right, so f loses or changes something between")
    assert lines[2].split() == ["df/dxs[60]", "60", "120", lines[2].split()[3], "wrong"]
    assert len(report.derivatives) == 60
    assert lines[-2] == "... and 20 more rows"
    assert lines[-1] == "1 of 60 derivatives by 60 inputs is wrong."


# Functions and their arguments.


def test_all_numbers_of_all_arguments_are_checked() -> None:
    def f(x: Value, ys: list[Value], named: dict[str, Any]) -> Value:
        return x * ys[0].sin() + named["a"] ** 2 * ys[1] + named["b"][0]

    report = gradcheck(f, 2.0, [1.0, 3.0], {"a": 0.5, "b": (7,)})
    assert [each.name for each in report.derivatives] == [
        "df/dx",
        "df/dys[1]",
        "df/dys[2]",
        "df/dnamed[a]",
        "df/dnamed[b,1]",
    ]
    expected = [math.sin(1), 2 * math.cos(1), 0.25, 3.0, 1.0]
    assert [each.computed for each in report.derivatives] == pytest.approx(expected)
    assert [each.measured.value for each in report.derivatives] == pytest.approx(expected)


def test_every_result_of_a_function_is_checked() -> None:
    report = gradcheck(lambda x, y: [x * y, {"quotient": x / y}], 2.0, 4.0)
    found = {each.name: each.computed for each in report.derivatives}
    assert found == {
        "df[1]/dx": 4.0,
        "df[2,quotient]/dx": 0.25,
        "df[1]/dy": 2.0,
        "df[2,quotient]/dy": -0.125,
    }


def test_integers_fractions_arrays_and_values_are_arguments() -> None:
    w = Value(0.5, "w") * 2
    for x in (2, Fraction(1, 3), np.float64(0.7), np.array([0.3, 0.4]), w, (Value(1.0), 2)):
        assert gradcheck(lambda x: microbp.sum(x if np.ndim(x) or isinstance(x, tuple) else [x]) ** 2, x)
    assert (w.grad, w.data) == (0.0, 1.0)


def test_argnums_says_by_which_arguments() -> None:
    def f(x: Value, how: str, y: Value) -> Value:
        return getattr(x, how)() * y

    assert [each.name for each in gradcheck(f, 0.5, "tanh", 2.0, argnums=0).derivatives] == ["df/dx"]
    assert [each.name for each in gradcheck(f, 0.5, "exp", 2.0, argnums=[-1, 0]).derivatives] == [
        "df/dy",
        "df/dx",
    ]
    with pytest.raises(TypeError, match=r"gradcheck: how: a real number is needed, not 'tanh'"):
        gradcheck(f, 0.5, "tanh", 2.0)
    for argnums, error in [(3, ValueError), ("x", TypeError), (0.5, TypeError), ([0, 0], ValueError)]:
        with pytest.raises(error, match="argnums"):
            gradcheck(f, 0.5, "tanh", 2.0, argnums=argnums)


def test_the_arguments_are_not_modified() -> None:
    def f(xs: list[Value], options: dict[str, Any]) -> Value:
        xs.append(xs[0] * 2)
        options["seen"] = options.get("seen", 1)
        return xs[0] * xs[-1]

    xs, options = [1.5], {"p": 2.0}
    assert gradcheck(f, xs, options)
    assert (xs, options) == ([1.5], {"p": 2.0})


def test_a_network_is_a_function_of_its_inputs_and_its_parameters() -> None:
    network = MLP(2, [3, 1], seed=3)
    assert len(gradcheck(network, [0.3, -0.4]).derivatives) == 2
    E = squared_error(network([0.3, -0.4]), 1.0)
    report = gradcheck(E, network.parameters())
    assert [each.name for each in report.derivatives][:2] == ["dE/dw1[1,1]", "dE/dw1[2,1]"]
    assert len(report.derivatives) == 13


def test_an_operation_of_your_own_is_checked_in_one_line() -> None:
    swish = operation("swish", "x * sigmoid(x)", "z + sigmoid(x) * (1 - z)")
    scale = operation("scale", "n * x", "n", None, operands="x n")
    try:
        assert gradcheck(swish, 0.7)
        assert [each.name for each in gradcheck(scale, 0.7, 3).derivatives] == ["dscale/dx"]
        assert gradcheck(swish, 0.7, order=3)
    finally:
        swish.remove()
        scale.remove()


# Recorded graphs.


def snapshot(*outputs: Value) -> list[tuple[Any, ...]]:
    return [
        (node, node.birth, node.data, node.grad, node.label, node.inputs, node.partials, node.rule)
        for node in topological(*outputs)
    ]


def test_a_graph_is_checked_and_not_touched() -> None:
    w, x, t = Value(0.5, "w"), Value(2.0, "x"), Value(1.0, "t")
    u = w * x
    E = (u.tanh() - t) ** 2
    E.label, u.label = "E", "u"
    E.backward()
    before = snapshot(E)
    assert [each.name for each in gradcheck(E, order=2).derivatives[:3]] == ["dE/dw", "dE/dx", "dE/dt"]
    assert [each.name for each in gradcheck(E, [u, t]).derivatives] == ["dE/du", "dE/dt"]
    assert [each.name for each in gradcheck(E, w, {"x": x}).derivatives] == ["dE/dw", "dE/dx"]
    assert [each.name for each in gradcheck([E, u], x).derivatives] == ["dE/dx", "du/dx"]
    assert snapshot(E) == before


def test_the_derivatives_checked_are_those_of_backward() -> None:
    a, b = Value(1.5, "a"), Value(-0.5, "b")
    E = (a * b + a.exp()) * microbp.max(a, b) - b
    E.label = "E"
    E.backward()
    assert [each.computed for each in gradcheck(E).derivatives] == [a.grad, b.grad]


def test_a_value_that_the_output_does_not_depend_on_has_slope_0() -> None:
    E = Value(2.0, "a") ** 2
    [found] = gradcheck(E, Value(1.0, "lonely")).derivatives
    assert (found.computed, found.measured.value, found.verdict) == (0.0, 0.0, "agrees")


def test_a_stale_graph_is_refused() -> None:
    a = Value(1.0, "a")
    b = a.exp()
    b.label = "b"
    E = b * 2
    a.data = 2.0
    for check in (lambda: gradcheck(E), lambda: gradcheck(lambda x: x * b, 1.0)):
        with pytest.raises(ValueError, match="gradcheck: 'b' no longer follows from what it was computed"):
            check()


def test_equal_operations_are_measured_once() -> None:
    x = Value(0.5, "x")
    report = gradcheck(microbp.sum([x.tanh() for _ in range(50)]))
    assert [each.local.operation for each in report.operations].count("tanh") == 1


def test_a_large_graph_is_sampled_fairly_and_the_report_says_so() -> None:
    rare = Rule("rare", "rare", "x", "sin(x)", ("-cos(x)",))
    nodes = [Value(k / 1000).exp() for k in range(20_000)]
    report = gradcheck(
        microbp.weighted_sum(nodes, [1.0] * len(nodes), apply(rare, [Value(0.3)])), raise_error=False
    )
    assert 1000 <= len(report.operations) <= 5000
    wrong = [each for each in report.operations if each.verdict == "wrong"]
    assert [each.local.operation for each in wrong] == ["rare"]
    kinds = {(each.local.operation, each.name.partition("[")[0]) for each in report.operations}
    assert kinds == {
        ("exp", "x"),
        ("rare", "x"),
        ("weighted_sum", "w"),
        ("weighted_sum", "x"),
        ("weighted_sum", "b"),
    }
    places = [each.local.node.inputs[0].data for each in report.operations if each.local.operation == "exp"]
    assert min(places) < 0.1 and max(places) > 19.9
    assert len(report.derivatives) < 100
    told = [line for line in str(report).splitlines() if line.startswith("Left unchecked: ")]
    assert re.fullmatch(
        r".*the derivatives by [\d,]+ of 40,001 inputs, as the graph has 20,002 operations\.", told[0]
    )
    assert re.fullmatch(
        r".*: [\d,]+ of [\d,]+ local derivatives; those measured are spread over the graph, and .*", told[1]
    )
    assert str(gradcheck(nodes[0], order=1)) == str(gradcheck(nodes[0], order=1))


def test_a_graph_of_a_million_nodes_is_limited_and_says_so() -> None:
    node = Value(0.5, "x")
    for _ in range(500_000):
        node = (node * 1.0000001).sin()
    depth = sys.getrecursionlimit()
    frames = len(list(itertools.takewhile(lambda frame: frame, iterate_frames())))
    sys.setrecursionlimit(frames + 200)
    try:
        report = gradcheck(node)
    finally:
        sys.setrecursionlimit(depth)
    assert report
    lines = str(report).splitlines()
    assert (
        lines[0] == "Left unchecked: the derivatives by 1 of 1 input, as the graph has 1,000,000 operations."
    )
    assert re.match(r"Left unchecked: [\d,]+ of [\d,]+ local derivatives; ", lines[1])
    assert lines[2].startswith("5,000 local derivatives of 5,000 operations agree")


def iterate_frames() -> Any:
    frame = sys._getframe()
    while frame:
        yield frame
        frame = frame.f_back


def test_nothing_is_left_behind() -> None:
    gc.collect()
    gc.disable()
    try:
        gradcheck(lambda x, y: x * y.tanh(), 0.5, 2.0, order=2)
        assert not [thing for thing in gc.get_objects() if type(thing).__name__ == "_Scan"]
        gc.collect()
    finally:
        gc.enable()


# Functions that are not what they were recorded as.


def test_a_detached_function_is_found_and_the_reason_named() -> None:
    def lossy(x: Value) -> Value:
        return x * x.data

    with pytest.raises(GradientError) as caught:
        gradcheck(lossy, 3.0)
    first, _, row, last = str(caught.value).splitlines()
    assert first == (
        "All operations are right, so lossy loses or changes something between: is .data used inside it?"
    )
    assert row.split()[:3] == ["dlossy/dx", "3", "6"]
    assert last == "1 of 1 derivative by 1 input is wrong."
    with pytest.raises(GradientError, match=r"is \.data used inside it\?"):
        gradcheck(lambda x: Value(math.exp(x.data)), 1.0)
    with pytest.raises(GradientError, match=r"is \.data used inside it\?"):
        gradcheck(lambda x: math.exp(x.data), 1.0)


def test_a_detached_millionth_is_found() -> None:
    assert not gradcheck(lambda x: x + 1e-6 * x.data, 3.0, raise_error=False)
    assert not gradcheck(lambda x: x.tanh() + 1e-6 * x.data, 0.3, raise_error=False)


def test_a_branch_on_data_is_no_fault() -> None:
    assert gradcheck(lambda x: x * 2 if x.data > 0 else x**2, 0.5)
    assert gradcheck(lambda x: x * 2 if x.data > 0 else x**2, -0.5)


@pytest.mark.parametrize("wrong_after", [1, 5, 11])
def test_a_function_that_gives_other_results_each_time_is_named(wrong_after: int) -> None:
    calls: list[int] = []

    def moody(x: Value) -> Value:
        calls.append(1)
        return x * 2.0 + float(len(calls) > wrong_after)

    report = gradcheck(moody, 3.0, raise_error=False)
    assert not report
    assert report.faults == [
        "moody is not a function of its arguments alone: moody was 6.0, and 7.0 when it was called again "
        "with the same.  Fix its random numbers with a seed, and what it remembers from call to call."
    ]
    draw = random.Random(0)
    with pytest.raises(GradientError, match=r"^f is not a function of its arguments alone"):
        gradcheck(lambda x: x * draw.random(), 3.0)


# Kinks, edges, and what is not finite.


def test_a_derivative_at_a_kink_is_right_between_the_slopes_of_both_sides() -> None:
    report = gradcheck(lambda x: x.relu() * 2, 0.0)
    assert report and [each.verdict for each in report.derivatives] == ["kink"]
    assert normal(report) == (
        "derivative computed measured estimated error verdict\n"
        "df/dx 0 0 below, 2 above E kink\n"
        "'relu' has a kink along x: at x = 0 it says 0, and its slopes are 0 below, 1 above "
        "(node 'relu(x)')\n"
        "1 derivative by 1 input and 2 local derivatives of 2 operations agree; the largest difference is E."
    )
    assert gradcheck(lambda x: x.abs(), 0.0)
    assert gradcheck(lambda x, y: microbp.max(x, y), 1.0, 1.0)
    assert gradcheck(lambda x: microbp.min(x, 2 * x, 3 * x), 0.0)


def test_a_slope_outside_of_a_kink_is_wrong() -> None:
    steep = replace(RULES["relu"], partials=("2 * step(x) + 2 * equal(x, 0)",))
    with pytest.raises(GradientError, match=r"at x = 0 it says 2, measured 0 below, 1 above"):
        gradcheck(apply(steep, [Value(0.0)]))


def test_where_kinks_make_a_smooth_function_the_chain_rule_need_not_hold() -> None:
    with pytest.raises(GradientError) as caught:
        gradcheck(lambda x: x.relu() - (-x).relu(), 0.0)  # which is x
    assert str(caught.value).startswith(
        "All operations are right, but 1 local derivative at a kink or jump is a convention, "
        "for which the chain rule need not hold.\n"
    )


def test_a_jump_is_told_of_and_not_judged() -> None:
    report = gradcheck(lambda x: x.relu(), 0.0, order=2)
    verdicts = {each.name: each.verdict for each in report.derivatives}
    assert report and verdicts == {"df/dx": "kink", "d(df/dx)/dx": "jump"}
    assert "'step' jumps along x: at x = 0 it says 0, and there is no slope to measure" in str(report)


def test_a_kink_nearby_does_not_disturb() -> None:
    for x in (1e-3, 1e-9, -1e-9):
        [found] = gradcheck(lambda x: x.relu() + x, x).derivatives
        assert found.verdict == "agrees"


def test_the_edge_of_a_domain_is_measured_from_inside() -> None:
    assert gradcheck(lambda x: x.sqrt(), 0.0)
    assert gradcheck(lambda x: x**0.5, 0.0)
    assert gradcheck(lambda x: x.log(), 1e-300)
    assert gradcheck(lambda x: x.sqrt(), 1e-12)
    tame = replace(RULES["sqrt"], partials=("1 / (2 * z + step(-x + 1))",))
    with pytest.raises(GradientError, match="at x = 0 it says 1, measured inf"):
        gradcheck(apply(tame, [Value(0.0)]))


def test_what_is_not_finite_is_told_in_words() -> None:
    with pytest.raises(
        GradientError, match=r"^f is inf here, and has no derivative: take a point where it is"
    ):
        gradcheck(lambda x: x * 1e200 * 1e200, 2.0)
    with pytest.raises(GradientError, match="what is not finite comes from 0 times infinity along a path"):
        gradcheck(lambda x: (x * x).sqrt(), 0.0)
    report = gradcheck(lambda x: x.sigmoid(), math.inf, raise_error=False)
    assert not report and [each.verdict for each in report.derivatives] == ["not finite"]
    assert "'sigmoid' is not finite along x: at x = inf, so nothing was measured" in str(report)


def test_a_function_too_rough_to_tell_is_unsure() -> None:
    stairs = Rule("stairs", "stairs", "x", "(x + 1000000000000) - 1000000000000", ("1",))
    report = gradcheck(apply(stairs, [Value(0.37)]))
    assert {each.verdict for each in report.operations} == {"unsure"}
    assert "'stairs' is too rough to tell along x: at x = 0.37 it says 1, measured " in str(report)


def test_large_terms_that_nearly_cancel_do_not_fail() -> None:
    assert gradcheck(lambda x: (x + 1e6) - 1e6, 0.3)
    assert gradcheck(lambda x: x * 1e6 - x * (1e6 - 1e-3), 0.3)
    assert gradcheck(lambda x: microbp.logsumexp([x, x]) - x, 1.35e5)
    assert gradcheck(lambda x, y: (x * y) ** 2 - x**2 * y**2, 1e3, 0.7)


# Tolerances, orders, and what is refused.


def test_a_millionth_of_a_slope_is_found_and_a_tolerance_allows_it() -> None:
    wrong = replace(RULES["tanh"], partials=("(1 - z * z) * (1 + 1 / 1000000)",))
    E = apply(wrong, [Value(0.4)])
    assert not gradcheck(E, raise_error=False)
    assert gradcheck(E, rtol=1e-5)
    assert gradcheck(E, atol=1e-5)
    slight = replace(RULES["tanh"], partials=("(1 - z * z) * (1 + 1 / 1000000000000000)",))
    assert gradcheck(apply(slight, [Value(0.4)]), rtol=0.0)


def test_order_2_checks_the_derivatives_of_the_derivatives() -> None:
    report = gradcheck(lambda x, y: x**2 * y.exp(), 1.5, 0.3, order=2)
    found = {each.name: each.computed for each in report.derivatives}
    e = math.exp(0.3)
    assert found == pytest.approx(
        {
            "df/dx": 3 * e,
            "df/dy": 2.25 * e,
            "d(df/dx)/dx": 2 * e,
            "d(df/dy)/dx": 3 * e,
            "d(df/dx)/dy": 3 * e,
            "d(df/dy)/dy": 2.25 * e,
        }
    )
    third = gradcheck(lambda x: x**4, 2.0, order=3).derivatives[-1]
    assert (third.name, third.computed) == ("d(d(df/dx)/dx)/dx", 48.0)


@pytest.mark.parametrize(
    ("check", "error", "message"),
    [
        (lambda: gradcheck(3.0), TypeError, "a function and its arguments are needed, or a Value"),
        (lambda: gradcheck(lambda x: x), ValueError, "the arguments are missing at which to check"),
        (lambda: gradcheck(Value(1.0) * 2, 3.0), TypeError, "a Value that was computed and those"),
        (lambda: gradcheck(Value(1.0) * 2, argnums=0), TypeError, "a graph is given its Values"),
        (lambda: gradcheck(lambda x: None, 1.0), TypeError, "the result of f: a real number is needed"),
        (lambda: gradcheck(lambda x: [], 1.0), ValueError, "f returned no number"),
        (lambda: gradcheck(lambda x: x, "a"), TypeError, "gradcheck: x: a real number is needed"),
        (lambda: gradcheck(lambda x: x, [1.0, None]), TypeError, r"gradcheck: x\[1\]: a real number"),
        (lambda: gradcheck(lambda x: x, 1.0, order=0), ValueError, "order is a whole number, at least 1"),
        (lambda: gradcheck(lambda x: x, 1.0, rtol=-1), ValueError, "rtol is a number, at least 0"),
        (lambda: gradcheck(lambda x: x, 1.0, atol=math.nan), ValueError, "atol is a number, at least 0"),
        (lambda: gradcheck(lambda x: x, 1.0, raise_error=None), TypeError, "raise_error is True or False"),
        (lambda: gradcheck(lambda x: x.log(), -1.0), ValueError, "log of -1.0"),
    ],
)
def test_what_cannot_be_checked_is_refused(check: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check()


# Proofs.


@every_row
def test_every_row_of_the_table_is_proved(rule: Rule) -> None:
    report = check_rule(rule)
    assert report
    assert {proof.verdict for proof in report.proofs} == {"proved"}
    assert len(report.proofs) == sum(partial is not None for partial in rule.partials)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tanh", "tanh: dz/dx = 1 - z * z  proved"),
        ("relu", "relu: dz/dx = step(x)  proved for x > 0; x < 0"),
        (
            "quotient",
            "quotient: dz/dx = 1 / y  proved for y > 0; y < 0\n"
            "quotient: dz/dy = -z / y  proved for y > 0; y < 0",
        ),
        (
            "power",
            "power: dz/dx = n * power(x, n - 1) if n else 0  proved for n = -3, x > 0; n = -3, x < 0; "
            "n = -2, x > 0; n = -2, x < 0; n = -1, x > 0; n = -1, x < 0; n = 0; n = 1; n = 2; n = 3; n = 4; "
            "n = 1/2, x > 0; any n, x > 0",
        ),
        (
            "pick",
            "pick: dz/dx = equal(i, n)  proved for 1 member, n = 0; 2 members, n = 0; 2 members, n = 1; "
            "3 members, n = 0; 3 members, n = 1; 3 members, n = 2",
        ),
        (
            "max",
            "max: dz/dx = equal(x, z) / ties(xs, z)  proved for 1 member; 2 members, x1 > x2; "
            "2 members, x1 < x2; 3 members, x1 > x2, x1 > x3; 3 members, x1 > x2, x1 < x3; "
            "3 members, x1 < x2, x2 > x3; 3 members, x1 < x2, x2 < x3",
        ),
    ],
)
def test_a_proof_says_what_it_covers(name: str, text: str) -> None:
    assert str(check_rule(name)) == text
    assert repr(check_rule(RULES[name])) == text


def test_a_wrong_partial_is_shown_beside_the_right_one_with_a_point_where_they_differ() -> None:
    with pytest.raises(GradientError) as caught:
        check_rule(replace(RULES["tanh"], partials=("1 + z * z",)))
    found = re.fullmatch(
        r"tanh: dz/dx = 1 \+ z \* z  is wrong: it says tanh\(x\)\*\*2 \+ 1, and the derivative is "
        r"1 - tanh\(x\)\*\*2; at x = (-?\d+)/(\d+) they are (\S+) and (\S+)",
        str(caught.value),
    )
    assert found
    z = math.tanh(int(found[1]) / int(found[2]))
    assert [float(found[3]), float(found[4])] == pytest.approx([1 + z * z, 1 - z * z], rel=1e-9)


def own(name: str, *texts: str, **options: Any) -> Any:
    made = operation(name, *texts, check=False, **options)
    made.remove()
    return made


def test_operations_of_your_own_are_proved() -> None:
    for made in [
        own("swish", "x * sigmoid(x)", "z + sigmoid(x) * (1 - z)"),
        own("hypot", "sqrt(x**2 + y**2)", "x / z", "y / z", operands="x y"),
        own("leaky", "relu(x) - 0.1 * relu(-x)", "step(x) + 0.1 * step(-x)"),
        own("clip", "relu(x + 1) - relu(x - 1) - 1", "step(x + 1) - step(x - 1)"),
        own("shifted", "log(x - 1)", "1 / (x - 1)"),
        own(
            "mish", "x * tanh(softplus(x))", "tanh(softplus(x)) + x * sigmoid(x) * (1 - tanh(softplus(x))**2)"
        ),
        own("scale", "n * x", "n", None, operands="x n"),
    ]:
        assert {proof.verdict for proof in check_rule(made).proofs} == {"proved"}, made
    clip = check_rule(own("clip", "relu(x + 1) - relu(x - 1) - 1", "step(x + 1) - step(x - 1)"))
    assert str(clip).endswith("  proved for x > -1, x > 1; x > -1, x < 1; x < -1")


@pytest.mark.parametrize(
    "row, slope, side",
    [("abs(x - 1)", "1", "x < 1"), ("abs(1 - x)", "-1", "x > 1"), ("relu(3 - 2 * x)", "-2", "2*x > 3")],
)
def test_a_partial_that_is_wrong_on_one_side_is_wrong_at_a_point_of_that_side(
    row: str, slope: str, side: str
) -> None:
    report = check_rule(own("bent", row, slope), raise_error=False)
    found = re.search(r"is wrong for (.+): it says .+; at x = (-?\d+/\d+) ", str(report))
    assert found and found[1] == side
    assert eval(side, {"x": Fraction(found[2])})


def test_what_sympy_cannot_decide_is_evidence_and_said_to_be() -> None:
    hinge = own("hinge", "relu(1 - x * y)", "-y * step(1 - x * y)", "-x * step(1 - x * y)", operands="x y")
    report = check_rule(hinge)
    assert report and {proof.verdict for proof in report.proofs} == {"evidence"}
    assert str(report).splitlines()[0].endswith("  agrees at points with 50 digits: evidence, not proof")
    wrong = own("hinge", "relu(1 - x * y)", "-y * step(1 - x * y)", "-x * step(1 + x * y)", operands="x y")
    with pytest.raises(GradientError, match=r"hinge: dz/dy = .*  is wrong: it says "):
        check_rule(wrong)


def test_what_has_no_form_for_sympy_is_measured_and_said_to_be() -> None:
    erf = own("erf", "erf(x)", "2 / sqrt(pi) * exp(-x * x)", floats=math.erf)
    assert str(check_rule(erf)).endswith(
        "  agrees with slopes measured with floats, having no form for SymPy: evidence, not proof"
    )
    with pytest.raises(GradientError, match=r"is wrong: the rule of 'erf' is wrong along x: at x = "):
        check_rule(own("erf", "erf(x)", "1 / sqrt(pi) * exp(-x * x)", floats=math.erf))
    hypot = own("far", "far(xs)", "x / z", operands="xs", floats=lambda xs: math.hypot(*xs))
    assert " for 1 member; 2 members; 3 members: evidence" in str(check_rule(hypot))


def test_a_row_with_no_value_anywhere_is_undecided() -> None:
    report = check_rule(Rule("never", "never", "x", "log(-1 - x * x)", ("2 * x / (1 + x * x)",)))
    assert not report
    assert str(report).endswith("  is undecided: no operands were found for which the row has a value")


def test_check_rule_takes_a_row_a_name_or_an_operation() -> None:
    assert check_rule("exp") and check_rule(RULES["exp"]) and check_rule(RULES["power"].holding(-1))
    with pytest.raises(KeyError, match="there is no row 'swish'; there are sum, difference"):
        check_rule("swish")
    with pytest.raises(TypeError, match="a row, its name, or an operation of your own is needed, not 3"):
        check_rule(3)
    with pytest.raises(TypeError, match="raise_error is True or False"):
        check_rule("exp", raise_error="no")


def test_without_sympy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(ImportError, match="pip install sympy"):
        check_rule("tanh")
