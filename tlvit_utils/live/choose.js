// The pictures to choose from, and a picture of the reader's own, which never leaves the browser.
"use strict";

/** Begin with a picture as it is: what was done to another is forgotten. */
function begin(choice) {
  $("#note").textContent = "";
  past.length = 0;
  change({ ...UNTOUCHED, ...choice });
}

let thumbs = {};

function makeThumbs(set) {
  const pictures = [...set.pictures, ...(set.own ? [set.own] : [])];
  const labels = pictures.map((picture, i) => {
    const radio = element("input", { type: "radio", name: "picture", value: picture === set.own ? OWN : i });
    const canvas = fill(element("canvas"), picture.pixels, set.size);
    return element("label", {}, radio, canvas, element("span"));
  });
  $("#thumbs").replaceChildren($("#thumbs legend"), ...labels);
  thumbs = { set, own: set.own, labels };
  $("[name=filter]").replaceChildren(new Option("all", -1),
    ...set.class_names.map((name, i) => new Option(name, i)));
  $("[name=other]").replaceChildren(...set.pictures.map(({ name }, i) => new Option(name, i)));
}

function renderThumbs() {
  const entry = mainEntry(), { set, model } = entry;
  if (thumbs.set !== set || thumbs.own !== set.own) makeThumbs(set);
  thumbs.labels.forEach((label, i) => {
    const picture = set.pictures[i] ?? set.own, wrong = isWrong(entry, i);
    label.hidden = picture !== set.own && !isOffered(entry, i);
    label.lastChild.textContent = wrong ? "✗" : "";
    label.firstChild.ariaLabel = picture.name
      + (wrong ? `, mistaken for ${set.class_names[model.said[i]]}` : "");
  });
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

const MOST_BYTES = 64e6, MOST_PIXELS = 60e6;

/** A file's pixels; throws an Error with one sentence where it has none that can be used. */
async function readFile(file) {
  if (file.size > MOST_BYTES) throw new Error(`${file.name} is ${Math.round(file.size / 1e6)} MB; `
    + `use a picture of at most ${MOST_BYTES / 1e6} MB.`);
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name} cannot be read as a picture; use a PNG, JPEG or WebP file.`);
  });
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) throw new Error(`${file.name} has ${width} × ${height} pixels; `
    + `use a picture of at most ${MOST_PIXELS / 1e6} million.`);
  const context = element("canvas", { width, height }).getContext("2d");
  context.fillStyle = "#808080"; // behind transparent parts no subject vanishes, dark or light
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, width, height);
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
