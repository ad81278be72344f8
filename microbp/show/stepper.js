// The step-through page.  DATA is the recorded graph, RULES the rows of the table it uses.

// The elementary functions, as rules.py has them for Python's floats.

const F = {
  exp: Math.exp, log: Math.log, sqrt: Math.sqrt, sin: Math.sin, cos: Math.cos, tanh: Math.tanh,
  power: (x, y) => (x === 1 ? 1 : Math.pow(x, y)), // also for y = NaN, as C and Python have it
  abs: Math.abs,
  exponentiate: (x, y) => (x > 0 ? Math.pow(x, y) : NaN),
  sigmoid: (x) => {
    const e = Math.exp(-Math.abs(x)); // at most 1: it cannot overflow
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
  },
  softplus: (x) => F.relu(x) + Math.log1p(Math.exp(-Math.abs(x))),
  relu: (x) => (x <= 0 ? 0 : x),
  step: (x) => (Number.isNaN(x) ? x : x > 0 ? 1 : 0),
  sign: Math.sign,
  sum: (xs) => xs.reduce((a, b) => a + b, -0),
  max: (xs) => xs.reduce((a, b) => Math.max(a, b)),
  min: (xs) => xs.reduce((a, b) => Math.min(a, b)),
  powers: (xs, m) => xs.map((x) => {
    // exp(x - m), m the greatest x, with what rounding takes from x - m.
    const d = x - m, power = Math.exp(d), again = x - d;
    return power === 0 ? 0 : power + power * (x - (d + again) - (m - again));
  }),
  excess: (xs) => {
    // The greatest x, and by how much log-sum-exp exceeds it: 0 where it is not finite.
    const m = F.max(xs);
    if (!Number.isFinite(m)) return [m, 0];
    const others = F.powers(xs, m);
    others.splice(others.indexOf(1), 1); // the greatest's own, which log1p adds without rounding
    return [m, Math.log1p(F.sum(others))];
  },
  logsumexp: (xs) => F.sum(F.excess(xs)),
  softmax: (xs) => {
    const powers = F.powers(xs, F.max(xs)), total = F.sum(powers);
    return powers.map((power) => power / total);
  },
  log_softmax: (xs) => {
    const [m, rest] = F.excess(xs);
    return xs.map((x) => x - m - rest);
  },
  cross_entropy: (ts, xs) => {
    const [m, rest] = F.excess(xs);
    return F.sum(xs.map((x, i) => (ts[i] === 0 ? 0 : 2 * (ts[i] * (m / 2 - x / 2)) + ts[i] * rest)));
  },
  pick: (xs, n) => xs[n],
  equal: (x, y) => (x === y ? 1 : 0),
  ties: (xs, z) => xs.filter((x) => x === z).length,
  dot: (ws, xs) => ws.reduce((total, w, i) => total + w * xs[i], 0),
};

const NODES = DATA.nodes;
const E = DATA.output;
const COMPUTED = NODES.flatMap((node, k) => (node.inputs ? [k] : []));
const LEAVES = NODES.flatMap((node, k) => (node.inputs ? [] : [k]));

// Evaluating the graph.

function evaluate(leaves) {
  // Values, local derivatives and gradients for the leaves' numbers.
  const values = NODES.map((node, k) => leaves.get(k));
  const partials = NODES.map(() => []);
  for (const k of COMPUTED) {
    const node = NODES[k];
    const groups = grouped(node, operandsOf(node, values));
    values[k] = RULES[node.rule].forward(...groups);
    const slopes = RULES[node.rule].partials(values[k], ...groups);
    partials[k] = slopes.filter((_, i) => i !== node.dropped).slice(0, node.inputs.length);
  }
  return { values, partials, ...differentiate(partials) };
}

function operandsOf(node, values) {
  // A constant that is not finite is written as text.
  return node.operands.map((o) => (Array.isArray(o) ? values[o[0]] : Number(o)));
}

function trouble(values) {
  // A sentence about the first node whose value is no number though its operands are; "" where all is well.
  const k = COMPUTED.find((k) => !Number.isFinite(values[k]) && NODES[k].inputs.every((i) => Number.isFinite(values[i])));
  if (k === undefined) return "";
  const node = NODES[k];
  const operands = operandsOf(node, values);
  const outside = Number.isNaN(values[k]) || operands.includes(0); // log 0, 1 / 0: a pole, no overflow
  const why = outside && node.domain ? `it needs ${node.domain}` : "the result is too large for a number";
  return `${node.operation} of ${operands.slice(0, 4).map(written).join(" and ")} (node ${node.name}): ${why}`;
}

function grouped(node, operands) {
  let start = 0;
  return node.sizes.map((size) => {
    const group = size < 0 ? operands[start] : operands.slice(start, start + size);
    start += Math.abs(size);
    return group;
  });
}

function differentiate(partials) {
  // The backward pass: every step's contribution and running sum, and the gradients it ends with.
  const gradients = NODES.map(() => 0);
  gradients[E] = 1;
  const sent = BACKWARD.map(({ node, consumer, place }) => {
    const contribution = partials[consumer][place] * gradients[consumer];
    gradients[node] += contribution;
    return { contribution, total: gradients[node] };
  });
  return { gradients, sent };
}

// The steps: each computed node forward; the start, then each edge, backward.

const BACKWARD = [...COMPUTED].reverse().flatMap((consumer) =>
  NODES[consumer].inputs.map((node, place) => ({ node, consumer, place })));
const FIRST_BACK = COMPUTED.length;
const STEPS = FIRST_BACK + 1 + BACKWARD.length;

const forwardStep = new Map(COMPUTED.map((k, step) => [k, step]));
const lastStep = new Map([[E, FIRST_BACK]]);
const edgesTo = new Map();
BACKWARD.forEach(({ node }, i) => {
  lastStep.set(node, FIRST_BACK + 1 + i);
  if (!edgesTo.has(node)) edgesTo.set(node, []);
  edgesTo.get(node).push(i);
});

// Names and formulas as text.

const colour = (kind, text) => `<b class="${kind}">${text}</b>`;
const bracketed = (x) => (x < 0 ? `(${written(x)})` : written(x));
const html = (k) => NODES[k].html;

function gradientName(k) {
  if (!DATA.netInputs.includes(k)) return `∂${html(E)}/∂${html(k)}`;
  return /^<I>u/.test(html(k)) ? html(k).replace(/^<I>u/, "<I>δ") : `δ(${html(k)})`;
}

function fill(tokens, k, show) {
  // A formula with each operand, and the node itself, shown in one way.
  const operands = NODES[k].operands;
  return tokens.map((token) => (typeof token === "string" ? token : show(token < 0 ? k : operands[token][0]))).join("");
}

function forwardText(k) {
  const node = NODES[k];
  const names = fill(node.formula, k, html);
  const numbers = fill(node.formula, k, (o) => colour("value", bracketed(state.values[o])));
  return `${html(k)} = ${names}${names === numbers ? "" : ` = ${numbers}`} = ${colour("value", written(state.values[k]))}`;
}

function backwardText(i) {
  const { node, consumer, place } = BACKWARD[i];
  const slope = NODES[consumer].slopes[place];
  const local = `∂${html(consumer)}/∂${html(node)}`;
  const arriving = state.gradients[consumer];
  const partial = colour("local", bracketed(state.partials[consumer][place]));
  const product = `${partial} × ${colour("gradient", bracketed(arriving))} = ${colour("gradient", written(state.sent[i].contribution))}`;
  const formula = slope ? ` = ${colour("local", fill(slope, consumer, html))} · ${gradientName(consumer)}` : "";
  const edges = edgesTo.get(node);
  const verb = edges.length > 1 ? "gets" : "=";
  const first = `${gradientName(node)} ${verb} ${local} · ${gradientName(consumer)}${formula} = ${product}`;
  return edges.length > 1 ? `${first}<br>${runningSum(node, edges, i)}` : first;
}

function runningSum(node, edges, i) {
  const done = edges.filter((edge) => edge <= i);
  const terms = done.slice(-6).map((edge) => bracketed(state.sent[edge].contribution));
  if (done.length > 6) terms.unshift("…");
  const left = edges.length - done.length;
  const still = left ? `, ${left} more to come` : ", all have arrived";
  const sum = terms.length > 1 ? `${terms.join(" + ")} = ` : "";
  return `so far ${gradientName(node)} = ${sum}${colour("gradient", written(state.sent[i].total))}${still}`;
}

// The paths from a node to the output.

const pathCounts = (() => {
  const counts = NODES.map(() => 0n);
  counts[E] = 1n;
  for (const { node, consumer } of BACKWARD) counts[node] += counts[consumer];
  return counts;
})();
const MOST_PATHS = 500n;
const SHOWN_PATHS = 6;

function pathsFrom(start) {
  const found = [];
  const open = [{ k: start, product: 1, before: null }]; // each knows where it came from: routes are not copied
  while (open.length) {
    const end = open.pop();
    if (end.k === E) found.push(end);
    for (const i of edgesTo.get(end.k) || []) {
      const { consumer, place } = BACKWARD[i];
      open.push({ k: consumer, product: end.product * state.partials[consumer][place], before: end });
    }
  }
  return found.sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
}

function routeTo(end) {
  const route = [];
  for (let at = end; at; at = at.before) route.unshift(at.k);
  return route;
}

function grouping(count) {
  // The exact number; of more than 40 digits only the first are shown, and all when one points at them.
  const digits = count.toString();
  const exact = digits.replace(/\B(?=(\d{3})+$)/g, ",");
  if (digits.length <= 40) return exact;
  return `<span title="${exact}">${digits[0]}.${digits.slice(1, 3)}… × 10<sup>${digits.length - 1}</sup></span>`;
}

function showPaths(k) {
  const count = pathCounts[k];
  const total = colour("gradient", written(state.gradients[k]));
  let text = `<h2>Paths from ${html(k)}</h2><p>${gradientName(k)} = ${total}, the sum over ${grouping(count)} path${count === 1n ? "" : "s"} to ${html(E)}</p>`;
  if (count <= MOST_PATHS) {
    const all = pathsFrom(k);
    const rows = all.slice(0, SHOWN_PATHS).map((end) => {
      const route = routeTo(end);
      const names = route.length > 8 ? [...route.slice(0, 4).map(html), "…", ...route.slice(-3).map(html)] : route.map(html);
      return `<li>${names.join(" › ")}: ${colour("gradient", written(end.product))}</li>`;
    });
    const rest = all.slice(SHOWN_PATHS).reduce((sum, path) => sum + path.product, 0);
    if (all.length > SHOWN_PATHS) rows.push(`<li>the other ${all.length - SHOWN_PATHS}: ${colour("gradient", written(rest))}</li>`);
    text += `<ul>${rows.join("")}</ul>`;
  }
  byId("paths").innerHTML = text;
}

// The pictures.

function valueBoxes() {
  return NODES.map((node, k) => {
    const group = byId(`value-n${k}`);
    const texts = [...group.querySelectorAll("text")];
    const of = (fill) => texts.filter((text) => text.getAttribute("fill") === fill);
    const [value] = of("#00639C").slice(-1), [gradient] = of("#6B2D00").slice(-1);
    const cell = [...group.querySelectorAll("rect")].filter((rect) => rect.getAttribute("fill") !== "none").pop();
    for (const text of [value, gradient]) centre(text, cell);
    const title = group.querySelector("title");
    return { group, title, value, gradient, cell, slopes: of("#5B3A8C"), order: portOrder(node) };
  });
}

function centre(text, cell) {
  const width = Number(cell.getAttribute("width"));
  text.setAttribute("text-anchor", "middle");
  text.setAttribute("x", Number(cell.getAttribute("x")) + width / 2);
  text.dataset.room = width - 4;
}

function portOrder(node) {
  // The places of the inputs from top to bottom: in a weighted sum each weight next to its input.
  if (!node.inputs) return [];
  const places = node.inputs.map((_, place) => place);
  if (node.operation !== "weighted_sum") return places;
  const pairs = Math.floor(places.length / 2);
  return [...places.slice(0, pairs).flatMap((place) => [place, pairs + place]), ...places.slice(2 * pairs)];
}

function unitBoxes() {
  // The boxes of the unit view, and the texts that show their numbers: the last of each row, from the last row up.
  return Object.entries(DATA.boxes).map(([id, { node, rows }]) => {
    const group = byId(id);
    const last = new Map();
    for (const text of group.querySelectorAll("text")) {
      if (text.getAttribute("font-size") !== "9") last.set(text.getAttribute("y"), text);
    }
    const texts = [...last.values()].slice(-rows.length);
    return { id, node, group, rows, texts, lead: texts.map((text) => /^.* = |/.exec(text.textContent)[0]) };
  });
}

function put(text, content) {
  if (text.textContent === content) return;
  text.textContent = content;
  const room = Number(text.dataset.room);
  const tight = room && content.length * 6.2 > room;
  tight ? text.setAttribute("textLength", room) : text.removeAttribute("textLength");
  tight ? text.setAttribute("lengthAdjust", "spacingAndGlyphs") : text.removeAttribute("lengthAdjust");
}

const BOXES = valueBoxes();
const UNIT_BOXES = unitBoxes();
const unitBoxesOf = (kind) => UNIT_BOXES.filter(({ id }) => id.startsWith(kind));
const nodesOf = (kind) => unitBoxesOf(kind).map(({ node }) => node);
const WEIGHTS = nodesOf("pill-w");
const PASSED_ON = nodesOf("unit-u");
const WEIGHT_LINES = unitBoxesOf("pill-w").map(({ id, node }) => {
  const box = id.replace("pill-", "");
  const lines = document.querySelectorAll(`[id^="edge-"][id$="-${box}"] path, [id^="edge-${box}-"] path`);
  return { weight: node, lines };
});
const EDGES = BACKWARD.map(({ node, consumer, place }) => {
  const direct = byId(`edge-n${node}-n${consumer}-i${place}`);
  const parts = [`edge-n${node}-n${consumer}_${place}`, `edge-n${consumer}_${place}-n${consumer}-i${place}`];
  return direct ? [direct] : parts.map(byId).filter(Boolean);
});

function known(k, step) {
  return !NODES[k].inputs || forwardStep.get(k) <= step;
}

function gradientsAt(step) {
  // The gradients as far as they have come by a step; none where nothing has arrived.
  const found = [];
  if (step >= FIRST_BACK) found[E] = 1;
  for (let i = 0; i < step - FIRST_BACK; i += 1) found[BACKWARD[i].node] = state.sent[i].total;
  return found;
}

function hint(k, isKnown, gradient) {
  const value = isKnown ? `: value ${state.values[k]}` : "";
  return NODES[k].name + value + (gradient === undefined ? "" : `, gradient ${gradient}`);
}

function drawValues(step, gradients) {
  const largest = largestOf(state.gradients);
  BOXES.forEach((box, k) => {
    const gradient = gradients[k];
    put(box.value, written(state.values[k]));
    if (gradient !== undefined) put(box.gradient, written(gradient));
    put(box.title, hint(k, known(k, step), gradient));
    box.slopes.forEach((text, row) => put(text, `×${written(state.partials[k][box.order[row]])}`));
    for (const text of [box.value, ...box.slopes]) text.classList.toggle("hidden", !known(k, step));
    box.gradient.classList.toggle("hidden", gradient === undefined);
    box.cell.setAttribute("fill", gradient === undefined ? "#FFFFFF" : heat(gradient, largest));
    box.group.classList.toggle("waiting", !known(k, step));
  });
}

function drawUnits(step, gradients) {
  // Each kind of gradient has a scale of its own: deltas, gradients of weights, and of what units pass on.
  const largestAmong = (numbers) => largestOf(numbers.map((k) => state.gradients[k]));
  const deltas = largestAmong(DATA.netInputs);
  const slopes = largestAmong(WEIGHTS);
  const passedOn = largestAmong(PASSED_ON);
  for (const { id, group, rows, texts, lead } of UNIT_BOXES) {
    rows.forEach(([what, k, source], row) => {
      if (what === "text") return;
      const shown = what === "value" ? known(k, step) : k in gradients;
      const x = what === "value" ? state.values[k] : gradients[k] * (what === "added" ? state.values[source] : 1);
      if (shown) put(texts[row], lead[row] + written(x));
      texts[row].classList.toggle("hidden", !shown);
      const largest = id.startsWith("unit") ? deltas : id.startsWith("pill-w") ? slopes : passedOn;
      for (const cell of what !== "value" ? cellsBehind(group, texts[row]) : []) {
        cell.setAttribute("fill", shown ? heat(x, largest) : "#FFFFFF");
      }
    });
  }
}

function drawWidths() {
  const largest = largestOf(state.sent.map(({ contribution }) => contribution));
  EDGES.forEach((parts, i) => {
    const width = 1 + 2 * Math.sqrt(share(state.sent[i].contribution, largest));
    for (const part of parts) part.querySelector("path").setAttribute("stroke-width", width);
  });
  const heaviest = largestOf(WEIGHTS.map((k) => state.values[k]));
  for (const { weight, lines } of WEIGHT_LINES) {
    const x = state.values[weight];
    for (const line of lines) {
      line.setAttribute("stroke-width", 1 + 2.2 * share(x, heaviest));
      line.setAttribute("stroke-dasharray", x < 0 ? "5,2" : "none");
    }
  }
}

function mark(step) {
  for (const element of document.querySelectorAll("svg .current")) element.classList.remove("current");
  const back = step > FIRST_BACK ? BACKWARD[step - FIRST_BACK - 1] : null;
  const focus = focusOf(step);
  const lines = back ? [step - FIRST_BACK - 1] : BACKWARD.flatMap(({ consumer }, i) => (step < FIRST_BACK && consumer === focus ? [i] : []));
  for (const i of lines) for (const part of EDGES[i]) part.classList.add("current");
  BOXES[focus].group.classList.add("current");
  for (const { group, rows } of UNIT_BOXES) {
    const what = step < FIRST_BACK ? "value" : "gradient";
    if (rows.some(([kind, k]) => kind === what && k === focus)) group.classList.add("current");
  }
  byId("pictures").querySelectorAll(".picture:not([hidden]) .box.current").forEach((box) => {
    box.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
}

// Moving about.

let state = null;
let current = 0;
let playing = null;

function focusOf(step) {
  if (step < FIRST_BACK) return COMPUTED[step];
  return step === FIRST_BACK ? E : BACKWARD[step - FIRST_BACK - 1].node;
}

function describe(step) {
  if (step < FIRST_BACK) return [`Forward: compute ${html(COMPUTED[step])}`, forwardText(COMPUTED[step])];
  if (step === FIRST_BACK) return ["Backward: start at the output", `∂${html(E)}/∂${html(E)} = ${colour("gradient", "1")}`];
  const { node, consumer } = BACKWARD[step - FIRST_BACK - 1];
  return [`Backward: from ${html(consumer)} to ${html(node)}`, backwardText(step - FIRST_BACK - 1)];
}

function show(step) {
  current = Math.max(0, Math.min(STEPS - 1, step));
  document.documentElement.dataset.pass = current < FIRST_BACK ? "forward" : "backward";
  [byId("title").innerHTML, byId("equation").innerHTML] = describe(current);
  byId("slider").value = current + 1;
  byId("slider").setAttribute("aria-valuetext", `step ${current + 1} of ${STEPS}`);
  byId("count").textContent = `${current + 1} / ${STEPS}`;
  byId("phase").textContent = current < FIRST_BACK ? "to backward pass" : "to forward pass";
  byId("first").disabled = byId("back").disabled = current === 0;
  byId("next").disabled = current === STEPS - 1;
  const gradients = gradientsAt(current);
  drawValues(current, gradients);
  drawUnits(current, gradients);
  mark(current);
  showPaths(focusOf(current));
  remember(`#${current + 1}`);
}

function goTo(k) {
  if (current < FIRST_BACK && forwardStep.has(k)) show(forwardStep.get(k));
  else if (lastStep.has(k)) show(lastStep.get(k));
}

function stop() {
  clearInterval(playing);
  playing = null;
  byId("play").textContent = "play";
}

function play() {
  if (playing) return stop();
  if (current === STEPS - 1) show(0);
  byId("play").textContent = "pause";
  playing = setInterval(() => (current < STEPS - 1 ? show(current + 1) : stop()), 900);
}

function onKey(event) {
  const to = keyLeads(event, current);
  if (to === undefined) return;
  event.preventDefault();
  show(to);
}

function makeClickable(group, k) {
  group.setAttribute("tabindex", "0");
  group.setAttribute("role", "button");
  group.setAttribute("aria-label", `go to ${NODES[k].name}`);
  group.addEventListener("click", () => goTo(k));
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation(); // elsewhere the space bar steps on
    goTo(k);
  });
}

// Changing leaves.

function changed(leaves) {
  // Take over new numbers if the whole graph can be evaluated with them; otherwise say why not.
  const next = evaluate(leaves);
  const problem = trouble(next.values);
  byId("message").textContent = problem && `Not changed: ${problem}`;
  if (!problem) take(leaves, next);
  return !problem;
}

function take(leaves, next) {
  state = { leaves, ...next };
  drawWidths();
  BOXES.forEach(({ group }, k) => {
    group.dataset.value = state.values[k];
    group.dataset.gradient = state.gradients[k];
  });
  for (const k of LEAVES) byId(`gradient-${k}`).textContent = written(state.gradients[k]);
  show(current);
  nudge();
}

function edit(k, input) {
  const x = numberIn(input);
  const fits = Number.isFinite(x);
  if (!fits) byId("message").textContent = `Not changed: ${NODES[k].name} needs a number, not '${input.value}'`;
  const done = fits && changed(new Map(state.leaves).set(k, x));
  input.setAttribute("aria-invalid", String(!done));
}

function numberIn(input) {
  const text = input.value.trim().replace("−", "-");
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
}

function leafRow(k) {
  const row = document.createElement("tr");
  row.innerHTML = `<td>${html(k)}</td><td></td><td class="gradient" id="gradient-${k}"></td>`;
  const input = document.createElement("input");
  Object.assign(input, { type: "text", inputMode: "decimal", id: `leaf-${k}`, value: NODES[k].data });
  input.setAttribute("aria-label", `value of ${NODES[k].name}`);
  input.addEventListener("change", () => edit(k, input));
  row.cells[1].append(input);
  return row;
}

function reset() {
  const given = new Map(LEAVES.map((k) => [k, Number(NODES[k].data)]));
  for (const k of LEAVES) {
    byId(`leaf-${k}`).value = NODES[k].data;
    byId(`leaf-${k}`).removeAttribute("aria-invalid");
  }
  const next = evaluate(given);
  byId("message").textContent = trouble(next.values);
  take(given, next);
}

function nudge() {
  const k = Number(byId("nudged").value);
  const h = numberIn(byId("h"));
  const out = byId("nudge");
  if (!Number.isFinite(h)) {
    out.textContent = "By how much? A number is needed.";
    return;
  }
  const predicted = state.gradients[k] * h;
  const next = evaluate(new Map(state.leaves).set(k, state.leaves.get(k) + h));
  const real = next.values[E] - state.values[E];
  Object.assign(out.dataset, { predicted, real });
  out.innerHTML = `predicted: ${gradientName(k)} · <i>h</i> = ${colour("gradient", written(predicted))}<br>` +
    `real: ${colour("value", written(real))}, difference ${written(real - predicted)}`;
  if (trouble(next.values)) out.textContent = trouble(next.values);
}

function preparePictures() {
  // What Python wrote for hovering would tell later steps' numbers, and old ones after a change.
  const kept = new Set(BOXES.map(({ title }) => title));
  for (const title of document.querySelectorAll("svg g title")) if (!kept.has(title)) title.remove();
  // An image's parts are hidden from screen readers, a group's are not.
  for (const svg of document.querySelectorAll(".picture > svg")) svg.setAttribute("role", "group");
}

function setUp() {
  preparePictures();
  byId("leaves").tBodies[0].append(...LEAVES.map(leafRow));
  byId("nudged").append(...LEAVES.map((k) => new Option(NODES[k].name, k)));
  const parameter = LEAVES.find((k) => NODES[k].parameter);
  if (parameter !== undefined) byId("nudged").value = parameter;
  byId("slider").max = STEPS;
  const actions = { first: () => show(0), back: () => show(current - 1), next: () => show(current + 1), play, reset };
  for (const [id, action] of Object.entries(actions)) byId(id).addEventListener("click", action);
  byId("phase").addEventListener("click", () => show(current < FIRST_BACK ? FIRST_BACK : 0));
  byId("slider").addEventListener("input", (event) => show(Number(event.target.value) - 1));
  byId("nudged").addEventListener("change", nudge);
  byId("h").addEventListener("input", nudge);
  byId("theme").addEventListener("click", switchTheme);
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", () => show(stepOfAddress()));
  BOXES.forEach(({ group }, k) => makeClickable(group, k));
  for (const { group, node } of UNIT_BOXES) makeClickable(group, node);
  for (const tab of document.querySelectorAll(".tab")) tab.addEventListener("click", () => choose(tab.dataset.view));
  if (NODES.length > 60) byId("values").classList.add("large");
  choose("values");
  current = stepOfAddress();
  reset();
  if (DATA.stale) byId("message").textContent += ` Numbers were assigned since ${DATA.stale} was computed: this page computes everything from the leaves as they are.`;
}

function stepOfAddress() {
  return (parseInt(location.hash.slice(1), 10) || 1) - 1;
}

function choose(view) {
  for (const picture of document.querySelectorAll(".picture")) picture.hidden = picture.id !== view;
  for (const tab of document.querySelectorAll(".tab")) tab.setAttribute("aria-pressed", String(tab.dataset.view === view));
}

setUp();
