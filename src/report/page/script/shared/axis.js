// Epochs on an axis: ln(1 + epoch) as in print, or the epochs themselves.
const axisOf = (epochs, last, scale) => {
  const of = scale === "linear" ? (epoch) => epoch : (epoch) => Math.log1p(epoch);
  const count = epochs.length;
  const places = epochs.map(of);
  const end = of(Math.max(1, last));
  // Cells meet halfway between checkpoints; a single one covers a quarter on either side.
  const edges = places.slice(1).map((place, k) => (places[k] + place) / 2);
  if (count === 1) edges.push(places[0] + 0.25);
  else edges.push(places[count - 1]);
  edges.unshift(count === 1 ? Math.max(0, places[0] - 0.25) : places[0]);
  // The checkpoint whose cell holds a place.
  const at = (place) => {
    let index = 0;
    while (index + 1 < count && place >= edges[index + 1]) index += 1;
    return index;
  };
  return { scale, of, count, end, edges, at, share: (epoch) => of(epoch) / end, ticks: ticksOf(of, end, scale) };
};

// The ticks that fit into a length, at least `gap` apart: on a logarithmic axis powers of ten come
// first, then fives, then twos, so that what stays is regular.
const ticksOf = (of, end, scale) => (length, gap) => {
  if (scale === "linear") {
    const most = Math.max(1, Math.floor(length / (1.5 * gap)));
    const power = 10 ** Math.floor(Math.log10(end / most));
    const step = [1, 2, 5, 10].map((factor) => Math.max(1, factor * power)).find((one) => end / one <= most + 1e-9);
    return Array.from({ length: Math.floor(end / step + 1e-9) + 1 }, (_, k) => k * step);
  }
  const kept = [0];
  const apart = (a, b) => (Math.abs(of(a) - of(b)) / end) * length;
  for (const factor of [1, 5, 2]) {
    for (let tick = factor; of(tick) <= end + 1e-9; tick *= 10) {
      if (kept.every((other) => apart(tick, other) >= gap)) kept.push(tick);
    }
  }
  return kept.sort((a, b) => a - b);
};
