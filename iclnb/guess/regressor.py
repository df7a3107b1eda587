"""The small model whose prediction is the initial guess (paper B, section 5.3): what it sees, and its training.

Of a pair of sentences it sees |u - v| and u ∘ v of their embeddings, scaled.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from sklearn.model_selection import KFold
from tqdm import tqdm

from iclnb.errors import IclnbError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def compare(
    u: Float[np.ndarray, "pairs dim"], v: Float[np.ndarray, "pairs dim"]
) -> Float[np.ndarray, "pairs 2*dim"]:
    """|u - v| beside u ∘ v: the same for (v, u), and the sum of the second half is the cosine similarity.

    Source: the symmetric part of InferSent's features (Conneau et al. 2017).
    """
    return np.concatenate([np.abs(u - v), u * v], axis=1).astype(np.float64)


def encode_pairs(
    encoder: "SentenceTransformer", rows: Iterable[Mapping[str, object]]
) -> Float[np.ndarray, "pairs features"]:
    """:func:`compare` for rows with ``sentence1`` and ``sentence2``; a sentence met twice is encoded once."""
    pairs = [(str(row["sentence1"]), str(row["sentence2"])) for row in rows]
    texts = sorted({text for pair in pairs for text in pair})
    vectors = encoder.encode(texts, batch_size=64, show_progress_bar=False)
    found = dict(zip(texts, np.asarray(vectors), strict=True))
    return compare(*(np.stack([found[pair[i]] for pair in pairs]) for i in (0, 1)))


@dataclass(frozen=True)
class Scaling:
    """Features centred, and each half divided by the root mean square of its norm.

    An entry of u ∘ v is some ten times smaller than one of |u - v|; scaled so, both halves learn at one rate.
    """

    mean: Float[np.ndarray, " features"]  # subtracted from each feature
    divisor: Float[np.ndarray, " features"]  # of each feature; the same within a half

    @classmethod
    def fit(cls, compared: Float[np.ndarray, "pairs features"]) -> "Scaling":
        """The scaling of these pairs: afterwards each half has mean square norm 1."""
        mean = compared.mean(0)
        halves = np.split(compared - mean, 2, axis=1)
        norms = [max(np.sqrt((half**2).sum(1).mean()), np.finfo(float).tiny) for half in halves]
        return cls(mean, np.repeat(norms, compared.shape[1] // 2))

    def __call__(self, compared: Float[np.ndarray, "pairs features"]) -> Float[np.ndarray, "pairs inputs"]:
        """φ(x): the scaled features and, last, a constant 1."""
        scaled = (compared - self.mean) / self.divisor
        return np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)


@dataclass(frozen=True)
class LinearRegressor:
    """g(x) = w_0ᵀφ(x): linear in scaled features with a constant.

    Linear, because that is the guess that y_q-LSA makes (y_q = vᵀx_q, paper B, section 4), so that what
    gradient descent from it would answer is known exactly; and because there are few pairs per feature.
    """

    scaling: Scaling  # makes φ(x) of a pair's compared embeddings
    weights: Float[np.ndarray, " inputs"]  # w_0; the last one belongs to the constant

    def predict(self, compared: Float[np.ndarray, "pairs features"]) -> Float[np.ndarray, " pairs"]:
        """Predicted scores, not clipped to the scale."""
        return self.scaling(compared) @ self.weights


def train(
    compared: Float[np.ndarray, "pairs features"],
    scores: Float[np.ndarray, " pairs"],
    *,
    seed: int,
    epochs: int = 10,
    batch_size: int = 8,
    learning_rate: float = 1e-3,
) -> LinearRegressor:
    """Minimise the mean squared error with Adam; the defaults are the paper's.

    The weights start at zero and the constant at the mean score, so that ``seed`` decides the order of the
    batches alone. Same arguments, same weights.

    Raises IclnbError if there are no pairs.
    """
    if len(scores) == 0:
        raise IclnbError("the small model needs pairs to learn from, got none; ask for more training pairs")
    scaling = Scaling.fit(compared)
    inputs, targets = torch.from_numpy(scaling(compared)), torch.from_numpy(np.asarray(scores, dtype=float))
    weights = torch.zeros(inputs.shape[1], dtype=torch.float64)
    weights[-1] = targets.mean()
    weights.requires_grad_()
    optimiser = torch.optim.Adam([weights], lr=learning_rate)
    order = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for batch in torch.randperm(len(targets), generator=order).split(batch_size):
            optimiser.zero_grad()
            torch.nn.functional.mse_loss(inputs[batch] @ weights, targets[batch]).backward()
            optimiser.step()
    return LinearRegressor(scaling, weights.detach().numpy())


def cross_fitted(
    compared: Float[np.ndarray, "pairs features"],
    scores: Float[np.ndarray, " pairs"],
    *,
    folds: int,
    seed: int,
) -> Float[np.ndarray, " pairs"]:
    """For each pair the prediction of a model that was trained without it.

    Demonstrations come from the pairs that the small model learned from. Guesses from that very model would
    be better on them than on a query, and a language model could learn from the prompt to trust them more
    than they deserve.

    Raises IclnbError if there are fewer pairs than folds.
    """
    if len(scores) < folds:
        raise IclnbError(f"{len(scores)} pairs cannot be parted in {folds}; ask for more training pairs")
    predicted = np.empty(len(scores))
    parts = KFold(folds, shuffle=True, random_state=seed).split(compared)
    for kept, left in tqdm(parts, total=folds, desc="small model", unit="fold", disable=None):
        predicted[left] = train(compared[kept], scores[kept], seed=seed).predict(compared[left])
    return predicted
