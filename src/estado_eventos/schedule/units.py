"""Los textos que se instalan: las unidades de systemd y el usuario. Sin E/S."""

from pathlib import PurePath

from estado_eventos.schedule.calendar import calendar
from estado_eventos.schedule.job import SYSTEM_USER, Job

_CREDENTIALS = ("BACKEND_EMAIL", "BACKEND_PASSWORD", "BACKEND_JWT_TOKEN", "HEARTBEAT_URL")

_USER_SANDBOX = """\
NoNewPrivileges=yes
# Un volcado de memoria llevaría la contraseña.
LimitCORE=0
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
UMask=0077
"""
_SANDBOX = f"""\
{_USER_SANDBOX}SystemCallFilter=~@privileged @resources
AmbientCapabilities=
CapabilityBoundingSet=
DevicePolicy=closed
# Ahí puede escribir cualquiera, y no se vacían al acabar.
InaccessiblePaths=-/dev/shm -/run/lock
KeyringMode=private
PrivateDevices=yes
PrivateIPC=yes
PrivateMounts=yes
PrivateTmp=yes
PrivateUsers=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
"""


_API_SANDBOX = f"""\
DynamicUser=yes
InaccessiblePaths=-/etc/estado-eventos
IPAddressDeny=any
MemoryMax=128M
PrivateNetwork=yes
TasksMax=8

# El mismo aislamiento que el del servicio de las pasadas.
{_SANDBOX}"""


def service_unit(job: Job) -> str:
    """El servicio que hace una pasada: con su usuario, su límite por encima del de la pasada y aislado del sistema.

    El intervalo y el límite van en la unidad y pesan más que el archivo de configuración: no pueden no concordar.
    """
    command = f"{_program(job)} --env-file {_quoted(str(job.env_file)).replace('$', '$$')} run-once"
    network = "" if job.user else "Wants=network-online.target\nAfter=network-online.target\n"
    return f"""\
{_header(job, "service")}
[Unit]
Description=Estado de Eventos: una pasada por los eventos pendientes
{network}
[Service]
Type=oneshot
ExecStart={command}
Environment=SCHEDULER_INTERVAL_SECONDS={job.interval}
Environment=PASS_TIMEOUT={job.deadline:g}
Environment=TOKEN_CACHE_FILE={job.state_specifier}/token
Environment=REPORT_FILE={job.state_specifier}/report.json
Environment=FOLLOW_UP_DIRECTORY={job.state_specifier}/follow-ups
Environment=SCHEDULE_NAME={job.schedule_name}
TimeoutStartSec={job.timeout}
# Tras SIGTERM: 3 s a lo que está en camino y otros 3 a los monitores.
TimeoutStopSec=10
# 75: se cortó por su límite y lo que falta queda para el tic siguiente. No es para despertar a nadie.
SuccessExitStatus=75
{_user_part(job)}"""


def _user_part(job: Job) -> str:
    if job.user:
        # La variable la pone `StateDirectory=`, que para un usuario cae donde no se quiere.
        state = f"Environment=STATE_DIRECTORY={job.state_specifier}\n"
        return f"{state}\n# El aislamiento que un usuario puede pedir.\n{_USER_SANDBOX}"
    credentials = "".join(f"LoadCredential={name}:{job.unit}.{name}\n" for name in _CREDENTIALS)
    return f"""\
User={SYSTEM_USER}
StateDirectory={job.unit}
StateDirectoryMode=0755

# Los secretos pueden estar en /etc/credstore/{job.unit}.<VARIABLE>, legibles solo para root, en vez de en el archivo.
{credentials}
# El aislamiento. Lo puntúa «systemd-analyze security {job.unit}.service».
{_SANDBOX}"""


def timer_unit(job: Job) -> str:
    """El temporizador: lo justo antes de cada tic, sin recuperar los perdidos, que el backend guarda lo pendiente."""
    starts = "".join(f"OnCalendar={line}\n" for line in calendar(job.interval))
    return f"""\
{_header(job, "timer")}
[Unit]
Description=Estado de Eventos: cada {job.interval} s

[Timer]
# Un poco antes de cada tic: la pasada arranca, se conecta y renueva su token, y pregunta en punto.
{starts}AccuracySec=1us
Persistent=no

[Install]
WantedBy=timers.target
"""


def api_socket(job: Job) -> str:
    """El socket de `GET /health`: systemd escucha y arranca un proceso cuando alguien pregunta; antes no hay nada."""
    return f"""\
{_header(job, "socket", "-api")}
[Unit]
Description=Estado de Eventos: GET /health en {job.listen}

[Socket]
ListenStream={job.listen}
Accept=no
NoDelay=yes

[Install]
WantedBy=sockets.target
"""


def api_service(job: Job) -> str:
    """El servicio que contesta mientras alguien pregunta: lee el último informe y las métricas, y nada más.

    No lee la configuración, que tiene la contraseña: lo que necesita lo deja cada pasada en su directorio de
    estado. Y no tiene red: el socket le llega ya abierto.
    """
    return f"""\
{_header(job, "service", "-api")}
[Unit]
Description=Estado de Eventos: respuestas HTTP

[Service]
ExecStart={_program(job)} http
Environment=STATE_DIRECTORY={job.state_specifier}
# Ninguna avalancha de peticiones retrasa una pasada.
CPUWeight=idle
CPUQuota=25%
Nice=10
# Si no puede ni arrancar (se está actualizando), se prueba cada poco y las preguntas esperan: el socket no se pierde.
Restart=on-failure
RestartSec=5
TimeoutStopSec=2
# Lo que dice son avisos; ni una línea de systemd cada vez que arranca, ni un journal lleno por mucho que pregunten.
SyslogLevel=warning
LogLevelMax=notice
LogRateLimitIntervalSec=60
LogRateLimitBurst=20
{_USER_SANDBOX if job.user else _API_SANDBOX}"""


def units(job: Job) -> dict[str, str]:
    """Las unidades de un trabajo, por su nombre de archivo."""
    found = {f"{job.unit}.service": service_unit(job), f"{job.unit}.timer": timer_unit(job)}
    if job.listen:
        found |= {f"{job.unit}-api.socket": api_socket(job), f"{job.unit}-api.service": api_service(job)}
    return found


def sysusers() -> str:
    """El usuario del sistema con que se ejecuta (sysusers.d)."""
    return f'u {SYSTEM_USER} - "Estado de Eventos" - -\n'


def _header(job: Job, kind: str, suffix: str = "") -> str:
    unit = f"{job.unit}{suffix}.{kind}"
    directory = PurePath("~/.config/systemd/user" if job.user else "/etc/systemd/system")
    edit = f"systemctl {'--user ' if job.user else ''}edit {unit}"
    return (
        f"# {directory / unit}\n"
        f"# Lo escribe «estado-eventos schedule install systemd». Los cambios propios, con «{edit}».\n"
    )


def _program(job: Job) -> str:
    """El ejecutable en `ExecStart=`: la única palabra en que «$» no significa nada (systemd.service(5))."""
    return _quoted(str(job.executable))


def _quoted(word: str) -> str:
    """Una palabra de una unidad, donde «%» significa algo (systemd.unit(5)) y los espacios separan."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if escaped != word or not word.isascii() or any(char in word for char in " \t';$") else word
