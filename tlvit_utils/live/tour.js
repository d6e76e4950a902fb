// A guided tour: before each step the reader predicts what will happen, then the network shows it.
// No answer is written here; each is measured on the picture and the network that are shown.
"use strict";

const TOUR = [
  {
    ask: () => "A token is a weighted sum of all cells of the picture, and its map is the weights. "
      + "Token 1 opens next. How much of the picture holds half of its weight?",
    guesses: ["less than a quarter", "a quarter or more"],
    act: () => change({ token: 0 }),
    tell({ seen }) {
      const needed = describeMap(mapOf(seen, 0), seen.network.rows, seen.network.columns)
        .match(/lies on (\d+)/)[1];
      return [needed < seen.cells / 4 ? 0 : 1,
        `${needed} of ${seen.cells} cells hold half of it. The cells have flown into the token.`];
    },
  },
  {
    ask: ({ seen }) => `There are ${seen.network.numTokens} tokens, and each has a map of its own. `
      + "Do they read the same places?",
    guesses: ["mostly the same", "mostly different ones"],
    act: () => change({ token: -1 }),
    tell({ seen }) {
      const shared = overlap(seen);
      return [shared > 0.5 ? 0 : 1, `Two of the maps share ${percent(shared, 0)} of their weight `
        + "on average; 100 % would be the same map twice."];
    },
  },
  {
    fits: ({ seen }) => maskOf(seen.set, seen.picture),
    ask: ({ name }) => `The ${name} moves as far as it can. Where will the maps go?`,
    guesses: ["they follow it", "they stay"],
    act: ({ seen }) => change({ mode: "picture", tool: MOVE, ...farthestMove(seen) }),
    tell({ seen, before }) {
      const [from, to] = [centreOf(before), centreOf(seen)];
      const way = [state.dx, state.dy].map((pixels) => pixels / seen.set.size);
      const length = way[0] ** 2 + way[1] ** 2 || 1;
      const part = ((to[0] - from[0]) * way[0] + (to[1] - from[1]) * way[1]) / length;
      return [part > 0.5 ? 0 : 1, `The centre of their weight went ${percent(part, 0)} of the way. `
        + "Drag it about and watch."];
    },
  },
  {
    fits: ({ seen }) => !maskOf(seen.set, seen.picture),
    ask: () => "A grey patch comes over the cell that token 1 reads most. Will it read there as much?",
    guesses: ["as much, or more", "less"],
    act: ({ seen }) => change({ mode: "picture", tool: "p", token: 0, dabs: patchOnStrongest(seen) }),
    tell({ seen, before }) {
      const map = mapOf(before, 0), cell = map.indexOf(limitsOf(map)[1]);
      const [from, to] = [before, seen].map((each) => sharesOn(each, cell)[0]);
      return [to >= 0.9 * from ? 0 : 1, `${percent(from)} of its weight lay on this cell; now it is `
        + `${percent(to)}. Paint more, or erase it.`];
    },
  },
  {
    ask: ({ name }) => "The token that matters most is left out. How far does the probability of "
      + `${name} fall?`,
    guesses: ["by 20 points or more", "by less"],
    act: ({ seen }) => change({ mode: "network", off: String(mostImportant(seen)) }),
    tell({ seen, before }) {
      const [from, to] = [before, seen].map(({ probabilities }) => probabilities[seen.label]);
      return [from - to >= 0.2 ? 0 : 1, `Without token ${Number(state.off) + 1} it goes from `
        + `${percent(from)} to ${percent(to)}.`];
    },
  },
  {
    ask: () => "All maps become flat, so that every token reads every cell alike. Does the network "
      + "give the same answer?",
    guesses: ["the same", "another"],
    act: () => change({ mode: "network", maps: "flat" }),
    tell({ seen, before }) {
      const [from, to] = [before, seen].map(({ probabilities }) => bestOf(probabilities));
      return [from === to ? 0 : 1, `It said ${seen.set.class_names[from]}; with flat maps it says `
        + `${seen.set.class_names[to]}. One picture proves little: try others.`];
    },
  },
  {
    ask: ({ name }) => "Now you are the TokenLearner. We begin with a map of the centre for every "
      + `token. Does it give ${name} more than the learned maps do?`,
    guesses: ["yes", "no"],
    act: ({ seen: { network: { rows, columns } } }) => change({ mode: "paint", token: -1,
      painted: mapText(startMap("centre", rows, columns)) }),
    tell({ seen, before }) {
      const [from, to] = [before, seen].map(({ probabilities }) => probabilities[seen.label]);
      return [to > from ? 0 : 1, `${percent(to)} with the centre, ${percent(from)} with the learned `
        + "maps. Drag over the picture to do better."];
    },
  },
];

/** The weight that two maps share, from 0 to 1, on average over all pairs. */
function overlap(seen) {
  const maps = Array.from({ length: seen.network.numTokens }, (_, token) => mapOf(seen, token));
  const sums = maps.map((map) => map.reduce((a, b) => a + b, 0) || 1);
  let total = 0, pairs = 0;
  for (let i = 0; i < maps.length; i++)
    for (let j = 0; j < i; j++, pairs++)
      maps[i].forEach((value, cell) => { total += Math.min(value / sums[i], maps[j][cell] / sums[j]); });
  return total / (pairs || 1);
}

/** The centre of the weight of all maps, as shares of the picture's width and height. */
function centreOf({ maps, cells, set, network: { rows, columns, extent: [first, last] } }) {
  const part = (last - first) / set.size; // of the picture that the network sees
  let x = 0, y = 0, sum = 0;
  maps.forEach((value, i) => {
    sum += value;
    x += value * (i % columns + 0.5) / columns * part;
    y += value * (Math.floor(i % cells / columns) + 0.5) / rows * part;
  });
  return [x / sum, y / sum];
}

function farthestMove({ set, picture }) {
  const far = ([low, high]) => -low > high ? low : high;
  const [dx, dy] = roomToMove(maskOf(set, picture), set.size).map(far);
  return Math.abs(dx) > Math.abs(dy) ? { dx, dy: 0 } : { dx: 0, dy };
}

function patchOnStrongest(seen) {
  const map = mapOf(seen, 0), cell = map.indexOf(limitsOf(map)[1]);
  const { rows, columns, extent: [first, last] } = seen.network;
  const place = [(cell % columns + 0.5) / columns, (Math.floor(cell / columns) + 0.5) / rows];
  return dab("p", ...place.map((share) => (first + share * (last - first)) / seen.set.size));
}

function mostImportant(seen) {
  const left = Array.from({ length: seen.network.numTokens }, (_, token) =>
    predictWith(seen, seen.maps, [token])[seen.label]);
  return left.indexOf(Math.min(...left));
}

// Going through it

let steps = [], place = 0;
const onTour = () => {
  const seen = look(columns[0]);
  return { seen, name: seen.set.class_names[seen.label] };
};

function startTour() {
  change({ ...UNCHANGED, mode: "look", token: -1, cell: -1 });
  steps = TOUR.filter(({ fits }) => !fits || fits(onTour()));
  place = 0;
  $("#tour").hidden = false;
  askStep();
}

function askStep() {
  const step = steps[place];
  change({ ...UNCHANGED, mode: "look", token: -1, cell: -1 });
  $("#tour-place").textContent = `Step ${place + 1} of ${steps.length}: what do you think?`;
  $("#tour-text").textContent = step.ask(onTour());
  $("#tour-answer").textContent = "";
  $("#tour-next").textContent = "Skip this step";
  $("#tour-guesses").replaceChildren(...step.guesses.map((words, guess) => {
    const button = element("button", { type: "button", textContent: words });
    button.onclick = () => answerStep(step, guess);
    return button;
  }));
  $("#tour-guesses").firstChild.focus();
}

function answerStep(step, guess) {
  const before = onTour();
  step.act(before);
  if (state.token >= 0) flowInto(columns[0], state.token);
  const [right, words] = step.tell({ ...onTour(), before: before.seen });
  all("#tour-guesses button").forEach((button, i) => {
    button.disabled = true;
    button.setAttribute("aria-pressed", i === guess);
  });
  $("#tour-answer").textContent = `${guess === right ? "You were right." : "It is the other way."} ${words}`;
  $("#tour-next").textContent = place + 1 < steps.length ? "Next" : "End of the tour";
  $("#tour-next").focus();
}

function nextStep() {
  place++;
  if (place < steps.length) askStep();
  else leaveTour();
}

function leaveTour() {
  $("#tour").hidden = true;
  $("#tour-start").focus();
}

$("#tour-start").onclick = startTour;
$("#tour-next").onclick = nextStep;
$("#tour-skip").onclick = leaveTour;
