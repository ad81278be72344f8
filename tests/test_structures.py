"""Structures: taken apart and put together again, and the rows that stand for an array's axes."""

import operator
import subprocess
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, strategies as st
from programs import checked

from microbp import Value
from microbp.structures import Entry, Row, entries, flat, is_array, like


class Point(NamedTuple):
    x: Any
    y: Any


# Taken apart.


def test_a_single_thing_is_an_entry_without_a_place() -> None:
    for thing in 3, 2.5, Value(1.0), "text", None, {1, 2}, np.float64(2.0), range(3):
        assert entries(thing) == [Entry((), thing)]
        assert flat(thing) == [thing]
    array = np.array(2.0)  # without an axis
    assert flat(array)[0] is array


def test_entries_come_in_order_with_the_keys_that_lead_to_them() -> None:
    structure = {"w": [1, (2, 3)], "b": Point(4, {0: 5})}
    assert [(entry.place, entry.content) for entry in entries(structure)] == [
        (("w", 0), 1),
        (("w", 1, 0), 2),
        (("w", 1, 1), 3),
        (("b", 0), 4),
        (("b", 1, 0), 5),
    ]


def test_a_place_is_written_as_python_does_and_as_a_textbook_does() -> None:
    (entry,) = entries({"w": [[], [(7,)]]})
    assert entry.under("x") == "x['w'][1][0][0]"
    assert entry.label("x") == "x[w,2,1,1]"
    assert (Entry((), 7).under("x"), Entry((), 7).label("x")) == ("x", "x")
    assert Entry((True, 2), 7).label("x") == "x[True,3]"


def test_what_is_empty_has_no_entries() -> None:
    for structure in [], (), {}, [[], {"a": ()}], np.zeros(0), np.zeros((0, 3)), np.zeros((3, 0)):
        assert entries(structure) == []
        assert flat(structure) == []


def test_arrays_are_taken_apart_into_plain_numbers() -> None:
    assert flat(np.array([1.5, 2.5])) == [1.5, 2.5]
    assert {type(x) for x in flat(np.array([1.5], dtype=np.float32))} == {float}
    assert {type(x) for x in flat(np.array([[1, 2]]))} == {int}
    assert [entry.place for entry in entries(np.zeros((2, 1, 2)))] == [
        (0, 0, 0),
        (0, 0, 1),
        (1, 0, 0),
        (1, 0, 1),
    ]
    values = [Value(1.0), Value(2.0)]
    assert flat(np.array(values)) == values
    assert flat(np.array([values, values])) == values * 2


def test_a_structure_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append({"again": endless})
    with pytest.raises(ValueError) as caught:
        flat(endless)
    assert str(caught.value) == "a structure is nested more than 50 levels deep; does it contain itself?"


def test_fifty_levels_are_allowed_and_not_one_more() -> None:
    structure: Any = 7
    for _ in range(50):
        structure = [structure]
    assert flat(structure) == [7]
    assert flat(like(structure, [8])) == [8]
    with pytest.raises(ValueError, match="nested more than 50 levels deep"):
        flat([structure])


# Put together.


@pytest.mark.parametrize(
    ("structure", "expected"),
    [
        (1, "a"),
        ([1, 2], ["a", "b"]),
        ((1, 2), ("a", "b")),
        ({"w": 1, 7: [2]}, {"w": "a", 7: ["b"]}),
        (Point(1, [2, 3]), Point("a", ["b", "c"])),
        ([[], 1, (), {}], [[], "a", (), {}]),
        ([1, [1], [[1]]], ["a", ["b"], [["c"]]]),
    ],
)
def test_a_structure_is_filled_with_other_contents_in_order(structure: Any, expected: Any) -> None:
    found = like(structure, "abc")
    assert found == expected
    assert type(found) is type(expected)


def test_kinds_of_lists_tuples_and_dicts_become_lists_tuples_and_dicts() -> None:
    class Stack(list[Any]):
        pass

    class Pair(tuple[Any, ...]):
        __slots__ = ()

    for structure, kind in [
        (Stack([1, 2]), list),
        (Pair([1, 2]), tuple),
        (OrderedDict(b=1, a=2), dict),
        (defaultdict(int, b=1, a=2), dict),
    ]:
        assert type(like(structure, "xy")) is kind
    assert list(like(OrderedDict(b=1, a=2), "xy").items()) == [("b", "x"), ("a", "y")]


def test_the_structure_that_was_given_is_left_as_it_was() -> None:
    structure = {"w": [1, 2], "b": np.array([3.0])}
    found = like(structure, [7.0, 8.0, 9.0])
    assert (structure["w"], structure["b"].tolist()) == ([1, 2], [3.0])
    assert found["w"] is not structure["w"]


structures = st.recursive(
    st.integers(),
    lambda parts: st.one_of(
        st.lists(parts, max_size=4),
        st.lists(parts, max_size=4).map(tuple),
        st.dictionaries(st.text(max_size=3), parts, max_size=4),
        st.builds(Point, parts, parts),
    ),
    max_leaves=12,
)


@checked
@given(structures)
def test_a_structure_is_like_itself(structure: Any) -> None:
    contents = flat(structure)
    assert repr(like(structure, contents)) == repr(structure)
    places = entries(structure)
    assert len({entry.place for entry in places}) == len(places) == len(contents)
    for entry in places:
        assert eval(entry.under("structure")) is entry.content


# Arrays.


@pytest.mark.parametrize("shape", [(3,), (1,), (0,), (2, 3), (3, 0), (2, 1, 2)])
def test_an_array_filled_with_floats_is_an_array_of_floats(shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=int).reshape(shape)
    found = like(array, [float(x) for x in array.ravel()])
    assert isinstance(found, np.ndarray)
    assert (found.dtype, found.shape) == (np.dtype(float), shape)
    assert (found == array).all()


def test_an_array_filled_with_anything_else_is_made_of_rows() -> None:
    values = [Value(float(k)) for k in range(4)]
    row = like(np.zeros(4), values)
    assert (type(row), row) == (Row, values)
    rows = like(np.zeros((2, 2)), values)
    assert [type(row) for row in [rows, *rows]] == [Row] * 3
    assert rows == [values[:2], values[2:]]
    assert type(like(np.zeros(2), [1.0, values[0]])) is Row


def test_a_row_is_filled_as_the_array_it_stands_for() -> None:
    rows = like(np.zeros((2, 2)), [Value(0.0)] * 4)
    found = like(rows, [1.0, 2.0, 3.0, 4.0])
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_an_array_of_arrays_has_the_axes_of_both() -> None:
    found = like(np.zeros(2), [np.ones((3, 4)), np.zeros((3, 4))])
    assert found.shape == (2, 3, 4)


def test_what_is_an_array_is_known_without_importing_numpy() -> None:
    assert is_array(np.zeros(2))
    assert not is_array(np.array(2.0))
    assert not is_array(np.float64(2.0))
    assert not is_array([1.0])
    program = (
        "import sys\n"
        "from microbp import grad, hessian, jvp, vjp\n"
        "hessian(lambda x: x[0] * x[1] ** 3)([1.0, 2.0])\n"
        "jvp(lambda x: [x], (1.0,), (1.0,)); vjp(lambda x: {'a': x}, 1.0)[1]({'a': 1.0})\n"
        "print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# Rows.

REFUSAL = (
    "an array's numbers come to a function as a list of Values, which has no arithmetic of its own; "
    "compute with each of them, as in [2 * v for v in x]"
)
OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.matmul]


@pytest.mark.parametrize("operate", OPERATORS)
@pytest.mark.parametrize(
    "other", [2, 2.5, Value(1.0), [1.0, 2.0], np.array([1.0, 2.0]), np.float64(2.0)], ids=repr
)
def test_a_row_refuses_arithmetic(operate: Callable[[Any, Any], Any], other: Any) -> None:
    with pytest.raises(TypeError) as caught:
        operate(Row([1.0, 2.0]), other)
    assert str(caught.value) == REFUSAL


@pytest.mark.parametrize("operate", [operator.add, operator.sub, operator.mul])
@pytest.mark.parametrize(
    "other", [2, Value(1.0), [1.0, 2.0], np.array([1.0, 2.0]), np.float64(2.0)], ids=repr
)
def test_a_row_refuses_arithmetic_from_the_left(operate: Callable[[Any, Any], Any], other: Any) -> None:
    with pytest.raises(TypeError):
        operate(other, Row([1.0, 2.0]))


@pytest.mark.parametrize("act", [operator.iadd, operator.imul, operator.isub])
def test_a_row_refuses_arithmetic_in_place(act: Callable[[Any, Any], Any]) -> None:
    row = Row([1.0, 2.0])
    with pytest.raises(TypeError, match="compute with each of them"):
        act(row, [3.0])
    assert row == [1.0, 2.0]
    with pytest.raises(TypeError, match="compute with each of them"):
        operator.neg(row)


def test_numpy_s_functions_refuse_a_row() -> None:
    for function in np.exp, np.abs, np.negative:
        with pytest.raises(TypeError, match="Row"):
            function(Row([1.0, 2.0]))


def test_a_row_is_otherwise_a_list() -> None:
    row = Row([1.0, 2.0, 4.0])
    assert (row[0], row[-1], len(row), list(row), sum(row)) == (1.0, 4.0, 3, [1.0, 2.0, 4.0], 7.0)
    assert row == [1.0, 2.0, 4.0]
    assert 2.0 in row
    with pytest.raises(IndexError):
        row[3]


def test_a_part_of_a_row_is_a_row() -> None:
    row = Row([1.0, 2.0, 4.0])
    for part, expected in (row[1:], [2.0, 4.0]), (row[::-1], [4.0, 2.0, 1.0]), (row[:0], []):
        assert (type(part), part) == (Row, expected)
