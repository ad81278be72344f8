"""The step-through page: what it carries, and how it behaves in a browser."""

import math
import random
import re
from dataclasses import replace

import pytest
from test_page import HOSTILE, Parts
from test_passes import random_graph

import microbp
from microbp import MLP, RULES, Value, cross_entropy, explore, squared_error, steps
from microbp.show import style
from microbp.show.javascript import as_javascript
from microbp.traversal import derivatives, leaves, topological
from microbp.value import apply


@pytest.fixture
def open_page(open_in_browser):
    """A function that opens explore(output)."""
    return lambda output, address="", **options: open_in_browser(explore(output), address, **options)


def small_network() -> tuple[MLP, Value]:
    network = MLP(2, [2, 1], seed=1)
    E = squared_error(network([0.05, 0.9]), 0.9)
    E.label = "E"
    return network, E


def numbers(tab, output: Value, what: str) -> list[float]:
    boxes = "[...document.querySelectorAll('#values .value')]"
    found = tab.evaluate(f"(what) => {boxes}.map((box) => [box.id, box.dataset[what]])", what)
    at = {box: float(text.replace("Infinity", "inf")) for box, text in found}
    return [at[f"value-n{k}"] for k in range(len(topological(output)))]


def agree(tab, output: Value) -> None:
    """The page's values and gradients are Python's to 1e-12."""
    gradients = derivatives(output)
    for what, expected in (
        ("value", [node.data for node in topological(output)]),
        ("gradient", [gradients[node] for node in topological(output)]),
    ):
        size = max(map(abs, expected))
        assert numbers(tab, output, what) == pytest.approx(expected, rel=1e-12, abs=1e-15 * size)


# What it is made of.


def test_it_changes_nothing():
    _, E = small_network()
    E.backward(0.5)
    before = [(node.data, node.grad, node.label) for node in topological(E)]
    explore(E)
    assert [(node.data, node.grad, node.label) for node in topological(E)] == before


def test_a_users_text_stays_text():
    a = Value(2.0, HOSTILE)
    E = (a * Value(3.0, "<b>")).tanh()
    E.label = HOSTILE
    parts = Parts(explore(E).html)
    tags = [tag for tag, _ in parts.found]
    assert tags.count("script") == 1 and "img" not in tags


def test_what_is_refused():
    with pytest.raises(TypeError, match=r"explore: a Value is needed, such as a loss, .*, not None"):
        explore(None)  # type: ignore[arg-type]
    x = Value(1.0)
    for _ in range(3000):
        x = x + 1
    with pytest.raises(
        ValueError, match=r"more than 2,000 nodes or 8,000 edges, too many .*; explore a smaller"
    ):
        explore(x)


def test_a_large_graph_is_refused_before_all_of_it_is_walked(monkeypatch):
    x = Value(1.0)
    for _ in range(300_000):
        x = x + 1
    monkeypatch.setattr("microbp.show.stepper.topological", lambda output: pytest.fail("it was walked"))
    with pytest.raises(ValueError, match="more than 2,000 nodes"):
        explore(x)


def test_an_operation_of_ones_own_is_shown_if_it_can_be_read():
    cube = replace(RULES["exp"], name="cube", forward="x * x * x", partials=("3 * x * x",))
    x = Value(2.0, "x")
    assert "(x_ * x_) * x_" in explore(apply(cube, [x])).html
    gamma = replace(RULES["exp"], name="gamma", forward="gamma(x)", partials=("1",))
    with pytest.raises(ValueError, match=r"the operation 'gamma' cannot be shown in a page.*'gamma\(x\)'"):
        as_javascript(gamma)


# In a browser.


def test_the_table_in_javascript_is_the_table_in_python(browser):
    """Every row, values and slopes, at random points within its domain."""
    from microbp.show.page import asset

    draw = random.Random(7)
    tab = browser.new_page()
    functions = asset("stepper.js").partition("const NODES")[0]
    for rule in RULES.values():
        row = as_javascript(rule)
        for _ in range(20):
            operands = []
            for name in rule.parameters:
                if name.endswith("s"):
                    operands.append([draw.uniform(-3, 3) for _ in range(3)])
                elif rule.name == "pick":
                    operands.append(draw.randrange(3))
                elif rule.name in ("log", "sqrt", "exponentiation", "power"):
                    operands.append(draw.uniform(0.1, 3))
                else:
                    operands.append(draw.choice([0.0, -1.0, draw.uniform(-3, 3), draw.uniform(-30, 30)]))
            if rule.name == "quotient":
                operands[1] = operands[1] or 1.0
            agrees_with_python(tab, functions, rule, row, operands)
    tab.close()


def agrees_with_python(tab, functions, rule, row, operands, rel=1e-13):
    flat = [x for each in operands for x in (each if isinstance(each, list) else [each])]
    value, slopes = rule.evaluate(flat)
    found = tab.evaluate(
        f"(operands) => {{ {functions}; const row = {row}; const z = row.forward(...operands);"
        " return [z, row.partials(z, ...operands)]; }",
        operands,
    )
    assert found[0] == pytest.approx(value, rel=rel, abs=1e-300), rule.name
    assert found[1] == pytest.approx(list(slopes), rel=1e-12, abs=1e-15), rule.name


@pytest.mark.parametrize(
    "us", [[300.7, -300.6, 12.34], [0.1, -639.9], [1e17, 1e17, -3.0], [1e308, -1e308], [2.0]]
)
def test_cross_entropy_in_javascript_is_as_accurate_as_in_python(browser, us):
    from microbp.show.page import asset

    tab = browser.new_page()
    functions = asset("stepper.js").partition("const NODES")[0]
    rule = RULES["cross_entropy"]
    for ts in [1.0] + [0.0] * (len(us) - 1), [1 / len(us)] * len(us):
        agrees_with_python(tab, functions, rule, as_javascript(rule), [ts, us], rel=1e-15)
    tab.close()


@pytest.mark.parametrize("seed", range(8))
def test_random_graphs_evaluate_to_pythons_numbers_also_after_edits(open_page, seed):
    _, E = random_graph(seed, size=25)
    tab = open_page(E)
    agree(tab, E)
    for leaf in leaves(E):
        leaf.data = round(leaf.data * 0.7 + 0.123, 6)
        field = tab.locator(f"#leaf-{topological(E).index(leaf)}")
        field.fill(repr(leaf.data))
        field.press("Enter")
    E.recompute()
    agree(tab, E)
    assert tab.inner_text("#message") == ""


def test_every_control(open_page):
    _, E = small_network()
    n = sum(1 for s in steps(E).forward if s.formula) + 1 + len(steps(E).backward)
    first_back = sum(1 for s in steps(E).forward if s.formula) + 1
    tab = open_page(E)

    def at() -> int:
        here, _, last = tab.inner_text("#count").partition(" / ")
        assert int(last) == n and tab.evaluate("location.hash") == f"#{here}"
        assert tab.input_value("#slider") == here
        return int(here)

    assert at() == 1 and tab.is_disabled("#back")
    tab.click("#next")
    assert at() == 2
    tab.keyboard.press("ArrowRight")  # a button that was clicked does not keep the arrow keys
    assert at() == 3
    tab.keyboard.press("ArrowLeft")
    tab.click("#back")
    assert at() == 1
    tab.click("#phase")
    assert at() == first_back and tab.inner_text("#phase") == "to forward pass"
    assert tab.inner_text("#title") == "Backward: start at the output"
    tab.click("#phase")
    assert at() == 1
    tab.locator("#title").click()
    for key, place in [("ArrowRight", 2), (" ", 3), ("ArrowLeft", 2), ("End", n), ("Home", 1)]:
        tab.keyboard.press(key)
        assert at() == place, key
    tab.locator("#slider").fill("9")
    assert at() == 9
    tab.click("#first")
    assert at() == 1
    tab.keyboard.press("End")
    assert tab.is_disabled("#next")
    tab.click("#play")  # from the end it starts again
    assert tab.inner_text("#play") == "pause" and at() == 1
    tab.click("#play")
    assert tab.inner_text("#play") == "play"


def test_play_goes_on_by_itself(open_page):
    tab = open_page(small_network()[1])
    tab.click("#play")
    tab.wait_for_timeout(2200)
    assert int(tab.inner_text("#count").split(" / ")[0]) >= 3


def test_a_link_to_a_step_and_a_click_on_a_node(open_page):
    network, E = small_network()
    nodes = topological(E)
    tab = open_page(E, "#5")
    assert tab.inner_text("#count").startswith("5 / ")
    z = nodes.index(network[0][1].z)
    tab.locator(f"#value-n{z}").click()
    assert tab.inner_text("#title") == "Forward: compute z12"  # the index is a subscript
    tab.click("#phase")
    tab.locator(f"#value-n{z}").press("Enter")
    assert tab.inner_text("#title") == "Backward: from u21 to z12"


def shown(tab, k: int) -> tuple[bool, bool]:
    """Whether a box shows its value, and its gradient."""
    hidden = [
        "hidden" in (tab.locator(f'#value-n{k} text[fill="{fill}"]').last.get_attribute("class") or "")
        for fill in ("#00639C", "#6B2D00")
    ]
    return not hidden[0], not hidden[1]


def test_each_step_shows_what_is_known_by_then(open_page):
    _, E = small_network()
    nodes = topological(E)
    record = steps(E)
    computed = [s.node for s in record.forward if s.formula]
    tab = open_page(E)
    tab.locator("#title").click()
    sequence = [*computed, None, *record.backward]
    seen, arrived = set(leaves(E)), {}
    for step in sequence:
        if isinstance(step, Value):
            seen.add(step)
        elif step is None:
            arrived[E] = 1.0
        else:
            arrived[step.node] = step.total
        for k, node in enumerate(nodes):
            assert shown(tab, k) == (node in seen, node in arrived)
        tab.keyboard.press("ArrowRight")
    for k, node in enumerate(nodes):
        text = tab.locator(f'#value-n{k} text[fill="#6B2D00"]').last.inner_html()
        assert float(text.replace("−", "-")) == pytest.approx(arrived[node], rel=6e-3, abs=1e-12)


def test_the_equations_of_a_step(open_page):
    w, x = Value(2.0, "w"), Value(-3.0, "x")
    p = w * x
    E = p + w * 4
    p.label, E.label = "p", "E"  # dE/dw = x + 4 = 1
    tab = open_page(E)
    assert tab.inner_text("#equation") == "p = w·x = 2·(−3) = −6"
    tab.keyboard.press("End")
    assert tab.inner_text("#title") == "Backward: from p to x"
    tab.locator("#title").click()
    tab.keyboard.press("ArrowLeft")
    assert tab.inner_text("#equation").split("\n") == [
        "∂E/∂w gets ∂p/∂w · ∂E/∂p = x · ∂E/∂p = (−3) × 1 = −3",
        "so far ∂E/∂w = 4 + (−3) = 1, all have arrived",
    ]
    assert "∂E/∂w = 1, the sum over 2 paths to E" in tab.inner_text("#paths")
    assert tab.locator("#paths li").all_inner_texts() == ["w › v1 › E: 4", "w › p › E: −3"]


def test_units_speak_of_deltas_and_both_views_keep_step(open_page):
    network, E = small_network()
    tab = open_page(E)
    tab.click('.tab[data-view="units"]')
    assert tab.is_visible("#units") and not tab.is_visible("#values")

    def rows(selector: str) -> list[bool]:
        texts = tab.locator(f"{selector} text").all()
        return ["hidden" in (text.get_attribute("class") or "") for text in texts]

    assert any(rows("#unit-u2"))  # nothing is known yet of the output unit but its bias
    tab.click("#phase")
    assert tab.locator("#unit-u2 text").last.get_attribute("class") == "hidden"
    tab.locator("#title").click()
    tab.keyboard.press("End")
    assert not any(rows("#unit-u2")) and not any(rows("#pill-w0"))
    gradients = derivatives(E)
    for k, unit in enumerate(unit for layer in network for unit in layer):
        text = tab.locator(f"#unit-u{k} text").last.inner_html()
        assert float(text.replace("−", "-")) == pytest.approx(gradients[unit._pass[0]], rel=6e-3)
    assert "δ1" in tab.inner_text("#equation")
    weight = network[0][0].weights[0]
    text = tab.locator("#pill-w0 text").last.inner_html()
    assert float(text.strip(" =").replace("−", "-")) == pytest.approx(gradients[weight], rel=6e-3)
    tab.click('.tab[data-view="values"]')
    assert tab.is_visible("#values") and not tab.is_visible("#units")


def test_an_edited_weight_changes_the_picture_of_units_too(open_page):
    network, E = small_network()
    tab = open_page(E)
    weight = network[1][0].weights[1]
    tab.locator(f"#leaf-{topological(E).index(weight)}").fill("-7.25")
    tab.keyboard.press("Enter")
    texts = tab.locator("#pill-w5 text").all()
    assert any(text.inner_html() == " = −7.25" for text in texts)
    weight.data = -7.25
    E.recompute()
    agree(tab, E)
    tab.click("#reset")
    assert numbers(tab, E, "value")[topological(E).index(weight)] != -7.25


def test_what_cannot_be_is_said_and_the_last_numbers_stay(open_page):
    x = Value(2.0, "x")
    E = x.log() * x.exp()
    E.label = "E"
    tab = open_page(E)
    field = tab.locator("#leaf-0")
    for entry, message in [
        ("-1", "Not changed: log of −1 (node v1): it needs x > 0"),
        ("1e4", "Not changed: exp of 10000 (node v2): the result is too large for a number"),
        ("two", "Not changed: x needs a number, not 'two'"),
        ("", "Not changed: x needs a number, not ''"),
    ]:
        field.fill(entry)
        field.press("Enter")
        field.blur()
        assert tab.inner_text("#message") == message
        assert field.get_attribute("aria-invalid") == "true"
        agree(tab, E)
    tab.click("#reset")
    assert tab.inner_text("#message") == "" and field.input_value() == "2"


def test_a_nudge_shows_the_prediction_beside_what_happens(open_page):
    network, E = small_network()
    weight = network[1][0].weights[0]
    tab = open_page(E)
    tab.select_option("#nudged", label="w2[1,1]")
    tab.fill("#h", "0.5")
    gradient, before = derivatives(E)[weight], E.data
    weight.data += 0.5
    E.recompute()
    assert float(tab.get_attribute("#nudge", "data-predicted")) == pytest.approx(0.5 * gradient, rel=1e-12)
    assert float(tab.get_attribute("#nudge", "data-real")) == pytest.approx(E.data - before, rel=1e-10)
    tab.fill("#h", "much")
    assert tab.inner_text("#nudge") == "By how much? A number is needed."


def test_markup_in_labels_is_shown_as_text(open_page):
    a, b = Value(2.0, HOSTILE), Value(3.0, "<b>b</b>")
    E = (a * b).tanh()
    E.label = "<i>E</i>"
    tab = open_page(E)
    assert "<b>b</b>" in tab.inner_text("#equation")
    assert tab.locator("#equation b b, img").count() == 0
    tab.keyboard.press("End")
    assert "<i>E</i>" in tab.inner_text("#paths")


def test_edited_data_are_said(open_page):
    a = Value(2.0, "a")
    b = a * 3
    b.label = "b"
    a.data = 5.0
    tab = open_page(b)
    assert "Numbers were assigned since b was computed" in tab.inner_text("#message")
    assert numbers(tab, b, "value") == [5.0, 15.0]


def test_numbers_that_are_not_finite_are_shown(open_page):
    a = Value(math.inf, "a")
    tab = open_page(a * 0)
    assert math.isnan(numbers(tab, a * 0, "value")[1])
    tab.click("#next")


def test_astronomically_many_paths_are_counted(open_page):
    x = Value(1.0, "a")
    for _ in range(80):
        x = x * 0.5 + x * 0.5
    tab = open_page(x)
    tab.locator("#value-n0").click()
    assert f"the sum over {2**80:,} paths" in tab.inner_text("#paths")


@pytest.mark.parametrize("width", [360, 800, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_window_in_light_and_dark(open_page, width, scheme):
    tab = open_page(small_network()[1], viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    ground = "getComputedStyle(document.body).backgroundColor"
    before = tab.evaluate(ground)
    assert (before == "rgb(255, 255, 255)") == (scheme == "light")
    tab.click("#theme")
    assert tab.evaluate(ground) != before


def test_it_can_be_used_with_the_keyboard_alone(open_page):
    tab = open_page(small_network()[1])
    reached = set()
    for _ in range(60):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.id"))
    assert {
        "next",
        "phase",
        "play",
        "slider",
        "theme",
        "reset",
        "nudged",
        "h",
        "value-n0",
        "leaf-0",
    } <= reached


def test_large_graphs_open(open_page):
    network = MLP(20, [30, 20, 10], seed=1)
    E = cross_entropy(network([0.1] * 20), 3)
    tab = open_page(E)
    agree(tab, E)
    x = Value(0.5, "x")
    for _ in range(990):
        x = (x * 1.001) + 0.001
    tab = open_page(x)
    tab.locator("#title").click()
    tab.keyboard.press("End")
    agree(tab, x)


def test_a_notebooks_frame_runs_it(browser, tmp_path):
    """In a sandboxed iframe, without an address of its own."""
    _, E = small_network()
    frame = explore(E)._repr_mimebundle_()["text/html"]
    (tmp_path / "notebook.html").write_text(f"<!DOCTYPE html><meta charset='utf-8'>{frame}", encoding="utf-8")
    tab = browser.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto((tmp_path / "notebook.html").as_uri())
    inside = tab.frame_locator("iframe")
    inside.locator("#next").click()
    assert inside.locator("#count").inner_text().startswith("2 / ")
    tab.close()
    assert errors == []


def test_a_leaf_alone(open_page):
    tab = open_page(Value(3.0, "a"))
    assert tab.inner_text("#count") == "1 / 1"


def test_slopes_that_share(open_page):
    a, b = Value(1.0, "a"), Value(1.0, "b")
    E = microbp.max([a, b, Value(0.0, "c")]) * microbp.pick([a, b], 1)
    agree(open_page(E), E)


def two_passes() -> tuple[MLP, Value]:
    """Two samples through one network: every weight is used by two units."""
    network = MLP(2, [2, 1], seed=1)
    E = squared_error(network([0.05, 0.9]), 0.9) + squared_error(network([0.5, -0.9]), 0.1)
    E.label = "E"
    return network, E


def hand_built() -> Value:
    w, x, b = Value(1.125, "w"), Value(2.0, "x"), Value(-1.0, "b")  # 1.125: a tie when rounded
    return ((w * x + b).sigmoid() - 1) ** 2


DRAWN = """() => [...document.querySelectorAll("svg text, svg rect, svg path")].map((e) => [
    e.tagName, e.closest("g[id]")?.id, e.textContent, e.getAttribute("fill"),
    e.getAttribute("stroke-dasharray") ?? "none", Number(e.getAttribute("stroke-width")),
])"""


def same_picture(tab, other) -> None:
    """Every text, colour and dash, and every width to the two digits that are written."""
    here, there = tab.evaluate(DRAWN), other.evaluate(DRAWN)
    assert [row[:-1] for row in here] == [row[:-1] for row in there]
    assert [row[-1] for row in here] == pytest.approx([row[-1] for row in there], abs=0.006)


@pytest.mark.parametrize(
    "output",
    [
        small_network()[1],
        two_passes()[1],
        hand_built(),
        cross_entropy(MLP(3, [4, 3], seed=2)([0.1, 0.2, -0.4]), 1),
        squared_error(MLP(2, [3, 1], expanded=True, seed=3)([0.3, 0.4]), 1),
    ],
    ids=["network", "two passes", "by hand", "cross-entropy", "expanded"],
)
def test_at_the_last_step_the_picture_is_pythons(browser, open_page, output):
    """In both views what Python drew, before the script ran."""
    tab = open_page(output)
    tab.locator("#title").click()
    tab.keyboard.press("End")
    still = browser.new_page()
    still.set_content(re.sub(r"<script>.*</script>", "", explore(output).html, flags=re.S))
    same_picture(tab, still)
    still.close()


def test_after_edits_the_picture_is_that_of_a_new_page(open_page):
    network, E = two_passes()
    changed = [
        *(unit.weights[0] for layer in network for unit in layer),
        *(v for v in leaves(E) if v.label == "t"),
    ]
    tab = open_page(E)
    for k, leaf in enumerate(changed):
        leaf_field = tab.locator(f"#leaf-{topological(E).index(leaf)}")
        leaf_field.fill(repr(0.3 - k))
        leaf_field.press("Enter")
    for k, leaf in enumerate(changed):
        leaf.data = 0.3 - k
    E.recompute()
    fresh = open_page(E)
    for each in (tab, fresh):
        each.locator("#title").click()
        each.keyboard.press("End")
    same_picture(tab, fresh)


def test_a_shared_weights_gradient_waits_for_the_backward_pass(open_page):
    _, E = two_passes()
    tab = open_page(E)
    numbers = (
        "[...document.querySelectorAll('#units [id^=pill-w] text:not(.hidden)')].map((e) => e.textContent)"
    )
    at_first = [text for text in tab.evaluate(numbers) if " = " in text]
    weights = [
        w
        for _ in range(2)
        for unit in (u for layer in MLP(2, [2, 1], seed=1) for u in layer)
        for w in unit.weights
    ]
    assert at_first == [f" = {style.number(w.data)}" for w in weights]  # the weights, and no gradient


def test_hovering_tells_no_later_and_no_old_numbers(open_page):
    w = Value(2.0, "w")
    E = w * 3
    E.label = "E"
    tab = open_page(E)
    titles = "[...document.querySelectorAll('svg g title')].map((e) => e.textContent)"
    assert tab.evaluate(titles) == ["w: value 2", "E: value 6"]
    tab.locator("#leaf-0").fill("5")
    tab.locator("#leaf-0").press("Enter")
    tab.locator("#title").click()
    tab.keyboard.press("End")
    assert tab.evaluate(titles) == ["w: value 5, gradient 3", "E: value 15, gradient 1"]


def test_numbers_are_written_as_in_the_pictures(open_page):
    draw = random.Random(3)
    ties = [k / 64 for k in range(-2000, 2000)] + [1000.5, 1001.5, 12.25, 99999.5, -0.0]
    xs = ties + [draw.uniform(-1, 1) * 10.0 ** draw.randint(-9, 9) for _ in range(2000)]
    assert open_page(hand_built()).evaluate("(xs) => xs.map(written)", xs) == [style.number(x) for x in xs]


@pytest.mark.parametrize(
    ("output", "entry", "message"),
    [
        (Value(2.0, "x").log(), "0", "log of 0 (node v1): it needs x > 0"),
        (1 / Value(2.0, "x"), "0", "quotient of 1 and 0 (node v1): it needs y != 0"),
        (
            1e300 / Value(2.0, "x"),
            "1e-300",
            "quotient of 1.00e300 and 1.00e−300 (node v1): the result is too large for a number",
        ),
        (Value(2.0, "x") * 2, "0x10", "x needs a number, not '0x10'"),
    ],
)
def test_why_a_number_is_refused(open_page, output, entry, message):
    tab = open_page(output)
    tab.locator("#leaf-0").fill(entry)
    tab.locator("#leaf-0").press("Enter")
    assert tab.inner_text("#message") == f"Not changed: {message}"
    agree(tab, output)


def test_infinite_constants_and_operands(open_page):
    x = Value(2.0, "x")
    for output in (x + math.inf, microbp.logsumexp([Value(math.inf), Value(math.inf)])):
        assert numbers(open_page(output), output, "value")[-1] == math.inf


@pytest.mark.parametrize("word", ["var", "F", "i", "function"])
def test_an_operands_name_may_be_a_word_of_javascript(open_page, word):
    double = replace(RULES["exp"], name="double", operands=word, forward=f"{word} + {word}", partials=("2",))
    output = apply(double, [Value(3.0, "x")])
    agree(open_page(output), output)


def test_space_on_a_focused_node_goes_to_it(open_page):
    _, E = small_network()
    tab = open_page(E)
    tab.locator(f"#value-n{topological(E).index(E)}").press(" ")
    assert tab.inner_text("#title") == "Forward: compute E"


def test_the_slopes_of_a_wide_unit_are_written(open_page):
    E = MLP(20, [1], seed=1)([0.1] * 20)
    tab = open_page(E)
    tab.locator("#title").click()
    tab.keyboard.press("End")
    tab.keyboard.press("ArrowLeft")
    assert "∂u11/∂x20 · δ11 = w120,1 · δ11 = " in tab.inner_text("#equation")


def test_a_loss_with_a_penalty_and_nothing_else_given(open_page):
    """The box of E then names no leaf but only counts them; a click on it goes to E all the same."""
    network = MLP(2, [2, 1], seed=1)
    E = network([0.1, 0.2]) + 0.01 * microbp.sum(p**2 for p in network.parameters())
    E.label = "E"
    tab = open_page(E)
    tab.click("text=units")
    rows = "".join(tab.locator("#unit-f0 text").all_text_contents())
    assert rows.endswith(f"and 9 more numbersE = {style.number(E.data)}")
    tab.click("#unit-f0")
    assert tab.inner_text("#title") == "Forward: compute E"
    tab.click("#unit-u0")
    assert tab.inner_text("#title") == "Forward: compute z11"
    tab.click("#pill-w0")  # a leaf has no step forward: to the last that adds to its gradient
    assert tab.inner_text("#title") == "Backward: from u11 to w11,1"
    agree(tab, E)


def test_a_net_input_that_the_loss_uses_itself_shows_its_own_gradient(open_page):
    network = MLP(2, [2, 1], seed=1)
    z = network([0.1, 0.2])
    E = (z.inputs[0] - 1.0) ** 2
    E.label = "E"
    tab = open_page(E)
    tab.locator("#title").click()
    tab.keyboard.press("End")
    expected = 2 * (z.inputs[0].data - 1.0)
    assert tab.locator("[id='pill-f0_0'] text").last.text_content() == f" = {style.number(expected)}"
