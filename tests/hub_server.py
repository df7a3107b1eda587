"""A small hub on the loopback interface: the part of its protocol that its Python clients need."""

import hashlib
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Repository:
    """One repository: its commits (path -> content) and branches (name -> commit)."""

    commits: dict[str, dict[str, bytes]]
    branches: dict[str, str]
    gated: bool = False
    large: tuple[str, ...] = (".safetensors", ".gguf")

    def commit(self, revision: str) -> str | None:
        found = self.branches.get(revision, revision)
        return found if found in self.commits else None


@dataclass
class Hub:
    """All repositories by kind and id ("models/owner/name"), and what goes wrong on the way.

    Attributes:
        cut: path -> bytes after which the connection breaks, once.
        corrupt: paths whose last byte is sent wrong.
        requests: every request seen.
    """

    repositories: dict[str, Repository]
    cut: dict[str, int] = field(default_factory=dict)
    corrupt: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    url: str = ""


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def describe(repository, file, content):
    found = {"type": "file", "path": file, "size": len(content), "oid": digest(content)[:40]}
    if file.endswith(repository.large):
        found["lfs"] = {"oid": digest(content), "size": len(content), "pointerSize": 134}
    return found


class Handler(BaseHTTPRequestHandler):
    """Answers as the hub that its server holds does: what is where, and the files themselves."""

    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        return self.server.hub

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer()

    do_HEAD = do_GET

    def do_POST(self):
        size = int(self.headers.get("Content-Length", 0))
        self.answer(json.loads(self.rfile.read(size) or b"{}") if size else {})

    def answer(self, wanted=None):
        self.hub.requests.append(f"{self.command} {self.path}")
        path = self.path.split("?")[0]
        if found := re.match(r"/(?:(datasets)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            kind, name, revision, file = found.groups()
            self.file(self.hub.repositories.get(f"{kind or 'models'}/{name}"), revision, file)
        elif found := re.match(
            r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+))?", path
        ):
            kind, name, verb, revision = found.groups()
            repository = self.hub.repositories.get(f"{kind}/{name}")
            self.api(repository, name, verb or "revision", revision or "main", (wanted or {}).get("paths"))
        else:
            self.refuse(404, "not found")

    def api(self, repository, name, verb, revision, paths):
        """What a repository is, or which files it has."""
        commit = repository and repository.commit(revision)
        if commit is None:
            return self.refuse(404, "RepoNotFound" if repository is None else "RevisionNotFound")
        files = repository.commits[commit]
        if verb == "revision":
            listed = [{"rfilename": file} for file in files]
            return self.say(200, {"id": name, "sha": commit, "siblings": listed, "gated": repository.gated})
        listed = [describe(repository, f, c) for f, c in files.items() if not paths or f in paths]
        return self.say(200, listed)

    def file(self, repository, revision, file):
        """A file, or the part of it that is asked for."""
        commit = repository and repository.commit(revision)
        if commit is None:
            return self.refuse(404, "RepoNotFound" if repository is None else "RevisionNotFound")
        if file not in repository.commits[commit]:
            return self.refuse(404, "EntryNotFound")
        if repository.gated:
            return self.refuse(403, "GatedRepo", "Access to this gated repo is restricted.")
        content = repository.commits[commit][file]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{digest(content)[:40]}"', "Accept-Ranges": "bytes"}
        if file.endswith(repository.large):
            headers |= {"X-Linked-ETag": f'"{digest(content)}"', "X-Linked-Size": str(len(content))}
        if file in self.hub.corrupt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        start, status = 0, 200
        if found := re.match(r"bytes=(\d+)-", self.headers.get("Range") or ""):
            start, status = int(found[1]), 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        stop = self.hub.cut.pop(file, None) if self.command != "HEAD" else None
        return self.send(status, content[start:], headers, None if stop is None else stop - start)

    def refuse(self, status, code, words=None):
        self.say(status, {"error": words or code}, {"X-Error-Code": code, "X-Error-Message": words or code})

    def say(self, status, found, headers=None):
        self.send(status, json.dumps(found).encode(), {"Content-Type": "application/json"} | (headers or {}))

    def send(self, status, content, headers, stop=None):
        """Headers, and but for HEAD the content; up to ``stop`` if the connection breaks there."""
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:stop])
        if stop is not None:
            self.wfile.flush()
            self.close_connection = True


@contextmanager
def serve(hub: Hub):
    """The hub, answering at ``hub.url`` inside the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hub, hub.url = hub, f"http://127.0.0.1:{server.server_address[1]}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
