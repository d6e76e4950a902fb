// The page: what is chosen (`state`), what follows from it (`look`), how that is shown (`render`),
// and what the reader's hands do. Text from the data is only ever set as text, never as HTML.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

/** A new element with properties, attributes written with a dash or "role", and children. */
function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties))
    if (key.includes("-") || key === "role" || key === "for") made.setAttribute(key, value);
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
  target: -1, pen: "9", painted: "", epoch: -1,
};
const CHOICES = { mode: ["look", "picture", "network", "paint", "training"], pen: ["9", "4", "0"],
  style: ["viridis", "cividis", "spotlight"], scale: ["own", "shared"],
  maps: ["own", "flat", "mean", "other"] };
const UNCHANGED = { dabs: "", dx: 0, dy: 0, out: false, off: "", maps: "own", seed: 0 };
const state = { ...DEFAULTS };
const hover = { token: -1, cell: -1 }; // what the pointer is on; not part of the state

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
  state.target = clamp(state.target, -1, tokens - 1);
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
    return [name, typeof before === "number" ? parseInt(value) || 0 : value];
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
    seen.maps = replaceMaps(seen.maps, cells, state.target, painted);
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

// Columns: one network each

const columns = [];

function makeColumn() {
  const root = $("#column").content.cloneNode(true).firstElementChild;
  const column = { root, room: {}, tiles: [], main: !columns.length };
  const select = $(".network", root), compare = $(".compare", root);
  select.append(...entries.map(({ id, set, model }) =>
    new Option(sets.length > 1 ? `${model.name} (${set.size} pixels)` : model.name, id)));
  select.onchange = () => change(column.main
    ? { network: select.value, dabs: "", dx: 0, dy: 0, out: false } : { beside: select.value });
  compare.textContent = column.main ? "Compare with another" : "Close";
  compare.onclick = () => {
    const next = entries[(entries.indexOf(mainEntry()) + 1) % entries.length];
    change({ beside: column.main ? next.id : "" });
    render();
    $(column.main ? ".column + .column .network" : ".compare").focus();
  };
  select.disabled = entries.length < 2;
  all(".turn button", root).forEach((button) => {
    button.onclick = () => {
      const { count } = column.entry.set;
      change({ second: (state.second + Number(button.dataset.step) + count) % count });
    };
  });
  listenToPad(column, $(".pad", root));
  $(".extra", root).addEventListener("pointerdown", (event) => scrubCurve(column, event));
  $(".extra", root).addEventListener("pointermove", (event) => event.buttons && scrubCurve(column, event));
  if (column.main) $("figcaption", root).prepend($("#changes"));
  $("#columns").append(root);
  columns.push(column);
}

function scrubCurve(column, event) {
  const curve = event.target.closest("svg"), { epochs } = column.entry;
  if (!curve) return;
  const { left, width } = curve.getBoundingClientRect();
  change({ epoch: epochAt((event.clientX - left) / width, epochs.accuracy.length) });
}

/** Make the buttons of a column's tokens, one for each. */
function makeTiles(column, count) {
  column.tiles = Array.from({ length: count }, (_, token) => {
    const dot = element("i", { className: "dot", textContent: token + 1 });
    dot.style.background = tokenColour(token);
    dot.style.color = DARK_TOKENS.includes(token % 8) ? "#fff" : "#000";
    const canvas = element("canvas", { width: 144, height: 144, "aria-hidden": "true" });
    const share = element("span", { className: "share" });
    const button = element("button", { type: "button" }, canvas, element("span", {}, dot, share));
    const on = element("input", { type: "checkbox", "aria-label": `token ${token + 1} on` });
    const root = element("div", { className: "token" }, button,
      element("label", { className: "tick" }, on, "on"));
    button.onclick = () => openToken(column, token);
    button.onpointerenter = ({ pointerType }) => pointerType === "mouse" && hoverToken(token);
    button.onpointerleave = () => hoverToken(-1);
    on.onchange = () => switchToken(token, on);
    return { root, button, canvas, share, on };
  });
  $(".tokens", column.root).replaceChildren(...column.tiles.map(({ root }) => root));
}

function hoverToken(token) {
  hover.token = token;
  schedule();
}

function openToken(column, token) {
  hover.token = -1;
  const opens = state.token !== token;
  change({ token: opens ? token : -1, ...(state.mode === "paint" && { target: opens ? token : -1 }) });
  if (opens) flowInto(column, token);
}

function flowInto(column, token) {
  const seen = look(column), { rows, columns: across } = seen.network;
  flow($(".pad", column.root), column.tiles[token].button, mapOf(seen, token), rows, across,
    tokenColour(token));
}

function switchToken(token, box) {
  const off = tokensOff().filter((other) => other !== token);
  if (!box.checked) off.push(token);
  change({ off: off.join() });
  if (!state.off && !box.checked) say("One token stays on: without any, nothing can be predicted.");
}

// Showing

let scheduled = false, settling;

/** Show what is chosen with the next frame, and put it into words when the hands rest. */
function schedule() {
  clearTimeout(settling);
  settling = setTimeout(settle, 200);
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    render();
  });
}

function render() {
  document.body.dataset.mode = state.mode;
  while (columns.length < (state.beside ? 2 : 1)) makeColumn();
  if (columns.length > 1 && !state.beside) columns.pop().root.remove();
  Object.assign(columns[0], { entry: mainEntry(), picture: state.picture });
  if (columns[1]) {
    const entry = entryOf(state.beside), same = entry.set === mainEntry().set;
    Object.assign(columns[1], { entry, picture: same ? state.picture : state.second });
    $(".turn", columns[1].root).hidden = same;
  }
  renderTools();
  renderThumbs();
  columns.forEach(renderColumn);
}

function renderColumn(column) {
  const seen = look(column), { root, entry, main } = column, { model } = entry;
  column.seen = seen;
  $(".network", root).value = entry.id;
  $(".compare", root).hidden = main && (entries.length < 2 || state.beside);
  $(".turn", root).hidden ||= main;
  $(".facts", root).textContent = `${(model.parameters / 1e6).toFixed(2)} M weights, `
    + `${(model.multiply_adds / 1e6).toFixed(1)} M multiply-adds`;
  const count = tokenCount(seen.network);
  if (column.tiles.length !== count) makeTiles(column, count);
  $(".none", root).textContent = count ? "" : "This network has no maps: "
    + (seen.network.reduction ? "a strided convolution makes its tokens." : "it keeps all cells.");
  const limits = state.scale === "shared" && seen.maps ? limitsOf(seen.maps) : null;
  renderStage(column, seen, limits);
  renderTiles(column, seen, limits);
  renderBars(column, seen);
  $(".extra", root).replaceChildren(...extras(column, seen));
}

const mapStyle = () => ({ style: state.style, opacity: state.opacity / 100 });
const shownCell = () => hover.cell >= 0 ? hover.cell : state.cell;

/** Which map lies over the large picture: {values, limits, token}, or null for the picture alone. */
function stageMap(column, seen) {
  if (!seen.maps) return null;
  if (state.mode === "paint" && column.main && hover.token < 0)
    return { values: mapValues(state.painted), limits: [0, 1], token: -1 };
  const token = hover.token >= 0 ? hover.token : state.token;
  return token >= 0 && token < seen.network.numTokens ? { values: mapOf(seen, token), token } : null;
}

function renderStage(column, seen, limits) {
  const { network: { rows, columns: across, viewSize, extent }, pass, set } = seen;
  const canvas = $(".pad canvas", column.root), map = stageMap(column, seen);
  const ends = map && (map.limits ?? limits ?? limitsOf(map.values));
  const context = drawPixels(canvas, map
    ? mixed(pass.view, viewSize, { ...map, rows, columns: across, limits: ends }, mapStyle())
    : pass.view, viewSize);
  const mask = state.outline && maskOf(set, seen.picture);
  if (mask && !state.out) drawOutline(context, set === mainEntry().set
    ? movedMask(mask, set.size, state.dx, state.dy) : mask, set.size, extent);
  if (map && state.values) drawValues(context, map.values, rows, across);
  const cell = shownCell();
  if (cell >= 0 && cell < seen.cells) drawCell(context, cell, rows, across, 6);
  const [low, high] = all(".scale span", column.root), shown = ends ?? limits;
  low.textContent = shown ? shown[0].toFixed(3) : "lowest";
  high.textContent = shown ? shown[1].toFixed(3) : "highest";
  $(".scale", column.root).hidden = !seen.maps;
  drawScale($(".scale canvas", column.root), state.style);
  $(".pad", column.root).style.setProperty("--token", map?.token >= 0 ? tokenColour(map.token) : "transparent");
}

function renderTiles(column, seen, limits) {
  const { rows, columns: across, viewSize } = seen.network, off = tokensOff(), cell = shownCell();
  const shares = seen.maps && cell >= 0 && cell < seen.cells ? sharesOn(seen, cell) : null;
  column.tiles.forEach(({ root, button, canvas, share, on }, token) => {
    const values = mapOf(seen, token), isOff = off.includes(token);
    const context = drawPixels(canvas, mixed(seen.pass.view, viewSize,
      { values, rows, columns: across, limits: limits ?? limitsOf(values) }, mapStyle()), viewSize);
    if (cell >= 0 && cell < seen.cells) drawCell(context, cell, rows, across, 4);
    button.setAttribute("aria-pressed", state.token === token);
    root.classList.toggle("off", isOff);
    on.checked = !isOff;
    share.textContent = shares ? percent(shares[token]) : isOff ? "off" : "";
  });
}

const signed = (points) => {
  const text = points.toFixed(1);
  return Number(text) > 0 ? `+${text}` : Number(text) < 0 ? text.replace("-", "−") : "0.0";
};

function renderBars(column, seen) {
  const { set, probabilities, before: { probabilities: before } } = seen;
  const table = $(".bars", column.root), [body] = table.tBodies;
  const best = bestOf(probabilities);
  if (column.classes !== set) { // rows of another set's classes
    column.classes = set;
    body.replaceChildren(...set.class_names.map((name) => element("tr", {},
      element("th", { scope: "row" }, element("span", { textContent: name }), element("small")),
      element("td", { className: "bar" }, element("div")), element("td"),
      element("td", { className: "change bar" }, element("div")), element("td", { className: "change" }))));
  }
  table.classList.toggle("changed", seen.changed);
  const truth = labelOf(set, seen.picture);
  [...body.rows].forEach((row, i) => {
    const [name, bar, number, shift, points] = row.cells, difference = probabilities[i] - before[i];
    row.className = i === best ? "best" : "";
    name.lastChild.textContent = i === truth ? " true" : "";
    bar.firstChild.style.width = `${100 * probabilities[i]}%`;
    number.textContent = percent(probabilities[i]);
    shift.firstChild.className = difference < 0 ? "less" : "more";
    shift.firstChild.style.width = `${50 * Math.abs(difference)}%`;
    points.textContent = signed(100 * difference);
  });
  const verdict = $(".verdict", column.root);
  verdict.textContent = verdictOf(seen, best, truth);
  verdict.className = `verdict ${truth === null ? "" : truth === best ? "right" : "wrong"}`;
}

function verdictOf({ set, probabilities }, best, truth) {
  const said = `${set.class_names[best]}, ${percent(probabilities[best], 0)}`;
  if (truth === null) return said;
  return best === truth ? `✓ ${said}: right` : `✗ ${said}: wrong, it is ${set.class_names[truth]}`;
}

// What stands below the bars

function extras(column, seen) {
  const cell = shownCell(), out = [], words = (text) => element("p", { textContent: text });
  if (state.mode === "training" && column.entry.epochs) {
    const { accuracy } = column.entry.epochs;
    return [accuracyCurve(accuracy, epochOf(column.entry.epochs))];
  }
  if (state.mode === "paint" && column.main) return scoreboard(column, seen);
  if (seen.maps && cell >= 0 && cell < seen.cells) out.push(words(readersOf(seen, cell)));
  const on = weightOnObject(seen);
  if (on) out.push(words(`${percent(on.weight, 0)} of the maps’ weight lies on the object, which `
    + `covers ${percent(on.area, 0)} of what the network sees.`));
  return out;
}

function readersOf(seen, cell) {
  const shares = sharesOn(seen, cell), order = [...shares.keys()].sort((a, b) => shares[b] - shares[a]);
  const say = (token) => `token ${token + 1} (${percent(shares[token])} of its weight)`;
  const name = cellName(cell, seen.network.columns);
  return `${name[0].toUpperCase()}${name.slice(1)} is read most by ${say(order[0])} and least by `
    + `${say(order.at(-1))}. A uniform map has ${percent(1 / seen.cells)} on every cell.`;
}

const SHUFFLES = 8;

/** The probability of the watched class with the painted map and with those it must beat. */
function scoresOf(column, seen) {
  const { label, learned, cells, set } = seen;
  const among = (maps) => {
    const chosen = seen.learned.slice(); // the other tokens keep theirs
    for (let t = 0; t < seen.network.numTokens; t++)
      if (state.target < 0 || state.target === t) chosen.set(mapOf(seen, t, maps), t * cells);
    return predictWith(seen, chosen)[label];
  };
  const depends = [column.room.pass.key, state.maps, state.other, state.off, state.target, label];
  const rivals = remembered(column.room, "rivals", depends, () => [
    ["learned map", predictWith(seen, learned)[label]],
    ["even map", among(flatMaps(learned, cells))],
    [`learned map, cells shuffled (mean of ${SHUFFLES})`, Array.from({ length: SHUFFLES }, (_, i) =>
      among(shuffledMaps(learned, cells, i))).reduce((a, b) => a + b, 0) / SHUFFLES],
  ]);
  const mine = /[1-9]/.test(state.painted) ? [["your map", seen.probabilities[label]]] : [];
  return { name: set.class_names[label], mine, rivals };
}

function verdictOnMap({ mine, rivals }) {
  if (!mine.length) return "Nothing is painted yet.";
  const beaten = rivals.filter(([, score]) => mine[0][1] > score).map(([name]) => name);
  const missed = rivals.filter(([, score]) => mine[0][1] <= score).map(([name]) => name);
  const list = (names, join) => names.map((name) => `the ${name}`).join(join);
  const parts = [beaten.length && `beats ${list(beaten, " and ")}`,
    missed.length && `does not beat ${list(missed, " or ")}`];
  return `Your map ${parts.filter(Boolean).join(", but ")}.`;
}

function scoreboard(column, seen) {
  const scores = scoresOf(column, seen), { rows, columns: across, viewSize } = seen.network;
  const values = state.target < 0 ? meanMap(seen.learned, seen.cells).subarray(0, seen.cells)
    : mapOf(seen, state.target, seen.learned);
  const picture = (map, words) => {
    const canvas = element("canvas", { width: 192, height: 192, role: "img", "aria-label":
      `${words}: ${limitsOf(map)[1] ? describeMap(map, rows, across) : "nothing"}` });
    drawPixels(canvas, mixed(seen.pass.view, viewSize, { values: map, rows, columns: across,
      limits: words === "yours" ? [0, 1] : limitsOf(map) }, mapStyle()), viewSize);
    return element("figure", {}, canvas, element("figcaption", { textContent: words }));
  };
  const body = element("tbody", {}, ...[...scores.mine, ...scores.rivals].map(([name, score]) => {
    const bar = element("div");
    bar.style.width = `${100 * score}%`;
    return element("tr", { className: name === "your map" ? "best" : "" },
      element("th", { scope: "row", textContent: name }),
      element("td", { className: "bar" }, bar), element("td", { textContent: percent(score) }));
  }));
  return [
    element("div", { className: "pair" }, picture(mapValues(state.painted), "yours"),
      picture(values, state.target < 0 ? "learned (mean)" : "learned")),
    element("p", { className: "win", textContent: verdictOnMap(scores) }),
    element("table", { className: "bars" },
      element("caption", { textContent: `Probability of ${scores.name} with` }), body)];
}

// Words: for screen readers, for the address, and below the picture

function say(words) {
  if (!playing) $("#say").textContent = words;
}

function settle() {
  for (const column of columns) {
    const { seen, root } = column, { network: { rows, columns: across } } = seen;
    const token = seen.maps && state.token < seen.network.numTokens ? state.token : -1;
    const map = token >= 0 && `Token ${token + 1}: ${describeMap(mapOf(seen, token), rows, across)}.`;
    const what = `What the network sees of ${pictureName(seen.set, seen.picture)}`;
    const painted = state.mode === "paint" && column.main && (/[1-9]/.test(state.painted)
      ? `Your map: ${describeMap(mapValues(state.painted), rows, across)}.` : "Nothing is painted yet.");
    $(".words", root).textContent = painted || map || `${what}.`;
    $(".pad canvas", root).setAttribute("aria-label", `${what}. ${painted || map || ""}`);
    const where = shownCell() >= 0 ? `; ${cellName(shownCell(), across)}` : "";
    $(".pad", root).setAttribute("aria-label", `Cells of the picture: arrow keys ${state.mode
      === "picture" && tool() === MOVE ? "move the object" : "choose one, Enter acts"}${where}`);
    column.tiles.forEach(({ button, share }, i) => button.setAttribute("aria-label",
      `Token ${i + 1}${share.textContent && `, ${share.textContent}`}: ${describeMap(mapOf(seen, i), rows, across)}`));
  }
  const extra = all(".extra > p", columns[0].root).map((p) => p.textContent).join(" ");
  say(`${$(".verdict", columns[0].root).textContent}. ${extra}`);
  keepAddress();
}

// The address

const hasAddress = location.protocol !== "about:"; // a frame's srcdoc has none

function keepAddress() {
  const text = stateText(), base = location.href.split("#")[0];
  if (document.activeElement !== $("#share-text"))
    $("#share-text").value = `${hasAddress ? base : ""}#${text}`;
  if (hasAddress && location.hash.slice(1) !== text)
    history.replaceState(null, "", text ? `#${text}` : base);
}

async function copyShare() {
  const box = $("#share-text");
  const note = state.picture === OWN ? " Your own picture is not part of it." : "";
  try {
    await navigator.clipboard.writeText(box.value);
    $("#share-note").textContent = `Copied.${note}`;
  } catch { // not allowed in some frames
    box.focus();
    box.select();
    $("#share-note").textContent = `Selected: copy it with Ctrl or ⌘ and C.${note}`;
  }
}

// Pictures to choose from

/** Show one picture as it is, and forget what was done to another. */
function choosePicture(picture) {
  change({ picture, dabs: "", dx: 0, dy: 0, out: false });
}

const isOffered = (set, i) => (state.filter < 0 || set.labels[i] === state.filter)
  && (state.mode !== "training" || mainEntry().epochs.pictures.includes(i));

let thumbs = { buttons: [] };

function makeThumbs(set) {
  const indices = [...(set.own ? [OWN] : []), ...Array(set.count).keys()];
  const buttons = indices.map((picture) => {
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
  const shown = thumbs.buttons.filter(({ button }) => !button.hidden);
  if (shown.length && !shown.some(({ button }) => !button.tabIndex)) shown[0].button.tabIndex = 0;
  $("#filter").value = state.filter;
}

function moveAmongThumbs(event) {
  const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const shown = thumbs.buttons.filter(({ button }) => !button.hidden);
  const at = shown.findIndex(({ button }) => button === document.activeElement);
  const next = shown[clamp(at + step, 0, shown.length - 1)];
  next.button.focus();
  next.button.scrollIntoView({ block: "nearest", inline: "nearest" });
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
    choosePicture(picture);
    thumbs.buttons.find((thumb) => thumb.picture === picture)?.button.scrollIntoView(
      { block: "nearest", inline: "nearest" });
    return;
  }
  $("#file-note").textContent = "There is no wrong answer among these pictures.";
}

/** Find the wrong answers one picture at a time, whenever the browser has nothing else to do. */
function guessAhead() {
  const whenIdle = window.requestIdleCallback ?? ((run) => setTimeout(run, 100));
  whenIdle(() => {
    const entry = mainEntry(), { set } = entry;
    const next = set.labels.findIndex((_, i) => entry.known[i] === undefined);
    if (next >= 0) {
      saidOf(entry, next);
      if (entry.known[next] !== set.labels[next]) renderThumbs();
    }
    setTimeout(guessAhead, next < 0 ? 1000 : 50);
  });
}

// A picture of one's own

const MOST_BYTES = 64e6, MOST_PIXELS = 60e6;

/** A file's pixels; throws an Error with one sentence where it has none that can be used. */
async function readFile(file) {
  if (file.size > MOST_BYTES) throw new Error(
    `${file.name} has ${Math.round(file.size / 1e6)} MB; take a picture of at most ${MOST_BYTES / 1e6} MB.`);
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name} cannot be read as a picture; take a PNG, JPEG or WebP file.`);
  });
  const { width, height } = bitmap;
  try {
    if (width * height > MOST_PIXELS) throw new Error(`${file.name} has ${width} × ${height} pixels; `
      + `take a picture of at most ${MOST_PIXELS / 1e6} million.`);
    const canvas = element("canvas", { width, height }), context = canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, width, height);
  } finally {
    bitmap.close();
  }
}

async function takeFile(file) {
  if (!file) return;
  const note = $("#file-note");
  note.textContent = "";
  try {
    const picture = await readFile(file);
    for (const set of sets)
      Object.assign(set, { own: shrink(picture, set.size), ownName: file.name, version: set.version + 1 });
    if (state.mode === "training") change({ mode: "look" });
    choosePicture(OWN);
  } catch (error) {
    note.textContent = error.message;
  }
}

// Tools

function renderTools() {
  const entry = mainEntry(), mask = maskOf(entry.set, state.picture), network = networkOf(entry);
  const tokens = tokenCount(network);
  for (const tab of all("[role=tab]")) {
    const { mode } = tab.dataset, chosen = mode === state.mode;
    tab.hidden = (mode === "training" && !entry.epochs) || (mode === "paint" && !tokens);
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    $(`#tools-${mode}`).hidden = !chosen;
  }
  for (const box of all("#tools [name], #display [name]")) {
    const value = box.name === "tool" ? tool()
      : box.name === "epoch" && entry.epochs ? epochOf(entry.epochs) : state[box.name];
    if (box.type === "radio") box.checked = box.value === value;
    else if (box.type === "checkbox") box.checked = value;
    else if (box.name === "epoch") box.max = entry.epochs ? entry.epochs.accuracy.length - 1 : 0;
    if (box.name === "target") renderTargets(box, tokens);
    if (box.type !== "radio" && box.type !== "checkbox") box.value = value;
  }
  $("#outline").hidden = $("#take-out").hidden = $(`[value=${MOVE}]`).parentNode.hidden = !mask;
  $("#take-out").textContent = state.out ? "Put the object back" : "Take the object out";
  $("#other").hidden = state.maps !== "other";
  $("#random").checked = state.seed > 0;
  $("#draw-again").hidden = !state.seed;
  $("#all-tokens").disabled = !state.off;
  all("[name=maps]").forEach((radio) => { radio.disabled = !tokens; });
  all("[data-do=undo]").forEach((button) => { button.disabled = !lastStep(); });
  $("#about").textContent = tokens ? `This network runs in your browser. It reads the `
    + `picture as ${network.rows} × ${network.columns} cells and goes on with ${tokens} `
    + "tokens; each map shows where one token reads. Open a token, or point at a cell."
    : "This network runs in your browser. Choose another one to see maps.";
  $("#tour-start").hidden = !tokens;
  if (entry.epochs) {
    const epoch = epochOf(entry.epochs), { accuracy } = entry.epochs;
    $("#epoch-words").textContent =
      `${epoch + 1} of ${accuracy.length}: validation accuracy ${percent(accuracy[epoch])}`;
  }
  renderChanges();
}

function renderTargets(select, count) {
  if (select.length !== count + 1) select.replaceChildren(new Option("every token", -1),
    ...Array.from({ length: count }, (_, token) => new Option(`token ${token + 1}`, token)));
}

function renderChanges() {
  const off = tokensOff().map((token) => token + 1);
  const changes = [
    state.dabs && "painted on the picture", state.out && "object taken out",
    !state.out && (state.dx || state.dy) && "object moved", state.seed && "random weights",
    off.length && `without token${off.length > 1 ? "s" : ""} ${off.join(", ")}`,
    { flat: "flat maps", mean: "mean map", other: `maps of picture ${state.other + 1}` }[state.maps],
  ].filter(Boolean);
  $("#changes").hidden = !changes.length;
  $("#changes span").textContent = `Changed: ${changes.join("; ")}.`;
}

// Undo goes back through what was done in the same mode

const past = [];
const lastStep = () => past.findLast(({ mode }) => mode === state.mode);

function beginStep() {
  const { mode, dabs, dx, dy, out, painted } = state;
  past.push(mode === "paint" ? { mode, painted } : { mode, dabs, dx, dy, out });
  if (past.length > 200) past.shift();
}

function undo() {
  const step = lastStep();
  if (!step) return;
  past.splice(past.lastIndexOf(step), 1);
  change(step);
}

let playing = null;

function play() {
  const { epochs } = mainEntry(), last = epochs.accuracy.length - 1;
  if (playing) return stopPlaying();
  if (epochOf(epochs) === last) change({ epoch: 0 });
  $("#play").textContent = "Stop";
  playing = setInterval(() => {
    if (state.mode !== "training" || state.epoch >= last) return stopPlaying();
    change({ epoch: state.epoch + 1 });
  }, 400);
}

function stopPlaying() {
  clearInterval(playing);
  playing = null;
  $("#play").textContent = "Play";
}

// Hands on the large picture

/** Where a pointer is, as shares of the large picture. */
function placeOf(pad, { clientX, clientY }) {
  const { left, top, width, height } = pad.getBoundingClientRect();
  return [clamp((clientX - left) / width, 0, 0.9999), clamp((clientY - top) / height, 0, 0.9999)];
}

function cellAt(column, [x, y]) {
  const { rows, columns: across } = column.seen.network;
  return Math.floor(y * rows) * across + Math.floor(x * across);
}

function listenToPad(column, pad) {
  let drag = null; // the last place of a drag
  pad.onpointerdown = (event) => {
    if (event.button) return;
    const place = placeOf(pad, event);
    pad.setPointerCapture(event.pointerId);
    if (!canDraw(column)) {
      const cell = cellAt(column, place);
      return change({ cell: state.cell === cell ? -1 : cell });
    }
    beginStep();
    drag = { from: place, last: place, dx: state.dx, dy: state.dy };
    act(column, place, drag);
  };
  pad.onpointermove = (event) => {
    const place = placeOf(pad, event);
    if (drag) {
      for (const between of line(drag.last, place)) act(column, between, drag);
      drag.last = place;
    }
    if (event.pointerType === "mouse" || drag) hover.cell = cellAt(column, place);
    schedule();
  };
  pad.onpointerup = pad.onpointercancel = () => { drag = null; };
  pad.onpointerleave = () => {
    hover.cell = -1;
    schedule();
  };
  pad.onkeydown = (event) => actByKey(column, event);
}

/** Places on the way from one to another, so that a fast hand leaves no gaps. */
function line([x0, y0], [x1, y1]) {
  const steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) * 24));
  return Array.from({ length: steps }, (_, i) =>
    [x0 + (x1 - x0) * (i + 1) / steps, y0 + (y1 - y0) * (i + 1) / steps]);
}

const canDraw = (column) => (state.mode === "paint" && column.main)
  || (state.mode === "picture" && column.entry.set === mainEntry().set);

/** What a hand does at a place of the view: move the object, dab on the picture, paint the map. */
function act(column, place, drag) {
  const { network: { extent: [first, last], rows, columns: across }, set } = column.seen;
  if (state.mode === "paint") return paintCell(cellAt(column, place), rows * across);
  if (tool() === MOVE) {
    const way = place.map((share, i) => Math.round((share - drag.from[i]) * (last - first)));
    return change({ dx: drag.dx + way[0], dy: drag.dy + way[1], out: false });
  }
  const [x, y] = place.map((share) => (first + share * (last - first)) / set.size);
  const made = dab(tool(), x, y);
  if (!state.dabs.endsWith(made)) change({ dabs: state.dabs + made });
}

function paintCell(cell) {
  if (state.painted[cell] === state.pen) return;
  change({ painted: state.painted.slice(0, cell) + state.pen + state.painted.slice(cell + 1) });
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function actByKey(column, event) {
  const { network: { rows, columns: across }, set } = column.seen, way = ARROWS[event.key];
  const moves = state.mode === "picture" && tool() === MOVE && canDraw(column);
  if (way && moves) {
    const step = (event.shiftKey ? 8 : 2) * set.size / 64;
    beginStep();
    change({ dx: state.dx + way[0] * step, dy: state.dy + way[1] * step, out: false });
  } else if (way) {
    const from = state.cell < 0 ? Math.floor(rows / 2) * across + Math.floor(across / 2) : state.cell;
    const x = clamp(from % across + (state.cell < 0 ? 0 : way[0]), 0, across - 1);
    const y = clamp(Math.floor(from / across) + (state.cell < 0 ? 0 : way[1]), 0, rows - 1);
    change({ cell: y * across + x });
  } else if ((event.key === "Enter" || event.key === " ") && canDraw(column) && !moves && state.cell >= 0) {
    const place = [(state.cell % across + 0.5) / across, (Math.floor(state.cell / across) + 0.5) / rows];
    beginStep();
    act(column, place, null);
  } else if (event.key === "Escape") {
    change({ cell: -1 });
  } else return;
  event.preventDefault();
}

// Listening

function makeChoices() {
  const radio = (value, text) =>
    element("label", {}, element("input", { type: "radio", name: "tool", value }), text);
  $("#pens").append(radio(MOVE, "move the object"), ...Object.entries(PENS).map(([letter, pen]) => {
    const dot = element("i", { className: pen.square ? "swatch square" : "swatch" });
    if (pen.colour) dot.style.background = `rgb(${pen.colour.join()})`;
    const label = radio(letter, pen.name);
    if (pen.colour) label.insertBefore(dot, label.lastChild);
    return label;
  }));
  const starts = ["learned", ...Object.keys(STARTS)].map((name) => {
    const button = element("button", { type: "button", textContent: name });
    button.onclick = () => startPainting(name);
    return button;
  });
  $("#starts").append(...starts);
}

function startPainting(name) {
  const { seen } = columns[0], { rows, columns: across } = seen.network;
  const learned = state.target < 0 ? meanMap(seen.learned, seen.cells).subarray(0, seen.cells)
    : mapOf(seen, state.target, seen.learned);
  beginStep();
  change({ painted: mapText(name === "learned" ? learned : startMap(name, rows, across)) });
}

function listen() {
  document.addEventListener("input", ({ target }) => {
    if (!(target.name in DEFAULTS)) return;
    const text = target.type === "checkbox" ? target.checked : target.value;
    const value = typeof DEFAULTS[target.name] === "number" ? Number(text) : text;
    change({ [target.name]: value, ...(target.name === "target" && { token: value }) });
  });
  $("#filter").onchange = ({ target }) => {
    change({ filter: Number(target.value) });
    const { set } = mainEntry();
    const first = set.labels.findIndex((_, i) => isOffered(set, i));
    if (first >= 0 && !(state.picture !== OWN && isOffered(set, state.picture))) choosePicture(first);
  };
  const clicks = {
    wrong: nextWrong, play, copy: copyShare,
    open: () => readState($("#share-text").value),
    reset: () => change(UNCHANGED),
    "all-tokens": () => change({ off: "" }),
    "draw-again": () => change({ seed: state.seed + 1 }),
    "take-out": () => { beginStep(); change({ out: !state.out }); },
  };
  for (const [id, run] of Object.entries(clicks)) $(`#${id}`).onclick = run;
  all("[data-do=undo]").forEach((button) => { button.onclick = undo; });
  $("#random").onchange = ({ target }) => change({ seed: target.checked ? 1 : 0 });
  $("#thumbs").onkeydown = moveAmongThumbs;
  $("#share-text").onkeydown = ({ key, target }) => key === "Enter" && readState(target.value);
  listenToTabs();
  $("#file").onchange = ({ target }) => {
    takeFile(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  };
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = (event) => {
    event.preventDefault();
    takeFile(event.dataTransfer.files[0]);
  };
  document.onpaste = ({ clipboardData }) => takeFile(clipboardData.files[0]);
  addEventListener("hashchange", () => readState(location.hash));
}

function listenToTabs() {
  for (const tab of all("[role=tab]")) {
    const { mode } = tab.dataset;
    Object.assign(tab, { id: `tab-${mode}`, onclick: () => change({ mode }) });
    tab.setAttribute("aria-controls", `tools-${mode}`);
    $(`#tools-${mode}`).setAttribute("aria-labelledby", tab.id);
  }
  $("#modes").onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const tabs = all("[role=tab]:not([hidden])");
    const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
    next.focus();
    change({ mode: next.dataset.mode });
  };
}

/** Follow JupyterLab's theme where the page is a frame in it; elsewhere the system's holds. */
function followHost() {
  try {
    const host = parent.document.body;
    const follow = () => {
      const { jpThemeLight } = host.dataset;
      if (jpThemeLight) document.documentElement.dataset.theme = jpThemeLight === "true" ? "light" : "dark";
    };
    new MutationObserver(follow).observe(host, { attributeFilter: ["data-jp-theme-light"] });
    follow();
  } catch { /* a host of another origin tells nothing */ }
}

/** For tests and the curious: what the shown network says of pixels (0..255, rows of RGB). */
window.tokenlearner = { run(pixels) {
  const { probabilities, maps } = networkOf(mainEntry(), state.seed).run(pixels);
  return { probabilities, maps };
} };

$("h1").textContent = document.title = data.title;
$("#share-kind").textContent = hasAddress ? "a link" : "a short text";
followHost();
makeChoices();
listen();
readState(location.hash);
setTimeout(guessAhead, 500);
