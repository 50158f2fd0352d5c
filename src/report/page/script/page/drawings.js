// Figures as they are printed: the cursor in every panel, and keys whose entries isolate a layer.
const attachCursor = (svg) => {
  const panels = [...svg.querySelectorAll("rect.panel")].map((rect) => attachPanel(svg, rect));
  if (!panels.length) return;
  state.follow(({ i, j }) => {
    for (const panel of panels) {
      const x = panel.left + panel.width * logAxis.share(epochs[i]);
      panel.upright.setAttribute("x1", x);
      panel.upright.setAttribute("x2", x);
      if (!panel.level) continue;
      const y = panel.top + panel.height * (1 - logAxis.share(epochs[j]));
      panel.level.setAttribute("y1", y);
      panel.level.setAttribute("y2", y);
    }
  });
};

const attachPanel = (svg, rect) => {
  const [left, top, width, height] = ["x", "y", "width", "height"].map((name) => Number(rect.getAttribute(name)));
  const layer = rect.dataset.layer;
  const look = layer === undefined ? "cursor-line" : "cursor-line level";
  const upright = draw(svg, "line", { class: look, y1: top, y2: top + height });
  const level = layer === undefined ? null : draw(svg, "line", { class: look, x1: left, x2: left + width });
  const place = (event) => {
    const box = rect.getBoundingClientRect();
    const i = logAxis.at(((event.clientX - box.left) / box.width) * logAxis.end);
    const j = logAxis.at((1 - (event.clientY - box.top) / box.height) * logAxis.end);
    return [i, layer === undefined ? i : j];
  };
  rect.addEventListener("pointermove", (event) => {
    const [i, j] = place(event);
    state.move(i, j);
    tip.show(event, layer === undefined ? errorTip(i) : headlineTip(layer, i, j));
  });
  rect.addEventListener("pointerleave", tip.hide);
  rect.addEventListener("click", (event) => state.pin(...place(event)));
  return { left, top, width, height, upright, level };
};

const errorTip = (i) => ({
  head: "epoch " + epochText(epochs[i]),
  pair: errorsAt(epochs[i]).map(([name, value]) => name + " " + fixed(value, 3)).join(" · "),
});

const headlineTip = (name, i, j) => {
  const { cka, drs } = data.headline;
  const set = data.sets[j >= i ? (cka ?? drs) : (drs ?? cka)];
  const layer = set && layerOf(set, name);
  return layer ? plainSource(set, layer).describe(i, j) : errorTip(i);
};

// What scrolls sideways on this screen is reached by the keyboard, and scrolls by its arrows.
const reachScrolling = () => {
  for (const box of document.querySelectorAll(".scroll .drawing, .table, pre")) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
};

// A click on a layer's name leaves its curves alone in every figure that has them; another one
// brings the others back.
const isolate = (name) => state.set("only", state.get("only") === name ? "" : name);
const makeKey = (entry, name) => {
  entry.classList.add("key");
  entry.setAttribute("tabindex", "0");
  entry.setAttribute("role", "button");
  entry.setAttribute("aria-label", "show " + name + " alone");
  entry.addEventListener("click", () => isolate(name));
  entry.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    isolate(name);
  });
};

const attachKeys = (svg) => {
  for (const entry of svg.querySelectorAll("g[data-key]")) makeKey(entry, entry.dataset.key);
};

const fade = () => {
  const only = state.get("only");
  for (const svg of document.querySelectorAll("svg")) {
    const curves = [...svg.querySelectorAll("[data-of]")];
    const known = curves.some((curve) => curve.dataset.of === only);
    for (const curve of curves) curve.classList.toggle("faded", known && curve.dataset.of !== only);
    for (const entry of svg.querySelectorAll("[data-key]")) {
      entry.classList.toggle("faded", known && entry.dataset.key !== only);
      entry.setAttribute("aria-pressed", String(known && entry.dataset.key === only));
    }
  }
};
state.on(["only"], fade);
