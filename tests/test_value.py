"""Value in detail; what it promises to every user is in test_promises.py."""

import inspect
import itertools
import math
import operator
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import microbp
from microbp import Value, functions, zero_grad
from microbp.rules import RULES

OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
every_operator = pytest.mark.parametrize("operate", OPERATORS, ids=lambda operate: operate.__name__)


def run(program: str, *arguments: str, **environment: str) -> str:
    """What another Python prints when it runs `program`."""
    home = str(Path(microbp.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": home, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Refusals.


def test_a_value_of_a_value_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Value: .*take the number out of the Value with \.data"):
        Value(Value(1.0))  # type: ignore[arg-type]


@pytest.mark.parametrize("function", [np.add, np.multiply, np.exp, np.sqrt, np.maximum])
def test_numpy_s_functions_refuse_a_value(function: Any) -> None:
    operands = [Value(2.0)] if function.nin == 1 else [np.ones(2), Value(2.0)]
    with pytest.raises(TypeError, match="Value"):
        function(*operands)


@pytest.mark.parametrize("function", [int, round, hex, range, divmod, len, iter, list, operator.index])
def test_other_conversions_are_refused(function: Any) -> None:
    with pytest.raises(TypeError):
        function(Value(1.0), *[2] * (function is divmod))


# Text.


def test_a_value_shows_as_a_line_of_text() -> None:
    v = Value(0.62246, "z")
    v.grad = 0.235
    assert repr(v) == str(v) == f"{v}" == "Value(0.6225, label='z', grad=0.2350)"
    assert repr(Value(3)) == "Value(3.000, grad=0.000)"
    assert repr(Value(1e-30)) == "Value(1.000e-30, grad=0.000)"
    assert repr(Value(math.nan)) == "Value(nan, grad=0.000)"
    assert repr(Value(-math.inf)) == "Value(-inf, grad=0.000)"


# Operators.


@every_operator
def test_an_operator_computes_what_floats_compute(operate: Any) -> None:
    for x, y in itertools.product([0.5, 2.0, 3.7], [1.5, 2.0, -1.25]):
        assert operate(Value(x), Value(y)).data == operate(x, y)
        assert operate(Value(x), y).data == operate(x, y)
        assert operate(x, Value(y)).data == operate(x, y)


def test_the_unary_operators() -> None:
    a = Value(-3.0)
    assert +a is a
    assert ((-a).data, (-a).partials) == (3.0, (-1.0,))
    assert (abs(a).data, abs(a).partials) == (3.0, (-1.0,))


METHODS = ["exp", "log", "sqrt", "sigmoid", "tanh", "relu", "softplus", "sin", "cos", "abs"]


@pytest.mark.parametrize("method", METHODS)
def test_a_function_of_one_value_is_a_method_too(method: str) -> None:
    v = Value(0.7)
    by_method, by_function = getattr(v, method)(), getattr(microbp, method)(v)
    assert (by_method.data, by_method.partials) == (by_function.data, by_function.partials)
    assert by_method.rule is by_function.rule is RULES[method]
    assert by_function.inputs == (v,)


def test_every_unary_row_of_the_table_is_a_method() -> None:
    for rule in RULES.values():
        if rule.operands == "x" and rule.name != "negation":
            assert getattr(Value(0.5), rule.name)().rule is rule


def test_a_value_used_twice_by_one_operation_counts_twice() -> None:
    a = Value(3.0)
    for node, grad in (a * a, 6.0), (a + a, 2.0), (a - a, 0.0), (a / a, 0.0):
        a.grad = 0.0
        node.backward()
        assert node.inputs == (a, a)
        assert a.grad == grad


def test_augmented_assignment_makes_a_new_node_and_changes_no_old_one() -> None:
    a = b = Value(3.0)
    b += 1
    b *= a
    assert (a.data, a.rule, b.data) == (3.0, None, 12.0)
    b.backward()
    assert a.grad == 7.0


def test_the_builtin_sum_works() -> None:
    values = [Value(x) for x in (1.0, 2.0, 3.5)]
    total = sum(values)
    total.backward()
    assert total.data == 6.5
    assert [v.grad for v in values] == [1.0, 1.0, 1.0]


class Tagged(Value):
    __slots__ = ()


@every_operator
def test_a_subclass_of_value_is_an_operand_like_any_other(operate: Any) -> None:
    for kinds in (Value, Tagged), (Tagged, Value), (Tagged, Tagged):
        a, b = kinds[0](1.5), kinds[1](2.5)
        node = operate(a, b)
        same = operate(Value(1.5), Value(2.5))
        assert node.inputs == (a, b)
        assert (node.data, node.partials) == (same.data, same.partials)
    for node in operate(Tagged(1.5), 2.5), operate(1.5, Tagged(2.5)):
        assert (node.data, len(node.inputs)) == (operate(1.5, 2.5), 1)


def test_a_subclass_of_value_is_an_operand_of_the_functions() -> None:
    a, b = Tagged(1.5), Value(2.5)
    assert microbp.weighted_sum([a], [b], a).data == 5.25
    assert microbp.max(a, b).inputs == (a, b)
    assert a.tanh().inputs == (a,)


class Vector:
    def __init__(self, *values: Any) -> None:
        self.values = values

    def __radd__(self, other: Any) -> Any:
        return "radd", [other + v for v in self.values]

    def __rmul__(self, other: Any) -> Any:
        return "rmul", [other * v for v in self.values]


def test_a_python_class_with_its_own_reflected_operator_gets_its_chance() -> None:
    name, values = Value(2.0) * Vector(3.0, Value(4.0))
    assert (name, [v.data for v in values]) == ("rmul", [6.0, 8.0])
    name, values = Value(2.0) + Vector(3.0)
    assert (name, [v.data for v in values]) == ("radd", [5.0])
    with pytest.raises(TypeError, match=r"a real number is needed, not a Vector"):
        Value(2.0) - Vector(3.0)


# Backward.


def test_a_leaf_adds_to_what_it_holds_whatever_that_is() -> None:
    x = Value(3.0)
    x.grad = 100.0
    (x * x).backward()
    assert x.grad == 106.0
    x.grad = math.nan
    (x * x).backward()
    assert math.isnan(x.grad)


@pytest.mark.parametrize("seed", [2, 0.5, Fraction(-1, 4), np.float32(3), True, 0])
def test_the_seed_is_the_gradient_of_the_node_itself(seed: Any) -> None:
    a = Value(3.0)
    b = a * a
    b.backward(seed)
    assert (b.grad, a.grad) == (float(seed), 6.0 * float(seed))
    assert type(b.grad) is type(a.grad) is float


@pytest.mark.parametrize("seed", ["1", None, [1.0], np.ones(1), Value(1.0)])
def test_a_seed_that_is_no_number_is_refused(seed: Any) -> None:
    with pytest.raises(TypeError, match=r"backward\(seed\): a real number is needed"):
        (Value(3.0) * 2).backward(seed)


def test_backward_from_a_leaf_adds_the_seed_to_it() -> None:
    a = Value(3.0)
    a.backward()
    a.backward(2.0)
    assert a.grad == 3.0


def test_a_node_that_does_not_matter_gets_gradient_zero() -> None:
    a, b = Value(3.0), Value(5.0)
    (a + 0 * b).backward()
    assert b.grad == 0.0


def test_a_part_of_a_graph_that_is_not_reached_is_not_touched() -> None:
    a = Value(3.0)
    used, unused = a * 2, a * 3
    unused.grad = 7.0
    used.backward()
    assert (unused.grad, a.grad) == (7.0, 2.0)


def test_zero_grad_of_several_values_clears_just_those() -> None:
    a, b = Value(3.0), Value(2.0)
    (a * b).backward()
    zero_grad(v for v in [a])
    assert (a.grad, b.grad) == (0.0, 3.0)


# Recompute.


def test_recompute_repairs_edited_inner_data_and_keeps_gradients() -> None:
    a = Value(3.0)
    b = a * a
    c = b + 1
    c.backward()
    b.data = 1000.0
    c.recompute()
    assert (b.data, c.data) == (9.0, 10.0)
    assert (a.grad, b.grad, c.grad) == (6.0, 1.0, 1.0)


def test_recompute_of_a_leaf_does_nothing() -> None:
    a = Value(3.0)
    a.recompute()
    assert a.data == 3.0


# The package and the source of what was made.


def test_importing_microbp_and_differentiating_imports_nothing_heavy() -> None:
    program = """
import sys
import microbp
from microbp import Value
v = (Value(0.5) * 2 + 1).tanh() ** 2
v.backward(); v.recompute(); repr(v)
heavy = {"numpy", "graphviz", "torch", "sympy", "tqdm", "IPython", "matplotlib", "json", "html"}
print(sorted(heavy & sys.modules.keys()), sorted(m for m in sys.modules if m.startswith("microbp")))
"""
    light = ("arguments", "functions", "kinds", "operators", "rules", "value")
    rooms = ["microbp", *(f"microbp.{room}" for room in light)]
    assert run(program) == f"[] {rooms}\n"


def test_the_source_of_a_generated_method_can_be_read() -> None:
    import inspect

    assert "partials = (1.0 - z * z,)" in inspect.getsource(Value.tanh)
    assert Value.tanh.__qualname__ == "Value.tanh"
    assert Value.__mul__.__doc__ == "x * y: product, with the local derivatives y and x."


def test_functions_of_the_package_do_not_hide_python_s_own_in_a_star_import() -> None:
    scope: dict[str, Any] = {}
    exec("from microbp import *", scope)
    assert {"Value", "tanh", "weighted_sum"} <= scope.keys()
    assert not {"abs", "max", "min", "sum"} & scope.keys()
    assert functions.sum is microbp.sum


@pytest.mark.parametrize("method", ["__add__", "__radd__", "__pow__", "__neg__", "tanh", "abs"])
def test_what_was_made_from_the_table_can_be_read(method: str) -> None:
    source = inspect.getsource(getattr(Value, method))
    assert source.startswith(f"def {method}(self")
