// The pictures to choose from, and a picture of the reader's own, which never leaves the browser.
"use strict";

/** Show one picture as it is, and forget what was done to another. */
function choosePicture(picture) {
  $("#note").textContent = "";
  change({ picture, ...UNTOUCHED });
}

const isOffered = (set, i) => (state.filter < 0 || set.labels[i] === state.filter)
  && (state.mode !== "training" || mainEntry().epochs.pictures.includes(i));

let thumbs = { buttons: [] };

function makeThumbs(set) {
  const buttons = [...(set.own ? [OWN] : []), ...set.labels.keys()].map((picture) => {
    const canvas = element("canvas", { width: set.size, height: set.size, "aria-hidden": "true" });
    drawPixels(canvas, pixelsOf(set, picture), set.size);
    const button = element("button", { type: "button" }, canvas, element("span"));
    button.onclick = () => choosePicture(picture);
    return { picture, button };
  });
  $("#thumbs").replaceChildren(...buttons.map(({ button }) => button));
  thumbs = { set, version: set.version, buttons };
  $("#filter").replaceChildren(new Option("all", -1),
    ...set.class_names.map((name, i) => new Option(name, i)));
  $("[name=other]").replaceChildren(...set.labels.map((label, i) =>
    new Option(`${i + 1}, ${set.class_names[label]}`, i)));
}

const shownThumbs = () => thumbs.buttons.filter(({ button }) => !button.hidden);

function renderThumbs() {
  const { set, known } = mainEntry();
  if (thumbs.set !== set || thumbs.version !== set.version) makeThumbs(set);
  for (const { picture, button } of thumbs.buttons) {
    const chosen = picture === state.picture, said = known[picture];
    const wrong = picture !== OWN && said !== undefined && said !== set.labels[picture];
    button.hidden = picture !== OWN && !isOffered(set, picture);
    button.tabIndex = chosen ? 0 : -1;
    button.setAttribute("aria-current", chosen);
    button.lastChild.textContent = wrong ? "✗" : "";
    button.setAttribute("aria-label", pictureName(set, picture)
      + (wrong ? `, wrongly read as ${set.class_names[said]}` : ""));
  }
  const shown = shownThumbs();
  if (shown.length && shown.every(({ button }) => button.tabIndex)) shown[0].button.tabIndex = 0;
  $("#filter").value = state.filter;
  reveal($("#thumbs"), $("#thumbs [aria-current=true]"));
}

/** Scroll a row sideways to what has been chosen in it, once; the page itself stays where it is. */
function reveal(row, chosen) {
  if (!chosen || row.revealed === chosen) return;
  const [edges, place] = [row, chosen].map((each) => each.getBoundingClientRect());
  const [before, after] = [place.left - edges.left - 8, place.right - edges.right + 8];
  row.scrollLeft += Math.min(before, 0) || Math.max(after, 0);
  row.revealed = chosen;
}

function moveAmongThumbs(event) {
  const way = ARROWS[event.key], shown = shownThumbs();
  if (!way) return;
  event.preventDefault();
  const at = shown.findIndex(({ button }) => button === document.activeElement);
  const next = shown[clamp(at + way[0] + way[1], 0, shown.length - 1)];
  next.button.focus();
  choosePicture(next.picture);
}

/** What the trained network says of a picture of the set. */
function saidOf(entry, picture) {
  return entry.known[picture] ??=
    bestOf(networkOf(entry).run(pixelsOf(entry.set, picture)).probabilities);
}

const nextFrame = () => new Promise(requestAnimationFrame);

async function nextWrong() {
  const entry = mainEntry(), { set } = entry;
  for (let step = 1; step <= set.count; step++) {
    const picture = (Math.max(state.picture, -1) + step) % set.count;
    if (!isOffered(set, picture)) continue;
    if (entry.known[picture] === undefined) await nextFrame();
    if (saidOf(entry, picture) === set.labels[picture]) continue;
    return choosePicture(picture);
  }
  $("#note").textContent = "There is no wrong answer among these pictures.";
}

/** Find the wrong answers one picture at a time, whenever the browser has nothing else to do. */
function guessAhead() {
  const whenIdle = window.requestIdleCallback ?? ((run) => setTimeout(run, 100));
  whenIdle(() => {
    const entry = mainEntry(), { set } = entry;
    const next = set.labels.findIndex((_, i) => entry.known[i] === undefined);
    if (next >= 0 && saidOf(entry, next) !== set.labels[next]) renderThumbs();
    setTimeout(guessAhead, next < 0 ? 1000 : 50);
  });
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
    for (const set of sets)
      Object.assign(set, { own: shrink(picture, set.size), ownName: file.name, version: set.version + 1 });
    if (state.mode === "training") change({ mode: "look" });
    choosePicture(OWN);
  } catch (error) {
    $("#note").textContent = error.message;
  }
}
