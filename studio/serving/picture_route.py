"""The address of pictures on the studio's own server, beside Streamlit's. No Streamlit here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from studio.serving.served_stores import ROOT, SERVED, ServedStores


def picture_route(allowed_hosts: Callable[[], Sequence[str]], served: ServedStores = SERVED) -> Route:
    """The route. `allowed_hosts`: by which names the server is to be called; asked anew for each picture."""

    def send(request: Request) -> Response:
        if not is_called_rightly(request.headers.get("host", ""), allowed_hosts()):
            return Response("This server is not to be called by that name.", 403)
        found = served.answer(*(request.path_params[part] for part in ("sort", "store", "picture", "content")))
        return Response(found.body, found.status, found.headers, found.media_type)

    # Not asynchronous: Starlette lets a thread of its own wait for the disk.
    return Route(f"{ROOT}/{{store}}/{{sort}}/{{picture}}/{{content}}", send, methods=["GET"])


def is_called_rightly(host: str, allowed: Sequence[str]) -> bool:
    """Whether a request's Host is one of `allowed`, which name no port; none allowed: all are.

    A page elsewhere may have its own name point to this machine, and then reads what its visitor's browser gets here.
    """
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return not allowed or (name is not None and name.rstrip(".") in {one.lower() for one in allowed})
