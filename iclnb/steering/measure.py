"""Measures chapter 04: from the settings of a run to its findings."""

from types import SimpleNamespace

import numpy as np
from jaxtyping import Float

from iclnb.llm.loading.readers import load_reader
from iclnb.steering import conditions, findings, material, perturb
from iclnb.steering.findings import Steering
from iclnb.steering.study import Condition, Study


def measure(run: SimpleNamespace) -> Steering:
    """The findings of chapter 04. Raises IclnbError, before a model is loaded, for a task that cannot do."""
    study, origins = prepared(run)
    asked = conditions.chapter(
        study, run.k, most=run.most, lexicon=perturb.lexicon(), demonstration_seed=run.demonstration_seed,
        noise_seed=run.model_seed,
    )  # fmt: skip
    ordered = conditions.own_orders(study, run.k, run.orders, seed=run.demonstration_seed)
    every = [asked.get(name) for name in findings.CONDITIONS]
    return Steering(
        answers=answers(study, every),
        labels=np.stack([(each or every[0]).shown.labels for each in every]),
        distance=np.stack([study.distances(each or every[0]) for each in every]),
        truth=study.truth,
        zero_shot=study.zero_shot(),
        ordered=study.answers(Condition(ordered)).swapaxes(0, 1),
        ordered_labels=ordered.labels.swapaxes(0, 1),
        bandwidth=study.bandwidth.value,
        log_loss=study.bandwidth.log_loss,
        origins=origins,
    )


def prepared(run: SimpleNamespace) -> tuple[Study, dict]:
    """The study that a run's settings ask for, and where its model and rows came from."""
    rows = material.draw_rows(run)
    where = {"revision": run.revision, "device_map": run.device_map, "dtype": run.dtype}
    reader = load_reader(run.model, batch_size=run.batch_size, **where)
    study = material.prepare(reader, rows, run.k, seed=run.demonstration_seed)
    return study, {"model": reader.origin, "data": rows.task_rows.origins}


def answers(study: Study, asked: list[Condition | None]) -> Float[np.ndarray, "conditions points words"]:
    """The model's answers under each condition; not numbers for one that the task does not have."""
    nothing = np.full((study.points, len(study.task.classes)), np.nan)
    return np.stack([nothing if each is None else study.answers(each) for each in asked])
