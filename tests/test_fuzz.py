"""Nonsense, by the thousand: files, expressions and labels that nobody meant.

Each either works or raises the documented error, with a message of one piece; never another error,
and never at length.  The cases are drawn anew with each number of MICROBP_SEED, and there are
MICROBP_FUZZ times as many:

    MICROBP_FUZZ=50 MICROBP_SEED=2 pytest tests/test_fuzz.py
"""

import json
import math
import os
import pickle
import random
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from test_page import Parts
from test_storage import described, swish

import microbp
from microbp import MLP, Layer, Unit, Value, explain, explore, graph, save
from microbp.__main__ import main
from microbp.expressions import ExpressionError, names, parse
from microbp.storage import read
from microbp.traversal import leaves, topological
from microbp.value import computed, name_of

TIMES = int(os.environ.get("MICROBP_FUZZ", "1"))
SEED = int(os.environ.get("MICROBP_SEED", "1"))
LONGEST = 5.0  # seconds that a case may take


def apart(words: str) -> list[str]:
    return words.split(" ")


PIECES = [
    *apart(
        "< > & \" ' ] [ ]]> --> <!-- <blink> <img/src=x> </TABLE> <script> </script> &lt; &#0; { } {0} %s"
    ),
    *apart(
        "\\ \\N \\l \\u0000 $ % # _ ^ | ` * ~ ; = , ( ) - ''' \"\"\" e1 1e5 -3 0 nan None lambda a.b __x__"
    ),
    *apart(
        "w1[1,2] u1[1] z1[1] t t[1] x[3] (2) v1 E d dE/dw delta1[1] é e\u0301 ß ☃ 😀 👩\u200d🔬 𐀀 ﬁ ª Ⅷ ٣ ²"
    ),
    *apart("\n \r \t \x00 \x07 \x1b[31m \x1e \x85 \u2028 \u202e \u200b \u00a0 \ufeff \uffff \ud800 \udfff"),
    *(" ", "a" * 50, "</script ", "<!-- <script "),
]


class Cases:
    """How many cases there were of each kind, none of which took long."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()

    def run(self, case: Callable[[], str], shown: object) -> None:
        start = time.perf_counter()
        try:
            self.count[case()] += 1
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} for {shown!r:.2000}") from error
        took = time.perf_counter() - start
        assert took < LONGEST, f"{took:.1f} s for {shown!r:.2000}"


def text(draw: random.Random, most: int = 6) -> str:
    """Nothing, pieces that mean something to somebody, or characters of every kind."""
    kind = draw.random()
    if kind < 0.1:
        return ""
    if kind < 0.8:
        return "".join(draw.choices(PIECES, k=draw.randint(1, most)))
    limits = [128, 0x300, 0x110000]
    return "".join(chr(draw.randrange(draw.choice(limits))) for _ in range(draw.randint(1, 5 * most)))


# Files.


def files(draw: random.Random, folder: Path) -> list[bytes]:
    """Files as `save` writes them."""
    found = []
    for number in range(20):
        network = [
            lambda: MLP(2, [2, 1], "tanh", seed=1),
            lambda: MLP(1, [1], swish),
            lambda: MLP(2, [1], bias=False, expanded=True),
            lambda: Layer(2, 2, "relu"),
            lambda: Unit(2),
        ][number % 5]()
        if number % 2:
            network.parameters()[0].label = draw.choice([text(draw), "\ud800", "\udfff\n"])
        about = draw.choice([None, {"inputs": ["a"]}, {"deep": {"x": [[1], [None, True, {}]]}}])
        found.append(save(network, folder / "whole.json", about).read_bytes())
    return found


def junk(draw: random.Random, depth: int = 0) -> Any:
    """A value of JSON that nobody would write, or of what Python takes for JSON."""
    kind = draw.randrange(8)
    if kind < 3 and depth < 3:
        return [junk(draw, depth + 1) for _ in range(draw.randrange(4))]
    if kind < 5 and depth < 3:
        keys = ["custom", "number", "weights", "a", ""]
        return {draw.choice(keys): junk(draw, depth + 1) for _ in range(draw.randrange(4))}
    if kind == 5:
        deep: Any = []
        for _ in range(draw.choice([10, 60, 500])):
            deep = [deep] if draw.random() < 0.5 else {"a": deep}
        return deep
    return draw.choice(
        [
            *(None, True, False, 0, 1, -1, 2**53, 10**9, 10**400, -(10**4000)),
            *(0.25, -0.0, 1e308, 5e-324, math.nan, math.inf, -math.inf),
            *("MLP", "sigmoid", "custom", "microbp network", "NaN", "1", "sha256 0", text(draw)),
            *([1.0], "tanh", {"custom": "swish"}),
        ]
    )


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a document."""
    if len(place) > 8:
        return
    if place:
        yield place
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*place, key))


def rewritten(draw: random.Random, content: bytes) -> bytes:
    """A file with parts of it left out, doubled, added, or something else in their place."""
    document = json.loads(content)
    if draw.random() < 0.9:
        del document["checksum"]
    for _ in range(draw.randint(1, 3)):
        *path, last = draw.choice([*places(document)])
        holder = document
        for key in path:
            holder = holder[key]
        match draw.randrange(5), holder:
            case 0, _:
                del holder[last]
            case 1, list():
                holder.insert(last, holder[last])
            case 2, dict():
                holder[draw.choice(["number", "weights", "bias", "labels", "units", "extra", ""])] = junk(
                    draw
                )
            case _:
                holder[last] = junk(draw)
    written = json.dumps(document, ensure_ascii=draw.random() < 0.5)
    if draw.random() < 0.1:
        written = written.replace('"number"', '"number": 1, "number"', 1)
    return written.encode("utf-8", "surrogatepass")


def damaged(draw: random.Random, content: bytes) -> bytes:
    """A file with bytes left out, put in, changed, or repeated, or with its end cut off."""
    if draw.random() < 0.5:
        content = re.sub(rb'"checksum": "[^"]*",?\s*', b"", content)
    found = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 4])):
        place, other = draw.randrange(len(found) + 1), draw.randrange(len(found) + 1)
        match draw.randrange(5):
            case 0:
                del found[place : place + draw.randint(1, 40)]
            case 1:
                found[place:place] = bytes(
                    draw.choices(b'0159-.eE"{}[],: \n\x00\xff\xf0', k=draw.randint(1, 4))
                )
            case 2:
                found[place : place + 1] = bytes([draw.randrange(256)])
            case 3:
                found[place:place] = found[other : other + draw.randint(1, 60)]
            case _:
                del found[place:]
    return bytes(found)


class Harmful:
    """Whoever unpickles it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def foreign(draw: random.Random, content: bytes, folder: Path) -> bytes:
    """Something else than a network: a pickle that does harm, noise, nesting, another encoding."""
    return draw.choice(
        [
            lambda: pickle.dumps(Harmful(folder / "harmed"), draw.randrange(6)),
            lambda: pickle.dumps([1.0], draw.randrange(6)),
            lambda: draw.randbytes(draw.randrange(300)),
            lambda: draw.choice([b"[", b'{"a":', b'{"format":[']) * draw.choice([10, 1000, 100_000]),
            lambda: content.decode().encode(draw.choice(["utf-16", "utf-32", "utf-8-sig"])),
            lambda: json.dumps(junk(draw)).encode(),
            lambda: draw.choice([b"NaN", b"-0", b"null", b'""', b"\x93NUMPY\x01\x00", b"PK\x03\x04"]),
            lambda: b"1" * draw.choice([10, 4301, 100_000]),
            lambda: b'{%s"a":1}' % b"".join(b'"%d":1,' % (k % 30_000) for k in range(30_001)),
        ]
    )()


@pytest.mark.parametrize(("kind", "number"), [("rewritten", 1500), ("damaged", 1500), ("foreign", 300)])
def test_a_file_is_a_network_or_a_value_error_that_names_it(tmp_path: Path, kind: str, number: int) -> None:
    """3,300 files: documents of JSON with parts missing, doubled or of another kind, files with
    damaged bytes, and what never was a network, pickles that would do harm among them."""
    draw, cases, path = random.Random(f"{kind} {SEED}"), Cases(), tmp_path / "network.json"
    whole = files(draw, tmp_path)
    make = {
        "rewritten": rewritten,
        "damaged": damaged,
        "foreign": lambda draw, content: foreign(draw, content, tmp_path),
    }[kind]

    def outcome() -> str:
        try:
            network, about = read(path, {"swish": swish})
        except ValueError as refusal:
            said = str(refusal)
            assert type(refusal) is ValueError and said.startswith(f"load: {path} ")
            assert len(said) < 1000 and said.encode()
            return "refused"
        assert all(type(p.data) is float and math.isfinite(p.data) for p in network.parameters())
        try:
            again = save(network, tmp_path / "again.json", about)
        except ValueError as refusal:  # of notes that no editor could hold
            assert str(refusal).startswith("save: `about` is an object of JSON")
            return "loaded"
        assert described(read(again, {"swish": swish})[0]) == described(network)
        return "loaded"

    for _ in range(number * TIMES):
        content = make(draw, draw.choice(whole))
        path.write_bytes(content)
        cases.run(outcome, content)
    assert not (tmp_path / "harmed").exists()
    assert cases.count["refused"] > 0.7 * number
    assert cases.count["loaded"] > 0.005 * number or kind == "foreign"


# Expressions.

WORDS = [
    *apart("w x b t u exp log sqrt sigmoid tanh relu softplus sin cos abs sum max min logsumexp pick"),
    *apart("( ) ( ) ( ) ( ) + - * / ** + - * / // % @ ^ , ; = = [ ] { } : := -> ! $ ? ` ~ & | << >> < > =="),
    *apart(
        "2 0.5 3 1e308 1e-320 1e999 0 -1 1_000 0x1F 1j . .. ... 0o8 0b2 1__0 1e 1if 07 'a' f'{x}' b'x' #c"
    ),
    *apart("lambda if else for in and or not is None True await yield import del match case type async _"),
    *apart('\\ __class__ *w **w x=1 é ß ﬁ 𝔵 x̂ ² ∞ \n \t \x00 \x0c \ud800 \u2028 \u00a0 \ufeff \\\n """'),
    *("9" * 400, "# "),
]
NESTED = [
    *(("(", ")"), ("-", ""), ("exp(", ")"), ("[", "]"), ("2**", ""), ("x+", ""), ("x-(", ")"), ("x*-", "")),
    *(("max(1,", ")"), ("{", "}"), ("not ", ""), ("lambda:", ""), ("f'{", "}'"), ("~", ""), ("x.", "")),
    *(("x[", "]"), ("a=", ""), ("x;", ""), ("x\n", ""), ("x if x else ", ""), ("await ", ""), ("x,", "")),
]


def words(draw: random.Random) -> str:
    most = draw.choice([6, 30])
    return draw.choice(["", " "]).join(draw.choices(WORDS, k=draw.randint(1, most)))


def grown(draw: random.Random, depth: int = 4) -> str:
    """What may stand as an expression, of numbers of every size."""
    kind = draw.randrange(5) if depth else 0
    if kind == 0:
        return draw.choice(["w", "x", "b", "t", "2", "0.5", "0", "-1", "1e308", "1e-320", "1e16"])
    inner = [grown(draw, depth - 1) for _ in range(3)]
    if kind == 1:
        return f"{draw.choice(WORDS[5:16])}({inner[0]})"
    if kind == 2:
        return f"{draw.choice(['sum', 'max', 'min', 'logsumexp'])}({', '.join(inner)})"
    return f"({inner[0]} {draw.choice(['+', '-', '*', '/', '**', '*'])} {inner[1]})"


def nested(draw: random.Random) -> str:
    """One thing within itself, about as deep as Python's parser goes, and deeper."""
    opening, closing = draw.choice(NESTED)
    depth = draw.choice([10, 50, 90, 99, 100, 101, 150, 190, 200, 201, 500, 1000, 3000])
    return opening * depth + "x" + closing * draw.choice([depth, depth, depth - 1, depth + 1])


def long(draw: random.Random) -> str:
    """About as long as an expression may be, or a number of very many digits."""
    n = draw.randint(900, 1100)
    return draw.choice(
        [
            "x" * (10_000 + n - 1000),
            "x+" * n + "x",
            "9" * (8 * n),
            "1e" + "9" * n,
            "0." + "0" * (8 * n) + "1*x",
            "é" * (9 * n),
            "x " * n,
            "\n" * (9 * n),
            "(\n" * n,
            "#" * 9_999 + "\nx",
            ";".join(f"a{k}=x" for k in range(n)),
        ]
    )


@pytest.mark.parametrize(
    ("kind", "number"), [("words", 5000), ("grown", 2000), ("nested", 300), ("long", 100)]
)
def test_an_expression_is_a_finite_value_or_an_expression_error(kind: str, number: int) -> None:
    """7,400 texts: words of Python's in any order, expressions of numbers of every size, depths and
    lengths at the limits."""
    draw, cases = random.Random(f"{kind} {SEED}"), Cases()
    make = {"words": words, "grown": grown, "nested": nested, "long": long}[kind]

    def outcome(text: str) -> str:
        try:
            names(text)
            value = parse(text, {"w": 0.5, "x": 2.0, "b": -1.0, "t": 1.0})
        except ExpressionError as error:
            assert 10 < len(str(error)) < 1000 and str(error).encode()
            return "refused"
        assert math.isfinite(value.data)
        return "read"

    for _ in range(number * TIMES):
        text = make(draw)
        cases.run(lambda text=text: outcome(text), text)
    assert cases.count["read"] > 0.01 * number and cases.count["refused"] > 0.3 * number


@pytest.mark.parametrize(("kind", "number"), [("words", 250), ("nested", 50)])
def test_the_command_line_draws_an_expression_or_says_in_a_few_lines_why_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, number: int
) -> None:
    """300 expressions through `microbp draw`, with values and options that do not always fit."""
    draw, cases = random.Random(f"command {kind} {SEED}"), Cases()
    make = {"words": words, "nested": nested}[kind]

    def outcome(arguments: list[str]) -> str:
        try:
            code = main(["draw", *arguments, "-o", str(tmp_path / "graph.dot")])
        except SystemExit as refusal:  # of argparse
            code = int(refusal.code or 0)
        output, errors = capsys.readouterr()
        assert "Traceback" not in output + errors and "error: " in errors + "error: "
        if code == 0:
            assert "The picture is in" in output
            return "drawn"
        assert code in (1, 2) and errors.strip()
        return "refused"

    for _ in range(number * TIMES):
        values = ["w=0.5", "x=2", "b=-1", "t=1"][: draw.randint(0, 4)]
        text = make(draw)
        expression = text if draw.random() < 0.9 else "w*x"
        arguments = [expression, *values, *draw.choice([[], [], [words(draw)], ["--view", "units"]])]
        cases.run(lambda arguments=arguments: outcome(arguments), arguments)
    assert cases.count["refused"] > 0.5 * number


# Labels.


def random_graph(draw: random.Random) -> Value:
    """A few operations of every kind on numbers of every class, most nodes labelled."""
    limits = [0.0, -0.0, 1.0, -2.5, 1e308, -5e-324, math.inf, -math.inf, math.nan]
    nodes = [
        Value(draw.choice([draw.choice(limits), draw.uniform(-3, 3)]), text(draw))
        for _ in range(draw.randint(1, 4))
    ]
    for _ in range(draw.randint(1, 8)):
        a, b, c = draw.choices(nodes, k=3)
        try:
            node = draw.choice(
                [
                    lambda a, b, c: a * b + c,
                    lambda a, b, c: microbp.weighted_sum([a, b], [b, c], a).sigmoid(),
                    lambda a, b, c: microbp.weighted_sum([a], [b]),
                    lambda a, b, c: microbp.max(a, b, c) - 2,
                    lambda a, b, c: 3 / (b * b + 1) + (-1.5),
                    lambda a, b, c: microbp.pick([a, b], 1).tanh(),
                    lambda a, b, c: microbp.logsumexp([a, b]) ** 2,
                    lambda a, b, c: a.relu() + (a * a + 1) ** b.sin(),
                    lambda a, b, c: microbp.cross_entropy([a, b], 0),
                    lambda a, b, c: microbp.squared_error([a, b], [1, 0]),
                ]
            )(a, b, c)
        except (ArithmeticError, ValueError):
            continue
        if draw.random() < 0.7:
            node.label = text(draw)
        nodes.append(node)
    return nodes[-1]


def check_svg(svg: str) -> None:
    """It is XML of the elements that a picture has, and nothing in it is followed or run."""
    svg.encode()
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()}
    assert tags <= {
        "svg",
        "g",
        "title",
        "desc",
        "rect",
        "path",
        "polygon",
        "ellipse",
        "text",
        "line",
        "style",
    }


def check_page(html: str) -> None:
    """One script, ours, that has all of the data, and no element that a label could have brought."""
    html.encode()
    parts = Parts(html)
    found = Counter(tag for tag, _ in parts.found)
    assert found["script"] == 1 and not {"blink", "img"} & found.keys()
    data = re.search(r"const DATA = (.*);\n", parts.texts["script"])
    assert data and json.loads(data[1])["nodes"] and not {*"<>&"} & {*data[1]}


def check_lines(report: str, count: int) -> None:
    """A text has the lines it is made of, and no label adds one."""
    assert len(report.split("\n")) == len(report.splitlines()) == count


def check_markdown(markdown: str) -> None:
    """Formulas between dollars, and no element of HTML."""
    assert markdown.count("$$") % 2 == 0
    assert not re.search(r"<[a-zA-Z/!]", markdown)


def lines_of_tree(output: Value) -> int:
    return 1 + sum(len(node.inputs) for node in computed(output))


def lines_of_paths(found: Any) -> int:
    return 1 + len(found) + (found.count > len(found))


READERS: dict[str, Callable[[Value, Value], Any]] = {
    "repr": lambda v, x: check_lines(repr(v), 1),
    "name": lambda v, x: name_of(v),
    "tree": lambda v, x: check_lines(microbp.tree(v), lines_of_tree(v)),
    "steps": lambda v, x: check_lines(str(microbp.steps(v)), len(microbp.steps(v)) + 2),
    "paths": lambda v, x: check_lines(str(microbp.paths(v, x)), lines_of_paths(microbp.paths(v, x))),
    "explain": lambda v, x: str(explain(x, of=v)),
    "markdown": lambda v, x: check_markdown(explain(x, of=v)._repr_markdown_()),
    "deltas": lambda v, x: str(microbp.deltas(v)) + microbp.deltas(v)._repr_html_(),
    "diagnose": lambda v, x: str(microbp.diagnose(v)),
    "values": lambda v, x: check_svg(graph(v, "values", engine="builtin").svg),
    "units": lambda v, x: check_svg(graph(v, "units", engine="builtin").svg),
    "explore": lambda v, x: check_page(explore(v).html),
    "program": lambda v, x: str(microbp.compile(v, inputs=[x])),
    "source": lambda v, x: compile(microbp.compile(v, inputs=[x]).source, "source", "exec"),
    "scalar source": lambda v, x: compile(microbp.compile(v, inputs=[x]).scalar_source, "source", "exec"),
}


@pytest.mark.parametrize("name", READERS)
def test_a_label_is_text_to_every_reader(name: str) -> None:
    """1,500 graphs with labels of markup, of signs, of what is not seen, and of any other characters,
    100 for each of 15 readers."""
    draw, cases = random.Random(f"{name} {SEED}"), Cases()

    def outcome(output: Value) -> str:
        try:
            READERS[name](output, draw.choice(leaves(output)))
        except ValueError as refusal:
            assert re.search("there is no unit|has no units", str(refusal)), refusal
            return "no units"
        return "read"

    for _ in range(100 * TIMES):
        output = random_graph(draw)
        if output.inputs:
            if draw.random() < 0.5:
                output.backward()
            cases.run(lambda output=output: outcome(output), [node.label for node in topological(output)])
    assert cases.count["read"] > 10


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
def test_a_label_is_text_to_graphviz() -> None:
    """100 such graphs as DOT, from which Graphviz makes JSON; Graphviz reads all of them in one go."""
    draw, sources = random.Random(f"dot {SEED}"), []
    for _ in range(100 * TIMES):
        output = random_graph(draw)
        sources.append(graph(output, "values").source)
    done = subprocess.run(
        ["dot", "-Tjson"], input="\n".join(sources).encode(), capture_output=True, check=True
    )
    decoder, rest, drawn = json.JSONDecoder(strict=False), done.stdout.decode().lstrip(), 0
    while rest:
        picture, end = decoder.raw_decode(rest)
        assert picture["name"] == "microbp"
        rest, drawn = rest[end:].lstrip(), drawn + 1
    assert drawn == len(sources)
    assert b"yntax error" not in done.stderr
