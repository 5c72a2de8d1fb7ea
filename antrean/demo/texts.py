"""Every sentence of the demo site, in both languages, and the choice between them."""

from collections.abc import Mapping

LANGUAGES = ("id", "en")

INDONESIAN: Mapping[str, str] = {
    "title": "Pendaftaran",
    "intro": "Isi keempat data di bawah ini. Semuanya wajib diisi.",
    "until": "Selesaikan pendaftaran sebelum pukul",
    "mistake": "Kesalahan",
    "summary": "Ada yang perlu diperbaiki",
    "nik": "NIK",
    "nik-hint": "16 angka di KTP Anda",
    "name": "Nama lengkap",
    "name-hint": "Sesuai KTP",
    "mobile": "Nomor ponsel",
    "mobile-hint": "Contoh: 0812 3456 7890",
    "email": "Alamat e-mail",
    "email-hint": "Contoh: nama@contoh.id",
    "send": "Daftar",
    "other-language": "English",
    "nik-missing": "Isi NIK Anda.",
    "nik-wrong": "NIK harus terdiri atas 16 angka. Periksa kembali KTP Anda.",
    "nik-taken": "NIK ini sudah terdaftar. Setiap NIK hanya dapat didaftarkan satu kali.",
    "nik-session": "Giliran ini sudah dipakai untuk mendaftarkan NIK lain. Orang berikutnya perlu mengantre sendiri.",
    "name-missing": "Isi nama lengkap Anda.",
    "name-wrong": "Tulis nama dengan huruf, paling banyak 100 karakter.",
    "mobile-missing": "Isi nomor ponsel Anda.",
    "mobile-wrong": "Nomor ponsel diawali 08 atau +628 dan terdiri atas 9 sampai 13 angka.",
    "email-missing": "Isi alamat e-mail Anda.",
    "email-wrong": "Alamat e-mail harus berbentuk nama@contoh.id.",
    "done": "Pendaftaran berhasil",
    "number": "Nomor pendaftaran Anda",
    "keep": "Simpan nomor ini, misalnya dengan tangkapan layar. Anda boleh menutup halaman ini.",
    "busy": "Situs sedang sibuk",
    "busy-what": "Situs sedang melayani banyak orang. Data Anda belum tersimpan. Tunggu sebentar, lalu kirim lagi.",
    "again": "Kirim lagi",
    "back": "Kembali ke formulir",
}

ENGLISH: Mapping[str, str] = {
    "title": "Registration",
    "intro": "Fill in the four fields below. All of them are required.",
    "until": "Finish your registration before",
    "mistake": "Mistake",
    "summary": "Something needs to be corrected",
    "nik": "NIK (national identity number)",
    "nik-hint": "The 16 digits on your identity card",
    "name": "Full name",
    "name-hint": "As on your identity card",
    "mobile": "Mobile number",
    "mobile-hint": "For example 0812 3456 7890",
    "email": "E-mail address",
    "email-hint": "For example name@example.id",
    "send": "Register",
    "other-language": "Bahasa Indonesia",
    "nik-missing": "Enter your NIK.",
    "nik-wrong": "A NIK has 16 digits. Please compare it with your identity card.",
    "nik-taken": "This NIK is registered already. Each NIK can be registered once.",
    "nik-session": "This turn was used to register another NIK. The next person needs a turn of their own.",
    "name-missing": "Enter your full name.",
    "name-wrong": "Write the name in letters, 100 characters at most.",
    "mobile-missing": "Enter your mobile number.",
    "mobile-wrong": "A mobile number begins with 08 or +628 and has 9 to 13 digits.",
    "email-missing": "Enter your e-mail address.",
    "email-wrong": "An e-mail address looks like name@example.id.",
    "done": "You are registered",
    "number": "Your registration number",
    "keep": "Keep this number, for example as a screenshot. You may close this page.",
    "busy": "The site is busy",
    "busy-what": "The site is serving many people. Your data is not saved yet. Wait a moment, then send it again.",
    "again": "Send again",
    "back": "Back to the form",
}

TEXTS: Mapping[str, Mapping[str, str]] = {"id": INDONESIAN, "en": ENGLISH}


def choose_language(asked: str, accept_language: str) -> str:
    """`id` or `en`: the one asked for, else the browser's first choice of the two, else Indonesian."""
    if asked in LANGUAGES:
        return asked
    best, best_weight = LANGUAGES[0], 0.0
    for part in accept_language.lower().split(","):
        tag, _, parameter = part.strip().partition(";")
        language = tag.split("-")[0]
        weight = _weight(parameter)
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.replace(" ", "").partition("=")
    try:
        return float(value) if name == "q" else 1.0
    except ValueError:
        return 0.0
