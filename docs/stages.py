"""The stages, from their signatures and docstrings: `python -m docs.stages > docs/stages.md`."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple, get_type_hints

from docstring_parser import Docstring, DocstringStyle, parse
from typer.models import ArgumentInfo

from cli import stages as commands

# The pipeline's exit handler: a component, with neither function nor command of its name
AFTERWARDS = "notify"
INTRODUCTION = """\
Each stage is a plain function in `kakeai/stages/NAME.py`, a command in `cli/stages.py` and a Kubeflow component in
`components/NAME.py`. `pipelines/dag.py` connects the components. A parameter's *option* is its name in the command; a
row with an option alone belongs to the command only. This page is generated from the code:
`python -m docs.stages > docs/stages.md`."""


class Row(NamedTuple):
    """One line of a stage's table."""

    parameter: str
    option: str
    type: str
    default: str
    meaning: str


def markdown() -> str:
    """Return the page."""
    parts = [
        "# The stages",
        INTRODUCTION,
        " · ".join(f"[{name}](#{name})" for name in (*commands.COMMANDS, AFTERWARDS)),
    ]
    for name in commands.COMMANDS:
        parts += _stage(name)
    parts += [f"## {AFTERWARDS}", *_purpose(_module(AFTERWARDS)), _component(AFTERWARDS)]
    return "\n\n".join(parts) + "\n"


def rows(function: Callable[..., Any], command: Callable[..., None]) -> Iterator[Row]:
    """Yield a stage's parameters, each beside the option of its name, then the options that are left."""
    options = get_type_hints(command, include_extras=True)
    of_command = inspect.signature(command).parameters
    meanings = {part.arg_name: part.description for part in _docstring(function).params}
    for name, parameter in inspect.signature(function).parameters.items():
        option = _option(name, options[name]) if name in options else ""
        yield Row(
            name, option, _type(parameter.annotation), _default(parameter.default), _line(meanings.get(name))
        )
        options.pop(name, None)
    for name, option in options.items():
        if name != "return":
            meaning = option.__metadata__[0].help
            default = _default(of_command[name].default)
            yield Row("", _option(name, option), _type(option.__origin__), default, _line(meaning))


def _stage(name: str) -> Iterator[str]:
    module = _module(name)
    function, command = getattr(module, name), commands.COMMANDS[name]
    told = _docstring(function)
    yield f"## {name}"
    yield from _purpose(module)
    yield "    " + re.findall("Example: (.*)", inspect.getdoc(command) or "")[0]
    yield f"`components.{name}.{name}`: {(told.description or '').strip()}"
    yield _table(
        ("parameter", "option", "type", "default", "meaning"),
        ((*map(_code, row[:4]), row.meaning) for row in rows(function, command)),
    )
    yield from _returned(function)
    for error in told.raises:
        yield f"Raises `{error.type_name}`: {_line(error.description)}"
    yield _component(name)


def _module(name: str) -> ModuleType:
    return import_module(f"kakeai.stages.{name}")


def _purpose(module: ModuleType) -> Iterator[str]:
    """Yield what a module says of its stage, without the stage's name in front."""
    first, _, more = (inspect.getdoc(module) or "").partition("\n\n")
    said = _line(first).partition(": ")[2]
    yield said[0].upper() + said[1:]
    if more:
        yield more


def _returned(function: Callable[..., Any]) -> Iterator[str]:
    annotation = inspect.signature(function).return_annotation
    if not inspect.isclass(annotation) or not _docstring(annotation).params:
        told = _docstring(function).returns
        yield f"Returns `{_type(annotation)}`: {_line(told and told.description)}"
        return
    types = inspect.get_annotations(annotation)
    yield f"Returns `{annotation.__name__}`: {_docstring(annotation).short_description}"
    yield _table(
        ("attribute", "type", "meaning"),
        (
            (_code(part.arg_name), _code(_type(types[part.arg_name])), _line(part.description))
            for part in _docstring(annotation).params
        ),
    )


def _component(name: str) -> str:
    spec = getattr(import_module(f"components.{name}"), f"{name}_component").component_spec
    taken, given = (
        ", ".join(f"`{key}` ({_artifact(part)})" for key, part in (parts or {}).items())
        for parts in (spec.inputs, spec.outputs)
    )
    gives = f" Gives: {given}." if given else ""
    return f"**Component** `{name}_component`: {_line(spec.description)} Takes: {taken}.{gives}"


def _artifact(part: Any) -> str:  # noqa: ANN401  KFP's InputSpec or OutputSpec
    """Return an input's or output's type: `system.Dataset@0.0.1` → Dataset."""
    word = part.type.removeprefix("system.").partition("@")[0]
    return f"list of {word}" if part.is_artifact_list else word


def _docstring(described: object) -> Docstring:
    return parse(inspect.getdoc(described) or "", DocstringStyle.GOOGLE)


def _option(name: str, annotated: Any) -> str:  # noqa: ANN401  Annotated[...]
    if isinstance(annotated.__metadata__[0], ArgumentInfo):
        return name.upper()
    return "--" + name.replace("_", "-")


def _type(annotation: Any) -> str:  # noqa: ANN401  whatever stands behind a colon
    words = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:\w+\.)+(\w)", r"\1", words)


def _default(value: object) -> str:
    """Return a default as one writes it; nothing where there is none, or a function that does nothing."""
    if value is inspect.Parameter.empty or callable(value):
        return ""
    if hasattr(value, "__dataclass_fields__"):
        return f"{type(value).__name__}()"
    return repr(getattr(value, "value", value))


def _line(text: str | None) -> str:
    return " ".join((text or "").split())


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(head: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"
        for line in (head, ("---",) * len(head), *lines)
    )


if __name__ == "__main__":
    print(markdown(), end="")
