"""The groups of tokens whose share of the attention is measured."""

import numpy as np

from iclnb.llm.prompts import Prompt

LABELS, LABEL_CONTROL, QUERY_END, FIRST_TOKEN = "labels", "label control", "query end", "first token"

GROUPS = (LABELS, LABEL_CONTROL, QUERY_END, FIRST_TOKEN)  # Names of the groups of `groups`


def groups(prompt: Prompt, tail: int, rng: np.random.Generator) -> dict[str, list[int]]:
    """The tokens of each of :data:`GROUPS`.

    - labels: the tokens of the label words y_1 ... y_k;
    - label control: for each demonstration as many tokens of its text x_i, drawn without regard to what they
      say: a head that looks at demonstrations but not at labels treats both alike;
    - query end: the last ``tail`` tokens of the prompt;
    - first token: the first one, the "attention sink".

    Groups may overlap (without an opening token the first one belongs to x_1); their shares need not add up
    to one or less.
    """
    control: list[int] = []
    for x, y in zip(prompt.x, prompt.y, strict=True):
        candidates = [token for token in x.tokens if token > 0]
        size = min(len(y.tokens), len(candidates))
        control += rng.choice(candidates, size=size, replace=False).tolist() if size else []
    last = len(prompt.input_ids)
    return {
        LABELS: [token for y in prompt.y for token in y.tokens],
        LABEL_CONTROL: control,
        QUERY_END: list(range(max(0, last - tail), last)),
        FIRST_TOKEN: [0],
    }
