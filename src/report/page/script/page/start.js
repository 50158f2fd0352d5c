// Puts a page together, in the order in which parts need each other: `build` adds its own parts,
// `first` says where the cursor is at first.
const repaint = () => sections.forEach((section) => section.paint());

const startPage = (build, first) => {
  state.read();
  buildTheme();
  document.querySelectorAll(".drawing svg").forEach((svg) => {
    if (count) attachCursor(svg);
    attachKeys(svg);
  });
  if (count) {
    build();
    buildEnlarged();
    bar.build();
    if (!state.isStarted()) {
      const index = first();
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
