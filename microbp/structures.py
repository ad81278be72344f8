"""Structures, nested lists, tuples, dicts and arrays of numbers or Values: taken apart, and put together."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, NoReturn

Structure = Any  # a number or a Value, or lists, tuples, dicts and NumPy arrays of structures

_DEEPEST = 50


class Entry(NamedTuple):
    """What stands at one place of a structure; `place` are the keys that lead there."""

    place: tuple[Any, ...]
    content: Any

    def under(self, name: str) -> str:
        """The place as Python writes it, below a structure of this name."""
        return name + "".join(f"[{key!r}]" for key in self.place)

    def label(self, name: str) -> str:
        """The place as a textbook writes it, counting from 1: x[2], x[1,3], x[w,1]."""
        if not self.place:
            return name
        return f"{name}[{','.join(str(key + 1) if type(key) is int else str(key) for key in self.place)}]"


class Row(list[Any]):
    """A list in the place of an array's axis; it refuses arithmetic, which means something else to a list."""

    __slots__ = ()
    __array_ufunc__ = None  # makes NumPy leave `array * row` to Row, which refuses it

    def _refuse(self, other: object) -> NoReturn:
        raise TypeError(
            "an array's numbers come to a function as a list of Values, which has no arithmetic of its own; "
            "compute with each of them, as in [2 * v for v in x]"
        )

    __add__ = __radd__ = __mul__ = __rmul__ = __sub__ = __rsub__ = __truediv__ = _refuse
    __iadd__ = __imul__ = __rtruediv__ = __pow__ = __matmul__ = _refuse

    def __neg__(self) -> NoReturn:
        self._refuse(self)

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        return Row(part) if isinstance(key, slice) else part


def entries(structure: Structure) -> list[Entry]:
    """What a structure holds, with its places, in order; a dict in the order of its keys.

    >>> for entry in entries({"w": [1.0, 2.0], "b": 3.0}):
    ...     print(entry.under("x"), entry.label("x"), entry.content)
    x['w'][0] x[w,1] 1.0
    x['w'][1] x[w,2] 2.0
    x['b'] x[b] 3.0

    Raises ValueError for a structure that contains itself.
    """
    return list(_walk(structure, (), 0))


def flat(structure: Structure) -> list[Any]:
    """What a structure holds, in order."""
    return [entry.content for entry in _walk(structure, (), 0)]


def like(structure: Structure, contents: Iterable[Any]) -> Structure:
    """A structure of the same form with other contents; what was an array is one if it holds floats alone.

    >>> like({"w": [1.0, 2.0], "b": 3.0}, "xyz")
    {'w': ['x', 'y'], 'b': 'z'}
    """
    return _filled(structure, iter(contents))


def is_array(thing: object) -> bool:
    """Whether it is a NumPy array with axes; NumPy is not imported to find out."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(thing, numpy.ndarray) and thing.ndim > 0


def _walk(structure: Structure, place: tuple[Any, ...], depth: int) -> Iterator[Entry]:
    parts = parts_of(structure)
    if parts is None:
        yield Entry(place, structure)
        return
    if depth == _DEEPEST:
        raise ValueError(f"a structure is nested more than {_DEEPEST} levels deep; does it contain itself?")
    for key, part in parts:
        yield from _walk(part, (*place, key), depth + 1)


def parts_of(structure: Structure) -> Iterable[tuple[Any, Structure]] | None:
    """The keys and parts of a structure; None for a single entry."""
    if structure.__class__ is float:  # what most entries are, told at once
        return None
    if isinstance(structure, (list, tuple)):
        return enumerate(structure)
    if isinstance(structure, dict):
        return structure.items()
    if is_array(structure):
        return enumerate(structure.tolist() if structure.ndim == 1 else structure)
    return None


def _filled(structure: Structure, contents: Iterator[Any]) -> Structure:
    parts = parts_of(structure)
    if parts is None:
        return next(contents)
    return with_parts(structure, [_filled(part, contents) for _, part in parts])


def with_parts(structure: Structure, members: list[Any]) -> Structure:
    """A structure of the same kind with other parts."""
    if isinstance(structure, dict):
        return dict(zip(structure, members))
    if is_array(structure) or isinstance(structure, Row):
        return _array(members)
    if isinstance(structure, tuple):
        return type(structure)(*members) if hasattr(structure, "_fields") else tuple(members)
    return members


def _array(members: list[Any]) -> Structure:
    """An array where all of its parts are floats and arrays, else rows."""
    if all(isinstance(part, float) or is_array(part) for part in members):
        import numpy as np

        return np.array(members, dtype=float)
    return Row(members)
