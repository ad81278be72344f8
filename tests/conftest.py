"""Fixtures of the tests that look at a page in a browser."""

import shutil

import pytest

collect_ignore = ["mutations.py"]  # which is run by hand

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.fixture
def open_in_browser(browser, tmp_path):
    """A function that opens a page; afterwards no error was logged and nothing was asked for."""
    problems: list[str] = []
    opened = []

    def watched(request):
        if not request.url.startswith("file:"):
            problems.append(request.url)

    def open_in_browser(page, address: str = "", **options):
        path = page.save(tmp_path / "page.html")
        context = browser.new_context(**options)
        opened.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: problems.append(message.text))
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("request", watched)
        tab.goto(path.as_uri() + address)
        tab.wait_for_selector("#count:not(:empty)")
        return tab

    yield open_in_browser
    for context in opened:
        context.close()
    assert problems == []
