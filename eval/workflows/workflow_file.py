"""A ComfyUI workflow in API format, read from a user's file or out of the request that they kept of it."""

from __future__ import annotations

from pathlib import Path

from eval.importing.comfy.graph import Graph, graph_of
from eval.importing.metadata.bounded_json import MOST_JSON
from eval.importing.metadata.told import UnclearPictureError
from foundation.errors import ConfigurationError, MissingFileError
from foundation.text_files import read_text
from foundation.typed.json_values import is_list, is_table, parse_json

EXPORT = "open it in ComfyUI and choose Workflow > Export (API)"


class WorkflowError(ConfigurationError):
    """A workflow that cannot be drawn with, or whose fields are not clear. The text says what to name or change."""


def read_workflow(path: Path) -> dict[str, object]:
    """The nodes of a workflow in API format. Raises MissingFileError, or WorkflowError for anything else."""
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file; name the workflow, exported in API format: {EXPORT}")
    if path.stat().st_size > MOST_JSON:
        raise WorkflowError(f"{path}: has more than {MOST_JSON:,} bytes, which no workflow needs; {EXPORT}")
    try:
        told = parse_json(read_text(path))
    except ValueError as error:
        raise WorkflowError(f"{path}: no JSON ({error}); {EXPORT}") from error
    if not is_table(told):
        raise WorkflowError(f"{path}: no workflow; {EXPORT}")
    if is_list(told.get("nodes")):
        raise WorkflowError(f"{path}: is the editor's own format, which says nothing of inputs by name; {EXPORT}")
    nodes = told["prompt"] if is_table(told.get("prompt")) else told
    assert is_table(nodes)
    try:
        graph_of(nodes)
    except UnclearPictureError as error:
        raise WorkflowError(f"{path}: {error}; {EXPORT}") from error
    return nodes


def nodes_of(workflow: dict[str, object]) -> Graph:
    """The graph of a workflow that `read_workflow` has read."""
    return graph_of(workflow)
