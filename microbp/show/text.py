"""What a graph looks like in a terminal: `tree`, and the worksheet of `deltas`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from typing import Any, NamedTuple

from microbp.nn import MLP, Layer, Unit
from microbp.traversal import FoundUnit, one_line, units
from microbp.value import Value, check_value, digits, made_of, name_of

TREE_LIMIT = 1000  # nodes
ROW_LIMIT = 60  # rows of a table that are shown; all are there to be read


class Report(str):
    """Text that a REPL shows as it is."""

    def __repr__(self) -> str:
        return str(self)


def tree(output: Value) -> Report:
    """The graph below `output` as indented text: each node with its value and gradient.

    A line starts with the local derivative along which the line above it was reached.  A node
    that is used more than once is written out once and referred to after.

    >>> w, x = Value(3.0, "w"), Value(2.0, "x")
    >>> z = (w * x + w).tanh()
    >>> z.label = "z"
    >>> z.backward()
    >>> tree(z)
    z = tanh(9) = 1.000, grad 1.000
    └─ ×6.092e-08  6 + w = 9.000, grad 6.092e-08
       ├─ ×1.000  w * x = 6.000, grad 6.092e-08
       │  ├─ ×2.000  w = 3.000, grad 1.828e-07
       │  └─ ×3.000  x = 2.000, grad 1.828e-07
       └─ ×1.000  w (above)

    Raises ValueError for a graph of more than 1000 nodes, TypeError for what is not a Value.
    """
    check_value(output, "tree")
    lines: list[str] = []
    shown: set[Value] = set()
    stack: list[tuple[Value, str, str, str]] = [(output, "", "", "")]
    while stack:
        node, branch, margin, partial = stack.pop()
        if node in shown:
            lines.append(f"{margin}{branch}{partial}{one_line(name_of(node))} (above)")
            continue
        if len(shown) == TREE_LIMIT:
            raise ValueError(
                f"tree: this graph has more than {TREE_LIMIT:,} nodes; look at a part of it, as in tree(node)"
            )
        shown.add(node)
        lines.append(f"{margin}{branch}{partial}{_line(node)}")
        below = margin + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
        for i, (input, slope) in reversed(list(enumerate(zip(node.inputs, node.partials)))):
            last = i == len(node.inputs) - 1
            stack.append((input, "└─ " if last else "├─ ", below, f"×{digits(slope)}  "))
    return Report("\n".join(lines))


def _line(node: Value) -> str:
    made = made_of(node)
    names = [*dict.fromkeys(filter(None, [one_line(node.label), one_line(made)]))]
    return f"{' = '.join([*names, digits(node.data)])}, grad {digits(node.grad)}"


class UnitRow(NamedTuple):
    """One unit of a worksheet: its input u (eq. 1.1), output z and delta = dE/du (eq. 2)."""

    layer: int
    unit: int
    u: float
    z: float
    delta: float


class WeightRow(NamedTuple):
    """One weight of a worksheet: dE/dw_jk = delta_k z_j (eq. 3), z_j being 1 for a bias.

    `product` is delta_k z_j for this use of the weight, `gradient` is what its `.grad` holds:
    more than the product where the weight was used, or differentiated, more than once.
    """

    weight: str
    z: float
    delta: float
    product: float
    gradient: float


@dataclass(frozen=True, repr=False)
class Worksheet:
    """The numbers of a backward pass as one writes them down: a table of units, a table of weights."""

    units: list[UnitRow]
    weights: list[WeightRow]

    def __str__(self) -> str:
        blocks = [_text_table(*table) for table in self._tables()]
        return "\n\n".join([*blocks, *self._notes()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        tables = "".join(_html_table(*table) for table in self._tables())
        return tables + "".join(f"<p>{escape(note)}</p>" for note in self._notes())

    def _tables(self) -> list[tuple[Sequence[str], list[list[str]], int]]:
        units = [[str(r.layer), str(r.unit), *map(digits, r[2:])] for r in islice(self.units, ROW_LIMIT)]
        weights = [[one_line(r.weight), *map(digits, r[1:])] for r in islice(self.weights, ROW_LIMIT)]
        return [
            (("layer", "unit", "u", "z", "delta"), units, len(self.units)),
            (("weight", "z_j", "delta_k", "delta_k z_j", "dE/dw_jk"), weights, len(self.weights)),
        ]

    def _notes(self) -> list[str]:
        if all(row.delta == 0.0 for row in self.units) and all(row.gradient == 0.0 for row in self.weights):
            return ["Every delta is 0.  Call backward() on the loss first, if that has not been done."]
        summed = sum(abs(r.product - r.gradient) > 1e-9 * abs(r.gradient) for r in self.weights)
        if summed:
            return [
                f"{summed} of the gradients dE/dw_jk are not delta_k z_j alone: they hold the sum over "
                "several uses of the weight, or over several backward passes without zero_grad()."
            ]
        return []


def deltas(of: Any) -> Worksheet:
    """The worksheet of a backward pass: u, z and delta of every unit, and delta_k z_j of every weight.

    `of` is a loss E (or any Value, or a list of them), whose units are recognised in its graph,
    or a network, layer or unit after a pass.

    >>> from microbp.nn import Unit
    >>> unit = Unit(1)
    >>> unit.weights[0].data, unit.bias.data = 2.0, -1.0
    >>> unit([0.5]).backward()
    >>> deltas(unit)
    layer  unit      u       z   delta
        1     1  0.000  0.5000  0.2500
    <BLANKLINE>
    weight      z_j  delta_k  delta_k z_j  dE/dw_jk
    w1[1,1]  0.5000   0.2500       0.1250    0.1250
    b1[1]     1.000   0.2500       0.2500    0.2500

    Raises ValueError where there is no unit, TypeError for what is neither.
    """
    found = units(*_outputs(of))
    if not found:
        raise ValueError(
            "deltas: there is no unit in this graph: no weighted sum of Values followed by an activation.  "
            "tree(output) shows the gradient of every node"
        )
    return Worksheet(
        [UnitRow(unit.layer, unit.number, unit.u.data, unit.z.data, unit.u.grad) for unit in found],
        [row for unit in found for row in _weight_rows(unit)],
    )


def _weight_rows(unit: FoundUnit) -> list[WeightRow]:
    delta = unit.u.grad
    rows = [
        WeightRow(name_of(weight), input.data, delta, delta * input.data, weight.grad)
        for weight, input in zip(unit.weights, unit.inputs)
    ]
    if unit.bias is not None:
        rows.append(WeightRow(name_of(unit.bias), 1.0, delta, delta, unit.bias.grad))
    return rows


def _outputs(of: Any) -> list[Value]:
    if isinstance(of, Unit):
        return [of.z]
    if isinstance(of, MLP):
        of = of[-1]
    if isinstance(of, Layer):
        return [unit.z for unit in of]
    outputs = list(of) if isinstance(of, (list, tuple)) else [of]
    for output in outputs:
        check_value(output, "deltas")
    return outputs


def _text_table(header: Sequence[str], rows: list[list[str]], total: int) -> str:
    """Columns aligned to the right, but for names, which stand at the left."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    names = header[0] == "weight"
    lines = []
    for row in [list(header), *rows]:
        cells = [cell.rjust(width) for cell, width in zip(row, widths)]
        first = row[0].ljust(widths[0]) if names else cells[0]
        lines.append("  ".join([first, *cells[1:]]).rstrip())
    return "\n".join([*lines, *_more(rows, total)])


def _html_table(header: Sequence[str], rows: list[list[str]], total: int) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return (
            "<tr>" + "".join(f'<{tag} style="text-align: right">{escape(c)}</{tag}>' for c in cells) + "</tr>"
        )

    body = "".join(line(row, "td") for row in rows)
    return f"<table><thead>{line(header, 'th')}</thead><tbody>{body}</tbody></table>" + "".join(
        f"<p>{note}</p>" for note in _more(rows, total)
    )


def _more(rows: list[list[str]], total: int) -> list[str]:
    return [f"... and {total - len(rows)} more rows"] if total > len(rows) else []
