"""Scans in object storage or on a server: what lies at an address, through fsspec.

Credentials are those of the machine, as the store's own programs use them; none stand in params.yaml.
"""

import base64
import binascii
import logging
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from stages.core.errors import UserError
from stages.sources import folder

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
SCHEMES = ("s3", "gs", "https", "http", "sftp")
_EXTRAS = {"s3": "s3", "gs": "gs", "sftp": "sftp"}
"""Of brainseg, that bring what fsspec needs for a scheme."""
_CREDENTIALS = {
    "s3": "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; FSSPEC_S3_ANON=true for a public "
    "bucket",
    "gs": "run `gcloud auth application-default login` or set GOOGLE_APPLICATION_CREDENTIALS; "
    "FSSPEC_GS_TOKEN=anon for a public bucket",
    "sftp": "set up a key that the command sftp takes, and a line for the host in ~/.ssh/known_hosts",
    "https": "put a line for the host into ~/.netrc, or download it by hand",
}
_VERSIONS = ("ETag", "etag", "md5Hash", "generation", "Last-Modified", "LastModified", "mtime", "updated")
"""Names under which stores tell what changes with an object's content, the surest first."""
CONNECTIONS = 8
"""Requests at a time."""


@dataclass(frozen=True)
class Object:
    """A file in a store. name: below the address, of a single file its own. version: what the store has that
    changes with the content, "" where it tells nothing. checksum: algorithm and hexadecimal digest of the
    content, if the store has one.
    """

    name: PurePosixPath
    path: str
    size: int
    version: str
    checksum: tuple[str, str] | None


def is_remote(location: str) -> bool:
    """Whether a location is an address and no path. Raises `UserError` for one that cannot be read."""
    scheme = _ADDRESS.match(location)
    if not scheme:
        return False
    if scheme[1].lower() not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise UserError(f"{location}: {scheme[1]}:// is not read; use {known}, a folder or a .zip")
    parts = urlsplit(location)
    if parts.password is not None:
        raise UserError(
            f"{parts.scheme}://{parts.hostname}: a password does not belong into an address, which is "
            f"recorded with every run; {_CREDENTIALS.get(parts.scheme, _CREDENTIALS['https'])}"
        )
    return True


class Remote:
    """What lies at an address: one file, or all files below a folder."""

    def __init__(self, address: str, key: str = folder.LOCATION) -> None:
        """key: of params.yaml that names the address, or how else its user named it."""
        self.address = address
        self.key = key
        self.scheme = urlsplit(address).scheme.lower()

    @cached_property
    def system(self) -> Any:
        """fsspec's file system. Raises `UserError` where a package is not installed."""
        import fsspec  # here, as most runs are of files on this machine

        for library in ("asyncssh", "gcsfs", "s3fs"):  # what they log, with tracebacks, they raise as well
            logging.getLogger(library).setLevel(logging.CRITICAL)
        options: dict[str, Any] = {}
        try:
            if self.scheme == "sftp":
                # Which registers itself. Like fsspec's own it takes any host for the right one by default.
                import sshfs  # noqa: F401

                options["known_hosts"] = ()  # as asyncssh has it: those of ~/.ssh/known_hosts
            if self.scheme.startswith("http"):
                import aiohttp

                patience = aiohttp.ClientTimeout(total=None, sock_connect=20, sock_read=60)
                options["client_kwargs"] = {"timeout": patience, "trust_env": True}
            if self.scheme == "gs":
                # Not its successor for zonal buckets, which asks for a minute whether a bucket is one.
                from gcsfs.core import GCSFileSystem

                return GCSFileSystem(skip_instance_cache=True)
            with self.answering():
                return fsspec.url_to_fs(self.address, skip_instance_cache=True, **options)[0]
        except ImportError:
            extra = _EXTRAS.get(self.scheme, "s3")
            raise UserError(
                f"{self.key} {self.address}: {self.scheme}:// needs a package more; pip install "
                f"'brainseg[{extra}]'"
            ) from None

    @cached_property
    def root(self) -> str:
        """The address as the file system writes paths."""
        path: str = self.system._strip_protocol(self.address)
        return path

    def objects(self, belongs: Callable[[PurePosixPath], bool]) -> list[Object]:
        """The file at the address, or those below it that belong, by name. Raises `UserError` where there is
        none, or a name would leave the folder it is brought into.
        """
        with self.answering():
            if self._is_folder():
                entries = dict(self._below())
                if twice := set(entries) & {parent for name in entries for parent in name.parents}:
                    raise UserError(
                        f"{self.key} {self.address} uses one name for a file and a folder ({min(twice)}); "
                        "rename one"
                    )
                chosen = {name: entry for name, entry in entries.items() if belongs(name)}
                if self.scheme.startswith("http"):  # whose listings have names alone
                    with ThreadPoolExecutor(CONNECTIONS) as threads:
                        chosen = dict(zip(chosen, threads.map(self._info, chosen.values()), strict=True))
                return [self._object(name, chosen[name]) for name in sorted(chosen)]
            name = PurePosixPath(unquote(urlsplit(self.address).path)).name
            return [self._object(PurePosixPath(name), self._info({"name": self.root}))]

    def is_current(self, known: Object) -> bool:
        """Whether an object is still the one that was listed."""
        with self.answering():
            self.system.invalidate_cache()
            entry = self._object(known.name, self._info({"name": known.path}))
            return (entry.size, entry.version) == (known.size, known.version)

    def tells_content(self, known: Object) -> bool:
        """Whether the checksum of an object is of its content: the ETag of one that S3 encrypted with a key
        of its user is not.
        """
        if self.scheme != "s3":
            return True
        with self.answering():
            bucket, key, _ = self.system.split_path(known.path)
            answer = self.system.call_s3("head_object", Bucket=bucket, Key=key)
        encryption = str(answer.get("ServerSideEncryption", ""))
        return not (encryption.startswith("aws:kms") or answer.get("SSECustomerAlgorithm"))

    @contextmanager
    def answering(self) -> Iterator[None]:
        """An error of the store inside the block becomes a `UserError`."""
        try:
            yield
        except (UserError, ImportError):
            raise
        except Exception as error:  # each store has its own; the sentence has what they say
            raise UserError(f"{self.key} {self.address} {self._problem(error)}") from None

    def _is_folder(self) -> bool:
        if self.scheme.startswith("http"):
            return urlsplit(self.address).path.endswith("/")
        return bool(self.system.info(self.root)["type"] == "directory")

    def _below(self) -> Iterator[tuple[PurePosixPath, dict[str, Any]]]:
        root = self.root.rstrip("/") + "/"
        # By default a folder that cannot be listed is left out. Buckets have no folders.
        strict = {} if self.scheme in ("s3", "gs") else {"on_error": "raise"}
        for path, entry in self.system.find(self.root, detail=True, **strict).items():
            if not path.startswith(root) or path == root or path.endswith("/"):
                continue
            if entry["type"] == "link":  # of SFTP
                entry = self._info(entry)
                if entry["type"] == "directory":
                    raise UserError(
                        f"{self.key} {self.address}: {path} is a link to a folder, which is not "
                        "followed on a server; name the folder itself"
                    )
                entry["name"] = path
            name = path.removeprefix(root)
            yield self._safe(unquote(name) if self.scheme.startswith("http") else name), entry

    def _safe(self, name: str) -> PurePosixPath:
        parts = name.split("/")
        if not {"", ".", ".."}.isdisjoint(parts) or "\\" in name or "\0" in name:
            raise UserError(
                f"{self.key} {self.address}: {name!r} would not stay in its folder, or is a name that no "
                "disk has; rename the object"
            )
        return PurePosixPath(name)

    def _info(self, entry: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self.system.info(entry["name"])
        return answer

    def _object(self, name: PurePosixPath, entry: dict[str, Any]) -> Object:
        if entry.get("size") is None:
            raise UserError(
                f"{self.key} {self.address}: the server does not tell how large {name} is; download it by "
                "hand"
            )
        version = next((str(entry[key]) for key in _VERSIONS if entry.get(key)), "")
        return Object(name, entry["name"], int(entry["size"]), version, _checksum(self.scheme, entry))

    def _problem(self, error: Exception) -> str:
        chain = [error, *_causes(error)]
        names = " ".join(type(link).__name__ for link in chain)
        statuses = {getattr(link, "status", None) for link in chain}
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        if isinstance(error, PermissionError) or "Credential" in names or "PermissionDenied" in names:
            statuses.add(403)
        if statuses & {401, 403} or "HostKeyNotVerifiable" in names:
            hint = _CREDENTIALS.get(self.scheme, _CREDENTIALS["https"])
            return f"cannot be read with the credentials in use ({first}); {hint}"
        if "FileExpired" in names:
            return "changed while it was read; run again"
        if isinstance(error, FileNotFoundError):
            return "does not exist, or not any more; check the address"
        return f"cannot be read ({first}); check the address and the network, and run again"


def _causes(error: BaseException) -> Iterator[BaseException]:
    while (cause := error.__cause__ or error.__context__) is not None:
        yield cause
        error = cause


def _checksum(scheme: str, entry: dict[str, Any]) -> tuple[str, str] | None:
    """What a store says of an object's content, as algorithm and hexadecimal digest.

    An S3 ETag is the MD5 of an object that was uploaded in one piece (AWS, "Checking object integrity").
    """
    tag = str(entry.get("ETag", "")).strip('"')
    if scheme == "s3" and re.fullmatch("[0-9a-f]{32}", tag):
        return "md5", tag
    if scheme == "gs" and (md5 := _decoded(entry.get("md5Hash"))):
        return "md5", md5
    if scheme.startswith("http"):
        for digest in str(entry.get("Digest", "")).split(","):  # RFC 3230
            algorithm, _, value = digest.strip().partition("=")
            known = {"sha-256": "sha256", "sha-512": "sha512", "md5": "md5"}.get(algorithm.lower())
            if known and (content := _decoded(value)):
                return known, content
        if md5 := _decoded(entry.get("Content-MD5")):
            return "md5", md5
    return None


def _decoded(text: Any) -> str:
    try:
        return base64.b64decode(str(text or ""), validate=True).hex()
    except binascii.Error:
        return ""
