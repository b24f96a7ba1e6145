"""What is wrong with the YAML itself, in words for people."""

from __future__ import annotations

import yaml

from headgate.config.problems import Problem

# What libyaml says, and what a person needs to know.
_SYNTAX = {
    "mapping values are not allowed in this context": (
        "a key and its colon are not possible here",
        'indent keys of one mapping alike, and put values that contain ": " in quotes',
    ),
    "could not find expected ':'": ("a key has no colon", "write `key: value`, with a space after the colon"),
    "did not find expected '-' indicator": (
        "a list ends here with something that is not a list item",
        "indent `- ` of one list alike",
    ),
    "did not find expected key": (
        "a key is expected here",
        "indent keys of one mapping alike, and close what is open above",
    ),
    "did not find expected ',' or '}'": (
        "a mapping in braces is not closed",
        "write `}` at its end and commas between its keys",
    ),
    "did not find expected ',' or ']'": (
        "a list in brackets is not closed",
        "write `]` at its end and commas between its items",
    ),
    "did not find expected node content": ("a value is missing", "close what is open above with `]` or `}`"),
    "found unexpected end of stream": ("a quoted text is not closed", "write the closing quote"),
    "found unknown escape character": (
        "a backslash in double quotes begins an unknown escape",
        "use single quotes for texts with backslashes, such as regular expressions",
    ),
    "found character that cannot start any token": (
        "this character cannot begin a value",
        "put the value in quotes; indent with spaces, not tabs",
    ),
    "found incompatible YAML document": ("this version of YAML is not supported", "remove the %YAML line"),
    "found undefined tag handle": ("tags such as !name are not supported", "remove the tag"),
}


def syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    """The one problem that stopped the reader."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        problem = error.problem or "cannot be read"
        message, hint = _SYNTAX.get(problem, (problem, ""))
        if error.context_mark is not None and error.context_mark.line != mark.line:
            message += f" (it began in line {error.context_mark.line + 1})"
        line, column = mark.line + 1, mark.column + 1
        if text and line > text.count("\n") + 1:  # the mark is after the last line
            line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
        return Problem(file=file, line=line, column=column, message=f"not YAML: {message}", hint=hint)
    index = getattr(error, "position", 0)
    before = text.encode()[:index].decode(errors="replace")
    return Problem(
        file=file,
        line=before.count("\n") + 1,
        column=len(before) - before.rfind("\n"),
        message="not YAML: a control character",
        hint="remove it, or write it as \\x.. in double quotes",
    )
