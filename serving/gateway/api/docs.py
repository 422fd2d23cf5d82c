"""The API on one plain page, made from the same models that check the requests: GET /docs, and docs/api.md.

``python -m serving.gateway.api.docs`` prints the latter. It shows the session's frames too, which OpenAPI has no
words for. The page has no script and nothing from other hosts, so it works offline and under a strict content
security policy; tools read /openapi.json.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from typing import Any, Literal, NamedTuple

from fastapi import FastAPI
from fastapi.params import Depends
from fastapi.responses import HTMLResponse, JSONResponse

from serving.gateway.api.frames import Adopt, Answer, Call, ErrorFrame, Move, Ready, Release, Start, Tempo
from serving.gateway.api.messages import Message

_CLIENT_FRAMES: tuple[type[Message], ...] = (Start, Call, Tempo, Adopt)
_SERVER_FRAMES: tuple[type[Message], ...] = (Ready, Answer, Release, Move, ErrorFrame)

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h2 { border-top: 1px solid #ccc; padding-top: 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem; border-bottom: 1px solid #eee; }
code { font-size: .95em; }
pre { overflow-x: auto; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

_INTRODUCTION = (
    "For tools: `/openapi.json`. Errors are problem details (RFC 9457): `title`, `status`, `detail` and, where "
    "there is one, the `field` at fault."
)
_SESSION = "Live call and response, in frames of JSON text. Resume with a `start` and its `history`."


class _Block(NamedTuple):
    """One piece of the page; text holds its `code` in back quotes."""

    kind: Literal["h1", "h2", "h3", "p", "pre", "table"]
    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()


def serve_docs(app: FastAPI, of: FastAPI, dependencies: Sequence[Depends] = ()) -> None:
    """Add /docs and /openapi.json, which describe the application ``of``, to the application ``app``.

    Both are made at their first request and not on the event loop, which they would hold: FastAPI runs a function that
    is no coroutine in a thread.
    """
    page = cache(lambda: _html(of.openapi()))

    @app.get("/openapi.json", include_in_schema=False, dependencies=dependencies)
    def openapi() -> JSONResponse:
        return JSONResponse(of.openapi())

    @app.get("/docs", include_in_schema=False, dependencies=dependencies)
    def docs() -> HTMLResponse:
        return HTMLResponse(page(), headers=_HEADERS)


def markdown(api: dict[str, Any]) -> str:
    """The page as Markdown."""
    marks = {"h1": "# ", "h2": "## ", "h3": "### ", "p": ""}
    parts = []
    for block in _blocks(api):
        if block.kind == "table":
            head, *rows = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in block.rows]
            parts.append("\n".join(f"| {row} |" for row in [head, " | ".join(["---"] * 4), *rows]))
        elif block.kind == "pre":
            parts.append(f"```json\n{block.text}\n```")
        else:
            parts.append(marks[block.kind] + " ".join(block.text.split()))
    return "\n\n".join(parts) + "\n"


def _html(api: dict[str, Any]) -> str:
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(api["info"]["title"])}: API</title>'
        f'<link rel="icon" href="data:,"><style>{_STYLE}</style>'
    ]
    for block in _blocks(api):
        if block.kind == "table":
            tags = ["th", *["td"] * (len(block.rows) - 1)]
            rows = (
                "".join(f"<{tag}>{_inline(cell)}</{tag}>" for cell in row)
                for tag, row in zip(tags, block.rows, strict=True)
            )
            parts.append("<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>")
        elif block.kind == "pre":
            parts.append(f"<pre>{escape(block.text)}</pre>")
        else:
            parts.append(f"<{block.kind}>{_inline(block.text)}</{block.kind}>")
    return "".join(parts)


def _inline(text: str) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _blocks(api: dict[str, Any]) -> Iterator[_Block]:
    yield _Block("h1", api["info"]["title"])
    yield _Block("p", api["info"]["summary"])
    yield _Block("p", _INTRODUCTION)
    for path, methods in api["paths"].items():
        for method, route in methods.items():
            yield from _route(method.upper(), path, route, api["components"]["schemas"])
    yield _Block("h2", "`WS /v1/session`")
    yield _Block("p", _SESSION)
    for who, frames in (("Client", _CLIENT_FRAMES), ("Server", _SERVER_FRAMES)):
        for frame in frames:
            schema = frame.model_json_schema()
            yield _Block("h3", f"{who}: `{schema['properties']['type']['const']}`")
            yield _Block("p", schema["description"].replace("``", "`"))
            yield _fields(schema, schema.get("$defs", {}))


def _route(method: str, path: str, route: dict[str, Any], schemas: dict[str, Any]) -> Iterator[_Block]:
    yield _Block("h2", f"`{method} {path}`")
    for paragraph in route.get("description", "").split("\n\n"):
        yield _Block("p", paragraph)
    if "parameters" in route:
        required = [part["name"] for part in route["parameters"] if part["required"]]
        parameters = {part["name"]: part["schema"] for part in route["parameters"]}
        yield _Block("h3", "Query")
        yield _fields({"properties": parameters, "required": required}, schemas)
    for title, part in (("Body", route.get("requestBody", {})), ("Answer", route["responses"]["200"])):
        content = part.get("content", {}).get("application/json", {})
        schema = _resolved(content.get("schema", {}), schemas)
        if "properties" in schema:
            yield _Block("h3", title)
            yield _fields(schema, schemas)
        for example in content.get("examples", {}).values():
            yield _Block("p", f"{example['summary']}:")
            yield _Block("pre", json.dumps(example["value"]))


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> _Block:
    """A table of an object's fields, those of the objects inside it with their path."""
    return _Block("table", rows=(("field", "type", "default", "meaning"), *_rows(schema, schemas, "")))


def _rows(schema: dict[str, Any], schemas: dict[str, Any], prefix: str) -> Iterator[tuple[str, ...]]:
    for name, field in schema["properties"].items():
        field = _resolved(field, schemas)
        default = "required" if name in schema.get("required", []) else field.get("default", "")
        shown = "" if default is None else str(default)
        yield f"`{prefix}{name}`", _type(field), shown, field.get("description", "")
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


if __name__ == "__main__":
    from serving.gateway.app import create_app
    from serving.gateway.settings import Settings

    print(markdown(create_app(Settings()).openapi()), end="")
