// The numbers of the comparison, from the element #data. Names reach the page as text alone.
const data = JSON.parse($("data").textContent);
// All checkpoints of all runs: where the cursor may stand.
const epochs = data.epochs;
const count = epochs.length;
const lastEpoch = data.last;
const palette = viridis(data.colors);

for (const column of data.columns) {
  const own = data.times[column.time];
  column.own = timeOf(own, own[own.length - 1], { fit: column.fit, turns: column.turns });
}
for (const layer of data.sets.flatMap((set) => set.layers)) layer.time = data.columns[layer.column].own;

// What a reader chooses, each with its default, or with all that there is, the default first.
const RANGES = [["unit", "0 to 1"], ["all", "least to greatest of all"]];
const MOST_RUNS = 8;
const CHOICES = {
  scale: ["log", "linear"],
  range: RANGES.map(([value]) => value),
  columns: data.columns.length > Math.max(MOST_RUNS, data.arms.length) ? ["arms", "runs"] : ["runs", "arms"],
  outlines: "",
  layers: "",
  only: "",
  theme: ["", "light", "dark"],
  atlas: "",
  enlarged: "",
  at: "",
};

// The mean test error of the first arms at an epoch: of its row, or the last one before it.
const MOST_SAID = 6;
const errorsAt = (epoch) =>
  data.errors.slice(0, MOST_SAID).flatMap((arm) => {
    const row = arm.epoch.filter((one) => one <= epoch + 1e-9).length - 1;
    return row < 0 || arm.test[row] === null ? [] : [[arm.name + ": test error", arm.test[row]]];
  });
