"""A user's workflow: its fields are found by type, and what a grid sets comes out again as any reader reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import comfy_graphs
from eval.importing.comfy.comfyui import told_by_comfyui
from eval.importing.containers.picture_texts import PictureTexts
from eval.importing.metadata.told import Told
from eval.request.elsewhere.elsewhere import Elsewhere, Own
from eval.workflows.drawn_graph import LoraAt, drawn_graph, same_graph
from eval.workflows.own_settings import with_own
from eval.workflows.template import template_of
from eval.workflows.workflow_file import WorkflowError, read_workflow
from foreign_kinds import Drawn
from served_grids import workflow

ONE = Drawn((("old", 0.5, 0.5),), "a lady", 3, 0, "ugly")
TWO = [LoraAt("people/new.safetensors", 0.8, 0.25), LoraAt("more.safetensors", 0.5, 1.0)]


def elsewhere(graph: dict[str, Any], *said: str, **named: Any) -> Elsewhere:
    own = {key: named.pop(key) for key in ("lora", "output") if key in named}
    return Elsewhere("ComfyUI", (), Own("", ""), frozenset(said), workflow=graph, named=named, **own)


def told(graph: dict[str, Any], loras: list[LoraAt], *said: str, **named: Any) -> Told:
    """What a drawn picture tells, read as a stranger's."""
    fields = {"prompt": "photo of ohwx", "seed": 99, "negative": "bad", "steps": 5, "cfg": 2.5, "sampler": "heun",
              "scheduler": "karras"}  # fmt: skip
    template = template_of(elsewhere(graph, *said, **named))
    sent = drawn_graph(template, fields, loras)
    found = told_by_comfyui(PictureTexts((16, 24), {"prompt": json.dumps(sent)}))
    assert found is not None
    return found


GRAPHS = [comfy_graphs.chain, comfy_graphs.power, comfy_graphs.comfyroll, comfy_graphs.easy]


@pytest.mark.parametrize("made", GRAPHS, ids=lambda made: made.__name__)
@pytest.mark.parametrize("loras", [[], TWO[:1], TWO], ids=len)
def test_what_is_put_in_is_what_a_picture_tells(made: Callable[[Drawn], dict[str, Any]], loras: list[LoraAt]) -> None:
    found = told(made(ONE), loras, "negative", "steps", "cfg", "name")
    assert (found.prompt, found.seed, found.negative) == ("photo of ohwx", 99, "bad")
    asked = [(one.name.removesuffix(".safetensors"), one.model, one.clip) for one in loras]
    assert sorted((one.name, one.unet, one.te) for one in found.loras) == sorted(asked)
    assert (found.settings["steps"], found.settings["cfg"], found.settings["sampler"]) == ("5", "2.5", "heun karras")


def test_a_loader_of_the_model_alone_stays_one() -> None:
    found = told(comfy_graphs.flux(ONE), TWO)
    assert [(one.unet, one.te) for one in found.loras] == [(0.8, 0.0), (0.5, 0.0)]
    assert (found.prompt, found.seed) == ("photo of ohwx", 99)
    assert not template_of(elsewhere(comfy_graphs.flux(ONE))).lora.reads_words


def test_a_workflow_without_a_lora_gets_its_loader_behind_the_model() -> None:
    bare = comfy_graphs.chain(Drawn((), "a lady", 3, 0, "ugly"))
    found = told(bare, TWO)
    assert [(one.unet, one.te) for one in found.loras] == [(0.8, 0.25), (0.5, 1.0)]
    assert found.settings["steps"] == "20"
    assert found.negative == "ugly"


def test_of_several_loaders_one_is_named_and_the_others_stay() -> None:
    graph = comfy_graphs.chain(Drawn((("style", 0.3, 0.3), ("old", 0.5, 0.5)), "a lady", 3, 0, ""))
    with pytest.raises(WorkflowError, match=r'several nodes put LoRAs on: .*lora = "NODE"'):
        template_of(elsewhere(graph))
    found = told(graph, TWO[:1], lora="21")
    assert [(one.stem, one.unet) for one in found.loras] == [("style", 0.3), ("new", 0.8)]


def test_fields_of_unknown_nodes_are_named() -> None:
    graph = workflow()
    graph["3"]["class_type"] = "A sampler of tomorrow"
    with pytest.raises(WorkflowError, match="name its fields"):
        template_of(elsewhere(graph))
    named = {"prompt": ("6.text",), "seed": ("3.seed",), "steps": ("3.steps",)}
    sent = drawn_graph(
        template_of(elsewhere(graph, "steps", lora="10", **named)), {"prompt": "x", "seed": 1, "steps": 9}, TWO
    )
    assert [sent["3"]["inputs"][key] for key in ("seed", "steps")] == [1, 9]
    assert sent["3"]["inputs"]["model"] == ["lora-studio-lora-2", 0]
    assert sent["5"]["inputs"]["batch_size"] == 1


FAULTS: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "no such node": ({"seed": ("77.seed",)}, (), r"\[comfy\] seed: no node 77"),
    "no such input": ({"seed": ("3.noise",)}, (), "has no noise"),
    "no such saver": ({"output": "4"}, (), r"\[comfy\] output: .*node 9"),
    "no such loader": ({"lora": "5"}, (), r"\[comfy\] lora: no node 5"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_named_wrongly_is_said(fault: str) -> None:
    named, said, words = FAULTS[fault]
    with pytest.raises(WorkflowError, match=words):
        template_of(elsewhere(workflow(), *said, **named))


def test_what_is_no_workflow_is_said(tmp_path: Path) -> None:
    for number, text in enumerate(["[1]", "{", "{}", '{"nodes": [], "links": []}']):
        path = tmp_path / f"{number}.json"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(WorkflowError, match=r"Export \(API\)"):
            read_workflow(path)
    path.write_text(json.dumps({"prompt": workflow(), "client_id": "x"}), encoding="utf-8")
    assert read_workflow(path) == workflow()


def test_two_workflows_are_two_bases_and_what_is_set_is_none() -> None:
    def base(graph: dict[str, Any], *said: str) -> str:
        return with_own(elsewhere(graph, *said), "w.json")[0].own.base

    other, scheduled = workflow(), workflow()
    other["4"]["inputs"]["ckpt_name"] = "another.safetensors"
    scheduled["3"]["inputs"]["steps"] = 21
    lora = workflow()
    lora["10"]["inputs"]["lora_name"] = lora["6"]["inputs"]["text"] = "something else"
    assert base(workflow()) == base(lora)
    assert len({base(workflow()), base(other), base(scheduled)}) == 3
    assert base(workflow(), "steps") == base(scheduled, "steps")
    own = with_own(elsewhere(workflow()), "w.json")[0].own
    assert (own.steps, own.cfg, own.sampler, own.width, own.negative) == (20, 7.0, "euler normal", 64, "blurry")


def test_a_picture_of_another_graph_is_known() -> None:
    graph = drawn_graph(template_of(elsewhere(workflow())), {"prompt": "x", "seed": 1}, TWO)
    more: dict[str, Any] = json.loads(json.dumps(graph))
    more["3"]["is_changed"] = [1]
    assert same_graph(more, graph)
    more["3"]["inputs"]["seed"] = 2
    assert not same_graph(more, graph)
