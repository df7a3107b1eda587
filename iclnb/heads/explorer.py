"""The head explorer (appendix 03c): every head's weights on single prompts, and what they follow."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar, Final

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

from iclnb.findings import Findings, variable
from iclnb.heads.material import draw_material, explorer_rows, loading
from iclnb.heads.reconstruction import best_head, decide, of_chosen
from iclnb.llm.head_choice import Head
from iclnb.llm.loading.readers import load_reader
from iclnb.llm.similarity import embedding_similarity, prediction_similarity

POSITION: Final = "position"
PREDICTION: Final = "prediction similarity"
EMBEDDING: Final = "embedding similarity"
SIMILARITIES: Final = (PREDICTION, EMBEDDING)
FEATURES: Final = (POSITION, *SIMILARITIES)  # What the weights of a head may follow
SHUFFLES: Final = 20  # Of the weights inside each prompt, for what chance gives


@dataclass(frozen=True, kw_only=True)
class Explored(Findings):
    """What the weights of heads follow on prompts with fresh demonstrations, and the weights on some of them."""

    coordinates: ClassVar = {"feature": FEATURES, "similarity": SIMILARITIES}

    agreement: Float[np.ndarray, "layer head"] = variable(
        "share of prompts in which a head answers as the model does, priors off", unit="1", bits=12
    )
    followed: Float[np.ndarray, "feature layer head"] = variable(
        "share of the variance of the weights' ranks that a feature explains, mean over prompts",
        unit="1", bits=12,
    )  # fmt: skip
    chosen: Float[np.ndarray, "feature prompt"] = variable(
        "the same of the head that agrees most with the model on the other half of the prompts",
        unit="1", bits=12,
    )  # fmt: skip
    shuffled: Float[np.ndarray, "feature prompt"] = variable(
        "the same with weights shuffled inside each prompt", unit="1", bits=12
    )
    truth: Int[np.ndarray, " shown"] = variable("label of a query", unit="class")
    probability: Float[np.ndarray, "shown class"] = variable(
        "probability of a label word among all of them", unit="1", bits=12
    )
    rows: Int[np.ndarray, "shown place"] = variable("row of the pool that a demonstration is", unit="row")
    labels: Int[np.ndarray, "shown place"] = variable("label of a demonstration", unit="class")
    alike: Float[np.ndarray, "similarity shown place"] = variable(
        "similarity of a query and a demonstration", unit="1", bits=12
    )
    share: Float[np.ndarray, "shown layer head place"] = variable(
        "share of a head's weight that a demonstration has", unit="1", bits=8
    )

    @property
    def head(self) -> Head:
        """The layer and head that agree most with the model."""
        return best_head(self.agreement)


def measure(run: SimpleNamespace) -> Explored:
    """The findings of appendix 03c. Raises IclnbError as :func:`iclnb.heads.material.explorer_rows`."""
    reader = load_reader(run.model, **loading(run))
    alone = SimpleNamespace(**vars(run) | {"sets": 0, "points": 0, "fresh": run.prompts})
    material = draw_material(reader.tokenizer, explorer_rows(run), alone)
    weights = reader.kernel_weights(material.fresh_prompts, material.wording, material.rows.truth)
    decided, own = decide(weights, material.half, prior_off=True), weights.weights["maximum"]
    compared = (prediction_similarity(reader), embedding_similarity())
    alike = np.stack([material.similarity(compare, fresh=True) for compare in compared])
    places = np.broadcast_to(np.arange(run.k), weights.labels.shape)
    features = np.stack([places, *alike])
    followed = np.stack([rank_r2(own, feature) for feature in features])
    best = of_chosen(own.transpose(0, 3, 1, 2), material.half[:, None], decided.chosen)
    rng = np.random.default_rng(run.sampling_seed)
    shuffled = [[rank_r2(rng.permuted(best, axis=-1), one) for one in features] for _ in range(SHUFFLES)]
    powers, few = np.exp(weights.answers - weights.answers.max(-1, keepdims=True)), slice(run.shown)
    return Explored(
        agreement=decided.hits.mean(0),
        followed=followed.mean(1),
        chosen=[of_chosen(one, material.half, decided.chosen) for one in followed],
        shuffled=np.mean(shuffled, axis=0),
        truth=weights.truth[few],
        probability=(powers / powers.sum(-1, keepdims=True))[few],
        rows=material.fresh.rows[few],
        labels=weights.labels[few],
        alike=alike[:, few],
        share=(own / own.sum(-1, keepdims=True))[few],
        origins={"model": reader.origin, "data": material.rows.origins},
    )


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
