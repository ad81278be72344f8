"""Traced: a Value that stands for a number not known yet, and the trace of a function of such Values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn

from microbp.rules import RULES, Rule
from microbp.value import Value, next_birth

SAME = replace(RULES["sum"])  # of one Value: a row of its own, so that it is told from any other sum


class Demand(NamedTuple):
    """What a function asks of the numbers of its samples, to be checked when they are known.

    `holds` is given an array of the numbers that `node` stands for and says which are right;
    `error` is raised with `message` of the first that is not.
    """

    node: Value
    holds: Callable[[Any], Any]
    error: type[Exception]
    message: Callable[[float], str]


class NotKnown(AttributeError, TypeError):
    """Raised where the number of a Traced is asked for.

    To a user it is a TypeError; the operators, which find no number to compute with, see that an
    attribute is missing and leave the operation to be recorded.  They do not read the message, so
    it is written when somebody does.
    """

    def __str__(self) -> str:
        [node] = self.args
        return (
            f"{node.described()} has no number while a program is compiled, so nothing may depend on its "
            ".data or .partials: a branch on it would be the same for all samples.  Use relu, abs, "
            'microbp.max, microbp.min or pick, or stay with the eager engine (fit(..., engine="eager"))'
        )


class Traced(Value):
    """A Value of the graph that is being compiled: it has a place in the graph, and no number.

    Operations on it are recorded and not evaluated.  Whatever asks for its number raises
    a TypeError, so that no branch on data is frozen into a program unnoticed.
    """

    __slots__ = ()
    traced = True

    @classmethod
    def input(cls, label: str, demands: list[Demand]) -> Traced:
        """A leaf that stands for one number of each sample; what is asked of it is added to `demands`."""
        return _node(None, (), None, label, demands)

    def recorded(self, rule: Rule, inputs: tuple[Value, ...], constant: Any) -> Traced:
        """A node: `rule` applied to `inputs`, this one among them, and perhaps to a plain number."""
        return _node(rule, inputs, constant, "", self.demands)

    def stand_for(self, leaf: Value) -> None:
        """Make a Value that was to hold this one's number a node with the same."""
        leaf.rule, leaf.inputs, leaf.reached = SAME, (self,), self.reached
        leaf.__class__ = Traced

    @property
    def demands(self) -> list[Demand]:
        """What is asked of the numbers of a sample; one list for a whole trace."""
        assert isinstance(self.reached, list)
        return self.reached

    def demand(
        self, holds: Callable[[Any], Any], error: type[Exception], message: Callable[[float], str]
    ) -> None:
        """Ask that `holds` is true of the number that this stands for, in every sample."""
        self.demands.append(Demand(self, holds, error, message))

    @property
    def data(self) -> NoReturn:  # type: ignore[override]
        raise NotKnown(self)

    @property
    def partials(self) -> NoReturn:  # type: ignore[override]
        raise NotKnown(self)

    def backward(self, seed: Any = 1.0) -> NoReturn:
        raise TypeError(
            f"{self.described()} has no number while a program is compiled, and so no .grad to set; "
            "take gradients(output, inputs), whose Values can be computed with and returned, or return "
            "the loss and take its gradient from program.value_and_grad(X, Y)"
        )

    def _refuse(self, other: object = None) -> NoReturn:
        raise TypeError(
            f"{self.described()} has no number while a program is compiled, so it has no truth and no order, "
            "and is no plain float.  Use relu, abs, microbp.max, microbp.min or pick instead of a "
            'branch, or stay with the eager engine (fit(..., engine="eager"))'
        )

    __bool__ = __float__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __int__ = __index__ = __round__ = _refuse

    def described(self) -> str:
        """The node by its label, or by how it is made."""
        name = self.label or self._made()
        return name if name.startswith("a ") and not self.label else f"'{name}'"

    def _made(self) -> str:
        if self.rule is None:
            return "an input"
        if any(input.rule and not input.label for input in self.inputs):
            return f"a {self.rule.name}"
        names = [
            (o.label or "?") if isinstance(o, Traced) else f"{o.data:.6g}" if isinstance(o, Value) else str(o)
            for o in self.operands
        ]
        return self.rule.formula(names) if len(names) <= 4 else f"{self.rule.name} of {len(names)}"

    def __repr__(self) -> str:
        return f"Value({self.label or self._made()}, not known yet)"

    def __format__(self, spec: str) -> str:
        return repr(self) if not spec else self._refuse()

    def __reduce__(self) -> NoReturn:
        who = self.described()
        raise TypeError(f"cannot copy or pickle {who}: it has no number while a program is compiled")


def _node(
    rule: Rule | None, inputs: tuple[Value, ...], constant: Any, label: str, demands: list[Demand]
) -> Traced:
    node = Traced.__new__(Traced)
    node.grad, node.label, node.rule, node.inputs = 0.0, label, rule, inputs
    node.constant, node.birth, node.reached = constant, next_birth(), demands
    return node
