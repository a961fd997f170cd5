"""Quien sabe lo que no debe verse: lo tacha de lo que llega de la red y, por si acaso, de lo que sale."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

MIN_SECRET = 6
"""Lo que ocupa el secreto más corto que se busca: tachar uno más corto estropearía cualquier frase."""
_UNMISTAKABLE = 24
"""Lo que ocupa el que no puede ser una palabra nuestra, esté hecho de lo que esté."""
_CROSSED_OUT = "***"
# Una palabra (o varias) o una cifra: tachadas de nuestras frases, dirían cuál es la contraseña a quien las conozca.
_LIKE_OURS = re.compile(r"[^\W\d_]+([ _-][^\W\d_]+)*|\d+")
# ASCII escrito como `\u0041`: nadie lo hace, salvo quien quiera que no se encuentre.
# Un token, por ejemplo: se escribe igual en todas partes, y escaparlo de doce maneras es lo que más tarda aquí.
_NEVER_ESCAPED = re.compile(r"[A-Za-z0-9._-]+")
_NEEDLESS_ESCAPE = re.compile(rb"\\u00[2-7]")


class Redactor:
    """Los secretos de este proceso, también los que dejaron de valer, en todas las formas en que pueden volver.

    De lo ajeno (`clean`) los tacha todos. De lo nuestro (`guard`), donde no tiene que haber ninguno, solo los que no
    pueden ser palabras nuestras: con «pendiente» de contraseña, los demás mensajes no cambian.
    """

    def __init__(self, secrets: Iterable[str] = (), urls: Iterable[str] = ()) -> None:
        """Empieza con esos, y con lo que es secreto en esas URL: quién entra por ellas y a qué dirección."""
        self._forms: list[str] = []
        self._raw_forms: list[bytes] = []
        self._guarded: list[str] = []
        self.is_blind = False
        for secret in secrets:
            self.add(secret)
        for url in urls:
            self._add_url(url)

    def add(self, secret: str) -> None:
        """Uno más. Si es demasiado corto para buscarlo (`is_blind`), no se puede repetir nada de lo que llegue."""
        if len(secret) < MIN_SECRET:
            self.is_blind = self.is_blind or bool(secret)
            return
        forms = set(_forms(secret))
        # Los más largos primero: uno puede ser el principio de otro.
        self._forms = sorted(forms.union(self._forms), key=len, reverse=True)
        self._raw_forms = [form.encode(errors="surrogatepass") for form in self._forms]
        if not _may_be_ours(secret):
            self._guarded = sorted(forms.union(self._guarded), key=len, reverse=True)

    def _add_url(self, url: str) -> None:
        parts = urlsplit(url)
        userinfo, _, _ = parts.netloc.rpartition("@")
        user, _, password = map(unquote, userinfo.partition(":"))
        if userinfo:
            # El proxy la recibe así (RFC 7617), y así la puede repetir.
            basic = base64.b64encode(f"{user}:{password}".encode(errors="surrogatepass")).decode()
            for secret in (userinfo, basic, password):
                self.add(secret)
        # De una dirección secreta, lo que no es una palabra: «ping» y «api» las dice cualquiera.
        for secret in (url, user, *re.split(r"[/?&=]", f"{parts.path}?{parts.query}")):
            for each in {secret, unquote(secret)}:
                if len(each) >= MIN_SECRET and not _may_be_ours(each):
                    self.add(each)

    def clean(self, text: str) -> str:
        """Lo que llegó, entero, con los secretos tachados."""
        return _crossed_out(text, self._forms)

    def clean_json(self, raw: bytes, content: Any) -> Any:
        """Lo que decía un JSON (`raw`), ya leído (`content`), con los secretos tachados de sus textos y de nada más."""
        if not self._forms or not (self._is_in(raw) or _NEEDLESS_ESCAPE.search(raw)):
            return content
        return _cross_out_within(content, self._forms)

    def _is_in(self, raw: bytes) -> bool:
        return any(form in raw for form in self._raw_forms)

    def guard(self, text: str) -> str:
        """Lo que va a salir, que es nuestro, sin lo que no debe verse."""
        return _crossed_out(text, self._guarded)

    def guard_json(self, content: Any) -> Any:
        """Lo mismo, de los textos de un JSON ya leído que va a salir; las claves son nuestras y no se tocan."""
        return _cross_out_within(content, self._guarded)


def _may_be_ours(secret: str) -> bool:
    plain = secret.islower() or secret.isupper() or secret.istitle() or secret.isdigit()
    return plain and len(secret) < _UNMISTAKABLE and _LIKE_OURS.fullmatch(secret) is not None


def _crossed_out(text: str, forms: Iterable[str]) -> str:
    for form in forms:
        if form in text:
            text = text.replace(form, _CROSSED_OUT)
    return text


def _cross_out_within(content: Any, forms: list[str]) -> Any:
    """Los textos de un JSON ya leído, tachados donde están: una copia de una lista enorme no cabría."""
    if isinstance(content, str):
        return _crossed_out(content, forms)
    holders = [content] if isinstance(content, dict | list) else []
    while holders:
        holder = holders.pop()
        items: Iterable[tuple[Any, Any]] = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, value in items:
            if isinstance(value, str):
                holder[key] = _crossed_out(value, forms)
            elif isinstance(value, dict | list):
                holders.append(value)
    return content


def _forms(secret: str) -> Iterator[str]:
    """El secreto tal cual y escrito para JSON, para una URL y para HTML."""
    yield secret
    if _NEVER_ESCAPED.fullmatch(secret):
        return
    for ascii_only in (True, False):
        escaped = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield escaped
        yield escaped.replace("/", "\\/")
    for encode in (quote, quote_plus):
        for safe in ("", "/", "/:@!$&'()*+,;="):
            encoded = encode(secret, safe=safe, errors="surrogatepass")
            yield encoded
            yield _lower_percents(encoded)
    escaped = secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    yield escaped
    for apostrophe in ("&#x27;", "&#39;", "'"):
        yield escaped.replace('"', "&quot;").replace("'", apostrophe)
    # Lo que enseña Python de unos bytes o de un texto, como en los mensajes de h11.
    yield repr(secret)[1:-1]
    yield repr(secret.encode(errors="surrogatepass"))[2:-1]


def _lower_percents(encoded: str) -> str:
    head, *rest = encoded.split("%")
    return head + "".join(f"%{part[:2].lower()}{part[2:]}" for part in rest)
