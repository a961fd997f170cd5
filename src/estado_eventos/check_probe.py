"""Lo que el diagnóstico pide al backend: nunca más que leer, con los tokens que ya hay, y fijándose en su reloj."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from estado_eventos.auth import BearerAuth, same_origin
from estado_eventos.backend import Backend, request_headers
from estado_eventos.protocol import Answer
from estado_eventos.runner import new_run_id
from estado_eventos.settings import Settings
from estado_eventos.tokens import Token
from estado_eventos.transport import MAX_ANSWER_BYTES, tls_context


class GivenTokens(BearerAuth):
    """Firma con los tokens que ya hay, uno detrás de otro mientras los rechacen, y no pide ninguno más."""

    def __init__(self, settings: Settings, headers: Mapping[str, str], tokens: Sequence[Token]) -> None:
        """`tokens` van en el orden en que los usaría una pasada; sin ninguno, las peticiones van sin firmar."""
        super().__init__(settings, headers)
        self._origin = httpx.URL(settings.backend_url)
        self._tokens = tokens

    @property
    def secrets(self) -> list[str]:
        """Lo que no debe verse en ninguna parte."""
        return [*super().secrets, *(token.text for token in self._tokens)]

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Firma la petición, solo si es al backend; con un 401 la repite con el token siguiente."""
        if not self._tokens or not same_origin(request.url, self._origin):
            yield request
            return
        for token in self._tokens:
            request.headers["Authorization"] = f"Bearer {token.text}"
            response = yield request
            if response.status_code != httpx.codes.UNAUTHORIZED:
                return


class Probe(Backend):
    """Un backend que apunta lo que dice la última respuesta: qué hora es allí y a dónde redirige."""

    def __init__(self, settings: Settings, tokens: Sequence[Token] = ()) -> None:
        """Firma con `tokens`."""
        headers = request_headers(new_run_id())
        super().__init__(settings, GivenTokens(settings, headers, tokens), tls_context(settings), headers)
        self.skew: float | None = None
        self.location = ""

    async def _send(self, lane: int, request: httpx.Request, auth: BearerAuth | None) -> Answer:
        sent_at = datetime.now(UTC)
        answer = await super()._send(lane, request, auth)
        self.skew = skew(answer.headers.get("date", ""), sent_at, datetime.now(UTC))
        self.location = answer.headers.get("location", "")
        return answer

    async def status(self, url: str) -> int:
        """El código con que contesta a un GET sin firmar. Lanza `BackendError`."""
        request = self._client(0).build_request("GET", url, extensions={"limit": MAX_ANSWER_BYTES})
        return (await self._send(0, request, None)).status


def skew(date: str, sent_at: datetime, received_at: datetime) -> float | None:
    """Cuántos segundos va adelantado el reloj que escribió `Date`; negativo, atrasado; `None` si no se entiende.

    `Date` no tiene fracciones y se escribió en algún momento entre el envío y la llegada: si cabe ahí, coincide.
    """
    try:
        written = parsedate_to_datetime(date)
        written = written.replace(tzinfo=written.tzinfo or UTC)
        if sent_at - timedelta(seconds=1) < written <= received_at:
            return 0.0
        return (written + timedelta(seconds=0.5) - sent_at - (received_at - sent_at) / 2).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
