// What the reader has chosen, and the cell that the cursor is at. All of it stands in the address,
// so that a link shows what its sender saw.
const state = (() => {
  const defaults = {};
  const allowed = {};
  for (const [key, choice] of Object.entries(CHOICES)) {
    defaults[key] = Array.isArray(choice) ? choice[0] : choice;
    if (Array.isArray(choice)) allowed[key] = choice;
  }
  const values = { ...defaults };
  const listeners = [];
  const on = (keys, act) => listeners.push([keys, act]);
  let written = 0;
  const write = () => {
    clearTimeout(written);
    written = setTimeout(() => history.replaceState(null, "", "#" + address()), 150);
  };
  const tell = (keys) => listeners.forEach(([of, act]) => of.some((key) => keys.includes(key)) && act());
  const set = (key, value) => {
    if (values[key] === value || (allowed[key] && !allowed[key].includes(value))) return;
    values[key] = value;
    tell([key]);
    write();
  };
  const has = (key, part) => values[key].split(" ").includes(part);
  const toggle = (key, part) => {
    const parts = values[key].split(" ").filter((one) => one && one !== part);
    set(key, (has(key, part) ? parts : [...parts, part]).join(" "));
  };

  // The cursor: epoch i across and j up, the same unless a map is pointed at, and where it returns
  // to when the pointer leaves.
  let cursor = { i: 0, j: 0 };
  let pinned = cursor;
  // It shows from the first touch on; until then the figures are as in print.
  let started = false;
  const followers = [];
  const follow = once(() => followers.forEach((act) => act(cursor)));
  const move = (i, j) => {
    cursor = { i, j };
    if (started) document.body.classList.add("live");
    follow();
  };
  const pin = (i, j) => {
    pinned = { i, j };
    move(i, j);
    if (started) write();
  };
  const release = () => move(pinned.i, pinned.j);

  const address = () => {
    const entries = Object.entries(values).filter(([key, value]) => value !== defaults[key]);
    const [i, j] = [pinned.i, pinned.j].map((k) => epochText(epochs[k] ?? 0));
    if (count && started) entries.unshift(i === j ? ["epoch", i] : ["cell", i + "," + j]);
    return new URLSearchParams(entries).toString();
  };
  const nearest = (text) => {
    const epoch = Number(text);
    if (text === "" || !Number.isFinite(epoch)) return null;
    const gap = (k) => Math.abs(epochs[k] - epoch);
    return epochs.reduce((best, _, k) => (gap(k) < gap(best) ? k : best), 0);
  };
  // Reads the address; what it does not name is as at first.
  const read = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    const changed = Object.keys(values).filter((key) => {
      const value = asked.get(key) ?? defaults[key];
      if (values[key] === value || (allowed[key] && !allowed[key].includes(value))) return false;
      values[key] = value;
      return true;
    });
    const cell = (asked.get("cell") || asked.get("epoch") || "").split(",").map(nearest);
    const [i, j] = [cell[0], cell[1] ?? cell[0]];
    if (count && i !== null) {
      started = true;
      pin(i, j);
    }
    if (changed.length) tell(changed);
  };
  addEventListener("hashchange", read);
  return {
    on,
    set,
    has,
    toggle,
    read,
    move,
    pin,
    release,
    address,
    get: (key) => values[key],
    isDefault: (key) => values[key] === defaults[key],
    cursor: () => cursor,
    pinned: () => pinned,
    follow: (act) => followers.push(act),
    start: () => (started = true),
    isStarted: () => started,
  };
})();

// The axis that maps and slices stand on.
let axis = axisOf(epochs, lastEpoch, "log");
const logAxis = axis;
state.on(["scale"], () => (axis = axisOf(epochs, lastEpoch, state.get("scale"))));

// The layers that the reader wants to see.
const isShown = (name) => globs(state.get("layers"))(name);
