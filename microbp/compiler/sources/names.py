"""Names for the numbers of one sample: labels as identifiers, and v1, v2, ... where there are none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from microbp.compiler.recording import Recording
from microbp.compiler.sources.own import functions_of
from microbp.compiler.sources.rows import RESERVED, literal
from microbp.structures import flat
from microbp.value import Value


class Names:
    """Identifiers, all different, for arguments, nodes and derivatives.

    A label is anybody's text and becomes a name only where it has the form of one, perhaps with
    indices: w2[1,2] is w2_12, or w2_1_2 if some w2 has an index of two digits.  Other nodes are
    v1, v2, ...; where a name is taken already its number follows, as in z1_1__2.  `own` are the new
    functions that rows of your own call, by names that are taken, too.
    """

    def __init__(self, recording: Recording) -> None:
        self.own = functions_of(node.rule for node in recording.nodes)
        self.reserved = RESERVED.union(self.own)
        self.taken = set(self.reserved)
        self.times: Counter[str] = Counter()
        given = [*flat(recording.inputs), *recording.parameters, *recording.fixed]
        nodes = list(dict.fromkeys([*given, *recording.nodes]))
        self.squeezed = _squeezed(node.label for node in nodes)
        self.arguments = [self.fresh(self.identifier(name) or "x") for name in recording.argument_names]
        pairs = zip(recording.inputs, self.arguments)
        self.of: dict[Value, str] = {one: name for one, name in pairs if isinstance(one, Value)}
        self._name_labelled([*flat(recording.outputs), *nodes])
        if isinstance(recording.outputs, Value) and recording.outputs not in self.of:
            self.of[recording.outputs] = self.fresh("E")
        taken = set(given)
        constants = [node for node in recording.nodes if node.rule is None and node not in taken]
        self.constants = [node for node in constants if node in self.of]  # the others are plain numbers
        self.of.update((node, literal(node.data)) for node in constants if node not in self.of)
        self.of.update((node, self.fresh("")) for node in nodes if node not in self.of)

    def fresh(self, name: str) -> str:
        """`name`, or v for '', with the number that makes it one of its own."""
        while True:
            self.times[name] += 1
            n = self.times[name]
            found = f"v{n}" if not name else f"{name}__{n}" if n > 1 else name
            if found not in self.taken:
                self.taken.add(found)
                return found

    def identifier(self, label: str) -> str:
        """The name that a label stands for, or '' if it has not the form of one."""
        base, indices = _parted(label)
        between = "" if base in self.squeezed else "_"
        name = f"{base}_{between.join(indices)}" if indices else base
        return f"{name}_" if name in self.reserved else name

    def _name_labelled(self, nodes: Iterable[Value]) -> None:
        for node in nodes:
            name = self.identifier(node.label)
            if name and node not in self.of:
                self.of[node] = self.fresh(name)


def _parted(label: str) -> tuple[str, list[str]]:
    """A label's base and indices: w2[1,2] as ('w2', ['1', '2']); ('', []) for what is no plain name."""
    form = re.fullmatch(r"([A-Za-z][A-Za-z0-9_]{,29})(?:\[([0-9]{1,9}(?:, ?[0-9]{1,9}){,7})\])?", label)
    if form is None:
        return "", []
    base, indices = form.groups()
    return base, indices.replace(" ", "").split(",") if indices else []


def _squeezed(labels: Iterable[str]) -> set[str]:
    """The bases whose indices can stand side by side: they are as many each time, and of one digit."""
    lengths: dict[str, set[tuple[int, ...]]] = {}
    for base, indices in map(_parted, labels):
        if indices:
            lengths.setdefault(base, set()).add(tuple(map(len, indices)))
    return {base for base, found in lengths.items() if len(found) == 1 and max(max(found)) == 1}
