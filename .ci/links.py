"""Ask every outside address of the repository's text once; say which lead nowhere. Needs Python alone.

``python .ci/links.py --list`` only lists them.
"""

import re
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = ("*.md", "*.bib", "*.cff", "*.py", "*.toml", "*.yml")
LINK = re.compile(r"https?://[^\s<>\"'`)\]}|\\]+")
OURS = ("127.0.0.1", "localhost", "example.", "owner/name", "{", "$", "www.w3.org/2000")


def links() -> dict[str, list[str]]:
    """Every outside address, and the files that name it; tests and vendored files are left out."""
    listing = subprocess.run(["git", "ls-files", *TEXT], cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = {}
    for name in listing.stdout.split():
        if name.startswith(("tests/", "book/_assets/", ".ci/")):
            continue
        for link in LINK.findall((ROOT / name).read_text(encoding="utf-8")):
            link = link.rstrip(".,;:")
            if not any(part in link for part in OURS):
                found.setdefault(link, []).append(name)
    return found


def broken(link: str) -> str:
    """Why an address leads nowhere; empty where it leads somewhere, or its site only keeps programs out."""
    request = urllib.request.Request(link, headers={"User-Agent": "Mozilla/5.0 (weekly link check)"})
    try:
        with urllib.request.urlopen(request, timeout=30):
            return ""
    except urllib.error.HTTPError as error:
        return "" if error.code in {401, 403, 405, 429, 999} else f"{error.code} {error.reason}"
    except (OSError, ValueError) as error:
        return str(error)


def main() -> int:
    """The number of addresses that lead nowhere, at most 1 for the shell."""
    found = links()
    if "--list" in sys.argv:
        print("\n".join(sorted(found)))
        return 0
    with ThreadPoolExecutor(8) as pool:
        reasons = dict(zip(found, pool.map(broken, found), strict=True))
    for link, reason in sorted(reasons.items()):
        if reason:
            print(f"{link} ({', '.join(sorted(set(found[link])))}): {reason}")
    count = sum(map(bool, reasons.values()))
    print(f"{count} of {len(found)} outside links lead nowhere")
    return min(count, 1)


if __name__ == "__main__":
    sys.exit(main())
