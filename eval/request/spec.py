"""The grid's specification: TOML, validated as a whole before anything loads. Paths are relative to the file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from base_models.base_source import Overrides
from base_models.drawing.samplers import sampler_name
from foundation.path_fields import (
    DINOV2,
    AnchoredPath,
    ClipName,
    FacesName,
    FilePattern,
    FolderOrUrl,
    LikenessName,
    PathOrName,
)
from foundation.toml_config import Section, read_toml, validate
from miniature.paths import FOLDERS, NAME

BY_CLIP = "clip"
# What to name where the base is not the miniature, whose own models are the defaults.
JUDGES = {"faces": '"buffalo_l" (or "opencv:FOLDER")', "clip": '"ViT-B-32/laion2b_s34b_b79k"'}
DTYPES = Literal["float32", "float16", "bfloat16"]


class ModelSection(Section):
    """`vae` is taken instead of the base's own, `prediction` where a single file does not say it (SD2).

    `memory`: "offload" moves parts to the device one after another; "tiled" decodes in tiles, too, and so draws
    slightly other pictures; "auto" offloads where a GPU's free memory asks for it.
    """

    base: PathOrName
    vae: AnchoredPath | None = None
    prediction: Literal["epsilon", "v_prediction"] | None = None
    dtype: DTYPES = "float32"
    device: str = "auto"
    memory: Literal["auto", "full", "offload", "tiled"] = "auto"

    @property
    def overrides(self) -> Overrides:
        return Overrides(None if self.vae is None else str(self.vae), self.prediction, self.memory == "tiled")


class AlsoEntry(Section):
    """Another LoRA blended in; `{}` stands for none. `checkpoints` says beside which ones of the grid it is tried."""

    file: AnchoredPath | None = None
    unet: float = 1.0
    te: float = 1.0
    checkpoints: Literal["all", "last"] = "all"


class LoraSection(Section):
    """`checkpoints` are files or patterns; every combination with `unet`, `te` and `also` is a cell."""

    checkpoints: list[FilePattern] = Field(min_length=1)
    unet: list[float] = Field(default=[1.0], min_length=1)
    te: list[float] = Field(default=[1.0], min_length=1)
    also: list[AlsoEntry | list[AlsoEntry]] = Field(default_factory=lambda: [AlsoEntry()])
    export_dtype: DTYPES = "float16"

    @field_validator("also")
    @classmethod
    def _some(cls, also: list[AlsoEntry | list[AlsoEntry]]) -> list[AlsoEntry | list[AlsoEntry]]:
        return also or [AlsoEntry()]

    @property
    def also_lists(self) -> list[list[AlsoEntry]]:
        """What is blended in together, a list for each value of the axis."""
        return [entry if isinstance(entry, list) else [entry] for entry in self.also]

    @property
    def blended(self) -> list[Path]:
        """Every file that is blended in, as often as it is named."""
        return [entry.file for entries in self.also_lists for entry in entries if entry.file is not None]


class SamplerSection(Section):
    """The protocol's defaults: Euler a, 30 steps, CFG 9. Width and height default to the base model's own size.

    `batch` "auto" follows from the pictures' size and the device's memory.
    """

    name: Annotated[str, AfterValidator(sampler_name)] = "euler_a"
    steps: int = Field(default=30, ge=1)
    cfg: float = Field(default=9.0, ge=1.0)
    width: int | None = Field(default=None, ge=8)
    height: int | None = Field(default=None, ge=8)
    clip_skip: int = Field(default=1, ge=1)
    batch: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"


class PromptsSection(Section):
    """A prompt with the trigger in it (as a word, in any case) shows the subject; one without it tests for bleed."""

    file: AnchoredPath | None = None
    texts: list[str] = Field(default_factory=list)
    negative: str = ""
    seeds: int | list[int] = 4
    trigger: str = Field(min_length=1)
    class_word: str = Field(alias="class", min_length=1)

    @field_validator("seeds")
    @classmethod
    def _any_seed(cls, seeds: int | list[int]) -> int | list[int]:
        if seeds == [] or (isinstance(seeds, int) and seeds < 1):
            raise ValueError("give at least one seed")
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
    training: AnchoredPath | None = None
    allow_trained: bool = False
    allow_others: bool = False


class ScoreSection(Section):
    """`subject` "image" (a pet, an object, a drawn character): likeness is of whole pictures, no face model is loaded.

    `likeness`: who measures that, "clip" or "dinov2:FOLDER". `second_faces`: an independent face model that is asked
    for its opinion.
    """

    subject: Literal["face", "image"] = "face"
    faces: FacesName = "miniature"
    second_faces: FacesName | None = None
    likeness: LikenessName = BY_CLIP
    clip: ClipName = "miniature"

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


class SearchSection(Section):
    """How `eval search` chooses. `surface` reads neighbouring epochs and weights, `halving` only each cell by itself.

    `refine_trials`: so many cells of weights between and beside the grid's are tried around the best finalist, each on
    `refine_units` pictures; the best two join the finalists before these are confirmed.

    A budget is in pictures, in minutes of rendering, or in money at the price of `[budget]`.
    """

    method: Literal["surface", "halving"] = "surface"
    first_units: int = Field(default=4, ge=1)
    keep: int = Field(default=3, ge=2)
    finalists: int = Field(default=4, ge=2)
    confirm_units: int = Field(default=64, ge=2)
    certify_units: int = Field(default=48, ge=4)
    refine_trials: int = Field(default=0, ge=0)
    refine_units: int = Field(default=8, ge=1)
    budget_pictures: int | None = Field(default=None, ge=1)
    budget_minutes: float | None = Field(default=None, gt=0)
    budget_cost: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_budget(self) -> SearchSection:
        budgets = (self.budget_pictures, self.budget_minutes, self.budget_cost)
        if sum(one is not None for one in budgets) > 1:
            raise ValueError("give one of budget_pictures, budget_minutes and budget_cost, not several")
        return self


class LimitsSection(Section):
    """What a cell may cost before likeness counts, each as a share of something measured in the same grid, or "off".

    What is not named has the default of `eval.ranking.limits.Limits`, which says what each is a share of.
    `difference`: the least difference of likeness that matters, a cosine; rows closer than that are as good.
    """

    face_rate: Annotated[float, Field(ge=0, le=1)] | Literal["off"] | None = None
    prompt: Annotated[float, Field(ge=0)] | Literal["off"] | None = None
    bleed: Annotated[float, Field(ge=0)] | Literal["off"] | None = None
    copy_share: Annotated[float, Field(ge=0)] | Literal["off"] | None = Field(default=None, alias="copy")
    difference: Annotated[float, Field(gt=0, le=1)] | None = None


class StoreSection(Section):
    """`pictures`: a folder or a URL (s3://bucket/folder) to keep pictures at instead of in the store's own folder."""

    # Of a file without the table, too, the default starts at the file.
    model_config = ConfigDict(revalidate_instances="always")

    path: AnchoredPath = Path("eval")
    pictures: FolderOrUrl | None = None


class BudgetSection(Section):
    """What a dry run reckons with: the price of an hour of one device, in the user's currency."""

    price_per_hour: float | None = Field(default=None, ge=0)


class GridSpec(Section):
    """A whole specification."""

    model: ModelSection
    lora: LoraSection
    sampler: SamplerSection = SamplerSection()
    prompts: PromptsSection
    references: ReferencesSection
    score: ScoreSection = ScoreSection()
    limits: LimitsSection = LimitsSection()
    store: StoreSection = StoreSection()
    budget: BudgetSection = BudgetSection()
    search: SearchSection = SearchSection()

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


def forced(spec: GridSpec) -> GridSpec:
    """The specification, going on whatever its references hold."""
    allowed = spec.references.model_copy(update={"allow_trained": True, "allow_others": True})
    return spec.model_copy(update={"references": allowed})


def read_spec(path: Path) -> GridSpec:
    """Read and validate a grid specification; its paths come out absolute.

    Raises MissingFileError or ConfigurationError.
    """
    return validate(GridSpec, read_toml(path), path)
