// What the reader's hands do: tools, the large picture, the address; and how the page starts.
"use strict";

// Tools

function renderTools() {
  const entry = mainEntry(), { set, epochs } = entry, mask = maskOf(set, state.picture);
  const { side, ...network } = networkOf(entry), tokens = tokenCount(network);
  for (const tab of all("[role=tab]")) {
    const { mode } = tab.dataset, chosen = mode === state.mode;
    tab.hidden = (mode === "training" && !epochs) || (mode === "paint" && !tokens);
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    $(`#tools-${mode}`).hidden = !chosen;
  }
  reveal($("#modes"), $("#modes [aria-selected=true]"));
  if (epochs) {
    const epoch = epochOf(epochs), last = epochs.accuracy.length;
    $("[name=epoch]").max = last - 1;
    $("#epoch-words").textContent =
      `${epoch + 1} of ${last}: validation accuracy ${percent(epochs.accuracy[epoch])}`;
  }
  for (const box of all("#tools [name], #display [name]")) {
    const value = { tool: tool(), epoch: epochs && epochOf(epochs) }[box.name] ?? state[box.name];
    if (box.type === "radio") box.checked = box.value === value;
    else if (box.type === "checkbox") box.checked = value;
    else box.value = value;
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
  for (const radio of all("[name=maps]")) radio.disabled = !tokens;
  for (const button of all("[data-do=undo]")) button.disabled = !lastStep();
  $("#about").textContent = `This network runs in your browser. ${tokens
    ? `It reads the picture as ${side} × ${side} cells and goes on with ${tokens} tokens; each map `
      + "shows where one token reads. Open a token, or point at a cell."
    : "Choose another one to see maps."}`;
  $("#tour-start").hidden = !tokens;
  const off = tokensOff().map((token) => token + 1), changes = [
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
  past.push({ mode, network, ...(mode === "paint" ? { painted } : { picture, dabs, dx, dy, out }) });
  if (past.length > 200) past.shift();
}

function undo() {
  const step = lastStep();
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

function listenToPad(column, pad) {
  const placeOf = ({ clientX, clientY }) => { // as shares of the large picture
    const { left, top, width, height } = pad.getBoundingClientRect();
    return [(clientX - left) / width, (clientY - top) / height].map((share) => clamp(share, 0, 0.9999));
  };
  let drag = null; // the last place of a drag
  pad.onpointerdown = (event) => {
    if (event.button || !canDraw(column)) return;
    const place = placeOf(event);
    pad.setPointerCapture(event.pointerId);
    beginStep();
    drag = { from: place, last: place, dx: state.dx, dy: state.dy };
    act(column, place, drag);
  };
  pad.onclick = (event) => { // keep the cell that the pointer is on, or let it go
    const cell = cellAt(column, placeOf(event));
    if (!canDraw(column)) keepCell(column, state.cell === cell ? -1 : cell);
  };
  pad.onpointermove = (event) => {
    const place = placeOf(event);
    if (drag) {
      for (const between of line(drag.last, place)) act(column, between, drag);
      drag.last = place;
    }
    if (event.pointerType === "mouse" || drag) hoverOn({ cell: cellAt(column, place), column });
  };
  pad.onpointerup = pad.onpointercancel = () => { drag = null; };
  pad.onpointerleave = pad.onblur = () => hoverOn({ cell: -1 });
  pad.onkeydown = (event) => actByKey(column, event);
}

const cellAt = ({ seen: { network: { side } } }, [x, y]) =>
  Math.floor(y * side) * side + Math.floor(x * side);

/** Keep a cell; one of a grid unlike the first network's is shown only as long as one is there. */
function keepCell(column, cell) {
  if (sameGrid(columns[0], column)) change({ cell });
  else hoverOn({ cell, column });
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
  const { network: { extent: [first, last] }, set } = column.seen, { painted, pen, dabs } = state;
  if (state.mode === "paint") {
    const cell = cellAt(column, place);
    if (painted[cell] !== pen) change({ painted: painted.slice(0, cell) + pen + painted.slice(cell + 1) });
  } else if (tool() === MOVE) {
    const way = place.map((share, i) => Math.round((share - drag.from[i]) * (last - first)));
    change({ dx: drag.dx + way[0], dy: drag.dy + way[1], out: false });
  } else {
    const made = dab(tool(), ...place.map((share) => (first + share * (last - first)) / set.size));
    if (!dabs.endsWith(made)) change({ dabs: dabs + made });
  }
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function actByKey(column, event) {
  const { network: { side }, set } = column.seen, { key, shiftKey } = event, way = ARROWS[key];
  const cell = shownCell(column), place = [cell % side, Math.floor(cell / side)];
  const moves = state.mode === "picture" && tool() === MOVE && canDraw(column);
  if (way && moves) {
    const step = (shiftKey ? 8 : 2) * set.size / 64;
    beginStep();
    change({ dx: state.dx + way[0] * step, dy: state.dy + way[1] * step, out: false });
  } else if (way) { // the first arrow begins in the middle
    const [x, y] = place.map((at, i) => cell < 0 ? side >> 1 : clamp(at + way[i], 0, side - 1));
    keepCell(column, y * side + x);
  } else if ((key === "Enter" || key === " ") && canDraw(column) && !moves && cell >= 0) {
    beginStep();
    act(column, place.map((at) => (at + 0.5) / side), null);
  } else if (key === "Escape") {
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
  const box = $("#share-text"), note = $("#share-note");
  const own = state.picture === OWN ? " Your own picture is not part of it." : "";
  try {
    await navigator.clipboard.writeText(box.value);
    note.textContent = `Copied.${own}`;
  } catch { // not allowed in some frames
    box.focus();
    box.select();
    note.textContent = `Selected: copy it with Ctrl or ⌘ and C.${own}`;
  }
}

// Listening

function makeChoices() {
  const radio = (value, ...children) =>
    element("label", {}, element("input", { type: "radio", name: "tool", value }), ...children);
  $("#pens").append(radio(MOVE, "move the object"), ...Object.entries(PENS).map(([letter, pen]) => {
    const dot = element("i", { className: pen.square ? "swatch square" : "swatch", hidden: !pen.colour });
    dot.style.background = `rgb(${pen.colour})`;
    return radio(letter, dot, pen.name);
  }));
  $("#starts").append(...["learned", ...Object.keys(STARTS)].map((name) => {
    const button = element("button", { type: "button", textContent: name });
    button.onclick = () => {
      const { seen } = columns[0];
      beginStep();
      change({ painted: mapText(name === "learned" ? learnedMap(seen) : startMap(name, seen.network.side)) });
    };
    return button;
  }));
}

function listen() {
  document.addEventListener("input", ({ target: { name, type, checked, value } }) => {
    if (!(name in DEFAULTS)) return;
    const given = type === "checkbox" ? checked : value;
    change({ [name]: typeof DEFAULTS[name] === "number" ? Number(given) : given });
  });
  $("#filter").onchange = ({ target }) => {
    change({ filter: Number(target.value) });
    const { set } = mainEntry(), first = set.labels.findIndex((_, i) => isOffered(set, i));
    if (first >= 0 && (state.picture === OWN || !isOffered(set, state.picture))) choosePicture(first);
  };
  const clicks = {
    "#wrong": nextWrong, "#play": play, "#copy": copyShare, "[data-do=undo]": undo,
    "#open": () => readState($("#share-text").value),
    "#reset": () => change(UNCHANGED),
    "#all-tokens": () => change({ off: "" }),
    "#draw-again": () => change({ seed: state.seed + 1 }),
    "#take-out": () => { beginStep(); change({ out: !state.out }); },
  };
  for (const [selector, run] of Object.entries(clicks))
    for (const button of all(selector)) button.onclick = run;
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
  $("#modes").onkeydown = ({ key, target }) => {
    const tabs = all("[role=tab]:not([hidden])"), way = ARROWS[key]?.[0];
    if (!way) return;
    const next = tabs[(tabs.indexOf(target) + way + tabs.length) % tabs.length];
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
