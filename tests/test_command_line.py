"""The command line, through a subprocess, as a person types it."""

import re
import subprocess
import sys

import pytest

import microbp


def microbp_command(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "microbp", *arguments], capture_output=True, text=True, cwd=cwd, timeout=120
    )


def test_the_demo_learns_xor_checks_its_derivatives_and_draws(tmp_path):
    done = microbp_command("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = re.findall(r"^ ([01])   ([01])       ([01])  (0\.\d{4})$", done.stdout, re.M)
    assert [(int(a), int(b), int(t)) for a, b, t, _ in table] == [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]
    assert all(round(float(y)) == int(t) for _, _, t, y in table)
    rows = re.findall(r"^ +(?:delta of |dE/d)(\S+) +(\S+) +(\S+) +(\S+)$", done.stdout, re.M)
    assert len(rows) == 3 + 9
    for _, backward, measured, difference in rows:
        assert float(backward) == pytest.approx(float(measured), abs=2e-8)
        assert abs(float(difference)) < 1e-8
    largest = re.search(r"The largest difference is (\S+)\.$", done.stdout, re.M)
    assert float(largest[1]) == max(abs(float(row[3])) for row in rows)
    assert "epoch" in done.stderr and "loss" in done.stderr
    pictures = re.findall(r"^  (\S+)  every (?:Value|unit)", done.stdout, re.M)
    assert len(pictures) == 2
    for picture in pictures:
        assert (tmp_path / picture).stat().st_size > 1000


def test_the_demo_says_so_when_it_lands_in_a_local_minimum(tmp_path):
    done = microbp_command("demo", "--epochs", "3", "--folder", str(tmp_path / "pictures"))
    assert done.returncode == 1
    assert "try another --seed" in done.stdout
    assert len(list((tmp_path / "pictures").iterdir())) == 2


def test_the_demo_says_where_it_cannot_write(tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    done = microbp_command("demo", "--epochs", "3", "--folder", str(tmp_path / "taken"))
    assert done.returncode == 1
    assert "the pictures cannot be written" in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "taken").read_text() == "a file, not a folder"


def test_help_and_version():
    assert microbp_command("--version").stdout == f"microbp {microbp.__version__}\n"
    done = microbp_command("--help")
    assert done.returncode == 0 and "demo" in done.stdout
    assert "--seed" in microbp_command("demo", "--help").stdout


@pytest.mark.parametrize("arguments", [[], ["dmeo"], ["demo", "--epochs", "0"], ["demo", "--seed", "x"]])
def test_words_it_does_not_know_end_with_2_and_a_hint(arguments):
    done = microbp_command(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: microbp") and "Traceback" not in done.stderr
