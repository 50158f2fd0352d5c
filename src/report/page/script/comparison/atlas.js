// The atlas: layers below each other, runs side by side, all in the colors of one range.

// The maps of a set as they are shown, each with its place: of every run, or of every arm.
const atlasSources = (set) => {
  const byArm = state.get("columns") === "arms";
  const columns = byArm ? data.arms.map((_, arm) => data.columns.flatMap((column, k) => (column.arm === arm ? [k] : []))) : data.columns.map((_, k) => [k]);
  return data.rows[data.sets.indexOf(set)].flatMap((row, r) =>
    columns.flatMap((of, c) => {
      const cells = set.layers.filter((layer) => layer.row === r && of.includes(layer.column));
      return cells.length ? [atlasSource(set, row, [c, r], byArm ? meanOf(cells) : cells[0])] : [];
    }),
  );
};

const atlasSource = (set, row, place, layer) => {
  const run = layer.of ?? data.columns[layer.column].name;
  const name = `${layer.name} · ${run}`;
  const short = row.same ? run : name;
  return { ...plainSource(set, { ...layer, short: name }, name, [["layer", layer.name], ["run", run]]), place, row, short };
};

// The mean over an arm's seeds: nothing is interpolated, so seeds with other checkpoints than the
// first have no part in it.
const meanOf = (cells) => {
  const [first] = cells;
  const same = cells.filter(({ column, values, name }) => data.columns[column].time === data.columns[first.column].time && values.length === first.values.length && name === first.name);
  const arm = data.arms[data.columns[first.column].arm];
  if (cells.length === 1) return { ...first, of: arm };
  if (same.length < cells.length) return { ...first, of: `${arm}, first of ${cells.length} seeds` };
  const mean = (_, k) => {
    const values = same.map(({ values }) => values[k]);
    return values.includes(null) ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  return { ...first, of: `${arm}, mean of ${same.length} seeds`, values: first.values.map(mean), errors: [], reasons: [], phases: [], boundaries: [], time: { ...first.time, marks: { fit: null, turns: [] } } };
};

const buildAtlas = () => {
  const host = document.querySelector("[data-maps=atlas]");
  if (!host || !data.sets.length) return;
  const frame = host.querySelector(".atlas");
  const head = document.createElement("div");
  head.className = "controls";
  frame.before(head);
  const note = make(host, "p", "none", "No layer has such a name.");
  const scale = buildScale();
  frame.after(scale.row, note);
  let [all, cards] = [[], []];

  const chosen = () => data.sets.find((set) => setText(set) === state.get("atlas")) || data.sets[0];
  const choose = choosers(head, "atlas", data.sets, chosen);
  const several = data.columns.length > data.arms.length;
  const columns = several ? pills(head, "columns", [["runs", "each run"], ["arms", "mean over seeds"]], state.get("columns"), (value) => state.set("columns", value)) : null;

  // Painting is left for what is about to be seen.
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const card = cards.find((one) => one.element === target);
      if (!isIntersecting || !card || card.seen) continue;
      card.seen = true;
      paintCard(card);
    }
  }, { rootMargin: "300px" });
  let range = [0, 1];
  const paintCard = (card) => card.stage.paint(card.stage.stage.clientWidth, colorsOf(card.source, range), screenInk());

  const fill = () => {
    choose.show();
    if (columns) columns.show(state.get("columns"));
    all = atlasSources(chosen());
    observer.disconnect();
    frame.replaceChildren();
    const shown = data.rows[data.sets.indexOf(chosen())].map((row, r) => all.filter(({ place }) => place[1] === r)).filter((row) => row.some(({ layer }) => isShown(layer.name)));
    const width = 1 + Math.max(0, ...all.map(({ place }) => place[0]));
    frame.style.setProperty("--columns", width);
    cards = shown.flatMap((row, r) => buildRow(frame, row, r, width));
    cards.forEach(({ element }) => observer.observe(element));
    note.hidden = cards.length > 0;
    paint();
  };
  const paint = () => {
    range = rangesOf(all)();
    cards.filter(({ seen }) => seen).forEach(paintCard);
    if (cards.length) scale.paint(cards[0].source, range);
  };
  onPrint(() => {
    cards.forEach((card) => (card.seen = true));
    paint();
  });
  state.on(["atlas", "columns", "layers"], fill);
  state.on(["scale", "range", "outlines", "theme"], paint);
  state.follow(() => cards.filter(({ seen }) => seen).forEach((card) => card.stage.mark()));
  fill();
  const section = { kind: "atlas", keys: ["atlas", "columns"], chosen, sources: () => all, paint, shown: () => cards.map(({ source }) => source) };
  offerMaps(host, section);
  sections.push(section);
};

// A layer's name over its maps; a run without the layer leaves its place empty.
const buildRow = (frame, sources, r, width) => {
  make(frame, "h3", "row", sources[0].row.label);
  return Array.from({ length: width }, (_, c) => {
    const source = sources.find(({ place }) => place[0] === c);
    if (!source) {
      make(frame, "p", "gap", "–");
      return null;
    }
    return { ...buildCard(frame, { ...source, place: [c, r] }, "atlas"), seen: false };
  }).filter((card) => card);
};

const marksInWords = () => ["dashed: perfect fit", "▾ minimum, peak, second minimum of the test error, where a run has them"];
