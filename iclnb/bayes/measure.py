"""The findings of chapter 01, HMM by HMM."""

from types import SimpleNamespace

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from iclnb.bayes import learning, sequences
from iclnb.bayes.findings import DESIGNS, Learning, stacked
from iclnb.bayes.kernels import Kernels
from iclnb.bayes.material import SHARES, learning_designs
from iclnb.store import Store


def measure(run: SimpleNamespace) -> Learning:
    """Every learner on HMMs of three designs, no seed in common; tasks of the corpus, a held-out one mixed in."""
    ns, store = [2**i for i in range(0, 21, run.doublings)], Store.of_code("iclnb.bayes")
    units = [(design, i) for design in range(len(DESIGNS)) for i in range(run.hmms)]
    found = [
        store.kept(
            "learning",
            [DESIGNS[design], i, ns, run.streams, run.hmm_seed, run.prompt_seed],
            lambda design=design, i=i: one(design, i, ns, run.streams, run.hmm_seed, run.prompt_seed),
            modules=[__name__],
        )
        for design, i in tqdm(units, desc="HMMs", disable=None)
    ]
    arrays = stacked(found, (len(DESIGNS), run.hmms))
    return Learning(**arrays | {"rank": arrays["rank"][..., 0]}, ns=np.array(ns))


@threadpool_limits.wrap(limits=1, user_api="blas")  # matrices are small: threads wait for one another
def one(
    design: int, i: int, ns: list[int], streams: int, hmm_seed: int, prompt_seed: int
) -> dict[str, np.ndarray]:
    """One HMM of a design: what :func:`iclnb.bayes.learning.learn` gives, shares in front."""
    drawn = learning_designs()[DESIGNS[design]]
    mixture = drawn.mixture((hmm_seed, design, i))
    kernels = Kernels(mixture, sequences.every(drawn.observations, drawn.length))
    starts = [(1 - share) * mixture.start[0] + share * drawn.held_out() for share in SHARES]
    found = [
        learning.learn(kernels, start, ns, streams, (prompt_seed, design, i, place))
        for place, start in enumerate(starts)
    ]
    return {name: np.array([each[name] for each in found]) for name in found[0]}
