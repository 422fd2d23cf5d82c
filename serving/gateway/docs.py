"""GET /docs: the API on one plain page, made from the same models that check the requests.

No script and nothing from other hosts, so it works offline and under the page's content security policy; and
it shows the session's frames, which OpenAPI has no words for. Tools read /openapi.json.
"""

import re
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from serving.gateway.frames import Adopt, Answer, Call, ErrorFrame, Move, Ready, Release, Start, Tempo
from serving.gateway.messages import Message

_CLIENT_FRAMES: tuple[type[Message], ...] = (Start, Call, Tempo, Adopt)
_SERVER_FRAMES: tuple[type[Message], ...] = (Ready, Answer, Release, Move, ErrorFrame)

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h2 { border-top: 1px solid #ccc; padding-top: 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem; border-bottom: 1px solid #eee; }
code { font-size: .95em; }
"""


def serve_docs(app: FastAPI) -> None:
    """Add /docs to an application."""

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse("".join(_page(app.openapi())))


def _page(api: dict[str, Any]) -> Iterator[str]:
    title = escape(api["info"]["title"])
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}: API</title>'
    yield f'<link rel="icon" href="data:,"><style>{_STYLE}</style>'
    yield f"<h1>{title}</h1><p>{escape(api['info']['summary'])}</p>"
    yield '<p>For tools: <a href="/openapi.json">openapi.json</a>. Errors are problem details (RFC 9457).</p>'
    for path, methods in api["paths"].items():
        for method, route in methods.items():
            yield from _route(method.upper(), path, route, api["components"]["schemas"])
    yield "<h2><code>WS /v1/session</code></h2>"
    yield "<p>Live call and response, in frames of JSON text. Resume with a start and its history.</p>"
    for who, frames in (("Client", _CLIENT_FRAMES), ("Server", _SERVER_FRAMES)):
        for frame in frames:
            schema = frame.model_json_schema()
            yield f"<h3>{who}: <code>{schema['properties']['type']['const']}</code></h3>"
            yield f"<p>{_prose(schema['description'])}</p>"
            yield from _fields(schema, schema.get("$defs", {}))


def _route(method: str, path: str, route: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    yield f"<h2><code>{method} {escape(path)}</code></h2>"
    for paragraph in route.get("description", "").split("\n\n"):
        yield f"<p>{_prose(paragraph)}</p>"
    parameters = {part["name"]: part["schema"] for part in route.get("parameters", [])}
    if parameters:
        required = [part["name"] for part in route["parameters"] if part["required"]]
        yield "<h3>Query</h3>"
        yield from _fields({"properties": parameters, "required": required}, schemas)
    for title, part in (("Body", route.get("requestBody", {})), ("Answer", route["responses"]["200"])):
        schema = _resolved(part.get("content", {}).get("application/json", {}).get("schema", {}), schemas)
        if "properties" in schema:
            yield f"<h3>{title}</h3>"
            yield from _fields(schema, schemas)


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    """A table of an object's fields, those of the objects inside it with their path."""
    yield "<table><tr><th>field</th><th>type</th><th>default</th><th>meaning</th></tr>"
    yield from _rows(schema, schemas, "")
    yield "</table>"


def _rows(schema: dict[str, Any], schemas: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, field in schema["properties"].items():
        field = _resolved(field, schemas)
        default = "required" if name in schema.get("required", []) else field.get("default", "")
        cells = [_type(field), "" if default is None else str(default), field.get("description", "")]
        yield f"<tr><td><code>{escape(prefix + name)}</code></td>"
        yield "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
        inner = _resolved(field.get("items", field), schemas)
        if "properties" in inner:
            yield from _rows(inner, schemas, f"{prefix}{name}{'[]' if 'items' in field else ''}.")


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """A schema without its reference, or, if it may be null, what it is otherwise."""
    if "anyOf" in schema:
        chosen = next(choice for choice in schema["anyOf"] if choice.get("type") != "null")
        return {
            **_resolved(chosen, schemas),
            **{key: value for key, value in schema.items() if key != "anyOf"},
        }
    if "$ref" in schema:
        return schemas[schema["$ref"].rpartition("/")[2]]
    return schema


def _type(field: dict[str, Any]) -> str:
    """A field's type with its bounds, in a few words."""
    if "const" in field or "enum" in field:
        return " | ".join(map(repr, field.get("enum", [field.get("const")])))
    words = "list" if field.get("type") == "array" else field.get("type", "any")
    lowest = field.get("minimum", field.get("exclusiveMinimum"))
    highest = field.get("maximum")
    if lowest is not None or highest is not None:
        words += f" {_number(lowest)}..{_number(highest)}"
    return words


def _number(bound: float | None) -> str:
    """A bound as people write it; OpenAPI turns whole numbers into floats."""
    return "" if bound is None else str(int(bound) if bound == int(bound) else bound)


def _prose(text: str) -> str:
    """A docstring's words as HTML, with its `code`."""
    return re.sub("`+([^`]+)`+", r"<code>\1</code>", escape(text))
