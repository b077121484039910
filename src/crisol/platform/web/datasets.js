// Datasets: listing, what is in one, bringing a new one.

import { call, make, upload } from "./api.js";
import { badge, byId, bytes, el, number, table, time } from "./elements.js";
import { attempt } from "./message.js";

const open = new Map();
const SHOWN = 5; // warnings that do not need a click
const day = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);

export async function listDatasets() {
  const { items } = await call("/v1/datasets?limit=50");
  byId("dataset-list").replaceChildren(...(items.length ? items.map(entry)
    : [el("p", { className: "hint" }, "No dataset yet.")]));
  offer(items.filter((d) => d.state === "ready"));
  return items.some((d) => d.state === "profiling");
}

function offer(ready) {
  const choice = byId("new-job").elements.dataset;
  const before = choice.value;
  choice.replaceChildren(choice.options[0], ...ready.map((d) =>
    el("option", { value: d.id }, `${d.name} version ${d.version}`)));
  choice.value = ready.some((d) => d.id === before) ? before : "";
}

function entry(dataset) {
  const size = dataset.files.reduce((sum, file) => sum + file.bytes, 0);
  const facts = [dataset.task && `${dataset.task}${dataset.target ? ` of ${dataset.target}` : ""}`,
    dataset.rows !== null && `${number(dataset.rows)} rows`,
    dataset.columns !== null && `${number(dataset.columns)} columns`, size && bytes(size),
    dataset.warnings && `${dataset.warnings} warnings`, time(dataset.created)];
  const inside = el("div", { className: "inside" });
  const made = el("details", { className: "card", open: open.has(dataset.id) },
    el("summary", {}, el("b", {}, `${dataset.name} v${dataset.version}`), badge(dataset.state),
      el("span", { className: "facts" }, facts.filter(Boolean).join(" · "))), inside);
  const show = () => attempt(async () => inside.replaceChildren(...await look(dataset)));
  made.addEventListener("toggle", () => {
    if (!made.open) open.delete(dataset.id);
    else if (!open.has(dataset.id)) { open.set(dataset.id, true); show(); }
  });
  if (made.open) show();
  return made;
}

async function look(dataset) {
  const said = [el("p", { className: "hint" }, `id ${dataset.id}`)];
  if (dataset.description) said.push(el("p", {}, dataset.description));
  if (dataset.reason) said.push(el("p", { className: "bad" }, dataset.reason));
  if (dataset.state !== "ready") return said;
  const { schema } = await call(`/v1/datasets/${dataset.id}`);
  const notes = schema.found?.notes ?? [];
  if (notes.length) {
    said.push(el("p", { className: "hint" }, `Read as ${schema.found.format}: ${notes.join("; ")}.`));
  }
  said.push(...warnings(schema.warnings));
  said.push(table(["Column", "Kind", "Role", "Missing", "Values", "Why"], schema.columns.map((c) =>
    [c.name, c.kind, c.role, c.missing ? `${(100 * c.missing).toFixed(1)} %` : "", values(c),
      c.reason])));
  return said;
}

function warnings(all) {
  const list = (some) => el("ul", { className: "warnings" }, ...some.map((w) => el("li", {}, w)));
  if (all.length <= SHOWN + 1) return all.length ? [list(all)] : [];
  const rest = all.slice(SHOWN);
  return [list(all.slice(0, SHOWN)), el("details", { className: "more-warnings" },
    el("summary", {}, `${rest.length} more warnings`), list(rest))];
}

function values(column) {
  if (column.categories.length) {
    const more = column.categories.length > 6 ? ", …" : "";
    return column.categories.slice(0, 6).join(", ") + more;
  }
  if (column.low === null) return "";
  const shown = column.kind === "date" ? day : number;
  return `${shown(column.low)} to ${shown(column.high)}`;
}

export function setUpDatasets(refresh) {
  const form = byId("new-dataset");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(() => bring(form, refresh), form.querySelector("button"));
  });
}

async function bring(form, refresh) {
  const given = form.elements;
  const [rows, test] = [given.all.files[0], given.test.files[0]];
  if (!rows) throw new Error("Choose a file first.");
  const options = given.target.value ? { target: given.target.value } : {};
  const dataset = await make("/v1/datasets", { name: given.name.value, options });
  const parts = test ? [["train", rows], ["test", test]] : [["all", rows]];
  const bar = byId("upload");
  bar.hidden = false;
  try {
    for (const [part, file] of parts) {
      const query = new URLSearchParams({ part, name: file.name });
      await upload(`/v1/datasets/${dataset.id}/files?${query}`, file, (share) => {
        bar.value = share;
      });
    }
  } finally {
    bar.hidden = true;
    await refresh();
  }
  form.reset();
  form.closest("details").open = false;
  return `${dataset.name} version ${dataset.version} has arrived and is being read.`;
}
