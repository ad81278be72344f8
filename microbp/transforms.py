"""Functions made of functions: grad, value_and_grad, jacobian, hessian, hvp, jvp and vjp.

Each calls the function once, with Values in the place of its arguments, and walks the graph
that was recorded.  Numbers may come in nested lists, tuples, dicts and NumPy arrays, and the
derivatives come in the same.  Where all that goes into a result is plain numbers it is floats;
otherwise, as inside another transform or where the function uses Values of its own, such as a
network's weights, it is Values that can be differentiated again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, wraps
from operator import index
from typing import Any

from microbp import functions
from microbp.arguments import counted, described, shown
from microbp.differentiation import Linearised, check_fresh, owned, pull_back, push_forward
from microbp.structures import Entry, Structure, entries, flat, is_array, like
from microbp.value import Value, as_float, as_value, computed, next_birth

Function = Callable[..., Any]


def grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that gives the gradient of f: df/dx, in the structure of the argument x.

    `argnums` says by which argument, or by which, counted from 0; several give a tuple.  The
    gradients of gradients are the higher derivatives.

    >>> grad(lambda x: x**3)(2.0)
    12.0
    >>> grad(grad(grad(lambda x: x**3)))(2.0)
    6.0
    >>> grad(lambda p: p["w"] * p["x"][0] + p["b"])({"w": 2.0, "x": [3.0], "b": 1.0})
    {'w': 3.0, 'x': [2.0], 'b': 1.0}

    Raises TypeError where f returns something else than one number, or is given what is no number.
    """
    differentiate = _value_and_gradient("grad", f, argnums)

    def gradient(*arguments: Any, **options: Any) -> Structure:
        return differentiate(*arguments, **options)[1]

    return _named("grad", f, gradient)


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that gives f and its gradient, as a pair; see `grad`.

    >>> value_and_grad(lambda x: x**3)(2.0)
    (8.0, 12.0)
    """
    return _named("value_and_grad", f, _value_and_gradient("value_and_grad", f, argnums))


def jacobian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that gives every derivative of f's results by the argument x: df_i/dx_j.

    The derivatives come in the structure of f's result, and each number of it is replaced by the
    structure of x: where both are lists, rows for results and columns for arguments.

    >>> jacobian(lambda x: [x[0] * x[1], x[0] + x[1]])([2.0, 3.0])
    [[3.0, 2.0], [1.0, 1.0]]

    Raises TypeError where f returns, or is given, what is no number.
    """
    opening = _Opening("jacobian", f, argnums)

    def all_derivatives(*arguments: Any, **options: Any) -> Structure:
        call = opening.call(arguments, options)
        return like(call.structure, [call.arranged(row) for row in call.jacobian()])

    return _named("jacobian", f, all_derivatives)


def hessian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that gives every second derivative of f by the argument x: the Jacobian of its gradient.

    >>> hessian(lambda x: x[0] ** 2 * x[1])([1.0, 2.0])
    [[4.0, 2.0], [2.0, 0.0]]

    Raises TypeError where f returns something else than one number, or is given what is no number.
    """
    return _named("hessian", f, jacobian(grad(f, argnums), argnums))


def hvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> Structure:
    """The Hessian of f times a vector, found without the Hessian.

    `primals` are the arguments of f and `tangents` the vector's part for each of them, in the same
    structure, as for `jvp`.  The product has the structure of the argument; of several it is a
    tuple.  It is the gradient's forward derivative.

    >>> hvp(lambda x: x[0] ** 2 * x[1], ([1.0, 2.0],), ([1.0, 0.0],))
    [4.0, 2.0]
    """
    several = len(_arguments("hvp", "primals", primals)) > 1
    return _jvp("hvp", grad(f, range(len(primals)) if several else 0), primals, tangents)[1]


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Structure, Structure]:
    """f, and the Jacobian times a vector: how fast f changes where its arguments change as `tangents` says.

    Forward mode: every node's tangent is the sum over its inputs of local derivative times
    tangent.  `primals` are the arguments of f and `tangents` the vector's part for each of them,
    in the same structure; both come as a tuple or list.

    >>> jvp(lambda x, y: [x * y, x + y], (2.0, 3.0), (1.0, 0.0))
    ([6.0, 5.0], [3.0, 1.0])

    Raises TypeError and ValueError for tangents that do not fit the primals.
    """
    return _jvp("jvp", f, primals, tangents)


def vjp(f: Function, *primals: Any) -> tuple[Structure, Function]:
    """f, and the function that gives vector times Jacobian for a vector in the structure of f's result.

    Reverse mode: every node's gradient is the sum over its consumers of local derivative times
    gradient.  The function can be called with one vector after another; what it returns is a
    tuple, a structure for each argument of f.

    >>> result, pull_back = vjp(lambda x, y: [x * y, x + y], 2.0, 3.0)
    >>> result, pull_back([1.0, 0.0])
    ([6.0, 5.0], (3.0, 2.0))

    Raises TypeError and ValueError for a vector that does not fit the result, and ValueError where
    some `.data` was assigned since.
    """
    call = _Opening("vjp", f, range(len(primals))).call(primals, {})

    def pull_back_of(vector: Structure) -> tuple[Structure, ...]:
        seeds = _fitting("vjp", "the vector", vector, "f's result", call.structure)
        if not call.plain:  # and so of nodes that may have been changed since
            check_fresh("vjp", *call.results)
        parts: tuple[Structure, ...] = call.arranged(call.pulled_back(seeds))
        return parts

    return call.value, pull_back_of


def _value_and_gradient(transform: str, f: Function, argnums: int | Sequence[int]) -> Function:
    opening = _Opening(transform, f, argnums)

    def value_and_gradient(*arguments: Any, **options: Any) -> tuple[Any, Structure]:
        call = opening.call(arguments, options)
        _check_one_number(transform, f, call.structure)
        return call.value, call.arranged(call.pulled_back([1]))

    return value_and_gradient


def _jvp(
    transform: str, f: Function, primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[Structure, Structure]:
    given, vector = _arguments(transform, "primals", primals), _arguments(transform, "tangents", tangents)
    call = _Opening(transform, f, range(len(given))).call(given, {})
    seeds = _fitting(transform, "tangents", vector, "primals", given)
    return call.value, like(call.structure, call.pushed_forward(seeds))


class _Opening:
    """How a transform opens a function's arguments: by which it differentiates, and what they are called."""

    def __init__(self, transform: str, f: Function, argnums: int | Sequence[int]) -> None:
        if not callable(f):
            raise TypeError(
                f"{transform}: a function is needed, not {described(f)}; for a graph that was recorded "
                "there is gradients(output, inputs)"
            )
        self.transform, self.f = transform, f
        self.several = isinstance(argnums, Iterable)
        try:
            self.argnums = [index(k) for k in (argnums if isinstance(argnums, Iterable) else [argnums])]
        except TypeError:
            raise TypeError(
                f"{transform}: argnums counts arguments, as 0 or (0, 2), and {shown(argnums)} came"
            ) from None
        self.names = _argument_names(f)

    def call(self, arguments: Sequence[Any], options: Mapping[str, Any]) -> _Call:
        """Call the function with Values in the place of the numbers it is differentiated by."""
        start = next_birth()
        opened = list(arguments)
        inputs: list[Value] = []
        places = [self._place(k, len(arguments)) for k in self.argnums]
        if len(set(places)) < len(places):
            raise ValueError(f"{self.transform}: argnums names an argument twice: {self.argnums}")
        for place in places:
            name = self.names[place] if place < len(self.names) else f"argument {place + 1}"
            fresh = [self._fresh(entry, name) for entry in entries(arguments[place])]
            opened[place] = like(arguments[place], fresh)
            inputs += fresh
        result = self.f(*opened, **options)
        return _Call(self, [arguments[place] for place in places], inputs, result, start)

    def _place(self, k: int, n_arguments: int) -> int:
        if not -n_arguments <= k < n_arguments:
            raise TypeError(
                f"{self.transform}: argnums says {k}, counted from 0, and {counted(n_arguments, 'argument')} "
                "came by place; what is differentiated by cannot be given by name"
            )
        return k % n_arguments

    def _fresh(self, entry: Entry, name: str) -> Value:
        """A node that is nobody else's: a leaf for a number, and for a Value the sum of it alone."""
        if isinstance(entry.content, Value):
            return functions.sum([entry.content])
        if entry.content.__class__ is not float:
            return Value(as_float(entry.content, f"{self.transform}: {entry.under(name)}"), entry.label(name))
        return Value(entry.content, entry.label(name))


class _Call:
    """A call of a function with Values for its arguments, and the derivatives of its result."""

    def __init__(
        self, opening: _Opening, arguments: list[Any], inputs: list[Value], result: Structure, start: int
    ) -> None:
        self.structure = result
        self._arguments, self._inputs, self._several = arguments, inputs, opening.several
        self.results = [_as_result(opening, entry) for entry in entries(result)]
        self._start = start
        self._order = computed(*self.results)

    @cached_property
    def value(self) -> Structure:
        """The function's result: plain numbers if nothing but plain numbers went in."""
        return like(self.structure, [each.data if self.plain else each for each in self.results])

    def jacobian(self) -> Sequence[Sequence[Any]]:
        """For every number of the result its derivatives by all inputs."""
        if self.plain:
            return [*self._linearised.jacobian()]
        n = len(self.results)
        return [self.pulled_back([int(j == k) for j in range(n)]) for k in range(n)]

    def pulled_back(self, seeds: Sequence[Any]) -> Sequence[Any]:
        """The derivative by each input of the sum of seeds times results."""
        if self.plain and _all_plain(seeds):
            return [*self._linearised.pull_back(seeds)]
        start = next_birth()
        return owned(pull_back(self.results, seeds, self._inputs), start)

    def pushed_forward(self, tangents: Sequence[Any]) -> Sequence[Any]:
        """How fast each number of the result changes where the inputs change as `tangents` says."""
        if self.plain and _all_plain(tangents):
            return [*self._linearised.push_forward(tangents)]
        start = next_birth()
        return owned(push_forward(self._inputs, tangents, self.results), start)

    def arranged(self, row: Sequence[Any]) -> Structure:
        """One entry for each input, in the structure of the arguments."""
        contents = iter(row)
        parts = tuple(like(argument, contents) for argument in self._arguments)
        return parts if self._several else parts[0]

    @cached_property
    def plain(self) -> bool:
        """Whether nothing but plain numbers went in: no Value that is older than the call."""
        oldest = min((input.birth for node in self._order for input in node.inputs), default=self._start)
        oldest = min([oldest, *(each.birth for each in self.results)])
        return oldest >= self._start and _all_plain(flat(self._arguments))

    @cached_property
    def _linearised(self) -> Linearised:
        return Linearised(self._inputs, self.results, self._order)


def _all_plain(numbers: Sequence[Any]) -> bool:
    return not any(isinstance(number, Value) for number in numbers)


def _as_result(opening: _Opening, entry: Entry) -> Value:
    where = f"{opening.transform}: {entry.under(f'the result of {_name_of(opening.f)}')}"
    return as_value(entry.content, where)


def _check_one_number(transform: str, f: Function, result: Structure) -> None:
    if isinstance(result, (list, tuple, dict)) or is_array(result):
        raise TypeError(
            f"{transform}: {_name_of(f)} returned a {type(result).__name__} of {len(result)}, and a gradient "
            "is that of one number; return their sum or another one number, or take the jacobian"
        )


def _arguments(transform: str, name: str, given: Any) -> Sequence[Any]:
    if not isinstance(given, (tuple, list)):
        raise TypeError(
            f"{transform}: {name} is a tuple with one entry for each argument of the function, as in (x,), "
            f"not {described(given)}"
        )
    return given


def _fitting(transform: str, name: str, vector: Structure, other: str, structure: Structure) -> list[Any]:
    """The numbers of a vector that has the structure of something else."""
    found = {entry.place: entry for entry in entries(vector)}
    wanted = {entry.place: entry for entry in entries(structure)}
    for entry in [*found.values(), *wanted.values()]:
        if entry.place not in found or entry.place not in wanted:
            raise ValueError(
                f"{transform}: {name} must have the structure of {other}; they differ at {entry.under(name)}"
            )
    return [_number(found[place], f"{transform}: {found[place].under(name)}") for place in wanted]


def _number(entry: Entry, where: str) -> Any:
    return entry.content if isinstance(entry.content, Value) else as_float(entry.content, where)


def _argument_names(f: Function) -> list[str]:
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _name_of(f: Function) -> str:
    return getattr(f, "__name__", type(f).__name__)


def _named(transform: str, f: Function, made: Function) -> Function:
    made = wraps(f)(made)
    made.__name__ = f"{transform}({_name_of(f)})"
    made.__doc__ = f"{transform} of {_name_of(f)}; see microbp.{transform}."
    return made
