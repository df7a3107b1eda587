"""Masses, ratios and aligned maps of attention against direct computation."""

from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch

from iclnb.allocation import measure, tokens
from iclnb.allocation.findings import GROUPS
from iclnb.errors import IclnbError
from iclnb.llm import prompts
from iclnb.llm.data.definitions import Format
from iclnb.llm.models import LoadedModel
from iclnb.llm.prompts import Demonstration
from iclnb.llm.reader import Reader

pytestmark = pytest.mark.tiny

FORMAT = Format(x="Review: {text}", cue="\nSentiment:")
TEXTS = ("fine film", "", "a really long text with many words, and dull", "good", "naïve 😀")


@pytest.fixture(scope="module")
def made():
    """Prompts with 2 demonstrations each, of different lengths, and a tiny model that can read them."""
    tokenizer = tiny.tokenizers()["llama3"]
    built = [
        prompts.build(
            tokenizer, FORMAT, ("bad", "good"),
            [Demonstration({"text": TEXTS[i]}, 0), Demonstration({"text": TEXTS[-i]}, 1)], {"text": TEXTS[2]},
        )
        for i in range(5)
    ]  # fmt: skip
    return built, tiny.model("llama", vocab_size=len(tokenizer))


def eager_rows(model, prompt):
    with torch.no_grad():
        maps = model.eval()(torch.tensor([prompt.input_ids]), output_attentions=True).attentions
    return np.stack([m[0, :, -1].numpy() for m in maps])


def measured(made, **changes):
    built, model = made
    settings = {"tail": 3, "seed": 0} | changes
    reader = Reader(
        LoadedModel(model, tiny.tokenizers()["llama3"], {}), batch_size=settings.pop("batch_size", 2)
    )
    ratio, averaged = measure.shares(reader, built, **settings)
    return SimpleNamespace(ratio=dict(zip(GROUPS, ratio.swapaxes(0, 1), strict=True)), map=averaged)


def test_ratios(made):
    built, model = made
    found = measured(made)
    for i, prompt in enumerate(built):
        rows = eager_rows(model, prompt)
        length = rows.shape[-1]
        labels = sum(rows[:, :, j] for y in prompt.y for j in range(*y))
        count = sum(len(range(*y)) for y in prompt.y)
        np.testing.assert_allclose(found.ratio["labels"][i], labels / (count / length), atol=1e-5)
        end = rows[:, :, -3:].sum(-1) / (3 / length)
        np.testing.assert_allclose(found.ratio["query end"][i], end, atol=1e-5)
        np.testing.assert_allclose(found.ratio["first token"][i], rows[:, :, 0] * length, atol=1e-5)


def test_label_control_stays_in_the_texts_and_counts_as_many_tokens(made):
    built, _ = made
    prompt = built[3]
    chosen = [tokens.groups(prompt, 3, np.random.default_rng(seed))["label control"] for seed in range(200)]
    inside = {token for x in prompt.x for token in range(*x)} - {0}
    assert {token for one in chosen for token in one} == inside  # every token of x_i can be drawn
    assert {len(one) for one in chosen} == {sum(len(range(*y)) for y in prompt.y)}
    assert not inside & {token for y in prompt.y for token in range(*y)}


def test_the_map_keeps_labels_and_rescales_what_is_between(made):
    built, model = made
    found = measured(made)
    assert found.map.shape == (3, 1 + 31 * 2 + 30)
    expected = 0
    for prompt in built:
        rows = eager_rows(model, prompt)
        borders = [1, *(edge for y in prompt.y for edge in y), rows.shape[-1]]
        columns = [rows[:, :, :1]]
        for start, stop in zip(borders[::2], borders[1::2], strict=True):
            grid = np.linspace(0, stop - start - 1, 30)
            columns.append(
                np.apply_along_axis(
                    lambda r, g=grid: np.interp(g, range(len(r)), r), -1, rows[:, :, start:stop]
                )
            )
            if stop < rows.shape[-1]:
                columns.append(rows[:, :, stop : borders[borders.index(stop) + 1]].sum(-1, keepdims=True))
        expected = expected + np.concatenate(columns, -1).mean(1) / len(built)
    np.testing.assert_allclose(found.map, expected, atol=1e-6)


def test_labels_are_marked_where_their_attention_stands(made):
    """Attention on the labels alone is left on exactly the marked positions."""
    prompt = made[0][0]
    attention = np.zeros((1, 1, len(prompt.input_ids)))
    attention[..., [token for y in prompt.y for token in y.tokens]] = 1
    kept = np.flatnonzero(tokens.aligned(attention, prompt)[0, 0])
    assert kept.tolist() == tokens.label_positions(len(prompt.y)).tolist()


def test_batching_and_seeds(made):
    one, all_ = measured(made, batch_size=1), measured(made, batch_size=5)
    np.testing.assert_allclose(one.map, all_.map, atol=1e-6)
    other = measured(made, batch_size=5, seed=1)
    np.testing.assert_allclose(one.ratio["label control"], all_.ratio["label control"], atol=1e-5)
    assert (all_.ratio["label control"] != other.ratio["label control"]).any()
    assert (all_.ratio["labels"] == other.ratio["labels"]).all()


def test_a_model_without_middle_layers_is_refused_and_not_read(made, monkeypatch):
    """Four prompts of a task are enough to see that a model of two layers has none."""
    loaded = []

    def load(name, **where):
        loaded.append(where.get("random_weights_seed"))
        tokenizer = tiny.tokenizers()["llama3"]
        model = tiny.model("llama", vocab_size=len(tokenizer), num_hidden_layers=2)
        return Reader(LoadedModel(model, tokenizer, {}))

    monkeypatch.setattr(measure, "load_reader", load)
    run = SimpleNamespace(
        task="movie_snippets", source="packaged", model="small", revision=None, device_map=None, dtype=None,
        k=2, prompts=4, tail=1, batch_size=1, data_seed=0, demonstration_seed=1, model_seed=2, sampling_seed=3,
    )  # fmt: skip
    with pytest.raises(IclnbError, match="small has 2 layers"):
        measure.measure(run)
    assert loaded == [2]
