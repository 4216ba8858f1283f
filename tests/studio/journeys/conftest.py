"""Whole journeys: a studio that was really started, and a browser that knows nothing but its address."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver

from chromium import chromium, why_not


@pytest.fixture(scope="module")
def browser() -> Generator[WebDriver]:
    """One browser for the journeys of a file: one that outlives its server asks for it, and works, for minutes."""
    if reason := why_not():
        pytest.skip(reason)
    with chromium() as driver:
        yield driver
