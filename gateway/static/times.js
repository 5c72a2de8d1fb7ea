// Times of day: the device's own zone first.
const zoneNames = {
  "Asia/Jakarta": "WIB", "Asia/Pontianak": "WIB", "Asia/Makassar": "WITA",
  "Asia/Ujung_Pandang": "WITA", "Asia/Jayapura": "WIT",
};
function ownZoneFirst(time) {
  const clocks = time.querySelector(".clocks");
  const spans = Array.from(clocks.children);
  const zone = zoneNames[Intl.DateTimeFormat().resolvedOptions().timeZone];
  const texts = spans.map((span) => span.textContent);
  const found = texts.findIndex((text) => text.split(" ")[1] === zone);
  const shape = { weekday: "long", hour: "2-digit", minute: "2-digit", timeZoneName: "short" };
  const first = found >= 0
    ? texts.splice(found, 1)[0]
    : new Intl.DateTimeFormat(locale, shape).format(new Date(time.dateTime));
  if (found < 0) {
    spans.unshift(document.createElement("span"));
    clocks.prepend(spans[0], " · ");
  }
  [first].concat(texts).forEach((text, i) => { spans[i].textContent = text; });
}
document.querySelectorAll("time").forEach(ownZoneFirst);

// Durations, as the server writes them.
const unit = (value, name) =>
  new Intl.NumberFormat(locale, { style: "unit", unit: name, unitDisplay: "long" }).format(value);
function measure(seconds, rounded) {
  if (seconds <= 1200) return [rounded(seconds / 60), "minute"];
  if (seconds <= 5400) return [rounded(seconds / 300) * 5, "minute"];
  if (seconds <= 21600) return [rounded(seconds / 1800) / 2, "hour"];
  if (seconds <= 172800) return [rounded(seconds / 3600), "hour"];
  return [rounded(seconds / 86400), "day"];
}
function waitText(range) {
  const high = measure(range.high, Math.ceil);
  const low = measure(range.low, Math.floor);
  if (low[0] < 1 && low[1] === "minute") return fill(words.less, { high: unit(high[0], high[1]) });
  if (low[1] !== high[1]) {
    return fill(words.range, { low: unit(low[0], low[1]), high: unit(high[0], high[1]) });
  }
  const from = low[0] === high[0] ? "" : number(low[0]) + "–";
  return fill(words.about, { time: from + unit(high[0], high[1]) });
}
function ageText(seconds) {
  if (seconds < 120) return unit(Math.floor(seconds), "second");
  const age = measure(seconds, Math.floor);
  return unit(age[0], age[1]);
}

// What ticks: the way to the opening, and the time left to enter.
function tick() {
  if (facts.until_ms) {
    const left = Math.max(0, Math.floor((facts.until_ms - now()) / 1000));
    document.querySelectorAll("#countdown [data-unit]").forEach((part) => {
      const size = Number(part.dataset.unit);
      const whole = { 86400: Infinity, 3600: 24, 60: 60, 1: 60 }[size];
      part.textContent = String(Math.floor(left / size) % whole);
    });
  }
  const deadline = byId("deadline");
  if (deadline) {
    const left = Math.max(0, Math.floor((facts.called_until_ms - now()) / 1000));
    deadline.hidden = false;
    tell("left", Math.floor(left / 60) + ":" + String(left % 60).padStart(2, "0"));
  }
}
if (byId("countdown") || byId("deadline")) {
  tick();
  setInterval(tick, 1000);
}
if (byId("countdown") && facts.scene === "countdown" && facts.until_ms > facts.now_ms) {
  const untilOpening = facts.until_ms - facts.now_ms + 8000 * Math.random(); // not all in the same second
  const longestTimer = 2147483647; // milliseconds; browsers fire at once beyond
  if (untilOpening < longestTimer) setTimeout(renew, untilOpening);
}
