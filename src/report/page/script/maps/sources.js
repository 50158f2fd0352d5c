// Matrices as maps read them. Each stands on its own checkpoints: the page's cursor, which counts the
// page's epochs, goes to the nearest of them.
const timeOf = (own, last, marks) => {
  const axes = { log: axisOf(own, last, "log"), linear: axisOf(own, last, "linear") };
  const gap = (k, epoch) => Math.abs(own[k] - epoch);
  const near = epochs.map((epoch) => own.reduce((best, _, k) => (gap(k, epoch) < gap(best, epoch) ? k : best), 0));
  const page = own.map((epoch) => epochs.indexOf(epoch));
  return { epochs: own, count: own.length, marks, axis: () => axes[state.get("scale")], near: (k) => near[k], page: (k) => page[k] };
};

// Row i, column j of an upper triangle stored row by row.
const inUnits = (list, count, i, j) => {
  const [a, b] = i <= j ? [i, j] : [j, i];
  const value = list[a * count - (a * (a - 1)) / 2 + (b - a)];
  return value === null || value === undefined ? null : value / data.units;
};
const valueOf = (layer, i, j) => inUnits(layer.values, layer.time.count, i, j);
const errorOf = (layer, i, j) => (layer.errors.length && i !== j ? inUnits(layer.errors, layer.time.count, i, j) : null);
const reasonOf = (layer, i, j) => {
  const found = layer.reasons.find(([a, b]) => a === Math.min(i, j) && b === Math.max(i, j));
  return found ? found[2] : "no reason recorded";
};
const setText = (set) => `${set.measure}, ${set.group}`;
const pairText = (time, i, j) => `epoch ${epochText(time.epochs[i])} × epoch ${epochText(time.epochs[j])}`;

// A matrix that can be drawn and read; `keys` tell it from others in a table.
const plainSource = (set, layer, name = layer.name, keys = [["layer", layer.name]]) => ({
  time: layer.time,
  count: layer.time.count,
  set,
  layer,
  name,
  short: layer.short,
  keys,
  what: setText(set),
  diverging: false,
  value: (i, j) => valueOf(layer, i, j),
  error: (i, j) => errorOf(layer, i, j),
  describe(i, j) {
    const [value, error] = [valueOf(layer, i, j), errorOf(layer, i, j)];
    const head = value === null ? "undefined" : fixed(value, 4) + (error === null ? "" : " (se " + fixed(error, 4) + ")");
    const beyond = value !== null && (value < 0 || value > 1) ? " · outside 0–1, color at the end of the scale" : "";
    const what = name + " · " + setText(set);
    return { head, pair: pairText(layer.time, i, j) + beyond, what: value === null ? what + " · " + reasonOf(layer, i, j) : what };
  },
});

const sourceRows = (source) => {
  const rows = [];
  const { epochs: own } = source.time;
  const names = source.keys.map(([, name]) => name);
  for (let i = 0; i < source.count; i += 1) {
    for (let j = i; j < source.count; j += 1) {
      const value = source.value(i, j);
      const reason = value === null && !source.diverging ? reasonOf(source.layer, i, j) : "";
      rows.push([...names, source.what, own[i], own[j], value, source.error(i, j), reason]);
    }
  }
  return rows;
};
const sourceColumns = (source) => [...source.keys.map(([key]) => key), "measure", "epoch", "other_epoch", "value", "se", "reason"];
