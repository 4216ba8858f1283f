"""All that is foretold of a run, and two of them side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from base_models.base_source import BaseSource
from trainer.planning.duration import Duration
from trainer.planning.memory import Memory, saved_numbers
from trainer.planning.run_plan import RunPlan
from trainer.planning.suggestion import Suggestion, as_rows
from trainer.planning.what_worked import Standing, standings
from trainer.planning.written_files import WrittenFile, files_of
from trainer.records.run_identity import changed_settings, settings_of


@dataclass(frozen=True)
class Forecast:
    """`in_the_way`: what is already there under the run's name, in words; empty where nothing is."""

    run: RunPlan
    base: BaseSource
    memory: Memory
    duration: Duration
    price_per_hour: float | None
    in_the_way: str = ""
    suggestions: tuple[Suggestion, ...] = ()

    @property
    def cost(self) -> float | None:
        """In the currency of the price."""
        return self.duration.cost(self.price_per_hour)

    @property
    def standings(self) -> tuple[Standing, ...]:
        """The plan beside what worked."""
        return standings(self.run)

    @property
    def files(self) -> list[WrittenFile]:
        """What will be written."""
        config, trained = self.run.config, self.memory.trained
        return files_of(config, trained, trained * saved_numbers(config))

    def as_json(self) -> dict[str, object]:
        """For programs."""
        run, duration, memory = self.run, self.duration, self.memory
        return {
            "name": run.config.output.name,
            "steps": run.steps,
            "epochs": run.config.training.epochs,
            "steps_by_epoch": list(run.steps_by_epoch),
            "batch_size": run.config.training.batch_size,
            "pictures": {
                "subject": len(run.dataset.train),
                "shown_an_epoch": run.shown_an_epoch,
                "reg": len(run.dataset.reg),
                "held_out": [str(one.path) for one in run.dataset.held_out],
                "uses": {str(sample.path): uses for sample, uses in run.learned},
                "never_used": [str(sample.path) for sample in run.unused],
                "never_used_count": len(run.unused),
            },
            "buckets": [
                {
                    "size": list(one.size),
                    "train": one.train,
                    "reg": one.reg,
                    "held_out": one.held_out,
                    "shown": one.shown,
                }
                for one in run.buckets
            ],
            "files": [
                {"path": str(one.path), "what": one.what, "bytes": one.size, "stays": one.stays} for one in self.files
            ],
            "memory": {"device": memory.device, "bytes": memory.peak, "parts": memory.parts, "error": memory.error},
            "time": {
                "seconds": duration.seconds,
                "parts": duration.parts,
                "source": duration.source,
                "error": duration.error,
            },
            "cost": self.cost,
            "price_per_hour": self.price_per_hour,
            "what_worked": [
                {
                    "key": one.row.key,
                    "value": one.value,
                    "low": one.row.low,
                    "high": one.row.high,
                    "stands_out": one.stands_out,
                    "advice": one.advice,
                    "source": one.row.source,
                }
                for one in self.standings
            ],
            "in_the_way": self.in_the_way,
            "notes": list(run.dataset.notes),
            **({"suggestions": as_rows(self.suggestions)} if self.suggestions else {}),
        }


def differing_settings(one: Forecast, other: Forecast) -> list[str]:
    """`table.key: one -> other`, of all that shapes the LoRA; of the data, whether it is the same."""
    changed = changed_settings(settings_of(one.run.config), settings_of(other.run.config))
    if one.run.dataset.sha256() != other.run.dataset.sha256():
        changed.append("the data: other pictures, captions or repeats")
    if one.base.sha256 != other.base.sha256:
        changed.append(f"the base model: {one.base.name} -> {other.base.name}")
    return changed


def figures_of(one: Forecast) -> Mapping[str, float | None]:
    """What two plans are compared by."""
    run = one.run
    return {
        "steps": run.steps,
        "epochs": run.config.training.epochs,
        "pictures of the subject": len(run.dataset.train),
        "reg pictures": len(run.dataset.reg),
        "never used": len(run.unused),
        "held out": len(run.dataset.held_out),
        "pictures a step": run.config.training.batch_size * run.config.training.gradient_accumulation,
        "a picture is shown": sum(run.uses[: len(run.dataset.train)]) / len(run.dataset.train),
        "buckets": len(run.buckets),
        "memory": one.memory.peak,
        "time": one.duration.seconds,
        "cost": one.cost,
    }
