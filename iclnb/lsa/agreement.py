"""How nearly a trained layer is gradient descent, prompt by prompt."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from iclnb.lsa.gd import gd_predict
from iclnb.lsa.layer import predict_fast
from iclnb.lsa.material import draw_prompts
from iclnb.lsa.optima import best_rate
from iclnb.lsa.study import CONVERGED, Study

Predictor = Callable[[Array, Array, Array], Float[Array, " prompts"]]


class Agreement(NamedTuple):
    """Means over prompts (paper B, section 5.2)."""

    prediction_gap: float
    """√ mean (ŷ - ŷ_GD)², in units of the label."""
    sensitivity_gap: float
    """Mean ‖∂ŷ/∂x_q - ∂ŷ_GD/∂x_q‖₂."""
    cosine: float
    """Mean cosine of the two sensitivities."""


def agreement(
    first: Predictor,
    second: Predictor,
    x: Float[Array, "prompts context d"],
    y: Float[Array, "prompts context"],
    query: Float[Array, "prompts d"],
) -> Agreement:
    """Compare two predictors ``(x, y, query) -> predictions`` on the same prompts."""

    def sensitivity(predictor: Predictor) -> np.ndarray:
        return np.asarray(jax.grad(lambda q: predictor(x, y, q).sum())(query))  # prompts do not interact

    a, b = sensitivity(first), sensitivity(second)
    cosine = np.sum(a * b, axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    apart = jnp.sqrt(jnp.mean((first(x, y, query) - second(x, y, query)) ** 2))
    return Agreement(float(apart), float(np.linalg.norm(a - b, axis=1).mean()), float(cosine.mean()))


class BesideGD(NamedTuple):
    """:class:`Agreement` with one step of GD from w*, for every training seed."""

    guess: Float[np.ndarray, "seeds 3"]
    """y_q-LSA."""
    many: Float[np.ndarray, "seeds 3"]
    """The most heads, without a guess."""
    from_zero: Float[np.ndarray, "seeds 3"]
    """The same step of GD, from 0."""


def beside_gd(study: Study, *, prompts: int, seed: int) -> BesideGD:
    """Converged layers at the largest norm on fresh prompts, beside the best step of GD from w*."""
    trained, rate = study.trained[CONVERGED], best_rate(study.d, study.n_context)
    guess, many = study.column(1, study.top, guess=True), study.column(study.most, study.top)
    rows = []
    for repetition, means in enumerate(trained.prior_means):
        mean = jnp.asarray(means[guess], jnp.float32)  # the direction of w* belongs to the training seed
        key = jax.random.key(seed + repetition)
        *inputs, _ = draw_prompts(key, prompts, d=study.d, n_context=study.n_context, prior_mean=mean)
        predictors = [partial(predict_fast, trained.layer(repetition, model)) for model in (guess, many)]
        predictors.append(_steps_from(jnp.zeros(study.d), rate))
        rows.append([agreement(each, _steps_from(mean, rate), *inputs) for each in predictors])
    return BesideGD(*np.array(rows).swapaxes(0, 1))


def _steps_from(start: Float[Array, " d"], rate: float) -> Predictor:
    return lambda x, y, query: gd_predict(x, y, query, start, [rate])
