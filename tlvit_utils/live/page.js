// What the reader's hands do: tools, the large picture, the address; and how the page starts.
"use strict";

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
    if (box.type !== "radio" && box.type !== "checkbox") box.value = value;
  }
  $("#outline").hidden = $("#take-out").hidden = $(`[value=${MOVE}]`).parentNode.hidden = !mask;
  $("#take-out").textContent = state.out ? "Put the object back" : "Take the object out";
  $("#painter").textContent = state.token < 0
    ? "You paint for every token. Open one to paint for it alone."
    : `You paint for token ${state.token + 1}; the others keep their maps.`;
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

// Undo goes back through what was done in this mode, to this network's map or to this picture

const past = [];
const lastStep = () => past.findLast(({ mode, network, picture = state.picture }) =>
  mode === state.mode && network === state.network && picture === state.picture);

function beginStep() {
  const { mode, network, picture, dabs, dx, dy, out, painted } = state;
  past.push(mode === "paint" ? { mode, network, painted }
    : { mode, network, picture, dabs, dx, dy, out });
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
    if (event.button || !canDraw(column)) return;
    const place = placeOf(pad, event);
    pad.setPointerCapture(event.pointerId);
    beginStep();
    drag = { from: place, last: place, dx: state.dx, dy: state.dy };
    act(column, place, drag);
  };
  pad.onclick = (event) => { // keep the cell that the pointer is on, or let it go
    const cell = cellAt(column, placeOf(pad, event));
    if (!canDraw(column)) keepCell(column, state.cell === cell ? -1 : cell);
  };
  pad.onpointermove = (event) => {
    const place = placeOf(pad, event);
    if (drag) {
      for (const between of line(drag.last, place)) act(column, between, drag);
      drag.last = place;
    }
    if (event.pointerType === "mouse" || drag) hoverCell(column, cellAt(column, place));
  };
  pad.onpointerup = pad.onpointercancel = () => { drag = null; };
  pad.onpointerleave = () => hoverCell(column, -1);
  pad.onblur = () => hoverCell(column, -1);
  pad.onkeydown = (event) => actByKey(column, event);
}

function hoverCell(column, cell) {
  Object.assign(hover, { cell, column });
  schedule();
}

/** Keep a cell; one of a grid unlike the first network's is shown only as long as one is there. */
function keepCell(column, cell) {
  if (sameGrid(columns[0], column)) change({ cell });
  else hoverCell(column, cell);
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
  const cell = shownCell(column), middle = Math.floor(rows / 2) * across + Math.floor(across / 2);
  const moves = state.mode === "picture" && tool() === MOVE && canDraw(column);
  if (way && moves) {
    const step = (event.shiftKey ? 8 : 2) * set.size / 64;
    beginStep();
    change({ dx: state.dx + way[0] * step, dy: state.dy + way[1] * step, out: false });
  } else if (way) {
    const [dx, dy] = cell < 0 ? [0, 0] : way, from = cell < 0 ? middle : cell;
    keepCell(column, clamp(Math.floor(from / across) + dy, 0, rows - 1) * across
      + clamp(from % across + dx, 0, across - 1));
  } else if ((event.key === "Enter" || event.key === " ") && canDraw(column) && !moves && cell >= 0) {
    beginStep();
    act(column, [(cell % across + 0.5) / across, (Math.floor(cell / across) + 0.5) / rows], null);
  } else if (event.key === "Escape") {
    keepCell(column, -1);
  } else return;
  event.preventDefault();
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
  const learned = state.token < 0 ? meanMap(seen.learned, seen.cells).subarray(0, seen.cells)
    : mapOf(seen, state.token, seen.learned);
  beginStep();
  change({ painted: mapText(name === "learned" ? learned : startMap(name, rows, across)) });
}

function listen() {
  document.addEventListener("input", ({ target }) => {
    if (!(target.name in DEFAULTS)) return;
    const text = target.type === "checkbox" ? target.checked : target.value;
    const value = typeof DEFAULTS[target.name] === "number" ? Number(text) : text;
    change({ [target.name]: value });
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
render();
setTimeout(guessAhead, 500);
