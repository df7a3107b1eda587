"""A process that imports the large libraries once and forks itself for every kernel (a script; Linux only).

:class:`iclnb.run.forking.ForkServer` starts it. It computes nothing and starts no thread, so a fork of
it is a fresh process in all but the time that the imports take. It reads requests and writes replies, one
line of JSON each: ``{"start": {"arguments", "cwd", "env"}}`` gives the number of the new process,
``{"poll": number}`` its exit status or ``null``, ``{"kill": [number, signal]}`` sends a signal to it and its
children. Once no more requests can come, as whoever sent them is gone, it ends with all that it started.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from typing import Any, TextIO


def main(modules: list[str]) -> None:
    """Import ``modules``, those that are installed, then answer requests until there are no more."""
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull) as nothing:  # noqa: PTH123 - before pathlib is needed
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # so that no child touches, and thereby copies, what is shared
    running: set[int] = set()
    for line in requests:
        reply = _answer(json.loads(line), running, (requests, replies))
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
    for process in running:
        _signal(process, signal.SIGKILL)


def _answer(request: dict[str, Any], running: set[int], ours: tuple[TextIO, TextIO]) -> int | None:
    if "start" in request:
        process = os.fork()
        if not process:
            _become_kernel(request["start"], ours)
        running.add(process)
        return process
    if "kill" in request:
        process, number = request["kill"]
        if process in running:
            _signal(process, number)
        return None
    process = request["poll"]
    if process not in running:
        return -signal.SIGKILL
    ended, status = os.waitpid(process, os.WNOHANG)
    if not ended:
        return None
    running.discard(process)
    return os.waitstatus_to_exitcode(status)


def _signal(process: int, number: int) -> None:
    """To the process and its children; a process not yet the head of its session has none."""
    for send in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            send(process, number)
            return


def _become_kernel(request: dict[str, Any], ours: tuple[TextIO, TextIO]) -> None:
    """What the command line ``python -m ipykernel_launcher ARGUMENTS`` would be; never returns."""
    status = 1
    try:
        for stream in ours:
            os.close(stream.fileno())
        os.setsid()
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"], JPY_PARENT_PID=str(os.getppid()))
        sys.argv[:] = ["ipykernel_launcher", *request["arguments"]]
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed()  # as in a fresh process
        from ipykernel import kernelapp

        kernelapp.launch_new_instance()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])
