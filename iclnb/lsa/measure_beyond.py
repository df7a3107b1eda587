"""The findings of appendix 05b: stacks of layers, and what the whole prompt allows."""

from types import SimpleNamespace

import numpy as np
from tqdm import tqdm

from iclnb.errors import IclnbError
from iclnb.lsa import baselines, deep, identities
from iclnb.lsa.findings import Beyond
from iclnb.lsa.material import noisy_prompts, numbers
from iclnb.store import Store

NOISES = (0.0, 0.5, 1.0)  # σ of the labels, for the table of baselines
FRESH = 20_000  # Sampled S, on which tuned steps are judged, and prompts, on which baselines are


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
        prompts = noisy_prompts(
            FRESH,
            d=run.d,
            n_context=run.n_context,
            prior_mean=mean,
            seed=run.evaluation_seed,
            noise_std=sigma,
        )
        ways = (
            lambda x, y: baselines.ridge(x, y, 1.0),
            lambda x, y, sigma=sigma: baselines.posterior_mean(x, y, mean, sigma),
        )
        rows.append([baselines.sampled_risk(way, prompts) for way in ways])
    return rows
