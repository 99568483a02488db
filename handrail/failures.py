"""How a command says that it could not do what was asked."""


class CommandFailed(Exception):
    """The command failed; its text says why and what to do, in one or two lines."""


class PrefectUnreachable(CommandFailed):
    """Prefect does not answer; the text says where."""
