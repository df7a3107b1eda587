"""The revision that a result names: the commit of this very code, or a reason why there is none."""

import pytest
from throwaway import git

from iclnb.errors import IclnbError
from iclnb.provenance import changes, provenance, revision


def code(folder):
    (folder / "iclnb").mkdir(parents=True)
    (folder / "notebooks").mkdir()
    (folder / "_toc.yml").touch()
    (folder / "iclnb" / "it.py").write_text("x = 1\n")
    return folder


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one commit, as the working directory."""
    folder = code(tmp_path / "checkout")
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    monkeypatch.chdir(folder)
    return folder


def test_the_commit_and_whether_what_computes_differs_from_it(checkout):
    commit = git(checkout, "rev-parse", "HEAD")
    assert revision(checkout) == provenance()["revision"] == commit and "no_revision" not in provenance()
    (checkout / "prose.md").write_text("x")  # computes nothing
    assert revision(checkout) == commit and changes(checkout) == ""
    (checkout / "iclnb" / "new.py").touch()
    (checkout / "iclnb" / "it.py").write_text("x = 2\n")
    assert revision(checkout) == commit + "+changes"
    assert changes(checkout).splitlines() == [" M iclnb/it.py", "?? iclnb/new.py"]


@pytest.mark.parametrize("ignored", [False, True])
def test_a_zip_unpacked_in_another_repository_is_not_of_its_commit(checkout, monkeypatch, ignored):
    unpacked = code(checkout / "vendor" / "book")
    if ignored:
        (checkout / ".gitignore").write_text("vendor\n")
    monkeypatch.chdir(unpacked)
    found = provenance()
    assert found["revision"] is None
    assert found["no_revision"] == f"{unpacked} lies in a git repository that does not have its files"
    for ask in (revision, changes):
        with pytest.raises(IclnbError, match="does not have its files"):
            ask(unpacked)
    git(checkout, "add", "-f", ".")  # of a project that keeps the book as a part of its own
    git(checkout, "commit", "-m", "second")
    assert provenance()["revision"] == git(checkout, "rev-parse", "HEAD")


def test_why_there_is_no_revision_is_said(checkout, tmp_path, monkeypatch):
    def reason(folder):
        with pytest.raises(IclnbError) as error:
            revision(folder)
        return str(error.value)

    assert "plain: fatal: not a git repository" in reason(code(tmp_path / "plain"))
    git(code(tmp_path / "empty"), "init")
    git(tmp_path / "empty", "add", ".")
    assert "does not have any commits yet" in reason(tmp_path / "empty")
    monkeypatch.setenv("PATH", "/nowhere")
    assert "git cannot be run" in reason(checkout) and "git cannot be run" in provenance()["no_revision"]


def test_a_checkout_of_another_user_is_named_as_such(checkout, tmp_path, monkeypatch):
    """git refuses it ("dubious ownership"); here it is made to take this user for another."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(IclnbError, match=r"dubious ownership.*git config --global --add safe\.directory"):
        revision(checkout)
