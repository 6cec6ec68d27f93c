"""`app-runtime`: packs what a browser loads of the app, once, where an image is built."""

import click

from mobilegrid.cli.base import App, Command


@click.command(
    "app-runtime",
    cls=Command,
    no_ledger="It packs the app; `app.cache_folder` in the settings says where.",
)
@click.pass_obj
def app_runtime(app: App) -> None:
    """Pack the app's client for the air, once, where an image is built.

    Takes a minute or two, and the extra `app-runtime`. What was packed is kept in
    `app.cache_folder`; without it the app is packed more lightly while it is served, and a first
    visit loads half as much again.
    """
    from mobilegrid.app_wiring import cache_of, packed_runtime

    runtime, names = packed_runtime(cache_of(app.settings), app.console.remark)
    app.console.remark(f"{len(names)} files of client {runtime.version} are packed")
    app.console.answer({"version": runtime.version, "files": names})
