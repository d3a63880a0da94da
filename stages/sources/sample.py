"""The embedded default source: synthetic brain MRI of many patients, in the layout of the LGG set.

No scan of a person is in it. Each patient is a head drawn in millimetres (scalp, skull, folded cortex,
ventricles, cerebellum, one or two tumours and look-alikes of tumours), then imaged by one of four scanners
with its own contrast, shading and noise. Patient i of a seed is the same however many patients are written.
"""

import csv
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from stages.core import workers

Field = NDArray[np.floating[Any]]  # float32 in fact: twice as fast, and noise is far above its rounding
Triple = tuple[float, float, float]  # (T1, FLAIR, T1 after contrast), or (x, y, z)

PATIENTS = 50
SIZE = 192  # pixels per side; at 1.25 mm a field of view of 240 mm, as in clinical head scans
HARD = 9  # one patient in so many, the fourth being the first, is hard in one of the ways below
HARDSHIPS = ("copied", "faint", "noisy", "shaded")

# Brightness on a scale where fat in T1 is 1; eyeballed from LGG slices.
FAT: Triple = (1.0, 0.7, 1.0)
BONE: Triple = (0.1, 0.07, 0.1)
CSF: Triple = (0.17, 0.14, 0.19)
MUSCLE: Triple = (0.36, 0.3, 0.42)
GREY: Triple = (0.41, 0.47, 0.45)
WHITE: Triple = (0.56, 0.40, 0.59)
VESSEL: Triple = (0.25, 0.15, 1.05)
GLIOSIS: Triple = (
    0.45,
    0.85,
    0.5,
)  # of ageing white matter: bright in FLAIR as a tumour is, hardly dark in T1
INFLOW: Triple = (0.42, 0.80, 0.48)  # CSF that moves escapes the inversion pulse of FLAIR


@dataclass(frozen=True)
class Scanner:
    """A site's systematic effects on its patients' images."""

    site: str
    gain: Triple  # brightness of fat as a share of full scale
    gamma: Triple  # above 1 darkens the mid-tones
    noise: float  # standard deviation, in units of fat
    shading: float  # how much brighter the rim is than the centre (surface coils), as a logarithm
    blur: float  # standard deviation in pixels


SCANNERS = (
    Scanner("AR", (0.60, 0.62, 0.62), (1.00, 1.00, 1.00), 0.015, 0.10, 0.55),
    Scanner("BL", (0.75, 0.48, 0.72), (1.15, 1.30, 1.10), 0.025, 0.28, 0.65),
    Scanner("CN", (0.55, 0.85, 0.66), (0.85, 0.80, 0.90), 0.035, 0.20, 0.85),
    Scanner("DV", (0.85, 0.70, 0.50), (1.25, 1.00, 1.20), 0.020, 0.22, 0.60),
)


def write(root: Path, patients: int = PATIENTS, seed: int = 0) -> None:
    """Write `patients` synthetic cases below `root` in the layout of the LGG set.

    Makes kaggle_3m/SAMPLE_<SITE>_<NNNN>_<YYYYMMDD>/ with <folder>_<k>.tif, (192, 192, 3) uint8 with channels
    T1, FLAIR and T1 after contrast, and <folder>_<k>_mask.tif, (192, 192) uint8 of 0 and 255, for k = 1, 2, …
    from the skull base up; and kaggle_3m/data.csv with columns Patient and site. The files are ImageJ TIFFs,
    with the spacing in mm: pixels as resolution, slices as `spacing`. The same seed gives the same bytes.

    Raises ValueError if `patients` is below 1.
    """
    if patients < 1:
        raise ValueError(f"the sample needs at least 1 patient, not {patients}")
    folder = root / "kaggle_3m"
    with workers.pool() as pool:
        cases = list(pool.map(partial(write_case, folder, seed), range(patients)))
    rows = [("Patient", "site"), *cases]
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def write_case(folder: Path, seed: int, index: int) -> tuple[str, str]:
    """Write the case of patient number `index` into a folder of its own; name and site of the patient."""
    rng, site = np.random.default_rng([seed, index]), SCANNERS[index % len(SCANNERS)].site
    patient = f"SAMPLE_{site}_{1000 + index:04d}"
    name = f"{patient}_{rng.integers(1994, 2009)}{rng.integers(1, 13):02d}{rng.integers(1, 29):02d}"
    (folder / name).mkdir(parents=True, exist_ok=True)
    hardship = HARDSHIPS[index // HARD % len(HARDSHIPS)] if index % HARD == 3 else ""
    head = Head(rng)
    signal = head.paint()
    millilitres = 1.5 * 60 ** rng.random() ** 0.6  # 1.5 to 90, half of them above 22: LGG's are large
    mask = np.zeros(head.shape, bool)
    for share in (0.75, 0.25) if millilitres > 8 and rng.random() < 0.2 else (1.0,):
        mask |= _paint_lesion(head, signal, share * millilitres, faint=hardship == "faint")
    images = _scan(head, signal, SCANNERS[index % len(SCANNERS)], hardship)
    about = {"spacing": head.thickness_mm, "unit": "mm"}
    spacing: Any = {"resolution": (1 / head.pixel_mm, 1 / head.pixel_mm), "metadata": about}
    for k, (image, label) in enumerate(zip(images, mask.astype(np.uint8) * np.uint8(255), strict=True), 1):
        for path, pixels, colours in ((f"{k}", image, "rgb"), (f"{k}_mask", label, "minisblack")):
            target = folder / name / f"{name}_{path}.tif"
            tifffile.imwrite(target, pixels, imagej=True, photometric=colours, **spacing)
    return patient, site


class Head:
    """A head on the scanner's grid, in mm: x is left-right, y grows to the face, z to the vertex."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.pixel_mm = round(rng.uniform(1.2, 1.3), 3)
        self.thickness_mm = round(rng.uniform(6.3, 8.2), 2)
        self.shape = (min(max(round(rng.uniform(92, 118) / self.thickness_mm), 12), 18), SIZE, SIZE)
        self.x, self.y, self.z = x, y, z = self._coordinates()
        a, b, c = (radius * rng.uniform(0.93, 1.06) for radius in (66, 83, 66))
        forehead = 1 - rng.uniform(0.0, 0.12) / b * y
        below = np.where(z > 0, np.float32(1), np.float32(1.9))  # the neck: no lower pole
        self.outer = _ellipsoid(x / (a * forehead), y / b, z / (c * below), b)  # depth below the skull
        # The skull base: orbits and sinuses in front, temporal lobes behind them, the posterior fossa last.
        base = -24 - 40 * np.clip((30 + 8 * np.cos(x / 12) - y) / 26, 0, 1) + 3 * self.noise(25)
        self.depth = np.minimum(self.outer, z - base)
        width = rng.uniform(4.0, 8.5)
        lateral = _ellipsoid((np.abs(x) - 1 - 0.005 * y**2) / width - 1, y / 42, (z - 13) / 17, width)
        third = self.ball((0, -3, -8), (2.5, 15, 14))
        cistern = self.ball((0, 10, -27), (12, 7, 7))
        self.ventricle = np.maximum(np.maximum(lateral, third), cistern)
        self.white = np.zeros(self.shape, np.float32)  # share of white matter, once painted

    def noise(self, scale_mm: float) -> Field:
        """A smooth random field over the grid: mean 0, standard deviation 1, bumps of about `scale_mm`."""
        cells = int(SIZE * self.pixel_mm / scale_mm * 2) + 3
        coarse = self.rng.standard_normal((self.shape[0], cells, cells), np.float32)
        coarse = ndimage.gaussian_filter(coarse, (scale_mm / 2 / self.thickness_mm, 1, 1))
        coarse = (coarse - coarse.mean()) / coarse.std()
        field = np.empty(self.shape, np.float32)
        for plane, small in zip(field, coarse, strict=True):
            cv2.resize(small, (SIZE, SIZE), dst=plane, interpolation=cv2.INTER_CUBIC)
        return field

    def ball(self, centre: Triple, radii: Triple) -> Field:
        """Depth inside an ellipsoid, in mm along its smallest radius; negative outside."""
        u, v, w = (
            (axis - at) / r for axis, at, r in zip((self.x, self.y, self.z), centre, radii, strict=True)
        )
        return _ellipsoid(u, v, w, min(radii))

    def _coordinates(self) -> tuple[Field, Field, Field]:
        rng = self.rng
        steps = (np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2) * np.float32(self.pixel_mm)
        turn, tilt = rng.normal(0, math.radians(5)), rng.normal(0, math.radians(5))
        right, front = steps + rng.normal(0, 4), -steps[:, None] + rng.normal(0, 4)
        up = 62 + rng.normal(0, 3) - self.thickness_mm * np.arange(self.shape[0], dtype=np.float32)[::-1]
        x = right * math.cos(turn) - front * math.sin(turn) + 2.5 * self.noise(60)
        y = right * math.sin(turn) + front * math.cos(turn) + 2.5 * self.noise(60)
        return x, y, up[:, None, None] + math.tan(tilt) * y

    def paint(self) -> Field:
        """The head without its tumour but with what looks like one: (3, slices, 192, 192), fat in T1 = 1."""
        rng = self.rng
        signal = np.full((3, *self.shape), 0.01, np.float32)  # air, all but silent
        skull = self.outer + rng.uniform(4, 7) + 1.5 * self.noise(30)
        _lay(signal, MUSCLE, _inside(skull + rng.uniform(4, 9)))
        _lay(signal, FAT, _inside(skull + rng.uniform(3, 5), 3))
        _lay(signal, BONE, _inside(skull))
        texture = self.noise(9)
        face = _inside(self.outer + 2) * _inside(1 - self.depth, 3)
        _lay(signal, MUSCLE, face)
        _lay(signal, FAT, 0.7 * face * _inside(texture - 0.9, 0.6))
        _lay(signal, BONE, face * _inside(-texture - 0.3, 0.6))
        eyes = np.maximum(self.ball((-31, 66, -33), (13, 13, 12)), self.ball((31, 66, -33), (13, 13, 12)))
        _lay(signal, FAT, _inside(eyes + 6, 5) * face)
        _lay(signal, CSF, _inside(np.maximum(eyes, self.depth + 1.5)))
        cortex = self._cortex()
        self.white = _inside(cortex - rng.uniform(3.2, 4.6), 2.5)
        nuclei = np.maximum(self.ball((-17, 0, 2), (9, 21, 13)), self.ball((17, 0, 2), (9, 21, 13)))
        _lay(signal, GREY, _inside(cortex - rng.uniform(0.0, 0.8)))
        _lay(signal, WHITE, self.white * (1 - 0.8 * _inside(nuclei, 3)))
        _lay(signal, CSF, _inside(self.ventricle, 2))
        self._paint_lookalikes(signal, texture)
        return signal

    def _cortex(self) -> Field:
        """Distance to the nearest CSF at the surface, in a sulcus or in the midline cleft."""
        fold_mm = self.rng.uniform(8, 11)
        # Near its zeros |noise| grows as the distance from them, and they are winding lines: the sulci.
        sulcus = 0.65 * fold_mm * np.abs(self.noise(fold_mm)) + 0.3 * np.maximum(self.depth - 18, 0)
        shut = np.maximum(np.minimum(26 - np.abs(self.y + 4), 30 - self.z), 0)  # corpus callosum, thalami
        cortex = np.minimum(sulcus, np.abs(self.x) + 0.4 + 0.5 * shut)
        cerebellum = self.ball((0, -42, -50), (52, 36, 32))
        leaves = 1.6 + 2.2 * np.abs(np.sin(np.hypot(self.x, self.y + 20) / 2.1))
        inner = np.where(cerebellum > 0, leaves, cortex)
        return np.minimum(np.minimum(np.abs(cerebellum) + 0.2, inner), self.depth)

    def _paint_lookalikes(self, signal: Field, texture: Field) -> None:
        """What is bright and no tumour: caps and spots of ageing white matter, inflow, vessels."""
        rng = self.rng
        age = rng.beta(1.2, 1.6)
        caps = np.exp(-np.abs(self.ventricle) / rng.uniform(2, 4)) * _inside(texture + 1.5 * age - 0.9, 1)
        spots = _inside(self.noise(rng.uniform(7, 11)) - 2.7 + age, 0.5) * self.white
        bright = np.maximum(caps, spots) * _inside(self.depth - 3) * (1 - _inside(self.ventricle, 2))
        _lay(signal, GLIOSIS, age * rng.uniform(0.5, 1.0) * bright)
        inflow = _inside(self.noise(12) - rng.uniform(2, 3), 0.5) * _inside(-12 - self.z, 12)
        _lay(signal, INFLOW, rng.uniform(0.0, 0.7) * inflow * _inside(self.depth))
        tree = np.abs(self.noise(14)) + np.abs(self.noise(14)) + 0.15 * np.abs(self.depth - 4)
        sinus = _inside(3 - np.hypot(self.x, self.outer - 1)) * (self.z > -10) * (self.y < 40)
        vessels = np.maximum(_inside(rng.uniform(0.2, 0.35) - tree, 0.3) * _inside(self.depth + 1), sinus)
        _lay(signal, VESSEL, 0.9 * vessels)


def _paint_lesion(head: Head, signal: Field, millilitres: float, faint: bool) -> NDArray[np.bool_]:
    """Lay a tumour with its oedema over `signal` and return its mask, the voxels it more than half fills."""
    rng = head.rng
    tissue = _inside(head.depth - 1.5)
    brain = (tissue > 0.9) & (head.ventricle < -1)
    seat = rng.choice(np.flatnonzero(brain & (head.depth > 9) & (np.abs(head.x) > 12) & (head.z > -40)))
    x, y, z = (float(axis.flat[seat]) for axis in (head.x, head.y, head.z))
    a, b, c = (rng.uniform(0.8, 1.25) for _ in range(3))
    radius = 10 * (3 * millilitres / (4 * math.pi)) ** (1 / 3)  # in mm, were it a sphere
    away = -head.ball((x, y, z), (a, b, c)) + 0.26 * radius * head.noise(max(radius, 8)) + head.noise(7)
    away += np.maximum(-math.copysign(1, x) * head.x, 0)  # the falx holds most tumours back
    # The edge is put where the wanted volume fits, whatever the brain's surface cuts off.
    voxels = int(1000 * millilitres / (head.pixel_mm**2 * head.thickness_mm))
    within = np.partition(away[brain], voxels)[voxels] - away
    cover = _inside(within, rng.uniform(2.5, 7)) * tissue
    darker = rng.uniform(0.03, 0.15)
    brighter = rng.uniform(0.06, 0.10) if faint else rng.uniform(0.20, 0.42)
    look = (GREY[0] - darker, GREY[1] + brighter, GREY[2] - darker)
    _lay(signal, look, rng.uniform(0.75, 0.95) * cover)
    if rng.random() < 0.4:
        rim = np.exp(-(((within - 0.45 * radius) / rng.uniform(1.5, 3)) ** 2))
        signal[2] += rng.uniform(0.3, 0.6) * rim * (1 + 0.2 * head.noise(8)) * cover
    return cover > 0.5


def _scan(head: Head, signal: Field, scanner: Scanner, hardship: str) -> NDArray[np.uint8]:
    """What the scanner makes of the tissue: (slices, 192, 192, 3) uint8."""
    rng = head.rng
    images = np.empty((*head.shape, 3), np.uint8)
    shade = scanner.shading * rng.uniform(0.5, 1.5) * (2.5 if hardship == "shaded" else 1)
    noise = scanner.noise * rng.uniform(0.6, 1.6) + (0.07 if hardship == "noisy" else 0)
    patient = rng.uniform(0.65, 1.15)
    rim = np.clip(1 - head.outer / 50, 0, 1.3) - 0.7
    for channel in range(3):
        level = rng.normal(0, 0.02, (head.shape[0], 1, 1)).astype(
            np.float32
        )  # each slice is excited by itself
        clean = signal[channel] * np.exp(shade * (rim + 0.5 * head.noise(110)) + level)
        sigma = scanner.blur * rng.uniform(0.8, 1.3)
        clean = np.stack([cv2.GaussianBlur(plane, (0, 0), sigma) for plane in clean])
        # Magnitude images have Rician noise; the grain mirrored serves as the other of its two components.
        grain = rng.standard_normal(head.shape, np.float32) * np.float32(noise)
        measured = np.sqrt((clean + grain) ** 2 + grain[:, ::-1, ::-1] ** 2)
        gamma = scanner.gamma[channel] * rng.uniform(0.9, 1.1)
        gain = scanner.gain[channel] * patient * rng.uniform(0.85, 1.15)
        full = 255 * gain * cv2.pow(measured.reshape(-1, SIZE), gamma).reshape(head.shape)
        images[..., channel] = np.clip(full + 0.5, 0, 255)
    if hardship == "copied":  # as in LGG, FLAIR stands in for a sequence that was never acquired
        images[..., rng.choice([0, 2])] = images[..., 1]
    return images


def _ellipsoid(u: Field, v: Field, w: Field, radius: float) -> Field:
    """Depth inside an ellipsoid in mm along `radius`, from coordinates in units of its radii."""
    return radius * (1 - np.sqrt(u * u + v * v + w * w))


def _inside(depth: Field, edge_mm: float = 1.5) -> Field:
    """Share of a voxel inside, by its depth in mm: partial volume over an edge of `edge_mm`."""
    share = depth / edge_mm + 0.5
    return np.clip(share, 0, 1, out=share)


def _lay(signal: Field, brightness: Triple, cover: Field) -> None:
    """Replace the share `cover` of what `signal` holds by a tissue."""
    for plane, value in zip(signal, brightness, strict=True):
        change = value - plane
        change *= cover
        plane += change
