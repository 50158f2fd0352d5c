// The numbers of the run, from the element #data. Names reach the page as text alone.
const data = JSON.parse($("data").textContent);
const epochs = data.epochs;
const count = epochs.length;
const lastEpoch = Math.max(1, ...epochs, ...data.history.epoch);
const palette = viridis(data.colors);
const marks = { fit: data.fit, turns: data.turns };

// Row i, column j of an upper triangle stored row by row.
const triangle = (i, j) => {
  const [a, b] = i <= j ? [i, j] : [j, i];
  return a * count - (a * (a - 1)) / 2 + (b - a);
};
const inUnits = (list, i, j) => {
  const value = list[triangle(i, j)];
  return value === null || value === undefined ? null : value / data.units;
};
const valueOf = (layer, i, j) => inUnits(layer.values, i, j);
const errorOf = (layer, i, j) => (layer.errors.length && i !== j ? inUnits(layer.errors, i, j) : null);
const reasonOf = (layer, i, j) => {
  const found = layer.reasons.find(([a, b]) => a === Math.min(i, j) && b === Math.max(i, j));
  return found ? found[2] : "no reason recorded";
};
const layerOf = (set, name) => set.layers.find((layer) => layer.name === name);
const setText = (set) => `${set.measure}, ${set.group}`;
const pairText = (i, j) => "epoch " + epochText(epochs[i]) + " × epoch " + epochText(epochs[j]);

// A matrix that can be drawn and read: of one layer, or the difference of two.
const plainSource = (set, layer) => ({
  count,
  set,
  layer,
  name: layer.name,
  what: setText(set),
  diverging: false,
  value: (i, j) => valueOf(layer, i, j),
  error: (i, j) => errorOf(layer, i, j),
  describe(i, j) {
    const [value, error] = [valueOf(layer, i, j), errorOf(layer, i, j)];
    const head = value === null ? "undefined" : fixed(value, 4) + (error === null ? "" : " (se " + fixed(error, 4) + ")");
    const beyond = value !== null && (value < 0 || value > 1) ? " · outside 0–1, color at the end of the scale" : "";
    const what = layer.name + " · " + setText(set);
    return { head, pair: pairText(i, j) + beyond, what: value === null ? what + " · " + reasonOf(layer, i, j) : what };
  },
});

const differenceSource = (set, layer, other, second) => {
  const minus = other === set ? second.name : layer === second || layer.name === second.name ? setText(other) : `${second.name}, ${setText(other)}`;
  const value = (i, j) => {
    const [a, b] = [valueOf(layer, i, j), valueOf(second, i, j)];
    return a === null || b === null ? null : a - b;
  };
  return {
    count,
    set,
    layer,
    name: layer.name,
    what: `${setText(set)} − ${minus}`,
    diverging: true,
    value,
    error: () => null,
    describe(i, j) {
      const [a, b, gap] = [valueOf(layer, i, j), valueOf(second, i, j), value(i, j)];
      const head = gap === null ? "undefined" : (gap > 0 ? "+" : "") + fixed(gap, 4);
      return { head, pair: pairText(i, j), what: `${layer.name}: ${fixed(a, 4)} (${setText(set)}) − ${fixed(b, 4)} (${minus})` };
    },
  };
};

const sourceRows = (source) => {
  const rows = [];
  for (let i = 0; i < count; i += 1) {
    for (let j = i; j < count; j += 1) {
      const value = source.value(i, j);
      const reason = value === null && !source.diverging ? reasonOf(source.layer, i, j) : "";
      rows.push([source.name, source.what, epochs[i], epochs[j], value, source.error(i, j), reason]);
    }
  }
  return rows;
};
const SOURCE_COLUMNS = ["layer", "measure", "epoch", "other_epoch", "value", "se", "reason"];

// The errors at an epoch: of its row of the history, or the last one before it.
const errorsAt = (epoch) => {
  const history = data.history;
  let row = -1;
  while (row + 1 < history.epoch.length && history.epoch[row + 1] <= epoch + 1e-9) row += 1;
  if (row < 0) return [];
  const entries = [["test error", history.test[row]]];
  if (data.recomputed) entries.push(["running BN", history.running[row]]);
  if (history.corrupted[row] !== null) {
    entries.push(["train, clean", history.clean[row]], ["corrupted", history.corrupted[row]]);
  } else {
    entries.push(["train error", history.train[row]]);
  }
  return entries.filter(([, value]) => value !== null && value !== undefined);
};
