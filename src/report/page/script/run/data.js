// The numbers of the run, from the element #data. Names reach the page as text alone.
const data = JSON.parse($("data").textContent);
const epochs = data.epochs;
const count = epochs.length;
const lastEpoch = Math.max(1, ...epochs, ...data.history.epoch);
const palette = viridis(data.colors);
const marks = { fit: data.fit, turns: data.turns };

const time = timeOf(epochs, lastEpoch, marks);
for (const layer of data.sets.flatMap((set) => set.layers)) layer.time = time;

// What a reader chooses, each with its default, or with all that there is, the default first.
const RANGES = [["unit", "0 to 1"], ["layer", "each layer"], ["all", "all layers"]];
const CHOICES = {
  scale: ["log", "linear"],
  range: RANGES.map(([value]) => value),
  outlines: "",
  layers: "",
  only: "",
  theme: ["", "light", "dark"],
  cka: "",
  drs: "",
  "cka-minus": "",
  "drs-minus": "",
  enlarged: "",
  regions: "",
  at: "",
};

const layerOf = (set, name) => set.layers.find((layer) => layer.name === name);
const differenceSource = (set, layer, other, second) => {
  const minus = other === set ? second.name : layer === second || layer.name === second.name ? setText(other) : `${second.name}, ${setText(other)}`;
  const value = (i, j) => {
    const [a, b] = [valueOf(layer, i, j), valueOf(second, i, j)];
    return a === null || b === null ? null : a - b;
  };
  return {
    ...plainSource(set, layer),
    what: `${setText(set)} − ${minus}`,
    diverging: true,
    value,
    error: () => null,
    describe(i, j) {
      const [a, b, gap] = [valueOf(layer, i, j), valueOf(second, i, j), value(i, j)];
      const head = gap === null ? "undefined" : (gap > 0 ? "+" : "") + fixed(gap, 4);
      return { head, pair: pairText(time, i, j), what: `${layer.name}: ${fixed(a, 4)} (${setText(set)}) − ${fixed(b, 4)} (${minus})` };
    },
  };
};

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
