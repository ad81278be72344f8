"""A plan as a table: which operations on arrays were found, their shapes, and for which units."""

from __future__ import annotations

from microbp.compiler.plan import Plan, Step
from microbp.traversal import one_line

SHOWN = 60  # steps; of more than that, those in the middle are left out


def headline(plan: Plan) -> str:
    """A plan in one line.

    >>> from microbp import MLP
    >>> from microbp.compiler.plan import plan
    >>> from microbp.compiler.recording import record
    >>> headline(plan(record(MLP(2, [3, 1]), [(2,)], None)))
    'MLP(x): 13 parameters; 8 operations of a sample became 4 steps of a batch'
    """
    recording = plan.recording
    arguments = ", ".join(recording.argument_names)
    return (
        f"{one_line(recording.name)}({arguments}): {_count(len(recording.parameters), 'parameter')}; "
        f"{_count(plan.recorded_operations, 'operation')} of a sample became "
        f"{_count(len(plan.steps), 'step')} of a batch"
    )


def describe(plan: Plan) -> str:
    """A plan as a table of its steps.

    >>> from microbp import MLP
    >>> from microbp.compiler.plan import plan
    >>> from microbp.compiler.recording import record
    >>> print(describe(plan(record(MLP(2, [3, 1]), [(2,)], None))))
    MLP(x): 13 parameters; 8 operations of a sample became 4 steps of a batch
    <BLANKLINE>
    1  u1[1] .. u1[3]  matrix product + bias  (samples, 2) @ (2, 3) + (3,)
    2  z1[1] .. z1[3]  sigmoid                (samples, 3)
    3  u2[1]           matrix product + bias  (samples, 3) @ (3, 1) + (1,)
    4  z2[1]           sigmoid                (samples, 1)
    """
    rows = [
        (str(k), _nodes(plan, step), _operation(step), _shape(step))
        for k, step in enumerate(plan.steps, start=1)
    ]
    if len(rows) > SHOWN:
        rest = len(rows) - SHOWN
        rows = [*rows[: SHOWN // 2], ("...", f"{rest:,} more steps", "", ""), *rows[-SHOWN // 2 :]]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join([row[0].rjust(widths[0]), *map(str.ljust, row[1:], widths[1:])]) for row in rows]
    return "\n".join([headline(plan), "", *map(str.rstrip, lines)])


def _nodes(plan: Plan, step: Step) -> str:
    first, last = (one_line(plan.labels[step.nodes[k]])[:24] for k in (0, -1))
    if len(step.nodes) == 1:
        return first
    return f"{first} .. {last}" if first and last and first != last else f"{len(step.nodes)} nodes"


def _operation(step: Step) -> str:
    times = f"{len(step.operands[0])} times " if step.kind == "matrix" and len(step.operands[0]) > 1 else ""
    match step.kind:
        case "matrix":
            name = f"{times}matrix product" + (" + bias" if len(step.operands) == 3 else "")
        case "dot":
            name = f"sum of {len(step.operands[0])} products"
        case "lift":
            name = "the same for all samples"
        case "reduce" | "pick":
            name = f"{step.rule} of {len(step.operands[0])}"
        case "row":
            name = f"{step.rule} of {sum(grid.size for grid in step.operands) // len(step.nodes)}"
        case _:
            name = f"{step.rule} {step.number:g}" if step.holds_number else step.rule
    return name if step.of_sample else f"{name}, once for all samples"


def _shape(step: Step) -> str:
    G = len(step.nodes)
    rows = "samples, " if step.of_sample else ""
    if step.kind != "matrix":
        return f"({rows}{G})" if rows else f"({G},)"
    T, n = step.operands[0].shape
    stack = f"{T}, " if T > 1 else ""
    bias = f" + ({G // T},)" if len(step.operands) == 3 else ""
    return f"({rows}{stack}{n}) @ ({n}, {G // T}){bias}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"
