"""La configuración mirada por el diagnóstico: qué vale, de dónde sale y qué les pasa a sus archivos."""

import io
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from dotenv.parser import parse_stream
from pydantic import SecretStr

from estado_eventos.check import quoting
from estado_eventos.check.findings import Finding, good, problem
from estado_eventos.config.envfile import differences
from estado_eventos.config.settings import Settings, SettingsError
from estado_eventos.config.sources import Loaded, Notice, find_file, settings_file
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.text import printable
from estado_eventos.output.files import read_file

_SECRETS = ("backend_jwt_token", "backend_password", "backend_proxy", "heartbeat_url")
_WRITTEN = ("token_cache_file", "metrics_file", "report_file", "follow_up_directory")
_MAX_FILE_BYTES = 1 << 20


def broken(error: SettingsError, env_file: Path | None) -> Iterator[Finding]:
    """Por qué la configuración no vale, una variable en cada línea, y los archivos que no se leyeron."""
    for sentence in error.problems:
        cure = error.hint or "Corríjalo ahí; docs/configuracion.md dice qué vale en cada variable"
        yield problem("settings", printable(sentence).rstrip("."), cure, ExitCode.CONFIG)
    if env_file is None:
        with suppress(SettingsError):
            yield from _notices(settings_file(None).notices)
    yield from misspelt("el entorno", os.environ)
    yield from file(find_file(env_file))


def values(loaded: Loaded) -> Iterator[Finding]:
    """Qué vale cada variable que alguien puso y de dónde sale; las demás, juntas. Los secretos no se enseñan."""
    used = f"Archivo de configuración: {printable(str(loaded.file))}" if loaded.file else "Sin archivo de configuración"
    yield good("settings", used)
    defaults = []
    for name in Settings.model_fields:
        value = getattr(loaded.settings, name)
        if any(name in layer.values for layer in loaded.layers):
            yield good("settings", f"{name.upper()}{_shown(value)} ({printable(loaded.origin(name))})")
        elif value is not None:
            defaults.append(f"{name.upper()}{_shown(value)}")
    if defaults:
        yield good("settings", f"De fábrica: {', '.join(defaults)}")
    if not loaded.settings.part.is_whole:
        yield good("settings", f"Reparto: esta es la parte {loaded.settings.part}; los demás eventos son de las otras")
    yield from _notices(loaded.notices)
    yield from misspelt("el entorno", os.environ)
    yield from quoting.in_environment(loaded)
    yield from _unwritable(loaded.settings)


def _notices(notices: Iterable[Notice]) -> Iterator[Finding]:
    return (problem("settings_file", printable(notice.message), notice.cure) for notice in notices)


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return ": puesta"
    return f"={value:g}" if isinstance(value, float) else f"={printable(str(value))}"


def _unwritable(settings: Settings) -> Iterator[Finding]:
    """Los archivos que la pasada escribe y esta cuenta no puede."""
    for name in _WRITTEN:
        path: Path | None = getattr(settings, name)
        if path and path.is_dir() and name in {"metrics_file", "report_file"}:
            example = path / ("estado-eventos.prom" if name == "metrics_file" else "report.json")
            cure = f"Ponga un archivo dentro de él: {name.upper()}={printable(str(example))}"
            yield problem("settings", f"{name.upper()}: {printable(str(path))} es un directorio", cure)
        elif path and name == "metrics_file" and path.suffix != ".prom":
            message = f"{name.upper()}: {printable(str(path))} no acaba en .prom, y node_exporter no lee otra cosa"
            yield problem("settings", message, f"Ponga {name.upper()}={printable(str(path.with_suffix('.prom')))}")
        if path and not os.access(path.parent, os.W_OK | os.X_OK):
            where = printable(str(path.parent))
            yield problem(
                "settings",
                f"{name.upper()}: en {where} no puede escribir esta cuenta",
                f"Si es la que hace las pasadas: mkdir -p {where}, y que pueda escribir en él",
            )


def misspelt(where: str, names: Iterable[str]) -> Iterator[Finding]:
    """Las variables que casi se llaman como una nuestra: no se leen."""
    for name in names:
        close = get_close_matches(name.lower(), Settings.model_fields, n=1, cutoff=0.85)
        if close and name.lower() not in Settings.model_fields:
            message = f"{where}: {printable(name, 64)} no es ninguna variable y no se lee"
            yield problem("settings_file", message, f"¿Será {close[0].upper()}?")


def file(path: Path | None) -> Iterator[Finding]:
    """Lo que llama la atención en el archivo de configuración que se usa."""
    try:
        # Una tubería ya la vació quien la carga: no se lee.
        text = read_file(path, _MAX_FILE_BYTES).decode() if path else ""
        mode = path.stat().st_mode if path else 0
    except (OSError, UnicodeDecodeError):
        # Si alguien contaba con él, ya lo ha dicho quien lo carga.
        return
    yield from _file(printable(str(path)), mode, text)


def _file(path: str, mode: int, text: str) -> Iterator[Finding]:
    found = {binding.key: binding.value for binding in parse_stream(io.StringIO(text)) if binding.key}
    secrets = [name for name, value in found.items() if name.lower() in _SECRETS and value]
    if secrets and mode & stat.S_IROTH:
        message = f"{path}: lo puede leer cualquiera, y dentro está {' y '.join(secrets)}"
        yield problem("settings_file", message, f"chmod o= {path}")
    yield from misspelt(path, found)
    misread = list(quoting.in_file(path, text))
    yield from misread
    for difference in differences(text):
        # Lo que ya se ha dicho de esa línea lo cura para los dos.
        if any(f", línea {difference.line}: {difference.name}:" in finding.message for finding in misread):
            continue
        message = (
            f"{path}, línea {difference.line}: {difference.name} no valdría lo mismo si systemd leyera este archivo "
            f"(EnvironmentFile=): {difference.reason}"
        )
        yield problem("settings_file", message, difference.cure)
