"""Beyond the paper: does the answer depend on heads that look like kernels, and on values at labels?"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from iclnb import claims
from iclnb.claims import Results
from iclnb.heads.agreement import interval
from iclnb.heads.verdicts.rules import NATS


def ablation(
    results: Results,
    base: Float[np.ndarray, "sets points"],
    best: Float[np.ndarray, "sets points"],
    random: Sequence[Float[np.ndarray, "sets points"]],
    elsewhere: Float[np.ndarray, "sets points"],
    *,
    seed: int,
) -> None:
    """Ours: whether the heads that look like kernels are those that the answer depends on.

    Args:
        results: where the claims go.
        base: separation (:func:`iclnb.heads.effects.separation`) of the whole model.
        best: with the best heads ablated.
        random: with as many random heads of the same layers, for several draws.
        elsewhere: with the best heads of other layers.
        seed: of the intervals.
    """
    drawn = np.mean(random, axis=0)
    for name, rival, who in (
        ("random", drawn, "as many random heads of the same layers"),
        ("elsewhere", elsewhere, "the best heads of other layers"),
    ):
        results.claim(
            f"ablation-{name}",
            paper="ours",
            section="this notebook",
            statement="Ablating the best heads lowers the separation of the labels more than ablating "
            f"{who}.",
            criterion=claims.above(NATS),
            evidence=claims.Evidence(
                estimate=interval(rival - best, seed=seed),
                control=float((base - rival).mean()),
                control_is=f"what {who} cost, in nats",
            ),
        )


def following(
    results: Results,
    base: Float[np.ndarray, "sets points"],
    middle: Float[np.ndarray, "sets points"],
    others: Float[np.ndarray, "sets points"],
    *,
    seed: int,
) -> None:
    """Ours: whether the answer follows the label tokens' values when these change places.

    Args:
        results: where the claims go.
        base: separation of the whole model.
        middle: with label values swapped in the middle layers.
        others: with label values swapped in as many layers elsewhere.
        seed: of the intervals.
    """
    results.claim(
        "values-followed",
        paper="ours",
        section="this notebook",
        statement="Swapping the label tokens' values between classes in the middle layers lowers the "
        "separation of the labels.",
        criterion=claims.above(NATS),
        evidence=claims.Evidence(
            estimate=interval(base - middle, seed=seed),
            control=float((base - others).mean()),
            control_is="the same swap in as many other layers, in nats",
        ),
    )
    results.claim(
        "values-middle",
        paper="ours",
        section="this notebook",
        statement="Swapping the label tokens' values in the middle layers lowers the separation more than "
        "the same swap in as many layers elsewhere.",
        criterion=claims.above(NATS),
        evidence=claims.Evidence(
            estimate=interval(others - middle, seed=seed), control=0.0, control_is="no difference"
        ),
    )
