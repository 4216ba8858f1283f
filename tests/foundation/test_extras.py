"""A package that is missing is one line that names its extra; an import that fails for another reason is raised on."""

from __future__ import annotations

import sys

import pytest

from foundation.extras import EXTRAS, MissingPackageError, missing_named, missing_package, require


@pytest.mark.parametrize("package", EXTRAS)
def test_each_package_names_its_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    said = f'the command needs {package} for this: pip install "lora-studio[{EXTRAS[package]}]"'
    with pytest.raises(MissingPackageError) as required:
        require(package, "the command", "this")
    with pytest.raises(MissingPackageError) as imported, missing_named("the command", "this"):
        __import__(package)
    assert str(required.value) == str(imported.value) == said


def test_without_a_purpose_the_command_alone_is_named() -> None:
    assert str(MissingPackageError("trainer run", "peft")) == 'trainer run needs peft: pip install "lora-studio[train]"'


def test_what_no_extra_brings_is_raised_on() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"), missing_named("the command"):
        __import__("no_such_package")
    with pytest.raises(ImportError, match="cannot import name"), missing_named("the command"):
        from pathlib import no_such_name  # type: ignore[attr-defined]  # noqa: F401


def test_a_part_that_is_missing_and_one_that_a_library_speaks_of_are_the_package() -> None:
    part = ModuleNotFoundError("No module named 'ray.cluster'", name="ray.cluster")
    spoken = ImportError("Install s3fs to access S3")
    spoken.__cause__ = ModuleNotFoundError("No module named 's3fs'", name="s3fs")
    assert (missing_package(part), missing_package(spoken)) == ("ray", "s3fs")
    assert missing_package(ImportError("libcudart.so", name="bitsandbytes")) is None


def test_what_is_there_is_not_missing() -> None:
    require("peft", "the command")
