"""All pages, in light and dark: nothing that axe-core calls serious, words for every picture, and nothing foreign."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.keys import Keys

from chromium import Visit
from studio_server import served_studio
from worked_folder import KAT, LINKS, LONG, MARKUP, TURNED, write_hostile_store, write_work

AXE = Path(__file__).parent / "axe" / "axe.min.js"
THEMES = ("light", "dark")
MOST_LOOKS = 10
HERE = ("127.0.0.1", "localhost")
# Streamlit's own, which no setting changes; what they are is said beside.
STREAMLITS_OWN = {
    "[data-testid=stSidebarNav]": "a <div> stands between its <ul> and the <li> of a section (list, listitem)",
}
# Tells what is serious or critical: the rule, where, and why.
LOOK = """const done = arguments[arguments.length - 1], own = arguments[0];
const serious = (one) => ['serious', 'critical'].includes(one.impact);
const why = (node) => [...node.any, ...node.all, ...node.none].map((one) => one.message)[0];
const told = (one) => one.nodes.map((node) => `${one.id}: ${node.html} (${why(node)})`);
axe.run({ exclude: own.map((one) => [one]) }, { resultTypes: ['violations'] })
  .then((found) => done(found.violations.filter(serious).flatMap(told)));
"""
# Within shadow roots too: pictures, with what they are called, and charts.
NAMES = """const inside = (one) => (one.shadowRoot ? all(one.shadowRoot) : []);
const all = (root) => [...root.querySelectorAll('*')].flatMap((one) => [one, ...inside(one)]);
const drawn = '[aria-label][role=graphics-document], canvas[aria-label]';
const name = (one) => (one.matches(drawn) ? one : one.querySelector(drawn))?.getAttribute('aria-label');
const every = all(document.body);
return { pictures: every.filter((one) => one.tagName === 'IMG').map((one) => one.getAttribute('alt')),
  charts: every.filter((one) => one.matches('[data-testid=stVegaLiteChart]')).map(name) };"""


@dataclass
class Seen:
    """What was seen of a page in one of its states."""

    serious: list[str] = field(default_factory=list)
    pictures: list[str | None] = field(default_factory=list)
    charts: list[str | None] = field(default_factory=list)


@dataclass
class Walk:
    """What was seen of all pages, by page and state, and every address that was asked for meanwhile."""

    seen: dict[str, Seen] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    write_work(folder)
    with pytest.MonkeyPatch.context() as patched:
        write_hostile_store(folder / "hostile", patched)
    return folder


@pytest.fixture(scope="module")
def visit(browser: WebDriver, here: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Visit]:
    with served_studio(here, tmp_path_factory.mktemp("home")) as address:
        yield Visit(browser, address)


def _name_oneself(visit: Visit) -> None:
    visit.one("input[placeholder^=several]").send_keys("Mira", Keys.ENTER)
    visit.says("Voting as Mira")
    visit.click("button", "Left")
    visit.says("1 vote on these cells")
    visit.click("[data-testid=stCheckbox] label", "Show what the votes say")
    visit.says("By one vote")


def _look_at_one(visit: Visit) -> None:
    visit.script("document.querySelectorAll('*').forEach((one) => one.shadowRoot?.querySelector('.tile')?.click())")
    visit.until(lambda: visit.focused("Boolean(one.closest('dialog[open]'))"), "no picture opens")


def _blend_two(visit: Visit) -> None:
    for name in ("tessa-000002", "first_try"):
        visit.add("LoRA files", name)
    visit.press(Keys.ESCAPE)
    visit.says("The same in a terminal")


def _segment(words: str, says: str) -> Callable[[Visit], None]:
    """A part of a page, by the words to click on; it is there once the page `says` what no other part does."""

    def act(visit: Visit) -> None:
        visit.click("[data-testid=stButtonGroup] button", words)
        visit.says(says)

    return act


def _export(visit: Visit) -> None:
    visit.click("button", "Write the file")
    visit.says("is written to")


# A page's name, and what is done there before one looks again.
PAGES: dict[str, list[tuple[str, Callable[[Visit], None]]]] = {
    "Home": [],
    "Data": [
        ("captions", _segment("Captions", "Captions that say")),
        ("reg", _segment("Reg pictures", "The subject")),
        ("plan", _segment("Plan and cost", "A few real steps")),
    ],
    "Jobs": [],
    "Runs": [],
    "Blend": [("two files", _blend_two)],
    "Ranking": [],
    "Grid": [("one picture", _look_at_one)],
    "Pictures": [("one picture", _look_at_one)],
    "Vote": [("voted", _name_oneself)],
    "Export": [("written", _export)],
}


def _serious(visit: Visit) -> list[str]:
    """What axe finds on a page at rest: one that draws itself anew while it is looked at is pale for a moment, so what
    is found is looked for again, until two looks say the same."""
    found: list[str] = []
    for _ in range(MOST_LOOKS):
        visit.settled()
        before, found = found, visit.driver.execute_async_script(LOOK, [*STREAMLITS_OWN])
        if found in ([], before):
            break
    return found


def looked_at(visit: Visit) -> Seen:
    """A page as it stands, in light and dark."""
    seen = Seen()
    visit.settled()
    if not visit.script("return window.axe !== undefined"):
        visit.script(AXE.read_text(encoding="utf-8"))
    for theme in THEMES:
        visit.wear(theme)
        seen.serious += [f"{theme}: {one}" for one in _serious(visit)]
    found = visit.script(NAMES)
    seen.pictures, seen.charts = found["pictures"], found["charts"]
    return seen


@pytest.fixture(scope="module")
def walk(visit: Visit) -> Walk:
    """One visit of all pages, a session long."""
    walk = Walk()
    visit.asked_for()
    visit.open()
    visit.choose("Store", f"{KAT}/eval")
    for page, states in PAGES.items():
        visit.go(page)
        walk.seen[page] = looked_at(visit)
        for name, act in states:
            act(visit)
            walk.seen[f"{page}, {name}"] = looked_at(visit)
        visit.press(Keys.ESCAPE)
    walk.asked = visit.asked_for()
    return walk


def test_axe_finds_nothing_serious_on_any_page(walk: Walk) -> None:
    assert {page: seen.serious for page, seen in walk.seen.items() if seen.serious} == {}


def test_every_picture_has_words_and_every_chart_a_sentence(walk: Walk) -> None:
    assert {page for page, seen in walk.seen.items() for words in seen.pictures if not words} == set()
    charts = [(page, words or "") for page, seen in walk.seen.items() for words in seen.charts]
    assert [page for page, words in charts if len(words.split()) < 5] == []
    with_pictures = {page.partition(",")[0] for page, seen in walk.seen.items() if seen.pictures}
    assert with_pictures >= {"Data", "Runs", "Ranking", "Grid", "Pictures", "Vote", "Export"}
    assert {page for page, _ in charts} >= {"Ranking", "Runs"}


def test_nothing_is_asked_of_other_machines(walk: Walk) -> None:
    asked = [urlsplit(address) for address in walk.asked]
    assert {one.scheme for one in asked} >= {"http", "ws"}
    assert any(one.path.startswith("/pictures/") for one in asked)
    foreign = [one.geturl() for one in asked if one.scheme not in ("data", "blob") and one.hostname not in HERE]
    assert foreign == []


def test_words_of_others_are_shown_as_they_are_and_do_nothing(walk: Walk, visit: Visit) -> None:
    """`walk`: after it, for both use the same log."""
    visit.open()
    visit.choose("Store", "hostile/eval")
    for page in ("Ranking", "Grid", "Pictures", "Vote", "Export", "Blend", "Jobs", "Data", "Home"):
        visit.go(page)
        assert visit.script("return window.hostile") is None, page
        assert visit.find("img[src=x]") == [], page
        assert visit.find("a[href^=javascript]") == [], page
    visit.go("Pictures")
    for words in (MARKUP, LINKS, TURNED.strip(), LONG.strip()):
        assert words in visit.text()
    assert [one for one in visit.asked_for() if "invalid" in one] == []
