"""`eval store check|repair STORE`: is everything in a store as it was written?"""

from __future__ import annotations

import shlex

import typer

from eval.store.store_argument import StoreFolder
from foundation.command_line import BAD_ANSWER, commands_app
from foundation.printing import print_lines
from foundation.progress import terminal

store_app = commands_app("Look after a store: check what is in it, repair it.")


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(store_app, name="store")


@store_app.command()
def check(store: StoreFolder) -> None:
    """Read every picture and reading of STORE, and say what is not as it was written. Ends with 1 where something is.

    Nothing is changed.
    """
    from eval.store.store import open_store
    from eval.store.upkeep import faults_of, in_lines

    opened = open_store(store)
    with terminal() as reporter:
        faults = faults_of(opened, reporter)
    opened.close()
    print_lines(f"{store}: {line}" for line in in_lines(faults))
    if faults:
        print_lines([f"To mend it: python -m eval store repair {shlex.quote(str(store))}"])
        raise typer.Exit(BAD_ANSWER)
    print_lines([f"{store}: everything is as it was written"])


@store_app.command()
def repair(store: StoreFolder) -> None:
    """Forget what of STORE is not as it was written; the grid, run again, makes and reads that anew, and only that."""
    from eval.store.store import open_store
    from eval.store.upkeep import faults_of, in_lines
    from eval.store.upkeep import repair as forget_faults

    opened = open_store(store)
    with terminal() as reporter:
        faults = faults_of(opened, reporter)
    print_lines(f"{store}: {line}" for line in in_lines(faults))
    forget_faults(opened, faults)
    opened.close()
    again = "run `python -m eval grid SPEC` again, which makes it anew" if faults else "there was nothing to repair"
    print_lines([f"{store}: {again}"])
