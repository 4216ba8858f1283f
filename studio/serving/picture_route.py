"""The address of pictures on the studio's own server, beside Streamlit's. No Streamlit here."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from studio.serving.served_stores import ROOT, SERVED, ServedStores


def picture_route(served: ServedStores = SERVED) -> Route:
    """The route. Who may ask is for the door to say, before all routes (`studio/shared/closed_server.py`)."""

    def send(request: Request) -> Response:
        found = served.answer(*(request.path_params[part] for part in ("sort", "store", "picture", "content")))
        return Response(found.body, found.status, found.headers, found.media_type)

    # Not asynchronous: Starlette lets a thread of its own wait for the disk.
    return Route(f"{ROOT}/{{store}}/{{sort}}/{{picture}}/{{content}}", send, methods=["GET"])
