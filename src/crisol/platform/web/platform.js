// The page: ask for a key once, then show datasets, jobs and models, and keep them fresh.

import { call, forget, keep, key, onRefusal } from "./api.js";
import { listDatasets, setUpDatasets } from "./datasets.js";
import { byId, el } from "./elements.js";
import { listJobs, setUpJobs } from "./jobs.js";
import { attempt, say } from "./message.js";
import { listModels } from "./models.js";

const FRESH_MS = 4000;
let round = 0;

async function refresh() {
  await Promise.all([listDatasets(), listJobs(), listModels()]);
}

async function keepFresh(mine) {
  while (mine === round) {
    await new Promise((done) => { setTimeout(done, FRESH_MS); });
    if (mine !== round || document.hidden) continue;
    // A list in which something is open is left as it is; open jobs follow their own events.
    const shut = (id) => !byId(id).querySelector("[open]");
    await attempt(() => Promise.all([listJobs(), shut("dataset-list") && listDatasets(),
      shut("model-list") && listModels()]));
  }
}

async function enter() {
  const entered = await attempt(refresh);
  byId("entry").hidden = entered;
  byId("main").hidden = !entered;
  byId("leave").hidden = !entered;
  if (!entered) { byId("key").focus(); return; }
  say("");
  attempt(offerFamilies);
  round += 1;
  keepFresh(round);
}

async function offerFamilies() {
  const { items } = await call("/v1/models?limit=100");
  const first = byId("new-job").elements.family.defaultValue;
  const families = [...new Set([first, ...items.map((model) => model.family)])];
  byId("families").replaceChildren(...families.map((name) => el("option", { value: name })));
}

function leave() {
  round += 1;
  forget();
  byId("main").hidden = true;
  byId("leave").hidden = true;
  byId("entry").hidden = false;
  byId("key").value = "";
  byId("key").focus();
}

onRefusal(leave);
byId("leave").addEventListener("click", () => { leave(); say(""); });
byId("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  keep(byId("key").value.trim());
  enter();
});
setUpDatasets(refresh);
setUpJobs(refresh);
if (key()) enter();
else leave();
