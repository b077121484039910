"""Tables, texts and pictures: many algorithms behind one interface, and AutoML over them."""

from crisol.core.capabilities import Capabilities
from crisol.core.facade import lazy

CAPABILITIES = Capabilities(trains_network=True, several_lines=True, keeps_state=True)

__getattr__, __dir__ = lazy(
    __name__,
    {
        "DataParams": "params",
        "DatasetOptions": "params",
        "ModelParams": "params",
        "TrainParams": "params",
        "check_sections": "section_checks",
        "Predictor": "predictor:TabularPredictor",
        "TabularPredictor": "predictor",
        "Request": "contract:PredictionRequest",
        "Response": "contract:PredictionResponse",
        "example_request": "contract",
        "read": "data.source_table",
        "infer": "data.columns.inference",
        "profile": "data.profiling",
        "profile_dataset": "data.uploaded",
        "clean": "data.prepare",
        "split": "data.parts",
        "fit": "training",
        "evaluate": "evaluation",
        "gate_rule": "evaluation",
        "schema_of": "data.tables",
        "fetch": "data.sources",
    },
)
