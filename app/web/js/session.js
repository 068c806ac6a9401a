/** Who one is at this service, and what the role may do. */

import { json } from "./api.js";

const RANK = ["reader", "editor", "engineer", "admin"];

const NEEDED = {
  upload: ["editor", "Your key may ask. Uploading, replacing and deleting need an editor's key."],
  traces: ["engineer", "Traces hold other people's questions, so they need an engineer's key."],
};

const session = { me: null };

/** Loads who one is. Raises `Problem`. */
export async function identify() {
  session.me = await json("GET", "/v1/me");
  return session.me;
}

export function me() {
  return session.me;
}

/** Why the role cannot do this, in words; null when it can. */
export function obstacle(action) {
  const [least, why] = NEEDED[action];
  const rank = RANK.indexOf(session.me?.role);
  return rank >= 0 && rank < RANK.indexOf(least) ? why : null;
}

/** Whose conversations these are: people who share a browser do not share them. */
export function owner() {
  return session.me ? `${session.me.tenant}/${session.me.key ?? ""}` : "/";
}
