"""Small HTTP servers on loopback for the tests of providers."""

import asyncio
import contextlib
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from analysis.providers.base import ProviderError
from analysis.spec import Phase


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict
    body: bytes


@dataclass
class Server:
    """``answers`` maps a path to what is sent back: bytes, or a list of chunks sent slowly."""

    answers: dict
    port: int = 0
    seen: list = field(default_factory=list)
    connections: int = 0
    tasks: set = field(default_factory=set)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, reader, writer):
        self.connections += 1
        self.tasks.add(asyncio.current_task())
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self.talk(reader, writer)
        finally:
            writer.transport.abort()

    async def talk(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.seen.append(Seen(method, target, headers, body))
        answer = self.answers[target.partition("?")[0]]
        answer = answer(self.seen[-1]) if callable(answer) else answer
        if not isinstance(answer, bytes):
            async for chunk in answer:
                writer.write(chunk)
                await writer.drain()
        else:
            writer.write(answer)
            await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
            await reader.read()

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.sleep(0)


def reply(body=b"", status="200 OK", **headers):
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@asynccontextmanager
async def serving(answers, certificate=None, host="127.0.0.1"):
    """A server on a free port; over TLS with the key and certificate of a file."""
    server = Server(answers)
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    listener = await asyncio.start_server(server.handle, host, 0, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server.stop()
        await listener.wait_closed()


def answered(measurement):
    """The measurement of a provider that answered; ProviderError where it could not."""
    if measurement.phase is Phase.ERROR and not measurement.value:
        raise ProviderError(measurement.message)
    return measurement
