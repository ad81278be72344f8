"""Runs the examples, each once in a session, with the pictures going to a folder of the tests' own."""

import contextlib
import io
import re
import runpy
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import matplotlib
from matplotlib import pyplot
from matplotlib.figure import Figure

from microbp.show.picture import Picture

FOLDER = Path(__file__).parent.parent / "examples"
EXAMPLES = sorted(FOLDER.glob("[0-9]*.py"))
WRITTEN = tempfile.TemporaryDirectory(prefix="microbp-examples-")  # removed as the tests end

# What the tests run less of: the settings of an example, and what they are in the tests.
SHORTENED: dict[str, dict[str, int]] = {
    "07": {"STARTS": 16, "PARITY_STARTS": 3},
    "08": {"STARTS": 8},
    "09": {"STARTS": 4, "TRIES": 1},
    "11": {"STARTS": 2},
    "13": {"SEEDS": 2},
    "14": {"STARTS": 2},
    "16": {"STARTS": 5},
    "19": {"EAGER": 5, "STEPS": 120, "ASKED": 3, "WRITTEN": 3},
}


class Run(NamedTuple):
    """What an example printed, the pictures it saved, and the names it defined."""

    printed: str
    pictures: list[Path]
    names: dict[str, object]


def example(number: str) -> Path:
    [path] = [path for path in EXAMPLES if path.name.startswith(f"{number}_")]
    return path


@cache
def run(number: str) -> Run:
    """Run an example as a script that stands in its own folder, with the settings of SHORTENED."""
    path, pictures = example(number), []
    save, savefig = Picture.save, Figure.savefig

    def save_here(picture, where):
        pictures.append(save(picture, Path(WRITTEN.name) / Path(where).name))
        return Path(where)

    def savefig_here(figure, where, **options):
        pictures.append(Path(WRITTEN.name) / Path(where).name)
        savefig(figure, pictures[-1], **options)

    pyplot.switch_backend("Agg")
    with (
        contextlib.redirect_stdout(io.StringIO()) as printed,
        matplotlib.rc_context(),
        patch.object(Picture, "save", save_here),
        patch.object(Figure, "savefig", savefig_here),
        patch.object(sys, "argv", [str(path)]),
        patch.object(sys, "path", [str(FOLDER), *sys.path]),
    ):
        names = _executed(path, SHORTENED.get(number, {}))
    pyplot.close("all")
    return Run(printed.getvalue(), pictures, names)


def _executed(path: Path, settings: dict[str, int]) -> dict[str, object]:
    if not settings:
        return runpy.run_path(str(path))
    text = path.read_text(encoding="utf-8")
    for name, value in settings.items():
        text, times = re.subn(rf"^{name} = [\d_]+\b", f"{name} = {value}", text, flags=re.M)
        assert times == 1, f"{path.name} has {times} settings {name}"
    names: dict[str, object] = {"__name__": "example", "__file__": str(path)}
    exec(compile(text, str(path), "exec"), names)
    return names
