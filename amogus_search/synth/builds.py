"""Proportions of the kinds of crewmates: lowest and highest value of each number of `Crewmate`."""

_COMMON = {
    "leg_spread": (-0.01, 0.03),
    "foot_power": (2.6, 6.0),
    "visor_power": (2.0, 4.0),
    "backpack_width": (0.1, 0.32),
    "backpack_y": (0.22, 0.38),
    "backpack_height": (0.26, 0.46),
}

BUILDS: dict[str, dict[str, tuple[float, float]]] = {
    "game": _COMMON
    | {
        "body_width": (0.54, 0.7),
        "taper": (0.84, 1.0),
        "dome_height": (0.26, 0.42),
        "head_power": (2.0, 2.8),
        "leg_length": (0.14, 0.26),
        "leg_gap": (0.12, 0.32),
        "visor_x": (0.1, 0.27),
        "visor_y": (0.22, 0.34),
        "visor_width": (0.5, 0.75),
        "visor_height": (0.15, 0.24),
    },
    "squat": _COMMON
    | {
        "body_width": (0.72, 0.98),
        "taper": (0.8, 1.0),
        "dome_height": (0.3, 0.5),
        "head_power": (2.0, 3.2),
        "leg_length": (0.1, 0.2),
        "leg_gap": (0.12, 0.4),
        "visor_x": (0.06, 0.25),
        "visor_y": (0.2, 0.36),
        "visor_width": (0.45, 0.75),
        "visor_height": (0.14, 0.28),
    },
    "tall": _COMMON
    | {
        "body_width": (0.38, 0.54),
        "taper": (0.8, 1.05),
        "dome_height": (0.16, 0.3),
        "head_power": (2.0, 3.0),
        "leg_length": (0.24, 0.46),
        "leg_gap": (0.16, 0.45),
        "visor_x": (0.06, 0.28),
        "visor_y": (0.14, 0.26),
        "visor_width": (0.5, 0.8),
        "visor_height": (0.09, 0.17),
    },
    "boxy": _COMMON
    | {
        "body_width": (0.5, 0.85),
        "taper": (0.75, 1.1),
        "dome_height": (0.1, 0.3),
        "head_power": (3.5, 9.0),
        "leg_length": (0.1, 0.3),
        "leg_gap": (0.2, 0.5),
        "foot_power": (5.0, 12.0),
        "visor_x": (0.0, 0.25),
        "visor_y": (0.16, 0.36),
        "visor_width": (0.4, 0.75),
        "visor_height": (0.1, 0.24),
        "visor_power": (2.5, 10.0),
    },
    "any": _COMMON
    | {
        "body_width": (0.42, 0.9),
        "taper": (0.7, 1.1),
        "dome_height": (0.16, 0.5),
        "head_power": (1.8, 4.5),
        "leg_length": (0.1, 0.38),
        "leg_gap": (0.08, 0.5),
        "visor_x": (0.0, 0.3),
        "visor_y": (0.16, 0.4),
        "visor_width": (0.4, 0.85),
        "visor_height": (0.1, 0.28),
    },
}
