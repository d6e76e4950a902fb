// What the page knows, what is chosen (`state`), and what follows from it (`look`).
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

/** A new element with properties, attributes written with a dash or "role", and children. */
function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties))
    if (key.includes("-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  made.append(...children);
  return made;
}

// Pictures and networks

const OWN = -1; // the index of the reader's own picture
const sets = data.sets.map((set) => ({ ...set, pixels: bytes(set.pixels), own: null, ownName: "",
  version: 0, masks: set.masks && bits(set.masks, set.count * set.size ** 2) }));
const entries = sets.flatMap((set, s) => set.models.map((model, m) => ({ id: `${s}.${m}`, set, model,
  epochs: model.epochs && epochMaps(model.epochs), known: [] })));
const entryOf = (id) => entries.find((entry) => entry.id === id);

const pixelsOf = (set, picture) => picture === OWN ? set.own
  : set.pixels.subarray(picture * set.size ** 2 * 3, (picture + 1) * set.size ** 2 * 3);
const maskOf = (set, picture) => set.masks && picture !== OWN
  ? set.masks.subarray(picture * set.size ** 2, (picture + 1) * set.size ** 2) : null;
const labelOf = (set, picture) => picture === OWN ? null : set.labels[picture];
const pictureName = (set, picture) => picture === OWN ? `your picture ${set.ownName}`
  : `picture ${picture + 1}, ${set.class_names[set.labels[picture]]}`;

/** The network of an entry, built when it is first needed; seed 0 has the trained weights. */
function networkOf(entry, seed = 0) {
  const trained = entry.network ??= buildNetwork(entry.model);
  if (!seed) return trained;
  if (entry.seed !== seed) [entry.seed, entry.random] = [seed, trained.randomised(seed)];
  return entry.random;
}

// What is chosen. All of it is numbers, words and ticks, so that it can stand in an address.

const DEFAULTS = {
  network: "0.0", beside: "", picture: 0, second: 0, filter: -1, mode: "look",
  token: -1, cell: -1, style: "viridis", scale: "own", opacity: 60, values: false, outline: false,
  tool: "", dabs: "", dx: 0, dy: 0, out: false,
  off: "", maps: "own", other: 1, seed: 0,
  pen: "9", painted: "", epoch: -1,
};
const CHOICES = { mode: ["look", "picture", "network", "paint", "training"], pen: ["9", "4", "0"],
  style: ["viridis", "cividis", "spotlight"], scale: ["own", "shared"],
  maps: ["own", "flat", "mean", "other"] };
const UNCHANGED = { dabs: "", dx: 0, dy: 0, out: false, off: "", maps: "own", seed: 0 };
const state = { ...DEFAULTS };
const hover = { token: -1, cell: -1, column: null }; // what the pointer is on; not part of the state

const mainEntry = () => entryOf(state.network);
const tool = () => state.tool || (maskOf(mainEntry().set, state.picture) ? MOVE : "w");
const epochOf = ({ accuracy }) => // the last one until another is chosen
  state.epoch < 0 ? accuracy.length - 1 : Math.min(state.epoch, accuracy.length - 1);
const tokensOff = () => state.off ? state.off.split(",").map(Number) : [];

function change(patch) {
  Object.assign(state, patch);
  tidy();
  schedule();
}

/** The number of tokens that have maps: 0 without a reduction, and for a strided convolution. */
const tokenCount = ({ reduction, numTokens }) => reduction?.pooling ? numTokens : 0;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Whatever an address says, make the state one that the page can show. */
function tidy() {
  if (!entryOf(state.network)) state.network = entries[0].id;
  if (!entryOf(state.beside)) state.beside = "";
  const { set, epochs } = mainEntry(), network = networkOf(mainEntry());
  const cells = network.rows * network.columns, tokens = tokenCount(network);
  for (const [name, choices] of Object.entries(CHOICES))
    if (!choices.includes(state[name])) state[name] = DEFAULTS[name];
  if ((state.mode === "paint" && !tokens) || (state.mode === "training" && !epochs)) state.mode = "look";
  state.picture = clamp(state.picture, set.own ? OWN : 0, set.count - 1);
  if (state.mode === "training" && !epochs.pictures.includes(state.picture))
    Object.assign(state, { picture: epochs.pictures[0], dabs: "", dx: 0, dy: 0, out: false });
  const second = state.beside && entryOf(state.beside).set;
  state.second = clamp(state.second, 0, (second || set).count - 1);
  state.other = clamp(state.other, 0, set.count - 1);
  state.filter = clamp(state.filter, -1, set.class_names.length - 1);
  state.token = clamp(state.token, -1, tokens - 1);
  state.cell = clamp(state.cell, -1, cells - 1);
  state.opacity = clamp(state.opacity, 0, 100);
  state.epoch = clamp(state.epoch, -1, epochs ? epochs.accuracy.length - 1 : -1);
  const off = [...new Set(tokensOff())].filter((token) => token >= 0 && token < tokens);
  state.off = off.length < tokens ? off.sort((a, b) => a - b).join() : "";
  if (!/^([wkrgbpe][\w-]{2})*$/.test(state.dabs)) state.dabs = "";
  if (!/^\d+$/.test(state.painted) || state.painted.length !== cells) state.painted = "0".repeat(cells);
  const mask = maskOf(set, state.picture);
  if (!mask) Object.assign(state, { dx: 0, dy: 0, out: false, outline: false });
  else if (state.dx || state.dy) {
    const [x, y] = roomToMove(mask, set.size);
    Object.assign(state, { dx: clamp(state.dx, ...x), dy: clamp(state.dy, ...y) });
  }
  if (!Object.hasOwn(PENS, state.tool) && !(mask && state.tool === MOVE)) state.tool = "";
}

/** The state as text: what differs from the beginning. */
function stateText() {
  const said = Object.entries(state).filter(([name, value]) => value !== DEFAULTS[name]
    && !(name === "painted" && !+value) && !(name === "picture" && value === OWN));
  return new URLSearchParams(said).toString();
}

function readState(text) {
  const said = new URLSearchParams(text.slice(text.indexOf("#") + 1));
  const read = Object.entries(DEFAULTS).map(([name, before]) => {
    const value = said.get(name);
    if (value === null) return [name, before];
    if (typeof before === "boolean") return [name, value === "true"];
    if (typeof before !== "number") return [name, value];
    return [name, Number.isFinite(parseInt(value)) ? parseInt(value) : before];
  });
  change(Object.fromEntries(read));
}

// What follows. Each column remembers its results by what they depend on.

function remembered(room, name, depends, make) {
  const key = depends.join("|");
  if (room[name]?.key !== key) room[name] = { key, value: make() };
  return room[name].value;
}

function editedPixels(set, picture, { dabs, dx, dy, out }) {
  let pixels = pixelsOf(set, picture);
  const mask = maskOf(set, picture);
  if (mask && (dx || dy || out)) {
    const empty = remembered(set, "empty", [picture], () => withoutObject(pixels, set.size, mask));
    pixels = out ? empty : moveObject(pixels, empty, set.size, mask, dx, dy);
  }
  return dabs ? paintDabs(pixels, set.size, dabs) : pixels;
}

const bestOf = (probabilities) => probabilities.indexOf(Math.max(...probabilities));

/** All numbers that a column shows. */
function look(column) {
  const { entry, picture, room } = column, { set } = entry;
  const plain = networkOf(entry), network = networkOf(entry, state.seed);
  const edits = set === mainEntry().set ? state : UNCHANGED;
  const untouched = [entry.id, picture, set.version];
  const edit = [edits.dabs, edits.dx, edits.dy, edits.out], edited = edit.some(Boolean);
  const before = remembered(room, "before", untouched, () => plain.run(pixelsOf(set, picture)));
  const pixels = remembered(room, "pixels", [...untouched, ...edit],
    () => editedPixels(set, picture, edits));
  const pass = remembered(room, "pass", [...untouched, ...edit, state.seed],
    () => edited || state.seed ? network.run(pixels) : before);
  const seen = { entry, network, set, picture, before, pass, cells: network.rows * network.columns,
    maps: pass.maps, probabilities: pass.probabilities };
  if (pass.maps) changeMaps(column, seen);
  seen.changed = pass !== before || seen.probabilities !== pass.probabilities;
  seen.label = labelOf(set, picture) ?? bestOf(before.probabilities);
  return seen;
}

/** Put the maps that are asked for in place of the network's own, and predict with them. */
function changeMaps(column, seen) {
  const { entry, network, set, pass, cells } = seen;
  if (state.mode === "training" && entry.epochs) {
    const n = entry.epochs.pictures.indexOf(seen.picture);
    if (n >= 0) seen.maps = entry.epochs.maps(epochOf(entry.epochs), n);
    return; // the page has the maps of every epoch, but only the last one's network
  }
  if (state.maps === "flat") seen.maps = flatMaps(pass.maps, cells);
  if (state.maps === "mean") seen.maps = meanMap(pass.maps, cells);
  if (state.maps === "other") seen.maps = otherMaps(column, network, set);
  seen.learned = seen.maps;
  const painted = state.mode === "paint" && column === columns[0] && mapValues(state.painted);
  if (painted && painted.some((weight) => weight))
    seen.maps = replaceMaps(seen.maps, cells, state.token, painted);
  const off = tokensOff().filter((token) => token < network.numTokens);
  if (seen.maps !== pass.maps || off.length) seen.probabilities = predictWith(seen, seen.maps, off);
}

const otherMaps = ({ entry, room }, network, set) =>
  remembered(room, "other", [entry.id, state.other, state.seed], () =>
    network.run(pixelsOf(set, Math.min(state.other, set.count - 1))).maps);

function predictWith({ network, pass }, maps, off = tokensOff()) {
  const tokens = network.pool(pass.grid, maps);
  const kept = [...Array(network.numTokens).keys()].filter((token) => !off.includes(token));
  return network.predict(kept.length < network.numTokens && kept.length
    ? keepTokens(tokens, network.dim, kept) : tokens);
}

const mapOf = (seen, token, maps = seen.maps) =>
  maps.subarray(token * seen.cells, (token + 1) * seen.cells);

/** The part of each token's weight that lies on a cell. */
function sharesOn(seen, cell) {
  return Array.from({ length: seen.network.numTokens }, (_, token) => {
    const map = mapOf(seen, token);
    return map[cell] / (map.reduce((a, b) => a + b, 0) || 1);
  });
}

/** How much of the weight of all maps lies on the object, and how much of the view it covers. */
function weightOnObject(seen) {
  const { set, network: { rows, columns, extent: [first, last] } } = seen;
  const original = maskOf(set, seen.picture);
  if (!original || !seen.maps || state.out) return null;
  const moved = set === mainEntry().set && (state.dx || state.dy);
  const mask = moved ? movedMask(original, set.size, state.dx, state.dy) : original;
  const covered = new Float32Array(seen.cells), step = (last - first) / rows;
  let weight = 0, sum = 0;
  for (let i = 0; i < mask.length; i++) {
    const row = Math.floor((Math.floor(i / set.size) + 0.5 - first) / step);
    const column = Math.floor((i % set.size + 0.5 - first) / step);
    if (row >= 0 && column >= 0 && row < rows && column < columns)
      covered[row * columns + column] += mask[i] / (step * step);
  }
  seen.maps.forEach((value, i) => {
    sum += value;
    weight += value * covered[i % seen.cells];
  });
  return { weight: weight / (sum || 1), area: covered.reduce((a, b) => a + b, 0) / seen.cells };
}
