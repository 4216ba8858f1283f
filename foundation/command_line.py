"""What every command shares: a user's error becomes one or two lines on stderr and an exit code, never a traceback."""

from __future__ import annotations

import atexit
import errno
import logging
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from traceback import walk_stack
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from foundation.errors import ConfigurationError, DivergedError, StoppedError, UserError
from foundation.printing import complain
from foundation.progress import at_hand

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
STOPPED_BY_HAND = "stopped; run the same command again to go on"
NO_LIMIT = 10_000  # characters: no sentence is cut
DONE, BAD_ANSWER, WRONG_REQUEST = 0, 1, 2
BY_SIGNAL = 128  # and the signal's number, as shells say it: 130 after Ctrl-C, 143 after a polite kill
MORE_SPACE = "free some there, or name a place on another disk"
OTHER_PLACE = "allow it to this user, or name another place"
OTHER_THAN_A_FILE = "a file is where a folder should be: name another place"
WHAT_TO_DO = {
    errno.ENOSPC: MORE_SPACE,
    errno.EDQUOT: MORE_SPACE,
    errno.EACCES: OTHER_PLACE,
    errno.EPERM: OTHER_PLACE,
    errno.EEXIST: OTHER_THAN_A_FILE,
    errno.ENOTDIR: OTHER_THAN_A_FILE,
    errno.EISDIR: "name a file, not a folder",
    errno.EROFS: "name a place that can be written",
    errno.ENOENT: "check the path, or put it back",
    errno.EFBIG: "name a disk that takes files of this size, or raise the limit (`ulimit -f`)",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
}


# Who called whom where `python -m` runs a package's `__main__.py`, the last one first.
TYPED = ["run_process", "<module>", "_run_code", "_run_module_as_main"]


class SignalInterrupt(KeyboardInterrupt):
    """Ctrl-C, or a polite kill: `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


TYPE_AND_NEED = re.compile(r" <[^>]*>$| *\[required\]$")


class Command(TyperCommand):
    """One command, whose help names arguments as the user knows them: no Python types, and no braces."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Typer's, but for an empty argument, as of a variable that a script never set: it is no folder."""
        if any(not one and not before.startswith("-") for before, one in zip(["", *args], args, strict=False)):
            raise ConfigurationError("an argument is empty; give a path, or `.` for the current folder")
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """`SPEC` where Typer writes `{SPEC}`."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, which are all required where no default is told, and options."""
        records = [(param.param_type_name, param.get_help_record(ctx)) for param in self.get_params(ctx)]
        for kind, title in (("argument", "Arguments"), ("option", "Options")):
            rows = [record for of, record in records if of == kind and record]
            if kind == "argument":
                rows = [(TYPE_AND_NEED.sub("", name), TYPE_AND_NEED.sub("", told)) for name, told in rows]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class App(typer.Typer):
    """A package's app, all of whose commands are `Command`."""

    def command(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        """As Typer's."""
        return super().command(*args, **{"cls": Command, **options})


class Commands(TyperGroup):
    """A package's commands. Says of each its whole first sentence, and of one that was stopped that it was."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands, each with what it does, wrapped between words."""
        rows = [(name, one.get_short_help_str(NO_LIMIT)) for name, one in self.commands.items() if not one.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Ctrl-C is a StoppedError: Typer itself would leave without a word."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            number = error.number if isinstance(error, SignalInterrupt) else int(signal.SIGINT)
            raise StoppedError(STOPPED_BY_HAND, number) from error


def commands_app(about: str | None = None) -> typer.Typer:
    """An app to register a package's commands at. Its help is plain text: Typer's own reads `[score]` as markup."""
    return App(
        cls=Commands,
        help=about,
        rich_markup_mode=None,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )


def run_process(main: Callable[[], None]) -> None:
    """Run a command and, where `python -m` began it and no profiler or test, leave to the system what was loaded.

    Python takes apart every module before it ends, a second of it once torch is there. All else is as ever: threads are
    waited for, and what is to be done at the end is done.
    """
    callers = [frame.f_code.co_name for frame, _ in walk_stack(sys._getframe())]  # pyright: ignore[reportPrivateUsage]
    if callers != TYPED:
        main()
        return
    ended: list[int] = []
    atexit.register(_leave, ended)  # before the libraries' own, so that it runs after them
    try:
        main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            ended.append(end.code or DONE)
        raise
    ended.append(DONE)


def _leave(ended: list[int]) -> None:
    if not ended or sys.gettrace() is not None:  # a traceback is still to come, or a tracer's own end
        return
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(ended[0])


def run_app(app: typer.Typer) -> None:
    """Run `app` and exit: 0 done, 1 it ran and the answer is bad, 2 the request, an input or a disk is wrong.

    128 and the signal's number where it was stopped.
    """
    _open_closed_streams()
    quieten()
    _write_any_name()
    try:
        try:
            with _stops_heard():
                app()
        finally:
            sys.stdout.flush()  # here, where a full disk can still be told of
    except DivergedError as error:
        complain(f"error: {error}")
        sys.exit(BAD_ANSWER)
    except StoppedError as error:
        complain(str(error))
        sys.exit(BY_SIGNAL + error.number)
    except UserError as error:
        complain(f"error: {error}")
        sys.exit(WRONG_REQUEST)
    except BrokenPipeError:  # who reads has enough, as `head` does
        _silence_stdout()
        sys.exit(BAD_ANSWER)
    except OSError as error:
        complain(f"error: {in_words(error)}")
        _silence_stdout()
        sys.exit(WRONG_REQUEST)
    except KeyboardInterrupt:
        complain(STOPPED_BY_HAND)
        sys.exit(BY_SIGNAL + signal.SIGINT)


def _open_closed_streams() -> None:
    """Where the caller closed a stream (`>&-`) Python has none; what would be said there goes nowhere."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _write_any_name() -> None:
    """A name that the terminal's encoding lacks is shown with question marks, and is no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextmanager
def _stops_heard() -> Generator[None]:
    """A polite kill ends a command as Ctrl-C does; either is answered at once, for what is in hand may take a while."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    at_hand().say("stopping, as soon as what is in hand is done")
    raise SignalInterrupt(number)


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
