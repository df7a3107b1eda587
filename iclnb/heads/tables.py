"""Tables of chapter 03."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from IPython.display import Markdown

from iclnb import display
from iclnb.claims import Claim
from iclnb.display import Author, cell, escape
from iclnb.heads.estimates import YES
from iclnb.heads.estimates_features import AT_LABEL
from iclnb.heads.interventions import Head
from iclnb.heads.nulls import LEVEL
from iclnb.heads.pictures import best_head
from iclnb.heads.probes import Probed
from iclnb.heads.reconstruction import Agreement, over
from iclnb.heads.table_2 import PAPER, Row
from iclnb.stats import Estimate


def rivals(raw: Agreement, prior_off: Agreement, *, seed: int) -> Markdown:
    """What the chosen head reaches and what its rivals do, with decisions as they are and with priors off."""
    columns = [_rivals(found, seed) for found in (raw, prior_off)]
    rows = [(name, *(column[name] for column in columns)) for name in columns[0]]
    return display.table(("", "as they are", "prior off"), rows)


def _rivals(found: Agreement, seed: int) -> dict[str, object]:
    against = found.best[found.against_last]
    return {
        "chosen head": head_name(found.head),
        "it agrees": over(found.best, seed=seed),
        "a head chosen with labels permuted (95 %)": found.permuted.quantile(),
        "the best of all heads then, an upper bound (95 %)": float(np.quantile(found.permuted.best, LEVEL)),
        **{name: float(hits.mean()) for name, hits in found.rivals().items()},
        "where the last label is not the answer it agrees": f"{against.sum()} of {against.size}",
        "a head chosen with labels permuted, there (95 %)": found.permuted_against.quantile(),
    }


def variants(found: Mapping[str, Agreement]) -> Markdown:
    """The chosen head under every way to make attention a weight, with what to compare with."""
    header = ("weight", "chosen head", "agrees", "right", "sets' labels permuted (median)", "modal answer")
    rows = [
        (
            name,
            head_name(one.head),
            float(one.best.mean()),
            float(one.performance.mean()),
            float(np.median(one.permuted_sets.chosen)),
            one.modal,
        )
        for name, one in found.items()
    ]
    return display.table(header, rows)


def selectivity(probed: Mapping[str, Probed], *, seed: int) -> Markdown:
    """Of the best head at the label: accuracy, and what of it is left with shuffled targets taken off."""
    rows = []
    for name, found in probed.items():
        head = best_head(found.accuracy[..., AT_LABEL].mean(0))
        rows.append(
            (
                name,
                head_name(head),
                float(found.accuracy[:, *head, AT_LABEL].mean()),
                float(found.majority[:, AT_LABEL].mean()),
                found.selectivity(seed=seed).at(*head, AT_LABEL),
            )
        )
    return display.table(("probe", "best head", "accuracy", "most frequent target", "selectivity"), rows)


def contrasts(found: Mapping[str, Estimate]) -> Markdown:
    """How much more alike queries are to demonstrations of their own label, relative to the mean."""
    header = ("prediction similarity of", "own label less other labels, over the mean")
    return display.table(header, found.items())


def accuracies(found: Mapping[str, Estimate]) -> Markdown:
    """Accuracy of the whole model, and what interventions take off it."""
    return display.table(("", "accuracy, or what is lost of it"), found.items())


SHOWN = ("accuracy", "agreement", "agreement, prior off", "performance")
"""Lines of table 2 besides those of the encoders."""


def table_2(rows: Sequence[Row]) -> Markdown:
    """Table 2: a line for each task, arm and method, the paper's number beside it where the paper has one."""
    lines = []
    for row in rows:
        encoders = [name for name in row.encoder_hits if name.endswith("chosen")]
        for name in (*SHOWN, *encoders):
            first = name == SHOWN[0]
            paper = PAPER.get(row.task, {}).get(_paper_name(name))
            lines.append(
                (f"{row.task} ({row.arm})" if first else "", name, row.estimates[name], _blank(paper))
            )
        controls = ", ".join(f"{escape(name)} {cell(value)}" for name, value in row.controls().items())
        lines.append(("", "controls", Author(controls), ""))
    return display.table(("task", "", "here", "the paper"), lines)


QUESTIONS = {
    "table-raw": "Does one head reproduce the answers in every task?",
    "table-controls": "More than any control, priors off?",
    "table-encoders": "Is it right more often than kernel regression on a sentence encoder?",
}
"""Claims of table 2, each as a question; each is asked under both ways to choose demonstrations."""


def answer(claims: Iterable[Claim], model: str, chance: Mapping[str, bool]) -> str:
    """What table 2 says, in Markdown, a line for each claim, worded by the verdicts."""
    lines = [f"For {escape(model)}:", ""]
    for claim in claims:
        question, arm = claim.id.rsplit("-", 1)
        found = f"{cell(claim.estimate)}; control {escape(claim.control_is)}"
        lines.append(f"- **{QUESTIONS[question]}** ({arm}) {YES[claim.verdict]}: {found}.")
    low = ", ".join(escape(name) for name, at in chance.items() if at)
    return "\n".join([*lines, "", f"The model is not shown to be above chance in: {low or 'no task'}."])


def head_name(head: Head) -> str:
    """A head in words."""
    return "layer {}, head {}".format(*head)


def _paper_name(name: str) -> str:
    """The paper's name of a method: it does not say its kernel on encoders; ours stands beside its number."""
    return name.split(", ")[0] if name.startswith(("MiniLM", "BERT-NLI")) else name


def _blank(value: float | None) -> float | str:
    return "" if value is None else value
