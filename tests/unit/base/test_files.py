"""Texts as files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headgate.base.files import secret_file


@pytest.mark.parametrize("memory", [True, False])
def test_a_secret_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, memory: bool) -> None:
    if not memory:
        monkeypatch.delattr(os, "memfd_create")
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr("tempfile.tempdir", None)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with secret_file("text") as path:
        assert Path(path).read_text() == "text"
        assert Path(path).read_text() == "text"
        assert path.startswith("/proc/self/fd/") is memory
        if not memory:
            assert Path(path).stat().st_mode & 0o777 == 0o600
    assert not Path(path).exists()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert list(tmp_path.iterdir()) == []
