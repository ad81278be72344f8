"""The mutation check: does the suite fail for every wrong table?

    python -m tests.mutations [test files]

Run by hand, from the project's folder; it takes some minutes.  For every partial of the table, and
for every way to make it wrong (its sign, a factor, an addend, an operand for another, nothing), a copy
of the package is made in which that one partial is wrong, and tests are run on the copy until one
fails.  The same is done with the elementary functions that slopes at kinks are made of.  A line for
each says which test failed, and the last one how many of how many altered tables fail the suite.

An alteration that changes no slope anywhere, such as step(z) for step(x) in relu, is found by comparing
slopes at many points, kinks among them; it is listed as equal and not counted.
"""

import ast
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from microbp.rules import RULES, Rule
from tests.test_rules import EDGES, samples

ROOT = Path(__file__).parent.parent
PROMISES = "tests/test_promises.py::"
TESTS = [
    "tests/test_rules.py",
    "tests/test_functions.py",
    "tests/test_differentiation.py",
    "tests/test_properties.py",
    f"{PROMISES}test_step_sign_and_equal_are_what_their_names_say_for_numbers_of_every_class",
    f"{PROMISES}test_there_is_one_convention_at_kinks",
    f"{PROMISES}test_values_and_slopes_are_the_mathematics_for_numbers_of_every_class",
]


class Alteration(NamedTuple):
    """A change of one file of the package: a text, which occurs once, and what stands in its place."""

    title: str
    path: str
    old: str
    new: str


# Wrong partials.


def wrong_partials(rule: Rule) -> Iterator[tuple[int, str]]:
    """Every way to make one partial of a row wrong: its place, and the text that replaces it."""
    for place, partial in enumerate(rule.partials):
        if partial is None:
            continue
        wrong = [
            f"-({partial})",
            f"2 * ({partial})",
            f"({partial}) * (1 + 1 / 1000000)",
            f"({partial}) + 1",
            f"({partial}) + 1 / 1000000",
            "0",
            partial.replace("[i]", "[~i]"),  # another member's
            *exchanged(rule, place, partial),
        ]
        for text in dict.fromkeys(wrong):
            if text != partial:
                yield place, text


def exchanged(rule: Rule, place: int, partial: str) -> Iterator[str]:
    """The partial with one of its operands, or the result, or a member's place, exchanged for another."""
    along_members = rule.parameters[place].endswith("s")
    letters = [name for name in rule.parameters if not name.endswith("s")]
    letters += [name[:-1] for name in rule.parameters if name.endswith("s") and along_members]
    letters.append("z")
    parts = list(ast.walk(ast.parse(partial)))
    places = {id(node.slice) for node in parts if isinstance(node, ast.Subscript)}
    parts = [node for node in parts if isinstance(node, ast.Name)]
    for number, name in enumerate(parts):
        for other in letters if name.id in (*letters, "i") and id(name) not in places else []:
            tree = deepcopy(ast.parse(partial))
            [node for node in ast.walk(tree) if isinstance(node, ast.Name)][number].id = other
            yield ast.unparse(tree)


def is_equal(rule: Rule, altered: Rule) -> bool:
    """Whether two rows have the same slopes at every point that is tried."""
    return all(alike(slopes(rule, point), slopes(altered, point)) for point in points(rule))


def points(rule: Rule) -> list[tuple[float, ...]]:
    """The samples of the row's domain, random points, and points at and beside kinks."""
    found = samples(rule)
    draw = random.Random(1)
    for length in {len(point) for point in samples(rule)}:
        found += [tuple(draw.uniform(0.1, 3.0) for _ in range(length)) for _ in range(5)]
        found += [(x,) * length for x in EDGES]
        found += [(x, *(1.0,) * (length - 1)) for x in EDGES]
    if rule.partials[-1] is None and rule.name != "power":  # an index
        found = [(*point[:-1], float(k)) for point in found for k in range(len(point) - 1)]
    return found


def slopes(rule: Rule, point: tuple[float, ...]) -> tuple[float, ...] | None:
    try:
        return rule.evaluate(point)[1]
    except (ArithmeticError, ValueError):
        return None


def alike(first: tuple[float, ...] | None, second: tuple[float, ...] | None) -> bool:
    if first is None or second is None:
        return first is second
    return all(math.isclose(a, b, rel_tol=1e-12) or (a != a and b != b) for a, b in zip(first, second))


def altered_tables() -> tuple[list[Alteration], list[str]]:
    """The alterations that change a slope, and the titles of those that do not."""
    found, equal = [], []
    end = (ROOT / "microbp" / "rules.py").read_text(encoding="utf-8").splitlines(keepends=True)[-1]
    for rule in RULES.values():
        for place, text in wrong_partials(rule):
            title = f"{rule.name}: {text} for {rule.partials[place]} along {rule.parameters[place]}"
            partials = (*rule.partials[:place], text, *rule.partials[place + 1 :])
            if is_equal(rule, replace(rule, partials=partials)):
                equal.append(title)
                continue
            row = f'\n\nRULES["{rule.name}"] = replace(RULES["{rule.name}"], partials={partials})\n'
            found.append(Alteration(title, "rules.py", end, end + row))
    return found, equal


# Wrong elementary functions: what the slopes at kinks, zeros and ties are made of.

# fmt: off
WRONG_FUNCTIONS = [Alteration(f"{path}: {new} for {old}", path, old, new) for path, old, new in [
    ("rules.py", "return x if x != x else float(x > 0.0)", "return x if x != x else float(x >= 0.0)"),
    ("rules.py", "return x if x != x else float(x > 0.0)", "return x if x != x else float(x < 0.0)"),
    ("rules.py", "return x if x != x else float(x > 0.0)", "return float(x > 0.0)"),
    ("rules.py", "float((x > 0.0) - (x < 0.0))", "float((x >= 0.0) - (x < 0.0))"),
    ("rules.py", "float((x > 0.0) - (x < 0.0))", "float((x > 0.0) - (x <= 0.0))"),
    ("rules.py", "float((x > 0.0) - (x < 0.0))", "float((x < 0.0) - (x > 0.0))"),
    ("rules.py", "float((x > 0.0) - (x < 0.0))", "float(x > 0.0)"),
    ("rules.py", "float(sum(x == z for x in xs))", "1.0"),
    ("rules.py", "float(sum(x == z for x in xs))", "float(len(xs))"),
    ("rules.py", "float(sum(x == z for x in xs))", "float(sum(x >= z for x in xs))"),
    ("rules.py", "float(sum(x == z for x in xs))", "float(sum(x <= z for x in xs))"),
    ("rules.py", "float(sum(x == z for x in xs))", "float(sum(x == z for x in xs) + 1)"),
    ("rules.py", "    return float(x == y)", "    return float(x != y)"),
    ("rules.py", "    return float(x == y)", "    return float(x >= y)"),
    ("rules.py", "    return float(x == y)", "    return float(abs(x - y) < 1e-3)"),
    ("rules.py", "return xs[int(n)]", "return xs[-1 - int(n)]"),
    ("rules.py", "np.heaviside(x, 0.0)", "np.heaviside(x, 1.0)"),
    ("rules.py", "np.heaviside(x, 0.0)", "np.heaviside(x, 0.5)"),
    ("rules.py", '"sign": np.sign', '"sign": lambda x: np.where(x >= 0, 1.0, -1.0)'),
    ("rules.py", "np.equal(x, y) * 1.0", "np.not_equal(x, y) * 1.0"),
    ("rules.py", "total([equal(x, z) for x in xs])", "len(xs) * 1.0"),
    ("rules.py", "np.sqrt(x) + 0.0", "np.sqrt(x)"),
    ("rules.py", "np.float64(z + 0.0)", "np.float64(z)"),
    ("functions.py", 'return apply(RULES["step"], [as_value(x, "step")])',
                     'return apply(RULES["sign"], [as_value(x, "step")])'),
    ("functions.py", 'return apply(RULES["sign"], [as_value(x, "sign")])',
                     'return apply(RULES["step"], [as_value(x, "sign")])'),
    ("functions.py", "return sum([equal(x, z) for x in xs])", "return sum([equal(x, x) for x in xs])"),
    ("functions.py", "1 if n == 0 else x if n == 1 else", "x if n == 1 else"),
    ("functions.py", "1 if n == 0 else x if n == 1 else", "1 if n == 0 else 1 if n == 1 else"),
    ("functions.py", "1 if n == 0 else x if n == 1 else", "x if n == 0 else x if n == 1 else"),
]]
# fmt: on


# Running the tests on altered copies.


def first_failure(home: Path, tests: list[str]) -> str | None:
    """The first test that fails on the package in a folder; None where all pass."""
    environment = {**os.environ, "PYTHONPATH": str(home)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], cwd=home, env=environment, capture_output=True, text=True
        )

    imported = run("-c", "import importlib.util; print(importlib.util.find_spec('microbp').origin)").stdout
    assert Path(imported.strip()) == home / "microbp" / "__init__.py", f"{imported} is not the copy"
    for which in "not hypothesis", "hypothesis":  # the quick ones first
        done = run("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", which, *tests)
        if done.returncode not in (0, 5):  # 5: no such tests
            failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
            return failed[0].split(" - ")[0] if failed else (done.stdout + done.stderr)[-200:]
    return None


def copy_of_package(home: Path) -> None:
    for folder in "microbp", "tests":
        shutil.copytree(ROOT / folder, home / folder)
    shutil.copy(ROOT / "setup.cfg", home)


def first_failure_of(alteration: Alteration, package: Path, tests: list[str]) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        shutil.copytree(package, home, dirs_exist_ok=True)
        path = home / "microbp" / alteration.path
        text = path.read_text(encoding="utf-8")
        assert text.count(alteration.old) == 1, (
            f"{alteration.old!r} is there {text.count(alteration.old)} times"
        )
        path.write_text(text.replace(alteration.old, alteration.new), encoding="utf-8")
        return first_failure(home, tests)


def main(tests: list[str]) -> int:
    start = time.monotonic()
    altered, equal = altered_tables()
    altered += WRONG_FUNCTIONS
    for title in equal:
        print(f"equal   {title}")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        package = Path(folder).resolve()  # one copy of all, so that nobody's work changes it meanwhile
        copy_of_package(package)
        failure = first_failure(package, tests)
        if failure:
            print(f"the unaltered package fails too: {failure}")
            return 1
        n_failed = 0
        failures = pool.map(lambda alteration: first_failure_of(alteration, package, tests), altered)
        for alteration, failure in zip(altered, failures):
            n_failed += failure is not None
            print(f"{'fails' if failure else 'PASSES'}   {alteration.title}   {failure or ''}", flush=True)
    minutes = (time.monotonic() - start) / 60
    print(f"{n_failed} of {len(altered)} altered tables fail the suite, in {minutes:.0f} minutes", end="; ")
    print(f"{len(equal)} alterations are equal and not counted")
    return int(n_failed < len(altered))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or TESTS))
