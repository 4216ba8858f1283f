"""A report as one HTML file that opens offline: findings with their pictures, all pictures, the captions' tags."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from foundation.errors import ConfigurationError
from foundation.files import write_text
from foundation.printing import printable
from trainer.checking.findings import IN_WORDS, CheckedPicture, Finding, Report, Severity
from trainer.checking.reporting.in_words import HEADINGS, by_rule, shortened, shown_path, summary
from trainer.checking.reporting.listing import next_step_on_page

TEMPLATES = Path(__file__).parent / "templates"
# So many of a rule's findings have their picture; the others are named.
SHOWN = 60
# And of all pictures: each is 3 kB, and a page of ten thousand would be slow to open.
SHOWN_PICTURES = 600
NAMED = 400
SHOWN_TAGS, TAG_PICTURES = 400, 60
LONGEST_TEXT = 400  # characters of a caption or tag


@dataclass(frozen=True)
class ShownFinding:
    """A finding in the page: `source` is its picture as a data URI, or None; `beside`: of the one that it is like."""

    name: str
    source: str | None
    said: str
    caption: str
    beside: str | None = None


@dataclass(frozen=True)
class ShownRule:
    """A rule in the page with its findings, and the names of those that are only named."""

    finding: Finding
    count: int
    shown: list[ShownFinding]
    named: list[str]
    left_out: int


def check_page_place(path: Path) -> None:
    """Raise ConfigurationError for a place where no page can be written, before anything is looked at."""
    if path.is_dir():
        raise ConfigurationError(f"--html {path}: is a folder; name a file in it, as {path / 'check.html'}")
    if not path.parent.is_dir():
        raise ConfigurationError(f"--html {path}: there is no folder {path.parent}; make it, or name another place")


def write_page(report: Report, path: Path) -> None:
    """Write the page, whole or not at all."""
    write_text(path, page_of(report))


def page_of(report: Report) -> str:
    """The page's text. Names and captions are escaped: they are strangers' texts."""
    pictures = {one.path: one for one in report.pictures}
    rules = {
        severity: [_rule(one.findings, report, pictures) for one in by_rule(report.of(severity))]
        for severity in Severity
    }
    return (
        _environment()
        .get_template("check.html.jinja")
        .render(
            title=f"Check of {printable(str(report.dataset))}",
            verdict=report.verdict,
            in_words=IN_WORDS[report.verdict],
            summary=summary(report).partition(": ")[2],
            next_step=next_step_on_page(report),
            facts={name: said for name, said in report.facts.items() if said},
            sections=[
                (HEADINGS[severity], severity.value, rules[severity]) for severity in Severity if rules[severity]
            ],
            tags=[
                (
                    shortened(one.text, LONGEST_TEXT),
                    [_name(path, report) for path in one.pictures[:TAG_PICTURES]],
                    len(one.pictures),
                )
                for one in report.tags[:SHOWN_TAGS]
            ],
            tags_left_out=max(0, len(report.tags) - SHOWN_TAGS),
            unmeasured=report.unmeasured,
            pictures=[_picture(one, report) for one in report.pictures[:SHOWN_PICTURES]],
            pictures_left_out=max(0, len(report.pictures) - SHOWN_PICTURES),
        )
    )


@cache
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)


def _rule(findings: tuple[Finding, ...], report: Report, pictures: dict[Path, CheckedPicture]) -> ShownRule:
    rest = [_name(one.path, report) for one in findings[SHOWN:] if one.path is not None]
    shown = [_shown(one, report, pictures) for one in findings[:SHOWN]]
    return ShownRule(findings[0], len(findings), shown, rest[:NAMED], max(0, len(rest) - NAMED))


def _shown(finding: Finding, report: Report, pictures: dict[Path, CheckedPicture]) -> ShownFinding:
    own = pictures.get(finding.path) if finding.path is not None else None
    if own is None and finding.path is not None:  # a caption's: the picture beside it
        own = next((one for one in _beside(finding.path, pictures)), None)
    name = "the whole set" if finding.path is None else _name(finding.path, report)
    beside = pictures.get(finding.others[0]) if len(finding.others) == 1 else None
    caption = "" if own is None else _caption(own)
    return ShownFinding(name, _uri(own), printable(finding.said), caption, _uri(beside))


def _beside(path: Path, pictures: dict[Path, CheckedPicture]) -> Iterable[CheckedPicture]:
    for ending in (".png", ".jpg", ".jpeg", ".webp", ".bmp"):
        if (one := pictures.get(path.with_suffix(ending))) is not None:
            yield one


def _picture(one: CheckedPicture, report: Report) -> ShownFinding:
    size = f"{one.measured['width']} x {one.measured['height']}" if "width" in one.measured else "not read"
    return ShownFinding(_name(one.path, report), _uri(one), f"{one.role}, {size}", _caption(one))


def _caption(one: CheckedPicture) -> str:
    """Its own words; of one without, what it is learned by, and that these are not its own."""
    if one.is_captioned or not one.caption:
        return shortened(printable(one.caption), LONGEST_TEXT)
    return f"(no caption of its own; its folder says: {printable(one.caption)})"


def _name(path: Path, report: Report) -> str:
    return printable(shown_path(path, report.dataset)).replace("\n", " ")


def _uri(one: CheckedPicture | None) -> str | None:
    if one is None or not one.thumbnail:
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(one.thumbnail).decode()}"
