"""The single task that asks: it decides nothing, it performs what `schedule` answers.

Every status call of a session goes through here - pending jobs, unanswered submits, fresh
URLs, one-off looks - so that one ceiling holds for all of them and batches fill up.
"""

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from functools import partial

from attrs import define, evolve, field, frozen

from dreamina_async._core.backoff import (
    backoff_after,
    first_look_after,
    next_look_after,
    slows_all,
    spread,
)
from dreamina_async._core.decode import StatusReply, decode_status
from dreamina_async._core.encode import IdKind, encode_status
from dreamina_async._core.foresight import Foresight
from dreamina_async._core.idkinds import IdKinds, has_both, other_kind
from dreamina_async._core.ledger import Entry
from dreamina_async._core.profile import Caller
from dreamina_async._core.reconcile import (
    Lost,
    Over,
    Pending,
    Ready,
    Sight,
    Unanswered,
    reconcile,
    strange_status,
)
from dreamina_async._core.schedule import Ask, Idle, LookAgain, Schedule
from dreamina_async._runtime.clock import Clock
from dreamina_async._runtime.decoding import decoded
from dreamina_async._runtime.jobs import Jobs
from dreamina_async._runtime.log import extras, log
from dreamina_async._runtime.pace import Pace
from dreamina_async._runtime.transport import Transport
from dreamina_async.errors import (
    AccountRestricted,
    ApiError,
    AuthenticationError,
    DreaminaError,
    JobLost,
    ProtocolError,
    RateLimited,
    ServiceUnavailable,
    StorageError,
)
from dreamina_async.gate import Gate, OpenGate
from dreamina_async.models import JobReport, JobState, MediaItem
from dreamina_async.settings import Settings

_CONFIRMED_IN = 10.0
"""Seconds in which the next status call should have told whether the login is refused indeed."""

_OVERLAP = 4
"""Status calls on their way at once: a slow service must not hold up the rest."""

Deliver = Callable[[Entry, tuple[MediaItem, ...]], None]
Spawn = Callable[..., None]
"""Start `function(*arguments)` as a task of the session's own group."""


@frozen(eq=False)
class _Look:
    """A one-off question about one id."""

    id: str
    kind: IdKind
    answer: "asyncio.Future[JobReport | None]"


_Key = str | _Look


@define(eq=False)
class Poller:
    """Owns the schedule and every status call."""

    jobs: Jobs
    transport: Transport
    caller: Caller
    clock: Clock
    settings: Settings
    pace: Pace
    schedule: Schedule[_Key]
    deliver: Deliver
    on_unanswered: Callable[[Entry], bool]
    on_refused: Callable[[DreaminaError], None]
    on_account: Callable[[DreaminaError | None, float], None] = lambda _, __: None
    """Told what a status call says of the account, and until when it is not known for certain;
    or None, when all is well again."""
    foresight: Foresight = field(factory=Foresight)
    gate: Gate = field(factory=OpenGate)
    _kinds: IdKinds = field(init=False)
    _wake: asyncio.Event = field(factory=asyncio.Event)
    _looks: dict[_Look, None] = field(factory=dict[_Look, None])
    """In the order in which they were asked for; they hear of the end in it, too."""
    _calls: int = 0
    _failures: int = 0
    _refusals: int = 0
    _said: dict[str, tuple[str, type[DreaminaError], str]] = field(factory=dict)
    """What the log was last told of a job, or under "" of the calls as a whole."""
    _strange: set[int] = field(factory=set)
    _closed: DreaminaError | None = None

    def __attrs_post_init__(self) -> None:
        self._kinds = IdKinds(self.caller.profile.ids or "history")

    # ---- what others ask for -----------------------------------------------------------

    def track(self, entry: Entry, sight: Sight, *, at_once: bool = False) -> None:
        """Follow a job until it is over."""
        entry.sight = sight
        now = self.clock.monotonic()
        outlook = self.foresight.outlook(sight.kind)
        after = 0.0 if at_once else first_look_after(sight, self.settings.polling, outlook)
        due = max(now, sight.since + spread(after, entry.job_id, 0))
        self._put(entry, due)

    def doubt(self, entry: Entry) -> None:
        """Another reply has named this job's history id, too; look by its submit id."""
        self._kinds.doubt(entry)
        if entry.state is JobState.ACCEPTED and not entry.over:
            self._put(entry, self.clock.monotonic())

    def forget(self, entry: Entry) -> None:
        """Ask no more for this job."""
        self.schedule.drop([entry.job_id])

    async def refresh(self, entry: Entry) -> JobReport | None:
        """A fresh report of a finished job, for the sake of its URLs.

        Raises:
            DreaminaError: the call failed.
        """
        kind = self._kinds.choose(entry)
        try:
            return await self._look_at(entry, kind)
        except ApiError as error:
            if not (_is_about_the_ids(error) and has_both(entry)):
                raise
        # the service may not take this kind of id, and in this session nobody knows it yet
        return await self._look_at(entry, other_kind(kind))

    async def _look_at(self, entry: Entry, kind: IdKind) -> JobReport | None:
        id_ = entry.history_id if kind == "history" else entry.submit_id
        assert id_ is not None
        report = await self.look(id_, kind)
        if report is not None and (foreign := await self._speaks_of_another(entry, report)):
            raise foreign
        return report

    async def look(self, id_: str, kind: IdKind) -> JobReport | None:
        """One look at one id, in the next call; None if the service does not know it.

        Raises:
            DreaminaError: the call failed.
        """
        self.check_open()
        answer: asyncio.Future[JobReport | None] = asyncio.get_running_loop().create_future()
        key = _Look(id_, kind, answer)
        self._looks[key] = None
        self.schedule.put(key, self.clock.monotonic(), kind)
        self._wake.set()
        try:
            return await answer
        finally:
            self._looks.pop(key, None)
            self.schedule.drop([key])

    def check_open(self) -> None:
        """Refuse what would never be answered.

        Raises:
            DreaminaError: why no more is asked.
        """
        if self._closed is not None:
            raise copy(self._closed)

    # ---- the task ----------------------------------------------------------------------

    async def run(self, spawn: Spawn) -> None:
        """Ask until cancelled. `spawn` starts a call in the session's own group."""
        reached = float("-inf")
        while True:
            # before the ledger is read, or a wake-up in between would be lost
            self._wake.clear()
            if self._calls >= _OVERLAP or self.schedule.ceiling.full:
                await self._wake.wait()
                continue
            self._keep_pace()
            # a timer may fire a hair early: an instant that was waited for has come
            match self.schedule.next(max(self.clock.monotonic(), reached)):
                case Ask(kind, keys):
                    self._calls += 1
                    self.pace.attempt(again=self._failures > 0)
                    spawn(self._call, kind, keys, self._held())
                case LookAgain(at):
                    await self.clock.wait(self._wake, at)
                    reached = reached if self._wake.is_set() else at
                case Idle():
                    await self._wake.wait()

    def _keep_pace(self) -> None:
        """What slows the whole session slows the looks, too; after a failure each is a retry."""
        ceiling = self.schedule.ceiling
        ceiling.pause(self.pace.paused_until)
        ceiling.retry_at = self.pace.retry_at() if self._failures else float("-inf")

    def _held(self) -> Callable[[], None]:
        """The ceiling keeps a call's place until its first byte leaves, however late that is."""
        ceiling, held = self.schedule.ceiling, True
        ceiling.hold(self.clock.monotonic())

        def left() -> None:
            nonlocal held
            if held:
                held = False
                ceiling.left(self.clock.monotonic())
                self._wake.set()

        return left

    async def _call(self, kind: IdKind, keys: Sequence[_Key], left: Callable[[], None]) -> None:
        try:
            ids = {key: self._id(key, kind) for key in keys}
            asked = tuple(dict.fromkeys(id_ for id_ in ids.values() if id_))
            if asked:
                await self._ask(kind, keys, ids, asked, left)
        finally:
            left()
            self._calls -= 1
            self._wake.set()

    async def _ask(
        self,
        kind: IdKind,
        keys: Sequence[_Key],
        ids: dict[_Key, str],
        asked: tuple[str, ...],
        left: Callable[[], None],
    ) -> None:
        counters = self.jobs.counters
        try:
            await self.gate.before_look()
            counters.status_calls += 1
            counters.status_ids += len(asked)
            request = encode_status(asked, kind, self.caller, self.clock.wall())
            response = await self.transport.send(request, left)
            self.pace.heard()
            decode = partial(decode_status, ids=asked, now=self.clock.wall())
            reply = await decoded(response, decode)
        except DreaminaError as error:
            self._refused(kind, keys, error)
        else:
            self._is_well()
            self._said.pop("", None)
            now = self.clock.monotonic()
            for key in keys:
                await self._heard(key, kind, reply, ids[key], now)

    def _id(self, key: _Key, kind: IdKind) -> str:
        if isinstance(key, _Look):
            return key.id
        entry = self.jobs.ledger.get(key)
        if entry is None or entry.over:
            return ""
        return (entry.history_id if kind == "history" else entry.submit_id) or ""

    # ---- what came of a call -----------------------------------------------------------

    async def _heard(
        self, key: _Key, kind: IdKind, reply: StatusReply, id_: str, now: float
    ) -> None:
        damaged: DreaminaError | None = reply.damaged.get(id_)
        if isinstance(key, _Look):
            if not key.answer.done():
                if damaged is not None:
                    key.answer.set_exception(damaged)
                else:
                    key.answer.set_result(reply.reports.get(id_))
            return
        entry = self.jobs.ledger.get(key)
        if entry is None:
            return
        report = reply.reports.get(id_)
        foreign = await self._speaks_of_another(entry, report) if report is not None else None
        if entry.over or entry.sight is None:  # given up meanwhile
            return
        damaged = damaged or foreign or _no_proof(entry.sight, reply)
        if damaged is not None:
            self._warn(key, f"job {key}: its record cannot be read", damaged)
            if not self._overdue(entry, damaged, now):
                wrong_id = foreign is not None and kind == self._kinds.choose(entry)
                self._again(entry, now, other_id=wrong_id)
            return
        self._said.pop(key, None)
        if report is not None and has_both(entry):
            self._kinds.answered(kind)
        await self._merge(entry, report, now)

    async def _speaks_of_another(self, entry: Entry, report: JobReport) -> DreaminaError | None:
        """S5: a record under one of our ids that carries another job's other id."""
        foreign = ProtocolError("the record carries the id of another job", "unknown")
        if _contradicts(entry, report):
            return foreign
        if entry.history_id or report.submit_id or report.history_id is None:
            return None
        try:  # it says of itself no more than a history id, which is new to this job
            known = await self.jobs.by_history(report.history_id)
        except StorageError as error:
            return error
        # one that was attached by its history id may be this very job
        theirs = known.submit_id if known is not None else None
        return None if theirs in (None, entry.submit_id) else foreign

    async def _merge(self, entry: Entry, report: JobReport | None, now: float) -> None:
        assert entry.sight is not None
        policies = self.settings.polling, self.settings.retrying
        before = entry.sight
        entry.sight, verdict = reconcile(before, report, now, *policies)
        if report is not None:
            self.jobs.identified(entry, report)
            self._wonder(entry, report)
            await self._found(entry, report)
            if entry.over:  # given up meanwhile
                return
        match verdict:
            case Pending():
                if report is not None and _differs(before, entry.sight):
                    self.jobs.progressed(entry)
                looked_in_vain = report is None and entry.sight.looks_absent % 2 == 1
                self._again(entry, now, other_id=looked_in_vain)
            case Ready(items, missing):
                self.foresight.ended(before, now)
                self.jobs.ready(entry, report, len(items), missing)
                self.deliver(entry, items)
            case Over(error) | Lost(error) if entry.finished_at is not None:
                self._taken_back(entry, error)
            case Over(error):
                self.jobs.failed(entry, error)
            case Lost(error):
                self.jobs.unknown(entry, error)
            case Unanswered():
                self._unanswered(entry)

    def _wonder(self, entry: Entry, report: JobReport) -> None:
        """A new number at the service would be in every record: it is told once a session."""
        status = strange_status(report)
        if status is not None and status not in self._strange:
            self._strange.add(status)
            log.warning(
                "job %s: the service reports status %d, whose meaning is not known; "
                "it counts as pending until results show",
                entry.job_id,
                status,
                extra=extras(job_id=entry.job_id),
            )

    def _taken_back(self, entry: Entry, error: DreaminaError) -> None:
        """A job that had results once does not fail any more; the files it has are its result."""
        about = extras(error, job_id=entry.job_id)
        log.warning("job %s has finished before, and now: %s", entry.job_id, error, extra=about)
        if not entry.saved:
            self.jobs.withheld(entry, error)
            return
        asked = entry.request.expected if entry.request is not None else 0
        self.jobs.ready(entry, None, 0, max(entry.missing, asked - len(entry.saved)))
        self.deliver(entry, ())

    async def _found(self, entry: Entry, report: JobReport) -> None:
        """A submit whose reply was lost turns out to have arrived."""
        if entry.state not in (JobState.INTENT, JobState.UNKNOWN):
            return
        try:
            await self.jobs.accepted(entry, report.history_id)
        except StorageError as error:  # its waiters hear; the journal still holds the intent
            self.jobs.give_up(entry, evolve(error, charged="yes"))

    def _unanswered(self, entry: Entry) -> None:
        if self.on_unanswered(entry):
            return
        error = JobLost(
            f"{_answer_to_submit(entry.error)}, and the service shows no trace of the job; it is "
            "held and never sent again, because it may have been charged; `resume` looks again",
            "unknown",
        )
        self.jobs.unknown(entry, error)

    def _again(self, entry: Entry, now: float, *, other_id: bool = False) -> None:
        assert entry.sight is not None
        after = self._next_look_after(entry.sight, now)
        looks = entry.sight.looks_absent + entry.sight.looks_same
        self._put(entry, now + spread(after, entry.job_id, looks), other_id=other_id)

    def _next_look_after(self, sight: Sight, now: float) -> float:
        outlook = self.foresight.outlook(sight.kind)
        return next_look_after(sight, now, self.settings.polling, outlook)

    def _overdue(self, entry: Entry, error: DreaminaError, now: float) -> bool:
        """Patience with a job that is there, but of which nothing can be learned, ends too."""
        assert entry.sight is not None
        waited = now - entry.sight.since
        limit = self.settings.polling.pending_limit
        if not entry.sight.answered:  # and perhaps never will be: its waiters should know
            limit = self.settings.retrying.lookup_window
        if waited <= limit:
            return False
        self._said.pop(entry.job_id, None)
        message = f"nothing could be learned of the job in {waited:.0f} s: {error}"
        self.jobs.unknown(entry, JobLost(message, "unknown"))
        return True

    def _put(
        self, entry: Entry, due: float, *, batch: int | None = None, other_id: bool = False
    ) -> None:
        self.schedule.put(entry.job_id, due, self._kinds.choose(entry, other=other_id), batch)
        self._wake.set()

    # ---- a call that failed ------------------------------------------------------------

    def _refused(self, kind: IdKind, keys: Sequence[_Key], error: DreaminaError) -> None:
        self.jobs.counters.retries += 1
        if _is_about_the_ids(error):  # the service is well, and so is the login
            self._is_well()
            self._bisect(kind, keys, error)
            return
        self._failures += 1
        if isinstance(error, AuthenticationError):
            self._refusals += 1
            if self._refusals >= 2:
                self._fail(keys, error)
                self.on_refused(error)
                return
        now = self.clock.monotonic()
        pause = backoff_after(error, "status", self._failures, self.settings.retrying)
        self._warn("", "status calls fail", error)
        log.info("next status call in %.1f s", pause, extra=extras(error, wait=pause))
        self.schedule.ceiling.pause(now + pause)
        if isinstance(error, AuthenticationError | AccountRestricted):
            self.on_account(error, now + pause + _CONFIRMED_IN)
        if slows_all(error):
            self.pace.pause(now + pause)
        if self._failures >= self.settings.retrying.attempts:
            self._fail(keys, error)
        batch = max(1, len(keys) // 2) if _is_too_long(error) else None
        for key in keys:
            self._put_back(key, kind, now, batch)

    def _is_well(self) -> None:
        if self._refusals:
            self.on_account(None, self.clock.monotonic())
        self._failures = self._refusals = 0

    def _bisect(self, kind: IdKind, keys: Sequence[_Key], error: DreaminaError) -> None:
        """One bad id may fail its whole batch: ask in halves until it stands alone."""
        now = self.clock.monotonic()
        if self._kinds.refused(kind):  # or the service does not take this kind of id
            movable = [key for key in keys if self._has_both(key)]
            for key in movable:
                self._put_back(key, other_kind(kind), now, None)
            keys = [key for key in keys if key not in movable]
        if not keys:
            return
        if len(keys) > 1:
            for key in keys:
                self._put_back(key, kind, now, max(1, len(keys) // 2))
            return
        (key,) = keys
        if isinstance(key, _Look):
            self._fail(keys, error)
            return
        entry = self.jobs.ledger.get(key)
        if entry is not None and not entry.over and entry.sight is not None:
            self._warn(key, f"job {key}: the service refuses to look at it", error)
            if self._overdue(entry, error, now):
                return
            self._put(
                entry,
                now + self._next_look_after(entry.sight, now),
                batch=1,
                other_id=kind == self._kinds.choose(entry),
            )

    def _warn(self, about: str, text: str, error: DreaminaError) -> None:
        """Trouble that lasts is told once, and again when its reason changes."""
        reason = (text, type(error), error.message)  # and not the log id, which always differs
        if self._said.get(about) != reason:
            self._said[about] = reason
            log.warning("%s: %s", text, error, extra=extras(error, job_id=about or None))

    def _has_both(self, key: _Key) -> bool:
        entry = None if isinstance(key, _Look) else self.jobs.ledger.get(key)
        return entry is not None and has_both(entry)

    def _put_back(self, key: _Key, kind: IdKind, now: float, batch: int | None) -> None:
        if isinstance(key, _Look):
            if not key.answer.done():
                self.schedule.put(key, now, key.kind, batch)
            return
        entry = self.jobs.ledger.get(key)
        if entry is not None and not entry.over:
            self.schedule.put(key, now, kind, batch)

    def _fail(self, keys: Sequence[_Key], error: DreaminaError) -> None:
        for key in keys:
            if isinstance(key, _Look) and not key.answer.done():
                key.answer.set_exception(error)

    def close(self, error: DreaminaError) -> None:
        """Tell everybody who still waits for an answer, or will: no more is asked."""
        self._closed = error
        self.hang_up(error)

    def hang_up(self, error: DreaminaError) -> None:
        """Tell everybody who still waits for an answer."""
        self._fail(tuple(self._looks), error)


def _no_proof(sight: Sight, reply: StatusReply) -> DreaminaError | None:
    """Why a reply says nothing of an unanswered submit: it holds no records, not even none."""
    if not reply.void or sight.answered:
        return None
    return ProtocolError("the status reply holds no set of records", "unknown")


def _answer_to_submit(error: DreaminaError | None) -> str:
    """An answer that nobody can read is one all the same, and its words may explain it."""
    if isinstance(error, ApiError | ProtocolError):
        return f"the submit was answered, but not so that its charge is known ({error})"
    return "no reply came to the submit"


def _contradicts(entry: Entry, report: JobReport) -> bool:
    """The submit id decides, for it is our own; a history id came from the service."""
    if entry.submit_id is not None and report.submit_id is not None:
        return entry.submit_id != report.submit_id
    return bool(entry.history_id and report.history_id) and entry.history_id != report.history_id


def _is_about_the_ids(error: DreaminaError) -> bool:
    """A refusal that waiting does not mend: a bad id, or too many of them."""
    return isinstance(error, ApiError) and not isinstance(
        error, RateLimited | ServiceUnavailable | AuthenticationError | AccountRestricted
    )


def _is_too_long(error: DreaminaError) -> bool:
    """A gateway that does not take so many ids in one call (H8)."""
    return isinstance(error, ProtocolError) and error.status in (413, 414, 431)


def _differs(before: Sight, after: Sight) -> bool:
    return (before.progress, before.queue, before.seen) != (
        after.progress,
        after.queue,
        after.seen,
    )
