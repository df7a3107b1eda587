"""Measures appendix 04a: from the settings of a run to its findings."""

from types import SimpleNamespace

import numpy as np

from iclnb.kernel_regression import gaussian_weights
from iclnb.llm.demonstrations import draw
from iclnb.steering import calibration, conditions, perturb, retrieval
from iclnb.steering.conditions import in_orders, stratified
from iclnb.steering.findings import DETAILS, EMBEDDINGS, LIKE_NEAREST, MEASURES, NEAREST, RANDOM, Details
from iclnb.steering.measure import answers, prepared
from iclnb.steering.study import Condition


def measure(run: SimpleNamespace) -> Details:
    """The findings of appendix 04a. Raises IclnbError, before a model is loaded, for a task that cannot do."""
    study, origins = prepared(run)
    seed = run.demonstration_seed
    shown = draw(study.labels, run.k, study.points, seed=seed)
    alike = retrieval.similarities(study)
    asked = {RANDOM: Condition(shown)}
    for by, similarity in alike.items():
        names = f"{NEAREST}, {by}", f"{LIKE_NEAREST}, {by}"
        asked |= conditions.retrieved(study, similarity, run.k, names, most=run.most, seed=seed)
    asked |= conditions.perturbed_demonstrations(study, shown, lexicon=perturb.lexicon(), seed=run.model_seed)
    weights = {by: np.take_along_axis(each, shown.rows, axis=1) for by, each in alike.items()}
    weights[EMBEDDINGS] = gaussian_weights(study.distances(asked[RANDOM]), study.bandwidth.value)
    sets = in_orders(stratified(study.labels, run.k, run.sets, seed=(seed, 5)), run.orders, seed=(seed, 6))
    domain = calibration.domain_rows(study.task, study.pool.rows, run.domain_texts, seed=run.model_seed)
    ordered, prior = calibration.measure(calibration.first(study, run.shared_points), sets, domain)
    return Details(
        answers=answers(study, [asked[name] for name in DETAILS]),
        labels=shown.labels,
        weights=np.stack([weights[by] for by in MEASURES]),
        truth=study.truth,
        ordered=ordered,
        prior=prior,
        origins=origins,
    )
