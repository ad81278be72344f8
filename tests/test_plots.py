"""Plots: what is drawn is what the history holds and what the network says."""

import math
import sys

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure

from microbp import MLP, Adam, History, Unit, Value, fit, predict, squared_error
from microbp.show.plots import CLASS_COLOURS, CLASS_MARKERS, plot_decision

XOR = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]


@pytest.fixture(autouse=True)
def no_display():
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


@pytest.fixture
def ax():
    return Figure().subplots()


def half_plane(x):
    """Class 1 where x1 > x2."""
    return (x[0] - x[1]) * Value(1.0)


def bands(ax):
    return [drawn for drawn in ax.collections if isinstance(drawn, ContourSet) and drawn.filled]


def scattered(ax):
    return [drawn for drawn in ax.collections if isinstance(drawn, PathCollection)]


def fill_at(ax, point):
    """The colour of the region that a point is in."""
    colours = [
        to_hex(colour)
        for drawn in bands(ax)
        for colour, path in zip(drawn.get_facecolor(), drawn.get_paths())
        if len(path.vertices) and path.contains_point(point)
    ]
    [colour] = set(colours)
    return colour


def is_orange(colour):
    red, _, blue = to_rgb(colour)
    return red > blue


def test_a_history_is_drawn_epoch_by_epoch(ax):
    history = History([0.5, 0.3, 0.2], [0.6, 0.4, 0.35])
    assert history.plot(ax) is ax
    training, validation = ax.lines
    assert list(training.get_xdata()) == list(validation.get_xdata()) == [1, 2, 3]
    assert list(training.get_ydata()) == [0.5, 0.3, 0.2]
    assert list(validation.get_ydata()) == [0.6, 0.4, 0.35]
    assert training.get_linestyle() != validation.get_linestyle()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training", "validation"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "loss", "linear")


def test_a_real_history_is_drawn_on_a_figure_of_its_own():
    history = fit(MLP(2, [2, 1], seed=1), *XOR, epochs=7, progress=False)
    first, second = history.plot(log=True), history.plot()
    assert first.figure is not second.figure
    assert first.get_yscale() == "log"
    [line] = first.lines
    assert list(line.get_ydata()) == history.loss
    assert first.get_legend() is None
    assert all(tick == round(tick) for tick in second.get_xticks())


def test_one_epoch_is_a_point_that_can_be_seen(ax):
    [line] = History([0.5]).plot(ax).lines
    assert line.get_marker() == "o"


def test_a_history_of_no_epochs_is_refused():
    with pytest.raises(ValueError, match="there is no loss to plot, as no epoch was completed; train first"):
        History().plot()
    assert pyplot.get_fignums() == []


def test_a_logarithm_needs_losses_above_zero(ax):
    with pytest.raises(ValueError, match="the training loss of epoch 2 is 0; plot it with log=False"):
        History([0.5, 0.0]).plot(ax, log=True)
    with pytest.raises(ValueError, match="the validation loss of epoch 1 is -1"):
        History([0.5, 0.1], [-1.0, 0.1]).plot(ax, log=True)
    History([0.5, 0.0]).plot(ax)


def test_regions_are_what_the_network_predicts(ax):
    network = MLP(2, [3, 1], seed=1)
    fit(network, *XOR, optimizer=Adam(0.1), epochs=200, progress=False)
    plot_decision(network, *XOR, ax)
    points = np.random.default_rng(1).uniform(-0.1, 1.1, (100, 2)).tolist()
    decided = [(point, y) for point, y in zip(points, predict(network, points)) if abs(y - 0.5) > 0.02]
    for point, y in decided:
        assert is_orange(fill_at(ax, point)) == (y > 0.5)
    assert 20 < sum(y > 0.5 for _, y in decided) < len(decided) - 20, "the points are in both regions"


def test_the_boundary_is_where_the_output_is_the_threshold(ax):
    plot_decision(half_plane, [[-1, -1], [1, 1], [1, -1]], [-1, -1, 1], ax, padding=0)
    lines = [drawn for drawn in ax.collections if isinstance(drawn, ContourSet) and not drawn.filled]
    vertices = np.concatenate([path.vertices for line in lines for path in line.get_paths()])
    assert len(vertices) > 10
    assert vertices[:, 0] == pytest.approx(vertices[:, 1], abs=1e-9)


def test_a_region_is_darker_the_further_from_the_boundary(ax):
    plot_decision(half_plane, [[-1, -1], [1, 1]], [-1, 1], ax, padding=0)
    for sign in (1, -1):
        light = [sum(to_rgb(fill_at(ax, (sign * d, -sign * d)))) for d in (0.1, 0.4, 0.6, 0.9)]
        assert light == sorted(light, reverse=True) and len(set(light)) == 4


@pytest.mark.parametrize(
    "targets, options, boundary",
    [
        ([0, 1], {}, 0.5),
        ([-1, 1], {}, 0.0),
        ([0, 1], {"threshold": 0.0}, 0.0),
        ([-1, 1], {"threshold": 0.7}, 0.7),
    ],
)
def test_the_threshold_is_that_of_accuracy(ax, targets, options, boundary):
    plot_decision(lambda x: x[0] * Value(1.0), [[-1, 0], [1, 1]], targets, ax, **options)
    assert not is_orange(fill_at(ax, (boundary - 0.05, 0.5)))
    assert is_orange(fill_at(ax, (boundary + 0.05, 0.5)))


def test_every_sample_is_drawn_with_its_class(ax):
    X, Y = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]), np.array([1, 0, 1])
    plot_decision(MLP(2, [1], seed=1), X, Y, ax)
    below, above = scattered(ax)
    assert below.get_offsets().tolist() == [[2, 3]]
    assert above.get_offsets().tolist() == [[0, 1], [4, 5]]
    assert not is_orange(below.get_facecolor()[0]) and is_orange(above.get_facecolor()[0])
    assert below.get_paths()[0].vertices.tolist() != above.get_paths()[0].vertices.tolist()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["class 0", "class 1"]


def test_several_outputs_divide_the_plane_by_the_greatest(ax):
    def nearest(x):
        return [Value(1.0) * (a * x[0] + b * x[1]) for a, b in [(0, 1), (1, -1), (-1, -1)]]

    X, Y = [[0, 1], [1, -1], [-1, -1], [0, 0.5]], [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]]
    plot_decision(nearest, X, Y, ax, names=["up", "right", "left"])
    assert len({fill_at(ax, point) for point in [(0, 0.9), (0.9, -0.9), (-0.9, -0.9)]}) == 3
    assert [drawn.get_offsets().tolist() for drawn in scattered(ax)] == [
        [[0, 1]],
        [[1, -1], [0, 0.5]],
        [[-1, -1]],
    ]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["up", "right", "left"]
    numbered = plot_decision(nearest, X, [0, 1, 2, 1], Figure().subplots())
    assert [len(drawn.get_offsets()) for drawn in scattered(numbered)] == [1, 2, 1]


def test_regions_leave_no_gaps(ax):
    network = MLP(2, [4, 3], "tanh", "linear", seed=2)
    plot_decision(network, [[0, 0], [1, 1]], [0, 2], ax, resolution=50)
    for point in np.random.default_rng(1).uniform(0, 1, (200, 2)):
        _, second, greatest = sorted(u.data for u in network(point))
        if greatest - second > 0.05:  # not on a boundary
            fill_at(ax, point)


def test_a_class_that_no_point_belongs_to_is_no_matter(ax):
    plot_decision(lambda x: Value(1.0), [[0, 0], [1, 1]], [0, 1], ax)
    assert is_orange(fill_at(ax, (0.5, 0.5)))
    plot_decision(lambda x: Value(0.5), [[0, 0], [1, 1]], [0, 1], Figure().subplots())


def test_a_plot_changes_nothing_of_the_network(ax):
    network = MLP(2, [3, 1], seed=1)
    E = squared_error(network([0.0, 1.0]), 1.0)
    E.backward()

    def state():
        units = [(unit.u.data, unit.z.data, unit.delta) for layer in network for unit in layer]
        return units, [(p.data, p.grad, p.label) for p in network.parameters()]

    before, u = state(), network[0][0].u
    plot_decision(network, *XOR, ax)
    assert state() == before and network[0][0].u is u


def test_the_plane_reaches_beyond_the_samples_by_the_padding(ax):
    plot_decision(half_plane, [[0, 10], [4, 30]], [0, 1], ax, padding=0.25)
    assert [*ax.get_xlim(), *ax.get_ylim()] == pytest.approx([-1, 5, 5, 35])
    plot_decision(half_plane, [[0, 10], [4, 30]], [0, 1], ax, padding=0)
    assert [*ax.get_xlim(), *ax.get_ylim()] == pytest.approx([0, 4, 10, 30])
    plot_decision(half_plane, [[2, 3]], [0], ax)
    assert [*ax.get_xlim(), *ax.get_ylim()] == pytest.approx([1.5, 2.5, 2.5, 3.5])


def test_the_resolution_says_how_often_the_network_is_asked(ax):
    asked = []

    def counted(x):
        asked.append(tuple(x))
        return half_plane(x)

    plot_decision(counted, [[0, 0], [1, 2]], [0, 1], ax, resolution=7, padding=0)
    grid = {(i / 6, 2 * j / 6) for i in range(7) for j in range(7)}
    assert {(round(a, 9), round(b, 9)) for a, b in asked} == {(round(a, 9), round(b, 9)) for a, b in grid}
    assert len(asked) <= 7 * 7 + 1


def test_nothing_is_clipped_on_a_figure_of_its_own():
    ax = plot_decision(Unit(2, seed=1), *XOR, names=["neither or both", "one or the other"])
    ax.figure.draw_without_rendering()
    drawn, whole = ax.get_tightbbox(), ax.figure.bbox
    assert drawn.x0 >= whole.x0 and drawn.y0 >= whole.y0 and drawn.x1 <= whole.x1 and drawn.y1 <= whole.y1
    samples = ax.get_window_extent()
    assert ax.get_legend().get_window_extent().x0 >= samples.x1, "the legend covers no sample"


def test_colours_and_markers_are_told_apart():
    """Contrast with white after WCAG 2: 3 for what is drawn, 4.5 (as for text) for the first three."""

    def luminance(colour):
        channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return np.dot([0.2126, 0.7152, 0.0722], channels)

    assert all(1.05 / (luminance(colour) + 0.05) >= 4.5 for colour in CLASS_COLOURS[:3])
    assert all(1.05 / (luminance(colour) + 0.05) >= 3 for colour in CLASS_COLOURS)
    pairs = {(CLASS_COLOURS[k % 6], CLASS_MARKERS[k % 7]) for k in range(42)}
    assert len(pairs) == 42


@pytest.mark.parametrize("draw", [lambda: History([0.5]).plot(), lambda: plot_decision(half_plane, *XOR)])
def test_without_matplotlib_one_sentence_says_what_to_install(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        ImportError, match=r'^plots are drawn by matplotlib; install it: .*"microbp\[examples\]"$'
    ):
        draw()


@pytest.mark.parametrize(
    "X, Y, options, error, message",
    [
        (
            [[0, 0], [1, 1, 1]],
            [0, 1],
            {},
            ValueError,
            r"sample 2 of X is \[1.0, 1.0, 1.0\]; the plane has two",
        ),
        ([0.5], [0], {}, ValueError, r"sample 1 of X is \[0.5\]"),
        ([[0, math.nan]], [0], {}, ValueError, r"sample 1 of X is \[0.0, nan\]"),
        ([[0, 0]], [0, 1], {}, ValueError, "X has 1 sample and Y 2 targets; each sample needs one target"),
        ([], [], {}, ValueError, "X and Y are empty"),
        ("ab", [0, 1], {}, TypeError, r"X is a list or array of samples, not 'ab' \(str\)"),
        (
            [[0, 0]],
            [[0, 1]],
            {},
            ValueError,
            r"target 1 is \[0.0, 1.0\], and a network of 1 output needs one",
        ),
        ([["a", 0]], [0], {}, TypeError, "sample 1 of X: a real number is needed, not 'a'"),
        ([[0, 0]], [0], {"resolution": 1}, ValueError, "resolution is a whole number, at least 2, not 1"),
        ([[0, 0]], [0], {"padding": -0.1}, ValueError, "padding is a finite number, at least 0, not -0.1"),
    ],
)
def test_misuse_is_refused_and_leaves_no_figure(X, Y, options, error, message):
    with pytest.raises(error, match=message):
        plot_decision(half_plane, X, Y, **options)
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("target", [3, -1, 0.5, [1, 0], [1, 0, 0, 0]])
def test_a_class_without_an_output_is_refused(target):
    with pytest.raises(ValueError, match=r"target 2 is .* outputs needs a class from 0 to 2, or 3 numbers"):
        plot_decision(MLP(2, [3], seed=1), [[0, 0], [1, 1]], [0, target])


def test_a_network_of_other_inputs_says_so():
    with pytest.raises(ValueError, match=r"MLP\(3 -> .* takes 3 inputs, and 2 came"):
        plot_decision(MLP(3, [1], seed=1), *XOR)
