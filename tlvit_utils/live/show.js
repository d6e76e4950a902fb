// Show what is chosen: a column for each network, with its picture, its maps and its bars, and the
// words that say the same. Text from the data is only ever set as text, never as HTML.
"use strict";

// Columns

const columns = [];

function makeColumn() {
  const root = $("#column").content.cloneNode(true).firstElementChild, main = !columns.length;
  const column = { root, room: {}, tiles: [], main, ground: element("canvas") };
  const select = $(".network", root), compare = $(".compare", root), pad = $(".pad", root);
  select.append(...entries.map(({ id, set, model }) =>
    new Option(sets.length > 1 ? `${model.name} (${set.size} pixels)` : model.name, id)));
  select.onchange = () => main ? begin({ network: select.value, filter: -1 })
    : change({ beside: select.value });
  select.disabled = entries.length < 2;
  compare.textContent = main ? "Compare with another" : "Close";
  compare.onclick = () => {
    const next = entries[(entries.indexOf(mainEntry()) + 1) % entries.length];
    change({ beside: main ? next.id : "" });
    render();
    $(main ? ".column + .column .network" : ".compare").focus();
  };
  $(".scale i", root).style.background = `linear-gradient(to right, ${VIRIDIS.map((hex) => `#${hex}`)})`;
  listenToPad(column, pad);
  if (main) $("figcaption", root).append($("#changes"));
  $("#columns").append(root);
  columns.push(column);
}

/** Make the buttons of a column's tokens, one for each. */
function makeTiles(column, count) {
  column.tiles = Array.from({ length: count }, (_, token) => {
    const dot = element("i", { className: "dot", textContent: token + 1, style:
      `background:${tokenColour(token)};color:${DARK_TOKENS.includes(token % 8) ? "#fff" : "#000"}` });
    const canvas = element("canvas", { width: 144, height: 144, "aria-hidden": "true" });
    const share = element("span", { className: "share" });
    const on = element("input", { type: "checkbox", "aria-label": `token ${token + 1} on`,
      onchange: () => switchToken(token, on, count) });
    const button = element("button", { type: "button",
      onclick() {
        hoverOn({ token: -1 });
        change({ token: state.token === token ? -1 : token });
        flowInto(column);
      },
      onpointerenter: ({ pointerType }) => pointerType === "mouse" && hoverOn({ token }),
      onpointerleave: () => hoverOn({ token: -1 }) }, canvas, element("span", {}, dot, share));
    const root = element("div", { className: "token" }, button,
      element("label", { className: "tick" }, on, "on"));
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
  columns.forEach((column, i) => { column.entry = i ? entryOf(state.beside) : mainEntry(); });
  renderThumbs();
  renderTools();
  columns.forEach(renderColumn);
}

function renderColumn(column) {
  const seen = column.seen = look(column), { root, entry, main } = column, { model } = entry;
  const { numMaps, numTokens, cells } = seen.network;
  seen.ground = fill(column.ground, greyed(seen.view, state.opacity / 100), seen.network.viewSize);
  $(".network", root).value = entry.id;
  $(".compare", root).hidden = main && (entries.length < 2 || state.beside);
  $(".facts", root).textContent = `${(model.parameters / 1e6).toFixed(2)} M weights, `
    + `${(model.multiply_adds / 1e6).toFixed(1)} M multiply-adds`;
  if (column.tiles.length !== numMaps) makeTiles(column, numMaps);
  $(".none", root).textContent = numMaps ? "" : "This network has no maps: "
    + (numTokens < cells ? "a strided convolution makes its tokens." : "it keeps all cells.");
  const limits = state.scale === "shared" && seen.maps ? limitsOf(seen.maps) : null;
  renderStage(column, limits);
  renderTiles(column, limits);
  renderBars(column, seen);
  $(".extra", root).replaceChildren(...extras(column, seen));
}

/** Draw a map over what the network sees. */
function drawMap(canvas, { ground, network: { side } }, values, limits) {
  spread(canvas, ground);
  return drawHeat(canvas, values, side, limits ?? limitsOf(values), state.opacity / 100);
}

/** The cell that is pointed at, or else the one that is kept, in a column's own grid; or -1. */
function shownCell({ seen: { network: { side } } }) {
  if (hover.place) return cellAt(hover.place, side);
  return state.cell < 0 ? -1 : cellAt(centreOf(state.cell, networkOf(mainEntry()).side), side);
}

/** The map that lies over the large picture, its limits, and the token whose it is; or nothing. */
function shownMap({ main, seen }, limits) {
  const token = hover.token >= 0 ? hover.token : state.token;
  if (state.mode === "paint" && main && hover.token < 0)
    return { map: mapValues(state.painted), ends: [0, 1] };
  if (!seen.maps || token < 0 || token >= seen.network.numMaps) return { ends: limits };
  const map = mapOf(seen, token);
  return { map, ends: limits ?? limitsOf(map), token };
}

function renderStage(column, limits) {
  const { root, seen } = column, { network: { side, viewSize, extent: [first, last] }, moved } = seen;
  const { map, ends, token } = shownMap(column, limits), canvas = $(".pad canvas", root);
  const context = map ? drawMap(canvas, seen, map, ends) : drawPixels(canvas, seen.view, viewSize);
  const { mask } = seen.picture, cell = shownCell(column);
  if (state.framed && mask && !moved.out)
    drawFrame(context, ...boxOf(mask, seen.set.size).map((at, i) =>
      (at + (i % 2 ? moved.dy : moved.dx) - first) / (last - first)), 8);
  if (map && state.values) drawValues(context, map, side);
  if (cell >= 0) drawCell(context, cell, side, 6);
  all(".scale span", root).forEach((end, i) => {
    end.textContent = ends ? ends[i].toFixed(3) : ["lowest", "highest"][i];
  });
  $(".scale", root).hidden = !seen.maps;
  $(".pad", root).style.setProperty("--token", token >= 0 ? tokenColour(token) : "transparent");
}

function renderTiles(column, limits) {
  const { seen } = column, off = tokensOff(), cell = shownCell(column);
  const shares = seen.maps && cell >= 0 ? sharesOn(seen, cell) : null;
  column.tiles.forEach(({ root, button, canvas, share, on }, token) => {
    const isOff = off.includes(token), context = drawMap(canvas, seen, mapOf(seen, token), limits);
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

const barCell = (className) => element("td", { className }, element("div"));

function renderBars(column, seen) {
  const { set, probabilities, before: { probabilities: before } } = seen, best = bestOf(probabilities);
  const table = $(".bars", column.root), verdict = $(".verdict", column.root);
  if (column.classes !== set) { // rows of another set's classes
    column.classes = set;
    table.tBodies[0].replaceChildren(...set.class_names.map((name) => element("tr", {},
      element("th", { scope: "row" }, element("span", { textContent: name }), element("small")),
      barCell("bar"), element("td"), barCell("change bar"), element("td", { className: "change" }))));
  }
  table.classList.toggle("changed", seen.changed);
  const { label: truth } = seen.picture;
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
  if (state.mode === "training" && epochs) return [accuracyCurve(epochs)];
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

/** The accuracy after each epoch as a dot, in a strip that one can click. */
function accuracyCurve(epochs) {
  const { val_accuracy: accuracy } = epochs, chosen = epochOf(epochs), [low, high] = limitsOf(accuracy);
  const strips = accuracy.map((value, epoch) => element("i", { className: epoch === chosen ? "now" : "",
    style: `--height: ${(value - low) / (high - low || 1)}`, onclick: () => change({ epoch }) }));
  const words = `Validation accuracy over the epochs, ${percent(low)} to ${percent(high)}; `
    + `${percent(accuracy[chosen])} after epoch ${chosen + 1}`;
  return element("figure", {}, element("div", { className: "curve", role: "img", "aria-label": words },
    ...strips), element("figcaption", { textContent: `${words}. Click on another one.` }));
}

/** The reader's map beside the learned one, and the probability of the watched class with each. */
function scoreboard(seen) {
  const { label, learned, network: { side }, set } = seen, name = set.class_names[label];
  const mine = seen.probabilities[label], theirs = predictWith(seen, learned)[label];
  const picture = (words, map, limits) => {
    const canvas = element("canvas", { width: 192, height: 192, role: "img",
      "aria-label": `${words}: ${describeMap(map, side)}` });
    drawMap(canvas, seen, map, limits);
    return element("figure", {}, canvas, element("figcaption", { textContent: words }));
  };
  const words = isPainted() ? `${mine > theirs ? "Your map" : "The learned map"} wins: ${name} has `
    + `${percent(mine)} with yours and ${percent(theirs)} with the learned one.` : "Nothing is painted yet.";
  return [element("div", { className: "pair" }, picture("yours", mapValues(state.painted), [0, 1]),
    picture(state.token < 0 ? "learned (mean)" : "learned", learnedMap(seen))),
    element("p", { className: "win", textContent: words })];
}

/** The learned map that the reader's stands against: of the open token, or the mean of all. */
const learnedMap = ({ learned, cells }) => state.token < 0 ? meanRow(learned, cells)
  : rowOf(learned, state.token, cells);

// Words: for screen readers, for the address, and below the picture

function settle() {
  if (scheduled) render(); // a busy browser has not drawn yet
  for (const column of columns) {
    const { seen, root } = column, { side, numMaps } = seen.network, cell = shownCell(column);
    const what = `What the network sees of ${seen.picture.name}.`;
    const map = state.mode === "paint" && column.main
      ? `Your map: ${describeMap(mapValues(state.painted), side)}.`
      : seen.maps && state.token >= 0 && state.token < numMaps
        ? `Token ${state.token + 1}: ${describeMap(mapOf(seen, state.token), side)}.` : "";
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
