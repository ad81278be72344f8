"""Marking: each answer beside what follows from the answers before it, and the slip it looks like."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from microbp.worksheets.solution import Find, Numbers, Slip, Step
from microbp.worksheets.wording import in_formula, number

MOST_NAMES = 8  # of steps that are listed


@dataclass(frozen=True)
class Mark:
    """What became of one step: "right", "follows" (from an earlier mistake), "wrong" or "missing".

    `expected` is what it comes to from the answers before it, `working` the formula with
    their numbers.
    """

    number: int
    step: Step
    answer: float | None
    expected: float
    working: str
    verdict: str
    slip: str = ""


@dataclass(frozen=True, repr=False)
class Marking:
    """A marked sheet; true if every answer is there and right.

    `marks` are in the order of the steps.
    """

    marks: list[Mark]
    digits: int

    def __bool__(self) -> bool:
        return all(mark.verdict == "right" for mark in self.marks)

    def named(self, *verdicts: str) -> list[str]:
        """The names of the steps with one of these verdicts."""
        return [mark.step.name for mark in self.marks if mark.verdict in verdicts]

    @property
    def first_wrong(self) -> Mark | None:
        """The first step with a wrong answer."""
        return next((mark for mark in self.marks if mark.verdict == "wrong"), None)

    def __str__(self) -> str:
        if self:
            return f"All {len(self.marks)} steps are right."
        right, wrong, missing = self.named("right", "follows"), self.named("wrong"), self.named("missing")
        following = len(self.named("follows"))
        of_them = f" ({following} following from an earlier mistake)" if following else ""
        counts = f"{len(right)} of {len(self.marks)} right{of_them}, {len(wrong)} wrong"
        return "\n".join(
            [
                f"{counts}, {len(missing)} not answered.",
                *self._first_wrong(),
                *_listed("Also wrong", wrong[1:]),
                *_listed("Not answered", missing),
            ]
        )

    __repr__ = __str__

    def _first_wrong(self) -> list[str]:
        mark = self.first_wrong
        if mark is None or mark.answer is None:
            return []
        name, below = mark.step.name, " " * len(mark.step.name)
        return [
            f"The first wrong step is {mark.number}, {name}: "
            f"{number(mark.answer, self.digits + 2)} was answered.",
            f"  {name} = {mark.step.write(str)}",
            f"  {below} = {mark.working}",
            f"  {below} = {number(mark.expected, self.digits)}",
            *([f"  It looks as if {mark.slip}."] if mark.slip else []),
        ]


def mark(steps: Sequence[Step], right: Numbers, answers: Numbers, digits: int) -> Marking:
    """The marks of `answers`, `right` being all numbers of the sheet.

    An answer is right if it is so to the last of the digits, or if it follows from the answers
    before it, rounded as they are; after a wrong one it may follow from that.
    """
    known, marks, mistaken = dict(right), [], False
    for place, step in enumerate(steps, start=1):
        answer = answers.get(step.name)
        expected, size = _follow(step, known, right)
        working = step.write(lambda name: in_formula(known[name], digits))
        verdict, slip = "missing", ""
        if answer is not None:
            if _near(answer, right[step.name], digits):
                verdict = "right"
            elif _near(answer, expected, digits, size):
                verdict = "follows" if mistaken else "right"
            else:
                verdict, mistaken = "wrong", True
                slip = _slip(step, _beside(step, steps), answer, expected, known, digits)
            known[step.name] = answer  # the steps after it may go on from it
        marks.append(Mark(place, step, answer, expected, working, verdict, slip))
    return Marking(marks, digits)


def _follow(step: Step, known: Numbers, right: Numbers) -> tuple[float, float]:
    """What a step comes to from the numbers before it, and its largest term."""
    try:
        terms = step.terms(known)
    except (ArithmeticError, ValueError):  # the answers before it lead nowhere
        return right[step.name], 0.0
    return sum(terms), max(map(abs, terms))


def _near(answer: float, expected: float, digits: int, size: float = 0.0) -> bool:
    """Whether an answer is right to one unit in the last digit, that of the largest term of a sum."""
    return abs(answer - expected) <= (1 + 1e-9) * _last_digit(max(abs(expected), size), digits)


def _last_digit(x: float, digits: int) -> float:
    """One unit of the last of so many significant digits."""
    if x == 0.0:
        return 10.0**-digits
    return float(10.0 ** (math.floor(math.log10(x)) - digits + 1)) if math.isfinite(x) else 0.0


def _slip(
    step: Step, beside: Iterator[Slip], answer: float, expected: float, known: Numbers, digits: int
) -> str:
    """The common mistake that leads to this answer; "" if it is none of them."""
    for slip in (*step.slips, Slip("the sign is wrong", lambda _: -expected), *beside):
        try:
            reached = slip.find(known)
        except (ArithmeticError, ValueError):  # no such mistake leads to a number
            continue
        if _near(answer, reached, digits) and not _near(expected, reached, digits):
            return slip.text
    if any(answer == float(number(expected, fewer)) for fewer in range(1, digits)):
        return f"it was rounded to fewer than {digits} digits"
    return ""


def _beside(step: Step, steps: Sequence[Step]) -> Iterator[Slip]:
    """The other numbers of the same part, written down in the wrong row."""

    def taken(name: str) -> Find:
        return lambda known: known[name]

    for other in steps:
        if other.part == step.part and other is not step:
            yield Slip(f"this is {other.name}", taken(other.name))


def _listed(what: str, names: list[str]) -> list[str]:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return [f"{what}: {', '.join(names[:MOST_NAMES])}{more}"] if names else []
