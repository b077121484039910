"""Recommendations from who had what: graph filters and networks, sequences, and their reasons."""

from crisol.core.facade import lazy

__getattr__, __dir__ = lazy(
    __name__,
    {
        "DataParams": "params",
        "ModelParams": "params",
        "TrainParams": "params",
        "Predictor": "predictor.RecommenderPredictor",
        "RecommenderPredictor": "predictor",
        "Request": "contract.RecommendationRequest",
        "Response": "contract.RecommendationResponse",
        "RecommendationRequest": "contract",
        "RecommendationResponse": "contract",
        "Context": "contract",
        "PriceRange": "contract",
        "PurchaseIntent": "contract",
        "BatchRequest": "contract",
        "BatchResponse": "contract",
        "SimilarItemsRequest": "contract",
        "SimilarItemsResponse": "contract",
        "Event": "contract",
        "EventsRequest": "contract",
        "EventsResponse": "contract",
        "example_request": "contract",
        "Catalogue": "catalogue",
        "Histories": "histories",
        "Interactions": "histories",
        "SCORERS": "scorers",
        "clean": "data",
        "index": "data",
        "split": "data",
        "fit": "training",
        "evaluate": "evaluation",
        "fetch": "sources",
    },
)
