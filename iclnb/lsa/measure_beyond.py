"""The findings of appendix 05b: stacks of layers, and what the whole prompt allows."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from iclnb.errors import IclnbError
from iclnb.lsa import deep, identities
from iclnb.lsa.findings import Beyond
from iclnb.lsa.material import Prompts, noisy_prompts, numbers
from iclnb.store import Store

NOISES = (0.0, 0.5, 1.0)  # σ of the labels, for the table of baselines
FRESH = 20_000  # Sampled S, on which tuned steps are judged, and prompts, on which baselines are
BATCHES = 100  # Batches of prompts whose means are the units of an interval

Inputs = Float[np.ndarray, "prompts context d"]
Labels = Float[np.ndarray, "prompts context"]
Weights = Float[np.ndarray, "prompts d"]


def measure(run: SimpleNamespace) -> Beyond:
    """The findings of appendix 05b.

    Raises IclnbError for fewer than two seeds, which carry no interval, or no stack of two layers.
    """
    depths = [int(depth) for depth in numbers(run.layers)]
    if run.seeds < 2 or 2 not in depths:
        raise IclnbError("set seeds to 2 or more, and let layers hold 2: the claims are about stacks of two")
    mean = np.full(run.d, run.scale)
    risks, tuned = [], []
    values = deep.eigenvalues(run.d, run.n_context, FRESH, run.evaluation_seed)
    for depth in tqdm(depths, "stacks", unit="depth", disable=None):
        risks.append([_trained(depth, mean, seed, run) for seed in range(run.seeds)])
        steps = [deep.best_steps(depth, d=run.d, n_context=run.n_context, plus=p) for p in (False, True)]
        tuned.append([deep.risk_of_steps(*each, values, run.d) for each in steps])
    rates = deep.best_steps(3, d=run.d, n_context=run.n_context)[0].tolist()
    return Beyond(
        d=run.d,
        n_context=run.n_context,
        norm=float(np.linalg.norm(mean)),
        depth=depths,
        risk=np.array(risks),
        tuned=tuned,
        noise=NOISES,
        baseline=_baselines(mean, run),
        check=identities.stacked_steps(run.d, run.n_context, rates, run.evaluation_seed),
    )


def _trained(depth: int, mean: np.ndarray, seed: int, run: SimpleNamespace) -> np.ndarray:
    """Risks of tuned GD and of a trained stack, on the same prompts; trained now or found."""
    options = {"n_context": run.n_context, "updates": run.updates, "seed": (run.data_seed, seed)}
    kept = Store.of_code("lsa").kept(
        "training of a stack",
        [depth, mean.tolist(), options],
        lambda: {"risks": deep.train_stack(depth, mean, **options)},
        modules=["iclnb.lsa.deep"],
    )
    return kept["risks"]


def _baselines(mean: np.ndarray, run: SimpleNamespace) -> list[list[np.ndarray]]:
    """Risks of ridge regression from 0 and of Bayes, by noise of the labels."""
    rows = []
    for sigma in NOISES:
        size = {"d": run.d, "n_context": run.n_context, "seed": run.evaluation_seed}
        prompts = noisy_prompts(FRESH, prior_mean=mean, noise_std=sigma, **size)
        ways = (lambda x, y: ridge(x, y, 1.0), lambda x, y, sigma=sigma: posterior_mean(x, y, mean, sigma))
        rows.append([sampled_risk(way, prompts) for way in ways])
    return rows


def least_squares(x: Inputs, y: Labels) -> Weights:
    """Ordinary least squares (OLS); the solution of least norm where C < d."""
    return np.einsum("pdc,pc->pd", np.linalg.pinv(x), y)


def ridge(x: Inputs, y: Labels, penalty: float) -> Weights:
    """(XᵀX + λI)⁻¹ Xᵀy with λ = ``penalty`` > 0."""
    gram = np.einsum("pca,pcb->pab", x, x) + penalty * np.eye(x.shape[-1])
    return np.linalg.solve(gram, np.einsum("pca,pc->pa", x, y)[..., None])[..., 0]


def posterior_mean(x: Inputs, y: Labels, prior_mean: Float[np.ndarray, " d"], noise_std: float) -> Weights:
    """E[w | prompt] under w ~ N(w*, I): ridge on the shifted labels with λ = σ²; the limit for σ = 0."""
    shifted = y - x @ prior_mean
    return prior_mean + (ridge(x, shifted, noise_std**2) if noise_std > 0 else least_squares(x, shifted))


def sampled_risk(
    estimator: Callable[[Inputs, Labels], Weights], prompts: Prompts
) -> Float[np.ndarray, " batches"]:
    """Risk E (ŷ - wᵀx_q)² of an estimator, the query integrated out exactly: means over :data:`BATCHES` batches."""
    error = np.asarray(estimator(prompts.x, prompts.y)) - prompts.weights
    draws = np.einsum("pi,ij,pj->p", error, np.eye(error.shape[1]), error)  # eᵀΛe, Λ = I
    return np.array([batch.mean() for batch in np.array_split(draws, BATCHES)])
