"""Pictures that are kept: the same as drawn anew, and drawn anew when data or code changed."""

import re

import pytest

from iclnb.site import bench, picture_cache

SERIES = {"ours": [(10, 1.0), (20, 2.0)], "theirs": [(10, 3.0), (20, 9.0)]}


@pytest.fixture
def draws(monkeypatch):
    """Counts figures that are made."""
    made = []
    subplots = bench.plt.subplots
    monkeypatch.setattr(bench.plt, "subplots", lambda **kw: made.append(1) or subplots(**kw))
    return made


def told(page):
    return re.search(r'alt="([^"]*)"', page)[1]


def test_a_picture_is_drawn_once_for_the_same_data_and_code(tmp_path, draws, monkeypatch):
    first = picture_cache.html(bench.growth, SERIES, tmp_path)
    assert first == bench.growth(SERIES)._repr_html_()
    assert picture_cache.html(bench.growth, dict(SERIES), tmp_path) == first
    assert len(draws) == 2

    other = picture_cache.html(bench.growth, {**SERIES, "theirs": [(10, 3.0), (20, 8.0)]}, tmp_path)
    assert len(draws) == 3 and "theirs 9" in told(first) and "theirs 8" in told(other)

    files = []
    monkeypatch.setattr(picture_cache, "fingerprint", lambda paths: files.extend(paths) or "changed code")
    assert picture_cache.html(bench.growth, SERIES, tmp_path) == first
    assert len(draws) == 4
    assert {"bench.py", "legible.py"} <= {path.name for path in files}
