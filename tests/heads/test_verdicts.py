"""The claims of notebook 03 on models whose truth is known: one planted kernel head, and random weights."""

import numpy as np
import planted
import pytest
import torch
from transformers import GPT2LMHeadModel

from iclnb.claims import Results
from iclnb.heads import agreement, effects, interventions, kernel, probes, table, verdicts
from iclnb.llm.attention import prepare
from iclnb.llm.models import LoadedModel
from iclnb.llm.reading import label_tokens, next_token_probabilities

pytestmark = pytest.mark.tiny

HEAD = (3, 1)
"""In the middle layers, as the paper has them: depth 0.75 of 4 layers."""
OWN = 600
"""Prompts with demonstrations of their own: enough to tell no effect from one that counts."""
SETTINGS = {"permutations": 40, "seed": 0}


@pytest.fixture(scope="module")
def model():
    return planted.plant(head=HEAD, words=160)


def random_weights(model, seed):
    """The same configuration with weights as the library draws them."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        drawn = GPT2LMHeadModel(model.loaded.model.config).eval()
    return LoadedModel(drawn, model.loaded.tokenizer, {})


def evidence(model, loaded, control):
    """Everything that the notebook does, on the planted model's tasks; the claims, and the agreements."""
    results = Results("verdicts", {})
    tokens = label_tokens(loaded.tokenizer, planted.FORMAT, planted.LABEL_WORDS)
    sets, truth = model.shared(6, 60, k=12, seed=1)
    made, own_truth = model.prompts(OWN, k=12, seed=2)
    shared = kernel.weigh_sets(loaded, sets, truth, tokens)
    chosen, chosen_own = (agreement.split(n, 0.5, seed=0) for n in (60, OWN))
    pairs = {}
    for name, one in (("found", loaded), ("random", control)):
        shared = kernel.weigh_sets(one, sets, truth, tokens)
        own = kernel.weigh(one, made, own_truth, tokens)
        for arm, part, keep in (("shared", shared, chosen), ("fresh", own, chosen_own)):
            pairs[name, arm] = (
                part,
                [agreement.agree(part, keep, corrected=off, **SETTINGS) for off in (False, True)],
            )
    (shared, (raw, _)), (own, fresh) = pairs["found", "shared"], pairs["found", "fresh"]
    both = zip(pairs["found", "shared"][1], pairs["random", "shared"][1], strict=True)
    verdicts.agreement.shared(results, *both, seed=0)
    verdicts.agreement.fresh(results, (fresh[1], pairs["random", "fresh"][1][1]), seed=0)
    verdicts.agreement.performance(results, *fresh, seed=0)
    verdicts.agreement.depth(results, "shared", raw, seed=0, section="5.2")
    verdicts.agreement.depth(results, "fresh", fresh[1], seed=0, section="5.2, stricter")
    follow(results, model, loaded, sets, shared, chosen)
    features(results, model, loaded, control)
    cause(results, loaded, sets, np.array(truth), tokens, fresh[1], chosen)
    rng = np.random.default_rng(0)
    rows = [table.row("toy", part, keep, {"MiniLM": rng.random(part.labels.shape)}, **SETTINGS)
            for part, keep in ((shared, chosen), (own, chosen_own))]  # fmt: skip
    for row in rows:
        verdicts.table.tasks(results, [row], pairs["random", row.arm][1][1], seed=0)
    return {claim.id: claim for claim in results.claims}, raw, fresh, rows


def follow(results, model, loaded, sets, shared, chosen):
    words = [[p.text.split()[::4] for p in prompts] for prompts in sets]  # w3 -> A ; w8 -> B ; w5 ->
    flat = sorted({word for prompts in words for row in prompts for word in row})
    said = dict(zip(flat, next_token_probabilities(loaded, flat), strict=True))
    prediction = np.array([[[said[row[-1]] @ said[w] for w in row[:-1]] for row in rows] for rows in words])
    noise = np.random.default_rng(0).random(prediction.shape)
    parts = {"selection": chosen, "evaluation": ~chosen}
    weights = {part: shared.weights["maximum"][:, rows] for part, rows in parts.items()}
    alike = {p: {"prediction": prediction[:, rows], "noise": noise[:, rows]} for p, rows in parts.items()}
    verdicts.similarity.similarity(results, weights, alike, **SETTINGS)
    verdicts.similarity.same_map(results, shared, alike, chosen, seed=0)


def features(results, model, loaded, control):
    made, _ = model.prompts(40, k=12, seed=3)
    cut = [probes.gather((prepare(m.model, p.input_ids), p) for p in made) for m in (loaded, control)]
    words = [word for p in made for word in p.text.split()[:-2:4]]
    clusters = model.clusters[[int(word[1:]) for word in words]]  # what a text of this language predicts
    for part, target in (("keys", clusters), ("values", cut[0].labels)):
        found = [probes.probe(getattr(one, part), one, target, shuffles=3, seed=0) for one in cut]
        verdicts.probes.features(results, part, "its target", *found, seed=0)


def cause(results, loaded, sets, truth, tokens, found, chosen):
    judged = np.flatnonzero(~chosen)
    prompts = [[one[i] for i in judged] for one in sets]
    truth = np.tile(truth[judged], (len(sets), 1))

    def separated(**settings):
        return effects.separation(effects.answered(loaded, prompts, tokens, **settings), truth)

    means = interventions.mean_outputs(
        loaded.model, [one[i] for one in sets for i in np.flatnonzero(chosen)], pad_token_id=0
    )
    rng, layers, heads = np.random.default_rng(0), *found.selection.shape
    drawn = [interventions.random_heads_like([found.head], heads, rng) for _ in range(3)]
    elsewhere = [(layers - 2 if found.head[0] == layers - 1 else layers - 1, 0)]
    verdicts.causes.ablation(
        results, separated(), separated(edit=interventions.ablate([found.head], means)),
        [separated(edit=interventions.ablate(d, means)) for d in drawn],
        separated(edit=interventions.ablate(elsewhere, means)), seed=0,
    )  # fmt: skip
    swaps = [separated(alter=effects.swapping(0, [layer])) for layer in (HEAD[0], HEAD[0] - 1)]
    verdicts.causes.following(results, separated(), *swaps, seed=0)


@pytest.fixture(scope="module")
def known(model):
    return evidence(model, model.loaded, random_weights(model, 1))


def test_the_planted_head_is_found_at_its_place(known):
    _, raw, fresh, rows = known
    assert raw.head == HEAD and all(found.head == HEAD for found in fresh)
    assert all(row.agreement.head == row.corrected.head == HEAD for row in rows)


def test_with_a_planted_head_every_claim_about_kernels_is_supported(known):
    found = {id: claim.verdict for id, claim in known[0].items()}
    # values at a label hold its token in any model; the planted keys are those of the cue before it, too
    exempt = {"values-learned", "keys-position", "map-raw"}
    assert {id: verdict for id, verdict in found.items() if verdict != "supported"}.keys() <= exempt, found


def test_with_random_weights_no_claim_is_supported_but_that_values_hold_their_own_token(model):
    claims, *_ = evidence(model, random_weights(model, 5), random_weights(model, 1))
    raw_probes = {"values-raw", "values-position", "keys-raw", "keys-position"}
    found = {id: claim.verdict for id, claim in claims.items() if id not in raw_probes}
    assert "supported" not in found.values(), found
    decided = {id for id, verdict in found.items() if verdict == "not supported"}
    # an interval around no effect may reach past the margin; where the test is large enough it does not
    assert decided >= {
        "shared-raw", "shared-permuted", "shared-controls", "fresh-controls", "depth-fresh", "values-learned",
        "ablation-random", "ablation-elsewhere", "values-followed", "values-middle", "table-raw-shared",
        "table-raw-fresh", "table-controls-shared", "table-controls-fresh",
    }, found  # fmt: skip


def test_ablating_the_planted_head_alone_destroys_in_context_learning(model):
    tokens = label_tokens(model.loaded.tokenizer, planted.FORMAT, planted.LABEL_WORDS)
    sets, truth = model.shared(3, 40, k=12, seed=7)
    truth = np.tile(truth, (3, 1))
    means = interventions.mean_outputs(model.loaded.model, sets[0], pad_token_id=0)
    for head in [(layer, h) for layer in range(1, 4) for h in range(4)]:
        edit = interventions.ablate([head], means)
        said = effects.answered(model.loaded, sets, tokens, edit=edit)
        right = (said.argmax(-1) == truth).mean()
        assert (right < 0.65) if head == HEAD else (right > 0.95), head


def test_separation_ignores_what_is_said_to_every_query():
    rng = np.random.default_rng(0)
    said, truth = rng.normal(size=(3, 50, 2)), rng.integers(2, size=(3, 50))
    got = effects.separation(said, truth)
    odds = said[..., 1] - said[..., 0]
    want = (2 * truth - 1) * (odds - odds.mean(1, keepdims=True))
    np.testing.assert_allclose(got, want)
    biased = said + np.array([5.0, -2.0])
    np.testing.assert_allclose(effects.separation(biased, truth), got)
    three = rng.normal(size=(2, 40, 3))
    constant = np.broadcast_to(three[:, :1], three.shape)
    np.testing.assert_allclose(effects.separation(constant, rng.integers(3, size=(2, 40))), 0, atol=1e-12)
