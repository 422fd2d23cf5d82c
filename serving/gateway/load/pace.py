"""How many answers may be under way at once, by how quickly they come."""

from statistics import quantiles

_ROUND = 32  # answers that are judged together
_LEAST = 8  # places that there always are: a slow model answers so many in one batch nearly as soon as one
_USUAL_STEPS = 64  # four bars of 4/4; a longer answer may take longer in proportion


class Pace:
    """Places for answers under way: fewer while answers come late, more again while they do not.

    A model server that is asked for more than it can do answers everybody later and nobody more, so whoever it
    cannot answer in time is better told at once. It does not say how much it can do; the time that it takes tells.
    After every round of answers, where one in ten was late, the places shrink by as much as it was late (Little's
    law: at the same throughput, time goes with the number under way); otherwise there is one more.
    """

    def __init__(self, most: int, late_seconds: float) -> None:
        """Begin with ``most`` places, and never have more. Answers of four bars are late after ``late_seconds``."""
        self._most = most
        self._least = min(_LEAST, most)
        self._late_seconds = late_seconds
        self._limit = float(most)
        self._round: list[float] = []  # times, as shares of what is allowed

    @property
    def places(self) -> int:
        """How many answers may be under way now."""
        return int(self._limit)

    def answered(self, seconds: float, steps: int) -> None:
        """Note that an answer of ``steps`` sixteenths took ``seconds``, in vain or not."""
        self._round.append(seconds / (self._late_seconds * max(1.0, steps / _USUAL_STEPS)))
        if len(self._round) < _ROUND:
            return
        lateness = quantiles(self._round, n=10)[-1]
        self._round.clear()
        change = self._limit / lateness if lateness > 1.0 else self._limit + 1.0
        self._limit = min(max(change, self._least), self._most)
