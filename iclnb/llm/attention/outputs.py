"""What each head puts out at the last token, seen and replaced."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

Edit = Callable[[int, Float[Tensor, "batch heads dim"]], Float[Tensor, "batch heads dim"]]
"""Called with a layer and what its heads put out at each prompt's last token; returns what replaces it."""


@contextmanager
def head_outputs(model: PreTrainedModel, edit: Edit) -> Iterator[None]:
    yield
