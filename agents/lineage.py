"""The tree of an agent's versions: a version's ancestors, and how far apart two versions are."""

from agents.models import AgentVersion


def ancestors(version: AgentVersion) -> frozenset[int]:
    """Ids of the versions that this one was made from, including its own."""
    parents = _parents(version.agent_id)
    found: set[int] = set()
    each: int | None = version.pk
    while each is not None and each not in found:
        found.add(each)
        each = parents.get(each)
    return frozenset(found)


def within(version: AgentVersion, steps: int) -> frozenset[int]:
    """Ids of the versions at most `steps` edits or trainings away, in any direction."""
    neighbours: dict[int, set[int]] = {}
    for child, parent in _parents(version.agent_id).items():
        if parent is not None:
            neighbours.setdefault(child, set()).add(parent)
            neighbours.setdefault(parent, set()).add(child)
    found = edge = {version.pk}
    for _ in range(steps):
        edge = {near for each in edge for near in neighbours.get(each, ())} - found
        found = found | edge
    return frozenset(found)


def _parents(agent_id: int) -> dict[int, int | None]:
    return dict(AgentVersion.objects.filter(agent_id=agent_id).values_list("id", "parent_id"))
