"""Expressions as text: against Python's own eval and central differences, and against nonsense."""

import ast
import math
import random
import time

import pytest
from hypothesis import given, settings, strategies as st

from microbp import Value, traversal
from microbp.expressions import ExpressionError, names, parse

# Written with Python's floats alone: an oracle that shares nothing with the table.
MATH = {
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "abs": abs,
    "max": max,
    "min": min,
    "sigmoid": lambda u: 1 / (1 + math.exp(-u)),
    "softplus": lambda u: math.log(1 + math.exp(u)),
    "relu": lambda u: max(u, 0.0),
    "sum": lambda *xs: math.fsum(xs),
    "logsumexp": lambda *xs: math.log(math.fsum(map(math.exp, xs))),
}
SEVERAL = ("max", "min", "sum", "logsumexp")
ONE = tuple(name for name in MATH if name not in SEVERAL)


def evaluated(text, values):
    """By Python itself."""
    *statements, last = ast.parse(text).body
    scope = {"__builtins__": {}, **MATH, **values}
    for statement in statements:
        exec(ast.unparse(statement), scope)
    return eval(ast.unparse(last.value), scope)


def test_an_expression_is_the_graph_it_says():
    z = parse("sigmoid(w*x + b)", {"w": 0.5, "x": 2, "b": -1})
    w, x, b = Value(0.5, "w"), Value(2.0, "x"), Value(-1.0, "b")
    by_hand = (w * x + b).sigmoid()
    z.backward(), by_hand.backward()
    mine, theirs = traversal.topological(z), traversal.topological(by_hand)
    assert {(v.label, v.data, v.grad) for v in mine} == {(v.label, v.data, v.grad) for v in theirs}
    assert [node.rule.name for node in traversal.topological(z)[3:]] == ["product", "sum", "sigmoid"]


def test_statements_name_what_comes_between():
    text = "u = w*x + b\n  z = sigmoid(u)   # the unit\n\n(z - t)**2"
    values = {"w": 0.5, "x": 2.0, "b": -1.0, "t": 1.0}
    E = parse(text, values)
    E.backward()
    found = {node.label: node for node in traversal.topological(E)}
    assert found["u"].data == 0.0 and found["z"].data == 0.5
    assert found["u"].grad == 2 * (0.5 - 1.0) * 0.25
    assert parse(text.replace("\n", ";").replace("# the unit;;", "; "), values).data == E.data
    assert parse("u = 3*x; u", {"x": 2}).label == "u"
    assert parse("u = 3*x", {"x": 2}).label == "u"
    assert names(text) == ["w", "x", "b", "t"]
    assert parse("u = w; u*x", values).inputs[0].label == "w", "another name does not take the first away"


def test_each_name_is_one_leaf_and_numbers_stay_plain():
    z = parse("(2*3 - 1) * a + a**2 / 4", {"a": 2.0})
    assert [leaf.label for leaf in traversal.leaves(z)] == ["a"]
    assert z.data == 11.0
    assert parse("a ** 2", {"a": 3}).constant == 2 and isinstance(parse("a ** 2", {"a": 3}).constant, int)
    assert parse("2 + 3 * 4", {}).data == 14.0
    assert parse("\t a \n", {"a": 1, "unused": 2}).label == "a"
    assert parse("größe * µ", {"größe": 2, "µ": 3}).data == 6.0


def test_values_are_real_numbers():
    with pytest.raises(TypeError, match="the value of 'a': a real number is needed, not 'x'"):
        parse("a", {"a": "x"})
    with pytest.raises(TypeError, match="an expression is a text, not 3"):
        parse(3, {})
    with pytest.raises(ExpressionError, match="this is nan, and a finite number is needed"):
        parse("a", {"a": math.nan})


WRONG = [
    ("sigmoid(w*x + )", 14, 1, r"expected a name, a number or '\(' here, not '\)'"),
    ("w*x +", 5, 1, "expected a name, a number or '\\(' here, not the end"),
    ("w x", 2, 1, "expected an operation such as \\+ or \\* here, not 'x'"),
    ("sigmoid(w*x", 7, 1, "'\\(' is never closed"),
    ("w)", 1, 1, "'\\)' closes nothing"),
    ("w + 2x", 4, 1, "a product needs its sign"),
    ("w^2", 0, 3, r"use \*\* for powers"),
    ("w + x//2", 4, 4, r"the operations are \+ - \* / and \*\*"),
    ("w % x", 0, 5, r"the operations are \+ - \* / and \*\*"),
    ("w + y", 4, 1, r"no value for 'y'; give it one, as in y=1 \(known: 'w', 'x', 'b'\)"),
    ("w + sigmod(x)", 4, 6, "no function 'sigmod'; there are .*exp.*Did you mean 'sigmoid'"),
    ("2*w(x)", 2, 1, r"'w' is no function; a product needs its sign, as in w \* \(...\)"),
    ("exp + 1", 0, 3, r"'exp' is a function; write exp\(...\)"),
    ("1 + exp(w, x)", 4, 9, "exp takes one value, and 2 came"),
    ("1 + exp()", 4, 5, "exp takes one value, and none came"),
    ("max()", 0, 5, "max takes at least one value"),
    ("1 + log(w - x)", 4, 10, r"log of -1.5 \(node = w - x\): it needs x > 0"),
    ("1 + 1/(1 - 1)", 4, 9, "it needs y != 0"),
    ("w + 2**1000000", 4, 10, "too large for a float"),
    ("w * 1e308 * 1e308", 0, 17, "this is inf"),
    ("w + 1e999", 4, 5, "this number is too large for a float"),
    ("w + 1" + "0" * 400, None, None, "this number is too large for a float"),
    ("1 + __import__('os')", None, None, "text cannot stand here"),
    ("__import__(w)", 0, 10, "there is no function '__import__'"),
    ("w + x.data", 4, 6, "an attribute cannot stand here"),
    ("(1).__class__", 0, 13, "an attribute cannot stand here"),
    ("exp.__globals__(w)", 0, 18, "this cannot stand here"),
    ("w + x[0]", 4, 4, "an index cannot stand here"),
    ("lambda: w", 0, 9, "a function cannot stand here"),
    ("[w for w in x]", 0, 14, "this cannot stand here"),
    ("f'{w}'", 0, 6, "text cannot stand here"),
    ("'w'", 0, 3, "text cannot stand here"),
    ("w + (y := 3)", 5, 6, "an assignment inside an expression cannot stand here"),
    ("max(*w)", 4, 2, "a star cannot stand here"),
    ("1 + exp(x=w)", 8, 3, "a function takes values alone"),
    ("max(w, **x)", 7, 3, "a function takes values alone"),
    ("w < x", 0, 5, "a comparison cannot stand here"),
    ("w and x", 0, 7, "a condition cannot stand here"),
    ("w if x else b", 0, 13, "a condition cannot stand here"),
    ("not w", 0, 5, "this cannot stand here"),
    ("w + 1j", 4, 2, "this cannot stand here"),
    ("w + True", 4, 4, "this cannot stand here"),
    ("w, x", 0, 4, "a comma outside of a function cannot stand here"),
    ("import os", 0, 9, "this is no expression"),
    ("del w", 0, 5, "this is no expression"),
    ("w += 1", 0, 6, "this is no expression"),
    ("w; x", 0, 1, "only the last expression may go without a name"),
    ("u = w; v = w; v*x", 0, 5, "'u' is computed and never used"),
    ("w = 3; w", 0, 5, "'w' is given a value"),
    ("u = 1; u = 2; u*x", 7, 5, "'u' is computed before"),
    ("u = v = w", 0, 1, "one name stands before one ="),
    ("3 = w", 0, 1, "one name stands before one ="),
    ("u = z*x; z = w; z", 4, 1, "no value for 'z'"),
]


@pytest.mark.parametrize("text, start, length, sentence", WRONG, ids=[case[0][:20] for case in WRONG])
def test_what_is_wrong_is_pointed_at(text, start, length, sentence):
    with pytest.raises(ExpressionError, match=sentence) as wrong:
        parse(text, {"w": 0.5, "x": 2, "b": -1})
    line, mark, said = str(wrong.value).split("\n")
    assert "\n" not in said and len(line) < 110
    if start is not None:
        assert line == text
        assert mark == " " * start + "^" * length


def test_the_line_that_is_wrong_is_shown_and_a_long_one_is_cut():
    with pytest.raises(ExpressionError) as wrong:
        parse("u = w * größe\nv = u +\tü + log(0-größe)\nv", {"w": 1, "größe": 1, "ü": 2})
    line, mark, _ = str(wrong.value).split("\n")
    assert line == "v = u + ü + log(0-größe)"
    assert line[mark.index("^") : len(mark)] == "log(0-größe)"
    with pytest.raises(ExpressionError) as wrong:
        parse("w + " * 200 + "y" + " + w" * 200, {"w": 1})
    line, mark, _ = str(wrong.value).split("\n")
    assert line[mark.index("^")] == "y" and len(line) < 110


@pytest.mark.parametrize("text", ["", "  \n ", "# nothing", ";"])
def test_there_must_be_something(text):
    with pytest.raises(ExpressionError, match=r"is empty|expected a name"):
        parse(text, {})


def test_enormous_expressions_are_refused_quickly():
    start = time.perf_counter()
    for text in [
        "x" * 10_001,
        "x" + "+x" * 1001,
        "(" * 4000 + "x" + ")" * 4000,
        "-" * 9000 + "x",
        "exp(" * 2400 + "x" + ")" * 2400,
        "x" + "**x" * 3000,
        "2**" * 2000 + "2",
        "9" * 9999,
        "9**9**9**9**9",
        "x" + "[x" * 3000,
        "[" * 9999,
        "\0",
        "x\0",
        "\ud800",
    ]:
        with pytest.raises(ExpressionError):
            parse(text, {"x": 1.0})
    assert time.perf_counter() - start < 5
    assert parse("x" + "+x" * 900, {"x": 1.0}).data == 901.0
    assert parse("(" * 90 + "x" + ")" * 90, {"x": 1.0}).data == 1.0


# Against Python's own reading.

NUMBERS = st.sampled_from(["2", "0.5", "3", "1e-3", "10", "1.25e1", ".5", "0"])
LEAF = st.one_of(st.sampled_from(["w", "x", "b", "t"]), NUMBERS)


def deeper(inner):
    return st.one_of(
        st.tuples(inner, st.sampled_from([" + ", "-", "*", " / ", "**"]), inner).map(
            lambda parts: f"({parts[0]}){parts[1]}({parts[2]})" if parts[1] == "**" else "".join(parts)
        ),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"-{text}"),
        st.tuples(st.sampled_from(ONE), inner).map(lambda parts: f"{parts[0]}({parts[1]})"),
        st.tuples(st.sampled_from(SEVERAL), st.lists(inner, min_size=2, max_size=3)).map(
            lambda parts: f"{parts[0]}({', '.join(parts[1])})"
        ),
    )


EXPRESSIONS = st.recursive(LEAF, deeper, max_leaves=12)
PROGRAMS = st.one_of(EXPRESSIONS, st.tuples(EXPRESSIONS, EXPRESSIONS).map("u = {0[0]}; u * ({0[1]})".format))
# Of no relation to each other or to NUMBERS, so that no max or relu stands at its kink by chance.
GENERIC = [0.8371, -1.2946, 2.4153, -0.3597, 1.6218, 0.1439, -2.7583, 2.9061]
VALUES = st.permutations(GENERIC).map(lambda numbers: dict(zip("wxbt", numbers)))


@given(PROGRAMS, VALUES)
@settings(max_examples=1500, deadline=None)
def test_values_are_pythons_and_gradients_central_differences(text, values):
    try:
        expected = evaluated(text, values)
    except (ArithmeticError, ValueError, TypeError):
        expected = math.nan  # outside a domain; TypeError from a complex power
    try:
        z = parse(text, values)
    except ExpressionError as error:
        needs = "it needs" in str(error) or "too large" in str(error) or "finite number" in str(error)
        assert needs, f"only the arithmetic may be refused: {error}"
        assert (
            not isinstance(expected, float) or not math.isfinite(expected) or "it needs x > 0" in str(error)
        )
        return
    if isinstance(expected, complex) or not math.isfinite(expected):
        return  # what overflows in the naive formula need not in ours
    assert z.data == pytest.approx(expected, rel=1e-9, abs=1e-9)
    z.backward()
    for leaf in traversal.leaves(z):
        if leaf.label in values and math.isfinite(leaf.grad) and abs(expected) < 1e4:
            slopes = [central(text, values, leaf.label, h) for h in (1e-4, 5e-5)]
            # where the two agree the function is smooth there, and the gradient must be theirs
            if None not in slopes and math.isclose(*slopes, rel_tol=1e-6, abs_tol=1e-9):
                assert leaf.grad == pytest.approx(slopes[0], rel=1e-4, abs=1e-5)


def central(text, values, name, h):
    try:
        above, here, below = (evaluated(text, {**values, name: values[name] + d}) for d in (h, 0, -h))
        slope = (above - below) / (2 * h)
        kink = abs(above - 2 * here + below) > 1e-3 * h  # a second difference that does not vanish with h
    except (ArithmeticError, ValueError, TypeError):
        return None
    return slope if isinstance(slope, float) and math.isfinite(slope) and not kink else None


# Nonsense.


@given(st.one_of(st.text(max_size=60), st.text("wxb0123.+-*/^()[]{},:;= \n\t'\"#\\@!eE_", max_size=60)))
@settings(max_examples=3000, deadline=None)
def test_any_text_gives_a_value_or_an_expression_error(text):
    outcome(text)


def outcome(text):
    values = {"w": 0.5, "x": 2.0, "b": -1.0, "t": 1.0}
    try:
        result = parse(text, values)
    except ExpressionError as error:
        assert str(error)
        return None
    assert isinstance(result, Value) and math.isfinite(result.data)
    return result


def test_thousands_of_mutated_expressions_give_a_value_or_an_expression_error():
    chance = random.Random(1)
    sources = [
        "sigmoid(w*x + b)",
        "u = w*x + b; z = sigmoid(u); (z - t)**2",
        "logsumexp(w, x, b) - max(w*x, b, 3) / sqrt(abs(x) + 1e-3)",
        "-tanh(w)**2 * exp(-x/2) + softplus(b) - sin(cos(t))",
    ]
    bits = [
        *"()[]{}+-*/^%@=.,:;'\"\\\n\t #!~<>&|0129eEjwxbtu_",
        *[
            "**",
            "//",
            "lambda ",
            " if ",
            " else ",
            "import ",
            "exp(",
            ":=",
            "1e999",
            "9**9**9",
            "...",
            "ß",
            "∞",
        ],
        *[
            "None",
            "__class__",
            "f'",
            "0x",
            "await ",
            " for x in x",
            "\0",
            "\x0c",
            "\u2028",
            "\ud800",
            "log(-1)",
        ],
    ]
    start, read, refused = time.perf_counter(), 0, 0
    for _ in range(20_000):
        text = chance.choice(sources)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(text) + 1)
            text = (
                text[:place] + chance.choice(["", chance.choice(bits)]) + text[place + chance.randint(0, 2) :]
            )
        if outcome(text) is None:
            refused += 1
        else:
            read += 1
    assert read > 1000 and refused > 10_000
    assert time.perf_counter() - start < 60
