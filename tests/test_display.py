"""Tables and text: whatever data hold is shown letter by letter, by the parser that makes the pages."""

import math
from decimal import ROUND_HALF_EVEN, Context, Decimal

import numpy as np
import pytest
import yaml
from bs4 import BeautifulSoup
from hypothesis import example, given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display as ipython_display
from myst_parser.config.main import MdParserConfig
from myst_parser.mdit_to_docutils.base import DocutilsRenderer
from myst_parser.parsers.mdit import create_md_parser
from throwaway import ROOT

from iclnb import display
from iclnb.stats import Estimate, exact

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
PARSER = create_md_parser(
    MdParserConfig(enable_extensions=set(CONFIG["parse"]["myst_enable_extensions"])), DocutilsRenderer
)
HOSTILE = [
    "<script>alert(1)</script>", "<!-- gone", "&lt;b&gt; &amp;", "{ref}`here`", "{{ name }}", "```python",
    "`````{note}", "~~~~", ":::{admonition} A", "$x$ and $$y$$", "costs $5, then $6",
    r"\(x\) and \begin{equation}", "a | b || c", "*stars* __lines__ ~~gone~~ a_b_c", "# heading", "#hash",
    "- item", "+ item", "* item", "1. first", "12) twelfth", "> quoted", "---", "===", "+++", "% comment",
    "(target)=", ": definition", "[link](http://x) ![i](j) [^1] [a][b]", "- [ ] task", "<http://x>",
    "back\\slash\\\\", "trailing \\", "`", "'quotes' \"too\"", "{#id .class}", "line\nbreak  \nand\ttab",
    "term\n: meaning", "\u00a0 \u2028 spaces", "",
]  # fmt: skip
ANY = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))) | st.text(
    "1.)\\`*_{}[]<>|$~&#+:%(=-^!@\"' ax\n"
)


def kinds(markdown):
    """Types of the blocks, and of what stands in lines, with the text shown."""
    tokens = PARSER.parse(markdown)
    inline = [child for token in tokens for child in token.children or ()]
    text = "".join(child.content for child in inline)
    return {token.type for token in tokens}, {child.type for child in inline}, text


def check_escaped(text):
    shown = " ".join(text.split())
    for before, after in (("", ""), ("before ", " after"), ("(", ")")):
        blocks, inline, content = kinds(before + display.escape(text) + after)
        if before + shown + after:
            assert blocks == {"paragraph_open", "inline", "paragraph_close"}, (text, blocks)
            assert inline == {"text"}, (text, inline)
        assert content == (before + shown + after).strip()
    blocks, inline, content = kinds(display.table(["name", "n"], [[text, 1]]).data)
    assert "table_open" in blocks and inline == {"text"} and content == f"namen{shown}1"


def test_hostile_text_is_shown_letter_by_letter():
    for text in HOSTILE:
        check_escaped(text)


@given(ANY)
def test_any_text_is_shown_letter_by_letter(text):
    check_escaped(text)


def test_text_of_ours_is_markdown():
    blocks, inline, _ = kinds(display.table(["*a*"], [[display.Author("**bold** $x$")]]).data)
    assert {"em_open", "strong_open", "math_inline"} <= inline and "table_open" in blocks


def test_text_of_ours_is_markdown_in_a_notebook_and_readable_in_a_script(capsys):
    text = display.Author("Results: `here`")
    shown, _ = InteractiveShell().display_formatter.format(text)
    assert shown["text/markdown"] == text
    ipython_display(text)  # outside IPython
    assert capsys.readouterr().out == "Results: `here`\n"


FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(FLOATS, st.integers(1, 8))
def test_a_number_is_rounded_as_decimal_arithmetic_rounds_it(value, digits):
    context = Context(prec=digits, rounding=ROUND_HALF_EVEN, Emin=-400, Emax=400)
    assert Decimal(display.number(value, digits, dust=0)) == context.create_decimal(Decimal(value))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "n/a"), (math.nan, "n/a"), (-math.inf, "n/a"), (0.12345, "0.123"), (np.float32(0.5), "0.5"),
        (12345, "12345"), (np.int64(7), "7"), (True, "yes"), (np.bool_(False), "no"), ("a|b", r"a\|b"),
        (exact(0.25), "0.25"), (Estimate(1 / 3, -1 / 3, math.nan), "0.3 [-0.3, n/a]"), (12345.0, "12300"),
        (Estimate(*np.array([[0.1], [0.05], [0.2]])).at(0), "0.10 [0.05, 0.20]"), (0.0, "0"), (2.0, "2"),
        (-3.7e-17, "0"), (-0.0, "0"), (2e9, "2e+09"), (math.nan, "n/a"),
    ],
)  # fmt: skip
def test_values_in_cells(value, shown):
    assert display.cell(value) == shown


@pytest.mark.parametrize(
    ("estimate", "shown"),
    [
        # the three examples of the Particle Data Group's introduction: 0.827 +- 0.119, 0.367 and 0.957
        ((0.827, 0.708, 0.946), "0.83 [0.71, 0.95]"), ((0.827, 0.46, 1.194), "0.8 [0.5, 1.2]"),
        ((0.827, -0.13, 1.784), "0.8 [-0.1, 1.8]"),
        ((-3.7e-17, -0.247, 0.247), "0 [-0.25, 0.25]"), ((9.71e-17, 0, 1.49e-16), "0"),
        ((0.003, -0.25, 0.25), "0 [-0.25, 0.25]"), ((1, 1, 1), "1"),
        ((3.2e-7, 1.1e-7, 5.3e-7), "3.2e-07 [1.1e-07, 5.3e-07]"), ((1234, 1110, 1361), "1230 [1110, 1360]"),
        ((2e9, 1e9, 3e9), "2.0e+09 [1.0e+09, 3.0e+09]"),
        ((0.97300001, 0.973, 0.97300003), "0.9730 [0.9730, 0.9730]"), ((5, -math.inf, 6), "5.0 [n/a, 6.0]"),
        ((1 / 3, math.nan, math.nan), "0.333 [n/a, n/a]"), ((math.nan,) * 3, "n/a [n/a, n/a]"),
    ],
)  # fmt: skip
def test_an_interval_says_how_many_digits_there_are(estimate, shown):
    assert display.interval_text(*estimate) == shown


@given(st.tuples(*[st.floats(-1e9, 1e9)] * 3), st.lists(st.floats(-2, 2), max_size=2))
def test_any_interval_shown_is_near_the_one_measured_and_on_the_same_side(estimate, bounds):
    low, value, high = sorted(estimate)
    text = display.interval_text(value, low, high, bounds)
    if "[" not in text:
        assert high - low <= 2e-12 * max(1, abs(low), abs(high))
        return
    numbers = [float(part.strip("[],")) for part in text.split()]
    for shown, measured in zip(numbers, (value, low, high), strict=True):
        # within a fifth of the interval's half width, or of the four digits of its largest number
        assert abs(shown - measured) <= max(0.15 * (high - low), 5.01e-4 * max(abs(low), abs(high)))
    for bound in bounds:
        assert not (low - 1e-12 > bound >= numbers[1]) and not (high + 1e-12 < bound <= numbers[2])


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="expected 2 cells, got 1"):
        display.table(["a", "b"], [[1, 2], [3]])


@example("\n")
@example("\n\na\n")
@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\x00")) | st.sampled_from(HOSTILE))
def test_prompts_are_shown_with_their_lines_and_nothing_is_interpreted(text):
    (tag,) = BeautifulSoup(display.verbatim(text).data, "html.parser").find_all()
    assert tag.name == "pre" and tag.text == f"\n{text}"  # browsers drop a line break right after <pre>
    assert {"mathjax_ignore", "tex2jax_ignore"} <= set(tag["class"])
