"""Where a login is kept from one command to the next: the keyring, else a file of its owner's.

The environment comes before both, and only one of the two holds a login at a time. What is
kept is the text as it was given; `Credentials` is who understands it.
"""

import os
import shlex
import stat
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

from platformdirs import user_config_path

from dreamina_async import AuthenticationError, Credentials, StorageError

_SERVICE, _USER = "dreamina-async", "sessionid"
_LONGEST = 1 << 16


def login_file() -> Path:
    """The file that holds the login where no keyring does."""
    return user_config_path(_SERVICE, appauthor=False) / _USER


def credentials() -> Credentials:
    """The login of whoever calls: from the environment, the keyring or the file.

    Raises:
        AuthenticationError: there is none, or others can read its file.
        InvalidRequest: it is no login.
    """
    if os.environ.get("DREAMINA_SESSIONID", "").strip():
        return Credentials.from_env()
    kept, complaint = _from_keyring()
    kept = kept or _from_file()
    if not kept:
        raise AuthenticationError(
            "no credentials: run `dreamina-async login`, or set DREAMINA_SESSIONID to the value "
            f"of your browser's 'sessionid' cookie{complaint}"
        )
    return understood(kept)


def understood(text: str) -> Credentials:
    """A login that was not in the environment; the region may be.

    Raises:
        InvalidRequest: it is no login.
    """
    region = os.environ.get("DREAMINA_REGION", "").strip() or None
    return Credentials(text, region=region)


def keep(text: str, *, in_file: bool) -> Path | None:
    """Keep a login in the keyring, or in the file that is returned.

    Raises:
        StorageError: neither takes it.
    """
    if not in_file and _to_keyring(text):
        _without_file()
        return None
    _to_file(text)
    _without_keyring()
    return login_file()


def forget() -> bool:
    """Remove the login from wherever it is; whether there was one.

    Raises:
        StorageError: the file cannot be removed.
    """
    return any([_without_keyring(), _without_file()])


# ---- the keyring ---------------------------------------------------------------------------


def _from_keyring() -> tuple[str | None, str]:
    """The login; and in words, for an error's end, why it cannot be had."""
    try:
        import keyring
        from keyring.errors import KeyringError, NoKeyringError
    except ImportError:
        return None, ""
    try:
        return keyring.get_password(_SERVICE, _USER), ""
    except NoKeyringError:
        return None, ""
    except KeyringError as error:
        return None, f" (the keyring does not answer: {error})"


def _to_keyring(text: str) -> bool:
    with suppress(ImportError):
        import keyring
        from keyring.errors import KeyringError

        with suppress(KeyringError):
            keyring.set_password(_SERVICE, _USER, text)
            # one that keeps nothing takes everything
            return keyring.get_password(_SERVICE, _USER) == text
    return False


def _without_keyring() -> bool:
    with suppress(ImportError):
        import keyring
        from keyring.errors import KeyringError

        with suppress(KeyringError):
            if keyring.get_password(_SERVICE, _USER) is not None:
                keyring.delete_password(_SERVICE, _USER)
                return True
    return False


# ---- the file ------------------------------------------------------------------------------


def _from_file() -> str | None:
    path = login_file()
    try:
        # without O_NONBLOCK a pipe in its place would be waited for
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise AuthenticationError(f"{path} is no file; remove it")
            if mode & 0o077 == 0:
                return file.read(_LONGEST).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AuthenticationError(f"{path} cannot be read: {error.strerror}") from error
    raise AuthenticationError(
        f"others can read {path}, so it is not used: run chmod 600 {shlex.quote(str(path))}"
    )


def _to_file(text: str) -> None:
    path = login_file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # made with mode 0600; under its own name it is complete
        descriptor, part = mkstemp(dir=path.parent, prefix=f".{_USER}-")
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{text}\n")
        os.replace(part, path)
    except OSError as error:
        raise _refused(error, path) from error


def _without_file() -> bool:
    path = login_file()
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _refused(error, path) from error
    return True


def _refused(error: OSError, path: Path) -> StorageError:
    return StorageError(f"the login cannot be kept: {error.strerror}", path=str(path))
