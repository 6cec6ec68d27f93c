"""The kit: what every screen is made of, and what keeps one fault from ending an app.

Flet ends a session's drawing for ever when one render raises, tells the browser our traceback when
one handler raises, and never cancels what a closed tab has begun. The kit takes care of all three,
provided that a screen keeps to these rules (a test looks for what breaks them):

**A screen** is `views/<name>.py` with one function `view`, and a line each in `root.ROUTES` and
`root.SCREENS`:

    @screen
    def view(app: App, booking_id: str) -> ft.Control:
        model = use_model(app, lambda: BookingModel(app.client, booking_id, app.services.now))
        return by_state(app, model, lambda: body(app, model))

It takes `app` and the parameters of its route as texts (`:booking_id` and what follows `?` do not
mix: queries are in `app.nav.query`), and gives the contents of the page. App bar, title, tabs,
sign-in card, margins and scrolling are the shell's (`root.ROUTES` names title, tab and whether the
screen is private). A primary button that stays at the bottom of a phone: `page_body(app, parts,
bottom=button)`.

**App** (`kit/app.py`) is what a session has: `app.client` (the typed client), `app.t(key, **facts)`
(words), `app.texts` (money, times, distances: `i18n/format.py`), `app.go(route)`, `app.back()`,
`app.sign_in()`, `app.step_up()`, `app.open_url(url)`, `app.look` (language, theme, size of the
window, `app.look.is_expanded`), `app.device` (SharedPreferences, clipboard, announcements; each
with a time limit), `app.scope` (tasks), `app.services`, `app.settings`, `app.references` (the last
three references, newest first, for help), `app.is_signed_in`, `app.say(key)` (a short bar at the
bottom).

**Models** (`models/`, no kit, only `flet.observable`) are classes under `@observable` that extend
`models.base.Model`: `state` (loading, ready, empty, stale, offline, error), `error`, `load()`.
`use_model` makes one once per place, redraws when it changes, loads it, and loads it again when
the browser is back. `@observable` copies the class: no `super()` without arguments inside, write
`Model.__init__(self)`.

**Components** (`@component`, first parameter `app`) are only for parts with state of their own;
everything else is a plain function that gives controls. Inside: `use_state`, `use_ref` of Flet are
fine; effects only by `use_loop`, `use_task` of `kit/hooks.py`; dialogs by `use_dialog(app, …)`.
A list row that is a component takes `key=`.

**Handlers**: every `on_*` is `handler(app, work, …)`: `handler(app, model.reserve)`,
`handler(app, app.go, "/wallet")`, `handler(app, model.search, takes_value=True)` hands over the
new text or choice. Work may be async or quick and sync. What it raises lands in `model.error` when
`model=` is given, else in a bar at the bottom; a second tap while the first runs does nothing. A
control that may not be used has no handler: the buttons of `kit/inputs.py` see to it
(`enabled=False`), because a browser can set any property and fire any handler.

**Ids**: `tid("booking-cancel", control)`; buttons and inputs of `kit/inputs.py` take the id first.

**Errors**: a model keeps its `ApiError`; `error_panel(app, error, retry=…)` draws what happened,
what it means, the action and the reference. Words come from `refused.<code>`, else
`kind.<kind>.text`, with the error's facts in their gaps.

**Numbers and words** only through `app.texts` and `app.t`; no letters in literals of views or kit.
"""
