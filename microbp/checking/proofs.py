"""`check_rule`: the partials of a row proved, with SymPy, to be the derivatives of what it computes.

A row with kinks is proved piece by piece.  It is read with symbols for its operands; where a
function such as max has to know which of two is greater, the proof goes on twice, once for each
answer.  What is left to prove on a piece is smooth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any, NamedTuple

from microbp.arguments import check_flag, counted, described
from microbp.checking.local_slopes import measured
from microbp.checking.pieces import Expression, Piece, Undecided
from microbp.checking.verdicts import GradientError, LocalComparison
from microbp.exact.symbols import import_sympy, symbols
from microbp.functions import apply_to_groups
from microbp.operations import Operation
from microbp.rules import RULES, Rule, many

LENGTHS = (1, 2, 3)  # of sequences of operands
PLAIN_NUMBERS = (*range(-3, 5), Fraction(1, 2))  # that a row may hold, beside any n
MOST_PIECES = 200
POINTS = 12  # at which what cannot be proved equal is compared
DIGITS = 50  # with which
SAME = 1e-30  # the difference, relative to what is compared, that these leave
RTOL = 1e-8  # that slopes measured with floats leave
PIECES_SHOWN = 16


def check_rule(rule: Rule | str | Operation, *, raise_error: bool = True) -> ProofReport:
    """Prove, with SymPy, that each partial of a row is the derivative of what the row computes.

    `rule` is a row, its name in the table, or an operation of your own.  Sequences are taken of
    1, 2 and 3 members; a plain number that a row holds is taken to be -3 to 4, 1/2, and any n,
    and an index to be each there is.  A row with kinks is proved on every side of them; the kinks
    themselves are left out, as a slope there is a convention.

    >>> check_rule("tanh")
    tanh: dz/dx = 1 - z * z  proved
    >>> check_rule("abs")
    abs: dz/dx = sign(x)  proved for x > 0; x < 0

    What SymPy cannot prove is compared at 12 points with 50 digits, and what has no form for
    SymPy is measured with floats: the report then says that this is evidence, not proof.

    Raises GradientError, an AssertionError whose message is the report, for a partial that is
    wrong, with both expressions and a point where they differ, unless `raise_error=False`: then
    the report is false.  Raises ImportError where SymPy is not installed, and KeyError for a
    name that is not in the table.
    """
    check_flag(raise_error, "check_rule: raise_error")
    row = _row(rule)
    import_sympy()
    has_form = all("symbols" in each.functions for each in row.own_functions.values())
    findings = [*(_proved(row) if has_form else _measured(row))]
    report = ProofReport(
        [
            Proof(row.name, name, text, [each for each in findings if each.along == name])
            for name, text in zip(row.parameters, row.partials)
            if text is not None
        ]
    )
    if raise_error and any(proof.verdict == "wrong" for proof in report.proofs):
        raise GradientError(report)
    return report


def _row(rule: Rule | str | Operation) -> Rule:
    if isinstance(rule, Operation):
        return rule.rule
    if isinstance(rule, Rule):
        return rule
    if not isinstance(rule, str):
        raise TypeError(
            f"check_rule: a row, its name, or an operation of your own is needed, not {described(rule)}"
        )
    if rule not in RULES:
        raise KeyError(f"check_rule: there is no row {rule!r}; there are {', '.join(RULES)}")
    return RULES[rule]


# What is found.


class Finding(NamedTuple):
    """What was found of the partial along one operand on one piece: "proved", "evidence" or "wrong"."""

    along: str
    verdict: str
    piece: str
    detail: str = ""


@dataclass(frozen=True)
class Proof:
    """What was found of one partial on all pieces.

    `verdict` is "proved"; "evidence" where a piece was only compared at points; "wrong"; or
    "undecided" where no operands were found for which the row has a value.
    """

    rule: str
    operand: str
    partial: str
    findings: Sequence[Finding]

    @property
    def verdict(self) -> str:
        found = {finding.verdict for finding in self.findings}
        return next((each for each in ("wrong", "evidence", "proved") if each in found), "undecided")

    def __str__(self) -> str:
        letter = self.operand[:-1] if many(self.operand) else self.operand
        head = f"{self.rule}: dz/d{letter} = {self.partial}"
        if self.verdict == "undecided":
            return f"{head}  is undecided: no operands were found for which the row has a value"
        if self.verdict == "wrong":
            wrong = next(finding for finding in self.findings if finding.verdict == "wrong")
            return f"{head}  is wrong{_where([wrong])}: {wrong.detail}"
        parts = []
        for verdict in ("proved", "evidence"):
            found = [finding for finding in self.findings if finding.verdict == verdict]
            parts += [f"{found[0].detail or verdict}{_where(found)}"] if found else []
        return f"{head}  {', and '.join(parts)}" + (
            ": evidence, not proof" if self.verdict == "evidence" else ""
        )


def _where(findings: Sequence[Finding]) -> str:
    pieces = [*filter(None, dict.fromkeys(finding.piece for finding in findings))]
    more = len(pieces) - PIECES_SHOWN
    shown = [*pieces[:PIECES_SHOWN], *([f"and {counted(more, 'more piece')}"] if more > 0 else [])]
    return f" for {'; '.join(shown)}" if shown else ""


@dataclass(frozen=True, repr=False)
class ProofReport:
    """The proofs of a row's partials: true if each is proved, or has evidence for it."""

    proofs: Sequence[Proof]

    def __bool__(self) -> bool:
        return all(proof.verdict in ("proved", "evidence") for proof in self.proofs)

    def __str__(self) -> str:
        return "\n".join(map(str, sorted(self.proofs, key=lambda proof: proof.verdict != "wrong")))

    __repr__ = __str__


# Proofs.


class _Case(NamedTuple):
    """A row applied to symbols: the operands in groups, those it has slopes along, and what is special."""

    row: Rule
    groups: list[Any]
    along: list[tuple[str, Any]]
    about: tuple[str, ...]


def _cases(row: Rule) -> Iterator[_Case]:
    sympy = import_sympy()
    for length in _lengths(row):
        groups: list[Any] = [
            [sympy.Symbol(f"{name[:-1]}{i + 1}", real=True) for i in range(length)]
            if many(name)
            else sympy.Symbol(name, real=True)
            for name in row.parameters
        ]
        along = [
            (name, symbol)
            for name, group, partial in zip(row.parameters, groups, row.partials)
            if partial is not None
            for symbol in (group if many(name) else [group])
        ]
        about = (counted(length, "member"),) if length else ()
        if row.partials[-1] is not None:
            yield _Case(row, groups, along, about)
            continue
        for number in _plain_numbers(row, length):
            said = f"{row.parameters[-1]} = {number}"
            yield _Case(row, [*groups[:-1], symbols().number(number)], along, (*about, said))
        if not _is_index(row):
            yield _Case(row, groups, along, (*about, f"any {row.parameters[-1]}"))


def _lengths(row: Rule) -> Sequence[int]:
    return LENGTHS if any(map(many, row.parameters)) else (0,)


def _plain_numbers(row: Rule, length: int) -> Sequence[int | Fraction]:
    return range(length) if _is_index(row) else PLAIN_NUMBERS


def _is_index(row: Rule) -> bool:
    """Whether the plain number that a row holds counts the members of a sequence."""
    return any("pick(" in text for text in (row.forward, *row.partials) if text)


def _proved(row: Rule) -> Iterator[Finding]:
    for case in _cases(row):
        free = [operand for operand in case.row.ungroup(case.groups) if operand.is_Symbol]
        pieces, parted = [Piece({symbol: symbol for symbol in free}, case.about)], 0
        while pieces:
            piece = pieces.pop(0)
            try:
                compared = _compared(case, piece)
            except Undecided as undecided:
                halves = piece.halves(undecided.args[0]) if parted < MOST_PIECES else []
                pieces, parted = [*halves, *pieces], parted + 1
                if not halves:
                    yield from _at_points(case, piece)
            except (ArithmeticError, ValueError):
                continue  # outside of the domain
            else:
                yield from filter(None, (_judged(each, piece) for each in compared))


class _Compared(NamedTuple):
    """The slope that a row says along an operand, and the derivative of what it computes."""

    along: str
    slope: Expression
    derivative: Expression


def _compared(case: _Case, piece: Piece) -> list[_Compared]:
    kind, sympy = piece.kind(), import_sympy()
    forward, slopes = kind.rows(case.row)
    z = sympy.sympify(forward(*case.groups))
    return [
        _Compared(name, sympy.sympify(slope), sympy.diff(z, symbol))
        for (name, symbol), slope in zip(case.along, slopes(z, *case.groups))
    ]


def _judged(compared: _Compared, piece: Piece) -> Finding | None:
    """What is found on a piece; None if the two have no value at any of its points."""
    sympy = import_sympy()
    along, slope, derivative = compared
    difference = piece.of(slope - derivative)
    if any(simpler(difference) == 0 for simpler in (sympy.expand, sympy.simplify, _as_exponentials)):
        return Finding(along, "proved", str(piece))
    looked = 0
    for point in _points(piece):
        says, truly = (point.of(each).evalf(DIGITS) for each in (slope, derivative))
        if not (says.is_real and truly.is_real):
            continue
        looked += 1
        if abs(says - truly) > SAME * max(1, abs(says), abs(truly)):
            at = ", ".join(f"{operand} = {number}" for operand, number in point.operands.items())
            return Finding(
                along,
                "wrong",
                str(piece),
                f"it says {symbols().text(slope)}, and the derivative is {symbols().text(derivative)}; "
                f"at {at} they are {float(says):.10g} and {float(truly):.10g}",
            )
    return Finding(along, "evidence", str(piece), _COMPARED) if looked else None


_COMPARED = f"agrees at points with {DIGITS} digits"
_MEASURED = "agrees with slopes measured with floats, having no form for SymPy"


def _as_exponentials(expression: Expression) -> Expression:
    sympy = import_sympy()
    return sympy.simplify(sympy.powsimp(expression.rewrite(sympy.exp)))


def _points(piece: Piece) -> Iterator[Piece]:
    """Points of a piece: numbers for all of its symbols."""
    sympy, random = import_sympy(), Random(0)
    free = sorted(sympy.Tuple(*piece.operands.values()).free_symbols, key=sympy.default_sort_key)
    for _ in range(POINTS):
        numbers = {}
        for symbol in free:
            size = sympy.Rational(random.randint(1, 300), 100)
            numbers[symbol] = size if symbol.is_positive or random.random() < 0.5 else -size
        yield Piece({name: each.subs(numbers) for name, each in piece.operands.items()}, piece.conditions)


def _at_points(case: _Case, piece: Piece) -> Iterator[Finding]:
    """What is found at single points of a piece that cannot be taken apart."""
    for point in _points(piece):
        try:
            compared = _compared(case, point)
        except (Undecided, ArithmeticError, ValueError):
            continue
        for found in filter(None, (_judged(each, point) for each in compared)):
            yield found._replace(verdict="evidence", detail=_COMPARED) if found.verdict == "proved" else found


def _measured(row: Rule) -> Iterator[Finding]:
    """What floats say of a row without a form for SymPy."""
    random = Random(0)
    for length in _lengths(row):
        for _ in range(POINTS):
            groups: list[Any] = [
                [random.uniform(-3, 3) for _ in range(length)] if many(name) else random.uniform(-3, 3)
                for name in row.parameters
            ]
            if row.partials[-1] is None:
                groups[-1] = random.choice(_plain_numbers(row, length))
            try:
                node = apply_to_groups(row, groups)
            except (ArithmeticError, ValueError):
                continue  # outside of the domain
            for local in measured([node]):
                compared = LocalComparison(local.along, local.computed, local.measured, RTOL, 0.0, local)
                wrong = compared.verdict == "wrong"
                name, _, member = local.along.partition("[")
                yield Finding(
                    f"{name}s" if member else name,
                    "wrong" if wrong else "evidence",
                    counted(length, "member") if length else "",
                    str(compared) if wrong else _MEASURED,
                )
