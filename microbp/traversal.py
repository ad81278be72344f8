"""Walks over a recorded graph: its leaves, who consumes whom, its derivatives, names, and units."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from microbp.arguments import described
from microbp.rules import BUILT_IN, Rule, many
from microbp.value import Value, check_value, computed, evaluated

ACTIVATIONS = ("sigmoid", "tanh", "relu", "softplus")


def leaves(*outputs: Value) -> list[Value]:
    """The numbers that were given, not computed, in the order of their birth.

    >>> a, b = Value(1.0, "a"), Value(2.0, "b")
    >>> [leaf.label for leaf in leaves(b * a + a)]
    ['a', 'b']

    Raises TypeError for anything but Values.
    """
    _check_values(outputs, "leaves")
    found = {output for output in outputs if not output.inputs}
    found.update(input for node in computed(*outputs) for input in node.inputs if not input.inputs)
    return sorted(found, key=lambda leaf: leaf.birth)


def topological(*outputs: Value) -> list[Value]:
    """The leaves, then the computed nodes: every node after its inputs."""
    return leaves(*outputs) + computed(*outputs)


def consumers(*outputs: Value) -> dict[Value, list[Value]]:
    """For every node of the graph the nodes computed from it, each once, in the order of their birth.

    >>> a = Value(3.0)
    >>> b = a * a
    >>> c = b + a
    >>> consumers(c)[a] == [b, c], consumers(c)[c]
    (True, [])

    Raises TypeError for anything but Values.
    """
    _check_values(outputs, "consumers")
    found: dict[Value, list[Value]] = {node: [] for node in topological(*outputs)}
    for node in computed(*outputs):
        for input in dict.fromkeys(node.inputs):
            found[input].append(node)
    return found


def _check_values(outputs: Sequence[object], where: str) -> None:
    for output in outputs:
        if isinstance(output, (list, tuple)):
            raise TypeError(
                f"{where}: Values are needed, one by one, not {described(output)}; write {where}(*values)"
            )
        check_value(output, where)


def larger_than(nodes: int, edges: int, *outputs: Value) -> bool:
    """Whether a graph has more nodes or edges than these; no more of it is looked at than that.

    >>> a = Value(3.0)
    >>> larger_than(2, 2, a * a), larger_than(2, 1, a * a)
    (False, True)
    """
    found, seen, count = list(outputs), set(outputs), 0
    for node in found:  # which grows while it is walked
        count += len(node.inputs)
        if len(found) > nodes or count > edges:
            return True
        for input in node.inputs:
            if input not in seen:
                seen.add(input)
                found.append(input)
    return False


def derivatives(output: Value) -> dict[Value, float]:
    """d output / d node for every node of the graph: what `backward` adds, with every `.grad` left as it is.

    Uses the local derivatives of the run that was recorded.

    >>> a = Value(3.0)
    >>> b = a * a
    >>> derivatives(b)[a], a.grad
    (6.0, 0.0)
    """
    found = dict.fromkeys(topological(output), 0.0)
    found[output] = 1.0
    for node in reversed(computed(output)):
        for input, partial in zip(node.inputs, node.partials):
            found[input] += partial * found[node]
    return found


def first_stale(*outputs: Value) -> Value | None:
    """The first node whose value no longer follows from its operands; None where all do.

    Assigning `.data` makes a graph stale; `recompute` mends it.

    >>> a = Value(3.0, "a")
    >>> b = a * a
    >>> first_stale(b) is None
    True
    >>> a.data = 4.0
    >>> first_stale(b) is b
    True
    """
    return next((node for node in computed(*outputs) if not _follows(node)), None)


def _follows(node: Value) -> bool:
    if node.traced:  # it has no number that could be another
        return True
    try:
        data, partials = evaluated(node)
    except (ArithmeticError, ValueError):
        return False
    pairs = zip((data, *partials), (node.data, *node.partials))
    return all(math.isclose(a, b, rel_tol=1e-12) or (a != a and b != b) for a, b in pairs)


def unique_names(*outputs: Value) -> dict[Value, str]:
    """A name for every node of a graph, all different: its label, or v1, v2, ... for nodes without one.

    A label borne by several nodes is numbered, from the outputs on; each name is one printable line.

    >>> a, b = Value(2.0, "a"), Value(3.0, "a")
    >>> list(unique_names(a * b + 1).values())
    ['a', 'a (2)', 'v1', 'v2']
    """
    nodes = topological(*outputs)
    taken = {one_line(node.label) for node in nodes}
    times: Counter[str] = Counter()

    def fresh(name: str) -> str:
        while True:
            times[name] += 1
            found = f"v{times[name]}" if not name else f"{name} ({times[name]})" if times[name] > 1 else name
            if found not in taken or found == name:
                return found

    of_outputs = {output: fresh(one_line(output.label)) for output in dict.fromkeys(outputs) if output.label}
    return {node: of_outputs.get(node) or fresh(one_line(node.label)) for node in nodes}


def one_line(text: str) -> str:
    """A text as one printable line."""
    return text if text.isprintable() else repr(text)[1:-1]


class FoundUnit(NamedTuple):
    """A unit recognised in a graph: its net input u = w1 z1 + w2 z2 + ... + b and its output z.

    `inner` are the nodes that make it up, from products to z; a linear unit has z = u.
    """

    layer: int
    number: int
    u: Value
    z: Value
    weights: tuple[Value, ...]
    inputs: tuple[Value, ...]
    bias: Value | None
    inner: tuple[Value, ...]

    @property
    def activation(self) -> str:
        if self.z is self.u:
            return "linear"
        rule = self.z.rule
        if rule is None or not _is_activation(rule):
            return "custom"
        return rule.name if rule.name in BUILT_IN or self.z.inputs == (self.u,) else "custom"


class _NetInput(NamedTuple):
    weights: tuple[Value, ...]
    inputs: tuple[Value, ...]
    bias: Value | None
    inner: tuple[Value, ...]


def units(*outputs: Value) -> list[FoundUnit]:
    """The units among the nodes of a graph, recognised by their structure, in the order of their birth.

    A unit is a weighted sum of Values and the activation that is its only consumer, whether it
    was built as one `weighted_sum` node or from products and sums.  Without an activation, a
    sum labelled u... is a linear unit, and so is a `weighted_sum` whose weights are leaves, none of
    them a target (as they are in cross-entropy).  In a product of two leaves the weight is the
    one labelled w..., else the first.

    Layer and number come from a label such as u1[2] (layer 1, unit 2), otherwise from the
    unit's depth and its place among the units of that depth.

    >>> w, x, b = Value(0.5, "w"), Value(2.0, "x"), Value(-1.0, "b")
    >>> [unit] = units((w * x + b).tanh())
    >>> unit.activation, unit.weights == (w,), unit.inputs == (x,), unit.bias is b
    ('tanh', True, True, True)

    Raises TypeError for anything but Values.
    """
    _check_values(outputs, "units")
    users = consumers(*outputs)
    found: list[FoundUnit] = []
    layer_of: dict[Value, int] = {}
    count: Counter[int] = Counter()
    for u in computed(*outputs):
        net = _net_input(u, users)
        if net is None:
            continue
        z, between = _activation(u, users)
        if z is u and not _is_linear_unit(u, net):
            continue
        place = re.fullmatch(r"u(\d+)\[(\d+)\]", u.label)
        layer = int(place[1]) if place else 1 + max((layer_of.get(z, 0) for z in net.inputs), default=0)
        count[layer] += 1
        layer_of[z] = layer
        inner = (*net.inner, u, *between)
        found.append(
            FoundUnit(
                layer,
                int(place[2]) if place else count[layer],
                u,
                z,
                net.weights,
                net.inputs,
                net.bias,
                inner,
            )
        )
    return found


def _is_activation(rule: Rule) -> bool:
    """Whether a row is an activation: one of the built-in ones, or a row of your own of a single operand."""
    own = rule.name not in BUILT_IN and len(rule.parameters) == 1 and not many(rule.parameters[0])
    return own or rule.name in ACTIVATIONS


def is_target(node: Value) -> bool:
    """Whether a node is labelled as the losses label what was wanted: t, or t[1], t[2], ..."""
    return not node.inputs and bool(re.fullmatch(r"t(\[\d+\])?", node.label))


def _is_linear_unit(u: Value, net: _NetInput) -> bool:
    if u.rule is None or u.rule.name != "weighted_sum":
        return u.label.startswith("u")
    return not any(weight.inputs or is_target(weight) for weight in net.weights)


def _net_input(u: Value, users: Mapping[Value, list[Value]]) -> _NetInput | None:
    """u read as a weighted sum of Values plus a bias, or None if it is something else."""
    if u.rule is None:
        return None
    if u.rule.name == "weighted_sum":
        weights, inputs, bias = u.rule.group(u.operands)
        return _NetInput(tuple(weights), tuple(inputs), bias if isinstance(bias, Value) else None, ())
    if any(user.rule and user.rule.name == "sum" for user in users[u]):
        return None  # a part of a longer sum
    pairs: list[tuple[Value, Value]] = []
    biases: list[Value] = []
    inner: dict[Value, None] = {}
    terms = [u]
    while terms:
        term = terms.pop()
        name = term.rule.name if term.rule else ""
        whole = name in ("sum", "product") and (term.constant is None or _begins_with_zero(term))
        if term in inner or (term is not u and len(users[term]) > 1):  # it is used twice
            whole = False
        if whole and name == "sum":
            terms.extend(reversed(term.inputs))
        elif whole and name == "product":
            pairs.append(_weight_first(*term.inputs))
        elif term.rule is None:
            biases.append(term)
            continue
        else:
            return None
        if term is not u:
            inner[term] = None
    if not pairs or len(biases) > 1 or any(weight.inputs for weight, _ in pairs):
        return None
    return _NetInput(
        tuple(weight for weight, _ in pairs),
        tuple(input for _, input in pairs),
        biases[0] if biases else None,
        tuple(sorted(inner, key=lambda node: node.birth)),
    )


def _begins_with_zero(term: Value) -> bool:
    """Whether a term is 0 + something, as Python's own sum begins."""
    return term.rule is not None and term.rule.name == "sum" and term.constant == 0


def _weight_first(a: Value, b: Value) -> tuple[Value, Value]:
    if a.inputs or (not b.inputs and b.label.startswith("w") and not a.label.startswith("w")):
        return b, a
    return a, b


def _activation(u: Value, users: Mapping[Value, list[Value]]) -> tuple[Value, tuple[Value, ...]]:
    """The output z of the unit with net input u, and the nodes from u to it."""
    if len(users[u]) == 1:
        [user] = users[u]
        if user.rule and _is_activation(user.rule):
            return user, (user,)
    if re.fullmatch(r"u\d+\[\d+\]", u.label):
        return _labelled_output(u, "z" + u.label[1:], users)
    return u, ()


def _labelled_output(
    u: Value, label: str, users: Mapping[Value, list[Value]]
) -> tuple[Value, tuple[Value, ...]]:
    """The node labelled `label` that is computed from u alone, if an activation takes several operations."""
    reached = [u]
    for node in reached:
        for user in users[node]:
            if user not in reached and all(input in reached for input in user.inputs if input.inputs):
                reached.append(user)
                if user.label == label:
                    return user, tuple(reached[1:])
            if len(reached) > 16:  # this is no longer one unit's activation
                return u, ()
    return u, ()
