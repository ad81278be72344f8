"""A plan as NumPy source: both passes over a batch, as one would write them by hand.

A batch of B samples is an array (B, n), a row for each; parameters are one flat array.  U1, Z1,
W1 and so on have their names from the labels of the nodes that they hold, D1 is dE/dU1, and what
bears no label is V1, V2, ...
"""

from __future__ import annotations

import re
from itertools import chain

from microbp.compiler.arrangement import Regular
from microbp.compiler.plan import Plan, Step
from microbp.compiler.sources.kinds import Written, written_of
from microbp.compiler.sources.own import for_arrays
from microbp.compiler.sources.text import Product, bracketed, called_on, helpers_of, wrapped
from microbp.compiler.sources.writer import Writer, complete
from microbp.structures import Structure, parts_of
from microbp.value import Value

INDENT = "    "


def numpy_source(plan: Plan, reduction: str = "mean") -> str:
    """The source of a module that runs a plan on a batch, with NumPy and nothing else.

    For a single output it defines `value_and_grad(parameters, X, T, ...)`, which returns the mean
    of the output over the samples, or its sum if `reduction` is "sum", and the gradient, flat and
    in the order of the parameters.  For several outputs it defines `outputs(parameters, X, ...)`:
    a list of n outputs gives an array (B, n), lists within it further axes, and lists of uneven
    lengths, tuples and dicts give such of what their members give.

    `parameters` is a flat array of floats in the order of the recording; an array `fixed` follows
    where Values are read that are not trained; then there is an array for each argument, (B,) if
    that is one number, (B, n) if it is a list of n, and so on.
    """
    if reduction not in ("mean", "sum"):
        raise ValueError(f'numpy_source: reduction is "mean" or "sum", not {reduction!r}')
    writer = Writer(plan)
    steps = _forward(writer)
    several = not isinstance(plan.recording.outputs, Value)
    body = _outputs(writer) if several else _value_and_grad(writer, steps, reduction)
    head = ["# the parameters", *writer.head] if writer.head else []
    lines = [*_signature(writer, several, reduction), *_columns(writer), *head, *body]
    used = set(re.findall(r"\w+", "\n".join(lines)))
    constants = [f"{name} = {text}" for text, name in writer.constants.items() if name in used]
    helpers = helpers_of([*constants, *lines])
    own = [for_arrays(name, rule) for name, rule in writer.own.items()]
    imports = [text for text in own if not text.startswith("def ")]
    opening = chain(["import numpy as np", *imports], *(wrapped(line, "") for line in ["", *constants]))
    helpers += [text for text in own if text.startswith("def ")]
    return "\n\n\n".join(text.strip() for text in ["\n".join(opening), *helpers, _function(lines)]) + "\n"


def _signature(writer: Writer, several: bool, reduction: str) -> list[str]:
    fixed = ["fixed"] if writer.plan.recording.fixed else []
    arguments = ", ".join(["parameters", *fixed, *(argument.name for argument in writer.arguments)])
    if several:
        return [f"def outputs({arguments}):", '"""The outputs for a batch."""']
    what = "mean loss" if reduction == "mean" else "sum of the losses"
    return [
        f"def value_and_grad({arguments}):",
        f'"""The {what} of a batch, and its gradient in the order of the parameters."""',
    ]


def _columns(writer: Writer) -> list[str]:
    """Arguments that are not lists of numbers, brought into rows."""
    return [
        f"{argument.name} = {argument.name}.reshape(-1, {argument.size})"
        for argument, structure in zip(writer.arguments, writer.plan.recording.inputs)
        if isinstance(structure, Value) or any(isinstance(each, (list, tuple)) for each in structure)
    ]


# The forward pass.


def _forward(writer: Writer) -> list[Written]:
    """Write the steps, and give them for the way back."""
    consumers = _consumers(writer.plan)
    steps = []
    for step in writer.plan.steps:
        written = written_of(writer, step)
        consumer = consumers.get(int(step.nodes[0]))
        if consumer is None or not written.inline(*consumer):
            written.forward()
        steps.append(written)
    return steps


def _consumers(plan: Plan) -> dict[int, tuple[Step, int]]:
    """What reads a step, if that is one operand of one other: that step and the operand's place.

    Steps are known by their first nodes here.
    """
    first = {node: int(step.nodes[0]) for step in plan.steps for node in step.nodes.tolist()}
    readers: dict[int, list[tuple[Step, int]]] = {}
    for step in plan.steps:
        for k, grid in enumerate(step.operands):
            for each in {first[node] for node in grid.ravel().tolist() if node in first}:
                readers.setdefault(each, []).append((step, k))
    kept = {first.get(output) for output in plan.outputs}
    return {each: found[0] for each, found in readers.items() if len(found) == 1 and each not in kept}


# The backward pass.


def _value_and_grad(writer: Writer, steps: list[Written], reduction: str) -> list[str]:
    output = writer.operand(writer.plan.outputs)
    seed = Product(factors=(("/", writer.samples),)) if reduction == "mean" else Product()
    forward, writer.body = writer.body, []
    writer.send(output, seed, output.text, True)
    for of_sample in (True, False):
        for written in reversed(steps):
            if written.step.of_sample is of_sample and written.step.trained:
                gradient = writer.gradient_of(written.array)
                if gradient is not None:
                    written.backward(gradient)
        if of_sample:
            writer.flush()
    _gradient(writer)
    return [
        "# forward",
        *forward,
        "# backward",
        *writer.body,
        f"return {called_on(output.text, f'.{reduction}()')}, gradient",
    ]


def _gradient(writer: Writer) -> None:
    """The last line: the gradient itself."""
    total = writer.gradient_of(writer.parameters)
    if total is None:
        writer.line("gradient = np.zeros_like(parameters)")
    elif str(total) != "gradient":
        text = str(complete(total, "parameters", False, writer.parameters.size))
        writer.line(f"gradient = {text}.copy()" if text.isidentifier() else f"gradient = {text}")


# Several outputs.


def _outputs(writer: Writer) -> list[str]:
    results = _entries(writer, writer.plan.recording.arrangement)
    return ["# forward", *writer.body, f"return {results}"]


def _entries(writer: Writer, arrangement: Structure) -> str:
    if isinstance(arrangement, Regular):
        operand = writer.operand(writer.plan.outputs[arrangement.places])
        if len(arrangement.shape) == 1:
            return operand.text
        return called_on(operand.text, f".reshape({', '.join(map(str, (-1, *arrangement.shape)))})")
    return bracketed(arrangement, [_entries(writer, part) for _, part in parts_of(arrangement) or []])


# The text.


def _function(lines: list[str]) -> str:
    head, *rest = lines
    return "\n".join(chain([head], *(wrapped(line, INDENT) for line in rest))) + "\n"
