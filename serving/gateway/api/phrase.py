"""What comes to /v1/generate: a phrase and options, in whichever of three kinds."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

import numpy as np
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from kakeai.music.melody import NO_EVENT, STEPS_PER_QUARTER, melody_from_notes
from serving.gateway.api.body import read_body
from serving.gateway.api.json_bounds import check_json
from serving.gateway.api.media import FORM, JSON, MIDI, MIDI_TYPES, media_type
from serving.gateway.api.messages import (
    MAX_PHRASE_SECONDS,
    MAX_PHRASE_STEPS,
    GenerateOptions,
    GenerateRequest,
    note_columns,
)
from serving.gateway.api.midi import notes_of, qpm_of, read_score
from serving.gateway.errors import InvalidRequest, MalformedRequest, UnsupportedMediaType
from serving.gateway.gateway import Gateway
from serving.gateway.play.primer import steps_at, steps_to_the_beat, top_voice, within

FILE_FIELD = "midi"  # of a form
_FORM_PIECE_BYTES = 16 << 10  # that are parsed at once


@dataclass(frozen=True)
class Phrase:
    """A phrase to answer. ``notes`` are the NOTE[n] of its top voice; ``primer`` is int8[steps]."""

    options: GenerateOptions
    notes: np.ndarray
    primer: np.ndarray
    polyphonic: bool


async def read_phrase(request: Request, gateway: Gateway) -> Phrase:
    """The phrase in a request. Raises a GatewayError, a ValidationError or a MidiError for what is none."""
    kind = media_type(request.headers.get("content-type", JSON))
    if kind in {JSON, FORM} and request.query_params:
        raise InvalidRequest("With this body, options stand in the body, not in the query.", field="query")
    body = await read_body(request, gateway.settings)
    if kind == JSON:
        check_json(body, gateway.settings.max_notes)
        await asyncio.sleep(0)  # others get their turn between checking, reading and hearing
        call = GenerateRequest.model_validate_json(body)
        await asyncio.sleep(0)
        if call.melody is not None:
            return _of_events(np.array(call.melody, np.int8), call)
        return _of_notes(note_columns(call.notes or []), call, gateway)
    if kind in MIDI_TYPES:
        return await _of_midi(body, request.query_params, gateway)
    if kind == FORM:
        midi, options = await _read_form(request, body)
        return await _of_midi(midi, options, gateway)
    raise UnsupportedMediaType(
        f"Content-Type is {kind}; send {JSON}, {MIDI} or {FORM}.", field="Content-Type"
    )


async def _of_midi(midi: bytes, fields: Mapping[str, str], gateway: Gateway) -> Phrase:
    options = GenerateOptions.model_validate_strings(dict(fields))
    score = await read_score(midi)
    if "qpm" not in options.model_fields_set:
        options = options.model_copy(update={"qpm": qpm_of(score)})
    return _of_notes(notes_of(score), options, gateway)


async def _read_form(request: Request, body: bytes) -> tuple[bytes, dict[str, str]]:
    """The file and the other fields of a form."""

    async def pieces() -> AsyncGenerator[bytes, None]:
        for begin in range(0, len(body), _FORM_PIECE_BYTES):
            yield body[begin : begin + _FORM_PIECE_BYTES]
            await asyncio.sleep(0)  # the parser goes byte by byte: others come between two pieces

    try:
        form = await MultiPartParser(request.headers, pieces(), max_files=1).parse()
    except MultiPartException as error:
        raise MalformedRequest(f"This is no form: {error.message.rstrip('.')}.") from None
    try:
        file = form.get(FILE_FIELD)
        if not isinstance(file, UploadFile):
            raise InvalidRequest(f"{FILE_FIELD} is missing: the MIDI file.", field=FILE_FIELD)
        return await file.read(), {name: value for name, value in form.items() if isinstance(value, str)}
    finally:
        await form.close()


def _of_notes(notes: np.ndarray, options: GenerateOptions, gateway: Gateway) -> Phrase:
    gateway.check_notes(notes.size)
    steps = _primer_steps(options, steps_to_the_beat(notes, options.qpm), "notes")
    inside = within(notes, options.qpm, steps)
    voice = top_voice(inside, options.qpm)
    return Phrase(
        options=options,
        notes=voice,
        primer=melody_from_notes(voice, options.qpm, steps),
        polyphonic=voice.size < inside.size,
    )


def _of_events(events: np.ndarray, options: GenerateOptions) -> Phrase:
    steps = _primer_steps(options, max(events.size, STEPS_PER_QUARTER), "melody")
    primer = np.full(steps, NO_EVENT, np.int8)
    primer[: events.size] = events[:steps]
    return Phrase(options, note_columns([]), primer, polyphonic=False)


def _primer_steps(options: GenerateOptions, default: int, field: str) -> int:
    """The phrase's length: what is asked for or, by default, that of the notes or melody in ``field``."""
    longest = min(steps_at(MAX_PHRASE_SECONDS, options.qpm), MAX_PHRASE_STEPS)
    if options.primer_steps is not None and options.primer_steps > longest:
        raise InvalidRequest(
            f"primer_steps is {options.primer_steps}; at this tempo it may be {longest}.",
            field="primer_steps",
        )
    if options.primer_steps is None and default > MAX_PHRASE_STEPS:
        raise InvalidRequest(
            f"{field} lasts {default} sixteenths; a phrase may last {MAX_PHRASE_STEPS}.", field=field
        )
    return options.primer_steps or default
