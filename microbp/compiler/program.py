"""compile: a scalar function of Values, traced once, then run on whole batches at NumPy's speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from microbp.arguments import check_choice, check_count, counted, described, in_order
from microbp.compiler.batches import as_columns, as_rows
from microbp.compiler.compiled import Compiled
from microbp.compiler.description import describe, headline
from microbp.compiler.plan import Array
from microbp.compiler.recording import record, recorded
from microbp.compiler.sources.matrices import numpy_source
from microbp.compiler.sources.scalars import scalar_source
from microbp.finite import check_gradients, computed_outputs
from microbp.optim import Optimizer, as_optimizer
from microbp.structures import Structure, flat, like
from microbp.traversal import derivatives
from microbp.value import Value, as_value, as_values


def compile(
    function: Callable[..., Structure] | Structure,
    inputs: Sequence[Structure] | None = None,
    *,
    example: Sequence[Any] | None = None,
    parameters: Sequence[Value] | None = None,
) -> Program:
    """A program that computes, for a whole batch at once, what `function` computes for one sample.

    `function` is an ordinary function of Values: each of its arguments is a Value or a list of
    Values (or lists of them), by the shape of a sample, and it returns one Value, such as a loss, or
    lists, tuples or dicts of them.  Derivatives may be among them, or what is computed from
    derivatives: `gradients`, `grad` and the like are traced as all else.  It is traced when the
    program is first called, or now if `example` gives the arguments of one sample; what it does with
    numbers of its own is done then, once and for all.  Instead of a function a graph that is there
    already will do: compile(output, inputs=[...]), with the leaves that stand for the sample's numbers.

    `parameters` are the leaves to be trained; unless given, all Values that the function uses and
    does not make itself, in the order in which they were made.

    >>> from microbp import MLP, squared_error
    >>> network = MLP(2, [2, 1], seed=1)
    >>> program = compile(lambda x, t: squared_error(network(x), t))
    >>> loss, gradient = program.value_and_grad([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])
    >>> f"{loss:.4f}", gradient.shape, f"{gradient[8]:.4f}", f"{network[1][0].bias.grad:.4f}"
    ('0.2561', (9,), '-0.0366', '-0.0366')

    Raises TypeError or ValueError for a function that branches on its data, that does something
    else each time, or that returns no Values; for a graph that is stale; for a Value that is both
    an input and a parameter.
    """
    return Program(function, inputs, example, parameters)


class Program:
    """What `compile` returns; see there.

    `program(X, Y)` gives the outputs, `program.value_and_grad(X, Y)` the loss and its gradient,
    `program.train(X, Y, optimizer, steps)` trains.  There is one array or list of samples for each
    argument of the function.  The parameters are the Values that the user holds: their `.data`
    and `.grad` are right whenever they are looked at, and a number assigned to them counts.

    `print(program)` lists what was found; `source` and `scalar_source` are programs to read.

    Where a number is not finite, the samples are computed again by the eager engine, so that the
    error is its own, with the sample and the node.
    """

    def __init__(
        self,
        function: Callable[..., Structure] | Structure,
        inputs: Sequence[Structure] | None,
        example: Sequence[Any] | None,
        parameters: Sequence[Value] | None,
    ) -> None:
        self._function = function
        self._chosen = None if parameters is None else as_values(parameters, "compile: parameters")
        self._compiled: Compiled | None = None
        if not callable(function):
            if inputs is None:
                raise TypeError(
                    "compile: a graph needs its inputs named, as in compile(E, inputs=[x, t]); "
                    f"or give a function of Values instead of {described(function)}"
                )
            self._compiled = Compiled(recorded(function, inputs, self._chosen))
        elif inputs is not None:
            raise TypeError("compile: inputs are named for a graph; those of a function are its arguments")
        elif example is not None:
            self._trace(_shapes(example))

    def __call__(self, *arguments: Any) -> Any:
        """The outputs for every sample: an array (samples,) for a Value, (samples, n) for a list of n.

        A tuple or dict of outputs gives one of arrays.

        >>> program = compile(lambda x: [x[0] * x[1], x[0] + x[1]])
        >>> program([[1, 2], [3, 4]])
        array([[ 2.,  3.],
               [12.,  7.]])
        """
        columns = self._columns(arguments)
        compiled = self._made
        with compiled.running():
            executor = compiled.evaluate(columns, "sum", backward=False)
            if executor is not None:
                return _arrays(executor.outputs, compiled.recording.arrangement)
        raise self._trouble(columns)

    def value_and_grad(self, *arguments: Any, reduction: str = "mean") -> tuple[float, Array]:
        """The loss of a batch and its gradient, one number for each of `parameters`.

        The loss is the "mean" or the "sum" over the samples.  The parameters' `.grad` are set to the
        gradient; they are not added to, as by `backward`.

        >>> w = Value(3.0, "w")
        >>> program = compile(lambda x, t: (w * x - t) ** 2)
        >>> program.value_and_grad([1, 2], [1, 2])
        (10.0, array([10.]))
        >>> w.grad
        10.0

        Raises ValueError or TypeError for samples that do not fit, or a program that has several
        outputs; FloatingPointError, naming the sample and the node, where a number is not finite.
        """
        columns = self._columns(arguments)
        compiled = self._with_loss("value_and_grad", reduction)
        with compiled.running():
            executor = compiled.evaluate(columns, reduction)
            if executor is not None:
                gradient = np.empty(len(compiled.layout.parameters))
                gradient[compiled.layout.parameters] = executor.gradient
                compiled.keep_gradient(executor)
                return executor.loss, gradient
        raise self._trouble(columns)

    def train(
        self,
        *arguments: Any,
        optimizer: Optimizer | None = None,
        steps: int = 100,
        reduction: str = "mean",
    ) -> list[float]:
        """Take `steps` steps of gradient descent on a batch; the loss before each of them.

        `optimizer` is SGD(lr=0.5) unless given, and may come behind the samples, as may `steps`.

        >>> from microbp import SGD
        >>> w = Value(3.0, "w")
        >>> program = compile(lambda x, t: (w * x - t) ** 2)
        >>> program.train([1, 2], [1, 2], SGD(lr=0.1), 2)
        [10.0, 2.5]
        >>> w
        Value(1.500, label='w', grad=5.000)

        Raises what `value_and_grad` does; the parameters are then as they were before the step.
        """
        samples, optimizer, steps = _options(arguments, optimizer, steps)
        check_count(steps, "train: steps")
        columns = self._columns(samples)
        compiled = self._with_loss("train", reduction)
        losses: list[float] = []
        with compiled.running():
            while len(losses) < steps:
                executor = compiled.evaluate(columns, reduction)
                if executor is None:
                    break
                compiled.step(optimizer, executor)
                losses.append(executor.loss)
        if len(losses) < steps:
            raise self._trouble(columns, f"step {len(losses) + 1}, ")
        return losses

    def check(self, *arguments: Any) -> str:
        """Compute every sample by the eager engine too, and compare outputs and gradients.

        Returns a line that says how far they are apart at most.  Raises ValueError, naming the
        sample, where they differ by more than rounding explains: then the function does something
        else than when it was traced.

        >>> w = Value(3.0, "w")
        >>> compile(lambda x, t: (w * x - t) ** 2).check([1, 2], [1, 2])
        '2 samples agree with the eager engine: outputs to 0, gradients to 0'
        """
        columns = self._columns(arguments)
        compiled = self._made
        outputs, gradients = 0.0, 0.0
        for k, column in enumerate(columns.T, start=1):
            replayed = flat(self._replay(column))
            with compiled.running():
                executor = compiled.evaluate(np.ascontiguousarray(column[:, None]), "sum", self._has_loss)
                if executor is None:
                    ours, gradient = np.full(len(replayed), np.nan), None
                else:
                    ours = executor.outputs[:, 0].copy()
                    gradient = executor.gradient.copy() if self._has_loss else None
            theirs = np.array([output.data for output in replayed])
            outputs = max(outputs, _difference(ours, theirs, f"sample {k}: the outputs"))
            if gradient is not None:
                found = derivatives(replayed[0])
                eager = np.array([found.get(parameter, 0.0) for parameter in compiled.memory.trained])
                gradients = max(gradients, _difference(gradient, eager, f"sample {k}: the gradients"))
        count = f"{columns.shape[1]} sample{'s' if columns.shape[1] > 1 else ''}"
        verb = "agree" if columns.shape[1] > 1 else "agrees"
        line = f"{count} {verb} with the eager engine: outputs to {outputs:.1g}"
        return f"{line}, gradients to {gradients:.1g}" if self._has_loss else line

    @property
    def parameters(self) -> list[Value]:
        """The Values that are trained, in the order of the gradient."""
        return list(self._made.recording.parameters)

    @property
    def source(self) -> str:
        """The program as NumPy code: both passes in matrices, to be read, and to be run on its own."""
        return numpy_source(self._made.plan)

    @property
    def scalar_source(self) -> str:
        """The program unrolled: both passes of one sample in single numbers, to be read and run."""
        return scalar_source(self._made.recording)

    @property
    def bytes_per_sample(self) -> int:
        """How much the program's arrays grow with each sample of a batch, for both passes.

        >>> w = Value(3.0, "w")
        >>> compile(lambda x, t: (w * x - t) ** 2, example=(1.0, 1.0)).bytes_per_sample
        96
        """
        return self._made.bytes_per_sample(backward=self._has_loss)

    def __repr__(self) -> str:
        if self._compiled is None:
            name = getattr(self._function, "__name__", type(self._function).__name__)
            return f"Program({name}, to be traced when it is first called)"
        return f"Program({headline(self._compiled.plan)})"

    def __str__(self) -> str:
        return repr(self) if self._compiled is None else describe(self._compiled.plan)

    # How it is done.

    def _trace(self, shapes: Sequence[tuple[int, ...]]) -> None:
        if not shapes:
            raise TypeError("the program needs at least one array of samples, as in program(X, Y)")
        assert callable(self._function)
        self._compiled = Compiled(record(self._function, shapes, self._chosen))

    @property
    def _made(self) -> Compiled:
        if self._compiled is None:
            raise RuntimeError(
                "the program is made when it is first called: call it with a batch, or give compile the "
                "arguments of one sample, as in compile(f, example=([0.0, 1.0], 1.0))"
            )
        return self._compiled

    @property
    def _has_loss(self) -> bool:
        return isinstance(self._made.recording.outputs, Value)

    def _with_loss(self, method: str, reduction: str) -> Compiled:
        check_choice(reduction, ("mean", "sum"), f"{method}: reduction")
        if not self._has_loss:
            raise TypeError(
                f"{method}: one Value, the loss of a sample, has to be returned by the function; "
                f"this one returns a structure of {counted(len(self._made.plan.outputs), 'Value')}"
            )
        return self._made

    def _columns(self, arguments: Sequence[Any]) -> Array:
        names = self._compiled.recording.argument_names if self._compiled else None
        names = names or [f"argument {k}" for k in range(1, len(arguments) + 1)]
        rows = [as_rows(samples, name) for samples, name in zip(arguments, names)]
        if self._compiled is None:
            self._trace([array.shape[1:] for array in rows])
        recording = self._made.recording
        names = recording.argument_names
        if len(arguments) != len(names):
            raise TypeError(
                f"the program takes {counted(len(names), 'array')} of samples "
                f"({', '.join(names)}), and {len(arguments)} came"
            )
        columns = as_columns(rows, names, recording.shapes)
        self._made.check_demands(columns)
        return columns

    def _replay(self, column: Array) -> Structure:
        """The outputs of one sample by the eager engine."""
        recording = self._made.recording
        inputs = zip(flat(recording.inputs), column.tolist())
        entries = iter([n if leaf in recording.plain else Value(n, leaf.label) for leaf, n in inputs])
        outputs = recording.replay(*(like(structure, entries) for structure in recording.inputs))
        return like(outputs, [as_value(each, recording.name) for each in flat(outputs)])

    def _trouble(self, columns: Array, where: str = "") -> Exception:
        """The error for a batch in which a number is not finite; raises it if it is the eager engine's."""
        recording = self._made.recording
        for k, column in enumerate(columns.T, start=1):
            place = f"{where}sample {k}"
            outputs = computed_outputs(lambda column=column: flat(self._replay(column)), place)  # type: ignore[misc]
            if self._has_loss:
                check_gradients(outputs[0], recording.parameters, place)
        return FloatingPointError(
            f"{where}the program has a number that is not finite where the eager engine has none, as it "
            "takes another way for some samples; use functions that are finite for all numbers "
            "(binary_cross_entropy_with_logits for binary_cross_entropy), or the eager engine"
        )


def _options(
    arguments: tuple[Any, ...], optimizer: Optimizer | None, steps: int
) -> tuple[tuple[Any, ...], Optimizer, int]:
    """The samples, the optimizer and the steps, as they may all come one after another."""
    samples = arguments
    if len(samples) > 1 and isinstance(samples[-2], Optimizer):
        *_, optimizer, steps = samples
        samples = samples[:-2]
    elif samples and isinstance(samples[-1], Optimizer):
        *_, optimizer = samples
        samples = samples[:-1]
    return samples, as_optimizer(optimizer, "train"), steps


def _shapes(example: Any) -> list[tuple[int, ...]]:
    """The shapes of the arguments of one sample."""
    if not in_order(example):
        raise TypeError(
            "compile: example gives the arguments of one sample, as in example=([0.0, 1.0], 1.0), "
            f"not {described(example)}"
        )
    rows = (as_rows([each], f"compile: argument {k} of the example") for k, each in enumerate(example, 1))
    return [each.shape[1:] for each in rows]


def _arrays(outputs: Array, arrangement: Structure) -> Structure:
    """The outputs, of which each has a row, as arrays of their own, samples first."""
    samples = outputs.shape[1]
    return like(
        arrangement,
        [
            np.array(outputs[part.places].T, order="C").reshape(samples, *part.shape)
            for part in flat(arrangement)
        ],
    )


def _difference(ours: Array, theirs: Array, what: str) -> float:
    """The largest difference, relative to the largest number; ValueError if rounding does not explain it."""
    scale = max(float(np.abs(theirs).max(initial=0.0)), 1e-300)
    difference = float(np.abs(ours - theirs).max(initial=0.0)) / scale
    if not difference <= 1e-9:
        k = int(np.argmax(~(np.abs(ours - theirs) <= 1e-9 * scale)))
        raise ValueError(
            f"{what} differ: the program has {ours[k]:.6g} where the eager engine has {theirs[k]:.6g}.  "
            "The function does something else for this sample, or since it was traced"
        )
    return difference
