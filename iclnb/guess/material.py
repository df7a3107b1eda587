"""What chapter 06 draws: pairs of sentences, the small model, every guess, and the demonstration sets."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import norm, rankdata

from iclnb.errors import IclnbError
from iclnb.guess import regressor
from iclnb.guess.findings import LESSONS, OTHERS
from iclnb.llm import demonstrations
from iclnb.llm.data import tasks

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Row = Mapping[str, Any]

LOWEST, HIGHEST = 0.0, 5.0  # The ends of the STS benchmark's scale


@dataclass(frozen=True)
class PairRows:
    """The pairs of sentences of the STS benchmark that a run uses."""

    train: Sequence[Row]  # pairs that demonstrations come from and the small model learns from
    test: Sequence[Row]  # pairs to be scored
    origins: Sequence[Mapping[str, Any]] = ()  # where they come from, for the provenance of a run

    @cached_property
    def train_scores(self) -> Float[np.ndarray, " train"]:
        """Human scores, 0 to 5."""
        return np.array([row["score"] for row in self.train], dtype=float)

    @cached_property
    def truth(self) -> Float[np.ndarray, " test"]:
        """Human scores of the test pairs, 0 to 5."""
        return np.array([row["score"] for row in self.test], dtype=float)


class Guess(NamedTuple):
    """A guess of every pair's score."""

    test: Float[np.ndarray, " test"]  # written beside queries
    train: Float[np.ndarray, " train"]  # written beside demonstrations

    def rounded(self, decimals: int) -> "Guess":
        """As it is written."""
        return Guess(*(np.round(part, decimals) for part in self))


@dataclass(frozen=True)
class Condition:
    """What prompts say."""

    shown: Int[np.ndarray, "sets k"]  # train pairs of each demonstration set, shared by all test pairs
    scores: Float[np.ndarray, " train"]  # that train pairs are shown with
    guess: Guess | None = None  # beside every pair, or `None` for prompts without

    def moved(self, *, query_guess: float = 0, shown_guess: float = 0, scores: float = 0) -> "Condition":
        """The same with all guesses or scores of one kind raised by a constant (points of the scale)."""
        guess = Guess(self.guess.test + query_guess, self.guess.train + shown_guess)
        return replace(self, scores=self.scores + scores, guess=guess)


class SmallModel(NamedTuple):
    """The linear model that makes the guess."""

    weights: Float[np.ndarray, " inputs"]  # w_0
    inputs: Float[np.ndarray, "test inputs"]  # φ of the test pairs
    train_inputs: Float[np.ndarray, "train inputs"]  # φ of the train pairs
    guess: Guess  # w_0ᵀφ, clipped to the scale; for a train pair by a model that was trained without it


def load_pairs(train_pairs: int, pairs: int, *, seed: int, source: str = "auto") -> PairRows:
    """Random pairs of the train and test splits (all of a smaller one); raises as ``tasks.load``."""
    splits = [tasks.load("stsb", split, source) for split in ("train", "test")]
    shuffled = [rows.shuffle(seed=seed) for rows in splits]
    chosen = [
        rows.select(range(min(count, len(rows)))).to_list()
        for rows, count in zip(shuffled, (train_pairs, pairs), strict=True)
    ]
    return PairRows(*chosen, [tasks.origin(rows) for rows in splits])


def small_model(pairs: PairRows, encoder: "SentenceTransformer", *, folds: int, seed: int) -> SmallModel:
    """Train the small model on the train pairs (:func:`iclnb.guess.regressor.train`)."""
    test, train = (regressor.encode_pairs(encoder, rows) for rows in (pairs.test, pairs.train))
    model = regressor.train(train, pairs.train_scores, seed=seed)
    unseen = regressor.cross_fitted(train, pairs.train_scores, folds=folds, seed=seed)
    guess = Guess(clipped(model.predict(test)), clipped(unseen))
    return SmallModel(model.weights, model.scaling(test), model.scaling(train), guess)


def clipped(guess: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The guess, moved to the nearest end of the scale where it lies outside."""
    return np.clip(guess, LOWEST, HIGHEST)


def word_overlap(rows: Iterable[Mapping[str, object]]) -> Float[np.ndarray, " pairs"]:
    """Jaccard similarity of the two sentences' sets of lower-case words, 0 where neither has a word."""
    found = []
    for row in rows:
        one, other = (set(re.findall(r"\w+", str(row[name]).lower())) for name in ("sentence1", "sentence2"))
        found.append(len(one & other) / max(len(one | other), 1))
    return np.array(found)


def rescaled(
    feature: Float[np.ndarray, " pairs"],
    train_feature: Float[np.ndarray, " train"],
    train_scores: Float[np.ndarray, " train"],
) -> Float[np.ndarray, " pairs"]:
    """The least-squares prediction of the score from one feature, fitted on train, clipped to the scale."""
    design = np.stack([np.ones_like(train_feature), train_feature], axis=1)
    constant, slope = np.linalg.lstsq(design, train_scores, rcond=None)[0]
    return clipped(constant + slope * feature)


def random_scores(
    pairs: int, train_scores: Float[np.ndarray, " train"], *, seed: int | tuple[int, ...]
) -> Float[np.ndarray, " pairs"]:
    """Scores of train pairs drawn with replacement: the right spread, no information."""
    return np.random.default_rng(seed).choice(train_scores, size=pairs)


def graded(scores: Float[np.ndarray, " pairs"], quality: float, *, seed: int) -> Float[np.ndarray, " pairs"]:
    """A guess whose correlation with the truth is about ``quality``, from useless (0) to perfect (1).

    The scores are turned into normal scores z, mixed with standard normal noise e as
    q z + sqrt(1 - q²) e, and mapped back by rank: the pair whose mixture is the r-th smallest gets the r-th
    smallest score. So every grade is a permutation of the same scores: it has the mean, the spread and the
    shape of the truth, and only the pairing gets worse. The noise is the same for every ``quality``.
    """
    ranks = rankdata(scores, method="average") / (len(scores) + 1)
    noise = np.random.default_rng(seed).standard_normal(len(scores))
    mixture = quality * norm.ppf(ranks) + np.sqrt(1 - quality**2) * noise
    return np.sort(scores)[np.argsort(np.argsort(mixture, kind="stable"), kind="stable")]


def other_guesses(pairs: PairRows, *, seed: int) -> dict[str, Guess]:
    """Guesses that need no model, by name: word overlap, the mean train score, a random train score."""
    scores, counts = pairs.train_scores, (len(pairs.test), len(pairs.train))
    overlap, train_overlap = (word_overlap(rows) for rows in (pairs.test, pairs.train))
    made = (
        Guess(*(rescaled(part, train_overlap, scores) for part in (overlap, train_overlap))),
        Guess(*(np.full(count, scores.mean()) for count in counts)),
        Guess(*(random_scores(count, scores, seed=(seed, i)) for i, count in enumerate(counts))),
    )
    return dict(zip(OTHERS, made, strict=True))


def graded_guesses(pairs: PairRows, grades: int, *, seed: int) -> list[Guess]:
    """Guesses from useless to perfect, for test and train pairs alike (:func:`graded`).

    Their qualities are sines of equal steps: closer together near 1.
    """
    return [
        Guess(*(graded(scores, quality, seed=seed) for scores in (pairs.truth, pairs.train_scores)))
        for quality in np.sin(np.linspace(0, np.pi / 2, grades))
    ]


def lessons(pairs: PairRows, k: int, sets: int, *, seed: int) -> dict[str, Condition]:
    """The same useless guess beside every query, and demonstrations that teach four things about a guess.

    - *perfect*: a demonstration's guess is its score. A model may learn that guesses are right, or only to
      write the guess again;
    - *useless*: the score of another pair;
    - *mirrored*: 5 - score, so that a model which has learned it moves against the guess;
    - *shifted*: score + 1. Guesses tell as much as perfect ones and the same way up, and none is the string
      of its score.

    Demonstrations have scores from which both can be made on the scale and none is its own mirror image;
    the guesses of queries lie from 1 to 4, which all four have.

    Raises IclnbError with fewer than ``k`` such train pairs.
    """
    scores = pairs.train_scores
    pool = np.flatnonzero((scores <= HIGHEST - 1) & (np.abs(scores - 2.5) > 0.1))
    shown = pool[demonstration_sets(len(pool), k, sets, seed=(seed, 1))]
    inside = scores[(scores >= LOWEST + 1) & (scores <= HIGHEST - 1)]
    asked = random_scores(len(pairs.test), inside, seed=(seed, 2))
    useless = random_scores(len(scores), scores[pool], seed=(seed, 3))
    taught = (scores, useless, HIGHEST - scores, scores + 1)
    return {
        lesson: Condition(shown, scores, Guess(asked, train))
        for lesson, train in zip(LESSONS, taught, strict=True)
    }


def demonstration_sets(
    train: int, k: int, sets: int, *, seed: demonstrations.Seed
) -> Int[np.ndarray, "sets k"]:
    """For each set ``k`` different train pairs. Raises IclnbError with fewer than ``k`` train pairs."""
    return demonstrations.draw(np.zeros(train, dtype=int), k, sets, seed=seed).rows


def movable(
    pairs: PairRows, guess: Guess, k: int, sets: int, points: int, *, delta: float, seed: int
) -> tuple[Condition, Int[np.ndarray, " points"]]:
    """Demonstration sets and the first test pairs whose guesses and scores can move by ``delta`` within the scale.

    Raises IclnbError if fewer than ``k`` train pairs or two test pairs can move.
    """
    inside = [
        (LOWEST + delta <= each) & (each <= HIGHEST - delta)
        for each in (guess.train, pairs.train_scores, guess.test)
    ]
    pool, asked = np.flatnonzero(inside[0] & inside[1]), np.flatnonzero(inside[2])
    if len(asked) < 2:
        raise IclnbError(f"{len(asked)} test pairs can move by {delta:g}; take more pairs or a smaller delta")
    shown = pool[demonstration_sets(len(pool), k, sets, seed=seed)]
    return Condition(shown, pairs.train_scores, guess), asked[:points]
