"""The losses against their formulas, mpmath, PyTorch, and numbers published elsewhere."""

import math

import mpmath
import pytest

from microbp import (
    MLP,
    SGD,
    Value,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    mean_absolute_error,
    mean_squared_error,
    softmax,
    squared_error,
)

PREDICTED = [0.2, 0.7, 0.9]
TARGET = [0.0, 1.0, 0.5]


def values(numbers):
    return [Value(number) for number in numbers]


@pytest.mark.parametrize(
    ("loss", "expected", "slopes"),
    [
        (squared_error, 0.04 + 0.09 + 0.16, [0.4, -0.6, 0.8]),
        (mean_squared_error, (0.04 + 0.09 + 0.16) / 3, [0.4 / 3, -0.6 / 3, 0.8 / 3]),
        (mean_absolute_error, (0.2 + 0.3 + 0.4) / 3, [1 / 3, -1 / 3, 1 / 3]),
        (lambda p, t: squared_error(p, t, half=True), (0.04 + 0.09 + 0.16) / 2, [0.2, -0.3, 0.4]),
        (
            binary_cross_entropy,
            -math.log(0.8) - math.log(0.7) - 0.5 * math.log(0.9) - 0.5 * math.log(0.1),
            [(y - t) / (y * (1 - y)) for y, t in zip(PREDICTED, TARGET)],
        ),
    ],
)
def test_losses_are_their_formulas_and_so_are_their_slopes(loss, expected, slopes):
    ys = values(PREDICTED)
    E = loss(ys, TARGET)
    E.backward()
    assert E.data == pytest.approx(expected, rel=1e-14)
    assert [y.grad for y in ys] == pytest.approx(slopes, rel=1e-13)
    assert E.label == "E"


@pytest.mark.parametrize(
    "loss",
    [
        squared_error,
        mean_squared_error,
        mean_absolute_error,
        binary_cross_entropy,
        binary_cross_entropy_with_logits,
    ],
)
def test_one_output_is_the_same_alone_and_in_a_list(loss):
    assert loss(Value(0.3), 1.0).data == loss([Value(0.3)], [1.0]).data == loss(Value(0.3), [1.0]).data


def test_mazurs_example_gives_his_numbers():
    network = MLP(2, [2, 2])
    (h1, h2), (o1, o2) = network
    w = [*h1.weights, *h2.weights, *o1.weights, *o2.weights]
    for weight, number in zip(w, (0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55)):
        weight.data = number
    h1.bias.data = h2.bias.data = 0.35
    o1.bias.data = o2.bias.data = 0.60
    E = squared_error(network([0.05, 0.10]), [0.01, 0.99], half=True)
    E.backward()
    assert f"{E:.9f}" == "0.298371109"
    SGD(lr=0.5).step(w)
    assert [f"{v:.8f}" for v in w[:4]] == ["0.14978072", "0.19956143", "0.24975114", "0.29950229"]
    assert [f"{v:.9f}" for v in w[4:]] == ["0.358916480", "0.408666186", "0.511301270", "0.561370121"]


def test_cross_entropy_of_a_sigmoid_has_delta_y_minus_t():
    for t in (0.0, 0.25, 1.0):
        u, v = Value(0.8), Value(0.8)
        binary_cross_entropy(u.sigmoid(), t).backward()
        binary_cross_entropy_with_logits(v, t).backward()
        y = 1 / (1 + math.exp(-0.8))
        assert u.grad == pytest.approx(y - t, rel=1e-13)
        assert v.grad == pytest.approx(y - t, rel=1e-13)


@pytest.mark.parametrize("target", [2, [0.0, 0.0, 1.0], [0.2, 0.3, 0.5]])
def test_cross_entropy_of_a_softmax_has_delta_y_minus_t(target):
    us = values([0.5, -1.0, 2.0])
    E = cross_entropy(us, target)
    E.backward()
    total = math.fsum(math.exp(u) for u in (0.5, -1.0, 2.0))
    ys = [math.exp(u) / total for u in (0.5, -1.0, 2.0)]
    ts = [0.0, 0.0, 1.0] if target == 2 else target
    assert E.data == pytest.approx(-math.fsum(t * math.log(y) for y, t in zip(ys, ts) if t), rel=1e-14)
    assert [u.grad for u in us] == pytest.approx([y - t for y, t in zip(ys, ts)], rel=1e-12)


@pytest.mark.parametrize("u", [-1e308, -800.0, -40.0, -1e-9, 0.0, 1e-300, 0.3, 40.0, 800.0, 1e308])
@pytest.mark.parametrize("t", [0.0, 1.0])
def test_binary_cross_entropy_from_logits_is_accurate_for_every_u(u, t):
    with mpmath.workdps(700):
        exact = mpmath.log1p(mpmath.exp(u if t == 0.0 else -u)) if abs(u) < 1000 else max(u * (1 - 2 * t), 0)
        E = binary_cross_entropy_with_logits(Value(u), t)
        assert abs(mpmath.mpf(E.data) - exact) <= 4 * math.ulp(float(exact))


@pytest.mark.parametrize(
    "us",
    [[0.0, 40.0, -3.0], [1000.0, 0.0, 0.0], [0.0, 700.0, 0.0], [-1e300, 1e300, 0.0], [1e-9, 0.0, 0.0]],
)
@pytest.mark.parametrize("k", [0, 1, 2])
def test_cross_entropy_from_logits_is_accurate_for_every_u(us, k):
    with mpmath.workdps(400):
        differences = [mpmath.mpf(u) - mpmath.mpf(us[k]) for u in us]
        top = max(differences)
        exact = top + mpmath.log(mpmath.fsum(mpmath.exp(d - top) for d in differences))
        for target in (k, [float(i == k) for i in range(3)]):
            E = cross_entropy(values(us), target)
            assert abs(mpmath.mpf(E.data) - exact) <= 8 * math.ulp(float(exact))


def test_binary_cross_entropy_at_certainty():
    assert binary_cross_entropy(Value(0.0), 0.0).data == 0.0
    assert binary_cross_entropy(Value(1.0), 1.0).data == 0.0
    with pytest.raises(ValueError, match=r"log of 0.0 \(node 'y'\): it needs x > 0"):
        binary_cross_entropy(Value(0.0, "y"), 1.0)
    with pytest.raises(ValueError, match=r"log of 0\.0"):
        binary_cross_entropy(Value(1.0), 0.5)


def test_softmax_is_positive_and_adds_up_to_one_however_large_the_numbers():
    ps = softmax(values([1000.0, 999.0, -1000.0]))
    assert ps[0].data == pytest.approx(1 / (1 + math.exp(-1)), rel=1e-12)
    assert math.fsum(p.data for p in ps) == pytest.approx(1.0, rel=1e-12)


def test_targets_become_labelled_leaves():
    E = squared_error(values([1.0, 2.0]), [0.0, 0.5])
    ts = [leaf for node in E.inputs for leaf in node.inputs[0].inputs if leaf.label]
    assert [(t.label, t.data) for t in ts] == [("t[1]", 0.0), ("t[2]", 0.5)]
    t = Value(1.0, "mine")
    squared_error(Value(0.0), t).backward()
    assert (t.label, t.grad) == ("mine", 2.0)


def test_losses_agree_with_pytorch():
    torch = pytest.importorskip("torch")
    us, classes = [[0.3, -1.2, 0.4], [2.0, 0.1, -0.7]], [2, 0]
    for u, k in zip(us, classes):
        tensor = torch.tensor([u], dtype=torch.float64, requires_grad=True)
        expected = torch.nn.functional.cross_entropy(tensor, torch.tensor([k]))
        expected.backward()
        ours = values(u)
        E = cross_entropy(ours, k)
        E.backward()
        assert E.data == pytest.approx(expected.item(), rel=1e-14)
        assert [v.grad for v in ours] == pytest.approx(tensor.grad[0].tolist(), rel=1e-13)
        tensor = torch.tensor(u, dtype=torch.float64, requires_grad=True)
        expected = torch.nn.functional.binary_cross_entropy_with_logits(
            tensor, torch.tensor([0.0, 1.0, 0.3], dtype=torch.float64), reduction="sum"
        )
        assert binary_cross_entropy_with_logits(u, [0.0, 1.0, 0.3]).data == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: squared_error([1.0, 2.0], [1.0]), ValueError, "squared_error.*2 predictions and 1 target"),
        (lambda: mean_squared_error([], []), ValueError, "at least one"),
        (lambda: squared_error(Value(1.0), "1"), TypeError, r"squared_error: the target.*'1' \(str\)"),
        (lambda: squared_error(None, 1.0), TypeError, "the prediction.*None"),
        (lambda: binary_cross_entropy(0.5, 2.0), ValueError, "probability from 0 to 1, not 2"),
        (lambda: cross_entropy([1.0, 2.0], [0.5, 0.6]), ValueError, "add up to 1.1, not to 1"),
        (lambda: cross_entropy([1.0, 2.0], [-0.5, 1.5]), ValueError, "probability from 0 to 1, not -0.5"),
        (lambda: cross_entropy([1.0, 2.0], 2), IndexError, "no class 2; they count from 0 to 1"),
        (lambda: cross_entropy([1.0, 2.0], -1), IndexError, "no class -1"),
        (lambda: cross_entropy([1.0, 2.0], 0.5), IndexError, "no class 0.5"),
        (lambda: cross_entropy(Value(1.0), 0), TypeError, "binary_cross_entropy_with_logits"),
        (lambda: cross_entropy([1.0, 2.0], [1.0]), ValueError, "2 predictions and 1 target came"),
    ],
)
def test_misuse_is_refused_with_the_remedy(use, error, message):
    with pytest.raises(error, match=message):
        use()
