# The client of websocket_clients.mjs in Python: connects with the library `websockets`, which offers permessage-deflate,
# echoes what it is sent, and says what it saw.
#   websockets_client.py URL COUNT
import asyncio
import hashlib
import sys

import websockets


async def main(url, count):
    async with websockets.connect(url, max_size=1 << 24) as socket:
        extensions = ", ".join(extension.name for extension in socket.extensions)
        digest = hashlib.md5()
        for _ in range(count):
            message = await socket.recv()
            digest.update(message.encode() if isinstance(message, str) else message)
            await socket.send(message)
        latency = await (await socket.ping())
    print(f"{count} {digest.hexdigest()} {extensions or 'none'} {socket.close_code} {'pong' if latency is None or latency >= 0 else ''}")


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
