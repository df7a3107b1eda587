"""The trained transformer of appendix 01c: its forward pass in loops, what it can learn, how it is read."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iclnb import claims
from iclnb.bayes import (
    estimates_transformer,
    families,
    following,
    kernel_regression,
    material,
    pictures_transformer,
    sequences,
    transformer,
)
from iclnb.bayes.following import REFERENCES, SIMILARITIES, Read
from iclnb.bayes.kernels import KERNELS, Kernels
from iclnb.stats import exact

SHAPE = transformer.Shape(layers=2, heads=2, width=8, demonstrations=4)
DESIGN = material.Design(2, 4, 3, 2, families.softmax(2.0), noise=0.2)


def normal(row):
    mean = sum(row) / len(row)
    variance = sum((value - mean) ** 2 for value in row) / len(row)
    return np.array([(value - mean) / math.sqrt(variance + 1e-6) for value in row])


def gelu(value):
    return 0.5 * value * (1 + math.tanh(math.sqrt(2 / math.pi) * (value + 0.044715 * value**3)))


def by_hand(weights, heads, shown, query):
    """One prompt of n demonstrations and one query, token by token: the answer, and where the query looks."""
    weights = transformer.Weights(*(np.asarray(part, dtype=float) for part in weights))
    blank = len(weights.labels) - 1
    stream = [
        sum(weights.tokens[place, token] for place, token in enumerate(x)) + weights.labels[y]
        for x, y in [*shown, (query, blank)]
    ]
    size, looks = len(stream[0]) // heads, []
    for layer in range(len(weights.merge)):
        rows = [normal(row) for row in stream]
        q, k, v = ([row @ matrix for row in rows] for matrix in weights.attend[layer])
        moved, looked = [], []
        for i, row in enumerate(stream):
            mixed = np.zeros_like(row)
            for head in range(heads):
                at = slice(head * size, (head + 1) * size)
                scores = [math.exp(q[i][at] @ k[j][at] / math.sqrt(size)) for j in range(i + 1)]
                shares = [score / sum(scores) for score in scores]
                mixed[at] = sum(share * v[j][at] for j, share in enumerate(shares))
                looked.append(shares[:-1])
            row = row + mixed @ weights.merge[layer]
            wide = normal(row) @ weights.widen[layer] + weights.bias[layer]
            moved.append(row + np.array([gelu(value) for value in wide]) @ weights.narrow[layer])
        stream = moved
        looks.append(looked[-heads:])
    scores = np.exp(normal(stream[-1]) @ weights.read)
    return scores / scores.sum(), np.array(looks)


def test_one_pass_is_every_prompt_by_itself():
    """Queries within a pass see what a prompt of that length would, and attention is what was used."""
    rng = np.random.default_rng(0)
    weights = transformer.random_weights(3, SHAPE, length=2, observations=3)
    weights = weights._replace(bias=np.float32(rng.normal(size=weights.bias.shape)))
    x, y = rng.integers(3, size=(5, 2)), rng.integers(3, size=4)
    logs, looks = transformer.forward(weights, 2, jnp.asarray(x), jnp.asarray(y))
    assert looks.shape == (2, 2, 5, 4)
    for n in range(5):
        answer, looked = by_hand(weights, 2, list(zip(x[:n], y[:n], strict=True)), x[n])
        np.testing.assert_allclose(np.exp(logs[n]), answer, rtol=2e-4)
        np.testing.assert_allclose(looks[:, :, n, :n], looked, rtol=2e-4)
        assert not np.asarray(looks[:, :, n, n:]).any()


def test_training_prompts_come_from_the_mixture():
    """Two pairs of a prompt have the frequencies of Σ_θ P(θ) P(x, y | θ) P(x', y' | θ): one task for both."""
    joint = sequences.joint(DESIGN.mixture(0), sequences.every(3, 2))
    table, keys = jnp.asarray(transformer.cumulative(joint)), jax.random.split(jax.random.key(0), 200_000)
    drawn = np.asarray(jax.vmap(lambda key: transformer.draw_pairs(table, key, 2))(keys))
    counts = np.zeros((27, 27))
    np.add.at(counts, tuple(drawn.T), 1 / len(drawn))
    by_task = joint.swapaxes(0, 1).reshape(2, -1)
    together = np.einsum("ta,tb->ab", by_task, by_task) / 2
    np.testing.assert_allclose(counts, together, atol=1.5e-3)
    mixed = by_task.mean(0)
    assert np.abs(np.outer(mixed, mixed) - together).max() > 5e-3  # a task for each pair would be seen


def trained(steps, hmms=1):
    x = sequences.every(3, 2)
    joints = [sequences.joint(DESIGN.mixture((5, i)), x) for i in range(hmms)]
    seeds = {"data_seed": 0, "init_seed": 1}
    return transformer.train(joints, x, SHAPE, steps=steps, batch=32, rate=1e-2, **seeds)


def test_training_lowers_the_loss_to_near_that_of_bayes():
    _, curve = trained(200)
    kernels = Kernels(DESIGN.mixture((5, 0)), sequences.every(3, 2))
    drawn = material.draw_prompts(kernels.mixture, 4000, 4, 2, 1.0, 0)
    least = following._entropy(kernels, following.whole(drawn, kernels.x), 4)
    assert curve[0, 0] > least + 0.05 and abs(curve[-1, 0] - least) < 0.04


def test_mixtures_train_apart():
    """Each has weights of its own, which start where the seed says."""
    weights, curve = trained(3, hmms=2)
    assert curve.shape == (3, 2) and weights.read.shape == (2, 8, 3)
    start = transformer.random_weights((1, 1), SHAPE, 2, 3)
    assert 0 < np.abs(weights.read[1] - start.read).max() < 0.05


@pytest.fixture(scope="module")
def found():
    sizes = {"hmms": 2, "prompts": 30, "steps": 3, "batch": 8}
    seeds = {"hmm_seed": 0, "prompt_seed": 1, "train_seed": 2, "init_seed": 3}
    return following.follow(DESIGN, SHAPE, **sizes, **seeds)


def test_references_are_inference_on_single_prompts(found):
    kernels = Kernels(DESIGN.mixture((0, 1)), sequences.every(3, 2))
    drawn = following.whole(material.draw_prompts(kernels.mixture, 30, 4, 2, 1.0, (1, 1)), kernels.x)
    held = following.references(kernels, drawn, found.ns)
    assert found.ns == (1, 2, 4)
    for p, (i, n) in [(0, (0, 1)), (7, (1, 2)), (29, (2, 4))]:
        shown = [(kernels.x[a], int(b)) for a, b in zip(drawn.x[p, :n], drawn.y[p, :n], strict=True)]
        query = drawn.query[p] if n == 4 else drawn.x[p, n]
        np.testing.assert_allclose(held[0, i, p], kernels.mixture.predict(shown, kernels.x[query]))
        np.testing.assert_allclose(held[1, i, p], kernels.mixture.predict([], kernels.x[query]))
        own = kernel_regression(kernels.gram("belief")[query, drawn.x[p, :n]], drawn.y[p, :n], 3)
        np.testing.assert_allclose(held[REFERENCES.index("belief"), i, p], own)
    apart = np.abs(held[1] - held[0]).sum(-1).mean(-1)
    np.testing.assert_allclose(found.bayes[1, 1], apart)


def test_what_is_read_of_a_transformer_prompt_by_prompt(found):
    kernels = Kernels(DESIGN.mixture((0, 1)), sequences.every(3, 2))
    drawn = following.whole(material.draw_prompts(kernels.mixture, 30, 4, 2, 1.0, (1, 1)), kernels.x)
    weights = transformer.random_weights((3, 1, 1), SHAPE, 2, 3)
    distance, ratio, plain, together = 0.0, 0.0, 0.0, []
    for p in range(15, 30):  # the second half
        shown = [(kernels.x[a], int(b)) for a, b in zip(drawn.x[p], drawn.y[p], strict=True)]
        answer, looked = by_hand(weights, 2, shown, kernels.x[drawn.query[p]])
        head = looked[1, 0]  # the third of all heads
        labels = np.eye(3)[drawn.y[p]]
        ratio += np.abs(head @ labels / head.sum() - answer).sum()
        plain += np.abs(labels.mean(0) - answer).sum()
        similar = kernels.gram("prediction")[drawn.query[p], drawn.x[p]]
        if np.ptp(similar) > 0:
            together.append(np.corrcoef(head, similar)[0, 1])
        distance += np.abs(answer - kernels.mixture.predict(shown, kernels.x[drawn.query[p]])).sum()
    one = found.random[1]
    assert one.regression[1, 2] == pytest.approx(ratio / plain, rel=1e-3)
    place = SIMILARITIES.index("prediction")
    assert one.correlation[1, 2, place] == pytest.approx(np.nanmean(together), abs=1e-3)
    answers, _ = following.predictions(weights, 2, drawn)
    for p in range(15):
        shown = [(kernels.x[a], int(b)) for a, b in zip(drawn.x[p], drawn.y[p], strict=True)]
        distance += np.abs(answers[p, -1] - kernels.mixture.predict(shown, kernels.x[drawn.query[p]])).sum()
    assert one.distance[0, -1] == pytest.approx(distance / 30, rel=1e-3)


def reads(*distances, correlation=0.0, regression=1.0):
    """Transformers at a distance of 0.2 from Bayes and of others by hand; head 1 best in both halves."""
    made = []
    for bayes, ignoring, kernel in distances:
        distance = np.full((len(REFERENCES), 2), kernel)
        distance[0], distance[1] = bayes, ignoring
        distance[2:, 0] = 9.0
        together = np.full((2, 2, len(SIMILARITIES)), -0.5)
        together[0, 1, 3], together[1, 1, 3], together[1, 0, 0] = correlation + 0.2, correlation, 0.99
        made.append(Read(distance, together, np.array([[2.0, 0.5], [0.1, regression]])))
    return made


def test_estimates_by_hand_choose_on_one_half_and_judge_on_the_other():
    bayes = np.zeros((2, len(REFERENCES), 2))
    bayes[:, 1, -1] = (0.4, 0.8)
    trained = reads((0.1, 0.5, 0.5), (0.2, 0.5, 0.5), correlation=0.6, regression=0.7)
    random = reads((0.8, 0.5, 1.0), (0.8, 0.5, 1.0), correlation=0.25, regression=1.5)
    again = reads((0.8, 0.5, 1.0), (0.8, 0.5, 1.0), correlation=0.3)
    made = following.Following((1, 2), trained, random, again, bayes, np.ones((20, 2)), np.ones(2))
    for judge, value, control in (
        (estimates_transformer.nearer_to_bayes, 0.3, 0.8),
        (estimates_transformer.follows_bayes, 0.25, 1.5),
        (estimates_transformer.heads_match, 0.35, 0.05),
        (estimates_transformer.heads_regress, 0.7, 1.5),
    ):
        evidence = judge(made, seed=0)
        assert (float(evidence.estimate.value), evidence.control) == pytest.approx((value, control)), judge
    by_kernel = estimates_transformer.by_kernel(made, seed=0)
    assert float(by_kernel[SIMILARITIES[3]][0].value) == pytest.approx(0.6)


@pytest.mark.parametrize("verdict", ["supported", "not supported", "inconclusive"])
def test_the_answer_follows_the_verdicts(verdict):
    value = {"supported": 2.0, "not supported": 0.0, "inconclusive": np.nan}[verdict]
    results = claims.Results("01c", {})
    for name in ("nearer-bayes", "follows-bayes", "heads-kernel", "heads-regress"):
        evidence = claims.Evidence(exact(value), 0.0, "none")
        results.claim(f"transformer-{name}", "s", claims.above(1), evidence)
    text = estimates_transformer.answer(results.claims)
    assert text.count("does not decide") == (4 if verdict == "inconclusive" else 0)
    assert ("is not nearer to Bayes" in text) == (verdict != "supported")
    assert ("comes no nearer" in text) == (verdict != "supported")


def test_the_picture_and_the_table_say_what_was_found(found):
    alt = pictures_transformer.following(found, seed=0).alt
    nearest = np.mean([one.distance[2:, -1].min() for one in found.trained])
    assert f"to the nearest kernel regression {nearest:.2f}" in alt
    assert len(KERNELS) == len(found.trained[0].distance) - 2
    own = np.mean([one.distance[0, -1] for one in found.trained])
    assert f"| 4 | {own:.3g} |" in estimates_transformer.along(found).data
    assert f"Bayes has {found.entropy.mean():.3f}" in estimates_transformer.loss(found)
