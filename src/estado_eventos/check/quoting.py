"""Cómo se leyeron los secretos: las comillas, los espacios y las «#» que cambian un valor sin que se vea."""

import io
import re
from collections.abc import Iterator

from dotenv.parser import Binding, parse_stream

from estado_eventos.check.findings import Finding, problem
from estado_eventos.config.envfile import line_of
from estado_eventos.config.settings import Settings
from estado_eventos.config.sources import Loaded
from estado_eventos.domain.text import printable

SECRETS = ("backend_jwt_token", "backend_email", "backend_password", "backend_proxy", "heartbeat_url")


def in_file(path: str, text: str) -> Iterator[Finding]:
    """Los secretos de un archivo que no se leyeron como parecen escritos, y lo que está dos veces."""
    seen: dict[str, list[int]] = {}
    for binding in parse_stream(io.StringIO(text.removeprefix("\ufeff"))):
        name = binding.key or ""
        if name.lower() not in Settings.model_fields:
            continue
        seen.setdefault(name.upper(), []).append(line_of(binding))
        if name.lower() in SECRETS and (reason := _misread(binding)):
            cure = f"Póngalo entre comillas simples: {name}='…'"
            yield problem("quoting", f"{path}, línea {line_of(binding)}: {name}: {reason}", cure)
    for name, lines in seen.items():
        if len(lines) > 1:
            where = ", ".join(map(str, lines))
            message = f"{path}: {name} está {len(lines)} veces (líneas {where}): vale la última"
            yield problem("quoting", message, "Deje una sola")


def _misread(binding: Binding) -> str | None:
    """Qué caracteres se tomaron por otra cosa; nunca el valor."""
    written = binding.original.string.partition("=")[2].lstrip(" \t").rstrip("\r\n")
    if written[:1] in {"'", '"'}:
        quote, inside = written[0], written[1:].rpartition(written[0])[0]
        if "\\" in inside and quote == '"':
            return "dentro de las comillas dobles, «\\» se leyó como el comienzo de un carácter especial"
        return None
    if re.search(r"\s#", written):
        return "desde el espacio y la «#» se leyó como un comentario: lo que sigue no es parte del valor"
    if written != written.rstrip():
        return "los espacios del final no se leyeron"
    return None


def in_environment(loaded: Loaded) -> Iterator[Finding]:
    """Los secretos que llegan por el entorno o de systemd con algo alrededor que será parte del valor."""
    for layer in loaded.layers:
        if layer.origin == str(loaded.file):
            continue
        for name in SECRETS:
            value = layer.values.get(name, "")
            if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
                reason = "las comillas que lo rodean se leyeron como parte del valor"
            elif value != value.strip():
                reason = "los espacios o saltos de línea de los extremos se leyeron como parte del valor"
            else:
                continue
            yield problem("quoting", f"{name.upper()} ({printable(layer.origin)}): {reason}", "Quítelos de ahí")
