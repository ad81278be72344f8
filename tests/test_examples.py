"""Every example runs, says what it claims, and its pictures are drawn."""

import json
import re
from itertools import pairwise

import mpmath
import pytest
from example_runs import EXAMPLES, run

from microbp import RULES

every_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


@every_example
def test_an_example_runs_and_its_pictures_are_kept_with_it(path):
    printed, pictures, _ = run(path.name[:2])
    assert printed
    kept = {picture.stem for picture in (path.parent / "pictures").iterdir()}
    assert pictures and {picture.stem for picture in pictures} <= kept
    for picture in pictures:
        text = picture.read_text(encoding="utf-8")
        assert 1000 < len(text) < 150_000
        assert "<dc:date>" not in text, "the same picture each time"


@every_example
def test_an_example_is_a_notebook_in_cells(path):
    (kind, first), *_ = cells(path)
    assert kind == "markdown" and first.startswith(f"# {path.name[:2]}. ")


@every_example
def test_the_notebook_with_outputs_is_that_of_the_script(path):
    """Made by the command in the README; to be made again where a script has changed."""
    notebook = json.loads((path.parent / "notebooks" / f"{path.stem}.ipynb").read_text(encoding="utf-8"))
    made_of = [(cell["cell_type"], "".join(cell["source"]).strip("\n")) for cell in notebook["cells"]]
    assert made_of == cells(path)
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    assert any({"image/svg+xml", "image/png"} & {*each.get("data", {})} for each in outputs)
    assert [each for each in outputs if each["output_type"] == "error" or each.get("name") == "stderr"] == []


@every_example
def test_an_example_speaks_of_examples_that_are_there(path):
    prose = "\n".join(text for kind, text in cells(path) if kind == "markdown")
    numbers = re.findall(r"(?:example|chapter|number) (\d\d)\b", prose)
    assert [number for number in numbers if not any(each.name.startswith(number) for each in EXAMPLES)] == []
    links = re.findall(r"\]\((?!http)([^)]+)\)", prose)
    assert [link for link in links if not (path.parent / link).exists()] == []


def cells(path):
    """The cells of a script, each as its kind and its text."""
    before, *texts = re.split(r"^# %%", path.read_text(encoding="utf-8"), flags=re.M)
    assert before == ""
    found = []
    for text in texts:
        heading, *lines = text.rstrip().split("\n")
        if heading == " [markdown]":
            assert all(line.startswith("#") for line in lines if line)
            found.append(("markdown", "\n".join(line[2:] for line in lines if line)))
        else:
            assert heading == ""
            found.append(("code", "\n".join(lines).strip("\n")))
    return found


def test_the_first_example_follows_the_chain_rule_by_hand():
    printed, *_ = run("01")
    assert "dd/da = -2.0\ndd/db = 2.0\n" in printed
    changed, promised = re.findall(r"-0\.\d+", printed)
    assert float(changed) == pytest.approx(float(promised), abs=1e-9) == -2e-6


def test_one_unit_by_hand_and_ready_made_agree():
    printed, *_ = run("02")
    lines = re.findall(r"u = 0\.100000 .* delta .*= (\S+)$", printed, re.M)
    assert len(lines) == 2 and lines[0] == lines[1]


def test_the_worksheet_gives_the_published_numbers():
    printed, *_ = run("05")
    assert "E = 0.298371109 " in printed
    rows = re.findall(r"^w\d +(\S+) +(\S+)$", printed, re.M)
    assert len(rows) == 8
    for ours, published in rows:
        assert float(ours) == pytest.approx(float(published), abs=1.3e-8)
    assert "E = 0.0000351085 before update 10000" in printed
    assert "4 of 39 right (2 following from an earlier mistake), 1 wrong, 34 not answered" in printed
    assert "the slope z * (1 - z) was forgotten" in printed


def test_irises_are_told_apart_saved_and_loaded():
    printed, *_ = run("12")
    [held_out] = re.findall(r"(\S+)% of those held out", printed)
    assert float(held_out) > 90
    assert "the same predictions: True" in printed
    rows = [[int(n) for n in row.split()] for row in re.findall(r"^(?:setosa|v\w+) +(\d.*)$", printed, re.M)]
    table, table_of_all = rows[:3], rows[3:]
    assert sum(map(sum, table)) == 38 and [sum(row) for row in table_of_all] == [50, 50, 50]
    [mistaken] = re.findall(r"mistaken: (\d+) of 150", printed)
    assert int(mistaken) == 150 - sum(table_of_all[k][k] for k in range(3)) <= 5


def test_the_wrong_passes_go_wrong_at_three_places():
    printed, pictures, _ = run("06")
    assert re.findall(r"^(\w) .*<- first wrong$", printed, re.M) == ["y", "a", "b"]
    assert re.search(r"^ +18 +36 +1 +262,144 +262144$", printed, re.M)
    assert len(pictures) == 4


def test_scalars_program_printed_code_and_pytorch_have_the_same_gradient():
    printed, *_ = run("10")
    apart = [float(number) for number in re.findall(r": +(\S+) apart$", printed, re.M)]
    installed = "PyTorch is not installed" not in printed
    assert len(apart) == 2 + installed and max(apart) < 1e-12
    assert "D1 = (D2 @ W2.T) * Z1 * (1 - Z1)\n    dW1 = Z0.T @ D1\n" in printed
    assert "d_w2_21 = delta2_1 * z1_2\n" in printed
    assert re.findall(r"^(\w+): \S+ ms a step$", printed, re.M) == ["eager", "compiled"]
    assert "100 samples agree with the eager engine" in printed


def test_the_derivatives_of_tanh_are_the_tangent_numbers_and_swish_has_its_dip():
    printed, pictures, _ = run("17")
    coefficients = re.findall(r"coefficient of x\^\d: (\S+)", printed)
    assert coefficients == ["1", "-1/3", "2/15", "-17/315", "62/2835"]  # DLMF 4.19.3 with alternating signs
    assert "most bent at u = 1.316958, log(2 + sqrt(3)) = 1.316958" in printed
    dip = -mpmath.lambertw(mpmath.exp(-1))  # where x + 1 = -exp(x)
    assert f"the dip of swish is at x = {float(dip) - 1:.12f}, where it is {float(dip):.12f}" in printed
    assert re.search(r"^w +1/2 +-5/18$", printed, re.M)  # (w x - t) x = (1/6 - 1) / 3
    assert len(pictures) == 1
    assert "swish" not in RULES


def test_newton_doubles_the_digits_and_the_certified_parameters_are_found():
    printed, *_ = run("18")
    found = re.findall(r"= (\S+)   certified (\S+)$", printed, re.M)
    assert [ours for ours, _ in found] == [certified for _, certified in found]
    assert [certified for _, certified in found] == [
        "1.9280693458e-01",
        "1.9128232873e-01",
        "1.2305650693e-01",
        "1.3606233068e-01",
    ]
    sums = re.findall(r"sum of squares (\S+), certified (\S+)$", printed, re.M)
    assert len(sums) == 4
    for ours, certified in sums:
        assert float(ours) == pytest.approx(float(certified), rel=1e-9)
    slow, fast = zip(*re.findall(r"Marquardt (\S+)   Newton (\S+)$", printed, re.M))
    slow, fast = [*map(float, slow)], [*map(float, fast)]
    assert all(0.5 < after / before < 0.8 for before, after in pairwise(slow)), "the same digits each step"
    assert all(after < 5 * before**2 for before, after in pairwise(fast[:4])), "twice the digits each step"
    away = [float(error) for error in re.findall(r"away from the minimum by (\S+)$", printed, re.M)]
    assert len(away) == 8 and away[-1] < 1e-15
