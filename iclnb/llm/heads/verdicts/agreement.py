"""Section 5.2: do heads reconstruct the model's answers, and the truth?"""

import numpy as np

from iclnb import claims
from iclnb.claims import Results
from iclnb.llm.allocation import MIDDLE, layers_within
from iclnb.llm.heads.agreement import Agreement, interval, where
from iclnb.llm.heads.verdicts.rules import LEVEL, MARGIN, NULL_IS, beyond, minus
from iclnb.stats import Estimate


def shared(results: Results, found: Agreement, random: Agreement, *, seed: int) -> None:
    """Section 5.2 as the paper measured it: all test points share their demonstrations.

    Args:
        results: where the claims go.
        found: raw decisions over (sets, points).
        random: the same of a model with random weights.
        seed: of the intervals.
    """
    results.claim(
        "shared-raw", paper="A", section="5.2",
        statement="Under shared demonstrations the best head gives the model's answer more often than always "
        "naming the model's most frequent answer would.",
        criterion=claims.above(MARGIN), estimate=minus(interval(found.best, seed=seed), found.modal),
        control=random.best.mean() - random.modal, control_is="random weights, their best head",
    )  # fmt: skip
    estimate, median = beyond(interval(found.best, seed=seed), found.permuted_sets)
    results.claim(
        "shared-permuted", paper="A", section="5.2, stricter",
        statement="Under shared demonstrations the best head agrees with the model more than the best of all "
        "heads does when each set's labels change places.",
        criterion=claims.above(MARGIN), estimate=estimate, control=median, control_is=NULL_IS,
    )  # fmt: skip


def fresh(results: Results, raw: Agreement, corrected: Agreement, *, seed: int) -> None:
    """Section 5.2 with demonstrations of their own for every test point, against the nulls.

    Args:
        results: where the claims go.
        raw: raw decisions over prompts.
        corrected: decisions with the prior taken off.
        seed: of the intervals.
    """
    for name, found, how in (("raw", raw, ""), ("corrected", corrected, ", priors taken off")):
        estimate, median = beyond(interval(found.best, seed=seed), found.permuted)
        results.claim(
            f"fresh-permuted-{name}", paper="A", section="5.2, stricter",
            statement="With demonstrations of its own for every test point the best head agrees with the "
            f"model more than the best of all heads does under permuted labels{how}.",
            criterion=claims.above(MARGIN), estimate=estimate, control=median, control_is=NULL_IS,
        )  # fmt: skip
        rival = np.asarray(found.rivals()["recency kernel"], dtype=float)
        results.claim(
            f"fresh-recency-{name}", paper="A", section="5.2, stricter",
            statement="The best head agrees with the model more than a kernel that knows only the order of "
            f"the demonstrations{how}.",
            criterion=claims.above(MARGIN), estimate=interval(found.best - rival, seed=seed),
            control=float(found.rivals()["last label"].mean() - rival.mean()),
            control_is="copying the last label, less the recency kernel",
        )  # fmt: skip
        _against_last(results, name, found, how, seed)


def _against_last(results: Results, name: str, found: Agreement, how: str, seed: int) -> None:
    """The prompts on which copying the last label must fail."""
    if found.against_last.sum() < 2:
        estimate, median = Estimate(np.nan, np.nan, np.nan), 0.0
    else:
        own = interval(where(found.best, found.against_last), seed=seed)
        estimate, median = beyond(own, found.permuted_against)
    results.claim(
        f"fresh-against-last-{name}", paper="A", section="5.2, stricter",
        statement="Where the model does not answer with the last label, the best head agrees with it more "
        f"than the best of all heads does under permuted labels{how}.",
        criterion=claims.above(MARGIN), estimate=estimate, control=median, control_is=NULL_IS,
    )  # fmt: skip


def performance(results: Results, raw: Agreement, corrected: Agreement, *, seed: int) -> None:
    """Section 5.2 and 5.5: the chosen head's answers against the labels of the queries."""
    majority = float(np.bincount(raw.truth.ravel()).max() / raw.truth.size)
    results.claim(
        "performance-raw", paper="A", section="5.2",
        statement="The head chosen for its agreement with the model is right more often than always naming "
        "the most frequent label would be.",
        criterion=claims.above(MARGIN), estimate=minus(interval(raw.performance, seed=seed), majority),
        control=float((raw.blind.last == raw.truth).mean() - majority), control_is="copying the last label",
    )  # fmt: skip
    blindly = (corrected.blind.majority == corrected.truth).astype(float)
    results.claim(
        "performance-corrected", paper="A", section="5.2, stricter",
        statement="With priors taken off, the chosen head is right more often than the majority of its "
        "demonstrations' labels.",
        criterion=claims.above(MARGIN),
        estimate=interval(corrected.performance - blindly, seed=seed),
        control=float((corrected.blind.last == corrected.truth).mean() - blindly.mean()),
        control_is="copying the last label, less the majority of labels",
    )  # fmt: skip


def depth(results: Results, name: str, found: Agreement, *, seed: int, section: str) -> None:
    """Whether heads in the paper's middle layers, carried over by relative depth, agree more than others."""
    layers = len(found.selection)
    inside = layers_within(layers, MIDDLE)
    by_layer = found.hits.mean(-1)
    outside = np.setdiff1d(np.arange(layers), inside)
    contrast = by_layer[..., inside].mean(-1) - by_layer[..., outside].mean(-1)
    rng = np.random.default_rng(seed)
    rivals = []
    for _ in range(200):
        chosen = rng.permutation(layers)[: len(inside)]
        rivals.append(by_layer[..., chosen].mean() - np.delete(by_layer, chosen, -1).mean())
    results.claim(
        f"depth-{name}", paper="A", section=section,
        statement=f"Heads in the middle layers agree with the model more than heads elsewhere ({name} "
        "demonstrations).",
        criterion=claims.above(MARGIN), estimate=interval(contrast, seed=seed),
        control=float(np.quantile(rivals, LEVEL)),
        control_is="95 % quantile over as many layers drawn at random",
    )  # fmt: skip
