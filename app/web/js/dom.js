/** Elements, made without markup: text stays text, so nothing a document says can become HTML. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with properties and children.
 *
 * `on` holds listeners by event name, `style` goes through the CSSOM (a strict content security
 * policy refuses style attributes), booleans switch attributes, null children are skipped.
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) set(element, name, value);
  append(element, children);
  return element;
}

/** The element's children become these, and nothing else. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** A drawing from the table below, hidden from screen readers: its control has a name. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const attributes = {
    viewBox: "0 0 24 24",
    fill: "none",
    stroke: "currentColor",
    "stroke-width": "1.8",
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
    "aria-hidden": "true",
  };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** A button that shows only a drawing and says its name to everyone else. */
export function iconButton(name, label, act, props = {}) {
  return h(
    "button",
    {
      type: "button",
      class: "icon-button",
      "aria-label": label,
      title: label,
      on: { click: act },
      ...props,
    },
    icon(name),
  );
}

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name === "on") {
    for (const [event, listener] of Object.entries(value))
      element.addEventListener(event, listener);
  } else if (name === "style") {
    for (const [key, part] of Object.entries(value)) element.style.setProperty(key, part);
  } else if (name === "data") {
    Object.assign(element.dataset, value);
  } else if (name === "value") {
    element.value = value;
  } else {
    element.setAttribute(name, value === true ? "" : value);
  }
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child);
  }
}

const PATHS = {
  alert:
    "M12 8v5M12 16.5v.01M10.3 3.9 2.4 17.5A2 2 0 0 0 4.1 20.5h15.8a2 2 0 0 0 1.7-3L13.7 3.9a2 2 0 0 0-3.4 0Z",
  arrowLeft: "M19 12H5M11 18l-6-6 6-6",
  back: "M15 18l-6-6 6-6",
  chat: "M20 12a8 8 0 0 1-8 8H4l1.8-3.2A8 8 0 1 1 20 12Z",
  check: "M5 12.5l4.5 4.5L19 7.5",
  chevron: "M9 6l6 6-6 6",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h10v11H9zM5 15V4h10",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  file: "M14 3H6v18h12V7zM14 3v4h4M9 12h6M9 16h6",
  folder: "M3 6h6l2 2h10v11H3z",
  key: "M12 15.5a4 4 0 1 1-8 0 4 4 0 0 1 8 0ZM11 12.7 19.5 4M16 7.5l3 3M13.5 10l2 2",
  link: "M14 5h5v5M19 5l-8 8M10 6H5v13h13v-5",
  menu: "M4 7h16M4 12h16M4 17h16",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5Z",
  pencil: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  plus: "M12 5v14M5 12h14",
  replace: "M4 12a8 8 0 0 1 14-5.3L20 9M20 4v5h-5M20 12a8 8 0 0 1-14 5.3L4 15M4 20v-5h5",
  search: "M11 18a7 7 0 1 1 0-14 7 7 0 0 1 0 14ZM20 20l-4-4",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 2.5v2M12 19.5v2M4.2 4.2l1.4 1.4M18.4 18.4l1.4 1.4M2.5 12h2M19.5 12h2M4.2 19.8l1.4-1.4M18.4 5.6l1.4-1.4",
  thumbDown:
    "M7 4v10M7 14l4 7c1.5 0 2.3-1 2-2.5L12.3 15H18a2 2 0 0 0 2-2.4l-1.3-7A2 2 0 0 0 16.7 4H3v10h4",
  thumbUp:
    "M7 20V10M7 10l4-7c1.5 0 2.3 1 2 2.5L12.3 9H18a2 2 0 0 1 2 2.4l-1.3 7a2 2 0 0 1-2 1.6H3V10h4",
  trace: "M4 6h9M8 12h12M6 18h7",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  upload: "M12 16V5M7 9l5-5 5 5M5 20h14",
};
