"""The grid's specification: TOML, validated as a whole before anything loads. Paths are relative to the file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    field_validator,
    model_validator,
)

from base_models.base_source import Overrides
from base_models.devices import DeviceName
from base_models.drawing.samplers import sampler_name
from base_models.model_hub import stay_offline
from eval.request.choosing_sections import BudgetSection, LimitsSection, SearchSection
from eval.request.database_name import DatabaseName, DatabaseUrl, SchemaName
from eval.request.elsewhere.elsewhere import Elsewhere
from eval.request.elsewhere.sections import A1111Section, ComfySection
from eval.request.lora_section import DTYPES, LoraSection
from eval.request.settings import combined, or_a_list
from foundation.errors import ConfigurationError
from foundation.key_reference.units import PIXELS, STEPS
from foundation.path_fields import (
    DINOV2,
    AnchoredPath,
    ClipName,
    FacesName,
    FolderOrUrl,
    LikenessName,
    PathOrName,
)
from foundation.seeds import fault_of_seeds
from foundation.toml_config import Section, read_toml, validate
from foundation.typed.json_values import is_table
from miniature.paths import FOLDERS, NAME

BY_CLIP = "clip"
# What to name where the base is not the miniature, whose own models are the defaults.
JUDGES = {"faces": '"buffalo_l" (or "opencv:FOLDER")', "clip": '"ViT-B-32/laion2b_s34b_b79k"'}


class ModelSection(Section):
    """`vae` is taken instead of the base's own, `prediction` where a single file does not say it (SD2).

    `memory`: "offload" moves parts to the device one after another; "tiled" decodes in tiles, too, and so draws
    slightly other pictures; "auto" offloads where a GPU's free memory asks for it.
    """

    base: PathOrName = Field(default="", json_schema_extra=or_a_list)
    """The base model: a diffusers folder, a single .safetensors file, a hub id, or "miniature"; a list is an axis. Not
    needed where --comfy or --a1111 draws, which then reads none of this table."""
    vae: AnchoredPath | None = None
    """A VAE's folder or file, taken instead of the base's own."""
    prediction: Literal["epsilon", "v_prediction"] | None = None
    """What the UNet predicts, where a single file does not say it (SD2)."""
    dtype: DTYPES = "float32"
    """What the model is held and computed in; float16 on a GPU."""
    device: DeviceName = "auto"
    """Where it is rendered: "cpu", "cuda", "cuda:0"; "auto" is all GPUs, or the CPU where there is none."""
    memory: Literal["auto", "full", "offload", "tiled"] = "auto"
    """Whether parts move to the device one after another ("offload"), and pictures are decoded in tiles ("tiled")."""
    offline: bool = False
    """Whether nothing is fetched from a model hub: what is not on this machine is an error then."""

    @property
    def overrides(self) -> Overrides:
        return Overrides(None if self.vae is None else str(self.vae), self.prediction, self.memory == "tiled")


class SamplerSection(Section):
    """The protocol's defaults: Euler a, 30 steps, CFG 9. Width and height default to the base model's own size.

    `batch` "auto" follows from the pictures' size and the device's memory.
    """

    name: Annotated[str, AfterValidator(sampler_name)] = Field(default="euler_a", json_schema_extra=or_a_list)
    """How the noise is taken away; a list is an axis."""
    steps: Annotated[int, STEPS] = Field(default=30, ge=1, json_schema_extra=or_a_list)
    """Of each picture; a list is an axis."""
    cfg: float = Field(default=9.0, ge=1.0, json_schema_extra=or_a_list)
    """How strongly the prompt guides; a list is an axis."""
    width: Annotated[int | None, PIXELS] = Field(default=None, ge=8)
    """Of the pictures; without it, the base model's own."""
    height: Annotated[int | None, PIXELS] = Field(default=None, ge=8)
    """Of the pictures; without it, the base model's own."""
    clip_skip: int = Field(default=1, ge=1)
    """SD1's text encoder answers with this layer, counted from the end, 1 the last."""
    batch: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Pictures that are rendered at once; "auto" follows from their size and the device's memory."""


class PromptsSection(Section):
    """A prompt with the trigger in it (as a word, in any case) shows the subject; one without it tests for bleed."""

    file: AnchoredPath | None = None
    """A file of prompts: text with one a line, TOML with a list `prompts`, or JSON; kohya's and A1111's are read."""
    texts: list[str] = Field(default_factory=list)
    """The prompts themselves, instead of a file."""
    negative: str = ""
    """The negative prompt of all pictures."""
    seeds: int | list[int] = 4
    """So many seeds from 1 on, or these; every cell draws a prompt that has the trigger with each, any other with the
    first half of them."""
    trigger: str = Field(min_length=1)
    """The word that stands for the subject: a prompt that has it shows the subject, any other tests for bleed."""
    class_word: str = Field(alias="class", min_length=1)
    """What the subject is, as "person": the base model is shown it in the trigger's place."""

    @field_validator("seeds")
    @classmethod
    def _usable_seeds(cls, seeds: int | list[int]) -> int | list[int]:
        if fault := fault_of_seeds(seeds):
            raise ValueError(fault)
        return seeds

    @model_validator(mode="after")
    def _one_source(self) -> PromptsSection:
        if (self.file is None) == (not self.texts):
            raise ValueError("give the prompts either as `file` or as `texts` (with at least one prompt)")
        return self

    @property
    def seed_list(self) -> list[int]:
        return list(range(1, self.seeds + 1)) if isinstance(self.seeds, int) else list(self.seeds)


class ReferencesSection(Section):
    """`allow_trained`: score although a held-out picture is in the training set, or nearly so.

    `allow_others`: score although they show several people, somebody else than the training pictures, or one picture.
    """

    held_out: AnchoredPath
    """A folder of pictures of the subject that are not trained on: likeness is likeness to these."""
    training: AnchoredPath | None = None
    """The pictures that were trained on, to see whether they are copied."""
    allow_trained: bool = False
    """Score although a held-out picture is in the training set, or nearly so."""
    allow_others: bool = False
    """Score although they show several people, somebody else than the training pictures, or one picture."""


class ScoreSection(Section):
    """`subject` "image" (a pet, an object, a drawn character): likeness is of whole pictures, no face model is loaded.

    `likeness`: who measures that, "clip" or "dinov2:FOLDER". `second_faces`: an independent face model that is asked
    for its opinion.
    """

    subject: Literal["face", "image"] = "face"
    """Whose likeness is measured: a "face", or a whole "image" (a pet, an object, a drawn character)."""
    faces: FacesName = "miniature"
    """The face model: "buffalo_l", a folder, "opencv:FOLDER"; named for every base but the miniature."""
    second_faces: FacesName | None = None
    """An independent face model for a second opinion, which moves no order."""
    likeness: LikenessName = BY_CLIP
    """Who measures whole pictures: "clip", or "dinov2:FOLDER"."""
    clip: ClipName = "miniature"
    """The CLIP that reads prompts: ARCHITECTURE/TAG or local-dir:FOLDER; named for every base but the miniature."""

    @model_validator(mode="after")
    def _likeness_of_pictures(self) -> ScoreSection:
        if self.likeness != BY_CLIP and not self.likeness.startswith(DINOV2):
            raise ValueError(f'likeness is "{BY_CLIP}" or "{DINOV2}FOLDER" (or a hub\'s name), not "{self.likeness}"')
        if self.likeness != BY_CLIP and self.subject == "face":
            raise ValueError('likeness is for a subject of kind `image`; set subject = "image", or leave it out')
        return self

    @model_validator(mode="after")
    def _faces_of_faces(self) -> ScoreSection:
        if self.subject == "image" and self.second_faces is not None:
            raise ValueError("second_faces reads faces, and a subject of kind `image` has none; leave it out")
        if self.second_faces == self.faces:
            raise ValueError("second_faces is the same pack as faces; name an independent one")
        return self


class StoreSection(Section):
    """`pictures`: a folder or a URL (s3://bucket/folder) to keep pictures at instead of in the store's own folder.

    `database`: one that keeps the rows in the folder's place, for machines that write one store at once.
    """

    # Of a file without the table, too, the default starts at the file.
    model_config = ConfigDict(revalidate_instances="always")

    path: AnchoredPath = Path("eval")
    """The folder of the store: pictures, what was read of them, facts."""
    pictures: FolderOrUrl | None = None
    """A folder or a URL (s3://bucket/folder) to keep pictures at instead of in the store's own."""
    database: DatabaseUrl | None = None
    """A Postgres database to keep rows in, "postgresql+psycopg://HOST/DATABASE", its password never (docs/scale.md)."""
    schema_name: SchemaName | None = Field(default=None, alias="schema")
    """The schema of that database which is this store's own. Without it, the folder gets one."""

    @model_validator(mode="after")
    def _schema_of_a_database(self) -> StoreSection:
        if self.schema_name is not None and self.database is None:
            raise ValueError("schema is a database's; give `database`, or leave it out")
        return self

    @property
    def rows(self) -> DatabaseName | None:
        """The database that keeps the rows, or None."""
        return None if self.database is None else DatabaseName(self.database, self.schema_name or "")


class GridSpec(Section):
    """A whole specification. Of base models, samplers, steps and CFG that it lists it has the first by itself, and all
    in `settings`."""

    model: ModelSection = ModelSection()
    lora: LoraSection
    sampler: SamplerSection = SamplerSection()
    prompts: PromptsSection
    references: ReferencesSection
    score: ScoreSection = ScoreSection()
    limits: LimitsSection = LimitsSection()
    store: StoreSection = StoreSection()
    budget: BudgetSection = BudgetSection()
    search: SearchSection = SearchSection()
    comfy: ComfySection | None = None
    a1111: A1111Section = A1111Section()
    _elsewhere: Elsewhere | None = PrivateAttr(default=None)
    _drawn: tuple[tuple[str, str, int, float], ...] = PrivateAttr(default=())

    @model_validator(mode="wrap")
    @classmethod
    def _listed(cls, values: object, handler: ModelWrapValidatorHandler[GridSpec]) -> GridSpec:
        ways = [handler(one) for one in combined(values)] if is_table(values) else [handler(values)]
        if len(ways) > 1:
            ways[0]._drawn = tuple((one.model.base, *_sampled(one.sampler)) for one in ways)
        return ways[0]

    @property
    def settings(self) -> list[GridSpec]:
        """The specification once for each way to draw, which is mostly one."""
        return [self._on(*one) for one in self._drawn] or [self]

    @property
    def elsewhere(self) -> Elsewhere | None:
        """The servers that draw its pictures; None where they are drawn here."""
        return self._elsewhere

    def drawn_by(self, elsewhere: Elsewhere) -> GridSpec:
        """The specification, its pictures drawn by servers. Raises ConfigurationError where it lists base models."""
        if len({base for base, *_ in self._drawn}) > 1:
            raise ConfigurationError("[model] base: a list of base models cannot be drawn by --comfy or --a1111")
        other = self.model_copy()
        other._elsewhere = elsewhere
        return other

    @property
    def base_name(self) -> str:
        """What the base model is called."""
        return self._elsewhere.own.name if self._elsewhere else Path(self.model.base).name

    def _on(self, base: str, name: str, steps: int, cfg: float) -> GridSpec:
        sampler = self.sampler.model_copy(update={"name": name, "steps": steps, "cfg": cfg})
        one = self.model_copy(update={"model": self.model.model_copy(update={"base": base}), "sampler": sampler})
        one._drawn = ()
        return one

    @model_validator(mode="after")
    def _priced(self) -> GridSpec:
        if self.search.budget_cost is not None and not self.budget.price_per_hour:
            raise ValueError("[search] budget_cost needs price_per_hour in [budget], what an hour of one device costs")
        return self

    @model_validator(mode="after")
    def _judges_named(self) -> GridSpec:
        """The miniature's models know its drawn world alone: for another base they are taken where they are named."""
        if self.model.base in (NAME, str(FOLDERS["base"])):
            return self
        wanted = ("clip",) if self.score.subject == "image" else ("faces", "clip")
        if unnamed := [key for key in wanted if key not in self.score.model_fields_set]:
            raise ValueError(
                f"[score] {' and '.join(unnamed)}: to be named for a base other than the miniature, as "
                + " and ".join(f"{key} = {JUDGES[key]}" for key in unnamed)
            )
        return self

    @property
    def search_seconds(self) -> float | None:
        """The search's budget as time of rendering, or None where it is none or in pictures."""
        search, price = self.search, self.budget.price_per_hour
        if search.budget_cost is not None and price:
            return 3600 * search.budget_cost / price
        return None if search.budget_minutes is None else 60 * search.budget_minutes


def _sampled(sampler: SamplerSection) -> tuple[str, int, float]:
    return sampler.name, sampler.steps, sampler.cfg


def forced(spec: GridSpec) -> GridSpec:
    """The specification, going on whatever its references hold."""
    allowed = spec.references.model_copy(update={"allow_trained": True, "allow_others": True})
    return spec.model_copy(update={"references": allowed})


def read_spec(path: Path) -> GridSpec:
    """Read and validate a grid specification; its paths come out absolute. `offline = true` holds from here on.

    Raises MissingFileError or ConfigurationError.
    """
    spec = validate(GridSpec, read_toml(path), path)
    if spec.model.offline:
        stay_offline()
    return spec
