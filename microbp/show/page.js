// What the pages' scripts share.

const byId = (id) => document.getElementById(id);

function switchTheme() {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
}

// Moving from step to step.

function keyLeads(event, at) {
  // The step that a key leads to; undefined for a key that is not for moving, or is meant for a control.
  const writes = event.target.matches("input:not([type=range]), select");
  const presses = event.key === " " && event.target.matches("button");
  if (writes || presses || event.altKey || event.ctrlKey || event.metaKey) return undefined;
  return { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: Infinity, " ": at + 1 }[event.key];
}

function remember(address) {
  try {
    history.replaceState(null, "", address);
  } catch {
    // a sandboxed frame of a notebook has no address of its own
  }
}

// Numbers as text.

function toEven(x, tie) {
  // A tie that Python rounds down to an even digit, moved off the middle: JavaScript rounds ties up.
  return tie ? x * (1 - Number.EPSILON) : x;
}

function toThreeDigits(x) {
  const short = Number(x.toPrecision(4)) === x; // a tie has four digits
  return toEven(x, short && /^-?\d\.\d[02468]50*e/.test(x.toExponential(100)));
}

function written(x) {
  // Three significant digits, whole numbers below 100,000 in full; as in the pictures.
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "−inf";
  const size = Math.abs(x);
  if (size < 99999.5 && (Number.isInteger(x) || size >= 999.5)) return toEven(x, size % 2 === 0.5).toFixed(0).replace("-", "−").replace(/^−0$/, "0");
  const near = toThreeDigits(x);
  const [mantissa, exponent] = near.toExponential(2).split("e");
  const small = Number(exponent) >= -4 && Number(exponent) < 3;
  return (small ? near.toPrecision(3) : `${mantissa}e${Number(exponent)}`).replaceAll("-", "−");
}

// Colours.

const HEAT = {
  positive: ["#FEF3E2", "#FDE3BF", "#FDCB8B", "#FDB863"],
  negative: ["#F3F1F8", "#DFDDEE", "#C9C4E0", "#B2ABD2"],
};
const DECADES = 3;

function share(x, largest) {
  if (!x || Number.isNaN(x)) return 0;
  return largest ? Math.min(Math.abs(x) / largest, 1) : 1;
}

function heat(x, largest) {
  const part = share(x, largest);
  if (!part) return "#FFFFFF";
  const step = Math.ceil(4 * (1 + Math.log10(part) / DECADES));
  return (x > 0 ? HEAT.positive : HEAT.negative)[Math.max(step, 1) - 1];
}

const largestOf = (numbers) => numbers.reduce((top, x) => (Number.isFinite(x) ? Math.max(top, Math.abs(x)) : top), 0);

function cellsBehind(group, text) {
  // The small rectangles of the row that a text stands in.
  const y = Number(text.getAttribute("y"));
  return [...group.querySelectorAll("rect")].filter((rect) => {
    const [top, height] = ["y", "height"].map((name) => Number(rect.getAttribute(name)));
    return rect.getAttribute("fill") !== "none" && height < 40 && top <= y && y <= top + height;
  });
}
