"""`trainer init`: files that the run's and the grid's own readers take, over paths that were looked at."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from drawn_people import write_subject
from eval.request.prompts import read_prompts
from eval.request.references import find_references
from eval.request.spec import GridSpec, read_spec
from foundation.errors import ConfigurationError, MissingFileError, UserError
from foundation.progress import Silent
from miniature.paths import FOLDERS, SUBJECT
from trainer.__main__ import app
from trainer.config.config import TrainConfig, read_config
from trainer.planning.arithmetic_speed import Speed
from trainer.planning.plan_in_words import duration_in_words
from trainer.samples.sample_identity import TrainedReferenceError
from trainer.starting import first_plan, judge_choice
from trainer.starting.hold_out import spread
from trainer.starting.questions import answered
from trainer.starting.report import commands, in_words
from trainer.starting.request import (
    FileThereError,
    HoldOutError,
    MissingAnswersError,
    NotMovedError,
    StartRequest,
    TriggerError,
)
from trainer.starting.start import Started, begin
from trainer.starting.subject_facts import choose_resolution
from trainer.starting.toml_text import read_value, written

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A subject of six pictures and two references, drawn once."""
    folder = tmp_path_factory.mktemp("drawn")
    write_subject(folder, trained=6, references=2)
    return folder


@pytest.fixture
def folder(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a base model that is not called the miniature, no face pack, and a machine of known speed."""
    shutil.copytree(drawn, tmp_path, dirs_exist_ok=True)
    shutil.copytree(FOLDERS["base"], tmp_path / "base [v2]")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(first_plan, "speed_of", lambda *_: Speed(trained=2.0, rendered=3.0))
    monkeypatch.setattr(judge_choice, "INSIGHTFACE", tmp_path / "no packs")
    return tmp_path


def asked(folder: Path, **more: object) -> StartRequest:
    request = StartRequest(
        folder / "mine", base="base [v2]", train=Path("Train"), references=Path("references"), faces="miniature"
    )
    return replace(request, **more)  # pyright: ignore[reportArgumentType]


def start(request: StartRequest) -> tuple[Started, TrainConfig, GridSpec]:
    started = begin(request, Silent())
    train, grid, _ = started.written
    return started, read_config(train), read_spec(grid)


def test_the_files_are_read_by_their_own_readers_and_name_what_was_given(folder: Path) -> None:
    started, config, spec = start(asked(folder, changes=("train.training.epochs=3", "grid.sampler.steps=7")))
    assert (config.preset, config.training.epochs, spec.sampler.steps) == ("portrait", 3, 7)
    assert config.model.base == spec.model.base == str(folder / "base [v2]")
    assert config.data.train == spec.references.training == folder / "Train"
    assert spec.references.held_out == folder / "references"
    assert config.output.folder == folder / "mine" / "lora"
    assert spec.lora.checkpoints == [str(folder / "mine" / "lora" / "ohwx*.safetensors")]
    assert (spec.prompts.trigger, spec.prompts.class_word) == ("ohwx person", "person")
    assert [one.role for one in read_prompts(spec.prompts).prompts].count("bleed") == 2
    assert find_references(spec.references).held_out
    assert started.plan.epochs == 3
    assert started.plan.steps == 3 * 2
    pictures = (3 * 3 * 2 + 1) * (4 * 5 + 2 * 2)
    assert (started.plan.cells, started.plan.pictures) == (18, pictures)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("training.epochs=3", "write train.TABLE.KEY=VALUE"),
        ("train.training.epochs", "write train.TABLE.KEY=VALUE"),
        ("train.training.epoch=3", "did you mean train.training.epochs?"),
    ],
)
def test_a_change_that_cannot_be_made_is_named_before_anything_is_looked_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch, change: str, said: str
) -> None:
    def looked(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("trainer.starting.start.settle", looked)
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        begin(asked(folder, changes=(change,)), Silent())


def test_nothing_of_the_drawn_world_is_in_the_files_of_another_base(folder: Path) -> None:
    started, config, spec = start(asked(folder, faces=None, price_per_hour=1.5))
    for path in started.written:
        assert "miniature" not in path.read_text(encoding="utf-8")
    assert (spec.score.faces, spec.score.clip) == ("buffalo_l", judge_choice.CLIP)
    assert config.output.price_per_hour == spec.budget.price_per_hour == 1.5
    plan = started.plan
    assert (plan.train_seconds, plan.grid_seconds) == (plan.steps * 4 * 2.0, plan.pictures * 3.0)
    assert plan.cost == pytest.approx((plan.train_seconds + plan.grid_seconds) / 2400)
    assert any("no face pack is on this machine: buffalo_l is fetched" in note for note in started.start.notes)


def test_what_is_drawn_while_training_takes_its_time(folder: Path) -> None:
    """Of the grid's size, with half of its steps: half of a picture's 3 seconds each."""
    drawn = 'train.samples.prompts=["photo of a ohwx person", "a ohwx person"]'
    changes = (drawn, "train.samples.steps=15", "train.samples.width=64", "train.samples.height=64")
    plan = start(asked(folder, faces=None, changes=changes))[0].plan
    assert plan.picture_size == (64, 64)
    assert plan.train_seconds == plan.steps * 4 * 2.0 + (1 + plan.epochs) * 2 * 1.5


def test_a_pack_that_is_there_is_taken(folder: Path) -> None:
    (folder / "no packs" / "antelopev2" / "antelopev2").mkdir(parents=True)
    (folder / "no packs" / "antelopev2" / "antelopev2" / "one.onnx").touch()
    assert judge_choice.choose_judges(asked(folder, faces=None), "woman", False).faces == "antelopev2"


def test_the_miniature_is_judged_by_its_own_models(folder: Path) -> None:
    few = [("Train/7_ohwx person", 3), ("references", 2)]
    for name, count in few:
        for path in sorted((SUBJECT / name).glob("*.png"))[:count]:
            for part in (path, path.with_suffix(".txt")):
                (folder / "mini" / name).mkdir(parents=True, exist_ok=True)
                shutil.copy(part, folder / "mini" / name)
    paths = {"train": folder / "mini" / "Train", "references": folder / "mini" / "references"}
    _, config, spec = start(asked(folder, base="miniature", faces=None, **paths))
    assert (config.preset, config.data.resolution) == ("miniature", 64)
    assert (spec.model.base, spec.score.faces, spec.score.clip) == ("miniature", "miniature", "miniature")
    assert config.data.held_out == folder / "mini" / "references"
    assert config.samples.faces == "miniature"


def test_a_subject_that_is_no_person_is_judged_by_whole_pictures(folder: Path) -> None:
    for caption in (folder / "Train").rglob("*.txt"):
        caption.write_text(caption.read_text().replace("person", "dog"))
    started, config, spec = start(asked(folder, faces=None, trigger="ohwx", class_word="dog"))
    assert (spec.score.subject, spec.prompts.trigger) == ("image", "ohwx dog")
    assert config.samples.faces is None
    assert "for `dog` is no person" in in_words(started)


def test_a_file_that_is_there_is_never_overwritten_unless_asked(folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "prompts.toml").write_text("mine")
    with pytest.raises(FileThereError, match=r"prompts\.toml: there already"):
        begin(asked(folder), Silent())
    assert [path.name for path in (folder / "mine").iterdir()] == ["prompts.toml"]
    begin(asked(folder, overwrites=True), Silent())
    assert (folder / "mine" / "prompts.toml").read_text() != "mine"


REFUSED: dict[str, tuple[dict[str, object], type[UserError], str]] = {
    "no base": ({"base": None}, MissingAnswersError, "--base MODEL"),
    "no references": ({"references": None}, MissingAnswersError, r"--references FOLDER .* or --hold-out N"),
    "no such base": ({"base": "./none"}, UserError, "no such base model on this machine"),
    "no such folder": ({"train": Path("none")}, MissingFileError, "none: no such folder"),
    "no such references": ({"references": Path("none")}, MissingFileError, "none: no such folder"),
    "another trigger": ({"trigger": "sks"}, TriggerError, "no caption has the trigger `sks`"),
    "trained references": ({"references": Path("Train")}, TrainedReferenceError, "is trained on"),
    "a setting that is none": (
        {"changes": ("train.lora.rnak=4",)},
        ConfigurationError,
        "did you mean train.lora.rank?",
    ),
    "a file that is none": ({"changes": ("lora.rank=4",)}, ConfigurationError, "write train.TABLE.KEY=VALUE"),
    "too many held out": ({"hold_out": 4}, HoldOutError, "between 1 and 3"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_cannot_be_used_is_named_and_nothing_is_written(folder: Path, fault: str) -> None:
    changes, error, message = REFUSED[fault]
    with pytest.raises(error, match=message):
        begin(asked(folder, **changes), Silent())
    assert not (folder / "mine").exists()


def test_references_without_a_face_name_the_packs_to_use(folder: Path) -> None:
    for seed, path in enumerate((folder / "references").iterdir()):
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (90, 90, 3), dtype=np.uint8)).save(path)
    with pytest.raises(ConfigurationError, match='name faces = "buffalo_l", "antelopev2"') as caught:
        begin(asked(folder), Silent())
    assert "miniature finds no face in any reference picture" in str(caught.value)


def test_pictures_are_held_out_only_where_moving_is_asked_for(folder: Path) -> None:
    before = sorted((folder / "Train").rglob("*"))
    with pytest.raises(
        NotMovedError, match=r"nothing is written or moved yet\. --hold-out 2 .*same command with --move"
    ):
        begin(asked(folder, references=None, hold_out=2), Silent())
    assert not (folder / "mine").exists()
    assert sorted((folder / "Train").rglob("*")) == before
    started, config, spec = start(asked(folder, references=None, hold_out=2, moved=True))
    moved = sorted(path.name for path in (folder / "mine" / "references").iterdir())
    assert [Path(name).suffix for name in moved] == [".jpg", ".txt"] * 2
    assert len(list((folder / "Train").rglob("*.jpg"))) == 4
    assert spec.references.held_out == config.data.held_out == folder / "mine" / "references"
    assert find_references(spec.references).training
    assert started.plan.steps == 12
    assert started.start.settled.words.captions == 4


def test_naming_what_would_be_held_out_is_no_error(folder: Path) -> None:
    words = ["init", "mine", "--base", "base [v2]", "--train", "Train", "--hold-out", "2", "--faces", "miniature"]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "nothing is written or moved yet" in done.stderr
    assert "error" not in done.stderr


def test_captions_that_are_not_there_are_not_counted_and_come_first(folder: Path) -> None:
    captions = sorted((folder / "Train").rglob("*.txt"))
    for path in captions[:2]:
        path.unlink()
    started = begin(asked(folder), Silent())
    words = in_words(started)
    assert "trigger     `ohwx person` in 4 of 4 captions; class `person`" in words
    assert "note: 2 of 6 training pictures without a caption" in words
    assert commands(started)[0].split(" -m ")[1] == "trainer caption Train --model clip"
    for path in captions[2:]:
        path.unlink()
    started = begin(asked(folder, overwrites=True, trigger="ohwx person", class_word="woman"), Silent())
    words = in_words(started)
    assert "trigger     `ohwx person` by the folder's name: no picture has a caption; class `woman`" in words
    assert "note: without captions the prompts are ordinary ones" in words
    assert "captions say the same" not in words
    told = "trainer caption Train --model clip --trigger 'ohwx person' --class woman"
    assert commands(started)[0].split(" -m ")[1] == told


def test_held_out_pictures_are_spread_and_the_oddest_is_not_among_them() -> None:
    angles = np.deg2rad([0, 5, 10, 40, 45, 80, 85, 20, 60, 250])
    chosen = spread(np.stack([np.cos(angles), np.sin(angles)], axis=1), 3)
    assert 9 not in chosen
    assert {0, 6} <= set(chosen)


@pytest.mark.parametrize(
    ("wanted", "base", "sizes", "resolution"),
    [
        (768, 512, [(900, 1200)] * 3, 768),
        (768, 1024, [(3000, 2000)], 1024),
        (768, 512, [(600, 700), (640, 640), (2000, 2000)], 640),
        (768, 512, [(300, 300)], 512),
        (768, 64, [(900, 1200)], 64),
    ],
)
def test_the_resolution_follows_from_preset_base_and_pictures(
    wanted: int, base: int, sizes: list[tuple[int, int]], resolution: int
) -> None:
    assert choose_resolution(wanted, base, sizes) == resolution


def test_what_was_not_said_is_asked_and_asked_again(folder: Path) -> None:
    answers = iter(["./none", "base [v2]", "nowhere", "Train", "", "sks", "ohwx", "", "9 lives", "references"])
    said: list[str] = []

    def ask(question: str, otherwise: str, /) -> str:
        return next(answers) or otherwise

    request = answered(StartRequest(folder / "mine"), ask, said.append)
    assert next(answers, None) is None
    assert (request.base, request.train, request.reg) == ("base [v2]", Path("Train"), None)
    assert (request.trigger, request.class_word) == ("ohwx", "person")
    assert (request.references, request.hold_out) == (Path("references"), None)
    assert [any(part in line for line in said) for part in ("./none", "nowhere", "sks", "9 lives")] == [True] * 4


@pytest.mark.parametrize(("agrees", "moved"), [("y", True), ("", False)])
def test_moving_is_agreed_to(folder: Path, agrees: str, moved: bool) -> None:
    answers = iter(["2", agrees])

    def ask(question: str, otherwise: str, /) -> str:
        return next(answers) or otherwise

    request = answered(asked(folder, references=None, trigger="ohwx", class_word="person"), ask, print)
    assert (request.hold_out, request.moved) == (2, moved)


def test_the_commands_work_from_where_one_stands(folder: Path) -> None:
    started = begin(replace(asked(folder), folder=folder / "its own [1]"), Silent())
    assert [line.split(" -m ")[1] for line in commands(started)] == [
        "trainer run 'its own [1]/train.toml'",
        "eval grid 'its own [1]/grid.toml'",
        "eval rank 'its own [1]/eval'",
    ]


def test_without_a_terminal_nothing_is_asked(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trainer", "init", str(tmp_path / "mine")],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    # On a slow machine, how long the start took stands above it.
    said = done.stderr.splitlines()[-1]
    assert said.startswith("error: still to be said: --base MODEL, --train FOLDER, --references FOLDER")


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("0.5", 0.5), ("true", True), ('["a", 1]', ["a", 1]), ('C:\\new "x"', 'C:\\new "x"'), ("\x7f", "\x7f")],
)
def test_a_value_survives_the_file(text: str, value: object) -> None:
    import tomllib

    assert read_value(text) == value
    assert tomllib.loads(f"key = {written(read_value(text))}") == {"key": value}


WORDS: list[tuple[float, str]] = [(0.2, "1 s"), (80, "80 s"), (1800, "30 min"), (7200, "2 h"), (400000, "5 days")]


@pytest.mark.parametrize(("seconds", "said"), WORDS)
def test_time_in_words(seconds: float, said: str) -> None:
    assert duration_in_words(seconds) == said
