"""The findings of appendix 01b: the experiment of appendix C under every reading, HMM by HMM."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from iclnb.bayes import table_3
from iclnb.bayes.findings import stacked
from iclnb.bayes.material import draw_prompts, readings
from iclnb.bayes.table_3 import DEMONSTRATIONS, KERNELS
from iclnb.findings import Findings, variable
from iclnb.store import Store

READINGS = tuple(readings())


@dataclass(frozen=True, kw_only=True)
class Table3(Findings):
    """Kernel regression against the posterior; not a number for readings that were left out."""

    coordinates: ClassVar = {"reading": READINGS, "kernel": KERNELS, "n": DEMONSTRATIONS}

    distance: Float[np.ndarray, "reading hmm kernel n"] = variable(
        "mean L1 distance to the posterior, one prompt counting at most 2", unit="1", bits=12
    )
    squared: Float[np.ndarray, "reading hmm kernel n"] = variable(
        "mean squared L2 distance, one prompt counting at most 2", unit="1", bits=12
    )
    accuracy: Float[np.ndarray, "reading hmm kernel n"] = variable(
        "share of prompts with the posterior's largest entry", unit="1", bits=12
    )
    negative: Float[np.ndarray, "reading hmm kernel n"] = variable(
        "share of prompts with a negative normaliser", unit="1", bits=12
    )
    limit: Float[np.ndarray, "reading hmm kernel"] = variable(
        "distance as n grows, by the law of large numbers", unit="1"
    )
    without: Float[np.ndarray, "reading hmm n"] = variable(
        "L1 distance of the posterior without demonstrations to the one with n", unit="1"
    )
    missing_mass: Float[np.ndarray, "reading hmm"] = variable(
        "probability of sequences that second moments lack", unit="1"
    )
    sharpness: Float[np.ndarray, " reading"] = variable("scale or concentration of the rows", unit="1")


def measure(run: SimpleNamespace) -> Table3:
    """Every reading, or the first ``readings`` of them, on HMMs of its own."""
    store, found, sharpness = Store.of_code("iclnb.bayes"), [], np.full(len(READINGS), np.nan)
    for place, (name, reading) in enumerate(tqdm(list(readings().items())[: run.readings], disable=None)):
        search = run.search_hmms, run.search_prompts, (run.hmm_seed, place, 1)
        sharpness[place] = store.kept(
            "sharpness", [name, *search],
            lambda reading=reading, search=search: {"value": np.array([table_3.sharpness(reading, *search)])},
            modules=[__name__],
        )["value"][0]  # fmt: skip
        content = [name, float(sharpness[place]), run.prompts, run.hmm_seed, run.prompt_seed]
        for i in range(run.hmms):
            found.append(
                store.kept("table 3", [*content, i], lambda c=content, i=i: one(*c, i), modules=[__name__])
            )
    left_out = {name: np.full(array.shape, np.nan) for name, array in found[0].items()}
    found += [left_out] * (run.hmms * len(READINGS) - len(found))
    arrays = stacked(found, (len(READINGS), run.hmms), numbers=("missing_mass",))
    return Table3(**arrays, sharpness=sharpness)


@threadpool_limits.wrap(limits=1, user_api="blas")
def one(
    name: str, sharpness: float, prompts: int, hmm_seed: int, prompt_seed: int, i: int
) -> dict[str, np.ndarray]:
    """One HMM of a reading."""
    place, design = READINGS.index(name), readings()[name].design(sharpness)
    mixture = design.mixture((hmm_seed, place, 0, i))
    most, seed = max(DEMONSTRATIONS), (prompt_seed, place, i)
    drawn = draw_prompts(mixture, prompts, most, design.length, design.threshold, seed)
    return table_3.compare(mixture, drawn)
