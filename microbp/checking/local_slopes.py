"""The local derivatives of a graph's operations, each measured at the operands it was given."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

from microbp.measurement import Slope, slope_at
from microbp.rules import Rule, many
from microbp.value import Value, name_of

MOST_MEASURED = 5000  # local derivatives; of more, every operand of every rule gets its share
MOST_READ = 2_000_000  # operands at which they are measured, all told
MOST_SHOWN = 4  # members of a sequence of operands

Numbers = Sequence[float]


class LocalSlope(NamedTuple):
    """The local derivative of a node along one of its operands, and what was measured."""

    node: Value
    along: str
    computed: float
    measured: Slope

    @property
    def operation(self) -> str:
        return _rule(self.node).name

    @property
    def at(self) -> str:
        """The operands, by their names in the row."""
        rule = _rule(self.node)
        return ", ".join(
            f"{name} = {_text(group)}"
            for name, group in zip(rule.parameters, rule.group(_numbers(self.node)))
        )

    @property
    def name(self) -> str:
        return name_of(self.node)


def distinct(nodes: Iterable[Value]) -> list[Value]:
    """The nodes without those that repeat an operation with the same numbers."""
    found: dict[Any, Value] = {}
    for node in nodes:
        found.setdefault((node.rule, *_numbers(node)), node)
    return [*found.values()]


def measured(nodes: Sequence[Value]) -> Iterator[LocalSlope]:
    """The local derivatives of computed nodes; a fair part of them where there are very many."""
    for node, place in _chosen(nodes):
        rule, numbers = _rule(node), _numbers(node)
        operand = place + (rule.place == 0)
        slope = slope_at(_along(rule, numbers, operand), numbers[operand])
        yield LocalSlope(node, _operand_names(rule, len(numbers))[operand], node.partials[place], slope)


@cache
def forward_of(rule: Rule) -> Callable[[Numbers], float]:
    """What a row computes, as a function of its operands one after another."""
    forward, _ = rule.on_floats
    if any(map(many, rule.parameters)):
        return lambda numbers: forward(*rule.group(numbers))
    return lambda numbers: forward(*numbers)


def _along(rule: Rule, numbers: Numbers, operand: int) -> Callable[[float], float]:
    forward, before, after = forward_of(rule), numbers[:operand], numbers[operand + 1 :]
    return lambda x: forward([*before, x, *after])


def _rule(node: Value) -> Rule:
    assert node.rule is not None
    return node.rule


def _numbers(node: Value) -> list[float]:
    return [each.data if isinstance(each, Value) else float(each) for each in node.operands]


@cache
def _operand_names(rule: Rule, count: int) -> list[str]:
    """What each operand is called: x; the members of xs x[1], x[2], ..."""
    return [
        f"{name[:-1]}[{i + 1}]" if many(name) else name
        for name, group in zip(rule.parameters, rule.group(range(count)))
        for i in range(len(group) if many(name) else 1)
    ]


def _text(group: Any) -> str:
    if not isinstance(group, list):
        return f"{group:.6g}"
    more = ", ..." if len(group) > MOST_SHOWN else ""
    return f"({', '.join(f'{number:.6g}' for number in group[:MOST_SHOWN])}{more})"


# Which are measured.


def _chosen(nodes: Sequence[Value]) -> list[tuple[Value, int]]:
    """Nodes and which of their inputs, in the order of birth."""
    strata: dict[tuple[Rule, str], list[tuple[Value, range]]] = {}
    for node in nodes:
        for name, places in _inputs_by_name(_rule(node), len(node.inputs)):
            strata.setdefault((_rule(node), name), []).append((node, places))
    sizes = [sum(len(places) for _, places in stratum) for stratum in strata.values()]
    chosen: list[tuple[Value, int]] = []
    for stratum, size, share in zip(strata.values(), sizes, _shares(sizes, MOST_MEASURED)):
        read = sum(len(places) * len(node.inputs) for node, places in stratum) / size
        affordable = int(MOST_READ / (len(strata) * read))
        chosen += _spread(stratum, max(1, min(share, affordable)))
    return sorted(chosen, key=lambda pick: (pick[0].birth, pick[1]))


@cache
def _inputs_by_name(rule: Rule, count: int) -> list[tuple[str, range]]:
    """The row's operands, and the places of those of a node's inputs that stand for each."""
    groups = rule.group(range(count + (rule.place is not None)))
    names = [name for name, group in zip(rule.parameters, groups) for _ in (group if many(name) else [group])]
    if rule.place is not None:
        del names[rule.place]
    return [(name, range(k := names.index(name), k + names.count(name))) for name in dict.fromkeys(names)]


def _shares(sizes: Sequence[int], most: int) -> list[int]:
    """How many of each size, at most so many in all: the smallest whole, what is left dealt out equally."""
    shares = [0] * len(sizes)
    for dealt, k in enumerate(sorted(range(len(sizes)), key=sizes.__getitem__)):
        shares[k] = min(sizes[k], max(1, most // (len(sizes) - dealt)))
        most -= shares[k]
    return shares


def _spread(stratum: Sequence[tuple[Value, range]], count: int) -> Iterator[tuple[Value, int]]:
    """So many of the inputs of some nodes, evenly spread over them."""
    ends = [*accumulate(len(places) for _, places in stratum)]
    for k in range(count):
        pick = k * ends[-1] // count
        node, places = stratum[n := bisect_right(ends, pick)]
        yield node, places[pick - ends[n]]
