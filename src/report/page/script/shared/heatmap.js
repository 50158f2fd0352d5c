// A matrix of epochs by epochs: every cell at its true extent on the axis, origin lower left.
const MARGIN = { left: 30, right: 8, top: 8, bottom: 20 };
const PRINT = { ink: "#16181d", soft: "#4d535e", frame: "#8a8f98" };

const screenInk = () => ({ ink: token("--ink"), soft: token("--soft"), frame: token("--frame") });

// Draws a map whose upper left corner, margin and all, is at (left, top). `source.value(i, j)` is
// null where undefined; `marks` has the epochs of `fit` and `turns`, `outlines` those of `phases`
// (from, to) and `boundaries`.
const paintHeatmap = (pen, { left = 0, top = 0, side, source, axis, color, ink, marks, outlines }) => {
  const x0 = left + MARGIN.left;
  const y0 = top + MARGIN.top;
  const x = (epoch) => x0 + side * axis.share(epoch);
  const y = (epoch) => y0 + side * (1 - axis.share(epoch));
  paintCells(pen, { x0, y0, side, source, axis, color });
  for (const [from, to] of outlines.phases) {
    twice(pen, [[x(from), y(from)], [x(to), y(from)], [x(to), y(to)], [x(from), y(to)], [x(from), y(from)]], []);
  }
  for (const epoch of outlines.boundaries) across(pen, { x, y, x0, y0, side }, epoch, [1.5, 2.5]);
  if (marks.fit !== null) across(pen, { x, y, x0, y0, side }, marks.fit, [4, 3]);
  for (const epoch of marks.turns) {
    if (epoch === null) continue;
    const [tx, ty, right] = [x(epoch), y(epoch), x0 + side];
    pen.area([[tx, y0 - 1], [tx - 2.4, y0 - 5.5], [tx + 2.4, y0 - 5.5]], ink.ink);
    pen.area([[right + 1, ty], [right + 5.5, ty - 2.4], [right + 5.5, ty + 2.4]], ink.ink);
  }
  const [l, t, r, b] = [x0 - 0.5, y0 - 0.5, x0 + side + 0.5, y0 + side + 0.5];
  pen.line([[l, t], [r, t], [r, b], [l, b], [l, t]], ink.frame, 1);
  paintTicks(pen, { x, y, x0, y0, side, axis, ink });
};

const paintCells = (pen, { x0, y0, side, source, axis, color }) => {
  const edge = axis.edges.map((place) => (side * place) / axis.end);
  for (let j = 0; j < axis.count; j += 1) {
    const [lower, upper] = [y0 + side - edge[j], y0 + side - edge[j + 1]];
    let from = 0;
    let fill = undefined;
    // Neighbors of one color are one rectangle.
    for (let i = 0; i <= axis.count; i += 1) {
      const value = i < axis.count ? source.value(i, j) : null;
      const next = i === axis.count ? undefined : value === null ? null : color(value);
      if (i > 0 && next !== fill) {
        pen.cell(x0 + edge[from], upper, x0 + edge[i], lower, fill);
        from = i;
      }
      fill = next;
    }
  }
  if (pen.flush) pen.flush();
};

// Dark on white, readable on every color.
const twice = (pen, points, dash) => {
  pen.line(points, "#ffffff", dash.length ? 1.4 : 2.6);
  pen.line(points, "#16181d", dash.length ? 1.2 : 1.1, dash);
};

// A line at an epoch in both directions.
const across = (pen, { x, y, x0, y0, side }, epoch, dash) => {
  twice(pen, [[x(epoch), y0], [x(epoch), y0 + side]], dash);
  twice(pen, [[x0, y(epoch)], [x0 + side, y(epoch)]], dash);
};

const paintTicks = (pen, { x, y, x0, y0, side, axis, ink }) => {
  for (const tick of axis.ticks(side, 22)) {
    pen.line([[x(tick), y0 + side + 1], [x(tick), y0 + side + 4]], ink.soft, 1);
    pen.text(x(tick), y0 + side + 14, String(tick), ink.soft, "center");
  }
  for (const tick of axis.ticks(side, 13)) {
    pen.line([[x0 - 4, y(tick)], [x0 - 1, y(tick)]], ink.soft, 1);
    pen.text(x0 - 6, y(tick) + 3.5, String(tick), ink.soft, "right");
  }
};
