"""The split of an ablation's cost, against residual streams changed by hand and heads whose part is known."""

from types import SimpleNamespace

import numpy as np
import planted
import pytest
import tiny
import torch

from iclnb.heads import causes, direct, material
from iclnb.heads.interventions import ablate
from iclnb.llm import prompts
from iclnb.llm.attention import CaptureError
from iclnb.llm.attention.direct_path import final_norm
from iclnb.llm.attention.head_hooks import _projections
from iclnb.llm.data.definitions import Format
from iclnb.llm.models import LoadedModel
from iclnb.llm.prompts import Demonstration, Wording
from iclnb.llm.reader import Reader
from iclnb.store import Store, tally

pytestmark = pytest.mark.tiny

WORDING = Wording(Format(x="{text}", cue=" ->", separator=" ; "), planted.LABEL_WORDS)
HEADS = [(0, 1), (1, 2), (1, 3), (2, 0)]


def tiny_reader(architecture, **changes):
    tokenizer = planted.plant().loaded.tokenizer
    model = tiny.model(architecture, **changes).double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in final_norm(model).parameters():  # gains and offsets that are not 1 and 0
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return Reader(LoadedModel(model, tokenizer, {}))


def written_prompts(reader, count=4):
    """With shared demonstrations and queries of several lengths, the longest first: passes read them last."""
    rng = np.random.default_rng(0)
    shown = [Demonstration({"text": f"w{w}"}, int(w) % 2) for w in rng.integers(80, size=3)]
    queries = [" ".join(f"w{w}" for w in rng.integers(80, size=count - i)) for i in range(count)]
    return np.array([
        prompts.build(reader.tokenizer, WORDING.format, WORDING.words, shown, {"text": query}) for query in queries
    ], dtype=object)  # fmt: skip


def by_hand(model, prompt, means, tokens):
    """Log-odds lost if what the heads write, less their means, is taken off the last residual stream alone.

    What they write is what the model's own projection makes of its input with all other heads at zero. The
    scale stays that of the whole model: the norm's output is rescaled by the spread of the stream.
    """
    inputs, streams, norm = {}, [], final_norm(model)
    hooks = [
        projection.register_forward_pre_hook(lambda _, given, i=i: inputs.__setitem__(i, given[0][0, -1]))
        for i, (projection, _) in enumerate(_projections(model))
    ]
    hooks.append(norm.register_forward_pre_hook(lambda _, given: streams.append(given[0][0, -1])))
    with torch.no_grad():
        model(torch.tensor([prompt.input_ids]))
        for hook in hooks:
            hook.remove()
        x, taken = streams[0], 0
        for layer, head in HEADS:
            projection, heads = _projections(model)[layer]
            alone, dim = torch.zeros_like(inputs[layer]).view(heads, -1), inputs[layer].numel() // heads
            alone[head] = inputs[layer].view(heads, dim)[head] - torch.tensor(means[layer, head]).to(alone)
            taken = taken + projection(alone.flatten()) - projection(torch.zeros_like(inputs[layer]))

        def spread(x):
            x = x - x.mean() if isinstance(norm, torch.nn.LayerNorm) else x
            return x.pow(2).mean().sqrt()

        nothing = norm(torch.zeros_like(x))
        changed = (norm(x - taken) - nothing) * spread(x - taken) / spread(x) + nothing
        head = model.get_output_embeddings()
        before, after = (head(each)[tokens] for each in (norm(x), changed))
    lost = (before - after).numpy()
    return lost - lost.mean()


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gptj", "falcon", "qwen2", "phi"])
def test_the_direct_part_is_what_the_last_residual_stream_loses_by_hand(architecture):
    reader = tiny_reader(architecture)
    table = written_prompts(reader)
    means = np.random.default_rng(1).normal(size=(3, 4, 8))
    path, edit = direct.Path(reader, WORDING, table), ablate(HEADS, means)
    whole, ablated = path.written(), path.written(edit)
    split = direct.split(whole, ablated, HEADS, path.of_means(means))
    expected = [by_hand(reader.loaded.model, prompt, means, path.tokens) for prompt in table]
    got = split[direct.DIRECT] - split[direct.DIRECT].mean(-1, keepdims=True)
    np.testing.assert_allclose(got, expected, atol=2e-3 * np.abs(expected).max())
    assert np.abs(expected).max() > 0.01
    lost = reader.answers(table, WORDING) - reader.answers(table, WORDING, edit=edit)
    np.testing.assert_allclose(sum(split[name] for name in direct.PARTS[1:]), lost, atol=1e-5)
    nothing = direct.split(whole, path.written(), [], path.of_means(means))
    assert all(np.abs(part).max() < 1e-5 for part in nothing.values())


def costs(model, head):
    """What ablating one head of a planted model costs, in parts: part -> nats. (redraws, points)"""
    given = planted.task_rows(model, 80, seed=0)
    run = SimpleNamespace(
        k=12, sets=4, points=40, fresh=40, data_seed=0, demonstration_seed=0, top=1, cause_points=20, redraws=4,
        sampling_seed=0,
    )  # fmt: skip
    drawn = material.draw_material(model.loaded.tokenizer, given, run)
    hits = np.zeros((40, planted.LAYERS, planted.HEADS), dtype=bool)
    hits[:, *head] = True
    found = causes.intervene(Reader(model.loaded), drawn, hits, run)
    assert found["chosen_share"][head] == found["chosen_share"].sum() == 1
    return dict(zip(direct.PARTS, found["cost"][causes.ABLATIONS.index(causes.BEST)], strict=True)), found


@pytest.mark.parametrize("sign", [1, -1])
def test_a_head_in_the_last_layer_has_a_direct_part_and_no_later_one(sign):
    """Nothing stands above it (the MLPs write nothing): all but the scale is direct, for or against."""
    head = (3, 1)
    model = planted.plant(head=head, words=160)
    with torch.no_grad():
        part = slice(head[1] * planted.DIM, (head[1] + 1) * planted.DIM)
        model.loaded.model.transformer.h[3].attn.c_proj.weight[part] *= sign
    parts, _ = costs(model, head)
    assert sign * parts[direct.DIRECT].mean() > 5
    np.testing.assert_allclose(parts[direct.LATER], 0, atol=1e-4)
    np.testing.assert_allclose(sum(parts[name] for name in direct.PARTS[1:]), parts[direct.TOTAL], atol=1e-5)


def test_a_later_head_that_writes_against_the_answer_makes_up_for_half():
    """Head (3, 0) reads the answer at the last token and writes half of it with the sign changed."""
    model = planted.plant(head=(2, 3), words=160)
    q, k, v, o = planted._helper_head()
    v, o = np.zeros_like(v), np.zeros_like(o)
    answer, blocks = planted.FEATURES["answer"], planted._SIZES["block"]
    k[planted.FEATURES["kind"][0], blocks] = 0
    k[planted.FEATURES["kind"][1], blocks] = planted.SCALE  # the cue of its own block: itself
    v[answer, :2] = np.eye(2) * planted.SCALE
    o[:2, answer] = -0.5 * np.eye(2)
    with torch.no_grad():
        planted._set_head(model.loaded.model, 3, 0, (q, k, v, o))
    parts, _ = costs(model, (2, 3))
    own, later = parts[direct.DIRECT], parts[direct.LATER]
    np.testing.assert_allclose(later, -own / 2, atol=0.02 * np.abs(own).max())
    assert own.mean() > 5


def test_a_norm_whose_scale_changes_has_a_part_of_its_own():
    """A head that writes to nothing but the scale: random numbers on features that no one reads."""
    model = planted.plant(head=(2, 3), words=160)
    spare, block = planted.FEATURES["spare"], planted._random_head(np.random.default_rng(0), 0.0)
    block[3][:, spare] = np.random.default_rng(1).normal(size=(planted.DIM, len(spare))) * 3
    with torch.no_grad():
        planted._set_head(model.loaded.model, 3, 0, block)
    sets, _ = model.shared(2, 12, k=12, seed=0)
    reader, means = Reader(model.loaded), np.zeros((planted.LAYERS, planted.HEADS, planted.DIM))
    path = direct.Path(reader, WORDING, np.array(sets, dtype=object))
    whole, ablated = path.written(), path.written(ablate([(3, 0)], means))
    split = direct.split(whole, ablated, [(3, 0)], path.of_means(means))
    split = {name: np.diff(part, axis=-1) for name, part in split.items()}
    for part in (direct.DIRECT, direct.LATER):
        np.testing.assert_allclose(split[part], 0, atol=1e-4)
    ratio = (whole.scale / ablated.scale)[..., None]
    assert ratio.max() < 0.99
    expected = np.diff(ablated.answers, axis=-1) * (ratio - 1)
    np.testing.assert_allclose(split[direct.SCALE], expected, atol=1e-4)


def test_where_there_is_no_split_the_reason_is_given(monkeypatch):
    reader = tiny_reader("gemma2")
    with pytest.raises(CaptureError, match="changed before the final norm"):
        direct.Path(reader, WORDING, written_prompts(reader))
    model = planted.plant(head=(3, 1), words=160)
    monkeypatch.setattr(direct, "check_writing", lambda model: _refuse(model))
    parts, found = costs(model, (3, 1))
    assert found["unsplit"] == "of a test" and np.isnan(parts[direct.DIRECT]).all()
    assert parts[direct.TOTAL].mean() > 5


def _refuse(model):
    raise CaptureError(model, "of a test")


def test_capped_logits_are_no_sum_of_what_was_written():
    reader = tiny_reader("llama")
    reader.loaded.model.lm_head.register_forward_hook(lambda _, __, logits: 3 * torch.tanh(logits / 3))
    path = direct.Path(reader, WORDING, written_prompts(reader))
    with pytest.raises(CaptureError, match="not what the unembedding reads"):
        path.written()


def test_what_was_read_is_found_again(tmp_path):
    reader, runs = tiny_reader("llama"), []
    reader.store = Store({"name": "tiny", "sha256": "0"}, tmp_path)
    for _ in range(2):
        with tally() as counts:
            path = direct.Path(reader, WORDING, written_prompts(reader).reshape(2, 2))
            runs.append(
                (path.written(), path.written(ablate(HEADS, np.zeros((3, 4, 8)))), path.written(row=1))
            )
    assert (counts.measured, counts.reused) == (0, 3)
    for one, other in zip(*runs, strict=True):
        for part, again in zip(one, other, strict=True):
            np.testing.assert_array_equal(part, again)
    whole, ablated, row = runs[0]
    assert np.abs(whole.answers - ablated.answers).max() > 1e-2
    np.testing.assert_allclose(row.answers, whole.answers[1], atol=1e-9)
