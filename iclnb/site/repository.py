"""The repository's address, and what follows from it: links, launch buttons, the cell for Colab."""

from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import yaml
from nbformat import NotebookNode

COLAB = "colab"  # The branch that has the notebooks for Colab: with `CELL`, which the repository's own lack

CELL = """# In Colab this installs the book's package first (a few minutes); elsewhere it does nothing.
import sys

if "google.colab" in sys.modules:
    print("installing the package of this book; if Colab asks, restart the session and run all cells")
    %pip install --quiet "iclnb @ git+{url}@{branch}"
"""

LAUNCH = {"binderhub_url": "https://mybinder.org", "colab_url": "https://colab.research.google.com"}


class Repository(NamedTuple):
    """Where the sources are published."""

    url: str  # without a slash at the end; empty where there is none yet
    branch: str  # that is read

    def file(self, place: str) -> str:
        """The address of a file, given by its path in the checkout; empty where there is no repository."""
        return f"{self.url}/blob/{self.branch}/{place}" if self.url else ""


def read(project: Path) -> Repository:
    """The repository that a checkout's ``_config.yml`` names."""
    config = project / "_config.yml"
    return _of(yaml.safe_load(config.read_text(encoding="utf-8")) if config.is_file() else {})


def _of(config: dict[str, Any]) -> Repository:
    named = config.get("repository") or {}
    return Repository((named.get("url") or "").rstrip("/"), named.get("branch") or "main")


def configuration(config: dict[str, Any]) -> dict[str, Any]:
    """Jupyter Book's settings, with everything that follows from ``repository: url``.

    Once that address is set, pages have a button for the repository, and notebooks for Binder and Colab;
    further buttons (``launch_buttons``) stay as they are.
    """
    url, branch = _of(config)
    repository = {"path_to_book": "", **(config.get("repository") or {}), "url": url, "branch": branch}
    html = {**config.get("html", {}), "use_repository_button": bool(url), "use_issues_button": bool(url)}
    launch = (LAUNCH if url else dict.fromkeys(LAUNCH, "")) | (config.get("launch_buttons") or {})
    return {**config, "repository": repository, "html": html, "launch_buttons": {"thebe": False, **launch}}


def for_colab(notebook: NotebookNode, repository: Repository) -> NotebookNode:
    """A notebook, changed in place: below its title a cell that installs the package where Colab runs it."""
    if repository.url:
        text = CELL.format(url=repository.url, branch=repository.branch).strip()
        cell = nbformat.v4.new_code_cell(text, id="install-in-colab", metadata={"tags": ["hide-input"]})
        notebook.cells.insert(1, cell)
    return notebook


def colab_links(page: str, repository: Repository) -> str:
    """A page's HTML with buttons for Colab that lead to the branch :data:`COLAB`."""
    at = repository.url.removeprefix("https://github.com/")
    start = f"{LAUNCH['colab_url']}/github/{at}/blob/"
    return page.replace(f"{start}{repository.branch}/", f"{start}{COLAB}/") if repository.url else page
