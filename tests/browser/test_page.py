"""The page in a real browser: quiet, accessible, as wide as the screen, and whole without scripts and styles."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etl.report import Asked, read_report, render
from etl.sync.accounts import Call, sync_accounts
from etl.sync.run import Options
from etl.warehouse.connections import open_engine
from tests import account, postgres
from tests.account import Account
from tests.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# One group: the browser is started once. Nobody else in the process may run a loop while it does.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(chromium.found() is None, reason="no Chromium is there: install it, or name it in CHROMIUM"),
]

WIDTHS, SCHEMES = (375, 1280), ("light", "dark")
HOSTILE = "<script>document.title = 'taken'</script><b onclick=x>agents</b>\u202e"
FORBIDDEN = "<meta http-equiv=\"Content-Security-Policy\" content=\"sandbox; default-src 'none'; img-src 'self'\">"


@pytest.fixture(scope="module")
def filled(server: postgres.Server) -> Iterator[Account]:
    """An account with all that a page may show, and an import that means it ill."""
    with postgres.clone(server) as url, account.running(url, imports=40, records=20) as acme:
        acme.changes["users"] = "keep"
        _sync(acme)
        acme.world.rename_entry("drop_down1", ["001"], "Renamed while nobody looked")
        record = {"id": "r", "status": "FAILED", "data": {}, "errors": [{"message": HOSTILE}]}
        item = {"id": HOSTILE, "filename": HOSTILE, "type": HOSTILE, "status": HOSTILE, "failed_records": 1}
        acme.world.put_import(item | {"created_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}, [record])
        _sync(acme)
        yield acme


def _sync(acme: Account) -> None:
    sync_accounts(
        Call(
            open_engine(acme.url),
            Options(),
            keep_rejected=timedelta(days=1),
            keep_runs=timedelta(days=1),
            stop=threading.Event(),
        ),
        [acme.settings],
    )


@pytest.fixture(scope="module")
def page_file(filled: Account, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page on disk."""
    with open_engine(filled.url, read_only=True).connect() as connection:
        html = render(read_report(connection, Asked()), command=["talkdesk-etl", "report"])
    file = tmp_path_factory.mktemp("page") / "talkdesk-report.html"
    file.write_text(html, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Chromium without a window, driven as Playwright's documentation shows."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - where there is no browser, nobody needs it

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium.found(), args=chromium.switches())
        yield started
        started.close()


@pytest.fixture
def said() -> list[str]:
    """What pages said on the console, and what they asked for."""
    return []


@pytest.fixture
def page(browser: "Browser", page_file: Path, said: list[str]) -> "Iterator[Page]":
    """The page at a usual width, read from its file."""
    with_page = opened(browser, page_file, said=said)
    yield with_page
    with_page.close()


def opened(browser: "Browser", file: Path, *, said: list[str], **options: Any) -> "Page":
    page = browser.new_page(**({"viewport": {"width": 1280, "height": 900}} | options))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url))
    page.goto(file.as_uri())
    return page


def test_it_asks_for_nothing_and_says_nothing(page: "Page", page_file: Path, said: list[str]) -> None:
    """But for the file itself; and what the source sent did nothing."""
    assert [page_file.as_uri()] == said
    assert page.title().startswith("Talkdesk imports")
    assert 0 == page.locator("td b").count()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_accessible_and_fits(browser: "Browser", page_file: Path, width: int, scheme: Any) -> None:
    """No finding of axe-core with all that folds unfolded, and nothing to scroll sideways."""
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - see `browser`

    page = opened(browser, page_file, said=[], viewport={"width": width, "height": 900}, color_scheme=scheme)
    for _ in range(2):
        found = Axe().run(page)
        assert 0 == found.violations_count, found.generate_report()
        assert width == page.evaluate("document.documentElement.scrollWidth")
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    page.close()


def test_it_sorts(page: "Page") -> None:
    """By numbers as numbers, up and then down; a screen reader is told."""
    head = page.locator("#newest th", has_text="records")
    for state, is_down in (("ascending", False), ("descending", True)):
        head.get_by_role("button").click()
        cells = page.locator("#newest td[data-label=records]").evaluate_all("each => each.map(c => +c.dataset.value)")
        assert state == head.get_attribute("aria-sort")
        assert sorted(cells, reverse=is_down) == cells


def test_it_filters(page: "Page") -> None:
    rows = page.locator("#newest tbody tr")
    every = rows.count()
    page.get_by_label("Filter imports").fill("delete_users")
    shown = rows.filter(visible=True)
    assert 0 < shown.count() < every
    assert all("DELETE_USERS" in text for text in shown.all_inner_texts())
    page.get_by_label("Filter imports").fill("")
    assert every == rows.filter(visible=True).count()


def test_it_searches_trees(page: "Page") -> None:
    """What is found is unfolded, fields without it are hidden."""
    page.get_by_label("Search options").fill("renamed while")
    assert 1 == page.locator(".tree").filter(visible=True).count()
    assert page.get_by_text("Renamed while nobody looked").last.is_visible()


@pytest.mark.parametrize("styles", [True, False])
def test_it_is_whole_without_scripts_and_styles(
    browser: "Browser", page_file: Path, tmp_path: Path, *, styles: bool
) -> None:
    """Some hosts forbid the one or both; every word is there, and charts stay charts."""
    html = page_file.read_text(encoding="utf-8")
    file = tmp_path / "hosted.html"
    file.write_text(html if styles else html.replace("<head>", f"<head>{FORBIDDEN}"), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())

    words = page.locator("body").text_content() or ""
    for wanted in ("Imports per day", "What fails most", "The newest imports", "Renamed while nobody looked"):
        assert wanted in words
    assert page.locator("#newest tbody tr").count() > 30
    assert page.locator("svg").count() >= 4
    context.close()


def test_it_prints(page: "Page") -> None:
    assert page.pdf().startswith(b"%PDF")
