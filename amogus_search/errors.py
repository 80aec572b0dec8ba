"""Every error this package raises on purpose.

The message says what went wrong, with which thing and which limit; the hint says how to go on. The
command line prints both on one line each and turns `exit_code` into the exit status; nothing else
in the package prints or exits. The file has no imports, so that any module may use it.
"""


class AmogusError(Exception):
    """Something the user can mend.

    Args:
        problem: what is wrong, with which thing, and the number and the limit where there is one.
        hint: the flag, command or step that mends it; empty if there is none.
    """

    exit_code = 1

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem} ({self.hint})" if self.hint else self.problem


class UsageError(AmogusError):
    """An argument or option has a value that cannot be used."""

    exit_code = 2


class MissingExtraError(AmogusError):
    """An optional dependency is not installed; the hint holds the exact `pip install`."""


class WeightsError(AmogusError):
    """A weights file is unknown, missing, or not the one that the manifest describes."""


class DecodeError(AmogusError):
    """One image file could not be decoded.

    Args:
        reason: one of `core.types.SKIP_REASONS`.
        detail: what the decoder said.
        sha256: hex digest of the file's bytes; empty if they were never read.
    """

    def __init__(self, reason: str, detail: str, *, sha256: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.sha256 = sha256


class IndexStateError(AmogusError):
    """An index folder is damaged, of another version, or not an index at all."""


class IdentityMismatchError(IndexStateError):
    """An index was made by other models or settings than the ones at hand."""


class IndexLockedError(AmogusError):
    """Another process is writing this index."""

    exit_code = 75


class ConversionError(AmogusError):
    """A back end could not convert something; that picture fails, the run goes on."""


class BackendGoneError(ConversionError):
    """A back end cannot convert anything any more (its server is gone, its password wrong); the run stops."""
