"""Lo que puede salir mal al hablar con el backend.

CodedError
└── BackendError          una petición que no salió bien
    ├── Refused           contestó que no a un evento: estado que no toca, no existe, fallo interno
    ├── Unavailable       no se pudo hablar con él, o dijo que ahora no puede (408, 425, 429, 5xx)
    │   ├── Unanswered    no contestó a tiempo
    │   └── Untrusted     su certificado no vale
    ├── WrongProtocol     lo que contesta no es esta API
    └── Denied            401 o 403
        └── Intercepted   no lo dijo la API, sino un proxy, un cortafuegos o un portal que hay delante
"""

from estado_eventos.domain.exit_codes import CodedError, ExitCode


class BackendError(CodedError):
    """Una petición que no salió bien.

    `status` es el código HTTP con que contestó, si contestó, y `retry_after`, los segundos que pide esperar, si los
    pide. `retryable` dice si puede curarse sola, y `unwell`, si el que está mal es el backend y no lo que se le pide.
    """

    retryable = False
    unwell = False

    def __init__(
        self, message: str, hint: str = "", *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        """`message` y `hint` son frases para una persona, sin punto final."""
        super().__init__(message, hint)
        self.status = status
        self.retry_after = retry_after


class Refused(BackendError):
    """El backend no quiso cambiar ese evento."""


class Unavailable(BackendError):
    """El backend no contesta o no puede ahora; se cura solo o esperando."""

    code = ExitCode.UNAVAILABLE
    retryable = True
    unwell = True


class Unanswered(Unavailable):
    """No contestó a tiempo: quizá sigue en ello, y pedirle lo mismo sería pedirlo dos veces a la vez."""


class Untrusted(Unavailable):
    """Su certificado no vale: repetirlo no lo cura."""

    retryable = False


class WrongProtocol(BackendError):
    """La respuesta no es la de esta API: otra aplicación, una página HTML, una redirección."""

    code = ExitCode.PROTOCOL


class Denied(BackendError):
    """El backend no acepta las credenciales o el rol."""

    code = ExitCode.NOPERM
    unwell = True


class Intercepted(Denied):
    """No deja pasar algo que está delante del backend: no es cosa de la cuenta ni del rol."""
