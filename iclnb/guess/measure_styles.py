"""Measures appendix 06a: from the settings of a run to its findings."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from iclnb.guess.findings import GIVEN, SMALL, STYLES, Styles
from iclnb.guess.material import Condition
from iclnb.guess.measure import draw, load
from iclnb.guess.pair_prompts import styles


def measure(run: SimpleNamespace) -> Styles:
    """The findings of appendix 06a. Raises IclnbError, before a model is loaded, for too few pairs."""
    rows, small, shown, _ = drawn = draw(run, run.subset)
    scorer = load(run, drawn)
    ways = styles(scorer.style, scorer.reader.tokenizer)
    shape = (len(STYLES), len(GIVEN), len(shown), len(rows.test))
    answers, mass = np.full(shape, np.nan), np.full(shape[:2], np.nan)
    guess = [small.guess.rounded(ways.get(name, scorer.style).decimals) for name in STYLES]
    for i, name in enumerate(STYLES):
        for j, given in enumerate(GIVEN if name in ways else ()):
            condition = Condition(shown, rows.train_scores, guess[i] if given == SMALL else None)
            found = replace(scorer, style=ways[name]).answers(condition, len(rows.test))
            answers[i, j], mass[i, j] = found.expected, found.mass.mean()
    return Styles(
        truth=rows.truth,
        guess=np.stack([each.test for each in guess]),
        answers=answers,
        mass=mass,
        origins={"model": scorer.reader.origin, "data": rows.origins},
    )
