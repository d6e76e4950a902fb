// An image falls apart into patches, and the patches become a sequence of tokens.
"use strict";

const { size, sizes, pixels } = data; // pixels: size × size × 3, 0..255, row by row
const GAP = 4, LABEL = 13; // between the tiles, and below each for its number
const CHANNELS = ["red", "green", "blue"];
let patch = sizes[0], token = 0, apart = 1, tiles = [], places = [], moving = 0;

const canvas = $("#picture"), context = canvas.getContext("2d");
canvas.width = canvas.height = size;
const image = context.createImageData(size, size);
for (const i of range(size * size)) image.data.set([...pixels.slice(3 * i, 3 * i + 3), 255], 4 * i);
context.putImageData(image, 0, 0);
const picture = `url(${canvas.toDataURL()})`;

/** Where the picture and every tile stand, for the width there is. */
function arrange() {
  const width = $("#stage").clientWidth, grid = size / patch, count = grid * grid, wide = width >= 640;
  const side = wide ? Math.min(360, .42 * width) : Math.min(280, width);
  const [left, top] = wide ? [side + 36, 0] : [0, side + 22], room = width - left;
  const fit = Math.sqrt(room * (wide ? side : 1.2 * side) / count) - GAP - LABEL / 2;
  const tile = clamp(fit, 9, side / grid);
  const label = tile >= 17 ? LABEL : 0, columns = Math.min(count, Math.floor((room + GAP) / (tile + GAP)));
  places = range(count).map((i) => ({
    from: [side / grid * (i % grid), side / grid * Math.floor(i / grid), side / grid],
    to: [left + (tile + GAP) * (i % columns), top + (tile + GAP + label) * Math.floor(i / columns), tile],
  }));
  canvas.style.width = `${side}px`;
  const bottom = top + (tile + GAP + label) * Math.ceil(count / columns);
  $("#stage").style.height = `${Math.max(side, bottom)}px`;
  $("#tiles").classList.toggle("numbered", label > 0);
  move();
}

/** Put every tile where it is on its way; the first leave first. */
function move() {
  tiles.forEach((tile, i) => {
    const share = clamp(1.7 * apart - .7 * i / tiles.length, 0, 1), eased = share * share * (3 - 2 * share);
    const [x, y, side] = range(3).map((k) => places[i].from[k] + eased * (places[i].to[k] - places[i].from[k]));
    const pixel = side / patch, [column, row] = [i % (size / patch), Math.floor(i / (size / patch))];
    tile.style.transform = `translate(${x}px, ${y}px)`;
    tile.firstChild.style.cssText = `width:${side}px;height:${side}px;background:${picture};`
      + `background-size:${pixel * size}px;background-position:${-side * column}px ${-side * row}px`;
  });
  mark();
}

/** Show the chosen token in the picture and in the sequence, and its numbers. */
function mark() {
  tiles.forEach((tile, i) => tile.classList.toggle("current", i === token));
  const { from: [x, y, side], to: [u, v, tile] } = places[token];
  const wide = u > x + side;
  const [x1, y1, x2, y2] = wide ? [x + side, y + side / 2, u, v + tile / 2] : [x + side / 2, y + side, u + tile / 2, v];
  const middle = wide ? `${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2}` : `${x1} ${(y1 + y2) / 2} ${x2} ${(y1 + y2) / 2}`;
  fill($("#link path"), { d: apart < 1 ? `M${x} ${y}h${side}v${side}h${-side}Z`
    : `M${x} ${y}h${side}v${side}h${-side}ZM${x1} ${y1}C${middle} ${x2} ${y2}` });
  const grid = size / patch, [row, column] = [Math.floor(token / grid), token % grid];
  const values = range(patch * patch).flatMap((i) => {
    const first = 3 * (size * (patch * row + Math.floor(i / patch)) + patch * column + i % patch);
    return pixels.slice(first, first + 3);
  });
  fill($("#strip"), { viewBox: `0 0 ${values.length} 60` });
  CHANNELS.forEach((name, channel) => $(`#strip .${name}`).setAttribute("d", values.map((value, i) =>
    (i % 3 === channel ? `M${i + .5} 60v${-Math.max(.5, 60 * value / 255)}` : "")).join("")));
  $("#count").textContent = `${patch} × ${patch} × 3 = ${values.length} numbers: pixel after pixel, row by row, each its red, `
    + "green and blue.";
  $("#token").value = token;
  say(`${size} × ${size} pixels are ${grid} × ${grid} = ${grid * grid} patches of ${patch} × ${patch}. Token ${token} is `
    + `the patch in row ${row}, column ${column}.`);
}

/** Cut the picture into patches of this size. */
function cut(index) {
  patch = sizes[index];
  const count = (size / patch) ** 2;
  token = Math.min(token, count - 1);
  $("#token").max = count - 1;
  tiles = range(count).map((i) => html("div", { class: "tile" }, html("i"), html("span", {}, `${i}`)));
  tiles.forEach((tile, i) => { tile.onpointerenter = tile.onpointerdown = () => choose(i); });
  $("#tiles").replaceChildren(...tiles);
  arrange();
}

function choose(to) {
  token = to;
  mark();
}

/** Take the picture apart (to 1) or put it together (to 0). */
function take(to) {
  const from = apart, flight = ++moving; // a new flight ends the one before
  $("#apart").textContent = to ? "Put together" : "Take apart";
  glide((share) => {
    if (flight !== moving) return false;
    apart = from + share * (to - from);
    move();
    $("#tiles").classList.toggle("landed", apart === 1);
  }, 1400);
  $("#apart").onclick = () => take(1 - to);
}

$("#strip").append(...CHANNELS.map((name) => svg("path", { class: name })));
canvas.onpointermove = canvas.onpointerdown = (event) => {
  const grid = size / patch, [row, column] = [event.offsetY, event.offsetX].map((at) =>
    clamp(Math.floor(at / canvas.clientWidth * grid), 0, grid - 1));
  choose(row * grid + column);
};
choices($("#sizes"), sizes.map((each) => `${each}`), (i) => { cut(i); apart = 0; take(1); });
$("#token").oninput = (event) => choose(Number(event.target.value));
cut(0);
take(1);
new ResizeObserver(arrange).observe($("#stage"));
