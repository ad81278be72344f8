"""How a written program comes by the elementary functions that rows of your own bring."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from microbp.rules import Rule, many


def functions_of(rules: Iterable[Rule | None]) -> dict[str, Rule]:
    """The rows of all the new functions that rows call, by name.

    Raises ValueError where two are of one name, as a redefined one and its successor.
    """
    found: dict[str, Rule] = {}
    for rule in dict.fromkeys(rules):
        for name, each in rule.own_functions.items() if rule else []:
            if found.setdefault(name, each).functions != each.functions:
                raise ValueError(
                    f"the graph has two functions called {name!r}, as it was defined anew in between; "
                    "a program's text needs a name for each: record the graph again"
                )
    return found


def for_floats(name: str, rule: Rule) -> str:
    """The line or the definition that makes a function for floats known; '' where `math` has it."""
    home, called = _home(rule.functions["floats"])
    if not home:
        return _to_be_supplied(name, rule, "numbers")
    return "" if (home, called) == ("math", name) else _import(home, called, name)


def for_arrays(name: str, rule: Rule) -> str:
    """The lines or the definition that make a function for arrays known."""
    home, called = _home(rule.functions.get("arrays"))
    if home:
        return _import(home, called, name)
    home, called = _home(rule.functions["floats"])
    if home and "arrays" not in rule.functions and not any(map(many, rule.parameters)):
        return f"import {home}\n\n{name} = np.vectorize({home}.{called}, otypes=[float])"
    return _to_be_supplied(name, rule, "arrays")


def _import(home: str, called: str, name: str) -> str:
    return f"from {home} import {called}" + ("" if called == name else f" as {name}")


def _to_be_supplied(name: str, rule: Rule, kind: str) -> str:
    what = f"{name} is a function of your own: write here what it is for {kind}"
    return f'def {name}({", ".join(rule.parameters)}):\n    raise NotImplementedError("{what}")\n'


def _home(function: Any) -> tuple[str, str]:
    """The module that a program can import a function from, and its name there; '' if there is none."""
    called = getattr(function, "__name__", "")
    homes = [
        name
        for name, module in list(sys.modules.items())
        if called
        and not any(part.startswith("_") for part in name.split("."))
        and getattr(module, "__dict__", {}).get(called) is function
    ]
    return (min(homes, key=lambda name: (name.count("."), name)), called) if homes else ("", "")
