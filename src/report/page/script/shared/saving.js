// Saving: a drawing as SVG or PNG, a table as CSV, each under its own name.
const download = (name, blob) => {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
};

const saveText = (name, type, text) => download(name, new Blob([text], { type }));

// A cell of a table; a spreadsheet takes what begins with one of =+-@ for a formula, unless it is a number.
const csvCell = (value) => {
  const text = value === null || value === undefined ? "" : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) && !Number.isFinite(Number(text)) ? "'" + text : text;
  return /[",\n\r]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
};
const csv = (rows) => rows.map((row) => row.map(csvCell).join(",") + "\n").join("");

// The drawing on white, three pixels a unit, fewer where a browser has no canvas of that size.
const MOST_PIXELS = 16000;
const savePng = (name, svg) => {
  const box = svg.viewBox.baseVal;
  const pixels = Math.min(3, MOST_PIXELS / Math.max(box.width, box.height));
  const sized = svg.cloneNode(true);
  sized.setAttribute("width", pixels * box.width);
  sized.setAttribute("height", pixels * box.height);
  const image = new Image();
  image.addEventListener("load", () => {
    const canvas = document.createElement("canvas");
    canvas.width = Math.ceil(pixels * box.width);
    canvas.height = Math.ceil(pixels * box.height);
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(image, 0, 0);
    canvas.toBlob((blob) => download(name, blob), "image/png");
  });
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(new XMLSerializer().serializeToString(sized));
};

// Buttons beside a caption. `what.svg()` and `what.rows()` make what is saved when it is asked for.
const offer = (host, name, what) => {
  const place = make(host, "span", "saving");
  make(place, "span", "", "save ");
  const add = (format, act) => {
    const one = button(place, "save", format, act);
    one.setAttribute("aria-label", `save ${name} as ${format}`);
  };
  if (what.svg) {
    add("SVG", () => saveText(name + ".svg", "image/svg+xml", new XMLSerializer().serializeToString(what.svg())));
    add("PNG", () => savePng(name + ".png", what.svg()));
  }
  if (what.csv) add("CSV", () => saveText(name + ".csv", "text/csv", what.csv()));
};

// A new drawing for a file, black on white.
const FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif";
const sheet = (width, height) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}`, "font-family": FONT })) svg.setAttribute(key, value);
  draw(svg, "rect", { width, height, fill: "#ffffff" });
  return svg;
};

// A table of the page as rows, and as a drawing.
const tableRows = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent));
const tableSvg = (table) => {
  const rows = tableRows(table);
  const width = (k) => 14 + 6.2 * Math.max(...rows.map((row) => (row[k] || "").length));
  const widths = rows[0].map((_, k) => Math.min(420, width(k)));
  const svg = sheet(widths.reduce((sum, one) => sum + one, 16), 20 * rows.length + 16);
  rows.forEach((row, r) => {
    let x = 8;
    row.forEach((text, k) => {
      const weight = table.rows[r].cells[k].tagName === "TH" ? 600 : 400;
      draw(svg, "text", { x, y: 20 * r + 21, "font-size": 11, "font-weight": weight, fill: PRINT.ink }, text);
      x += widths[k];
    });
  });
  return svg;
};
