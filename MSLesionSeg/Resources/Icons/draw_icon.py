"""Draws MSLesionSeg.png: an axial brain with ventricles and lesions. Run it where Pillow is installed."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

SCALE = 8  # drawn large and scaled down for smooth edges
SIZE = 128


def draw() -> Image.Image:
    """Return the icon, RGBA, 128 x 128."""
    icon = Image.new("RGBA", (SIZE * SCALE,) * 2, (0, 0, 0, 0))
    pen = ImageDraw.Draw(icon)

    def oval(x: float, y: float, rx: float, ry: float, colour: str) -> None:
        pen.ellipse([SCALE * v for v in (x - rx, y - ry, x + rx, y + ry)], fill=colour)

    pen.rounded_rectangle([0, 0, SIZE * SCALE - 1, SIZE * SCALE - 1], radius=26 * SCALE, fill="#1d2733")
    oval(64, 64, 43, 53, "#8796a5")  # cortex
    oval(64, 64, 37, 46, "#b9c4ce")  # white matter
    pen.line([SCALE * v for v in (64, 11, 64, 42)], fill="#1d2733", width=2 * SCALE)
    pen.line([SCALE * v for v in (64, 88, 64, 117)], fill="#1d2733", width=2 * SCALE)
    for side in (-1, 1):  # lateral ventricles
        oval(64 + side * 8, 54, 6, 14, "#1d2733")
        oval(64 + side * 11, 76, 5, 13, "#1d2733")
    for x, y, rx, ry in ((46, 44, 6, 4), (84, 60, 5, 7), (43, 82, 7, 5), (86, 88, 4, 4), (80, 34, 3.5, 3.5)):
        oval(x, y, rx + 1.5, ry + 1.5, "#fff3e6")
        oval(x, y, rx, ry, "#f06428")
    return icon.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("MSLesionSeg.png"), optimize=True)
