"""Source is parsed by one thread at a time."""

import ast
import gc
from threading import Event, Thread, current_thread

import pytest
from throwaway import ROOT

from iclnb import syntax

NESTED = f"x = {'(' * 50}1{', )' * 50}\n" + "def f():\n    return [i for i in range(3)]\n" * 50


@pytest.fixture
def collected():
    """The collector calls a function in the middle of parsing, as it does by chance elsewhere."""
    before, added = gc.get_threshold(), []

    def call(function):
        added.append(function)
        gc.callbacks.append(function)
        gc.set_threshold(20, 1000, 1000)

    yield call
    gc.set_threshold(*before)
    for function in added:
        gc.callbacks.remove(function)


def parsed_in_the_middle_of_another(parse, collected):
    """What becomes of parsing in one thread, when another parses as soon as it is in the middle."""
    here, failures = current_thread(), []
    parsing, begun, other_done = Event(), Event(), Event()

    def other():
        begun.wait()
        parse(NESTED)
        other_done.set()

    def interrupt(phase, info):
        if current_thread() is here and parsing.is_set() and not begun.is_set():
            begun.set()
            other_done.wait(2)  # with a lock it cannot be done before this thread is

    thread = Thread(target=other)
    thread.start()
    collected(interrupt)
    parsing.set()
    try:
        parse(NESTED)
    except (SystemError, RecursionError) as error:
        failures.append(error)
    parsing.clear()
    interrupted = begun.is_set()
    begun.set()
    thread.join()
    assert interrupted, "nothing was collected while parsing"
    return failures


def test_two_threads_parse_one_after_the_other(collected):
    assert not parsed_in_the_middle_of_another(syntax.tree, collected)


def test_a_tree_is_that_of_python_and_no_python_is_refused():
    assert ast.dump(syntax.tree(NESTED)) == ast.dump(ast.parse(NESTED))
    with pytest.raises(SyntaxError, match=r"name\.py"):
        syntax.tree("1 +", "name.py")


def test_nothing_of_the_package_parses_past_the_lock():
    files = [path for path in (ROOT / "iclnb").rglob("*.py") if "ast.parse(" in path.read_text("utf-8")]
    assert files == [ROOT / "iclnb" / "syntax.py"]
