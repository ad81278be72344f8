"""Pictures of a recorded graph, drawn by Graphviz where it is installed and by microbp where it is not."""

from __future__ import annotations

import html
import os
import subprocess
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path

from microbp.arguments import check_choice, check_count, described
from microbp.show import builtin, style, units_view, values_view
from microbp.show.sketch import Sketch, dot_source
from microbp.storage import as_path, check_writable, write_whole
from microbp.traversal import consumers, larger_than, topological, units
from microbp.value import Value, name_of

READABLE_VALUES = 150  # "auto" draws a box for each Value up to here
MOST_FRAMED = 100  # boxes, some of them in frames, that "auto" gives to dot, which may take minutes for more
MOST_SECONDS = 60  # that dot is given
MOST_VALUES = 20_000  # the view of units, and the search for a neighbourhood, look through graphs up to here

_FORMATS = (".svg", ".html", ".png", ".pdf", ".dot")
_INSTALL = (
    "install Graphviz (for example `apt install graphviz`, `brew install graphviz` or "
    "`winget install graphviz`)"
)


def graph(
    output: Value | Sequence[Value],
    view: str = "auto",
    engine: str = "auto",
    depth: int | None = None,
    around: Value | None = None,
) -> Picture:
    """A picture of how `output` was computed, with the numbers as they are now.

    `output` is a Value, or a list of the outputs of a network.  There are two views:

    - "values" draws a box for each Value: to the left the local derivative at each input's
      port, to the right the operation and name, the value, and the gradient.  Units are framed.
    - "units" draws a node for each unit with its bias, u, z and delta, and each weight with
      dE/dw on its edge; of many weights and units only colours and line widths.
    - "auto" draws the values of a small graph, and the units of a larger one that has units.

    `engine` says who lays it out: "dot", the program of Graphviz; "builtin", which needs
    nothing installed; or "auto", which is dot where it is found and draws the picture well
    (not many framed units, nor lines that lead past them).

    `depth` draws only the values up to so many steps away from the node `around`, against the
    arrows and along them; without `around`, so many steps back from the output.

    The picture shows itself in a notebook; elsewhere `save` it.

    Raises TypeError for anything but Values, ValueError for an unknown view or engine, for the
    view of units where there are none, for a node that is not in the graph, and for a graph
    too large to be read.

    >>> w, x = Value(2.0, "w"), Value(3.0, "x")
    >>> picture = graph((w * x).tanh())
    >>> picture
    <Picture of the values; see it in a notebook or with .save('picture.svg')>
    >>> picture.source.startswith("digraph microbp {")
    True
    """
    outputs = _outputs(output)
    check_choice(view, ("auto", "values", "units"), "graph: view")
    check_choice(engine, ("auto", "dot", "builtin"), "graph: engine")
    if depth is not None or around is not None:
        if view == "units":
            raise ValueError(
                "graph: a neighbourhood is drawn of values; leave out view='units', or depth and around"
            )
        return Picture(_neighbourhood(outputs, depth, around), "values", engine, _title(outputs))
    _check_size(outputs, style.MOST_BOXES if view == "values" else MOST_VALUES)
    found = units(*outputs)
    if view == "units" and not found:
        raise ValueError(
            "graph: this graph has no units, which are weighted sums of Values and their activations; "
            "draw it with view='values'"
        )
    if view == "auto":
        view = "units" if found and len(topological(*outputs)) > READABLE_VALUES else "values"
    if view == "values":
        _check_size(outputs, style.MOST_BOXES)
    draw = values_view.draw if view == "values" else units_view.draw
    return Picture(draw(outputs, found), view, engine, _title(outputs))


class Picture:
    """A picture of a graph, which a notebook shows and `save` writes.

    It keeps the numbers the graph had when it was made.
    """

    def __init__(self, sketch: Sketch, view: str, engine: str = "auto", title: str = "") -> None:
        self.sketch = sketch
        self.view = view
        self.engine = engine
        self.title = title

    @cached_property
    def source(self) -> str:
        """The picture as DOT text."""
        return dot_source(self.sketch)

    @cached_property
    def svg(self) -> str:
        """The picture as SVG text.

        Raises RuntimeError where the engine is "dot" and that is not installed.
        """
        if self.engine == "dot" or (self.engine == "auto" and self._suits_dot()):
            try:
                return _by_dot(self.source, "svg").decode()
            except (NoGraphviz, ImportError):  # where pip is missing, graphviz may be so too
                if self.engine == "dot":
                    raise
        return builtin.svg(self.sketch, self.title)

    def _suits_dot(self) -> bool:
        """Not for many boxes in frames, nor for lines past a frame, which dot leads in wide loops."""
        large = len(self.sketch.boxes) > MOST_FRAMED
        return not self.sketch.frames or not (large or self.sketch.leads_past_a_frame())

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a file, .svg, .html, .png, .pdf or .dot by the name's ending; return its path.

        Raises ValueError for another ending, FileNotFoundError for a folder that does not
        exist, and RuntimeError for .png and .pdf where Graphviz is not installed.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = graph(Value(1.0, "a").tanh()).save(f"{folder}/picture.svg")
        ...     path.name, path.stat().st_size > 0
        ('picture.svg', True)
        """
        path = as_path(path, "save")
        kind = path.suffix.lower()
        if kind not in _FORMATS:
            raise ValueError(
                f"save: the name must end in .svg, .html, .png, .pdf or .dot, not as in {path.name!r}"
            )
        check_writable(path, "save")  # before the work, not after it
        return write_whole(path, self._content(kind[1:]), "save")

    def _content(self, kind: str) -> bytes:
        if kind == "dot":
            return self.source.encode()
        if kind == "svg":
            return self.svg.encode()
        if kind == "html":
            return self._page().encode()
        if self.engine == "builtin":
            raise RuntimeError(
                f"save: the built-in engine writes .svg and .html; for .{kind} leave out engine='builtin', "
                "and Graphviz draws the picture"
            )
        return _by_dot(self.source, kind)

    def _page(self) -> str:
        """The SVG as a page of its own."""
        drawing = self.svg[self.svg.index("<svg") :]
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f"<title>{html.escape(self.title)}</title>\n"
            "<style>body { margin: 0; background: white; } svg { display: block; margin: auto; }</style>\n"
            f"</head>\n<body>\n{drawing}</body>\n</html>\n"
        )

    def __repr__(self) -> str:
        return f"<Picture of the {self.view}; see it in a notebook or with .save('picture.svg')>"

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        bundle = {"text/plain": repr(self)}
        try:
            bundle["image/svg+xml"] = self.svg
        except Exception as error:  # a notebook would show the whole traceback
            bundle["text/plain"] += f"\n{error}"
        return {
            kind: data
            for kind, data in bundle.items()
            if (not include or kind in include) and not (exclude and kind in exclude)
        }


class NoGraphviz(RuntimeError):
    """Graphviz's program dot cannot be started."""


def _by_dot(source: str, kind: str) -> bytes:
    """The drawing of DOT text as the content of an svg, png or pdf file."""
    if kind == "png":  # twice the resolution of a screen, for the small print
        source = source.replace("{", "{\n\tgraph [dpi=144]", 1)
    command = ["dot", f"-T{kind}"]
    try:
        done = subprocess.run(
            command, input=source.encode(), capture_output=True, check=True, timeout=MOST_SECONDS
        )
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip().partition("\n")[0]
        raise RuntimeError(
            f"Graphviz could not draw the picture: {said or error}; engine='builtin' draws it without"
        ) from None
    except subprocess.TimeoutExpired:
        raise RuntimeError(
            f"Graphviz was not done in {MOST_SECONDS} seconds; save the picture as .svg or .html "
            "with engine='builtin', or draw a part of the graph"
        ) from None
    except OSError:  # there is no dot, or no process can be started
        what = "engine='dot'" if kind == "svg" else f"a .{kind} file"
        raise NoGraphviz(
            f"{what} needs the program `dot` of Graphviz, which was not found; {_INSTALL}, "
            "or save the picture as .svg or .html, which need nothing installed"
        ) from None
    return done.stdout


def _title(outputs: Sequence[Value]) -> str:
    names = ", ".join(style.plain(output.label) for output in outputs[:3] if output.label)
    return f"Computation graph of {names}" if names else "Computation graph"


def _neighbourhood(outputs: Sequence[Value], depth: int | None, around: Value | None) -> Sketch:
    """The values within `depth` steps of a node; one step if only the node is given."""
    steps = 1 if depth is None else depth
    check_count(steps, "graph: depth, a number of steps,", 0)
    if around is not None and not isinstance(around, Value):
        raise TypeError(f"graph: around is a Value of the graph, not {described(around)}")
    _check_size(outputs, MOST_VALUES)
    users = consumers(*outputs)
    if around is not None and around not in users:
        raise ValueError(f"graph: the node to draw around, {name_of(around)!r}, is not part of this graph")
    near = dict.fromkeys([around] if around is not None else outputs)
    edge = list(near)
    for _ in range(steps):
        edge = [other for node in edge for other in (*node.inputs, *users[node]) if other not in near]
        near |= dict.fromkeys(edge)
        if not edge or len(near) > style.MOST_BOXES:
            break
    if len(near) > style.MOST_BOXES:
        raise style.too_large(f"{style.MOST_BOXES:,} nodes within {steps:,} steps", "a smaller depth")
    return values_view.draw(outputs, units(*outputs), near.keys())


def _outputs(output: object) -> list[Value]:
    outputs = [output] if isinstance(output, Value) else output
    if not isinstance(outputs, (list, tuple)) or not all(isinstance(each, Value) for each in outputs):
        raise TypeError(
            f"graph: a Value or a list of Values is needed, not {described(output)}; "
            "give it what was computed, as in graph(loss) or graph(network(x))"
        )
    if not outputs:
        raise ValueError("graph: the list is empty; give it at least one Value")
    return list(dict.fromkeys(outputs))


def _check_size(outputs: Sequence[Value], most: int) -> None:
    """Raise ValueError for a graph of more than `most` nodes, or of very many edges."""
    edges = most * style.EDGES_PER_BOX
    if larger_than(most, edges, *outputs):
        raise style.too_large(
            f"{most:,} nodes or {edges:,} edges",
            "only the units with view='units', or a part of it with depth=3, or depth=2, around=a_node",
        )
