"""The post in numbers: every equation of the post holds on both sides, and its slips do not."""

import re

import numpy as np
import pytest
from example_runs import run

EQUATIONS = [
    *("1", "2", "3", "1.1", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "3.1", "3.2"),
    *(f"4.{number}" for number in range(1, 11)),
]


def test_both_sides_of_every_equation_agree():
    found = re.findall(
        r"^ *\(([\d.]+)\)  .*? ([+-]\S+) ([+-]\S+)   of +(\d+): (\S+) apart$", run("03").printed, re.M
    )
    assert [equation for equation, *_ in found] == EQUATIONS
    for _, left, right, size, apart in found:
        assert float(apart) < 1e-9 and float(left) == pytest.approx(float(right), abs=1e-8)
        assert int(size) > 1 or left == "+0.459688267"  # E itself, the only equation about one number


def test_the_deltas_are_those_of_the_matrix_form():
    """Worked out once more with NumPy: D1 = (D2 W2^T) Z (1 - Z), dW = Z^T D."""
    names = run("03").names
    x, t, w1, w2 = (names[name] for name in ("x", "t", "w1", "w2"))
    z = 1 / (1 + np.exp(-x @ w1))
    y = 1 / (1 + np.exp(-z @ w2))
    d2 = 2 * (y - t) * y * (1 - y)
    d1 = w2 @ d2 * z * (1 - z)
    assert names["delta_k"] == pytest.approx(d2, rel=1e-12)
    assert names["delta_j"] == pytest.approx(d1, rel=1e-12)
    assert names["dE_dw1"] == pytest.approx(np.outer(x, d1), abs=1e-9)
    assert names["dE_dw2"] == pytest.approx(np.outer(z, d2), abs=1e-9)


def test_the_recursion_gives_every_delta_of_a_deeper_network():
    apart = re.findall(r"^layer (\d): .*, (\S+) apart at most$", run("03").printed, re.M)
    assert [layer for layer, _ in apart] == ["3", "2", "1"]
    assert all(float(each) < 1e-15 for _, each in apart)


def test_the_slips_are_slips():
    printed, names = run("03").printed, run("03").names
    [(slope, by_u, by_w)] = re.findall(
        r"z_1 \(1 - z_1\) = (\S+)   dz_1/du_1 = (\S+)   dz_1/dw_11 = (\S+)", printed
    )
    assert slope == by_u != by_w

    [whole] = re.findall(r"^dE/dz_1 = (\S+)$", printed, re.M)
    [right] = re.findall(r"^sum over k of delta_k w_1k = (\S+)$", printed, re.M)
    literal = [float(number) for number in re.findall(r"^K times .* = (\S+)$", printed, re.M)]
    assert whole == right and sum(literal) / 2 == pytest.approx(float(whole), abs=2e-6)
    assert all(abs(number - float(whole)) > 0.05 for number in literal)

    rows = re.findall(r"the quotient (\S+)   the sum of deltas times weights (\S+)$", printed, re.M)
    assert len(rows) == 4 and len({quotient for quotient, _ in rows}) == 4
    assert all(quotient == weighted for quotient, weighted in rows)

    [(of_E, expected)] = re.findall(r"^dE/du_1   = (\S+)   \(y_1 - t_1 = (\S+)\)$", printed, re.M)
    [alone] = re.findall(r"^dE_1/du_1 = (\S+) ", printed, re.M)
    assert of_E == expected != alone
    shares = np.exp(names["u2"]) / np.exp(names["u2"]).sum()
    assert float(alone) == pytest.approx(-0.7 * (1 - shares[0]), abs=1e-6)
