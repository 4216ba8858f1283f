"""kohya's kinds of networks -> [lora]: plain factors, LyCORIS' LoHa and LoKr, and nothing else."""

from __future__ import annotations

from trainer.kohya.keys import OF_LYCORIS
from trainer.kohya.values import KohyaSettings, Tables, flag, number, printable, whole, words

# What the GUI and sd-scripts call kinds that are trained here; those of LyCORIS by their algo.
PLAIN = ("Standard",)
WITH_CONVOLUTIONS = ("Kohya LoCon", "LoCon", "networks.lora")
LYCORIS_CONVOLUTIONS = ("lora", "locon")
PRODUCTS = ("loha", "lokr")
LYCORIS = "LyCORIS/"
MOST_RANK = 1024
# Read for these kinds here too; with other values than these, the rest changes what is learned.
CARRIED = ("algo", "factor", "decompose_both", "full_matrix")
IDLE = ("train_on_input", "unit", "constrain", "constraint", "block_size", "rescaled")
ORDINARY = {"preset": "full", "LyCORIS_preset": "full"}
DROPOUTS = {"network_dropout": "dropout", "rank_dropout": "rank_dropout", "module_dropout": "module_dropout"}


def translate_network(tables: Tables, asked: KohyaSettings) -> None:
    """Ranks and alphas, where the kind of network reads them; a kind that is not trained is said, with what is its own.

    An alpha of 0 is kohya's for the rank.
    """
    key = "LoRA_type" if "LoRA_type" in asked else "network_module"
    kind = asked.read(key, words, "Standard")
    algo, lora = _algo(kind, asked), tables["lora"]
    if not (kind in WITH_CONVOLUTIONS or algo in (*LYCORIS_CONVOLUTIONS, *PRODUCTS)):
        lora.pop("conv_rank", None)
        lora.pop("conv_alpha", None)
    if algo in PRODUCTS:
        _products(str(algo), lora, asked)
    elif algo is None and kind not in (*PLAIN, *WITH_CONVOLUTIONS):
        asked.lost[key] = f"`{printable(kind)}` is not trained here; a plain LoRA stands for it"
    elif algo not in (None, *LYCORIS_CONVOLUTIONS):
        asked.lost[key] = _why_not(str(algo), asked)
    if algo in (*LYCORIS_CONVOLUTIONS, *PRODUCTS):
        for name in (name for name in OF_LYCORIS if name in asked and _does_something(name, asked)):
            asked.lost[name] = "LyCORIS's own, is not trained here"
    _alphas(lora)


def _algo(kind: str, asked: KohyaSettings) -> str | None:
    """LyCORIS's word for a kind of network; None where it is not one of LyCORIS's."""
    if kind.startswith(LYCORIS):
        return kind.removeprefix(LYCORIS).lower()
    return asked.read("algo", words, "lora").lower() if kind.startswith("lycoris") else None


def _products(algo: str, lora: dict[str, object], asked: KohyaSettings) -> None:
    """LoHa and LoKr: LyCORIS trains convolutions at the rank of the rest, and takes a huge rank for whole matrices."""
    lora["algo"] = algo
    for theirs, ours in DROPOUTS.items():
        if lora.pop(ours, None) is not None:
            asked.lost[theirs] = f"a {algo} is trained without dropout here"
    for ours in ("network_weights", "dim_from_weights"):
        if lora.pop(ours, None) is not None:
            asked.lost[ours] = f"a {algo} begins anew here"
    if algo == "lokr":
        lora["factor"] = asked.read("factor", whole, -1)
        lora["decompose_both"] = asked.read("decompose_both", flag, False)
        ranks = [asked.read(name, whole, 0) for name in ("network_dim", "conv_dim")]
        lora["full_matrix"] = asked.read("full_matrix", flag, False) or max(ranks) > MOST_RANK
        for name in ("rank", "conv_rank"):
            if number(lora.get(name, 0)) > MOST_RANK:
                lora[name] = MOST_RANK
    lora.setdefault("conv_rank", lora["rank"])


def _why_not(algo: str, asked: KohyaSettings) -> str:
    own = [name for name in OF_LYCORIS if name in asked and name != "algo"]
    with_it = f" (with it go {', '.join(own)})" if own else ""
    return (
        f"network_module lycoris.kohya algo={printable(algo)} is not trained here, only lora, locon, loha and lokr; a "
        f"plain LoRA stands for it{with_it}"
    )


def _does_something(name: str, asked: KohyaSettings) -> bool:
    """Whether LyCORIS would learn otherwise for it than what is trained here."""
    return name not in (*CARRIED, *IDLE) and str(asked.values[name]) != ORDINARY.get(name)


def _alphas(lora: dict[str, object]) -> None:
    for alpha, rank in (("alpha", "rank"), ("conv_alpha", "conv_rank")):
        if alpha in lora and number(lora[alpha]) == 0:
            lora[alpha] = float(number(lora[rank])) if lora.get(rank) else 1.0
