"""Addresses of servers: this machine's own, unless others are allowed; headers with secrets from the environment."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from foundation.errors import ConfigurationError

_VARIABLE = re.compile(r"\$(\w+|\{\w+\})")
SCHEMES = ("http", "https")


class ServerAddressError(ConfigurationError):
    """An address that no pictures can be asked of. The text says what to write."""


def addresses_of(written: str, option: str) -> tuple[str, ...]:
    """URLs with commas between, each once. Raises ServerAddressError."""
    found = dict.fromkeys(one.strip().rstrip("/") for one in written.split(",") if one.strip())
    for url in found:
        _check_spelling(url, option)
    if not found:
        raise ServerAddressError(f"{option}: names no server; write one as http://127.0.0.1:8188")
    return tuple(found)


def _check_spelling(url: str, option: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ServerAddressError(f"{option} {url}: {error}; write an address as http://127.0.0.1:8188") from error
    if parts.scheme not in SCHEMES or not parts.hostname or port == 0:
        raise ServerAddressError(f"{option} {url}: write an address as http://127.0.0.1:8188, or with https")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ServerAddressError(f"{option} {url}: write the address alone; a token goes into `headers` of the SPEC")


def check_allowed(url: str, option: str, headers: Mapping[str, str], *, remote_allowed: bool) -> None:
    """Raise ServerAddressError for another machine, unless allowed, and for secrets that would go there in the open."""
    parts = urlsplit(url)
    if _is_loopback(parts.hostname or "", url, option):
        return
    if not remote_allowed:
        raise ServerAddressError(
            f"{option} {url}: is not this machine; prompts and LoRA names go there in requests. Add --allow-remote if "
            "that is meant"
        )
    if headers and parts.scheme != "https":
        raise ServerAddressError(f"{option} {url}: a header's secret would go there for all to read; use https")


def _is_loopback(host: str, url: str, option: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ServerAddressError(f"{option} {url}: {host} is not known here ({error}); check the address") from error
    return all(ipaddress.ip_address(str(one[4][0]).partition("%")[0]).is_loopback for one in found)


def headers_of(written: Mapping[str, str], table: str) -> dict[str, str]:
    """Headers with `$NAME` filled in. Raises ServerAddressError for a variable that is not set, or a broken header."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1).strip("{}")
        if name not in os.environ:
            raise ServerAddressError(f"[{table}] headers: ${name} is not set; set it: export {name}=..")
        return os.environ[name]

    filled = {key: _VARIABLE.sub(value, text) for key, text in written.items()}
    for key, text in filled.items():
        if not re.fullmatch(r"[A-Za-z0-9-]+", key) or not text.isprintable() or not text.isascii():
            raise ServerAddressError(
                f"[{table}] headers.{key}: no header can be called or hold that; one line of ASCII"
            )
    return filled
