"""A session of call and response as a state machine, without a socket.

    NEW ──start──► READY ──call──► ANSWERING ──answered, failed──► READY
                   READY ──tempo─► READY

The dialogue is one melody line that both voices share; each turn keeps the steps it was played on, whatever
the tempo does later. All of it can be rebuilt from the turns that the client has seen, so a client that loses
its gateway starts on another one with its history and goes on as if nothing had happened.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from kakeai.music.melody import STEPS_PER_QUARTER, melody_from_notes
from serving.gateway.ask import Ask, Reply, seed_or_draw
from serving.gateway.exceptions import OutOfTurn
from serving.gateway.messages import Answer, Call, Note, Start, Tempo, note_columns, note_list
from serving.gateway.phrase import line, notes_in_reply, recent, worth_keeping


class State(Enum):
    """Where a session stands; the value says what it waits for."""

    NEW = "a start"
    READY = "a call or a tempo"
    ANSWERING = "its model"


@dataclass(frozen=True)
class _Pending:
    call: Call
    ask: Ask
    dialogue: list[np.ndarray]  # as it will be once the call is answered, but for the answer


class Session:
    """The dialogue of one player with one model. Raises OutOfTurn for a move its state does not allow."""

    def __init__(self) -> None:
        """A session that waits for its start."""
        self.state = State.NEW
        self._model = ""
        self._qpm = 0.0
        self._steps_per_bar = 0
        self._dialogue: list[np.ndarray] = []
        self._before_last_turn: list[np.ndarray] = []
        self._last_turn: int | None = None
        self._pending: _Pending | None = None

    def expect(self, state: State, move: str) -> None:
        """Raise OutOfTurn unless the session is in ``state``, naming what came and what it waits for."""
        if self.state is not state:
            raise OutOfTurn(f"A {move} came, but the session waits for {self.state.value}.", field="type")

    def start(self, start: Start, model: str) -> None:
        """Open the session, with the turns of an earlier one if there are any."""
        self.expect(State.NEW, "start")
        self._model = model
        self._qpm = start.qpm
        self._steps_per_bar = start.beats_per_bar * STEPS_PER_QUARTER
        self._dialogue = worth_keeping(
            [self._melody(turn.notes, turn.bars, turn.qpm or start.qpm) for turn in start.history]
        )
        self.state = State.READY

    def tempo(self, tempo: Tempo) -> None:
        """Change the tempo of the turns to come."""
        self.expect(State.READY, "tempo")
        self._qpm = tempo.qpm

    def call(self, call: Call) -> Ask:
        """Take the player's bars; the whole dialogue so far, they included, asks for the answer.

        The turn of the last call once more replaces that call and its answer (another take, or a note that
        came late). An earlier one raises OutOfTurn.
        """
        self.expect(State.READY, "call")
        if self._last_turn is not None and call.turn < self._last_turn:
            raise OutOfTurn(f"Turn {call.turn} is past; the last one was {self._last_turn}.", field="turn")
        past = self._before_last_turn if call.turn == self._last_turn else self._dialogue
        dialogue = [*past, self._melody(call.notes, call.bars, self._qpm)]
        ask = Ask(
            model=self._model,
            primer=recent(line(dialogue), self._steps_per_bar),
            steps=call.answer_bars * self._steps_per_bar,
            temperature=call.temperature,
            seed=seed_or_draw(call.seed),
        )
        self._pending = _Pending(call, ask, dialogue)
        self.state = State.ANSWERING
        return ask

    def answered(self, reply: Reply) -> Answer:
        """Take the model's answer into the dialogue, as the client will see it."""
        self.expect(State.ANSWERING, "reply")
        assert self._pending is not None
        call, ask = self._pending.call, self._pending.ask
        notes = note_list(notes_in_reply(reply.melody, self._qpm, note_columns(call.notes)))
        self._before_last_turn = self._pending.dialogue[:-1]
        self._dialogue = worth_keeping(
            [*self._pending.dialogue, self._melody(notes, call.answer_bars, self._qpm)]
        )
        self._last_turn = call.turn
        self._pending = None
        self.state = State.READY
        return Answer(
            turn=call.turn,
            bars=call.answer_bars,
            notes=notes,
            take=reply.take(ask),
            log_likelihood=reply.log_likelihood,
        )

    def failed(self) -> None:
        """Give the call up: the dialogue is as it was before, and the same turn can be called again."""
        self.expect(State.ANSWERING, "failure")
        self._pending = None
        self.state = State.READY

    def _melody(self, notes: list[Note], bars: int, qpm: float) -> np.ndarray:
        return melody_from_notes(note_columns(notes), qpm, bars * self._steps_per_bar)
