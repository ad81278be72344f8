"""SGD and Adam against their published formulas, PyTorch, and each other on floats and arrays."""

import numpy as np
import pytest

from microbp import SGD, Adam, Value

GRADIENTS = [0.5, -1.0, 0.25, 2.0, 0.0, -0.3]


def trace(optimizer, start=1.0):
    w = Value(start, "w")
    path = []
    for gradient in GRADIENTS:
        w.grad = gradient
        optimizer.step([w])
        path.append(w.data)
    return path


def test_sgd_is_the_papers_rule():
    w, change, path = 1.0, 0.0, []
    for gradient in GRADIENTS:
        change = -0.1 * gradient + 0.9 * change  # Nature 323, 1986, equation 9
        w += change
        path.append(w)
    assert trace(SGD(lr=0.1, momentum=0.9)) == pytest.approx(path, rel=1e-15)


def test_weight_decay_pulls_to_zero():
    w = Value(2.0)
    SGD(lr=0.5, weight_decay=0.1).step([w])
    assert w.data == 2.0 - 0.5 * 0.1 * 2.0


def test_adam_is_the_papers_algorithm():
    w, m, v, path = 1.0, 0.0, 0.0, []
    for t, g in enumerate(GRADIENTS, start=1):
        m = 0.8 * m + 0.2 * g
        v = 0.99 * v + 0.01 * g**2
        w -= 0.1 * (m / (1 - 0.8**t)) / ((v / (1 - 0.99**t)) ** 0.5 + 1e-6)
        path.append(w)
    assert trace(Adam(lr=0.1, beta1=0.8, beta2=0.99, epsilon=1e-6)) == pytest.approx(path, rel=1e-14)


def test_optimisers_agree_with_pytorch():
    torch = pytest.importorskip("torch")
    pairs = [
        (SGD(lr=0.1, weight_decay=0.01), lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.01)),
        (SGD(lr=0.1, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
        (Adam(lr=0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
    ]
    for ours, make in pairs:
        parameter = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
        theirs, path = make([parameter]), []
        for gradient in GRADIENTS:
            parameter.grad = torch.tensor(gradient, dtype=torch.float64)
            theirs.step()
            path.append(parameter.item())
        assert trace(ours) == pytest.approx(path, rel=1e-12)


@pytest.mark.parametrize("make", [lambda: SGD(0.1, 0.9, 0.01), lambda: Adam(0.1)])
def test_the_same_rule_serves_floats_and_arrays(make):
    starts = [1.0, -2.0, 0.5]
    data, memory, rule = np.array(starts), None, make()
    for gradient in GRADIENTS:
        change, memory = rule.change(data, np.full(3, gradient), memory)
        data = data + change
    assert data.tolist() == pytest.approx([trace(make(), start)[-1] for start in starts], rel=1e-14)


def test_a_step_that_would_overflow_changes_nothing_and_names_the_parameter():
    good, bad = Value(1.0, "good"), Value(2.0, "w1[2,1]")
    good.grad, bad.grad = 1.0, 1e300
    optimizer = SGD(lr=1e10, momentum=0.5)
    with pytest.raises(FloatingPointError, match=r"make w1\[2,1\] = -inf .*no parameter was changed"):
        optimizer.step([good, bad])
    assert (good.data, bad.data) == (1.0, 2.0)
    bad.grad = 0.0
    optimizer.step([good, bad])
    assert good.data == 1.0 - 1e10  # the refused step left no momentum behind


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(0.0), "lr is a finite number above 0, not 0.0"),
        (lambda: SGD(float("nan")), "lr is a finite number above 0, not nan"),
        (lambda: SGD(0.1, momentum=1.0), "momentum is a number, at least 0 and below 1, not 1.0"),
        (lambda: SGD(0.1, weight_decay=-1.0), "weight_decay is a finite number, at least 0, not -1.0"),
        (lambda: Adam(0.1, beta2=1.5), "beta2"),
        (lambda: Adam(0.1, epsilon=0.0), "epsilon is a finite number above 0"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_settings_of_the_wrong_kind_are_refused():
    with pytest.raises(TypeError, match=r"lr: a real number is needed, not '0\.1'"):
        SGD("0.1")


def test_the_repr_shows_the_settings():
    assert repr(SGD(0.5, momentum=0.9)) == "SGD(lr=0.5, momentum=0.9, weight_decay=0.0)"
    assert repr(Adam()) == "Adam(lr=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08)"
