"""A certificate authority for tests of TLS, made with openssl."""

import subprocess
from pathlib import Path

NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.cert, self._key, self._folder = folder / f"{name}.crt", folder / f"{name}.key", folder
        subject = ["-subj", f"/CN={name}", "-keyout", str(self._key), "-out", str(self.cert)]
        _run("req", "-x509", *NEW_KEY, *subject)

    def issue(self, name: str, hosts: tuple[str, ...] = ("localhost",)) -> tuple[Path, Path]:
        """(certificate, key) for the hosts and 127.0.0.1."""
        cert, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        request = self._folder / f"{name}.csr"
        extension = self._folder / "extension.cnf"
        names = ",".join((*(f"DNS:{host}" for host in hosts), "IP:127.0.0.1"))
        extension.write_text(f"subjectAltName={names}\n")
        _run("req", *NEW_KEY, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(request))
        issuer = ["-CA", str(self.cert), "-CAkey", str(self._key), "-CAcreateserial"]
        _run(
            *("x509", "-req", "-in", str(request), *issuer, "-days", "1"),
            *("-extfile", str(extension), "-out", str(cert)),
        )
        return cert, key


def _run(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
