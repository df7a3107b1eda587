"""Mean ablation and swapped label values against full prompts with the same change made by hand."""

import itertools

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DynamicCache

from iclnb.errors import IclnbError
from iclnb.heads import interventions
from iclnb.llm import prompts
from iclnb.llm.attention import attend, prepare
from iclnb.llm.data.definitions import Format
from iclnb.llm.models import LoadedModel
from iclnb.llm.prompts import Demonstration, Span
from iclnb.llm.reader import Reader

pytestmark = pytest.mark.tiny

FORMAT = Format(x="Review: {text}", cue="\nSentiment:")
TEXTS = ("fine film", "dull", "a really long text", "good", "naïve 😀")


@pytest.fixture(scope="module")
def made():
    tokenizer = tiny.tokenizers()["llama3"]
    shown = [[0, 1, 2], [3, 0, 1]]
    built = [
        prompts.build(
            tokenizer, FORMAT, ("bad", "good"),
            [Demonstration({"text": TEXTS[i]}, i % 2) for i in rows], {"text": text},
        )
        for rows in shown for text in TEXTS
    ]  # fmt: skip
    model = tiny.model("llama", vocab_size=len(tokenizer))
    return built, Reader(LoadedModel(model, tokenizer, {}))


def last_logits(model, prompt):
    with torch.no_grad():
        return torch.log_softmax(model.eval()(torch.tensor([prompt.input_ids])).logits[0, -1], -1).numpy()


def test_ablated_heads_put_out_their_means(made):
    """Oracle: the last layer's means replaced by weights: no input from the heads, their means as a bias."""
    built, reader = made
    model = reader.loaded.model
    means = np.random.default_rng(0).normal(size=(3, 4, 8))
    found = {
        r.index: r.log_probabilities
        for r in reader.read(built, attention=False, edit=interventions.ablate([(2, 1), (2, 3)], means))
    }
    projection = model.model.layers[2].self_attn.o_proj
    weight = projection.weight.detach().clone()
    try:
        with torch.no_grad():
            columns = torch.cat([weight[:, 8:16], weight[:, 24:32]], dim=1)
            projection.weight[:, 8:16] = projection.weight[:, 24:32] = 0
            projection.bias = torch.nn.Parameter(columns @ torch.tensor(means[2, [1, 3]].ravel()).float())
        expected = [
            last_logits(model, prompt) for prompt in built
        ]  # other tokens change too: nothing reads them
    finally:
        with torch.no_grad():
            projection.weight.copy_(weight)
            projection.bias = None
    np.testing.assert_allclose([found[i] for i in range(len(built))], expected, atol=1e-4)
    assert np.abs(expected[0] - last_logits(model, built[0])).max() > 1e-2


@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=12).filter(lambda c: len(set(c)) > 1), st.integers(0, 99)
)
def test_partners_are_of_another_class(labels, seed):
    partners = interventions.label_partners(labels, seed=seed)
    assert all(labels[p] != own for p, own in zip(partners, labels, strict=True))
    if max(labels.count(c) for c in labels) * 2 <= len(labels):
        assert sorted(partners) == list(range(len(labels)))
    if sorted(labels) == [0] * (len(labels) // 2) + [1] * (len(labels) // 2):
        assert [partners[p] for p in partners] == list(range(len(labels)))  # a swap


def test_every_pairing_is_drawn_and_one_class_is_refused():
    drawn = {tuple(interventions.label_partners([0, 1, 0, 1], seed=seed)) for seed in range(40)}
    assert drawn == {(1, 0, 3, 2), (3, 2, 1, 0)}
    uneven = {tuple(interventions.label_partners([0, 0, 0, 1, 1], seed=seed)) for seed in range(1500)}
    assert len(uneven) == 2**3 * 3**2
    with pytest.raises(IclnbError, match="two or more"):
        interventions.label_partners([1, 1], seed=0)


def test_partners_within_a_class_are_others_of_it():
    labels = [0, 1, 0, 1, 1, 2]
    for seed in range(30):
        partners = interventions.label_partners(labels, seed=seed, within=True)
        assert sorted(partners) == list(range(6)) and all(
            labels[p] == y for p, y in zip(partners, labels, strict=True)
        )
        assert [i for i, p in enumerate(partners) if i == p] == [5]  # the sole one of its class
    assert interventions.label_partners([1, 1], seed=0, within=True) == [1, 0]


@pytest.mark.parametrize("where", [{}, {"layers": [1]}])
def test_swapped_values_reach_the_query_as_if_the_cache_held_them(made, where):
    """Oracle: the model's own cache, value by value swapped, and its own pass over the query."""
    built, reader = made
    model = reader.loaded.model
    prompt = built[0]  # labels 0 1 0
    edge, partners = prompt.query.start, [1, 2, 1]
    swapped = interventions.swap_label_values(
        prepare(model, prompt.input_ids[:edge]), prompt.y, partners, **where
    )
    _, found = attend(model, swapped, torch.tensor([prompt.input_ids[edge:]]))

    cache = DynamicCache()
    with torch.no_grad():
        model.eval()(torch.tensor([prompt.input_ids[:edge]]), past_key_values=cache)
        for layer, head in itertools.product(where.get("layers", range(3)), range(2)):
            before = cache.layers[layer].values.clone()
            for i, partner in enumerate(partners):
                own, other = prompt.y[i].start, prompt.y[partner].start
                cache.layers[layer].values[0, head, own] = before[0, head, other]
        said = model(torch.tensor([prompt.input_ids[edge:]]), past_key_values=cache).logits[0, -1]
    np.testing.assert_allclose(found[0], torch.log_softmax(said, -1), atol=1e-4)
    assert np.abs(found[0].numpy() - last_logits(model, prompt)).max() > 1e-3


def test_edits_of_different_kinds_have_different_names():
    keys = {interventions.swapping(seed, layers, within=within).key
            for seed in (0, 1) for layers in ([1], [2], None) for within in (False, True)}  # fmt: skip
    assert len(keys) == 12


def test_labels_that_cannot_be_swapped_are_refused(made):
    built, reader = made
    model = reader.loaded.model
    prefix = prepare(model, built[0].input_ids[:12])
    with pytest.raises(IclnbError, match="numbers of tokens"):
        interventions.swap_label_values(prefix, [Span(2, 3), Span(5, 7)], [1, 0])
    with pytest.raises(ValueError, match="inside 12"):
        interventions.swap_label_values(prefix, [Span(2, 3), Span(12, 13)], [1, 0])
