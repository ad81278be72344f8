"""Worksheets: the published numbers, sheets filled in by another program, and every slip it knows."""

import math
import random
import re
from functools import partial
from xml.etree import ElementTree

import pytest

from microbp import (
    MLP,
    Layer,
    Unit,
    Value,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    mean_absolute_error,
    mean_squared_error,
    squared_error,
    worksheet,
)

half = partial(squared_error, half=True)

# From Matt Mazur's "A Step by Step Backpropagation Example" (2015), his weights counted through.
PUBLISHED = {
    "u1[1]": 0.3775,
    "z1[1]": 0.593269992,
    "z1[2]": 0.596884378,
    "u2[1]": 1.105905967,
    "z2[1]": 0.75136507,
    "z2[2]": 0.772928465,
    "E": 0.298371109,
    "dE/dz2[1]": 0.74136507,
    "dE/dz2[2]": -0.217071535,
    "delta2[1]": 0.138498562,
    "dE/dw2[1,1]": 0.082167041,
    "dE/dw1[1,1]": 0.000438568,
    "new w1[1,1]": 0.149780716,
    "new w1[2,1]": 0.19956143,
    "new w1[1,2]": 0.24975114,
    "new w1[2,2]": 0.29950229,
    "new w2[1,1]": 0.35891648,
    "new w2[2,1]": 0.408666186,
    "new w2[1,2]": 0.511301270,
    "new w2[2,2]": 0.561370121,
}


def mazur():
    network = MLP(2, [2, 2])
    numbers = [0.15, 0.20, 0.35, 0.25, 0.30, 0.35, 0.40, 0.45, 0.60, 0.50, 0.55, 0.60]
    for parameter, number in zip(network.parameters(), numbers):
        parameter.data = number
    return network


def mazurs_sheet(**options):
    return worksheet(mazur(), [0.05, 0.10], [0.01, 0.99], loss=half, **options)


def rounded(number, digits=4):
    return float(f"{number:.{digits}g}")


def by_hand(layers, x, t, activation, note=lambda number: number, lr=0.5):
    """Every number of a sheet with squared errors, in plain Python; `note` is how each is written down."""
    f, slope = {
        "sigmoid": (lambda u: 1 / (1 + math.exp(-u)), lambda z: z * (1 - z)),
        "tanh": (math.tanh, lambda z: 1 - z * z),
        "relu": (lambda u: u if u > 0 else 0.0, lambda z: 1.0 if z > 0 else 0.0),
        "linear": (lambda u: u, lambda z: 1.0),
    }[activation]
    found, zs = {}, [list(x)]
    for l, (W, b) in enumerate(layers, 1):
        zs.append([])
        for k, row in enumerate(W, 1):
            u = note(sum(w * z for w, z in zip(row, zs[l - 1])) + b[k - 1])
            found[f"u{l}[{k}]"] = u
            found[f"z{l}[{k}]"] = note(f(u))
            zs[l].append(found[f"z{l}[{k}]"])
    found["E"] = note(sum((y - target) ** 2 for y, target in zip(zs[-1], t)))
    arriving = [note(2 * (y - target)) for y, target in zip(zs[-1], t)]
    found.update({f"dE/dz{len(layers)}[{k}]": d for k, d in enumerate(arriving, 1)})
    for l in range(len(layers), 0, -1):
        W, b = layers[l - 1]
        deltas = [note(slope(z) * d) for z, d in zip(zs[l], arriving)]
        for k, delta in enumerate(deltas, 1):
            found[f"delta{l}[{k}]"] = delta
            found[f"dE/db{l}[{k}]"] = delta
            found[f"new b{l}[{k}]"] = note(b[k - 1] - lr * delta)
            for j, z in enumerate(zs[l - 1], 1):
                found[f"dE/dw{l}[{j},{k}]"] = note(delta * z)
                found[f"new w{l}[{j},{k}]"] = note(W[k - 1][j - 1] - lr * found[f"dE/dw{l}[{j},{k}]"])
        arriving = [sum(d * row[j] for d, row in zip(deltas, W)) for j in range(len(zs[l - 1]))]
    return found


def a_case(seed, activation="sigmoid"):
    """A network with one-digit weights, and the same as lists."""
    draw = random.Random(seed)
    network = MLP(2, [3, 2], activation)
    layers = []
    for layer in network:
        for parameter in layer.parameters():
            parameter.data = draw.randint(-9, 9) / 10
        layers.append(
            ([[w.data for w in unit.weights] for unit in layer], [unit.bias.data for unit in layer])
        )
    return network, layers, [draw.randint(1, 9) / 10, draw.randint(1, 9) / 10], [0.0, 1.0]


# The numbers.


def test_the_published_numbers_are_the_key():
    answers = mazurs_sheet().answers
    for name, number in PUBLISHED.items():
        assert answers[name] == pytest.approx(number, abs=5e-9), name


def test_the_published_numbers_are_marked_right():
    marking = mazurs_sheet().check(PUBLISHED)
    assert not marking.named("wrong")
    assert len(marking.named("right")) == len(PUBLISHED)
    assert not marking  # it is not complete


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "linear"])
def test_all_numbers_are_those_of_another_program(activation):
    network, layers, x, t = a_case(5, activation)
    sheet = worksheet(network, x, t)
    expected = by_hand(layers, x, t, activation)
    assert sheet.answers.keys() == expected.keys()
    assert sheet.answers == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert sheet.check(expected)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_answers_computed_from_rounded_numbers_are_right(seed, activation):
    network, layers, x, t = a_case(seed, activation)
    marking = worksheet(network, x, t).check(by_hand(layers, x, t, activation, rounded))
    assert marking, str(marking)


@pytest.mark.parametrize(
    ("loss", "output", "target"),
    [
        (mean_squared_error, "sigmoid", [0.0, 1.0, 0.0]),
        (mean_absolute_error, "tanh", [0.0, 1.0, 0.0]),
        (binary_cross_entropy, "sigmoid", [0.0, 1.0, 0.0]),
        (binary_cross_entropy_with_logits, "linear", [0.0, 1.0, 0.0]),
        (cross_entropy, "linear", 2),
        (cross_entropy, "linear", [0.2, 0.3, 0.5]),
        (lambda ys, ts: sum((y - t) ** 4 for y, t in zip(ys, ts)), "sigmoid", [0.0, 1.0, 0.0]),
    ],
)
@pytest.mark.parametrize("seed", [None, 3])
def test_every_loss_has_a_sheet_whose_steps_follow_from_each_other(loss, output, target, seed):
    network = MLP(2, [2, 3], "tanh", output, seed=1)
    sheet = worksheet(network, [0.5, 1.5], target, loss, seed=seed)
    assert sheet.check({name: rounded(number) for name, number in sheet.answers.items()})
    known = sheet.numbers
    for step in sheet.steps:  # the formulas by themselves come to what the graph did
        assert sum(step.terms(known)) == pytest.approx(sheet.answers[step.name], rel=1e-9, abs=1e-12), (
            step.name
        )


READ = {
    "sigmoid": lambda u: 1 / (1 + math.exp(-u)),
    "sign": lambda x: (x > 0) - (x < 0),
    "step": lambda x: float(x > 0),
    "relu": lambda x: max(x, 0.0),
    **{name: getattr(math, name) for name in ("exp", "log", "tanh")},
}


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "linear"])
@pytest.mark.parametrize(
    ("loss", "target"),
    [
        (squared_error, [0.0, 1.0, 0.3]),
        (half, [0.0, 1.0, 0.3]),
        (mean_squared_error, [0.0, 1.0, 0.3]),
        (mean_absolute_error, [0.0, 1.0, 0.3]),
        (binary_cross_entropy, [0.0, 1.0, 0.3]),
        (binary_cross_entropy_with_logits, [0.0, 1.0, 0.3]),
        (cross_entropy, 1),
        (cross_entropy, [0.2, 0.3, 0.5]),
    ],
)
def test_every_formula_in_numbers_comes_to_its_answer(activation, loss, target):
    output = "sigmoid" if loss is binary_cross_entropy else activation
    key = worksheet(MLP(2, [2, 3], activation, output, seed=3), [0.5, -1.5], target, loss, digits=12).key
    rows = re.findall(r"^\| \d+ \| .* \| (.*) \| (.*) \|$", key.markdown, re.M)
    assert len(rows) == len(key.steps)
    for working, answer in rows:
        in_numbers = working.split(" = ")[-1].replace("^", "**").replace("\\", "")
        assert eval(in_numbers, READ) == pytest.approx(float(answer), rel=1e-9, abs=1e-11), working


def test_a_gradient_is_the_finite_difference():
    sheet = worksheet(MLP(2, [2, 3], "tanh", "linear", seed=1), [0.5, 1.5], 2, cross_entropy, seed=4)
    given = {name: number for _, numbers in sheet.given for name, number in numbers.items()}

    def loss(w):
        value = {**given, "w1[2,1]": w}
        z = [math.tanh(sum(value[f"w1[{j},{k}]"] * value[f"x[{j}]"] for j in (1, 2)) + value[f"b1[{k}]"])
             for k in (1, 2)]  # fmt: skip
        y = [sum(value[f"w2[{j},{k}]"] * z[j - 1] for j in (1, 2)) + value[f"b2[{k}]"] for k in (1, 2, 3)]
        return math.log(sum(map(math.exp, y))) - sum(given[f"t[{k}]"] * y[k - 1] for k in (1, 2, 3))

    w, h = given["w1[2,1]"], 1e-5
    assert sheet.answers["dE/dw1[2,1]"] == pytest.approx((loss(w + h) - loss(w - h)) / (2 * h), rel=1e-6)


def test_units_layers_own_activations_shared_weights_and_no_bias():
    unit = Unit(1, lambda u: u.sin(), bias=False)
    unit.weights[0].data = 2.0
    answers = worksheet(unit, [0.5], 0.0, lr=None).answers
    assert answers["delta1[1]"] == pytest.approx(2 * math.sin(1.0) * math.cos(1.0))
    assert list(answers) == ["u1[1]", "z1[1]", "E", "dE/dz1[1]", "delta1[1]", "dE/dw1[1,1]"]
    layer = Layer(1, 2, "linear", bias=False)
    layer[1].weights[0] = layer[0].weights[0]
    layer[0].weights[0].data = 3.0
    answers = worksheet(layer, [2.0], [5.0, 4.0]).answers  # E = (2w - 5)^2 + (2w - 4)^2
    assert answers["dE/dw1[1,1]"] == 2 * 2 * (6 - 5) + 2 * 2 * (6 - 4)


def test_the_network_is_left_alone():
    network = mazur()
    before = [p.data for p in network.parameters()]
    network.parameters()[0].grad = 7.0
    x = [Value(0.05, "x"), 0.1]
    worksheet(network, x, [0.0, 1.0], seed=1).check([])
    assert [p.data for p in network.parameters()] == before
    assert network.parameters()[0].grad == 7.0 and x[0].data == 0.05 and x[0].grad == 0.0
    with pytest.raises(RuntimeError, match="first pass"):
        _ = network[0][0].u


def test_the_sheet_computes_with_the_numbers_it_shows():
    unit = Unit(1, "linear")
    unit.weights[0].data = 1 / 3
    assert worksheet(unit, [3.0], 0.0).answers["u1[1]"] == pytest.approx(0.9999, abs=1e-12)


# Variants.


def test_variants_are_friendly_and_each_another_and_the_same_again():
    sheets = [worksheet(mazur(), [0.5, 0.5], [0, 1], seed=seed) for seed in range(30)]
    again = worksheet(MLP(2, [2, 2], seed=9), [0.5, 0.5], [0, 1], seed=7)
    assert str(again) == str(sheets[7])
    assert len({str(sheet.given) for sheet in sheets}) == 30
    for sheet in sheets:
        for what, numbers in sheet.given:
            for number in numbers.values():
                assert len(f"{number:.15g}".lstrip("-")) <= 4
                assert what != "Target" or number in (0.0, 1.0)
        assert any(sheet.answers[f"delta1[{k}]"] for k in (1, 2))


@pytest.mark.parametrize("seed", range(20))
def test_variants_with_relus_let_a_gradient_through(seed):
    answers = worksheet(MLP(2, [2, 1], "relu"), [1, 1], 1.0, seed=seed).answers
    assert any(answers[f"delta1[{k}]"] for k in (1, 2))


# Marking.


def test_all_right_in_every_form():
    sheet = mazurs_sheet()
    for answers in (sheet.answers, list(sheet.answers.values()), str(sheet.key), sheet.key.markdown):
        marking = sheet.check(answers)
        assert marking
        assert str(marking) == "All 39 steps are right."


def test_a_filled_in_sheet_is_read():
    sheet = mazurs_sheet()
    lines = str(sheet).splitlines()
    at = [n for n, line in enumerate(lines) if line.startswith(("| 1 |", "| 2 |", "| 3 |"))]
    lines[at[0]] = lines[at[0]].replace("________", "__0.3775__")
    lines[at[1]] = "|  2|z1[1]   | by calculator | 0.5933 |"
    lines[at[2]] = lines[at[2]].replace("________", "\N{MINUS SIGN}0.3925")
    marking = sheet.check("\n".join(lines))
    assert marking.named("right") == ["u1[1]", "z1[1]"] and marking.named("wrong") == ["u1[2]"]
    assert marking.first_wrong.slip == "the sign is wrong"
    assert len(marking.named("missing")) == 36


def test_nothing_answered():
    sheet = mazurs_sheet()
    for answers in ({}, [], [None] * 39, str(sheet)):
        marking = sheet.check(answers)
        assert not marking and marking.first_wrong is None
        assert "0 of 39 right, 0 wrong, 39 not answered." in str(marking)
        assert str(marking).endswith("and 31 more")


def test_what_follows_from_a_mistake_is_right_but_said():
    network, layers, x, t = a_case(2)
    slip = 1.0 + layers[0][1][0]  # u1[1] is computed with another bias, and all that follows goes on from it
    wrong = [(layers[0][0], [slip, *layers[0][1][1:]]), layers[1]]
    answers = by_hand(wrong, x, t, "sigmoid", rounded)
    answers["new b1[1]"] -= 1.0  # the true bias
    marking = worksheet(network, x, t).check(answers)
    assert marking.named("wrong") == ["u1[1]"]
    assert marking.first_wrong.number == 1
    assert "z1[1]" in marking.named("follows") and "u1[2]" in marking.named("right")
    assert not marking
    assert "following from an earlier mistake" in str(marking)


@pytest.mark.parametrize("seed", range(5))
def test_any_one_wrong_answer_is_found(seed):
    network, layers, x, t = a_case(seed, "tanh")
    sheet, right = worksheet(network, x, t), by_hand(layers, x, t, "tanh", rounded)
    for number, name in enumerate(sheet.answers, start=1):
        marking = sheet.check({**right, name: right[name] + abs(right[name]) / 50 + 0.002})
        assert not marking
        assert marking.first_wrong.number == number and marking.first_wrong.step.name == name


@pytest.mark.parametrize(
    ("name", "answer", "said"),
    [
        ("u1[1]", 0.0275, "the bias was forgotten"),
        ("u1[1]", 0.37, "w1[1,1] * x[1] was left out"),
        ("u2[1]", 0.4 * 0.3775 + 0.45 * 0.3925 + 0.6, "u was used for z of the units before"),
        ("z1[1]", 0.3775, "the activation is missing"),
        ("z1[1]", math.tanh(0.3775), "tanh was used"),
        ("E", 0.596742218, "twice the loss"),
        ("dE/dz2[1]", 2 * 0.74136507, "a factor 2 too many"),
        ("dE/dz2[1]", -0.74136507, "the sign is wrong"),
        ("delta2[1]", 0.74136507, "the slope z * (1 - z) was forgotten"),
        ("delta2[1]", 1.105905967 * (1 - 1.105905967) * 0.74136507, "u was used for z in the slope"),
        ("delta1[1]", 0.241300709 * 0.138498562 * 0.40, "delta2[2] * w2[1,2] was left out of the sum"),
        ("delta1[1]", 0.241300709 * (0.138498562 * 0.40 - 0.0380982 * 0.45), "wrong index"),
        ("dE/dw2[1,1]", 0.138498562 * 1.0, "z1[1] is missing"),
        ("dE/dw2[1,1]", 0.138498562 * 0.3775, "u1[1] was used for z1[1]"),
        ("dE/dw2[1,1]", 0.138498562 * 0.596884378, "this is delta2[1] * z1[2]"),
        ("dE/dw2[1,1]", -0.0380982 * 0.593269992, "this is delta2[2] * z1[1]"),
        ("new w2[1,1]", 0.4 + 0.5 * 0.082167041, "uphill"),
        ("new w2[1,1]", 0.4 - 0.082167041, "the learning rate was forgotten"),
        ("new w2[1,1]", 0.5 * 0.082167041, "this is the step alone"),
        ("delta2[2]", 0.138498562, "this is delta2[1]"),
        ("z2[1]", 0.75, "rounded to fewer than 4 digits"),
        ("z2[1]", 12.0, ""),
    ],
)
def test_slips_are_recognised(name, answer, said):
    sheet = mazurs_sheet()
    for others in ({}, sheet.answers):
        marking = sheet.check({**others, name: answer})
        assert marking.first_wrong.step.name == name
        assert said in marking.first_wrong.slip
        assert bool(marking.first_wrong.slip) is bool(said)
        assert ("It looks as if" in str(marking)) is bool(said)
        assert name in str(marking)


def test_a_right_answer_without_the_factor_two_of_the_sum_of_squares():
    sheet = worksheet(mazur(), [0.05, 0.10], [0.01, 0.99])
    assert sheet.check({"dE/dz2[1]": 0.74136507}).first_wrong.slip == "the factor 2 is missing"


def test_the_first_wrong_step_is_shown_with_its_numbers():
    lines = str(mazurs_sheet().check({"delta2[1]": 0.7414})).splitlines()
    assert lines[:6] == [
        "0 of 39 right, 1 wrong, 38 not answered.",
        "The first wrong step is 12, delta2[1]: 0.7414 was answered.",
        "  delta2[1] = z2[1] * (1 - z2[1]) * dE/dz2[1]",
        "            = 0.7514 * (1 - 0.7514) * 0.7414",
        "            = 0.1385",
        "  It looks as if the slope z * (1 - z) was forgotten.",
    ]


@pytest.mark.parametrize(
    ("answers", "error", "message"),
    [
        ({"u1[3]": 1.0}, ValueError, r"no step 'u1\[3\]' on this sheet; did you mean 'u\d\[\d\]'\?"),
        ({1: 1.0}, ValueError, "no step 1"),
        ({"z1[1]": "half"}, TypeError, r"step 2, z1\[1\]: a real number is needed"),
        ({"z1[1]": math.nan}, ValueError, r"step 2, z1\[1\]: the answer is nan"),
        ([1.0] * 40, ValueError, "40 answers came for the 39 steps"),
        (3.0, TypeError, "a dict by the names"),
        ({1.0, 2.0}, TypeError, r"not {1.0, 2.0} \(set\)"),
        ("something else", ValueError, "no row of this worksheet"),
        ("| 2 | z1[1] | | 0,59 |", ValueError, r"step 2, z1\[1\]: '0,59' is no number"),
    ],
)
def test_answers_that_cannot_be_marked(answers, error, message):
    with pytest.raises(error, match=message):
        mazurs_sheet().check(answers)


# On paper.


def test_a_sheet_with_blanks_gives_no_answer_away():
    sheet = mazurs_sheet()
    for text in (str(sheet), sheet.html, sheet._repr_html_()):
        assert "0.3775" not in text and "0.2984" not in text and "0.15" in text
    assert str(sheet).count("________") == 39
    assert sheet.html.count("<td></td></tr>") == 39
    assert "0.2984" in sheet.key.html and str(sheet.key) == str(mazurs_sheet(blanks=False))
    assert "@page" in sheet.html and "break-inside: avoid" in sheet.html


def drawn(sheet):
    """The texts of a sheet's figure, in reading order of the SVG."""
    svg = re.search(r"<figure>(.*)</figure>", sheet.html, re.S)[1]
    return " ".join("".join(root.itertext()) for root in [ElementTree.fromstring(svg)])


def test_the_figure_has_blanks_and_the_key_s_has_numbers():
    sheet = mazurs_sheet()
    assert drawn(sheet).count("________") == 4 * 3 + 1  # u, z and delta of four units, and E
    assert "0.5933" not in drawn(sheet) and "= 0.15" in drawn(sheet) and "= 0.35" in drawn(sheet)
    assert "________" not in drawn(sheet.key)
    for number in ("0.5933", "0.1385", "0.2984", "−0.0381"):
        assert number in drawn(sheet.key)
    wide = worksheet(MLP(4, [4, 1], seed=1), [1, 2, 3, 4], 1.0)  # 20 weights: they are in the list only
    assert drawn(wide).count("=") == 4 + 5 * 4 + 2


def test_a_class_is_a_target_for_each_output():
    network = MLP(2, [3], "linear", seed=1)
    by_class = worksheet(network, [1, 2], 1, cross_entropy)
    assert dict(by_class.given)["Target"] == {"t[1]": 0.0, "t[2]": 1.0, "t[3]": 0.0}
    assert by_class.answers == worksheet(network, [1, 2], [0, 1, 0], cross_entropy).answers
    y = [by_class.answers[f"z1[{k}]"] for k in (1, 2, 3)]
    p = [math.exp(v) / sum(map(math.exp, y)) for v in y]
    for k, t in enumerate([0, 1, 0], start=1):
        assert by_class.answers[f"delta1[{k}]"] == pytest.approx(p[k - 1] - t, rel=1e-12)


def test_names_are_text_and_answers_come_back_through_them():
    network = MLP(1, [1])
    hidden = network[0][0]
    hidden.weights[0].label = "<script>|*a*|\n`x`"
    hidden.bias.label = "u1[1]"
    sheet = worksheet(network, [Value(0.5, "</title><img src=x> | 1 |")], 1.0)
    assert "<script" not in sheet.html and "<img" not in sheet.html and "<script" not in str(sheet)
    assert sheet.check(str(sheet.key))
    assert "dE/du1[1] (2)" in sheet.answers
    rows = [line for line in str(sheet.key).splitlines() if line.startswith("| ")]
    assert all(line.replace("\\|", "").count("|") == 5 for line in rows)


def test_labels_that_look_like_steps_do_not_mix_with_them():
    unit = Unit(1, "linear")
    unit.weights[0].label, unit.bias.label = "new b1[1]", "dE/dz1[1]"
    unit.weights[0].data, unit.bias.data = 2.0, 1.0
    sheet = worksheet(unit, [3.0], 0.0)
    assert sheet.answers["u1[1]"] == 7.0 and sheet.answers["delta1[1]"] == 14.0
    assert sheet.check(sheet.key.markdown)


def test_saved(tmp_path):
    sheet = mazurs_sheet()
    assert sheet.save(tmp_path / "sheet.md").read_text() == sheet.markdown
    assert sheet.key.save(str(tmp_path / "key.html")).read_text() == sheet.key.html
    assert sheet.check((tmp_path / "sheet.md").read_text()).named("missing") == list(sheet.answers)
    with pytest.raises(ValueError, match=r"\.md or \.html"):
        sheet.save(tmp_path / "sheet.pdf")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        sheet.save(tmp_path / "nowhere" / "sheet.md")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("network", [1.0], 1.0), TypeError, "an MLP, Layer or Unit is needed, not 'network'"),
        ((MLP(2, [50, 1]), [1, 1], 1.0), ValueError, "51 units with 201 parameters are too many for paper"),
        ((MLP(11, [10, 1]), [1] * 11, 1.0), ValueError, "11 units with 131 parameters"),
        ((MLP(2, [1]), [1], 1.0), ValueError, "takes 2 inputs, and 1 came"),
        ((MLP(2, [1]), [1, math.inf], 1.0), ValueError, "finite numbers throughout"),
        ((MLP(2, [3]), [1, 1], 3, cross_entropy), IndexError, "a class from 0 to 2, not 3"),
        ((MLP(2, [3]), [1, 1], 0.5, cross_entropy), IndexError, "a class from 0 to 2, not 0.5"),
        ((MLP(2, [3]), [1, 1], [1.0, 0.0]), ValueError, "3 predictions and 2 targets"),
        ((MLP(2, [1]), [1, 1], "yes"), TypeError, "the target: a real number is needed"),
        ((MLP(2, [1]), [1, 1], ["yes"]), TypeError, "target 1: a real number is needed"),
        ((MLP(2, [1]), [1, 1], 1.0, squared_error, True, -1), ValueError, "seed is a whole number"),
        ((MLP(2, [1]), [1, 1], 1.0, squared_error, True, 1.5), ValueError, "not 1.5"),
        ((MLP(2, [1]), [1, 1], 1.0, squared_error, True, 1, "fast"), TypeError, "lr: a real number"),
        ((MLP(2, [1]), [1, 1], 1.0, lambda y, t: 3.0), TypeError, "the loss must return a Value, not 3.0"),
    ],
)
def test_what_has_no_sheet(arguments, error, message):
    with pytest.raises(error, match=message):
        worksheet(*arguments)


def test_digits_are_a_count():
    with pytest.raises(ValueError, match="digits is a whole number"):
        mazurs_sheet(digits=0)
    assert mazurs_sheet(digits=6).check({"z1[1]": 0.5933}).named("wrong") == ["z1[1]"]
    assert mazurs_sheet(digits=6).check({"z1[1]": 0.59327}).named("right") == ["z1[1]"]
