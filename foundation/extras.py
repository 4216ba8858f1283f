"""Packages that only some commands need. A missing one is a line that names the extra of the installation with it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec

from foundation.errors import UserError

# What is imported, to the extra of pyproject.toml that brings it. Who lacks the studio's lacks `streamlit run` itself.
EXTRAS = {
    "bitsandbytes": "train",
    "dadaptation": "train",
    "lion_pytorch": "train",
    "lycoris": "lycoris",
    "peft": "train",
    "prodigyopt": "train",
    "psycopg": "postgres",
    "tensorboard": "train",
    "optuna": "search",
    "ray": "ray",
    "s3fs": "s3",
    "websockets": "servers",
}


class MissingPackageError(UserError):
    """A package that is not installed, and that the command needs for what it was asked."""

    def __init__(self, command: str, package: str, purpose: str = "") -> None:
        what_for = f" for {purpose}" * bool(purpose)
        super().__init__(f'{command} needs {package}{what_for}: pip install "lora-studio[{EXTRAS[package]}]"')


def require(package: str, command: str, purpose: str = "") -> None:
    """Raise MissingPackageError where `package` is not installed: before hours of work, and without importing it."""
    if find_spec(package) is None:
        raise MissingPackageError(command, package, purpose)


@contextmanager
def missing_named(command: str, purpose: str = "") -> Generator[None]:
    """Raise MissingPackageError where the block imports what is not installed; what no extra brings is raised on."""
    try:
        yield
    except ImportError as error:
        package = missing_package(error)
        if package is None:
            raise
        raise MissingPackageError(command, package, purpose) from error


def missing_package(error: BaseException | None) -> str | None:
    """The package of an extra whose absence caused `error`, wherever libraries raised it anew; None for any other."""
    while error is not None:
        package = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
        if package in EXTRAS:
            return package
        error = error.__cause__
    return None
