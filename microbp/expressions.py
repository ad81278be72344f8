"""Expressions as text: "sigmoid(w*x + b)" becomes a graph of Values.

The text is taken apart by Python's own parser and walked by a list of what is allowed; nothing
of it is ever run as Python.
"""

from __future__ import annotations

import ast
import math
import operator
import unicodedata
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, SupportsFloat

from microbp import functions
from microbp.arguments import described
from microbp.operations import OWN
from microbp.rules import BUILT_IN, RULES, many
from microbp.value import Value, apply, as_float, as_value

LONGEST = 10_000  # characters
MOST_PARTS = 2_000  # names, numbers and operations
LONGEST_NAME = 100

_BINARY: dict[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("sum", operator.add),
    ast.Sub: ("difference", operator.sub),
    ast.Mult: ("product", operator.mul),
    ast.Div: ("quotient", operator.truediv),
    ast.Pow: ("power", operator.pow),
}

# The built-in operations that are functions, of one Value or of several.
_BUILT_IN = {
    name: getattr(functions, name)
    for name, rule in RULES.items()
    if name in BUILT_IN and hasattr(functions, name) and len(rule.parameters) == 1
}


def _functions() -> dict[str, Callable[..., Any]]:
    """What expressions can call: these, and operations of your own, of single Values or of several."""
    own = [
        (name, operation)
        for name, operation in list(OWN.items())
        if len(operation.rule.parameters) == 1 or not any(map(many, operation.rule.parameters))
    ]
    return {**_BUILT_IN, **dict(own)}


_REFUSED: dict[type[ast.AST], str] = {
    ast.Attribute: "an attribute",
    ast.Subscript: "an index",
    ast.Lambda: "a function",
    ast.NamedExpr: "an assignment inside an expression",
    ast.Compare: "a comparison",
    ast.BoolOp: "a condition",
    ast.IfExp: "a condition",
    ast.JoinedStr: "text",
    ast.Starred: "a star",
    ast.Tuple: "a comma outside of a function",
    ast.List: "a list",
    ast.Dict: "a dict",
    ast.Set: "a set",
}


class ExpressionError(ValueError):
    """What is wrong with an expression: its line, a mark under the place, and a sentence."""


def parse(text: str, values: Mapping[str, SupportsFloat]) -> Value:
    """The Value that `text` computes from the named numbers, which become leaves of these labels.

    An expression is made of names, numbers, + - * / ** and the functions of the table: exp, log,
    sqrt, sigmoid, tanh, relu, softplus, sin, cos and abs of one, sum, max, min and logsumexp of
    one or more, and operations of your own.  Statements `name = expression`, one to a line or parted
    by semicolons, name what comes between; the last may go without a name.  Numbers that meet only
    numbers stay plain.  Of `values` the names that occur are used.

    Raises ExpressionError, a ValueError that points at the place, for what cannot be read, a name
    without a value, a function that does not exist, and a result outside a function's domain or
    too large for a float.

    >>> z = parse("u = w*x + b; sigmoid(u)", {"w": 0.5, "x": 2, "b": -1})
    >>> z.backward()
    >>> z.data, z.inputs[0]
    (0.5, Value(0.000, label='u', grad=0.2500))
    >>> parse("sigmoid(w*y)", {"w": 0.5, "x": 2})
    Traceback (most recent call last):
    microbp.expressions.ExpressionError: sigmoid(w*y)
              ^
    there is no value for 'y'; give it one, as in y=1 (known: 'w', 'x')
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"the values are numbers by name, a dict such as {{'x': 2}}, not {described(values)}")
    known = {normal(name): as_float(number, f"the value of {name!r}") for name, number in values.items()}
    program = _Program(text)
    program.check(known)
    return program.build(known)


def names(text: str) -> list[str]:
    """The names that `parse` needs values for, in the order in which they occur.

    Raises ExpressionError for what cannot be read.

    >>> names("u = w*x + b; sigmoid(u)")
    ['w', 'x', 'b']
    """
    found: dict[str, None] = {}
    own: set[str] = set()
    for statement in _Program(text).statements:
        found.update((name, None) for name in statement.names if name not in own)
        own.add(statement.name)
    return list(found)


def normal(name: str) -> str:
    """A name as Python reads it, to which some letters that look alike are one."""
    return unicodedata.normalize("NFKC", name)


@dataclass(frozen=True)
class _Statement:
    """`name = ...`, or an expression whose name is ''; `parts` come each after its operands."""

    name: str
    place: ast.stmt
    parts: list[Any]

    @property
    def names(self) -> list[str]:
        return [part.id for part in self.parts if isinstance(part, ast.Name)]


class _Program:
    """A text, taken apart into statements of arithmetic and nothing else."""

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"an expression is a text, not {described(text)}")
        if len(text) > LONGEST:
            raise ExpressionError(
                f"an expression has at most {LONGEST:,} characters; this one has {len(text):,}"
            )
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
            raise ExpressionError("the expression holds characters that are no text")
        self.lines = [line.strip() for line in text.splitlines()]
        self.statements = [self._statement(node) for node in self._nodes()]
        if not self.statements:
            raise ExpressionError("the expression is empty; write one such as sigmoid(w*x + b)")
        if sum(len(statement.parts) for statement in self.statements) > MOST_PARTS:
            raise ExpressionError(f"an expression has at most {MOST_PARTS:,} names, numbers and operations")
        for statement in self.statements:
            if len(statement.name) > LONGEST_NAME:
                raise self.wrong(statement.place, _LONG_NAME)
            for part in statement.parts:
                self._check_part(part)
        for statement in self.statements[:-1]:
            if not statement.name:
                raise self.wrong(
                    statement.place,
                    "only the last expression may go without a name; name this one, as in u = w*x",
                )

    def check(self, known: Collection[str]) -> None:
        """Refuse names without a value, or with two."""
        taken = [*known]
        for statement in self.statements:
            for part in statement.parts:
                match part:
                    case ast.Name(id=name) if name not in taken:
                        raise self.wrong(part, _unknown(name, taken))
                    case ast.Call(func=ast.Name(id=name) as place) if name not in _functions():
                        raise self.wrong(place, _no_function(name, taken))
            if statement.name in taken:
                given = "is given a value" if statement.name in known else "is computed before"
                raise self.wrong(statement.place, f"{statement.name!r} {given}; take another name")
            taken.append(statement.name)
        used = {name for statement in self.statements for name in statement.names}
        for statement in self.statements[:-1]:
            if statement.name not in used:
                raise self.wrong(statement.place, f"{statement.name!r} is computed and never used")

    def build(self, known: Mapping[str, float]) -> Value:
        scope: dict[str, Any] = {}
        result: Any = None
        for statement in self.statements:
            results: list[Any] = []  # of the parts that no other has used yet
            for part in statement.parts:
                count = len(_operands(part))
                operands = results[len(results) - count :]
                del results[len(results) - count :]
                results.append(self._result(part, operands, known, scope))
            (result,) = results
            if statement.name or statement is self.statements[-1]:
                result = as_value(result, "the result")
            result.label = result.label or statement.name
            scope[statement.name] = result
        assert isinstance(result, Value)
        return result

    def _result(
        self, part: Any, operands: list[Any], known: Mapping[str, float], scope: dict[str, Any]
    ) -> Any:
        if isinstance(part, ast.Name):
            if part.id not in scope:
                scope[part.id] = Value(known[part.id], part.id)
            result = scope[part.id]
        else:
            try:
                result = _computed(part, operands)
            except (ArithmeticError, ValueError) as error:
                raise self.wrong(part, str(error)) from None
        number = result.data if isinstance(result, Value) else result
        if not math.isfinite(number):
            raise self.wrong(part, f"this is {number}, and a finite number is needed")
        return result

    def wrong(self, place: Any, sentence: str) -> ExpressionError:
        """The error that marks what stands at `place`, a part of the text."""
        line = self.lines[place.lineno - 1]
        start = _characters(line, place.col_offset)
        same_line = place.end_lineno == place.lineno
        end = _characters(line, place.end_col_offset) if same_line else len(line)
        return _pointing(line, start, end, sentence)

    def _nodes(self) -> list[ast.stmt]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Python's about a program that is not going to run
                return ast.parse("\n".join(self.lines)).body
        except SyntaxError as error:
            raise self._unreadable(error) from None
        except (RecursionError, MemoryError):
            raise ExpressionError(
                "the expression is nested too deeply; compute it in steps, as in u = ..."
            ) from None

    def _unreadable(self, error: SyntaxError) -> ExpressionError:
        number = min(max(error.lineno or 1, 1), len(self.lines) or 1)
        line = self.lines[number - 1] if self.lines else ""
        start = min(max((error.offset or 1) - 1, 0), len(line))
        return _pointing(line, start, start + 1, _expected(error.msg, line[:start], line[start:]))

    def _statement(self, node: ast.stmt) -> _Statement:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=expression):
                return _Statement(name, node, _in_order(expression))
            case ast.Expr(value=expression):
                return _Statement("", node, _in_order(expression))
            case ast.Assign(targets=[target, *_]):
                raise self.wrong(target, "one name stands before one =, as in u = w*x + b")
        raise self.wrong(node, "this is no expression; write one such as sigmoid(w*x + b)")

    def _check_part(self, part: Any) -> None:
        """Refuse whatever is not on the list."""
        match part:
            case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)) if len(name) > LONGEST_NAME:
                raise self.wrong(part, _LONG_NAME)
            case ast.Name():
                return
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                if not _fits_a_float(number):
                    raise self.wrong(part, "this number is too large for a float")
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                return
            case ast.BinOp(op=ast.BitXor()):
                raise self.wrong(part, "^ is not an operation here; use ** for powers")
            case ast.BinOp(op=operation):
                if type(operation) not in _BINARY:
                    raise self.wrong(part, "the operations are + - * / and **, and this is another")
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                if name in _functions() and (count := _wrong_count(name, arguments)):
                    raise self.wrong(part, count)
            case ast.Call(keywords=[keyword, *_]):
                raise self.wrong(keyword, "a function takes values alone, without names and =")
            case _:
                text = isinstance(part, ast.Constant) and isinstance(part.value, (str, bytes))
                what = "text" if text else _REFUSED.get(type(part), "this")
                raise self.wrong(part, f"{what} cannot stand here; {_ALLOWED}")


_ALLOWED = "an expression is made of names, numbers, + - * / ** and functions such as sigmoid(u)"
_LONG_NAME = f"a name has at most {LONGEST_NAME} characters"


def _in_order(expression: ast.expr) -> list[ast.expr]:
    """The parts of an expression, each after its operands, as they would be computed."""
    order, stack = [], [expression]
    while stack:
        part = stack.pop()
        order.append(part)
        stack.extend(_operands(part))
    return order[::-1]


def _operands(part: ast.expr) -> Sequence[ast.expr]:
    match part:
        case ast.BinOp(left=left, right=right):
            return left, right
        case ast.UnaryOp(operand=operand):
            return (operand,)
        case ast.Call(func=ast.Name(), args=arguments):
            return arguments
    return ()


def _computed(part: Any, operands: list[Any]) -> Any:
    """The result of a part: a Value, or a plain number where all operands are plain."""
    plain = not any(isinstance(operand, Value) for operand in operands)
    match part:
        case ast.Constant(value=number):
            return _exact(float(number)) if isinstance(number, int) else number
        case ast.UnaryOp(op=ast.UAdd()):
            return operands[0]
        case ast.UnaryOp():
            return _folded("negation", operands) if plain else -operands[0]
        case ast.BinOp(op=operation):
            name, operate = _BINARY[type(operation)]
            return _folded(name, operands) if plain else operate(*operands)
    name = part.func.id
    if plain:
        return _folded(name, operands)
    function = _functions()[name]
    if name in OWN and OWN[name].rule.partials[-1] is None and isinstance(operands[-1], Value):
        raise ValueError(f"what {name} takes last is a plain number, such as 2, and no Value")
    return function(operands) if _takes_several(name) else function(*operands)


def _folded(name: str, numbers: list[Any]) -> float | int:
    """An operation of the table on plain numbers alone."""
    result = apply(RULES[name], [float(number) for number in numbers]).data
    return _exact(result) if all(isinstance(number, int) for number in numbers) else result


def _exact(number: float) -> float | int:
    """A whole number as an int, so that x ** 2 is not written x ** 2.0."""
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _fits_a_float(number: float) -> bool:
    try:
        return math.isfinite(float(number))
    except OverflowError:
        return False


def _takes_several(name: str) -> bool:
    return many(RULES[name].parameters[0])


def _wrong_count(name: str, arguments: Sequence[Any]) -> str:
    if _takes_several(name):
        return "" if arguments else f"{name} takes at least one value, and none came"
    count = len(RULES[name].parameters)
    takes = "one value" if count == 1 else f"{count} values"
    return "" if len(arguments) == count else f"{name} takes {takes}, and {len(arguments) or 'none'} came"


# What is said.


def _unknown(name: str, known: Sequence[str]) -> str:
    if name in _functions():
        return f"{name!r} is a function; write {name}(...)"
    guess = get_close_matches(name, known, 1)
    listed = ", ".join(map(repr, list(known)[:20]))
    return (
        f"there is no value for {name!r}; give it one, as in {name}=1"
        + (f" (known: {listed})" if known else "")
        + (f".  Did you mean {guess[0]!r}?" if guess else "")
    )


def _no_function(name: str, known: Sequence[str]) -> str:
    if name in known:
        return f"{name!r} is no function; a product needs its sign, as in {name} * (...)"
    functions = _functions()
    guess = get_close_matches(name, functions, 1)
    return f"there is no function {name!r}; there are {', '.join(functions)}" + (
        f".  Did you mean {guess[0]!r}?" if guess else ""
    )


def _expected(said: str, before: str, after: str) -> str:
    """What is wrong where Python's parser stopped; its own words are about programs."""
    if "nested" in said:
        return "this is nested too deeply; compute it in steps, as in u = ..."
    if "never closed" in said:
        return f"{after[:1]!r} is never closed"
    if "unmatched" in said or "does not match" in said:
        return f"{after[:1]!r} closes nothing that is open"
    if "comma" in said:
        return "in what starts here an operation such as + or *, or a comma, is missing"
    if "assign" in said:
        return "one name stands before one =, as in u = w*x + b"
    if "literal" in said:
        return "this is not a number; a product needs its sign, as in 2*x"
    came = f", not {after[0]!r}" if after else ", not the end"
    if not before.rstrip() or before.rstrip()[-1] in "+-*/(,=;":
        return f"expected a name, a number or '(' here{came}"
    return f"expected an operation such as + or * here{came}"


def _pointing(line: str, start: int, end: int, sentence: str) -> ExpressionError:
    shown = "".join(character if character.isprintable() else " " for character in line)
    if len(shown) > 100:
        cut = max(0, start - 40)
        shown, start, end = f"{shown[cut : cut + 90]}", start - cut, min(end - cut, 90)
        if cut:
            shown, start, end = f"...{shown}", start + 3, end + 3
    return ExpressionError(f"{shown}\n{' ' * start}{'^' * max(end - start, 1)}\n{sentence}")


def _characters(line: str, offset: int) -> int:
    """How many characters are in so many bytes, in which Python's parser counts."""
    return len(line.encode()[:offset].decode(errors="replace"))
