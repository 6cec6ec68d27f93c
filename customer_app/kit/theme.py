"""Colours, sizes and text styles: Material 3 from one seed, and the five words for readiness."""

from dataclasses import dataclass

import flet as ft

SEED = "#00796B"

SPACE_XS, SPACE_S, SPACE_M, SPACE_L, SPACE_XL, SPACE_XXL = 4, 8, 12, 16, 24, 32
TARGET = 48  # the least side of what a finger must hit
CARD_RADIUS, SHEET_RADIUS = 12, 28
MEDIUM_FROM, EXPANDED_FROM = 600, 840  # widths where the layout changes
LOW_BELOW = 560  # height under which a map leaves no room for a list
LIST_PANE = 400
TEXT_COLUMN = 720
RAIL, SIDE_STEP = 80, 40
QR_SIDE = 280
MOTION_MS = 200


PLAIN_SCALE = 100
SCALES = (PLAIN_SCALE, 125, 150, 200)  # percent
# Material 3: size, height as a part of it, and spacing of letters in pixels
_TYPE = {
    "display_small": (36, 44, 0.0),
    "headline_small": (24, 32, 0.0),
    "title_large": (22, 28, 0.0),
    "title_medium": (16, 24, 0.15),
    "title_small": (14, 20, 0.1),
    "body_large": (16, 24, 0.5),
    "body_medium": (14, 20, 0.25),
    "body_small": (12, 16, 0.4),
    "label_large": (14, 20, 0.1),
    "label_medium": (12, 16, 0.5),
    "label_small": (11, 16, 0.5),
}


def _texts_of(scale: int) -> ft.TextTheme | None:
    """Make the text styles of Material 3 larger; at their own size they are left as they are."""
    if scale == PLAIN_SCALE:
        return None
    styles = {
        name: ft.TextStyle(
            size=size * scale / PLAIN_SCALE,
            height=line / size,
            letter_spacing=spacing,
            color=ft.Colors.ON_SURFACE,  # a style without one would have no colour at all
        )
        for name, (size, line, spacing) in _TYPE.items()
    }
    return ft.TextTheme(**styles)


def make_theme(scale: int = PLAIN_SCALE) -> ft.Theme:
    """Make the theme that both light and dark are generated from; `scale` is of texts, percent."""
    return ft.Theme(
        text_theme=_texts_of(scale),
        color_scheme_seed=SEED,
        use_material3=True,
        visual_density=ft.VisualDensity.STANDARD,
        page_transitions=ft.PageTransitionsTheme(
            android=ft.PageTransitionTheme.NONE,
            ios=ft.PageTransitionTheme.CUPERTINO,
            linux=ft.PageTransitionTheme.NONE,
            macos=ft.PageTransitionTheme.NONE,
            windows=ft.PageTransitionTheme.NONE,
        ),
    )


class Size:
    """Text styles by what they are for; the theme gives their sizes."""

    FIGURE = ft.TextThemeStyle.DISPLAY_SMALL  # countdowns, slot numbers
    TITLE = ft.TextThemeStyle.HEADLINE_SMALL
    CARD = ft.TextThemeStyle.TITLE_MEDIUM
    MESSAGE = ft.TextThemeStyle.BODY_LARGE
    ROW = ft.TextThemeStyle.BODY_MEDIUM
    SMALL = ft.TextThemeStyle.BODY_SMALL
    BUTTON = ft.TextThemeStyle.LABEL_LARGE
    PIN = ft.TextThemeStyle.LABEL_SMALL  # pins and axes only


@dataclass(frozen=True, slots=True)
class Tone:
    """A colour that always comes with an icon, never alone."""

    colour: ft.ColorValue
    on_colour: ft.ColorValue
    container: ft.ColorValue
    on_container: ft.ColorValue
    icon: ft.IconData


AMBER, ON_AMBER = "#7A4F00", "#FFFFFF"
AMBER_CONTAINER, ON_AMBER_CONTAINER = "#FFDEA8", "#281900"

READY = Tone(
    ft.Colors.PRIMARY,
    ft.Colors.ON_PRIMARY,
    ft.Colors.PRIMARY_CONTAINER,
    ft.Colors.ON_PRIMARY_CONTAINER,
    ft.Icons.BATTERY_CHARGING_FULL,
)
FEW = Tone(
    AMBER_CONTAINER, ON_AMBER_CONTAINER, AMBER_CONTAINER, ON_AMBER_CONTAINER, ft.Icons.BATTERY_3_BAR
)
NONE = Tone(
    ft.Colors.OUTLINE,
    ft.Colors.SURFACE,
    ft.Colors.SURFACE_CONTAINER_HIGHEST,
    ft.Colors.ON_SURFACE_VARIANT,
    ft.Icons.BATTERY_0_BAR,
)
FAULT = Tone(
    ft.Colors.ERROR,
    ft.Colors.ON_ERROR,
    ft.Colors.ERROR_CONTAINER,
    ft.Colors.ON_ERROR_CONTAINER,
    ft.Icons.ERROR_OUTLINE,
)
STALE = Tone(
    ft.Colors.OUTLINE_VARIANT,
    ft.Colors.ON_SURFACE,
    ft.Colors.SURFACE_CONTAINER_HIGH,
    ft.Colors.ON_SURFACE_VARIANT,
    ft.Icons.CLOUD_OFF,
)
NOTICE = Tone(
    AMBER_CONTAINER, ON_AMBER_CONTAINER, AMBER_CONTAINER, ON_AMBER_CONTAINER, ft.Icons.INFO_OUTLINE
)
FEW_UP_TO = 2


def tone_of(ready_count: int) -> Tone:
    """Give the tone of a number of ready packs."""
    if ready_count <= 0:
        return NONE
    return FEW if ready_count <= FEW_UP_TO else READY


def size_class(width: float) -> str:
    """Name the layout for a width in pixels: compact, medium or expanded."""
    if width >= EXPANDED_FROM:
        return "expanded"
    return "medium" if width >= MEDIUM_FROM else "compact"


def side_margin(width: float) -> int:
    """Give what is left beside a column of text in a window, in steps, so that few redraw."""
    rail = RAIL if size_class(width) == "expanded" else 0
    return max(0, int((width - rail - TEXT_COLUMN) / 2) // SIDE_STEP * SIDE_STEP)
