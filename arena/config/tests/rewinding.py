"""The database of an earlier commit, for tests of migrations.

Django renders models anew for each operation that it does or undoes, and that is nearly all of the
time that a walk takes. Here each is rendered once a session: afterwards a walk costs its SQL.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache

from django.apps.registry import Apps
from django.db import connection, transaction
from django.db.migrations import RunPython
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState


@contextmanager
def rewound(targets: list[tuple[str, str]]) -> Iterator[Apps]:
    """The models and the database as after these migrations; in the end they are today's."""
    try:
        yield migrate(targets)
    finally:
        migrate_to_today()


def migrate_to_today() -> Apps:
    return migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())


def migrate(targets: list[tuple[str, str]]) -> Apps:
    """The models as they were, or are, after these migrations."""
    executor = MigrationExecutor(connection)
    for migration, backwards in executor.migration_plan(targets):
        with connection.schema_editor(atomic=migration.atomic) as editor:
            steps = _steps()[migration.app_label, migration.name]
            for step in reversed(steps) if backwards else steps:
                # As Migration.apply and Migration.unapply do it.
                needs_transaction = not migration.atomic and step.operation.atomic
                with transaction.atomic() if needs_transaction else nullcontext():
                    if backwards:
                        assert step.operation.reversible, step.operation.describe()
                        step.operation.database_backwards(
                            migration.app_label, editor, step.after, step.before
                        )
                    else:
                        step.operation.database_forwards(
                            migration.app_label, editor, step.before, step.after
                        )
        if backwards:
            executor.recorder.record_unapplied(migration.app_label, migration.name)
        else:
            executor.recorder.record_applied(migration.app_label, migration.name)
    return executor.loader.project_state(targets).apps


@dataclass(frozen=True, kw_only=True)
class _Step:
    operation: Operation
    before: ProjectState
    after: ProjectState


@cache
def _steps() -> dict[tuple[str, str], list[_Step]]:
    """Each migration's operations, in the order of a migration of an empty database."""
    executor = MigrationExecutor(connection)
    state = executor.loader.project_state([])
    _render(state)
    steps = {}
    for migration, _ in executor.migration_plan(
        executor.loader.graph.leaf_nodes(), clean_start=True
    ):
        steps[migration.app_label, migration.name] = found = list[_Step]()
        for operation in migration.operations:
            if isinstance(operation, RunPython):
                _render(state)  # as it would itself, each time
            before, state = state, state.clone()
            operation.state_forwards(migration.app_label, state)
            found.append(_Step(operation=operation, before=before, after=state))
    return steps


def _render(state: ProjectState) -> None:
    """Render all models, also those that Django has put off."""
    state.clear_delayed_apps_cache()
    state.apps  # noqa: B018  kept by the state from here on
    state.is_delayed = False
