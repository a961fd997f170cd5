"""El reparto: qué parte de los eventos toca a cada uno de los procesos que comparten un backend muy grande. Sin E/S."""

import re
import zlib
from dataclasses import dataclass

MAX_SHARDS = 1000
_WRITTEN = re.compile(r"([0-9]{1,6})\s*/\s*([0-9]{1,6})")


@dataclass(frozen=True, slots=True, order=True)
class Shard:
    """La parte `number` (de 1 a `count`) de `count`; se escribe `2/8`, «la segunda de ocho». `1/1` es todo."""

    number: int
    count: int

    def __post_init__(self) -> None:
        """Lanza `ValueError` si no hay tal parte."""
        if not 1 <= self.count <= MAX_SHARDS:
            raise ValueError(f"las partes son de 1 a {MAX_SHARDS}")
        if not 1 <= self.number <= self.count:
            raise ValueError(
                f"no hay parte {self.number} de {self.count}: van de 1/{self.count} a {self.count}/{self.count}"
            )

    @classmethod
    def read(cls, text: str) -> "Shard":
        """Lee `2/8`. Lanza `ValueError`."""
        match = _WRITTEN.fullmatch(text.strip())
        if not match:
            raise ValueError("se escribe parte/partes, como 2/8: la segunda de ocho")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        """Como la escribe una persona."""
        return f"{self.number}/{self.count}"

    @property
    def is_whole(self) -> bool:
        """Si no hay reparto."""
        return self.count == 1

    def owner(self, key: str) -> "Shard":
        """De qué parte es un identificador, con el mismo número de partes que esta."""
        return Shard(_number(key, self.count), self.count)

    def owns(self, key: str | None) -> bool:
        """Si un identificador es de esta parte; lo que no tiene ninguno que valga (`None`) es de la primera."""
        return self.number == (1 if key is None else _number(key, self.count))


def _number(key: str, count: int) -> int:
    """CRC-32 del texto: igual en cualquier máquina y versión, y de enteros seguidos hace partes casi iguales.

    No se puede cambiar: mientras convivieran dos versiones, un evento sería de dos partes o de ninguna.
    """
    return zlib.crc32(key.encode()) % count + 1


WHOLE = Shard(1, 1)
