// A guided tour: before each step the reader predicts what will happen, then the network shows it.
// No answer is written here; each is measured on the picture and the network that are shown.
"use strict";

const TOUR = [
  {
    ask: () => "A token is a weighted sum of all the picture's cells, and its map shows the weights. "
      + "Token 1 opens next. How much of the picture holds half of its weight?",
    guesses: ["less than a quarter", "a quarter or more"],
    act: () => ({ token: 0 }),
    tell({ seen }) {
      const needed = cellsForHalf(mapOf(seen, 0));
      return [needed < seen.cells / 4, `${needed} of ${seen.cells} cells hold half of it. You saw `
        + "the cells fly into the token."];
    },
  },
  {
    fits: ({ network }) => network.numMaps > 1,
    ask: ({ network }) => `There are ${network.numMaps} tokens, and each has a map of its own. `
      + "Do they read the same places?",
    guesses: ["mostly the same", "mostly different places"],
    act: () => ({}),
    tell({ seen }) {
      const count = seen.network.numMaps, cells = [...Array(seen.cells).keys()];
      // the sum over cells of the highest share that a map has there: 1 where all maps are the same
      const different = sum(cells.map((cell) => Math.max(...sharesOn(seen, cell))));
      return [different < (1 + count) / 2, `All ${count} together cover as much as `
        + `${different.toFixed(1)} maps that share no weight at all.`];
    },
  },
  {
    fits: ({ picture: { mask } }) => mask,
    ask: (seen, name) => `The ${name} moves as far as it can. Where will the maps go?`,
    guesses: ["they follow it", "they stay"],
    act({ object, set: { size } }) {
      const [left, , right] = boxOf(object, size); // it stops at the edge
      return { mode: "picture", tool: MOVE, dx: left < size - right ? size : -size };
    },
    tell({ seen, before }) {
      const [from, to, without] = [before, seen, { ...before, object: seen.object }]
        .map((each) => weightOnObject(each).weight); // the last is that of maps which stay
      return [2 * to > from + without + 0.01, `${percent(from, 0)} of their weight lay on it before, ${percent(to, 0)} `
        + "now. Drag it about and watch."];
    },
  },
  {
    fits: ({ network }) => network.numMaps > 1,
    ask: (seen, name) => "The token that matters most is left out. How far does the probability of "
      + `${name} fall?`,
    guesses: ["by 20 points or more", "by less"],
    act(seen) {
      const without = keptOf(seen.network, []).map((token) =>
        -predictWith({ ...seen, kept: keptOf(seen.network, [token]) }, seen.maps)[seen.label]);
      return { mode: "network", off: String(bestOf(without)) };
    },
    tell: ({ from, to }) => [from - to >= 0.2, `Without token ${Number(state.off) + 1} it goes from `
      + `${percent(from)} to ${percent(to)}.`],
  },
  {
    ask: () => "All maps become flat, so that every token reads all cells equally. Does the "
      + "network give the same answer?",
    guesses: ["the same answer", "a different one"],
    act: () => ({ mode: "network", maps: "flat" }),
    tell({ seen, before }) {
      const [from, to] = [before, seen].map(({ probabilities, set }) =>
        set.class_names[bestOf(probabilities)]);
      return [from === to, `It said ${from}; with flat maps it says ${to}. One picture proves `
        + "little, so try others."];
    },
  },
  {
    ask: (seen, name) => "Now you are the TokenLearner. We begin with a map of the centre for every "
      + `token. Does it give ${name} a higher probability than the learned maps do?`,
    guesses: ["yes", "no"],
    act: ({ network }) => ({ mode: "paint", painted: centreMap(network.side) }),
    tell: ({ from, to }) => [to > from, `${percent(to)} with the centre, ${percent(from)} with the `
      + "learned maps. Drag over the picture to do better."],
  },
];

// Going through it

let steps = [], place = 0, asked, saved; // what was asked about, and the page as it was before

/** The picture and the network that are chosen, without changes. */
const asIs = () => begin({ ...UNCHANGED, mode: "look", token: -1, cell: -1 });

/** Whether a step can be taken with the picture and the network that are shown now. */
function fitsNow({ fits }) {
  const seen = look(columns[0]);
  return seen.maps && (!fits || fits(seen));
}

/** Begin a step with the picture and the network as they are. */
function askStep() {
  asIs();
  const seen = asked = look(columns[0]), { ask, guesses } = steps[place];
  $("#tour-place").textContent = `Step ${place + 1} of ${steps.length}: what do you think?`;
  $("#tour-text").textContent = ask(seen, seen.set.class_names[seen.label]);
  $("#tour-answer").textContent = "";
  $("#tour-next").textContent = "Skip this step";
  $("#tour-guesses").disabled = false;
  $("#tour-guesses").replaceChildren(...guesses.map((textContent, guess) => element("button", {
    type: "button", textContent, ariaPressed: false, onclick: ({ target }) => answerStep(guess, target) })));
  $("#tour-guesses").firstChild.focus();
}

function answerStep(guess, button) {
  asIs(); // the question was about that
  const { act, tell } = steps[place], before = look(columns[0]);
  if (before.entry !== asked.entry || before.picture !== asked.picture) // others were chosen since
    return fitsNow(steps[place]) ? askStep() : nextStep();
  change(act(before));
  flowInto(columns[0]);
  const seen = look(columns[0]);
  const [from, to] = [before, seen].map(({ probabilities }) => probabilities[before.label]);
  const [isFirst, words] = tell({ seen, before, from, to }), right = isFirst === (guess === 0);
  button.ariaPressed = true;
  $("#tour-guesses").disabled = true;
  $("#tour-answer").textContent = `${right ? "You were right." : "It is the other way round."} ${words}`;
  $("#tour-next").textContent = place + 1 < steps.length ? "Next" : "End of the tour";
  $("#tour-next").focus();
}

function nextStep() {
  do place++; while (place < steps.length && !fitsNow(steps[place]));
  place < steps.length ? askStep() : leaveTour();
}

function leaveTour() {
  $("#tour").hidden = true;
  $($("#tour-start").hidden ? "[name=network]" : "#tour-start").focus();
}

$("#tour-start").onclick = () => {
  steps = TOUR.filter(fitsNow);
  place = 0;
  if ($("#tour").hidden) saved = { state: { ...state }, past: [...past] };
  $("#tour").hidden = false;
  askStep();
};
$("#tour-next").onclick = nextStep;
$("#tour-skip").onclick = () => {
  begin(saved.state);
  past.push(...saved.past);
  leaveTour();
};
