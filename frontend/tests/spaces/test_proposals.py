"""Pages show what tasks are committed to, the secret only at the end, and how hard tasks are."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import User
from arena.environments import ENVIRONMENTS
from arena.matches import play
from arena.matches.task_draws import redrawn
from arena.models import DifficultyTally, TaskSecret
from arena.queries import next_commitments
from arena.tests.builders import make_space
from arena.tests.ladder import SLUG, Ladder
from frontend.tests.builders import running_match

pytestmark = pytest.mark.django_db


def test_the_page_of_a_space_shows_the_next_commitments(client: Client) -> None:
    space = running_match().space
    page = client.get(f"/spaces/{space.slug}/").content.decode()
    commitments = next_commitments(space.id)
    assert commitments
    assert all(commitment in page for commitment in commitments)


def test_no_page_and_no_download_shows_a_secret_before_the_end(client: Client) -> None:
    match = running_match()
    row = TaskSecret.objects.get(match=match)
    paths = [
        f"/matches/{match.id}/",
        f"/matches/{match.id}/rounds/1/",
        f"/matches/{match.id}/events.json",
        f"/spaces/{match.space.slug}/",
    ]
    client.force_login(User.objects.create_superuser("root", "root@rlfc.invalid", "pw"))
    paths.append(reverse("admin:arena_space_change", args=[match.space_id]))
    paths.append(reverse("admin:arena_space_delete", args=[match.space_id]))
    secrets = list(TaskSecret.objects.values_list("secret", flat=True))
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200, path
        page = answer.content.decode()
        assert not any(secret in page for secret in secrets), path
    assert row.commitment in client.get(paths[0]).content.decode()

    play.cancel_match(match.id, reason="?")
    for path in (paths[0], paths[2]):
        assert row.secret in client.get(path).content.decode()
    waiting = TaskSecret.objects.filter(match=None).values_list("secret", flat=True)
    for path in paths:
        page = client.get(path).content.decode()
        assert not any(secret in page for secret in waiting), path


def test_the_downloaded_transcript_is_enough_to_draw_the_tasks_again(client: Client) -> None:
    match = running_match()
    play.cancel_match(match.id, reason="?")
    answer = client.get(f"/matches/{match.id}/events.json")
    assert f'filename="match-{match.id}.json"' in answer.headers["Content-Disposition"]
    transcript = json.loads(answer.content)
    tasks = redrawn(transcript["match"], transcript["events"])
    assert [task.round for task in tasks] == [1, 2]
    assert all(task.is_same for task in tasks)
    assert client.get("/matches/987654321/events.json").status_code == 404


def test_the_page_of_a_space_says_and_draws_how_hard_its_tasks_are(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRONMENTS._known, SLUG, Ladder())
    space = make_space(environment=SLUG)
    page = client.get(f"/spaces/{space.slug}/").content.decode()
    assert "nobody has answered here yet" in page
    assert page.count("25%</span> of tasks") == 4
    assert "solved lately" not in page, "nothing has been solved"
    DifficultyTally.objects.bulk_create(
        DifficultyTally(
            space=space,
            environment=SLUG,
            difficulty=level,
            asked=50,
            solved=solved,
            rating_sum=50 * 25,
        )
        for level, solved in enumerate((48, 25, 3, 0))
    )
    page = client.get(f"/spaces/{space.slug}/").content.decode()
    assert "level 2 is asked most often now, and they solve it 50% of the time" in page
    assert page.count("% solved") == 4
    simple = make_space(environment="arithmetic")
    assert "How hard the tasks are" not in client.get(f"/spaces/{simple.slug}/").content.decode()


def test_the_page_of_a_game_says_how_much_of_what_it_pays_seats_get(client: Client) -> None:
    space = make_space(environment="tictactoe")
    assert "nobody has played here yet" in client.get(f"/spaces/{space.slug}/").content.decode()
    DifficultyTally.objects.bulk_create(
        DifficultyTally(
            space=space,
            environment="tictactoe",
            difficulty=level,
            asked=50,
            solved=solved,
            rating_sum=50 * 25,
        )
        for level, solved in enumerate((30.0, 5.0))
    )
    page = client.get(f"/spaces/{space.slug}/").content.decode()
    assert "level 1 is played most often now, and on average a seat gets 60% of the most" in page
    assert page.count("% paid") == 2
