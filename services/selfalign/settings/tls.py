"""TLS settings of both ends of a gRPC connection: their keys and checks, for all sections."""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from selfalign.settings.section import Section


class KeyPair(Section):
    """TLS: the certificate that this end of a connection shows."""

    tls_cert: Path | None = None
    """Certificate chain of this end in PEM."""
    tls_key: Path | None = None
    """Private key of that certificate in PEM."""

    def check_pair(self) -> None:
        """Raises ValueError where only one of the two is set."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together: set both or none")


class ServerTls(KeyPair):
    """TLS: without a certificate the server speaks plaintext; renewed files are read again."""

    tls_client_ca: Path | None = None
    """CA bundle; with it, clients must show a certificate that it signed (mTLS)."""

    @model_validator(mode="after")
    def _server_files_belong_together(self) -> Self:
        self.check_pair()
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("tls_client_ca needs tls_cert and tls_key")
        return self


class ClientTls(KeyPair):
    """TLS: a CA bundle turns it on; a certificate is for servers that ask for one (mTLS)."""

    tls_ca: Path | None = None
    """CA bundle that signed the server's certificate; without it, no TLS is used."""
    tls_server_name: str | None = None
    """Name in the server's certificate, where it differs from the target's."""

    @model_validator(mode="after")
    def _client_files_belong_together(self) -> Self:
        if self.tls_ca is None and (self.tls_cert or self.tls_key):
            raise ValueError("tls_cert and tls_key need tls_ca: the CA bundle of the server")
        self.check_pair()
        return self
