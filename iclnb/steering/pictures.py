"""Pictures of chapter 04 and its appendix: every model with intervals, kernel regression as grey crosses."""

from collections.abc import Mapping
from functools import partial

from iclnb import figures
from iclnb.claims import by_row
from iclnb.figures import Picture, rows
from iclnb.figures.rows import Mark, Panel
from iclnb.steering import estimates, estimates_details, findings
from iclnb.steering.estimates import accuracy, probability
from iclnb.steering.findings import RANDOM, Details, Steering

TABLE_1 = {RANDOM: 0.805, findings.COMPLEX: 0.788, findings.RARE: 0.677, findings.TYPOS: 0.534}
"""Accuracy of GPT-J 6B on SST-2 as the texts are, and under each kind of perturbation (paper A, table 1)."""

RIGHT = "probability of the right word"
KERNEL = "kernel regression"
UNITS = "Intervals: 95 % over test points."


@figures.picture
def effects(ladder: Mapping[str, Steering], *, seed: int) -> Picture:
    """What each condition does to the probability of the right word, beside what kernel regression would."""

    def less(condition: str, other: str) -> partial:
        return partial(estimates.difference, condition=condition, other=other)

    questions = {
        "nearest - same labels": less(findings.NEAREST, findings.LIKE_NEAREST),
        "farthest - same labels": less(findings.FARTHEST, findings.LIKE_FARTHEST),
        "labels flipped: word shown - right word": estimates.follows_flipped,
        "arbitrary words: right - flipped labels": less(findings.ARBITRARY, findings.ARBITRARY_FLIPPED),
        "random labels: kept - half": estimates.kept_without_labels,
    }
    found = by_row(ladder, questions, lambda one, question: question(one, seed=seed).estimate)
    kernel = by_row(ladder, questions, lambda one, question: question(one, seed=seed).control)
    return rows.picture(
        Panel("difference of probability", found, [Mark(KERNEL, kernel)]),
        alt="What the conditions do to the probability of a word.",
        caption=f"What steers each model, and what would steer kernel regression (crosses). {UNITS}",
    )


@figures.picture
def retrieval(ladder: Mapping[str, Steering], *, seed: int) -> Picture:
    """Probability of the right word by how demonstrations were chosen."""
    conditions = {name: name for name in findings.RETRIEVED}
    return _probabilities(ladder, conditions, "Choice of demonstrations", seed)


@figures.picture
def labels(ladder: Mapping[str, Steering], *, seed: int) -> Picture:
    """Probability of the right word with right, random and flipped labels, own and arbitrary words."""
    conditions = {"right labels": RANDOM} | {name: name for name in findings.RELABELLED}
    without = by_row(ladder, ("right labels",), lambda one, _: estimates.mean_zero_shot(one))
    return _probabilities(
        ladder, conditions, "Labels and words", seed, Mark("no demonstrations", without, "d")
    )


def _probabilities(
    ladder: Mapping[str, Steering], conditions: Mapping[str, str], what: str, seed: int, *marks: Mark
) -> Picture:
    found = by_row(ladder, conditions, lambda one, name: probability(one, name, seed=seed))
    kernel = by_row(ladder, conditions, estimates.kernel_right)
    return rows.picture(
        Panel(RIGHT, found, [Mark(KERNEL, kernel), *marks]),
        lines=_chance(ladder),
        alt=f"{what}: {RIGHT}.",
        caption=f"{what}. The line is chance; crosses: {KERNEL}. {UNITS}",
    )


def _chance(ladder: Mapping[str, Steering]) -> list[float]:
    return sorted({1 / one.answers.shape[-1] for one in ladder.values()})


@figures.picture
def orders(ladder: Mapping[str, Steering], *, seed: int) -> Picture:
    """How often answers change with order and format, and how much more the last label pulls than others."""
    changes = {
        "another order": estimates.order_matters,
        "another template or separator": estimates.changed_by_format,
    }
    pulls = {"last label": estimates.last_label_pulls}
    changed, pulled = (
        by_row(ladder, questions, lambda one, question: question(one, seed=seed).estimate)
        for questions in (changes, pulls)
    )
    return rows.picture(
        Panel("share of answers that change", changed),
        Panel("its pull - that of the others (nats)", pulled),
        alt="What order and format change.",
        caption=f"Order and format. For any kernel regression all three are 0. {UNITS}",
    )


@figures.picture
def perturbed(ladder: Mapping[str, Steering], *, seed: int) -> Picture:
    """Accuracy with the test points' texts perturbed, beside paper A's table 1."""
    shown = (findings.COMPLEX, findings.RARE, findings.TYPOS, findings.MARKS)
    names = {"as they are": RANDOM} | {name: name for name in shown}
    found = by_row(ladder, names, lambda one, name: accuracy(one, name, seed=seed))
    published = {title: TABLE_1[name] for title, name in names.items() if name in TABLE_1}
    return rows.picture(
        Panel("accuracy", found, [Mark("GPT-J 6B (paper A, table 1)", published, "*")]),
        lines=_chance(ladder),
        alt="Accuracy with perturbed test texts.",
        caption=f"Test texts out of distribution. The line is chance; stars: the paper's own texts. {UNITS}",
    )


@figures.picture
def retrievers(ladder: Mapping[str, Details], *, seed: int) -> Picture:
    """For every similarity what its nearest demonstrations gain, and what its kernel tells of the answer."""
    gains = by_row(
        ladder,
        findings.MEASURES,
        lambda one, by: estimates_details.retrieval_helps(one, by, seed=seed).estimate,
    )
    tells = by_row(ladder, findings.MEASURES, lambda one, by: estimates_details.tells(one, by, seed=seed))
    return rows.picture(
        Panel(f"nearest - same labels, {RIGHT}", gains),
        Panel("partial correlation of kernel and answer", tells),
        alt="What retrievers gain and tell.",
        caption=f"Three retrievers and their kernels, counts of labels and the right answer taken out. {UNITS}",
    )


@figures.picture
def demonstrations(ladder: Mapping[str, Details], *, seed: int) -> Picture:
    """What perturbed demonstrations do to the probability of the right word."""
    found = by_row(
        ladder,
        findings.PERTURBED,
        lambda one, name: estimates_details.demonstrations_count(one, name, seed=seed).estimate,
    )
    return rows.picture(
        Panel(f"change of the {RIGHT}", found),
        alt="Perturbed demonstrations.",
        caption=f"Texts of the demonstrations perturbed, queries as they are. {UNITS}",
    )


@figures.picture
def calibration(ladder: Mapping[str, Details], *, seed: int) -> Picture:
    """How often the order changes the answer, before and after calibration; other sets' priors as crosses."""
    found = by_row(
        ladder,
        {"none": None} | {method: method for method in findings.METHODS},
        lambda one, method: estimates_details.flips_estimate(one, method, seed=seed),
    )
    elsewhere = by_row(
        ladder,
        findings.METHODS,
        lambda one, method: float(estimates_details.flips_after(one, method, elsewhere=True).mean()),
    )
    return rows.picture(
        Panel("pairs of orders answered differently", found, [Mark("priors of another set", elsewhere)]),
        alt="Calibration and order.",
        caption="Order before and after calibration. Intervals: 95 % over demonstration sets and test points.",
    )
