"""What the head explorer shows: every head's weights on prompts of several lengths, and what they follow."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

from iclnb.errors import IclnbError
from iclnb.heads.interventions import Head
from iclnb.heads.material import Material, split
from iclnb.heads.reconstruction import Agreement, agree
from iclnb.llm.demonstrations import write
from iclnb.llm.kernel_weights import KernelWeights
from iclnb.llm.reader import Reader
from iclnb.llm.similarity import embedding_similarity, prediction_similarity

POSITION = "position"
LETTERS = 60
"""Of each text that the page shows."""


@dataclass(frozen=True)
class Explored:
    """One task: fresh prompts, each shown with its first demonstrations, more of them step by step.

    Attributes:
        material: the prompts of full length.
        weights: number of demonstrations -> kernel weights of every head. (prompts, layers, heads, k)
        features: what a weight may follow -> its value: position, and similarities to the query.
            (prompts, k)
        selecting: which prompts choose a head; the others judge it. (prompts)
        agreement: number of demonstrations -> every head's agreement with the model, priors off, on the
            judging prompts.
    """

    material: Material
    weights: Mapping[int, KernelWeights]
    features: Mapping[str, Float[np.ndarray, "prompts k"]]
    selecting: Bool[np.ndarray, " prompts"]
    agreement: Mapping[int, Agreement]

    @property
    def head(self) -> Head:
        """The head chosen for its agreement with the model at full length, on the selection prompts."""
        return self.agreement[max(self.agreement)].head

    @property
    def longest(self) -> KernelWeights:
        """The kernel weights at full length."""
        return self.weights[max(self.weights)]

    def follows(self, name: str, k: int) -> Float[np.ndarray, "prompts layers heads"]:
        """:func:`rank_r2` of the weights of the first ``k`` demonstrations and a feature."""
        return rank_r2(self.weights[k].weights["maximum"], self.features[name][:, :k])


def sizes(text: str) -> tuple[int, ...]:
    """Numbers of demonstrations, increasing, from a setting such as ``4,8,16``.

    Raises:
        IclnbError: if it is not a list of whole numbers from 2 on.
    """
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        found = [0]
    if found[0] < 2:
        raise IclnbError(f"ks is {text!r}; expected whole numbers from 2 on, separated by commas: 4,8,16")
    return tuple(found)


def explore(reader: Reader, drawn: Material, ks: Sequence[int], *, share: float, seed: int) -> Explored:
    """Read the fresh prompts of a task at several lengths.

    Args:
        reader: the model.
        drawn: with as many demonstrations in a fresh prompt as the largest of ``ks``.
        ks: numbers of demonstrations; a shorter prompt shows the first ones of the longest.
        share: of the prompts, which choose the head.
        seed: of their choice.
    """
    prompts = len(drawn.fresh_prompts)
    truth, queries = drawn.truth[:prompts], drawn.rows.queries[:prompts]
    weights = {}
    for k in ks:
        shown = drawn.fresh.take((..., slice(k)))
        texts = write(reader.tokenizer, drawn.wording, drawn.rows.pool, shown, queries)
        weights[k] = reader.kernel_weights(texts, drawn.wording, truth)
    features = {
        POSITION: np.tile(np.arange(1.0, max(ks) + 1), (prompts, 1)),
        "prediction similarity": drawn.fresh_similarity(prediction_similarity(reader)),
        "embedding similarity": drawn.fresh_similarity(embedding_similarity()),
    }
    selecting = split(prompts, share, seed=seed)
    agreement = {
        k: agree(each, selecting, corrected=True, permutations=1, seed=seed) for k, each in weights.items()
    }
    return Explored(drawn, weights, features, selecting, agreement)


def rank_r2(
    weights: Float[np.ndarray, "prompts *heads k"], feature: Float[np.ndarray, "prompts k"]
) -> Float[np.ndarray, "prompts *heads"]:
    """Spearman's correlation of a_i with a feature of the demonstrations, squared, in each prompt by itself.

    It is the share of the variance of the weights' ranks that the feature's ranks explain, whichever way they
    run; 0 where one of them does not vary.
    """
    extra = weights.ndim - feature.ndim
    feature = np.expand_dims(feature, tuple(range(1, 1 + extra)))
    a, b = (rankdata(part, axis=-1) for part in (weights, feature))
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    scale = (a * a).sum(-1) * (b * b).sum(-1)
    return np.divide((a * b).sum(-1) ** 2, scale, out=np.zeros(scale.shape), where=scale > 0)


def for_page(found: Sequence[Explored], *, shown: int) -> dict[str, Any]:
    """The first prompts of each task as JSON can hold them, small: whole numbers in strings.

    Weights are the shares a_i / Σ_j a_j in thousandths, heads one after the other, layer by layer; maps are
    in hundredths.

    Args:
        found: tasks.
        shown: prompts of each.
    """
    layers, heads = found[0].longest.weights["maximum"].shape[1:3]
    return {
        "layers": layers,
        "heads": heads,
        "head": list(found[0].head),
        "tasks": [_task(each, shown) for each in found],
    }


def _task(found: Explored, shown: int) -> dict[str, Any]:
    rows = found.material.rows
    maps = {
        str(k): {
            "agreement with the model": _packed(found.agreement[k].by_head() * 100),
            **{name: _packed(found.follows(name, k).mean(0) * 100) for name in found.features},
        }
        for k in found.weights
    }
    texts, queries = rows.texts(rows.pool), rows.texts(rows.queries)
    prompts = [
        {
            "query": _short(queries[i]),
            "truth": int(rows.truth[i]),
            "texts": [_short(texts[row]) for row in found.material.fresh.rows[i]],
            "labels": found.material.fresh.labels[i].tolist(),
            "similarity": {
                name: " ".join(f"{x:.3g}" for x in values[i])
                for name, values in found.features.items()
                if name != POSITION
            },
            "answers": {
                str(k): _packed(_probabilities(w.answers[i]) * 100) for k, w in found.weights.items()
            },
            "shares": {str(k): _packed(_shares(w.weights["maximum"][i])) for k, w in found.weights.items()},
        }
        for i in range(min(shown, len(found.longest.truth)))
    ]
    return {"task": rows.task.name, "words": list(rows.task.label_words), "maps": maps, "prompts": prompts}


def _shares(weights: Float[np.ndarray, "layers heads k"]) -> Float[np.ndarray, "layers heads k"]:
    return 1000 * weights / weights.sum(-1, keepdims=True)


def _probabilities(logs: Float[np.ndarray, " classes"]) -> Float[np.ndarray, " classes"]:
    """Of the label words among each other."""
    powers = np.exp(logs - logs.max())
    return powers / powers.sum()


def _packed(values: Float[np.ndarray, "..."]) -> str:
    whole: Int[np.ndarray, ...] = np.rint(values).astype(int)
    return " ".join(map(str, whole.ravel().tolist()))


def _short(text: str) -> str:
    return textwrap.shorten(text, LETTERS, placeholder=" …")
