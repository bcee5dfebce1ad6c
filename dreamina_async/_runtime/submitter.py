"""Intent on disk, then the request, then what its outcome means.

Every generate request costs money and none is idempotent, so each one leaves here, under
four rules: the intent is durable before the first byte; a request that may have arrived is
looked up by its submit id and never sent again; what the service refused unpaid may be sent
again under the same id; and a waiter who goes away takes nothing with him that has left.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from attrs import define, evolve, field

from dreamina_async._core.backoff import (
    Step,
    SubmitVerdict,
    backoff_after,
    slows_all,
    submit_verdict,
)
from dreamina_async._core.decode import SubmitReply, decode_submit
from dreamina_async._core.encode import encode_generate
from dreamina_async._core.ledger import Entry
from dreamina_async._core.profile import Caller
from dreamina_async._core.reconcile import Sight
from dreamina_async._core.window import Window
from dreamina_async._runtime.clock import Clock
from dreamina_async._runtime.decoding import decoded
from dreamina_async._runtime.jobs import Jobs
from dreamina_async._runtime.log import extras, log
from dreamina_async._runtime.pace import HAIR, Pace
from dreamina_async._runtime.poller import Poller, Spawn
from dreamina_async._runtime.room import Room
from dreamina_async._runtime.transport import Transport
from dreamina_async.errors import (
    AccountRestricted,
    AuthenticationError,
    DreaminaError,
    ProtocolError,
    StorageError,
    TransportError,
)
from dreamina_async.gate import Gate, OpenGate
from dreamina_async.images import ImageData, ImageRef
from dreamina_async.models import JobReport, JobState
from dreamina_async.requests import MediaKind, Request
from dreamina_async.settings import Settings

_COOL_DOWN = 600.0
"""Seconds after a risk-control answer in which nothing is submitted (AIC's figure)."""

Upload = Callable[[Request], Awaitable[tuple[ImageRef, ...]]]
"""Brings a request's images to the service, each content once."""


@define(eq=False)
class Submitter:
    """Owns the slots for generate requests and every decision to send one."""

    jobs: Jobs
    transport: Transport
    poller: Poller
    caller: Caller
    clock: Clock
    settings: Settings
    pace: Pace
    spawn: Spawn
    upload: Upload
    room: Room
    gate: Gate = field(factory=OpenGate)
    heard: Callable[[str, str | None], None] = lambda _, __: None
    """Called with a job's id and the user id that the reply to its submit names."""
    _windows: dict[MediaKind, Window] = field(
        factory=lambda: {"image": Window(), "video": Window()}
    )
    _slots: asyncio.Semaphore = field(init=False)
    _lines: defaultdict[tuple[MediaKind, bool], asyncio.Lock] = field(
        factory=lambda: defaultdict(asyncio.Lock)
    )
    """The first of each line looks whether it may go; thousands behind it are left asleep."""
    _stirred: asyncio.Event = field(factory=asyncio.Event)
    _lost: set[str] = field(factory=set)
    """Jobs whose request was sent in this session, and never answered."""
    _resubmitted: set[str] = field(factory=set)
    _turns: dict[Entry, object] = field(factory=dict)
    """Whose call of `submit` may send an entry: the latest one's."""
    _round: int = 0
    _troubles: int = 0
    """Pauses in a row after which nothing was accepted: all submits share one backoff."""
    _sending: int = 0
    _held_until: float = float("-inf")
    """Nothing is submitted before: the next in line would fail alike."""
    _doubted_until: float = float("-inf")
    """A status call says that the login is refused; until then the next one should confirm it."""
    _last_stop: DreaminaError | None = None
    _restricted_until: float = float("-inf")

    def __attrs_post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.settings.submits)
        self.jobs.on_slot.append(self._slot_freed)

    def check_open(self) -> None:
        """Refuse at once what would be refused anyway.

        Raises:
            DreaminaError: nothing more is submitted in this session, or not now.
        """
        if self.jobs.stopped is not None:
            raise evolve(self.jobs.stopped, charged="no")
        if self._last_stop is not None and self.clock.monotonic() < self._restricted_until:
            raise evolve(self._last_stop, charged="no")

    async def submit(self, entry: Entry) -> None:
        """Bring one job to the service; ends when the outcome is known or looked up.

        Run it in the session's group: its waiter may go away, it must not. A job that was
        withdrawn and is wanted again gets a second call while the first may still wait for
        its slot: only the latest one sends.
        """
        turn = self._turns[entry] = object()
        try:
            await self._attempts(entry, turn, self._round)
        except DreaminaError as error:
            if self._turns.get(entry) is turn:
                self._break_off(entry, error)
        finally:
            if self._turns.get(entry) is turn:
                del self._turns[entry]

    def _break_off(self, entry: Entry, error: DreaminaError) -> None:
        """Nothing more is sent for it; what may have cost stays owed."""
        if entry.state is JobState.PLANNED:
            self.jobs.give_up(entry, error, keep=entry.sent_at is not None)
        else:
            self.jobs.give_up(entry, evolve(error, charged=entry.state.charged))

    async def _attempts(self, entry: Entry, turn: object, called_in_round: int) -> None:
        attempt = 0
        images = await self._uploaded(entry)
        verdict: SubmitVerdict | None = SubmitVerdict(Step.RETRY)
        while verdict is not None:
            again = attempt > 0 or entry.maybe_sent
            async with self._lines[entry.kind, again]:
                await self._until_it_may_go(entry, called_in_round, again=again)
            async with self._slots:
                free = await self.room.look()
                if entry.over or self._turns.get(entry) is not turn:  # nothing was sent
                    return
                self._check_not_stopped(called_in_round)
                if not self._may_go(entry, again=again):
                    continue
                self.room.check(entry, free)
                attempt += 1
                self.pace.attempt(again=again)
                self._sending += 1
                try:
                    verdict = await self._send(entry, images, attempt, called_in_round)
                finally:
                    self._sending -= 1
                    self.stir()
            if verdict is not None:
                await self._pause(entry, verdict)

    def _check_not_stopped(self, called_in_round: int) -> None:
        """A refusal of the account holds for everybody who was already waiting."""
        self.check_open()
        if called_in_round != self._round and self._last_stop is not None:
            raise evolve(self._last_stop, charged="no")

    async def _uploaded(self, entry: Entry) -> tuple[ImageRef, ...]:
        """Its images, before anything that costs; the same ones for every attempt."""
        assert entry.request is not None
        try:
            return await self.upload(entry.request)
        except (AuthenticationError, AccountRestricted) as error:
            self._stop(error)
            raise

    async def _send(
        self, entry: Entry, images: Sequence[ImageRef], attempt: int, called_in_round: int
    ) -> SubmitVerdict | None:
        """One request; None when its outcome is settled or being looked up."""
        assert entry.request is not None
        assert entry.submit_id is not None
        since = self.clock.monotonic()
        await self.jobs.intend(entry)
        refusal = None if entry.over else await self._asked(entry.submit_id)
        if entry.over:  # given up meanwhile: nothing was sent
            if entry.error is not None and entry.state is JobState.INTENT:
                self._take_back(entry, entry.error)
            return None
        if refusal is not None:
            self._turn_away(entry, refusal, final=False)
            return None
        try:
            reply = await self._post(entry, images, called_in_round)
        except DreaminaError as error:
            return self._judge(entry, error, attempt)
        self._troubles = 0
        await self._accept(entry, reply, since)
        return None

    async def _asked(self, submit_id: str) -> DreaminaError | None:
        """Why the gate does not let it out."""
        try:
            await self.gate.admit(submit_id)
        except DreaminaError as error:
            return error
        return None

    async def _post(
        self, entry: Entry, images: Sequence[ImageRef], called_in_round: int
    ) -> SubmitReply:
        assert entry.request is not None
        assert entry.submit_id is not None
        # signed anew for every attempt: an old device-time is refused
        request = encode_generate(
            entry.request, entry.submit_id, self.caller, self.clock.wall(), images
        )
        self.jobs.counters.submits += 1
        leave = partial(self._leave, entry.submit_id, called_in_round)
        response = await self.transport.send(request, leave)
        self.pace.heard()
        decode = partial(decode_submit, submit_id=entry.submit_id, now=self.clock.wall())
        reply = await decoded(response, decode)
        await self._check_is_new(entry, reply)
        return reply

    async def _check_is_new(self, entry: Entry, reply: SubmitReply) -> None:
        """The history id of a reply must not be another job's (S22), also beside our submit id.

        Raises:
            ProtocolError: it is; nobody knows what became of this job.
            StorageError: nobody can tell; the job may have been accepted all the same.
        """
        if reply.history_id is None:
            return
        try:
            known = await self.jobs.by_history(reply.history_id)
        except StorageError as error:
            raise evolve(error, charged="unknown") from error
        if known is not None and known.job_id != entry.job_id:
            self.poller.doubt(known)
            raise ProtocolError("the reply names another job's record", "unknown")

    def _leave(self, submit_id: str, called_in_round: int) -> None:
        """Right before the first byte: much may have been heard while the way was made.

        Raises:
            DreaminaError: why it must not leave after all.
        """
        stop = self._last_stop if called_in_round != self._round else None
        if isinstance(self.jobs.stopped, AuthenticationError | StorageError):
            stop = self.jobs.stopped
        if stop is not None:
            raise evolve(stop, charged="no")
        if not self.gate.may_leave(submit_id):
            raise TransportError("the gate has closed before it left", sent=False)
        self.jobs.journal.mark_sent(submit_id)

    async def _accept(self, entry: Entry, reply: SubmitReply, since: float) -> None:
        await self.jobs.accepted(entry, reply.history_id)
        self.heard(entry.job_id, reply.uid)
        if entry.over:
            return
        sight = evolve(first_sight(entry, self.clock, reply.report), since=since)
        self.poller.track(entry, sight)

    def _judge(self, entry: Entry, error: DreaminaError, attempt: int) -> SubmitVerdict | None:
        if entry.over:  # given up while its request was on its way
            return None
        policy, failed = self.settings.retrying, max(attempt, self._troubles)
        verdict = submit_verdict(error, entry.job_id, failed, policy, self.pace.silent_for)
        self._learn(verdict.step, error)
        _tell(entry, verdict, error)
        match verdict.step:
            case Step.RETRY | Step.WAIT_FOR_SLOT:
                self.jobs.counters.retries += 1
                self._take_back(entry, error)
                self.jobs.waits(entry, error)
                return verdict
            case Step.LOOK_UP:
                entry.maybe_sent = True
                entry.error = error  # what is known, should nothing more ever be
                self.jobs.waits(entry, error)
                self._lost.add(entry.job_id)
                # it may have arrived as late as this, and the look-up's window begins after that
                sight = evolve(first_sight(entry, self.clock), since=self.clock.monotonic())
                self.poller.track(entry, sight, at_once=True)
            case Step.STOP:
                self._stop(error)
                self._turn_away(entry, error, final=False)
            case Step.REFUSED:
                # what never arrived stays PLANNED, for another day
                self._turn_away(entry, error, final=getattr(error, "sent", True))
        return None

    def _turn_away(self, entry: Entry, error: DreaminaError, *, final: bool) -> None:
        """The service said no, or cannot be reached: this job is not sent any more."""
        if entry.maybe_sent:
            self.jobs.unknown(entry, evolve(error, charged="unknown"))
        elif final:
            self.jobs.refused(entry, error)
            self.stir()  # it stood in the window
        else:
            self._take_back(entry, error)
            self.jobs.give_up(entry, error)

    def _take_back(self, entry: Entry, error: DreaminaError) -> None:
        """This request cost nothing; one before it, that was never answered, perhaps did."""
        if entry.maybe_sent:
            entry.error = error
        else:
            self.jobs.withdraw_intent(entry, error)
            self.stir()

    def _stop(self, error: DreaminaError) -> None:
        self._round += 1
        self._last_stop = error
        if isinstance(error, AuthenticationError):
            self.jobs.stopped = error
        if isinstance(error, AccountRestricted):
            self._restricted_until = self.clock.monotonic() + _COOL_DOWN
        self.stir()

    # ---- waiting -----------------------------------------------------------------------

    def _window_open(self, entry: Entry) -> bool:
        others = self.jobs.ledger.at_service(entry.kind) - (entry.state is JobState.INTENT)
        return self._windows[entry.kind].allows(others)

    def _learn(self, step: Step, error: DreaminaError) -> None:
        """What failed for one would fail for the next in line: nobody goes for a while."""
        if step not in (Step.RETRY, Step.LOOK_UP):
            if not isinstance(error, TransportError):
                self._troubles = 0  # it was understood, and answered
            return
        now = self.clock.monotonic()
        if now >= self._held_until:  # else it had left before the trouble was known
            self._troubles += 1
        pause = backoff_after(error, "submit", self._troubles, self.settings.retrying)
        self._held_until = max(self._held_until, now + pause)
        if slows_all(error):
            self.pace.pause(now + pause)

    def _opens_at(self, *, again: bool) -> float:
        opens = max(self._held_until, self._doubted_until, self.pace.paused_until)
        return max(opens, self.pace.retry_at()) if again else opens

    def _has_room(self, entry: Entry) -> bool:
        """In trouble one goes ahead and tries; the others would only share its fate."""
        return self._window_open(entry) and not (self._troubles and self._sending)

    def _may_go(self, entry: Entry, *, again: bool) -> bool:
        wait = self._opens_at(again=again) - self.clock.monotonic()
        return wait <= HAIR and self._has_room(entry)

    async def _until_it_may_go(self, entry: Entry, round_: int, *, again: bool) -> None:
        while not entry.over and round_ == self._round and not self._may_go(entry, again=again):
            until = self._opens_at(again=again) if self._has_room(entry) else None
            self._stirred.clear()
            await self.clock.wait(self._stirred, until)

    async def _pause(self, entry: Entry, verdict: SubmitVerdict) -> None:
        after = verdict.after
        if verdict.step is Step.WAIT_FOR_SLOT:
            running = self.jobs.ledger.at_service(entry.kind)
            self._windows[entry.kind].busy(running)
            if running:  # then the window opens when one of ours has ended
                after = min(after, self.settings.retrying.base)
        until, round_ = self.clock.monotonic() + after, self._round
        while not entry.over and round_ == self._round and until - self.clock.monotonic() > HAIR:
            self._stirred.clear()
            await self.clock.wait(self._stirred, until)

    def _slot_freed(self, entry: Entry) -> None:
        self._windows[entry.kind].finished()
        self.stir()

    # ---- what others ask for -----------------------------------------------------------

    def account(self, error: DreaminaError | None, until: float) -> None:
        """What a status call says of the account holds for submits, too (H7, S20).

        Args:
            error: it is restricted, or the login is refused, once; None: all is well.
            until: the instant by which a refused login should be confirmed or not.
        """
        if isinstance(error, AccountRestricted):
            self._stop(error)
        self._doubted_until = until if isinstance(error, AuthenticationError) else float("-inf")
        self.stir()

    def stir(self) -> None:
        """Everybody who waits here is to look again."""
        self._stirred.set()

    def withdraw(self, entry: Entry, error: DreaminaError) -> bool:
        """Take back a job that has not been sent; False if it has."""
        if entry.state is not JobState.PLANNED or entry.over:
            return False
        self.jobs.give_up(entry, error, keep=entry.sent_at is not None)
        self.stir()
        return True

    def resubmit(self, entry: Entry) -> bool:
        """Policy `resubmit_same_id`: it was looked for and not found; once, it is sent again.

        Only if it was sent in this session, or somebody here asks for it: `resume` never
        generates, and the service may have forgotten what it made long ago.

        Returns:
            Whether it will be; False leaves the job to be held.
        """
        wanted = entry.waiters or entry.job_id in self._lost
        if self.settings.retrying.unanswered != "resubmit_same_id" or not wanted:
            return False
        if entry.job_id in self._resubmitted or _lost_images(entry):
            return False
        self._resubmitted.add(entry.job_id)
        self.spawn(self.submit, entry)
        return True


def _lost_images(entry: Entry) -> bool:
    """Whether images were given as bytes, of which the journal keeps no more than the digest."""
    images = entry.request.images if entry.request else ()
    return any(isinstance(one, ImageData) and one.content is None for one in images)


def _tell(entry: Entry, verdict: SubmitVerdict, error: DreaminaError) -> None:
    waits = verdict.step in (Step.RETRY, Step.WAIT_FOR_SLOT)
    about = extras(error, job_id=entry.job_id, wait=verdict.after if waits else None)
    log.info("submit of job %s: %s: %s", entry.job_id, verdict.step.name, error, extra=about)


def first_sight(entry: Entry, clock: Clock, report: JobReport | None = None) -> Sight:
    """What is known of a job when its polling begins, here or in an earlier session."""
    age = max(0.0, clock.wall() - entry.sent_at) if entry.sent_at is not None else 0.0
    sight = Sight(
        entry.kind,
        since=clock.monotonic() - age,
        looked_since=clock.monotonic(),
        expected=entry.request.expected if entry.request else None,
        # one that has a history id was accepted once, whatever could be learned of it since
        answered=bool(entry.history_id) or entry.state not in (JobState.INTENT, JobState.UNKNOWN),
        ours=entry.sent_at is not None,
    )
    if report is None:
        return sight
    progress = evolve(sight.progress, forecast=report.forecast)
    return evolve(sight, queue=report.queue, progress=progress)
