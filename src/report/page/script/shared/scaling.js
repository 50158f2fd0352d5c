// Classical scaling: points of a plane whose distances are as near as can be to given ones.
// `distance(i, j)` is an angle; returns the points and the share of all variance that they keep.
const classicalScaling = (count, distance) => {
  const gram = centered(count, distance);
  let total = 0;
  for (let i = 0; i < count; i += 1) total += gram[i * count + i];
  const axes = [leading(gram, count)];
  deflate(gram, count, axes[0]);
  axes.push(leading(gram, count));
  const lengths = axes.map(({ value }) => Math.sqrt(Math.max(0, value)));
  // The first point has nonpositive coordinates, which fixes the signs.
  const signs = axes.map(({ vector }) => (vector[0] > 0 ? -1 : 1));
  const points = Array.from({ length: count }, (_, i) => axes.map(({ vector }, k) => signs[k] * lengths[k] * vector[i]));
  const kept = axes.reduce((sum, { value }) => sum + Math.max(0, value), 0);
  return { points, share: total > 0 ? Math.min(1, kept / total) : 0 };
};

// −½ J D² J, row by row.
const centered = (count, distance) => {
  const squares = new Float64Array(count * count);
  const means = new Float64Array(count);
  for (let i = 0; i < count; i += 1) {
    for (let j = 0; j < count; j += 1) {
      const square = i === j ? 0 : distance(i, j) ** 2;
      squares[i * count + j] = square;
      means[i] += square / count;
    }
  }
  const all = means.reduce((sum, mean) => sum + mean, 0) / count;
  return squares.map((square, at) => -0.5 * (square - means[Math.floor(at / count)] - means[at % count] + all));
};

// The leading eigenvalue and its vector by power iteration. Angles of a curved path also have
// negative eigenvalues, so the matrix is shifted by a bound of them.
const leading = (gram, count) => {
  let shift = 0;
  for (let i = 0; i < count; i += 1) {
    let row = 0;
    for (let j = 0; j < count; j += 1) row += Math.abs(gram[i * count + j]);
    shift = Math.max(shift, row);
  }
  const vector = Float64Array.from({ length: count }, (_, i) => Math.sqrt(i + 1));
  const next = new Float64Array(count);
  let value = 0;
  for (let step = 0; step < 1000; step += 1) {
    let squares = 0;
    for (let i = 0; i < count; i += 1) {
      let sum = shift * vector[i];
      for (let j = 0; j < count; j += 1) sum += gram[i * count + j] * vector[j];
      next[i] = sum;
      squares += sum * sum;
    }
    const length = Math.sqrt(squares);
    if (length < 1e-12) return { value: 0, vector: new Float64Array(count) };
    const before = value;
    value = length - shift;
    for (let i = 0; i < count; i += 1) vector[i] = next[i] / length;
    if (step > 20 && Math.abs(value - before) < 1e-10 * length) break;
  }
  return { value, vector };
};

const deflate = (gram, count, { value, vector }) => {
  for (let i = 0; i < count; i += 1) {
    for (let j = 0; j < count; j += 1) gram[i * count + j] -= value * vector[i] * vector[j];
  }
};
