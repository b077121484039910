"""Recommendations from who had what: graph filters and networks, sequences, and their reasons."""

from crisol.core.capabilities import Capabilities
from crisol.core.facade import lazy

CAPABILITIES = Capabilities(trains_network=True, keeps_state=True)

__getattr__, __dir__ = lazy(
    __name__,
    {
        "DataParams": "params",
        "ModelParams": "params",
        "TrainParams": "params",
        "check_sections": "section_checks",
        "Predictor": "predictor:RecommenderPredictor",
        "RecommenderPredictor": "predictor",
        "Request": "contract:RecommendationRequest",
        "Response": "contract:RecommendationResponse",
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
        "Catalogue": "data.catalogue",
        "Histories": "data.histories",
        "Interactions": "data.histories",
        "SCORERS": "methods.by_name",
        "clean": "data.prepare",
        "clean_files": "data.run_files",
        "clean_tables": "data.studies",
        "clean_users": "data.prepare",
        "split": "data.prepare",
        "split_studies": "data.studies",
        "interactions": "data.prepare",
        "histories_before": "data.prepare",
        "study_items": "data.prepare",
        "user_ids": "data.prepare",
        "fit": "training",
        "evaluate": "evaluation",
        "fetch": "data.sources",
    },
)
