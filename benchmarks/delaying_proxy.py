"""
A distant network: passes on what comes, each piece a little later.

`python -m benchmarks.delaying_proxy PORT SECONDS` prints the port on which it listens, on loopback; whatever comes
there goes to PORT, and back, SECONDS later each way.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from functools import partial

HOST = "127.0.0.1"
_PIECE = 64 * 1024
#: what may be on its way in one direction of one connection
_PIECES = 1000


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Everything from the reader to the writer, `delay` seconds later, the end of it as well."""
    clock = asyncio.get_running_loop().time
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_PIECES)

    async def take() -> None:
        while piece := await reader.read(_PIECE):
            await waiting.put((clock() + delay, piece))
        await waiting.put((clock() + delay, b""))

    taking = asyncio.create_task(take())
    try:
        while True:
            due, piece = await waiting.get()
            await asyncio.sleep(due - clock())
            if not piece:
                break
            writer.write(piece)
            await writer.drain()
    finally:
        taking.cancel()
        writer.close()


async def serve(port: int, delay: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    with contextlib.suppress(OSError):  # whoever hangs up does so on both sides
        far_reader, far_writer = await asyncio.open_connection(HOST, port)
        await asyncio.gather(
            pass_on(reader, far_writer, delay), pass_on(far_reader, writer, delay), return_exceptions=True
        )


async def main(port: int, delay: float) -> None:
    """Serve until SIGTERM."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = await asyncio.start_server(partial(serve, port, delay), HOST, 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
