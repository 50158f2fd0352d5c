// Classical scaling gives back the points that distances are of, whatever their dimension.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const source = readFileSync(new URL("../../src/report/page/script/shared/scaling.js", import.meta.url), "utf8");
const classicalScaling = new Function(`${source}; return classicalScaling;`)();

const between = (points) => (i, j) => Math.hypot(...points[i].map((x, k) => x - points[j][k]));

test("points of a plane keep their distances, and all of the variance", () => {
  const points = Array.from({ length: 40 }, (_, k) => [3 * Math.cos(k / 5), Math.sin(k / 3) + k / 40]);
  const found = classicalScaling(points.length, between(points));
  const [given, got] = [between(points), between(found.points)];
  for (let i = 0; i < 40; i += 1) for (let j = 0; j < 40; j += 1) assert.ok(Math.abs(given(i, j) - got(i, j)) < 1e-3, `${i} ${j}`);
  assert.ok(found.share > 0.999 && found.share <= 1);
  assert.ok(found.points[0][0] <= 0 && found.points[0][1] <= 0);
});

test("of points in space two axes keep a part, and of equal points nothing", () => {
  const points = Array.from({ length: 30 }, (_, k) => [Math.cos(k), Math.sin(k), Math.cos(2.3 * k)]);
  const { share } = classicalScaling(points.length, between(points));
  assert.ok(share > 0.5 && share < 0.9, `${share}`);
  assert.deepEqual(classicalScaling(3, () => 0), { points: [[0, 0], [0, 0], [0, 0]].map((p) => p.map(Math.abs)), share: 0 });
});

test("angles that no plane has, which have negative eigenvalues, give finite points", () => {
  const found = classicalScaling(50, (i, j) => Math.acos(Math.exp(-Math.abs(i - j) / 8)));
  assert.ok(found.points.flat().every(Number.isFinite));
  const gaps = found.points.slice(1).map((p, k) => Math.hypot(p[0] - found.points[k][0], p[1] - found.points[k][1]));
  assert.ok(Math.max(...gaps) < 1, "neighbors stay neighbors");
});
