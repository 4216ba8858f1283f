"""What was not said is asked, one thing at a time; an answer that cannot be used is said so, and asked again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from foundation.errors import ConfigurationError, UserError
from trainer.starting.caption_words import guessed_trigger, read_captions
from trainer.starting.request import REFERENCES, StartRequest
from trainer.starting.subject_facts import pictures_in, read_base, read_data

ENOUGH, SHARE = 8, 5  # references: so many, or one in so many of the pictures where there are few


class Ask(Protocol):
    """Puts a question with the answer that stands if nothing is typed, and gives back what was answered."""

    def __call__(self, question: str, otherwise: str, /) -> str: ...


def answered(request: StartRequest, ask: Ask, say: Callable[[str], None]) -> StartRequest:
    """The request with all that is still to be said; what was given is not asked for."""

    def until_it_can_be_used(question: str, otherwise: str, use: Callable[[str], StartRequest]) -> StartRequest:
        while True:
            try:
                return use(ask(question, otherwise).strip())
            except UserError as error:
                say(str(error))

    if request.base is None:
        request = until_it_can_be_used(
            "The base model (a .safetensors file, a diffusers folder or a hub id)",
            "",
            lambda said: _base(request, said),
        )
    if request.train is None:
        request = until_it_can_be_used(
            "The training pictures (the folder that holds `<repeats>_<words>` folders)",
            "",
            lambda said: _train(request, said),
        )
        request = until_it_can_be_used(
            "Reg pictures, of others of the class (such a folder; empty: none)", "", lambda said: _reg(request, said)
        )
    request = _of_the_subject(request, until_it_can_be_used)
    if request.references is None and request.hold_out is None:
        count = _good_number(request)
        request = until_it_can_be_used(
            "References, which are not trained on: a folder, or a number of training pictures to move out",
            str(count),
            lambda said: _references(request, said),
        )
    return _moving(request, until_it_can_be_used)


def _of_the_subject(request: StartRequest, until: Callable[..., StartRequest]) -> StartRequest:
    assert request.train is not None
    dataset = read_data(request.train, request.reg)
    trigger, class_word = guessed_trigger([one.folder for one in dataset.train]) or ("", "person")

    def named(said: str) -> StartRequest:
        if not said:
            raise ConfigurationError("the trigger is the subject's own word in the captions; name it")
        read_captions([one.caption for one in dataset.train], said, request.class_word or " ")
        return replace(request, trigger=said)

    def kind(said: str) -> StartRequest:
        read_captions([one.caption for one in dataset.train], request.trigger or "", said)
        return replace(request, class_word=said)

    if request.trigger is None:
        request = until("The trigger, as the captions write it", trigger, named)
    if request.class_word is None:
        request = until("The class: what the subject is (person, woman, dog)", class_word, kind)
    return request


def _moving(request: StartRequest, until: Callable[..., StartRequest]) -> StartRequest:
    if request.hold_out is None or request.moved:
        return request
    where = request.references or request.folder / REFERENCES

    def agreed(said: str) -> StartRequest:
        return replace(request, moved=said.casefold() in ("y", "yes"))

    question = f"Move {request.hold_out} training pictures and their captions to {where}? (y/n)"
    return until(question, "n", agreed)


def _good_number(request: StartRequest) -> int:
    assert request.train is not None
    return max(1, min(ENOUGH, len(read_data(request.train, None).train) // SHARE))


def _base(request: StartRequest, said: str) -> StartRequest:
    if not said:
        raise ConfigurationError("a base model is what the LoRA is trained on; name one")
    read_base(said)
    return replace(request, base=said)


def _train(request: StartRequest, said: str) -> StartRequest:
    if not said:
        raise ConfigurationError("the training pictures lie in a folder; name it")
    read_data(Path(said), None)
    return replace(request, train=Path(said))


def _reg(request: StartRequest, said: str) -> StartRequest:
    if said and request.train is not None:
        read_data(request.train, Path(said))
    return replace(request, reg=Path(said) if said else None)


def _references(request: StartRequest, said: str) -> StartRequest:
    if said.isdigit():
        return replace(request, hold_out=int(said))
    pictures_in(Path(said))
    return replace(request, references=Path(said))
