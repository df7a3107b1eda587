"""What decides the claims of chapter 05 about trained layers and measured gaps; seeds are the units."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from iclnb.claims import INCONCLUSIVE, SUPPORTED, Criterion, Evidence, Results, within
from iclnb.lsa.agreement import BesideGD
from iclnb.lsa.deep import Comparison
from iclnb.lsa.generalisation import Lengths, Means
from iclnb.lsa.optima import best_rate, gap_law
from iclnb.lsa.starts import SCALES, Starts
from iclnb.lsa.study import CONVERGED, EXACT, Gaps, Study
from iclnb.lsa.variants import VARIANTS
from iclnb.stats import Estimate, interval


def convergence(study: Study, *, seed: int) -> Evidence:
    """Excess of the worst model over its own optimum, in percent, under the converged recipe."""
    worst = 100 * study.excess(CONVERGED).max(axis=1)
    control = float(100 * study.excess(EXACT).max())
    return Evidence(interval(worst, seed=seed), control, "the paper's rate and steps")


def gap(study: Study, *, seed: int) -> Evidence:
    """Risk of the most heads above GD at the largest norm, trained to convergence."""
    risks = study.risks[CONVERGED]
    above, none = (risks[:, study.column(study.most, norm)] - study.floor for norm in (study.top, 0.0))
    return Evidence(interval(above, seed=seed), float(none.mean()), "the same for w* = 0")


def guess_excess(study: Study, recipe: str, *, seed: int) -> Evidence:
    """Risk of y_q-LSA above GD, as a share of it, at the largest norm."""
    excess = study.risks[recipe][:, study.column(1, study.top, guess=True)] / study.floor - 1
    without = study.risks[CONVERGED][:, study.column(1, study.top)].mean() / study.floor - 1
    return Evidence(interval(excess, seed=seed), float(without), "one head without guess, converged")


def law_deviation(gaps: Gaps, *, seed: int) -> Evidence:
    """Largest deviation of the trained gap from the law, over settings and norms, as a share of the law."""
    largest = np.abs(gaps.trained / gaps.law - 1).max(axis=(1, 2))
    return Evidence(interval(largest, seed=seed), 1.0, "no gap")


def sensitivity_cosine(beside: BesideGD, *, seed: int) -> Evidence:
    """Mean cosine of the sensitivities of y_q-LSA and of GD from w*."""
    cosine = interval(beside.guess[:, 2], seed=seed)
    return Evidence(cosine, float(beside.many[:, 2].mean()), "the most heads, without a guess")


def prediction_distance(beside: BesideGD, *, seed: int) -> Evidence:
    """Distance of the predictions of y_q-LSA from GD over that of the most heads without a guess."""
    ratio = beside.guess[:, 0] / beside.many[:, 0]
    return Evidence(interval(ratio, seed=seed), 1.0, "the most heads, without a guess")


class ClosedGaps(NamedTuple):
    """The gap under other tokens at one norm; the control is the gap with the paper's tokens."""

    normalised: Evidence
    unmasked: Evidence
    law: float
    criterion: Criterion
    """Within 2 % of the law about zero."""
    multiples: dict[str, float]
    """Every variant's gap over the law."""


def closes_gap(
    gaps: Mapping[tuple[str, float], Estimate], norm: float, *, d: int, n_context: int
) -> ClosedGaps:
    """The gaps of :func:`iclnb.lsa.variants.gaps` at one norm."""
    law = gap_law(norm, d=d, n_context=n_context)
    paper, unmasked, _, normalised = (gaps[variant, norm] for variant in VARIANTS)
    multiples = {variant: float(gaps[variant, norm].value) / law for variant in VARIANTS}
    closing = Evidence(normalised, float(paper.value), "tokens as in the paper")
    widened = Evidence(unmasked, float(paper.value), "query masked")
    return ClosedGaps(closing, widened, law, within(-0.02 * law, 0.02 * law), multiples)


def longer_training(starts: Starts, *, seed: int) -> Evidence:
    """Excess of y_q-LSA over GD after twice the paper's steps, from our scale; control: after its steps."""
    once, twice = starts.guess[SCALES.index(0.1)]
    return Evidence(interval(twice, seed=seed), float(once.mean()), "after the paper's steps")


def plateau(lengths: Lengths, study: Study, *, seed: int) -> Evidence:
    """Risk of y_q-LSA on the longest prompts over d (1 - η*)²; control: GD with a step for that length."""
    level = study.d * (1 - best_rate(study.d, study.n_context)) ** 2
    ratio = interval(lengths.guess[:, -1] / level, seed=seed)
    return Evidence(ratio, float(lengths.tuned[-1] / level), "GD from w*, step tuned to that length")


def shift_cost(means: Means, study: Study, *, seed: int) -> Evidence:
    """Risk of y_q-LSA at the largest shift over (d + ‖δ‖²)(1 - η*); control: GD from the new mean."""
    predicted = float(means.predicted[-1])
    return Evidence(
        interval(means.guess[:, -1] / predicted, seed=seed), study.floor / predicted, "GD from the new mean"
    )


def stack_ratio(stack: Comparison, *, seed: int) -> Evidence:
    """Risk of trained stacks over that of as many tuned steps of GD."""
    return Evidence(interval(stack.trained / stack.gd, seed=seed), 1.0, "the GD construction, untrained")


def _by_verdict(verdict: str, holds: str, fails: str) -> str:
    """One of two sentences, or that the run does not decide between them."""
    if verdict == INCONCLUSIVE:
        return f"This run does not decide between two findings: “{holds}” and “{fails}”"
    return holds if verdict == SUPPORTED else fails


def comparison(starts: Starts, heads: int) -> str:
    """What the paper's rate and steps say about y_q-LSA and many heads, where they can say it."""
    times = f"y_q-LSA ends below {heads} heads in {100 * starts.lower_share:.0f} % of the starts"
    near = starts.guess[SCALES.index(0.1), 0][starts.largest < starts.reach]
    within_reach = (
        f"In {len(near)} of our seeds every component of w\\* is nearer than {starts.reach:g}, the rate "
        "times the steps" + (f"; their mean excess is {100 * near.mean():.2g} %." if len(near) else ".")
    )
    verdict = "comparable: the order is the same for all" if starts.comparable else (
        "**not comparable**: the order depends on initial weights or seed, which the paper does not give"
    )  # fmt: skip
    return f"After the paper's steps {times}; {verdict}. {within_reach}"


def answer(results: Results, study: Study) -> str:
    """The chapter's answer in plain sentences (Markdown), worded from the verdicts of its claims."""
    verdict = {claim.id: claim.verdict for claim in results.claims}
    share = 100 * gap_law(1.0, d=study.d, n_context=study.n_context) / study.floor
    heads = [
        "**How many heads count?** Never more than $d+1$; without label noise exactly $d$ are needed and "
        "enough. With $y_q = 0$ and $H \\le d$ heads the best layer misses GD from the prior mean by about "
        "$2\\|w^*\\|^2/(CH+2)$ for a large mean, and by exactly $2\\|w^*\\|^2/(Cd+2)$ with $H \\ge d$: "
        f"{share:.2g} % of the risk of GD where ‖w\\*‖ = 1, the scale of the prior itself.",
        _by_verdict(
            verdict["head-law"],
            "No numerical search over the weights does better than our formula for $H < d$.",
            "A numerical search over the weights disagrees with our formula for $H < d$.",
        ),
        _by_verdict(
            verdict["gap-persists"],
            f"Trained to convergence, {study.most} heads keep a gap.",
            f"In training, {study.most} heads show no gap.",
        ),
    ]
    guess = [
        "**Does the guess close the gap?** A trainable guess adds exactly the term $v^\\top x_q$, a linear "
        "skip from the query, and nothing else. One head with it can be one step of GD from $w^*$.",
        _by_verdict(
            verdict["guess-closes-gap"],
            "Training to convergence finds it.",
            "The converged recipe does not reach its risk in this run.",
        ),
    ]
    attention = (
        "**Is the gap about attention?** No. It is the price of making a constant out of the inputs' own "
        "scatter: a skip, or a constant coordinate in the tokens, removes it, and attention stays as it was."
    )
    return "\n\n".join((" ".join(heads), " ".join(guess), attention))
