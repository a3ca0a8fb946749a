"""A script that the supervisor runs: become a child that dies with it, then exec the program.

    python -I -S launch.py SUPERVISOR_PID DEATH_SIGNAL USER PROGRAM [ARGUMENT ...]

Used instead of Popen's preexec_fn, which may deadlock in a process with threads.
"""

import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    supervisor_pid, death_signal, user, *command = sys.argv[1:]
    libc = ctypes.CDLL(None)
    if user:
        entry = pwd.getpwnam(user)
        os.initgroups(user, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    # After setuid, which clears the setting; exec keeps it.
    libc.prctl(PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != int(supervisor_pid):
        sys.exit("The supervisor died while this process started.")
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
