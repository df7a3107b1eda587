"""Tables of chapter 06: intervals are over demonstration sets and test pairs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from IPython.display import Markdown

from iclnb.display import Author, table
from iclnb.guess import regression
from iclnb.guess.accuracy import Table, mse, pearson, spearman
from iclnb.guess.estimates import Comparison, over
from iclnb.guess.material import NONE, SMALL
from iclnb.guess.scoring import Written
from iclnb.stats import Estimate

_HEADER = ("", "pairs", "Pearson", "Spearman", "squared error")


def accuracy(compared: Comparison, descended: Table) -> Markdown:
    """Accuracy of answers, of each guess alone, and of gradient descent from the small model's guess."""
    rows = [_line(compared, "answer, no guess", compared.answer(NONE))]
    for name in compared.guesses:
        rows.append(_line(compared, f"answer, {name}", compared.answer(name)))
        rows.append(_line(compared, f"{name} alone", _repeated(compared, name)))
    rows.append(_line(compared, "one step of GD from the small model", descended))
    return table(_HEADER, rows)


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


def responses(measured: Mapping[str, Estimate], predicted: Mapping[str, Sequence[float]]) -> Markdown:
    """Measured and predicted changes of the answer, per point."""
    rows = [
        (name, estimate, *(float(values[i]) for values in predicted.values()))
        for i, (name, estimate) in enumerate(measured.items())
    ]
    return table(("raised by one point", "model", *predicted), rows)


def by_style(compared: Comparison, written: Mapping[str, Written]) -> Markdown:
    """Accuracy of answers by how guess and answer are written, and how closely they follow the guess."""
    rows = [
        (
            name,
            compared.accuracy(pearson, answer),
            compared.accuracy(mse, answer),
            compared.plain(mse, guess),
            over(pearson, answer, guess, seed=compared.seed),
        )
        for name, (answer, guess) in written.items()
    ]
    header = ("", "Pearson", "squared error", "squared error, guess alone", "correlation with the guess")
    return table(header, rows)


def by_template(compared: Comparison, ways: Mapping[str, Mapping[str, Table]]) -> Markdown:
    """Accuracy in plain text and in the chat template, with and without the small model's guess."""
    names = {NONE: "no guess", SMALL: SMALL}
    rows = [
        _line(compared, f"{way}, {names[name]}", answer)
        for way, answers in ways.items()
        for name, answer in answers.items()
    ]
    return table(_HEADER, rows)


def _line(compared: Comparison, name: str, answer: Table) -> Sequence[Any]:
    found = [compared.accuracy(statistic, answer) for statistic in (pearson, spearman, mse)]
    label = Author(f"*{name}*") if name.endswith("alone") else name
    return label, answer.shape[-1], *found


def _repeated(compared: Comparison, name: str) -> Table:
    """A guess alone, the same under every demonstration set: its interval is over pairs."""
    return np.broadcast_to(compared.guess(name), compared.answer(name).shape)
