"""The evidence of chapter 04: one condition less its control, for the model and for kernel regression."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import special

from iclnb import stats
from iclnb.claims import Evidence, NothingToMeasure
from iclnb.findings import Findings
from iclnb.kernel_regression import gaussian_weights, kernel_regression
from iclnb.stats import Estimate
from iclnb.stats.ranges import Range
from iclnb.steering.findings import (
    CONDITIONS,
    FLIPPED,
    ONE_LINE,
    RANDOM,
    RETRIEVED,
    TEMPLATE,
    UNRELATED,
    Steering,
)

KERNEL = "kernel regression on the same demonstrations"
NO_ORDER = "any kernel regression: a sum has no order"

Answers = Float[np.ndarray, "*prompts word"]  # Log-probabilities of the label words, among the label words


def answers(one: Findings, condition: str) -> Answers:
    """The model's, under a condition of chapter or appendix. (points, words)"""
    return one.answers[one.coordinates["condition"].index(condition)].astype(float)


def kernel(one: Steering, condition: str, bandwidth: float | None = None) -> Answers:
    """Those of kernel regression on the same demonstrations; minus infinity for a class that none shows."""
    at = CONDITIONS.index(condition)
    weights = gaussian_weights(one.distance[at].astype(float), bandwidth or one.bandwidth)
    with np.errstate(divide="ignore"):
        return np.log(kernel_regression(weights, one.labels[at], one.answers.shape[-1]))


def of_class(given: Answers, label: Int[np.ndarray, " *prompts"]) -> Float[np.ndarray, " *prompts"]:
    """The probability of one class's word in each prompt."""
    return np.exp(np.take_along_axis(given, np.broadcast_to(label, given.shape[:-1])[..., None], -1)[..., 0])


def right(one: Findings, condition: str) -> Float[np.ndarray, " point"]:
    """The probability of the right word."""
    return of_class(answers(one, condition), one.truth)


def correct(one: Findings, condition: str) -> Bool[np.ndarray, " point"]:
    """Where the most probable word is the right one."""
    return answers(one, condition).argmax(-1) == one.truth


def mean(values: np.ndarray, range: Range | None, *, seed: int) -> Estimate:
    """The mean over test points, each with demonstrations of its own."""
    return stats.interval(values.astype(float), range=range, seed=seed)


def probability(one: Findings, condition: str, *, seed: int) -> Estimate:
    """Mean probability of the right word."""
    return mean(right(one, condition), "rate", seed=seed)


def accuracy(one: Findings, condition: str, *, seed: int) -> Estimate:
    """The share of right answers."""
    return mean(correct(one, condition), "rate", seed=seed)


def kernel_right(one: Steering, condition: str) -> float:
    """:func:`probability` of kernel regression."""
    return float(of_class(kernel(one, condition), one.truth).mean())


def mean_zero_shot(one: Steering) -> float:
    """:func:`probability` of the model without demonstrations."""
    return float(of_class(one.zero_shot.astype(float), one.truth).mean())


def difference(one: Steering, condition: str, other: str, *, seed: int) -> Evidence:
    """Probability of the right word under one condition less that under another, point by point."""
    found = mean(right(one, condition) - right(one, other), "difference", seed=seed)
    return Evidence(found, kernel_right(one, condition) - kernel_right(one, other), KERNEL)


def follows_flipped(one: Steering, *, seed: int) -> Evidence:
    """With every label moved on to the next class: probability of the word shown for the query's class, less
    that of its right word.

    Kernel regression gives the first what it gave the right word under right labels. A model that answers by
    what it knows of the task, whatever the labels, is below 0.
    """
    shown = (one.truth + 1) % one.answers.shape[-1]
    model, by_kernel = (
        of_class(given, shown) - of_class(given, one.truth)
        for given in (answers(one, FLIPPED), kernel(one, FLIPPED))
    )
    return Evidence(mean(model, "difference", seed=seed), float(by_kernel.mean()), KERNEL)


def kept_without_labels(one: Steering, *, seed: int) -> Evidence:
    """What the right word keeps above chance under random labels, less half of what it has under right ones.

    Under random labels any kernel regression is at chance on average: it keeps nothing.
    """
    chance, model = 1 / one.answers.shape[-1], []
    for given in (answers, kernel):
        kept, whole = (of_class(given(one, name), one.truth) - chance for name in (UNRELATED, RANDOM))
        model.append(kept - whole / 2)
    return Evidence(mean(model[0], "difference", seed=seed), float(model[1].mean()), KERNEL)


def changed_by_format(one: Steering, *, seed: int) -> Evidence:
    """The share of answers that another template or separator changes."""
    plain = answers(one, RANDOM).argmax(-1)
    known = [given for name in (TEMPLATE, ONE_LINE) if not np.isnan(given := answers(one, name)).any()]
    if not known:
        raise NothingToMeasure("a task with a second template, or with demonstrations over several lines")
    changed = np.mean([given.argmax(-1) != plain for given in known], axis=0)
    return Evidence(mean(changed, "rate", seed=seed), 0.0, "kernel regression, which sees the texts alone")


def flips(chosen: Int[np.ndarray, "*prompts orders"]) -> Float[np.ndarray, " *prompts"]:
    """How often two different orders get different answers, over all pairs of orders.

    So that the expectation is the same for any number of orders drawn at random: 0 where all give the same
    answer, about a half where each gives either of two at random.
    """
    count = chosen.shape[-1]
    of = np.stack([(chosen == word).sum(-1) for word in np.unique(chosen)], axis=-1)
    return 1 - (of * (of - 1)).sum(-1) / (count * (count - 1))


def order_matters(one: Steering, *, seed: int) -> Evidence:
    """How often two orders of the same demonstrations get different answers."""
    return Evidence(mean(flips(one.ordered.argmax(-1)), "rate", seed=seed), 0.0, NO_ORDER)


def pulls(
    given: Float[np.ndarray, "point order word"], labels: Int[np.ndarray, "point order demonstration"]
) -> Float[np.ndarray, "point demonstration"]:
    """What the label at each place does to the answer: mean log-odds of a class (against the others) over the
    orders that have it there, less the mean over those that have another one, averaged over classes.

    Zero everywhere for what has no order. Not a number where a place shows one label in all orders.
    """
    found = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for word in range(given.shape[-1]):
            odds = given[..., word] - special.logsumexp(np.delete(given, word, -1), axis=-1)
            here = (labels == word).astype(float)
            high, low = (np.einsum("po,pok->pk", odds, side) / side.sum(1) for side in (here, 1 - here))
            found.append(high - low)
    known = ~np.isnan(found)
    with np.errstate(invalid="ignore"):
        return np.where(known, found, 0).sum(0) / known.sum(0)


def last_label_pulls(one: Steering, *, seed: int) -> Evidence:
    """The pull of the last label less the mean pull of the labels before it, in nats."""
    by_place = pulls(one.ordered.astype(float), one.ordered_labels)
    earlier = np.ma.masked_invalid(by_place[:, :-1]).mean(1).filled(np.nan)
    return Evidence(mean(by_place[:, -1] - earlier, None, seed=seed), 0.0, NO_ORDER)


def accuracy_difference(one: Steering, condition: str, other: str, *, seed: int) -> Evidence:
    """Accuracy under one condition less that under another."""
    model = correct(one, condition).astype(float) - correct(one, other)
    sides = ((kernel(one, name).argmax(-1) == one.truth).mean() for name in (condition, other))
    return Evidence(mean(model, "difference", seed=seed), float(np.subtract(*sides)), KERNEL)


def beyond_counts(
    given: Float[np.ndarray, "point condition word"],
    votes: Float[np.ndarray, "point condition word"],
    counts: Float[np.ndarray, "point condition word"],
    truth: Float[np.ndarray, "point condition word"],
) -> float:
    """Partial correlation of the model's answers with the kernel's, the counts of labels and the truth taken out.

    Answers, votes and counts have one number for each class; so has the truth, 1 for the right class. Within
    every condition both are regressed on the classes, the counts and the truth, and what is left is
    correlated; the mean over conditions.
    """
    found = []
    for at in range(given.shape[1]):
        design = [np.tile(row, len(given)) for row in np.eye(given.shape[-1])]
        design = np.stack([*design, counts[:, at].ravel(), truth[:, at].ravel()], axis=1)
        both = np.stack([given[:, at].ravel(), votes[:, at].ravel()], axis=1)
        left = both - design @ np.linalg.lstsq(design, both, rcond=None)[0]
        found.append(np.corrcoef(left.T)[0, 1])
    return float(np.mean(found))


def tells_the_answer(one: Steering, *, bandwidth: float | None = None, seed: int) -> Evidence:
    """:func:`beyond_counts` of the model's answers and kernel regression's, over the choices of rows."""
    words = one.answers.shape[-1]
    given = np.stack([answers(one, name) for name in RETRIEVED], axis=1)
    votes = np.exp(np.stack([kernel(one, name, bandwidth) for name in RETRIEVED], axis=1))
    labels = np.stack([one.labels[CONDITIONS.index(name)] for name in RETRIEVED], axis=1)
    counts = np.eye(words)[labels].mean(-2)
    truth = np.broadcast_to(np.eye(words)[one.truth][:, None], votes.shape)
    tables = given - given.mean(-1, keepdims=True), votes, counts, truth
    found = stats.interval(*tables, statistic=beyond_counts, range="correlation", seed=seed)
    return Evidence(found, 0.0, "counting the labels, and knowing the right answer")


def at_chance(one: Steering, *, seed: int) -> bool:
    """Whether accuracy with random demonstrations is not shown to be above that of the commonest label."""
    commonest = np.bincount(one.truth).max() / len(one.truth)
    return bool(accuracy(one, RANDOM, seed=seed).low <= commonest)
