"""The driver's vehicles among the settings: their names, plates and packs."""

import flet as ft

from customer_app.api.wire_account import Vehicle
from customer_app.kit.app import App
from customer_app.kit.boundary import handler
from customer_app.kit.ids import slug, tid
from customer_app.kit.inputs import button, dropdown, text_field
from customer_app.kit.panels import card, heading
from customer_app.models.account import SETS, SettingsModel
from customer_app.views.parts import SEPARATOR, actions, counted, small


def vehicles(app: App, model: SettingsModel) -> ft.Control:
    """List the vehicles, with a form for one more, or for the one that is being changed."""
    rows: list[ft.Control] = [heading("settings-vehicles-title", app.t("settings.vehicles"))]
    rows += [_row(app, model, each) for each in model.vehicles]
    if not model.vehicles:
        rows.append(small(app.t("settings.vehicles_none")))
    return card(*rows, *_form(app, model))


def _row(app: App, model: SettingsModel, vehicle: Vehicle) -> ft.Control:
    words = [
        vehicle.label or vehicle.id,
        vehicle.pack_class,
        counted(app, "settings.vehicle_packs", vehicle.packs_per_set),
        *(each for each in (vehicle.plate, vehicle.vin) if each),
    ]
    name = slug(vehicle.id)
    change = button(
        f"vehicle-change-{name}",
        app.t("settings.vehicle_change"),
        handler(app, model.begin_changing, vehicle.id),
        look="text",
    )
    remove = button(
        f"vehicle-remove-{name}",
        app.t("settings.vehicle_remove"),
        handler(app, model.remove_vehicle, vehicle.id, model=model),
        look="text",
    )
    return tid(f"vehicle-{name}", actions([ft.Text(SEPARATOR.join(words)), change, remove]))


def _form(app: App, model: SettingsModel) -> list[ft.Control]:
    classes = [(each, each) for each in model.classes()]
    sets = [(str(each), counted(app, "settings.vehicle_packs", each)) for each in SETS]
    wrong = model.wrong_fields
    rows: list[ft.Control] = [
        text_field(
            app,
            "vehicle-label",
            app.t("settings.vehicle_label"),
            model.label,
            model.type_label,
            error=app.t("settings.vehicle_label") if "label" in wrong else None,
        ),
        text_field(
            app,
            "vehicle-plate",
            app.t("settings.vehicle_plate"),
            model.plate,
            model.type_plate,
            error=app.t("settings.vehicle_plate_bad") if "plate" in wrong else None,
        ),
        text_field(
            app,
            "vehicle-vin",
            app.t("settings.vehicle_vin"),
            model.vin,
            model.type_vin,
            error=app.t("settings.vehicle_vin_bad") if "vin" in wrong else None,
        ),
        small(app.t("settings.vehicle_masked")),
        dropdown(
            app,
            "vehicle-class",
            app.t("settings.vehicle_class"),
            model.pack_class,
            classes,
            model.choose_class,
        ),
        dropdown(
            app,
            "vehicle-set",
            app.t("settings.vehicle_set"),
            str(model.packs_per_set),
            sets,
            model.choose_set,
        ),
    ]
    if not model.changing:
        add = handler(app, model.add_vehicle, model=model)
        return [*rows, button("vehicle-add", app.t("settings.vehicle_add"), add, look="tonal")]
    keep = button(
        "vehicle-save", app.t("common.save"), handler(app, model.change_vehicle, model=model)
    )
    leave = button(
        "vehicle-leave", app.t("common.cancel"), handler(app, model.leave_vehicle), look="text"
    )
    return [*rows, actions([keep, leave])]
