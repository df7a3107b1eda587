"""Tables of chapter 06: intervals are over demonstration sets and test pairs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from IPython.display import Markdown

from iclnb.display import Author, table
from iclnb.guess import regression
from iclnb.guess.accuracy import Table, mse, pearson, spearman
from iclnb.guess.comparison import Comparison, over
from iclnb.guess.material import NONE, SMALL


def accuracy(compared: Comparison, descended: Table) -> Markdown:
    """Accuracy of answers, of each guess alone, and of gradient descent from the small model's guess."""
    rows = []
    for name, guess in compared.guesses.items():
        answer = compared.answer(name)
        rows.append(_line(compared, f"answer, {name if guess else 'no guess'}", answer))
        if guess:  # the same under every demonstration set: its interval is over pairs
            alone = np.broadcast_to(compared.guess(name), answer.shape)
            rows.append(_line(compared, f"{name} alone", alone))
    rows.append(_line(compared, "one step of GD from the small model", descended))
    return table(("", "pairs", "Pearson", "Spearman", "squared error"), rows)


def reading(compared: Comparison) -> Markdown:
    """Expected against most probable score, and the probability that the next token is a digit."""
    rows = [
        (
            name,
            compared.accuracy(mse, found.expected),
            compared.accuracy(mse, found.greedy),
            float(found.mass.mean()),
        )
        for name, found in compared.answers.items()
    ]
    header = ("guess", "squared error, expected score", "squared error, greedy score", "mass on digits")
    return table(header, rows)


def copying(compared: Comparison) -> Markdown:
    """Correlation of answers with the guess, and their slopes on guess and truth together."""
    cases = [(name, name, name) for name in (SMALL, "word overlap", "random", "adversarial")]
    cases.append(("no guess, against the small model's", NONE, SMALL))
    rows = []
    for label, answered, guessed in cases:
        answer = compared.answer(answered)
        guess = compared.guess(guessed)[: answer.shape[-1]]
        truth, seed = compared.truth[: answer.shape[-1]], compared.seed
        both = [
            over(lambda *tables, i=i: float(regression.slopes(*tables)[i]), answer, guess, truth, seed=seed)
            for i in (0, 1)
        ]
        rows.append((label, over(pearson, answer, guess, seed=seed), *both))
    return table(("guess", "correlation with the guess", "slope on the guess", "slope on the truth"), rows)


def gains(added: Mapping[str, regression.Gain], *, seed: int) -> Markdown:
    """What answers take off the held-out squared error of the guess, and what permuted answers take off."""
    names = {SMALL: "given with the guess", NONE: "given without a guess"}
    rows = [
        (
            names[name],
            float(gain.guess_error.mean()),
            *(over(np.mean, part, seed=seed) for part in (gain.observed, gain.null)),
            over(np.mean, gain.observed - gain.null, seed=seed),
        )
        for name, gain in added.items()
    ]
    return table(("answer", "error of the guess", "gain", "gain, permuted answers", "difference"), rows)


def by_style(ways: Mapping[str, Comparison]) -> Markdown:
    """Accuracy of answers by how guess and answer are written, and how closely they follow the guess."""
    rows = []
    for way, compared in ways.items():
        for name, guess in compared.guesses.items():
            answer = compared.answer(name)
            rows.append((
                way if guess else f"{way}, no guess",
                compared.accuracy(pearson, answer),
                compared.accuracy(mse, answer),
                compared.plain(mse, guess.test) if guess else "",
                over(pearson, answer, guess.test, seed=compared.seed) if guess else "",
            ))  # fmt: skip
    header = ("", "Pearson", "squared error", "squared error, guess alone", "correlation with the guess")
    return table(header, rows)


def _line(compared: Comparison, name: str, answer: Table) -> Sequence[Any]:
    found = [compared.accuracy(statistic, answer) for statistic in (pearson, spearman, mse)]
    label = Author(f"*{name}*") if name.endswith("alone") else name
    return label, answer.shape[-1], *found
