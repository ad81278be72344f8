"""The language of rows: what the text of a row of your own may say.

A row's text is run as Python, so it is taken apart first and walked by a list of what is allowed.
`read` gives it back as the table writes its rows: x ** 2 as power(x, 2), and the operations of
your own that it calls written out.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from difflib import get_close_matches
from typing import NamedTuple

from microbp.arguments import described, shown
from microbp.rules import BUILT_IN, CONSTANTS, RULES, Rule, many

LONGEST = 2_000  # characters of a row, with what it calls written out
DEEPEST = 50  # operations within one another

_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_REFUSED: dict[type[ast.AST], str] = {
    ast.Attribute: "an attribute",
    ast.Subscript: "an index",
    ast.Lambda: "a function of its own",
    ast.NamedExpr: "an assignment",
    ast.Compare: "a comparison",
    ast.BoolOp: "a condition",
    ast.JoinedStr: "text",
    ast.Starred: "a star",
    ast.Tuple: "a comma",
    ast.List: "a list",
    ast.Await: "await",
    ast.ListComp: "a loop",
    ast.SetComp: "a loop",
    ast.DictComp: "a loop",
    ast.GeneratorExp: "a loop",
}


def signature(rule: Rule) -> list[str]:
    """What a row's function is called with: "xs" for a sequence, "n" for a plain number, else "x"."""
    return [
        "n" if partial is None else "xs" if many(name) else "x"
        for name, partial in zip(rule.parameters, rule.partials)
    ]


def _of_the_table() -> Iterator[tuple[str, list[str]]]:
    for rule in [rule for name, rule in RULES.items() if name in BUILT_IN]:
        match ast.parse(rule.forward, mode="eval").body:
            case ast.Call(func=ast.Name(id=name)):
                yield name, signature(rule)


# The elementary functions that every kind of number has; two of them are no rows.
FUNCTIONS: dict[str, list[str]] = {**dict(_of_the_table()), "dot": ["xs", "xs"], "ties": ["xs", "x"]}


class Words(NamedTuple):
    """The names that have a meaning in one text of a row: what its operands and functions are."""

    values: frozenset[str]
    sequences: frozenset[str]
    plain: frozenset[str]  # plain numbers: an exponent, an index
    functions: Mapping[str, list[str]]
    own: Mapping[str, Rule]  # those of the functions that are operations of your own


def read(text: str, words: Words) -> str:
    """The text of a row, checked, as the table writes it.

    >>> x = Words(frozenset("x"), frozenset(), frozenset(), FUNCTIONS, {})
    >>> read("(x**2) / 2", x)
    'power(x, 2) / 2'
    >>> read("x.real", x)
    Traceback (most recent call last):
    ValueError: an attribute cannot stand in a row, as x.real does; a row is made of x, numbers, pi, e, \
+ - * / ** and functions such as exp(x)

    Raises ValueError, saying what cannot be read and what could be, and TypeError for what is no text.
    """
    row = _Row(words, text)
    return row.written(row.read(row.parsed(text)))


class _Row:
    def __init__(self, words: Words, text: str) -> None:
        self.words, self.text = words, text

    def parsed(self, text: str) -> ast.expr:
        if not isinstance(text, str):
            raise TypeError(f"a row is a text such as 'x * sigmoid(x)', not {described(text)}")
        if len(text) > LONGEST:
            raise ValueError(f"a row has at most {LONGEST:,} characters; this one has {len(text):,}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Python's about a program that is not going to run
                tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            raise ValueError(f"{shown(text)} cannot be read as an expression") from None
        except (RecursionError, MemoryError):
            raise _too_deep() from None
        self.check_depth(tree)
        return tree

    def written(self, tree: ast.expr) -> str:
        self.check_depth(tree)
        text = ast.unparse(tree)
        if len(text) > LONGEST:
            raise ValueError(
                f"with what it calls written out, the row has more than {LONGEST:,} characters: {shown(text)}"
            )
        return text

    @staticmethod
    def check_depth(tree: ast.expr) -> None:
        level: list[ast.AST] = [tree]
        for _ in range(DEEPEST):
            level = [child for node in level for child in ast.iter_child_nodes(node)]
            if not level:
                return
        raise _too_deep()

    def read(self, node: ast.expr) -> ast.expr:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                if not _fits_a_float(number):
                    raise ValueError("a number is too large for a float")
                return node
            case ast.Name(id=name):
                return self.name(node, name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return ast.UnaryOp(ast.USub(), self.read(operand))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read(operand)
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATORS):
                return ast.BinOp(self.read(left), op, self.read(right))
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                base, exponent = self.read(left), self.read(right)
                return _call("power" if self.is_plain(exponent) else "exponentiate", [base, exponent])
            case ast.IfExp(ast.Name(name), body, other) if name in self.words.plain - {"i"}:
                return ast.IfExp(ast.Name(name), self.read(body), self.read(other))
            case ast.IfExp():
                raise self.wrong(node, "a condition on anything but an operand that is a plain number")
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self.call(name, arguments)
            case ast.Call(keywords=[_, *_]):
                raise self.wrong(node, "a name with = in a call")
            case ast.Call():
                raise self.wrong(node, "a call of what is no name")
        text = isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
        raise self.wrong(node, "text" if text else _REFUSED.get(type(node), "this"))

    def name(self, node: ast.expr, name: str) -> ast.expr:
        words = self.words
        if name in words.values | words.plain or name in CONSTANTS:
            return node
        if name in words.sequences:
            raise ValueError(
                f"{name!r} is a sequence of operands, as its name ends in s; it goes into a function of "
                f"several such as sum({name}), and {name[:-1]!r} is one of its members in a partial along it"
            )
        if name in words.functions:
            raise ValueError(f"{name!r} is a function; write {name}(...)")
        raise ValueError(f"there is no {name!r} in this row; {self.known()}{_guess(name, self.names())}")

    def call(self, name: str, arguments: Sequence[ast.expr]) -> ast.expr:
        if name not in self.words.functions:
            known = ", ".join(sorted(self.words.functions))
            guess = _guess(name, self.words.functions)
            raise ValueError(f"there is no function {name!r} for rows; there are {known}{guess}")
        expected = self.words.functions[name]
        if len(arguments) != len(expected):
            raise ValueError(f"{name} is called as {name}({', '.join(expected)}), not with {len(arguments)}")
        read = [self.argument(name, kind, argument) for kind, argument in zip(expected, arguments)]
        return self.inlined(self.words.own[name], read) if name in self.words.own else _call(name, read)

    def argument(self, function: str, kind: str, argument: ast.expr) -> ast.expr:
        if kind == "xs":
            if isinstance(argument, ast.Name) and argument.id in self.words.sequences:
                return argument
            some = ", ".join(sorted(self.words.sequences)) or "xs, which this operation does not have"
            raise ValueError(
                f"{function} is called with a sequence of operands, such as {some}; not with "
                f"{shown(ast.unparse(argument))}"
            )
        read = self.read(argument)
        if kind == "n" and not self.is_plain(read):
            raise ValueError(
                f"{function} is called with a plain number, and {shown(ast.unparse(argument))} is none: "
                "no derivative along it exists"
            )
        return read

    def is_plain(self, node: ast.expr) -> bool:
        """Whether an expression that was read is a plain number in every reading."""
        plain = self.words.plain | CONSTANTS.keys()
        return all(part.id in plain for part in ast.walk(node) if isinstance(part, ast.Name))

    def inlined(self, rule: Rule, arguments: Sequence[ast.expr]) -> ast.expr:
        """What an operation of your own computes, written out."""
        inlined: ast.expr = _Bound(dict(zip(rule.parameters, arguments))).visit(
            ast.parse(rule.forward, mode="eval").body
        )
        return inlined

    def names(self) -> list[str]:
        return sorted(self.words.values | self.words.sequences | self.words.plain)

    def known(self) -> str:
        """What rows are made of."""
        names = [*self.names(), "numbers", *CONSTANTS]
        return f"a row is made of {', '.join(names)}, + - * / ** and functions such as exp(x)"

    def wrong(self, node: ast.expr, what: str) -> ValueError:
        return ValueError(
            f"{what} cannot stand in a row, as {shown(ast.unparse(node))[1:-1]} does; {self.known()}"
        )


class _Bound(ast.NodeTransformer):
    """Writes expressions for a row's operands, and takes the side of a condition that is known."""

    def __init__(self, bound: Mapping[str, ast.expr]) -> None:
        self.bound = bound

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return deepcopy(self.bound.get(node.id, node))

    def visit_Call(self, node: ast.Call) -> ast.expr:
        assert isinstance(node.func, ast.Name)
        return _call(node.func.id, [self.visit(argument) for argument in node.args])

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        test = self.visit(node.test)
        if isinstance(test, ast.Name):
            return ast.IfExp(test, self.visit(node.body), self.visit(node.orelse))
        try:
            number = ast.literal_eval(test)
        except ValueError:
            raise ValueError(
                f"what is called chooses by a plain number, so that must be a number or an operand, "
                f"not {ast.unparse(test)!r}"
            ) from None
        chosen: ast.expr = self.visit(node.body if number else node.orelse)
        return chosen


def _call(name: str, arguments: Sequence[ast.expr]) -> ast.expr:
    return ast.Call(ast.Name(name), list(arguments), [])


def _fits_a_float(number: float) -> bool:
    try:
        return math.isfinite(float(number))
    except OverflowError:
        return False


def _too_deep() -> ValueError:
    return ValueError(f"the row is nested more than {DEEPEST} levels deep")


def _guess(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    found = get_close_matches(name, list(known), 1)
    return f".  Did you mean {found[0]!r}?" if found else ""
