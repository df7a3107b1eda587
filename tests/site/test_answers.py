"""Sentences of answers: held against records, and none without a claim."""

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from runs_by_hand import NO, OPEN, YES, claim, results
from throwaway import ROOT

from iclnb.errors import IclnbError
from iclnb.run import notebooks
from iclnb.site import answers

SMALL, LARGE = "SmolLM2-135M", "Qwen2.5-Coder-1.5B"
RECORDED = {
    SMALL: results(SMALL, [claim("rises", YES), claim("falls", NO)], values={"best": 0.966}),
    LARGE: results(LARGE, [claim("rises", YES), claim("falls", OPEN)]),
}


def shown(text):
    return BeautifulSoup(answers.resolve(text, RECORDED, "01_a"), "html.parser")


def test_a_sentence_that_holds_carries_its_estimates():
    page = shown("First. {claim}`It *rises* <rises: supported everywhere>`, and more.")
    (span,) = page.select("span")
    assert page.get_text() == "First. It *rises*, and more."
    told = f"{SMALL}: supported, 5.0 [4.0, 6.0]; {LARGE}: supported, 5.0 [4.0, 6.0]"
    assert span["data-told"] == f"{claim('rises', YES)['statement']}\n{told}"
    assert span["tabindex"] == "0" and span["aria-description"] == span["data-told"]
    several = (
        f"{{claim}}`It <falls: not supported on {SMALL}; undecided on {LARGE}; rises: supported on {LARGE}>`"
    )
    assert shown(several).span["data-told"].count("inconclusive") == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{claim}`It falls <falls: supported everywhere>`", f"'It falls'.*falls is supported on {SMALL}"),
        (f"{{claim}}`It <falls: not supported on {SMALL}, {LARGE}>`", f"{LARGE}, and the record says inconclusive"),
        ("{claim}`It <gone: supported everywhere>`", f"'gone', which {SMALL} does not have; known: rises, falls"),
        ("{claim}`It <rises: supported on GPT-J>`", "rests on GPT-J, which is not on record"),
        ("{claim}`It <rises supported>`", "cannot be read"),
        ("{claim}`It rises`", "names no claim"),
        (f"{{value}}`in 98 of 100 cases <best on {SMALL}>`", "cannot|says 98"),
        (f"{{value}}`97 % <rises on {SMALL}>`", "says 97, and the record .* says 500"),
        (f"{{value}}`many <best on {SMALL}>`", "has no number"),
    ],
)  # fmt: skip
def test_a_sentence_that_does_not_hold_fails_by_name(text, why):
    with pytest.raises(IclnbError, match=f"01_a.*({why})"):
        answers.resolve(text, RECORDED, "01_a")


def test_values_are_compared_to_the_digits_that_are_written():
    for sentence in ("97 times in 100", "96.6 %"):
        assert shown(f"{{value}}`{sentence} <best on {SMALL}>`").get_text() == sentence
    assert shown(f"{{value}}`0.97 <best on {SMALL}>`").span["data-told"] == f"{SMALL}: 0.966"
    assert shown(f"{{value}}`five, 5.0 <rises on {SMALL}>`").span["data-told"] == f"{SMALL}: 5.0 [4.0, 6.0]"


def unbound(text: str) -> list[str]:
    """The sentences of an answer that state something and name no claim."""
    marked = answers.ROLE.sub("\0", re.sub(r"^\*\*[^*]+\*\*", "", text.strip()))
    sentences = re.split(r"(?<=[.!?])\s+", marked)
    return [one.strip() for one in sentences if "\0" not in one and not asks(one)]


def asks(sentence: str) -> bool:
    """Whether a sentence asks, points elsewhere or says what something means, and so states no finding."""
    return sentence.rstrip().endswith("?") or "](" in sentence or not sentence.strip(" \n.")


def test_sentences_without_a_claim_are_found():
    text = "**Answer.** {claim}`It rises <rises: supported everywhere>`. Does it fall? It does not. See [there](x)."
    assert unbound(text) == ["It does not."]
    assert answers.mentioned([text, "{value}`97 <best on x>`"]) == {"rises", "best"}


def written():
    """Every notebook whose answer rests on records."""
    for name in notebooks.names(ROOT):
        cells = notebooks.read(ROOT / "notebooks" / f"{name}.py").cells
        texts = [
            c.source for c in cells if c.cell_type == "markdown" and "answer" in c.metadata.get("tags", ())
        ]
        if any(answers.ROLE.search(text) for text in texts):
            yield name, texts


@pytest.mark.parametrize(("name", "texts"), list(written()))
def test_no_answer_of_the_book_states_a_finding_without_a_claim(name, texts):
    source = Path(ROOT / "notebooks" / f"{name}.py").read_text(encoding="utf-8")
    ids = set(re.findall(r'"([a-z][\w-]+)",\n', source))
    kinds = tuple(re.findall(r'claim_each\(\s*\w+,\s*"([\w-]+)"', source))  # one for each wording of labels
    unknown = {id for id in answers.mentioned(texts) - ids if not id.startswith(kinds)}
    assert not unknown, "an answer names a claim that the notebook does not make"
    assert not [sentence for text in texts if answers.ROLE.search(text) for sentence in unbound(text)]
