"""El TLS de un servidor de las pruebas."""

import ssl
from typing import Any

import trustme


def certified(authority: trustme.CA, *names: str, **validity: Any) -> ssl.SSLContext:
    """Con un certificado de esa autoridad para esos nombres; `validity`, lo que admite `issue_cert`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **validity).configure_cert(context)
    return context
