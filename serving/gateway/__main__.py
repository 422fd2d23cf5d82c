"""``python -m serving.gateway``: run the gateway with the settings in the environment."""

import argparse
import signal
import sys
from types import FrameType


def main() -> int:
    """Run; the exit status is 0 after a signal to stop and 2 for anything the user can put right."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, _stop)  # until the server has its own; as process 1 there is no other
    # After that, since imports take most of the time of a start.
    from kakeai.errors import KakeaiError
    from serving.gateway.security.tokens import new_token, token_hash
    from serving.gateway.settings import settings_from_environment, settings_help, variable

    parser = argparse.ArgumentParser(
        prog="python -m serving.gateway",
        description="Kakeai's session gateway. All its settings come from the environment.",
        epilog="environment:\n" + settings_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--new-token",
        action="store_true",
        help="make a bearer token, print it, the end of a link that carries it, and its hash, and end",
    )
    if parser.parse_args().new_token:
        token = new_token()
        print(f"token (for programs): {token}")
        print(f"end of a link (for players, behind the page's address): #token={token}")
        print(f"hash (for {variable('tokens')}): {token_hash(token)}")
        return 0
    try:
        settings = settings_from_environment()
        from serving.gateway.server import (
            serve,
        )  # after the settings, so that a wrong one is reported at once

        serve(settings)
    except KakeaiError as error:
        print(f"kakeai gateway: {error}", file=sys.stderr)
        return 2
    return 0


def _stop(number: int, frame: FrameType | None) -> None:
    """End the process: a signal handler for the time in which nothing is served yet."""
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
