"""The page that shows a training: what it carries, and how it behaves in a browser."""

import json
import math
import re
from itertools import pairwise

import pytest
from test_page import HOSTILE, Parts

from microbp import (
    MLP,
    SGD,
    Adam,
    Unit,
    Value,
    binary_cross_entropy,
    cross_entropy,
    datasets,
    fit,
    squared_error,
    sum,
)
from microbp.show.page import Page
from microbp.show.watch import LETTERS, LEVELS, MOST_FRAMES, MOST_SAMPLES, evenly, watch

X, Y = datasets.xor()
H = 1e-5


def xor_network(epochs: int, **options):
    """A 2-2-1 network after so many epochs, and the history."""
    network = MLP(2, [2, 1], seed=1)
    history = (
        fit(network, X, Y, optimizer=SGD(2.0), epochs=epochs, progress=False, **options) if epochs else None
    )
    return network, history


def carried(page) -> dict:
    return json.loads(re.search(r"const DATA = (.*);\n", page.html)[1])


def sigmoid(u: float) -> float:
    return 1.0 / (1.0 + math.exp(-u))


def by_hand(p: list[float], x: list[float], t: float, moved: str = "", h: float = 0.0) -> list[float]:
    """E, y and u, z of the three units of a 2-2-1 network, by plain arithmetic; one u may be moved by h."""
    shift = {moved: h}
    u1 = p[0] * x[0] + p[1] * x[1] + p[2] + shift.get("u1", 0.0)
    u2 = p[3] * x[0] + p[4] * x[1] + p[5] + shift.get("u2", 0.0)
    z1, z2 = sigmoid(u1), sigmoid(u2)
    u3 = p[6] * z1 + p[7] * z2 + p[8] + shift.get("u3", 0.0)
    y = sigmoid(u3)
    return [(y - t) ** 2, y, u1, z1, u2, z2, u3, y]


def delta(p, x, t, unit: str) -> float:
    return (by_hand(p, x, t, unit, H)[0] - by_hand(p, x, t, unit, -H)[0]) / (2 * H)


def slope(p, x, t, k: int) -> float:
    """dE/dp[k] by a central difference."""
    up, down = ([v + h * (i == k) for i, v in enumerate(p)] for h in (H, -H))
    return (by_hand(up, x, t)[0] - by_hand(down, x, t)[0]) / (2 * H)


# What it carries.


def test_passes_are_those_of_shorter_trainings():
    _, history = xor_network(30, record=10)
    data = carried(watch(history))
    assert data["epochs"] == [0, 10, 20, 30]
    for epoch, frame in zip(data["epochs"], data["frames"]):
        p = [parameter.data for parameter in xor_network(epoch)[0].parameters()]
        assert frame["parameters"] == pytest.approx(p, rel=1e-5)
        for x, t, numbers in zip(X, Y, frame["passes"]):
            E, y, u1, z1, u2, z2, u3, z3 = by_hand(p, x, t)
            deltas = [delta(p, x, t, unit) for unit in ("u1", "u2", "u3")]
            expected = [E, y, u1, z1, deltas[0], u2, z2, deltas[1], u3, z3, deltas[2]]
            assert numbers[:11] == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_it_changes_no_parameter_and_no_gradient():
    network, history = xor_network(5, record=1)
    for k, parameter in enumerate(network.parameters()):
        parameter.data, parameter.grad = 0.1 * k, -0.2 * k
    watch(history)
    assert [(p.data, p.grad) for p in network.parameters()] == [(0.1 * k, -0.2 * k) for k in range(9)]


def test_it_puts_parameters_back_after_an_error():
    calls = []

    def fails_later(y, t):
        calls.append(t)
        if len(calls) > 22:
            raise RuntimeError("enough")
        return squared_error(y, t)

    network, history = xor_network(3, loss=fails_later, record=1)
    for parameter in network.parameters():
        parameter.data, parameter.grad = 0.25, 0.5
    with pytest.raises(RuntimeError, match="enough"):
        watch(history)
    assert {(p.data, p.grad) for p in network.parameters()} == {(0.25, 0.5)}


def test_what_is_refused():
    with pytest.raises(TypeError, match=r"a History is needed, as fit\(...\) returns it, not \[0.5, 0.25\]"):
        watch([0.5, 0.25])
    with pytest.raises(ValueError, match=r"only losses; train with fit\(..., record=1\)"):
        watch(xor_network(2)[1])


def test_things_are_taken_evenly_with_both_ends():
    for n in range(1, 200):
        taken = evenly(range(n), 60)
        assert taken[0] == 0 and taken[-1] == n - 1 and len(taken) == min(n, 60)
        gaps = [b - a for a, b in pairwise(taken)]
        assert not gaps or max(gaps) - min(gaps) <= 1


@pytest.fixture(scope="module")
def moons():
    points, classes = datasets.moons(100, seed=1)
    network = MLP(2, [16, 16, 1], "tanh", output_activation="sigmoid", seed=1)
    options = {"epochs": 70, "batch_size": 50, "seed": 1, "record": 1, "progress": False}
    history = fit(network, points, classes, binary_cross_entropy, Adam(0.02), **options)
    return network, watch(history)


def test_a_page_has_limits(moons):
    _, made = moons
    data = carried(made)
    assert len(made.html) < 3_000_000
    assert len(data["epochs"]) == MOST_FRAMES and data["epochs"][0] == 0 and data["epochs"][-1] == 70
    numbers = [sample["number"] for sample in data["samples"]]
    assert len(numbers) <= MOST_SAMPLES and numbers[0] == 1 and numbers[-1] == 100
    assert len(data["surface"]["dots"]) == 100


def test_the_surface_is_what_the_network_answers(moons):
    network, made = moons
    data = carried(made)
    surface = data["surface"]
    n = surface["resolution"]
    (low1, high1), (low2, high2) = surface["x1"], surface["x2"]
    leads = []
    for k, letter in enumerate(surface["cells"][-1]):  # the last frame is the network as it is
        x1, x2 = low1 + (high1 - low1) * (k % n) / (n - 1), low2 + (high2 - low2) * (k // n) / (n - 1)
        y = network([x1, x2]).data
        place = LETTERS.index(letter)
        leads.append((abs(y - 0.5), place % LEVELS))
        if abs(y - 0.5) > 1e-4:
            assert place // LEVELS == (y > 0.5)
    assert len(leads) == n * n
    levels = [level for _, level in sorted(leads)]
    assert levels[0] == 0 and levels[-1] == LEVELS - 1
    assert [abs(a - b) for a, b in zip(levels, sorted(levels)) if a != b] in ([], [1] * 2, [1] * 4)


def test_four_inputs_have_no_surface():
    flowers, species = datasets.iris()
    network = MLP(4, [3, 3], "tanh", output_activation="linear", seed=1)
    history = fit(network, flowers, species, cross_entropy, epochs=2, record=1, progress=False)
    data = carried(watch(history))
    assert data["surface"] is None and data["outputs"] == 3
    for sample, numbers in zip(data["samples"], data["frames"][-1]["passes"]):
        outputs = [z.data for z in network(flowers[sample["number"] - 1])]
        right = species[sample["number"] - 1]
        E = math.log(math.fsum(math.exp(u) for u in outputs)) - outputs[right]
        assert numbers[:4] == pytest.approx([E, *outputs], rel=1e-5)


def test_a_network_too_large_to_draw_is_shown_without_a_picture():
    network = MLP(2, [40, 40, 1], seed=1)
    data = carried(watch(fit(network, X, Y, epochs=1, record=1, progress=False)))
    assert data["picture"] is None
    assert data["note"] == "The network has 1,720 weights, more than the 1,000 that can be drawn here."
    w = Value(0.5, "w")
    history = fit(lambda x: w * x, X[1], [1, 1], parameters=[w], epochs=1, record=1, progress=False)
    assert "No units were found" in carried(watch(history))["note"] or carried(watch(history))["picture"]


def test_a_weight_decay_in_the_loss_is_part_of_the_gradient():
    network = MLP(1, [1], "linear", seed=1)
    [[unit]] = network
    [w], b = unit.weights, unit.bias

    def loss(y, t):
        return squared_error(y, t) + 0.5 * sum([w * w, b * b])

    history = fit(network, [[2.0]], [1.0], loss, SGD(0.01), epochs=1, record=1, progress=False)
    data = carried(watch(history))
    [line] = data["picture"]["lines"]
    kind, place = line["gradient"]
    last = data["frames"][-1]["passes"][0]
    assert kind == "pass"
    assert last[place] == pytest.approx(2 * (2 * w.data + b.data - 1) * 2 + w.data, rel=1e-5)


def test_a_users_text_stays_text():
    w, b = Value(0.5, HOSTILE), Value(0.1, "<b>")

    def network(x):
        return (w * Value(x, HOSTILE) + b).sigmoid()

    def loss(y, t):
        E = (y - t) ** 2
        E.label = HOSTILE
        return E

    history = fit(network, [1.0, 2.0], [0, 1], loss, parameters=[w, b], epochs=2, record=1, progress=False)
    tags = [tag for tag, _ in Parts(watch(history).html).found]
    assert tags.count("script") == 1 and "img" not in tags


def test_a_network_that_cannot_be_asked_everywhere_has_no_surface():
    w = Value(0.5, "w")

    def network(x):
        return (w * Value(x[0], "a")).log() * Value(x[1], "b")  # only for a above 0

    history = fit(network, [[0.1, 0], [3, 1]], [0, 1], parameters=[w], epochs=2, record=1, progress=False)
    assert carried(watch(history))["surface"] is None


# In a browser.


@pytest.fixture
def open_page(open_in_browser):
    """A function that opens a page, or the one of a history."""
    return lambda shown, address="", **options: open_in_browser(
        shown if isinstance(shown, Page) else watch(shown), address, **options
    )


def epoch(tab) -> str:
    return tab.inner_text("#count")


def shown(tab, box: str) -> list[float]:
    texts = tab.locator(f"[id='{box}'] text[data-number]")
    return [float(text.get_attribute("data-number")) for text in texts.all()]


def test_buttons_slider_keys_and_address_move(open_page):
    _, history = xor_network(50, record=10)
    tab = open_page(history)
    assert epoch(tab) == "epoch 0 / 50" and tab.is_disabled("#back") and tab.is_disabled("#first")
    tab.click("#next")
    assert epoch(tab) == "epoch 10 / 50"
    tab.keyboard.press("ArrowRight")
    assert epoch(tab) == "epoch 20 / 50" and tab.url.endswith("#epoch=20")
    tab.keyboard.press("ArrowLeft")
    assert epoch(tab) == "epoch 10 / 50"
    tab.keyboard.press("End")
    assert epoch(tab) == "epoch 50 / 50" and tab.is_disabled("#next")
    tab.click("#back")
    assert epoch(tab) == "epoch 40 / 50"
    tab.keyboard.press("Home")
    assert epoch(tab) == "epoch 0 / 50"
    tab.fill("#slider", "3")
    assert epoch(tab) == "epoch 30 / 50"
    tab.click("#first")
    assert epoch(tab) == "epoch 0 / 50"
    tab.evaluate("location.hash = '#epoch=40'")
    tab.wait_for_selector("#count:text-is('epoch 40 / 50')")
    assert epoch(open_page(history, "#epoch=20")) == "epoch 20 / 50"


def test_it_plays_to_the_end_and_pauses(open_page):
    tab = open_page(xor_network(30, record=10)[1])
    tab.click("#play")
    assert tab.inner_text("#play") == "pause"
    tab.wait_for_selector("#play:text-is('play')")
    assert epoch(tab) == "epoch 30 / 30"
    tab.click("#play")
    tab.click("#play")
    assert tab.inner_text("#play") == "play" and epoch(tab) != "epoch 30 / 30"


def test_a_click_on_the_curve_goes_there(open_page):
    tab = open_page(xor_network(50, record=10)[1])
    box = tab.locator("#loss").bounding_box()
    tab.mouse.click(box["x"] + box["width"] * 0.95, box["y"] + box["height"] / 2)
    assert epoch(tab) == "epoch 50 / 50"
    tab.mouse.click(box["x"] + box["width"] * 0.15, box["y"] + box["height"] / 2)
    assert epoch(tab) == "epoch 0 / 50"


@pytest.mark.parametrize("frame", [0, 2, 3])
def test_the_numbers_shown_are_those_of_the_epoch_and_the_sample(open_page, frame):
    tab = open_page(xor_network(30, record=10)[1])
    tab.select_option("#sample", "2")
    tab.fill("#slider", str(frame))
    p = [parameter.data for parameter in xor_network(10 * frame)[0].parameters()]
    x, t = X[2], Y[2]
    E, y, u1, z1, u2, z2, u3, z3 = by_hand(p, x, t)

    def close(numbers):
        return pytest.approx(numbers, rel=2e-5, abs=1e-9)

    assert shown(tab, "unit-u0") == close([p[2], u1, z1, delta(p, x, t, "u1")])
    assert shown(tab, "unit-u1") == close([p[5], u2, z2, delta(p, x, t, "u2")])
    assert shown(tab, "unit-u2") == close([p[8], u3, z3, delta(p, x, t, "u3")])
    assert shown(tab, "unit-x0") + shown(tab, "unit-x1") == x
    assert shown(tab, "unit-f0") == close([E])
    assert shown(tab, "pill-f0_0") == close([2 * (y - t)])
    for pill, k in enumerate([0, 1, 3, 4, 6, 7]):
        assert shown(tab, f"pill-w{pill}") == close([p[k], slope(p, x, t, k)])
        width = float(tab.get_attribute(f"[id='edge-w{pill}-u{pill // 2}'] path", "stroke-width"))
        largest = max(abs(p[k]) for k in (0, 1, 3, 4, 6, 7))
        assert width == pytest.approx(1 + 2.2 * abs(p[k]) / largest, rel=1e-4)
    summary = tab.inner_text("#summary")
    assert f"sample 3: output {y:#.3g}, target 1, E = {E:#.3g}." in summary
    if frame:
        assert f"After epoch {10 * frame}" in summary
    else:
        assert summary.startswith("Before training; sample 3")


def test_shared_weights_show_what_each_use_adds(open_page):
    unit = Unit(1, seed=1)
    history = fit(
        lambda x: unit([unit([x])]),
        [0.3],
        [1],
        parameters=unit.parameters(),
        epochs=1,
        record=1,
        progress=False,
    )
    tab = open_page(history)
    w, b = history.record.snapshots[0].numbers

    def error(w, b):
        return (sigmoid(w * sigmoid(w * 0.3 + b) + b) - 1) ** 2

    first, second = shown(tab, "pill-w0"), shown(tab, "pill-w1")
    expected = (error(w + H, b) - error(w - H, b)) / (2 * H)
    assert first[0] == second[0] == pytest.approx(w, rel=1e-5)
    assert first[1] + second[1] == pytest.approx(expected, rel=1e-5)
    assert first[2] == second[2] == pytest.approx(expected, rel=1e-5)


def test_units_too_many_for_numbers_are_coloured_by_delta(open_page):
    network = MLP(2, [15, 15, 15, 15, 1], seed=1)
    tab = open_page(fit(network, X, Y, epochs=2, record=1, progress=False))
    tab.keyboard.press("End")
    network.zero_grad()
    squared_error(network(X[0]), Y[0]).backward()
    units = [unit for layer in network for unit in layer]
    largest = max(abs(unit.delta) for unit in units)
    for k, unit in enumerate(units):
        fill = tab.get_attribute(f"#unit-u{k} ellipse", "fill")
        red, blue = int(fill[1:3], 16), int(fill[5:7], 16)
        assert (red > blue) == (unit.delta > 0)
        if abs(unit.delta) == largest:
            assert fill in ("#FDB863", "#B2ABD2")
    line = tab.locator("[id^='edge-u'][id$='-u60'] path").first
    assert line.get_attribute("stroke") in ("#B35806", "#542788")


def test_training_that_was_interrupted_at_once_is_shown(open_page):
    calls = []

    def interrupted(y, t):
        calls.append(t)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return squared_error(y, t)

    tab = open_page(xor_network(3, loss=interrupted, record=1)[1])
    assert epoch(tab) == "epoch 0 / 0" and tab.is_disabled("#next")


def test_a_long_training_says_the_loss_of_each_recorded_epoch(open_page):
    w = Value(0.0, "w")
    options = {"parameters": [w], "optimizer": SGD(0.0001), "epochs": 2501, "progress": False}
    history = fit(lambda x: w * x, [1], [1], record=100, **options)
    tab = open_page(history, "#epoch=1300")
    assert f"After epoch 1,300, training loss {history.loss[1299]:#.3g};" in tab.inner_text("#summary")


def test_a_mark_in_the_plane_chooses_its_sample(open_page):
    tab = open_page(xor_network(10, record=5)[1])
    tab.locator("#surface .choice").nth(3).click()
    assert tab.input_value("#sample") == "3" and "sample 4:" in tab.inner_text("#summary")


COLOUR_AT = """([x1, x2]) => {
  const n = SURFACE.resolution;
  const place = (x, [low, high]) => Math.round(((n - 1) * (x - low)) / (high - low));
  const copy = Object.assign(document.createElement("canvas"), { width: n, height: n });
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(document.querySelector("#surface canvas"), 0, 0);
  const [column, row] = [place(x1, SURFACE.x1), n - 1 - place(x2, SURFACE.x2)];
  return [...context.getImageData(column, row, 1, 1).data].slice(0, 3);
}"""


def test_the_colour_of_the_surface_is_the_class(open_page, moons):
    network, made = moons
    tab = open_page(made)
    tab.keyboard.press("End")
    for point in ([-1.0, 0.3], [2.0, 0.2]):
        red, _, blue = tab.evaluate(COLOUR_AT, point)
        assert (red > blue) == (network(point).data > 0.5)  # orange for above, violet for below


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 360])
def test_it_fits_its_window(open_page, moons, scheme, width):
    tab = open_page(moons[1], color_scheme=scheme, viewport={"width": width, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    tab.click("#theme")
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "dark" else "rgb(22, 24, 29)")


def test_a_loss_of_many_decades_is_drawn_on_a_logarithmic_scale(open_page):
    w = Value(0.0, "w")
    history = fit(
        lambda x: w * x, [1], [1], parameters=[w], optimizer=SGD(0.2), epochs=20, record=1, progress=False
    )
    assert history.loss[0] / history.loss[-1] > 1000
    tab = open_page(history)
    labels = tab.locator("#loss text").all_text_contents()
    assert "0.01" in labels and "1" in labels and "0" in labels  # the last is an epoch


def test_what_is_computed_from_a_sample_before_the_first_layer(open_page):
    """A box of its own, with the number of the sample that is chosen."""
    inner = MLP(2, [2, 1], seed=1)

    class WithProduct:
        def __call__(self, x):
            product = Value(x[0], "a") * x[1]
            product.label = "p"
            return inner([product, x[1]])

        def parameters(self):
            return inner.parameters()

    points = [[0.3, 0.6], [0.5, -0.7]]
    tab = open_page(fit(WithProduct(), points, [0.0, 1.0], epochs=2, record=1, progress=False))
    for k, (a, b) in enumerate(points):
        tab.select_option("#sample", str(k))
        assert shown(tab, "unit-f0") == [pytest.approx(a * b, rel=1e-5)]
        assert "".join(tab.locator("#unit-f0 text").all_text_contents()).startswith("pp = ")
    drawn = "".join(tab.locator("#network text").all_text_contents())
    assert "1.23e−10" not in drawn  # the widest number, for which the boxes have room
