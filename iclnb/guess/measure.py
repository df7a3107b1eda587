"""Measures chapter 06: from the settings of a run to its findings."""

from dataclasses import replace
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from iclnb.errors import IclnbError
from iclnb.guess import descent, material, scoring
from iclnb.guess.findings import AS_THEY_ARE, GIVEN, LESSONS, NONE, SMALL, USELESS, Guesses
from iclnb.guess.material import Condition, Guess, PairRows, SmallModel
from iclnb.guess.pair_prompts import Style, in_chat
from iclnb.guess.scoring import Scorer
from iclnb.llm.loading.models import load_encoder
from iclnb.llm.loading.readers import load_reader


class Drawn(NamedTuple):
    """What a run draws before it loads the model."""

    rows: PairRows  # the pairs
    small: SmallModel  # the small model and its guess
    shown: Int[np.ndarray, "sets k"]  # the demonstration sets
    style: Style  # how guess and scores are written


def measure(run: SimpleNamespace) -> Guesses:
    """The findings of chapter 06. Raises IclnbError, before a model is loaded, for too few pairs."""
    few, seed = min(run.subset, run.pairs), run.guess_seed
    rows, small, shown, _ = drawn = draw(run, run.pairs)
    guess = small.guess.rounded(run.decimals)
    with_guess = {NONE: None, SMALL: guess}
    others = [each.rounded(run.decimals) for each in material.other_guesses(rows, seed=seed).values()]
    graded = [each.rounded(run.decimals) for each in material.graded_guesses(rows, run.grades, seed=seed)]
    taught = material.lessons(rows, run.k, run.sets, seed=seed)
    moved = material.movable(rows, guess, run.k, run.sets, few, delta=run.delta, seed=run.demonstration_seed)
    rates = descent.tuned_rates(
        small.train_inputs, rows.train_scores - guess.train, run.k, delta=run.delta, seed=run.sampling_seed
    )
    scorer = load(run, drawn)

    def asked(given: Guess | None, points: int) -> scoring.ScoreAnswers:
        return scorer.answers(Condition(shown, rows.train_scores, given), points)

    main = [asked(with_guess[name], len(rows.test)) for name in GIVEN]
    return Guesses(
        truth=rows.truth,
        guess=guess.test,
        answers=np.stack([each.expected for each in main]),
        greedy=np.stack([each.greedy for each in main]),
        mass=np.stack([each.mass for each in main]),
        descended=descent.one_step(small, guess, rows.train_scores, shown, rates[AS_THEY_ARE]),
        other_guesses=np.stack([each.test[:few] for each in others]),
        other_answers=np.stack([asked(each, few).expected for each in others]),
        graded_guesses=np.stack([each.test[:few] for each in graded]),
        graded_answers=np.stack([asked(each, few).expected for each in graded]),
        taught_guess=taught[USELESS].guess.rounded(run.decimals).test[:few],
        taught_answers=np.stack([scorer.answers(taught[lesson], few).expected for lesson in LESSONS]),
        responses=scoring.responses(scorer, *moved, run.delta),
        kernel_weight=descent.kernel_weights(small, moved[0].shown, moved[1], rates),
        origins={"model": scorer.reader.origin, "data": rows.origins},
    )


def draw(run: SimpleNamespace, pairs: int) -> Drawn:
    """Pairs, small model, demonstrations and style that a run's settings ask for.

    Raises IclnbError if there are too few pairs, or the style cannot be written.
    """
    style = Style(run.template, run.position, run.decimals, run.answer_decimals)
    rows = material.load_pairs(run.train_pairs, pairs, seed=run.data_seed, source=run.source)
    if len(rows.test) < 4:
        raise IclnbError(f"{len(rows.test)} test pairs carry no interval; take 4 or more")
    small = material.small_model(rows, load_encoder(), folds=run.folds, seed=run.regressor_seed)
    shown = material.demonstration_sets(len(rows.train), run.k, run.sets, seed=run.demonstration_seed)
    return Drawn(rows, small, shown, style)


def load(run: SimpleNamespace, drawn: Drawn) -> Scorer:
    """The language model of a run, asked in the chapter's style."""
    where = {"revision": run.revision, "device_map": run.device_map, "dtype": run.dtype}
    reader = load_reader(run.model, batch_size=run.batch_size, **where)
    return Scorer(reader, drawn.rows, replace(drawn.style, chat=in_chat(run.chat, reader.tokenizer)))
