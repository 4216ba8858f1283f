"""The sample pictures of a run: drawn once an epoch, measured, and shown on one sheet and one curve."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from torch import nn

from base_models.drawing.png import parameters_of, png_of
from base_models.drawing.samplers import SAMPLERS
from base_models.pictures.picture_file import UnreadablePictureError, opened_picture
from foundation.files import whole_file
from foundation.progress import Reporter
from trainer.config.config import TrainConfig
from trainer.data.dataset import Dataset
from trainer.guarding.fixed_loss import adapters_off
from trainer.learning.run_state import RunState
from trainer.records.record import samples_folder
from trainer.running.session import Session
from trainer.samples.chart import write_chart
from trainer.samples.curve import Curve, EpochSamples, Identity, read_curve, write_curve
from trainer.samples.drawing_in_training import draw_on
from trainer.samples.sheet import write_sheet

if TYPE_CHECKING:  # insightface takes seconds to import, and not every run measures
    from trainer.samples.sample_identity import IdentityMeasure

BASE = 0  # the base model's pictures stand where an epoch before the first would


class SamplePictures:
    """Draws what is due and not there yet. `curve` is what was drawn so far.

    Nothing that fails here stops a run: it is said, and stands in the curve. `measure`: of identity, where it is asked.
    """

    def __init__(self, session: Session, run: str, reporter: Reporter, measure: IdentityMeasure | None) -> None:
        config = session.config
        self._session, self._asked, self._reporter = session, config.samples, reporter
        self._folder, self._last = samples_folder(config), config.training.epochs
        self._drawing = config.drawing_on(session.updater.setup.base.family)
        self._measure = measure
        scale = self._measure and self._measure.scale
        asked = [run, repr(asdict(self._drawing)), *self._asked.prompts, str(self._asked.seed), repr(scale)]
        request = hashlib.sha256("\n".join(asked).encode()).hexdigest()
        self.curve = read_curve(self._path("curve.json"), request) or Curve(request=request, scale=scale)
        self._base: np.ndarray | None = None

    def catch_up(self, run_state: RunState) -> list[EpochSamples]:
        """Draw the base model, and an epoch that a kill let end without pictures.

        Returns those of them that are of the weights as they are: the base model's only before the first step.
        """
        if not self.curve.has(BASE):
            base = self._session.updater.setup.base
            with adapters_off([cast(nn.Module, model) for model in (base.unet, *base.text_encoders)]):
                drawn = self._draw(BASE)
            if not run_state.done:
                return drawn
        ended = run_state.readings[-1]
        return self.after_epoch(ended.epoch) if run_state.done and ended.step == run_state.done else []

    def after_epoch(self, epoch: int) -> list[EpochSamples]:
        """Draw an epoch that has just ended, if it is due, and return it; the adapters are what it came to."""
        if self._asked.due(epoch, self._last) and not self.curve.has(epoch):
            return self._draw(epoch)
        return []

    def _draw(self, epoch: int) -> list[EpochSamples]:
        try:
            paths = self._pictures(epoch)
            names, identity = tuple(path.name for path in paths), self._identity(epoch, paths)
            drawn = EpochSamples(epoch=epoch, pictures=names, identity=identity)
            self.curve = self.curve.with_drawn(drawn)
            write_curve(self.curve, self._path("curve.json"))
            write_sheet(self.curve.drawn, self._asked.prompts, self._folder, self._path("sheet.png"))
            write_chart(self.curve, self._path("identity.png"))
            self._reporter.say(f"  {self._in_words(drawn)}")
            return [drawn]
        # Memory, disk, face pack, anything: hours of training are worth more than a look at them.
        except Exception as error:
            reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
            failed = EpochSamples(epoch=epoch, failed=reason)
            self.curve = self.curve.with_drawn(failed)
            self._reporter.say(f"note: {failed.note}")
            return []

    def _pictures(self, epoch: int) -> list[Path]:
        """The epoch's files; those that are there already, of this very run, are not drawn again."""
        prompts = self._asked.prompts
        name = f"{epoch:06d}" if epoch else "base"
        paths = [self._path(f"{name}-{number:02d}{_slug(prompt)}.png") for number, prompt in enumerate(prompts, 1)]
        texts = [self._parameters(epoch, number) for number in range(len(prompts))]
        missing = [at for at, path in enumerate(paths) if _parameters_in(path) != texts[at]]
        if missing:
            seeds = [self._asked.seed + at for at in missing]
            wanted, at_once = [prompts[at] for at in missing], self._session.config.training.batch_size
            with self._reporter.waiting(f"drawing {len(missing)} samples"):
                made = draw_on(self._session.updater.setup, self._drawing, wanted, seeds, at_once)
            for at, picture in zip(missing, made, strict=True):
                with whole_file(paths[at]) as beside:
                    beside.write_bytes(png_of(picture, texts[at]))
        return paths

    def _parameters(self, epoch: int, number: int) -> str:
        drawing = self._drawing
        facts = {
            "Steps": drawing.steps,
            "Sampler": SAMPLERS[drawing.sampler].a1111,
            "CFG scale": f"{drawing.cfg:g}",
            "Seed": self._asked.seed + number,
            "Size": f"{drawing.width}x{drawing.height}",
            "Clip skip": drawing.clip_skip,
            "RNG": "CPU",
            "Training": f"{self._session.config.output.name} epoch {epoch}",
            "Run": self.curve.request[:16],
        }
        return parameters_of(self._asked.prompts[number], drawing.negative, facts)

    def _identity(self, epoch: int, paths: Sequence[Path]) -> Identity | None:
        if self._measure is None:
            return None
        from trainer.samples.sample_identity import identity_of

        cosines = self._measure.cosines(paths)
        return identity_of(cosines, cosines if epoch == BASE else self._base_cosines(self._measure))

    def _base_cosines(self, measure: IdentityMeasure) -> np.ndarray:
        """Of the base model's pictures, NaN where they could not be drawn."""
        if self._base is None:
            there = [one.pictures for one in self.curve.drawn if one.epoch == BASE and one.pictures]
            blank = np.full(len(self._asked.prompts), np.nan)
            self._base = measure.cosines([self._path(name) for name in there[0]]) if there else blank
        return self._base

    def _in_words(self, drawn: EpochSamples) -> str:
        """What is the same for all epochs is said of the first; where the sheet lies, the plan says."""
        where = f"samples of {'the ' if drawn.epoch == BASE else ''}{drawn.title}"
        if drawn.identity is None or self.curve.scale is None:
            return f"{where}: {len(drawn.pictures)} pictures"
        one, scale, floor = drawn.identity, self.curve.scale, self.curve.floor
        interval = "" if one.low is None else f" ({one.low:.3f} to {one.high:.3f}, 95 %)"
        found = f"{where}: identity {one.mean:.3f}{interval}, {one.faces} of {len(drawn.pictures)} with a face"
        if drawn.epoch != BASE:
            return found + (f", base model {floor.mean:.3f}" if floor else "")
        real = f", real pictures {scale.ceiling:.3f}" if scale.ceiling is not None else ""
        counted = "" if floor else "; a picture without a face counts -1, for the base model has none"
        return f"{found}{real}; {scale.references} references, face pack {scale.model}{counted}"

    def _path(self, name: str) -> Path:
        return self._folder / name


def opened_measure(config: TrainConfig, dataset: Dataset, reporter: Reporter) -> IdentityMeasure | None:
    """The measure of the samples' identity, where one is asked for; what is odd about its references is said.

    It needs no base model, so it is opened before one is loaded. Raises UserError for a face pack or references that
    cannot be used.
    """
    asked, side = config.samples, config.data.resolution
    if not asked.prompts or asked.faces is None:
        return None
    from trainer.samples.sample_identity import Allowed, open_identity_measure

    drawn_side = min(asked.width or side, asked.height or side)
    allowed = Allowed(asked.allow_trained, asked.allow_others)
    with reporter.waiting(f"loading the face pack {asked.faces}, and looking at the references"):
        opened = open_identity_measure(asked.faces, asked.references, dataset, drawn_side, allowed)
    for remark in opened.remarks:
        reporter.say(f"note: {remark}")
    return opened


def _slug(prompt: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", prompt.lower())[:40].strip("-")
    return f"-{words}" if words else ""


def _parameters_in(path: Path) -> str | None:
    """What a picture says of how it was drawn; None where it is not there, or not whole."""
    try:
        with opened_picture(path) as opened:
            opened.load()
            return opened.info.get("parameters")
    except UnreadablePictureError:
        return None
