// What all pages share: their data and title, a few short names, and how they live in a frame of a
// notebook or of the site.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** A new element with properties and children. */
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

let frameWidth = 0, frameHeight = 0;

/** Give a notebook's frame the page's height, so that it needs no second scroll bar; it only grows. */
function growFrame() {
  const { width, height } = document.body.getBoundingClientRect();
  frameHeight = Math.max(width === frameWidth ? frameHeight : 0, Math.ceil(height));
  frameWidth = width;
  frameElement.style.height = `${frameHeight}px`;
}

/** Whether a key belongs to the browser. */
const isShortcut = ({ altKey, ctrlKey, metaKey }) => altKey || ctrlKey || metaKey;

const THEMES = { // what JupyterLab and VS Code call theirs
  true: "light", "vscode-light": "light", "vscode-high-contrast-light": "light",
  false: "dark", "vscode-dark": "dark", "vscode-high-contrast": "dark",
};

/** Follow the theme of JupyterLab, VS Code or the site where the page is a frame; else the system's holds. */
function followHost() {
  try {
    const host = parent.document.body;
    const follow = () => {
      const { jpThemeLight, vscodeThemeKind, theme } = host.dataset;
      const known = THEMES[jpThemeLight ?? vscodeThemeKind] ?? theme, chosen = known ?? "auto";
      document.documentElement.dataset.theme = chosen;
      if (frameElement) frameElement.style.colorScheme = chosen === "auto" ? "light dark" : chosen;
      // only on a ground of a known theme may a drawing leave out its own
      document.documentElement.toggleAttribute("data-framed", Boolean(frameElement && known));
    };
    const watch = new MutationObserver(follow);
    watch.observe(host, { attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind", "data-theme"] });
    addEventListener("pagehide", () => watch.disconnect()); // else the host keeps a page whose frame is gone
    follow();
    if (frameElement) new ResizeObserver(growFrame).observe(document.body);
  } catch { /* a host of another origin tells nothing */ }
}

$("h1").textContent = document.title = data.title;
followHost();
