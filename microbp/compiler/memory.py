"""Memory: the parameters' numbers in one array, while the Values that the user holds stay right.

While a program works with the array, its parameters are of class Held: whoever looks at one of
them, or assigns to it, makes the memory write all numbers back first, and they are plain Values
again.  A program that runs on takes their numbers anew.  So nobody sees an old number, and a
training of many steps pays for the exchange once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from threading import Lock, RLock
from typing import Any
from weakref import ref

from microbp.compiler.plan import Array
from microbp.value import Value


class Held(Value):
    """A parameter whose numbers are in a program's array at the moment."""

    __slots__ = ()

    @property
    def data(self) -> float:
        return _released(self).data

    @data.setter
    def data(self, number: float) -> None:
        _released(self).data = number

    @property
    def grad(self) -> float:
        return _released(self).grad

    @grad.setter
    def grad(self, number: float) -> None:
        _released(self).grad = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _released(self).__reduce__()


def _released(value: Value) -> Value:
    """The same Value, a plain one again."""
    numbers = value.constant if isinstance(value, Held) else None
    if isinstance(numbers, _Numbers):
        memory = numbers.memory()
        if memory is not None:
            memory.release()
        else:  # Python is about to collect it together with other things, one of which looks at a Value
            numbers.give_back(value)
    return value


_DATA, _GRAD = Value.__dict__["data"], Value.__dict__["grad"]


class _Numbers:
    """What held Values refer to: the arrays with their numbers, which do not refer to them."""

    def __init__(self, memory: Memory, values: Sequence[Value], data: Array) -> None:
        self.memory = ref(memory)
        self.data = data
        self.gradient: Array | None = None
        self._place = {id(value): k for k, value in enumerate(values)}

    def give_back(self, value: Value) -> None:
        place = self._place[id(value)]
        slope = None
        if self.gradient is not None and place < len(self.gradient):
            slope = float(self.gradient[place])
        _give_back(value, float(self.data[place]), slope)


def _give_back(value: Value, number: float, slope: float | None) -> None:
    _DATA.__set__(value, number)
    if slope is not None:
        _GRAD.__set__(value, slope)
    value.__class__ = Value
    value.constant = None


_exchange = Lock()  # while a memory takes the numbers of its Values, no other one does


class Memory:
    """The numbers of `trained` and `fixed` in `data`, an array, one after another.

    `gradient`, once it is set, holds the gradients of those that are trained.  The numbers in
    the arrays count while the Values are held, and those of the Values otherwise.
    """

    def __init__(self, trained: Sequence[Value], fixed: Sequence[Value], data: Array) -> None:
        self._held = self._running = False
        self._lock = RLock()
        self.trained = list(trained)
        self.values = [*trained, *fixed]
        self.data = data
        self._numbers = _Numbers(self, self.values, data)
        for value in self.values:
            if type(value) not in (Value, Held):
                raise TypeError(
                    f"compile: {value!r} is of class {type(value).__name__}; parameters are plain Values"
                )

    @property
    def gradient(self) -> Array | None:
        return self._numbers.gradient

    @gradient.setter
    def gradient(self, gradient: Array | None) -> None:
        self._numbers.gradient = gradient

    @contextmanager
    def use(self) -> Iterator[None]:
        """For the time of a run: the numbers are in the arrays, and whoever looks at a Value waits.

        Raises RuntimeError where a run is under way already in another thread, of this program or
        of another one with the same parameters.
        """
        with self._alone():
            self._running = True
            try:
                self.hold()
                yield
            finally:
                self._running = False

    @contextmanager
    def _alone(self) -> Iterator[None]:
        while not self._lock.acquire(timeout=0.001):  # to look at a Value takes another thread a moment only
            if self._running:
                raise RuntimeError(
                    "a program is running in another thread with the same parameters and arrays; "
                    "wait for it to end, or give each thread a network and a program of its own"
                )
        try:
            yield
        finally:
            self._lock.release()

    def hold(self) -> None:
        """Take the numbers of the Values, unless they are held already.

        An exception in the middle of it, as Ctrl-C may bring, leaves every number right: some
        Values are held then, others are not, and `release` mends it.
        """
        if self._held:
            return
        with _exchange:
            for other in {value.constant for value in self.values if isinstance(value, Held)}:
                memory = other.memory() if isinstance(other, _Numbers) else None
                if memory is not None:
                    with memory._alone():
                        memory.release()
            self.gradient = None
            self.data[:] = [value.data for value in self.values]
            for value in self.values:
                value.constant = self._numbers  # type: ignore[assignment]
                value.__class__ = Held
            self.data[:] = list(map(_DATA.__get__, self.values))  # another thread may have assigned meanwhile
            self._held = True

    def release(self) -> None:
        """Give the numbers back to the Values; waits for a run that is under way."""
        with self._lock:
            self._held = False
            gradient = [] if self.gradient is None else self.gradient.tolist()
            for value, number, slope in zip_longest(self.values, self.data.tolist(), gradient):
                if value.constant is self._numbers and value.__class__ is Held:
                    _give_back(value, number, slope)

    def __del__(self) -> None:
        self.release()
