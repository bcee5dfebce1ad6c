"""A service in this process, behind the transport's door, that errs as it is told.

It keeps the only true book of what was charged, and judges every request at the moment at
which it is sent. `Faults` draws which kinds of trouble a seed knows; each has the id that the
catalogue of the reliability notes gives it.
"""

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from random import Random
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from attrs import define, field, frozen
from session_kit import png
from simfaults import AFTER_CHARGE, BEFORE_SEND, BODIES, POLL, RANGES, Faults
from simuploads import Uploads

from dreamina_async import DreaminaError, TransportError, TransportTimeout
from dreamina_async._core.encode import GENERATE_PATH, ITEMS_PATH, STATUS_PATH
from dreamina_async._core.upload import TOKEN_PATH
from dreamina_async._core.wire import HttpRequest, HttpResponse
from dreamina_async.emulator.mp4 import mp4, sample_for

WALL = 1_800_000_000.0
"""Unix seconds of the service's clock at loop time 0."""

FATES = ("fine", "failed", "partial", "late", "empty")

_NUMBERINGS = (
    {"queued": 20, "running": 42, "done": 50, "failed": 30},
    {"queued": 20, "running": 45, "done": 50, "failed": 30},
    {"queued": 10, "running": 45, "done": 50, "failed": -1},
    {"queued": 0, "running": 20, "done": 10, "failed": 30},
    {"queued": 20, "running": 20, "done": 50, "failed": 40},
)
_HTML = b"<!doctype html><html><head><title>login</title></head></html>"
_NUMBER = re.compile(rb"sim-(\d+)")


def number_in(request: HttpRequest) -> int:
    """Which of the seed's requests this is, by its prompt."""
    return int(_NUMBER.search(request.body)[1])  # type: ignore[index]


class Violation(AssertionError):
    """A promise that did not hold."""


@frozen
class Modes:
    """What a service is like, drawn per seed; no promise may depend on it."""

    dedup: bool
    lag: float
    limit: int
    credit: int
    numbering: Mapping[str, int]
    strict_batch: bool
    as_list: bool
    takes: str
    url_life: float
    latency: float
    ranges: bool

    @classmethod
    def drawn(cls, chance: Random) -> "Modes":
        return cls(
            dedup=chance.random() < 0.5,
            lag=chance.choice((0.0, 0.0, 30.0, 300.0)),
            limit=chance.choice((1, 3, 20, 1000)),
            credit=chance.choice((1000, 1000, 1000, 8)),
            numbering=chance.choice(_NUMBERINGS),
            strict_batch=chance.random() < 0.2,
            as_list=chance.random() < 0.2,
            takes=chance.choice(("both", "both", "submit")),
            url_life=chance.choice((60.0, 3600.0, 86_400.0)),
            latency=chance.choice((0.0, 0.05, 2.0)),
            ranges=chance.random() < 0.7,
        )


@define(eq=False)
class RemoteJob:
    """One job at the service: paid, and on its way to what its fate says."""

    number: int
    submit_id: str
    history_id: str
    kind: str
    count: int
    born: float
    fate: str
    queued: float
    runs: float
    flapped: bool = False
    said_failed: int = 0
    shown: bool = False

    def age(self, now: float) -> float:
        return now - self.born

    @property
    def lasts(self) -> float:
        return self.queued + self.runs

    def over(self, now: float) -> bool:
        return self.age(now) >= self.lasts

    def visible(self, now: float) -> int:
        """How many results a record shows now."""
        if not self.over(now) or self.fate in ("failed", "empty"):
            return 0
        since = self.age(now) - self.lasts
        if self.fate == "late" and since < 25.0:  # S12, or S11 if there was one only
            return self.count - 1
        return self.count - 1 if self.fate == "partial" else self.count


@lru_cache(maxsize=4096)
def body_of(submit_id: str, kind: str, index: int) -> bytes:
    """The one true content of a result; there is no other like it."""
    name = f"{submit_id}/{index}"
    if kind == "video":
        return b"".join(mp4(sample_for("1:1"), name))
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:23])
    return png(seed, width=8, height=4)


@define(eq=False)
class Service:
    """What runs on the other side, through all lives of the client."""

    chance: Random
    faults: Faults
    modes: Modes
    requests: list[Any]
    note: Callable[..., None]
    jobs: dict[str, RemoteJob] = field(factory=dict)
    charges: Counter[str] = field(factory=Counter)
    by_history: dict[str, str] = field(factory=dict)
    turned_away: dict[str, str] = field(factory=dict)
    """Submit ids whose last refusal cost nothing and was heard, and why."""
    unresolved: set[str] = field(factory=set)
    """Submit ids that may have arrived, and of which the client was told nothing certain."""
    credit: float = 0.0
    fates: tuple[int, ...] = (80, 8, 3, 6, 3)
    uploads: Uploads = field(init=False)
    posts: int = 0
    posted: dict[str, float] = field(factory=dict)
    """When the first byte of each submit id left for the first time."""

    def __attrs_post_init__(self) -> None:
        self.credit = self.modes.credit
        self.uploads = Uploads(self.faults, self.wall, self.reply)

    def now(self) -> float:
        return self.faults.clock()

    def wall(self) -> float:
        return WALL + self.now()

    def may_have_cost(self, submit_id: str) -> bool:
        return submit_id in self.jobs or submit_id in self.unresolved

    def quiet(self) -> bool:
        return self.now() >= self.faults.quiet_at

    # ---- submits -----------------------------------------------------------------------

    def generate(self, submit_id: str, request: HttpRequest) -> tuple[HttpResponse, str | None]:
        """What the service makes of a submit that has arrived: its reply, and why it refused."""
        told = float(request.headers.get("device-time", self.wall()))
        if abs(told - self.wall()) > 300:
            self.faults.fired["T3"] += 1
            return self.no("1014"), "T3"
        refusal = self._refusal(submit_id)
        if refusal is not None:
            return refusal
        if submit_id not in self.jobs or not self.modes.dedup:
            self._charge(submit_id, number_in(request))
        job = self.jobs[submit_id]
        aigc = {"history_record_id": job.history_id, "submit_id": submit_id, "status": 20}
        return self.reply({"aigc_data": {**aigc, "created_time": WALL + job.born}}), None

    def _refusal(self, submit_id: str) -> tuple[HttpResponse, str | None] | None:
        if submit_id in self.jobs:  # what is refused would be a lie
            return None
        kind = self.faults.first(("H3", "H4", "H3c", "S17", "S20", "H7"))
        if kind in ("H3", "H4"):
            waits = ("3", "30", "") if kind == "H3" else ("-1", "NaN", "1e9", "soon", "99999999")
            return HttpResponse(429, {"retry-after": self.chance.choice(waits)}, b""), kind
        if kind is not None:
            codes = {"H3c": "1057", "S17": "2038", "S20": "1019", "H7": "1015"}
            return self.no(codes[kind]), kind
        running = sum(1 for one in self.jobs.values() if not one.over(self.now()))
        if running >= self.modes.limit:
            self.faults.fired["S21"] += 1
            return self.no(self.chance.choice(("1010", "1310"))), "S21"
        if self.credit < 1 and not self.quiet():
            self.faults.fired["S19"] += 1
            return self.no(self.chance.choice(("1006", "5000"))), "S19"
        kind = self.faults.first(("H1a", "S18", "J10"))
        if kind == "H1a":
            return HttpResponse(self.chance.choice((500, 502, 503, 504)), {}, _HTML), None
        if kind is not None:
            return self.no("2003" if kind == "S18" else "7777"), None
        return None

    def _charge(self, submit_id: str, number: int) -> None:
        request = self.requests[number]
        count = request.expected
        video = request.kind == "video"
        job = RemoteJob(
            number=number,
            submit_id=submit_id,
            history_id=str(40_000_000_000 + len(self.jobs) * 7919),
            kind=request.kind,
            count=count,
            born=self.now(),
            fate=self.chance.choices(FATES, self.fates)[0],
            queued=self.chance.choice((0.0, 1.0, 30.0, 120.0)),
            runs=self.chance.uniform(40.0, 150.0) if video else self.chance.uniform(4.0, 40.0),
        )
        if count == 1 and job.fate == "partial":
            job.fate = "fine"
        self.charges[submit_id] += 1
        self.credit -= 1
        self.jobs[submit_id] = job
        self.by_history[job.history_id] = submit_id
        self.note("charge", submit_id, job.fate)

    def after_charge(self, submit_id: str, reply: HttpResponse) -> HttpResponse:
        """The way back, on which much may happen to a reply."""
        kind = self.faults.first(AFTER_CHARGE)
        match kind:
            case None:
                return reply
            case "N8" | "N11" | "H13":
                raise self.lost(kind)
            case "H1b":
                return HttpResponse(504, {}, _HTML)
            case "H5":
                return HttpResponse(200, {"content-type": "text/html"}, _HTML)
            case "J1":
                return HttpResponse(200, {}, self.chance.choice((b"", b"null", b"[]", b"7")))
            case "J2":
                return HttpResponse(200, {}, reply.body[: self.chance.randrange(len(reply.body))])
            case "J14":
                return self.reply(None)
            case _:
                other = {"history_record_id": "4711", "submit_id": "0" * 8 + submit_id[8:]}
                return self.reply({"aigc_data": other})

    def lost(self, kind: str) -> DreaminaError:
        if kind in ("N11", "N12"):
            return TransportTimeout("no reply in time", "unknown", sent=True)
        return TransportError("the server closed the connection", "unknown", sent=True)

    # ---- status calls ------------------------------------------------------------------

    def status(self, asked: list[str], kind: str) -> tuple[HttpResponse, list[str] | None]:
        """What the service shows of jobs, and of which; None if the call fails."""
        if self.modes.takes not in ("both", kind):
            return self.no("2002"), []
        trouble = self.faults.first(POLL)
        if trouble is not None and trouble != "J2p":
            return self._no_status(trouble), None
        found = {one: self._record(one, kind) for one in asked}
        if self.modes.strict_batch and None in found.values():
            self.faults.fired["S3"] += 1
            return self.no("2001"), []
        records = self._disturbed({one: made for one, made in found.items() if made is not None})
        data: Any = list(records.values()) if self.modes.as_list else records
        reply = self.reply(data)
        if trouble == "J2p":
            return HttpResponse(200, {}, reply.body[: self.chance.randrange(len(reply.body))]), None
        return reply, self._remember_what_was_said(records)

    def _no_status(self, trouble: str) -> HttpResponse:
        match trouble:
            case "H2":
                return HttpResponse(self.chance.choice((500, 502, 503, 504)), {}, b"")
            case "H3p":
                return HttpResponse(429, {"retry-after": self.chance.choice(("2", "60", ""))}, b"")
            case "H5p":
                return HttpResponse(200, {}, _HTML)
            case "H6":
                elsewhere = {"location": "https://login.example/"}
                return HttpResponse(self.chance.choice((302, 307)), elsewhere, b"")
            case "H8":
                return HttpResponse(self.chance.choice((413, 414, 431)), {}, b"")
            case "H19":
                return HttpResponse(self.chance.choice((204, 205, 304, 999)), {}, b"")
            case "J1p":
                return HttpResponse(200, {}, self.chance.choice((b"", b"null", b"[]", b"7")))
            case "J14p":
                return self.reply(self.chance.choice((7, "x")))
            case _:
                return self.no(self.chance.choice(("2003", "1057")))

    def _record(self, asked: str, kind: str) -> dict[str, Any] | None:
        submit_id = self.by_history.get(asked) if kind == "history" else asked
        job = self.jobs.get(submit_id or "")
        if job is None:
            return None
        if job.age(self.now()) < (0.0 if self.quiet() else self.modes.lag):
            self.faults.fired["S1"] += 1
            return None
        if job.shown and self.faults.hits("S2"):
            return None
        return self._record_of(job)

    def _record_of(self, job: RemoteJob) -> dict[str, Any]:
        now, numbers = self.now(), self.modes.numbering
        record: dict[str, Any] = {
            "history_record_id": job.history_id,
            "submit_id": job.submit_id,
            "created_time": WALL + job.born,
            "total_image_count": job.count,
            "item_list": [self._item(job, index) for index in range(job.visible(now))],
        }
        if not job.over(now):
            record["status"] = numbers["queued" if job.age(now) < job.queued else "running"]
            record["forecast_generate_cost"] = round(job.runs)
            if self.faults.hits("S9"):
                record["status"] = 46
            if self.faults.hits("T9"):
                record["queue_info"] = {
                    "queue_status": 1,
                    "queue_idx": 3,
                    "polling_config": {"interval_seconds": self.chance.choice((0, -5, 1e9, 30))},
                }
            if not job.flapped and self.faults.hits("S10"):
                job.flapped = True
                record["status"] = self.chance.choice((50, 30))
        elif job.fate == "failed":
            record |= {"status": numbers["failed"], "fail_code": "2038", "fail_msg": "no"}
        else:
            # without a result 10 means queueing: nobody could tell that it is over
            done = numbers["done"] if record["item_list"] else 50
            record |= {"status": done, "finish_time": self.wall()}
            self._count_fate(job, len(record["item_list"]))
        return self._retyped(record)

    def _retyped(self, record: dict[str, Any]) -> dict[str, Any]:
        """The same said otherwise: twice, with more, in other types."""
        if self.faults.hits("S7"):
            record["item_list"] = record["item_list"] * 2
        if self.faults.hits("J11"):
            record |= {"novelty": {"a": [1]}, "submit_ids": None}
        if self.faults.hits("J12"):
            record["history_record_id"] = int(record["history_record_id"])
            record["total_image_count"] = str(record["total_image_count"])
        return record

    def _count_fate(self, job: RemoteJob, shown: int) -> None:
        if job.fate == "empty" or not shown:
            self.faults.fired["S11"] += 1
        elif shown < job.count:
            self.faults.fired["S12"] += 1

    def _item(self, job: RemoteJob, index: int) -> dict[str, Any]:
        content = body_of(job.submit_id, job.kind, index)
        expires = int(self.wall() + self.modes.url_life)
        url = f"https://p1.media.example/{job.submit_id}/{index}?x-expires={expires}&x-signature=s"
        facts = {
            "size": len(content),
            "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
            "width": 8,
            "height": 4,
        }
        name = f"tos-{job.submit_id}-{index}"
        common = {"id": f"{job.history_id}{index}"}
        if job.kind == "video":
            origin = {"video_url": url, "vid": name, **facts}
            video = {"video_id": name, "transcoded_video": {"origin": origin}}
            return {"common_attr": common, "video": video}
        large = {"image_url": url, "image_uri": name, "format": "png", **facts}
        return {"common_attr": common, "image": {"large_images": [large]}}

    def _disturbed(self, records: dict[str, Any]) -> dict[str, Any]:
        if len(records) > 1 and self.faults.hits("S4"):
            del records[self.chance.choice(list(records))]
        if self.faults.hits("S4f"):
            self._add_a_stranger(records)
        if self.faults.hits("S6") and records:
            records[self.chance.choice(list(records))] = self.chance.choice((None, {}))
        if len(records) > 1 and not self.modes.as_list and self.faults.hits("S5"):
            one, other = self.chance.sample(list(records), 2)
            records[one], records[other] = records[other], records[one]
        return records

    def _add_a_stranger(self, records: dict[str, Any]) -> None:
        """A record that was not asked for."""
        strangers = [one for one in self.jobs.values() if one.history_id not in records]
        if strangers and not any(one.submit_id in records for one in strangers):
            stranger = self.chance.choice(strangers)
            records[stranger.history_id] = self._record_of(stranger)

    def _remember_what_was_said(self, records: dict[str, Any]) -> list[str]:
        """The submit ids whose records were shown in their own places."""
        shown: list[str] = []
        for key, record in records.items():
            if record:
                job = self.jobs[record["submit_id"]]
                job.shown = True
                job.said_failed += record["status"] == self.modes.numbering["failed"]
                if self.modes.as_list or key in (job.submit_id, job.history_id):
                    shown.append(job.submit_id)
        return shown

    # ---- media -------------------------------------------------------------------------

    def media(self, url: str, asked: Mapping[str, str]) -> "_Body":
        """What the media host sends for a URL."""
        parts = urlsplit(url)
        _, submit_id, index = parts.path.split("/")
        content = body_of(submit_id, self.jobs[submit_id].kind, int(index))
        if self.wall() >= float(parse_qs(parts.query)["x-expires"][0]):
            self.faults.fired["T4"] += 1
            return _Body(403, {}, [b"expired"])
        if self.faults.hits("H18"):
            return _Body(self.chance.choice((403, 404, 410)), {}, [b"denied"])
        span = re.fullmatch(r"bytes=(\d+)-", asked.get("Range", ""))
        if span is not None and self.modes.ranges:
            return self._rest(content, int(span[1]))
        return self._damaged(content)

    def _rest(self, content: bytes, start: int) -> "_Body":
        """A range, of a host that knows of ranges."""
        whole = len(content)
        headers = {
            "etag": _etag(content),
            "content-length": str(whole - start),
            "content-range": f"bytes {start}-{whole - 1}/{whole}",
        }
        match self.faults.first(RANGES):
            case "H16r" if start:
                headers["content-range"] = f"bytes {start - 1}-{whole - 2}/{whole}"
            case "H17":
                return _Body(416, {"content-range": f"bytes */{whole}"}, [b""])
            case "H20":
                headers["etag"] = '"another"'
            case _:
                self.faults.fired["resumed"] += 1
        return _Body(206, headers, self._pieces(content[start:]))

    def _damaged(self, content: bytes) -> "_Body":
        kind = self.faults.first(BODIES)
        headers = {"content-length": str(len(content))}
        if self.modes.ranges:
            headers |= {"etag": _etag(content), "accept-ranges": "bytes"}
        cut = self.chance.randrange(len(content))
        status, ending = 200, None
        match kind:
            case "H9":
                content, ending = content[:cut], "N8"
            case "H10":
                content, headers = content[:cut], {}
            case "H11":
                headers["content-encoding"] = "gzip"
            case "H15":
                content, headers = _HTML, {}
            case "H16":
                status, content = 206, content[:cut]
                headers = {"content-length": str(cut), "content-range": f"bytes 0-{cut}/*"}
            case "H21":
                ending = "H21"
            case "N12":
                content, ending = content[:cut], "N12"
            case "F6c":
                content = content[:cut] + bytes([content[cut] ^ 1]) + content[cut + 1 :]
            case _:
                pass
        return _Body(status, headers, self._pieces(content), ending)

    def _pieces(self, content: bytes) -> list[bytes]:
        where = sorted(self.chance.randrange(len(content) + 1) for _ in range(2))
        parts = content[: where[0]], content[where[0] : where[1]], content[where[1] :]
        return [part for part in parts if part]

    # ---- replies -----------------------------------------------------------------------

    def reply(self, data: Any) -> HttpResponse:
        body = {"ret": "0", "errmsg": "success", "systime": str(int(self.wall())), "data": data}
        return HttpResponse(200, {"content-type": "application/json"}, json.dumps(body).encode())

    def no(self, code: str) -> HttpResponse:
        body = {"ret": code, "errmsg": "no", "systime": str(int(self.wall())), "logid": "l"}
        return HttpResponse(200, {}, json.dumps(body).encode())


@frozen
class _Body:
    """A media reply, and how it ends."""

    status: int
    headers: Mapping[str, str]
    pieces: list[bytes]
    ending: str | None = None


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


@define(eq=False)
class Line:
    """One session's connections to the service: the transport's door."""

    service: Service
    life: Any
    """Which life of the client this is; see `simworld`."""
    in_flight: int = 0
    polling: int = 0
    tokens: float = 0.0
    asked_at: float = float("-inf")
    stopped_at: float | None = None
    status_failed_at: float | None = None
    """When the latest status call failed, if none has succeeded since."""
    _tried: set[str] = field(factory=set)
    """Submit ids and media paths for which a call has gone out before."""

    async def send(
        self, request: HttpRequest, announce: Callable[[], None] | None = None
    ) -> HttpResponse:
        if request.path == GENERATE_PATH:
            return await self._generate(request, announce)
        if request.path == STATUS_PATH:
            return await self._status(request)
        if request.path == TOKEN_PATH:
            return await self._free(self.service.uploads.token)
        if request.path == "/":
            return await self._free(lambda: self.service.uploads.imagex(request))
        assert request.path == ITEMS_PATH, request.path
        return self.service.no("1000")

    async def _free(self, answer: Callable[[], HttpResponse]) -> HttpResponse:
        """A call of an upload: it may be repeated as often as one likes."""
        service = self.service
        self._require_alive(sent=False)
        await self._pause()
        if service.faults.hits("N4u"):
            raise TransportError("cannot connect", "no", sent=False)
        reply = answer()
        if service.faults.hits("N8u"):
            raise service.lost("N8")
        await self._pause()
        self._require_alive(sent=True)
        return reply

    async def _pause(self, factor: float = 1.0) -> None:
        await asyncio.sleep(factor * self.service.modes.latency * self.service.chance.random())

    def _require_alive(self, *, sent: bool) -> None:
        if self.life.dead:
            raise TransportError("cannot connect", "unknown" if sent else "no", sent=sent)

    # ---- a submit ----------------------------------------------------------------------

    async def _generate(
        self, request: HttpRequest, announce: Callable[[], None] | None
    ) -> HttpResponse:
        submit_id = json.loads(request.body)["submit_id"]
        self.life.attempt(again=submit_id in self._tried)
        self._tried.add(submit_id)
        self.in_flight += 1
        try:
            reply = await self._exchange(submit_id, request, announce)
        except DreaminaError:
            self.life.trouble()
            raise
        finally:
            self.in_flight -= 1
        if reply.status != 200:
            self.life.trouble()
        return reply

    async def _exchange(
        self, submit_id: str, request: HttpRequest, announce: Callable[[], None] | None
    ) -> HttpResponse:
        service = self.service
        self._require_alive(sent=False)
        await self._pause()
        if service.faults.first(BEFORE_SEND) is not None:
            raise TransportError("cannot connect", "no", sent=False)
        self._require_alive(sent=False)
        if announce is not None:
            announce()
        service.posts += 1
        service.note("post", submit_id)
        number = number_in(request)
        self.life.check_post(self, submit_id, number)
        self.life.check_pictures(submit_id, number, service.uploads.named_in(request))
        service.posted.setdefault(submit_id, service.now())
        service.unresolved.add(submit_id)
        self.life.step("send", submit_id)
        self._require_alive(sent=True)
        await self._pause()
        if service.faults.hits("N10"):
            raise service.lost("N10")
        self._require_alive(sent=True)
        return await self._answered(submit_id, request)

    async def _answered(self, submit_id: str, request: HttpRequest) -> HttpResponse:
        service = self.service
        reply, refusal = service.generate(submit_id, request)
        self.life.step("received", submit_id)
        await self._pause()
        self._require_alive(sent=True)
        if refusal is not None:
            service.note("refused", submit_id, refusal)
            service.unresolved.discard(submit_id)
            service.turned_away[submit_id] = refusal
            if refusal == "T3":  # sent anew at once, by the right time, and once only
                self._tried.discard(submit_id)
            if refusal in ("H7", "S20"):
                self.stopped_at = service.now()
            return reply
        if submit_id in service.jobs:
            reply = service.after_charge(submit_id, reply)
        service.note("replied", submit_id, reply.status)
        return reply

    # ---- a status call -----------------------------------------------------------------

    async def _status(self, request: HttpRequest) -> HttpResponse:
        service = self.service
        body = json.loads(request.body)
        kind = "history" if "history_ids" in body else "submit"
        asked = body[f"{kind}_ids"]
        self._check_poll(asked)
        failed_at = self.status_failed_at
        # one that left together with the failed one was no retry
        again = failed_at is not None and not self.polling and service.now() > failed_at + 0.1
        self.life.attempt(again=again)
        self.life.called()
        self.life.asked(asked)
        service.note("status", kind, *asked)
        self.polling += 1
        try:
            reply, shown = await self._looked(asked, kind)
        except DreaminaError:
            self._status_failed()
            raise
        finally:
            self.polling -= 1
        service.note("shown", *(["nothing"] if shown is None else shown))
        if shown is None:
            self._status_failed()
        else:
            self.status_failed_at = None
            for submit_id in shown:
                self.life.shown(submit_id)
        return reply

    def _status_failed(self) -> None:
        self.status_failed_at = self.service.now()
        self.life.trouble()

    async def _looked(self, asked: list[str], kind: str) -> tuple[HttpResponse, list[str] | None]:
        """A reply, and the jobs that it shows; None if it tells nothing."""
        service = self.service
        self._require_alive(sent=True)
        await self._pause()
        if service.faults.first(("N9", "N13")) is not None:
            raise service.lost("N13")
        reply, shown = service.status(asked, kind)
        await self._pause()
        self._require_alive(sent=True)
        return reply, shown

    def _check_poll(self, asked: list[str]) -> None:
        """Invariant 18: the ceiling in every window, ten unique ids, four calls at once."""
        policy = self.life.settings.polling
        now = self.service.now()
        earned = (now - self.asked_at) * policy.rate
        self.tokens = min(float(policy.burst), self.tokens + earned) - 1
        self.asked_at = now
        if self.tokens < -1e-6:
            raise self.life.violation(f"18: a status call too many at {now}")
        if len(asked) > 10 or len(set(asked)) != len(asked) or not asked:
            raise self.life.violation(f"18: {len(asked)} ids in one call")
        if self.polling >= 4:
            raise self.life.violation("18: five status calls at once")

    # ---- media -------------------------------------------------------------------------

    @asynccontextmanager
    async def _stream(self, url: str, asked: Mapping[str, str]) -> AsyncIterator["_Stream"]:
        if urlsplit(url).path not in self._tried:
            self._tried.add(urlsplit(url).path)
            self.life.attempt(again=False)
        self._require_alive(sent=True)
        await self._pause()
        body = self.service.media(url, asked)
        self.service.note("media", urlsplit(url).path, body.status, body.ending)
        yield _Stream(body.status, body.headers, self, body)

    def stream(self, url: str, headers: Mapping[str, str] = MappingProxyType({})) -> Any:
        return self._stream(url, headers)

    async def upload(
        self, request: HttpRequest, body: AsyncIterable[bytes], size: int
    ) -> HttpResponse:
        self._require_alive(sent=False)
        await self._pause()
        reply = await self.service.uploads.take(request, body)
        self.service.note("upload", request.path, reply.status)
        if self.service.faults.hits("N8u"):
            raise self.service.lost("N8")
        self._require_alive(sent=True)
        return reply

    async def aclose(self) -> None:
        """Nothing to close."""


@frozen
class _Stream:
    status: int
    headers: Mapping[str, str]
    line: Line
    body: _Body

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        for piece in self.body.pieces:
            if self.body.ending == "H21":
                await asyncio.sleep(45.0)
            elif self.line.service.faults.hits("T5", 0.1):
                await asyncio.sleep(70.0)
            await self.line._pause(0.1)
            self.line._require_alive(sent=True)
            yield piece
        if self.body.ending in ("N8", "N12"):
            raise self.line.service.lost(self.body.ending)
