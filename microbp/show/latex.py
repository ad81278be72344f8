"""Formulas as LaTeX, for notebooks."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

from microbp.passes import brief

_LAYERED = re.compile(r"(delta|pi|[^\W\d_])(\d*)(?:\[(\w+(?:, ?\w+)*)\])?( \(\d+\))?")
_GREEK = {"delta": r"\delta", "pi": r"\pi"}
_CHARACTERS = {
    "\\": r"}\backslash\text{",
    "<": r"}\lt\text{",
    ">": r"}\gt\text{",
    "^": r"}\hat{}\text{",
    "~": r"}\sim\text{",
    **{character: "\\" + character for character in "{}$%&#_"},
}
_FUNCTIONS = {
    "sigmoid": r"\sigma",
    **{name: "\\" + name for name in ("exp", "log", "tanh", "sin", "cos", "max", "min")},
}
_SIGNS: dict[type[ast.operator], tuple[int, str]] = {
    ast.Add: (1, " + "),
    ast.Sub: (1, " - "),
    ast.Mult: (2, r" \cdot "),
}


def latex_name(name: str) -> str:
    r"""A node's name: a letter with its layer above and its indices below, or else text.

    >>> print(latex_name("w1[2,3]"), latex_name("delta2[1]"), latex_name("v12"), latex_name("a_b"))
    w^{(1)}_{2,3} \delta^{(2)}_{1} v_{12} \text{a\_b}
    """
    parts = _LAYERED.fullmatch(name)
    if not parts:
        return rf"\text{{{escaped_text(name)}}}"
    letter, layer, index, again = parts.groups()
    above = f"^{{({layer})}}" if layer and index else ""
    below = f"_{{{(index or layer).replace(' ', '')}}}" if index or layer else ""
    return f"{_GREEK.get(letter, letter)}{above}{below}" + (rf"\text{{{again}}}" if again else "")


def latex_number(number: float) -> str:
    r"""A number of four significant digits, powers of ten written out.

    >>> print(latex_number(-0.25), latex_number(1.5e-7))
    -0.25 1.5 \times 10^{-7}
    """
    if number - number != 0.0:
        return r"\text{NaN}" if number != number else r"\infty" if number > 0 else r"-\infty"
    return re.sub(r"e([+-])0*(\d+)", lambda e: rf" \times 10^{{{e[1].strip('+')}{e[2]}}}", brief(number))


def latex_formula(formula: str, names: Mapping[str, str]) -> str:
    r"""A formula in Python's notation, its variables replaced by the names they stand for.

    >>> print(latex_formula("(a - b) ** 2 / 2", {"a": "y1[1]", "b": "t"}))
    \frac{\left(y^{(1)}_{1} - t\right)^{2}}{2}
    >>> print(latex_formula("softmax(a, b)[0] - t", {"a": "u[1]", "b": "u[2]", "t": "t[1]"}))
    \operatorname{softmax}\left(u_{1}, u_{2}\right)_{1} - t_{1}
    """
    return _parts(ast.parse(formula, mode="eval").body, names)[1]


def escaped_text(text: str) -> str:
    return "".join(_CHARACTERS.get(character, character) for character in text)


def escaped(text: str) -> str:
    """Text for Markdown, in which nothing is markup.

    >>> print(escaped("a*b* <i>"))
    a\\*b\\* &lt;i&gt;
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]$#|~])", r"\\\1", text)


def _write(node: ast.expr, names: Mapping[str, str], level: int) -> str:
    own, text = _parts(node, names)
    return rf"\left({text}\right)" if own < level else text


def _parts(node: ast.expr, names: Mapping[str, str]) -> tuple[int, str]:
    """How tightly a formula binds, and its LaTeX."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return 5, latex_number(float(value))
        case ast.Name(id=name):
            return 5, latex_name(names.get(name, name))
        case ast.UnaryOp(operand=operand):
            return 1, f"-{_write(operand, names, 2)}"
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return 3, rf"\frac{{{_write(left, names, 0)}}}{{{_write(right, names, 0)}}}"
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            base = _write(left, names, 5)
            base = f"{{{base}}}" if isinstance(left, ast.Name) else base
            return 4, f"{base}^{{{_write(right, names, 0)}}}"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SIGNS:
            own, sign = _SIGNS[type(op)]
            return own, _write(left, names, own) + sign + _write(
                right, names, own + (own == 2 or isinstance(op, ast.Sub))
            )
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return 5, _call(function, _listed(arguments, names))
        case ast.List(elts=members):
            return 5, rf"\left[{_listed(members, names)}\right]"
        case ast.Subscript(value=ast.Call() as several, slice=ast.Constant(value=int() as place)):
            return 5, f"{_write(several, names, 5)}_{{{place + 1}}}"
    return 5, rf"\text{{{escaped_text(ast.unparse(node))}}}"


def _listed(members: Sequence[ast.expr], names: Mapping[str, str]) -> str:
    return ", ".join(_write(member, names, 0) for member in members)


def _call(function: str, inside: str) -> str:
    if function == "abs":
        return rf"\left|{inside}\right|"
    if function == "sqrt":
        return rf"\sqrt{{{inside}}}"
    if function == "exp":
        return f"e^{{{inside}}}"
    written = _FUNCTIONS.get(function, rf"\operatorname{{{escaped_text(function)}}}")
    return rf"{written}\left({inside}\right)"
