"""A derivative measured: difference quotients of a function of one number, and how far they can be trusted.

Quotients for steps that shrink by one ratio are extrapolated to a step of 0 (Richardson's way; the
table and its estimate of error are Ridders's).  Beside the central quotients those of each side are
kept, since (f(x + h) - f(x - h)) / 2h does not see a kink at x: it is 1/2 for relu at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

RATIO = 1.8793852415718169  # of a step to the next, 2 cos 20°, and FIRST_STEP of the size of x: far from
FIRST_STEP = 0.2275647894403966  # simple fractions, so that no period of f is hit by one step after another
SIZE_OF_ZERO = 0.5  # and what numbers below it are taken for too, where their own size does not do
SMALLEST_STEP = 2.0**-130  # at x = 0
COLUMNS = 9  # of the table; more gain nothing on rounding errors
FEWEST = 4  # quotients from which an error is estimated

ENOUGH = 1e-11  # an error, relative to the slope, at which no smaller steps are taken
GOOD = 1e-9  # one at which no wider steps are tried
DECENT = 1e-4  # one, relative to the quotients, above which f is not smooth as far as floats can tell
SUDDEN = 1e-4  # what is left of an error from one step to the next if that is more than luck
SAFETY = 2  # an error is estimated as this many times the difference, or rounding error, it is made of
KINK = 1e-3  # the least difference between the slopes of both sides, relative to these, that makes a kink
CLEAR = 4  # how many times their error that difference must be
SURE = 1e-6  # one below which a level is to be agreed with
ROUNDING = 100  # times the least error that rounding makes, below which it is all that makes it
LIMIT = 8  # steps over which f jumps, or its quotients grow, to be believed
JUMP = 0.01  # by how much a jump may differ between steps
GROWTH = 1.02  # of quotients without bound, from step to step

_EPSILON = 2.0**-52
_TINY = 2.0**-1074  # the least distance of two floats


class Estimate(NamedTuple):
    """A number, give or take an error."""

    value: float
    error: float


class Slope(NamedTuple):
    """The derivative of a function at a point, as measured.

    `kind` is "smooth" or "edge" (of the domain: measured from one side), where the derivative is
    `value`, give or take `error`; "steep", where it is infinite; "kink", where it is `left` and
    `right` of the point, each give or take `error`; "jump", where the function itself is by `left`
    and `right` away from its value at the point; "rough", where `value` is but a guess; and
    "not finite", where the function is.
    """

    kind: str
    value: float = math.nan
    error: float = math.inf
    left: float = math.nan
    right: float = math.nan


def slope_at(f: Callable[[float], float], x: float) -> Slope:
    """The derivative of f at x, measured.

    Where f raises ArithmeticError or ValueError, or is not finite, its domain ends.

    >>> slope = slope_at(math.exp, 1.0)
    >>> slope.kind, abs(slope.value - math.e) < slope.error < 1e-10
    ('smooth', True)
    >>> kink = slope_at(abs, 0.0)
    >>> kink.kind, kink.left, kink.right
    ('kink', -1.0, 1.0)
    >>> slope_at(math.sqrt, 0.0).value
    inf
    """
    centre = _value(f, x)
    if not (math.isfinite(x) and math.isfinite(centre)):
        return Slope("not finite")
    size = 2.0 ** (math.frexp(x)[1] - 1) if x else SIZE_OF_ZERO
    smallest = 4 * math.ulp(x) if x else SMALLEST_STEP
    scan = _Scan(f, x, centre, FIRST_STEP * size, smallest)
    found = scan.smooth
    if size < SIZE_OF_ZERO and (found is None or found.error > GOOD * abs(found.value)):
        wider = _Scan(f, x, centre, FIRST_STEP * SIZE_OF_ZERO, max(smallest, FIRST_STEP * size))
        found = _steadied(scan, wider)
    kink = min(filter(_kinked, scan.levels), key=lambda level: level.one_sided_error, default=None)
    if found and (kink is None or found.error <= kink.gap / 10):  # if so, the kink is only near x
        return Slope("smooth", *found)
    return _at_a_limit(scan.levels, kink) or Slope("rough", *(scan.best.slope if scan.best else ()))


def _steadied(scan: _Scan, wider: _Scan) -> Estimate | None:
    """The slope from wider steps, if it agrees with the one from narrower steps and is more certain."""
    if len(scan.levels) < FEWEST:
        return wider.smooth
    if wider.smooth and wider.best and scan.best:
        narrow, wide = scan.best.slope, wider.smooth
        unseen = scan.best.size > 0.0 == wider.best.size  # f changes near x only
        if wide.error < narrow.error >= abs(wide.value - narrow.value) and not unseen:
            return wide
    return scan.smooth


class _Level(NamedTuple):
    """What quotients down to one step tell: the central ones, and those of each side."""

    step: float
    fall: float  # from x to x - step; nan outside of the domain
    rise: float  # from x to x + step
    noise: float  # of f, if it is right to the last bits
    rounding: float  # of the quotients: by that noise, and by what one bit of x makes in f
    central: Estimate | None
    left: Estimate | None
    right: Estimate | None

    @property
    def size(self) -> float:
        """The greater quotient of the two sides, as it is."""
        return max([abs(d) / self.step for d in (self.fall, self.rise) if d == d], default=0.0)

    @property
    def gap(self) -> float:
        return abs(self.right.value - self.left.value) if self.left and self.right else 0.0

    @property
    def one_sided_error(self) -> float:
        return self.left.error + self.right.error if self.left and self.right else math.inf

    @property
    def slope(self) -> Estimate:
        """The central slope, no more certain than the sides agree."""
        return Estimate(self.central.value, max(self.central.error, self.gap)) if self.central else _UNKNOWN

    def confirmed(self, finer: list[_Level]) -> _Level:
        """The level with the error that finer ones show: theirs are greater as rounding makes them."""
        error = max([self.slope.error, *(each.slope.error * each.step / self.step for each in finer)])
        return self._replace(central=Estimate(self.slope.value, error))

    def contradicted(self, coarser: list[Estimate]) -> _Level:
        """The level with the error that makes it agree with what coarser ones were sure of.

        Where rounding makes a part of f a staircase, the slope between its stairs is certain, and wrong.
        """
        value, error = self.slope
        sure = [each for each in coarser if each.error <= SURE * abs(each.value)]
        error = max([error, *(abs(value - each.value) - each.error for each in sure)])
        return self._replace(central=Estimate(value, error))


class _Scan:
    """The levels from a first step down to the smallest, or to where smaller ones cannot tell more."""

    def __init__(
        self, f: Callable[[float], float], x: float, centre: float, step: float, smallest: float
    ) -> None:
        self.levels: list[_Level] = []
        self.size = 0.0  # of the quotients at the scale of x
        central, left, right = _Table(2), _Table(1), _Table(1)
        best: _Level | None = None
        while step >= smallest:
            below, above = x - step, x + step
            down, up = _value(f, below), _value(f, above)
            fall, rise = _finite(down - centre), _finite(up - centre)
            change = max([abs(y) for y in (fall, rise) if y == y], default=0.0)
            noise = max(_TINY, _EPSILON * max(abs(y) for y in (centre, down, up) if y == y))
            rounding = noise / step + _EPSILON * abs(x) / step * (change / step)
            level = _Level(
                step,
                fall,
                rise,
                noise,
                rounding,
                central.estimate(_finite(up - down), above - below, rounding / 2),
                left.estimate(-fall, x - below, rounding),
                right.estimate(rise, above - x, rounding),
            )
            self.levels.append(level)
            self.size = self.size if len(self.levels) > 1 else level.size
            if self._tells(level) and (best is None or self._doubt(level) < self._doubt(best)):
                best = level
            if best and self._is_smooth(best):
                value, error = best.slope
                if error <= max(ENOUGH * abs(value), _EPSILON * self.size, SAFETY * rounding):
                    break
            step /= RATIO

    @cached_property
    def best(self) -> _Level | None:
        """The level whose slope is the most certain, in relation to the size of what it is made of.

        Where f oscillates unseen between the points, quotients grow as steps shrink.
        """
        telling = [level for level in self.levels if self._tells(level)]
        confirmed = [level.confirmed(telling[i + 1 : i + 3]) for i, level in enumerate(telling)]
        best = min(confirmed, key=self._doubt, default=None)
        return best and best.contradicted([level.slope for level in confirmed if level.step > best.step])

    @cached_property
    def smooth(self) -> Estimate | None:
        """The best slope, if it is certain enough for f to be smooth."""
        return self.best.slope if self.best and self._is_smooth(self.best) else None

    def _is_smooth(self, level: _Level) -> bool:
        size = max(abs(level.slope.value), self.size)
        return level.slope.error <= max(DECENT * size, ROUNDING * (level.noise / level.step + _TINY))

    def _tells(self, level: _Level) -> bool:
        """Whether it has a slope, and is not within one stair of what rounding has made a staircase."""
        first = self.levels[0]
        stairs = min(abs(first.fall), abs(first.rise)) > CLEAR * first.noise
        return level.central is not None and not (stairs and level.size == 0.0)

    def _doubt(self, level: _Level) -> float:
        slope = level.slope
        size = max(abs(slope.value), level.size, self.size)
        return slope.error / size if size else slope.error


class _Table:
    """Quotients whose error has the powers 1, 2, 3, ... of the step, or 2, 4, 6, ..., extrapolated to 0."""

    def __init__(self, power: int) -> None:
        self._power = power
        self._row: list[float] = []
        self._runs: list[float] = []
        self._error = 0.0
        factors = [RATIO ** (power * k) for k in range(1, COLUMNS)]
        self._amplified = SAFETY * math.prod((factor + 1) / (factor - 1) for factor in factors)

    def estimate(self, rise: float, run: float, rounding: float) -> Estimate | None:
        """The limit as it looks after one more quotient; None where there are too few."""
        if rise != rise:
            return None
        row, found = [rise / run], _UNKNOWN
        for before, wider in zip(self._row, self._runs):
            last = row[-1]
            better = last + (last - before) / ((wider / run) ** self._power - 1.0)
            difference = max(abs(better - last), abs(better - before))
            if difference <= found.error:
                found = Estimate(better, difference)
            row.append(better)
        self._row, self._runs = row[:COLUMNS], [run, *self._runs]
        if len(row) < FEWEST:
            return None
        self._error = max(found.error, SUDDEN * self._error)
        return Estimate(found.value, SAFETY * self._error + self._amplified * (rounding + _TINY))


_UNKNOWN = Estimate(math.nan, math.inf)


def _value(f: Callable[[float], float], x: float) -> float:
    """f at x; nan where it has no finite value."""
    try:
        return _finite(float(f(x))) if math.isfinite(x) else math.nan
    except (ArithmeticError, ValueError):
        return math.nan


def _finite(y: float) -> float:
    return y if math.isfinite(y) else math.nan


def _kinked(level: _Level) -> bool:
    """Whether the slopes of both sides differ by more than what they are uncertain by."""
    if not (level.left and level.right):
        return False
    size = max(level.size, abs(level.left.value), abs(level.right.value))
    return level.gap > max(CLEAR * level.one_sided_error, KINK * size)


def _at_a_limit(levels: list[_Level], kink: _Level | None) -> Slope | None:
    """What f does at x where it has no derivative, or none but from one side; None if that is not clear."""
    left, right = _Side(levels, -1), _Side(levels, 1)
    if left.jump or right.jump:
        return Slope("jump", left=left.jump, right=right.jump)
    slopes = [side.slope for side in (left, right) if side.levels]
    if not slopes or None in slopes:
        return None
    below, above = slopes[0] or _UNKNOWN, slopes[-1] or _UNKNOWN
    infinite = math.isinf(below.value), math.isinf(above.value)
    if len(slopes) == 1 or (all(infinite) and below == above):
        return Slope("steep" if any(infinite) else "edge", *below)
    if any(infinite):
        return Slope("kink", math.nan, max(below.error, above.error), below.value, above.value)
    if kink and kink.left and kink.right:
        return Slope("kink", math.nan, kink.one_sided_error, kink.left.value, kink.right.value)
    return None


class _Side:
    """f on one side of x: below it where `sign` is -1, above it where that is 1."""

    def __init__(self, levels: list[_Level], sign: int) -> None:
        rises = [(level, level.fall if sign < 0 else level.rise) for level in levels]
        self.levels = [level for level, rise in rises if rise == rise]
        self._rises = [rise for _, rise in rises if rise == rise]
        self._estimates = [level.left if sign < 0 else level.right for level in self.levels]
        self._sign = sign

    @property
    def jump(self) -> float:
        """How far f is from f(x) as near to x as floats come; 0 where it comes as near."""
        last = self._rises[-LIMIT:]
        if len(last) < LIMIT:
            return 0.0
        finest = self.levels[-1]
        unsure = max(max(last) - min(last), finest.noise, self.levels[0].size * finest.step)
        return last[-1] if unsure <= JUMP * abs(last[-1]) else 0.0

    @property
    def slope(self) -> Estimate | None:
        """The derivative from this side, infinite where the quotients grow without bound; None if unclear."""
        quotients = [self._sign * rise / level.step for rise, level in zip(self._rises, self.levels)]
        last = quotients[-LIMIT:]
        grows = all(before and after / before >= GROWTH for before, after in pairwise(last))
        if len(last) == LIMIT and grows and abs(self._rises[-1]) < (1 - JUMP) * abs(self._rises[-LIMIT]):
            return Estimate(math.copysign(math.inf, last[-1]), 0.0)
        found = min(filter(None, self._estimates), key=lambda each: each.error, default=_UNKNOWN)
        size = max(abs(found.value), self.levels[0].size)
        return found if found.error <= DECENT * size else None
