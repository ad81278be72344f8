"""Pictures of a recorded graph, drawn by Graphviz."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Collection, Sequence
from pathlib import Path
from subprocess import CalledProcessError

from microbp.show import style, units_view, values_view
from microbp.show.sketch import dot_source
from microbp.traversal import topological, units
from microbp.value import Value

READABLE_VALUES = 150  # "auto" draws a box for each Value up to here
MOST_VALUES = 20_000  # the view of units looks through graphs up to here

_FORMATS = (".svg", ".png", ".pdf", ".dot")
_NO_DOT = (
    "drawing a picture needs the program `dot` of Graphviz, which was not found; install Graphviz "
    "(for example `apt install graphviz`, `brew install graphviz` or `winget install graphviz`), "
    'or keep the DOT text with .save("picture.dot")'
)


def graph(output: Value | Sequence[Value], view: str = "auto") -> Picture:
    """A picture of how `output` was computed, with the numbers as they are now.

    `output` is a Value, or a list of the outputs of a network.  There are two views:

    - "values" draws a box for each Value: to the left the local derivative at each input's
      port, to the right the operation and name, the value, and the gradient.  Units are framed.
    - "units" draws a node for each unit with its bias, u, z and delta, and each weight with
      dE/dw on its edge.
    - "auto" draws the values of a small graph, and the units of a larger one that has units.

    The picture shows itself in a notebook; elsewhere `save` it.

    Raises TypeError for anything but Values, ValueError for an unknown view, for the view of
    units where there are none, and for a graph too large to be read.

    >>> w, x = Value(2.0, "w"), Value(3.0, "x")
    >>> picture = graph((w * x).tanh())
    >>> picture
    <Picture of the values; see it in a notebook or with .save('picture.svg')>
    >>> picture.source.startswith("digraph microbp {")
    True
    """
    outputs = _outputs(output)
    if view not in ("auto", "values", "units"):
        raise ValueError(f"graph: there is no view {view!r}; use 'auto', 'values' or 'units'")
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
    return Picture(dot_source(draw(outputs, found)), view)


class Picture:
    """A picture of a graph: `source` is its DOT text, and a notebook shows it.

    It keeps the numbers the graph had when it was made.
    """

    def __init__(self, source: str, view: str) -> None:
        self.source = source
        self.view = view

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a file, .svg, .png, .pdf or .dot by the name's ending; return its path.

        Raises ValueError for another ending, FileNotFoundError for a folder that does not
        exist, and RuntimeError where Graphviz is needed and is not installed; .dot needs none.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = graph(Value(1.0, "a").tanh()).save(f"{folder}/picture.dot")
        ...     path.name, path.stat().st_size > 0
        ('picture.dot', True)
        """
        path = Path(path)
        kind = path.suffix.lower()
        if kind not in _FORMATS:
            raise ValueError(f"save: the name must end in .svg, .png, .pdf or .dot, not as in {path.name!r}")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"save: there is no folder {str(path.parent)!r}; make it first")
        content = self.source.encode() if kind == ".dot" else _render(self.source, kind[1:])
        _write(path, content)
        return path

    def __repr__(self) -> str:
        return f"<Picture of the {self.view}; see it in a notebook or with .save('picture.svg')>"

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        bundle = {"text/plain": repr(self)}
        try:
            bundle["image/svg+xml"] = _render(self.source, "svg").decode()
        except Exception as error:  # a notebook would show the whole traceback
            bundle["text/plain"] += f"\n{error}"
        return {
            kind: data
            for kind, data in bundle.items()
            if (not include or kind in include) and not (exclude and kind in exclude)
        }


def _render(source: str, kind: str) -> bytes:
    """The drawing of DOT text as the content of an svg, png or pdf file."""
    import graphviz

    if kind == "png":  # twice the resolution of a screen, for the small print
        source = source.replace("{", "{\n\tgraph [dpi=144]", 1)
    try:
        drawing: bytes = graphviz.Source(source).pipe(kind, quiet=True)
    except CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip().partition("\n")[0]
        raise RuntimeError(f"Graphviz could not draw the picture: {said or error}") from None
    except (graphviz.ExecutableNotFound, OSError):  # OSError where no process can be started
        raise RuntimeError(_NO_DOT) from None
    return drawing


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _outputs(output: object) -> list[Value]:
    outputs = [output] if isinstance(output, Value) else output
    if not isinstance(outputs, (list, tuple)) or not all(isinstance(each, Value) for each in outputs):
        raise TypeError(
            f"graph: a Value or a list of Values is needed, not {reprlib.repr(output)} "
            f"({type(output).__name__}); give it what was computed, as in graph(loss) or graph(network(x))"
        )
    if not outputs:
        raise ValueError("graph: the list is empty; give it at least one Value")
    return list(dict.fromkeys(outputs))


def _check_size(outputs: Sequence[Value], most: int) -> None:
    """Raise ValueError for a graph of more than `most` nodes, looking at no more of it than that."""
    nodes, seen, edges = list(outputs), set(outputs), 0
    for node in nodes:  # which grows while it is walked
        edges += len(node.inputs)
        if len(nodes) > most or edges > most * style.EDGES_PER_BOX:
            than = f"{most:,} nodes or {most * style.EDGES_PER_BOX:,} edges"
            raise style.too_large(than, "only the units with view='units', or a node nearer to the inputs")
        for input in node.inputs:
            if input not in seen:
                seen.add(input)
                nodes.append(input)
