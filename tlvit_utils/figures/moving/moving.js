// What the drawings share: elements, arrows in a plane with tips that one drags, and steps.
"use strict";

const range = (count) => Array.from({ length: count }, (_, i) => i);
const sum = (values) => values.reduce((total, value) => total + value, 0);
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** A number as text, with a true minus and without minus zero. */
const number = (value, digits = 2) => value.toFixed(digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "−");
const vector = (values) => `(${values.map((value) => number(value)).join(", ")})`;

/** Give an element attributes (`on…` are listeners) and children; a string becomes text, never HTML. */
function fill(element, attributes = {}, ...children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}
const html = (name, ...rest) => fill(document.createElement(name), ...rest);
const svg = (name, ...rest) => fill(document.createElementNS("http://www.w3.org/2000/svg", name), ...rest);

/** Attributes that give an element the colour of a token. */
const ofToken = (token, names = "") =>
  ({ class: `token ${names}`, style: `--c:${data.colours[token % data.colours.length]}` });

/** Fill a fieldset with one radio button per name, the first pressed; `choose` gets the index. */
function choices(fieldset, names, choose, attributes = () => ({})) {
  names.forEach((name, i) => {
    const radio = html("input", { type: "radio", name: fieldset.id, value: i, onchange: () => choose(i) });
    radio.checked = i === 0;
    fieldset.append(html("label", attributes(i), radio, name));
  });
}

let saying;
/** Show a sentence, and read it out when the hand rests. */
function say(text) {
  clearTimeout(saying);
  saying = setTimeout(() => { $("#words").textContent = text; }, 120);
}

/** A plane from −limit to limit in both directions, in the figure's svg. */
function plane(root, limit) {
  const scale = 92 / limit; // the svg is 200 units wide
  fill(root, { viewBox: "-100 -100 200 200", class: "plane" },
    svg("rect", { class: "ground", x: -100, y: -100, width: 200, height: 200, rx: 6 }),
    svg("path", { class: "axis", d: "M-100 0H100M0-100V100" }));
  const at = ([x, y]) => [x * scale, -y * scale];
  return {
    root, at,
    line(attributes) {
      const line = svg("line", attributes);
      root.append(line);
      return (from, to) => {
        const [[x1, y1], [x2, y2]] = [at(from), at(to)];
        fill(line, { x1, y1, x2, y2 });
      };
    },
    /** An arrow with a label; the function returned moves it. */
    arrow(label, attributes) {
      const line = svg("line"), head = svg("path", { d: "M1 0L-7 3.4L-7-3.4Z" }), text = svg("text", {}, label);
      const group = svg("g", attributes, line, head);
      root.append(group, text);
      return (to, from = [0, 0]) => {
        const [[x1, y1], [x2, y2]] = [at(from), at(to)];
        const long = Math.hypot(x2 - x1, y2 - y1), angle = Math.atan2(y2 - y1, x2 - x1);
        const back = Math.min(long, 5);
        fill(line, { x1, y1, x2: x2 - back * Math.cos(angle), y2: y2 - back * Math.sin(angle) });
        const size = Math.min(1, long / 8) * (group.classList.contains("strong") ? 1.35 : 1);
        fill(head, { transform: `translate(${x2} ${y2}) rotate(${angle * 180 / Math.PI}) scale(${size})` });
        fill(text, { visibility: long ? "visible" : "hidden", x: clamp(x2 + 10 * Math.cos(angle), -94, 94), y: clamp(y2 + 10 * Math.sin(angle), -94, 94) });
      };
    },
    /** A tip that mouse, touch and arrow keys move; `move` gets where it shall be. */
    knob(label, move) {
      let place = [0, 0];
      const go = (x, y) => move([clamp(x, -limit, limit), clamp(y, -limit, limit)]);
      const circle = svg("circle", { class: "knob", r: 10, tabindex: 0, role: "slider", "aria-label": label,
        "aria-valuemin": -limit, "aria-valuemax": limit });
      circle.onpointerdown = (event) => circle.setPointerCapture(event.pointerId);
      circle.onpointermove = (event) => {
        if (!circle.hasPointerCapture(event.pointerId)) return;
        const box = root.getBoundingClientRect(), unit = box.width / 200;
        go((event.clientX - box.x - box.width / 2) / unit / scale, (box.y + box.height / 2 - event.clientY) / unit / scale);
      };
      circle.onkeydown = (event) => {
        if (isShortcut(event)) return;
        const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [];
        if (x === undefined) return;
        event.preventDefault();
        const step = event.shiftKey ? .5 : .1;
        go(place[0] + x * step, place[1] + y * step);
      };
      root.append(circle);
      return (to) => {
        place = to;
        const [cx, cy] = at(to);
        fill(circle, { cx, cy, "aria-valuenow": number(to[0]).replace("−", "-"), "aria-valuetext": vector(to) });
      };
    },
  };
}

/** Wire the buttons and the slider of a `.stepper`; returns a function that goes to a step. */
function stepper(last, show, wait = 500) {
  const slider = $("#step"), play = $("#play");
  let timer = 0, step = last;
  slider.max = last;
  const stop = () => { clearInterval(timer); timer = 0; play.textContent = "Play"; };
  const go = (to) => {
    step = clamp(to, 0, last);
    slider.value = step;
    show(step);
  };
  play.onclick = () => {
    if (timer) return stop();
    go(step === last ? 0 : step + 1);
    play.textContent = "Pause";
    timer = setInterval(() => { go(step + 1); if (step === last) stop(); }, wait);
  };
  const jump = (to) => { stop(); go(to); };
  slider.oninput = () => jump(Number(slider.value));
  $("#back").onclick = () => jump(step - 1);
  $("#next").onclick = () => jump(step + 1);
  return jump;
}

/** Call `draw` with a share that runs from 0 to 1; at once with 1 where motion is not wanted. */
function glide(draw, milliseconds = 700) {
  const start = performance.now();
  const frame = (now) => {
    const share = still.matches ? 1 : clamp((now - start) / milliseconds, 0, 1);
    if (draw(share) !== false && share < 1) requestAnimationFrame(frame);
  };
  frame(start);
}
