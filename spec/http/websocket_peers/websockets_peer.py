# Python's websockets at the other end, for websocket_peers_spec.lua: `call URL [deflate]` sends
# messages and compares what comes back; `serve [deflate]` sends back what comes.
import asyncio
import ssl
import sys

import websockets


def messages():
    for size in (0, 1, 125, 126, 65535, 65536, 200000):
        yield "\u00e9" * (size // 2)
        yield b"\xfe" * size


def unverified(url):
    if not url.startswith("wss:"):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def call(url, deflate):
    options = {"compression": "deflate" if deflate else None, "subprotocols": ["other", "echo"]}
    async with websockets.connect(url, ssl=unverified(url), **options) as socket:
        print("open", socket.subprotocol, [each.name for each in socket.extensions])
        for message in messages():
            await socket.send(message)
            if await socket.recv() != message:
                print("a message differs")
        await socket.send(part for part in ("one, ", "two, ", "three"))
        print(await socket.recv())
        await (await socket.ping("almost"))
        print("pong")
        await socket.close(4000, "done")
    print("closed", socket.close_code, socket.close_reason)


async def serve(deflate):
    async def echo(socket):
        try:
            async for message in socket:
                await socket.send(message)
        except websockets.ConnectionClosedError:
            pass  # another code than 1000
        print("closed", socket.close_code, socket.close_reason, flush=True)

    options = {"compression": "deflate" if deflate else None}
    async with websockets.serve(echo, "127.0.0.1", 0, **options) as server:
        print("listening on", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


with_deflate = "deflate" in sys.argv[2:]
if sys.argv[1] == "call":
    asyncio.run(call(sys.argv[2], with_deflate))
else:
    asyncio.run(serve(with_deflate))
