"""One model of products: category, quality, price and an embedding from text and picture."""

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
        "Predictor": "predictor:ProductsPredictor",
        "ProductsPredictor": "predictor",
        "Request": "contract:Product",
        "Response": "contract:Analysis",
        "Product": "contract",
        "Analysis": "contract",
        "SearchRequest": "contract",
        "SearchResponse": "contract",
        "example_request": "contract",
        "ProductRecord": "data.records",
        "clean": "data.prepare",
        "clean_files": "data.run_files",
        "read_products": "data.catalogue_file",
        "read_pairs": "data.catalogue_file",
        "rule_of_report": "report.gating",
        "clean_pairs": "data.prepare",
        "split": "data.prepare",
        "fit": "training",
        "evaluate": "evaluation",
        "Index": "search.search_index:ProductIndex",
        "build_index": "search.index_building",
        "fetch": "data.sources",
    },
)
