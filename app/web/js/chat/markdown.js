/**
 * The little Markdown an answer may have: paragraphs, lists, headings, code, bold.
 *
 * Everything keeps its place in the answer's text, so that sentences and citations found by the
 * service can be shown on it. Links and images are not Markdown here: they stay text.
 */

const FENCE = /^```/;
const HEADING = /^#{1,6}\s+/;
const BULLET = /^\s*[-*+•]\s+/;
const NUMBERED = /^\s*\d{1,3}[.)]\s+/;
const INLINE = /\*\*(?=\S)([^\n]+?)\*\*|`([^`\n]+)`|\[(\d{1,3})\]/g;

/**
 * Blocks `{kind, start, end, items}`; every item is a `{start, end}` of `text` to be read inline.
 */
export function blocksOf(text) {
  const blocks = [];
  let open = null;
  let fenced = false;
  for (const line of linesOf(text)) {
    const kind = kindOf(line.text, fenced);
    if (kind === "fence") {
      fenced = !fenced;
      open = fenced ? push(blocks, "code", line.end + 1, line.end + 1) : null;
    } else if (fenced) {
      open.end = line.end;
      open.items = [{ start: open.start, end: open.end }];
    } else if (kind === "blank") {
      open = null;
    } else {
      open = grow(blocks, open, kind, line);
    }
  }
  return blocks.filter((block) => block.items.length);
}

/** Tokens `{kind: "text" | "bold" | "code" | "cite", start, end}`; bold has `inner` tokens. */
export function inlineOf(text, start, end) {
  const tokens = [];
  let at = start;
  for (const match of text.slice(start, end).matchAll(INLINE)) {
    const from = start + match.index;
    const to = from + match[0].length;
    if (from > at) tokens.push({ kind: "text", start: at, end: from });
    tokens.push(tokenOf(text, match, from, to));
    at = to;
  }
  if (at < end) tokens.push({ kind: "text", start: at, end });
  return tokens;
}

function tokenOf(text, [, bold, code], start, end) {
  if (bold !== undefined)
    return { kind: "bold", start, end, inner: inlineOf(text, start + 2, end - 2) };
  if (code !== undefined) return { kind: "code", start, end };
  return { kind: "cite", start, end, number: Number(text.slice(start + 1, end - 1)) };
}

function grow(blocks, open, kind, line) {
  const start = line.start + line.text.match(MARKERS[kind] ?? /^\s*/)[0].length;
  const item = { start, end: line.end };
  const lists = kind === "bullets" || kind === "numbers";
  if (open?.kind === kind && lists) {
    open.items.push(item);
  } else if (open && kind === "paragraph") {
    open.items.at(-1).end = line.end;
  } else {
    open = push(blocks, kind, line.start, line.end);
    open.items = [item];
  }
  open.end = line.end;
  return kind === "heading" ? null : open;
}

function push(blocks, kind, start, end) {
  const block = { kind, start, end, items: [] };
  blocks.push(block);
  return block;
}

const MARKERS = { heading: HEADING, bullets: BULLET, numbers: NUMBERED };

function kindOf(line, fenced) {
  if (FENCE.test(line.trim())) return "fence";
  if (fenced) return "code";
  if (!line.trim()) return "blank";
  if (HEADING.test(line)) return "heading";
  if (BULLET.test(line)) return "bullets";
  if (NUMBERED.test(line)) return "numbers";
  return "paragraph";
}

function linesOf(text) {
  const lines = [];
  let start = 0;
  for (const line of text.split("\n")) {
    lines.push({ text: line, start, end: start + line.length });
    start += line.length + 1;
  }
  return lines;
}
