"""The one exception that reaches the person at the keyboard."""


class KakeaiError(Exception):
    """Something the user can put right: one clear sentence that says what is wrong and what to do.

    The command line prints the sentence and exits with status 2; the gateway turns it into problem details.
    """
