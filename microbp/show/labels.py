"""HTML-like labels without Graphviz: read, measured, and written as SVG.

The part of Graphviz's language that microbp's pictures use: text in B, I, SUB, SUP and FONT,
lines parted by BR, and tables whose cells may span, be filled, be named as ports, and hold a
table.  Lengths are points.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from xml.etree import ElementTree

from microbp.show.style import INK

FONTS = "Helvetica, Arial, 'Liberation Sans', sans-serif"

# Widths in thousandths of the size, from Adobe's metrics of Helvetica: ASCII from the space on,
# and the other characters that pictures are made of (Greek from Symbol's).
_REGULAR = [
    *(278, 278, 355, 556, 556, 889, 667, 222, 333, 333, 389, 584, 278, 333, 278, 278),
    *(556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556),
    *(1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778),
    *(667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556),
    *(222, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556),
    *(556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584),
]
_BOLD = [
    *(278, 333, 474, 556, 556, 889, 722, 278, 333, 333, 389, 584, 278, 333, 278, 278),
    *(556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611),
    *(975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778),
    *(667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556),
    *(278, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611),
    *(611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584),
]
_OTHERS = {"\u00a0": 278, "·": 278, "×": 584, "−": 584, "÷": 584, "½": 834, "…": 1000, "′": 278, "→": 1000}
_OTHERS |= {"∂": 494, "Σ": 620, "σ": 603, "δ": 556, "√": 549}


@dataclass(frozen=True)
class Font:
    size: float = 14.0
    colour: str = INK
    bold: bool = False
    italic: bool = False
    rise: float = 0.0

    def width(self, text: str) -> float:
        """How wide a text is set."""
        return self.size * sum(_width(character, self.bold) for character in text) / 1000


def _width(character: str, bold: bool) -> int:
    place = ord(character) - 32
    if 0 <= place < len(_REGULAR):
        return (_BOLD if bold else _REGULAR)[place]
    if character in _OTHERS:
        return _OTHERS[character]
    if unicodedata.combining(character):
        return 0
    base = unicodedata.normalize("NFD", character)[0]
    if base != character:  # a letter with its accent
        return _width(base, bold)
    return 1200 if unicodedata.east_asian_width(character) in "WF" else 800


@dataclass
class Text:
    """Lines of runs, each run a text in one font."""

    lines: list[list[tuple[str, Font]]]

    def size(self) -> tuple[float, float]:
        widths = [sum(font.width(text) for text, font in line) for line in self.lines]
        return max(widths), sum(map(_height, self.lines))

    def draw(self, x: float, y: float, width: float, align: str) -> Iterator[str]:
        """The text in a space of this width, as SVG."""
        for line in self.lines:
            y += _height(line)
            own = sum(font.width(text) for text, font in line)
            left = x + {"left": 0.0, "right": width - own}.get(align, (width - own) / 2)
            largest = max((font.size for _, font in line), default=0.0)
            for text, font in line:
                if text.strip():
                    yield _run(left, y - 0.28 * largest - font.rise, text, font)
                left += font.width(text)


def _height(line: list[tuple[str, Font]]) -> float:
    return 1.25 * max((font.size for _, font in line), default=0.0)


def _run(x: float, y: float, text: str, font: Font) -> str:
    weight = ' font-weight="bold"' if font.bold else ""
    slant = ' font-style="italic"' if font.italic else ""
    return (
        f'<text x="{digits(x)}" y="{digits(y)}" font-size="{digits(font.size)}" fill="{font.colour}"'
        f'{weight}{slant} xml:space="preserve">{html.escape(text)}</text>'
    )


@dataclass
class Cell:
    content: Text | Table
    row: int
    column: int
    rows: int
    columns: int
    attributes: dict[str, str]

    def padding(self, table: Table) -> float:
        return float(self.attributes.get("CELLPADDING", table.attributes.get("CELLPADDING", "2")))

    def size(self, table: Table) -> tuple[float, float]:
        width, height = self.content.size()
        around = 2 * self.padding(table)
        return width + around, max(height + around, float(self.attributes.get("HEIGHT", "0")))


@dataclass
class Table:
    attributes: dict[str, str]
    cells: list[Cell] = field(default_factory=list)
    rules: list[int] = field(default_factory=list)  # rows with a line above them

    @property
    def border(self) -> float:
        return float(self.attributes.get("BORDER", "1"))

    def size(self) -> tuple[float, float]:
        widths, heights = self._tracks()
        return sum(widths) + 2 * self.border, sum(heights) + 2 * self.border

    def _tracks(self) -> tuple[list[float], list[float]]:
        """The widths of the columns and the heights of the rows."""
        widths = [0.0] * max(cell.column + cell.columns for cell in self.cells)
        heights = [0.0] * max(cell.row + cell.rows for cell in self.cells)
        for cell in sorted(self.cells, key=lambda cell: (cell.columns, cell.rows)):
            width, height = cell.size(self)
            _widen(widths, cell.column, cell.columns, width)
            _widen(heights, cell.row, cell.rows, height)
        return widths, heights

    def places(self, x: float, y: float, width: float, height: float) -> Iterator[tuple[Cell, _Area]]:
        """Where each cell lies in a table of this size, which may be larger than it needs."""
        widths, heights = self._tracks()
        b = self.border
        _widen(widths, 0, len(widths), width - 2 * b)
        _widen(heights, 0, len(heights), height - 2 * b)
        for cell in self.cells:
            yield (
                cell,
                _Area(
                    x + b + sum(widths[: cell.column]),
                    y + b + sum(heights[: cell.row]),
                    sum(widths[cell.column : cell.column + cell.columns]),
                    sum(heights[cell.row : cell.row + cell.rows]),
                ),
            )

    def ports(self, width: float, height: float) -> dict[str, float]:
        """How far from the top the middle of each named cell is."""
        found = {}
        for cell, area in self.places(0.0, 0.0, width, height):
            if "PORT" in cell.attributes:
                found[cell.attributes["PORT"]] = area.y + area.height / 2
            if isinstance(cell.content, Table):
                inner = cell.content.ports(area.width, area.height)
                found |= {port: area.y + middle for port, middle in inner.items()}
        return found

    def draw(self, x: float, y: float, width: float, height: float) -> Iterator[str]:
        """The table as SVG."""
        if "BGCOLOR" in self.attributes:
            yield _rectangle(_Area(x, y, width, height), f'fill="{self.attributes["BGCOLOR"]}"')
        places = list(self.places(x, y, width, height))
        for cell, area in places:
            if "BGCOLOR" in cell.attributes:
                yield _rectangle(area, f'fill="{cell.attributes["BGCOLOR"]}"')
        for cell, area in places:
            if isinstance(cell.content, Table):
                yield from cell.content.draw(area.x, area.y, area.width, area.height)
            else:
                yield from self._text(cell, cell.content, area)
            if cell.attributes.get("SIDES") == "R":
                right = area.x + area.width
                yield _line(right, area.y, right, area.y + area.height, cell.attributes["COLOR"])
            if cell.row in self.rules:
                colour = self.attributes.get("COLOR", INK)
                yield _line(area.x, area.y, area.x + area.width, area.y, colour)
        if self.border:
            dashes = ' stroke-dasharray="5,2"' if self.attributes.get("STYLE") == "dashed" else ""
            half = self.border / 2
            yield _rectangle(
                _Area(x + half, y + half, width - self.border, height - self.border),
                f'fill="none" stroke="{self.attributes["COLOR"]}" stroke-width="{self.border:g}"{dashes}',
            )

    def _text(self, cell: Cell, text: Text, area: _Area) -> Iterator[str]:
        padding = cell.padding(self)
        top = area.y + (area.height - text.size()[1]) / 2
        align = cell.attributes.get("ALIGN", "center")
        return text.draw(area.x + padding, top, area.width - 2 * padding, align)


@dataclass(frozen=True)
class _Area:
    x: float
    y: float
    width: float
    height: float


def _widen(tracks: list[float], first: int, count: int, needed: float) -> None:
    """Let `count` tracks from the first on take up what is needed, each its share."""
    missing = needed - sum(tracks[first : first + count])
    if missing > 0:
        for k in range(first, first + count):
            tracks[k] += missing / count


def read(label: str) -> Text | Table:
    """A label as a table or as lines of text."""
    label = f"<LABEL>{label.replace('&nbsp;', chr(0xA0))}</LABEL>"
    return _content(ElementTree.fromstring(label))


def _content(element: ElementTree.Element) -> Text | Table:
    if len(element) and element[0].tag == "TABLE":
        return _table(element[0])
    text = Text([[]])
    _read_text(element, Font(), text)
    return text


def _table(element: ElementTree.Element) -> Table:
    table = Table(dict(element.attrib))
    taken: set[tuple[int, int]] = set()
    row = 0
    for child in element:
        if child.tag == "HR":
            table.rules.append(row)
            continue
        column = 0
        for td in child:
            while (row, column) in taken:
                column += 1
            rows, columns = int(td.get("ROWSPAN", "1")), int(td.get("COLSPAN", "1"))
            table.cells.append(Cell(_content(td), row, column, rows, columns, dict(td.attrib)))
            taken.update((row + i, column + j) for i in range(rows) for j in range(columns))
        row += 1
    return table


def _read_text(element: ElementTree.Element, font: Font, text: Text) -> None:
    _add(text, element.text, font)
    for child in element:
        if child.tag == "BR":
            text.lines.append([])
        else:
            _read_text(child, _font(child, font), text)
        _add(text, child.tail, font)


def _add(text: Text, words: str | None, font: Font) -> None:
    if words:
        text.lines[-1].append((words, font))


def _font(element: ElementTree.Element, font: Font) -> Font:
    match element.tag:
        case "B":
            return replace(font, bold=True)
        case "I":
            return replace(font, italic=True)
        case "SUB":
            return replace(font, rise=-0.25 * font.size)
        case "SUP":
            return replace(font, rise=0.4 * font.size)
    size = float(element.get("POINT-SIZE", font.size))
    return replace(font, colour=element.get("COLOR", font.colour), size=size)


def _rectangle(area: _Area, paint: str) -> str:
    return (
        f'<rect x="{digits(area.x)}" y="{digits(area.y)}" width="{digits(area.width)}" '
        f'height="{digits(area.height)}" {paint}/>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return (
        f'<line x1="{digits(x1)}" y1="{digits(y1)}" x2="{digits(x2)}" y2="{digits(y2)}" stroke="{colour}"/>'
    )


def digits(length: float) -> str:
    """A length with as many digits as a picture needs."""
    return f"{round(length, 2) + 0.0:.10g}"
