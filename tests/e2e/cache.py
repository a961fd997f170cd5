"""Directorios caros de hacer que se guardan entre ejecuciones y se rehacen si cambia su receta."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def cache_home() -> Path:
    """Dónde se guardan."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "estado-eventos-e2e"


@contextmanager
def cached(kind: str, recipe: Sequence[str], build: Callable[[Path], None]) -> Iterator[Path]:
    """Presta el directorio que `build` llena según `recipe`; mientras dura el préstamo nadie lo borra."""
    home = cache_home()
    home.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:16]
    directory = home / f"{kind}-{digest}"
    with _lock_file(directory).open("w") as lease:
        fcntl.flock(lease, fcntl.LOCK_SH)
        if not directory.exists():
            fcntl.flock(lease, fcntl.LOCK_EX)
            if not directory.exists():  # Quizá lo hizo quien nos hizo esperar.
                _fill(directory, build)
                _prune(kind, keep=directory)
            fcntl.flock(lease, fcntl.LOCK_SH)
        yield directory


def _lock_file(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.lock")


def _fill(directory: Path, build: Callable[[Path], None]) -> None:
    """Solo aparece con su nombre lo que se terminó de hacer."""
    draft = directory.with_name(f"{directory.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        build(draft)
        draft.rename(directory)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _prune(kind: str, *, keep: Path) -> None:
    """Borra los de recetas anteriores que nadie esté usando."""
    for lock in keep.parent.glob(f"{kind}-*.lock"):
        directory = lock.with_suffix("")
        if directory == keep:
            continue
        with lock.open("w") as lease:
            try:
                fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(directory, ignore_errors=True)
