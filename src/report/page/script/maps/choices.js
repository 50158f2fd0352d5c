// What a reader chooses about maps.

// Choices of the measure, of the examples, of what is subtracted.
const choosers = (head, kind, sets, chosen) => {
  const distinct = (values) => [...new Set(values)];
  const measures = distinct(sets.map((set) => set.measure));
  const groups = distinct(sets.map((set) => set.group));
  const pick = (measure, group) => {
    const fitting = sets.filter((set) => set.measure === measure);
    const set = fitting.find((one) => one.group === group) || fitting[0];
    state.set(kind, set === sets[0] ? "" : setText(set));
  };
  const pairs = (names) => names.map((name) => [name, name]);
  const measure = measures.length > 1 ? pills(head, "measure", pairs(measures), chosen().measure, (name) => pick(name, chosen().group)) : null;
  const group = groups.length > 1 ? pills(head, kind === "drs" ? "planes through" : "examples", pairs(groups), chosen().group, (name) => pick(chosen().measure, name)) : null;
  const minus = `${kind}-minus` in CHOICES ? list(head, "minus", (value) => state.set(kind + "-minus", value)) : null;
  const show = () => {
    const set = chosen();
    if (measure) measure.show(set.measure);
    if (group) group.show(set.group);
    if (!minus) return;
    const others = data.sets.filter((one) => one !== set && one.layers.some(({ name }) => layerOf(set, name)));
    const layers = set.layers.map(({ name }) => ["layer " + name, "layer " + name]);
    minus.fill([["", "nothing"], ...others.map((one) => [setText(one), setText(one)]), ...layers], state.get(kind + "-minus"));
  };
  return { show };
};

// What all maps share: the axis, the colors, the outlines, the layers.
const buildReading = () => {
  const first = document.querySelector("[data-maps]");
  if (!first) return;
  const bar = document.createElement("div");
  bar.className = "controls reading";
  first.before(bar);
  const pick = (key) => (value) => state.set(key, value);
  const scale = pills(bar, "epochs", [["log", "logarithmic"], ["linear", "linear"]], state.get("scale"), pick("scale"));
  const range = pills(bar, "colors", RANGES, state.get("range"), pick("range"));
  const outlines = outlineSwitches(bar);
  const filter = layerFilter(bar);
  state.on(["scale", "range", "outlines", "layers"], () => {
    scale.show(state.get("scale"));
    range.show(state.get("range"));
    outlines();
    filter();
  });
};

const outlineSwitches = (parent) => {
  if (!data.sets.some((set) => set.layers.some((layer) => layer.phases.length))) return () => {};
  const set = make(parent, "fieldset", "choice");
  make(set, "legend", "", "outlines");
  const inputs = ["phases", "boundaries"].map((part) => {
    const label = make(set, "label");
    const input = make(label, "input");
    input.type = "checkbox";
    input.addEventListener("change", () => state.toggle("outlines", part));
    make(label, "span", "", part);
    return [input, part];
  });
  const show = () => inputs.forEach(([input, part]) => (input.checked = state.has("outlines", part)));
  show();
  return show;
};

const layerFilter = (parent) => {
  const names = [...new Set(data.sets.flatMap((set) => set.layers.map((layer) => layer.name)))];
  const label = make(parent, "label", "list");
  make(label, "span", "", "layers");
  const input = make(label, "input");
  input.type = "search";
  input.spellcheck = false;
  input.placeholder = names.length > 1 ? names[0].replace(/[0-9].*/, "") + "*" : "*";
  const found = make(label, "output", "found");
  input.addEventListener("input", () => state.set("layers", input.value.trim()));
  const show = () => {
    if (input.value.trim() !== state.get("layers")) input.value = state.get("layers");
    found.textContent = `${names.filter(isShown).length} of ${names.length}`;
  };
  show();
  return show;
};
