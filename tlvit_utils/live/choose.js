// The pictures to choose from, and a picture of the reader's own, which never leaves the browser.
"use strict";

/** Begin with a picture as it is: what was done to another is forgotten. */
function begin(choice) {
  $("#note").textContent = "";
  past.picture = [];
  change({ ...UNTOUCHED, ...choice });
}

const isOffered = (set, i) => (state.filter < 0 || set.labels[i] === state.filter)
  && (state.mode !== "training" || mainEntry().epochs.pictures.includes(i));

let thumbs = {};

function makeThumbs(set) {
  const pictures = [...set.pictures, ...(set.own ? [set.own] : [])];
  const buttons = pictures.map((picture, i) => {
    const canvas = element("canvas", { width: set.size, height: set.size, "aria-hidden": "true" });
    drawPixels(canvas, picture.pixels, set.size);
    return element("button", { type: "button", onclick: () =>
      begin({ picture: picture === set.own ? OWN : i }) }, canvas, element("span"));
  });
  $("#thumbs").replaceChildren(...buttons);
  thumbs = { set, own: set.own, buttons };
  $("#filter").replaceChildren(new Option("all", -1),
    ...set.class_names.map((name, i) => new Option(name, i)));
  $("[name=other]").replaceChildren(...set.pictures.map(({ name }, i) => new Option(name, i)));
}

function renderThumbs() {
  const { set, model } = mainEntry();
  if (thumbs.set !== set || thumbs.own !== set.own) makeThumbs(set);
  thumbs.buttons.forEach((button, i) => {
    const picture = set.pictures[i] ?? set.own, wrong = isWrong(mainEntry(), i);
    const chosen = picture === pictureOf(set);
    button.hidden = picture !== set.own && !isOffered(set, i);
    button.tabIndex = chosen ? 0 : -1;
    button.setAttribute("aria-current", chosen);
    button.lastChild.textContent = wrong ? "✗" : "";
    button.setAttribute("aria-label", picture.name
      + (wrong ? `, wrongly read as ${set.class_names[model.said[i]]}` : ""));
  });
  const shown = thumbs.buttons.filter(({ hidden }) => !hidden);
  if (shown.length && shown.every(({ tabIndex }) => tabIndex)) shown[0].tabIndex = 0;
  $("#filter").value = state.filter;
  reveal($("#thumbs"), $("#thumbs [aria-current=true]"));
}

/** Scroll a row sideways to what has been chosen in it, once; the page itself stays where it is. */
function reveal(row, chosen) {
  if (!chosen || row.revealed === chosen) return;
  row.scrollLeft = chosen.offsetLeft - row.offsetLeft - (row.clientWidth - chosen.offsetWidth) / 2;
  row.revealed = chosen;
}

const isWrong = ({ model: { said }, set: { labels } }, i) => said[i] !== labels[i];

function nextWrong() {
  const entry = mainEntry(), { set } = entry, order = set.labels.map((_, i) =>
    (Math.max(state.picture, -1) + 1 + i) % set.count);
  const picture = order.find((i) => isOffered(set, i) && isWrong(entry, i));
  if (picture !== undefined) return begin({ picture });
  $("#note").textContent = "There is no wrong answer among these pictures.";
}

// A picture of one's own

const MOST_BYTES = 64e6, MOST_PIXELS = 60e6;

/** A file's pixels; throws an Error with one sentence where it has none that can be used. */
async function readFile(file) {
  if (file.size > MOST_BYTES) throw new Error(`${file.name} has ${Math.round(file.size / 1e6)} MB; `
    + `take a picture of at most ${MOST_BYTES / 1e6} MB.`);
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name} cannot be read as a picture; take a PNG, JPEG or WebP file.`);
  });
  const { width, height } = bitmap;
  try {
    if (width * height > MOST_PIXELS) throw new Error(`${file.name} has ${width} × ${height} pixels; `
      + `take a picture of at most ${MOST_PIXELS / 1e6} million.`);
    const context = element("canvas", { width, height }).getContext("2d");
    context.fillStyle = "#808080"; // behind transparent parts no subject vanishes, dark or light
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, width, height);
  } finally {
    bitmap.close();
  }
}

async function takeFile(file) {
  if (!file) return;
  try {
    const picture = await readFile(file);
    for (const set of sets) set.own = { label: null, mask: null, pixels: shrink(picture, set.size),
      name: `your picture ${file.name}` };
    begin({ picture: OWN, mode: state.mode === "training" ? "look" : state.mode });
  } catch (error) {
    $("#note").textContent = error.message;
  }
}
