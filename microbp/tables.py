"""Tables in CSV files, and how their rows become what a network takes and gives.

Lines are counted as an editor counts them: the header is line 1.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

_DELIMITERS = (",", ";", "\t")


class Row(NamedTuple):
    """The cells of one row, and the line of the file where it starts."""

    line: int
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """A table as text: `name` is the file's, `header` names the columns, each once."""

    name: str
    header: list[str]
    rows: list[Row]

    def texts(self, column: str) -> list[str]:
        """The entries of a column.

        Raises ValueError, naming the line, for an empty one, and for a column that is not there.
        """
        place = self._place(column)
        texts = [row.cells[place] for row in self.rows]
        for row, text in zip(self.rows, texts):
            if not text:
                raise self.wrong(row, column, "the entry is missing")
        return texts

    def numbers(self, column: str) -> list[float]:
        """The entries of a column as numbers.

        Raises ValueError, naming the line, for one that is missing or not a finite number.
        """
        return [self.number(row, column, text) for row, text in zip(self.rows, self.texts(column))]

    def number(self, row: Row, column: str, text: str) -> float:
        """One entry as a number; ValueError, naming its line, for what is not a finite one."""
        number = as_number(text)
        if number is None:
            remedy = (
                "; write it with a decimal point" if as_number(text.replace(",", ".")) is not None else ""
            )
            raise self.wrong(row, column, f"{_short(text)} is not a number{remedy}")
        if not math.isfinite(number):
            raise self.wrong(row, column, f"{_short(text)} is not finite")
        return number

    def scale(self, column: str) -> Scale:
        """The mean and standard deviation of a column; ValueError where these overflow."""
        scale = Scale.of(self.numbers(column))
        if not all(map(math.isfinite, scale)):
            raise ValueError(
                f"{self.name}, column {column!r}: the numbers are too far apart to be standardised"
            )
        return scale

    def part(self, rows: list[Row]) -> Table:
        """The same columns with some of the rows."""
        return Table(self.name, self.header, rows)

    def wrong(self, row: Row, column: str, sentence: str) -> ValueError:
        return ValueError(f"{self.name}, line {row.line}, column {column!r}: {sentence}")

    def _place(self, column: str) -> int:
        if column in self.header:
            return self.header.index(column)
        guess = get_close_matches(column, self.header, 1)
        raise ValueError(
            f"{self.name}: there is no column {column!r}; there are {listed(self.header)}"
            + (f".  Did you mean {guess[0]!r}?" if guess else "")
        )


def read_table(path: str | os.PathLike[str]) -> Table:
    """The table in a CSV file: a header, then rows of as many entries, parted by , ; or tabs.

    Blank lines are passed over, and blanks around an entry are not part of it.

    Raises ValueError, saying where, for a file that is not UTF-8 text, has no header or no rows,
    a column without a name or with another's, or a row that is too long or too short, and
    OSError for one that cannot be read.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "data.csv"
    ...     _ = path.write_text("width,kind\\n1.5,cat\\n2,dog\\n")
    ...     table = read_table(path)
    >>> table.header, table.numbers("width"), table.rows[1]
    (['width', 'kind'], [1.5, 2.0], Row(line=3, cells=['2', 'dog']))
    """
    name = os.fspath(path)
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{name}, line {line}: this is not UTF-8 text; save the table as CSV in UTF-8"
        ) from None
    header, *rows = _records(name, text) or [Row(1, [])]
    _check_header(name, header)
    for row in rows:
        if len(row.cells) != len(header.cells):
            raise ValueError(
                f"{name}, line {row.line}: the row has {_counted(len(row.cells), 'entry', 'entries')}, "
                f"and the header {_counted(len(header.cells), 'column', 'columns')}"
            )
    if not rows:
        raise ValueError(f"{name}: the table has no rows below its header")
    return Table(name, header.cells, rows)


def _records(name: str, text: str) -> list[Row]:
    first = next(filter(str.strip, text.splitlines()), "")
    rows, line = [], 1
    try:
        delimiter = max(_DELIMITERS, key=lambda d: len(next(csv.reader([first], delimiter=d), [])))
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(Row(line, [cell.strip() for cell in cells]))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{name}, line {line}: this row cannot be read as CSV: {error}") from None
    return rows


def _check_header(name: str, header: Row) -> None:
    columns = header.cells
    where = f"{name}, line {header.line}"
    if not columns:
        raise ValueError(f"{name} is empty; a table begins with a header that names its columns")
    if all(as_number(column) is not None for column in columns):
        raise ValueError(f"{where}: a header that names the columns is needed here, and there are numbers")
    for place, column in enumerate(columns, start=1):
        if not column:
            raise ValueError(f"{where}: column {place} has no name")
        if column in columns[: place - 1]:
            raise ValueError(f"{where}: two columns are called {column!r}")


def as_number(text: str) -> float | None:
    """The number that a text is, or None.

    >>> as_number(" 1e-3"), as_number("1_000"), as_number("one")
    (0.001, None, None)
    """
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


class Scale(NamedTuple):
    """The mean and standard deviation of a column; a deviation of 1 for a constant one."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, column: Sequence[float]) -> Scale:
        """The scale of a column's numbers.

        >>> Scale.of([1.0, 3.0])
        Scale(mean=2.0, deviation=1.0)
        """
        if min(column) == max(column):
            return cls(column[0], 1.0)
        mean = math.fsum(x / len(column) for x in column)
        deviation = math.hypot(*(x - mean for x in column)) / math.sqrt(len(column))
        return cls(mean, deviation or 1.0)

    def standard(self, x: float) -> float:
        return (x - self.mean) / self.deviation

    def restored(self, y: float) -> float:
        return y * self.deviation + self.mean


@dataclass(frozen=True)
class Columns:
    """What a network trained on a table takes and gives: columns by name, with their scales.

    The target is a number, on the scale `target_scale`, or one of the `classes`.
    """

    inputs: list[str]
    scales: list[Scale]
    target: str
    target_scale: Scale | None
    classes: list[str]

    def samples(self, table: Table) -> list[list[float]]:
        """The rows of a table as the network takes them.

        Raises ValueError for a column that is missing and an entry that is not a number.
        """
        columns = [table.numbers(name) for name in self.inputs]
        rows = [[scale.standard(x) for scale, x in zip(self.scales, row)] for row in zip(*columns)]
        for row, sample in zip(table.rows, rows):
            for name, x in zip(self.inputs, sample):
                if not math.isfinite(x):
                    raise table.wrong(row, name, "this is too far from the numbers of the training")
        return rows

    def about(self) -> dict[str, Any]:
        """As an object of JSON, to be stored beside the network."""
        return {
            "inputs": self.inputs,
            "scales": [list(scale) for scale in self.scales],
            "target": self.target,
            "target_scale": list(self.target_scale) if self.target_scale else None,
            "classes": self.classes,
        }

    @classmethod
    def told(cls, about: dict[str, Any], n_inputs: int, n_outputs: int) -> Columns:
        """From what was stored beside a network of so many inputs and outputs.

        Raises ValueError for what `about` would not have written.
        """
        try:
            columns = cls(
                _names(about["inputs"]),
                [_scale(pair) for pair in about["scales"]],
                _names([about["target"]])[0],
                None if about["target_scale"] is None else _scale(about["target_scale"]),
                _names(about["classes"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ValueError(
                "what is stored beside the network does not describe a table's columns"
            ) from None
        classes = len(columns.classes)
        outputs = [1] if columns.target_scale else [1, 2] if classes == 2 else [classes]
        fits = len(columns.scales) == len(columns.inputs) == n_inputs and n_outputs in outputs
        if not fits or classes == 1 or bool(classes) == bool(columns.target_scale):
            raise ValueError("the columns stored beside the network do not fit its inputs and outputs")
        return columns


def _scale(pair: Any) -> Scale:
    mean, deviation = pair
    if {type(mean), type(deviation)} - {int, float} or not deviation > 0:
        raise ValueError
    return Scale(float(mean), float(deviation))


def _names(names: Any) -> list[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError
    return names


def classes_of(labels: Sequence[str]) -> list[str]:
    """The distinct labels in order: by number where all are numbers, otherwise as text.

    >>> classes_of(["10", "9", "10"]), classes_of(["dog", "cat"])
    (['9', '10'], ['cat', 'dog'])
    """
    distinct = sorted(set(labels))
    numbers = {label: as_number(label) for label in distinct}
    return distinct if None in numbers.values() else sorted(distinct, key=lambda label: numbers[label] or 0.0)


def listed(names: Sequence[str]) -> str:
    """Names as one writes them in a sentence, the first twenty.

    >>> listed(["a", "b", "c"])
    "'a', 'b' and 'c'"
    """
    quoted = [repr(name) for name in names[:20]] + ([f"{len(names) - 20} more"] if len(names) > 20 else [])
    return " and ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))


def _counted(n: int, one: str, several: str) -> str:
    return f"{n} {one if n == 1 else several}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
