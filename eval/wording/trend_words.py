"""What a grid shows over epochs and weights is said with these words: its figures, its axes, and what goes wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from eval.request.epochs.training_order import Trained
from foundation.wording.said import say

IDENTITY, PROMPT, BLEED, COPY, FACES = "identity", "prompt", "bleed", "copy", "faces"
# How figures and axes are called in sentences; these are told by their names.
FIGURES = {PROMPT: say("prompt"), BLEED: say("bleed"), COPY: say("copy")}
AXES = {
    str(name): name
    for name in (
        say("epoch"), say("step"), say("UNet"), say("TEnc"), say("TEnc 1"), say("TEnc 2"), say("TEnc 3"),
        say("adapter"),
    )
}  # fmt: skip
# In the words of the kind of subject (`SubjectWords.filled_in`).
RISES_FALLS = {
    IDENTITY: (say("likeness rises"), say("likeness falls")),
    PROMPT: (say("obedience to the prompt rises"), say("obedience to the prompt falls")),
    BLEED: (say("bleeding into {others} grows"), say("bleeding into {others} shrinks")),
    COPY: (say("copying of training pictures grows"), say("copying of training pictures shrinks")),
    FACES: (say("pictures with a face become more"), say("pictures with a face become fewer")),
}
# What a group of cells does whose figure is over its limit: of one, of several.
OVERDOES = {
    BLEED: (say("bleeds into {others}"), say("bleed into {others}")),
    COPY: (say("copies its training pictures"), say("copy their training pictures")),
    PROMPT: (say("no longer does what is asked"), say("no longer do what is asked")),
}
# What it may do where only the pictures that are lost put it there, and as what these count.
MAY_OVERDO = {
    BLEED: (say("may bleed into {others}"), say("{lost} count as if they did; look at them")),
    COPY: (say("may copy training pictures"), say("{lost} count as copies; look at them")),
    PROMPT: (
        say("may no longer do what is asked"),
        say("failed pictures count as showing nothing of it; look at them"),
    ),
}


def titles_of(trained: Mapping[str, Trained]) -> dict[str, str]:
    """What to call each checkpoint: "epoch 12" (else "step 3000") where no other one is of it, else its file's name."""
    epochs, steps = Counter(one.epoch for one in trained.values()), Counter(one.step for one in trained.values())
    called: dict[str, str] = {}
    for name, one in trained.items():
        called[name] = name
        if one.epoch is not None and epochs[one.epoch] == 1:
            called[name] = say("epoch {number}", number=one.epoch)
        elif one.step is not None and steps[one.step] == 1:
            called[name] = say("step {number}", number=one.step)
    return called
