"""The evidence of chapter 06: does a guess help, is the answer better than it, and is it copied?"""

from collections.abc import Iterable, Mapping

import numpy as np

from iclnb.claims import Claim, Evidence
from iclnb.display import cell, number
from iclnb.guess import regression
from iclnb.guess.accuracy import Table, mse, pearson
from iclnb.guess.comparison import Accuracy, Comparison, over
from iclnb.guess.material import NONE, SMALL


def guess_helps(compared: Comparison, statistic: Accuracy) -> Evidence:
    """Accuracy with the small model's guess less that without a guess; a random guess as control."""
    chance = compared.answer("random")
    none = compared.answer(NONE)
    control = compared.plain(statistic, chance) - compared.plain(statistic, none[:, : chance.shape[-1]])
    estimate = compared.difference(statistic, compared.answer(SMALL), none)
    return Evidence(estimate, control, "the same with random guesses")


def beats_guess(compared: Comparison) -> Evidence:
    """Squared error of the answer less that of the guess it was given."""
    answer, guess = compared.answer(SMALL), compared.guess(SMALL)
    rng = np.random.default_rng(compared.seed)
    permuted = regression.permuted_among_similar(answer, guess, rng=rng)
    control = compared.plain(mse, permuted) - compared.plain(mse, guess)
    estimate = compared.difference(mse, answer, guess)
    return Evidence(estimate, control, "answers permuted among similar guesses")


def gains(compared: Comparison, folds: int) -> dict[str, regression.Gain]:
    """What answers given with the small model's guess, and without any, add to that guess."""
    guess = compared.guess(SMALL)
    return {
        name: regression.gain(compared.truth, guess, compared.answer(name), folds=folds, seed=compared.seed)
        for name in (SMALL, NONE)
    }


def adds_to_guess(added: Mapping[str, regression.Gain], *, seed: int) -> Evidence:
    """Squared error that the answer saves on held-out pairs, beyond its null."""
    beyond = {name: gain.observed - gain.null for name, gain in added.items()}
    control = float(beyond[NONE].mean())
    is_what = "answers given without a guess, regressed alike"
    return Evidence(over(np.mean, beyond[SMALL], seed=seed), control, is_what)


def lean(answer: Table, guess: Table, truth: Table) -> float:
    """Slope of the answer on the guess less its slope on the truth: 1 for a copier, -1 without a guess."""
    on_guess, on_truth = regression.slopes(answer, guess, truth)
    return float(on_guess - on_truth)


def copies(compared: Comparison) -> Evidence:
    """:func:`lean` of the answers with the small model's guess; of those without a guess as control."""
    guess, none = compared.guess(SMALL), compared.answer(NONE)
    control = lean(none, *(np.broadcast_to(each, none.shape) for each in (guess, compared.truth)))
    estimate = over(lean, compared.answer(SMALL), guess, compared.truth, seed=compared.seed)
    return Evidence(estimate, control, "answers given without a guess")


def adversarial_turns(compared: Comparison) -> Evidence:
    """Correlation with the truth under the adversarial guess 5 - g."""
    answer = compared.answer("adversarial")
    none = compared.answer(NONE)[:, : answer.shape[-1]]
    return Evidence(compared.accuracy(pearson, answer), compared.plain(pearson, none), "no guess")


def useless_hurts(compared: Comparison, graded: Comparison) -> Evidence:
    """Correlation with the useless guess less that without a guess.

    Args:
        compared: has answers without a guess.
        graded: answers by quality of the guess, from useless (first) to perfect (last).
    """
    answers = [answer.expected for answer in graded.answers.values()]
    useless, perfect = answers[0], answers[-1]
    none = compared.answer(NONE)[:, : useless.shape[-1]]
    control = compared.plain(pearson, perfect) - compared.plain(pearson, none)
    return Evidence(compared.difference(pearson, useless, none), control, "a perfect guess")


def helps_in_chat(chat: Comparison, plain: Comparison) -> Evidence:
    """Correlation with the small model's guess less that without, in the chat template; plain as control."""
    control = plain.plain(pearson, plain.answer(SMALL)) - plain.plain(pearson, plain.answer(NONE))
    estimate = chat.difference(pearson, chat.answer(SMALL), chat.answer(NONE))
    return Evidence(estimate, control, "the same in plain text")


_YES = {"supported": "Yes", "not supported": "No", "inconclusive": "Undecided"}


def answer(compared: Comparison, claims: Iterable[Claim]) -> str:
    """The chapter's answer in Markdown, one line for each question, worded by the verdicts."""
    claims = list(claims)
    verdict = {claim.id: _YES[claim.verdict] for claim in claims}
    with_guess, none = (cell(compared.accuracy(pearson, compared.answer(name))) for name in (SMALL, NONE))
    error = cell(compared.accuracy(mse, compared.answer(SMALL)))
    alone = number(compared.plain(mse, compared.guess(SMALL)))
    estimates = {claim.id: cell(claim.estimate) for claim in claims}
    return f"""
- **Does a guess help?** {verdict["guess-helps-correlation"]}. The correlation of answers with human scores is
  {with_guess} with the small model's guess and {none} without a guess.
- **Is the answer better than the guess?** {verdict["better-than-guess"]}. Its squared error is {error};
  that of the guess alone is {alone}.
- **Does the answer add to the guess?** {verdict["adds-to-guess"]}. Beyond a nonlinear function of the guess
  it saves {estimates["adds-to-guess"]} of squared error on held-out pairs.
- **Does the model copy?** {verdict["copies"]}. The slope of the answer on the guess less that on the truth is
  {estimates["copies"]} (1 for a copier).
- **Does it use the guess?** Does it follow its own reading, too? {verdict["follows-own-reading"]}; the slope
  is {estimates["follows-own-reading"]} (0 for a copier). Is it better than the best mixture of the two?
  {verdict["beats-mixture"]}. Does it learn from the demonstrations how far to trust a guess?
  {verdict["trust-is-learned"]}.
- **Does it correct the guess as gradient descent would?** Does the answer fall where the guesses shown rise?
  {verdict["corrects-shown-guesses"]}. Is more than half of a common shift undone?
  {verdict["corrects-common-shift"]}. Do only residuals matter? {verdict["only-residuals-matter"]}.
"""
