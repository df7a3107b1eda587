"""In-context learning without demonstrations: one vector added to zero-shot prompts of other queries.

Hendel et al. (2023) replace the residual stream at the last token by that of a prompt with demonstrations,
Todd et al. (2024) add mean head outputs. Vectors come from one half of the sets and are tried on queries of
the other.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import special
from tqdm import tqdm

from iclnb.llm.attention import prepare
from iclnb.llm.attention.residual_hooks import Intervention, observe
from iclnb.llm.prompts import Prompt, label_tokens
from iclnb.llm.reader import Reader
from iclnb.mechanism.flow import grid
from iclnb.mechanism.material import CONDITIONS, OWN, SHUFFLED, Material
from iclnb.mechanism.passes import Runs, shard

NOTHING, ADDED, REPLACED, HEADS = "nothing", "vector added", "state replaced", "head outputs replaced"
OTHER_LABELS, OTHER_LAYER = "vector of wrong labels", "vector of another layer"
KINDS = (ADDED, REPLACED, HEADS, OTHER_LABELS, OTHER_LAYER)
"""What is done to zero-shot prompts; the last two are controls."""


@dataclass(frozen=True)
class Means:
    """Means over prompts, by layer.

    Attributes:
        shown: residual stream at the last token with demonstrations. (depth, width)
        wrong: with shuffled labels; under arbitrary words with all labels moved on by one. (depth, width)
        zero: without demonstrations. (depth, width)
        outputs: head outputs with demonstrations. (layers, heads, dim)
    """

    shown: Float[np.ndarray, "depth width"]
    wrong: Float[np.ndarray, "depth width"]
    zero: Float[np.ndarray, "depth width"]
    outputs: Float[np.ndarray, "layers heads dim"]


@dataclass(frozen=True)
class Tried:
    """What became of the right word under each step, and with demonstrations.

    Attributes:
        steps: what was done, and at which layer (or in which window of layers).
        log_probability: of the right word, over the whole vocabulary. (sets, points, steps)
        among_words: its log-probability among the label words: which word, given that it is one of them.
        right: whether it is the likeliest label word.
        shown_log_probability, shown_among_words, shown_right: with demonstrations. (sets, points)
    """

    steps: tuple[tuple[str, int], ...]
    log_probability: Float[np.ndarray, "sets points steps"]
    among_words: Float[np.ndarray, "sets points steps"]
    right: Float[np.ndarray, "sets points steps"]
    shown_log_probability: Float[np.ndarray, "sets points"]
    shown_among_words: Float[np.ndarray, "sets points"]
    shown_right: Float[np.ndarray, "sets points"]


def mapped(material: Material, condition: str) -> Int[np.ndarray, " sets"]:
    """For each set which labelling of the condition says word c for label c; -1 for neither."""
    fits = [(material.right[context] == material.truth).all(1) for context in CONDITIONS[condition]]
    return np.where(fits[0], 0, np.where(fits[1], 1, -1))


def attempt(
    reader: Reader, runs: Runs, material: Material, condition: str, *, depths: int, seed: int
) -> Tried:
    """Every step on every zero-shot prompt, with vectors from the other half of the sets.

    Args:
        reader: of the model.
        runs: what was read with demonstrations.
        material: of the same prompts.
        condition: whose words are the answers.
        depths: at how many layers vectors are tried.
        seed: of the choice of other layers.
    """
    first, second = CONDITIONS[condition]
    which = mapped(material, condition)
    tokens = label_tokens(reader.tokenizer, material.wordings[first])
    answers = np.where(which[:, None, None] == 1, runs.of("answers", second), runs.of("answers", first))
    zero = _zero_states(reader, material)
    steps = _steps(runs.layers, depths)
    half, found = np.arange(len(which)) % 2, np.empty((*material.truth.shape, len(steps), len(tokens)))
    for part in (0, 1):
        taught = np.flatnonzero((half != part) & (which >= 0))
        means = _means(runs, condition, which, taught, zero)
        edits = _interventions(steps, means, runs.layers, np.random.default_rng((seed, part)))
        prompts = material.alone[half == part].ravel().tolist()
        what = ("function vectors", steps, tokens, _digest(means), seed)
        rows = [
            shard(reader, what, [prompt], lambda p=prompt, e=edits: _try(reader, p, e, tokens))["answers"]
            for prompt in _bar(prompts)
        ]
        found[half == part] = np.stack(rows).reshape(-1, *found.shape[1:])
    kept = which >= 0
    word = material.truth[kept]
    return Tried(steps, *_measures(found[kept], word[..., None]), *_measures(answers[kept], word))


def _measures(
    answers: Float[np.ndarray, "*prompts words"], word: Int[np.ndarray, "*#prompts"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-probability of the right word, the same among the label words, and whether it is the likeliest."""
    at = np.broadcast_to(word, answers.shape[:-1])
    whole = np.take_along_axis(answers, at[..., None], -1)[..., 0]
    return whole, whole - special.logsumexp(answers, -1), (answers.argmax(-1) == at).astype(float)


def share_back(tried: Tried, kind: str, measure: str = "log_probability") -> tuple[np.ndarray, np.ndarray]:
    """What a step gives back, and what demonstrations give, for each set; its layer is chosen on other sets.

    Args:
        tried: from :func:`attempt`.
        kind: one of :data:`KINDS`.
        measure: ``log_probability`` or ``among_words`` (nats), or ``right`` (accuracy).
    """
    own = [i for i, (name, _) in enumerate(tried.steps) if name == kind]
    values, nothing = getattr(tried, measure), getattr(tried, measure)[..., 0]
    half, back = np.arange(len(values)) % 2, np.empty(len(values))
    for part in (0, 1):
        layer = max(own, key=lambda i: values[half != part][..., i].mean())
        back[half == part] = (values[..., layer] - nothing)[half == part].mean(1)
    return back, (getattr(tried, f"shown_{measure}") - nothing).mean(1)


def _steps(layers: int, depths: int) -> tuple[tuple[str, int], ...]:
    at = grid(layers, depths).tolist()
    return (
        (NOTHING, 0),
        *((kind, layer) for kind in (ADDED, REPLACED, OTHER_LABELS, OTHER_LAYER) for layer in at),
        *((HEADS, third) for third in range(3)),
    )


def _means(
    runs: Runs,
    condition: str,
    which: Int[np.ndarray, " all_sets"],
    sets: Int[np.ndarray, " chosen"],
    zero: Float[np.ndarray, "all_sets points depth width"],
) -> Means:
    """Means over the prompts of some sets."""
    contexts = CONDITIONS[condition]

    def mean(name: str, turned: bool) -> np.ndarray:
        rows = [runs.of(name, contexts[which[s] ^ turned])[s] for s in sets]
        return np.mean(rows, 0)

    own = contexts[0] == OWN
    wrong = runs.of("states", SHUFFLED)[sets].mean(0) if own else mean("states", True)
    return Means(
        mean("states", False).mean(0), wrong.mean(0), zero[sets].mean((0, 1)), mean("outputs", False)
    )


def _interventions(
    steps: Sequence[tuple[str, int]], means: Means, layers: int, rng: np.random.Generator
) -> list[Intervention]:
    """One intervention for each step."""
    tensor = torch.tensor
    vector, wrong = means.shown - means.zero, means.wrong - means.zero
    thirds = np.array_split(np.arange(layers), 3)
    made = []
    for kind, layer in steps:
        other = int(rng.choice(np.delete(np.arange(layers), min(layer, layers - 1)))) if layers > 1 else layer
        made.append(
            {
                NOTHING: lambda: Intervention(),
                ADDED: lambda at=layer: Intervention(added={at: tensor(vector[at])}),
                REPLACED: lambda at=layer: Intervention(replaced={at: tensor(means.shown[at])}),
                OTHER_LABELS: lambda at=layer: Intervention(added={at: tensor(wrong[at])}),
                OTHER_LAYER: lambda at=layer, o=other: Intervention(
                    added={at: tensor(_as_long(vector[o], vector[at]))}
                ),
                HEADS: lambda at=layer: Intervention(
                    heads={int(i): tensor(means.outputs[i]) for i in thirds[at]}
                ),
            }[kind]()
        )
    return made


def _as_long(vector: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The vector at the length of another."""
    return vector * (np.linalg.norm(like) / max(np.linalg.norm(vector), 1e-9)).astype(vector.dtype)


def _try(
    reader: Reader, prompt: Prompt, edits: Sequence[Intervention], tokens: Sequence[int]
) -> Mapping[str, np.ndarray]:
    model = reader.loaded.model
    seen = observe(model, prepare(model, prompt.input_ids[:-1]), prompt.input_ids[-1], edits)
    return {"answers": seen.log_probabilities[:, list(tokens)].cpu().numpy()}


def _zero_states(reader: Reader, material: Material) -> Float[np.ndarray, "sets points depth width"]:
    """The residual stream at the last token of every zero-shot prompt."""
    model, rows = reader.loaded.model, []

    def measure(prompt: Prompt) -> dict[str, np.ndarray]:
        seen = observe(model, prepare(model, prompt.input_ids[:-1]), prompt.input_ids[-1], [Intervention()])
        return {"states": seen.states[0].float().cpu().numpy()}

    for prompt in _bar(material.alone.ravel().tolist()):
        rows.append(shard(reader, ("zero-shot state",), [prompt], lambda p=prompt: measure(p))["states"])
    return np.stack(rows).reshape(*material.alone.shape, *rows[0].shape)


def _bar(prompts: Sequence[Prompt]) -> tqdm:
    return tqdm(prompts, desc="zero-shot", unit="prompt", disable=None)


def _digest(means: Means) -> str:
    digest = hashlib.sha256()
    for part in vars(means).values():
        digest.update(np.ascontiguousarray(part, dtype=np.float32).tobytes())
    return digest.hexdigest()
