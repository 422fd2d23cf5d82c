"""How much a JSON text makes its reader do, found before a message is made of it.

A reader holds the event loop until it is done, for a time that goes with the number of values and faults: a mebibyte
can be one string, which takes no time, or objects without their fields, whose faults take four seconds to list.
"""

from pydantic_core import from_json

from serving.gateway.errors import InvalidRequest, RequestTooLarge

_VALUES_OF_A_NOTE = 5  # the note and its four fields
_OTHER_VALUES = 1024  # options, and the turns of the longest history that a model hears
_MOST_FIELDS = 32  # more than any message has; each field that is unknown is one fault more


def count_values(text: bytes) -> int:
    """How many values a JSON text has, at most.

    Every value but the first comes after a comma or an opening bracket. Commas and brackets inside of strings count
    as well.
    """
    return 1 + text.count(b",") + text.count(b"[") + text.count(b"{")


def check_json(text: bytes, most_notes: int) -> None:
    """Raise RequestTooLarge for more values than so many notes need, InvalidRequest for far too many fields.

    What is not JSON passes: its reader will say so.
    """
    count, limit = count_values(text), _VALUES_OF_A_NOTE * most_notes + _OTHER_VALUES
    if count > limit:
        raise RequestTooLarge(f"The JSON has {count} values and may have {limit}: send fewer notes or turns.")
    try:
        unchecked = [from_json(text)]
    except ValueError:
        return
    while unchecked:
        match unchecked.pop():
            case dict() as fields:
                if len(fields) > _MOST_FIELDS:
                    raise InvalidRequest(f"An object has {len(fields)} fields; no message has so many.")
                unchecked.extend(fields.values())
            case list() as items:
                unchecked.extend(items)
