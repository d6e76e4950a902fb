// A Transformer block along its residual path: what attention and the MLP add to one token.
"use strict";

// Where each station stands: the stream is the token itself, the branch computes what is added.
const STATIONS = [["the token", "stream"], ["norm", "branch"], ["attention", "branch attention"], ["+", "stream"],
  ["norm", "branch"], ["MLP", "branch mlp"], ["+", "stream"]];
const WIRES = [[0, 1], [1, 2], [2, 3], [0, 3], [3, 4], [4, 5], [5, 6], [3, 6]]; // the two that skip are the stream
const SUMS = { 3: [0, "attention"], 6: [3, "mlp"] }; // what a sum adds to, and the colour of the part
const last = STATIONS.length - 1;
const { paths } = data; // for each setting of the switches (stations, tokens, numbers)
const [count, dim] = [paths["111"][0].length, paths["111"][0][0].length], pitch = 96 / dim;
const on = (id) => $(`#${id}`).checked;
const length = (values) => Math.hypot(...values);
let token = 0, step = last;

const wires = WIRES.map(([from, to]) => {
  const [ground, flow] = ["wire", "wire flow"].map((name) =>
    svg("path", { class: `${name} ${to - from === 3 ? "skip" : ""}`, pathLength: 1 }));
  $("#wires").append(ground, flow);
  return { from, to, ground, flow };
});

const stations = STATIONS.map(([name, kind], i) => {
  const chart = svg("svg", { viewBox: "0 -32 96 64" }, svg("path", { class: "axis", d: "M0 0H96" }));
  const bars = range(dim).map(() => [svg("rect", { width: .56 * pitch }),
    svg("rect", { width: .24 * pitch, class: SUMS[i]?.[1] ?? "" })]);
  chart.append(...bars.flat());
  const size = html("span", { class: "hint number" });
  const box = html("button", { type: "button", class: `station ${kind}`, onclick: () => go(i) }, html("b", {}, name), chart, size);
  box.style.setProperty("--place", i + 1);
  $("#block").append(box);
  return { box, bars, size };
});

/** Join the stations by curves; where they stand depends on the window. */
function joinStations() {
  const outer = $("#block").getBoundingClientRect();
  fill($("#wires"), { viewBox: `0 0 ${outer.width} ${outer.height}` });
  for (const { from, to, ground, flow } of wires) {
    const [[x1, y1], [x2, y2]] = [from, to].map((i) => {
      const box = stations[i].box.getBoundingClientRect();
      return [box.x - outer.x + box.width / 2, box.y - outer.y + box.height / 2];
    });
    const across = stations[0].box.offsetTop > stations[1].box.offsetTop; // the stream runs from left to right
    const d = across ? `M${x1} ${y1}C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}`
      : `M${x1} ${y1}C${x1} ${(y1 + y2) / 2} ${x2} ${(y1 + y2) / 2} ${x2} ${y2}`;
    for (const path of [ground, flow]) fill(path, { d });
  }
}

function words(path) {
  const value = vector(path[step]), name = `Token ${token + 1}`;
  const kept = path[0].every((x, i) => Math.abs(x - path[last][i]) < 1e-9);
  if (step === last) {
    return !on("skip") && !on("attention") && !on("mlp") ? "Without skip connections and with both parts at 0, nothing is left."
      : kept ? `${name} passes unchanged: ${value}. What is added is 0, and the skip connections carry the token.`
        : `${name} leaves as ${value}. Its length was ${number(length(path[0]))} and is ${number(length(path[last]))}.`;
  }
  const sum = (part) => (on("skip") ? `The token keeps what it was, and what ${part} says is added: ${value}.`
    : `Without the skip connection only what ${part} says goes on: ${value}.`);
  return [`${name} enters: ${value}.`,
    `LayerNorm brings the token’s numbers to mean 0 and deviation 1: ${value}. The path itself is not normalised.`,
    on("attention") ? `Attention reads all normalised tokens and says what to add to this one: ${value}.`
      : "Attention’s output weights are 0, so it adds nothing.",
    sum("attention"),
    `LayerNorm again, of the token as it is now: ${value}.`,
    on("mlp") ? `The MLP reads this token alone and says what to add: ${value}.`
      : "The MLP’s output weights are 0, so it adds nothing."][step];
}

function draw() {
  const path = paths[["skip", "attention", "mlp"].map((id) => Number(on(id))).join("")].map((each) => each[token]);
  const high = Math.max(...Object.values(paths).flatMap((each) => each.flatMap((x) => x[token].map(Math.abs))), 1e-9);
  const put = (bar, x, from, to) => fill(bar, { x, y: -Math.max(from, to) * 30 / high, height: Math.abs(to - from) * 30 / high });
  stations.forEach(({ box, bars, size }, i) => {
    const before = SUMS[i] && on("skip") ? path[SUMS[i][0]] : path[i].map(() => 0);
    bars.forEach(([whole, part], n) => {
      put(whole, pitch * (n + .1), 0, path[i][n]);
      put(part, pitch * (n + .7), SUMS[i] ? before[n] : 0, SUMS[i] ? path[i][n] : 0);
    });
    size.textContent = `length ${number(length(path[i]))}`;
    box.classList.toggle("ahead", i > step);
    if (i === step) box.setAttribute("aria-current", "step");
    else box.removeAttribute("aria-current");
    box.classList.toggle("off", (i === 2 && !on("attention")) || (i === 5 && !on("mlp")));
  });
  for (const { from, to, ground, flow } of wires) {
    const cut = to - from === 3 && !on("skip");
    ground.classList.toggle("cut", cut);
    flow.classList.toggle("reached", to <= step && !cut);
  }
  say(words(path));
}

choices($("#tokens"), range(count).map((i) => `${i + 1}`), (i) => { token = i; draw(); });
for (const box of all("#parts input")) box.onchange = draw;
const go = stepper(last, (to) => { step = to; draw(); }, 1100);
go(last);
new ResizeObserver(joinStations).observe($("#block"));
