"""Media types: what a body is, and what an answer is wanted as."""

from serving.gateway.errors import NotAcceptable

JSON = "application/json"
MIDI = "audio/midi"
FORM = "multipart/form-data"
MIDI_TYPES = {MIDI, "audio/mid", "audio/x-midi", "audio/sp-midi", "application/x-midi"}
_JSON_TYPES = {JSON, "application/*", "*/*"}


def media_type(header: str) -> str:
    """The type in a header's value, without its parameters."""
    return header.partition(";")[0].strip().lower()


def wants_midi(accept: str) -> bool:
    """Which of JSON and MIDI an Accept header asks for. Raises NotAcceptable for neither."""
    for part in sorted(accept.split(","), key=_weight, reverse=True):
        if _weight(part) > 0 and (kind := media_type(part)) in MIDI_TYPES | _JSON_TYPES:
            return kind in MIDI_TYPES
    raise NotAcceptable(f"Accept is {accept}; this route answers in {JSON} or {MIDI}.", field="Accept")


def _weight(part: str) -> float:
    """How much a type is wanted: its q, from 0 to 1 (RFC 9110, 12.4.2)."""
    for parameter in part.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
