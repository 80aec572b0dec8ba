"""Small signs on a grid that people put on canvases and that come near to an amogus: letters, hearts, stars, faces.

The letters that have an opening above two feet (A, R, n with a bar) are what a detector of pixel amogi mistakes first,
so they are drawn often, cell by cell and without smoothing, alone and in words.
"""

import numpy as np
from numpy.typing import NDArray

from amogus_search.synth.sprite import Rgb

Bitmap = NDArray[np.uint8]
"""(rows, columns): 0 the ground, 1 ink, 2 a second colour."""


def _bitmaps(text: str) -> tuple[Bitmap, ...]:
    """Signs drawn with # (ink) and o (a second colour), stacked, with an empty line between two."""
    blocks = [block.split() for block in text.strip().split("\n\n")]
    return tuple(np.array([[".#o".index(c) for c in row] for row in rows], np.uint8) for rows in blocks)


_OPEN_LETTERS = _bitmaps("""
.#.
#.#
###
#.#
#.#

###
#.#
###
#.#
#.#

.##.
#..#
####
#..#
#..#

####
#..#
####
#..#
#..#

.#.
###
#.#

.#.
#.#
###
#.#

##.
#.#
##.
#.#
#.#

###.
#..#
###.
#.#.
#..#

###.
#..#
###.
#..#
#..#

###
#.#
#.#

###
#.#
#.#
#.#

#####
#.#.#
#.#.#

.###.
#...#
#####
#...#
#...#
""")

_OTHER_LETTERS = _bitmaps("""
###
#.#
#.#
#.#
###

###
#.#
###
#.#
###

##.
#.#
##.
#.#
##.

###
#.#
###
#..
#..

###
#..
###
#..
###

###
#..
###
..#
###

#.#
#.#
###
#.#
#.#

#...#
##.##
#.#.#
#...#
#...#

#.#
#.#
#.#
#.#
###

###
.#.
.#.
.#.
.#.

#.#
##.
#..
##.
#.#

##.
#.#
#.#
#.#
##.

###
#.#
###
..#
###
""")

_SIGNS = _bitmaps("""
.#.#.
#####
#####
.###.
..#..

.##.##.
#o#####
#######
.#####.
..###..
...#...

..#..
.###.
#####
.###.
.#.#.

...#...
..###..
#######
.#####.
.##.##.
##...##

.####.
#o##o#
#o##o#
######
.#..#.

.###.
#####
#o#o#
#####
#.#.#

.###.
#o#o#
#####
.###.
.#.#.

.####.
######
#oo#oo
######
#.#.#.

..##..
.####.
##oo##
.####.
..oo..

..#..
.###.
#####
#o#o#
#ooo#

#...#
.###.
#o#o#
#####
#.#.#

.###.
#ooo#
#o#o#
#ooo#
.###.

.##.
####
.##.
.##.

#.#.#
#####
#o#o#
#####
""")


def _bordered(bitmap: Bitmap) -> Bitmap:
    """The sign with one more cell of its second colour all around what is inked."""
    wide = np.pad(bitmap, 1)
    around = np.zeros(wide.shape, bool)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            around |= np.roll(wide > 0, (dy, dx), (0, 1))
    return np.asarray(np.where((wide == 0) & around, 2, wide), np.uint8)


def random_sign(rng: np.random.Generator) -> Bitmap:
    """A sign, (rows, columns): 0 where the ground shows, 1 ink, 2 a second colour; sometimes mirrored or bordered."""
    family = (_OPEN_LETTERS, _OTHER_LETTERS, _SIGNS)[int(rng.choice(3, p=[0.45, 0.15, 0.4]))]
    sign = family[int(rng.integers(len(family)))]
    if rng.random() < 0.15:
        sign = sign[:, ::-1]
    if rng.random() < 0.12:
        sign = sign.repeat(2, 0).repeat(2, 1)
    return _bordered(sign) if rng.random() < 0.2 else sign


def paint_signs(rng: np.random.Generator, grid: Rgb, colours: Rgb, most: int) -> None:
    """Put up to `most` signs and words on the grid (in place, one pixel a cell)."""
    for _ in range(int(rng.integers(0, most + 1))):
        ink, second = (colours[int(rng.integers(len(colours)))] for _ in range(2))
        x, y = (int(rng.integers(0, max(1, side - 5))) for side in grid.shape[1::-1])
        letters = int(rng.integers(2, 7)) if rng.random() < 0.35 else 1
        if rng.random() < 0.3:
            grid[max(0, y - 1) : y + 6, max(0, x - 1) : x + 4 * letters] = colours[int(rng.integers(len(colours)))]
        for _ in range(letters):
            sign = random_sign(rng)
            region = grid[y : y + sign.shape[0], x : x + sign.shape[1]]
            seen = sign[: region.shape[0], : region.shape[1]]
            region[seen == 1], region[seen == 2] = ink, second
            x += sign.shape[1] + 1
