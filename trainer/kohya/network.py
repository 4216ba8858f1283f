"""kohya's kinds of networks -> [lora]: plain factors on linear layers and convolutions, and nothing else."""

from __future__ import annotations

from trainer.kohya.keys import OF_LYCORIS
from trainer.kohya.values import KohyaSettings, Tables, number, printable, whole, words

# What the GUI and sd-scripts call kinds that are trained here; those of LyCORIS by their algo.
PLAIN = ("Standard",)
WITH_CONVOLUTIONS = ("Kohya LoCon", "LoCon", "networks.lora")
LYCORIS_CONVOLUTIONS = ("lora", "locon")
LYCORIS = "LyCORIS/"
MOST_RANK = 1024


def translate_network(tables: Tables, asked: KohyaSettings) -> None:
    """Ranks and alphas, where the kind of network reads them; a kind that is not trained is said, with what is its own.

    An alpha of 0 is kohya's for the rank.
    """
    key = "LoRA_type" if "LoRA_type" in asked else "network_module"
    kind = asked.read(key, words, "Standard")
    algo = _algo(kind, asked)
    lora, trained = tables["lora"], algo is None or algo in LYCORIS_CONVOLUTIONS
    if not (kind in WITH_CONVOLUTIONS or algo in LYCORIS_CONVOLUTIONS):
        lora.pop("conv_rank", None)
        lora.pop("conv_alpha", None)
    if not trained:
        asked.lost[key] = _why_not(str(algo), asked)
        _with_a_rank_of_its_own(tables, asked)
    elif algo is None and kind not in (*PLAIN, *WITH_CONVOLUTIONS):
        asked.lost[key] = f"`{printable(kind)}` is not trained here; a plain LoRA stands for it"
    elif algo is not None:
        for name in (name for name in OF_LYCORIS if name in asked and _does_something(name, asked)):
            asked.lost[name] = "is LyCORIS's own, and is not trained here; plain factors stand for it"
    _alphas(lora)


def _algo(kind: str, asked: KohyaSettings) -> str | None:
    """LyCORIS's word for a kind of network; None where it is not one of LyCORIS's."""
    if kind.startswith(LYCORIS):
        return kind.removeprefix(LYCORIS).lower()
    return asked.read("algo", words, "lora").lower() if kind.startswith("lycoris") else None


def _why_not(algo: str, asked: KohyaSettings) -> str:
    own = [name for name in OF_LYCORIS if name in asked and name != "algo"]
    with_it = f" (with it go {', '.join(own)})" if own else ""
    return (
        f"network_module lycoris.kohya algo={printable(algo)} is not trained here: adapters are plain factors, so that "
        f"guards and blends are exact; a plain LoRA stands for it{with_it}. Files of that kind are read by eval"
    )


def _does_something(name: str, asked: KohyaSettings) -> bool:
    """Not at LyCORIS's own default, or the kind itself."""
    ordinary = {"preset": "full", "LyCORIS_preset": "full", "factor": "-1", "unit": "1", "train_on_input": "True"}
    idle = ("algo", "train_on_input", "unit", "factor", "constrain", "constraint", "block_size", "decompose_both")
    return name not in idle and str(asked.values[name]) != ordinary.get(name)


def _with_a_rank_of_its_own(tables: Tables, asked: KohyaSettings) -> None:
    """LyCORIS takes a very large rank for "the whole matrix", which neither it nor its alpha is of plain factors."""
    if asked.read("network_dim", whole, 0) > MOST_RANK:
        asked.lost["network_dim"] = (
            f"{asked.values['network_dim']} is LyCORIS's for whole matrices; rank 4 and alpha 1 stand for it"
        )
        tables["lora"] |= {"rank": 4, "alpha": 1.0}


def _alphas(lora: dict[str, object]) -> None:
    for alpha, rank in (("alpha", "rank"), ("conv_alpha", "conv_rank")):
        if alpha in lora and number(lora[alpha]) == 0:
            lora[alpha] = float(number(lora[rank])) if lora.get(rank) else 1.0
