"""How many iterations a joint fit takes in all, as far as what each gains tells."""

from __future__ import annotations

import math

__all__ = ["ExpectedIterations"]

# By which part of the one before an iteration's gain falls: where nothing is known of that yet, and
# from where to where it is believed.
USUAL_RATIO, LEAST_RATIO, LARGEST_RATIO = 0.25, 0.1, 0.6

# Iterations that a fit takes as a rule after a solution that only begins it, and after another one.
AFTER_FIRST, AFTER_LATER = 6, 1


class ExpectedIterations:
    """Estimates the number of iterations while they go on, so that a bar knows about its end.

    The gains of a linear solution fall geometrically, down to what is not worth another iteration.
    What is said to be done never becomes less.

    Examples
    --------
    >>> expected = ExpectedIterations()
    >>> expected.begin(relative_gain=0.001, worthwhile_nats=10.0)
    >>> [expected.after(gain) for gain in (10_000.0, 1000.0, 100.0, 10.0)]
    [7, 5, 5, 5]
    """

    def __init__(self) -> None:
        self._iterations, self._done = 0, 0.0
        self._relative = self._worthwhile = self._gained = 0.0
        self._last: float | None = None

    def begin(self, relative_gain: float, worthwhile_nats: float) -> None:
        """Begin a linear solution.

        Parameters
        ----------
        relative_gain : float
            It ends where an iteration gains less than this part of what all did.
        worthwhile_nats : float
            What is worth another iteration in any case; 0 of a solution that only begins the fit.
        """
        self._relative, self._worthwhile = relative_gain, worthwhile_nats
        self._gained, self._last = 0.0, None

    def after(self, gain: float) -> int:
        """Return how many iterations it will be in all, after one more that gained so much."""
        self._iterations += 1
        self._gained += max(gain, 0.0)
        left = AFTER_LATER if self._worthwhile else AFTER_FIRST
        least = max(self._relative * self._gained, self._worthwhile)
        if gain > least > 0:
            ratio = USUAL_RATIO if not self._last else gain / self._last
            ratio = min(max(ratio, LEAST_RATIO), LARGEST_RATIO)
            left += math.ceil(math.log(gain / least) / -math.log(ratio))
        self._last = gain
        total = self._iterations + left
        if self._done:
            # One is still to come as long as nobody says that it is over.
            most = int(self._iterations / self._done)
            total = max(self._iterations + 1, min(total, most))
        self._done = self._iterations / total
        return total
