// Keeps the waiting page current. The page works without it: every layout is the server's, and a change that needs
// another one loads the page again. Written for browsers of 2018, as old phones have them. The files of this
// directory become one script, in the order that pages.py names them.
const byId = (id) => document.getElementById(id);
const facts = JSON.parse(byId("facts").textContent);
const words = facts.words;
const locale = facts.language === "en" ? "en-GB" : facts.language;
const base = "/v1/events/" + facts.event;
const own = "?slot=" + facts.slot;
const clockOffset = facts.now_ms - Date.now(); // cheap phones are often minutes off
const now = () => Date.now() + clockOffset;
const number = (value) => new Intl.NumberFormat(locale).format(value);
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const tell = (id, text) => {
  const element = byId(id);
  if (element && element.textContent !== text) element.textContent = text;
};

document.documentElement.classList.add("js");

// Loading again: always a GET, also when this page answered a POST, and never over something half typed.
let renewed = false;
const address = () => facts.url.replace(/([?&]ahead=)\d+/, (_, name) => name + ahead); // as shown: what is told never grows
function renew() {
  if (renewed) return;
  const typed = Array.from(document.querySelectorAll("input:not([type=hidden]), select")).some((field) => field.value);
  if (typed) return tell("status", words.changed);
  renewed = true;
  location.replace(address());
}
