"""The operators of Value, made from the table.

`value.apply` is all that is needed to compute with Values.  An operator method made here does
the same in place, with its row's text written into its body, and is several times faster.
What was made can be read with `inspect.getsource(Value.tanh)`.
"""

from __future__ import annotations

import linecache
from collections.abc import Sequence
from fractions import Fraction
from textwrap import indent
from types import FunctionType
from typing import Any

from microbp.rules import CONSTANTS, FLOATS, RULES, Rule, many
from microbp.value import Value, apply, as_float, as_value, is_real, next_birth

_UNARY = '''\
def {method}(self):
    """{text}: {name}, with the local derivative {slope}."""
{on_value}
'''

_BINARY = '''\
def {method}(self, other):
    """{text}: {name}, with the local derivatives {slope}."""
    if other.__class__ is Value:
{on_values}
    if other.__class__ is float or other.__class__ is int:
{on_value_and_number}
    return unusual(rule, rule_held, self, other)


def {reflected}(self, other):
    """{text} with a plain number for x."""
    if other.__class__ is float or other.__class__ is int:
{on_number_and_value}
    return unusual(rule, rule_held, other, self)
'''

_SEVERAL = '''\
def {function}({parameters}):
    """{name} of Values, and of plain numbers by a slower path."""
{on_values}
'''

_NODE = """\
try:
    {take}
    z = {forward}
    partials = {slopes}
except {errors}:
    return {otherwise}({rule}, {operands})
node = new(Value)
node.data = z
node.grad = 0.0
node.label = ""
node.rule = {rule}
node.inputs = {inputs}
node.partials = partials
node.constant = {constant}
node.birth = next_birth()
node.reached = None
return node
"""


def apply_to_any(rule: Rule, operands: Sequence[Any]) -> Value:
    """`apply`, with leaves made of the plain numbers among the operands but for the one the rule holds."""
    free = operands if rule.place is None else operands[:-1]
    return apply(rule, [*(as_value(operand, rule.name) for operand in free), *operands[len(free) :]])


def unusual(rule: Rule, rule_held: Rule, x: Any, y: Any) -> Value:
    """An operator on operands that are not just Value, float or int; refuses what is not real."""
    if isinstance(x, Value) and isinstance(y, Value):
        return apply(rule, (x, y))
    number = y if isinstance(x, Value) else x
    if not is_real(number):
        if number is y and _knows_values(number, rule):
            return NotImplemented  # type: ignore[no-any-return]
        as_float(number, f"{rule.name} with a Value")
    held = number if type(number) in (int, Fraction) else float(number)
    if number is y:
        return apply(rule_held.holding(-1), (x, held))
    return apply(rule.holding(0), (held, y))


def _knows_values(other: Any, rule: Rule) -> bool:
    """Whether a class written in Python brings its own way to be the right operand."""
    if hasattr(other, "__array__"):
        return False
    return isinstance(getattr(type(other), _REFLECTED[rule.name], None), FunctionType)


_FLOAT = "other if other.__class__ is float else float(other)"


def _unary(method: str, rule: Rule) -> str:
    return _UNARY.format(
        method=method,
        text=rule.formula(["x"]),
        name=rule.name,
        slope=rule.slope_formulas(["x"])[0],
        on_value=indent(_node(rule, "rule", x="self"), " " * 4),
    )


def _binary(method: str, reflected: str, rule: Rule, rule_held: Rule) -> str:
    last, first = rule_held.holding(-1), rule.holding(0)
    held = "n" if "n" in rule_held.parameters else "y"
    return _BINARY.format(
        method=method,
        reflected=reflected,
        text=rule.formula(["x", "y"]),
        name=rule.name,
        slope=" and ".join(rule.slope_formulas(["x", "y"])),
        on_values=indent(_node(rule, "rule", x="self", y="other"), " " * 8),
        on_value_and_number=indent(_node(last, "rule_held_last", **{"x": "self", held: "other"}), " " * 8),
        on_number_and_value=indent(_node(first, "rule_held_first", x="other", y="self"), " " * 8),
    )


def _several(function: str, rule: Rule) -> str:
    row = rule.with_float_literals
    names = [name for name in row.parameters if name != _held_name(rule)]
    nodes = [f"{name}_nodes" if many(name) else f"{name}_node" for name in names]
    data = [
        f"[node.data for node in {node}]" if many(name) else f"{node}.data"
        for name, node in zip(names, nodes)
    ]
    slopes = list(row.slopes_source())
    if rule.place == -1:
        names, data, slopes = [*names, _held_name(rule)], [*data, "0.0"], slopes[:-1]
    inputs = [f"*{node}" if many(name) else node for name, node in zip(names, nodes)]
    return _SEVERAL.format(
        function=function,
        parameters=", ".join(nodes),
        name=rule.name,
        on_values=indent(
            _NODE.format(
                take=f"{', '.join(names)} = {', '.join(data)}",
                forward=f"{row.forward}\n    if z.__class__ is not float:\n        raise TypeError",
                slopes=_tuple(slopes),
                errors="(ArithmeticError, ValueError, AttributeError, TypeError)",
                otherwise="apply_to_any",
                rule="rule",
                operands=_tuple([*inputs, "0"] if rule.place == -1 else inputs),
                inputs=_tuple(inputs),
                constant=0 if rule.place == -1 else None,
            ).rstrip(),
            " " * 4,
        ),
    )


def _tuple(members: list[str]) -> str:
    """A tuple in Python source; of a single sequence without taking it apart."""
    if len(members) == 1:
        return f"tuple({members[0][1:]})" if members[0].startswith("*") else f"({members[0]},)"
    return f"({', '.join(members)})"


def _held_name(rule: Rule) -> str:
    return "" if rule.place is None else rule.parameters[rule.place]


def _node(rule: Rule, rule_name: str, **operands: str) -> str:
    """The lines that apply a row to `operands`, given as its parameters' names and whose data they are.

    The operand a row holds is a plain number and the other ones are Values.
    """
    names, row = list(operands), rule.with_float_literals
    forward, slopes = row.forward, [partial for partial in row.partials if partial]
    if rule.operands == "xs":  # a sum of two, written out
        forward, slopes = rule.formula(names), row.slope_formulas(names)
    held = None if rule.place is None else names[rule.place]
    data = {name: _FLOAT if name == held else f"{operands[name]}.data" for name in names}
    return _NODE.format(
        take=f"{', '.join(names)} = {', '.join(data.values())}",
        forward=forward,
        slopes=_tuple([slope for name, slope in zip(names, slopes) if name != held]),
        errors="(ArithmeticError, ValueError, AttributeError)",
        otherwise="apply",
        rule=rule_name,
        operands=_tuple([*operands.values()]),
        inputs=_tuple([operands[name] for name in names if name != held]),
        constant=operands[held] if held else None,
    ).rstrip()


def _make(source: str, names: dict[str, Any]) -> dict[str, FunctionType]:
    """The functions of `source` by name, their text kept for tracebacks and inspection."""
    scope = {
        **FLOATS,
        "Value": Value,
        "new": Value.__new__,
        "next_birth": next_birth,
        "apply": apply,
        "apply_to_any": apply_to_any,
        "unusual": unusual,
        **names,
    }
    name = source.removeprefix("def ").partition("(")[0]
    filename = f"<microbp {name}{'' if names['rule'].place is None else ' held'}>"
    functions: dict[str, FunctionType] = {}
    exec(compile(source, filename, "exec"), scope, functions)
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return functions


def _add_methods(source: str, names: dict[str, Any]) -> None:
    for method, function in _make(source, names).items():
        function.__module__ = Value.__module__
        function.__qualname__ = f"Value.{method}"
        setattr(Value, method, function)


_OPERATORS = [
    # method, reflected, row for Values, row for a plain number on the right
    ("__add__", "__radd__", "sum", "sum"),
    ("__sub__", "__rsub__", "difference", "difference"),
    ("__mul__", "__rmul__", "product", "product"),
    ("__truediv__", "__rtruediv__", "quotient", "quotient"),
    ("__pow__", "__rpow__", "exponentiation", "power"),
]
_REFLECTED = {name: reflected for _, reflected, name, _ in _OPERATORS}

for _method, _reflected, _name, _held in _OPERATORS:
    _rule, _rule_held = RULES[_name], RULES[_held]
    _add_methods(
        _binary(_method, _reflected, _rule, _rule_held),
        {
            "rule": _rule,
            "rule_held": _rule_held,
            "rule_held_last": _rule_held.holding(-1),
            "rule_held_first": _rule.holding(0),
        },
    )

for _rule in RULES.values():
    if _rule.operands == "x":
        _method = "__neg__" if _rule.name == "negation" else _rule.name
        _add_methods(_unary(_method, _rule), {"rule": _rule})

Value.__abs__ = Value.abs  # type: ignore[method-assign]


def of_own_row(rule: Rule) -> FunctionType:
    """A row of your own that holds no number as a function, one argument for each group; fast for Values."""
    own = {name: FLOATS.own(each) for name, each in rule.own_functions.items()}
    return _make(_several(rule.name, rule), {**CONSTANTS, **own, "rule": rule})[rule.name]


def of_several(name: str, place: int | None = None) -> FunctionType:
    """A row of several operands as a function, one argument for each group; fast for Values.

    The number that a weighted sum without a bias holds is 0.
    """
    rule = RULES[name] if place is None else RULES[name].holding(place)
    return _make(_several(name, rule), {"rule": rule})[name]
