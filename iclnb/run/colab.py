"""The cell that makes a notebook start in Colab: there it installs the package, elsewhere nothing."""

from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode

CELL = """# In Colab this installs the book's package first (a few minutes); elsewhere it does nothing.
import sys

if "google.colab" in sys.modules:
    print("installing the package of this book; if Colab asks, restart the session and run all cells")
    %pip install --quiet "iclnb @ git+{url}@{branch}"
"""


def with_install(notebook: NotebookNode, project: Path) -> NotebookNode:
    """The notebook with that cell below its title, once ``_config.yml`` has the repository's address.

    Args:
        notebook: as its source describes it; changed in place.
        project: the checkout.
    """
    config = project / "_config.yml"
    content = yaml.safe_load(config.read_text(encoding="utf-8")) if config.is_file() else None
    repository = (content or {}).get("repository") or {}
    url = (repository.get("url") or "").rstrip("/")
    if url:
        text = CELL.format(url=url, branch=repository.get("branch") or "main").strip()
        cell = nbformat.v4.new_code_cell(text, id="install-in-colab", metadata={"tags": ["hide-input"]})
        notebook.cells.insert(1, cell)
    return notebook
