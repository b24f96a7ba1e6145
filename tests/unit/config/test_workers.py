"""How many workers `auto` means, with cgroups of both versions in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headgate.config.workers import MAX_WORKERS, resolve_workers


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_a_number_is_itself(tmp_path: Path) -> None:
    assert resolve_workers(3, tmp_path) == 3


def test_affinity_without_cgroups(tmp_path: Path) -> None:
    assert resolve_workers("auto", tmp_path) == 8


@pytest.mark.parametrize(
    ("quota", "workers"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("50000 100000", 1),
        ("1000 100000", 1),
        ("1600000 100000", 8),
        ("", 8),
        ("x y", 8),
        ("100000 0", 8),
    ],
)
def test_version_2(tmp_path: Path, quota: str, workers: int) -> None:
    root = write(tmp_path, **{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": quota + "\n"})
    assert resolve_workers("auto", root) == workers


def test_version_2_the_tightest_above_counts(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        **{
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
            "sys/fs/cgroup/a/cpu.max": "300000 100000\n",
            "sys/fs/cgroup/cpu.max": "500000 100000\n",
        },
    )
    assert resolve_workers("auto", root) == 3


def test_version_2_in_a_container(tmp_path: Path) -> None:
    """The path is the host's and is not there; the mount is the container's own cgroup."""
    root = write(
        tmp_path, **{"proc/self/cgroup": "0::/../../docker/abc\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}
    )
    assert resolve_workers("auto", root) == 2


@pytest.mark.parametrize(("quota", "workers"), [("-1", 8), ("250000", 3), ("10000", 1)])
@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_version_1(tmp_path: Path, mount: str, quota: str, workers: int) -> None:
    root = write(
        tmp_path,
        **{
            "proc/self/cgroup": "5:memory:/x\n4:cpu,cpuacct:/a\n1:name=systemd:/a\n0::/\n",
            f"sys/fs/cgroup/{mount}/a/cpu.cfs_quota_us": quota + "\n",
            f"sys/fs/cgroup/{mount}/a/cpu.cfs_period_us": "100000\n",
        },
    )
    assert resolve_workers("auto", root) == workers


def test_never_more_than_there_are_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(1000)), raising=False)
    assert resolve_workers("auto", tmp_path) == MAX_WORKERS


def test_systems_without_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert resolve_workers("auto", tmp_path) == 5


def test_here() -> None:
    assert 1 <= resolve_workers("auto") <= MAX_WORKERS
