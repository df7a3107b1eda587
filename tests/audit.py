"""Pages held against what every reader needs, in Chromium driven by Playwright: axe-core and more."""

import itertools
import urllib.parse
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from browser import CHROMIUM
from playwright.sync_api import TimeoutError, sync_playwright

SCHEMES = ("light", "dark")
SERIOUS = {"serious", "critical"}
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
"""Axe-core's rules that a second colour scheme has to be asked; the others do not look at colours."""

THEMES_OWN = ("Got invalid theme mode",)
"""What the theme itself writes to the console before a reader has chosen a scheme."""

BUDGET = 1.5e6
"""Bytes of a page without its libraries."""

IMAGES = """images => images.filter(i => !(i.alt || "").trim() || !i.getAttribute("width")
  || !i.getAttribute("height")).map(i => i.outerHTML.slice(0, 80))"""
HEADINGS = """headings => headings.map(h => +h.tagName[1])"""
OPEN = """() => {
  for (const fold of document.querySelectorAll("article details")) fold.open = true;
  for (const fold of document.querySelectorAll(".toggle-hidden")) fold.classList.remove("toggle-hidden");
  for (const animation of document.getAnimations()) animation.finish();  // what unfolds fades in
}"""


@contextmanager
def browser():
    """Debian's Chromium, which asks for nothing but the pages."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@contextmanager
def opened(browser, address, *, width=1400, scheme="light"):
    """A page at an address, drawn, and what went wrong meanwhile (console and requests)."""
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page, faults = context.new_page(), []

    def said(message):
        if message.type == "error" and not message.text.startswith(THEMES_OWN):
            faults.append(f"console: {message.text} {message.location.get('url', '')}")

    def asked(request):
        host = urllib.parse.urlsplit(request.url).hostname
        if host not in {None, "127.0.0.1"}:
            faults.append(f"asked another host: {request.url}")

    page.on("console", said)
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    page.on("request", asked)
    page.on("requestfailed", lambda request: faults.append(f"failed: {request.url[:90]}"))
    page.goto(address)
    page.evaluate("window.MathJax && MathJax.startup && MathJax.startup.promise.then(() => 0)")
    yield page, faults
    context.close()


def audit(browser, address, *, width, schemes=SCHEMES):
    """Everything wrong with one page, as lines; none of a good one.

    Console errors, requests that fail or leave the page, sideways scroll, images without a size or an
    alternative text, headings that skip a level, and what axe-core calls serious or critical, in one colour
    scheme after the other.
    """
    with opened(browser, address, width=width, scheme=schemes[0]) as (page, faults):
        page.evaluate(OPEN)
        if page.evaluate("document.documentElement.scrollWidth") > width:
            faults.append("scrolls sideways")
        faults += [
            f"no size or alternative text: {i}" for i in page.eval_on_selector_all("article img", IMAGES)
        ]
        levels = page.eval_on_selector_all("article :is(h1, h2, h3, h4)", HEADINGS)
        faults += [f"h{a} before h{b}" for a, b in itertools.pairwise(levels) if b > a + 1]
        found = list(faults)  # axe asks for style sheets of its own
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme)
            rules = {} if scheme == schemes[0] else COLOURS
            found += [f"{scheme}: {line}" for line in in_scheme(page, scheme, rules)]
        return found


def in_scheme(page, scheme, rules):
    """What is wrong with an open page in a colour scheme, by some of axe-core's rules or by all."""
    try:
        page.wait_for_function("s => document.documentElement.dataset.theme == s", arg=scheme, timeout=5000)
    except TimeoutError:
        yield "does not follow the scheme"
    page.evaluate(OPEN)
    found = Axe().run(page, options={"resultTypes": ["violations"], **rules})
    for rule in found.response["violations"]:
        if rule["impact"] in SERIOUS:
            where = "; ".join(node["html"][:120] for node in rule["nodes"][:3])
            yield f"axe {rule['id']} ({len(rule['nodes'])}): {where}"
