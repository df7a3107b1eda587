"""The findings of chapter 05. Every training, and every part of the search, is kept as soon as it ends."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from iclnb.errors import IclnbError
from iclnb.lsa import identities, sight, softmax
from iclnb.lsa.beside import beside_gd
from iclnb.lsa.few_heads import search
from iclnb.lsa.findings import CHECKS, TrainedLayers
from iclnb.lsa.material import Configuration, dimensions, norms_of, numbers, prior_means, sweep_models
from iclnb.lsa.moments import prompt_moments
from iclnb.lsa.optima import risk_at_norm
from iclnb.lsa.train import CONVERGED, PAPER, Parameters, Recipe, Trained, exact_risks, tensors, train
from iclnb.store import Arrays, Store

SCALES = (0.03, 0.1, 0.3)  # Standard deviations of the initial weights; 0.1 is that of every other sweep


def measure(run: SimpleNamespace) -> TrainedLayers:
    """The findings of chapter 05. Raises IclnbError for fewer than two seeds, which carry no interval."""
    if min(run.seeds, run.soft_seeds) < 2:
        raise IclnbError("intervals are over training seeds: set seeds and soft_seeds to 2 or more")
    models = sweep_models(run.heads, run.scales, run.d)
    risk, converged = _by_recipe(models, run)
    return TrainedLayers(
        d=run.d,
        n_context=run.n_context,
        heads=[model.heads for model in models],
        norm=[model.norm for model in models],
        guess=[model.train_guess for model in models],
        optimum=[_optimum(model, run) for model in models],
        risk=risk,
        scale=SCALES,
        by_scale=_by_scale(_compared(models), run),
        **_elsewhere(run),
        beside=_beside(converged, run),
        unmasked=_unmasked(run),
        **_normalised(run),
        search=_search(run),
        checks=_checks(run),
    )


def _trained(models: Sequence[Configuration], recipe: Recipe, seeds: Sequence[int], run: SimpleNamespace,
             d: int | None = None, n_context: int | None = None) -> Trained:  # fmt: skip
    """The sweep, trained now or found."""
    d, n_context = d or run.d, n_context or run.n_context
    shared = {"d": d, "n_context": n_context, "data_seed": run.data_seed, "init_seed": run.init_seed}
    content = [[list(model) for model in models], asdict(recipe), list(seeds), shared]
    arrays = _kept(
        "training of linear heads",
        content,
        lambda: train(models, recipe, seeds=seeds, **shared).parameters._asdict(),
        "iclnb.lsa.train",
    )
    return Trained(tuple(models), Parameters(**arrays), prior_means(models, d, seeds, run.data_seed))


def _by_recipe(
    models: Sequence[Configuration], run: SimpleNamespace
) -> tuple[Float[np.ndarray, "recipe seed model"], Trained]:
    """Exact risks of every model under the three recipes, and the converged weights."""
    moments, every = prompt_moments(run.d, run.n_context), range(run.seeds)
    risk = np.full((3, run.seeds, len(models)), np.nan)
    sampled = replace(PAPER, steps=run.steps, batch=run.batch)
    for seed in tqdm(range(run.sampled_seeds), "on sampled prompts", unit="seed", disable=None):
        risk[0, seed] = exact_risks(_trained(models, sampled, [seed], run), moments)[0]
    risk[1] = exact_risks(_trained(models, replace(sampled, batch=None), every, run), moments)
    converged = _trained(models, replace(CONVERGED, steps=run.steps), every, run)
    risk[2] = exact_risks(converged, moments)
    return risk, converged


def _compared(models: Sequence[Configuration]) -> list[Configuration]:
    """y_q-LSA and the most heads without a guess, at the largest norm."""
    top = max(model.norm for model in models)
    return [Configuration(1, top, True), Configuration(max(model.heads for model in models), top)]


def _by_scale(models: Sequence[Configuration], run: SimpleNamespace) -> Float[np.ndarray, "scale seed kind"]:
    """Risks after the paper's steps, from other initial weights, with the exact gradient."""
    moments, recipe = prompt_moments(run.d, run.n_context), replace(PAPER, steps=run.steps, batch=None)
    sweeps = [_trained(models, replace(recipe, scale=scale), range(run.seeds), run) for scale in SCALES]
    return np.stack([exact_risks(sweep, moments) for sweep in sweeps])


def _elsewhere(run: SimpleNamespace) -> dict[str, Sequence]:
    """d + 1 heads trained to convergence for other d and C, the norm of w* being √d."""
    settings, recipe, risks = dimensions(run.grid), replace(CONVERGED, steps=run.steps), []
    for d, n_context in settings:
        sweep = _trained([Configuration(d + 1, d**0.5)], recipe, range(run.seeds), run, d, n_context)
        risks.append(exact_risks(sweep, prompt_moments(d, n_context))[:, 0])
    d, n_context = zip(*settings, strict=True)
    return {"setting_d": d, "setting_context": n_context, "setting_risk": risks}


def _beside(converged: Trained, run: SimpleNamespace) -> Float[np.ndarray, "seed predictor distance"]:
    """Trained layers and GD from 0, beside GD from w*."""
    chosen = [converged.configurations.index(model) for model in _compared(converged.configurations)]
    every, guesses = tensors(converged)[:, chosen], np.asarray(converged.parameters.guess)[:, chosen]
    means = converged.prior_means[:, chosen[0]]
    return np.stack([
        beside_gd(*one, n_context=run.n_context, prompts=5000, seed=(run.evaluation_seed, seed))
        for seed, one in enumerate(zip(every, guesses, means, strict=True))
    ])  # fmt: skip


def _unmasked(run: SimpleNamespace) -> Float[np.ndarray, "mask batch"]:
    """The gap of linear heads with the query masked and in sight."""
    mean = max(norms_of(run.scales, run.d)) * np.eye(run.d)[0]
    shared = {"d": run.d, "n_context": run.n_context, "prior_mean": mean, "seed": run.evaluation_seed}
    return np.stack([sight.gap_to_gd(in_sight=seen, prompts=run.prompts, **shared) for seen in (False, True)])


def _normalised(run: SimpleNamespace) -> dict[str, Any]:
    """Layers of normalised heads, trained; without a prior mean and at the largest norm."""
    norms, heads = (0.0, max(norms_of(run.scales, run.d))), map(int, numbers(run.soft_heads))
    layers = [softmax.Layer(*each) for each in itertools.product(heads, norms, (False, True))]
    shared = {
        "d": run.d, "n_context": run.n_context, "steps": run.soft_steps, "batch": run.soft_batch,
        "data_seed": run.data_seed, "init_seed": run.init_seed,
    }  # fmt: skip

    def trained(repetition: int) -> Float[np.ndarray, " layer"]:
        return _kept(
            "training of normalised heads",
            [[list(layer) for layer in layers], shared, repetition],
            lambda: {"excess": softmax.train(layers, **shared, repetition=repetition)},
            "iclnb.lsa.softmax",
        )["excess"]

    every = tqdm(range(run.soft_seeds), "normalised heads", unit="seed", disable=None)
    excess = [trained(repetition) for repetition in every]
    heads, norm, in_sight = zip(*layers, strict=True)
    return {"soft_heads": heads, "soft_norm": norm, "soft_in_sight": in_sight, "soft_excess": excess}


def _search(run: SimpleNamespace) -> Float[np.ndarray, "search quantity"]:
    every = tqdm(range(1, run.largest_search + 1), "search over weights", unit="d", disable=None)
    found = [
        _kept(
            "search over weights",
            [d, run.search_seed],
            lambda d=d: {"found": search(d, run.search_seed)},
            "iclnb.lsa.few_heads",
        )["found"]
        for d in every
    ]
    return np.concatenate(found)


def _kept(
    what: str, content: Sequence[Any], measured: Callable[[], Arrays], module: str
) -> dict[str, np.ndarray]:
    """A unit of work, found in the store or measured now."""
    return Store.of_code("lsa").kept(what, content, measured, modules=[module])


def _optimum(model: Configuration, run: SimpleNamespace) -> float:
    family = "yq" if model.train_guess else "multihead"
    return risk_at_norm(family, model.norm, d=run.d, n_context=run.n_context, heads=model.heads)


def _checks(run: SimpleNamespace) -> list[identities.Check]:
    size = (run.d, run.n_context)
    found = {
        "heads bound": identities.heads_bound(*size, run.evaluation_seed),
        "unlimited heads": identities.unlimited_heads(*size, max(norms_of(run.scales, run.d))),
        "one step": identities.one_step(*size, run.evaluation_seed),
        "elsewhere": identities.elsewhere(*size),
    }
    return [found[name] for name in CHECKS]
