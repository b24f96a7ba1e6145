"""Compiles the cases against the core of this tree, with the options of its own build."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
WORK = HERE.parent / "work"
SOURCES = ("codec", "headers", "hpack", "middlewares", "routing", "record", "balance", "tls")


def build() -> None:
    """Write the extensions into benchmarks/work/; what is up to date stays."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension  # type: ignore[import-untyped]
    from setuptools.command.build_ext import build_ext  # type: ignore[import-untyped]

    extensions = [
        Extension(
            f"micro_{name}",
            [str(HERE / f"{name}.pyx")],
            include_dirs=[str(ROOT / "src/headgate/core")],
            extra_compile_args=["-O2", "-g", "-fno-semantic-interposition"],
        )
        for name in SOURCES
    ]
    directives = {
        "language_level": 3,
        "boundscheck": False,
        "wraparound": False,
        "cdivision": True,
        "initializedcheck": False,
    }
    modules = cythonize(  # type: ignore[no-untyped-call]
        extensions,
        build_dir=str(WORK),
        include_path=[str(ROOT / "src")],
        compiler_directives=directives,
        quiet=True,
    )
    command = build_ext(Distribution({"ext_modules": modules}))
    command.build_lib = command.build_temp = str(WORK)
    command.ensure_finalized()
    command.run()


def cases() -> dict[str, Callable[[int], None]]:
    """Every case by what it does: call it with a number of rounds. Call build() before."""
    found: dict[str, Callable[[int], None]] = {}
    for name in SOURCES:
        (path,) = WORK.glob(f"micro_{name}.*.so")
        spec = spec_from_file_location(f"micro_{name}", path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        found.update(module.CASES)
    return found
