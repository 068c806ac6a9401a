/** The service's list of documents, as much of it as the view shows. */

import { json } from "../api.js";
import { STAGES } from "./status.js";

const PAGE = 50;

/**
 * `{items, next, counts}`, newest first: `pages` pages of one status, of `"busy"`, or of all (`""`).
 *
 * The service filters by one status a call, so what is in progress is asked for stage by stage.
 * Raises `Problem`.
 */
export async function list({ status, name, pages }) {
  if (status !== "busy") return listed(status, name, pages);
  const stages = await Promise.all(STAGES.map((stage) => listed(stage, name, pages)));
  const items = stages.flatMap((one) => one.items);
  items.sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  return { items, next: null, counts: stages.at(-1).counts };
}

async function listed(status, name, pages) {
  const all = { items: [], next: null, counts: {} };
  for (let page = 0; page < pages; page += 1) {
    const params = { status, name, limit: PAGE, cursor: all.next };
    const { items, next, counts } = await json("GET", "/v1/documents", { params });
    Object.assign(all, { items: [...all.items, ...items], next, counts });
    if (!next) break;
  }
  return all;
}
