"""The rows of the table as scalar Python: operands' names written in, and the functions they call."""

from __future__ import annotations

import ast
import builtins
import inspect
import keyword
import math
import re
from collections.abc import Mapping
from functools import cache, lru_cache

from microbp.compiler.sources.own import for_floats
from microbp.rules import CONSTANTS, FLOATS, PARTS, Rule

# The table's elementary functions: what they are called here, and those that are not Python's or of `math`.

_CALLED: dict[str, str] = {
    name: {"max": "maximum", "min": "minimum"}.get(name, function.__name__.lstrip("_"))
    for name, function in [*FLOATS.items(), *PARTS.items()]
}
_DEFINED = {
    _CALLED[name]: function
    for name, function in [*FLOATS.items(), *PARTS.items()]
    if inspect.isfunction(function) and not hasattr(builtins, _CALLED[name])
}
RESERVED = {
    *dir(builtins),
    *dir(math),
    *keyword.kwlist,
    *_DEFINED,
    "backprop",
    "forward",
    "parameters",
    "fixed",
}


def preamble(body: str, own: Mapping[str, Rule]) -> list[str]:
    """The imports and the definitions that a body needs; `own` are functions of your own that it calls."""
    words = set(re.findall(r"\w+", body))
    brought = {name: for_floats(name, rule) for name, rule in own.items()}
    used = [name for name in _DEFINED if name in words]
    for name in used:  # which grows
        words |= _definition(name)[1]
        used += [name for name in _DEFINED if name in words and name not in used]
    words -= {name for name, text in brought.items() if text}
    imported = ", ".join(sorted(words.intersection(dir(math))))
    imports = [f"from math import {imported}"] if imported else []
    imports += ["from operator import mul"] if "dot" in used else []
    imports += [text for text in brought.values() if text.startswith("from ")]
    supplied = [text for text in brought.values() if text.startswith("def ")]
    opening = ["".join(f"{line}\n" for line in imports)] if imports else []
    return [*opening, *(_definition(name)[0] for name in used), *supplied]


@cache
def _definition(name: str) -> tuple[str, set[str]]:
    """A function of rules.py without types, underscores and `math.`, and the names that these were on."""
    head, body = inspect.getsource(_DEFINED[name]).split("\n", 1)
    called = {_public(found) for found in re.findall(r"\b(?:math\.|_)(\w+)", body)}
    body = re.sub(r"\b(?:math\.|_)(\w+)", lambda found: _public(found[1]), body)
    body = re.sub(r"(\w+): [\w\[\]]+ = ", r"\1 = ", body)
    operands = ", ".join(re.findall(r"(\w+): ", head))
    return f"def {name}({operands}):\n{body}", called


def _public(name: str) -> str:
    return _CALLED.get(name, name)


def literal(number: float) -> str:
    """A number as Python writes it, a whole one without its point."""
    whole = number.is_integer() and abs(number) < 1e15 and (number != 0 or math.copysign(1, number) > 0)
    return str(int(number)) if whole else repr(number)


# Terms: rows of the table with their operands written in.


@lru_cache(maxsize=4096)
def _template(row: str, numbers: tuple[tuple[str, str], ...]) -> str:
    """A row's text with numbers written in and folded; its other names stand in braces."""
    tree = _Bound(dict(numbers)).visit(parse(row))
    text = ast.unparse(tree)
    return f"({text})" if isinstance(tree, ast.IfExp) else text


def term(row: str, bound: Mapping[str, str]) -> str:
    """A row's text with every name replaced by the one, or the number, that it is bound to."""
    texts = [(name, bound[name]) for name in names_in(row) if name in bound]
    numbers = tuple((name, text) for name, text in texts if not (text.isidentifier() or text[0] == "["))
    return _template(row, numbers).format_map(bound)


@lru_cache(maxsize=4096)
def parse(row: str) -> ast.expr:
    return ast.parse(row, mode="eval").body


@cache
def names_in(row: str) -> list[str]:
    return sorted({part.id for part in ast.walk(parse(row)) if isinstance(part, ast.Name)})


class _Bound(ast.NodeTransformer):
    """Writes numbers in for names, and leaves out what they make superfluous, as 1 in a product."""

    def __init__(self, numbers: Mapping[str, str]) -> None:
        self.numbers = numbers

    def visit_Name(self, node: ast.Name) -> ast.expr:
        number = self.numbers.get(node.id)
        if node.id in CONSTANTS:
            return node
        return ast.Name(f"{{{node.id}}}") if number is None else parse(number)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        return _negative(self.visit(node.operand))

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, ast.Mult):
            return _times(left, right)
        a, b = _number(left), _number(right)
        if isinstance(node.op, ast.Sub) and a is not None and b is not None:
            return parse(literal(float(f"{a - b:.15g}")))  # the exponent n - 1, for reading
        return ast.BinOp(left, node.op, right)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        return ast.Subscript(self.visit(node.value), self.visit(node.slice))

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        test, body, other = self.visit(node.test), self.visit(node.body), self.visit(node.orelse)
        known = _number(test)
        return ast.IfExp(test, body, other) if known is None else body if known else other

    def visit_Call(self, node: ast.Call) -> ast.expr:
        assert isinstance(node.func, ast.Name)
        name, operands = node.func.id, [self.visit(operand) for operand in node.args]
        match name, [_number(operand) for operand in operands]:
            case "power", [_, float(n)] if n.is_integer():
                return _power(operands[0], n)
            case "exponentiate", [float(base), _] if base > 0:
                return ast.BinOp(operands[0], ast.Pow(), operands[1])
            case "equal", [float(a), float(b)]:
                return ast.Constant(int(a == b))
        return ast.Call(ast.Name(_CALLED.get(name, name)), operands, [])


def _number(node: ast.expr) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.UnaryOp(operand=ast.Constant(value=int() | float() as number)):
            return -float(number)
    return None


def _power(base: ast.expr, n: float) -> ast.expr:
    if n in (0.0, 1.0):
        return base if n else ast.Constant(1)
    return ast.BinOp(base, ast.Pow(), ast.Name(literal(n)))  # a name, as -2 would come in parentheses


def _negative(node: ast.expr) -> ast.expr:
    match node:
        case ast.UnaryOp(operand=operand):
            return operand
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
            return ast.BinOp(_negative(left), op, right)
    return ast.UnaryOp(ast.USub(), node)


def _times(left: ast.expr, right: ast.expr) -> ast.expr:
    """A product as a person writes it: factors in a row, the sign in front, and no 1 among them."""
    match right:
        case ast.BinOp(left=first, op=ast.Mult() | ast.Div() as op, right=last):
            return ast.BinOp(_times(left, first), op, last)
        case ast.UnaryOp(operand=operand) if _number(right) in (None, -1.0):
            return _times(_negative(left), operand)
    if _number(right) == 1.0:
        return left
    match _number(left):
        case 1.0:
            return right
        case -1.0:
            return _negative(right)
    return ast.BinOp(left, ast.Mult(), right)
