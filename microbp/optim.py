"""Gradient descent: how parameters change, given their gradients.

Each rule is written once, as plain arithmetic that serves a float and a whole array alike.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from microbp.arguments import described
from microbp.value import Number, Value, as_float, as_values, name_of


class Optimizer(ABC):
    """What SGD and Adam share: `step` changes parameters by a rule that may remember the past."""

    def __init__(self) -> None:
        self._memory: dict[Value, Any] = {}
        self._in_arrays: tuple[Sequence[Value], Any] | None = None

    @abstractmethod
    def change(self, data: Any, grad: Any, memory: Any) -> tuple[Any, Any]:
        """The change of a parameter, and what to remember for the next; `memory` is None at first."""

    def step(self, parameters: Iterable[Value]) -> None:
        """Change each parameter's data once, by its gradient.

        Raises FloatingPointError where a parameter would become infinite or NaN, and then
        changes nothing, and TypeError for anything but leaf Values.
        """
        self._memory_by_parameter()
        steps = []
        for parameter in as_values(parameters, "step"):
            if parameter.inputs:
                raise TypeError(
                    f"step: {name_of(parameter)!r} was computed from other Values; only leaves can be changed"
                )
            change, memory = self.change(parameter.data, parameter.grad, self._memory.get(parameter))
            data = parameter.data + change
            if not math.isfinite(data):
                raise _too_far(parameter.label, data, parameter.data, parameter.grad)
            steps.append((parameter, data, memory))
        for parameter, data, memory in steps:
            parameter.data = data
            self._memory[parameter] = memory

    def step_arrays(self, parameters: Sequence[Value], data: Any, grad: Any) -> bool:
        """`step` for parameters whose numbers are in arrays: changes `data` in place, by the same rule.

        What is remembered of each parameter is shared with `step`.  Returns whether it could be
        done; not where some of the parameters were never changed before and others were, or where
        an optimizer of one's own has a rule that serves no arrays, and then nothing has changed.
        Raises FloatingPointError as `step` does.
        """
        try:
            memory = self._memory_in_arrays(parameters)
            change, memory = self.change(_read_only(data), _read_only(grad), memory)
            new = data + change
        except (TypeError, ValueError, DeprecationWarning):  # older NumPy only warns of math.sqrt(array)
            return False
        if not math.isfinite(new.dot(new)):  # or perhaps just too large to be squared
            for parameter, *numbers in zip(parameters, new.tolist(), data.tolist(), grad.tolist()):
                if not math.isfinite(numbers[0]):
                    raise _too_far(parameter.label, *numbers)
        self._in_arrays = parameters, _detached(memory, data, grad)
        data[:] = new
        return True

    def _memory_in_arrays(self, parameters: Sequence[Value]) -> Any:
        if self._in_arrays is None or self._in_arrays[0] is not parameters:
            self._memory_by_parameter()
            return _joined([self._memory.get(parameter) for parameter in parameters])
        return self._in_arrays[1]

    def _memory_by_parameter(self) -> None:
        if self._in_arrays is not None:
            parameters, memory = self._in_arrays
            self._memory.update((parameter, _entry(memory, i)) for i, parameter in enumerate(parameters))
            self._in_arrays = None


class SGD(Optimizer):
    """Gradient descent, with momentum and weight decay if wanted.

    change(t) = -lr * (dE/dw + weight_decay * w) + momentum * change(t - 1), the rule of
    Rumelhart, Hinton and Williams (Nature 323, 1986, equation 9) with lr for their epsilon and
    momentum for their alpha.

    >>> w = Value(1.0, "w")
    >>> w.grad = 0.5
    >>> SGD(lr=0.1).step([w])
    >>> w.data
    0.95

    Raises ValueError unless lr > 0, 0 <= momentum < 1 and weight_decay >= 0.
    """

    def __init__(self, lr: Number, momentum: Number = 0.0, weight_decay: Number = 0.0) -> None:
        super().__init__()
        self.lr = _positive(lr, "lr")
        self.momentum = _fraction(momentum, "momentum")
        self.weight_decay = _at_least_zero(weight_decay, "weight_decay")

    def change(self, data: Any, grad: Any, memory: Any) -> tuple[Any, Any]:
        if self.weight_decay:
            grad = grad + self.weight_decay * data
        change = -self.lr * grad
        if self.momentum and memory is not None:
            change = change + self.momentum * memory
        return change, change

    def __repr__(self) -> str:
        return f"SGD(lr={self.lr}, momentum={self.momentum}, weight_decay={self.weight_decay})"


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015): steps scaled by running means of the gradient and of its square.

    >>> w = Value(1.0, "w")
    >>> w.grad = 0.5
    >>> Adam(lr=0.1).step([w])
    >>> f"{w:.6f}"
    '0.900000'

    Raises ValueError unless lr > 0, both betas are at least 0 and below 1, and epsilon > 0.
    """

    def __init__(
        self, lr: Number = 0.001, beta1: Number = 0.9, beta2: Number = 0.999, epsilon: Number = 1e-8
    ) -> None:
        super().__init__()
        self.lr = _positive(lr, "lr")
        self.beta1 = _fraction(beta1, "beta1")
        self.beta2 = _fraction(beta2, "beta2")
        self.epsilon = _positive(epsilon, "epsilon")

    def change(self, data: Any, grad: Any, memory: Any) -> tuple[Any, Any]:
        t, mean, square = memory if memory is not None else (0, 0.0, 0.0)
        t = t + 1
        mean = self.beta1 * mean + (1 - self.beta1) * grad
        square = self.beta2 * square + (1 - self.beta2) * grad * grad
        unbiased_mean = mean / (1 - self.beta1**t)
        unbiased_square = square / (1 - self.beta2**t)
        return -self.lr * unbiased_mean / (unbiased_square**0.5 + self.epsilon), (t, mean, square)

    def __repr__(self) -> str:
        return f"Adam(lr={self.lr}, beta1={self.beta1}, beta2={self.beta2}, epsilon={self.epsilon})"


def as_optimizer(optimizer: Any, where: str) -> Optimizer:
    """The optimizer that came, SGD(lr=0.5) if none did; TypeError for what has no `step`."""
    if optimizer is None:
        return SGD(lr=0.5)
    steps = callable(getattr(optimizer, "step", None)) and not isinstance(optimizer, (type, Value))
    if not steps:
        raise TypeError(
            f"{where}: an optimizer such as SGD(lr=0.5) or Adam() is needed, not {described(optimizer)}"
        )
    return optimizer  # type: ignore[no-any-return]


def _too_far(label: str, after: float, before: float, grad: float) -> FloatingPointError:
    return FloatingPointError(
        f"the step would make {label or 'a parameter'} = {after} "
        f"(it is {before:.6g} and its gradient {grad:.6g}); "
        "no parameter was changed.  A smaller lr may help"
    )


def _joined(memories: Sequence[Any]) -> Any:
    """What is remembered of single parameters, as arrays over all of them.

    Raises TypeError where nothing is remembered of some of them only.
    """
    import numpy as np

    first = memories[0] if memories else None
    unknown = sum(memory is None for memory in memories)
    if unknown == len(memories):
        return None
    if unknown:
        raise TypeError("some of the parameters were never changed before")
    if isinstance(first, tuple):
        return tuple(_joined(entries) for entries in zip(*memories))
    if isinstance(first, int) and all(memory == first for memory in memories):
        return first
    return np.array(memories, dtype=float)


def _read_only(array: Any) -> Any:
    """The array, not to be written into: to a rule for numbers `grad += ...` changes no parameter's grad."""
    seen = array.view()
    seen.flags.writeable = False
    return seen


def _detached(memory: Any, *arrays: Any) -> Any:
    """What is remembered, copied where it is one of the arrays, whose numbers change with every step."""
    import numpy as np

    if isinstance(memory, tuple):
        return tuple(_detached(part, *arrays) for part in memory)
    shared = hasattr(memory, "shape") and any(np.may_share_memory(memory, array) for array in arrays)
    return memory.copy() if shared else memory


def _entry(memory: Any, i: int) -> Any:
    """What is remembered of one parameter."""
    if isinstance(memory, tuple):
        return tuple(_entry(part, i) for part in memory)
    return memory[i].item() if hasattr(memory, "shape") else memory


def _positive(number: Number, name: str) -> float:
    value = as_float(number, name)
    if not 0.0 < value < math.inf:
        raise ValueError(f"{name} is a finite number above 0, not {value}")
    return value


def _fraction(number: Number, name: str) -> float:
    value = as_float(number, name)
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{name} is a number, at least 0 and below 1, not {value}")
    return value


def _at_least_zero(number: Number, name: str) -> float:
    value = as_float(number, name)
    if not 0.0 <= value < math.inf:
        raise ValueError(f"{name} is a finite number, at least 0, not {value}")
    return value
