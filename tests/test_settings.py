"""Settings of a run: defaults by profile, and values of the annotated type whoever gives them."""

# ruff: noqa: UP007, UP045 (notebooks write Optional: papermill does not read `X | None`)
from typing import Optional, Union

import pytest

from iclnb.errors import IclnbError
from iclnb.settings import PROFILES, by_profile, kinds_of, parse, read


def namespace(annotations, **values):
    """A notebook's variables below its parameters cell."""
    return {"__annotations__": annotations, "unrelated": object(), **values}


DEFAULTS = {
    "annotations": {"profile": str, "k": int, "rate": float, "revision": Optional[str], "sizes": tuple},
    "profile": "laptop",
    "k": by_profile(4, 16, 32),
    "rate": by_profile(0.5, 1, 2.0),
    "revision": None,
    "sizes": by_profile((1, 2), (3,), ()),
}


@pytest.mark.parametrize(
    ("profile", "chosen"),
    [("smoke", (4, 0.5, (1, 2))), ("laptop", (16, 1.0, (3,))), ("paper", (32, 2.0, ()))],
)
def test_every_profile_has_its_defaults_in_the_order_of_the_cell(profile, chosen):
    settings = read(namespace(**DEFAULTS | {"profile": profile}))
    assert (settings.k, settings.rate, settings.sizes) == chosen and type(settings.rate) is float
    assert list(vars(settings)) == ["profile", "k", "rate", "revision", "sizes"]


def test_a_given_value_takes_the_place_of_every_profiles_default():
    for profile in PROFILES:
        settings = read(namespace(**DEFAULTS | {"profile": profile, "k": 7, "revision": "abc"}))
        assert (settings.k, settings.revision) == (7, "abc")


def test_an_unknown_profile_is_refused_with_those_there_are():
    with pytest.raises(IclnbError, match="unknown profile 'huge'; known: laptop, paper, smoke"):
        read(namespace(**DEFAULTS | {"profile": "huge"}))


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (int, True, "x is True, a value of type bool; expected int"),
        (int, 2.0, "type float; expected int"),
        (int, None, "type None; expected int"),
        (float, True, "type bool"),
        (str, 12, "type int; expected str"),
        (Optional[int], 0.5, "expected None or int"),
        (int, "eight", "'eight' is not a value for x; expected int"),
        (bool, "1", "'1' is not a value for x; expected bool"),
        (float, 10**400, "too large"),
        (list, "[1]", "list, which a command line cannot give"),
        (int, by_profile("a", "b", "c"), "'a' is not a value for x"),
    ],
)
def test_a_value_of_another_type_is_refused(kind, value, message):
    with pytest.raises(IclnbError, match=message.replace("[", r"\[")):
        read(namespace({"x": kind}, x=value))


def test_a_setting_without_a_value_is_refused():
    with pytest.raises(IclnbError, match="x is None"):
        read(namespace({"x": int}))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, "-3", -3), (float, "1e-3", 0.001), (float, "2", 2.0), (bool, "true", True),
        (Optional[int], "none", None), (Optional[int], "4", 4),
        (int | str, "4", 4), (int | str, "x", "x"), (bool, "FALSE", False),
        (Union[float, None], "None", None), (bool | int, "1", 1),
    ],
)  # fmt: skip
def test_text_means_the_same_wherever_it_is_typed(kind, text, value):
    for got in (parse("x", kinds_of(kind), text), read(namespace({"x": kind}, x=text)).x):
        assert got == value and type(got) is type(value)


def test_text_stays_text():
    for text in ("12", "true", "None", ""):
        assert read(namespace({"x": str}, x=text)).x == text == parse("x", {"str"}, text)


def test_kinds_of_every_way_to_write_a_union():
    for annotation in (Optional[int], Union[int, None], int | None, None | int):
        assert kinds_of(annotation) == {"int", "None"}
    assert kinds_of(Optional[Union[int, float]]) == {"int", "float", "None"}
