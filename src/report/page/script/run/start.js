// The page of a run.
const buildRun = () => {
  buildReading();
  document.querySelectorAll("[data-maps]").forEach(buildSection);
  buildSlices();
  buildPaths();
  buildRegions();
};

startPage(buildRun, () => {
  // Where something happens: the peak of the test error, the perfect fit, or the end.
  const first = data.turns[1] ?? data.fit;
  return first === null ? count - 1 : logAxis.at(logAxis.of(first));
});
