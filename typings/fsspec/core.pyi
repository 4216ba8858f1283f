"""A URL -> its file system, one of each kept, and the path in it."""

from fsspec import AbstractFileSystem

def url_to_fs(url: str) -> tuple[AbstractFileSystem, str]: ...
