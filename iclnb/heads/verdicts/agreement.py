"""Section 5.2: do heads reconstruct the model's answers, and the truth?"""

import numpy as np

from iclnb import claims
from iclnb.claims import Results
from iclnb.heads.agreement import Agreement, interval
from iclnb.heads.verdicts.rules import LEVEL, MARGIN, NULL_IS, beyond, minus
from iclnb.llm.depth import MIDDLE, layers_within

Pair = tuple[Agreement, Agreement]
"""A model, and one of the same configuration with random weights, judged in the same way."""


def shared(results: Results, raw: Pair, corrected: Pair, *, seed: int) -> None:
    """Section 5.2 as the paper measured it: all test points share their demonstrations.

    Args:
        results: where the claims go.
        raw: raw decisions over (sets, points).
        corrected: the same with priors taken off.
        seed: of the intervals.
    """
    found, random = raw
    own = interval(found.best, seed=seed)
    results.claim(
        "shared-raw",
        paper="A",
        section="5.2",
        statement="Under shared demonstrations the best head gives the model's answer more often than always "
        "naming the model's most frequent answer would.",
        criterion=claims.above(MARGIN),
        evidence=claims.Evidence(
            estimate=minus(own, found.modal),
            control=random.best.mean() - random.modal,
            control_is="random weights, their best head",
        ),
    )
    estimate, median = beyond(own, found.permuted_sets)
    results.claim(
        "shared-permuted",
        paper="A",
        section="5.2, stricter",
        statement="Under shared demonstrations the best head agrees with the model more than the best of all "
        "heads does when each set's labels change places.",
        criterion=claims.above(MARGIN),
        evidence=claims.Evidence(estimate=estimate, control=median, control_is=NULL_IS),
    )
    _beyond_controls(results, "shared-controls", "Under shared demonstrations", corrected, seed)


def fresh(results: Results, corrected: Pair, *, seed: int) -> None:
    """Section 5.2 with demonstrations of their own for every test point, priors taken off.

    Arguments as :func:`shared`, over prompts.
    """
    start = "With demonstrations of its own for every test point"
    _beyond_controls(results, "fresh-controls", start, corrected, seed)
    found, random = corrected
    control, estimate, reached = found.beyond(random, found.against_last, seed=seed)
    results.claim(
        "fresh-against-last",
        paper="A",
        section="5.2, stricter",
        statement="On the prompts that the model does not answer with the last label, too, the best head "
        "agrees with the model more than any control does.",
        criterion=claims.above(MARGIN),
        evidence=claims.Evidence(
            estimate=estimate, control=reached, control_is=f"agreement of {control}, on these prompts"
        ),
    )


def _beyond_controls(results: Results, id: str, start: str, pair: Pair, seed: int) -> None:
    found, random = pair
    control, estimate, reached = found.beyond(random, seed=seed)
    results.claim(
        id,
        paper="A",
        section="5.2, stricter",
        statement=f"{start}, and with priors taken off, the best head agrees with the model more than any "
        "control does.",
        criterion=claims.above(MARGIN),
        evidence=claims.Evidence(estimate=estimate, control=reached, control_is=f"agreement of {control}"),
    )


def performance(results: Results, raw: Agreement, corrected: Agreement, *, seed: int) -> None:
    """Section 5.2 and 5.5: the chosen head's answers against the labels of the queries."""
    majority = float(np.bincount(raw.truth.ravel()).max() / raw.truth.size)
    results.claim(
        "performance-raw",
        paper="A",
        section="5.2",
        statement="The head chosen for its agreement with the model is right more often than always naming "
        "the most frequent label would be.",
        criterion=claims.above(MARGIN),
        evidence=claims.Evidence(
            estimate=minus(interval(raw.performance, seed=seed), majority),
            control=float((raw.blind.last == raw.truth).mean() - majority),
            control_is="copying the last label",
        ),
    )
    blindly = (corrected.blind.majority == corrected.truth).astype(float)
    results.claim(
        "performance-corrected",
        paper="A",
        section="5.2, stricter",
        statement="With priors taken off, the chosen head is right more often than the majority of its "
        "demonstrations' labels.",
        criterion=claims.above(MARGIN),
        evidence=claims.Evidence(
            estimate=interval(corrected.performance - blindly, seed=seed),
            control=float((corrected.blind.last == corrected.truth).mean() - blindly.mean()),
            control_is="copying the last label, less the majority of labels",
        ),
    )


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
        f"depth-{name}",
        paper="A",
        section=section,
        statement=f"Heads in the middle layers agree with the model more than heads elsewhere ({name} "
        "demonstrations).",
        criterion=claims.above(MARGIN),
        evidence=claims.Evidence(
            estimate=interval(contrast, seed=seed),
            control=float(np.quantile(rivals, LEVEL)),
            control_is="95 % quantile over as many layers drawn at random",
        ),
    )
