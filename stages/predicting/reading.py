"""Read a scan in the way of its kind; what a kind needs is imported when a scan of it comes."""

from dataclasses import replace

import numpy as np

from stages.formats import suffixes
from stages.formats.file import File
from stages.formats.suffixes import stem
from stages.inference.spec import Input
from stages.predicting import channels
from stages.predicting.scan import Scan
from stages.scan import gaps
from stages.scan.header import Header, Unreadable
from stages.scan.volume import Volume, together


def read(scan: Scan, model_input: Input) -> Volume:
    """A scan with the channels that a model takes. Raises `Unreadable` where it is damaged or lacks one."""
    return _READERS[scan.kind](scan, model_input)


def _flat(scan: Scan, model_input: Input) -> Volume:
    picture, blended = _picture(scan.files[0])
    raster = suffixes.suffix_of(scan.files[0].name) in suffixes.RASTER
    voxels = channels.arranged(picture.voxels, model_input, raster=raster, blended=blended)
    return replace(picture, voxels=voxels)


def _picture(file: File) -> tuple[Volume, str]:
    """A picture, and why three channels of it cannot be three sequences."""
    if suffixes.suffix_of(file.name) in suffixes.TIFF:
        from stages.formats import tiff

        return file.read(tiff.decode), ""
    from stages.formats import raster

    return file.read(raster.decode), file.read(raster.blended)


def _lgg(scan: Scan, model_input: Input) -> Volume:
    from stages.formats import tiff

    slices: list[np.ndarray] = []
    spacing, remarks = None, []
    for file in scan.files:
        page = file.read(tiff.decode)
        if len(page.voxels) > 1:
            raise Unreadable(f"{file.name} holds {len(page.voxels)} pages; segment it as a file by itself")
        if slices and page.voxels.shape != slices[0].shape:
            raise Unreadable(f"{file.name} differs in size from the slices before it")
        slices.append(page.voxels)
        spacing = page.spacing
        remarks += [f"{file.name}: {remark}" for remark in page.remarks]
        # Raises where the slices together would be too large.
        _, height, width, count = page.voxels.shape
        Header(height, width, count, slices=len(slices))
    remarks = remarks[:1] + [f"{len(remarks) - 1} more slices are like this"] * (len(remarks) > 1)
    if gap := gaps.sentence([int(stem(file.name).rpartition("_")[2]) for file in scan.files]):
        remarks.append(f"it has {gap}")
    voxels = channels.arranged(np.concatenate(slices), model_input)
    return Volume(voxels, spacing, remarks=tuple(remarks))


def _nifti(scan: Scan, model_input: Input) -> Volume:
    """A volume for each modality; grid, header and remarks are of the scan's first file, taken by the model
    or not, and remarks also of the others.
    """
    from stages.formats import nifti

    places = channels.pick(scan.roles, model_input)
    files = scan.files if places is None else tuple(scan.files[place] for place in places)
    header = files[0].read(nifti.read_header)
    several = len(files) if len(files) > 1 else header.channels
    Header(header.height, header.width, several, slices=header.slices)  # of all together
    first = scan.files[0].read(nifti.read_layout)
    grids = {scan.files[0].name: first.grid}
    remarks = {scan.files[0].name: first.remarks}
    volumes: list[np.ndarray] = []
    for file in files:
        volume = file.read(nifti.decode)
        volumes.append(volume.voxels)
        channels.series(volume.voxels.shape[3], len(files), model_input)
        if volumes[-1].shape[:3] != first.grid.size:
            raise Unreadable("its modalities differ in size")
        assert volume.grid is not None
        grids[file.name] = volume.grid
        remarks[file.name] = volume.remarks
    together(grids)
    if len({volume.dtype for volume in volumes}) > 1:
        volumes = [volume.astype(np.float32) for volume in volumes]
    voxels = np.concatenate(volumes, axis=3) if len(volumes) > 1 else volumes[0]
    voxels = channels.arranged(voxels, model_input, picked=places is not None)
    alone = len(remarks) == 1
    sentences = [remark if alone else f"{name}: {remark}" for name, own in remarks.items() for remark in own]
    sentences += channels.untold(scan.roles, model_input, header.channels, len(files))
    return Volume(voxels, header.spacing_mm, first.grid, first.block, tuple(sentences))


def _dicom(scan: Scan, model_input: Input) -> Volume:
    from stages.formats import dicom

    series = dicom.decode(scan.files)
    remarks = series.remarks + channels.untold(scan.roles, model_input)
    return replace(series, voxels=channels.arranged(series.voxels, model_input), remarks=remarks)


_READERS = {"flat": _flat, "lgg": _lgg, "nifti": _nifti, "brats": _nifti, "dicom": _dicom}
