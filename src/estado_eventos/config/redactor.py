"""Quien sabe lo que no debe verse, y lo tacha de lo que llega de la red antes de que nadie lo lea o lo corte."""

import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MIN_SECRET = 6
"""Lo que ocupa el secreto más corto que se busca: tachar uno más corto estropearía cualquier frase."""
_CROSSED_OUT = b"***"


class Redactor:
    """Los secretos de este proceso, también los que dejaron de valer, en todas las formas en que pueden volver."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Empieza con esos."""
        self._forms: list[bytes] = []
        self.is_blind = False
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Uno más. Si es demasiado corto para buscarlo (`is_blind`), no se puede repetir nada de lo que llegue."""
        if len(secret) < MIN_SECRET:
            self.is_blind = self.is_blind or bool(secret)
            return
        forms = {form.encode(errors="surrogatepass") for form in _forms(secret)}
        # Los más largos primero: uno puede ser el principio de otro.
        self._forms = sorted(forms.union(self._forms), key=len, reverse=True)

    def clean(self, raw: bytes) -> bytes:
        """Lo que llegó, entero, con los secretos tachados."""
        for form in self._forms:
            raw = raw.replace(form, _CROSSED_OUT)
        return raw

    def clean_text(self, text: str) -> str:
        """Lo mismo, de un texto."""
        return self.clean(text.encode(errors="surrogatepass")).decode(errors="surrogatepass")


def _forms(secret: str) -> Iterator[str]:
    """El secreto tal cual y escrito para JSON, para una URL y para HTML."""
    yield secret
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
