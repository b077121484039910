// Talking to the service: the key, errors a person can read, events as they come.

const STORED = "crisol-key";
let refused = () => {};

export const key = () => sessionStorage.getItem(STORED);
export const keep = (value) => sessionStorage.setItem(STORED, value);
export const forget = () => sessionStorage.removeItem(STORED);
/** What happens when the key is not taken. */
export const onRefusal = (action) => { refused = action; };

export class ApiProblem extends Error {
  constructor(status, body) {
    const details = (body.details ?? []).map((d) => (d.field ? `${d.field}: ` : "") + d.message);
    super([body.error ?? `the service answered ${status}`, ...details].join("\n"));
    Object.assign(this, { status, code: body.code ?? "", details });
  }
}

export function credentials() {
  const held = key() ?? "";
  return held.split(".").length === 3 ? { Authorization: `Bearer ${held}` } : { "X-API-Key": held };
}

async function answer(response) {
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  if (response.status === 401) refused();
  throw new ApiProblem(response.status, body);
}

/** A JSON answer; `json` is the body. */
export async function call(path, { method = "GET", json, headers = {} } = {}) {
  const sent = { method, headers: { ...credentials(), ...headers } };
  if (json !== undefined) {
    sent.body = JSON.stringify(json);
    sent.headers["Content-Type"] = "application/json";
  }
  const response = await answer(await fetch(path, sent));
  return response.status === 204 ? null : response.json();
}

/** A POST that makes something: sent again after a lost answer, it makes nothing twice. */
export const make = (path, json) =>
  call(path, { method: "POST", json, headers: { "Idempotency-Key": crypto.randomUUID() } });

const CHUNK = 8 * 1024 * 1024;
const TRIES = 5;
const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

/** Upload a file in pieces; after a cut connection it goes on where the service says. */
export async function upload(path, file, progress) {
  let [offset, failures] = [0, 0];
  while (offset < file.size || file.size === 0) {
    const end = Math.min(offset + CHUNK, file.size);
    const headers = { ...credentials(), "Upload-Offset": String(offset),
      "Upload-Length": String(file.size), "Upload-Complete": end === file.size ? "?1" : "?0" };
    try {
      const body = file.slice(offset, end);
      await answer(await fetch(path, { method: offset ? "PATCH" : "POST", headers, body }));
      [offset, failures] = [end, 0];
    } catch (problem) {
      const mendable = !(problem instanceof ApiProblem) || problem.code === "upload_busy";
      if (problem.code !== "offset_mismatch" && !mendable) throw problem;
      failures += 1;
      if (failures > TRIES) throw problem;
      await pause(1000 * failures);
      offset = await arrived(path, problem);
    }
    progress(offset / Math.max(1, file.size));
    if (file.size === 0) return;
  }
}

async function arrived(path, problem) {
  const head = await fetch(path, { method: "HEAD", headers: credentials() }).catch(() => null);
  if (head === null || (!head.ok && head.status !== 404)) throw problem;
  return head.ok ? Number(head.headers.get("Upload-Offset")) : 0;
}

/** Server-sent events by fetch, because an EventSource cannot carry a key. */
export async function events(path, signal, onEvent) {
  const headers = { ...credentials(), Accept: "text/event-stream" };
  const response = await answer(await fetch(path, { headers, signal }));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = {};
      for (const line of block.split("\n")) {
        const at = line.indexOf(":");
        if (at > 0) fields[line.slice(0, at)] = line.slice(at + 1).trimStart();
      }
      if (fields.data !== undefined) onEvent(fields.event ?? "message", JSON.parse(fields.data));
    }
  }
}
