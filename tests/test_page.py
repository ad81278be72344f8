"""The frame of every page: what it may do, what it carries, where it goes."""

import json
import re
from html.parser import HTMLParser

import pytest

from microbp.show.page import Page, as_script, page


class Parts(HTMLParser):
    """The elements of a page with their attributes, and the text within each."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self.inside = tag

    def handle_data(self, data):
        self.texts[self.inside] = self.texts.get(self.inside, "") + data


HOSTILE = '</script><img src=x onerror="alert(1)"><!-- \u2028 & \' " ]]>'


def test_data_reach_the_script_whole_and_cannot_end_it():
    data = {
        "label": HOSTILE,
        "list": [1, 2.5, None, True],
        "limits": [float("nan"), float("inf"), -float("inf")],
    }
    made = page("a page", "<main></main>", "run();", "main { color: red }", data)
    parts = Parts(made.html)
    assert [tag for tag, _ in parts.found].count("script") == 1
    assert "img" not in [tag for tag, _ in parts.found]
    text = re.search(r"const DATA = (.*);\n", parts.texts["script"])[1]
    assert json.loads(text) == {
        "label": HOSTILE,
        "list": [1, 2.5, None, True],
        "limits": ["NaN", "Infinity", "-Infinity"],
    }
    assert text.isascii()


def test_a_title_is_text():
    parts = Parts(page(HOSTILE, "", "", "", None).html)
    assert parts.texts["title"].strip() == HOSTILE
    assert "img" not in [tag for tag, _ in parts.found]


def test_a_page_may_fetch_nothing():
    parts = Parts(page("t", "", "", "", None).html)
    [policy] = [a["content"] for tag, a in parts.found if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert not [a for _, a in parts.found if a.get("src") or a.get("href")]


def test_a_notebook_shows_it_in_a_sandbox():
    made = page("t", "<p>hello</p>", "", "", HOSTILE)
    bundle = made._repr_mimebundle_()
    [(tag, attributes)] = Parts(bundle["text/html"]).found
    assert tag == "iframe" and attributes["sandbox"] == "allow-scripts" and attributes["srcdoc"] == made.html
    assert "see it in a notebook" in bundle["text/plain"]
    assert list(made._repr_mimebundle_(include=["text/plain"])) == ["text/plain"]
    assert list(made._repr_mimebundle_(exclude=["text/plain"])) == ["text/html"]


def test_saving(tmp_path):
    made = page("t", "<p>é</p>", "", "", None)
    path = made.save(tmp_path / "page.html")
    assert path.read_text(encoding="utf-8") == made.html
    with pytest.raises(
        ValueError, match=r"save: the name of a page must end in \.html, not as in 'page\.svg'"
    ):
        made.save(tmp_path / "page.svg")
    with pytest.raises(FileNotFoundError):
        made.save(tmp_path / "nowhere" / "page.html")


def test_showing_opens_a_file_in_the_browser(monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    path = Page("<!DOCTYPE html>", "t").show()
    assert (
        opened == [path.as_uri()] and path.read_text() == "<!DOCTYPE html>" and capsys.readouterr().out == ""
    )
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    path = Page("<!DOCTYPE html>", "t").show()
    assert capsys.readouterr().out == f"No browser was found; open {path} in one.\n"


def test_numbers_are_exact():
    assert json.loads(as_script([0.1, 1 / 3, 5e-324])) == [0.1, 1 / 3, 5e-324]
