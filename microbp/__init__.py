"""microbp: a scalar autodiff micro-framework in which backpropagation can be seen to emerge.

Read `rules.py`, then `value.py`: backpropagation is then understood.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from microbp import operators as _operators  # noqa: F401 - gives Value its operators
from microbp.functions import (
    abs as abs,
    cos,
    exp,
    log,
    logsumexp,
    max as max,
    min as min,
    pick,
    relu,
    sigmoid,
    sin,
    softmax,
    softplus,
    sqrt,
    sum as sum,
    tanh,
    weighted_sum,
)
from microbp.rules import RULES, Rule
from microbp.value import Value, zero_grad

if TYPE_CHECKING:
    from microbp.checking.checks import gradcheck
    from microbp.checking.proofs import check_rule
    from microbp.compiler.program import compile as compile
    from microbp.differentiation import gradients
    from microbp.exact.evaluation import evaluate
    from microbp.health import diagnose
    from microbp.history import History
    from microbp.ledger import paths
    from microbp.losses import (
        binary_cross_entropy,
        binary_cross_entropy_with_logits,
        cross_entropy,
        mean_absolute_error,
        mean_squared_error,
        squared_error,
    )
    from microbp.nn import MLP, Layer, Unit
    from microbp.operations import operation
    from microbp.optim import SGD, Adam
    from microbp.passes import steps
    from microbp.show.derivation import explain
    from microbp.show.picture import graph
    from microbp.show.plots import plot_decision
    from microbp.show.stepper import explore
    from microbp.show.text import deltas, tree
    from microbp.storage import load, save
    from microbp.training import accuracy, fit, predict
    from microbp.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
    from microbp.traversal import consumers, leaves, units
    from microbp.worksheets.making import worksheet

__version__ = "0.1.0"

# Found on first use, so that `import microbp` stays light.
_ROOMS = {
    "microbp.checking.checks": ["gradcheck"],
    "microbp.checking.proofs": ["check_rule"],
    "microbp.compiler.program": ["compile"],
    "microbp.differentiation": ["gradients"],
    "microbp.exact.evaluation": ["evaluate"],
    "microbp.health": ["diagnose"],
    "microbp.history": ["History"],
    "microbp.ledger": ["paths"],
    "microbp.losses": [
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "cross_entropy",
        "mean_absolute_error",
        "mean_squared_error",
        "squared_error",
    ],
    "microbp.nn": ["MLP", "Layer", "Unit"],
    "microbp.operations": ["operation"],
    "microbp.optim": ["SGD", "Adam"],
    "microbp.passes": ["steps"],
    "microbp.show.derivation": ["explain"],
    "microbp.show.picture": ["graph"],
    "microbp.show.plots": ["plot_decision"],
    "microbp.show.stepper": ["explore"],
    "microbp.show.text": ["deltas", "tree"],
    "microbp.storage": ["load", "save"],
    "microbp.training": ["accuracy", "fit", "predict"],
    "microbp.transforms": ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"],
    "microbp.traversal": ["consumers", "leaves", "units"],
    "microbp.worksheets.making": ["worksheet"],
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}

# Names of Python's own (abs, compile, max, min, sum) are left out: `import *` must not hide them.
__all__ = [
    "MLP",
    "RULES",
    "SGD",
    "Adam",
    "History",
    "Layer",
    "Rule",
    "Unit",
    "Value",
    "accuracy",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "check_rule",
    "consumers",
    "cos",
    "cross_entropy",
    "deltas",
    "diagnose",
    "evaluate",
    "exp",
    "explain",
    "explore",
    "fit",
    "grad",
    "gradcheck",
    "gradients",
    "graph",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "leaves",
    "load",
    "log",
    "logsumexp",
    "mean_absolute_error",
    "mean_squared_error",
    "operation",
    "paths",
    "pick",
    "plot_decision",
    "predict",
    "relu",
    "save",
    "sigmoid",
    "sin",
    "softmax",
    "softplus",
    "sqrt",
    "squared_error",
    "steps",
    "tanh",
    "tree",
    "units",
    "value_and_grad",
    "vjp",
    "weighted_sum",
    "worksheet",
    "zero_grad",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'microbp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
