"""Tables of chapter 06: intervals are over demonstration sets and test pairs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from IPython.display import Markdown

from iclnb.display import Author, table
from iclnb.guess import regression
from iclnb.guess.accuracy import Table, mse, pearson, spearman
from iclnb.guess.comparison import Comparison, over
from iclnb.guess.estimates_use import MIXTURE, on_guess, on_own
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


def use(compared: Comparison, errors: Mapping[str, Table]) -> Markdown:
    """Held-out errors of guess, own reading, answer and best mixture; the weights that the last two give.

    Args:
        compared: answers with the small model's guess, and without any.
        errors: of :func:`iclnb.guess.estimates_use.held_out`.
    """
    own, seed = compared.answer(NONE), compared.seed
    mixed = {"answer": compared.answer(SMALL), MIXTURE: compared.truth}
    names = {"guess": "the guess", "own reading": "answer without a guess", "answer": "answer with the guess"}
    rows = []
    for name, table_of in errors.items():
        weights = [
            over(statistic, mixed[name], compared.guess(SMALL), own, seed=seed) if name in mixed else ""
            for statistic in (on_guess, on_own)
        ]
        rows.append((names.get(name, name), over(np.mean, table_of, seed=seed), *weights))
    header = ("", "held-out squared error", "weight of the guess", "weight of its own reading")
    return table(header, rows)


def set_up(run: Mapping[str, Any]) -> Markdown:
    """The paper's experiment with language models (section 5.3) beside the settings of a run.

    Args:
        run: the settings of the chapter.
    """
    where = f"{run['position']} the sentences, as “{run['template']}”"
    written = f"decimals: {run['decimals']} of the guess, {run['answer_decimals']} of the scores"
    shown = f"{run['k']}, in {run['sets']} sets for all pairs"
    training = "Adam, rate 0.001, squared error, 10 epochs, batches of 8"
    rows = [
        ("language model", "Llama-3.1-8B-Instruct, Qwen2.5-7B-Instruct", run["model"]),
        ("task", "STS benchmark, English", f"the same, {run['pairs']} test pairs"),
        ("demonstrations", "10 at random for every prompt", shown),
        ("training of the small model", training, "the same"),
        ("what the small model reads", "", "difference and product of two sentence embeddings; it is linear"),
        ("guesses of demonstrations", "", f"from small models trained without them, {run['folds']} folds"),
        ("where the guess stands", "", where),
        ("how it is written", "", written),
        ("chat template", "", "the model's own, a turn a pair" if run["chat"] else "none, plain text"),
        ("the score read off", "", "the expectation over the first digit"),
    ]
    return table(("", "the paper", "here"), rows)


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
