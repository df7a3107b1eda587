"""Load a language model by name (:mod:`iclnb.llm.loading.models`)."""

from iclnb.keys.inputs import content_hash
from iclnb.llm.loaded import LoadedModel
from iclnb.llm.loading.models import ENCODER, best_device, load, load_encoder
from iclnb.llm.loading.places import PACKAGED, PINNED

__all__ = [
    "ENCODER", "PACKAGED", "PINNED", "LoadedModel", "best_device", "content_hash", "load", "load_encoder"
]  # fmt: skip
