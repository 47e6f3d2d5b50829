"""How many iterations a joint fit takes in all, as far as what each gains tells."""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = ["ExpectedIterations"]


class Fall(NamedTuple):
    """By which part of the one before a gain falls: as a rule, and what is believed of it."""

    usual: float
    least: float
    largest: float

    def times(self, gain: float, before: float | None, end: float) -> int:
        """Return how often a gain falls yet until it is down to the end."""
        if not gain > end > 0:
            return 0
        ratio = self.usual if not before else gain / before
        ratio = min(max(ratio, self.least), self.largest)
        return math.ceil(math.log(gain / end) / -math.log(ratio))


# From one iteration to the next, and from one round to the next.
OF_ITERATIONS, OF_ROUNDS = Fall(0.25, 0.1, 0.6), Fall(0.05, 0.02, 0.7)

# A round takes this part of the iterations of the one before.
FEWER = 0.7

# Iterations that a fit takes as a rule after a solution that only begins it.
AFTER_FIRST = 6


class ExpectedIterations:
    """Estimates the number of iterations while they go on, so that a bar knows about its end.

    The gains of a linear solution fall geometrically, down to what is not worth another iteration;
    and so do those of the rounds of such solutions. What is said to be done never becomes less
    within a part of the fit; whether there is another part nobody knows before.

    Examples
    --------
    >>> expected = ExpectedIterations()
    >>> expected.begin(relative_gain=0.001, worthwhile_nats=10.0)
    >>> [expected.after(gain) for gain in (10_000.0, 1000.0, 100.0, 10.0)]
    [7, 5, 5, 5]
    """

    def __init__(self) -> None:
        self._iterations, self._done = 0, 0.0
        self._relative = self._worthwhile = self._converged = 0.0
        self._rounds_left = 0
        # Of the solution under way: gain and iterations; and the gain of the one before.
        self._gained, self._taken = 0.0, 0
        self._last: float | None = None
        self._last_round: float | None = None

    def begin_part(self) -> None:
        """Begin another part of the fit, of which nothing was known before."""
        self._done = self._gained = self._worthwhile = 0.0

    def begin(
        self,
        relative_gain: float,
        worthwhile_nats: float,
        converged_nats: float = 0.0,
        rounds_left: int = 0,
    ) -> None:
        """Begin a linear solution.

        Parameters
        ----------
        relative_gain : float
            It ends where an iteration gains less than this part of what all did.
        worthwhile_nats : float
            What is worth another iteration in any case; 0 of a solution that only begins the fit.
        converged_nats : float
            There is another round if this one gains more.
        rounds_left : int
            How many there may be after this one.
        """
        self._last_round = self._gained if self._worthwhile else None
        self._relative, self._worthwhile = relative_gain, worthwhile_nats
        self._converged, self._rounds_left = converged_nats, rounds_left
        self._gained, self._taken, self._last = 0.0, 0, None

    def after(self, gain: float) -> int:
        """Return how many iterations it will be in all, after one more that gained so much."""
        self._iterations += 1
        self._taken += 1
        self._gained += max(gain, 0.0)
        least = max(self._relative * self._gained, self._worthwhile)
        left = OF_ITERATIONS.times(gain, self._last, least)
        self._last = gain
        if self._worthwhile:
            # One is still to come as long as nobody says that it is over.
            left = max(left + self._in_rounds(self._taken + left), 1)
        else:
            left += AFTER_FIRST
        total = self._iterations + left
        if self._done:
            most = int(self._iterations / self._done)
            total = max(self._iterations + 1, min(total, most))
        self._done = self._iterations / total
        return total

    def _in_rounds(self, iterations: int) -> int:
        """Return how many iterations the rounds take that follow one of so many."""
        rounds = OF_ROUNDS.times(self._gained, self._last_round, self._converged)
        rounds = min(rounds, self._rounds_left)
        return sum(max(1, round(iterations * FEWER**number)) for number in range(1, rounds + 1))
