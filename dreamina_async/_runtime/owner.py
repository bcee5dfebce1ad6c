"""Keeps every other account away from a folder's jobs.

Asked with another account's login the service knows none of them: paid jobs would look lost,
and with `resubmit_same_id` be paid again, by somebody else.
"""

from attrs import define

from dreamina_async._core.owner import account_mark, decode_user, encode_user
from dreamina_async._core.profile import Caller
from dreamina_async._runtime.jobs import Jobs
from dreamina_async._runtime.journal import Journal
from dreamina_async._runtime.log import extras, log
from dreamina_async._runtime.questions import Questions
from dreamina_async.errors import (
    AccountMismatch,
    ApiError,
    ProtocolError,
    RateLimited,
    ServiceUnavailable,
)

_ACCOUNT = "account"
_LOGIN = "login:"

_ADVICE = (
    "this folder's jobs belong to another account, which alone can bring them home: give that "
    "account's credentials, or choose another folder with --out (output_dir); if it is the same "
    "account all the same, Settings(check_account=False) takes your word for it"
)


@define(eq=False)
class Owner:
    """Knows the account of an open journal, as soon as anything has told it."""

    jobs: Jobs
    journal: Journal
    caller: Caller
    questions: Questions
    _account: str | None = None
    _login_known: bool = False

    async def check(self, *, ask: bool) -> None:
        """Before anything else is asked or sent: is this login the account's?

        A login that was seen here before needs no question; a new one needs a single free
        one, and none where no account is known yet.

        Args:
            ask: whether to; the login is believed otherwise.

        Raises:
            AccountMismatch: it is not.
            DreaminaError: the question could not be asked.
        """
        facts = await self.journal.facts()
        self._account = facts.get(_ACCOUNT)
        self._login_known = self._login in facts
        if not ask:
            self._account = None  # the next reply that names one is right
        if self._account is None or self._login_known:
            return
        uid = await self.ask()
        if uid is None:  # then the next submit's reply will tell
            return
        if self._mark(uid) != self._account:
            raise AccountMismatch(_ADVICE, "no", path=str(self.journal.root))
        self._remember_login()

    async def ask(self) -> str | None:
        """Whose login it is; None if the service does not say.

        Raises:
            DreaminaError: it answers nobody now.
        """
        try:
            return await self.questions.ask(encode_user, decode_user)
        except (RateLimited, ServiceUnavailable):
            raise  # nothing else would be answered, either
        except (ApiError, ProtocolError) as error:
            # a login that has expired hears so from its first call; and paid results must not
            # depend on this question alone
            text = "cannot tell whether this login is the folder's account: %s"
            log.warning(text, error, extra=extras(error))
            return None

    def heard(self, job_id: str, uid: str | None) -> None:
        """A submit's reply names the account that it was charged to."""
        if uid is None:
            return
        mark = self._mark(uid)
        if self._account is None:
            self._account = mark
            self.journal.put_fact(_ACCOUNT, mark)
        elif mark != self._account:
            stop = AccountMismatch(_ADVICE, "no", path=str(self.journal.root))
            text = "job %s was charged to another account than this folder's"
            log.error(text, job_id, extra=extras(stop, job_id=job_id))
            self.jobs.stopped = stop
            return
        self._remember_login()

    def _remember_login(self) -> None:
        if not self._login_known:
            self._login_known = True
            self.journal.put_fact(self._login, "")

    @property
    def _login(self) -> str:
        return _LOGIN + self.caller.credentials.fingerprint(self.journal.journal_id)

    def _mark(self, uid: str) -> str:
        return account_mark(uid, self.journal.journal_id)
