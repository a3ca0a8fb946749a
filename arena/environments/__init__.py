"""Environments, by the key that a Space stores; they make tasks and score answers in code. Pure."""

from arena.environments.arithmetic.family import Arithmetic
from arena.environments.constraints.family import Constraints
from arena.environments.debate.family import Debate
from arena.environments.games.auction import SealedBidAuction
from arena.environments.games.connectfour import ConnectFour
from arena.environments.games.kuhnpoker import KuhnPoker
from arena.environments.games.liarsdice import LiarsDice
from arena.environments.games.negotiation import SimpleNegotiation
from arena.environments.games.nim import Nim
from arena.environments.games.prisoners import IteratedPrisonersDilemma
from arena.environments.games.public_goods import PublicGoods
from arena.environments.games.tictactoe import TicTacToe
from arena.environments.names.family import Names
from arena.environments.poems.family import OpenEnded
from arena.environments.reasoning.catalogue import OFFERS
from arena.environments.reasoning.family import family
from arena.environments.registry import Registry
from arena.environments.stories.family import Stories

ENVIRONMENTS = Registry()
ENVIRONMENTS.add(Constraints(), OpenEnded(), Arithmetic())
ENVIRONMENTS.add(IteratedPrisonersDilemma(), SimpleNegotiation(), SealedBidAuction(), PublicGoods())
ENVIRONMENTS.add(Stories(), Names(), Debate())
ENVIRONMENTS.add(TicTacToe(), ConnectFour(), Nim(), KuhnPoker(), LiarsDice())
ENVIRONMENTS.add_family("reasoning", family, names=OFFERS)
