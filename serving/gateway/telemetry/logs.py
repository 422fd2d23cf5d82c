"""The gateway's log, on standard error: plain text, or one JSON object a line."""

import json
import logging

from serving.gateway.settings import Settings
from serving.gateway.telemetry.request_id import request_id

_PLAIN = "%(asctime)s %(levelname)s %(name)s%(request)s: %(message)s"


class PlainLines(logging.Formatter):
    """One line for each record, with the request's id if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        record.request = f" [{name}]" if (name := request_id.get()) else ""
        return super().format(record)


class JsonLines(logging.Formatter):
    """One JSON object for each record; a traceback stays within its line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        entry = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if name := request_id.get():
            entry["request"] = name
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """False for what uvicorn says, as an error, of every WebSocket that was refused with a response."""
    return record.msg != "ASGI callable returned without completing handshake."


def configure_logs(settings: Settings) -> None:
    """Set up the process's log."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings.log_json else PlainLines(_PLAIN))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    # uvicorn tells of every start, stop and opened socket; the gateway says what matters of that itself.
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.setLevel(max(logging.WARNING, logging.getLogger().level))
    uvicorn.addFilter(_is_no_refusal)
