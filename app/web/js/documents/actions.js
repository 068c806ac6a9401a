/** What one does to a document: replace, stop, retry, restore, delete, download. Each says what came of it. */

import { json, request } from "../api.js";
import { notify } from "../announce.js";
import { confirm, report } from "../dialog.js";
import { h } from "../dom.js";
import { count, moment } from "../format.js";
import { pick, uploads } from "./uploads.js";

/**
 * Chooses a file and uploads it under the document's name: the old version answers until it is
 * read.
 */
export async function replace(document) {
  const [file] = await pick(false);
  if (file) uploads.add(file, { name: document.name, groups: document.groups });
}

/** Puts a failed document back into the queue. Answers whether it went. */
export async function retry(document) {
  return tried(async () => {
    await json("POST", `/v1/documents/${document.id}/retry`);
    notify(`${document.name} is in the queue again.`);
  });
}

/** Puts everything that failed back into the queue. Answers whether that was done. */
export async function retryAll() {
  return tried(async () => {
    const { retried } = await json("POST", "/v1/documents/retry");
    notify(`${count(retried, "document")} in the queue again.`);
  });
}

/** Stops what waits or is worked on. Answers whether it stopped. */
export async function cancel(document) {
  return tried(async () => {
    await json("POST", `/v1/documents/${document.id}/cancel`);
    notify(`${document.name} is cancelled.`);
  });
}

/** Makes an older version current again. Answers whether it is on its way. */
export async function restore(document, version) {
  return tried(async () => {
    await json("POST", `/v1/documents/${document.id}/versions/${version}/restore`);
    notify(`Version ${version} of ${document.name} is on its way back.`);
  });
}

/** Deletes after asking, and shows the receipt. Answers whether it is gone. */
export async function remove(document) {
  const sure = await confirm({
    title: `Delete ${document.name}?`,
    action: "Delete",
    text: "All its versions and passages go at once. Answers that cite it keep their quotes, but can no longer open it.",
  });
  return (
    sure &&
    tried(async () => {
      receipt(await json("DELETE", `/v1/documents/${document.id}`));
    })
  );
}

/**
 * Saves the file as it was uploaded. Fetched rather than linked, because a link cannot carry the
 * key.
 */
export async function download(document, version) {
  await tried(async () => {
    const response = await request("GET", `/v1/documents/${document.id}/original`, {
      params: { version },
      accept: "*/*",
    });
    const url = URL.createObjectURL(await response.blob());
    h("a", { href: url, download: document.name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  });
}

function receipt({ name, deleted_at: at, removed, remaining_chunks: left, traces }) {
  const row = (term, value) => [h("dt", {}, term), h("dd", { class: "number" }, value)];
  report(
    `${name} is deleted`,
    h(
      "p",
      {},
      left === 0
        ? "Counted afterwards: none of its passages can be found any more."
        : `Counted afterwards: ${count(left, "passage")} still to go. They are not shown in answers.`,
    ),
    h(
      "dl",
      { class: "facts receipt" },
      row("Passages removed", removed.chunks),
      row("Versions removed", removed.versions),
      row("Files removed", removed.files),
      row("Passages left", left),
      row("Traces", removed.traces ? `${removed.traces} removed` : traces),
      row("Deleted", moment(at)),
    ),
  );
}

async function tried(act) {
  try {
    await act();
    return true;
  } catch (problem) {
    notify(`${problem.message} ${problem.advice ?? ""}`);
    return false;
  }
}
