"""The steps of a forward and a backward pass by hand: how each number is found, and how people go wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from microbp.nn import ACTIVATIONS
from microbp.passes import as_factor
from microbp.rules import RULES
from microbp.traversal import derivatives
from microbp.value import Value
from microbp.worksheets.wording import LossForm, slope_of

Numbers = Mapping[str, float]  # by their names on the sheet
Say = Callable[[str], str]  # how what a name stands for is written in a formula
Find = Callable[[Numbers], float]

FORWARD, LOSS, BACKWARD, GRADIENTS, UPDATE = "Forward", "The loss", "Backward", "Gradients", "New weights"


@dataclass(frozen=True)
class Slip:
    """A common mistake, and the number that it leads to."""

    text: str
    find: Find


@dataclass(frozen=True)
class Step:
    """One number to be found, from the numbers before it.

    `write` is the formula, given how names are to be written; `terms` are what the formula
    adds up.
    """

    name: str
    part: str
    write: Callable[[Say], str]
    terms: Callable[[Numbers], list[float]]
    slips: tuple[Slip, ...] = ()


@dataclass(frozen=True)
class NamedUnit:
    """A unit by the names of its numbers.

    `kind` is its activation's name, "f" for a function of the user's own.
    """

    kind: str
    activate: Callable[[Value], Value]
    u: str
    z: str
    delta: str
    weights: tuple[str, ...]
    inputs: tuple[str, ...]
    bias: str | None

    def slope(self, known: Numbers) -> float:
        """dz/du, from the u and the z that are known."""
        u, z = known[self.u], known[self.z]
        if self.kind in RULES:
            _, slopes = RULES[self.kind].on_floats
            return slopes(z, u)[0]
        leaf = Value(u)
        return derivatives(self.activate(leaf))[leaf]

    def write_slope(self, say: Say) -> str:
        """dz/du as a factor of a product."""
        text, letters = slope_of(self.kind, say(self.u), say(self.z)), slope_of(self.kind, "u", "z")
        alone = self.kind not in RULES or as_factor(letters) == letters
        return text if alone else f"({text})"


@dataclass(frozen=True)
class Sum:
    """A sum of products, each of one or several named numbers."""

    products: tuple[tuple[str, ...], ...]

    def write(self, say: Say) -> str:
        return " + ".join(" * ".join(map(say, names)) for names in self.products)

    def terms(self, known: Numbers) -> list[float]:
        return [math.prod((known[name] for name in names), start=1.0) for names in self.products]

    def total(self, known: Numbers) -> float:
        return sum(self.terms(known))

    def without(self, n: int) -> Sum:
        return Sum(self.products[:n] + self.products[n + 1 :])


def forward(layers: Sequence[Sequence[NamedUnit]]) -> list[Step]:
    """u (eq. 1.1) and z of every unit."""
    net_inputs = _net_inputs(layers)
    return [
        step for layer in layers for unit in layer for step in (_net_input(unit, net_inputs), _output(unit))
    ]


def _net_inputs(layers: Sequence[Sequence[NamedUnit]]) -> dict[str, str]:
    """The name of u, by the name of the z it gives."""
    return {unit.z: unit.u for layer in layers for unit in layer}


def _net_input(unit: NamedUnit, net_inputs: Mapping[str, str]) -> Step:
    bias = ((unit.bias,),) if unit.bias else ()
    u = Sum((*zip(unit.weights, unit.inputs), *bias))
    slips = [
        Slip(f"{w} * {z} was left out", u.without(n).total)
        for n, (w, z) in enumerate(zip(unit.weights, unit.inputs))
    ]
    if bias:
        slips.insert(0, Slip("the bias was forgotten", u.without(len(unit.weights)).total))
    if net_inputs.keys() & set(unit.inputs):
        instead = [net_inputs.get(z, z) for z in unit.inputs]
        mixed = Sum((*zip(unit.weights, instead), *bias))
        slips.append(Slip("u was used for z of the units before", mixed.total))
    return Step(unit.u, FORWARD, u.write, u.terms, tuple(slips))


def _output(unit: NamedUnit) -> Step:
    def instead(activate: Callable[[Value], Value]) -> Find:
        return lambda known: activate(Value(known[unit.u])).data

    slips = [Slip("u was taken for z: the activation is missing", lambda known: known[unit.u])]
    slips += [
        Slip(f"{name} was used", instead(activate))
        for name, activate in ACTIVATIONS.items()
        if name not in (unit.kind, "linear")
    ]
    return Step(
        unit.z,
        FORWARD,
        lambda say: say(unit.u) if unit.kind == "linear" else f"{unit.kind}({say(unit.u)})",
        lambda known: [instead(unit.activate)(known)],
        tuple(slips),
    )


def loss(
    outputs: Sequence[NamedUnit],
    targets: Sequence[str],
    form: LossForm,
    record: Callable[[Sequence[Value]], Value],
) -> list[Step]:
    """E, and dE/dz of every output unit; `record` gives E for the outputs."""
    names = [unit.z for unit in outputs]

    def run(known: Numbers) -> tuple[Value, list[Value]]:
        ys = [Value(known[name]) for name in names]
        return record(ys), ys

    def slope(k: int) -> Find:
        def find(known: Numbers) -> float:
            E, ys = run(known)
            return derivatives(E).get(ys[k], 0.0)

        return find

    def write_slope(k: int) -> Callable[[Say], str]:
        return lambda say: form.write_slope(k, [*map(say, names)], [*map(say, targets)])

    E = Step(
        "E",
        LOSS,
        lambda say: form.write([*map(say, names)], [*map(say, targets)]),
        lambda known: [run(known)[0].data],
        _loss_slips(lambda known: run(known)[0].data, len(names)),
    )
    return [E, *(_one(f"dE/d{z}", LOSS, write_slope(k), slope(k), _TWICE) for k, z in enumerate(names))]


_TWICE = {"the factor 2 is missing": 0.5, "there is a factor 2 too many": 2.0}


def _loss_slips(E: Find, n_outputs: int) -> tuple[Slip, ...]:
    factors = {"this is twice the loss": 2.0, "this is half the loss": 0.5}
    if n_outputs > 2:
        factors |= {
            "the sum was taken for the mean": n_outputs,
            "the mean was taken for the sum": 1 / n_outputs,
        }
    return _multiples(E, factors)


def _multiples(find: Find, factors: Mapping[str, float]) -> tuple[Slip, ...]:
    def times(factor: float) -> Find:
        return lambda known: factor * find(known)

    return tuple(Slip(text, times(factor)) for text, factor in factors.items())


def _one(name: str, part: str, write: Callable[[Say], str], find: Find, factors: Mapping[str, float]) -> Step:
    """A step of one term, with multiples of it as slips."""
    return Step(name, part, write, lambda known: [find(known)], _multiples(find, factors))


def backward(layers: Sequence[Sequence[NamedUnit]]) -> list[Step]:
    """delta of the output units (eq. 3.2), then layer by layer of those that feed them (eqs. 4.3 to 4.9)."""
    steps = [_delta(unit, Sum(((f"dE/d{unit.z}",),)), []) for unit in layers[-1]]
    for layer, after in reversed(list(pairwise(layers))):
        for j, unit in enumerate(layer):
            sent = Sum(tuple((fed.delta, fed.weights[j]) for fed in after))
            steps.append(_delta(unit, sent, _wrong_weights(after, j)))
    return steps


def _wrong_weights(after: Sequence[NamedUnit], j: int) -> list[Sum]:
    """The sums of deltas times weights with a wrong index: from row to column, or from another unit."""
    others = [i for i in range(len(after[0].weights)) if i != j]
    wrong = [Sum(tuple((fed.delta, fed.weights[i]) for fed in after)) for i in others]
    if len(after) == len(after[0].weights):
        wrong.insert(0, Sum(tuple((fed.delta, w) for fed, w in zip(after, after[j].weights))))
    return wrong


def _delta(unit: NamedUnit, sent: Sum, wrong: Iterable[Sum]) -> Step:
    def times_slope(total: Sum) -> Find:
        return lambda known: unit.slope(known) * total.total(known)

    def write(say: Say) -> str:
        arriving = sent.write(say) if len(sent.products[0]) == 1 else f"({sent.write(say)})"
        if unit.kind == "linear":
            return arriving
        return f"{unit.write_slope(say)} * {arriving}"

    slope = slope_of(unit.kind, "u", "z")
    slips = [Slip(f"the slope {slope} was forgotten", sent.total)]
    if unit.kind in ("sigmoid", "tanh"):
        slips.append(
            Slip(
                "u was used for z in the slope",
                lambda known: unit.slope({**known, unit.z: known[unit.u]}) * sent.total(known),
            )
        )
    if len(sent.products) > 1:
        slips += [
            Slip(f"{delta} * {w} was left out of the sum", times_slope(sent.without(n)))
            for n, (delta, w) in enumerate(sent.products)
        ]
    slips += [Slip("the weights of the sum have the wrong index", times_slope(other)) for other in wrong]
    return Step(
        unit.delta,
        BACKWARD,
        write,
        lambda known: [unit.slope(known) * term for term in sent.terms(known)],
        tuple(slips),
    )


def gradients(layers: Sequence[Sequence[NamedUnit]]) -> list[Step]:
    """dE/dw_jk = delta_k z_j (eqs. 2.6, 3) and dE/db_k = delta_k; a shared weight has a sum of them."""
    uses: dict[str, list[tuple[str, ...]]] = {}
    slips: dict[str, list[Slip]] = {}
    net_inputs = _net_inputs(layers)
    for layer in layers:
        for unit in layer:
            for w, z in zip(unit.weights, unit.inputs):
                uses.setdefault(w, []).append((unit.delta, z))
                slips[w] = _product_slips(unit, z, layer, net_inputs)
            if unit.bias:
                uses.setdefault(unit.bias, []).append((unit.delta,))
    steps = []
    for w, products in uses.items():
        total = Sum(tuple(products))
        known_slips = slips.get(w, []) if len(products) == 1 else []
        steps.append(Step(f"dE/d{w}", GRADIENTS, total.write, total.terms, tuple(known_slips)))
    return steps


def _product_slips(
    unit: NamedUnit, z: str, layer: Sequence[NamedUnit], net_inputs: Mapping[str, str]
) -> list[Slip]:
    slips = [Slip(f"{z} is missing", Sum(((unit.delta,),)).total)]
    if u := net_inputs.get(z):
        slips.append(Slip(f"{u} was used for {z}", Sum(((unit.delta, u),)).total))
    wrong = [(unit.delta, other) for other in unit.inputs if other != z]
    wrong += [(other.delta, z) for other in layer if other is not unit]
    return slips + [Slip(f"the index is wrong: this is {a} * {b}", Sum(((a, b),)).total) for a, b in wrong]


def update(parameters: Iterable[str]) -> list[Step]:
    """w - lr dE/dw of every parameter."""
    return [_new_weight(w, Sum((("lr", f"dE/d{w}"),))) for w in parameters]


def _new_weight(w: str, change: Sum) -> Step:
    return Step(
        f"new {w}",
        UPDATE,
        lambda say: f"{say(w)} - {change.write(say)}",
        lambda known: [known[w], -change.total(known)],
        (
            Slip("the step was taken uphill: it is subtracted", lambda known: known[w] + change.total(known)),
            Slip("the learning rate was forgotten", lambda known: known[w] - known[f"dE/d{w}"]),
            Slip("this is the step alone", change.total),
            Slip("this is the step alone", lambda known: -change.total(known)),
        ),
    )
