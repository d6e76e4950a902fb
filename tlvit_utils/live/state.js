// What the page knows, what is chosen (`state`), and what follows from it (`look`).
"use strict";

// Pictures and networks

/** base64 of bits as numpy.packbits packs them -> Uint8Array of 0 and 1 */
function bits(text, length) {
  const packed = bytes(text);
  return Uint8Array.from({ length }, (_, i) => (packed[i >> 3] >> (7 - (i & 7))) & 1);
}

const OWN = -1; // the index of the reader's own picture, which has neither a label nor a mask
const sets = data.sets.map((set) => {
  const area = set.size ** 2, pixels = bytes(set.pixels);
  const masks = set.masks && bits(set.masks, set.labels.length * area);
  return { ...set, own: null, pictures: set.labels.map((label, i) => ({ label,
    pixels: rowOf(pixels, i, 3 * area), mask: masks && rowOf(masks, i, area),
    name: `picture ${i + 1}, ${set.class_names[label]}` })) };
});
const entries = sets.flatMap((set, s) => set.models.map((model, m) => ({ id: `${s}.${m}`, set, model,
  epochs: model.epochs && { ...model.epochs, levels: bytes(model.epochs.levels),
    limits: new Float32Array(bytes(model.epochs.limits).buffer) } })));
const entryOf = (id) => entries.find((entry) => entry.id === id);

/** The network of an entry, built when it is first needed; seed 0 has the trained weights. */
function networkOf(entry, seed = 0) {
  const trained = entry.network ??= buildNetwork(entry.model);
  return seed ? remembered(entry, "random", [seed], () => trained.randomised(seed)) : trained;
}

// What is chosen. All of it is numbers, words and ticks, so that it can stand in an address.

const UNTOUCHED = { dabs: "", dx: 0, dy: 0, out: false }; // a picture
const UNCHANGED = { ...UNTOUCHED, off: "", maps: "own", seed: 0, painted: "" }; // and the network
const DEFAULTS = {
  network: "0.0", beside: "", picture: sets[0].start, filter: -1, mode: "look", token: -1, cell: -1,
  scale: "own", opacity: 60, values: false, tool: "", ...UNCHANGED, other: 1, pen: "9", epoch: -1,
};
const CHOICES = { // what can be chosen, and its words
  mode: { look: "Look", picture: "Change the picture", network: "Change the network",
    paint: "Be the TokenLearner", training: "Training" },
  scale: { own: "each map’s own", shared: "shared" },
  maps: { own: "their own maps", flat: "flat maps", mean: "the mean map", other: "another picture’s" },
  pen: { 9: "full", 4: "half", 0: "none" },
  tool: PENS,
};
const state = { ...DEFAULTS };
const past = []; // what can be undone: the changes of picture and network before each step
const hover = { token: -1, place: null }; // what the pointer is on; not part of the state

const mainEntry = () => entryOf(state.network);
const pictureOf = (set) => state.picture === OWN ? set.own
  : set.pictures[state.picture] ?? set.pictures.at(-1); // beside may have fewer
const tool = () => state.tool || (pictureOf(mainEntry().set).mask ? MOVE : "w");
const lastEpoch = ({ val_accuracy }) => val_accuracy.length - 1;
const epochOf = (epochs) => state.epoch < 0 ? lastEpoch(epochs) : Math.min(state.epoch, lastEpoch(epochs));
const isMoving = () => state.mode === "picture" && tool() === MOVE;
const isPainting = ({ main }) => state.mode === "paint" && main;
const tokensOff = () => state.off ? state.off.split(",").map(Number) : [];
/** The tokens that a network goes on with: without those that are off, unless nothing would be left. */
function keptOf({ numMaps }, off = state.mode === "training" ? [] : tokensOff()) {
  const every = [...Array(numMaps).keys()], kept = every.filter((token) => !off.includes(token));
  return kept.length ? kept : every;
}
/** The most maps that a shown network has */
const mostMaps = () => Math.max(...[state.network, state.beside].map(entryOf).filter(Boolean)
  .map((entry) => networkOf(entry).numMaps));
/** The token that one paints for, or -1 for every one: the token that is open may be the other network's. */
const paintedToken = () => state.token < networkOf(mainEntry()).numMaps ? state.token : -1;
const isPainted = () => /[1-9]/.test(state.painted);
const paintedMap = (cells) => Float32Array.from(state.painted.padEnd(cells, "0"), (digit) => digit / 9);
const isOffered = ({ set, epochs }, i) => (state.filter < 0 || set.labels[i] === state.filter)
  && (state.mode !== "training" || epochs.pictures.includes(i));

let version = 0; // of the state: it counts the changes

function change(patch) {
  version++;
  Object.assign(state, patch);
  tidy();
  schedule();
}

/** Keep what is there, so that the change which follows can be undone. */
function beginStep() {
  past.push(Object.fromEntries(Object.keys(UNCHANGED).map((name) => [name, state[name]])));
}

/** Whether what was kept differs from what is there now: a hand that rests makes no step. */
const differs = (kept) => Object.keys(kept).some((name) => kept[name] !== state[name]);

function step(patch) {
  beginStep();
  change(patch);
}

/** Whatever an address says, make the state one that the page can show. */
function tidy() {
  if (!entryOf(state.network)) state.network = entries[0].id;
  if (!entryOf(state.beside)) state.beside = "";
  const entry = mainEntry(), { set, epochs } = entry, { cells, numMaps } = networkOf(entry);
  for (const [name, choices] of Object.entries(CHOICES))
    if (!Object.hasOwn(choices, state[name])) state[name] = DEFAULTS[name];
  if ((state.mode === "paint" && !numMaps) || (state.mode === "training" && !epochs))
    state.mode = "look";
  if (state.mode === "paint") Object.assign(state, { maps: "own", seed: 0 }); // against the learned ones
  const last = set.pictures.length - 1, most = mostMaps(), ends = { picture: [set.own ? OWN : 0, last], other: [0, last],
    cell: [-1, cells - 1], token: [-1, most - 1], filter: [-1, set.class_names.length - 1],
    opacity: [0, 100], seed: [0, 1e6], epoch: [-1, epochs ? lastEpoch(epochs) : -1] };
  for (const [name, [low, high]] of Object.entries(ends)) state[name] = clamp(state[name], low, high);
  if (state.mode === "training" || state.picture !== OWN) showOffered(entry);
  const off = [...Array(most).keys()].filter((token) => tokensOff().includes(token));
  state.off = off.length < most ? off.join() : "";
  if (!/^([wkrgbpe][\w-]{2})*$/.test(state.dabs)) state.dabs = "";
  if (!/^\d+$/.test(state.painted) || state.painted.length !== cells) state.painted = "";
  const picture = pictureOf(set), { mask } = picture;
  const [left, top, right, bottom] = picture.box ??= boxOf(mask, set.size);
  state.dx = clamp(state.dx, -left, set.size - right); // the object stays in the picture
  state.dy = clamp(state.dy, -top, set.size - bottom);
  if (!mask) Object.assign(state, { out: false, tool: state.tool === MOVE ? "" : state.tool });
}

/** Where the picture is not among those that are offered, take the first of them. */
function showOffered(entry) {
  const offered = () => [...entry.set.labels.keys()].filter((i) => isOffered(entry, i));
  if (!offered().length) state.filter = -1;
  if (offered().includes(state.picture)) return;
  past.length = 0; // what was done to one picture cannot be undone on another
  Object.assign(state, { picture: offered()[0], ...UNTOUCHED });
}

/** The state as text: what differs from the beginning. */
const stateText = () => new URLSearchParams(
  Object.entries(state).filter(([name, value]) => value !== DEFAULTS[name])).toString();

/** Take the state that a text holds; false where it holds none. */
function readState(text) {
  const said = new URLSearchParams(text.slice(text.indexOf("#") + 1).trim());
  if (said.size && !Object.keys(DEFAULTS).some((name) => said.has(name))) return false;
  begin(Object.fromEntries(Object.entries(DEFAULTS).map(([name, before]) => {
    const value = said.get(name) ?? String(before), number = parseInt(value);
    if (typeof before === "boolean") return [name, value === "true"];
    return [name, typeof before === "string" ? value : Number.isFinite(number) ? number : before];
  })));
  return true;
}

// What follows. Each column remembers its results and what they depend on.

function remembered(memory, name, inputs, make) {
  const last = memory[name];
  if (!last || inputs.some((each, i) => each !== last.inputs[i]))
    memory[name] = { inputs, value: make() };
  return memory[name].value;
}

/** A picture's pixels with what was done to it. */
function editedPixels({ size }, picture, { dabs, dx, dy, out }) {
  let { pixels } = picture;
  if (dx || dy || out) {
    const empty = picture.empty ??= withoutObject(pixels, picture.mask);
    pixels = out ? empty : moveObject(pixels, empty, size, picture.mask, dx, dy);
  }
  return dabs ? paintDabs(pixels, size, dabs) : pixels;
}

const bestOf = (probabilities) => probabilities.indexOf(Math.max(...probabilities));

/** All that a column shows: what the network says, before and after the changes, and why. */
const look = (column) => remembered(column.memory, "seen", [column.entry, version], () => lookAt(column));

function lookAt({ entry, memory, main }) {
  const { set } = entry, trained = networkOf(entry), picture = pictureOf(set);
  const isFinished = state.mode === "training", edits = isFinished || set !== mainEntry().set ? UNTOUCHED : state;
  const network = isFinished ? trained : networkOf(entry, state.seed);
  const { dabs, dx, dy, out } = edits, touched = dabs || dx || dy || out;
  const before = remembered(memory, "before", [trained, picture], () => trained.run(picture.pixels));
  const pass = remembered(memory, "pass", [network, picture, dabs, dx, dy, out], () =>
    touched || network !== trained ? network.run(editedPixels(set, picture, edits)) : before);
  const seen = { ...pass, entry, set, network, picture, before, pass, cells: network.cells,
    object: picture.mask && !out ? movedMask(picture.mask, set.size, dx, dy) : null, kept: keptOf(network),
    label: picture.label ?? bestOf(before.probabilities) };
  if (pass.maps && isFinished) seen.maps = mapsOfEpoch(seen);
  else if (pass.maps) changeMaps(seen, memory, isPainting({ main }) && isPainted());
  seen.limits = seen.maps && state.scale === "shared" ? limitsOf(seen.maps) : null;
  seen.changed = pass !== before || seen.probabilities !== pass.probabilities;
  return seen;
}

/** Predict with the maps that are asked for, and with the reader's, in place of the network's own. */
function changeMaps(seen, memory, withPainted) {
  const { network, set, pass: { maps }, cells } = seen;
  const other = set.pictures[state.other] ?? set.pictures.at(-1);
  const asked = { own: () => maps, mean: () => meanMap(maps, cells),
    flat: () => reshapeMaps(maps, cells, new Float32Array(cells).fill(1)),
    other: () => remembered(memory, "other", [network, other], () => network.run(other.pixels).maps) };
  seen.maps = seen.pooled = asked[state.maps]();
  if (withPainted) seen.pooled = reshapeMaps(seen.maps, cells, paintedMap(cells), paintedToken());
  if (seen.pooled !== maps || seen.kept.length < network.numMaps)
    seen.probabilities = predictWith(seen, seen.pooled);
}

/** Where the shown picture is among those of which the page has maps of all epochs, or -1 */
const placeInEpochs = ({ epochs, set }) =>
  epochs ? epochs.pictures.indexOf(set.pictures.indexOf(pictureOf(set))) : -1;

/** The maps after the chosen epoch: each one's levels, 0 to 255, lie between its limits. The page
 * has only the last epoch's network, so the prediction stays. */
function mapsOfEpoch({ entry, entry: { epochs }, maps, cells, network: { numMaps } }) {
  const n = placeInEpochs(entry);
  if (n < 0) return maps;
  const at = epochOf(epochs) * epochs.pictures.length + n;
  return mapped(rowOf(epochs.levels, at, numMaps * cells), (level, i) => {
    const [low, high] = rowOf(epochs.limits, at * numMaps + Math.floor(i / cells), 2);
    return low + (high - low) * level / 255;
  });
}

const predictWith = ({ network, pass, kept }, maps) =>
  network.predict(keepTokens(network.pool(pass.grid, maps), network.dim, kept));

const mapOf = ({ maps, cells }, token) => rowOf(maps, token, cells);

/** The part of each token's weight that lies on a cell. */
const sharesOn = ({ maps, cells }, cell) => sumsOf(maps, cells).map((sum, token) =>
  maps[token * cells + cell] / (sum || 1));

/** The share of all maps' weight that lies on the object, and of the view that it covers. */
function weightOnObject({ set: { size }, object, maps, pooled = maps, cells, kept,
  network: { side, extent: [first, last] } }) {
  const mean = meanRow(keepTokens(pooled, cells, kept), cells), wide = last - first;
  let weight = 0, area = 0;
  object.forEach((inside, i) => {
    if (!inside) return;
    const place = [i % size, Math.floor(i / size)].map((at) => (at + 0.5 - first) / wide);
    if (place.some((share) => share < 0 || share >= 1)) return; // not in the view
    weight += mean[cellAt(place, side)];
    area++;
  });
  return { weight: weight / (sum(mean) * (wide / side) ** 2 || 1), area: area / wide ** 2 };
}
