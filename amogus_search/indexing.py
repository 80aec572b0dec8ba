"""From names to a finished index, and from an index back to its models: what `amogus index` and `query` stand on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike, fsencode
from pathlib import Path

from amogus_search import registry
from amogus_search.core.paths import display_path
from amogus_search.errors import IdentityMismatchError, IndexStateError, UsageError
from amogus_search.finder import Finder
from amogus_search.pipeline.detect import decode_px
from amogus_search.pipeline.index import IndexReport, Models, index_images, refuse_index_in_source
from amogus_search.pipeline.index_ports import RootedSource
from amogus_search.pipeline.progress import Progress, Silent
from amogus_search.pipeline.reembed import STAGE, ReembedReport, reembed
from amogus_search.ports import Embedder
from amogus_search.settings import DEFAULT_PROFILE, NOWHERE, PREPROCESSING_VERSION, PROFILES, SearchBudget
from amogus_search.sources.folder import FolderSource
from amogus_search.sources.workers import DecodePool
from amogus_search.store import places, reembedding
from amogus_search.store.crashes import crash_mark
from amogus_search.store.index import Index
from amogus_search.store.reembedding import Reembedding

_NAMES = ("detector", "embedder")
"""Keys of an identity that say what was typed; a model file that moved is still the same model."""

SILENT = Silent()


@dataclass(frozen=True)
class Choice:
    """Names of what looks at the pictures; None: what the index has, or the embedded models for a new one.

    detector, embedder: see `registry.load_detector` and `registry.load_embedder`
    profile:            one of `settings.PROFILES`
    """

    detector: str | None = None
    embedder: str | None = None
    profile: str | None = None

    def completed(self, identity: Mapping[str, object]) -> Choice:
        """The same with nothing left open."""
        return Choice(
            self.detector or registry.detector_of(identity),
            self.embedder or str(identity.get("embedder", registry.DEFAULT)),
            self.profile or str(identity.get("profile", DEFAULT_PROFILE)),
        )


@dataclass(frozen=True)
class Run:
    """How one run goes about it.

    exclude:           globs of files and folders to leave out
    confirm_deletions: remove missing files however many they are
    retry_skipped:     read files again that were skipped before
    own_place:         the index folder was chosen by the user, and may lie wherever they want it
    progress:          told how far it is
    should_stop:       asked between pictures
    keep_missing:      when too many known files are gone, keep them all and say so, instead of stopping
    budget:            what searching may cost, made of what the index remembers; None: that
    """

    exclude: Sequence[str] = ()
    confirm_deletions: bool = False
    retry_skipped: bool = False
    own_place: bool = True
    progress: Progress = SILENT
    should_stop: Callable[[], bool] = lambda: False
    keep_missing: bool = False
    budget: Callable[[SearchBudget], SearchBudget] | None = None


def index_paths(
    paths: Iterable[str | PathLike[str]],
    folder: str | PathLike[str],
    choice: Choice = Choice(),
    run: Run = Run(),
) -> IndexReport:
    """Bring the index in a folder up to date with these pictures and folders; makes it if it is not there.

        index_paths(["holiday/"], "index/holiday")

    An index that was made by another embedder, and by nothing else that is different, gets the vectors of the chosen
    one first; the detector has no part in that.

    Raises:
        UsageError: no such detector, embedder or profile.
        IdentityMismatchError: the index was made by other models or settings; or by another embedder, and the choice
            names none.
        IndexLockedError: another process is writing it.
        AmogusError: a path is missing, there are no pictures, or too many known ones are gone.
    """
    source = FolderSource(
        [fsencode(path) for path in paths],
        exclude=run.exclude,
        index_dir=Path(folder),
        allow_empty=run.confirm_deletions,
    )
    if not run.own_place:
        refuse_index_in_source(fsencode(folder), source.roots)
    return index_source(source, folder, Loaded.of(choice, folder), choice, run)


@dataclass(frozen=True)
class Loaded:
    """What a choice comes to for one index, ready to be used in several runs.

    profile: its name
    """

    finder: Finder
    embedder: Embedder
    profile: str

    @classmethod
    def of(cls, choice: Choice, folder: str | PathLike[str]) -> Loaded:
        """The models; whatever the choice leaves open is as the index in the folder has it.

        Raises:
            UsageError: no such detector, embedder or profile.
        """
        chosen = choice.completed(stored_identity(folder))
        if chosen.profile not in PROFILES:
            raise UsageError(f"there is no profile called {chosen.profile!r}", f"there are: {', '.join(PROFILES)}")
        finder, embedder = Finder.load(chosen.detector or ""), registry.load_embedder(chosen.embedder or "")
        return cls(finder, embedder, chosen.profile or "")


def index_source(
    source: RootedSource,
    folder: str | PathLike[str],
    loaded: Loaded,
    choice: Choice = Choice(),
    run: Run = Run(),
    *,
    scopes: Sequence[bytes] | None = None,
) -> IndexReport:
    """`index_paths` for any source, by models that are loaded already.

    Args:
        source: scanned once.
        folder: the index; made if it is not there.
        loaded: the models.
        choice: as it was made; says whether an exchange of vectors is wanted.
        run: how to go about it.
        scopes: the source scans only these paths; None: all of its roots.

    Raises: as `index_paths`.
    """
    finder, embedder, before = loaded.finder, loaded.embedder, stored_identity(folder)
    identity = _reconciled(identity_of(finder, embedder, loaded.profile), before)
    looks = not getattr(finder.detector, "looks_nowhere", False)
    profile = PROFILES[loaded.profile] if looks else NOWHERE
    with DecodePool(max_side=decode_px(finder.detector, profile)) as pool:
        again = _exchange_vectors(Path(folder), before, identity, embedder=embedder, choice=choice, run=run, pool=pool)
        if again is not None and again.interrupted:
            return _stopped(Path(folder), before, again)
        with (
            Index.open(folder, "w", create=True, identity=identity, motif=finder.detector.motif) as index,
            crash_mark(index.folder) as crashed,
        ):
            if run.budget is not None:
                index.set_search_budget(run.budget(index.search_budget))
            calibration = finder.calibration
            index.rescore(calibration.id if calibration else None, calibration.score if calibration else None)
            models = Models(finder.detector, embedder, profile, finder.verifier)
            report = index_images(
                [source],
                pool,
                models,
                index,
                progress=run.progress,
                should_stop=run.should_stop,
                confirm_deletions=run.confirm_deletions,
                retry_skipped=run.retry_skipped,
                keep_missing=run.keep_missing,
                scopes=scopes,
                crashed=crashed,
            )
            notes = [*places.notes(index.folder), *_notes_on(again), *report.notes, *_tidied(index, choice)]
    return replace(report, reembedded=again.regions if again else 0, notes=tuple(notes))


def identity_of(finder: Finder, embedder: Embedder, profile: str) -> dict[str, object]:
    """What an index must have been made with for its rows to mean the same (DESIGN.md D6)."""
    return {
        "detector": finder.detector.name,
        "detector_fingerprint": finder.detector.fingerprint,
        "verifier_fingerprint": finder.verifier.fingerprint if finder.verifier else None,
        "embedder": embedder.name,
        "embedder_fingerprint": embedder.fingerprint,
        "preprocessing": PREPROCESSING_VERSION,
        "profile": profile,
    }


def stored_identity(folder: str | PathLike[str]) -> dict[str, object]:
    """The identity of the index in a folder; empty if there is none yet."""
    try:
        with Index.open(folder) as index:
            return dict(index.identity)
    except IndexStateError:
        return {}  # none yet, or one that opening it for writing has more to say about


def _exchange_vectors(
    folder: Path,
    before: Mapping[str, object],
    identity: dict[str, object],
    *,
    embedder: Embedder,
    choice: Choice,
    run: Run,
    pool: DecodePool,
) -> ReembedReport | None:
    """Give the index the vectors of the chosen embedder, if all else is equal; None if there was nothing to be done.

    Raises:
        IdentityMismatchError: the embedder is another one, and the choice does not name it.
    """
    differs = {key for key in identity.keys() | before.keys() if identity.get(key) != before.get(key)} - {"detector"}
    if not before or not differs or not differs <= {"embedder", "embedder_fingerprint"}:
        return None
    if choice.embedder is None:
        raise IdentityMismatchError(
            f"the index {folder} has vectors of {before['embedder']} {before['embedder_fingerprint']}, and "
            f"{embedder.name} is now {embedder.fingerprint}",
            f"--embedder {embedder.name} gives it the vectors of this one, without looking for anything again",
        )
    with Reembedding.open(folder, before, identity) as exchange:
        stand = exchange.stand()
        resumed = f", {stand.done} pictures were done before" if stand.done else ""
        run.progress(
            STAGE,
            stand.done,
            stand.total,
            message=f"the index has vectors of {before['embedder']}: embedding its {stand.total_regions} regions of "
            f"{stand.total} pictures anew by {embedder.name}{resumed}; the detector does not run, and until all are "
            "there, queries use the old vectors",
        )
        return reembed(
            exchange,
            pool,
            embedder,
            progress=run.progress,
            should_stop=run.should_stop,
            confirm_deletions=run.confirm_deletions,
        )


def _stopped(folder: Path, identity: Mapping[str, object], again: ReembedReport) -> IndexReport:
    """What there is to say of a run that was stopped before the vectors were exchanged."""
    stand = reembedding.unfinished(folder, identity)
    how_far = f"{stand.done} of {stand.total} pictures have new vectors; " if stand else ""
    notes = (f"{how_far}the index answers with its old ones until all are there",)
    left = stand.total - stand.done if stand else 0
    return IndexReport(
        0, 0, 0, 0, 0, unfinished=left, interrupted=True, seconds=again.seconds, notes=notes, reembedded=again.regions
    )


def _notes_on(again: ReembedReport | None) -> list[str]:
    if again is None:
        return []
    notes = [f"{again.regions} regions of {again.pictures} pictures were embedded anew; the detector did not run"]
    if again.lost:
        shown = ", ".join(f"{display_path(lost.entry.path)} ({lost.reason})" for lost in again.lost[:5])
        more = ", ..." if len(again.lost) > 5 else ""
        notes.append(
            f"{len(again.lost)} pictures could not be read again and have no vectors: {shown}{more}; what is still "
            "there is looked at as new by the next `amogus index` of its folder"
        )
    return notes


def _tidied(index: Index, choice: Choice) -> list[str]:
    """Remove what is left of a finished or given-up exchange of vectors, and tell of an unfinished one."""
    stand = reembedding.unfinished(index.folder, index.identity)
    if stand is None or choice.embedder is not None:
        reembedding.give_up(index.folder)
    if stand is None:
        return []
    if choice.embedder is not None:
        return [f"the unfinished exchange of vectors for those of {stand.embedder} was given up"]
    return [
        f"{stand.done} of {stand.total} pictures have vectors of {stand.embedder} too; go on with --embedder "
        f"{stand.embedder}, or give them up with --embedder {index.identity.get('embedder')}"
    ]


def _reconciled(wanted: dict[str, object], before: Mapping[str, object]) -> dict[str, object]:
    """The stored identity where it differs only in what the models were called."""
    same = before and all(before.get(key) == value for key, value in wanted.items() if key not in _NAMES)
    return dict(before) if same else wanted
