"""Qué archivo de configuración se lee: uno solo, y del directorio de trabajo, solo el que nadie más pudo escribir."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from estado_eventos.config.settings import Settings, SettingsError
from estado_eventos.config.sources import load
from tests.support.faults import FaultyServer
from tests.support.program import run
from tests.support.reactions import answer

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="hace falta ser root")


def write(path: Path, **values: object) -> Path:
    """Un archivo de configuración con esas variables."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return path


def _link(path: Path) -> None:
    path.rename(path.with_name("de_verdad"))
    path.symlink_to(path.with_name("de_verdad"))


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_link, "es un enlace"),
        (_pipe, "no es un archivo normal"),
        (lambda path: path.chmod(0o664), "lo pueden escribir otros usuarios"),
        (lambda path: path.chmod(0o602), "lo pueden escribir otros usuarios"),
        pytest.param(lambda path: os.chown(path, NOBODY, NOBODY), "es de otro usuario", marks=as_root),
        pytest.param(
            lambda path: os.chown(path.parent, NOBODY, NOBODY), "su directorio es de otro usuario", marks=as_root
        ),
    ],
)
def test_a_dot_env_that_somebody_else_could_write_is_not_read(
    tmp_path: Path, spoil: Callable[[Path], Any], reason: str
) -> None:
    """Un `.env` enlazado, ajeno o que otros pueden escribir no se lee, no hace esperar, y un aviso dice por qué."""
    mine = tmp_path / "mío"
    with FaultyServer(lambda _: answer(200, "[]")) as theirs, FaultyServer(lambda _: answer(200, "[]")) as ours:
        spoil(write(mine / ".env", BACKEND_URL=theirs.url, REPORT_FILE=tmp_path / "plantado"))
        completed = run("run-once", env={"BACKEND_URL": ours.url}, cwd=mine)

    warnings = [line for line in completed.messages if line.startswith("WARNING")]
    assert completed.code == 0
    assert len(warnings) == 1
    assert f".env: {reason}; no se ha tenido en cuenta" in warnings[0]
    assert theirs.requests == []
    assert not (tmp_path / "plantado").exists()


def test_a_dot_env_of_ones_own_is_read(tmp_path: Path) -> None:
    """Un `.env` propio, en un directorio propio, se lee sin más; `--log-level debug` dice cuál fue."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        write(tmp_path / ".env", BACKEND_URL=server.url)
        completed = run("run-once", "--log-level", "debug", cwd=tmp_path)

    assert completed.code == 0
    assert len(server.requests) == 2
    assert "DEBUG - Archivo de configuración: .env" in completed.messages
    assert "WARNING" not in completed.stderr


def test_files_are_never_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Con `.env` no se mira ningún otro: su URL no se lleva la contraseña de otro archivo."""
    system = write(tmp_path / "etc.env", BACKEND_EMAIL="a@b", BACKEND_PASSWORD="la-de-verdad", PASS_TIMEOUT=7)
    monkeypatch.setattr("estado_eventos.config.sources.SYSTEM_ENV_FILE", system)
    monkeypatch.chdir(tmp_path)
    alone = load({})
    write(tmp_path / ".env", BACKEND_URL="http://pruebas.example")
    local = load({})

    assert alone.file == system
    assert alone.settings.backend_email is not None
    assert (local.settings.backend_url, local.settings.backend_email) == ("http://pruebas.example", None)
    assert local.settings.pass_timeout == Settings().pass_timeout


@pytest.mark.parametrize(("user", "interval"), [(1000, 77), (0, 60)])
def test_the_file_of_the_user_is_for_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, interval: int
) -> None:
    """`~/.config/estado-eventos/estado-eventos.env` vale para quien no es root, y para root no."""
    write(tmp_path / ".config/estado-eventos/estado-eventos.env", SCHEDULER_INTERVAL_SECONDS=77)
    monkeypatch.setattr("estado_eventos.config.sources.SYSTEM_ENV_FILE", tmp_path / "no_hay.env")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.chdir(tmp_path)

    assert load({}).settings.scheduler_interval_seconds == interval


def test_an_untrusted_dot_env_gives_way_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Si `.env` no es de fiar se usa el siguiente, y el aviso trae cómo se cura."""
    system = write(tmp_path / "etc.env", SCHEDULER_INTERVAL_SECONDS=90)
    monkeypatch.setattr("estado_eventos.config.sources.SYSTEM_ENV_FILE", system)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / ".env", SCHEDULER_INTERVAL_SECONDS=30).chmod(0o666)

    loaded = load({})

    assert loaded.settings.scheduler_interval_seconds == 90
    assert [notice.cure for notice in loaded.notices] == [
        "Si es suyo y de nadie más: chmod go-w .env; si no, nombre el que quiera con --env-file"
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("METRICS_FILE", "/x\nExecStartPre=+/bin/sh"),
        ("REPORT_FILE", "/x\x1b[2J"),
        ("TOKEN_CACHE_FILE", "/x\u2028y"),
        ("HOST", "fe80::1%eth0\nExecStartPre=+/bin/sh"),
        ("HOST", "fe80::1%eth0"),
        ("HEARTBEAT_URL", "https://" + "a" * 64 + ".es/ping"),
        ("HEARTBEAT_URL", "https://a..es/ping"),
        ("BACKEND_URL", "http://" + "a." * 130 + "es"),
        ("PASS_TIMEOUT", "60"),
    ],
)
def test_what_could_do_harm_elsewhere_is_refused(tmp_path: Path, name: str, value: str) -> None:
    """Rutas con controles, direcciones con ámbito, nombres imposibles y límites sin sentido: 78, y se nombra."""
    empty = write(tmp_path / "vacío.env")
    with pytest.raises(SettingsError) as refused:
        load({name: value}, empty)

    (sentence,) = refused.value.problems
    assert sentence.startswith(name)
    assert sentence.isprintable()
