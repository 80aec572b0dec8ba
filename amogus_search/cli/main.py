"""`amogus`: the commands put together, and the one place that turns errors into words and exit codes.

Exit codes: 0 all well, 1 error, 2 usage, 3 done but some files were skipped for I/O or permission, 75 the index is
locked by another writer, 130 interrupted. What the operating system refuses is an error; a bug shows its traceback.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from amogus_search import __version__
from amogus_search.cli import refusals
from amogus_search.errors import AmogusError

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended."""


class Program(TyperGroup):
    """The commands, for readers that may go away early: `amogus query | head -1` is no error."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command and hand over all that it printed."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            refusals.drop_output()
            return None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        return result


_COMMANDS = {
    **{name: name for name in ("index", "query", "detect", "export", "convert", "duplicates", "novelty")},
    **{name: name for name in ("models", "draw", "dream", "synth", "train", "eval", "bench", "concept")},
    **{name: name for name in ("status", "verify", "repair")},
    "tune": "budget",
    "doctor": "doctor",
}
"""Every command, and its module in this package; in the order of the help."""


def program(words: Sequence[str] = ()) -> typer.Typer:
    """The command line with all of its commands, or, if the words begin with one, with that one alone.

    Putting all of them together takes as long as everything else that a question needs of Python.
    """
    app = typer.Typer(
        name="amogus",
        cls=Program,
        help="Find the amogus in your pictures: index a folder, query it, export what was found.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        # Plain help: Rich's costs three times as long, and folds long options in the middle of a word.
        rich_markup_mode=None,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(_root)
    asked = next((word for word in words if not word.startswith("-")), "")
    for name in [asked] if asked in _COMMANDS else _COMMANDS:
        module = import_module(f"amogus_search.cli.{_COMMANDS[name]}")
        if hasattr(module, "app"):
            app.add_typer(module.app)
        else:
            module.register(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"amogus {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show what the library logs, on stderr.")] = False,
) -> None:
    logging.basicConfig(level=logging.DEBUG if verbose else logging.WARNING, format="%(levelname)s: %(message)s")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    Args:
        arguments: words after `amogus`; None takes those of the process.
    """
    if (closed := refusals.missing_output()) is not None:
        return _say(closed)
    code = _ended(arguments)
    try:
        lost = refusals.flushed()  # the help, and whatever was printed before an error
    except KeyboardInterrupt:
        return INTERRUPTED
    return code if lost is None else _say(lost)


def _ended(arguments: Sequence[str] | None) -> int:
    """Run the command line and say its error; the exit code."""
    try:
        program(sys.argv[1:] if arguments is None else arguments)(args=arguments, prog_name="amogus")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    except AmogusError as error:
        return _say(error)
    except BrokenPipeError:  # while the help is printed; of a command, see `Program`
        refusals.drop_output()
    except OSError as error:
        return _say(refusals.in_words(error))
    except UnicodeEncodeError as error:
        known = refusals.unprintable(error)
        if known is None:
            raise
        return _say(known)
    except KeyboardInterrupt:  # before any command has begun
        return INTERRUPTED
    return 0


def _say(error: AmogusError) -> int:
    """Print an error; its exit code."""
    with suppress(OSError):  # where that is full or gone as well, the exit code has to do
        print(f"error: {error.problem}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
    return error.exit_code
