// The bar at the foot: the epoch, its errors, and a way to play through all checkpoints.
const bar = (() => {
  let spoken = null;
  let playing = 0;
  const readout = () => {
    const output = $("readout");
    output.replaceChildren();
    const { i, j } = state.cursor();
    make(output, "b", "", "epoch " + epochText(epochs[i]));
    if (spoken) {
      const { head, pair } = spoken.describe(spoken.time.near(i), spoken.time.near(j));
      make(output, "span", "", pair + ": " + head);
      spoken = null;
      return;
    }
    for (const [name, value] of errorsAt(epochs[i])) make(output, "span", "", name + " " + fixed(value, 3));
  };
  const go = (i) => {
    const index = clamp(i, 0, count - 1);
    state.pin(index, index);
  };
  const stop = () => {
    clearInterval(playing);
    playing = 0;
    $("play").textContent = "▶";
    $("play").setAttribute("aria-label", "play through all checkpoints");
  };
  const play = () => {
    if (playing) return stop();
    if (state.pinned().i === count - 1) go(0);
    $("play").textContent = "❚❚";
    $("play").setAttribute("aria-label", "pause");
    playing = setInterval(() => {
      go(state.pinned().i + 1);
      if (state.pinned().i === count - 1) stop();
    }, 160);
  };
  const build = () => {
    const slider = $("epoch");
    slider.max = String(count - 1);
    slider.addEventListener("input", () => go(Number(slider.value)));
    $("back").addEventListener("click", () => go(state.pinned().i - 1));
    $("forth").addEventListener("click", () => go(state.pinned().i + 1));
    $("play").addEventListener("click", play);
    state.follow(({ i }) => {
      slider.value = String(i);
      slider.setAttribute("aria-valuetext", "epoch " + epochText(epochs[i]));
      readout();
    });
    $("cursor").hidden = false;
  };
  return { build, play, speak: (source) => (spoken = source) };
})();
