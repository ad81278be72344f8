"""Every place in microbp where an error is raised, and whether an error came from there."""

import ast
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import microbp

PACKAGE = Path(microbp.__file__).parent


class Site(NamedTuple):
    """A raise statement; one that raises again what it caught knows where that was tried, and its kinds."""

    file: str
    lines: range
    statement: str
    tried: range
    kinds: str

    def __str__(self) -> str:
        return f"microbp/{self.file}:{self.lines[0]}: {self.statement}"


@cache
def sites() -> list[Site]:
    """All raise statements of the package, but for those that stand for a method of each subclass."""
    return [site for path in sorted(PACKAGE.rglob("*.py")) for site in _sites_of(path)]


def _sites_of(path: Path) -> Iterator[Site]:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    handlers = {
        raised: (attempt, handler)
        for attempt in ast.walk(tree)
        if isinstance(attempt, ast.Try)
        for handler in attempt.handlers
        for raised in ast.walk(handler)
        if isinstance(raised, ast.Raise) and raised.exc is None
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and ast.unparse(node) != "raise NotImplementedError":
            tried, kinds = range(0), ""
            if node in handlers:
                attempt, handler = handlers[node]
                tried = range(attempt.body[0].lineno, attempt.body[-1].end_lineno + 1)
                kinds = ast.unparse(handler.type)
            statement = ast.unparse(node)
            lines = range(node.lineno, node.end_lineno + 1)
            yield Site(path.relative_to(PACKAGE).as_posix(), lines, statement, tried, kinds)


def reached(error: BaseException, all_sites: dict[str, list[Site]]) -> Iterator[Site]:
    """The sites that an error came from, or by: where it was raised, and where it was raised again."""
    steps = list(_steps(error.__traceback__))
    for before, step in pairwise([None, *steps]):
        for site in all_sites.get(_file_of(step), []):
            if step is steps[-1] and step.tb_lineno in site.lines:
                yield site
            if before and step.tb_lineno in site.tried and _caught(error, site, step):
                yield site  # as it was caught here and went on


def _steps(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _file_of(step: TracebackType) -> str:
    path = Path(step.tb_frame.f_code.co_filename)
    return path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else ""


def _caught(error: BaseException, site: Site, step: TracebackType) -> bool:
    return isinstance(error, eval(site.kinds, step.tb_frame.f_globals))
