"""Exact Bayesian inference over in-context prompts whose demonstrations come from a mixture of HMMs."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from iclnb.errors import IclnbError

ROW_SUM_TOLERANCE = 1e-6
"""How far from one a row of probabilities may sum (rows that went through single precision still pass)."""

Token = int | np.integer
Tokens = Sequence[Token] | Int[np.ndarray, " _"]  # Observation indices

Demonstrations = Sequence[tuple[Tokens, Token]]
"""``[(x, y), ...]``: observation indices, and the index of the observation that follows them."""


class ZeroProbabilityError(IclnbError, ValueError):
    """A prompt that no task of positive prior can have produced, so that no posterior exists."""


@dataclass(frozen=True, eq=False)
class HMMMixture:
    """Tasks that share one hidden Markov model and differ in how they start.

    A task θ is drawn once from ``prior``. Every demonstration and the query then start afresh: a state is
    drawn from ``start[θ]`` and emits the first token; each further token follows a transition.

    Args:
        prior: P(θ); tasks of prior zero are ignored in every posterior.
        start: P(first state | θ), the paper's s_θ where a row has a single one.
        transition: T(s, s') = P(s' | s).
        emission: B(s, o) = P(o | s).

    The arrays, or nested sequences of numbers, are kept as read-only float64 copies.

    Raises:
        ValueError: if an array has a wrong shape, or a row is not a probability distribution; the message
            names the array, the row and what is wrong with it.

    Source: Han et al. (2025), section 3 (setting) and assumption 1 (a delimiter starts a new sequence).
    """

    prior: Float[np.ndarray, " tasks"] | Sequence
    start: Float[np.ndarray, "tasks states"] | Sequence
    transition: Float[np.ndarray, "states states"] | Sequence
    emission: Float[np.ndarray, "states observations"] | Sequence

    def __post_init__(self) -> None:
        for name, ndim in (("prior", 1), ("start", 2), ("transition", 2), ("emission", 2)):
            object.__setattr__(self, name, _distributions(name, getattr(self, name), ndim))
        states = self.transition.shape[0]
        for name, shape, expected in (
            ("transition", self.transition.shape, (states, states)),
            ("start", self.start.shape, (len(self.prior), states)),
            ("emission", self.emission.shape, (states, self.emission.shape[1])),
        ):
            if shape != expected:
                raise ValueError(
                    f"{name} has shape {shape}, expected {expected} "
                    f"({len(self.prior)} tasks from prior, {states} states from the rows of transition)"
                )

    @property
    def tasks(self) -> int:
        """Number of tasks."""
        return len(self.prior)

    @property
    def states(self) -> int:
        """Number of hidden states, |S|."""
        return len(self.transition)

    @property
    def observations(self) -> int:
        """Number of observations, m = abs(O)."""
        return self.emission.shape[1]

    @property
    def pretrain_start(self) -> Float[np.ndarray, " states"]:
        """p_pretrain: distribution of the first state when the task is drawn from the prior."""
        return self.prior @ self.start

    def log_likelihood(self, sequence: Tokens) -> Float[np.ndarray, " tasks"]:
        """log P(sequence | θ) for every task; minus infinity where the probability is zero.

        Sequences of any length are safe: a probability too small for a float is not taken for zero.

        Raises ValueError if an entry is not an observation index.
        """
        return self._forward(self._indices("sequence", sequence))[0]

    def task_posterior(self, demonstrations: Demonstrations, query: Tokens) -> Float[np.ndarray, " tasks"]:
        """P(θ | demonstrations, query), the query's own tokens included; raises as :meth:`predict`."""
        return self._infer(demonstrations, query)[0]

    def predict(self, demonstrations: Demonstrations, query: Tokens) -> Float[np.ndarray, " observations"]:
        """Predictive distribution P(y | demonstrations, query) of the token that follows the query.

        Args:
            demonstrations: ``[(x, y), ...]`` of any number, also none; x may have any length, also zero.
            query: x_test, observation indices; may be empty, then y is the first token of a sequence.

        Returns:
            Σ_θ P(θ | demonstrations, query) P(y | query, θ), which sums to one.

        Raises:
            ValueError: if an entry is not an observation index; the message names the place and the range.
            ZeroProbabilityError: if no task of positive prior gives the demonstrations and the query a
                positive probability; the message names the first one that leaves no task.

        Source: Han et al. (2025), section 4, the Bayesian posterior on the left of theorem 1.
        """
        posterior, states = self._infer(demonstrations, query)
        predictive = posterior @ states @ self.emission
        return predictive / predictive.sum()

    def sample(
        self, tasks: Int[np.ndarray, " sequences"], length: int, rng: np.random.Generator
    ) -> Int[np.ndarray, "sequences length"]:
        """One sequence of observations for each entry of ``tasks``, independent of the others.

        For demonstrations (x, y) with abs(x) = L sample ``length = L + 1`` tokens; the last one is y.
        """
        tokens = np.empty((len(tasks), length), dtype=np.int64)
        states = _draw(self.start, np.asarray(tasks), rng)
        for t in range(length):
            tokens[:, t] = _draw(self.emission, states, rng)
            states = _draw(self.transition, states, rng)
        return tokens

    def sample_tasks(self, size: int, rng: np.random.Generator) -> Int[np.ndarray, " size"]:
        """Tasks drawn independently from the prior."""
        return _draw(self.prior[None], np.zeros(size, dtype=np.int64), rng)

    def _infer(
        self, demonstrations: Demonstrations, query: Tokens
    ) -> tuple[Float[np.ndarray, " tasks"], Float[np.ndarray, "tasks states"]]:
        """Posterior over tasks, and under each task the distribution of the state that emits y."""
        sequences = [self._demonstration(i, pair) for i, pair in enumerate(demonstrations)]
        query = self._indices("query", query)
        with np.errstate(divide="ignore"):
            log_weight = np.log(self.prior)
        for i, sequence in enumerate(sequences):
            log_weight = log_weight + self._forward(sequence)[0]
            _require_possible(log_weight, f"demonstration {i}", sequence, i)
        log_query, states = self._forward(query)
        log_weight = log_weight + log_query
        _require_possible(log_weight, "the query", query, len(sequences))
        weight = np.exp(log_weight - log_weight.max())
        return weight / weight.sum(), states

    def _forward(
        self, sequence: Int[np.ndarray, " tokens"]
    ) -> tuple[Float[np.ndarray, " tasks"], Float[np.ndarray, "tasks states"]]:
        """log P(sequence | θ), and the distribution of the state that emits the next token, for every task.

        In logarithms, so that a probability of zero is reported only where it is true; rescaled to sum to one
        after each token, so that precision does not decay with length. States are zeros where P is zero.
        """
        with np.errstate(divide="ignore"):
            states, transition, emission = map(np.log, (self.start, self.transition, self.emission))
        log_probability = np.zeros(len(states))
        for token in sequence:
            states = states + emission[:, token]
            total = np.logaddexp.reduce(states, axis=1)
            log_probability += total
            states = states - np.where(np.isneginf(total), 0, total)[:, None]
            states = np.logaddexp.reduce(states[:, :, None] + transition, axis=1)
        return log_probability, np.exp(states)

    def _demonstration(self, i: int, pair: tuple[Tokens, Token]) -> Int[np.ndarray, " tokens"]:
        try:
            x, y = pair
        except (TypeError, ValueError):
            raise ValueError(f"demonstrations[{i}] must be a pair (x, y), got {pair!r}") from None
        tokens = self._indices(f"x of demonstrations[{i}]", x)
        return np.append(tokens, self._indices(f"y of demonstrations[{i}]", [y]))

    def _indices(self, name: str, sequence: Tokens) -> Int[np.ndarray, " tokens"]:
        """The sequence as an array of observation indices, each one checked."""
        if isinstance(sequence, str) or not hasattr(sequence, "__iter__"):
            raise ValueError(f"{name} must be a sequence of observation indices, got {sequence!r}")
        tokens = []
        for t, token in enumerate(sequence):
            try:
                index = operator.index(token)
            except TypeError:
                raise ValueError(f"{name}: entry {t} is {token!r}, expected an integer index") from None
            if not 0 <= index < self.observations:
                raise ValueError(
                    f"{name}: entry {t} is {index}, expected 0 to {self.observations - 1} "
                    f"({self.observations} observations)"
                )
            tokens.append(index)
        return np.array(tokens, dtype=np.int64)


def _distributions(name: str, values: object, ndim: int) -> np.ndarray:
    """A read-only float64 copy whose last axis holds probability distributions."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not a rectangular array of numbers: {error}") from None
    if array.ndim != ndim or 0 in array.shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {ndim} non-empty axes")
    for row, entries in enumerate(np.atleast_2d(array)):
        where = name if ndim == 1 else f"{name}: row {row}"
        if not np.isfinite(entries).all():
            raise ValueError(
                f"{where} holds an entry that is not finite: {entries[~np.isfinite(entries)][0]}"
            )
        if entries.min() < 0:
            raise ValueError(f"{where} holds a negative probability: {entries.min():.6g}")
        if abs(entries.sum() - 1) > ROW_SUM_TOLERANCE:
            raise ValueError(f"{where} sums to {entries.sum():.9g}, expected 1")
    array.setflags(write=False)
    return array


def _require_possible(log_weight: np.ndarray, what: str, sequence: np.ndarray, earlier: int) -> None:
    if np.isneginf(log_weight).all():
        given = f" together with the {earlier} demonstration(s) before it" if earlier else ""
        raise ZeroProbabilityError(
            f"{what} (observations {sequence.tolist()}) has probability zero{given} under every task of "
            "positive prior; remove it, or use a mixture whose emission, transition and start allow it"
        )


def _draw(table: Float[np.ndarray, "rows columns"], rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each entry of ``rows``, a column drawn from that row of ``table`` by inversion."""
    uniform, drawn = rng.random(len(rows)), np.empty(len(rows), dtype=np.int64)
    for row in np.unique(rows):
        cumulative = np.cumsum(table[row])
        mine = rows == row
        drawn[mine] = np.searchsorted(cumulative / cumulative[-1], uniform[mine], side="right")
    return drawn
