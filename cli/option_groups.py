"""Options that several commands share, as a function from them to what the commands need."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

Command = Callable[..., Any]


def with_options(**groups: Callable[..., Any]) -> Callable[[Command], Command]:
    """Let a command, or a group of options, take the options of the function given for NAME in place of its own NAME.

    The functions are called before the command, in the order given, and their results are handed to it.
    """

    def decorate(command: Command) -> Command:
        own = dict(inspect.signature(command).parameters)
        options = {name: inspect.signature(group).parameters for name, group in groups.items()}
        for name in groups:
            del own[name]

        @wraps(command)
        def with_groups(**given: Any) -> Any:  # noqa: ANN401
            made = {
                name: group(**{option: given.pop(option) for option in options[name]})
                for name, group in groups.items()
            }
            return command(**made, **given)

        everything = [*own.values(), *(each for group in options.values() for each in group.values())]
        everything.sort(key=lambda option: option.default is not option.empty)  # the required ones first
        with_groups.__annotations__ = {option.name: option.annotation for option in everything}
        with_groups.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  typer reads it
            [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in everything]
        )
        return with_groups

    return decorate
