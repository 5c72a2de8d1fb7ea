"""What went wrong, in words for an applicant: what happened, and what to do now."""

from __future__ import annotations

from typing import NamedTuple

from gateway.page_language import N_


class ProblemText(NamedTuple):
    """A problem as the pages tell it; both are messages of the catalogue."""

    happened: str
    advice: str


_ASK_AGAIN = N_("Please go back to the queue page and try once more.")
_PLACE_KEPT = N_("Your place is kept. This page goes on by itself.")

PROBLEMS = {
    "nik-invalid": ProblemText(
        N_("That is not a complete NIK"),
        N_("A NIK has 16 digits. Please look at your identity card and type all of them."),
    ),
    "nik-unlikely": ProblemText(
        N_("The birth date in this NIK does not exist"),
        N_("Please compare every digit with your identity card. If they are all right, go on."),
    ),
    "group-invalid": ProblemText(
        N_("Nothing was chosen from the list"),
        N_("Please choose one of its entries, then go on."),
    ),
    "event-unknown": ProblemText(
        N_("There is no such registration here"),
        N_("Please check the address, or choose your registration from the list."),
    ),
    "event-not-open": ProblemText(
        N_("Registration has not opened yet"),
        N_("Please come back at the opening time shown on the queue page."),
    ),
    "event-paused": ProblemText(
        N_("The queue is paused"),
        N_("Please wait a little. No place in it changes."),
    ),
    "event-full": ProblemText(
        N_("The quota of this wave has been filled"),
        N_("Please watch for news of the next wave."),
    ),
    "group-full": ProblemText(
        N_("No seat is left for you in this wave"),
        N_("Your place is kept. If there is a next wave, you do not need to join again."),
    ),
    "event-closed": ProblemText(
        N_("Registration has closed"),
        N_("Please watch for news of the next wave."),
    ),
    "ticket-missing": ProblemText(
        N_("There is no place in the queue on this phone"),
        N_("Please join the queue, or bring your place here with your NIK and recovery code."),
    ),
    "ticket-invalid": ProblemText(
        N_("The proof of your place is not valid in this browser"),
        N_("Please bring your place back with your NIK and recovery code, or join the queue again."),
    ),
    "ticket-foreign": ProblemText(
        N_("This place belongs to another registration"),
        N_("Please open the page of that registration, or join the queue here."),
    ),
    "identity-in-line": ProblemText(
        N_("This NIK already has a place in the queue, taken on another phone or browser"),
        N_("Please go on there, or bring it here with your recovery code. Otherwise ask the help desk."),
    ),
    "not-called": ProblemText(
        N_("It is not your turn yet"),
        _PLACE_KEPT,
    ),
    "door-busy": ProblemText(
        N_("Many people are entering right now"),
        N_("Your turn is kept. Please press the button again in a moment."),
    ),
    "grace-over": ProblemText(
        N_("The time to enter has passed"),
        N_("You may join again. Your new place will be at the end of the queue."),
    ),
    "session-lapsed": ProblemText(
        N_("Your time on the registration site has run out"),
        N_("You may join again. Your new place will be at the end of the queue."),
    ),
    "left": ProblemText(
        N_("You have left the queue"),
        N_("You may join again at the end of the queue."),
    ),
    "completed": ProblemText(
        N_("This NIK has already registered"),
        N_("There is nothing more for you to do here."),
    ),
    "target-refused": ProblemText(
        N_("The address you came from does not belong to this registration"),
        N_("Please start again from the official registration site."),
    ),
    "nonce-invalid": ProblemText(
        N_("The link from the registration site is damaged"),
        N_("Please start again from the official registration site."),
    ),
    "recovery-refused": ProblemText(
        N_("This NIK and recovery code do not belong together"),
        N_("Please check both and try again. If it still fails, ask the help desk."),
    ),
    "key-refused": ProblemText(
        N_("You have no access to this address"),
        _ASK_AGAIN,
    ),
    "body-invalid": ProblemText(
        N_("What was sent could not be understood"),
        _ASK_AGAIN,
    ),
    "body-too-large": ProblemText(
        N_("What was sent is too long"),
        _ASK_AGAIN,
    ),
    "content-type": ProblemText(
        N_("What was sent could not be understood"),
        _ASK_AGAIN,
    ),
    "method-not-allowed": ProblemText(
        N_("This address cannot be used like that"),
        _ASK_AGAIN,
    ),
    "no-receipt": ProblemText(
        N_("There is no proof for this place"),
        N_("Who is in the draw gets one as soon as its list is closed."),
    ),
    "not-found": ProblemText(
        N_("There is no page at this address"),
        N_("Please check the address, or choose your registration from the list."),
    ),
    "cookies-off": ProblemText(
        N_("This browser does not keep cookies"),
        N_("Please allow cookies for this site, or use another browser: without them your place would be lost."),
    ),
    "cross-site": ProblemText(
        N_("The request came from another site"),
        N_("For your safety nothing was done. Please press the button on the queue page itself."),
    ),
    "headers-too-large": ProblemText(
        N_("Your browser sent too much data"),
        N_("Please delete the cookies of this site and use your recovery code, or try another browser."),
    ),
    "slow-body": ProblemText(
        N_("Your connection was too slow to send this"),
        N_("Please try again where the signal is better."),
    ),
    "store-unavailable": ProblemText(
        N_("The queue cannot be reached right now"),
        N_("Places that were given are kept. Please try again in a moment."),
    ),
    "overloaded": ProblemText(
        N_("It is very busy right now"),
        N_("Places that were given are kept. Please try again in a moment."),
    ),
    "internal": ProblemText(
        N_("Something went wrong on our side"),
        N_("Places that were given are kept. Please try again in a moment."),
    ),
}


def problem_text(slug: str) -> ProblemText:
    """The words for a problem; one that has none of its own is told as a fault of ours."""
    return PROBLEMS.get(slug, PROBLEMS["internal"])
