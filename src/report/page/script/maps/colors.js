// What the colors of maps stand for: their range, and the bar that says it.

// The range of a source's colors, as the reader has chosen it.
const rangesOf = (sources) => {
  const choice = state.get("range");
  if (choice === "layer") return (source) => rangeOf([source]);
  const diverging = sources.length > 0 && sources[0].diverging;
  const range = choice === "all" ? rangeOf(sources) : diverging ? [-1, 1] : [0, 1];
  return () => range;
};

// The bar of colors below the maps.
const buildScale = () => {
  const row = document.createElement("div");
  row.className = "scale";
  const low = make(row, "span");
  const canvas = make(row, "canvas");
  const high = make(row, "span");
  const words = make(row, "span");
  canvas.width = 256;
  canvas.height = 1;
  const paint = (source, range) => {
    const pen = canvas.getContext("2d");
    (source.diverging ? DIVERGING : palette).forEach((fill, k) => {
      pen.fillStyle = fill;
      pen.fillRect(k, 0, 1, 1);
    });
    low.textContent = range ? fixed(range[0], 2) : "least";
    high.textContent = range ? fixed(range[1], 2) : "greatest of the layer";
    const what = source.diverging ? "difference of similarities" : "similarity";
    words.textContent = [what, "both axes: epoch", ...marksInWords()].join(" · ");
  };
  return { row, paint };
};
