"""A GPT-2 with weights set by hand, in which one known head solves tasks in context by kernel regression.

A prompt is ``w3 -> A ; w8 -> B ; ... w5 ->``, one token a word, four tokens a demonstration. Words lie on a
sphere, in clusters; which clusters are labelled A is drawn anew for every prompt, so that the answer can only
come from the demonstrations. The residual stream holds named features (:data:`FEATURES`):

1. Each word's token carries its place on the sphere (``x``), each label's token its identity (``label``),
   each kind of token a flag (``kind``), each position the number of its demonstration (``block``).
2. The helper head (layer 0, head 1) attends, at every token, to the word of the same demonstration, and
   copies its place to ``copy``: label tokens and the last token now know which word they belong to.
3. The planted head attends, at the last token, to the label tokens, with weights
   softmax(bandwidth * u_testᵀ u_i) (a von Mises-Fisher kernel), and copies the labels to ``answer``.
4. The output layer reads ``answer`` (the labels' logits) and ``x`` (after a lone word, words near it).

All other heads have random weights and write noise of size ``noise``; the MLPs write nothing. Features are
stored twice, the second time with the sign changed, so that layer normalisation finds mean zero; a constant
much larger than all features (``constant``) makes what it divides by nearly the same for every token.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from iclnb.llm import prompts
from iclnb.llm.data.definitions import Format, Task
from iclnb.llm.demonstrations import TaskRows
from iclnb.llm.models import LoadedModel
from iclnb.llm.prompts import Demonstration, Prompt

FORMAT = Format(x="{text}", cue=" ->", separator=" ; ")
LABEL_WORDS = ("A", "B")
HELPER = (0, 1)

HEADS, DIM, LAYERS = 4, 32, 4
_SIZES = {"x": 8, "label": 2, "kind": 3, "block": 31, "copy": 8, "answer": 2, "constant": 1, "spare": 9}
_EDGES = np.cumsum([0, *_SIZES.values()])
FEATURES = {name: range(_EDGES[i], _EDGES[i + 1]) for i, name in enumerate(_SIZES)}
"""Coordinates of each feature; ``kind`` is word, cue, label."""
WIDTH = int(_EDGES[-1])
CONSTANT = 10.0
_STRONG = 20.0  # difference of attention logits that leaves a token with nothing


@dataclass(frozen=True)
class Planted:
    """The model and what is known about it."""

    loaded: LoadedModel
    head: tuple[int, int]  # layer and head of the planted head
    bandwidth: float  # inverse width of its kernel
    places: Float[np.ndarray, "words 8"]  # unit vectors u of the words w0, w1, ...
    clusters: Int[np.ndarray, " words"]

    @property
    def meaning(self) -> Float[np.ndarray, " x"]:
        """The axis along which words of odd clusters stand at 1, those of even ones at -1."""
        signs = np.where(self.clusters % 2 == 1, 1.0, -1.0)
        return np.linalg.lstsq(self.places, signs, rcond=None)[0]

    def kernel(self, prompt: Prompt) -> Float[np.ndarray, " k"]:
        """The weights that the planted head is meant to give the demonstrations of a prompt."""
        words = [int(word[1:]) for word in prompt.text.split() if word.startswith("w")]
        *shown, query = self.places[words]
        weights = np.exp(self.bandwidth * (np.array(shown) @ query))
        return weights / weights.sum()

    def rows(self) -> TaskRows:
        """The words as a task: those of odd clusters are B; 40 test points, and the others to show."""
        rows = [{"text": f"w{i}", "label": int(cluster % 2)} for i, cluster in enumerate(self.clusters)]
        order = np.random.default_rng(0).permutation(len(rows)).tolist()
        task = Task("planted", ("text",), ("even", "odd"), LABEL_WORDS, {"arrow": FORMAT})
        return TaskRows(task, [rows[i] for i in order[40:]], [rows[i] for i in order[:40]], [])

    def prompts(self, count: int, *, k: int, seed: int) -> tuple[list[Prompt], list[int]]:
        """Prompts with a task and demonstrations of their own each, and the true labels.

        A task labels half of the clusters B. Every prompt shows k / 2 demonstrations of either label, in
        random order, and asks about another word.
        """
        rng, made, truth = np.random.default_rng(seed), [], []
        for _ in range(count):
            labels = self._task(rng)
            shown = self._shown(rng, labels, k)
            query = int(rng.choice(np.setdiff1d(np.arange(len(labels)), shown)))
            made.append(self._build(labels, shown, query))
            truth.append(int(labels[query]))
        return made, truth

    def shared(self, sets: int, points: int, *, k: int, seed: int) -> tuple[list[list[Prompt]], list[int]]:
        """One random task: the same queries under each of several demonstration sets, and their labels."""
        rng = np.random.default_rng(seed)
        labels = self._task(rng)
        words = rng.permutation(len(labels))
        queries, pool = words[:points], words[points:]
        made = []
        for _ in range(sets):
            shown = pool[self._shown(rng, labels[pool], k)]
            made.append([self._build(labels, shown, int(query)) for query in queries])
        return made, labels[queries].tolist()

    def _task(self, rng: np.random.Generator) -> Int[np.ndarray, " words"]:
        return rng.permutation(np.arange(self.clusters.max() + 1) % 2)[self.clusters]

    def _shown(self, rng: np.random.Generator, labels: np.ndarray, k: int) -> Int[np.ndarray, " k"]:
        halves = [rng.choice(np.flatnonzero(labels == y), k // 2, replace=False) for y in (0, 1)]
        return rng.permutation(np.concatenate(halves))

    def _build(self, labels: np.ndarray, shown: np.ndarray, query: int) -> Prompt:
        demonstrations = [Demonstration({"text": f"w{w}"}, int(labels[w])) for w in shown]
        return prompts.build(
            self.loaded.tokenizer, FORMAT, LABEL_WORDS, demonstrations, {"text": f"w{query}"}
        )


def task_rows(model: Planted, pool: int, *, seed: int) -> TaskRows:
    """The words of a planted language as a task: half of the clusters labelled B, ``pool`` words to show."""
    rng = np.random.default_rng(seed)
    labels = model._task(rng)
    rows = [{"text": f"w{word}", "label": int(labels[word])} for word in rng.permutation(len(labels))]
    task = Task("words", ("text",), ("a", "b"), LABEL_WORDS, {"only": FORMAT})
    return TaskRows(task, rows[:pool], rows[pool:], [])


def plant(
    *,
    head: tuple[int, int] = (2, 3),
    bandwidth: float = 8.0,
    clusters: int = 4,
    words: int = 80,
    noise: float = 0.05,
    seed: int = 0,
) -> Planted:
    """The model with its kernel head at ``head`` (any layer from 1 to 3, any head from 0 to 3)."""
    rng = np.random.default_rng(seed)
    of_word = np.arange(words) % clusters
    centres = np.linalg.qr(rng.normal(size=(_SIZES["x"], clusters)))[0].T
    places = centres[of_word] + rng.normal(size=(words, _SIZES["x"])) * 0.2
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    tokenizer = _tokenizer(words)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer), n_positions=4 * _SIZES["block"], n_embd=2 * WIDTH, n_layer=LAYERS,
            n_head=HEADS, n_inner=1, tie_word_embeddings=False, bos_token_id=None, eos_token_id=None,
        )
    )  # fmt: skip
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if "ln_" in name and name.endswith("weight") else 0.0)
        _embed(model, places, tokenizer)
        for layer in range(LAYERS):
            for h in range(HEADS):
                _set_head(model, layer, h, _random_head(rng, noise))
        _set_head(model, *HELPER, _helper_head())
        _set_head(model, *head, _kernel_head(bandwidth))
    origin = {"source": "planted", "name": f"kernel head {head}"}
    return Planted(LoadedModel(model.eval(), tokenizer, origin), head, bandwidth, places, of_word)


def _tokenizer(words: int) -> PreTrainedTokenizerFast:
    vocabulary = ["<pad>", "->", ";", *LABEL_WORDS, *(f"w{i}" for i in range(words))]
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="<pad>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", unk_token="<pad>")


SCALE = np.sqrt((CONSTANT**2 + 3.5) / WIDTH)
"""What layer normalisation divides by: the constant, and the three (last token) or four (labels) features."""


def _embed(model: GPT2LMHeadModel, places: np.ndarray, tokenizer: PreTrainedTokenizerFast) -> None:
    """Token and position embeddings, and the output layer that reads them back."""
    tokens = np.zeros((len(tokenizer), WIDTH))
    said = np.zeros((len(tokenizer), WIDTH))
    tokens[:, FEATURES["constant"]] = CONSTANT
    word_ids = tokenizer.convert_tokens_to_ids([f"w{i}" for i in range(len(places))])
    label_ids = tokenizer.convert_tokens_to_ids(list(LABEL_WORDS))
    tokens[np.ix_(word_ids, FEATURES["x"])] = places
    tokens[np.ix_(label_ids, FEATURES["label"])] = np.eye(len(label_ids))
    for kind, ids in enumerate((word_ids, tokenizer.convert_tokens_to_ids(["->"]), label_ids)):
        tokens[ids, FEATURES["kind"][kind]] = 1
    said[np.ix_(word_ids, FEATURES["x"])] = places * 6
    said[np.ix_(label_ids, FEATURES["answer"])] = np.eye(len(label_ids)) * 14
    positions = np.zeros((4 * _SIZES["block"], WIDTH))
    positions[:, FEATURES["block"]] = np.repeat(np.eye(_SIZES["block"]), 4, axis=0)
    model.transformer.wte.weight.copy_(torch.tensor(_written(tokens)))
    model.transformer.wpe.weight.copy_(torch.tensor(_written(positions)))
    model.lm_head.weight.copy_(torch.tensor(_read(said.T * SCALE).T))


def _written(features: Float[np.ndarray, "rows width"]) -> Float[np.ndarray, "rows twice"]:
    """Features as the residual stream holds them: twice, the second time with the sign changed."""
    return np.concatenate([features, -features], axis=1)


def _read(weights: Float[np.ndarray, "width out"]) -> Float[np.ndarray, "twice out"]:
    """Weights on features as weights on the residual stream."""
    return np.concatenate([weights, -weights]) / 2


def plant_report() -> Planted:
    """A model that knows the labels of words by itself, and whose planted head reports what it decided.

    Head (1, 0) reads the word in the question and writes its label (odd clusters B, even ones A), whatever the
    demonstrations say. Head (3, 3) then attends to the label words that are alike to that decision; it writes
    nothing.
    """
    made = plant(head=(3, 3), noise=0.005)
    _put(made, (1, 0), _deciding_head(made.meaning * 0.1))
    _put(made, (3, 3), _report_head())
    return made


def plant_inert(reporters: int) -> Planted:
    """A kernel head, and three heads of layer 3 that write nothing: some attend to the labels of its answer, the
    others at random. Whatever they attend to, the model is the same."""
    made = plant(head=(1, 1))
    for place in range(3):
        random = _random_head(np.random.default_rng(place), 0.0)
        _put(made, (3, place), _report_head() if place < reporters else random)
    return made


def plant_classes() -> Planted:
    """A kernel head that compares what words mean (their label), and nothing else of them."""
    made = plant()
    _put(made, made.head, _kernel_head(made.bandwidth, made.meaning))
    return made


def plant_mapping() -> Planted:
    """A model that applies the mapping of meanings to labels to what the query means by itself.

    Its planted head attends to the labels of words that mean what the query means and writes them, the head
    before it to those of words that mean the opposite, and writes their negative.
    """
    made = plant()
    for head, sign in ((made.head, 1), ((made.head[0], made.head[1] - 1), -1)):
        _put(made, head, _kernel_head(sign * 2.0, made.meaning, writes=sign))
    return made


def plant_recency() -> Planted:
    """A model that copies the labels of late demonstrations, whatever the query: weights rise by e from one to
    the next."""
    made = plant(bandwidth=0)
    q, k, v, o = _kernel_head(0)
    q[FEATURES["constant"], -1] = np.sqrt(DIM) * SCALE / CONSTANT
    k[FEATURES["block"], -1] = SCALE * np.arange(_SIZES["block"])
    _put(made, made.head, (q, k, v, o))
    return made


def _put(made: Planted, head: tuple[int, int], weights: "Weights") -> None:
    with torch.no_grad():
        _set_head(made.loaded.model, *head, weights)


Weights = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Query, key and value weights (features, dim) on the normalised stream, output weights (dim, features)."""


def _kernel_head(
    bandwidth: float, axis: Float[np.ndarray, " x"] | None = None, writes: float = 1.0
) -> Weights:
    """Softmax of ``bandwidth`` times the product of two words' places, or of their parts along an axis."""
    q, k, v, o = (np.zeros((WIDTH, DIM)) for _ in range(4))
    compared = np.eye(_SIZES["copy"]) if axis is None else axis[:, None]
    compared = compared * np.sqrt(abs(bandwidth)) * DIM**0.25 * SCALE
    q[FEATURES["copy"], : compared.shape[1]] = compared * np.sign(bandwidth)
    k[FEATURES["copy"], : compared.shape[1]] = compared
    q[FEATURES["constant"], _SIZES["copy"]] = _STRONG * np.sqrt(DIM) * SCALE / CONSTANT
    k[FEATURES["kind"][2], _SIZES["copy"]] = SCALE
    v[FEATURES["label"], : len(LABEL_WORDS)] = np.eye(len(LABEL_WORDS)) * SCALE
    o[FEATURES["answer"], : len(LABEL_WORDS)] = np.eye(len(LABEL_WORDS)) * writes
    return q, k, v, o.T


def _helper_head() -> Weights:
    q, k, v, o = (np.zeros((WIDTH, DIM)) for _ in range(4))
    blocks = _SIZES["block"]
    q[FEATURES["block"], :blocks] = np.eye(blocks) * _STRONG * np.sqrt(DIM) * SCALE
    k[FEATURES["block"], :blocks] = np.eye(blocks) * SCALE
    q[FEATURES["constant"], blocks] = _STRONG * np.sqrt(DIM) * SCALE / CONSTANT
    k[FEATURES["kind"][0], blocks] = SCALE
    v[FEATURES["x"], : _SIZES["x"]] = np.eye(_SIZES["x"]) * SCALE
    o[FEATURES["copy"], : _SIZES["x"]] = np.eye(_SIZES["x"])
    return q, k, v, o.T


def _deciding_head(direction: Float[np.ndarray, " x"]) -> Weights:
    q, k, v, o = _helper_head()
    o = np.zeros_like(o)
    o[: len(direction), FEATURES["answer"]] = np.stack([-direction, direction], axis=1)
    return q, k, v, o


def _report_head(strength: float = 40.0) -> Weights:
    q, k, v, o = (np.zeros((WIDTH, DIM)) for _ in range(4))
    q[FEATURES["answer"], :2] = np.eye(2) * strength * np.sqrt(DIM) * SCALE
    k[FEATURES["label"], :2] = np.eye(2) * SCALE
    q[FEATURES["constant"], 2] = _STRONG * np.sqrt(DIM) * SCALE / CONSTANT
    k[FEATURES["kind"][2], 2] = SCALE
    v[FEATURES["label"], :2] = np.eye(2) * SCALE
    return q, k, v, o.T


def _random_head(rng: np.random.Generator, noise: float) -> Weights:
    """Attention that is far from uniform, and an output of about ``noise`` for a feature of size one."""
    q, k, v = (rng.normal(size=(WIDTH, DIM)) for _ in range(3))
    k[FEATURES["constant"]] = v[FEATURES["constant"]] = 0
    o = rng.normal(size=(DIM, WIDTH)) * noise / np.sqrt(DIM * WIDTH)
    return q * 2 * SCALE / CONSTANT, k * SCALE, v * SCALE, o


def _set_head(model: GPT2LMHeadModel, layer: int, head: int, weights: Weights) -> None:
    attention = model.transformer.h[layer].attn
    *read, written = weights
    columns = slice(head * DIM, (head + 1) * DIM)
    for part, matrix in enumerate(read):
        start = part * HEADS * DIM + head * DIM
        attention.c_attn.weight[:, start : start + DIM] = torch.tensor(_read(matrix))
    attention.c_proj.weight[columns] = torch.tensor(_written(written), dtype=torch.float32)
