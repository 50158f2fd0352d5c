// Saving of what the page holds ready: figures as they are printed, and tables.

// A drawing without the page's colors, cursor and controls.
const printed = (svg) => {
  const copy = svg.cloneNode(true);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.querySelectorAll(".cursor-line, .panel").forEach((one) => one.remove());
  for (const one of [copy, ...copy.querySelectorAll("*")]) {
    for (const name of ["tabindex", "role", "aria-pressed", "aria-label", "data-file"]) if (one !== copy || name === "data-file") one.removeAttribute(name);
    one.classList.remove("faded", "key");
  }
  if (!copy.hasAttribute("font-family")) copy.setAttribute("font-family", FONT);
  return copy;
};

const offerFigures = () => {
  for (const figure of document.querySelectorAll("figure")) {
    const drawings = [...figure.querySelectorAll(".drawing svg")];
    const host = figure.querySelector(".file");
    if (!drawings.length || !host) continue;
    const files = drawings.map((svg) => svg.dataset.file);
    const visible = () => drawings.find((svg) => svg.getClientRects().length) || drawings[0];
    const known = files.find((file) => Object.hasOwn(data.tables, file));
    // Of drawings of one figure in several widths the shortest name is the figure's.
    const name = files.reduce((a, b) => (b.length < a.length ? b : a));
    offer(host, name, { svg: () => printed(visible()), csv: known === undefined ? undefined : () => data.tables[known] });
  }
};

const offerTables = () => {
  for (const table of document.querySelectorAll("table[data-file]")) {
    const place = document.createElement("p");
    place.className = "files";
    table.after(place);
    offer(place, table.dataset.file, { svg: () => tableSvg(table), csv: () => csv(tableRows(table)) });
  }
};
