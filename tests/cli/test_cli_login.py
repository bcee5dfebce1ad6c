"""`login` and `logout`: where the cookie comes from, where it goes, and who sees it."""

import io
import os
import select
import stat
import sys

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail
from keyring.errors import KeyringLocked

from dreamina_async.cli import logins
from dreamina_async.emulator import run_in_thread

COOKIE = "kept0123456789abcdefkept"
LIMIT = 30.0


class Memory(KeyringBackend):
    """A keyring of this process."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.kept = {}

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password

    def delete_password(self, service, username):
        del self.kept[service, username]


class Sieve(Memory):
    """Takes everything and keeps nothing, like keyring's own null backend."""

    def set_password(self, service, username, password):
        pass


class Locked(Memory):
    def get_password(self, *_):
        raise KeyringLocked("the collection is locked")

    set_password = delete_password = get_password


@pytest.fixture
def use_keyring():
    def use(backend):
        keyring.set_keyring(backend)
        return backend

    yield use
    keyring.set_keyring(fail.Keyring())


@pytest.fixture(autouse=True)
def no_cookie_in_the_environment(monkeypatch):
    monkeypatch.delenv("DREAMINA_SESSIONID", raising=False)


@pytest.fixture
def service(monkeypatch):
    """A service that lets one login in; the environment names the service only."""
    with run_in_thread(speed=500, sessionids={COOKIE}) as running:
        monkeypatch.setenv("DREAMINA_BASE_URL", running.base_url)
        yield running


@pytest.fixture
def log_in(cli, monkeypatch):
    """`login --stdin` with a line on it."""

    def call(text=COOKIE, *tokens):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{text}\n"))
        return cli("login", "--stdin", *tokens)

    return call


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_without_a_keyring_it_is_a_file_of_its_owners_and_commands_use_it(log_in, cli, service):
    call = log_in()
    assert call.status == 0
    path = logins.login_file()
    assert f"kept in {path}, which only you can read" in call.err
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert cli("credits", "--limit", "0").status == 0


def test_a_keyring_that_works_takes_it_and_no_file_is_left(log_in, cli, service, use_keyring):
    assert log_in(COOKIE, "--file").status == 0
    backend = use_keyring(Memory())
    assert "kept in the keyring" in log_in().err
    assert list(backend.kept.values()) == [COOKIE]
    assert not logins.login_file().exists()
    assert cli("credits", "--limit", "0").status == 0


def test_a_file_that_is_asked_for_replaces_the_keyrings(log_in, use_keyring):
    backend = use_keyring(Memory())
    log_in()
    assert log_in(COOKIE, "--file").status == 0
    assert backend.kept == {}
    assert logins.login_file().exists()


@pytest.mark.parametrize("backend", [Sieve, Locked])
def test_a_keyring_that_keeps_nothing_is_not_trusted(backend, log_in, cli, service, use_keyring):
    use_keyring(backend())
    assert "only you can read" in log_in().err
    assert cli("credits", "--limit", "0").status == 0


def test_a_locked_keyring_is_told_where_nothing_else_has_a_login(cli, service, use_keyring):
    use_keyring(Locked())
    call = cli("credits")
    assert call.status == 3
    assert "the keyring does not answer: the collection is locked" in call.err


def test_without_the_extra_there_is_the_file(log_in, cli, service, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "only you can read" in log_in().err
    assert cli("credits", "--limit", "0").status == 0
    assert "forgotten" in cli("logout").err


def test_the_environment_comes_first(log_in, cli, service, monkeypatch):
    monkeypatch.setenv("DREAMINA_SESSIONID", "another0123456789")
    assert "DREAMINA_SESSIONID is set, and comes first" in log_in().err
    assert cli("credits").status == 3
    monkeypatch.setenv("DREAMINA_SESSIONID", " ")
    assert cli("credits", "--limit", "0").status == 0


def test_a_prefix_and_the_environment_name_the_region(log_in, monkeypatch):
    assert "for region US" in log_in(f"us-{COOKIE}").err
    assert logins.credentials().region == "us"
    monkeypatch.setenv("DREAMINA_REGION", "jp")
    assert log_in(f"us-{COOKIE}").status == 2
    assert "for region JP" in log_in().err


@pytest.mark.parametrize("others", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(others, log_in, cli, service):
    log_in()
    path = logins.login_file()
    path.chmod(others)
    call = cli("credits")
    assert call.status == 3
    assert call.err.count("\n") == 1
    assert f"run chmod 600 {path}" in call.err
    path.chmod(0o600)
    assert cli("credits", "--limit", "0").status == 0


def test_a_file_that_cannot_be_read_or_written_is_one_line(log_in, cli, service):
    path = logins.login_file()
    path.mkdir(parents=True)
    for call, status in ((cli("credits"), 3), (log_in(), 2), (cli("logout"), 2)):
        assert call.status == status
        assert call.err.count("\n") == 1
        assert str(path) in call.err


def test_no_login_anywhere_names_the_command(cli, service):
    call = cli("image", "门", "--json")
    assert call.status == 3
    assert "run `dreamina-async login`" in call.err
    assert call.events[-1]["error"] == "AuthenticationError"


def test_logout_forgets_and_says_whether_there_was_one(log_in, cli, service, use_keyring):
    backend = use_keyring(Memory())
    log_in()
    call = cli("logout", "--json")
    assert call.events == [{"v": 1, "event": "logout", "forgotten": True}]
    assert backend.kept == {}
    assert "there was no login" in cli("logout").err
    assert cli("credits").status == 3


@pytest.mark.parametrize("text", ["", "  ", "a=b; c=d", "with a blank", "us-"])
def test_what_can_be_no_cookie_is_not_kept(text, log_in):
    call = log_in(text)
    assert call.status == 2
    assert call.err.count("\n") == 1
    assert not logins.login_file().exists()


def test_check_asks_the_service_before_anything_is_kept(log_in, service):
    assert log_in("refused0123456789", "--check").status == 3
    assert not logins.login_file().exists()
    call = log_in(COOKIE, "--check", "--json")
    assert "the service accepts the login; balance: 1000000 credits" in call.err
    assert call.events == [
        {"v": 1, "event": "login", "region": "cn", "kept_in": str(logins.login_file())}
    ]
    assert service.requests.counts.get("generate", 0) == 0


def test_without_a_terminal_it_asks_for_stdin(cli, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(COOKIE))
    call = cli("login")
    assert call.status == 2
    assert "--stdin" in call.err


@pytest.mark.parametrize("flag", [[], ["--stdin"], ["--cookie"]])
def test_the_cookie_is_no_argument_and_is_not_said_back(flag, cli):
    call = cli("login", *flag, COOKIE, "--json")
    assert call.status == 2
    assert "login takes no such argument" in call.err
    assert COOKIE not in call.err + call.out
    assert not logins.login_file().exists()


def converse(*says):
    """Run `login` on a terminal of its own; all that stood there, and the exit status."""
    pty = pytest.importorskip("pty")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "dreamina_async", "login"])
    seen, left = b"", list(says)
    try:
        while select.select([terminal], [], [], LIMIT)[0]:
            seen += os.read(terminal, 4096)
            if left and b"(not shown): " in seen:
                os.write(terminal, left.pop(0))
    except OSError:
        pass  # how Linux says that the other end of a terminal has closed
    os.close(terminal)
    return seen.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_on_a_terminal_the_cookie_is_typed_unseen():
    seen, status = converse(f"{COOKIE}\n".encode())
    assert status == 0
    assert COOKIE not in seen
    assert logins.login_file().read_text() == f"{COOKIE}\n"


@pytest.mark.parametrize("key", [b"\x03", b"\x04"])
def test_whoever_thinks_better_of_it_keeps_nothing(key):
    seen, status = converse(key)
    assert status == 2
    assert "nothing was kept" in seen
    assert "Traceback" not in seen
    assert not logins.login_file().exists()
