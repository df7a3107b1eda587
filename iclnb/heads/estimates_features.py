"""The evidence of chapter 03 about similarity (section 5.3) and about keys and values (section 5.4)."""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from iclnb import stats
from iclnb.claims import Claim, Evidence
from iclnb.display import cell, escape, number
from iclnb.heads import correlation, nulls
from iclnb.heads.correlation import Correlation
from iclnb.heads.estimates import YES, beyond_null
from iclnb.heads.interventions import Head
from iclnb.heads.nulls import reconstruct
from iclnb.heads.probes import OFFSETS, Probed
from iclnb.heads.reconstruction import over
from iclnb.llm.kernel_weights import KernelWeights
from iclnb.stats import Estimate

PREDICTION = "prediction"
"""The paper's similarity of texts, among its rivals."""

AT_LABEL = OFFSETS.index(0)

Selecting = Bool[np.ndarray, " points"]


def most_alike(
    found: KernelWeights,
    similarity: Float[np.ndarray, "sets points k"],
    selecting: Selecting,
    correlate: Correlation,
) -> Head:
    """The head whose weights correlate most with similarity on the selection points."""
    by_head = correlate(found.weights["maximum"][:, selecting], similarity[:, selecting])
    layer, head = np.unravel_index(by_head.argmax(), by_head.shape)
    return int(layer), int(head)


def follows_similarity(
    found: KernelWeights,
    similarity: Float[np.ndarray, "sets points k"],
    selecting: Selecting,
    correlate: Correlation,
    *,
    permutations: int,
    seed: int,
) -> Evidence:
    """Correlation of the chosen head's weights with similarity, beyond one chosen under permuted queries.

    Args:
        found: kernel weights over (sets, points).
        similarity: of query and demonstration.
        selecting: test points that choose the head; the others judge.
        correlate: :func:`iclnb.heads.correlation.pooled` or ``query_dependent``.
        permutations: size of the null.
        seed: of the null.
    """
    layer, head = most_alike(found, similarity, selecting, correlate)
    weights, alike = found.weights["maximum"][:, ~selecting], similarity[:, ~selecting]
    own = _crossed(weights[:, :, layer, head], alike, statistic=correlate, seed=seed)
    reached = nulls.null(
        *(
            correlation.permuted(
                correlate,
                found.weights["maximum"][:, part],
                similarity[:, part],
                permutations=permutations,
                seed=(seed, number),
            )
            for number, part in enumerate((selecting, ~selecting))
        )
    )
    return beyond_null(own, reached.chosen)


def follows_more_than_rivals(
    found: KernelWeights,
    similarities: Mapping[str, Float[np.ndarray, "sets points k"]],
    selecting: Selecting,
    *,
    seed: int,
) -> Evidence:
    """Query-dependent correlation with prediction similarity less that with its strongest rival."""
    correlate = correlation.query_dependent
    layer, head = most_alike(found, similarities[PREDICTION], selecting, correlate)
    weights = found.weights["maximum"][:, ~selecting, layer, head]
    reached = {
        name: float(correlate(weights, alike[:, ~selecting]))
        for name, alike in similarities.items()
        if name != PREDICTION
    }
    strongest = max(reached, key=reached.get)

    def difference(a: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> float:
        return float(correlate(a, ours) - correlate(a, theirs))

    both = (similarities[name][:, ~selecting] for name in (PREDICTION, strongest))
    estimate = _crossed(weights, *both, statistic=difference, seed=seed)
    return Evidence(estimate, reached[strongest], f"correlation with {strongest} similarity")


def same_heads(
    found: KernelWeights,
    similarity: Float[np.ndarray, "sets points k"],
    selecting: Selecting,
    correlate: Correlation,
    *,
    seed: int,
) -> Evidence:
    """Over heads, the correlation of agreement with the model and of following similarity.

    The first map is measured on the selection points and the second on the others, so that no prompt speaks
    for both.

    Args:
        found: kernel weights over (sets, points).
        similarity, selecting, correlate: as in :func:`follows_similarity`.
        seed: of the control's permutation and the interval.
    """
    part = found.take(selecting)
    answers = reconstruct(part.weights["maximum"], part.labels, part.classes).argmax(-1)
    agreement = (answers == part.answers.argmax(-1)[..., None, None]).mean(axis=(0, 1)).ravel()
    weights, alike = found.weights["maximum"][:, ~selecting], similarity[:, ~selecting]

    def resemble(w: np.ndarray, s: np.ndarray) -> float:
        other = correlate(w, s).ravel()
        return float(np.corrcoef(other, agreement)[0, 1]) if other.std() * agreement.std() > 0 else 0.0

    order = np.random.default_rng(seed).random(alike.shape[:2]).argsort(-1)
    control = resemble(weights, np.take_along_axis(alike, order[..., None], 1))
    estimate = _crossed(weights, alike, statistic=resemble, seed=seed)
    return Evidence(estimate, control, "similarities of other test points")


def label_contrast(
    similarity: Float[np.ndarray, "sets points k"], found: KernelWeights, *, seed: int
) -> Estimate:
    """Similarity to demonstrations of the query's own label less that to the others, over their mean.

    Args:
        similarity: of query and demonstration.
        found: gives the labels of both. (sets, points)
        seed: of the interval over sets x points; a prompt without both kinds is left out.
    """
    same = found.labels == found.truth[..., None]
    with np.errstate(invalid="ignore"):
        ours, theirs = ((similarity * part).sum(-1) / part.sum(-1) for part in (same, ~same))
    return over((ours - theirs) / similarity.mean(), seed=seed)


def beyond_majority(found: Probed, *, seed: int) -> Evidence:
    """At the label, accuracy of the best head's probe less that of the most frequent target.

    Here and in :func:`beyond_random` the head is chosen on every other demonstration set and judged on the
    rest.
    """
    head, accuracy = _judged(found.accuracy)
    majority = found.majority[1::2, AT_LABEL]
    shuffled = found.control[:, 1::2, head[0], head[1], AT_LABEL].mean(0)
    estimate = stats.interval(accuracy - majority, seed=seed)
    return Evidence(estimate, float((shuffled - majority).mean()), "the same probe on shuffled targets")


def beyond_random(found: Probed, random: Probed, *, seed: int) -> Evidence:
    """At the label, accuracy of the best head's probe less that of a model with random weights."""
    (_, accuracy), (_, blind) = _judged(found.accuracy), _judged(random.accuracy)
    control = float((blind - found.majority[1::2, AT_LABEL]).mean())
    estimate = stats.interval(accuracy - blind, seed=seed)
    return Evidence(estimate, control, "random weights, above the most frequent value")


def beyond_other_positions(found: Probed, random: Probed, *, seed: int) -> Evidence:
    """Mean accuracy of all heads' probes at the label less that at the best other position."""
    estimate = stats.interval(_peak(found.accuracy), seed=seed)
    return Evidence(estimate, float(_peak(random.accuracy).mean()), "random weights")


QUESTIONS: Final = {
    "keys-raw": "Can what a text predicts be read off the keys at its label?",
    "keys-learned": "Was that learned?",
    "keys-position": "Is the label the place for it?",
    "values-raw": "Can the label be read off the values?",
    "values-learned": "Was that learned?",
    "values-position": "Is the label the place for it?",
}
"""Claims that the appendix's answer is made of, each as a question."""


def answer(claims: Iterable[Claim], model: str) -> str:
    """The appendix's answer in Markdown, a line for each question, worded by the verdicts."""
    lines = [f"For {escape(model)}, in accuracy beyond the control of each claim:", ""]
    for claim in claims:
        if claim.id in QUESTIONS:
            found = f"{cell(claim.estimate)}; {escape(claim.control_is)}: {number(claim.control)}"
            lines.append(f"- **{QUESTIONS[claim.id]}** {YES[claim.verdict]}: {found}.")
    return "\n".join(lines)


def _crossed(*samples: np.ndarray, **settings: object) -> stats.Estimate:
    return stats.interval(*samples, design="sets x points", **settings)


def _judged(
    accuracy: Float[np.ndarray, "sets layers kv_heads positions"],
) -> tuple[Head, Float[np.ndarray, " judged"]]:
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
