"""La documentación dice lo que el programa hace."""

import io
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from dotenv import dotenv_values
from prometheus_client.parser import text_string_to_metric_families

import estado_eventos
from estado_eventos.cli.app import main
from estado_eventos.config.settings import Settings
from estado_eventos.config.sources import load
from estado_eventos.config.values import HEARTBEAT_FIELDS
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Result
from estado_eventos.domain.transitions import TRANSITIONS
from estado_eventos.monitoring import metrics
from tests.support.documents import DOCUMENTS, TRIED, UNTRIED, blocks
from tests.support.monitors import WHOLE, everything
from tests.support.program import run
from tools import commands, pictures

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCS = {path.stem: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
ENV_EXAMPLE = (ROOT / ".env.example").read_text()
NAMES = [name.upper() for name in Settings.model_fields]


def rows(text: str) -> list[str]:
    """Lo que hay en la primera columna de las tablas."""
    return re.findall(r"^\| (.+?) \|", text, re.MULTILINE)


def test_every_setting_is_documented() -> None:
    """Cada variable está en la tabla de `docs/configuracion.md` y en `.env.example`, y no sobra ninguna en este."""
    documented = " ".join(rows(DOCS["configuracion"]))

    assert [name for name in NAMES if f"`{name}`" not in documented] == []
    assert set(re.findall(r"^#?([A-Z_]+)=", ENV_EXAMPLE, re.MULTILINE)) == set(NAMES)


def test_the_example_shows_the_defaults(tmp_path: Path) -> None:
    """Los valores de `.env.example`, descomentados, son los de fábrica."""
    uncommented = re.sub(r"^#([A-Z_]+=)", r"\1", ENV_EXAMPLE, flags=re.MULTILINE)
    empty = tmp_path / "vacío.env"
    empty.touch()
    values = {name: value for name, value in dotenv_values(stream=io.StringIO(uncommented)).items() if value}

    assert load(values, empty).settings.model_dump() == load({}, empty).settings.model_dump()


def test_every_exit_code_is_documented() -> None:
    """Cada código de salida está en la tabla del README, con el nombre que le da systemd."""
    documented = rows(README)
    for code in ExitCode:
        assert str(int(code)) in documented or f"{int(code)} `{code.name}`" in documented
    assert {int(row.split()[0]) for row in documented if re.match(r"\d+( `[A-Z]+`)?$", row)} == set(ExitCode)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_it_names_exists(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Todo mandato del programa que un documento enseña se entiende, con sus opciones y sus argumentos."""
    shown = re.findall(r"(?:`|^[$#] |&& |-w )estado-eventos ([^`\n#&|]+)", document.read_text(), re.MULTILINE)
    for line in shown:
        code = main([*shlex.split(line), "--help"])
        assert (code, capsys.readouterr().err) == (0, ""), line
    assert shown or document.name not in {
        "configuracion.md",
        "mandatos.md",
        "monitores.md",
        "mudanza.md",
        "registro.md",
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_is_tried_or_says_why_not(document: Path) -> None:
    """Encima de cada bloque de mandatos se dice qué prueba lo teclea tal cual (`typed`), o por qué ninguna."""
    found = list(blocks(document))
    for block in found:
        assert block.note.startswith((TRIED, UNTRIED)), f"{block.commands[0]}: falta «<!-- {TRIED}… -->» encima"
        if block.test:
            path, _, name = block.test.partition("::")
            (test,) = re.findall(rf"^def {name}\((.*?)\) -> None:", (ROOT / path).read_text(), re.MULTILINE | re.DOTALL)
            assert "typed: " in test, block.test
    assert len(found) == document.read_text().count("```console")


def test_nothing_is_installed_by_its_name() -> None:
    """Ni un documento ni un mensaje mandan instalar el programa por su nombre, que en un índice puede ser de otro."""
    sources = sorted(Path(estado_eventos.__file__).parent.rglob("*.py"))
    by_name = re.compile(r"\bpipx? install(?: -\S+)* [\"'{]*(?:estado[-_]eventos\b|DEFAULT_NAME|PROGRAM)")

    assert by_name.search("pipx install --global estado-eventos")
    assert [path.name for path in (*DOCUMENTS, *sources) if by_name.search(path.read_text())] == []


def test_no_secret_is_typed_in_a_command() -> None:
    """Lo que se teclea lo ve cualquiera en `ps` y queda en el historial: los secretos de Kubernetes van en archivos."""
    texts = [path.read_text() for path in (*DOCUMENTS, *sorted((ROOT / "kubernetes").rglob("*.yaml")))]

    assert any("--from-file" in text for text in texts)
    assert not any("--from-literal" in text for text in texts)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    """Los enlaces e imágenes a archivos del repositorio, y a sus títulos, existen."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", document.read_text()):
        path, _, title = target.partition("#")
        linked = document.parent / path if path else document
        assert linked.exists(), target
        titles = re.findall(r"^#+ (.+)", linked.read_text(), re.MULTILINE) if title else []
        slugs = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in titles}
        assert not title or title in slugs, target


def test_every_metric_is_documented() -> None:
    """Cada métrica que el programa escribe está en `docs/monitores.md` con sus etiquetas, y no sobra ninguna."""
    families = text_string_to_metric_families(metrics.text(everything(), TRANSITIONS, WHOLE, "").decode())
    written = {
        (re.sub("_(bucket|count|sum)$", "", sample.name), frozenset(sample.labels.keys() - WHOLE.keys() - {"le"}))
        for family in families
        for sample in family.samples
    }
    documented = re.findall(r"^\| `(estado_eventos_\w+)(?:\{(.+?)\})?` \|", DOCS["monitores"], re.MULTILINE)

    assert {(name, frozenset(labels.split(",") if labels else ())) for name, labels in documented} == written


def test_every_field_of_a_heartbeat_is_documented() -> None:
    """Cada hueco que admite `HEARTBEAT_URL` está explicado, y no sobra ninguno."""
    assert {row for row in rows(DOCS["monitores"]) if row.startswith("`{")} == {
        f"`{{{name}}}`" for name in HEARTBEAT_FIELDS
    }


def test_every_alert_is_documented() -> None:
    """Cada alerta de `prometheus/alerts.yml` está en la tabla, y no sobra ninguna."""
    alerts = re.findall(r"- alert: (\w+)", (ROOT / "prometheus/alerts.yml").read_text())

    assert [row.strip("`") for row in rows(DOCS["monitores"]) if row.startswith("`EstadoEventos")] == alerts


def test_every_result_is_documented() -> None:
    """Cada resultado de un evento está explicado en `docs/registro.md`."""
    assert [result for result in Result if f"`{result}`" not in rows(DOCS["registro"])] == []


def test_the_reference_of_commands_is_fresh() -> None:
    """La referencia de `docs/mandatos.md` es lo que contesta `--help` hoy; si no: `make reference`."""
    assert commands.inserted(DOCS["mandatos"]) == DOCS["mandatos"]
    for command in ("run-once", "check", "schedule install"):
        assert f"\nUso: estado-eventos {command} [" in DOCS["mandatos"]


def test_the_reference_is_what_a_person_sees() -> None:
    """En la referencia está, letra por letra, la ayuda del programa de verdad."""
    for command in ([], ["run-once"], ["schedule", "install"]):
        assert f"```text\n{run(*command, '--help').stdout}```" in DOCS["mandatos"]


def test_the_json_example_is_json_with_the_keys_of_the_report() -> None:
    """El informe de ejemplo se puede leer."""
    (block,) = re.findall(r"```json\n(.+?)```", DOCS["registro"], re.DOTALL)

    assert json.loads(block)["transitions"]["start"]["events"][0]["result"] == "done"


def test_the_readme_opens_in_english_and_goes_on_in_spanish() -> None:
    """El README abre con dos líneas en inglés y sigue en español."""
    first, second, blank, title = README.splitlines()[:4]

    assert first.startswith("`estado-eventos` starts and finishes")
    assert second
    assert (blank, title) == ("", "# estado-eventos")


def test_the_readme_is_short_and_says_what_everybody_needs() -> None:
    """El README cabe en 250 líneas y va de lo primero que se necesita a lo último."""
    titles = re.findall(r"^## (.+)", README, re.MULTILINE)

    assert len(README.splitlines()) <= 250
    assert titles == [
        "Instalar en un servidor",
        "Lo imprescindible de la configuración",
        "¿Qué falla? `check`",
        "Los diez problemas más comunes",
        "Códigos de salida",
        "Lo demás",
        "Licencia",
    ]
    assert README.count("![") == 1


def test_the_index_leads_to_every_document() -> None:
    """El índice de `docs/` y el README llevan a cada documento, y al índice se llega desde el README."""
    for text, prefix in ((DOCS["README"], ""), (README, "docs/")):
        linked = set(re.findall(rf"\]\({prefix}(\w+)\.md", text))
        assert set(DOCS) - linked <= {"README"}
    assert "](docs/README.md)" in README


def test_nothing_is_said_twice() -> None:
    """Ninguna frase larga, ni fila de una tabla, está en dos sitios de la documentación."""
    seen: dict[str, Path] = {}
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for paragraph in re.split(
            r"\n\n|\n(?=\|)|\n(?=- )", re.sub(r"```.+?```", "", document.read_text(), flags=re.DOTALL)
        ):
            for sentence in re.split(r"(?<=[.:;])\s", " ".join(paragraph.split())):
                if len(sentence) > 60:
                    assert sentence not in seen, f"{document.name} y {seen[sentence].name}: {sentence}"
                    seen[sentence] = document


def test_the_version_is_said_once() -> None:
    """La versión sale de `__init__.py`; la dicen igual `--version`, `info` y lo más alto del registro de cambios."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (source,) = re.findall(
        r'^__version__ = "(\d+\.\d+\.\d+)"$', Path(estado_eventos.__file__).read_text(), re.MULTILINE
    )
    changelog = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert project["tool"]["hatch"]["version"]["path"] == "src/estado_eventos/__init__.py"
    assert project["project"]["dynamic"] == ["version"]
    assert changelog[0] == source
    assert run("--version").stdout == f"estado-eventos {source}\n"
    assert json.loads(run("info", "--json").stdout)["version"] == source


@pytest.mark.slow
def test_the_pictures_are_fresh() -> None:
    """Las imágenes de la documentación son lo que el programa enseña hoy; si no: `make pictures`."""
    drawn = pictures.draw()

    assert sorted(drawn) == sorted(path.name for path in pictures.DIRECTORY.iterdir())
    for name, svg in drawn.items():
        assert (pictures.DIRECTORY / name).read_text() == svg, name
        assert any(f"img/{name}" in text for text in (README, *DOCS.values()))
