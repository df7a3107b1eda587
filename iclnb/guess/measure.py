"""Measures chapter 06: from the settings of a run to its findings."""

from dataclasses import replace
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from iclnb.errors import IclnbError
from iclnb.guess import descent, material, scoring
from iclnb.guess.findings import AS_THEY_ARE, GIVEN, LESSONS, NONE, SMALL, Guesses
from iclnb.guess.material import Condition, Guess, PairRows, SmallModel
from iclnb.guess.pair_prompts import Style, in_chat
from iclnb.guess.scoring import Scorer
from iclnb.llm import models
from iclnb.llm.reader import Reader


class Prepared(NamedTuple):
    """What every condition is measured with.

    Attributes:
        scorer: the language model, with the pairs and the chapter's style.
        small: the small model and its guess.
        shown: the demonstration sets.
    """

    scorer: Scorer
    small: SmallModel
    shown: Int[np.ndarray, "sets k"]

    @property
    def origins(self) -> dict:
        """Where model and rows came from."""
        return {"model": self.scorer.reader.origin, "data": self.scorer.pairs.origins}


def measure(run: SimpleNamespace) -> Guesses:
    """The findings of chapter 06.

    Args:
        run: its settings, those of the notebook.

    Raises:
        IclnbError: before the model is loaded if there are too few pairs or demonstrations.
    """
    few = min(run.subset, run.pairs)
    ready = prepared(run, run.pairs)
    scorer, small, shown = ready
    rows, decimals = scorer.pairs, run.decimals
    guess = small.guess.rounded(decimals)

    def asked(given: Guess | None, points: int) -> scoring.ScoreAnswers:
        return scorer.answers(Condition(shown, rows.train_scores, given and given.rounded(decimals)), points)

    with_guess = {NONE: None, SMALL: guess}
    main = [asked(with_guess[name], len(rows.test)) for name in GIVEN]
    others = [*material.other_guesses(rows, seed=run.guess_seed).values()]
    graded = material.graded_guesses(rows, run.grades, seed=run.guess_seed)
    taught = material.lessons(rows, run.k, run.sets, seed=run.guess_seed)
    moved = material.movable(rows, guess, run.k, run.sets, few, delta=run.delta, seed=run.demonstration_seed)
    rates = descent.tuned_rates(
        small.train_inputs, rows.train_scores - guess.train, run.k, delta=run.delta, seed=run.sampling_seed
    )
    return Guesses(
        truth=rows.truth,
        guess=guess.test,
        answers=np.stack([each.expected for each in main]),
        greedy=np.stack([each.greedy for each in main]),
        mass=np.stack([each.mass for each in main]),
        descended=descent.one_step(small, guess, rows.train_scores, shown, rates[AS_THEY_ARE]),
        other_guesses=np.stack([each.rounded(decimals).test[:few] for each in others]),
        other_answers=np.stack([asked(each, few).expected for each in others]),
        graded_guesses=np.stack([each.rounded(decimals).test[:few] for each in graded]),
        graded_answers=np.stack([asked(each, few).expected for each in graded]),
        taught_guess=taught[LESSONS[0]].guess.rounded(decimals).test[:few],
        taught_answers=np.stack([scorer.answers(taught[lesson], few).expected for lesson in LESSONS]),
        responses=scoring.responses(scorer, *moved, run.delta),
        kernel_weight=descent.kernel_weights(small, moved[0].shown, moved[1], rates),
        origins=ready.origins,
    )


def prepared(run: SimpleNamespace, pairs: int) -> Prepared:
    """Pairs, small model, demonstrations and language model that a run's settings ask for.

    Args:
        run: the settings.
        pairs: test pairs.
    """
    rows = _pairs(run, pairs)
    small = material.small_model(rows, models.load_encoder(), folds=run.folds, seed=run.regressor_seed)
    shown = material.demonstration_sets(len(rows.train), run.k, run.sets, seed=run.demonstration_seed)
    style = Style(run.template, run.position, run.decimals, run.answer_decimals)
    reader = Reader.load(
        run.model,
        revision=run.revision,
        device_map=run.device_map,
        dtype=run.dtype,
        batch_size=run.batch_size,
    )
    style = replace(style, chat=in_chat(run.chat, reader.tokenizer))
    return Prepared(Scorer(reader, rows, style), small, shown)


def _pairs(run: SimpleNamespace, pairs: int) -> PairRows:
    for name, least, why in (
        ("k", 1, "a guess is judged by the demonstrations beside it"),
        ("sets", 2, "one demonstration set carries no interval"),
        ("subset", 4, "fewer test pairs carry no interval of a regression"),
    ):
        if getattr(run, name) < least:
            raise IclnbError(f"{name} = {getattr(run, name)}: {why}; take {least} or more")
    rows = material.load_pairs(run.train_pairs, pairs, seed=run.data_seed, source=run.source)
    if len(rows.test) < 4:
        raise IclnbError(f"{len(rows.test)} test pairs carry no interval; take pairs = 4 or more")
    return rows
