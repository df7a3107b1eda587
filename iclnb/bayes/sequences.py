"""Sets of token sequences: all of them, the likely ones, and the place of a sequence in a set."""

import numpy as np
from jaxtyping import Float, Int

from iclnb.bayes.hmm import HMMMixture

MAX_SEQUENCES = 200_000  # More sequences than this are refused: their kernel matrix would not fit in memory

Sequences = Int[np.ndarray, "sequences length"]


def every(observations: int, length: int) -> Sequences:
    """All observations^length sequences, in lexicographic order; ValueError if more than :data:`MAX_SEQUENCES`."""
    count = observations**length
    if count > MAX_SEQUENCES:
        raise ValueError(f"{observations}^{length} = {count} sequences, expected at most {MAX_SEQUENCES}")
    if not length:
        return np.zeros((1, 0), dtype=np.int64)
    return np.stack(np.unravel_index(np.arange(count), (observations,) * length), axis=1)


def likely(mixture: HMMMixture, length: int, threshold: float) -> Sequences:
    """All sequences with P(x | p_pretrain) ≥ threshold, in lexicographic order.

    A prefix is at least as likely as what it begins, so prefixes below the threshold are cut.

    Raises ValueError if the threshold is not positive, or there are more than :data:`MAX_SEQUENCES`.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is {threshold}, expected a probability above 0")
    found, states = np.zeros((1, 0), dtype=np.int64), mixture.pretrain_start[None]
    for _ in range(length):
        kept, token = np.nonzero(states @ mixture.emission >= threshold)
        if len(kept) > MAX_SEQUENCES:
            raise ValueError(f"more than {MAX_SEQUENCES} prefixes reach {threshold}; raise the threshold")
        found = np.column_stack([found[kept], token])
        states = (states[kept] * mixture.emission[:, token].T) @ mixture.transition
    return found


def find(sequences: Sequences, known: Int[np.ndarray, "known length"]) -> Int[np.ndarray, " sequences"]:
    """The row of ``known`` (distinct, in lexicographic order) that equals each sequence; ValueError without one."""
    distinct, place = np.unique(np.concatenate([known, sequences]), axis=0, return_inverse=True)
    if len(distinct) != len(known):
        raise ValueError(
            f"{len(distinct) - len(known)} sequence(s) are not among the {len(known)} known ones"
        )
    return place.reshape(-1)[len(known) :]


def joint(
    mixture: HMMMixture, x: Sequences, start: Float[np.ndarray, "starts states"] | None = None
) -> Float[np.ndarray, "sequences starts observations"]:
    """P(x, y | θ) for every task and every next token y; the sum over y is P(x | θ).

    Unscaled, for short sequences: what lies below the smallest float (2e-308) becomes zero. For sequences
    of any length there is :meth:`iclnb.bayes.HMMMixture.log_likelihood`.
    """
    return reached(mixture, x, start) @ mixture.emission


def reached(
    mixture: HMMMixture, x: Sequences, start: Float[np.ndarray, "starts states"] | None = None
) -> Float[np.ndarray, "sequences starts states"]:
    """sᵀ T_x = P(x, next state | s) for every start s, unscaled as :func:`joint`."""
    states = np.repeat((mixture.start if start is None else start)[None], len(x), axis=0)
    for token in x.T:
        states = (states * mixture.emission[:, token].T[:, None, :]) @ mixture.transition
    return states
