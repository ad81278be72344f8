"""Units, layers and networks of them.

Indices run from unit to unit, as in the post: w1[j,k] leads from unit j of the layer before
to unit k of layer 1.  Labels count from 1, Python from 0: `network[0][1].weights[2]` is w1[3,2].
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from random import Random
from typing import Any

from microbp import functions
from microbp.arguments import check_count, check_flag, check_function, counted, described, in_order, shown
from microbp.functions import net_input
from microbp.value import Value, as_value, is_real

Activation = str | Callable[[Value], Value]

MOST_WEIGHTS = 10_000_000  # of a layer: each is a Value

ACTIVATIONS: dict[str, Callable[[Value], Value]] = {
    "sigmoid": Value.sigmoid,
    "tanh": Value.tanh,
    "relu": Value.relu,
    "linear": lambda u: u,
}


class Unit:
    """One unit: the input u = w1 z1 + w2 z2 + ... + b (eq. 1.1) and the output z = activation(u).

    `activation` is "sigmoid", "tanh", "relu", "linear" or any function of a Value.  `expanded`
    builds u from single products and a sum instead of one weighted-sum node.  `layer` and
    `number` are what its labels count.  Weights are drawn as `Layer` says, biases are 0.

    After a pass `u` and `z` are the unit's input and output, and after a backward pass `delta`
    is dE/du (eq. 2).

    >>> unit = Unit(2, seed=1)
    >>> unit.weights[0].data, unit.weights[1].data, unit.bias.data = 0.5, -0.5, 0.1
    >>> z = unit([1.0, 2.0])
    >>> z.backward()
    >>> f"{unit.u:.4f} {unit.z:.4f} {unit.delta:.4f}"
    '-0.4000 0.4013 0.2403'
    """

    def __init__(
        self,
        n_inputs: int,
        activation: Activation = "sigmoid",
        bias: bool = True,
        expanded: bool = False,
        seed: int | Random | None = None,
        *,
        layer: int = 1,
        number: int = 1,
        n_units: int = 1,
    ) -> None:
        _check_sizes(n_inputs, n_units, "Unit")
        check_flag(bias, "bias")
        check_flag(expanded, "expanded")
        draw = _initialiser(activation, n_inputs, n_units, as_random(seed))
        self.activation = activation
        self.expanded = expanded
        self.layer = layer
        self.number = number
        self.weights = [Value(draw(), f"w{layer}[{j},{number}]") for j in range(1, n_inputs + 1)]
        self.bias = Value(0.0, f"b{layer}[{number}]") if bias else None
        self._activate = _activation(activation)
        self._u_label, self._z_label = f"u{layer}[{number}]", f"z{layer}[{number}]"
        self._pass: tuple[Value, Value] | None = None

    def __call__(self, x: Any) -> Value:
        return self.forward(as_inputs(x, len(self.weights), self))

    def forward(self, inputs: Sequence[Value]) -> Value:
        """The output z for `inputs` that are Values already, one for each weight."""
        if len(inputs) != len(self.weights):
            raise _wrong_length(self, inputs, len(self.weights))
        if self.expanded:
            products = [weight * input for weight, input in zip(self.weights, inputs)]
            terms = products if self.bias is None else [*products, self.bias]
            u = functions.sum(terms) if len(terms) > 1 else terms[0]
        else:
            u = net_input(self.weights, inputs, self.bias)
        z = self._activate(u)
        if z.__class__ is not Value and not isinstance(z, Value):
            raise TypeError(
                f"the activation of {self!r} returned {described(z)}; "
                "it must be made of the operations of Values, and return a Value"
            )
        z.label = self._z_label
        u.label = self._u_label  # last, for a linear unit, whose z is its u
        if not z.traced:
            self._pass = u, z
        return z

    @property
    def u(self) -> Value:
        """The unit's input in the last pass (eq. 1.1)."""
        return self._last_pass()[0]

    @property
    def z(self) -> Value:
        """The unit's output in the last pass."""
        return self._last_pass()[1]

    @property
    def delta(self) -> float:
        """dE/du, E being what was last differentiated (eq. 2)."""
        return self.u.grad

    def parameters(self) -> list[Value]:
        """The weights, then the bias."""
        return self.weights if self.bias is None else [*self.weights, self.bias]

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to zero."""
        for parameter in self.parameters():
            parameter.grad = 0.0

    def _last_pass(self) -> tuple[Value, Value]:
        if self._pass is None:
            raise RuntimeError(
                f"unit {self.number} of layer {self.layer} has no u, z and delta before its first pass; "
                "give the network an input first, as in network(x)"
            )
        return self._pass

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pass": None, "_activate": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _activate=_activation(state["activation"]))

    def __repr__(self) -> str:
        return f"Unit({len(self.weights)} -> 1 {_activation_name(self.activation)}; {_count(self)})"


class Layer:
    """Units side by side, each seeing all inputs.

    Weights are drawn by `seed`: uniformly within sqrt(6 / (inputs + units)) for tanh, linear and
    functions of your own (Glorot and Bengio 2010), four times that for sigmoid, and normally
    with standard deviation sqrt(2 / inputs) for relu (He and others 2015).

    >>> layer = Layer(3, 2, activation="tanh", seed=1)
    >>> layer
    Layer(3 -> 2 tanh; 8 parameters)
    >>> [z.label for z in layer([0.1, 0.2, 0.3])]
    ['z1[1]', 'z1[2]']
    """

    def __init__(
        self,
        n_inputs: int,
        n_units: int,
        activation: Activation = "sigmoid",
        bias: bool = True,
        expanded: bool = False,
        seed: int | Random | None = None,
        *,
        number: int = 1,
    ) -> None:
        _check_sizes(n_inputs, n_units, "Layer")
        random = as_random(seed)
        self.activation = activation
        self.units = [
            Unit(n_inputs, activation, bias, expanded, random, layer=number, number=k, n_units=n_units)
            for k in range(1, n_units + 1)
        ]

    def __call__(self, x: Any) -> list[Value]:
        return self.forward(as_inputs(x, len(self[0].weights), self))

    def forward(self, inputs: Sequence[Value]) -> list[Value]:
        """The outputs for `inputs` that are Values already."""
        return [unit.forward(inputs) for unit in self.units]

    def parameters(self) -> list[Value]:
        """Unit by unit, the weights, then the bias."""
        return [parameter for unit in self.units for parameter in unit.parameters()]

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to zero."""
        for unit in self.units:
            unit.zero_grad()

    def __iter__(self) -> Iterator[Unit]:
        return iter(self.units)

    def __len__(self) -> int:
        return len(self.units)

    def __getitem__(self, k: int) -> Unit:
        try:
            return self.units[k]
        except IndexError:
            raise _not_there(self, "unit", k) from None

    def __repr__(self) -> str:
        return f"Layer({len(self[0].weights)} -> {_describe(self)}; {_count(self)})"


class MLP:
    """A network of layers, each seeing the outputs of the one before.

    `sizes` are the numbers of units, layer by layer, the last being the outputs.  The output
    layer has `output_activation`, or the same activation as the others.

    `network(x)` takes a list, tuple or one-dimensional array of `n_inputs` numbers or Values
    (or one number for one input) and returns a Value, or a list of them for several outputs.

    >>> network = MLP(2, [4, 1], seed=1)
    >>> network
    MLP(2 -> 4 sigmoid -> 1 sigmoid; 17 parameters)
    >>> network([0.0, 1.0]).label, network[0][1].weights[1].label
    ('z2[1]', 'w1[2,2]')

    Raises TypeError or ValueError for sizes that are not positive whole numbers, an unknown
    activation, or an input of another length.
    """

    def __init__(
        self,
        n_inputs: int,
        sizes: Sequence[int],
        activation: Activation = "sigmoid",
        output_activation: Activation | None = None,
        bias: bool = True,
        expanded: bool = False,
        seed: int | Random | None = None,
    ) -> None:
        if not isinstance(sizes, Sequence) or isinstance(sizes, (str, bytes)) or not sizes:
            raise TypeError(f"MLP: the sizes of the layers are a list such as [4, 1], not {described(sizes)}")
        for l, (before, size) in enumerate(zip([n_inputs, *sizes], sizes), start=1):
            _check_sizes(before, size, f"MLP: layer {l}")
        random = as_random(seed)
        last = activation if output_activation is None else output_activation
        self.layers = [
            Layer(before, size, last if l == len(sizes) else activation, bias, expanded, random, number=l)
            for l, (before, size) in enumerate(zip([n_inputs, *sizes], sizes), start=1)
        ]

    def __call__(self, x: Any) -> Any:
        outputs = self.forward(as_inputs(x, self.n_inputs, self))
        return outputs[0] if len(outputs) == 1 else outputs

    def forward(self, inputs: Sequence[Value]) -> list[Value]:
        """The outputs, always as a list, for `inputs` that are Values already."""
        values = list(inputs)
        for layer in self.layers:
            values = layer.forward(values)
        return values

    @property
    def n_inputs(self) -> int:
        return len(self[0][0].weights)

    def parameters(self) -> list[Value]:
        """Layer by layer and unit by unit, the weights, then the bias."""
        return [parameter for layer in self.layers for parameter in layer.parameters()]

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to zero."""
        for layer in self.layers:
            layer.zero_grad()

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, l: int) -> Layer:
        try:
            return self.layers[l]
        except IndexError:
            raise _not_there(self, "layer", l) from None

    def __repr__(self) -> str:
        return f"MLP({' -> '.join([str(self.n_inputs), *map(_describe, self)])}; {_count(self)})"


def as_inputs(x: Any, n: int, taker: object) -> list[Value]:
    """A sample as n Values: Values pass as they are, numbers become leaves labelled x[1], x[2], ...

    Raises TypeError for what is no list, tuple or one-dimensional array, ValueError for another length.
    """
    if not isinstance(x, (list, tuple)):
        x = _listed(x, n, taker)
    if len(x) != n:
        raise _wrong_length(taker, x, n)
    return [as_value(v, f"input {label}", label) for v, label in zip(x, _input_labels(n))]


def check_network(network: object, where: str) -> None:
    """Raise TypeError for what cannot be called with a sample."""
    check_function(network, f"{where}: a network is an MLP, Layer, Unit or a function of a sample")


def as_samples(samples: Any, name: str) -> list[Any]:
    """The samples of a list, an array or a table, as a list; TypeError, beginning with `name`, for others."""
    if hasattr(samples, "to_numpy"):  # a table of pandas or polars, which iterates over its columns
        samples = samples.to_numpy()
    if not in_order(samples):
        raise TypeError(f"{name} is a list or array of samples, not {described(samples)}")
    return list(samples)


def as_random(seed: int | Random | None) -> Random:
    """A random generator of its own for a seed, or the one that came; TypeError for another thing."""
    if isinstance(seed, Random):
        return seed
    if seed is not None and not isinstance(seed, numbers.Integral):
        raise TypeError(f"a seed is a whole number, or a random.Random, not {described(seed)}")
    return Random(None if seed is None else int(seed))


def _listed(x: Any, n: int, taker: object) -> Sequence[Any]:
    if isinstance(x, Value) or is_real(x):
        return [x]
    several = getattr(x, "ndim", 1) > 1
    if several or not in_order(x) or not hasattr(x, "__len__"):
        raise TypeError(
            f"{taker!r} takes a list, tuple or one-dimensional array of {counted(n, 'number')}, "
            f"not {described(x)}" + ("; for many samples use predict(network, X)" if several else "")
        )
    return list(x)


@cache
def _input_labels(n: int) -> list[str]:
    return [f"x[{i}]" for i in range(1, n + 1)]


def _check_sizes(n_inputs: int, n_units: int, where: str) -> None:
    check_count(n_inputs, f"{where}: the number of inputs")
    check_count(n_units, f"{where}: the number of units")
    if n_inputs * n_units > MOST_WEIGHTS:
        raise ValueError(
            f"{where}: {counted(n_inputs, 'input')} times {counted(n_units, 'unit')} make too many weights; "
            f"a layer has room for {MOST_WEIGHTS:,}"
        )


def _wrong_length(taker: object, x: Sequence[Any], n: int) -> ValueError:
    came = [shown(v.data if isinstance(v, Value) and not v.traced else v) for v in x[:4]]
    came += ["..."] if len(x) > 4 else []
    return ValueError(f"{taker!r} takes {counted(n, 'input')}, and {len(x):,} came: [{', '.join(came)}]")


def _not_there(part: Layer | MLP, what: str, place: int) -> IndexError:
    return IndexError(
        f"{part!r} has no {what} {place}: Python counts from 0, so they are 0 to {len(part) - 1}, "
        f"or -1 for the last"
    )


def _activation(activation: Activation) -> Callable[[Value], Value]:
    if callable(activation):
        return activation
    if isinstance(activation, str) and activation in ACTIVATIONS:
        return ACTIVATIONS[activation]
    guess = get_close_matches(activation, ACTIVATIONS, 1) if isinstance(activation, str) else []
    raise ValueError(
        f"there is no activation {shown(activation)}; "
        f"use {', '.join(map(repr, ACTIVATIONS))} or a function of a Value"
        + (f".  Did you mean {guess[0]!r}?" if guess else "")
    )


def _activation_name(activation: Activation) -> str:
    if isinstance(activation, str):
        return activation
    name: str = getattr(activation, "__name__", "custom")
    return name if name.isidentifier() else "custom"


def _initialiser(activation: Activation, n_inputs: int, n_units: int, random: Random) -> Callable[[], float]:
    if _activation_name(activation) == "relu":
        deviation = math.sqrt(2.0 / n_inputs)
        return lambda: random.gauss(0.0, deviation)
    bound = math.sqrt(6.0 / (n_inputs + n_units)) * (
        4.0 if _activation_name(activation) == "sigmoid" else 1.0
    )
    return lambda: random.uniform(-bound, bound)


def _describe(layer: Layer) -> str:
    return f"{len(layer)} {_activation_name(layer.activation)}"


def _count(part: Unit | Layer | MLP) -> str:
    count = len(part.parameters())
    return f"{count} parameter{'s' if count != 1 else ''}"
