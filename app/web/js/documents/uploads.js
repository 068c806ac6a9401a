/**
 * Files on their way to the service: a few at a time, each with how far it is and why it failed.
 */

import { upload } from "../api.js";

const AT_ONCE = 3;

/**
 * Tells `change` when any upload moves, and `arrived` (`detail`: the document) when one is
 * through.
 */
class Uploads extends EventTarget {
  items = [];
  waiting = [];
  running = 0;

  /**
   * `name` stands in for the file's own: uploading under a known name makes a new version of it.
   */
  add(file, { name = file.name, groups = [] } = {}) {
    const item = {
      id: crypto.randomUUID?.() ?? `${performance.now()}`,
      name,
      size: file.size,
      file,
      groups,
      sent: 0,
      state: "waiting",
      problem: null,
      stopper: new AbortController(),
    };
    this.items.push(item);
    this.waiting.push(item);
    this.changed();
    this.next();
  }

  again(item) {
    this.dismiss(item);
    this.add(item.file, { name: item.name, groups: item.groups });
  }

  /** Forgets a failed upload, or stops one that is under way. */
  dismiss(item) {
    item.stopper.abort();
    this.waiting = this.waiting.filter((other) => other !== item);
    this.items = this.items.filter((other) => other !== item);
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  async next() {
    if (this.running >= AT_ONCE || !this.waiting.length) return;
    const item = this.waiting.shift();
    this.running += 1;
    item.state = "sending";
    await this.send(item);
    this.running -= 1;
    this.next();
  }

  async send(item) {
    const report = (share) => {
      item.sent = share;
      this.changed();
    };
    try {
      const document = await upload(item.name, item.file, {
        groups: item.groups,
        report,
        signal: item.stopper.signal,
      });
      this.items = this.items.filter((other) => other !== item);
      this.dispatchEvent(new CustomEvent("arrived", { detail: document }));
    } catch (problem) {
      if (problem.name === "AbortError") return;
      Object.assign(item, { state: "failed", problem });
    }
    this.changed();
  }
}

export const uploads = new Uploads();

/**
 * The files among what was dropped. Folders are walked; what is in them arrives by its own name.
 */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  return (await Promise.all(entries.map(filesIn))).flat();
}

async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // A directory reader answers about a hundred at a time, then an empty list.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    found.push(...some);
  }
  const visible = found.filter((one) => !one.name.startsWith("."));
  return (await Promise.all(visible.map(filesIn))).flat();
}

/** Opens the file picker. Answers the files chosen; none when it was closed. */
export function pick(multiple = true) {
  return new Promise((resolve) => {
    const input = document.createElement("input");
    Object.assign(input, { type: "file", multiple });
    input.addEventListener("change", () => resolve([...input.files]));
    input.addEventListener("cancel", () => resolve([]));
    input.click();
  });
}
