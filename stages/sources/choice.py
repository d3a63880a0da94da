"""Which categories of a COCO set are tumour: what their names say, or what the user says of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

from stages.core import record
from stages.core.errors import UserError
from stages.formats import categories
from stages.formats.annotations import Annotations
from stages.formats.categories import Category, Meaning

_MANY = 20
"""Names that a sentence holds."""


class Choice:
    """The categories of all annotation files of a set, with the numbers of their annotations.

    `tumours`: keys of the categories that the user named, None where nobody did; `reference`: the same behind
    an image's id in the `mask` of a row.
    """

    def __init__(self, names: Sequence[str | int] | None) -> None:
        self._names = [str(name) for name in names or ()]
        self.tumours = None if names is None else frozenset(map(categories.key, self._names))
        self.reference = "".join(f"#{record.reference(key)}" for key in sorted(self.tumours or ()))
        self._listed: dict[str, list[Category]] = {}
        self._annotations: Counter[str] = Counter()
        self._unnamed: dict[str, int] = {}  # different category_ids in files without categories
        self._free = 0

    def add(self, listing: str, content: Annotations) -> None:
        """Count what an annotation file holds. `listing`: its name."""
        for category in content.categories.values():
            self._listed.setdefault(category.key, []).append(category)
        for image_id in content.images:
            said = content.statement(image_id, self.tumours)
            self._free += bool(said.absence and not said.tumour)
        entries = list(chain.from_iterable(content.annotations.values()))
        self._annotations.update(category.key for category in map(content.category, entries) if category)
        if entries and not content.categories:
            self._unnamed[listing] = len({str(annotation.category_id) for annotation in entries})

    def notes(self) -> list[str]:
        """What was made of the categories, for the user. Raises `UserError` where that would be a guess."""
        tumours, free, others = (self._of(meaning) for meaning in Meaning)
        self._refuse_names(tumours)
        self._refuse_unnamed(free + others)
        self._refuse_guess(tumours, free, others)
        notes = [
            f"{listing} does not name the {number} categories of its annotations, all are taken as tumour"
            for listing, number in self._unnamed.items()
            if number > 1
        ]
        if self.tumours is None and len(tumours) > 1:
            notes.append(
                f"annotations of {self._counted(tumours)} are all taken as tumour, as their supercategory "
                "says; if only some are, name them in ingest.categories"
            )
        if free:
            notes.append(
                f"images without tumour, as the categories {self._counted(free)} of their annotations say: "
                f"{self._free}"
            )
        if others:
            notes.append(f"annotations of something else than tumours, ignored: {self._counted(others)}")
        return notes

    def _of(self, meaning: Meaning) -> list[str]:
        """Keys of the categories that mean it and have annotations."""
        return sorted(key for key in self._annotations if self._meaning(key) is meaning)

    def _meaning(self, key: str) -> Meaning:
        if self.tumours is not None:
            return Meaning.TUMOUR if key in self.tumours else Meaning.ABSENCE
        return categories.meaning(key)

    def _counted(self, keys: Iterable[str]) -> str:
        """Names with the numbers of their annotations."""
        names = [f"{self._listed[key][0]} ({self._annotations[key]})" for key in keys]
        more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
        return ", ".join(names[:_MANY]) + more

    def _refuse_names(self, tumours: list[str]) -> None:
        """Raise `UserError` where the user's names are none of the set's, or have no annotations."""
        listed = f"there are {self._counted(sorted(self._listed)) or 'none'}"
        for name in self._names:
            if categories.key(name) not in self._listed:
                raise UserError(
                    f"ingest.categories names {name!r:.40}, which no annotation file lists; {listed}"
                )
        if self.tumours is not None and not tumours:
            raise UserError(f"no annotation is of ingest.categories {self._names!r:.80}; {listed}")

    def _refuse_unnamed(self, no_tumours: list[str]) -> None:
        """Raise `UserError` where annotations without a category are beside some that are no tumour's."""
        if self._unnamed and (no_tumours or self.tumours is not None):
            raise UserError(
                f"{min(self._unnamed)} lists no categories, so that its annotations of tumours cannot be "
                "told from others; add the categories there"
            )

    def _refuse_guess(self, tumours: list[str], free: list[str], others: list[str]) -> None:
        """Raise `UserError` where the names do not say what is tumour."""
        listed = [category for key in tumours for category in self._listed[key]]
        if self.tumours is None and len(tumours) > 1 and not all(map(categories.numbered_tumour, listed)):
            raise UserError(
                f"annotations are of more than one category, {self._counted(tumours)}; name in "
                "ingest.categories those that are tumour, images with others only then have none"
            )
        if others and not tumours and not free:
            raise UserError(
                f"annotations are of {self._counted(others)} only, by their names no tumours; if they are, "
                "name them in ingest.categories"
            )
