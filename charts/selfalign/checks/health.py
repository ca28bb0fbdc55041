"""`helm test`: each gRPC service answers its health check, as its clients reach it."""

import argparse
import asyncio
import sys

from selfalign.options import option_name
from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.probe import probe


async def main() -> int:
    """Asks for the process of each address; an engine that is scaled to 0 is no failure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("targets", nargs="+")
    for field in ChannelSettings.model_fields.keys() - {"target"}:
        parser.add_argument(option_name(field), dest=field, default=argparse.SUPPRESS)
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
