"""Settings that worked, as data. A preset's values are defaults; the configuration file may override each."""

from __future__ import annotations

Settings = dict[str, dict[str, object]]

PRESETS: dict[str, Settings] = {
    # A practitioner's one success with a real person on one consumer GPU, after a dozen failures: 45 pictures,
    # 4,200 reg pictures. Aspect buckets and clipping at 1 are kohya's defaults, which they kept. bfloat16 is not
    # theirs; it is what lets 768 px fit a consumer GPU.
    "portrait": {
        "model": {"dtype": "bfloat16"},
        "data": {"resolution": 768, "enable_bucket": True},
        "lora": {"rank": 128, "alpha": 1.0},
        "training": {
            "epochs": 12,
            "batch_size": 4,
            "unet_lr": 2e-4,
            "te_lr": 5e-5,
            "lr_scheduler": "cosine_with_restarts",
            "noise_offset": 0.06,
            "prior_loss_weight": 0.15,
            "optimizer": "AdamW8bit",
            "gradient_accumulation": 1,
        },
    },
    # The embedded world: 24 pictures and 48 reg pictures of 64 px reach a strong likeness in about 200 steps.
    # float32 and AdamW, because bfloat16 and 8-bit states are slower on a CPU than what they save.
    "miniature": {
        "model": {"base": "miniature", "dtype": "float32"},
        "data": {"resolution": 64},
        "lora": {"rank": 16, "alpha": 16.0},
        "training": {
            "epochs": 6,
            "batch_size": 8,
            "unet_lr": 2e-3,
            "te_lr": 5e-4,
            "lr_scheduler": "cosine_with_restarts",
            "noise_offset": 0.0,
            "prior_loss_weight": 0.3,
            "optimizer": "AdamW",
            "gradient_accumulation": 1,
            "max_grad_norm": 0.0,
        },
    },
}


def with_preset(preset: Settings, values: dict[str, object]) -> dict[str, object]:
    """`values` as parsed from TOML, with the preset's values where a table does not give its own."""
    merged = dict(values)
    for table, defaults in preset.items():
        given = values.get(table, {})
        # What is no table is left for the validation to name.
        merged[table] = {**defaults, **given} if isinstance(given, dict) else given
    return merged
