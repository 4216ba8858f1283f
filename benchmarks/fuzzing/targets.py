"""What is fuzzed: one target for each reader of what strangers made. Its samples are those of the torture."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fuzzing.samples import (
    LENGTH,
    SAMPLES,
    WORKFLOW,
    Seeds,
    checkpoint_headers,
    headers,
    samples,
    shipped,
    small_pictures,
    texts,
    votes,
)
from torture.readers import Read, read_anew

KNOWN_WORDS = ("trainer", "trigger_test", "words.toml")
Bytes = Callable[[bytes], bytes]
MOST_DATA = 2**20  # bytes of zeros after a header
# A picture's texts as tools write them, by the keyword of a PNG's text chunk; the first byte of an input says which.
KEYWORDS = ("parameters", "prompt", "workflow", "invokeai_metadata", "sd-metadata", "Comment", "dream")


@dataclass(frozen=True)
class Target:
    """A reader. `place`: the file that an input is put into; `seeds` of a folder to work in: inputs to begin with.

    `whole` makes that file's bytes of an input: what is mutated is often less than the file.
    """

    name: str
    place: str
    seeds: Seeds
    read: Read
    whole: Bytes = bytes


def _with_data(header: bytes) -> bytes:
    """A safetensors file of that header, with as many zeros as it promises."""
    try:
        told = json.loads(header)
        ends = [one["data_offsets"][1] for one in told.values() if isinstance(one, dict) and "data_offsets" in one]
        count = min(MOST_DATA, max([0, *(int(end) for end in ends)]))
    except Exception:  # what is no header at all is a file too
        count = 64
    return len(header).to_bytes(LENGTH, "little") + header + bytes(count)


def _read_lora(path: Path) -> None:
    from loras.inspecting.inspect_lora import inspect_lora
    from loras.lora_file import read_lora
    from loras.verifying.read_facts import facts_of
    from loras.verifying.tools import TOOLS
    from loras.verifying.verify_lora import verify

    json.dumps(inspect_lora(path).as_json())
    facts = facts_of(path)
    for tool in TOOLS.values():
        verify(facts, tool)
    read_lora(path)


def _read_base_header(path: Path) -> None:
    from base_models.base_source import Overrides, find_base
    from base_models.single_file import is_vae
    from foundation.errors import UserError

    for read in (is_vae, lambda one: find_base(str(one), Overrides(vae=str(one))), lambda one: find_base(str(one))):
        with suppress(UserError):
            read(path)


def _texts_of(path: Path) -> None:
    from eval.importing.containers.picture_texts import read_texts
    from eval.importing.readers import read_told

    with path.open("rb") as stream:
        read_told(read_texts(stream, path.name))


def _png_with(told: bytes) -> bytes:
    """A PNG of one pixel row with a text chunk; its first byte says which."""
    text = KEYWORDS[told[0] % len(KEYWORDS)].encode() + b"\0\0\0\0\0" + told[1:] if told else b"a\0\0\0\0\0"
    chunks = [(b"IHDR", bytes.fromhex("00000040000000400800000000")), (b"iTXt", text)]
    chunks += [(b"IDAT", zlib.compress(bytes(65 * 64))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in chunks
    )


def _read_picture(path: Path) -> None:
    from base_models.pictures.picture_file import load_picture, manner_of

    manner_of(path)
    load_picture(path)


def _read_run(path: Path) -> None:
    from trainer.config.config import read_config

    read_config(path)


def _read_grid(path: Path) -> None:
    from eval.request.spec import read_spec

    read_spec(path)


def _read_prompts(path: Path) -> None:
    from eval.request.prompts import read_prompts
    from eval.request.spec import PromptsSection

    read_prompts(PromptsSection.model_validate({"file": path, "trigger": "ohwx person", "class": "person"}))


def _read_vocabulary(path: Path) -> None:
    from trainer.captioning.vocabulary import read_vocabulary

    read_anew(read_vocabulary, path)


def _read_phrases(path: Path) -> None:
    from trainer.captioning.unwanted import read_phrases

    read_anew(read_phrases, path)


def _read_known_words(path: Path) -> None:
    from trainer.trigger_test.known_words import read_known_words

    read_anew(read_known_words, path)


def _read_kohya(path: Path) -> None:
    from trainer.kohya.reading import read_settings
    from trainer.kohya.settings import as_toml, carry_over

    as_toml(carry_over(read_settings(path), path.parent))


def _read_words(path: Path) -> None:
    """A caption, as a prompt and to its weights."""
    from base_models.prompts.prompt_syntax import cautions_of_prompt, fault_of_prompt
    from base_models.prompts.prompt_weights import parse_weights, plain_text
    from eval.importing.metadata.lora_tags import split_tags
    from foundation.text_files import read_text

    text = read_text(path)
    for look in (fault_of_prompt, cautions_of_prompt, parse_weights, plain_text, split_tags):
        look(text)


def _read_votes(path: Path) -> None:
    from eval.voting.kept_votes import kept_votes

    kept_votes(path.parent)


def _read_workflow(path: Path) -> None:
    from eval.workflows.workflow_file import nodes_of, read_workflow

    nodes_of(read_workflow(path))


def _read_manifest(path: Path) -> None:
    from eval.importing.naming.manifest import read_manifest

    read_manifest(path)


def _base_files(folder: Path) -> list[Path]:
    base = folder / "base folders" / "base"
    if not base.is_dir():
        base.parent.mkdir(parents=True, exist_ok=True)
        SAMPLES["base folders"].make(base.parent)
    return sorted(path for path in base.rglob("*") if path.suffix in (".json", ".txt"))


def _in_folder(folder: Path) -> Iterator[bytes]:
    for number, path in enumerate(_base_files(folder)):
        yield bytes([number]) + path.read_bytes()[:20_000]


def _read_base(path: Path) -> None:
    """The base folder with one of its texts replaced by the input, whose first byte says which."""
    from base_models.base_model import load_base

    told, files = path.read_bytes(), _base_files(path.parent)
    if not told:
        return
    place = files[told[0] % len(files)]
    sound = place.read_bytes()
    try:
        place.write_bytes(told[1:])
        load_base(str(path.parent / "base folders" / "base"))
    finally:
        place.write_bytes(sound)


def _clip_folder(folder: Path) -> Path:
    from miniature.paths import FOLDERS

    if not (folder / "clip").is_dir():
        shutil.copytree(FOLDERS["clip"], folder / "clip")
    return folder / "clip"


def _clip_configs(folder: Path) -> Iterator[bytes]:
    yield from (path.read_bytes() for path in sorted(_clip_folder(folder).glob("*config*.json")))


def _read_clip(path: Path) -> None:
    from base_models.vision.clip_model import load_clip

    place = next(iter(sorted(_clip_folder(path.parent).glob("open_clip_config.json"))))
    place.write_bytes(path.read_bytes())
    load_clip(f"local-dir:{place.parent}", "cpu")


def _read_faces(path: Path) -> None:
    from base_models.vision.faces import load_faces
    from miniature.paths import FOLDERS

    place = path.parent / "faces"
    if not place.is_dir():
        shutil.copytree(FOLDERS["faces"], place)
    shutil.copyfile(path, min(place.glob("*.onnx")))
    load_faces(str(place), "cpu")


TARGETS = (
    Target("LoRA files", "a.safetensors", samples("LoRA files", "b.safetensors"), _read_lora),
    Target("LoRA headers", "a.safetensors", headers, _read_lora, _with_data),
    Target("checkpoint headers", "b.safetensors", checkpoint_headers, _read_base_header, _with_data),
    Target("run configurations", "train.toml", samples("texts", "train.toml"), _read_run),
    Target("grid specifications", "grid.toml", samples("texts", "grid.toml"), _read_grid),
    Target("prompt tables", "prompts.toml", samples("texts", "prompts.toml"), _read_prompts),
    Target("prompt lists", "prompts.txt", samples("texts", "caption.txt"), _read_prompts),
    Target("vocabularies", "vocabulary.toml", samples("texts", "vocabulary.toml"), _read_vocabulary),
    Target("phrases", "phrases.toml", shipped("trainer", "captioning", "phrases.toml"), _read_phrases),
    Target("known words", "words.toml", shipped(*KNOWN_WORDS), _read_known_words),
    Target("kohya's settings", "settings.json", samples("texts", "settings.json"), _read_kohya),
    Target("kohya's tables", "settings.toml", samples("texts", "train.toml"), _read_kohya),
    Target("captions and prompts", "caption.txt", samples("texts", "caption.txt"), _read_words),
    Target("votes", "votes.jsonl", votes, _read_votes),
    Target("workflows", "workflow.json", lambda _: iter([json.dumps(WORKFLOW).encode()]), _read_workflow),
    Target(
        "manifests",
        "manifest.csv",
        lambda _: iter([b"file,prompt,seed,checkpoint,unet,te\na.png,hina,1,b,0.5,0.5\n"]),
        _read_manifest,
    ),
    Target("pictures' texts", "a.png", texts, _texts_of, _png_with),
    Target("pictures' containers", "a.png", small_pictures, _texts_of),
    Target("pictures", "a.png", small_pictures, _read_picture),
    Target("base folders", "input", _in_folder, _read_base),
    Target("CLIP folders", "input", _clip_configs, _read_clip),
    Target("ONNX files", "input.onnx", samples("ONNX files", "*.onnx"), _read_faces),
)
