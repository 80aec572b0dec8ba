"""A figure at painting size: its parts as coverage, the form that light falls on, its edges and its gaps."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from amogus_search.converters.blending import blurred
from amogus_search.core.figure import Figure, coverage

Plane = NDArray[np.float32]
"""(h, w) float32, coverage 0..1 unless said otherwise."""

_ROUNDNESS = 0.2
"""How far from its border a body is still curved, as a share of the figure's height."""


@dataclass(frozen=True, eq=False)
class Layers:
    """One figure.

    body:    torso and legs
    pack:    the backpack where the body does not cover it
    shape:   all of it
    visor, glint, between: the glass, its glint, the gap between the legs
    edge:    distance in pixels from the border of body or backpack, inside
    normal:  (h, w, 2) how far the form leans to the right and down, -1..1
    depth:   0 at a body's border to 1 in its middle
    unit:    the figure's height in pixels
    up, front: of the figure
    """

    body: Plane
    pack: Plane
    shape: Plane
    visor: Plane
    glint: Plane
    between: Plane
    edge: Plane
    normal: NDArray[np.float32]
    depth: Plane
    unit: float
    up: NDArray[np.float64]
    front: int


def layers_of(figure: Figure, size_wh: tuple[int, int]) -> Layers:
    """The figure's layers in a picture of that size."""
    torso, legs, hat, backpack = (figure.part(name, size_wh) for name in ("torso", "legs", "hat", "backpack"))
    body = np.maximum(np.maximum(torso, legs), hat)
    shape = np.maximum(body, backpack)
    pack = np.minimum(backpack, 1 - body)
    edge_body, edge_pack = _edge(body), _edge(backpack)
    edge = np.where(body >= 0.5, edge_body, edge_pack).astype(np.float32)
    normal, depth = _form(edge_body, edge_pack, body, figure.height_px)
    return Layers(
        body=body,
        pack=pack,
        shape=shape,
        visor=figure.part("visor", size_wh),
        glint=figure.part("glint", size_wh),
        between=between_legs(figure, size_wh, shape),
        edge=edge,
        normal=normal,
        depth=depth,
        unit=figure.height_px,
        up=figure.up,
        front=figure.front,
    )


def between_legs(figure: Figure, size_wh: tuple[int, int], silhouette: Plane) -> Plane:
    """Coverage of what the legs enclose together, less the figure itself."""
    legs = figure.parts.get("legs", ())
    if len(legs) < 2:
        return np.zeros(size_wh[::-1], np.float32)
    hull = cv2.convexHull(np.concatenate(legs).astype(np.float32))[:, 0].astype(np.float64)
    return np.asarray(np.clip(coverage([hull], size_wh) - silhouette, 0, 1), np.float32)


def _edge(part: Plane) -> Plane:
    return np.asarray(
        cv2.distanceTransform((part >= 0.5).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32
    )


def _form(edge_body: Plane, edge_pack: Plane, body: Plane, unit: float) -> tuple[NDArray[np.float32], Plane]:
    """Body and backpack as cushions: round at the border, flat in the middle."""
    reach = max(_ROUNDNESS * unit, 1.0)
    heights = [_cushion(edge, reach) for edge in (edge_pack, edge_body)]
    normals = [np.stack([_slope(h, 1, 0), _slope(h, 0, 1)], axis=2) * (-reach) for h in heights]
    share = body[..., None]
    normal = normals[0] * (1 - share) + normals[1] * share
    length = np.sqrt(1 + (normal * normal).sum(axis=2, keepdims=True))
    depth = heights[0] * (1 - body) + heights[1] * body
    return np.asarray(normal / length, np.float32), np.asarray(depth, np.float32)


def _cushion(edge: Plane, reach: float) -> Plane:
    rest = 1 - np.clip(edge / reach, 0, 1)
    height = np.sqrt(np.clip(1 - rest * rest, 0, 1))
    # The ridges of a distance map would catch the light like creases.
    return np.asarray(blurred(height.astype(np.float32), max(0.6, 0.16 * reach)), np.float32)


def _slope(height: Plane, dx: int, dy: int) -> Plane:
    return np.asarray(cv2.Sobel(height, cv2.CV_32F, dx, dy) / 8, np.float32)
