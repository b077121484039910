"""Every method by its name, imported when it is asked for."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from crisol.models.recommender.methods.scorer import Scorer

_WHERE = {
    "popularity": "popularity.PopularityScorer",
    "filter": "filters.FilterScorer",
    "ease": "ease.EaseScorer",
    "transitions": "transitions.TransitionScorer",
    "content": "content.ContentScorer",
    "lightgcn": "lightgcn_scorer.LightGCNScorer",
    "attention": "attention_scorer.AttentionScorer",
}


class _Scorers(Mapping[str, type[Scorer]]):
    def __getitem__(self, name: str) -> type[Scorer]:
        module, _, attribute = _WHERE[name].partition(".")
        found: type[Scorer] = getattr(
            import_module(f"crisol.models.recommender.methods.{module}"), attribute
        )
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_WHERE)

    def __len__(self) -> int:
        return len(_WHERE)


SCORERS: Mapping[str, type[Scorer]] = _Scorers()
"""Method name to its class; a bundle imports those that its hybrid holds."""
