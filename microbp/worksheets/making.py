"""`worksheet`: a network and a sample made into a sheet, as they are or as a seeded variant."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from random import Random
from typing import Any

from microbp.arguments import check_count, check_flag, check_function, counted, described, in_order, shown
from microbp.losses import cross_entropy, squared_error
from microbp.nn import ACTIVATIONS, MLP, Layer, Unit, as_inputs
from microbp.traversal import derivatives, one_line
from microbp.value import Value, as_float
from microbp.worksheets import solution
from microbp.worksheets.paper import Exercise
from microbp.worksheets.solution import NamedUnit
from microbp.worksheets.wording import Loss, formulas, loss_form, number

MOST_UNITS, MOST_PARAMETERS = 40, 120  # that fit on paper
MOST_DIGITS = 15  # that a float has
DRAWS = 50  # of a variant, until a gradient reaches the first layer

Network = MLP | Layer | Unit


def worksheet(
    network: Network,
    x: Any,
    target: Any,
    loss: Loss = squared_error,
    blanks: bool = True,
    seed: int | None = None,
    lr: float | None = 0.5,
    digits: int = 4,
) -> Exercise:
    """One forward and one backward pass as a sheet to be filled in by hand.

    The steps are in the order a person computes: u and z of every unit (eq. 1.1), the loss
    (eq. 3.1 for squared errors), delta of every unit from the last layer to the first (eqs. 3.2
    and 4.3 to 4.9), dE/dw_jk = delta_k z_j (eq. 3), and w - lr dE/dw, which lr=None leaves
    out.  The sheet computes with the numbers it shows: weights and inputs are rounded to
    `digits` significant digits.  With a `seed` they are drawn, with few digits, and each
    target is 0 or 1; each seed makes another sheet.  The network is left as it is.

    >>> unit = Unit(1)
    >>> unit.weights[0].data, unit.bias.data = 2.0, -1.0
    >>> sheet = worksheet(unit, [0.5], 1.0)
    >>> sheet.check([0.0, 0.5, 0.25, -1.0, -0.25, -0.125, -0.25, 2.0625, -0.875])
    All 9 steps are right.
    >>> sheet.check({"u1[1]": 0.0, "z1[1]": 0.5, "E": 0.25, "dE/dz1[1]": -1.0, "delta1[1]": -1.0})
    4 of 9 right, 1 wrong, 4 not answered.
    The first wrong step is 5, delta1[1]: -1 was answered.
      delta1[1] = z1[1] * (1 - z1[1]) * dE/dz1[1]
                = 0.5 * (1 - 0.5) * (-1)
                = -0.25
      It looks as if the slope z * (1 - z) was forgotten.
    Not answered: dE/dw1[1,1], dE/db1[1], new w1[1,1], new b1[1]

    Raises TypeError for what is no network, ValueError for one too large for paper (more
    than 40 units or 120 parameters) and for a pass that is not finite.
    """
    if not isinstance(network, (MLP, Layer, Unit)):
        raise TypeError(f"worksheet: an MLP, Layer or Unit is needed, not {described(network)}")
    check_function(loss, "worksheet: the loss is a function, such as squared_error")
    check_count(digits, "worksheet: digits", most=MOST_DIGITS)
    check_flag(blanks, "worksheet: blanks")
    if seed is not None and (type(seed) is not int or seed < 0):
        raise ValueError(f"worksheet: seed is a whole number, at least 0, or None, not {shown(seed)}")
    rate = None if lr is None else as_float(lr, "worksheet: lr")
    _check_size(network)
    network = deepcopy(network)
    inputs = [Value(v.data, v.label) for v in as_inputs(x, len(_layers(network)[0][0].weights), network)]
    targets = _targets(target, loss, len(_layers(network)[-1]))
    title = "Backpropagation by hand"
    if seed is None:
        for value in (*inputs, *network.parameters()):
            value.data = float(number(value.data, digits))
    else:
        targets = _draw(network, inputs, targets, loss, Random(seed))
        title += f", variant {seed}"
    return _sheet(title, network, inputs, targets, loss, rate, digits, blanks)


def _layers(network: Network) -> list[list[Unit]]:
    if isinstance(network, Unit):
        return [[network]]
    return [list(layer) for layer in (network if isinstance(network, MLP) else [network])]


def _check_size(network: Network) -> None:
    n_units, n_parameters = sum(map(len, _layers(network))), len(network.parameters())
    if n_units > MOST_UNITS or n_parameters > MOST_PARAMETERS:
        raise ValueError(
            f"worksheet: {counted(n_units, 'unit')} with {counted(n_parameters, 'parameter')} are too many "
            f"for paper, which has room for {MOST_UNITS} and {MOST_PARAMETERS}; take a smaller network "
            "such as MLP(2, [2, 1]), or see the numbers with deltas(E)"
        )


def _targets(target: Any, loss: Loss, n_outputs: int) -> list[float]:
    """The target of each output; the number of a class becomes 1 for that class and 0 for the others."""
    if in_order(target) and hasattr(target, "__len__"):
        return [as_float(t, f"worksheet: target {k}") for k, t in enumerate(target, start=1)]
    t = as_float(target, "worksheet: the target")
    if loss is not cross_entropy:
        return [t]
    if t not in range(n_outputs):
        raise IndexError(f"worksheet: the target is a class from 0 to {n_outputs - 1}, not {t:g}")
    return [float(k == t) for k in range(n_outputs)]


def _draw(
    network: Network, inputs: Sequence[Value], targets: list[float], loss: Loss, random: Random
) -> list[float]:
    """Give the leaves numbers that are easy to compute with; return targets of the same kind."""
    for _ in range(DRAWS):
        for parameter in network.parameters():
            parameter.data = random.choice([-1, 1]) * random.randint(1, 9) / 10
        for value in inputs:
            value.data = random.randint(1, 8) / 4
        if loss is cross_entropy:
            right = random.randrange(len(targets))
            targets = [float(k == right) for k in range(len(targets))]
        else:
            targets = [float(random.randint(0, 1)) for _ in targets]
        gradients = derivatives(_record(network, inputs, targets, loss))
        if any(gradients.get(unit.u) for unit in _layers(network)[0]):  # it reached the first layer
            break
    return targets


def _record(network: Network, inputs: Sequence[Value], targets: Sequence[float], loss: Loss) -> Value:
    """The loss of a pass through the network."""
    outputs = network.forward(inputs)
    return _loss_of(loss, targets)([outputs] if isinstance(outputs, Value) else outputs)


def _loss_of(loss: Loss, targets: Sequence[float]) -> Callable[[Sequence[Value]], Value]:
    """The loss as a function of the outputs."""

    def record(ys: Sequence[Value]) -> Value:
        one = len(ys) == len(targets) == 1 and loss is not cross_entropy
        E = loss(ys[0], targets[0]) if one else loss(list(ys), list(targets))
        if not isinstance(E, Value):
            raise TypeError(f"worksheet: the loss must return a Value, not {described(E)}")
        return E

    return record


def _sheet(
    title: str,
    network: Network,
    inputs: Sequence[Value],
    targets: Sequence[float],
    loss: Loss,
    lr: float | None,
    digits: int,
    blanks: bool,
) -> Exercise:
    E = _record(network, inputs, targets, loss)
    leaves, layers = _named(network, inputs)
    parameters = [leaves[p] for p in dict.fromkeys(network.parameters())]
    target_names = _target_names(len(targets), leaves.values())
    numbers = {name: leaf.data for leaf, name in leaves.items()} | dict(zip(target_names, targets))
    given = [("Inputs", list(layers[0][0].inputs))]
    for l, layer in enumerate(layers, start=1):
        for k, unit in enumerate(layer, start=1):
            given.append((f"Layer {l}, unit {k}", [*unit.weights, *([unit.bias] if unit.bias else [])]))
    given.append(("Target", target_names))
    form = loss_form(loss)
    found = [
        *solution.forward(layers),
        *solution.loss(layers[-1], target_names, form, _loss_of(loss, targets)),
        *solution.backward(layers),
        *solution.gradients(layers),
    ]
    if lr is not None:
        given.append(("Learning rate", ["lr"]))
        numbers["lr"] = lr
        found += solution.update(parameters)
    numbers |= _answers(E, network, layers, leaves, lr)
    for step in found:
        if not math.isfinite(numbers[step.name]):
            raise ValueError(
                f"worksheet: {step.name} is {numbers[step.name]}; a sheet needs finite numbers throughout"
            )
    kinds = dict.fromkeys(unit.kind for layer in layers for unit in layer)
    bias = any(unit.bias for layer in layers for unit in layer)
    head = formulas(kinds, bias, len(layers) > 1, form, lr is not None)
    stated = [(what, {name: numbers[name] for name in names}) for what, names in given]
    return Exercise(title, stated, head, found, numbers, layers, target_names, digits, blanks)


def _answers(
    E: Value,
    network: Network,
    layers: Sequence[Sequence[NamedUnit]],
    leaves: dict[Value, str],
    lr: float | None,
) -> dict[str, float]:
    """The number of every step, from the recorded graph and its derivatives."""
    gradients = derivatives(E)
    answers = {"E": E.data}
    for layer, called in zip(_layers(network), layers):
        for unit, names in zip(layer, called):
            answers |= {names.u: unit.u.data, names.z: unit.z.data}
            answers[names.delta] = gradients.get(unit.u, 0.0)
            answers[f"dE/d{names.z}"] = gradients.get(unit.z, 0.0)
    for parameter in network.parameters():
        name, gradient = leaves[parameter], gradients.get(parameter, 0.0)
        answers[f"dE/d{name}"] = gradient
        answers[f"new {name}"] = parameter.data - (lr or 0.0) * gradient
    return answers


def _named(network: Network, inputs: Sequence[Value]) -> tuple[dict[Value, str], list[list[NamedUnit]]]:
    """Names for leaves and units, all different; those of the sheet's own come first."""
    layers = _layers(network)
    places = [[f"{l}[{k}]" for k, _ in enumerate(layer, start=1)] for l, layer in enumerate(layers, start=1)]
    taken = {"E", "t", "lr"} | {
        f"{letter}{p}" for row in places for p in row for letter in ("u", "z", "delta")
    }
    leaves: dict[Value, str] = {}
    for value in (*inputs, *network.parameters()):
        if value not in leaves:
            label = one_line(value.label) or "w"
            of_a_step = label.startswith(("dE/d", "new "))
            leaves[value] = _fresh(f"'{label}'" if of_a_step else label, taken)
    before = [leaves[v] for v in inputs]
    named = []
    for layer, row in zip(layers, places):
        named.append([_named_unit(unit, place, before, leaves) for unit, place in zip(layer, row)])
        before = [unit.z for unit in named[-1]]
    return leaves, named


def _named_unit(unit: Unit, place: str, inputs: Sequence[str], leaves: dict[Value, str]) -> NamedUnit:
    kind = unit.activation if isinstance(unit.activation, str) else "f"
    return NamedUnit(
        kind,
        unit.activation if callable(unit.activation) else ACTIVATIONS[kind],
        f"u{place}",
        f"z{place}",
        f"delta{place}",
        tuple(leaves[w] for w in unit.weights),
        tuple(inputs),
        leaves[unit.bias] if unit.bias is not None else None,
    )


def _target_names(n: int, names: Iterable[str]) -> list[str]:
    taken = set(names)
    return [_fresh(name, taken) for name in (["t"] if n == 1 else [f"t[{k}]" for k in range(1, n + 1)])]


def _fresh(name: str, taken: set[str]) -> str:
    """The name, numbered if it is taken."""
    again, count = name, 1
    while again in taken:
        count += 1
        again = f"{name} ({count})"
    taken.add(again)
    return again
