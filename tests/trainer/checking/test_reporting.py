"""A report can be read: no endless line, no figure without its meaning, no words that are somebody else's."""

from __future__ import annotations

from pathlib import Path

from trainer.checking.findings import CheckedPicture, Finding, Group, Report, Severity, Tag
from trainer.checking.reporting.listing import LONGEST_TAG, listing
from trainer.checking.reporting.page import page_of

FOLDER = Path("/data/set")


def finding(*others: str, unit: str = "", value: float | None = 3.0) -> Finding:
    return Finding(
        "rule", Group.FILES, Severity.MEND, FOLDER / "a.png", "title", "said", "do", "ours", value, 2.5, unit,
        tuple(FOLDER / one for one in others),
    )  # fmt: skip


def report(*findings: Finding, tags: tuple[Tag, ...] = (), own: bool = True) -> Report:
    pictures = (CheckedPicture(FOLDER / "a.png", "train", "zwx woman", {}, None, own),)
    return Report(FOLDER, findings, pictures, tags)


def test_a_long_caption_is_cut_in_the_list_and_on_the_page() -> None:
    long = report(tags=(Tag("very " * 2000, ()),))
    (said,) = [line for line in listing(long) if line.startswith("Captions say")]
    assert len(said) < LONGEST_TAG + 40
    assert "very " * 100 not in page_of(long)


def test_all_pictures_of_a_finding_are_named() -> None:
    lines = listing(report(finding("b.png", "c.png")))
    assert "    set/a.png: said (b.png, c.png)" in lines
    many = listing(report(finding(*(f"{at}.png" for at in range(9)))))
    assert "    set/a.png: said (0.png, 1.png, 2.png, 3.png, 4.png and 4 more)" in many
    assert "    set/a.png: said" in listing(report(finding("b.png")))


def test_the_page_tells_figures_with_their_units_and_nothing_of_itself() -> None:
    page = page_of(report(finding()))
    assert "Told beyond 2.5, here 3. " in page
    assert "Told beyond 2.5 times, here 3. " in page_of(report(finding(unit="times")))
    assert "--html" not in page
    assert "--html" in "".join(listing(report(finding())))


def test_the_page_says_whose_the_words_are() -> None:
    assert "no caption of its own; its folder says: zwx woman" in page_of(report(own=False))
    assert "no caption of its own" not in page_of(report())
