"""Gradient descent: how parameters change, given their gradients.

Each rule is written once, as plain arithmetic that serves a float and a whole array alike.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from microbp.value import Number, Value, as_float


class Optimizer(ABC):
    """What SGD and Adam share: `step` changes parameters by a rule that may remember the past."""

    def __init__(self) -> None:
        self._memory: dict[Value, Any] = {}

    @abstractmethod
    def change(self, data: Any, grad: Any, memory: Any) -> tuple[Any, Any]:
        """The change of a parameter, and what to remember for the next; `memory` is None at first."""

    def step(self, parameters: Iterable[Value]) -> None:
        """Change each parameter's data once, by its gradient.

        Raises FloatingPointError where a parameter would become infinite or NaN, and then
        changes nothing.
        """
        steps = []
        for parameter in parameters:
            change, memory = self.change(parameter.data, parameter.grad, self._memory.get(parameter))
            data = parameter.data + change
            if not math.isfinite(data):
                raise FloatingPointError(
                    f"the step would make {parameter.label or 'a parameter'} = {data} "
                    f"(it is {parameter.data:.6g} and its gradient {parameter.grad:.6g}); "
                    "no parameter was changed.  A smaller lr may help"
                )
            steps.append((parameter, data, memory))
        for parameter, data, memory in steps:
            parameter.data = data
            self._memory[parameter] = memory


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
        change = -self.lr * (grad + self.weight_decay * data)
        if memory is not None:
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


def _positive(number: Number, name: str) -> float:
    value = as_float(number, name)
    if not 0.0 < value < math.inf:
        raise ValueError(f"{name} is a positive number, not {value}")
    return value


def _fraction(number: Number, name: str) -> float:
    value = as_float(number, name)
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{name} is a number from 0 up to, not including, 1; not {value}")
    return value


def _at_least_zero(number: Number, name: str) -> float:
    value = as_float(number, name)
    if not 0.0 <= value < math.inf:
        raise ValueError(f"{name} is a number that is not negative, not {value}")
    return value
