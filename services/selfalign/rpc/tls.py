"""Server credentials that follow their files: a renewed certificate needs no restart."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import grpc

from selfalign.errors import ConfigError
from selfalign.rpc.channel import read_bytes
from selfalign.rpc.settings import ServerSettings


def server_credentials(settings: ServerSettings) -> grpc.ServerCredentials | None:
    """The TLS credentials, or None where no certificate is set.

    Raises:
        ConfigError: a file cannot be read.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    files = _Files(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    # The stubs do not know that the fetcher may say "unchanged".
    changed = cast("Callable[[], grpc.ServerCertificateConfiguration]", files.changed)
    return grpc.dynamic_ssl_server_credentials(
        files.load(), changed, settings.tls_client_ca is not None
    )


class _Files:
    """Certificate, key and CA, and whether they changed since they were read."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None) -> None:
        self._cert, self._key, self._client_ca = cert, key, client_ca
        self._version: list[int] = []

    def load(self) -> grpc.ServerCertificateConfiguration:
        pair = (read_bytes("tls_key", self._key), read_bytes("tls_cert", self._cert))
        root = read_bytes("tls_client_ca", self._client_ca) if self._client_ca else None
        self._version = self._stat()
        return grpc.ssl_server_certificate_configuration([pair], root)

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC at every handshake; None keeps what is in use."""
        try:
            return self.load() if self._stat() != self._version else None
        except (OSError, ConfigError):
            return None

    def _stat(self) -> list[int]:
        paths = [path for path in (self._cert, self._key, self._client_ca) if path]
        return [path.stat().st_mtime_ns for path in paths]
