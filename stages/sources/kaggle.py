"""Data sets from Kaggle, one pinned version each, through kagglehub and its own cache.

kagglehub has no public call that fetches an archive without unpacking it, and what lies below its public
calls changes between releases, so it unpacks: Python's zipfile and tarfile's data filter, which kagglehub
uses since 1.0.2, keep every entry inside the cache, and a tree with a link in it is refused here. How far an
entry expands cannot be checked on this way.

Public data sets need no credentials unless their owner asks for consent. kagglehub reports nothing and looks
for no update; what it prints (its log, and a notice when an answer of Kaggle names a newer release) is
dropped.
"""

import contextlib
import errno
import io
import lzma
import re
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from stages.core.errors import UserError

PREFIX = "kaggle:"
_SLUG = "[A-Za-z0-9_][A-Za-z0-9._-]*"
_HANDLE = re.compile(rf"{_SLUG}/{_SLUG}(?P<version>/versions/[1-9][0-9]{{0,8}})?")
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError, RuntimeError, ValueError),
)
"""What unpacking damaged bytes raises, besides `OSError`."""
_UNSAFE = () if hasattr(tarfile, "data_filter") else (TypeError,)
"""What unpacking a tar archive raises in Python 3.11.0 to 3.11.3, whose tarfile lacks the filter."""
_CREDENTIALS = ("credentials file", "header value", "can't encode")
"""What the `ValueError`s about malformed credentials have in common."""
_ANSWERS = {
    401: "Kaggle refused your credentials ({status}); renew KAGGLE_API_TOKEN or ~/.kaggle",
    403: "Kaggle refused the download of {handle} ({status}); check its name, accept its terms at "
    "{page} and put an API token into KAGGLE_API_TOKEN or ~/.kaggle/access_token",
    404: "Kaggle has no data set {handle} ({status}); check its name and version",
}
_OTHER_ANSWER = "Kaggle cannot serve {handle} ({status}); try later"


def parse(location: str) -> str | None:
    """The handle `<owner>/<name>/versions/<n>` after `kaggle:` in `ingest.location`, or None for a path.

    Raises `UserError` for a malformed handle and for one without a version: what ingest brings has to follow
    from params.yaml alone, and the newest version of a data set does not.
    """
    if not location.startswith(PREFIX):
        return None
    handle = location.removeprefix(PREFIX)
    found = _HANDLE.fullmatch(handle)
    if found is None:
        raise UserError(
            f"ingest.location {location!r} is no Kaggle data set; write {PREFIX}<owner>/<name>/versions/<n>"
        )
    if found["version"] is None:
        raise UserError(
            f"ingest.location {location} names no version; write {location}/versions/<n> with a number that "
            f"https://www.kaggle.com/datasets/{handle} shows"
        )
    return handle


def download(handle: str) -> Path:
    """The folder in kagglehub's cache that holds `<owner>/<name>/versions/<n>`, downloaded where needed.

    Raises `UserError` when Kaggle cannot be reached, refuses, does not know the data set, or sends what
    cannot be unpacked; the message also says how to do without this download. A full disk stays an `OSError`.
    """
    parse(PREFIX + handle)
    with _hushed():
        import kagglehub  # here, because no other source needs it
        from kagglehub.exceptions import DataCorruptionError
    try:
        with _hushed():
            folder = Path(kagglehub.dataset_download(handle))
    except (OSError, DataCorruptionError, *_DAMAGED, *_UNSAFE) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        page = f"https://www.kaggle.com/datasets/{handle}"
        problem = " ".join(_problem(error, handle, page).split())
        raise UserError(
            f"{problem}, or download {page} by hand and set ingest.location to the .zip"
        ) from None
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise UserError(f"{path} is a link; the data set {handle} is refused")
    return folder


def _problem(error: Exception, handle: str, page: str) -> str:
    """What is wrong and what to do; a damaged download is removed."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        status = f"{error.response.status_code} {error.response.reason}"
        answer = _ANSWERS.get(error.response.status_code, _OTHER_ANSWER)
        return answer.format(handle=handle, page=page, status=status)
    if isinstance(error, ValueError) and any(sign in str(error) for sign in _CREDENTIALS):
        # The error itself is not shown: it may quote the token.
        return "your Kaggle credentials are malformed; correct KAGGLE_API_TOKEN or the files in ~/.kaggle"
    if isinstance(error, exceptions.ConnectionError):
        return f"Kaggle cannot be reached ({_root(error)}); check the network and the proxy"
    if isinstance(error, exceptions.RequestException):
        return f"the download of {handle} broke off ({_root(error)}); run again to go on with it"
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        return f"kagglehub cannot keep {handle} ({error}); set KAGGLEHUB_CACHE to another folder"
    _discard(handle)
    if isinstance(error, _UNSAFE):
        return f"this Python cannot unpack the tar archive of {handle} safely; use Python 3.11.4 or newer"
    return f"the download of {handle} cannot be unpacked ({error}); run again to repeat it"


def _discard(handle: str) -> None:
    """Remove a damaged download, whose archive kagglehub would take for a finished one the next time."""
    from kagglehub import cache
    from kagglehub.handle import parse_dataset_handle

    Path(cache.get_cached_archive_path(parse_dataset_handle(handle))).unlink(missing_ok=True)
    cache.delete_from_cache(parse_dataset_handle(handle))


def _root(error: BaseException) -> BaseException:
    """The first exception of a chain: 'connection refused' below what two libraries make of it."""
    while (earlier := error.__cause__ or error.__context__) is not None:
        error = earlier
    return error


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Drop what is printed; on stderr, which carries the progress bar, only where it is not a terminal."""
    errors = sys.stderr if sys.stderr.isatty() else io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        yield
