// Show what is chosen: a column for each network, with its picture, its maps and its bars, and the
// words that say the same. Text from the data is only ever set as text, never as HTML.
"use strict";

// Columns

const columns = [];
const copyOf = (template) => $(template).content.cloneNode(true).firstElementChild;

function makeColumn() {
  const column = { root: copyOf("#column"), memory: {}, tiles: [], main: !columns.length };
  const colours = Array.from({ length: 16 }, (_, i) => `rgb(${heat(i / 15)})`);
  $(".scale i", column.root).style.setProperty("--heat", `linear-gradient(to right, ${colours})`);
  listenToPad(column, $(".pad", column.root));
  $("#columns").append(column.root);
  columns.push(column);
}

function makeTiles(column, count) {
  column.tiles = Array.from({ length: count }, (_, token) => {
    const root = copyOf("#token"), [button, on] = ["button", "input"].map((name) => $(name, root));
    const [ground, letters] = tokenColours(token);
    Object.assign($(".dot", root), { textContent: token + 1, style: `background:${ground};color:${letters}` });
    on.ariaLabel = `token ${token + 1} on`;
    on.onchange = () => step({ off: (on.checked ? tokensOff().filter((other) => other !== token)
      : [...tokensOff(), token]).join() });
    button.onclick = () => {
      hoverOn({ token: -1 });
      change({ token: state.token === token ? -1 : token });
      flowInto(column);
    };
    button.onpointerenter = ({ pointerType }) => pointerType === "mouse" && hoverOn({ token });
    button.onpointerleave = () => hoverOn({ token: -1 });
    return { root, button, on, map: $(".map", root), share: $(".share", root) };
  });
  $(".tokens", column.root).replaceChildren(...column.tiles.map(({ root }) => root));
}

function hoverOn(what) {
  Object.assign(hover, what);
  schedule();
}

/** The cells that the open token reads fly into it. */
function flowInto(column) {
  const seen = look(column), { token } = state, tile = column.tiles[token]; // perhaps the other's
  if (tile) flow($(".pad", column.root), tile.button, mapOf(seen, token), seen.network.side,
    tokenColours(token)[0]);
}

// Showing

const drawn = {}; // what the page remembers of its tools
let stale = true, waiting = false, settling;

/** Show what is chosen, and settle when the hands rest. */
function schedule() {
  clearTimeout(settling);
  settling = setTimeout(settle, 200);
  stale = true;
  if (!waiting) queueMicrotask(show);
  waiting = true;
}

/** Draw at once what has changed, and what changes while this is drawn only with the next frame. */
function show() {
  waiting = stale;
  if (!stale) return;
  render();
  requestAnimationFrame(show);
}

function render() {
  stale = false;
  document.body.dataset.mode = state.mode;
  document.body.style.setProperty("--opacity", state.opacity / 100);
  while (columns.length < (state.beside ? 2 : 1)) makeColumn();
  if (columns.length > 1 && !state.beside) columns.pop().root.remove();
  columns.forEach((column, i) => { column.entry = i ? entryOf(state.beside) : mainEntry(); });
  const { filter, mode } = state, entry = mainEntry();
  remembered(drawn, "names", [entry.set], () => renderNames(entry.set));
  remembered(drawn, "thumbs", [entry, entry.set.own, filter, mode === "training"], renderThumbs);
  remembered(drawn, "tools", [version], renderTools);
  columns.forEach(renderColumn);
}

/** Draw of a column what has changed: a pointer only marks a cell, or shows another token's map. */
function renderColumn(column) {
  const { memory } = column, seen = column.seen = look(column), cell = shownCell(column);
  remembered(memory, "column", [seen], () => drawColumn(column, seen));
  remembered(memory, "stage", [seen, hover.token], () => drawStage(column, seen));
  remembered(memory, "cell", [seen, cell], () => pointAt(column, cell));
}

function drawColumn(column, seen) {
  const { root, entry: { model } } = column, { numMaps, numTokens, cells } = seen.network;
  $("h2", root).textContent = model.name;
  if (column.tiles.length !== numMaps) makeTiles(column, numMaps);
  $(".facts", root).textContent = (numMaps ? "" : numTokens < cells
    ? "It has no maps: a strided convolution makes its tokens. " : "It has no maps: it keeps all cells. ")
    + `${(model.parameters / 1e6).toFixed(2)} M weights, `
    + `${(model.multiply_adds / 1e6).toFixed(1)} M multiply-adds`;
  column.tiles.forEach(({ root, button, map, on }, token) => {
    const isOn = seen.kept.includes(token);
    drawMap(map, seen, mapOf(seen, token), seen.limits);
    button.ariaPressed = state.token === token;
    root.classList.toggle("off", !isOn);
    on.checked = isOn;
    on.disabled = isOn && seen.kept.length === 1; // one stays on
  });
  renderBars(column, seen);
}

/** The cell that is pointed at, or else the one that is kept, in a column's own grid; or -1. */
function shownCell({ seen: { network: { side } } }) {
  if (hover.place) return cellAt(hover.place, side);
  return state.cell < 0 ? -1 : cellAt(centreOf(state.cell, networkOf(mainEntry()).side), side);
}

/** The map that lies over the large picture, its limits, whose it is, and of which token; or nothing. */
function shownMap(column) {
  const { seen, seen: { maps, cells, kept, limits } } = column, token = hover.token >= 0 ? hover.token : state.token;
  if (isPainting(column) && hover.token < 0)
    return { map: paintedMap(cells), ends: [0, 1], owner: "Your map" };
  const isOpen = token >= 0 && token < seen.network.numMaps;
  const isBrush = state.mode === "picture" && !isMoving(); // no mean map lies where one paints
  if (!maps || (isBrush && !isOpen)) return { ends: limits };
  const map = isOpen ? mapOf(seen, token) : meanRow(keepTokens(maps, cells, kept), cells);
  const whose = isOpen ? { owner: `Token ${token + 1}`, token } : { owner: "The mean map", isLight: true };
  return { map, ends: limits ?? limitsOf(map), ...whose };
}

function drawStage(column, seen) {
  const { root } = column, { side } = seen.network, { map, ends, owner, token, isLight } = shownMap(column);
  const pad = $(".pad", root), values = $(".values", root);
  drawMap(pad, seen, map, ends, isLight);
  const total = map && state.values ? sum(map) || 1 : 0; // in percent of it, one text per cell
  values.style.setProperty("--side", side);
  values.replaceChildren(...total ? Array.from(map, (value) =>
    element("span", { textContent: (100 * value / total).toFixed(1) })) : []);
  all(".scale span", root).forEach((end, i) => {
    end.textContent = ends ? ends[i].toFixed(3) : ["lowest", "highest"][i];
  });
  $(".scale", root).hidden = !seen.maps;
  if (token >= 0) pad.style.setProperty("--token", tokenColours(token)[0]);
  pad.classList.toggle("of-token", token >= 0);
  pad.classList.toggle("drawable", canDraw(column));
  const what = `What the network sees of ${seen.picture.name}.`;
  const words = map ? `${owner}: ${describeMap(map, side)}.` : "";
  $(".words", root).textContent = words || what;
  $("canvas", pad).ariaLabel = `${what} ${words}`;
}

/** Mark a cell, or none (-1), and say who reads it. */
function pointAt(column, cell) {
  const { root, seen, seen: { kept } } = column, { side } = seen.network, pad = $(".pad", root);
  const shares = seen.maps && cell >= 0 ? sharesOn(seen, cell) : null;
  markCell(pad, cell, side);
  column.tiles.forEach(({ map, share }, token) => {
    markCell(map, cell, side);
    share.textContent = shares ? percent(shares[token]) : kept.includes(token) ? "" : "off";
  });
  pad.ariaLabel = `Cells of the picture: arrow keys ${isMoving() && canDraw(column) ? "move the object"
    : "choose one, Enter acts"}${cell >= 0 ? `; ${cellName(cell, side)}` : ""}`;
  $(".extra", root).replaceChildren(...extras(column, seen, cell, shares));
}

const signed = (points) =>
  (points >= 0.05 ? "+" : points <= -0.05 ? "−" : "") + Math.abs(points).toFixed(1);

/** A cell of the table with a bar as long as a share of its width. */
const barCell = (className, bar, share) => element("td", { className },
  element("div", { className: bar, style: `width:${100 * share}%` }));

function renderBars(column, { set, picture: { label: truth }, probabilities, before, changed }) {
  const best = bestOf(probabilities), said = `${set.class_names[best]}, ${percent(probabilities[best], 0)}`;
  const table = $(".bars", column.root), verdict = $(".verdict", column.root);
  table.classList.toggle("changed", changed);
  table.tBodies[0].replaceChildren(...set.class_names.map((name, i) => {
    const shift = probabilities[i] - before.probabilities[i];
    return element("tr", { className: i === best ? "best" : "" },
      element("th", { scope: "row" }, name, element("small", { textContent: i === truth ? " true" : "" })),
      barCell("bar", "", probabilities[i]), element("td", { textContent: percent(probabilities[i]) }),
      barCell("change bar", shift < 0 ? "less" : "more", Math.abs(shift) / 2),
      element("td", { className: "change", textContent: signed(100 * shift) }));
  }));
  verdict.textContent = truth === null ? said : best === truth ? `✓ ${said}: right`
    : `✗ ${said}: wrong, it is ${set.class_names[truth]}`;
  verdict.className = `verdict ${truth === null ? "" : truth === best ? "right" : "wrong"}`;
}

// What stands below the bars

function extras(column, seen, cell, shares) {
  const words = [];
  if (isPainting(column)) words.push(scoreOf(seen));
  else if (shares) words.push(readersOf(seen, cell, shares));
  if (seen.maps && seen.object) {
    const { weight, area } = weightOnObject(seen);
    words.push(`${percent(weight, 0)} of the maps’ weight lies on the object, which covers `
      + `${percent(area, 0)} of what the network sees.`);
  }
  return words.map((textContent) => element("p", { textContent }));
}

function readersOf(seen, cell, shares) {
  const order = strongestOf(shares), say = (token) => `token ${token + 1} (${percent(shares[token])} of its weight)`;
  return `The cell in ${cellName(cell, seen.network.side)} is read most by ${say(order[0])} and least by `
    + `${say(order.at(-1))}. A uniform map has ${percent(1 / seen.cells)} on every cell.`;
}

/** Who wins: the class's probability with the reader's map and with the learned ones. */
function scoreOf(seen) {
  if (!isPainted()) return "Nothing is painted yet.";
  const { label, maps, set } = seen, mine = seen.probabilities[label];
  const theirs = (seen.theirs ??= predictWith(seen, maps))[label];
  return `${mine > theirs ? "Your map wins" : "The learned maps win"}: ${set.class_names[label]} has `
    + `${percent(mine)} with yours and ${percent(theirs)} with the learned ones.`;
}

/** When the hands rest: name the tokens’ maps, say what the network answers, keep the state in the address. */
function settle() {
  if (stale) render(); // a busy browser has not drawn yet
  for (const row of all("#thumbs, [name=mode]")) reveal(row, $("label:has(:checked)", row));
  for (const { seen, tiles } of columns)
    tiles.forEach(({ button, share }, token) => {
      button.ariaLabel = `Token ${token + 1}${share.textContent && `, ${share.textContent}`}: `
        + describeMap(mapOf(seen, token), seen.network.side);
    });
  const said = columns.flatMap(({ entry, root }) => [columns.length > 1 ? `${entry.model.name}:` : "",
    ...all(".verdict, .extra > p", root).map((p) => p.textContent.replace(/\.?$/, "."))]).join(" ").trim();
  if (!playing && $("#say").textContent !== said) $("#say").textContent = said; // else it is read again
  keepAddress();
}
