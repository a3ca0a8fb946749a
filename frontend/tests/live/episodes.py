"""Episodes that a test plays move by move."""

from random import Random

from arena.environments import ENVIRONMENTS
from arena.environments.base import Environment, Split, view_json
from arena.environments.episode import Episode, Try, order_of
from arena.matches import play
from arena.matches.play import SeatAnswer, TurnFacts
from arena.models import Match
from arena.states import CompletionStatus


class PlayedEpisode:
    """One round of a match, played by the rules of its environment."""

    def __init__(self, match: Match, number: int, environment: Environment | None = None) -> None:
        self._match, self._number = match, number
        rules = environment or ENVIRONMENTS[match.space.environment]
        self.turns: list[int] = []  # the seats that have tried, in order
        task = rules.make_task(Random(number), Split.TRAIN)
        order = order_of(number, range(match.seats.count()))
        self.episode = Episode.begin(rules, task, order)
        play.start_round(
            match.id,
            number=number,
            task=task,
            turn_limit=rules.turn_limit,
            order=order,
            view=view_json(self.episode.view()),
        )

    def say(self, text: str) -> None:
        """The first seat that is to move says it, within 0.4 s."""
        seat = self.episode.to_move[0]
        turn = self.turns.count(seat)
        self.turns.append(seat)
        self.episode, problem = self.episode.after(Try(seat, text))
        payoffs = None if self.episode.to_move else self.episode.payoffs()
        answer = SeatAnswer(
            status=CompletionStatus.OK,
            messages=[],
            text=text,
            token_ids=[1, 2, 3],
            chunk_times=[(len(text) // 2, 0.1), (len(text), 0.2)],
            seconds=0.4,
            finish_reason="stop",
        )
        facts = TurnFacts(
            turn, problem=problem, view=view_json(self.episode.view()), payoffs=payoffs
        )
        play.record_completion(
            self._match.id, number=self._number, seat=seat, answer=answer, facts=facts
        )

    def solve(self) -> None:
        """To the end, by code."""
        while self.episode.to_move:
            self.say(self.episode.solve(self.episode.to_move[0], Random(1)))
