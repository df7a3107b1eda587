"""What becomes of the answers when heads are ablated or label values swapped."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from iclnb.heads.interventions import swap_label_values
from iclnb.llm.models import LoadedModel
from iclnb.llm.prompts import Prompt
from iclnb.llm.reading import Alter, answers


def answered(
    loaded: LoadedModel, sets: Sequence[Sequence[Prompt]], tokens: Sequence[int], **settings: object
) -> Float[np.ndarray, "sets points classes"]:
    """Log-probabilities of the label words for demonstration sets x test points.

    Args:
        loaded: a model and its tokeniser.
        sets: for each demonstration set its prompts.
        tokens: the label words' tokens.
        settings: ``batch_size``, ``edit``, ``alter``, ``prefixes`` of :func:`iclnb.llm.reading.read`.
    """
    flat = [prompt for prompts in sets for prompt in prompts]
    return answers(loaded, flat, tokens, **settings).reshape(len(sets), -1, len(tokens))


def separation(
    said: Float[np.ndarray, "sets points classes"], truth: Int[np.ndarray, "sets points"]
) -> Float[np.ndarray, "sets points"]:
    """How many nats the true label stands above the others, once each set's average answer is taken off.

    A model that says the same to every query has separation 0 however sure it is; one that knows the labels
    has a positive mean, one that has them the wrong way round a negative one.

    Args:
        said: log-probabilities of the label words.
        truth: the labels of the queries.
    """
    centred = said - said.mean(-1, keepdims=True)
    own = centred - centred.mean(axis=1, keepdims=True)
    true = np.take_along_axis(own, truth[..., None], -1)[..., 0]
    others = (own.sum(-1) - true) / (said.shape[-1] - 1)
    return true - others


def swapping(seed: int, layers: Sequence[int] | None = None) -> Alter:
    """For :func:`iclnb.llm.reading.read`: label tokens get the values of another class's labels."""

    def alter(prefix, prompt):
        return swap_label_values(prefix, prompt.y, prompt.labels, seed=seed, layers=layers)

    return alter
