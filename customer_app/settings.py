"""What can be set about the app, filled by the composition root."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AppSettings:
    """How this installation of the app behaves; the defaults suit the demo town.

    Coordinates are degrees times 10^7 (WGS 84), distances metres, times seconds.
    """

    mount: str = "/app"  # path before every route
    sign_in_path: str = "/auth/sign-in"
    sign_out_path: str = "/auth/bye"
    step_up_path: str = "/auth/step-up"
    support_phone: str = "+49 30 5550 100"
    emergency_phone: str = "112"
    support_from: str = ""  # of a day at `zone`, such as "08:00"; empty: day and night
    support_until: str = ""
    centre_lat_e7: int = 525_200_000  # where the map opens when nobody told us more
    centre_lon_e7: int = 134_050_000
    zone: str = "Europe/Berlin"  # of times that belong to no single station
    radius_m: int = 10_000
    wider_radius_m: int = 50_000  # the API's limit
    refresh_s: int = 30  # stations on screen
    stale_after_s: int = 120  # older figures carry their age
    is_production: bool = True  # else `?break=<screen>` breaks that screen on purpose
