"""POST /v1/generate: one phrase in, its answers out, as JSON or as MIDI."""

import asyncio
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from kakeai.music.midi import Track
from serving.gateway.api import examples
from serving.gateway.api.media import FORM, JSON, MIDI, wants_midi
from serving.gateway.api.messages import (
    GenerateOptions,
    GenerateRequest,
    GenerateResponse,
    Take,
    Variation,
    note_list,
)
from serving.gateway.api.midi import write_tracks
from serving.gateway.api.phrase import FILE_FIELD, read_phrase
from serving.gateway.backend.ask import Ask, seeds
from serving.gateway.gateway import gateway_of, host_of
from serving.gateway.play.dynamics import sounded
from serving.gateway.play.primer import recent

TAKES_HEADER = "Kakeai-Takes"  # of a MIDI file
POLYPHONIC_HEADER = "Kakeai-Polyphonic"

router = APIRouter()

_takes = TypeAdapter(list[Take])


def _openapi() -> dict[str, Any]:
    """What the route reads, for OpenAPI: FastAPI itself cannot say it for a body of several kinds."""
    call = GenerateRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    call.pop("$defs")
    options = GenerateOptions.model_json_schema()["properties"]
    binary = {"type": "string", "format": "binary"}
    form = {"type": "object", "properties": {FILE_FIELD: binary, **options}, "required": [FILE_FIELD]}
    return {
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": call, "examples": examples.GENERATE},
                MIDI: {"schema": binary},
                FORM: {"schema": {**form, "additionalProperties": False}},
            },
        },
    }


@router.post(
    "/v1/generate",
    response_model=GenerateResponse,
    responses={
        200: {
            "content": {MIDI: {"schema": {"type": "string", "format": "binary"}}},
            "description": "The answers; with `Accept: audio/midi` a MIDI file.",
        }
    },
    openapi_extra=_openapi(),
)
async def generate(request: Request) -> Response:
    """Answer a phrase.

    The body is JSON, with the phrase as `notes` or as a `melody` in events; or a MIDI file (`Content-Type:
    audio/midi`), whose options stand in the query; or a form with the MIDI file as `midi` and the options as
    fields. A file's own tempo counts, and of several voices the top one.

    Every answer names its `take`. Its fields are options: sent with the same phrase, they give the same notes
    again, on any gateway, for as long as that version is served.

    `Accept: audio/midi` gives a MIDI file with a track for each answer; their takes, as a JSON list, are in the
    header `Kakeai-Takes`, and `Kakeai-Polyphonic` says whether the phrase had several voices.
    """
    gateway = gateway_of(request)
    as_midi = wants_midi(request.headers.get("accept", "*/*"))
    phrase = await read_phrase(request, gateway)
    options = phrase.options
    steps = options.answer_steps
    gateway.check_steps(steps, next((n for n in ("seconds", "bars") if getattr(options, n)), "steps"))
    ask = Ask(
        model=options.model or gateway.settings.model,
        version=options.version,
        primer=recent(phrase.primer),
        steps=steps,
        temperature=options.temperature,
        seeds=seeds(options.seed, options.variations),
    )
    replies = await gateway.answer(ask, "generate", host_of(request))
    request.state.model = ask.model
    answers = [
        sounded(reply.melody, options.qpm, phrase.notes, phrase.primer.size, options.dynamics)
        for reply in replies
    ]
    takes = [reply.take(ask, options.qpm, phrase.primer.size, options.dynamics) for reply in replies]
    if as_midi:
        return await _midi_response(answers, takes, options.qpm, phrase.polyphonic)
    variations = []
    for notes, reply, take in zip(answers, replies, takes, strict=True):
        await asyncio.sleep(0)  # sixteen long answers are much work: others come between two of them
        variations.append(
            Variation(
                notes=note_list(notes),
                melody=reply.melody.tolist(),
                log_likelihood=reply.log_likelihood,
                take=take,
            )
        )
    response = GenerateResponse(qpm=options.qpm, polyphonic=phrase.polyphonic, answers=variations)
    return Response(response.model_dump_json(), media_type=JSON)


async def _midi_response(
    answers: list[np.ndarray], takes: list[Take], qpm: float, polyphonic: bool
) -> Response:
    names = ["Kakeai"] if len(answers) == 1 else [f"Kakeai {number + 1}" for number in range(len(answers))]
    tracks = [Track(name, notes) for name, notes in zip(names, answers, strict=True)]
    return Response(
        await write_tracks(tracks, qpm),
        media_type=MIDI,
        headers={
            "Content-Disposition": 'attachment; filename="answer.mid"',
            TAKES_HEADER: _takes.dump_json(takes).decode(),
            POLYPHONIC_HEADER: str(polyphonic).lower(),
        },
    )
