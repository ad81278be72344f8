"""fit: gradient descent over labelled pairs, epoch by epoch; predict and accuracy beside it."""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from microbp.arguments import (
    check_choice,
    check_count,
    check_flag,
    check_function,
    counted,
    described,
    in_order,
    shown,
)
from microbp.engines import Eager, Engine, Pair, compiled_or
from microbp.finite import called
from microbp.history import History, Loss, Record
from microbp.losses import squared_error
from microbp.nn import as_random, as_samples, check_network
from microbp.optim import Optimizer, as_optimizer
from microbp.value import Value, as_float, as_values, name_of


def fit(
    network: Callable[[Any], Any],
    X: Iterable[Any],
    Y: Iterable[Any],
    loss: Loss = squared_error,
    optimizer: Optimizer | None = None,
    epochs: int = 100,
    reduction: str = "mean",
    parameters: Sequence[Value] | None = None,
    batch_size: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation: tuple[Iterable[Any], Iterable[Any]] | None = None,
    progress: bool = True,
    stop_when: Callable[[History], bool] | float | None = None,
    record: int | None = None,
    engine: str = "compiled",
) -> History:
    """Train by gradient descent on the labelled pairs of X and Y; the parameters change in place.

    `network` is a network, a unit, or any function from a sample to what `loss(predicted,
    target)` takes; a function needs its `parameters` named.  `optimizer` is SGD(lr=0.5) unless
    given.  One step is taken for each batch of `batch_size` samples, all of them unless given;
    batches are drawn anew each epoch (by `seed`) unless `shuffle` is off.  The loss of a batch
    is the "mean" or the "sum" over its samples; the sum is the sweep of the 1986 papers.
    `validation` is a pair (X, Y) whose loss is kept too.  Training ends early when
    `stop_when(history)` is true after an epoch, or when the loss falls below `stop_when`, a number.
    With `record` the parameters are kept before training, after every `record` epochs and at the
    end, at most 200 times in all: `explore(history)` then shows how the network learned.

    The batches are compiled, which changes the numbers by no more than rounding.  With `engine`
    "eager" every sample is a graph of Values that can be looked at, as units' u, z and delta are
    those of the last eager pass; what cannot be compiled is trained so too, and a warning says why.

    Ctrl-C ends training and returns what was learned.

    Raises ValueError or TypeError for data that do not fit together, and FloatingPointError
    when a loss or a gradient becomes infinite or NaN, naming epoch, sample and node; then the
    parameters stay as they were before the step.

    >>> from microbp.nn import MLP
    >>> network = MLP(2, [2, 1], seed=1)
    >>> history = fit(network, [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], epochs=50, progress=False)
    >>> history.epochs, history.loss[-1] < history.loss[0]
    (50, True)
    """
    check_network(network, "fit")
    check_function(loss, "fit: the loss is a function, such as squared_error")
    data = _pairs(X, Y, "fit")
    held_out = None if validation is None else _held_out(validation)
    trained = _parameters(network, parameters)
    optimizer = as_optimizer(optimizer, "fit")
    size = len(data) if batch_size is None else batch_size
    check_count(epochs, "fit: epochs")
    check_count(size, "fit: batch_size")
    check_choice(reduction, ("mean", "sum"), "fit: reduction")
    check_choice(engine, ("compiled", "eager"), "fit: engine")
    check_flag(shuffle, "fit: shuffle")
    check_flag(progress, "fit: progress")
    stop_when = _stop(stop_when)
    random = as_random(seed)
    history = History(record=_record(record, network, loss, data, trained))
    eager = Eager(network, loss, trained, optimizer, reduction)
    try:
        steps: Engine = compiled_or(eager, list(data), held_out) if engine == "compiled" else eager
        with _reporting(progress, epochs) as report:
            for epoch in range(1, epochs + 1):
                if shuffle and size < len(data):
                    random.shuffle(data)
                losses: list[float] = []
                for start in range(0, len(data), size):
                    losses += steps.step(data[start : start + size], epoch)
                history.loss.append(_reduced(losses, reduction))
                if held_out is not None:
                    history.validation_loss.append(_reduced(steps.losses(held_out, epoch), reduction))
                if history.record is not None:
                    history.record.keep_if_due(epoch)
                report(epoch, history)
                if _should_stop(stop_when, history):
                    history.ended = "stop_when"
                    break
    except KeyboardInterrupt:
        history.ended = "interrupted"
    if history.record is not None:
        history.record.finish(history.epochs)
    return history


def predict(network: Callable[[Any], Any], X: Iterable[Any]) -> list[Any]:
    """The network's outputs for every sample of X, as plain numbers: a float each, or a list of floats.

    >>> from microbp.nn import MLP
    >>> network = MLP(2, [1], activation="linear", seed=1)
    >>> network[0][0].weights[0].data, network[0][0].weights[1].data = 1.0, 2.0
    >>> predict(network, [[1, 1], [0, 3]])
    [3.0, 6.0]

    Raises ValueError or TypeError, naming the sample, for what the network does not take.
    """
    check_network(network, "predict")
    return [_output(network, x, f"predict: sample {n}") for n, x in enumerate(_rows(X, "predict: X"), 1)]


def accuracy(
    network: Callable[[Any], Any], X: Iterable[Any], Y: Iterable[Any], threshold: float | None = None
) -> float:
    """The fraction of samples whose class is predicted right.

    With several outputs the class is the greatest output, and a target is the number of the
    class, counted from 0, or a list with its greatest entry there.  With one output the class
    is whether it exceeds `threshold`: 0.5 unless given, or 0 where a target is negative (-1 and
    1 for the two classes).  For an output unit trained from logits give threshold=0.

    >>> accuracy(lambda x: Value(x), [0.2, 0.9, 0.4], [0, 1, 1])
    0.6666666666666666

    Raises ValueError or TypeError for data that do not fit together, a class that is not there, and
    a threshold that all targets are on the same side of.
    """
    check_network(network, "accuracy")
    pairs = _pairs(X, Y, "accuracy")
    targets = [_numbers(pair.y, f"accuracy: target {pair.number}") for pair in pairs]
    outputs = [_output(network, pair.x, f"accuracy: sample {pair.number}") for pair in pairs]
    if isinstance(outputs[0], list):
        right = [_greatest(y) == _class(t, n, len(y)) for n, (y, t) in enumerate(zip(outputs, targets), 1)]
    else:
        limit = _threshold(threshold, targets)
        right = [(y > limit) == (t > limit) for y, t in zip(outputs, targets)]
    return sum(right) / len(pairs)


def _greatest(numbers: list[float]) -> int:
    return numbers.index(max(numbers))


def _class(target: float | list[float], number: int, n_outputs: int) -> int:
    """The class that a target of a network with several outputs stands for."""
    if isinstance(target, list) and len(target) == n_outputs:
        return _greatest(target)
    if not isinstance(target, list) and target in range(n_outputs):
        return int(target)
    raise ValueError(
        f"accuracy: target {number} is {shown(target)}, and a network of {n_outputs} outputs needs a class "
        f"from 0 to {n_outputs - 1}, or {n_outputs} numbers"
    )


def _threshold(threshold: float | None, targets: Sequence[float | list[float]]) -> float:
    """What one output has to exceed; checked to tell the targets apart."""
    distinct: set[float] = set()
    for number, target in enumerate(targets, start=1):
        if isinstance(target, list):
            raise ValueError(
                f"accuracy: target {number} is {shown(target)}, and a network of one output needs one number"
            )
        distinct.add(target)
    low, high = min(distinct), max(distinct)
    if threshold is None:
        threshold = 0.0 if low < 0.0 else 0.5
    limit = as_float(threshold, "accuracy: threshold")
    if low < high and not low <= limit < high:
        raise ValueError(
            f"accuracy: a target counts by whether it exceeds the threshold, {limit:g}, and those from "
            f"{low:g} to {high:g} are all on one side of it; give a threshold between them"
        )
    return limit


def _pairs(X: Iterable[Any], Y: Iterable[Any], where: str) -> list[Pair]:
    xs, ys = _rows(X, f"{where}: X"), _rows(Y, f"{where}: Y")
    if len(xs) != len(ys):
        raise ValueError(
            f"{where}: X has {counted(len(xs), 'sample')} and Y {counted(len(ys), 'target')}; "
            "each sample needs one target"
        )
    if not xs:
        raise ValueError(f"{where}: X and Y are empty; at least one sample is needed")
    return [Pair(number, x, y) for number, (x, y) in enumerate(zip(xs, ys), start=1)]


def _held_out(validation: Any) -> list[Pair]:
    if not isinstance(validation, (tuple, list)) or len(validation) != 2:
        raise TypeError(
            f"fit: validation is a pair of samples and targets, (X, Y), not {described(validation)}"
        )
    X, Y = validation
    return _pairs(X, Y, "fit: validation")


def _rows(samples: Iterable[Any], name: str) -> list[Any]:
    """The samples as a list, refused where one of their numbers is infinite or NaN."""
    rows = as_samples(samples, name)
    for number, row in enumerate(rows, start=1):
        for entry in row if isinstance(row, Iterable) and not isinstance(row, str) else [row]:
            if isinstance(entry, numbers.Real) and not _is_finite(entry):
                raise ValueError(
                    f"{name}: sample {number} contains {float(entry)}; every number must be finite"
                )
    return rows


def _parameters(network: Any, parameters: Sequence[Value] | None) -> list[Value]:
    if parameters is None:
        if not hasattr(network, "parameters"):
            raise TypeError(
                f"fit: say which Values to train, as in fit(..., parameters=[w, b]); "
                f"{shown(network)} has no parameters() to ask"
            )
        parameters = network.parameters()
    trained = list(dict.fromkeys(as_values(parameters, "fit: parameters")))
    if not trained:
        raise ValueError("fit: there is nothing to train, as the list of parameters is empty")
    for parameter in trained:
        if parameter.inputs:
            raise TypeError(
                f"fit: {name_of(parameter)!r} was computed from other Values; only leaves can be trained"
            )
    return trained


def _is_finite(number: Any) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an int too large for a float is refused, by a better name, where it is used
        return True


def _stop(stop_when: Any) -> Callable[[History], bool] | float | None:
    if stop_when is None or callable(stop_when):
        return stop_when  # type: ignore[no-any-return]
    if isinstance(stop_when, bool):
        raise TypeError(
            f"fit: stop_when is a function of the history, or the loss to stop below, not {shown(stop_when)}"
        )
    limit = as_float(stop_when, "fit: stop_when")
    if math.isnan(limit):
        raise ValueError("fit: stop_when is nan, and no loss is below that")
    return limit


def _record(
    every: int | None, network: Callable[[Any], Any], loss: Loss, pairs: list[Pair], trained: list[Value]
) -> Record | None:
    if every is None:
        return None
    check_count(every, "fit: record")
    X, Y = [pair.x for pair in pairs], [pair.y for pair in pairs]
    record = Record(network, loss, X, Y, trained, int(every))
    record.keep(0)
    return record


def _reduced(losses: list[float], reduction: str) -> float:
    return math.fsum(losses) / (len(losses) if reduction == "mean" else 1)


def _should_stop(stop_when: Callable[[History], bool] | float | None, history: History) -> bool:
    if callable(stop_when):
        return bool(stop_when(history))
    return stop_when is not None and history.loss[-1] < stop_when


def _output(network: Callable[[Any], Any], x: Any, where: str) -> Any:
    return _numbers(called(lambda: network(x), where), f"{where}: the output")


def _numbers(output: Any, where: str) -> Any:
    """An output or target as a float, or as a list of floats if there are several."""
    if isinstance(output, Value):
        return output.data
    if in_order(output):
        several = [_numbers(entry, where) for entry in output]
        return several[0] if len(several) == 1 else several
    return as_float(output, where)


@contextmanager
def _reporting(progress: bool, epochs: int) -> Iterator[Callable[[int, History], None]]:
    """A function to call after each epoch: a bar for a person, else lines at epochs 1, 2, 5, 10, 20, ...."""
    if not progress:
        yield lambda epoch, history: None
        return
    tqdm = _tqdm() if sys.stderr.isatty() or "ipykernel" in sys.modules else None
    if tqdm is None:

        def line(epoch: int, history: History) -> None:
            if epoch == epochs or str(epoch).rstrip("0") in ("1", "2", "5"):
                print(f"epoch {epoch:>{len(str(epochs))}}/{epochs}  {_latest(history)}", file=sys.stderr)

        yield line
        return
    with tqdm(total=epochs, unit="epoch") as bar:

        def advance(epoch: int, history: History) -> None:
            bar.set_postfix_str(_latest(history), refresh=False)
            bar.update()

        yield advance


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm


def _latest(history: History) -> str:
    validation = f"  validation loss {history.validation_loss[-1]:.6f}" if history.validation_loss else ""
    return f"loss {history.loss[-1]:.6f}{validation}"
