"""
A real Exim on loopback that only queues: Debian's `exim4-daemon-light`, installed or unpacked, in a folder of its own.

Debian's Exim insists on its user `Debian-exim`. Where the package is only unpacked there is none; then libnss-wrapper
lends it the name for `nobody`.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import tools
from .processes import Program
from .sinks import free_port, wait_until_it_listens
from .tools import Tool, Unavailable

PACKAGES = ("exim4-daemon-light", "libidn12", "libnss-wrapper")
_USER = "Debian-exim"

_CONFIGURATION = """\
primary_hostname = mail.courant.example
spool_directory = {folder}
log_file_path = {folder}/%slog
pid_file_path = {folder}/exim.pid
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
exim_user = nobody
exim_group = {group}
never_users =
keep_environment =
queue_only = true
smtp_accept_max = 200
smtp_accept_queue_per_connection = 0
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
acl_smtp_rcpt = accept_all
begin acl
accept_all:
  accept
begin routers
service:
  driver = manualroute
  route_list = * 127.0.0.1::{onwards}
  self = send
  transport = service
begin transports
service:
  driver = smtp
  allow_localhost
  hosts_require_tls = *
  tls_verify_certificates = {certificate}
  tls_verify_hosts =
  tls_try_verify_hosts =
begin retry
* * F,2h,15m
"""


@dataclass(frozen=True, slots=True)
class Exim:
    """The server: its port, its program with the configuration, and where its queue lies."""

    port: int
    tool: Tool
    configuration: str
    folder: Path
    program: Program

    @property
    def queued(self) -> int:
        """How many mails are in its queue."""
        return sum(1 for _ in self.folder.glob("input/**/*-H"))

    def runner(self) -> Program:
        """Start a queue runner: it goes through the queue once and delivers."""
        return Program([self.tool.path, "-C", self.configuration, "-qf"], self.tool.surroundings())


@contextlib.contextmanager
def started(onwards: int, certificate: str) -> Iterator[Exim]:
    """Exim; its queue runners deliver to the port `onwards`, over TLS. Raises Unavailable with the reason."""
    if os.getuid():
        raise Unavailable("Exim changes to a user of its own, which only root may: run this part as root.")
    tool = tools.find("exim4", PACKAGES)
    with tempfile.TemporaryDirectory(prefix="courant-bench-exim-") as name:
        folder = Path(name)
        tool = _with_its_user(tool, folder)
        port = free_port()
        group = next(g for g in ("nogroup", "nobody") if _is_group(g))
        configuration = folder / "exim.conf"
        configuration.write_text(
            _CONFIGURATION.format(folder=folder, port=port, onwards=onwards, certificate=certificate, group=group)
        )
        shutil.chown(folder, "nobody", group)
        folder.chmod(0o755)
        with Program([tool.path, "-C", str(configuration), "-bdf"], tool.surroundings()) as program:
            wait_until_it_listens(program, port)
            yield Exim(port, tool, str(configuration), folder, program)


def _with_its_user(tool: Tool, folder: Path) -> Tool:
    with contextlib.suppress(KeyError):
        pwd.getpwnam(_USER)
        return tool
    wrapper = next((tools.CACHE / PACKAGES[0]).rglob("libnss_wrapper.so"), None)
    if wrapper is None:
        raise Unavailable(f"There is no user {_USER}, and libnss-wrapper is not there to lend one.")
    nobody = pwd.getpwnam("nobody")
    users, groups = folder / "passwd", folder / "group"
    users.write_text(f"{_USER}:x:{nobody.pw_uid}:{nobody.pw_gid}::/:/bin/false\n" + Path("/etc/passwd").read_text())
    groups.write_text(f"{_USER}:x:{nobody.pw_gid}:\n" + Path("/etc/group").read_text())
    lent = {"LD_PRELOAD": str(wrapper), "NSS_WRAPPER_PASSWD": str(users), "NSS_WRAPPER_GROUP": str(groups)}
    return Tool(tool.path, tool.environment | lent)


def _is_group(name: str) -> bool:
    return any(line.startswith(f"{name}:") for line in Path("/etc/group").read_text().splitlines())
