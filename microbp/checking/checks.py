"""`gradcheck`: every derivative beside a measured one, by the inputs and operation by operation.

The derivatives by the inputs say whether something is wrong; the operations, each taken by
itself at the numbers it was given, say which rule it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from microbp.arguments import check_count, check_flag, counted
from microbp.checking.local_slopes import distinct, measured
from microbp.checking.subjects import Subject, of_function, of_graph
from microbp.checking.verdicts import Comparison, GradientError, GradientReport, LocalComparison
from microbp.measurement import slope_at
from microbp.traversal import derivatives
from microbp.value import Value, as_float, computed

MOST_WORK = 4_000_000  # operations computed to measure the derivatives by the inputs
EVALUATIONS = 15  # of a function to measure one of its slopes, as a rule
WORK_OF_A_SLOPE = 100  # in operations, beside the evaluations
ROUNDING = 1e-10  # of a local derivative, relative: what rounding leaves of one at operands of some size


def gradcheck(
    f_or_output: Any,
    *arguments: Any,
    argnums: int | Iterable[int] | None = None,
    order: int = 1,
    rtol: float = 1e-8,
    atol: float = 0.0,
    raise_error: bool = True,
) -> GradientReport:
    """Compare every derivative with a measured one: those by the inputs, and those of each operation.

    Given a function and its arguments, numbers or Values or structures of them, all of its results
    are checked by all arguments, or by those that `argnums` counts from 0.  Given a Value that was
    computed (or a list of them) it is checked by the leaves of its graph, or by the Values that
    follow it; nothing of the graph is touched.

    >>> def f(x, y):
    ...     return x * y[0] + y[1] ** 2
    >>> gradcheck(f, 2.0, [1.0, 3.0])  # doctest: +NORMALIZE_WHITESPACE
    derivative  computed  measured  estimated error  verdict
    df/dx              1         1            ...     agrees
    df/dy[1]           2         2            ...     agrees
    df/dy[2]           6         6            ...     agrees
    3 derivatives by 3 inputs and 5 local derivatives of 3 operations agree; the largest difference is ...
    >>> w, x = Value(0.5, "w"), Value(2.0, "x")
    >>> E = (w * x - 3.0) ** 2
    >>> assert gradcheck(E, w)

    Slopes are measured by difference quotients extrapolated to a step of 0, which come with an
    estimate of their error.  A derivative is right within ten times that error, `rtol` of its size
    and `atol`.  At a kink every slope between those of the two sides is right.  With `order=2` the
    derivatives of the derivatives are checked too, and so on.

    Every operation is measured at the operands it was given, once where these are equal; of more
    than 5000 local derivatives every operand of every rule gets its share.  Derivatives by the inputs
    are left out where a graph is too large.  The report says what was left unchecked.

    Raises GradientError, an AssertionError whose message is the report, where something is wrong,
    unless `raise_error=False`: then the report is false.  A function that gives other results when
    called again is wrong.  Raises TypeError for arguments that are no numbers, and ValueError for
    a graph that is stale.
    """
    check_count(order, "gradcheck: order")
    check_flag(raise_error, "gradcheck: raise_error")
    tolerance = _tolerance(rtol, "rtol"), _tolerance(atol, "atol")
    if callable(f_or_output):
        subjects = of_function(f_or_output, arguments, argnums, order)
    elif argnums is None:
        subjects = of_graph(f_or_output, arguments, order)
    else:
        raise TypeError("gradcheck: argnums counts the arguments of a function; a graph is given its Values")
    report = _report(subjects, *tolerance)
    if raise_error and not report:
        raise GradientError(report)
    return report


def _tolerance(number: Any, name: str) -> float:
    tolerance = as_float(number, f"gradcheck: {name}")
    if not 0.0 <= tolerance < math.inf:
        raise ValueError(f"gradcheck: {name} is a number, at least 0, not {tolerance}")
    return tolerance


def _report(subjects: Sequence[Subject], rtol: float, atol: float) -> GradientReport:
    found: list[Comparison] = []
    unchecked: list[str] = []
    fault = None
    for subject in subjects:
        inputs = _affordable(subject)
        fault = _fault(subject)
        if not fault:
            found += _by_inputs(subject, inputs, rtol, atol)
            fault = _fault(subject)  # it may have come with the calls
        if fault:
            break
        if len(inputs) < len(subject.inputs):
            unchecked.append(_left_out(len(inputs), subject))
    nodes = distinct(dict.fromkeys(node for subject in subjects for node in subject.order))
    local = [LocalComparison(*each[1:], rtol, atol, each) for each in measured(nodes)]
    of_all = sum(len(node.inputs) for node in nodes)
    if len(local) < of_all:
        unchecked.append(
            f"{of_all - len(local):,} of {of_all:,} local derivatives; those measured are spread over "
            "the graph, and every operand of every rule is among them"
        )
    if not fault and any(each.verdict == "wrong" for each in found):
        fault = _between(subjects[0].f, found, local, complete=len(local) == of_all)
    n_operations = len({each.local.node for each in local})
    faults = [fault] if fault else []
    return GradientReport(found, local, len(subjects[0].inputs), n_operations, faults, unchecked)


def _affordable(subject: Subject) -> range:
    """The places of the inputs that are measured by: all, or some evenly spread where that takes too long."""
    work = EVALUATIONS * len(subject.order) + WORK_OF_A_SLOPE * len(subject.ends)
    n, most = len(subject.inputs), MOST_WORK // work
    return range(0, n, -(-n // most) or 1) if most else range(0)


def _left_out(measured: int, subject: Subject) -> str:
    n, size = len(subject.inputs), counted(len(subject.order), "operation")
    of = f"{n - measured:,} of {counted(n, 'input')}"
    return f"the derivatives by {of}, as the graph has {size}"


def _fault(subject: Subject) -> str | None:
    """What makes it useless to measure: results that are not finite, or others at each call."""
    for name, output in subject.outputs:
        if not math.isfinite(output.data):
            return f"{name} is {output.data} here, and has no derivative: take a point where it is finite."
    if subject.again is None:
        return None
    for (name, output), result in zip(subject.outputs, subject.again()):
        if result != output.data:
            return (
                f"{subject.f} is not a function of its arguments alone: {name} was {output.data!r}, and "
                f"{result!r} when it was called again with the same.  Fix its random numbers with a seed, "
                "and what it remembers from call to call."
            )
    return None


def _by_inputs(subject: Subject, inputs: Iterable[int], rtol: float, atol: float) -> Iterator[Comparison]:
    """The derivatives of every result by some of the inputs, beside what is measured."""
    slopes_of = [derivatives(output) for output in subject.ends] if inputs else []
    found = [(slopes, _rounding(output, slopes)) for slopes, output in zip(slopes_of, subject.ends)]
    names = subject.derived()
    for k in inputs:
        results, (_, input) = subject.by(k), subject.inputs[k]
        for place, (slopes, rounding) in enumerate(found):
            measured = slope_at(lambda x: results(x)[place], input.data)  # noqa: B023
            name = names[place * len(subject.inputs) + k]
            allowed = atol + rounding.get(input, 0.0)
            yield Comparison(name, slopes.get(input, 0.0), measured, rtol, allowed)


def _rounding(output: Value, slopes: Mapping[Value, float]) -> dict[Value, float]:
    """How far each derivative may be off by rounding: more than its size tells, where large terms cancel."""
    doubts = dict.fromkeys(slopes, 0.0)
    for node in reversed(computed(output)):
        doubt = doubts[node] + ROUNDING * abs(slopes[node])
        for input, partial in zip(node.inputs, node.partials):
            doubts[input] += abs(partial) * doubt
    return {node: doubt if math.isfinite(doubt) else 0.0 for node, doubt in doubts.items()}


def _between(
    f: str, found: Sequence[Comparison], local: Sequence[LocalComparison], complete: bool
) -> str | None:
    """Why derivatives may be wrong where no rule is."""
    if any(each.verdict == "wrong" for each in local):
        return None
    right = "All operations are right" if complete else "All operations that were measured are right"
    if any(each.verdict == "wrong" and not math.isfinite(each.computed) for each in found):
        return f"{right}, so what is not finite comes from 0 times infinity along a path."
    conventions = sum(each.verdict in ("kink", "jump") for each in local)
    if conventions:
        return (
            f"{right}, but {counted(conventions, 'local derivative')} at a kink or jump "
            f"{'is a convention' if conventions == 1 else 'are conventions'}, for which the chain rule "
            "need not hold."
        )
    if f:
        return f"{right}, so {f} loses or changes something between: is .data used inside it?"
    return f"{right}, so numbers are lost between them, as where large ones nearly cancel."
