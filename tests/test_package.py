"""The package as a whole: its public names, what importing it costs, what the README says of it."""

import configparser
import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import microbp

ROOT = Path(__file__).parent.parent


def test_importing_microbp_is_light():
    heavy = ("numpy", "graphviz", "tqdm", "microbp.nn", "microbp.training", "microbp.show.picture")
    code = f"import sys, microbp; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_public_name_is_importable_and_listed():
    for name in microbp.__all__:
        assert getattr(microbp, name) is not None
        assert name in dir(microbp)
    for name in ("abs", "max", "min", "sum"):
        assert callable(getattr(microbp, name))
        assert name not in microbp.__all__, "a star import must not hide Python's own"
    with pytest.raises(AttributeError, match="module 'microbp' has no attribute 'nonsense'"):
        microbp.nonsense  # noqa: B018


def modules():
    found = pkgutil.walk_packages(microbp.__path__, "microbp.")
    return [importlib.import_module(module.name) for module in found if module.name != "microbp.__main__"]


def test_no_module_bears_the_name_of_a_public_function():
    names = {module.__name__.rpartition(".")[2] for module in modules()}
    assert names.isdisjoint(microbp.__all__)


@pytest.mark.parametrize("name", sorted(microbp.__all__))
def test_every_public_function_and_class_has_a_docstring_with_a_doctest(name):
    thing = getattr(microbp, name)
    if name == "RULES":
        return
    assert inspect.getdoc(thing)
    if name != "History":
        assert doctest.DocTestParser().get_examples(thing.__doc__)


def test_arrows_point_one_way():
    """rules <- value <- operators, functions, traversal <- everything else; nothing looks up."""
    order = [
        "arguments",
        "structures",
        "kinds",
        "rules",
        "value",
        "operators",
        "functions",
        "grammar",
        "measurement",
        "operations",
        "traversal",
        "differentiation",
        "transforms",
        "finite",
        "nn",
        "losses",
        "optim",
        "history",
        "engines",
        "training",
    ]
    for number, name in enumerate(order):
        text = (ROOT / "microbp" / f"{name}.py").read_text(encoding="utf-8")
        imported = re.findall(r"^from microbp(?:\.(\w+))? import (.+)$", text, re.M)
        for module, names in imported:
            for source in [module] if module else names.split(", "):
                assert order.index(source) < number, f"{name} imports {source}"
    for folder, above in [
        ("exact", "checking|compiler|engines|losses|nn|optim|show|training"),
        ("checking", "compiler|engines|losses|nn|optim|show|training"),
        ("compiler", "checking|engines|show|training"),
        ("show", "checking|compiler|losses|optim|training"),
    ]:
        for path in (ROOT / "microbp" / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(rf"microbp\.({above})", text), path


def test_the_version_is_stated_once():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["metadata"]["version"] == "attr: microbp.__version__"


def test_the_readmes_table_of_operations_is_the_table():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| .*? \| `(.+?)` \| (.+?) \|$", text, re.M)
    table = {name: (forward, re.findall("`(.+?)`", partials)) for name, forward, partials in rows}
    expected = {
        rule.name: (rule.forward, [partial for partial in rule.partials if partial])
        for rule in microbp.RULES.values()
        if rule.name not in ("step", "sign", "equal")
    }
    assert table == expected


def test_the_readmes_links_and_pictures_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    pictures = re.findall(r'<img src="([^"]+)"', text)
    assert links and pictures
    links += pictures
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_lists_every_example_with_a_line_and_a_picture_of_its_own():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    row = r'^\| <img src="examples/pictures/(\d\d)-.*> \| \[(\d\d) .*\]\(examples/(.+?)\) \| (.+) \|$'
    rows = re.findall(row, text, re.M)
    assert [name for *_, name, _ in rows] == [
        path.name for path in sorted((ROOT / "examples").glob("[0-9]*.py"))
    ]
    for picture, number, name, line in rows:
        assert picture == number == name[:2] and line
