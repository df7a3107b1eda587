"""What each head does, on common axes: reconstruction, induction, copying, labels, position, likeness."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from iclnb.kernel_regression import kernel_regression
from iclnb.llm.reader import Reader
from iclnb.llm.similarity import embed
from iclnb.mechanism.flow import without_prior
from iclnb.mechanism.material import CONDITIONS, Material
from iclnb.mechanism.passes import Runs

CLOSE = 0.05
"""Heads within this agreement of the best are best heads: below what some hundred prompts tell apart."""

MOST = 8
"""Never more best heads than this: as many as the second look that this chapter follows."""


class Heads(NamedTuple):
    """One number a head and prompt in one condition, except where a number belongs to a head alone.

    Attributes:
        agrees: whether kernel regression with the head's weights gives the model's answer, priors off.
        on_labels: attention on label words, of that behind the first token.
        label_match: weight on demonstrations whose word is the model's answer, minus their share.
        position: correlation of weights with the place of a demonstration.
        likeness: for each likeness of texts, its correlation with weights among demonstrations of one word.
        induction: attention to the token after the earlier occurrence, on repeated random tokens.
        copying: share of label words that the head's own weights copy.
    """

    agrees: Bool[np.ndarray, "sets prompts layers heads"]
    on_labels: Float[np.ndarray, "sets prompts layers heads"]
    label_match: Float[np.ndarray, "sets prompts layers heads"]
    position: Float[np.ndarray, "sets prompts layers heads"]
    likeness: Mapping[str, Float[np.ndarray, "sets prompts layers heads"]]
    induction: Float[np.ndarray, "layers heads"]
    copying: Float[np.ndarray, "layers heads"]

    def means(self) -> dict[str, Float[np.ndarray, "layers heads"]]:
        """Every score of every head, averaged over prompts."""
        likeness = {f"likeness ({name})": np.nanmean(part, (0, 1)) for name, part in self.likeness.items()}
        return {
            "agreement": self.agrees.mean((0, 1)),
            "induction, random tokens": self.induction,
            "attention on labels": self.on_labels.mean((0, 1)),
            "copying": self.copying,
            "label-match": self.label_match.mean((0, 1)),
            "position": np.nanmean(self.position, (0, 1)),
            **likeness,
        }


def score(
    runs: Runs,
    material: Material,
    condition: str,
    likenesses: Mapping[str, Float[np.ndarray, "sets points k"]],
    induction: Float[np.ndarray, "sequences layers heads"],
) -> Heads:
    """All scores in one condition, both labellings pooled.

    Args:
        runs: what was read.
        material: of the same prompts.
        condition: of :data:`iclnb.mechanism.material.CONDITIONS`.
        likenesses: of every query with every demonstration of its set (:func:`likenesses`).
        induction: from :func:`iclnb.mechanism.passes.induction`.
    """
    parts, copied = [], []
    for context in CONDITIONS[condition]:
        labels = material.labels_in(context)
        answers, weights = runs.of("answers", context), runs.of("weights", context)
        votes = regression(weights, labels, material.classes)
        parts.append(
            (
                agreement(votes, answers),
                runs.of("on_labels", context),
                label_match(votes, answers, labels),
                correlation(weights, np.arange(weights.shape[-1], dtype=float)),
                *(within_label(weights, like, labels) for like in likenesses.values()),
            )
        )
        copied.append(runs.of("copying", context).mean(0))
    pooled = [np.concatenate(both, axis=1) for both in zip(*parts, strict=True)]
    likeness = dict(zip(likenesses, pooled[4:], strict=True))
    return Heads(*pooled[:4], likeness, induction.mean(0), np.mean(copied, 0))


def regression(
    weights: Float[np.ndarray, "sets points layers heads k"], labels: Int[np.ndarray, "sets k"], classes: int
) -> Float[np.ndarray, "sets points layers heads classes"]:
    """Kernel regression with every head's weights (paper A, equation 4)."""
    return kernel_regression(weights, labels[:, None, None, None, :], classes)


def agreement(
    votes: Float[np.ndarray, "sets points layers heads classes"],
    answers: Float[np.ndarray, "sets points classes"],
) -> Bool[np.ndarray, "sets points layers heads"]:
    """Whether votes give the model's answer, both with their mean over prompts taken off (priors off)."""
    own = without_prior(answers).argmax(-1)
    return (votes - votes.mean((0, 1))).argmax(-1) == own[..., None, None]


def label_match(
    votes: Float[np.ndarray, "sets points layers heads classes"],
    answers: Float[np.ndarray, "sets points classes"],
    labels: Int[np.ndarray, "sets k"],
) -> Float[np.ndarray, "sets points layers heads"]:
    """Weight on demonstrations whose word is the model's answer (priors off), minus their share."""
    own = without_prior(answers).argmax(-1)
    share = (labels[:, None, :] == own[..., None]).mean(-1)
    matched = np.take_along_axis(votes, own[..., None, None, None], -1)[..., 0]
    return matched - share[..., None, None]


def correlation(
    weights: Float[np.ndarray, "*heads k"], other: Float[np.ndarray, "*#heads k"]
) -> Float[np.ndarray, "*heads"]:
    """Pearson's correlation over demonstrations; not a number where either is constant."""
    a, b = weights - weights.mean(-1, keepdims=True), other - other.mean(-1, keepdims=True)
    size = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    return np.where(size > 1e-12, (a * b).sum(-1) / np.where(size > 1e-12, size, 1), np.nan)


def within_label(
    weights: Float[np.ndarray, "sets points layers heads k"],
    likeness: Float[np.ndarray, "sets points k"],
    labels: Int[np.ndarray, "sets k"],
) -> Float[np.ndarray, "sets points layers heads"]:
    """The correlation of weights with likeness, both with the mean of each label's demonstrations off.

    Labels can then not help: only a kernel over x correlates.
    """
    same = (labels[:, :, None] == labels[:, None, :]).astype(float)
    mean = same / same.sum(-1, keepdims=True)
    weights = weights.astype(float)
    a = weights - np.einsum("splhk,sjk->splhj", weights, mean)
    b = likeness - np.einsum("spk,sjk->spj", likeness, mean)
    return correlation(a, b[:, :, None, None, :])


def likenesses(
    reader: Reader,
    material: Material,
    queries: Mapping[str, np.ndarray],
    shown: Mapping[str, np.ndarray],
) -> dict[str, Float[np.ndarray, "sets points k"]]:
    """How alike queries and demonstrations are: embeddings, and what the model predicts after either.

    Args:
        reader: of the model.
        material: the texts.
        queries, shown: of the queries and the demonstrations (:func:`iclnb.mechanism.passes.alone`).
    """
    tables = []
    for prompts, read in ((material.alone, queries), (material.shown, shown)):
        texts = [prompt.text for prompt in prompts.ravel()]
        predicted = [_predicted(reader, read["predicted"][:, place]) for place in (0, 1)]
        tables.append([part.reshape(*prompts.shape, -1) for part in (embed(texts), *predicted)])
    names = ("embedding", "prediction", "prediction at the cue")
    return {
        name: np.einsum("spd,skd->spk", query, other)
        for name, query, other in zip(names, *tables, strict=True)
    }


def _predicted(reader: Reader, states: Float[np.ndarray, "texts width"]) -> np.ndarray:
    """P(o | x) from what the unembedding receives."""
    head = reader.loaded.model.get_output_embeddings()
    with torch.inference_mode():
        logits = head(torch.tensor(states, device=head.weight.device, dtype=head.weight.dtype))
    return logits.float().softmax(-1).cpu().numpy()


def best(agrees: Float[np.ndarray, "*prompts layers heads"]) -> list[tuple[int, int]]:
    """The heads within :data:`CLOSE` of the best, at most :data:`MOST`; best first, ties in order."""
    mean = agrees.reshape(-1, *agrees.shape[-2:]).mean(0)
    order = np.argsort(-mean.ravel(), kind="stable")[:MOST]
    chosen = order[mean.ravel()[order] >= mean.max() - CLOSE]
    return [(int(i) // mean.shape[1], int(i) % mean.shape[1]) for i in chosen]


def over_best(
    values: Float[np.ndarray, "sets prompts layers heads"],
    agrees: Bool[np.ndarray, "sets prompts layers heads"],
) -> Float[np.ndarray, " sets"]:
    """Mean over the best heads, which are chosen on the other half of the sets, and over prompts."""
    found, half = np.empty(len(values)), np.arange(len(values)) % 2
    for part in (0, 1):
        layers, heads = np.array(best(agrees[half != part])).T
        found[half == part] = np.nanmean(values[half == part][:, :, layers, heads], (1, 2))
    return found


def null(
    votes: Float[np.ndarray, "sets points layers heads classes"],
    answers: Float[np.ndarray, "sets points classes"],
    *,
    draws: int,
    seed: int,
) -> Float[np.ndarray, " draws"]:
    """Agreement of the best heads, chosen on other sets, when answers are permuted among prompts."""
    rng, shape = np.random.default_rng(seed), answers.shape
    found = []
    for _ in range(draws):
        permuted = rng.permutation(answers.reshape(-1, shape[-1])).reshape(shape)
        agrees = agreement(votes, permuted)
        found.append(over_best(agrees.astype(float), agrees).mean())
    return np.array(found)
