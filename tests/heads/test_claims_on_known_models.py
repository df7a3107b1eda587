"""The claims of chapter 03 on models whose truth is known: one planted kernel head, and random weights."""

import numpy as np
import planted
import pytest
import torch
from transformers import GPT2LMHeadModel

from iclnb.claims import above
from iclnb.heads import (
    causes,
    correlation,
    estimates,
    estimates_causes,
    estimates_features,
    interventions,
    probes,
    table_2,
)
from iclnb.heads.direct import DIRECT
from iclnb.heads.material import Weights, split
from iclnb.heads.reconstruction import both_arms
from iclnb.llm.models import LoadedModel
from iclnb.llm.prompts import Wording
from iclnb.llm.reader import Reader

pytestmark = pytest.mark.tiny

HEAD = (3, 1)
"""In the middle layers, as the paper has them: depth 0.75 of 4 layers."""
FRESH = 500
"""Prompts with fresh demonstrations: enough to tell no effect from one that counts."""
SETTINGS = {"permutations": 20, "seed": 0}
WORDING = Wording(planted.FORMAT, planted.LABEL_WORDS)


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
    """All that decides the chapter's claims, on the planted model's tasks: id -> evidence; and the arms."""
    readers = Reader(loaded), Reader(control)
    sets, truth = model.shared(6, 60, k=12, seed=1)
    fresh, fresh_truth = model.prompts(FRESH, k=12, seed=2)
    weights = [
        Weights(
            reader.kernel_weights(sets, WORDING, np.array(truth)),
            reader.kernel_weights(fresh, WORDING, np.array(fresh_truth)),
        )
        for reader in readers
    ]
    found, random = (both_arms(each, share=0.5, **SETTINGS) for each in weights)
    rng, cosines = np.random.default_rng(0), {}
    rows = []
    for part in weights[0]:
        cosines = {"MiniLM": rng.random(part.labels.shape)}
        keep = split(part.truth.shape[-1], 0.5, seed=0)
        rows.append(table_2.row("toy", part, keep, cosines, **SETTINGS))
    selecting = split(60, 0.5, seed=0)
    intervened = causes.measure(
        readers[0], WORDING, np.array(sets, dtype=object), np.array(truth), found.fresh_prior_off.selection,
        selecting, top=1, points=30, seed=0,
    )  # fmt: skip
    decided = agreement(found, random) | tables(rows, random) | follow(readers[0], sets, weights[0].shared)
    decided |= features(model, *readers) | {
        "ablation-random": estimates_causes.ablation_beyond_random(intervened, seed=0),
        "ablation-elsewhere": estimates_causes.ablation_beyond_elsewhere(intervened, seed=0),
        "ablation-direct": estimates_causes.part_of_ablation(intervened, DIRECT, seed=0),
        "values-followed": estimates_causes.follows_values(intervened, seed=0),
        "values-middle": estimates_causes.values_in_the_middle(intervened, seed=0),
    }
    return decided, found, rows


def agreement(found, random):
    off, random_off = found.fresh_prior_off, random.fresh_prior_off
    against = off.against_last
    return {
        "shared-raw": estimates.beyond_modal(found.shared, random.shared, seed=0),
        "shared-permuted": estimates.beyond_permuted_sets(found.shared, seed=0),
        "shared-controls": estimates.beyond_controls(found.shared_prior_off, random.shared_prior_off, seed=0),
        "fresh-controls": estimates.beyond_controls(off, random_off, seed=0),
        "fresh-against-last": estimates.beyond_controls(off, random_off, against, seed=0),
        "performance-raw": estimates.performance(found.fresh, seed=0),
        "performance-corrected": estimates.performance_beyond_majority(off, seed=0),
        "depth-shared": estimates.middle_more_than_others(found.shared, seed=0),
        "depth-fresh": estimates.middle_more_than_others(off, seed=0),
    }


def tables(rows, random):
    decided = {}
    for row, blind in zip(rows, (random.shared_prior_off, random.fresh_prior_off), strict=True):
        decided |= {
            f"table-raw-{row.arm}": estimates.worst_beyond_modal([row]),
            f"table-controls-{row.arm}": estimates.worst_beyond_controls([row], blind, seed=0),
            f"table-encoders-{row.arm}": estimates.worst_beyond_encoders([row], seed=0),
        }
    return decided


def follow(reader, sets, shared):
    words = [[p.text.split()[::4] for p in prompts] for prompts in sets]  # w3 -> A ; w8 -> B ; w5 ->
    flat = sorted({word for prompts in words for row in prompts for word in row})
    after = dict(zip(flat, reader.next_token_probabilities(flat), strict=True))
    prediction = np.array([[[after[row[-1]] @ after[w] for w in row[:-1]] for row in rows] for rows in words])
    noise = np.random.default_rng(0).random(prediction.shape)
    selecting = split(60, 0.5, seed=0)
    decided = {}
    for name, correlate in (("raw", correlation.pooled), ("query-dependent", correlation.query_dependent)):
        given = shared, prediction, selecting, correlate
        decided[f"similarity-{name}"] = estimates_features.follows_similarity(*given, **SETTINGS)
        decided[f"map-{name}"] = estimates_features.same_heads(*given, seed=0)
    rivals = {"prediction": prediction, "noise": noise}
    return decided | {
        "similarity-rivals": estimates_features.follows_more_than_rivals(shared, rivals, selecting, seed=0)
    }


def features(model, *readers):
    made, _ = model.prompts(40, k=12, seed=3)
    words = [word for p in made for word in p.text.split()[:-2:4]]
    clusters = model.clusters[[int(word[1:]) for word in words]]  # what a text of this language predicts
    found = [probes.keys_and_values(reader, made, clusters, seed=0) for reader in readers]
    decided = {}
    for part in ("keys", "values"):
        both = [getattr(each, part) for each in found]
        decided |= {
            f"{part}-raw": estimates_features.beyond_majority(both[0], seed=0),
            f"{part}-learned": estimates_features.beyond_random(*both, seed=0),
            f"{part}-position": estimates_features.beyond_other_positions(*both, seed=0),
        }
    return decided


def verdicts(decided):
    """By the margins of the notebooks."""
    margins = {"map": estimates.MAP, "ablation": estimates.NATS}
    margins |= {"values-followed": estimates.NATS, "values-middle": estimates.NATS}
    return {
        id: above(margins.get(id, margins.get(id.split("-")[0], estimates.MARGIN))).verdict(
            (each.estimate.low, each.estimate.high)
        )
        for id, each in decided.items()
    }


@pytest.fixture(scope="module")
def known(model):
    return evidence(model, model.loaded, random_weights(model, 1))


def test_the_planted_head_is_found_at_its_place(known):
    _, found, rows = known
    assert all(arm.head == HEAD for arm in found)
    assert all(row.agreement.head == row.corrected.head == HEAD for row in rows)


def test_with_a_planted_head_every_claim_about_kernels_is_supported(known):
    found = verdicts(known[0])
    assert len(found) == 31
    # values at a label hold its token in any model; the planted keys are those of the cue before it, too
    exempt = {"values-learned", "keys-position", "map-raw"}
    assert {id: verdict for id, verdict in found.items() if verdict != "supported"}.keys() <= exempt, found


def test_with_random_weights_no_claim_is_supported_but_that_values_hold_their_own_token(model):
    decided, *_ = evidence(model, random_weights(model, 5), random_weights(model, 1))
    raw_probes = {"values-raw", "values-position", "keys-raw", "keys-position"}
    found = {id: verdict for id, verdict in verdicts(decided).items() if id not in raw_probes}
    assert "supported" not in found.values(), found
    decided = {id for id, verdict in found.items() if verdict == "not supported"}
    # an interval around no effect may reach past the margin; where the test is large enough it does not
    assert decided >= {
        "shared-raw", "shared-permuted", "shared-controls", "values-learned", "depth-fresh",
        "ablation-random", "ablation-elsewhere", "ablation-direct", "values-followed", "values-middle",
        "table-raw-shared", "table-raw-fresh", "table-controls-shared",
    }, found  # fmt: skip


def test_ablating_the_planted_head_alone_destroys_in_context_learning(model):
    reader = Reader(model.loaded)
    sets, truth = model.shared(3, 40, k=12, seed=7)
    means = reader.mean_head_outputs(sets[0])
    for head in [(layer, h) for layer in range(1, 4) for h in range(4)]:
        answers = reader.answers(sets, WORDING, edit=interventions.ablate([head], means))
        right = (answers.argmax(-1) == truth).mean()
        assert (right < 0.65) if head == HEAD else (right > 0.95), head


def test_separation_ignores_what_is_said_to_every_query():
    rng = np.random.default_rng(0)
    said, truth = rng.normal(size=(3, 50, 2)), rng.integers(2, size=(3, 50))
    got = causes.separation(said, truth)
    odds = said[..., 1] - said[..., 0]
    want = (2 * truth - 1) * (odds - odds.mean(1, keepdims=True))
    np.testing.assert_allclose(got, want)
    biased = said + np.array([5.0, -2.0])
    np.testing.assert_allclose(causes.separation(biased, truth), got)
    three = rng.normal(size=(2, 40, 3))
    constant = np.broadcast_to(three[:, :1], three.shape)
    np.testing.assert_allclose(causes.separation(constant, rng.integers(3, size=(2, 40))), 0, atol=1e-12)
