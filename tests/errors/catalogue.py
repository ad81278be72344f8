"""The catalogue: the rooms in the order in which they are read, and the text that is kept of them."""

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from errors.answers import Answer, answer

KEPT = Path(__file__).parent.parent / "errors.txt"
ROOMS = [
    "values",
    "graphs",
    "networks",
    "data",
    "training",
    "compiling",
    "derivatives",
    "operations",
    "pictures",
    "worksheets",
    "files",
    "expressions",
    "commands",
]
WIDTH = 100

HEAD = """\
What microbp answers
====================

Everything that can be done wrong, room by room: what was done, and below it the error, in full.
The entries are in tests/errors/.  This text is written by `python tests/test_errors.py --write`,
and every line of it that changes is to be read as a user would read it.
"""


class Told(NamedTuple):
    """An entry of the catalogue: what was done wrong, and what was answered."""

    room: str
    done: str
    answer: Answer


@cache
def told() -> list[Told]:
    """All entries, each of them done once."""
    found = []
    for room in map(import_module, (f"errors.{name}" for name in ROOMS)):
        found += [Told(room.TITLE, done, answer(wrong)) for done, wrong in room.ENTRIES.items()]
    return found


def written() -> str:
    """The catalogue as text."""
    parts, room = [HEAD], ""
    for entry in told():
        if entry.room != room:
            room = entry.room
            parts.append(f"\n{room}\n{'-' * len(room)}\n")
        parts.append(f"{entry.done}\n{_set(entry.answer.text)}\n")
    return "\n".join(parts)


def _set(text: str) -> str:
    """A text below its entry: each line indented, and what follows a line that is full still more."""
    return "\n".join(
        f"    {'' if first else '    '}{line}".rstrip()
        for whole in text.splitlines()
        for first, line in zip([True, *[False] * len(whole)], _filled(whole))
    )


def _filled(line: str) -> list[str]:
    """A line in parts that are not too long.  Where it is parted a single space goes, and nothing else."""
    parts: list[str] = []
    for word in re.split(r"(?<=\S) (?=\s*\S)", line):
        if parts and len(parts[-1]) + len(word) < WIDTH - 8:
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return parts
