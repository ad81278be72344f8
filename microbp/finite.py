"""Numbers that are not finite, found where they arise: in a loss, or on the way back from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from microbp.arguments import described
from microbp.traversal import derivatives, topological
from microbp.value import Value, computed, made_of, name_of

NAMED = (TypeError, ValueError, IndexError, ZeroDivisionError, OverflowError)


def called(compute: Callable[[], Any], where: str) -> Any:
    """What `compute` returns; errors of its arithmetic, or of what it was given, say `where`."""
    try:
        return compute()
    except NAMED as error:
        if type(error) in NAMED:  # others may be made of something else than a sentence
            raise type(error)(f"{where}: {error}") from error
        raise


def computed_outputs(compute: Callable[[], list[Any]], where: str) -> list[Value]:
    """The outputs that `compute` returns, of which a loss is one; errors of its arithmetic say `where`.

    Raises TypeError for what is no Value, FloatingPointError for one that is not finite.
    """
    outputs: list[Value] = called(compute, where)
    for E in outputs:
        if not isinstance(E, Value):
            raise TypeError(f"{where}: the loss must be a Value, and {described(E)} came")
        check_loss(E, where)
    return outputs


def check_loss(E: Value, where: str) -> None:
    """Raise FloatingPointError for a loss that is infinite or NaN, naming the first such node."""
    if not math.isfinite(E.data):
        bad = next(node for node in topological(E) if not math.isfinite(node.data))
        raise FloatingPointError(
            f"{where}: the loss is {E.data}, and the first node that is not finite is {_introduce(bad)}; "
            "the parameters are as they were before this step.  A smaller lr may help"
        )


def check_gradients(E: Value, trained: Iterable[Value], where: str) -> None:
    """Raise FloatingPointError for a gradient that is infinite or NaN, naming the node where it is lost."""
    found = derivatives(E)
    bad = next((p for p in trained if p in found and not math.isfinite(found[p])), None)
    if bad is None:
        return
    for node in reversed(computed(E)):
        if not all(math.isfinite(partial * found[node]) for partial in node.partials):
            raise FloatingPointError(
                f"{where}: the gradient of {bad.label or 'a parameter'} is "
                f"{found[bad]}; going backward it is lost at {_introduce(node)}, whose local derivatives "
                f"are {', '.join(f'{partial:.6g}' for partial in node.partials[:4])}; "
                "the parameters are as they were before this step"
            )


def _introduce(node: Value) -> str:
    made = made_of(node)
    return f"{name_of(node)} = {node.data:.6g}" + (f" (computed as {made})" if made and node.label else "")
