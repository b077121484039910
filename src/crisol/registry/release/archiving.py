"""Archiving of versions: an archived one stays in the registry and cannot be promoted."""

import getpass
import json
from datetime import UTC, datetime

from crisol.registry import columns
from crisol.registry.release import versions
from crisol.registry.release.versions import CHAMPION, Reference, Version
from crisol.registry.store import Store, StoreError

_REASON_LENGTH = 1000


def archive(
    store: Store, reference: Reference, reason: str | None = None, by: str | None = None
) -> Version:
    """Archive a version; a second call changes nothing.

    Args:
        store: the MLflow store.
        reference: names one version, by number or alias.
        reason: recorded with the version.
        by: the user that is recorded; default: that of this process.

    Returns:
        The version as it is now.

    Raises:
        StoreError: there is no such version, or it is the champion.
    """
    version = _named(store, reference, "archive")
    if CHAMPION in version.aliases:
        raise StoreError(
            f"{version} is the champion, and what is deployed is not archived: promote another "
            f"version first, or return to the one before (kedro rollback {version.model})"
        )
    if versions.ARCHIVED_TAG not in version.tags:
        record = {
            "at": datetime.now(tz=UTC).isoformat(timespec="milliseconds"),
            "by": by or getpass.getuser(),
            "reason": None if reason is None else recorded(reason),
        }
        client = store.client()
        client.set_model_version_tag(
            version.model, version.number, versions.ARCHIVED_TAG, json.dumps(record)
        )
    return versions.find(store, Reference(version.model, version.number))


def unarchive(store: Store, reference: Reference) -> Version:
    """Take a version out of the archive; a version that is not archived stays as it is.

    Raises:
        StoreError: there is no such version.
    """
    version = _named(store, reference, "archive --undo")
    if versions.ARCHIVED_TAG in version.tags:
        client = store.client()
        client.delete_model_version_tag(version.model, version.number, versions.ARCHIVED_TAG)
    return versions.find(store, Reference(version.model, version.number))


def recorded(reason: str) -> str:
    """A reason as it is recorded: printable, and so short that the record fits into its tag."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in reason)
    return columns.cut(shown, _REASON_LENGTH)


def refuse_archived(version: Version) -> None:
    """Refuse to make an archived version the champion.

    Raises:
        StoreError: saying how to take it out of the archive.
    """
    if versions.ARCHIVED_TAG in version.tags:
        raise StoreError(
            f"{version} is archived; take it out of the archive first: "
            f"kedro archive {version} --undo"
        )


def _named(store: Store, reference: Reference, command: str) -> Version:
    if reference.version is None and reference.alias is None:
        raise StoreError(
            f"{reference} names no version; say which, such as kedro {command} {reference}/2"
        )
    return versions.find(store, reference)
