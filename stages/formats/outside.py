"""NaN around a head, which programs that strip skulls or resample write for "nothing was measured here"."""

from dataclasses import replace

import numpy as np

from stages.scan.volume import Volume


def filled(volume: Volume, background: float | None = None) -> Volume:
    """The same with a number in the place of NaN outside; NaN within the head stays, and is no number to
    anybody who asks.

    Outside is what hangs together with the border of a slice, across slices too: pockets between the lobes
    are closed within a slice, and a slice beyond the head has nothing but NaN. background: the number; None:
    the lowest that the channel has, as air has it. What has no other numbers is left as it is.
    """
    if volume.voxels.dtype.kind != "f" or not np.isnan(volume.voxels).any():
        return volume
    voxels = volume.voxels if volume.voxels.flags.writeable else volume.voxels.copy()
    taken = 0
    for channel in range(voxels.shape[3]):
        values = voxels[..., channel]
        lowest = np.nanmin(values, initial=np.inf)
        if np.isfinite(lowest):
            outside = _outside(np.isnan(values))
            values[outside] = lowest if background is None else background
            taken += int(np.count_nonzero(outside))
    if not taken:
        return volume
    share = f"{100 * taken / voxels.size:.2g} %"
    remark = f"NaN that reaches the border, {share} of its voxels, is taken for background"
    return replace(volume, voxels=voxels, remarks=(*volume.remarks, remark))


def _outside(nan: np.ndarray) -> np.ndarray:
    """Of NaN (S, H, W) bool those that hang together, by faces, with the border of a slice."""
    from scipy import ndimage  # takes a fifth of a second to load, and few scans need it

    labels, count = ndimage.label(nan)
    reaching = np.zeros(count + 1, bool)
    for edge in (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]):
        reaching[np.unique(edge)] = True
    reaching[0] = False
    outside: np.ndarray = reaching[labels]
    return outside
