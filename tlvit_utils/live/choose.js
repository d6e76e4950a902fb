// The pictures to choose from, and a picture of the reader's own, which never leaves the browser.
"use strict";

/** Begin with a picture as it is: what was done to another is forgotten. */
function begin(choice) {
  files++; // a file that is still being read comes too late
  $("#note").textContent = "";
  past.length = 0;
  change({ ...UNTOUCHED, ...choice });
}

function renderThumbs() {
  const entry = mainEntry(), { set, set: { own }, model } = entry;
  const makeThumb = (picture, value, name = picture.name) => element("label", {},
    element("input", { type: "radio", name: "picture", value, ariaLabel: name }),
    fill(element("canvas"), picture.pixels, set.size),
    name === picture.name ? "" : element("span", { textContent: "✗" }));
  $("#thumbs").replaceChildren($("#thumbs legend"), ...set.pictures.flatMap((picture, i) =>
    !isOffered(entry, i) ? [] : [makeThumb(picture, i, isWrong(entry, i)
      ? `${picture.name}, mistaken for ${set.class_names[model.said[i]]}` : picture.name)]),
    ...own && state.mode !== "training" ? [makeThumb(own, OWN)] : []);
}

function renderNames({ class_names, pictures }) {
  $("[name=filter]").replaceChildren(new Option("all", -1), ...class_names.map((name, i) => new Option(name, i)));
  $("[name=other]").replaceChildren(...pictures.map(({ name }, i) => new Option(name, i)));
}

const isWrong = ({ model: { said }, set: { labels } }, i) => said[i] !== labels[i];

function nextWrong() {
  const entry = mainEntry(), { labels } = entry.set;
  const order = labels.map((_, i) => (state.picture + 1 + i) % labels.length);
  const picture = order.find((i) => isOffered(entry, i) && isWrong(entry, i));
  if (picture !== undefined) return begin({ picture });
  $("#note").textContent = "There is no wrong answer among these pictures.";
}

// A picture of one's own

const MOST_PIXELS = 60e6;

/** A file's picture as `shrink` reads it; throws an Error with one sentence where it has none that can be used. */
async function readFile(file) {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name} cannot be read as a picture; use a PNG, JPEG or WebP file.`);
  });
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) {
    bitmap.close();
    throw new Error(`${file.name} has ${width} × ${height} pixels; use a picture of at most `
      + `${MOST_PIXELS / 1e6} million.`);
  }
  const canvas = element("canvas"), context = canvas.getContext("2d", { willReadFrequently: true });
  return { width, height, close: () => bitmap.close(), cut(left, top, width, height) {
    Object.assign(canvas, { width, height }); // one for all parts: phones have room for few
    context.fillStyle = "#808080"; // behind transparent parts no subject vanishes, dark or light
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, -left, -top);
    return context.getImageData(0, 0, width, height).data;
  } };
}

let files = 0; // that were taken; only the last one is shown

async function takeFile(file) {
  if (!file) return;
  const turn = ++files, isLast = () => turn === files;
  $("#note").textContent = `Reading ${file.name} …`;
  let picture;
  try {
    picture = await readFile(file);
    const small = [];
    for (const set of sets) small.push(isLast() && await shrink(picture, set.size));
    if (!isLast()) return;
    for (const set of sets)
      set.own = { label: null, mask: null, pixels: small.shift(), name: `your picture ${file.name}` };
    begin({ picture: OWN, mode: state.mode === "training" ? "look" : state.mode });
  } catch (error) {
    if (isLast()) $("#note").textContent = error.message;
  } finally {
    picture?.close();
  }
}
