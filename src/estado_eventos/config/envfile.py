"""Los archivos de configuración: cómo se leen, y qué líneas leería distinto systemd (`EnvironmentFile=`)."""

import io
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dotenv.parser import Binding, parse_stream

from estado_eventos.config.settings import Settings, SettingsError

# La gramática de `parse_env_file_internal` de systemd (src/basic/env-file.c): no hay comentarios detrás de un valor,
# las comillas solo valen al principio y la barra invertida escapa también fuera de ellas.
_SYSTEMD_LINE = re.compile(
    r"""
    [ \t\r\n]*
    (?: [#;][^\r\n]*
      | (?P<key>[^=\r\n]*)
        (?: = (?P<quoted> (?: [ \t] | '[^']*(?:'|\Z) | "(?:\\.|[^"\\])*(?:"|\Z) )* )
              (?P<bare> (?: \\. | [^\\\r\n] )* )
        )?
    )
    """,
    re.DOTALL | re.VERBOSE,
)
_QUOTED = re.compile(r"""'([^']*)'?|"((?:\\.|[^"\\])*)"?""", re.DOTALL)


_MAX_BYTES = 1 << 20


def read_env_file(path: Path, *, trusted_only: bool = False, lenient: bool = False) -> dict[str, str | None]:
    """Las variables de un archivo `.env`, según python-dotenv; con `trusted_only`, solo si es de fiar.

    Lanza `OSError`, o `SettingsError` si no se entiende una línea que nombra una de las nuestras; con `lenient`, se la
    salta.
    """
    values: dict[str, str | None] = {}
    text = _decode(path, _read_trusted(path) if trusted_only else _read(path))
    for binding in parse_stream(io.StringIO(text)):
        ours = any(name in binding.original.string.lower() for name in Settings.model_fields)
        if binding.error and ours and not lenient:
            raise SettingsError([f"{path}, línea {line_of(binding)}: no se entiende{_quote_hint(binding)}."])
        if binding.key is not None:
            values[binding.key] = binding.value
    return values


def read_text(path: Path) -> str:
    """El texto de un archivo de configuración. Lanza `OSError`, o `SettingsError` si no es texto o es enorme."""
    return _decode(path, _read(path))


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_BYTES + 1)


def _read_trusted(path: Path) -> bytes:
    """Lo que hay en un archivo que nadie más que quien lo lee puede haber escrito; lanza `OSError` si no es así.

    Un `.env` ajeno sería mandar en quien entra en su directorio: a dónde va la contraseña y qué archivos se escriben.
    """
    # Sin O_NONBLOCK, abrir una tubería espera a que alguien escriba en ella.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check_trusted(path, os.fstat(descriptor))
        return os.read(descriptor, _MAX_BYTES + 1)
    finally:
        os.close(descriptor)


def _check_trusted(path: Path, status: os.stat_result) -> None:
    me = os.geteuid()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(0, "no es un archivo normal")
    if status.st_uid != me:
        raise OSError(0, "es de otro usuario")
    if status.st_mode & 0o022:
        raise OSError(0, "lo pueden escribir otros usuarios")
    if path.absolute().parent.stat().st_uid not in {0, me}:
        raise OSError(0, "su directorio es de otro usuario")


def _decode(path: Path, raw: bytes) -> str:
    if len(raw) > _MAX_BYTES:
        raise SettingsError([f"{path}: es demasiado grande para ser un archivo de configuración."])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError([f"{path}: no es texto UTF-8."]) from None


def _quote_hint(binding: Binding) -> str:
    """Qué pasa con las comillas de una línea que no se entiende; nunca lo que dice."""
    if not re.search(r"=[ \t]*['\"]", binding.original.string):
        return ""
    return (
        ": las comillas del valor no cierran, o detrás de ellas hay algo más. Rodéelo de comillas que no lleve dentro"
    )


class Difference(NamedTuple):
    """Una variable que systemd leería de otra manera: en qué línea está, por qué y cómo se escribe para los dos."""

    line: int
    name: str
    reason: str
    cure: str


def differences(text: str) -> Iterator[Difference]:
    """Las variables nuestras que no valdrían lo mismo leídas por systemd, cada una una vez."""
    theirs = as_systemd(text)
    # El programa se salta la marca BOM, y de python-dotenv no todas las versiones.
    bindings = parse_stream(io.StringIO(text.removeprefix("\ufeff")))
    ours = {
        binding.key: binding for binding in bindings if binding.key and binding.key.lower() in Settings.model_fields
    }
    for name, binding in ours.items():
        if binding.value and binding.value != theirs.get(name):
            reason, cure = _explain(binding, theirs.get(name))
            yield Difference(line_of(binding), name, reason, cure)


def _explain(binding: Binding, theirs: str | None) -> tuple[str, str]:
    if theirs is None:
        if re.match(r"\s*export\s", binding.original.string):
            return "no entiende «export» y se salta la línea", "Quite «export»"
        return "se salta la línea", "Quite lo que rodea al nombre: comillas o, al principio del archivo, una marca BOM"
    if "#" in theirs and binding.value and theirs.startswith(binding.value):
        return "toma el comentario por parte del valor", "Ponga el comentario en su propia línea"
    return (
        "lee de otra manera sus comillas y barras invertidas",
        "Ponga el valor sin comillas ni «\\» o, si lleva espacios o «#», entre comillas simples",
    )


def line_of(binding: Binding) -> int:
    """La línea de la variable: la que da python-dotenv es la de los huecos que tiene delante."""
    text = binding.original.string
    gap = text[: len(text) - len(text.lstrip())]
    return binding.original.line + len(re.findall(r"\r\n|\n|\r", gap))


def as_systemd(text: str) -> dict[str, str]:
    """Las variables como las lee systemd; las que tienen un nombre que no admite, se las salta."""
    found: dict[str, str] = {}
    for match in _SYSTEMD_LINE.finditer(text):
        name, bare = (match["key"] or "").rstrip(" \t"), match["bare"]
        if bare is not None and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            quoted = "".join(_unquote(piece) for piece in _QUOTED.finditer(match["quoted"]))
            trimmed = re.sub(r"(?<!\\)[ \t]+\Z", "", bare)
            found[name] = quoted + re.sub(r"\\(.)", lambda escape: escape[1].strip("\r\n"), trimmed, flags=re.DOTALL)
    return found


def _unquote(piece: re.Match[str]) -> str:
    if piece[2] is None:
        return piece[1]
    return re.sub(r"\\(.)", lambda escape: _ESCAPED.get(escape[1], escape[0]), piece[2], flags=re.DOTALL)


_ESCAPED = {'"': '"', "\\": "\\", "`": "`", "$": "$", "\n": ""}
