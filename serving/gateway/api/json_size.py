"""How many values a JSON text holds, looked at before it is read.

A JSON reader holds the event loop until it is done, for a time that goes with the number of values: a mebibyte can be
one string, which takes no time, or a hundred thousand empty lists, which take a quarter of a second.
"""

from serving.gateway.errors import RequestTooLarge

_VALUES_OF_A_NOTE = 5  # the note and its four fields
_OTHER_VALUES = 1024  # options, and the turns of the longest history that a model hears


def count_values(text: bytes) -> int:
    """How many values a JSON text has, at most.

    Every value but the first comes after a comma or an opening bracket. Commas and brackets inside of strings count
    as well.
    """
    return 1 + text.count(b",") + text.count(b"[") + text.count(b"{")


def check_json(text: bytes, max_notes: int) -> None:
    """Raise RequestTooLarge for a JSON text of more values than so many notes need."""
    count, limit = count_values(text), _VALUES_OF_A_NOTE * max_notes + _OTHER_VALUES
    if count > limit:
        raise RequestTooLarge(f"The JSON has {count} values and may have {limit}: send fewer notes or turns.")
