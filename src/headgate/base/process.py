"""What a process does to itself: open files, privileges, name."""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
from collections.abc import Iterable
from dataclasses import dataclass

from headgate.base.errors import Refusal


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a process runs as, in numbers."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def raise_open_files() -> int:
    """Raise the limit of open files to the hard limit; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS says "unlimited" and takes less
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard
    return soft


def resident() -> int:
    """Bytes of memory that this process has; 0 where the system does not say it."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def find_identity(user: str, group: str) -> Identity | None:
    """The numbers behind names (or numbers) of a user and a group; None when neither is given.

    Raises Refusal when one does not exist, or when this process has no right to become it.
    """
    if not user and not group:
        return None
    import grp  # only those who drop privileges need the databases
    import pwd

    uid, gid, name = os.geteuid(), os.getegid(), ""
    if user:
        try:
            entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
        except KeyError:
            raise Refusal(
                f"there is no user {user!r}", "name an existing user, or leave process.user away"
            ) from None
        uid, gid, name = entry.pw_uid, entry.pw_gid, entry.pw_name
    if group:
        try:
            gid = (grp.getgrgid(int(group)) if group.isdigit() else grp.getgrnam(group)).gr_gid
        except KeyError:
            raise Refusal(f"there is no group {group!r}", "name an existing group") from None
    if os.geteuid() != 0:
        if (uid, gid) == (os.geteuid(), os.getegid()):
            return None
        raise Refusal("only root can change to another user or group", "start as root, or leave it away")
    return Identity(uid, gid, tuple(os.getgrouplist(name, gid)) if name else (gid,))


def become(identity: Identity, modules: Iterable[str]) -> None:
    """Give up this process's rights for good.

    `modules` are those that are otherwise imported only when they are needed: afterwards the files of
    this installation may not be readable.
    """
    if os.geteuid() == 0:
        for module in modules:
            importlib.import_module(module)
        os.setgroups(identity.groups)
        os.setgid(identity.gid)
        os.setuid(identity.uid)


def set_title(title: str) -> None:
    """The name that `top` and `ps -e` show; at most 15 characters count."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as comm:
        comm.write(title[:15])
