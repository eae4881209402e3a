"""Pictures of a result for people: slices with lesion outlines and projections of all lesions."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

import nibabel as nib
import numpy as np

PLANES = ("sagittal", "coronal", "axial")  # by array axis of a RAS volume
_WORLD = ("R", "A", "S")
_OPPOSITE = {"R": "L", "A": "P", "S": "I"}
_SIDES = (("A", "P"), ("R", "L"), ("R", "L"))  # what is at the left and right edge of the picture, by plane
_LONGEST_EDGE_PX = 460
_PROJECTION_PX = 270
_MARGIN_MM = 6.0
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class SlicePicture:
    """One slice: a grey picture and a transparent one with outlines, both as data URLs, to lay over it."""

    base: str
    overlay: str
    size: tuple[int, int]
    caption: str
    sides: tuple[str, str]
    lesions: tuple[int, ...]


@dataclass(frozen=True)
class Projection:
    """All lesions in front of the outline of the brain, seen along one axis."""

    picture: str
    size: tuple[int, int]
    caption: str
    sides: tuple[str, str]


class Pictures:
    """Makes the pictures of one scan.

    Args:
        image: the scan (X, Y, Z) in any orientation.
        brain: brain mask on the same grid.
        labels: lesion ids on the same grid, 0 outside.
        colours: colour of each lesion id.
    """

    def __init__(
        self,
        image: nib.Nifti1Image,
        brain: np.ndarray,
        labels: np.ndarray,
        colours: Mapping[int, Colour],
    ) -> None:
        ras = nib.as_closest_canonical(image)
        self._affine = ras.affine
        self._spacing = np.asarray(ras.header.get_zooms()[:3], dtype=float)
        self._brain = _canonical(brain > 0, image)
        self._labels = _canonical(labels, image)
        self._grey = _window(np.asarray(ras.dataobj, dtype=np.float32), self._brain)
        self._colours = dict(colours)
        self._box = _box(self._brain | (self._labels > 0), np.ceil(_MARGIN_MM / self._spacing).astype(int))
        # show the slices as they were acquired: across the coarse direction of a 2D scan, else axial
        thick = self._spacing.max() > 1.5 * np.sort(self._spacing)[1]
        self.axis = int(np.argmax(self._spacing)) if thick else 2

    def slices(self, most: int = 15) -> list[SlicePicture]:
        """Slices that together show as many lesions as ``most`` slices can, from bottom to top."""
        chosen = _covering_slices(self._labels, self.axis, most)
        if not chosen:
            area = self._brain.sum(axis=tuple(a for a in range(3) if a != self.axis))
            inside = np.flatnonzero(area > 0.3 * area.max()) if area.any() else np.arange(area.size)
            chosen = sorted({int(i) for i in np.quantile(inside, np.linspace(0.1, 0.9, 6))})
        return [self._slice(index) for index in chosen]

    def projections(self) -> list[Projection]:
        """All lesions in axial, coronal and sagittal view."""
        return [self._projection(axis) for axis in (2, 1, 0)]

    def _slice(self, index: int) -> SlicePicture:
        grey, labels = (self._flat(np.take(v, index, self.axis)) for v in (self._grey, self._labels))
        size = self._size(self.axis)
        base = resize(grey, size, smooth=True)
        ids = tuple(int(i) for i in np.unique(labels) if i)
        overlay = self._outlines(labels, size)
        centre = [(b.start + b.stop - 1) / 2 for b in self._box]
        centre[self.axis] = index
        world = float((self._affine @ [*centre, 1.0])[self.axis])
        side = _WORLD[self.axis] if world >= 0 else _OPPOSITE[_WORLD[self.axis]]
        return SlicePicture(
            base=data_url((np.clip(base, 0, 1) * 255).astype(np.uint8)),
            overlay=data_url(overlay),
            size=size,
            caption=f"{PLANES[self.axis].capitalize()} slice at {side} {abs(world):.0f} mm",
            sides=_SIDES[self.axis],
            lesions=ids,
        )

    def _outlines(self, labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Lines around the lesions of a slice and their numbers, RGBA (rows, columns, 4)."""
        from PIL import Image, ImageDraw, ImageFont
        from scipy.ndimage import find_objects, maximum_filter

        ids = resize(labels, size, smooth=False).astype(np.int32)
        smooth = np.where(resize((labels > 0), size, smooth=True) > 0.5, ids, 0)
        lost = np.setdiff1d(ids, smooth)  # too thin for the smooth outline
        inside = np.where(np.isin(ids, lost), ids, smooth) if lost.size else smooth
        edges = np.where(inside > 0, 0, maximum_filter(inside, size=5))
        picture = Image.fromarray(self._paint(edges))
        draw = ImageDraw.Draw(picture)
        font = ImageFont.load_default(size=15)
        for index, place in enumerate(find_objects(edges)):
            if place is not None:
                text = str(index + 1)
                x, y = min(place[1].stop + 1, size[0] - 10 * len(text)), max(place[0].start - 13, 0)
                draw.text((x, y), text, font=font, fill="white", stroke_width=2, stroke_fill="black")
        return np.asarray(picture)

    def _paint(self, ids: np.ndarray) -> np.ndarray:
        """Each lesion id in its colour, RGBA; transparent where the id is 0."""
        palette = np.zeros((max(self._colours, default=0) + 1, 4), dtype=np.uint8)
        for lesion, colour in self._colours.items():
            palette[lesion] = (*colour, 255)
        return palette[ids]

    def _projection(self, axis: int) -> Projection:
        size = self._size(axis, longest=_PROJECTION_PX)
        depth = self._flat(self._brain.sum(axis=axis).astype(np.float32), axis)
        depth = resize(depth / max(float(depth.max()), 1.0), size, smooth=True)
        page = 255.0 - 70.0 * np.clip(depth, 0, 1) ** 0.5
        rgb = np.repeat(page[..., None], 3, axis=2)
        flat = self._flat(_nearest_label(self._labels, axis), axis)
        ids = resize(flat, size, smooth=False).astype(np.int32)
        cover = 0.9 * np.clip(resize(flat > 0, size, smooth=True), 0, 1)[..., None] * (ids > 0)[..., None]
        rgb = rgb * (1 - cover) + self._paint(ids)[..., :3] * cover
        caption = PLANES[axis].capitalize()
        return Projection(data_url(np.clip(rgb, 0, 255).astype(np.uint8)), size, caption, _SIDES[axis])

    def _flat(self, plane: np.ndarray, axis: int | None = None) -> np.ndarray:
        """Cut a RAS plane to the brain and turn it so that rows go down and the patient's right is left."""
        axis = self.axis if axis is None else axis
        keep = [self._box[a] for a in range(3) if a != axis]
        return plane[tuple(keep)].T[::-1, ::-1]

    def _size(self, axis: int, longest: int = _LONGEST_EDGE_PX) -> tuple[int, int]:
        edges = [(b.stop - b.start) * s for b, s in zip(self._box, self._spacing, strict=True)]
        width, height = (edge for a, edge in enumerate(edges) if a != axis)
        scale = longest / max(edges)
        return max(1, round(width * scale)), max(1, round(height * scale))


def _canonical(array: np.ndarray, image: nib.Nifti1Image) -> np.ndarray:
    orientation = nib.io_orientation(image.affine)
    return nib.apply_orientation(array, orientation)


def _window(values: np.ndarray, brain: np.ndarray) -> np.ndarray:
    inside = values[brain] if brain.any() else values.ravel()
    low, high = np.percentile(inside, (0.5, 99.7))
    return np.clip((values - low * 0.8) / max(float(high - low * 0.8), 1e-6), 0.0, 1.0)


def _box(mask: np.ndarray, margin: np.ndarray) -> tuple[slice, ...]:
    from MSLesionSegLib.lesions.components import bounding_box

    box = bounding_box(mask) or tuple(slice(0, n) for n in mask.shape)
    return tuple(
        slice(max(b.start - int(m), 0), min(b.stop + int(m), n))
        for b, m, n in zip(box, margin, mask.shape, strict=True)
    )


def _covering_slices(labels: np.ndarray, axis: int, most: int) -> list[int]:
    """Greedy cover: each next slice shows the most lesions not shown yet, then the largest lesion area."""
    planes = np.moveaxis(labels, axis, 0)
    content = {int(i): set(np.unique(planes[i]).tolist()) - {0} for i in np.flatnonzero(planes.any((1, 2)))}
    area = {i: int(np.count_nonzero(planes[i])) for i in content}
    missing = set().union(*content.values()) if content else set()
    chosen: list[int] = []
    while missing and len(chosen) < most:
        best = max(content, key=lambda i: (len(content[i] & missing), area[i], -i))
        chosen.append(best)
        missing -= content[best]
    return sorted(chosen)


def _nearest_label(labels: np.ndarray, axis: int) -> np.ndarray:
    """The label that is met first when looking along the axis from its upper end."""
    planes = np.moveaxis(labels, axis, 0)[::-1]
    first = np.argmax(planes > 0, axis=0)
    return np.take_along_axis(planes, first[None], axis=0)[0]


def css(colour: Colour) -> str:
    """A colour for a page."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def axial_place(height_mm: float) -> str:
    """Where an axial slice lies, by its height in RAS."""
    return f"axial {'S' if height_mm >= 0 else 'I'} {abs(height_mm):.0f} mm"


def grey(plane: np.ndarray, limits: tuple[float, float], pixels: int) -> np.ndarray:
    """A square grey picture (uint8) of a plane, black and white at the limits."""
    low, high = limits
    smooth = resize(plane, (pixels, pixels), smooth=True)
    return (255 * np.clip((smooth - low) / (high - low), 0, 1)).astype(np.uint8)


def outline(plane: np.ndarray, pixels: int, gap: int, width: int = 2) -> np.ndarray:
    """The line around a mask's plane on such a picture, ``gap`` pixels away and ``width`` pixels wide."""
    from scipy.ndimage import binary_dilation

    inside = resize(plane, (pixels, pixels), smooth=True) > 0.5
    return binary_dilation(inside, iterations=gap + width) & ~binary_dilation(inside, iterations=gap)


def resize(plane: np.ndarray, size: tuple[int, int], *, smooth: bool) -> np.ndarray:
    """Scale a picture (rows, columns) to a size (width, height); nearest neighbour where it is not smooth."""
    from PIL import Image

    how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    picture = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    return np.asarray(picture.resize(size, how))


def data_url(pixels: np.ndarray) -> str:
    """A PNG in a data URL, from uint8 pixels (rows, columns) or (rows, columns, 3 or 4)."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if pixels.ndim == 3:
        picture = picture.quantize(64)
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=5)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
