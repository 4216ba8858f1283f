"""Every page of the studio as a picture, for docs/screens/studio: in each language, wide and light, narrow and dark.

    python benchmarks/studio_pages/page_pictures.py FOLDER docs/screens/studio

FOLDER is where the studio is started: with a finished grid, a subject and runs below it, as `make demo` leaves them.
Each picture has a line for each language: 1280 pixels wide on the left, 820 on the right. `--whole` keeps all single
screenshots as well, of both widths light and dark, to be looked at. Needs Chromium (`make browser`) and, for Chinese
and Japanese letters, a font that has them (Debian's fonts-noto-cjk).
"""

from __future__ import annotations

import argparse
import base64
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "browser"))
from chromium import Visit, chromium
from studio.languages.known import LANGUAGES
from studio_server import served_studio

PAGES = {
    "home": "",
    "data": "data_page",
    "jobs": "jobs_page",
    "runs": "runs_page",
    "blend": "blending_page",
    "ranking": "ranking_page",
    "grid": "wall_page",
    "pictures": "comparing_page",
    "vote": "voting_page",
    "export": "export_page",
}
# What browsers ask for, by our names of languages.
ASKED = {"en": "en-US", "zh_Hant": "zh-TW", "ja": "ja-JP"}
LOOKS = [(1280, "light"), (820, "dark")]
ALL_LOOKS = [(width, theme) for width in (1280, 820) for theme in ("light", "dark")]
HEIGHT = 1000
COLUMN, GAP = 436, 12  # pixels of the picture in docs
SHADES = 96


def screenshot(visit: Visit, width: int) -> Image.Image:
    """What a window of that width shows, from the top."""
    size = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    visit.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    visit.settled()
    visit.script("return new Promise((done) => setTimeout(done, 1200))")  # charts and pictures come in
    data = visit.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def speak(visit: Visit, language: str) -> None:
    """Be a browser that asks for a language."""
    asked = {"userAgent": visit.script("return navigator.userAgent"), "acceptLanguage": ASKED[language]}
    visit.driver.execute_cdp_cmd("Network.setUserAgentOverride", asked)


def pictures_of(visit: Visit, page: str, looks: list[tuple[int, str]]) -> dict[tuple[str, int, str], Image.Image]:
    """By language, width and theme."""
    found: dict[tuple[str, int, str], Image.Image] = {}
    for language in LANGUAGES:
        speak(visit, language)
        visit.open(PAGES[page])
        for width, theme in looks:
            visit.wear(theme)
            found[language, width, theme] = screenshot(visit, width)
            print(f"{page} {language} {width} {theme}", file=sys.stderr)
    return found


def sheet(found: dict[tuple[str, int, str], Image.Image]) -> Image.Image:
    """A line for each language, a column for each of LOOKS."""
    lines = [[found[language, *look] for look in LOOKS] for language in LANGUAGES]
    height = COLUMN * HEIGHT // LOOKS[0][0]
    made = Image.new("RGB", (2 * COLUMN, (height + GAP) * len(lines) - GAP), "#ffffff")
    for row, line in enumerate(lines):
        for column, one in enumerate(line):
            shown = one.resize((COLUMN - GAP // 2, round(one.height * (COLUMN - GAP // 2) / one.width)))
            shown = shown.crop((0, 0, shown.width, min(height, shown.height)))
            made.paste(shown, (column * (COLUMN + GAP // 2), row * (height + GAP)))
    return made.quantize(SHADES, dither=Image.Dither.NONE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the studio is started")
    parser.add_argument("output", type=Path, help="where the pictures go, one a page")
    parser.add_argument("--pages", nargs="*", choices=list(PAGES), default=list(PAGES))
    parser.add_argument("--whole", type=Path, help="keep every screenshot here")
    asked = parser.parse_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        served_studio(asked.folder.resolve(), Path(home)) as address,
        chromium() as driver,
    ):
        for page in asked.pages:
            found = pictures_of(Visit(driver, address), page, ALL_LOOKS if asked.whole else LOOKS)
            sheet(found).save(asked.output / f"{page}.png", optimize=True)
            for (language, width, theme), one in found.items() if asked.whole else ():
                asked.whole.mkdir(parents=True, exist_ok=True)
                one.save(asked.whole / f"{page}-{language}-{width}-{theme}.png")


if __name__ == "__main__":
    main()
