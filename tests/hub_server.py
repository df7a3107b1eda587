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


@contextmanager
def serve(hub: Hub):
    """The hub, answering at ``hub.url`` inside the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def do_POST(self):
            size = int(self.headers.get("Content-Length", 0))
            wanted = json.loads(self.rfile.read(size) or b"{}") if size else {}
            self.answer(body=True, wanted=wanted)

        def answer(self, *, body, wanted=None):
            hub.requests.append(f"{self.command} {self.path}")
            path = self.path.split("?")[0]
            if found := re.match(r"/(?:(datasets)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                kind, name, revision, file = found.groups()
                return self.file(hub.repositories.get(f"{kind or 'models'}/{name}"), revision, file, body)
            if found := re.match(
                r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+))?", path
            ):
                kind, name, verb, revision = found.groups()
                repository = hub.repositories.get(f"{kind}/{name}")
                return self.api(repository, name, verb or "revision", revision or "main", wanted, body)
            return self.send(404, {"error": "not found"}, body)

        def api(self, repository, name, verb, revision, wanted, body):
            commit = repository and repository.commit(revision)
            if repository is None:
                return self.send(404, {"error": "no such repository"}, body, {"X-Error-Code": "RepoNotFound"})
            if commit is None:
                return self.send(
                    404, {"error": "no such revision"}, body, {"X-Error-Code": "RevisionNotFound"}
                )
            files = repository.commits[commit]
            if verb == "revision":
                listed = [{"rfilename": file} for file in files]
                return self.send(
                    200, {"id": name, "sha": commit, "siblings": listed, "gated": repository.gated}, body
                )
            paths = (wanted or {}).get("paths")
            return self.send(
                200, [describe(repository, f, c) for f, c in files.items() if not paths or f in paths], body
            )

        def file(self, repository, revision, file, body):
            commit = repository and repository.commit(revision)
            code = "RepoNotFound" if repository is None else "RevisionNotFound" if commit is None else None
            if code is None and file not in repository.commits[commit]:
                code = "EntryNotFound"
            if code:
                return self.send(404, {"error": code}, body, {"X-Error-Code": code, "X-Error-Message": code})
            if repository.gated:
                words = "Access to this gated repo is restricted."
                return self.send(
                    403, {"error": words}, body, {"X-Error-Code": "GatedRepo", "X-Error-Message": words}
                )
            content = repository.commits[commit][file]
            headers = {"X-Repo-Commit": commit, "ETag": f'"{digest(content)[:40]}"', "Accept-Ranges": "bytes"}
            if file.endswith(repository.large):
                headers |= {"X-Linked-ETag": f'"{digest(content)}"', "X-Linked-Size": str(len(content))}
            if file in hub.corrupt:
                content = content[:-1] + bytes([content[-1] ^ 1])
            return self.content(file, content, headers, body)

        def content(self, file, content, headers, body):
            start, status = 0, 200
            if found := re.match(r"bytes=(\d+)-", self.headers.get("Range") or ""):
                start, status = int(found[1]), 206
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(content) - start)}).items():
                self.send_header(name, value)
            self.end_headers()
            if body and (stop := hub.cut.pop(file, None)) is not None:
                self.wfile.write(content[start:stop])
                self.wfile.flush()
                self.close_connection = True
            elif body:
                self.wfile.write(content[start:])

        def send(self, status, content, body, headers=None):
            data = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(data)),
                **(headers or {}),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def describe(repository, file, content):
    found = {"type": "file", "path": file, "size": len(content), "oid": digest(content)[:40]}
    if file.endswith(repository.large):
        found["lfs"] = {"oid": digest(content), "size": len(content), "pointerSize": 134}
    return found
