// What the page says to the person, and the question it asks before something is forced.

import { ApiProblem } from "./api.js";
import { byId, el } from "./elements.js";

const GOOD_NEWS_MS = 8000;
let fading;

export function say(text, bad = false) {
  const place = byId("message");
  place.textContent = text;
  place.className = bad ? "bad" : "good";
  place.hidden = !text;
  clearTimeout(fading);
  if (text && !bad) fading = setTimeout(() => { place.hidden = true; }, GOOD_NEWS_MS);
}

/** Do something; what goes wrong is told, and what it returns is said. */
export async function attempt(action, button = null) {
  if (button) button.disabled = true;
  try {
    const said = await action();
    if (typeof said === "string") say(said);
    return true;
  } catch (problem) {
    const lost = problem instanceof TypeError && !(problem instanceof ApiProblem);
    say(lost && /fetch|network/i.test(problem.message)
      ? "The service cannot be reached." : problem.message, true);
    return false;
  } finally {
    if (button) button.disabled = false;
  }
}

/** Ask for a reason; null: leave it. */
export function ask(title, details, needed, yes) {
  const dialog = byId("ask");
  byId("ask-title").textContent = title;
  byId("ask-details").replaceChildren(...details.map((d) => el("li", {}, d)));
  byId("ask-reason").value = "";
  byId("ask-reason").required = needed;
  byId("ask-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () =>
      done(dialog.returnValue === "yes" ? byId("ask-reason").value : null), { once: true });
  });
}
