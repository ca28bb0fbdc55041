"""`helm test`: each gRPC service answers its health check, as its clients reach it."""

import argparse
import asyncio
import sys
from pathlib import Path

from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.probe import probe


async def main() -> int:
    """Asks for the process of each address; a service whose engine is scaled to 0 is told of."""
    parser = argparse.ArgumentParser()
    parser.add_argument("targets", nargs="+")
    for option in ("--tls-ca", "--tls-cert", "--tls-key", "--token-file"):
        parser.add_argument(option, type=Path)
    parser.add_argument("--tls-server-name")
    arguments = vars(parser.parse_args())
    failed = 0
    for target in arguments.pop("targets"):
        settings = ChannelSettings(target=target, **arguments)
        problem = await probe(settings, "liveness")
        engine = await probe(settings, "")
        print(f"{target}: {problem or 'serves'}; with its engine: {engine or 'ready'}")
        failed += bool(problem)
    return failed


sys.exit(asyncio.run(main()))
