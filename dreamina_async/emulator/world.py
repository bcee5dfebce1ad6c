"""The state of the emulated service: accounts, jobs, files, and the rules for accepting a job."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import attrs

from .catalogue import IMAGE_MODELS, VIDEO_RATIOS
from .chance import decimal_id
from .envelope import Refusal, meaning, refused
from .items import ItemWriter
from .jobs import Job, MediaFile, image_file, new_history_id, video_file
from .ledger import Account, Charge, Ledger
from .links import Link, LinkSigner
from .records import RecordWriter, item_id
from .sizes import nearest_ratio
from .timeline import plan
from .uploads import Uploads

if TYPE_CHECKING:
    from .mp4 import Rendition
    from .options import EmulatorOptions
    from .order import Order
    from .variants import IdKind

_REGION_PREFIXES = ("us-", "hk-", "jp-", "sg-")
_LIMIT_CODES = {"image": "1010", "video": "1310"}
_FREE_RESOLUTIONS = frozenset({"1k", "480p", "720p"})
DAILY_GRANT = 60


class World:
    """Everything the service knows. Its methods decide; none of them waits."""

    def __init__(self, options: EmulatorOptions) -> None:
        self.options: EmulatorOptions = options
        self.ledger: Ledger = Ledger()
        self.links: LinkSigner = LinkSigner(options)
        self.uploads: Uploads = Uploads(options)
        self.items: ItemWriter = ItemWriter(options, self.links, self.file)
        self.records: RecordWriter = RecordWriter(options, self.items.item)
        self.jobs: dict[str, Job] = {}
        self.accounts: dict[str, Account] = {}
        self._submitted: dict[str, list[Job]] = {}
        self._files: dict[tuple[str, int, str], MediaFile] = {}
        self._uris: dict[str, tuple[Job, int, Rendition]] = {}
        self._items: dict[str, tuple[Job, int]] = {}

    def login(self, sessionid: str) -> Account:
        """Find the account of a session, or refuse with 1015."""
        allowed = self.options.sessionids
        unknown = allowed is not None and sessionid not in allowed
        # The region prefix is the client's own convention; the service knows no such session.
        if not sessionid or unknown or sessionid.lower().startswith(_REGION_PREFIXES):
            raise Refusal("1015")
        if sessionid not in self.accounts:
            label = f"account-{len(self.accounts) + 1}"
            uid = decimal_id(self.options.seed, 16, "uid", sessionid)
            self.accounts[sessionid] = Account(label, uid, self.options.balance)
        return self.accounts[sessionid]

    def accept(self, account: Account, order: Order, now: float) -> Job:
        """Take an order: charge it and fix its timeline, or refuse it."""
        jobs = self.submitted(order.submit_id)
        known = [job for job in jobs if job.account is account]
        if known and self.options.dedup:
            return known[-1]
        order = self._check_images(account, order)
        self._check(account, order, now)
        job = self._new_job(account, order, len(known), now)
        self._submitted.setdefault(order.submit_id, []).append(job)
        self.jobs[job.history_id] = job
        for index in range(order.count):
            self._items[item_id(self.options, job, index)] = (job, index)
        self._charge(job)
        return job

    def find(self, account: Account, kind: IdKind, identity: str, now: float) -> Job | None:
        """Find a job of this account by an id of this kind, once it has become visible."""
        jobs = self.submitted(identity)
        if kind == "history":
            jobs = (self.jobs[identity],) if identity in self.jobs else ()
        seen = (job for job in reversed(jobs) if job.account is account and job.visible_at <= now)
        return next(seen, None)

    def subject(self, identity: str) -> str:
        """Say what the ``match`` of a fault is looked for in, for the id of a job or an item."""
        jobs = self.submitted(identity)
        if identity in self.jobs:
            jobs = (self.jobs[identity],)
        elif identity in self._items:
            jobs = (self._items[identity][0],)
        return "\n".join([identity, *(job.subject for job in jobs)])

    def find_item(self, account: Account, identity: str, now: float) -> tuple[Job, int] | None:
        """Find a finished item of this account by its id."""
        job, index = self._items.get(identity, (None, 0))
        if job is None or job.account is not account or index >= job.stage(now).items:
            return None
        return job, index

    def jobs_of(self, account: Account, now: float) -> list[Job]:
        """Give the visible jobs of an account, in order of acceptance."""
        return [
            job for job in self.jobs.values() if job.account is account and job.visible_at <= now
        ]

    def submitted(self, submit_id: str) -> tuple[Job, ...]:
        """Give the jobs of a submit id, whatever their account."""
        return tuple(self._submitted.get(submit_id, ()))

    def file(self, job: Job, index: int, rendition: Rendition) -> MediaFile:
        """Give the file of an item, made when first needed."""
        key = (job.history_id, index, rendition)
        file = self._files.get(key)
        if file is None:
            if job.order.kind == "image":
                file = image_file(self.options, job, index)
            else:
                file = video_file(self.options, job, index, rendition)
            self._files[key] = file
            self._uris[file.uri] = (job, index, rendition)
        return file

    def linked_file(self, link: Link) -> MediaFile | None:
        """Give the file behind a signed URL."""
        if link.uri not in self._uris:
            return None
        job, index, rendition = self._uris[link.uri]
        if link.edge:
            return image_file(self.options, job, index, link.edge)
        return self.file(job, index, rendition)

    def receive_daily(self, account: Account) -> dict[str, Any]:
        """Grant the free credits of today (UTC+8), once (protocol notes 7)."""
        now = self.options.wall()
        day = time.strftime("%Y-%m-%d", time.gmtime(now + 8 * 3600))
        first = account.grant(DAILY_GRANT, day, now)
        return {
            "is_first_receive": first,
            "receive_quota": DAILY_GRANT if first else 0,
            "has_popup": False,
            "cur_total_credits": account.gift,
        }

    def own_file(self, account: Account, uri: str) -> MediaFile | None:
        """Give an image this account made."""
        made = self._uris.get(uri)
        if made is None or made[0].account is not account or made[0].order.kind != "image":
            return None
        return self.file(*made)

    def own_image(self, account: Account, uri: str) -> bool:
        """Say whether an account made this image or uploaded it."""
        made = self.own_file(account, uri) is not None
        return made or self.uploads.known(account, uri) is not None

    def _check_images(self, account: Account, order: Order) -> Order:
        """Refuse images that are not the account's own; let a frame decide the video's ratio."""
        if self.options.check_uris:
            for uri in order.uris:
                if not self.own_image(account, uri):
                    raise Refusal("1000", "invalid parameter: unknown image uri")
        if not order.first_frame:
            return order
        upload = self.uploads.known(account, order.first_frame)
        size = (upload.width, upload.height) if upload is not None else order.frame_size
        if min(size) <= 0:
            return order
        return attrs.evolve(order, ratio=nearest_ratio(size, VIDEO_RATIOS))

    def _check(self, account: Account, order: Order, now: float) -> None:
        account.settle(now)
        code = self.options.outcome_of(order.prompt).ret
        if code is not None:
            raise refused(code, meaning(code, self.options.code_texts))
        limit = self.options.image_limit if order.kind == "image" else self.options.video_limit
        if limit is not None and self._running(account, order.kind, now) >= limit:
            raise refused(_LIMIT_CODES[order.kind])
        missing_right = not self.options.entitled and _needs_right(order)
        if missing_right or account.gift < order.credits:
            raise refused("1006")

    def _running(self, account: Account, kind: str, now: float) -> int:
        return sum(
            job.account is account and job.order.kind == kind and not job.stage(now).over
            for job in self.jobs.values()
        )

    def _new_job(self, account: Account, order: Order, occurrence: int, now: float) -> Job:
        options = self.options
        outcome = options.outcome_of(order.prompt)
        return Job(
            order=order,
            account=account,
            plan=plan(options, order, occurrence),
            outcome=outcome,
            history_id=new_history_id(options, f"{account.uid} {order.submit_id}", occurrence),
            occurrence=occurrence,
            created_at=options.wall(),
            accepted_at=now,
            visible_at=now + options.read_lag / options.speed,
            empty_looks=outcome.empty_looks,
        )

    def _charge(self, job: Job) -> None:
        order = job.order
        charge = Charge(
            submit_id=order.submit_id,
            history_id=job.history_id,
            account=job.account.label,
            kind=order.kind,
            model=order.model,
            prompt=order.prompt,
            count=order.count,
            credits=order.credits,
            charged_at=job.created_at,
        )
        settles_at = job.accepted_at + self.options.settle_after / self.options.speed
        job.account.debit(charge, settles_at)
        paid_back = self.options.refund_failed and job.outcome.yields_nothing
        if paid_back and math.isfinite(job.ends_at):
            job.account.owe(charge, job.ends_at, job.finished_at())
        self.ledger.add(charge)


def _needs_right(order: Order) -> bool:
    """Say whether an order needs more than credits: a high resolution, an old model (AIC)."""
    model = IMAGE_MODELS.get(order.model)
    return order.resolution not in _FREE_RESOLUTIONS or (model is not None and model.older)
