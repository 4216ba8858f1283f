"""A1111's protocol, and Forge's: /sdapi/v1/txt2img draws a picture and answers with it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from io import BytesIO

from base_models.drawing.samplers import SAMPLERS
from eval.importing.containers.chunk_reading import DamagedPictureError
from eval.importing.containers.picture_texts import PictureTexts
from eval.importing.containers.png_texts import PNG, read_png
from eval.importing.metadata.a1111 import told_by_a1111
from eval.importing.metadata.bounded_json import below, listed, text_at
from eval.importing.metadata.told import UnclearPictureError, lora_name, plain_words
from eval.request.cells import Cell, Checkpoint, Sampling
from eval.request.elsewhere.elsewhere import Elsewhere, Own
from eval.request.plan import PlannedPicture
from eval.servers.comfyui import MEMORY
from eval.servers.faults import OutOfMemoryFaultError, ServerFaultError, ServerRefusedError, shortened
from eval.servers.http_door import Door
from eval.servers.lora_names import check_strengths, names_of, strengths

WHERE = "its models/Lora folder, press Refresh there, and run the command again"


class A1111Server:
    """One A1111, Forge or reForge that was started with `--api`. It is asked for one picture after another."""

    ahead = 1

    def __init__(self, url: str, elsewhere: Elsewhere, sampling: Sampling) -> None:
        self.url = url
        self._door = Door(url, elsewhere.headers)
        self._elsewhere, self._sampling = elsewhere, sampling
        self._names: dict[str, str] = {}
        self._asked: dict[str, PlannedPicture] = {}
        self._is_drawing = False

    def check(self, checkpoints: Iterable[Checkpoint], cells: Iterable[Cell]) -> None:
        """Raise ServerRefusedError for LoRA files that it lacks, or another model loaded; or ServerFaultError."""
        base = model_there(self._door, self._elsewhere.checkpoint)[0]
        if base != self._elsewhere.own.base:
            raise ServerRefusedError(
                f"{self.url}: has another model loaded than when the grid was planned, or than another server; load "
                "the same everywhere, or name it as [a1111] checkpoint"
            )
        check_strengths(cells, "A1111", words=True)
        needed = {one.sha256: one for one in checkpoints if one.sha256 not in self._names}
        if needed:
            told = listed(self._door.json("/sdapi/v1/loras"))
            by_path = {text_at(one, "path"): one for one in told if text_at(one, "path")}
            found = names_of(
                needed.values(), list(by_path), self.url, WHERE, lambda path: below(by_path[path], "metadata")
            )
            self._names |= {sha256: text_at(by_path[path], "name") for sha256, path in found.items()}

    def begin(self, picture: PlannedPicture) -> str:
        """It knows no queue: what is asked for is asked for when it is waited for. Raises as `check`."""
        uses = picture.cell.acting if picture.cell else ()
        if lacking := [use.checkpoint for use in uses if use.checkpoint.sha256 not in self._names]:
            self.check(lacking, ())
        self._asked[picture.id] = picture
        return picture.id

    def finish(self, asked: str) -> bytes:
        """Draw. Raises ServerFaultError where that fails, or another picture comes."""
        picture = self._asked.pop(asked)
        self._is_drawing = True
        try:
            answer = self._door.ask("/sdapi/v1/txt2img", self._request(picture), seconds=self._elsewhere.patience)
        finally:
            self._is_drawing = False
        if answer.status == 500 and any(
            mark in answer.body[:4000].decode("utf-8", "replace").lower() for mark in MEMORY
        ):
            raise OutOfMemoryFaultError(f"{self.url} is out of memory")
        self._door.check(answer, "/sdapi/v1/txt2img")
        data = _picture_in(answer.body, self.url)
        self._check_told(data, picture)
        return data

    def drop(self) -> None:
        """What was not begun is forgotten."""
        self._asked.clear()

    def is_up(self) -> bool:
        """Whether it answers again."""
        try:
            self._door.json("/sdapi/v1/options", seconds=5)
        except (ServerFaultError, ServerRefusedError):
            return False
        return True

    def free(self) -> None:
        """Ask it to begin its model anew."""
        self._door.ask("/sdapi/v1/unload-checkpoint", {}, seconds=30)
        self._door.ask("/sdapi/v1/reload-checkpoint", {}, seconds=120)

    def close(self) -> None:
        """Break off what it draws for nobody."""
        if self._is_drawing:
            with suppress(ServerFaultError):
                self._door.ask("/sdapi/v1/interrupt", {}, seconds=5)

    def _request(self, picture: PlannedPicture) -> dict[str, object]:
        sampling = self._sampling
        named, schedule = _as_in_forge(SAMPLERS[sampling.sampler].a1111)
        settings: dict[str, object] = {"CLIP_stop_at_last_layers": sampling.clip_skip}
        if self._elsewhere.checkpoint:
            settings["sd_model_checkpoint"] = self._elsewhere.checkpoint
        return {
            "prompt": self._prompt(picture), "negative_prompt": sampling.negative, "seed": picture.seed,
            "steps": sampling.steps, "cfg_scale": sampling.cfg, "width": sampling.width, "height": sampling.height,
            "sampler_name": named, **({"scheduler": schedule} if schedule else {}), "batch_size": 1, "n_iter": 1,
            "override_settings": settings, "override_settings_restore_afterwards": False, "save_images": False,
            "send_images": True,
        }  # fmt: skip

    def _prompt(self, picture: PlannedPicture) -> str:
        uses = picture.cell.acting if picture.cell else ()
        tags = ""
        for use in uses:
            unet, te = strengths(use.weights)
            tags += f" <lora:{self._names[use.checkpoint.sha256]}:{te:g}:{unet:g}>"
        return picture.prompt + tags

    def _check_told(self, data: bytes, picture: PlannedPicture) -> None:
        try:
            size, texts = read_png(BytesIO(data))
            told = told_by_a1111(PictureTexts(size, texts))
        except (DamagedPictureError, UnclearPictureError) as error:
            raise ServerFaultError(f"{self.url} gives a picture that cannot be read ({error})") from error
        if told is None:
            raise ServerRefusedError(
                f"{self.url}: its pictures do not tell how they were made; turn on `Write infotext to metadata` in its "
                "settings"
            )
        uses = picture.cell.acting if picture.cell else ()
        asked = {lora_name(self._names[use.checkpoint.sha256]): strengths(use.weights) for use in uses}
        there = {lora.name: (lora.unet, lora.te) for lora in told.loras}
        words = plain_words(told.prompt) == plain_words(picture.prompt)
        sized = size == (self._sampling.width, self._sampling.height)
        if not words or told.seed != picture.seed or there != asked or not sized:
            raise ServerFaultError(f"{self.url} gives another picture than the one asked for")


def model_there(door: Door, checkpoint: str) -> tuple[str, str]:
    """A hash of what it draws with beside the request, and the model's name. Raises ServerRefusedError for no such."""
    told = door.json("/sdapi/v1/options")
    title, hashed = text_at(told, "sd_model_checkpoint"), text_at(told, "sd_checkpoint_hash")
    if not title:
        raise ServerRefusedError(f"{door.url}: tells no model; is it A1111 or Forge, started with --api?")
    if checkpoint and checkpoint not in (title, title.partition(" [")[0]):
        models = listed(door.json("/sdapi/v1/sd-models"))
        found = next((one for one in models if checkpoint in (text_at(one, "title"), text_at(one, "model_name"))), None)
        if found is None:
            raise ServerRefusedError(
                f"{door.url}: has no model `{checkpoint}`; name one by its title as [a1111] checkpoint"
            )
        title, hashed = text_at(found, "title"), text_at(found, "sha256") or text_at(found, "hash")
    parts = [title, hashed, text_at(told, "sd_vae"), text_at(told, "randn_source")]
    return f"a1111-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]}", shortened(title.partition(" [")[0])


def with_own(elsewhere: Elsewhere) -> Elsewhere:
    """What the first server has loaded, put in. Raises ServerFaultError or ServerRefusedError."""
    base, name = model_there(Door(elsewhere.servers[0], elsewhere.headers), elsewhere.checkpoint)
    return replace(elsewhere, own=Own(base=base, name=name))


def _as_in_forge(name: str) -> tuple[str, str]:
    """A sampler, and the schedule that A1111 since 1.9 and Forge have in a list of its own."""
    return (name.removesuffix(" Karras"), "Karras") if name.endswith(" Karras") else (name, "")


def _picture_in(body: bytes, url: str) -> bytes:
    try:
        images = listed(below(json.loads(body), "images"))
        first = images[0] if images and isinstance(images[0], str) else ""
        data = base64.b64decode(first.rpartition(",")[2], validate=True)
    except (ValueError, RecursionError, binascii.Error) as error:
        raise ServerFaultError(f"{url} answers with no picture") from error
    if not data.startswith(PNG):
        raise ServerFaultError(f"{url} gives a picture that is no PNG; set its format of files to png")
    return data
