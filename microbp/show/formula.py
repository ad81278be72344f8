"""Formulas as HTML, and the formula of a loss from the nodes it was computed through."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Collection
from typing import Any

from microbp.rules import RULES
from microbp.show.style import escaped, name, subscript, superscript
from microbp.value import Value

_MOST_NODES, _LONGEST = 64, 64
_NAME = re.compile(r"([^\W\d]\w{0,7})(\[\d{1,4}(,\d{1,4})*\])?")
_SIGNS: dict[type[ast.operator], tuple[int, str]] = {
    ast.Add: (1, " + "),
    ast.Sub: (1, " − "),
    ast.Mult: (2, "·"),
    ast.Div: (2, " / "),
}


def as_html(formula: str) -> str:
    """A formula in Python's notation, set as a textbook would.

    >>> as_html("(z - t) ** 2 / 2")
    '½ (<I>z</I> − <I>t</I>)<SUP><FONT POINT-SIZE="9">2</FONT></SUP>'
    >>> as_html("sigmoid(u)")
    'σ(<I>u</I>)'
    >>> as_html("softmax(a, b)[0] - t")
    'softmax(<I>a</I>, <I>b</I>)<SUB><FONT POINT-SIZE="9">1</FONT></SUB> − <I>t</I>'
    """
    return _write(ast.parse(formula, mode="eval").body, 0)


def formula_of(output: Value, atoms: Collection[Value]) -> str | None:
    """What `output` computes from `atoms` and leaves, or None if that is too long to read.

    Terms that differ in an index only become a sum over k, written total(...).

    >>> from microbp import squared_error
    >>> y = [Value(0.5, "y[1]"), Value(0.5, "y[2]")]
    >>> formula_of(squared_error(y, [1, 0], half=True), y)
    'total((y[k] - t[k]) ** 2) / 2'
    """
    atoms = set(atoms) - {output}
    nodes = [output]
    for node in nodes:
        if len(nodes) + len(node.inputs) > _MOST_NODES:
            return None
        nodes.extend(input for input in node.inputs if input not in atoms)
    try:
        text = _text(output, atoms)
    except _Unnamed:
        return None
    return text if len(text) <= _LONGEST else None


class _Unnamed(Exception):
    """A node whose label is no name that a formula could use."""


def _text(node: Value, atoms: Collection[Value]) -> str:
    if node.rule is None or node in atoms:
        return _symbol(node)
    if node.rule.name == "pick":
        assert node.constant is not None
        return _text(node.inputs[int(float(node.constant))], atoms)
    operands = [f"({_text(o, atoms)})" if isinstance(o, Value) else f"{float(o):.6g}" for o in node.operands]
    match node.rule.name:
        case "sum" if len(operands) > 1:
            return _normal(_sum(operands))
        case "logsumexp":
            return _normal(f"log({_sum([f'exp({o})' for o in operands])})")
        case "cross_entropy":
            ts, us = node.rule.group(operands)
            powers, products = [f"exp({u})" for u in us], [f"{t} * {u}" for t, u in zip(ts, us)]
            return _normal(f"log({_sum(powers)}) - ({_sum(products)})")
    return _normal(node.rule.formula(operands))


def _sum(terms: list[str]) -> str:
    """The terms added up, by a sign for sums where they differ in one index only."""
    one = _common(terms)
    return f"total({one})" if one else " + ".join(terms)


def _symbol(node: Value) -> str:
    if not node.label:
        return "z" if node.rule else f"{node.data:.3g}"
    named = _NAME.fullmatch(node.label)
    if not named or not named[1].isidentifier() or keyword.iskeyword(named[1]):
        raise _Unnamed
    return node.label


def _normal(formula: str) -> str:
    """The same formula with no more parentheses than it needs."""
    return ast.unparse(ast.parse(formula, mode="eval")).replace(", ", ",")


def _common(terms: list[str]) -> str | None:
    """The terms as one with the index k, if they differ in one index only: y[1] - t[1], y[2] - t[2], ..."""
    if len(terms) < 2:
        return None
    parts = [re.split(r"\[(\d+)\]", term) for term in terms]
    if any(part[::2] != parts[0][::2] for part in parts):
        return None
    columns = list(zip(*(part[1::2] for part in parts)))
    varying = {column for column in columns if len(set(column)) > 1}
    if len(varying) > 1:
        return None
    pieces = list(parts[0])
    for place, column in enumerate(columns):
        pieces[2 * place + 1] = "[k]" if column in varying else f"[{column[0]}]"
    return "".join(pieces)


def _write(node: ast.expr, level: int) -> str:
    """The HTML of a formula that stands where operations below `level` need parentheses."""
    own, text = _parts(node)
    return f"({text})" if own < level else text


def _parts(node: ast.expr) -> tuple[int, str]:
    match node:
        case ast.Constant(value=int() | float() as value):
            return 5, f"{value:.3g}".replace("-", "−")
        case ast.Name(id="pi"):
            return 5, "π"
        case ast.UnaryOp(operand=operand):
            return 1, f"−{_write(operand, 2)}"
        case ast.BinOp(left=left, op=ast.Div(), right=ast.Constant(value=2)):
            return 2, f"½ {_write(left, 2)}"
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return 4, _write(left, 5) + superscript(_write(right, 0))
        case ast.BinOp(left=ast.Name(id=left), op=ast.Mult(), right=ast.Name(id=right)) if left == right:
            return 4, name(left) + superscript("2")
        case ast.BinOp(left=left, op=op, right=right):
            own, sign = _SIGNS[type(op)]
            return own, _write(left, own) + sign + _write(right, own + isinstance(op, (ast.Sub, ast.Div)))
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return _call(function, arguments)
        case ast.List(elts=members):
            return 5, f"[{', '.join(_write(member, 0) for member in members)}]"
        case ast.Subscript(value=ast.Call() as several, slice=ast.Constant(value=int() as place)):
            return 5, _write(several, 5) + subscript(str(place + 1))
    return 5, name(ast.unparse(node))


def _call(function: str, arguments: list[Any]) -> tuple[int, str]:
    if function == "total":
        over_k = "[k]" in ast.unparse(arguments[0])
        sign = f"Σ{subscript('<I>k</I>')}" if over_k else "Σ"
        return 2, f"{sign} {_write(arguments[0], 2)}"
    inside = ", ".join(_write(argument, 0) for argument in arguments)
    if function == "abs":
        return 5, f"|{inside}|"
    return 5, f"{escaped(RULES[function].symbol) if function in RULES else function}({inside})"
