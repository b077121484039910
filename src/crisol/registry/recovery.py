"""Recovery, which every Crisol command does first: it repairs the traces of a killed one."""

from collections.abc import Iterable

from crisol.registry.release import promotion, registration, versions
from crisol.registry.store import Store
from crisol.registry.tracking import runs, scratch


def recover(store: Store, only: Iterable[str] | None = None) -> list[str]:
    """Finish or undo interrupted runs, registrations and promotions, and remove their leftovers.

    Args:
        store: where.
        only: the models to look at; default: all. With hundreds of lines that takes a second or
            more, and a run needs its own alone.

    Returns:
        One sentence for each repair; empty when there was nothing to repair.
    """
    said = scratch.sweep() + runs.sweep(store)
    if only is None:
        found = versions.registered_models(store)
    else:
        asked = [versions.registered(store, name) for name in only]
        found = [model for model in asked if model is not None]
    unfinished = registration.unfinished_models(store)
    for model in found:
        # Aliases first: a champion set on a half-made version goes back before that is removed.
        if promotion.is_unsettled(model):
            said += promotion.settle(store, model.name)
        if model.name in unfinished or registration.is_unannounced(model):
            said += registration.sweep(store, model.name)
    return said
