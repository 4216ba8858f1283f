"""`trainer run` looks at its data first, and stops where a check says that it will fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation.progress import Silent
from tiny import tiny_base, tiny_data, tiny_settings
from trainer.checking.findings import Finding, Group, Report, Severity
from trainer.checking.request import CheckRequest
from trainer.config.config import TrainConfig, parse_config
from trainer.records.record import checkpoint_path
from trainer.running.look_first import WillFailError, look_first, require_ready


class Told(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return parse_config(dict(tiny_settings(tiny_base(tmp_path / "base"))), tiny_data(tmp_path) / "run.toml")


def report(folder: Path, *severities: Severity) -> Report:
    found = tuple(
        Finding(f"rule {one}", Group.FILES, one, folder / "Train" / f"{one}.png", "title", "is torn", "mend it", "ours")
        for one in severities
    )
    return Report(folder, found, ())


def look(config: TrainConfig, found: Report, monkeypatch: pytest.MonkeyPatch, told: Told) -> Report | None:
    def checked(request: CheckRequest, reporter: object) -> Report:
        assert request.dataset == Path("run.toml")
        return found

    monkeypatch.setattr("trainer.checking.whole.check.checked", checked)
    return look_first(Path("run.toml"), config, told)


def test_what_will_fail_is_said_with_the_plan_and_stops_the_run(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    found = look(config, report(tmp_path, Severity.ERROR, Severity.MEND), monkeypatch, told)
    with pytest.raises(WillFailError, match=r"1 thing, above.*--force"):
        require_ready(found, config, Path("run.toml"), told)
    assert told.lines[0].startswith("check: will fail")
    assert told.lines[1] == "will fail: Train/error.png: is torn; mend it"
    assert told.lines[2].startswith("plan: ")
    assert not any("mend.png" in line for line in told.lines)


@pytest.mark.parametrize("severity", [Severity.MEND, Severity.NOTE])
def test_what_can_be_trained_on_is_no_reason_to_stop(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, severity: Severity
) -> None:
    told = Told()
    require_ready(look(config, report(tmp_path, severity), monkeypatch, told), config, Path("run.toml"), told)
    assert len(told.lines) == 1


def test_a_run_under_way_is_not_checked_again(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint_path(config, 1).parent.mkdir()
    checkpoint_path(config, 1).touch()
    assert look(config, report(tmp_path, Severity.ERROR), monkeypatch, Told()) is None
