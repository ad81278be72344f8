"""The table's rows as JavaScript: a page evaluates a recorded graph by the same rules as Python."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping

from microbp.rules import CONSTANTS, FLOATS, Rule, many

# stepper.js has the elementary functions that Python's floats have.
FUNCTIONS = frozenset(FLOATS)
_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def as_javascript(rule: Rule) -> str:
    """A row as an object of two functions of its grouped operands.

    >>> from microbp import RULES
    >>> print(as_javascript(RULES["product"]))
    {forward: (x_, y_) => (x_ * y_), partials: (z, x_, y_) => [y_, x_]}
    >>> print(as_javascript(RULES["weighted_sum"]))
    {forward: (ws_, xs_, b_) => (F.dot(ws_, xs_) + b_), partials: (z, ws_, xs_, b_) => \
[...ws_.map((_, i) => xs_[i]), ...xs_.map((_, i) => ws_[i]), 1]}

    Raises ValueError for a row that says what JavaScript has no word for here.
    """
    names = rule.parameters
    slopes = []
    for name, partial in zip(names, rule.partials):
        if partial is None:
            continue
        written = _write(rule, partial, names)
        slopes.append(f"...{name}_.map((_, i) => {written})" if many(name) else written)
    forward = _write(rule, rule.forward, names)
    parameters = ", ".join(f"{name}_" for name in names)  # with which no name is a word of JavaScript's own
    return f"{{forward: ({parameters}) => {forward}, partials: (z, {parameters}) => [{', '.join(slopes)}]}}"


def _write(rule: Rule, text: str, names: Collection[str]) -> str:
    members = {name[:-1]: f"{name}_[i]" for name in names if many(name)}
    words = {"z": "z", "i": "i", **members, **{name: f"{name}_" for name in names}}
    return _expression(rule, ast.parse(text, mode="eval").body, words)


def _expression(rule: Rule, node: ast.expr, words: Mapping[str, str]) -> str:
    def write(part: ast.expr) -> str:
        return _expression(rule, part, words)

    match node:
        case ast.Constant(value=int() | float() as value):
            return repr(value)
        case ast.Name(id=name) if name in words:
            return words[name]
        case ast.Name(id=name) if name in CONSTANTS:
            return repr(CONSTANTS[name])
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"(-{write(operand)})"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return f"({write(left)} {_OPERATORS[type(op)]} {write(right)})"
        case ast.Call(func=ast.Name(id=function), args=arguments) if function in FUNCTIONS:
            return f"F.{function}({', '.join(map(write, arguments))})"
        case ast.Call(func=ast.Name(id=function), args=arguments) if function in rule.own_functions:
            own = rule.own_functions[function].functions
            if "javascript" in own:
                return f"({own['javascript']})({', '.join(map(write, arguments))})"
            raise ValueError(
                f"explore: the operation {rule.name!r} cannot be shown in a page, which does not know "
                f"{function!r}; say what it is, as in operation({function!r}, ..., javascript='(x) => ...')"
            )
        case ast.Subscript(value=sequence, slice=place):
            return f"{write(sequence)}[{write(place)}]"
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return f"({write(test)} !== 0 ? {write(body)} : {write(orelse)})"
    raise ValueError(
        f"explore: the operation {rule.name!r} cannot be shown in a page, which does not know "
        f"{ast.unparse(node)!r}; the functions it knows are {', '.join(sorted(FUNCTIONS))}"
    )
