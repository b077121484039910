"""The HTTP answers to the errors of the registry and the stores."""

import errno

from pydantic import ValidationError

from crisol.core.errors import MendableError
from crisol.platform.datasets.dataset import (
    DatasetConflictError,
    DatasetLimitError,
    UnknownDatasetError,
)
from crisol.platform.datasets.upload_files import (
    BusyError,
    DiskFullError,
    OffsetError,
    TooLargeError,
    UnwantedError,
    UploadError,
)
from crisol.platform.jobs.job_runs import UnknownJobError
from crisol.registry.outages import is_away
from crisol.registry.release.promotion import GateRefusedError
from crisol.registry.store import StoreError
from crisol.serving.http.errors import ApiError, ErrorDetail, from_validation


def refusal(error: Exception) -> ApiError | None:
    """The answer to an error; ``None``: it is a failure of the platform."""
    if is_away(error):
        said = "The MLflow store does not answer; send the request again in a moment."
        return ApiError(503, said, code="store_away", headers={"retry-after": "5"})
    if isinstance(error, UploadError):
        return _of_upload(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ApiError(507)
    if isinstance(error, UnknownDatasetError):
        return ApiError(404, _sentence(error), code="dataset_unknown")
    if isinstance(error, UnknownJobError):
        return ApiError(404, _sentence(error), code="job_unknown")
    if isinstance(error, DatasetLimitError):
        return ApiError(429, _sentence(error), code="too_many_open")
    if isinstance(error, DatasetConflictError):
        return ApiError(409, _sentence(error))
    if isinstance(error, GateRefusedError):
        return ApiError(409, _sentence(error), code="gate_refused")
    if isinstance(error, StoreError):
        return ApiError(409, _sentence(error))
    if isinstance(error, ValidationError):
        return from_validation(error)
    if isinstance(error, MendableError):
        detail = ErrorDetail(field="", message=str(error), type="invalid")
        return ApiError(422, _sentence(error), details=[detail])
    return None


def _of_upload(error: UploadError) -> ApiError:
    close = {"connection": "close"}
    if isinstance(error, OffsetError):
        headers = {"upload-offset": str(error.offset), "upload-complete": "?0"}
        return ApiError(409, _sentence(error), code="offset_mismatch", headers=headers)
    if isinstance(error, BusyError):
        again = {"retry-after": "2"}
        return ApiError(409, _sentence(error), code="upload_busy", headers=again)
    if isinstance(error, UnwantedError):
        return ApiError(409, _sentence(error), code=error.code)
    if isinstance(error, TooLargeError):
        return ApiError(413, _sentence(error), headers=close)
    if isinstance(error, DiskFullError):
        return ApiError(507, _sentence(error), headers=close)
    detail = ErrorDetail(field="file", message=str(error), type="file_refused")
    return ApiError(422, _sentence(error), details=[detail], code="file_refused", headers=close)


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", ")", '"')) else ".")
