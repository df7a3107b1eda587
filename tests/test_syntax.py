"""Source is parsed by one thread at a time."""

import ast
import time
from threading import Barrier, Thread

from throwaway import ROOT

from iclnb import syntax

NESTED = f"x = {'(' * 50}1{', )' * 50}\n" + "def f():\n    return [i for i in range(3)]\n" * 50


def test_threads_parse_one_after_the_other(monkeypatch):
    parsing, most, together = [], [], Barrier(4)

    def slowly(*words, parse=ast.parse, **how):
        parsing.append(1)
        most.append(len(parsing))
        time.sleep(0.02)  # without a lock the others are here by now
        parsing.pop()
        return parse(*words, **how)

    def work():
        together.wait()
        syntax.tree(NESTED)

    monkeypatch.setattr(ast, "parse", slowly)
    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4


def test_nothing_of_the_package_parses_past_the_lock():
    files = [path for path in (ROOT / "iclnb").rglob("*.py") if "ast.parse(" in path.read_text("utf-8")]
    assert files == [ROOT / "iclnb" / "syntax.py"]
