"""What the commands of the command line do: draw, explore, explain, train, predict.

Each prints its result, and raises ValueError, ArithmeticError, OSError or RuntimeError with a
sentence for the person who typed it.
"""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from microbp import losses, storage
from microbp.expressions import ExpressionError, names, parse
from microbp.nn import MLP, Layer, Unit
from microbp.optim import SGD, Adam
from microbp.tables import Columns, Table, as_number, classes_of, listed, read_table
from microbp.training import fit, predict as outputs_of
from microbp.traversal import topological
from microbp.value import Value, computed, digits, made_of, name_of

MOST_PARAMETERS = 1_000_000


# Expressions.


def draw(expression: str, values: Mapping[str, float], path: Path, view: str, engine: str | None) -> None:
    """Draw the graph of an expression, with its gradients."""
    from microbp.show.picture import graph

    output = differentiated(expression, values)
    options: dict[str, Any] = {"engine": engine} if engine else {}
    saved = graph(output, view=view, **options).save(path)
    print(f"{_one_line(expression)} = {output.data:.6g}\nThe picture is in {saved}")


def explore(expression: str, values: Mapping[str, float], path: Path) -> None:
    """Write the page that steps through both passes over an expression."""
    from microbp.show.stepper import explore as page_of

    storage.check_writable(path, "--output")
    output = differentiated(expression, values)
    saved = page_of(output).save(path)
    print(f"{_one_line(expression)} = {output.data:.6g}\nThe page is {saved}; open it in a browser")


def explain(expression: str, values: Mapping[str, float]) -> None:
    """Print every node of an expression's graph: how it is computed, its value, its gradient."""
    output = differentiated(expression, values)
    taken = {node.label for node in topological(output)}
    fresh = (name for n in range(1, 10**9) if (name := f"v{n}") not in taken)
    for node in computed(output):
        node.label = node.label or next(fresh)
    rows = [
        [name_of(node), made_of(node), digits(node.data), digits(node.grad)] for node in topological(output)
    ]
    print(f"{_one_line(expression)} = {output.data:.6g}\n")
    print(_columns(["name", "computed as", "value", "gradient"], rows))


def differentiated(expression: str, values: Mapping[str, float]) -> Value:
    """The Value of an expression after its backward pass; ExpressionError for a value it does not use.

    >>> differentiated("w * x", {"w": 2, "x": 3})
    Value(6.000, grad=1.000)
    """
    output = parse(expression, values)
    used = names(expression)
    for name in values:
        if name not in used:
            guess = get_close_matches(name, used, 1)
            raise ExpressionError(
                f"the value of {name!r} is not used in the expression"
                + (f".  Did you mean {guess[0]!r}?" if guess else "")
            )
    output.backward()
    return output


def _one_line(expression: str) -> str:
    return "; ".join(line.strip().rstrip(";") for line in expression.splitlines() if line.strip())


def _columns(header: list[str], rows: list[list[str]]) -> str:
    """A table of two columns of names and two of numbers."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    return "\n".join(
        f"{name:<{widths[0]}}  {made:<{widths[1]}}  {value:>{widths[2]}}  {grad:>{widths[3]}}"
        for name, made, value, grad in [header, *rows]
    )


# Tables.


@dataclass
class Training:
    """What `train` is told on the command line."""

    data: Path
    target: str
    layers: list[int]
    save: Path | None = None
    inputs: list[str] | None = None
    classes: bool = False
    epochs: int = 200
    optimizer: str = "adam"
    lr: float | None = None
    momentum: float = 0.0
    batch_size: int = 32
    seed: int = 1
    activation: str = "tanh"
    loss: str = "auto"
    validation: float = 0.0


def train(told: Training) -> None:
    """Train a network on a table, print how well it does, and save it."""
    if told.save:
        storage.check_writable(told.save, "--save")  # before the work, not after it
    table = read_table(told.data)
    learned, held_out = _split(table, told.validation, Random(told.seed))
    columns = columns_of(table, learned, told)
    loss, optimizer = _loss(told, columns), _optimizer(told)
    _check_sizes(told.layers, columns)
    X, Y = columns.samples(learned), targets_of(learned, columns)
    validation = columns.samples(held_out), targets_of(held_out, columns)
    network = MLP(len(columns.inputs), told.layers, told.activation, "linear", seed=told.seed)
    print(f"{table.name}: {_rows(table)}; inputs {listed(columns.inputs)}; target {_described(columns)}")
    print(f"{network}; {loss.__name__}; {optimizer}", flush=True)
    try:
        history = fit(
            network,
            X,
            Y,
            loss,
            optimizer,
            told.epochs,
            batch_size=min(told.batch_size, len(X)),
            seed=told.seed,
            validation=validation if held_out.rows else None,
        )
    except OverflowError as error:
        raise OverflowError(f"{error}.  A smaller --lr may help") from None
    if history.ended == "interrupted":
        print(f"Interrupted after {history.epochs} epochs.")
    print(f"Training, {_rows(learned)}: {measure(columns, outputs_of(network, X), Y)}")
    if held_out.rows:
        X, Y = validation
        print(f"Validation, {_rows(held_out)}: {measure(columns, outputs_of(network, X), Y)}")
    if told.save:
        print(f"Saved in {storage.save(network, told.save, about={'table': columns.about()})}")
    else:
        print("The network is not kept; --save network.json would keep it.")


def columns_of(table: Table, learned: Table, told: Training) -> Columns:
    """Which columns are learned from, and what the target is: a number, or one of several classes.

    Entries that are text make it classes, as `--classes` does for numbers.  The classes are
    those of the whole table, the scales those of the rows that are learned from.

    Raises ValueError for columns that are not there and entries that do not fit.
    """
    target = told.target
    labels = table.texts(target)
    names = [name for name in table.header if name != target] if told.inputs is None else told.inputs
    if not names:
        raise ValueError(f"{table.name}: there is no column to learn from beside {target!r}")
    if target in names or len(set(names)) < len(names):
        raise ValueError(f"--inputs: each column is named once, and the target {target!r} is not one of them")
    for name in names:
        table.numbers(name)  # the first line that is amiss is told, whichever part it is in
    scales = [learned.scale(name) for name in names]
    if not told.classes and any(map(_is_number, labels)):
        _target_numbers(table, target)
        return Columns(names, scales, target, learned.scale(target), [])
    found = classes_of(labels)
    if len(found) < 2:
        raise ValueError(
            f"{table.name}, column {target!r}: all rows are {found[0]!r}; there is nothing to tell apart"
        )
    return Columns(names, scales, target, None, found)


def _target_numbers(table: Table, target: str) -> None:
    try:
        table.numbers(target)
    except ValueError as error:
        raise ValueError(f"{error}; if the entries are names of classes, say --classes") from None


def targets_of(table: Table, columns: Columns) -> list[float]:
    """The target's entries as the loss takes them: on their scale, or the number of the class."""
    if columns.target_scale:
        return [columns.target_scale.standard(y) for y in table.numbers(columns.target)]
    numbers = {label: float(number) for number, label in enumerate(columns.classes)}
    targets = []
    for row, label in zip(table.rows, table.texts(columns.target)):
        if label not in numbers:
            sentence = f"{label!r} is no class of this network, which are {listed(columns.classes)}"
            raise table.wrong(row, columns.target, sentence)
        targets.append(numbers[label])
    return targets


def measure(columns: Columns, outputs: Sequence[Any], targets: Sequence[float]) -> str:
    """How far the network's outputs are from the targets, in words.

    >>> from microbp.tables import Scale
    >>> measure(Columns(["x"], [Scale(0, 1)], "y", Scale(5.0, 2.0), []), [0.5, 1.0], [0.0, 1.0])
    'mean squared error 0.5 (its root is 0.7071, in the units of y)'
    """
    if columns.target_scale:
        errors = [(y - t) * columns.target_scale.deviation for y, t in zip(outputs, targets)]
        root = math.hypot(*errors) / math.sqrt(len(errors))
        return (
            f"mean squared error {root * root:.4g} (its root is {root:.4g}, in the units of {columns.target})"
        )
    right = sum(_most(probabilities(y)) == t for y, t in zip(outputs, targets))
    return f"accuracy {right / len(targets):.4g} ({right} of {len(targets)})"


def probabilities(output: float | list[float]) -> list[float]:
    """The probability of each class: of two, if the network has one output.

    >>> probabilities(0.0), probabilities([1.0, 1.0])
    ([0.5, 0.5], [0.5, 0.5])
    """
    logits = output if isinstance(output, list) else [0.0, output]
    powers = [math.exp(u - max(logits)) for u in logits]
    return [power / math.fsum(powers) for power in powers]


def _most(probabilities: list[float]) -> int:
    return probabilities.index(max(probabilities))


def _loss(told: Training, columns: Columns) -> Callable[[Any, Any], Value]:
    fitting = ["cross_entropy"] if columns.classes else ["squared_error", "mean_absolute_error"]
    name = fitting[0] if told.loss == "auto" else told.loss
    if name not in fitting:
        raise ValueError(
            f"--loss {name}: the target is {_described(columns)}, for which there is {' or '.join(fitting)}"
        )
    if name == "cross_entropy" and told.layers[-1] == 1:
        name = "binary_cross_entropy_with_logits"
    loss: Callable[[Any, Any], Value] = getattr(losses, name)
    return loss


def _check_sizes(layers: list[int], columns: Columns) -> None:
    classes = len(columns.classes)
    if layers[-1] not in ([1, 2] if classes == 2 else [classes or 1]):
        needed = "1 or 2 units" if classes == 2 else f"{classes or 1} unit{'s' if classes else ''}"
        right = ",".join(map(str, [*layers[:-1], 1 if classes == 2 else classes or 1]))
        raise ValueError(
            f"--layers {','.join(map(str, layers))}: the target is {_described(columns)}, so the last layer "
            f"has {needed}, as in --layers {right}"
        )
    parameters = sum((before + 1) * size for before, size in pairwise([len(columns.inputs), *layers]))
    if parameters > MOST_PARAMETERS:
        raise ValueError(
            f"--layers: {parameters:,} weights are too many; up to {MOST_PARAMETERS:,} are trained"
        )


def _described(columns: Columns) -> str:
    if columns.target_scale:
        return f"{columns.target!r}, a number"
    return f"{columns.target!r}, with {len(columns.classes)} classes ({listed(columns.classes)})"


def _split(table: Table, fraction: float, random: Random) -> tuple[Table, Table]:
    """The rows that are learned from, and those held out, both in the order of the table."""
    n = len(table.rows)
    count = round(n * fraction)
    if fraction and not 0 < count < n:
        raise ValueError(
            f"--validation {fraction:g}: this holds out {count} of {_rows(table)}; both parts need some"
        )
    held_out = set(random.sample(range(n), count))
    return (
        table.part([row for i, row in enumerate(table.rows) if i not in held_out]),
        table.part([row for i, row in enumerate(table.rows) if i in held_out]),
    )


def _optimizer(told: Training) -> SGD | Adam:
    if told.optimizer == "sgd":
        return SGD(0.1 if told.lr is None else told.lr, told.momentum)
    if told.momentum:
        raise ValueError("--momentum belongs to --optimizer sgd; adam has its own")
    return Adam(0.01 if told.lr is None else told.lr)


def _is_number(text: str) -> bool:
    number = as_number(text)
    return number is not None and math.isfinite(number)


def _rows(table: Table) -> str:
    return f"{len(table.rows)} row{'' if len(table.rows) == 1 else 's'}"


# Prediction.


def predict(network_path: Path, data: Path, output: Path | None) -> None:
    """Print what a saved network makes of a table, as CSV; measure it where the target is known."""
    if output:
        storage.check_writable(output, "--output")
    network, about = storage.read(network_path)
    table = read_table(data)
    n_inputs, n_outputs = _ends(network)
    if "table" in about:
        try:
            columns = Columns.told(about["table"], n_inputs, n_outputs)
        except ValueError as error:
            raise ValueError(f"{network_path}: {error}") from None
        _check_columns(network_path, table, columns)
        results = outputs_of(network, columns.samples(table))
        text = _as_csv(_predictions(columns, results))
        _measure_known(table, columns, results)
    else:
        text = _as_csv(_raw(outputs_of(network, _samples(network_path, table, n_inputs)), n_outputs))
    if output:
        storage.write_whole(output, text.encode(), "--output")
        print(f"The predictions are in {output}", file=sys.stderr)
    else:
        sys.stdout.write(text)


def _ends(network: storage.Network) -> tuple[int, int]:
    """How many inputs and outputs a network has."""
    if isinstance(network, Unit):
        return len(network.weights), 1
    layers = [network] if isinstance(network, Layer) else network.layers
    return len(layers[0][0].weights), len(layers[-1])


def _check_columns(network_path: Path, table: Table, columns: Columns) -> None:
    missing = [name for name in columns.inputs if name not in table.header]
    if missing:
        raise ValueError(
            f"{network_path} was trained on the columns {listed(columns.inputs)}, "
            f"and {table.name} lacks {listed(missing)}; it has {listed(table.header)}"
        )


def _samples(network_path: Path, table: Table, n_inputs: int) -> list[list[float]]:
    """The rows of a table for a network that knows no names of columns."""
    if len(table.header) != n_inputs:
        raise ValueError(
            f"{network_path} knows no names of columns and takes a table of {n_inputs}; "
            f"{table.name} has {len(table.header)}: {listed(table.header)}"
        )
    return [list(row) for row in zip(*map(table.numbers, table.header))]


def _predictions(columns: Columns, results: Sequence[Any]) -> list[Sequence[object]]:
    if columns.target_scale:
        return [["prediction"], *([columns.target_scale.restored(y)] for y in results)]
    header = ["prediction", *(f"probability of {name}" for name in columns.classes)]
    rows = map(probabilities, results)
    return [header, *([columns.classes[_most(row)], *row] for row in rows)]


def _raw(results: Sequence[Any], n_outputs: int) -> list[Sequence[object]]:
    if n_outputs == 1:
        return [["prediction"], *([y] for y in results)]
    return [[f"output {k}" for k in range(1, n_outputs + 1)], *results]


def _measure_known(table: Table, columns: Columns, results: Sequence[Any]) -> None:
    """Say on the error stream how good the predictions are, for the rows whose target is there."""
    if columns.target not in table.header:
        return
    place = table.header.index(columns.target)
    known = [(row, y) for row, y in zip(table.rows, results) if row.cells[place]]
    if known:
        part = table.part([row for row, _ in known])
        measured = measure(columns, [y for _, y in known], targets_of(part, columns))
        print(f"{_rows(part)} with a known target: {measured}", file=sys.stderr)


def _as_csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
