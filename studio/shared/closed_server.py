"""Who may ask the studio's server, before anything of it answers: by which names, and with which token.

It stands before all routes: pages, pictures, uploads, and the websocket that presses buttons. No Streamlit here.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from html import escape
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from foundation.errors import UserError
from foundation.printing import complain
from studio.languages.known import language_asked_for
from studio.languages.translation import language, noted, speak, tr

TOKEN = "LORA_STUDIO_TOKEN"
SHORTEST = 16  # characters: what nobody guesses at one try a second
COOKIE, ASK_AT = "lora-studio", "/lora-studio-token"
LARGEST_FORM = 4096  # bytes
WRONG_NAME = noted("This server is not to be called by that name.")
WAIT = 1.0  # seconds after a wrong token
# `lang`, and what stands before the field and on the button.
FORM = (
    '<!doctype html><html lang="%s"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>LoRA studio</title><style>:root{color-scheme:light dark}body{font:1rem sans-serif;margin:4rem auto;"
    "max-width:24rem;padding:1rem}input,button{font:inherit;padding:.4rem}</style><h1>LoRA studio</h1>"
    f'<form method="post" action="{ASK_AT}"><p><label>%s<br>'
    '<input name="token" type="password" autofocus></label></p><button>%s</button></form>'
)


class OpenDoorError(UserError):
    """A server that others would reach without anything that keeps them out."""


def check_door(address: str | None, variables: Mapping[str, str]) -> None:
    """Raise OpenDoorError where `address` is to be reached from elsewhere without a token, or a token is too short."""
    token = variables.get(TOKEN, "")
    if token and len(token) < SHORTEST:
        raise OpenDoorError(f"{TOKEN}: is shorter than {SHORTEST} characters, so it can be guessed; make it longer")
    if not token and not is_this_machine(address):
        raise OpenDoorError(
            f"the studio shows pictures of a person, and `{address or 'every address'}` is reached from elsewhere: set "
            f"{TOKEN} to {SHORTEST} characters or more that visitors are asked for, or leave server.address at "
            "127.0.0.1 and come by `ssh -L 8501:127.0.0.1:8501 HOST`"
        )


def refuse_open_door(address: str | None, variables: Mapping[str, str]) -> None:
    """End this process with a sentence and code 2 where `check_door` raises: nothing listens then."""
    try:
        check_door(address, variables)
    except OpenDoorError as problem:
        complain(f"error: {problem}")
        raise SystemExit(2) from problem


def is_this_machine(address: str | None) -> bool:
    """Whether only this machine reaches what listens there."""
    if address == "localhost":
        return True
    try:
        return ip_address((address or "").strip("[]")).is_loopback
    except ValueError:
        return False


class ClosedServer:
    """Middleware. `names`: by which the server is to be called (`*`: any), asked anew each time; `token` may be "".

    `origins`: pages of other servers that may open a websocket here; the server's own may.
    """

    def __init__(
        self,
        app: ASGIApp,
        names: Callable[[], Sequence[str]],
        token: str,
        origins: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._app, self._names, self._origins = app, names, origins
        self._token, self._proof = token.encode(), proof_of(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with why not."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = await self._refusal(scope, receive)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose(1008)(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    async def _refusal(self, scope: Scope, receive: Receive) -> Response | None:
        asked = HTTPConnection(scope)
        speak(language_asked_for(asked.headers.get("accept-language", "")))
        if not is_called_rightly(asked.headers.get("host", ""), self._names()):
            return PlainTextResponse(f"{tr(WRONG_NAME)}\n", 403)
        origin = asked.headers.get("origin", "")
        # Streamlit asks a server elsewhere for this machine's address before it refuses one, and nothing is answered
        # meanwhile; and it accepts any other port of this machine.
        if scope["type"] == "websocket" and not is_own_page(origin, asked.headers.get("host", ""), self._origins()):
            return PlainTextResponse(f"{tr(WRONG_NAME)}\n", 403)
        if not self._token or hmac.compare_digest(asked.cookies.get(COOKIE, "").encode(), self._proof.encode()):
            return None
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == ASK_AT:
            return await self._answer(Request(scope, receive))
        return HTMLResponse(_form(), 401)

    async def _answer(self, request: Request) -> Response:
        text = b""
        async for part in request.stream():
            text += part
            if len(text) > LARGEST_FORM:
                return PlainTextResponse(f"{tr('Too long.')}\n", 413)
        told = parse_qs(text.decode("utf-8", "replace")).get("token", [""])[0].encode()
        if not hmac.compare_digest(told, self._token):
            await asyncio.sleep(WAIT)
            return HTMLResponse(_form(), 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, self._proof, httponly=True, samesite="strict")
        return answer


def _form() -> str:
    words = tr("The token that it was started with"), tr("Open")
    return FORM % (language().replace("_", "-"), *map(escape, words))


def proof_of(token: str) -> str:
    """What a browser keeps that has told the token: not the token itself."""
    return hmac.new(token.encode(), b"LoRA studio", hashlib.sha256).hexdigest()


def is_own_page(origin: str, host: str, others: Sequence[str] = ()) -> bool:
    """Whether a request is by a page of this server, which was asked for as `host`, or by none: programs name none."""
    scheme, _, place = origin.lower().partition("://")
    usual = {"http": ":80", "https": ":443"}.get(scheme, "")
    return not origin or place.removesuffix(usual) == host.lower().removesuffix(usual) or origin in others


def is_called_rightly(host: str, names: Sequence[str]) -> bool:
    """Whether a request's Host is one of `names`, which name no port.

    A page elsewhere may have its own name point to this machine, and then reads what its visitor's browser gets here.
    """
    try:
        called = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    wanted = [one.strip().lower().rstrip(".") for one in names]
    return "*" in wanted or any(
        called.endswith(one[1:]) if one.startswith("*.") else called == one for one in wanted if called
    )
