// Sorting of tables, the switch of colour schemes, and plots that are drawn when they come into
// view. No framework; plotly is the one library.
"use strict";

// ---- colour scheme ----

const root = document.documentElement;
const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  return root.dataset.scheme ? root.dataset.scheme === "dark" : prefersDark.matches;
}

function remembered() {
  try {
    return localStorage.getItem("scheme");
  } catch {
    return null; // storage may be forbidden to local files
  }
}

function remember(scheme) {
  try {
    localStorage.setItem("scheme", scheme);
  } catch {
    // The choice then holds for this page alone.
  }
}

if (["light", "dark"].includes(remembered())) root.dataset.scheme = remembered();

const schemeButton = document.getElementById("scheme");

function schemeChanged() {
  schemeButton.setAttribute("aria-pressed", String(isDark()));
  drawn.forEach(draw);
}

schemeButton.addEventListener("click", () => {
  root.dataset.scheme = isDark() ? "light" : "dark";
  remember(root.dataset.scheme);
  schemeChanged();
});
prefersDark.addEventListener("change", schemeChanged);

// ---- tables ----

// Numbers by size, infinity among them, then texts by alphabet; cells without a value end up last.
function compare(a, b, sign) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const [x, y] = [Number(a), Number(b)];
  if (Number.isNaN(x) || Number.isNaN(y)) {
    return sign * (Number.isNaN(x) - Number.isNaN(y) || a.localeCompare(b));
  }
  return x === y ? 0 : sign * (x < y ? -1 : 1);
}

function sortBy(header) {
  const table = header.closest("table");
  const body = table.tBodies[0];
  const ascending = header.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const column = header.cellIndex;
  const rows = [...body.rows];
  const key = (row) => row.cells[column].dataset.sort;
  rows.sort((a, b) => compare(key(a), key(b), ascending ? 1 : -1));
  body.append(...rows);
}

for (const button of document.querySelectorAll("table.sortable .sort")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}

// ---- plots ----

const canHover = matchMedia("(hover: hover)");
const drawn = new Set();
let pointer = "mouse"; // what pointed last: a mouse, a finger, a pen
window.addEventListener("pointerdown", (event) => (pointer = event.pointerType), true);
const hidden = {}; // by legend the keys of lines that are hidden

function hiddenIn(element) {
  return (hidden[element.dataset.legend] ??= new Set());
}

function content(element) {
  element.figureData ??= JSON.parse(document.getElementById(`${element.id}-data`).textContent);
  return structuredClone(element.figureData);
}

function draw(element) {
  const { data, layout } = content(element);
  const { color: ink, backgroundColor: paper, fontFamily } = getComputedStyle(document.body);
  const dark = isDark();
  const grid = dark ? "#343c46" : "#dfe4ea";
  const strong = dark ? "#c3cad2" : "#4a525c";
  for (const trace of data) {
    trace.line.color = trace.meta.colours[dark ? 1 : 0];
    trace.visible = !hiddenIn(element).has(trace.meta.line);
    if (trace.marker) {
      trace.marker = { ...trace.marker, color: trace.line.color, line: { color: paper, width: 1 } };
    }
  }
  for (const axis of [layout.xaxis, layout.yaxis]) {
    Object.assign(axis, { gridcolor: grid, linecolor: strong, zeroline: false, automargin: true });
    axis.title.standoff = 8;
    axis.fixedrange = !canHover.matches; // fingers scroll the page
  }
  for (const shape of layout.shapes ?? []) shape.line = { color: strong, width: 1.5, dash: "4px,3px" };
  Object.assign(layout, {
    font: { color: ink, size: 13, family: fontFamily },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 58, r: layout.shapes ? 50 : 14, t: layout.shapes ? 26 : 12, b: 48 },
    showlegend: false,
    hovermode: "closest",
    hoverdistance: 24,
    hoverlabel: { bgcolor: paper, font: { color: ink, size: 14, family: fontFamily }, align: "left" },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: strong, activecolor: ink },
  });
  const options = {
    responsive: true,
    displayModeBar: canHover.matches ? "hover" : false,
    displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    toImageButtonOptions: { filename: element.id, scale: 2 },
  };
  const first = !drawn.has(element);
  drawn.add(element);
  return Plotly.react(element, data, layout, options).then(() => {
    if (!first) return;
    element.on("plotly_hover", (event) => pick(element, event.points[0].data.meta.line));
    element.on("plotly_unhover", () => pick(element, null));
    // A click on a line hides it; a tap is how a line is named, so it does not.
    element.on("plotly_click", (event) => {
      if (pointer !== "mouse") return;
      setHidden(element.dataset.legend, event.points[0].data.meta.line, true);
    });
  });
}

// Fades all lines of a plot but one.
function pick(element, line) {
  element.classList.toggle("picking", line !== null);
  for (const group of element.querySelectorAll(".scatterlayer > g.trace")) {
    const trace = group.__data__?.[0]?.trace;
    group.classList.toggle("picked", line !== null && trace?.meta?.line === line);
  }
}

function legendsOf(group) {
  return [group, `${group}-again`].map((id) => document.getElementById(id)).filter(Boolean);
}

function setHidden(group, line, isHidden) {
  const lines = (hidden[group] ??= new Set());
  if (isHidden) lines.add(line);
  else lines.delete(line);
  for (const legend of legendsOf(group)) {
    for (const button of legend.querySelectorAll("button")) {
      if (button.dataset.line === line) button.setAttribute("aria-pressed", String(!isHidden));
    }
  }
  for (const element of drawn) {
    if (element.dataset.legend !== group) continue;
    pick(element, null);
    const traces = element.data.flatMap((trace, i) => (trace.meta.line === line ? [i] : []));
    if (traces.length) Plotly.restyle(element, { visible: !isHidden }, traces);
  }
}

for (const legend of document.querySelectorAll(".legend")) {
  const group = legend.id.replace(/-again$/, "");
  const plots = () => [...drawn].filter((element) => element.dataset.legend === group);
  for (const button of legend.querySelectorAll("button")) {
    const line = button.dataset.line;
    button.addEventListener("click", () =>
      setHidden(group, line, button.getAttribute("aria-pressed") === "true"),
    );
    const show = () => {
      if (button.getAttribute("aria-pressed") === "true") plots().forEach((p) => pick(p, line));
    };
    const clear = () => plots().forEach((p) => pick(p, null));
    button.addEventListener("pointerenter", show);
    button.addEventListener("pointerleave", clear);
    button.addEventListener("focus", show);
    button.addEventListener("blur", clear);
  }
}

const watcher = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      draw(target);
    }
  },
  { rootMargin: "300px" },
);
document.querySelectorAll(".plot").forEach((element) => watcher.observe(element));
schemeChanged();
