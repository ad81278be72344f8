"""The normal form of a graph: what is computed twice once, and sums of products seen as what they are.

A node of the normal form is a number, its place in the lists of `Normal`, and stands after its
operands.  However a sum was written, as a loop of + and *, as `microbp.sum` of products or as
`weighted_sum`, it becomes the same few kinds of node:

- "matrix"   w1 x1 + w2 x2 + ... + b, the x from the sample, w and b from the parameters alone;
- "dot"      a1 b1 + a2 b2 + ..., both from the sample, or both from the parameters;
- "reduce"   a row of the table over several operands: sum, max, min, logsumexp, cross_entropy;
- "row"      a row of your own over several operands;
- "pick"     one of several operands, by an index that comes with the sample;
- "map"      a row of the table with its one or two operands;
- "lift"     a number of the parameters alone, used as if every sample had its own.

Leaves are "input", "parameter", "fixed" (read, not trained) and "constant".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from microbp.compiler.recording import Recording
from microbp.rules import BUILT_IN, RULES, Rule, many
from microbp.structures import flat
from microbp.value import Value

LEAVES = ("input", "parameter", "fixed", "constant")


class Op(NamedTuple):
    """What a node does.  `number` is a constant's value, the number that a row holds, a leaf's place.

    `size` is how many operands each of its sequences has.  `own` is the row itself where it is not
    built in: the table may have another of its name by now.
    """

    kind: str
    rule: str = ""
    number: float = 0.0
    size: int = 0
    own: Rule | None = None

    @property
    def row(self) -> Rule | None:
        """The row of the table, if it is one."""
        return self.own or RULES.get(self.rule)


@dataclass
class Normal:
    """A graph in normal form, column by column; see the module's text.

    The operands of a "matrix" are its x, then its w, then its b if it has one (`op.number` says
    so), of a "dot" its a, then its b.  `of_sample` says whether a node differs from sample to
    sample, `trained` whether it depends on a parameter; `level` counts the operations on the
    longest way to it.
    """

    ops: list[Op] = field(default_factory=list)
    operands: list[tuple[int, ...]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    of_sample: list[bool] = field(default_factory=list)
    trained: list[bool] = field(default_factory=list)
    level: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    recorded_operations: int = 0
    _known: dict[tuple[Op, tuple[int, ...]], int] = field(default_factory=dict)

    def node(self, op: Op, operands: tuple[int, ...] = (), label: str = "") -> int:
        """The node that applies `op` to `operands`: a new one, or the one that is there already."""
        key = (op, operands)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = len(self.ops)
            self.ops.append(op)
            self.operands.append(operands)
            self.labels.append("")
            of_sample, trained, level = self.of_sample, self.trained, self.level
            of_sample.append(op.kind in ("input", "lift") or True in [of_sample[o] for o in operands])
            trained.append(op.kind == "parameter" or True in [trained[o] for o in operands])
            level.append(1 + max([level[o] for o in operands], default=-1))
        self.labels[found] = self.labels[found] or label
        return found

    def constant(self, number: float) -> int:
        return self.node(Op("constant", number=number))

    def map(self, rule: str, *operands: int) -> int:
        """A row of the table with a fixed number of operands."""
        folded = self.folded(RULES[rule], operands)
        return self.node(Op("map", rule), operands) if folded is None else folded

    def several(self, rule: str, operands: Sequence[int]) -> int:
        """A row of the table over several operands, all of the sample or none."""
        folded = self.folded(RULES[rule], operands)
        if folded is not None:
            return folded
        size = len(operands) // len(RULES[rule].sequences)
        return self.node(Op("reduce", rule, size=size), tuple(self.alike(operands)))

    def dot(self, a: Sequence[int], b: Sequence[int]) -> int:
        """The sum of the products of two lists of nodes."""
        folded = self.folded(RULES["weighted_sum"], [*a, *b], 0.0)
        return self.node(Op("dot", size=len(a)), (*a, *b)) if folded is None else folded

    def folded(self, row: Rule, operands: Sequence[int], *more: float) -> int | None:
        """The constant that a row gives for constants, and `more` numbers; None for other operands."""
        if not all(self.ops[o].kind == "constant" for o in operands):
            return None
        return self.constant(row.evaluate([*(self.ops[o].number for o in operands), *more])[0])

    def alike(self, operands: Sequence[int]) -> list[int]:
        """Operands that are all of the sample, if some are: the others are lifted."""
        if len({self.of_sample[o] for o in operands}) == 1:
            return list(operands)
        return [o if self.of_sample[o] else self.lift(o) for o in operands]

    def lift(self, operand: int) -> int:
        return self.node(Op("lift"), (operand,))

    def signed(self, sign: int, node: int) -> int:
        return node if sign > 0 else self.map("negation", node)

    def total(self, terms: Sequence[tuple[int, int]]) -> int:
        """The sum of terms (sign, node); of the sample's terms and of the others apart."""
        own = [(sign, node) for sign, node in terms if self.of_sample[node]]
        shared = [(sign, node) for sign, node in terms if not self.of_sample[node]]
        if not (own and shared):
            return self._total(own or shared)
        if all(sign < 0 for sign, _ in own):
            return self._plus(self._total(shared), (-1, self._sum([node for _, node in own])))
        return self._plus(self._total(own), (1, self._total(shared)))

    def _total(self, terms: Sequence[tuple[int, int]]) -> int:
        added = [node for sign, node in terms if sign > 0]
        taken = [node for sign, node in terms if sign < 0]
        if not added:
            return self.map("negation", self._sum(taken))
        return self._plus(self._sum(added), (-1, self._sum(taken))) if taken else self._sum(added)

    def _sum(self, nodes: Sequence[int]) -> int:
        if len(nodes) == 1:
            return nodes[0]
        return self.map("sum", *nodes) if len(nodes) == 2 else self.several("sum", nodes)

    def _plus(self, node: int, term: tuple[int, int]) -> int:
        sign, other = term
        return self.map("sum" if sign > 0 else "difference", node, other)


def normal_form(recording: Recording) -> Normal:
    """The normal form of a recorded graph; time and memory grow linearly with its operations and edges."""
    return _Writer(recording).normal


class _Terms(NamedTuple):
    """A sum taken apart: products and single nodes, each with its sign."""

    products: list[tuple[int, int, int]]
    single: list[tuple[int, int]]


_SUMS = ("sum", "difference", "negation", "product", "weighted_sum")


class _Writer:
    """First the graph with equal nodes merged (`rules`, `operands`, ...), then its normal form."""

    def __init__(self, recording: Recording) -> None:
        self.normal = Normal()
        self.rules: list[Rule | None] = []
        self.operands: list[tuple[int, ...]] = []
        self.labels: list[str] = []
        self.of_sample: list[bool] = []
        self.numbers: list[float | None] = []  # of constants
        self.written: list[int] = []  # a merged node's place in the normal form, -1 inside a sum
        self._merge(recording)
        self._write()

    # Merging.

    def _merge(self, recording: Recording) -> None:
        known: dict[Any, int] = {}
        place: dict[Value, int] = {}

        def add(key: Any, rule: Rule | None, operands: tuple[int, ...], label: str) -> int:
            found = known.get(key)
            if found is None:
                found = known[key] = len(self.rules)
                self.rules.append(rule)
                self.operands.append(operands)
                self.labels.append(label)
                self.of_sample.append(True in [self.of_sample[o] for o in operands])
                self.numbers.append(None)
                self.written.append(-1)
            elif not self.labels[found]:
                self.labels[found] = label
            return found

        def constant(number: float) -> int:
            found = add(("constant", number.hex()), None, (), "")
            self.numbers[found] = number
            self.written[found] = self.normal.constant(number)
            return found

        for kind, leaves in [
            ("input", flat(recording.inputs)),
            ("parameter", recording.parameters),
            ("fixed", recording.fixed),
        ]:
            for k, leaf in enumerate(leaves):
                place[leaf] = add((kind, k), None, (), leaf.label)
                self.of_sample[-1] = kind == "input"
                self.written[-1] = self.normal.node(Op(kind, number=k), label=leaf.label)
        for node in recording.nodes:
            if node in place:
                continue
            rule = node.rule
            if rule is None:
                place[node] = constant(node.data)
                continue
            self.normal.recorded_operations += 1
            operands = tuple(
                [place[o] if isinstance(o, Value) else constant(float(o)) for o in node.operands]
            )
            if rule.name == "pick" and self.numbers[operands[-1]] is not None:
                place[node] = operands[int(self.numbers[operands[-1]] or 0.0)]
                continue
            if rule.name in ("sum", "product"):
                operands = tuple(sorted(operands))
            key = rule.name if rule.name in BUILT_IN else rule
            place[node] = add((key, operands), rule, operands, node.label)
        self.outputs = [place[output] for output in flat(recording.outputs)]

    # Writing.

    def _write(self) -> None:
        self.inside = self._inside()
        sums = {
            k: self._terms(k)
            for k, rule in enumerate(self.rules)
            if rule and rule.name in _SUMS and not self.inside[k]
        }
        self.lone = Counter(self._lone_input(terms) for terms in sums.values())
        for k, rule in enumerate(self.rules):
            if rule is None or self.inside[k]:
                continue
            written = self._write_sum(sums[k]) if k in sums else self._write_rule(rule, self.operands[k])
            self.written[k] = written
            if self.normal.ops[written].kind not in LEAVES and not self.normal.labels[written]:
                self.normal.labels[written] = self.labels[k]
        outputs = [self.written[output] for output in self.outputs]
        self.normal.outputs = [o if self.normal.of_sample[o] else self.normal.lift(o) for o in outputs]

    def _inside(self) -> list[bool]:
        """Which nodes are but a part of the one sum that uses them; what bears a label stands for itself."""
        uses = [0] * len(self.rules)
        for operands in self.operands:
            for o in operands:
                uses[o] += 1
        for output in self.outputs:
            uses[output] += 2
        inside = [False] * len(self.rules)
        for rule, operands in zip(self.rules, self.operands):
            if rule is None or rule.name not in _SUMS or rule.name == "product":
                continue
            for o in operands[-1:] if rule.name == "weighted_sum" else operands:
                part = self.rules[o]
                if part and part.name in _SUMS and uses[o] == 1 and not self.labels[o]:
                    inside[o] = True
        return inside

    def _terms(self, root: int) -> _Terms:
        terms = _Terms([], [])
        stack = [(root, 1)]
        while stack:
            k, sign = stack.pop()
            rule, operands = self.rules[k], self.operands[k]
            if rule is None or not (k == root or self.inside[k]):
                terms.single.append((sign, k))
                continue
            match rule.name:
                case "sum":
                    stack.extend((o, sign) for o in reversed(operands))
                case "difference":
                    stack += [(operands[1], -sign), (operands[0], sign)]
                case "negation":
                    stack.append((operands[0], -sign))
                case "product":
                    terms.products.append((sign, *operands))  # type: ignore[arg-type]
                case "weighted_sum":
                    ws, xs, b = rule.group(operands)
                    terms.products.extend((sign, w, x) for w, x in zip(ws, xs))
                    stack.append((b, sign))
        return terms

    def _lone_input(self, terms: _Terms) -> int | None:
        """The x of a sum with one product w x, x of the sample and w not."""
        inputs = [
            a if self.of_sample[a] else b
            for _, a, b in terms.products
            if self.of_sample[a] != self.of_sample[b]
        ]
        return inputs[0] if len(inputs) == 1 else None

    def _write_sum(self, terms: _Terms) -> int:
        normal = self.normal
        weighted: list[tuple[int, int]] = []  # (x, w)
        dots: dict[int, list[tuple[int, int]]] = {1: [], -1: []}
        total: list[tuple[int, int]] = []
        number = 0.0
        for sign, a, b in terms.products:
            if self.of_sample[a] == self.of_sample[b]:
                dots[sign].append((self.written[a], self.written[b]))
                continue
            w, x = (b, a) if self.of_sample[a] else (a, b)
            if self.numbers[w] in (1.0, -1.0):
                total.append((sign * int(self.numbers[w] or 0), self.written[x]))
            else:
                weighted.append((self.written[x], normal.signed(sign, self.written[w])))
        for sign, k in terms.single:
            if self.numbers[k] is None:
                total.append((sign, self.written[k]))
            else:
                number += sign * (self.numbers[k] or 0.0)
        for sign, pairs in dots.items():
            total += [(sign, dot) for dot in self._dots(pairs)]
        bias = [(sign, node) for sign, node in total if not normal.of_sample[node]]
        if number:
            bias.append((1, normal.constant(number)))
        rest = [(sign, node) for sign, node in total if normal.of_sample[node]]
        if len(weighted) > 1 or (weighted and self.lone[self._lone_input(terms)] > 1):
            rest.append((1, self._matrix(weighted, bias)))
            bias = []
        elif weighted:
            rest.append((1, normal.map("product", weighted[0][1], weighted[0][0])))
        return normal.total([*rest, *bias]) if rest or bias else normal.constant(number)

    def _dots(self, pairs: list[tuple[int, int]]) -> list[int]:
        """The sum of products as a node for those of the sample, and one for those that are not."""
        found = []
        for of_sample in (True, False):
            own = sorted(pair for pair in pairs if self.normal.of_sample[pair[0]] is of_sample)
            if len(own) == 1:
                found.append(self.normal.map("product", *own[0]))
            elif own:
                found.append(self.normal.dot([a for a, _ in own], [b for _, b in own]))
        return found

    def _matrix(self, weighted: list[tuple[int, int]], bias: list[tuple[int, int]]) -> int:
        weighted.sort()
        xs, ws = [x for x, _ in weighted], [w for _, w in weighted]
        b = [self.normal.total(bias)] if bias else []
        return self.normal.node(Op("matrix", number=len(b), size=len(xs)), (*xs, *ws, *b))

    def _write_rule(self, rule: Rule, operands: tuple[int, ...]) -> int:
        written = [self.written[o] for o in operands]
        if rule.name not in BUILT_IN:
            return self._write_own(rule, written)
        if rule.name == "power":
            exponent = self.normal.ops[written[1]].number
            if self.normal.ops[written[0]].kind == "constant":
                return self.normal.map("power", *written)
            return self.normal.node(Op("map", "power", exponent), (written[0],))
        if rule.name == "pick":
            xs = self.normal.alike([*written[:-1], written[-1]])
            return self.normal.node(Op("pick", "pick", size=len(xs) - 1), tuple(xs))
        if any(map(many, rule.parameters)):
            return self.normal.several(rule.name, written)
        return self.normal.map(rule.name, *written)

    def _write_own(self, rule: Rule, operands: list[int]) -> int:
        held = [] if rule.place is None else [self.normal.ops[operands.pop()].number]
        folded = self.normal.folded(rule, operands, *held)
        if folded is not None:
            return folded
        number = held[0] if held else 0.0
        sequences = [group for group in rule.group([*operands, *held]) if isinstance(group, list)]
        if not sequences:
            return self.normal.node(Op("map", rule.name, number, own=rule), tuple(operands))
        given = tuple(self.normal.alike(operands))
        return self.normal.node(Op("row", rule.name, number, len(sequences[0]), rule), given)
