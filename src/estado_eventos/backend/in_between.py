"""Lo que contesta quien está en medio (un proxy, un cortafuegos, un portal) y no la API, y lo que hay que hacer."""

import json
import re

from estado_eventos.backend.errors import BackendError, Intercepted, WrongProtocol
from estado_eventos.domain.text import printable

# Los que pide un servidor a un navegador: esta API solo entiende «Bearer».
_BROWSER_LOGINS = {"basic", "digest", "negotiate", "ntlm"}
_PLAIN_TO_TLS = re.compile(
    rb"plain http|http request (?:was sent )?to an? https|ssl-enabled server port", re.IGNORECASE
)
_LOCKED = re.compile(
    r"\block(?:ed|out)|too many|bloquead|suspend|inactiv|disabled|deshabilit|desactivad", re.IGNORECASE
)
_ASKS_PASSWORD = re.compile(rb"type=[\"']?password", re.IGNORECASE)
_ENTRANCE = re.compile(
    r"log-?in|sign-?in|\bsso\b|oauth|saml|portal|captive|hotspot|entrar|acceso|splash", re.IGNORECASE
)
_USERINFO = re.compile(r"//[^/?#]*@")

_LEAVE_THE_API_ALONE = (
    "No es la cuenta ni su rol: que el proxy deje pasar sin eso las rutas de la API, o ponga en BACKEND_URL la "
    "dirección del backend sin él"
)
_ALLOW_THIS_MACHINE = (
    "No es la cuenta ni su rol: que el cortafuegos o el proxy que hay delante (una lista de direcciones, un WAF) deje "
    "pasar las peticiones de esta máquina"
)
SPEAK_TLS = "Ponga https:// en vez de http:// en BACKEND_URL"
ALLOW_HOST = "Si es Django, añada el nombre que hay en BACKEND_URL a su ALLOWED_HOSTS; si no, compruebe BACKEND_URL"
PORTAL = "Es la entrada de un proxy o el portal de la red, no la API: que dejen pasar sin eso las rutas de la API"
WAIT_UNLOCK = "La cuenta está bloqueada: espere lo que pide, o que un administrador la desbloquee; insistir lo alarga"


def is_json(body: bytes) -> bool:
    """Si es un objeto JSON, que es lo que contesta la API también cuando dice que no."""
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def explain_in_between(status: int, authenticate: str, body: bytes) -> BackendError | None:
    """El error, si lo que contesta a `status` no es la API sino algo que hay delante; `None` si parece ella.

    `authenticate` es su cabecera `WWW-Authenticate`.
    """
    if status == 407:
        return Intercepted(
            "HTTP 407: el proxy pide usuario y contraseña",
            "Póngalos en BACKEND_PROXY: http://usuario:contraseña@servidor:puerto",
            status=status,
        )
    if status not in {400, 401, 403} or is_json(body):
        return None
    if status == 400:
        return _bad_request(body)
    return _not_permitted(status, authenticate, body)


def _not_permitted(status: int, authenticate: str, body: bytes) -> BackendError | None:
    scheme = authenticate.partition(" ")[0].strip(",").lower()
    if scheme in _BROWSER_LOGINS:
        message = f"HTTP {status}: un proxy delante del backend pide su propio usuario ({scheme.capitalize()})"
        hint = _LEAVE_THE_API_ALONE
    elif not body.lstrip().startswith(b"<") or is_locked(body):
        return None
    elif _ASKS_PASSWORD.search(body):
        message, hint = f"HTTP {status}: una página para entrar", PORTAL
    else:
        message, hint = f"HTTP {status}: lo contesta una página, no la API", _ALLOW_THIS_MACHINE
    return Intercepted(message, hint, status=status)


def _bad_request(body: bytes) -> BackendError:
    if _PLAIN_TO_TLS.search(body):
        return WrongProtocol("HTTP 400: en ese puerto se habla https y no http", SPEAK_TLS, status=400)
    return WrongProtocol("HTTP 400 y no es la API quien lo dice", ALLOW_HOST, status=400)


def explain_page(body: bytes) -> BackendError:
    """El error, si donde tenía que estar la API hay una página."""
    hint = PORTAL if _ASKS_PASSWORD.search(body) else "Compruebe BACKEND_URL"
    return WrongProtocol("la respuesta es una página HTML, no la API", hint)


def explain_redirect(status: int, location: str, path: str, variable: str) -> BackendError:
    """El error, si a quien pide `path` le mandan a otro sitio; `variable` es la que dice dónde se pidió."""
    target = printable(_USERINFO.sub("//", location), 200)
    where = f" a «{target}»" if target else ""
    same = re.split(r"[?#]", target)[0].rstrip("/").endswith(path.rstrip("/"))
    hint = PORTAL if _ENTRANCE.search(target) and not same else f"Ponga en {variable} la dirección definitiva"
    message = f"HTTP {status}: redirige{where} y las redirecciones no se siguen"
    return WrongProtocol(message, hint, status=status)


def is_locked(body: bytes) -> bool:
    """Si lo que dice un inicio de sesión rechazado es que la cuenta está bloqueada, y no que no es esa."""
    return _LOCKED.search(body.decode(errors="replace")) is not None
