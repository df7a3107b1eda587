"""What Jupyter Book's pages need for readers who do not see them."""

from pathlib import Path

CITATIONS = '<div role="list" class="citation-list">'
"""Claims to be a list, but its entries are no list items, so that screen readers find an empty list."""


def correct(html: Path) -> None:
    """Correct the pages of a built book in place.

    Args:
        html: the folder of its pages.
    """
    for page in html.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if CITATIONS in text:
            page.write_text(text.replace(CITATIONS, '<div class="citation-list">'), encoding="utf-8")
