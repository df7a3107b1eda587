"""Whole studies over many random HMMs, the unit of every interval in notebook 01."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from iclnb import stats
from iclnb.bayes import experiment, families, sequences, theory
from iclnb.bayes.experiment import Curves
from iclnb.bayes.hmm import HMMMixture
from iclnb.bayes.kernels import Kernels

one_thread = threadpool_limits.wrap(limits=1, user_api="blas")
"""Matrices here are small: threads that wait for one another slow LAPACK down on a busy machine."""


@dataclass(frozen=True)
class Design:
    """How the HMMs of a study are drawn, and how long x is.

    ``starts`` is "blocks" (uniform in a block of states per task) or "single" (one state per task);
    ``closed`` keeps each task in its own block; ``noise`` replaces emitted tokens by uniform ones;
    sequences at least as likely as ``threshold`` enter second moments even if no prompt holds them.
    """

    tasks: int
    states: int
    observations: int
    length: int
    rows: families.Rows
    starts: str = "blocks"
    closed: bool = True
    noise: float = 0.0
    threshold: float = 1e-6

    def mixture(self, seed: int | Sequence[int]) -> HMMMixture:
        """One HMM mixture of this design."""
        start = {"blocks": families.block_starts, "single": families.single_starts}[self.starts]
        return families.mixture(
            start(self.tasks, self.states), self.rows, self.observations, seed,
            noise=self.noise, closed=self.closed,
        )  # fmt: skip


def appendix_c(**changes: object) -> Design:
    """8 tasks, 80 states, 100 observations, as in table 3; the rest is our reading.

    Each task is an HMM of 10 states, rows softmax(50 x N(0, 1)), merged into one; it starts anywhere in its
    block; abs(x) = 6. Pass ``changes`` for other readings.

    Source: Han et al. (2025), appendix C, which leaves open how the HMMs are drawn and how long x is.
    """
    settings = {"tasks": 8, "states": 80, "observations": 100, "length": 6, "rows": families.softmax(50.0)}
    return Design(**{**settings, **changes})


@dataclass(frozen=True)
class Study:
    """Curves of several HMMs of one design.

    Args:
        ns: numbers of demonstrations.
        curves: one for each HMM.
        shuffled: the same prompts with labels permuted before the regression; empty if not asked for.
    """

    ns: tuple[int, ...]
    curves: list[Curves]
    shuffled: list[Curves]

    def table(self, key: str, kernel: str, *, shuffled: bool = False) -> Float[np.ndarray, "hmms n"]:
        """A field of :class:`Curves` that maps kernels to arrays over n, for every HMM."""
        return np.array([getattr(c, key)[kernel] for c in (self.shuffled if shuffled else self.curves)])

    def estimate(self, key: str, kernel: str, *, seed: int, shuffled: bool = False) -> stats.Estimate:
        """Mean over HMMs for each n, with a bootstrap interval over HMMs."""
        return stats.bootstrap(self.table(key, kernel, shuffled=shuffled), seed=seed)

    def gap(
        self, kernel: str, reference: Sequence[float], *, seed: int, key: str = "distance"
    ) -> stats.Estimate:
        """Mean over n of abs(mean distance - reference), with a bootstrap interval over HMMs."""

        def statistic(*columns: np.ndarray, axis: int) -> np.ndarray:
            gaps = [np.abs(c.mean(axis=axis) - r) for c, r in zip(columns, reference, strict=True)]
            return np.mean(gaps, axis=0)

        return stats.bootstrap(*self.table(key, kernel).T, statistic=statistic, seed=seed)

    def ratio(
        self, kernel: str, n: int, over: tuple[str, int], *, seed: int, key: str = "distance"
    ) -> stats.Estimate:
        """Mean distance at n over that of another ``(kernel, n)``, with a bootstrap interval over HMMs."""

        def statistic(above: np.ndarray, below: np.ndarray, axis: int) -> np.ndarray:
            return above.mean(axis=axis) / below.mean(axis=axis)

        columns = (self.table(key, k)[:, self.ns.index(at)] for k, at in ((kernel, n), over))
        return stats.bootstrap(*columns, statistic=statistic, seed=seed)

    @property
    def without(self) -> Float[np.ndarray, "hmms n"]:
        """L1 distance between the posteriors without demonstrations and with n of them."""
        return np.array([c.without for c in self.curves])

    def limit(self, kernel: str) -> Float[np.ndarray, " hmms"]:
        """Distance that remains with infinitely many demonstrations."""
        return np.array([c.limit[kernel] for c in self.curves])


@one_thread
def run(
    design: Design, names: Sequence[str], ns: Sequence[int], hmms: int, prompts: int,
    *, hmm_seed: int, prompt_seed: int, shuffle_seed: int | None = None, shuffled: Sequence[str] = (),
    cutoff: float | None = None, bandwidth: float = 20.0,
) -> Study:  # fmt: skip
    """The experiment of appendix C on several HMMs.

    Args:
        design: how HMMs are drawn.
        names: kernels.
        ns: numbers of demonstrations.
        hmms: independent HMMs, the unit of the intervals.
        prompts: prompts for each HMM.
        hmm_seed: seeds the HMMs; HMM i does not depend on how many there are.
        prompt_seed: seeds the prompts.
        shuffle_seed: seeds the permutation of labels for the control.
        shuffled: kernels for which that control is run.
        cutoff: of the whitening (:class:`Kernels`).
        bandwidth: of the belief kernel (:class:`Kernels`).
    """
    curves, controls = [], []
    for i in tqdm(range(hmms), desc="HMMs", disable=None):
        mixture = design.mixture((hmm_seed, i))
        drawn = experiment.draw_prompts(
            mixture, prompts, max(ns), design.length, design.threshold, (prompt_seed, i)
        )
        kernels = Kernels(mixture, drawn.known, cutoff, bandwidth)
        curves.append(experiment.run(mixture, drawn, kernels, names, ns))
        if shuffled:
            seed = (shuffle_seed, i)
            controls.append(experiment.run(mixture, drawn, kernels, shuffled, ns, shuffle_seed=seed))
    return Study(tuple(ns), curves, controls)


@dataclass(frozen=True)
class TheoremStudy:
    """Theorem 1 on several small HMMs; arrays over HMMs, dictionaries over kernels."""

    ns: tuple[int, ...]
    bound: Float[np.ndarray, " hmms"]
    rank: Float[np.ndarray, " hmms"]
    floor: dict[str, Float[np.ndarray, " hmms"]]
    worst: dict[str, Float[np.ndarray, " hmms"]]
    to_limit: dict[str, Float[np.ndarray, "hmms n"]]
    to_posterior: dict[str, Float[np.ndarray, "hmms n"]]

    def slopes(self, kernel: str, errors: str, start: int) -> Float[np.ndarray, " hmms"]:
        """Slope of log error against log n from n = ``start`` on, for every HMM.

        Args:
            kernel: which one.
            errors: ``to_limit`` or ``to_posterior``.
            start: smallest n of the fit.
        """
        late = np.array(self.ns) >= start
        return np.array(
            [theory.slope(np.array(self.ns)[late], e[late]) for e in getattr(self, errors)[kernel]]
        )


@one_thread
def theorem(
    design: Design, names: Sequence[str], ns: Sequence[int], hmms: int, replicates: int,
    *, hmm_seed: int, prompt_seed: int,
) -> TheoremStudy:  # fmt: skip
    """Bound, exact floors and error against n, for demonstrations of task 0, on small HMMs.

    Args:
        design: small enough for all sequences to be enumerated, each of positive probability.
        names: kernels.
        ns: increasing numbers of demonstrations.
        hmms: independent HMMs.
        replicates: streams of demonstrations for each.
        hmm_seed: seeds the HMMs.
        prompt_seed: seeds the demonstrations.
    """
    found = []
    for i in tqdm(range(hmms), desc="small HMMs", disable=None):
        kernels = Kernels(design.mixture((hmm_seed, i)), sequences.every(design.observations, design.length))
        floors = {name: theory.floor(kernels, name, 0) for name in names}
        errors = theory.converge(kernels, names, 0, ns, replicates, (prompt_seed, i))
        found.append((theory.bound(kernels, 0).value, kernels.whitening("ratio").rank, floors, errors))
    bounds, ranks, floors, errors = zip(*found, strict=True)
    return TheoremStudy(
        tuple(ns), np.array(bounds), np.array(ranks),
        {name: np.array([f[name].median for f in floors]) for name in names},
        {name: np.array([f[name].worst for f in floors]) for name in names},
        {name: np.array([e.to_limit[name] for e in errors]) for name in names},
        {name: np.array([e.to_posterior[name] for e in errors]) for name in names},
    )  # fmt: skip
