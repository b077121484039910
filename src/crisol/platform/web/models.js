// Registered models and their versions: measures, gate, and which one is served.

import { ApiProblem, call } from "./api.js";
import { badge, byId, bytes, el, number, table, time } from "./elements.js";
import { ask, attempt } from "./message.js";

const open = new Set();

export async function listModels() {
  const { items } = await call("/v1/models?limit=100");
  byId("model-list").replaceChildren(...(items.length ? items.map(entry)
    : [el("p", { className: "hint" }, "No model was registered yet.")]));
}

function entry(model) {
  const facts = [`${model.versions} version${model.versions === 1 ? "" : "s"}`, model.champion && `served: ${model.champion}`,
    model.candidate && `candidate: ${model.candidate}`, time(model.updated)];
  const inside = el("div", { className: "inside" });
  const made = el("details", { className: "card", open: open.has(model.id) },
    el("summary", {}, el("b", {}, model.id),
      el("span", { className: "facts" }, facts.filter(Boolean).join(" · "))), inside);
  const show = () => attempt(async () => inside.replaceChildren(await look(model)));
  made.addEventListener("toggle", () => {
    if (!made.open) open.delete(model.id);
    else if (!open.has(model.id)) { open.add(model.id); show(); }
  });
  if (made.open) show();
  return made;
}

async function look(model) {
  const { items } = await call(`/v1/models/${model.id}/versions?limit=50`);
  return table(["Version", "Status", "Measures", "Gate", "Size", "Latency", "Registered", ""],
    items.map((v) => [
      v.semver ? `${v.number} (${v.semver})` : v.number, badge(v.status), metrics(v.metrics),
      gate(v.gate), bytes(v.size_bytes), speed(v.measured), time(v.created), actions(v)]));
}

function metrics(values) {
  const names = Object.keys(values);
  const shown = names.slice(0, 4).map((n) => `${n} ${number(values[n])}`);
  const all = names.map((n) => `${n} ${number(values[n])}`).join("\n");
  return el("span", { title: all, className: "lines" }, shown.join("\n"));
}

function gate(decision) {
  return decision === null ? ""
    : el("span", { title: decision.sentences.join("\n") }, badge(decision.verdict));
}

function speed(measured) {
  const p50 = measured?.latency_ms_p50 ?? measured?.latency_ms?.p50;
  return p50 === undefined ? "" : `${number(p50, 3)} ms`;
}

function actions(version) {
  const known = {
    promote: version.status === "ready",
    rollback: version.aliases.includes("previous"),
    archive: version.status === "ready",
    unarchive: version.status === "archived",
  };
  const labels = { promote: "Promote", rollback: "Roll back", archive: "Archive",
    unarchive: "Take back" };
  const buttons = Object.keys(known).filter((name) => known[name]).map((name) => {
    const button = el("button", { type: "button", className: "plain" }, labels[name]);
    button.addEventListener("click", () => attempt(() => change(version, name), button));
    return button;
  });
  return el("span", { className: "buttons" }, ...buttons);
}

async function change(version, action) {
  const path = `/v1/models/${version.model}/versions/${version.number}`;
  const title = `${version.model}/${version.number}: ${action}?`;
  const reason = await ask(title, [], false, "Do it");
  if (reason === null) return null;
  let done;
  try {
    done = await call(path, { method: "PATCH", json: { action, reason: reason || null } });
  } catch (problem) {
    if (!(problem instanceof ApiProblem) || problem.code !== "gate_refused") throw problem;
    const why = await ask("The gate refuses it", problem.details, true, "Promote all the same");
    if (why === null) return null;
    done = await call(path, { method: "PATCH", json: { action, reason: why, force: true } });
  }
  await listModels();
  return `${version.model}: version ${done.champion ?? "none"} is served.`;
}
