"""Pages held against what every reader needs, in Chromium driven by Playwright: axe-core and more."""

import itertools
import urllib.parse
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from browser import CHROMIUM, HEIGHT, WIDTHS
from playwright.sync_api import TimeoutError, sync_playwright

SCHEMES = ("light", "dark")
SERIOUS = {"serious", "critical"}
COLOURS = ("color-contrast", "link-in-text-block")
"""Axe-core's rules that every colour scheme has to be asked; the others do not look at colours."""

THEMES_OWN = ("Got invalid theme mode",)
"""What the theme itself writes to the console before a reader has chosen a scheme."""

BUDGET = 1.5e6
"""Bytes of a page without its libraries."""

CHART = r"/^(heat ?maps?|maps?|scatter|bars?|lines?|curves?|[a-z]+ panels?)\b/i"
ALTS = f"""images => images.map(i => i.alt).filter(alt => !/[0-9]/.test(alt) || {CHART}.test(alt))
  .map(alt => alt.slice(0, 80))"""
IMAGES = """images => images.filter(i => !(i.alt || "").trim() || !i.getAttribute("width")
  || !i.getAttribute("height")).map(i => i.outerHTML.slice(0, 80))"""
HEADINGS = """headings => headings.map(h => +h.tagName[1])"""
FORMULAS = """() => [
  ...[...document.querySelectorAll(".math.notranslate")].filter(e => !e.querySelector("mjx-container > svg"))
    .map(e => "formula not drawn: " + e.textContent.slice(0, 40)),
  ...[...document.querySelectorAll("[data-mml-node=merror], [data-mml-node=mtext][fill=red]")]
    .map(e => "MathJax does not understand: " + e.closest("p, div, li, td").textContent.slice(0, 40)),
]"""
ANSWER = """() => {
  const answer = [...document.querySelectorAll("p > strong")].find(e => e.textContent.startsWith("Answer"));
  return answer && answer.getBoundingClientRect().top + scrollY;
}"""
OPEN = """() => {
  for (const fold of document.querySelectorAll("article details")) fold.open = true;
  for (const fold of document.querySelectorAll(".toggle-hidden")) fold.classList.remove("toggle-hidden");
  for (const animation of document.getAnimations()) animation.finish();  // what unfolds fades in
}"""
FRAME = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
LAYOUT = """smallest => {
  const root = document.documentElement, article = document.querySelector("article"), wrong = [];
  if (root.scrollWidth > root.clientWidth) wrong.push("scrolls sideways");
  const right = e => e.getBoundingClientRect().right;
  for (const e of article.querySelectorAll("*")) {
    if (e.closest("mjx-container, .math, .charts svg, .sr-only") || e.matches("p:has(mjx-container)")) continue;
    const scrolls = e.clientWidth && e.scrollWidth > e.clientWidth + 1
      && getComputedStyle(e).overflowX != "visible";
    const out = e.textContent.trim() && right(e) > right(article) + 1;
    if (scrolls || out) wrong.push(`too wide: ${e.tagName}.${e.className} ${e.textContent.slice(0, 30)}`);
  }
  for (const image of article.querySelectorAll("img")) {
    const sources = [...image.parentElement.querySelectorAll("source")];
    const used = sources.find(source => matchMedia(source.media).matches) || image;
    const size = used.dataset.text * image.getBoundingClientRect().width / used.getAttribute("width");
    if (size < smallest) wrong.push(`text of ${size.toFixed(1)} px in a figure: ${image.alt.slice(0, 60)}`);
  }
  return wrong;
}"""
TWINS = """() => {
  const keys = new Map(), seen = {}, every = [...document.body.querySelectorAll("*")];
  for (const e of every) {
    const own = `${e.tagName}.${e.getAttribute("class")}.${e.getAttribute("style")}`;
    const key = `${keys.get(e.parentElement) || ""}>${own}`;
    keys.set(e, key);
    seen[key] = (seen[key] || 0) + 1;
    e.again = seen[key] > 2;
  }
  for (const e of every.reverse()) {
    e.again = e.again && [...e.children].every(child => child.again);
    e.toggleAttribute("data-twin", e.again);
  }
}"""
"""Marks all but the first two of elements that look alike by their tags, classes and styles and those of all
around them: their colours are the same, and axe-core takes most of its time for colours."""

READABLE = 11
"""Pixels: text in figures is not smaller."""

SCREEN = HEIGHT - 60
"""Pixels from the top by which a chapter's answer begins."""


@contextmanager
def browser():
    """Debian's Chromium, which asks for nothing but the pages."""
    with sync_playwright() as playwright:
        offline = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", offline])
        yield found
        found.close()


@contextmanager
def opened(browser, address, *, width=1400, scheme="light"):
    """A page at an address, drawn, and what went wrong meanwhile (console and requests)."""
    context = browser.new_context(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme)
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


def layout(page, width):
    """What is wrong with an open page at a width, folded or not: what scrolls, stands out or is too small."""
    resize(page, width)
    return [f"at {width}: {line}" for line in page.evaluate(LAYOUT, READABLE)]


def answer(page, width):
    """Where a chapter's answer begins at a width, in pixels from the top; ``None`` without one."""
    resize(page, width)
    return page.evaluate(ANSWER)


def resize(page, width):
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.evaluate(FRAME)


def audit(browser, address, *, widths=WIDTHS, schemes=SCHEMES):
    """Everything wrong with one page, as lines; none of a good one.

    Console errors, requests that fail or leave the page, formulas that are not drawn, an answer below the
    first screen, images without a size or an alternative text, headings that skip a level; at every width
    what :func:`layout` finds; and what axe-core calls serious or critical at the first width, colours in one
    scheme after the other.
    """
    with opened(browser, address, width=widths[0], scheme=schemes[0]) as (page, faults):
        faults += page.evaluate(FORMULAS)
        tops = {width: answer(page, width) for width in widths}
        faults += [
            f"at {width}: the answer is at {top}" for width, top in tops.items() if top and top > SCREEN
        ]
        page.evaluate(OPEN)
        faults += [line for width in reversed(widths) for line in layout(page, width)]
        images = page.eval_on_selector_all("article img", IMAGES)
        faults += [f"no size or alternative text: {image}" for image in images]
        alts = page.eval_on_selector_all("article .iclnb-picture img", ALTS)
        faults += [f"alternative text without a finding: {alt}" for alt in alts]
        levels = page.eval_on_selector_all("article :is(h1, h2, h3, h4)", HEADINGS)
        faults += [f"h{a} before h{b}" for a, b in itertools.pairwise(levels) if b > a + 1]
        found = list(faults)  # axe asks for style sheets of its own
        found += axe(page, {"rules": {rule: {"enabled": False} for rule in COLOURS}})
        page.evaluate(TWINS)
        page.add_style_tag(content="[data-twin] { visibility: hidden !important }")
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme)
            found += [f"{scheme}: {line}" for line in in_scheme(page, scheme)]
        return found


def in_scheme(page, scheme):
    """What is wrong with the colours of an open page in a scheme."""
    try:
        page.wait_for_function("s => document.documentElement.dataset.theme == s", arg=scheme, timeout=5000)
    except TimeoutError:
        yield "does not follow the scheme"
    page.evaluate(OPEN)
    yield from axe(page, {"runOnly": list(COLOURS)})


def axe(page, rules):
    """What axe-core calls serious or critical, by some of its rules."""
    found = Axe().run(page, options={"resultTypes": ["violations"], **rules})
    for rule in found.response["violations"]:
        if rule["impact"] in SERIOUS:
            where = "; ".join(node["html"][:120] for node in rule["nodes"][:3])
            yield f"axe {rule['id']} ({len(rule['nodes'])}): {where}"
