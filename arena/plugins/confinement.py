"""What a plug-in's process may do: compute, and read Python's own files. It needs no root for that.

Landlock (Linux 5.13) closes the file system, a seccomp filter closes sockets, other programs and
other processes, and resource limits bound memory, processor time and files. All are irrevocable.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

MEMORY_BYTES = 1 << 30  # of addresses
CPU_SECONDS = 600  # of the process's whole life; the near end starts another
OPEN_FILES = 64

_ROOT = Path(__file__).resolve().parents[2]
_OUR_ROOMS = ("agents", "arena", "judges")  # not the data beside them
_SYSTEM_FILES = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/dev/null", "/dev/urandom")

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2

# From linux/landlock.h. The numbers of its calls are the same on every processor.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_RULE_PATH_BENEATH = 1
_READ_FILE, _READ_DIRECTORY = 1 << 2, 1 << 3
_ALL_ACCESS = (1 << 13) - 1  # of the first version, which every later one has
_REFER_AND_TRUNCATE = ((2, 1 << 13), (3, 1 << 14))  # (version from which there is, access)

# System calls that are refused, by number on (x86_64, aarch64); None: it does not exist there.
_REFUSED = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    # By these a process slows down others of the same user, and for good.
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "process_madvise": (440, 440),
    "setrlimit": (160, 164),
    "prlimit64": (302, 261),
    "unshare": (272, 97),
    "setns": (308, 268),
    "truncate": (76, 45),  # before Linux 6.2, Landlock lets any file be emptied
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
}
_CLONE, _CLONE3 = (56, 220), 435
_CLONE_THREAD = 0x10000
# By which a process has the kernel signal another one.
_FCNTL, _SET_OWNER, _SET_OWNER_EX = (72, 25), 8, 15
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # (column above, AUDIT_ARCH)
_X32_CALLS = 0x40000000  # from here on: a second set of calls of x86_64

# Classic BPF, from linux/bpf_common.h and linux/seccomp.h.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _MACHINE_AT, _FIRST_ARGUMENT_AT, _SECOND_ARGUMENT_AT = 0, 4, 16, 24
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38


class CannotConfine(Exception):
    """This machine cannot hold a plug-in back; the message is a sentence."""


def confine() -> None:
    """Give up everything that a plug-in must not do, for this process. Raises CannotConfine.

    Call it before any foreign code and before any thread.
    """
    if platform.machine() not in _MACHINES or not sys.platform.startswith("linux"):
        raise CannotConfine("Plug-ins need Linux on x86_64 or aarch64, which can confine them.")
    libc = ctypes.CDLL(None, use_errno=True)
    _limit()
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _close_files(libc, _readable())
    _close_calls(libc)


def _limit() -> None:
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def _readable() -> Iterable[str]:
    ours = {str(_ROOT / room) for room in _OUR_ROOMS}
    paths = {path for path in sys.path if path and Path(path).resolve() != _ROOT}
    return sorted({*_SYSTEM_FILES, sys.prefix, sys.base_prefix, *ours, *paths})


def _close_files(libc: ctypes.CDLL, readable: Iterable[str]) -> None:
    """Nothing can be written, made or removed, and only what lies below these paths read."""
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        raise CannotConfine(
            "Plug-ins need a kernel with Landlock (Linux 5.13 or later, and not switched off)."
        )
    handled = _ALL_ACCESS
    for since, access in _REFER_AND_TRUNCATE:
        handled |= access if version >= since else 0
    rules = _check(libc.syscall(_CREATE_RULESET, struct.pack("Q", handled), 8, 0))
    for path in readable:
        try:
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        access = _READ_FILE | (_READ_DIRECTORY if Path(path).is_dir() else 0)
        rule = struct.pack("=Qi", access, opened)
        _check(libc.syscall(_ADD_RULE, rules, _RULE_PATH_BENEATH, rule, 0))
        os.close(opened)
    _check(libc.syscall(_RESTRICT_SELF, rules, 0))
    os.close(rules)


def _close_calls(libc: ctypes.CDLL) -> None:
    code = _filter(*_MACHINES[platform.machine()])
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
    _check(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0))


def _filter(column: int, machine: int) -> bytes:
    """A seccomp program that refuses what a plug-in must not do; threads of its own are allowed."""
    refused = [number for both in _REFUSED.values() if (number := both[column]) is not None]
    steps = [
        (_LOAD, 0, 0, _MACHINE_AT),
        (_EQUAL, 1, 0, machine),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 0, 1, _X32_CALLS),
        (_RETURN, 0, 0, _KILL),
        # With the older call, the C library makes threads just as well, and its flags can be read.
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _ERROR | _ENOSYS),
    ]
    for number in refused:
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERROR | _EPERM)]
    steps += [
        (_EQUAL, 0, 5, _FCNTL[column]),
        (_LOAD, 0, 0, _SECOND_ARGUMENT_AT),
        (_EQUAL, 1, 0, _SET_OWNER),
        (_EQUAL, 0, 1, _SET_OWNER_EX),
        (_RETURN, 0, 0, _ERROR | _EPERM),
        (_RETURN, 0, 0, _ALLOW),
        (_EQUAL, 0, 3, _CLONE[column]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_ANY_BIT, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, _ERROR | _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def _check(result: int) -> int:
    if result < 0:
        why = os.strerror(ctypes.get_errno())
        raise CannotConfine(f"This machine does not let a plug-in be confined ({why}).")
    return result
