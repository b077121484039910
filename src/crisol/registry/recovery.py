"""What every Crisol command does first: put in order what a killed one left behind."""

from crisol.registry import promotion, registration, runs, scratch, versions
from crisol.registry.store import Store


def recover(store: Store) -> list[str]:
    """Settle runs, registrations and promotions that were cut short; clear what they left.

    Returns:
        One sentence for each thing found and done; empty when all was well.
    """
    said = scratch.sweep() + runs.sweep(store)
    for model in versions.lines(store):
        # Aliases first: a champion set on a half-made version goes back before that is removed.
        said += promotion.settle(store, model)
        said += registration.sweep(store, model)
    return said
