"""The regions of a model held against the labels of a set, which may mean something else by a name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.core.errors import UserError
from stages.inference.spec import Output
from stages.masks import levels


@dataclass(frozen=True)
class Labels:
    """What the labels of a set mean: as `scan.task.Task` has it, and `outline` as `spec.Output`."""

    classes: Mapping[int, str]
    regions: Mapping[str, Sequence[int]]
    noun: str
    outline: str


@dataclass(frozen=True)
class Regions:
    """classes: of the set, by the region of the model that is held against them; places: of these among the
    model's channels. exclusive: as the model's. sentences: how they were matched, and what differs.
    """

    classes: dict[str, list[int]]
    places: list[int]
    exclusive: bool
    sentences: tuple[str, ...]

    def probabilities(self, answer: np.ndarray) -> np.ndarray:
        """The channels of an answer (S, R, H, W) that are compared, (S, `places`, H, W)."""
        if self.exclusive:  # among all regions of the model, also those the set does not have
            best = levels.exclusive(levels.quantise(answer)) > 0
            answer = np.where(best, answer, np.float32(0))
        return answer[:, self.places]


def match(output: Output, labels: Labels) -> Regions:
    """Regions of the same name, and where there are none the widest of the model against the widest of the
    set, or all its labels where none is the widest. Raises `UserError` where nothing corresponds.
    """
    if output.noun != labels.noun:
        raise UserError(
            f"the model outlines a {output.noun}, the labels a {labels.noun}; score it on labels of the first"
        )
    common = [name for name in output.regions if name in labels.regions]
    outlines = _outlines(output, labels)
    if common:
        sentences = [*outlines, *_same_name(output, labels, common)]
        if missing := [name for name in output.regions if name not in common]:
            sentences.append(f"{', '.join(missing)} cannot be scored: the set has no such region")
        return _regions(output, {name: list(labels.regions[name]) for name in common}, sentences)
    ours = _widest(output.regions)
    if ours is None:
        raise UserError(
            f"the model outlines {', '.join(output.regions)}, the labels {', '.join(labels.regions)}: none "
            "is the other; score it on labels with the model's regions"
        )
    theirs = _widest(labels.regions)
    classes = sorted(labels.regions[theirs] if theirs else labels.classes)
    parts = ", ".join(labels.classes[number] for number in classes)
    sentence = f"{ours} of the model is held against {theirs or 'all labels'} of the set ({parts})"
    return _regions(output, {ours: classes}, [sentence, *outlines])


def _widest(regions: Mapping[str, Sequence[int]]) -> str | None:
    """The region of the most classes, None where several have as many."""
    names = sorted(regions, key=lambda name: -len(regions[name]))
    alone = len(names) == 1 or len(regions[names[0]]) > len(regions[names[1]])
    return names[0] if alone else None


def _regions(output: Output, classes: dict[str, list[int]], sentences: list[str]) -> Regions:
    places = [list(output.regions).index(name) for name in classes]
    return Regions(classes, places, output.exclusive, tuple(sentences))


def _outlines(output: Output, labels: Labels) -> list[str]:
    if output.outline == labels.outline:
        return []
    ours, theirs = (text or "what nothing tells" for text in (output.outline, labels.outline))
    return [f"the definitions differ: the model learnt masks of {ours}; here they are of {theirs}"]


def _same_name(output: Output, labels: Labels, names: list[str]) -> list[str]:
    sentences = []
    for name in names:
        ours = sorted(output.classes[number] for number in output.regions[name])
        theirs = sorted(labels.classes[number] for number in labels.regions[name])
        if ours != theirs:
            sentences.append(f"{name} is {', '.join(ours)} to the model and {', '.join(theirs)} in the set")
    return sentences
