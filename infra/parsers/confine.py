"""What a reading process gives up before it opens a file: network, memory, files, programs."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_OPEN_FILES = 64

_MACHINES = {
    # AUDIT_ARCH, then: socket, connect, execve, execveat, ptrace, io_uring_setup
    "x86_64": (0xC000003E, (41, 42, 59, 322, 101, 425)),
    "aarch64": (0xC00000B7, (198, 203, 221, 281, 117, 425)),
}
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 13  # EACCES
_X32 = 0x40000000
"""System calls of the x32 ABI carry this bit, and would slip past a filter on numbers."""


def confine(memory_bytes: int) -> tuple[str, ...]:
    """Binds this process for good; answers what the machine did not let it give up."""
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    _limit(memory_bytes)
    given = {"network namespace": _leave_network(libc), "system call filter": _filter_calls(libc)}
    return tuple(what for what, done in given.items() if not done)


def allow_processor_seconds(seconds: int) -> None:
    """From now on. The parent's clock comes first; this holds should the parent be stuck."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    total = int(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (total, resource.RLIM_INFINITY))


def _limit(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))


def _leave_network(libc: ctypes.CDLL) -> bool:
    """A namespace of its own has no way out. Needs privilege or unprivileged user namespaces."""
    flags = (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET)
    return any(libc.unshare(choice) == 0 for choice in flags)


def _filter_calls(libc: ctypes.CDLL) -> bool:
    """Sockets and new programs are refused by the kernel, whoever asks (seccomp(2))."""
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    program = _program(*machine)
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) == 0)


def _program(architecture: int, refused: tuple[int, ...]) -> bytes:
    """Classic BPF: other architecture, x32 or a listed number → refuse; all else → allow."""
    count = len(refused)
    steps = [
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 0, count + 3, architecture),
        (_LOAD, 0, 0, 0),
        (_JUMP_AT_LEAST, count + 1, 0, _X32),
        *[(_JUMP_EQUAL, count - at, 0, number) for at, number in enumerate(refused)],
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
