// One row of every map, at the epoch of the cursor: a chart for each section of maps.
const buildSlices = () => {
  const host = document.querySelector(".slices");
  if (!host || count < 3 || !sections.length) return;
  $("slices").hidden = false;
  for (const section of sections) {
    const figure = make(host, "figure");
    const title = make(figure, "h4");
    const svg = draw(figure, "svg", { viewBox: `0 0 ${CHART.width} ${CHART.height}`, role: "group" });
    const files = make(figure, "p", "files");
    let [what, rows] = ["", []];
    const fill = () => {
      const sources = section.shown();
      what = sources.length ? sources[0].what : "";
      svg.setAttribute("aria-label", `Similarity of every layer to itself at the epoch of the cursor, ${what}`);
      svg.replaceChildren();
      rows = chartRows(svg, sources);
      files.replaceChildren();
      offer(files, slug("slices-" + what), { svg: () => printed(svg), csv: () => slicesCsv(section.shown()) });
      update();
      fade();
    };
    const update = () => {
      title.textContent = what && `${what}, to epoch ${epochText(epochs[state.cursor().i])}`;
      if (rows.length) updateChart(svg, rows);
    };
    state.on([section.kind, section.kind + "-minus", "layers", "scale"], fill);
    state.follow(update);
    fill();
  }
};

const CHART = { width: 440, height: 260, left: 34, right: 96, top: 10, bottom: 34 };
const chartX = (epoch) => CHART.left + (CHART.width - CHART.left - CHART.right) * axis.share(epoch);
const chartY = (sources) => {
  const [low, high] = sources.length && sources[0].diverging ? [-1, 1] : [0, 1];
  return (value) => CHART.top + (CHART.height - CHART.top - CHART.bottom) * (1 - (clamp(value, low, high) - low) / (high - low));
};

const chartRows = (svg, sources) => {
  const y = chartY(sources);
  const { width, left, right, top, height, bottom } = CHART;
  const base = height - bottom;
  for (const value of sources.length && sources[0].diverging ? [-1, 0, 1] : [0, 0.5, 1]) {
    draw(svg, "line", { class: "rule", stroke: "#e3e6ea", x1: left, x2: width - right, y1: y(value), y2: y(value) });
    draw(svg, "text", { x: left - 6, y: y(value) + 4, "text-anchor": "end", "font-size": 11 }, fixed(value, value % 1 ? 1 : 0));
  }
  for (const tick of axis.ticks(width - left - right, 26)) {
    draw(svg, "line", { class: "axis", stroke: PRINT.frame, x1: chartX(tick), x2: chartX(tick), y1: base, y2: base + 4 });
    draw(svg, "text", { x: chartX(tick), y: base + 15, "text-anchor": "middle", "font-size": 11 }, String(tick));
  }
  draw(svg, "text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle", "font-size": 11 }, "epoch");
  draw(svg, "line", { class: "axis", stroke: PRINT.frame, x1: left, x2: width - right, y1: base, y2: base });
  if (data.fit !== null) {
    draw(svg, "line", { class: "dashed", stroke: PRINT.ink, "stroke-dasharray": "4 3", x1: chartX(data.fit), x2: chartX(data.fit), y1: top, y2: base });
  }
  draw(svg, "line", { class: "cursor-line", y1: top, y2: base });
  const last = Math.max(1, sources.length - 1);
  return sources.map((source, k) => {
    const shade = "d" + Math.floor((k * 11 + last / 2) / last);
    const curve = draw(svg, "g", { "data-of": source.name });
    const key = draw(svg, "g", { "data-key": source.name });
    makeKey(key, source.name);
    const path = draw(curve, "path", { class: "row " + shade, fill: "none", "stroke-width": 1.6, stroke: palette[Math.round((255 * 0.82 * k) / last)] });
    return { source, path, label: draw(key, "text", { x: width - right + 7, "font-size": 11 }, source.layer.short), y };
  });
};

const updateChart = (svg, rows) => {
  const { i } = state.cursor();
  const u = chartX(epochs[i]);
  const line = svg.querySelector(".cursor-line");
  line.setAttribute("x1", u);
  line.setAttribute("x2", u);
  const ends = rows.map((row) => {
    let [path, pen, end] = ["", "M", null];
    for (let k = 0; k < count; k += 1) {
      const value = row.source.value(i, k);
      if (value === null) {
        pen = "M";
        continue;
      }
      end = row.y(value);
      path += pen + chartX(epochs[k]).toFixed(1) + " " + end.toFixed(1);
      pen = "L";
    }
    row.path.setAttribute("d", path);
    return { row, end };
  });
  placeLabels(ends.filter(({ row, end }) => (end === null ? row.label.setAttribute("display", "none") : true)));
};

// Names at the right end, so far apart that they do not overlap: as near to their curves as that
// allows, evenly where there are too many.
const placeLabels = (ends) => {
  const [from, to] = [CHART.top, CHART.height - CHART.bottom - 2];
  const gap = Math.min(11, (to - from) / Math.max(1, ends.length - 1));
  const size = Math.min(11, gap + 1);
  ends.sort((a, b) => a.end - b.end);
  let free = from;
  for (const entry of ends) {
    entry.at = Math.max(entry.end, free);
    free = entry.at + gap;
  }
  let limit = to;
  for (const { row, at } of [...ends].reverse()) {
    const place = Math.min(at, limit);
    limit = place - gap;
    row.label.removeAttribute("display");
    row.label.setAttribute("font-size", size.toFixed(1));
    row.label.setAttribute("y", (place + 4).toFixed(1));
  }
};

const slicesCsv = (sources) => {
  const { i } = state.cursor();
  const rows = sources.flatMap((source) => epochs.map((epoch, k) => [source.name, source.what, epochs[i], epoch, source.value(i, k), source.error(i, k)]));
  return csv([["layer", "measure", "epoch", "other_epoch", "value", "se"], ...rows]);
};
