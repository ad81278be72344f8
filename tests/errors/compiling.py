"""compile, and the programs that it makes."""

import copy
import math
import threading
from unittest.mock import patch

import numpy as np

import microbp
from microbp import MLP, SGD, Value, binary_cross_entropy, compile, cross_entropy, pick, squared_error, steps
from microbp.compiler.program import Program
from microbp.compiler.sources import scalars
from microbp.compiler.sources.matrices import numpy_source

TITLE = "Compiling"

X = [[0, 0], [0, 1], [1, 0], [1, 1]]
Y = [0, 1, 1, 0]


def w() -> Value:
    return Value(0.5, "w")


def program(network: MLP | None = None) -> Program:
    network = network or MLP(2, [2, 1], seed=1)

    def loss(x, t):
        return squared_error(network(x), t)

    return compile(loss, example=([0.0, 0.0], 0.0))


def several() -> Program:
    a = w()
    return compile(lambda x: [a * x, a + x], example=(1.0,))


def compiled(function, *samples, **options) -> None:
    compile(function, **options)(*samples)


def a_graph() -> tuple[Value, Value, Value]:
    x, a = Value(2.0, "x"), w()
    return (a * x).tanh() * 2, x, a


def a_stale_graph() -> None:
    E, x, a = a_graph()
    a.data = 3.0
    compile(E, inputs=[x])


def a_computed_input() -> None:
    E, _, _ = a_graph()
    compile(E, inputs=[E.inputs[0]])


def an_input_twice() -> None:
    E, x, _ = a_graph()
    compile(E, inputs=[x, [x]])


def an_input_that_is_trained() -> None:
    E, x, a = a_graph()
    compile(E, inputs=[x], parameters=[x, a])


def no_list_of_inputs() -> None:
    E, x, _ = a_graph()
    compile(E, inputs=x)


def uneven_inputs() -> None:
    E, x, a = a_graph()
    compile(E * a, inputs=[[x, [a]]])


def a_number_for_an_input() -> None:
    E, _, _ = a_graph()
    compile(E, inputs=[2.0])


calls = 0


def something_else_each_time(x: Value) -> Value:
    global calls
    calls += 1
    return x * calls


def another_number_now() -> None:
    a, factor = w(), [2.0]
    made = compile(lambda x: a * x * factor[0], example=(1.0,))
    factor[0] = 3.0
    made.check([1.0])


class Own(Value):
    """A kind of Value of one's own."""


def a_parameter_of_another_class() -> None:
    own = Own(1.0, "own")
    compiled(lambda x: own * x, [1.0])


def picked_by_a_parameter() -> None:
    place = Value(1.0, "place")
    compiled(lambda x: pick([x, x * 2], Value(x) * 0 + place), [1.0])


def in_two_threads_at_once() -> None:
    made = program()
    network_is_in_use, done = threading.Event(), threading.Event()

    def use() -> None:
        with made._made.running():
            network_is_in_use.set()
            done.wait(10)

    thread = threading.Thread(target=use)
    thread.start()
    network_is_in_use.wait(10)
    try:
        made(X, Y)
    finally:
        done.set()
        thread.join()


class Interrupting(SGD):
    """An optimizer whose step is interrupted by an error of its own."""

    def step(self, parameters):
        raise ValueError("this step is not to be taken")


def in_the_middle_of_a_step() -> None:
    program().train(X, Y, Interrupting(0.1), 1)


def finite_node_by_node_only() -> Program:
    a = Value(60.0, "a")
    return compile(lambda x, t: binary_cross_entropy((a * x).sigmoid(), t))


def too_large_to_be_read() -> None:
    with patch.object(scalars, "LARGEST", 10):
        _ = program().scalar_source


def copied(x: Value) -> Value:
    return copy.copy(x)


ENTRIES = {
    "a number compiled": lambda: compile(3.0),
    "a graph compiled without its inputs": lambda: compile(a_graph()[0]),
    "a function compiled with inputs": lambda: compile(lambda x: x, inputs=[w()]),
    "a text for a graph": lambda: compile("E", inputs=[w()]),
    "no graph": lambda: compile([], inputs=[w()]),
    "one Value for the inputs": no_list_of_inputs,
    "a number for an input": a_number_for_an_input,
    "a set for an input": lambda: compile(a_graph()[0], inputs=[{w()}]),
    "an input that is computed": a_computed_input,
    "an input twice": an_input_twice,
    "an input that is trained": an_input_that_is_trained,
    "inputs that make no array": uneven_inputs,
    "a graph that is stale": a_stale_graph,
    "a number for the parameters": lambda: compile(lambda x: x, parameters=3.0),
    "a computed parameter": lambda: compiled(lambda x: x * 2, [1.0], parameters=[w() * 2]),
    "a parameter of another class": a_parameter_of_another_class,
    "a number for an example": lambda: compile(lambda x: x, example=1.0),
    "a text in an example": lambda: compile(lambda x: x, example=("1",)),
    "an example for another number of arguments": lambda: compile(lambda x, t: x * t, example=([0.0, 1.0],)),
    "a function that returns nothing": lambda: compiled(lambda x: None, [1.0]),
    "a function that returns a number": lambda: compiled(lambda x: [w() * x, 3.0], [1.0]),
    "a function that returns an empty list": lambda: compiled(lambda x: [], [1.0]),
    "a function that branches": lambda: compiled(lambda x: x if x > 0 else -x, [1.0]),
    "a function that looks at the number": lambda: compiled(lambda x: w() * x.data, [1.0]),
    "a function that looks at what was computed": lambda: compiled(lambda x: w() * (x * 2 + 1).data, [1.0]),
    "a function that looks at the slopes": lambda: compiled(lambda x: (w() * x).partials[0], [1.0]),
    "a function that uses math": lambda: compiled(lambda x: w() * math.exp(x), [1.0]),
    "a function that goes backward": lambda: compiled(lambda x: (w() * x).backward(), [1.0]),
    "a function that copies": lambda: compiled(copied, [1.0]),
    "a function that writes a number": lambda: compiled(lambda x: w() * len(f"{x:.2f}"), [1.0]),
    "a function that does something else each time": lambda: compiled(something_else_each_time, [1.0]),
    "a function that picks by a parameter": picked_by_a_parameter,
    "no samples at all": lambda: program()(),
    "no samples for a new program": lambda: compile(lambda: w() * 2)(),
    "samples for one argument of two": lambda: program()(X),
    "a text for samples": lambda: program()("text", Y),
    "an int that no float can hold among the samples": lambda: program()([[0, 10**400]], [0]),
    "an empty list of samples": lambda: program()([], []),
    "a text among the samples": lambda: program()([[0, 0], ["a", 1]], [0, 1]),
    "a Value among the samples": lambda: program()([[0, 0], [w(), 1]], [0, 1]),
    "samples of different lengths": lambda: program()([[0, 0], [0, 1, 2]], [0, 1]),
    "samples that are no array": lambda: program()(
        np.array([[0, 0], [0, 1]], dtype=object).reshape(1, 2, 2)[:, :, :1] * 1j, [0, 1]
    ),
    "samples of another shape": lambda: program()([0, 1], [0, 1]),
    "more samples than targets": lambda: program()(X, [0]),
    "a sample that is no number": lambda: program()([[0, 0], [0, math.nan]], [0, 1]),
    "a logarithm of something negative": lambda: compiled(lambda x: (x * 2).log(), [1.0, -1.0]),
    "a class that there is not": lambda: compiled(
        lambda x, t: cross_entropy([x, x * 2], t), [1.0, 2.0], [1, 2]
    ),
    "a target that is no probability": lambda: compiled(
        lambda x, t: binary_cross_entropy(microbp.sigmoid(x), t), [1.0, 2.0], [1, 2]
    ),
    "outputs that are finite node by node only": lambda: finite_node_by_node_only()([1.0], [1.0]),
    "a gradient that is finite node by node only": lambda: finite_node_by_node_only().value_and_grad(
        [1.0], [1.0]
    ),
    "a training that is finite node by node only": lambda: finite_node_by_node_only().train([1.0], [1.0]),
    "the gradient of several outputs": lambda: several().value_and_grad([1.0]),
    "an unknown reduction": lambda: program().value_and_grad(X, Y, reduction="avg"),
    "no steps": lambda: program().train(X, Y, steps=0),
    "an optimizer by its name": lambda: program().train(X, Y, optimizer="adam"),
    "an error in the middle of a step": in_the_middle_of_a_step,
    "a check of a function that changed": another_number_now,
    "the source before the first call": lambda: compile(lambda x: x).source,
    "a source with an unknown reduction": lambda: numpy_source(program()._made.plan, "avg"),
    "a source that is too long to be read": too_large_to_be_read,
    "a program in two threads": in_two_threads_at_once,
    "the steps of a Value that is being compiled": lambda: compiled(lambda x: steps(x), [1.0]),
}
