import os
import pwd
import resource
import subprocess
import sys

import pytest

from headgate.base.errors import Refusal
from headgate.base.process import Identity, find_identity, raise_open_files


def test_nobody_is_asked_for() -> None:
    assert find_identity("", "") is None


@pytest.mark.parametrize(
    ("user", "group", "reason"),
    [
        ("no-such-user", "", "there is no user"),
        ("", "no-such-group", "there is no group"),
        ("4000000000", "", "no user"),
    ],
)
def test_who_does_not_exist(user: str, group: str, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        find_identity(user, group)


def test_names_and_numbers() -> None:
    entry = pwd.getpwnam("nobody")
    if os.geteuid() != 0:
        with pytest.raises(Refusal, match="only root"):
            find_identity("nobody", "")
        return
    expected = Identity(entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist("nobody", entry.pw_gid)))
    assert find_identity("nobody", "") == find_identity(str(entry.pw_uid), "") == expected
    assert find_identity("", "daemon") == Identity(0, 1, (1,))


def test_rights_are_gone_for_good() -> None:
    if os.geteuid() != 0:
        return
    program = (
        "import os\nfrom headgate.base.process import Identity, become\n"
        "become(Identity(12345, 23456, (34567,)), ())\n"
        "print(os.getresuid(), os.getresgid(), os.getgroups())\n"
        "try: os.setuid(0)\nexcept PermissionError: print('gone')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.split("\n")[:2] == ["(12345, 12345, 12345) (23456, 23456, 23456) [34567]", "gone"]


def test_open_files() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert raise_open_files() == hard == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
