"""What `trainer regularize` did, in words and for programs."""

from __future__ import annotations

from collections.abc import Iterator

from trainer.regularizing.acceptance import FAULTS
from trainer.regularizing.regularize import Regularized

MEANING = {
    "shows nothing": "black, flat or broken",
    "no face": "no face in it",
    "like the subject": "its face is like the subject's",
    "there already": "the same as a reg picture that is there, or nearly so",
    "a training picture": "the same as a training picture, or nearly so",
}


def in_words(done: Regularized) -> Iterator[str]:
    """Where the pictures are, what was rejected and why, how near the kept ones come, and what to do next."""
    request = done.request
    yield f"{len(done.kept)} of {request.count} reg pictures of `{request.class_word}` are in {request.folder}"
    kept = f"{done.drawn} were drawn in all" + (
        f", {done.drawn_now} of them now" if done.drawn_now < done.drawn else ""
    )
    yield f"{kept}; of {len(request.prompts)} prompts made of the captions, `{request.prompts[0]}` the first"
    for fault in FAULTS:
        if number := done.rejected.get(fault, 0):
            yield f"  rejected {number}: {MEANING[fault]}"
    yield from _of_likeness(done)
    yield from _of_use(done)
    yield from _next(done)


def as_json(done: Regularized) -> dict[str, object]:
    """For programs."""
    request, subject = done.request, done.subject
    return {
        "folder": str(request.folder),
        "count": request.count,
        "kept": len(done.kept),
        "drawn": done.drawn,
        "drawn_now": done.drawn_now,
        "rejected": {fault: done.rejected.get(fault, 0) for fault in FAULTS},
        "prompts": list(request.prompts),
        "trigger": request.trigger,
        "class": request.class_word,
        "faces": request.faces,
        "likeness_limit": None if subject is None else subject.limit,
        "likeness_of_subject": None if subject is None else subject.own,
        "likeness_highest": done.highest,
        "used_by_the_run": request.uses,
        "seconds": done.seconds,
    }


def _of_likeness(done: Regularized) -> Iterator[str]:
    if done.request.faces is None:
        yield "note: no face was looked at, so look through them yourself for the subject and for what is no such class"
    elif done.subject is not None and done.highest is not None:
        subject = done.subject
        yield (
            f"likeness to the subject: {done.highest:.2f} at most, where {subject.limit:.2f} counts as the subject and "
            f"its own {subject.faces} faces have {subject.own:.2f} (cosines, face pack {done.request.faces})"
        )
    elif done.drawn_now:
        yield "note: no training picture shows a face, so none could be told from the subject's"


def _of_use(done: Regularized) -> Iterator[str]:
    uses, there = done.request.uses, len(done.kept)
    if there > uses:
        yield f"note: the run looks at {uses} reg pictures in all, so {there - uses} of these are never used"
    elif there:
        yield f"the run looks at {uses} reg pictures in all: at each of these {uses / there:.1f} times"


def _next(done: Regularized) -> Iterator[str]:
    request = done.request
    if not done.is_whole:
        most = max(done.rejected, key=lambda fault: done.rejected[fault], default="shows nothing")
        yield (
            f"stopped short: of {done.drawn} pictures most were rejected ({MEANING[most]}); see what the base model "
            f"draws of `{request.prompts[0]}`, change the captions or the class word, or use another base model"
        )
        return
    yield f'next: reg = "{request.folder.parent}" under [data], if it is not there yet, and trainer run'
