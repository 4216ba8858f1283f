"""The rules about what the base model already makes of the trigger and of names; measured with `--base` alone."""

from __future__ import annotations

from foundation.wording.said import say
from trainer.checking.findings import Group, Severity
from trainer.checking.rules.rule import Rule

TRIGGER = Group.TRIGGER
MEASURED = say("the base model's own pictures of the word and of the class word, compared (docs/captions.md)")

KNOWN = Rule(
    "trigger_known",
    TRIGGER,
    Severity.MEND,
    say("the base model has an idea of its own of the trigger"),
    say("take a rarer trigger in captions and folder names"),
    MEASURED,
)
IN_PART = Rule(
    "trigger_half_known",
    TRIGGER,
    Severity.NOTE,
    say("the base model has some idea of its own of the trigger, or it cannot be told"),
    say("take a rarer trigger, or measure with more seeds"),
    MEASURED,
)
FREE = Rule(
    "trigger_free",
    TRIGGER,
    Severity.NOTE,
    say("the base model has hardly any idea of the trigger"),
    say("nothing"),
    MEASURED,
)
NAME_KNOWN = Rule(
    "name_known",
    TRIGGER,
    Severity.MEND,
    say("somebody named in captions whom the base model knows"),
    say("take the name out of the captions: it draws the base model's own person in"),
    MEASURED,
)
NAME = Rule(
    "name_unknown",
    TRIGGER,
    Severity.NOTE,
    say("somebody named in captions whom the base model does not know, or who was not measured"),
    say("if it is a name, take it out, so that the trigger alone names"),
    MEASURED,
)
UNMEASURED = Rule(
    "trigger_unmeasured",
    TRIGGER,
    Severity.NOTE,
    say("the trigger was not measured on the base model"),
    say("give what is missing"),
    MEASURED,
)

ROWS = (KNOWN, IN_PART, FREE, NAME_KNOWN, NAME, UNMEASURED)
