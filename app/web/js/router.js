/** From the address after `#` to the view it names. */

let closeView = () => {};
let opened = 0;

/** `#/documents/abc?start=3` → `{name: "documents", id: "abc", params}`. */
export function route() {
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, id] = path.split("/").map(decodeURIComponent);
  return { name: name || "chat", id: id || null, params: new URLSearchParams(search) };
}

export function address(name, id, params) {
  const search = params ? `?${new URLSearchParams(params)}` : "";
  return `#/${name}${id ? `/${encodeURIComponent(id)}` : ""}${search}`;
}

/**
 * Shows the view for the current address, and again whenever it changes.
 *
 * A view is `async (main, route) => close`. What it began, it ends in `close`.
 */
export function follow(views, main, moved) {
  const show = async () => {
    if (location.hash && !location.hash.startsWith("#/")) return;
    const here = route();
    const turn = ++opened;
    closeView();
    closeView = () => {};
    moved(here);
    main.replaceChildren();
    const close = await (views[here.name] ?? views.missing)(main, here);
    if (turn === opened) closeView = close ?? closeView;
    else close?.();
  };
  addEventListener("hashchange", async () => {
    await show();
    if (!main.contains(document.activeElement)) main.focus({ preventScroll: true });
  });
  return show();
}
