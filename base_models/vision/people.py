"""How many people a set of faces holds, told from the faces' own likenesses: no cosine means the same to two models.

A group is grown from the tightest part of the set. A face stays out of it where it is further from the group than the
group's own spread explains: with few faces the spread is hardly known, so more is asked for. Arrays in, arrays out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from foundation.typed.untyped import untyped

FEWEST = 4  # faces; of three, any two are the nearest
LEAST_GROUP = 3
LEAST_SHARE = 0.5  # of all faces, where the group begins: of a smaller tight part, the rest of a person is far off
COPY = 0.1  # of the median distance: nearer faces are one picture twice, and say nothing of how a person varies
# Deviations of the group's own cosines that a stranger lies away from it: so many in a large set, and more in a small
# one. Measured on drawn people and on models of several recognisers (docs/log.md), for one false alarm in fifty.
FAR, FAR_IN_FEW = 2.5, 40.0
# Where a few faces of a person are much further off than most, the spread of the rest says less: a group whose
# cosines' deviation is this share of their mean distance is the common case, and within these bounds counts in full.
USUAL_SPREAD, LEAST_SPREAD, MOST_SPREAD = 0.4, 0.7, 2.2


def people_in(faces: np.ndarray) -> np.ndarray:
    """(N,) the number of the person that each face (N, D), a unit vector, shows; 0 is who most of them show.

    Fewer than four faces, and such as show no group of three, are taken for one person: nothing tells them apart.
    """
    cosines = np.asarray(faces, dtype=np.float64) @ np.asarray(faces, dtype=np.float64).T
    first = _first_of_copies(cosines)
    kept = np.unique(first)
    people = _people_in(cosines[np.ix_(kept, kept)])
    return people[np.searchsorted(kept, first)]


def _first_of_copies(cosines: np.ndarray) -> np.ndarray:
    """(N,) the first face that each is a copy of: itself, mostly."""
    count = len(cosines)
    if count < FEWEST:
        return np.arange(count)
    near = 1 - cosines <= COPY * np.median(1 - cosines[np.triu_indices(count, 1)])
    return np.where(near.any(1), near.argmax(1), np.arange(count))


def _people_in(cosines: np.ndarray) -> np.ndarray:
    count = len(cosines)
    group = _tightest(cosines) if count >= FEWEST else None
    if group is None:
        return np.zeros(count, dtype=int)
    group = _grown(cosines, group)
    others = np.setdiff1d(np.arange(count), group)
    people = np.zeros(count, dtype=int)
    if len(others):
        people[others] = _apart(cosines, group, others)
    return people


def _tightest(cosines: np.ndarray) -> np.ndarray | None:
    """The largest group at the widest gap of the tree of likenesses (average linkage); None where there is no gap."""
    tree = _tree(cosines)
    widest, found = 0.0, None
    for gap, groups in _cuts(tree):
        largest = np.flatnonzero(groups == np.bincount(groups).argmax())
        if gap > widest and len(largest) >= max(LEAST_GROUP, LEAST_SHARE * len(cosines)):
            widest, found = gap, largest
    return found


def _cuts(tree: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    heights = tree[:, 2]
    for below, above in pairwise(heights):
        if above > below:
            yield float(above - below), _groups_below(tree, (below + above) / 2)


def _grown(cosines: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The group with all that are no further from it than its own spread explains, the nearest first."""
    while len(group) < len(cosines):
        others = np.setdiff1d(np.arange(len(cosines)), group)
        to_group = cosines[np.ix_(others, group)]
        nearest = int(to_group.mean(1).argmax())
        own = cosines[np.ix_(group, group)][np.triu_indices(len(group), 1)]
        lacks = own.mean() - to_group[nearest].mean()
        pairs, beside = len(own), len(group)
        variance = (own.var() * pairs + to_group.var(1).mean() * beside) / (pairs - 1 + beside)
        spread = own.std() / max(1e-6, 1 - own.mean())
        asked = (FAR + FAR_IN_FEW / len(cosines)) * np.clip(spread / USUAL_SPREAD, LEAST_SPREAD, MOST_SPREAD)
        if lacks > asked * np.sqrt(variance):
            return group
        group = np.sort(np.append(group, others[nearest]))
    return group


def _apart(cosines: np.ndarray, group: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Who the `others` are, from 1: one person where they are nearer to each other than halfway out of the group."""
    if len(others) == 1:
        return np.ones(1, dtype=int)
    own = cosines[np.ix_(group, group)][np.triu_indices(len(group), 1)].mean()
    halfway = 1 - (own + cosines[np.ix_(others, group)].mean()) / 2
    found = _groups_below(_tree(cosines[np.ix_(others, others)]), max(halfway, 0.0))
    by_size = np.argsort(-np.bincount(found)[1:], kind="stable") + 1
    return np.array([int(np.flatnonzero(by_size == one)[0]) + 1 for one in found])


def _tree(cosines: np.ndarray) -> np.ndarray:
    """(N - 1, 4) which groups join, and at what mean distance (1 - cosine)."""
    distances = np.clip(1 - cosines, 0, None)
    np.fill_diagonal(distances, 0)
    found: np.ndarray = untyped(hierarchy).linkage(squareform(distances, checks=False), "average")
    return found


def _groups_below(tree: np.ndarray, distance: float) -> np.ndarray:
    """(N,) the group of each, from 1, of those that join below a distance."""
    found: np.ndarray = untyped(hierarchy).fcluster(tree, distance, "distance")
    return found
