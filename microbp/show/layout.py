"""A layered layout from left to right: every block after the blocks that lead to it.

The steps are those of Sugiyama, Tagawa and Toda (1981): layers, then an order within each
layer that lets few lines cross, then places.  A line over several layers passes between the
blocks on points of its own, so that no line crosses a block: it is level beside the blocks of
a layer and bends in the empty channels between layers only.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Point = tuple[float, float]

_ORDER_SWEEPS, _PLACE_SWEEPS = 24, 80  # over all layers, forth or back
_LINE_GAP = 7.0
_SETTLED = 0.25  # a sweep that moves nothing further than this is the last
LEAD, ARROW = 3.0, 7.0  # every line is level for so long after it leaves and before it arrives


@dataclass(eq=False)
class Block:
    """A rectangle to be placed; of height 0 where a line passes a layer."""

    width: float
    height: float
    side: int = 0  # -1 to stand left of all others, 1 right of them
    stretches: bool = False  # to the width of the widest such block in its layer
    layer: int = 0
    x: float = 0.0
    y: float = 0.0
    is_line: bool = False
    ins: list[Link] = field(default_factory=list)
    outs: list[Link] = field(default_factory=list)
    order: float = 0.0


@dataclass(eq=False)
class Link:
    """A line from the right of one block to the left of another, so far below their tops.

    `head_y` is None where the line may arrive anywhere at its head.
    """

    tail: Block
    head: Block
    tail_y: float
    head_y: float | None
    path: list[Link] = field(default_factory=list)  # its parts from layer to layer
    fall: float = 0.0  # from the top of the tail to that of the head where the line is level
    weight: float = 1.0  # of its being level

    @property
    def start(self) -> float:
        return self.tail.y + self.tail_y

    @property
    def end(self) -> float:
        return self.head.y + (self.head.height / 2 if self.head_y is None else self.head_y)


@dataclass
class Layout:
    """Where everything is: the blocks know their own x and y, and `route` that of each link."""

    width: float
    height: float
    layers: list[list[Block]]
    edges: list[tuple[float, float]]  # from where to where each layer reaches, from left to right

    def route(self, link: Link) -> list[Point]:
        """The corners of a line: level from each odd one to the next, bent in between."""
        corners = [(link.tail.x + link.tail.width, link.path[0].start)]
        for part in link.path:
            corners.append((self.edges[part.tail.layer][1] + LEAD, part.start))
            corners.append((self.edges[part.head.layer][0] - ARROW, part.end))
        corners.append((link.head.x, link.path[-1].end))
        return corners


def lay_out(
    blocks: Sequence[Block],
    links: Sequence[Link],
    columns: Iterable[Sequence[Block]],
    gap: float,
    channel: float,
) -> Layout:
    """Place the blocks, `gap` apart within a layer and at least `channel` from layer to layer.

    The blocks of each of `columns` keep their order from top to bottom where they share a layer.

    Raises ValueError where blocks lead to one another in a circle.
    """
    for block in blocks:
        block.ins, block.outs = [], []
    for link in links:
        link.path = []
        link.tail.outs.append(link)
        link.head.ins.append(link)
    columns = [column for column in columns if len(column) > 1]
    _find_layers(blocks, columns)
    layers = _fill_layers(blocks, links)
    _order(layers, columns)
    _spread_arrivals(blocks)
    _place_vertically(layers, gap)
    edges = _place_horizontally(layers, channel)
    top = min(block.y for block in blocks)
    for layer in layers:
        for block in layer:
            block.y -= top
    height = max(block.y + block.height for layer in layers for block in layer)
    return Layout(edges[-1][1], height, layers, edges)


def _find_layers(blocks: Sequence[Block], columns: Sequence[Sequence[Block]]) -> None:
    """The longest way to a block is its layer; what only feeds others moves close to them."""
    order = _topological(blocks)
    for block in order:
        block.layer = 1 + max((link.tail.layer for link in block.ins), default=-1)
    free = {block for block in order if not block.ins}
    for block in order:
        if len(block.outs) == 1 and all(link.tail in free and len(link.tail.outs) == 1 for link in block.ins):
            free.add(block)
    for block in reversed(order):
        held = sum(link.tail not in free for link in block.ins)
        if len(block.outs) > held:
            block.layer = min(link.head.layer for link in block.outs) - 1
    for column in columns:
        if not any(block.ins for block in column):
            first = min(block.layer for block in column)
            for block in column:
                block.layer = first
    inner = [block.layer for block in blocks if not block.side]
    for block in blocks:
        if block.side:
            block.layer = min(inner) - 1 if block.side < 0 else max(inner) + 1
    first = min(block.layer for block in blocks)
    for block in blocks:
        block.layer -= first


def _topological(blocks: Sequence[Block]) -> list[Block]:
    waiting = {block: len(block.ins) for block in blocks}
    order = [block for block in blocks if not block.ins]
    for block in order:  # which grows while it is walked
        for link in block.outs:
            waiting[link.head] -= 1
            if not waiting[link.head]:
                order.append(link.head)
    if len(order) < len(blocks):
        raise ValueError("the blocks lead to one another in a circle")
    return order


def _fill_layers(blocks: Sequence[Block], links: Sequence[Link]) -> list[list[Block]]:
    """The blocks by layer, and points where lines pass one; lines from one place share their points."""
    layers: list[list[Block]] = [[] for _ in range(1 + max(block.layer for block in blocks))]
    for block in blocks:
        layers[block.layer].append(block)
        block.ins, block.outs = [], []
    points: dict[tuple[Block, float, int], Link] = {}
    for link in links:
        at, y = link.tail, link.tail_y
        for layer in range(link.tail.layer + 1, link.head.layer):
            key = (link.tail, link.tail_y, layer)
            if key not in points:
                point = Block(0.0, 0.0, layer=layer, is_line=True)
                layers[layer].append(point)
                points[key] = _join(Link(at, point, y, 0.0))
            link.path.append(points[key])
            at, y = points[key].head, 0.0
        link.path.append(_join(Link(at, link.head, y, link.head_y)))
    return layers


def _join(part: Link) -> Link:
    part.tail.outs.append(part)
    part.head.ins.append(part)
    return part


# The order within layers.


def _order(layers: list[list[Block]], columns: Sequence[Sequence[Block]]) -> None:
    """Sort each layer by the mean place of its neighbours, to and fro; keep what crossed least."""
    rank = {block: (c, k) for c, column in enumerate(columns) for k, block in enumerate(column)}
    for layer in layers:
        _number(layer)
    best = [list(layer) for layer in layers]
    fewest: int | None = None
    for sweep in range(_ORDER_SWEEPS):
        forth = sweep % 2 == 0
        for layer in layers if forth else reversed(layers):
            layer.sort(key=lambda block: _barycentre(block, forth))
            _keep_columns(layer, rank)
            _number(layer)
        crossings = sum(map(_crossings, layers))
        if fewest is None or crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
        if not fewest:
            break
    for layer, kept in zip(layers, best):
        layer[:] = kept
        _number(layer)
    _exchange(layers, rank)


def _exchange(layers: list[list[Block]], rank: dict[Block, tuple[int, int]]) -> None:
    """Exchange neighbours in a layer as long as fewer lines cross."""
    better = True
    for _ in range(_ORDER_SWEEPS):
        if not better:
            break
        better = False
        for layer in layers:
            for k in range(len(layer) - 1):
                above, below = layer[k], layer[k + 1]
                if above in rank and below in rank and rank[above][0] == rank[below][0]:
                    continue
                if _crossings_of(above, below) > _crossings_of(below, above):
                    layer[k], layer[k + 1] = below, above
                    above.order, below.order = below.order, above.order
                    better = True


def _crossings_of(above: Block, below: Block) -> int:
    """How many lines of two blocks cross if the one is above the other."""
    return sum(_tail_order(upper) > _tail_order(lower) for upper in above.ins for lower in below.ins) + sum(
        _head_order(upper) > _head_order(lower) for upper in above.outs for lower in below.outs
    )


def _number(layer: list[Block]) -> None:
    for k, block in enumerate(layer):
        block.order = float(k)


def _barycentre(block: Block, forth: bool) -> float:
    places = (
        [_tail_order(part) for part in block.ins] if forth else [_head_order(part) for part in block.outs]
    )
    return sum(places) / len(places) if places else block.order


def _tail_order(part: Link) -> float:
    return part.tail.order + _fraction(part.tail_y, part.tail)


def _head_order(part: Link) -> float:
    return part.head.order + _fraction(part.head_y, part.head)


def _fraction(y: float | None, block: Block) -> float:
    """Where a port is on its block, as a part of the step from this block to the next."""
    return 0.0 if y is None or not block.height else 0.9 * (y / block.height - 0.5)


def _keep_columns(layer: list[Block], rank: dict[Block, tuple[int, int]]) -> None:
    """Give the places that a column's blocks have in a layer to them in their own order."""
    places: defaultdict[int, list[int]] = defaultdict(list)
    for k, block in enumerate(layer):
        if block in rank:
            places[rank[block][0]].append(k)
    for taken in places.values():
        for k, block in zip(taken, sorted((layer[k] for k in taken), key=rank.__getitem__)):
            layer[k] = block


def _crossings(layer: list[Block]) -> int:
    """How many lines cross on the way to this layer."""
    parts = sorted((_tail_order(part), _head_order(part)) for block in layer for part in block.ins)
    seen: list[float] = []
    crossings = 0
    for _, head in parts:
        crossings += len(seen) - bisect_right(seen, head)
        insort(seen, head)
    return crossings


def _spread_arrivals(blocks: Iterable[Block]) -> None:
    """Lines that may arrive anywhere arrive in the order they come from, apart from each other."""
    for block in blocks:
        free = sorted((part for part in block.ins if part.head_y is None), key=_tail_order)
        step = min(24.0, 0.5 * block.height / max(len(free) - 1, 1))
        for k, part in enumerate(free):
            part.head_y = block.height / 2 + (k - (len(free) - 1) / 2) * step


# Places.


def _place_vertically(layers: list[list[Block]], gap: float) -> None:
    """Let each block lie level with what it is joined to, as far as order and gaps allow."""
    for layer in layers:
        y = 0.0
        for block in layer:
            block.y = y
            y += block.height + gap
            for part in block.ins:
                _weigh(part)
    for sweep in range(_PLACE_SWEEPS):
        forth = sweep % 2 == 0
        moves = [
            _settle(layer, gap, both=sweep >= 4, forth=forth) for layer in (layers if forth else layers[::-1])
        ]
        if sweep >= 4 and max(moves) < _SETTLED:
            break


def _settle(layer: list[Block], gap: float, both: bool, forth: bool) -> float:
    """Place a layer's blocks nearest to where they wish to be, in least squares; the largest move.

    Pools of blocks that touch move as one (the pool-adjacent-violators algorithm).
    """
    pools: list[list[float]] = []  # wish, weight, how many blocks
    offset, offsets = 0.0, []
    for k, block in enumerate(layer):
        if k:
            above = layer[k - 1]
            offset += above.height + (_LINE_GAP if above.is_line and block.is_line else gap)
        offsets.append(offset)
        wish, weight = _wish(block, both or forth, both or not forth)
        pools.append([wish - offset, weight, 1])
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            y, w, n = pools.pop()
            last = pools[-1]
            last[0] = (last[0] * last[1] + y * w) / (last[1] + w)
            last[1] += w
            last[2] += n
    places = [y for y, _, n in pools for _ in range(int(n))]
    largest = 0.0
    for block, y, offset in zip(layer, places, offsets):
        largest = max(largest, abs(y + offset - block.y))
        block.y = y + offset
    return largest


def _wish(block: Block, from_ins: bool, from_outs: bool) -> tuple[float, float]:
    """Where a block's lines would be level, and how much that matters."""
    total = weights = 0.0
    for part in block.ins if from_ins else ():
        total += part.weight * (part.tail.y + part.fall)
        weights += part.weight
    for part in block.outs if from_outs else ():
        total += part.weight * (part.head.y - part.fall)
        weights += part.weight
    return (total / weights, weights) if weights else (block.y, 0.01)


def _weigh(part: Link) -> None:
    """Long lines are to be straight; what nothing leads to can follow what it leads to."""
    part.fall = part.start - part.tail.y - (part.end - part.head.y)
    part.weight = (1.0, 2.0, 8.0)[part.tail.is_line + part.head.is_line] if part.tail.ins else 0.3


def _place_horizontally(layers: list[list[Block]], channel: float) -> list[tuple[float, float]]:
    """From where to where each layer reaches; steep lines are given wider channels."""
    edges: list[tuple[float, float]] = []
    x, previous = 0.0, layers[0]
    for layer in layers:
        if edges:
            steepest = max((abs(part.start - part.end) for block in layer for part in block.ins), default=0.0)
            beside = any(block.side for block in (layer[0], previous[0]))
            x += (
                (LEAD + ARROW + min(60.0, 0.5 * steepest))
                if beside
                else channel + min(320.0, 0.16 * steepest)
            )
        width = max(block.width for block in layer)
        widest = max((block.width for block in layer if block.stretches), default=0.0)
        for block in layer:
            block.width = widest if block.stretches else block.width
            block.x = x + (width - block.width) / 2
        edges.append((x, x + width))
        x += width
        previous = layer
    return edges
