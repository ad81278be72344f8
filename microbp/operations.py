"""Operations of your own: the door by which a row is added to the table from outside.

A row that has come in by it is a row like the others.  Its texts are checked by grammar.py
before anything of them is run, and its partials are compared with measured slopes.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from inspect import Parameter, Signature
from threading import Lock
from typing import Any

from microbp.arguments import check_flag, check_function, counted, described, in_order, shown
from microbp.functions import apply_to_groups
from microbp.grammar import FUNCTIONS, Words, read, signature
from microbp.measurement import slope_at
from microbp.operators import of_own_row
from microbp.rules import BUILT_IN, CONSTANTS, RULES, Rule, many
from microbp.value import Value, as_float

OWN: dict[str, Operation] = {}  # the operations that stand in the table besides the built-in ones
_LOCK = Lock()

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{,29}")
_TAKEN = {
    *BUILT_IN,
    *FUNCTIONS,
    *CONSTANTS,
    *dir(builtins),
    *keyword.kwlist,
    # what the compiler's written programs and the pictures' formulas call something else
    *("np", "parameters", "fixed", "gradient", "outputs", "value_and_grad", "backprop", "forward"),
    *("maximum", "minimum", "mul", "total"),
}
_OPERAND = re.compile(r"[A-Za-z][A-Za-z0-9]{,19}")
_MEANT_OTHERWISE = {  # where rows are read and written
    *("z", "i", "d", "common", "len", "zip", "enumerate"),
    *("node", "partials", "rule", "new", "apply", "Value"),
}


def operation(
    name: str,
    forward: str,
    *partials: str | None,
    operands: str = "x",
    symbol: str | None = None,
    domain: str = "",
    floats: Callable[..., Any] | None = None,
    arrays: Callable[..., Any] | None = None,
    symbols: Callable[..., Any] | None = None,
    javascript: str | None = None,
    check: bool = True,
) -> Operation:
    """Add a row of your own to the table, and return its operation, a function of Values and numbers.

    `forward` says what it computes from `operands`, and there is a partial derivative for each of
    them, in which z is the result.  It is then drawn, explained, differentiated again and again,
    compiled and printed like the operations that were there.

    >>> swish = operation("swish", "x * sigmoid(x)", "z + sigmoid(x) * (1 - z)")
    >>> z = swish(Value(0.5, "u"))
    >>> z.backward()
    >>> z, z.inputs[0]
    (Value(0.3112, grad=1.000), Value(0.5000, label='u', grad=0.7400))
    >>> hypot = operation("hypot", "sqrt(x**2 + y**2)", "x / z", "y / z", operands="x y")
    >>> hypot(3, 4).data
    5.0

    The texts are made of the operands, numbers, pi and e, + - * / and **, and calls of the table's
    elementary functions and of your own operations.  An operand whose name ends in s is a sequence:
    it goes into sum, dot, max, min and logsumexp, and its partial speaks of one member by the
    singular.  None in the place of the last partial marks an operand that is always a plain number.

    >>> norm = operation("norm", "sqrt(dot(xs, xs))", "x / z", operands="xs")
    >>> norm([Value(2.0), Value(3.0), Value(6.0)]).data
    7.0
    >>> scale = operation("scale", "n * x", "n", None, operands="x n")

    A new elementary function is an operation that calls itself; it needs to be told what it is for
    `floats`, and may be told for `arrays` (else it is called number by number), for SymPy's
    `symbols` and, for the page that `explore` makes, in `javascript`.

    >>> import math
    >>> erf = operation("erf", "erf(x)", "2 / sqrt(pi) * exp(-x * x)", floats=math.erf)
    >>> gelu = operation(
    ...     "gelu", "x * (1 + erf(x / sqrt(2))) / 2",
    ...     "(1 + erf(x / sqrt(2))) / 2 + x * exp(-x * x / 2) / sqrt(2 * pi)",
    ... )

    `symbol` is written in pictures, the name unless given; `domain` is what an error says that it
    needs.  Given again with the same texts and functions the same operation is returned, and with
    others it takes the place of the earlier one: nodes recorded with that keep their own row.
    `operation.remove()` takes it out of the table.  Value gets no method of the name.

    The partials are compared with measured slopes at a few points; `check=False` leaves that out,
    for a slope that is meant to be another.  `gradcheck` and `check_rule` look closer.

    Raises ValueError or TypeError for a name that is taken, a text that is no row, and a partial
    that is not the slope.

    >>> for each in (swish, hypot, norm, scale, gelu, erf):
    ...     each.remove()
    """
    given = {"floats": floats, "arrays": arrays, "symbols": symbols, "javascript": javascript}
    functions = {kind: function for kind, function in given.items() if function is not None}
    _check_name(name)
    check_flag(check, "check")
    try:
        parameters = _parameters(name, operands, partials)
        _check_functions(functions)
        sign = name if symbol is None else _printable("symbol", symbol, 12)
        needed = _printable("domain", domain, 80) if domain else "numbers where it has a value and slopes"
        row = Rule(name, sign, " ".join(parameters), forward, partials, needed, functions=functions)
        rule = _read(row)
    except (ValueError, TypeError) as error:
        raise type(error)(f"operation {name!r}: {error}") from None
    if check:
        _check_slopes(rule)
    with _LOCK:
        present = OWN.get(name)
        if present is not None and _same(present.rule, rule):
            return present
        return _added(Operation(rule))


class Operation:
    """An operation of your own, as a function of Values and plain numbers; see `operation`.

    `rule` is its row.  It is called with one argument for each operand, a list for a sequence.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._apply = None if rule.partials[-1] is None else of_own_row(rule)
        self.__name__ = self.__qualname__ = rule.name
        slopes = "\n".join(
            f"    d/d{name} = {partial}"
            for name, partial in zip(rule.parameters, rule.partials)
            if partial is not None
        )
        self.__doc__ = f"{self._written()}, an operation of your own.\n\n{slopes}\n"

    def __call__(self, *operands: Any) -> Value:
        rule = self.rule
        if len(operands) != len(rule.parameters):
            raise TypeError(
                f"{rule.name} takes {counted(len(rule.parameters), 'operand')} "
                f"({', '.join(rule.parameters)}), and {len(operands) or 'none'} came"
            )
        groups = list(operands)
        if any(map(many, rule.parameters)):
            groups = _dealt_out(rule, groups)
        if self._apply is None:
            return apply_to_groups(rule, [*groups[:-1], _held(rule, groups[-1])])
        node: Value = self._apply(*groups)
        return node

    def remove(self) -> None:
        """Take it out of the table, if it still stands there; nodes recorded with it keep their row."""
        with _LOCK:
            if OWN.get(self.rule.name) is self:
                del OWN[self.rule.name], RULES[self.rule.name]

    @property
    def __signature__(self) -> Signature:
        return Signature([Parameter(name, Parameter.POSITIONAL_ONLY) for name in self.rule.parameters])

    def __repr__(self) -> str:
        return f"<operation {self._written()}>"

    def __reduce__(self) -> tuple[Any, ...]:
        calls = [Operation(each) for each in self.rule.calls]
        return _restored, (_texts(self.rule), dict(self.rule.functions), calls)

    def _written(self) -> str:
        call = f"{self.rule.name}({', '.join(self.rule.parameters)})"
        return call if self.rule.functions else f"{call} = {self.rule.forward}"


def _added(made: Operation) -> Operation:
    RULES[made.rule.name] = made.rule
    OWN[made.rule.name] = made
    return made


def _restored(texts: dict[str, Any], functions: Mapping[str, Any], calls: Sequence[Operation]) -> Operation:
    """An operation that was pickled: the one in the table if it is the same, else one added if there is none.

    What is unpickled does not take the place of another.
    """
    rule = Rule(**texts, functions=functions, calls=tuple(each.rule for each in calls))
    with _LOCK:
        present = OWN.get(rule.name)
        if present is None:
            return _added(Operation(rule))
        return present if _same(present.rule, rule) else Operation(rule)


def _same(a: Rule, b: Rule) -> bool:
    """Whether two rows say the same, with the same functions."""
    alike = _texts(a) == _texts(b) and a.functions == b.functions and len(a.calls) == len(b.calls)
    return alike and all(map(_same, a.calls, b.calls))


def _texts(rule: Rule) -> dict[str, Any]:
    return {
        each: getattr(rule, each) for each in ("name", "symbol", "operands", "forward", "partials", "domain")
    }


# Reading what was given.


def _check_name(name: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"operation: its name is a text such as 'swish', not {described(name)}")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"operation {shown(name)}: a name is made of letters, digits and _, begins with a letter, "
            "and has at most 30 of them"
        )
    if name in BUILT_IN:
        raise ValueError(f"operation {name!r}: a built-in row has this name and keeps it; take another")
    if name in _TAKEN:
        raise ValueError(f"operation {name!r}: the name means something else already; take another")


def _parameters(name: str, operands: str, partials: Sequence[str | None]) -> list[str]:
    if not isinstance(operands, str):
        raise TypeError(
            f"operands are given by name in one text, as in operands='x y', not {described(operands)}"
        )
    parameters = operands.split()
    taken = {*FUNCTIONS, *CONSTANTS, *keyword.kwlist, *_MEANT_OTHERWISE, name}
    members = [each[:-1] for each in parameters if many(each)]
    for each in (*parameters, *members):
        if not _OPERAND.fullmatch(each) or each in taken:
            called = each if each in parameters else f"{each}s"
            raise ValueError(f"no operand can be called {called!r}; take x, y or, for a sequence, xs")
    if not parameters or len({*parameters, *members}) < len(parameters) + len(members):
        raise ValueError(f"operands are one or more different names, and not {shown(operands)}")
    if len(partials) != len(parameters):
        raise ValueError(
            f"each operand needs a partial derivative; there are {counted(len(parameters), 'operand')} "
            f"({', '.join(parameters)}) and {counted(len(partials), 'partial')}"
        )
    held = [each for each, partial in zip(parameters, partials) if partial is None]
    if held and (held != parameters[-1:] or many(held[0]) or len(parameters) == 1):
        raise ValueError("None can only stand for the last of several operands, one that is a plain number")
    return parameters


def _check_functions(functions: Mapping[str, Any]) -> None:
    for kind, function in functions.items():
        if kind == "javascript" and (not isinstance(function, str) or "</" in function or "<!--" in function):
            raise TypeError(
                f"javascript is the text of a function such as '(x) => x * x', not {described(function)}"
            )
        if kind != "javascript":
            check_function(function, f"{kind} is a function")
    if functions and "floats" not in functions:
        raise ValueError("a new elementary function needs to be told for floats, as in floats=math.erf")


def _printable(what: str, text: str, longest: int) -> str:
    if not isinstance(text, str) or not text.strip() or not text.isprintable() or len(text) > longest:
        raise ValueError(
            f"its {what} is a text of 1 to {longest} printable characters, not {described(text)}"
        )
    return text


def _read(row: Rule) -> Rule:
    """A row with its texts read, and with the rows of the new elementary functions that they call."""
    operands = {*row.parameters, *(each[:-1] for each in row.parameters if many(each)), row.name}
    own = {name: each.rule for name, each in list(OWN.items()) if name not in operands}
    known = {**own, row.name: row} if row.functions else own
    if not row.functions and re.search(rf"\b{row.name}\s*\(", str(row.forward)):
        raise ValueError(
            "it calls itself: say what that is for floats, as in floats=math.erf, or write it out"
        )
    single = {each for each, kind in zip(row.parameters, signature(row)) if kind == "x"}
    sequences = set(filter(many, row.parameters))
    held = set(row.parameters) - single - sequences
    functions = {**FUNCTIONS, **{name: signature(rule) for name, rule in known.items()}}
    words = Words(frozenset(single), frozenset(sequences), frozenset(held), functions, own)
    forward = read(row.forward, words)
    itself = f"{row.name}({', '.join(row.parameters)})"
    if row.functions and forward != itself:
        raise ValueError(
            f"told what it is for floats, it is the new function {itself} itself; "
            f"make another operation of {shown(row.forward)}"
        )
    partials = []
    for each, partial in zip(row.parameters, row.partials):
        members = {sequence[:-1] for sequence in sequences} if many(each) else set()
        in_partial = words._replace(
            values=frozenset(single | members | {"z"}),
            plain=frozenset(held | {"i"} if many(each) else held),
        )
        partials.append(None if partial is None else read(partial, in_partial))
    words_used = set(re.findall(r"\w+", " ".join(filter(None, [row.forward, *row.partials]))))
    return replace(
        row,
        forward=forward,
        partials=tuple(partials),
        calls=_new_functions([rule for name, rule in own.items() if name in words_used]),
    )


def _new_functions(called: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rows of the new elementary functions among the operations that a row calls."""
    found: dict[str, Rule] = {}
    for rule in called:
        for name, each in rule.own_functions.items():
            if found.setdefault(name, each) is not each:
                raise ValueError(
                    f"it calls an earlier {name!r} by way of {rule.name!r}; define {rule.name!r} again first"
                )
    return tuple(found.values())


def _dealt_out(rule: Rule, operands: Sequence[Any]) -> list[Any]:
    """The arguments of a row with sequences, these as lists of equal lengths."""
    groups = list(operands)
    for k, name in enumerate(rule.parameters):
        if many(name):
            if not in_order(groups[k]):
                came = described(groups[k])
                raise TypeError(f"{rule.name}: {name} is a list of Values and numbers, not {came}")
            groups[k] = list(groups[k])
            if not groups[k]:
                raise ValueError(f"{rule.name}: at least one value is needed in {name}, and none came")
    lengths = [len(group) for name, group in zip(rule.parameters, groups) if many(name)]
    if len(set(lengths)) > 1:
        raise ValueError(f"{rule.name}: its sequences are of one length, and not of {lengths}")
    return groups


def _held(rule: Rule, number: Any) -> Any:
    """The plain number that a row holds; a whole one and a fraction stay what they are."""
    held = as_float(number, f"{rule.name}, {rule.parameters[-1]}")
    return number if type(number) in (int, Fraction) else held


# Looking whether the partials are slopes.

_POINTS = (0.618, -0.755, 1.325, 0.281, -1.466, 2.247, 7.31, -12.6)


def _check_slopes(rule: Rule) -> None:
    """Raise ValueError where a partial is not the slope that is measured, at points where that is certain."""
    forward, _ = rule.on_floats
    for start in range(len(_POINTS)):
        numbers = _numbers(rule, start)
        try:
            z, slopes = rule.evaluate(numbers)
        except (ArithmeticError, ValueError, IndexError):
            continue  # not in the domain
        for place, slope in enumerate(slopes):
            before, x, after = numbers[:place], numbers[place], numbers[place + 1 :]
            found = slope_at(lambda x: forward(*rule.group([*before, x, *after])), x)  # noqa: B023
            doubt = 1e-3 * max(abs(slope), abs(found.value)) + 100 * found.error + 1e-9 * max(1.0, abs(z))
            if found.kind == "smooth" and abs(slope - found.value) > doubt:
                name, partial = _partials(rule, len(numbers))[place]
                at = ", ".join(f"{each} = {x}" for each, x in zip(rule.parameters, rule.group(numbers)))
                raise ValueError(
                    f"operation {rule.name!r}: the partial along {name}, {partial!r}, is {slope:.6g} "
                    f"where the slope measured is {found.value:.6g}: at {at}.  If it is meant so, "
                    "add check=False"
                )


def _numbers(rule: Rule, start: int) -> list[float]:
    """Operands to try: three for each sequence, and a whole number for what is held."""
    count = sum(3 if many(name) else 1 for name in rule.parameters)
    numbers = [_POINTS[(start + 3 * k) % len(_POINTS)] for k in range(count)]
    return [*numbers[:-1], 2.0] if rule.partials[-1] is None else numbers


def _partials(rule: Rule, count: int) -> list[tuple[str, str | None]]:
    """For each operand what it is called in the row, and the partial along it."""
    groups = rule.group(range(count))
    return [
        (name, partial)
        for name, partial, group in zip(rule.parameters, rule.partials, groups)
        for _ in (group if many(name) else [group])
    ]
