"""Looks: pictures of few steps, by which cells may be chosen; those that confirm have all steps.

They cost a share of a finished picture. To a store they are other pictures, as those of any grid of other steps are:
what is read of them never is a score of a finished one, and no ranking of the search shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from eval.grid.picture_maker import PictureMaker
from eval.request.cells import digest
from eval.request.plan import Plan
from eval.request.spec import GridSpec

# Of the base model's own looks so many have to show a face: where fewer do, more steps are taken.
LEAST_SEEN = 0.75
# Beyond this share of a finished picture's steps it is finished instead.
MOST = 0.5


def steps_tried(spec: GridSpec, plan: Plan, *, certify: bool) -> list[int]:
    """With how many steps looks may be drawn, in the order in which that is tried; none where cells are chosen by
    finished pictures: as it is asked, in a race, and where servers draw.
    """
    if spec.search.looks == "finished" or certify or spec.elsewhere is not None:
        return []
    steps, found = spec.search.look_steps, list[int]()
    while steps <= MOST * plan.sampling.steps:
        found.append(steps)
        steps *= 2
    return found


def plan_in(plan: Plan, steps: int) -> Plan:
    """The same plan, of pictures of so many steps."""
    return replace(plan, sampling=replace(plan.sampling, steps=steps))


def account_of(request: str, steps: int) -> str:
    """The hash under which a store keeps what a search has rendered as looks."""
    return digest("looks", request, steps)


def accounts_of(request: str, plan: Plan, tried: list[int]) -> Mapping[str, int]:
    """All that a search is billed by: hashes, with the UNet forwards of a picture."""
    looks = {account_of(request, steps): plan_in(plan, steps).sampling.forwards for steps in tried}
    return {request: plan.sampling.forwards, **looks}


def maker_of_looks(maker: PictureMaker, steps: int) -> PictureMaker:
    """The same maker, of pictures of so many steps, on the same base model."""
    return replace(maker, plan=plan_in(maker.plan, steps), request=account_of(maker.request, steps))
