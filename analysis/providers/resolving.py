"""Names to addresses, without one slow name holding up the others.

Owns asking the system's resolver in threads of its own, asking it once for those who want the same
name at the same time, and keeping an answer for a few seconds. Refuses to judge addresses: whoever
connects checks what it gets, every time. Used by the HTTP client.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Final, TypeAlias

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to IP addresses, best first. Raises OSError or UnicodeError."""

_THREADS: Final = 32
_SECONDS: Final = 5.0  # an answer is kept
_MOST: Final = 1024  # names kept


class SystemResolver:
    """The system's resolver, as a Resolve. Close it when done."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._asking: dict[tuple[str, int], asyncio.Task[Sequence[str]]] = {}
        self._kept: OrderedDict[tuple[str, int], tuple[float, Sequence[str]]] = OrderedDict()

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        if (address := _literal(host)) is not None:
            return (address,)
        key = (host, port)
        until, addresses = self._kept.get(key, (0.0, ()))
        if addresses and asyncio.get_running_loop().time() < until:
            return addresses
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key))
            self._asking[key] = task
            task.add_done_callback(lambda ended: self._over(key, ended))
        return await asyncio.shield(task)

    def close(self) -> None:
        """Forget everything; questions that are under way end by themselves."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None
        self._kept.clear()

    async def _ask(self, key: tuple[str, int]) -> Sequence[str]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolver")
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _asked, *key)
        self._kept[key] = (loop.time() + _SECONDS, found)
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return found

    def _over(self, key: tuple[str, int], ended: "asyncio.Task[Sequence[str]]") -> None:
        self._asking.pop(key, None)
        if not ended.cancelled():
            ended.exception()  # told to those who wait, if any still do


def _asked(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def _literal(host: str) -> str | None:
    """``host``, where it is an address already in its usual spelling."""
    try:
        return str(ip_address(host))
    except ValueError:
        return None
