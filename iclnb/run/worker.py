"""The Python process that notebooks run in: this interpreter, whatever kernels are installed."""

import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from iclnb.keys.fingerprint import fingerprint

if TYPE_CHECKING:
    from jupyter_client.manager import KernelManager

QUIET = {
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "PYTHONWARNINGS": "ignore:IProgress not found",
}
"""No frames of progress bars in pages, and no complaint of tqdm that it could not draw any."""

PARSING = threading.Lock()
"""Held where source is read: Python 3.11 fails where two threads (runs side by side) parse at once."""

_EMPTY = """
get_ipython().reset(new_session=True)
__import__("gc").collect()
__import__("os").environ["ICLNB_RESULTS"] = {results!r}
"""
"""Run between two notebooks."""


class Worker:
    """A process that runs notebooks, one after another, and keeps the models that they load.

    It is spoken to through sockets in a folder that no other user can read, where the system has such: then
    not even a loopback network is needed. (A socket's path must be short, so this is a temporary folder.)

    ``keep_models`` loaded models stay in memory from one notebook to the next.
    """

    def __init__(
        self,
        project: Path,
        *,
        keep_models: int = 0,
        env: Mapping[str, str] | None = None,
    ):
        self.project, self.keep_models, self.env = project, keep_models, env or {}
        self._package = ""
        self._manager: KernelManager | None = None
        self._sockets: tempfile.TemporaryDirectory | None = None

    @contextmanager
    def ready(self, results: Path) -> "Iterator[KernelManager]":
        """The kernel with no variable of an earlier notebook in it; a new one after a change of the package.

        After an error in the block, the next notebook gets a new process: a cell that was broken off may
        have left anything behind, as hooks on a model.
        """
        with PARSING:
            package = fingerprint(sorted((self.project / "iclnb").rglob("*.py")))
        if package != self._package or not self._emptied(results):
            self.close()
            self._start(results)
            self._package = package
        try:
            yield self._manager
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process."""
        if self._manager is not None:
            self._manager.close_clients()
            self._manager.shutdown_kernel(now=True)
            self._sockets.cleanup()
        self._manager = self._sockets = None

    def stop(self) -> None:
        """End the process from another thread; a notebook that runs in it fails."""
        process = getattr(getattr(self._manager, "provisioner", None), "process", None)
        if process is not None:
            process.kill()

    def _emptied(self, results: Path) -> bool:
        """Whether there is a kernel, alive and emptied for the next notebook."""
        if self._manager is None or not self._manager.is_alive():
            return False
        from jupyter_client.blocking import BlockingKernelClient

        self._manager.close_clients()
        client = BlockingKernelClient(**self._manager.get_connection_info(session=True), parent=self._manager)
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            reply = client.execute(_EMPTY.format(results=str(results)), silent=True, reply=True, timeout=60)
        except (RuntimeError, TimeoutError):
            return False
        finally:
            client.stop_channels()
        return reply["content"]["status"] == "ok"

    def _start(self, results: Path) -> None:
        self._sockets = tempfile.TemporaryDirectory(prefix="iclnb-", dir=_short_folder())
        self._manager = _manager(Path(self._sockets.name))
        folders = {
            variable: str(Path(chosen).expanduser().resolve())
            for variable in ("ICLNB_DATA", "ICLNB_CACHE")
            if (chosen := os.environ.get(variable))  # the notebook's working directory is another
        }
        ours = {"ICLNB_RESULTS": str(results), "ICLNB_KEEP_MODELS": str(self.keep_models)}
        env = {**os.environ, **QUIET, **self.env, **folders, **ours}
        self._manager.start_kernel(cwd=str(self.project), env=env)


def _short_folder() -> str:
    """Where the sockets' folder lies: their whole path may have 103 bytes (on macOS; on Linux 107)."""
    given = tempfile.gettempdir()
    fits = len(os.fsencode(given)) <= 103 - len("/iclnb-12345678/kernel-5")
    return given if fits or not os.access("/tmp", os.W_OK) else "/tmp"


def _manager(sockets: Path) -> "KernelManager":
    """A manager that can close the clients which it gave out, since papermill leaves its own open."""
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import KernelManager

    spec = KernelSpec(**get_kernel_dict())
    spec.argv.append("--log-level=CRITICAL")  # what a cell does wrong stands in the notebook

    class ThisPython(KernelManager):
        client_class = "jupyter_client.asynchronous.AsyncKernelClient"  # notices a kernel that dies
        clients: ClassVar[list] = []

        def client(self, **settings: Any) -> Any:
            self.clients.append(super().client(**settings))
            return self.clients[-1]

        def close_clients(self) -> None:
            while self.clients:
                self.clients.pop().stop_channels()

        @property
        def kernel_spec(self) -> KernelSpec:
            return spec

    if os.name == "nt":
        return ThisPython(transport="tcp", ip="127.0.0.1")
    return ThisPython(transport="ipc", ip=str(sockets / "kernel"))
