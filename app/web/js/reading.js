/**
 * A document's text as a page to read: headings, paragraphs, lists, tables, code, with stretches
 * marked.
 */

import { h } from "./dom.js";
import { unitsOf } from "./offsets.js";

const MARKED = { quote: "mark", passage: "span", odd: "span", even: "span" };

/** A document's content with every offset turned into the browser's. */
export function readable(content) {
  const units = unitsOf(content.text);
  const blocks = content.blocks.map((block) => ({
    ...block,
    start: units(block.start),
    end: units(block.end),
  }));
  return {
    text: content.text,
    blocks: whole(content.text, blocks),
    units,
    pageStarts: content.page_starts.map(units),
  };
}

/** A stretch to mark, in the browser's offsets. `kind` is `quote`, `passage`, `odd` or `even`. */
export function stretch(document, kind, start, end, label = null) {
  return { kind, start: document.units(start), end: document.units(end), label };
}

/** The blocks `from` to `to` of a document, as elements. */
export function render(document, marks = [], from = 0, to = document.blocks.length) {
  const page = { ...document, marks, boundaries: boundaries(document, marks) };
  return document.blocks
    .slice(from, to)
    .flatMap((block, at) => [pageEdge(document, block, from + at), SHAPES[block.kind](page, block)])
    .filter(Boolean);
}

/** Which blocks hold the stretch: the first of them, and the one behind the last. */
export function blocksAround(document, start, end) {
  const from = document.blocks.findIndex((block) => block.end > start);
  const behind = document.blocks.findIndex((block) => block.start >= end);
  return [Math.max(from, 0), behind < 0 ? document.blocks.length : behind];
}

const SHAPES = {
  heading: (page, block) =>
    h(
      `h${Math.min(Math.max(block.level, 1) + 2, 6)}`,
      { class: `level-${block.level}` },
      marked(page, behind(page.text, block, /^#{1,6}\s+/)),
    ),
  // Where a format has pages, a line's end is where the paper ended, and not what the author meant.
  paragraph: (page, block) =>
    h("p", { class: page.pageStarts.length ? null : "lined" }, marked(page, block)),
  code: (page, block) => h("pre", { tabindex: "0" }, h("code", {}, marked(page, block))),
  list: (page, block) =>
    h(
      "ul",
      {},
      lines(page.text, block).map((line) =>
        h(
          "li",
          { class: /^\s*\d/.test(page.text.slice(line.start, line.end)) ? "numbered" : null },
          marked(page, behind(page.text, line, /^\s*[-*•·‣◦]\s+/)),
        ),
      ),
    ),
  table: (page, block) => table(page, block),
};

/** Rows of `| cell | cell |` or of tabs; the first is the header. Anything else stays as it is. */
function table(page, block) {
  const rows = lines(page.text, block).filter(
    (line) => !/^\s*\|?[\s:|-]+\|?\s*$/.test(page.text.slice(line.start, line.end)),
  );
  const separator = /^\s*\|/.test(page.text.slice(block.start, block.end)) ? "|" : "\t";
  if (!rows.length || !page.text.slice(rows[0].start, rows[0].end).includes(separator)) {
    return h("pre", { tabindex: "0" }, marked(page, block));
  }
  const [head, ...body] = rows.map((row) => cells(page.text, row, separator));
  return h(
    "div",
    { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Table" },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          head.map((cell) => h("th", { scope: "col" }, marked(page, cell))),
        ),
      ),
      h(
        "tbody",
        {},
        body.map((row) =>
          h(
            "tr",
            {},
            row.map((cell) => h("td", {}, marked(page, cell))),
          ),
        ),
      ),
    ),
  );
}

function cells(text, row, separator) {
  let { start, end } = row;
  while (end > start && text[end - 1] === " ") end -= 1;
  if (separator === "|" && text[start] === "|") start += 1;
  if (separator === "|" && text[end - 1] === "|") end -= 1;
  return split(text, { start, end }, separator);
}

function lines(text, block) {
  return split(text, block, "\n").filter((line) => text.slice(line.start, line.end).trim());
}

function split(text, { start, end }, separator) {
  const parts = [];
  for (let at = start; at <= end;) {
    const found = text.indexOf(separator, at);
    const stop = found < 0 || found > end ? end : found;
    parts.push({ start: at, end: stop });
    at = stop + 1;
  }
  return parts;
}

function behind(text, part, pattern) {
  const marker = text.slice(part.start, part.end).match(pattern);
  return marker ? { start: part.start + marker[0].length, end: part.end } : part;
}

/** The text of a part, cut wherever a mark begins or ends, each piece in what marks it. */
function marked(page, { start, end }) {
  const cuts = [start, ...page.boundaries.filter((cut) => cut > start && cut < end), end];
  return cuts.slice(0, -1).flatMap((from, at) => {
    const to = cuts[at + 1];
    const over = page.marks.filter((mark) => mark.start < to && mark.end > from);
    const label = over.find((mark) => mark.label && mark.start >= from && mark.start < to);
    return [
      label && edge(label),
      over.reduce(
        (inner, mark) => h(MARKED[mark.kind], { class: mark.kind }, inner),
        page.text.slice(from, to),
      ),
    ];
  });
}

function edge(mark) {
  return h("span", { class: `edge ${mark.kind}` }, mark.label);
}

function pageEdge(document, block, at) {
  const page = document.pageStarts.findLastIndex((start) => start < block.end && start >= 0);
  const before = at
    ? document.pageStarts.findLastIndex((start) => start < document.blocks[at - 1].end)
    : -1;
  return page > before ? h("div", { class: "page-edge" }, `Page ${page + 1}`) : null;
}

function boundaries(document, marks) {
  return [...new Set(marks.flatMap((mark) => [mark.start, mark.end]))].sort((a, b) => a - b);
}

/** Text that no block claims is a paragraph: what was read is never hidden. */
function whole(text, blocks) {
  const all = [];
  let at = 0;
  for (const block of [...blocks, { start: text.length, end: text.length }]) {
    if (text.slice(at, block.start).trim()) {
      all.push({ kind: "paragraph", start: at, end: block.start, level: 0 });
    }
    if (block.kind) all.push(block);
    at = Math.max(at, block.end);
  }
  return all;
}
