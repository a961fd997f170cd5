"""`docs/registro.md` explica cada línea que el programa puede escribir en el registro."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import estado_eventos
from estado_eventos.domain.exit_codes import ExitCode

DOCUMENT = (Path(__file__).parents[2] / "docs/registro.md").read_text()
DOCUMENTED = set(re.findall(r"`(.+?)`", DOCUMENT))
# Lo que llega ya escrito de otra parte, y la línea con que se explica.
PASSED_ON = {
    ("cli/app.py", "notice"): "…: …; no se ha tenido en cuenta.",
    (
        "cli/app.py",
        "logs.describe_bug(error)",
    ): "fallo interno (…): es un error del programa. Con LOG_LEVEL=DEBUG se ve dónde",
    ("cli/app.py", "'%s.'"): "el token de BACKEND_JWT_TOKEN caducó el … UTC. "
    "Ponga uno nuevo, o BACKEND_EMAIL y BACKEND_PASSWORD para que se renueve solo",
    ("output/summary.py", "'%s.'"): "… evento(s) siguen pendientes después de intentarlo",
    ("monitoring/notify.py", "'%s: %s'"): "HEARTBEAT_URL: …",
}
# Los errores cuya frase acaba en el registro. Los de `schedule` traen la cura en la frase.
ERRORS = {"Refused", "Unavailable", "Unanswered", "WrongProtocol", "Denied", "SettingsError", "Interruption"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Cada módulo del programa."""
    for path in sorted(Path(estado_eventos.__file__).parent.rglob("*.py")):
        yield f"{path.parent.name}/{path.name}", ast.parse(path.read_text())


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Cada llamada, con el nombre de lo que llama."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def sentence(node: ast.expr) -> str | None:
    """Una frase del código con «…» donde va algo que cambia; `None` si no tiene palabras propias."""
    if isinstance(node, ast.List) and len(node.elts) == 1:
        return sentence(node.elts[0])
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
        text = "".join(str(part) for part in parts)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = re.sub(r"%[sd]", "…", node.value)
    else:
        return None
    return text if re.search(r"\w{2}", text) else None


def test_every_log_line_is_documented() -> None:
    """Cada línea que un módulo escribe en el registro está en el documento, con lo que quiere decir y qué hacer."""
    written, passed_on = set(), set()
    for name, tree in sources():
        for called, call in calls(tree):
            if called.startswith("_log.") and called != "_log.isEnabledFor":
                message = call.args[called == "_log.log"]
                text = sentence(message)
                if text is None:
                    passed_on.add((name, ast.unparse(message)))
                else:
                    written.add(text)

    assert written - DOCUMENTED == set()
    assert passed_on == set(PASSED_ON)
    assert set(PASSED_ON.values()) - DOCUMENTED == set()


def test_no_documented_line_is_gone() -> None:
    """Las líneas que se explican con su nivel siguen estando en el código."""
    lines = re.findall(r"^\| `(.+?)`(?:, `.+?`)* \| (?:DEBUG|INFO|WARNING|ERROR)", DOCUMENT, re.MULTILINE)
    literals = {text for _, tree in sources() for node in ast.walk(tree) if (text := _text(node))}

    gone = [line for line in lines if line not in literals and not re.match(r"[A-Z_]+: …$", line)]
    assert gone == []
    assert len(lines) > 20


def _text(node: ast.AST) -> str | None:
    return sentence(node) if isinstance(node, ast.Constant | ast.JoinedStr) else None


def test_every_way_to_fail_is_documented() -> None:
    """Cada frase con que una pasada puede acabar mal está en el documento, con su código."""
    sentences = {
        ". ".join((text, *(hint for node in call.args[1:] if (hint := sentence(node)))))
        for _, tree in sources()
        for called, call in calls(tree)
        if called in ERRORS and call.args and (text := sentence(call.args[0]))
    }
    missing = {text for text in sentences if text not in DOCUMENTED and f"{text}." not in DOCUMENTED}

    assert missing == set()
    assert len(sentences) > 20


def test_every_code_of_a_pass_is_in_the_last_line() -> None:
    """Cada código con que puede acabar una pasada tiene su fila."""
    codes = set(re.findall(r"^\| .+ \| (\d+) \|", DOCUMENT, re.MULTILINE))

    assert codes == {str(int(code)) for code in ExitCode if code not in {ExitCode.OK, ExitCode.USAGE}}
