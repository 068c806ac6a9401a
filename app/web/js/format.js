/** Numbers, sizes and times as people write them. */

const UNITS = ["B", "KB", "MB", "GB"];
const AGO = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const STEPS = [
  [60, "second"],
  [60, "minute"],
  [24, "hour"],
  [7, "day"],
];

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  const value = bytes / 1000 ** power;
  return `${power && value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[power]}`;
}

export function count(number, noun, plural = `${noun}s`) {
  return `${whole(number)} ${number === 1 ? noun : plural}`;
}

export function whole(number) {
  return number === null || number === undefined ? "–" : number.toLocaleString("en");
}

/** Milliseconds, to three digits: `9.1 ms`, `412 ms`, `1.21 s`. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms >= 60_000) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** How long until it is done, in words that do not jump: whole seconds, then minutes. */
export function remaining(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 1) return "almost done";
  if (seconds < 90) return `${Math.round(seconds)} s left`;
  return `${Math.round(seconds / 60)} min left`;
}

/** A point in time as a `<time>` would say it: relative up to a week, then the date. */
export function ago(instant) {
  let passed = (new Date(instant) - Date.now()) / 1000;
  if (Math.abs(passed) < 5) return "just now";
  for (const [limit, unit] of STEPS) {
    if (Math.abs(passed) < limit) return AGO.format(Math.trunc(passed), unit);
    passed /= limit;
  }
  return new Date(instant).toLocaleDateString("en", {
    year: "numeric",
    month: "short",
    day: "numeric",
  });
}

export function moment(instant) {
  return new Date(instant).toLocaleString("en", { dateStyle: "medium", timeStyle: "medium" });
}

const KINDS = {
  "application/pdf": "PDF",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "Word",
  "application/vnd.openxmlformats-officedocument.presentationml.presentation": "PowerPoint",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "Excel",
  "application/vnd.oasis.opendocument.text": "OpenDocument",
  "application/epub+zip": "EPUB",
  "application/json": "JSON",
  "application/rtf": "RTF",
  "message/rfc822": "E-mail",
  "text/csv": "CSV",
  "text/html": "HTML",
  "text/markdown": "Markdown",
  "text/plain": "Text",
};

/** What kind of file it is, in a word; failing the table, its extension. */
export function kind(mediaType, name) {
  const known = KINDS[(mediaType ?? "").split(";")[0]];
  const extension = name.includes(".") ? name.split(".").pop().toUpperCase() : "File";
  return known ?? extension.slice(0, 6);
}
