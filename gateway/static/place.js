// The place: its distance is only ever shown shrinking, also when the page is loaded again.
const progress = byId("progress");
const start = { ahead: facts.ahead, ratio: progress ? progress.value : 0 };
let ahead = facts.ahead;
let wait = "";
const memory = "antrean-ahead-" + facts.event + "-" + facts.slot;
function remembered() {
  try {
    const [shown, ticket] = sessionStorage.getItem(memory).split(" ");
    return ticket === facts.ticket ? Number(shown) : Infinity;
  } catch (nothing) {
    return Infinity; // or no storage at all
  }
}
function remember() {
  try {
    sessionStorage.setItem(memory, ahead + " " + facts.ticket);
  } catch (full) {
    return; // the links of the page carry it too
  }
}
function showPlace(distance) {
  if (ahead === null) return renew();
  ahead = Math.min(ahead, distance);
  if (facts.ticket) remember();
  const place = number(ahead + 1);
  tell("place", place);
  tell("ahead", number(ahead));
  if (progress && start.ahead > 0) progress.value = 1 - (1 - start.ratio) * (ahead / start.ahead);
  document.title = fill(words.title, { place: place }) + " – " + facts.title;
}
function showWait(range) {
  try {
    wait = range ? waitText(range) : words.unknown;
  } catch (tooOld) {
    return; // no units in this browser: what the server wrote stays
  }
  tell("wait", wait);
}
function showAge(seconds) {
  const stale = byId("stale");
  stale.hidden = seconds <= facts.stale_seconds;
  if (!stale.hidden) tell("stale", fill(words.stale, { time: ageText(seconds) }));
}
const spoken = () => fill(wait ? words.spoken : words.spoken_place, { place: number(ahead + 1), time: wait });
if (ahead !== null && facts.ticket && facts.scene === "line") showPlace(remembered());
let lastSpoken = ahead;
if (byId("spoken")) {
  setInterval(() => {
    if (ahead === null || ahead === lastSpoken) return;
    lastSpoken = ahead;
    tell("spoken", spoken());
  }, 30000); // a screen reader that speaks at every step is of no use
}

// People between the mark and a place; null once the mark has reached it.
function distanceTo(place, shared) {
  const mark = shared.serving;
  if (mark.segment > place[0] || (mark.segment === place[0] && mark.rank >= place[1])) return null;
  if (mark.segment === place[0]) return place[1] - mark.rank - 1;
  const before = shared.segments.filter((segment) => segment.id >= mark.segment && segment.id < place[0]);
  const left = before.map((segment) => segment.size - (segment.id === mark.segment ? mark.rank : 0));
  return left.reduce((sum, people) => sum + people, 0) + place[1] - 1;
}
