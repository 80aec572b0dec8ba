"""The embedder that made an index' vectors: all that a question needs beside the index, without what indexing needs."""

from __future__ import annotations

from amogus_search import registry
from amogus_search.errors import IdentityMismatchError
from amogus_search.ports import Embedder
from amogus_search.store.index import Index


def own_embedder(index: Index) -> Embedder:
    """The embedder that made an index' vectors.

    Raises:
        IdentityMismatchError: the one of that name is another one by now.
    """
    embedder = registry.load_embedder(str(index.identity["embedder"]))
    made_by = index.identity.get("embedder_fingerprint")
    if embedder.fingerprint != made_by:
        raise IdentityMismatchError(
            f"the index has vectors of {index.identity['embedder']} {made_by}, and {embedder.name} is now "
            f"{embedder.fingerprint}",
            f"`amogus index PATH --embedder {embedder.name}` gives it the vectors of this one, without looking for "
            "anything again",
        )
    return embedder
