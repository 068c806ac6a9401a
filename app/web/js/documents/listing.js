/** The service's list of documents, as much of it as the view shows. */

import { json } from "../api.js";

const PAGE = 50;

/**
 * `{items, next, counts}`, newest first: `pages` pages of those with one of the statuses, or of all
 * when there are none given. Raises `Problem`.
 */
export async function list({ statuses, name, pages }) {
  const all = { items: [], next: null, counts: {} };
  for (let page = 0; page < pages; page += 1) {
    const params = { status: statuses, name, limit: PAGE, cursor: all.next };
    const { items, next, counts } = await json("GET", "/v1/documents", { params });
    Object.assign(all, { items: [...all.items, ...items], next, counts });
    if (!next) break;
  }
  return all;
}
