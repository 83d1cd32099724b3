"use strict";

// Tables: a click, Enter or Space on a header sorts by it; once more turns the order around.
for (const table of document.querySelectorAll(".table table")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const order = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", order);
      sort(body, column, order === "ascending" ? 1 : -1);
    });
  });
}

function sort(body, column, sign) {
  const keyed = [...body.rows].map((row) => [row, keyOf(row.cells[column])]);
  keyed.sort(([, a], [, b]) => {
    // What is missing stays last, whichever way.
    if (a === null || b === null) return (a === null) - (b === null);
    // Numbers come before texts.
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return sign * (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
  });
  body.append(...keyed.map(([row]) => row));
}

function keyOf(cell) {
  if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
  return cell.textContent === "-" ? null : cell.textContent;
}

// Pictures: plotly lies in the page packed, and is unpacked here.
const { figures, dark } = JSON.parse(document.getElementById("figures").textContent);
const plots = [...document.querySelectorAll(".plot")];
const isDark = window.matchMedia("(prefers-color-scheme: dark)");
const isNarrow = window.matchMedia("(max-width: 40rem)");
const canHover = window.matchMedia("(hover: hover)");
const WIDEST_ON_PAPER = 640;
let isPrinting = false;

async function unpack(element) {
  const packed = Uint8Array.from(atob(element.textContent.trim()), (letter) => letter.charCodeAt(0));
  element.remove();
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

function draw(index) {
  const plot = plots[index];
  const inTheDark = isDark.matches && !isPrinting;
  const { data, layout } = inTheDark ? darkened(figures[index]) : structuredClone(figures[index]);
  const { shapes = [], annotations = [] } = layout;
  const styles = getComputedStyle(document.documentElement);
  const colour = (name) => styles.getPropertyValue(isPrinting ? `--light-${name}` : `--${name}`).trim();
  // On a narrow page the legend is a column, and takes its room from the picture.
  if (isNarrow.matches) layout.height += 20 * [...data, ...shapes].filter((mark) => mark.showlegend).length;
  const size = isNarrow.matches ? 12 : 13;
  const axis = { gridcolor: colour("grid"), linecolor: colour("muted"), tickcolor: colour("muted"), showline: true };
  for (const own of [layout.xaxis, layout.yaxis]) {
    Object.assign(own, axis);
    own.title.font = { size };
  }
  for (const note of annotations) note.bgcolor = styles.getPropertyValue(isPrinting ? "--light-veil" : "--veil");
  Object.assign(layout, {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: styles.getPropertyValue("--sans"), size, color: colour("ink") },
    hoverlabel: { bgcolor: colour("paper"), bordercolor: colour("muted"), font: { color: colour("ink") }, align: "left" },
    dragmode: canHover.matches ? "zoom" : false,
    autosize: !isPrinting,
    width: isPrinting ? Math.min(plot.clientWidth, WIDEST_ON_PAPER) : undefined,
  });
  return Plotly.react(plot, data, layout, {
    responsive: true,
    displaylogo: false,
    displayModeBar: canHover.matches ? "hover" : false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d"],
    toImageButtonOptions: { format: "svg", filename: plot.id },
  });
}

function darkened(value) {
  if (Array.isArray(value)) return value.map(darkened);
  if (value === null || typeof value !== "object") return value;
  const turned = {};
  for (const [key, part] of Object.entries(value)) {
    const isColour = (key === "color" || key === "fillcolor") && typeof part === "string";
    turned[key] = isColour ? (dark[part] ?? part) : darkened(part);
  }
  return turned;
}

const nextTask = () => new Promise((resolve) => setTimeout(resolve));

async function drawAll() {
  for (const index of plots.keys()) {
    await draw(index);
    await nextTask(); // between two pictures, the page answers
  }
}

function say(text) {
  for (const plot of plots) plot.textContent = text;
}

(async () => {
  if (!plots.length) return;
  if (typeof DecompressionStream === "undefined") {
    say("This browser is too old to unpack the pictures; those of 2023 and later can.");
    return;
  }
  try {
    await unpack(document.getElementById("plotly"));
    await drawAll();
  } catch (error) {
    say("The pictures could not be drawn.");
    throw error;
  }
  document.documentElement.dataset.drawn = "yes";
  isDark.addEventListener("change", drawAll);
  isNarrow.addEventListener("change", drawAll);
  const print = (begins) => () => {
    isPrinting = begins;
    plots.forEach((_, index) => draw(index));
  };
  window.addEventListener("beforeprint", print(true));
  window.addEventListener("afterprint", print(false));
})();
