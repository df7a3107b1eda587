"""A model's last-token attention as shares of groups of tokens and an averaged map (paper A, section 5.1)."""

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
from jaxtyping import Float

from iclnb.allocation import material
from iclnb.allocation.findings import GROUPS, Allocation
from iclnb.allocation.tokens import aligned, groups
from iclnb.errors import IclnbError
from iclnb.llm.depth import MIDDLE, layers_within
from iclnb.llm.loading.readers import load_reader
from iclnb.llm.passes import Reading
from iclnb.llm.prompts import Prompt
from iclnb.llm.reader import Reader
from iclnb.store import Arrays


def measure(run: SimpleNamespace) -> Allocation:
    """The findings of chapter 02. Raises IclnbError for too few rows, or a model without middle layers."""
    rows = material.draw_rows(run)
    where = {"revision": run.revision, "device_map": run.device_map, "dtype": run.dtype}
    blank = load_reader(run.model, batch_size=run.batch_size, random_weights_seed=run.model_seed, **where)
    prompts = material.fresh_prompts(blank.tokenizer, rows, run.k, seed=run.demonstration_seed)
    random, _ = shares(blank, prompts, tail=run.tail, seed=run.sampling_seed)
    layers = random.shape[2]
    if not len(layers_within(layers, MIDDLE)):
        raise IclnbError(f"{run.model} has {layers} layers, none at the depth of the paper's middle ones")
    reader = load_reader(run.model, batch_size=run.batch_size, **where)
    trained, averaged = shares(reader, prompts, tail=run.tail, seed=run.sampling_seed)
    return Allocation(
        ratio=np.stack([trained.mean(-1), random.mean(-1)]).swapaxes(1, 2),
        by_head=trained.mean(0),
        map=averaged,
        k=run.k,
        origins={"model": reader.origin, "control": blank.origin, "data": rows.origins},
    )


def shares(
    reader: Reader, prompts: Sequence[Prompt], *, tail: int, seed: int
) -> tuple[Float[np.ndarray, "prompts groups layers heads"], Float[np.ndarray, "layers positions"]]:
    """Capture the last token's attention on every prompt and reduce it, batch by batch.

    ``tail`` tokens count as the query's end; ``seed`` draws the label control's tokens, the same for every model.

    Returns:
        For each of :data:`iclnb.allocation.findings.GROUPS` the attention on the group divided by what uniform
        attention over the prompt would give it, r_G = (sum of a_t over G) / (|G| / T), and the attention on
        the positions of :func:`iclnb.allocation.tokens.aligned`, averaged over prompts and heads. Nothing
        of size prompts x layers x heads x tokens is held.
    """
    rng = np.random.default_rng(seed)
    chosen = [groups(prompt, tail, rng) for prompt in prompts]

    def reduce(readings: list[Reading]) -> Arrays:
        mass = [
            [reading.attention[:, :, tokens].sum(-1) for tokens in chosen[reading.index].values()]
            for reading in readings
        ]
        maps = [aligned(reading.attention, prompts[reading.index]).mean(1) for reading in readings]
        return {"mass": np.array(mass), "map": np.sum(maps, axis=0)}

    mass: dict[int, np.ndarray] = {}
    total = 0.0
    what = ("allocation", [list(one.values()) for one in chosen])
    for places, arrays in reader.measure(prompts, reduce, what):
        mass.update(zip(places, arrays["mass"], strict=True))
        total = total + arrays["map"]
    sizes = np.array([[max(len(one[group]), 1) for group in GROUPS] for one in chosen])
    uniform = sizes / np.array([len(prompt.input_ids) for prompt in prompts])[:, None]
    ratio = np.stack([mass[i] for i in range(len(prompts))]) / uniform[..., None, None]
    return ratio, total / len(prompts)
