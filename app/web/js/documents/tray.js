/** The place where files are dropped or chosen, and where they are seen going up. */

import { announce } from "../announce.js";
import { fill, h, icon, iconButton } from "../dom.js";
import { count, size } from "../format.js";
import { me, obstacle } from "../session.js";
import { dropped, pick, uploads } from "./uploads.js";

/** The tray, listening while the view is open. `close()` ends that. */
export function openTray() {
  const refused = obstacle("upload");
  if (refused) return { element: h("p", { class: "role-note" }, icon("key"), refused), close() {} };
  const readers = whoMayRead();
  const list = h("ul", { class: "uploads", "aria-label": "Uploads" });
  const add = (files) => {
    files.forEach((file) => uploads.add(file, { groups: readers.chosen() }));
    if (files.length) announce(`Uploading ${count(files.length, "file")}.`);
  };
  const zone = h(
    "div",
    { class: "dropzone" },
    icon("upload"),
    h(
      "p",
      {},
      h("strong", {}, "Drop files here"),
      " or ",
      h(
        "button",
        { type: "button", class: "link", on: { click: async () => add(await pick()) } },
        "choose them",
      ),
    ),
    h(
      "p",
      { class: "hint" },
      "PDF, Word, PowerPoint, Excel, HTML, Markdown, text, CSV, e-mail, EPUB. The same name makes a new version.",
    ),
    readers.element,
  );
  const stops = [watchDrop(zone, add), watchUploads(list)];
  return {
    element: h("div", { class: "tray" }, zone, list),
    close: () => stops.forEach((stop) => stop()),
  };
}

/** The whole window takes files, so that one need not aim. */
function watchDrop(zone, add) {
  const over = (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    zone.classList.add("over");
  };
  const leave = (event) => event.relatedTarget === null && zone.classList.remove("over");
  const drop = async (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    add(await dropped(event.dataTransfer));
  };
  const listeners = { dragover: over, dragleave: leave, drop };
  for (const [name, listener] of Object.entries(listeners)) addEventListener(name, listener);
  return () =>
    Object.entries(listeners).forEach(([name, listener]) => removeEventListener(name, listener));
}

function watchUploads(list) {
  const lines = new Map();
  const draw = () => {
    const now = new Set(uploads.items.map((item) => item.id));
    for (const [id, line] of lines) if (!now.has(id)) lines.delete(id) && line.element.remove();
    for (const item of uploads.items) {
      if (!lines.has(item.id)) lines.set(item.id, new Line(item, list));
      lines.get(item.id).update();
    }
  };
  uploads.addEventListener("change", draw);
  draw();
  return () => uploads.removeEventListener("change", draw);
}

/** One file on its way. Its bar moves without the line being drawn anew. */
class Line {
  constructor(item, list) {
    this.item = item;
    this.state = null;
    this.bar = h("progress", {
      class: "bar",
      max: "1",
      value: "0",
      "aria-label": `Uploading ${item.name}`,
    });
    this.element = h("li", {});
    list.append(this.element);
  }

  update() {
    const { item } = this;
    this.bar.value = item.sent;
    if (item.state === this.state) return;
    this.state = item.state;
    fill(
      this.element,
      h("span", { class: "upload-name" }, item.name, h("small", {}, size(item.size))),
      item.state === "failed" ? failed(item) : this.bar,
      iconButton(
        "close",
        item.state === "failed" ? `Dismiss ${item.name}` : `Stop uploading ${item.name}`,
        () => uploads.dismiss(item),
      ),
    );
    if (item.state === "failed") announce(`${item.name} was not uploaded. ${item.problem.message}`);
  }
}

function failed(item) {
  const final = [413, 415, 422].includes(item.problem.status);
  return h(
    "span",
    { class: "upload-problem" },
    item.problem.message,
    !final &&
      h(
        "button",
        { type: "button", class: "link", on: { click: () => uploads.again(item) } },
        "Try again",
      ),
  );
}

/** Everyone, unless groups are ticked. Shown to those who belong to any. */
function whoMayRead() {
  const { groups, tenant } = me();
  const boxes = groups.map((group) => h("input", { type: "checkbox", value: group }));
  const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);
  const element =
    boxes.length > 0 &&
    h(
      "details",
      { class: "readers" },
      h("summary", {}, "Who may read them"),
      h("p", {}, `Everyone in ${tenant}, or only:`),
      boxes.map((box) => h("label", { class: "check" }, box, box.value)),
    );
  return { element, chosen };
}
