"""A real Exim on loopback that delivers into Maildirs: Debian's, installed or unpacked, in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: names the program, where it is not at a usual place or unpacked in `UNPACKED`
VARIABLE = "COURANT_TEST_EXIM"
#: where .ci/run unpacks Debian's packages without installing them
UNPACKED = Path(__file__).resolve().parents[2] / ".cache" / "exim"
DOMAIN = "courant.example"

_NAMES = ("exim4", "exim")
_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin", str(UNPACKED / "usr" / "sbin"))
#: Debian's Exim insists on this user; where its package is only unpacked, libnss-wrapper lends it the name
_USER = "Debian-exim"

_CONFIGURATION = """\
primary_hostname = mail.{domain}
domainlist local_domains = {domain}
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
pid_file_path = {folder}/exim.pid
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
exim_user = nobody
exim_group = {group}
never_users =
exim_path = {program}
keep_environment = LD_LIBRARY_PATH : LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
smtp_accept_queue_per_connection = 0
acl_smtp_rcpt = check_rcpt
acl_smtp_data = accept_all
begin acl
check_rcpt:
  require message = relay not permitted
          domains = +local_domains
  require verify = recipient
  accept
accept_all:
  accept
begin routers
local_user:
  driver = accept
  domains = +local_domains
  local_parts = lsearch;{folder}/users
  transport = maildir
  cannot_route_message = Unknown user
begin transports
maildir:
  driver = appendfile
  directory = {folder}/mail/$local_part_data
  create_directory
  maildir_format
  return_path_add
  envelope_to_add
  user = nobody
  group = {group}
begin retry
* * F,2h,15m
"""


class NoExim(Exception):
    """There is no Exim to test with; the text says why."""


class Exim:
    """The server. Known users are those of the domain `DOMAIN` that it was started with; all others are refused."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.folder = folder

    def mails(self, user: str) -> list[bytes]:
        """What lies in the mailbox of this user."""
        return [path.read_bytes() for path in (self.folder / "mail" / user / "new").glob("*")]

    def delivered(self) -> int:
        """How many mails lie in all mailboxes."""
        return sum(1 for _ in self.folder.glob("mail/*/new/*"))


def find() -> str:
    """The path of the program. Raises NoExim with the reason."""
    given = os.environ.get(VARIABLE)
    path = os.pathsep.join([os.environ.get("PATH", ""), *_FOLDERS])
    for name in [given] if given else _NAMES:
        if found := shutil.which(name, path=path):
            if os.getuid():
                raise NoExim("Exim changes to a user of its own, which only root may")
            return found
    tried = given or ", ".join(_NAMES)
    raise NoExim(f"no Exim was found (tried {tried}; {VARIABLE} names another; on Debian .ci/run unpacks one)")


@contextmanager
def started(users: Iterable[str]) -> Iterator[Exim]:
    """Exim, with these users. Raises NoExim."""
    found = find()
    with tempfile.TemporaryDirectory(prefix="courant-mail-exim-") as name:
        folder = Path(name)
        program = _within_reach(found, folder)
        group = "nogroup" if _has_group("nogroup") else "nobody"
        port = _free_port()
        configuration = folder / "exim.conf"
        configuration.write_text(
            _CONFIGURATION.format(domain=DOMAIN, folder=folder, port=port, group=group, program=program)
        )
        (folder / "users").write_text("".join(f"{user}: {user}\n" for user in users))
        (folder / "spool").mkdir()
        (folder / "mail").mkdir()
        for path in (folder, folder / "spool", folder / "mail"):
            shutil.chown(path, "nobody", group)
            path.chmod(0o755)
        output = (folder / "output").open("w")
        command = [program, "-C", str(configuration), "-bdf", "-q1m"]
        with output, subprocess.Popen(
            command, env=_environment(folder), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        ) as process:  # fmt: skip
            try:
                _wait_until_it_listens(process, port, folder)
                yield Exim(port, folder)
            finally:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(20)
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)


def _within_reach(program: str, folder: Path) -> str:
    """What was only unpacked is copied, with its libraries: its user may not be able to read where it lies."""
    if not Path(program).is_relative_to(UNPACKED):
        return program
    for path in [Path(program), *UNPACKED.rglob("*.so*")]:
        shutil.copy(path, folder)
    own = folder / Path(program).name
    own.chmod(0o755)  # not for root: the loader would not look for its libraries beside it
    return str(own)


def _environment(folder: Path) -> dict[str, str]:
    environment = os.environ | {"LD_LIBRARY_PATH": str(folder)}
    with suppress(KeyError):
        pwd.getpwnam(_USER)
        return environment
    wrapper = folder / "libnss_wrapper.so"
    if not wrapper.exists():
        return environment
    nobody = pwd.getpwnam("nobody")
    users, groups = folder / "passwd", folder / "group"
    users.write_text(f"{_USER}:x:{nobody.pw_uid}:{nobody.pw_gid}::/:/bin/false\n" + Path("/etc/passwd").read_text())
    groups.write_text(f"{_USER}:x:{nobody.pw_gid}:\n" + Path("/etc/group").read_text())
    lent = {"LD_PRELOAD": str(wrapper), "NSS_WRAPPER_PASSWD": str(users), "NSS_WRAPPER_GROUP": str(groups)}
    return environment | lent


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"Exim does not start: {(folder / 'output').read_text()}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _has_group(name: str) -> bool:
    return any(line.startswith(f"{name}:") for line in Path("/etc/group").read_text().splitlines())
