"""The gradient as a sum over paths: each path's product of local derivatives, and how many there are."""

from __future__ import annotations

import heapq
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from microbp.arguments import check_count
from microbp.passes import brief, factor
from microbp.traversal import derivatives, unique_names
from microbp.value import Value, check_value, computed

LONGEST = 12  # steps of a path that are printed


class Path(NamedTuple):
    """A way from a node to the output: the nodes along it, the local derivatives, and their product."""

    nodes: tuple[Value, ...]
    partials: tuple[float, ...]
    product: float


@dataclass(frozen=True, repr=False)
class Paths:
    """The paths with the largest products, how many paths there are in all, and what all add up to.

    `listed` are the paths that were asked for, `count` is the exact number of all, and `total`
    the derivative, computed node by node as a backward pass does, not path by path.
    """

    output: Value
    node: Value
    listed: list[Path]
    count: int
    total: float

    def __iter__(self) -> Iterator[Path]:
        return iter(self.listed)

    def __len__(self) -> int:
        return len(self.listed)

    def __getitem__(self, place: int) -> Path:
        return self.listed[place]

    @property
    def rest(self) -> float:
        """What the paths that are not listed add up to."""
        return self.total - sum(path.product for path in self.listed) if self.count > len(self) else 0.0

    def __str__(self) -> str:
        names = unique_names(self.output)
        derivative = f"d{names[self.output]}/d{names.get(self.node, self.node.label or 'node')}"
        if not self.count:
            return f"{derivative} = 0: there is no path, {names[self.output]} does not depend on it"
        rows = [(_route(path, names), _product(path)) for path in self.listed]
        width = max((len(route) for route, _ in rows), default=0)
        lines = [f"  {route:<{width}}   {product}" for route, product in rows]
        more = self.count - len(self)
        if more:
            lines.append(f"  and {in_words(more)} more path{'s' * (more > 1)}, together {brief(self.rest)}")
        count = f"{in_words(self.count)} path{'s' * (self.count > 1)}"
        return "\n".join([f"{derivative} = {brief(self.total)}, the sum over {count}", *lines])

    __repr__ = __str__


def paths(output: Value, node: Value, limit: int = 20) -> Paths:
    """d output / d node as the sum over all paths from the node to the output.

    Every path contributes the product of the local derivatives along it.  The `limit` paths
    of the largest products are found without looking at the others, the largest first; the
    others are counted without being walked, as there can be astronomically many.

    >>> a = Value(3.0, "a")
    >>> b = a * a; b.label = "b"
    >>> c = b + a; c.label = "c"
    >>> paths(c, a)
    dc/da = 7, the sum over 3 paths
      a > b > c   3 * 1 = 3
      a > b > c   3 * 1 = 3
      a > c       1 = 1
    >>> [path.product for path in paths(c, a)]
    [3.0, 3.0, 1.0]

    Raises TypeError for what is not a Value, ValueError for a limit below 0.
    """
    check_value(output, "paths")
    check_value(node, "paths", "a weight")
    check_count(limit, "paths: limit, how many paths to list,", 0)
    edges = _edges_towards(output, node)
    listed = list(islice(_largest_first(output, node, edges), min(limit, sys.maxsize)))
    return Paths(output, node, listed, _count(output, node), derivatives(output).get(node, 0.0))


def in_words(count: int) -> str:
    """A count in full, or its power of ten where that is too long to read.

    >>> in_words(1024), in_words(2**1000)
    ('1,024', 'about 10^301')
    """
    if count < 10**15:
        return f"{count:,}"
    beyond = max(count.bit_length() - 64, 0)
    return f"about 10^{math.log10(count >> beyond) + beyond * math.log10(2):.0f}"


_Edges = dict[Value, list[tuple[Value, float]]]


def _edges_towards(output: Value, node: Value) -> _Edges:
    """The edges on the ways from `node` to `output`: for each node its consumers and local derivatives."""
    edges: _Edges = {}
    leads = {node}
    for consumer in computed(output):
        for input, partial in zip(consumer.inputs, consumer.partials):
            if input in leads:
                leads.add(consumer)
                edges.setdefault(input, []).append((consumer, partial))
    return edges


def _count(output: Value, node: Value) -> int:
    """How many paths there are.  A node's count can be a long number and is dropped once handed on."""
    counts = {output: 1}
    for consumer in reversed(computed(output)):
        if consumer is node:
            break
        count = counts.pop(consumer, 0)
        for input in consumer.inputs if count else ():
            if input.inputs or input is node:
                counts[input] = counts.get(input, 0) + count
    return counts.get(node, 0)


def _largest_first(output: Value, node: Value, edges: _Edges) -> Iterator[Path]:
    """The paths by the size of their products: the best continuation of each beginning is known.

    Among equals (but for rounding) the beginning that was reached last goes on first, so that
    of very many equal paths one is finished at a time.
    """
    best = _best_continuations(output, edges)
    if node not in best:
        return
    ticket = 0
    heap: list[tuple[float, int, Value, float, _Trail]] = [(0.0, 0, node, 0.0, None)]
    while heap:
        _, _, reached, size, trail = heapq.heappop(heap)
        if reached is output:
            yield _path(node, trail)
            continue
        for consumer, partial in edges.get(reached, ()):
            if consumer in best:
                ticket -= 1
                further = size + _size(partial)
                order = -round(further + best[consumer], 9)
                heapq.heappush(heap, (order, ticket, consumer, further, (trail, consumer, partial)))


_Trail = tuple["_Trail", Value, float] | None


def _best_continuations(output: Value, edges: _Edges) -> dict[Value, float]:
    """The size of the largest product from each node to the output."""
    best = {output: 0.0}
    for node in sorted(edges, key=lambda node: node.birth, reverse=True):
        sizes = [_size(partial) + best[consumer] for consumer, partial in edges[node] if consumer in best]
        if sizes and node is not output:
            best[node] = max(sizes)
    return best


def _size(partial: float) -> float:
    """The logarithm of its magnitude, which neither overflows nor underflows along a path."""
    if math.isfinite(partial):
        return math.log(abs(partial)) if partial else -1e9
    return 1e9


def _path(node: Value, trail: _Trail) -> Path:
    nodes, partials = [], []
    while trail is not None:
        trail, consumer, partial = trail
        nodes.append(consumer)
        partials.append(partial)
    partials.reverse()
    return Path((node, *reversed(nodes)), tuple(partials), math.prod(partials))


def _route(path: Path, names: dict[Value, str]) -> str:
    nodes = [names[node] for node in path.nodes]
    if len(nodes) > LONGEST:
        nodes = [*nodes[: LONGEST // 2], f"({len(nodes) - LONGEST} more)", *nodes[-LONGEST // 2 :]]
    return " > ".join(nodes)


def _product(path: Path) -> str:
    if len(path.partials) > LONGEST:
        return f"{len(path.partials)} local derivatives, product {brief(path.product)}"
    factors = " * ".join([brief(path.partials[0]), *map(factor, path.partials[1:])]) if path.partials else ""
    return f"{factors} = {brief(path.product)}" if factors else brief(path.product)
