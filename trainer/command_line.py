"""What every command shares: a user's error becomes one or two lines on stderr and an exit code, never a traceback."""

from __future__ import annotations

import logging
import os
import sys
import warnings

import typer

from trainer.errors import DivergedError, StoppedError, UserError

DONE, BAD_ANSWER, WRONG_REQUEST, STOPPED = 0, 1, 2, 130


def run_app(app: typer.Typer) -> None:
    """Run `app` and exit: 0 done, 1 it ran and the answer is bad, 2 the request or an input is wrong."""
    quieten()
    try:
        app()
    except DivergedError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_ANSWER)
    except StoppedError as error:
        print(error, file=sys.stderr)
        sys.exit(STOPPED)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(WRONG_REQUEST)
    except KeyboardInterrupt:
        print("stopped; run the same command again to go on", file=sys.stderr)
        sys.exit(STOPPED)


def quieten() -> None:
    """Keep libraries' own chatter off the terminal. Call it before they are imported."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    # Two busy cores lose several times over when OpenMP's threads spin instead of sleeping.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    logging.getLogger().setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=UserWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
