/** The service's HTTP API: one way in, and every failure a `Problem` to show to a person. */

const KEY = "cairn.key";

/** What went wrong, as the problem document says it (RFC 9457). Status 0: no answer at all. */
export class Problem extends Error {
  constructor({ status = 0, title, detail, errors, request_id: requestId }, retryAfterS = null) {
    super(detail || title || `The server answered ${status}.`);
    this.status = status;
    this.title = title || "Something went wrong";
    this.fields = errors ?? [];
    this.requestId = requestId ?? null;
    this.retryAfterS = retryAfterS;
  }

  /** What the reader can do about it. */
  get advice() {
    if (this.retryAfterS) return `Try again in ${this.retryAfterS} seconds.`;
    return ADVICE[this.status] ?? (this.status >= 500 ? ADVICE[500] : "");
  }
}

const ADVICE = {
  0: "Check that the service runs and that you are connected, then try again.",
  401: "Enter another key.",
  403: "Ask whoever gave you your key for one that may do this.",
  404: "It may have been removed. Reload the list.",
  409: "Reload, and look at what changed meanwhile.",
  413: "Split the file into smaller ones.",
  429: "Wait a moment, then try again.",
  500: "Try again. If it stays, give the request id to whoever runs the service.",
  503: "Wait a moment, then try again.",
};

export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

let keyNeeded = async () => false;
let asking = null;

/** `ask(refused)` is called on 401 and answers whether a new key was given. */
export function onKeyNeeded(ask) {
  keyNeeded = ask;
}

/** One dialog at a time, however many calls were refused at once. */
function askForKey() {
  asking ??= keyNeeded(key.get() !== null).finally(() => {
    asking = null;
  });
  return asking;
}

export function headers(more = {}) {
  const held = key.get();
  return held ? { ...more, Authorization: `Bearer ${held}` } : more;
}

/** A successful `Response`. Raises `Problem`; an abort stays an `AbortError`. */
export async function request(method, path, { body, params, signal, accept } = {}) {
  const sent = key.get();
  const response = await send(method, path + query(params), body, signal, accept);
  if (response.ok) return response;
  if (response.status === 401 && (key.get() !== sent || (await askForKey()))) {
    return request(method, path, { body, params, signal, accept });
  }
  throw await problemOf(response);
}

export async function json(method, path, options) {
  return (await request(method, path, options)).json();
}

/** Puts one file. `report(sent)` gets the share of bytes sent, 0 to 1. Raises `Problem`. */
export async function upload(name, file, { groups = [], report = () => {}, signal } = {}) {
  const sent = key.get();
  const path = `/v1/documents/${encodeURIComponent(name)}${query({ groups })}`;
  const reply = await put(path, file, report, signal);
  if (reply.status >= 200 && reply.status < 300) return JSON.parse(reply.text);
  if (reply.status === 401 && (key.get() !== sent || (await askForKey()))) {
    return upload(name, file, { groups, report, signal });
  }
  throw toProblem(reply.status, reply.text, reply.retryAfter);
}

async function send(method, path, body, signal, accept = "application/json") {
  const typed = body === undefined ? {} : { "Content-Type": "application/json" };
  try {
    return await fetch(path, {
      method,
      signal,
      headers: headers({ Accept: accept, ...typed }),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
}

/** `fetch` cannot say how much of a body was sent, so uploads go the older way. */
function put(path, file, report, signal) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open("PUT", path);
    for (const [name, value] of Object.entries(headers())) call.setRequestHeader(name, value);
    call.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    call.upload.addEventListener("progress", (event) => report(event.loaded / (event.total || 1)));
    call.addEventListener("load", () =>
      resolve({
        status: call.status,
        text: call.responseText,
        retryAfter: call.getResponseHeader("Retry-After"),
      }),
    );
    call.addEventListener("error", () => reject(unreachable()));
    call.addEventListener("abort", () => reject(new DOMException("Stopped", "AbortError")));
    signal?.addEventListener("abort", () => call.abort());
    call.send(file);
  });
}

async function problemOf(response) {
  return toProblem(response.status, await response.text(), response.headers.get("Retry-After"));
}

function toProblem(status, text, retryAfter) {
  let body = {};
  try {
    body = JSON.parse(text);
  } catch {
    // A proxy in between answers in its own words, usually a page; the status is what counts.
  }
  return new Problem({ ...body, status }, Number.parseInt(retryAfter, 10) || null);
}

function unreachable() {
  return new Problem({ title: "No answer", detail: "The service cannot be reached." });
}

function query(params = {}) {
  const pairs = Object.entries(params).flatMap(([name, value]) =>
    [value]
      .flat()
      .filter((one) => one !== null && one !== undefined && one !== "")
      .map((one) => [name, one]),
  );
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
}
