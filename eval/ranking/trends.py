"""What a grid shows over epochs and weights, in sentences, each said only where its interval excludes 0.

All intervals that are looked at hold at once (Bonferroni), so looking at many figures and epochs invents nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.ranking.evidence import Evidence
from eval.ranking.limits import Limits
from eval.ranking.scores import Scores
from eval.request.epochs.training_order import in_training_order
from eval.statistics.contrasts import Estimate, PictureScores, difference, mean_of, slope
from eval.wording.trend_words import (
    AXES,
    BLEED,
    COPY,
    FACES,
    FIGURES,
    IDENTITY,
    MAY_OVERDO,
    OVERDOES,
    PROMPT,
    RISES_FALLS,
    titles_of,
)
from foundation.wording.said import in_series, listed_with_and, say

# Differences of cosines below this are not worth a sentence, however sure.
NOTICEABLE = 0.01
# Parts that few families have, as axes.
BEYOND = {"TEnc 3": "te3", "adapter": "adapter"}


@dataclass(frozen=True)
class Trend:
    """A sentence, and the cells (rows of the evidence) that it concerns."""

    text: str
    cells: frozenset[int]


@dataclass(frozen=True)
class Axis:
    """What is looked along: a level each cell (C,), NaN where it has none; `blocks` is all else about a cell."""

    name: str
    levels: np.ndarray
    blocks: list[Hashable]

    @property
    def steps(self) -> list[float]:
        """The levels that there are, ascending."""
        return sorted(set(self.levels[np.isfinite(self.levels)].tolist()))


def trends(evidence: Evidence, scores: Scores, limits: Limits) -> list[Trend]:
    """All that can be said, the most useful first."""
    figures = picture_scores(scores, limits)
    if evidence.subject == "image":
        del figures[FACES]
    # A file under two names is one cell: it is counted once, by a name that has a number, and concerned twice.
    ids = [cell.id for cell in evidence.cells]
    stands = {cell.id: at for at, cell in reversed(list(enumerate(evidence.cells)))}
    stands |= {cell.id: at for at, cell in reversed(list(enumerate(evidence.cells))) if cell.trained.is_numbered}
    # And of one's own checkpoints: a guest is of another training, and says nothing of this one.
    own = np.array([cell.guest is None for cell in evidence.cells])
    once = np.array([stands[one] == at for at, one in enumerate(ids)]) & own
    if not once.any():
        return []
    weights = _weight_axes(evidence, once)
    looks = len(figures) * (len(weights) + 1)
    said = _pulling_apart(figures[IDENTITY], weights)
    left = [figure for name, figure in figures.items() if not (said and name == IDENTITY)]
    for axis in weights:
        said += [one for figure in left for one in _above(figure, axis) or _direction(figure, axis, looks)]
    overdone = {name: _overdoing(figures[name], evidence, once) for name in (COPY, BLEED)}
    said += [one for found in overdone.values() for one in found]
    if epochs := _epoch_axis(evidence, once):
        said += _peak(figures[IDENTITY], epochs, looks)
        unsaid = [figures[name] for name in (BLEED, COPY, PROMPT, FACES) if name in figures and not overdone.get(name)]
        said += [one for figure in unsaid for one in _direction(figure, epochs, looks)]
    twins: dict[str, list[int]] = {}
    for at, one in enumerate(ids):
        twins.setdefault(one, []).append(at)
    return [Trend(one.text, frozenset(twin for at in one.cells for twin in twins[ids[at]])) for one in said]


def picture_scores(scores: Scores, limits: Limits) -> dict[str, PictureScores]:
    """What trends are looked for in, more being worse where there is a limit."""

    def limit(share: float | None, scale: float) -> float:
        return np.nan if share is None else share * scale

    subject, words = scores.prompts, scores.words
    # Each cell by the prompt that copies most there, which is what its row shows.
    copied = scores.copying.pictures
    # Of several prompts the worst lies above 0 by the choice alone, by up to half the interval that allows for it.
    most_copied = float(np.maximum(limit(limits.copy, 1.0), scores.copying.half))
    found = [
        PictureScores(IDENTITY, scores.counted, subject),
        PictureScores(
            BLEED,
            scores.bleed_counted,
            scores.bleed_judged_prompts,
            limit(limits.bleed, scores.span),
            words,
            scores.bleed_seen,
        ),
        PictureScores(COPY, copied, [COPY] * copied.shape[1], most_copied, words, scores.copying.pictures_seen),
        PictureScores(
            PROMPT,
            scores.prompt_changes,
            subject,
            -limit(limits.prompt, scores.prompt_scale),
            words,
            scores.prompt_seen,
        ),
        PictureScores(FACES, scores.faces_seen.astype(float), subject),
    ]
    return {one.name: one for one in found}


def breaks_limit(figure: PictureScores, value: float) -> bool:
    """Whether a value is past the figure's limit: below it for what is lost, above it for what is spilt."""
    return value < figure.limit if figure.name == PROMPT else value > figure.limit


def _epoch_axis(evidence: Evidence, once: np.ndarray) -> Axis | None:
    """The training as an axis: its epochs, or its steps. None where both are not known, or belong to several runs."""
    own = {cell.checkpoint: cell.trained for cell, own in zip(evidence.cells, once, strict=True) if own}.values()
    blocks: list[Hashable] = [(str(cell.weights), cell.also) for cell in evidence.cells]
    for name, at in (("epoch", 0), ("step", 1)):
        numbers = [one[at] for one in own]
        if None not in numbers and len(set(numbers)) == len(numbers) > 1:
            levels = np.array([cell.trained[at] for cell in evidence.cells], dtype=float)
            return Axis(name, np.where(once, levels, np.nan), blocks)
    return None


def _weight_axes(evidence: Evidence, once: np.ndarray) -> list[Axis]:
    weights = [cell.weights for cell in evidence.cells]
    names = {"UNet": "unet", "TEnc": "te1"}
    if any(one.te1 != one.te2 for one in weights):
        names = {"UNet": "unet", "TEnc 1": "te1", "TEnc 2": "te2"}
    together = "TEnc" in names
    names |= {title: part for title, part in BEYOND.items() if any(part in one.beyond for one in weights)}

    def block(at: int, name: str) -> Hashable:
        kept = {part: weights[at].on(part) for part in names.values() if part != name}
        apart = {} if together or name == "te2" else {"te2": weights[at].te2}
        return evidence.cells[at].checkpoint, evidence.cells[at].also, tuple((kept | apart).items())

    return [
        Axis(
            title,
            np.where(once, [one.on(name) for one in weights], np.nan),
            [block(at, name) for at in range(len(weights))],
        )
        for title, name in names.items()
    ]


def _pulling_apart(identity: PictureScores, axes: Sequence[Axis]) -> list[Trend]:
    """UNet and TEnc at odds: one raises likeness and the other lowers it, or which way TEnc goes hangs on the UNet."""
    if len(axes) != 2:
        return []
    unet, te = axes
    if len(unet.steps) < 2 or len(te.steps) < 2:
        return []
    up, along = (identity.estimate(_range_of(axis), 4) for axis in axes)
    everyone = frozenset(np.flatnonzero(np.isfinite(unet.levels)).tolist())
    if up.sign * along.sign < 0:
        rises = say(
            "UNet and TEnc pull apart: likeness rises with the UNet weight, {levels}: {figure}, and falls with the "
            "TEnc weight, {levels_of_te}: {figure_of_te}"
        )
        falls = say(
            "UNet and TEnc pull apart: likeness falls with the UNet weight, {levels}: {figure}, and rises with the "
            "TEnc weight, {levels_of_te}: {figure_of_te}"
        )
        found = {"levels": _between(unet), "figure": up, "levels_of_te": _between(te), "figure_of_te": along}
        return [Trend((rises if up.sign > 0 else falls).with_values(**found), everyone)]
    ends = unet.steps[0], unet.steps[-1]
    low, high = (identity.estimate(_range_of(te, unet.levels == end), 4) for end in ends)
    if low.sign * high.sign >= 0:
        return []
    text = say(
        "UNet and TEnc pull apart: more TEnc, {levels}, changes likeness by {low} at UNet {least} and by {high} at "
        "UNet {most}",
        levels=_between(te),
        low=low,
        least=f"{ends[0]:g}",
        high=high,
        most=f"{ends[1]:g}",
    )
    return [Trend(text, everyone)]


def _above(figure: PictureScores, axis: Axis) -> list[Trend]:
    """The level above which all levels are past the figure's limit, and up to which none is."""
    steps = axis.steps
    past = [breaks_limit(figure, _mean(figure, axis.levels == one)) for one in steps]
    first = past.index(True) if True in past else 0
    if first == 0 or not all(past[first:]):
        return []
    upper, lower = axis.levels >= steps[first], axis.levels < steps[first]
    known = figure.known
    apart = difference(axis.blocks, upper & known, lower & known)
    found = figure.estimate(apart, len(steps) - 1)
    if found.sign == 0 or breaks_limit(figure, 0.0) or (found.sign < 0) != (figure.name == PROMPT):
        return []
    high, low = (f"{_mean(figure, group):+.3f}" for group in (upper, lower))
    told = {"axis": AXES[axis.name], "level": f"{steps[first - 1]:g}", "figure": FIGURES[figure.name]}
    told |= {"high": high, "low": low}
    if not breaks_limit(figure, _mean(figure.of_seen, upper)):
        may, lost = map(figure.words.filled_in, MAY_OVERDO[figure.name])
        text = say(
            "{axis} above {level} {does}: {figure} {high} there and {low} up to it, but {lost}", **told, lost=lost
        )
        return [Trend(text.with_values(does=may), _places(upper))]
    does = figure.words.filled_in(OVERDOES[figure.name][0])
    text = say(
        "{axis} above {level} {does}: {figure} {high} there and {low} up to it; with all else the same {more} more",
        **told,
        does=does,
        more=found,
    )
    return [Trend(text, _places(upper))]


def _direction(figure: PictureScores, axis: Axis, looks: int) -> list[Trend]:
    """Which way a figure goes over the whole axis."""
    if len(axis.steps) < 2 or _never_above_zero(figure, axis):
        return []
    found, by_seen = (one.estimate(_range_of(axis, figure.known), looks) for one in (figure, figure.of_seen))
    if found.sign == 0 or min(abs(found.value), found.sign * by_seen.value) < NOTICEABLE:
        return []
    way = figure.words.filled_in(RISES_FALLS[figure.name][0 if found.sign > 0 else 1])
    over = {"epoch": say("over the epochs"), "step": say("over the steps")}
    weight = say("with the {axis} weight", axis=AXES[axis.name])
    told = {"over": over.get(axis.name, weight), "levels": _between(axis), "figure": found}
    text = say("{goes} {over}, {levels}: {figure}", goes=way, **told)
    return [Trend(text, _places(np.isfinite(axis.levels)))]


def _never_above_zero(figure: PictureScores, axis: Axis) -> bool:
    """Whether all that is seen of a cost is below 0: that is chance, and no way from there to there means anything."""
    return figure.name in (BLEED, COPY) and not any(_mean(figure, axis.levels == one) > 0 for one in axis.steps)


def _overdoing(figure: PictureScores, evidence: Evidence, once: np.ndarray) -> list[Trend]:
    """Checkpoints whose cells together are past the figure's limit, surely beyond nothing at all."""
    names = [cell.checkpoint for cell in evidence.cells]
    trained = {cell.checkpoint: cell.trained for cell, own in zip(evidence.cells, once, strict=True) if own}
    checkpoints = in_training_order(trained, trained.__getitem__)
    called = titles_of(trained)
    sure: dict[str, tuple[Estimate, frozenset[int]]] = {}
    perhaps: dict[str, tuple[Estimate, frozenset[int]]] = {}
    for checkpoint in checkpoints:
        own = np.array([name == checkpoint for name in names]) & once & figure.known
        estimate, by_seen = (one.estimate(mean_of(own), len(checkpoints)) for one in (figure, figure.of_seen))
        if estimate.sign > 0 and breaks_limit(figure, estimate.value):
            (sure if breaks_limit(figure, by_seen.value) else perhaps)[called[checkpoint]] = estimate, _places(own)
    said: list[Trend] = []
    if sure:
        who, several = _who(list(sure), len(checkpoints))
        does = figure.words.filled_in(OVERDOES[figure.name][several])
        figures = [say("{name} {value}", name=name, value=estimate) for name, (estimate, _) in sure.items()]
        shown = str(next(iter(sure.values()))[0]) if len(sure) == 1 else in_series(figures)
        told = {"checkpoints": who, "figure": FIGURES[figure.name], "values": shown}
        said.append(Trend(say("{checkpoints} {does}: {figure} {values}", does=does, **told), _concerned(sure)))
    if perhaps:
        may, lost = map(figure.words.filled_in, MAY_OVERDO[figure.name])
        values = {name: f"{estimate.value:+.3f}" for name, (estimate, _) in perhaps.items()}
        figures = [say("{name} {value}", name=name, value=value) for name, value in values.items()]
        shown = next(iter(values.values())) if len(perhaps) == 1 else in_series(figures)
        who, _ = _who(list(perhaps), len(checkpoints))
        told = {"checkpoints": who, "figure": FIGURES[figure.name], "values": shown, "lost": lost}
        text = say("{checkpoints} {does}: {figure} {values}, but {lost}", does=may, **told)
        said.append(Trend(text, _concerned(perhaps)))
    return said


def _who(names: Sequence[str], of: int) -> tuple[str, int]:
    """What to call some of the checkpoints, and whether the verb is of several (1) or of one (0)."""
    every = len(names) == of > 1
    return say("every checkpoint") if every else listed_with_and(names), 0 if every or len(names) == 1 else 1


def _concerned(found: Mapping[str, tuple[Estimate, frozenset[int]]]) -> frozenset[int]:
    return frozenset[int]().union(*(cells for _, cells in found.values()))


def _peak(identity: PictureScores, axis: Axis, looks: int) -> list[Trend]:
    """Whether likeness has passed its best epoch, or still rises at the last one."""
    steps = axis.steps
    means = [_mean(identity, axis.levels == one) for one in steps]
    best = int(np.argmax(means))
    last = axis.levels == steps[-1]
    against = steps[best] if best < len(steps) - 1 else steps[-2]
    found = identity.estimate(difference(axis.blocks, last, axis.levels == against), looks)
    if found.sign == 0 or abs(found.value) < NOTICEABLE:
        return []
    told = {"last": _level(axis, steps[-1]), "other": _level(axis, against), "figure": found}
    if best < len(steps) - 1 and found.sign < 0:
        text = say(
            "likeness is past its best: {last} differs from {other} by {figure}; the training went on for too long, or "
            "too strongly",
            **told,
        )
        return [Trend(text, _places(axis.levels > against))]
    if best == len(steps) - 1 and found.sign > 0:
        rises = say("likeness still rises at the end: {last} differs from {other} by {figure}; {more}", **told)
        more = say("more epochs may bring more") if axis.name == "epoch" else say("more steps may bring more")
        return [Trend(rises.with_values(more=more), _places(last))]
    return []


def _level(axis: Axis, level: float) -> str:
    """An epoch, or a step, by its number."""
    return say("{axis} {level}", axis=AXES[axis.name], level=f"{level:g}")


def _mean(figure: PictureScores, group: np.ndarray) -> float:
    """The mean over the cells of `group` (C,) that have the figure, NaN where none has."""
    known = group & figure.known
    return float(figure.means[known].mean()) if known.any() else np.nan


def _range_of(axis: Axis, group: np.ndarray | None = None) -> np.ndarray:
    """Weights (C,) of the change from the axis's lowest level to its highest, by the slope among `group`."""
    levels = axis.levels if group is None else np.where(group, axis.levels, np.nan)
    return slope(axis.blocks, levels) * (axis.steps[-1] - axis.steps[0])


def _between(axis: Axis) -> str:
    return say("from {low} to {high}", low=f"{axis.steps[0]:g}", high=f"{axis.steps[-1]:g}")


def _places(group: np.ndarray) -> frozenset[int]:
    return frozenset(np.flatnonzero(group).tolist())
