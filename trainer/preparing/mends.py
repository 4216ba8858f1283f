"""What can be mended safely on a copy, of all that a check found: decided here, done elsewhere.

Pixels change only to those that training reads anyway. A picture is set aside, never lost. Words of captions change
only where the trigger is missing, or a phrase stands there that captioners are known to invent; each is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import UserError
from foundation.files import bytes_within
from foundation.text_files import MOST_OF_A_CAPTION, caption_text
from trainer.captioning.unwanted import PhraseList
from trainer.checking.findings import Finding, Report
from trainer.checking.rules.file_rules import OTHER_KINDS
from trainer.checking.settings import Role
from trainer.checking.survey import Folder, Sighted, Survey
from trainer.preparing.best_of_twins import keep_best_of_twins

PLACES = {Role.TRAIN: "Train", Role.REG: "Reg", Role.REFERENCE: "references"}
ASIDE = "aside"
# Saved anew as training reads it: upright, eight bits, over white, the first frame.
SAVED_ANEW = {
    "turned": "saved upright",
    "transparent": "laid over white, as training reads it",
    "deep_picture": "saved with eight bits",
    "animated": "its first frame saved",
}
# Set aside whatever is left: training stops at them, learns them twice, or learns somebody else. A picture that is both
# a training and a reg picture goes from where its face is wrong; where nobody knows the face, it is the user's to say.
SET_ASIDE = (
    "unreadable_picture",
    "impossible_size",
    "same_file",
    "near_same",
    "other_person",
    "several_people",
    "other_reference",
    "reg_is_subject",
    "reg_twins",
)
# Set aside while enough is left to learn from.
SET_ASIDE_IF_ENOUGH = ("soft", "soft_face", "burnt_out")
ENOUGH, ENOUGH_SHARE = 10, 0.6


@dataclass(frozen=True)
class Piece:
    """One file of the copy. `anew`: a picture that is decoded and saved; `text`: what a caption will say; else the
    bytes are copied. `done`: what is different, in words; `rule`: which of the check's rules asked for it.
    """

    source: Path
    target: Path
    done: str = ""
    rule: str = ""
    anew: bool = False
    text: str | None = None


@dataclass(frozen=True)
class Mending:
    """All files of the copy, by their places below it, and what of the dataset has none, with the reason."""

    pieces: tuple[Piece, ...]
    left: Mapping[Path, str]


@dataclass(frozen=True)
class Manner:
    """How to mend: the trigger that captions lack ("" leaves them), phrases to take out, rules that set nothing
    aside, and whether the trigger was named by the user: only then is it put where no caption has it, for captions may
    have another than the folder's name says.
    """

    trigger: str
    phrases: PhraseList
    kept: frozenset[str] = frozenset()
    is_named: bool = False


def mending_of(survey: Survey, report: Report, manner: Manner) -> Mending:
    """Decide for every file. Nothing is opened but captions."""
    found: dict[Path, list[Finding]] = {}
    for one in report.findings:
        if one.path is not None:
            found.setdefault(one.path, []).append(one)
    keep_best_of_twins(found, report)
    _fewer_people(found, report, len(survey.train))
    if manner.is_named:
        _without_trigger(found, report)
    aside = _aside(survey, found, manner.kept)
    pieces: list[Piece] = []
    left: dict[Path, str] = {}
    names = _folder_names(survey)
    for folder in survey.folders:
        if folder.fault:
            left[folder.path] = f"cannot be read ({folder.fault})"
            continue
        pieces += _of_folder(folder, survey, names[folder.path], found, aside, manner)
        pieces += _other_kinds(folder, names[folder.path])
        left |= {path: "a folder below; nothing in it is read" for path in _unread_folders(folder)}
        left |= folder.listing.unopenable
    return Mending(tuple(_apart(pieces)), left)


def _without_trigger(found: dict[Path, list[Finding]], report: Report) -> None:
    for finding in (one for one in report.findings if one.rule == "never_trigger"):
        for path in finding.others:
            found.setdefault(path, []).append(finding)


def _fewer_people(found: dict[Path, list[Finding]], report: Report, pictures: int) -> None:
    """Where several people are trained on, those whom fewer than half of the pictures show."""
    for finding in (one for one in report.findings if one.rule == "several_people"):
        for path in finding.others if 2 * len(finding.others) < pictures else ():
            found.setdefault(path, []).append(finding)


def _unread_folders(folder: Folder) -> tuple[Path, ...]:
    return () if folder.is_parent or folder.role == Role.REFERENCE else folder.listing.folders


def _folder_names(survey: Survey) -> dict[Path, tuple[Path, str]]:
    """Where each folder lies in the copy, and what of its name was mended."""
    names: dict[Path, tuple[Path, str]] = {}
    for folder in survey.folders:
        place = Path(PLACES[folder.role])
        if folder.role == Role.REFERENCE:
            names[folder.path] = (place, "")
        elif folder.repeats and folder.path.name.partition("_")[0] == str(folder.repeats):
            names[folder.path] = (place / folder.path.name, "")
        else:
            named = f"{max(1, folder.repeats)}_{folder.words or folder.path.name}"
            said = f"put into `{named}`: rename it, to say how often an epoch shows it and what it shows"
            names[folder.path] = (place / named, said)
    return names


def _of_folder(
    folder: Folder,
    survey: Survey,
    name: tuple[Path, str],
    found: Mapping[Path, Sequence[Finding]],
    aside: Mapping[Path, str],
    manner: Manner,
) -> Iterator[Piece]:
    place, renamed = name
    taken: dict[str, Path] = {}
    openable = [one for one in survey.pictures if one.folder is folder and one.path not in folder.listing.unopenable]
    for one in openable:
        rules = {finding.rule for finding in found.get(one.path, ())}
        stem = one.path.stem if taken.setdefault(one.path.stem, one.path) == one.path else _free(one, taken)
        if rule := aside.get(one.path):
            beside = Path(ASIDE) / rule / place
            yield Piece(one.path, beside / one.path.name, "set aside", rule)
            files = [file.path for file in one.files if file.path not in folder.listing.unopenable]
            yield from (Piece(file, beside / file.name, "", rule) for file in files)
            continue
        anew = [(rule, said) for rule, said in SAVED_ANEW.items() if rule in rules]
        done = "; ".join([said for _, said in anew] + [renamed] * bool(renamed))
        done += f"; called {stem}, for its caption's sake" if stem != one.path.stem else ""
        suffix = ".png" if anew else one.path.suffix
        why = anew[0][0] if anew else "folder_skipped" if renamed else "shared_caption" if done else ""
        yield Piece(one.path, place / f"{stem}{suffix}", done.lstrip("; "), why, anew=bool(anew))
        yield from _captions(one, place, stem, rules, manner)


def _free(one: Sighted, taken: dict[str, Path]) -> str:
    """A name for a picture whose caption another one has."""
    number = 2
    while (stem := f"{one.path.stem}-{number}") in taken:
        number += 1
    taken[stem] = one.path
    return stem


def _captions(one: Sighted, place: Path, stem: str, rules: set[str], manner: Manner) -> Iterator[Piece]:
    several = len(one.files) > 1
    for file in (file for file in one.files if file.path not in one.folder.listing.unopenable):
        suffix = file.path.suffix if several else file.path.suffix.lower()
        target, said = place / f"{stem}{suffix}", list[str]()
        if file.fault:
            yield Piece(file.path, target)
            continue
        text = file.text
        if one.role == Role.TRAIN:
            for change in (_with_trigger(rules, manner.trigger), _without_inventions(manner.phrases)):
                changed, words = change(text)
                if changed != text:
                    text, said = changed, [*said, words]
        is_as_it_was = not said and suffix == file.path.suffix and not file.more and _is_utf8(file.path)
        said += [f"named {suffix}"] if suffix != file.path.suffix else []
        lacked = min(rules & LACKS_TRIGGER, default="")
        rule = lacked if said and "trigger" in said[0] else "invented" if said else ""
        yield Piece(file.path, target, "; ".join(said), rule, text=None if is_as_it_was else text)


Change = Callable[[str], tuple[str, str]]
LACKS_TRIGGER = frozenset({"no_trigger", "never_trigger"})


def _with_trigger(rules: set[str], trigger: str) -> Change:
    """What puts the trigger in front, where a check missed it."""
    if not trigger or rules.isdisjoint(LACKS_TRIGGER):
        return lambda text: (text, "")
    return lambda text: (f"{trigger}, {text}" if text else trigger, f"trigger `{trigger}` put first")


def _without_inventions(phrases: PhraseList) -> Change:
    def change(text: str) -> tuple[str, str]:
        found = [one for one in phrases.found_in(text) if one.phrase.kind == "invented"]
        bare = phrases.without(text) if found else text
        named = ", ".join(f"`{one.words}`" for one in found)
        return (bare, f"taken out: {named}") if bare else (text, "")

    return change


def _is_utf8(path: Path) -> bool:
    """Whether the file is plain UTF-8 of one reading."""
    try:
        return caption_text(path).encode() == bytes_within(path, MOST_OF_A_CAPTION)
    except (UserError, OSError):
        return False


def _other_kinds(folder: Folder, name: tuple[Path, str]) -> Iterator[Piece]:
    """Pictures of kinds that training does not look for."""
    if folder.role == Role.REFERENCE or folder.is_parent:
        return
    for path in folder.listing.others:
        if path.suffix.lower() in OTHER_KINDS:
            yield Piece(path, name[0] / f"{path.stem}.png", "saved as PNG", "unseen_picture", anew=True)
            yield from (Piece(file, name[0] / file.name) for file in folder.captions.get(path.stem, ())[:1])


def _aside(survey: Survey, found: Mapping[Path, Sequence[Finding]], kept: frozenset[str]) -> dict[Path, str]:
    """The pictures that are set aside, with the rule."""
    chosen: dict[Path, str] = {}
    for one in survey.pictures:
        rules = [finding.rule for finding in found.get(one.path, ())]
        rule = next((rule for rule in SET_ASIDE if rule in rules and rule not in kept), None)
        if rule:
            chosen[one.path] = rule
    whole = [one.path for one in survey.train]
    left = len(whole) - sum(path in chosen for path in whole)
    for path in whole:
        rules = [finding.rule for finding in found.get(path, ())]
        rule = next((rule for rule in SET_ASIDE_IF_ENOUGH if rule in rules and rule not in kept), None)
        if rule and path not in chosen and left - 1 >= max(ENOUGH, ENOUGH_SHARE * len(whole)):
            chosen[path] = rule
            left -= 1
    return chosen


def _apart(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """No two at one place: the later gets another name. A caption goes with its picture, so such a one is told."""
    taken: set[Path] = set()
    for one in pieces:
        target, number = one.target, 2
        while target in taken:
            target = one.target.with_stem(f"{one.target.stem}-{number}")
            number += 1
        taken.add(target)
        yield (
            one
            if target == one.target
            else Piece(
                one.source, target, f"{one.done}; called {target.name}".lstrip("; "), one.rule, one.anew, one.text
            )
        )
