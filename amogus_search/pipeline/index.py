"""The verb "index": make an index say the same as the folders do, with as little work as possible.

Every file that was met ends in exactly one state, so that scanned = indexed + unchanged + skipped. The
work is committed in batches; whatever stops the run, the next one goes on from the last commit.
"""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Callable, Sequence

from amogus_search.core.paths import display_path
from amogus_search.errors import AmogusError
from amogus_search.pipeline.changes import compare, guarded
from amogus_search.pipeline.index_ports import FileReader, IndexStore, RootedSource
from amogus_search.pipeline.index_run import IndexReport, Models, Run
from amogus_search.pipeline.missing import device_of
from amogus_search.pipeline.progress import Progress, Silent
from amogus_search.pipeline.suspects import judge
from amogus_search.settings import INDEX, IndexSettings

__all__ = ["IndexReport", "Models", "index_images", "refuse_index_in_source"]


def index_images(
    sources: Sequence[RootedSource],
    reader: FileReader,
    models: Models,
    index: IndexStore,
    *,
    settings: IndexSettings = INDEX,
    progress: Progress = Silent(),  # noqa: B008 - it has no state
    should_stop: Callable[[], bool] = lambda: False,
    confirm_deletions: bool = False,
    retry_skipped: bool = False,
    keep_missing: bool = False,
    scopes: Sequence[bytes] | None = None,
    crashed: bool = False,
) -> IndexReport:
    """Bring an index up to date with its sources.

    Args:
        sources: scanned completely before anything is changed.
        reader: hashes and decodes files.
        models: see every picture whose content the index does not know.
        index: open for writing.
        settings: how often to commit, and when to doubt a scan.
        progress: told after the scan and after every file.
        should_stop: asked between batches; once true, the pictures at hand are finished, if that takes seconds only.
        confirm_deletions: remove missing files however many they are.
        retry_skipped: read files again that were skipped before.
        keep_missing: when too many known files are gone, keep them all and say so, instead of stopping.
        scopes: the sources scan only these paths; None: all of their roots.
        crashed: the last run died of a bug: what it had under way is tried alone first, and given up if it dies again.

    Raises:
        AmogusError: a source finds nothing, or too many known files are gone; nothing was changed then.
    """
    known = index.known_files() if scopes is None else index.known_files(scopes)
    roots = [root for source in sources for root in source.roots]
    decoders = None if retry_skipped else reader.version
    with Run(reader, models, index, settings=settings, progress=progress, should_stop=should_stop) as run:
        changes = compare(
            run.scan(sources),
            known,
            roots,
            decoders=decoders,
            forget_empty_roots=confirm_deletions,
            scopes=scopes,
            found_elsewhere=ChainMap(*(source.found_elsewhere for source in sources)),
            device_of=device_of,
        )
        if not confirm_deletions:
            many = scopes is not None and len(changes.gone) > settings.gone_least
            all_known = index.known_files() if many else known
            changes = guarded(changes, all_known, roots, settings, keep_missing=keep_missing)
        try:
            run.take_stock(changes, known)
            run.read_all(changes.to_read, judge(index.in_flight(), crashed=crashed), again=retry_skipped)
            interrupted = should_stop()
        except KeyboardInterrupt:
            interrupted = True
        run.finish()
        if not interrupted:
            run.remove(changes.gone)
            progress("publishing", 0, None)
            index.publish()
        return run.report(interrupted, changes.notes)


def refuse_index_in_source(index_dir: bytes, roots: Sequence[bytes]) -> None:
    """Refuse an index folder, which the user did not choose, inside a folder of pictures (photos are never touched).

    Raises:
        AmogusError: with the option that chooses another place.
    """
    target = os.path.realpath(index_dir)
    for root in roots:
        home = os.path.realpath(root)
        if os.path.isdir(home) and (target == home or target.startswith(os.path.join(home, b""))):
            raise AmogusError(
                f"the index would be written to {display_path(target)}, inside the picture folder {display_path(root)}",
                "choose its place with --index DIR, or start from another folder",
            )
