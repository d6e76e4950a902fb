// What the page knows, what is chosen (`state`), and what follows from it (`look`).
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

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

/** The number of tokens that have maps: 0 without a reduction, and for a strided convolution. */
const tokenCount = ({ reduction, numTokens }) => reduction?.pooling ? numTokens : 0;

// What is chosen. All of it is numbers, words and ticks, so that it can stand in an address.

const UNTOUCHED = { dabs: "", dx: 0, dy: 0, out: false }; // a picture
const UNCHANGED = { ...UNTOUCHED, off: "", maps: "own", seed: 0 }; // picture and network
const DEFAULTS = {
  network: "0.0", beside: "", picture: sets[0].start, second: 0, filter: -1, mode: "look", token: -1,
  cell: -1, style: "viridis", scale: "own", opacity: 60, values: false, outline: false, tool: "",
  ...UNCHANGED, other: 1, pen: "9", painted: "", epoch: -1,
};
const CHOICES = { mode: ["look", "picture", "network", "paint", "training"], pen: ["9", "4", "0"],
  style: ["viridis", "cividis", "spotlight"], scale: ["own", "shared"],
  maps: ["own", "flat", "mean", "other"] };
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

/** Whatever an address says, make the state one that the page can show. */
function tidy() {
  if (!entryOf(state.network)) state.network = entries[0].id;
  if (!entryOf(state.beside)) state.beside = "";
  const { set, epochs } = mainEntry(), network = networkOf(mainEntry()), tokens = tokenCount(network);
  for (const [name, choices] of Object.entries(CHOICES))
    if (!choices.includes(state[name])) state[name] = DEFAULTS[name];
  if ((state.mode === "paint" && !tokens) || (state.mode === "training" && !epochs))
    state.mode = "look";
  const ends = { picture: [set.own ? OWN : 0, set.count - 1], other: [0, set.count - 1],
    second: [0, (entryOf(state.beside)?.set ?? set).count - 1], cell: [-1, network.cells - 1],
    token: [-1, tokens - 1], filter: [-1, set.class_names.length - 1], opacity: [0, 100],
    epoch: [-1, (epochs?.accuracy.length ?? 0) - 1] };
  for (const [name, [low, high]] of Object.entries(ends)) state[name] = clamp(state[name], low, high);
  if (state.mode === "training" && !epochs.pictures.includes(state.picture))
    Object.assign(state, { picture: epochs.pictures[0], ...UNTOUCHED });
  const off = [...new Set(tokensOff())].filter((token) => token >= 0 && token < tokens);
  state.off = off.length < tokens ? off.sort((a, b) => a - b).join() : "";
  if (!/^([wkrgbpe][\w-]{2})*$/.test(state.dabs)) state.dabs = "";
  if (!/^\d+$/.test(state.painted) || state.painted.length !== network.cells)
    state.painted = "0".repeat(network.cells);
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
    && !(name === "painted" && !/[1-9]/.test(value)) && !(name === "picture" && value === OWN));
  return new URLSearchParams(said).toString();
}

function readState(text) {
  const said = new URLSearchParams(text.slice(text.indexOf("#") + 1));
  change(Object.fromEntries(Object.entries(DEFAULTS).map(([name, before]) => {
    const value = said.get(name) ?? String(before), number = parseInt(value);
    if (typeof before === "boolean") return [name, value === "true"];
    return [name, typeof before === "string" ? value : Number.isFinite(number) ? number : before];
  })));
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
    const empty = remembered(set, "empty", [picture], () => withoutObject(pixels, mask));
    pixels = out ? empty : moveObject(pixels, empty, set.size, mask, dx, dy);
  }
  return dabs ? paintDabs(pixels, set.size, dabs) : pixels;
}

const bestOf = (probabilities) => probabilities.indexOf(Math.max(...probabilities));

/** All numbers that a column shows. */
function look(column) {
  const { entry, picture, room } = column, { set } = entry, network = networkOf(entry, state.seed);
  const { dabs, dx, dy, out } = set === mainEntry().set ? state : UNTOUCHED;
  const untouched = [entry.id, picture, set.version], edit = [dabs, dx, dy, out, state.seed];
  const before = remembered(room, "before", untouched, () =>
    networkOf(entry).run(pixelsOf(set, picture)));
  const pass = remembered(room, "pass", [...untouched, ...edit], () => edit.some(Boolean)
    ? network.run(editedPixels(set, picture, { dabs, dx, dy, out })) : before);
  const seen = { entry, network, set, picture, before, pass, cells: network.cells, maps: pass.maps,
    probabilities: pass.probabilities, moved: { dx, dy, out } };
  if (pass.maps) changeMaps(column, seen);
  seen.changed = pass !== before || seen.probabilities !== pass.probabilities;
  seen.label = labelOf(set, picture) ?? bestOf(before.probabilities);
  return seen;
}

/** Put the maps that are asked for in place of the network's own, and predict with them. */
function changeMaps({ entry, room, main }, seen) {
  const { network, set, pass, cells } = seen;
  if (state.mode === "training" && entry.epochs) {
    const n = entry.epochs.pictures.indexOf(seen.picture);
    if (n >= 0) seen.maps = entry.epochs.maps(epochOf(entry.epochs), n);
    return; // the page has the maps of every epoch, but only the last one's network
  }
  if (state.maps === "flat") seen.maps = flatMaps(pass.maps, cells);
  if (state.maps === "mean") seen.maps = meanMap(pass.maps, cells);
  if (state.maps === "other")
    seen.maps = remembered(room, "other", [entry.id, state.other, state.seed], () =>
      network.run(pixelsOf(set, Math.min(state.other, set.count - 1))).maps);
  seen.learned = seen.maps;
  if (state.mode === "paint" && main && /[1-9]/.test(state.painted))
    seen.maps = replaceMaps(seen.maps, cells, state.token, mapValues(state.painted));
  const off = tokensOff().filter((token) => token < network.numTokens);
  if (seen.maps !== pass.maps || off.length) seen.probabilities = predictWith(seen, seen.maps, off);
}

function predictWith({ network, pass }, maps, off = tokensOff()) {
  const kept = [...Array(network.numTokens).keys()].filter((token) => !off.includes(token));
  const tokens = network.pool(pass.grid, maps);
  return network.predict(kept.length ? keepTokens(tokens, network.dim, kept) : tokens);
}

const mapOf = (seen, token, maps = seen.maps) =>
  maps.subarray(token * seen.cells, (token + 1) * seen.cells);

/** The part of each token's weight that lies on a cell. */
const sharesOn = (seen, cell) => sumsOf(seen.maps, seen.cells).map((sum, token) =>
  mapOf(seen, token)[cell] / (sum || 1));

/** The mask of the object where it is now; null without one, or where it is taken out. */
function maskNow({ set, picture, moved: { dx, dy, out } }) {
  const mask = out ? null : maskOf(set, picture);
  return mask && (dx || dy) ? movedMask(mask, set.size, dx, dy) : mask;
}

/** How much of the weight of all maps lies on the object, and how much of the view it covers. */
function weightOnObject(seen) {
  const { set: { size }, cells, maps, network: { side, extent: [first, last] } } = seen;
  const mask = maskNow(seen), step = (last - first) / side, covered = new Float32Array(cells);
  if (!mask || !maps) return null;
  mask.forEach((inside, i) => {
    const [row, column] = [Math.floor(i / size), i % size].map((at) => Math.floor((at + 0.5 - first) / step));
    if (row >= 0 && column >= 0 && row < side && column < side)
      covered[row * side + column] += inside / step ** 2;
  });
  const sum = maps.reduce((a, b) => a + b, 0) || 1;
  return { weight: maps.reduce((all, value, i) => all + value * covered[i % cells], 0) / sum,
    area: covered.reduce((a, b) => a + b, 0) / cells };
}
