"""What a grid shows over epochs and weights, in sentences, each said only where its interval excludes 0.

All intervals that are looked at hold at once (Bonferroni), so looking at many figures and epochs invents nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.ranking.evidence import Evidence
from eval.ranking.limits import Limits
from eval.ranking.scores import Scores
from eval.request.epochs.training_order import in_training_order
from eval.statistics.contrasts import Estimate, PictureScores, difference, mean_of, slope

# Differences of cosines below this are not worth a sentence, however sure.
NOTICEABLE = 0.01
IDENTITY, PROMPT, BLEED, COPY, FACES = "identity", "prompt", "bleed", "copy", "faces"
# In the words of the kind of subject (`SubjectWords.filled_in`).
RISES_FALLS = {
    IDENTITY: ("likeness rises", "likeness falls"),
    PROMPT: ("obedience to the prompt rises", "obedience to the prompt falls"),
    BLEED: ("bleeding into {others} grows", "bleeding into {others} shrinks"),
    COPY: ("copying of training pictures grows", "copying of training pictures shrinks"),
    FACES: ("pictures with a face become more", "pictures with a face become fewer"),
}
# What a group of cells does whose figure is over its limit: of one, of several.
OVERDOES = {
    BLEED: ("bleeds into {others}", "bleed into {others}"),
    COPY: ("copies its training pictures", "copy their training pictures"),
    PROMPT: ("no longer does what is asked", "no longer do what is asked"),
}
# What it may do where only the pictures that are lost put it there, and as what these count.
MAY_OVERDO = {
    BLEED: ("may bleed into {others}", "{lost} count as if they did; look at them"),
    COPY: ("may copy training pictures", "{lost} count as copies; look at them"),
    PROMPT: ("may no longer do what is asked", "failed pictures count as showing nothing of it; look at them"),
}
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
        ways = ["rises" if one.sign > 0 else "falls" for one in (up, along)]
        text = (
            f"UNet and TEnc pull apart: likeness {ways[0]} with the UNet weight, {_between(unet)}: {up}, "
            f"and {ways[1]} with the TEnc weight, {_between(te)}: {along}"
        )
        return [Trend(text, everyone)]
    ends = unet.steps[0], unet.steps[-1]
    low, high = (identity.estimate(_range_of(te, unet.levels == end), 4) for end in ends)
    if low.sign * high.sign >= 0:
        return []
    text = (
        f"UNet and TEnc pull apart: more TEnc, {_between(te)}, changes likeness by {low} at UNet {ends[0]:g} and by "
        f"{high} at UNet {ends[1]:g}"
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
    high, low = (_mean(figure, group) for group in (upper, lower))
    if not breaks_limit(figure, _mean(figure.of_seen, upper)):
        may, lost = map(figure.words.filled_in, MAY_OVERDO[figure.name])
        text = (
            f"{axis.name} above {steps[first - 1]:g} {may}: {figure.name} {high:+.3f} there and {low:+.3f} up to it, "
            f"but {lost}"
        )
        return [Trend(text, _places(upper))]
    does = figure.words.filled_in(OVERDOES[figure.name][0])
    text = (
        f"{axis.name} above {steps[first - 1]:g} {does}: {figure.name} {high:+.3f} there and "
        f"{low:+.3f} up to it; with all else the same {found} more"
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
    over_what = f"over the {axis.name}s" if axis.name in ("epoch", "step") else f"with the {axis.name} weight"
    return [Trend(f"{way} {over_what}, {_between(axis)}: {found}", _places(np.isfinite(axis.levels)))]


def _never_above_zero(figure: PictureScores, axis: Axis) -> bool:
    """Whether all that is seen of a cost is below 0: that is chance, and no way from there to there means anything."""
    return figure.name in (BLEED, COPY) and not any(_mean(figure, axis.levels == one) > 0 for one in axis.steps)


def _overdoing(figure: PictureScores, evidence: Evidence, once: np.ndarray) -> list[Trend]:
    """Checkpoints whose cells together are past the figure's limit, surely beyond nothing at all."""
    names = [cell.checkpoint for cell in evidence.cells]
    trained = {cell.checkpoint: cell.trained for cell, own in zip(evidence.cells, once, strict=True) if own}
    checkpoints = in_training_order(trained, trained.__getitem__)
    called = _titles(evidence, once)
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
        figures = "; ".join(f"{name} {estimate}" for name, (estimate, _) in sure.items())
        shown = str(next(iter(sure.values()))[0]) if len(sure) == 1 else figures
        said.append(Trend(f"{who} {does}: {figure.name} {shown}", _concerned(sure)))
    if perhaps:
        may, lost = map(figure.words.filled_in, MAY_OVERDO[figure.name])
        figures = "; ".join(f"{name} {estimate.value:+.3f}" for name, (estimate, _) in perhaps.items())
        shown = f"{next(iter(perhaps.values()))[0].value:+.3f}" if len(perhaps) == 1 else figures
        who, _ = _who(list(perhaps), len(checkpoints))
        said.append(Trend(f"{who} {may}: {figure.name} {shown}, but {lost}", _concerned(perhaps)))
    return said


def _who(names: Sequence[str], of: int) -> tuple[str, int]:
    """What to call some of the checkpoints, and whether the verb is of several (1) or of one (0)."""
    every = len(names) == of > 1
    return "every checkpoint" if every else _listed(names), 0 if every or len(names) == 1 else 1


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
    ending = f"{axis.name} {steps[-1]:g} differs from {axis.name} {against:g} by {found}"
    if best < len(steps) - 1 and found.sign < 0:
        text = f"likeness is past its best: {ending}; the training went on for too long, or too strongly"
        return [Trend(text, _places(axis.levels > against))]
    if best == len(steps) - 1 and found.sign > 0:
        return [Trend(f"likeness still rises at the end: {ending}; more {axis.name}s may bring more", _places(last))]
    return []


def _mean(figure: PictureScores, group: np.ndarray) -> float:
    """The mean over the cells of `group` (C,) that have the figure, NaN where none has."""
    known = group & figure.known
    return float(figure.means[known].mean()) if known.any() else np.nan


def _range_of(axis: Axis, group: np.ndarray | None = None) -> np.ndarray:
    """Weights (C,) of the change from the axis's lowest level to its highest, by the slope among `group`."""
    levels = axis.levels if group is None else np.where(group, axis.levels, np.nan)
    return slope(axis.blocks, levels) * (axis.steps[-1] - axis.steps[0])


def _between(axis: Axis) -> str:
    return f"from {axis.steps[0]:g} to {axis.steps[-1]:g}"


def _titles(evidence: Evidence, once: np.ndarray) -> dict[str, str]:
    """What to call each checkpoint: "epoch 12" (else "step 3000") where no other one is of it, else its file's name."""
    trained = {cell.checkpoint: cell.trained for cell, own in zip(evidence.cells, once, strict=True) if own}
    epochs, steps = Counter(one.epoch for one in trained.values()), Counter(one.step for one in trained.values())
    called = dict.fromkeys(trained, "")
    called |= {
        name: f"step {one.step}" for name, one in trained.items() if one.step is not None and steps[one.step] == 1
    }
    called |= {
        name: f"epoch {one.epoch}" for name, one in trained.items() if one.epoch is not None and epochs[one.epoch] == 1
    }
    return {name: title or name for name, title in called.items()}


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _places(group: np.ndarray) -> frozenset[int]:
    return frozenset(np.flatnonzero(group).tolist())
