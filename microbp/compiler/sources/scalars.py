"""Scalar source: the backpropagation of one sample as plain Python, a line for each number.

What a program does to whole arrays is spelled out here number by number, as one would by hand.
Forward and backward are the rows of the table, their operands' names filled in.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from microbp.compiler.recording import Recording
from microbp.compiler.sources.names import Names
from microbp.compiler.sources.rows import literal, parse, preamble, term
from microbp.compiler.sources.text import bracketed
from microbp.rules import many
from microbp.structures import Structure, flat, parts_of
from microbp.traversal import FoundUnit, larger_than, units
from microbp.value import Value

LARGEST = 200_000  # nodes, or operands
WIDTH = 100
_LONGEST_SUM = 50  # terms; Python's compiler goes one level deeper for each


def scalar_source(recording: Recording) -> str:
    """One sample's pass as Python that needs nothing but `math`: the function `backprop`.

    It takes the arguments of the recorded function, then the numbers of the parameters in their
    order, then those of the fixed leaves if there are any, and returns the loss and a list of its
    derivatives by the parameters.  Of a function with several outputs there is no derivative to
    give: the text is that of `forward`, which returns them in their structure.

    The derivative by x is called d_x, but the one by a unit's input u is its delta (eq. 2), so
    that dE/dw = delta z (eq. 3) stands there as such.  Where a slope is infinite, as that of sqrt
    at 0, plain Python raises ZeroDivisionError.

    Raises ValueError for a graph too large to be read line by line.

    >>> from microbp.compiler.recording import recorded
    >>> w, x, t = Value(0.5, "w"), Value(2.0, "x"), Value(3.0, "t")
    >>> print(scalar_source(recorded((w * x - t) ** 2, [x, t], [w])), end="")
    def backprop(x, t, parameters):
        \"\"\"One sample forward and backward: E, and dE/dw for each w of `parameters`.
    <BLANKLINE>
        On the way back d_z is dE/dz.
        \"\"\"
        [w] = parameters
    <BLANKLINE>
        # forward
        v1 = w * x
        v2 = v1 - t
        E = v2 ** 2
    <BLANKLINE>
        # backward
        d_v2 = 2 * v2
        d_w = d_v2 * x
        return E, [d_w]
    """
    if larger_than(LARGEST, LARGEST, *flat(recording.outputs)):
        raise ValueError(
            f"{recording.name}: the recorded graph has more than {LARGEST:,} nodes or operands, too many to "
            "be read one by one; program.source, the matrix form, is the readable text of such a graph"
        )
    names = Names(recording)
    lines = [*_unpacking(recording, names), *_section("forward", _forward(recording, names))]
    result = _broken(_structure(recording.outputs, names))
    name, does = "forward", "One sample forward: the outputs."
    if isinstance(recording.outputs, Value):
        backward = _Backward(recording, names)
        lines += _section("backward", backward.lines())
        name, does = "backprop", backward.summary()
        result += f", {_bracketed(backward.gradients())}"
    arguments = ", ".join([*names.arguments, "parameters", *["fixed"] * bool(recording.fixed)])
    head = f'def {name}({arguments}):\n    """{does}"""\n'
    body = "\n".join([*lines, f"    return {result}\n"])
    return "\n\n".join([*preamble(body, names.own), head + body])


def _section(title: str, lines: Iterable[str]) -> list[str]:
    found = list(lines)
    return ["", f"    # {title}", *found] if found else []


# Lines.


def _unpacking(recording: Recording, names: Names) -> Iterator[str]:
    """What gives the numbers of the arguments their names."""
    arguments = list(zip(names.arguments, recording.inputs))
    arguments += [("parameters", recording.parameters)] * bool(recording.parameters)
    arguments += [("fixed", recording.fixed)] * bool(recording.fixed)
    for argument, structure in arguments:
        if isinstance(structure, Value):
            continue
        texts = [_structure(each, names) for each in structure]
        line = f"    {', '.join(texts)} = {argument}"
        yield line if len(texts) > 1 and len(line) <= WIDTH else f"    {_bracketed(texts)} = {argument}"


def _structure(structure: Structure, names: Names) -> str:
    """The names of a structure's Values, in the lists and tuples that hold them."""
    parts = parts_of(structure)
    if parts is None:
        return names.of[structure]
    return bracketed(structure, [_structure(each, names) for _, each in parts])


def _forward(recording: Recording, names: Names) -> Iterator[str]:
    for constant in names.constants:
        yield f"    {names.of[constant]} = {literal(constant.data)}"
    for node in recording.nodes:
        if node.rule is not None:
            bound = dict(zip(node.rule.parameters, _texts(node, names)))
            yield _assignment(names.of[node], list(_terms(parse(node.rule.forward), bound)))


def _texts(node: Value, names: Names) -> list[Any]:
    """The names and numbers of a node's operands, dealt out to the parameters of its row."""
    assert node.rule is not None
    return node.rule.group(
        [names.of[o] if isinstance(o, Value) else literal(float(o)) for o in node.operands]
    )


def _terms(row: ast.expr, bound: Mapping[str, Any]) -> Iterator[str]:
    """A row as the terms of a sum, with its sequences spelled out."""
    match row:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from _terms(left, bound)
            yield from (each for each in _terms(right, bound) if each != "0")
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            yield from _terms(left, bound)
            yield from _terms(ast.UnaryOp(ast.USub(), right), bound)
        case ast.Call(func=ast.Name(id="sum"), args=[ast.Name(id=xs)]):
            yield from bound[xs]
        case ast.Call(func=ast.Name(id="dot"), args=[ast.Name(id=ws), ast.Name(id=xs)]):
            yield from (term("w * x", {"w": w, "x": x}) for w, x in zip(bound[ws], bound[xs]))
        case _:
            yield term(ast.unparse(row), {name: _list(text) for name, text in bound.items()})


def _list(text: str | list[str]) -> str:
    return text if isinstance(text, str) else f"[{', '.join(text)}]"


def _assignment(name: str, terms: Sequence[str]) -> str:
    """`name = ...`, on several lines if it is long, and with `sum` if it would be nested too deeply."""
    if len(terms) > _LONGEST_SUM:
        return f"    {name} = sum({_bracketed(terms)})"
    signed = [f"- {each[1:]}" if each.startswith("-") else f"+ {each}" for each in terms[1:]]
    line = f"    {name} = {' '.join([terms[0], *signed])}"
    if len(line) <= WIDTH:
        return line
    parts = [terms[0], *signed] if signed else terms[0].split(" ")
    return f"    {name} = (\n{_wrapped(parts)}\n    )"


def _bracketed(texts: Sequence[str]) -> str:
    line = f"[{', '.join(texts)}]"
    return line if len(line) < WIDTH - 20 else _on_lines("[", texts, "]")


def _broken(text: str) -> str:
    """A structure's text, on several lines if it is long."""
    if len(text) < WIDTH - 20:
        return text
    return _on_lines(text[0], text[1:-1].removesuffix(",").split(", "), text[-1])


def _on_lines(opening: str, texts: Sequence[str], closing: str) -> str:
    return f"{opening}\n{_wrapped([f'{text},' for text in texts])}\n    {closing}"


def _wrapped(parts: Iterable[str]) -> str:
    """Lines that are indented twice, broken only between these parts."""
    text = " ".join(part.replace(" ", "\0") for part in parts)
    lines = textwrap.wrap(text, WIDTH - 8, break_long_words=False, break_on_hyphens=False)
    return textwrap.indent("\n".join(lines), " " * 8).replace("\0", " ")


_NET_INPUT = re.compile(r"u(\d*(?:__?\d+)*)")


class _Backward:
    """The lines of the backward pass, from the loss to the parameters.

    Nodes come by their distance from the loss, layer by layer; a parameter follows the last node
    that adds to its derivative.
    """

    def __init__(self, recording: Recording, names: Names) -> None:
        self.recording = recording
        self.names = names
        self.trained = set(recording.parameters)
        for node in recording.nodes:
            if any(not self.trained.isdisjoint(along) for _, along in _slopes(node)):
                self.trained.add(node)
        given = set(flat(recording.inputs))
        found = [unit for unit in units(recording.outputs) if given.isdisjoint(unit.weights)]
        self.net_inputs = {unit.u for unit in found}
        self.net_inputs.update(n for n in recording.nodes if n.inputs and _NET_INPUT.fullmatch(names.of[n]))
        self.net_inputs.discard(recording.outputs)  # its derivative is 1, which needs no name
        self.within = {node: place for unit in found for node, place in _within(unit)}
        self.terms: dict[Value, list[str]] = {recording.outputs: ["1"]}
        self.derivatives: dict[Value, str] = {}

    def summary(self) -> str:
        """What the written function says of itself."""
        E = self.names.of[self.recording.outputs]
        delta = f"; delta is d{E}/du, u the input of a unit" if self.net_inputs & self.trained else ""
        return (
            f"One sample forward and backward: {E}, and d{E}/dw for each w of `parameters`.\n\n"
            f"    On the way back d_z is d{E}/dz{delta}.\n    "
        )

    def lines(self) -> Iterator[str]:
        order = self._order()
        last = {input: node for node in order for input in node.inputs if not input.inputs}
        for node in order:
            yield from self._derivative(node)
            if node in self.derivatives:
                yield from self._pass_back(node)
            for input in dict.fromkeys(node.inputs):
                if last.get(input) is node:
                    yield from self._derivative(input)
        if self.recording.outputs in self.recording.parameters:
            yield from self._derivative(self.recording.outputs)

    def gradients(self) -> list[str]:
        """The derivatives by the parameters; 0.0 where the loss does not depend on one."""
        return [self.derivatives.get(parameter, "0.0") for parameter in self.recording.parameters]

    def _order(self) -> list[Value]:
        """The trained nodes, each after those computed from it: by the longest way from the loss.

        The products and sums that make up a unit's input follow it.
        """
        nodes = [node for node in self.recording.nodes if node.inputs and node in self.trained]
        steps = dict.fromkeys(self.recording.nodes, 0)
        for node in reversed(nodes):
            for input in node.inputs:
                steps[input] = max(steps[input], steps[node] + (input not in self.within))
        return sorted(nodes, key=lambda node: (steps[node], *self.within.get(node, (node.birth, 0))))

    def _derivative(self, node: Value) -> Iterator[str]:
        """Give the derivative by a node its name; one that is another's serves an unlabelled node too."""
        terms = self.terms.pop(node, [])
        if not terms:
            return
        name = self.names.of[node]
        passed = len(terms) == 1 and re.fullmatch(r"-?(1|d_\w+|delta\w*)", terms[0])
        named = bool(node.label) and node is not self.recording.outputs
        if passed and node.inputs and not named and node not in self.net_inputs:
            self.derivatives[node] = terms[0]
            return
        plain = _NET_INPUT.fullmatch(name)
        delta = f"delta{plain[1]}" if plain else f"delta_{name}"
        self.derivatives[node] = self.names.fresh(delta if node in self.net_inputs else f"d_{name}")
        yield _assignment(self.derivatives[node], terms)

    def _pass_back(self, node: Value) -> Iterator[str]:
        """Add a node's derivative, times the local one, to the trained among its operands."""
        rule, z, d = node.rule, self.names.of[node], self.derivatives[node]
        assert rule is not None
        texts = dict(zip(rule.parameters, _texts(node, self.names)))
        sequences = {name[:-1]: members for name, members in texts.items() if many(name)}
        bound = {"z": z, "d": d.removeprefix("-"), **{n: _list(text) for n, text in texts.items()}}
        for partial, along in _slopes(node):
            if self.trained.isdisjoint(along):
                continue
            local, common = rule.apart(partial)
            for mark, text in common.items():
                bound[mark] = self.names.fresh(f"{text.partition('(')[0]}_{z}")
                yield _assignment(bound[mark], list(_terms(parse(text), {**texts, "z": z})))
            product = f"-d * ({local})" if d.startswith("-") else f"d * ({local})"
            for i, operand in enumerate(along):
                if operand in self.trained:
                    own = {**bound, **{name: each[i] for name, each in sequences.items()}, "i": str(i)}
                    if term(local, own) not in ("0", "-0.0"):
                        self.terms.setdefault(operand, []).append(term(product, own))


def _slopes(node: Value) -> list[tuple[str, list[Any]]]:
    """The partials of a node's row that are not 0 everywhere, each with the operands that it is along."""
    if node.rule is None:
        return []
    groups = zip(node.rule.partials, node.rule.group(node.operands))
    return [(p, o if isinstance(o, list) else [o]) for p, o in groups if p is not None and p != "0"]


def _within(unit: FoundUnit) -> Iterator[tuple[Value, tuple[int, int]]]:
    """The products and sums of a unit's input u, each with u's birth and its place after u."""
    inner = set(unit.inner)
    walk = [unit.u]
    for node in walk:  # which grows while it is walked
        walk += [input for input in node.inputs if input in inner]
    for k, node in enumerate(walk[1:], start=1):
        yield node, (unit.u.birth, k)
