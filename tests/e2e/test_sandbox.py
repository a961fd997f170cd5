"""El aislamiento que ofrece systemd se cumple de verdad en el contenedor."""

from collections.abc import Iterator

import pytest

from tests.e2e.container import Container

_SOCKET = "from socket import create_connection, create_server"
_LIBC = "import ctypes; call = ctypes.CDLL(None)"

# Directiva, condiciones previas y código de Python que sin ella termina bien y con ella no.
_FORBIDDEN = [
    ("ProtectSystem=strict", [], "open('/var/lib/file', 'w')"),
    ("ProtectHome=yes", [], "open('/root/.profile')"),
    ("ProtectHome=tmpfs", [], "open('/root/.profile')"),
    ("PrivateTmp=yes", [], "open('/tmp/visible')"),
    ("PrivateDevices=yes", [], "import os; os.stat('/dev/console')"),
    ("ProtectKernelTunables=yes", [], "open('/proc/sys/net/ipv4/ip_default_ttl', 'w')"),
    (
        "ProtectControlGroups=yes",
        [],
        "import os; os.mkdir('/sys/fs/cgroup/own'); os.rmdir('/sys/fs/cgroup/own')",
    ),
    ("ProtectHostname=yes", [], "import socket; socket.sethostname(socket.gethostname())"),
    ("ProtectProc=invisible", ["User=nobody"], "import os; os.stat('/proc/1')"),
    ("ProcSubset=pid", [], "open('/proc/meminfo')"),
    ("RestrictNamespaces=yes", [], f"{_LIBC}; assert call.unshare(0x04000000) == 0"),
    ("RestrictRealtime=yes", [], "import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))"),
    ("RestrictSUIDSGID=yes", [], "import os; os.chmod(os.open('/tmp/suid', os.O_CREAT), 0o4755)"),
    ("RestrictAddressFamilies=AF_INET", [], "import socket; socket.socket(socket.AF_UNIX)"),
    ("LockPersonality=yes", [], f"{_LIBC}; assert call.personality(8) == 0"),
    ("MemoryDenyWriteExecute=yes", [], "import mmap; mmap.mmap(-1, 4096, prot=7)"),
    ("SystemCallFilter=@system-service", [], "import os; os.chroot('/')"),
    ("SystemCallFilter=~@privileged", ["SystemCallErrorNumber=EPERM"], "import os; os.chroot('/')"),
    ("CapabilityBoundingSet=", [], "import os; os.setuid(1)"),
    ("PrivateUsers=yes", [], "import os; os.setuid(1)"),
    ("NoNewPrivileges=yes", [], "open('/proc/self/status').read().index('NoNewPrivs:\\t0')"),
    ("UMask=0077", [], "import os; assert os.umask(0) == 0o022"),
    (
        "IPAddressDeny=any",
        [],
        f"{_SOCKET}; own = create_server(('127.0.0.1', 0)); create_connection(own.getsockname(), 1)",
    ),
    ("NoExecPaths=/usr/bin/env", [], "import subprocess as s; s.run(['/usr/bin/env'], check=True)"),
    ("InaccessiblePaths=/etc/apt", [], "import os; assert os.listdir('/etc/apt')"),
    ("InaccessiblePaths=-/dev/shm", ["PrivateDevices=yes"], "open('/dev/shm/file', 'w')"),
    ("InaccessiblePaths=-/run/lock", [], "open('/run/lock/file', 'w')"),
    ("LimitCORE=0", [], "import resource; assert resource.getrlimit(resource.RLIMIT_CORE)[1]"),
    ("TemporaryFileSystem=/root", [], "open('/root/.profile')"),
    ("DynamicUser=yes", [], "open('/var/lib/file', 'w')"),
]


@pytest.fixture(scope="module")
def isolated(capable: None) -> Iterator[Container]:  # noqa: ARG001
    """Con red propia: con la de la máquina, systemd-nspawn ya impide él parte de lo que se prueba."""
    with Container(private_network=True) as container:
        container.put("/tmp/visible", "")  # noqa: S108 - dentro del contenedor.
        yield container


def _exit_code(container: Container, properties: list[str], code: str) -> int:
    options = [f"--property={each}" for each in properties]
    service = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", *options]
    return container.run([*service, "python3", "-c", code], check=False).returncode


@pytest.mark.parametrize(("directive", "conditions", "code"), _FORBIDDEN, ids=[case[0] for case in _FORBIDDEN])
def test_what_is_forbidden_fails(isolated: Container, directive: str, conditions: list[str], code: str) -> None:
    """Lo mismo que sin la directiva se puede hacer, con ella no."""
    assert _exit_code(isolated, conditions, code) == 0
    assert _exit_code(isolated, [*conditions, directive], code) != 0
