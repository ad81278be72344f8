"""A worksheet on paper: Markdown, and a page to be printed."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from microbp.arguments import counted, described, in_order, shown
from microbp.passes import bare
from microbp.storage import as_path, check_writable, write_whole
from microbp.traversal import one_line
from microbp.value import as_float
from microbp.worksheets.figure import figure
from microbp.worksheets.marking import Marking, mark
from microbp.worksheets.solution import NamedUnit, Say, Step
from microbp.worksheets.wording import in_formula, in_markdown, number

BLANK = "________"


@dataclass(frozen=True, repr=False)
class Exercise:
    """A worksheet: what is given, the formulas, and the steps, with blanks or filled in.

    Prints as Markdown; `.html` is a page for A4 or Letter paper with a figure of the network,
    `.key` the same sheet filled in, with the working of each step, and `.check` marks answers.
    """

    title: str
    given: list[tuple[str, dict[str, float]]]
    formulas: list[tuple[str, str]]
    steps: list[Step]
    numbers: Mapping[str, float]
    layers: list[list[NamedUnit]]
    targets: list[str]
    digits: int
    blanks: bool

    @property
    def key(self) -> Exercise:
        """The answer key."""
        return replace(self, blanks=False)

    @property
    def answers(self) -> dict[str, float]:
        """The right number of every step, by the name on the sheet, not rounded."""
        return {step.name: self.numbers[step.name] for step in self.steps}

    @property
    def markdown(self) -> str:
        """The sheet as Markdown, which `check` reads again when it is filled in."""
        lines = [f"# {in_markdown(self._heading)}", "", self._task, "", "## Given", ""]
        lines += [f"- {what}: {', '.join(map(self._given, names))}" for what, names in self.given]
        lines += ["", "## Formulas", ""]
        lines += [
            f"- `{formula}`{f' ({equation})' if equation else ''}" for formula, equation in self.formulas
        ]
        for part, rows in self._parts():
            lines += ["", f"## {part}", "", "| Step | Find | Working | Answer |", "|---:|---|---|---|"]
            for place, step in rows:
                working = " = ".join(self._working(step, in_markdown))
                answer = BLANK if self.blanks else self._answer(step)
                lines.append(f"| {place} | {in_markdown(step.name)} | {working} | {answer} |")
        return "\n".join([*lines, ""])

    def __str__(self) -> str:
        return self.markdown

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return self.markdown

    @property
    def html(self) -> str:
        """The sheet as a page to be printed."""
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f"<title>{escape(self._heading)}</title>\n"
            "<style>@page { margin: 15mm; } body { margin: 0 auto; max-width: 180mm; }</style>\n"
            f"</head>\n<body>\n{self._repr_html_()}\n</body>\n</html>\n"
        )

    def _repr_html_(self) -> str:
        given = "".join(
            f"<li>{what}: {', '.join(escape(self._given(name, str)) for name in names)}</li>"
            for what, names in self.given
        )
        formulas = "".join(
            f"<li>{_subscripts(formula)}{f' <i>({equation})</i>' if equation else ''}</li>"
            for formula, equation in self.formulas
        )
        tables = "".join(self._table(part, rows) for part, rows in self._parts())
        who = '<p class="who">Name <span></span> Date <span></span></p>' if self.blanks else ""
        style = files("microbp.worksheets").joinpath("sheet.css").read_text("utf-8")
        return (
            f'<div class="microbp-sheet"><style>{style}</style>{who}'
            f"<h1>{escape(self._heading)}</h1><p>{self._task}</p>"
            f"<figure>{figure(self.layers, self.targets, self._shown, self._heading)}</figure>"
            f"<h2>Given</h2><ul>{given}</ul><h2>Formulas</h2><ul>{formulas}</ul>{tables}</div>"
        )

    def _table(self, part: str, rows: list[tuple[int, Step]]) -> str:
        head = "<tr><th>Step</th><th>Find</th><th>Working</th><th>Answer</th></tr>"
        body = "".join(
            f"<tr><td>{place}</td><td>{escape(step.name)}</td>"
            f"<td>{'<br>= '.join(self._working(step, escape))}</td>"
            f"<td>{'' if self.blanks else self._answer(step)}</td></tr>"
            for place, step in rows
        )
        return f"<h2>{part}</h2><table><thead>{head}</thead><tbody>{body}</tbody></table>"

    @property
    def _heading(self) -> str:
        return self.title if self.blanks else f"Answer key: {self.title}"

    @property
    def _task(self) -> str:
        return (
            f"Find every number to {self.digits} significant digits. w1[2,3] is the weight that leads "
            "from unit 2 of the layer before to unit 3 of layer 1."
        )

    def _given(self, name: str, say: Say = in_markdown) -> str:
        return f"{say(name)} = {self.numbers[name]:.15g}"

    def _shown(self, name: str) -> str:
        """A number in the figure; none where it is to be found."""
        if name not in self.answers:
            return f"{self.numbers[name]:.15g}"
        return "" if self.blanks else number(self.numbers[name], self.digits)

    def _parts(self) -> list[tuple[str, list[tuple[int, Step]]]]:
        parts: dict[str, list[tuple[int, Step]]] = {}
        for place, step in enumerate(self.steps, start=1):
            parts.setdefault(step.part, []).append((place, step))
        return list(parts.items())

    def _working(self, step: Step, say: Say) -> list[str]:
        """The formula, in names and in numbers; nothing on a sheet with blanks."""
        if self.blanks:
            return []
        in_numbers = step.write(lambda name: in_formula(self.numbers[name], self.digits))
        return list(dict.fromkeys([step.write(say), bare(f"({in_numbers})")[1:-1]]))

    def _answer(self, step: Step) -> str:
        return number(self.numbers[step.name], self.digits)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the sheet to a file whose name ends in .md or .html; return its path.

        Raises ValueError for another ending, OSError where the file cannot be written.

        >>> from tempfile import TemporaryDirectory
        >>> from microbp import MLP, worksheet
        >>> with TemporaryDirectory() as folder:
        ...     worksheet(MLP(2, [2, 1]), [1, 0], 1.0, seed=3).save(f"{folder}/sheet.html").name
        'sheet.html'
        """
        path = as_path(path, "save")
        forms = {".md": "markdown", ".html": "html"}
        if path.suffix.lower() not in forms:
            raise ValueError(f"save: the name of a worksheet ends in .md or .html, not as in {path.name!r}")
        check_writable(path, "save")
        return write_whole(path, getattr(self, forms[path.suffix.lower()]).encode(), "save")

    def check(self, answers: Mapping[str, Any] | Iterable[Any] | str) -> Marking:
        """Mark the answers: by the names on the sheet, in the order of its steps, or a filled-in Markdown.

        An answer is right if it is so to the digits of the sheet, or if it follows from the
        answers given before it, rounded or mistaken as they are.  None is no answer.

        Raises ValueError for a name that is not on the sheet, too many answers, and a number that
        is not finite or cannot be read; TypeError for what is no number.

        >>> from microbp import Unit, worksheet
        >>> worksheet(Unit(1, "linear"), [3.0], 1.0, seed=5).check({"u1[1]": 0.6})
        0 of 9 right, 1 wrong, 8 not answered.
        The first wrong step is 1, u1[1]: 0.6 was answered.
          u1[1] = w1[1,1] * x[1] + b1[1]
                = 0.6 * 1 + (-0.8)
                = -0.2
          It looks as if the bias was forgotten.
        Not answered: z1[1], E, dE/dz1[1], delta1[1], dE/dw1[1,1], dE/db1[1], new w1[1,1], new b1[1]
        """
        return mark(self.steps, self.numbers, self._read(answers), self.digits)

    def _read(self, answers: Any) -> dict[str, float]:
        if isinstance(answers, str):
            return self._filled_in(answers)
        names = [step.name for step in self.steps]
        if isinstance(answers, Mapping):
            for name in answers:
                if name not in names:
                    raise ValueError(_unknown(name, names))
            pairs = list(answers.items())
        elif in_order(answers):
            listed = list(answers)
            if len(listed) > len(names):
                raise ValueError(
                    f"check: {counted(len(listed), 'answer')} came for the {counted(len(names), 'step')} "
                    "of this sheet"
                )
            pairs = list(zip(names, listed))
        else:
            raise TypeError(
                "check: the answers are a dict by the names on the sheet, a list in the order of the "
                f"steps, or the filled-in Markdown, not {described(answers)}"
            )
        numbers = {name: as_float(answer, self._where(name)) for name, answer in pairs if answer is not None}
        for name, answer in numbers.items():
            if not math.isfinite(answer):
                raise ValueError(f"{self._where(name)}: the answer is {answer}, which no step's number is")
        return numbers

    def _filled_in(self, text: str) -> dict[str, float]:
        """The answers that stand in the last column of a Markdown sheet."""
        rows = {(str(n), in_markdown(step.name)): step.name for n, step in enumerate(self.steps, start=1)}
        found: dict[str, str] = {}
        for line in text.splitlines():
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
            if len(cells) == 6 and (name := rows.get((cells[1], cells[2]))):
                found[name] = cells[4].strip(" _*`=").replace("\N{MINUS SIGN}", "-")
        if not found:
            raise ValueError(
                "check: no row of this worksheet is in the text; "
                "give it the sheet as it was saved, its last column filled in"
            )
        return self._read({name: self._written(written, name) for name, written in found.items() if written})

    def _written(self, text: str, name: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise ValueError(
                f"{self._where(name)}: {one_line(text)!r} is no number; write it as 0.3775 or -1.2e-05"
            ) from None

    def _where(self, name: str) -> str:
        return f"check: step {list(self.answers).index(name) + 1}, {name}"


def _unknown(name: object, names: list[str]) -> str:
    near = get_close_matches(str(name), names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"the names are {', '.join(names[:3])} and so on"
    return f"check: there is no step {shown(name)} on this sheet; {hint}"


def _subscripts(formula: str) -> str:
    text = escape(formula).replace("^2", "²")
    text = re.sub(r"\bsum_", "Σ_", re.sub(r"\bdelta_", "δ_", text))
    return re.sub(r"(?<=\w)_(\w+)", r"<sub>\1</sub>", text)
