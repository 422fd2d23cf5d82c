"""POST /predict: the contract of magenta_session and AI Duet."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request, Response

from kakeai.music.midi import Track
from serving.gateway.api.ai_duet import call_and_steps, midi_bytes
from serving.gateway.api.body import read_body
from serving.gateway.api.messages import MAX_PHRASE_SECONDS
from serving.gateway.api.midi import notes_of, qpm_of, read_score, write_tracks
from serving.gateway.backend.ask import Ask, seeds
from serving.gateway.gateway import gateway_of, host_of
from serving.gateway.play.dynamics import sounded
from serving.gateway.play.primer import recent

router = APIRouter()

# The whole of it, both voices: what its readers find in "track 1" of the reference's files.
_TRACK = "Kakeai"


@router.post("/predict", response_class=Response, responses={200: {"content": {"audio/midi": {}}}})
async def predict(
    request: Request,
    duration: Annotated[
        float, Query(gt=0, le=MAX_PHRASE_SECONDS, description="Seconds of call and answer together.")
    ],
) -> Response:
    """Continue a MIDI file to `duration` seconds.

    The body is a JSON array of the file's bytes, as magenta_session and AI Duet send it, or the file itself.
    The answer is a MIDI file with the call's melody and, shortly after its end, the model's.
    """
    gateway = gateway_of(request)
    score = await read_score(midi_bytes(await read_body(request, gateway.settings)))
    notes, qpm = notes_of(score), qpm_of(score)
    gateway.check_notes(notes.size, "body")
    call, steps = call_and_steps(notes, qpm, duration)
    gateway.check_steps(steps, "duration")
    ask = Ask(
        model=gateway.settings.model,
        version=None,
        primer=recent(call),
        steps=steps,
        temperature=1.0,
        seeds=seeds(None),
    )
    [reply] = await gateway.answer(ask, "predict", host_of(request))
    request.state.model = ask.model
    both = sounded(np.concatenate([call, reply.melody]), qpm, notes, call.size, "flat")
    return Response(
        await write_tracks([Track(_TRACK, both)], qpm),
        media_type="audio/midi",
        headers={"Content-Disposition": 'attachment; filename="output.mid"'},
    )
