"""Errors worth reading: all that microbp answers when something is done wrong, kept in errors.txt.

What is done wrong is in tests/errors/, a module for each room; an entry there is a few words and a
function.  After a message was changed on purpose, or an entry added, run

    python tests/test_errors.py --write

which writes errors.txt anew, and read what `git diff tests/errors.txt` shows, aloud.  Nothing else
writes it.
"""

import difflib
import re
import sys
from collections import Counter, defaultdict

import pytest
from errors import catalogue
from errors.answers import all_errors
from errors.sites import PACKAGE, reached, sites

from microbp.rules import BUILT_IN, RULES

# Raise statements whose error no caller of microbp meets, and why.
UNMET = {
    ("optim.py", "some of the parameters were never changed before"): "the step is then taken Value by Value",
    ("show/formula.py", "raise _Unnamed"): "the picture then goes without a formula",
    ("checking/pieces.py", "raise Undecided"): "what cannot be proved is then compared at points",
    ("checking/pieces.py", "math domain error"): "a piece outside of the domain is passed over",
    ("compiler/kernels.py", "NotImplementedError"): "rows are checked when they are added to the table",
    ("engines.py", "raise"): "Ctrl-C, which ends a training without an error",
    ("__main__.py", "raise"): "who reads the output, as `head` does, has read enough",
}
HINT = "review the change, and if it is meant, run `python tests/test_errors.py --write`"


def answers_that_say(pattern: str) -> list[str]:
    return [f"{e.done}: {e.answer.text}" for e in catalogue.told() if re.search(pattern, e.answer.text)]


def test_every_answer_is_the_one_that_is_kept() -> None:
    kept = catalogue.KEPT.read_text(encoding="utf-8") if catalogue.KEPT.exists() else ""
    now = catalogue.written()
    changes = "\n".join(difflib.unified_diff(kept.splitlines(), now.splitlines(), "kept", "now", lineterm=""))
    assert now == kept, f"{HINT}\n\n{changes}"


def test_every_room_is_in_the_catalogue() -> None:
    modules = {path.stem for path in catalogue.KEPT.parent.glob("errors/*.py")}
    assert modules - {"__init__", "answers", "catalogue", "sites"} == set(catalogue.ROOMS)


def test_every_entry_does_something_wrong() -> None:
    assert [entry.done for entry in catalogue.told() if entry.answer.error is None] == []


def test_every_entry_of_a_room_has_words_of_its_own() -> None:
    times = Counter((entry.room, entry.done) for entry in catalogue.told())
    assert [entry for entry, count in times.items() if count > 1] == []


def test_every_error_that_microbp_can_raise_is_in_the_catalogue() -> None:
    by_file = defaultdict(list)
    for site in sites():
        by_file[site.file].append(site)
    errors = [error for entry in catalogue.told() for error in all_errors(entry.answer.error)]
    met = {site for error in errors for site in reached(error, by_file)}
    unmet = [site for site in sites() if site not in met]
    excused = [site for site in unmet if _excused(site)]
    assert len(excused) == len(UNMET), "an excuse in UNMET is no longer needed"
    missing = "\n".join(str(site) for site in unmet if site not in excused)
    assert not missing, f"add an entry to tests/errors/ for\n{missing}"


def _excused(site) -> bool:
    return any(
        site.file == file and (words == site.statement or (words != "raise" and words in site.statement))
        for file, words in UNMET
    )


LIMITED = [rule for rule in RULES.values() if rule.domain and rule.name in BUILT_IN]


@pytest.mark.parametrize("rule", LIMITED, ids=[rule.name for rule in LIMITED])
def test_every_operation_that_is_not_for_all_numbers_says_what_it_needs(rule) -> None:
    assert answers_that_say(rf"\b{rule.name} of .*: it needs {re.escape(rule.domain)}")


@pytest.mark.parametrize("name", ["exp", "power", "exponentiation"])
def test_every_operation_that_can_leave_the_floats_says_so(name) -> None:
    assert answers_that_say(rf"\b{name} of .*: the result is too large for a float")


# What a message of ours must not be.


def test_no_answer_differs_from_run_to_run_or_from_machine_to_machine() -> None:
    assert answers_that_say(r"0x[0-9a-f]{4}|\bat 0x") == [], "an address in memory"
    assert answers_that_say(re.escape(str(PACKAGE.parent)) + r"|/tmp/|\\\\") == [], "a path"
    assert answers_that_say(r"-?\d\.\d{11,}") == [], "a number with more digits than anyone reads"


def test_every_answer_counts_as_one_does() -> None:
    assert answers_that_say(r"(?<![\d.,-])1 (?!has\b|is\b|differs\b)[a-z]+s\b") == []
    assert answers_that_say(r"\w\(s\)") == []


def test_no_answer_speaks_of_what_is_ours_alone() -> None:
    assert answers_that_say(r"NoneType|<class|\b_[a-z]|\bTraced\b|<function|object at") == []


def test_no_answer_is_an_internal_error() -> None:
    """What Python says of a mistake of ours, or where it says in its words what we should have."""
    internal = (
        r"has no attribute '(?!Tensor)|object is not (callable|iterable|subscriptable)|unhashable|"
        r"index out of range|positional argument|unexpected keyword|has no len\(\)|not supported between|"
        r"invalid literal|could not convert|truth value of an array"
    )
    assert answers_that_say(internal) == []


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    catalogue.KEPT.write_text(catalogue.written(), encoding="utf-8")
    print(f"{len(catalogue.told())} answers are in {catalogue.KEPT}")
