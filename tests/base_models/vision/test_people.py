"""How many people faces show is told from the faces' own likenesses, whatever a recogniser's cosines mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from base_models.vision.people import people_in

SIZE = 256


@dataclass(frozen=True)
class Recogniser:
    """Strangers share `common` of a direction; a picture keeps `kept` of its person, give or take `spread`."""

    common: float
    kept: float
    spread: float

    def person(self, rng: np.random.Generator) -> np.ndarray:
        shared = np.zeros(SIZE)
        shared[0] = 1
        return np.sqrt(self.common) * shared + np.sqrt(1 - self.common) * _unit(rng.normal(size=(1, SIZE)))[0]

    def pictures(self, person: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        kept = np.clip(rng.normal(self.kept, self.spread, count), 0.2, 0.99)[:, None]
        return _unit(kept * person + np.sqrt(1 - kept**2) * _unit(rng.normal(size=(count, SIZE))))

    def strangers(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return np.concatenate([self.pictures(self.person(rng), 1, rng) for _ in range(count)])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


# Within and between people: 0.5 and 0, widely spread; 0.7 and 0; 0.95 and 0.8.
RECOGNISERS = [Recogniser(0, 0.72, 0.08), Recogniser(0, 0.84, 0.05), Recogniser(0.84, 0.975, 0.006)]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)


@pytest.mark.parametrize("model", RECOGNISERS)
def test_one_person_is_one(model: Recogniser, rng: np.random.Generator) -> None:
    sets = [model.pictures(model.person(rng), count, rng) for count in (4, 6, 8, 16, 30) for _ in range(20)]
    assert sum(people_in(faces).any() for faces in sets) <= 3


@pytest.mark.parametrize("model", RECOGNISERS)
def test_strangers_beside_the_training_pictures_are_told_apart(model: Recogniser, rng: np.random.Generator) -> None:
    found = 0
    for _ in range(10):
        faces = np.concatenate([model.strangers(4, rng), model.pictures(model.person(rng), 24, rng)])
        people = people_in(faces)
        found += len(set(people[:4].tolist())) == 4 and not people[4:].any()
    assert found >= 8


@pytest.mark.parametrize("model", RECOGNISERS)
def test_two_people_are_two(model: Recogniser, rng: np.random.Generator) -> None:
    found = 0
    for _ in range(10):
        own, other = (model.pictures(model.person(rng), count, rng) for count in (24, 8))
        found += people_in(np.concatenate([other, own])).tolist() == [1] * 8 + [0] * 24
    assert found >= 8


def test_copies_of_one_picture_do_not_cast_out_the_others(rng: np.random.Generator) -> None:
    model = RECOGNISERS[1]
    faces = model.pictures(model.person(rng), 8, rng)
    copies = _unit(faces[:1] + 1e-3 * rng.normal(size=(6, SIZE)) / SIZE**0.5)
    assert not people_in(np.concatenate([faces, copies])).any()


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_faces_tell_nothing(count: int, rng: np.random.Generator) -> None:
    assert people_in(RECOGNISERS[1].strangers(3, rng)[:count].reshape(count, SIZE)).tolist() == [0] * count
