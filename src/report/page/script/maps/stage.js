// One map that can be pointed at: a canvas, the cursor's two lines over it, arrow keys.
const makeStage = (parent, source) => {
  const stage = make(parent, "div", "stage");
  stage.tabIndex = 0;
  stage.setAttribute("role", "application");
  stage.setAttribute("aria-label", `${source.what} of ${source.name} with itself over the epochs. Arrow keys move the epoch cursor.`);
  const canvas = make(stage, "canvas");
  const upright = make(stage, "div", "mark");
  const level = make(stage, "div", "mark");
  let side = 0;

  const paint = (width, color, ink) => {
    side = width - MARGIN.left - MARGIN.right;
    if (side <= 0) return;
    const pen = canvasPen(canvas, width, side + MARGIN.top + MARGIN.bottom);
    paintHeatmap(pen, { side, source, axis, color, ink, marks, outlines: outlinesOf(source) });
    mark();
  };
  const mark = () => {
    if (side <= 0) return;
    const { i, j } = state.cursor();
    const x = MARGIN.left + side * axis.share(epochs[i]);
    const y = MARGIN.top + side * (1 - axis.share(epochs[j]));
    upright.style.width = level.style.height = "1px";
    upright.style.height = level.style.width = side + "px";
    upright.style.transform = `translate(${x - 0.5}px, ${MARGIN.top}px)`;
    level.style.transform = `translate(${MARGIN.left}px, ${y - 0.5}px)`;
  };

  const place = (event) => {
    const box = stage.getBoundingClientRect();
    const i = axis.at(((event.clientX - box.left - MARGIN.left) / side) * axis.end);
    const j = axis.at((1 - (event.clientY - box.top - MARGIN.top) / side) * axis.end);
    return [i, j];
  };
  stage.addEventListener("pointermove", (event) => {
    const [i, j] = place(event);
    state.move(i, j);
    tip.show(event, source.describe(i, j));
  });
  stage.addEventListener("pointerleave", tip.hide);
  stage.addEventListener("click", (event) => state.pin(...place(event)));
  stage.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const { i, j } = state.cursor();
    state.pin(clamp(i + step[0], 0, count - 1), clamp(j + step[1], 0, count - 1));
    bar.speak(source);
  });
  return { stage, canvas, paint, mark };
};

// What is outlined on a map: the phases of its layer as squares, the boundaries between as lines.
const outlinesOf = ({ layer }) => ({
  phases: state.has("outlines", "phases") ? layer.phases : [],
  boundaries: state.has("outlines", "boundaries") ? layer.boundaries : [],
});

const colorsOf = (source, range) => colorIn(source.diverging ? DIVERGING : palette, range);
