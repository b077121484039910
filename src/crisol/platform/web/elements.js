// Building what is shown. Text is always set as text: nothing that came over the wire is markup.

export const byId = (id) => document.getElementById(id);

/** An element with properties, and what is inside it (elements or text). */
export function el(name, properties = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made && key !== "list") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...inside.filter((i) => i !== null && i !== undefined && i !== ""));
  return made;
}

/** A table with a heading; every row is a list of cells (text or elements). */
export function table(headings, rows) {
  const head = el("tr", {}, ...headings.map((h) => el("th", { scope: "col" }, h)));
  const body = rows.map((row) => el("tr", {}, ...row.map((cell, index) =>
    el("td", { "data-label": headings[index] }, cell ?? ""))));
  return el("div", { className: "scroll" },
    el("table", {}, el("thead", {}, head), el("tbody", {}, ...body)));
}

export const badge = (word) => el("span", { className: `badge ${word}` }, word);

export function number(value, digits = 4) {
  if (typeof value !== "number") return value === null || value === undefined ? "" : String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  if (Math.abs(value) >= 1e4 && Math.abs(value) < 1e12) return Math.round(value).toLocaleString("en");
  return Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3)
    ? value.toExponential(2) : String(Number(value.toPrecision(digits)));
}

export function bytes(count) {
  if (count === null || count === undefined) return "";
  const units = ["B", "kB", "MB", "GB"];
  let unit = 0;
  while (count >= 1000 && unit < 3) { count /= 1000; unit += 1; }
  return `${number(count, 3)} ${units[unit]}`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export const time = (iso) => (iso ? new Date(iso).toLocaleString() : "");

const SVG = "http://www.w3.org/2000/svg";

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** A small curve of [step, value] pairs, its last value beside its name. */
export function curve(name, points) {
  const [width, height, edge] = [220, 64, 4];
  const clean = points.filter((p) => Number.isFinite(p[1]));
  const xs = clean.map((p) => p[0]);
  const ys = clean.map((p) => p[1]);
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const [first, last] = [Math.min(...xs), Math.max(...xs)];
  const place = (value, from, to, size) =>
    edge + (size - 2 * edge) * (to > from ? (value - from) / (to - from) : 0.5);
  const line = clean.map((p) => `${place(p[0], first, last, width).toFixed(1)},${
    (height - place(p[1], low, high, height)).toFixed(1)}`).join(" ");
  const picture = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `${name}, ${clean.length} points from ${number(ys[0])} to ${number(ys.at(-1))}` });
  picture.append(shape("polyline", { points: line }));
  return el("figure", {}, picture,
    el("figcaption", {}, `${name} `, el("b", {}, number(ys.at(-1)))));
}
