// One map over the whole window.
const buildEnlarged = () => {
  if (!sections.length) return;
  const dialog = make(document.body, "dialog", "enlarged");
  const head = make(dialog, "div", "head");
  const title = make(head, "h2");
  title.id = "enlarged-title";
  dialog.setAttribute("aria-labelledby", title.id);
  const range = make(head, "span", "range");
  const step = (by) => () => go(by);
  button(head, "", "‹", step(-1)).setAttribute("aria-label", "previous layer");
  button(head, "", "›", step(1)).setAttribute("aria-label", "next layer");
  button(head, "", "close", () => dialog.close());
  const body = make(dialog, "div", "body");
  const words = make(dialog, "output", "words");
  const files = make(dialog, "p", "files");
  let [section, source, stage] = [null, null, null];

  const asked = () => {
    const [kind, ...name] = state.get("enlarged").split(" ");
    section = sections.find((one) => one.kind === kind);
    return section && section.shown().find((one) => one.name === name.join(" "));
  };
  const go = (by) => {
    const shown = section.shown();
    const at = shown.findIndex((one) => one.name === source.name);
    state.set("enlarged", section.kind + " " + shown[(at + by + shown.length) % shown.length].name);
  };
  const fill = () => {
    source = asked();
    if (!source) return void (dialog.open && dialog.close());
    title.textContent = source.name;
    body.replaceChildren();
    stage = makeStage(body, source);
    files.replaceChildren();
    const one = source;
    offer(files, slug(`map-${one.name}-${one.what}`), { svg: () => mapsSvg([one], section.sources()), csv: () => mapsCsv([one]) });
    if (!dialog.open) {
      dialog.showModal();
      dialog.append($("tip"));
    }
    paint();
  };
  const paint = () => {
    if (!dialog.open || !source) return;
    const values = rangesOf(section.sources())(source);
    range.textContent = `${source.what} · colors from ${rangeText(values)}`;
    const room = Math.min(body.clientWidth, innerHeight - 190);
    stage.stage.style.width = Math.max(200, room) + "px";
    stage.paint(Math.max(200, room), colorsOf(source, values), screenInk());
    speak();
  };
  const speak = () => {
    if (!dialog.open || !source) return;
    stage.mark();
    const { i, j } = state.cursor();
    const { head: value, pair } = source.describe(source.time.near(i), source.time.near(j));
    words.textContent = pair + ": " + value;
  };
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "PageDown") go(1);
    else if (event.key === "PageUp") go(-1);
  });
  dialog.addEventListener("close", () => {
    document.body.append($("tip"));
    source = null;
    state.set("enlarged", "");
  });
  state.on(["enlarged", ...sections.flatMap((section) => section.keys)], fill);
  state.on(["scale", "range", "outlines", "theme"], paint);
  state.follow(speak);
  addEventListener("resize", once(paint));
  if (state.get("enlarged")) fill();
};
