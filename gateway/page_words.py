"""What the script says in the language of the page; `{name}` is filled in by the script."""

from __future__ import annotations

from gettext import NullTranslations

from gateway.page_language import N_

_WORDS = {
    "about": N_("about %(time)s"),
    "range": N_("%(low)s to %(high)s"),
    "less": N_("less than %(high)s"),
    "unknown": N_("not known yet"),
    "title": N_("Position %(place)s"),
    "spoken": N_("Your position: %(place)s. Estimated wait: %(time)s."),
    "spoken_place": N_("Your position: %(place)s."),
    "offline": N_("Connection lost. Trying to reconnect…"),
    "stale": N_("The queue’s data cannot be reached. Your place is kept. Last known: %(time)s ago."),
    "changed": N_("Something has changed. Please refresh the page when you are ready."),
    "entering": N_("Opening the door for you…"),
    "busy": N_("Many people are entering right now. Trying again by itself in %(seconds)s seconds."),
}
_PLACEHOLDERS = {name: f"{{{name}}}" for name in ("time", "low", "high", "place", "seconds")}


def script_words(translations: NullTranslations) -> dict[str, str]:
    """Every message of the script, translated."""
    return {name: translations.gettext(message) % _PLACEHOLDERS for name, message in _WORDS.items()}
