"""What a LoRA's header says of its making, in words: kohya's `ss_*` keys, Stability's `modelspec.*`, our own recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from foundation.typed.json_values import is_list, is_table, parse_json

MOST_TAGS = 12
_PLAIN = (
    ("name", ("ss_output_name", "modelspec.title")),
    ("trained with", ("ss_network_module",)),
    ("network arguments", ("ss_network_args",)),
    ("network dim", ("ss_network_dim",)),
    ("network alpha", ("ss_network_alpha",)),
    ("base model", ("ss_sd_model_name",)),
    ("base version", ("ss_base_model_version",)),
    ("architecture", ("modelspec.architecture",)),
    ("resolution", ("ss_resolution", "modelspec.resolution")),
    ("learning rate", ("ss_learning_rate",)),
    ("UNet learning rate", ("ss_unet_lr",)),
    ("text encoder learning rate", ("ss_text_encoder_lr",)),
    ("optimizer", ("ss_optimizer",)),
    ("schedule", ("ss_lr_scheduler",)),
    ("training pictures", ("ss_num_train_images",)),
    ("regularisation pictures", ("ss_num_reg_images",)),
    ("clip skip", ("ss_clip_skip",)),
    ("seed", ("ss_seed",)),
    ("comment", ("ss_training_comment",)),
)
_SAYS_NOTHING = ("", "None", "null", "{}", "[]")


def metadata_in_words(metadata: Mapping[str, str]) -> dict[str, str]:
    """What is said, by a heading; empty where the header has no metadata. Values that cannot be read are left out."""
    found: dict[str, str] = {}
    for heading, keys in _PLAIN:
        said = next((metadata[key] for key in keys if metadata.get(key, "") not in _SAYS_NOTHING), None)
        if said is not None:
            found[heading] = printable(said)
    found |= _of("epoch", metadata, "ss_epoch", "ss_num_epochs")
    found |= _of("step", metadata, "ss_steps", "ss_max_train_steps")
    found |= _tags(metadata.get("ss_tag_frequency", ""))
    found |= _parents(metadata.get("lora_studio.recipe", ""))
    return found


def printable(text: str) -> str:
    """One line without control characters: a header's text is a stranger's, and a terminal obeys some of them."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _of(heading: str, metadata: Mapping[str, str], key: str, total: str) -> dict[str, str]:
    if metadata.get(key, "") in _SAYS_NOTHING:
        return {}
    out_of = f" of {metadata[total]}" if metadata.get(total, "") not in _SAYS_NOTHING else ""
    return {heading: printable(metadata[key] + out_of)}


def _tags(text: str) -> dict[str, str]:
    """The commonest tags over all folders, with how many pictures have each."""
    counts: Counter[str] = Counter()
    for folder in filter(is_table, _table(text).values()):
        for tag, count in folder.items():
            if isinstance(count, int | float):
                counts[printable(tag)] += int(count)
    if not counts:
        return {}
    listed = ", ".join(f"{tag} ({count})" for tag, count in counts.most_common(MOST_TAGS))
    left = len(counts) - MOST_TAGS
    return {"tags": listed + (f" and {left} more" if left > 0 else "")}


def _parents(text: str) -> dict[str, str]:
    recipe = _table(text)
    parents = recipe.get("parents")
    if not is_list(parents):
        return {}
    names = [str(parent.get("name", "?")) for parent in filter(is_table, parents)]
    return {"made from": printable(f"{', '.join(names)} ({recipe.get('method', '?')})")}


def _table(text: str) -> dict[str, object]:
    """The JSON object that the text is, empty where it is none."""
    try:
        found = parse_json(text) if text else {}
    except ValueError:
        return {}
    return found if is_table(found) else {}
