"""The command line: one group, one module for each command."""


def main() -> None:
    """Entry point of the `headgate` command; exits with the code of the command that ran."""
    from headgate.cli.commands import headgate

    headgate()
