// The page of a comparison. The cursor begins at the end, where every run has been.
startPage(() => {
  buildReading();
  buildAtlas();
}, () => count - 1);
