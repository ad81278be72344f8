"""One offline HTML page: put together, saved, opened in a browser, shown in a notebook."""

from __future__ import annotations

import html
import json
import os
import webbrowser
from collections.abc import Collection
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from microbp.storage import as_path, check_writable, write_whole

# Nothing is fetched and nothing is sent: the page may only run and show what it carries itself.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


class Page:
    """An HTML page that needs nothing but a browser.

    A notebook shows it in a frame of `height` pixels that has no access to the notebook.

    >>> Page("<!DOCTYPE html><title>a page</title>", "a page")
    <Page 'a page'; see it in a notebook, with .show(), or with .save('page.html')>
    """

    def __init__(self, html: str, title: str, height: int = 720) -> None:
        self.html = html
        self.title = title
        self.height = height

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file whose name ends in .html; return its path.

        Raises ValueError for another ending, FileNotFoundError for a folder that does not exist.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Page("<!DOCTYPE html>", "empty").save(f"{folder}/page.html").name
        'page.html'
        """
        path = as_path(path, "save")
        if path.suffix.lower() != ".html":
            raise ValueError(f"save: the name of a page must end in .html, not as in {path.name!r}")
        check_writable(path, "save")
        return write_whole(path, self.html.encode(), "save")

    def show(self) -> Path:
        """Open the page in the browser, from a file in a new temporary folder; return the file's path."""
        path = self.save(Path(mkdtemp(prefix="microbp-")) / "page.html")
        if not webbrowser.open(path.as_uri()):
            print(f"No browser was found; open {path} in one.")
        return path

    def __repr__(self) -> str:
        return f"<Page {self.title!r}; see it in a notebook, with .show(), or with .save('page.html')>"

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        frame = (
            f'<iframe sandbox="allow-scripts" srcdoc="{html.escape(self.html)}" width="100%" '
            f'height="{self.height}" title="{html.escape(self.title)}" style="border: 0"></iframe>'
        )
        bundle = {"text/plain": repr(self), "text/html": frame}
        return {
            kind: data
            for kind, data in bundle.items()
            if (not include or kind in include) and not (exclude and kind in exclude)
        }


def page(title: str, body: str, script: str, style: str, data: Any, height: int = 720) -> Page:
    """A page of `body`, whose `script` finds `data` as the constant DATA.

    `title` may be any text; `body`, `script` and `style` are ours.
    """
    text = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{html.escape(title)}</title>
<style>
{asset("page.css")}
{style}
</style>
</head>
<body>
{body}
<script>
"use strict";
const DATA = {as_script(data)};
{asset("page.js")}
{script}
</script>
</body>
</html>
"""
    return Page(text, title, height)


def as_script(data: Any) -> str:
    """Data as JavaScript that no text in it can end.  Infinities and NaN are written as strings."""
    text = json.dumps(_finite(data), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(entry) for key, entry in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(entry) for entry in data]
    if isinstance(data, float) and data - data != 0.0:
        return "NaN" if data != data else "Infinity" if data > 0 else "-Infinity"
    return data


@cache
def asset(name: str) -> str:
    """The text of a script or style sheet that lies beside this module."""
    return files("microbp.show").joinpath(name).read_text("utf-8")
