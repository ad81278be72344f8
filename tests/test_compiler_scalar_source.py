"""The scalar text of one sample: what it computes, run on its own, and how it reads."""

import ast
import builtins
import itertools
import math
import random
import re
import struct
from fractions import Fraction

import pytest
from hypothesis import given, settings
from programs import VALUES, checked, gross, programs
from test_rules import differentiated, has_sequences, samples

import microbp
from microbp import MLP, RULES, Value, losses
from microbp.compiler.recording import flat, record, recorded
from microbp.compiler.sources.scalars import LARGEST, WIDTH, scalar_source
from microbp.rules import FLOATS
from microbp.value import apply

every_row = pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))


def values(*labels, seed=0):
    """Parameters of these labels."""
    draw = random.Random(seed)
    return [Value(draw.uniform(0.2, 1.5), label) for label in labels]


def drawn(shape, draw, low=-1.0, high=1.0):
    """Nested lists of random numbers; one number for the shape ()."""
    return [drawn(shape[1:], draw, low, high) for _ in range(shape[0])] if shape else draw.uniform(low, high)


def run(source):
    """The function of a text, which needs nothing and gives every name one meaning."""
    assert_names_differ(source)
    namespace = {}
    exec(compile(source, "<one sample>", "exec"), namespace)
    return namespace["backprop" if "def backprop(" in source else "forward"]


def assert_names_differ(source):
    """No name is given twice, and none hides a builtin, except for the pow of math."""
    *before, function = ast.parse(source).body
    names = [function.name, *(argument.arg for argument in function.args.args)]
    for node in before:
        if isinstance(node, ast.ImportFrom):
            assert node.module == "math"
            names += [alias.name for alias in node.names]
        else:
            assert isinstance(node, ast.FunctionDef)
            names.append(node.name)
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append(node.id)
    assert len(names) == len(set(names))
    assert {name for name in names if hasattr(builtins, name)} <= {"pow"}


def compare(recording, *arguments):
    """The text against the eager engine, for one sample; the text."""
    source = scalar_source(recording)
    parameters, fixed = recording.parameters, recording.fixed
    for parameter in parameters:
        parameter.grad = 0.0
    E = recording.replay(*arguments)
    E.backward()
    numbers = [[p.data for p in parameters], *[[p.data for p in fixed]] * bool(fixed)]
    value, gradients = run(source)(*arguments, *numbers)
    assert value == pytest.approx(E.data, rel=1e-12, abs=1e-14)
    assert gradients == pytest.approx([p.grad for p in parameters], rel=1e-9, abs=1e-13)
    assert len(gradients) == len(parameters)
    return source


def check(function, shapes, parameters=None, low=-1.0, high=1.0):
    """`compare` for a few random samples of these shapes; the text."""
    draw = random.Random(1)
    recording = record(function, shapes, parameters)
    return [compare(recording, *(drawn(s, draw, low, high) for s in shapes)) for _ in range(3)][-1]


def lines(source, start=""):
    return [line.strip() for line in source.splitlines() if line.strip().startswith(start)]


# What it computes.


@pytest.mark.parametrize("expanded", [False, True])
@pytest.mark.parametrize(
    "activation", ["sigmoid", "tanh", "relu", "linear", Value.softplus, lambda u: u.sin() * u]
)
def test_networks(activation, expanded):
    network = MLP(3, [4, 3, 2], activation=activation, expanded=expanded, seed=1)
    check(lambda x, t: losses.squared_error(network(x), t), [(3,), (2,)], network.parameters())


@pytest.mark.parametrize("bias", [False, True])
def test_one_unit(bias):
    network = MLP(1, [1], bias=bias, seed=1)
    source = check(lambda x, t: losses.squared_error(network([x]), t), [(), ()], network.parameters())
    assert ("u1_1 = w1_11 * x" + " + b1_1" * bias) in lines(source)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(
    "loss",
    [
        losses.squared_error,
        lambda y, t: losses.squared_error(y, t, half=True),
        losses.mean_squared_error,
        losses.mean_absolute_error,
        losses.binary_cross_entropy,
        losses.binary_cross_entropy_with_logits,
    ],
)
def test_losses(loss, several):
    network = MLP(2, [3, 2 if several else 1], seed=2)
    shape = (2,) if several else ()
    check(lambda x, t: loss(network(x), t), [(2,), shape], network.parameters(), low=0.0)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_cross_entropy_of_a_class(index):
    network = MLP(2, [2, 3], output_activation="linear", seed=1)
    recording = record(lambda x, t: losses.cross_entropy(network(x), t), [(2,), ()], network.parameters())
    compare(recording, [0.3, -0.8], index)
    constant = record(lambda x: losses.cross_entropy(network(x), index), [(2,)], network.parameters())
    assert "equal" not in compare(constant, [0.3, -0.8])


def test_cross_entropy_of_a_distribution():
    network = MLP(2, [2, 3], output_activation="linear", seed=1)
    recording = record(lambda x, t: losses.cross_entropy(network(x), t), [(2,), (3,)], network.parameters())
    for target in ([0.0, 1.0, 0.0], [0.2, 0.5, 0.3]):
        source = compare(recording, [0.3, -0.8], target)
    assert "E = cross_entropy([t_1, t_2, t_3], [u2_1, u2_2, u2_3])" in lines(source)
    assert "delta2_1 = softmax_E[0] * sum_E - t_1" in lines(source)


@pytest.mark.parametrize("name", ["y", "labels"])
def test_a_sum_weighted_by_targets_is_no_unit(name):
    w = values("w[1]", "w[2]")
    scope = {"w": w, "loss": losses.cross_entropy}
    function = eval(f"lambda x, {name}: loss([w[0] * x, w[1] * x], {name})", scope)
    source = scalar_source(record(function, [(), (2,)], w))
    assert not re.search(r"delta\w* = .*exp", source)
    assert "delta" not in source


def test_a_loop_of_products_and_sums():
    ws, [b] = values("w[1]", "w[2]", "w[3]"), values("b")

    def loss(x, t):
        u = b
        for w, each in zip(ws, x):
            u = u + w * each
        return (u.tanh() - t) ** 2

    check(loss, [(3,), ()], [*ws, b])


def test_a_recurrent_network_shares_its_weights():
    network = MLP(3, [2], activation="tanh", seed=3)
    out = values("v[1]", "v[2]")

    def loss(x, t):
        h = [0.0, 0.0]
        for each in x:
            h = network([each, *h])
        return (out[0] * h[0] + out[1] * h[1] - t) ** 2

    source = check(loss, [(4,), ()], [*network.parameters(), *out])
    [line] = lines(source, "d_w1_11 =")
    assert line == "d_w1_11 = delta1_1__4 * x_4 + delta1_1__3 * x_3 + delta1_1__2 * x_2 + delta1_1 * x_1"


def test_a_penalty_on_the_weights():
    network = MLP(2, [2, 1], seed=4)
    weights = network.parameters()

    def loss(x, t):
        return losses.squared_error(network(x), t) + 0.01 * microbp.sum([w**2 for w in weights])

    source = check(loss, [(2,), ()], weights)
    [line] = lines(source, "d_w2_11 =")
    assert re.fullmatch(r"d_w2_11 = d_\w+ \* 2 \* w2_11 \+ delta2_1 \* z1_1", line)


def test_an_attention_block():
    n, d = 3, 2
    weights = {
        kind: [values(*(f"{kind}[{i},{j}]" for j in (1, 2)), seed=ord(kind) + i) for i in (1, 2)]
        for kind in "qkv"
    }

    def loss(x, t):
        def project(kind, token):
            return [microbp.weighted_sum(row, token) for row in weights[kind]]

        q, k, v = ([project(kind, token) for token in x] for kind in "qkv")
        out = []
        for i in range(n):
            scores = [microbp.weighted_sum(q[i], k[j]) / math.sqrt(d) for j in range(n)]
            shares = microbp.softmax(scores)
            out += [microbp.weighted_sum(shares, [v[j][c] for j in range(n)]) for c in range(d)]
        return losses.mean_squared_error(out, flat_numbers(t))

    def flat_numbers(t):
        return [each for row in t for each in row]

    source = check(loss, [(n, d), (n, d)], flat(list(weights.values())))
    assert "[x_11, x_12], [x_21, x_22], [x_31, x_32] = x" in lines(source)


@every_row
def test_every_row_of_the_table(rule):
    for point in samples(rule):
        leaves = [Value(x, f"a[{k}]") for k, x in enumerate(point, 1)]
        trained = [leaves[k] for k in differentiated(rule, point)]
        others = [leaf for leaf in leaves if leaf not in trained]
        node = apply(rule, leaves)
        compare(recorded(node, others, trained), *(leaf.data for leaf in others))
        compare(recorded(node * node + node, others, trained), *(leaf.data for leaf in others))
        compare(recorded(microbp.sum([node, *trained]), others, trained), *(leaf.data for leaf in others))


HOLDING = [
    (rule, place)
    for rule in RULES.values()
    for place in (0, -1)
    if (len(rule.parameters) > 1 or has_sequences(rule)) and (rule.name, place) != ("weighted_sum", 0)
]


@pytest.mark.parametrize("rule, place", HOLDING, ids=lambda each: getattr(each, "name", each))
def test_every_row_that_holds_a_number(rule, place):
    for point in samples(rule):
        leaves = [Value(x, f"a[{k}]") for k, x in enumerate(point, 1)]
        if len(point) > 1:
            operands = [point[0], *leaves[1:]] if place == 0 else [*leaves[:-1], point[-1]]
            node = apply(rule.holding(place), operands)
            index = [leaf for leaf in node.inputs if leaf is leaves[-1] and rule.partials[-1] is None]
            trained = [leaf for leaf in node.inputs if leaf not in index]
            compare(recorded(node, index, trained), *(leaf.data for leaf in index))


@settings(checked, max_examples=200)
@given(programs())
def test_random_graphs(drawn):
    program, numbers = drawn
    leaves = [Value(x) for x in numbers]
    E = program.run(VALUES, leaves)
    recording = recorded(E, leaves[::2], leaves[1::2])
    E.backward()
    bounds = gross(E)
    value, gradients = run(scalar_source(recording))(*numbers[::2], numbers[1::2])
    assert value == pytest.approx(E.data, rel=1e-12, abs=1e-12)
    assert len(gradients) == len(numbers[1::2])
    for leaf, gradient in zip(leaves[1::2], gradients):
        assert abs(gradient - leaf.grad) <= 1e-11 * bounds.get(leaf, 0.0)


def test_pytorch_agrees():
    torch = pytest.importorskip("torch")
    network = MLP(3, [4, 2], activation="tanh", output_activation="linear", seed=5)
    recording = record(lambda x, t: losses.cross_entropy(network(x), t), [(3,), ()], network.parameters())
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    linears = theirs[0], theirs[2]
    for layer, linear in zip(network, linears):
        for unit, w, b in zip(layer, linear.weight.tolist(), linear.bias.tolist()):
            unit.bias.data = b
            for weight, number in zip(unit.weights, w):
                weight.data = number
    x, t = [0.5, -1.5, 0.25], 1
    E = torch.nn.functional.cross_entropy(theirs(torch.tensor([x]).double()), torch.tensor([t]))
    E.backward()
    value, gradients = run(scalar_source(recording))(x, t, [p.data for p in network.parameters()])
    expected = [
        each
        for linear in linears
        for w, b in zip(linear.weight.grad.tolist(), linear.bias.grad.tolist())
        for each in (*w, b)
    ]
    assert value == pytest.approx(E.item(), rel=1e-12)
    assert gradients == pytest.approx(expected, rel=1e-9)


NUMBERS = [0.0, -0.0, 0.3, -0.3, 1.0, -1.0, 2.5, -7.0, 745.0, -745.0, 1e300, -1e300, 5e-324]
NUMBERS += [math.inf, -math.inf, math.nan]


def outcome(function, *arguments):
    """What a function returns, to the last bit, or the kind of error that it raises."""
    try:
        result = function(*arguments)
        return "nan" if result != result else struct.pack("<d", result)
    except (ArithmeticError, ValueError) as error:
        return type(error)


@pytest.mark.parametrize(
    "name", ["sigmoid", "softplus", "relu", "step", "sign", "abs", "exp", "log", "sqrt", "sin", "cos", "tanh"]
)
def test_functions_of_a_number_are_those_of_the_table(name):
    x = Value(0.5, "x")
    forward = run(scalar_source(recorded([apply(RULES[name], [x])], [x], None)))
    for number in NUMBERS:
        assert outcome(lambda x: forward(x, [])[0], number) == outcome(FLOATS[name], number)


@pytest.mark.parametrize("name", ["max", "min", "logsumexp"])
def test_functions_of_several_numbers_are_those_of_the_table(name):
    x, y = Value(0.5, "x"), Value(0.25, "y")
    forward = run(scalar_source(recorded([apply(RULES[name], [x, y])], [x, y], None)))
    for pair in itertools.product(NUMBERS, repeat=2):
        assert outcome(lambda *xs: forward(*xs, [])[0], *pair) == outcome(FLOATS[name], pair)


@pytest.mark.parametrize("name, function", [("power", "power"), ("exponentiation", "exponentiate")])
def test_powers_are_those_of_the_table(name, function):
    x, n = Value(0.5, "x"), Value(2.0, "n")
    forward = run(scalar_source(recorded([apply(RULES[name], [x, n])], [x, n], None)))
    for pair in itertools.product(NUMBERS, repeat=2):
        assert outcome(lambda *xs: forward(*xs, [])[0], *pair) == outcome(FLOATS[function], *pair)


def test_a_root_of_a_negative_number_is_no_complex_number():
    x = Value(0.5, "x")
    forward = run(scalar_source(recorded([x**0.5], [x], None)))
    with pytest.raises(ValueError):
        forward(-1.0, [])


def test_a_negative_base_is_refused_as_the_table_refuses_it():
    forward = run(
        scalar_source(record(lambda x: [apply(RULES["exponentiation"].holding(0), [-2.0, x])], [()], None))
    )
    with pytest.raises(ValueError):
        forward(0.5, [])


@pytest.mark.parametrize(
    "number", [0.1, -0.1, 1e-320, 1e22, -1e22, 2.0**53 + 2, 1 / 3, Fraction(1, 3), 3, -3, -0.0, 0, 1e300]
)
def test_a_number_is_written_so_that_python_reads_the_same(number):
    x = Value(1.5, "x")
    forward = run(scalar_source(recorded([x * number, x - number, number - x], [x], None)))
    expected = [1.5 * float(number), 1.5 - float(number), float(number) - 1.5]
    assert [repr(float(each)) for each in forward(1.5, [])] == [*map(repr, expected)]


def test_numbers_without_a_literal():
    x = Value(1.5, "x")
    forward = run(scalar_source(recorded([x * math.inf, -math.inf * x, x + math.nan], [x], None)))
    assert [*map(repr, forward(1.5, []))] == ["inf", "-inf", "nan"]


# How it reads.


def test_the_equations_of_the_post():
    network = MLP(2, [2, 2], seed=1)
    source = check(lambda x, t: losses.squared_error(network(x), t), [(2,), (2,)], network.parameters())
    found = lines(source)
    for line in [
        "x_1, x_2 = x",
        "u1_1 = w1_11 * x_1 + w1_21 * x_2 + b1_1",
        "z1_1 = sigmoid(u1_1)",
        "u2_2 = w2_12 * z1_1 + w2_22 * z1_2 + b2_2",
        "delta2_1 = d_z2_1 * z2_1 * (1 - z2_1)",
        "d_w2_11 = delta2_1 * z1_1",
        "d_w2_12 = delta2_2 * z1_1",
        "d_b2_1 = delta2_1",
        "d_z1_1 = delta2_1 * w2_11 + delta2_2 * w2_12",
        "delta1_1 = d_z1_1 * z1_1 * (1 - z1_1)",
        "d_w1_21 = delta1_1 * x_2",
    ]:
        assert line in found
    assert not lines(source, "d_x"), "nobody asked for the derivative by an input"
    assert not lines(source, "d_E"), "it is 1"


UNIT = '''\
from math import exp


def sigmoid(x):
    e = exp(-abs(x))  # at most 1: it cannot overflow
    return 1.0 / (1.0 + e) if x >= 0.0 else e / (1.0 + e)


def backprop(x, t, parameters):
    """One sample forward and backward: E, and dE/dw for each w of `parameters`.

    On the way back d_z is dE/dz; delta is dE/du, u the input of a unit.
    """
    w, b = parameters

    # forward
    v1 = w * x
    u = v1 + b
    z = sigmoid(u)
    v2 = z - t
    E = v2 ** 2

    # backward
    d_v2 = 2 * v2
    d_z = d_v2
    delta = d_z * z * (1 - z)
    d_b = delta
    d_w = delta * x
    return E, [d_w, d_b]
'''


def test_the_whole_text_of_a_unit():
    w, x, b, t = Value(0.5, "w"), Value(2.0, "x"), Value(-1.0, "b"), Value(1.0, "t")
    u = w * x + b
    u.label = "u"
    z = u.sigmoid()
    z.label = "z"
    assert scalar_source(recorded((z - t) ** 2, [x, t], [w, b])) == UNIT


def test_weights_follow_the_delta_of_their_unit():
    for expanded in (False, True):
        network = MLP(2, [2, 1], bias=False, expanded=expanded, seed=1)
        source = scalar_source(record(lambda x, n=network: losses.squared_error(n(x), 1.0), [(2,)], None))
        found = lines(source)
        for k in (1, 2):
            place = found.index(f"delta1_{k} = d_z1_{k} * z1_{k} * (1 - z1_{k})")
            assert found[place + 1 : place + 3] == [f"d_w1_{j}{k} = delta1_{k} * x_{j}" for j in (1, 2)]


def test_a_linear_unit_alone():
    [w] = values("w")
    source = check(lambda x: microbp.weighted_sum([w], [x]), [()], [w])
    assert lines(source, "d_w") == ["d_w = x"]
    assert "delta" not in source


def test_an_expanded_unit_gives_the_same_equations():
    found = []
    for expanded in (False, True):
        network = MLP(2, [2, 1], expanded=expanded, seed=1)
        source = scalar_source(record(lambda x, n=network: losses.squared_error(n(x), 1.0), [(2,)], None))
        found.append(sorted(lines(source, "d_w") + lines(source, "delta")))
    assert found[0] == found[1]
    assert len(found[0]) == 6 + 3


@pytest.mark.parametrize(
    "formula, expected",
    [
        (lambda a: a * 1, "E = a"),
        (lambda a: 1 * a, "E = a"),
        (lambda a: -1 * a, "E = -a"),
        (lambda a: a * -1, "E = -a"),
        (lambda a: a * -3, "E = a * -3"),
        (lambda a: a - -3, "E = a + 3"),
        (lambda a: a + -3, "E = a - 3"),
        (lambda a: -3 - a, "E = -3 - a"),
        (lambda a: -(a / 3), "E = -v1"),
        (lambda a: a**1, "E = a"),
        (lambda a: a**-2, "E = a ** -2"),
        (lambda a: a**-2, "d_a = -2 * a ** -3"),
        (lambda a: a**2.5, "E = pow(a, 2.5)"),
        (lambda a: 2**a, "E = 2 ** a"),
        (lambda a: Value(-3.0) ** 2 * a, "v1 = (-3) ** 2"),
        (lambda a: microbp.weighted_sum([a], [Value(4.0)]), "E = a * 4"),
        (lambda a: a / 3, "d_a = 1 / 3"),
        (lambda a: 3 / a, "d_a = -E / a"),
        (lambda a: a**2, "d_a = 2 * a"),
        (lambda a: a**3, "d_a = 3 * a ** 2"),
        (lambda a: a**1, "d_a = 1"),
        (lambda a: a**2.2, "d_a = 2.2 * pow(a, 1.2)"),
        (lambda a: a.cos(), "d_a = -sin(a)"),
        (lambda a: -a.cos(), "d_a = sin(a)"),
        (lambda a: -a.tanh(), "d_a = -(1 - v1 * v1)"),
        (lambda a: a.sqrt(), "d_a = 1 / (2 * E)"),
        (lambda a: a * a, "d_a = a + a"),
        (lambda a: a - a.exp(), "d_a = 1 - v1"),
        (lambda a: microbp.pick([a, a * 2, a * 3], 1), "d_a = 2"),
    ],
)
def test_no_factor_is_superfluous(formula, expected):
    a = Value(0.5, "a")
    assert expected in lines(compare(record(lambda: formula(a), [], [a])))


def test_a_number_that_has_a_label_is_written_under_it():
    network = MLP(1, [1], seed=1)
    source = check(lambda x: losses.squared_error(network([x]), 0.25), [()], network.parameters())
    assert "t = 0.25" in lines(source)


def test_what_changes_nothing_has_no_derivative():
    a, b, c = values("a", "b", "c")
    source = compare(recorded(a * apply(RULES["step"], [b]) + c**0, [], [a, b, c]))
    assert lines(source, "d_") == ["d_a = v1"]
    assert lines(source, "return E") == ["return E, [d_a, 0.0, 0.0]"]


def test_parameters_that_the_loss_does_not_need():
    a, b = values("a", "b")
    assert lines(compare(recorded(a * 2, [], [b, a])), "return E") == ["return E, [0.0, d_a]"]
    assert lines(compare(recorded(a * 2, [a], [b]), 0.5), "return E") == ["return E, [0.0]"]
    assert lines(compare(recorded(a * 2, [a], []), 0.5), "return E") == ["return E, []"]


def test_a_loss_that_is_a_leaf():
    a, b = values("a", "b")
    assert run(scalar_source(recorded(a, [], [b, a])))([3.0, 4.0]) == (4.0, [0.0, 1])
    assert run(scalar_source(recorded(a, [a], [b])))(3.0, [4.0]) == (3.0, [0.0])
    assert run(scalar_source(record(lambda x: Value(7.0), [()], [b])))(1.0, [4.0]) == (7, [0.0])


def test_ties_share_and_are_counted_once():
    leaves = [Value(2.0, label) for label in "abc"]
    source = compare(recorded(microbp.max(leaves) * 3, [], leaves))
    assert lines(source, "ties_") == ["ties_v1 = ties([a, b, c], v1)"]
    assert "d_a = d_v1 * equal(a, v1) / ties_v1" in lines(source)


# Arguments and outputs.


def test_leaves_that_are_not_trained_are_a_further_argument():
    w, b, scale = values("w", "b", "scale")
    source = check(lambda x: (w * x + b) * scale, [()], [w])
    assert "def backprop(x, parameters, fixed):" in source
    assert "b, scale = fixed" in lines(source)


def test_arguments_of_every_form():
    [w] = values("w")

    def loss(a, b, c, d):
        return w * a + b[0] + c[1][0] * c[0][1] + d[1][0][2] * w

    source = check(loss, [(), (1,), (2, 2), (2, 1, 3)], [w])
    assert lines(source, "[") == [
        "[b_1] = b",
        "[c_11, c_12], [c_21, c_22] = c",
        "[[d_111, d_112, d_113]], [[d_211, d_212, d_213]] = d",
        "[w] = parameters",
    ]


def test_outputs_are_returned_in_their_structure():
    network = MLP(2, [2, 2], seed=1)

    def outputs(x):
        hidden = network[0](x)
        return [hidden[0], (hidden[1],), tuple(network(x))]

    source = scalar_source(record(outputs, [(2,)], network.parameters()))
    [first, [second], [third, fourth]] = outputs([0.3, -0.4])
    result = run(source)([0.3, -0.4], [p.data for p in network.parameters()])
    assert result == [first.data, (second.data,), (third.data, fourth.data)]
    assert "def forward(x, parameters):" in source
    assert "backward" not in source
    assert "delta" not in source


def test_a_list_of_one_output_stays_a_list():
    w, x = values("w", "x")
    assert run(scalar_source(recorded([w * x], [x], [w])))(2.0, [3.0]) == [6.0]


# Names.

HOSTILE = [
    "__import__('os').system('false')",
    "a\nimport os",
    "a\n",
    "'''",
    '"""',
    "\\",
    "{d}",
    "{0}",
    "%s",
    "",
    " ",
    "a b",
    "a\0b",
    "lambda",
    "None",
    "exp",
    "sum",
    "abs",
    "sigmoid",
    "maximum",
    "pow",
    "inf",
    "nan",
    "infinity",
    "e",
    "E",
    "x",
    "t",
    "w",
    "parameters",
    "fixed",
    "backprop",
    "d_E",
    "d_a",
    "d_v1",
    "delta",
    "delta_v1",
    "u",
    "u1[1]",
    "v1",
    "v2",
    "v1__2",
    "ties_v3",
    "a",
    "a__2",
    "a__3",
    "ａ",
    "ﬁ",
    "θ",
    "x[1]",
    "x[0]",
    "x[1][2]",
    "x[1,2]",
    "x_12",
    "x_1_2",
    "x[12]",
    "x[01]",
    "x[١]",
    "x[]",
    "_",
    "__debug__",
    "a" * 10_000,
    "x[" + "1," * 5000 + "1]",
]


def everything(draw):
    """A formula with every kind of line, and its inputs and parameters."""
    p = [Value(draw.uniform(0.5, 1.5)) for _ in range(6)]
    x, t = Value(0.7), Value(0.2)
    u = microbp.weighted_sum(p[:2], [x, x * x], p[2])
    parts = [
        u.sigmoid(),
        u.exp() * t,
        microbp.max([p[3], p[4], u]),
        p[5].softplus() ** x,
        microbp.logsumexp(p),
    ]
    return (microbp.sum(parts) * Value(3.0) - t) ** 2, [x, t], p


@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
def test_a_label_borne_by_every_node_changes_nothing(label):
    E, inputs, parameters = everything(random.Random(1))
    for node in recorded(E, inputs, parameters).nodes:
        node.label = label
    compare(recorded(E, inputs, parameters), 0.7, 0.2)


@pytest.mark.parametrize("seed", range(30))
def test_labels_that_want_the_same_names_change_nothing(seed):
    draw = random.Random(seed)
    E, inputs, parameters = everything(draw)
    for node in recorded(E, inputs, parameters).nodes:
        node.label = draw.choice(HOSTILE)
    compare(recorded(E, inputs, parameters), 0.7, 0.2)


def test_arguments_with_the_names_of_functions():
    [w] = values("w")
    source = check(lambda exp, parameters, E, d_w: (w * exp).sigmoid() * E + parameters * d_w, [()] * 4, [w])
    assert "def backprop(exp_, parameters_, E, d_w, parameters):" in source


def test_only_plain_names_come_from_labels():
    labels = {
        "w2[1,2]": "w2_12",
        "b[3]": "b_3",
        "loss": "loss",
        "lambda": "lambda_",
        "not a name": "v1",
        "x[1,10]": "x_1_10",
        "x[1,2]": "x_1_2",
        "loss'; import os": "v2",
    }
    leaves = [Value(1.5, label) for label in labels]
    source = scalar_source(recorded(microbp.sum(leaves), [], leaves))
    assert lines(source, "w2_12,") == [", ".join(labels.values()) + " = parameters"]
    assert "import" not in source


def test_indices_are_parted_where_they_could_be_misread():
    leaves = values("a[1]", "a[1,2]", "b[1,12]", "b[11,2]", "c[1, 2]")
    source = scalar_source(recorded(microbp.sum(leaves), [], leaves))
    assert "a_1, a_1_2, b_1_12, b_11_2, c_12 = parameters" in lines(source)


# Size.


def longest_line(source):
    return max(map(len, source.splitlines()))


def test_a_long_weighted_sum_compiles():
    ws = [Value(1e-3 * k, f"w[{k}]") for k in range(1, 5001)]
    recording = record(lambda x: microbp.weighted_sum(ws, x).tanh(), [(5000,)], ws)
    source = compare(recording, drawn((5000,), random.Random(1), -1e-4, 1e-4))
    assert "v1 = sum([" in lines(source)
    assert longest_line(source) <= WIDTH


@pytest.mark.parametrize("name", ["sum", "max", "logsumexp"])
def test_operations_on_thousands_compile(name):
    ws = [Value(math.sin(k), f"w[{k}]") for k in range(1, 3001)]
    source = compare(recorded(getattr(microbp, name)([w * w for w in ws]), [], ws))
    assert longest_line(source) <= WIDTH
    assert len(source) < 600_000


def test_a_node_with_thousands_of_uses_compiles():
    a = Value(0.01, "a")
    source = compare(recorded(microbp.sum([a * k for k in range(2, 3000)]), [], [a]))
    assert "d_a = sum([" in lines(source)


@pytest.mark.parametrize("count", [2, 12, 49, 50, 51, 200])
def test_sums_are_wrapped_between_their_terms(count):
    ws = values(*(f"w[{k}]" for k in range(count)))
    xs = values(*(f"x[{k}]" for k in range(count)))
    source = compare(recorded(microbp.weighted_sum(ws, xs), [], ws + xs))
    assert longest_line(source) <= WIDTH
    assert not [line for line in source.splitlines() if line.endswith(("*", "+"))]
    assert ("sum(" in source) == (count > 50)


def chain(n):
    a, x = Value(1.0, "a"), Value(0.5, "x")
    v = x
    for k in range(n):
        v = v + a if k % 2 else v * a
    return recorded(v, [x], [a])


def test_the_text_of_a_chain_grows_with_it():
    short, long = (scalar_source(chain(n)) for n in (1_000, 50_000))
    assert 45 < long.count("\n") / short.count("\n") < 55
    assert 45 < len(long) / len(short) < 65


def test_a_chain_of_a_hundred_thousand_nodes_is_written():
    assert len(lines(scalar_source(chain(100_000)), "v")) == 99_999


def test_a_graph_that_nobody_could_read_is_refused():
    with pytest.raises(ValueError, match=r"more than 200,000 .* program\.source"):
        scalar_source(chain(LARGEST // 2 + 1))
