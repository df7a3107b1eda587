"""Section 5.5: table 2, in the task that speaks against a claim most."""

from collections.abc import Callable, Sequence

from iclnb import claims
from iclnb.claims import Results
from iclnb.heads.agreement import Agreement, interval
from iclnb.heads.table import Row
from iclnb.heads.verdicts.rules import MARGIN, minus
from iclnb.stats import Estimate


def tasks(results: Results, rows: Sequence[Row], random: Agreement, *, seed: int) -> None:
    """Claims about every task, judged on the one where they do worst.

    Args:
        results: where the claims go.
        rows: one for each task, all of one arm.
        random: a model with random weights in the same arm, priors taken off.
        seed: of the intervals.
    """
    arm = f"{rows[0].arm} demonstrations"

    def worst(of: Callable[[Row], Estimate]) -> tuple[Row, Estimate]:
        return min(((row, of(row)) for row in rows), key=lambda pair: pair[1].value)

    row, found = worst(lambda row: minus(row.estimates["agreement"], row.agreement.modal))
    results.claim(
        f"table-raw-{rows[0].arm}",
        paper="A",
        section="5.5",
        statement="In every task the chosen head gives the model's answer more often than always naming the "
        f"model's most frequent answer would ({arm}; worst task: {row.task}).",
        criterion=claims.above(MARGIN),
        evidence=claims.Evidence(estimate=found, control=0.0, control_is="the most frequent answer"),
    )

    row, found = worst(lambda row: row.corrected.beyond(random, seed=seed)[1])
    control, _, reached = row.corrected.beyond(random, seed=seed)
    results.claim(
        f"table-controls-{rows[0].arm}",
        paper="A",
        section="5.5, stricter",
        statement="In every task, with priors taken off, the chosen head agrees with the model more than any "
        f"control does ({arm}; worst task: {row.task}).",
        criterion=claims.above(MARGIN),
        evidence=claims.Evidence(estimate=found, control=reached, control_is=f"agreement of {control}"),
    )
    _encoders(results, rows, seed)


def _encoders(results: Results, rows: Sequence[Row], seed: int) -> None:
    """Whether the chosen head does better than kernel regression on sentence encoders."""
    best = {row.task: max((n for n in row.estimates if "chosen" in n), key=_value(row)) for row in rows}
    row = min(rows, key=lambda row: row.estimates["performance"].value - row.estimates[best[row.task]].value)
    rival = row.estimates[best[row.task]]
    results.claim(
        f"table-encoders-{rows[0].arm}",
        paper="A",
        section="5.5",
        statement="In every task the chosen head is right more often than kernel regression on a sentence "
        f"encoder ({rows[0].arm} demonstrations; worst task: {row.task}).",
        criterion=claims.above(MARGIN),
        evidence=claims.Evidence(
            estimate=interval(row.agreement.performance - row.encoder_hits[best[row.task]], seed=seed),
            control=float(rival.value) - row.majority,
            control_is="the encoder, less the most frequent label",
        ),
    )


def _value(row: Row) -> Callable[[str], float]:
    return lambda name: float(row.estimates[name].value)
