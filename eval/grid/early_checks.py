"""What would fail after hours is looked at first: files that fit, a device that is there, faces, models that load."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from base_models.base_source import find_base
from eval.judging.readings import Reader
from eval.request.plan import Plan
from eval.request.references import References
from eval.request.spec import GridSpec, ScoreSection
from eval.servers.server import check_servers
from eval.store.store import Store, create_store
from foundation.path_fields import LOCAL_CLIP, OPENCV_FACES
from foundation.progress import Reporter, Silent
from loras.checkpoints.fit import check_fit
from miniature.paths import folder_of

INSIGHTFACE = Path("~/.insightface/models")


def look_first(spec: GridSpec, plan: Plan, references: References, store: Store, reporter: Reporter) -> References:
    """The references, with what is odd about them, once nothing is left that could fail for the request's sake.

    No base model is loaded yet, and the scoring models are let go again. Raises LoraFileError for a file that does not
    fit the base, what `eval.judging.readings` raises for the references, and what loading a scoring model raises.
    """
    check_files(spec, plan)
    reader = Reader(spec.score, store, reporter)
    drawn_side = min(plan.sampling.width, plan.sampling.height)
    looked_at = reader.with_remarks(references, drawn_side, allow_others=spec.references.allow_others)
    # It reads texts, so a CLIP that cannot be loaded is known of before it is shown the first picture.
    reader.read_prompts(plan.every_prompt)
    return looked_at


def look_without_store(spec: GridSpec, plan: Plan, references: References) -> list[str]:
    """The same for a dry run, which keeps nothing and fetches nothing; what was not looked at for that is said.

    Of the pictures only the held-out ones are looked at.
    """
    check_files(spec, plan)
    if absent := _not_here(spec.score):
        return [f"the references are not looked at yet: {absent} is not on this machine, and the grid will fetch it"]
    with TemporaryDirectory() as folder:
        store = create_store(Path(folder))
        try:
            reader = Reader(spec.score, store, Silent())
            reader.read_references(References(references.held_out, {}))
            reader.read_prompts(plan.every_prompt)
        finally:
            store.close()
    return []


def _not_here(score: ScoreSection) -> str | None:
    """A judge that has to be fetched first, or None. Of hubs' caches nothing is known without asking them."""
    packs = [] if score.subject == "image" else [one for one in (score.faces, score.second_faces) if one]
    absent = [one for one in packs if not _is_pack_here(one)]
    if not (folder_of("clip", score.clip) or score.clip.startswith(LOCAL_CLIP)):
        absent.append(score.clip)
    return absent[0] if absent else None


def _is_pack_here(name: str) -> bool:
    fetched = INSIGHTFACE.expanduser() / name
    return bool(folder_of("faces", name)) or name.startswith(OPENCV_FACES) or Path(name).is_dir() or fetched.is_dir()


def check_files(spec: GridSpec, plan: Plan) -> None:
    """Raise LoraFileError for the first file of a cell that does not fit the base model; or, where servers draw,
    ServerRefusedError for what they lack."""
    if spec.elsewhere is not None:
        check_servers(spec.elsewhere, plan.sampling, plan.cells)
        return
    acting = {use.checkpoint.sha256: use.checkpoint.path for cell in plan.cells for use in cell.acting}
    check_fit(list(acting.values()), find_base(spec.model.base, spec.model.overrides))
