"""The evidence of chapter 06: does a guess help, is the answer better than it, and is it copied?"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from iclnb import stats
from iclnb.claims import Claim, Evidence
from iclnb.display import cell, number
from iclnb.guess import regression
from iclnb.guess.accuracy import Table, mse, pearson
from iclnb.guess.material import NONE, SMALL, Guess
from iclnb.guess.score_answers import ScoreAnswers
from iclnb.guess.scoring import Dose
from iclnb.stats import Estimate

Accuracy = Callable[[Table, Table], float]
"""Of a table of answers against a table of the truth: :mod:`iclnb.guess.accuracy`."""


def over(statistic: Callable[..., float], *tables: np.ndarray, seed: int) -> Estimate:
    """A statistic with its interval over demonstration sets and test pairs; not a number where it is none.

    Args:
        statistic: of tables of sets x points.
        tables: one of them (sets, points); (points,) is repeated along the sets.
        seed: of the interval's method.
    """
    sets = max(len(table) for table in tables if np.ndim(table) == 2)
    tables = [np.broadcast_to(table, (sets, np.shape(table)[-1])) for table in tables]
    if np.isnan(statistic(*tables)):
        return stats.exact(np.nan)
    return stats.interval(*tables, design="sets x points", statistic=statistic, seed=seed)


@dataclass(frozen=True)
class Comparison:
    """Answers with each guess, the guesses, and the truth.

    Attributes:
        answers: ``"none"`` and each guess -> the model's answers to the first test pairs, (sets, points).
        guesses: each guess.
        truth: human scores of the test pairs.
        seed: of intervals and nulls.
    """

    answers: Mapping[str, ScoreAnswers]
    guesses: Mapping[str, Guess]
    truth: Float[np.ndarray, " test"]
    seed: int

    def answer(self, name: str) -> Table:
        """Expected scores."""
        return self.answers[name].expected

    def guess(self, name: str) -> Float[np.ndarray, " points"]:
        """The guess of the pairs that were scored with it."""
        return self.guesses[name].test[: self.answer(name).shape[-1]]

    def accuracy(self, statistic: Accuracy, answer: Table) -> Estimate:
        """Of answers to the first test pairs."""
        return over(statistic, answer, self.truth[: answer.shape[-1]], seed=self.seed)

    def plain(self, statistic: Accuracy, answer: np.ndarray) -> float:
        """The same without an interval: of controls, and of guesses alone."""
        answer = np.atleast_2d(answer)
        return float(statistic(answer, np.broadcast_to(self.truth[: answer.shape[-1]], answer.shape)))

    def summary(self) -> dict[str, dict[str, float]]:
        """For the record: accuracy with each guess, of the guess alone, and the mass on digits."""
        found = {"mass_on_digits": {name: each.mass.mean() for name, each in self.answers.items()}}
        for label, statistic in (("pearson", pearson), ("squared_error", mse)):
            found[label] = {name: self.plain(statistic, self.answer(name)) for name in self.answers}
            found[f"{label}_guess_alone"] = {
                name: self.plain(statistic, self.guess(name)) for name in self.guesses
            }
        return found

    def difference(self, statistic: Accuracy, one: np.ndarray, other: np.ndarray) -> Estimate:
        """Accuracy of one table less that of another, on the same first test pairs."""
        truth = self.truth[: np.shape(one)[-1]]
        return over(lambda a, b, t: statistic(a, t) - statistic(b, t), one, other, truth, seed=self.seed)


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


def by_grade(compared: Comparison, dose: Dose, statistic: Accuracy) -> tuple[Estimate, np.ndarray]:
    """Accuracy of the answers and of the guess alone, for each grade of the guess."""
    each = [compared.accuracy(statistic, table) for table in dose.answers]
    alone = [compared.plain(statistic, guess) for guess in dose.guess]
    return Estimate(*np.array(each, dtype=float).T), np.array(alone)


def useless_hurts(compared: Comparison, dose: Dose) -> Evidence:
    """Correlation with the useless guess (quality 0) less that without a guess."""
    useless, perfect = dose.answers[0], dose.answers[-1]
    none = compared.answer(NONE)[:, : useless.shape[-1]]
    control = compared.plain(pearson, perfect) - compared.plain(pearson, none)
    return Evidence(compared.difference(pearson, useless, none), control, "a perfect guess")


def helps_in_chat(compared: Comparison, chat: Mapping[str, Table], plain: Mapping[str, Table]) -> Evidence:
    """Correlation with the small model's guess less that without, in the chat template; plain as control."""
    control = compared.plain(pearson, plain[SMALL]) - compared.plain(pearson, plain[NONE])
    estimate = compared.difference(pearson, chat[SMALL], chat[NONE])
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
- **Does it correct the guess as gradient descent would?** Does the answer fall where the guesses shown rise?
  {verdict["corrects-shown-guesses"]}. Is more than half of a common shift undone?
  {verdict["corrects-common-shift"]}. Do only residuals matter? {verdict["only-residuals-matter"]}.
"""
