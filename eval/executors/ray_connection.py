"""Joining a Ray cluster, or starting one: reachable within seconds or one clear message, and a token off loopback."""

from __future__ import annotations

import ipaddress
import logging
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

from foundation.errors import UserError
from foundation.extras import missing_named
from foundation.typed.untyped import untyped

ADDRESS, AUTH_MODE, TOKEN, TOKEN_PATH = "RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
CONNECT_SECONDS, ANSWER_SECONDS = 4, 10
LOCAL = "local"
TOKEN_BYTES = 32
# Only rows, notes and LoRA files travel through Ray; pictures go to their place by themselves.
LOCAL_OBJECTS = 512 * 2**20


class RayError(UserError):
    """A Ray cluster that cannot be used."""


def connect(asked: str) -> None:
    """Join the cluster at `asked` (host:port); "auto" joins RAY_ADDRESS or else starts one on this machine.

    Raises MissingPackageError where Ray is not installed, RayError where nothing answers, or the way there is open to
    others and no token is set.
    """
    address = os.environ.get(ADDRESS, LOCAL) if asked == "auto" else asked
    if address == LOCAL:
        close_to_others()
    with missing_named("eval grid", "--ray"):
        import ray
    os.environ.pop(ADDRESS, None) if address == LOCAL else check_address(address)
    untyped(ray).init(
        address=address,
        include_dashboard=False if address == LOCAL else None,
        object_store_memory=LOCAL_OBJECTS if address == LOCAL else None,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def close_to_others() -> None:
    """Have a cluster that starts here ask for a token: it listens on all addresses of this machine.

    The token is made for this run, handed to Ray's processes in their environment, and written nowhere. What the user
    has set stays.
    """
    if "ray" not in sys.modules:  # which reads its mode once, when it is imported
        os.environ.setdefault(AUTH_MODE, "token")
    if TOKEN_PATH not in os.environ:
        os.environ.setdefault(TOKEN, secrets.token_hex(TOKEN_BYTES))


def check_address(address: str) -> None:
    """Raise RayError unless a Ray head answers at host:port, and may be talked to."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        raise RayError(f"{address}: write host:port of the head's node, and run the command on a node of the cluster")
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS) as connection:
            peer = connection.getpeername()[0]
    except OSError as error:
        raise RayError(
            f"{address}: no Ray head answers there ({error}); start one with `ray start --head`, or use --ray auto"
        ) from error
    if not ipaddress.ip_address(peer.partition("%")[0]).is_loopback:
        _require_token(address)
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        answered = subprocess.run(command, capture_output=True, timeout=ANSWER_SECONDS, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        answered = False
    if not answered:
        raise RayError(f"{address}: something listens there, but it does not answer as a Ray head; check the address")


def _require_token(address: str) -> None:
    """Whoever reaches a cluster without a token runs what they like on it."""
    file = Path(os.environ.get(TOKEN_PATH) or Path.home() / ".ray" / "auth_token")
    if os.environ.get(AUTH_MODE, "").lower() != "token" or not (os.environ.get(TOKEN) or file.is_file()):
        raise RayError(
            f"{address}: is not on this machine and no token is set; start the cluster with {AUTH_MODE}=token and set "
            f"{AUTH_MODE}=token and {TOKEN} (or {TOKEN_PATH}) here; `ray get-auth-token --generate` makes one"
        )
