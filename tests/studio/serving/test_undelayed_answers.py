"""An answer's body does not wait until its head is confirmed, on a listening socket that does not say it is TCP's."""

from __future__ import annotations

import asyncio
import socket
from typing import ClassVar

from studio.serving.undelayed_answers import answer_undelayed


class Accepting(asyncio.Protocol):
    """As uvicorn's: told of each connection."""

    made: ClassVar[list[asyncio.BaseTransport]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made.append(transport)


def _undelayed(protocol: type[Accepting]) -> bool:
    """Whether a connection that is accepted on a socket as Streamlit binds it sends at once."""

    async def asked() -> bool:
        listening = socket.socket(socket.AF_INET)
        listening.bind(("127.0.0.1", 0))
        server = await asyncio.get_running_loop().create_server(protocol, sock=listening)
        _, writer = await asyncio.open_connection(*listening.getsockname())
        while not protocol.made:
            await asyncio.sleep(0.01)
        accepted = protocol.made[0].get_extra_info("socket")
        found = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        server.close()
        return bool(found)

    return asyncio.run(asked())


def test_what_is_accepted_sends_at_once_and_is_told_to_the_protocol() -> None:
    class Patched(Accepting):
        made: ClassVar[list[asyncio.BaseTransport]] = []

    answer_undelayed(Patched)
    assert _undelayed(Patched)
    assert len(Patched.made) == 1


def test_a_connection_that_is_not_tcps_is_left_as_it_is() -> None:
    class Patched(Accepting):
        made: ClassVar[list[asyncio.BaseTransport]] = []

    async def asked() -> None:
        own, other = socket.socketpair()
        transport, _ = await asyncio.get_running_loop().create_connection(Patched, sock=own)
        transport.close()
        other.close()

    answer_undelayed(Patched)
    asyncio.run(asked())
    assert len(Patched.made) == 1
