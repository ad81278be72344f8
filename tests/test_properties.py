"""Random graphs, with shared nodes and constants, against oracles that know nothing of the table."""

import math
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings, strategies as st
from programs import (
    COMPLEX,
    FLOATS,
    OPERATIONS,
    TINY,
    VALUES,
    Program,
    checked,
    closest_kink,
    differentiate,
    gross,
    programs,
    torch_functions,
)

from microbp import RULES, Value
from microbp.value import computed


def test_the_random_graphs_use_every_row_of_the_table_that_a_user_can_write() -> None:
    leaves = [Value(0.7), Value(-0.4), Value(1.3)]
    outputs = [operation(VALUES, *leaves) for operation in OPERATIONS.values()]
    used = {node.rule.name for node in computed(*outputs)}
    assert used == RULES.keys() - {"step", "sign", "equal"}


@settings(checked, max_examples=400)
@given(programs())
def test_gradients_agree_with_the_complex_step(drawn: tuple[Program, list[float]]) -> None:
    program, numbers = drawn
    output, leaves = differentiate(program, numbers)
    assume(closest_kink(output) > 1e-9)
    bounds = gross(output)
    for i, leaf in enumerate(leaves):
        moved = [complex(x, 1e-30 * (i == j)) for j, x in enumerate(numbers)]
        result = complex(program.run(COMPLEX, moved))
        bound = bounds.get(leaf, 0.0)
        assert output.data == pytest.approx(result.real, rel=1e-9, abs=1e-9)
        assert abs(leaf.grad - result.imag / 1e-30) <= 1e-8 * bound + 1e-10


@settings(checked, max_examples=400)
@given(programs())
def test_gradients_agree_with_central_differences_away_from_kinks(
    drawn: tuple[Program, list[float]],
) -> None:
    program, numbers = drawn
    output, leaves = differentiate(program, numbers)
    assume(closest_kink(output) > 0)  # there, the slope is a convention
    h = 1e-5
    for i, leaf in enumerate(leaves):
        low, middle, high = (
            program.run(FLOATS, [x + step * (i == j) for j, x in enumerate(numbers)]) for step in (-h, 0, h)
        )
        before, after = (middle - low) / h, (high - middle) / h
        if abs(after - before) <= 1e-3 * (1 + abs(leaf.grad)):  # otherwise a kink, or nearly one
            assert abs(leaf.grad - (before + after) / 2) <= abs(after - before) + 1e-5 * (1 + abs(leaf.grad))


@settings(checked, max_examples=300)
@given(programs())
def test_gradients_agree_with_torch(drawn: tuple[Program, list[float]]) -> None:
    torch = pytest.importorskip("torch")
    program, numbers = drawn
    output, leaves = differentiate(program, numbers)
    assume(closest_kink(output) > 1e-9)
    bounds = gross(output)
    theirs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in numbers]
    program.run(torch_functions(torch), theirs).backward()
    for leaf, tensor in zip(leaves, theirs):
        grad = 0.0 if tensor.grad is None else tensor.grad.item()
        assert abs(leaf.grad - grad) <= 1e-8 * bounds.get(leaf, 0.0) + 1e-10


@checked
@given(programs(longest=5))
def test_the_gradient_is_the_sum_over_all_paths_of_the_products_of_their_partials(
    drawn: tuple[Program, list[float]],
) -> None:
    output, leaves = differentiate(*drawn)
    assume(all(math.isfinite(partial) for node in computed(output) for partial in node.partials))
    totals = dict.fromkeys(leaves, Fraction(0))
    paths = [(output, Fraction(1))]
    for count, (node, product) in enumerate(paths):
        assume(count < 5000)
        if node in totals:
            totals[node] += product
        for input, partial in zip(node.inputs, node.partials):
            paths.append((input, product * Fraction(partial)))
    bounds = gross(output)
    for leaf in leaves:
        assert abs(leaf.grad - totals[leaf]) <= 1e-13 * bounds.get(leaf, 0.0) + TINY


@checked
@given(programs())
def test_backward_twice_is_exactly_twice(drawn: tuple[Program, list[float]]) -> None:
    output, leaves = differentiate(*drawn)
    inner = [node.grad for node in computed(output)]
    once = [leaf.grad for leaf in leaves]
    output.backward()
    assert [leaf.grad for leaf in leaves] == [2 * grad for grad in once]
    assert [node.grad for node in computed(output)] == inner


@checked
@given(programs(), st.integers(-20, 20))
def test_backward_is_linear_in_its_seed(drawn: tuple[Program, list[float]], exponent: int) -> None:
    output, leaves = differentiate(*drawn)
    once = [leaf.grad for leaf in leaves]
    output.zero_grad()
    output.backward(2.0**exponent)
    for leaf, grad in zip(leaves, once):
        assert abs(leaf.grad - 2.0**exponent * grad) <= TINY


@checked
@given(programs(), st.lists(st.floats(-2, 2), min_size=4, max_size=4))
def test_recomputing_equals_building_anew_bit_for_bit(
    drawn: tuple[Program, list[float]], others: list[float]
) -> None:
    program, numbers = drawn
    output, leaves = differentiate(program, numbers)
    others = others[: len(leaves)]
    for leaf, x in zip(leaves, others):
        leaf.data = x
    try:
        output.recompute()
    except OverflowError:  # what was small enough for the first numbers need not be for the others
        assume(False)
    anew, _ = differentiate(program, others)
    for old, new in zip(computed(output), computed(anew)):
        assert [x.hex() for x in (old.data, *old.partials)] == [x.hex() for x in (new.data, *new.partials)]


@checked
@given(programs())
def test_a_graph_is_a_record_every_input_older_than_its_node_and_every_number_a_float(
    drawn: tuple[Program, list[float]],
) -> None:
    output, _ = differentiate(*drawn)
    for node in computed(output):
        assert len(node.inputs) == len(node.partials) > 0
        assert all(v.birth < node.birth for v in node.inputs)
        assert {float} == {type(x) for x in (node.data, node.grad, *node.partials)}
