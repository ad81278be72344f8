"""Derivatives of recorded graphs: as Values that can be differentiated again, and as plain numbers.

The chain rule is the same in all of them.  Backwards, a node's gradient is the sum over its
consumers of local derivative times gradient; forwards, a node's tangent is the sum over its
inputs of local derivative times tangent.  As Values the local derivatives are the table's rows
read with the nodes themselves, so that the sum is a graph of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import repeat
from typing import Any

from microbp import functions
from microbp.arguments import described, shown
from microbp.functions import VALUES, net_input
from microbp.rules import Rule
from microbp.structures import Structure, entries, flat, like
from microbp.traversal import first_stale
from microbp.value import Value, computed, name_of, next_birth

Term = Value | float  # a plain number, 0 or 1 above all, is multiplied out and makes no node


def gradients(output: Value, inputs: Structure) -> Structure:
    """d output / d input for each of `inputs`, as Values that can be differentiated again.

    `inputs` is a Value of the graph, leaf or computed, or lists, tuples or dicts of Values; the
    result has the same form.  The derivative by a Value that the output was not computed from
    is 0.  No `.grad` and nothing else of the graph is touched.

    >>> x = Value(3.0, "x")
    >>> y = x**4
    >>> dy = gradients(y, x)
    >>> ddy = gradients(dy, x)
    >>> dy.data, ddy.data, x.grad
    (108.0, 108.0, 0.0)

    Raises TypeError for what are no Values; ValueError for a graph that is stale, as some
    `.data` was assigned after it was computed.
    """
    if not isinstance(output, Value):
        raise TypeError(f"gradients: the output is a Value, not {described(output)}")
    for entry in entries(inputs):
        if not isinstance(entry.content, Value):
            raise TypeError(
                f"gradients: {entry.under('inputs')} is {shown(entry.content)}; derivatives are taken by "
                "Values of the graph"
            )
    check_fresh("gradients", output)
    start = next_birth()
    given: list[Value] = flat(inputs)
    found = pull_back([output], [1], given)
    return like(inputs, owned(found, start, [_label(output, each) for each in given]))


def check_fresh(where: str, *outputs: Value) -> None:
    """Raise ValueError, naming the node, if some value no longer follows from what it was computed from."""
    stale = first_stale(*outputs)
    if stale is not None:
        raise ValueError(
            f"{where}: {name_of(stale)!r} no longer follows from what it was computed from, as some .data "
            "was assigned since; run the graph again with recompute() first"
        )


def _label(output: Value, input: Value) -> str:
    if not (output.label and input.label):
        return ""
    of = f"({output.label})" if "/" in output.label else output.label
    return f"d{of}/d{input.label}"


def owned(terms: Sequence[Term], start: int, labels: Iterable[str] = repeat("")) -> list[Value]:
    """The terms as nodes that are nobody else's, nor each other's, so that they can bear labels."""
    times = Counter(terms)
    found = []
    for term, label in zip(terms, labels):
        if not isinstance(term, Value):
            node = Value(term)
        else:
            node = term if term.birth > start and times[term] == 1 else functions.sum([term])
        node.label = label
        found.append(node)
    return found


# As Values.


def pull_back(outputs: Sequence[Value], seeds: Sequence[Term], inputs: Sequence[Value]) -> list[Term]:
    """Reverse mode: the derivative by each of `inputs` of the sum of seeds times outputs."""
    order = computed(*outputs)
    needed = dependent(order, inputs)
    arrived: dict[Value, list[tuple[Term, Term]]] = {}
    for output, seed in zip(outputs, seeds):
        arrived.setdefault(output, []).append((seed, 1))
    for node in reversed(order):
        if node in needed and node in arrived:
            gradient = _total(arrived[node])
            arrived[node] = [(gradient, 1)]
            if isinstance(gradient, Value) or gradient != 0:
                for input, slope in _slopes(node, needed):
                    arrived.setdefault(input, []).append((slope, gradient))
    return [_total(arrived.get(input, [])) for input in inputs]


def push_forward(inputs: Sequence[Value], tangents: Sequence[Term], outputs: Sequence[Value]) -> list[Term]:
    """Forward mode: how fast each of `outputs` changes where `inputs` change as `tangents` says."""
    found = dict(zip(inputs, tangents))
    order = computed(*outputs)
    needed = dependent(order, inputs)
    for node in order:
        if node in needed and node not in found:
            found[node] = _total((slope, found[input]) for input, slope in _slopes(node, needed))
    return [found.get(output, 0) for output in outputs]


def dependent(order: Iterable[Value], inputs: Iterable[Value]) -> set[Value]:
    """The nodes that change with `inputs`, themselves included; `order` has each node after its inputs."""
    found = set(inputs)
    for node in order:
        if not found.isdisjoint(node.inputs):
            found.add(node)
    return found


def _slopes(node: Value, along: set[Value]) -> list[tuple[Value, Term]]:
    """The local derivatives of a node along those inputs, as Values; plain zeros left out."""
    assert node.rule is not None
    groups = node.rule.group(node.operands)
    inputs = iter(node.inputs)
    found: list[tuple[Value, Term]] = []
    for slopes_of, places in _slopes_of(node.rule, len(node.inputs)):
        chosen = [(input, i) for i, input in zip(places, inputs) if input in along]
        if not chosen or slopes_of is None:
            continue
        try:
            slopes = slopes_of(node, [i for _, i in chosen], *groups)
        except (ArithmeticError, ValueError) as error:
            raise type(error)(
                f"the slope of {name_of(node)!r} has no value that could be differentiated again: {error}"
            ) from None
        found += [(input, s) for (input, _), s in zip(chosen, slopes) if isinstance(s, Value) or s != 0]
    return found


@cache
def _slopes_of(rule: Rule, n_inputs: int) -> list[tuple[Callable[..., list[Term]] | None, range]]:
    """For each parameter of a row its local derivatives, and the places there of a node's inputs.

    The index of a pick has none; while a program is compiled it may be a Value.  A plain number that
    is held last stands behind all inputs.
    """
    n_operands = n_inputs + (rule.place is not None)
    found = []
    for name, group in zip(rule.parameters, rule.group(range(n_operands))):
        numbers = group if isinstance(group, list) else [group]
        held_first = rule.place == 0 and numbers[0] == 0
        found.append((rule.read_slopes(name, VALUES), range(int(held_first), len(numbers))))
    return found


def _total(terms: Iterable[tuple[Term, Term]]) -> Term:
    """The sum of the products of terms: those of two Values become one weighted sum, as a net input is."""
    number: Any = 0
    weights, weighted, single = [], [], []
    for a, b in terms:
        if isinstance(a, Value) and isinstance(b, Value):
            weights.append(a)
            weighted.append(b)
        elif not isinstance(a, Value) and not isinstance(b, Value):
            number += a * b
        elif (isinstance(a, Value) or a) and (isinstance(b, Value) or b):
            single.append(_times(a, b))
    if len(weights) == 1:
        single.append(weights[0] * weighted[0])
    elif weights:
        single.append(net_input(weights, weighted, None))
    if not single:
        return number  # type: ignore[no-any-return]
    total = single[0] if len(single) == 1 else functions.sum(single)
    return total + number if number else total


def _times(a: Any, b: Any) -> Value:
    """The product of a Value and a plain number."""
    value, number = (a, b) if isinstance(a, Value) else (b, a)
    if number == 1:
        return value
    return -value if number == -1 else number * value


# As plain numbers.


class Linearised:
    """The local derivatives of a recorded graph between inputs and outputs, to be walked many times.

    `order` has the nodes of the graph, each after its inputs.  Those that change with `inputs` are
    numbered, the inputs first.  What does not change, or is not reached, is None while walking: it
    adds nothing, not even its product with an infinite local derivative.
    """

    def __init__(self, inputs: Sequence[Value], outputs: Sequence[Value], order: Iterable[Value]) -> None:
        place = {node: k for k, node in enumerate(inputs)}
        edges: list[list[tuple[int, float]]] = [[] for _ in inputs]
        for node in order:
            found = [(place[i], partial) for i, partial in zip(node.inputs, node.partials) if i in place]
            if found:
                place[node] = len(edges)
                edges.append(found)
        self._n_inputs = len(inputs)
        self._edges = edges
        self._outputs = [place.get(output) for output in outputs]

    def pull_back(self, seeds: Sequence[float]) -> list[float]:
        """Reverse mode: the derivative by each input of the sum of seeds times outputs."""
        found: list[float | None] = [None] * len(self._edges)
        last = -1
        for place, seed in zip(self._outputs, seeds):
            if place is not None and seed:
                found[place] = seed + (found[place] or 0.0)
                last = max(last, place)
        for place in range(last, self._n_inputs - 1, -1):
            gradient = found[place]
            if gradient is not None:
                for input, partial in self._edges[place]:
                    before, term = found[input], partial * gradient
                    found[input] = term if before is None else before + term
        return [0.0 if gradient is None else gradient + 0.0 for gradient in found[: self._n_inputs]]

    def push_forward(self, tangents: Sequence[float]) -> list[float]:
        """Forward mode: how fast each output changes where the inputs change as `tangents` says."""
        found: list[float | None] = [tangent or None for tangent in tangents]
        for edges in self._edges[self._n_inputs :]:
            total: float | None = None
            for input, partial in edges:
                tangent = found[input]
                if tangent is not None:
                    total = partial * tangent + (total or 0.0)
            found.append(total)
        return [0.0 if place is None else (found[place] or 0.0) for place in self._outputs]

    def jacobian(self) -> list[list[float]]:
        """A row for each output, of its derivatives by each input; by the mode that needs fewer walks."""
        n, m = self._n_inputs, len(self._outputs)
        if m <= n:
            return [self.pull_back(_unit_vector(m, k)) for k in range(m)]
        columns = [self.push_forward(_unit_vector(n, k)) for k in range(n)]
        return [[column[k] for column in columns] for k in range(m)]


def _unit_vector(n: int, place: int) -> list[float]:
    vector = [0.0] * n
    vector[place] = 1.0
    return vector
