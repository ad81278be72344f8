"""A tiny GPT: against PyTorch, a table of counts made with NumPy, and what must be true of any such model."""

import re
from math import log

import numpy as np
import pytest
from example_runs import FOLDER, run

TOKENS = ".abcdefghijklmnopqrstuvwxyz"
# Of one name each in 1,000 steps, from about 3.3 (https://karpathy.github.io/2026/02/12/microgpt/).
MICROGPT = "2.37"


@pytest.fixture(scope="module")
def example():
    return run("19")


def numbers(pattern, printed):
    return [float(number) for found in re.findall(pattern, printed, re.M) for number in found]


def test_the_names_are_those_of_the_file_each_once(example):
    lines = (FOLDER / "first_names.txt").read_text(encoding="utf-8").splitlines()
    names = [line for line in lines if not line.startswith("#")]
    assert len(names) == len(set(names)) == 971
    assert all(re.fullmatch("[a-z]{2,11}", name) for name in names)
    assert names[0] == "emily" and "jacob" in names  # the most frequent in 2000, says the Administration
    both = example.names["training"] + example.names["held_out"]
    assert sorted(both) == sorted(names) and len(example.names["held_out"]) == 100


def test_the_yardsticks_are_those_of_a_table_of_counts(example):
    def loss(counted, asked, start):
        counts = np.full((27, 27), float(start))
        for name in counted:
            tokens = [TOKENS.index(letter) for letter in f".{name}."]
            np.add.at(counts, (tokens[:-1], tokens[1:]), 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            losses = -np.log(counts / counts.sum(axis=1, keepdims=True))
        return np.mean(
            [losses[TOKENS.index(a), TOKENS.index(b)] for n in asked for a, b in zip(f".{n}", f"{n}.")]
        )

    training, held_out = example.names["training"], example.names["held_out"]
    [on_training, on_held_out] = numbers(
        r"follows which: (\S+) on training names, (\S+) held out$", example.printed
    )
    assert on_training == pytest.approx(loss(training, training, 0), abs=1e-4)
    assert on_held_out == pytest.approx(loss(training, held_out, 1), abs=1e-4)
    assert f"log(27) = {log(27):.4f}\n" in example.printed


def test_the_model_has_the_loss_and_the_derivatives_that_pytorch_finds(example):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    names = example.names
    tensors = [
        torch.tensor([[w.data for w in row] for row in rows], dtype=torch.float64, requires_grad=True)
        for rows in names["matrices"]
    ]
    letters, places, query, key, value, to_sum, hidden, out, logit = tensors

    def norm(x):
        return x / (x.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()

    def heads(x):
        return x.reshape(len(x), 4, 4).transpose(0, 1)

    name = "christopher"
    tokens = torch.tensor([TOKENS.index(letter) for letter in f".{name}."])
    x = letters[tokens[:-1]] + places[: len(name) + 1]
    n = norm(x)
    attended = functional.scaled_dot_product_attention(
        heads(n @ query.T), heads(n @ key.T), heads(n @ value.T), is_causal=True
    )
    x = x + attended.transpose(0, 1).reshape(len(name) + 1, 16) @ to_sum.T
    x = x + torch.relu(norm(x) @ hidden.T) @ out.T
    theirs = functional.cross_entropy(norm(x) @ logit.T, tokens[1:])
    theirs.backward()

    E = names["loss_of"](name)
    names["backward"](E)
    assert E.data == pytest.approx(theirs.item(), rel=1e-12)
    slopes = torch.cat([tensor.grad.reshape(-1) for tensor in tensors]).numpy()
    ours = np.array([parameter.grad for parameter in names["parameters"]])
    assert np.abs(ours - slopes).max() < 1e-12 * np.abs(slopes).max()


def test_eager_and_compiled_agree_and_what_stands_behind_does_not_matter(example):
    [eager, compiled] = numbers(r"^olivia: loss (\S+) eager, (\S+) compiled$", example.printed)
    assert eager == pytest.approx(compiled, rel=1e-11)
    [apart] = re.findall(r"^their 4,128 derivatives are (\S+) apart", example.printed, re.M)
    assert float(apart) < 1e-12
    gpt = example.names["gpt"]
    short, long = gpt([0, 5, 13])[0], gpt([0, 5, 13, 9, 12, 25])[0]
    for before, after in zip(short, long):
        assert [u.data for u in before] == [u.data for u in after]


def test_the_losses_start_at_guessing_and_pass_the_table_of_counts(example):
    printed = example.printed
    assert "4,128 parameters\n" in printed and 2 * 27 * 16 + 12 * 16 + 4 * 16**2 + 2 * 64 * 16 == 4128
    [start] = re.findall(r"^before any step: loss (\S+),", printed, re.M)
    assert log(27) - 0.05 < float(start) < log(27) + 0.15
    rows = re.findall(r"^ +(\d+) +(\d\.\d{4}) +(\d\.\d{4})$", printed, re.M)
    assert int(rows[-1][0]) == example.names["STEPS"]
    end, held_out = float(rows[-1][1]), float(rows[-1][2])
    [counted, counted_held_out] = numbers(r"^bigrams +(\d\.\S+) +(\d\.\S+)$", printed)
    assert end < counted and held_out < counted_held_out
    assert f"(published, microgpt on other names: {MICROGPT})\n" in printed


def test_attention_looks_back_and_adds_up_to_one(example):
    _, looked = example.names["gpt"]([0, 5, 13, 13, 1])
    for place, heads in enumerate(looked, start=1):
        assert [len(weights) for weights in heads] == [place] * 4
        for weights in heads:
            assert sum(weight.data for weight in weights) == pytest.approx(1.0, abs=1e-14)


def test_the_names_written_are_counted_right(example):
    new = example.names["new"]
    [read, held_out] = numbers(r"^(\d+) of \d+ are names it has read, (\d+) are held out$", example.printed)
    assert read == len([name for name in new if name in example.names["training"]])
    assert held_out == len([name for name in new if name in example.names["held_out"]])
    assert all(re.fullmatch("[a-z]{0,12}", name) for name in new)
