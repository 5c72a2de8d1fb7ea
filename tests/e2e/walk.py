"""The steps of an applicant's way, as a person takes them: what is read, typed and pressed."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect

from tests.e2e.browser import Phone
from tests.e2e.sites import Rows
from tests.eventually import eventually

NAME, MOBILE, EMAIL = "Sri Wahyuni", "0812 3456 7890", "sri@contoh.id"

# What people are promised to read, in their language.
WORDS = {
    "id": {
        "in line": "Anda berada dalam antrean",
        "position": "Posisi Anda:",
        "confirm": "Apakah ini benar?",
        "called": "Giliran Anda telah tiba",
        "called title": "Giliran Anda",
        "enter": "Masuk sekarang",
        "refresh": "Perbarui halaman",
        "leave": "Keluar dari antrean",
        "kept": "Posisi Anda tetap tersimpan.",
        "wait": r"^(sekitar|kurang dari) .*(menit|jam)$",
        "form": "Pendaftaran",
        "send": "Daftar",
        "done": "Pendaftaran berhasil",
        "complete": "Pendaftaran Anda selesai",
    },
    "en": {
        "in line": "You are in the queue",
        "position": "Your position:",
        "confirm": "Is this right?",
        "called": "It is your turn",
        "called title": "Your turn",
        "enter": "Enter now",
        "refresh": "Refresh the page",
        "leave": "Leave the queue",
        "kept": "Your place is kept.",
        "wait": r"^(about|less than) .*(minute|hour)s?$",
        "form": "Registration",
        "send": "Register",
        "done": "You are registered",
        "complete": "Your registration is complete",
    },
}


def words(phone: Phone) -> dict[str, str]:
    """What this phone's owner reads."""
    return WORDS[phone.language]


def in_groups(nik: str) -> str:
    """A NIK as it is shown back."""
    return " ".join(nik[i : i + 4] for i in range(0, 16, 4))


async def join(phone: Phone, nik: str, page: Page | None = None, *, looked_at: bool = False) -> None:
    """From the waiting page: type the NIK, see it back, confirm; afterwards there is a place."""
    page = page or phone.page
    await page.fill("#nik", nik)
    await page.click(".scene button.primary")
    await expect(page.locator("h1")).to_have_text(words(phone)["confirm"])
    await expect(page.locator("dd.nik")).to_have_text(in_groups(nik))
    if looked_at:
        await phone.look("confirm", page)
    await page.click(".confirm button.primary")
    await expect(page.locator(".scene.line, .scene.called, .scene.entered")).to_be_visible()


async def sees_place(phone: Phone, position: int, page: Page | None = None) -> None:
    """The page tells the place, the people ahead and the wait, in the heading, the text and the title."""
    page = page or phone.page
    said = words(phone)
    await expect(page.locator("#place")).to_have_text(str(position))
    await expect(page.locator("h1")).to_have_text(said["in line"])
    await expect(page.locator(".place")).to_contain_text(said["position"])
    await expect(page.locator("#ahead")).to_have_text(str(position - 1))
    await expect(page.locator("#wait")).to_have_text(re.compile(said["wait"]))
    await expect(page).to_have_title(re.compile(rf"^(Posisi|Position) {position} – "))


async def place(phone: Phone) -> int:
    """The place that the page shows, once it shows one."""
    return int(await phone.page.locator("#place").text_content() or 0)


async def refresh(phone: Phone) -> None:
    """Without scripts the page is loaded again by its link (or by itself every 25 s)."""
    await phone.page.click(f"text={words(phone)['refresh']}")


async def comes_to(phone: Phone, position: int) -> None:
    """The place falls to this one; 0: to the turn. Without scripts the page is loaded again and again."""
    shown = phone.page.locator("#place" if position else ".scene.called")

    async def there() -> bool:
        await refresh(phone)
        return await shown.count() > 0 and (not position or await shown.text_content() == str(position))

    if not phone.script:
        await eventually(there, within_seconds=20)
    await (sees_place(phone, position) if position else sees_turn(phone))


async def sees_turn(phone: Phone, page: Page | None = None) -> None:
    """The page says that it is this person's turn, until when, and where to go in."""
    page = page or phone.page
    said = words(phone)
    await expect(page.locator("h1")).to_have_text(said["called"])
    await expect(page).to_have_title(re.compile(rf"^{said['called title']} – "))
    await expect(page.locator(".scene .lead")).to_contain_text("WIB")
    await expect(page.locator("#enter button")).to_have_text(said["enter"])


async def enter(phone: Phone, page: Page | None = None) -> None:
    """Through the door, to the form; nothing of the pass stays in the address."""
    page = page or phone.page
    await page.click("#enter button")
    await sees_form(phone, page)


async def sees_form(phone: Phone, page: Page | None = None) -> None:
    """The registration site's form, in the person's language, at a clean address."""
    page = page or phone.page
    await expect(page.locator("h1")).to_have_text(words(phone)["form"])
    assert re.fullmatch(r"http://[^/?]+/", page.url), page.url


async def register(phone: Phone, rows: Rows, nik: str, page: Page | None = None) -> None:
    """Fill in the form and send it; the row is in the database, once, and its session entered through the door."""
    page = page or phone.page
    for field, value in {"nik": nik, "name": NAME, "mobile": MOBILE, "email": EMAIL}.items():
        await page.fill(f"#{field}", value)
    await page.click(f"text='{words(phone)['send']}'")
    await expect(page.locator("h1")).to_have_text(words(phone)["done"])
    [(number, name, mobile, email, session)] = rows.of_nik(nik)
    assert (name, mobile, email) == (NAME, "+6281234567890", EMAIL)
    await expect(page.locator(".number")).to_have_text(f"{number:06d}")
    assert rows.entries_of(session) >= 1
