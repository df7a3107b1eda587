"""What chapter 02 draws: one prompt for each test point, with fresh demonstrations."""

from collections.abc import Sequence
from types import SimpleNamespace

from transformers import PreTrainedTokenizerBase

from iclnb.llm.demonstrations import Seed, TaskRows, draw, task_rows, write
from iclnb.llm.prompts import Prompt, Wording


def draw_rows(run: SimpleNamespace) -> TaskRows:
    """The pool and the test points of a run. Raises IclnbError, with what the task has, if it has too few."""
    rows = task_rows(run.task, run.prompts, seed=run.data_seed, source=run.source)
    draw(rows.labels, run.k, 0, seed=run.demonstration_seed)
    return rows


def fresh_prompts(
    tokenizer: PreTrainedTokenizerBase, rows: TaskRows, k: int, *, seed: Seed
) -> Sequence[Prompt]:
    """One prompt for each test point, in their order, each with its own demonstrations (paper A, section 5.1).

    Raises IclnbError if the pool is smaller than ``k``.
    """
    shown = draw(rows.labels, k, len(rows.queries), seed=seed)
    wording = Wording(rows.task.format, rows.task.label_words)
    return write(tokenizer, wording, rows.pool, shown, rows.queries).tolist()
