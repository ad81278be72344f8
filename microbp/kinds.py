"""Kinds of number: the elementary functions that rows are read with, and how each kind takes new ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from microbp.rules import Rule


class Kind(dict[str, Any]):
    """The elementary functions for one kind of number, by name; rows are read with it.

    `name` is what an operation of your own calls the kind where it brings a new function.
    """

    def __init__(self, name: str, functions: Mapping[str, Any]) -> None:
        super().__init__(functions)
        self.name = name

    def own(self, rule: Rule) -> Callable[..., Any]:
        """The elementary function that a row of your own brings, a function of grouped operands.

        Raises TypeError, saying what to add, if it has none for this kind of number.
        """
        if self.name not in rule.functions:
            raise TypeError(
                f"the operation {rule.name!r} has no function for {self.name}; give it one, "
                f"as in operation({rule.name!r}, ..., {self.name}=...)"
            )
        function: Callable[..., Any] = rule.functions[self.name]
        return function


class Floats(Kind):
    """The functions for floats; a new one may give any real number, of which a float is made."""

    def own(self, rule: Rule) -> Callable[..., float]:
        function = super().own(rule)

        def as_float(*groups: Any) -> float:
            result = function(*groups)
            try:
                return float(result)
            except (TypeError, ValueError):
                raise TypeError(
                    f"the function for floats of the operation {rule.name!r} returned {result!r:.60}, "
                    "not a number"
                ) from None

        return as_float


class Arrays(Kind):
    """The functions for arrays that broadcast; a new one that has none is called number by number."""

    def own(self, rule: Rule) -> Callable[..., Any]:
        return super().own(rule) if self.name in rule.functions else _number_by_number(rule)


def _number_by_number(rule: Rule) -> Callable[..., Any]:
    """A function for floats as one for arrays; nan where it raises."""
    import numpy as np

    function = Floats("floats", {}).own(rule)

    def one(numbers: Sequence[float]) -> float:
        try:
            return function(*rule.group(numbers))
        except (ArithmeticError, ValueError):
            return math.nan

    def every(*groups: Any) -> Any:
        operands = rule.ungroup(groups)
        shape = np.broadcast_shapes(*map(np.shape, operands))
        rows = np.stack([np.broadcast_to(x, shape).ravel() for x in operands], axis=1)
        return np.array([one(row) for row in rows.tolist()], dtype=float).reshape(shape)

    return every
