// The maps of every layer: which measure and examples, minus which, in which colors.
const setNamed = (text) => data.sets.find((set) => setText(set) === text);

const buildSection = (host) => {
  const kind = host.dataset.maps;
  const sets = data.sets.filter((set) => set.regions === (kind === "drs"));
  const head = make(host, "div", "controls");
  const grid = host.querySelector(".grid");
  grid.before(head);
  const note = make(host, "p", "none", "No layer has such a name.");
  grid.after(note);
  const scale = buildScale();
  note.after(scale.row);
  let cards = [];

  const chosen = () => sets.find((set) => setText(set) === state.get(kind)) || sets[0];
  const choose = choosers(head, kind, sets, chosen);
  const sources = () => chosen().layers.map((layer) => sourceOf(chosen(), layer, state.get(kind + "-minus"))).filter((one) => one);

  const fill = () => {
    choose.show();
    const all = sources();
    grid.replaceChildren();
    cards = all.filter(({ name }) => isShown(name)).map((source) => buildCard(grid, source, kind));
    note.hidden = cards.length > 0;
    paint();
  };
  // The captions are those of the printed figures: they hold while nothing else is chosen.
  const caption = () => {
    const asPrinted = ["scale", "range", "layers", kind + "-minus"].every(state.isDefault);
    for (const one of host.querySelectorAll(".caption")) {
      one.hidden = !asPrinted || data.sets[Number(one.dataset.set)] !== chosen();
    }
  };
  const paint = () => {
    caption();
    const ink = screenInk();
    const sized = cards.map((card) => card.stage.stage.clientWidth);
    const ranges = rangesOf(sources());
    cards.forEach((card, k) => {
      const range = ranges(card.source);
      card.range.textContent = state.get("range") === "layer" ? rangeText(range) : "";
      card.stage.paint(sized[k], colorsOf(card.source, range), ink);
    });
    if (cards.length) scale.paint(cards[0].source, state.get("range") === "layer" ? null : ranges(cards[0].source));
  };
  state.on([kind, kind + "-minus", "layers"], fill);
  state.on(["scale", "range", "outlines", "theme"], paint);
  state.follow(() => cards.forEach((card) => card.stage.mark()));
  fill();
  const section = { kind, keys: [kind, kind + "-minus"], host, chosen, sources, paint, shown: () => cards.map((card) => card.source) };
  offerMaps(host, section);
  sections.push(section);
};

// A layer's matrix, minus another set's or another layer's where that is asked for; none where that
// is the layer itself or not there.
const sourceOf = (set, layer, minus) => {
  const other = setNamed(minus);
  if (other) {
    const second = layerOf(other, layer.name);
    return second ? differenceSource(set, layer, other, second) : null;
  }
  const second = minus.startsWith("layer ") ? layerOf(set, minus.slice(6)) : null;
  if (second === layer) return null;
  return second ? differenceSource(set, layer, set, second) : plainSource(set, layer);
};

const marksInWords = () => {
  const words = data.fit === null ? [] : ["dashed: perfect fit"];
  const names = ["minimum", "peak", "second minimum"].filter((_, k) => data.turns[k] !== null);
  if (names.length) words.push("▾ " + names.join(", ") + " of the test error");
  if (state.has("outlines", "phases")) words.push("squares: phases");
  if (state.has("outlines", "boundaries")) words.push("dotted: boundaries");
  return words;
};
