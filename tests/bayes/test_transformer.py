"""The trained transformer of appendix 01c: its forward pass, what it can learn, how it is read."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.nn import functional

from iclnb.bayes import HMMMixture, Kernels, families, kernel_regression, material, sequences, transformer
from iclnb.bayes import measure_transformer as following
from iclnb.bayes.learning import BAYES, IGNORING
from iclnb.bayes.measure_transformer import ANSWERERS, EVERY_TASK, REFERENCES, SOURCES, TRUTH

SHAPE = transformer.Shape(layers=2, heads=2, width=8, demonstrations=4)
CORPUS = material.Corpus(material.Design(2, 4, 3, 2, families.softmax(2.0), noise=0.2))
SEEDS = {"hmm_seed": (0, 1), "prompt_seed": (1, 1), "train_seed": (2, 1), "init_seed": (3, 1)}


def by_torch(weights, heads, shown, query):
    """One prompt of n demonstrations and one query by PyTorch: the answer."""
    weights = transformer.Weights(*(torch.tensor(np.asarray(part, dtype=float)) for part in weights))
    pairs = [*shown, (query, len(weights.labels) - 1)]
    stream = torch.stack([weights.tokens[range(len(x)), x].sum(0) + weights.labels[y] for x, y in pairs])

    def normal():
        return functional.layer_norm(stream, stream.shape[1:], eps=1e-6)

    for layer in range(len(weights.merge)):
        parts = (normal() @ weights.attend[layer]).unflatten(-1, (heads, -1)).swapaxes(1, 2)
        mixed = functional.scaled_dot_product_attention(*parts, is_causal=True)
        stream = stream + mixed.swapaxes(0, 1).flatten(1) @ weights.merge[layer]
        hidden = functional.gelu(normal() @ weights.widen[layer] + weights.bias[layer], approximate="tanh")
        stream = stream + hidden @ weights.narrow[layer]
    return torch.softmax(normal()[-1] @ weights.read, 0).numpy()


def test_one_pass_is_every_prompt_by_itself():
    """Queries within a pass are answered as the last query of a prompt of that length would be."""
    rng = np.random.default_rng(0)
    weights = transformer.random_weights(3, SHAPE, length=2, observations=3)
    weights = weights._replace(bias=np.float32(rng.normal(size=weights.bias.shape)))
    x, y = rng.integers(3, size=(5, 2)), rng.integers(3, size=4)
    logs = transformer.forward(weights, 2, jnp.asarray(x), jnp.asarray(y))
    for n in range(5):
        answer = by_torch(weights, 2, list(zip(x[:n], y[:n], strict=True)), x[n])
        np.testing.assert_allclose(np.exp(logs[n]), answer, rtol=2e-4)


def test_training_prompts_come_from_the_mixture():
    """Two pairs of a prompt have the frequencies of Σ_θ P(θ) P(x, y | θ) P(x', y' | θ): one task for both."""
    joint = sequences.joint(CORPUS.design.mixture(0), sequences.every(3, 2))
    table, keys = transformer.cumulative(joint), jax.random.split(jax.random.key(0), 200_000)
    padded = jnp.asarray(np.concatenate([table, np.ones((3, 27))]))
    drawn = np.asarray(jax.vmap(lambda key: transformer.draw_pairs(padded, 2, key, 2))(keys))
    counts = np.zeros((27, 27))
    np.add.at(counts, tuple(drawn.T), 1 / len(drawn))
    by_task = joint.swapaxes(0, 1).reshape(2, -1)
    together = np.einsum("ta,tb->ab", by_task, by_task) / 2
    np.testing.assert_allclose(counts, together, atol=1e-3)
    mixed = by_task.mean(0)
    assert np.abs(np.outer(mixed, mixed) - together).max() > 3e-3  # a task for each pair would be seen


def test_training_lowers_the_loss_to_near_that_of_bayes():
    joint, x = sequences.joint(CORPUS.design.mixture((5, 0)), sequences.every(3, 2)), sequences.every(3, 2)
    seeds = {"data_seed": 0, "init_seed": 1}
    _, loss = transformer.train(joint, x, SHAPE, steps=200, batch=32, rate=1e-2, **seeds)
    start = np.random.default_rng(0).integers(2, size=4000)
    shown = following.draw(CORPUS.design.mixture((5, 0)), np.repeat(np.eye(2), 2, axis=1)[start] / 2, x, 5,
                           np.random.default_rng(1))  # fmt: skip
    least = following._entropy(joint, *shown)
    assert loss[0] > least + 0.05 and abs(loss[-1] - least) < 0.04


@pytest.fixture(scope="module")
def found():
    return following.follow(CORPUS, 2, SHAPE, prompts=30, steps=20, batch=8, **SEEDS)


def test_distances_prompt_by_prompt(found):
    """All references again, on single prompts: by predict on a mixture that holds the tasks."""
    mixture, x = CORPUS.mixture(2, (0, 1)), sequences.every(3, 2)
    kernels, rng = Kernels(mixture, x), np.random.default_rng((1, 1))
    every = CORPUS.starts(following.DRAWN_TASKS, rng)
    wide = HMMMixture(np.full(len(every), 1 / len(every)), every, mixture.transition, mixture.emission)
    blind = transformer.random_weights((3, 1, 1), SHAPE, 2, 3)
    starts = mixture.start[rng.integers(2, size=30)], CORPUS.starts(30, rng)
    for s, start in enumerate(starts):
        place, y = following.draw(mixture, start, x, 5, rng)
        expected = np.zeros((2, len(REFERENCES)))
        for p in range(30):
            shown = [(x[i], int(label)) for i, label in zip(place[p, :4], y[p, :4], strict=True)]
            query = x[place[p, 4]]
            own = HMMMixture([1.0], start[p : p + 1], mixture.transition, mixture.emission)
            answers = {
                BAYES: mixture.predict(shown, query),
                EVERY_TASK: wide.predict(shown, query),
                IGNORING: mixture.predict([], query),
                TRUTH: own.predict([], query),
                **{
                    name: kernel_regression(kernels.gram(name)[place[p, 4], place[p, :4]], y[p, :4], 3)
                    for name in following.KERNELS
                },
            }
            for k, mine in enumerate((by_torch(blind, 2, shown, query), answers[BAYES])):
                apart = [np.abs(answers[name] - mine).sum() for name in REFERENCES]
                expected[k] += np.minimum(apart, 2) / 30
        np.testing.assert_allclose(found["distance"][1:, s, :, -1], expected, atol=1e-4)
    assert found["distance"].shape == (len(ANSWERERS), len(SOURCES), len(REFERENCES), 3)
    assert found["loss"].shape == (20,) and 0 < found["entropy"] < np.log(3)


def test_a_larger_corpus_holds_the_tasks_of_a_smaller_one():
    small, large = (CORPUS.mixture(tasks, (7, 0)) for tasks in (2, 5))
    np.testing.assert_array_equal(small.start, large.start[:2])
    np.testing.assert_array_equal(small.transition, large.transition)
    assert not np.array_equal(CORPUS.mixture(2, (7, 1)).start, small.start)
