"""`docs/registro.md` explica cada línea que el programa puede escribir en el registro."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import estado_eventos
from estado_eventos.domain.exit_codes import ExitCode

DOCUMENT = (Path(__file__).parents[2] / "docs/registro.md").read_text()
DOCUMENTED = set(re.findall(r"`(.+?)`", DOCUMENT))
# Lo que llega ya escrito de otra parte, y la línea con que se explica.
PASSED_ON = {
    ("cli/app.py", "'%s. %s.'"): "…: …; no se ha tenido en cuenta",
    (
        "cli/app.py",
        "logs.describe_bug(error)",
    ): "fallo interno (…): es un error del programa. Con LOG_LEVEL=DEBUG se ve dónde",
    ("backend/token_cache.py", "'%s'"): "TOKEN_CACHE_FILE: no se usa …: …",
    ("cli/app.py", "'%s.'"): "el token de BACKEND_JWT_TOKEN caducó el …. "
    "Ponga uno nuevo, o BACKEND_EMAIL y BACKEND_PASSWORD para que se renueve solo",
    ("output/summary.py", "'%s.'"): "… evento(s) siguen pendientes después de intentarlo",
    ("monitoring/notify.py", "'%s: %s'"): "HEARTBEAT_URL: …",
    (
        "reconcile/follow_ups.py",
        "describe_bug(error)",
    ): "fallo interno (…): es un error del programa. Con LOG_LEVEL=DEBUG se ve dónde",
}
# Los errores cuya frase acaba en el registro. Los de `schedule` traen la cura en la frase.
ERRORS = {
    "Refused",
    "Unavailable",
    "Untrusted",
    "Unanswered",
    "WrongProtocol",
    "Denied",
    "SettingsError",
    "Interruption",
}
ERRORS |= {"NoAuthoritiesError", "Untrusted", "Intercepted"}
# Lo que esas frases toman de otra parte: las palabras del backend, las de la red, las de Pydantic y `_explain_denial`.
BORROWED = {
    "with_words(answer)",
    "f'{context}{with_words(answer)}'",
    "_words(answer)",
    "explain_transport(error, redactor)",
    "explain(error, lambda name: _origin(layers, name))",
    "message",
}
# Un error, cuya frase es de las de arriba.
REASONS = {"error", "self._seen.problem", "tracked.error"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Cada módulo del programa."""
    for path in sorted(Path(estado_eventos.__file__).parent.rglob("*.py")):
        yield f"{path.parent.name}/{path.name}", ast.parse(path.read_text())


class Call(NamedTuple):
    """Una llamada: en qué módulo, a quién, y lo que su función asigna a cada nombre."""

    module: str
    called: str
    node: ast.Call
    names: dict[str, list[ast.expr]]

    def values(self, node: ast.expr) -> Iterator[ast.expr]:
        """Lo que puede valer una expresión: las dos ramas de un «if», lo asignado a un nombre."""
        match node:
            case ast.Name(id=name) if name in self.names:
                inside: list[ast.expr] = self.names[name]
            case ast.IfExp():
                inside = [node.body, node.orelse]
            case ast.BoolOp():
                inside = node.values
            case ast.List(elts=[only]):
                inside = [only]
            case _:
                yield node
                return
        for each in inside:
            yield from self.values(each)


def calls() -> Iterator[Call]:
    """Cada llamada del programa."""
    for name, tree in sources():
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        for body in (tree.body, *(node.body for node in classes)):
            for place in body:
                if isinstance(place, ast.ClassDef):
                    continue
                names = assigned(tree.body) | assigned(ast.walk(place))
                for node in ast.walk(place):
                    if isinstance(node, ast.Call):
                        yield Call(name, ast.unparse(node.func), node, names)


def assigned(nodes: Iterable[ast.AST]) -> dict[str, list[ast.expr]]:
    """Lo que se asigna a cada nombre."""
    found: dict[str, list[ast.expr]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
    return found


def sentence(node: ast.expr) -> str | None:
    """Una frase del código con «…» donde va algo que cambia; `None` si no tiene palabras propias."""
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
    for call in calls():
        if call.called.startswith("_log.") and call.called != "_log.isEnabledFor":
            message = call.node.args[call.called == "_log.log"]
            text = sentence(message)
            if text is None:
                passed_on.add((call.module, ast.unparse(message)))
            else:
                written.add(text)

    assert written - DOCUMENTED == set()
    assert len(written) > 15
    assert passed_on == set(PASSED_ON)
    assert set(PASSED_ON.values()) - DOCUMENTED == set()


def test_every_cure_that_follows_a_line_is_documented() -> None:
    """Lo que el registro pone detrás de una línea (`extra={"hint": …}`) está en el documento."""
    with_extra = {
        (call.module, ast.unparse(keyword.value))
        for call in calls()
        for keyword in call.node.keywords
        if call.called.startswith("_log.") and keyword.arg == "extra" and "hint" in ast.unparse(keyword.value)
    }
    (summary,) = (tree for name, tree in sources() if name == "output/summary.py")
    (cures,) = assigned(summary.body)["_HINTS"]
    assert isinstance(cures, ast.Dict)
    # Se rellenan con `format`, así que sus huecos se escriben como los de una f-string.
    sentences = {re.sub(r"\{\w+\}", "…", ast.literal_eval(cure)) for cure in cures.values}

    assert with_extra == {("output/summary.py", "{'hint': hint, 'fields': _fields(report)}")}
    assert len(sentences) == len(cures.values)
    assert sentences - DOCUMENTED == set()


def test_every_reason_of_an_unsettled_event_is_documented() -> None:
    """Lo que se dice de un evento sin confirmar y de una lista que no se leyó, si no es un error, está ahí."""
    told = [call for call in calls() if call.called in {"log.log_unsettled", "log.log_unread"}]
    reasons = {ast.unparse(value): sentence(value) for call in told for value in call.values(call.node.args[-1])}
    noted = {
        text
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "tracked.error"
        for part in ast.walk(node.value)
        if isinstance(part, ast.expr) and (text := sentence(part))
    }

    assert noted - DOCUMENTED == set()
    assert set(reasons) == REASONS
    assert len(noted) > 1


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
    """Cada frase con que una pasada puede acabar mal, y su cura, está en el documento, con su código."""
    sentences, borrowed = set(), set()
    for call in calls():
        if call.called in ERRORS:
            message, *rest = call.node.args
            cures = [sentence(value) for hint in rest for value in call.values(hint)] or [None]
            for value in call.values(message):
                text = sentence(value)
                if text is None:
                    borrowed.add(ast.unparse(value))
                sentences |= {". ".join((text or "…", cure)) if cure else text for cure in cures}
    sentences |= {f"{message}. {cure}" for message, cure in denials()}
    missing = {text for text in sentences if text and text not in DOCUMENTED and f"{text}." not in DOCUMENTED}

    assert missing == set()
    assert len(sentences) > 20
    assert borrowed == BORROWED


def denials() -> list[tuple[str | None, str | None]]:
    """Qué le pasa al token y qué hacer: las parejas que devuelve `_explain_denial`."""
    (function,) = (
        node
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "_explain_denial"
    )
    pairs = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    return [(sentence(pair.elts[0]), sentence(pair.elts[1])) for pair in pairs if isinstance(pair, ast.Tuple)]


def test_every_code_of_a_pass_is_in_the_last_line() -> None:
    """Cada código con que puede acabar una pasada tiene su fila."""
    codes = set(re.findall(r"^\| .+ \| (\d+) \|", DOCUMENT, re.MULTILINE))

    assert codes == {str(int(code)) for code in ExitCode if code not in {ExitCode.OK, ExitCode.USAGE}}
