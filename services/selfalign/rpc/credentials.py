"""TLS credentials of both ends; a server's follow their files: renewal needs no restart."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import grpc

from selfalign.errors import ConfigError
from selfalign.settings.tls import ClientTls, ServerTls


def channel_credentials(settings: ClientTls) -> grpc.ChannelCredentials | None:
    """The client's TLS credentials, or None where no CA bundle is set.

    Raises:
        ConfigError: a file cannot be read.
    """
    if settings.tls_ca is None:
        return None
    return grpc.ssl_channel_credentials(
        read_bytes("tls_ca", settings.tls_ca),
        read_bytes("tls_key", settings.tls_key) if settings.tls_key else None,
        read_bytes("tls_cert", settings.tls_cert) if settings.tls_cert else None,
    )


def server_credentials(settings: ServerTls) -> grpc.ServerCredentials | None:
    """The server's TLS credentials, or None where no certificate is set.

    Raises:
        ConfigError: a file cannot be read.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    files = _ServerFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    # The stubs do not know that the fetcher may say "unchanged".
    changed = cast("Callable[[], grpc.ServerCertificateConfiguration]", files.changed)
    return grpc.dynamic_ssl_server_credentials(
        files.load(), changed, settings.tls_client_ca is not None
    )


def read_bytes(field: str, path: Path) -> bytes:
    """The file's content. Raises ConfigError, naming the setting `field`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{field}: cannot read {path}: {error.strerror}") from error


class _ServerFiles:
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
