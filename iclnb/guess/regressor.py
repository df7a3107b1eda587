"""The small model whose prediction is the initial guess, trained as in paper B (section 5.3)."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from sklearn.model_selection import KFold
from tqdm import tqdm

from iclnb.errors import IclnbError
from iclnb.guess.features import Scaling


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
    **recipe: float,
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
        predicted[left] = train(compared[kept], scores[kept], seed=seed, **recipe).predict(compared[left])
    return predicted
