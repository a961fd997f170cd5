"""Los archivos que el programa deja y relee: se ponen de una vez y se leen sin fiarse de lo que haya."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from estado_eventos.output.files import check_replaceable, read_file, replace_file

BIG = 1 << 20


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """El archivo nuevo se pone en el sitio del otro, con sus permisos y sin dejar restos."""
    path = tmp_path / "x"

    for content, mode in ((b"uno", 0o600), (b"dos", 0o644)):
        replace_file(path, content, mode)

        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o777 == mode
    assert list(tmp_path.iterdir()) == [path]


def test_whoever_reads_sees_one_file_or_the_other(tmp_path: Path) -> None:
    """Mientras se escribe una y otra vez, quien lee ve siempre un archivo entero."""
    path = tmp_path / "x"
    replace_file(path, b"a" * BIG, 0o600)
    done = threading.Event()

    def write() -> None:
        for letter in b"bcdefghijklmnopqrstuvwxyz" * 4:
            replace_file(path, bytes([letter]) * BIG, 0o600)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        content = read_file(path, 2 * BIG)
        assert content == content[:1] * BIG
        seen.add(content[:1])
    writer.join()

    assert seen
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """Un enlace que alguien puso ahí se sustituye; aquello a lo que lleva no se toca."""
    (tmp_path / "ajeno").write_text("de otro")
    (tmp_path / "x").symlink_to(tmp_path / "ajeno")

    replace_file(tmp_path / "x", b"nuestro", 0o600)

    assert not (tmp_path / "x").is_symlink()
    assert (tmp_path / "ajeno").read_text() == "de otro"


def test_what_cannot_be_replaced_leaves_no_rest(tmp_path: Path) -> None:
    """Si no se puede poner en su sitio, se dice, y no queda ni el archivo a medias."""
    (tmp_path / "x" / "dentro").mkdir(parents=True)

    with pytest.raises(OSError, match="directory"):
        replace_file(tmp_path / "x", b"nuevo", 0o600)

    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def make_link(path: Path) -> None:
    """Un enlace a un archivo que podría ser de cualquiera."""
    target = path.with_name("ajeno")
    target.touch(mode=0o600)
    path.symlink_to(target)


def make_foreign(path: Path) -> None:
    """Un archivo de otra cuenta."""
    path.touch(mode=0o600)
    os.chown(path, 12345, 12345)


def make_readable(path: Path) -> None:
    """Un archivo que otros pueden leer."""
    path.touch()
    path.chmod(0o640)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="hace falta ser root para que un archivo sea de otro")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_link, "symbolic links"),
        pytest.param(make_foreign, "es de otro usuario", marks=as_root),
        (make_readable, "no es 0600"),
        (os.mkfifo, "no es un archivo normal"),
        (Path.mkdir, "no es un archivo normal"),
    ],
    ids=["enlace", "de otro", "legible", "fifo", "directorio"],
)
def test_a_private_file_is_ours_alone(tmp_path: Path, make: Callable[[Path], object], reason: str) -> None:
    """Con `private` no se lee lo que otro pudo poner o puede leer, y se dice por qué; un FIFO no deja esperando."""
    make(tmp_path / "x")
    before = set(Path("/proc/self/fd").iterdir())

    with pytest.raises(OSError, match=reason) as raised:
        read_file(tmp_path / "x", 10, private=True)

    assert raised.value.strerror
    assert set(Path("/proc/self/fd").iterdir()) <= before


def test_only_what_fits_is_read(tmp_path: Path) -> None:
    """Se lee hasta el tope, también de un enlace si no es privado; de un archivo propio, también con `private`."""
    path = tmp_path / "x"
    replace_file(path, b"0123456789", 0o600)
    (tmp_path / "enlace").symlink_to(path)

    assert read_file(path, 4, private=True) == b"0123"
    assert read_file(tmp_path / "enlace", 100) == b"0123456789"


def test_only_a_file_may_be_replaced(tmp_path: Path) -> None:
    """Lo que no está o es un archivo se puede sustituir; un enlace, un directorio, una tubería o un dispositivo, no."""
    (tmp_path / "x").touch()
    (tmp_path / "enlace").symlink_to(tmp_path / "x")
    os.mkfifo(tmp_path / "tubería")

    check_replaceable(tmp_path / "nada")
    check_replaceable(tmp_path / "x")
    for path in (tmp_path / "enlace", tmp_path / "tubería", tmp_path, Path("/dev/null")):
        with pytest.raises(OSError, match="no es un archivo normal"):
            check_replaceable(path)
