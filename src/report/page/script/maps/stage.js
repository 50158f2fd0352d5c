// One map that can be pointed at: a canvas, the cursor's two lines over it, arrow keys.
const makeStage = (parent, source) => {
  const stage = make(parent, "div", "stage");
  stage.tabIndex = 0;
  stage.setAttribute("role", "application");
  stage.setAttribute("aria-label", `${source.what} of ${source.name} with itself over the epochs. Arrow keys move the epoch cursor.`);
  const { time } = source;
  const canvas = make(stage, "canvas");
  // Its shape before it is painted.
  [canvas.width, canvas.height] = [200, 200 - MARGIN.left - MARGIN.right + MARGIN.top + MARGIN.bottom];
  const upright = make(stage, "div", "mark");
  const level = make(stage, "div", "mark");
  let side = 0;

  const paint = (width, color, ink) => {
    side = width - MARGIN.left - MARGIN.right;
    if (side <= 0) return;
    const pen = canvasPen(canvas, width, side + MARGIN.top + MARGIN.bottom);
    paintHeatmap(pen, { side, source, axis: time.axis(), color, ink, marks: time.marks, outlines: outlinesOf(source) });
    mark();
  };
  const mark = () => {
    if (side <= 0) return;
    const { i, j } = state.cursor();
    const share = (k) => time.axis().share(time.epochs[time.near(k)]);
    const x = MARGIN.left + side * share(i);
    const y = MARGIN.top + side * (1 - share(j));
    upright.style.width = level.style.height = "1px";
    upright.style.height = level.style.width = side + "px";
    upright.style.transform = `translate(${x - 0.5}px, ${MARGIN.top}px)`;
    level.style.transform = `translate(${MARGIN.left}px, ${y - 0.5}px)`;
  };

  // The own checkpoints under the pointer.
  const place = (event) => {
    const box = stage.getBoundingClientRect();
    const axis = time.axis();
    const i = axis.at(((event.clientX - box.left - MARGIN.left) / side) * axis.end);
    const j = axis.at((1 - (event.clientY - box.top - MARGIN.top) / side) * axis.end);
    return [i, j];
  };
  stage.addEventListener("pointermove", (event) => {
    const [i, j] = place(event);
    state.move(time.page(i), time.page(j));
    tip.show(event, source.describe(i, j));
  });
  stage.addEventListener("pointerleave", tip.hide);
  stage.addEventListener("click", (event) => state.pin(...place(event).map(time.page)));
  stage.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const { i, j } = state.cursor();
    const moved = [i, j].map((k, way) => time.page(clamp(time.near(k) + step[way], 0, time.count - 1)));
    state.pin(...moved);
    bar.speak(source);
  });
  return { stage, canvas, paint, mark };
};

// All groups of maps on the page.
const sections = [];

// What is outlined on a map: the phases of its layer as squares, the boundaries between as lines.
const outlinesOf = ({ layer }) => ({
  phases: state.has("outlines", "phases") ? layer.phases : [],
  boundaries: state.has("outlines", "boundaries") ? layer.boundaries : [],
});

const colorsOf = (source, range) => colorIn(source.diverging ? DIVERGING : palette, range);

// A map with its name, the ends of its colors, and a way to enlarge it.
const buildCard = (grid, source, kind) => {
  const element = make(grid, "div", "map");
  const head = make(element, "div", "head");
  const name = make(head, "h4", "", source.short);
  if (source.short !== source.name) name.title = source.name;
  const range = make(head, "span", "range");
  const enlarge = button(head, "enlarge", "⤢", () => state.set("enlarged", kind + " " + source.name));
  enlarge.setAttribute("aria-label", "enlarge " + source.name);
  return { source, element, range, stage: makeStage(element, source) };
};
