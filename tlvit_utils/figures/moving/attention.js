// Queries, keys and values as arrows in the plane: one token asks, and all answer by their weights.
"use strict";

const { names } = data, tokens = range(names.length), usual = Math.SQRT1_2;
const largest = (...lists) => Math.max(1, ...lists.flat(2).map(Math.abs)) * 1.15;
let { queries, keys, values } = structuredClone(data);
let asks = 0, scale = usual;

const dot = (a, b) => a[0] * b[0] + a[1] * b[1];

/** Weights that sum to 1. */
function softmax(scores) {
  const high = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - high));
  return powers.map((power) => power / sum(powers));
}

const left = plane($("#keys"), largest(queries, keys)), right = plane($("#values"), largest(values));
const along = left.line({ class: "guide" });
const feet = tokens.map((i) => left.line(ofToken(i, "guide")));
const keyArrows = tokens.map((i) => left.arrow(`k${i + 1}`, ofToken(i, "arrow")));
const queryArrows = tokens.map((i) => left.arrow(`q${i + 1}`, ofToken(i, "arrow strong")));
const valueArrows = tokens.map((i) => right.arrow(`v${i + 1}`, ofToken(i, "arrow faint")));
const parts = tokens.map((i) => right.line(ofToken(i, "part")));
const output = right.arrow("output", { class: "arrow output" });
const keyKnobs = tokens.map((i) => left.knob(`key of ${names[i]}`, (to) => { keys[i] = to; draw(); }));
const valueKnobs = tokens.map((i) => right.knob(`value of ${names[i]}`, (to) => { values[i] = to; draw(); }));
const queryKnob = left.knob("query", (to) => { queries[asks] = to; draw(); });

const rows = tokens.map((i) => {
  const [score, scaled, weight] = range(3).map(() => html("td"));
  const bar = html("div", ofToken(i));
  $("tbody").append(html("tr", {}, html("th", { scope: "row" }, names[i]), score, scaled, weight,
    html("td", { class: "bar" }, bar)));
  return { score, scaled, weight, bar };
});

const side = 20, matrix = tokens.map((row) => tokens.map((column) => {
  const square = svg("rect", ofToken(column, "weight"));
  $("#matrix").append(square);
  return square;
}));
const whole = side * names.length + 14;
fill($("#matrix"), { viewBox: `0 0 ${whole} ${whole}`, style: `width:${1.9 * whole}px` });
const asked = svg("rect", { class: "frame", width: side * names.length, height: side, x: 13, rx: 3 });
$("#matrix").append(asked, ...tokens.flatMap((i) => [
  svg("text", { x: 13 + side * (i + .5), y: 6 }, `k${i + 1}`),
  svg("text", { x: 6, y: 13 + side * (i + .5) }, `q${i + 1}`)]));

/** Draw the weights of every query as squares whose areas are the weights. */
function drawMatrix() {
  for (const row of tokens) {
    const weights = softmax(keys.map((key) => scale * dot(queries[row], key)));
    for (const column of tokens) {
      const width = (side - 2) * Math.sqrt(weights[column]), edge = 13 + (side - width) / 2;
      fill(matrix[row][column], { x: edge + side * column, y: edge + side * row, width, height: width });
    }
  }
  fill(asked, { y: 13 + side * asks });
}

function draw() {
  drawMatrix();
  const query = queries[asks];
  const scores = keys.map((key) => dot(query, key));
  const weights = softmax(scores.map((score) => score * scale));
  const far = 3 * largest(queries, keys) / Math.max(Math.hypot(...query), 1e-6);
  along(query.map((x) => -far * x), query.map((x) => far * x));
  let tail = [0, 0];
  for (const i of tokens) {
    const share = scores[i] / Math.max(dot(query, query), 1e-9);
    feet[i](keys[i], query.map((x) => share * x));
    keyArrows[i](keys[i]);
    keyKnobs[i](keys[i]);
    queryArrows[i](i === asks ? query : [0, 0]);
    valueArrows[i](values[i]);
    valueKnobs[i](values[i]);
    const tip = [0, 1].map((axis) => tail[axis] + weights[i] * values[i][axis]);
    parts[i](tail, tip);
    tail = tip;
    const row = rows[i];
    [row.score.textContent, row.scaled.textContent, row.weight.textContent] =
      [number(scores[i]), number(scores[i] * scale), `${number(100 * weights[i], 1)} %`];
    row.bar.style.width = `${100 * weights[i]}%`;
  }
  queryKnob(query);
  output(tail);
  $("#scale").value = scale;
  $("#scale + output").textContent = number(scale);
  const first = weights.indexOf(Math.max(...weights));
  const same = Math.max(...weights) - Math.min(...weights) < 1e-3;
  say(`${names[asks]} asks with ${vector(query)}. ${same ? "All keys get the same weight, so the output is the mean "
    + "of the values" : `Most weight, ${number(100 * weights[first], 0)} %, goes to ${names[first]}`}. `
    + `The output is ${vector(tail)}.`);
}

choices($("#asks"), names, (i) => { asks = i; draw(); }, (i) => ofToken(i));
$("#scale").oninput = (event) => { scale = Number(event.target.value); draw(); };
$("#usual").onclick = () => { scale = usual; draw(); };
$("#reset").onclick = () => { ({ queries, keys, values } = structuredClone(data)); scale = usual; draw(); };
draw();
