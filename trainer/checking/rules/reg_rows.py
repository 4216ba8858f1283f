"""The rules about reg pictures."""

from __future__ import annotations

from foundation.wording.said import say
from trainer.checking.findings import Group, Severity
from trainer.checking.rules.rule import KOHYA, STORY, Rule

REG, MEND, NOTE = Group.REG, Severity.MEND, Severity.NOTE
OTHERS = say("take pictures of others of the class (`trainer regularize` renders them)")

WRONG_CLASS = Rule("reg_wrong_class", REG, MEND, say("a reg picture that does not show the class"), OTHERS, STORY)
IS_SUBJECT = Rule(
    "reg_is_subject",
    REG,
    MEND,
    say("a reg picture of the subject: the class learns its face"),
    say("remove it"),
    STORY,
    "reg.likeness",
)
LIKE_SUBJECT = Rule(
    "reg_like_subject",
    REG,
    NOTE,
    say("a reg picture whose face is like the subject's"),
    say("look at it"),
    STORY,
    "reg.likeness_near",
)
IS_TRAIN = Rule(
    "reg_is_train",
    REG,
    MEND,
    say("a reg picture that is a training picture"),
    say("remove it from Reg where it shows the subject, from Train where it shows somebody else"),
    STORY,
)
TWINS = Rule("reg_twins", REG, NOTE, say("one reg picture twice"), say("keep one: it counts twice as much"), STORY)
FEW = Rule("reg_few", REG, MEND, say("fewer different reg pictures than training pictures"), OTHERS, STORY, "reg.few")
REPEATED = Rule(
    "reg_repeated",
    REG,
    NOTE,
    say("fewer different reg pictures than an epoch shows: they are shown again and again"),
    OTHERS,
    STORY,
)
UNUSED = Rule(
    "reg_unused",
    REG,
    NOTE,
    say("reg pictures that no step uses"),
    say("train for longer, or leave them out"),
    KOHYA,
)
SMALL = Rule(
    "reg_enlarged",
    REG,
    MEND,
    say("a reg picture smaller than it is trained at: blur is learned as the class"),
    say("use larger ones, or render them at the training size"),
    STORY,
    "quality.enlarged",
)
HAS_TRIGGER = Rule(
    "reg_has_trigger",
    REG,
    MEND,
    say("a reg caption with the trigger: it teaches that others are the subject"),
    say("say the class word in its place"),
    STORY,
)

ROWS = (WRONG_CLASS, IS_SUBJECT, LIKE_SUBJECT, IS_TRAIN, TWINS, FEW, REPEATED, UNUSED, SMALL, HAS_TRIGGER)
