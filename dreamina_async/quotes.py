"""What a list of requests is likely to cost, from the catalogue's measured prices."""

import math
from collections.abc import Iterable

from attrs import frozen

from dreamina_async.catalogue import PRICED_SECONDS, image_model, video_model
from dreamina_async.requests import ImageRequest, Request, VideoRequest


@frozen
class Quote:
    """A forecast of credits, never a promise: prices differ by account and change.

    Attributes:
        credits: the sum of the known prices.
        unpriced: for how many jobs nobody knows the price.
        prices: one a request, in their order; None where it is not known.
        estimated: how many of the known prices were scaled to another length of video.
    """

    credits: int
    unpriced: int
    prices: tuple[int | None, ...]
    estimated: int = 0

    def __str__(self) -> str:
        known = len(self.prices) - self.unpriced
        if self.unpriced and not known:
            return f"price unknown for {_jobs(self.unpriced)}"
        text = f"about {self.credits} credit{'' if self.credits == 1 else 's'} for {_jobs(known)}"
        if self.unpriced:
            text += f", price unknown for {_jobs(self.unpriced)}"
        return text


def quote(requests: Iterable[Request]) -> Quote:
    """Add up what the requests are likely to cost; nothing is sent."""
    prices: list[int | None] = []
    estimated = 0
    for request in requests:
        price = _price(request)
        # a charge is a whole number, and the least seen is 1 (ZHI logs)
        prices.append(None if price is None else max(1, math.ceil(price)))
        estimated += price is not None and _is_scaled(request)
    known = [price for price in prices if price is not None]
    return Quote(sum(known), len(prices) - len(known), tuple(prices), estimated)


def _price(request: Request) -> float | None:
    if isinstance(request, VideoRequest):
        video = video_model(request.model)
        return video.price(request.resolution or video.default_resolution, request.duration)
    return _image_price(request)


def _image_price(request: ImageRequest) -> float | None:
    image = image_model(request.model)
    resolution = request.resolution or image.default_resolution
    return image.price(resolution, request.count, len(request.references))


def _is_scaled(request: Request) -> bool:
    return isinstance(request, VideoRequest) and request.duration != PRICED_SECONDS


def _jobs(count: int) -> str:
    return f"{count} job" if count == 1 else f"{count} jobs"
