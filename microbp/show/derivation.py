"""`explain`: the derivation of one gradient, step by step, in formulas, in numbers, in the post's words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from microbp.passes import as_factor, bare, brief, factor
from microbp.rules import RULES
from microbp.show.latex import escaped, latex_formula, latex_name, latex_number
from microbp.traversal import FoundUnit, derivatives, first_stale, one_line, unique_names, units
from microbp.value import Value, check_value, computed, made_of

MOST_STEPS = 30  # those nearest to the node; farther gradients are taken as they are
MOST_TERMS = 8  # of a sum over consumers, the largest
_NAME = re.compile(r"[^\W\d]\w*(\[\w+(, ?\w+)*\])?( \(\d+\))?")
_DERIVATIVE = re.compile(r"d[\w\[\],()/]+/d[\w\[\],]+")  # as `gradients` labels its results


@dataclass(frozen=True)
class Term:
    """What one consumer sends back: its gradient times its local derivative `partial`.

    `operation` is the node whose rule has that derivative, for its input number `place`; it is
    not the consumer where a unit is built from single products, which are read as one net input.
    """

    consumer: Value
    operation: Value
    place: int
    partial: float


@dataclass(frozen=True)
class Step:
    """The gradient of one node from those of its consumers; the terms that are left out add up to `rest`."""

    node: Value
    terms: list[Term]
    left_out: int
    rest: float
    value: float
    equation: str


@dataclass(frozen=True, repr=False)
class Explanation:
    """A derivation; prints as text, and as formulas in a notebook.

    `steps` go from the output towards the node.  `notes` say where a `.grad` holds something
    else than what was derived, and what does not follow from what.
    """

    node: Value
    output: Value
    steps: list[Step]
    taken: list[Value]
    notes: list[str]
    gradients: Mapping[Value, float]
    names: Mapping[Value, str]
    deltas: Mapping[Value, str]
    net_inputs: Mapping[Value, FoundUnit]

    @property
    def value(self) -> float:
        """d output / d node."""
        return self.gradients.get(self.node, 0.0)

    def __str__(self) -> str:
        E, title = self.names[self.output], self._symbol(self.node)
        if self.node in self.deltas:
            title += f" = d{E}/d{self.names[self.node]}"
        blocks = [f"{title} = {brief(self.value)}"]
        if self._defined:
            blocks.append("\n".join(["where", *(f"  {line}" for line in self._definitions())]))
        if self.taken:
            blocks.append("\n".join(["taken as they are, farther up", *map(self._taken, self.taken)]))
        blocks += ["\n".join(self._lines(step)) for step in self.steps]
        return "\n\n".join([*blocks, *self.notes])

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        blocks = [self._latex(step) for step in self.steps]
        if self._defined:
            rows = r" \\ ".join(self._latex_definition(node) for node in self._defined)
            blocks.insert(0, rf"\begin{{aligned}} {rows} \end{{aligned}}")
        heading = f"{self._latex_symbol(self.node)} = {latex_number(self.value)}"
        formulas = [f"$$\n{block}\n$$" for block in [heading, *blocks]]
        return "\n\n".join([*formulas, *map(escaped, self.notes)])

    # The names of things.

    def _symbol(self, node: Value) -> str:
        if node is self.output:
            return f"d{self.names[node]}/d{self.names[node]}"
        return self.deltas.get(node) or f"d{self.names[self.output]}/d{self.names[node]}"

    @cached_property
    def _defined(self) -> list[Value]:
        """The nodes whose local derivatives the steps use, so that a reader sees what they are."""
        seen = dict.fromkeys(term.consumer for step in self.steps for term in step.terms)
        return sorted(seen, key=lambda node: node.birth)

    def _definition(self, node: Value) -> tuple[str, dict[str, Value]]:
        """How a node is computed, in marks; a unit's net input from weights, inputs and bias."""
        unit = self.net_inputs.get(node)
        if unit is None:
            assert node.rule is not None
            marks, nodes = _marks(node)
            return node.rule.formula(marks), nodes
        operands = [*unit.weights, *unit.inputs, *([] if unit.bias is None else [unit.bias])]
        marks = [f"n{k}" for k in range(len(operands))]
        without = ["0"] if unit.bias is None else []
        return RULES["weighted_sum"].formula([*marks, *without]), dict(zip(marks, operands))

    def _definitions(self) -> Iterator[str]:
        for node in self._defined:
            parts = [self.names[node], made_of(node), brief(node.data)]
            if len(node.inputs) <= 2 * MOST_TERMS:
                formula, nodes = self._definition(node)
                numbers = {each: factor(each.data) for each in nodes.values()}
                parts[1:2] = [_named(formula, nodes, self.names), bare(_named(formula, nodes, numbers))]
            yield " = ".join(parts)

    def _taken(self, node: Value) -> str:
        return f"  {self._symbol(node)} = {brief(self.gradients[node])}"

    # One step as text.

    def _lines(self, step: Step) -> list[str]:
        left = self._symbol(step.node)
        right = [*self._written(step), brief(step.value)]
        lines = [f"{left if k == 0 else ' ' * len(left)} = {text}" for k, text in enumerate(right)]
        if step.equation:
            lines[0] += f"    ({step.equation})"
        return lines

    def _written(self, step: Step) -> list[str]:
        """The sum over consumers: by the chain rule, with the local derivatives, with numbers."""
        if not step.terms:
            return []
        more = [f"({step.left_out:,} more terms)"] if step.left_out else []
        rest = [factor(step.rest)] if step.left_out else []
        chain = [self._sent(t, self._local(t, step.node)) for t in step.terms]
        slopes = [self._sent(t, _named(*self._slope(t, step), self.names)) for t in step.terms]
        numbers = [self._sent(t, factor(t.partial), factor(self.gradients[t.consumer])) for t in step.terms]
        forms = [" + ".join(terms) for terms in (chain + more, slopes + more, numbers + rest)]
        known = self._symbol(step.node), factor(step.value), brief(step.value)
        return [form for form in dict.fromkeys(forms) if form not in known]

    def _slope(self, term: Term, step: Step) -> tuple[str, dict[str, Value]]:
        """The local derivative of a term, in marks; in parentheses where it needs them beside others."""
        formula, nodes = _slope(term)
        return formula if self._alone(term, step) else as_factor(formula), nodes

    def _alone(self, term: Term, step: Step) -> bool:
        """Whether a local derivative is the whole gradient, neither multiplied nor added to."""
        return term.consumer is self.output and len(step.terms) == 1

    def _sent(self, term: Term, local: str, gradient: str = "") -> str:
        """A consumer's gradient times the local derivative; this alone where the consumer is the output."""
        if term.consumer is self.output:
            return local
        return f"{gradient or self._symbol(term.consumer)} * {local}"

    def _local(self, term: Term, node: Value) -> str:
        return f"d{self.names[term.consumer]}/d{self.names[node]}"

    # The same as LaTeX.

    def _latex_symbol(self, node: Value) -> str:
        if node in self.deltas:
            return latex_name(self.deltas[node])
        E = latex_name(self.names[self.output])
        return rf"\frac{{\partial {E}}}{{\partial {latex_name(self.names[node])}}}"

    def _latex_definition(self, node: Value) -> str:
        parts = [latex_number(node.data)]
        if len(node.inputs) <= 2 * MOST_TERMS:
            formula, nodes = self._definition(node)
            parts.insert(0, latex_formula(formula, self._marked(nodes)))
        return f"{latex_name(self.names[node])} &= {' = '.join(parts)}"

    def _marked(self, nodes: Mapping[str, Value]) -> dict[str, str]:
        return {mark: self.names[node] for mark, node in nodes.items()}

    def _latex(self, step: Step) -> str:
        more = [rf"\text{{({step.left_out:,} more terms)}}"] if step.left_out else []
        rest = [_in_brackets(latex_number(step.rest))] if step.left_out else []
        of = latex_name(self.names[step.node])
        chain, slopes, numbers = [], [], []
        for term in step.terms:
            first = term.consumer is self.output
            gradient = "" if first else rf"{self._latex_symbol(term.consumer)} \cdot "
            arriving = _in_brackets(latex_number(self.gradients[term.consumer]))
            chain.append(
                rf"{gradient}\frac{{\partial {latex_name(self.names[term.consumer])}}}{{\partial {of}}}"
            )
            slopes.append(f"{gradient}{self._latex_slope(term, step)}")
            partial = latex_number(term.partial)
            numbers.append(partial if self._alone(term, step) else _in_brackets(partial))
            if not first:
                numbers[-1] = rf"{arriving} \cdot {numbers[-1]}"
        forms = [" + ".join(form) for form in (chain + more, slopes + more, numbers + rest) if form]
        forms = [form for form in dict.fromkeys(forms) if form != self._latex_symbol(step.node)]
        rows = [rf"&= {form}" for form in dict.fromkeys([*forms, latex_number(step.value)])]
        if step.equation:
            rows[0] += rf" && \text{{({step.equation})}}"
        aligned = r" \\ ".join(rows)
        return rf"\begin{{aligned}} {self._latex_symbol(step.node)} {aligned} \end{{aligned}}"

    def _latex_slope(self, term: Term, step: Step) -> str:
        formula, nodes = self._slope(term, step)
        written = latex_formula(formula, self._marked(nodes))
        return rf"\left({written}\right)" if formula.startswith("(") else written


def _in_brackets(number: str) -> str:
    return rf"\left({number}\right)" if number.startswith("-") else number


def explain(node: Value, of: Value) -> Explanation:
    """The derivation of d of / d node from the recorded graph: formula, formula with numbers, result.

    Each step is the chain rule at one node, a sum over its consumers where there are several.
    On units it speaks the post's language: delta is dE/du (eq. 2), dE/dw_jk = delta_k z_j
    (eq. 3), and a hidden unit's delta comes from those it feeds (eqs. 4.3 to 4.9).  The
    numbers are those of one pass from `of`; where `.grad` holds something else it is said.

    >>> w, x = Value(0.5, "w1[1,1]"), Value(2.0, "x[1]")
    >>> u = w * x; u.label = "u1[1]"
    >>> z = u.tanh(); z.label = "z1[1]"
    >>> E = z ** 2; E.label = "E"
    >>> E.backward()
    >>> explain(w, of=E)
    dE/dw1[1,1] = 1.279
    <BLANKLINE>
    where
      u1[1] = w1[1,1] * x[1] = 0.5 * 2 = 1
      z1[1] = tanh(u1[1]) = tanh(1) = 0.7616
      E = z1[1] ** 2 = 0.7616 ** 2 = 0.58
    <BLANKLINE>
    dE/dz1[1] = 2 * z1[1]
              = 1.523
    <BLANKLINE>
    delta1[1] = dE/dz1[1] * dz1[1]/du1[1]    (eq. 3.2)
              = dE/dz1[1] * (1 - z1[1] * z1[1])
              = 1.523 * 0.42
              = 0.6397
    <BLANKLINE>
    dE/dw1[1,1] = delta1[1] * du1[1]/dw1[1,1]    (eq. 3)
                = delta1[1] * x[1]
                = 0.6397 * 2
                = 1.279

    Far from the output the nearest 30 steps are shown.  Raises TypeError for what is not a Value.
    """
    check_value(node, "explain", "a weight")
    check_value(of, "explain(of)")
    gradients = derivatives(of)
    names = {node: one_line(node.label) or "node", **unique_names(of)}
    names = {each: _readable(name) for each, name in names.items()}
    found = units(of)
    edges = _edges(of, node, found)
    deltas = {unit.u: _delta(names[unit.u]) for unit in found}
    order = _derived(node, of, edges, gradients)
    shown = set(order)
    steps = [_step(n, edges.get(n, []), gradients, found) for n in order if n in gradients]
    used = dict.fromkeys(term.consumer for step in steps for term in step.terms)
    taken = [consumer for consumer in used if consumer not in shown and consumer is not of]
    notes = [*_independent(node, of, gradients, names), *_mismatches(node, of, gradients, names)]
    net_inputs = {unit.u: unit for unit in found if node not in unit.inner[: unit.inner.index(unit.u)]}
    return Explanation(node, of, steps, taken, notes, gradients, names, deltas, net_inputs)


def _edges(output: Value, node: Value, found: Sequence[FoundUnit]) -> dict[Value, list[Term]]:
    """Each node's consumers, the products and sums within a unit read as its one net input."""
    net_input: dict[Value, Value] = {}
    for unit in found:
        within = [inner for inner in unit.inner if inner.birth < unit.u.birth]
        if node not in within:
            net_input.update(dict.fromkeys(within, unit.u))
    leads, edges = {node}, dict[Value, list[Term]]()
    for operation in computed(output):
        consumer = net_input.get(operation, operation)
        for place, (input, partial) in enumerate(zip(operation.inputs, operation.partials)):
            if input in leads:
                leads |= {operation, consumer}
                if input not in net_input:
                    edges.setdefault(input, []).append(Term(consumer, operation, place, partial))
    return edges


def _derived(
    node: Value, output: Value, edges: Mapping[Value, list[Term]], gradients: Mapping[Value, float]
) -> list[Value]:
    """The nodes to derive, from the output's side to `node`: those that are fewest steps away from it."""
    order, near = [node], {node}
    for reached in order:  # which grows while it is walked
        if reached is output:
            continue
        for term in _largest(edges.get(reached, []), gradients):
            if term.consumer not in near and term.consumer is not output and len(order) < MOST_STEPS:
                near.add(term.consumer)
                order.append(term.consumer)
    return sorted(order, key=lambda n: n.birth, reverse=True)


def _step(
    node: Value, terms: list[Term], gradients: Mapping[Value, float], found: Sequence[FoundUnit]
) -> Step:
    kept = _largest(terms, gradients)
    left_out = [term for term in terms if term not in kept] if len(kept) < len(terms) else []
    rest = sum(gradients[term.consumer] * term.partial for term in left_out)
    equation = _equation(node, terms, found)
    return Step(node, kept, len(left_out), rest, gradients.get(node, 0.0), equation)


def _largest(terms: list[Term], gradients: Mapping[Value, float]) -> list[Term]:
    """At most MOST_TERMS of the terms, those that send back most, in their own order."""
    sent = [abs(term.partial * gradients[term.consumer]) for term in terms]
    places = sorted(range(len(terms)), key=sent.__getitem__, reverse=True)[:MOST_TERMS]
    return [terms[place] for place in sorted(places)]


def _equation(node: Value, terms: Sequence[Term], found: Sequence[FoundUnit]) -> str:
    """The number of the equation in the post that a step is."""
    fed = {input for unit in found for input in unit.inputs}
    net_inputs = {unit.u: unit for unit in found}
    into_units = bool(terms) and all(term.consumer in net_inputs for term in terms)
    if node in net_inputs:
        unit = net_inputs[node]
        if unit.z is not node:
            return "eqs. 4.3, 4.4" if unit.z in fed else "eq. 3.2"
        return "eq. 4.9" if into_units and node in fed else "eq. 3.2"
    if into_units and any(node in net_inputs[term.consumer].weights for term in terms):
        hidden = any(net_inputs[term.consumer].z in fed for term in terms)
        return "eq. 4.1" if hidden else "eq. 3"
    return "eq. 4.9" if into_units and node.inputs else ""


def _delta(name: str) -> str:
    """What dE/du is called: delta1[2] for u1[2]."""
    return f"delta{name[1:]}" if name.startswith("u") else f"delta({name})"


# What does not agree.


def _independent(
    node: Value, of: Value, gradients: Mapping[Value, float], names: Mapping[Value, str]
) -> list[str]:
    if node in gradients:
        return []
    return [f"{names[of]} does not depend on {names[node]}: the derivative is 0."]


def _mismatches(
    node: Value, of: Value, gradients: Mapping[Value, float], names: Mapping[Value, str]
) -> list[str]:
    """Sentences about data that were edited, and gradients that hold something else than was derived."""
    notes = []
    stale = first_stale(of)
    if stale is not None:
        notes.append(
            f"Careful: {names[stale]} = {brief(stale.data)} no longer follows from its operands, as numbers "
            f"were assigned since it was computed.  The derivation is of the run that was recorded; "
            f"{names[of]}.recompute() runs the graph again."
        )
    if not any(each.grad for each in gradients):
        return [*notes, f"No gradient is stored yet: {names[of]}.backward() would store them."]
    seed = of.grad if of.inputs else 1.0
    if seed != 1.0 and seed:
        notes.append(
            f"The stored gradients are of a pass that started with {names[of]}.grad = {brief(seed)}, "
            f"and so {brief(seed)} times what is derived here."
        )
    wrong = [n for n, gradient in gradients.items() if n.inputs and not _agree(n.grad, seed * gradient)]
    if node in gradients and not node.inputs and not _agree(node.grad, seed * gradients[node]):
        notes.append(_wrong_leaf(names[node], node.grad, seed * gradients[node]))
    if wrong:
        first = node if node in wrong else wrong[-1]
        notes.append(
            f"Careful: {names[first]}.grad holds {brief(first.grad)}, not {brief(seed * gradients[first])}: "
            f"it was assigned, or another pass went through it; {names[of]}.backward() renews it."
        )
    return notes


def _wrong_leaf(name: str, held: float, expected: float) -> str:
    times = held / expected if expected else math.nan
    if math.isfinite(times) and times >= 2 and _agree(held, round(times) * expected):
        what = f"{round(times)} times this: as many passes have been added up"
    else:
        what = f"not {brief(expected)}: it holds more than this pass, or was assigned"
    return f"Careful: {name}.grad holds {brief(held)}, {what}.  zero_grad() clears it before the next pass."


def _agree(held: float, expected: float) -> bool:
    return math.isclose(held, expected, rel_tol=1e-9, abs_tol=1e-300) or (
        held != held and expected != expected
    )


# Formulas, first written with marks for names: a name may be any text.


def _marks(operation: Value) -> tuple[list[str], dict[str, Value]]:
    """Marks for the operands of an operation, a plain number as it is, and the nodes they stand for."""
    marks, nodes = [], {"z0": operation}
    for k, operand in enumerate(operation.operands):
        if isinstance(operand, Value):
            nodes[f"n{k}"] = operand
        marks.append(f"n{k}" if isinstance(operand, Value) else factor(float(operand)))
    return marks, nodes


def _slope(term: Term) -> tuple[str, dict[str, Value]]:
    """The local derivative of a term as the row of the table says it, in marks."""
    operation = term.operation
    assert operation.rule is not None
    marks, nodes = _marks(operation)
    formulas = operation.rule.slope_formulas(marks, z="z0")
    return formulas[term.place + (operation.rule.place == 0)], nodes


def _named(formula: str, nodes: Mapping[str, Value], names: Mapping[Value, str]) -> str:
    return re.sub(r"\b[nz]\d+\b", lambda mark: names[nodes[mark[0]]], formula)


def _readable(name: str) -> str:
    """A name within a formula: a derivative in parentheses, and in quotes what could be misread."""
    if _DERIVATIVE.fullmatch(name):
        return f"({name})"
    return name if _NAME.fullmatch(name) else f"'{name}'"
