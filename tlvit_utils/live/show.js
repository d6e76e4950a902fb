// Show what is chosen: a column for each network, with its picture, its maps and its bars, and the
// words that say the same. Text from the data is only ever set as text, never as HTML.
"use strict";

// Columns

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
  if (column.main) $("figcaption", root).append($("#changes"));
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
    on.onchange = () => switchToken(token, on, count);
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
  change({ token: opens ? token : -1 });
  if (opens) flowInto(column, token);
}

function flowInto(column, token) {
  const seen = look(column), { rows, columns: across } = seen.network;
  flow($(".pad", column.root), column.tiles[token].button, mapOf(seen, token), rows, across,
    tokenColour(token));
}

function switchToken(token, box, count) {
  const off = tokensOff().filter((other) => other !== token);
  if (!box.checked) off.push(token);
  box.checked ||= off.length === count;
  $("#note").textContent = off.length < count ? ""
    : "One token stays on: without any, nothing can be predicted.";
  if (off.length < count) change({ off: off.join() });
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
  renderThumbs();
  renderTools();
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

const sameGrid = (...two) => {
  const [a, b] = two.map(({ entry }) => networkOf(entry));
  return a.rows === b.rows && a.columns === b.columns;
};

/** The cell that is pointed at or kept, or -1; columns with grids alike show the same one. */
function shownCell(column) {
  const [cell, where] = hover.cell >= 0 ? [hover.cell, hover.column] : [state.cell, columns[0]];
  return sameGrid(where, column) ? cell : -1;
}

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
  const cell = shownCell(column);
  if (cell >= 0) drawCell(context, cell, rows, across, 6);
  const [low, high] = all(".scale span", column.root), shown = ends ?? limits;
  low.textContent = shown ? shown[0].toFixed(3) : "lowest";
  high.textContent = shown ? shown[1].toFixed(3) : "highest";
  $(".scale", column.root).hidden = !seen.maps;
  drawScale($(".scale canvas", column.root), state.style);
  $(".pad", column.root).style.setProperty("--token", map?.token >= 0 ? tokenColour(map.token) : "transparent");
}

function renderTiles(column, seen, limits) {
  const { rows, columns: across, viewSize } = seen.network, off = tokensOff(), cell = shownCell(column);
  const shares = seen.maps && cell >= 0 ? sharesOn(seen, cell) : null;
  column.tiles.forEach(({ root, button, canvas, share, on }, token) => {
    const values = mapOf(seen, token), isOff = off.includes(token);
    const context = drawPixels(canvas, mixed(seen.pass.view, viewSize,
      { values, rows, columns: across, limits: limits ?? limitsOf(values) }, mapStyle()), viewSize);
    if (cell >= 0) drawCell(context, cell, rows, across, 4);
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
  const cell = shownCell(column), out = [], words = (text) => element("p", { textContent: text });
  if (state.mode === "training" && column.entry.epochs) {
    const { accuracy } = column.entry.epochs;
    return [accuracyCurve(accuracy, epochOf(column.entry.epochs))];
  }
  if (state.mode === "paint" && column.main) return scoreboard(column, seen);
  if (seen.maps && cell >= 0) out.push(words(readersOf(seen, cell)));
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
      if (state.token < 0 || state.token === t) chosen.set(mapOf(seen, t, maps), t * cells);
    return predictWith(seen, chosen)[label];
  };
  const depends = [column.room.pass.key, state.maps, state.other, state.off, state.token, label];
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
  const values = state.token < 0 ? meanMap(seen.learned, seen.cells).subarray(0, seen.cells)
    : mapOf(seen, state.token, seen.learned);
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
      picture(values, state.token < 0 ? "learned (mean)" : "learned")),
    element("p", { className: "win", textContent: verdictOnMap(scores) }),
    element("table", { className: "bars" },
      element("caption", { textContent: `Probability of ${scores.name} with` }), body)];
}

// Words: for screen readers, for the address, and below the picture

function say(words) {
  if (!playing) $("#say").textContent = words;
}

function settle() {
  if (scheduled) render(); // a busy browser has not drawn yet
  for (const column of columns) {
    const { seen, root } = column, { network: { rows, columns: across } } = seen;
    const token = seen.maps && state.token < seen.network.numTokens ? state.token : -1;
    const map = token >= 0 && `Token ${token + 1}: ${describeMap(mapOf(seen, token), rows, across)}.`;
    const what = `What the network sees of ${pictureName(seen.set, seen.picture)}`;
    const painted = state.mode === "paint" && column.main && (/[1-9]/.test(state.painted)
      ? `Your map: ${describeMap(mapValues(state.painted), rows, across)}.` : "Nothing is painted yet.");
    $(".words", root).textContent = painted || map || `${what}.`;
    $(".pad canvas", root).setAttribute("aria-label", `${what}. ${painted || map || ""}`);
    const where = shownCell(column) >= 0 ? `; ${cellName(shownCell(column), across)}` : "";
    $(".pad", root).setAttribute("aria-label", `Cells of the picture: arrow keys ${state.mode
      === "picture" && tool() === MOVE ? "move the object" : "choose one, Enter acts"}${where}`);
    column.tiles.forEach(({ button, share }, i) => button.setAttribute("aria-label",
      `Token ${i + 1}${share.textContent && `, ${share.textContent}`}: ${describeMap(mapOf(seen, i), rows, across)}`));
  }
  const extra = all(".extra > p", columns[0].root).map((p) => p.textContent).join(" ");
  say(`${$(".verdict", columns[0].root).textContent}. ${extra}`);
  keepAddress();
}
