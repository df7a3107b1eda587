"""Section 5.4: do keys tell what a text predicts, and values its label, at the label's position?"""

import numpy as np
from jaxtyping import Float

from iclnb import claims, stats
from iclnb.claims import Results
from iclnb.heads.probes import OFFSETS, Probed
from iclnb.heads.verdicts.rules import MARGIN

AT_LABEL = OFFSETS.index(0)


def features(
    results: Results, name: str, reads: str, found: Probed, random: Probed, *, seed: int
) -> tuple[int, int]:
    """The best probe at the label, chosen on every other demonstration set and judged on the rest.

    Args:
        results: where the claims go.
        name: ``keys`` or ``values``.
        reads: what the probe reads off, in words.
        found: probes of the model.
        random: the same probes of a model with random weights.
        seed: of the intervals.

    Returns:
        Layer and key-value head of the chosen probe.
    """
    head, accuracy = _judged(found.accuracy)
    _, blind = _judged(random.accuracy)
    majority = found.majority[1::2, AT_LABEL]
    shuffled = found.control[:, 1::2, head[0], head[1], AT_LABEL].mean(0)
    results.claim(
        f"{name}-raw",
        paper="A",
        section="5.4",
        statement=f"At the label, the {name} of the best head tell {reads} better than its most frequent "
        "value does.",
        criterion=claims.above(MARGIN),
        evidence=claims.Evidence(
            estimate=stats.bootstrap(accuracy - majority, seed=seed),
            control=float((shuffled - majority).mean()),
            control_is="the same probe on shuffled targets",
        ),
    )
    results.claim(
        f"{name}-learned",
        paper="A",
        section="5.4, stricter",
        statement=f"At the label, the {name} of the best head tell {reads} better than those of the best "
        "head of a model with random weights.",
        criterion=claims.above(MARGIN),
        evidence=claims.Evidence(
            estimate=stats.bootstrap(accuracy - blind, seed=seed),
            control=float((blind - majority).mean()),
            control_is="random weights, above the most frequent value",
        ),
    )
    results.claim(
        f"{name}-position",
        paper="A",
        section="5.4",
        statement=f"Over all heads, {name} at the label tell {reads} better than at any of the positions "
        "around it.",
        criterion=claims.above(MARGIN),
        evidence=claims.Evidence(
            estimate=stats.bootstrap(_peak(found.accuracy), seed=seed),
            control=float(_peak(random.accuracy).mean()),
            control_is="random weights",
        ),
    )
    return head


def _judged(
    accuracy: Float[np.ndarray, "sets layers kv_heads positions"],
) -> tuple[tuple[int, int], Float[np.ndarray, " judged"]]:
    """The head that is best on the even sets, and its accuracy on each of the odd ones."""
    at_label = accuracy[..., AT_LABEL]
    choice = at_label[::2].mean(0)
    head = tuple(map(int, np.unravel_index(choice.argmax(), choice.shape)))
    return head, at_label[1::2, head[0], head[1]]


def _peak(accuracy: Float[np.ndarray, "sets layers kv_heads positions"]) -> Float[np.ndarray, " sets"]:
    """For each set the mean over heads at the label minus that at the best other position."""
    by_position = np.nanmean(accuracy, axis=(1, 2))
    others = np.delete(by_position, AT_LABEL, axis=1)
    return by_position[:, AT_LABEL] - others[:, others.mean(0).argmax()]
