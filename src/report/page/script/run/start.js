// Puts the page together, in the order in which parts need each other.
const repaint = () => sections.forEach((section) => section.paint());

const startPage = () => {
  state.read();
  buildTheme();
  document.querySelectorAll(".drawing svg").forEach((svg) => {
    if (count) attachCursor(svg);
    attachKeys(svg);
  });
  if (count) {
    buildReading();
    document.querySelectorAll("[data-maps]").forEach(buildSection);
    buildSlices();
    buildPaths();
    buildRegions();
    buildEnlarged();
    bar.build();
    if (!state.isStarted()) {
      // Where something happens: the peak of the test error, the perfect fit, or the end.
      const first = data.turns[1] ?? data.fit;
      const index = first === null ? count - 1 : logAxis.at(logAxis.of(first));
      state.pin(index, index);
      state.start();
    }
    new ResizeObserver(once(repaint)).observe(document.body);
    // Paper is white whatever the screen is.
    onPrint(repaint);
    addEventListener("afterprint", repaint);
  }
  new ResizeObserver(once(reachScrolling)).observe(document.body);
  offerFigures();
  offerTables();
  fade();
  const go = buildContents();
  go(false);
};
startPage();
