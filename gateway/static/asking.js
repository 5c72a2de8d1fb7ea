// Asking: for myself when the server said so; in between the shared status, from which my place is subtracted.
const saving = navigator.connection && navigator.connection.saveData;
const asking = facts.living || (facts.scene !== "closed" && facts.scene !== "completed");
let timer = 0;
let inFlight = false;
let failures = 0;
let interval = facts.next_poll_seconds;
// Both reasons together slow down no more than one: a place unheard for three intervals counts as gone.
const slowness = () => (saving || document.hidden ? 2 : 1);
const spread = () => 0.9 + 0.2 * Math.random();
const inSeconds = (seconds) => Date.now() + 1000 * seconds * spread();
let askAt = inSeconds(interval * slowness());

async function get(path, more) {
  const control = new AbortController();
  const limit = setTimeout(() => control.abort(), 10000);
  try {
    return await fetch(base + path, { headers: Object.assign({ accept: "application/json" }, more), signal: control.signal });
  } finally {
    clearTimeout(limit);
  }
}
const retryAfter = (answer) => Number(answer.headers.get("retry-after")) || 0;
const myMessage = (message) => (message && message[facts.language]) || null;

async function askMine() {
  const answer = await get("/tickets/current" + own, ahead === null ? {} : { "antrean-ahead": String(ahead) });
  if (answer.status === 429 || answer.status >= 500) return failed(retryAfter(answer));
  if (!answer.ok) return renew();
  const mine = await answer.json();
  succeeded(mine.next_poll_seconds);
  if (mine.state !== facts.state || mine.event_state !== facts.event_state) return renew();
  if (myMessage(mine.message) !== facts.message) return renew();
  if (mine.seats && mine.seats.chance !== facts.chance) return renew();
  if (mine.seats) tell("seats", number(mine.seats.left));
  facts.place = mine.place && [mine.place.segment, mine.place.rank];
  if (mine.called_until) facts.called_until_ms = Date.parse(mine.called_until); // grace can be added, never taken
  showAge(mine.as_of_seconds);
  if (mine.ahead !== null && facts.scene === "line") {
    showPlace(mine.ahead);
    showWait(mine.wait_seconds);
  }
}

async function askShared() {
  const answer = await get("/status");
  if (!answer.ok) return failed(retryAfter(answer));
  const shared = await answer.json();
  succeeded(interval);
  const opens = shared.opens_at ? Date.parse(shared.opens_at) : null;
  const before = facts.event_state === "scheduled" || facts.event_state === "prequeue" || facts.event_state === "frozen";
  const postponed = before && opens !== facts.opens_at_ms;
  if (postponed || shared.state !== facts.event_state) return renew();
  if (myMessage(shared.message) !== facts.message) return renew();
  if (facts.scene === "entered" && Boolean(shared.draw && shared.draw.root) !== facts.sealed) return renew();
  if (facts.scene !== "line" || !facts.place) return;
  const distance = distanceTo(facts.place, shared);
  if (distance === null) askAt = inSeconds(2 * Math.random()); // called, it seems: ask for myself soon
  else showPlace(distance);
}

function succeeded(seconds) {
  if (failures) tell("status", "");
  failures = 0;
  interval = seconds;
  askAt = Math.min(askAt, inSeconds(interval * slowness()));
}
function failed(seconds) {
  failures += 1;
  if (!seconds || failures > 1) tell("status", words.offline);
  const backoff = Math.min(120, Math.pow(2, failures)) * (0.5 + Math.random());
  askAt = inSeconds(Math.max(seconds, backoff));
}
async function ask() {
  if (inFlight) return;
  inFlight = true;
  const mine = facts.living && Date.now() >= askAt;
  if (mine) askAt = Infinity;
  try {
    await (mine ? askMine() : askShared());
  } catch (unreachable) {
    failed(0);
  }
  inFlight = false;
  plan();
}
function plan() {
  clearTimeout(timer);
  if (renewed || !asking) return;
  const mine = askAt - Date.now();
  const shared = 1000 * spread() * slowness() * Math.max(15, facts.living ? interval / 4 : interval);
  const watching = facts.scene === "line" || facts.scene === "entered";
  const sharing = !failures && (!facts.living || (watching && !document.hidden));
  timer = setTimeout(ask, sharing && (!facts.living || shared < mine) ? shared : Math.max(0, mine));
}
plan();
function askNow() {
  if (!asking) return;
  askAt = 0;
  ask();
}
document.addEventListener("visibilitychange", () => (document.hidden ? plan() : askNow()));
window.addEventListener("online", () => failures && askNow());
