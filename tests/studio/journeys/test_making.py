"""A blend from its sliders to a file that diffusers draws alike; jobs that go on while no browser looks."""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.keys import Keys

from base_models.drawing.png import read_picture
from chromium import Visit, chromium, why_not
from eval.reporting.ranked_grid import open_ranked
from grid_folders import STEPS, GridFolder, at, copied
from miniature.paths import FOLDERS
from studio.jobs.job_queue import open_jobs, queue_of
from studio.jobs.job_state import state_of
from studio.jobs.kept_job import jobs_in
from studio_server import served_studio

FEWEST = 4  # steps of a preview
FEW, HELD_OUT = "few", "few references"
# The smallest settings of what `trainer init` writes.
SMALLEST = {
    "train.toml": {
        r"^epochs = .*": "epochs = 1",
        r"^prompts = \[[^]]*\]": 'prompts = ["photo of a ohwx person"]\nsteps = 2',
    },
    "grid.toml": {
        r"^unet = .*": "unet = [1.0]",
        r"^te = .*": "te = [1.0]",
        r"^seeds = .*": "seeds = 1",
        r"^\[lora\]": "[sampler]\nsteps = 2\n[lora]",
    },
}


@dataclass(frozen=True)
class Place:
    """Where the studio was started, and its address."""

    grid: GridFolder
    address: str


@pytest.fixture(scope="module")
def place(rendered_grid: GridFolder, tmp_path_factory: pytest.TempPathFactory) -> Generator[Place]:
    if reason := why_not():
        pytest.skip(reason)
    folder = copied(rendered_grid, tmp_path_factory.mktemp("making") / "my grid").folder
    shutil.copy(folder / "grid spec.toml", folder / "grid.toml")  # as previews look for it
    for part, pattern, few in (("Train", "7_ohwx person/0[0-3].*", FEW), ("references", "0[0-4].*", HELD_OUT)):
        for path in (folder / part).glob(pattern):
            (folder / few / path.relative_to(folder / part)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / few / path.relative_to(folder / part))
    with served_studio(folder, tmp_path_factory.mktemp("home")) as address:
        yield Place(at(folder), address)


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    found = StableDiffusionPipeline.from_pretrained(FOLDERS["base"], safety_checker=None)
    found.set_progress_bar_config(disable=True)
    return found


def drawn(pipeline: StableDiffusionPipeline, lora: Path, prompt: str, seed: int, steps: int) -> np.ndarray:
    """What plain diffusers draws with a LoRA file at weight 1, in levels from 0 to 255."""
    pipeline.load_lora_weights(lora)
    try:
        generator = torch.Generator().manual_seed(seed)
        asked = {"num_inference_steps": steps, "guidance_scale": 9.0, "generator": generator, "output_type": "np"}
        return (pipeline(prompt, **asked).images[0] * 255).round()
    finally:
        pipeline.unload_lora_weights()


def test_sliders_draw_the_blend_that_is_then_written(
    browser: WebDriver, place: Place, pipeline: StableDiffusionPipeline
) -> None:
    visit, grid = Visit(browser, place.address), place.grid
    visit.open("ranking_page")
    visit.go("Blend")
    visit.add("LoRA files", "hina-000001")
    visit.add("LoRA files", "erste")
    visit.press(Keys.ESCAPE)
    slide(visit, 0, "0.5", Keys.ARROW_LEFT)
    visit.click("[data-testid=stCheckbox] label", "Preview")
    visit.one("img[alt^='This blend: photo of a ohwx person']")
    visit.one("img[alt^='The base model alone: photo of a person']")
    slide(visit, -1, str(FEWEST), Keys.HOME)
    visit.says(f"A draft of {FEWEST} steps")
    visit.one("img[alt^='This blend: photo of a ohwx person']")
    visit.click("button", "Write the file")
    visit.says("Written to")
    visit.says("The file changes")
    blend = grid.store / "blends" / "blend.safetensors"
    drafts = [path for path in (grid.folder / "runs" / "previews").glob("*.png") if said_of(path)[1:] == (FEWEST, 1)]
    (draft,) = [path for path in drafts if "ohwx" in said_of(path)[0]]
    told = drawn(pipeline, blend, said_of(draft)[0], seed=1, steps=FEWEST)
    assert np.abs(told - read_picture(draft)).max() <= 2


def slide(visit: Visit, which: int, value: str, key: str) -> None:
    """Move a slider by one key, until it stands there."""
    selector = "[data-testid=stMain] [data-testid=stSlider] input"
    visit.until(lambda: visit.find(selector), "there is no slider")
    while float(str(visit.find(selector)[which].get_property("value"))) != float(value):
        visit.script("arguments[0].focus()", visit.find(selector)[which])
        visit.press(key)
    visit.settled()


def said_of(preview: Path) -> tuple[str, int, int]:
    """The prompt, the steps and the seed that a preview's file tells."""
    with Image.open(preview) as opened:
        prompt, facts = opened.info["parameters"].splitlines()
    steps, seed = re.findall(r"\d+", facts)
    return prompt, int(steps), int(seed)


def test_what_is_exported_draws_in_diffusers_what_was_scored(
    browser: WebDriver, place: Place, pipeline: StableDiffusionPipeline
) -> None:
    visit, ranked = Visit(browser, place.address), open_ranked(place.grid.store)
    row, unit = ranked.rows[0], ranked.grid.snapshot.units[0]
    visit.open("export_page")
    visit.click("button", "Write the file")
    visit.says("is written to")
    (exported,) = (place.grid.store / "exports").glob("*.safetensors")
    told = drawn(pipeline, exported, unit.prompt, unit.seed, steps=STEPS)
    assert np.abs(told - read_picture(ranked.grid.picture_path(ranked.grid.cell(row.cell), unit))).max() <= 2


def begin_with_a_subject(visit: Visit, name: str) -> None:
    """Fill the form of Home's, and wait until the subject is there."""
    visit.open()
    visit.click("[data-testid=stExpander] summary", "Begin with another subject")
    answers = {
        "New folder (needed)": name,
        "Base model (needed)": "miniature",
        "Training pictures (needed)": FEW,
        "References": HELD_OUT,
    }
    for label, words in answers.items():
        visit.one(f"input[aria-label={label!r}]").send_keys(words)
    visit.click("[data-testid=stFormSubmitButton] button", "Begin")
    visit.until(lambda: visit.find(f".st-key-step-{name}-Check-the-data"), f"the subject {name} does not appear")


def seen_to_end(place: Place, *titles: str) -> None:
    """A browser that knows nothing sees these jobs end, and none fail."""
    with chromium() as driver:
        visit = Visit(driver, place.address)
        visit.open("jobs_page")
        visit.says("Nothing runs.")
        for title in titles:
            assert title in visit.text()
    queue = queue_of(place.grid.folder)
    assert open_jobs(queue) == []
    assert {state_of(job).name for job in jobs_in(queue)} <= {"done", "answered no"}


def test_a_subject_is_begun_and_a_job_goes_on_when_the_browser_is_closed(place: Place) -> None:
    with chromium() as driver:
        visit = Visit(driver, place.address)
        begin_with_a_subject(visit, "mira")
        visit.click(".st-key-step-mira-Check-the-data button")
        visit.until(lambda: len(jobs_in(queue_of(place.grid.folder))) == 2, "the check is not in the queue")
    assert (place.grid.folder / "mira" / "train.toml").is_file()
    seen_to_end(place, "Check a dataset: mira/train.toml")


@pytest.mark.journey
def test_a_subject_is_trained_and_its_grid_is_drawn_while_no_browser_looks(place: Place) -> None:
    with chromium() as driver:
        visit = Visit(driver, place.address)
        begin_with_a_subject(visit, "kim")
        for name, changes in SMALLEST.items():
            file = place.grid.folder / "kim" / name
            text = file.read_text(encoding="utf-8")
            for old, new in changes.items():
                text, count = re.subn(old, new, text, count=1, flags=re.MULTILINE)
                assert count == 1, f"{old} is not in:\n{text}"
            file.write_text(text, encoding="utf-8")
        before = len(jobs_in(queue_of(place.grid.folder)))
        visit.click(".st-key-step-kim-Train button")
        visit.until(lambda: len(jobs_in(queue_of(place.grid.folder))) == before + 1, "the training is not in the queue")
        visit.go("Jobs")
        visit.choose("What to do", "Draw and score a grid")
        visit.choose("The grid's specification (needed)", "kim/grid.toml")
        visit.click("[data-testid=stFormSubmitButton] button", "Begin")
        visit.until(lambda: len(jobs_in(queue_of(place.grid.folder))) == before + 2, "the grid is not in the queue")
    seen_to_end(place, "Draw and score a grid: kim/grid.toml")
    with chromium() as driver:
        visit = Visit(driver, place.address)
        visit.open()
        visit.click(".st-key-step-kim-Look-at-the-ranking button")
        visit.says("Rows that keep every limit come first")
