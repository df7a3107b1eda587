"""Whole studies over many random HMMs, the unit of every interval in chapter 01."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from iclnb.bayes import crossing, experiment, sequences, theory
from iclnb.bayes.experiment import Curves
from iclnb.bayes.kernels import Kernels
from iclnb.bayes.material import Design, draw_prompts
from iclnb.stats import Estimate, interval

one_thread = threadpool_limits.wrap(limits=1, user_api="blas")
"""Matrices here are small: threads that wait for one another slow LAPACK down on a busy machine."""


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

    def estimate(self, key: str, kernel: str, *, seed: int, shuffled: bool = False) -> Estimate:
        """Mean over HMMs for each n."""
        return interval(self.table(key, kernel, shuffled=shuffled), seed=seed)

    @property
    def kernels(self) -> list[str]:
        """Names of the kernels."""
        return list(self.curves[0].distance)

    def means(self, key: str) -> dict[str, Float[np.ndarray, " n"]]:
        """Means over HMMs by kernel."""
        return {kernel: self.table(key, kernel).mean(axis=0) for kernel in getattr(self.curves[0], key)}

    def mean(self, key: str, kernel: str, n: int) -> float:
        """Mean over HMMs at one n."""
        return float(self.table(key, kernel)[:, self.ns.index(n)].mean())

    def gap(self, kernel: str, reference: Sequence[float], *, seed: int, key: str = "distance") -> Estimate:
        """Mean over n of abs(mean over HMMs - reference)."""

        def statistic(table: np.ndarray) -> np.ndarray:
            return np.abs(table.mean(axis=0) - reference).mean()

        return interval(self.table(key, kernel), statistic=statistic, seed=seed)

    def ratio(
        self, kernel: str, n: int, over: tuple[str, int], *, seed: int, key: str = "distance"
    ) -> Estimate:
        """Mean over HMMs at n over that of another ``(kernel, n)``."""

        def statistic(above: np.ndarray, below: np.ndarray) -> np.ndarray:
            return above.mean(axis=0) / below.mean(axis=0)

        columns = (self.table(key, k)[:, self.ns.index(at)] for k, at in ((kernel, n), over))
        return interval(*columns, statistic=statistic, seed=seed)

    @property
    def without(self) -> Float[np.ndarray, "hmms n"]:
        """L1 distance between the posteriors without demonstrations and with n of them."""
        return np.array([c.without for c in self.curves])

    @property
    def risk(self) -> Float[np.ndarray, "hmms n"]:
        """L1 distance between the posterior and the answer that was drawn, as a one-hot distribution."""
        return np.array([c.risk for c in self.curves])

    @property
    def rank(self) -> Int[np.ndarray, " hmms"]:
        """Rank of the printed second moment."""
        return np.array([c.rank["printed"] for c in self.curves])

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
        drawn = draw_prompts(mixture, prompts, max(ns), design.length, design.threshold, (prompt_seed, i))
        kernels = Kernels(mixture, drawn.known, cutoff, bandwidth)
        curves.append(experiment.run(mixture, drawn, kernels, names, ns))
        if shuffled:
            seed = (shuffle_seed, i)
            controls.append(experiment.run(mixture, drawn, kernels, shuffled, ns, shuffle_seed=seed))
    return Study(tuple(ns), curves, controls)


def run_each(designs: Mapping[str, Design], *args: object, **settings: object) -> dict[str, Study]:
    """:func:`run` on several designs, by their names."""
    return {name: run(design, *args, **settings) for name, design in designs.items()}


def vary_choices(
    design: Design, ns: Sequence[int], hmms: int, prompts: int, *, hmm_seed: int, prompt_seed: int
) -> dict[str, tuple[str, Study]]:
    """A kernel and its study under each bandwidth of the belief kernel and cut-off of the printed one."""
    size = {"ns": ns, "hmms": hmms, "prompts": prompts, "hmm_seed": hmm_seed, "prompt_seed": prompt_seed}
    varied = {
        f"belief, β = {bandwidth:g}": ("belief", run(design, ["belief"], bandwidth=bandwidth, **size))
        for bandwidth in (4.0, 5.0, 10.0, 20.0, 80.0)
    }
    for cutoff in (1e-2, 1e-4, None):
        study = run(design, ["printed"], cutoff=cutoff, **size)
        varied[f"printed, cut-off {cutoff or 'default'}"] = ("printed", study)
    return varied


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

    def summary(self) -> dict[str, object]:
        """Bound, and limit errors by kernel, of every HMM."""
        return {"bound": self.bound, "floor": self.floor, "worst": self.worst}

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


@one_thread
def learning(
    designs: Mapping[str, Design], names: Sequence[str], ns: Sequence[int], hmms: int, streams: int,
    *, hmm_seed: int, prompt_seed: int,
) -> dict[str, list[crossing.Learning]]:  # fmt: skip
    """:func:`crossing.learn` on several HMMs of every design, all sequences enumerated."""
    learned = {}
    for name, design in tqdm(designs.items(), desc="designs", disable=None):
        every = sequences.every(design.observations, design.length)
        mixtures = (Kernels(design.mixture((hmm_seed, i)), every) for i in range(hmms))
        learned[name] = [
            crossing.learn(k, names, ns, streams, (prompt_seed, i)) for i, k in enumerate(mixtures)
        ]
    return learned
