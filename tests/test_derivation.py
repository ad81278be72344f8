"""Derivations: every line is read back and computed again."""

import math
import re

import pytest
from test_passes import random_graph

import microbp
from microbp import MLP, Unit, Value, cross_entropy, gradients, squared_error
from microbp.show.derivation import MOST_STEPS, Explanation, explain
from microbp.show.latex import latex_formula, latex_name, latex_number

NETWORKS = [
    pytest.param(activation, expanded, id=f"{activation}-{'expanded' if expanded else 'whole'}")
    for activation in ("sigmoid", "tanh", "relu")
    for expanded in (False, True)
]


def network_loss(activation: str = "sigmoid", expanded: bool = False, sizes=(3, 2)) -> tuple[MLP, Value]:
    network = MLP(2, list(sizes), activation, expanded=expanded, seed=3)
    for k, bias in enumerate(unit.bias for layer in network for unit in layer):
        bias.data = 0.1 * k + 0.05
    E = squared_error(network([0.3, -0.8]), [1.0, 0.0][: sizes[-1]])
    E.label = "E"
    E.backward()
    return network, E


def read_back(explanation: Explanation) -> int:
    """Check the last three lines of each step as arithmetic; how many were checked."""
    value = {symbol: node.data for node, symbol in explanation.names.items()}
    for node, gradient in explanation.gradients.items():
        value[explanation._symbol(node)] = gradient
    words = sorted(value, key=len, reverse=True)
    spelled = re.compile("|".join(rf"(?<![\w.]){re.escape(word)}(?![\w\[])" for word in words))
    checked = 0
    for step in explanation.steps:
        lines = explanation._lines(step)
        forms = [line.partition(" = ")[2].partition("    (")[0] for line in lines]
        assert float(forms[-1]) == pytest.approx(step.value, rel=1e-3, abs=1e-12)
        size = sum(abs(t.partial * explanation.gradients[t.consumer]) for t in step.terms)
        for form in forms[:-1]:
            if re.search(r"more terms|[\w\])]/d\w", spelled.sub("0", form)):
                continue  # by the chain rule in symbols, or a part of a long sum
            numbers = spelled.sub(lambda word: f"({value[word[0]]!r})", form)
            result = eval(numbers, dict(FUNCTIONS))
            exact = numbers != form
            tolerance = 1e-9 if exact else 2e-3
            assert result == pytest.approx(step.value, abs=tolerance * size + 1e-12), form
            checked += 1
    return checked


def _softmax(*xs: float) -> list[float]:
    return [math.exp(x) / sum(map(math.exp, xs)) for x in xs]


def _step(x: float) -> float:
    return float(x > 0)


def _ties(*numbers: float) -> float:
    *xs, z = numbers
    return float(sum(x == z for x in xs))


FUNCTIONS = {
    "exp": math.exp,
    "equal": lambda a, b: float(a == b),
    "ties": _ties,
    "softmax": _softmax,
    "log_softmax": lambda *xs: [math.log(y) for y in _softmax(*xs)],
    "step": _step,
}


@pytest.mark.parametrize(("activation", "expanded"), NETWORKS)
def test_the_lines_of_a_networks_derivations_read_back(activation, expanded):
    network, E = network_loss(activation, expanded)
    for parameter in network.parameters():
        explanation = explain(parameter, of=E)
        assert explanation.value == parameter.grad and explanation.notes == []
        assert str(explanation).startswith(f"dE/d{parameter.label} = ")
        assert read_back(explanation) >= len(explanation.steps)


@pytest.mark.parametrize("seed", range(40))
def test_the_lines_of_random_graphs_derivations_read_back(seed):
    given, E = random_graph(seed, size=12)
    E.label = "E"
    E.backward()
    for node in given:
        explanation = explain(node, of=E)
        assert explanation.value == node.grad
        assert read_back(explanation) >= len(explanation.steps)


def test_a_derivation_agrees_with_a_central_difference():
    network, E = network_loss()
    weight = network[0][1].weights[0]
    h, at = 1e-5, weight.data
    around = []
    for moved in (at + h, at - h):
        weight.data = moved
        around.append(squared_error(network([0.3, -0.8]), [1.0, 0.0]).data)
    assert explain(weight, of=E).value == pytest.approx((around[0] - around[1]) / (2 * h), rel=1e-8)


def equations(explanation: Explanation) -> dict[str, str]:
    return {explanation._symbol(step.node): step.equation for step in explanation.steps}


@pytest.mark.parametrize("expanded", [False, True])
def test_a_network_is_derived_in_the_posts_words_with_its_equations(expanded):
    network, E = network_loss(expanded=expanded)
    found = equations(explain(network[0][0].weights[0], of=E))
    assert found["delta2[1]"] == found["delta2[2]"] == "eq. 3.2"
    assert found["dE/dz1[1]"] == "eq. 4.9"
    assert found["delta1[1]"] == "eqs. 4.3, 4.4"
    assert found["dE/dw1[1,1]"] == "eq. 4.1"
    assert equations(explain(network[1][0].weights[0], of=E))["dE/dw2[1,1]"] == "eq. 3"
    text = str(explain(network[0][0].weights[0], of=E))
    assert "= delta2[1] * w2[1,1] + delta2[2] * w2[1,2]\n" in text
    assert "dE/dw1[1,1] = delta1[1] * du1[1]/dw1[1,1]    (eq. 4.1)\n            = delta1[1] * x[1]\n" in text
    assert "  u1[1] = w1[1,1] * x[1] + w1[2,1] * x[2] + b1[1] = " in text


def test_a_sum_over_consumers_is_spelled_out():
    a = Value(3.0, "a")
    b = a * a
    c = b + a  # dc/da = a + a + 1 = 7
    b.label, c.label = "b", "c"
    assert str(explain(a, of=c)).split("\n\n")[-2].splitlines() == [
        "dc/da = dc/db * db/da + dc/db * db/da + dc/da",
        "      = dc/db * a + dc/db * a + 1",
        "      = 1 * 3 + 1 * 3 + 1",
        "      = 7",
    ]


# What does not agree is said.


def test_nothing_is_said_where_all_agrees_and_no_gradient_is_touched():
    network, E = network_loss()
    before = [p.grad for p in network.parameters()]
    for parameter in network.parameters():
        assert explain(parameter, of=E).notes == []
    assert [p.grad for p in network.parameters()] == before


def test_a_doubled_gradient():
    network, E = network_loss()
    E.backward()
    [note] = explain(network[0][0].bias, of=E).notes
    assert re.fullmatch(
        r"Careful: b1\[1\]\.grad holds \S+, 2 times this: as many passes have been added up\.  "
        r"zero_grad\(\) clears it before the next pass\.",
        note,
    )


def test_a_gradient_of_another_loss_too():
    network, E = network_loss()
    squared_error(network([0.9, 0.1]), [0.0, 0.0]).backward()
    [note] = explain(network[0][0].bias, of=E).notes
    assert "it holds more than this pass, or was assigned" in note


def test_edited_data():
    network, E = network_loss()
    network[0][0].weights[0].data = 5.0
    [note] = explain(network[1][0].bias, of=E).notes
    assert note.startswith("Careful: u1[1] = ") and "E.recompute()" in note


def test_an_assigned_gradient_of_an_inner_node():
    network, E = network_loss()
    network[0][2].z.grad = 7.0
    [note] = explain(network[0][0].bias, of=E).notes
    assert note.startswith("Careful: z1[3].grad holds 7, not ")


def test_no_pass_yet_and_a_pass_with_a_seed():
    network = MLP(2, [2, 1], seed=1)
    E = squared_error(network([1, 2]), [1])
    E.label = "E"
    weight = network[0][0].weights[0]
    assert explain(weight, of=E).notes == ["No gradient is stored yet: E.backward() would store them."]
    E.backward(0.25)
    [note] = explain(weight, of=E).notes
    assert "started with E.grad = 0.25" in note
    assert explain(weight, of=E).value == pytest.approx(4 * weight.grad)


def test_a_node_that_the_output_does_not_depend_on():
    a, b = Value(1.0, "a"), Value(2.0, "b")
    E = a * 2
    explanation = explain(b, of=E)
    assert explanation.value == 0.0
    assert explanation.notes[0] == "v1 does not depend on b: the derivative is 0."
    assert str(explanation).startswith("dv1/db = 0")


def test_the_output_itself_and_what_is_no_value():
    a = Value(2.0, "a")
    assert str(explain(a, of=a)).startswith("da/da = 1")
    with pytest.raises(TypeError, match=r"explain: a Value is needed, such as a weight, not 'w' \(str\)"):
        explain("w", of=a)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"explain\(of\): a Value is needed"):
        explain(a, of=3.0)  # type: ignore[arg-type]


# Large graphs, odd names.


def test_a_long_chain_is_derived_from_its_near_end():
    x = a = Value(1.0, "a")
    for _ in range(20_000):
        x = x + 1
    explanation = explain(a, of=x)
    assert len(explanation.steps) == MOST_STEPS and explanation.steps[-1].node is a
    assert f"taken as they are, farther up\n  dv20000/dv{MOST_STEPS} = 1" in str(explanation)
    assert len(str(explanation)) < 6000


def test_a_node_with_very_many_consumers():
    a = Value(1.0, "a")
    E = microbp.sum([a * k for k in range(1, 2001)])
    E.label = "E"
    text = str(explain(a, of=E))
    assert "(1,992 more terms)" in text and text.count("\n") < 150
    assert text.splitlines()[0] == "dE/da = 2.001e+06"  # 2000 * 2001 / 2


def test_the_gradient_of_cross_entropy_is_one_step_to_y_minus_t():
    u = [Value(math.log(3.0), "u[1]"), Value(0.0, "u[2]")]  # a softmax of 3/4 and 1/4
    explanation = explain(u[0], of=cross_entropy(u, 0))
    assert str(explanation).splitlines()[-4:-2] == [
        "dE/du[1] = softmax(u[1], u[2])[0] * (t[1] + t[2]) - t[1]",
        "         = -0.25",
    ]
    written = r"\operatorname{softmax}\left(u_{1}, u_{2}\right)_{1} \cdot \left(t_{1} + t_{2}\right) - t_{1}"
    assert rf"&= {written} \\ &= -0.25 \end" in explanation._repr_markdown_()


@pytest.mark.parametrize(("slope", "of"), [("-1", lambda x: -x), ("1 - y * y", lambda x: x.tanh())])
def test_a_slope_that_is_the_whole_gradient_stands_without_parentheses(slope, of):
    x = Value(0.5, "x")
    y = of(x)
    y.label = "y"
    explanation = explain(x, of=y)
    assert f"\ndy/dx = {slope}\n" in str(explanation)
    assert r"\left(" not in explanation._repr_markdown_().rpartition("aligned} \\frac")[2]


def test_a_large_network_does_not_flood():
    network = MLP(20, [60, 60, 10], seed=1)
    E = cross_entropy(network([0.1] * 20), 3)
    assert len(str(explain(network[0][0].weights[0], of=E)).splitlines()) < 400


def test_names_that_are_no_names_are_quoted():
    a, b = Value(2.0, "a * b <script>"), Value(3.0, "")
    text = str(explain(a, of=(a * b).tanh()))
    assert "'a * b <script>' * v1" in text
    markdown = explain(a, of=(a * b).tanh())._repr_markdown_()
    assert "<" not in markdown and r"}\lt\text{script}\gt\text{" in markdown


# LaTeX.


@pytest.mark.parametrize("seed", range(10))
def test_the_latex_is_balanced(seed):
    given, E = random_graph(seed, size=12)
    markdown = explain(given[0], of=E)._repr_markdown_()
    assert markdown.count("{") == markdown.count("}") and markdown.count(r"\left") == markdown.count(
        r"\right"
    )
    assert markdown.count("$$") % 2 == 0 and markdown.count(r"\begin") == markdown.count(r"\end")


def test_latex_of_a_unit():
    unit = Unit(1, seed=1)
    unit.weights[0].data, unit.bias.data = 2.0, -1.0
    z = unit([0.5])
    z.backward()
    markdown = explain(unit.weights[0], of=z)._repr_markdown_()
    assert r"u^{(1)}_{1} &= w^{(1)}_{1,1} \cdot x_{1} + b^{(1)}_{1} = 0" in markdown
    assert r"&= \delta^{(1)}_{1} \cdot x_{1} \\ &= 0.25 \cdot 0.5 \\ &= 0.125" in markdown


def test_latex_pieces():
    assert latex_formula("1 / (2 * z)", {}) == r"\frac{1}{2 \cdot z}"
    assert latex_formula("a - (b - c)", {}) == r"a - \left(b - c\right)"
    assert latex_formula("exp(-x) * sqrt(y) + abs(t)", {}) == r"e^{-x} \cdot \sqrt{y} + \left|t\right|"
    assert latex_formula("(-2) ** n", {}) == r"\left(-2\right)^{n}"
    assert latex_name("z1[2] (3)") == r"z^{(1)}_{2}\text{ (3)}"
    assert latex_name("50% {x}_y") == r"\text{50\% \{x\}\_y}"
    assert latex_number(float("-inf")) == r"-\infty" and latex_number(2e-5) == r"2 \times 10^{-5}"


def test_a_derivative_of_a_derivative_is_derived_with_its_name_in_parentheses():
    x = Value(2.0, "x")
    y = x**3
    y.label = "y"
    slope = gradients(y, x)  # 3 x^2, whose derivative is 6 x
    derived = explain(x, of=slope)
    assert derived.value == 12.0
    assert str(derived).splitlines()[0] == "d(dy/dx)/dx = 12"
    assert "  (dy/dx) = 3 * v1 = 3 * 4 = 12" in str(derived)
    assert "d(dy/dx)/dx = d(dy/dx)/dv1 * dv1/dx" in str(derived)
