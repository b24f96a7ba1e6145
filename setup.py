"""Builds the compiled core; everything else about the package stands in pyproject.toml."""

import os
from pathlib import Path

from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup

OPTIMISE = ["-O2", "-fno-semantic-interposition"]
WARN = [
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
    "-Wno-missing-field-initializers",
    "-Wno-cast-function-type",
    "-Wno-sign-compare",
]
if os.environ.get("HEADGATE_WERROR"):
    WARN.append("-Werror")
    Options.warning_errors = True

# `make` installs first and compiles in place afterwards.
LATER = os.environ.get("HEADGATE_CORE") == "later"
SOURCES = [] if LATER else sorted(Path("src").glob("headgate/**/*.pyx"))

extensions = [
    Extension(
        ".".join(source.with_suffix("").parts[1:]),
        [str(source)],
        include_dirs=["src/headgate/core"],
        depends=[str(header) for header in sorted(Path("src/headgate/core").glob("*.h"))],
        extra_compile_args=[*OPTIMISE, *WARN],
        define_macros=[("HEADGATE_FLAGS", f'"{" ".join(OPTIMISE)}"')] if source.stem == "build" else [],
    )
    for source in SOURCES
]

setup(
    ext_modules=cythonize(
        extensions,
        nthreads=os.cpu_count() or 1,
        quiet=True,
        annotate=bool(os.environ.get("HEADGATE_ANNOTATE")),
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "freethreading_compatible": False,
        },
    )
)
