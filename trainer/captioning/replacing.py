"""Find-and-replace over captions: whole words, or a regular expression."""

from __future__ import annotations

import re
from collections.abc import Sequence

from foundation.errors import ConfigurationError
from trainer.captioning.caption_files import Captioned, Change
from trainer.captioning.unwanted import PhraseList, mended


class PatternError(ConfigurationError):
    """What is to be found is no regular expression, or leaves a caption empty."""


def replacements(pictures: Sequence[Captioned], find: str, replace_by: str, *, regex: bool) -> list[Change]:
    """The captions that change. Raises PatternError, and TextFileError for a caption that is no text."""
    pattern = _pattern(find, regex)
    changes: list[Change] = []
    for one in pictures:
        if not (caption := one.caption()):
            continue
        try:
            changed = pattern.sub(replace_by if regex else replace_by.replace("\\", r"\\"), caption)
        except (re.error, IndexError) as error:
            raise PatternError(f"--replace: `{replace_by}` cannot be put in ({error})") from error
        if changed != caption:
            changes.append(_change(one, mended(changed)))
    return changes


def cleaned(pictures: Sequence[Captioned], unwanted: PhraseList) -> list[Change]:
    """The captions that have phrases that are not wanted, without them."""
    pairs = [(one, one.caption()) for one in pictures]
    return [_change(one, unwanted.without(caption)) for one, caption in pairs if unwanted.found_in(caption)]


def _change(one: Captioned, caption: str) -> Change:
    if not caption:
        raise PatternError(f"{one.file}: nothing would be left of its caption; write it anew, then run this again")
    return Change(one.file, caption)


def _pattern(find: str, regex: bool) -> re.Pattern[str]:
    if not find.strip():
        raise PatternError("--replace: nothing to be found; name the words that are to be replaced")
    if regex:
        try:
            return re.compile(find)
        except re.error as error:
            raise PatternError(f"--replace: `{find}` is no regular expression ({error})") from error
    left, right = (r"(?<!\w)" if find[0].isalnum() else ""), (r"(?!\w)" if find[-1].isalnum() else "")
    return re.compile(f"{left}{re.escape(find)}{right}")
