// What the reader's hands do: tools, the large picture, the address; and how the page starts.
"use strict";

// Tools

function renderTools() {
  const { set, epochs } = mainEntry(), { mask } = pictureOf(set), { side, numMaps } = networkOf(mainEntry());
  const { mode, beside } = state;
  for (const each of Object.keys(CHOICES.mode)) $(`#tools-${each}`).hidden = each !== mode;
  $("[name=mode] [value=training]").parentNode.hidden = !epochs;
  $("[name=mode] [value=paint]").parentNode.hidden = $("#tour-start").hidden = !numMaps;
  const shown = { ...state, tool: tool(), epoch: epochs && epochOf(epochs) };
  if (epochs) renderCurve(epochs, shown.epoch);
  for (const box of all("input[name]:not([type=radio]), select[name]"))
    box[box.type === "checkbox" ? "checked" : "value"] = shown[box.name];
  for (const name of ["picture", ...Object.keys(CHOICES)])
    $(`input[name=${name}][value="${shown[name]}"]`).checked = true;
  $("#finished").textContent = `The bars are always those of the finished network${
    beside && placeInEpochs(entryOf(beside)) < 0 ? ", and so are the maps beside" : ""}.`;
  $("#play").textContent = playing ? "Stop" : "Play";
  $("#take-out").hidden = $(`[value=${MOVE}]`).parentNode.hidden = !mask;
  $("#take-out").textContent = state.out ? "Put the object back" : "Take the object out";
  $("#painter").textContent = paintedToken() < 0
    ? "You paint for every token; the small maps are the learned ones. Open one to paint only for that one."
    : `You paint for token ${paintedToken() + 1}; the others keep their maps. The small maps are the learned ones.`;
  $("#other").hidden = state.maps !== "other";
  for (const radio of all("[name=maps] input")) radio.disabled = !mostMaps();
  $("#about").textContent = `This network runs in your browser. ${numMaps
    ? `It reads the picture as ${side} × ${side} cells and goes on with ${numMaps} tokens; each map `
      + "shows where one token reads, and their mean lights the large picture. Open a token, or point at a cell."
    : "It has no maps to show."}`;
  const changes = wordsOfChanges();
  $("#changes").hidden = mode === "training" || (mode === "look" && !changes.length);
  $("#changes span").textContent = `Changed: ${changes.join("; ") || "nothing yet"}.`;
  for (const [id, isOn] of [["undo", past.some(differs)], ["reset", changes.length]]) {
    if (!isOn && document.activeElement.id === id) $(".pad").focus({ preventScroll: true });
    $(`#${id}`).disabled = !isOn;
  }
}

function wordsOfChanges() {
  const off = tokensOff().map((token) => token + 1);
  return [
    state.dabs && "painted on the picture", state.out && "object taken out",
    !state.out && (state.dx || state.dy) && "object moved", state.seed && "random weights",
    off.length && `without token${off.length > 1 ? "s" : ""} ${off.join(", ")}`,
    { flat: "flat maps", mean: "mean map", other: `maps of picture ${state.other + 1}` }[state.maps],
    state.mode === "paint" && isPainted() && "your map",
  ].filter(Boolean);
}

/** Scroll a row sideways to what has been chosen in it, once; the page itself stays where it is. */
function reveal(row, chosen) {
  if (!chosen || row.revealed === chosen) return;
  row.scrollLeft = chosen.offsetLeft - row.offsetLeft - (row.clientWidth - chosen.offsetWidth) / 2;
  row.revealed = chosen;
}

/** The accuracy after each epoch as a dot; the slider lies over the dots, so that one can click them. */
function renderCurve({ val_accuracy: accuracy }, chosen) {
  const [low, high] = limitsOf(accuracy), slider = $("[name=epoch]");
  $(".dots").replaceChildren(...accuracy.map((value, epoch) => element("i", {
    className: epoch === chosen ? "now" : "", style: `--height: ${(value - low) / (high - low || 1)}` })));
  slider.max = accuracy.length - 1;
  $("#epoch-words").textContent = slider.ariaValueText = `epoch ${chosen + 1} of ${accuracy.length}: `
    + `validation accuracy ${percent(accuracy[chosen])}`;
}

let playing; // the timer that goes from epoch to epoch

/** Play the training, from its beginning where it is at its end; or stop. */
function play() {
  const { epochs } = mainEntry(), isAtEnd = !epochs || epochOf(epochs) === lastEpoch(epochs);
  playing = playing ? clearInterval(playing) : setInterval(() => {
    if (state.mode !== "training" || state.epoch === lastEpoch(mainEntry().epochs)) play();
    else change({ epoch: state.epoch + 1 });
  }, 400);
  change(playing && isAtEnd ? { epoch: 0 } : {});
}

// Hands on the large picture

function listenToPad(column, pad) {
  const placeOf = ({ clientX, clientY }) => {
    const { left, top, width, height } = pad.getBoundingClientRect();
    return [(clientX - left) / width, (clientY - top) / height].map((share) => clamp(share, 0, 0.9999));
  };
  let drag = null;
  pad.onpointerdown = (event) => {
    if (event.button || !event.isPrimary || !canDraw(column)) return;
    const place = placeOf(event);
    pad.setPointerCapture(event.pointerId);
    beginStep();
    drag = { from: place, last: place, dx: state.dx, dy: state.dy };
    act(column, place, drag);
  };
  pad.onclick = (event) => canDraw(column) || keepCell(placeOf(event));
  pad.onpointermove = (event) => {
    if (!event.isPrimary) return; // a second finger
    const place = placeOf(event);
    if (!event.buttons) drag = null; // a menu can take the release
    if (drag) {
      for (const between of line(drag.last, place)) act(column, between, drag);
      drag.last = place;
    }
    if (event.pointerType === "mouse" || drag) hoverOn({ place });
  };
  pad.onpointerup = pad.onpointercancel = ({ isPrimary }) => { if (isPrimary) drag = null; };
  pad.onpointerleave = pad.onblur = () => hoverOn({ place: null });
  pad.onkeydown = (event) => actByKey(column, event);
}

/** Keep the cell at a place, or let it go. */
function keepCell(place) {
  const cell = cellAt(place, networkOf(mainEntry()).side);
  change({ cell: state.cell === cell ? -1 : cell });
}

/** Places on the way from one to another, so that a fast hand leaves no gaps. */
function line([x0, y0], [x1, y1]) {
  const steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) * 24));
  return Array.from({ length: steps }, (_, i) =>
    [x0 + (x1 - x0) * (i + 1) / steps, y0 + (y1 - y0) * (i + 1) / steps]);
}

const canDraw = (column) => isPainting(column)
  || (state.mode === "picture" && column.entry.set === mainEntry().set);

/** What a hand does at a place of the view: move the object, dab on the picture, paint the map. */
function act({ seen: { network: { side, cells, extent: [first, last] }, set } }, place, drag) {
  const { pen, dabs } = state, painted = state.painted.padEnd(cells, "0");
  if (state.mode === "paint") {
    const cell = cellAt(place, side);
    change({ painted: painted.slice(0, cell) + pen + painted.slice(cell + 1) });
  } else if (tool() === MOVE) {
    const way = place.map((share, i) => Math.round((share - drag.from[i]) * (last - first)));
    change({ dx: drag.dx + way[0], dy: drag.dy + way[1], out: false });
  } else {
    const made = dab(tool(), ...place.map((share) => (first + share * (last - first)) / set.size));
    if (!dabs.endsWith(made)) change({ dabs: dabs + made });
  }
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The arrow keys point at a cell, or move the object. */
function actByKey(column, event) {
  if (isShortcut(event)) return;
  const { network: { side }, set } = column.seen, { key, shiftKey } = event, way = ARROWS[key];
  const cell = shownCell(column), moves = isMoving() && canDraw(column);
  if (way && moves) {
    const far = Math.max(1, Math.round((shiftKey ? 8 : 2) * set.size / 64));
    step({ dx: state.dx + way[0] * far, dy: state.dy + way[1] * far, out: false });
  } else if (way) { // the first arrow begins in the middle
    const at = cell < 0 ? [0.5, 0.5] : centreOf(cell, side).map((share, i) => share + way[i] / side);
    hoverOn({ place: at.map((share) => clamp(share, 0, 0.9999)) });
  } else if ((key === "Enter" || key === " ") && cell >= 0 && !moves) {
    if (!canDraw(column)) keepCell(centreOf(cell, side));
    else {
      beginStep();
      act(column, centreOf(cell, side));
    }
  } else if (key === "Escape") {
    hover.place = null;
    change({ cell: -1 });
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
  const copied = await navigator.clipboard?.writeText(box.value).then(() => true, () => false);
  if (!copied) {
    box.focus(); // Firefox and Safari select without it, and would copy nothing
    box.select();
  }
  $("#share-note").textContent = (copied ? "Copied." : "Selected. Press Ctrl+C or ⌘C to copy it.")
    + (state.picture === OWN ? " Your own picture is not part of it." : "");
}

// Listening

function makeChoices() {
  const names = entries.map(({ id, set, model }) =>
    [sets.length > 1 ? `${model.name} (${set.size} px)` : model.name, id]);
  for (const label of all(".network")) {
    label.lastChild.append(...names.map((each) => new Option(...each)));
    label.hidden = entries.length < 2;
  }
  for (const fields of all("fieldset[name]"))
    fields.append(...Object.entries(CHOICES[fields.name]).map(([value, choice]) => {
      const { name = choice, colour, square } = choice, swatch = colour ? [element("i",
        { className: square ? "swatch square" : "swatch", style: `background:rgb(${colour})` })] : [];
      const radio = element("input", { type: "radio", name: fields.name, value });
      return element("label", {}, radio, ...swatch, name);
    }));
}

function listen() {
  document.oninput = ({ target: { name, type, checked, value } }) => {
    if (!(name in DEFAULTS)) return;
    const given = type === "checkbox" ? checked : value;
    const patch = { [name]: typeof DEFAULTS[name] === "number" ? Number(given) : given };
    if (["filter", "mode", "network"].includes(name)) $("#note").textContent = "";
    if (name === "picture" || (name === "network" && entryOf(value).set !== mainEntry().set)) return begin(patch);
    (name in UNCHANGED ? step : change)(patch);
  };
  const clicks = {
    wrong: nextWrong, play, copy: copyShare,
    undo: () => change(past.splice(past.findLastIndex(differs))[0]), reset: () => begin(UNCHANGED),
    random: () => step({ seed: state.seed + 1 }), "take-out": () => step({ out: !state.out }),
  };
  for (const [id, run] of Object.entries(clicks)) $(`#${id}`).onclick = run;
  $("#share").onsubmit = () => {
    $("#share-note").textContent = readState($("#share-text").value) ? "" : "This text holds no view.";
    return false;
  };
  $("#file").onchange = ({ target }) => {
    takeFile(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  };
  document.ondragover = document.ondrop = (event) => {
    if (!event.dataTransfer.types.includes("Files")) return; // text, for the box
    event.preventDefault();
    takeFile(event.dataTransfer.files[0]);
  };
  document.onpaste = ({ clipboardData }) => takeFile(clipboardData.files[0]);
  addEventListener("hashchange", () => readState(location.hash));
}

/** For tests and the curious: what the shown network says of pixels (0..255, rows of RGB). */
window.tokenlearner = { run(pixels) {
  const { probabilities, maps } = networkOf(mainEntry(), state.seed).run(pixels);
  return { probabilities, maps };
} };

makeChoices();
listen();
readState(location.hash) || begin({});
settle();
