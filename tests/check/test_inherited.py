"""Lo que el diagnóstico dice de las variables del servicio antiguo."""

from pathlib import Path

import pytest

from estado_eventos.check.inherited import GONE
from tests.support.diagnosis import diagnose


@pytest.mark.parametrize("place", ["el entorno", "archivo"])
def test_each_old_variable_says_what_became_of_it(place: str, tmp_path: Path) -> None:
    """En un archivo o en el entorno: un aviso por variable, con lo que fue de ella y qué hacer, y sin su valor."""
    path = tmp_path / "antiguo.env"
    values = dict.fromkeys(sorted(GONE), "valor-que-no-se-dice")
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items() if place == "archivo"))
    path.chmod(0o600)

    diagnosis = diagnose("--env-file", str(path), **(values if place == "el entorno" else {}))

    told = {
        name: finding
        for finding in diagnosis.about("settings_file")
        for name in GONE
        if f" {name} " in finding["message"]
    }
    assert told.keys() == GONE
    where = place if place == "el entorno" else str(path)
    assert {(finding["level"], finding["message"].split(": ")[0]) for finding in told.values()} == {("warning", where)}
    assert "valor-que-no-se-dice" not in diagnosis.text
