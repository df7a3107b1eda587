"""What decides the claims of chapter 05 about trained layers and measured gaps; seeds are the units."""

from collections.abc import Mapping
from typing import NamedTuple

from iclnb.claims import INCONCLUSIVE, SUPPORTED, Criterion, Evidence, Results, within
from iclnb.lsa.agreement import BesideGD
from iclnb.lsa.deep import Comparison
from iclnb.lsa.generalisation import Lengths, Means
from iclnb.lsa.optima import best_rate, gap_law
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


def law_ratio(gaps: Gaps, *, seed: int) -> Evidence:
    """Trained gap over the law, averaged over settings and norms."""
    ratio = (gaps.trained / gaps.law).mean(axis=(1, 2))
    return Evidence(interval(ratio, seed=seed), 0.0, "no gap")


def sensitivity_cosine(beside: BesideGD, *, seed: int) -> Evidence:
    """Mean cosine of the sensitivities of y_q-LSA and of GD from w*."""
    cosine = interval(beside.guess[:, 2], seed=seed)
    return Evidence(cosine, float(beside.from_zero[:, 2].mean()), "GD from 0")


class ClosedGaps(NamedTuple):
    """The gap under other tokens at one norm; the control is the gap with the paper's tokens."""

    constant: Evidence
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
    paper, unmasked, constant, normalised = (gaps[variant, norm] for variant in VARIANTS)
    multiples = {variant: float(gaps[variant, norm].value) / law for variant in VARIANTS}
    closing = [
        Evidence(each, float(paper.value), "tokens as in the paper") for each in (constant, normalised)
    ]
    widened = Evidence(unmasked, float(paper.value), "query masked")
    return ClosedGaps(*closing, widened, law, within(-0.02 * law, 0.02 * law), multiples)


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


def answer(results: Results, study: Study) -> str:
    """The chapter's answer in plain sentences (Markdown), worded from the verdicts of its claims."""
    verdict = {claim.id: claim.verdict for claim in results.claims}
    share = 100 * gap_law(1.0, d=study.d, n_context=study.n_context) / study.floor
    lines = [
        "**How many heads count?** Never more than $d+1$, and at the optimum without label noise $d$ do all "
        "that can be done. With that many heads and $y_q = 0$ the best layer still misses GD from the prior "
        "mean by $2\\|w^*\\|^2/(Cd+2)$. "
        f"That is {share:.2g} % of the risk of GD where ‖w\\*‖ = 1, the scale of the prior itself. "
        + _by_verdict(
            verdict["gap-persists"],
            f"Trained to convergence, {study.most} heads keep a gap.",
            f"In training, {study.most} heads show no gap.",
        ),
        "**Does the guess repair it?** One head with the guess $y_q = w^{*\\top}x_q$ *is* one step of GD "
        "from $w^*$. "
        + _by_verdict(
            verdict["guess-closes-gap"],
            "Training to convergence finds it.",
            "The converged recipe does not reach its risk in this run.",
        )
        + " "
        + _by_verdict(
            verdict["guess-with-paper-settings"],
            "So do the paper's rate and steps.",
            f"The paper's rate and steps do not at ‖w\\*‖ = {study.top:g}, with our initial weights.",
        ),
        "**Is the guess needed?** "
        + _by_verdict(
            verdict["normalised-closes-gap"],
            "No: a constant coordinate in the tokens, or inputs of fixed length, close the gap as well.",
            "A constant coordinate in the tokens closes the gap as well; inputs of fixed length do not.",
        ),
    ]
    return "\n\n".join(lines)
