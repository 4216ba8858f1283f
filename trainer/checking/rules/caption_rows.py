"""The rules about captions."""

from __future__ import annotations

from foundation.wording.said import say
from trainer.checking.findings import Group, Severity
from trainer.checking.rules.rule import KOHYA, OURS, STORY, Rule

CAPTIONS, ERROR, MEND, NOTE = Group.CAPTIONS, Severity.ERROR, Severity.MEND, Severity.NOTE

NOT_TEXT = Rule(
    "caption_no_text", CAPTIONS, ERROR, say("a caption that is no text"), say("save it as UTF-8 text"), OURS
)
NOT_UTF8 = Rule(
    "caption_not_utf8",
    CAPTIONS,
    NOTE,
    say("saved as UTF-16 or UTF-32: here it is read, kohya's trainer stops at it or reads rubbish"),
    say("save it as UTF-8 (`trainer prepare` does)"),
    KOHYA,
)
EMPTY = Rule(
    "empty_caption",
    CAPTIONS,
    ERROR,
    say("its first line is empty"),
    say("write the caption there, or remove the file"),
    OURS,
)
MORE_LINES = Rule(
    "several_lines",
    CAPTIONS,
    MEND,
    say("only the first line is the caption"),
    say("put all of it into one line"),
    KOHYA,
)
TOO_LONG = Rule(
    "long_caption",
    CAPTIONS,
    MEND,
    say("longer than is read: the rest is cut off"),
    say("shorten it, or set data.max_token_length to 150 or 225"),
    KOHYA,
    "captions.tokens",
)
NO_TRIGGER = Rule(
    "no_trigger",
    CAPTIONS,
    MEND,
    say("without the trigger: it teaches the trigger nothing"),
    say("begin it with the trigger"),
    STORY,
)
NEVER_TRIGGER = Rule(
    "never_trigger",
    CAPTIONS,
    ERROR,
    say("no caption has the trigger: it would mean nothing"),
    say("write it into the captions, or name the one they have with --trigger"),
    STORY,
)
TRIGGER_PART = Rule(
    "trigger_in_part",
    CAPTIONS,
    MEND,
    say("the trigger in part or in another spelling"),
    say("write it as elsewhere"),
    STORY,
)
ALSO_NAMED = Rule(
    "also_named",
    CAPTIONS,
    MEND,
    say("the trigger does not name the subject alone"),
    say("leave the other word out"),
    STORY,
)
NO_CLASS = Rule(
    "no_class_word",
    CAPTIONS,
    NOTE,
    say("without the class word, as the others have it"),
    say("write it behind the trigger"),
    STORY,
)
PERSON_NAMED = Rule(
    "person_named",
    CAPTIONS,
    MEND,
    say("a person's name, which brings the base model's own idea of them"),
    say("remove it"),
    STORY,
)
INVENTED = Rule(
    "invented",
    CAPTIONS,
    MEND,
    say("a phrase that captioners invent"),
    say("look at the picture, and remove what is not there"),
    STORY,
)
TOPICS = {"expression": say("expression"), "gaze": say("gaze"), "background": say("background")}
UNSAID = {
    topic: Rule(
        f"unsaid_{topic}",
        CAPTIONS,
        NOTE,
        say("says nothing of the {topic}", topic=word),
        say("say the {topic}, so that it is not learned", topic=word),
        STORY,
    )
    for topic, word in TOPICS.items()
}
MOSTLY_UNSAID = {
    topic: Rule(
        f"mostly_unsaid_{topic}",
        CAPTIONS,
        MEND,
        say("most captions say nothing of the {topic}", topic=word),
        say("say the {topic} of each, so that it is not learned with the subject", topic=word),
        STORY,
        "captions.unsaid",
    )
    for topic, word in TOPICS.items()
}
IDENTICAL = Rule(
    "identical_captions",
    CAPTIONS,
    MEND,
    say("many pictures share one caption: what differs is learned by chance"),
    say("say what differs"),
    STORY,
    "captions.identical",
)
SAME_CAPTION = Rule(
    "same_caption",
    CAPTIONS,
    NOTE,
    say("two pictures have the same caption"),
    say("say what differs"),
    STORY,
)

ROWS = (
    NOT_TEXT, NOT_UTF8, EMPTY, MORE_LINES, TOO_LONG, NO_TRIGGER, NEVER_TRIGGER, TRIGGER_PART, ALSO_NAMED, NO_CLASS,
    PERSON_NAMED, INVENTED, *UNSAID.values(), *MOSTLY_UNSAID.values(), IDENTICAL, SAME_CAPTION,
)  # fmt: skip
