"""POST /v1/generate: one phrase in, its answer out, as JSON or as MIDI."""

from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from kakeai.music.melody import melody_from_notes
from kakeai.music.midi import Track, write_midi
from serving.gateway.ask import Ask, seed_or_draw
from serving.gateway.bodies import notes_of, qpm_of, read_body, read_score
from serving.gateway.exceptions import InvalidRequest, NotAcceptable, UnsupportedMediaType
from serving.gateway.gateway import gateway_of
from serving.gateway.messages import (
    MAX_PHRASE_SECONDS,
    GenerateOptions,
    GenerateRequest,
    GenerateResponse,
    Take,
    note_columns,
    note_list,
)
from serving.gateway.phrase import notes_in_reply, recent, steps_at, steps_to_the_beat

MIDI = "audio/midi"
JSON = "application/json"
_MIDI_TYPES = {MIDI, "audio/mid", "audio/x-midi", "audio/sp-midi", "application/x-midi"}

router = APIRouter()

_schema = GenerateRequest.model_json_schema(ref_template="#/components/schemas/{model}")
_schema.pop("$defs")
_request_body: dict[str, Any] = {
    "required": True,
    "content": {
        JSON: {"schema": _schema},
        MIDI: {"schema": {"type": "string", "format": "binary"}},
    },
}


@router.post(
    "/v1/generate",
    response_model=GenerateResponse,
    responses={
        200: {"content": {MIDI: {}}, "description": "The answer; with `Accept: audio/midi` a MIDI file."}
    },
    openapi_extra={"requestBody": _request_body},
)
async def generate(request: Request) -> Response:
    """Answer a phrase.

    The body is JSON, or a MIDI file (`Content-Type: audio/midi`), whose own tempo counts and whose options
    stand in the query. `Accept: audio/midi` gives the answer as a MIDI file; its take is in the header
    `Kakeai-Take`.
    """
    gateway = gateway_of(request)
    wants_midi = _wants_midi(request.headers.get("accept", "*/*"))
    body = await read_body(request, gateway.settings)
    options, notes = await _read_call(request, body)

    gateway.check_notes(notes.size)
    gateway.check_steps(options.steps, "steps")
    primer = _primer(notes, options)
    ask = Ask(
        model=options.model or gateway.settings.model,
        primer=recent(primer),
        steps=options.steps,
        temperature=options.temperature,
        seed=seed_or_draw(options.seed),
    )
    reply = await gateway.answer(ask, "generate")
    answer = notes_in_reply(reply.melody, options.qpm, notes)
    take = reply.take(ask)
    if wants_midi:
        return _midi_response(answer, options.qpm, take)
    response = GenerateResponse(
        notes=note_list(answer), qpm=options.qpm, log_likelihood=reply.log_likelihood, take=take
    )
    return Response(response.model_dump_json(), media_type=JSON)


async def _read_call(request: Request, body: bytes) -> tuple[GenerateOptions, np.ndarray]:
    """The options and notes in a request of either kind."""
    kind = _media_type(request.headers.get("content-type", JSON))
    if kind in _MIDI_TYPES:
        score = await read_score(body)
        options = GenerateOptions.model_validate_strings(dict(request.query_params))
        if "qpm" not in options.model_fields_set:
            options = options.model_copy(update={"qpm": qpm_of(score)})
        return options, notes_of(score)
    if kind == JSON:
        call = GenerateRequest.model_validate_json(body)
        return call, note_columns(call.notes)
    raise UnsupportedMediaType(f"Content-Type is {kind}; send {JSON} or {MIDI}.", field="Content-Type")


def _primer(notes: np.ndarray, options: GenerateOptions) -> np.ndarray:
    longest = steps_at(MAX_PHRASE_SECONDS, options.qpm)
    if options.primer_steps is not None and options.primer_steps > longest:
        raise InvalidRequest(
            f"primer_steps is {options.primer_steps}; at this tempo it may be {longest}.",
            field="primer_steps",
        )
    steps = options.primer_steps or steps_to_the_beat(notes, options.qpm)
    return melody_from_notes(notes, options.qpm, steps)


def _midi_response(notes: np.ndarray, qpm: float, take: Take) -> Response:
    return Response(
        write_midi([Track("Kakeai", notes)], qpm),
        media_type=MIDI,
        headers={
            "Content-Disposition": 'attachment; filename="answer.mid"',
            "Kakeai-Take": take.model_dump_json(),
        },
    )


def _wants_midi(accept: str) -> bool:
    """Which of the two kinds an Accept header asks for. Raises NotAcceptable for neither."""
    for kind in map(_media_type, accept.split(",")):
        if kind in _MIDI_TYPES:
            return True
        if kind in {JSON, "application/*", "*/*"}:
            return False
    raise NotAcceptable(f"Accept is {accept}; this route answers in {JSON} or {MIDI}.", field="Accept")


def _media_type(header: str) -> str:
    return header.partition(";")[0].strip().lower()
