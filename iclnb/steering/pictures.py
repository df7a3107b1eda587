"""Pictures of chapter 04 and its appendix: every model with intervals, kernel regression as grey crosses."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt

from iclnb import figures
from iclnb.claims import Evidence, NothingToMeasure
from iclnb.figures import Picture, rows
from iclnb.figures.rows import Mark, Rows
from iclnb.stats import Estimate
from iclnb.steering import estimates, estimates_details
from iclnb.steering.estimates import accuracy, probability
from iclnb.steering.findings import (
    ARBITRARY,
    ARBITRARY_FLIPPED,
    COMPLEX,
    FARTHEST,
    FLIPPED,
    LIKE_FARTHEST,
    LIKE_NEAREST,
    MARKS,
    MEASURES,
    METHODS,
    NEAREST,
    PERTURBED,
    RANDOM,
    RARE,
    TYPOS,
    UNRELATED,
    Details,
    Steering,
)  # fmt: skip

TABLE_1 = {RANDOM: 0.805, COMPLEX: 0.788, RARE: 0.677, TYPOS: 0.534}
"""Accuracy of GPT-J 6B on SST-2 as the texts are, and under each kind of perturbation (paper A, table 1)."""

RIGHT = "probability of the right word"
KERNEL = "kernel regression"
UNITS = "Intervals: 95 % over test points."

Estimator = Callable[[Steering], Evidence]


@figures.picture
def effects(ladder: Mapping[str, Steering], *, seed: int) -> Picture:
    """What each condition does to the probability of the right word, beside what kernel regression would."""
    found, kernel = _evidence(ladder, {
        "nearest - same labels": lambda one: estimates.difference(one, NEAREST, LIKE_NEAREST, seed=seed),
        "farthest - same labels": lambda one: estimates.difference(one, FARTHEST, LIKE_FARTHEST, seed=seed),
        "labels flipped: word shown - right word": lambda one: estimates.follows_flipped(one, seed=seed),
        "arbitrary words: right - flipped labels": lambda one: estimates.difference(
            one, ARBITRARY, ARBITRARY_FLIPPED, seed=seed
        ),
        "random labels: kept - half": lambda one: estimates.kept_without_labels(one, seed=seed),
    })  # fmt: skip
    return rows.one_panel(
        found,
        Mark(KERNEL, kernel),
        xlabel="difference of probability",
        alt="What the conditions do to the probability of a word.",
        caption=f"What steers each model, and what would steer kernel regression (crosses). {UNITS}",
    )


@figures.picture
def retrieval(ladder: Mapping[str, Steering], *, seed: int) -> Picture:
    """Probability of the right word by how demonstrations were chosen."""
    return _probabilities(ladder, estimates.RETRIEVED, "Choice of demonstrations", seed)


@figures.picture
def labels(ladder: Mapping[str, Steering], *, seed: int) -> Picture:
    """Probability of the right word with right, random and flipped labels, own and arbitrary words."""
    conditions = {
        RANDOM: "right labels", UNRELATED: UNRELATED, FLIPPED: FLIPPED, ARBITRARY: ARBITRARY,
        ARBITRARY_FLIPPED: ARBITRARY_FLIPPED,
    }  # fmt: skip
    without = {name: estimates.mean_zero_shot(one) for name, one in ladder.items()}
    mark = Mark("no demonstrations", {conditions[RANDOM]: without}, "d")
    return _probabilities(ladder, conditions, "Labels and words", seed, mark)


def _probabilities(
    ladder: Mapping[str, Steering],
    conditions: Sequence[str] | Mapping[str, str],
    what: str,
    seed: int,
    *marks: Mark,
) -> Picture:
    names = conditions if isinstance(conditions, Mapping) else {name: name for name in conditions}
    found: Rows = {
        title: {run: probability(one, name, seed=seed) for run, one in ladder.items()}
        for name, title in names.items()
    }
    kernel = {
        title: {run: estimates.kernel_right(one, name) for run, one in ladder.items()}
        for name, title in names.items()
    }
    chance = sorted({1 / one.answers.shape[-1] for one in ladder.values()})
    return rows.one_panel(
        found,
        Mark(KERNEL, kernel),
        *marks,
        lines=chance,
        xlabel=RIGHT,
        alt=f"{what}: {RIGHT}.",
        caption=f"{what}. The line is chance; crosses: {KERNEL}. {UNITS}",
    )


@figures.picture
def orders(ladder: Mapping[str, Steering], *, seed: int) -> Picture:
    """How often answers change with order and format, and how much more the last label pulls than others."""
    changed, _ = _evidence(ladder, {
        "another order": lambda one: estimates.order_matters(one, seed=seed),
        "another template or separator": lambda one: estimates.changed_by_format(one, seed=seed),
    })  # fmt: skip
    pulls, _ = _evidence(ladder, {"last label": lambda one: estimates.last_label_pulls(one, seed=seed)})
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, rows.height(changed) + 0.4))
    rows.draw(left, changed)
    rows.draw(right, pulls)
    left.set(xlabel="share of answers that change")
    right.set(xlabel="its pull - that of the others (nats)")
    rows.legend(figure)
    return Picture(
        figure,
        alt=f"What order and format change: {rows.told(changed)}. Pull of the last label: {rows.told(pulls)}.",
        caption=f"Order and format. For any kernel regression all three are 0. {UNITS}",
    )


@figures.picture
def perturbed(ladder: Mapping[str, Steering], *, seed: int) -> Picture:
    """Accuracy with the test points' texts perturbed, beside paper A's table 1."""
    names = {RANDOM: "as they are", COMPLEX: COMPLEX, RARE: RARE, TYPOS: TYPOS, MARKS: MARKS}
    found = {
        title: {run: accuracy(one, name, seed=seed) for run, one in ladder.items()}
        for name, title in names.items()
    }
    published = Mark(
        "GPT-J 6B (paper A, table 1)", {names[name]: value for name, value in TABLE_1.items()}, "*"
    )
    return rows.one_panel(
        found,
        published,
        lines=sorted({1 / one.answers.shape[-1] for one in ladder.values()}),
        xlabel="accuracy",
        alt="Accuracy with perturbed test texts.",
        caption=f"Test texts out of distribution. The line is chance; stars: the paper's own texts. {UNITS}",
    )


@figures.picture
def retrievers(ladder: Mapping[str, Details], *, seed: int) -> Picture:
    """For every similarity what its nearest demonstrations gain, and what its kernel tells of the answer."""
    gains = {
        by: {
            run: estimates_details.retrieval_helps(one, by, seed=seed).estimate for run, one in ladder.items()
        }
        for by in MEASURES
    }
    tells = {
        by: {run: estimates_details.tells(one, by, seed=seed) for run, one in ladder.items()}
        for by in MEASURES
    }
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, rows.height(gains) + 0.4), sharey=True)
    rows.draw(left, gains)
    rows.draw(right, tells)
    left.set(xlabel=f"nearest - same labels, {RIGHT}")
    right.set(xlabel="partial correlation of kernel and answer")
    rows.legend(figure)
    return Picture(
        figure,
        alt=f"Gain of the nearest: {rows.told(gains)}. Partial correlation: {rows.told(tells)}.",
        caption=f"Three retrievers and their kernels, counts of labels and the right answer taken out. {UNITS}",
    )


@figures.picture
def demonstrations(ladder: Mapping[str, Details], *, seed: int) -> Picture:
    """What perturbed demonstrations do to the probability of the right word."""
    found, _ = _evidence(ladder, {
        name: lambda one, name=name: estimates_details.demonstrations_count(one, name, seed=seed)
        for name in PERTURBED
    })  # fmt: skip
    return rows.one_panel(
        found,
        xlabel=f"change of the {RIGHT}",
        alt="Perturbed demonstrations.",
        caption=f"Texts of the demonstrations perturbed, queries as they are. {UNITS}",
    )


@figures.picture
def calibration(ladder: Mapping[str, Details], *, seed: int) -> Picture:
    """How often the order changes the answer, before and after calibration; other sets' priors as crosses."""
    found = {
        method or "none": {
            run: estimates_details.flips_estimate(one, method, seed=seed) for run, one in ladder.items()
        }
        for method in (None, *METHODS)
    }
    elsewhere = {
        method: {run: float(estimates_details.flips_after(one, method, elsewhere=True).mean())
                 for run, one in ladder.items()}
        for method in METHODS
    }  # fmt: skip
    return rows.one_panel(
        found,
        Mark("priors of another set", elsewhere),
        xlabel="pairs of orders answered differently",
        alt="Calibration and order.",
        caption="Order before and after calibration. Intervals: 95 % over demonstration sets and test points.",
    )


def _evidence(
    ladder: Mapping[str, Steering | Details], wanted: Mapping[str, Estimator]
) -> tuple[Rows, dict[str, dict[str, float]]]:
    """Estimates and controls by row and run; a run has no entry where it has nothing to measure."""
    found: dict[str, dict[str, Estimate]] = {row: {} for row in wanted}
    controls: dict[str, dict[str, float]] = {row: {} for row in wanted}
    for row, estimator in wanted.items():
        for run, one in ladder.items():
            try:
                evidence = estimator(one)
            except NothingToMeasure:
                continue
            found[row][run], controls[row][run] = evidence.estimate, evidence.control
    return found, controls
