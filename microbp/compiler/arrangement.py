"""Which parts of a structure of Values are arrays: Values, and lists of them as regular as an array."""

from __future__ import annotations

from dataclasses import dataclass

from microbp.structures import Structure, parts_of, with_parts


@dataclass(frozen=True)
class Regular:
    """A Value, of shape (), or nested lists of Values; `places` are theirs in the flat structure."""

    places: slice
    shape: tuple[int, ...]


def arrangement(structure: Structure) -> Structure:
    """A structure with a `Regular` for each of its Values, and for lists of equal ones a single one.

    Tuples and dicts stay what they are.

    >>> arrangement(([["a", "b"], ["c", "d"]], "e"))
    (Regular(places=slice(0, 4, None), shape=(2, 2)), Regular(places=slice(4, 5, None), shape=()))
    """
    return _arrangement(structure, 0)[0]


def _arrangement(structure: Structure, first: int) -> tuple[Structure, int]:
    """The arrangement of a part whose first Value has the place `first`, and the place behind its last."""
    parts = parts_of(structure)
    if parts is None:
        return Regular(slice(first, first + 1), ()), first + 1
    members, place = [], first
    for _, part in parts:
        member, place = _arrangement(part, place)
        members.append(member)
    shapes = {member.shape if isinstance(member, Regular) else None for member in members} or {()}
    shape = shapes.pop()
    if shapes or shape is None or isinstance(structure, (tuple, dict)):
        return with_parts(structure, members), place
    return Regular(slice(first, place), (len(members), *shape)), place
