"""From a row of the ranking to its pictures and back, twenty votes, and all of it by keyboard."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.keys import Keys

from chromium import Visit
from eval.ranking.ranked_cell import RankedCell
from eval.reporting.ranked_grid import open_ranked
from eval.voting.kept_votes import FILE_NAME, kept_votes
from grid_folders import GridFolder, copied
from studio_server import served_studio

TABLE = "canvas[data-testid=data-grid-canvas]"
HEAD, ROW = 36, 68  # pixels of a table's head and of a row
ANSWERS = {Keys.ARROW_LEFT: "left", Keys.ARROW_DOWN: "tie", Keys.ARROW_RIGHT: "right", "b": "both bad"}
VOTES = 20
# Whether each picture of a page, and of a wall's in it, is there; those that are not looked at yet come late.
DRAWN = """const walls = [...document.querySelectorAll('*')].filter((one) => one.shadowRoot);
return [document, ...walls.map((one) => one.shadowRoot)]
  .flatMap((one) => [...one.querySelectorAll('[data-testid=stImage] img, .tile img')])
  .map((one) => one.loading === 'lazy' || one.naturalWidth > 0);"""
# By how much a wall's pictures are wider than there is room, and how many columns it has.
TOO_WIDE = """const walls = [...document.querySelectorAll('*')].filter((one) => one.shadowRoot?.querySelector('.tile'));
return walls.map((one) => one.shadowRoot.querySelector('.scroll'))
  .map((one) => [one.scrollWidth - one.clientWidth, one.querySelectorAll('thead th').length]);"""
# What has the focus there is the table, or the cell in it where one is.
ON_THE_TABLE = f"one.closest('{TABLE}')"
ON_THE_WALL = "one.matches('.tile')"


@pytest.fixture(scope="module")
def here(rendered_grid: GridFolder, tmp_path_factory: pytest.TempPathFactory) -> GridFolder:
    """A copy: others read the grid as it was rendered."""
    return copied(rendered_grid, tmp_path_factory.mktemp("choosing") / "my grid")


@pytest.fixture(scope="module")
def visit(browser: WebDriver, here: GridFolder, tmp_path_factory: pytest.TempPathFactory) -> Generator[Visit]:
    with served_studio(here.folder, tmp_path_factory.mktemp("home")) as address:
        yield Visit(browser, address)


@pytest.fixture(scope="module")
def rows(here: GridFolder) -> list[RankedCell]:
    return open_ranked(here.store).rows


def pictures(visit: Visit, count: int) -> None:
    """Wait until so many pictures are there, and seen."""
    visit.until(lambda: visit.script(DRAWN) == [True] * count, f"there are not {count} pictures")


def test_the_row_that_was_clicked_on_is_shown_beside_a_rival_and_is_still_chosen_when_one_comes_back(
    visit: Visit, rows: list[RankedCell]
) -> None:
    visit.open()
    visit.go("Ranking")
    visit.says("Chosen: 1. ")
    table = visit.one(TABLE)
    visit.script("arguments[0].scrollIntoView({ block: 'center' })", table)
    down = HEAD + round(2.5 * ROW) - table.size["height"] // 2
    ActionChains(visit.driver).move_to_element_with_offset(table, 0, down).click().perform()
    visit.says(f"Chosen: 3. {rows[2].name}")
    visit.click("[data-testid=stPageLink-NavLink]", "Look at its pictures")
    visit.says(f"More alike than {rows[0].name} on")
    pictures(visit, 2 * 3)  # of two seeds: its own, the best row's and the base model's
    visit.add("Beside", "5. ")
    visit.says(f"More alike than {rows[4].name} on")
    pictures(visit, 2 * 4)
    visit.driver.back()
    visit.says(f"Chosen: 3. {rows[2].name}")
    visit.go("Pictures")
    visit.says(f"More alike than {rows[0].name} on")
    assert f"3. {rows[2].name}, identity" in visit.chosen("Cell")


def test_all_columns_are_whole_in_a_window_of_1280_pixels(visit: Visit) -> None:
    size = {"width": 1280, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    visit.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        visit.open("comparing_page")
        visit.until(lambda: visit.script(TOO_WIDE) == [[0, 3]], "three columns are wider than the page")
    finally:
        visit.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_twenty_pairs_are_voted_on_without_a_mouse_and_kept_with_who_and_when(visit: Visit, here: GridFolder) -> None:
    began = datetime.now(UTC)
    visit.open("voting_page")
    visit.tab_to("one.matches('input') && one.labels[0]?.innerText.startsWith('Your name')")
    visit.press("Mira", Keys.ENTER)
    visit.says("Voting as Mira")
    pictures(visit, 2)
    given: list[str] = []
    for turn in range(VOTES):
        key, answer = list(ANSWERS.items())[turn % len(ANSWERS)]
        visit.press(key)
        visit.says(many(turn + 1))
        given.append(answer)
        if turn == VOTES // 2:
            visit.press("u")
            visit.says(many(turn))
            visit.press(key)
            visit.says(many(turn + 1))
    votes = kept_votes(here.store)
    assert [vote.answer for vote in votes] == given
    assert {vote.voter for vote in votes} == {"Mira"}
    assert all(began <= vote.at <= datetime.now(UTC) for vote in votes)
    assert len((here.store / FILE_NAME).read_text(encoding="utf-8").splitlines()) == VOTES + 2, "one was taken back"
    assert "By 20 votes" not in visit.text(), "names lead the eye"
    visit.tab_to("one.closest('label')?.innerText.startsWith('Show what the votes say')")
    visit.press(Keys.SPACE)
    visit.says(f"By {VOTES} votes")


def many(votes: int) -> str:
    return f"{votes} vote{'s' * (votes != 1)} on these cells by 1 person."


def test_a_row_is_chosen_and_a_picture_looked_at_by_keyboard_and_one_sees_where_one_is(
    visit: Visit, rows: list[RankedCell]
) -> None:
    visit.open("ranking_page")
    visit.says("Chosen: 1. ")
    visit.tab_to(ON_THE_TABLE)
    without = visit.one(TABLE).screenshot_as_png
    visit.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    visit.says(f"Chosen: 3. {rows[2].name}")
    assert visit.one(TABLE).screenshot_as_png != without, "where one is in the table is not seen"
    visit.go_by_keyboard("Grid")
    visit.tab_to(ON_THE_WALL)
    assert visit.focus_is_seen()
    first = visit.focused("one.dataset.at")
    visit.press(Keys.ARROW_RIGHT)
    second = visit.focused("one.dataset.at")
    assert first != second
    visit.press(Keys.ENTER)
    visit.until(lambda: visit.focused("Boolean(one.closest('dialog[open]'))"), "the picture does not open")
    assert visit.focus_is_seen()
    visit.press(Keys.ESCAPE)
    visit.until(lambda: visit.focused("one.dataset.at") == second, "the focus is not where it was")


def test_the_buttons_of_a_vote_are_reached_and_seen_by_keyboard(visit: Visit) -> None:
    visit.open("voting_page")
    visit.tab_to("one.matches('input') && one.labels[0]?.innerText.startsWith('Your name')")
    visit.press("Jo", Keys.ENTER)
    visit.says("Voting as Jo")
    for label in ("Left", "Tie", "Both bad", "Right", "Take my last vote back"):
        visit.tab_to(f"one.matches('button') && one.innerText.startsWith('{label}')")
        assert visit.focus_is_seen(), label
