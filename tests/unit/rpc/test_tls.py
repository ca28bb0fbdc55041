"""TLS, mutual TLS, and certificates renewed while the server runs."""

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from selfalign.errors import ConfigError, EngineUnavailable
from selfalign.pipeline.run.config import KubernetesSettings
from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.clients import PrincipleEngineClient
from selfalign.settings.section import Section
from selfalign.storage.rows import PromptItem
from support.certificates import Authority
from support.rpc_echo import EchoService, row_of
from support.rpc_server import serving

ITEM = PromptItem("id", "hello")

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


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
        ({"tls_cert": "a", "tls_key": "b"}, "tls_cert and tls_key need tls_ca"),
        ({"tls_ca": "c", "tls_cert": "a"}, "tls_cert and tls_key belong together"),
        ({"tls_ca": "c", "tls_key": "b"}, "tls_cert and tls_key belong together"),
    ],
)
@pytest.mark.parametrize("section", [ChannelSettings, KubernetesSettings])
def test_client_files_that_do_not_go_together(
    section: type[Section], settings: dict[str, str], message: str
) -> None:
    needed = {"target": "localhost:1"} if section is ChannelSettings else {}
    with pytest.raises(ValidationError, match=message):
        section(**needed, **settings)


def test_a_ca_bundle_that_cannot_be_read() -> None:
    with pytest.raises(ConfigError, match="tls_ca: cannot read"):
        PrincipleEngineClient(ChannelSettings(target="localhost:1", tls_ca=Path("no/such")))
