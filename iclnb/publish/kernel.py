"""The kernel that notebooks run in: this interpreter, whatever kernels are installed."""

import os
from pathlib import Path

QUIET = {
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "PYTHONWARNINGS": "ignore:IProgress not found",
}
"""No frames of progress bars in pages, and no complaint of tqdm that it could not draw any."""


def this_python(results: Path, sockets: Path) -> type:
    """A kernel that is this interpreter, whatever kernels are installed, writing its results to a folder.

    It is spoken to through sockets in a folder that no other user can read, where the system has such: then
    not even a loopback network is needed. (A socket's path must be short, so they lie not in the checkout.)
    """
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import default

    folders = {
        variable: str(Path(chosen).expanduser().resolve())
        for variable in ("ICLNB_DATA", "ICLNB_CACHE")
        if (chosen := os.environ.get(variable))  # the notebook's working directory is another
    }
    environment = {**QUIET, **folders, "ICLNB_RESULTS": str(results)}
    spec = KernelSpec(**get_kernel_dict(), env=environment)
    spec.argv.append("--log-level=CRITICAL")  # what a cell does wrong stands in the notebook

    class ThisPython(AsyncKernelManager):
        @default("transport")
        def _transport_default(self) -> str:
            return "tcp" if os.name == "nt" else "ipc"

        @default("ip")
        def _ip_default(self) -> str:
            return "127.0.0.1" if os.name == "nt" else str(sockets / "kernel")

        @property
        def kernel_spec(self) -> KernelSpec:
            return spec

    return ThisPython
