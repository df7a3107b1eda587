"""The fair ceiling of "in-context learning is kernel regression": the best kernel over x that can be found.

Kernels compare texts that the model read alone, at the end of the text or of its cue, in any layer: nothing
but x. Layer, place, kernel and bandwidth, or a learned metric, are chosen on other demonstration sets. The
rivals see the labels and their order, and no x; or x, and no demonstrations.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import special

from iclnb.kernel_regression import kernel_regression
from iclnb.llm.prompts import label_tokens
from iclnb.llm.reader import Reader
from iclnb.mechanism.flow import grid, without_prior
from iclnb.mechanism.material import CONDITIONS, Material
from iclnb.mechanism.passes import Runs

KERNEL, METRIC = "kernel on states", "learned metric"
COUNTS, ORDER, ALONE = "label counts", "labels and order", "no demonstrations"
OVER_X, WITHOUT_X = (KERNEL, METRIC), (COUNTS, ORDER)

SHARPNESS = (1.0, 3.0, 10.0, 30.0)
"""Of a kernel: multiplies a cosine, or half a squared distance in units of its median."""

DIMENSIONS = 16
"""Of the states that the metric weighs: as many weights as the rival has places, at the usual k."""


@dataclass(frozen=True)
class Texts:
    """States of texts that the model read alone.

    Attributes:
        queries: (sets, points, 2, depth, width)
        shown: (sets, k, 2, depth, width)
    """

    queries: Float[np.ndarray, "sets points 2 depth width"]
    shown: Float[np.ndarray, "sets k 2 depth width"]


@dataclass(frozen=True)
class _Task:
    """Labels shown and the model's log-odds, priors off, with both labellings along the points."""

    labels: Int[np.ndarray, "sets 2 k"]
    answers: Float[np.ndarray, "sets 2 points words"]

    def votes(self, weights: Float[np.ndarray, "sets points k"]) -> Float[np.ndarray, "sets 2 points words"]:
        """Kernel regression with the same weights under both labellings."""
        words, shape = self.answers.shape[-1], (*self.answers.shape[:-1], weights.shape[-1])
        return kernel_regression(
            np.broadcast_to(weights[:, None], shape), np.broadcast_to(self.labels[:, :, None], shape), words
        )


def ceilings(
    reader: Reader, runs: Runs, material: Material, texts: Texts, condition: str, *, depths: int, folds: int
) -> dict[str, Float[np.ndarray, " sets"]]:
    """For each way to predict the model's answers how often it does, on sets that it was not chosen on.

    Args:
        reader: of the model.
        runs: its answers.
        material: of the same prompts.
        texts: its states of texts alone (:func:`iclnb.mechanism.passes.alone`).
        condition: whose two labellings are pooled.
        depths: how many layers are tried.
        folds: of sets.
    """
    contexts = CONDITIONS[condition]
    task = _Task(
        np.stack([material.labels_in(c) for c in contexts], 1),
        np.stack([without_prior(runs.of("answers", c)) for c in contexts], 1),
    )
    sets, fold = len(task.labels), np.arange(len(task.labels)) % min(folds, len(task.labels))
    kernels = candidates(texts, depths)
    votes = {name: task.votes(weights) for name, (weights, _) in kernels.items()}
    found = {name: np.empty(sets) for name in (*OVER_X, *WITHOUT_X)}
    even = np.full((sets, *texts.queries.shape[1:2], task.labels.shape[-1]), 1.0)
    for one in np.unique(fold):
        train, test = fold != one, fold == one
        name = max(votes, key=lambda each: _fit_of(votes[each][train], task.answers[train]))
        guesses = {
            KERNEL: votes[name],
            METRIC: task.votes(_metric(kernels[name][1], task, train)),
            COUNTS: task.votes(even),
            ORDER: task.votes(_order(even, task, train)),
        }
        for kind, guess in guesses.items():
            found[kind][test] = _agreement(guess - guess[train].mean((0, 2), keepdims=True), task.answers)[
                test
            ]
    found[ALONE] = _alone(reader, material, texts, task, contexts[0])
    return found


def candidates(
    texts: Texts, depths: int
) -> dict[tuple, tuple[Float[np.ndarray, "sets points k"], Float[np.ndarray, "sets points k width"]]]:
    """Weights of every kernel, and the squared differences of leading components that the metric weighs."""
    found = {}
    for layer, place in product(grid(texts.queries.shape[3], depths).tolist(), (0, 1)):
        query, shown = texts.queries[:, :, place, layer], texts.shown[:, :, place, layer]
        everything = np.concatenate([query.reshape(-1, query.shape[-1]), shown.reshape(-1, query.shape[-1])])
        mean = everything.mean(0)
        query, shown = (query - mean).astype(float), (shown - mean).astype(float)
        cosine = np.einsum("spd,skd->spk", _unit(query), _unit(shown))
        square = np.square(query).sum(-1)[..., None] + np.square(shown).sum(-1)[:, None]
        square = square - 2 * np.einsum("spd,skd->spk", query, shown)
        axes = np.linalg.svd(everything - mean, full_matrices=False)[2][:DIMENSIONS].T
        parts = [(part @ axes) / ((everything - mean) @ axes).std(0).clip(1e-9) for part in (query, shown)]
        apart = np.square(parts[0][:, :, None] - parts[1][:, None])
        for sharp in SHARPNESS:
            gauss = special.softmax(-sharp * square / max(np.median(square), 1e-9) / 2, -1)
            for kernel, each in (("cosine", special.softmax(sharp * cosine, -1)), ("Gaussian", gauss)):
                found[layer, place, kernel, sharp] = each, apart
    return found


def _metric(apart: Float[np.ndarray, "sets points k width"], task: _Task, train: np.ndarray) -> np.ndarray:
    """Weights of a Gaussian kernel whose metric on leading components was learned on some sets."""
    parts = torch.tensor(apart)

    def weights(log_rates: torch.Tensor) -> torch.Tensor:
        return torch.softmax(-(parts * log_rates.exp()).sum(-1), -1)

    return _learned(weights, -3.0 * torch.ones(apart.shape[-1], dtype=torch.double), task, train)


def _order(even: Float[np.ndarray, "sets points k"], task: _Task, train: np.ndarray) -> np.ndarray:
    """Weights that depend on a demonstration's place alone, learned on some sets."""

    def weights(scores: torch.Tensor) -> torch.Tensor:
        return torch.softmax(scores, -1).expand(even.shape)

    return _learned(weights, torch.zeros(even.shape[-1], dtype=torch.double), task, train)


def _learned(
    weights: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor, task: _Task, train: np.ndarray
) -> np.ndarray:
    """The weights whose votes correlate best with the model's log-odds on some sets, held near the start."""
    shown = torch.nn.functional.one_hot(torch.tensor(task.labels)).double()
    goal, where = torch.tensor(task.answers[train], dtype=torch.double), torch.tensor(np.flatnonzero(train))
    parameters = start.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([parameters], max_iter=50, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        votes = torch.einsum("spk,sckw->scpw", weights(parameters)[where], shown[where])
        votes = votes - votes.mean((0, 2), keepdim=True)
        fit = (votes * goal).sum() / (votes.square().sum() * goal.square().sum()).sqrt().clamp(min=1e-9)
        value = -fit + 0.01 * (parameters - start).square().mean()
        value.backward()
        return value

    optimiser.step(loss)
    return weights(parameters.detach()).numpy()


def _fit_of(votes: Float[np.ndarray, "sets 2 points words"], answers: np.ndarray) -> float:
    """Correlation of votes with log-odds, the mean of each labelling taken off."""
    votes = votes - votes.mean((0, 2), keepdims=True)
    size = np.sqrt(np.square(votes).sum() * np.square(answers).sum())
    return float((votes * answers).sum() / size) if size > 0 else 0.0


def _agreement(votes: np.ndarray, answers: np.ndarray) -> Float[np.ndarray, " sets"]:
    """How often votes and log-odds have the same largest word; equal votes are a miss as often as a hit."""
    top = votes >= votes.max(-1, keepdims=True) - 1e-9
    own = answers.argmax(-1)[..., None]
    return (np.take_along_axis(top, own, -1)[..., 0] / top.sum(-1)).mean((1, 2))


def _alone(reader: Reader, material: Material, texts: Texts, task: _Task, context: str) -> np.ndarray:
    """Agreement of the model's zero-shot answers, priors off, with those it gives with demonstrations."""
    tokens = label_tokens(reader.tokenizer, material.wordings[context])
    rows = reader.loaded.model.get_output_embeddings().weight[tokens].detach().float().cpu().numpy()
    answers = without_prior(texts.queries[:, :, 1, -1] @ rows.T)
    return _agreement(np.broadcast_to(answers[:, None], task.answers.shape), task.answers)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True).clip(1e-9)


def best_of(
    found: Mapping[str, Float[np.ndarray, " sets"]], kinds: Sequence[str]
) -> tuple[str, Float[np.ndarray, " sets"]]:
    """The kind of highest mean, with its values."""
    name = max(kinds, key=lambda kind: found[kind].mean())
    return name, found[name]
