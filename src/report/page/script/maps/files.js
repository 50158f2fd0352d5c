// Maps as files.

// Maps of a section as one drawing, in the colors that they have among all of it.
const mapsSvg = (sources, all) => {
  const [side, gap] = [150, 14];
  // Maps that have a place in a grid keep it.
  const few = Math.min(4, sources.length);
  const places = sources.map((source, k) => (sources.length > 1 && source.place) || [k % few, Math.floor(k / few)]);
  const most = (way) => 1 + Math.max(...places.map((place) => place[way]));
  const [wide, high] = [side + MARGIN.left + MARGIN.right, side + MARGIN.top + MARGIN.bottom + gap];
  const svg = sheet(most(0) * wide + 8, most(1) * high + 34);
  const ranges = rangesOf(all);
  sources.forEach((source, k) => {
    const [left, top] = [places[k][0] * wide, places[k][1] * high + gap];
    const range = ranges(source);
    const title = (sources.length > 1 ? source.layer.short : source.name) + (state.get("range") === "unit" ? "" : `  (${rangeText(range)})`);
    draw(svg, "text", { x: left + MARGIN.left, y: top - 1, "font-size": 10, "font-weight": 600, fill: PRINT.ink }, title);
    paintHeatmap(svgPen(svg), { left, top, side, source, axis: source.time.axis(), color: colorsOf(source, range), ink: PRINT, marks: source.time.marks, outlines: outlinesOf(source) });
  });
  const words = `${sources[0].what}; colors from ${state.get("range") === "layer" ? "least to greatest of the layer" : rangeText(ranges(sources[0]))}; both axes: epoch`;
  draw(svg, "text", { x: MARGIN.left, y: Number(svg.getAttribute("height")) - 10, "font-size": 9, fill: PRINT.soft }, words);
  return svg;
};
const mapsCsv = (sources) => csv([sourceColumns(sources[0]), ...sources.flatMap(sourceRows)]);
const offerMaps = (host, section) => {
  const place = make(host, "p", "files");
  const redo = () => {
    place.replaceChildren();
    const sources = section.shown();
    if (!sources.length) return;
    offer(place, slug("maps-" + sources[0].what), { svg: () => mapsSvg(sources, section.sources()), csv: () => mapsCsv(sources) });
  };
  state.on([...section.keys, "layers"], redo);
  redo();
};
