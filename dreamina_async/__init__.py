"""Async client for Jimeng / Dreamina image and video generation.

Names load when they are first used (PEP 562), so that importing the package, its pytest
plugin or asking for `--help` costs no network library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from dreamina_async.catalogue import (
        IMAGE_MODELS,
        IMAGE_RATIOS,
        IMAGE_SIZES,
        VIDEO_MODELS,
        VIDEO_RATIOS,
        ImageModel,
        VideoModel,
    )
    from dreamina_async.credentials import Credentials, Region
    from dreamina_async.errors import (
        AccountRestricted,
        ApiError,
        AuthenticationError,
        ContentRejected,
        DownloadError,
        DreaminaError,
        IncompleteDownload,
        InsufficientCredit,
        InvalidRequest,
        JobError,
        JobFailed,
        JobLost,
        JobTimeout,
        JournalLocked,
        ProtocolError,
        RateLimited,
        ServiceUnavailable,
        SessionClosed,
        StorageError,
        TransportError,
        TransportTimeout,
        UrlExpired,
    )
    from dreamina_async.events import (
        Downloading,
        Event,
        Failed,
        FileSaved,
        Finished,
        Progressed,
        Saved,
        Submitted,
        SubmitWaits,
    )
    from dreamina_async.job import Job
    from dreamina_async.models import (
        ImageRequest,
        JobRecord,
        JobReport,
        JobResult,
        JobState,
        MediaFile,
        MediaItem,
        Phase,
        Progress,
        QueueInfo,
        Request,
        Statistics,
        Submission,
        VideoRequest,
        request_from_dict,
        request_to_dict,
    )
    from dreamina_async.session import DreaminaSession, journal_jobs
    from dreamina_async.settings import DownloadPolicy, PollingPolicy, RetryPolicy, Settings

_HOME = {
    "catalogue": (
        "IMAGE_MODELS",
        "IMAGE_RATIOS",
        "IMAGE_SIZES",
        "VIDEO_MODELS",
        "VIDEO_RATIOS",
        "ImageModel",
        "VideoModel",
    ),
    "credentials": ("Credentials", "Region"),
    "errors": (
        "AccountRestricted",
        "ApiError",
        "AuthenticationError",
        "ContentRejected",
        "DownloadError",
        "DreaminaError",
        "IncompleteDownload",
        "InsufficientCredit",
        "InvalidRequest",
        "JobError",
        "JobFailed",
        "JobLost",
        "JobTimeout",
        "JournalLocked",
        "ProtocolError",
        "RateLimited",
        "ServiceUnavailable",
        "SessionClosed",
        "StorageError",
        "TransportError",
        "TransportTimeout",
        "UrlExpired",
    ),
    "events": (
        "Downloading",
        "Event",
        "Failed",
        "FileSaved",
        "Finished",
        "Progressed",
        "Saved",
        "SubmitWaits",
        "Submitted",
    ),
    "job": ("Job",),
    "models": (
        "ImageRequest",
        "JobRecord",
        "JobReport",
        "JobResult",
        "JobState",
        "MediaFile",
        "MediaItem",
        "Phase",
        "Progress",
        "QueueInfo",
        "Request",
        "Statistics",
        "Submission",
        "VideoRequest",
        "request_from_dict",
        "request_to_dict",
    ),
    "session": ("DreaminaSession", "journal_jobs"),
    "settings": ("DownloadPolicy", "PollingPolicy", "RetryPolicy", "Settings"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "IMAGE_MODELS",
    "IMAGE_RATIOS",
    "IMAGE_SIZES",
    "VIDEO_MODELS",
    "VIDEO_RATIOS",
    "AccountRestricted",
    "ApiError",
    "AuthenticationError",
    "ContentRejected",
    "Credentials",
    "DownloadError",
    "DownloadPolicy",
    "Downloading",
    "DreaminaError",
    "DreaminaSession",
    "Event",
    "Failed",
    "FileSaved",
    "Finished",
    "ImageModel",
    "ImageRequest",
    "IncompleteDownload",
    "InsufficientCredit",
    "InvalidRequest",
    "Job",
    "JobError",
    "JobFailed",
    "JobLost",
    "JobRecord",
    "JobReport",
    "JobResult",
    "JobState",
    "JobTimeout",
    "JournalLocked",
    "MediaFile",
    "MediaItem",
    "Phase",
    "PollingPolicy",
    "Progress",
    "Progressed",
    "ProtocolError",
    "QueueInfo",
    "RateLimited",
    "Region",
    "Request",
    "RetryPolicy",
    "Saved",
    "ServiceUnavailable",
    "SessionClosed",
    "Settings",
    "Statistics",
    "StorageError",
    "Submission",
    "SubmitWaits",
    "Submitted",
    "TransportError",
    "TransportTimeout",
    "UrlExpired",
    "VideoModel",
    "VideoRequest",
    "__version__",
    "journal_jobs",
    "request_from_dict",
    "request_to_dict",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
