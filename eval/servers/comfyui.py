"""ComfyUI's protocol: /prompt takes a graph, /history tells what became of it, /view has the picture."""

from __future__ import annotations

import time
from collections.abc import Iterable
from io import BytesIO
from urllib.parse import quote
from uuid import uuid4

from eval.importing.containers.chunk_reading import DamagedPictureError
from eval.importing.containers.png_texts import PNG, read_png
from eval.importing.metadata.bounded_json import below, listed, parsed, text_at
from eval.importing.metadata.told import UnclearPictureError
from eval.request.cells import Cell, Checkpoint, Sampling
from eval.request.elsewhere.elsewhere import Elsewhere
from eval.request.plan import PlannedPicture
from eval.servers.faults import OutOfMemoryFaultError, ServerFaultError, ServerRefusedError, shortened
from eval.servers.http_door import Door
from eval.servers.listening import Listener
from eval.servers.lora_names import check_strengths, names_of, strengths
from eval.workflows.drawn_graph import OUTPUT, Graph, LoraAt, drawn_graph, literal_inputs, same_graph
from eval.workflows.own_settings import comfy_sampler
from eval.workflows.template import template_of
from foundation.typed.json_values import is_list, is_table

WHERE = "its models/loras folder, and run the command again"
MEMORY = ("outofmemory", "out of memory", "allocation on device")


class ComfyServer:
    """One ComfyUI. Asked for two pictures at a time, so that it never waits; what is asked for is known by its id."""

    ahead = 2

    def __init__(self, url: str, elsewhere: Elsewhere, sampling: Sampling) -> None:
        self.url = url
        self._door = Door(url, elsewhere.headers)
        self._elsewhere, self._sampling = elsewhere, sampling
        self._template = template_of(elsewhere)
        self._client = uuid4().hex
        self._names: dict[str, str] = {}
        self._asked: dict[str, Graph] = {}
        self._listener = Listener(url, elsewhere.headers, self._client)

    def check(self, checkpoints: Iterable[Checkpoint], cells: Iterable[Cell]) -> None:
        """Raise ServerRefusedError for nodes, models or LoRA files that it lacks, or ServerFaultError."""
        if not is_table(self._door.json("/system_stats")):
            raise ServerRefusedError(f"{self.url}: answers, but not as ComfyUI does; check the address")
        check_strengths(cells, "ComfyUI", words=self._template.lora.reads_words)
        needed = {one.sha256: one for one in checkpoints if one.sha256 not in self._names}
        if needed:
            kind = self._template.lora.kind
            there = _choices(self._about(kind), "lora_name") or []
            self._names |= names_of(needed.values(), there, self.url, WHERE, self._metadata_of)
        self._check_nodes()

    def begin(self, picture: PlannedPicture) -> str:
        """Ask for a picture; the id that it is known by there. Raises ServerFaultError or ServerRefusedError."""
        uses = picture.cell.acting if picture.cell else ()
        # One that did not answer when the grid began is looked at when it first draws.
        if lacking := [use.checkpoint for use in uses if use.checkpoint.sha256 not in self._names]:
            self.check(lacking, ())
        graph = self._graph(picture)
        answer = self._door.ask("/prompt", {"prompt": graph, "client_id": self._client})
        if answer.status == 400:
            raise ServerRefusedError(f"{self.url} refuses the workflow: {_refusal(answer.body)}")
        self._door.check(answer, "/prompt")
        asked = text_at(parsed_answer(answer.body, self.url), "prompt_id")
        if not asked:
            raise ServerFaultError(f"{self.url}/prompt gives no id")
        self._asked[asked] = graph
        return asked

    def finish(self, asked: str) -> bytes:
        """Wait for the picture. Raises ServerFaultError where it fails, is forgotten, or is another one."""
        entry = self._wait(asked)
        graph = self._asked.pop(asked)
        if text_at(entry, "status", "status_str") == "error":
            raise _fault_of(entry, self.url)
        shown = listed(below(entry, "outputs", OUTPUT, "images"))
        if not shown:
            raise ServerFaultError(f"{self.url} has finished, and shows no picture")
        where = {key: text_at(shown[0], key) for key in ("filename", "subfolder", "type")}
        data = self._door.file("/view", where)
        check_told(data, graph, self.url)
        return data

    def drop(self) -> None:
        """Take back what was asked for and not fetched: out of the queue, or while it is drawn."""
        left = list(self._asked)
        self._asked.clear()
        if not left:
            return
        self._door.ask("/queue", {"delete": left}, seconds=5)
        running = [_id_of(one) for one in listed(below(self._door.json("/queue", seconds=5), "queue_running"))]
        for one in left:
            if one in running:
                self._door.ask("/interrupt", {"prompt_id": one}, seconds=5)

    def is_up(self) -> bool:
        """Whether it answers again."""
        try:
            return is_table(self._door.json("/system_stats", seconds=5))
        except (ServerFaultError, ServerRefusedError):
            return False

    def free(self) -> None:
        """Ask it to give its device's memory back."""
        self._door.ask("/free", {"unload_models": True, "free_memory": True}, seconds=10)

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()

    def _graph(self, picture: PlannedPicture) -> Graph:
        said, sampling = self._elsewhere.said, self._sampling
        fields: dict[str, object] = {"prompt": picture.prompt, "seed": picture.seed}
        if "negative" in said:
            fields["negative"] = sampling.negative
        if "name" in said:
            fields["sampler"], fields["scheduler"] = comfy_sampler(sampling.sampler)
        for key in ("steps", "cfg", "width", "height"):
            if key in said:
                fields[key] = getattr(sampling, key)
        uses = picture.cell.acting if picture.cell else ()
        loras = [LoraAt(self._names[use.checkpoint.sha256], *strengths(use.weights)) for use in uses]
        return drawn_graph(self._template, fields, loras)

    def _wait(self, asked: str) -> object:
        """What its history says of a picture. Raises ServerFaultError where it is forgotten, or nothing moves."""
        moved, place, heard = time.monotonic(), -1, self._listener.heard
        while True:
            if entry := below(self._door.json(f"/history/{asked}"), asked):
                return entry
            at = self._place_of(asked)
            if at is None:
                if entry := below(self._door.json(f"/history/{asked}"), asked):
                    return entry
                raise ServerFaultError(f"{self.url} has forgotten a picture; it was started anew, or its queue cleared")
            if at != place or self._listener.heard != heard:
                moved, place, heard = time.monotonic(), at, self._listener.heard
            if time.monotonic() - moved > self._elsewhere.patience:
                raise ServerFaultError(f"{self.url} has shown no sign of life for {self._elsewhere.patience:g} s")
            self._listener.wait()
            if self._listener.is_closed:
                raise ServerFaultError(f"{self.url} is waited for no more")

    def _place_of(self, asked: str) -> int | None:
        """How many stand before it, or None where it is not in the queue."""
        queue = self._door.json("/queue")
        running, pending = listed(below(queue, "queue_running")), listed(below(queue, "queue_pending"))
        if any(_id_of(one) == asked for one in running):
            return 0
        before = sorted(pending, key=_number_of)
        return next((at for at, one in enumerate(before, 1) if _id_of(one) == asked), None)

    def _about(self, kind: str) -> object:
        """What it says of a kind of nodes. Raises ServerRefusedError for one that it does not have."""
        told = below(self._door.json(f"/object_info/{quote(kind, safe='')}"), kind)
        if not is_table(told):
            raise ServerRefusedError(
                f"{self.url}: has no node `{shortened(kind)}`; install what brings it, and restart it"
            )
        return told

    def _check_nodes(self) -> None:
        """Raise ServerRefusedError for a node that it lacks, or a file that it does not list."""
        graph = drawn_graph(self._template, {}, [])
        about = {kind: self._about(kind) for kind in {str(node["class_type"]) for node in graph.values()}}
        for key, kind, name, value in literal_inputs(graph):
            choices = _choices(about[kind], name)
            if choices is not None and isinstance(value, str) and value not in choices:
                raise ServerRefusedError(
                    f"{self.url}: `{shortened(value)}` is no {name} that it has (node {key}, `{kind}`); put it there, "
                    "or change the workflow"
                )

    def _metadata_of(self, name: str) -> object:
        answer = self._door.ask("/view_metadata/loras", query={"filename": name})
        return parsed_answer(answer.body, self.url) if answer.status == 200 and answer.body else None


def check_told(data: bytes, graph: Graph, url: str) -> None:
    """Raise ServerFaultError for a picture that does not tell of the graph that was asked for."""
    if not data.startswith(PNG):
        raise ServerFaultError(f"{url} gives a file that is no PNG")
    try:
        _, texts = read_png(BytesIO(data))
        told = parsed(texts["prompt"], "graph") if "prompt" in texts else None
    except (DamagedPictureError, UnclearPictureError) as error:
        raise ServerFaultError(f"{url} gives a picture that cannot be read ({error})") from error
    if told is None:
        raise ServerRefusedError(
            f"{url}: its pictures do not tell how they were made, so none can be known for the one that was asked for; "
            "start it without --disable-metadata"
        )
    if not same_graph(told, graph):
        raise ServerFaultError(f"{url} gives another picture than the one asked for")


def parsed_answer(body: bytes, url: str) -> object:
    """A JSON answer. Raises ServerFaultError."""
    try:
        return parsed(body.decode("utf-8", "replace"), "answer")
    except UnclearPictureError as error:
        raise ServerFaultError(f"{url}: {error}") from error


def _choices(about: object, name: str) -> list[str] | None:
    """What an input chooses among, in the old spelling or the new; None where it is no choice."""
    told = below(about, "input", "required", name) or below(about, "input", "optional", name)
    first = listed(told)[0] if listed(told) else None
    if first == "COMBO" and len(listed(told)) > 1:
        first = below(listed(told)[1], "options")
    return [one for one in first if isinstance(one, str)] if is_list(first) else None


def _id_of(entry: object) -> object:
    return entry[1] if is_list(entry) and len(entry) > 1 else None


def _number_of(entry: object) -> float:
    first = entry[0] if is_list(entry) and entry else 0
    return first if isinstance(first, (int, float)) else 0.0


def _fault_of(entry: object, url: str) -> ServerFaultError:
    """What went wrong, off the messages of a history."""
    told = [one for one in listed(below(entry, "status", "messages")) if is_list(one) and len(one) == 2]
    error = next((one[1] for one in told if one[0] == "execution_error"), None)
    kind, said = text_at(error, "exception_type"), text_at(error, "exception_message")
    words = shortened(f"{url}: {text_at(error, 'node_type') or 'a node'} failed ({kind} {said})")
    is_memory = any(mark in f"{kind} {said}".lower() for mark in MEMORY)
    return OutOfMemoryFaultError(words) if is_memory else ServerFaultError(words)


def _refusal(body: bytes) -> str:
    """A node's own error says more than that of the whole."""
    told = parsed_answer(body, "the server")
    nodes = below(told, "node_errors")
    for key, node in nodes.items() if is_table(nodes) else ():
        for error in listed(below(node, "errors")):
            what = f"{text_at(error, 'message')} {text_at(error, 'details')}"
            return shortened(f"node {key} (`{text_at(node, 'class_type')}`): {what}")
    return shortened(f"{text_at(told, 'error', 'message')} {text_at(told, 'error', 'details')}")
