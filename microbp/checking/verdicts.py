"""Derivatives beside what was measured: whether they agree, and the report that says so."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from microbp.arguments import counted
from microbp.checking.local_slopes import LocalSlope
from microbp.measurement import Slope

TRUST = 10  # how many times its estimated error a measured slope may be off
ROW_LIMIT = 40  # rows of the table that are printed; all are there to be read
TOLD_LIMIT = 10  # operations of each verdict that are told of

_ORDER = ("wrong", "not finite", "unsure", "jump", "kink", "agrees")  # in which a report has them


@dataclass(frozen=True)
class Comparison:
    """A derivative as computed, beside the measured one.

    `verdict` is "agrees" or "wrong"; "kink", where the derivative lies between the slopes of both
    sides, and "jump", where the function itself jumps: a derivative there is a convention; "unsure",
    where the function is too rough to tell; and "not finite", where it has no number to measure.
    """

    name: str
    computed: float
    measured: Slope
    rtol: float
    atol: float

    @property
    def verdict(self) -> str:
        kind = self.measured.kind
        if math.isnan(self.computed) and kind != "not finite":
            return "wrong"
        if kind in ("not finite", "jump"):
            return kind
        if kind == "rough":
            return "unsure"
        return "wrong" if self.difference > self.allowed else "kink" if kind == "kink" else "agrees"

    @property
    def difference(self) -> float:
        """From the measured slope; at a kink from the nearest one between those of the two sides."""
        slope = self.measured
        if slope.kind == "kink":
            lower, upper = sorted((slope.left, slope.right))
            return max(lower - self.computed, self.computed - upper, 0.0)
        return 0.0 if self.computed == slope.value else abs(self.computed - slope.value)

    @property
    def allowed(self) -> float:
        """The difference that is put down to measuring."""
        slopes = (self.computed, self.measured.value, self.measured.left, self.measured.right)
        size = max((abs(slope) for slope in slopes if math.isfinite(slope)), default=0.0)
        return TRUST * self.measured.error + self.rtol * size + self.atol

    @property
    def found(self) -> str:
        """What was measured, without its error."""
        slope = self.measured
        if slope.kind == "kink":
            return f"{_number(slope.left)} below, {_number(slope.right)} above"
        return slope.kind if slope.kind in ("not finite", "jump") else _number(slope.value)

    @property
    def error(self) -> str:
        return f"{self.measured.error:.1g}" if math.isfinite(self.measured.error) else ""


@dataclass(frozen=True)
class LocalComparison(Comparison):
    """A local derivative of an operation, along the operand called `name`, beside the measured one."""

    local: LocalSlope

    @property
    def group(self) -> tuple[str, str]:
        """Those of one operation along one operand are told of together."""
        return self.local.operation, self.name.partition("[")[0]

    def __str__(self) -> str:
        operation, along = repr(self.local.operation), f"along {self.name}: at {self.local.at}"
        says = f"it says {_number(self.computed)}"
        measured = f"measured {self.found}" + (f" ± {self.error}" if self.error else "")
        words = {
            "wrong": f"the rule of {operation} is wrong {along} {says}, {measured}",
            "kink": f"{operation} has a kink {along} {says}, and its slopes are {self.found}",
            "jump": f"{operation} jumps {along} {says}, and there is no slope to measure",
            "unsure": f"{operation} is too rough to tell {along} {says}, {measured}",
            "not finite": f"{operation} is not finite {along}, so nothing was measured",
            "agrees": f"{operation} agrees {along} {says}, {measured}",
        }
        return f"{words[self.verdict]} (node {self.local.name!r})"


@dataclass(frozen=True, repr=False)
class GradientReport:
    """What `gradcheck` found: true where no derivative is wrong, and printed as a table.

    `derivatives` are those by the inputs, `operations` the local ones; the wrong ones come first.
    `faults` says what else is wrong, and `unchecked` what was left out.
    """

    derivatives: Sequence[Comparison]
    operations: Sequence[LocalComparison]
    n_inputs: int
    n_operations: int
    faults: Sequence[str]
    unchecked: Sequence[str]

    def __bool__(self) -> bool:
        outputs_finite = all(each.verdict != "not finite" for each in self.derivatives)
        return not self.faults and outputs_finite and not any(map(_is_wrong, self._all()))

    def __str__(self) -> str:
        paragraphs = [*self._told("wrong"), *self.faults, self._table()]
        paragraphs += [line for verdict in _ORDER[1:-1] for line in self._told(verdict)]
        paragraphs += [*(f"Left unchecked: {each}." for each in self.unchecked), self._summary()]
        return "\n".join(filter(None, paragraphs))

    __repr__ = __str__

    def _all(self) -> list[Comparison]:
        return [*self.derivatives, *self.operations]

    def _told(self, verdict: str) -> Iterator[str]:
        """A sentence for each operation and operand of this verdict: the first place, and how many others."""
        groups: dict[tuple[str, str], list[LocalComparison]] = {}
        for each in self.operations:
            if each.verdict == verdict:
                groups.setdefault(each.group, []).append(each)
        for first, *others in list(groups.values())[:TOLD_LIMIT]:
            yield f"{first}, and at {counted(len(others), 'other place')}" if others else str(first)
        if len(groups) > TOLD_LIMIT:
            yield f"... and {counted(len(groups) - TOLD_LIMIT, 'more operation')}: {verdict}"

    def _table(self) -> str:
        rows = [("derivative", "computed", "measured", "estimated error", "verdict")]
        shown = sorted(self.derivatives, key=lambda each: _ORDER.index(each.verdict))[:ROW_LIMIT]
        rows += [(each.name, _number(each.computed), each.found, each.error, each.verdict) for each in shown]
        if len(rows) == 1:
            return ""
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in rows
        ]
        more = len(self.derivatives) - len(shown)
        return "\n".join([*lines, *([f"... and {counted(more, 'more row')}"] if more else [])])

    def _summary(self) -> str:
        of = [
            (self.derivatives, "derivative", f" by {counted(self.n_inputs, 'input')}"),
            (self.operations, "local derivative", f" of {counted(self.n_operations, 'operation')}"),
        ]
        wrong = [
            f"{n:,} of {counted(len(every), what)}{whose}"
            for every, what, whose in of
            if (n := sum(map(_is_wrong, every)))
        ]
        if wrong:
            are = "is" if sum(map(_is_wrong, self._all())) == 1 else "are"
            return f"{' and '.join(wrong)} {are} wrong."
        right = [
            f"{counted(n, what)}{whose}"
            for every, what, whose in of
            if (n := sum(each.verdict in ("agrees", "kink") for each in every))
        ]
        if not right:
            return "Nothing could be compared."
        agree = "agrees" if right[0].startswith("1 ") and len(right) == 1 else "agree"
        worst = max((each for each in self._all() if each.verdict == "agrees"), key=_difference, default=None)
        return f"{' and '.join(right)} {agree}{_at_worst(worst)}."


class GradientError(AssertionError):
    """Raised by `gradcheck` and `check_rule` where a derivative is wrong; their `report` says which."""

    def __init__(self, report: Any) -> None:
        super().__init__(str(report))
        self.report = report

    def __reduce__(self) -> tuple[Any, ...]:
        return AssertionError, self.args  # what was checked, functions among it, stays behind


def _is_wrong(each: Comparison) -> bool:
    return each.verdict == "wrong"


def _difference(each: Comparison) -> float:
    return each.difference


def _at_worst(worst: Comparison | None) -> str:
    if worst is None:
        return ""
    difference, error = worst.difference, worst.measured.error
    share = f", {difference / error:.2g} of its estimated error" if difference and error else ""
    return f"; the largest difference is {difference:.2g}{share}"


def _number(number: float) -> str:
    return f"{number + 0.0:.10g}"
