"""Recording: a scalar function's graph, recorded once, with what stands for the numbers of a sample."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from microbp.arguments import described
from microbp.compiler.arrangement import Regular, arrangement
from microbp.compiler.traced import SAME, Demand, Traced
from microbp.structures import Structure, flat, is_array, like
from microbp.traversal import first_stale, leaves, topological
from microbp.value import Value, apply, as_value, name_of, next_birth


@dataclass(eq=False)
class Recording:
    """The graph from `inputs`, one structure of leaves for each argument, to `outputs`.

    `parameters` are the leaves that can be trained; `fixed` are other leaves that were there before
    the function was called, read anew whenever the program runs.  `nodes` is every node that the
    outputs need, after its inputs.  `replay` computes a sample with the eager engine: it takes the
    arguments, numbers or Values in the inputs' structures.
    """

    name: str
    inputs: list[Structure]
    outputs: Structure
    nodes: list[Value]
    parameters: list[Value]
    fixed: list[Value]
    demands: list[Demand]
    replay: Callable[..., Structure]
    argument_names: list[str] = field(default_factory=list)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shape of a sample, for each argument."""
        return [arrangement(structure).shape for structure in self.inputs]

    @cached_property
    def arrangement(self) -> Structure:
        """The outputs' structure, with a `Regular` for each array in it."""
        return arrangement(self.outputs)

    @cached_property
    def plain(self) -> set[Value]:
        """The inputs that are plain numbers to the function: indices, and those of which it makes Values."""
        return self.indices | {
            node.inputs[0] for node in self.nodes if node.rule is SAME and not node.inputs[0].rule
        }

    @cached_property
    def indices(self) -> set[Value]:
        """The inputs that are a place or the number of a class: plain numbers to the eager engine."""
        picks = [
            node for node in self.nodes if node.rule and node.rule.name == "pick" and not node.rule.place
        ]
        asked = [demand.node for demand in self.demands if demand.error is IndexError]
        return set(leaves(*(pick.inputs[-1] for pick in picks), *asked))


def record(
    function: Callable[..., Structure], shapes: Sequence[tuple[int, ...]], parameters: Sequence[Value] | None
) -> Recording:
    """Call `function` once with Values that stand for a sample, of these shapes, and record its graph.

    It is called a second time to see whether it does the same again: what is drawn at random
    inside it, or counted from call to call, would be frozen.

    Raises TypeError or ValueError where the function cannot be compiled, saying why.
    """
    name = getattr(function, "__name__", type(function).__name__)
    names = _argument_names(function, shapes)
    first = _trace(function, name, names, shapes, parameters)
    second = _trace(function, name, names, shapes, parameters)
    if _wiring(first) != _wiring(second):
        raise ValueError(
            f"{name} did not compute the same graph when it was called a second time: something random, or "
            "something that changes from call to call, would be frozen into the program.  Pass what "
            'changes as an argument, or stay with the eager engine (fit(..., engine="eager"))'
        )
    return first


def recorded(
    outputs: Structure, inputs: Sequence[Structure], parameters: Sequence[Value] | None
) -> Recording:
    """The graph that was recorded when `outputs` were computed eagerly, with these leaves as its inputs.

    Raises TypeError for inputs that are not leaves or come twice, ValueError for a stale graph.
    """
    if not isinstance(inputs, (list, tuple)):
        raise TypeError(
            "compile: the inputs come in a list, one for each array of samples, as in inputs=[x, t], "
            f"not {described(inputs)}"
        )
    structures = [_listed(each) for each in inputs]
    for leaf in flat(structures):
        if not isinstance(leaf, Value):
            raise TypeError(f"compile: the inputs are Values of the graph, not {described(leaf)}")
        if leaf.inputs:
            raise TypeError(
                f"compile: an input is a leaf, a number that was given, and {name_of(leaf)!r} was computed "
                "from other Values"
            )
    for structure in structures:
        if not isinstance(arrangement(structure), Regular):
            raise TypeError(
                "compile: each of the inputs is a Value, or a list of Values as regular as an array; "
                f"a {type(structure).__name__} of {len(structure)} came that is not"
            )
    given = dict.fromkeys(flat(structures))
    if len(given) < len(flat(structures)):
        raise TypeError("compile: a Value is given twice among the inputs")
    _check_outputs(outputs, "compile: instead of a graph of Values there came")
    _check_fresh(flat(outputs))
    nodes = topological(*flat(outputs))
    chosen, fixed = _parameters([leaf for leaf in nodes if not leaf.inputs and leaf not in given], parameters)
    for parameter in chosen:
        if parameter in given:
            raise ValueError(
                f"compile: {name_of(parameter)!r} is both an input and a parameter; an input comes with each "
                "sample and a parameter is trained, so it has to be one of the two"
            )
    names = [
        (each.label if isinstance(each, Value) else "") or f"x{k}"
        for k, each in enumerate(structures, start=1)
    ]
    return Recording(
        name_of(flat(outputs)[0]) or "E",
        structures,
        outputs,
        nodes,
        chosen,
        fixed,
        [],
        _rerun(outputs, structures, nodes),
        names,
    )


def _listed(input: Structure) -> Structure:
    """The Values of an input in lists, as the samples of an array come."""
    if isinstance(input, (list, tuple)) or is_array(input):
        return [_listed(each) for each in input]
    return input


def _argument_names(function: Callable[..., Any], shapes: Sequence[tuple[int, ...]]) -> list[str]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    required = [p.name for p in parameters if p.name in positional and p.default is p.empty]
    if parameters and (len(shapes) < len(required) or (len(shapes) > len(positional) and not variadic)):
        name = getattr(function, "__name__", type(function).__name__)
        raise TypeError(
            f"{name} takes {len(positional)} argument{'s' if len(positional) != 1 else ''} "
            f"({', '.join(positional)}), and data for {len(shapes)} came; give one array of samples for each"
        )
    return [positional[k] if k < len(positional) else f"x{k + 1}" for k in range(len(shapes))]


def _trace(
    function: Callable[..., Structure],
    name: str,
    names: Sequence[str],
    shapes: Sequence[tuple[int, ...]],
    parameters: Sequence[Value] | None,
) -> Recording:
    start, asked = next_birth(), []  # type: int, list[Demand]
    inputs = [_inputs(name, shape, (), asked) for name, shape in zip(names, shapes)]
    try:
        outputs = function(*inputs)
        demands = _each_once(asked)
    finally:
        asked.clear()  # it holds nodes that hold it
    _check_outputs(outputs, f"{name} returned")
    nodes = topological(*flat(outputs))
    before = [node for node in nodes if node.birth < start]
    _check_fresh([node for node in before if node.inputs])
    chosen, fixed = _parameters([leaf for leaf in before if not leaf.inputs], parameters)
    made = Recording(name, inputs, outputs, nodes, chosen, fixed, demands, function, list(names))
    for leaf in before:
        if leaf in made.indices:
            raise TypeError(
                f"{name} picks by an index that is computed from {name_of(leaf)!r}, a Value; an index has no "
                "derivative and has to be a number of the sample, or a plain number"
            )
    return made


def _inputs(name: str, shape: tuple[int, ...], place: tuple[int, ...], demands: list[Demand]) -> Structure:
    if not shape:
        return Traced.input(f"{name}[{','.join(map(str, place))}]" if place else name, demands)
    return [_inputs(name, shape[1:], (*place, i), demands) for i in range(1, shape[0] + 1)]


def _each_once(demands: Iterable[Demand]) -> list[Demand]:
    """The first of those that ask the same of the same node: a table looked up by rows asks once."""
    found: dict[tuple[Value, Callable[[Any], Any]], Demand] = {}
    for demand in demands:
        found.setdefault((demand.node, demand.holds), demand)
    return list(found.values())


def _check_outputs(outputs: Structure, came: str) -> None:
    found = flat(outputs)
    if not found:
        raise TypeError(f"{came} no Values; a Value, or a structure of Values, can be compiled")
    for output in found:
        if not isinstance(output, Value):
            raise TypeError(
                f"{came} {described(output)}; a Value, or lists, tuples or dicts of Values, "
                "can be compiled.  Perhaps it has lost the graph by turning a Value into a number"
            )


def _check_fresh(nodes: Iterable[Value]) -> None:
    stale = first_stale(*nodes)
    if stale is not None:
        raise ValueError(
            f"compile: {name_of(stale)!r} no longer follows from what it was computed from, as some .data "
            "was assigned since; run the graph again with recompute() first"
        )


def _parameters(
    outside: Sequence[Value], parameters: Sequence[Value] | None
) -> tuple[list[Value], list[Value]]:
    """Which leaves are trained, and which others are read."""
    if parameters is None:
        return list(outside), []
    chosen = dict.fromkeys(parameters)
    for parameter in chosen:
        if not isinstance(parameter, Value) or parameter.inputs or parameter.traced:
            raise TypeError(f"compile: parameters are leaf Values, and {name_of(parameter)!r} is not one")
    return list(chosen), [leaf for leaf in outside if leaf not in chosen]


def _wiring(recording: Recording) -> list[Any]:
    """The graph as plain data, equal for two recordings of the same graph."""
    place = {node: k for k, node in enumerate(flat(recording.inputs))}
    outside = {leaf: k for k, leaf in enumerate([*recording.parameters, *recording.fixed])}
    rows: list[Any] = []
    for node in recording.nodes:
        if node in place:
            continue
        place[node] = len(place)
        if node.rule is None:
            rows.append(outside[node] if node in outside else node.data.hex())
        else:
            rows += (node.rule, str(node.constant), *[place[input] for input in node.inputs])
    return [*rows, *[place[output] for output in flat(recording.outputs)]]


def _rerun(
    outputs: Structure, inputs: Sequence[Structure], nodes: Sequence[Value]
) -> Callable[..., Structure]:
    """A function that computes a recorded graph anew, on Values of its own, for other inputs."""

    def rerun(*arguments: Any) -> Structure:
        given = zip(flat(list(inputs)), flat(list(arguments)))
        now = {leaf: as_value(number, name_of(leaf), leaf.label) for leaf, number in given}
        for node in nodes:
            if node.rule is not None:
                operands = [now.get(o, o) if isinstance(o, Value) else o for o in node.operands]
                now[node] = apply(node.rule, operands)
                now[node].label = node.label
        return like(outputs, [now.get(output, output) for output in flat(outputs)])

    return rerun
