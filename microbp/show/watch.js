// The page that shows a training.  DATA holds the recorded epochs, and the chosen samples in each.

const LAST = DATA.epochs.length - 1;
const END = DATA.epochs[LAST];
const PICTURE = DATA.picture;
const SURFACE = DATA.surface;

let frame = 0; // which recorded epoch is shown
let chosen = 0; // which sample
let playing = null;

// Numbers.

function numberAt([kind, place]) {
  // What a reference stands for, in the epoch and for the sample shown.
  if (kind === "sum") return place.reduce((sum, [delta, source]) => sum + numberAt(delta) * numberAt(source), 0);
  const lists = {
    parameter: DATA.frames[frame].parameters,
    pass: DATA.frames[frame].passes[chosen],
    given: DATA.samples[chosen].given,
  };
  return Number(lists[kind][place]); // infinities and NaN come as strings
}

// Drawing with SVG.

function svg(name, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

function entry(html) {
  // One entry of a legend.
  const found = document.createElement("span");
  found.className = "entry";
  found.innerHTML = html;
  return found;
}

// The picture of the units.

function lastRows(group, count) {
  // The texts that end the last rows of a box, from top to bottom.
  const rows = new Map();
  for (const text of group.querySelectorAll("text")) {
    if (text.getAttribute("font-size") === "9") continue; // an index
    const y = text.getAttribute("y");
    rows.set(y, [...(rows.get(y) || []), text]);
  }
  return [...rows.values()].slice(-count);
}

function align(group, row, text, cells) {
  // Numbers of any length keep their place: after "=", at the right of their cell, or in the middle.
  if (text.textContent.startsWith(" = ")) return;
  const cell = row.length > 1 ? cells[cells.length - 1] : group.querySelector("rect, ellipse");
  const [x, width] = ["x", "width"].map((name) => Number(cell.getAttribute(name)));
  text.setAttribute("text-anchor", row.length > 1 ? "end" : "middle");
  text.setAttribute("x", row.length > 1 ? x + width - 2 : x + width / 2);
}

function fields() {
  // Every number in the picture: its text, where it is found, and the cells it colours.
  return Object.entries(PICTURE.boxes).flatMap(([id, slots]) => {
    const group = byId(id);
    return lastRows(group, slots.length).map((row, k) => {
      const [reference, scale] = slots[k];
      const text = row[row.length - 1];
      const cells = cellsBehind(group, text);
      align(group, row, text, cells);
      return { text, lead: text.textContent.startsWith(" = ") ? " = " : "", reference, scale, cells };
    });
  });
}

function drawNumbers() {
  const shown = FIELDS.map(({ reference }) => numberAt(reference));
  const largest = (scale) => largestOf(shown.filter((_, k) => FIELDS[k].scale === scale));
  const scales = { delta: largest("delta"), slope: largest("slope"), gradient: largest("gradient") };
  FIELDS.forEach(({ text, lead, scale, cells }, k) => {
    text.textContent = lead + written(shown[k]);
    text.dataset.number = shown[k];
    if (scale) for (const cell of cells) cell.setAttribute("fill", heat(shown[k], scales[scale]));
  });
}

function drawDiscs() {
  const discs = Object.entries(PICTURE.discs).map(([id, reference]) => [byId(id), numberAt(reference)]);
  const largest = largestOf(discs.map(([, delta]) => delta));
  for (const [group, delta] of discs) {
    group.querySelector("ellipse").setAttribute("fill", heat(delta, largest));
    title(group, `δ = ${written(delta)}`);
  }
}

function drawLines() {
  const weights = PICTURE.lines.map(({ weight }) => numberAt(["parameter", weight]));
  const largest = largestOf(weights);
  PICTURE.lines.forEach(({ ids, gradient, name }, k) => {
    const slope = numberAt(gradient);
    const colour = !PICTURE.coloured || !slope ? "#5F6670" : slope > 0 ? "#B35806" : "#542788";
    for (const line of ids.map(byId)) {
      const path = line.querySelector("path");
      path.setAttribute("stroke-width", PICTURE.thinnest + 2.2 * share(weights[k], largest));
      path.setAttribute("stroke-dasharray", weights[k] < 0 ? "5,2" : "none");
      for (const [part, paint] of [[path, "stroke"], [line.querySelector("polygon"), "fill"]]) part?.setAttribute(paint, colour);
      title(line, `${name} = ${written(weights[k])}, gradient ${written(slope)}`);
    }
  });
}

function title(group, text) {
  group.querySelector("title").textContent = text;
}

function setUpNetwork() {
  byId("zoom").hidden = !PICTURE;
  if (!PICTURE) {
    const note = document.createElement("p");
    note.textContent = DATA.note;
    byId("network").append(note);
    return;
  }
  for (const stale of byId("network").querySelectorAll(".box > title")) stale.textContent = "";
}

// The curve of the loss.

const CHART = { width: 360, height: 220, left: 52, right: 12, top: 10, bottom: 34 };
const LOSSES = DATA.curves.flatMap(({ points }) => points.map(([, loss]) => Number(loss))).filter(Number.isFinite);
const [LOWEST, HIGHEST] = [Math.min(...LOSSES), Math.max(...LOSSES)];
const LOGARITHMIC = LOWEST > 0 && HIGHEST / LOWEST > 100;

function ticks(low, high, count) {
  // Round numbers from low to high, about so many.
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const found = Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, k) => (first + k) * step);
  return found.map((x) => Number(x.toPrecision(12)));
}

const logTicks = (low, high) => ticks(Math.log10(low), Math.log10(high), 5).filter(Number.isInteger).map((power) => 10 ** power);

function lossTicks() {
  return LOGARITHMIC ? logTicks(LOWEST, HIGHEST) : ticks(Math.min(0, LOWEST), HIGHEST, 4);
}

const xOf = (epoch) => CHART.left + (epoch / Math.max(END, 1)) * (CHART.width - CHART.left - CHART.right);

function yOf(loss) {
  const scale = LOGARITHMIC ? Math.log10 : (x) => x;
  const [low, high] = [scale(LOGARITHMIC ? LOWEST : Math.min(0, LOWEST)), scale(HIGHEST)];
  const part = high > low ? (scale(loss) - low) / (high - low) : 0.5;
  return CHART.height - CHART.bottom - part * (CHART.height - CHART.top - CHART.bottom);
}

function axes() {
  const [bottom, right] = [CHART.height - CHART.bottom, CHART.width - CHART.right];
  const epochs = ticks(0, END, 5).filter(Number.isInteger);
  return [
    ...lossTicks().flatMap((loss) => [
      svg("line", { class: "grid", x1: CHART.left, x2: right, y1: yOf(loss), y2: yOf(loss) }),
      svg("text", { x: CHART.left - 6, y: yOf(loss) + 4, "text-anchor": "end" }, tickText(loss)),
    ]),
    ...epochs.map((epoch) => svg("text", { x: xOf(epoch), y: bottom + 16, "text-anchor": "middle" }, epoch.toLocaleString("en"))),
    svg("line", { class: "grid", x1: CHART.left, x2: right, y1: bottom, y2: bottom }),
    svg("text", { x: (CHART.left + right) / 2, y: bottom + 31, "text-anchor": "middle" }, "epoch"),
  ];
}

function tickText(x) {
  return x !== 0 && (Math.abs(x) < 1e-4 || Math.abs(x) >= 1e5) ? x.toExponential().replace("e+", "e").replace("-", "−") : String(x);
}

function curve({ name, points }) {
  const finite = points.filter(([, loss]) => Number.isFinite(loss));
  if (finite.length === 1) return svg("circle", { class: `dot ${name}`, cx: xOf(finite[0][0]), cy: yOf(finite[0][1]), r: 3 });
  return svg("polyline", { class: `curve ${name}`, points: finite.map(([epoch, loss]) => `${xOf(epoch)},${yOf(loss)}`).join(" ") });
}

function setUpChart() {
  const chart = byId("loss");
  chart.setAttribute("viewBox", `0 0 ${CHART.width} ${CHART.height}`);
  chart.setAttribute("aria-label", "the loss by epoch");
  if (LOSSES.length) chart.append(...axes(), ...DATA.curves.map(curve));
  chart.append(svg("line", { class: "now", y1: CHART.top, y2: CHART.height - CHART.bottom }));
  chart.addEventListener("click", goToClick);
  for (const { name } of DATA.curves) {
    byId("curves").append(entry(`<i class="key ${name}"></i>${name}`));
  }
}

function goToClick(event) {
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(byId("loss").getScreenCTM().inverse());
  const epoch = ((at.x - CHART.left) / (CHART.width - CHART.left - CHART.right)) * END;
  show(nearest(epoch));
}

function nearest(epoch) {
  const far = DATA.epochs.map((recorded) => Math.abs(recorded - epoch));
  return far.indexOf(Math.min(...far));
}

function drawNow() {
  const line = document.querySelector("#loss .now");
  for (const end of ["x1", "x2"]) line.setAttribute(end, xOf(DATA.epochs[frame]));
}

// The outputs over the plane.

const SHAPES = ["M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0", "M0 -5.5L5.2 4L-5.2 4Z", "M-4 -4H4V4H-4Z", "M0 -5.5L5.5 0L0 5.5L-5.5 0Z"];
const SIDE = 340; // of the drawing over the surface
const colourOf = (k) => DATA.colours[k % DATA.colours.length];

function shade(letter) {
  // The colour of a cell as red, green and blue: its class's, paler the less that leads.
  const place = SURFACE.letters.indexOf(letter);
  const white = 0.9 - (0.55 * (place % SURFACE.levels)) / (SURFACE.levels - 1);
  const colour = colourOf(Math.floor(place / SURFACE.levels));
  return [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16)).map((part) => Math.round(part + (255 - part) * white));
}

function drawSurface() {
  const side = SURFACE.resolution;
  const image = new ImageData(side, side);
  [...SURFACE.cells[frame]].forEach((letter, k) => {
    const row = side - 1 - Math.floor(k / side); // the first row of cells is the lowest
    image.data.set([...shade(letter), 255], 4 * (row * side + (k % side)));
  });
  document.querySelector("#surface canvas").getContext("2d").putImageData(image, 0, 0);
  const ring = document.querySelector("#surface .ring");
  const [x1, x2] = SURFACE.dots.find((dot) => dot[3] === chosen);
  ring.setAttribute("transform", placed(x1, x2));
}

function placed(x1, x2) {
  // The middles of the outer cells are at the ends of the ranges.
  const cell = SIDE / SURFACE.resolution;
  const part = (x, [low, high]) => (x - low) / (high - low);
  const along = (share) => cell / 2 + share * (SIDE - cell);
  return `translate(${along(part(x1, SURFACE.x1))} ${SIDE - along(part(x2, SURFACE.x2))})`;
}

function dot([x1, x2, k, sample]) {
  const mark = svg("path", { class: "mark", d: SHAPES[k % SHAPES.length], fill: colourOf(k), transform: placed(x1, x2) });
  if (sample >= 0) {
    mark.classList.add("choice");
    mark.append(svg("title", {}, sampleName(DATA.samples[sample])));
    mark.addEventListener("click", () => choose(sample));
  }
  return mark;
}

function setUpSurface() {
  byId("plane").hidden = !SURFACE;
  if (!SURFACE) return;
  const canvas = document.querySelector("#surface canvas");
  canvas.width = canvas.height = SURFACE.resolution;
  const drawing = document.querySelector("#surface svg");
  drawing.setAttribute("viewBox", `0 0 ${SIDE} ${SIDE}`);
  drawing.append(...SURFACE.dots.map(dot), svg("circle", { class: "ring", r: 9 }));
  byId("classes").append(...surfaceLegend());
}

function surfaceLegend() {
  const single = DATA.outputs === 1;
  const names = single ? [`output below ${SURFACE.threshold}`, "above"] : DATA.colours.slice(0, DATA.outputs).map((_, k) => `output ${k + 1} greatest`);
  const entries = names.map((name, k) => {
    const shape = `<path d="${SHAPES[k % SHAPES.length]}" fill="${colourOf(k)}"/>`;
    return entry(`<svg class="swatch" viewBox="-7 -7 14 14">${shape}</svg>${name}`);
  });
  const [across, up] = [SURFACE.x1, SURFACE.x2].map((ends) => ends.map(written).join(" to "));
  const rest = "Deeper: further ahead. Marks are samples, by their targets; the ring is the one chosen, and a click chooses another.";
  return [...entries, `${rest} Across: x₁ from ${across}; up: x₂ from ${up}.`];
}

// The epoch and the sample shown.

const sampleName = ({ number, x, t }) => `${number}: x = (${x}), t = ${t}`;

function summary() {
  const epoch = DATA.epochs[frame];
  const [error, ...outputs] = DATA.frames[frame].passes[chosen].slice(0, 1 + DATA.outputs).map(Number);
  const losses = DATA.curves.flatMap(({ name, at }) => (at[frame] === null ? [] : [`${name} loss ${written(at[frame])}`]));
  const when = epoch === 0 ? "Before training" : `After epoch ${epoch.toLocaleString("en")}`;
  const { number, t } = DATA.samples[chosen];
  const text = `sample ${number}: output ${outputs.map(written).join(", ")}, target ${t}, ${DATA.error} = ${written(error)}`;
  return `${[when, ...losses].join(", ")}; ${text}.`;
}

function draw() {
  byId("summary").textContent = summary();
  drawNow();
  if (SURFACE) drawSurface();
  if (!PICTURE) return;
  drawNumbers();
  drawDiscs();
  drawLines();
}

function show(to) {
  frame = Math.max(0, Math.min(LAST, to));
  const epoch = DATA.epochs[frame];
  byId("slider").value = frame;
  byId("slider").setAttribute("aria-valuetext", `epoch ${epoch} of ${END}`);
  byId("count").textContent = `epoch ${epoch} / ${END}`;
  byId("first").disabled = byId("back").disabled = frame === 0;
  byId("next").disabled = frame === LAST;
  draw();
  remember(`#epoch=${epoch}`);
}

function choose(sample) {
  chosen = sample;
  byId("sample").value = sample;
  draw();
}

function frameOfAddress() {
  const epoch = /^#epoch=(\d+)$/.exec(location.hash);
  return epoch ? nearest(Number(epoch[1])) : 0;
}

function stop() {
  clearInterval(playing);
  playing = null;
  byId("play").textContent = "play";
  byId("summary").setAttribute("aria-live", "polite");
}

function play() {
  if (playing) return stop();
  if (frame === LAST) show(0);
  byId("play").textContent = "pause";
  byId("summary").setAttribute("aria-live", "off"); // too fast to be read out
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  playing = setInterval(() => (frame < LAST ? show(frame + 1) : stop()), calm ? 1500 : 250);
}

function onKey(event) {
  const to = keyLeads(event, frame);
  if (to === undefined) return;
  event.preventDefault();
  show(to);
}

function zoom() {
  const large = byId("network").classList.toggle("large");
  byId("zoom").setAttribute("aria-pressed", String(large));
}

function setUp() {
  byId("slider").max = LAST;
  byId("sample").append(...DATA.samples.map((sample, k) => new Option(sampleName(sample), k)));
  const actions = { first: () => show(0), back: () => show(frame - 1), next: () => show(frame + 1), play, zoom, theme: switchTheme };
  for (const [id, action] of Object.entries(actions)) byId(id).addEventListener("click", action);
  byId("slider").addEventListener("input", (event) => show(Number(event.target.value)));
  byId("sample").addEventListener("change", (event) => choose(Number(event.target.value)));
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", () => show(frameOfAddress()));
  setUpNetwork();
  setUpChart();
  setUpSurface();
  show(frameOfAddress());
}

const FIELDS = PICTURE ? fields() : [];
setUp();
