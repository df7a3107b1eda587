"""A model that has been loaded; :mod:`iclnb.llm.loading` finds it by name."""

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode, its tokenizer (which has a padding token, on the right), and their origin.

    Attributes:
        origin: for the provenance of a run: ``source`` (packaged, local or hub), ``name``, what pins it
            (a distribution and its SHA-256, the SHA-256 of the files, or a commit), ``licence`` and ``file``
            where a GGUF file states them, ``dtype``, ``device`` and ``random_weights_seed``.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    origin: dict[str, Any]
