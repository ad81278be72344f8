"""Two units shared over time add bits: against the chain rule written out, arithmetic, and published text."""

import re

import numpy as np
import pytest
from example_runs import run


@pytest.fixture(scope="module")
def example():
    return run("16")


def column(pattern, printed):
    return [tuple(map(float, found)) for found in re.findall(pattern, printed, re.M)]


def sigmoid(u):
    return 1 / (1 + np.exp(-u))


def test_the_gradient_of_a_shared_weight_is_summed_over_time(example):
    """Backpropagation through the three steps, written out for the two units."""
    names = example.names
    names["start"](names["parameters"], 0)
    v, w = (np.array([p.data for p in names[name].parameters()]) for name in ("carry", "write"))
    bits = [(1, 1), (1, 0), (0, 1)]
    carried, seen = 0.0, []
    for a, b in bits:
        z = sigmoid(v @ [a, b, carried, 1])
        y = sigmoid(w @ [a, b, carried, z, 1])
        seen.append((a, b, carried, z, y))
        carried = z
    dv, dw, later = [], [], 0.0
    for a, b, carried, z, y in reversed(seen):
        delta_y = 2 * y * y * (1 - y)  # the target is 0
        delta_z = (delta_y * w[3] + later) * z * (1 - z)
        later = delta_y * w[2] + delta_z * v[2]
        dw.insert(0, delta_y * np.array([a, b, carried, z, 1]))
        dv.insert(0, delta_z * np.array([a, b, carried, 1]))
    expected = np.vstack([np.transpose(dv), np.transpose(dw)])

    number = r" +(-?\d\.\d{6})"
    rows = column(rf"^[wb]\d\[\S+\]{number * 5}$", example.printed)
    assert len(rows) == 9
    assert np.array(rows)[:, :3] == pytest.approx(expected, abs=6e-7)
    assert np.array(rows)[:, 3] == pytest.approx(expected.sum(axis=1), abs=6e-7)
    assert np.array(rows)[:, 4] == pytest.approx(expected.sum(axis=1), abs=6e-7)
    terms = column(rf"^ +(\d) +-?\d\.\d{{4}} +-?\d\.\d{{4}}{number}$", example.printed)
    assert [term for _, term in terms] == pytest.approx(expected[2], abs=6e-7)
    [apart] = re.findall(r"^sums and shared derivatives are (\S+) apart", example.printed, re.M)
    assert float(apart) < 1e-14
    assert f"dE/dw1[3,1] = {expected[2].sum():.6f}, the sum over 9 paths\n" in example.printed


def test_who_has_learned_short_sums_with_one_carry_can_add_any(example):
    names, printed = example.names, example.printed
    [[n_learned, starts]] = column(r"^(\d+) of (\d+) starts learned all 256 sums of 4 bits$", printed)[:1]
    assert starts == names["STARTS"] and 1 <= n_learned == len(names["learned"])
    [[general, of]] = column(r"^(\d+) of these (\d+) do all 200 sums of 31 bits$", printed)[:1]
    assert general == of == n_learned
    assert "123,456,789 + 987,654,321 = 1,111,111,110\n" in printed
    assert "two numbers of 1,000 bits: right\n" in printed


def test_the_sums_are_sums(example):
    for samples, pairs in (("short", "short_pairs"), ("long", "long_pairs")):
        powers = 2 ** np.arange(len(example.names[samples][0][0]), dtype=object)
        for a, b, s, (m, n) in zip(*example.names[samples], example.names[pairs]):
            assert (a @ powers, b @ powers, s @ powers) == (m, n, m + n)


def test_the_unit_carries(example):
    rows = column(r"^ +\d+ +(\S+) to (\S+) +(\S+) to (\S+) +(\S+)$", example.printed)
    assert len(rows) == len(example.names["learned"])
    for low, high, low_of_carry, high_of_carry, r in rows:
        assert (high < 0.1 and low_of_carry > 0.9) or (low > 0.9 and high_of_carry < 0.1)
        assert abs(r) > 0.99
    carries = example.names["true_carries"]
    assert carries(5, 3, 4) == [1, 1, 1, 0] and carries(5, 2, 4) == [0, 0, 0, 0]


def test_the_first_that_learned_has_the_weights_of_a_majority_and_of_s_minus_2_carry(example):
    weights = np.array(example.names["learned"][0].weights)
    carry, write = weights[:4], weights[4:]
    assert carry / carry[:3].mean() == pytest.approx([1, 1, 1, -1.5], abs=0.15)  # on for 2 and 3 of three
    assert write / write[:3].mean() == pytest.approx([1, 1, 1, -2, -0.5], abs=0.15)


def test_the_others_forget_the_carry(example):
    found = re.findall(
        r"^(\d+) starts never carry, which is right for (\d+) of 256 sums$", example.printed, re.M
    )
    [(forgetful, right)] = found
    assert int(forgetful) >= 1
    assert int(right) == 81 == sum(m & n == 0 for m in range(16) for n in range(16))


def test_three_hidden_units_find_the_states_of_the_automaton(example):
    """Hinton's lecture 7c: "It learns four distinct patterns of activity for the 3 hidden units"."""
    rows = re.findall(r"^ +\d+ +((?:[01]{3}:\S+ *)+)$", example.printed, re.M)
    [counts] = re.findall(r"^patterns: (.*)   \(published, one network: 4\)$", example.printed, re.M)
    assert sorted(len(row.split()) for row in rows) == [int(count) for count in counts.split(", ")]
    assert rows
    for row in rows:
        states = {state for entry in row.split() for state in entry.split(":")[1].split("|")}
        assert states == {"0/0", "0/1", "1/0", "1/1"}
    [[of_one, of_all]] = column(
        r"^(\d+) of (\d+) patterns stand for one bit and carry only$", example.printed
    )
    assert of_one >= 0.9 * of_all


def test_in_short_sums_the_carry_is_handed_on_three_times_at_most():
    def handed_on(m, n):
        carry, times, most = 0, 0, 0
        for t in range(5):
            a, b = m >> t & 1, n >> t & 1
            times = times + 1 if carry and a != b else 0
            most = max(most, times)
            carry = int(a + b + carry > 1)
        return most

    times = [handed_on(m, n) for m in range(16) for n in range(16)]
    assert max(times) == 3 and times.count(3) == 8


def test_two_pictures_are_drawn(example):
    assert len(example.pictures) == 2
