"""`diagnose`: what is wrong with a graph or with its gradients, in sentences with names and numbers."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from microbp.arguments import described, in_order
from microbp.passes import brief, formula, in_number
from microbp.traversal import (
    FoundUnit,
    consumers,
    first_stale,
    is_target,
    leaves,
    one_line,
    unique_names,
    units,
)
from microbp.value import Value, as_values, computed, evaluated, name_of

MOST_SENTENCES = 10  # what one still reads; all findings are there to be read
MOST_NAMES = 3  # of nodes that suffer from the same
LONGEST_NAME = 40
LONGEST_CHAIN = 5  # nodes through which a number grew
MOST_LAYERS = 12  # whose deltas are listed
SLOPE = 0.01  # of the steepest: there a step teaches 100 times less; |u| > 6 for sigmoid, > 3 for tanh
STEEPEST = {"sigmoid": 0.25, "tanh": 1.0}
RIGHT = 0.05  # an output this near its target may be as flat as it likes
ENOUGH_PASSES = 8  # a relu with even chances is off in all of them once in 256 times
VANISHED = 1e-3  # of the last layer's delta: one rate cannot serve both, as 1000 steps here make one there
EXPLODED = 1e3  # the same the other way about
ROUNDING = 1e-9  # relative, far above what sums in another order differ by

_PARAMETER = re.compile(r"[wb]\d*(\[[\d, ]+\])?")
FLAT = ("sigmoid", "tanh", "step", "sign", "equal")  # where a slope of 0 is not for this number only


class Finding(NamedTuple):
    """One ailment: its kind, a sentence about it, and the nodes it is about, in the order of the sentence.

    The kinds are "not finite", "stale", "gradients", "no influence", "off", "vanishing", "exploding"
    and "saturated".
    """

    kind: str
    sentence: str
    nodes: tuple[Value, ...]

    def __str__(self) -> str:
        return self.sentence


class Diagnosis(tuple[Finding, ...]):
    """The findings, the gravest first: empty, and so false, where all is well."""

    __slots__ = ()

    def __str__(self) -> str:
        shown = [finding.sentence for finding in self[:MOST_SENTENCES]]
        more = len(self) - len(shown)
        return "\n".join([*shown, *([f"... and {more:,} more"] if more else [])]) or "Nothing found."

    __repr__ = __str__


def diagnose(of: Value | Iterable[Value], parameters: Any = None) -> Diagnosis:
    """What is wrong with a loss E, or with the losses of several samples: nothing where all is well.

    Looks for numbers that are not finite and where they began, forward and backward; values that
    no longer follow from their operands; gradients that hold more than one pass; parameters
    without influence on E; relus that are off, sigmoids and tanhs that are saturated, and deltas
    (eq. 2) that vanish or explode from the last layer to the first.

    `parameters`, a list of Values or a network, are those E should depend on.  With the losses
    of several samples a unit counts as off or saturated only if it is so in all of them.
    Changes nothing.

    >>> a = Value(3.0, "a")
    >>> b = a * a; b.label = "b"
    >>> diagnose(b)
    Nothing found.
    >>> b.backward(); b.backward()
    >>> diagnose(b)
    a.grad = 12 is 2 times the 6 of one pass, as after 2 calls of backward() without zero_grad() between.
    >>> [finding.kind for finding in diagnose(b)]
    ['gradients']

    Raises TypeError for what is not a Value, or a list of them; ValueError for an empty list.
    """
    case = _Case(_outputs(of), _parameters(parameters))
    checks = (_not_finite, _lost, _stale, _gradients, _absent, _off, _cut_off, _deltas, _saturated)
    return Diagnosis(finding for check in checks for finding in check(case))


def _outputs(of: Any) -> tuple[Value, ...]:
    if isinstance(of, Value):
        return (of,)
    if not in_order(of) or hasattr(of, "parameters"):
        raise TypeError(f"diagnose: a loss, or a list of losses, is needed, not {described(of)}")
    outputs = tuple(dict.fromkeys(as_values(of, "diagnose")))
    if not outputs:
        raise ValueError("diagnose: the list of losses is empty; give at least one")
    return outputs


def _parameters(parameters: Any) -> list[Value] | None:
    if parameters is None:
        return None
    if hasattr(parameters, "parameters"):
        parameters = parameters.parameters()
    return list(dict.fromkeys(as_values(parameters, "diagnose: parameters")))


@dataclass(frozen=True, eq=False)
class _Case:
    """The graph under examination; what the checks share is found once, and only when asked for."""

    outputs: tuple[Value, ...]
    given: list[Value] | None

    @cached_property
    def leaves(self) -> list[Value]:
        return leaves(*self.outputs)

    @cached_property
    def computed(self) -> list[Value]:
        return computed(*self.outputs)

    @cached_property
    def nodes(self) -> set[Value]:
        return {*self.leaves, *self.computed}

    @cached_property
    def users(self) -> dict[Value, list[Value]]:
        return consumers(*self.outputs)

    @cached_property
    def units(self) -> list[FoundUnit]:
        return units(*self.outputs)

    @cached_property
    def names(self) -> dict[Value, str]:
        return unique_names(*self.outputs)

    @cached_property
    def gradients(self) -> dict[Value, float]:
        """The derivative of the sum of the outputs by every node."""
        return _propagated(self.computed, dict.fromkeys(self.outputs, 1.0))

    @cached_property
    def parameters(self) -> list[Value]:
        """Those given, else the weights and biases of units, and leaves labelled like them."""
        if self.given is not None:
            return self.given
        in_units = {leaf for unit in self.units for leaf in (*unit.weights, unit.bias) if leaf is not None}
        return [leaf for leaf in self.leaves if leaf in in_units or _PARAMETER.fullmatch(leaf.label)]

    @cached_property
    def passes(self) -> dict[int, list[list[FoundUnit]]]:
        """By layer, the units, each as the list of its passes: same parameters, same activation."""
        same: dict[tuple[tuple[Value, ...], Value | None, str], list[FoundUnit]] = defaultdict(list)
        for unit in self.units:
            same[unit.weights, unit.bias, unit.activation].append(unit)
        layers: dict[int, list[list[FoundUnit]]] = defaultdict(list)
        for passes in same.values():
            layers[passes[0].layer].append(passes)
        return dict(sorted(layers.items()))

    @cached_property
    def dead(self) -> dict[int, list[list[FoundUnit]]]:
        """By layer, the relus that are off in every pass and not by chance."""
        found = {}
        for layer, all_units in self.passes.items():
            relus = [passes for passes in all_units if passes[0].activation == "relu"]
            off = [passes for passes in relus if all(_slope(unit) == 0.0 for unit in passes)]
            if len(off) < len(relus):
                off = [p for p in off if len(p) >= ENOUGH_PASSES or all(map(_bias_outweighs, p))]
            if off:
                found[layer] = off
        return found

    @cached_property
    def cut(self) -> list[Value]:
        """Parameters of which every way to E leads through a unit that is off, or flat to the last digit."""
        off = {unit.z for all_units in self.dead.values() for passes in all_units for unit in passes}
        live = set(self.outputs)
        for node in reversed(self.computed):
            if node in live:
                assert node.rule is not None
                blocks = node in off or node.rule.name in FLAT
                live.update(
                    i for i, partial in zip(node.inputs, node.partials) if partial != 0.0 or not blocks
                )
        return [each for each in self.parameters if each in self.nodes and each not in live]

    @property
    def E(self) -> str:
        return self.name(self.outputs[0]) if len(self.outputs) == 1 else f"these {len(self.outputs)} losses"

    def name(self, node: Value) -> str:
        name = self.names.get(node) or one_line(name_of(node))
        return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"

    def made(self, node: Value) -> str:
        """A node, how it was made, in names and in numbers, and its value."""
        parts = [self.name(node), brief(node.data)]
        if node.rule is not None and len(node.inputs) > 4:
            parts.insert(1, f"{node.rule.name.replace('_', ' ')} of {len(node.inputs)} inputs")
        elif node.rule is not None:
            parts[1:1] = [formula(node, self.name), formula(node, in_number)]
        return " = ".join(parts)

    def listed(self, nodes: Sequence[Value], numbers: bool = True) -> str:
        some = [f"{self.name(n)} = {brief(n.data)}" if numbers else self.name(n) for n in nodes[:MOST_NAMES]]
        more = len(nodes) - len(some)
        return ", ".join(some) + (f" and {more:,} more" if more else "")


def _propagated(
    order: Sequence[Value], seeds: Mapping[Value, float], sizes: bool = False
) -> dict[Value, float]:
    """What a backward pass from several outputs gives; with `sizes` the sum of the terms' magnitudes."""
    found: dict[Value, float] = defaultdict(float, seeds)
    for node in reversed(order):
        grad = found[node]
        for input, partial in zip(node.inputs, node.partials):
            found[input] += abs(partial * grad) if sizes else partial * grad
    return found


# Numbers that are not finite.


def _not_finite(case: _Case) -> Iterator[Finding]:
    lost = [leaf for leaf in case.leaves if not math.isfinite(leaf.data)]
    if lost:
        given = "A given number is" if len(lost) == 1 else f"{len(lost):,} given numbers are"
        sentence = f"{given} not finite: {case.listed(lost)}{_reached(case, lost[0])}."
        yield Finding("not finite", sentence, tuple(lost))
    first = next((node for node in case.computed if not math.isfinite(node.data)), None)
    if first is not None and not lost:
        yield _began(case, first)
    undefined = next(filter(_becomes_nan, case.computed), None)
    if undefined is not None and (lost or undefined is not first):
        yield Finding(
            "not finite", f"{case.made(undefined)}: here an infinite number became NaN.", (undefined,)
        )


def _becomes_nan(node: Value) -> bool:
    return math.isnan(node.data) and not any(math.isnan(input.data) for input in node.inputs)


def _began(case: _Case, node: Value) -> Finding:
    """The first node that is not finite, all of whose inputs are."""
    chain: list[Value] = []
    if math.isfinite(_again(node)):
        why = "it does not follow from its operands and was assigned"
    elif any(not math.isfinite(float(o)) for o in node.operands if not isinstance(o, Value)):
        why = "it was computed with a plain number that is not finite"
    else:
        why, chain = "the result is too large for a float", _grown_from(node)
    sentence = (
        f"{case.made(node)} is the first value that is not finite: {why}{_reached(case, node)}."
        f"{_grew(case, chain)}"
    )
    return Finding("not finite", sentence, (node, *chain))


def _again(node: Value) -> float:
    try:
        return evaluated(node)[0]
    except (ArithmeticError, ValueError):
        return 0.0  # it would have been refused


def _grown_from(node: Value) -> list[Value]:
    """The chain of inputs, from a node back to a leaf, that made a number large."""
    chain: list[Value] = []
    while node.inputs:
        assert node.rule is not None
        divides = node.rule.name == "quotient" and node.rule.place != -1
        sizes = [abs(input.data) for input in node.inputs]
        if divides:
            sizes[-1] = 1.0 / sizes[-1] if sizes[-1] else math.inf
        node = node.inputs[sizes.index(max(sizes))]
        chain.append(node)
    return chain


def _grew(case: _Case, chain: Sequence[Value]) -> str:
    if not chain:
        return ""
    links = [f"from {case.made(node)}" for node in chain[:LONGEST_CHAIN]]
    if len(chain) > LONGEST_CHAIN:
        links[-1] = f"and {len(chain) - LONGEST_CHAIN + 1:,} steps farther back from {case.made(chain[-1])}"
    return f"  It grew {', '.join(links)}."


def _reached(case: _Case, first: Value) -> str:
    bad = [output for output in case.outputs if output is not first and not math.isfinite(output.data)]
    return f", and so came {case.listed(bad)}" if bad else ""


def _lost(case: _Case) -> Iterator[Finding]:
    """Where a backward pass through finite values first meets a number that is not finite."""
    if not all(math.isfinite(node.data) for node in (*case.leaves, *case.computed)):
        return
    for node in reversed(case.computed):
        grad = case.gradients[node]
        for input, partial in zip(node.inputs, node.partials):
            if not math.isfinite(partial):
                yield Finding("not finite", _steep(case, node, input, partial), (node, input))
                return
            if not math.isfinite(partial * grad):
                sentence = (
                    f"The gradient grows too large for a float on its way back to {case.name(input)}: at "
                    f"{case.made(node)} the local derivative is {brief(partial)} and the gradient arriving "
                    f"{brief(grad)}."
                )
                yield Finding("not finite", sentence, (node, input))
                return


def _steep(case: _Case, node: Value, input: Value, partial: float) -> str:
    grad = case.gradients[node]
    return (
        f"Going backward, the first local derivative that is not finite is that of {case.made(node)} by "
        f"{case.name(input)}: it is {brief(partial)}, and times the gradient {brief(grad)} arriving there "
        f"gives {brief(partial * grad)}."
    )


# Gradients that are not those of one pass.


def _stale(case: _Case) -> Iterator[Finding]:
    node = first_stale(*case.outputs)
    if node is None or (not math.isfinite(node.data) and math.isfinite(_again(node))):
        return  # in the latter case it is said already
    sentence = (
        f"{case.made(node)} no longer follows from its operands: numbers were assigned since it was "
        f"computed, perhaps by a step of training.  What is said here is of the run that was recorded; "
        f"recompute() runs the graph again."
    )
    yield Finding("stale", sentence, (node,))


def _gradients(case: _Case) -> Iterator[Finding]:
    seeds = {output: output.grad for output in case.outputs}
    nested = len(case.outputs) > 1 and any(case.users[output] for output in case.outputs)
    if nested or not all(output.inputs and math.isfinite(output.grad) for output in case.outputs):
        return  # where a pass began cannot be told
    if not any(seeds.values()):
        yield from _before(case)
        return
    expected, size = _propagated(case.computed, seeds), _propagated(case.computed, seeds, sizes=True)

    def differs(node: Value, times: int = 1) -> bool:
        room = ROUNDING * times * abs(size[node]) + 1e-300
        return not abs(node.grad - times * expected[node]) <= room

    wrong = [n for n in case.leaves if n.grad and math.isfinite(expected[n]) and differs(n)]
    if not wrong:
        yield from _elsewhere(case, expected, [n for n in case.computed if n.grad and differs(n)])
        return
    times = _whole(wrong[0].grad, expected[wrong[0]])
    repeated = times >= 2 and not any(differs(leaf, times) for leaf in wrong)
    one = expected[wrong[0]]
    sentence = _repeated(case, wrong, one, times) if repeated else _mixed(case, wrong, one)
    yield Finding("gradients", sentence, tuple(wrong))


def _whole(held: float, expected: float) -> int:
    times = held / expected if expected else 0.0
    return round(times) if 0.0 <= times < 1e9 else 0


def _repeated(case: _Case, wrong: Sequence[Value], expected: float, times: int) -> str:
    first = wrong[0]
    return (
        f"{case.name(first)}.grad = {brief(first.grad)} is {times} times the {brief(expected)} of one pass"
        f"{_likewise(wrong)}, as after {times} calls of backward() without zero_grad() between."
    )


def _mixed(case: _Case, wrong: Sequence[Value], expected: float) -> str:
    first = wrong[0]
    return (
        f"{case.name(first)}.grad = {brief(first.grad)} is not the {brief(expected)} that the pass from "
        f"{case.E} gives{_likewise(wrong)}: it holds more than that, or is older.  zero_grad() before "
        "backward() clears it; if other losses were meant to add up with this, give diagnose all of them."
    )


def _likewise(wrong: Sequence[Value]) -> str:
    return f" (and likewise {len(wrong) - 1:,} more)" if len(wrong) > 1 else ""


def _before(case: _Case) -> Iterator[Finding]:
    held = [leaf for leaf in case.leaves if leaf.grad]
    if not held:
        return
    sentence = (
        f"{case.name(held[0])}.grad = {brief(held[0].grad)}{_likewise(held)} was there before any backward "
        f"pass from {case.E}, which would add to it; zero_grad() clears it first."
    )
    yield Finding("gradients", sentence, tuple(held))


def _elsewhere(case: _Case, expected: Mapping[Value, float], wrong: Sequence[Value]) -> Iterator[Finding]:
    wrong = [node for node in wrong if math.isfinite(expected[node])]
    if not wrong or len(case.outputs) > 1:  # each pass starts the nodes between afresh
        return
    first = wrong[-1]
    sentence = (
        f"{case.name(first)}.grad = {brief(first.grad)} is not the {brief(expected[first])} of the pass from "
        f"{case.E}: another pass went through it since, or it was assigned."
    )
    yield Finding("gradients", sentence, tuple(reversed(wrong)))


# Parameters and units that learn nothing.


def _absent(case: _Case) -> Iterator[Finding]:
    absent = [parameter for parameter in case.parameters if parameter not in case.nodes]
    if absent:
        have = "has" if len(absent) == 1 else "have"
        which = _capital(_of(absent, case.parameters, "parameter"))
        sentence = (
            f"{which} {have} no influence on {case.E}, in whose graph "
            f"there is no such number: {case.listed(absent, numbers=False)}."
        )
        yield Finding("no influence", sentence, tuple(absent))


def _off(case: _Case) -> Iterator[Finding]:
    for layer, off in case.dead.items():
        relus = [passes for passes in case.passes[layer] if passes[0].activation == "relu"]
        which = _capital(_of(off, relus, "relu"))
        sentence = (
            f"{which} of layer {layer} {_are(off)} off{_how_often(off)}, with slope 0, so "
            f"that nothing is learned through {_them(off)}: {_inputs(case, off)}."
        )
        yield Finding("off", sentence, tuple(passes[0].u for passes in off))


def _cut_off(case: _Case) -> Iterator[Finding]:
    if case.cut:
        sentence = (
            f"The derivative by {_of(case.cut, case.parameters, 'parameter')} is exactly 0, as every way to "
            f"{case.E} leads through a unit whose slope is 0: {case.listed(case.cut, numbers=False)}."
        )
        yield Finding("no influence", sentence, tuple(case.cut))


def _saturated(case: _Case) -> Iterator[Finding]:
    for layer, all_units in case.passes.items():
        curved = [passes for passes in all_units if passes[0].activation in STEEPEST]
        flat = [p for p in curved if all(_is_flat(unit) and not _is_right(case, unit) for unit in p)]
        if flat:
            unit = flat[0][0]
            which = _capital(_of(flat, curved, "unit"))
            sentence = (
                f"{which} of layer {layer} {_are(flat)} saturated{_how_often(flat)}, so "
                f"that little is learned through {_them(flat)}: {_inputs(case, flat)}; the slope of "
                f"{unit.activation} is {brief(_slope(unit))} there, instead of up to "
                f"{brief(STEEPEST[unit.activation])}."
            )
            yield Finding("saturated", sentence, tuple(passes[0].u for passes in flat))


def _slope(unit: FoundUnit) -> float:
    return unit.z.partials[0]


def _is_flat(unit: FoundUnit) -> bool:
    return _slope(unit) < SLOPE * STEEPEST[unit.activation]


def _is_right(case: _Case, unit: FoundUnit) -> bool:
    """Whether this is an output near its target, which the losses use within four operations."""
    node = unit.z
    for _ in range(4):
        if len(case.users[node]) != 1:
            return False
        [node] = case.users[node]
        for other in (each for input in node.inputs for each in (input, *input.inputs[:1])):
            if is_target(other):
                return abs(other.data - unit.z.data) < RIGHT
    return False


def _bias_outweighs(unit: FoundUnit) -> bool:
    """Whether u would stay below 0 whatever the signs of the inputs."""
    reach = sum(abs(weight.data * input.data) for weight, input in zip(unit.weights, unit.inputs))
    return unit.bias is not None and unit.bias.data + reach < 0.0


def _deltas(case: _Case) -> Iterator[Finding]:
    by_layer: dict[int, list[float]] = defaultdict(list)
    for unit in case.units:
        by_layer[unit.layer].append(case.gradients[unit.u])
    sizes = {
        layer: math.hypot(*by_layer[layer]) / math.sqrt(len(by_layer[layer])) for layer in sorted(by_layer)
    }
    if len(sizes) < 2 or not all(map(math.isfinite, sizes.values())):
        return
    first, last = next(iter(sizes)), next(reversed(sizes))
    if sizes[first] == 0.0 and case.cut:
        return  # it is said already
    if sizes[last] and not VANISHED <= sizes[first] / sizes[last] <= EXPLODED:
        vanish = sizes[first] < sizes[last]
        sentence = (
            f"The deltas {'vanish' if vanish else 'explode'} from layer {last} to layer {first}, to "
            f"{brief(sizes[first] / sizes[last])} times their size: root mean square {_by_layer(sizes)}."
        )
        nodes = tuple(unit.u for unit in case.units if unit.layer == first)
        yield Finding("vanishing" if vanish else "exploding", sentence, nodes)


def _by_layer(sizes: Mapping[int, float]) -> str:
    parts = [f"{brief(size)} in layer {layer}" for layer, size in sizes.items()]
    if len(parts) > MOST_LAYERS:
        half = MOST_LAYERS // 2
        parts[half:-half] = [f"({len(parts) - 2 * half:,} layers more)"]
    return ", ".join(parts)


# Words.


def _of(some: Sequence[object], every: Sequence[object], what: str) -> str:
    if len(every) == 1:
        return f"the only {what}"
    return (
        f"{len(some):,} of {len(every):,} {what}s"
        if len(some) < len(every)
        else f"all {len(every):,} {what}s"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _are(some: Sequence[object]) -> str:
    return "are" if len(some) > 1 else "is"


def _them(some: Sequence[object]) -> str:
    return "them" if len(some) > 1 else "it"


def _how_often(found: Sequence[Sequence[FoundUnit]]) -> str:
    most = max(map(len, found))
    return " in this one pass (another sample may differ)" if most == 1 else f" in all {most:,} passes"


def _inputs(case: _Case, found: Sequence[Sequence[FoundUnit]]) -> str:
    return case.listed([passes[0].u for passes in found])
