// The door: a busy one is tried again by itself; what only the server can tell falls back to the form.
const door = byId("enter");
let entering = false;
let doorFailures = 0;

function withPass(target, pass) {
  const cut = target.indexOf("#") < 0 ? target.length : target.indexOf("#");
  const page = target.slice(0, cut);
  const slot = facts.slot > 1 && !facts.nonce_hash ? "&antrean_slot=" + facts.slot : "";
  const query = "antrean_pass=" + encodeURIComponent(pass) + slot;
  return page + (page.indexOf("?") < 0 ? "?" : "&") + query + target.slice(cut);
}
function tryAgain(seconds, text) {
  tell("door", fill(text, { seconds: seconds }));
  setTimeout(enter, 1000 * (seconds + Math.random()));
}
async function enter() {
  const wish = {};
  if (facts.target) wish.target = facts.target;
  if (facts.nonce_hash) wish.nonce_hash = facts.nonce_hash;
  const headers = { "content-type": "application/json", accept: "application/json" };
  let answer;
  try {
    answer = await fetch(base + "/passes" + own, { method: "POST", headers: headers, body: JSON.stringify(wish) });
  } catch (unreachable) {
    doorFailures += 1;
    return tryAgain(Math.min(30, Math.pow(2, doorFailures)), words.offline);
  }
  doorFailures = 0;
  if (answer.status === 429) return tryAgain(Math.max(1, retryAfter(answer)), words.busy);
  if (answer.status === 503) return tryAgain(Math.max(1, retryAfter(answer)), words.offline);
  const given = answer.ok ? await answer.json() : {};
  if (!given.pass || !given.target) return door.submit();
  renewed = true; // no polling behind the back of a page that is being left
  location.assign(withPass(given.target, given.pass));
}
if (door) {
  door.addEventListener("submit", (event) => {
    event.preventDefault();
    if (entering) return;
    entering = true;
    door.querySelector("button").setAttribute("aria-disabled", "true");
    tell("door", words.entering);
    enter();
  });
}
if (facts.scene === "called") document.querySelector("h1").focus(); // the only time that the focus is moved
window.addEventListener("pageshow", (event) => event.persisted && location.replace(address()));
