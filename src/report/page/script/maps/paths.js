// The path of each layer through its epochs: checkpoints as points of a plane whose distances are
// as near as can be to the angles arccos S, S being the similarity.
const buildPaths = () => {
  const host = document.querySelector(".paths");
  if (!host || count < 3 || !sections.length) return;
  $("paths").hidden = false;
  for (const section of sections) {
    const title = make(host, "h4");
    const grid = make(host, "div", "grid");
    const files = make(host, "p", "files");
    let paths = [];
    const fill = () => {
      const set = section.chosen();
      title.textContent = setText(set);
      grid.replaceChildren();
      paths = set.layers.filter((layer) => isShown(layer.name)).map((layer) => buildPath(grid, set, layer));
      files.replaceChildren();
      const name = slug("paths-" + title.textContent);
      offer(files, name, { svg: () => pathsSvg(paths), csv: () => pathsCsv(paths) });
    };
    let due = true;
    // Scaling takes a while of many layers: only what is about to be seen is computed.
    const seen = new IntersectionObserver(([entry]) => {
      if (!entry.isIntersecting || !due) return;
      due = false;
      fill();
    }, { rootMargin: "400px" });
    seen.observe(title);
    // Paper shows everything.
    onPrint(() => {
      if (due) fill();
      due = false;
    });
    const again = () => (due ? undefined : fill());
    title.textContent = setText(section.chosen());
    state.on([section.kind, "layers"], again);
    state.on(["theme"], () => paths.forEach((path) => path.place()));
    state.follow(() => paths.forEach((path) => path.place()));
  }
};

const PATH = { width: 200, height: 150, pad: 10 };

const angle = (similarity) => Math.acos(clamp(similarity, -1, 1));

const buildPath = (grid, set, layer) => {
  // Checkpoints where everything is defined.
  const kept = epochs.map((_, i) => i).filter((i) => valueOf(layer, i, i) !== null);
  const defined = kept.filter((i) => kept.every((j) => valueOf(layer, i, j) !== null));
  const scaled = classicalScaling(defined.length, (a, b) => angle(valueOf(layer, defined[a], defined[b])));
  const card = make(grid, "div", "path");
  make(card, "h5", "", layer.short);
  const svg = draw(card, "svg", { viewBox: `0 0 ${PATH.width} ${PATH.height}`, role: "img" });
  svg.setAttribute("aria-label", `Path of ${layer.name} through its epochs, ${setText(set)}; the two axes keep ${Math.round(100 * scaled.share)} % of the variance`);
  make(card, "p", "share", defined.length < 3 ? "too few checkpoints are defined" : `two axes keep ${Math.round(100 * scaled.share)} %`);
  const places = fit(scaled.points);
  drawPath(svg, layer, defined, places);
  const dot = draw(svg, "circle", { class: "here", r: 4.5, cx: -20, cy: -20 });
  const point = (event) => {
    if (!places.length) return;
    const box = svg.getBoundingClientRect();
    const [x, y] = [((event.clientX - box.left) / box.width) * PATH.width, ((event.clientY - box.top) / box.height) * PATH.height];
    const away = (k) => Math.hypot(places[k][0] - x, places[k][1] - y);
    const nearest = places.reduce((best, _, k) => (away(k) < away(best) ? k : best), 0);
    return defined[nearest];
  };
  svg.addEventListener("pointermove", (event) => {
    const i = point(event);
    if (i === undefined) return;
    state.move(i, i);
    tip.show(event, { head: "epoch " + epochText(epochs[i]), pair: layer.name, what: setText(set) });
  });
  svg.addEventListener("pointerleave", tip.hide);
  svg.addEventListener("click", (event) => {
    const i = point(event);
    if (i !== undefined) state.pin(i, i);
  });
  const place = () => {
    const at = defined.indexOf(state.cursor().i);
    dot.setAttribute("cx", at < 0 ? -20 : places[at][0]);
    dot.setAttribute("cy", at < 0 ? -20 : places[at][1]);
  };
  place();
  return { layer, set, defined, points: scaled.points, svg, place };
};

// One scale in both directions, in the middle of the drawing.
const fit = (points) => {
  if (points.length < 3) return [];
  const ends = [0, 1].map((k) => [Math.min(...points.map((p) => p[k])), Math.max(...points.map((p) => p[k]))]);
  const room = [PATH.width - 2 * PATH.pad, PATH.height - 2 * PATH.pad];
  const scale = Math.min(...[0, 1].map((k) => room[k] / Math.max(1e-9, ends[k][1] - ends[k][0])));
  const middle = ends.map(([low, high]) => (low + high) / 2);
  return points.map(([a, b]) => [PATH.width / 2 + scale * (a - middle[0]), PATH.height / 2 - scale * (b - middle[1])]);
};

const drawPath = (svg, layer, defined, places) => {
  const line = places.map(([x, y], k) => (k ? "L" : "M") + x.toFixed(1) + " " + y.toFixed(1)).join("");
  if (line) draw(svg, "path", { class: "trail", d: line, fill: "none", stroke: "#8a8f98", "stroke-width": 0.9 });
  const last = Math.max(1, places.length - 1);
  places.forEach(([cx, cy], k) => {
    draw(svg, "circle", { class: "marker d" + Math.floor((k * 11 + last / 2) / last), fill: palette[Math.round((255 * 0.82 * k) / last)], cx: cx.toFixed(1), cy: cy.toFixed(1), r: 2.2 });
  });
};

const pathsSvg = (paths) => {
  const perRow = Math.min(4, paths.length);
  const [wide, high] = [PATH.width + 12, PATH.height + 26];
  const svg = sheet(perRow * wide, Math.ceil(paths.length / perRow) * high);
  paths.forEach(({ layer, svg: drawing }, k) => {
    const group = draw(svg, "g", { transform: `translate(${(k % perRow) * wide + 6} ${Math.floor(k / perRow) * high + 18})` });
    draw(group, "text", { x: 0, y: -4, "font-size": 10, "font-weight": 600, fill: PRINT.ink }, layer.name);
    for (const part of drawing.querySelectorAll(".trail, .marker")) group.append(part.cloneNode());
  });
  return svg;
};
const pathsCsv = (paths) => {
  const rows = paths.flatMap(({ layer, set, defined, points }) => defined.map((i, k) => [layer.name, setText(set), epochs[i], ...points[k]]));
  return csv([["layer", "measure", "epoch", "first_axis", "second_axis"], ...rows]);
};
