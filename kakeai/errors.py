"""What reaches the person at the keyboard: one sentence, and the exit status that a script can act on."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """How a command ends; `docs/operations.md` tells them to people."""

    DONE = 0
    FAULT = 1  # a defect: a traceback, or a stage's log, tells more
    BAD_INPUT = 2  # the user can put it right; also typer's own, for a bad option
    REFUSED = 3  # all went well, and the new model is not good enough to be released
    SERVICE = 4  # something else, such as Kubeflow, did not answer or let us in; later it may
    INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class KakeaiError(Exception):
    """Something the user can put right: one clear sentence that says what is wrong and what to do.

    The command line prints the sentence and exits with `exit_status`; the gateway turns it into problem details.
    """

    exit_status = ExitStatus.BAD_INPUT


class ServiceError(KakeaiError):
    """A service that Kakeai needs is not there, lets nobody in, or does not answer as it should."""

    exit_status = ExitStatus.SERVICE
