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
        SizeChoice,
        VideoModel,
        image_model,
        video_model,
    )
    from dreamina_async.credentials import Credentials, Region
    from dreamina_async.credits import CreditEntry, Credits, DailyGrant, ExpiringCredits
    from dreamina_async.errors import (
        AccountMismatch,
        AccountRestricted,
        ApiError,
        AuthenticationError,
        BudgetReached,
        Charged,
        ContentRejected,
        DownloadError,
        DreaminaError,
        HostRefused,
        IncompleteDownload,
        InsufficientCredit,
        InvalidRequest,
        JobError,
        JobFailed,
        JobLost,
        JobTimeout,
        JournalLocked,
        LeaseLost,
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
    from dreamina_async.export import EXPORT_COLUMNS, ExportFormat, export_journal
    from dreamina_async.gate import Gate
    from dreamina_async.images import ImageData, ImageRef, ImageSource
    from dreamina_async.job import Job
    from dreamina_async.models import (
        JobRecord,
        JobReport,
        JobResult,
        JobState,
        MediaFile,
        MediaItem,
        Phase,
        Progress,
        QueueInfo,
        Statistics,
    )
    from dreamina_async.proxies import Proxy
    from dreamina_async.quotes import Quote, quote
    from dreamina_async.requests import (
        ImageRequest,
        Request,
        Submission,
        VideoRequest,
        request_from_dict,
        request_to_dict,
    )
    from dreamina_async.session import DreaminaSession, journal_folder, journal_jobs
    from dreamina_async.settings import DownloadPolicy, PollingPolicy, RetryPolicy, Settings

_HOME = {
    "catalogue": (
        "IMAGE_MODELS",
        "IMAGE_RATIOS",
        "IMAGE_SIZES",
        "VIDEO_MODELS",
        "VIDEO_RATIOS",
        "ImageModel",
        "SizeChoice",
        "VideoModel",
        "image_model",
        "video_model",
    ),
    "credentials": ("Credentials", "Region"),
    "credits": ("CreditEntry", "Credits", "DailyGrant", "ExpiringCredits"),
    "errors": (
        "AccountMismatch",
        "AccountRestricted",
        "ApiError",
        "AuthenticationError",
        "Charged",
        "ContentRejected",
        "DownloadError",
        "DreaminaError",
        "HostRefused",
        "IncompleteDownload",
        "InsufficientCredit",
        "InvalidRequest",
        "JobError",
        "JobFailed",
        "JobLost",
        "JobTimeout",
        "JournalLocked",
        "LeaseLost",
        "ProtocolError",
        "RateLimited",
        "ServiceUnavailable",
        "SessionClosed",
        "StorageError",
        "TransportError",
        "TransportTimeout",
        "UrlExpired",
        "BudgetReached",
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
    "export": ("EXPORT_COLUMNS", "ExportFormat", "export_journal"),
    "gate": ("Gate",),
    "job": ("Job",),
    "images": (
        "ImageRef",
        "ImageData",
        "ImageSource",
    ),
    "models": (
        "JobRecord",
        "JobReport",
        "JobResult",
        "JobState",
        "MediaFile",
        "MediaItem",
        "Phase",
        "Progress",
        "QueueInfo",
        "Statistics",
    ),
    "requests": (
        "ImageRequest",
        "Request",
        "Submission",
        "VideoRequest",
        "request_from_dict",
        "request_to_dict",
    ),
    "proxies": ("Proxy",),
    "quotes": ("Quote", "quote"),
    "session": ("DreaminaSession", "journal_folder", "journal_jobs"),
    "settings": ("DownloadPolicy", "PollingPolicy", "RetryPolicy", "Settings"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "EXPORT_COLUMNS",
    "IMAGE_MODELS",
    "IMAGE_RATIOS",
    "IMAGE_SIZES",
    "VIDEO_MODELS",
    "VIDEO_RATIOS",
    "AccountMismatch",
    "AccountRestricted",
    "ApiError",
    "AuthenticationError",
    "BudgetReached",
    "Charged",
    "ContentRejected",
    "Credentials",
    "CreditEntry",
    "Credits",
    "DailyGrant",
    "DownloadError",
    "DownloadPolicy",
    "Downloading",
    "DreaminaError",
    "DreaminaSession",
    "Event",
    "ExpiringCredits",
    "ExportFormat",
    "Failed",
    "FileSaved",
    "Finished",
    "Gate",
    "HostRefused",
    "ImageData",
    "ImageModel",
    "ImageRef",
    "ImageRequest",
    "ImageSource",
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
    "LeaseLost",
    "MediaFile",
    "MediaItem",
    "Phase",
    "PollingPolicy",
    "Progress",
    "Progressed",
    "ProtocolError",
    "Proxy",
    "QueueInfo",
    "Quote",
    "RateLimited",
    "Region",
    "Request",
    "RetryPolicy",
    "Saved",
    "ServiceUnavailable",
    "SessionClosed",
    "Settings",
    "SizeChoice",
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
    "export_journal",
    "image_model",
    "journal_folder",
    "journal_jobs",
    "quote",
    "request_from_dict",
    "request_to_dict",
    "video_model",
]


if not TYPE_CHECKING:  # a checker that sees this would believe in every misspelt name

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
