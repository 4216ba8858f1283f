"""What takes more than one of kohya's keys, or other words than ours: a function a subject, in the order they run."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt
from typing import get_args

from trainer.config.data_section import BUCKET_KEYS
from trainer.config.schedule_options import SCHEDULE_KEYS, SCHEDULE_READS
from trainer.config.training_section import RATE_FINDING_OPTIMIZERS, TrainingSection
from trainer.kohya.keys import OPTIMIZERS
from trainer.kohya.network import translate_network
from trainer.kohya.sample_pictures import translate_samples
from trainer.kohya.values import KohyaSettings, Tables, flag, number, numbers, pairs, whole, words

TYPES = {
    "mixed_precision": ("model", "dtype", {"no": "float32", "bf16": "bfloat16", "fp16": "float16"}),
    "save_precision": ("output", "save_dtype", {"fp16": "float16", "bf16": "bfloat16", "float": "float32"}),
}


def _learning_rates(tables: Tables, asked: KohyaSettings) -> None:
    """`learning_rate` stands in for those that are not given, and where all are 0; text encoders may have one each."""
    training, shared = tables["training"], asked.read("learning_rate", number, 2e-6)
    unet, text = asked.read("unet_lr", number, shared), asked.read("text_encoder_lr", numbers, [shared])
    if not any((unet, *text)):
        unet, text = shared, [shared]
    training["unet_lr"], training["te_lr"] = unet, text[0]
    if len(text) > 1:
        training["te2_lr"] = text[1]
    if asked.read("network_train_unet_only", flag, False):
        training["te_lr"] = 0.0
        training.pop("te2_lr", None)
    if asked.read("network_train_text_encoder_only", flag, False):
        training["unet_lr"] = 0.0


def _model(tables: Tables, asked: KohyaSettings) -> None:
    for key, (table, ours, names) in TYPES.items():
        value = asked.read(key, words, "")
        if value in names:
            tables[table][ours] = names[value]
        elif value:
            asked.lost[key] = f"`{value}` is not a type that this trainer has"
    # kohya asks its user what the UNet predicts, whatever the model's own files say.
    if asked.read("v_parameterization", flag, False):
        tables["model"]["prediction"] = "v_prediction"
    elif asked.read("v2", flag, False):
        tables["model"]["prediction"] = "epsilon"


def _data(tables: Tables, asked: KohyaSettings) -> None:
    if asked.read("cache_latents_to_disk", flag, False):
        tables["data"]["cache"] = f"{tables['output']['folder']}/cache"
    if (steps := asked.read("bucket_reso_steps", whole, 0)) % 8 and steps > 0 and tables["data"]["enable_bucket"]:
        tables["data"]["bucket_reso_steps"] = steps + -steps % 8
        asked.lost["bucket_reso_steps"] = (
            f"{steps}: sides are multiples of 8 here, as latents' are; {steps + -steps % 8} stands for it"
        )
    key = "resolution" if "resolution" in asked else "max_resolution"
    if sides := asked.read(key, numbers, list[float]()):
        width, height = int(sides[0]), int(sides[-1])
        tables["data"]["resolution"] = round(isqrt(abs(width * height)) / 8) * 8
        if width != height:
            asked.lost[key] = f"{width} x {height} is no square: one of the same area stands for it; see enable_bucket"


def _length(tables: Tables, asked: KohyaSettings) -> None:
    """As sd-scripts has it: epochs of its own win over steps, steps over the GUI's `epoch`."""
    steps, epochs = asked.read("max_train_steps", whole, 0), asked.read("max_train_epochs", whole, 0)
    tables["training"]["epochs"] = epochs or asked.read("epoch", whole, 1)
    if epochs or not (steps or "epoch" not in asked):
        return
    says = f"kohya would stop after {steps} steps" if steps else "without any length kohya stops after 1600 steps"
    asked.lost["max_train_steps"] = (
        f"{says}; the length of a run is in epochs here: divide by the steps of an epoch, and set training.epochs"
    )


def _schedule(tables: Tables, asked: KohyaSettings) -> None:
    training = tables["training"]
    if "lr_warmup" in asked and "lr_warmup_steps" not in asked:
        training["lr_warmup_steps"] = asked.read("lr_warmup", number, 0.0) / 100  # the GUI's is in percent
    arguments = asked.read("lr_scheduler_args", pairs, dict[str, object]())
    if rules := arguments.pop("step_rules", None):
        training["lr_step_rules"] = str(rules)
    if arguments:
        asked.lost["lr_scheduler_args"] = f"no schedule here takes {', '.join(arguments)}"
    name = asked.read("lr_scheduler", words, "constant").split(":")[0]
    if name not in get_args(TrainingSection.model_fields["lr_scheduler"].annotation):
        asked.lost["lr_scheduler"] = f"there is no `{name}` here; constant stands for it"
        name = "constant"
    if name == "piecewise_constant" and not rules:
        asked.lost["lr_scheduler"] = (
            "`piecewise_constant` without step_rules in lr_scheduler_args; constant stands for it"
        )
        name = "constant"
    training["lr_scheduler"] = name
    key = "stop_text_encoder_training_pct"
    percent = asked.read(key if key in asked else "stop_text_encoder_training", number, 100.0)
    if 0 < percent < 100:
        training["te_stop_at"] = percent / 100


def _optimizer(tables: Tables, asked: KohyaSettings) -> None:
    training, name = tables["training"], asked.read("optimizer_type", words, "AdamW")
    name = asked.read("optimizer", words, name)
    if asked.read("use_8bit_adam", flag, False):
        name = "AdamW8bit"
    elif asked.read("use_lion_optimizer", flag, False):
        name = "Lion"
    training["optimizer"] = OPTIMIZERS.get(name.lower(), "AdamW")
    options = asked.read("optimizer_args", pairs, dict[str, object]())
    if training["optimizer"].lower() != name.lower():
        asked.lost["optimizer_type"] = f"there is no `{name}` here; {training['optimizer']} stands for it"
        if name.lower() not in OPTIMIZERS and options:
            asked.lost["optimizer_args"], options = f"they are `{name}`'s own", {}
    if "lr" in options:
        asked.lost["optimizer_args"] = f"lr = {options.pop('lr')} would be overwritten: learning rates are the parts'"
    if options:
        training["optimizer_args"] = options
    if training["optimizer"] == "Adafactor" and options.get("relative_step", True):
        training["lr_scheduler"] = "adafactor"
    apart = {training["te_lr"], training.get("te2_lr", 0.0)} - {0.0, training["unet_lr"]}
    if training["optimizer"] in RATE_FINDING_OPTIMIZERS and training["unet_lr"] and apart:
        asked.lost["text_encoder_lr"] = f"{training['optimizer']} finds one rate for all parts; unet_lr stands for it"
        training["te_lr"] = training["unet_lr"]
        training.pop("te2_lr", None)


def _noise(tables: Tables, asked: KohyaSettings) -> None:
    """The GUI's `noise_offset_type` says which of the two is read; sd-scripts' own files have none, and mean both."""
    training, kind = tables["training"], asked.read("noise_offset_type", words, "").lower()
    if kind not in ("", "original", "multires"):
        asked.lost["noise_offset_type"] = f"there is no `{kind}` here, only Original and Multires"
    if kind == "original":
        training.pop("multires_noise_iterations", None)
    elif kind == "multires":
        training["noise_offset"] = 0.0
    if not training["noise_offset"]:
        training.pop("noise_offset_random_strength", None)
        training.pop("adaptive_noise_scale", None)
    if not training.get("multires_noise_iterations"):
        training.pop("multires_noise_discount", None)


def _logging(tables: Tables, asked: KohyaSettings) -> None:
    """A `logging_dir` alone is TensorBoard's, as in sd-scripts."""
    tracker = asked.read("log_with", words, "tensorboard" if "logging_dir" in asked else "")
    if tracker in ("tensorboard", "all"):
        tables["output"]["tensorboard"] = True
    if tracker not in ("", "tensorboard"):
        asked.lost["log_with"] = f"`{tracker}`: only TensorBoard's files are written here (output.tensorboard)"


def _what_kohya_does_not_read(tables: Tables, asked: KohyaSettings) -> None:
    """A GUI's file holds every key, also those that do nothing beside the others; ours would be refused with them."""
    data, training = tables["data"], tables["training"]
    idle = set(SCHEDULE_KEYS) - set(SCHEDULE_READS[str(training["lr_scheduler"])])
    for key in idle:
        training.pop(key, None)
    if not data["enable_bucket"]:
        for key in BUCKET_KEYS:
            data.pop(key, None)
    if not (data.get("shuffle_caption") or data.get("caption_tag_dropout_rate")):
        data.pop("keep_tokens", None)


TRANSLATORS: tuple[Callable[[Tables, KohyaSettings], None], ...] = (
    _learning_rates,
    _model,
    _data,
    _length,
    _schedule,
    _optimizer,
    translate_network,
    _noise,
    translate_samples,
    _logging,
    _what_kohya_does_not_read,
)
