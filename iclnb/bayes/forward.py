"""The forward recursion of hidden Markov models, scaled where that is safe, in logarithms where it is not."""

import numpy as np
from jaxtyping import Bool, Float, Int

SAFE = 1e-280
"""Far enough above the smallest normal float (2e-308) for what is lost below that to be without effect."""

Start = Float[np.ndarray, "tasks states"]
Transition = Float[np.ndarray, "states states"]
Emission = Float[np.ndarray, "states observations"]
Tokens = Int[np.ndarray, " tokens"]


def filtered(
    start: Start, transition: Transition, emission: Emission, sequence: Tokens
) -> tuple[Float[np.ndarray, " tasks"], Float[np.ndarray, "tasks states"]]:
    """log P(sequence | θ), and the distribution of the state that emits the next token, for every task.

    The scaled recursion loses a path only if its weight, relative to the others, falls below the smallest
    float. It is trusted for a task if no product can have fallen so low, or if P(sequence | θ) exceeds
    :data:`SAFE`, since all that was lost sums to at most tokens x states² x 2e-308. Other tasks are done
    again in logarithms. Probability zero is therefore reported (as minus infinity) only where it is true.

    Returns:
        Log-probabilities, and state distributions (rows of zeros for tasks of probability zero).
    """
    log_probability, states, lossless = _scaled(start, transition, emission, sequence)
    doubtful = ~lossless & (log_probability < np.log(SAFE))
    if doubtful.any():
        again = _logarithmic(start[doubtful], transition, emission, sequence)
        log_probability[doubtful], states[doubtful] = again
    return log_probability, states


def _scaled(
    start: Start, transition: Transition, emission: Emission, sequence: Tokens
) -> tuple[Float[np.ndarray, " tasks"], Float[np.ndarray, "tasks states"], Bool[np.ndarray, " tasks"]]:
    """In floats, the states rescaled to sum to one after each token; third: nothing can have been lost."""
    smallest = _smallest(transition).min() * _smallest(emission).min()
    states, log_probability = start.copy(), np.zeros(len(start))
    lossless = np.ones(len(start), dtype=bool)
    with np.errstate(divide="ignore", under="ignore"):
        for token in sequence:
            lossless &= _smallest(states) * smallest > SAFE
            states = states * emission[:, token]
            total = states.sum(axis=1)
            log_probability += np.log(total)
            states = (states / np.where(total > 0, total, 1)[:, None]) @ transition
    return log_probability, states, lossless


def _logarithmic(
    start: Start, transition: Transition, emission: Emission, sequence: Tokens
) -> tuple[Float[np.ndarray, " tasks"], Float[np.ndarray, "tasks states"]]:
    """In logarithms, rescaled likewise so that precision does not decay with length."""
    with np.errstate(divide="ignore"):
        states, transition, emission = np.log(start), np.log(transition), np.log(emission)
    log_probability = np.zeros(len(states))
    for token in sequence:
        states = states + emission[:, token]
        total = np.logaddexp.reduce(states, axis=1)
        log_probability += total
        states = states - np.where(np.isneginf(total), 0, total)[:, None]
        states = np.logaddexp.reduce(states[:, :, None] + transition, axis=1)
    return log_probability, np.exp(states)


def _smallest(rows: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, " rows"]:
    """The smallest positive entry of each row (1 where there is none)."""
    return np.min(rows, axis=1, where=rows > 0, initial=1)
