"""Fetching ahead by name, for machines without a network: models, packaged or of the hub, and tasks."""

from collections.abc import Callable
from functools import partial

from huggingface_hub import snapshot_download

from iclnb.errors import IclnbError
from iclnb.llm.data import hub, packaged, tasks
from iclnb.llm.loading import catalogue, checkpoint, places
from iclnb.llm.loading.places import Place

PATTERNS = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
"""What loading a model reads of its repository."""


def plan(name: str, revision: str | None = None) -> Callable[[], str]:
    """How to fetch what a name means: a function that does it and says where it lies. Nothing is fetched yet.

    Raises IclnbError for an unknown name. What is returned raises it if something cannot be fetched.
    """
    if any(card.name == name for card in catalogue.CARDS):
        return lambda: str(packaged.folder(name, hash_all=True))
    if name in tasks.names():
        return partial(_task, name)
    if places.is_local(name):
        return lambda: f"{name} is here"
    try:
        return partial(_model, places.find(name, revision))
    except IclnbError as error:
        raise IclnbError(f"{error}\n- task: {', '.join(tasks.names())}") from None


def _task(name: str) -> str:
    """Every split of a task, and where its rows come from."""
    task = tasks.check(name)
    if task.packaged:
        packaged.folder(task.packaged, hash_all=True)
    elif tasks.place(task).startswith("hub"):
        for split in task.splits:
            tasks.load(name, split)
    return f"{name}: {tasks.place(task)}"


def _model(place: Place) -> str:
    """The files of a model on the hub, checked; a GGUF file converted."""
    name = place.origin["name"]
    with checkpoint.explained(name, "hub"):
        place = places.resolve_revision(place)
        where, commit = place.arguments["pretrained_model_name_or_path"], place.origin["revision"]
        if "file" in place.origin:
            return str(where)
        folder = snapshot_download(where, revision=commit, allow_patterns=list(PATTERNS))
    hub.verify(where, commit)
    return folder
