"""The event that `antrean up` opens: a programme's registration, with everything that its page tells."""

from __future__ import annotations

from typing import Any

from admission.core.event import Event, EventTexts

_INDONESIAN = EventTexts(
    title="Pendaftaran Program Prakerja (peragaan)",
    prepare=("NIK (16 angka pada KTP atau Kartu Keluarga)", "Nama lengkap", "Nomor ponsel", "Alamat e-mail"),
    controller="Penyelenggara peragaan ini",
    purpose="Menjaga urutan antrean, sehingga satu orang memegang satu tempat.",
    kept="Kode tersamar dari NIK Anda; NIK itu sendiri tidak disimpan. Dihapus setelah pendaftaran berakhir.",
    erasure="Tekan “Keluar dari antrean”, atau hubungi penyelenggara.",
    help="Hubungi penyelenggara peragaan ini.",
)
_ENGLISH = EventTexts(
    title="Prakerja programme registration (demonstration)",
    prepare=("NIK (16 digits on your identity or family card)", "Full name", "Mobile number", "E-mail address"),
    controller="The organiser of this demonstration",
    purpose="Keeping the order of the line, one place for one person.",
    kept="A disguised code of your NIK; the NIK itself is not stored. Erased when registration has ended.",
    erasure="Press “Leave the line”, or contact the organiser.",
    help="Contact the organiser of this demonstration.",
)


def demo_event(slug: str, origins: list[str], limits: dict[str, Any]) -> Event:
    """The event, at the first origin's address.

    Raises:
        pydantic.ValidationError: when the limits do not fit together.
    """
    texts = {"id": _INDONESIAN, "en": _ENGLISH}
    return Event(slug=slug, origin=origins[0], targets=tuple(origins[1:]), texts=texts, **limits)
