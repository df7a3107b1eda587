"""What the terminal says while notebooks run: chapter, cell, time so far, time left by the last run."""

import io
import json
import sys
import threading

import pytest
import tqdm

from iclnb.run import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def watched(monkeypatch):
    """A terminal in the place of standard error (in the test itself: pytest sets its own after fixtures)."""
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    return made


def test_a_line_names_the_cell_and_what_is_left_of_the_last_run(monkeypatch):
    terminal = watched(monkeypatch)
    with progress.bar("03_heads", 3, [5.0, 60.0, 10.0]) as starts:
        starts(cell=None, cell_index=1)
        assert "03_heads, cell 2 of 3, about 1 min 10 s left" in terminal.getvalue()
        starts(cell=None, cell_index=2)
        assert "cell 3 of 3, about 10 s left" in terminal.getvalue()
    assert terminal.getvalue().endswith(" \r"), "the line goes away"


@pytest.mark.parametrize("last", [[], [5.0, 60.0]])
def test_without_a_run_like_it_nothing_is_foretold(monkeypatch, last):
    terminal = watched(monkeypatch)
    with progress.bar("03_heads", 3, last) as starts:
        starts(cell=None, cell_index=1)
        said = terminal.getvalue()
    assert "cell 2 of 3" in said and "left" not in said


def test_where_nobody_watches_there_is_no_line(capsys):
    with progress.bar("03_heads", 3, []) as starts:
        starts(cell=None, cell_index=1)
    assert not capsys.readouterr().err


def test_times_of_cells_come_from_the_executed_notebook(tmp_path):
    cells = [{"metadata": {"papermill": {"duration": 1.5}}}, {"metadata": {}}]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells}))
    assert progress.durations(tmp_path / "a.ipynb") == [1.5, 0.0]


def test_lines_go_on_while_a_cell_runs(monkeypatch):
    watched(monkeypatch)
    refreshed, end = threading.Event(), threading.Event()
    thread = threading.Thread(target=end.wait, daemon=True)
    thread.start()
    watcher = threading.Thread(target=progress.tick, args=([thread],), daemon=True)
    with progress.bar("03_heads", 1, []):
        monkeypatch.setattr(tqdm.tqdm, "refresh", lambda *_, **__: refreshed.set())
        watcher.start()
        assert refreshed.wait(20)
        end.set()
        watcher.join(60)
        assert not watcher.is_alive()


def test_a_bar_that_another_thread_is_just_making_does_no_harm():
    made = tqdm.tqdm.__new__(tqdm.tqdm)  # among tqdm's own from here on, and without any attribute
    try:
        end = threading.Timer(1.5, lambda: None)
        end.start()
        progress.tick([end])
    finally:
        tqdm.tqdm._instances.discard(made)
