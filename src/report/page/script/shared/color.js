// Colors of values: viridis for similarities, blue to red for differences, and the range that a
// map's colors stand for.
const viridis = (digits) => Array.from({ length: 256 }, (_, k) => "#" + digits.slice(6 * k, 6 * k + 6));

// Blue, white, red (C. Brewer's RdBu), dark at both ends.
const DIVERGING = (() => {
  const stops = [[5, 48, 97], [67, 147, 195], [247, 247, 247], [214, 96, 77], [103, 0, 31]];
  return Array.from({ length: 256 }, (_, k) => {
    const place = (k / 255) * (stops.length - 1);
    const from = Math.min(stops.length - 2, Math.floor(place));
    const mix = (channel) => Math.round(stops[from][channel] + (place - from) * (stops[from + 1][channel] - stops[from][channel]));
    return `rgb(${mix(0)},${mix(1)},${mix(2)})`;
  });
})();

// The color of a value between the two ends of a range.
const colorIn = (colors, [low, high]) => (value) => colors[Math.round(255 * clamp((value - low) / (high - low), 0, 1))];

// Least and greatest value of matrices, rounded away from each other to hundredths, so that the
// numbers beside the colors are exactly their ends. Differences have as much room on both sides.
const rangeOf = (sources) => {
  let [low, high] = [Infinity, -Infinity];
  for (const source of sources) {
    for (let i = 0; i < source.count; i += 1) {
      for (let j = i; j < source.count; j += 1) {
        const value = source.value(i, j);
        if (value === null) continue;
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
  }
  if (low > high) return sources.length && sources[0].diverging ? [-1, 1] : [0, 1];
  if (sources[0].diverging) {
    const most = Math.max(0.01, Math.ceil(100 * Math.max(-low, high) - 1e-9) / 100);
    return [-most, most];
  }
  low = Math.floor(100 * low + 1e-9) / 100;
  high = Math.ceil(100 * high - 1e-9) / 100;
  return [low, Math.max(high, low + 0.01)];
};

const rangeText = ([low, high]) => `${fixed(low, 2)} to ${fixed(high, 2)}`;
