"""What decides the claims of chapter 01 about distances to the posterior; HMMs are the units."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import binomtest

from iclnb.bayes.experiment import PAPER_ACCURACY, PAPER_DISTANCE
from iclnb.bayes.kernels import NON_NEGATIVE
from iclnb.bayes.study import Study
from iclnb.claims import CONTRADICTED, INCONCLUSIVE, NOT_SUPPORTED, PROVED, SUPPORTED, Claim, Evidence
from iclnb.stats import Estimate, exact, interval

LABELS_ONLY = "labels only"
"""The kernel K = 1, blind to x."""


def final_distance(study: Study, kernel: str, *, seed: int) -> Evidence:
    """L1 distance at the largest n; control: labels permuted within each prompt, or no x at all."""
    distance = study.estimate("distance", kernel, seed=seed).at(-1)
    if study.shuffled and kernel in study.shuffled[0].distance:
        control = study.table("distance", kernel, shuffled=True)[:, -1].mean()
        return Evidence(distance, float(control), "same kernel, labels permuted")
    return Evidence(distance, study.mean("distance", LABELS_ONLY, study.ns[-1]), LABELS_ONLY)


def table_gap(study: Study, kernel: str, *, seed: int, key: str = "distance") -> Evidence:
    """Mean over n of the gap between our mean distance and table 3's; control: labels only."""
    gap, control = (study.gap(name, PAPER_DISTANCE, key=key, seed=seed) for name in (kernel, LABELS_ONLY))
    return Evidence(gap, float(control.value), LABELS_ONLY)


CHOICE, JUDGED = slice(0, None, 2), slice(1, None, 2)
"""Columns of table 3 on which a reading is chosen (n = 1, 4, 16, 64), and those on which it is judged."""

TARGETS = ("distance", "to_answer")
"""To the posterior, or to the drawn answer."""


def chosen_reading(read: Mapping[str, Study]) -> tuple[str, str]:
    """Reading and target whose mean distances (belief kernel) are nearest to half of table 3's columns."""

    def gap(choice: tuple[str, str]) -> float:
        name, target = choice
        mean = read[name].table(target, "belief").mean(axis=0)
        return float(np.abs(mean - PAPER_DISTANCE)[CHOICE].mean())

    return min(((name, target) for name in read for target in TARGETS), key=gap)


def choice_in_words(name: str, target: str) -> str:
    """Which reading was chosen (Markdown)."""
    to = {"distance": "the posterior", "to_answer": "the drawn answer"}[target]
    return f"Chosen: reading *{name}*, distances to {to}."


def judged_gap(study: Study, target: str, *, seed: int) -> Evidence:
    """Mean gap to the columns of table 3 on which no reading was chosen; control: labels only."""
    paper = np.array(PAPER_DISTANCE)[JUDGED]

    def statistic(table: np.ndarray) -> np.ndarray:
        return np.abs(table.mean(axis=0) - paper).mean()

    belief, blind = (study.table(target, name)[:, JUDGED] for name in ("belief", LABELS_ONLY))
    return Evidence(interval(belief, statistic=statistic, seed=seed), float(statistic(blind)), LABELS_ONLY)


def negative_normalisers(study: Study, kernel: str, n: int, *, seed: int) -> Evidence:
    """Share of prompts whose normaliser Σ_i K is negative at one n; control: the repaired kernel."""
    share = study.estimate("negative", kernel, seed=seed).at(study.ns.index(n))
    return Evidence(share, study.mean("negative", "ratio", n), "repaired kernel (ratio), same prompts")


def rank_and_reach(study: Study) -> str:
    """Rank of the printed second moment beside the largest n, and what its sums miss (Markdown)."""
    ranks, n = study.rank, study.ns[-1]
    known = [curves.sequences for curves in study.curves]
    missing = np.mean([curves.missing_mass for curves in study.curves])
    return (
        f"Rank of the printed Σ: {ranks.min()} to {ranks.max()}, above the largest n = {n} in "
        f"{np.mean(ranks > n):.0%} of the HMMs. Sequences in the sums: {min(known)} to {max(known)}, "
        f"which miss a probability of {missing:.1e} on average."
    )


def plateau(study: Study, kernel: str, *, seed: int, key: str = "distance") -> Evidence:
    """Distance at n = 128 over that at n = 32: near one on a plateau; control: a kernel that has one."""
    ratio, control = (
        study.ratio(name, 128, (name, 32), key=key, seed=seed) for name in (kernel, LABELS_ONLY)
    )
    return Evidence(ratio, float(control.value), f"{LABELS_ONLY}, which stops at its limit")


def table_plateau() -> float:
    """Table 3's own distance at n = 128 over that at n = 32."""
    return PAPER_DISTANCE[-1] / PAPER_DISTANCE[5]


def unlucky_hmms(study: Study, kernel: str) -> Evidence:
    """Share of HMMs whose distance stays at or above table 3's lowest from n = 32 on (Clopper-Pearson)."""
    stays, blind = (
        (study.table("distance", name)[:, study.ns.index(32) :] >= min(PAPER_DISTANCE)).all(axis=1)
        for name in (kernel, LABELS_ONLY)
    )
    share = binomtest(int(stays.sum()), len(stays)).proportion_ci()
    return Evidence(Estimate(float(stays.mean()), share.low, share.high), float(blind.mean()), LABELS_ONLY)


def gaps(read: Mapping[str, Study], *, seed: int) -> dict[str, float]:
    """Gap to table 3 of the belief kernel under every reading of appendix C."""
    return {name: float(study.gap("belief", PAPER_DISTANCE, seed=seed).value) for name, study in read.items()}


def answered_gap(study: Study, kernel: str, *, seed: int) -> Evidence:
    """How far its agreement with the drawn answers is from table 3's accuracy, mean over n from 32 on."""
    late = study.ns.index(32)
    paper = np.array(PAPER_ACCURACY[late:])

    def statistic(table: np.ndarray) -> np.ndarray:
        return np.abs(table.mean(axis=0) - paper).mean()

    gap = interval(study.table("answered", kernel)[:, late:], statistic=statistic, seed=seed)
    return Evidence(gap, float(statistic(study.table("answered", LABELS_ONLY)[:, late:])), LABELS_ONLY)


def demonstrations_matter(study: Study, other: Study, other_is: str, *, seed: int) -> Evidence:
    """L1 distance between posteriors with no and with the most demonstrations; control: another design."""
    return Evidence(interval(study.without[:, -1], seed=seed), float(other.without[:, -1].mean()), other_is)


def against_frequencies(study: Study, kernel: str, *, seed: int) -> Evidence:
    """Mean distance at the largest n over that of the frequencies of the labels."""
    n = study.ns[-1]
    return Evidence(study.ratio(kernel, n, (LABELS_ONLY, n), seed=seed), 1.0, LABELS_ONLY)


def table_norm() -> Evidence:
    """c in distance = c (1 - accuracy), by least squares over the columns of table 3: 2 for L1, √2 for L2."""
    distance, missed = np.array(PAPER_DISTANCE), 1 - np.array(PAPER_ACCURACY)
    constant = float(distance @ missed / (missed @ missed))
    return Evidence(exact(constant), float(np.sqrt(2)), "what the L2 norm would give")


def table_norm_deviation() -> float:
    """Largest deviation of table 3's distances from 2 (1 - accuracy)."""
    return float(np.abs(np.array(PAPER_DISTANCE) - 2 * (1 - np.array(PAPER_ACCURACY))).max())


def _by_verdict(verdict: str, holds: str, fails: str) -> str:
    """One of two findings, or that the run does not decide between them."""
    if verdict == INCONCLUSIVE:
        return f"This run does not decide between “{holds}” and “{fails}”"
    return holds if verdict in (SUPPORTED, PROVED) else fails


def _kernels_by_verdict(verdicts: Mapping[str, str], prefix: str, kernels: Sequence[str]) -> str:
    """Which kernels do, which do not, and which are undecided."""
    words = {SUPPORTED: "yes for {}", NOT_SUPPORTED: "no for {}", INCONCLUSIVE: "undecided for {}"}
    groups = {
        verdict: [k for k in kernels if verdicts[prefix + k.replace(" ", "-")] == verdict]
        for verdict in words
    }
    return "; ".join(words[verdict].format(", ".join(names)) for verdict, names in groups.items() if names)


def answer(claims: Sequence[Claim]) -> str:
    """The chapter's answer in plain sentences (Markdown), worded from the verdicts of its claims."""
    verdict = {claim.id: claim.verdict for claim in claims}
    of = {claim.id: claim.estimate for claim in claims}
    theorem = _by_verdict(
        verdict["theorem-1-bound"],
        "In the exact example of two tasks its limit keeps to the theorem's bound.",
        "In exact arithmetic, with two tasks that can be told apart, the error of its limit is "
        f"{float(of['theorem-1-bound'].value):.2g} times the theorem's bound.",
    )
    repaired = _by_verdict(
        max(verdict["repair-unweighted"], verdict["repair-ratio"], key=(PROVED, CONTRADICTED).index),
        "Two small changes each give a kernel whose limit is the posterior.",
        "The changes that we propose do not bring the limit to the posterior.",
    )
    tested = [kernel for kernel in NON_NEGATIVE if kernel != "belief"]  # which was fitted to the table
    near = _kernels_by_verdict(verdict, "convergence-", (*tested, "printed"))
    gives_away = _by_verdict(
        verdict["demonstrations-matter-table"],
        "There the demonstrations change the answer, as in-context learning asks.",
        "But there the query alone determines the task, and demonstrations change nothing.",
    )
    fewer = _by_verdict(
        verdict["bayes-needs-fewer"],
        "Where demonstrations matter, Bayes needs far fewer: to halve the error of ignoring them, the best "
        f"kernel needs about {10 ** float(of['bayes-needs-fewer'].value):,.0f} times as many.",
        "Where demonstrations matter, Bayes does not need ten times fewer than the best kernel.",
    )
    law = _by_verdict(
        verdict["crossing-law"],
        "Theory says how many: Bayes, about the logarithm of the number of tasks over their KL divergence; a "
        "repaired kernel, what the variance of a ratio of means gives, about rank over squared error.",
        "The variance of a ratio of means does not give the number that the repaired kernel needs.",
    )
    return "\n\n".join(
        (
            f"**Does the printed kernel tend to the posterior?** {theorem} {repaired}",
            f"**Is a kernel as fast as Bayes?** {fewer} {law}",
            "**And table 3?** Does kernel regression come as near on HMMs like the paper's: "
            f"{near}. {gives_away}",
        )
    )
