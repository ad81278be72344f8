"""The look of the pictures: colours, numbers, names and pieces of Graphviz's HTML-like labels.

Whatever a user wrote passes through `escaped` or `tooltip` and stays text.
"""

from __future__ import annotations

import html
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from microbp.traversal import FoundUnit
from microbp.value import Value

INK, GREY, LINE, BORDER = "#222222", "#555B66", "#5F6670", "#3A3F47"
VALUE, GRADIENT, LOCAL, BIAS = "#00639C", "#6B2D00", "#5B3A8C", "#6B5600"
PARAMETER_FILL, INPUT_FILL, ACTIVATION_FILL, LOCAL_FILL = "#FFF3B8", "#E8EBEF", "#DCEEFA", "#F1ECF8"
FRAME_FILL, FRAME_LINE, LOCAL_LINE = "#F6F7F9", "#C9CED6", "#CFC4E2"
ORANGES = ("#FEF3E2", "#FDE3BF", "#FDCB8B", "#FDB863")
VIOLETS = ("#F3F1F8", "#DFDDEE", "#C9C4E0", "#B2ABD2")
POSITIVE_LINE, NEGATIVE_LINE = "#B35806", "#542788"
MOST_BOXES, EDGES_PER_BOX = 1000, 4  # a larger picture is refused
DECADES = 3  # the heat scale is logarithmic and ends this far below the largest gradient

# One name: given a list of fonts Graphviz takes the widths of Times.
FONT = "Helvetica"
GRAPH = {
    "rankdir": "LR",
    "bgcolor": "white",
    "fontname": FONT,
    "fontsize": "11",
    "labelloc": "b",
    "pad": "0.15",
    "newrank": "true",
}
FRAME = {
    "labeljust": "l",
    "labelloc": "t",
    "fontsize": "12",
    "fontcolor": GREY,
    "style": "rounded,filled",
    "color": FRAME_LINE,
    "fillcolor": FRAME_FILL,
    "margin": "9",
}

_LONGEST_NAME, LONGEST_TOOLTIP = 24, 120
_UNSHOWABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ufdd0-\ufdef\ufeff\ufff0-\ufffc\ufffe\uffff\ud800-\udfff]"
)
_INDEXED = re.compile(r"([^\W_]\w{0,7})\[(\w{1,6}(?:, ?\w{1,6}){0,3})\]")


def number(x: float) -> str:
    """Three significant digits, whole numbers below 100,000 in full.

    >>> [number(x) for x in (0.5, -4.0, 138.83, 54321.9, 1234567.0, -0.0000123, float("-inf"))]
    ['0.500', '−4', '139', '54322', '1.23e6', '−1.23e−5', '−inf']
    """
    if math.isfinite(x) and abs(x) < 99999.5 and (x == round(x) or abs(x) >= 999.5):
        text = f"{x + 0.0:.0f}"
    else:
        text = re.sub(r"e([+-])0*(\d+)", lambda e: "e" + e[1].strip("+") + e[2], f"{x:#.3g}".rstrip("."))
    return text.replace("-", "−")


def plain(text: str, longest: int = _LONGEST_NAME) -> str:
    """A user's text on one line, what cannot be shown as �, and shortened.

    >>> plain("two\\nlines"), plain("bell\\x07"), plain("a" * 100)
    ('two lines', 'bell�', 'aaaaaaaaaaaaaaaaaaaaaaa…')
    """
    text = _UNSHOWABLE.sub("\ufffd", " ".join(text[: 8 * longest].split()))
    return text if len(text) <= longest else text[: longest - 1] + "…"


def escaped(text: str) -> str:
    """Text for an HTML-like label; Graphviz stumbles over a lone ]."""
    return html.escape(text).replace("]", "&#93;")


def tooltip(text: str) -> str:
    """Text for a tooltip attribute.

    Some versions of Graphviz resolve its escapes twice: a word joiner after each backslash stops them.
    """
    return html.escape(plain(text, LONGEST_TOOLTIP)).replace("\\", "\\\\&#8288;")


def name(label: str) -> str:
    """A label as HTML: italic, with what stands in brackets as a subscript.

    >>> name("w1[2,3]"), name("<b>")
    ('<I>w1</I><SUB><FONT POINT-SIZE="9">2,3</FONT></SUB>', '<I>&lt;b&gt;</I>')
    """
    indexed = _INDEXED.fullmatch(label)
    if not indexed:
        shown = escaped(plain(label))
        return f"<I>{shown}</I>" if shown else ""
    base, index = (escaped(plain(part)) for part in indexed.groups())
    return f"<I>{base}</I>{subscript(index.replace(' ', ''))}"


def font(text: str, colour: str = INK, size: int = 11) -> str:
    return f'<FONT COLOR="{colour}" POINT-SIZE="{size}">{text}</FONT>'


def subscript(text: str) -> str:
    """Small as well as low: browsers do not shrink what Graphviz only lowers."""
    return f'<SUB><FONT POINT-SIZE="9">{text}</FONT></SUB>'


def superscript(text: str) -> str:
    return f'<SUP><FONT POINT-SIZE="9">{text}</FONT></SUP>'


def cell(text: str, fill: str = "", **attributes: str) -> str:
    """A table cell of HTML that is ready; attributes such as port="o" are written in capitals."""
    if fill:
        attributes["bgcolor"] = fill
    return f"<TD{_written(attributes)}>{text}</TD>"


def table(rows: Iterable[str], **attributes: str) -> str:
    """A table of rows, each the cells of one row, or HR for a rule between rows."""
    attributes = {"border": "0", "cellborder": "0", "cellspacing": "0", **attributes}
    return f"<TABLE{_written(attributes)}>{''.join(r if r == HR else f'<TR>{r}</TR>' for r in rows)}</TABLE>"


HR = "<HR/>"


def _written(attributes: dict[str, str]) -> str:
    return "".join(f' {key.upper()}="{value}"' for key, value in attributes.items())


class Scale:
    """Sizes relative to the largest among some numbers, and their colours.

    Orange is positive, violet is negative, and deeper is larger.

    >>> scale = Scale([-10.0, 1.0, 0.0])
    >>> scale.share(1.0), scale.colour(-10.0) == VIOLETS[-1], scale.colour(0.0)
    (0.1, True, '#FFFFFF')
    """

    def __init__(self, numbers: Iterable[float]) -> None:
        self.largest = max((abs(x) for x in numbers if math.isfinite(x)), default=0.0)

    def share(self, x: float) -> float:
        """The size of x relative to the largest, from 0 to 1."""
        if not x or math.isnan(x):
            return 0.0
        return min(abs(x) / self.largest, 1.0) if self.largest else 1.0

    def colour(self, x: float) -> str:
        share = self.share(x)
        if not share:
            return "#FFFFFF"
        step = math.ceil(len(ORANGES) * (1 + math.log10(share) / DECADES))
        return (ORANGES if x > 0 else VIOLETS)[max(step, 1) - 1]


def legend(lines: Iterable[str]) -> str:
    """The legend of a picture, below it."""
    return font("<BR/>".join(["", *lines]), GREY)


def too_large(than: str, advice: str = "a part of it with depth=3") -> ValueError:
    return ValueError(
        f"graph: this graph has more than {than}, too many to draw and to read; "
        f"draw a smaller network, one sample instead of many, or {advice}"
    )


def unit_titles(units: Iterable[FoundUnit]) -> list[str]:
    """Each unit's layer and number, and which pass it is where a network was applied several times."""
    passes: Counter[tuple[int, int]] = Counter()
    titles = []
    for unit in units:
        place = unit.layer, unit.number
        passes[place] += 1
        again = f", pass {passes[place]}" if passes[place] > 1 else ""
        titles.append(f"layer {unit.layer}, unit {unit.number}{again}")
    return titles


def wanted(outputs: Sequence[Value]) -> str:
    """How a legend calls what the gradients are derivatives of."""
    return (name(outputs[0].label) if len(outputs) == 1 else "") or "<I>E</I>"


def no_backward(gradients: Iterable[float]) -> list[str]:
    """A line of the legend for a graph that was not differentiated."""
    return (
        []
        if any(gradients)
        else ["<B>No backward pass yet:</B> all gradients are 0 until backward() is called."]
    )
