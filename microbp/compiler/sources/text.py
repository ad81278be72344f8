"""The words of a written program: names, numbers, products, and the table's rows as NumPy expressions."""

from __future__ import annotations

import ast
import builtins
import keyword
import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from microbp.compiler.sources.rows import literal
from microbp.rules import CONSTANTS, Rule, many
from microbp.structures import Structure

WIDTH = 100  # of a line

# What NumPy has under its own name, and what a program brings along where it uses it.
NUMPY = ("exp", "log", "sin", "cos", "tanh", "abs", "sign")
HELPERS = {
    "sigmoid": """\
def sigmoid(u):
    e = np.exp(-np.abs(u))  # at most 1: it cannot overflow
    return np.where(u >= 0, 1, e) / (1 + e)
""",
    "softplus": """\
def softplus(u):
    return np.maximum(u, 0) + np.log1p(np.exp(-np.abs(u)))
""",
    "relu": """\
def relu(u):
    return np.maximum(u, 0)
""",
    "step": """\
def step(u):
    return np.heaviside(u, 0)
""",
    "sqrt": """\
def sqrt(x):
    return np.sqrt(x) + 0.0  # 0 for -0.0, so that the slope there is inf
""",
    "exponentiate": """\
def exponentiate(x, y):
    return np.where(x > 0, x, np.nan) ** y
""",
    "equal": """\
def equal(x, y):
    return (x == y) * 1.0
""",
    "ties": """\
def ties(x, z):
    return (x == z).sum(axis=-1, keepdims=True)
""",
    "powers": '''\
def powers(x):
    """exp(x - m) along the last axis, m the greatest, with what rounding takes from x - m."""
    m = x.max(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", over="ignore"):
        d = x - m
        power, again = np.exp(d), x - d
        lost = (x - (d + again)) - (m - again)
        return m, np.where(power > 0, power + power * lost, power)
''',
    "excess": '''\
def excess(x):
    """The greatest m, and log(sum(exp(x))) - m; the greatest's own term, 1, is left to log1p."""
    m, terms = powers(x)
    np.put_along_axis(terms, x.argmax(axis=-1)[..., None], 0, axis=-1)
    return m, np.where(np.isfinite(m), np.log1p(terms.sum(axis=-1, keepdims=True)), 0)
''',
    "logsumexp": """\
def logsumexp(x):
    m, rest = excess(x)
    return m + rest
""",
    "softmax": """\
def softmax(x):
    _, terms = powers(x)
    return terms / terms.sum(axis=-1, keepdims=True)
""",
    "log_softmax": """\
def log_softmax(x):
    m, rest = excess(x)
    with np.errstate(invalid="ignore"):
        return x - m - rest
""",
    "cross_entropy": '''\
def cross_entropy(t, x):
    """-sum(t * log(softmax(x))) along the last axis."""
    m, rest = excess(x)
    with np.errstate(invalid="ignore"):
        terms = 2 * (t * (m / 2 - x / 2)) + t * rest  # halves, as m - x need not be finite
    return np.where(t == 0, 0, terms).sum(axis=-1, keepdims=True)
''',
}
_CALLED = re.compile(rf"(?<![\w.])({'|'.join(HELPERS)})\(")

_LABEL = re.compile(r"([A-Za-z][A-Za-z0-9]{0,19})(\[\d{1,9}(?:, ?\d{1,9})*\])?")


def helpers_of(lines: Iterable[str]) -> list[str]:
    """The definitions of the helpers that these lines of code call."""
    called = {name for line in lines for name in _CALLED.findall(line)}
    for name in reversed(HELPERS):  # each calls only what stands above it
        if name in called:
            called.update(_CALLED.findall(HELPERS[name]))
    return [text for name, text in HELPERS.items() if name in called]


class Names:
    """The names of one program, each given once and none that means something already."""

    def __init__(self, own: Iterable[str] = ()) -> None:
        taken = [*own, *dir(builtins), *keyword.kwlist, *keyword.softkwlist, *HELPERS]
        taken += ["np", "parameters", "fixed", "gradient", "outputs", "value_and_grad"]
        self._count = dict.fromkeys(taken, 1)

    def new(self, wanted: str) -> str:
        """`wanted`, or with _2, _3, ... behind it if it is taken."""
        count = self._count[wanted] = self._count.get(wanted, 0) + 1
        return wanted if count == 1 else self.new(f"{wanted}_{count}")

    def free(self, wanted: str) -> bool:
        return wanted not in self._count


def stem(labels: Sequence[str]) -> str:
    """What labels like u1[1], u1[2], ... have in common: u1; '' if nothing, or nothing that is a plain name.

    >>> stem(["u1[1]", "u1[2]"]), stem(["E"]), stem(["E", "E"]), stem(["import os"])
    ('u1', 'E', '', '')
    """
    found = ""
    for label in labels:
        match = _LABEL.fullmatch(label)
        if match is None or (found and match[1] != found) or (match[2] is None and len(labels) > 1):
            return ""
        found = match[1]
    return found


def as_array(name: str) -> str:
    """The name of an array: a textbook's letter is a capital, U1 for u1, and a word stays what it is."""
    return name.upper() if len(name.rstrip("0123456789")) == 1 else name


def number(value: float, whole: bool = True) -> str:
    """A number as Python source; `whole` writes whole numbers without a point.

    >>> number(2.0), number(0.1), number(float("-inf"))
    ('2', '0.1', '-np.inf')
    """
    if not math.isfinite(value):
        return "np.nan" if math.isnan(value) else "np.inf" if value > 0 else "-np.inf"
    return (literal(value) if whole else repr(value)).replace("e+", "e")


def grouped(text: str) -> str:
    """An expression that can stand in any other: in parentheses, unless it is a name, a call or the like."""
    return text if _primary(text) else f"({text})"


_RESHAPED = re.compile(r"\.reshape\([-\d, ]+\)$")


def called_on(text: str, method: str) -> str:
    """A method called on an expression, or an index of it."""
    if method.startswith(".reshape("):
        text = _RESHAPED.sub("", text)  # which a second one undoes
    return f"{grouped(text)}{method}"


def _primary(text: str) -> bool:
    depth = 0
    for letter in text:
        depth -= letter in ")]"
        if not (depth or letter in ")]([._" or letter.isalnum()):
            return False
        depth += letter in "(["
    return not text[0].isdigit()


def bare(text: str) -> str:
    """An operand without the parentheses around it, for where nothing else stands beside it."""
    return text[1:-1] if text.startswith("(") and _closing(text) == len(text) - 1 else text


def _sum(text: str) -> bool:
    """Whether an expression is a sum, a difference or begins with a sign."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if not depth and letter in "+-" and (not place or text[place - 1] == " "):
            return True
    return False


def _closing(text: str) -> int:
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if not depth:
            return place
    return -1


# Products.

_NEGATIVE = re.compile(r"-[\d.e-]+|-np\.inf")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True)
class Product:
    """A number times factors, some of them divisors, as ("*", text) and ("/", text) in the order of writing.

    `of_sample` says whether it differs from sample to sample, `wide` whether it has a column for
    each node: where not, NumPy's broadcasting would have to repeat it.
    """

    number: float = 1.0
    factors: tuple[tuple[str, str], ...] = ()
    of_sample: bool = False
    wide: bool = False

    def times(self, other: Product) -> Product:
        value, factors = self.number * other.number, list(self.factors)
        for sign, text in other.factors:
            folded = value * float(text) if sign == "*" and _NUMBER.fullmatch(text) else math.nan
            if len(number(folded)) <= 6 and folded == folded:
                value = folded
            else:
                factors.append((sign, text))
        return Product(value, tuple(factors), self.of_sample or other.of_sample, self.wide or other.wide)

    def after(self, method: str, of_sample: bool, wide: bool = True) -> Product:
        """This after a linear method of arrays, or an index; its sign stays in front."""
        sign = -1.0 if self.number < 0 else 1.0
        text = called_on(str(replace(self, number=abs(self.number))), method)
        return Product(sign, (("*", text),), of_sample, wide)

    @property
    def scalar(self) -> bool:
        """Whether it is a plain number, the same everywhere."""
        return not (self.of_sample or self.wide)

    def over_samples(self, samples: str) -> Product:
        """What does not differ from sample to sample, summed over them all."""
        if ("/", samples) in self.factors:
            kept = list(self.factors)
            kept.remove(("/", samples))
            return replace(self, factors=tuple(kept))
        return replace(self, factors=(*self.factors, ("*", samples)))

    def __str__(self) -> str:
        factors = list(self.factors)
        first = next((k for k, (sign, _) in enumerate(factors) if sign == "*"), None)
        if abs(self.number) != 1.0 or first is None:
            head = number(self.number)
            if first is not None:
                factors.insert(0, factors.pop(first))
        else:
            head = ("-" if self.number < 0 else "") + factors.pop(first)[1]
        return head + "".join(f" {sign} {text}" for sign, text in factors)


def factor(text: str, of_sample: bool = True, wide: bool = True) -> Product:
    """A product of one factor, which can stand beside others as it is."""
    return Product(1.0, (("*", text),), of_sample, wide)


def added(terms: Iterable[Product]) -> str:
    return " + ".join(map(str, terms)).replace(" + -", " - ")


# Rows of the table.  Their operands are called o0, o1, ... here, which stand for arrays' names.


class Bound(NamedTuple):
    """An expression for an operand; `of_sample` and `wide` are those of `Product`."""

    text: str
    of_sample: bool
    wide: bool


_SLOT = re.compile(r"\((o\d+)\)|(?<!\w)(o\d+|z)(?!\w)")


def fill(template: str, bound: Mapping[str, str]) -> str:
    """A row's text with expressions for its operands."""

    def filled(match: re.Match[str]) -> str:
        return f"({bare(bound[match[1]])})" if match[1] else bound[match[2]]

    if match := re.fullmatch(r"o0 ([+-]) o1", template):
        return _plus(bare(bound["o0"]), match[1], bound["o1"])
    return _SLOT.sub(filled, template)


def _plus(left: str, sign: str, right: str) -> str:
    """A sum or a difference, without parentheses and signs that are not needed."""
    if _NEGATIVE.fullmatch(right):
        return f"{left} {'-' if sign == '+' else '+'} {right[1:]}"
    return f"{left} {sign} {right if _sum(bare(right)) else bare(right)}"


@cache
def forward(row: Rule, held: float, count: int) -> str:
    """What a row computes."""
    if row.name == "exponentiation":  # not **, which has values where this has none
        return re.sub(r"\b[xy]\b", lambda name: "o0" if name[0] == "x" else "o1", row.forward)
    return _as_numpy(row.formula(_slots(row, held, count)))


@cache
def slopes(row: Rule, held: float, count: int) -> list[Product]:
    """A row's local derivatives, one for each operand."""
    return [_product(text) for text in row.slope_formulas(_slots(row, held, count))]


@cache
def row_along_axis(row: Rule, held: float) -> tuple[str, list[Product]]:
    """What a row over sequences computes, and its local derivatives along each operand.

    o0, o1, ... are the row's operands, a sequence along the last axis and all others with a last axis
    of length 1, as the result has it; what comes after them are the places in a sequence.  A slope is
    `wide` where it has a number for each member.
    """
    places = {name: f"o{k}" for k, name in enumerate(row.parameters)}
    members = {name[:-1]: place for name, place in places.items() if many(name)}
    members["i"] = f"o{len(places)}"
    if row.place is not None:
        places[row.parameters[-1]] = number(held)

    def along_axis(text: str) -> str:
        tree = _AlongAxis(row, held, {**members, **places}).visit(ast.parse(text, mode="eval"))
        return ast.unparse(tree)

    slopes = []
    for name, partial in zip(row.parameters, row.partials):
        if partial is not None:
            words = set(re.findall(r"\w+", partial)) if many(name) else set()
            slopes.append(replace(_product(along_axis(partial)), wide=not words.isdisjoint(members)))
    return _as_numpy(along_axis(row.forward)), slopes


class _AlongAxis(ast.NodeTransformer):
    """Writes the functions of sequences as NumPy's along the last axis, which they keep."""

    def __init__(self, row: Rule, held: float, names: Mapping[str, str]) -> None:
        self.row, self.held, self.names = row, held, names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.parse(self.names.get(node.id, node.id), mode="eval").body

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        every_place: ast.expr = self.visit(node.value)
        return every_place

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        chosen: ast.expr = self.visit(node.body if self.held else node.orelse)
        return chosen

    def visit_Call(self, node: ast.Call) -> ast.expr:
        assert isinstance(node.func, ast.Name)
        name, operands = node.func.id, [ast.unparse(self.visit(operand)) for operand in node.args]
        sequences = [isinstance(operand, ast.Name) and many(operand.id) for operand in node.args]
        match name, operands:
            case "sum" | "max" | "min", [xs]:
                text = f"{xs}.{name}(axis=-1, keepdims=True)"
            case "dot", [ws, xs]:
                text = f"({ws} * {xs}).sum(axis=-1, keepdims=True)"
            case "pick", [xs, n]:
                text = f"{xs}[..., [{_folded(n)}]]"
            case "power" | "exponentiate", [base, exponent]:
                exponent = _folded(exponent)
                text = base if exponent == "1" else f"({base}) ** ({exponent})"
            case _, _ if name in self.row.own_functions and any(sequences):
                groups = [
                    f"[*np.moveaxis({operand}, -1, 0)]" if several else _without_axis(operand)
                    for operand, several in zip(operands, sequences)
                ]
                text = f"{name}({', '.join(groups)})[..., None]"
            case _:
                text = f"{name}({', '.join(operands)})"
        return ast.parse(text, mode="eval").body


def _folded(exponent: str) -> str:
    """The exponent n - 1 as the number it is."""
    try:
        return number(float(eval(exponent, {"__builtins__": {}})))
    except NameError:
        return exponent


def _without_axis(operand: str) -> str:
    return f"({operand})[..., 0]" if _SLOT.search(operand) else operand


@cache
def mentions(product: Product, slot: str) -> bool:
    """Whether a slope reads an operand."""
    return any(slot in re.findall(r"\w+", text) for _, text in product.factors)


def filled_product(template: Product, bound: Mapping[str, Bound]) -> Product:
    """A slope with the expressions for its operands."""
    used = [operand for slot, operand in bound.items() if mentions(template, slot)]
    texts = {slot: operand.text for slot, operand in bound.items()}
    return Product(
        template.number,
        tuple((sign, fill(text, texts)) for sign, text in template.factors),
        any(operand.of_sample for operand in used),
        any(operand.wide for operand in used),
    )


def _slots(row: Rule, held: float, count: int) -> list[str]:
    slots = [f"o{k}" for k in range(count)]
    return [*slots, number(held)] if count < len(row.parameters) else slots


class _NumPy(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Name(f"np.{node.id}" if node.id in (*NUMPY, *CONSTANTS) else node.id)


def _as_numpy(row: str) -> str:
    return ast.unparse(_NumPy().visit(ast.parse(row, mode="eval")))


def _product(row: str) -> Product:
    """A slope taken apart into its number, factors and divisors."""
    value, factors = 1.0, []  # type: float, list[tuple[str, str]]
    node = _NumPy().visit(ast.parse(row, mode="eval")).body
    stack = [(node, "*")]
    while stack:
        part, sign = stack.pop()
        match part:
            case ast.UnaryOp(ast.USub(), inner):
                value = -value
                stack.append((inner, sign))
            case ast.BinOp(left, ast.Mult() | ast.Div() as op, right) if sign == "*":
                stack += [(right, "*" if isinstance(op, ast.Mult) else "/"), (left, "*")]
            case ast.Constant(constant):
                assert isinstance(constant, (int, float))
                value = value * constant if sign == "*" else value / constant
            case ast.BinOp(_, ast.Pow(), _) if sign == "*":
                factors.append((sign, ast.unparse(part)))
            case ast.BinOp() | ast.UnaryOp():
                factors.append((sign, f"({ast.unparse(part)})"))
            case _:
                factors.append((sign, ast.unparse(part)))
    return Product(value, tuple(factors))


# Lines.


_POWER = re.compile(r"(?<![\w.)\]])([A-Za-z_]\w*|\d+) \*\* (-?[\d.]+|[A-Za-z_]\w*)(?![\w.(\[])")


_UNSAFE = re.compile(r"[^\w./' -]", re.ASCII)  # in a key
_ASSIGNED = re.compile(r"\S+ \+?= ")


def wrapped(line: str, indent: str) -> list[str]:
    """A line as one or, where it is too long, as several, broken at operators or between brackets."""
    line = _POWER.sub(r"\1**\2", line)
    if len(indent) + len(line) <= WIDTH:
        return [indent + line]
    inner = indent + "    "
    if match := _ASSIGNED.match(line):
        value = line[match.end() :]
        terms = [value] if len(inner) + len(value) <= WIDTH else _terms(value)
        if len(_terms(value)) > 1:
            content = [part for each in terms for part in wrapped(each, inner)]
            return [f"{indent}{match[0]}(", *content, indent + ")"]
    opening, closing = _last_brackets(line)
    if opening < 0:  # a line without brackets, which stands in some
        return [indent + term for term in _terms(line)]
    entries = list(_entries(line[opening + 1 : closing]))
    if not entries:
        return [indent + line]
    if _NUMBER.fullmatch(entries[0]):
        content = textwrap.wrap(", ".join(entries), WIDTH, initial_indent=inner, subsequent_indent=inner)
    elif len(inner) + len(", ".join(entries)) <= WIDTH:
        content = [inner + ", ".join(entries)]
    elif line[opening] == "(" and not re.search(r"[\w)\]]$", line[:opening]) and len(entries) == 1:
        content = [part for term in _terms(entries[0]) for part in wrapped(term, inner)]
    else:
        content = [part for entry in entries for part in wrapped(f"{entry},", inner)]
    return [indent + line[: opening + 1], *content, indent + line[closing:]]


def bracketed(structure: Structure, texts: Sequence[str]) -> str:
    """A list, tuple or dict as source, with these texts for its parts."""
    inner = ", ".join(texts)
    if isinstance(structure, dict):
        return f"{{{', '.join(f'{_key(key)}: {text}' for key, text in zip(structure, texts))}}}"
    if isinstance(structure, tuple):
        return f"({inner},)" if len(texts) == 1 else f"({inner})"
    return f"[{inner}]"


def _key(key: object) -> str:
    """A dict's key as source, in which nothing is taken for brackets, commas or operators of the program."""
    return repr(key) if type(key) is int else f'"{_UNSAFE.sub(_escaped, str(key))}"'


def _escaped(match: re.Match[str]) -> str:
    return f"\\U{ord(match[0]):08x}"


def _terms(text: str) -> list[str]:
    """The terms of a sum, or the factors of a product, each with its sign before it."""
    places = {"+": [0], "*": [0]}
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if not depth and letter in "+-*/@" and text[place - 1 : place] == " " == text[place + 1 : place + 2]:
            places["+" if letter in "+-" else "*"].append(place)
    starts = places["+"] if len(places["+"]) > 1 else places["*"]
    return [text[start:stop].strip() for start, stop in zip(starts, [*starts[1:], len(text)])]


def _last_brackets(line: str) -> tuple[int, int]:
    """Where the last brackets that enclose more than a name are; -1 if there are none."""
    found, depth, opened = (-1, -1), 0, 0
    for place, letter in enumerate(line):
        if letter in "([{":
            opened = opened if depth else place
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if not depth and (place - opened > WIDTH // 4 or found[0] < 0):
                found = opened, place
    return found


def _entries(text: str) -> Iterator[str]:
    """What stands between the commas that are in no brackets."""
    depth = start = 0
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            yield text[start:place].strip()
            start = place + 1
    if text[start:].strip():
        yield text[start:].strip()
