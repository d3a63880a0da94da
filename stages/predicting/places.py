"""The scans that a user names: paths on this machine, and addresses, from which they are fetched first."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from stages.core.errors import UserError
from stages.predicting import discovery
from stages.predicting.discovery import Listing
from stages.predicting.scan import Scan
from stages.sources import remote


def find(named: Sequence[str], sequences: Sequence[str] = ()) -> Listing:
    """`discovery.find` among paths and addresses, in their order. Scans that were fetched keep their address
    in what is written of them.

    Raises `UserError` as that does, and where something cannot be fetched.
    """
    fetched: dict[Path, str] = {}
    paths = []
    for name in named:
        if remote.is_remote(name):
            paths.append(_fetched(name))
            fetched[paths[-1]] = name
        else:
            paths.append(Path(name))
    try:
        listing = discovery.find(paths, sequences)
    except UserError as error:
        sentence = str(error)
        for path, address in fetched.items():
            sentence = sentence.replace(str(path), address)
        raise UserError(sentence) from None
    return replace(listing, scans=[_addressed(scan, fetched) for scan in listing.scans])


def _fetched(address: str) -> Path:
    from stages.sources import fetching  # knows formats and archives, which takes time to import

    return fetching.fetch(address, _may_be_scan, "scan")


def _may_be_scan(name: PurePosixPath) -> bool:
    """By its name: what `discovery` looks at, or says that it cannot read."""
    from stages.sources import archive

    return not archive.is_hidden(name) and discovery.is_candidate(name.name)


def _addressed(scan: Scan, fetched: dict[Path, str]) -> Scan:
    for path, address in fetched.items():
        if scan.path == path:
            return replace(scan, address=address)
        if scan.path.is_relative_to(path):
            below = scan.path.relative_to(path).as_posix()
            return replace(scan, address=f"{address.rstrip('/')}/{below}")
    return scan
