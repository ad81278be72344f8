"""What a check is about: results and inputs, of a recorded graph or of a function at some arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from operator import index
from typing import Any

from microbp.arguments import counted, described
from microbp.checking.local_slopes import Numbers, forward_of
from microbp.differentiation import check_fresh, dependent, gradients
from microbp.operations import Operation
from microbp.structures import Structure, entries, flat, like
from microbp.transforms import jacobian
from microbp.traversal import leaves, unique_names
from microbp.value import Value, as_float, as_value, computed, name_of


@dataclass(frozen=True)
class Subject:
    """Results and inputs of a graph by name; `by(k)` are the results as a function of the input k.

    `again()`, of a function called `f`, are the results it gives when it is called once more.
    """

    outputs: list[tuple[str, Value]]
    inputs: list[tuple[str, Value]]
    by: Callable[[int], Callable[[float], Numbers]]
    again: Callable[[], Numbers] | None = None
    f: str = ""

    @property
    def ends(self) -> list[Value]:
        return [output for _, output in self.outputs]

    @cached_property
    def order(self) -> list[Value]:
        """The nodes that the results were computed through."""
        return computed(*self.ends)

    def derived(self) -> list[str]:
        """The names of the derivatives of every result by every input."""
        return [f"d({of})/d{by}" if "/" in of else f"d{of}/d{by}" for of, by in self._pairs()]

    def _pairs(self) -> Iterator[tuple[str, str]]:
        return ((of, by) for of, _ in self.outputs for by, _ in self.inputs)


# A recorded graph.


def of_graph(output: Structure, arguments: Sequence[Structure], order: int) -> list[Subject]:
    """A graph and what it is differentiated by, and the same for its derivatives, up to `order`."""
    ends = _values(output)
    if not ends:
        raise ValueError("gradcheck: at least one Value that was computed is needed, and none came")
    inputs = _values(arguments) if arguments else leaves(*ends)
    check_fresh("gradcheck", *ends)
    names = unique_names(*ends)
    outputs = [(names[end], end) for end in ends]
    by = [(names.get(input, name_of(input)), input) for input in inputs]
    subjects = [Subject(outputs, by, partial(_replayed, ends, inputs))]
    while len(subjects) < order:
        found = [each for end in subjects[-1].ends for each in gradients(end, inputs)]
        outputs = list(zip(subjects[-1].derived(), found))
        subjects.append(Subject(outputs, by, partial(_replayed, found, inputs)))
    return subjects


def _values(structure: Structure) -> list[Value]:
    found = flat(structure)
    for each in found:
        if not isinstance(each, Value):
            raise TypeError(
                "gradcheck: a function and its arguments are needed, or a Value that was computed and those "
                f"it is differentiated by; {described(each)} came"
            )
    return found


def _replayed(outputs: Sequence[Value], inputs: Sequence[Value], k: int) -> Callable[[float], Numbers]:
    """The outputs of a recorded graph, which is not touched, as a function of inputs[k]."""
    place: dict[Any, int] = {}
    start: list[float] = []

    def slot(operand: Any) -> int:
        if operand not in place:
            place[operand] = len(start)
            start.append(operand.data if isinstance(operand, Value) else float(operand))
        return place[operand]

    moved = slot(inputs[k])
    order = computed(*outputs)
    changing = dependent(order, [inputs[k]]) - {inputs[k]}
    steps = [
        ([slot(operand) for operand in node.operands], slot(node), forward_of(node.rule))
        for node in order
        if node in changing
    ]
    ends = [slot(output) for output in outputs]

    def results(x: float) -> Numbers:
        data = start.copy()
        data[moved] = x
        for operands, result, forward in steps:
            data[result] = forward([data[operand] for operand in operands])
        return [data[end] for end in ends]

    return results


# A function.


def of_function(
    f: Callable[..., Any], arguments: Sequence[Structure], argnums: int | Iterable[int] | None, order: int
) -> list[Subject]:
    opening = _Opening(f, arguments, argnums)
    subjects = [opening.subject(f)]
    while len(subjects) < order:
        f = _flat_jacobian(f, opening.places)
        subjects.append(opening.subject(f, subjects[-1].derived()))
    return subjects


def _flat_jacobian(f: Callable[..., Any], places: list[int]) -> Callable[..., list[Value]]:
    derivatives = jacobian(f, places)
    return lambda *arguments: flat(derivatives(*arguments))


class _Opening:
    """A function, and the numbers among its arguments by which it is differentiated."""

    def __init__(
        self,
        f: Callable[..., Any],
        arguments: Sequence[Structure],
        argnums: int | Iterable[int] | None,
    ) -> None:
        name = getattr(f, "__name__", "f")
        self.name = name if name.isidentifier() else "f"
        self.places = _places(f, len(arguments), argnums)
        self._arguments = arguments
        called = _argument_names(f)
        found = [
            (entry.label(name), _as_number(entry.content, f"gradcheck: {entry.under(name)}"))
            for place in self.places
            for name in [called[place] if place < len(called) else f"argument {place + 1}"]
            for entry in entries(arguments[place])
        ]
        self._labels, self._numbers = [label for label, _ in found], [number for _, number in found]

    def subject(self, f: Callable[..., Any], names: Sequence[str] | None = None) -> Subject:
        """What f gives, the results called `names`; without these, after the function."""
        inputs, result = self._called(f, self._numbers)
        found = entries(result)
        if not found:
            raise ValueError(f"gradcheck: {self.name} returned no number that could be differentiated")
        outputs = [as_value(each.content, f"gradcheck: the result of {self.name}") for each in found]
        check_fresh("gradcheck", *outputs)

        def by(k: int) -> Callable[[float], Numbers]:
            before, after = self._numbers[:k], self._numbers[k + 1 :]
            return cache(lambda x: self._results(f, [*before, x, *after], len(outputs)))

        return Subject(
            list(zip(names or [each.label(self.name) for each in found], outputs)),
            list(zip(self._labels, inputs)),
            by,
            lambda: self._results(f, self._numbers, len(outputs)),
            self.name,
        )

    def _called(self, f: Callable[..., Any], numbers: Numbers) -> tuple[list[Value], Structure]:
        inputs = [Value(number, label) for number, label in zip(numbers, self._labels)]
        fresh = iter(inputs)
        opened = list(self._arguments)
        for place in self.places:
            opened[place] = like(opened[place], fresh)
        return inputs, f(*opened)

    def _results(self, f: Callable[..., Any], numbers: Numbers, count: int) -> Numbers:
        found = flat(self._called(f, numbers)[1])
        if len(found) != count:
            first = counted(count, "number")
            raise TypeError(f"gradcheck: {self.name} returned {first}, and {len(found)} near by")
        return [_as_number(each, f"gradcheck: the result of {self.name}") for each in found]


def _as_number(content: Any, where: str) -> float:
    return content.data if isinstance(content, Value) else as_float(content, where)


def _places(f: Callable[..., Any], count: int, argnums: int | Iterable[int] | None) -> list[int]:
    if not count:
        raise ValueError("gradcheck: the arguments are missing at which to check, as in gradcheck(f, 2.0)")
    if argnums is None:
        slopes = f.rule.partials if isinstance(f, Operation) else [""] * count
        return [place for place, slope in enumerate(slopes) if slope is not None]
    try:
        places = [index(k) for k in (argnums if isinstance(argnums, Iterable) else [argnums])]
    except TypeError:
        raise TypeError(
            f"gradcheck: argnums counts arguments, as 0 or (0, 2), and {argnums!r} came"
        ) from None
    for place in places:
        if not -count <= place < count:
            raise ValueError(
                f"gradcheck: argnums says {place}, counted from 0; {counted(count, 'argument')} came"
            )
    found = [place % count for place in places]
    if len(set(found)) < len(found):
        raise ValueError(f"gradcheck: argnums names an argument twice: {places}")
    return found


def _argument_names(f: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        return []
