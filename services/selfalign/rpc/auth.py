"""Bearer tokens from a file, which may be rotated while the server runs."""

import hmac
from pathlib import Path

from selfalign.errors import ConfigError
from selfalign.rpc.credentials import read_bytes

PREFIX = b"Bearer "


class BearerTokens:
    """The accepted tokens: one a line, so that old and new are valid together for a while.

    The file is read again when it changed; one that became unreadable or empty keeps the tokens
    that were read last.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tokens = self._read()
        self._version = self._stat()

    def accepts(self, authorization: str | bytes | None) -> bool:
        """Whether the header is `Bearer <token>` with an accepted token, in constant time."""
        self._refresh()
        header = authorization or b""
        header = header.encode() if isinstance(header, str) else header
        if not header.startswith(PREFIX):
            return False
        given = header.removeprefix(PREFIX)
        # No early end: time must not tell which token was near.
        matches = [hmac.compare_digest(given, token) for token in self._tokens]
        return any(matches)

    def _refresh(self) -> None:
        try:
            version = self._stat()
            if version != self._version:
                self._tokens, self._version = self._read(), version
        except (OSError, ConfigError):
            return

    def _stat(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_ino

    def _read(self) -> list[bytes]:
        lines = read_bytes("token_file", self._path).splitlines()
        tokens = [line.strip() for line in lines if line.strip()]
        if not tokens:
            raise ConfigError(f"token_file: {self._path} is empty; expected one token a line")
        return tokens
