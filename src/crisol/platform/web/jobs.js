// Jobs: listing, starting, following one live.

import { call, events, make } from "./api.js";
import { badge, byId, curve, duration, el, number, table, time } from "./elements.js";
import { ask, attempt, say } from "./message.js";

const ENDED = ["completed", "failed", "cancelled"];
const POLL_MS = 2000;
const LOG_CHARACTERS = 60000;
/** Job id to what follows it while it is open on the page. */
const followed = new Map();
const cards = new Map();

export async function listJobs() {
  const { items } = await call("/v1/jobs?limit=30");
  const place = byId("job-list");
  const wanted = items.map((job) => {
    const known = cards.get(job.id) ?? card(job.id);
    cards.set(job.id, known);
    known.show(job);
    return known.element;
  });
  for (const [id, known] of cards) {
    if (!items.some((job) => job.id === id)) { known.close(); cards.delete(id); }
  }
  // A list that is as it should be is left alone: what is open and scrolled stays so.
  if (wanted.length !== place.children.length || wanted.some((w, i) => w !== place.children[i])) {
    place.replaceChildren(...(wanted.length ? wanted
      : [el("p", { className: "hint" }, "No job yet.")]));
  }
}

function card(id) {
  const name = el("b");
  const state = el("span");
  const facts = el("span", { className: "facts" });
  const bar = el("progress", { max: 1, value: 0, ariaLabel: "how far the job is" });
  const numbers = el("p", { className: "told" });
  const reason = el("p", { className: "bad" });
  const curves = el("div", { className: "curves" });
  const trials = el("div");
  const buttons = el("p", { className: "buttons" });
  const log = el("pre", { className: "log", tabIndex: 0, ariaLabel: "log" });
  const inside = el("div", { className: "inside" },
    el("p", { className: "hint" }, `id ${id}`), reason, numbers, curves, trials, buttons, log);
  const element = el("details", { className: "card" },
    el("summary", {}, name, state, facts, bar), inside);
  const history = {};
  const found = [];

  const show = (job) => {
    name.textContent = job.name || job.model;
    state.replaceChildren(badge(job.status));
    const version = job.version ? `version ${job.version.semver ?? job.version.number}` : "";
    facts.textContent = [job.model, job.detail, version, duration(job.seconds), time(job.created)]
      .filter(Boolean).join(" · ");
    reason.textContent = job.reason ?? "";
    if (job.status === "completed") bar.value = 1;
    bar.hidden = job.status !== "running" && job.status !== "completed";
    buttons.replaceChildren(...actions(job, show));
    element.dataset.status = job.status;
    if (job.status === "running" && !followed.has(id)) peek();
  };
  const progress = (p) => {
    if (typeof p.fraction === "number") bar.value = p.fraction;
    numbers.textContent = progressText(p);
    for (const [metric, points] of Object.entries(p.history ?? {})) {
      const before = (history[metric] ??= []);
      const last = before.length ? before.at(-1)[0] : -Infinity;
      before.push(...points.filter((point) => point[0] > last));
    }
    const drawn = Object.entries(history).filter(([, points]) => points.length > 1);
    curves.replaceChildren(...drawn.slice(0, 8).map(([metric, points]) => curve(metric, points)));
  };
  const trial = (t) => {
    const at = found.findIndex((other) => other.number === t.number);
    if (at < 0) found.push(t); else found[at] = t;
    trials.replaceChildren(table(["Trial", "Algorithm", "State", "Score", "Seconds"],
      found.slice(-12).map((x) => [String(x.number ?? ""), x.algorithm ?? "", x.state ?? "",
        number(x.value), number(x.seconds, 3)])));
  };
  const write = ({ text }) => {
    const below = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.textContent = (log.textContent + text).slice(-LOG_CHARACTERS);
    if (below) log.scrollTop = log.scrollHeight;
  };
  const peek = async () => {
    const p = await call(`/v1/jobs/${id}/progress`).catch(() => null);
    if (p) progress(p);
  };
  const onEvent = (kind, data) => {
    if (kind === "state") show(data);
    else if (kind === "progress") progress(data);
    else if (kind === "trial") trial(data);
    else if (kind === "log") write(data);
  };
  element.addEventListener("toggle", () => {
    if (element.open) follow(id, onEvent, log);
    else unfollow(id);
  });
  return { element, show, close: () => unfollow(id) };
}

function progressText(p) {
  const of = (part, whole) => (whole ? `${number(part)} of ${number(whole)}` : null);
  const pairs = [["steps done:", of(p.nodes_done, p.nodes)], ["epoch", of(p.epoch, p.epochs)],
    ["batch", of(p.batch, p.batches)], ["loss", number(p.loss)],
    ["accuracy", number(p.accuracy)], ["learning rate", number(p.learning_rate)],
    ["samples/s", number(p.samples_per_second, 3)], ["trials", number(p.trials?.ended)], ["best", number(p.trials?.best)],
    ["left", duration(p.seconds_left)]];
  return pairs.filter(([, value]) => value).map(([key, value]) => `${key} ${value}`).join(" · ");
}

function actions(job, show) {
  const button = (text, action) => {
    const made = el("button", { type: "button", className: "plain" }, text);
    made.addEventListener("click", () => attempt(action, made));
    return made;
  };
  const made = [];
  if (job.detail === "held") {
    made.push(button("Start", async () => {
      show(await call(`/v1/jobs/${job.id}/start`, { method: "POST" }));
      return "Started.";
    }));
  }
  if (!ENDED.includes(job.status)) {
    made.push(button("Cancel", async () => {
      if (await ask("Cancel this job?", [], false, "Cancel it") === null) return null;
      show(await call(`/v1/jobs/${job.id}/cancel`, { method: "POST" }));
      return "Cancelled, or about to be.";
    }));
  }
  return made;
}

/** Follow a job by its events; where they do not come through, by asking now and then. */
async function follow(id, onEvent, log) {
  unfollow(id);
  const stop = new AbortController();
  followed.set(id, stop);
  log.textContent = "";
  let ended = false;
  const forward = (kind, data) => { ended ||= kind === "end"; onEvent(kind, data); };
  try {
    await events(`/v1/jobs/${id}/events`, stop.signal, forward);
  } catch (problem) {
    if (stop.signal.aborted) return;
    say(`${problem.message} Following by asking every ${POLL_MS / 1000} s instead.`, true);
  }
  while (!ended && !stop.signal.aborted) {
    const job = await call(`/v1/jobs/${id}`).catch(() => null);
    const p = await call(`/v1/jobs/${id}/progress`).catch(() => null);
    if (stop.signal.aborted) return;
    if (p) onEvent("progress", p);
    if (job) onEvent("state", job);
    ended = job !== null && ENDED.includes(job.status);
    if (!ended) await new Promise((done) => { setTimeout(done, POLL_MS); });
  }
}

function unfollow(id) {
  followed.get(id)?.abort();
  followed.delete(id);
}

export function setUpJobs(refresh) {
  const form = byId("new-job");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const job = await make("/v1/jobs", jobRequest(form.elements));
      form.closest("details").open = false;
      await refresh();
      return `Job ${job.name || job.id} is ${job.status}.`;
    }, form.querySelector("button"));
  });
}

function jobRequest(given) {
  let parameters = {};
  if (given.parameters.value.trim()) {
    try {
      parameters = JSON.parse(given.parameters.value);
    } catch (problem) {
      throw new Error(`The parameters are not JSON: ${problem.message}`);
    }
  }
  const body = { family: given.family.value, parameters };
  if (given.dataset.value) body.dataset = given.dataset.value;
  if (given.model.value) body.model = given.model.value;
  if (given.time_s.value) body.limits = { time_s: Number(given.time_s.value) };
  return body;
}
