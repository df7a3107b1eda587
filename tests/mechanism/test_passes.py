"""What is read set by set against the reader's own ways, and against weights multiplied by hand."""

import numpy as np
import planted
import pytest
import tiny
import torch

from iclnb import store
from iclnb.llm.models import LoadedModel
from iclnb.llm.reader import Reader
from iclnb.mechanism import flow, material, own_weights, passes
from iclnb.store import Store

pytestmark = pytest.mark.tiny


def test_answers_and_weights_are_the_readers(kernel):
    runs = kernel.measured.runs
    for context, prompts in kernel.material.prompts.items():
        found = kernel.reader.kernel_weights(
            prompts, kernel.material.wordings[context], kernel.material.truth
        )
        np.testing.assert_allclose(runs.of("answers", context), found.answers, atol=1e-4)
        np.testing.assert_allclose(runs.of("weights", context), found.weights["maximum"], atol=1e-5)


def test_contexts_hold_the_same_demonstrations_under_other_labels(kernel):
    drawn = kernel.material
    own, swapped = (drawn.labels_in(c) for c in (material.OWN, material.SWAPPED))
    assert (own + swapped == 1).all() and (own == drawn.labels).all()
    shuffled = drawn.labels_in(material.SHUFFLED)
    assert (shuffled.sum(1) == own.sum(1)).all() and (shuffled != own).any()
    assert (drawn.truth[:, 0::2] != drawn.truth[:, 1::2]).all()
    for context, prompts in drawn.prompts.items():
        for s, p in np.ndindex(prompts.shape):
            words = prompts[s, p].text.split()
            assert words[0::4] == kernel.material.prompts[material.OWN][s, p].text.split()[0::4]
            if context != material.SHUFFLED:  # the right word follows the same mapping as those shown
                mapping = set(zip(drawn.labels[s], drawn.labels_in(context)[s], strict=True))
                assert (drawn.truth[s, p], drawn.right[context][s, p]) in mapping


def test_interventions_stand_where_the_plan_says(kernel):
    """A kernel head in layer 2: labels come in there, the query's word in layer 0; other heads are noise."""
    runs = kernel.measured.runs
    before = runs.of("edited", material.OWN)[:, :, 0]
    np.testing.assert_allclose(before, runs.of("answers", material.OWN)[:, :2], atol=1e-4)
    other = runs.of("answers", material.SWAPPED)[:, :2]
    for i in flow.places(runs.steps, "labels"):
        after = runs.of("edited", material.OWN)[:, :, i]
        np.testing.assert_allclose(after, other if runs.steps[i].start > 2 else before, atol=1.0)
    for i in flow.places(runs.steps, "query"):
        after = runs.of("edited", material.OWN)[:, :, i]
        np.testing.assert_allclose(after, before if runs.steps[i].start == 0 else before[:, ::-1], atol=1.0)
    for i in flow.places(runs.steps, "block labels", to_the_end=4):
        after = flow.centred(runs.of("edited", material.OWN)[:, :, i])
        expected = 0 if runs.steps[i].start <= 2 else flow.centred(before)
        np.testing.assert_allclose(after, np.broadcast_to(expected, after.shape), atol=1.0)


def test_the_planted_head_copies_by_its_own_weights(kernel):
    assert (kernel.measured.runs.arrays["copying"][..., 2, 3] == 1).all()


def test_copying_against_weights_multiplied_by_hand():
    from iclnb.llm.attention import prepare

    model = planted.plant()
    prompts, _ = model.prompts(1, k=6, seed=0)
    prompt, network = prompts[0], model.loaded.model
    tokens = network.get_input_embeddings().weight.new_tensor([0]).long(), [3, 4]
    hidden = network(torch.tensor([prompt.input_ids]), output_hidden_states=True).hidden_states
    found = own_weights.copying(network, prepare(network, prompt.input_ids), prompt, tokens[1])
    ends = [span.stop - 1 for span in prompt.y]
    for layer, head in ((1, 2), (2, 3), (3, 0)):
        block = network.transformer.h[layer]
        part = slice(head * planted.DIM, (head + 1) * planted.DIM)
        values = block.attn.c_attn(block.ln_1(hidden[layer]))[0, ends].chunk(3, -1)[2][:, part]
        written = values @ block.attn.c_proj.weight[part]
        norm = network.transformer.ln_f
        centred = (written - written.mean(-1, keepdim=True)) * norm.weight
        logits = centred @ network.lm_head.weight[tokens[1]].T
        logits = logits - logits.mean(0)
        expected = (logits.argmax(-1).numpy() == np.array(prompt.labels)).mean()
        assert found[layer, head] == pytest.approx(expected)


def test_induction_is_attention_to_what_followed(tmp_path):
    tokenizer = planted.plant().loaded.tokenizer
    model = tiny.model("llama").eval()
    reader = Reader(LoadedModel(model, tokenizer, {"name": "tiny", "sha256": "0"}), batch_size=3)
    reader.store = Store(reader.origin, tmp_path)
    made = material.repeated(np.arange(5, 90), 5, 9, seed=0)
    with store.tally() as tally:
        found = passes.induction(reader, made)
    for i, (row, after) in enumerate(zip(made.rows, made.after, strict=True)):
        with torch.no_grad():
            own = model(torch.tensor([row]), output_attentions=True).attentions
        expected = torch.stack(own)[:, 0, :, -1, after].numpy()
        np.testing.assert_allclose(found[i], expected, atol=1e-5)
    assert tally.measured == 2
    with store.tally() as tally:
        np.testing.assert_array_equal(passes.induction(reader, made), found)
    assert (tally.measured, tally.reused) == (0, 2)


def test_a_stopped_run_goes_on_where_it_was(tmp_path, kernel):
    loaded = kernel.reader.loaded
    reader = Reader(loaded, batch_size=8, store=Store({"name": "planted", "sha256": "1"}, tmp_path))
    some = material.Material(
        {c: prompts[:2] for c, prompts in kernel.material.prompts.items()},
        kernel.material.wordings,
        *(getattr(kernel.material, name) for name in ("right", "alone", "shown")),
        kernel.material.truth[:2],
        kernel.material.labels[:2],
    )
    with store.tally() as tally:
        first = passes.run_sets(reader, some, depths=4)
    assert (tally.measured, tally.reused) == (2, 0)
    with store.tally() as tally:
        again = passes.run_sets(reader, some, depths=4)
    assert (tally.measured, tally.reused) == (0, 2)
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
        np.testing.assert_allclose(array, kernel.measured.runs.arrays[name][:2], atol=1e-4)
    with store.tally() as tally:
        passes.run_sets(reader, some, depths=3)
    assert tally.measured == 2, "another plan is another measurement"
