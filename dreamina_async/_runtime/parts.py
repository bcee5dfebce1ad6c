"""Everything that works while a session is open, and how it hangs together."""

from collections.abc import Callable
from uuid import UUID, uuid4

from attrs import frozen

from dreamina_async._core.ceiling import Ceiling
from dreamina_async._core.ledger import Entry, Ledger
from dreamina_async._core.profile import Caller, is_loopback_url
from dreamina_async._core.schedule import Schedule
from dreamina_async._runtime.clock import Clock, LoopClock
from dreamina_async._runtime.destinations import open_store
from dreamina_async._runtime.discreet import DiscreetTransport
from dreamina_async._runtime.disk import Disk
from dreamina_async._runtime.downloader import Downloader
from dreamina_async._runtime.fetcher import Fetcher
from dreamina_async._runtime.files import Files
from dreamina_async._runtime.home import Home
from dreamina_async._runtime.hub import Hub
from dreamina_async._runtime.jobs import Jobs
from dreamina_async._runtime.journal import Journal
from dreamina_async._runtime.marks import boot_id
from dreamina_async._runtime.originals import Originals
from dreamina_async._runtime.owner import Owner
from dreamina_async._runtime.pace import Pace
from dreamina_async._runtime.poller import Poller, Spawn
from dreamina_async._runtime.proof import Proof
from dreamina_async._runtime.questions import Questions
from dreamina_async._runtime.recall import Recall
from dreamina_async._runtime.room import Room
from dreamina_async._runtime.sink import Sink
from dreamina_async._runtime.skew import CorrectedClock, TimedTransport
from dreamina_async._runtime.submitter import Submitter
from dreamina_async._runtime.supervisor import Supervisor
from dreamina_async._runtime.transport import AiohttpTransport, Transport
from dreamina_async._runtime.uploader import Uploader
from dreamina_async._runtime.writer import ThreadWriter, Writer
from dreamina_async.errors import DreaminaError
from dreamina_async.gate import Gate
from dreamina_async.models import MediaItem
from dreamina_async.settings import Settings


@frozen
class Doors:
    """What a simulation puts its own things behind: clock, network, chance, disk."""

    clock: Callable[[], Clock] = LoopClock
    transport: Callable[..., Transport] = AiohttpTransport
    new_id: Callable[[], UUID] = uuid4
    disk: Callable[[], Disk] = Disk
    store: Callable[[Files, str, Settings], Sink] = open_store
    writer: Callable[[], Writer] = ThreadWriter
    boot: Callable[[], str] = boot_id


@frozen(eq=False, kw_only=True)
class Parts:
    """What a session has while it is open."""

    supervisor: Supervisor
    files: Files
    journal: Journal
    transport: Transport
    jobs: Jobs
    poller: Poller
    downloader: Downloader
    submitter: Submitter
    recall: Recall
    proof: Proof
    questions: Questions
    uploader: Uploader
    owner: Owner


def put_together(
    files: Files,
    sink: Sink,
    journal: Journal,
    caller: Caller,
    settings: Settings,
    doors: Doors,
    *,
    spawn: Spawn,
    on_crash: Callable[[BaseException], None],
    on_refused: Callable[[DreaminaError], None],
    gate: Gate,
) -> Parts:
    """Make every part and introduce it to those it needs; nothing runs yet.

    Args:
        files: the door to files.
        sink: where results go.
        journal: open, and locked by us.
        caller: who asks.
        settings: how to behave.
        doors: clock, network, chance.
        spawn: starts a task for somebody outside; raises if the session is not open.
        on_crash: called when a part fails in a way that nobody expected.
        on_refused: called when the service no longer knows the login.
        gate: who is asked before anything is sent.
    """
    clock = CorrectedClock(doors.clock())
    loopback = is_loopback_url(caller.site.api)
    secrets = (*caller.credentials.secrets(), *(settings.proxy.secrets() if settings.proxy else ()))
    transport = DiscreetTransport(
        TimedTransport(doors.transport(settings, loopback=loopback), clock), secrets
    )
    supervisor = Supervisor(on_crash)
    home = Home.here()
    jobs = Jobs(Ledger(), journal, Hub(home), clock, journal.destination.root, home)
    pace = Pace(clock, jobs.counters, settings.retrying)
    questions = Questions(jobs, transport, caller, settings.retrying, pace, spawn)
    originals = Originals(questions)
    fetcher = Fetcher(
        jobs,
        transport,
        sink,
        clock,
        settings,
        pace,
        originals,
        refresh=lambda entry: poller.refresh(entry),
        heard=lambda place: downloader.release(place),
    )
    downloader = Downloader(jobs, sink, clock, settings, originals, fetcher)

    def deliver(entry: Entry, items: tuple[MediaItem, ...]) -> None:
        supervisor.spawn(downloader.deliver, entry, items)

    polling = settings.polling
    poller = Poller(
        jobs,
        transport,
        caller,
        clock,
        settings,
        pace,
        Schedule(Ceiling(polling.rate, polling.burst), polling.batch),
        deliver=deliver,
        on_unanswered=lambda entry: submitter.resubmit(entry),
        on_refused=on_refused,
        on_account=lambda error, until: submitter.account(error, until),
        gate=gate,
    )
    uploader = Uploader(transport, files, caller, clock, settings, pace, supervisor.spawn)
    proof = Proof(journal, clock, doors.boot)
    owner = Owner(jobs, journal, caller, questions)
    submitter = Submitter(
        jobs,
        transport,
        poller,
        caller,
        clock,
        settings,
        pace,
        spawn=supervisor.spawn_errand,
        upload=uploader.upload_all,
        room=Room(files, jobs, settings.downloading.reserve and sink is files),
        gate=gate,
        heard=owner.heard,
    )
    return Parts(
        supervisor=supervisor,
        files=files,
        journal=journal,
        transport=transport,
        jobs=jobs,
        poller=poller,
        downloader=downloader,
        submitter=submitter,
        recall=Recall(jobs, journal, sink, proof, poller, supervisor.spawn, deliver),
        proof=proof,
        questions=questions,
        uploader=uploader,
        owner=owner,
    )
