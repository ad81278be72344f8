"""What comes to a public function: checked at its door, and described where it is refused."""

from __future__ import annotations

import numbers
import reprlib
from collections.abc import Iterable, Mapping, Sequence, Set
from types import ModuleType
from typing import Any


class _Short(reprlib.Repr):
    """Texts of one line in which nothing differs from run to run, as an address in memory does."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 60

    def repr_int(self, number: int, level: int) -> str:
        magnitude = round(number.bit_length() * 0.30103)  # the logarithm of 2 makes decimal digits of it
        return repr(number) if magnitude < 30 else f"about {'-' if number < 0 else ''}10**{magnitude}"

    def repr_instance(self, thing: Any, level: int) -> str:
        if isinstance(thing, type):
            return f"the class {thing.__name__}"
        kind, shape = type(thing).__name__, getattr(thing, "shape", None)
        if isinstance(shape, tuple) and (shape or kind == "ndarray"):
            return f"{_a('array' if kind == 'ndarray' else kind)} of shape {tuple(shape)}"
        if shape == () and type(thing).__module__ == "numpy":
            thing = thing.item()
        text = super().repr_instance(thing, level)
        if text.startswith("<"):
            return _by_name(thing) if callable(thing) or isinstance(thing, ModuleType) else _a(kind)
        return " ".join(text.split())


_short = _Short()


def shown(thing: object) -> str:
    """A thing as an error shows it: short, on one line, and the same in every run.

    >>> shown([1.5, "a", None]), shown(len), shown(iter([])), shown(10**400)
    ("[1.5, 'a', None]", 'the function len', 'a list_iterator', 'about 10**400')
    """
    return _short.repr(thing)


def described(thing: object) -> str:
    """A thing as `shown`, and its class where that is news.

    >>> described("3"), described(None), described(float), described(range(3))
    ("'3' (str)", 'None', 'the class float', 'range(0, 3)')
    """
    text, kind = shown(thing), type(thing).__name__
    told = thing is None or text.startswith((f"{kind}(", "the ", "a ", "an "))
    return text if told else f"{text} ({kind})"


def counted(number: int, what: str) -> str:
    """A number of things, one or several.

    >>> counted(1, "sample"), counted(1200, "sample")
    ('1 sample', '1,200 samples')
    """
    return f"{f'{number:,}' if number < 10**15 else shown(number)} {what}{'' if number == 1 else 's'}"


def in_order(thing: object) -> bool:
    """Whether it holds several things, one after another, as texts, dicts and sets do not.

    >>> in_order([1, 2]), in_order(range(3)), in_order("12"), in_order({1, 2}), in_order(1)
    (True, True, False, False, False)
    """
    no_order = isinstance(thing, (str, bytes, Mapping, Set))
    return isinstance(thing, Iterable) and not no_order and getattr(thing, "ndim", None) != 0


def check_count(count: object, what: str, least: int = 1, most: int | None = None) -> None:
    """Raise ValueError unless `count` is a whole number, at least `least` and at most `most`."""
    if not isinstance(count, numbers.Integral) or isinstance(count, bool) or count < least:
        raise ValueError(f"{what} is a whole number, at least {least}, not {shown(count)}")
    if most is not None and int(count) > most:
        raise ValueError(f"{what} is at most {most:,}, not {shown(count)}")


def check_choice(choice: object, choices: Sequence[str], what: str) -> None:
    """Raise ValueError unless `choice` is one of the texts in `choices`."""
    if not isinstance(choice, str) or choice not in choices:
        *first, last = map(repr, choices)
        raise ValueError(f"{what} is {', '.join(first)} or {last}, not {shown(choice)}")


def check_function(function: object, what: str) -> None:
    """Raise TypeError for what cannot be called."""
    if not callable(function):
        raise TypeError(f"{what}, not {described(function)}")


def check_flag(flag: object, what: str) -> None:
    """Raise TypeError unless `flag` is True or False, or what NumPy calls so."""
    if not isinstance(flag, bool) and type(flag).__name__ not in ("bool", "bool_"):
        raise TypeError(f"{what} is True or False, not {shown(flag)}")


def _by_name(thing: object) -> str:
    name = getattr(thing, "__name__", "")
    if isinstance(thing, ModuleType):
        return f"the module {name}"
    return f"the function {name}" if name.isidentifier() else "a function"


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"
