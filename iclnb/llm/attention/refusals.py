"""What is refused: models whose attention cannot be captured exactly, and layers that are not there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from iclnb.errors import IclnbError

_LENGTH_DEPENDENT_ROPE = {"dynamic", "longrope"}


class CaptureError(IclnbError):
    """The attention of this architecture cannot be captured exactly.

    Attributes:
        why: the reason alone.
    """

    def __init__(self, model: PreTrainedModel, why: str):
        self.why = why
        super().__init__(
            f"cannot capture the attention of {type(model).__name__} (model type "
            f"{model.config.model_type!r}): {why}"
        )


@contextmanager
def refusing(model: PreTrainedModel) -> Iterator[None]:
    """Whatever the model's own code raises inside the block, short of memory, is a :class:`CaptureError`."""
    try:
        yield
    except (IclnbError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if "memory" in str(error):
            raise
        short = " ".join(str(error).split())[:300]
        raise CaptureError(
            model, f"its forward pass cannot be followed ({type(error).__name__}: {short})"
        ) from error


def layers(model: PreTrainedModel) -> int:
    """How many layers the model's configuration says it has. Raises CaptureError if it does not say."""
    found = getattr(_text_config(model), "num_hidden_layers", None)
    if found is None:
        raise CaptureError(model, "its configuration does not say how many layers it has")
    return found


def chosen_layers(model: PreTrainedModel, wanted: Sequence[int] | None) -> list[int]:
    """The layers asked for (``None``: all; a negative one counts from the last). Raises ValueError without such."""
    number = layers(model)
    if wanted is None:
        return list(range(number))
    if any(not -number <= layer < number for layer in wanted):
        raise ValueError(f"layers must be among 0 to {number - 1}, got {list(wanted)}")
    return [layer % number for layer in wanted]


def refuse_length_dependent_positions(model: PreTrainedModel) -> None:
    """Raise :class:`CaptureError` where a key depends on the length of the whole prompt."""
    rope = getattr(_text_config(model), "rope_parameters", None) or {}
    kinds = {
        part.get("rope_type") for part in (rope, *rope.values()) if isinstance(part, dict)
    }  # by layer type
    if kinds & _LENGTH_DEPENDENT_ROPE:
        raise CaptureError(model, "its rotary embedding depends on the length of the whole prompt")


def require_probabilities(model: PreTrainedModel, attention: Float[Tensor, "*rows tokens"]) -> None:
    """Raise :class:`CaptureError` unless every row is finite and sums to something in (0, 1]."""
    total = attention.sum(dim=-1)
    if not (torch.isfinite(total).all() and (total > 0).all() and (total < 1.01).all()):
        raise CaptureError(model, "its attention rows are not probabilities")


def require_every_layer(model: PreTrainedModel, attentions: object) -> None:
    """Raise :class:`CaptureError` unless a forward pass gave the attention of every layer."""
    if (
        not attentions
        or len(attentions) != layers(model)
        or any(a is None or a.ndim != 4 for a in attentions)
    ):
        raise CaptureError(model, "some layers give no attention under eager attention")


def _text_config(model: PreTrainedModel) -> PretrainedConfig:
    if not hasattr(model, "config"):
        raise TypeError(
            f"model must be a language model of transformers, got a {type(model).__name__}; "
            "AutoModelForCausalLM.from_pretrained(name) loads one"
        )
    return model.config.get_text_config(decoder=True)
