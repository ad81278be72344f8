"""`explore`: one page that goes through both passes step by step, with numbers that can be changed.

The page carries the recorded graph and the rows of the table as JavaScript, and computes every
value, local derivative and gradient itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from microbp.history import History
from microbp.passes import as_factor
from microbp.rules import Rule
from microbp.show import builtin, style, units_view, values_view
from microbp.show.formula import as_html
from microbp.show.javascript import as_javascript
from microbp.show.page import Page, asset, page
from microbp.show.sketch import Sketch
from microbp.show.watch import watch
from microbp.traversal import (
    FoundUnit,
    derivatives,
    first_stale,
    larger_than,
    topological,
    unique_names,
    units,
)
from microbp.value import Value, check_value

MOST_NODES = 2000
MOST_FRAMED = 400  # nodes; more are drawn without frames around their units
MOST_WRITTEN = 16  # operands of an operation whose formula is written out

_MARK = re.compile(r"<I>([nz]\d+)</I>")


def explore(output: Value | History) -> Page:
    """A page that steps through the forward and the backward pass of `output`.

    Forward it goes node by node, backward edge by edge, with each equation in symbols and in
    numbers, and the paths that add up to a gradient.  Leaves can be changed and nudged: the
    page evaluates the recorded graph anew.  It is one file that needs no network and no
    program but a browser: `.save("page.html")` it, `.show()` it, or let a notebook show it.

    Of the history of a training that `fit(..., record=every)` recorded it makes a page to watch
    it: the losses, and the network with its weights and deltas at each recorded epoch.

    >>> w, x = Value(0.5, "w"), Value(2.0, "x")
    >>> explore((w * x).sigmoid())
    <Page 'Both passes, step by step'; see it in a notebook, with .show(), or with .save('page.html')>

    Raises TypeError for what is neither a Value nor a History, and ValueError for a graph of
    more than 2000 nodes, an operation that the page cannot evaluate, or a training not recorded.
    """
    if isinstance(output, History):
        return watch(output)
    check_value(output, "explore", "a loss, or the History of a training")
    if larger_than(MOST_NODES, MOST_NODES * style.EDGES_PER_BOX, output):
        raise ValueError(
            f"explore: this graph has more than {MOST_NODES:,} nodes or {MOST_NODES * style.EDGES_PER_BOX:,} "
            "edges, too many to step through; explore a smaller network, one sample instead of many, "
            "or a part of it, as in explore(node)"
        )
    nodes = topological(output)
    names = unique_names(output)
    found = units(output)
    framed = found if len(nodes) <= MOST_FRAMED else []
    gradients = derivatives(output)
    with _held_by(nodes, "grad", gradients):
        with _held_by(nodes, "label", names):  # every box bears the name that the equations use
            pictures = {"values": _svg(values_view.draw([output], framed), "The value of every node")}
        boxes: dict[str, Any] = {}
        if found and len(found) <= units_view.MOST_NUMBERED:
            sketch = units_view.draw([output], found)
            pictures["units"] = _svg(sketch, "The units")
            boxes = _boxes(sketch, nodes)
    name = style.plain(output.label)
    title = f"Both passes of {name}, step by step" if name else "Both passes, step by step"
    rules = list(dict.fromkeys(node.rule for node in nodes if node.rule))
    data = {**_graph(output, nodes, names, found, rules), "boxes": boxes}
    tabs = "".join(
        f'<button class="tab" data-view="{view}">{view}</button>' for view in pictures if len(pictures) > 1
    )
    drawn = "".join(f'<div class="picture" id="{view}">{svg}</div>' for view, svg in pictures.items())
    body = asset("stepper.html").replace("<!-- tabs -->", tabs).replace("<!-- pictures -->", drawn)
    table = ",\n  ".join(map(as_javascript, rules))
    script = f"const RULES = [\n  {table}\n];\n{asset('stepper.js')}"
    return page(title, body, script, asset("stepper.css"), data)


@contextmanager
def _held_by(nodes: Sequence[Value], name: str, what: Mapping[Value, Any]) -> Iterator[None]:
    """While a picture is drawn, another `grad` or `label` for each node; afterwards what was there."""
    before = [getattr(node, name) for node in nodes]
    try:
        for node in nodes:
            setattr(node, name, what[node])
        yield
    finally:
        for node, held in zip(nodes, before):
            setattr(node, name, held)


def _svg(sketch: Sketch, title: str) -> str:
    sketch.legend = []  # the page has its own
    return builtin.svg(sketch, title)


# The graph, as the page's script reads it.


def _graph(
    output: Value,
    nodes: Sequence[Value],
    names: Mapping[Value, str],
    found: Sequence[FoundUnit],
    rules: Sequence[Rule],
) -> dict[str, Any]:
    number = {node: k for k, node in enumerate(nodes)}
    parameters = {p for unit in found for p in (*unit.weights, unit.bias)}
    stale = first_stale(output)

    def entry(node: Value) -> dict[str, Any]:
        known: dict[str, Any] = {"name": names[node], "html": style.name(names[node]), "data": node.data}
        if node.rule is None:
            return {**known, "parameter": node in parameters}
        rule = node.rule
        return {
            **known,
            "rule": rules.index(rule),
            "sizes": [len(g) if isinstance(g, list) else -1 for g in rule.group(node.operands)],
            "operands": [[number[o]] if isinstance(o, Value) else float(o) for o in node.operands],
            "dropped": 0 if rule.place == 0 else None,
            "inputs": [number[input] for input in node.inputs],
            "domain": rule.domain,
            "operation": rule.name,
            **_formulas(node),
        }

    return {
        "nodes": [entry(node) for node in nodes],
        "output": number[output],
        "netInputs": [number[unit.u] for unit in found],
        "stale": names[stale] if stale is not None else "",
    }


Token = str | int


def _partners(node: Value) -> list[list[Token]]:
    """The local derivatives of a long weighted sum: by a weight its input, by an input its weight."""
    assert node.rule is not None
    pairs = len(node.operands) // 2
    if node.rule.name != "weighted_sum" or len(node.inputs) < 2 * pairs:
        return []  # not written out
    partners = (*range(pairs, 2 * pairs), *range(pairs))
    return [*([partner] for partner in partners), ["1"]]


def _formulas(node: Value) -> dict[str, Any]:
    """How a node is computed, and each of its local derivatives: HTML with the places of its operands."""
    rule = node.rule
    assert rule is not None
    if len(node.operands) > MOST_WRITTEN:
        symbol = style.escaped(rule.symbol)
        return {"formula": [f"{symbol} of {len(node.inputs)} inputs"], "slopes": _partners(node)}
    marks = [f"n{k}" if isinstance(o, Value) else f"{float(o):.6g}" for k, o in enumerate(node.operands)]
    marks = [f"({mark})" if mark.startswith("-") else mark for mark in marks]
    slopes = rule.slope_formulas(marks, z="z0")[rule.place == 0 :]
    written = [_tokens(as_factor(slope)) for slope in slopes]
    return {"formula": _tokens(rule.formula(marks)), "slopes": written}


def _tokens(formula: str) -> list[Token]:
    """A formula as HTML, the node's operands in it by number, the node itself as -1.

    >>> _tokens("n0 * n1 + 2")
    [0, '·', 1, ' + 2']
    >>> _tokens("z0 * (1 - z0)")
    [-1, '·(1 − ', -1, ')']
    """
    parts = _MARK.split(as_html(formula))
    tokens = [(-1 if part[0] == "z" else int(part[1:])) if k % 2 else part for k, part in enumerate(parts)]
    return [token for token in tokens if token != ""]


def _boxes(sketch: Sketch, nodes: Sequence[Value]) -> dict[str, Any]:
    """For each box of the unit view its node, and what its last rows show."""
    number = {node: k for k, node in enumerate(nodes)}
    return {
        f"{box.role}-{box.id}": {
            "node": number[box.node],
            "rows": [[what, *(number[node] for node in shown)] for what, *shown in box.rows],
        }
        for box in sketch.boxes.values()
        if box.node is not None
    }
