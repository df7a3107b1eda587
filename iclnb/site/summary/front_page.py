"""The front page's table: the questions, a sentence each that a person wrote, and the verdicts that it rests on."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from iclnb import display
from iclnb.ladders import SHOWN
from iclnb.site import answers, marks
from iclnb.site.results.claim_rows import Row
from iclnb.site.results.runs import Run
from iclnb.site.summary import papers
from iclnb.site.summary.papers import Question

PLACE = "<!-- the questions and their answers -->"
HEADER = ("question", "what was found", "on record")


def fill(
    text: str,
    project: Path,
    titles: Mapping[str, str],
    runs: Mapping[str, Sequence[Run]],
    rows: Sequence[Row],
) -> str:
    """The front page with the table where :data:`PLACE` stands.

    Raises IclnbError if ``book/papers.toml`` cannot be read, or an answer does not hold on record.
    """
    known = papers.read(project)
    asked = [question for question in known.questions if question.chapter in titles]
    lines = []
    for question in asked:
        mine = [row for row in rows if row.chapter == question.chapter]
        link = f"{{doc}}`{titles[question.chapter]} </notebooks/{question.chapter}>`"
        recorded = {run.name: run.results for run in runs[question.chapter] if run.recorded}
        said = answers.resolve(question.answer, recorded, question.chapter) or "Not on record yet."
        lines.append(tuple(map(display.Author, (link, said, _marks(question, mine)))))
    if not lines:
        return text.replace(PLACE, "")
    legend = marks.legend(row.verdict for row in rows if row.recorded)
    counted = [_sides(letter, name, rows) for letter, name in known.names.items()]
    table = f":::{{div}} iclnb-front\n{display.table(HEADER, lines).data}\n\n{legend}\n:::"
    return text.replace(PLACE, "\n\n".join([table, *filter(None, counted)]))


def _marks(question: Question, rows: Sequence[Row]) -> str:
    """For every recorded run on the task of the figures the marks of the claims that the answer rests on."""
    ids = answers.mentioned([question.answer])
    bearing = [row for row in rows if row.recorded and row.claim in ids]
    lines = []
    for name, listed in papers.by_run([row for row in bearing if row.task in ("", SHOWN)] or bearing).items():
        drawn = "".join(marks.mark(row.verdict, f"{row.statement} {row.verdict}") for row in listed)
        stale = f" {marks.badge('stale')}" if any(row.stale for row in listed) else ""
        lines.append(f'<span class="iclnb-run">{html.escape(name)} {drawn}{stale}</span>')
    return "<br>".join(lines)


def _sides(letter: str, name: str, rows: Sequence[Row]) -> str:
    """How the recorded verdicts on a paper's claims fall, in a sentence; empty without any."""
    found = papers.sides(row for row in rows if row.recorded and row.paper == letter)
    if not found:
        return ""
    return (
        f"Of {sum(found.values())} recorded verdicts that bear on paper {letter} "
        f"({display.escape(name)}), {found['for']} speak for it, {found['against']} against it and "
        f"{found['open']} are undecided. Smoke runs and models at chance are not counted."
    )
