"""What every command shares: a user's error becomes one or two lines on stderr and an exit code, never a traceback."""

from __future__ import annotations

import errno
import logging
import os
import sys
import warnings
from typing import Annotated

import typer

from foundation.errors import DivergedError, StoppedError, UserError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
DONE, BAD_ANSWER, WRONG_REQUEST, STOPPED = 0, 1, 2, 130
MORE_SPACE = "free some there, or name a place on another disk"
OTHER_PLACE = "allow it to this user, or name another place"
WHAT_TO_DO = {
    errno.ENOSPC: MORE_SPACE,
    errno.EDQUOT: MORE_SPACE,
    errno.EACCES: OTHER_PLACE,
    errno.EPERM: OTHER_PLACE,
    errno.EROFS: "name a place that can be written",
    errno.ENOENT: "check the path, or put it back",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
}


def run_app(app: typer.Typer) -> None:
    """Run `app` and exit: 0 done, 1 it ran and the answer is bad, 2 the request, an input or a disk is wrong."""
    quieten()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where a full disk can still be told of
    except DivergedError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_ANSWER)
    except StoppedError as error:
        print(error, file=sys.stderr)
        sys.exit(STOPPED)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(WRONG_REQUEST)
    except BrokenPipeError:  # who reads has enough, as `head` does
        _silence_stdout()
        sys.exit(BAD_ANSWER)
    except OSError as error:
        print(f"error: {in_words(error)}", file=sys.stderr)
        _silence_stdout()
        sys.exit(WRONG_REQUEST)
    except KeyboardInterrupt:
        print("stopped; run the same command again to go on", file=sys.stderr)
        sys.exit(STOPPED)


def in_words(error: OSError) -> str:
    """Which file, what is wrong and what to do, in one line; a library's own words where it raised them so."""
    if error.errno is None:
        return " ".join(str(error).split())
    name = error.filename2 or error.filename
    place = "standard output or a file" if name is None else os.fsdecode(name) if isinstance(name, bytes) else str(name)
    advice = WHAT_TO_DO.get(error.errno, "see to the file and its disk")
    return f"{place}: {error.strerror or os.strerror(error.errno)}; {advice}, and run the same command again"


def _silence_stdout() -> None:
    """What could not be written is not tried once more at the end, where Python would complain of it."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)


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
