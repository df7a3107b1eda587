"""Kernels forked from a process that has the large libraries imported, where the system can do that."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from iclnb.errors import IclnbError
from iclnb.run import fork_server

if TYPE_CHECKING:
    from jupyter_client.manager import KernelManager

POSSIBLE = sys.platform == "linux"
"""Elsewhere the libraries of the system itself may not survive a fork."""

EVERY = ("ipykernel.kernelapp", "numpy", "scipy.stats", "pandas", "matplotlib.figure", "jaxtyping")
"""What every notebook imports, and most of the time that it takes."""

MODELS = (
    "torch", "transformers", "transformers.models.auto.modeling_auto", "sentence_transformers",
)  # fmt: skip
"""What notebooks that ask a language model import too."""


class ForkServer:
    """A process that starts kernels as forks of itself; safe to use from several threads.

    Args:
        modules: what it imports first (those that are installed).
        env: its environment; libraries read this one on import, whatever the kernel's is.
    """

    def __init__(self, modules: Sequence[str], env: Mapping[str, str]):
        backend = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}  # a kernel's, read on import
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-Xfrozen_modules=off",
                "-P",
                str(Path(fork_server.__file__).resolve()),
                *modules,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**backend, **env},
            start_new_session=True,  # an interrupt of the terminal is not for it
            text=True,
            encoding="utf-8",
        )

    def start(self, arguments: Sequence[str], cwd: str, env: Mapping[str, str]) -> "Forked":
        """A kernel.

        Args:
            arguments: of ``python -m ipykernel_launcher``.
            cwd: its working directory.
            env: its environment.

        Raises:
            IclnbError: if the server has died.
        """
        process = self.ask(start={"arguments": list(arguments), "cwd": cwd, "env": dict(env)})
        if process is None:
            raise IclnbError(
                "the process that starts notebooks died, perhaps for lack of memory; run the same again, "
                "with `--jobs 1` if the memory is small"
            )
        return Forked(self, process)

    def ask(self, **request: Any) -> int | None:
        """The reply to a request of :mod:`iclnb.run.fork_server`; none where that process is gone."""
        with self._lock:
            try:
                self._process.stdin.write(json.dumps(request) + "\n")
                self._process.stdin.flush()
                line = self._process.stdout.readline()
            except (OSError, ValueError):
                line = ""
        if line:
            return json.loads(line)
        return -signal.SIGKILL if "poll" in request else None

    def close(self) -> None:
        """End the process and all that it started."""
        with self._lock, contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Forked:
    """A forked kernel, as :class:`subprocess.Popen` would be for a started one."""

    stdin = stdout = stderr = None

    def __init__(self, server: ForkServer, pid: int):
        self.server, self.pid, self.returncode = server, pid, None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self.server.ask(poll=self.pid)
        return self.returncode

    def wait(self) -> int:
        while self.poll() is None:
            time.sleep(0.05)
        return self.returncode

    def send_signal(self, number: int) -> None:
        self.server.ask(kill=[self.pid, number])

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def forks(manager: "KernelManager", server: ForkServer) -> None:
    """Let a manager that has not started its kernel yet take it from the server."""
    from jupyter_client.provisioning import LocalProvisioner

    class Provisioner(LocalProvisioner):
        async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
            arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
            env = options.get("env") or os.environ
            self.process = server.start(arguments, str(options["cwd"]), env)
            self.pid, self.cwd = self.process.pid, options["cwd"]
            return self.connection_info

    manager.provisioner = Provisioner(kernel_id="forked", kernel_spec=manager.kernel_spec, parent=manager)
