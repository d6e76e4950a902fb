// Show what is chosen: a column for each network, with its picture, its maps and its bars, and the
// words that say the same. Text from the data is only ever set as text, never as HTML.
"use strict";

// Columns

const columns = [];

function makeColumn() {
  const root = $("#column").content.cloneNode(true).firstElementChild, main = !columns.length;
  const column = { root, room: {}, tiles: [], main };
  const choice = (id) => { // another set of pictures begins with its own first one
    const { set } = entryOf(id), { start } = set;
    if (set === column.entry.set) return main ? { ...UNTOUCHED, network: id } : { beside: id };
    return main ? { ...UNTOUCHED, network: id, picture: start, filter: -1 }
      : { beside: id, second: start };
  };
  const select = $(".network", root), compare = $(".compare", root), extra = $(".extra", root);
  select.append(...entries.map(({ id, set, model }) =>
    new Option(sets.length > 1 ? `${model.name} (${set.size} pixels)` : model.name, id)));
  select.onchange = () => change(choice(select.value));
  select.disabled = entries.length < 2;
  compare.textContent = main ? "Compare with another" : "Close";
  compare.onclick = () => {
    const next = entries[(entries.indexOf(mainEntry()) + 1) % entries.length];
    change(main ? { beside: next.id, second: next.set.start } : { beside: "" });
    render();
    $(main ? ".column + .column .network" : ".compare").focus();
  };
  for (const button of all(".turn button", root))
    button.onclick = () => {
      const { count } = column.entry.set;
      change({ second: (state.second + Number(button.dataset.step) + count) % count });
    };
  listenToPad(column, $(".pad", root));
  extra.onpointerdown = extra.onpointermove = ({ buttons, clientX, target }) => { // on the curve
    if (!buttons || !target.closest("svg")) return;
    const { left, width } = target.closest("svg").getBoundingClientRect();
    change({ epoch: epochAt((clientX - left) / width, column.entry.epochs.accuracy.length) });
  };
  if (main) $("figcaption", root).append($("#changes"));
  $("#columns").append(root);
  columns.push(column);
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
    button.onclick = () => {
      hoverOn({ token: -1 });
      change({ token: state.token === token ? -1 : token });
      flowInto(column);
    };
    button.onpointerenter = ({ pointerType }) => pointerType === "mouse" && hoverOn({ token });
    button.onpointerleave = () => hoverOn({ token: -1 });
    on.onchange = () => switchToken(token, on, count);
    return { root, button, canvas, share, on };
  });
  $(".tokens", column.root).replaceChildren(...column.tiles.map(({ root }) => root));
}

function hoverOn(what) {
  Object.assign(hover, what);
  schedule();
}

/** The cells that the open token reads fly into it. */
function flowInto(column) {
  const seen = look(column), { token } = state;
  if (token >= 0) flow($(".pad", column.root), column.tiles[token].button, mapOf(seen, token),
    seen.network.side, tokenColour(token));
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
  const entry = mainEntry(), beside = entryOf(state.beside), same = beside?.set === entry.set;
  Object.assign(columns[0], { entry, picture: state.picture });
  if (beside) Object.assign(columns[1], { entry: beside, picture: same ? state.picture : state.second });
  for (const { root, main } of columns) $(".turn", root).hidden = main || same;
  renderThumbs();
  renderTools();
  columns.forEach(renderColumn);
}

function renderColumn(column) {
  const seen = column.seen = look(column), { root, entry, main } = column, { model } = entry;
  $(".network", root).value = entry.id;
  $(".compare", root).hidden = main && (entries.length < 2 || state.beside);
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

/** Draw a map over what the network sees. */
function drawMap(canvas, { pass, network: { viewSize, side } }, values, limits = limitsOf(values)) {
  const style = { style: state.style, opacity: state.opacity / 100 };
  return drawPixels(canvas, mixed(pass.view, viewSize, { values, side, limits }, style), viewSize);
}

const sameGrid = (...two) => new Set(two.map(({ entry }) => networkOf(entry).side)).size === 1;

/** The cell that is pointed at or kept, or -1; columns with grids alike show the same one. */
function shownCell(column) {
  const [cell, where] = hover.cell >= 0 ? [hover.cell, hover.column] : [state.cell, columns[0]];
  return sameGrid(where, column) ? cell : -1;
}

/** The token whose map lies over the large picture, or -1. */
function shownToken({ maps, network }) {
  const token = hover.token >= 0 ? hover.token : state.token;
  return maps && token < network.numTokens ? token : -1;
}

function renderStage(column, seen, limits) {
  const { root, main } = column, { network: { side, viewSize, extent }, pass, set } = seen;
  const paints = state.mode === "paint" && main && hover.token < 0;
  const token = paints ? -1 : shownToken(seen), canvas = $(".pad canvas", root);
  const map = paints ? mapValues(state.painted) : token < 0 ? null : mapOf(seen, token);
  const ends = paints ? [0, 1] : limits ?? (map && limitsOf(map));
  const context = map ? drawMap(canvas, seen, map, ends) : drawPixels(canvas, pass.view, viewSize);
  const mask = state.outline && maskNow(seen), cell = shownCell(column);
  if (mask) drawOutline(context, mask, set.size, extent);
  if (map && state.values) drawValues(context, map, side);
  if (cell >= 0) drawCell(context, cell, side, 6);
  all(".scale span", root).forEach((end, i) => {
    end.textContent = ends ? ends[i].toFixed(3) : ["lowest", "highest"][i];
  });
  $(".scale", root).hidden = !seen.maps;
  $(".scale i", root).style.background = scaleGradient(state.style);
  $(".pad", root).style.setProperty("--token", token < 0 ? "transparent" : tokenColour(token));
}

function renderTiles(column, seen, limits) {
  const off = tokensOff(), cell = shownCell(column);
  const shares = seen.maps && cell >= 0 ? sharesOn(seen, cell) : null;
  column.tiles.forEach(({ root, button, canvas, share, on }, token) => {
    const isOff = off.includes(token);
    const context = drawMap(canvas, seen, mapOf(seen, token), limits ?? undefined);
    if (cell >= 0) drawCell(context, cell, seen.network.side, 4);
    button.setAttribute("aria-pressed", state.token === token);
    root.classList.toggle("off", isOff);
    on.checked = !isOff;
    share.textContent = shares ? percent(shares[token]) : isOff ? "off" : "";
  });
}

const signed = (points) => {
  const text = Math.abs(points).toFixed(1);
  return text === "0.0" ? text : `${points > 0 ? "+" : "−"}${text}`;
};

const barCell = (className = "bar") => element("td", { className }, element("div"));

function renderBars(column, seen) {
  const { set, probabilities, before: { probabilities: before } } = seen, best = bestOf(probabilities);
  const table = $(".bars", column.root), verdict = $(".verdict", column.root);
  if (column.classes !== set) { // rows of another set's classes
    column.classes = set;
    table.tBodies[0].replaceChildren(...set.class_names.map((name) => element("tr", {},
      element("th", { scope: "row" }, element("span", { textContent: name }), element("small")),
      barCell(), element("td"), barCell("change bar"), element("td", { className: "change" }))));
  }
  table.classList.toggle("changed", seen.changed);
  const truth = labelOf(set, seen.picture);
  [...table.tBodies[0].rows].forEach((row, i) => {
    const [name, bar, number, shift, points] = row.cells, difference = probabilities[i] - before[i];
    row.className = i === best ? "best" : "";
    name.lastChild.textContent = i === truth ? " true" : "";
    bar.firstChild.style.width = `${100 * probabilities[i]}%`;
    number.textContent = percent(probabilities[i]);
    shift.firstChild.className = difference < 0 ? "less" : "more";
    shift.firstChild.style.width = `${50 * Math.abs(difference)}%`;
    points.textContent = signed(100 * difference);
  });
  const said = `${set.class_names[best]}, ${percent(probabilities[best], 0)}`;
  verdict.textContent = truth === null ? said : best === truth ? `✓ ${said}: right`
    : `✗ ${said}: wrong, it is ${set.class_names[truth]}`;
  verdict.className = `verdict ${truth === null ? "" : truth === best ? "right" : "wrong"}`;
}

// What stands below the bars

function extras(column, seen) {
  const { epochs } = column.entry, cell = shownCell(column), on = weightOnObject(seen), words = [];
  if (state.mode === "training" && epochs) return [accuracyCurve(epochs.accuracy, epochOf(epochs))];
  if (state.mode === "paint" && column.main) return scoreboard(seen);
  if (seen.maps && cell >= 0) words.push(readersOf(seen, cell));
  if (on) words.push(`${percent(on.weight, 0)} of the maps’ weight lies on the object, which covers `
    + `${percent(on.area, 0)} of what the network sees.`);
  return words.map((textContent) => element("p", { textContent }));
}

function readersOf(seen, cell) {
  const shares = sharesOn(seen, cell), order = [...shares.keys()].sort((a, b) => shares[b] - shares[a]);
  const say = (token) => `token ${token + 1} (${percent(shares[token])} of its weight)`;
  return `The cell in ${cellName(cell, seen.network.side)} is read most by ${say(order[0])} and least by `
    + `${say(order.at(-1))}. A uniform map has ${percent(1 / seen.cells)} on every cell.`;
}

/** The reader's map beside the learned one, and the probability of the watched class with each. */
function scoreboard(seen) {
  const { label, learned, cells, network: { side } } = seen, { token } = state;
  const flat = flatMaps(learned, cells), even = learned.map((value, i) =>
    token < 0 || Math.floor(i / cells) === token ? flat[i] : value); // the other tokens keep theirs
  const score = (maps) => predictWith(seen, maps)[label], painted = mapValues(state.painted);
  const rivals = [["the learned map", score(learned)], ["an even map", score(even)]];
  const mine = /[1-9]/.test(state.painted) ? [["your map", seen.probabilities[label]]] : [];
  const names = (wins, join) => rivals.filter(([, score]) => mine[0]?.[1] > score === wins)
    .map(([name]) => name).join(join);
  const beaten = names(true, " and "), missed = names(false, " or ");
  const words = [beaten && `beats ${beaten}`, missed && `does not beat ${missed}`].filter(Boolean);
  const picture = (map, words, limits) => {
    const canvas = element("canvas", { width: 192, height: 192, role: "img",
      "aria-label": `${words}: ${describeMap(map, side)}` });
    drawMap(canvas, seen, map, limits);
    return element("figure", {}, canvas, element("figcaption", { textContent: words }));
  };
  const rows = [...mine, ...rivals].map(([name, score], i) => {
    const bar = barCell();
    bar.firstChild.style.width = `${100 * score}%`;
    return element("tr", { className: mine.length && !i ? "best" : "" },
      element("th", { scope: "row", textContent: name }), bar,
      element("td", { textContent: percent(score) }));
  });
  return [
    element("div", { className: "pair" }, picture(painted, "yours", [0, 1]),
      picture(learnedMap(seen), token < 0 ? "learned (mean)" : "learned")),
    element("p", { className: "win", textContent: mine.length
      ? `Your map ${words.join(", but ")}.` : "Nothing is painted yet." }),
    element("table", { className: "bars" }, element("caption", { textContent:
      `Probability of ${seen.set.class_names[label]} with` }), element("tbody", {}, ...rows))];
}

/** The learned map that the reader's stands against: of the open token, or the mean of all. */
const learnedMap = (seen) => state.token < 0 ? meanMap(seen.learned, seen.cells).subarray(0, seen.cells)
  : mapOf(seen, state.token, seen.learned);

// Words: for screen readers, for the address, and below the picture

function settle() {
  if (scheduled) render(); // a busy browser has not drawn yet
  for (const column of columns) {
    const { seen, root } = column, { side } = seen.network, cell = shownCell(column);
    const what = `What the network sees of ${pictureName(seen.set, seen.picture)}.`;
    const token = state.token < seen.network.numTokens && seen.maps ? state.token : -1;
    const map = state.mode === "paint" && column.main
      ? `Your map: ${describeMap(mapValues(state.painted), side)}.`
      : token >= 0 ? `Token ${token + 1}: ${describeMap(mapOf(seen, token), side)}.` : "";
    $(".words", root).textContent = map || what;
    $(".pad canvas", root).setAttribute("aria-label", `${what} ${map}`);
    $(".pad", root).setAttribute("aria-label", `Cells of the picture: arrow keys ${state.mode
      === "picture" && tool() === MOVE ? "move the object" : "choose one, Enter acts"}`
      + (cell >= 0 ? `; ${cellName(cell, side)}` : ""));
    column.tiles.forEach(({ button, share }, i) => button.setAttribute("aria-label", `Token ${i + 1}`
      + `${share.textContent && `, ${share.textContent}`}: ${describeMap(mapOf(seen, i), side)}`));
  }
  const extra = all(".extra > p", columns[0].root).map((p) => p.textContent).join(" ");
  if (!playing) $("#say").textContent = `${$(".verdict", columns[0].root).textContent}. ${extra}`;
  keepAddress();
}
