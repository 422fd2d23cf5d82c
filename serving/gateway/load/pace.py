"""How many answers may be under way at once, by how quickly they come and how many were lately."""

from statistics import quantiles

_ROUND = 32  # answers that are judged together
_LEAST = 8  # places that there always are: a slow model answers so many in one batch nearly as soon as one
_SPARE = 2.0  # times as many places as were taken lately: the load may double at once
_SPARE_AT_REST = 1 / 4  # of all places, for a burst out of silence
_WELL_IN_TIME = 0.5  # of the time allowed
_FASTER = 1.25  # times as many places after a round well in time
_REFUSED = 2.0  # a refusal counts as an answer so many times too late: one in ten halves the places
_USUAL_STEPS = 64  # four bars of 4/4; a longer answer may take longer in proportion


class Pace:
    """Places for answers under way: fewer while answers come late, more again while they do not.

    A model server that is asked for more than it can do answers everybody later and nobody more, so a request that
    it cannot answer in time is better refused at once. It does not say how much it can do, but its answers take
    longer, or it refuses some. After every round of answers, where one in ten was late, the places shrink by as much
    as it was late (Little's law: at the same throughput, time goes with the number under way); otherwise there is one
    more, or a quarter more where all were well in time. Places that nobody took are given up but for some to spare:
    they say nothing of what the model server can do, and a sudden crowd in all of them would hold up everybody.
    """

    def __init__(self, most: int, late_seconds: float) -> None:
        """Begin with ``most`` places, and never have more. Answers of four bars are late after ``late_seconds``."""
        self._most = most
        self._least = min(_LEAST, most)
        self._late_seconds = late_seconds
        self._limit = float(most)
        self._round: list[float] = []  # times, as shares of what is allowed
        self._taken = 0  # places, at most, in this round

    @property
    def places(self) -> int:
        """How many answers may be under way now."""
        return int(self._limit)

    def answered(self, seconds: float, steps: int, taken: int) -> None:
        """Note that an answer of ``steps`` sixteenths took ``seconds``, in vain or not, one of ``taken`` places."""
        self._note(seconds / (self._late_seconds * max(1.0, steps / _USUAL_STEPS)), taken)

    def refused(self, taken: int) -> None:
        """Note that the model server refused to answer for want of room, or was not there; ``taken`` as above."""
        self._note(_REFUSED, taken)

    def _note(self, share: float, taken: int) -> None:
        self._taken = max(self._taken, taken)
        self._round.append(share)
        if len(self._round) < _ROUND:
            return
        lateness = quantiles(self._round, n=10)[-1]
        enough = max(_SPARE * self._taken, _SPARE_AT_REST * self._most)
        self._round.clear()
        self._taken = 0
        if lateness > 1.0:
            change = self._limit / lateness
        elif lateness > _WELL_IN_TIME:
            change = self._limit + 1.0
        else:
            change = self._limit * _FASTER
        self._limit = max(min(change, enough, self._most), self._least)
