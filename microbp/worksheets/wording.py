"""What a worksheet says: its numbers, and the formulas of activations and losses as on a blackboard."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from microbp.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    mean_absolute_error,
    mean_squared_error,
    squared_error,
)
from microbp.rules import RULES
from microbp.show.latex import escaped
from microbp.value import Value

Loss = Callable[..., Value]


def number(x: float, digits: int) -> str:
    """A number with so many significant digits.

    >>> number(0.59326999, 4), number(-0.0, 4)
    ('0.5933', '0')
    """
    return f"{x + 0.0:.{digits}g}"


def in_formula(x: float, digits: int) -> str:
    """A number as it stands within a formula: in parentheses if it has a sign."""
    text = number(x, digits)
    return f"({text})" if text.startswith("-") else text


def in_markdown(name: str) -> str:
    """A name as text in a Markdown table; the sheet's own names as they are, to be read and typed."""
    own = re.fullmatch(r"(new )?(dE/d)?[a-zA-Z]+\d*(\[\d+(,\d+)?\])?", name)
    return name if own else escaped(name)


@dataclass(frozen=True)
class LossForm:
    """How a loss is written.

    `formula` and `slope` are general, for the head of the sheet; `write(ys, ts)` and
    `write_slope(k, ys, ts)` are E and its derivative by output k, counted from 0, in terms of
    what stands for the outputs and the targets.
    """

    formula: str
    slope: str
    equation: str
    write: Callable[[Sequence[str], Sequence[str]], str]
    write_slope: Callable[[int, Sequence[str], Sequence[str]], str]


def _by_output(
    formula: str,
    slope: str,
    equation: str,
    term: str,
    derivative: str,
    divisor: Callable[[int], int] = lambda n: 1,
    slope_divisor: Callable[[int], int] = lambda n: 1,
) -> LossForm:
    """A loss that is a sum over the n outputs of a term, divided by a number."""

    def write(ys: Sequence[str], ts: Sequence[str]) -> str:
        total = " + ".join(term.format(y=y, t=t) for y, t in zip(ys, ts))
        below = divisor(len(ys))
        return total if below == 1 else f"({total}) / {below}"

    def write_slope(k: int, ys: Sequence[str], ts: Sequence[str]) -> str:
        text, below = derivative.format(y=ys[k], t=ts[k]), slope_divisor(len(ys))
        return text if below == 1 else f"{text} / {below}"

    return LossForm(formula, slope, equation, write, write_slope)


def _write_cross_entropy(ys: Sequence[str], ts: Sequence[str]) -> str:
    right = " + ".join(f"{t} * {y}" for y, t in zip(ys, ts))
    return f"log({_exponentials(ys)}) - ({right})"


def _write_cross_entropy_slope(k: int, ys: Sequence[str], ts: Sequence[str]) -> str:
    return f"exp({ys[k]}) / ({_exponentials(ys)}) - {ts[k]}"


def _exponentials(ys: Sequence[str]) -> str:
    return " + ".join(f"exp({y})" for y in ys)


_HALF_SQUARED_ERROR = _by_output(
    "E = 1/2 sum_k (y_k - t_k)^2",
    "dE/dy_k = y_k - t_k",
    "eq. 3.1, halved",
    "({y} - {t})^2",
    "({y} - {t})",
    divisor=lambda n: 2,
)
_LOSSES: list[tuple[Loss, LossForm]] = [
    (
        squared_error,
        _by_output(
            "E = sum_k (y_k - t_k)^2",
            "dE/dy_k = 2 (y_k - t_k)",
            "eq. 3.1",
            "({y} - {t})^2",
            "2 * ({y} - {t})",
        ),
    ),
    (
        mean_squared_error,
        _by_output(
            "E = 1/n sum_k (y_k - t_k)^2, n outputs",
            "dE/dy_k = 2 (y_k - t_k) / n",
            "",
            "({y} - {t})^2",
            "2 * ({y} - {t})",
            divisor=lambda n: n,
            slope_divisor=lambda n: n,
        ),
    ),
    (
        mean_absolute_error,
        _by_output(
            "E = 1/n sum_k abs(y_k - t_k), n outputs",
            "dE/dy_k = sign(y_k - t_k) / n",
            "",
            "abs({y} - {t})",
            "sign({y} - {t})",
            divisor=lambda n: n,
            slope_divisor=lambda n: n,
        ),
    ),
    (
        binary_cross_entropy,
        _by_output(
            "E = sum_k (-t_k log(y_k) - (1 - t_k) log(1 - y_k))",
            "dE/dy_k = (y_k - t_k) / (y_k (1 - y_k))",
            "",
            "(-{t} * log({y}) - (1 - {t}) * log(1 - {y}))",
            "({y} - {t}) / ({y} * (1 - {y}))",
        ),
    ),
    (
        binary_cross_entropy_with_logits,
        _by_output(
            "E = sum_k (t_k log(1 + exp(-y_k)) + (1 - t_k) log(1 + exp(y_k)))",
            "dE/dy_k = 1 / (1 + exp(-y_k)) - t_k",
            "",
            "({t} * log(1 + exp(-{y})) + (1 - {t}) * log(1 + exp({y})))",
            "1 / (1 + exp(-{y})) - {t}",
        ),
    ),
    (
        cross_entropy,
        LossForm(
            "E = -sum_k t_k log(p_k) = log(sum_k exp(y_k)) - sum_k t_k y_k, p being the softmax of y",
            "dE/dy_k = p_k - t_k, where p_k = exp(y_k) / sum_n exp(y_n)",
            "",
            _write_cross_entropy,
            _write_cross_entropy_slope,
        ),
    ),
]
_OWN_LOSS = LossForm(
    "E is the loss of the outputs y_k and the targets t_k",
    "dE/dy_k is its derivative by y_k",
    "",
    lambda ys, ts: f"loss({', '.join([*ys, *ts])})",
    lambda k, ys, ts: f"derivative of loss({', '.join([*ys, *ts])}) by output {k + 1}",
)


def loss_form(loss: Loss) -> LossForm:
    """How a loss is written; in words if it is none of microbp's."""
    if isinstance(loss, partial) and loss.func is squared_error:
        return _HALF_SQUARED_ERROR if loss.keywords.get("half") else loss_form(squared_error)
    return next((form for known, form in _LOSSES if known is loss), _OWN_LOSS)


_ACTIVATIONS = {
    "sigmoid": "sigmoid: z = 1 / (1 + exp(-u))",
    "tanh": "tanh: z = tanh(u)",
    "relu": "relu: z = u if u > 0, else 0",
    "linear": "linear: z = u",
    "f": "f: z = f(u), the activation of this network",
}
_SLOPE_NOTES = {"relu": ", which is 1 if u > 0, else 0", "f": ", the derivative of f"}
_SLOPE_EQUATIONS = {"sigmoid": "eq. 4.4"}


def slope_of(kind: str, u: str, z: str) -> str:
    """The slope dz/du of an activation, from its row of the table.

    >>> slope_of("sigmoid", "u", "z"), slope_of("f", "u", "z")
    ('z * (1 - z)', "f'(u)")
    """
    if kind == "linear":
        return "1"
    return RULES[kind].slope_formulas([u], z)[0] if kind in RULES else f"{kind}'({u})"


def formulas(
    kinds: Iterable[str], bias: bool, deep: bool, loss: LossForm, update: bool
) -> list[tuple[str, str]]:
    """The head of the sheet: each formula, and its number in the post."""
    kinds = list(kinds)
    sums = [
        (f"u_k = sum_j w_jk z_j{' + b_k' if bias else ''}, where z_j is x_j in the first layer", "eq. 1.1"),
        *((_ACTIVATIONS[kind], "") for kind in kinds),
        (loss.formula, loss.equation),
        (loss.slope, ""),
        ("delta_k = dE/du_k = dE/dy_k f'(u_k) for an output unit k, whose z_k is y_k", "eqs. 2, 3.2"),
    ]
    if deep:
        sums.append(("delta_j = f'(u_j) sum_k delta_k w_jk for a hidden unit j", "eqs. 4.3 to 4.9"))
    for kind in kinds:
        slope = f"{kind}: f'(u) = {slope_of(kind, 'u', 'z')}{_SLOPE_NOTES.get(kind, '')}"
        sums.append((slope, _SLOPE_EQUATIONS.get(kind, "")))
    sums.append(("dE/dw_jk = delta_k z_j", "eqs. 2.6, 3"))
    if bias:
        sums.append(("dE/db_k = delta_k", ""))
    if update:
        sums.append(("new w = w - lr dE/dw", ""))
    return sums
