"""What each attention head puts out at the last token, seen and replaced while a model runs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from iclnb.errors import IclnbError
from iclnb.llm.attention.architectures import ONE_AT_A_TIME

Edit = Callable[[int, Float[Tensor, "prompts heads dim"]], Float[Tensor, "prompts heads dim"]]
"""Called with a layer and what its heads put out at each prompt's last token; returns what replaces it."""

_PROJECTIONS = ("o_proj", "out_proj", "c_proj", "dense", "wo", "Wo")
"""What 🤗 transformers calls the linear map from the joined heads to the residual stream."""


@contextmanager
def head_outputs(model: PreTrainedModel, edit: Edit) -> Iterator[None]:
    """Inside the block ``edit`` sees and replaces the head outputs at the last tokens, layer by layer.

    What a head puts out is the sum of its values weighted by its attention, before the output projection
    joins the heads. Where several query heads share a key-value head (grouped-query attention), each query
    head has an output of its own. A second thread waits until the block ends.

    Args:
        model: a causal language model; without any change after the block, however it ends.
        edit: called once for every layer and forward pass. It must not change what it is given in place.

    Raises:
        IclnbError: if the output projection cannot be found in every layer (the message names the
            architecture), or the model ran without calling it.
        ValueError: if ``edit`` returns another shape.
    """
    found = _projections(model)
    calls, passes = [0] * len(found), [0]

    def count(*_: object) -> None:
        passes[0] += 1

    with ONE_AT_A_TIME, ExitStack() as stack:
        stack.callback(model.get_input_embeddings().register_forward_pre_hook(count).remove)
        for layer, (projection, heads) in enumerate(found):
            hook = _hook(layer, heads, edit, calls)
            stack.callback(projection.register_forward_pre_hook(hook).remove)
        yield
        if any(called != max(*calls, passes[0]) for called in calls):
            raise _unknown(model, f"{passes[0]} forward passes called the output projections {calls} times")


def _hook(
    layer: int, heads: int, edit: Edit, calls: list[int]
) -> Callable[[torch.nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """The forward pre-hook of one layer's output projection."""

    def replace(_: torch.nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        calls[layer] += 1
        joined, *others = arguments
        if joined.ndim != 3:
            raise ValueError(f"expected head outputs (prompts, tokens, width), got {tuple(joined.shape)}")
        z = joined[:, -1].contiguous().unflatten(-1, (heads, -1))
        edited = edit(layer, z)
        if edited.shape != z.shape:
            raise ValueError(f"edit was given {tuple(z.shape)} and returned {tuple(edited.shape)}")
        changed = joined.clone()
        changed[:, -1] = edited.flatten(1).to(joined)
        return (changed, *others)

    return replace


def _projections(model: PreTrainedModel) -> list[tuple[torch.nn.Module, int]]:
    """The output projection of every layer, first layer first, and its number of heads."""
    config = model.config.get_text_config(decoder=True)
    heads = getattr(config, "num_attention_heads", None)
    layers = getattr(config, "num_hidden_layers", None)
    if heads is None or layers is None:
        raise _unknown(model, "its configuration gives no number of heads or layers")
    found: dict[int, list[torch.nn.Module]] = {layer: [] for layer in range(layers)}
    for module in model.modules():
        layer = getattr(module, "layer_idx", getattr(module, "layer_id", None))
        projection = next(
            (p for name in _PROJECTIONS if (p := getattr(module, name, None)) is not None), None
        )
        if layer in found and projection is not None and _width(projection) == heads * _dim(module, config):
            found[layer].append(projection)
    odd = [layer for layer, projections in found.items() if len(projections) != 1]
    if odd:
        raise _unknown(
            model, f"layers {odd} do not have exactly one of {', '.join(_PROJECTIONS)} of that width"
        )
    return [(projections[0], heads) for projections in found.values()]


def _width(projection: torch.nn.Module) -> int | None:
    """The size of the input of a linear map, or of GPT-2's ``Conv1D``."""
    return getattr(projection, "in_features", getattr(projection, "nx", None))


def _dim(attention: torch.nn.Module, config: object) -> int:
    """The size of one head's output."""
    for holder in (attention, config):
        for name in ("v_head_dim", "head_dim", "head_size"):
            if isinstance(dim := getattr(holder, name, None), int):
                return dim
    return config.hidden_size // config.num_attention_heads


def _unknown(model: PreTrainedModel, why: str) -> IclnbError:
    return IclnbError(
        f"cannot reach the head outputs of {type(model).__name__} (model type {model.config.model_type!r}): "
        f"{why}; choose a model of another architecture"
    )
