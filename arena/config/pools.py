"""How many connections to the database a process opens at most, by what it is. Pure."""

from enum import StrEnum


class ProcessRole(StrEnum):
    """What a process is; whoever starts it says so in PROCESS_ROLE."""

    WEB = "web"
    MATCH = "match"  # plays and judges matches
    JUDGE = "judge"  # only judges, where matches and judging have workers of their own
    TRAIN = "train"
    SWEEP = "sweep"
    EXPORT = "export"
    BEAT = "beat"
    COMMAND = "command"  # a `manage.py` command


_FIXED = {
    ProcessRole.WEB: 20,  # pages under way at once; more would wait for the processor anyway
    ProcessRole.TRAIN: 6,
    ProcessRole.SWEEP: 3,
    ProcessRole.EXPORT: 3,
    ProcessRole.BEAT: 1,
    ProcessRole.COMMAND: 8,
}
# For an operator's psql, backups, and PostgreSQL's own three reserved connections.
SPARE = 20


def pool_size(role: ProcessRole, *, match_threads: int) -> int:
    """The most connections that one process of the role opens."""
    if role in (ProcessRole.MATCH, ProcessRole.JUDGE):
        # A match writes from other threads while its own waits for answers.
        return 2 * match_threads + 2
    return _FIXED[role]


def needed_by_one_of_each(*, match_threads: int) -> int:
    """Connections that a site needs whose roles have a process each."""
    return SPARE + sum(pool_size(role, match_threads=match_threads) for role in ProcessRole)
