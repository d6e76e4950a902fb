// What the mean of tokens forgets: they move, and it stays.
"use strict";

const start = data.tokens, count = start.length, order = range(count);
const meanOf = (tokens) => [0, 1].map((axis) => sum(tokens.map((token) => token[axis])) / count);
const limit = Math.max(1, ...start.flat().map(Math.abs)) * 1.4;
const mean = meanOf(start);
let tokens = structuredClone(start), flights = 0;

const ground = plane($("#plane"), limit);
const ghosts = order.map((i) => ground.arrow("", ofToken(i, "arrow ghost")));
const arrows = order.map((i) => ground.arrow(`${i + 1}`, ofToken(i, "arrow")));
const meanArrow = ground.arrow("mean", { class: "arrow strong" });
const knobs = order.map((i) => ground.knob(`token ${i + 1}`, (to) => drag(i, to)));
order.forEach((i) => ghosts[i](start[i]));

const row = (name, attributes, before) => {
  const now = html("td");
  $("tbody").append(html("tr", attributes, html("th", { scope: "row" }, name), html("td", {}, vector(before)), now));
  return now;
};
const cells = order.map((i) => row(`token ${i + 1}`, ofToken(i), start[i]));
const meanCell = row("mean", { class: "mean" }, mean);

function draw() {
  const now = meanOf(tokens);
  tokens.forEach((token, i) => {
    arrows[i](token);
    knobs[i](token);
    cells[i].textContent = vector(token);
  });
  meanArrow(now);
  meanCell.textContent = vector(now);
  const moved = sum(tokens.map((token, i) => Math.hypot(token[0] - start[i][0], token[1] - start[i][1]))) / count;
  const kept = Math.hypot(now[0] - mean[0], now[1] - mean[1]) < 5e-3;
  say(!kept ? `The mean has moved to ${vector(now)}.` : moved < 5e-3
    ? `${count} tokens, and their mean ${vector(now)}. A head that pools with the mean sees only this one.`
    : `The tokens have moved by ${number(moved)} on average, the mean not at all: it is still ${vector(now)}. A head `
      + "that pools with the mean gives the same answer.");
}

/** Move one token; if the mean is to stay, the others share the opposite way. */
function drag(i, to) {
  flights++;
  const give = $("#hold").checked ? -1 / (count - 1) : 0;
  const way = [0, 1].map((axis) => to[axis] - tokens[i][axis]);
  const next = tokens.map((token, j) => (j === i ? to : token.map((x, axis) => x + give * way[axis])));
  if (next.flat().some((x) => Math.abs(x) > limit * 1.001)) return; // one would leave the plane
  tokens = next;
  draw();
}

/** Let all tokens glide to new places. */
function glideTo(places) {
  const from = tokens, flight = ++flights; // a later move ends this one
  glide((share) => {
    if (flight !== flights) return false;
    const eased = share * share * (3 - 2 * share);
    tokens = from.map((token, i) => token.map((x, axis) => x + eased * (places[i][axis] - x)));
    draw();
  });
}

/** Change the ways from the mean to the tokens; their sum stays 0. */
function change(turned) {
  const now = meanOf(tokens);
  const ways = tokens.map((token) => turned(token[0] - now[0], token[1] - now[1]));
  const fits = Math.min(1, ...ways.flatMap((way) => way.map((x, axis) =>
    (limit - Math.sign(x) * now[axis]) / Math.max(Math.abs(x), 1e-9)))); // all stay in the plane
  glideTo(ways.map((way) => way.map((x, axis) => now[axis] + fits * x)));
}

$("#turn").onclick = () => change((x, y) => [-y, x]);
$("#spread").onclick = () => change((x, y) => [1.5 * x, 1.5 * y]);
$("#equal").onclick = () => change(() => [0, 0]);
$("#reset").onclick = () => glideTo(start);
draw();
