"""Whole pictures on a small grid, like a corner of r/place: flags, hearts, letters, noise, and amogi between them."""

from collections.abc import Sequence

import cv2
import numpy as np

from amogus_search.synth.backgrounds import photo_crop, random_ground
from amogus_search.synth.canvas import Canvas
from amogus_search.synth.compose import Placed
from amogus_search.synth.distractors import grid_noise
from amogus_search.synth.palette import random_palette, scaled
from amogus_search.synth.pixel_signs import paint_signs
from amogus_search.synth.pixelart import PixelCrewmate, cell_colours, random_pixel_crewmate
from amogus_search.synth.sprite import Rgb, SpriteAttributes


def mosaic_canvas(
    rng: np.random.Generator, size_wh: tuple[int, int], photos: Sequence[Rgb], n_range: tuple[int, int]
) -> Canvas:
    """A canvas of `size_wh` whose content lies on cells of 3 to 13 pixels."""
    cell = int(rng.integers(3, 14))
    columns, rows = -(-size_wh[0] // cell), -(-size_wh[1] // cell)
    colours = _colours(rng)
    grid = _grid(rng, (columns, rows), photos, colours)
    canvas = Canvas(_enlarged(rng, grid, cell)[: size_wh[1], : size_wh[0]].copy())
    most = max(n_range[1], int(rng.integers(1, 16)))
    if rng.random() < 0.3:
        _plant_row(rng, canvas, cell, colours)
    if rng.random() < 0.2:
        _plant_swarm(rng, canvas, cell, colours)
    for _ in range(int(rng.integers(n_range[0], most + 1))):
        _plant(rng, canvas, cell, colours)
    if rng.random() < 0.45:
        canvas.image[:] = _interpolated(rng, canvas.image, cell)
    return canvas


def _interpolated(rng: np.random.Generator, image: Rgb, cell: int) -> Rgb:
    """The same canvas enlarged smoothly instead of cell by cell, as viewers and zooming detectors do."""
    cells = image[::cell, ::cell]
    how = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)[int(rng.integers(3))]
    big = cv2.resize(cells, (cells.shape[1] * cell, cells.shape[0] * cell), interpolation=how)
    return np.asarray(big[: image.shape[0], : image.shape[1]], np.uint8)


def _plant_row(rng: np.random.Generator, canvas: Canvas, cell: int, colours: Rgb) -> None:
    """One drawing repeated side by side in many colours, as people line them up."""
    drawing = random_pixel_crewmate(rng, mini=bool(rng.random() < 0.8))
    step = drawing.cells.shape[1] + int(rng.integers(0, 3))
    start, y = int(rng.integers(0, 12)), int(rng.integers(0, max(1, canvas.image.shape[0] // cell - 6)))
    for index in range(int(rng.integers(3, 12))):
        _plant_at(rng, canvas, drawing, cell, colours, ((start + index * step) * cell, y * cell))


def _plant_swarm(rng: np.random.Generator, canvas: Canvas, cell: int, colours: Rgb) -> None:
    """A field of them, spaced evenly or nearly so, in one or two shades of what they stand on."""
    drawings = [random_pixel_crewmate(rng, mini=True) for _ in range(int(rng.integers(1, 4)))]
    step_x, step_y = (int(v) for v in rng.integers(5, 10, 2))
    x0, y0 = (int(rng.integers(0, max(1, side // cell // 2))) for side in canvas.image.shape[1::-1])
    for row in range(int(rng.integers(1, 5))):
        for column in range(int(rng.integers(2, 7))):
            x = x0 + column * step_x + int(rng.integers(0, 2)) + (row % 2) * (step_x // 2)
            y = y0 + row * step_y + int(rng.integers(0, 2))
            drawing = drawings[int(rng.integers(len(drawings)))]
            _plant_at(rng, canvas, drawing, cell, colours, (x * cell, y * cell), hidden=True)


def _colours(rng: np.random.Generator) -> Rgb:
    """A small set of flat colours, (n, 3), some of them with lighter and darker neighbours."""
    base = [(0, 0, 0), (255, 255, 255), (137, 141, 144)]
    vivid = [random_palette(rng).body for _ in range(int(rng.integers(4, 20)))]
    shades = [scaled(c, f) for c in vivid if rng.random() < 0.5 for f in rng.uniform(0.55, 1.6, 2)]
    return np.array(base + vivid + shades, np.uint8)


def _nearest(image: Rgb, colours: Rgb) -> Rgb:
    gaps = np.abs(image[:, :, None].astype(np.int16) - colours[None, None].astype(np.int16)).sum(-1)
    return np.asarray(colours[gaps.argmin(-1)], np.uint8)


def _grid(rng: np.random.Generator, size_wh: tuple[int, int], photos: Sequence[Rgb], colours: Rgb) -> Rgb:
    """The canvas without amogi, one pixel a cell: patches of all sorts."""
    grid = np.full((size_wh[1], size_wh[0], 3), colours[int(rng.integers(len(colours)))], np.uint8)
    if rng.random() < 0.3:
        grid = _dithered(rng, size_wh, colours)
    for _ in range(int(rng.integers(1, 22))):
        w = int(rng.integers(4, max(5, size_wh[0] // 2)))
        h = int(rng.integers(3, max(4, size_wh[1] // 2)))
        x, y = int(rng.integers(-w // 2, size_wh[0])), int(rng.integers(-h // 2, size_wh[1]))
        region = grid[max(0, y) : y + h, max(0, x) : x + w]
        if region.size:
            region[:] = _patch(rng, (w, h), photos, colours)[: region.shape[0], : region.shape[1]]
    if rng.random() < 0.6:
        paint_signs(rng, grid, colours, 8)
    return grid


def _patch(rng: np.random.Generator, size_wh: tuple[int, int], photos: Sequence[Rgb], colours: Rgb) -> Rgb:
    """A flag, a picture in few colours, a word, a little figure or random cells."""
    w, h = size_wh
    kind = rng.random()
    if kind < 0.25:
        bands = colours[rng.integers(0, len(colours), int(rng.integers(2, 6)))]
        index = np.arange(w if rng.random() < 0.5 else h) * len(bands) // max(w, h)
        return np.broadcast_to(bands[index][None] if len(index) == w else bands[index][:, None], (h, w, 3)).copy()
    if kind < 0.5:
        picture = photo_crop(rng, photos, (w, h)) if len(photos) else random_ground(rng, (w, h))
        return _nearest(picture, colours)
    if kind < 0.62:
        return _dithered(rng, (w, h), colours) if rng.random() < 0.4 else _bordered(rng, (w, h), colours)
    flat = np.full((h, w, 3), colours[int(rng.integers(len(colours)))], np.uint8)
    if kind < 0.75:
        text = "".join(chr(c) for c in rng.integers(65, 91, 6))
        ink = colours[int(rng.integers(len(colours)))].tolist()
        cv2.putText(flat, text, (1, max(7, h - 2)), cv2.FONT_HERSHEY_PLAIN, float(rng.uniform(0.5, 0.9)), ink, 1)
    elif kind < 0.9:
        figure = grid_noise(rng, 1.0).rgba[:h, :w]
        seen = figure[..., 3] > 0
        flat[: figure.shape[0], : figure.shape[1]][seen] = _nearest(figure[..., :3], colours)[seen]
    else:
        flat = colours[rng.integers(0, len(colours), (h, w))]
    return flat


def _dithered(rng: np.random.Generator, size_wh: tuple[int, int], colours: Rgb) -> Rgb:
    """Two or three like colours running into each other by chance or by pattern, with a few stray cells."""
    w, h = size_wh
    start = colours[int(rng.integers(len(colours)))].astype(int)
    near = colours[np.abs(colours.astype(int) - start).sum(1).argsort()[: int(rng.integers(2, 4))]]
    y, x = np.mgrid[0:h, 0:w]
    ramp = (y / max(1, h) if rng.random() < 0.5 else x / max(1, w)) * len(near)
    jitter = rng.random((h, w)) if rng.random() < 0.5 else ((x + y) % 2) * 0.9
    flat = near[np.clip((ramp + jitter - 0.5).astype(int), 0, len(near) - 1)]
    stray = rng.random((h, w)) < float(rng.uniform(0, 0.05))
    flat[stray] = colours[rng.integers(0, len(colours), int(stray.sum()))]
    return np.asarray(flat, np.uint8)


def _bordered(rng: np.random.Generator, size_wh: tuple[int, int], colours: Rgb) -> Rgb:
    """A figure of discs and boxes with one dark border, as cartoon heads and logos are drawn on the canvas."""
    w, h = size_wh
    flat = np.empty((h, w, 3), np.uint8)
    flat[:] = colours[int(rng.integers(len(colours)))]
    border = colours[0].tolist() if rng.random() < 0.7 else colours[int(rng.integers(len(colours)))].tolist()
    for _ in range(int(rng.integers(1, 6))):
        x, y = int(rng.integers(0, w)), int(rng.integers(0, h))
        a, b = int(rng.integers(1, max(2, w // 2))), int(rng.integers(1, max(2, h // 2)))
        fill = colours[int(rng.integers(len(colours)))].tolist()
        if rng.random() < 0.6:
            cv2.ellipse(flat, (x, y), (a, b), 0, 0, 360, fill, -1)
            cv2.ellipse(flat, (x, y), (a, b), 0, 0, 360, border, 1)
        else:
            cv2.rectangle(flat, (x, y), (x + a, y + b), fill, -1)
            cv2.rectangle(flat, (x, y), (x + a, y + b), border, 1)
    return flat


def _enlarged(rng: np.random.Generator, grid: Rgb, cell: int) -> Rgb:
    """Cells as hard squares; blurred canvases come from the later effects."""
    big = grid.repeat(cell, 0).repeat(cell, 1)
    if cell >= 6 and rng.random() < 0.08:
        big[::cell] = big[::cell] // 2 + 60
        big[:, ::cell] = big[:, ::cell] // 2 + 60
    return np.ascontiguousarray(big)


def _plant(rng: np.random.Generator, canvas: Canvas, cell: int, colours: Rgb) -> None:
    """An amogus on the grid, in colours of the canvas or its own."""
    drawing = random_pixel_crewmate(rng, mini=bool(rng.random() < 0.7))
    rows, columns = drawing.cells.shape
    height, width = canvas.image.shape[:2]
    if rows * cell > height or columns * cell > width:
        return
    x = int(rng.integers(0, (width - columns * cell) // cell + 1)) * cell
    y = int(rng.integers(0, (height - rows * cell) // cell + 1)) * cell
    _plant_at(rng, canvas, drawing, cell, colours, (x, y))


def _plant_at(
    rng: np.random.Generator,
    canvas: Canvas,
    drawing: PixelCrewmate,
    cell: int,
    colours: Rgb,
    at: tuple[int, int],
    hidden: bool = False,
) -> None:
    """This drawing with its corner at these pixels, if it can be seen there and covers no other."""
    x, y = at
    palette = random_palette(rng)
    paints = cell_colours(palette, rng)
    if hidden or rng.random() < 0.25:
        _camouflage(
            rng, paints, canvas.image[min(y, len(canvas.image) - 1), min(x, canvas.image.shape[1] - 1)], colours
        )
    elif rng.random() < 0.6:
        paints = _nearest(paints[None], colours)[0]
        if np.abs(paints[1].astype(int) - paints[3]).sum() < 60:
            paints[3] = 255 - paints[1]
    placed = _placed(drawing, paints, cell, x, y)
    keypoints = drawing.keypoints.copy()
    keypoints[keypoints[:, 2] > 0, :2] = keypoints[keypoints[:, 2] > 0, :2] * cell + (x, y)
    attributes = SpriteAttributes(palette.name, "pixel", drawing.backpack, None, drawing.facing, "pixel")
    before = canvas.image.copy()
    if canvas.fits(placed, 0.0) and not canvas.add(placed, keypoints, attributes, least_change=0.8):
        canvas.image[:] = before


def _camouflage(rng: np.random.Generator, paints: Rgb, ground: Rgb, colours: Rgb) -> None:
    """Paint it (in place) in shades near to the ground's; the visor in another one, or as the ground."""
    gaps = np.abs(colours.astype(int) - ground.astype(int)).sum(1)
    near = [row for row in gaps.argsort() if gaps[row] >= 24][:5] or [int(gaps.argmax())]
    body, other = (colours[near[int(rng.integers(len(near)))]] for _ in range(2))
    visor = ground if rng.random() < 0.4 or (other == body).all() else other
    paints[[1, 2, 6]] = body
    paints[[3, 4]] = visor


def _placed(drawing: PixelCrewmate, paints: Rgb, cell: int, x: int, y: int) -> Placed:
    cells = drawing.cells.repeat(cell, 0).repeat(cell, 1)
    mask = np.where(cells > 0, np.uint8(255), np.uint8(0))
    return Placed(np.dstack([paints[cells], mask]).astype(np.float32), mask, x, y)
