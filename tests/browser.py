"""Pages in a headless Chromium: what it draws, and what it measures at the width of a desktop or a phone."""

import functools
import html
import http.server
import itertools
import json
import re
import shutil
import subprocess
import threading
from contextlib import contextmanager

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
    "--allow-file-access-from-files", "--virtual-time-budget=20000", "--enable-logging=stderr", "--dump-dom",
    "--window-size=1600,1000", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
WIDTHS = (1400, 900, 390)
HEIGHT = 844

PROBE = """<!doctype html><title>probe</title>
<script>
const measured = async (frame, width) => {
  const page = frame.contentWindow, body = frame.contentDocument;
  if (page.MathJax && page.MathJax.startup) await page.MathJax.startup.promise;
  const answer = body.querySelector(".tag_answer .cell_output");
  const top = answer && answer.getBoundingClientRect().top;
  for (const fold of body.querySelectorAll("details")) fold.open = true;
  for (const fold of body.querySelectorAll(".toggle-hidden")) fold.classList.remove("toggle-hidden");
  const root = body.documentElement, article = body.querySelector("article");
  const right = e => e.getBoundingClientRect().right, parts = [...article.querySelectorAll("*")];
  const formula = e => e.closest("mjx-container, .math") || e.matches("p:has(mjx-container)");
  const scrolls = e => e.clientWidth && e.scrollWidth > e.clientWidth + 1
    && page.getComputedStyle(e).overflowX != "visible";
  const out = e => e.textContent.trim() && right(e) > right(article) + 1;
  const name = e => `${e.tagName}.${e.className} ${e.scrollWidth} ${e.textContent.slice(0, 30)}`;
  const faults = parts.filter(e => !formula(e) && (scrolls(e) || out(e))).map(name);
  return {
    scroll: root.scrollWidth, client: root.clientWidth, page: page.location.pathname, faults, answer: top,
    formulas: body.querySelectorAll("mjx-container").length,
  };
};
window.onload = async () => {
  const seen = [];
  for (const [page, width] of PLACES) {
    const frame = document.createElement("iframe");
    frame.style = `border: 0; width: ${width}px; height: HEIGHTpx`;
    const loaded = new Promise(done => { frame.onload = done; });
    frame.src = page;
    document.body.append(frame);
    await loaded;
    seen.push(await measured(frame, width));
    frame.remove();
  }
  document.title = "probe " + JSON.stringify(seen);
};
</script>
<body></body>
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        """Nothing: a failing test shows what was measured."""

    def end_headers(self):
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


@contextmanager
def served(folder):
    """The address of a folder; a page may look into a frame of its own host only."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def opened(address, profile, *words, timeout=120):
    """Standard output (the page as drawn) and standard error of the browser at an address."""
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *words, address]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=True)


def measured(folder, address, pages, widths, profile):
    """What pages measure in frames of some widths; the browser's windows are never narrower than 500.

    Returns:
        For each page and width, in this order, ``scroll`` and ``client``: widths in pixels; ``faults``:
        parts, folded too, that scroll sideways or stand out to the right (formulas apart); ``answer``: where
        the answer begins, in pixels from the top; ``page``; ``formulas``: their number.
    """
    places = [(str(page), width) for page, width in itertools.product(pages, widths)]
    text = PROBE.replace("PLACES", json.dumps(places)).replace("HEIGHT", str(HEIGHT))
    probe = folder / "probe.html"
    probe.write_text(text)
    try:
        budget = f"--virtual-time-budget={20_000 * len(places)}"
        done = opened(f"{address}/{probe.name}", profile, budget, timeout=120 + 10 * len(places))
    finally:
        probe.unlink()
    title = re.search(r"<title>probe (\[.*?\])</title>", done.stdout, flags=re.DOTALL)
    assert title, done.stdout[-2000:] + done.stderr[-2000:]
    found = json.loads(html.unescape(title[1]))
    for (page, width), seen in zip(places, found, strict=True):
        assert seen["client"] == width and seen["page"].endswith(page), seen
    return found
