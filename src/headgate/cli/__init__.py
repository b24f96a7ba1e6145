"""The command line: `headgate run`, `proxy`, `check`, `schema`, `explain`, `demo`, `version`, `completion`."""


def main() -> None:
    """Entry point of the `headgate` command; exits with the code of the command that ran."""
    from headgate.cli.commands import headgate

    headgate()
