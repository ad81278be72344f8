"""The lab of backward passes, example 06: where each goes wrong, and whether the reasons given are true."""

import random
import re
import runpy
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_passes import random_graph

from microbp import Value, consumers, leaves, paths
from microbp.expressions import parse
from microbp.passes import brief
from microbp.show.picture import Picture
from microbp.traversal import derivatives, topological, unique_names

EXAMPLE = Path(__file__).parent.parent / "examples" / "06_why_the_order_matters.py"


@pytest.fixture(scope="module")
def lab():
    """What the example defines; its pictures are not written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Picture, "save", lambda picture, path: Path(path))
        return SimpleNamespace(**runpy.run_path(str(EXAMPLE)))


def wrong_passes(lab):
    return lab.depth_first, lab.overwriting, lab.not_restarting


def random_tree(seed):
    """A graph in which every node is used once."""
    draw = random.Random(seed)
    nodes = [Value(draw.uniform(-1.5, 1.5), f"x[{k}]") for k in range(1, 8)]
    while len(nodes) > 1:
        a, b = (nodes.pop(draw.randrange(len(nodes))) for _ in range(2))
        nodes.append(draw.choice([lambda a, b: a * b + 1.0, lambda a, b: (a - b).tanh()])(a, b))
    return nodes[0]


def measured(output, leaf, step=1e-6):
    """The central difference; the graph is left as it was."""
    at, results = leaf.data, []
    for leaf.data in (at + step, at - step):
        output.recompute()
        results.append(output.data)
    leaf.data = at
    output.recompute()
    return (results[0] - results[1]) / (2 * step)


def by_recursion(output):
    """Depth first as a function that calls itself; the gradients, and what each node passed on, in order."""
    gradient, passed_on = defaultdict(float, {output: 1.0}), {}

    def visit(node):
        if node not in passed_on:
            passed_on[node] = gradient[node]
            for input, partial in zip(node.inputs, node.partials):
                gradient[input] += partial * gradient[node]
            for input in node.inputs:
                visit(input)

    visit(output)
    return gradient, passed_on


def by_name(output, gradient):
    return {name: gradient[node] for node, name in unique_names(output).items()}


# The graph of the example, by hand.  a = x y, b = a + x, E = a b at x = 2, y = 3, so a = 6, b = 8, E = 48.
#
# In order:        dE/dE = 1, dE/db = a = 6, dE/da = b + dE/db = 8 + 6 = 14,
#                  dE/dy = x dE/da = 28, dE/dx = y dE/da + dE/db = 42 + 6 = 48.
# Depth first:     E sends 8 to a and 6 to b; a, the first input of E, passes on 8, so y has 2 * 8 = 16 and
#                  x 3 * 8 = 24; then b sends 6 to a, which has 14 now but had its turn, and 6 to x: 30.
# Overwriting:     a is sent 8 by E, then 6 by b, and keeps 6; y gets 12; x is sent 6 by b, then 18 by a.
# Not restarting:  inner nodes keep b = 6 and a = 14: b = 6 + 6 = 12, a = 14 + 8 + 12 = 34; the leaves start
#                  from zero: y = 2 * 34 = 68, x = 12 + 3 * 34 = 114.
BY_HAND = {
    "in_order": ({"E": 1, "b": 6, "a": 14, "y": 28, "x": 48}, None, ""),
    "depth_first": (
        {"E": 1, "b": 6, "a": 14, "y": 16, "x": 30},
        "y",
        "a passed on 8 of its 14: the 6 through b came after that and never reached y.",
    ),
    "overwriting": (
        {"E": 1, "b": 6, "a": 6, "y": 12, "x": 18},
        "a",
        "a was sent 8 through E, then 6 through b, which took its place: 6 is left of 14.",
    ),
    "not_restarting": (
        {"E": 1, "b": 12, "a": 34, "y": 68, "x": 114},
        "b",
        "b still held 6 from the pass before, and the 6 of this pass was added to it: 12.",
    ),
    "every_path": ({"E": 1, "b": 6, "a": 14, "y": 28, "x": 48}, None, ""),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_each_pass_on_the_graph_of_the_example_is_as_worked_out_by_hand(lab, name):
    gradients, first, sentence = BY_HAND[name]
    run = getattr(lab, name)
    found = run(lab.E)[0]
    assert by_name(lab.E, found) == gradients
    wrong = lab.wrong_nodes(lab.E, found)
    assert [node.label for node in wrong[:1]] == ([first] if first else [])
    if first:
        assert lab.REASONS[run](lab.E, wrong[0]) == sentence


def test_the_tables_say_the_same(lab, capsys, monkeypatch):
    monkeypatch.setattr(Picture, "save", lambda picture, path: Path(path))
    for run in wrong_passes(lab):
        lab.show(lab.E, run)
        printed = capsys.readouterr().out
        gradients, first, sentence = BY_HAND[run.__name__]
        right = BY_HAND["in_order"][0]
        rows = re.findall(r"^(\w) +(\d+) +(\d+)(?:   (.*))?$", printed, re.M)
        assert [row[0] for row in rows] == ["E", "b", "a", "y", "x"], "consumers before operands"
        for name, wanted, found, mark in rows:
            assert (int(wanted), int(found)) == (right[name], gradients[name])
            assert mark == ("<- first wrong" if name == first else "wrong" if wanted != found else "")
        assert sentence in printed


@pytest.mark.parametrize("seed", range(20))
def test_on_trees_nothing_arrives_late_and_nothing_is_overwritten(lab, seed):
    E = random_tree(seed)
    right = lab.in_order(E)[0]
    for leaf in leaves(E):
        assert right[leaf] == pytest.approx(measured(E, leaf), abs=1e-7)
    for run in (lab.depth_first, lab.overwriting, lab.every_path):
        assert run(E)[0] == right
    second = lab.not_restarting(E)[0]
    first_inner = next(node for node in right if node.inputs and node is not E and right[node])
    assert lab.wrong_nodes(E, second)[0] is first_inner


def test_a_chain_that_is_not_restarted_counts_one_more_at_every_link(lab):
    """With all partials 1 the k-th node below the output gets 1 + k; the leaf starts from zero."""
    x = node = Value(1.0, "x")
    for _ in range(5):
        node = node + 1
    gradient = lab.not_restarting(node)[0]
    assert list(gradient.values()) == [1, 2, 3, 4, 5, 5] and gradient[x] == 5


@pytest.mark.parametrize("seed", range(60))
def test_in_order_is_what_backward_does_and_no_grad_is_touched(lab, seed):
    _, E = random_graph(seed, size=12)
    for node in topological(E):
        node.grad = 7.0
    runs = {run: run(E)[0] for run in (lab.in_order, lab.every_path, *wrong_passes(lab))}
    assert {node.grad for node in topological(E)} == {7.0}
    assert runs[lab.in_order] == derivatives(E)
    assert lab.wrong_nodes(E, runs[lab.every_path]) == []
    for leaf in leaves(E):
        leaf.grad = 0.0
    E.backward()
    assert runs[lab.in_order] == {node: node.grad for node in topological(E)}


@pytest.mark.parametrize("seed", range(60))
def test_every_path_visits_a_node_as_often_as_it_has_paths(lab, seed):
    _, E = random_graph(seed, size=12)
    _, passed_on = lab.every_path(E)
    counted = lab.over_paths(E, lambda partial: 1)
    for node in topological(E):
        assert len(passed_on[node]) == paths(E, node, limit=0).count == counted[node]


@pytest.mark.parametrize("rungs", [1, 5, 12])
def test_a_ladder_doubles_the_visits_with_every_rung(lab, rungs):
    x, top = lab.ladder(rungs)
    assert lab.edges(top) == 2 * rungs
    assert len(lab.every_path(top)[1][x]) == paths(top, x, limit=0).count == 2**rungs
    assert all(len(sent) == 1 for sent in lab.in_order(top)[1].values())


@pytest.mark.parametrize("seed", range(60))
def test_the_first_wrong_node_is_the_first_in_backward_order(lab, seed):
    _, E = random_graph(seed)
    right = derivatives(E)
    for run in wrong_passes(lab):
        gradient, _ = run(E)
        wrong = lab.wrong_nodes(E, gradient)
        differ = {node for node in right if gradient[node] != pytest.approx(right[node], rel=1e-7, abs=0)}
        assert differ == set(wrong)
        assert wrong == [node for node in reversed(topological(E)) if node in differ]
        assert wrong, "graphs like these have shared nodes"
        assert differ.isdisjoint(consumers(E)[wrong[0]]), "all that were computed from it are right"


@pytest.mark.parametrize("seed", range(60))
def test_depth_first_is_the_recursion_and_its_reason_is_true(lab, seed):
    _, E = random_graph(seed)
    right, names = derivatives(E), unique_names(E)
    gradient, passed_on = lab.depth_first(E)
    recursive, once = by_recursion(E)
    assert dict(gradient) == dict(recursive)
    assert [(node, [sent]) for node, sent in once.items()] == list(passed_on.items())

    node = lab.wrong_nodes(E, gradient)[0]
    nodes = {name: node for node, name in names.items()}
    said = re.findall(
        r"(\S+) passed on (\S+) of its (\S+): the (\S+) through (.+?) came after that and never reached "
        + re.escape(names[node]),
        lab.too_early(E, node),
    )
    assert said
    turns = list(once)
    missing = sum(
        partial * (right[user] - once[user])
        for user in consumers(E)[node]
        for input, partial in zip(user.inputs, user.partials)
        if input is node
    )
    assert right[node] - gradient[node] == pytest.approx(missing, rel=1e-6)
    for name, sent, whole, rest, late in said:
        user = nodes[name]
        assert user in consumers(E)[node]
        assert (sent, whole) == (brief(once[user]), brief(right[user]))
        arrived = {True: 0.0, False: 0.0}
        for sender in consumers(E)[user]:
            in_time = turns.index(sender) < turns.index(user)
            for input, partial in zip(sender.inputs, sender.partials):
                arrived[in_time] += partial * once[sender] if input is user else 0.0
            if "more" not in late:
                assert in_time == (names[sender] not in re.split(r", | and ", late))
        assert arrived[True] == pytest.approx(once[user], abs=1e-12)
        assert arrived[False] == pytest.approx(float(rest), rel=1e-3)


@pytest.mark.parametrize("seed", range(60))
def test_the_reason_why_overwriting_is_wrong_is_true(lab, seed):
    _, E = random_graph(seed)
    gradient = lab.overwriting(E)[0]
    node = lab.wrong_nodes(E, gradient)[0]
    said = re.fullmatch(
        r"(\S+) was sent (\S+) through (.+), then (\S+) through (\S+), "
        r"which took its place: (\S+) is left of (\S+)\.",
        lab.taken_place_of(E, node),
    )
    names, right = unique_names(E), derivatives(E)
    users = consumers(E)[node]
    assert said[1] == names[node]
    assert said[5] == names[users[0]], "the consumer born first has its turn last"
    assert said[4] == said[6] == brief(gradient[node]) and said[7] == brief(right[node])
    assert float(said[2]) == pytest.approx(right[node] - gradient[node], rel=1e-3)


@pytest.mark.parametrize("seed", range(60))
def test_the_reason_why_not_restarting_is_wrong_is_true(lab, seed):
    _, E = random_graph(seed)
    gradient, right = lab.not_restarting(E)[0], derivatives(E)
    node = lab.wrong_nodes(E, gradient)[0]
    assert node.inputs and gradient[node] == pytest.approx(2 * right[node])
    held, found = brief(right[node]), brief(gradient[node])
    assert lab.still_held(E, node) == (
        f"{unique_names(E)[node]} still held {held} from the pass before, "
        f"and the {held} of this pass was added to it: {found}."
    )


def test_a_sum_that_is_only_rounded_otherwise_is_not_wrong(lab):
    """Exactly dE/dx = 0.1 + 0.2 - 0.3 times 3 = 0; rounded it is tiny, and differs with the order."""
    E = parse("y = 0.1*x + 0.2*x - 0.3*x; y*k", {"x": 1, "k": 3})
    right, walked = lab.in_order(E)[0], lab.every_path(E)[0]
    x = leaves(E)[0]
    assert x.label == "x" and abs(right[x]) < 1e-15 and abs(walked[x]) < 1e-15
    assert lab.wrong_nodes(E, walked) == []


def test_a_picture_marks_the_first_wrong_node_and_leaves_the_graph_as_it_was(lab, monkeypatch):
    monkeypatch.setattr(Picture, "save", lambda picture, path: Path(path))
    for node in topological(lab.E):
        node.grad = -1.0
    for run in wrong_passes(lab):
        svg = lab.show(lab.E, run).svg
        assert re.findall(r"(\w), first wrong: value", svg) == [BY_HAND[run.__name__][1]]
    assert [node.label for node in topological(lab.E)] == ["x", "y", "a", "b", "E"]
    assert {node.grad for node in topological(lab.E)} == {-1.0}


def test_networks_are_kind_to_two_of_the_mistakes(lab):
    found = [lab.wrong_weights(network, loss) for _, network, loss in lab.cases]
    assert found == [[0, 0], [6, 6], [0, 9]]


# As a script, of which a copy runs so that nothing is written beside the original.


def run_script(tmp_path, *arguments):
    (tmp_path / "pictures").mkdir()
    script = shutil.copy(EXAMPLE, tmp_path)
    (tmp_path / "here").mkdir()
    return subprocess.run(
        [sys.executable, script, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path / "here",
        timeout=120,
    )


def test_an_expression_of_the_reader(tmp_path):
    """At a = 2, b = -3: dE/d(tanh a) = 1, dE/d(ab) = 1, dE/db = a = 2, dE/da = b + 1 - tanh(2)^2 = -2.929."""
    done = run_script(tmp_path, "a*b + tanh(a)", "a=2", "b=-3")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^a +-2\.929 +-3   <- first wrong$", done.stdout, re.M), "overwriting"
    assert (
        "a was sent 0.07065 through v2, then -3 through v1, which took its place: -3 is left of -2.929."
        in (done.stdout)
    )
    assert "Right at every node." in done.stdout, "depth first, as only a leaf is used twice"
    written = {picture.name for picture in (tmp_path / "here").iterdir()}
    assert written == {
        "06-in-order.svg",
        "06-depth-first.svg",
        "06-overwriting.svg",
        "06-not-restarting.svg",
    }
    assert not list((tmp_path / "pictures").iterdir())


def test_paths_too_many_to_walk_are_counted(tmp_path):
    """30 squares: 2^0 + 2^1 + ... + 2^30 visits."""
    steps = "; ".join(f"x{k + 1} = x{k} * x{k}" for k in range(30))
    done = run_script(tmp_path, steps, "x0=1")
    assert done.returncode == 0, done.stderr
    assert f"every path: {2**31 - 1:,} visits; in order: 31, and 60 edges" in done.stdout


@pytest.mark.parametrize("text", ["x", "3*x", "x*x"])
def test_small_expressions(tmp_path, text):
    done = run_script(tmp_path, text, "x=2")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a*b +", "a=1", "b=2"], "a*b +\n     ^\nexpected a name, a number or '(' here, not the end"),
        (["a*b", "a=1"], "there is no value for 'b'; give it one, as in b=1"),
        (["a*b", "a=1", "b"], "a value is given as in a=2, not as in 'b'"),
        (["a*b", "a=1", "b=two"], "a value is given as in a=2, not as in 'b=two'"),
        (["a*a", "a=1", "b=2"], "the value of 'b' is not used in the expression"),
        (["log(a)", "a=-1"], "log of -1.0 (node 'a'): it needs x > 0"),
        (["a*2", "a=nan"], "a finite number is needed"),
        (["sqrt(a)", "a=0"], "a gradient of this graph is not finite"),
        (["+".join(["a"] * 50), "a=1"], "this graph has 50 nodes; the tables are for 40 at most"),
        (["__import__('os')", "a=1"], "text cannot stand here"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(tmp_path, arguments, sentence):
    done = run_script(tmp_path, *arguments)
    assert done.returncode == 1
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert not done.stdout and not list((tmp_path / "here").iterdir())


def test_without_graphviz(tmp_path):
    """The pictures are drawn by microbp where there is no `dot`."""
    (tmp_path / "pictures").mkdir()
    script = shutil.copy(EXAMPLE, tmp_path)
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env={"PATH": ""}, timeout=120
    )
    assert done.returncode == 0, done.stderr
    for picture in (tmp_path / "pictures").iterdir():
        assert picture.read_text(encoding="utf-8").startswith("<svg")
