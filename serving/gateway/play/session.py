"""A session of call and response as a state machine, without a socket.

    NEW ──start──► READY ──call──────────► ANSWERING ──answered, failed──► READY
                   READY ──tempo, adopt──► READY

The dialogue is one melody line that both voices share; each turn keeps the steps it was played on, whatever
the tempo does later. All of it can be rebuilt from the turns that the client has seen, so a client that loses
its gateway starts on another one with its history and goes on as if nothing had happened.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np

from kakeai.music.melody import STEPS_PER_QUARTER, melody_from_notes
from serving.gateway.api.frames import Answer, Call, Start, Tempo
from serving.gateway.api.messages import note_columns, note_list
from serving.gateway.backend.ask import Ask, Reply, seeds
from serving.gateway.errors import OutOfTurn
from serving.gateway.play.dynamics import sounded
from serving.gateway.play.primer import line, recent, top_voice, turns_heard, within, worth_keeping


class State(Enum):
    """Where a session stands; the value says what it waits for."""

    NEW = "a start"
    READY = "a call, a tempo or an adopt"
    ANSWERING = "its model"


class _Phrase(NamedTuple):
    voice: np.ndarray  # NOTE[n], what the model hears of a turn
    melody: np.ndarray  # int8[steps], the same in events
    is_polyphonic: bool


@dataclass(frozen=True)
class _Pending:
    call: Call
    ask: Ask
    phrase: _Phrase  # of the call
    dialogue: list[np.ndarray]  # as it will be once the call is answered, but for the answer


class Session:
    """The dialogue of one player with one version of a model.

    Raises OutOfTurn for a move that its state does not allow.
    """

    def __init__(self) -> None:
        """A session that waits for its start."""
        self.state = State.NEW
        self.model = ""
        self.version = 0
        self.qpm = 0.0
        self._steps_per_bar = 0
        self._dialogue: list[np.ndarray] = []
        self._before_last_turn: list[np.ndarray] = []
        self._last_turn: int | None = None
        self._pending: _Pending | None = None

    def expect(self, state: State, move: str) -> None:
        """Raise OutOfTurn unless the session is in ``state``, naming what came and what it waits for."""
        if self.state is not state:
            raise OutOfTurn(f"A {move} came, but the session waits for {self.state.value}.", field="type")

    def start(self, start: Start, model: str, version: int) -> None:
        """Open the session, with the turns of an earlier one if there are any."""
        self.expect(State.NEW, "start")
        self.model = model
        self.version = version
        self.qpm = start.qpm
        self._steps_per_bar = start.beats_per_bar * STEPS_PER_QUARTER
        steps = [turn.bars * self._steps_per_bar for turn in start.history]
        heard = start.history[len(steps) - turns_heard(steps) :]
        self._dialogue = [
            self._phrase(note_columns(turn.notes), turn.bars, turn.qpm or start.qpm).melody for turn in heard
        ]
        self.state = State.READY

    def tempo(self, tempo: Tempo) -> None:
        """Change the tempo of the turns to come."""
        self.expect(State.READY, "tempo")
        self.qpm = tempo.qpm

    def adopt(self, version: int) -> None:
        """Let another version of the model give the answers to come."""
        self.expect(State.READY, "adopt")
        self.version = version

    def call(self, call: Call) -> Ask:
        """Take the player's bars; the whole dialogue so far, they included, asks for the answer.

        The turn of the last call once more replaces that call and its answer (another take, or a note that
        came late). An earlier one raises OutOfTurn.
        """
        self.expect(State.READY, "call")
        if self._last_turn is not None and call.turn < self._last_turn:
            raise OutOfTurn(f"Turn {call.turn} is past; the last one was {self._last_turn}.", field="turn")
        past = self._before_last_turn if call.turn == self._last_turn else self._dialogue
        phrase = self._phrase(note_columns(call.notes), call.bars, self.qpm)
        dialogue = [*past, phrase.melody]
        ask = Ask(
            model=self.model,
            version=self.version,
            primer=recent(line(dialogue), self._steps_per_bar),
            steps=call.answer_bars * self._steps_per_bar,
            temperature=call.temperature,
            seeds=seeds(call.seed),
        )
        self._pending = _Pending(call, ask, phrase, dialogue)
        self.state = State.ANSWERING
        return ask

    def answered(self, reply: Reply) -> Answer:
        """Take the model's answer into the dialogue, as the client will see it."""
        self.expect(State.ANSWERING, "reply")
        assert self._pending is not None
        call, ask, phrase = self._pending.call, self._pending.ask, self._pending.phrase
        notes = sounded(reply.melody, self.qpm, phrase.voice, phrase.melody.size, call.dynamics)
        self._before_last_turn = self._pending.dialogue[:-1]
        answer = self._phrase(notes, call.answer_bars, self.qpm)
        self._dialogue = worth_keeping([*self._pending.dialogue, answer.melody])
        self._last_turn = call.turn
        self._pending = None
        self.state = State.READY
        return Answer(
            turn=call.turn,
            bars=call.answer_bars,
            notes=note_list(notes),
            take=reply.take(ask, self.qpm, ask.primer.size, call.dynamics),
            log_likelihood=reply.log_likelihood,
            polyphonic=phrase.is_polyphonic,
        )

    def failed(self) -> None:
        """Give the call up: the dialogue is as it was before, and the same turn can be called again."""
        self.expect(State.ANSWERING, "failure")
        self._pending = None
        self.state = State.READY

    def _phrase(self, notes: np.ndarray, bars: int, qpm: float) -> _Phrase:
        steps = bars * self._steps_per_bar
        inside = within(notes, qpm, steps)
        voice = top_voice(inside, qpm)
        return _Phrase(voice, melody_from_notes(voice, qpm, steps), voice.size < inside.size)
