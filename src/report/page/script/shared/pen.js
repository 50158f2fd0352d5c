// Two pens with the same strokes: one draws on a canvas, the other makes SVG for a file.
const HATCH = { paper: "#c3c7cd", line: "#6a707b" };

const canvasPen = (canvas, width, height) => {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  const font = getComputedStyle(document.body).fontFamily;
  let hatched = null;
  const hatch = () => {
    if (hatched) return hatched;
    const tile = document.createElement("canvas");
    tile.width = tile.height = 6 * ratio;
    const lines = tile.getContext("2d");
    lines.fillStyle = HATCH.paper;
    lines.fillRect(0, 0, tile.width, tile.height);
    lines.strokeStyle = HATCH.line;
    lines.lineWidth = 1.2 * ratio;
    for (const shift of [-6, 0, 6]) {
      lines.beginPath();
      lines.moveTo((shift - 1) * ratio, 7 * ratio);
      lines.lineTo((shift + 7) * ratio, -1 * ratio);
      lines.stroke();
    }
    return (hatched = pen.createPattern(tile, "repeat"));
  };
  const trace = (points) => {
    pen.beginPath();
    points.forEach(([x, y], k) => (k ? pen.lineTo(x * ratio, y * ratio) : pen.moveTo(x * ratio, y * ratio)));
  };
  return {
    // Cells end on whole device pixels, so that no seam shows between them on a screen; in print they
    // are shapes of any scale, so each reaches a pixel under the next ones, to its right and above.
    cell(x0, y0, x1, y1, color) {
      const [left, top, right, bottom] = [x0, y0, x1, y1].map((at) => Math.round(at * ratio));
      pen.fillStyle = color === null ? hatch() : color;
      pen.fillRect(left, top - 1, right - left + 1, bottom - top + 1);
    },
    line(points, color, thick, dash = []) {
      trace(points);
      pen.strokeStyle = color;
      pen.lineWidth = thick * ratio;
      pen.setLineDash(dash.map((one) => one * ratio));
      pen.stroke();
    },
    area(points, color) {
      trace(points);
      pen.fillStyle = color;
      pen.fill();
    },
    text(x, y, text, color, align, size = 10) {
      pen.fillStyle = color;
      pen.font = `${size * ratio}px ${font}`;
      pen.textAlign = align;
      pen.textBaseline = "alphabetic";
      pen.fillText(text, x * ratio, y * ratio);
    },
  };
};

const svgPen = (svg) => {
  const round = (value) => String(Math.round(value * 100) / 100);
  const path = (points) => points.map(([x, y], k) => (k ? "L" : "M") + round(x) + " " + round(y)).join("");
  const cells = new Map();
  return {
    cell(x0, y0, x1, y1, color) {
      const data = cells.get(color) || [];
      data.push(`M${round(x0)} ${round(y0)}H${round(x1)}V${round(y1)}H${round(x0)}z`);
      cells.set(color, data);
    },
    // Cells of one color are one path, which keeps the file small.
    flush() {
      const group = draw(svg, "g", { "shape-rendering": "crispEdges" });
      for (const [color, data] of cells) draw(group, "path", { fill: color === null ? HATCH.paper : color, d: data.join("") });
      cells.clear();
    },
    line(points, color, thick, dash = []) {
      draw(svg, "path", { d: path(points), fill: "none", stroke: color, "stroke-width": thick, "stroke-dasharray": dash.join(" ") || "none" });
    },
    area(points, color) {
      draw(svg, "path", { d: path(points) + "z", fill: color });
    },
    text(x, y, text, color, align, size = 10) {
      const anchor = { left: "start", center: "middle", right: "end" }[align];
      draw(svg, "text", { x: round(x), y: round(y), "text-anchor": anchor, "font-size": size, fill: color }, text);
    },
  };
};
