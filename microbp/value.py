"""Value: a number that remembers where it came from, and the backward pass.

Each operation stores, beside its result, who it was computed from (`inputs`) and its local
derivative along each of them (`partials`).  `backward` is the whole of backpropagation.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import count
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, SupportsFloat

from microbp.arguments import described, in_order, shown
from microbp.rules import Rule

MOST_INTRODUCED = 4  # operands that an error tells of
LONGEST_NUMBER = 10  # characters of a number that it tells exactly

next_birth = count().__next__


by_birth = attrgetter("birth")


class Value:
    """A number that remembers how it was computed, so that it can be differentiated.

    `data` is the number and `grad` the derivative of the last differentiated output by this
    node; both are floats and may be assigned.  `inputs` are the Values it was computed from,
    `partials` the local derivative along each, `rule` the row of the table that was applied
    (None for a leaf, a number that was given).

    >>> w, x, b = Value(0.5, "w"), Value(2.0, "x"), Value(-1.0, "b")
    >>> u = w * x + b
    >>> z = u.sigmoid()
    >>> z.backward()
    >>> w
    Value(0.5000, label='w', grad=0.5000)
    >>> u.data, z.data, u.grad, w.grad
    (0.0, 0.5, 0.25, 0.5)

    Raises TypeError for anything but a real number, and for a label that is no text.
    """

    __slots__ = ("birth", "constant", "data", "grad", "inputs", "label", "partials", "reached", "rule")
    __array_ufunc__ = None  # makes NumPy leave `array * value` to Value, which refuses it

    traced: ClassVar[bool] = False  # whether it stands for a number not known yet, as when compiling

    data: float
    grad: float
    label: str
    rule: Rule | None
    inputs: tuple[Value, ...]
    partials: tuple[float, ...]
    constant: SupportsFloat | None
    birth: int
    reached: object

    def __init__(self, data: Number, label: str = "") -> None:
        if label.__class__ is not str and not isinstance(label, str):
            raise TypeError(f"Value: a label is a text, not {shown(label)}")
        self.grad = 0.0
        self.label = label
        self.rule = None
        self.inputs = ()
        self.partials = ()
        self.constant = None
        self.birth = next_birth()
        self.reached = None
        if data.__class__ is float:
            self.data = data
        elif isinstance(data, Value) and data.traced:
            data.stand_for(self)
        else:
            self.data = as_float(data, "Value")

    def backward(self, seed: Number = 1.0) -> None:
        """Backpropagation: give every node the derivative of this one by it, times `seed`.

        Inner nodes start afresh; leaves add to what they hold, so that the gradients of
        several outputs add up and `zero_grad` is what clears them.  Uses the local
        derivatives of the run that was recorded, whatever was assigned to `.data` since.

        >>> a = Value(3.0)
        >>> b = a * a + a
        >>> b.backward()
        >>> a.grad
        7.0
        """
        seed = as_float(seed, "backward(seed)")
        this_pass = object()
        order = [self] if self.inputs else []
        held = []
        for node in order:  # which grows while it is walked
            for input in node.inputs:
                if input.reached is not this_pass:
                    input.reached = this_pass
                    if input.inputs:
                        input.grad = 0.0
                        order.append(input)
                elif input.grad:  # a leaf reached again, as inner nodes are at zero now
                    held.append((input, input.grad))
                    input.grad = 0.0
        order.sort(key=by_birth, reverse=True)  # a node is born after its inputs
        self.grad = seed if self.inputs else self.grad + seed
        for node in order:
            grad = node.grad
            for input, partial in zip(node.inputs, node.partials):
                input.grad += partial * grad
        for leaf, grad in held:  # added at once: a second pass gives exactly twice the first
            leaf.grad += grad

    def zero_grad(self) -> None:
        """Set the gradient of this node, and of all it was computed from, to zero."""
        for node in computed(self):
            for input in node.inputs:
                input.grad = 0.0
        self.grad = 0.0

    def recompute(self) -> None:
        """Run the recorded graph again, values and local derivatives, with the leaves as they are now.

        A domain error raises and leaves every node as it was.

        >>> a = Value(3.0)
        >>> b = a * a
        >>> a.data = 5.0
        >>> b.recompute()
        >>> b.data
        25.0
        """
        before: list[tuple[Value, float, tuple[float, ...]]] = []
        try:
            for node in computed(self):
                before.append((node, node.data, node.partials))
                node.data, node.partials = evaluated(node)
        except BaseException:
            for node, data, partials in before:
                node.data, node.partials = data, partials
            raise

    @property
    def operands(self) -> tuple[Value | SupportsFloat, ...]:
        """What the operation was applied to, in order: the inputs, and a plain number if it held one.

        >>> a = Value(3.0, "a")
        >>> (1 - a).operands
        (1, Value(3.000, label='a', grad=0.000))
        """
        if self.rule is None or self.rule.place is None:
            return self.inputs
        assert self.constant is not None
        return (self.constant, *self.inputs) if self.rule.place == 0 else (*self.inputs, self.constant)

    def __pos__(self) -> Value:
        return self

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        return f"Value({digits(self.data)}{label}, grad={digits(self.grad)})"

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    def __bool__(self) -> NoReturn:
        raise TypeError(f"the truth of {self!r} has no derivative; ask about its number, as in `if v.data:`")

    def _no_order(self, other: object) -> NoReturn:
        raise TypeError(
            f"comparing {self!r} has no derivative; compare numbers, as in `a.data < b.data`, "
            "or use relu, abs, microbp.max or microbp.min"
        )

    __lt__ = __le__ = __gt__ = __ge__ = _no_order

    def __float__(self) -> NoReturn:
        raise TypeError(
            f"turning {self!r} into a plain float would drop its graph; write v.data for the number, "
            "or v.exp(), v.log(), v.sqrt() and so on instead of the functions of math and numpy"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        if self.rule is not None:
            raise TypeError(
                f"cannot copy or pickle {self!r}: it was computed from other Values; copy the leaves "
                "(the parameters) and compute it again, or take its number with Value(v.data)"
            )
        return type(self), (self.data, self.label), (None, {"grad": self.grad})

    if TYPE_CHECKING:  # made from the table by operators.py

        def __add__(self, other: Operand) -> Value: ...
        def __radd__(self, other: Number) -> Value: ...
        def __sub__(self, other: Operand) -> Value: ...
        def __rsub__(self, other: Number) -> Value: ...
        def __mul__(self, other: Operand) -> Value: ...
        def __rmul__(self, other: Number) -> Value: ...
        def __truediv__(self, other: Operand) -> Value: ...
        def __rtruediv__(self, other: Number) -> Value: ...
        def __pow__(self, other: Operand) -> Value: ...
        def __rpow__(self, other: Number) -> Value: ...
        def __neg__(self) -> Value: ...
        def __abs__(self) -> Value: ...
        def abs(self) -> Value: ...
        def exp(self) -> Value: ...
        def log(self) -> Value: ...
        def sqrt(self) -> Value: ...
        def sigmoid(self) -> Value: ...
        def tanh(self) -> Value: ...
        def relu(self) -> Value: ...
        def softplus(self) -> Value: ...
        def sin(self) -> Value: ...
        def cos(self) -> Value: ...

        # what Values have while compiling, whose numbers are not known: see compiler/traced.py

        def stand_for(self, leaf: Value) -> None: ...
        def recorded(self, rule: Rule, inputs: tuple[Value, ...], constant: Any) -> Value: ...
        def demand(
            self, holds: Callable[[Any], Any], error: type[Exception], message: Callable[[float], str]
        ) -> None: ...


Number = SupportsFloat
Operand = Value | SupportsFloat


def computed(*outputs: Value) -> list[Value]:
    """The nodes that `outputs` were computed through, themselves included, each after its inputs.

    A node is born after its inputs, so the order of birth is such an order.  Leaves are left out.
    """
    order = [output for output in dict.fromkeys(outputs) if output.inputs]
    seen = set(order)
    for node in order:  # which grows while it is walked
        for input in node.inputs:
            if input.inputs and input not in seen:
                seen.add(input)
                order.append(input)
    order.sort(key=by_birth)
    return order


def zero_grad(values: Iterable[Value]) -> None:
    """Set the gradient of each of `values` to zero.

    >>> a = Value(2.0)
    >>> (a * a).backward()
    >>> zero_grad([a])
    >>> a.grad
    0.0

    Raises TypeError for anything but Values.
    """
    for value in as_values(values, "zero_grad"):
        value.grad = 0.0


def apply(rule: Rule, operands: Sequence[Any]) -> Value:
    """A new node: `rule` applied to `operands`, Values but for the plain number the rule may hold.

    Raises what the arithmetic raises outside the rule's domain, naming the operands.
    """
    held = None if rule.place is None else operands[rule.place]
    inputs = operands if rule.place is None else operands[1:] if rule.place == 0 else operands[:-1]
    for input in inputs:
        if isinstance(input, Value) and input.traced:
            return input.recorded(rule, tuple(inputs), held)
    data, partials = _evaluate(rule, operands)
    return new_node(data, rule, tuple(inputs), partials, held)


def new_node(
    data: float,
    rule: Rule,
    inputs: tuple[Value, ...],
    partials: tuple[float, ...],
    constant: SupportsFloat | None = None,
) -> Value:
    node = Value.__new__(Value)
    node.data, node.grad, node.label = data, 0.0, ""
    node.rule, node.inputs, node.partials, node.constant = rule, inputs, partials, constant
    node.birth = next_birth()
    node.reached = None
    return node


def name_of(operand: Any) -> str:
    """A node by its label, or by how it was computed, or by its number.

    >>> a, b = Value(2.0, "a"), Value(3.0)
    >>> name_of(a), name_of(b), name_of(a * b), name_of(a - 1)
    ('a', '3', 'a * 3', 'a - 1')
    """
    if not isinstance(operand, Value):
        return _written(operand)
    return operand.label or made_of(operand) or f"{operand.data:.6g}"


def made_of(node: Value) -> str:
    """The operation that made a node, in the names or numbers of its operands; '' for a leaf."""
    if node.rule is None:
        return ""
    if len(node.inputs) > 4:
        return f"{node.rule.name} of {len(node.inputs)} inputs"
    return node.rule.formula(
        [
            (o.label or f"{o.data:.6g}" if o.data >= 0 or o.label else f"({o.data:.6g})")
            if isinstance(o, Value)
            else f"({_written(o)})"
            if isinstance(o, Fraction)
            else _written(o)
            for o in node.operands
        ]
    )


def _written(number: SupportsFloat) -> str:
    """A plain number as text; a fraction of more digits than Python writes by the float it is close to."""
    try:
        return str(number)
    except ValueError:
        return f"{float(number):.6g}"


def as_float(number: Any, where: str) -> float:
    """`number` as a float; TypeError, saying where it came and what to do, for what is not a real number."""
    if number.__class__ is float:
        return number
    if is_real(number):
        try:
            return float(number)
        except OverflowError:
            raise OverflowError(f"{where}: {shown(number)} is too large for a float") from None
    raise TypeError(f"{where}: a real number is needed, not {described(number)}; {_remedy(number)}")


def as_value(operand: Operand, where: str, label: str = "") -> Value:
    """`operand` itself if it is a Value, otherwise a new leaf of that number, labelled `label`."""
    return operand if isinstance(operand, Value) else Value(as_float(operand, where), label)


def as_values(values: Iterable[Any], where: str) -> list[Value]:
    """Several Values as a list; TypeError, saying where they came, for anything else."""
    if not isinstance(values, (list, tuple, set)) and not in_order(values):
        raise TypeError(f"{where}: a list of Values is needed, not {described(values)}")
    if hasattr(values, "parameters"):
        raise TypeError(f"{where}: a list of Values is needed; {shown(values)} gives its own by parameters()")
    listed = list(values)
    for kind in dict.fromkeys(map(type, listed)):  # quicker than to look at each of many
        if not issubclass(kind, Value):
            other = next(value for value in listed if type(value) is kind)
            raise TypeError(f"{where}: a list of Values is needed, and {described(other)} is among them")
    return listed


def check_value(node: object, where: str, such: str = "a loss") -> None:
    """Raise TypeError for what is not a Value."""
    if not isinstance(node, Value):
        raise TypeError(f"{where}: a Value is needed, such as {such}, not {described(node)}")


def is_real(number: Any) -> bool:
    """Whether `number` is a real number: NumPy's truth values are one unsaid, its spans of time are none."""
    kind = type(number)
    if kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_", "timedelta64"):
        return kind.__name__ != "timedelta64"
    return isinstance(number, numbers.Real)


def _remedy(number: Any) -> str:
    if isinstance(number, Value):
        return "take the number out of the Value with .data"
    if isinstance(number, (str, bytes)):
        return "convert it first, as in float(text)"
    if hasattr(number, "__array_ufunc__") or hasattr(number, "__array__"):
        return "a Value holds one number; make one of each element, as in [Value(a) for a in array.ravel()]"
    if isinstance(number, Iterable):
        return "a Value holds one number; make one of each element"
    if isinstance(number, numbers.Complex):
        return "only real numbers can be differentiated here; use its .real and .imag"
    if number is None:
        return "perhaps a function forgot to return its result"
    if callable(number):
        return "perhaps it is to be called, as in f(x)"
    return "convert it with float() if it stands for one"


def evaluated(node: Value) -> tuple[float, tuple[float, ...]]:
    """The value and the local derivatives that a computed node has for its operands as they are now."""
    assert node.rule is not None
    return _evaluate(node.rule, node.operands)


def _evaluate(rule: Rule, operands: Sequence[Any]) -> tuple[float, tuple[float, ...]]:
    try:
        return rule.evaluate([o.data if isinstance(o, Value) else float(o) for o in operands])
    except (ArithmeticError, ValueError) as error:
        raise _outside(rule, operands, error) from None


def _outside(rule: Rule, operands: Sequence[Any], error: Exception) -> Exception:
    """The arithmetic's own kind of error, saying which operation, which nodes, and what it needs."""
    came = [_introduce(operand) for operand in operands[:MOST_INTRODUCED]]
    if len(operands) > MOST_INTRODUCED:
        came.append(f"{len(operands) - MOST_INTRODUCED:,} more")
    if isinstance(error, OverflowError):
        return OverflowError(f"{rule.name} of {' and '.join(came)}: the result is too large for a float")
    if len(operands) == len(rule.parameters) > 1:  # the domain speaks of them by these names
        came = [f"{name} = {each}" for name, each in zip(rule.parameters, came)]
    return type(error)(f"{rule.name} of {' and '.join(came)}: it needs {rule.domain}")


def _introduce(operand: Any) -> str:
    if not isinstance(operand, Value):
        return shown(operand)
    label, made = repr(operand.label) if operand.label else "", made_of(operand)
    name = " ".join(
        filter(None, ["node" if label or made else "an unnamed leaf", label, made and f"= {made}"])
    )
    exactly = repr(operand.data)
    return f"{exactly if len(exactly) <= LONGEST_NUMBER else f'{operand.data:.6g}'} ({name})"


def digits(number: float) -> str:
    """Four significant digits, without the sign of a negative zero."""
    return f"{number + 0.0:#.4g}".rstrip(".")
