"""TLS, mutual TLS, and certificates renewed while the server runs."""

import shutil
import subprocess
from pathlib import Path

import pytest

from selfalign.errors import ConfigError, EngineUnavailable
from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.clients import PrincipleEngineClient
from selfalign.storage.rows import PromptItem
from support.rpc_echo import EchoService, row_of
from support.rpc_server import serving

ITEM = PromptItem("id", "hello")

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.cert, self._key, self._folder = folder / f"{name}.crt", folder / f"{name}.key", folder
        subject = ["-subj", f"/CN={name}", "-keyout", str(self._key), "-out", str(self.cert)]
        _run("req", "-x509", *NEW_KEY, *subject)

    def issue(self, name: str) -> tuple[Path, Path]:
        """(certificate, key) for localhost."""
        cert, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        request = self._folder / f"{name}.csr"
        extension = self._folder / "extension.cnf"
        extension.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        _run("req", *NEW_KEY, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(request))
        issuer = ["-CA", str(self.cert), "-CAkey", str(self._key), "-CAcreateserial"]
        _run(
            *("x509", "-req", "-in", str(request), *issuer, "-days", "1"),
            *("-extfile", str(extension), "-out", str(cert)),
        )
        return cert, key


NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def _run(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


async def call(settings: ChannelSettings) -> None:
    async with PrincipleEngineClient(settings) as client:
        assert await client.align_prompt(ITEM, 10.0) == row_of(ITEM)


async def test_tls_and_renewal(tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    cert, key = old.issue("server")
    service = EchoService().registration()
    async with serving([service], tls_cert=cert, tls_key=key) as plain:
        port = plain.target.rpartition(":")[2]
        trusting = ChannelSettings(target=f"localhost:{port}", tls_ca=old.cert)
        await call(trusting)
        with pytest.raises(EngineUnavailable):
            await call(plain)
        renewed_cert, renewed_key = new.issue("renewed")
        # As a mounted secret changes: files of the same name, replaced.
        renewed_cert.replace(cert)
        renewed_key.replace(key)
        await call(trusting.model_copy(update={"tls_ca": new.cert}))
        with pytest.raises(EngineUnavailable):
            await call(trusting)


async def test_mutual_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    cert, key = authority.issue("server")
    ours, our_key = authority.issue("client")
    service = EchoService().registration()
    async with serving(
        [service], tls_cert=cert, tls_key=key, tls_client_ca=authority.cert
    ) as plain:
        anonymous = ChannelSettings(
            target=f"localhost:{plain.target.rpartition(':')[2]}", tls_ca=authority.cert
        )
        await call(anonymous.model_copy(update={"tls_cert": ours, "tls_key": our_key}))
        with pytest.raises(EngineUnavailable):
            await call(anonymous)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tls_cert": Path("a"), "tls_key": Path("b")}, "need tls_ca"),
        ({"tls_ca": Path("no/such")}, "tls_ca: cannot read"),
    ],
)
def test_channel_settings_that_cannot_be_used(settings: dict[str, Path], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PrincipleEngineClient(ChannelSettings(target="localhost:1", **settings))  # type: ignore[arg-type]
