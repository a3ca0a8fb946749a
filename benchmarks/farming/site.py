"""One Space of the site, simulated: who is seated and what a match moves, by the site's own rules."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, count
from random import Random

from arena.credits.prizes import prizes, rake_of
from arena.credits.stakes import house_stake
from arena.matches.events import MatchSeated, Player
from arena.matches.match import MatchState, RoundState, ranking_of
from arena.spaces.matchmaking import WIDE_AFTER_SECONDS, HouseAgent, Waiting, lineups
from arena.spaces.ratings import Skill, updated
from arena.spaces.trust import MEETINGS_WINDOW, Entrant, rated, starting_skill
from arena.states import MatchStatus, RoundStatus

# As in the Space "constraints" of a new installation (arena/seeding.py).
SEATS, ROUNDS, FEE_CREDITS, RAKE_PERCENT, PRIZE_PERCENTS = 4, 6, 10, 10, (50, 30, 20)
# Pass rates measured for the base and for an agent that has learned (benchmarks/results).
BASE_PASSES, PERSON_PASSES = 0.24, 0.54
SOLVER_PASSES = 0.6 + 0.4 * BASE_PASSES  # by code six times in ten
HOUSE_PASSES = (SOLVER_PASSES, BASE_PASSES, BASE_PASSES, BASE_PASSES, BASE_PASSES)
HOUSE_STAKE_CREDITS = 300  # a day for one owner, as arena/config/env.py has it
OTHER_OWNERS, ENTERS = 12, 0.1  # other owners, and how likely each one enters at a moment
BURN_IN_MOMENTS = 300  # in which the others play before the person comes
HOUSE = 0  # the house as an owner


@dataclass(eq=False)
class SimulatedAgent:
    """A competitor: how often its answers pass, and what the site believes about it."""

    agent_id: int
    owner_id: int
    pass_rate: float
    plays_by_code: bool = False
    answers: bool = True
    skill: Skill = field(default_factory=Skill)
    match_count: int = 0
    win_count: int = 0
    is_retired: bool = False

    @property
    def floor(self) -> float:
        """A cautious estimate, three deviations below the mean."""
        return self.skill.mu - 3 * self.skill.sigma


@dataclass(frozen=True)
class Played:
    """A match whose rounds are over, with the agents by seat."""

    seats: tuple[SimulatedAgent, ...]
    state: MatchState


@dataclass(frozen=True)
class Settled:
    """What a match moves: credits paid to each seat, the beliefs after it, and who won."""

    paid: Mapping[int, int]
    skills: Mapping[int, Skill]
    winners: tuple[int, ...] = ()


class Before:
    """As the site was before it had rules against farming: every seat stakes and competes."""

    def house_fee(self, owners: Sequence[int], house_seats: int) -> int:
        return FEE_CREDITS

    def starting_skill(self, record: Sequence[Skill]) -> Skill:
        return Skill()

    def settle(self, match: Played, owner_matches: Mapping[int, int]) -> Settled:
        ranking = ranking_of(match.state.totals(), rounds=ROUNDS)
        skills = {seat: each.skill for seat, each in enumerate(match.seats)}
        pool = FEE_CREDITS * len(skills)
        pot = pool - rake_of(pool, percent=RAKE_PERCENT)
        return Settled(
            paid=prizes(ranking, pot_credits=pot, percents=PRIZE_PERCENTS),
            skills=updated(skills, ranking),
            winners=ranking[0],
        )

    def end_day(self) -> None:
        """Nothing is counted by the day."""


class Now(Before):
    """As the site settles."""

    def __init__(self) -> None:
        self._staked: Counter[int] = Counter()  # today, by owner
        self._days: deque[Counter[frozenset[int]]] = deque([Counter()], MEETINGS_WINDOW.days)

    def house_fee(self, owners: Sequence[int], house_seats: int) -> int:
        stake = house_stake(
            FEE_CREDITS,
            house_seats=house_seats,
            used_credits=[self._staked[owner] for owner in owners],
            bound_credits=HOUSE_STAKE_CREDITS,
        )
        self._staked.update(dict.fromkeys(owners, stake.share_credits))
        return stake.fee_credits

    def starting_skill(self, record: Sequence[Skill]) -> Skill:
        return starting_skill(record)

    def settle(self, match: Played, owner_matches: Mapping[int, int]) -> Settled:
        state = match.state
        skills = {seat: each.skill for seat, each in enumerate(match.seats)}
        if len(state.competing) < 2:
            fees = {player.seat: player.fee_credits for player in state.seating.players}
            return Settled(fees, skills)
        ranking = state.ranking()
        entrants = {
            seat: Entrant(
                owner_id=each.owner_id,
                is_house=each.owner_id == HOUSE,
                owner_matches=owner_matches[each.owner_id],
                skill=each.skill,
            )
            for seat, each in enumerate(match.seats)
            if seat in state.competing
        }
        after = rated(entrants, ranking, meetings=sum(self._days, Counter()))
        people = sorted({one.owner_id for one in entrants.values() if not one.is_house})
        self._days[-1].update(frozenset(pair) for pair in combinations(people, 2))
        shares = state.payout().prizes
        return Settled(
            paid=dict.fromkeys(skills, 0) | state.refunds | shares,
            skills=skills | {seat: one.skill for seat, one in after.items()},
            winners=ranking[0],
        )

    def end_day(self) -> None:
        self._staked.clear()
        self._days.append(Counter())


class Site:
    """One Space with its house and other owners, who have played for a while."""

    def __init__(self, seed: int, rules: Before) -> None:
        self.rng = Random(seed)
        self.rules = rules
        self.agents: list[SimulatedAgent] = []
        self.owner_ids = count(HOUSE + 1)
        self.gained: Counter[int] = Counter()  # prizes minus fees, by owner
        self.owner_matches: Counter[int] = Counter()
        self.lowest: Counter[int] = Counter()  # of `gained`: what top-ups had to cover
        self.house = [
            self.new_agent(HOUSE, pass_rate, plays_by_code=number == 0)
            for number, pass_rate in enumerate(HOUSE_PASSES)
        ]
        self.others = [
            self.new_agent(self.new_owner(), self.rng.uniform(BASE_PASSES, SOLVER_PASSES))
            for _ in range(OTHER_OWNERS)
        ]
        for _ in range(BURN_IN_MOMENTS):
            self.play(self.others_entering())

    def new_owner(self) -> int:
        return next(self.owner_ids)

    def new_agent(
        self, owner_id: int, pass_rate: float, *, plays_by_code: bool = False, answers: bool = True
    ) -> SimulatedAgent:
        agent = SimulatedAgent(len(self.agents), owner_id, pass_rate, plays_by_code, answers)
        if owner_id != HOUSE:
            agent.skill = self.rules.starting_skill(
                [
                    each.skill
                    for each in self.agents
                    if each.owner_id == owner_id and each.match_count
                ]
            )
        self.agents.append(agent)
        return agent

    def others_entering(self) -> list[SimulatedAgent]:
        return [each for each in self.others if self.rng.random() < ENTERS]

    def play(self, entering: Sequence[SimulatedAgent]) -> None:
        """Everybody who enters at one moment plays one match, with the house in empty seats."""
        queue = [
            Waiting(
                f"{place:03}",
                each.owner_id,
                each.agent_id,
                each.skill,
                FEE_CREDITS,
                WIDE_AFTER_SECONDS,
            )
            for place, each in enumerate(self.rng.sample(entering, len(entering)))
        ]
        house = [
            HouseAgent(each.agent_id, each.skill.mu, each.plays_by_code) for each in self.house
        ]
        for lineup in lineups(
            queue, seat_count=SEATS, house=house, house_fill_seconds=0.0, rng=self.rng
        ):
            agent_ids = [each.agent_id for each in lineup.entries]
            agent_ids += [each.agent_id for each in lineup.house]
            self.play_match(tuple(self.agents[each] for each in agent_ids))

    def play_match(self, seats: tuple[SimulatedAgent, ...]) -> None:
        owners = [each.owner_id for each in seats if each.owner_id != HOUSE]
        fees = dict.fromkeys(range(len(seats)), FEE_CREDITS)
        if house := [seat for seat, each in enumerate(seats) if each.owner_id == HOUSE]:
            fees |= dict.fromkeys(house, self.rules.house_fee(owners, len(house)))
        settled = self.rules.settle(Played(seats, self._answered(seats, fees)), self.owner_matches)
        for seat, each in enumerate(seats):
            owner_id = each.owner_id
            self.gained[owner_id] -= fees[seat]
            self.lowest[owner_id] = min(self.lowest[owner_id], self.gained[owner_id])
            self.gained[owner_id] += settled.paid[seat]
            self.owner_matches[owner_id] += 1
            each.skill = settled.skills[seat]
            each.match_count += 1
            each.win_count += seat in settled.winners

    def _answered(self, seats: tuple[SimulatedAgent, ...], fees: Mapping[int, int]) -> MatchState:
        players = tuple(
            Player(
                seat=seat,
                agent_id=each.agent_id,
                version_id=0,
                user_id=each.owner_id,
                entry_id=None if each.owner_id == HOUSE else f"entry of {each.agent_id}",
                fee_credits=fees[seat],
            )
            for seat, each in enumerate(seats)
        )
        spoke = frozenset(seat for seat, each in enumerate(seats) if each.answers)
        rounds = tuple(
            RoundState(
                number,
                RoundStatus.DECIDED,
                tries=dict.fromkeys(range(len(seats)), 1),
                spoke=spoke,
                scores={
                    seat: float(self.rng.random() < each.pass_rate)
                    for seat, each in enumerate(seats)
                },
            )
            for number in range(1, ROUNDS + 1)
        )
        seating = MatchSeated(
            space="simulated",
            environment="constraints",
            players=players,
            round_count=ROUNDS,
            rake_percent=RAKE_PERCENT,
            prize_percents=PRIZE_PERCENTS,
            panel=(("code", 1.0),),
        )
        return MatchState(MatchStatus.RUNNING, seating, rounds)
